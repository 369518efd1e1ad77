/*
 * rwlock.c - one writer or many readers, in phases.
 *
 * Writers exclude each other by a robust mutex. A reader registers in a cell, then checks whether a
 * writer wants the lock; a writer announces that it wants the lock, then checks the cells. All four
 * accesses are sequentially consistent, so one of the two sees the other. Readers on different
 * processors use cells in different cache lines, which keeps them fast.
 *
 * Invariant: the holder of the mutex that has seen every cell free or waiting after is_wanted was
 * set is alone, for a cell gets its share only while is_wanted is 0, or from the writer.
 *
 * A reader that meets a writer marks its cell as waiting. The thread that ends a writer's phase
 * turns the waiting cells into shares before is_wanted is 0 again, so the next writer waits for
 * them: neither side starves. A dead writer leaves its tid in `writer`, which tells all later
 * threads, until another has written; the kernel releases its mutex, so the next thread can end its
 * phase. Cells of dead readers are found by the writer that waits for them.
 */
#include <errno.h>
#include <limits.h>

#include "lock/lock_internal.h"
#include "lock/rwlock_internal.h"
#include "os/os.h"
#include "shared/sleep.h"

#define CELLS_DEFAULT 64u
#define CELLS_PER_LINE 4u
#define LINE_STEP 5u /* odd: threads with neighbouring ids are not on neighbouring lines */
#define LOOKS 60
#define SLICE_NS 20000000 /* in which a writer asks whether the reader it waits for lives */
#define SLEEPERS 1u
#define TRIES_MAX 1024   /* of a CAS that our own operations never make fail so often */
#define LATE_MAX 8       /* retries after the deadline, while it frees the cells of dead readers, */
#define LATE_NS 30000000 /* and no longer than that */

struct ipk_rwlock {
	struct ipk__ref ref;
	struct ipk__shm_rwlock *shm;
	uint32_t n_cells;
	unsigned lines_log2;
	_Atomic bool was_read;  /* shares were taken through it */
	_Atomic uint32_t asked; /* the cell at which the next pass begins */
};

/* Of this thread; a fork child's copy belongs to its parent's thread. */
static _Thread_local struct self {
	pid_t tid;
	uint32_t n_astray; /* shares, of all locks, in cells that are not the first choice */
	uint64_t owner;
} self IPK__OS_NEAR;

static struct self *myself(void)
{
	pid_t tid = ipk__os_tid();

	if (self.tid != tid)
		self = (struct self){.tid = tid, .owner = ipk__owner_of(tid)};
	return &self;
}

/* --- making ----------------------------------------------------------------------------------- */

#define BYTES_MIN (sizeof(struct ipk__shm_rwlock) + CELLS_PER_LINE * sizeof(struct ipk__shm_cell))

static size_t bytes_for(uint32_t n_cells)
{
	return sizeof(struct ipk__shm_rwlock) + n_cells * sizeof(struct ipk__shm_cell);
}

static int init(struct ipk__shm_object *object, const void *opts)
{
	struct ipk__shm_rwlock *shm = (struct ipk__shm_rwlock *)object;

	shm->n_cells = ((const ipk_rwlock_opts *)opts)->max_readers;
	return ipk__robust_lock_init(&shm->writers);
}

static int bind(void *handle)
{
	ipk_rwlock *lock = handle;
	uint32_t n;

	lock->shm = (struct ipk__shm_rwlock *)lock->ref.object;
	n = *(volatile uint32_t *)&lock->shm->n_cells;
	if (n < CELLS_PER_LINE || n > IPK_RWLOCK_READERS_MAX || (n & (n - 1)) != 0 ||
	    bytes_for(n) > ipk__object_bytes(&lock->ref))
		return -EBADMSG;
	lock->n_cells = n;
	lock->lines_log2 = (unsigned)__builtin_ctz(n / CELLS_PER_LINE);
	return 0;
}

static bool is_like(const void *handle, const void *opts)
{
	const ipk_rwlock *lock = handle;

	return lock->n_cells == ((const ipk_rwlock_opts *)opts)->max_readers;
}

static const struct ipk__object_class class = {
	.kind = IPK__OBJECT_RWLOCK,
	.n_bytes = BYTES_MIN,
	.handle_bytes = sizeof(ipk_rwlock),
	.init = init,
	.bind = bind,
	.is_like = is_like,
};

int ipk_rwlock_create(const ipk_rwlock_opts *opts, ipk_rwlock **ret_lock)
{
	struct ipk__object_spec spec = {0};
	ipk_rwlock_opts o;
	int r = ipk__opts_copy(&o, sizeof o, opts);

	if (r < 0)
		return r;
	IPK__REQUIRE(o.max_readers <= IPK_RWLOCK_READERS_MAX,
		     "IPK_RWLOCK(.max_readers): 0 to IPK_RWLOCK_READERS_MAX");
	if (o.max_readers == 0)
		o.max_readers = CELLS_DEFAULT;
	o.max_readers = (uint32_t)ipk__round_up_pow2(IPK__MAX(o.max_readers, CELLS_PER_LINE));
	spec.n_bytes = bytes_for(o.max_readers);
	spec.name = o.name;
	spec.label = o.label;
	spec.opts = &o;
	spec.open_existing = o.open_existing;
	return ipk__handle_create(&class, &spec, ret_lock);
}

int ipk_rwlock_open(const char *name, ipk_deadline deadline, ipk_rwlock **ret_lock)
{
	return ipk__handle_open(&class, name, deadline, ret_lock);
}

int ipk_rwlock_unlink(const char *name)
{
	return ipk__object_unlink(name);
}

int ipk_rwlock_send(ipk_rwlock *lock, ipk_pipe *via, ipk_deadline deadline)
{
	return ipk__handle_send(lock, via, deadline);
}

int ipk_rwlock_recv(ipk_pipe *via, ipk_deadline deadline, ipk_rwlock **ret_lock)
{
	return ipk__handle_recv(&class, via, deadline, ret_lock);
}

/* --- sleeping and waking ---------------------------------------------------------------------- */

/*
 * A sleeper announces itself, checks once more, then sleeps on the value it announced. A waker
 * makes its change, then wakes: it pays for a system call only if a sleeper announced itself.
 */
static uint32_t announce(_Atomic uint32_t *word)
{
	return atomic_fetch_or(word, SLEEPERS) | SLEEPERS;
}

static void ring(_Atomic uint32_t *word)
{
	uint32_t seen = atomic_load(word);

	for (int i = 0; i < TRIES_MAX && (seen & SLEEPERS); i++) {
		/* The bit carries over into the count: who announced itself does not sleep. */
		if (atomic_compare_exchange_weak(word, &seen, seen + SLEEPERS)) {
			ipk__os_futex_wake(word, INT_MAX);
			return;
		}
	}
}

/* Holders are often done sooner than one can go to sleep. */
static int n_checks(ipk_deadline deadline)
{
	return deadline.at_ns > 0 && ipk__os_cpu_online() > 1 ? LOOKS : 0;
}

/* --- cells ------------------------------------------------------------------------------------ */

/* The @i-th choice of thread @tid: all lines first, then their other cells. */
static struct ipk__shm_cell *nth_cell(const ipk_rwlock *lock, pid_t tid, uint32_t i)
{
	uint32_t line = (uint32_t)tid * LINE_STEP;
	uint32_t within = (uint32_t)tid >> lock->lines_log2;
	uint32_t n_lines = 1u << lock->lines_log2;

	line = (line + i) & (n_lines - 1);
	within = (within + (i >> lock->lines_log2)) & (CELLS_PER_LINE - 1);
	return &lock->shm->cells[line * CELLS_PER_LINE + within];
}

static bool is_mine(const struct ipk__shm_cell *cell, const struct self *me)
{
	return atomic_load_explicit(&cell->word, memory_order_relaxed) == me->owner;
}

/* Where this thread has its share; NULL when it has none. */
static struct ipk__shm_cell *find_mine(const ipk_rwlock *lock, const struct self *me)
{
	struct ipk__shm_cell *cell = nth_cell(lock, me->tid, 0);

	if (is_mine(cell, me))
		return cell;
	for (uint32_t i = 1; me->n_astray > 0 && i < lock->n_cells; i++) {
		cell = nth_cell(lock, me->tid, i);
		if (is_mine(cell, me))
			return cell;
	}
	return NULL;
}

/* A free cell, which this thread's word is in now; NULL when there is none. */
static struct ipk__shm_cell *claim(ipk_rwlock *lock, struct self *me)
{
	for (uint32_t i = 0; i < lock->n_cells; i++) {
		struct ipk__shm_cell *cell = nth_cell(lock, me->tid, i);
		uint64_t nobody = 0;

		if (atomic_load_explicit(&cell->word, memory_order_relaxed) == 0 &&
		    atomic_compare_exchange_strong(&cell->word, &nobody, me->owner)) {
			cell->n_again = 0;
			me->n_astray += i > 0;
			return cell;
		}
	}
	return NULL;
}

static void leave(ipk_rwlock *lock, struct self *me, struct ipk__shm_cell *cell)
{
	struct ipk__shm_rwlock *shm = lock->shm;

	if (cell != nth_cell(lock, me->tid, 0))
		me->n_astray--;
	/* Pairs with the writer's check of it: our reads are done. */
	atomic_store_explicit(&cell->word, 0, memory_order_release);
	/* Pairs with the heavy fence of a sleeper that announced itself. */
	ipk__os_fence_light();
	if (atomic_load_explicit(&shm->is_wanted, memory_order_relaxed))
		ring(&shm->left);
	if (atomic_load_explicit(&shm->room, memory_order_relaxed) & SLEEPERS)
		ring(&shm->room);
}

/* Whether @cell, in which @word was seen, was a dead thread's and is free now. */
static bool reap(ipk_rwlock *lock, struct ipk__shm_cell *cell, uint64_t word)
{
	if (word == 0 || !ipk__owner_is_dead(word, false) ||
	    !atomic_compare_exchange_strong(&cell->word, &word, 0))
		return false;
	ring(&lock->shm->left);
	ring(&lock->shm->room);
	return true;
}

static bool reap_all(ipk_rwlock *lock)
{
	struct ipk__walk walk = ipk__walk_begin(&lock->asked, lock->n_cells);
	bool has_reaped = false;
	uint32_t i;

	while (ipk__walk_next(&walk, &i)) {
		struct ipk__shm_cell *cell = &lock->shm->cells[i];

		has_reaped |= reap(lock, cell, atomic_load(&cell->word));
	}
	return has_reaped;
}

struct late {
	int n;
	int64_t since_ns;
};

/* The deadline has passed, but cells of dead readers were freed: whether to check once more. */
static bool may_be_later(struct late *late)
{
	int64_t now_ns = ipk__os_now_ns();

	if (late->n++ == 0)
		late->since_ns = now_ns;
	return late->n <= LATE_MAX && now_ns - late->since_ns <= LATE_NS;
}

/* --- a writer's phase ------------------------------------------------------------------------- */

static bool is_writer(const ipk_rwlock *lock)
{
	return ipk__robust_lock_held(&lock->shm->writers) != NULL;
}

static void hand_over(ipk_rwlock *lock)
{
	for (uint32_t i = 0; i < lock->n_cells; i++) {
		_Atomic uint64_t *word = &lock->shm->cells[i].word;
		uint64_t seen = atomic_load(word);

		/* It fails if the reader gave up, or found that it need not wait. */
		if (seen & IPK__CELL_WAITS)
			atomic_compare_exchange_strong(word, &seen, seen & ~IPK__CELL_WAITS);
	}
}

/*
 * By the holder of the mutex: shares for all waiting readers, and then it is the readers' turn. A
 * reader that starts waiting too late for it finds that the lock is not wanted, or waits for the
 * next phase to end.
 */
static void end_phase(ipk_rwlock *lock)
{
	struct ipk__shm_rwlock *shm = lock->shm;

	if (atomic_load(&shm->has_behind)) {
		atomic_store(&shm->has_behind, 0);
		hand_over(lock);
	}
	/* Pairs with the readers' check after they claimed a cell or announced themselves. */
	atomic_store(&shm->is_wanted, 0);
	ring(&shm->ended);
}

/* Nobody has the mutex though the lock is wanted: that writer died. 0 also when it did not. */
static int end_dead_phase(ipk_rwlock *lock)
{
	bool died = false;
	int r = ipk__robust_lock_try(&lock->shm->writers, &died);

	if (r < 0)
		return r == -ETIMEDOUT ? 0 : r;
	end_phase(lock);
	ipk__robust_lock_release(&lock->shm->writers);
	return 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Until the share was granted, or no writer wants the lock any more. */
static int wait_while_wanted(ipk_rwlock *lock, struct ipk__shm_cell *cell, uint64_t waiting,
			     struct ipk__sleep *sleep, ipk_deadline deadline)
{
	struct ipk__shm_rwlock *shm = lock->shm;
	int left = n_checks(deadline);
	int r = 0;

	while (r == 0 && atomic_load(&cell->word) == waiting && atomic_load(&shm->is_wanted)) {
		uint32_t seen;

		if (ipk__robust_lock_owner(&shm->writers) == 0) {
			r = end_dead_phase(lock);
			if (r == 0)
				r = ipk__sleep_retry(sleep, deadline);
			continue;
		}
		if (left-- > 0) {
			ipk__os_pause();
			continue;
		}
		seen = announce(&shm->ended);
		if (atomic_load(&cell->word) != waiting || !atomic_load(&shm->is_wanted))
			break;
		r = ipk__sleep(sleep, &shm->ended, seen, deadline);
		/* The kernel may not have found the lock of a dead writer. */
		if (r == 0 && !sleep->is_woken)
			r = ipk__robust_lock_free_dead(&shm->writers);
	}
	return r;
}

/* @cell is ours, and a writer may want the lock. On failure the claim is rolled back. */
static int wait_behind_writer(ipk_rwlock *lock, struct self *me, struct ipk__shm_cell *cell,
			      ipk_deadline deadline)
{
	struct ipk__sleep sleep = IPK__SLEEP(&lock->ref, IPK__WAIT_READ_LOCK);
	bool is_handed = false;
	int r = 0;

	while (r == 0 && !is_handed && atomic_load(&lock->shm->is_wanted)) {
		uint64_t waiting = me->owner | IPK__CELL_WAITS;

		atomic_store(&cell->word, waiting);
		/* After the mark, so that who sees this sees that. */
		atomic_store(&lock->shm->has_behind, 1);
		ring(&lock->shm->left);
		r = wait_while_wanted(lock, cell, waiting, &sleep, deadline);
		/* As when it was claimed: check again whether a writer wants the lock. */
		is_handed = !atomic_compare_exchange_strong(&cell->word, &waiting, me->owner);
		if (r == 0 && !is_handed && atomic_load(&lock->shm->is_wanted))
			r = ipk__sleep_retry(&sleep, deadline);
	}
	ipk__sleep_end(&sleep);
	return is_handed ? 0 : r;
}

static int wait_for_cell(ipk_rwlock *lock, struct self *me, ipk_deadline deadline,
			 struct ipk__shm_cell **ret_cell)
{
	struct ipk__sleep sleep = IPK__SLEEP(&lock->ref, IPK__WAIT_READ_LOCK);
	_Atomic uint32_t *room = &lock->shm->room;
	struct ipk__shm_cell *cell = NULL;
	struct late late = {0};
	int r = 0;

	while (!cell && r == 0) {
		uint32_t seen = announce(room);

		/* Pairs with the light fence of a reader that leaves a cell. */
		ipk__os_fence_heavy();
		cell = claim(lock, me);
		if (cell)
			break;
		r = ipk__sleep(&sleep, room, seen, deadline);
		/* Nobody left: perhaps that is because they are dead. */
		if ((r < 0 || atomic_load(room) == seen) && reap_all(lock) &&
		    (r == 0 || may_be_later(&late)))
			r = 0;
	}
	ipk__sleep_end(&sleep);
	if (cell)
		*ret_cell = cell;
	return r;
}

static int read_first(ipk_rwlock *lock, struct self *me, ipk_deadline deadline)
{
	struct ipk__shm_cell *cell = claim(lock, me);
	int r;

	/* Pairs with the writer's store before it checks the cells. */
	if (cell && !atomic_load(&lock->shm->is_wanted))
		return 0;
	r = is_writer(lock) ? -EDEADLK : 0;
	if (r == 0 && !cell)
		r = wait_for_cell(lock, me, deadline, &cell);
	if (r == 0)
		r = wait_behind_writer(lock, me, cell, deadline);
	if (r < 0 && cell)
		leave(lock, me, cell);
	return r;
}

static int read_again(struct ipk__shm_cell *cell)
{
	if (cell->n_again == UINT32_MAX - 1)
		return -EOVERFLOW;
	cell->n_again++;
	return 0;
}

int ipk_rwlock_read_lock(ipk_rwlock *lock, ipk_deadline deadline, bool *ret_recovered)
{
	struct ipk__shm_cell *cell;
	struct self *me;
	int r;

	if (!lock)
		return -EBADF;
	r = ipk__object_check(&lock->ref);
	if (r < 0)
		return r;
	me = myself();
	cell = find_mine(lock, me);
	r = cell ? read_again(cell) : read_first(lock, me, deadline);
	if (r < 0)
		return r;
	if (!atomic_load_explicit(&lock->was_read, memory_order_relaxed))
		atomic_store_explicit(&lock->was_read, true, memory_order_relaxed);
	if (ret_recovered)
		*ret_recovered = atomic_load(&lock->shm->writer) != 0;
	return 0;
}

int ipk_rwlock_read_unlock(ipk_rwlock *lock)
{
	struct ipk__shm_cell *cell;
	struct self *me;

	if (!lock)
		return -EBADF;
	me = myself();
	cell = find_mine(lock, me);
	if (!cell)
		return -EPERM;
	if (cell->n_again > 0)
		cell->n_again--;
	else
		leave(lock, me, cell);
	return 0;
}

/* --- writing ---------------------------------------------------------------------------------- */

static int wait_for_reader(ipk_rwlock *lock, struct ipk__shm_cell *cell, struct ipk__sleep *sleep,
			   ipk_deadline deadline, struct late *late)
{
	_Atomic uint32_t *left = &lock->shm->left;
	int64_t asked_ns = deadline.at_ns > 0 ? ipk__os_now_ns() : 0;
	uint64_t word;

	for (int i = n_checks(deadline); i > 0 && ipk__cell_holds(atomic_load(&cell->word)); i--)
		ipk__os_pause();
	while (ipk__cell_holds(word = atomic_load(&cell->word))) {
		uint32_t seen = announce(left);
		int r;

		/* Pairs with the light fence of a reader that leaves the cell. */
		ipk__os_fence_heavy();
		if (atomic_load(&cell->word) != word) {
			r = ipk__sleep_retry(sleep, deadline);
			if (r < 0)
				return r;
			continue;
		}
		r = ipk__sleep(sleep, left, seen, deadline);
		/* By the clock: others may come and go all the time. */
		if (r == 0 && ipk__os_now_ns() - asked_ns < SLICE_NS)
			continue;
		/* The dead come in numbers: who finds one finds all. */
		if (reap(lock, cell, word))
			reap_all(lock);
		else if (r < 0)
			return r;
		if (r < 0 && !may_be_later(late))
			return r;
		asked_ns = ipk__os_now_ns();
	}
	return 0;
}

/* What was seen free or waiting stays so, see above: one walk is enough. */
static int wait_for_readers(ipk_rwlock *lock, ipk_deadline deadline)
{
	struct ipk__sleep sleep = IPK__SLEEP(&lock->ref, IPK__WAIT_WRITE_LOCK);
	struct late late = {0};
	int r = 0;

	sleep.slice_ns = SLICE_NS;
	for (uint32_t i = 0; r == 0 && i < lock->n_cells; i++) {
		struct ipk__shm_cell *cell = &lock->shm->cells[i];

		if (ipk__cell_holds(atomic_load(&cell->word)))
			r = wait_for_reader(lock, cell, &sleep, deadline, &late);
	}
	ipk__sleep_end(&sleep);
	return r;
}

static int lock_out_writers(ipk_rwlock *lock, ipk_deadline deadline)
{
	struct ipk__robust_lock *writers = &lock->shm->writers;
	bool died = false; /* `writer` tells whether it had acquired the lock */
	int r = ipk__robust_lock_try(writers, &died);

	if (r == -ETIMEDOUT)
		r = ipk__robust_lock_wait(writers, ipk__object_waiters(&lock->ref),
					  IPK__WAIT_WRITE_LOCK, ipk__object_offset(&lock->ref),
					  deadline, &died);
	return r;
}

static int write_first(ipk_rwlock *lock, ipk_deadline deadline)
{
	struct ipk__shm_rwlock *shm = lock->shm;
	int r = lock_out_writers(lock, deadline);

	if (r < 0)
		return r;
	/* Pairs with the readers' check after they claimed a cell. */
	atomic_store(&shm->is_wanted, 1);
	r = wait_for_readers(lock, deadline);
	if (r < 0) {
		end_phase(lock);
		ipk__robust_lock_release(&shm->writers);
	}
	return r;
}

int ipk_rwlock_write_lock(ipk_rwlock *lock, ipk_deadline deadline, bool *ret_recovered)
{
	struct self *me;
	int r;

	if (!lock)
		return -EBADF;
	r = ipk__object_check(&lock->ref);
	if (r < 0)
		return r;
	me = myself();
	if (find_mine(lock, me) || is_writer(lock))
		return -EDEADLK;
	if (ipk__os_self.n_locks >= IPK_LOCKS_HELD_MAX)
		return -ENOLCK;
	r = write_first(lock, deadline);
	if (r < 0)
		return r;
	if (ret_recovered)
		*ret_recovered = atomic_load(&lock->shm->writer) != 0;
	/* From here on its death leaves something to repair. Its readers come after all stores. */
	atomic_store_explicit(&lock->shm->writer, (uint32_t)me->tid, memory_order_release);
	ipk__robust_lock_held(&lock->shm->writers)->handle = lock;
	ipk__os_self.n_locks++;
	return 0;
}

int ipk_rwlock_write_unlock(ipk_rwlock *lock)
{
	if (!lock)
		return -EBADF;
	if (!is_writer(lock))
		return -EPERM;
	/* From here on it is consistent; readers granted shares now are told of no death. */
	atomic_store_explicit(&lock->shm->writer, 0, memory_order_release);
	end_phase(lock);
	ipk__os_self.n_locks--;
	return ipk__robust_lock_release(&lock->shm->writers);
}

/* --- closing ---------------------------------------------------------------------------------- */

/* What the calling thread took through this handle. */
static void let_go(ipk_rwlock *lock)
{
	struct ipk__held_lock *held = ipk__robust_lock_held(&lock->shm->writers);
	struct ipk__shm_cell *cell;

	if (held && held->handle == lock)
		(void)!ipk_rwlock_write_unlock(lock);
	if (!atomic_load_explicit(&lock->was_read, memory_order_relaxed))
		return;
	cell = find_mine(lock, myself());
	if (cell)
		leave(lock, myself(), cell);
}

ipk_rwlock *ipk_rwlock_close(ipk_rwlock *lock)
{
	if (!lock)
		return NULL;
	let_go(lock);
	/* Another thread's memory stays, see ipk__handle_close_locked(). */
	if (ipk__robust_lock_is_a_siblings(&lock->shm->writers))
		ipk__handle_abandon(lock);
	else
		ipk__handle_close(lock);
	return NULL;
}

/* --- looking ---------------------------------------------------------------------------------- */

uint32_t ipk_rwlock_owner(const ipk_rwlock *lock)
{
	uint32_t tid = lock ? atomic_load(&lock->shm->writer) : 0;

	/* Otherwise it died, and another is about to write. */
	return tid != 0 && ipk__robust_lock_owner(&lock->shm->writers) == tid ? tid : 0;
}

int ipk_rwlock_readers(const ipk_rwlock *lock, uint32_t *ret_tids, size_t max, size_t *ret_n)
{
	size_t n = 0;

	if (!lock)
		return -EBADF;
	if (!ret_n || (!ret_tids && max > 0))
		return ipk__invalid("ret_n, or ret_tids with max over 0, is NULL");
	for (uint32_t i = 0; i < lock->n_cells; i++) {
		uint64_t word = atomic_load(&lock->shm->cells[i].word);

		if (!ipk__cell_holds(word) || ipk__owner_is_dead(word, false))
			continue;
		if (n < max)
			ret_tids[n] = ipk__owner_id(word);
		n++;
	}
	*ret_n = n;
	return 0;
}

int ipk_rwlock_waiters(const ipk_rwlock *lock, uint32_t *ret_tids, size_t max, size_t *ret_n)
{
	if (!lock)
		return -EBADF;
	return ipk__object_list_waiters(&lock->ref, ret_tids, max, ret_n);
}
