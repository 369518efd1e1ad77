/*
 * test_arena.c - lib/shared/arena.c: memory is reused only when nobody else can have a handle, many
 * objects cost few fds, and whatever is written into an arena, its users do not crash.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "os/os.h"
#include "shared/arena.h"
#include "shared/sleep.h"
#include "support/support.h"

enum { KIND = IPK__OBJECT_EVENT, SMALL = 128, N_MANY = 10000 };

static struct ipk__object_plan plan_of(size_t n_bytes)
{
	return (struct ipk__object_plan){.kind = KIND, .n_bytes = n_bytes};
}

static struct ipk__ref make(size_t n_bytes)
{
	struct ipk__object_plan plan = plan_of(n_bytes);
	struct ipk__ref ref;

	ck_ok(ipk__object_create(&plan, &ref));
	ck_ok(ipk__object_publish(&plan, &ref));
	return ref;
}

static unsigned char *bytes_of(const struct ipk__ref *ref)
{
	return (unsigned char *)(ref->object + 1);
}

static void fill(const struct ipk__ref *ref)
{
	memset(bytes_of(ref), 'x', ref->object->n_bytes - sizeof *ref->object);
}

static bool is_zeroed(const struct ipk__ref *ref)
{
	for (size_t i = 0; i < ref->object->n_bytes - sizeof *ref->object; i++) {
		if (bytes_of(ref)[i] != 0)
			return false;
	}
	return true;
}

/* Inside what is mapped. */
static bool is_inside(const struct ipk__ref *ref)
{
	const char *from = (const char *)ref->arena->shared;

	return (const char *)ref->object >= from + sizeof *ref->arena->shared &&
	       (const char *)ref->object + ref->n_bytes <= from + ref->arena->segment.mapped_bytes;
}

/* Another view of the object, or the error; the fd is a copy. */
static int attach(const struct ipk__ref *ref, uint64_t offset, uint32_t kind, size_t min_bytes,
		  struct ipk__ref *ret_ref)
{
	int fd;

	ck_ok(ipk__os_dup(ref->arena->segment.fd, &fd));
	return ipk__object_attach(fd, offset, kind, min_bytes, ret_ref);
}

static bool is_used_again(struct ipk__ref *ref)
{
	struct ipk__shm_object *room = ref->object;
	struct ipk__ref next;
	bool is;

	ipk__object_close(ref);
	ck_assert_ptr_null(ref->arena);
	next = make(SMALL);
	is = next.object == room;
	ipk__object_close(&next);
	return is;
}

/* --- room ------------------------------------------------------------------------------------- */

START_TEST(object_begins_zeroed_with_its_header)
{
	static const size_t sizes[] = {64,   65,    128,     1000,          1024,   1025,
				       2000, 40000, 1 << 20, (1 << 20) + 1, 5 << 20};
	struct ipk__ref pin = make(SMALL);

	for (size_t i = 0; i < 2 * IPK__N_OF(sizes); i++) {
		struct ipk__object_plan plan = plan_of(sizes[i % IPK__N_OF(sizes)]);
		struct ipk__ref ref;

		plan.flags = 5;
		plan.label = "some.label";
		ck_ok(ipk__object_create(&plan, &ref));
		ck_assert_uint_eq(ref.object->kind, 0);
		ck_assert_uint_eq(ref.object->kind_made, KIND);
		ck_assert_uint_eq(ref.object->flags, 5);
		ck_assert_str_eq(ref.object->label, "some.label");
		ck_assert_int_gt(ref.object->created_boot_ns, 0);
		ck_assert_uint_ge(ref.object->n_bytes, plan.n_bytes);
		ck_assert_uint_eq(ipk__object_offset(&ref) % IPK__OBJECT_ALIGN, 0);
		ck_assert(is_inside(&ref) && is_zeroed(&ref));
		ck_ok(ipk__object_publish(&plan, &ref));
		ck_assert_uint_eq(ref.object->kind, KIND);
		fill(&ref);
		ipk__object_close(&ref);
	}
	ipk__object_close(&pin);
	ipk__object_close(&pin);
}
END_TEST

START_TEST(room_nobody_else_had_is_used_again)
{
	struct ipk__ref pin = make(SMALL), ref = make(SMALL);

	fill(&ref);
	ck_assert(is_used_again(&ref));
	ipk__object_close(&pin);
}
END_TEST

START_TEST(room_that_was_passed_on_is_not)
{
	struct ipk__ref pin = make(SMALL), ref = make(SMALL), other;
	uint64_t offset;
	int fd;

	ck_ok(ipk__object_pass(&ref, &fd, &offset));
	ck_assert_int_eq(fd, ref.arena->segment.fd);
	ck_ok(attach(&ref, offset, KIND, SMALL, &other));
	ck_assert_ptr_eq(other.object, ref.object);
	ck_assert(!is_used_again(&ref));
	ck_assert_uint_eq(other.object->kind, KIND);
	ipk__object_close(&other);
	ipk__object_close(&pin);
}
END_TEST

static int do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

START_TEST(room_that_a_fork_saw_is_not)
{
	struct ipk__ref pin = make(SMALL), ref = make(SMALL);

	reap_ok(spawn(do_nothing, NULL));
	ck_assert(!is_used_again(&ref));
	/* What is made afterwards is ours alone again. */
	ref = make(SMALL);
	ck_assert(is_used_again(&ref));
	ipk__object_close(&pin);
}
END_TEST

static int close_and_make(void *arg)
{
	struct ipk__ref *ref = arg, mine;
	struct ipk__arena *inherited = ref->arena;
	uint32_t kind;

	if (atomic_load(&inherited->checked_pid) != 0 || ipk__object_check(ref) != 0 ||
	    atomic_load(&inherited->checked_pid) != getpid())
		return 2;
	mine = make(SMALL);
	if (mine.arena == inherited)
		return 3;
	ipk__object_close(&mine);
	kind = ref->object->kind;
	ipk__object_close(ref);
	return kind == KIND ? 0 : 4;
}

START_TEST(fork_child_makes_an_arena_of_its_own)
{
	struct ipk__ref pin = make(SMALL), ref = make(SMALL);

	fill(&ref);
	reap_ok(spawn(close_and_make, &ref));
	ck_assert_uint_eq(ref.object->kind, KIND);
	ck_assert_uint_eq(bytes_of(&ref)[0], 'x');
	ipk__object_close(&ref);
	ipk__object_close(&pin);
}
END_TEST

/* Of all sizes in turn, with one that stays: what one leaves suits the next. */
START_TEST(room_of_changing_sizes_does_not_grow)
{
	struct ipk__ref pin = make(SMALL), refs[8];
	uint64_t end_offset = 0;

	for (size_t round = 0; round < 200; round++) {
		for (size_t i = 0; i < IPK__N_OF(refs); i++)
			refs[i] = make(64 + (i * 331 + round * 777) % 3000);
		for (size_t i = 0; i < IPK__N_OF(refs); i++)
			ipk__object_close(&refs[i]);
		if (round == 100)
			end_offset = pin.arena->end_offset;
	}
	ck_assert_uint_le(pin.arena->end_offset, end_offset + 4096);
	ipk__object_close(&pin);
}
END_TEST

/* --- arenas ----------------------------------------------------------------------------------- */

START_TEST(many_objects_cost_few_fds)
{
	static struct ipk__ref refs[N_MANY];
	struct leaks before = leaks_now(), now;
	size_t n_bytes = 0, last_bytes = 0;

	for (int i = 0; i < N_MANY; i++) {
		refs[i] = make(SMALL);
		ck_assert_int_eq(refs[i].object->kind, KIND);
		if (i > 0 && refs[i].arena != refs[i - 1].arena) {
			n_bytes = refs[i].arena->segment.mapped_bytes;
			ck_assert_uint_gt(n_bytes, last_bytes);
			last_bytes = n_bytes;
		}
	}
	now = leaks_now();
	ck_assert_int_le(now.n_fds - before.n_fds, 7);
	ck_assert_int_le(now.n_maps - before.n_maps, 7);
	/* Each has its own room. */
	for (int i = 0; i < N_MANY; i++)
		*(int *)bytes_of(&refs[i]) = i;
	for (int i = 0; i < N_MANY; i++) {
		ck_assert_int_eq(*(int *)bytes_of(&refs[i]), i);
		ipk__object_close(&refs[i]);
	}
	ck_no_leaks(&before);
}
END_TEST

START_TEST(large_object_goes_with_its_arena)
{
	struct leaks before = leaks_now();
	struct ipk__ref pin = make(SMALL), large;
	int n_fds = count_fds();

	for (size_t n_bytes = (size_t)2 << 20; n_bytes <= (size_t)32 << 20; n_bytes *= 2) {
		large = make(n_bytes);
		ck_assert_ptr_ne(large.arena, pin.arena);
		fill(&large);
		ck_assert_int_eq(count_fds(), n_fds + 1);
		ipk__object_close(&large);
		ck_assert_int_eq(count_fds(), n_fds);
	}
	ipk__object_close(&pin);
	ck_no_leaks(&before);
}
END_TEST

START_TEST(same_arena_is_mapped_once)
{
	struct leaks before = leaks_now();
	struct ipk__ref a = make(SMALL), b = make(SMALL), again[3];
	int n_fds = count_fds(), n_maps = count_maps(), fd;
	uint64_t offset;

	ck_ok(ipk__object_pass(&a, &fd, &offset));
	ck_ok(ipk__object_pass(&b, &fd, &offset));
	ck_assert_uint_eq(offset, ipk__object_offset(&b));
	ck_ok(attach(&a, ipk__object_offset(&a), KIND, SMALL, &again[0]));
	ck_ok(attach(&a, ipk__object_offset(&b), KIND, SMALL, &again[1]));
	ck_ok(attach(&b, ipk__object_offset(&b), KIND, SMALL, &again[2]));
	ck_assert_int_eq(count_fds(), n_fds);
	ck_assert_int_eq(count_maps(), n_maps);
	ck_assert_ptr_eq(again[0].object, a.object);
	ck_assert_ptr_eq(again[1].object, b.object);
	/* It stays for who came last. */
	ipk__object_close(&a);
	ipk__object_close(&b);
	ipk__object_close(&again[0]);
	ipk__object_close(&again[1]);
	ck_assert_uint_eq(again[2].object->kind, KIND);
	ipk__object_close(&again[2]);
	ck_no_leaks(&before);
}
END_TEST

enum { N_THREADS = 4 };

struct opening {
	const char *name;
	pthread_barrier_t all;
	struct ipk__ref refs[N_THREADS];
	_Atomic unsigned n_begun;
	unsigned n_rounds;
};

static void *open_again(void *arg)
{
	struct opening *o = arg;
	unsigned mine = atomic_fetch_add(&o->n_begun, 1);
	struct ipk__ref *ref = &o->refs[mine];

	for (unsigned i = 0; i < o->n_rounds; i++) {
		pthread_barrier_wait(&o->all);
		ck_ok(ipk__object_open(o->name, KIND, SMALL, ref));
		pthread_barrier_wait(&o->all);
		ck_assert_ptr_eq(ref->object, o->refs[0].object);
		pthread_barrier_wait(&o->all);
		ipk__object_close(ref);
	}
	return NULL;
}

/* None of them waits for another that attaches it. */
START_TEST(threads_that_open_it_at_once_share_it)
{
	struct leaks before = leaks_now();
	char name[UNIQUE_NAME_BYTES];
	struct opening o = {.name = name, .n_rounds = repeats(200)};
	struct ipk__object_plan plan = plan_of(SMALL);
	pthread_t threads[N_THREADS];
	struct ipk__ref ref;

	unique_name(name, "arena");
	plan.name = name;
	ck_ok(ipk__object_create(&plan, &ref));
	ck_ok(ipk__object_publish(&plan, &ref));
	ipk__object_close(&ref);
	ck_assert_int_eq(pthread_barrier_init(&o.all, NULL, N_THREADS), 0);
	for (int i = 0; i < N_THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, open_again, &o), 0);
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&o.all);
	ck_ok(ipk__object_unlink(name));
	ck_no_leaks(&before);
}
END_TEST

START_TEST(what_cannot_be_is_refused)
{
	struct ipk__object_plan plan = plan_of((size_t)1 << 40);
	char too_long[IPK__NAME_MAX + 2];
	struct ipk__ref ref;

	ck_err(ipk__object_create(&plan, &ref), -ENOSPC);
	plan = plan_of(SIZE_MAX);
	ck_err(ipk__object_create(&plan, &ref), -ENOSPC);
	plan = plan_of(SMALL);
	plan.label = "no blanks";
	ck_err(ipk__object_create(&plan, &ref), -EINVAL);
	plan.label = NULL;
	plan.name = "a/b";
	ck_err(ipk__object_create(&plan, &ref), -EINVAL);
	memset(too_long, 'x', sizeof too_long - 1);
	too_long[sizeof too_long - 1] = '\0';
	plan.name = too_long;
	ck_err(ipk__object_create(&plan, &ref), -EINVAL);
	ck_err(ipk__object_open(too_long, KIND, SMALL, &ref), -EINVAL);
	ck_err(ipk__object_unlink(too_long), -EINVAL);
}
END_TEST

START_TEST(without_an_fd_nothing_is_made)
{
	struct leaks before = leaks_now();
	struct ipk__object_plan plan = plan_of(SMALL);
	struct rlimit was, limit;
	struct ipk__ref ref;
	int r;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	limit = was;
	limit.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	r = ipk__object_create(&plan, &ref);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	ck_err(r, -EMFILE);
	ck_no_leaks(&before);
}
END_TEST

/* --- names ------------------------------------------------------------------------------------ */

START_TEST(named_one_appears_whole)
{
	struct leaks before = leaks_now();
	struct ipk__object_plan plan = plan_of(SMALL);
	struct ipk__ref a, b, c;
	char name[UNIQUE_NAME_BYTES];
	uint64_t offset;
	int fd;

	unique_name(name, "arena");
	plan.name = name;
	ck_ok(ipk__object_create(&plan, &a));
	ck_assert_str_eq(a.object->label, name);
	ck_err(ipk__object_open(name, KIND, SMALL, &b), -ENOENT);
	ck_ok(ipk__object_publish(&plan, &a));
	ck_ok(ipk__object_create(&plan, &c));
	ck_err(ipk__object_publish(&plan, &c), -EEXIST);
	ipk__object_close(&c);
	ck_ok(ipk__object_open(name, KIND, SMALL, &b));
	ck_assert_ptr_eq(a.object, b.object);
	ck_err(ipk__object_open(name, KIND + 1, SMALL, &c), -EPROTOTYPE);
	ck_err(ipk__object_open(name, KIND, (size_t)1 << 20, &c), -EBADMSG);
	ck_err(ipk__object_pass(&a, &fd, &offset), -EOPNOTSUPP);
	ipk__object_close(&a);
	ipk__object_close(&b);
	ck_ok(ipk__object_open(name, KIND, SMALL, &b));
	ipk__object_close(&b);
	ck_ok(ipk__object_unlink(name));
	ck_err(ipk__object_unlink(name), -ENOENT);
	ck_no_leaks(&before);
}
END_TEST

/* --- hostile contents ------------------------------------------------------------------------- */

START_TEST(bad_offsets_and_kinds_are_refused)
{
	struct leaks before = leaks_now();
	struct ipk__ref a = make(SMALL), other;
	uint64_t offset = ipk__object_offset(&a), end = a.arena->segment.mapped_bytes;
	const uint64_t wrong[] = {0,
				  1,
				  64,
				  sizeof(struct ipk__shm_arena),
				  offset - 64,
				  offset + 1,
				  end - 63,
				  end,
				  end + 64,
				  UINT64_MAX,
				  UINT64_MAX - 63};

	for (size_t i = 0; i < IPK__N_OF(wrong); i++)
		ck_err(attach(&a, wrong[i], KIND, SMALL, &other), -EPROTO);
	/* Room where nothing was made, and what is something else. */
	ck_err(attach(&a, offset + SMALL, KIND, SMALL, &other), -EPROTOTYPE);
	ck_err(attach(&a, end - 64, KIND, SMALL, &other), -EPROTOTYPE);
	ck_err(attach(&a, offset, KIND + 1, SMALL, &other), -EPROTOTYPE);
	ck_err(attach(&a, offset, KIND, SMALL + 1, &other), -EBADMSG);
	for (uint64_t n = 0; n < SMALL; n += 64) {
		a.object->n_bytes = n;
		ck_err(attach(&a, offset, KIND, SMALL, &other), -EBADMSG);
	}
	for (uint64_t n = end - offset + 1; n >= end - offset + 1; n = n * 2 + 1) {
		a.object->n_bytes = n;
		ck_err(attach(&a, offset, KIND, SMALL, &other), -EBADMSG);
		if (n == UINT64_MAX)
			break;
	}
	ck_err(ipk__object_attach(-1, offset, KIND, SMALL, &other), -EBADF);
	ipk__object_close(&a);
	ck_no_leaks(&before);
}
END_TEST

/* What attaching to an arena with these numbers returns. */
static int attach_forged(uint32_t n_tables, uint64_t objects_offset, uint64_t offset)
{
	struct ipk__segment_plan plan = {
		.kind = IPK__KIND_ARENA, .label = "forged", .fixed_bytes = 4096};
	struct ipk__shm_arena *shared;
	struct ipk__segment s;
	struct ipk__ref ref;
	int fd, r;

	ck_ok(ipk__segment_create(&plan, &s));
	shared = (struct ipk__shm_arena *)s.header;
	shared->n_tables = n_tables;
	shared->objects_offset = objects_offset;
	ck_ok(ipk__segment_publish(&s, NULL));
	ck_ok(ipk__os_dup(s.fd, &fd));
	ipk__segment_detach(&s);
	r = ipk__object_attach(fd, offset, KIND, SMALL, &ref);
	if (r == 0)
		ipk__object_close(&ref);
	return r;
}

START_TEST(arena_with_impossible_numbers_is_refused)
{
	uint64_t right = sizeof(struct ipk__shm_arena) + sizeof(struct ipk__waiters);

	ck_err(attach_forged(1, right, right), -EPROTOTYPE);
	for (uint32_t n = 2; n != 1; n = n * 2 + (n == 0)) {
		ck_err(attach_forged(n, right, right), -EBADMSG);
		ck_err(attach_forged(
			       n, sizeof(struct ipk__shm_arena) + n * sizeof(struct ipk__waiters),
			       right),
		       -EBADMSG);
	}
	ck_err(attach_forged(1, 0, right), -EBADMSG);
	ck_err(attach_forged(1, right + 64, right), -EBADMSG);
	ck_err(attach_forged(1, UINT64_MAX, right), -EBADMSG);
}
END_TEST

START_TEST(other_segments_are_refused)
{
	struct ipk__segment_plan plan = {
		.kind = IPK__KIND_QUEUE, .label = "other", .fixed_bytes = 4096};
	struct ipk__segment s;
	struct ipk__ref ref;
	int fd;

	ck_ok(ipk__segment_create(&plan, &s));
	ck_ok(ipk__segment_publish(&s, NULL));
	ck_ok(ipk__os_dup(s.fd, &fd));
	ipk__segment_detach(&s);
	ck_err(ipk__object_attach(fd, 2560, KIND, SMALL, &ref), -EPROTOTYPE);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ck_err(ipk__object_attach(fd, 2560, KIND, SMALL, &ref), -EPROTO);
}
END_TEST

START_TEST(damaged_free_lists_are_given_up)
{
	struct ipk__ref pin = make(SMALL), refs[4];
	uint64_t end = pin.arena->segment.mapped_bytes;
	const uint64_t damage[] = {1,
				   64,
				   ipk__object_offset(&pin) - 64,
				   end - 64,
				   end,
				   UINT64_MAX,
				   UINT64_MAX - 63,
				   (uint64_t)1 << 63};

	for (size_t i = 0; i < IPK__N_OF(damage); i++) {
		struct ipk__shm_object *room;

		for (size_t k = 0; k < IPK__N_OF(refs); k++)
			refs[k] = make(SMALL);
		room = refs[0].object;
		for (size_t k = IPK__N_OF(refs); k > 0; k--)
			ipk__object_close(&refs[k - 1]);
		memcpy(room->label, &damage[i], sizeof damage[i]);
		room->n_bytes = damage[i];
		/* The first is the damaged one, the others' room is lost or found, not made up. */
		for (size_t k = 0; k < IPK__N_OF(refs); k++) {
			refs[k] = make(SMALL);
			ck_assert(is_inside(&refs[k]));
			ck_assert_uint_eq(refs[k].object->n_bytes, SMALL);
			ck_assert_ptr_ne(refs[k].object, pin.object);
			for (size_t n = 0; n < k; n++)
				ck_assert_ptr_ne(refs[k].object, refs[n].object);
			fill(&refs[k]);
		}
		for (size_t k = 0; k < IPK__N_OF(refs); k++)
			ipk__object_close(&refs[k]);
	}
	ipk__object_close(&pin);
}
END_TEST

START_TEST(damaged_sizes_do_no_harm)
{
	static const uint64_t damage[] = {0, 1, 63, 64, SMALL + 64, (uint64_t)1 << 40, UINT64_MAX};

	for (size_t i = 0; i < IPK__N_OF(damage); i++) {
		struct ipk__ref pin = make(SMALL), ref = make(SMALL);

		ref.object->n_bytes = damage[i];
		ck_assert(is_used_again(&ref));
		ipk__object_close(&pin);
	}
}
END_TEST

START_TEST(damaged_numbers_do_no_harm)
{
	static const uint64_t damage[] = {0, 1, 4, 1000, (uint64_t)1 << 40, UINT64_MAX};

	for (size_t i = 0; i < 4 * IPK__N_OF(damage); i++) {
		struct ipk__object_plan plan = plan_of(SMALL);
		char name[UNIQUE_NAME_BYTES];
		struct ipk__ref named, a = make(SMALL), b;
		struct ipk__shm_arena *shared[2];

		/* Its file is but a page: there is nothing behind. */
		unique_name(name, "damaged");
		plan.name = name;
		ck_ok(ipk__object_create(&plan, &named));
		shared[0] = named.arena->shared;
		shared[1] = a.arena->shared;
		for (int k = 0; k < 2; k++) {
			uint64_t n = damage[i / 4];

			if (i % 4 == 0)
				shared[k]->end_offset = n;
			else if (i % 4 == 1)
				shared[k]->n_tables = (uint32_t)n;
			else if (i % 4 == 2)
				shared[k]->objects_offset = n;
			else
				shared[k]->header.fixed_bytes = n;
		}
		b = make(SMALL);
		ck_assert(is_inside(&b));
		ck_assert_ptr_ne(b.object, a.object);
		ck_assert_uint_eq(N_LISTED(ipk__object_list_waiters, &named, NULL, 0), 0);
		ck_assert_uint_eq(N_LISTED(ipk__object_list_waiters, &a, NULL, 0), 0);
		ipk__waiter_leave(ipk__object_waiters(&named),
				  ipk__waiter_enter(ipk__object_waiters(&named), 1, 2));
		ck_assert_int_le(attach(&a, UINT64_MAX - 127, KIND, SMALL, &b), 0);
		ipk__object_close(&b);
		ipk__object_close(&a);
		ipk__object_close(&named);
	}
}
END_TEST

/* --- waiters ---------------------------------------------------------------------------------- */

struct sleeper {
	struct ipk__ref *ref;
	_Atomic uint32_t word;
	_Atomic uint32_t tid;
	pthread_t thread;
};

static void *sleep_on(void *arg)
{
	struct sleeper *s = arg;
	struct ipk__sleep sleep = IPK__SLEEP(s->ref, IPK__WAIT_EVENT);
	ipk_deadline deadline = ipk_in_ms(WAIT_MS);
	int r = 0;

	s->tid = (uint32_t)gettid();
	while (r == 0 && s->word == 0)
		r = ipk__sleep(&sleep, &s->word, 0, deadline);
	ipk__sleep_end(&sleep);
	return NULL;
}

static bool both_sleep(void *arg)
{
	struct sleeper *s = arg;
	uint32_t tids[4] = {0};

	return N_LISTED(ipk__object_list_waiters, s[0].ref, tids, 4) == 2 &&
	       ((tids[0] == s[0].tid && tids[1] == s[1].tid) ||
		(tids[0] == s[1].tid && tids[1] == s[0].tid));
}

/* In an arena with one table of waiters, and in one with several. */
START_TEST(sleepers_are_listed_by_object)
{
	static struct ipk__ref refs[6000];
	size_t n = _i == 0 ? 2 : IPK__N_OF(refs);
	struct ipk__ref *ref = &refs[n - 1];
	struct sleeper s[2] = {{.ref = ref}, {.ref = ref}};
	uint32_t tid = 0;

	for (size_t i = 0; i < n; i++)
		refs[i] = make(SMALL);
	ck_assert_uint_eq(ref->arena->n_tables, _i == 0 ? 1 : 4);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&s[i].thread, NULL, sleep_on, &s[i]), 0);
	ck_assert(wait_until(both_sleep, s, WAIT_MS));
	/* No more are written down than there is room for; all are counted. */
	ck_assert_uint_eq(N_LISTED(ipk__object_list_waiters, ref, &tid, 1), 2);
	ck_assert(tid == s[0].tid || tid == s[1].tid);
	ck_assert_uint_eq(N_LISTED(ipk__object_list_waiters, &refs[0], NULL, 0), 0);
	for (int i = 0; i < 2; i++) {
		s[i].word = 1;
		ipk__os_futex_wake(&s[i].word, 1);
		pthread_join(s[i].thread, NULL);
	}
	ck_assert_uint_eq(N_LISTED(ipk__object_list_waiters, ref, NULL, 0), 0);
	for (size_t i = 0; i < n; i++)
		ipk__object_close(&refs[i]);
}
END_TEST

START_TEST(dead_ones_are_not_listed)
{
	struct ipk__ref ref = make(SMALL);
	struct ipk__waiter *slot = &ref.arena->shared->tables[0].slots[3];
	pid_t gone = spawn(do_nothing, NULL);

	reap_ok(gone);
	slot->tid = (uint32_t)gone;
	slot->object = ipk__object_offset(&ref);
	slot->what = IPK__WAIT_EVENT;
	ck_assert_uint_eq(N_LISTED(ipk__object_list_waiters, &ref, NULL, 0), 0);
	slot->tid = (uint32_t)getpid();
	ck_assert_uint_eq(N_LISTED(ipk__object_list_waiters, &ref, NULL, 0), 1);
	ipk__object_close(&ref);
}
END_TEST

START_TEST(another_pid_namespace_is_noticed)
{
	struct ipk__ref ref = make(SMALL);

	ck_ok(ipk__object_check(&ref));
	ref.arena->segment.checked.pid_namespace++;
	ck_ok(ipk__object_check(&ref)); /* it was checked; a process keeps its namespace */
	ref.arena->checked_pid = getpid() + 1;
	ck_err(ipk__object_check(&ref), -EXDEV);
	ck_err(ipk__object_check(&ref), -EXDEV);
	ref.arena->segment.checked.pid_namespace--;
	ck_ok(ipk__object_check(&ref));
	ipk__object_close(&ref);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("arena");

	add_test(s, object_begins_zeroed_with_its_header);
	add_test(s, room_nobody_else_had_is_used_again);
	add_test(s, room_that_was_passed_on_is_not);
	add_test(s, room_that_a_fork_saw_is_not);
	add_test(s, fork_child_makes_an_arena_of_its_own);
	add_test(s, room_of_changing_sizes_does_not_grow);
	add_test(s, many_objects_cost_few_fds);
	add_test(s, large_object_goes_with_its_arena);
	add_test(s, same_arena_is_mapped_once);
	add_test(s, threads_that_open_it_at_once_share_it);
	add_test(s, what_cannot_be_is_refused);
	add_test(s, without_an_fd_nothing_is_made);
	add_test(s, named_one_appears_whole);
	add_test(s, bad_offsets_and_kinds_are_refused);
	add_test(s, arena_with_impossible_numbers_is_refused);
	add_test(s, other_segments_are_refused);
	add_test(s, damaged_free_lists_are_given_up);
	add_test(s, damaged_sizes_do_no_harm);
	add_test(s, damaged_numbers_do_no_harm);
	add_loop_test(s, sleepers_are_listed_by_object, 0, 2);
	add_test(s, dead_ones_are_not_listed);
	add_test(s, another_pid_namespace_is_noticed);
	return s;
}

IPK_TEST_MAIN(suite)
