/*
 * view_internal.h - how a reader looks at the segment: nothing in it is taken for granted.
 *
 * A look begins with a slot's sequence and ends with it. In between, whatever is loaded may
 * be changing, old, or not ours at all: every ref and length is checked against what is
 * mapped before it is followed, and every loop has its bound.
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

struct ipk__look {
	const struct ipk__view *view;
	const struct ipk__shm_slot *slot;
	uint64_t end_bytes;
	uint64_t seq;
};

#define ipk__load(word) __atomic_load_n(&(word), __ATOMIC_RELAXED)

static inline bool ipk__view_owner_lives(const struct ipk__view *v)
{
	return ipk__lock_owner(&v->shared->owner) != 0 &&
	       atomic_load_explicit(&v->shared->is_closed, memory_order_relaxed) == 0;
}

/* @n_bytes at @offset, or NULL when that is not all in the segment. */
static inline const void *ipk__look_at(const struct ipk__look *look, uint64_t offset,
				       uint64_t n_bytes)
{
	if (offset > look->end_bytes || n_bytes > look->end_bytes - offset)
		return NULL;
	return (const char *)look->view->shared + offset;
}

static inline const void *ipk__look_ref(const struct ipk__look *look, uint32_t ref,
					uint64_t n_bytes)
{
	return ref == 0 ? NULL : ipk__look_at(look, (uint64_t)ref * IPK__REF_UNIT, n_bytes);
}

/* False: it is being changed. */
static inline bool ipk__look_begin(struct ipk__look *look)
{
	look->seq = atomic_load_explicit(&look->slot->seq, memory_order_acquire);
	return (look->seq & 1) == 0;
}

/* False: it was changed meanwhile, and what was loaded is worth nothing. */
static inline bool ipk__look_end(const struct ipk__look *look)
{
	/* Pairs with the release fence of ipk__slot_begin(). */
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&look->slot->seq, memory_order_relaxed) == look->seq;
}

static inline void ipk__look_start(const struct ipk__view *v, struct ipk__look *ret_look)
{
	uint64_t end_bytes = atomic_load_explicit(&v->shared->end_bytes, memory_order_acquire);

	*ret_look = (struct ipk__look){
		.view = v,
		.end_bytes = IPK__MIN(end_bytes, v->mapped_bytes),
	};
}

/* The slot that a spot names; -ESTALE. */
static inline int ipk__look_spot(struct ipk__look *look, const struct ipk__spot *spot)
{
	look->slot = ipk__look_at(look, (uint64_t)spot->slot * IPK__SLOT_BYTES, IPK__SLOT_BYTES);
	return look->slot && spot->slot != 0 ? 0 : -ESTALE;
}

static inline bool ipk__is_over(int64_t expires_ms)
{
	return expires_ms != 0 && ipk__os_unix_ms() >= expires_ms;
}

/* Within a look: whether the slot still is what it was when the spot was found. */
static inline int ipk__look_check(const struct ipk__look *look, const struct ipk__spot *spot,
				  uint32_t type)
{
	const struct ipk__shm_slot *slot = look->slot;

	if (atomic_load_explicit(&slot->id, memory_order_relaxed) != spot->id || spot->id == 0 ||
	    spot->id < atomic_load_explicit(&look->view->shared->first_id, memory_order_relaxed) ||
	    ipk__is_over(ipk__load(slot->expires_ms)))
		return -ESTALE;
	return ipk__load(slot->type) == type ? 0 : -EPROTOTYPE;
}

/* What a look comes to that is done whole; -EBADMSG from @r: damaged, ask the server. */
static inline int ipk__look_result(const struct ipk__look *look, int r)
{
	if (!ipk__view_owner_lives(look->view))
		return -EPIPE;
	return r == -EBADMSG ? -EAGAIN : r;
}

/*
 * @body, again and again until nothing changed meanwhile. It returns 0 or -errno and puts
 * what it finds where only a caller that got an answer looks.
 */
typedef int ipk__look_body(struct ipk__look *look, void *arg);
static inline __attribute__((always_inline)) int
ipk__look_until_whole(struct ipk__look *look, ipk__look_body *body, void *arg)
{
	for (int i = 0; i < IPK__VIEW_TRIES; i++) {
		if (ipk__look_begin(look)) {
			int r = body(look, arg);

			if (ipk__look_end(look))
				return ipk__look_result(look, r);
		}
		ipk__os_pause();
	}
	return ipk__look_result(look, -EAGAIN);
}

/* --- view_dict.c --- */

/* An entry, as it was when its lengths were checked. */
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
int ipk__look_for(const struct ipk__look *look, uint32_t hash, struct ipk__slice name,
		  struct ipk__seen_entry *ret_entry);
/* All entries that SCAN gives for @cursor; *ret_next is the next cursor. */
int ipk__look_scan(const struct ipk__look *look, uint64_t cursor,
		   int (*each)(const struct ipk__look *look, void *arg,
			       const struct ipk__seen_entry *entry),
		   void *arg, uint64_t *ret_next);

#endif
