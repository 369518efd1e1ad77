/*
 * sync.c - locks and what else is waited for on the server.
 *
 * The server knows a holder by its connection and by a name within that: here the thread's
 * id. Invariant: a handle remembers over which connection its thread got the lock, so that a
 * lock that went with a broken connection is told from one that was never held.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "manager/manager_internal.h"
#include "os/os.h"

#define NAME(x) ((x)->h.name)

static struct ipk__slice owner_word(struct ipk__number *room)
{
	return ipk__number_word(room, ipk__os_tid());
}

static uint64_t epoch_of(ipk_manager *m)
{
	return m->backend->ops->epoch(m->backend);
}

/* Make the object @h names; @words come behind its name. */
static int make_thing(struct ipk__handle *h, const char *kind, const struct ipk__slice *words,
		      size_t n_words, ipk_deadline deadline)
{
	struct ipk__slice argv[6] = {IPK__WORD("IPK.NEW"), {0}};
	int64_t is_new;

	argv[1] = ipk__slice_of_string(kind);
	argv[2] = h->name;
	for (size_t i = 0; i < n_words; i++)
		argv[3 + i] = words[i];
	return ipk__ask_number(h->m, 0, argv, 3 + n_words, deadline, &is_new);
}

/* The handle and the object; the handle goes when the object does not come. */
static int open_thing(ipk_manager *m, const char *name, size_t n_bytes, const char *kind,
		      const struct ipk__slice *words, size_t n_words, ipk_deadline deadline,
		      void *ret_handle)
{
	struct ipk__handle *h;
	int r;

	IPK_TRY(ipk__handle_make(m, name, n_bytes, &h));
	r = make_thing(h, kind, words, n_words, deadline);
	if (r < 0) {
		free(h);
		return r;
	}
	memcpy(ret_handle, &h, sizeof(void *));
	return 0;
}

/* A request that waits and says 1 or 0. */
static int wait_for(ipk_manager *m, const struct ipk__call *call, ipk_deadline deadline)
{
	int64_t n = 0;
	int r = ipk__ask_call(m, call, deadline);

	if (r == 0)
		r = ipk__reply_int(call->reply, &n);
	ipk__reply_fini(call->reply);
	if (r < 0)
		return r;
	return n != 0 ? 0 : -ETIMEDOUT;
}

static int acquire(ipk_manager *m, struct ipk__slice name, ipk_deadline deadline)
{
	struct ipk__number rooms[2];
	struct ipk__slice argv[] = {
		IPK__WORD("IPK.ACQUIRE"),
		name,
		owner_word(&rooms[0]),
		ipk__number_word(&rooms[1], ipk__timeout_ms(deadline)),
	};
	struct ipk__reply reply;
	struct ipk__call call = {
		.argv = argv,
		.argc = IPK__N_OF(argv),
		.flags = IPK__CALL_WAITS | IPK__CALL_BOUND,
		.late = IPK__LATE_RELEASE,
		.reply = &reply,
	};

	ipk__reply_init(&reply);
	return wait_for(m, &call, deadline);
}

/* --- locks --- */

struct ipk_managed_lock {
	struct ipk__handle h;
	bool is_recursive;
	_Atomic uint64_t held_epoch; /* the connection over which a thread here got it last */
	_Atomic pid_t held_tid;      /* which thread; 0 none */
};

int ipk_managed_lock_open(ipk_manager *m, const char *name, bool is_recursive,
			  ipk_deadline deadline, ipk_managed_lock **ret_handle)
{
	ipk_managed_lock *lock;

	IPK_TRY(open_thing(m, name, sizeof *lock, is_recursive ? "RLOCK" : "LOCK", NULL, 0,
			   deadline, &lock));
	lock->is_recursive = is_recursive;
	*ret_handle = lock;
	return 0;
}

ipk_managed_lock *ipk_managed_lock_close(ipk_managed_lock *handle)
{
	free(handle);
	return NULL;
}

int ipk_managed_lock_lock(ipk_managed_lock *lock, ipk_deadline deadline)
{
	if (!lock)
		return -EBADF;
	if (!lock->is_recursive && lock->held_tid == ipk__os_tid() &&
	    lock->held_epoch == epoch_of(lock->h.m))
		return -EDEADLK;
	IPK_TRY(acquire(lock->h.m, NAME(lock), deadline));
	lock->held_epoch = epoch_of(lock->h.m);
	lock->held_tid = ipk__os_tid();
	return 0;
}

/* What a refusal means for the thread that had the lock over another connection. */
static int told_by_epoch(ipk_managed_lock *lock, int r)
{
	if (r != -EPERM && r != -EOWNERDEAD)
		return r;
	if (lock->held_tid != ipk__os_tid() || lock->held_epoch == epoch_of(lock->h.m))
		return -EPERM;
	lock->held_tid = 0;
	return -EOWNERDEAD;
}

int ipk_managed_lock_unlock(ipk_managed_lock *lock, ipk_deadline deadline)
{
	struct ipk__number room;
	struct ipk__reply reply;
	pid_t tid = ipk__os_tid();
	int r;

	if (!lock)
		return -EBADF;
	ipk__reply_init(&reply);
	r = ipk__ask(lock->h.m, IPK__CALL_NEEDS, &reply, deadline, IPK__WORD("IPK.RELEASE"),
		     NAME(lock), owner_word(&room));
	ipk__reply_fini(&reply);
	/* Unless another thread of this process has it already. */
	if (r == 0 && !lock->is_recursive)
		(void)atomic_compare_exchange_strong(&lock->held_tid, &tid, 0);
	return told_by_epoch(lock, r);
}

int ipk_managed_lock_is_held(ipk_managed_lock *lock, ipk_deadline deadline, bool *ret_is_held)
{
	struct ipk__number room;
	int64_t n;

	if (!lock)
		return -EBADF;
	IPK_TRY(ipk__ask_int(lock->h.m, IPK__CALL_READ, deadline, &n, IPK__WORD("IPK.HELD"),
			     NAME(lock), owner_word(&room)));
	*ret_is_held = n > 0;
	return 0;
}

/* --- semaphores --- */

struct ipk_managed_semaphore {
	struct ipk__handle h;
};

int ipk_managed_semaphore_open(ipk_manager *m, const char *name, uint64_t value, bool is_bounded,
			       ipk_deadline deadline, ipk_managed_semaphore **ret_handle)
{
	struct ipk__number room;
	struct ipk__slice word;

	if (value > INT64_MAX)
		return -EINVAL;
	word = ipk__number_word(&room, (int64_t)value);
	return open_thing(m, name, sizeof(ipk_managed_semaphore),
			  is_bounded ? "BOUNDEDSEMAPHORE" : "SEMAPHORE", &word, 1, deadline,
			  ret_handle);
}

ipk_managed_semaphore *ipk_managed_semaphore_close(ipk_managed_semaphore *handle)
{
	free(handle);
	return NULL;
}

int ipk_managed_semaphore_acquire(ipk_managed_semaphore *s, ipk_deadline deadline)
{
	return s ? acquire(s->h.m, NAME(s), deadline) : -EBADF;
}

int ipk_managed_semaphore_release(ipk_managed_semaphore *s, uint32_t n, ipk_deadline deadline)
{
	struct ipk__number rooms[2];
	int r;

	if (!s)
		return -EBADF;
	if (n == 0)
		return -EINVAL;
	r = ipk__tell(s->h.m, deadline, IPK__WORD("IPK.RELEASE"), NAME(s), owner_word(&rooms[0]),
		      ipk__number_word(&rooms[1], n));
	return r == -EINVAL ? -EOVERFLOW : r;
}

/* --- conditions --- */

struct ipk_managed_cond {
	struct ipk__handle h;
};

int ipk_managed_cond_open(ipk_manager *m, const char *name, const char *lock_name,
			  ipk_deadline deadline, ipk_managed_cond **ret_handle)
{
	struct ipk__slice word = ipk__slice_of_string(lock_name ? lock_name : "");

	if (word.n_bytes == 0 || word.n_bytes > IPK__OBJECT_NAME_MAX)
		return -EINVAL;
	return open_thing(m, name, sizeof(ipk_managed_cond), "CONDITION", &word, 1, deadline,
			  ret_handle);
}

ipk_managed_cond *ipk_managed_cond_close(ipk_managed_cond *handle)
{
	free(handle);
	return NULL;
}

/*
 * Getting the lock back may take longer than the deadline, and without it there is no
 * returning: so the answer itself is waited for for ever, the server keeps the deadline.
 */
int ipk_managed_cond_wait(ipk_managed_cond *cond, ipk_deadline deadline)
{
	struct ipk__number rooms[2];
	struct ipk__reply reply;

	if (!cond)
		return -EBADF;
	struct ipk__slice argv[] = {
		IPK__WORD("IPK.CWAIT"),
		NAME(cond),
		owner_word(&rooms[0]),
		ipk__number_word(&rooms[1], ipk__timeout_ms(deadline)),
	};
	struct ipk__call call = {
		.argv = argv,
		.argc = IPK__N_OF(argv),
		.flags = IPK__CALL_WAITS | IPK__CALL_NEEDS,
		.reply = &reply,
	};
	ipk__reply_init(&reply);
	return wait_for(cond->h.m, &call, ipk_forever());
}

int ipk_managed_cond_notify(ipk_managed_cond *cond, uint32_t n, ipk_deadline deadline)
{
	struct ipk__number rooms[2];
	struct ipk__reply reply;
	int r;

	if (!cond)
		return -EBADF;
	ipk__reply_init(&reply);
	r = ipk__ask(cond->h.m, IPK__CALL_NEEDS, &reply, deadline, IPK__WORD("IPK.CNOTIFY"),
		     NAME(cond), owner_word(&rooms[0]),
		     ipk__number_word(&rooms[1], n == UINT32_MAX ? -1 : (int64_t)n));
	ipk__reply_fini(&reply);
	return r;
}

/* --- events --- */

struct ipk_managed_event {
	struct ipk__handle h;
};

int ipk_managed_event_open(ipk_manager *m, const char *name, ipk_deadline deadline,
			   ipk_managed_event **ret_handle)
{
	return open_thing(m, name, sizeof(ipk_managed_event), "EVENT", NULL, 0, deadline,
			  ret_handle);
}

ipk_managed_event *ipk_managed_event_close(ipk_managed_event *handle)
{
	free(handle);
	return NULL;
}

int ipk_managed_event_set(ipk_managed_event *event, ipk_deadline deadline)
{
	return event ? ipk__tell(event->h.m, deadline, IPK__WORD("IPK.ESET"), NAME(event)) : -EBADF;
}

int ipk_managed_event_clear(ipk_managed_event *event, ipk_deadline deadline)
{
	return event ? ipk__tell(event->h.m, deadline, IPK__WORD("IPK.ECLEAR"), NAME(event))
		     : -EBADF;
}

int ipk_managed_event_is_set(ipk_managed_event *event, ipk_deadline deadline, bool *ret_is_set)
{
	int64_t n;

	if (!event)
		return -EBADF;
	IPK_TRY(ipk__ask_int(event->h.m, IPK__CALL_READ, deadline, &n, IPK__WORD("IPK.EISSET"),
			     NAME(event)));
	*ret_is_set = n != 0;
	return 0;
}

int ipk_managed_event_wait(ipk_managed_event *event, ipk_deadline deadline)
{
	struct ipk__number room;
	struct ipk__reply reply;

	if (!event)
		return -EBADF;
	struct ipk__slice argv[] = {
		IPK__WORD("IPK.EWAIT"),
		NAME(event),
		ipk__number_word(&room, ipk__timeout_ms(deadline)),
	};
	struct ipk__call call = {
		.argv = argv,
		.argc = IPK__N_OF(argv),
		.flags = IPK__CALL_WAITS | IPK__CALL_READ,
		.reply = &reply,
	};
	ipk__reply_init(&reply);
	return wait_for(event->h.m, &call, deadline);
}

/* --- barriers --- */

struct ipk_managed_barrier {
	struct ipk__handle h;
};

int ipk_managed_barrier_open(ipk_manager *m, const char *name, uint32_t n_parties,
			     ipk_deadline deadline, ipk_managed_barrier **ret_handle)
{
	struct ipk__number room;
	struct ipk__slice word = ipk__number_word(&room, n_parties);

	if (n_parties == 0)
		return -EINVAL;
	return open_thing(m, name, sizeof(ipk_managed_barrier), "BARRIER", &word, 1, deadline,
			  ret_handle);
}

ipk_managed_barrier *ipk_managed_barrier_close(ipk_managed_barrier *handle)
{
	free(handle);
	return NULL;
}

int ipk_managed_barrier_wait(ipk_managed_barrier *barrier, ipk_deadline deadline,
			     unsigned *ret_index)
{
	struct ipk__number rooms[2];
	struct ipk__reply reply;
	int64_t n = 0;
	int r;

	if (!barrier)
		return -EBADF;
	struct ipk__slice argv[] = {
		IPK__WORD("IPK.BWAIT"),
		NAME(barrier),
		owner_word(&rooms[0]),
		ipk__number_word(&rooms[1], ipk__timeout_ms(deadline)),
	};
	ipk__reply_init(&reply);
	r = ipk__ask_call(barrier->h.m,
			  &(struct ipk__call){
				  .argv = argv,
				  .argc = IPK__N_OF(argv),
				  .flags = IPK__CALL_WAITS | IPK__CALL_NEEDS,
				  .reply = &reply,
			  },
			  deadline);
	if (r == 0)
		r = ipk__reply_int(&reply, &n);
	ipk__reply_fini(&reply);
	if (r == -EOWNERDEAD) /* the place went with the connection, and broke it */
		return -ECANCELED;
	if (r == 0 && ret_index)
		*ret_index = (unsigned)n;
	return r;
}

int ipk_managed_barrier_abort(ipk_managed_barrier *barrier, ipk_deadline deadline)
{
	return barrier ? ipk__tell(barrier->h.m, deadline, IPK__WORD("IPK.BABORT"), NAME(barrier))
		       : -EBADF;
}

int ipk_managed_barrier_reset(ipk_managed_barrier *barrier, ipk_deadline deadline)
{
	return barrier ? ipk__tell(barrier->h.m, deadline, IPK__WORD("IPK.BRESET"), NAME(barrier))
		       : -EBADF;
}

int ipk_managed_barrier_info(ipk_managed_barrier *barrier, ipk_deadline deadline,
			     uint32_t *ret_n_parties, uint32_t *ret_n_waiting, bool *ret_is_broken)
{
	struct ipk__resp_value head, parties, waiting, broken;
	struct ipk__reply reply;
	size_t at = 0;
	int r;

	if (!barrier)
		return -EBADF;
	ipk__reply_init(&reply);
	r = ipk__ask(barrier->h.m, IPK__CALL_READ, &reply, deadline, IPK__WORD("IPK.BINFO"),
		     NAME(barrier));
	if (r == 0 && (ipk__resp_next(reply.whole, &at, &head) < 0 || head.n < 3 ||
		       ipk__resp_next(reply.whole, &at, &parties) < 0 ||
		       ipk__resp_next(reply.whole, &at, &waiting) < 0 ||
		       ipk__resp_next(reply.whole, &at, &broken) < 0)) {
		(void)ipk__manager_fail(-EBADMSG, "an answer that says nothing of a barrier");
		r = -EBADMSG;
	}
	ipk__reply_fini(&reply);
	if (r != 0)
		return r;
	if (ret_n_parties)
		*ret_n_parties = (uint32_t)parties.integer;
	if (ret_n_waiting)
		*ret_n_waiting = (uint32_t)waiting.integer;
	if (ret_is_broken)
		*ret_is_broken = broken.integer != 0;
	return 0;
}
