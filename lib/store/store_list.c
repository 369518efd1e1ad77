/*
 * store_list.c - lists: nodes of some items each, and a spine that maps item numbers to nodes.
 *
 * Items have absolute numbers, and the spine has the number of each node's first one: a push or pop
 * at either end changes one node and one spine entry, and an index is found by bisection. A change
 * in the middle renumbers the shorter side of the spine.
 *
 * A node is up to 4 KiB or 128 items: its entries grow from its beginning, bytes from its end down,
 * so a new item's bytes are written where no reader reads yet, and only its entry is stored under
 * an odd sequence. If an item does not fit, a new, compact node is built and replaces the old one.
 * Small lists have small nodes.
 */
#include <errno.h>
#include <string.h>

#include "store/store_internal.h"

#define NODE_BYTES_MIN 64u
#define NODE_BYTES_MAX 4096u
#define NODE_ITEMS_MAX 128u
#define ITEM_BYTES_MAX 1024u /* a larger one is alone */
#define MERGE_BYTES (NODE_BYTES_MAX / 2)
#define FREE_AT_ONCE 64u
#define SPINE_SHRINK 64u

typedef struct ipk__shm_slot slot_t;
typedef struct ipk__shm_node node_t;
typedef struct ipk__shm_vertebra vertebra_t;

/* The items [from, to) of a node. */
struct part {
	const node_t *node; /* NULL: none */
	uint32_t from;
	uint32_t to;
};

static vertebra_t *spine_of(const struct ipk__store *s, const slot_t *slot)
{
	return (vertebra_t *)ipk__heap_at(&s->heap, slot->list.spine) + slot->list.head;
}

static node_t *node_at(const struct ipk__store *s, uint32_t ref)
{
	return ipk__heap_at(&s->heap, ref);
}

static bool is_large(const node_t *node)
{
	return node->low == 0;
}

static struct ipk__slice item_of(const node_t *node, uint32_t i)
{
	if (is_large(node))
		return IPK__SLICE(node->large.bytes, node->large.n_bytes);
	return IPK__SLICE((const char *)node + node->items[i].offset, node->items[i].n_bytes);
}

/* Which node has the item of that index, which is in range; *ret_position in it. */
static uint32_t find_node(const struct ipk__store *s, const slot_t *slot, uint64_t index,
			  uint32_t *ret_position)
{
	const vertebra_t *spine = spine_of(s, slot);
	int64_t number = spine[0].start + (int64_t)index;
	uint32_t k = 0;

	for (uint32_t n = slot->list.n_nodes; n > 1;) {
		uint32_t half = n / 2;

		k = spine[k + half].start <= number ? k + half : k;
		n -= half;
	}
	*ret_position = (uint32_t)(number - spine[k].start);
	return k;
}

/* --- making nodes ----------------------------------------------------------------------------- */

static size_t live_bytes(struct part part)
{
	size_t n = 0;

	for (uint32_t i = part.from; part.node && i < part.to; i++)
		n += sizeof(struct ipk__shm_item) + part.node->items[i].n_bytes;
	return n;
}

static uint32_t count_of(struct part part)
{
	return part.node ? part.to - part.from : 0;
}

static void add_item(node_t *node, struct ipk__slice item)
{
	node->low = (uint16_t)(node->low - item.n_bytes);
	node->items[node->n_items++] = (struct ipk__shm_item){node->low, (uint16_t)item.n_bytes};
	if (item.n_bytes > 0)
		memcpy((char *)node + node->low, item.bytes, item.n_bytes);
}

/* A node of the parts and, between them, the item (NULL: none); together they fit. */
static int build(struct ipk__store *s, struct part a, const struct ipk__slice *item, struct part b,
		 size_t room, uint32_t *ret_ref)
{
	uint32_t ref;
	node_t *node;
	int r = ipk__store_alloc(s, room, &ref);

	if (r < 0)
		return r;
	node = node_at(s, ref);
	node->room_bytes = (uint32_t)ipk__heap_room(&s->heap, ref);
	node->n_items = 0;
	node->low = (uint16_t)node->room_bytes;
	for (uint32_t i = a.from; a.node && i < a.to; i++)
		add_item(node, item_of(a.node, i));
	if (item)
		add_item(node, *item);
	for (uint32_t i = b.from; b.node && i < b.to; i++)
		add_item(node, item_of(b.node, i));
	*ret_ref = ref;
	return 0;
}

static int build_large(struct ipk__store *s, struct ipk__slice item, uint32_t *ret_ref)
{
	uint32_t ref;
	node_t *node;
	int r = ipk__store_alloc(s, IPK__NODE_LARGE_BYTES + item.n_bytes, &ref);

	if (r < 0)
		return r;
	node = node_at(s, ref);
	node->room_bytes = (uint32_t)ipk__heap_room(&s->heap, ref);
	node->n_items = 1;
	node->low = 0;
	node->large.n_bytes = (uint32_t)item.n_bytes;
	memcpy(node->large.bytes, item.bytes, item.n_bytes);
	*ret_ref = ref;
	return 0;
}

/* The item alone; @room: what the node should have beside, for others to come. */
static int build_alone(struct ipk__store *s, struct ipk__slice item, size_t room, uint32_t *ret_ref)
{
	const struct part none = {0};
	size_t n = IPK__NODE_HEAD_BYTES + sizeof(struct ipk__shm_item) + item.n_bytes;

	if (item.n_bytes > ITEM_BYTES_MAX)
		return build_large(s, item, ret_ref);
	return build(s, none, &item, none, IPK__MAX(n, room), ret_ref);
}

/* What a node with so many bytes in use gets: as much again, to grow into. */
static size_t room_for(size_t n_bytes)
{
	return IPK__MIN(IPK__MAX(2 * n_bytes, NODE_BYTES_MIN), NODE_BYTES_MAX);
}

/* --- the spine -------------------------------------------------------------------------------- */

/* Room for @n_more vertebrae before the first or behind the last. */
static int reserve(struct ipk__store *s, slot_t *slot, bool front, uint32_t n_more)
{
	struct ipk__shm_list *l = &slot->list;
	uint32_t n = l->n_nodes, slack, head, ref, old = l->spine;
	size_t n_bytes;
	int r;

	if (front ? l->head >= n_more : l->spine_room - l->head - n >= n_more)
		return 0;
	n_bytes = ipk__heap_round((n + n_more + (size_t)n / 2) * sizeof(vertebra_t));
	r = ipk__store_alloc(s, n_bytes, &ref);
	if (r < 0)
		return r;
	slack = (uint32_t)(n_bytes / sizeof(vertebra_t)) - n;
	head = front ? IPK__MAX(slack - slack / 4, n_more) : IPK__MIN(slack / 4, slack - n_more);
	if (n > 0)
		memcpy((vertebra_t *)ipk__heap_at(&s->heap, ref) + head, spine_of(s, slot),
		       n * sizeof(vertebra_t));
	ipk__slot_begin(slot);
	ipk__put(l->spine, ref);
	ipk__put(l->spine_room, n + slack);
	ipk__put(l->head, head);
	if (old != 0)
		l->n_bytes -= ipk__heap_room(&s->heap, old);
	l->n_bytes += n_bytes;
	ipk__slot_end(slot);
	ipk__heap_free(&s->heap, old);
	return 0;
}

/* In the slot's odd time, as the following: @from to @to are counted on by @by. */
static void renumber(vertebra_t *spine, uint32_t from, uint32_t to, int64_t by)
{
	for (uint32_t k = from; k < to; k++)
		spine[k].start += by;
}

/* Node @k got @by items more: the shorter side moves. */
static void count_on(const struct ipk__store *s, slot_t *slot, uint32_t k, int64_t by)
{
	struct ipk__shm_list *l = &slot->list;
	vertebra_t *spine = spine_of(s, slot);

	ipk__put(l->n_items, l->n_items + (uint64_t)by);
	spine[k].n_items += (uint32_t)by;
	if (k < l->n_nodes / 2 || (k == 0 && l->n_nodes > 1))
		renumber(spine, 0, k + 1, -by);
	else
		renumber(spine, k + 1, l->n_nodes, by);
}

/* Instead of @n_old vertebrae from @k on @n_new ones, whose starts are not yet right. */
static void splice(const struct ipk__store *s, slot_t *slot, uint32_t k, uint32_t n_old,
		   const vertebra_t *new, uint32_t n_new, bool front)
{
	struct ipk__shm_list *l = &slot->list;
	vertebra_t *spine = spine_of(s, slot);
	uint32_t n_behind = l->n_nodes - k - n_old;
	int64_t start = 0, by = 0;

	if (l->n_nodes > 0)
		start = k < l->n_nodes ? spine[k].start
				       : spine[k - 1].start + (int64_t)spine[k - 1].n_items;
	for (uint32_t i = 0; i < n_old; i++)
		by -= (int64_t)spine[k + i].n_items;
	if (front) {
		memmove(spine + n_old - n_new, spine, k * sizeof *spine);
		ipk__put(l->head, l->head + n_old - n_new);
		spine += (int64_t)n_old - (int64_t)n_new;
	} else {
		memmove(spine + k + n_new, spine + k + n_old, n_behind * sizeof *spine);
	}
	ipk__put(l->n_nodes, l->n_nodes + n_new - n_old);
	for (uint32_t i = 0; i < n_new; i++) {
		spine[k + i] = new[i];
		spine[k + i].start = start;
		start += (int64_t) new[i].n_items;
		by += (int64_t) new[i].n_items;
	}
	ipk__put(l->n_items, l->n_items + (uint64_t)by);
	if (front)
		renumber(spine, 0, k + n_new, -by);
	else
		renumber(spine, k + n_new, l->n_nodes, by);
}

static vertebra_t vertebra(const struct ipk__store *s, uint32_t ref)
{
	return (vertebra_t){.node = ref, .n_items = node_at(s, ref)->n_items};
}

/* @n_new nodes instead of @n_old, which are freed; on failure the new ones are. */
static int replace_nodes(struct ipk__store *s, slot_t *slot, uint32_t k, uint32_t n_old,
			 const uint32_t *refs, uint32_t n_new)
{
	bool front = k < slot->list.n_nodes - k - n_old;
	uint32_t old[FREE_AT_ONCE];
	vertebra_t new[3];
	int r = n_new > n_old ? reserve(s, slot, front, n_new - n_old) : 0;

	for (uint32_t i = 0; i < n_new; i++) {
		new[i] = vertebra(s, refs[i]);
		if (r < 0)
			ipk__heap_free(&s->heap, refs[i]);
		else
			slot->n_bytes += ipk__heap_room(&s->heap, refs[i]);
	}
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < n_old; i++) {
		old[i] = spine_of(s, slot)[k + i].node;
		slot->n_bytes -= ipk__heap_room(&s->heap, old[i]);
	}
	ipk__slot_begin(slot);
	splice(s, slot, k, n_old, new, n_new, front);
	ipk__slot_end(slot);
	for (uint32_t i = 0; i < n_old; i++)
		ipk__heap_free(&s->heap, old[i]);
	return 0;
}

/* --- putting in ------------------------------------------------------------------------------- */

static size_t gap_of(const node_t *node)
{
	return node->low - IPK__NODE_HEAD_BYTES - node->n_items * sizeof(struct ipk__shm_item);
}

/* The item before place @j of node @k, in the room there is. */
static void put_in_place(struct ipk__store *s, slot_t *slot, uint32_t k, uint32_t j,
			 struct ipk__slice item)
{
	node_t *node = node_at(s, spine_of(s, slot)[k].node);
	uint16_t low = (uint16_t)(node->low - item.n_bytes);

	if (item.n_bytes > 0)
		memcpy((char *)node + low, item.bytes, item.n_bytes);
	ipk__slot_begin(slot);
	memmove(node->items + j + 1, node->items + j, (node->n_items - j) * sizeof *node->items);
	node->items[j] = (struct ipk__shm_item){low, (uint16_t)item.n_bytes};
	node->low = low;
	node->n_items++;
	count_on(s, slot, k, 1);
	ipk__slot_end(slot);
}

/* 1: done; 0: the node is full, or this is not for sharing a node. */
static int try_put(struct ipk__store *s, slot_t *slot, uint32_t k, uint32_t j,
		   struct ipk__slice item)
{
	node_t *node = node_at(s, spine_of(s, slot)[k].node);
	struct part before = {node, 0, j}, behind = {node, j, node->n_items};
	size_t n_bytes = sizeof(struct ipk__shm_item) + item.n_bytes;
	uint32_t ref;
	int r;

	if (is_large(node) || item.n_bytes > ITEM_BYTES_MAX || node->n_items == NODE_ITEMS_MAX)
		return 0;
	if (gap_of(node) >= n_bytes) {
		put_in_place(s, slot, k, j, item);
		return 1;
	}
	n_bytes += IPK__NODE_HEAD_BYTES + live_bytes(before) + live_bytes(behind);
	if (n_bytes > NODE_BYTES_MAX)
		return 0;
	r = build(s, before, &item, behind, room_for(n_bytes), &ref);
	if (r == 0)
		r = replace_nodes(s, slot, k, 1, &ref, 1);
	return r < 0 ? r : 1;
}

/* A node with the item alone, as the one with number @k. */
static int put_node(struct ipk__store *s, slot_t *slot, uint32_t k, struct ipk__slice item)
{
	uint32_t n = slot->list.n_nodes, ref;
	uint32_t beside = k == n ? n - 1 : k;
	/* A list that fills whole nodes gets whole nodes. */
	bool is_long = n > 0 && !is_large(node_at(s, spine_of(s, slot)[beside].node));
	int r = build_alone(s, item, is_long ? NODE_BYTES_MAX : NODE_BYTES_MIN, &ref);

	return r < 0 ? r : replace_nodes(s, slot, k, 0, &ref, 1);
}

static bool fit_together(struct part part, struct ipk__slice item)
{
	return item.n_bytes <= ITEM_BYTES_MAX && count_of(part) < NODE_ITEMS_MAX &&
	       IPK__NODE_HEAD_BYTES + live_bytes(part) + sizeof(struct ipk__shm_item) +
			       item.n_bytes <=
		       NODE_BYTES_MAX;
}

static size_t part_room(struct part part, size_t item_bytes)
{
	return room_for(IPK__NODE_HEAD_BYTES + sizeof(struct ipk__shm_item) + live_bytes(part) +
			item_bytes);
}

/* Node @k becomes what is before place @left, the item, and what is from @right on. */
static int split(struct ipk__store *s, slot_t *slot, uint32_t k, uint32_t left, uint32_t right,
		 struct ipk__slice item)
{
	const node_t *node = node_at(s, spine_of(s, slot)[k].node);
	struct part none = {0}, before = {node, 0, left}, behind = {node, right, node->n_items};
	bool with_before = left > 0 && fit_together(before, item);
	bool with_behind = !with_before && count_of(behind) > 0 && fit_together(behind, item);
	uint32_t refs[3], n = 0;
	int r = 0;

	if (left > 0) {
		r = build(s, before, with_before ? &item : NULL, none,
			  part_room(before, with_before ? item.n_bytes : 0), &refs[n]);
		n += r == 0;
	}
	if (r == 0 && !with_before && !with_behind) {
		r = build_alone(s, item, NODE_BYTES_MIN, &refs[n]);
		n += r == 0;
	}
	if (r == 0 && count_of(behind) > 0) {
		r = build(s, none, with_behind ? &item : NULL, behind,
			  part_room(behind, with_behind ? item.n_bytes : 0), &refs[n]);
		n += r == 0;
	}
	if (r == 0)
		return replace_nodes(s, slot, k, 1, refs, n);
	while (n > 0)
		ipk__heap_free(&s->heap, refs[--n]);
	return r;
}

static int put_at(struct ipk__store *s, slot_t *slot, uint32_t k, uint32_t j,
		  struct ipk__slice item)
{
	int r = try_put(s, slot, k, j, item);

	if (r == 0 && j == 0 && k > 0)
		r = try_put(s, slot, k - 1, spine_of(s, slot)[k - 1].n_items, item);
	if (r != 0)
		return r < 0 ? r : 0;
	if (j == 0 || j == spine_of(s, slot)[k].n_items)
		return put_node(s, slot, j == 0 ? k : k + 1, item);
	return split(s, slot, k, j, j, item);
}

static void changed(struct ipk__store *s, slot_t *slot)
{
	slot->version = ++s->last_version;
	if (s->garbage != 0)
		ipk__garbage_step(s, 2);
}

uint64_t ipk__store_list_len(const struct ipk__store_list *l)
{
	return ((const slot_t *)l)->list.n_items;
}

int ipk__store_list_insert(struct ipk__store *s, struct ipk__store_list *l, uint64_t index,
			   struct ipk__slice item)
{
	slot_t *slot = ipk__slot_of_list(l);
	uint32_t k, j;
	int r;

	if (item.n_bytes > IPK__STORE_ITEM_MAX)
		return -EMSGSIZE;
	ipk__store_settle(s);
	if (slot->list.n_items == 0) {
		r = put_node(s, slot, 0, item);
	} else if (index == slot->list.n_items) {
		k = slot->list.n_nodes - 1;
		r = put_at(s, slot, k, spine_of(s, slot)[k].n_items, item);
	} else {
		k = index == 0 ? (uint32_t)(j = 0) : find_node(s, slot, index, &j);
		r = put_at(s, slot, k, j, item);
	}
	if (r == 0)
		changed(s, slot);
	return r;
}

int ipk__store_list_push(struct ipk__store *s, struct ipk__store_list *l, bool front,
			 struct ipk__slice item)
{
	return ipk__store_list_insert(s, l, front ? 0 : ipk__store_list_len(l), item);
}

/* In the room of the old item, or in what is free; false: neither will do. */
static bool set_in_place(slot_t *slot, node_t *node, uint32_t j, struct ipk__slice item)
{
	struct ipk__shm_item position;

	if (is_large(node) || item.n_bytes > ITEM_BYTES_MAX)
		return false;
	position = node->items[j];
	if (item.n_bytes <= position.n_bytes) {
		ipk__slot_begin(slot);
		node->items[j].n_bytes = (uint16_t)item.n_bytes;
		if (item.n_bytes > 0)
			memcpy((char *)node + position.offset, item.bytes, item.n_bytes);
		ipk__slot_end(slot);
		return true;
	}
	if (gap_of(node) < item.n_bytes)
		return false;
	position = (struct ipk__shm_item){(uint16_t)(node->low - item.n_bytes),
					  (uint16_t)item.n_bytes};
	memcpy((char *)node + position.offset, item.bytes, item.n_bytes);
	ipk__slot_begin(slot);
	node->items[j] = position;
	node->low = position.offset;
	ipk__slot_end(slot);
	return true;
}

/* Node @k anew and compact, with the item at @j; -EMSGSIZE it does not fit. */
static int set_compact(struct ipk__store *s, slot_t *slot, uint32_t k, uint32_t j,
		       struct ipk__slice item)
{
	const node_t *node = node_at(s, spine_of(s, slot)[k].node);
	struct part before = {node, 0, j}, behind = {node, j + 1, node->n_items};
	size_t n_bytes = IPK__NODE_HEAD_BYTES + sizeof(struct ipk__shm_item) + item.n_bytes;
	uint32_t ref;
	int r;

	if (is_large(node) || item.n_bytes > ITEM_BYTES_MAX)
		return -EMSGSIZE;
	n_bytes += live_bytes(before) + live_bytes(behind);
	if (n_bytes > NODE_BYTES_MAX)
		return -EMSGSIZE;
	r = build(s, before, &item, behind, room_for(n_bytes), &ref);
	return r < 0 ? r : replace_nodes(s, slot, k, 1, &ref, 1);
}

int ipk__store_list_set(struct ipk__store *s, struct ipk__store_list *l, uint64_t index,
			struct ipk__slice item)
{
	slot_t *slot = ipk__slot_of_list(l);
	uint32_t k, j;
	int r;

	if (item.n_bytes > IPK__STORE_ITEM_MAX)
		return -EMSGSIZE;
	ipk__store_settle(s);
	k = find_node(s, slot, index, &j);
	r = set_in_place(slot, node_at(s, spine_of(s, slot)[k].node), j, item) ? 0 : -EMSGSIZE;
	if (r < 0)
		r = set_compact(s, slot, k, j, item);
	if (r == -EMSGSIZE)
		r = split(s, slot, k, j, j + 1, item);
	if (r == 0)
		changed(s, slot);
	return r;
}

/* --- taking out ------------------------------------------------------------------------------- */

/* In the slot's odd time: the items [from, to) of node @k, not all it has. */
static void cut(struct ipk__store *s, slot_t *slot, uint32_t k, uint32_t from, uint32_t to)
{
	node_t *node = node_at(s, spine_of(s, slot)[k].node);

	memmove(node->items + from, node->items + to, (node->n_items - to) * sizeof *node->items);
	node->n_items = (uint16_t)(node->n_items - (to - from));
	count_on(s, slot, k, -(int64_t)(to - from));
}

/* The nodes [k, k + n) as a list of garbage, to be freed in time; false: no room for that. */
static bool bury(struct ipk__store *s, slot_t *slot, uint32_t k, uint32_t n)
{
	slot_t *grave;
	uint32_t number, ref;

	if (ipk__heap_alloc(&s->heap, n * sizeof(vertebra_t), &ref) < 0)
		return false;
	if (ipk__slot_make(s, IPK__TYPE_LIST, &number) < 0) {
		ipk__heap_free(&s->heap, ref);
		return false;
	}
	memcpy(ipk__heap_at(&s->heap, ref), spine_of(s, slot) + k, n * sizeof(vertebra_t));
	grave = ipk__heap_slot(&s->heap, number);
	grave->list.spine = ref;
	grave->list.n_nodes = n;
	ipk__slot_drop(s, number);
	return true;
}

/* What is taken out: whole nodes, and some items of the ones before and behind them. */
struct cut {
	uint32_t first; /* node of which the items [from, to) go */
	uint32_t from, to;
	uint32_t whole, n_whole;
	uint32_t n_last; /* items that go of the node behind */
};

static struct cut plan_cut(const struct ipk__store *s, const slot_t *slot, uint64_t index,
			   uint64_t n)
{
	const vertebra_t *spine = spine_of(s, slot);
	struct cut c = {0};

	c.first = find_node(s, slot, index, &c.from);
	c.to = c.from;
	c.whole = c.first;
	if (c.from > 0) {
		c.to += (uint32_t)IPK__MIN(n, spine[c.first].n_items - c.from);
		n -= c.to - c.from;
		c.whole++;
	}
	while (c.whole + c.n_whole < slot->list.n_nodes && n >= spine[c.whole + c.n_whole].n_items)
		n -= spine[c.whole + c.n_whole++].n_items;
	c.n_last = (uint32_t)n;
	return c;
}

static void carry_out(struct ipk__store *s, slot_t *slot, const struct cut *c)
{
	bool front = c->whole < slot->list.n_nodes - c->whole - c->n_whole;
	bool buried = c->n_whole > FREE_AT_ONCE && bury(s, slot, c->whole, c->n_whole);
	uint32_t refs[FREE_AT_ONCE];

	for (uint32_t i = 0; i < c->n_whole; i++)
		slot->n_bytes -= ipk__heap_room(&s->heap, spine_of(s, slot)[c->whole + i].node);
	ipk__slot_begin(slot);
	if (c->to > c->from)
		cut(s, slot, c->first, c->from, c->to);
	if (c->n_last > 0)
		cut(s, slot, c->whole + c->n_whole, 0, c->n_last);
	for (uint32_t i = 0; !buried && i < c->n_whole; i++) {
		uint32_t ref = spine_of(s, slot)[c->whole + i].node;

		if (i < FREE_AT_ONCE)
			refs[i] = ref;
		else
			ipk__heap_free(&s->heap, ref); /* no room for a grave: readers wait */
	}
	splice(s, slot, c->whole, c->n_whole, NULL, 0, front);
	ipk__slot_end(slot);
	for (uint32_t i = 0; !buried && i < IPK__MIN(c->n_whole, FREE_AT_ONCE); i++)
		ipk__heap_free(&s->heap, refs[i]);
}

/* Nodes @k and @k + 1 become one when there is little left in them. */
static void merge(struct ipk__store *s, slot_t *slot, uint32_t k)
{
	struct part a, b;
	size_t n_bytes;
	uint32_t ref;

	if (k + 1 >= slot->list.n_nodes)
		return;
	a = (struct part){node_at(s, spine_of(s, slot)[k].node), 0, 0};
	b = (struct part){node_at(s, spine_of(s, slot)[k + 1].node), 0, 0};
	a.to = a.node->n_items;
	b.to = b.node->n_items;
	if (is_large(a.node) || is_large(b.node) || a.to + b.to > NODE_ITEMS_MAX)
		return;
	n_bytes = IPK__NODE_HEAD_BYTES + live_bytes(a) + live_bytes(b);
	/* Failing is fine: it is only to save room. */
	if (n_bytes <= MERGE_BYTES && build(s, a, NULL, b, room_for(n_bytes), &ref) == 0)
		(void)replace_nodes(s, slot, k, 2, &ref, 1);
}

/* A spine far longer than what is left of the list. */
static void shrink_spine(struct ipk__store *s, slot_t *slot)
{
	struct ipk__shm_list *l = &slot->list;
	uint32_t ref, old = l->spine, n = l->n_nodes;
	size_t n_bytes = ipk__heap_round((n + (size_t)2) * sizeof(vertebra_t));

	if (l->spine_room <= SPINE_SHRINK || n >= l->spine_room / 8 ||
	    ipk__heap_alloc(&s->heap, n_bytes, &ref) < 0)
		return;
	memcpy((vertebra_t *)ipk__heap_at(&s->heap, ref) + 1, spine_of(s, slot),
	       n * sizeof(vertebra_t));
	ipk__slot_begin(slot);
	ipk__put(l->spine, ref);
	ipk__put(l->spine_room, (uint32_t)(n_bytes / sizeof(vertebra_t)));
	ipk__put(l->head, 1);
	l->n_bytes -= ipk__heap_room(&s->heap, old);
	l->n_bytes += n_bytes;
	ipk__slot_end(slot);
	ipk__heap_free(&s->heap, old);
}

void ipk__store_list_remove(struct ipk__store *s, struct ipk__store_list *l, uint64_t index,
			    uint64_t n)
{
	slot_t *slot = ipk__slot_of_list(l);
	bool is_inside = index > 0 && index + n < slot->list.n_items;
	struct cut c;

	if (n == 0)
		return;
	ipk__store_settle(s);
	c = plan_cut(s, slot, index, n);
	carry_out(s, slot, &c);
	if (is_inside && c.whole > 0)
		merge(s, slot, c.whole - 1);
	shrink_spine(s, slot);
	changed(s, slot);
}

uint32_t ipk__store_list_free_some(struct ipk__store *s, struct ipk__shm_slot *slot, uint32_t n)
{
	struct ipk__shm_list *l = &slot->list;
	uint32_t n_done = 0;

	while (n_done < n && l->n_nodes > 0) {
		ipk__heap_free(&s->heap, spine_of(s, slot)->node);
		l->head++;
		l->n_nodes--;
		n_done++;
	}
	if (l->n_nodes > 0)
		return n_done;
	ipk__heap_free(&s->heap, l->spine);
	return 0;
}

/* --- looking ---------------------------------------------------------------------------------- */

struct ipk__slice ipk__store_list_at(struct ipk__store *s, struct ipk__store_list *l,
				     uint64_t index)
{
	slot_t *slot = ipk__slot_of_list(l);
	uint32_t k, j;

	k = find_node(s, slot, index, &j);
	return item_of(node_at(s, spine_of(s, slot)[k].node), j);
}

#define NO_NODE UINT64_MAX

void ipk__store_list_begin(struct ipk__store *s, struct ipk__store_list *l, uint64_t index,
			   bool backwards, struct ipk__store_list_iter *ret_it)
{
	*ret_it = (struct ipk__store_list_iter){
		.store = s, .list = l, .node = NO_NODE, .backwards = backwards};
	if (index < ipk__store_list_len(l))
		ret_it->node = find_node(s, ipk__slot_of_list(l), index, &ret_it->position);
}

bool ipk__store_list_next(struct ipk__store_list_iter *it, struct ipk__slice *ret_item)
{
	slot_t *slot = ipk__slot_of_list(it->list);
	const node_t *node;

	if (it->node == NO_NODE)
		return false;
	node = node_at(it->store, spine_of(it->store, slot)[it->node].node);
	*ret_item = item_of(node, it->position);
	if (it->backwards && it->position-- == 0) {
		it->node = it->node == 0 ? NO_NODE : it->node - 1;
		if (it->node != NO_NODE)
			it->position = spine_of(it->store, slot)[it->node].n_items - 1;
	} else if (!it->backwards && ++it->position == node->n_items) {
		it->node = it->node + 1 == slot->list.n_nodes ? NO_NODE : it->node + 1;
		it->position = 0;
	}
	return true;
}
