/*
 * lock.c - Lock and RLock: a robust mutex that knows its depth.
 *
 * The mutex word is owner and lock in one, so that no death can come in between. The depth
 * of a recursive one is the holder's alone; who recovers the lock begins at the top again.
 * The kernel follows 2048 locks of a dead thread and no more, so a thread's locks are
 * counted, and what is beyond half of that is refused.
 */
#include <errno.h>
#include <string.h>

#include "lock/lock_internal.h"
#include "os/os.h"

/* --- making --- */

int ipk__guard_init(struct ipk__shm_guard *guard, bool is_recursive)
{
	guard->is_recursive = is_recursive;
	return ipk__lock_init(&guard->lock);
}

static int init(struct ipk__shm_object *object, const void *opts)
{
	struct ipk__shm_guard_object *shm = (struct ipk__shm_guard_object *)object;

	return ipk__guard_init(&shm->guard, ((const ipk_lock_opts *)opts)->is_recursive);
}

static int finish(int r, void *handle, ipk_lock **ret_lock)
{
	ipk_lock *lock = handle;

	if (r < 0)
		return r;
	lock->guard = &((struct ipk__shm_guard_object *)lock->ref.object)->guard;
	*ret_lock = lock;
	return 0;
}

int ipk_lock_create(const ipk_lock_opts *opts, ipk_lock **ret_lock)
{
	struct ipk__place place = {
		.kind = IPK__OBJECT_LOCK,
		.n_bytes = sizeof(struct ipk__shm_guard_object),
		.init = init,
	};
	void *handle = NULL;
	ipk_lock_opts o;
	int r = ipk__opts_copy(&o, sizeof o, opts);

	if (r < 0 || !ret_lock)
		return -EINVAL;
	place.name = o.name;
	place.label = o.label;
	place.opts = &o;
	r = ipk__place_create(&place, sizeof **ret_lock, &handle);
	return finish(r, handle, ret_lock);
}

int ipk_lock_open(const char *name, ipk_lock **ret_lock)
{
	void *handle = NULL;
	int r = ret_lock ? ipk__place_open(name, IPK__OBJECT_LOCK,
					   sizeof(struct ipk__shm_guard_object), sizeof **ret_lock,
					   &handle)
			 : -EINVAL;

	return finish(r, handle, ret_lock);
}

ipk_lock *ipk_lock_close(ipk_lock *lock)
{
	if (lock && !lock->is_lent)
		ipk__place_close(lock);
	return NULL;
}

int ipk_lock_unlink(const char *name)
{
	return ipk__object_unlink(name);
}

int ipk_lock_send(ipk_lock *lock, ipk_pipe *via, ipk_deadline deadline)
{
	return lock && lock->is_lent ? -EOPNOTSUPP : ipk__place_send(lock, via, deadline);
}

int ipk_lock_recv(ipk_pipe *via, ipk_deadline deadline, ipk_lock **ret_lock)
{
	void *handle = NULL;
	int r = ret_lock ? ipk__place_recv(via, deadline, IPK__OBJECT_LOCK,
					   sizeof(struct ipk__shm_guard_object), sizeof **ret_lock,
					   &handle)
			 : -EINVAL;

	return finish(r, handle, ret_lock);
}

/* --- locking --- */

/* In another pid namespace a thread may have the holder's number. */
static bool is_ours(const ipk_lock *lock)
{
	return ipk__lock_owner(&lock->guard->lock) == (uint32_t)ipk__os_tid() &&
	       ipk__object_check(&lock->ref) == 0;
}

static uint32_t n_again(const struct ipk__shm_guard *guard)
{
	return atomic_load_explicit(&guard->n_again, memory_order_relaxed);
}

static void set_again(struct ipk__shm_guard *guard, uint32_t n)
{
	atomic_store_explicit(&guard->n_again, n, memory_order_relaxed);
}

/* It is not free: ours already, or wait for it. */
static int lock_slowly(ipk_lock *lock, ipk_deadline deadline, bool *ret_recovered)
{
	struct ipk__shm_guard *guard = lock->guard;

	if (!is_ours(lock))
		return ipk__lock_wait(&guard->lock, ipk__object_waiters(&lock->ref), IPK__WAIT_LOCK,
				      ipk__object_offset(&lock->ref), deadline, ret_recovered);
	if (!guard->is_recursive)
		return -EDEADLK;
	if (n_again(guard) == UINT32_MAX - 1)
		return -EOVERFLOW;
	set_again(guard, n_again(guard) + 1);
	/* Not one more on the kernel's list. */
	ipk__os_self.n_locks--;
	return 0;
}

int ipk_lock_lock(ipk_lock *lock, ipk_deadline deadline, bool *ret_recovered)
{
	bool recovered = false;
	int r;

	if (!lock)
		return -EBADF;
	r = ipk__object_check(&lock->ref);
	if (r < 0)
		return r;
	if (ipk__os_self.n_locks >= IPK_LOCKS_HELD_MAX && !is_ours(lock))
		return -ENOLCK;
	r = ipk__lock_try(&lock->guard->lock, &recovered);
	if (r == -ETIMEDOUT)
		r = lock_slowly(lock, deadline, &recovered);
	if (r < 0)
		return r;
	ipk__os_self.n_locks++;
	if (recovered)
		set_again(lock->guard, 0);
	if (ret_recovered)
		*ret_recovered = recovered;
	return 0;
}

int ipk_lock_unlock(ipk_lock *lock)
{
	if (!lock)
		return -EBADF;
	if (!is_ours(lock))
		return -EPERM;
	if (n_again(lock->guard) > 0) {
		set_again(lock->guard, n_again(lock->guard) - 1);
		return 0;
	}
	ipk__os_self.n_locks--;
	ipk__lock_release(&lock->guard->lock);
	return 0;
}

/* --- for conditions --- */

int ipk__lock_release_all(ipk_lock *lock, uint32_t *ret_n_again)
{
	if (!is_ours(lock))
		return -EPERM;
	*ret_n_again = n_again(lock->guard);
	set_again(lock->guard, 0);
	return ipk_lock_unlock(lock);
}

int ipk__lock_take_again(ipk_lock *lock, uint32_t n, bool *ret_recovered)
{
	int r = ipk_lock_lock(lock, ipk_forever(), ret_recovered);

	if (r == 0)
		set_again(lock->guard, n);
	return r;
}

/* --- looking --- */

uint32_t ipk_lock_owner(const ipk_lock *lock)
{
	return lock ? ipk__lock_owner(&lock->guard->lock) : 0;
}

size_t ipk_lock_waiters(const ipk_lock *lock, uint32_t *ret_tids, size_t max)
{
	return lock ? ipk__object_list_waiters(&lock->ref, ret_tids, max) : 0;
}
