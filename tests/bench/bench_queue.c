/*
 * bench_queue.c - queues: 64-byte items from producers to consumers.
 *
 * Producers put n items together, consumers get as many; each has a fixed share. With one producer
 * and one consumer each has its own core; four and four are left to the scheduler, ours and the
 * peers' alike.
 */
#include <stdio.h>
#include <string.h>

#include <ipk.h>

#include "bench.h"
#include "peer_boost.h"

#define BATCH 32
#define BOOST_MESSAGES 1024
#define SIDES_MAX 8

struct flow {
	ipk_queue *queue;
	void *boost;
	size_t n_producers; /* as many as consumers */
};

/* All producers, then as many consumers. */
static int run_sides(struct flow *flow, int (*producer)(void *, size_t),
		     int (*consumer)(void *, size_t), size_t n, struct bench_time *ret_time)
{
	struct bench_side sides[SIDES_MAX];
	size_t n_pairs = flow->n_producers;

	for (size_t i = 0; i < n_pairs; i++) {
		sides[i] = (struct bench_side){producer, n_pairs == 1 ? 0 : BENCH_ANY_CPU};
		sides[n_pairs + i] =
			(struct bench_side){consumer, n_pairs == 1 ? 1 : BENCH_ANY_CPU};
	}
	return bench_team(sides, 2 * n_pairs, flow, n, ret_time);
}

/* --- ours ------------------------------------------------------------------------------------- */

static int ipk_producer(void *arg, size_t n)
{
	const struct flow *flow = arg;
	char item[BENCH_MESSAGE_BYTES] = {0};

	for (size_t i = 0; i < n / flow->n_producers; i++)
		IPK_TRY(ipk_queue_put(flow->queue, item, sizeof item, ipk_forever()));
	return 0;
}

static int ipk_consumer(void *arg, size_t n)
{
	const struct flow *flow = arg;
	char item[BENCH_MESSAGE_BYTES];

	for (size_t i = 0; i < n / flow->n_producers; i++)
		IPK_TRY(ipk_queue_get(flow->queue, item, sizeof item, ipk_forever(), NULL));
	return 0;
}

static int ipk_producer_many(void *arg, size_t n)
{
	const struct flow *flow = arg;
	char bytes[BENCH_MESSAGE_BYTES] = {0};
	ipk_bytes items[BATCH];

	for (size_t i = 0; i < BATCH; i++)
		items[i] = (ipk_bytes){bytes, sizeof bytes};
	while (n > 0) {
		size_t n_put = 0;

		IPK_TRY(ipk_queue_put_many(flow->queue, items, n < BATCH ? n : BATCH, ipk_forever(),
					   &n_put));
		n -= n_put;
	}
	return 0;
}

static int ipk_consumer_many(void *arg, size_t n)
{
	const struct flow *flow = arg;
	_Alignas(8) char bytes[BATCH * BENCH_MESSAGE_BYTES];
	ipk_bytes items[BATCH];

	while (n > 0) {
		size_t n_got = 0;

		IPK_TRY(ipk_queue_get_many(flow->queue, bytes, sizeof bytes, n < BATCH ? n : BATCH,
					   ipk_forever(), items, &n_got));
		n -= n_got;
	}
	return 0;
}

static int ours(size_t n_pairs, int (*producer)(void *, size_t), int (*consumer)(void *, size_t),
		size_t n, struct bench_time *ret_time)
{
	struct flow flow = {.n_producers = n_pairs};
	int r = ipk_queue_create(NULL, &flow.queue);

	if (r < 0)
		return r;
	r = run_sides(&flow, producer, consumer, n, ret_time);
	ipk_queue_close(flow.queue);
	return r;
}

static int ours_1(size_t n, struct bench_time *ret_time)
{
	return ours(1, ipk_producer, ipk_consumer, n, ret_time);
}

static int ours_4(size_t n, struct bench_time *ret_time)
{
	return ours(4, ipk_producer, ipk_consumer, n, ret_time);
}

static int ours_many(size_t n, struct bench_time *ret_time)
{
	return ours(1, ipk_producer_many, ipk_consumer_many, n, ret_time);
}

/* --- Boost.Interprocess ----------------------------------------------------------------------- */

#ifdef BENCH_HAVE_BOOST
static int boost_producer(void *arg, size_t n)
{
	const struct flow *flow = arg;
	char item[BENCH_MESSAGE_BYTES] = {0};

	for (size_t i = 0; i < n / flow->n_producers; i++)
		if (peer_boost_send(flow->boost, item, sizeof item) < 0)
			return -EIO;
	return 0;
}

static int boost_consumer(void *arg, size_t n)
{
	const struct flow *flow = arg;
	char item[BENCH_MESSAGE_BYTES];

	for (size_t i = 0; i < n / flow->n_producers; i++)
		if (peer_boost_receive(flow->boost, item, sizeof item) < 0)
			return -EIO;
	return 0;
}

static int boost(size_t n_pairs, size_t n, struct bench_time *ret_time)
{
	struct flow flow = {.n_producers = n_pairs};
	int r;

	flow.boost = peer_boost_open(BOOST_MESSAGES, BENCH_MESSAGE_BYTES);
	if (!flow.boost)
		return -EIO;
	r = run_sides(&flow, boost_producer, boost_consumer, n, ret_time);
	peer_boost_close(flow.boost);
	return r;
}

static int boost_1(size_t n, struct bench_time *ret_time)
{
	return boost(1, n, ret_time);
}

static int boost_4(size_t n, struct bench_time *ret_time)
{
	return boost(4, n, ret_time);
}
#else
#define boost_1 NULL
#define boost_4 NULL
#endif

/* --- Python ----------------------------------------------------------------------------------- */

static int python_1(size_t n, struct bench_time *ret_time)
{
	char args[64];

	snprintf(args, sizeof args, "1 1 %d,%d", bench_cpu_number(0), bench_cpu_number(1));
	return bench_python("peer_queue.py", args, n, ret_time);
}

static int python_4(size_t n, struct bench_time *ret_time)
{
	return bench_python("peer_queue.py", "4 4 any", n, ret_time);
}

const struct bench_row bench_queue_rows[] = {
	{
		.name = "queue 64 B, 1 producer 1 consumer, two cores",
		.unit = "M/s",
		.is_rate = true,
		.scale = 1e-6,
		.n_cpus = 2,
		.ours = {"ipk queue", ours_1},
		.peers = {{"Boost message_queue", boost_1, 2.5},
			  {"Python multiprocessing.Queue", python_1, 50}},
	},
	{
		.name = "queue 64 B, 4 and 4, unpinned",
		.unit = "M/s",
		.is_rate = true,
		.scale = 1e-6,
		.n_cpus = 1,
		.ours = {"ipk queue", ours_4},
		.peers = {{"Boost message_queue", boost_4, 2.5},
			  {"Python multiprocessing.Queue", python_4, 40}},
	},
	{
		.name = "queue 64 B, put_many/get_many of 32, two cores",
		.unit = "M/s",
		.is_rate = true,
		.scale = 1e-6,
		.n_cpus = 2,
		.ours = {"ipk queue, many", ours_many},
		.peers = {{"ipk queue, one by one", ours_1, 3}},
	},
	{0},
};
