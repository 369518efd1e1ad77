/*
 * pool_threads.c - the same tasks by processes and by threads: only .kind differs.
 *
 * The tasks wait (for a disk, a server, here for a clock) rather than compute: many at a time take
 * little longer than one. Threads share memory and cost less to start; processes survive each
 * other's crashes.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <ipk.h>

enum { N_TASKS = 64, N_WORKERS = 16, WAIT_MS = 5 };

/* A "page", after a while: its number and how many bytes it has. */
static int fetch(ipk_task *task, const void *arg, size_t arg_bytes)
{
	struct timespec wait = {0, WAIT_MS * 1000000};
	int page;

	(void)arg, (void)arg_bytes;
	IPK_TRY(ipk_task_argf(task, "i", &page));
	nanosleep(&wait, NULL);
	return ipk_task_returnf(task, "[i i]", page, 100 + page);
}

/* In the order in which they come. */
static int fetch_all(ipk_pool *pool, int *ret_n_bytes)
{
	ipk_future *pages[N_TASKS];
	IPK_AUTO(as_completed, done);
	int page, n_bytes, r;
	size_t i;

	*ret_n_bytes = 0;
	for (i = 0; i < N_TASKS; i++)
		IPK_TRY(ipk_pool_submitf(pool, fetch, &pages[i], "i", (int)i));
	IPK_TRY(ipk_as_completed_open(pages, N_TASKS, &done));
	while ((r = ipk_as_completed_next(done, ipk_in_ms(10000), &i)) == 0) {
		IPK_TRY(ipk_future_getf(pages[i], ipk_now(), "[i i]", &page, &n_bytes));
		ipk_future_close(pages[i]);
		*ret_n_bytes += page == (int)i ? n_bytes : 0;
	}
	return r == -ENOENT ? 0 : r;
}

static int run(ipk_pool_kind kind, const char *name)
{
	ipk_deadline minute = ipk_in_ms(60000);
	IPK_AUTO(pool, pool);
	int n_bytes;

	IPK_TRY(ipk_pool_create(IPK_POOL(.kind = kind, .n_workers = N_WORKERS), &pool));
	IPK_TRY(fetch_all(pool, &n_bytes));
	IPK_TRY(ipk_pool_shutdown(pool, IPK_DRAIN));
	IPK_TRY(ipk_pool_join(pool, ipk_in_ms(10000)));
	printf("%d %s: %d bytes in %.0f ms; one at a time: %d ms\n", N_WORKERS, name, n_bytes,
	       60000 - (double)ipk_deadline_left_ns(minute) / 1e6, N_TASKS * WAIT_MS);
	return n_bytes == N_TASKS * 100 + N_TASKS * (N_TASKS - 1) / 2 ? 0 : -EBADMSG;
}

int main(void)
{
	IPK_CHECK(run(IPK_POOL_PROCESSES, "processes"));
	return run(IPK_POOL_THREADS, "threads");
}
