/*
 * os.h - the contract between ipk and the operating system.
 *
 * lib/os is the only part that makes system calls. Every wrapper returns 0 (or, where stated, a
 * value of 0 or more) or a negative errno value; nothing above reads errno. Calls interrupted by a
 * signal (EINTR) are restarted here, unless a wait states otherwise. All fds are created
 * close-on-exec and pass through ipk__os_take_fd(), which keeps them off 0, 1 and 2. Tests replace
 * these functions at link time (-Wl,--wrap) to make the k-th call fail.
 */
#ifndef IPK_OS_H
#define IPK_OS_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ipk/deadline.h"
#include "os/libc.h"

#pragma GCC visibility push(default) /* for libipk-manager */

struct ipk_process_status;

/* --- clock.c ---------------------------------------------------------------------------------- */

int64_t ipk__os_now_ns(void);    /* CLOCK_MONOTONIC */
int64_t ipk__os_coarse_ns(void); /* the same, some milliseconds late, at a third of the cost */
int64_t ipk__os_boot_ns(void);   /* CLOCK_BOOTTIME of the machine: the same in time namespaces */
void ipk__os_nap(int64_t ns);    /* less than a second; a signal may cut it short */
/* The timer slack of this thread, in ns; returns the previous one. */
int64_t ipk__os_set_timer_slack(int64_t ns);

/* --- memory.c: memory shared by processes ----------------------------------------------------- */

void *ipk__os_malloc(size_t n_bytes);           /* NULL: out of memory; free() it */
void *ipk__os_calloc(size_t n, size_t n_bytes); /* the same, zeroed */
void *ipk__os_realloc(void *p, size_t n_bytes); /* NULL: @p is unchanged */

int ipk__os_memfd(const char *name, int *ret_fd); /* may be sealed; of mode 0600 */
int ipk__os_make_read_only(int fd);               /* it cannot be opened again for writing */
int ipk__os_seal(int fd, bool may_grow);          /* never shrinks again, seals are final */
int ipk__os_allocate(int fd, uint64_t offset, uint64_t n_bytes);   /* -ENOSPC, never SIGBUS later */
int ipk__os_deallocate(int fd, uint64_t offset, uint64_t n_bytes); /* give pages back, keep size */
int ipk__os_map(int fd, size_t n_bytes, bool writable, void **ret_addr);
/*
 * The same for a file with holes, to be filled with ipk__os_allocate() before they are touched:
 * nothing is allocated now. @n_bytes may be far more than the available memory.
 */
int ipk__os_map_sparse(int fd, size_t n_bytes, bool writable, void **ret_addr);
/* Replaces the mapping by readable zeros; the previous pages are unmapped. */
int ipk__os_map_zeros_over(void *addr, size_t n_bytes);
int ipk__os_set_size(int fd, uint64_t n_bytes); /* all of it a hole */
/* [0, fixed) once, then the ring [fixed, fixed + ring) twice, one after the other. */
int ipk__os_map_mirrored(int fd, size_t fixed_bytes, size_t ring_bytes, int n_rings,
			 void **ret_addr);
void ipk__os_unmap(void *addr, size_t n_bytes);
/* -EFBIG over RLIMIT_FSIZE: nothing was written. */
int ipk__os_pwrite(int fd, const void *data, size_t n_bytes, uint64_t offset);
/* The first @n_bytes without pages within the file's length. -ENOSPC: none. */
int ipk__os_find_hole(int fd, uint64_t n_bytes, uint64_t *ret_offset);
int ipk__os_pread(int fd, void *buf, size_t n_bytes, uint64_t offset); /* -ENODATA at the end */

struct ipk__os_stat {
	uint64_t size_bytes;
	uint64_t used_bytes; /* without its holes */
	uint64_t device;
	uint64_t inode;
	uint32_t uid;
	uint32_t mode; /* type and permissions, as in struct stat */
	uint32_t n_links;
};
int ipk__os_stat(int fd, struct ipk__os_stat *ret_stat);
struct stat;
void ipk__os_fill_stat(const struct stat *st, struct ipk__os_stat *ret_stat);
bool ipk__os_mode_is_file(uint32_t mode);
/* 1 it can never shrink nor run out of huge pages; 0, also if it is not a file; -ENOSYS. */
int ipk__os_is_sealed(int fd);
bool ipk__os_is_writable(int fd); /* by its flags and seals: it may be mapped so */
size_t ipk__os_page_bytes(void);

/*
 * --- limits.c: before a file is extended. -EFBIG: RLIMIT_FSIZE forbids it, and trying would raise
 * SIGXFSZ in our host. ---
 */

int ipk__os_may_write_to(uint64_t end_bytes);        /* write(), pwrite() up to there */
int ipk__os_may_grow_to(int fd, uint64_t end_bytes); /* ftruncate(), fallocate() */
uint64_t ipk__os_address_space(void);                /* RLIMIT_AS; UINT64_MAX: any */

/* --- shm.c: names in /dev/shm ----------------------------------------------------------------- */

int ipk__os_shm_temp(int *ret_fd);              /* an unnamed file there, mode 0600 */
int ipk__os_shm_link(int fd, const char *name); /* -EEXIST; the file appears complete */
/*
 * Read-write, never through a symlink. -EPROTO if it is not a regular file, -EACCES if it belongs
 * to another user; -EBUSY a process holds a lease on it.
 */
int ipk__os_shm_open(const char *name, int *ret_fd);
int ipk__os_shm_open_to_read(const char *name, int *ret_fd);
int ipk__os_shm_rename(const char *name, const char *to);              /* atomic, replaces @to */
int ipk__os_shm_stat(const char *name, struct ipk__os_stat *ret_stat); /* not through a symlink */
int ipk__os_shm_unlink(const char *name); /* as opened; root removes no other user's either */
/*
 * Opened read-write; created if missing and @make is set. -EACCES what is there is not this user's
 * alone, -EPROTO no FIFO.
 */
int ipk__os_shm_fifo(const char *name, bool make, int *ret_fd);

/* --- fd.c ------------------------------------------------------------------------------------- */

void ipk__os_close(int fd); /* -1 is fine */
int ipk__os_dup(int fd, int *ret_fd);
/*
 * For each fd that is created or received: @made is the result of the creating call, which set
 * errno. An fd of 0, 1 or 2 is moved up, because a program started without them still uses these
 * numbers for its standard streams.
 */
int ipk__os_take_fd(int made, int *ret_fd);
int ipk__os_take_fds(int *fds, size_t n); /* in place; all are closed on failure */
int ipk__os_fd_check(int fd);             /* 0 it is open, or -EBADF */
/* Makes @as_fd a copy of @fd, kept across exec; the previous @as_fd is closed. */
int ipk__os_put_fd(int fd, int as_fd);
int ipk__os_stdin_from_nowhere(void); /* /dev/null */
bool ipk__os_stdin_is_nowhere(void);  /* it is that already */
/* Opens the same file again: a separate open file description, with its own locks and offset. */
int ipk__os_open_again(int fd, bool writable, int *ret_fd);
/*
 * A lock of the open file description, which all copies of @fd share, also those of fork children.
 * Released with the last of them. Never blocks: -EAGAIN.
 */
enum { IPK__OS_UNLOCKED = 0, IPK__OS_SHARED = 1, IPK__OS_ALONE = 2 };
int ipk__os_lock_file(int fd, int how);
/*
 * For a child with a program of its own: closes all fds but 0, 1, 2 and @keep (-1 is skipped);
 * stdin and stdout become /dev/null, stderr too unless @keep_stderr.
 */
void ipk__os_leave_fds(const int *keep, size_t n_keep, bool keep_stderr);
/* An epoll fd in which each entry reports once per change (edge) or until it is removed. */
int ipk__os_epoll(int *ret_fd);
int ipk__os_epoll_add(int epoll_fd, int fd, bool edge, bool hangup_only);
void ipk__os_epoll_drain(int epoll_fd);             /* discard the edges so far */
int ipk__os_ticker(int64_t period_ns, int *ret_fd); /* a timerfd; ticks on after each read */
void ipk__os_ticker_read(int fd);                   /* never blocks */

enum { IPK__OS_IN = 1, IPK__OS_OUT = 2, IPK__OS_HUP = 4 };
/* Waits for @events on one fd; *ret_events may be NULL. 0, -ETIMEDOUT, -EINTR never. */
int ipk__os_poll1(int fd, int events, ipk_deadline deadline, int *ret_events);
int ipk__os_is_hung_up(int fd); /* 1 the peer of the socket has hung up, 0 not, or -errno */
struct pollfd;
int ipk__os_poll(struct pollfd *fds, size_t n, ipk_deadline deadline); /* 0 or -ETIMEDOUT */

/* --- doorbell.c: a pollable fd that processes share; nothing here blocks or signals ----------- */

int ipk__os_doorbell_open(int *ret_fd);
/* validates a received one, first of all: 0, -EPROTO, -ENOSYS */
int ipk__os_doorbell_check(int fd);
void ipk__os_doorbell(int fd); /* makes it readable, again if it is; a full one is fine */
/* if only one process polls it; whether it had been rung */
bool ipk__os_doorbell_drain(int fd);
void ipk__os_doorbell_fifo(int fd); /* as ipk__os_doorbell(); @fd is private */

/* --- socket.c: Unix SOCK_SEQPACKET, with fds and credentials ---------------------------------- */

enum { IPK__OS_FDS_MAX = 8 };

int ipk__os_socketpair(int ret_fds[2]);
int ipk__os_check_packet_socket(int fd);        /* validates a received fd: 0, -EPROTO, -ENOSYS */
int ipk__os_socket_buffer(int fd, int n_bytes); /* requests a send buffer */
/* Shuts down receiving, which the sender notices; queued packets can still be read. */
void ipk__os_stop_receiving(int fd);
void ipk__os_hang_up(int fd); /* both directions, for all copies of @fd; -1 is fine */
/* One packet of @n_parts parts and @n_fds fds; never blocks: -EAGAIN. -EPIPE, no SIGPIPE. */
struct iovec;
struct sockaddr_un;
int ipk__os_send(int fd, const struct iovec *parts, size_t n_parts, const int *fds, size_t n_fds);
/*
 * One packet; never blocks: -EAGAIN. -EPIPE at the end of file. *ret_bytes is its full length,
 * which may be more than the buffer. If this process has too few free fds, the packet's fds are
 * closed and it is -EMFILE; more than IPK__OS_FDS_MAX are -EPROTO; the packet is lost. One without
 * a byte is -EPROTO.
 */
int ipk__os_recv(int fd, const struct iovec *parts, size_t n_parts, bool peek, size_t *ret_bytes,
		 int *ret_fds, size_t *ret_n_fds);
/* -EINVAL: longer than a socket's path can be, or empty. */
int ipk__os_unix_address(const char *path, struct sockaddr_un *ret_address);
/* Bound with access for this user only, whatever the umask. -EADDRINUSE. */
int ipk__os_listen(const char *path, int *ret_fd);
int ipk__os_accept(int fd, int *ret_fd);            /* never blocks: -EAGAIN */
int ipk__os_connect(const char *path, int *ret_fd); /* -ENOENT, -ECONNREFUSED, -EAGAIN */
int ipk__os_peer(int fd, pid_t *ret_pid, uid_t *ret_uid);
int ipk__os_directory_is_private(const char *path); /* 0: own directory, mode 0700; -EACCES */
int ipk__os_is_socket(const char *path);            /* 1, 0 or -ENOENT */
/* An fd that excludes other callers until it is closed; -EADDRINUSE: held by another. */
int ipk__os_lock_directory(const char *path, int *ret_fd);
int ipk__os_unlink(const char *path);

/* --- path.c: file names that outlive the call that passed them -------------------------------- */

enum { IPK__OS_PATH_BYTES = 4096 };
/* -ENAMETOOLONG; -ENOENT the working directory has been removed. */
int ipk__os_absolute(const char *path, char *buf, size_t buf_bytes);
int ipk__os_path_stat(const char *path, struct ipk__os_stat *ret_stat); /* not through a symlink */
/*
 * Removes only the file that ipk__os_path_stat() described: -ESTALE, another file has that name
 * now.
 */
int ipk__os_unlink_if(const char *path, const struct ipk__os_stat *made);

/* --- stream.c: stream sockets, Unix and TCP; nothing blocks: -EAGAIN -------------------------- */

int ipk__os_stream_listen(const char *path, int *ret_fd);
int ipk__os_stream_connect(const char *path, int *ret_fd); /* as ipk__os_connect() */
/*
 * TCP. @host is a name or a numeric address (NULL or "": loopback), @port a number as text; "0"
 * lets the kernel choose. Names are resolved, which may block. -EHOSTUNREACH unknown host.
 * Connections have TCP_NODELAY and keepalive probes.
 */
int ipk__os_tcp_listen(const char *host, const char *port, int *ret_fd);
int ipk__os_tcp_connect(const char *host, const char *port, ipk_deadline deadline, int *ret_fd);
int ipk__os_tcp_port(int fd, int *ret_port);   /* of the listening or local side */
int ipk__os_tcp_is_loopback(const char *host); /* 1 all its addresses are, 0, or -errno */
int ipk__os_stream_accept(int fd, bool is_tcp, int *ret_fd); /* -EMFILE, -ENFILE */
/* "127.0.0.1:4242", "[::1]:4242" or "unix:PID"; truncated to fit. */
void ipk__os_stream_peer_name(int fd, char *buf, size_t buf_bytes);
/* Returns the bytes moved, 1 or more. -EPIPE the peer has closed; never SIGPIPE. */
int ipk__os_stream_read(int fd, void *buf, size_t n_bytes, size_t *ret_bytes);
int ipk__os_stream_write(int fd, const struct iovec *parts, size_t n_parts, size_t *ret_bytes);
void ipk__os_stream_end(int fd); /* the peer sees the end of file; reading still works */
/* With fds (see ipk__os_recv()); they arrive with the bytes they were sent with. */
int ipk__os_stream_read_fds(int fd, void *buf, size_t n_bytes, size_t *ret_bytes, int *ret_fds,
			    size_t *ret_n_fds);
int ipk__os_stream_write_fds(int fd, const void *data, size_t n_bytes, const int *fds, size_t n_fds,
			     size_t *ret_bytes);
int ipk__os_peer_ids(int fd, pid_t *ret_pid, uid_t *ret_uid, gid_t *ret_gid); /* Unix sockets */
int ipk__os_temp_directory(char *buf, size_t buf_bytes); /* made 0700 in /tmp or XDG_RUNTIME_DIR */
void ipk__os_rmdir(const char *path);

/* --- loop.c: one epoll set with a word of the caller for each fd ------------------------------ */

struct ipk__os_ready {
	uint64_t word;
	int events; /* IPK__OS_IN, IPK__OS_OUT, IPK__OS_HUP */
};
int ipk__os_loop_add(int epoll_fd, int fd, int events, uint64_t word); /* level-triggered */
int ipk__os_loop_change(int epoll_fd, int fd, int events, uint64_t word);
void ipk__os_loop_remove(int epoll_fd, int fd);
/* Up to @max ready ones; 0 also after a signal; @timeout_ns < 0 is forever. */
int ipk__os_loop_wait(int epoll_fd, struct ipk__os_ready *ret_ready, size_t max, int64_t timeout_ns,
		      size_t *ret_n);
/* An fd that is readable while one of @signals, blocked in this thread, is pending. */
int ipk__os_signal_fd(const int *signals, size_t n, int *ret_fd);
int ipk__os_signal_read(int fd); /* the signal's number, 0 none */

/* --- file.c: files on disk -------------------------------------------------------------------- */

enum { IPK__OS_CREATE = 1, IPK__OS_EXCLUSIVE = 2, IPK__OS_APPEND = 4, IPK__OS_TRUNCATE = 8 };
int ipk__os_file_open(const char *path, int flags, int *ret_fd); /* read-write, mode 0600 */
int ipk__os_file_open_to_read(const char *path, int *ret_fd); /* follows symlinks; never blocks */
/* Appends. On failure *ret_bytes may have been written. -ENOSPC, -EIO, -EFBIG. */
int ipk__os_file_write(int fd, const void *data, size_t n_bytes, size_t *ret_bytes);
int ipk__os_file_truncate(int fd, uint64_t n_bytes);
/*
 * Reserves disk space for the file up to @n_bytes, without changing its length; a later truncation
 * frees it. If unsupported: 0. -ENOSPC, -EDQUOT, -EFBIG (also by rlimit).
 */
int ipk__os_file_reserve(int fd, uint64_t n_bytes);
int ipk__os_file_sync(int fd);                             /* fdatasync */
int ipk__os_file_rename(const char *from, const char *to); /* and syncs the directory */
int64_t ipk__os_unix_ms(void);                             /* the wall clock */
int ipk__os_random(void *buf, size_t n_bytes);             /* getrandom */
int64_t ipk__os_cpu_time_ns(void);                         /* of this process, user and system */
int ipk__os_fd_limit(void);                                /* limit of its open fds */

/* --- terminal.c ------------------------------------------------------------------------------- */

/* @file is a FILE *. The current width, 80 if unknown; -ENOTTY not a terminal, -EBADF. */
int ipk__os_terminal_columns(void *file);
void ipk__os_print(void *file, const char *text); /* unbuffered; errors are ignored */

/* --- mq.c: POSIX message queues, "/NAME"; never block: -EAGAIN -------------------------------- */

int ipk__os_mq_create(const char *name, uint32_t max_items, size_t message_bytes,
		      int *ret_fd); /* 0: defaults; -EEXIST; -ENOSPC over the kernel's limits */
int ipk__os_mq_open(const char *name, int *ret_fd); /* -EACCES: not private to this user */
void ipk__os_mq_close(int fd);                      /* -1 is fine */
int ipk__os_mq_unlink(const char *name);            /* -EACCES: another user's */
int ipk__os_mq_stat(int fd, size_t *ret_max_items, size_t *ret_message_bytes, size_t *ret_n_items);
int ipk__os_mq_send(int fd, const void *data, size_t len_bytes, unsigned priority);
int ipk__os_mq_receive(int fd, void *buf, size_t buf_bytes, size_t *ret_len_bytes);

/* --- futex.c ---------------------------------------------------------------------------------- */

/* Sleeps while *word == value: 0 woken (or it changed, or a signal arrived), -ETIMEDOUT. */
int ipk__os_futex_wait(_Atomic uint32_t *word, uint32_t value, ipk_deadline deadline);
int ipk__os_futex_wake(_Atomic uint32_t *word, int n); /* how many were woken */
struct robust_list_head;
/* This thread's list of robust mutexes in the C library; -ENOSYS unsupported by the kernel. */
int ipk__os_robust_list(struct robust_list_head **ret_head);

/* --- guard.c: a lock inside a process, safe for fork and pthread_cancel() --------------------- */

struct ipk__os_guard { /* zeroed: free */
	_Atomic uint32_t word;
	int cancel_state;       /* the holder's, while held */
	uint32_t n_interrupted; /* forks in progress in signal handlers of its holder */
	uint32_t n_nested;      /* locks of the forking thread, in the host's handlers */
	bool is_forking;        /* held for a fork: what it guards is whole */
};
void ipk__os_guard_lock(struct ipk__os_guard *g); /* not recursive, but in handlers of a fork */
void ipk__os_guard_unlock(struct ipk__os_guard *g);
bool ipk__os_guard_is_ours(const struct ipk__os_guard *g); /* held by this thread */
/* For pthread_atfork(): no other thread holds it while the child is created. */
void ipk__os_guard_before_fork(struct ipk__os_guard *g);
void ipk__os_guard_after_fork(struct ipk__os_guard *g);
void ipk__os_guard_in_child(struct ipk__os_guard *g);

/* --- fence.c: see there ----------------------------------------------------------------------- */

extern _Atomic bool ipk__os_fences_are_light; /* of this process */

void ipk__os_fence_start(void); /* before the first light fence; cheap when repeated */
void ipk__os_fence_heavy(void); /* for the sleeper */
/* For the waker. Pairs with ipk__os_fence_heavy(): at least one side sees the other's store. */
static inline void ipk__os_fence_light(void)
{
	if (atomic_load_explicit(&ipk__os_fences_are_light, memory_order_relaxed))
		atomic_signal_fence(memory_order_seq_cst);
	else
		atomic_thread_fence(memory_order_seq_cst);
}

/* --- cpu.c ------------------------------------------------------------------------------------ */

struct ipk__cgroup;
void ipk__os_find_cgroup(struct ipk__cgroup *group); /* see base/cpu_quota.h */
int ipk__os_cpu_online(void);                        /* number of processors; cached */
int ipk__os_cpu(void); /* the current processor of this thread, about 2 ns */
void ipk__os_yield(void);
static inline void ipk__os_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}
/* Prefetches the line of @p for writing. */
static inline void ipk__os_prefetch_write(const void *p)
{
#if defined(__x86_64__)
	/* Without the processor's flag the compiler would prefetch for reading only. */
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)p));
#else
	__builtin_prefetch(p, 1);
#endif
}

/* --- proc.c ----------------------------------------------------------------------------------- */

/* What a thread caches about itself; cleared in the child of a fork. */
struct ipk__os_self {
	pid_t tid;          /* 0: unknown yet */
	uint32_t n_locks;   /* entries of the kernel's robust list held by our users */
	uint32_t n_changes; /* ipk__os_fds_change() as of this thread's last fork */
	bool knows_locks;   /* the records in shared/robust_lock.c are this thread's */
};
extern _Thread_local struct ipk__os_self ipk__os_self IPK__OS_NEAR;
extern _Atomic pid_t ipk__os_cached_pid; /* 0: unknown yet */
pid_t ipk__os_ask_pid(void);
pid_t ipk__os_ask_tid(void);

static inline pid_t ipk__os_pid(void) /* of this process */
{
	pid_t pid = atomic_load_explicit(&ipk__os_cached_pid, memory_order_relaxed);

	return pid != 0 ? pid : ipk__os_ask_pid();
}

static inline pid_t ipk__os_tid(void)
{
	return ipk__os_self.tid != 0 ? ipk__os_self.tid : ipk__os_ask_tid();
}

void ipk__os_program(struct ipk__os_stat *ret_stat); /* the file of this one; zeros: unknown */
bool ipk__os_is_our_thread(pid_t tid);               /* of this process; true also for the caller */
uid_t ipk__os_uid(void);

/* --- life.c: see there ------------------------------------------------------------------------ */

void ipk__os_forget_surroundings(void); /* in the child of a fork */
uint64_t ipk__os_pid_namespace(void);   /* its inode; 0 when unknown */
bool ipk__os_proc_is_ours(void);        /* /proc is mounted, for this pid namespace */
int64_t ipk__os_boot_shift_ns(void); /* offset of CLOCK_BOOTTIME in a time namespace; 0 in doubt */
/* Distinguishes the process or thread from others with the same id; 0 unknown. */
uint32_t ipk__os_incarnation(pid_t id);
/*
 * Whether the kernel says so: the id is unused, a zombie's, or of another incarnation (0: any). A
 * process whose first thread has exited while others run is alive, that thread is not.
 */
bool ipk__os_is_dead(pid_t id, bool is_process, uint32_t incarnation);
/*
 * Start time of the process or thread, on the clock of ipk__os_boot_ns(), in steps of 10 ms. -ESRCH
 * there is none; -ENODATA there may be one, but /proc does not tell.
 */
int ipk__os_start_time_ns(pid_t pid, int64_t *ret_boot_ns);
int ipk__os_is_stopped(pid_t pid); /* 1 by a signal or a debugger, 0 not, or -ESRCH, -ENODATA */
int ipk__os_pid_exists(pid_t pid); /* 1 (also when in doubt), 0 (a zombie does not count) */

/* --- proc.c, again ---------------------------------------------------------------------------- */

void ipk__os_flush_stdio(bool is_alone); /* stdout, stderr; the only thread: all streams */
int ipk__os_fork(pid_t *ret_pid);        /* *ret_pid is 0 in the child; stdio is flushed first */
int ipk__os_fork_beside(bool others, pid_t *ret_pid); /* the same, if that is known */
void ipk__os_unfork(pid_t child); /* kills and reaps a child that no other thread may wait for */
/*
 * 0: a child can be named by a pidfd, to be checked before it is started. -EMFILE, -ENFILE no fd is
 * free; -ENOSYS a necessary call is refused.
 */
int ipk__os_pidfd_check(void);
int ipk__os_pidfd_open(pid_t pid, int *ret_fd);
int ipk__os_pidfd_signal(int pidfd, int sig); /* 0 also when it has exited */
/* Never blocks: -EAGAIN it runs, or is traced and its tracer has not reaped it yet; -ECHILD. */
int ipk__os_pidfd_reap(int pidfd, struct ipk_process_status *ret_status);
bool ipk__os_is_parent(pid_t pid); /* of this process; also when unknown */
_Noreturn void ipk__os_die(void);  /* by SIGKILL */
/*
 * A lifeline terminates a child with its parent, also after the child changes its uid, which makes
 * the kernel forget the parent-death signal: a pipe of which the child has one end and only its
 * parent the other. Both are close-on-exec.
 */
int ipk__os_lifeline(int *ret_childs_fd, int *ret_parents_fd);
/*
 * In the child: SIGKILL when the parent's thread that forked it exits, or (with a @lifeline_fd, not
 * -1, which stays open) the last copy of the lifeline's other end is closed. -ESRCH the parent has
 * exited already.
 */
int ipk__os_die_with_parent(pid_t parent, int lifeline_fd);
int ipk__os_die_with_parent_check(void); /* checked before the fork: -ENOSYS it is refused */
/*
 * Around opening and closing fds whose numbers a thread keeps in memory that a fork's child may
 * use: the kernel copies the fds before the memory. In the child: whether none changed in between,
 * so the numbers are still valid.
 */
void ipk__os_fds_change(void);
void ipk__os_fds_changed(void);
bool ipk__os_fds_came_along(void);
void ipk__os_set_thread_name(const char *name);
/* Reserves private memory of this process (RLIMIT_DATA); never more than before. */
int ipk__os_limit_memory(uint64_t more_bytes);
/* Raises the soft limit of open files to @n, or the hard limit: in a process that is ours alone. */
void ipk__os_want_fds(uint64_t n);
_Noreturn void ipk__os_exit(int code); /* flushes stdio, does not run atexit handlers */

/* --- spawn.c, oom.c --------------------------------------------------------------------------- */

struct ipk__os_spawn {
	const char *program; /* searched in PATH if it has no '/' */
	char *const *argv;
	char *const *env;
	int stdio_fds[3]; /* -1: unchanged */
	bool stdin_from_nowhere;
	bool dies_with_parent; /* see ipk__os_die_with_parent(); costs a fork */
	int lifeline_fd;       /* for that, stays open; or -1 */
	int kept_fd;           /* one more fd to keep, with the same number; or -1 */
};
/* Another program as a child; flushes stdio first. -ENOENT and the like: no child was created. */
int ipk__os_spawn(const struct ipk__os_spawn *spawn, pid_t *ret_pid);
char **ipk__os_environment(void);
/* Removes the variable; whether it existed and fits. While no other thread uses getenv(). */
bool ipk__os_take_environment(const char *name, char *buf, size_t buf_bytes);
int ipk__os_at_exit(void (*fn)(void)); /* at exit(), in forks of this process too */
/* OOM kills in this process's control group so far; -EOPNOTSUPP unknown. */
int ipk__os_oom_kills(uint64_t *ret_n);

/* --- children.c: for a process that has children on behalf of another ------------------------- */

struct ipk__os_signals {
	sigset_t mask;
	struct sigaction of_child; /* SIGCHLD */
};
/* Blocks all; *ret_fd is readable when a child has exited. */
int ipk__os_put_signals_aside(struct ipk__os_signals *ret_before, int *ret_fd);
void ipk__os_signals_as_before(const struct ipk__os_signals *before);
void ipk__os_thread_name(char ret_name[16]); /* the calling thread's */
/* Replaces stdin by /dev/null; *ret_fd is the previous one, -1 when it was closed. */
int ipk__os_put_stdin_aside(int *ret_fd);
void ipk__os_stdin_as_before(int fd);
/* Any child of this process: -EAGAIN none has exited, -ECHILD there is none. */
int ipk__os_reap_any(pid_t *ret_pid, struct ipk_process_status *ret_status);
int ipk__os_reap_child(pid_t child);  /* 0; -EAGAIN it runs; -ECHILD */
void ipk__os_kill_child(pid_t child); /* one that is not reaped yet */
/* The status of one that was reaped elsewhere, as far as the kernel tells; -ECHILD. */
int ipk__os_pidfd_epitaph(int pidfd, struct ipk_process_status *ret_status);

/* --- thread.c: the library's own threads ------------------------------------------------------ */

/* With all signals blocked, so the host's handlers run in the host's threads. -EAGAIN. */
int ipk__os_thread_start(void *(*fn)(void *arg), void *arg, pthread_t *ret_thread);
/*
 * A thread that does not prevent forks of this process: it starts busy, and @fn declares when it
 * only waits (quiet: it holds no lock and nothing is in progress), and when it runs code outside
 * the library (loud, until it is quiet or busy again). In other threads these three do nothing. A
 * busy thread delays ipk__os_fork_alone(): a second at most.
 */
int ipk__os_thread_start_quiet(void *(*fn)(void *arg), void *arg, pthread_t *ret_thread);
void ipk__os_thread_busy(void);
void ipk__os_thread_quiet(void);
void ipk__os_thread_loud(void);
/*
 * From what it has called loudly, in process @pid: busy. A child that was forked there has come back
 * too, as if it were that process; it ends here, as if its only thread's function had returned.
 */
void ipk__os_thread_return(pid_t pid);
int ipk__os_n_threads(void); /* of this process, without the quiet ones */
/*
 * As ipk__os_fork(), if the caller is the only thread except quiet ones; otherwise -EDEADLK. It
 * waits a moment for one of ours that has just ended: until its exit is over, it is another thread.
 * -ENOSYS unknown, without /proc.
 */
int ipk__os_fork_alone(pid_t *ret_pid);
void ipk__os_thread_join(pthread_t thread);
void ipk__os_thread_forget(pthread_t thread); /* detached */

/*
 * --- discover.c: which files processes have open, for inspection ---------------------
 *
 * Only reads, and only with calls that no other process can block: a file is stat'ed without its
 * file system and opened only if it is in memory or /dev/shm.
 */

enum { IPK__OS_IN_MEMORY = 1, IPK__OS_IN_SHM = 2, IPK__OS_IN_MQ = 3 };

/* A file, as one process has it open, or (pid 0) as it has a name. */
struct ipk__os_reference {
	uint64_t device;
	uint64_t inode;
	uint32_t n_links;
	uint32_t place; /* IPK__OS_IN_* */
	pid_t pid;
	int fd;
	bool is_read_only; /* opened read-only by that process */
	/* of the memfd, of the file in /dev/shm ("#N": created nameless), of the message queue */
	const char *name;
};

struct ipk__os_walk {
	/* Filters by the name alone. */
	bool (*wants)(uint32_t place, const char *name);
	/* Called with each reference; @reference is invalid afterwards. An error ends the walk. */
	int (*each)(void *arg, const struct ipk__os_reference *reference);
	void *arg;
};

/* All open files of all processes. *ret_n_hidden: processes that are not accessible. */
int ipk__os_walk_open_files(const struct ipk__os_walk *walk, size_t *ret_n_hidden);
int ipk__os_walk_names(const struct ipk__os_walk *walk); /* /dev/shm and /dev/mqueue */
/* Read-only. -ENOENT: removed, or another file is there now. */
int ipk__os_open_sighted(const struct ipk__os_reference *reference, int *ret_fd);

struct ipk__os_thread {
	pid_t pid;     /* its process */
	char comm[16]; /* its name, any bytes */
};
int ipk__os_thread(pid_t tid, struct ipk__os_thread *ret_thread); /* -ESRCH; -EACCES */

/* --- mappings.c ------------------------------------------------------------------------------- */

/*
 * The file mapped at @address in process @pid, without its directories, and the address of its
 * first byte. -ENOENT no file; -ESRCH; -EACCES.
 */
int ipk__os_mapped_file(pid_t pid, uint64_t address, char *buf, size_t buf_bytes,
			uint64_t *ret_start);

#pragma GCC visibility pop

#endif
