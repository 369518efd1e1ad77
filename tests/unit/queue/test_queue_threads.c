/*
 * test_queue_threads.c - one handle, used by all threads of a process at once: what a race
 * detector can judge.
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "unit/queue/queue_bodies.h"

enum { N_ITEMS = IS_SANITIZED ? 4000 : 20000 };
enum { N_PRODUCERS = 3, N_CONSUMERS = 3 };
/* How a consumer takes items. */
enum { GET, GET_MANY, LEASE, POLL, N_WAYS };

struct crowd {
	ipk_queue *q;
	bool all_poll;
	atomic_uint next_producer;
	atomic_uint next_consumer;
	atomic_uint n_failed;
	atomic_uint n_seen[N_PRODUCERS];
	_Atomic uint64_t sum[N_PRODUCERS];
};

struct item {
	uint32_t producer;
	uint32_t number;
};

static void *produce(void *arg)
{
	struct crowd *c = arg;
	struct item item = {atomic_fetch_add(&c->next_producer, 1), 0};
	int r = 0;

	for (; r == 0 && item.number < N_ITEMS; item.number++) {
		if (item.number % 16 == 15) {
			ipk_bytes one = {&item, sizeof item};

			r = ipk_queue_put_many(c->q, &one, 1, ipk_in_ms(WAIT_MS), NULL);
		} else {
			r = ipk_queue_put(c->q, &item, sizeof item, ipk_in_ms(WAIT_MS));
		}
		if (ipk_queue_len(c->q) > 200)
			c->n_failed++;
	}
	c->n_failed += r != 0;
	return NULL;
}

static void note(struct crowd *c, const struct item *item)
{
	c->n_seen[item->producer]++;
	c->sum[item->producer] += item->number;
}

static int take_by_poll(struct crowd *c, struct item *item)
{
	struct pollfd p = {.events = POLLIN};
	int r;

	while ((r = ipk_queue_get(c->q, item, sizeof *item, ipk_now(), NULL)) == -ETIMEDOUT) {
		IPK_TRY(ipk_queue_fd(c->q, &p.fd));
		poll(&p, 1, WAIT_MS);
	}
	return r;
}

static int take(struct crowd *c, unsigned way)
{
	struct item buf[8];
	ipk_bytes items[8] = {{buf, sizeof *buf}};
	ipk_lease *l = NULL;
	size_t n = 1;
	int r;

	if (way == GET) {
		r = ipk_queue_get(c->q, buf, sizeof *buf, ipk_in_ms(WAIT_MS), NULL);
	} else if (way == GET_MANY) {
		r = ipk_queue_get_many(c->q, buf, sizeof buf, 8, ipk_in_ms(WAIT_MS), items, &n);
	} else if (way == LEASE) {
		r = ipk_queue_lease(c->q, ipk_in_ms(WAIT_MS), &l);
		if (r == 0)
			memcpy(buf, ipk_lease_data(l, NULL), sizeof *buf);
	} else {
		r = take_by_poll(c, buf);
	}
	for (size_t i = 0; r == 0 && i < n; i++) {
		note(c, items[i].data);
		r = l ? ipk_lease_ack(l) : ipk_queue_task_done(c->q);
	}
	ipk_lease_close(l);
	return r;
}

static void *consume(void *arg)
{
	struct crowd *c = arg;
	unsigned way = c->all_poll ? POLL : atomic_fetch_add(&c->next_consumer, 1) % N_WAYS;
	int r = 0;

	while (r == 0)
		r = take(c, way);
	c->n_failed += r != -ESHUTDOWN;
	return NULL;
}

START_TEST(threads_share_a_handle)
{
	static struct crowd c;
	pthread_t producers[N_PRODUCERS], consumers[N_CONSUMERS];

	c = (struct crowd){.next_consumer = (unsigned)(_i / N_MAKES)};
	c.all_poll = _i / N_MAKES == N_WAYS;
	c.q = make_queue(_i % N_MAKES, IPK_QUEUE(.max_items = 100));
	for (int k = 0; k < N_CONSUMERS; k++)
		ck_assert_int_eq(pthread_create(&consumers[k], NULL, consume, &c), 0);
	for (int k = 0; k < N_PRODUCERS; k++)
		ck_assert_int_eq(pthread_create(&producers[k], NULL, produce, &c), 0);
	for (int k = 0; k < N_PRODUCERS; k++)
		pthread_join(producers[k], NULL);
	ck_ok(ipk_queue_join(c.q, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_queue_shutdown(c.q, IPK_DRAIN));
	for (int k = 0; k < N_CONSUMERS; k++)
		pthread_join(consumers[k], NULL);
	ck_assert_uint_eq(c.n_failed, 0);
	for (int k = 0; k < N_PRODUCERS; k++) {
		ck_assert_uint_eq(c.n_seen[k], N_ITEMS);
		ck_assert_uint_eq(c.sum[k], (uint64_t)N_ITEMS * (N_ITEMS - 1) / 2);
	}
	drop_queue(c.q);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("queue_threads");

	add_loop_test(s, threads_share_a_handle, 0, (N_WAYS + 1) * N_MAKES);
	return s;
}
IPK_TEST_MAIN(suite)
