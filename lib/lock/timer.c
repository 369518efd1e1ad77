/*
 * timer.c - Timer: a deferred call, in a thread of its own.
 *
 * Private to the process: no death of another process can leave it inconsistent, and its waits need
 * no slices. One word holds its state; starting to run and being cancelled are one CAS each, so
 * exactly one of the two happens.
 *
 * A fork child has the memory but not the thread. Its copy counts as cancelled.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "base/base_internal.h"
#include "ipk/timer.h"
#include "os/os.h"

enum { PENDING, RUNNING, OVER, CANCELLED };

struct ipk_timer {
	_Atomic uint32_t state;
	_Atomic pid_t tid; /* of the thread, once it runs */
	pid_t pid;
	pthread_t thread;
	ipk_deadline at;
	ipk_timer_fn fn;
	void *arg;
	bool is_closed; /* by fn: the thread frees it */
};

static bool move(ipk_timer *t, uint32_t from, uint32_t to)
{
	if (!atomic_compare_exchange_strong(&t->state, &from, to))
		return false;
	ipk__os_futex_wake(&t->state, INT_MAX);
	return true;
}

static bool is_ours(const ipk_timer *t)
{
	return t->pid == ipk__os_pid();
}

struct call {
	ipk_timer *timer;
	pid_t pid;
};

/* As a cleanup handler: fn has returned, or has ended the thread. */
static void end(void *arg)
{
	struct call *call = arg;
	ipk_timer *t = call->timer;

	/* A child that fn forked comes here, too: there it may be freed already. */
	if (call->pid != ipk__os_pid())
		return;
	ipk__os_thread_busy();
	if (t->is_closed)
		free(t);
	else
		move(t, RUNNING, OVER);
}

static void *run(void *arg)
{
	ipk_timer *t = arg;
	struct call call = {t, t->pid};

	ipk__os_set_thread_name("ipk-timer");
	atomic_store(&t->tid, ipk__os_tid());
	while (atomic_load(&t->state) == PENDING && ipk_deadline_left_ns(t->at) > 0) {
		ipk__os_thread_quiet();
		ipk__os_futex_wait(&t->state, PENDING, t->at);
		ipk__os_thread_busy();
	}
	if (move(t, PENDING, RUNNING)) {
		ipk__os_thread_loud();
		pthread_cleanup_push(end, &call);
		t->fn(t->arg);
		pthread_cleanup_pop(1);
	}
	return NULL;
}

int ipk_timer_start(int64_t delay_ns, ipk_timer_fn fn, void *arg, ipk_timer **ret_timer)
{
	ipk_timer *t;
	int r;

	if (!fn || !ret_timer)
		return ipk__invalid("fn or ret_timer is NULL");
	t = ipk__os_calloc(1, sizeof *t);
	if (!t)
		return -ENOMEM;
	t->pid = ipk__os_pid();
	t->at = ipk_in_ns(delay_ns);
	t->fn = fn;
	t->arg = arg;
	r = ipk__os_thread_start_quiet(run, t, &t->thread);
	if (r < 0)
		free(t);
	else
		*ret_timer = t;
	return r;
}

int ipk_timer_cancel(ipk_timer *timer)
{
	uint32_t state;

	if (!timer)
		return -EBADF;
	if (move(timer, PENDING, CANCELLED))
		return 0;
	state = atomic_load(&timer->state);
	return state == CANCELLED || !is_ours(timer) ? 0 : -EALREADY;
}

bool ipk_timer_is_done(const ipk_timer *timer)
{
	uint32_t state;

	if (!timer || !is_ours(timer))
		return true;
	/* Pairs with the end of run(): what fn did is seen. */
	state = atomic_load(&timer->state);
	return state == OVER || state == CANCELLED;
}

int ipk_timer_wait(ipk_timer *timer, ipk_deadline deadline)
{
	if (!timer)
		return -EBADF;
	if (is_ours(timer) && atomic_load(&timer->tid) == ipk__os_tid())
		return -EDEADLK;
	while (!ipk_timer_is_done(timer)) {
		uint32_t state = atomic_load(&timer->state);

		if (ipk_deadline_left_ns(deadline) == 0)
			return -ETIMEDOUT;
		if (state == PENDING || state == RUNNING)
			ipk__os_futex_wait(&timer->state, state, deadline);
	}
	return 0;
}

ipk_timer *ipk_timer_close(ipk_timer *timer)
{
	if (!timer)
		return NULL;
	if (!is_ours(timer)) {
		free(timer);
		return NULL;
	}
	if (atomic_load(&timer->tid) == ipk__os_tid()) {
		timer->is_closed = true;
		ipk__os_thread_forget(pthread_self());
		return NULL;
	}
	(void)!ipk_timer_cancel(timer);
	ipk__os_thread_join(timer->thread);
	free(timer);
	return NULL;
}
