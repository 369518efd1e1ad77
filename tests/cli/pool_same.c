/*
 * pool_same.c - for test_pool_python.sh: does with ipk the same series of operations that
 * pool_python.py does with Python; each function here has its counterpart there. pool_same
 * processes|threads
 */
#include <errno.h>
#include <ipk/error.h>
#include <ipk/pool.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define N_FLAGS 8
#define N_MAX 16
#define SOON ipk_in_ms(10)
#define LATE ipk_in_ms(20000)

static struct shared_flags {
	_Atomic int flags[N_FLAGS];
	_Atomic int n_begun;
} * shared_flags;

static ipk_pool_kind kind;
static const int64_t numbers[N_MAX] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

/* What this row does not expect ends it. */
static void must(int r)
{
	if (r < 0) {
		printf("-%s\n", ipk_errname(r));
		exit(1);
	}
}

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
}

/* --- tasks ------------------------------------------------------------------------------------ */

static int give(ipk_task *task, int64_t n)
{
	return ipk_task_return(task, &n, sizeof n);
}

static int square(ipk_task *task, const void *arg, size_t arg_bytes)
{
	int64_t n = *(const int64_t *)arg;

	(void)arg_bytes;
	return give(task, n * n);
}

static int add(ipk_task *task, const void *arg, size_t arg_bytes)
{
	const int64_t *pair = arg;

	(void)arg_bytes;
	return give(task, pair[0] + pair[1]);
}

static int positive(ipk_task *task, const void *arg, size_t arg_bytes)
{
	int n = (int)*(const int64_t *)arg;

	return n < 0 ? ipk_task_fail(task, n, "negative: %d", n) : square(task, arg, arg_bytes);
}

static int when_raised(ipk_task *task, const void *arg, size_t arg_bytes)
{
	int64_t n = *(const int64_t *)arg;

	atomic_fetch_add(&shared_flags->n_begun, 1);
	while (!shared_flags->flags[n] && !ipk_task_should_stop(task))
		nap();
	return square(task, arg, arg_bytes);
}

static int map_square(const void *item, void *ret_result)
{
	int64_t n = *(const int64_t *)item;

	*(int64_t *)ret_result = n * n;
	return 0;
}

static int map_positive(const void *item, void *ret_result)
{
	int n = (int)*(const int64_t *)item;

	return n < 0 ? ipk_task_fail(ipk_task_current(), n, "negative: %d", n)
		     : map_square(item, ret_result);
}

static int map_when_raised(const void *item, void *ret_result)
{
	while (!shared_flags->flags[*(const int64_t *)item])
		nap();
	return map_square(item, ret_result);
}

static int map_pid(const void *item, void *ret_result)
{
	(void)item;
	*(int64_t *)ret_result = getpid();
	return 0;
}

/* --- helpers ---------------------------------------------------------------------------------- */

static ipk_pool *pool(unsigned n_workers)
{
	ipk_pool *p = NULL;

	must(ipk_pool_create(IPK_POOL(.kind = kind, .n_workers = n_workers), &p));
	return p;
}

static void fresh(void)
{
	memset(shared_flags, 0, sizeof *shared_flags);
}

static void raise_all(void)
{
	for (int i = 0; i < N_FLAGS; i++)
		shared_flags->flags[i] = 1;
}

static void wait_begun(int n)
{
	while (shared_flags->n_begun < n)
		nap();
}

static ipk_future *submit(ipk_pool *p, ipk_task_fn fn, int64_t n)
{
	ipk_future *f = NULL;

	must(ipk_pool_submit(p, fn, &n, sizeof n, NULL, &f));
	return f;
}

static const char *error_word(int r)
{
	switch (r) {
	case -ETIMEDOUT:
		return "timeout";
	case -ECANCELED:
		return "cancelled";
	case -ESHUTDOWN:
		return "closed";
	case -ENOENT:
		return "end";
	case -EIO:
		return "input error";
	case -EBUSY:
		return "still running";
	default:
		return ipk_errname(r);
	}
}

static void print_failure(ipk_future *f, int r)
{
	ipk_failure failure;

	if (r == -EREMOTEIO && ipk_future_failure(f, &failure) == 0)
		printf(" failed(%s)", failure.text);
	else
		printf(" %s", error_word(r));
}

/* The result, numbers, or why there is none. */
static void print_get(ipk_future *f, ipk_deadline deadline)
{
	int64_t results[N_MAX];
	size_t len_bytes;
	int r = ipk_future_get(f, results, sizeof results, deadline, &len_bytes);

	if (r < 0) {
		print_failure(f, r);
		return;
	}
	if (len_bytes == 0)
		printf(" ");
	for (size_t i = 0; i < len_bytes / sizeof results[0]; i++)
		printf(" %lld", (long long)results[i]);
}

static void say_get(const char *name, ipk_future *f, ipk_deadline deadline)
{
	printf("%s:", name);
	print_get(f, deadline);
	printf("\n");
}

static void say_error(const char *name, int r)
{
	printf("%s: %s\n", name, error_word(r));
}

static const char *truth(bool is)
{
	return is ? "True" : "False";
}

static const char *state(ipk_future *f)
{
	static const char *const words[] = {"pending", "running", "done", "done", "cancelled"};

	return words[ipk_future_state_of(f)];
}

static void close_futures(ipk_future **fs, int n)
{
	for (int i = 0; i < n; i++)
		fs[i] = ipk_future_close(fs[i]);
}

/* --- Pool ------------------------------------------------------------------------------------- */

static void say_map(const char *name, ipk_pool *p, ipk_map_fn fn, const int64_t *items, size_t n,
		    size_t chunk)
{
	IPK_AUTO(future, f);

	must(ipk_pool_map_async(p, fn, items, sizeof *items, sizeof *items, n,
				IPK_TASK(.chunk = chunk), &f));
	say_get(name, f, LATE);
}

static void say_starmap(const char *name, ipk_pool *p, size_t n)
{
	static const int64_t pairs[3][2] = {{1, 2}, {3, 4}, {5, 6}};
	IPK_AUTO(future, f);
	ipk_bytes args[3];

	for (size_t i = 0; i < 3; i++)
		args[i] = (ipk_bytes){pairs[i], sizeof pairs[i]};
	must(ipk_pool_starmap(p, add, args, n, NULL, &f));
	must(ipk_future_wait(f, LATE));
	printf("%s:%s", name, n ? "" : " ");
	for (size_t i = 0; i < n; i++) {
		IPK_AUTO(future, item);

		must(ipk_future_item(f, i, &item));
		print_get(item, ipk_now());
	}
	printf("\n");
}

static void maps(void)
{
	static const size_t chunks[] = {1, 3, 100};
	IPK_AUTO_INIT(pool, p, pool(2));
	IPK_AUTO(future, later);

	say_map("map", p, map_square, numbers, 10, 0);
	for (int i = 0; i < 3; i++)
		say_map("map in chunks", p, map_square, numbers, 10, chunks[i]);
	say_map("map of nothing", p, map_square, numbers, 0, 0);
	say_map("map with a failure", p, map_positive, (int64_t[]){1, 2, -3, 4}, 4, 1);
	say_map("map with two in a chunk", p, map_positive, (int64_t[]){1, -2, -3, 4}, 4, 4);
	say_map("map after that", p, map_positive, (int64_t[]){5}, 1, 0);
	must(ipk_pool_map_async(p, map_when_raised, (int64_t[]){1, 0}, 8, 8, 2, NULL, &later));
	say_get("map_async", later, SOON);
	raise_all();
	say_get("map_async", later, LATE);
	say_get("map_async again", later, ipk_now());
	say_starmap("starmap", p, 3);
	say_starmap("starmap of nothing", p, 0);
}

static void applies(void)
{
	IPK_AUTO_INIT(pool, p, pool(2));
	ipk_failure failure;
	int64_t seven = 7, result = 0;
	ipk_future *f;

	fresh();
	must(ipk_pool_apply(p, square, &seven, sizeof seven, &result, sizeof result, LATE, NULL));
	printf("apply: %lld\n", (long long)result);
	f = submit(p, positive, -7);
	say_get("apply with a failure", f, LATE);
	ipk_future_close(f);
	f = submit(p, when_raised, 2);
	say_get("get with a deadline", f, SOON);
	printf("ready: %s\n", truth(ipk_future_is_done(f)));
	shared_flags->flags[2] = 1;
	say_get("get", f, LATE);
	printf("ready: %s\n", truth(ipk_future_is_done(f)));
	must(ipk_future_failure(f, &failure));
	printf("successful: %s\n", truth(failure.cause == IPK_FAILURE_NONE));
	ipk_future_close(f);
	f = submit(p, positive, -1);
	must(ipk_future_wait(f, LATE));
	must(ipk_future_failure(f, &failure));
	printf("successful: %s\n", truth(failure.cause == IPK_FAILURE_NONE));
	printf("get twice:");
	print_get(f, LATE);
	print_get(f, LATE);
	printf("\n");
	ipk_future_close(f);
}

struct source {
	const int64_t *items;
	size_t i, n, error_at;
	bool is_broken;
};

#define NEVER ((size_t)-1)

/* A generator of Python's that raised is at its end. */
static int next_item(void *arg, ipk_bytes *ret_item)
{
	struct source *s = arg;

	if (s->i == s->error_at && !s->is_broken) {
		s->is_broken = true;
		return -EIO;
	}
	if (s->i == s->n || s->is_broken)
		return 0;
	*ret_item = (ipk_bytes){&s->items[s->i++], sizeof s->items[0]};
	return 1;
}

static void print_next(ipk_imap *m, ipk_deadline deadline)
{
	IPK_AUTO(future, f);
	int r = ipk_imap_next(m, deadline, &f);

	if (r < 0)
		printf(" %s", error_word(r));
	else
		print_get(f, ipk_now());
}

static void say_next(const char *name, ipk_imap *m, ipk_deadline deadline)
{
	printf("%s:", name);
	print_next(m, deadline);
	printf("\n");
}

/* All of it, sorted: each result is the square of a number below @n. */
static void say_imap(const char *name, ipk_pool *p, size_t n, const ipk_imap_opts *opts)
{
	struct source source = {.items = numbers, .n = n, .error_at = NEVER};
	int64_t results[N_MAX] = {0};
	IPK_AUTO(imap, m);
	IPK_AUTO(future, f);
	size_t n_given = 0, place;

	must(ipk_pool_imap(p, square, next_item, &source, opts, &m));
	while (ipk_imap_next(m, LATE, &f) == 0) {
		place = opts && opts->is_unordered ? ipk_future_index(f) : n_given;
		must(ipk_future_get(f, &results[place], sizeof results[0], LATE, NULL));
		f = ipk_future_close(f);
		n_given++;
	}
	printf("%s:%s", name, n_given ? "" : " ");
	for (size_t i = 0; i < n_given; i++)
		printf(" %lld", (long long)results[i]);
	printf("\n");
}

static void imaps_that_wait(ipk_pool *p)
{
	struct source source = {.items = numbers, .n = 2, .error_at = NEVER};
	ipk_imap *m;

	must(ipk_pool_imap(p, when_raised, next_item, &source, NULL, &m));
	shared_flags->flags[1] = 1;
	say_next("imap with a deadline", m, SOON);
	shared_flags->flags[0] = 1;
	printf("imap later:");
	for (int i = 0; i < 3; i++)
		print_next(m, LATE);
	printf("\n");
	ipk_imap_close(m);
	fresh();
	source.i = 0;
	must(ipk_pool_imap(p, when_raised, next_item, &source, IPK_IMAP(.is_unordered = true), &m));
	say_next("imap_unordered with a deadline", m, SOON);
	shared_flags->flags[1] = 1;
	say_next("imap_unordered", m, LATE);
	shared_flags->flags[0] = 1;
	printf("imap_unordered:");
	print_next(m, LATE);
	print_next(m, LATE);
	printf("\n");
	ipk_imap_close(m);
}

static void imaps(void)
{
	static const int64_t mixed[] = {1, -2, 3};
	struct source some = {.items = mixed, .n = 3, .error_at = NEVER};
	struct source broken = {.items = numbers, .n = 9, .error_at = 3};
	IPK_AUTO_INIT(pool, p, pool(2));
	ipk_imap *m;

	fresh();
	say_imap("imap", p, 10, NULL);
	say_imap("imap in chunks", p, 10, IPK_IMAP(.chunk = 3));
	say_imap("imap_unordered", p, 10, IPK_IMAP(.is_unordered = true));
	say_imap("imap of nothing", p, 0, NULL);
	must(ipk_pool_imap(p, positive, next_item, &some, NULL, &m));
	for (int i = 0; i < 5; i++)
		say_next("imap with a failure", m, LATE);
	ipk_imap_close(m);
	must(ipk_pool_imap(p, square, next_item, &broken, NULL, &m));
	for (int i = 0; i < 5; i++)
		say_next("imap of a broken input", m, LATE);
	ipk_imap_close(m);
	imaps_that_wait(p);
}

static const char *join(ipk_pool *p)
{
	int r = ipk_pool_join(p, LATE);

	return r == 0 ? "joined" : error_word(r);
}

static void closed_to_all(ipk_pool *p)
{
	struct source source = {.items = numbers, .n = 1, .error_at = NEVER};
	ipk_bytes arg = {numbers, 16};
	int64_t result;
	ipk_future *f;
	ipk_imap *m;

	say_error("apply after close", ipk_pool_submit(p, square, numbers, 8, NULL, &f));
	say_error("map after close", ipk_pool_map(p, map_square, numbers, &result, 1, LATE));
	say_error("imap after close", ipk_pool_imap(p, square, next_item, &source, NULL, &m));
	say_error("starmap after close", ipk_pool_starmap(p, add, &arg, 1, NULL, &f));
}

static void ends(void)
{
	ipk_pool *p = pool(2);
	ipk_future *f, *none;

	fresh();
	f = submit(p, when_raised, 3);
	printf("join before close: %s\n", join(p));
	must(ipk_pool_shutdown(p, IPK_DRAIN));
	must(ipk_pool_shutdown(p, IPK_DRAIN));
	closed_to_all(p);
	shared_flags->flags[3] = 1;
	printf("join after close: %s", join(p));
	printf(" %s\n", join(p));
	say_get("result after join", f, ipk_now());
	ipk_future_close(f);
	ipk_pool_close(p);
	p = pool(2);
	must(ipk_pool_terminate(p));
	say_error("apply after terminate", ipk_pool_submit(p, square, numbers, 8, NULL, &none));
	printf("join after terminate: %s\n", join(p));
	must(ipk_pool_terminate(p));
	ipk_pool_close(p);
}

static void generations(void)
{
	IPK_AUTO(pool, p);
	int64_t pids[6];

	if (kind != IPK_POOL_PROCESSES)
		return;
	must(ipk_pool_create(IPK_POOL(.n_workers = 1, .max_tasks_per_worker = 2), &p));
	must(ipk_pool_map_items(p, map_pid, numbers, 8, pids, 8, 6, IPK_TASK(.chunk = 1), LATE));
	printf("tasks of each worker:");
	for (int i = 0, n; i < 6; i += n) {
		for (n = 1; i + n < 6 && pids[i + n] == pids[i]; n++)
			;
		printf(" %d", n);
	}
	printf("\n");
}

/* --- Executor --------------------------------------------------------------------------------- */

static void say_exception(ipk_future *f, ipk_deadline deadline)
{
	int r = ipk_future_wait(f, deadline);
	ipk_failure failure;

	if (r < 0) {
		say_error("exception with a deadline", r);
		return;
	}
	must(ipk_future_failure(f, &failure));
	printf("exception: %s\n", failure.cause == IPK_FAILURE_NONE ? "None" : failure.text);
}

static void submits(void)
{
	IPK_AUTO_INIT(pool, p, pool(2));
	ipk_future *f;

	say_map("executor map", p, map_square, numbers, 10, 0);
	say_map("executor map in chunks", p, map_square, numbers, 10, 4);
	say_map("executor map with failures", p, map_positive, (int64_t[]){1, -2, -3}, 3, 1);
	f = submit(p, square, 9);
	say_get("result", f, LATE);
	say_exception(f, LATE);
	ipk_future_close(f);
	f = submit(p, positive, -9);
	say_exception(f, LATE);
	say_get("result", f, LATE);
	ipk_future_close(f);
	fresh();
	f = submit(p, when_raised, 0);
	say_get("result with a deadline", f, SOON);
	say_exception(f, SOON);
	wait_begun(1);
	printf("state: %s\n", state(f));
	shared_flags->flags[0] = 1;
	say_get("result", f, LATE);
	printf("state: %s\n", state(f));
	ipk_future_close(f);
}

static void say_wait(const char *name, ipk_future **fs, size_t n, ipk_wait_for wait_for,
		     ipk_deadline deadline)
{
	int r = ipk_futures_wait(fs, n, wait_for, deadline);

	if (r < 0 && r != -ETIMEDOUT)
		must(r);
	printf("%s:", name);
	for (size_t i = 0; i < n; i++)
		printf(" %d", ipk_future_is_done(fs[i]));
	printf("\n");
}

static void submit_three(ipk_pool *p, ipk_future **fs)
{
	fresh();
	for (int i = 0; i < 3; i++)
		fs[i] = submit(p, when_raised, i);
}

static void completed(ipk_pool *p)
{
	static const int order[] = {2, 0, 1};
	ipk_as_completed *iter;
	ipk_future *fs[3];
	size_t index;

	submit_three(p, fs);
	must(ipk_as_completed_open(fs, 3, &iter));
	printf("as completed:");
	for (int i = 0; i < 3; i++) {
		shared_flags->flags[order[i]] = 1;
		must(ipk_as_completed_next(iter, LATE, &index));
		printf(" %zu", index);
	}
	printf(" %s\n", error_word(ipk_as_completed_next(iter, LATE, &index)));
	ipk_as_completed_close(iter);
	close_futures(fs, 3);
	fresh();
	fs[0] = submit(p, when_raised, 0);
	must(ipk_as_completed_open(fs, 1, &iter));
	say_error("as completed with a deadline", ipk_as_completed_next(iter, SOON, &index));
	ipk_as_completed_close(iter);
	raise_all();
	close_futures(fs, 1);
}

static void waits(void)
{
	IPK_AUTO_INIT(pool, p, pool(3));
	ipk_future *fs[6];

	submit_three(p, fs);
	say_wait("wait for all", fs, 3, IPK_WAIT_ALL, SOON);
	shared_flags->flags[1] = 1;
	say_wait("wait for the first", fs, 3, IPK_WAIT_FIRST, LATE);
	say_wait("wait for an error", fs, 3, IPK_WAIT_FIRST_ERROR, SOON);
	raise_all();
	say_wait("wait for an error", fs, 3, IPK_WAIT_FIRST_ERROR, LATE);
	memcpy(fs + 3, fs, 3 * sizeof *fs);
	say_wait("wait twice for the same", fs, 6, IPK_WAIT_ALL, LATE);
	say_wait("wait for none", fs, 0, IPK_WAIT_ALL, LATE);
	close_futures(fs, 3);
	fresh();
	fs[0] = submit(p, when_raised, 0);
	fs[1] = submit(p, when_raised, 1);
	fs[2] = submit(p, positive, -1);
	say_wait("wait for an error", fs, 3, IPK_WAIT_FIRST_ERROR, LATE);
	raise_all();
	say_wait("wait for all", fs, 3, IPK_WAIT_ALL, LATE);
	close_futures(fs, 3);
	completed(p);
}

static _Atomic int n_called, n_called_cancelled;

static void called(ipk_future *f, void *arg)
{
	(void)arg;
	if (ipk_future_state_of(f) == IPK_FUTURE_CANCELLED)
		atomic_fetch_add(&n_called_cancelled, 1);
	atomic_fetch_add(&n_called, 1);
}

static void called_at_once(ipk_future *f, void *arg)
{
	(void)arg;
	printf("callback at once: %s\n", state(f));
}

static void cancels(void)
{
	IPK_AUTO_INIT(pool, p, pool(1));
	ipk_future *fs[6];
	bool first, again;

	fresh();
	for (int i = 0; i < 6; i++)
		fs[i] = submit(p, when_raised, i);
	wait_begun(1);
	for (int i = 0; i < 6; i++)
		must(ipk_future_on_done(fs[i], called, NULL));
	first = ipk_future_cancel(fs[5]) == 0;
	again = ipk_future_cancel(fs[5]) == 0;
	printf("cancel: %s %s %s\n", truth(first), state(fs[5]), truth(again));
	say_get("result", fs[5], ipk_now());
	printf("exception: %s\n", error_word(ipk_future_get(fs[5], NULL, 0, ipk_now(), NULL)));
	raise_all();
	printf("others:");
	for (int i = 0; i < 5; i++)
		print_get(fs[i], LATE);
	printf("\n");
	first = ipk_future_cancel(fs[0]) == 0;
	printf("cancel what is done: %s %s\n", truth(first), state(fs[0]));
	while (n_called < 6)
		nap();
	printf("callbacks:");
	for (int i = 0; i < 6; i++)
		printf(" %s", i < n_called_cancelled ? "cancelled" : "done");
	printf("\n");
	must(ipk_future_on_done(fs[0], called_at_once, NULL));
	close_futures(fs, 6);
}

static void shutdowns(void)
{
	ipk_pool *p = pool(1);
	ipk_future *fs[6], *none;
	int64_t result;

	fresh();
	for (int i = 0; i < 6; i++)
		fs[i] = submit(p, when_raised, i);
	wait_begun(1);
	must(ipk_pool_shutdown(p, IPK_DISCARD));
	say_error("submit after shutdown", ipk_pool_submit(p, square, numbers, 8, NULL, &none));
	say_error("map after shutdown", ipk_pool_map(p, map_square, numbers, &result, 1, LATE));
	raise_all();
	printf("shutdown:");
	print_get(fs[0], LATE);
	print_get(fs[5], LATE);
	printf("\n");
	must(ipk_pool_join(p, LATE));
	ipk_pool_close(p);
	printf("state: %s %s\n", state(fs[0]), state(fs[5]));
	close_futures(fs, 6);
	p = pool(1);
	submit_three(p, fs);
	must(ipk_pool_shutdown(p, IPK_DRAIN));
	raise_all();
	printf("shutdown that drains:");
	for (int i = 0; i < 3; i++)
		print_get(fs[i], LATE);
	printf("\n");
	close_futures(fs, 3);
	must(ipk_pool_join(p, LATE));
	ipk_pool_close(p);
}

int main(int argc, char **argv)
{
	kind = argc > 1 && strcmp(argv[1], "threads") == 0 ? IPK_POOL_THREADS : IPK_POOL_PROCESSES;
	shared_flags = mmap(NULL, sizeof *shared_flags, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared_flags == MAP_FAILED)
		return 1;
	maps();
	applies();
	imaps();
	ends();
	generations();
	submits();
	waits();
	cancels();
	shutdowns();
	munmap(shared_flags, sizeof *shared_flags);
	return 0;
}
