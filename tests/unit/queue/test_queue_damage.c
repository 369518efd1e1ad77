/*
 * test_queue_damage.c - all of lib/queue, after bits of the shared memory were flipped: any result
 * is accepted, but no crash, no endless loop, no write outside of the queue. (The bytes of the two
 * mutexes are not changed: they are the C library's.)
 */
#include <stddef.h>
#include <unistd.h>

#include "queue/queue_internal.h"
#include "unit/queue/queue_bodies.h"

enum { N_SEEDS = 200, N_CALLS = 60, N_FLIPS = 4, BUF_BYTES = 3000 };

static bool is_in_mutex(size_t at)
{
	size_t put = offsetof(struct ipk__shm_queue, put_lock);
	size_t get = offsetof(struct ipk__shm_queue, get_lock);

	return (at >= put && at < put + sizeof(struct ipk__robust_lock)) ||
	       (at >= get && at < get + sizeof(struct ipk__robust_lock));
}

/* A place in what changes: the queue's own fields, the first slots, or the first links. */
static size_t some_place(const ipk_queue *q)
{
	const char *base = (const char *)q->shared;
	size_t at;

	switch (random() % 4) {
	case 0:
		return (size_t)((const char *)q->slots - base) + (size_t)random() % 2048;
	case 1:
		return (size_t)((const char *)q->links - base) +
		       (size_t)random() % (q->n_blocks * sizeof *q->links);
	default:
		do {
			at = sizeof(struct ipk__shm_header) +
			     (size_t)random() % (sizeof(struct ipk__shm_queue) -
						 sizeof(struct ipk__shm_header));
		} while (is_in_mutex(at));
		return at;
	}
}

static void flip(ipk_queue *q)
{
	for (int k = 0; k < N_FLIPS; k++)
		((unsigned char *)q->shared)[some_place(q)] ^= (unsigned char)(1 << random() % 8);
}

static int some_call(ipk_queue *q, ipk_lease **l)
{
	static char buf[BUF_BYTES];
	ipk_bytes items[4];
	size_t n;

	switch (random() % 8) {
	case 0:
	case 1:
	case 2:
		return ipk_queue_put(q, buf, (size_t)random() % sizeof buf, ipk_now());
	case 3:
		return ipk_queue_get(q, buf, sizeof buf, ipk_now(), &n);
	case 4:
		return ipk_queue_get_many(q, buf, sizeof buf, 4, ipk_now(), items, &n);
	case 5:
		return ipk_queue_peek(q, buf, sizeof buf, ipk_now(), &n);
	case 6:
		return ipk_queue_join(q, ipk_now());
	default:
		*l = ipk_lease_close(*l);
		return ipk_queue_lease(q, ipk_now(), l);
	}
}

struct fixture {
	int kind;
	unsigned seed;
};

static int suffer(void *arg)
{
	const struct fixture *s = arg;
	ipk_lease *l = NULL;
	ipk_queue *q;
	int n_failed = 0;

	srandom(s->seed);
	q = make_queue(s->kind, IPK_QUEUE(.ring_bytes = 4096, .max_items = 30));
	for (int k = 0; k < 20; k++)
		ck_ok(put_filled(q, (size_t)random() % 2000, 1, ipk_now()));
	flip(q);
	for (int k = 0; k < N_CALLS; k++)
		n_failed += some_call(q, &l) < 0;
	q->shared->needs_repair = 1;
	ipk__queue_repair(q);
	ipk__item_table_rebuild(q);
	for (int k = 0; k < N_CALLS; k++)
		n_failed += some_call(q, &l) < 0;
	ipk_lease_close(l);
	ipk_queue_close(q);
	return n_failed > 2 * N_CALLS;
}

START_TEST(flipped_bits_crash_nobody)
{
	for (unsigned seed = 0; seed < N_SEEDS; seed++) {
		struct fixture s = {_i % N_KINDS, (unsigned)_i * N_SEEDS + seed};

		reap_ok(spawn(suffer, &s));
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("queue_damage");

	add_loop_test(s, flipped_bits_crash_nobody, 0, 2 * N_KINDS);
	return s;
}
IPK_TEST_MAIN(suite)
