/*
 * test_kernel_calls.c - a seccomp filter refuses one system call, as filters do (EPERM) and as old
 * kernels do (ENOSYS): everything works, or returns -ENOSYS before anything has happened, and
 * ipk_strerror() names the call.
 */
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "env/nouns.h"
#include "ipk.h"
#include "os/os.h"
#include "support/support.h"

#define HANGS_SECONDS 60 /* the child is ended by SIGALRM then */

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#define ARCHITECTURE 0
#endif

struct call {
	const char *name; /* as ipk_strerror() has it */
	int number;
	/* Only with these bits in its argument @arg, or this value of it. */
	int arg;
	uint32_t bits;
	uint32_t value;
	bool is_needed; /* there is no way round it */
};

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef O_TMPFILE
#define O_TMPFILE (020000000 | O_DIRECTORY)
#endif

static const struct call calls[] = {
	{"membarrier", SYS_membarrier, -1, 0, 0, false},
	{"close_range", SYS_close_range, -1, 0, 0, false},
	{"getrandom", SYS_getrandom, -1, 0, 0, false},
	{"memfd_create", SYS_memfd_create, -1, 0, 0, false},
	{"F_ADD_SEALS", SYS_fcntl, 1, 0, F_ADD_SEALS, true},
	{"F_GET_SEALS", SYS_fcntl, 1, 0, F_GET_SEALS, true},
	{"fstatfs", SYS_fstatfs, -1, 0, 0, true},
	{"F_DUPFD_CLOEXEC", SYS_fcntl, 1, 0, F_DUPFD_CLOEXEC, true},
	{"F_SETOWN", SYS_fcntl, 1, 0, F_SETOWN, true},
	{"F_SETSIG", SYS_fcntl, 1, 0, 10 /* F_SETSIG */, true},
	{"F_SETFL", SYS_fcntl, 1, 0, F_SETFL, true},
	{"F_GETFL", SYS_fcntl, 1, 0, F_GETFL, true},
	{"F_SETFD", SYS_fcntl, 1, 0, F_SETFD, true},
	{"F_GETFD", SYS_fcntl, 1, 0, F_GETFD, false},
	{"wait4", SYS_wait4, -1, 0, 0, false},
	{"munlock", SYS_munlock, -1, 0, 0, false},
#ifdef SYS_dup2 /* newer processors have only dup3 */
	{"dup2", SYS_dup2, -1, 0, 0, false},
#endif
	{"vmsplice", SYS_vmsplice, -1, 0, 0, false},
	{"splice", SYS_splice, -1, 0, 0, false},
	{"sysinfo", SYS_sysinfo, -1, 0, 0, false},
	{"prlimit64", SYS_prlimit64, -1, 0, 0, false},
#ifndef __SANITIZE_ADDRESS__ /* whose threads do not begin without it */
	{"sched_getaffinity", SYS_sched_getaffinity, -1, 0, 0, false},
#endif
	{"sched_yield", SYS_sched_yield, -1, 0, 0, false},
	{"O_TMPFILE", SYS_openat, 2, 020000000, 0, true},
	{"fallocate", SYS_fallocate, -1, 0, 0, true},
	{"ftruncate", SYS_ftruncate, -1, 0, 0, true},
	{"fchmod", SYS_fchmod, -1, 0, 0, true},
	{"pidfd_open", SYS_pidfd_open, -1, 0, 0, true},
	{"pidfd_send_signal", SYS_pidfd_send_signal, -1, 0, 0, true},
	{"waitid", SYS_waitid, -1, 0, 0, true},
	{"waitid", SYS_waitid, 0, 0, 3 /* P_PIDFD */, true},
	{"clone", SYS_clone, -1, 0, 0, true},
	{"clone3", 435, -1, 0, 0, true},
	{"linkat", SYS_linkat, -1, 0, 0, true},
	{"mknodat", SYS_mknodat, -1, 0, 0, true},
	{"pipe2", SYS_pipe2, -1, 0, 0, true},
	{"epoll_create1", SYS_epoll_create1, -1, 0, 0, true},
	{"epoll_ctl", SYS_epoll_ctl, -1, 0, 0, true},
#ifdef SYS_epoll_wait /* C libraries of newer processors use epoll_pwait */
	{"epoll_wait", SYS_epoll_wait, -1, 0, 0, true},
#endif
	{"timerfd_create", SYS_timerfd_create, -1, 0, 0, true},
	{"timerfd_settime", SYS_timerfd_settime, -1, 0, 0, true},
	{"signalfd", SYS_signalfd4, -1, 0, 0, true},
	{"socketpair", SYS_socketpair, -1, 0, 0, true},
	{"socket", SYS_socket, -1, 0, 0, true},
	{"sendmsg", SYS_sendmsg, -1, 0, 0, true},
	{"recvmsg", SYS_recvmsg, -1, 0, 0, true},
	{"recvmmsg", SYS_recvmmsg, -1, 0, 0, false},
	{"setsockopt", SYS_setsockopt, -1, 0, 0, true},
	{"getsockopt", SYS_getsockopt, -1, 0, 0, true},
	{"getsockname", SYS_getsockname, -1, 0, 0, true},
	{"getpeername", SYS_getpeername, -1, 0, 0, true},
	{"bind", SYS_bind, -1, 0, 0, true},
	{"listen", SYS_listen, -1, 0, 0, true},
	{"accept4", SYS_accept4, -1, 0, 0, true},
	{"connect", SYS_connect, -1, 0, 0, true},
	{"prctl", SYS_prctl, -1, 0, 0, true},
	{"prctl", SYS_prctl, 0, 0, PR_SET_PDEATHSIG, true},
	{"statx", SYS_statx, -1, 0, 0, true},
	{"flock", SYS_flock, -1, 0, 0, true},
};
enum { N_CALLS = sizeof calls / sizeof calls[0] };

static uint32_t arg_offset(int arg)
{
	return (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (size_t)(arg > 0 ? arg : 0));
}

static int install(const struct call *call, int error)
{
	const uint32_t nr = offsetof(struct seccomp_data, nr);
	const uint32_t arch = offsetof(struct seccomp_data, arch);
	bool all = call->arg < 0, by_bits = call->bits != 0;
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 0, 6),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call->number, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, arg_offset(call->arg)),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, all       ? 0
						    : by_bits ? call->bits
							      : UINT32_MAX),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
			 all       ? 0
			 : by_bits ? call->bits
				   : call->value,
			 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

struct setting {
	const struct call *call;
	int error;
};

enum { RAN_UNASKED = 120, NOT_NAMED, NO_FILTER };

static int run_refused(void *arg)
{
	const struct noun_run *run = arg;
	const struct setting *s = run->setting;
	struct made *made;
	int r;

	alarm(HANGS_SECONDS);
	nouns_begin();
	made = run->noun ? NULL : nouns_make();
	if (install(s->call, s->error) < 0)
		_exit(NO_FILTER);
	r = run->noun ? run->noun->use() : nouns_use_made(made);
	if (nouns_n_ran_unasked() > 0)
		_exit(RAN_UNASKED);
	if (r == -ENOSYS && !strstr(ipk_strerror(r), s->call->name))
		_exit(NOT_NAMED);
	_exit(r < 0 && r > -RAN_UNASKED ? -r : 0);
}

/* musl's pthread_create() says EAGAIN, whatever the kernel said. */
static bool says_so(const struct call *call, int code)
{
#ifndef __GLIBC__
	if (call->number == SYS_clone && code == EAGAIN)
		return true;
#endif
	return call->is_needed && code == ENOSYS;
}

static void ck_run(const struct noun_run *run, pid_t pid)
{
	const struct setting *s = run->setting;
	const char *noun = run->noun ? run->noun->name : "what was made before";
	int status, code;

	while (waitpid(pid, &status, 0) < 0)
		ck_assert_int_eq(errno, EINTR);
	ck_assert_msg(!WIFSIGNALED(status), "%s without %s (%s): %s", noun, s->call->name,
		      strerror(s->error), strsignal(WTERMSIG(status)));
	code = WEXITSTATUS(status);
	ck_assert_msg(code != RAN_UNASKED, "%s without %s (%s): a function ran, its start failed",
		      noun, s->call->name, strerror(s->error));
	ck_assert_msg(code != NOT_NAMED, "%s without %s (%s): the error does not name it", noun,
		      s->call->name, strerror(s->error));
	ck_assert_msg(code == 0 || says_so(s->call, code), "%s without %s (%s): -%s (%d)", noun,
		      s->call->name, strerror(s->error), ipk_errname(code), code);
}

static int can_filter(void *arg)
{
	(void)arg;
	_exit(install(&calls[0], EPERM) < 0 ? 1 : 0);
}

static bool has_filters(void)
{
	pid_t pid = spawn(can_filter, NULL);
	int status = 0;

	waitpid(pid, &status, 0);
	return ARCHITECTURE != 0 && status == 0;
}

START_TEST(each_noun_without_each_call)
{
	static const int errors[] = {EPERM, ENOSYS};

	if (!has_filters())
		return; /* no seccomp here */
	for (int e = 0; e < 2; e++) {
		/* Where there is no way round it one place makes the same of both: every other. */
		if (!calls[_i].is_needed || e == _i % 2)
			nouns_run_each(&(struct setting){&calls[_i], errors[e]}, run_refused,
				       ck_run);
	}
}
END_TEST

/* A child that is to die with its parent does, and does not try for ever. */
static int die_refused(void *arg)
{
	static const struct call by_kill = {"kill", SYS_kill, -1, 0, 0, false};

	(void)arg;
	alarm(HANGS_SECONDS);
	if (install(&by_kill, EPERM) == 0)
		ipk__os_die();
	_exit(128 + SIGKILL); /* no seccomp here */
}

START_TEST(dying_without_kill)
{
	reap_code(spawn(die_refused, NULL), 128 + SIGKILL);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("kernel_calls");
	TCase *each = support_case(s, "each_noun_without_each_call", 120, true);

	tcase_add_loop_test(each, each_noun_without_each_call, 0, N_CALLS);
	add_test(s, dying_without_kill);
	return s;
}
IPK_TEST_MAIN(suite)
