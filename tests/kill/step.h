/*
 * step.h - a process that is run one instruction at a time.
 *
 * The victim runs @body up to its start mark (victim_start_here()); the caller makes every step
 * from there on. A copy of more than a few bytes is a handful of steps (see bulk.c).
 */
#ifndef IPK_KILL_STEP_H
#define IPK_KILL_STEP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "clock_call.h"

struct victim {
	pid_t pid;
	uint64_t rip;         /* of the instruction that comes next */
	uint64_t chunk_bytes; /* of the copy under way, 0: none */
	bool is_over;         /* it ended or crashed; status says how */
	int status;           /* as wait(2) tells */
};

/* In the body, once: everything behind it is stepped. */
static inline void victim_start_here(void)
{
	__asm__ volatile("int3" ::: "memory");
}

/* 0 and the victim stands at its start mark, or -errno. */
int victim_start(struct victim *v, void (*body)(void *arg), void *arg);
/* The next instruction. False: it ended instead. */
bool victim_step(struct victim *v);
/* At full speed up to the @n-th time that it comes to @rip. False: it ended instead. */
bool victim_run_to(struct victim *v, uint64_t rip, uint32_t n);
/* Begin the next instruction, a system call, and wait until the victim sleeps in it. */
void victim_step_asleep(struct victim *v);
/* SIGKILL, wherever it is; it is gone on return. */
void victim_kill(struct victim *v);
/* Let go of it, as a stopped process; then let it run. */
void victim_stop(struct victim *v);
void victim_resume(struct victim *v);

/* As /proc says: 'S' asleep, 'T' stopped, 't' traced, 'Z' dead; '?' no such process. */
char process_state(pid_t pid);

/* Whether @pid ended by itself within @ms; then it is reaped. */
bool child_ends(pid_t pid, int ms, int *ret_status);

/* Whether @pid stopped itself within @ms; if it ended, that is left to be seen. */
bool child_stops(pid_t pid, int ms);

/* Stepper and stepped share a processor: a step is three times as fast. */
void pin_to_one_cpu(void);
void pin_elsewhere(void); /* to another one: somebody else needs this one */
void unpin(void);

/* Inside or before a copy: several steps at one address. */
bool victim_is_at_copy(const struct victim *v);

/* It is about to read the clock, which nobody else can see. */
static inline bool victim_is_at_clock(const struct victim *v)
{
	return v->rip == (uintptr_t)clock_call_here;
}

/* What comes next is a system call. */
static inline bool victim_is_at_syscall(const struct victim *v)
{
	/* Victim and harness are one static program: the same code at the same address. */
	return *(const uint16_t *)(uintptr_t)v->rip == 0x050f;
}

#endif
