/*
 * step.c - ptrace: single steps, exact kills and stops.
 *
 * A breakpoint changes the victim's own copy of a page of code and is removed before anything else
 * happens: where it stops, everything is as if the victim had been stepped there.
 *
 * A copy is one rep instruction (bulk.c); the processor would stop after each byte of it. The
 * harness does such copies for the victim instead, a quarter at each step, and advances the
 * registers, as the processor does when it is interrupted in the middle.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bulk.h"
#include "step.h"

#define CHUNKS 4
#define CHUNK_MIN_BYTES 8
#define BOUNCE_BYTES (1u << 16)

static cpu_set_t all_cpus;

static void pin_to(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof one, &one);
}

void pin_to_one_cpu(void)
{
	sched_getaffinity(0, sizeof all_cpus, &all_cpus);
	pin_to(sched_getcpu());
}

void pin_elsewhere(void)
{
	int cpu = sched_getcpu();

	do {
		cpu = (cpu + 1) % CPU_SETSIZE;
	} while (!CPU_ISSET(cpu, &all_cpus));
	pin_to(cpu);
}

void unpin(void)
{
	sched_setaffinity(0, sizeof all_cpus, &all_cpus);
}

/* Wait for the next stop; false when the victim ended. */
static bool next_stop(struct victim *v)
{
	while (waitpid(v->pid, &v->status, 0) < 0 && errno == EINTR)
		;
	if (!WIFSTOPPED(v->status)) {
		v->is_over = true;
		return false;
	}
	v->rip = (uint64_t)ptrace(PTRACE_PEEKUSER, v->pid, offsetof(struct user, regs.rip), 0);
	return true;
}

int victim_start(struct victim *v, void (*body)(void *arg), void *arg)
{
	*v = (struct victim){.pid = fork()};
	if (v->pid < 0)
		return -errno;
	if (v->pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
			_exit(99);
		body(arg);
		_exit(0);
	}
	if (!next_stop(v))
		return WIFEXITED(v->status) && WEXITSTATUS(v->status) == 99 ? -EPERM : -ESRCH;
	if (WSTOPSIG(v->status) != SIGTRAP) {
		victim_kill(v);
		return -ESRCH;
	}
	ptrace(PTRACE_SETOPTIONS, v->pid, 0, PTRACE_O_EXITKILL);
	return 0;
}

/* --- copies ----------------------------------------------------------------------------------- */

static void move_bytes(pid_t pid, uint64_t to, uint64_t from, uint64_t n_bytes)
{
	static char bounce[BOUNCE_BYTES];

	while (n_bytes > 0) {
		size_t n = n_bytes < sizeof bounce ? n_bytes : sizeof bounce;
		struct iovec here = {bounce, n};
		struct iovec source = {(void *)(uintptr_t)from, n};
		struct iovec target = {(void *)(uintptr_t)to, n};

		process_vm_readv(pid, &here, 1, &source, 1, 0);
		process_vm_writev(pid, &here, 1, &target, 1, 0);
		from += n;
		to += n;
		n_bytes -= n;
	}
}

static void fill_bytes(pid_t pid, uint64_t to, unsigned char byte, uint64_t n_bytes)
{
	static char bounce[BOUNCE_BYTES];

	memset(bounce, byte, n_bytes < sizeof bounce ? n_bytes : sizeof bounce);
	while (n_bytes > 0) {
		size_t n = n_bytes < sizeof bounce ? n_bytes : sizeof bounce;
		struct iovec here = {bounce, n};
		struct iovec target = {(void *)(uintptr_t)to, n};

		process_vm_writev(pid, &here, 1, &target, 1, 0);
		to += n;
		n_bytes -= n;
	}
}

bool victim_is_at_copy(const struct victim *v)
{
	return v->rip == (uintptr_t)bulk_copy_here || v->rip == (uintptr_t)bulk_fill_here;
}

/* The next part of a long copy; false: there is none, make an ordinary step. */
static bool step_copy(struct victim *v)
{
	bool is_fill = v->rip == (uintptr_t)bulk_fill_here;
	struct user_regs_struct regs;
	uint64_t n;

	if (!victim_is_at_copy(v))
		return false;
	ptrace(PTRACE_GETREGS, v->pid, 0, &regs);
	if (v->chunk_bytes == 0)
		v->chunk_bytes = regs.rcx / CHUNKS > CHUNK_MIN_BYTES ? regs.rcx / CHUNKS + 1
								     : CHUNK_MIN_BYTES;
	n = regs.rcx < v->chunk_bytes ? regs.rcx : v->chunk_bytes;
	if (n == 0) {
		v->chunk_bytes = 0;
		return false;
	}
	if (is_fill)
		fill_bytes(v->pid, regs.rdi, (unsigned char)regs.rax, n);
	else
		move_bytes(v->pid, regs.rdi, regs.rsi, n);
	regs.rdi += n;
	regs.rsi += is_fill ? 0 : n;
	regs.rcx -= n;
	ptrace(PTRACE_SETREGS, v->pid, 0, &regs);
	return true;
}

/* --- steps ------------------------------------------------------------------------------------ */

bool victim_step(struct victim *v)
{
	if (v->is_over)
		return false;
	if (step_copy(v))
		return true;
	if (ptrace(PTRACE_SINGLESTEP, v->pid, 0, 0) < 0 || !next_stop(v)) {
		v->is_over = true;
		return false;
	}
	/* A fault: let it take its course, so that the status tells. */
	if (WSTOPSIG(v->status) != SIGTRAP) {
		ptrace(PTRACE_CONT, v->pid, 0, WSTOPSIG(v->status));
		next_stop(v);
		return false;
	}
	return true;
}

/* Once: a breakpoint there, and as soon as it is hit, the code as it was. */
static bool run_to(struct victim *v, uint64_t rip)
{
	long word = ptrace(PTRACE_PEEKTEXT, v->pid, rip, 0);
	bool hit;

	ptrace(PTRACE_POKETEXT, v->pid, rip, (word & ~0xffL) | 0xcc);
	ptrace(PTRACE_CONT, v->pid, 0, 0);
	if (!next_stop(v))
		return false;
	hit = WSTOPSIG(v->status) == SIGTRAP && v->rip == rip + 1;
	ptrace(PTRACE_POKETEXT, v->pid, rip, word);
	if (hit) {
		v->rip = rip;
		ptrace(PTRACE_POKEUSER, v->pid, offsetof(struct user, regs.rip), rip);
	}
	return hit;
}

bool victim_run_to(struct victim *v, uint64_t rip, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if ((i > 0 && !victim_step(v)) || !run_to(v, rip))
			return false;
	}
	return true;
}

char process_state(pid_t pid)
{
	char path[64];
	char state = '?';
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return state;
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = '?';
	fclose(file);
	return state;
}

void victim_step_asleep(struct victim *v)
{
	if (v->is_over || ptrace(PTRACE_SINGLESTEP, v->pid, 0, 0) < 0)
		return;
	/* It sleeps, or it did not have to and is stopped again. */
	while (strchr("RD", process_state(v->pid)))
		sched_yield();
}

void victim_kill(struct victim *v)
{
	if (v->pid <= 0 || v->is_over)
		return;
	kill(v->pid, SIGKILL);
	do {
		while (waitpid(v->pid, &v->status, 0) < 0 && errno == EINTR)
			;
	} while (WIFSTOPPED(v->status));
	v->is_over = true;
}

void victim_stop(struct victim *v)
{
	/* One that sleeps in a system call must be made to listen first. */
	if (ptrace(PTRACE_PEEKUSER, v->pid, 0, 0) < 0 && errno == ESRCH) {
		kill(v->pid, SIGSTOP);
		next_stop(v);
	}
	if (ptrace(PTRACE_DETACH, v->pid, 0, SIGSTOP) == 0)
		waitpid(v->pid, &v->status, WUNTRACED);
	v->is_over = !WIFSTOPPED(v->status);
}

void victim_resume(struct victim *v)
{
	kill(v->pid, SIGCONT);
}

bool child_ends(pid_t pid, int ms, int *ret_status)
{
	struct pollfd p = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
	bool ended = p.fd >= 0 && poll(&p, 1, ms) > 0;

	if (p.fd >= 0)
		close(p.fd);
	if (ended)
		waitpid(pid, ret_status, 0);
	return ended;
}

bool child_stops(pid_t pid, int ms)
{
	siginfo_t info = {0};

	/* There is no fd for this: ask each millisecond. */
	for (int i = 0; i < ms && info.si_pid == 0; i++) {
		if (waitid(P_PID, (id_t)pid, &info, WSTOPPED | WEXITED | WNOWAIT | WNOHANG) < 0)
			return false;
		if (info.si_pid == 0)
			poll(NULL, 0, 1);
	}
	return info.si_code == CLD_STOPPED;
}
