/*
 * test_look_arena.c - small objects in arenas: each is found, with who holds it and who
 * waits for it, and no damage makes the walk from one to the next go astray.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "inspect/inspect_internal.h"
#include "lock/lock_internal.h"
#include "support/support.h"

static ipk_inspect *scan(const char *match)
{
	ipk_inspect *snap = NULL;

	ck_ok(ipk_inspect_scan(IPK_INSPECT(.match = match), &snap));
	return snap;
}

/* The one object called @name; lives in @snap. */
static const ipk_inspect_object *only(const ipk_inspect *snap)
{
	ck_assert_uint_eq(ipk_inspect_len(snap), 1);
	return ipk_inspect_object_at(snap, 0);
}

static ipk_lock *make_lock(ipk_lock_opts *opts)
{
	ipk_lock *lock = NULL;

	opts->size = sizeof *opts;
	ck_ok(ipk_lock_create(opts, &lock));
	return lock;
}

/* --- what is found --- */

START_TEST(anonymous_lock_is_found)
{
	char label[36];
	const ipk_inspect_object *o;
	ipk_inspect *snap;
	ipk_lock *lock;

	snprintf(label, sizeof label, "t-%d-lock", (int)getpid());
	lock = make_lock(&(ipk_lock_opts){.label = label});
	snap = scan(label);
	o = only(snap);
	ck_assert_str_eq(ipk_inspect_kind_name(o), "lock");
	ck_assert_int_eq(o->error, 0);
	ck_assert_str_eq(o->name, label);
	ck_assert(!o->is_named && !o->is_unlinked && !o->is_foreign && !o->is_recursive);
	ck_assert_uint_eq(o->uid, geteuid());
	ck_assert_uint_eq(o->creator_pid, (uint32_t)getpid());
	ck_assert_str_ne(o->creator, "");
	ck_assert_int_ge(o->age_ns, 0);
	ck_assert_uint_eq(o->memory_bytes, 128);
	ck_assert_uint_eq(o->n_lanes + o->n_holders + o->n_waiters + o->n_shown, 0);
	ck_assert_uint_eq(o->n_users, 1);
	ck_assert_uint_eq(ipk_inspect_user_at(o, 0)->pid, (uint32_t)getpid());
	ipk_inspect_close(snap);
	ipk_lock_close(lock);
}
END_TEST

START_TEST(named_lock_is_found_under_its_name_only)
{
	char name[UNIQUE_NAME_BYTES];
	const ipk_inspect_object *o;
	ipk_inspect *snap;
	ipk_lock *lock;

	unique_name(name, "named");
	lock = make_lock(&(ipk_lock_opts){.name = name, .label = "other", .is_recursive = true});
	snap = scan(name);
	o = only(snap);
	ck_assert_str_eq(ipk_inspect_kind_name(o), "rlock");
	ck_assert(o->is_named && !o->is_unlinked);
	ck_assert_uint_eq(o->n_users, 1);
	ipk_inspect_close(snap);
	ck_ok(ipk_lock_unlink(name));
	snap = scan(name);
	ck_assert(only(snap)->is_unlinked);
	ipk_inspect_close(snap);
	ipk_lock_close(lock);
	snap = scan(name);
	ck_assert_uint_eq(ipk_inspect_len(snap), 0);
	ipk_inspect_close(snap);
}
END_TEST

START_TEST(objects_of_an_arena_are_told_apart)
{
	char label[36], id[32];
	ipk_lock *locks[3];
	ipk_inspect *snap;
	uint64_t ids[3];

	snprintf(label, sizeof label, "t-%d-three", (int)getpid());
	for (int i = 0; i < 3; i++)
		locks[i] = make_lock(&(ipk_lock_opts){.label = label, .is_recursive = i == 1});
	snap = scan(label);
	ck_assert_uint_eq(ipk_inspect_len(snap), 3);
	for (size_t i = 0; i < 3; i++) {
		const ipk_inspect_object *o = ipk_inspect_object_at(snap, i);

		ids[i] = o->id;
		ck_assert(o->is_recursive == (i == 1));
		ck_assert_uint_eq(o->id >> 20, ids[0] >> 20);
		ck_assert(i == 0 || ids[i] > ids[i - 1]);
	}
	ipk_inspect_close(snap);

	/* The one in the middle goes, the others keep their ids. */
	ipk_lock_close(locks[1]);
	snap = scan(label);
	ck_assert_uint_eq(ipk_inspect_len(snap), 2);
	ck_assert_uint_eq(ipk_inspect_object_at(snap, 0)->id, ids[0]);
	ck_assert_uint_eq(ipk_inspect_object_at(snap, 1)->id, ids[2]);
	ipk_inspect_close(snap);
	snprintf(id, sizeof id, "%llu", (unsigned long long)ids[2]);
	snap = scan(id);
	ck_assert_str_eq(only(snap)->name, label);
	ipk_inspect_close(snap);
	ipk_lock_close(locks[0]);
	ipk_lock_close(locks[2]);
}
END_TEST

START_TEST(object_without_a_label_is_called_by_its_kind)
{
	ipk_lock *lock = make_lock(&(ipk_lock_opts){.is_recursive = true});
	ipk_inspect *snap = scan("rlock");
	bool found = false;

	for (size_t i = 0; i < ipk_inspect_len(snap); i++) {
		const ipk_inspect_object *o = ipk_inspect_object_at(snap, i);

		ck_assert_str_eq(o->name, "rlock");
		found |= o->creator_pid == (uint32_t)getpid();
	}
	ck_assert(found);
	ipk_inspect_close(snap);
	ipk_lock_close(lock);
}
END_TEST

/* As many as fill several arenas, found in one pass. */
START_TEST(many_objects_are_all_found)
{
	enum { N = repeats(100000) };
	ipk_lock **locks = calloc(N, sizeof(ipk_lock *));
	ipk_inspect *snap;
	char label[36];
	uint64_t sum = 0;

	snprintf(label, sizeof label, "t-%d-many", (int)getpid());
	for (int i = 0; i < N; i++)
		locks[i] = make_lock(&(ipk_lock_opts){.label = label});
	ck_ok(ipk_lock_lock(locks[N / 2], ipk_now(), NULL));
	snap = scan(label);
	ck_assert_uint_eq(ipk_inspect_len(snap), N);
	for (size_t i = 0; i < N; i++) {
		const ipk_inspect_object *o = ipk_inspect_object_at(snap, i);

		ck_assert(i == 0 || o->id > ipk_inspect_object_at(snap, i - 1)->id);
		sum += o->n_holders;
	}
	ck_assert_uint_eq(sum, 1);
	ipk_inspect_close(snap);
	ck_ok(ipk_lock_unlock(locks[N / 2]));
	for (int i = 0; i < N; i++)
		ipk_lock_close(locks[i]);
	free(locks);
}
END_TEST

/* --- who --- */

struct scene {
	ipk_lock *lock;
	char label[36];
	struct gate has_it;
	pid_t waiter;
};

static int child_holds(void *arg)
{
	struct scene *s = arg;

	for (int i = 0; i < 3; i++)
		ck_ok(ipk_lock_lock(s->lock, ipk_in_ms(WAIT_MS), NULL));
	gate_open(&s->has_it);
	return pause();
}

static int child_waits(void *arg)
{
	struct scene *s = arg;

	ck_ok(ipk_lock_lock(s->lock, ipk_in_ms(WAIT_MS), NULL));
	return ipk_lock_unlock(s->lock);
}

static bool is_waiting(void *arg)
{
	struct scene *s = arg;
	ipk_inspect *snap = scan(s->label);
	const ipk_inspect_thread *t = ipk_inspect_waiter_at(only(snap), 0);
	bool is = t && t->tid == (uint32_t)s->waiter;

	if (is) {
		ck_assert_uint_eq(only(snap)->n_waiters, 1);
		ck_assert_int_eq(t->what, IPK_INSPECT_PLAIN_LOCK);
		ck_assert_uint_eq(t->pid, (uint32_t)s->waiter);
		ck_assert_int_ge(t->since_ns, 0);
		ck_assert(!t->is_gone);
	}
	ipk_inspect_close(snap);
	return is;
}

START_TEST(holder_and_waiter_are_listed_at_their_lock)
{
	const ipk_inspect_thread *t;
	ipk_lock *before, *behind;
	struct scene s;
	ipk_inspect *snap;
	pid_t holder;

	snprintf(s.label, sizeof s.label, "t-%d-scene", (int)getpid());
	before = make_lock(&(ipk_lock_opts){.label = "before"});
	s.lock = make_lock(&(ipk_lock_opts){.label = s.label, .is_recursive = true});
	behind = make_lock(&(ipk_lock_opts){.label = "behind"});
	gate_init(&s.has_it);
	holder = spawn(child_holds, &s);
	gate_wait(&s.has_it);
	s.waiter = spawn(child_waits, &s);
	ck_assert(wait_until(is_waiting, &s, WAIT_MS));

	snap = scan(s.label);
	ck_assert_uint_eq(only(snap)->n_holders, 1);
	t = ipk_inspect_holder_at(only(snap), 0);
	ck_assert_uint_eq(t->tid, (uint32_t)holder);
	ck_assert_uint_eq(t->pid, (uint32_t)holder);
	ck_assert_int_eq(t->what, IPK_INSPECT_PLAIN_LOCK);
	ck_assert_uint_eq(t->n_times, 3);
	ck_assert_str_ne(t->comm, "");
	ck_assert_uint_eq(only(snap)->n_users, 3);
	ipk_inspect_close(snap);
	snap = scan("behind");
	for (size_t i = 0; i < ipk_inspect_len(snap); i++)
		ck_assert_uint_eq(ipk_inspect_object_at(snap, i)->n_waiters, 0);
	ipk_inspect_close(snap);

	kill_and_reap(holder);
	reap_ok(s.waiter);
	snap = scan(s.label);
	ck_assert_uint_eq(only(snap)->n_holders + only(snap)->n_waiters, 0);
	ipk_inspect_close(snap);
	gate_fini(&s.has_it);
	ipk_lock_close(before);
	ipk_lock_close(s.lock);
	ipk_lock_close(behind);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("look_arena");

	add_test(s, anonymous_lock_is_found);
	add_test(s, named_lock_is_found_under_its_name_only);
	add_test(s, objects_of_an_arena_are_told_apart);
	add_test(s, object_without_a_label_is_called_by_its_kind);
	add_test(s, many_objects_are_all_found);
	add_test(s, holder_and_waiter_are_listed_at_their_lock);
	return s;
}

IPK_TEST_MAIN(suite)
