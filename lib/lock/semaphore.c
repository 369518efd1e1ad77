/*
 * semaphore.c - tokens that are only counted, and tokens with an owner.
 *
 * A signal semaphore is one word: its value, and a bit that says that there are sleepers. Acquire
 * and release are one CAS each. An owned one has one word per token, which is its holder or 0:
 * acquire and release are one CAS there, so no death comes in between, and the sum cannot be wrong.
 * Its `word` is only slept on, with the same bit.
 *
 * Invariant: while the bit is clear no thread sleeps, except threads about to be woken. A sleeper
 * sets it, checks once more, and sleeps only while the word is unchanged. A releaser changes the
 * word and wakes as many as it released. If there were fewer, it clears the bit, and then wakes
 * all: a thread may have gone to sleep since the first wake.
 */
#include <errno.h>
#include <limits.h>

#include "lock/lock_internal.h"
#include "lock/semaphore_internal.h"
#include "os/os.h"
#include "shared/sleep.h"

#define SLEEPERS IPK__SEMAPHORE_SLEEPERS
#define FIRST_SLICE_NS 1000000 /* most tokens are back sooner than one has asked who lives */
#define SLICE_NS 20000000
#define REAP_EVERY_NS 10000000 /* one sleeper asks for all */
#define LOOKS 60
#define TOKENS_A_LOOK 64
#define CAS_TRIES_MAX (1 << 16) /* that our own operations never make fail so often */
#define LATE_NS 50000000        /* by which a call may pass its deadline */
#define TRIES_MAX 100 /* of one whose deadline has passed, while others give back and take */

struct ipk_semaphore {
	struct ipk__ref ref;
	struct ipk__shm_semaphore *shm;
	uint32_t max;
	bool is_owned;
	_Atomic bool was_taken; /* a token, through it */
	_Atomic uint32_t hint;  /* the token that this process took or gave back last */
	_Atomic uint32_t asked; /* the token at which the next pass begins */
};

/* --- making ----------------------------------------------------------------------------------- */

static size_t bytes_for(bool is_owned, uint32_t max)
{
	return sizeof(struct ipk__shm_semaphore) + (is_owned ? max : 0) * sizeof(uint64_t);
}

/* What the zeros in @o stand for. */
static int fill_opts(ipk_semaphore_opts *o)
{
	bool is_owned = o->kind == IPK_SEMAPHORE_OWNED;

	IPK__REQUIRE(is_owned || o->kind == IPK_SEMAPHORE_SIGNAL,
		     "IPK_SEMAPHORE(.kind): an ipk_semaphore_kind");
	if (is_owned && o->value == 0)
		o->value = IPK__MAX(o->max, 1);
	if (o->max == 0)
		o->max = is_owned ? o->value : IPK_SEMAPHORE_SIGNAL_MAX;
	IPK__REQUIRE(!is_owned || o->max == o->value,
		     "IPK_SEMAPHORE(.max): 0 or .value, with IPK_SEMAPHORE_OWNED");
	IPK__REQUIRE(!is_owned || o->max <= IPK_SEMAPHORE_TOKENS_MAX,
		     "IPK_SEMAPHORE(.value): IPK_SEMAPHORE_TOKENS_MAX at most, if owned");
	IPK__REQUIRE(o->max <= IPK_SEMAPHORE_SIGNAL_MAX,
		     "IPK_SEMAPHORE(.max): IPK_SEMAPHORE_SIGNAL_MAX at most");
	IPK__REQUIRE(o->value <= o->max, "IPK_SEMAPHORE(.value): .max at most");
	return 0;
}

static int init(struct ipk__shm_object *object, const void *opts)
{
	struct ipk__shm_semaphore *shm = (struct ipk__shm_semaphore *)object;
	const ipk_semaphore_opts *o = opts;

	shm->max = o->max;
	atomic_init(&shm->word, o->kind == IPK_SEMAPHORE_SIGNAL ? o->value : 0);
	return 0;
}

static int bind(void *handle)
{
	ipk_semaphore *s = handle;

	s->shm = (struct ipk__shm_semaphore *)s->ref.object;
	s->max = *(volatile uint32_t *)&s->shm->max;
	s->is_owned = s->shm->object.flags == IPK_SEMAPHORE_OWNED;
	if (s->max == 0 || s->max > IPK_SEMAPHORE_SIGNAL_MAX ||
	    (s->is_owned && s->max > IPK_SEMAPHORE_TOKENS_MAX) ||
	    bytes_for(s->is_owned, s->max) > ipk__object_bytes(&s->ref))
		return -EBADMSG;
	return 0;
}

static bool is_like(const void *handle, const void *opts)
{
	return ((const ipk_semaphore *)handle)->max == ((const ipk_semaphore_opts *)opts)->max;
}

static const struct ipk__object_class class = {
	.kind = IPK__OBJECT_SEMAPHORE,
	.n_bytes = sizeof(struct ipk__shm_semaphore),
	.handle_bytes = sizeof(ipk_semaphore),
	.init = init,
	.bind = bind,
	.is_like = is_like,
};

int ipk_semaphore_create(const ipk_semaphore_opts *opts, ipk_semaphore **ret_s)
{
	struct ipk__object_spec spec = {0};
	ipk_semaphore_opts o;
	int r = ipk__opts_copy(&o, sizeof o, opts);

	if (!opts)
		o.value = 1;
	if (r == 0)
		r = fill_opts(&o);
	if (r < 0)
		return r;
	spec.flags = o.kind;
	spec.n_bytes = bytes_for(o.kind == IPK_SEMAPHORE_OWNED, o.max);
	spec.name = o.name;
	spec.label = o.label;
	spec.opts = &o;
	spec.open_existing = o.open_existing;
	return ipk__handle_create(&class, &spec, ret_s);
}

int ipk_semaphore_open(const char *name, ipk_deadline deadline, ipk_semaphore **ret_s)
{
	return ipk__handle_open(&class, name, deadline, ret_s);
}

int ipk_semaphore_unlink(const char *name)
{
	return ipk__object_unlink(name);
}

int ipk_semaphore_send(ipk_semaphore *s, ipk_pipe *via, ipk_deadline deadline)
{
	return ipk__handle_send(s, via, deadline);
}

int ipk_semaphore_recv(ipk_pipe *via, ipk_deadline deadline, ipk_semaphore **ret_s)
{
	return ipk__handle_recv(&class, via, deadline, ret_s);
}

/* --- waking ----------------------------------------------------------------------------------- */

/* After the change that made @word what @now says, the bit among it, for @n to go on. */
static void wake(_Atomic uint32_t *word, uint32_t now, uint32_t n)
{
	if ((uint32_t)ipk__os_futex_wake(word, (int)IPK__MIN(n, (uint32_t)INT_MAX)) >= n)
		return;
	if (atomic_compare_exchange_strong(word, &now, now & ~SLEEPERS))
		ipk__os_futex_wake(word, INT_MAX);
}

/* --- the value -------------------------------------------------------------------------------- */

static bool take_one(ipk_semaphore *s)
{
	uint32_t seen = atomic_load_explicit(&s->shm->word, memory_order_relaxed);

	for (int i = 0; i < CAS_TRIES_MAX && (seen & ~SLEEPERS) > 0 && (seen & ~SLEEPERS) <= s->max;
	     i++) {
		/* Pairs with add(): what was done before it is seen after this. */
		if (atomic_compare_exchange_weak(&s->shm->word, &seen, seen - 1))
			return true;
	}
	return false;
}

static int add(ipk_semaphore *s, uint32_t n)
{
	uint32_t seen = atomic_load_explicit(&s->shm->word, memory_order_relaxed);
	int n_left = CAS_TRIES_MAX;

	do {
		uint32_t value = seen & ~SLEEPERS;

		if (value > s->max || n > s->max - value)
			return -EOVERFLOW;
		if (n_left-- == 0)
			return -ENOTRECOVERABLE;
	} while (!atomic_compare_exchange_weak(&s->shm->word, &seen, seen + n));
	if (seen & SLEEPERS)
		wake(&s->shm->word, seen + n, n);
	return 0;
}

/* --- tokens ----------------------------------------------------------------------------------- */

/* This process, in a word. */
static uint64_t my_process(void)
{
	static _Atomic uint64_t cached;
	uint64_t owner = atomic_load_explicit(&cached, memory_order_relaxed);

	/* A fork child's copy names its parent. */
	if (ipk__owner_id(owner) != (uint32_t)ipk__os_pid()) {
		owner = ipk__owner_of(ipk__os_pid());
		atomic_store_explicit(&cached, owner, memory_order_relaxed);
	}
	return owner;
}

/* Turn one token that is @from into @to, the nearest behind the hint: NULL there is none. */
static _Atomic uint64_t *next_one(ipk_semaphore *s, uint64_t from, uint64_t to)
{
	uint32_t at = atomic_load_explicit(&s->hint, memory_order_relaxed);

	for (uint32_t i = 0; i < s->max; i++, at++) {
		_Atomic uint64_t *token;
		uint64_t seen = from;

		at = at < s->max ? at : 0;
		token = &s->shm->tokens[at];
		if (atomic_load(token) == from &&
		    atomic_compare_exchange_strong(token, &seen, to)) {
			atomic_store_explicit(&s->hint, at, memory_order_relaxed);
			return token;
		}
	}
	return NULL;
}

/*
 * How many tokens this process acquired, from any semaphore. Tokens move during a scan: another
 * thread may acquire one behind the scan and release the one ahead of it. So a scan without success
 * is repeated if this has changed; a thread that acquires changes it before it can release.
 */
static _Atomic uint32_t n_taken;

static bool take_token(ipk_semaphore *s)
{
	if (!next_one(s, 0, my_process()))
		return false;
	atomic_fetch_add_explicit(&n_taken, 1, memory_order_relaxed);
	if (!atomic_load_explicit(&s->was_taken, memory_order_relaxed))
		atomic_store_explicit(&s->was_taken, true, memory_order_relaxed);
	return true;
}

/* @n tokens are free. Pairs with the sleeper's setting of the bit, before its last check. */
static void tell_sleepers(ipk_semaphore *s, uint32_t n)
{
	uint32_t seen = atomic_load(&s->shm->word);

	for (int i = 0; i < CAS_TRIES_MAX && (seen & SLEEPERS); i++) {
		uint32_t now = (seen + 1) | SLEEPERS;

		if (atomic_compare_exchange_weak(&s->shm->word, &seen, now)) {
			wake(&s->shm->word, now, n);
			return;
		}
	}
}

static int give_one(ipk_semaphore *s)
{
	uint32_t n_before;

	do {
		n_before = atomic_load(&n_taken);
		if (next_one(s, my_process(), 0)) {
			tell_sleepers(s, 1);
			return 0;
		}
	} while (atomic_load(&n_taken) != n_before);
	return -EPERM;
}

/* Marks up to @n tokens of ours as leaving, in @marks too; how many. */
static uint32_t mark(ipk_semaphore *s, uint32_t n, uint64_t *marks)
{
	uint64_t mine = my_process();
	uint32_t n_marked = 0, n_before;

	do {
		n_before = atomic_load(&n_taken);
		for (uint32_t i = 0; i < s->max && n_marked < n; i++) {
			uint64_t seen = mine;

			if (atomic_load(&s->shm->tokens[i]) != mine ||
			    !atomic_compare_exchange_strong(&s->shm->tokens[i], &seen,
							    mine | IPK__TOKEN_LEAVES))
				continue;
			marks[i / 64] |= (uint64_t)1 << i % 64;
			n_marked++;
		}
	} while (n_marked < n && atomic_load(&n_taken) != n_before);
	return n_marked;
}

/* Turn what mark() marked into @to. */
static void unmark(ipk_semaphore *s, const uint64_t *marks, uint64_t to)
{
	uint64_t leaving = my_process() | IPK__TOKEN_LEAVES;

	for (uint32_t i = 0; i < s->max; i++) {
		uint64_t seen = leaving;

		if (marks[i / 64] >> i % 64 & 1)
			atomic_compare_exchange_strong(&s->shm->tokens[i], &seen, to);
	}
}

/* All or none: they are marked first, so that it is known to be enough before any is free. */
static int give_many(ipk_semaphore *s, uint32_t n)
{
	uint64_t marks[IPK_SEMAPHORE_TOKENS_MAX / 64] = {0};
	bool is_enough = mark(s, n, marks) == n;

	unmark(s, marks, is_enough ? 0 : my_process());
	if (!is_enough)
		return -EPERM;
	tell_sleepers(s, n);
	return 0;
}

/* --- tokens of dead holders ------------------------------------------------------------------- */

/* Free them; how many. Holders come in rows: ask about each row once. */
static uint32_t free_dead(ipk_semaphore *s)
{
	struct ipk__walk walk = ipk__walk_begin(&s->asked, s->max);
	uint64_t alive = 0;
	uint32_t n = 0;
	uint32_t i;

	while (ipk__walk_next(&walk, &i)) {
		uint64_t seen = atomic_load(&s->shm->tokens[i]);
		uint64_t holder = seen & ~IPK__TOKEN_LEAVES;

		if (seen == 0 || holder == alive)
			continue;
		if (ipk__owner_is_dead(holder, true))
			n += atomic_compare_exchange_strong(&s->shm->tokens[i], &seen, 0);
		else
			alive = holder;
	}
	return n;
}

static bool reap(ipk_semaphore *s)
{
	uint32_t n = free_dead(s);

	if (n > 0)
		tell_sleepers(s, n);
	return n > 0;
}

/* The same, but when another has done so a moment ago it need not be done again. */
static void reap_round_robin(ipk_semaphore *s)
{
	int64_t last_ns = atomic_load(&s->shm->reaped_ns);

	if (ipk__is_due(last_ns, REAP_EVERY_NS) &&
	    atomic_compare_exchange_strong(&s->shm->reaped_ns, &last_ns, ipk__os_now_ns()))
		reap(s);
}

/* --- acquire and release ---------------------------------------------------------------------- */

static bool take(ipk_semaphore *s)
{
	return s->is_owned ? take_token(s) : take_one(s);
}

/* Those who have one may give it back sooner than one can go to sleep. */
static bool take_looking(ipk_semaphore *s)
{
	uint32_t step = s->is_owned ? 1 + s->max / TOKENS_A_LOOK : 1;

	for (uint32_t i = 0; ipk__os_cpu_online() > 1 && i < LOOKS; i += step) {
		ipk__os_pause();
		if (take(s))
			return true;
	}
	return false;
}

struct late {
	uint32_t n_tries;
	int64_t since_ns;
};

/* The deadline has passed while the word was @seen: whether to check once more. */
static bool may_take_yet(ipk_semaphore *s, uint32_t seen, struct late *late)
{
	if (!s->is_owned || ++late->n_tries > TRIES_MAX)
		return false;
	if (late->n_tries == 1)
		late->since_ns = ipk__os_now_ns();
	else if (ipk__os_now_ns() - late->since_ns > LATE_NS)
		return false;
	/* One may have been released behind the scan; if none was, there was none. */
	return atomic_load(&s->shm->word) != seen || reap(s);
}

/* There is none to take: -ETIMEDOUT, or the value is one that no call of ours left. */
static int why_not(const ipk_semaphore *s)
{
	uint32_t value = atomic_load_explicit(&s->shm->word, memory_order_relaxed) & ~SLEEPERS;

	return s->is_owned || value <= s->max ? -ETIMEDOUT : -ENOTRECOVERABLE;
}

static int take_sleeping(ipk_semaphore *s, ipk_deadline deadline)
{
	struct ipk__sleep sleep = IPK__SLEEP(&s->ref, IPK__WAIT_SEMAPHORE);
	_Atomic uint32_t *word = &s->shm->word;
	struct late late = {0};
	int r = 0;

	sleep.slice_ns = FIRST_SLICE_NS;
	for (;;) {
		/* Pairs with the check of a releaser, after its release. */
		uint32_t seen = atomic_fetch_or(word, SLEEPERS) | SLEEPERS;

		if (take(s)) {
			r = 0;
			break;
		}
		r = why_not(s);
		if (r == -ETIMEDOUT)
			r = ipk__sleep(&sleep, word, seen, deadline);
		if (r < 0 && !may_take_yet(s, seen, &late))
			break;
		if (r == 0 && s->is_owned)
			reap_round_robin(s);
		sleep.slice_ns = s->is_owned ? SLICE_NS : IPK__SLICE_NS;
	}
	ipk__sleep_end(&sleep);
	return r;
}

int ipk_semaphore_acquire(ipk_semaphore *s, ipk_deadline deadline)
{
	int r;

	if (!s)
		return -EBADF;
	r = s->is_owned ? ipk__object_check(&s->ref) : 0;
	if (r < 0 || take(s))
		return r;
	if (deadline.at_ns <= 0 && !s->is_owned)
		return why_not(s);
	if (deadline.at_ns <= 0)
		return take_sleeping(s, deadline);
	return take_looking(s) ? 0 : take_sleeping(s, deadline);
}

int ipk_semaphore_release_many(ipk_semaphore *s, uint32_t n)
{
	if (!s)
		return -EBADF;
	if (n == 0)
		return ipk__invalid("n: 1 or more");
	if (!s->is_owned)
		return add(s, n);
	return n == 1 ? give_one(s) : give_many(s, n);
}

int ipk_semaphore_release(ipk_semaphore *s)
{
	return ipk_semaphore_release_many(s, 1);
}

/* --- closing ---------------------------------------------------------------------------------- */

/* All that this process took, when it took any through this handle. */
static void let_go(ipk_semaphore *s)
{
	uint64_t marks[IPK_SEMAPHORE_TOKENS_MAX / 64] = {0};
	uint32_t n;

	if (!s->is_owned || !atomic_load_explicit(&s->was_taken, memory_order_relaxed))
		return;
	n = mark(s, s->max, marks);
	unmark(s, marks, 0);
	if (n > 0)
		tell_sleepers(s, n);
}

ipk_semaphore *ipk_semaphore_close(ipk_semaphore *s)
{
	if (s)
		let_go(s);
	ipk__handle_close(s);
	return NULL;
}

/* --- looking ---------------------------------------------------------------------------------- */

uint32_t ipk_semaphore_value(const ipk_semaphore *s)
{
	uint32_t n_free = 0;

	if (!s)
		return 0;
	if (!s->is_owned)
		return IPK__MIN(atomic_load(&s->shm->word) & ~SLEEPERS, s->max);
	for (uint32_t i = 0; i < s->max; i++)
		n_free += atomic_load(&s->shm->tokens[i]) == 0;
	return n_free;
}

int ipk_semaphore_holders(const ipk_semaphore *s, uint32_t *ret_pids, size_t max, size_t *ret_n)
{
	size_t n = 0;

	if (!s)
		return -EBADF;
	if (!ret_n || (!ret_pids && max > 0))
		return ipk__invalid("ret_n, or ret_pids with max over 0, is NULL");
	for (uint32_t i = 0; s->is_owned && i < s->max; i++) {
		uint64_t holder = atomic_load(&s->shm->tokens[i]) & ~IPK__TOKEN_LEAVES;

		if (holder == 0 || ipk__owner_is_dead(holder, true))
			continue;
		if (n < max)
			ret_pids[n] = ipk__owner_id(holder);
		n++;
	}
	*ret_n = n;
	return 0;
}

int ipk_semaphore_waiters(const ipk_semaphore *s, uint32_t *ret_tids, size_t max, size_t *ret_n)
{
	if (!s)
		return -EBADF;
	return ipk__object_list_waiters(&s->ref, ret_tids, max, ret_n);
}
