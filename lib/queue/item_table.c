/*
 * item_table.c - items in any order: a table of slots, and blocks for their bytes.
 *
 * Invariant: a slot's word alone says whether there is an item and who holds it; one store of it
 * commits each operation. Lists, counts and free lists are derived: they save a search, and after a
 * death inside the lock they are rebuilt from the words, in private memory. So no intermediate step
 * needs a rollback, and none has recovery code of its own.
 *
 * Another process may overwrite any of it at any time. So every number that is used as an index or
 * offset is read once, then checked, then used; and no chain or list is followed further than there
 * are blocks or slots.
 *
 * Bytes are in chains of blocks; items that find no free blocks are spilled.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "queue/queue_internal.h"

#define LINK_END 0x7fffffffu /* behind the last block of a chain */

static struct ipk__shm_item_table *table_of(const ipk_queue *q)
{
	return &q->shared->item_table;
}

static uint32_t state_of(const struct ipk__slot *slot)
{
	return (uint32_t)(atomic_load_explicit(&slot->word, memory_order_relaxed) & SLOT_STATE);
}

/* --- layout ----------------------------------------------------------------------------------- */

uint64_t ipk__item_table_bytes(uint32_t n_slots, uint32_t n_blocks)
{
	return (uint64_t)n_slots * sizeof(struct ipk__slot) +
	       ipk__round_up((uint64_t)n_blocks * sizeof(uint32_t), IPK__CACHE_LINE) +
	       (uint64_t)n_blocks * IPK__BLOCK_BYTES;
}

void ipk__item_table_lay_out(struct ipk__shm_item_table *table, uint64_t at, uint32_t n_slots,
			     uint32_t n_blocks)
{
	table->n_slots = n_slots;
	table->n_blocks = n_blocks;
	table->slots_offset = at;
	table->links_offset = at + (uint64_t)n_slots * sizeof(struct ipk__slot);
	table->blocks_offset =
		table->links_offset +
		ipk__round_up((uint64_t)n_blocks * sizeof(uint32_t), IPK__CACHE_LINE);
}

void ipk__item_table_open(ipk_queue *q, const struct ipk__shm_item_table *checked)
{
	char *base = (char *)q->shared;

	q->slots = (struct ipk__slot *)(base + checked->slots_offset);
	q->links = (uint32_t *)(base + checked->links_offset);
	q->blocks = base + checked->blocks_offset;
}

/* --- blocks ----------------------------------------------------------------------------------- */

static uint32_t blocks_for(size_t len_bytes)
{
	return (uint32_t)((len_bytes + IPK__BLOCK_BYTES - 1) / IPK__BLOCK_BYTES);
}

static char *block_at(const ipk_queue *q, uint32_t block)
{
	return q->blocks + (size_t)block * IPK__BLOCK_BYTES;
}

/* A chain of free blocks with a copy of the bytes: IPK__NONE for no bytes, -EPROTO. */
static int fill_blocks(ipk_queue *q, const char *data, size_t len_bytes, uint32_t *ret_first)
{
	struct ipk__shm_item_table *table = table_of(q);
	uint32_t at = IPK__READ_ONCE(table->free_block);
	uint32_t first = len_bytes > 0 ? at : IPK__NONE;
	uint32_t last = IPK__NONE;
	uint32_t n_blocks = 0;

	for (; len_bytes > 0; n_blocks++) {
		size_t n = IPK__MIN(len_bytes, IPK__BLOCK_BYTES);

		if (at >= q->n_blocks)
			return -EPROTO;
		memcpy(block_at(q, at), data, n);
		data += n;
		len_bytes -= n;
		last = at;
		at = IPK__READ_ONCE(q->links[last]);
	}
	if (last != IPK__NONE)
		q->links[last] = LINK_END;
	table->free_block = at;
	table->n_free_blocks -= n_blocks;
	*ret_first = first;
	return 0;
}

static void free_blocks(ipk_queue *q, uint32_t first)
{
	struct ipk__shm_item_table *table = table_of(q);

	/* Counted, so that a damaged chain that bites its tail ends too. */
	for (uint32_t left = q->n_blocks; first < q->n_blocks && left > 0; left--) {
		uint32_t next = IPK__READ_ONCE(q->links[first]);

		q->links[first] = table->free_block;
		table->free_block = first;
		table->n_free_blocks++;
		first = next;
	}
}

/* --- slots ------------------------------------------------------------------------------------ */

static uint32_t pop_slot(ipk_queue *q)
{
	struct ipk__shm_item_table *table = table_of(q);
	uint32_t at = IPK__READ_ONCE(table->free_slot);

	if (at >= q->n_slots)
		return IPK__NONE;
	table->free_slot = q->slots[at].next;
	q->slots[at].spill_offset = 0;
	q->slots[at].first_block = IPK__NONE;
	q->slots[at].level = 0;
	return at;
}

static void push_slot(ipk_queue *q, uint32_t at)
{
	q->slots[at].next = table_of(q)->free_slot;
	table_of(q)->free_slot = at;
}

int ipk__item_table_store(ipk_queue *q, const void *data, size_t len_bytes, uint32_t *ret_slot)
{
	uint32_t at = pop_slot(q);
	int r = 0;

	if (at == IPK__NONE)
		return -ENOSPC;
	if (blocks_for(len_bytes) <= table_of(q)->n_free_blocks)
		r = fill_blocks(q, data, len_bytes, &q->slots[at].first_block);
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

int ipk__item_table_adopt(ipk_queue *q, const struct ipk__extent *extent, uint32_t *ret_slot)
{
	uint32_t at = pop_slot(q);

	if (at == IPK__NONE)
		return -ENOSPC;
	q->slots[at].spill_offset = extent->offset;
	q->slots[at].len_bytes = extent->len_bytes;
	*ret_slot = at;
	return 0;
}

void ipk__item_table_free(ipk_queue *q, uint32_t at)
{
	struct ipk__slot *slot = &q->slots[at];

	if (slot->spill_offset != 0)
		ipk__spill_free(q, slot->spill_offset, slot->len_bytes);
	free_blocks(q, IPK__READ_ONCE(slot->first_block));
	push_slot(q, at);
}

int ipk__item_table_read(const ipk_queue *q, uint32_t at, void *buf, size_t n_bytes)
{
	const struct ipk__slot *slot = &q->slots[at];
	uint64_t spill_offset = IPK__READ_ONCE(slot->spill_offset);
	uint32_t block = IPK__READ_ONCE(slot->first_block);
	char *into = buf;

	if (spill_offset != 0)
		return ipk__spill_read((ipk_queue *)q, spill_offset, buf, n_bytes);
	if (n_bytes > (uint64_t)q->n_blocks * IPK__BLOCK_BYTES)
		return -EPROTO;
	while (n_bytes > 0) {
		size_t n = IPK__MIN(n_bytes, IPK__BLOCK_BYTES);

		if (block >= q->n_blocks)
			return -EPROTO;
		memcpy(into, block_at(q, block), n);
		into += n;
		n_bytes -= n;
		block = IPK__READ_ONCE(q->links[block]);
	}
	return 0;
}

/* --- lists: a level's items by seq ------------------------------------------------------------ */

static void insert_after(ipk_queue *q, uint32_t level, uint32_t before, uint32_t at)
{
	struct ipk__shm_item_table *table = table_of(q);
	uint32_t *link = before < q->n_slots ? &q->slots[before].next : &table->heads[level];
	uint32_t next = IPK__READ_ONCE(*link);

	q->slots[at].prev = before;
	q->slots[at].next = next;
	*link = at;
	if (next < q->n_slots)
		q->slots[next].prev = at;
	else
		table->tails[level] = at;
	table->levels |= (uint64_t)1 << level;
}

void ipk__item_table_link(ipk_queue *q, uint32_t at)
{
	struct ipk__shm_item_table *table = table_of(q);
	uint32_t level = IPK__READ_ONCE(q->slots[at].level) % IPK_QUEUE_LEVELS;
	uint32_t before = IPK__READ_ONCE(table->tails[level]);

	/* New items belong at the end; those that come back, near the beginning. */
	if (before < q->n_slots && q->slots[before].seq > q->slots[at].seq) {
		uint32_t after = IPK__READ_ONCE(table->heads[level]);
		uint32_t left = q->n_slots;

		while (after < q->n_slots && q->slots[after].seq < q->slots[at].seq && left-- > 0)
			after = IPK__READ_ONCE(q->slots[after].next);
		before = after < q->n_slots ? IPK__READ_ONCE(q->slots[after].prev) : before;
	}
	insert_after(q, level, before, at);
	atomic_fetch_add_explicit(&table->n_live, 1, memory_order_release);
}

void ipk__item_table_unlink(ipk_queue *q, uint32_t at)
{
	struct ipk__shm_item_table *table = table_of(q);
	uint32_t level = IPK__READ_ONCE(q->slots[at].level) % IPK_QUEUE_LEVELS;
	uint32_t next = IPK__READ_ONCE(q->slots[at].next);
	uint32_t prev = IPK__READ_ONCE(q->slots[at].prev);

	if (prev < q->n_slots)
		q->slots[prev].next = next;
	else
		table->heads[level] = next;
	if (next < q->n_slots)
		q->slots[next].prev = prev;
	else
		table->tails[level] = prev;
	if (table->heads[level] == IPK__NONE)
		table->levels &= ~((uint64_t)1 << level);
	atomic_fetch_sub_explicit(&table->n_live, 1, memory_order_release);
}

uint32_t ipk__item_table_first(const ipk_queue *q)
{
	const struct ipk__shm_item_table *table = table_of(q);
	uint64_t levels = IPK__READ_ONCE(table->levels);
	uint32_t level;
	uint32_t at;

	if (levels == 0)
		return IPK__NONE;
	level = (uint32_t)__builtin_ctzll(levels);
	at = q->kind == IPK_QUEUE_LIFO ? IPK__READ_ONCE(table->tails[level])
				       : IPK__READ_ONCE(table->heads[level]);
	return at < q->n_slots ? at : IPK__NONE;
}

/* --- after a death ---------------------------------------------------------------------------- */

/* A lease that was being taken from the ring: it is valid if the ring has released it. */
static void settle(ipk_queue *q, struct ipk__slot *slot)
{
	uint64_t word = atomic_load(&slot->word);
	uint32_t head_count;

	if (!(word & SLOT_PENDING))
		return;
	head_count = ipk__ring_count(atomic_load(&q->channel.ring.shared->head));
	if (head_count == (uint32_t)slot->seq) {
		slot->spill_offset = 0; /* still the ring's */
		atomic_store(&slot->word, SLOT_FREE);
	} else {
		atomic_store(&slot->word, word & ~(uint64_t)SLOT_PENDING);
	}
}

/* Private memory for rebuilding: nobody else writes to it. */
struct rebuild {
	uint8_t *is_used; /* a byte for each block */
	struct place {
		uint64_t seq;
		uint32_t slot;
		uint32_t level;
	} * items; /* those that can be got */
	uint32_t n_items;
	uint32_t room; /* of items */
	uint32_t n_leased;
};

/* The blocks of a chain. No further than to one that was met before, as in a damaged table. */
static void mark_chain(ipk_queue *q, const struct ipk__slot *slot, struct rebuild *all)
{
	uint64_t left = (IPK__READ_ONCE(slot->len_bytes) + IPK__BLOCK_BYTES - 1) / IPK__BLOCK_BYTES;
	uint32_t block = IPK__READ_ONCE(slot->first_block);

	for (; left > 0 && block < q->n_blocks && !all->is_used[block]; left--) {
		all->is_used[block] = true;
		block = IPK__READ_ONCE(q->links[block]);
	}
}

/* One pass over the slots: their blocks, and their lists; free ones are freed at once. */
static void look_at_slots(ipk_queue *q, struct rebuild *all)
{
	table_of(q)->free_slot = IPK__NONE;
	for (uint32_t i = q->n_slots; i-- > 0;) {
		const struct ipk__slot *slot = &q->slots[i];
		uint32_t state = state_of(slot);

		if (state == SLOT_FREE) {
			push_slot(q, i);
			continue;
		}
		if (IPK__READ_ONCE(slot->spill_offset) == 0)
			mark_chain(q, slot, all);
		if (state == SLOT_LEASED)
			all->n_leased++;
		else if (all->n_items < all->room)
			all->items[all->n_items++] = (struct place){
				.seq = IPK__READ_ONCE(slot->seq),
				.slot = i,
				.level = IPK__READ_ONCE(slot->level) % IPK_QUEUE_LEVELS,
			};
	}
}

static void free_unused_blocks(ipk_queue *q, const struct rebuild *all)
{
	struct ipk__shm_item_table *table = table_of(q);
	uint32_t first = LINK_END;
	uint32_t n = 0;

	for (uint32_t i = q->n_blocks; i-- > 0;) {
		if (all->is_used[i])
			continue;
		q->links[i] = first;
		first = i;
		n++;
	}
	table->free_block = first;
	table->n_free_blocks = n;
}

static int by_level_and_seq(const void *a, const void *b)
{
	const struct place *x = a;
	const struct place *y = b;

	if (x->level != y->level)
		return x->level < y->level ? -1 : 1;
	return (x->seq > y->seq) - (x->seq < y->seq);
}

static void write_lists(ipk_queue *q, const struct rebuild *all)
{
	struct ipk__shm_item_table *table = table_of(q);
	uint64_t levels = 0;

	for (uint32_t i = 0; i < IPK_QUEUE_LEVELS; i++)
		table->heads[i] = table->tails[i] = IPK__NONE;
	for (uint32_t i = 0; i < all->n_items; i++) {
		const struct place *item = &all->items[i];
		bool is_first = i == 0 || item[-1].level != item->level;
		bool is_last = i + 1 == all->n_items || item[1].level != item->level;

		q->slots[item->slot].prev = is_first ? IPK__NONE : item[-1].slot;
		q->slots[item->slot].next = is_last ? IPK__NONE : item[1].slot;
		if (is_first)
			table->heads[item->level] = item->slot;
		if (is_last)
			table->tails[item->level] = item->slot;
		levels |= (uint64_t)1 << item->level;
	}
	table->levels = levels;
	atomic_store(&table->n_live, all->n_items);
	atomic_store(&table->n_leased, all->n_leased);
}

/*
 * What was committed and not counted: the last ack, a lease from the ring, the last put. Gives
 * the number of slots that are in use; doing it twice does no harm.
 */
static uint32_t count_committed(ipk_queue *q)
{
	uint32_t n_used = 0;
	struct ipk__shm_item_table *table = table_of(q);
	uint64_t n_put = atomic_load(&q->shared->n_put_in_table);
	uint32_t ack_slot = IPK__READ_ONCE(table->ack_slot);

	if (ack_slot != 0 && ack_slot <= q->n_slots) {
		if (state_of(&q->slots[ack_slot - 1]) == SLOT_FREE)
			atomic_store(&q->shared->n_acked, table->ack_count);
		table->ack_slot = 0;
	}
	for (uint32_t i = 0; i < q->n_slots; i++) {
		settle(q, &q->slots[i]);
		if (state_of(&q->slots[i]) == SLOT_FREE)
			continue;
		n_used++;
		if (!ipk__queue_is_fifo(q))
			n_put = IPK__MAX(n_put, IPK__READ_ONCE(q->slots[i].seq) + 1);
	}
	atomic_store(&q->shared->n_put_in_table, n_put);
	return n_used;
}

int ipk__item_table_rebuild(ipk_queue *q)
{
	struct rebuild all = {.room = count_committed(q)};

	all.is_used = ipk__os_calloc((size_t)q->n_blocks + 1, 1);
	all.items = ipk__os_calloc((size_t)all.room + 1, sizeof *all.items);
	if (!all.is_used || !all.items) {
		free(all.is_used);
		free(all.items);
		return -ENOMEM;
	}
	look_at_slots(q, &all);
	free_unused_blocks(q, &all);
	qsort(all.items, all.n_items, sizeof *all.items, by_level_and_seq);
	write_lists(q, &all);
	free(all.is_used);
	free(all.items);
	return 0;
}
