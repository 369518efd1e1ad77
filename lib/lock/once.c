/*
 * once.c - Once: of all callers, exactly one runs the function to completion.
 *
 * The runner holds a robust lock; the others wait for that lock and, when they have it, check
 * whether anything is left to do. The store of is_done is the commit: a runner killed before it
 * leaves a once that has not run, with a record that it began.
 */
#include <errno.h>

#include "ipk/once.h"
#include "lock/lock_internal.h"
#include "lock/states.h"
#include "os/os.h"

struct ipk_once {
	struct ipk__ref ref;
	struct ipk__shm_once *shared;
};

/* --- making ----------------------------------------------------------------------------------- */

static int init(struct ipk__shm_object *object, const void *opts)
{
	(void)opts;
	return ipk__robust_lock_init(&((struct ipk__shm_once *)object)->lock);
}

static int bind(void *handle)
{
	ipk_once *once = handle;

	once->shared = (struct ipk__shm_once *)once->ref.object;
	return 0;
}

static const struct ipk__object_class class = {
	.kind = IPK__OBJECT_ONCE,
	.n_bytes = sizeof(struct ipk__shm_once),
	.handle_bytes = sizeof(ipk_once),
	.init = init,
	.bind = bind,
};

int ipk_once_create(const ipk_once_opts *opts, ipk_once **ret_once)
{
	struct ipk__object_spec spec = {0};
	ipk_once_opts o;
	int r = ipk__opts_copy(&o, sizeof o, opts);

	if (r < 0)
		return r;
	spec.name = o.name;
	spec.label = o.label;
	spec.open_existing = o.open_existing;
	return ipk__handle_create(&class, &spec, ret_once);
}

int ipk_once_open(const char *name, ipk_deadline deadline, ipk_once **ret_once)
{
	return ipk__handle_open(&class, name, deadline, ret_once);
}

ipk_once *ipk_once_close(ipk_once *once)
{
	struct ipk__held_lock *held;

	if (!once)
		return NULL;
	held = ipk__robust_lock_held(&once->shared->lock);
	/* By its own function: then it was not run, and run() finds the lock released. */
	if (held && held->handle == once)
		(void)ipk__robust_lock_release(&once->shared->lock);
	if (ipk__robust_lock_is_a_siblings(&once->shared->lock))
		ipk__handle_abandon(once);
	else
		ipk__handle_close(once);
	return NULL;
}

int ipk_once_unlink(const char *name)
{
	return ipk__object_unlink(name);
}

int ipk_once_send(ipk_once *once, ipk_pipe *via, ipk_deadline deadline)
{
	return ipk__handle_send(once, via, deadline);
}

int ipk_once_recv(ipk_pipe *via, ipk_deadline deadline, ipk_once **ret_once)
{
	return ipk__handle_recv(&class, via, deadline, ret_once);
}

/* --- running ---------------------------------------------------------------------------------- */

bool ipk_once_is_done(const ipk_once *once)
{
	/* Pairs with the release store in run(): what the runner wrote is seen. */
	return once && atomic_load_explicit(&once->shared->is_done, memory_order_acquire) != 0;
}

/* Holds the lock. */
static int run(ipk_once *once, ipk_once_fn fn, void *arg, bool recovered, bool *ret_recovered)
{
	const struct ipk__robust_lock *lock = &once->shared->lock;
	bool is_done = ipk_once_is_done(once);
	int r;

	/* Before the run, which may check it. */
	if (ret_recovered)
		*ret_recovered = recovered && !is_done;
	if (is_done)
		return 0;
	r = fn(arg);
	if (r < 0)
		return r;
	if (!ipk__robust_lock_held(lock))
		return -ECANCELED;
	atomic_store_explicit(&once->shared->is_done, 1, memory_order_release);
	return 0;
}

int ipk_once_run(ipk_once *once, ipk_once_fn fn, void *arg, ipk_deadline deadline,
		 bool *ret_recovered)
{
	struct ipk__robust_lock *lock;
	bool recovered = false;
	int r;

	if (!once)
		return -EBADF;
	if (!fn)
		return ipk__invalid("fn is NULL");
	if (ipk_once_is_done(once)) {
		if (ret_recovered)
			*ret_recovered = false;
		return 0;
	}
	r = ipk__object_check(&once->ref);
	if (r < 0)
		return r;
	lock = &once->shared->lock;
	if (ipk__robust_lock_held(lock))
		return -EDEADLK;
	r = ipk__robust_lock_try(lock, &recovered);
	if (r == -ETIMEDOUT)
		r = ipk__robust_lock_wait(lock, ipk__object_waiters(&once->ref), IPK__WAIT_ONCE,
					  ipk__object_offset(&once->ref), deadline, &recovered);
	if (r < 0)
		return r;
	ipk__robust_lock_held(lock)->handle = once;
	r = run(once, fn, arg, recovered, ret_recovered);
	/* Not held any more when fn closed the handle. */
	(void)ipk__robust_lock_release(lock);
	return r;
}

int ipk_once_waiters(const ipk_once *once, uint32_t *ret_tids, size_t max, size_t *ret_n)
{
	if (!once)
		return -EBADF;
	return ipk__object_list_waiters(&once->ref, ret_tids, max, ret_n);
}
