/*
 * hold_small.c - for the scripts here: a program that has one of each kind of small object, in a
 * known state, and a child that waits. hold_small PREFIX creates PREFIX-lock (held, its child waits
 * for it), -rlock (with a name, held twice), -rwlock (read), -signal (2 of 5), -owned (2 of 3
 * taken), -cond, -event (set), -barrier (of 3), -once (done), -number (-42), -nan, -letter, -point
 * (12 bytes), -array (10 doubles) and -shm (10000 bytes), prints "ready CHILD_PID" when the child
 * is seen waiting, and keeps them until its standard input ends.
 */
#include <errno.h>
#include <ipk/barrier.h>
#include <ipk/cond.h>
#include <ipk/error.h>
#include <ipk/event.h>
#include <ipk/inspect.h>
#include <ipk/lock.h>
#include <ipk/once.h>
#include <ipk/process.h>
#include <ipk/rwlock.h>
#include <ipk/semaphore.h>
#include <ipk/shm.h>
#include <ipk/value.h>
#include <math.h>
#include <stdio.h>

#define SECONDS 200 /* far beyond any script */

static int take_and_give(void *arg)
{
	IPK_TRY(ipk_lock_lock(arg, ipk_in_ms(SECONDS * 1000), NULL));
	return ipk_lock_unlock(arg);
}

/* Until somebody is listed as waiting for it. */
static int wait_for_waiter(const char *name)
{
	ipk_deadline deadline = ipk_in_ms(SECONDS * 1000);

	while (ipk_deadline_left_ns(deadline) > 0) {
		IPK_AUTO(inspect, snap);
		const ipk_inspect_object *o;

		IPK_TRY(ipk_inspect_scan(IPK_INSPECT(.match = name), &snap));
		o = ipk_inspect_object_at(snap, 0);
		if (o && o->n_waiters > 0)
			return 0;
	}
	return -ETIMEDOUT;
}

static const char *join(const char *prefix, const char *rest)
{
	static char names[8][256];
	static int n;

	n = (n + 1) % 8;
	snprintf(names[n], sizeof(names[n]), "%s-%s", prefix, rest);
	return names[n];
}

static int do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

static struct {
	ipk_lock *lock, *rlock;
	ipk_rwlock *rwlock;
	ipk_semaphore *signal, *owned;
	ipk_cond *cond;
	ipk_event *event;
	ipk_barrier *barrier;
	ipk_once *once;
	ipk_value *number, *nan, *letter, *point;
	ipk_array *array;
	ipk_shm *shm;
} all;

static int make_locks(const char *p)
{
	IPK_TRY(ipk_lock_create(IPK_LOCK(.label = join(p, "lock")), &all.lock));
	IPK_TRY(ipk_lock_create(IPK_LOCK(.name = join(p, "rlock"), .is_recursive = true),
				&all.rlock));
	IPK_TRY(ipk_rwlock_create(IPK_RWLOCK(.label = join(p, "rwlock")), &all.rwlock));
	IPK_TRY(ipk_semaphore_create(
		IPK_SEMAPHORE(.label = join(p, "signal"), .value = 2, .max = 5), &all.signal));
	IPK_TRY(ipk_semaphore_create(
		IPK_SEMAPHORE(.label = join(p, "owned"), .value = 3, .kind = IPK_SEMAPHORE_OWNED),
		&all.owned));
	IPK_TRY(ipk_cond_create(IPK_COND(.label = join(p, "cond")), &all.cond));
	IPK_TRY(ipk_event_create(IPK_EVENT(.label = join(p, "event"), .is_set = true), &all.event));
	IPK_TRY(ipk_barrier_create(IPK_BARRIER(.label = join(p, "barrier"), .n_parties = 3),
				   &all.barrier));
	return ipk_once_create(IPK_ONCE(.label = join(p, "once")), &all.once);
}

static int make_values(const char *p)
{
	static const double items[10] = {1, -2.5};

	IPK_TRY(ipk_value_create(
		IPK_VALUE(.label = join(p, "number"), .typecode = 'i', .item = &(int){-42}),
		&all.number));
	IPK_TRY(ipk_value_create(IPK_VALUE(.label = join(p, "nan"), .typecode = 'd',
					   .item = &(double){NAN}, .is_raw = true),
				 &all.nan));
	IPK_TRY(ipk_value_create(
		IPK_VALUE(.label = join(p, "letter"), .typecode = 'c', .item = "x"), &all.letter));
	IPK_TRY(ipk_value_create(
		IPK_VALUE(.label = join(p, "point"), .item_bytes = 12, .item = "hello\n123456"),
		&all.point));
	IPK_TRY(ipk_array_create(IPK_ARRAY(.label = join(p, "array"), .typecode = 'd',
					   .n_items = 10, .items = items),
				 &all.array));
	return ipk_shm_create(IPK_SHM(.label = join(p, "shm"), .size_bytes = 10000), &all.shm);
}

static int set_states(void)
{
	IPK_TRY(ipk_lock_lock(all.lock, ipk_now(), NULL));
	IPK_TRY(ipk_rwlock_read_lock(all.rwlock, ipk_now(), NULL));
	for (int i = 0; i < 2; i++) {
		IPK_TRY(ipk_lock_lock(all.rlock, ipk_now(), NULL));
		IPK_TRY(ipk_semaphore_acquire(all.owned, ipk_now()));
	}
	return ipk_once_run(all.once, do_nothing, NULL, ipk_now(), NULL);
}

static int let_go(void)
{
	IPK_TRY(ipk_lock_unlock(all.lock));
	IPK_TRY(ipk_rwlock_read_unlock(all.rwlock));
	for (int i = 0; i < 2; i++)
		IPK_TRY(ipk_lock_unlock(all.rlock));
	return ipk_semaphore_release_many(all.owned, 2);
}

static void close_all(void)
{
	ipk_lock_close(all.lock);
	ipk_lock_close(all.rlock);
	ipk_rwlock_close(all.rwlock);
	ipk_semaphore_close(all.signal);
	ipk_semaphore_close(all.owned);
	ipk_cond_close(all.cond);
	ipk_event_close(all.event);
	ipk_barrier_close(all.barrier);
	ipk_once_close(all.once);
	ipk_value_close(all.number);
	ipk_value_close(all.nan);
	ipk_value_close(all.letter);
	ipk_value_close(all.point);
	ipk_array_close(all.array);
	ipk_shm_close(all.shm);
}

static int hold(const char *prefix)
{
	IPK_AUTO(process, child);

	IPK_TRY(make_locks(prefix));
	IPK_TRY(make_values(prefix));
	IPK_TRY(set_states());
	IPK_TRY(ipk_process_start(take_and_give, all.lock, IPK_PROCESS(.name = "taker"), &child));
	IPK_TRY(wait_for_waiter(join(prefix, "lock")));
	printf("ready %d\n", (int)ipk_process_pid(child));
	fflush(stdout);
	while (getchar() != EOF)
		;
	IPK_TRY(let_go());
	return ipk_process_join(child, ipk_in_ms(SECONDS * 1000), NULL);
}

int main(int argc, char **argv)
{
	int r = argc == 2 ? hold(argv[1]) : -EINVAL;

	if (argc == 2 && all.rlock && ipk_lock_unlink(join(argv[1], "rlock")) < 0)
		r = r < 0 ? r : -ENOENT;
	close_all();
	if (r < 0)
		fprintf(stderr, "hold_small: %s: %s\n", ipk_errname(r), ipk_strerror(r));
	return r < 0;
}
