/* store_internal.h - declarations shared by the writer's side of the store. */
#ifndef IPK_STORE_STORE_INTERNAL_H
#define IPK_STORE_STORE_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/heap.h"
#include "store/layout.h"
#include "store/store.h"

#define IPK__VERSIONS 32768u /* of string keys, by hash */

enum { IPK__PHASE_NONE = 0, IPK__PHASE_FILL = 1, IPK__PHASE_MOVE = 2 };

struct ipk__deadline_node {
	int64_t at_ms;
	uint32_t entry;
};

struct ipk__store {
	struct ipk__segment segment;
	struct ipk__shm_store *shared;
	struct ipk__heap heap;
	struct ipk__shm_slot *keys;
	struct ipk__shm_slot *open; /* left odd, see ipk__key_resize() */
	pid_t owner_pid;            /* of the process and thread that made it */
	pid_t owner_tid;
	uint64_t last_id;
	uint64_t last_version;
	uint64_t *versions;
	uint32_t busy;       /* slots of tables that are being rehashed */
	uint32_t garbage;    /* slots whose contents are yet to be freed */
	uint32_t spare_slot; /* allocated ahead, for operations that must not fail */
	/* expire.c: a heap of times, four children each. */
	struct ipk__deadline_node *times;
	uint32_t n_times;
	uint32_t times_room;
};

/* The position of an entry, existing or not. */
struct ipk__position {
	uint32_t hash;
	uint32_t *link; /* the link to it; the bucket when there is none; NULL: no buckets yet */
	struct ipk__entry *entry;
};

/* --- store.c ---------------------------------------------------------------------------------- */

/* Between these two readers of @slot wait, or retry. */
static inline void ipk__slot_begin(struct ipk__shm_slot *slot)
{
	uint64_t seq = atomic_load_explicit(&slot->seq, memory_order_relaxed);

	atomic_store_explicit(&slot->seq, seq + 1, memory_order_relaxed);
	/*
	 * A reader that sees any of the following stores sees that the sequence is odd, or later.
	 */
	atomic_thread_fence(memory_order_release);
}

static inline void ipk__slot_end(struct ipk__shm_slot *slot)
{
	uint64_t seq = atomic_load_explicit(&slot->seq, memory_order_relaxed);

	atomic_store_explicit(&slot->seq, seq + 1, memory_order_release);
}

/* Words that a reader may be reading: stored without tearing. */
#define ipk__put(word, value) __atomic_store_n(&(word), (value), __ATOMIC_RELAXED)

void ipk__store_close_open(struct ipk__store *s);
static inline void ipk__store_settle(struct ipk__store *s)
{
	if (__builtin_expect(s->open != NULL, 0))
		ipk__store_close_open(s);
}

/* As the heap's, but frees pending garbage first when there is no memory. */
int ipk__store_alloc(struct ipk__store *s, size_t n_bytes, uint32_t *ret_ref);
int ipk__store_alloc_slot(struct ipk__store *s, uint32_t *ret_slot);
/* A container of @type in a slot of its own, empty. */
int ipk__slot_make(struct ipk__store *s, enum ipk__key_type type, uint32_t *ret_slot);
/* Readers do not find it any more; its contents are freed later. */
void ipk__slot_drop(struct ipk__store *s, uint32_t slot);
/* Frees up to @n_pieces of garbage; returns how many. */
uint32_t ipk__garbage_step(struct ipk__store *s, uint32_t n_pieces);
/* The background work of each change. */
void ipk__store_tick(struct ipk__store *s, struct ipk__shm_slot *slot);

static inline struct ipk__shm_slot *ipk__slot_of_table(struct ipk__table *t)
{
	return (struct ipk__shm_slot *)t;
}

static inline struct ipk__shm_slot *ipk__slot_of_list(struct ipk__store_list *l)
{
	return (struct ipk__shm_slot *)l;
}

static inline uint32_t ipk__ref_of(const struct ipk__store *s, const void *p)
{
	return ipk__heap_ref(&s->heap, p);
}

static inline struct ipk__entry *ipk__entry_at(const struct ipk__store *s, uint32_t ref)
{
	return ref == 0 ? NULL : ipk__heap_at(&s->heap, ref);
}

/* --- table.c ---------------------------------------------------------------------------------- */

static inline char *ipk__entry_value_at(const struct ipk__entry *e)
{
	return (char *)e->bytes + ipk__entry_ttl_bytes(e->name) + ipk__entry_name_bytes(e->name);
}

uint32_t ipk__table_hash(const unsigned char key[16], struct ipk__slice name);
void ipk__table_lookup(struct ipk__store *s, struct ipk__shm_slot *slot, struct ipk__slice name,
		       struct ipk__position *ret_position);
/* Allocates an array of buckets if there is none yet; then the position is valid for linking. */
int ipk__table_ready(struct ipk__store *s, struct ipk__shm_slot *slot,
		     struct ipk__position *position);
/*
 * An entry that is not visible yet. Its value is @value_bytes long and filled by the caller;
 * @slack_bytes are allocated beyond. @flags: IPK__ENTRY_*.
 */
int ipk__entry_new(struct ipk__store *s, uint32_t flags, const struct ipk__position *position,
		   struct ipk__slice name, size_t value_bytes, size_t slack_bytes,
		   uint32_t *ret_ref);
/* While the slot is odd: replaces the entry at this position, if any, by @ref; 0 removes it. */
void ipk__table_link(struct ipk__store *s, struct ipk__shm_slot *slot,
		     const struct ipk__position *position, uint32_t ref);
/* Whether a value of @value_bytes fits into @entry without wasting memory. */
bool ipk__entry_takes(const struct ipk__store *s, const struct ipk__entry *entry,
		      size_t value_bytes);
/* Some of the rehashing of one table; false: it is complete. */
bool ipk__rehash_step(struct ipk__store *s, struct ipk__shm_slot *slot, uint32_t n_buckets);
/* Whether it should grow or shrink now; starts that. */
void ipk__table_resize(struct ipk__store *s, struct ipk__shm_slot *slot);
/* Moves the contents of @from to @to, while @from is odd. */
void ipk__table_take(struct ipk__store *s, struct ipk__shm_slot *from, struct ipk__shm_slot *to);
/* Frees up to @n pieces of a table that is not visible any more; 0: complete. */
uint32_t ipk__table_free_some(struct ipk__store *s, struct ipk__shm_slot *slot, uint32_t n);

/* --- store_list.c ----------------------------------------------------------------------------- */

uint32_t ipk__store_list_free_some(struct ipk__store *s, struct ipk__shm_slot *slot, uint32_t n);

/* --- expire.c --------------------------------------------------------------------------------- */

int64_t ipk__entry_expires_ms(const struct ipk__entry *entry);
int ipk__times_reserve(struct ipk__store *s); /* one more entry: what follows cannot fail */
/* Sets the time of the entry at @ref, which has space for one. */
void ipk__times_add(struct ipk__store *s, uint32_t ref, int64_t at_ms);
/* Moves @from's time to the entry at @ref, which takes its position. */
void ipk__times_move(struct ipk__store *s, const struct ipk__entry *from, uint32_t ref);
void ipk__times_change(struct ipk__store *s, uint32_t ref, int64_t at_ms);
void ipk__times_remove(struct ipk__store *s, const struct ipk__entry *entry);

#endif
