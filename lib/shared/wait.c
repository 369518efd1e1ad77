/*
 * wait.c - spin for a while, then sleep in slices.
 *
 * Waking a sleeper on another core costs tens of microseconds, so a waiter first spins for about as
 * long (the budget is adaptive: it grows when spinning paid off, shrinks when it did not). It does
 * not spin while the other side last ran on the same core, and it yields now and then: when another
 * thread needs the core it goes to sleep. Polling disturbs the other side, so the checks are spaced
 * out, and in a stream the first one is delayed (let_gather()).
 */
#include <errno.h>

#include "os/os.h"
#include "shared/owner.h"
#include "shared/wait.h"

#define BUDGET_MAX_NS 50000
#define BUDGET_MIN_NS 1000
#define LOOKS_PER_CLOCK_READ 12
#define PAUSES_PER_LOOK 8
#define GATHER_NS 800
#define GATHER_TRY_EVERY 64 /* waits */
#define GATHERED_MIN 3      /* so many messages at once: it is a stream */
#define YIELD_EVERY_NS 5000
#define YIELD_IS_BUSY_NS 3000 /* a yield that takes longer ran another thread */
#define YIELDS 2
#define FIRST_SLICE_NS 1000000 /* who is dead already is found out soon */
#define NO_SLOT_SLICE_NS 5000000
#define VAIN_ROUNDS_FREE 64 /* races lost to others, who went on instead */
#define VAIN_NAP_NS 50000
#define VAIN_NAP_MAX_NS 1000000
#define ROUNDS_PER_CLOCK_READ 16
#define ROUNDS_AT_ONCE_MAX 65536 /* of a call that may not wait */

int64_t ipk__wait_slice_end_ns(ipk_deadline deadline)
{
	return IPK__MIN(deadline.at_ns, ipk__os_now_ns() + IPK__SLICE_NS);
}

bool ipk__is_due(int64_t last_ns, int64_t every_ns)
{
	int64_t now_ns = ipk__os_now_ns();

	return last_ns < 0 || last_ns > now_ns || now_ns - last_ns >= every_ns;
}

/* --- slots ------------------------------------------------------------------------------------ */

/* Free the slots of threads that died while they slept. */
static void sweep(struct ipk__waiters *waiters)
{
	for (int i = 0; i < IPK__WAITERS_MAX; i++) {
		struct ipk__waiter *slot = &waiters->slots[i];
		uint32_t tid = atomic_load(&slot->tid);
		int64_t since_ns = atomic_load(&slot->since_boot_ns);

		/* 0: the slot's first user has not said yet since when. */
		if (tid != 0 &&
		    ipk__is_dead_since(tid, false, since_ns > 0 ? since_ns : INT64_MAX)) {
			/* The thread that claims it next does not wait yet. */
			atomic_store(&slot->since_boot_ns, INT64_MAX);
			atomic_compare_exchange_strong(&slot->tid, &tid, 0);
		}
	}
}

static int claim(struct ipk__waiters *waiters, uint32_t tid)
{
	for (unsigned i = 0; i < IPK__WAITERS_MAX; i++) {
		unsigned at = (tid + i) % IPK__WAITERS_MAX;
		uint32_t nobody = 0;

		if (atomic_load_explicit(&waiters->slots[at].tid, memory_order_relaxed) == 0 &&
		    atomic_compare_exchange_strong(&waiters->slots[at].tid, &nobody, tid))
			return (int)at;
	}
	return -1;
}

int ipk__waiter_enter(struct ipk__waiters *waiters, uint32_t what, uint64_t object)
{
	uint32_t tid = (uint32_t)ipk__os_tid();
	int at = claim(waiters, tid);

	if (at < 0) {
		sweep(waiters);
		at = claim(waiters, tid);
	}
	if (at < 0)
		return -1;
	atomic_store_explicit(&waiters->slots[at].pid, (uint32_t)ipk__os_pid(),
			      memory_order_relaxed);
	atomic_store_explicit(&waiters->slots[at].since_boot_ns, ipk__os_boot_ns(),
			      memory_order_relaxed);
	atomic_store_explicit(&waiters->slots[at].object, object, memory_order_relaxed);
	/* Pairs with the inspector's acquire load: what is written last. */
	atomic_store_explicit(&waiters->slots[at].what, what, memory_order_release);
	return at;
}

void ipk__waiter_leave(struct ipk__waiters *waiters, int slot)
{
	if (slot < 0)
		return;
	atomic_store_explicit(&waiters->slots[slot].what, IPK__WAIT_NOTHING, memory_order_relaxed);
	/* So that a sweep leaves the next claim alone until it has said since when. */
	atomic_store_explicit(&waiters->slots[slot].since_boot_ns, INT64_MAX, memory_order_relaxed);
	atomic_store_explicit(&waiters->slots[slot].tid, 0, memory_order_release);
}

/* --- waking ----------------------------------------------------------------------------------- */

/* The next one of @set after @turn, which is not empty. */
static unsigned next_sleeper(uint64_t set, unsigned turn)
{
	uint64_t rotated = turn ? set >> turn | set << (64 - turn) : set;

	return ((unsigned)__builtin_ctzll(rotated) + turn) % 64;
}

void ipk__wait_queue_wake(struct ipk__wait_queue *queue, struct ipk__waiters *waiters, unsigned n)
{
	/*
	 * Each sleeper of this moment is tried once, whatever bits other processes set meanwhile:
	 * who enters the set after this load looks after our change, and needs no wake-up.
	 */
	uint64_t set = atomic_load(&queue->sleepers);

	while (n > 0 && set != 0) {
		unsigned turn = atomic_load_explicit(&queue->turn, memory_order_relaxed) % 64;
		unsigned at = next_sleeper(set, turn);
		uint64_t bit = (uint64_t)1 << at;

		set &= ~bit;
		if (!(atomic_fetch_and(&queue->sleepers, ~bit) & bit))
			continue; /* another waker has it */
		atomic_store_explicit(&queue->turn, at + 1, memory_order_relaxed);
		/* Set before the wake: one that is on its way to sleep does not. */
		atomic_store(&waiters->slots[at].word, 1);
		/* Nobody slept there: it is awake already, or dead. Wake another to be sure. */
		if (ipk__os_futex_wake(&waiters->slots[at].word, 1) > 0)
			n--;
	}
}

void ipk__wait_queue_arm(struct ipk__wait_queue *queue)
{
	atomic_fetch_add(&queue->armed, 1);
	/* Pairs with the waker's light fence: the caller's next look comes after this. */
	ipk__os_fence_heavy();
}

static void ring(struct ipk__wait_queue *queue, int fd, void (*how)(int fd))
{
	uint32_t armed = atomic_load(&queue->armed);
	uint32_t rung = atomic_load(&queue->rung);

	if (armed == rung)
		return;
	how(fd);
	/* Only this arming was served: one that came meanwhile stays due. */
	atomic_compare_exchange_strong(&queue->rung, &rung, armed);
}

void ipk__wait_queue_ring(struct ipk__wait_queue *queue, int doorbell_fd)
{
	ring(queue, doorbell_fd, ipk__os_doorbell);
}

void ipk__wait_queue_ring_fifo(struct ipk__wait_queue *queue, int fifo_fd)
{
	ring(queue, fifo_fd, ipk__os_doorbell_fifo);
}

/* --- looking ---------------------------------------------------------------------------------- */

static bool is_worth_looking(const struct ipk__wait *w)
{
	uint32_t peer = w->peer_cpu ? atomic_load_explicit(w->peer_cpu, memory_order_relaxed) : 0;

	return ipk__os_cpu_online() > 1 && peer != (uint32_t)ipk__os_cpu() + 1;
}

/*
 * Let messages gather before the first look, when they come in a stream. Whether they do is
 * tried out now and then, and believed for as long as several are found.
 */
static bool let_gather(struct ipk__spin_policy *spin)
{
	uint32_t n = atomic_fetch_add_explicit(&spin->n_waits, 1, memory_order_relaxed);
	int64_t until_ns;

	if (n % GATHER_TRY_EVERY != GATHER_TRY_EVERY - 1 &&
	    !atomic_load_explicit(&spin->is_stream, memory_order_relaxed))
		return false;
	until_ns = ipk__os_now_ns() + GATHER_NS;
	do {
		ipk__os_pause();
	} while (ipk__os_now_ns() < until_ns);
	return true;
}

static int look_once(const struct ipk__wait *w)
{
	for (int i = 0; i < PAUSES_PER_LOOK; i++)
		ipk__os_pause();
	return w->ready(w->arg, false);
}

/* Look until @until_ns: as ready() says, or 0 when it is time to sleep. */
static int look_until(const struct ipk__wait *w, int64_t start_ns, int64_t until_ns)
{
	int64_t yield_ns = start_ns + YIELD_EVERY_NS;
	int64_t now_ns;

	do {
		for (int i = 0; i < LOOKS_PER_CLOCK_READ; i++) {
			int r = look_once(w);

			if (r != 0)
				return r;
		}
		now_ns = ipk__os_now_ns();
		if (now_ns >= yield_ns) {
			ipk__os_yield();
			yield_ns = ipk__os_now_ns();
			if (yield_ns - now_ns > YIELD_IS_BUSY_NS)
				return w->ready(w->arg, false);
			yield_ns += YIELD_EVERY_NS;
		}
	} while (now_ns < until_ns);
	return 0;
}

static int spin_until(const struct ipk__wait *w, int64_t start_ns, int64_t until_ns)
{
	bool has_gathered = let_gather(w->spin);
	int r = look_until(w, start_ns, until_ns);

	if (has_gathered)
		atomic_store_explicit(&w->spin->is_stream, r >= GATHERED_MIN, memory_order_relaxed);
	return r;
}

/* The other side is on this very core: let it run, that costs less than two sleeps. */
static int let_run(const struct ipk__wait *w)
{
	int r = 0;

	for (int i = 0; r == 0 && i < YIELDS; i++) {
		ipk__os_yield();
		r = w->ready(w->arg, false);
	}
	return r;
}

static void learn(struct ipk__spin_policy *spin, int64_t budget_ns, bool looking_paid,
		  int64_t waited_ns)
{
	if (looking_paid || waited_ns < 2 * BUDGET_MAX_NS)
		budget_ns = IPK__MIN(BUDGET_MAX_NS, budget_ns * 2);
	else
		budget_ns = IPK__MAX(BUDGET_MIN_NS, budget_ns / 2);
	atomic_store_explicit(&spin->budget_ns, budget_ns, memory_order_relaxed);
}

/* --- sleeping --------------------------------------------------------------------------------- */

/*
 * One slice: 1, 0 or an error as ready() says; *ret_woken: a waker chose us. System calls
 * to find out about deaths are made only when the sleep brought nothing.
 */
static int sleep_slice(const struct ipk__wait *w, int at, int64_t end_ns, bool *ret_woken)
{
	struct ipk__waiter *slot = &w->waiters->slots[at];
	uint64_t bit = (uint64_t)1 << at;
	int r;

	atomic_store(&slot->word, 0);
	/* Pairs with the waker's light fence between its change and its look at the set. */
	atomic_fetch_or(&w->queue->sleepers, bit);
	ipk__os_fence_heavy();
	r = w->ready(w->arg, false);
	if (r == 0)
		ipk__os_futex_wait(&slot->word, 0, (ipk_deadline){end_ns});
	*ret_woken = (atomic_fetch_and(&w->queue->sleepers, ~bit) & bit) == 0;
	if (r == 0)
		r = w->ready(w->arg, false);
	return r != 0 ? r : w->ready(w->arg, true);
}

/* No slot was free: sleep unseen, for a short while. */
static int sleep_unseen(const struct ipk__wait *w, int64_t end_ns)
{
	_Atomic uint32_t nobody = 0;

	end_ns = IPK__MIN(end_ns, ipk__os_now_ns() + NO_SLOT_SLICE_NS);
	ipk__os_futex_wait(&nobody, 0, (ipk_deadline){end_ns});
	return w->ready(w->arg, true);
}

static int sleep_until(const struct ipk__wait *w, int64_t now_ns, ipk_deadline deadline)
{
	int at = ipk__waiter_enter(w->waiters, w->what, 0);
	int64_t slice_ns = FIRST_SLICE_NS;
	bool woken = false;
	int r = 0;

	while (r == 0) {
		int64_t end_ns = IPK__MIN(deadline.at_ns, now_ns + slice_ns);

		r = at < 0 ? sleep_unseen(w, end_ns) : sleep_slice(w, at, end_ns, &woken);
		if (r != 0)
			break;
		now_ns = ipk__os_now_ns();
		slice_ns = IPK__SLICE_NS;
		if (now_ns >= deadline.at_ns)
			r = -ETIMEDOUT;
	}
	ipk__waiter_leave(w->waiters, at);
	/* Chosen, but not going on: the wake-up is another's. */
	if (r < 0 && woken)
		ipk__wait_queue_wake(w->queue, w->waiters, 1);
	return r;
}

int ipk__wait(const struct ipk__wait *w, ipk_deadline deadline)
{
	int64_t budget_ns = atomic_load_explicit(&w->spin->budget_ns, memory_order_relaxed);
	int64_t start_ns;
	int r;

	if (deadline.at_ns <= 0) {
		r = w->ready(w->arg, true);
		return r == 0 ? -ETIMEDOUT : IPK__MIN(r, 0);
	}
	start_ns = ipk__os_now_ns();
	if (is_worth_looking(w)) {
		r = spin_until(w, start_ns, IPK__MIN(deadline.at_ns, start_ns + budget_ns));
		if (r != 0)
			learn(w->spin, budget_ns, true, 0);
	} else {
		r = let_run(w);
	}
	if (r != 0)
		return IPK__MIN(r, 0);
	r = w->sleep ? w->sleep(w->arg) : sleep_until(w, ipk__os_now_ns(), deadline);
	learn(w->spin, budget_ns, false, ipk__os_now_ns() - start_ns);
	return r < 0 ? r : 0;
}

/* --- loops that go on as shared memory says --------------------------------------------------- */

int ipk__round_in_vain(uint32_t *n_rounds, ipk_deadline deadline)
{
	int64_t nap_ns;

	if (++*n_rounds <= VAIN_ROUNDS_FREE)
		return 0;
	if (ipk_deadline_left_ns(deadline) == 0)
		return -ETIMEDOUT;
	nap_ns = (int64_t)(*n_rounds - VAIN_ROUNDS_FREE) * VAIN_NAP_NS;
	ipk__os_nap(IPK__MIN(nap_ns, VAIN_NAP_MAX_NS));
	return 0;
}

int ipk__round_of_work(uint32_t *n_rounds, ipk_deadline deadline)
{
	if (++*n_rounds % ROUNDS_PER_CLOCK_READ != 0)
		return 0;
	/* One that may not wait takes what is there; more than that comes while it looks. */
	if (deadline.at_ns <= 0)
		return *n_rounds < ROUNDS_AT_ONCE_MAX ? 0 : -ETIMEDOUT;
	return ipk_deadline_left_ns(deadline) == 0 ? -ETIMEDOUT : 0;
}
