/* faults.c - see faults.h. The wrappers are made from one list of signatures. */
#include <poll.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>

#include "fault/faults.h"
#include "support/support.h"
#include "os/os.h"

static _Atomic bool is_armed;
static bool only_memory;
static long fail_at;
static _Atomic long n_calls; /* of all threads */
static const char *hit;

void fault_arm(long at_call)
{
	fail_at = at_call;
	n_calls = 0;
	hit = NULL;
	is_armed = true;
}

void fault_disarm(void)
{
	is_armed = false;
}

void fault_only_memory(bool only)
{
	only_memory = only;
}

long fault_n_calls(void)
{
	return n_calls;
}

const char *fault_hit(void)
{
	return hit;
}

static bool is_allocation(const char *function)
{
	size_t n = strlen(function);

	return strcmp(function, "strdup") == 0 || (n > 5 && strcmp(function + n - 5, "alloc") == 0);
}

static bool is_due(const char *function)
{
	if (!is_armed || support_is_marking || (only_memory && !is_allocation(function)) ||
	    ++n_calls != fail_at)
		return false;
	hit = function;
	return true;
}

#define WRAP(type, failure, name, params, args) \
	type __real_##name params;              \
	type __wrap_##name params;              \
	type __wrap_##name params               \
	{                                       \
		if (is_due(#name))              \
			return failure;         \
		return __real_##name args;      \
	}
#define WRAP_INT(name, params, args) WRAP(int, FAULT, name, params, args)

typedef struct ipk__os_stat stat_out;
typedef struct ipk_process_status status_out;
typedef struct ipk__os_ready ready_out;

bool fault_clock_goes_back;

int64_t __real_ipk__os_unix_ms(void);
int64_t __wrap_ipk__os_unix_ms(void);
int64_t __wrap_ipk__os_unix_ms(void)
{
	static int64_t back_ms;

	back_ms += fault_clock_goes_back ? 1000 : 0;
	return __real_ipk__os_unix_ms() - back_ms;
}

WRAP(char *, NULL, strdup, (const char *s), (s))
WRAP(void *, NULL, ipk__os_malloc, (size_t n), (n))
WRAP(void *, NULL, ipk__os_calloc, (size_t n, size_t m), (n, m))
WRAP(void *, NULL, ipk__os_realloc, (void *p, size_t n), (p, n))
WRAP_INT(ipk__os_memfd, (const char *n, int *r), (n, r))
WRAP_INT(ipk__os_seal, (int fd), (fd))
WRAP_INT(ipk__os_allocate, (int fd, uint64_t at, uint64_t n), (fd, at, n))
WRAP_INT(ipk__os_deallocate, (int fd, uint64_t at, uint64_t n), (fd, at, n))
WRAP_INT(ipk__os_map, (int fd, size_t n, bool w, void **r), (fd, n, w, r))
WRAP_INT(ipk__os_map_sparse, (int fd, size_t n, bool w, void **r), (fd, n, w, r))
WRAP_INT(ipk__os_set_size, (int fd, uint64_t n), (fd, n))
WRAP_INT(ipk__os_map_mirrored, (int fd, size_t f, size_t g, int n, void **r), (fd, f, g, n, r))
WRAP_INT(ipk__os_pwrite, (int fd, const void *d, size_t n, uint64_t at), (fd, d, n, at))
WRAP_INT(ipk__os_pread, (int fd, void *d, size_t n, uint64_t at), (fd, d, n, at))
WRAP_INT(ipk__os_stat, (int fd, stat_out *r), (fd, r))
WRAP_INT(ipk__os_shm_temp, (int *r), (r))
WRAP_INT(ipk__os_shm_link, (int fd, const char *n), (fd, n))
WRAP_INT(ipk__os_shm_open, (const char *n, int *r), (n, r))
WRAP_INT(ipk__os_shm_open_to_read, (const char *n, int *r), (n, r))
WRAP_INT(ipk__os_shm_rename, (const char *n, const char *to), (n, to))
WRAP_INT(ipk__os_shm_stat, (const char *n, stat_out *r), (n, r))
WRAP_INT(ipk__os_shm_unlink, (const char *n), (n))
WRAP_INT(ipk__os_shm_fifo, (const char *n, bool m, int *r), (n, m, r))
WRAP_INT(ipk__os_dup, (int fd, int *r), (fd, r))
WRAP_INT(ipk__os_open_again, (int fd, bool w, int *r), (fd, w, r))
WRAP_INT(ipk__os_lock_file, (int fd, int how), (fd, how))
WRAP_INT(ipk__os_doorbell_open, (int *r), (r))
WRAP_INT(ipk__os_epoll, (int *r), (r))
WRAP_INT(ipk__os_epoll_add, (int e, int fd, bool a, bool b), (e, fd, a, b))
WRAP_INT(ipk__os_ticker, (int64_t p, int *r), (p, r))
WRAP_INT(ipk__os_poll, (struct pollfd * f, size_t n, ipk_deadline d), (f, n, d))
WRAP_INT(ipk__os_poll1, (int fd, int e, ipk_deadline d, int *r), (fd, e, d, r))
WRAP_INT(ipk__os_socketpair, (int r[2]), (r))
WRAP_INT(ipk__os_send, (int fd, const struct iovec *p, size_t n, const int *f, size_t nf),
	 (fd, p, n, f, nf))
WRAP_INT(ipk__os_recv,
	 (int fd, const struct iovec *p, size_t n, bool k, size_t *r, int *f, size_t *nf),
	 (fd, p, n, k, r, f, nf))
WRAP_INT(ipk__os_listen, (const char *p, int *r), (p, r))
WRAP_INT(ipk__os_accept, (int fd, int *r), (fd, r))
WRAP_INT(ipk__os_connect, (const char *p, int *r), (p, r))
WRAP_INT(ipk__os_peer, (int fd, pid_t *p, uid_t *u), (fd, p, u))
WRAP_INT(ipk__os_directory_is_private, (const char *p), (p))
WRAP_INT(ipk__os_is_socket, (const char *p), (p))
WRAP_INT(ipk__os_lock_directory, (const char *p, int *r), (p, r))
WRAP_INT(ipk__os_unlink, (const char *p), (p))
WRAP_INT(ipk__os_stream_listen, (const char *p, int *r), (p, r))
WRAP_INT(ipk__os_stream_connect, (const char *p, int *r), (p, r))
WRAP_INT(ipk__os_stream_accept, (int fd, bool t, int *r), (fd, t, r))
WRAP_INT(ipk__os_stream_read, (int fd, void *d, size_t n, size_t *r), (fd, d, n, r))
WRAP_INT(ipk__os_stream_write, (int fd, const struct iovec *p, size_t n, size_t *r), (fd, p, n, r))
WRAP_INT(ipk__os_tcp_listen, (const char *h, const char *p, int *r), (h, p, r))
WRAP_INT(ipk__os_tcp_port, (int fd, int *r), (fd, r))
WRAP_INT(ipk__os_tcp_is_loopback, (const char *h), (h))
WRAP_INT(ipk__os_peer_ids, (int fd, pid_t *p, uid_t *u, gid_t *g), (fd, p, u, g))
WRAP_INT(ipk__os_loop_add, (int e, int fd, int v, uint64_t w), (e, fd, v, w))
WRAP_INT(ipk__os_loop_change, (int e, int fd, int v, uint64_t w), (e, fd, v, w))
WRAP_INT(ipk__os_loop_wait, (int e, ready_out *r, size_t m, int64_t t, size_t *n), (e, r, m, t, n))
WRAP_INT(ipk__os_random, (void *b, size_t n), (b, n))
WRAP_INT(ipk__os_file_open_to_read, (const char *p, int *r), (p, r))
WRAP_INT(ipk__os_mq_create, (const char *n, uint32_t m, size_t b, int *r), (n, m, b, r))
WRAP_INT(ipk__os_mq_open, (const char *n, int *r), (n, r))
WRAP_INT(ipk__os_mq_stat, (int fd, size_t *a, size_t *b, size_t *c), (fd, a, b, c))
WRAP_INT(ipk__os_mq_send, (int fd, const void *d, size_t n, unsigned p), (fd, d, n, p))
WRAP_INT(ipk__os_mq_receive, (int fd, void *d, size_t n, size_t *r), (fd, d, n, r))
WRAP_INT(ipk__os_start_time_ns, (pid_t p, int64_t *r), (p, r))
WRAP_INT(ipk__os_thread_start, (void *(*f)(void *), void *a, pthread_t *r), (f, a, r))
WRAP_INT(ipk__os_thread_start_quiet, (void *(*f)(void *), void *a, pthread_t *r), (f, a, r))
WRAP_INT(ipk__os_fork, (pid_t * r), (r))
WRAP_INT(ipk__os_fork_alone, (pid_t * r), (r))
WRAP_INT(ipk__os_spawn, (const struct ipk__os_spawn *s, pid_t *r), (s, r))
WRAP_INT(ipk__os_pidfd_open, (pid_t p, int *r), (p, r))
WRAP_INT(ipk__os_pidfd_signal, (int fd, int s), (fd, s))
WRAP_INT(ipk__os_pidfd_reap, (int fd, status_out *r), (fd, r))

/* --- scenarios -------------------------------------------------------------------------------- */

/* 0 and every error but those that say it failed for want of something. */
static bool is_expected(int r)
{
	return r == 0 || r == FAULT || r == -ENOMEM;
}

void fault_run_all(const struct scenario *s)
{
	const long warm_up = -1; /* what a process asks once is no part of what is counted */
	long n = 1;

	only_memory = s->only_memory;
	for (long k = warm_up; k <= n; k++) {
		struct leaks before = leaks_now();
		int r;

		if (s->prepare)
			s->prepare();
		fault_arm(k == warm_up ? 0 : k);
		r = s->run();
		fault_disarm();
		if (k <= 0) {
			ck_ok(r);
			n = fault_n_calls();
			ck_assert_msg(n > 0, "nothing in it can fail");
		} else {
			ck_assert_ptr_nonnull(fault_hit());
			ck_assert_msg(is_expected(r), "call %ld, %s, gives %s", k, fault_hit(),
				      ipk_errname(r));
		}
		if (s->check)
			s->check();
		ck_no_leaks(&before);
	}
}
