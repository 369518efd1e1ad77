/*
 * faults.h - makes the k-th call that can fail, fail.
 *
 * Every wrapper of lib/os, and memory allocation, is replaced at link time (wraps.txt) by one that
 * counts its calls and returns FAULT at the k-th. A scenario is run once to count, then once for
 * every k.
 */
#ifndef IPK_TESTS_FAULTS_H
#define IPK_TESTS_FAULTS_H

#include <errno.h>
#include <stdbool.h>

#define FAULT (-EIO) /* an error that nothing else here gives */

void fault_arm(long at_call); /* 0: only count */
void fault_disarm(void);
void fault_only_memory(bool only); /* scenarios say so themselves */
long fault_n_calls(void);
const char *fault_hit(void); /* the function that failed, NULL when none did */

extern bool fault_clock_goes_back; /* the wall clock is set back by a second at each look */

/* An operation on objects that prepare() made: its error, or 0. */
struct scenario {
	int (*run)(void);
	void (*prepare)(void);
	void (*check)(void); /* the objects still work; frees them */
	bool only_memory;    /* no system call fails, only allocation does */
};
void fault_run_all(const struct scenario *s);

#define FAULT_TEST(test, ...)                                   \
	START_TEST(test)                                        \
	{                                                       \
		fault_run_all(&(struct scenario){__VA_ARGS__}); \
	}                                                       \
	END_TEST

#endif
