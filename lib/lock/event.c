/*
 * event.c - Event: a flag to wait for.
 *
 * One word: the flag, whether there are waiters, and how often the flag was set. A waiter that
 * finds the flag cleared again relies on the count. Setting is one CAS and, if the waiters bit was
 * set, one wake of all: async-signal-safe.
 */
#include <errno.h>
#include <limits.h>

#include "ipk/event.h"
#include "lock/lock_internal.h"
#include "lock/states.h"
#include "os/os.h"
#include "shared/sleep.h"

#define IS_SET 1u
#define IS_WAITING 2u
#define ONCE_MORE 4u
#define TRIES_MAX (1 << 16) /* of a CAS that our own operations never make fail so often */

struct ipk_event {
	struct ipk__ref ref;
	_Atomic uint32_t *word;
};

/* --- making ----------------------------------------------------------------------------------- */

static int init(struct ipk__shm_object *object, const void *opts)
{
	struct ipk__shm_flag *flag = (struct ipk__shm_flag *)object;

	atomic_store(&flag->word, ((const ipk_event_opts *)opts)->is_set ? IS_SET : 0);
	return 0;
}

static int bind(void *handle)
{
	ipk_event *event = handle;

	event->word = &((struct ipk__shm_flag *)event->ref.object)->word;
	return 0;
}

static const struct ipk__object_class class = {
	.kind = IPK__OBJECT_EVENT,
	.n_bytes = sizeof(struct ipk__shm_flag),
	.handle_bytes = sizeof(ipk_event),
	.init = init,
	.bind = bind,
};

int ipk_event_create(const ipk_event_opts *opts, ipk_event **ret_event)
{
	struct ipk__object_spec spec = {0};
	ipk_event_opts o;
	int r = ipk__opts_copy(&o, sizeof o, opts);

	if (r < 0)
		return r;
	spec.name = o.name;
	spec.label = o.label;
	spec.opts = &o;
	spec.open_existing = o.open_existing;
	return ipk__handle_create(&class, &spec, ret_event);
}

int ipk_event_open(const char *name, ipk_deadline deadline, ipk_event **ret_event)
{
	return ipk__handle_open(&class, name, deadline, ret_event);
}

ipk_event *ipk_event_close(ipk_event *event)
{
	ipk__handle_close(event);
	return NULL;
}

int ipk_event_unlink(const char *name)
{
	return ipk__object_unlink(name);
}

int ipk_event_send(ipk_event *event, ipk_pipe *via, ipk_deadline deadline)
{
	return ipk__handle_send(event, via, deadline);
}

int ipk_event_recv(ipk_pipe *via, ipk_deadline deadline, ipk_event **ret_event)
{
	return ipk__handle_recv(&class, via, deadline, ret_event);
}

/* --- setting ---------------------------------------------------------------------------------- */

int ipk_event_set(ipk_event *event)
{
	int n_left = TRIES_MAX;
	uint32_t seen;

	if (!event)
		return -EBADF;
	seen = atomic_load(event->word);
	do {
		if (seen & IS_SET)
			return 0;
		if (n_left-- == 0) {
			seen = atomic_fetch_or(event->word, IS_SET);
			break;
		}
		/* Pairs with the waiter's loads: what was written before is seen after it. */
	} while (!atomic_compare_exchange_weak(event->word, &seen,
					       ((seen & ~IS_WAITING) + ONCE_MORE) | IS_SET));
	if (seen & IS_WAITING)
		ipk__os_futex_wake(event->word, INT_MAX);
	return 0;
}

int ipk_event_clear(ipk_event *event)
{
	if (!event)
		return -EBADF;
	atomic_fetch_and(event->word, ~IS_SET);
	return 0;
}

bool ipk_event_is_set(const ipk_event *event)
{
	return event && (atomic_load_explicit(event->word, memory_order_acquire) & IS_SET) != 0;
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* Set, or set and cleared since the word was @first. */
static bool was_set(uint32_t now, uint32_t first)
{
	return (now & IS_SET) || now / ONCE_MORE != first / ONCE_MORE;
}

int ipk_event_wait(ipk_event *event, ipk_deadline deadline)
{
	struct ipk__sleep s;
	uint32_t first, now;
	int r = event ? ipk__object_check(&event->ref) : -EBADF;

	if (r < 0)
		return r;
	s = (struct ipk__sleep)IPK__SLEEP(&event->ref, IPK__WAIT_EVENT);
	first = now = atomic_load(event->word);
	while (r == 0 && !was_set(now, first)) {
		/* The bit is there before we sleep on the word with it. */
		if (!(now & IS_WAITING) &&
		    !atomic_compare_exchange_strong(event->word, &now, now | IS_WAITING)) {
			r = ipk__sleep_retry(&s, deadline);
			continue;
		}
		r = ipk__sleep(&s, event->word, now | IS_WAITING, deadline);
		now = atomic_load(event->word);
	}
	ipk__sleep_end(&s);
	return was_set(now, first) ? 0 : r;
}

int ipk_event_waiters(const ipk_event *event, uint32_t *ret_tids, size_t max, size_t *ret_n)
{
	if (!event)
		return -EBADF;
	return ipk__object_list_waiters(&event->ref, ret_tids, max, ret_n);
}
