/*
 * view_internal.h - reads of the segment: nothing in it is trusted.
 *
 * A read begins and ends with the slot's sequence. In between, anything loaded may be changing,
 * stale, or corrupted: every ref and length is checked against the mapping before it is followed,
 * and every loop is bounded.
 */
#ifndef IPK_STORE_VIEW_INTERNAL_H
#define IPK_STORE_VIEW_INTERNAL_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "os/os.h"
#include "store/layout.h"
#include "store/view.h"

#define IPK__VIEW_TRIES 400
#define IPK__VIEW_CHAIN_MAX 4096

struct ipk__view {
	struct ipk__segment segment;
	const struct ipk__shm_store *shared;
	uint64_t mapped_bytes;
	unsigned char hash_key[16];
};

struct ipk__view_read {
	const struct ipk__view *view;
	const struct ipk__shm_slot *slot;
	uint64_t end_bytes;
	uint64_t seq;
};

#define ipk__load(word) __atomic_load_n(&(word), __ATOMIC_RELAXED)

static inline bool ipk__view_owner_lives(const struct ipk__view *v)
{
	return ipk__robust_lock_owner(&v->shared->owner) != 0 &&
	       atomic_load_explicit(&v->shared->is_closed, memory_order_relaxed) == 0;
}

/* @n_bytes at @offset, or NULL when not all of it is in the segment. */
static inline const void *ipk__view_read_at(const struct ipk__view_read *read, uint64_t offset,
					    uint64_t n_bytes)
{
	if (offset > read->end_bytes || n_bytes > read->end_bytes - offset)
		return NULL;
	return (const char *)read->view->shared + offset;
}

static inline const void *ipk__view_read_ref(const struct ipk__view_read *read, uint32_t ref,
					     uint64_t n_bytes)
{
	return ref == 0 ? NULL : ipk__view_read_at(read, (uint64_t)ref * IPK__REF_UNIT, n_bytes);
}

/* False: it is being changed. */
static inline bool ipk__view_read_begin(struct ipk__view_read *read)
{
	read->seq = atomic_load_explicit(&read->slot->seq, memory_order_acquire);
	return (read->seq & 1) == 0;
}

/* False: it was changed meanwhile, and the loaded data is invalid. */
static inline bool ipk__view_read_end(const struct ipk__view_read *read)
{
	/* Pairs with the release fence of ipk__slot_begin(). */
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&read->slot->seq, memory_order_relaxed) == read->seq;
}

static inline void ipk__view_read_start(const struct ipk__view *v, struct ipk__view_read *ret_read)
{
	uint64_t end_bytes = atomic_load_explicit(&v->shared->end_bytes, memory_order_acquire);

	*ret_read = (struct ipk__view_read){
		.view = v,
		.end_bytes = IPK__MIN(end_bytes, v->mapped_bytes),
	};
}

/* The slot of a position; -ESTALE. */
static inline int ipk__view_read_spot(struct ipk__view_read *read, const struct ipk__spot *spot)
{
	read->slot =
		ipk__view_read_at(read, (uint64_t)spot->slot * IPK__SLOT_BYTES, IPK__SLOT_BYTES);
	return read->slot && spot->slot != 0 ? 0 : -ESTALE;
}

static inline bool ipk__is_over(int64_t expires_ms)
{
	return expires_ms != 0 && ipk__os_unix_ms() >= expires_ms;
}

/* Within a read: whether the slot still is what it was when the position was found. */
static inline int ipk__view_read_check(const struct ipk__view_read *read,
				       const struct ipk__spot *spot, uint32_t type)
{
	const struct ipk__shm_slot *slot = read->slot;

	if (atomic_load_explicit(&slot->id, memory_order_relaxed) != spot->id || spot->id == 0 ||
	    spot->id < atomic_load_explicit(&read->view->shared->first_id, memory_order_relaxed) ||
	    ipk__is_over(ipk__load(slot->expires_ms)))
		return -ESTALE;
	return ipk__load(slot->type) == type ? 0 : ipk__detail(-EPROTOTYPE, IPK__OTHER_KIND);
}

/* The result of a complete read; -EBADMSG from @r: damaged, ask the server. */
static inline int ipk__view_read_result(const struct ipk__view_read *read, int r)
{
	if (!ipk__view_owner_lives(read->view))
		return -EPIPE;
	return r == -EBADMSG ? -EAGAIN : r;
}

/*
 * Repeats @body until nothing changed meanwhile. It returns 0 or -errno and stores its results
 * where the caller reads them only on success.
 */
typedef int ipk__view_read_body(struct ipk__view_read *read, void *arg);
static inline __attribute__((always_inline)) int
ipk__view_read_retry(struct ipk__view_read *read, ipk__view_read_body *body, void *arg)
{
	for (int i = 0; i < IPK__VIEW_TRIES; i++) {
		if (ipk__view_read_begin(read)) {
			int r = body(read, arg);

			if (ipk__view_read_end(read))
				return ipk__view_read_result(read, r);
		}
		ipk__os_pause();
	}
	return ipk__view_read_result(read, -EAGAIN);
}

/* --- view_dict.c ------------------------------------------------------------------------------ */

/* An entry, as of the check of its lengths. */
struct ipk__seen_entry {
	const struct ipk__entry *entry;
	uint32_t name_bytes;
	uint32_t value_bytes;
	uint32_t flags;
	const char *name;
	const char *value;
	int64_t expires_ms;
};

/* 0, -ENOENT or -EBADMSG. */
int ipk__view_read_find(const struct ipk__view_read *read, uint32_t hash, struct ipk__slice name,
			struct ipk__seen_entry *ret_entry);
/* All entries that SCAN visits for @cursor; *ret_next is the next cursor. */
int ipk__view_read_scan(const struct ipk__view_read *read, uint64_t cursor,
			int (*each)(const struct ipk__view_read *read, void *arg,
				    const struct ipk__seen_entry *entry),
			void *arg, uint64_t *ret_next);

#endif
