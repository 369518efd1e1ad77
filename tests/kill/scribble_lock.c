/* scribble_lock.c - locks, recursive locks, rwlocks, semaphores. */
#include <errno.h>

#include "scribble.h"

/* --- lock ------------------------------------------------------------------------------------- */

enum { PLAIN, RECURSIVE };

static int lock_make(struct trial *t)
{
	bool is_recursive = t->row->noun->variant == RECURSIVE;

	return ipk_lock_create(
		IPK_LOCK(.name = is_opened(t) ? t->name : NULL, .is_recursive = is_recursive),
		(ipk_lock **)&t->object);
}

static int lock_open(struct trial *t)
{
	return ipk_lock_open(t->name, ipk_now(), (ipk_lock **)&t->object);
}

static int lock_lock(struct trial *t, ipk_deadline d)
{
	bool was_told;

	return ipk_lock_lock(t->object, d, &was_told);
}

static int lock_unlock(struct trial *t, ipk_deadline d)
{
	(void)d;
	return ipk_lock_unlock(t->object);
}

static int lock_look(struct trial *t, ipk_deadline d)
{
	uint32_t tids[4];

	(void)d;
	ipk_lock_owner(t->object);
	(void)N_LISTED(ipk_lock_waiters, t->object, tids, 4);
	return 0;
}

/* Under a lock that was written over, the one of a neighbour. */
static int lock_both(struct trial *t, ipk_deadline d)
{
	ipk_lock *near = neighbours_lock(t->near);

	if (ipk_lock_lock(near, ipk_now(), NULL) < 0)
		return 0;
	if (ipk_lock_lock(t->object, d, NULL) == 0)
		(void)!ipk_lock_unlock(t->object);
	return ipk_lock_unlock(near);
}

static int lock_take(struct trial *t)
{
	enum state state = state_of(t);

	return state == OWNED || state == WAITED ? ipk_lock_lock(t->object, ipk_in_ms(1000), NULL)
						 : 0;
}

static int lock_peer(struct trial *t)
{
	return ipk_lock_lock(t->object, ipk_in_ms(1000), NULL);
}

static int lock_peer_wait(struct trial *t, ipk_deadline d)
{
	return ipk_lock_lock(t->object, d, NULL);
}

static void lock_close(struct trial *t)
{
	t->object = ipk_lock_close(t->object);
}

static const struct call lock_calls[] = {
	CALL("ipk_lock_lock", lock_lock, true),
	CALL("ipk_lock_unlock", lock_unlock, false),
	CALL("ipk_lock_waiters", lock_look, false),
	CALL("ipk_lock_lock beside another", lock_both, true),
};

/* --- rwlock ----------------------------------------------------------------------------------- */

static int rw_make(struct trial *t)
{
	return ipk_rwlock_create(
		IPK_RWLOCK(.name = is_opened(t) ? t->name : NULL, .max_readers = 4),
		(ipk_rwlock **)&t->object);
}

static int rw_open(struct trial *t)
{
	return ipk_rwlock_open(t->name, ipk_now(), (ipk_rwlock **)&t->object);
}

static int rw_read_lock(struct trial *t, ipk_deadline d)
{
	return ipk_rwlock_read_lock(t->object, d, NULL);
}

static int rw_read_unlock(struct trial *t, ipk_deadline d)
{
	(void)d;
	return ipk_rwlock_read_unlock(t->object);
}

static int rw_write_lock(struct trial *t, ipk_deadline d)
{
	return ipk_rwlock_write_lock(t->object, d, NULL);
}

static int rw_write_unlock(struct trial *t, ipk_deadline d)
{
	(void)d;
	return ipk_rwlock_write_unlock(t->object);
}

static int rw_look(struct trial *t, ipk_deadline d)
{
	uint32_t tids[4];

	(void)d;
	ipk_rwlock_owner(t->object);
	(void)N_LISTED(ipk_rwlock_readers, t->object, tids, 4);
	(void)N_LISTED(ipk_rwlock_waiters, t->object, tids, 4);
	return 0;
}

static bool is_writer(const struct trial *t)
{
	return t->row->noun->variant == 1;
}

static int rw_take(struct trial *t)
{
	if (state_of(t) != OWNED && state_of(t) != WAITED)
		return 0;
	return is_writer(t) ? ipk_rwlock_write_lock(t->object, ipk_in_ms(1000), NULL)
			    : ipk_rwlock_read_lock(t->object, ipk_in_ms(1000), NULL);
}

static int rw_peer(struct trial *t)
{
	return is_writer(t) ? ipk_rwlock_write_lock(t->object, ipk_in_ms(1000), NULL)
			    : ipk_rwlock_read_lock(t->object, ipk_in_ms(1000), NULL);
}

static int rw_peer_wait(struct trial *t, ipk_deadline d)
{
	return is_writer(t) ? ipk_rwlock_read_lock(t->object, d, NULL)
			    : ipk_rwlock_write_lock(t->object, d, NULL);
}

static void rw_close(struct trial *t)
{
	t->object = ipk_rwlock_close(t->object);
}

static const struct call rw_calls[] = {
	CALL("ipk_rwlock_read_lock", rw_read_lock, true),
	CALL("ipk_rwlock_read_unlock", rw_read_unlock, false),
	CALL("ipk_rwlock_write_lock", rw_write_lock, true),
	CALL("ipk_rwlock_write_unlock", rw_write_unlock, false),
	CALL("ipk_rwlock_readers", rw_look, false),
};

/* --- semaphore -------------------------------------------------------------------------------- */

enum { SIGNAL, OWNING };

static int sem_make(struct trial *t)
{
	const char *name = is_opened(t) ? t->name : NULL;
	uint32_t value = state_of(t) == FULL ? 0 : 2;

	if (t->row->noun->variant == SIGNAL)
		return ipk_semaphore_create(IPK_SEMAPHORE(.name = name, .value = value, .max = 3),
					    (ipk_semaphore **)&t->object);
	return ipk_semaphore_create(
		IPK_SEMAPHORE(.name = name, .kind = IPK_SEMAPHORE_OWNED, .value = 3),
		(ipk_semaphore **)&t->object);
}

static int sem_open_it(struct trial *t)
{
	return ipk_semaphore_open(t->name, ipk_now(), (ipk_semaphore **)&t->object);
}

static int sem_acquire(struct trial *t, ipk_deadline d)
{
	return ipk_semaphore_acquire(t->object, d);
}

static int sem_release(struct trial *t, ipk_deadline d)
{
	(void)d;
	return ipk_semaphore_release(t->object);
}

static int sem_release_many(struct trial *t, ipk_deadline d)
{
	(void)d;
	return ipk_semaphore_release_many(t->object, 2);
}

static int sem_look(struct trial *t, ipk_deadline d)
{
	uint32_t ids[4];

	(void)d;
	ipk_semaphore_value(t->object);
	(void)N_LISTED(ipk_semaphore_holders, t->object, ids, 4);
	(void)N_LISTED(ipk_semaphore_waiters, t->object, ids, 4);
	return 0;
}

static int sem_take(struct trial *t)
{
	enum state state = state_of(t);
	int n = state == OWNED || state == HALF ? 1 : state == WAITED || state == FULL ? 3 : 0;

	while (n-- > 0 && ipk_semaphore_acquire(t->object, ipk_now()) == 0)
		;
	return 0;
}

static int sem_peer(struct trial *t)
{
	return ipk_semaphore_acquire(t->object, ipk_in_ms(1000));
}

static int sem_peer_wait(struct trial *t, ipk_deadline d)
{
	return ipk_semaphore_acquire(t->object, d);
}

static void sem_close_it(struct trial *t)
{
	t->object = ipk_semaphore_close(t->object);
}

static const struct call sem_calls[] = {
	CALL("ipk_semaphore_acquire", sem_acquire, true),
	CALL("ipk_semaphore_release", sem_release, false),
	CALL("ipk_semaphore_release_many", sem_release_many, false),
	CALL("ipk_semaphore_holders", sem_look, false),
};

/* --- the rows --------------------------------------------------------------------------------- */

void nouns_lock(struct noun_list *list)
{
	struct noun lock = {.states = IN(EMPTY) | IN(OWNED) | IN(HELD) | IN(WAITED) | IN(OPENED),
			    .is_in_arena = true,
			    CALLS(lock_calls),
			    .make = lock_make,
			    .take = lock_take,
			    .peer = lock_peer,
			    .peer_wait = lock_peer_wait,
			    .open = lock_open,
			    .unlink = ipk_lock_unlink,
			    .close = lock_close};
	struct noun rw = {.states = lock.states,
			  .is_in_arena = true,
			  CALLS(rw_calls),
			  .make = rw_make,
			  .take = rw_take,
			  .peer = rw_peer,
			  .peer_wait = rw_peer_wait,
			  .open = rw_open,
			  .unlink = ipk_rwlock_unlink,
			  .close = rw_close};
	struct noun sem = {.states = lock.states | IN(HALF) | IN(FULL),
			   .is_in_arena = true,
			   CALLS(sem_calls),
			   .make = sem_make,
			   .take = sem_take,
			   .peer = sem_peer,
			   .peer_wait = sem_peer_wait,
			   .open = sem_open_it,
			   .unlink = ipk_semaphore_unlink,
			   .close = sem_close_it};

	static const char *const locks[] = {"lock", "rlock"};
	static const char *const rws[] = {"rwlock-read", "rwlock-write"};
	static const char *const sems[] = {"semaphore", "tokens"};

	for (int i = 0; i < 2; i++) {
		lock.variant = rw.variant = sem.variant = i;
		lock.name = locks[i];
		rw.name = rws[i];
		sem.name = sems[i];
		noun_add(list, &lock);
		noun_add(list, &rw);
		noun_add(list, &sem);
	}
}
