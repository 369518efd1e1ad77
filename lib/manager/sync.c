/*
 * sync.c - locks and the other objects that one can wait for on the server.
 *
 * The server identifies a holder by its connection and by a name within it: here the thread's id.
 * Invariant: a handle remembers over which connection its thread got the lock or permit, so one lost
 * with a broken connection is distinguished from one never held.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "manager/held.h"
#include "manager/manager_internal.h"
#include "os/os.h"

#define NAME(x) ((x)->h.name)

static struct ipk__slice owner_word(struct ipk__number *room)
{
	return ipk__number_arg(room, ipk__os_tid());
}

static uint32_t epoch_of(ipk_manager *m)
{
	return m->backend->ops->epoch(m->backend);
}

/* What is opened, and created if missing. */
struct wanted {
	const char *kinds[2];   /* as IPK.NEW calls them; the second may be NULL */
	unsigned kind;          /* which is made; of one taken as it is, which it is */
	bool as_it_is;          /* one that is there may be any of them */
	bool is_there;          /* none is created */
	struct ipk__slice word; /* arguments of the creation; bytes NULL: none */
};

static int make_object(struct ipk__handle *h, const struct wanted *w, ipk_deadline deadline)
{
	struct ipk__slice argv[4] = {IPK__ARG("IPK.NEW"), {0}};
	int64_t is_new;

	argv[1] = ipk__slice_of_string(w->kinds[w->kind]);
	argv[2] = h->name;
	argv[3] = w->word;
	return ipk__ask_number(h->m, 0, argv, w->word.bytes ? 4 : 3, deadline, &is_new);
}

/* @type is the reply of TYPE. */
static int read_kind(struct ipk__slice type, struct wanted *w)
{
	static const char before[] = "ipk.";
	const size_t n = strlen(before);

	if (ipk__slice_is_word(type, "none"))
		return -ENOENT;
	if (type.n_bytes <= n || memcmp(type.bytes, before, n) != 0)
		return ipk__detail(-EPROTOTYPE, IPK__OTHER_KIND);
	type = IPK__SLICE(type.bytes + n, type.n_bytes - n);
	for (unsigned i = 0; i < IPK__N_OF(w->kinds) && w->kinds[i]; i++) {
		if (ipk__slice_is_word(type, w->kinds[i])) {
			w->kind = i;
			return 0;
		}
	}
	return ipk__detail(-EPROTOTYPE, IPK__OTHER_KIND);
}

/* The existing one, whatever its arguments were. */
static int find_existing(struct ipk__handle *h, struct wanted *w, ipk_deadline deadline)
{
	struct ipk__slice type;
	struct ipk__response reply;
	int r;

	ipk__response_init(&reply);
	r = ipk__ask(h->m, IPK__CALL_READ, &reply, deadline, IPK__ARG("TYPE"), h->name);
	if (r == 0)
		r = ipk__response_text(&reply, &type);
	if (r == 0)
		r = read_kind(type, w);
	ipk__response_fini(&reply);
	return r;
}

/* The handle and the object; the handle goes when the object does not come. */
static int open_object(ipk_manager *m, const char *name, size_t n_bytes, struct wanted *w,
		       ipk_deadline deadline, void *ret_handle)
{
	struct ipk__handle *h;
	int r;

	IPK_TRY(ipk__handle_make(m, name, n_bytes, &h));
	r = w->is_there ? ipk__detail(-EPROTOTYPE, IPK__OTHER_KIND) : make_object(h, w, deadline);
	if (r == -EPROTOTYPE && w->as_it_is)
		r = find_existing(h, w, deadline);
	if (r < 0) {
		free(h);
		return r;
	}
	memcpy(ret_handle, &h, sizeof(void *));
	return 0;
}

/* A request that blocks and replies 1 or 0. *ret_epoch: over which connection; NULL: not wanted. */
static int wait_for(ipk_manager *m, const struct ipk__call *call, ipk_deadline deadline,
		    uint32_t *ret_epoch)
{
	int64_t n = 0;
	int r = ipk__ask_call(m, call, deadline);

	if (r == 0)
		r = ipk__response_int(call->reply, &n);
	if (ret_epoch)
		*ret_epoch = call->reply->epoch;
	ipk__response_fini(call->reply);
	if (r < 0)
		return r;
	return n != 0 ? 0 : -ETIMEDOUT;
}

static int acquire(ipk_manager *m, struct ipk__slice name, ipk_deadline deadline,
		   uint32_t *ret_epoch)
{
	struct ipk__number rooms[2];
	struct ipk__slice argv[] = {
		IPK__ARG("IPK.ACQUIRE"),
		name,
		owner_word(&rooms[0]),
		ipk__number_arg(&rooms[1], ipk__timeout_ms(deadline)),
	};
	struct ipk__response reply;
	struct ipk__call call = {
		.argv = argv,
		.argc = IPK__N_OF(argv),
		.flags = IPK__CALL_WAITS | IPK__CALL_BOUND,
		.late = IPK__LATE_RELEASE,
		.reply = &reply,
	};

	ipk__response_init(&reply);
	return wait_for(m, &call, deadline, ret_epoch);
}

/* --- locks ------------------------------------------------------------------------------------ */

struct ipk_managed_lock {
	struct ipk__handle h;
	bool is_recursive;
	_Atomic uint32_t held_epoch; /* the connection over which a thread here got it last */
	_Atomic pid_t held_tid;      /* which thread; 0 none */
};

int ipk_managed_lock_open(ipk_manager *m, const char *name, const ipk_managed_lock_opts *opts,
			  ipk_deadline deadline, ipk_managed_lock **ret_handle)
{
	struct wanted wanted = {.kinds = {"LOCK", "RLOCK"}, .as_it_is = !opts};
	ipk_managed_lock_opts o;
	ipk_managed_lock *lock;

	IPK__REQUIRE(ret_handle, "ret_handle is NULL");
	IPK_TRY(ipk__opts_copy(&o, sizeof o, opts));
	wanted.kind = o.is_recursive;
	IPK_TRY(open_object(m, name, sizeof *lock, &wanted, deadline, &lock));
	lock->is_recursive = wanted.kind == 1;
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
	uint32_t epoch;

	if (!lock)
		return -EBADF;
	if (!lock->is_recursive && lock->held_tid == ipk__os_tid() &&
	    lock->held_epoch == epoch_of(lock->h.m))
		return -EDEADLK;
	IPK_TRY(acquire(lock->h.m, NAME(lock), deadline, &epoch));
	lock->held_epoch = epoch;
	lock->held_tid = ipk__os_tid();
	return 0;
}

/* What a refusal means for the thread that had the lock over another connection. */
static int told_by_epoch(ipk_managed_lock *lock, int r)
{
	if (r != -EPERM && r != -EOWNERDEAD)
		return r;
	if (lock->held_tid != ipk__os_tid() ||
	    (r == -EPERM && lock->held_epoch == epoch_of(lock->h.m)))
		return -EPERM;
	lock->held_tid = 0;
	return -EOWNERDEAD;
}

int ipk_managed_lock_unlock(ipk_managed_lock *lock, ipk_deadline deadline)
{
	struct ipk__number room;
	struct ipk__response reply;
	pid_t tid = ipk__os_tid();
	int r;

	if (!lock)
		return -EBADF;
	ipk__response_init(&reply);
	r = ipk__ask(lock->h.m, IPK__CALL_NEEDS, &reply, deadline, IPK__ARG("IPK.RELEASE"),
		     NAME(lock), owner_word(&room));
	ipk__response_fini(&reply);
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
	IPK__REQUIRE(ret_is_held, "ret_is_held is NULL");
	IPK_TRY(ipk__ask_int(lock->h.m, IPK__CALL_READ, deadline, &n, IPK__ARG("IPK.HELD"),
			     NAME(lock), owner_word(&room)));
	*ret_is_held = n > 0;
	return 0;
}

/* A text into a field of the caller's, cut to fit; what an answer lacks is 0 or "". */
static void copy_text(const struct ipk__resp_value *v, char *to, size_t to_bytes)
{
	size_t n = v->text.bytes ? IPK__MIN(v->text.n_bytes, to_bytes - 1) : 0;

	if (n > 0)
		memcpy(to, v->text.bytes, n);
	to[n] = '\0';
}

/* Null, or an array: client, its pid, name, address, owner, how often. */
static int read_owner(const struct ipk__response *reply, ipk_managed_owner *ret_owner)
{
	struct ipk__resp_value head, v[6];
	ipk_managed_owner owner = {0};
	size_t at = 0;
	int64_t tid;

	IPK_TRY(ipk__response_first(reply, &head));
	if (head.type != IPK__RESP_NULL) {
		(void)ipk__resp_next(reply->whole, &at, &head);
		for (size_t i = 0; i < IPK__N_OF(v); i++)
			if (head.n < IPK__N_OF(v) || ipk__resp_next(reply->whole, &at, &v[i]) < 0)
				return ipk__manager_fail(-EBADMSG, "an answer that is no owner");
		owner.is_held = true;
		owner.client_id = (uint64_t)v[0].integer;
		owner.pid = (pid_t)v[1].integer;
		copy_text(&v[2], owner.client, sizeof owner.client);
		copy_text(&v[3], owner.address, sizeof owner.address);
		if (ipk__text_to_int64(v[4].text, &tid) && tid > 0 && tid <= UINT32_MAX)
			owner.tid = (uint32_t)tid;
		owner.depth = (uint64_t)v[5].integer;
	}
	*ret_owner = owner;
	return 0;
}

int ipk_managed_lock_owner(ipk_managed_lock *lock, ipk_deadline deadline,
			   ipk_managed_owner *ret_owner)
{
	struct ipk__response reply;
	int r;

	if (!lock)
		return -EBADF;
	IPK__REQUIRE(ret_owner, "ret_owner is NULL");
	ipk__response_init(&reply);
	r = ipk__ask(lock->h.m, IPK__CALL_READ, &reply, deadline, IPK__ARG("IPK.OWNER"),
		     NAME(lock));
	if (r == 0)
		r = read_owner(&reply, ret_owner);
	ipk__response_fini(&reply);
	return r;
}

/* --- semaphores ------------------------------------------------------------------------------- */

struct ipk_managed_semaphore {
	struct ipk__handle h;
	struct ipk__held permits;
};

int ipk_managed_semaphore_open(ipk_manager *m, const char *name,
			       const ipk_managed_semaphore_opts *opts, ipk_deadline deadline,
			       ipk_managed_semaphore **ret_handle)
{
	struct wanted wanted = {.kinds = {"SEMAPHORE", "BOUNDEDSEMAPHORE"}, .as_it_is = !opts};
	ipk_managed_semaphore_opts o;
	struct ipk__number room;

	IPK__REQUIRE(ret_handle, "ret_handle is NULL");
	IPK_TRY(ipk__opts_copy(&o, sizeof o, opts));
	if (!opts)
		o.value = 1;
	IPK__REQUIRE(o.value <= INT64_MAX, "IPK_MANAGED_SEMAPHORE(.value): INT64_MAX at most");
	IPK__REQUIRE(o.max == 0 || o.max == o.value,
		     "IPK_MANAGED_SEMAPHORE(.max): 0, or the same as .value");
	wanted.kind = o.max != 0;
	wanted.word = ipk__number_arg(&room, (int64_t)o.value);
	return open_object(m, name, sizeof(ipk_managed_semaphore), &wanted, deadline, ret_handle);
}

ipk_managed_semaphore *ipk_managed_semaphore_close(ipk_managed_semaphore *handle)
{
	free(handle);
	return NULL;
}

int ipk_managed_semaphore_acquire(ipk_managed_semaphore *s, ipk_deadline deadline)
{
	uint32_t epoch;

	if (!s)
		return -EBADF;
	IPK_TRY(acquire(s->h.m, NAME(s), deadline, &epoch));
	ipk__held_add(&s->permits, epoch, 1);
	return 0;
}

int ipk_managed_semaphore_release(ipk_managed_semaphore *s, uint32_t n, ipk_deadline deadline)
{
	struct ipk__number rooms[2];
	struct ipk__slice argv[] = {IPK__ARG("IPK.RELEASE"), {0}, {0}, {0}};
	struct ipk__held_taken taken;
	int r;

	if (!s)
		return -EBADF;
	IPK__REQUIRE(n > 0, "n: 1 or more");
	argv[1] = NAME(s);
	argv[2] = owner_word(&rooms[0]);
	argv[3] = ipk__number_arg(&rooms[1], n);
	IPK_TRY(ipk__held_take(&s->permits, n, &taken));
	r = ipk__ask_bound(s->h.m, taken.epoch, argv, IPK__N_OF(argv), deadline);
	if (r < 0 && r != -EOWNERDEAD)
		ipk__held_put_back(&s->permits, &taken);
	return r == -EINVAL ? -EOVERFLOW : r;
}

/* --- conditions ------------------------------------------------------------------------------- */

struct ipk_managed_cond {
	struct ipk__handle h;
};

int ipk_managed_cond_open(ipk_manager *m, const char *name, const ipk_managed_cond_opts *opts,
			  ipk_deadline deadline, ipk_managed_cond **ret_handle)
{
	struct wanted wanted = {.kinds = {"CONDITION"}, .as_it_is = !opts, .is_there = !opts};
	ipk_managed_cond_opts o;

	IPK__REQUIRE(ret_handle, "ret_handle is NULL");
	IPK_TRY(ipk__opts_copy(&o, sizeof o, opts));
	wanted.word = ipk__slice_of_string(o.lock_name);
	IPK__REQUIRE(
		!opts || (wanted.word.n_bytes > 0 && wanted.word.n_bytes <= IPK__OBJECT_NAME_MAX),
		"IPK_MANAGED_COND(.lock_name): 1 to 1024 bytes");
	return open_object(m, name, sizeof(ipk_managed_cond), &wanted, deadline, ret_handle);
}

ipk_managed_cond *ipk_managed_cond_close(ipk_managed_cond *handle)
{
	free(handle);
	return NULL;
}

/*
 * Reacquiring the lock may take longer than the deadline, and the call must not return without it:
 * so the reply itself is awaited without a limit, and the server enforces the deadline.
 */
int ipk_managed_cond_wait(ipk_managed_cond *cond, ipk_deadline deadline)
{
	struct ipk__number rooms[2];
	struct ipk__response reply;

	if (!cond)
		return -EBADF;
	struct ipk__slice argv[] = {
		IPK__ARG("IPK.CWAIT"),
		NAME(cond),
		owner_word(&rooms[0]),
		ipk__number_arg(&rooms[1], ipk__timeout_ms(deadline)),
	};
	struct ipk__call call = {
		.argv = argv,
		.argc = IPK__N_OF(argv),
		.flags = IPK__CALL_WAITS | IPK__CALL_NEEDS,
		.reply = &reply,
	};
	ipk__response_init(&reply);
	return wait_for(cond->h.m, &call, ipk_forever(), NULL);
}

int ipk_managed_cond_notify(ipk_managed_cond *cond, uint32_t n, ipk_deadline deadline)
{
	struct ipk__number rooms[2];
	struct ipk__response reply;
	int r;

	if (!cond)
		return -EBADF;
	ipk__response_init(&reply);
	r = ipk__ask(cond->h.m, IPK__CALL_NEEDS, &reply, deadline, IPK__ARG("IPK.CNOTIFY"),
		     NAME(cond), owner_word(&rooms[0]),
		     ipk__number_arg(&rooms[1], n == UINT32_MAX ? -1 : (int64_t)n));
	ipk__response_fini(&reply);
	return r;
}

/* --- events ----------------------------------------------------------------------------------- */

struct ipk_managed_event {
	struct ipk__handle h;
};

int ipk_managed_event_open(ipk_manager *m, const char *name, ipk_deadline deadline,
			   ipk_managed_event **ret_handle)
{
	struct wanted wanted = {.kinds = {"EVENT"}};

	IPK__REQUIRE(ret_handle, "ret_handle is NULL");
	return open_object(m, name, sizeof(ipk_managed_event), &wanted, deadline, ret_handle);
}

ipk_managed_event *ipk_managed_event_close(ipk_managed_event *handle)
{
	free(handle);
	return NULL;
}

int ipk_managed_event_set(ipk_managed_event *event, ipk_deadline deadline)
{
	return event ? ipk__tell(event->h.m, deadline, IPK__ARG("IPK.ESET"), NAME(event)) : -EBADF;
}

int ipk_managed_event_clear(ipk_managed_event *event, ipk_deadline deadline)
{
	return event ? ipk__tell(event->h.m, deadline, IPK__ARG("IPK.ECLEAR"), NAME(event))
		     : -EBADF;
}

int ipk_managed_event_is_set(ipk_managed_event *event, ipk_deadline deadline, bool *ret_is_set)
{
	int64_t n;

	if (!event)
		return -EBADF;
	IPK__REQUIRE(ret_is_set, "ret_is_set is NULL");
	IPK_TRY(ipk__ask_int(event->h.m, IPK__CALL_READ, deadline, &n, IPK__ARG("IPK.EISSET"),
			     NAME(event)));
	*ret_is_set = n != 0;
	return 0;
}

int ipk_managed_event_wait(ipk_managed_event *event, ipk_deadline deadline)
{
	struct ipk__number room;
	struct ipk__response reply;

	if (!event)
		return -EBADF;
	struct ipk__slice argv[] = {
		IPK__ARG("IPK.EWAIT"),
		NAME(event),
		ipk__number_arg(&room, ipk__timeout_ms(deadline)),
	};
	struct ipk__call call = {
		.argv = argv,
		.argc = IPK__N_OF(argv),
		.flags = IPK__CALL_WAITS | IPK__CALL_READ,
		.reply = &reply,
	};
	ipk__response_init(&reply);
	return wait_for(event->h.m, &call, deadline, NULL);
}

/* --- barriers --------------------------------------------------------------------------------- */

struct ipk_managed_barrier {
	struct ipk__handle h;
};

int ipk_managed_barrier_open(ipk_manager *m, const char *name, const ipk_managed_barrier_opts *opts,
			     ipk_deadline deadline, ipk_managed_barrier **ret_handle)
{
	struct wanted wanted = {.kinds = {"BARRIER"}, .as_it_is = !opts, .is_there = !opts};
	ipk_managed_barrier_opts o;
	struct ipk__number room;

	IPK__REQUIRE(ret_handle, "ret_handle is NULL");
	IPK_TRY(ipk__opts_copy(&o, sizeof o, opts));
	IPK__REQUIRE(!opts || o.n_parties > 0, "IPK_MANAGED_BARRIER(.n_parties): 1 or more");
	wanted.word = ipk__number_arg(&room, o.n_parties);
	return open_object(m, name, sizeof(ipk_managed_barrier), &wanted, deadline, ret_handle);
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
	struct ipk__response reply;
	int64_t n = 0;
	int r;

	if (!barrier)
		return -EBADF;
	struct ipk__slice argv[] = {
		IPK__ARG("IPK.BWAIT"),
		NAME(barrier),
		owner_word(&rooms[0]),
		ipk__number_arg(&rooms[1], ipk__timeout_ms(deadline)),
	};
	ipk__response_init(&reply);
	r = ipk__ask_call(barrier->h.m,
			  &(struct ipk__call){
				  .argv = argv,
				  .argc = IPK__N_OF(argv),
				  .flags = IPK__CALL_WAITS | IPK__CALL_NEEDS,
				  .reply = &reply,
			  },
			  deadline);
	if (r == 0)
		r = ipk__response_int(&reply, &n);
	ipk__response_fini(&reply);
	if (r == -EOWNERDEAD) /* the party's position was lost, which broke it */
		return -ECANCELED;
	if (r == 0 && ret_index)
		*ret_index = (unsigned)n;
	return r;
}

int ipk_managed_barrier_abort(ipk_managed_barrier *barrier, ipk_deadline deadline)
{
	return barrier ? ipk__tell(barrier->h.m, deadline, IPK__ARG("IPK.BABORT"), NAME(barrier))
		       : -EBADF;
}

int ipk_managed_barrier_reset(ipk_managed_barrier *barrier, ipk_deadline deadline)
{
	return barrier ? ipk__tell(barrier->h.m, deadline, IPK__ARG("IPK.BRESET"), NAME(barrier))
		       : -EBADF;
}

int ipk_managed_barrier_info(ipk_managed_barrier *barrier, ipk_deadline deadline,
			     uint32_t *ret_n_parties, uint32_t *ret_n_waiting, bool *ret_is_broken)
{
	struct ipk__resp_value head, parties, waiting, broken;
	struct ipk__response reply;
	size_t at = 0;
	int r;

	if (!barrier)
		return -EBADF;
	ipk__response_init(&reply);
	r = ipk__ask(barrier->h.m, IPK__CALL_READ, &reply, deadline, IPK__ARG("IPK.BINFO"),
		     NAME(barrier));
	if (r == 0 && (ipk__resp_next(reply.whole, &at, &head) < 0 || head.n < 3 ||
		       ipk__resp_next(reply.whole, &at, &parties) < 0 ||
		       ipk__resp_next(reply.whole, &at, &waiting) < 0 ||
		       ipk__resp_next(reply.whole, &at, &broken) < 0)) {
		(void)ipk__manager_fail(-EBADMSG, "an answer that says nothing of a barrier");
		r = -EBADMSG;
	}
	ipk__response_fini(&reply);
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
