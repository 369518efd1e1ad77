/*
 * shared_flags.h - tasks for tests of pools, and a blackboard that they share with the test.
 *
 * Tests run once with threads and once with processes as workers: the blackboard is memory
 * that both have, made before the pool.
 */
#ifndef IPK_TESTS_SHARED_FLAGS_H
#define IPK_TESTS_SHARED_FLAGS_H

#include <stdatomic.h>
#include <stdint.h>

#include "ipk/pool.h"

enum { N_FLAGS = 64 };

struct shared_flags {
	_Atomic int flags[N_FLAGS];
	_Atomic int n_begun, n_ended;
	_Atomic int most, n_now; /* how many ran at the same time, at most */
};

extern struct shared_flags *shared_flags; /* shared_flags_open() before the pool is created */

void shared_flags_open(void);
void shared_flags_close(void);
void shared_flags_raise(int flag);
void ck_begun(int n); /* waits until so many tasks were begun */

/* The argument is an int64_t, and so is the result. */
int task_square(ipk_task *task, const void *arg, size_t arg_bytes);
/* The same, once the flag of that number is raised. */
int task_when_raised(ipk_task *task, const void *arg, size_t arg_bytes);
/* Negative ones fail, with that code and the words "negative". */
int task_positive(ipk_task *task, const void *arg, size_t arg_bytes);
/* kill(getpid(), SIGKILL) */
int task_kill_self(ipk_task *task, const void *arg, size_t arg_bytes);

ipk_pool *pool_of(ipk_pool_kind kind, unsigned n_workers);
ipk_future *submit_int(ipk_pool *pool, ipk_task_fn fn, int64_t arg);
int64_t get_int(ipk_future *f); /* the result must be there, or come */
int64_t run_int(ipk_pool *pool, ipk_task_fn fn, int64_t arg);

/* Each test once with each kind, in _i. */
#define add_kinds_test(suite, test) add_loop_test(suite, test, 0, 2)

#endif
