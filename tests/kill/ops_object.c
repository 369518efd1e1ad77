/*
 * ops_object.c - creating, opening, closing and unlinking, the same for all kinds of objects.
 *
 * A named object exists completely or not at all, whichever process was killed in such a call; a
 * process that has it open can still use it; what the dead process had of it (handle, mapping, fd)
 * blocks no other.
 */
#include <errno.h>
#include <string.h>

#include "participants.h"
#include "ipk/barrier.h"
#include "ipk/cond.h"
#include "ipk/event.h"
#include "ipk/once.h"
#include "ipk/rwlock.h"
#include "ipk/semaphore.h"
#include "ipk/value.h"

/* What the rows need to know of a kind. */
struct face {
	const char *names[4]; /* of the rows: create, open, close, unlink */
	int (*create)(const char *name, void **ret_object); /* NULL: anonymous */
	int (*open)(const char *name, void **ret_object);
	void (*close)(void *object);
	int (*unlink)(const char *name);
	int (*use)(void *object); /* a new one, or one that use() left: 0 when it works */
};

enum { ANONYMOUS, NAMED };

#define ROW_NAMES(noun)                                                         \
	{                                                                       \
#noun "_create", #noun "_open", #noun "_close", #noun "_unlink" \
	}

/* Of ipk_@noun, made by create_@noun() and used by use_@noun(). */
#define FACE(noun)                                                   \
	static int open_##noun(const char *name, void **ret)         \
	{                                                            \
		ipk_##noun *object = NULL;                           \
		int r = ipk_##noun##_open(name, ipk_now(), &object); \
                                                                     \
		*ret = object;                                       \
		return r;                                            \
	}                                                            \
	static void close_##noun(void *object)                       \
	{                                                            \
		ipk_##noun##_close(object);                          \
	}                                                            \
	static const struct face noun##_face = {                     \
		.names = ROW_NAMES(noun),                            \
		.create = create_##noun,                             \
		.open = open_##noun,                                 \
		.close = close_##noun,                               \
		.unlink = ipk_##noun##_unlink,                       \
		.use = use_##noun,                                   \
	}
#define CREATE(noun, ...)                                          \
	static int create_##noun(const char *name, void **ret)     \
	{                                                          \
		ipk_##noun *object = NULL;                         \
		int r = ipk_##noun##_create(__VA_ARGS__, &object); \
                                                                   \
		*ret = object;                                     \
		return r;                                          \
	}

/* --- kinds ------------------------------------------------------------------------------------ */

CREATE(lock, IPK_LOCK(.name = name))
static int use_lock(void *lock)
{
	int r = ipk_lock_lock(lock, ipk_in_ms(CALL_MS), NULL);

	return r < 0 ? r : ipk_lock_unlock(lock);
}
FACE(lock);

#define STRUCT_BYTES 100
CREATE(value, IPK_VALUE(.name = name, .item_bytes = STRUCT_BYTES))
static int use_value(void *value)
{
	char buf[STRUCT_BYTES] = {0};
	int r = ipk_value_load_bytes(value, buf, sizeof buf);

	if (r < 0)
		return r;
	if (buf[0] != buf[STRUCT_BYTES - 1])
		return -EPROTO;
	memset(buf, buf[0] + 1, sizeof buf);
	return ipk_value_store_bytes(value, buf, sizeof buf, ipk_in_ms(CALL_MS));
}
FACE(value);

#define N_ITEMS 100
CREATE(array, IPK_ARRAY(.name = name, .typecode = 'i', .n_items = N_ITEMS))
static int use_array(void *array)
{
	int items[N_ITEMS], one = 1;
	int r = ipk_array_read(array, 0, N_ITEMS, items, sizeof items, ipk_in_ms(CALL_MS), NULL);

	if (r < 0)
		return r;
	if (items[0] != items[N_ITEMS - 1])
		return -EPROTO;
	return ipk_array_fill(array, 0, N_ITEMS, &one, sizeof one, ipk_in_ms(CALL_MS), NULL);
}
FACE(array);

CREATE(rwlock, IPK_RWLOCK(.name = name))
static int use_rwlock(void *lock)
{
	int r = ipk_rwlock_read_lock(lock, ipk_in_ms(CALL_MS), NULL);

	if (r == 0)
		r = ipk_rwlock_read_unlock(lock);
	if (r == 0)
		r = ipk_rwlock_write_lock(lock, ipk_in_ms(CALL_MS), NULL);
	return r < 0 ? r : ipk_rwlock_write_unlock(lock);
}
FACE(rwlock);

CREATE(semaphore, IPK_SEMAPHORE(.name = name, .kind = IPK_SEMAPHORE_OWNED, .value = 3))
static int use_semaphore(void *semaphore)
{
	int r = ipk_semaphore_acquire(semaphore, ipk_in_ms(CALL_MS));

	return r < 0 ? r : ipk_semaphore_release(semaphore);
}
FACE(semaphore);

CREATE(cond, IPK_COND(.name = name))
static int use_cond(void *cond)
{
	return ipk_cond_notify_all(cond);
}
FACE(cond);

CREATE(event, IPK_EVENT(.name = name))
static int use_event(void *event)
{
	int r = ipk_event_set(event);

	if (r == 0)
		r = ipk_event_wait(event, ipk_now());
	return r < 0 ? r : ipk_event_clear(event);
}
FACE(event);

CREATE(barrier, IPK_BARRIER(.name = name, .n_parties = 1))
static int use_barrier(void *barrier)
{
	int r = ipk_barrier_wait(barrier, NULL, NULL, ipk_now(), NULL);

	return r < 0 ? r : ipk_barrier_unregister(barrier);
}
FACE(barrier);

CREATE(once, IPK_ONCE(.name = name))
static int do_nothing(void *arg)
{
	(void)arg;
	return 0;
}
static int use_once(void *once)
{
	return ipk_once_run(once, do_nothing, NULL, ipk_in_ms(CALL_MS), NULL);
}
FACE(once);

static const struct face *const faces[] = {&lock_face, &rwlock_face, &semaphore_face,
					   &cond_face, &event_face,  &barrier_face,
					   &once_face, &value_face,  &array_face};

static const struct face *face_of(const struct fixture *s)
{
	return faces[s->op->variant / 2];
}

static const char *name_of(const struct fixture *s)
{
	return s->op->variant % 2 == NAMED ? s->name : NULL;
}

/* --- the fixture ------------------------------------------------------------------------------ */

static int make_nothing(struct fixture *s)
{
	s->object = s->opened = NULL;
	return 0;
}

static int make_object(struct fixture *s)
{
	s->opened = NULL;
	return face_of(s)->create(name_of(s), &s->object);
}

static void unmake(struct fixture *s)
{
	const struct face *face = face_of(s);
	int r;

	face->close(s->object);
	s->object = NULL;
	r = face->unlink(s->name);
	if (r != 0 && r != -ENOENT)
		history_fault(s->history, &s->history->faults.wrong, "unlink is %d", r);
}

/* --- the victim ------------------------------------------------------------------------------- */

static int act_create(struct fixture *s)
{
	return face_of(s)->create(name_of(s), &s->opened);
}

static int act_open(struct fixture *s)
{
	return face_of(s)->open(s->name, &s->opened);
}

/* Named: a handle of its own; anonymous: its copy of the parent's. */
static void ready_close(struct fixture *s)
{
	s->opened = s->object;
	if (name_of(s))
		expect(s, "open", face_of(s)->open(s->name, &s->opened), 0);
}

static int act_close(struct fixture *s)
{
	face_of(s)->close(s->opened);
	return 0;
}

static int act_unlink(struct fixture *s)
{
	return face_of(s)->unlink(s->name);
}

/* --- the survivor ----------------------------------------------------------------------------- */

static void check_result(struct fixture *s)
{
	if (atomic_load(&s->history->is_done))
		expect(s, "the victim's call", s->history->result, 0);
}

/* The name leads to a whole object, or to none (and then a new one can be made). */
static void check_name(struct fixture *s, bool must_be, bool may_be)
{
	const struct face *face = face_of(s);
	void *object = NULL;
	int r = face->open(s->name, &object);

	if (must_be || (may_be && r != -ENOENT))
		expect(s, "open", r, 0);
	else
		expect(s, "open", r, -ENOENT);
	if (r == -ENOENT)
		expect(s, "create", face->create(s->name, &object), 0);
	if (!object)
		return;
	expect(s, "use", face->use(object), 0);
	expect(s, "unlink", face->unlink(s->name), 0);
	expect(s, "use without the name", face->use(object), 0);
	face->close(object);
	expect(s, "open after unlink", face->open(s->name, &object), -ENOENT);
	if (count_names(s->name) != 0)
		history_fault(s->history, &s->history->faults.leaked, "a name in /dev/shm is left");
}

static void check_create(struct fixture *s)
{
	bool is_done = atomic_load(&s->history->is_done);

	check_result(s);
	check_name(s, is_done && name_of(s), name_of(s));
}

static void check_object(struct fixture *s)
{
	check_result(s);
	expect(s, "use", face_of(s)->use(s->object), 0);
	if (name_of(s))
		check_name(s, true, true);
}

static void check_unlink(struct fixture *s)
{
	bool is_done = atomic_load(&s->history->is_done);

	check_result(s);
	expect(s, "use", face_of(s)->use(s->object), 0);
	check_name(s, false, !is_done);
}

/* --- the rows --------------------------------------------------------------------------------- */

static const struct op ops[] = {
	{.state = EMPTY, .make = make_nothing, .act = act_create, .check = check_create},
	{.state = ONE, .make = make_object, .act = act_open, .check = check_object},
	{.state = ONE,
	 .make = make_object,
	 .ready = ready_close,
	 .act = act_close,
	 .check = check_object},
	{.state = ONE, .make = make_object, .act = act_unlink, .check = check_unlink},
};

void ops_object(struct op_list *list)
{
	for (int kind = 0; kind < (int)(sizeof faces / sizeof faces[0]); kind++) {
		for (int i = 0; i < 8; i++) {
			struct op op = ops[i / 2];

			op.variant = 2 * kind + i % 2;
			op.kind = i % 2 == NAMED ? "named" : "anonymous";
			op.name = faces[kind]->names[i / 2];
			op.unmake = unmake;
			op.is_minor = kind > 0;
			/* Only what has a name is opened and unlinked. */
			if (i % 2 == NAMED || i / 2 == 0 || i / 2 == 2)
				op_add(list, &op);
		}
	}
}
