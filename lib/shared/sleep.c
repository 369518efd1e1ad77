/* sleep.c - one slice of sleep on an object's word. */
#include <errno.h>

#include "shared/sleep.h"

#define RETRIES_PER_CLOCK_READ 16
#define RETRIES_MAX 4096 /* of one who does not wait */

int ipk__sleep(struct ipk__sleep *s, _Atomic uint32_t *word, uint32_t value, ipk_deadline deadline)
{
	int64_t now_ns;

	if (deadline.at_ns <= 0)
		return -ETIMEDOUT;
	now_ns = ipk__os_now_ns();
	if (now_ns >= deadline.at_ns)
		return -ETIMEDOUT;
	if (!s->waiters) {
		s->waiters = ipk__object_waiters(s->ref);
		s->slot = ipk__waiter_enter(s->waiters, s->what, ipk__object_offset(s->ref));
	}
	deadline.at_ns = IPK__MIN(deadline.at_ns, now_ns + s->slice_ns);
	s->is_woken = ipk__os_futex_wait(word, value, deadline) == 0;
	return 0;
}

int ipk__sleep_retry(struct ipk__sleep *s, ipk_deadline deadline)
{
	if (++s->n_retries % RETRIES_PER_CLOCK_READ != 0)
		return 0;
	if (deadline.at_ns <= 0)
		return s->n_retries < RETRIES_MAX ? 0 : -ETIMEDOUT;
	return ipk__os_now_ns() < deadline.at_ns ? 0 : -ETIMEDOUT;
}

void ipk__sleep_end(struct ipk__sleep *s)
{
	if (s->waiters)
		ipk__waiter_leave(s->waiters, s->slot);
	s->waiters = NULL;
	s->slot = -1;
}
