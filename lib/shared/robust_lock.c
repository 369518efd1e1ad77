/*
 * robust_lock.c - the robust mutex, with deadlines.
 *
 * A lock is one word: the futex word of robust_list(7), which names the holding thread, and that
 * thread's incarnation number (owner.h). Acquiring it and recording the owner are one CAS.
 *
 * The kernel keeps each thread's list of held mutexes, and releases those of a dead thread to the
 * next waiter. The entries must be beside the words, where other processes can write. So they are
 * never read: a thread keeps its held locks, in order, in private memory, and links and unlinks the
 * entries from that. They are between two entries of its own, which are private too; the C library
 * links the program's robust mutexes before and after these: it reads and changes the words of
 * neighbours, and our two end entries have none.
 *
 *   the C library's head -> newer ones of the program -> front -> ours, the newest first
 *      -> back -> older ones of the program -> the head
 *
 * A process that overwrites an entry makes the kernel lose those behind it, and some systems have
 * no such list. Therefore a waiter checks after each slice whether the holder is alive, and if it
 * is not does what the kernel would have done. A stopped holder is alive. An incarnation number
 * keeps a reused tid from being taken for its first owner.
 *
 * A lock of a dead holder needs no repair of its own: everything guarded by these locks has a
 * single commit store, and derived state is repaired by the caller that gets *ret_recovered. A word
 * without a holder that none of our operations writes is reported in the same way; an impossible
 * word is -ENOTRECOVERABLE.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "os/robust_list.h"
#include "shared/owner.h"
#include "shared/robust_lock.h"

#define PAUSES_MIN 16
#define PAUSES_MAX 512
#define GRACE_NS 10000000       /* several time slices: a holder that runs is done by then */
#define FIRST_SLICE_NS 20000000 /* most wait less; one that waits longer asks who lives */
#define DOUBT_NS 20000000
#define TRIES_MAX 64 /* of a CAS that our own threads never make fail so often */
#define FEW 6        /* most threads hold no more at a time */
#define HELD_MAX (1024u + 16u)
#define TID_MAX (4u << 20) /* PID_MAX_LIMIT */

/* The kernel's word: first in glibc's mutex, second in musl's. */
#ifdef __GLIBC__
#define FUTEX_AT 0
#else
#define FUTEX_AT 1
#endif
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FUTEX_SHIFT (FUTEX_AT * 32)
#else
#define FUTEX_SHIFT (32 - FUTEX_AT * 32)
#endif
#define FUTEX_OFFSET (FUTEX_AT * 4 - (long)offsetof(struct ipk__robust_lock, entry.next))
#define WAITERS ((uint64_t)FUTEX_WAITERS << FUTEX_SHIFT)
#define DIED ((uint64_t)FUTEX_OWNER_DIED << FUTEX_SHIFT)
#define HOLDER ((uint64_t)FUTEX_TID_MASK << FUTEX_SHIFT)

/* --- what a thread knows of itself ------------------------------------------------------------ */

/* Valid while ipk__os_self.knows_locks is set, which the child of a fork begins without. */
static _Thread_local struct myself {
	uint64_t word;                 /* what a lock that this thread holds says */
	struct robust_list_head *head; /* NULL: the kernel does not follow */
	uint32_t n;
	uint32_t max;
	struct ipk__held_lock *held; /* in the order in which they were taken */
	struct ipk__held_lock few[FEW];
	struct ipk__robust_lock front, back; /* their words are not used */
	/* What the last try-once call found taken, and when it found that first. */
	const struct ipk__robust_lock *in_doubt;
	uint64_t doubtful_word;
	int64_t doubted_ns;
	int n_rounds; /* of destructors, when the thread ends */
} myself IPK__OS_NEAR;

static pthread_key_t at_end; /* of threads that held many locks at a time */
static _Atomic int at_end_is;
enum { BEING_MADE = 1, MADE };

static uint32_t futex_of(uint64_t word)
{
	return (uint32_t)(word >> FUTEX_SHIFT);
}

static uint32_t tid_of(uint64_t word)
{
	return futex_of(word) & FUTEX_TID_MASK;
}

static _Atomic uint32_t *futex_in(struct ipk__robust_lock *lock)
{
	return (_Atomic uint32_t *)&lock->word + FUTEX_AT;
}

/* The same in the words of owner.h. */
static uint64_t owner_in(uint64_t word)
{
	return (uint64_t)tid_of(word) << 32 | (uint32_t)(word >> (32 - FUTEX_SHIFT));
}

static uint64_t word_of(uint64_t owner)
{
	return (uint64_t)ipk__owner_id(owner) << FUTEX_SHIFT | (uint64_t)(uint32_t)owner
								       << (32 - FUTEX_SHIFT);
}

/* As the C library does it: what the list begins with now learns who is before it. */
static void join_list(struct myself *me)
{
	struct robust_list *first = (struct robust_list *)((uintptr_t)me->head->list.next & ~1ul);

	me->back.entry.prev = (struct ipk__robust_entry *)&me->front.entry.next;
	atomic_store(&me->back.entry.next, (struct ipk__robust_entry *)me->head->list.next);
	me->front.entry.prev = (struct ipk__robust_entry *)&me->head->list;
	atomic_store(&me->front.entry.next, (struct ipk__robust_entry *)&me->back.entry.next);
	if (first != &me->head->list)
		((void **)first)[-1] = &me->back.entry.next;
	atomic_signal_fence(memory_order_seq_cst);
	me->head->list.next = (struct robust_list *)&me->front.entry.next;
}

static __attribute__((noinline)) void get_to_know(struct myself *me)
{
	me->n = 0;
	if (!me->held) {
		me->held = me->few;
		me->max = FEW;
	}
	me->in_doubt = NULL;
	me->word = word_of(ipk__owner_of(ipk__os_tid()));
	if (ipk__os_robust_list(&me->head) < 0 || me->head->futex_offset != FUTEX_OFFSET)
		me->head = NULL;
	else
		join_list(me);
	ipk__os_self.knows_locks = true;
}

static inline struct myself *who_am_i(void)
{
	/* Asks for the id, too, where that is not known. */
	if (!ipk__os_self.knows_locks)
		get_to_know(&myself);
	return &myself;
}

/* --- what it holds ---------------------------------------------------------------------------- */

static void give_room_back(struct myself *me)
{
	free(me->held);
	me->held = me->few;
	me->max = FEW;
}

/*
 * The thread ends while it holds some, which the kernel gives to others. Destructors of the host's
 * that run after this one may still give back theirs: so not before the last round.
 */
static void forget_held(void *arg)
{
	struct myself *me = &myself;

	if (me->held == me->few)
		return;
	if (++me->n_rounds < PTHREAD_DESTRUCTOR_ITERATIONS && pthread_setspecific(at_end, arg) == 0)
		return;
	me->n = 0;
	give_room_back(me);
}

/*
 * Without a key to spare, or in a fork made while another thread was here, a thread that ends with
 * many leaves that memory behind. pthread_once() would wait for that other thread.
 */
static void watch_end(struct myself *me)
{
	int is = 0;

	if (atomic_compare_exchange_strong(&at_end_is, &is, BEING_MADE) &&
	    pthread_key_create(&at_end, forget_held) == 0)
		atomic_store(&at_end_is, MADE);
	if (atomic_load(&at_end_is) == MADE)
		(void)pthread_setspecific(at_end, me);
}

static __attribute__((noinline)) int make_room(struct myself *me)
{
	struct ipk__held_lock *more;

	if (me->n >= HELD_MAX)
		return -ENOLCK;
	more = ipk__os_malloc(HELD_MAX * sizeof *more);
	if (!more)
		return -ENOLCK;
	memcpy(more, me->held, me->n * sizeof *more);
	me->held = more;
	me->max = HELD_MAX;
	watch_end(me);
	return 0;
}

/* Its place among those that are held; UINT32_MAX: it is not. */
static inline uint32_t find(const struct myself *me, const struct ipk__robust_lock *lock)
{
	for (uint32_t i = me->n; i > 0; i--) {
		if (me->held[i - 1].lock == lock)
			return i - 1;
	}
	return UINT32_MAX;
}

/* The entries before and behind the @i-th, of which only the private books tell. */
static struct ipk__robust_entry *entry_before(struct myself *me, uint32_t i)
{
	return i + 1 < me->n ? &me->held[i + 1].lock->entry : &me->front.entry;
}

static struct ipk__robust_entry *entry_behind(struct myself *me, uint32_t i)
{
	struct ipk__robust_lock *lock = i > 0 ? me->held[i - 1].lock : &me->back;

	/* The kernel's pointers lead to the pointers in the entries. */
	return (struct ipk__robust_entry *)&lock->entry.next;
}

/*
 * The fences here are for the kernel alone, which looks when this thread has died between two
 * instructions. Nothing is released to another thread: the list is this thread's.
 *
 * It may have the lock already, and another have written over the word, so that it could be taken
 * once more. In the list twice it would lead to itself, and in the books it would stay for ever.
 */
static inline int note(struct myself *me, struct ipk__robust_lock *lock, const void *handle)
{
	struct ipk__robust_entry *entry = &lock->entry;

	if (find(me, lock) != UINT32_MAX)
		return -ENOTRECOVERABLE;
	atomic_store_explicit(&entry->next, entry_behind(me, me->n), memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&me->front.entry.next, (struct ipk__robust_entry *)&entry->next,
			      memory_order_relaxed);
	me->held[me->n++] = (struct ipk__held_lock){.lock = lock, .handle = handle};
	return 0;
}

static __attribute__((noinline)) void strike_any(struct myself *me, uint32_t i)
{
	atomic_store_explicit(&entry_before(me, i)->next, entry_behind(me, i),
			      memory_order_relaxed);
	me->n--;
	if (i < me->n)
		memmove(&me->held[i], &me->held[i + 1], (me->n - i) * sizeof me->held[0]);
	if (me->n == 0 && me->held != me->few)
		give_room_back(me);
}

/* Most threads hold few, and give back first what they took last. */
static inline void strike(struct myself *me, uint32_t i)
{
	if (i + 1 != me->n || me->held != me->few) {
		strike_any(me, i);
		return;
	}
	atomic_store_explicit(&me->front.entry.next, entry_behind(me, i), memory_order_relaxed);
	me->n = i;
}

/* Until end_list_op(): a death in between is the kernel's to look at, too. */
static struct robust_list *begin_list_op(struct myself *me, struct ipk__robust_lock *lock)
{
	struct robust_list *before;

	if (!me->head)
		return NULL;
	before = me->head->list_op_pending;
	me->head->list_op_pending = (struct robust_list *)&lock->entry.next;
	atomic_signal_fence(memory_order_seq_cst);
	return before;
}

static void end_list_op(struct myself *me, struct robust_list *before)
{
	atomic_signal_fence(memory_order_seq_cst);
	if (me->head)
		me->head->list_op_pending = before;
}

struct ipk__held_lock *ipk__robust_lock_held(const struct ipk__robust_lock *lock)
{
	uint32_t i = ipk__os_self.knows_locks ? find(&myself, lock) : UINT32_MAX;

	return i == UINT32_MAX ? NULL : &myself.held[i];
}

bool ipk__robust_lock_is_a_siblings(const struct ipk__robust_lock *lock)
{
	uint32_t tid = ipk__robust_lock_owner(lock);

	return tid != 0 && !ipk__robust_lock_held(lock) && ipk__os_is_our_thread((pid_t)tid);
}

/* --- taking ----------------------------------------------------------------------------------- */

int ipk__robust_lock_init(struct ipk__robust_lock *lock)
{
	atomic_store(&lock->word, 0);
	return 0;
}

/* No thread and no kernel wrote that. */
static bool is_impossible(uint64_t word)
{
	return tid_of(word) > TID_MAX || (tid_of(word) != 0 && (word & DIED));
}

/*
 * Take it while it is free. @seen is what it held a moment ago, @mark is to be in our word.
 * -ETIMEDOUT: it is held, with *seen.
 */
static int take(struct myself *me, struct ipk__robust_lock *lock, uint64_t *seen, uint64_t mark,
		bool *ret_recovered)
{
	for (int i = 0; i < TRIES_MAX && !(*seen & HOLDER); i++) {
		uint64_t was = *seen;

		/* Pairs with the release in give(): what its holder did is seen. */
		if (!atomic_compare_exchange_strong(&lock->word, seen,
						    me->word | mark | (was & WAITERS)))
			continue;
		if (was != 0)
			*ret_recovered = true;
		return note(me, lock, NULL);
	}
	return is_impossible(*seen) ? -ENOTRECOVERABLE : -ETIMEDOUT;
}

static inline int try_through(struct ipk__robust_lock *lock, const void *handle,
			      bool *ret_recovered)
{
	struct myself *me = who_am_i();
	struct robust_list *before;
	uint64_t seen = 0;
	int r = me->n < me->max ? 0 : make_room(me);

	if (r < 0)
		return r;
	before = begin_list_op(me, lock);
	/* Pairs with the release in give(). */
	if (atomic_compare_exchange_strong(&lock->word, &seen, me->word))
		r = note(me, lock, handle);
	else
		r = take(me, lock, &seen, 0, ret_recovered);
	end_list_op(me, before);
	return r;
}

int ipk__robust_lock_try_through(struct ipk__robust_lock *lock, const void *handle,
				 bool *ret_recovered)
{
	return try_through(lock, handle, ret_recovered);
}

int ipk__robust_lock_try(struct ipk__robust_lock *lock, bool *ret_recovered)
{
	return try_through(lock, NULL, ret_recovered);
}

/*
 * Critical sections are shorter than going to sleep, so look for a while; each look takes
 * the lock's line away from its holder, so look less and less often: then the thread that runs gets
 * several turns in a row, which is faster for all.
 */
static int acquire_looking(struct ipk__robust_lock *lock, bool *ret_recovered)
{
	if (ipk__os_cpu_online() == 1)
		return -ETIMEDOUT;
	for (int n_pauses = PAUSES_MIN; n_pauses <= PAUSES_MAX; n_pauses *= 2) {
		for (int i = 0; i < n_pauses; i++)
			ipk__os_pause();
		if (ipk__robust_lock_owner(lock) == 0) {
			int r = ipk__robust_lock_try(lock, ret_recovered);

			if (r != -ETIMEDOUT)
				return r;
		}
	}
	return -ETIMEDOUT;
}

/*
 * Whether the lock, in which @seen was seen, was a dead thread's and is free now: as the
 * kernel leaves it, who takes it is told. Only one succeeds, and a word of the same number and
 * another incarnation is not @seen.
 */
static bool bury_holder(struct ipk__robust_lock *lock, uint64_t seen)
{
	if (!(seen & HOLDER) || is_impossible(seen) || !ipk__owner_is_dead(owner_in(seen), false) ||
	    !atomic_compare_exchange_strong(&lock->word, &seen, (seen & WAITERS) | DIED))
		return false;
	ipk__os_futex_wake(futex_in(lock), 1);
	return true;
}

int ipk__robust_lock_free_dead(struct ipk__robust_lock *lock)
{
	uint64_t seen = atomic_load(&lock->word);

	(void)bury_holder(lock, seen);
	return is_impossible(seen) ? -ENOTRECOVERABLE : 0;
}

/* Sleep while it is another's, and say so in it first: a slice at most. */
static int sleep_for(struct ipk__robust_lock *lock, uint64_t seen, int64_t end_ns)
{
	if (!(seen & WAITERS) &&
	    !atomic_compare_exchange_strong(&lock->word, &seen, seen | WAITERS))
		return 0;
	return ipk__os_futex_wait(futex_in(lock), futex_of(seen | WAITERS), (ipk_deadline){end_ns});
}

static int take_sleeping(struct myself *me, struct ipk__robust_lock *lock, ipk_deadline deadline,
			 bool *ret_recovered)
{
	int64_t now_ns = ipk__os_now_ns();
	int64_t slice_ns = FIRST_SLICE_NS;
	uint64_t mark = 0;
	int r;

	do {
		uint64_t seen = atomic_load(&lock->word);
		int64_t end_ns = IPK__MIN(deadline.at_ns, now_ns + slice_ns);

		r = take(me, lock, &seen, mark, ret_recovered);
		if (r != -ETIMEDOUT)
			return r;
		/* Our own name, but we have it not: no waiting would help. */
		if ((seen & ~WAITERS) == me->word && find(me, lock) == UINT32_MAX)
			return -ENOTRECOVERABLE;
		if (sleep_for(lock, seen, end_ns) == -ETIMEDOUT &&
		    !bury_holder(lock, seen | WAITERS))
			slice_ns = IPK__SLICE_NS;
		mark = WAITERS; /* others may sleep yet when this one is woken */
		now_ns = ipk__os_now_ns();
	} while (now_ns < deadline.at_ns);
	return ipk__robust_lock_try(lock, ret_recovered);
}

static int acquire_slowly(struct ipk__robust_lock *lock, struct ipk__waiters *waiters,
			  uint32_t what, uint64_t object, ipk_deadline deadline,
			  bool *ret_recovered)
{
	struct myself *me = who_am_i();
	int slot = ipk__waiter_enter(waiters, what, object);
	int r = me->n < me->max ? 0 : make_room(me);

	if (r == 0) {
		/* Also for this: who was woken for the lock and dies has the kernel wake another.
		 */
		struct robust_list *before = begin_list_op(me, lock);

		r = take_sleeping(me, lock, deadline, ret_recovered);
		end_list_op(me, before);
	}
	ipk__waiter_leave(waiters, slot);
	return r;
}

/*
 * Who only tries never waits for a slice. When it finds the same holder for as long, it asks
 * like those who do.
 */
static int try_doubting(struct ipk__robust_lock *lock, bool *ret_recovered)
{
	struct myself *me = who_am_i();
	uint64_t seen = atomic_load(&lock->word) & ~WAITERS;
	int64_t now_ns = ipk__os_coarse_ns();

	if (me->in_doubt != lock || me->doubtful_word != seen) {
		me->in_doubt = lock;
		me->doubtful_word = seen;
		me->doubted_ns = now_ns;
		return -ETIMEDOUT;
	}
	if (now_ns - me->doubted_ns < DOUBT_NS)
		return -ETIMEDOUT;
	me->doubted_ns = now_ns;
	if (!bury_holder(lock, seen) && !bury_holder(lock, seen | WAITERS))
		return -ETIMEDOUT;
	return ipk__robust_lock_try(lock, ret_recovered);
}

int ipk__robust_lock_acquire(struct ipk__robust_lock *lock, struct ipk__waiters *waiters,
			     uint32_t what, uint64_t object, ipk_deadline deadline,
			     bool *ret_recovered)
{
	int r = ipk__robust_lock_try(lock, ret_recovered);

	if (r != -ETIMEDOUT)
		return r;
	if (deadline.at_ns <= 0)
		deadline = ipk_in_ns(GRACE_NS);
	return ipk__robust_lock_wait(lock, waiters, what, object, deadline, ret_recovered);
}

int ipk__robust_lock_wait(struct ipk__robust_lock *lock, struct ipk__waiters *waiters,
			  uint32_t what, uint64_t object, ipk_deadline deadline,
			  bool *ret_recovered)
{
	int r = acquire_looking(lock, ret_recovered);

	if (r != -ETIMEDOUT)
		return r;
	if (deadline.at_ns <= 0)
		return try_doubting(lock, ret_recovered);
	return acquire_slowly(lock, waiters, what, object, deadline, ret_recovered);
}

/* --- giving back ------------------------------------------------------------------------------ */

/*
 * It is another's word already when others wrote over it; theirs is left alone. Nobody else takes
 * our name out, so one look decides. Then an exchange: a queue between two distant processors is a
 * third faster with it than with a compare-and-exchange.
 */
static int give(struct myself *me, struct ipk__robust_lock *lock)
{
	uint64_t seen = atomic_load_explicit(&lock->word, memory_order_relaxed);

	if ((seen & ~WAITERS) != me->word)
		return -ENOTRECOVERABLE;
	/* Pairs with the thread that takes it: what we did is seen. */
	seen = atomic_exchange(&lock->word, 0);
	if (seen & WAITERS)
		ipk__os_futex_wake(futex_in(lock), 1);
	return (seen & ~WAITERS) == me->word ? 0 : -ENOTRECOVERABLE;
}

static inline int release(struct myself *me, uint32_t i)
{
	struct ipk__robust_lock *lock = me->held[i].lock;
	struct robust_list *before = begin_list_op(me, lock);
	int r;

	/* First: the thread that takes it next links the same entry into a list of its own. */
	strike(me, i);
	r = give(me, lock);
	end_list_op(me, before);
	return r;
}

int ipk__robust_lock_release(struct ipk__robust_lock *lock)
{
	uint32_t i = ipk__os_self.knows_locks ? find(&myself, lock) : UINT32_MAX;

	return i == UINT32_MAX ? -EPERM : release(&myself, i);
}

int ipk__robust_lock_release_held(struct ipk__held_lock *held)
{
	return release(&myself, (uint32_t)(held - myself.held));
}

uint32_t ipk__robust_lock_owner(const struct ipk__robust_lock *lock)
{
	return tid_of(atomic_load_explicit(&lock->word, memory_order_relaxed));
}
