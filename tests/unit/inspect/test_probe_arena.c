/*
 * test_probe_arena.c - small objects in arenas: each is found, with its holders and waiters, and no
 * damage misleads the walk from one to the next.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "inspect/inspect_internal.h"
#include "ipk/barrier.h"
#include "ipk/cond.h"
#include "ipk/event.h"
#include "ipk/once.h"
#include "ipk/rwlock.h"
#include "ipk/semaphore.h"
#include "lock/lock_internal.h"
#include "support/support.h"
#include "value/value_internal.h"

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

	opts->struct_size = sizeof *opts;
	ck_ok(ipk_lock_create(opts, &lock));
	return lock;
}

/* --- what is found ---------------------------------------------------------------------------- */

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
	ck_assert_uint_eq(o->n_channels + o->n_holders + o->n_waiters + o->n_shown, 0);
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

/* --- who -------------------------------------------------------------------------------------- */

struct fixture {
	ipk_lock *lock;
	char label[36];
	struct gate has_it;
	pid_t waiter;
};

static int child_holds(void *arg)
{
	struct fixture *s = arg;

	for (int i = 0; i < 3; i++)
		ck_ok(ipk_lock_lock(s->lock, ipk_in_ms(WAIT_MS), NULL));
	gate_open(&s->has_it);
	return pause();
}

static int child_waits(void *arg)
{
	struct fixture *s = arg;

	ck_ok(ipk_lock_lock(s->lock, ipk_in_ms(WAIT_MS), NULL));
	return ipk_lock_unlock(s->lock);
}

static bool is_waiting(void *arg)
{
	struct fixture *s = arg;
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
	struct fixture s;
	ipk_inspect *snap;
	pid_t holder;

	snprintf(s.label, sizeof s.label, "t-%d-fixture", (int)getpid());
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

/* --- damage ----------------------------------------------------------------------------------- */

#define N_SPECIMEN 5
#define N_MUTANTS 2500

struct specimen {
	unsigned char *bytes;
	size_t n;
	uint64_t first; /* offset of an object */
};

static struct ipk__shm_arena *arena_of(const struct specimen *s)
{
	return (struct ipk__shm_arena *)s->bytes;
}

/* The arena of N_SPECIMEN locks: the second is held, the last has a waiter. */
static struct specimen make_specimen(void)
{
	ipk_lock *locks[N_SPECIMEN];
	struct specimen s = {0};
	struct ipk__waiter *slot;

	for (int i = 0; i < N_SPECIMEN; i++)
		locks[i] = make_lock(&(ipk_lock_opts){.label = "specimen"});
	ck_ok(ipk_lock_lock(locks[1], ipk_now(), NULL));
	s.n = locks[0]->ref.arena->segment.mapped_bytes;
	s.bytes = malloc(s.n);
	ck_assert_ptr_nonnull(s.bytes);
	ck_ok(ipk__os_pread(locks[0]->ref.arena->segment.fd, s.bytes, s.n, 0));
	s.first = ipk__object_offset(&locks[0]->ref);
	slot = &arena_of(&s)->tables[0].slots[7];
	atomic_store(&slot->tid, (uint32_t)getpid());
	atomic_store(&slot->what, IPK__WAIT_LOCK);
	atomic_store(&slot->since_boot_ns, ipk__os_boot_ns());
	atomic_store(&slot->object, ipk__object_offset(&locks[N_SPECIMEN - 1]->ref));
	ck_ok(ipk_lock_unlock(locks[1]));
	for (int i = 0; i < N_SPECIMEN; i++)
		ipk_lock_close(locks[i]);
	return s;
}

/* Looks at @s as it is now: how many parts, and the error of the whole. */
static struct ipk__object *look_at(const struct specimen *s, int fd, int *ret_r)
{
	struct ipk__object *o = calloc(1, sizeof *o);
	char label[IPK__LABEL_BYTES] = "";

	ck_assert_ptr_nonnull(o);
	o->pub.id = 77;
	ck_ok(ipk__os_pwrite(fd, s->bytes, s->n, 0));
	*ret_r = ipk__probe_segment(fd, o, label);
	return o;
}

static int new_file(void)
{
	int fd = memfd_create("ipk:arena:mutant", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

START_TEST(specimen_is_read)
{
	struct specimen s = make_specimen();
	struct ipk__object *o;
	int fd = new_file();
	int r;

	o = look_at(&s, fd, &r);
	ck_ok(r);
	ck_assert_uint_eq(o->n_parts, N_SPECIMEN);
	for (size_t i = 0; i < N_SPECIMEN; i++) {
		ck_assert_int_eq(o->parts[i]->pub.error, 0);
		ck_assert_uint_eq(o->parts[i]->pub.id, 77u << 20 | (i + 1));
		ck_assert_uint_eq(o->parts[i]->pub.n_holders, i == 1);
		ck_assert_uint_eq(o->parts[i]->pub.n_waiters, i == N_SPECIMEN - 1);
	}
	ipk__object_free(o);
	close(fd);
	free(s.bytes);
}
END_TEST

static void ck_damaged(struct specimen *s, size_t n_parts_before)
{
	struct ipk__object *o;
	int fd = new_file();
	int r;

	o = look_at(s, fd, &r);
	ck_err(r, -EBADMSG);
	ck_assert_uint_eq(o->n_parts, n_parts_before);
	ck_assert_uint_eq(o->pub.creator_pid, 0);
	ipk__object_free(o);
	close(fd);
	free(s->bytes);
}

static struct ipk__shm_object *object_in(struct specimen *s, size_t i)
{
	return (struct ipk__shm_object *)(s->bytes + s->first + i * 128);
}

static void damage(struct specimen *s, int i)
{
	struct ipk__shm_arena *a = arena_of(s);

	switch (i) {
	case 0:
		a->n_tables = 0;
		break;
	case 1:
		a->n_tables = IPK__ARENA_TABLES_MAX + 1;
		break;
	case 2:
		a->objects_offset += 64;
		break;
	case 3:
		a->end_offset = a->header.fixed_bytes + 64;
		break;
	case 4:
		a->end_offset = a->objects_offset - 64;
		break;
	case 5:
		a->end_offset--;
		break;
	case 6:
		object_in(s, 2)->n_bytes = 0;
		break;
	case 7:
		object_in(s, 2)->n_bytes = 96;
		break;
	case 8:
		object_in(s, 2)->n_bytes = UINT64_MAX - 63;
		break;
	default:
		object_in(s, 2)->n_bytes = a->end_offset;
	}
}

START_TEST(sizes_that_lead_astray_end_the_walk)
{
	struct specimen s = make_specimen();

	damage(&s, _i);
	ck_damaged(&s, _i < 6 ? 0 : 2);
}
END_TEST

START_TEST(damaged_object_is_a_row_with_its_error)
{
	struct specimen s = make_specimen();
	struct ipk__object *o;
	int fd = new_file();
	int r;

	atomic_store(&object_in(&s, 1)->kind, 4711);
	((struct ipk__shm_guard_object *)object_in(&s, 3))->guard.is_recursive = 4711;
	memset(object_in(&s, 4)->label, '\033', IPK__OBJECT_LABEL_BYTES);
	object_in(&s, 4)->n_bytes = 64;
	arena_of(&s)->end_offset -= 64;
	o = look_at(&s, fd, &r);
	ck_ok(r);
	ck_assert_uint_eq(o->n_parts, N_SPECIMEN);
	ck_err(o->parts[1]->pub.error, -EPROTONOSUPPORT);
	ck_assert_str_eq(ipk_inspect_kind_name(&o->parts[1]->pub), "?");
	ck_assert_uint_eq(o->parts[1]->pub.n_holders, 0);
	ck_err(o->parts[3]->pub.error, -ENOTRECOVERABLE);
	ck_assert_str_eq(o->parts[3]->name, "specimen");
	ck_err(o->parts[4]->pub.error, -EBADMSG);
	ck_assert_uint_eq(o->parts[4]->pub.n_waiters, 0);
	ck_assert_int_eq(strncmp(o->parts[4]->name, "\\x1b\\x1b", 8), 0);
	ipk__object_free(o);
	close(fd);
	free(s.bytes);
}
END_TEST

/* As the maker sees it between making the file and filling it. */
START_TEST(arena_that_is_being_made_is_empty)
{
	struct specimen s = make_specimen();
	struct ipk__object *o;
	int fd = new_file();
	int r;

	memset(s.bytes + sizeof(struct ipk__shm_header), 0, s.n - sizeof(struct ipk__shm_header));
	o = look_at(&s, fd, &r);
	ck_ok(r);
	ck_assert_uint_eq(o->n_parts, 0);
	ipk__object_free(o);
	close(fd);
	free(s.bytes);
}
END_TEST

/* As many rooms as a file can hold: more than any arena has. */
START_TEST(endless_walk_is_cut)
{
	struct specimen s = make_specimen();
	size_t n = (size_t)8 << 20;
	struct ipk__shm_arena *a;
	struct ipk__object *o;
	int fd = new_file();
	int r;

	s.bytes = realloc(s.bytes, n);
	ck_assert_ptr_nonnull(s.bytes);
	a = arena_of(&s);
	memset(s.bytes + s.n, 0, n - s.n);
	s.n = n;
	a->header.fixed_bytes = n;
	a->header.checksum = ipk__checksum(&a->header, offsetof(struct ipk__shm_header, checksum));
	a->end_offset = n;
	for (uint64_t at = a->objects_offset; at < n; at += 64) {
		struct ipk__shm_object *object = (struct ipk__shm_object *)(s.bytes + at);

		*object = (struct ipk__shm_object){.kind = IPK__OBJECT_LOCK, .n_bytes = 64};
	}
	o = look_at(&s, fd, &r);
	ck_err(r, -EBADMSG);
	ck_assert_uint_gt(o->n_parts, 65536);
	ck_assert_uint_lt(o->n_parts, 100000);
	ipk__object_free(o);
	close(fd);
	free(s.bytes);
}
END_TEST

/* A xorshift generator: the same mutants in every run, so that a failure can be repeated. */
static uint64_t random_number(void)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void ck_part(const struct ipk__object *o)
{
	ck_assert_ptr_nonnull(o->name);
	ck_assert_str_ne(ipk_inspect_kind_name(&o->pub), "");
	if (o->pub.error != 0)
		ck_assert_uint_eq(o->pub.n_holders + o->pub.n_waiters, 0);
	ck_assert_uint_le(o->pub.n_holders, 4096 + 1);
	ck_assert_uint_le(o->pub.n_waiters, IPK__ARENA_TABLES_MAX * IPK__WAITERS_MAX);
	for (const char *c = o->name; *c; c++)
		ck_assert(*c > ' ' && *c < 0x7f);
	ck_assert_uint_le(o->pub.n_shown, IPK__ITEMS_SHOWN);
	for (size_t i = 0; i < o->pub.n_shown; i++)
		ck_assert_uint_lt(strlen(ipk_inspect_item_at(&o->pub, i)),
				  sizeof(struct ipk__item));
	for (size_t i = 0; i < o->pub.n_waiters; i++)
		ck_assert_ptr_nonnull(ipk_inspect_what_name(o->waiters[i].what));
}

static void try_mutants(const struct specimen *s)
{
	struct specimen mutant = {malloc(s->n), s->n, s->first};
	uint64_t end = arena_of(s)->end_offset;
	int fd = new_file();

	for (int i = 0; i < repeats(N_MUTANTS); i++) {
		struct ipk__object *o;
		int r;

		memcpy(mutant.bytes, s->bytes, s->n);
		for (uint64_t left = 1 + random_number() % 16; left > 0; left--) {
			uint64_t from =
				random_number() % 4 ? s->first : sizeof(struct ipk__shm_header);

			mutant.bytes[from + random_number() % (end - from)] =
				random_number() % 2 ? (unsigned char)random_number()
						    : (unsigned char)(random_number() % 3 - 1);
		}
		o = look_at(&mutant, fd, &r);
		ck_assert_int_le(r, 0);
		ck_assert_int_ne(r, -ENOMEM);
		for (size_t k = 0; k < o->n_parts; k++)
			ck_part(o->parts[k]);
		ipk__object_free(o);
	}
	close(fd);
	free(mutant.bytes);
}

START_TEST(mutants_are_read_or_refused)
{
	struct specimen s = make_specimen();

	try_mutants(&s);
	free(s.bytes);
}
END_TEST

struct zoo {
	ipk_rwlock *rwlock;
	ipk_semaphore *signal, *owned;
	ipk_cond *cond;
	ipk_event *event;
	ipk_barrier *barrier;
	ipk_once *once;
	ipk_value *number, *structure;
	ipk_array *array, *structures;
};

static void zoo_open(struct zoo *z)
{
	ck_ok(ipk_rwlock_create(IPK_RWLOCK(.max_readers = 4), &z->rwlock));
	ck_ok(ipk_rwlock_read_lock(z->rwlock, ipk_now(), NULL));
	ck_ok(ipk_semaphore_create(IPK_SEMAPHORE(.value = 3), &z->signal));
	ck_ok(ipk_semaphore_create(IPK_SEMAPHORE(.value = 3, .kind = IPK_SEMAPHORE_OWNED),
				   &z->owned));
	ck_ok(ipk_semaphore_acquire(z->owned, ipk_now()));
	ck_ok(ipk_cond_create(NULL, &z->cond));
	ck_ok(ipk_event_create(NULL, &z->event));
	ck_ok(ipk_barrier_create(IPK_BARRIER(.n_parties = 3), &z->barrier));
	ck_ok(ipk_once_create(NULL, &z->once));
	ck_ok(ipk_value_create(IPK_VALUE(.typecode = 'd'), &z->number));
	ck_ok(ipk_value_create(IPK_VALUE(.item_bytes = 24), &z->structure));
	ck_ok(ipk_array_create(IPK_ARRAY(.typecode = 'h', .n_items = 20), &z->array));
	ck_ok(ipk_array_create(IPK_ARRAY(.item_bytes = 40, .n_items = 3), &z->structures));
}

static void zoo_close(struct zoo *z)
{
	ck_ok(ipk_rwlock_read_unlock(z->rwlock));
	ipk_rwlock_close(z->rwlock);
	ipk_semaphore_close(z->signal);
	ck_ok(ipk_semaphore_release(z->owned));
	ipk_semaphore_close(z->owned);
	ipk_cond_close(z->cond);
	ipk_event_close(z->event);
	ipk_barrier_close(z->barrier);
	ipk_once_close(z->once);
	ipk_value_close(z->number);
	ipk_value_close(z->structure);
	ipk_array_close(z->array);
	ipk_array_close(z->structures);
}

START_TEST(looking_changes_no_byte)
{
	const struct ipk__segment *segment;
	struct leaks before;
	struct zoo z;
	void *copy;

	zoo_open(&z);
	segment = &z.number->ref.arena->segment;
	copy = malloc(segment->mapped_bytes);
	ck_assert_ptr_nonnull(copy);
	memcpy(copy, segment->header, segment->mapped_bytes);
	before = leaks_now();
	for (int i = 0; i < 20; i++)
		ipk_inspect_close(scan(NULL));
	ck_no_leaks(&before);
	ck_assert_int_eq(memcmp(copy, segment->header, segment->mapped_bytes), 0);
	free(copy);
	zoo_close(&z);
}
END_TEST

/* One of each other kind. */
START_TEST(mutants_of_every_kind_are_read_or_refused)
{
	const struct ipk__segment *segment;
	struct specimen s = {0};
	struct ipk__object *o;
	int fd = new_file();
	struct zoo z;
	int r;

	zoo_open(&z);
	segment = &z.number->ref.arena->segment;
	s.n = segment->mapped_bytes;
	s.bytes = malloc(s.n);
	ck_assert_ptr_nonnull(s.bytes);
	ck_ok(ipk__os_pread(segment->fd, s.bytes, s.n, 0));
	s.first = arena_of(&s)->objects_offset;
	o = look_at(&s, fd, &r);
	ck_ok(r);
	ck_assert_uint_eq(o->n_parts, 11);
	for (size_t i = 0; i < o->n_parts; i++)
		ck_ok(o->parts[i]->pub.error);
	ipk__object_free(o);
	try_mutants(&s);
	close(fd);
	free(s.bytes);
	zoo_close(&z);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("probe_arena");

	add_test(s, anonymous_lock_is_found);
	add_test(s, named_lock_is_found_under_its_name_only);
	add_test(s, objects_of_an_arena_are_told_apart);
	add_test(s, object_without_a_label_is_called_by_its_kind);
	add_test(s, many_objects_are_all_found);
	add_test(s, holder_and_waiter_are_listed_at_their_lock);
	add_test(s, specimen_is_read);
	add_loop_test(s, sizes_that_lead_astray_end_the_walk, 0, 10);
	add_test(s, damaged_object_is_a_row_with_its_error);
	add_test(s, arena_that_is_being_made_is_empty);
	add_test(s, endless_walk_is_cut);
	add_test(s, looking_changes_no_byte);
	add_test(s, mutants_are_read_or_refused);
	add_test(s, mutants_of_every_kind_are_read_or_refused);
	return s;
}

IPK_TEST_MAIN(suite)
