/*
 * ops_pool.c - a pool's worker, killed in its loop of taking, running and returning.
 *
 * The victim is worker 1, whose number appears in no word by chance; it finds work and ends when
 * there is no more. The survivor is the pool's creator: it detects the death and has other workers
 * do the rest. Then every task must be over exactly once: with the correct result, or with the
 * death as its failure, at most one and only without retries, and then it must not have been done.
 * The pool has no thread of its own, so the test calls the creator's part directly.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pool/worker_handle.h"
#include "pool/worker.h"
#include "fixture.h"

enum { N_TASKS = 3, N_ITEMS = 7, N_MAPS = 2, N_WORKERS = 3, VICTIM = 1, LONG_BYTES = 300 };
enum what { SHORT, LONG, ERROR, RETRY, LAST, MAP_1, MAP_3, MAP_RETRY, MAP_AFTER };

static const struct {
	const char *kind;
	enum what what;
} kinds[] = {
	{"short", SHORT},       {"long", LONG},           {"error", ERROR},
	{"retry", RETRY},       {"last", LAST},           {"map-chunk-1", MAP_1},
	{"map-chunk-3", MAP_3}, {"map-retry", MAP_RETRY}, {"map-after-map", MAP_AFTER},
};

/* How often each task or item was begun and ended, by whomever. */
struct runs {
	_Atomic uint32_t begun[N_MAPS * N_ITEMS], ended[N_MAPS * N_ITEMS];
};

static struct {
	ipk_pool *pool;
	struct runs *runs;
	int worker_fds[N_WORKERS]; /* their ends of the control sockets */
	struct ipk__worker worker;
	ipk_future *futures[N_TASKS]; /* or the maps' */
} stage;

static bool is_map(const struct fixture *s)
{
	return s->op->variant >= MAP_1;
}

/* The second one begins in the middle of where the victim was last in the first one. */
static size_t n_maps(const struct fixture *s)
{
	return s->op->variant == MAP_AFTER ? 2 : 1;
}

static bool has_retry(const struct fixture *s)
{
	return s->op->variant == RETRY || s->op->variant == MAP_RETRY;
}

/* --- the tasks -------------------------------------------------------------------------------- */

static void fill_result(char result[LONG_BYTES], uint64_t x)
{
	for (size_t i = 0; i < LONG_BYTES; i++)
		result[i] = (char)(x * 31 + i);
}

static size_t result_bytes(const struct fixture *s)
{
	return s->op->variant == LONG ? LONG_BYTES : sizeof(uint64_t);
}

static int run_task(ipk_task *task, const void *arg, size_t arg_bytes)
{
	const uint64_t *order = arg; /* which, and what */
	char result[LONG_BYTES];
	int r = 0;

	atomic_fetch_add(&stage.runs->begun[order[0]], 1);
	fill_result(result, order[0]);
	if (order[1] == ERROR)
		r = ipk_task_fail(task, 7, "task %d fails", (int)order[0]);
	else
		r = ipk_task_return(task, result, order[1] == LONG ? LONG_BYTES : sizeof(uint64_t));
	atomic_fetch_add(&stage.runs->ended[order[0]], 1);
	return arg_bytes < 2 * sizeof *order ? -EPROTO : r;
}

static int run_item(const void *item, void *result)
{
	uint64_t x = *(const uint64_t *)item;

	atomic_fetch_add(&stage.runs->begun[x], 1);
	*(uint64_t *)result = x * x + 1;
	atomic_fetch_add(&stage.runs->ended[x], 1);
	return 0;
}

/* --- the fixture ------------------------------------------------------------------------------ */

static int submit_tasks(const struct fixture *s)
{
	uint64_t order[LONG_BYTES / 8] = {0};
	size_t order_bytes = s->op->variant == LONG ? sizeof order : 2 * sizeof order[0];

	for (uint64_t i = 0; i < N_TASKS; i++) {
		order[0] = i;
		order[1] = (uint64_t)s->op->variant;
		IPK_TRY(ipk_pool_submit(stage.pool, run_task, order, order_bytes,
					IPK_TASK(.n_retries = has_retry(s)), &stage.futures[i]));
	}
	return 0;
}

static int submit_map(const struct fixture *s, size_t map, size_t chunk)
{
	uint64_t items[N_ITEMS];

	for (uint64_t i = 0; i < N_ITEMS; i++)
		items[i] = map * N_ITEMS + i;
	return ipk_pool_map_async(stage.pool, run_item, items, sizeof items[0], sizeof(uint64_t),
				  N_ITEMS, IPK_TASK(.n_retries = has_retry(s), .chunk = chunk),
				  &stage.futures[map]);
}

static int submit_maps(const struct fixture *s)
{
	enum what what = (enum what)s->op->variant;

	IPK_TRY(submit_map(s, 0, what == MAP_1 || what == MAP_AFTER ? 1 : 3));
	return what == MAP_AFTER ? submit_map(s, 1, 3) : 0;
}

static int make_handle(unsigned number)
{
	struct ipk__worker_handle *m = &stage.pool->handles[number];
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	m->is_there = true;
	m->control_fd = ends[0];
	stage.worker_fds[number] = ends[1];
	atomic_store(&stage.pool->shared->workers[number].order, IPK__ORDER_DRAIN);
	return 0;
}

static int make(struct fixture *s)
{
	stage.runs = mmap(NULL, sizeof *stage.runs, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (stage.runs == MAP_FAILED)
		return -errno;
	IPK_TRY(ipk__pool_build(IPK_POOL(.n_workers = N_WORKERS,
					 .max_tasks_per_worker = s->op->variant == LAST ? 2 : 0),
				&stage.pool));
	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++)
		ipk__worker_handle_init(&stage.pool->handles[i]);
	stage.pool->n_workers = N_WORKERS;
	for (unsigned i = 0; i < N_WORKERS; i++)
		IPK_TRY(make_handle(i));
	memset(stage.futures, 0, sizeof stage.futures);
	return is_map(s) ? submit_maps(s) : submit_tasks(s);
}

/* The harness's books say what they said in the beginning: the survivor had a copy of them. */
static void unmake(struct fixture *s)
{
	(void)s;
	for (size_t i = 0; i < N_TASKS && stage.futures[i]; i++) {
		ipk__future_unref(stage.futures[i]); /* the pool's own, for it is not over */
		stage.futures[i] = ipk_future_close(stage.futures[i]);
	}
	for (unsigned i = 0; i < N_WORKERS; i++) {
		ipk__os_close(stage.pool->handles[i].control_fd);
		ipk__os_close(stage.worker_fds[i]);
	}
	ipk__pool_drop(stage.pool);
	munmap(stage.runs, sizeof *stage.runs);
}

static void ready(struct fixture *s)
{
	(void)s;
	ipk__worker_init(&stage.worker, stage.pool->shared, VICTIM);
	stage.worker.control_fd = stage.worker_fds[VICTIM];
	stage.worker.doorbell_fd = stage.pool->doorbell_fd;
}

static int act(struct fixture *s)
{
	(void)s;
	return ipk__worker_run(&stage.worker);
}

/* --- the survivor ----------------------------------------------------------------------------- */

static void learn_of_death(const struct fixture *s)
{
	struct ipk__death death = {
		.worker = VICTIM,
		.pid = (pid_t)atomic_load(&s->history->victim_pid),
		.status = {.exit_code = -1, .signal = SIGKILL},
		.is_known = true,
		.item = atomic_load(&stage.pool->shared->workers[VICTIM].item),
	};

	ipk__pool_lock(stage.pool);
	ipk__tasks_collect(stage.pool);
	ipk__maps_collect(stage.pool);
	ipk__tasks_orphaned(stage.pool, &death);
	ipk__maps_orphaned(stage.pool, &death);
	ipk__tasks_tick(stage.pool, ipk__os_now_ns());
	ipk__maps_tick(stage.pool, ipk__os_now_ns());
	ipk__pool_unlock(stage.pool);
}

/* Two at most: the second where each may do two tasks only. */
static void do_the_rest(void)
{
	for (unsigned number = 0; number < N_WORKERS; number++) {
		struct ipk__worker next;

		if (number == VICTIM)
			continue;
		ipk__worker_init(&next, stage.pool->shared, number);
		next.control_fd = stage.worker_fds[number];
		next.doorbell_fd = stage.pool->doorbell_fd;
		ipk__worker_run(&next);
		ipk__pool_lock(stage.pool);
		ipk__tasks_collect(stage.pool);
		ipk__maps_collect(stage.pool);
		ipk__pool_unlock(stage.pool);
	}
}

/* What one task or item came to, against what is known of who ran it. */
static void judge(struct fixture *s, size_t i, const ipk_failure *failure, bool is_right)
{
	struct history *l = s->history;
	uint32_t begun = atomic_load(&stage.runs->begun[i]);
	uint32_t ended = atomic_load(&stage.runs->ended[i]);

	if (begun > 1u + has_retry(s))
		history_fault(l, &l->faults.dup, "%zu was begun %u times", i, begun);
	if (failure->cause == IPK_FAILURE_DIED) {
		atomic_fetch_add(&l->notes[0], 1);
		if (has_retry(s) || atomic_load(&l->is_done))
			history_fault(l, &l->faults.lost, "%zu failed with its worker", i);
		return;
	}
	if (ended == 0)
		history_fault(l, &l->faults.wrong, "%zu is done, and nobody did it", i);
	if (failure->cause == IPK_FAILURE_TASK && s->op->variant == ERROR) {
		if (failure->code != 7 || strncmp(failure->text, "task ", 5) != 0)
			history_fault(l, &l->faults.torn, "%zu: %d %s", i, failure->code,
				      failure->text);
		return;
	}
	if (failure->cause != IPK_FAILURE_NONE || !is_right)
		history_fault(l, &l->faults.torn, "%zu: cause %d, %s", i, (int)failure->cause,
			      failure->text);
}

static void judge_tasks(struct fixture *s)
{
	char expected[LONG_BYTES], result[LONG_BYTES];

	for (size_t i = 0; i < N_TASKS; i++) {
		ipk_future *f = stage.futures[i];
		ipk_failure failure;
		size_t n = 0;
		/* That is to be known by now, without a look at its slot. */
		bool is_over = atomic_load(&f->state) >= IPK_FUTURE_DONE;
		int r = ipk_future_get(f, result, sizeof result, ipk_now(), &n);

		if (!is_over || ipk_future_failure(f, &failure) < 0) {
			history_fault(s->history, &s->history->faults.lost, "%zu is not over", i);
			continue;
		}
		fill_result(expected, i);
		judge(s, i, &failure,
		      r == 0 && n == result_bytes(s) && memcmp(result, expected, n) == 0);
	}
}

static void judge_items(struct fixture *s, size_t map)
{
	ipk_future *f = stage.futures[map];
	uint64_t results[N_ITEMS] = {0};
	ipk_failure failures[N_ITEMS];
	size_t n_failures = 0, at = 0;

	if (atomic_load(&f->state) < IPK_FUTURE_DONE ||
	    ipk_future_failures(f, failures, N_ITEMS, &n_failures) < 0) {
		history_fault(s->history, &s->history->faults.lost, "map %zu is not over", map);
		return;
	}
	if (ipk_future_get(f, results, sizeof results, ipk_now(), NULL) == 0 && n_failures > 0)
		history_fault(s->history, &s->history->faults.wrong, "no error, and failures");
	for (size_t i = 0; i < N_ITEMS; i++) {
		ipk_failure none = {.cause = IPK_FAILURE_NONE};
		uint64_t x = map * N_ITEMS + i;
		bool is_failed = at < n_failures && failures[at].index == i;

		judge(s, x, is_failed ? &failures[at] : &none, results[i] == x * x + 1);
		at += is_failed;
	}
	if (at != n_failures)
		history_fault(s->history, &s->history->faults.wrong, "failures are not by index");
}

static void check_pool(struct fixture *s)
{
	struct history *l = s->history;
	ipk_progress progress;

	stage.pool->creator_pid =
		getpid(); /* it is a fork of the harness, and knows all that did */
	learn_of_death(s);
	do_the_rest();
	atomic_store(&l->notes[0], 0);
	for (size_t map = 0; is_map(s) && map < n_maps(s); map++)
		judge_items(s, map);
	if (!is_map(s))
		judge_tasks(s);
	if (atomic_load(&l->notes[0]) > 1)
		history_fault(l, &l->faults.lost, "one death, and several failed of it");
	if (ipk_pool_progress(stage.pool, &progress) == 0 &&
	    progress.n_submitted != progress.n_done + progress.n_failed)
		history_fault(l, &l->faults.wrong, "%u submitted, %u done, %u failed",
			      (unsigned)progress.n_submitted, (unsigned)progress.n_done,
			      (unsigned)progress.n_failed);
}

/* --- the rows --------------------------------------------------------------------------------- */

void ops_pool(struct op_list *list)
{
	struct op op = {.name = "pool_worker",
			.state = FULL,
			.make = make,
			.ready = ready,
			.act = act,
			.check = check_pool,
			.unmake = unmake};

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		op.kind = kinds[i].kind;
		op.variant = (int)kinds[i].what;
		op.max_points = kinds[i].what == MAP_AFTER ? 1500 : 0;
		op.is_minor = kinds[i].what == ERROR || kinds[i].what == LAST;
		op_add(list, &op);
	}
}
