/*
 * test_fault_workers.c - a pool's workers are started, replaced and read while the k-th system call
 * or allocation of their creator fails: in the end it has the right number of workers.
 *
 * The pool's own thread makes calls too, so the k-th call differs from run to run; what must hold
 * does not.
 */
#include <signal.h>
#include <string.h>

#include "fault/faults.h"
#include "ipk/pool.h"
#include "pool/pool_internal.h"
#include "support/support.h"

#define MUCH_BYTES 100000

static int give(ipk_task *task, const void *arg, size_t arg_bytes)
{
	static char data[MUCH_BYTES];
	size_t n_bytes;

	memcpy(&n_bytes, arg, arg_bytes);
	return ipk_task_return(task, data, n_bytes);
}

static ipk_pool *make(unsigned n_workers, ipk_pool_kind kind)
{
	ipk_pool *pool;

	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = n_workers, .kind = kind), &pool));
	return pool;
}

static int give_and_get(ipk_pool *pool, size_t n_bytes)
{
	IPK_AUTO(future, f);
	size_t len_bytes = 0;
	void *data = NULL;
	int r = ipk_pool_submit(pool, give, &n_bytes, sizeof n_bytes, NULL, &f);

	if (r == 0)
		r = ipk_future_get_alloc(f, ipk_in_ms(WAIT_MS), &data, &len_bytes);
	if (r < 0)
		return r;
	ck_assert_uint_eq(len_bytes, n_bytes);
	free(data);
	return 0;
}

static bool is_full(void *arg)
{
	ipk_pool *pool = arg;
	bool is_full;

	ipk__pool_lock(pool);
	is_full = ipk__workers_n_alive(pool) == pool->n_workers;
	ipk__pool_unlock(pool);
	return is_full;
}

static void ck_works(ipk_pool *pool)
{
	ck_assert(wait_until(is_full, pool, WAIT_MS));
	for (int i = 0; i < 10; i++)
		ck_ok(give_and_get(pool, 1000));
}

static void resize_with_fault(ipk_pool_kind kind, long k)
{
	IPK_AUTO_INIT(pool, pool, make(2, kind));
	int r;

	fault_arm(k);
	r = ipk_pool_resize(pool, 4);
	fault_disarm();
	ck_assert_uint_eq(pool->n_workers, r == 0 ? 4 : 2);
	ck_works(pool);
}

START_TEST(resizing)
{
	for (long k = 1; k <= 12; k++)
		resize_with_fault((ipk_pool_kind)_i, k);
}
END_TEST

static bool has_lost_one(void *arg)
{
	ipk_pool *pool = arg;

	return atomic_load(&pool->shared->workers[0].n_started) > 1 ||
	       atomic_load(&pool->shared->workers[0].state) == IPK__WORKER_NONE;
}

START_TEST(replacing)
{
	for (long k = 1; k <= 15; k++) {
		IPK_AUTO_INIT(pool, pool, make(2, IPK_POOL_PROCESSES));

		fault_arm(k);
		ck_assert_int_eq(kill(pool->handles[0].child.pid, SIGKILL), 0);
		ck_assert(wait_until(has_lost_one, pool, WAIT_MS));
		fault_disarm();
		ck_works(pool);
	}
}
END_TEST

START_TEST(reading_long_results)
{
	for (long k = 1; k <= 15; k++) {
		IPK_AUTO_INIT(pool, pool, make(1, (ipk_pool_kind)_i));
		int r;

		fault_arm(k);
		r = give_and_get(pool, MUCH_BYTES);
		fault_disarm();
		ck_assert_msg(r == 0 || r == -ENOMEM || r == -EREMOTEIO || r == FAULT,
			      "it gives %s", ipk_errname(r));
		ck_works(pool);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("fault_workers");

	/* It is the creator's calls that fail. */
	pthread_atfork(NULL, NULL, fault_disarm);
	add_loop_test(s, resizing, 0, 2);
	add_test(s, replacing);
	add_loop_test(s, reading_long_results, 0, 2);
	return s;
}

IPK_TEST_MAIN(suite)
