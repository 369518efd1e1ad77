/*
 * arena.c - creating, finding and freeing small shared objects.
 *
 * One list of all arenas that this process has mapped, under one guard. A fork child finds the list
 * unchanged, with valid handles, but creates no objects in its parent's arenas: the creator's pid
 * is checked. Offsets of free blocks are read back from memory that others can write, so they are
 * checked like everything else. Sizes are not read back: each free list is of one size, and what
 * must not change is kept in private memory.
 */
#include <errno.h>
#include <pthread.h> /* pthread_atfork */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "shared/arena.h"
#include "shared/owner.h"

#define FIRST_ARENA_BYTES ((size_t)64 << 10)
#define LARGE_SHARE 4 /* an object of more than this share of an arena gets one of its own */
#define MANY_BYTES ((size_t)256 << 10) /* from this size on, IPK__ARENA_TABLES_MAX of waiters */
#define EXACT_UNITS 16                 /* rooms up to this size are as large as asked for */
#define ROUND_MAX_BYTES (IPK__ARENA_BYTES_MAX / LARGE_SHARE) /* longer ones have an arena each */
#define OBJECTS_MAX_BYTES (IPK__SEGMENT_FIXED_MAX - ((size_t)1 << 20))

IPK__AT_FORK_DATA static struct ipk__os_guard guard;
IPK__AT_FORK_DATA static struct ipk__arena *arenas;
IPK__AT_FORK_DATA static _Atomic uint32_t n_forks;

/* --- forks ------------------------------------------------------------------------------------ */

IPK__AT_FORK_CODE static void before_fork(void)
{
	ipk__os_guard_before_fork(&guard);
	atomic_fetch_add(&n_forks, 1);
}

IPK__AT_FORK_CODE static void after_fork(void)
{
	ipk__os_guard_after_fork(&guard);
}

/* Its pid may be its parent's: as the first of a pid namespace, or long after its end. */
IPK__AT_FORK_CODE static void after_fork_in_child(void)
{
	for (struct ipk__arena *a = arenas; a; a = a->next) {
		a->maker = 0;
		atomic_store(&a->checked_pid, 0);
	}
	ipk__os_guard_in_child(&guard);
}

__attribute__((constructor(102))) static void watch_forks(void)
{
	/* Without it rooms would be used again too early: then none ever is. */
	if (pthread_atfork(before_fork, after_fork, after_fork_in_child) != 0)
		atomic_store(&n_forks, UINT32_MAX);
}

static bool may_be_shared(const struct ipk__ref *ref)
{
	uint32_t now = atomic_load(&n_forks);

	return ref->is_passed || now != ref->n_forks || now == UINT32_MAX;
}

/* --- arenas ----------------------------------------------------------------------------------- */

/* Whether the numbers in it suit each other; what is needed of them is kept. */
static bool take_numbers(struct ipk__arena *a)
{
	a->n_tables = *(volatile uint32_t *)&a->shared->n_tables;
	return a->n_tables > 0 && a->n_tables <= IPK__ARENA_TABLES_MAX &&
	       *(volatile uint64_t *)&a->shared->objects_offset ==
		       ipk__arena_objects_offset(a->n_tables) &&
	       ipk__arena_objects_offset(a->n_tables) <= a->segment.mapped_bytes;
}

static void free_view(struct ipk__arena *a)
{
	ipk__segment_detach(&a->segment);
	free(a);
}

/* Ends the arena when no process uses it any more. With the guard. */
static void unref(struct ipk__arena *a)
{
	struct ipk__arena **at = &arenas;

	if (--a->n_refs > 0)
		return;
	while (*at && *at != a)
		at = &(*at)->next;
	if (*at)
		*at = a->next;
	free_view(a);
}

/* A view of @segment, which it takes over, with one reference; not in the list yet. */
static int new_view(struct ipk__segment *segment, const char *name, struct ipk__arena **ret_arena)
{
	struct ipk__arena *a = ipk__os_calloc(1, sizeof *a);
	struct ipk__os_stat st;
	int r = a ? ipk__os_stat(segment->fd, &st) : -ENOMEM;

	if (r < 0) {
		free(a);
		ipk__segment_detach(segment);
		return r;
	}
	a->segment = *segment;
	a->shared = (struct ipk__shm_arena *)segment->header;
	a->device = st.device;
	a->inode = st.inode;
	a->n_refs = 1;
	a->is_named = name != NULL;
	if (name)
		snprintf(a->name, sizeof a->name, "%s", name);
	atomic_store(&a->checked_pid, ipk__os_pid());
	*ret_arena = a;
	return 0;
}

static void enlist(struct ipk__arena *a)
{
	a->next = arenas;
	arenas = a;
}

static int new_arena(const struct ipk__object_plan *object, size_t objects_bytes,
		     struct ipk__arena **ret_arena)
{
	uint32_t n_tables =
		objects_bytes >= MANY_BYTES && !object->name ? IPK__ARENA_TABLES_MAX : 1;
	struct ipk__segment_plan plan = {
		.kind = IPK__KIND_ARENA,
		.label = object->name ? object->name : "arena",
		.is_named = object->name != NULL,
		.fixed_bytes = ipk__arena_objects_offset(n_tables) + objects_bytes,
	};
	struct ipk__segment segment;
	struct ipk__arena *a;
	int r = ipk__segment_create(&plan, &segment);

	if (r < 0)
		return r;
	r = new_view(&segment, object->name, &a);
	if (r < 0)
		return r;
	a->n_tables = a->shared->n_tables = n_tables;
	a->maker = ipk__os_pid();
	a->end_offset = a->shared->objects_offset = ipk__arena_objects_offset(n_tables);
	atomic_store(&a->shared->end_offset, a->end_offset);
	/* A named one is whole only with its object in it. */
	if (!plan.is_named)
		r = ipk__segment_publish(&a->segment, NULL);
	if (r < 0)
		free_view(a);
	else
		*ret_arena = a;
	return r;
}

/* --- room in an arena of ours ----------------------------------------------------------------- */

/* The size of room for @n_bytes: so few sizes that what one leaves suits the next. */
static size_t room_bytes(size_t n_bytes)
{
	n_bytes = ipk__round_up(n_bytes, IPK__OBJECT_ALIGN);
	if (n_bytes <= EXACT_UNITS * IPK__OBJECT_ALIGN || n_bytes > ROUND_MAX_BYTES)
		return n_bytes;
	return ipk__round_up_pow2(n_bytes);
}

/* The list of free rooms of exactly @n_bytes, which room_bytes() gave; NULL: there is none. */
static uint64_t *list_of(struct ipk__arena *a, size_t n_bytes)
{
	size_t n_units = n_bytes / IPK__OBJECT_ALIGN;
	size_t i = IPK__MIN(n_units, EXACT_UNITS) - 1;

	if (n_bytes > ROUND_MAX_BYTES)
		return NULL;
	for (; n_units > EXACT_UNITS; n_units /= 2)
		i++;
	return &a->free_offsets[i];
}

static struct ipk__shm_object *object_at(const struct ipk__arena *a, uint64_t offset)
{
	return (struct ipk__shm_object *)((char *)a->shared + offset);
}

/* In free room the label holds where the next of its list is. */
static uint64_t next_free(const struct ipk__shm_object *object)
{
	uint64_t offset;

	memcpy(&offset, object->label, sizeof offset);
	return offset;
}

static bool is_room(const struct ipk__arena *a, uint64_t offset, size_t n_bytes)
{
	return offset % IPK__OBJECT_ALIGN == 0 &&
	       offset >= ipk__arena_objects_offset(a->n_tables) && offset <= a->end_offset &&
	       n_bytes <= a->end_offset - offset;
}

/* A list whose memory was damaged is given up: its rooms stay unused. */
static struct ipk__shm_object *take_free(struct ipk__arena *a, size_t n_bytes)
{
	uint64_t *list = list_of(a, n_bytes);
	struct ipk__shm_object *object;

	if (!list || *list == 0)
		return NULL;
	object = object_at(a, *list);
	*list = next_free(object);
	if (!is_room(a, *list, n_bytes))
		*list = 0;
	return object;
}

static void give_back(struct ipk__arena *a, struct ipk__shm_object *object, size_t n_bytes)
{
	uint64_t *list = list_of(a, n_bytes);

	atomic_store(&object->kind, 0);
	if (!list)
		return;
	memset((char *)object + sizeof *object, 0, n_bytes - sizeof *object);
	memcpy(object->label, list, sizeof *list);
	*list = (uint64_t)((char *)object - (char *)a->shared);
}

static struct ipk__shm_object *take_room(struct ipk__arena *a, size_t n_bytes)
{
	struct ipk__shm_object *object = take_free(a, n_bytes);

	if (object) {
		object->n_bytes = n_bytes;
		return object;
	}
	if (n_bytes > a->segment.mapped_bytes - a->end_offset)
		return NULL;
	object = object_at(a, a->end_offset);
	object->n_bytes = n_bytes;
	a->end_offset += n_bytes;
	/* Pairs with the inspector's load: sizes up to here can be followed. */
	atomic_store_explicit(&a->shared->end_offset, a->end_offset, memory_order_release);
	return object;
}

/* Room in one of our arenas, or in a new one. Each new one is half as large again as the last. */
static int find_room(const struct ipk__object_plan *plan, size_t n_bytes, struct ipk__ref *ref)
{
	size_t arena_bytes = FIRST_ARENA_BYTES;
	int r;

	for (struct ipk__arena *a = plan->name ? NULL : arenas; a; a = a->next) {
		if (a->maker != ipk__os_pid() || a->is_named)
			continue;
		ref->object = take_room(a, n_bytes);
		if (ref->object) {
			ref->arena = a;
			a->n_refs++;
			return 0;
		}
		arena_bytes = IPK__MIN(arena_bytes / 2 * 3, IPK__ARENA_BYTES_MAX);
	}
	if (plan->name || n_bytes > arena_bytes / LARGE_SHARE)
		arena_bytes = n_bytes;
	r = new_arena(plan, arena_bytes, &ref->arena);
	if (r < 0)
		return r;
	enlist(ref->arena);
	ref->object = take_room(ref->arena, n_bytes);
	return 0;
}

/* --- making ----------------------------------------------------------------------------------- */

static int check_plan(const struct ipk__object_plan *plan)
{
	if (plan->name && ipk__name_check(plan->name) < 0)
		return ipk__invalid(".name: " IPK__NAME_RULE);
	if (plan->label && ipk__name_check(plan->label) < 0)
		return ipk__invalid(".label: " IPK__NAME_RULE);
	return plan->n_bytes > OBJECTS_MAX_BYTES ? -ENOSPC : 0;
}

static void fill_object(struct ipk__shm_object *object, const struct ipk__object_plan *plan)
{
	const char *label = plan->label ? plan->label : plan->name ? plan->name : "";

	object->kind_made = plan->kind;
	object->flags = plan->flags;
	object->created_boot_ns = ipk__os_boot_ns();
	memset(object->label, 0, sizeof object->label);
	strncpy(object->label, label, sizeof object->label - 1);
}

int ipk__object_create(const struct ipk__object_plan *plan, struct ipk__ref *ret_ref)
{
	struct ipk__ref ref = {.is_maker = true, .n_bytes = room_bytes(plan->n_bytes)};
	int r = check_plan(plan);

	if (r < 0)
		return r;
	ipk__os_guard_lock(&guard);
	r = find_room(plan, ref.n_bytes, &ref);
	ipk__os_guard_unlock(&guard);
	if (r < 0)
		return r;
	ref.n_forks = atomic_load(&n_forks);
	fill_object(ref.object, plan);
	ipk__os_fence_start();
	*ret_ref = ref;
	return 0;
}

static const char *file_name(const char *name, char *buf, size_t buf_bytes)
{
	snprintf(buf, buf_bytes, "ipk.%s", name);
	return buf;
}

int ipk__object_publish(const struct ipk__object_plan *plan, const struct ipk__ref *ref)
{
	char file[256];

	/* Pairs with the acquire loads of the threads that find it. */
	atomic_store_explicit(&ref->object->kind, plan->kind, memory_order_release);
	if (!plan->name)
		return 0;
	return ipk__segment_publish(&ref->arena->segment, file_name(plan->name, file, sizeof file));
}

/* --- finding ---------------------------------------------------------------------------------- */

#define OTHER_KIND "the opened or received object is of another kind"

static int find_object(struct ipk__arena *a, uint64_t offset, uint32_t kind, size_t min_bytes,
		       struct ipk__ref *ret_ref)
{
	uint64_t end = a->segment.mapped_bytes;
	struct ipk__shm_object *object;
	uint64_t n_bytes;

	if (offset % IPK__OBJECT_ALIGN != 0 || offset < ipk__arena_objects_offset(a->n_tables) ||
	    offset > end - sizeof *object)
		return -EPROTO;
	object = object_at(a, offset);
	n_bytes = *(volatile uint64_t *)&object->n_bytes;
	if (atomic_load_explicit(&object->kind, memory_order_acquire) != kind)
		return ipk__detail(-EPROTOTYPE, OTHER_KIND);
	if (n_bytes < min_bytes || n_bytes > end - offset)
		return -EBADMSG;
	*ret_ref = (struct ipk__ref){.arena = a, .object = object, .is_passed = true};
	return 0;
}

/* Takes over @fd; not in the list yet. */
static int attach_arena(int fd, const char *name, struct ipk__arena **ret_arena)
{
	struct ipk__segment segment;
	int r = ipk__segment_attach(fd, IPK__KIND_ARENA, name != NULL, &segment);

	if (r < 0) {
		ipk__os_close(fd);
		return r;
	}
	r = new_view(&segment, name, ret_arena);
	if (r < 0)
		return r;
	if (!take_numbers(*ret_arena)) {
		free_view(*ret_arena);
		return -EBADMSG;
	}
	return 0;
}

/* With the guard: the one in the list that is the file @device, @inode; NULL none. */
static struct ipk__arena *find_arena(uint64_t device, uint64_t inode)
{
	struct ipk__arena *a = arenas;

	while (a && (a->inode != inode || a->device != device))
		a = a->next;
	return a;
}

static struct ipk__arena *ref_known(uint64_t device, uint64_t inode)
{
	struct ipk__arena *a;

	ipk__os_guard_lock(&guard);
	a = find_arena(device, inode);
	if (a)
		a->n_refs++;
	ipk__os_guard_unlock(&guard);
	return a;
}

/* @a, or the one of the same file that another thread was quicker with. */
static struct ipk__arena *enlist_or_ref(struct ipk__arena *a)
{
	struct ipk__arena *known;

	ipk__os_guard_lock(&guard);
	known = find_arena(a->device, a->inode);
	if (known)
		known->n_refs++;
	else
		enlist(a);
	ipk__os_guard_unlock(&guard);
	if (!known)
		return a;
	free_view(a);
	return known;
}

static void drop_ref(struct ipk__arena *a)
{
	ipk__os_guard_lock(&guard);
	unref(a);
	ipk__os_guard_unlock(&guard);
}

/*
 * The arena that @fd names, with one more reference. Without the guard: a peer chose the file, and
 * may have one that does not answer; that must hold up neither other threads nor a fork.
 */
static int get_arena(int fd, const char *name, struct ipk__arena **ret_arena)
{
	struct ipk__os_stat st;
	int r = ipk__os_stat(fd, &st);

	if (r < 0) {
		ipk__os_close(fd);
		return r;
	}
	*ret_arena = ref_known(st.device, st.inode);
	if (*ret_arena) {
		ipk__os_close(fd);
		return 0;
	}
	r = attach_arena(fd, name, ret_arena);
	if (r == 0)
		*ret_arena = enlist_or_ref(*ret_arena);
	return r;
}

static int attach(int fd, const char *name, uint64_t offset, uint32_t kind, size_t min_bytes,
		  struct ipk__ref *ret_ref)
{
	struct ipk__arena *a;
	struct ipk__ref ref;
	int r = get_arena(fd, name, &a);

	if (r < 0)
		return r;
	r = find_object(a, name ? ipk__arena_objects_offset(a->n_tables) : offset, kind, min_bytes,
			&ref);
	/* One that was here already may have come with a fork. */
	if (r == 0)
		r = ipk__object_check(&ref);
	if (r < 0) {
		drop_ref(a);
		return r;
	}
	*ret_ref = ref;
	ipk__os_fence_start();
	return 0;
}

int ipk__object_attach(int fd, uint64_t offset, uint32_t kind, size_t min_bytes,
		       struct ipk__ref *ret_ref)
{
	return attach(fd, NULL, offset, kind, min_bytes, ret_ref);
}

int ipk__object_open(const char *name, uint32_t kind, size_t min_bytes, struct ipk__ref *ret_ref)
{
	char file[256];
	int fd = -1;
	int r = ipk__name_check(name);

	if (r == 0)
		r = ipk__os_shm_open(file_name(name, file, sizeof file), &fd);
	return r < 0 ? r : attach(fd, name, 0, kind, min_bytes, ret_ref);
}

/* --- giving back ------------------------------------------------------------------------------ */

void ipk__object_close(struct ipk__ref *ref)
{
	struct ipk__arena *a = ref->arena;

	if (!a)
		return;
	ipk__os_guard_lock(&guard);
	if (ref->is_maker && a->maker == ipk__os_pid() && !a->is_named && !may_be_shared(ref))
		give_back(a, ref->object, ref->n_bytes);
	unref(a);
	ipk__os_guard_unlock(&guard);
	*ref = (struct ipk__ref){0};
}

int ipk__object_unlink(const char *name)
{
	char file[256];
	int r = ipk__name_check(name);

	return r < 0 ? r : ipk__os_shm_unlink(file_name(name, file, sizeof file));
}

int ipk__object_pass(struct ipk__ref *ref, int *ret_fd, uint64_t *ret_offset)
{
	if (ref->arena->is_named)
		return -EOPNOTSUPP;
	ref->is_passed = true;
	*ret_fd = ref->arena->segment.fd;
	*ret_offset = ipk__object_offset(ref);
	return 0;
}

/* --- waiters ---------------------------------------------------------------------------------- */

struct ipk__waiters *ipk__object_waiters(const struct ipk__ref *ref)
{
	uint32_t n = ref->arena->n_tables;

	return &ref->arena->shared->tables[n > 1 ? (uint32_t)ipk__os_tid() % n : 0];
}

int ipk__object_list_waiters(const struct ipk__ref *ref, uint32_t *ret_tids, size_t max,
			     size_t *ret_n)
{
	uint32_t n_tables = ref->arena->n_tables;
	uint64_t offset = ipk__object_offset(ref);
	size_t n = 0;

	if (!ret_n || (!ret_tids && max > 0))
		return ipk__invalid("ret_n, or ret_tids with max over 0, is NULL");
	for (uint32_t i = 0; i < n_tables * IPK__WAITERS_MAX; i++) {
		const struct ipk__waiter *slot = &ref->arena->shared->tables[i / IPK__WAITERS_MAX]
							  .slots[i % IPK__WAITERS_MAX];
		uint32_t tid = atomic_load(&slot->tid);

		/* Pairs with the release store in ipk__waiter_enter(). */
		if (tid == 0 || atomic_load_explicit(&slot->what, memory_order_acquire) == 0 ||
		    atomic_load(&slot->object) != offset ||
		    ipk__is_dead_since(tid, false, atomic_load(&slot->since_boot_ns)))
			continue;
		if (n < max)
			ret_tids[n] = tid;
		n++;
	}
	*ret_n = n;
	return 0;
}

static bool is_dead_waiter(const struct ipk__waiter *slot, uint64_t offset, uint32_t tid)
{
	return tid != 0 && atomic_load_explicit(&slot->what, memory_order_acquire) != 0 &&
	       atomic_load(&slot->object) == offset &&
	       ipk__is_dead_since(tid, false, atomic_load(&slot->since_boot_ns));
}

bool ipk__object_bury_waiters(const struct ipk__ref *ref)
{
	uint64_t offset = ipk__object_offset(ref);
	bool has_buried = false;

	for (uint32_t i = 0; i < ref->arena->n_tables * IPK__WAITERS_MAX; i++) {
		struct ipk__waiter *slot = &ref->arena->shared->tables[i / IPK__WAITERS_MAX]
						    .slots[i % IPK__WAITERS_MAX];
		uint32_t tid = atomic_load(&slot->tid);

		if (!is_dead_waiter(slot, offset, tid))
			continue;
		/* The thread that claims it next does not wait yet. */
		atomic_store(&slot->since_boot_ns, INT64_MAX);
		has_buried |= atomic_compare_exchange_strong(&slot->tid, &tid, 0);
	}
	return has_buried;
}

int ipk__object_check_slowly(const struct ipk__ref *ref)
{
	if (ref->arena->segment.checked.pid_namespace != ipk__os_pid_namespace())
		return -EXDEV;
	atomic_store(&ref->arena->checked_pid, ipk__os_pid());
	return 0;
}
