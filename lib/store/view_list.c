/* view_list.c - lists on the reader's side. See store_list.c for their layout. */
#include <string.h>

#include "store/view_internal.h"

#define NODES_MAX ((uint32_t)1 << 28)

/* A list's spine, as it was when it was checked to lie in the segment. */
struct spine {
	const struct ipk__shm_vertebra *at;
	uint32_t n_nodes;
	uint64_t n_items;
};

struct range {
	const struct ipk__spot *spot;
	int64_t index;
	uint64_t max;
	char *buf;
	size_t buf_bytes;
	size_t n_bytes; /* of what was copied, or of what did not fit */
	uint64_t n;
	bool with_lengths;
};

static int get_spine(const struct ipk__view_read *read, struct spine *ret_spine)
{
	const struct ipk__shm_list *l = &read->slot->list;
	uint32_t ref = ipk__load(l->spine), head = ipk__load(l->head);
	const struct ipk__shm_vertebra *at;
	struct spine spine = {.n_nodes = ipk__load(l->n_nodes), .n_items = ipk__load(l->n_items)};

	if (spine.n_nodes == 0 || spine.n_nodes > NODES_MAX)
		return -EBADMSG;
	at = ipk__view_read_ref(read, ref, ((uint64_t)head + spine.n_nodes) * sizeof *at);
	if (!at)
		return -EBADMSG;
	spine.at = at + head;
	*ret_spine = spine;
	return 0;
}

static uint32_t find_node(const struct spine *spine, uint64_t index, uint64_t *ret_position)
{
	int64_t number = (int64_t)((uint64_t)ipk__load(spine->at[0].start) + index);
	uint32_t k = 0;

	for (uint32_t n = spine->n_nodes; n > 1;) {
		uint32_t half = n / 2;

		k = ipk__load(spine->at[k + half].start) <= number ? k + half : k;
		n -= half;
	}
	*ret_position = (uint64_t)number - (uint64_t)ipk__load(spine->at[k].start);
	return k;
}

static const struct ipk__shm_node *get_node(const struct ipk__view_read *read,
					    const struct spine *spine, uint32_t k)
{
	uint32_t ref = ipk__load(spine->at[k].node);

	return ipk__view_read_ref(read, ref, IPK__NODE_LARGE_BYTES);
}

/* The item at @position of a node; *ret_is_last: it is the last one there. */
static int get_item(const struct ipk__view_read *read, const struct ipk__shm_node *node,
		    uint64_t position, struct ipk__slice *ret_item, bool *ret_is_last)
{
	uint32_t n_items = ipk__load(node->n_items), offset, n_bytes;
	uint64_t at = (uint64_t)((const char *)node - (const char *)read->view->shared);

	if (position >= n_items)
		return -EBADMSG;
	if (ipk__load(node->low) == 0) {
		offset = IPK__NODE_LARGE_BYTES;
		n_bytes = ipk__load(node->large.n_bytes);
	} else {
		const struct ipk__shm_item *item = &node->items[position];

		if (!ipk__view_read_at(read, at + IPK__NODE_HEAD_BYTES,
				       (position + 1) * sizeof *item))
			return -EBADMSG;
		offset = ipk__load(item->offset);
		n_bytes = ipk__load(item->n_bytes);
	}
	ret_item->bytes = ipk__view_read_at(read, at + offset, n_bytes);
	ret_item->n_bytes = n_bytes;
	*ret_is_last = position + 1 == n_items;
	return ret_item->bytes ? 0 : -EBADMSG;
}

/* One more behind what was copied; -EMSGSIZE. */
static int add(struct range *range, struct ipk__slice item)
{
	uint32_t length = (uint32_t)item.n_bytes;
	size_t head = range->with_lengths ? sizeof length : 0;

	if (head + item.n_bytes > range->buf_bytes - range->n_bytes) {
		if (range->n == 0)
			range->n_bytes = head + item.n_bytes;
		return ipk__detail(-EMSGSIZE, IPK__OVER_VALUE);
	}
	if (head != 0)
		memcpy(range->buf + range->n_bytes, &length, head);
	if (item.n_bytes != 0)
		memcpy(range->buf + range->n_bytes + head, item.bytes, item.n_bytes);
	range->n_bytes += head + item.n_bytes;
	range->n++;
	return 0;
}

static int copy_items(const struct ipk__view_read *read, struct range *range,
		      const struct spine *spine, uint64_t index, uint64_t max)
{
	uint64_t position;
	uint32_t k = find_node(spine, index, &position);
	const struct ipk__shm_node *node = get_node(read, spine, k);
	struct ipk__slice item;
	bool is_last;
	int r = 0;

	while (range->n < max) {
		r = node ? get_item(read, node, position, &item, &is_last) : -EBADMSG;
		if (r == 0)
			r = add(range, item);
		if (r < 0)
			break;
		position++;
		if (is_last && range->n < max) {
			if (++k >= spine->n_nodes)
				return -EBADMSG;
			node = get_node(read, spine, k);
			position = 0;
		}
	}
	return r == -EMSGSIZE && range->n > 0 ? 0 : r;
}

static int range_body(struct ipk__view_read *read, void *arg)
{
	struct range *range = arg;
	struct spine spine;
	uint64_t index, n_items = ipk__load(read->slot->list.n_items);
	int r = ipk__view_read_check(read, range->spot, IPK__TYPE_LIST);

	range->n_bytes = 0;
	range->n = 0;
	if (r < 0)
		return r;
	index = range->index < 0 ? (uint64_t)range->index + n_items : (uint64_t)range->index;
	if (index >= n_items)
		return -ERANGE;
	r = get_spine(read, &spine);
	if (r < 0)
		return r;
	return copy_items(read, range, &spine, index, IPK__MIN(range->max, n_items - index));
}

static int get_range(struct ipk__view *v, struct range *range)
{
	struct ipk__view_read read;
	int r;

	ipk__view_read_start(v, &read);
	r = ipk__view_read_spot(&read, range->spot);
	return r < 0 ? ipk__view_read_result(&read, r)
		     : ipk__view_read_retry(&read, range_body, range);
}

int ipk__view_list_get(struct ipk__view *v, const struct ipk__spot *spot, int64_t index, void *buf,
		       size_t buf_bytes, size_t *ret_bytes)
{
	struct range range = {
		.spot = spot, .index = index, .max = 1, .buf = buf, .buf_bytes = buf_bytes};
	int r = get_range(v, &range);

	if (r == 0 || r == -EMSGSIZE)
		*ret_bytes = range.n_bytes;
	return r;
}

int ipk__view_list_range(struct ipk__view *v, const struct ipk__spot *spot, uint64_t index,
			 uint64_t max, void *buf, size_t buf_bytes, size_t *ret_bytes,
			 uint64_t *ret_n)
{
	struct range range = {
		.spot = spot,
		.index = (int64_t)IPK__MIN(index, (uint64_t)INT64_MAX),
		.max = max,
		.buf = buf,
		.buf_bytes = buf_bytes,
		.with_lengths = true,
	};
	int r = get_range(v, &range);

	if (r == -EMSGSIZE)
		*ret_bytes = range.n_bytes;
	if (r != 0 && r != -ERANGE)
		return r;
	*ret_bytes = range.n_bytes;
	*ret_n = range.n;
	return 0;
}

static int len_body(struct ipk__view_read *read, void *arg)
{
	struct range *range = arg;

	range->n = ipk__load(read->slot->list.n_items);
	return ipk__view_read_check(read, range->spot, IPK__TYPE_LIST);
}

int ipk__view_list_len(struct ipk__view *v, const struct ipk__spot *spot, uint64_t *ret_len)
{
	struct range range = {.spot = spot};
	struct ipk__view_read read;
	int r;

	ipk__view_read_start(v, &read);
	r = ipk__view_read_spot(&read, spot);
	r = r < 0 ? ipk__view_read_result(&read, r) : ipk__view_read_retry(&read, len_body, &range);
	if (r == 0)
		*ret_len = range.n;
	return r;
}
