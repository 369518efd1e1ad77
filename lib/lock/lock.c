/*
 * lock.c - Lock and RLock: a robust mutex with a recursion depth.
 *
 * The mutex word is owner and lock in one, so a death cannot separate them. Whether this thread
 * holds it, and how deep, is kept in the thread's private memory, where no other process writes; a
 * thread that recovers the lock starts at depth 1. The kernel processes at most 2048 robust locks
 * of a dead thread, so a thread's locks are counted, and more than half of that are refused.
 */
#include <errno.h>
#include <string.h>

#include "lock/lock_internal.h"
#include "os/os.h"

/* --- making ----------------------------------------------------------------------------------- */

int ipk__guard_init(struct ipk__shm_guard *guard, bool is_recursive)
{
	guard->is_recursive = is_recursive;
	return ipk__robust_lock_init(&guard->lock);
}

static int init(struct ipk__shm_object *object, const void *opts)
{
	struct ipk__shm_guard_object *shm = (struct ipk__shm_guard_object *)object;

	return ipk__guard_init(&shm->guard, ((const ipk_lock_opts *)opts)->is_recursive);
}

static int bind(void *handle)
{
	ipk_lock *lock = handle;

	lock->guard = &((struct ipk__shm_guard_object *)lock->ref.object)->guard;
	lock->is_recursive = *(volatile uint32_t *)&lock->guard->is_recursive != 0;
	return 0;
}

static bool is_like(const void *handle, const void *opts)
{
	const ipk_lock *lock = handle;

	return lock->is_recursive == ((const ipk_lock_opts *)opts)->is_recursive;
}

static const struct ipk__object_class class = {
	.kind = IPK__OBJECT_LOCK,
	.n_bytes = sizeof(struct ipk__shm_guard_object),
	.handle_bytes = sizeof(ipk_lock),
	.init = init,
	.bind = bind,
	.is_like = is_like,
};

int ipk_lock_create(const ipk_lock_opts *opts, ipk_lock **ret_lock)
{
	struct ipk__object_spec spec = {0};
	ipk_lock_opts o;
	int r = ipk__opts_copy(&o, sizeof o, opts);

	if (r < 0)
		return r;
	spec.name = o.name;
	spec.label = o.label;
	spec.opts = &o;
	spec.open_existing = o.open_existing;
	return ipk__handle_create(&class, &spec, ret_lock);
}

int ipk_lock_open(const char *name, ipk_deadline deadline, ipk_lock **ret_lock)
{
	return ipk__handle_open(&class, name, deadline, ret_lock);
}

ipk_lock *ipk_lock_close(ipk_lock *lock)
{
	if (lock && !lock->is_lent)
		ipk__handle_close_locked(lock, lock);
	return NULL;
}

int ipk_lock_unlink(const char *name)
{
	return ipk__object_unlink(name);
}

int ipk_lock_send(ipk_lock *lock, ipk_pipe *via, ipk_deadline deadline)
{
	return lock && lock->is_lent ? -EOPNOTSUPP : ipk__handle_send(lock, via, deadline);
}

int ipk_lock_recv(ipk_pipe *via, ipk_deadline deadline, ipk_lock **ret_lock)
{
	return ipk__handle_recv(&class, via, deadline, ret_lock);
}

/* --- locking ---------------------------------------------------------------------------------- */

static void set_again(ipk_lock *lock, struct ipk__held_lock *held, uint32_t n)
{
	held->n_again = n;
	atomic_store_explicit(&lock->guard->n_again, n, memory_order_relaxed);
}

/* Ours already, or not free: wait for it. */
static int lock_again_or_wait(ipk_lock *lock, ipk_deadline deadline, bool *ret_recovered)
{
	struct ipk__robust_lock *mutex = &lock->guard->lock;
	struct ipk__held_lock *held = ipk__robust_lock_held(mutex);

	if (!held)
		return ipk__robust_lock_wait(mutex, ipk__object_waiters(&lock->ref), IPK__WAIT_LOCK,
					     ipk__object_offset(&lock->ref), deadline,
					     ret_recovered);
	if (!lock->is_recursive)
		return -EDEADLK;
	if (held->n_again == UINT32_MAX - 1)
		return -EOVERFLOW;
	set_again(lock, held, held->n_again + 1);
	/* Not one more on the kernel's list. */
	ipk__os_self.n_locks--;
	return 0;
}

/* @tried: the result of a try, which did not simply take it. */
static int lock_slowly(ipk_lock *lock, int tried, ipk_deadline deadline, bool *ret_recovered)
{
	struct ipk__held_lock *held;
	int r = tried;

	if (r == -ETIMEDOUT)
		r = lock_again_or_wait(lock, deadline, ret_recovered);
	if (r < 0)
		return r;
	held = ipk__robust_lock_held(&lock->guard->lock);
	if (!held->handle)
		held->handle = lock;
	if (*ret_recovered)
		atomic_store_explicit(&lock->guard->n_again, 0, memory_order_relaxed);
	return 0;
}

int ipk_lock_lock(ipk_lock *lock, ipk_deadline deadline, bool *ret_recovered)
{
	struct ipk__robust_lock *mutex;
	bool recovered = false;
	int r;

	if (!lock)
		return -EBADF;
	r = ipk__object_check(&lock->ref);
	if (r < 0)
		return r;
	mutex = &lock->guard->lock;
	if (ipk__os_self.n_locks >= IPK_LOCKS_HELD_MAX && !ipk__robust_lock_held(mutex))
		return -ENOLCK;
	r = ipk__robust_lock_try_through(mutex, lock, &recovered);
	if (r != 0 || recovered)
		r = lock_slowly(lock, r, deadline, &recovered);
	if (r < 0)
		return r;
	ipk__os_self.n_locks++;
	if (ret_recovered)
		*ret_recovered = recovered;
	return 0;
}

int ipk_lock_unlock(ipk_lock *lock)
{
	struct ipk__held_lock *held;

	if (!lock)
		return -EBADF;
	held = ipk__robust_lock_held(&lock->guard->lock);
	if (!held)
		return -EPERM;
	if (held->n_again > 0) {
		set_again(lock, held, held->n_again - 1);
		return 0;
	}
	ipk__os_self.n_locks--;
	return ipk__robust_lock_release_held(held);
}

void ipk__handle_close_locked(void *handle, ipk_lock *lock)
{
	struct ipk__held_lock *held =
		lock->guard ? ipk__robust_lock_held(&lock->guard->lock) : NULL;

	if (held && held->handle == lock) {
		set_again(lock, held, 0);
		(void)!ipk_lock_unlock(lock);
	}
	if (lock->guard && ipk__robust_lock_is_a_siblings(&lock->guard->lock))
		ipk__handle_abandon(handle);
	else
		ipk__handle_close(handle);
}

/* --- for conditions --------------------------------------------------------------------------- */

int ipk__robust_lock_release_all(ipk_lock *lock, uint32_t *ret_n_again)
{
	struct ipk__held_lock *held = ipk__robust_lock_held(&lock->guard->lock);

	if (!held)
		return -EPERM;
	*ret_n_again = held->n_again;
	if (held->n_again > 0)
		set_again(lock, held, 0);
	return ipk_lock_unlock(lock);
}

int ipk__robust_lock_take_again(ipk_lock *lock, uint32_t n, bool *ret_recovered)
{
	int r = ipk_lock_lock(lock, ipk_forever(), ret_recovered);

	if (r == 0 && n > 0)
		set_again(lock, ipk__robust_lock_held(&lock->guard->lock), n);
	return r;
}

/* --- looking ---------------------------------------------------------------------------------- */

uint32_t ipk_lock_owner(const ipk_lock *lock)
{
	return lock ? ipk__robust_lock_owner(&lock->guard->lock) : 0;
}

int ipk_lock_waiters(const ipk_lock *lock, uint32_t *ret_tids, size_t max, size_t *ret_n)
{
	if (!lock)
		return -EBADF;
	return ipk__object_list_waiters(&lock->ref, ret_tids, max, ret_n);
}
