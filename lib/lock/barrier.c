/*
 * barrier.c - Barrier: no party continues before all have arrived.
 *
 * The whole state of a round is one word, changed by CAS: its number, how many have arrived, who
 * arrived last, whether a thread runs the action, whether it is broken. Arriving, releasing and
 * breaking are one CAS each, so there is no partial arrival, and all parties of a round get the
 * same outcome however releasing and breaking race.
 *
 * When a party dies, it must be known whether it had arrived: if so it counts, if not it breaks the
 * barrier. The word names the last arrival; the next one to arrive records it in the last one's
 * cell before it puts its own name into the word. So at any moment the arrived parties are those
 * with the round's number in their cell, plus the last.
 *
 * A waiter that was stopped for long must still learn how its round ended. Until it returns no
 * later round can be complete, because that takes all parties, and it is one. So one bit that
 * toggles with each complete round is enough.
 */
#include <errno.h>
#include <limits.h>

#include "ipk/barrier.h"
#include "lock/lock_internal.h"
#include "lock/states.h"
#include "os/os.h"
#include "shared/owner.h"
#include "shared/sleep.h"

#define NOBODY 2047u /* index of a party, 11 bits */
#define RESETTING ((uint64_t)1 << 25)
#define YIELDS 2
#define TRIES_MAX (1 << 16)     /* of a CAS that our own operations never make fail so often */
#define LATE_MAX 1000           /* of giving up when the deadline has passed */
#define RESET_SLICE_NS 20000000 /* in which a reset is done, by one that lives */
#define CHECK_DEAD_NS 200000000 /* each check reads /proc for all parties that have not arrived */

struct state {
	uint64_t word; /* as it was read: changes are made to this and to no other */
	uint32_t gen;  /* the round's number: next with each release and reset */
	uint32_t n_arrived;
	uint32_t last; /* who arrived last; with is_acting it runs the action */
	bool is_broken;
	bool is_acting;
	bool is_resetting; /* and broken, until it is done */
	bool turn;
};

/* --- the word --------------------------------------------------------------------------------- */

static uint64_t pack(const struct state *s)
{
	return (uint64_t)s->gen << 32 | (uint64_t)s->n_arrived << 14 | (uint64_t)s->last << 3 |
	       (uint64_t)s->turn << 2 | (uint64_t)s->is_acting << 1 | (uint64_t)s->is_broken |
	       (s->is_resetting ? RESETTING : 0);
}

static struct state unpack(uint64_t word)
{
	return (struct state){
		.word = word,
		.gen = (uint32_t)(word >> 32),
		.n_arrived = ipk__barrier_arrived(word),
		.last = ipk__barrier_last(word),
		.turn = (word & 4) != 0,
		.is_acting = ipk__barrier_acts(word),
		.is_broken = ipk__barrier_broke(word),
		.is_resetting = (word & RESETTING) != 0,
	};
}

/* A word that no call of ours left; only a reset makes another of it. */
static bool is_impossible(const ipk_barrier *b, const struct state *s)
{
	return s->word != pack(s) || s->n_arrived > b->n_parties ||
	       (s->last != NOBODY && s->last >= b->n_parties);
}

static struct state load_state(const ipk_barrier *b)
{
	return unpack(atomic_load(&b->shared->state));
}

/* The state is @from still: make it @to. Everything that was done before is seen after it. */
static bool change(ipk_barrier *b, const struct state *from, const struct state *to)
{
	uint64_t word = from->word;

	return atomic_compare_exchange_strong(&b->shared->state, &word, pack(to));
}

/* After a change that ends a round. If the waker is killed, the waiters sleep out their slice. */
static void ring(ipk_barrier *b)
{
	atomic_fetch_add(&b->shared->doorbell, 1);
	ipk__os_futex_wake(&b->shared->doorbell, INT_MAX);
}

static bool end_broken(ipk_barrier *b, const struct state *from, bool by_reset)
{
	struct state to = *from;

	to.is_broken = true;
	to.is_resetting = by_reset;
	if (is_impossible(b, from)) {
		to.n_arrived = 0;
		to.last = NOBODY;
	}
	if (!change(b, from, &to))
		return false;
	ring(b);
	return true;
}

static struct state fresh(const struct state *s, bool is_complete)
{
	return (struct state){
		.gen = s->gen + 1,
		.last = NOBODY,
		.turn = s->turn != is_complete,
	};
}

static bool end_complete(ipk_barrier *b, const struct state *from)
{
	struct state to = fresh(from, true);

	if (!change(b, from, &to))
		return false;
	ring(b);
	return true;
}

/* --- making ----------------------------------------------------------------------------------- */

static int init(struct ipk__shm_object *object, const void *opts)
{
	struct ipk__shm_barrier *shared = (struct ipk__shm_barrier *)object;
	struct state s = {.gen = 1, .last = NOBODY};

	shared->n_parties = ((const ipk_barrier_opts *)opts)->n_parties;
	atomic_store(&shared->state, pack(&s));
	return 0;
}

static int bind(void *handle)
{
	ipk_barrier *b = handle;
	uint32_t n;

	b->shared = (struct ipk__shm_barrier *)b->ref.object;
	n = *(volatile uint32_t *)&b->shared->n_parties;
	if (n == 0 || n > IPK_BARRIER_PARTIES_MAX ||
	    ipk__object_bytes(&b->ref) < sizeof *b->shared + n * sizeof b->shared->parties[0])
		return -EBADMSG;
	b->n_parties = n;
	return 0;
}

static bool is_like(const void *handle, const void *opts)
{
	const ipk_barrier *b = handle;

	return b->n_parties == ((const ipk_barrier_opts *)opts)->n_parties;
}

static const struct ipk__object_class class = {
	.kind = IPK__OBJECT_BARRIER,
	.n_bytes = sizeof(struct ipk__shm_barrier),
	.handle_bytes = sizeof(ipk_barrier),
	.init = init,
	.bind = bind,
	.is_like = is_like,
};

int ipk_barrier_create(const ipk_barrier_opts *opts, ipk_barrier **ret_barrier)
{
	struct ipk__object_spec spec = {0};
	ipk_barrier_opts o;
	int r = ipk__opts_copy(&o, sizeof o, opts);

	if (r < 0)
		return r;
	IPK__REQUIRE(o.n_parties > 0 && o.n_parties <= IPK_BARRIER_PARTIES_MAX,
		     "IPK_BARRIER(.n_parties): 1 to IPK_BARRIER_PARTIES_MAX");
	spec.n_bytes =
		sizeof(struct ipk__shm_barrier) + o.n_parties * sizeof(struct ipk__shm_party);
	spec.name = o.name;
	spec.label = o.label;
	spec.opts = &o;
	spec.open_existing = o.open_existing;
	return ipk__handle_create(&class, &spec, ret_barrier);
}

int ipk_barrier_open(const char *name, ipk_deadline deadline, ipk_barrier **ret_barrier)
{
	return ipk__handle_open(&class, name, deadline, ret_barrier);
}

ipk_barrier *ipk_barrier_close(ipk_barrier *barrier)
{
	(void)!ipk_barrier_unregister(barrier);
	ipk__handle_close(barrier);
	return NULL;
}

int ipk_barrier_unlink(const char *name)
{
	return ipk__object_unlink(name);
}

int ipk_barrier_send(ipk_barrier *barrier, ipk_pipe *via, ipk_deadline deadline)
{
	return ipk__handle_send(barrier, via, deadline);
}

int ipk_barrier_recv(ipk_pipe *via, ipk_deadline deadline, ipk_barrier **ret_barrier)
{
	return ipk__handle_recv(&class, via, deadline, ret_barrier);
}

/* --- parties ---------------------------------------------------------------------------------- */

static uint64_t who_am_i(void)
{
	/* A fork child's copy names its parent's thread: the id tells. */
	static _Thread_local uint64_t cached;

	if (ipk__owner_id(cached) != (uint32_t)ipk__os_tid())
		cached = ipk__owner_of(ipk__os_tid());
	return cached;
}

static bool has_arrived(const ipk_barrier *b, const struct state *s, uint32_t i)
{
	return i == s->last ||
	       (s->n_arrived > 0 && atomic_load(&b->shared->parties[i].arrived_gen) == s->gen);
}

/* Whether the round, as it was in @s, needs party @i to live. */
static bool is_needed(const ipk_barrier *b, const struct state *s, uint32_t i)
{
	return (s->is_acting && s->last == i) || !has_arrived(b, s, i);
}

/* Break the barrier when a party died that the round needs. */
static void check_dead(ipk_barrier *b)
{
	struct state s = load_state(b);

	if (s.is_broken || is_impossible(b, &s))
		return;
	for (uint32_t i = 0; i < b->n_parties; i++) {
		uint64_t who = atomic_load(&b->shared->parties[i].who);

		if (who != 0 && is_needed(b, &s, i) && ipk__owner_is_dead(who, false)) {
			/* The state has changed: the next check decides. */
			end_broken(b, &s, false);
			return;
		}
	}
}

/* One waiter looks for all. */
static void check_dead_round_robin(ipk_barrier *b)
{
	int64_t last_ns = atomic_load(&b->shared->looked_ns);

	if (ipk__is_due(last_ns, CHECK_DEAD_NS) &&
	    atomic_compare_exchange_strong(&b->shared->looked_ns, &last_ns, ipk__os_now_ns()))
		check_dead(b);
}

/* In a broken barrier dead parties no longer matter: free their cells. */
static void bury(ipk_barrier *b)
{
	for (uint32_t i = 0; i < b->n_parties; i++) {
		uint64_t who = atomic_load(&b->shared->parties[i].who);

		if (who != 0 && ipk__owner_is_dead(who, false) && load_state(b).is_broken)
			atomic_compare_exchange_strong(&b->shared->parties[i].who, &who, 0);
	}
}

/* The first cell that holds @who, from where the calling thread begins to look. */
static uint32_t find_party(const ipk_barrier *b, uint64_t who)
{
	uint32_t from = (uint32_t)ipk__os_tid() % b->n_parties;

	for (uint32_t n = 0; n < b->n_parties; n++) {
		uint32_t i = (from + n) % b->n_parties;

		if (atomic_load_explicit(&b->shared->parties[i].who, memory_order_relaxed) == who)
			return i;
	}
	return NOBODY;
}

static uint32_t claim_party(ipk_barrier *b, uint64_t who)
{
	for (int n = 0; n < TRIES_MAX; n++) {
		uint32_t i = find_party(b, 0);
		uint64_t nobody = 0;

		if (i == NOBODY)
			return NOBODY;
		if (!atomic_compare_exchange_strong(&b->shared->parties[i].who, &nobody, who))
			continue;
		/* Whoever had the cell before may have arrived in this round. */
		atomic_store(&b->shared->parties[i].arrived_gen, load_state(b).gen - 1);
		return i;
	}
	return NOBODY;
}

static int register_party(ipk_barrier *b, uint32_t *ret_i)
{
	uint64_t me = who_am_i();
	uint32_t i = find_party(b, me);

	if (i == NOBODY)
		i = claim_party(b, me);
	if (i == NOBODY) {
		check_dead(b);
		if (load_state(b).is_broken)
			bury(b);
		i = claim_party(b, me);
	}
	if (i == NOBODY)
		return -EUSERS;
	*ret_i = i;
	return 0;
}

int ipk_barrier_register(ipk_barrier *barrier)
{
	uint32_t i;
	int r = barrier ? ipk__object_check(&barrier->ref) : -EBADF;

	return r < 0 ? r : register_party(barrier, &i);
}

int ipk_barrier_unregister(ipk_barrier *barrier)
{
	uint32_t i;

	if (!barrier)
		return -EBADF;
	i = find_party(barrier, who_am_i());
	if (i != NOBODY)
		atomic_store(&barrier->shared->parties[i].who, 0);
	return 0;
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* Write down that the last one arrived, before another is the last. */
static void note_last(ipk_barrier *b, const struct state *s)
{
	_Atomic uint32_t *cell;
	uint32_t seen;

	if (s->last >= b->n_parties)
		return;
	cell = &b->shared->parties[s->last].arrived_gen;
	seen = atomic_load(cell);
	/* When the round has ended, or we are slow, the cell may be about another round. */
	if (atomic_load(&b->shared->state) == s->word)
		atomic_compare_exchange_strong(cell, &seen, s->gen);
}

/* Arrive as party @me: *ret_before is the state that it changed; -ECANCELED broken. */
static int arrive(ipk_barrier *b, uint32_t me, bool has_action, struct state *ret_before)
{
	for (int i = 0; i < TRIES_MAX; i++) {
		struct state s = load_state(b), to = s;

		if (is_impossible(b, &s))
			return -ENOTRECOVERABLE;
		if (s.is_broken)
			return s.is_resetting ? -EAGAIN : -ECANCELED;
		if (s.is_acting && s.last == me)
			return -EDEADLK;
		if (s.n_arrived >= b->n_parties)
			return -ENOTRECOVERABLE;
		note_last(b, &s);
		to.n_arrived++;
		to.last = me;
		to.is_acting = to.n_arrived == b->n_parties;
		*ret_before = s;
		if (to.is_acting && !has_action) {
			if (end_complete(b, &s))
				return 0;
		} else if (change(b, &s, &to)) {
			return 0;
		}
	}
	return -ENOTRECOVERABLE;
}

/* The outcome of the round of @s: 1 still running, 0 complete, -ECANCELED. */
static int outcome(const ipk_barrier *b, const struct state *s)
{
	struct state now = load_state(b);

	if (is_impossible(b, &now))
		return -ENOTRECOVERABLE;
	if (now.turn != s->turn)
		return 0;
	return now.gen == s->gen && !now.is_broken ? 1 : -ECANCELED;
}

/* The deadline passed: break it, unless it ended meanwhile. 1 as outcome(). */
static int give_up(ipk_barrier *b, const struct state *mine)
{
	struct state s = load_state(b);

	if (s.gen != mine->gen || s.is_broken)
		return 1;
	return end_broken(b, &s, false) ? -ETIMEDOUT : 1;
}

/* The others may need this very processor to arrive: yielding is cheaper than sleeping at once. */
static int let_others_come(ipk_barrier *b, const struct state *mine)
{
	int r = outcome(b, mine);

	for (int i = 0; r == 1 && i < YIELDS; i++) {
		ipk__os_yield();
		r = outcome(b, mine);
	}
	return r;
}

static int wait_for_others(ipk_barrier *b, const struct state *mine, ipk_deadline deadline)
{
	struct ipk__sleep sleep = IPK__SLEEP(&b->ref, IPK__WAIT_BARRIER);
	int r = deadline.at_ns > 0 ? let_others_come(b, mine) : 1;
	int n_late = 0;

	while (r == 1) {
		/* Pairs with ring(), which comes after the change. */
		uint32_t doorbell = atomic_load(&b->shared->doorbell);

		r = outcome(b, mine);
		if (r != 1)
			break;
		if (ipk__sleep(&sleep, &b->shared->doorbell, doorbell, deadline) < 0)
			r = n_late++ < LATE_MAX ? give_up(b, mine) : -ETIMEDOUT;
		else if (!sleep.is_woken)
			check_dead_round_robin(b);
	}
	ipk__sleep_end(&sleep);
	return r;
}

/* Broken by a reset: reset it to a fresh one, unless another thread has. */
static void finish_reset(ipk_barrier *b)
{
	struct state s = load_state(b), to;

	bury(b);
	to = fresh(&s, false);
	if (s.is_resetting && change(b, &s, &to))
		ring(b);
}

/* Who comes while it is reset is in the new round. A resetter may die: then that is ours to do. */
static int wait_for_reset(ipk_barrier *b, ipk_deadline deadline)
{
	struct ipk__sleep sleep = IPK__SLEEP(&b->ref, IPK__WAIT_BARRIER);
	int r = 0;

	sleep.slice_ns = RESET_SLICE_NS;
	for (;;) {
		/* Pairs with ring(), which comes after the change. */
		uint32_t doorbell = atomic_load(&b->shared->doorbell);

		if (r < 0 || !load_state(b).is_resetting)
			break;
		r = ipk__sleep(&sleep, &b->shared->doorbell, doorbell, deadline);
		if (r < 0 || !sleep.is_woken)
			finish_reset(b);
	}
	ipk__sleep_end(&sleep);
	return load_state(b).is_resetting ? r : 0;
}

/* Be a party and arrive. */
static int come(ipk_barrier *b, bool has_action, ipk_deadline deadline, uint32_t *ret_me,
		struct state *ret_before)
{
	int r = -EAGAIN;

	for (int i = 0; r == -EAGAIN && i < LATE_MAX; i++) {
		r = load_state(b).is_resetting ? wait_for_reset(b, deadline) : 0;
		if (r == 0 && load_state(b).is_broken)
			r = load_state(b).is_resetting ? -EAGAIN : -ECANCELED;
		if (r == 0)
			r = register_party(b, ret_me);
		if (r == 0)
			r = arrive(b, *ret_me, has_action, ret_before);
	}
	return r == -EAGAIN ? -ETIMEDOUT : r;
}

/* All others wait, as long as this process lives. */
static int act(ipk_barrier *b, const struct state *before, uint32_t me, ipk_barrier_action action,
	       void *arg)
{
	struct state s = *before;
	int r = action(arg);

	s.n_arrived++;
	s.last = me;
	s.is_acting = true;
	s.word = pack(&s);
	if (r < 0) {
		end_broken(b, &s, false);
		return r;
	}
	return end_complete(b, &s) ? 0 : -ECANCELED;
}

int ipk_barrier_wait(ipk_barrier *barrier, ipk_barrier_action action, void *arg,
		     ipk_deadline deadline, unsigned *ret_index)
{
	struct state before = {0};
	uint32_t me;
	int r = barrier ? ipk__object_check(&barrier->ref) : -EBADF;

	if (r < 0)
		return r;
	r = come(barrier, action != NULL, deadline, &me, &before);
	if (r < 0)
		return r;
	if (before.n_arrived + 1 < barrier->n_parties)
		r = wait_for_others(barrier, &before, deadline);
	else if (action)
		r = act(barrier, &before, me, action, arg);
	if (r == 0 && ret_index)
		*ret_index = before.n_arrived;
	return r;
}

/* --- ending it -------------------------------------------------------------------------------- */

/* What is impossible in the word is not kept. */
static void break_it(ipk_barrier *b, bool by_reset)
{
	struct state broken = {.last = NOBODY, .is_broken = true, .is_resetting = by_reset};

	for (int i = 0; i < TRIES_MAX; i++) {
		struct state s = load_state(b);

		if (s.is_broken && s.is_resetting == by_reset && !is_impossible(b, &s))
			return;
		if (end_broken(b, &s, by_reset))
			return;
	}
	atomic_store(&b->shared->state, pack(&broken));
	ring(b);
}

int ipk_barrier_abort(ipk_barrier *barrier)
{
	if (!barrier)
		return -EBADF;
	break_it(barrier, false);
	return 0;
}

int ipk_barrier_reset(ipk_barrier *barrier)
{
	int r = barrier ? ipk__object_check(&barrier->ref) : -EBADF;

	/* Broken first: a resetter killed in between must not leave a round without its dead. */
	if (r < 0)
		return r;
	break_it(barrier, true);
	finish_reset(barrier);
	return 0;
}

/* --- looking ---------------------------------------------------------------------------------- */

uint32_t ipk_barrier_n_parties(const ipk_barrier *barrier)
{
	return barrier ? barrier->n_parties : 0;
}

uint32_t ipk_barrier_n_waiting(const ipk_barrier *barrier)
{
	struct state s;

	if (!barrier)
		return 0;
	s = load_state(barrier);
	return s.is_broken ? 0 : IPK__MIN(s.n_arrived, barrier->n_parties);
}

bool ipk_barrier_is_broken(const ipk_barrier *barrier)
{
	struct state s;

	if (!barrier)
		return false;
	s = load_state(barrier);
	return s.is_broken && !s.is_resetting;
}

int ipk_barrier_waiters(const ipk_barrier *barrier, uint32_t *ret_tids, size_t max, size_t *ret_n)
{
	if (!barrier)
		return -EBADF;
	return ipk__object_list_waiters(&barrier->ref, ret_tids, max, ret_n);
}
