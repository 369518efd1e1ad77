/*
 * test_queue_crowd.c - many processes at one queue: nothing lost, nothing duplicated, all in order.
 */
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "unit/queue/queue_bodies.h"

enum { N_PRODUCERS = 4, N_CONSUMERS = 4, N_ITEMS = 100000 };

struct item {
	uint32_t producer;
	uint32_t number;
};

/* What all processes of a test see. */
struct shared {
	ipk_queue *q;
	atomic_uint next_producer;
	_Atomic uint64_t n_disordered;
	atomic_uchar n_seen[N_PRODUCERS][N_ITEMS];
};

static struct shared *share(ipk_queue *q)
{
	struct shared *s =
		mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(s, MAP_FAILED);
	s->q = q;
	return s;
}

static int produce(void *arg)
{
	struct shared *s = arg;
	struct item item = {atomic_fetch_add(&s->next_producer, 1), 0};
	int r = 0;

	for (; r == 0 && item.number < N_ITEMS; item.number++)
		r = ipk_queue_put(s->q, &item, sizeof item, ipk_in_ms(WAIT_MS));
	return r != 0;
}

static void note(struct shared *s, const struct item *item, int64_t last[N_PRODUCERS])
{
	s->n_seen[item->producer][item->number]++;
	if (item->number <= last[item->producer])
		s->n_disordered++;
	last[item->producer] = item->number;
}

static int consume(void *arg)
{
	struct shared *s = arg;
	int64_t last[N_PRODUCERS] = {-1, -1, -1, -1};
	struct item item;
	int r;

	while ((r = ipk_queue_get(s->q, &item, sizeof item, ipk_in_ms(WAIT_MS), NULL)) == 0)
		note(s, &item, last);
	return r != -ESHUTDOWN;
}

static int consume_many(void *arg)
{
	struct shared *s = arg;
	int64_t last[N_PRODUCERS] = {-1, -1, -1, -1};
	struct item buf[64];
	ipk_bytes items[64];
	size_t n;
	int r;

	while ((r = ipk_queue_get_many(s->q, buf, sizeof buf, 64, ipk_in_ms(WAIT_MS), items, &n)) ==
	       0) {
		for (size_t i = 0; i < n; i++)
			note(s, items[i].data, last);
	}
	return r != -ESHUTDOWN;
}

static uint32_t n_not_once(const struct shared *s)
{
	uint32_t n = 0;

	for (int p = 0; p < N_PRODUCERS; p++) {
		for (int i = 0; i < N_ITEMS; i++)
			n += s->n_seen[p][i] != 1;
	}
	return n;
}

static void run_crowd(int i, int (*consumer)(void *))
{
	ipk_queue *q = make_queue(i, IPK_QUEUE(.max_items = 1000));
	struct shared *s = share(q);
	pid_t producers[N_PRODUCERS], consumers[N_CONSUMERS];

	for (int k = 0; k < N_CONSUMERS; k++)
		consumers[k] = spawn(consumer, s);
	for (int k = 0; k < N_PRODUCERS; k++)
		producers[k] = spawn(produce, s);
	for (int k = 0; k < N_PRODUCERS; k++)
		reap_ok(producers[k]);
	ck_ok(ipk_queue_shutdown(q, IPK_DRAIN));
	for (int k = 0; k < N_CONSUMERS; k++)
		reap_ok(consumers[k]);
	ck_assert_uint_eq(n_not_once(s), 0);
	if (kind_of(i) != IPK_QUEUE_LIFO)
		ck_assert_uint_eq(s->n_disordered, 0);
	ck_assert_uint_eq(ipk_queue_len(q), 0);
	munmap(s, sizeof *s);
	drop_queue(q);
}

START_TEST(four_producers_and_four_consumers)
{
	run_crowd(_i, consume);
}
END_TEST

START_TEST(four_producers_and_four_that_take_many)
{
	run_crowd(_i, consume_many);
}
END_TEST

/* --- blocked processes and shutdown ----------------------------------------------------------- */

static int put_until_the_end(void *arg)
{
	return ipk_queue_put(arg, "xxxx", 4, ipk_in_ms(WAIT_MS)) != -ESHUTDOWN;
}

static int get_until_the_end(void *arg)
{
	uint32_t number;

	return get_number(arg, ipk_in_ms(WAIT_MS), &number) != -ESHUTDOWN;
}

static int join_until_the_end(void *arg)
{
	return ipk_queue_join(arg, ipk_in_ms(WAIT_MS)) != 0;
}

static void spawn_asleep(pid_t pids[2], int (*fn)(void *), ipk_queue *q)
{
	for (int k = 0; k < 2; k++)
		pids[k] = spawn(fn, q);
	for (int k = 0; k < 2; k++)
		ck_wait_asleep(pids[k]);
}

START_TEST(shutdown_frees_blocked_putters)
{
	ipk_queue *q = make_queue(_i % N_MAKES, IPK_QUEUE(.max_items = 1));
	pid_t putters[2], joiners[2];

	ck_put_number(q, 1);
	spawn_asleep(putters, put_until_the_end, q);
	spawn_asleep(joiners, join_until_the_end, q);
	ck_ok(ipk_queue_shutdown(q, _i < N_MAKES ? IPK_DRAIN : IPK_DISCARD));
	reap_ok(putters[0]);
	reap_ok(putters[1]);
	if (_i < N_MAKES) {
		ck_get_number(q, 1);
		ck_ok(ipk_queue_task_done(q));
	}
	reap_ok(joiners[0]);
	reap_ok(joiners[1]);
	drop_queue(q);
}
END_TEST

START_TEST(shutdown_frees_blocked_getters)
{
	ipk_queue *q = make_queue(_i % N_MAKES, IPK_QUEUE(.max_items = 1));
	pid_t getters[2];

	spawn_asleep(getters, get_until_the_end, q);
	ck_ok(ipk_queue_shutdown(q, _i < N_MAKES ? IPK_DRAIN : IPK_DISCARD));
	reap_ok(getters[0]);
	reap_ok(getters[1]);
	drop_queue(q);
}
END_TEST

/* --- interruptions ---------------------------------------------------------------------------- */

static volatile sig_atomic_t n_signals;

static void count_signal(int sig)
{
	(void)sig;
	n_signals++;
}

/* A signal every millisecond that makes system calls return EINTR. */
static void start_storm(void)
{
	struct sigaction action = {.sa_handler = count_signal};
	struct itimerval timer = {{0, 1000}, {0, 1000}};

	ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

enum { N_STORM_ITEMS = 500000 }; /* each put and got: a million operations */

static int storm_producer(void *arg)
{
	int r = 0;

	start_storm();
	for (uint32_t n = 0; r == 0 && n < N_STORM_ITEMS; n++)
		r = ipk_queue_put(arg, &n, sizeof n, ipk_in_ms(WAIT_MS));
	return r != 0 || n_signals == 0;
}

static int storm_consumer(void *arg)
{
	uint32_t got = 0;
	int r = 0;

	start_storm();
	for (uint32_t n = 0; r == 0 && n < N_STORM_ITEMS; n++) {
		r = ipk_queue_get(arg, &got, sizeof got, ipk_in_ms(WAIT_MS), NULL);
		if (got != n)
			return 2;
	}
	return r != 0 || n_signals == 0;
}

START_TEST(signals_interrupt_nothing)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 100));
	pid_t producer = spawn(storm_producer, q), consumer = spawn(storm_consumer, q);

	reap_ok(producer);
	reap_ok(consumer);
	ck_empty(q);
	drop_queue(q);
}
END_TEST

static int wait_in_a_storm(void *arg)
{
	ipk_deadline d = ipk_in_ms(100);
	uint32_t number;

	start_storm();
	if (get_number(arg, d, &number) != -ETIMEDOUT || ipk_deadline_left_ns(d) != 0)
		return 1;
	d = ipk_in_ms(100);
	if (ipk_queue_join(arg, d) != 0)
		return 2;
	return 0;
}

START_TEST(signals_shorten_no_wait)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));

	reap_ok(spawn(wait_in_a_storm, q));
	drop_queue(q);
}
END_TEST

/* --- waiting costs nothing -------------------------------------------------------------------- */

static int64_t cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec +
	       u.ru_stime.tv_usec;
}

static int wait_idly(void *arg)
{
	int64_t before_us = cpu_us();
	uint32_t number;

	if (get_number(arg, ipk_in_ms(1000), &number) != -ETIMEDOUT)
		return 2;
	return cpu_us() - before_us >= 20000;
}

START_TEST(a_blocked_get_uses_no_processor)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));

	reap_ok(spawn(wait_idly, q));
	drop_queue(q);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("queue_crowd");

	add_loop_test(s, four_producers_and_four_consumers, 0, N_MAKES);
	add_loop_test(s, four_producers_and_four_that_take_many, 0, N_KINDS);
	add_loop_test(s, shutdown_frees_blocked_putters, 0, 2 * N_MAKES);
	add_loop_test(s, shutdown_frees_blocked_getters, 0, 2 * N_MAKES);
	add_test(s, signals_interrupt_nothing);
	add_loop_test(s, signals_shorten_no_wait, 0, N_MAKES);
	add_loop_test(s, a_blocked_get_uses_no_processor, 0, 1);
	return s;
}
IPK_TEST_MAIN(suite)
