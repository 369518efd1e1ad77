/*
 * shelf.c - items in any order: a table of slots, and blocks for their bytes.
 *
 * Invariant: a slot's word alone says whether there is an item and whose it is; one store
 * of it commits whatever is done. Lists, counts and free lists are derived: they save a
 * search, and after a death inside the lock they are built again from the words. So no
 * step in between needs to be undone, and there is no recovery code for each of them.
 *
 * Bytes lie in chains of blocks; what finds no blocks is spilled.
 */
#include <errno.h>
#include <string.h>

#include "os/os.h"
#include "queue/queue_internal.h"

#define LINK_END 0x7fffffffu  /* behind the last block of a chain */
#define LINK_USED 0x80000000u /* a mark, only while the free list is built again */

static struct ipk__shm_shelf *shelf_of(const ipk_queue *q)
{
	return &q->shared->shelf;
}

static uint32_t state_of(const struct ipk__slot *slot)
{
	return (uint32_t)(atomic_load_explicit(&slot->word, memory_order_relaxed) & SLOT_STATE);
}

/* --- layout --- */

uint64_t ipk__shelf_bytes(uint32_t n_slots, uint32_t n_blocks)
{
	return (uint64_t)n_slots * sizeof(struct ipk__slot) +
	       ipk__round_up((uint64_t)n_blocks * sizeof(uint32_t), IPK__CACHE_LINE) +
	       (uint64_t)n_blocks * IPK__BLOCK_BYTES;
}

void ipk__shelf_lay_out(struct ipk__shm_shelf *shelf, uint64_t at, uint32_t n_slots,
			uint32_t n_blocks)
{
	shelf->n_slots = n_slots;
	shelf->n_blocks = n_blocks;
	shelf->slots_offset = at;
	shelf->links_offset = at + (uint64_t)n_slots * sizeof(struct ipk__slot);
	shelf->blocks_offset =
		shelf->links_offset +
		ipk__round_up((uint64_t)n_blocks * sizeof(uint32_t), IPK__CACHE_LINE);
}

void ipk__shelf_open(ipk_queue *q)
{
	char *base = (char *)q->shared;

	q->slots = (struct ipk__slot *)(base + shelf_of(q)->slots_offset);
	q->links = (uint32_t *)(base + shelf_of(q)->links_offset);
	q->blocks = base + shelf_of(q)->blocks_offset;
	q->n_slots = shelf_of(q)->n_slots;
	q->n_blocks = shelf_of(q)->n_blocks;
}

/* --- blocks --- */

static uint32_t blocks_for(size_t len_bytes)
{
	return (uint32_t)((len_bytes + IPK__BLOCK_BYTES - 1) / IPK__BLOCK_BYTES);
}

static char *block_at(const ipk_queue *q, uint32_t block)
{
	return q->blocks + (size_t)block * IPK__BLOCK_BYTES;
}

/* A chain of free blocks with a copy of the bytes; there are enough. */
static uint32_t fill_blocks(ipk_queue *q, const char *data, size_t len_bytes)
{
	struct ipk__shm_shelf *shelf = shelf_of(q);
	uint32_t first = shelf->free_block;
	uint32_t last = IPK__NONE;

	while (len_bytes > 0 && shelf->free_block < q->n_blocks) {
		size_t n = IPK__MIN(len_bytes, IPK__BLOCK_BYTES);

		last = shelf->free_block;
		memcpy(block_at(q, last), data, n);
		data += n;
		len_bytes -= n;
		shelf->free_block = q->links[last];
		shelf->n_free_blocks--;
	}
	if (last == IPK__NONE)
		return IPK__NONE;
	q->links[last] = LINK_END;
	return first;
}

static void free_blocks(ipk_queue *q, uint32_t first)
{
	struct ipk__shm_shelf *shelf = shelf_of(q);

	/* Counted, so that a damaged chain that bites its tail ends too. */
	for (uint32_t left = q->n_blocks; first < q->n_blocks && left > 0; left--) {
		uint32_t next = q->links[first];

		q->links[first] = shelf->free_block;
		shelf->free_block = first;
		shelf->n_free_blocks++;
		first = next;
	}
}

/* --- slots --- */

static uint32_t pop_slot(ipk_queue *q)
{
	struct ipk__shm_shelf *shelf = shelf_of(q);
	uint32_t at = shelf->free_slot;

	if (at >= q->n_slots)
		return IPK__NONE;
	shelf->free_slot = q->slots[at].next;
	q->slots[at].spill_offset = 0;
	q->slots[at].first_block = IPK__NONE;
	q->slots[at].level = 0;
	return at;
}

static void push_slot(ipk_queue *q, uint32_t at)
{
	q->slots[at].next = shelf_of(q)->free_slot;
	shelf_of(q)->free_slot = at;
}

int ipk__shelf_store(ipk_queue *q, const void *data, size_t len_bytes, uint32_t *ret_slot)
{
	uint32_t at = pop_slot(q);
	int r = 0;

	if (at == IPK__NONE)
		return -ENOSPC;
	if (blocks_for(len_bytes) <= shelf_of(q)->n_free_blocks)
		q->slots[at].first_block = fill_blocks(q, data, len_bytes);
	else
		r = ipk__spill_write(q, data, len_bytes, &q->slots[at].spill_offset);
	if (r < 0) {
		push_slot(q, at);
		return r;
	}
	q->slots[at].len_bytes = len_bytes;
	*ret_slot = at;
	return 0;
}

int ipk__shelf_adopt(ipk_queue *q, const struct ipk__extent *extent, uint32_t *ret_slot)
{
	uint32_t at = pop_slot(q);

	if (at == IPK__NONE)
		return -ENOSPC;
	q->slots[at].spill_offset = extent->offset;
	q->slots[at].len_bytes = extent->len_bytes;
	*ret_slot = at;
	return 0;
}

void ipk__shelf_free(ipk_queue *q, uint32_t at)
{
	struct ipk__slot *slot = &q->slots[at];

	if (slot->spill_offset != 0)
		ipk__spill_free(q, slot->spill_offset, slot->len_bytes);
	free_blocks(q, slot->first_block);
	push_slot(q, at);
}

int ipk__shelf_read(const ipk_queue *q, uint32_t at, void *buf, size_t n_bytes)
{
	const struct ipk__slot *slot = &q->slots[at];
	uint32_t block = slot->first_block;
	char *into = buf;

	if (slot->spill_offset != 0)
		return ipk__spill_read((ipk_queue *)q, slot->spill_offset, buf, n_bytes);
	while (n_bytes > 0) {
		size_t n = IPK__MIN(n_bytes, IPK__BLOCK_BYTES);

		if (block >= q->n_blocks)
			return -EPROTO;
		memcpy(into, block_at(q, block), n);
		into += n;
		n_bytes -= n;
		block = q->links[block];
	}
	return 0;
}

/* --- lists: a level's items by seq --- */

static void insert_after(ipk_queue *q, uint32_t level, uint32_t before, uint32_t at)
{
	struct ipk__shm_shelf *shelf = shelf_of(q);
	uint32_t *link = before < q->n_slots ? &q->slots[before].next : &shelf->heads[level];
	uint32_t next = *link;

	q->slots[at].prev = before;
	q->slots[at].next = next;
	*link = at;
	if (next < q->n_slots)
		q->slots[next].prev = at;
	else
		shelf->tails[level] = at;
	shelf->levels |= (uint64_t)1 << level;
}

void ipk__shelf_link(ipk_queue *q, uint32_t at)
{
	struct ipk__shm_shelf *shelf = shelf_of(q);
	uint32_t level = q->slots[at].level % IPK_QUEUE_LEVELS;
	uint32_t before = shelf->tails[level];

	/* New items belong at the end; those that come back, near the beginning. */
	if (before < q->n_slots && q->slots[before].seq > q->slots[at].seq) {
		uint32_t after = shelf->heads[level];
		uint32_t left = q->n_slots;

		while (after < q->n_slots && q->slots[after].seq < q->slots[at].seq && left-- > 0)
			after = q->slots[after].next;
		before = after < q->n_slots ? q->slots[after].prev : before;
	}
	insert_after(q, level, before, at);
	atomic_fetch_add_explicit(&shelf->n_live, 1, memory_order_release);
}

void ipk__shelf_unlink(ipk_queue *q, uint32_t at)
{
	struct ipk__shm_shelf *shelf = shelf_of(q);
	uint32_t level = q->slots[at].level % IPK_QUEUE_LEVELS;
	uint32_t next = q->slots[at].next;
	uint32_t prev = q->slots[at].prev;

	if (prev < q->n_slots)
		q->slots[prev].next = next;
	else
		shelf->heads[level] = next;
	if (next < q->n_slots)
		q->slots[next].prev = prev;
	else
		shelf->tails[level] = prev;
	if (shelf->heads[level] == IPK__NONE)
		shelf->levels &= ~((uint64_t)1 << level);
	atomic_fetch_sub_explicit(&shelf->n_live, 1, memory_order_release);
}

uint32_t ipk__shelf_first(const ipk_queue *q)
{
	const struct ipk__shm_shelf *shelf = shelf_of(q);
	uint32_t level;
	uint32_t at;

	if (shelf->levels == 0)
		return IPK__NONE;
	level = (uint32_t)__builtin_ctzll(shelf->levels);
	at = q->kind == IPK_QUEUE_LIFO ? shelf->tails[level] : shelf->heads[level];
	return at < q->n_slots ? at : IPK__NONE;
}

/* --- after a death --- */

static uint32_t merge(struct ipk__slot *slots, uint32_t a, uint32_t b)
{
	uint32_t head = IPK__NONE;
	uint32_t *link = &head;

	while (a != IPK__NONE && b != IPK__NONE) {
		uint32_t *from = slots[a].seq <= slots[b].seq ? &a : &b;

		*link = *from;
		link = &slots[*from].next;
		*from = *link;
	}
	*link = a != IPK__NONE ? a : b;
	return head;
}

/* Bottom-up merge sort of a list linked by next, by seq. */
static uint32_t sort(struct ipk__slot *slots, uint32_t list)
{
	uint32_t runs[32];
	unsigned n_runs = 0;

	for (unsigned i = 0; i < IPK__N_OF(runs); i++)
		runs[i] = IPK__NONE;
	while (list != IPK__NONE) {
		uint32_t run = list;
		unsigned i;

		list = slots[run].next;
		slots[run].next = IPK__NONE;
		for (i = 0; i < IPK__N_OF(runs) - 1 && runs[i] != IPK__NONE; i++) {
			run = merge(slots, runs[i], run);
			runs[i] = IPK__NONE;
		}
		runs[i] = run;
		n_runs = IPK__MAX(n_runs, i + 1);
	}
	for (unsigned i = 0; i < n_runs; i++)
		list = list == IPK__NONE ? runs[i] : merge(slots, runs[i], list);
	return list;
}

/* A loan that was being taken from the ring: it counts if the ring has let go of it. */
static void settle(ipk_queue *q, struct ipk__slot *slot)
{
	uint64_t word = atomic_load(&slot->word);
	uint32_t head_count;

	if (!(word & SLOT_PENDING))
		return;
	head_count = ipk__ring_count(atomic_load(&q->lane.ring.shared->head));
	if (head_count == (uint32_t)slot->seq) {
		slot->spill_offset = 0; /* still the ring's */
		atomic_store(&slot->word, SLOT_FREE);
	} else {
		atomic_store(&slot->word, word & ~(uint64_t)SLOT_PENDING);
	}
}

static void mark_chain(ipk_queue *q, const struct ipk__slot *slot)
{
	uint32_t block = slot->first_block;

	/* Counted, so that a damaged chain that bites its tail ends too. */
	for (uint32_t left = blocks_for(slot->len_bytes); left > 0; left--) {
		if (block >= q->n_blocks)
			return;
		q->links[block] |= LINK_USED;
		block = q->links[block] & ~LINK_USED;
	}
}

static void rebuild_blocks(ipk_queue *q)
{
	struct ipk__shm_shelf *shelf = shelf_of(q);

	for (uint32_t i = 0; i < q->n_blocks; i++)
		q->links[i] &= ~LINK_USED;
	for (uint32_t i = 0; i < q->n_slots; i++) {
		if (state_of(&q->slots[i]) != SLOT_FREE && q->slots[i].spill_offset == 0)
			mark_chain(q, &q->slots[i]);
	}
	shelf->free_block = LINK_END;
	shelf->n_free_blocks = 0;
	for (uint32_t i = q->n_blocks; i-- > 0;) {
		if (q->links[i] & LINK_USED) {
			q->links[i] &= ~LINK_USED;
			continue;
		}
		q->links[i] = shelf->free_block;
		shelf->free_block = i;
		shelf->n_free_blocks++;
	}
}

/* Sort the slots into the free list and, unsorted, the lists of their levels. */
static void rebuild_lists(ipk_queue *q)
{
	struct ipk__shm_shelf *shelf = shelf_of(q);
	uint32_t n_live = 0;
	uint32_t n_leased = 0;

	shelf->free_slot = IPK__NONE;
	for (uint32_t i = 0; i < IPK_QUEUE_LEVELS; i++)
		shelf->heads[i] = shelf->tails[i] = IPK__NONE;
	for (uint32_t i = q->n_slots; i-- > 0;) {
		uint32_t state = state_of(&q->slots[i]);
		uint32_t level = q->slots[i].level % IPK_QUEUE_LEVELS;

		if (state == SLOT_FREE) {
			push_slot(q, i);
		} else if (state == SLOT_LEASED) {
			n_leased++;
		} else {
			n_live++;
			q->slots[i].next = shelf->heads[level];
			shelf->heads[level] = i;
		}
	}
	atomic_store(&shelf->n_live, n_live);
	atomic_store(&shelf->n_leased, n_leased);
}

static void rebuild_order(ipk_queue *q)
{
	struct ipk__shm_shelf *shelf = shelf_of(q);

	shelf->levels = 0;
	for (uint32_t level = 0; level < IPK_QUEUE_LEVELS; level++) {
		uint32_t prev = IPK__NONE;

		shelf->heads[level] = sort(q->slots, shelf->heads[level]);
		for (uint32_t i = shelf->heads[level]; i != IPK__NONE; i = q->slots[i].next) {
			q->slots[i].prev = prev;
			prev = i;
		}
		shelf->tails[level] = prev;
		if (prev != IPK__NONE)
			shelf->levels |= (uint64_t)1 << level;
	}
}

void ipk__shelf_rebuild(ipk_queue *q)
{
	struct ipk__shm_shelf *shelf = shelf_of(q);
	uint64_t n_put = atomic_load(&q->shared->n_shelved);

	if (shelf->ack_slot != 0 && shelf->ack_slot <= q->n_slots) {
		if (state_of(&q->slots[shelf->ack_slot - 1]) == SLOT_FREE)
			atomic_store(&q->shared->n_acked, shelf->ack_count);
		shelf->ack_slot = 0;
	}
	for (uint32_t i = 0; i < q->n_slots; i++) {
		settle(q, &q->slots[i]);
		/* Committed and not counted: the last put. */
		if (!ipk__queue_is_fifo(q) && state_of(&q->slots[i]) != SLOT_FREE)
			n_put = IPK__MAX(n_put, q->slots[i].seq + 1);
	}
	atomic_store(&q->shared->n_shelved, n_put);
	rebuild_blocks(q);
	rebuild_lists(q);
	rebuild_order(q);
}
