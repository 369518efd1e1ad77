/* scribble_meet.c - conditions, events, barriers, onces. */
#include <errno.h>

#include "scribble.h"

/* --- condition: its lock is beside it, and not written over ----------------------------------- */

static int cond_make(struct trial *t)
{
	int r = ipk_cond_create(IPK_COND(.name = is_opened(t) ? t->name : NULL),
				(ipk_cond **)&t->object);

	return r < 0 ? r : ipk_lock_create(NULL, &t->lock);
}

static int cond_open(struct trial *t)
{
	int r = ipk_cond_open(t->name, ipk_now(), (ipk_cond **)&t->object);

	return r < 0 ? r : ipk_lock_create(NULL, &t->lock);
}

static int cond_wait(struct trial *t, ipk_deadline d)
{
	int r = ipk_lock_lock(t->lock, d, NULL);
	int r_unlock;

	if (r < 0)
		return r;
	r = ipk_cond_wait(t->object, t->lock, d, NULL);
	r_unlock = ipk_lock_unlock(t->lock);
	if (r_unlock < 0)
		trial_harm(t, "the condition's lock");
	return r;
}

static bool is_never(void *arg)
{
	(void)arg;
	return false;
}

static int cond_wait_for(struct trial *t, ipk_deadline d)
{
	int r = ipk_lock_lock(t->lock, d, NULL);

	if (r < 0)
		return r;
	r = ipk_cond_wait_for(t->object, t->lock, is_never, NULL, d, NULL);
	(void)!ipk_lock_unlock(t->lock);
	return r;
}

static int cond_notify(struct trial *t, ipk_deadline d)
{
	(void)d;
	return ipk_cond_notify(t->object, 1 + random_below(&t->random, 3));
}

static int cond_notify_all(struct trial *t, ipk_deadline d)
{
	(void)d;
	return ipk_cond_notify_all(t->object);
}

static int cond_look(struct trial *t, ipk_deadline d)
{
	uint32_t tids[4];

	(void)d;
	(void)N_LISTED(ipk_cond_waiters, t->object, tids, 4);
	return 0;
}

static void cond_close(struct trial *t)
{
	t->object = ipk_cond_close(t->object);
	t->lock = ipk_lock_close(t->lock);
}

static const struct call cond_calls[] = {
	CALL("ipk_cond_wait", cond_wait, true),
	CALL("ipk_cond_wait_for", cond_wait_for, true),
	CALL("ipk_cond_notify", cond_notify, false),
	CALL("ipk_cond_notify_all", cond_notify_all, false),
	CALL("ipk_cond_waiters", cond_look, false),
};

/* --- event ------------------------------------------------------------------------------------ */

static int event_make(struct trial *t)
{
	return ipk_event_create(
		IPK_EVENT(.name = is_opened(t) ? t->name : NULL, .is_set = state_of(t) == FULL),
		(ipk_event **)&t->object);
}

static int event_open(struct trial *t)
{
	return ipk_event_open(t->name, ipk_now(), (ipk_event **)&t->object);
}

static int event_wait(struct trial *t, ipk_deadline d)
{
	return ipk_event_wait(t->object, d);
}

static int event_set(struct trial *t, ipk_deadline d)
{
	(void)d;
	return ipk_event_set(t->object);
}

static int event_clear(struct trial *t, ipk_deadline d)
{
	(void)d;
	return ipk_event_clear(t->object);
}

static int event_look(struct trial *t, ipk_deadline d)
{
	uint32_t tids[4];

	(void)d;
	ipk_event_is_set(t->object);
	(void)N_LISTED(ipk_event_waiters, t->object, tids, 4);
	return 0;
}

static void event_close(struct trial *t)
{
	t->object = ipk_event_close(t->object);
}

static const struct call event_calls[] = {
	CALL("ipk_event_wait", event_wait, true),
	CALL("ipk_event_set", event_set, false),
	CALL("ipk_event_clear", event_clear, false),
	CALL("ipk_event_waiters", event_look, false),
};

/* --- barrier ---------------------------------------------------------------------------------- */

static int barrier_make(struct trial *t)
{
	return ipk_barrier_create(IPK_BARRIER(.name = is_opened(t) ? t->name : NULL,
					      .n_parties = state_of(t) == HALF ? 1 : 3),
				  (ipk_barrier **)&t->object);
}

static int barrier_open(struct trial *t)
{
	return ipk_barrier_open(t->name, ipk_now(), (ipk_barrier **)&t->object);
}

static int do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int barrier_wait(struct trial *t, ipk_deadline d)
{
	unsigned index;

	return ipk_barrier_wait(t->object, do_nothing, NULL, d, &index);
}

static int barrier_register(struct trial *t, ipk_deadline d)
{
	(void)d;
	return ipk_barrier_register(t->object);
}

static int barrier_unregister(struct trial *t, ipk_deadline d)
{
	(void)d;
	return ipk_barrier_unregister(t->object);
}

static int barrier_abort(struct trial *t, ipk_deadline d)
{
	(void)d;
	return ipk_barrier_abort(t->object);
}

static int barrier_reset(struct trial *t, ipk_deadline d)
{
	(void)d;
	return ipk_barrier_reset(t->object);
}

static int barrier_look(struct trial *t, ipk_deadline d)
{
	uint32_t tids[4];

	(void)d;
	ipk_barrier_n_parties(t->object);
	ipk_barrier_n_waiting(t->object);
	ipk_barrier_is_broken(t->object);
	(void)N_LISTED(ipk_barrier_waiters, t->object, tids, 4);
	return 0;
}

static int barrier_peer(struct trial *t)
{
	return state_of(t) == SHUT ? ipk_barrier_abort(t->object) : ipk_barrier_register(t->object);
}

static int barrier_peer_wait(struct trial *t, ipk_deadline d)
{
	return ipk_barrier_wait(t->object, NULL, NULL, d, NULL);
}

static void barrier_close(struct trial *t)
{
	t->object = ipk_barrier_close(t->object);
}

static const struct call barrier_calls[] = {
	CALL("ipk_barrier_wait", barrier_wait, true),
	CALL("ipk_barrier_wait", barrier_wait, true),
	CALL("ipk_barrier_register", barrier_register, false),
	CALL("ipk_barrier_unregister", barrier_unregister, false),
	CALL("ipk_barrier_abort", barrier_abort, false),
	CALL("ipk_barrier_reset", barrier_reset, false),
	CALL("ipk_barrier_waiters", barrier_look, false),
};

/* --- once ------------------------------------------------------------------------------------- */

static int once_make(struct trial *t)
{
	return ipk_once_create(IPK_ONCE(.name = is_opened(t) ? t->name : NULL),
			       (ipk_once **)&t->object);
}

static int once_open(struct trial *t)
{
	return ipk_once_open(t->name, ipk_now(), (ipk_once **)&t->object);
}

static int once_run(struct trial *t, ipk_deadline d)
{
	return ipk_once_run(t->object, do_nothing, NULL, d, NULL);
}

static int refuse(void *arg)
{
	(void)arg;
	return -ECANCELED;
}

static int once_fail(struct trial *t, ipk_deadline d)
{
	return ipk_once_run(t->object, refuse, NULL, d, NULL);
}

static int once_look(struct trial *t, ipk_deadline d)
{
	uint32_t tids[4];

	(void)d;
	ipk_once_is_done(t->object);
	(void)N_LISTED(ipk_once_waiters, t->object, tids, 4);
	return 0;
}

/* The peer runs it until the words are written. */
static int run_for_long(void *arg)
{
	struct trial *t = arg;
	ipk_deadline end = ipk_in_ms(5);

	atomic_store(&t->report->peer_stage, READY);
	while (!atomic_load(&t->report->is_written) || ipk_deadline_left_ns(end) > 0)
		;
	return 0;
}

static int once_peer(struct trial *t)
{
	if (state_of(t) == SHUT)
		return ipk_once_run(t->object, do_nothing, NULL, ipk_in_ms(100), NULL);
	/* Whatever comes of it: it was written over meanwhile. */
	(void)!ipk_once_run(t->object, run_for_long, t, ipk_in_ms(100), NULL);
	return 0;
}

static void once_close(struct trial *t)
{
	t->object = ipk_once_close(t->object);
}

static const struct call once_calls[] = {
	CALL("ipk_once_run", once_run, true),
	CALL("ipk_once_run, which fails", once_fail, true),
	CALL("ipk_once_waiters", once_look, false),
};

/* --- the rows --------------------------------------------------------------------------------- */

void nouns_meet(struct noun_list *list)
{
	struct noun cond = {.name = "cond",
			    .states = IN(EMPTY) | IN(WAITED) | IN(OPENED),
			    .is_in_arena = true,
			    CALLS(cond_calls),
			    .make = cond_make,
			    .peer_wait = cond_wait,
			    .open = cond_open,
			    .unlink = ipk_cond_unlink,
			    .close = cond_close};
	struct noun event = {.name = "event",
			     .states = IN(EMPTY) | IN(FULL) | IN(WAITED) | IN(OPENED),
			     .is_in_arena = true,
			     CALLS(event_calls),
			     .make = event_make,
			     .peer_wait = event_wait,
			     .open = event_open,
			     .unlink = ipk_event_unlink,
			     .close = event_close};
	struct noun barrier = {.name = "barrier",
			       .states = IN(EMPTY) | IN(HALF) | IN(HELD) | IN(WAITED) | IN(SHUT) |
					 IN(OPENED),
			       .is_in_arena = true,
			       CALLS(barrier_calls),
			       .make = barrier_make,
			       .peer = barrier_peer,
			       .peer_wait = barrier_peer_wait,
			       .open = barrier_open,
			       .unlink = ipk_barrier_unlink,
			       .close = barrier_close};
	struct noun once = {.name = "once",
			    .states = IN(EMPTY) | IN(HELD) | IN(SHUT) | IN(OPENED),
			    .is_in_arena = true,
			    CALLS(once_calls),
			    .make = once_make,
			    .peer = once_peer,
			    .open = once_open,
			    .unlink = ipk_once_unlink,
			    .close = once_close};

	noun_add(list, &cond);
	noun_add(list, &event);
	noun_add(list, &barrier);
	noun_add(list, &once);
}
