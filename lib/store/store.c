/*
 * store.c - the store as a whole: its segment, its slots, and incremental work.
 *
 * The segment is a memory file with a size far beyond its use, mapped once by each process: growing
 * means allocating pages, so no reader ever has to remap it.
 *
 * A removed object is unreachable at once. A large container goes to a garbage list, through its
 * slot, and is freed piece by piece: by later changes, by ipk__store_step(), and by an allocation
 * that finds no memory.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "store/store_internal.h"

#define RESERVE_BYTES ((uint64_t)64 << 30)
#define RESERVE_MIN_BYTES ((uint64_t)16 << 20)
#define FIXED_BYTES ipk__round_up(sizeof(struct ipk__shm_store), IPK__STORE_CHUNK_BYTES)
#define STEP_PIECES 64
#define NEED_PIECES 256

/* --- making and ending it --------------------------------------------------------------------- */

static int make_segment(const char *label, struct ipk__segment *ret_segment)
{
	const struct ipk__segment_plan plan = {
		.kind = IPK__KIND_MANAGER,
		.label = label,
		.fixed_bytes = RESERVE_BYTES,
		.least_bytes = RESERVE_MIN_BYTES,
	};

	return ipk__segment_create_sparse(&plan, FIXED_BYTES, ret_segment);
}

static int fill_in(struct ipk__store *s)
{
	struct ipk__shm_store *shared = s->shared;
	bool recovered;
	int r = ipk__heap_init(&s->heap, s->segment.fd, (char *)shared, s->segment.mapped_bytes,
			       FIXED_BYTES, &shared->end_bytes);

	if (r == 0)
		r = ipk__os_random(shared->hash_key, sizeof shared->hash_key);
	if (r == 0)
		r = ipk__robust_lock_init(&shared->owner);
	if (r == 0)
		r = ipk__robust_lock_try(&shared->owner, &recovered);
	if (r < 0)
		return r;
	s->owner_pid = ipk__os_pid();
	s->owner_tid = ipk__os_tid();
	r = ipk__heap_alloc_slot(&s->heap, &s->spare_slot);
	if (r < 0)
		return r;
	s->last_id = IPK__STORE_ID_KEYS;
	atomic_store(&shared->first_id, IPK__STORE_ID_KEYS);
	s->keys = &shared->keys;
	s->keys->type = IPK__TYPE_HASH;
	atomic_store(&s->keys->id, IPK__STORE_ID_KEYS);
	r = ipk__segment_publish(&s->segment, NULL);
	/* Clients get it to read, perhaps as other users. */
	return r < 0 ? r : ipk__os_make_read_only(s->segment.fd);
}

int ipk__store_create(const struct ipk__store_opts *opts, struct ipk__store **ret_store)
{
	struct ipk__store *s;
	int r = ipk__name_check(opts->label);

	if (r < 0)
		return r;
	s = ipk__os_calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	s->segment.fd = -1;
	s->versions = ipk__os_calloc(IPK__VERSIONS, sizeof *s->versions);
	r = s->versions ? make_segment(opts->label, &s->segment) : -ENOMEM;
	if (r == 0) {
		s->shared = (struct ipk__shm_store *)s->segment.header;
		r = fill_in(s);
	}
	if (r < 0) {
		ipk__store_close(s);
		return r;
	}
	ipk__store_set_max_bytes(s, opts->max_bytes);
	*ret_store = s;
	return 0;
}

/*
 * From here on readers see that there is no writer; after a fork only for the child's sake, the
 * store is still its parent's. Only the thread that took the lock can give it back, and until
 * it ends the kernel may look at it: for another thread's sake its page stays mapped.
 */
static void leave_segment(struct ipk__store *s)
{
	if (s->owner_pid == ipk__os_pid()) {
		atomic_store(&s->shared->is_closed, 1);
		if (s->owner_tid == ipk__os_tid()) {
			ipk__robust_lock_release(&s->shared->owner);
		} else {
			ipk__os_unmap((char *)s->shared + FIXED_BYTES,
				      s->segment.mapped_bytes - FIXED_BYTES);
			s->segment.header = NULL;
		}
	}
	ipk__segment_detach(&s->segment);
}

void ipk__store_close(struct ipk__store *s)
{
	if (!s)
		return;
	if (s->segment.header)
		leave_segment(s);
	ipk__heap_fini(&s->heap);
	free(s->versions);
	free(s->times);
	free(s);
}

int ipk__store_fd_to_read(struct ipk__store *s, int *ret_fd)
{
	return ipk__os_open_again(s->segment.fd, false, ret_fd);
}

uint64_t ipk__store_used_bytes(const struct ipk__store *s)
{
	return s->heap.live_bytes;
}

uint64_t ipk__store_resident_bytes(const struct ipk__store *s)
{
	return ipk__heap_resident_bytes(&s->heap);
}

uint64_t ipk__store_max_bytes(const struct ipk__store *s)
{
	return s->heap.max_bytes == UINT64_MAX ? 0 : s->heap.max_bytes;
}

void ipk__store_set_max_bytes(struct ipk__store *s, uint64_t max_bytes)
{
	s->heap.max_bytes = max_bytes == 0 ? UINT64_MAX : max_bytes;
}

struct ipk__shm_status *ipk__store_status(struct ipk__store *s)
{
	return &s->shared->status;
}

struct ipk__table *ipk__store_keys(struct ipk__store *s)
{
	return (struct ipk__table *)s->keys;
}

void ipk__store_close_open(struct ipk__store *s)
{
	ipk__slot_end(s->open);
	s->open = NULL;
}

/* --- room ------------------------------------------------------------------------------------- */

int ipk__store_alloc(struct ipk__store *s, size_t n_bytes, uint32_t *ret_ref)
{
	int r = ipk__heap_alloc(&s->heap, n_bytes, ret_ref);

	while (r == -ENOSPC && s->garbage != 0) {
		ipk__garbage_step(s, NEED_PIECES);
		r = ipk__heap_alloc(&s->heap, n_bytes, ret_ref);
	}
	return r;
}

int ipk__store_alloc_slot(struct ipk__store *s, uint32_t *ret_slot)
{
	int r = ipk__heap_alloc_slot(&s->heap, ret_slot);

	while (r == -ENOSPC && s->garbage != 0) {
		ipk__garbage_step(s, NEED_PIECES);
		r = ipk__heap_alloc_slot(&s->heap, ret_slot);
	}
	return r;
}

/* --- slots ------------------------------------------------------------------------------------ */

int ipk__slot_make(struct ipk__store *s, enum ipk__key_type type, uint32_t *ret_slot)
{
	struct ipk__shm_slot *slot;
	uint32_t number;
	int r = ipk__store_alloc_slot(s, &number);

	if (r < 0)
		return r;
	slot = ipk__heap_slot(&s->heap, number);
	ipk__slot_begin(slot);
	ipk__put(slot->type, (uint32_t)type);
	slot->next = 0;
	slot->expires_ms = 0;
	memset(slot->room, 0, sizeof slot->room);
	if (type != IPK__TYPE_SYNC_OBJECT)
		slot->version = ++s->last_version;
	atomic_store_explicit(&slot->id, ++s->last_id, memory_order_relaxed);
	ipk__slot_end(slot);
	*ret_slot = number;
	return 0;
}

void ipk__slot_drop(struct ipk__store *s, uint32_t number)
{
	struct ipk__shm_slot *slot = ipk__heap_slot(&s->heap, number);

	ipk__slot_begin(slot);
	atomic_store_explicit(&slot->id, 0, memory_order_relaxed);
	ipk__slot_end(slot);
	if (slot->type == IPK__TYPE_SYNC_OBJECT) {
		ipk__heap_free_slot(&s->heap, number);
		return;
	}
	slot->version = 0; /* how far its freeing has come */
	slot->next = s->garbage;
	s->garbage = number;
}

uint32_t ipk__garbage_step(struct ipk__store *s, uint32_t n_pieces)
{
	uint32_t number = s->garbage, n;
	struct ipk__shm_slot *slot = ipk__heap_slot(&s->heap, number);

	if (number == 0)
		return 0;
	s->garbage = slot->next; /* freeing all keys adds their containers */
	if (slot->type == IPK__TYPE_LIST)
		n = ipk__store_list_free_some(s, slot, n_pieces);
	else
		n = ipk__table_free_some(s, slot, n_pieces);
	if (n == 0) {
		ipk__heap_free_slot(&s->heap, number);
		return 1;
	}
	slot->next = s->garbage;
	s->garbage = number;
	return n;
}

/* --- bit by bit ------------------------------------------------------------------------------- */

bool ipk__store_step(struct ipk__store *s, int64_t budget_ns)
{
	int64_t end_ns = ipk__os_now_ns() + budget_ns;
	bool more;

	ipk__store_settle(s);
	do {
		more = true;
		if (s->garbage != 0)
			ipk__garbage_step(s, STEP_PIECES);
		else if (s->busy != 0)
			ipk__rehash_step(s, ipk__heap_slot(&s->heap, s->busy), STEP_PIECES);
		else
			more = ipk__heap_trim(&s->heap);
	} while (more && ipk__os_now_ns() < end_ns);
	return more;
}
