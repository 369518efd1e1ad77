/*
 * test_worker_map.c - a worker's steps in a map, and its death between any two of them: what it has
 * done is kept, the item it was running is lost or restarted, another worker does the rest.
 *
 * The pool has no workers but those that this test simulates: one that dies, by hand, step by step
 * as in map_shared.h, and one that does all the rest, by worker_map.c.
 */
#include <signal.h>
#include <string.h>

#include "ipk.h"
#include "pool/map_internal.h"
#include "pool/worker.h"
#include "support/support.h"

enum { N = 20, CHUNK = 6, N_WORKERS = 2 };

/* How far the worker gets before it dies. */
enum step {
	ANNOUNCED,
	AFTER_A_CHUNK, /* its place says so, the word does not */
	CLAIMED,
	AT_ITEM,    /* the first item was begun */
	AT_ITEM_3,  /* three are done, the fourth was begun */
	DONE_ITEMS, /* all items of the chunk are done, the last of them in its place */
	DONE_CHUNK, /* the word says so, the count does not */
	TOLD,
	N_STEPS,
};

static ipk_pool *pool;
static unsigned n_calls[N], last_attempt[N];
static bool item_3_fails;

static int call(const void *item, void *ret_result)
{
	unsigned i = *(const unsigned *)item;

	n_calls[i]++;
	last_attempt[i] = ipk_task_attempt(ipk_task_current());
	*(unsigned *)ret_result = i + 100;
	return item_3_fails && i == 3 ? 33 : 0;
}

static void open_pool(void)
{
	ipk_pool_opts opts = {
		.struct_size = sizeof opts, .n_workers = N_WORKERS, .label = "played"};

	ck_ok(ipk__pool_build(&opts, &pool));
	pool->n_workers = N_WORKERS;
	for (unsigned i = 0; i < N_WORKERS; i++) {
		pool->handles[i].is_there = true;
		pool->handles[i].child.pidfd = -1;
	}
	memset(n_calls, 0, sizeof n_calls);
	memset(last_attempt, 0, sizeof last_attempt);
	item_3_fails = false;
}

static void close_pool(void)
{
	for (unsigned i = 0; i < N_WORKERS; i++)
		pool->handles[i].is_there = false;
	ipk__pool_drop(pool);
}

static ipk_future *begin(unsigned n_retries)
{
	unsigned items[N];
	ipk_future *f;

	for (unsigned i = 0; i < N; i++)
		items[i] = i;
	ck_ok(ipk_pool_map_async(pool, call, items, sizeof *items, sizeof *items, N,
				 IPK_TASK(.chunk = CHUNK, .n_retries = n_retries), &f));
	return f;
}

/* Items @from .. @to - 1 of the first chunk, by hand. */
static void do_items(struct ipk__map_job *job, struct ipk__pool_worker *record, unsigned from,
		     unsigned to)
{
	char *base = (char *)pool->shared;
	struct ipk_task task = {.attempt = 1, .map = job->map};

	ipk__task_set_current(&task);
	for (unsigned i = from; i < to; i++) {
		unsigned *items = (unsigned *)(base + job->plan.items_offset);
		unsigned *results = (unsigned *)(base + job->plan.results_offset);

		atomic_store(&record->item, i + 1);
		job->codes[i] = call(&items[i], &results[i]);
	}
	ipk__task_set_current(NULL);
}

/* Worker 0, in the first chunk, which is what it would begin with. */
static void live_until(enum step step)
{
	struct ipk__map_job *job = pool->map_state->first;
	struct ipk__pool_worker *record = &pool->shared->workers[0];

	atomic_store(&record->map, job->number + 1);
	if (step >= AFTER_A_CHUNK)
		atomic_store(&record->chunk, 1);
	if (step >= CLAIMED) {
		atomic_store(&job->words[0], ipk__chunk_word(0, 0, 0, IPK__CHUNK_TAKEN));
		atomic_store(&job->map->regions[0].next, 1);
	}
	if (step == AT_ITEM)
		atomic_store(&record->item, 1);
	if (step == AT_ITEM_3) {
		do_items(job, record, 0, 3);
		atomic_store(&record->item, 4);
	}
	if (step >= DONE_ITEMS)
		do_items(job, record, 0, CHUNK);
	if (step >= DONE_CHUNK)
		atomic_store(&job->words[0], ipk__chunk_word(0, 0, 0, IPK__CHUNK_DONE));
	if (step >= TOLD)
		atomic_fetch_add(&job->map->n_done, CHUNK);
}

static void die(void)
{
	const struct ipk__death death = {
		.worker = 0, .pid = 4711, .is_known = true, .status = {.signal = SIGKILL}};

	ipk__pool_lock(pool);
	ipk__maps_orphaned(pool, &death);
	ipk__pool_unlock(pool);
}

/* Worker 1, in this thread. */
static void do_the_rest(void)
{
	struct ipk__worker w;

	ipk__worker_init(&w, pool->shared, 1);
	w.is_thread = true;
	w.task.worker = &w;
	while (ipk__worker_do_maps(&w))
		;
}

/* The item that it died at; -1: none. */
static int victim(enum step step)
{
	return step == AT_ITEM ? 0 : step == AT_ITEM_3 ? 3 : step == DONE_ITEMS ? CHUNK - 1 : -1;
}

static void ck_results(ipk_future *f, int lost, int r)
{
	unsigned results[N];

	ck_err(ipk_future_get(f, results, sizeof results, ipk_now(), NULL), r);
	for (int i = 0; i < N; i++)
		ck_assert_uint_eq(results[i], i == lost ? 0 : (unsigned)i + 100);
}

START_TEST(a_death_costs_the_item_it_was_at)
{
	int lost = victim((enum step)_i);
	ipk_failure failure;
	ipk_future *f;
	size_t n;

	open_pool();
	f = begin(0);
	live_until((enum step)_i);
	die();
	do_the_rest();
	ck_assert(ipk_future_is_done(f));
	ck_results(f, lost, lost >= 0 ? -EOWNERDEAD : 0);
	ck_ok(ipk_future_failures(f, &failure, 1, &n));
	ck_assert_uint_eq(n, lost >= 0);
	if (lost >= 0) {
		ck_assert_uint_eq(failure.index, (size_t)lost);
		ck_assert_int_eq(failure.pid, 4711);
		ck_assert_uint_eq(failure.n_attempts, 1);
	}
	for (int i = 0; i < N; i++)
		ck_assert_uint_eq(n_calls[i], i != lost || _i == DONE_ITEMS);
	ipk_future_close(f);
	close_pool();
}
END_TEST

START_TEST(it_is_begun_again)
{
	int again = victim((enum step)_i);
	ipk_future *f;

	open_pool();
	f = begin(1);
	live_until((enum step)_i);
	die();
	do_the_rest();
	ck_assert(ipk_future_is_done(f));
	ck_results(f, -1, 0);
	for (int i = 0; i < N; i++)
		ck_assert_uint_eq(n_calls[i], i == again && _i == DONE_ITEMS ? 2 : 1);
	if (again >= 0)
		ck_assert_uint_eq(last_attempt[again], 2);
	ipk_future_close(f);
	close_pool();
}
END_TEST

/* It dies after the other had found nothing left but what it had: that one comes back. */
START_TEST(the_rest_is_news)
{
	int lost = victim((enum step)_i);
	ipk_future *f;

	open_pool();
	f = begin(0);
	live_until((enum step)_i);
	do_the_rest();
	ck_assert_uint_eq(atomic_load(&pool->shared->maps_active), 0);
	ck_assert_int_eq(ipk_future_is_done(f), _i < CLAIMED || _i == TOLD);
	die();
	do_the_rest();
	ck_assert(ipk_future_is_done(f));
	ck_results(f, lost, lost >= 0 ? -EOWNERDEAD : 0);
	ipk_future_close(f);
	close_pool();
}
END_TEST

/* A function that has given its error has failed by itself, whatever becomes of its worker. */
START_TEST(an_error_that_is_there_is_the_cause)
{
	struct ipk__map_job *job;
	ipk_failure failure;
	ipk_future *f;
	size_t n;

	open_pool();
	item_3_fails = true;
	f = begin(5);
	job = pool->map_state->first;
	live_until(CLAIMED);
	do_items(job, &pool->shared->workers[0], 0, 4);
	die();
	do_the_rest();
	ck_results(f, 3, -EREMOTEIO);
	ck_ok(ipk_future_failures(f, &failure, 1, &n));
	ck_assert_uint_eq(n, 1);
	ck_assert(failure.index == 3 && failure.code == 33);
	ck_assert_uint_eq(n_calls[3], 1);
	ipk_future_close(f);
	close_pool();
}
END_TEST

/* Whoever looks at a map keeps its memory and its place, though it is over. */
START_TEST(memory_stays_while_somebody_looks)
{
	struct ipk__map_state *books;
	uint64_t offset;
	ipk_future *f;

	open_pool();
	books = pool->map_state;
	f = begin(0);
	offset = books->first->block.offset;
	live_until(ANNOUNCED);
	do_the_rest();
	ck_assert(ipk_future_is_done(f));
	ipk_future_close(f);
	for (int i = 0; i < 20; i++) {
		f = begin(0);
		do_the_rest();
		ck_assert(ipk_future_is_done(f));
		ck_assert_ptr_nonnull(books->by_number[0]);
		ck_assert_uint_eq(books->first->block.offset, offset);
		ipk_future_close(f);
	}
	atomic_store(&pool->shared->workers[0].map, 0);
	f = begin(0);
	do_the_rest();
	ck_results(f, -1, 0);
	ipk_future_close(f);
	ck_assert_ptr_null(books->by_number[1]);
	close_pool();
}
END_TEST

START_TEST(what_was_cancelled_is_put_away)
{
	struct ipk__worker w;
	ipk_future *f;

	open_pool();
	f = begin(0);
	live_until(AT_ITEM_3);
	ck_ok(ipk_future_cancel(f));
	ck_err(ipk_future_cancel(NULL), -EBADF);
	ck_assert(pool->handles[0].is_killed);
	do_the_rest();
	for (int i = 0; i < N; i++)
		ck_assert_uint_eq(n_calls[i], i < 3);
	ipk__worker_init(&w, pool->shared, 0);
	die();
	ck_assert_uint_eq(atomic_load(&pool->shared->maps_active), 0);
	ipk_future_close(f);
	close_pool();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("worker_map");

	add_loop_test(s, a_death_costs_the_item_it_was_at, 0, N_STEPS);
	add_loop_test(s, it_is_begun_again, 0, N_STEPS);
	add_loop_test(s, the_rest_is_news, 0, N_STEPS);
	add_test(s, an_error_that_is_there_is_the_cause);
	add_test(s, memory_stays_while_somebody_looks);
	add_test(s, what_was_cancelled_is_put_away);
	return s;
}
IPK_TEST_MAIN(suite)
