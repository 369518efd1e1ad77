/*
 * robust_lock.c - the robust mutex, with deadlines.
 *
 * The kernel's robust list gives the lock of a dead thread to the next one that asks; that
 * is the only proof of death used here, so a stopped holder is never taken for a dead one.
 * A mutex reported as EOWNERDEAD is made consistent at once: everything guarded by these
 * locks has a single commit store, so there is nothing in it that could be half valid,
 * and what is derived is repaired by whoever is told *ret_recovered.
 * Waiting is cut into slices like every other wait.
 */
#include <errno.h>

#include "os/os.h"
#include "shm/robust_lock.h"

#define PAUSES_MIN 16
#define PAUSES_MAX 512
#define GRACE_NS 10000000      /* several time slices: a holder that runs is done by then */
#define ASK_EVERY_NS 500000    /* only lock_until() under an old ThreadSanitizer */
#define OWNER_MASK 0x3fffffffu /* FUTEX_TID_MASK */

int ipk__lock_init(struct ipk__lock *lock)
{
	pthread_mutexattr_t attr;
	int r = pthread_mutexattr_init(&attr);

	if (r != 0)
		return -r;
	r = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	if (r == 0)
		r = pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	if (r == 0)
		r = pthread_mutex_init(&lock->mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	return -r;
}

static int result(struct ipk__lock *lock, int r, bool *ret_recovered)
{
	if (r == 0)
		return 0;
	if (r == EOWNERDEAD) {
		pthread_mutex_consistent(&lock->mutex);
		*ret_recovered = true;
		return 0;
	}
	if (r == EBUSY || r == ETIMEDOUT)
		return -ETIMEDOUT;
	return -ENOTRECOVERABLE;
}

int ipk__lock_try(struct ipk__lock *lock, bool *ret_recovered)
{
	return result(lock, pthread_mutex_trylock(&lock->mutex), ret_recovered);
}

/*
 * Critical sections are shorter than going to sleep, so look for a while; each look takes
 * the lock's line away from its holder, so look less and less often: then whoever runs gets
 * several turns in a row, which is faster for all.
 */
static int acquire_looking(struct ipk__lock *lock, bool *ret_recovered)
{
	if (ipk__os_cpu_online() == 1)
		return -ETIMEDOUT;
	for (int n_pauses = PAUSES_MIN; n_pauses <= PAUSES_MAX; n_pauses *= 2) {
		for (int i = 0; i < n_pauses; i++)
			ipk__os_pause();
		if (ipk__lock_owner(lock) == 0) {
			int r = ipk__lock_try(lock, ret_recovered);

			if (r != -ETIMEDOUT)
				return r;
		}
	}
	return -ETIMEDOUT;
}

#if defined(__SANITIZE_THREAD__) && !defined(__clang__) && __GNUC__ < 13
/*
 * The ThreadSanitizer of older compilers does not see pthread_mutex_clocklock(), and nobody
 * can tell it that an owner died: ask again and again what it does see.
 */
static int lock_until(pthread_mutex_t *mutex, int64_t at_ns)
{
	_Atomic uint32_t nobody = 0;
	int64_t now_ns = ipk__os_now_ns();
	int r = pthread_mutex_trylock(mutex);

	while (r == EBUSY && now_ns < at_ns) {
		ipk__os_futex_wait(&nobody, 0, (ipk_deadline){now_ns + ASK_EVERY_NS});
		r = pthread_mutex_trylock(mutex);
		now_ns = ipk__os_now_ns();
	}
	return r;
}
#else
static int lock_until(pthread_mutex_t *mutex, int64_t at_ns)
{
	return ipk__os_mutex_lock_until(mutex, at_ns);
}
#endif

static int acquire_slowly(struct ipk__lock *lock, struct ipk__waiters *waiters, uint32_t what,
			  uint64_t object, ipk_deadline deadline, bool *ret_recovered)
{
	int slot = ipk__waiter_enter(waiters, what, object);
	int r;

	do {
		int64_t slice_ns = ipk__wait_slice_end_ns(deadline);

		r = result(lock, lock_until(&lock->mutex, slice_ns), ret_recovered);
	} while (r == -ETIMEDOUT && ipk_deadline_left_ns(deadline) > 0);
	ipk__waiter_leave(waiters, slot);
	return r;
}

int ipk__lock_acquire(struct ipk__lock *lock, struct ipk__waiters *waiters, uint32_t what,
		      uint64_t object, ipk_deadline deadline, bool *ret_recovered)
{
	int r = ipk__lock_try(lock, ret_recovered);

	if (r != -ETIMEDOUT)
		return r;
	if (deadline.at_ns <= 0)
		deadline = ipk_in_ns(GRACE_NS);
	return ipk__lock_wait(lock, waiters, what, object, deadline, ret_recovered);
}

int ipk__lock_wait(struct ipk__lock *lock, struct ipk__waiters *waiters, uint32_t what,
		   uint64_t object, ipk_deadline deadline, bool *ret_recovered)
{
	int r = acquire_looking(lock, ret_recovered);

	if (r != -ETIMEDOUT || deadline.at_ns <= 0)
		return r;
	return acquire_slowly(lock, waiters, what, object, deadline, ret_recovered);
}

void ipk__lock_release(struct ipk__lock *lock)
{
	pthread_mutex_unlock(&lock->mutex);
}

uint32_t ipk__lock_owner(const struct ipk__lock *lock)
{
	/* The kernel's robust-futex word: first in glibc's mutex, second in musl's. */
#ifdef __GLIBC__
	const uint32_t *word = (const uint32_t *)&lock->mutex;
#else
	const uint32_t *word = (const uint32_t *)&lock->mutex + 1;
#endif
	return __atomic_load_n(word, __ATOMIC_RELAXED) & OWNER_MASK;
}
