/*
 * ops_rwlock.c - RWLock: acquire and release, to read and to write.
 *
 * A killed reader's share is released without a notification; after a writer was killed, all that
 * acquire the lock are notified until a writer has unlocked it. "reader" and "writer" in a row name
 * the other process, which holds the lock, or was killed holding it, or sleeps for what the victim
 * releases.
 */
#include <errno.h>
#include <unistd.h>

#include "participants.h"
#include "ipk/rwlock.h"

enum { NOBODY, READER, WRITER };
enum { READ_LOCK, READ_UNLOCK, WRITE_LOCK, WRITE_UNLOCK };
#define SLEEPERS 2
#define POINTS_MAX 500 /* where one that sleeps looks into /proc in every slice */

static int read_lock(struct fixture *s, ipk_deadline deadline, bool *ret_recovered)
{
	return ipk_rwlock_read_lock(s->object, deadline, ret_recovered);
}

static int write_lock(struct fixture *s, ipk_deadline deadline, bool *ret_recovered)
{
	return ipk_rwlock_write_lock(s->object, deadline, ret_recovered);
}

static int read_at_once(struct fixture *s)
{
	return read_lock(s, ipk_now(), NULL);
}

static int write_at_once(struct fixture *s)
{
	return write_lock(s, ipk_now(), NULL);
}

static int take_to_read(struct fixture *s)
{
	return read_lock(s, ipk_in_ms(CALL_MS), NULL);
}

static int take_to_write(struct fixture *s)
{
	return write_lock(s, ipk_in_ms(CALL_MS), NULL);
}

static bool other_writes(const struct fixture *s)
{
	return s->op->variant == WRITER;
}

/* The participants: has it until the victim sleeps for it. */
static int hold(struct fixture *s, struct participant *me)
{
	int r = other_writes(s) ? take_to_write(s) : take_to_read(s);

	if (r < 0)
		return r;
	go_inside(s, false);
	participant_say(me, READY);
	participants_await_victim_asleep(s);
	go_outside(s);
	return other_writes(s) ? ipk_rwlock_write_unlock(s->object)
			       : ipk_rwlock_read_unlock(s->object);
}

static int go_in_to_write(struct fixture *s, ipk_deadline deadline)
{
	bool was_told = false;
	int r = write_lock(s, deadline, &was_told);

	if (r < 0)
		return r;
	go_inside(s, was_told);
	go_outside(s);
	return ipk_rwlock_write_unlock(s->object);
}

static int go_in_to_read(struct fixture *s, ipk_deadline deadline)
{
	bool was_told = false;
	int r = read_lock(s, deadline, &was_told);

	if (r < 0)
		return r;
	atomic_fetch_add(&s->history->n_told, was_told);
	return ipk_rwlock_read_unlock(s->object);
}

/* The participants: sleeps for what the victim has. */
static int sleep_for_it(struct fixture *s, struct participant *me)
{
	participant_say(me, READY);
	participants_await_victim(s);
	participant_say(me, IN_CALL);
	return other_writes(s) ? go_in_to_write(s, ipk_in_ms(2 * CALL_MS))
			       : go_in_to_read(s, ipk_in_ms(2 * CALL_MS));
}

/* --- the fixture ------------------------------------------------------------------------------ */

static int make(struct fixture *s)
{
	ipk_rwlock *lock = NULL;
	int r = ipk_rwlock_create(NULL, &lock);

	s->object = lock;
	if (r == 0 && s->op->state == DEAD)
		r = let_die(s, other_writes(s) ? take_to_write : take_to_read);
	return r;
}

static int make_lock(struct fixture *s)
{
	int r = make(s);

	return r == 0 && s->op->state == TAKEN ? participants_start(s, 1, hold) : r;
}

static int make_unlock(struct fixture *s)
{
	int r = make(s);

	return r == 0 && s->op->state == TAKEN ? participants_start(s, SLEEPERS, sleep_for_it) : r;
}

static void unmake(struct fixture *s)
{
	participants_end(s);
	s->object = ipk_rwlock_close(s->object);
}

/* --- the victim ------------------------------------------------------------------------------- */

/* A thread's first read lock finds out when the thread began: one row is enough for that. */
static void know_thyself(struct fixture *s)
{
	ipk_rwlock *lock = NULL;

	expect(s, "create", ipk_rwlock_create(NULL, &lock), 0);
	expect(s, "read lock", ipk_rwlock_read_lock(lock, ipk_now(), NULL), 0);
	expect(s, "read unlock", ipk_rwlock_read_unlock(lock), 0);
	ipk_rwlock_close(lock);
}

static int act_read_lock(struct fixture *s)
{
	int r = read_lock(s, s->deadline, &s->history->was_told);

	s->history->found_inside = atomic_load(&s->history->inside);
	return r;
}

static int act_write_lock(struct fixture *s)
{
	int r = write_lock(s, s->deadline, &s->history->was_told);

	s->history->found_inside = atomic_load(&s->history->inside);
	return r;
}

static void ready_lock(struct fixture *s)
{
	if (s->op->act != act_read_lock || s->op->state != FREE)
		know_thyself(s);
}

static void after_read_lock(struct fixture *s)
{
	struct history *l = s->history;

	if (l->result < 0)
		return;
	if (atomic_load(&l->inside) != 0)
		history_fault(l, &l->faults.wrong, "a reader beside a writer");
	expect(s, "unlock", ipk_rwlock_read_unlock(s->object), 0);
}

static void after_write_lock(struct fixture *s)
{
	if (s->history->result < 0)
		return;
	go_inside(s, s->history->was_told);
	go_outside(s);
	expect(s, "unlock", ipk_rwlock_write_unlock(s->object), 0);
}

static void await_sleepers(struct fixture *s)
{
	atomic_store(&s->history->is_victim_ready, 1);
	participants_await_asleep(s);
}

static void ready_read_unlock(struct fixture *s)
{
	expect(s, "read lock", take_to_read(s), 0);
	await_sleepers(s);
}

static void ready_write_unlock(struct fixture *s)
{
	expect(s, "write lock", take_to_write(s), 0);
	await_sleepers(s);
}

static int act_read_unlock(struct fixture *s)
{
	return ipk_rwlock_read_unlock(s->object);
}

static int act_write_unlock(struct fixture *s)
{
	return ipk_rwlock_write_unlock(s->object);
}

/* --- the survivor ----------------------------------------------------------------------------- */

/* Beside a stopped victim: what it gets it keeps, to see whether the victim comes in too. */
static void meet_rwlock(struct fixture *s)
{
	bool was_told = false;
	int r = write_lock(s, ipk_in_ms(MEET_MS), &was_told);

	if (r == 0)
		go_inside(s, was_told);
	else
		expect(s, "lock beside a stopped one", r, -ETIMEDOUT);
}

static void leave_meeting(struct fixture *s)
{
	if (ipk_rwlock_owner(s->object) != (uint32_t)getpid())
		return;
	go_outside(s);
	expect(s, "unlock", ipk_rwlock_write_unlock(s->object), 0);
}

static int read_and_unlock(struct fixture *s)
{
	int r = read_at_once(s);

	return r < 0 ? r : ipk_rwlock_read_unlock(s->object);
}

static bool read_once(struct fixture *s)
{
	bool was_told = false;

	if (!expect(s, "read lock", read_lock(s, ipk_in_ms(CALL_MS), &was_told), 0))
		return false;
	expect_elsewhere(s, "write lock beside a reader", write_at_once, -ETIMEDOUT);
	expect_elsewhere(s, "read lock beside a reader", read_and_unlock, 0);
	expect(s, "read unlock", ipk_rwlock_read_unlock(s->object), 0);
	return was_told;
}

static bool write_once(struct fixture *s)
{
	bool was_told = false;

	if (!expect(s, "write lock", write_lock(s, ipk_in_ms(CALL_MS), &was_told), 0))
		return false;
	go_inside(s, was_told);
	expect_elsewhere(s, "write lock beside a writer", write_at_once, -ETIMEDOUT);
	expect_elsewhere(s, "read lock beside a writer", read_at_once, -ETIMEDOUT);
	go_outside(s);
	expect(s, "write unlock", ipk_rwlock_write_unlock(s->object), 0);
	return was_told;
}

static void check_idle(struct fixture *s)
{
	struct history *l = s->history;

	if (ipk_rwlock_owner(s->object) != 0 ||
	    N_LISTED(ipk_rwlock_readers, s->object, NULL, 0) != 0 ||
	    N_LISTED(ipk_rwlock_waiters, s->object, NULL, 0) != 0)
		history_fault(l, &l->faults.leaked, "somebody still has it, or waits");
}

static void check_use(struct fixture *s)
{
	struct history *l = s->history;
	bool reader_told = read_once(s);
	bool writer_told = write_once(s);

	if (l->faults.hang > 0)
		return;
	if (reader_told != writer_told)
		history_fault(l, &l->faults.wrong, "a reader was told %d, then a writer %d",
			      reader_told, writer_told);
	if (read_once(s) || write_once(s))
		history_fault(l, &l->faults.dup, "told after a writer unlocked it");
	check_idle(s);
}

/* A death must be told: to the next one, whoever that is. */
static void check_told(struct fixture *s, bool must, bool may)
{
	struct history *l = s->history;
	uint32_t n_told = atomic_load(&l->n_told);

	if (must && n_told == 0)
		history_fault(l, &l->faults.lost, "a writer's death was not told");
	if (!may && n_told > 0)
		history_fault(l, &l->faults.wrong, "a writer's death was told, and none died");
}

static void check_result(struct fixture *s)
{
	struct history *l = s->history;
	bool is_lock = s->op->act == act_read_lock || s->op->act == act_write_lock;
	bool writer_died = s->op->state == DEAD && other_writes(s);

	if (!atomic_load(&l->is_done) || (s->op->is_stop && l->result == -ETIMEDOUT))
		return;
	expect(s, "the victim's call", l->result, 0);
	if (is_lock && l->found_inside != 0)
		history_fault(l, &l->faults.wrong, "two owners at once");
	if (is_lock && !s->op->is_stop && l->was_told != writer_died)
		history_fault(l, &l->faults.wrong, "the victim was told %d", l->was_told);
}

static void check_rwlock(struct fixture *s)
{
	bool is_done = atomic_load(&s->history->is_done);
	bool writer_died = s->op->state == DEAD && other_writes(s);
	bool is_write_lock = s->op->act == act_write_lock;
	bool is_write_unlock = s->op->act == act_write_unlock;

	leave_meeting(s);
	check_result(s);
	if (!participants_check_ended(s))
		return;
	check_use(s);
	if (s->op->is_stop)
		check_told(s, false, writer_died);
	else if (is_write_lock)
		check_told(s, writer_died || is_done, writer_died || true);
	else if (is_write_unlock)
		check_told(s, false, !is_done);
	else
		check_told(s, writer_died, writer_died);
}

/* --- the rows --------------------------------------------------------------------------------- */

static const struct op ops[] = {
	[READ_LOCK] = {.name = "rwlock_read_lock",
		       .make = make_lock,
		       .ready = ready_lock,
		       .act = act_read_lock,
		       .after = after_read_lock},
	[READ_UNLOCK] = {.name = "rwlock_read_unlock",
			 .make = make_unlock,
			 .ready = ready_read_unlock,
			 .act = act_read_unlock},
	[WRITE_LOCK] = {.name = "rwlock_write_lock",
			.make = make_lock,
			.ready = ready_lock,
			.act = act_write_lock,
			.after = after_write_lock},
	[WRITE_UNLOCK] = {.name = "rwlock_write_unlock",
			  .make = make_unlock,
			  .ready = ready_write_unlock,
			  .act = act_write_unlock},
};

static const struct {
	int op;
	int other;
	enum state state;
} rows[] = {
	{READ_LOCK, NOBODY, FREE},    {READ_LOCK, WRITER, TAKEN},    {READ_LOCK, READER, DEAD},
	{READ_LOCK, WRITER, DEAD},    {READ_UNLOCK, NOBODY, FREE},   {READ_UNLOCK, WRITER, TAKEN},
	{READ_UNLOCK, READER, DEAD},  {WRITE_LOCK, NOBODY, FREE},    {WRITE_LOCK, READER, TAKEN},
	{WRITE_LOCK, WRITER, TAKEN},  {WRITE_LOCK, READER, DEAD},    {WRITE_LOCK, WRITER, DEAD},
	{WRITE_UNLOCK, NOBODY, FREE}, {WRITE_UNLOCK, READER, TAKEN}, {WRITE_UNLOCK, WRITER, TAKEN},
	{WRITE_UNLOCK, WRITER, DEAD},
};

void ops_rwlock(struct op_list *list)
{
	static const char *const kinds[] = {"nobody", "reader", "writer"};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct op op = ops[rows[i].op];

		op.kind = kinds[rows[i].other];
		op.variant = rows[i].other;
		op.state = rows[i].state;
		op.is_minor = rows[i].op == READ_UNLOCK
				      ? op.state == DEAD
				      : rows[i].op == WRITE_UNLOCK && rows[i].other == WRITER;
		op.max_points = op.state == TAKEN ? POINTS_MAX : 0;
		op.meet_keeps = true;
		op.meet = meet_rwlock;
		op.check = check_rwlock;
		op.unmake = unmake;
		op_add(list, &op);
	}
}
