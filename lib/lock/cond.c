/*
 * cond.c - Condition: sleep until a state that a lock guards has changed.
 *
 * The kernel chooses which sleepers a notification wakes, so a killed waiter blocks no other and
 * receives nothing. The word is changed only when fewer threads sleep than are to be woken: a
 * waiter that has released the lock but does not sleep yet, or is between two slices, sees the
 * change. So a notification of one wakes one, as long as none dies.
 *
 * The kernel may have chosen a waiter that is killed before it acts. So notifications that chose a
 * waiter are counted, and a waiter that has reacquired the lock decrements the count. A waiter that
 * finds notifications outstanding check after check, and a dead thread among the waiters, passes
 * them on and returns; if no dead thread is recorded, it returns a while later. Deaths cause no
 * more than such spurious wakeups.
 *
 * The bit is set under the user's lock before the lock is released, and a notifier that changed the
 * state under that lock reads the word later: either it sees the bit, or the waiter sees the state.
 * The bit is cleared only together with a change of the word, so no waiter misses it.
 */
#include <errno.h>
#include <limits.h>

#include "ipk/cond.h"
#include "lock/lock_internal.h"
#include "lock/states.h"
#include "os/os.h"
#include "shared/sleep.h"

#define IS_WAITING 1u
#define MOVE 2u
#define LOOK_NS 50000000         /* between looks while notifications are owed */
#define TRUST_NS 400000000       /* after that the owed waiters are checked */
#define LOOK_ANYWAY_NS 500000000 /* at the predicate */
#define OWED_MAX (1u << 22)      /* no system has more threads */
#define TRIES_MAX 1024           /* of a CAS that our own operations never make fail so often */

struct ipk_cond {
	struct ipk__ref ref;
	struct ipk__shm_cond *shared;
};

/* --- making ----------------------------------------------------------------------------------- */

static int bind(void *handle)
{
	ipk_cond *cond = handle;

	cond->shared = (struct ipk__shm_cond *)cond->ref.object;
	return 0;
}

static const struct ipk__object_class class = {
	.kind = IPK__OBJECT_COND,
	.n_bytes = sizeof(struct ipk__shm_cond),
	.handle_bytes = sizeof(ipk_cond),
	.bind = bind,
};

int ipk_cond_create(const ipk_cond_opts *opts, ipk_cond **ret_cond)
{
	struct ipk__object_spec spec = {0};
	ipk_cond_opts o;
	int r = ipk__opts_copy(&o, sizeof o, opts);

	if (r < 0)
		return r;
	spec.name = o.name;
	spec.label = o.label;
	spec.open_existing = o.open_existing;
	return ipk__handle_create(&class, &spec, ret_cond);
}

int ipk_cond_open(const char *name, ipk_deadline deadline, ipk_cond **ret_cond)
{
	return ipk__handle_open(&class, name, deadline, ret_cond);
}

ipk_cond *ipk_cond_close(ipk_cond *cond)
{
	ipk__handle_close(cond);
	return NULL;
}

int ipk_cond_unlink(const char *name)
{
	return ipk__object_unlink(name);
}

int ipk_cond_send(ipk_cond *cond, ipk_pipe *via, ipk_deadline deadline)
{
	return ipk__handle_send(cond, via, deadline);
}

int ipk_cond_recv(ipk_pipe *via, ipk_deadline deadline, ipk_cond **ret_cond)
{
	return ipk__handle_recv(&class, via, deadline, ret_cond);
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* Take up to @n off. */
static void settle(_Atomic uint32_t *n_owed, uint32_t n)
{
	uint32_t seen = atomic_load(n_owed);

	for (int i = 0; i < TRIES_MAX && seen > 0; i++) {
		if (atomic_compare_exchange_weak(n_owed, &seen, seen - IPK__MIN(n, seen)))
			return;
	}
}

/* Whether one that was chosen did not live to come back. *owed_ns: owed since then, at least. */
static bool is_owed_to_us(ipk_cond *cond, int64_t *owed_ns)
{
	uint32_t n = atomic_load(&cond->shared->n_owed);
	int64_t now_ns;

	if (n == 0) {
		*owed_ns = 0;
		return false;
	}
	now_ns = ipk__os_now_ns();
	if (*owed_ns == 0) {
		*owed_ns = now_ns;
		return false;
	}
	if (now_ns - *owed_ns >= TRUST_NS)
		return true;
	if (!ipk__object_bury_waiters(&cond->ref))
		return false;
	/* The dead come in numbers: the others that are owed are not ours. */
	if (n > 1)
		ipk__os_futex_wake(&cond->shared->word, (int)IPK__MIN(n - 1, OWED_MAX));
	return true;
}

/* 0 notified, or near enough; -ETIMEDOUT. The lock is not held. */
static int sleep_until_notified(ipk_cond *cond, uint32_t seen, ipk_deadline deadline)
{
	struct ipk__sleep s = IPK__SLEEP(&cond->ref, IPK__WAIT_COND);
	struct ipk__shm_cond *c = cond->shared;
	int64_t owed_ns = 0;
	int r = 0;

	/* Pairs with the notifier's change: what it wakes for is there. */
	while (r == 0 && !s.is_woken && atomic_load(&c->word) == seen) {
		if (is_owed_to_us(cond, &owed_ns))
			break;
		s.slice_ns = owed_ns != 0 ? LOOK_NS : IPK__SLICE_NS;
		r = ipk__sleep(&s, &c->word, seen, deadline);
	}
	ipk__sleep_end(&s);
	return r;
}

static int check_cond(ipk_cond *cond, ipk_lock *lock)
{
	if (!cond || !lock)
		return -EBADF;
	if (!ipk__robust_lock_held(&lock->guard->lock))
		return -EPERM;
	return ipk__object_check(&cond->ref);
}

int ipk_cond_wait(ipk_cond *cond, ipk_lock *lock, ipk_deadline deadline, bool *ret_recovered)
{
	uint32_t seen, n_again;
	bool recovered = false;
	int r = check_cond(cond, lock);
	int again;

	if (r < 0)
		return r;
	/* Pairs with notify_some(): see above. */
	seen = atomic_fetch_or(&cond->shared->word, IS_WAITING) | IS_WAITING;
	r = ipk__robust_lock_release_all(lock, &n_again);
	if (r < 0)
		return r;
	r = sleep_until_notified(cond, seen, deadline);
	again = ipk__robust_lock_take_again(lock, n_again, &recovered);
	/* Only now: one killed while it waits for the lock has not consumed its notification. */
	if (r == 0)
		settle(&cond->shared->n_owed, 1);
	if (again < 0)
		return again;
	if (ret_recovered)
		*ret_recovered = recovered;
	return r;
}

int ipk_cond_wait_for(ipk_cond *cond, ipk_lock *lock, ipk_cond_predicate predicate, void *arg,
		      ipk_deadline deadline, bool *ret_recovered)
{
	bool recovered = false;
	int r = predicate ? check_cond(cond, lock) : ipk__invalid("predicate is NULL");

	if (r < 0)
		return r;
	while (!predicate(arg)) {
		ipk_deadline look = ipk_in_ns(LOOK_ANYWAY_NS);
		bool now = false;

		if (ipk_deadline_left_ns(deadline) == 0) {
			r = -ETIMEDOUT;
			break;
		}
		/* A notifier may die between its change and the call: check now and then. */
		look.at_ns = IPK__MIN(look.at_ns, deadline.at_ns);
		r = ipk_cond_wait(cond, lock, look, &now);
		if (r < 0 && r != -ETIMEDOUT)
			return r;
		r = 0;
		recovered |= now;
	}
	if (ret_recovered)
		*ret_recovered = recovered;
	return r;
}

/* --- notifying -------------------------------------------------------------------------------- */

/* Wake up to @n of those that sleep; how many. */
static int wake_some(struct ipk__shm_cond *c, int n)
{
	int n_woken;

	/* Before they can be back. */
	if (atomic_fetch_add(&c->n_owed, (uint32_t)n) > OWED_MAX)
		atomic_store(&c->n_owed, (uint32_t)n);
	n_woken = ipk__os_futex_wake(&c->word, n);
	if (n_woken < n)
		settle(&c->n_owed, (uint32_t)(n - n_woken));
	return n_woken;
}

static int notify_some(ipk_cond *cond, int n)
{
	_Atomic uint32_t *word = &cond->shared->word;
	uint32_t seen = atomic_load(word);
	int n_woken;

	if (!(seen & IS_WAITING))
		return 0;
	n_woken = n > (int)OWED_MAX ? 0 : wake_some(cond->shared, n);
	if (n_woken >= n)
		return 0;
	/* If it changed meanwhile, another notification covered those that waited before ours. */
	atomic_compare_exchange_strong(word, &seen, (seen + MOVE) & ~IS_WAITING);
	ipk__os_futex_wake(word, n - n_woken);
	return 0;
}

int ipk_cond_notify(ipk_cond *cond, uint32_t n)
{
	if (!cond)
		return -EBADF;
	return n == 0 ? 0 : notify_some(cond, (int)IPK__MIN(n, (uint32_t)INT_MAX));
}

int ipk_cond_notify_all(ipk_cond *cond)
{
	return ipk_cond_notify(cond, UINT32_MAX);
}

int ipk_cond_waiters(const ipk_cond *cond, uint32_t *ret_tids, size_t max, size_t *ret_n)
{
	if (!cond)
		return -EBADF;
	return ipk__object_list_waiters(&cond->ref, ret_tids, max, ret_n);
}
