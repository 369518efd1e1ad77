/*
 * test_fault_pool.c - pools with the k-th system call or allocation failing, for every k, in
 * whatever thread or process it falls.
 *
 * Several threads make calls at a time, so the k-th call differs from run to run. What holds for
 * all: an error is returned, or the pool works; every future completes; nothing is leaked.
 */
#include <sys/wait.h>

#include "fault/faults.h"
#include "unit/pool/pool_tasks.h"

enum { MISSES_MAX = 3, K_MAX = 2000 };

static ipk_pool *pool; /* of the test that runs */

/* Until k is beyond the last call. */
static void for_each_fault(ipk_pool_kind kind, void (*prepare)(ipk_pool_kind kind),
			   void (*run)(ipk_pool_kind kind), void (*check)(void))
{
	int n_misses = 0;

	for (long k = 1; k < K_MAX && n_misses < MISSES_MAX; k++) {
		struct leaks before = leaks_now();

		if (prepare)
			prepare(kind);
		fault_arm(k);
		run(kind);
		fault_disarm();
		n_misses = fault_hit() ? 0 : n_misses + 1;
		if (check)
			check();
		/* It does not fail in earnest: only a child that is there is waited for. */
		if (fault_hit() && strcmp(fault_hit(), "ipk__os_pidfd_reap") == 0)
			waitpid(-1, NULL, WNOHANG);
		ck_no_leaks(&before);
	}
	ck_assert_int_eq(n_misses, MISSES_MAX);
}

/* --- making ----------------------------------------------------------------------------------- */

static void create_and_close(ipk_pool_kind kind)
{
	ipk_pool *made = NULL;
	int r = ipk_pool_create(IPK_POOL(.kind = kind, .n_workers = 2), &made);

	ck_assert(r == 0 || !made);
	ipk_pool_close(made);
}

START_TEST(create_and_close_a_pool)
{
	for_each_fault(kinds[_i], NULL, create_and_close, NULL);
}
END_TEST

/* --- using ------------------------------------------------------------------------------------ */

static void make_pool(ipk_pool_kind kind)
{
	pool = pool_of(kind, 1);
}

/* It works yet, and goes. */
static void use_and_close(void)
{
	IPK_AUTO(future, f);
	uint64_t x = 3, y = 0;

	ck_ok(ipk_pool_submit(pool, square, &x, sizeof x, NULL, &f));
	ck_ok(ipk_future_get(f, &y, sizeof y, ipk_in_ms(WAIT_MS), NULL));
	ck_assert_uint_eq(y, 9);
	pool = ipk_pool_close(pool);
}

/* Whatever fails, it ends; a result is the right one. */
static void ck_ends(ipk_future *f, const char *result, size_t n_bytes)
{
	void *back = NULL;
	size_t n;
	int r = ipk_future_get_alloc(f, ipk_in_ms(WAIT_MS), &back, &n);

	ck_assert_msg(r != -ETIMEDOUT, "no end, for %s failed", fault_hit());
	ck_assert_int_ge(ipk_future_state_of(f), IPK_FUTURE_DONE);
	if (r == 0) {
		ck_assert_uint_eq(n, n_bytes);
		ck_assert_mem_eq(back, result, n);
		free(back);
	}
}

static void submit_and_get(ipk_pool_kind kind)
{
	static const size_t sizes[] = {0, 40, 60, 120, 200, 200000};
	static char data[200000];

	(void)kind;
	memset(data, 'd', sizeof data);
	for (size_t i = 0; i < IPK__N_OF(sizes); i++) {
		IPK_AUTO(future, f);

		if (ipk_pool_submit(pool, echo, data, sizes[i], NULL, &f) == 0)
			ck_ends(f, data, sizes[i]);
	}
}

START_TEST(submit_and_get_results)
{
	for_each_fault(kinds[_i], make_pool, submit_and_get, use_and_close);
}
END_TEST

static void note(ipk_future *f, void *arg)
{
	(void)f;
	atomic_fetch_add((_Atomic unsigned *)arg, 1);
}

struct told {
	_Atomic unsigned n;
	unsigned want;
};

static bool is_told(void *arg)
{
	const struct told *told = arg;

	return atomic_load(&told->n) >= told->want;
}

static void be_told(ipk_pool_kind kind)
{
	IPK_AUTO(future, f);
	struct told told = {0};
	int fd;

	(void)kind;
	if (ipk_pool_submit(pool, nothing, NULL, 0, NULL, &f) < 0)
		return;
	told.want += ipk_future_on_done(f, note, &told.n) == 0;
	told.want += ipk_future_on_done(f, note, &told.n) == 0;
	if (ipk_future_fd(f, &fd) == 0)
		ck_assert_int_ne(ipk__os_poll1(fd, IPK__OS_IN, ipk_in_ms(WAIT_MS), NULL),
				 -ETIMEDOUT);
	ck_assert(wait_until(is_told, &told, WAIT_MS));
	ck_ends(f, "", 0);
}

START_TEST(be_told_of_the_end)
{
	for_each_fault(kinds[_i], make_pool, be_told, use_and_close);
}
END_TEST

/* --- deaths and limits: processes ------------------------------------------------------------- */

static void lose_a_worker(ipk_pool_kind kind)
{
	IPK_AUTO(future, f);
	IPK_AUTO(future, g);
	const char arg[60] = {0}; /* more than a future has room for */
	const ipk_task_opts *opts = IPK_TASK(.n_retries = 1, .retry_delay_ns = 1000000);

	(void)kind;
	if (ipk_pool_submit(pool, die, arg, sizeof arg, opts, &f) == 0)
		ck_ends(f, "", 0);
	if (ipk_pool_submit(pool, echo, "after", 5, NULL, &g) == 0)
		ck_ends(g, "after", 5);
}

START_TEST(lose_a_worker_and_go_on)
{
	for_each_fault(IPK_POOL_PROCESSES, make_pool, lose_a_worker, use_and_close);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("fault pool");

	add_test_of_both(s, create_and_close_a_pool);
	add_test_of_both(s, submit_and_get_results);
	add_test_of_both(s, be_told_of_the_end);
	add_test(s, lose_a_worker_and_go_on);
	return s;
}
IPK_TEST_MAIN(suite)
