/*
 * managed_list.c - a list on the server: items and the length are read in place if the store is
 * mapped, everything else is a request.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "manager/manager_internal.h"
#include "os/os.h"
#include "wire/typed.h"

struct ipk_list {
	struct ipk__handle h;
};

#define GUESS_BYTES 256

int ipk_list_open(ipk_manager *m, const char *name, ipk_list **ret_handle)
{
	IPK__REQUIRE(ret_handle, "ret_handle is NULL");
	return ipk__handle_make(m, name, sizeof(ipk_list), ret_handle);
}

ipk_list *ipk_list_close(ipk_list *handle)
{
	free(handle);
	return NULL;
}

#define NAME(l) ((l)->h.name)
#define ITEM IPK__SLICE(data, len_bytes)

static int check_item(const ipk_list *l, const void *data, size_t len_bytes)
{
	if (!l)
		return -EBADF;
	IPK__REQUIRE(ipk__slices_are_valid(data, len_bytes), IPK__WRONG_DATA);
	return 0;
}

static int none_is_range(int r)
{
	return r == -ENOENT ? -ERANGE : r;
}

/* --- reads ------------------------------------------------------------------------------------ */

static bool is_unsure(ipk_list *l, int r)
{
	if (r == -ESTALE)
		ipk__handle_lost(&l->h);
	return !ipk__is_local_answer(r);
}

static int get_local(ipk_list *l, int64_t index, void *buf, size_t buf_bytes, size_t *n)
{
	struct ipk__view *view;
	struct ipk__spot spot;
	int r;

	for (int i = 0; i < 2; i++) {
		r = ipk__handle_view(&l->h, IPK__TYPE_LIST, &view, &spot);
		if (r < 0)
			return r;
		r = ipk__view_list_get(view, &spot, index, buf, buf_bytes, n);
		if (r != -ESTALE)
			return r;
		ipk__handle_lost(&l->h);
	}
	return r;
}

int ipk_list_get(ipk_list *l, int64_t index, void *buf, size_t buf_bytes, ipk_deadline deadline,
		 size_t *ret_len_bytes)
{
	struct ipk__number room;
	size_t n = 0;
	int r;

	if (!l)
		return -EBADF;
	IPK__REQUIRE(buf || buf_bytes == 0, IPK__WRONG_BUF);
	r = get_local(l, index, buf, buf_bytes, &n);
	if (is_unsure(l, r))
		return none_is_range(ipk__ask_copy(
			l->h.m,
			IPK__ARGV(IPK__ARG("LINDEX"), NAME(l), ipk__number_arg(&room, index)), buf,
			buf_bytes, deadline, ret_len_bytes));
	if (ret_len_bytes && (r == 0 || r == -EMSGSIZE))
		*ret_len_bytes = n;
	return none_is_range(r);
}

int ipk_list_get_alloc(ipk_list *l, int64_t index, ipk_deadline deadline, void **ret_data,
		       size_t *ret_len_bytes)
{
	struct ipk__number room;
	size_t n_room = GUESS_BYTES;
	char *data = NULL;
	size_t n = 0;
	int r;

	if (!l)
		return -EBADF;
	IPK__REQUIRE(ret_len_bytes, "ret_len_bytes is NULL");
	do {
		free(data);
		data = ipk__os_malloc(n_room + 1);
		if (!data)
			return -ENOMEM;
		r = get_local(l, index, data, n_room, &n);
		n_room = n;
	} while (r == -EMSGSIZE);
	if (r == 0) {
		data[n] = '\0';
		*ret_data = data;
		*ret_len_bytes = n;
		return 0;
	}
	free(data);
	if (!is_unsure(l, r))
		return none_is_range(r);
	return none_is_range(ipk__ask_alloc(
		l->h.m, IPK__CALL_READ,
		IPK__ARGV(IPK__ARG("LINDEX"), NAME(l), ipk__number_arg(&room, index)), deadline,
		ret_data, ret_len_bytes));
}

int ipk_list_len(ipk_list *l, ipk_deadline deadline, uint64_t *ret_len)
{
	struct ipk__view *view;
	struct ipk__spot spot;
	uint64_t len = 0;
	int64_t n;
	int r;

	if (!l)
		return -EBADF;
	r = ipk__handle_view(&l->h, IPK__TYPE_LIST, &view, &spot);
	if (r == 0) {
		r = ipk__view_list_len(view, &spot, &len);
	}
	if (is_unsure(l, r)) {
		IPK_TRY(ipk__ask_int(l->h.m, IPK__CALL_READ, deadline, &n, IPK__ARG("LLEN"),
				     NAME(l)));
		len = (uint64_t)n;
	} else if (r < 0 && r != -ENOENT) {
		return r;
	}
	if (ret_len)
		*ret_len = len;
	return 0;
}

int ipk_list_index(ipk_list *l, const void *data, size_t len_bytes, int64_t start, int64_t stop,
		   ipk_deadline deadline, uint64_t *ret_index)
{
	struct ipk__number rooms[2];
	int64_t n;

	IPK__REQUIRE(ret_index, "ret_index is NULL");
	IPK_TRY(check_item(l, data, len_bytes));
	IPK_TRY(ipk__ask_int(l->h.m, IPK__CALL_READ, deadline, &n, IPK__ARG("IPK.LINDEXOF"),
			     NAME(l), ITEM, ipk__index_arg(&rooms[0], start),
			     ipk__index_arg(&rooms[1], stop)));
	*ret_index = (uint64_t)n;
	return 0;
}

int ipk_list_count(ipk_list *l, const void *data, size_t len_bytes, ipk_deadline deadline,
		   uint64_t *ret_n)
{
	int64_t n;

	IPK__REQUIRE(ret_n, "ret_n is NULL");
	IPK_TRY(check_item(l, data, len_bytes));
	IPK_TRY(ipk__ask_int(l->h.m, IPK__CALL_READ, deadline, &n, IPK__ARG("IPK.LCOUNT"), NAME(l),
			     ITEM));
	*ret_n = (uint64_t)n;
	return 0;
}

int ipk_list_contains(ipk_list *l, const void *data, size_t len_bytes, ipk_deadline deadline,
		      bool *ret_contains)
{
	uint64_t index;
	int r = ipk_list_index(l, data, len_bytes, IPK_OMIT, IPK_OMIT, deadline, &index);

	IPK__REQUIRE(ret_contains, "ret_contains is NULL");
	if (r < 0 && r != -ENOENT)
		return r;
	*ret_contains = r == 0;
	return 0;
}

int ipk_list_slice(ipk_list *l, int64_t start, int64_t stop, int64_t step, ipk_deadline deadline,
		   ipk_reply **ret_reply)
{
	struct ipk__number rooms[3];

	if (!l)
		return -EBADF;
	IPK__REQUIRE(ret_reply, "ret_reply is NULL");
	IPK__REQUIRE(step != 0, "step: not 0");
	return ipk__ask_reply(
		l->h.m, IPK__CALL_READ,
		IPK__ARGV(IPK__ARG("IPK.LSLICE"), NAME(l), ipk__index_arg(&rooms[0], start),
			  ipk__index_arg(&rooms[1], stop), ipk__number_arg(&rooms[2], step)),
		deadline, ret_reply);
}

/* --- writes ----------------------------------------------------------------------------------- */

int ipk_list_append(ipk_list *l, const void *data, size_t len_bytes, ipk_deadline deadline)
{
	IPK_TRY(check_item(l, data, len_bytes));
	return ipk__tell(l->h.m, deadline, IPK__ARG("RPUSH"), NAME(l), ITEM);
}

int ipk_list_extend(ipk_list *l, const ipk_bytes *items, size_t n_items, ipk_deadline deadline)
{
	struct ipk__slice *argv;
	int r;

	if (!l)
		return -EBADF;
	if (n_items == 0)
		return 0;
	IPK_TRY(ipk__argv_of((struct ipk__slice[]){IPK__ARG("RPUSH"), NAME(l)}, 2, items, n_items,
			     &argv));
	r = ipk__ask_done(l->h.m, argv, 2 + n_items, deadline);
	free(argv);
	return r;
}

int ipk_list_insert(ipk_list *l, int64_t index, const void *data, size_t len_bytes,
		    ipk_deadline deadline)
{
	struct ipk__number room;

	IPK_TRY(check_item(l, data, len_bytes));
	return ipk__tell(l->h.m, deadline, IPK__ARG("IPK.LINSERT"), NAME(l),
			 ipk__number_arg(&room, index), ITEM);
}

int ipk_list_set(ipk_list *l, int64_t index, const void *data, size_t len_bytes,
		 ipk_deadline deadline)
{
	struct ipk__number room;

	IPK_TRY(check_item(l, data, len_bytes));
	return none_is_range(ipk__tell(l->h.m, deadline, IPK__ARG("LSET"), NAME(l),
				       ipk__number_arg(&room, index), ITEM));
}

int ipk_list_pop_alloc(ipk_list *l, int64_t index, ipk_deadline deadline, void **ret_data,
		       size_t *ret_len_bytes)
{
	struct ipk__number room;

	if (!l)
		return -EBADF;
	IPK__REQUIRE(ret_len_bytes, "ret_len_bytes is NULL");
	return none_is_range(ipk__ask_alloc(
		l->h.m, 0,
		IPK__ARGV(IPK__ARG("IPK.LPOPAT"), NAME(l), ipk__number_arg(&room, index)), deadline,
		ret_data, ret_len_bytes));
}

int ipk_list_remove(ipk_list *l, const void *data, size_t len_bytes, ipk_deadline deadline)
{
	int64_t n;

	IPK_TRY(check_item(l, data, len_bytes));
	IPK_TRY(ipk__ask_int(l->h.m, 0, deadline, &n, IPK__ARG("LREM"), NAME(l), IPK__ARG("1"),
			     ITEM));
	return n > 0 ? 0 : -ENOENT;
}

int ipk_list_delete(ipk_list *l, int64_t index, ipk_deadline deadline)
{
	struct ipk__number room;
	struct ipk__response reply;
	struct ipk__slice item;
	int r;

	if (!l)
		return -EBADF;
	ipk__response_init(&reply);
	r = ipk__ask(l->h.m, 0, &reply, deadline, IPK__ARG("IPK.LPOPAT"), NAME(l),
		     ipk__number_arg(&room, index));
	if (r == 0)
		r = ipk__response_text(&reply, &item);
	ipk__response_fini(&reply);
	return none_is_range(r);
}

int ipk_list_clear(ipk_list *l, ipk_deadline deadline)
{
	return l ? ipk__tell(l->h.m, deadline, IPK__ARG("DEL"), NAME(l)) : -EBADF;
}

int ipk_list_set_slice(ipk_list *l, int64_t start, int64_t stop, int64_t step,
		       const ipk_bytes *items, size_t n_items, ipk_deadline deadline)
{
	struct ipk__number rooms[3];
	struct ipk__slice head[5];
	struct ipk__slice *argv;
	int r;

	if (!l)
		return -EBADF;
	IPK__REQUIRE(step != 0, "step: not 0");
	head[0] = IPK__ARG("IPK.LSETSLICE");
	head[1] = NAME(l);
	head[2] = ipk__index_arg(&rooms[0], start);
	head[3] = ipk__index_arg(&rooms[1], stop);
	head[4] = ipk__number_arg(&rooms[2], step);
	IPK_TRY(ipk__argv_of(head, 5, items, n_items, &argv));
	r = ipk__ask_done(l->h.m, argv, 5 + n_items, deadline);
	free(argv);
	return r;
}

int ipk_list_delete_slice(ipk_list *l, int64_t start, int64_t stop, int64_t step,
			  ipk_deadline deadline, uint64_t *ret_n)
{
	struct ipk__number rooms[3];
	int64_t n;

	if (!l)
		return -EBADF;
	IPK__REQUIRE(step != 0, "step: not 0");
	IPK_TRY(ipk__ask_int(l->h.m, 0, deadline, &n, IPK__ARG("IPK.LDELSLICE"), NAME(l),
			     ipk__index_arg(&rooms[0], start), ipk__index_arg(&rooms[1], stop),
			     ipk__number_arg(&rooms[2], step)));
	if (ret_n)
		*ret_n = (uint64_t)n;
	return 0;
}

int ipk_list_reverse(ipk_list *l, ipk_deadline deadline)
{
	return l ? ipk__tell(l->h.m, deadline, IPK__ARG("IPK.LREVERSE"), NAME(l)) : -EBADF;
}

int ipk_list_sort(ipk_list *l, ipk_sort_by by, bool is_descending, ipk_deadline deadline)
{
	static const char *const words[] = {"BYTES", "NUMBER", "TYPED"};

	if (!l)
		return -EBADF;
	IPK__REQUIRE((unsigned)by < IPK__N_OF(words), "by: an ipk_sort_by");
	return ipk__tell(l->h.m, deadline, IPK__ARG("IPK.LSORT"), NAME(l),
			 ipk__slice_of_string(words[by]),
			 is_descending ? IPK__ARG("DESC") : IPK__ARG("ASC"));
}

int ipk_list_repeat(ipk_list *l, uint64_t n, ipk_deadline deadline)
{
	struct ipk__number room;

	if (!l)
		return -EBADF;
	IPK__REQUIRE(n <= INT64_MAX, "n: INT64_MAX at most");
	return ipk__tell(l->h.m, deadline, IPK__ARG("IPK.LREPEAT"), NAME(l),
			 ipk__number_arg(&room, (int64_t)n));
}

int ipk_list_add(ipk_list *l, int64_t index, int64_t delta, ipk_deadline deadline, int64_t *ret_new)
{
	struct ipk__number rooms[2];
	int64_t n;

	if (!l)
		return -EBADF;
	IPK_TRY(ipk__ask_int(l->h.m, 0, deadline, &n, IPK__ARG("IPK.LINCRBY"), NAME(l),
			     ipk__number_arg(&rooms[0], index), ipk__number_arg(&rooms[1], delta)));
	if (ret_new)
		*ret_new = n;
	return 0;
}

/* --- typed values and references -------------------------------------------------------------- */

int ipk_list_appendf(ipk_list *l, ipk_deadline deadline, const char *format, ...)
{
	IPK__PACK_ARGS(format, data, len_bytes);

	return ipk_list_append(l, data, len_bytes, deadline);
}

int ipk_list_setf(ipk_list *l, int64_t index, ipk_deadline deadline, const char *format, ...)
{
	IPK__PACK_ARGS(format, data, len_bytes);

	return ipk_list_set(l, index, data, len_bytes, deadline);
}

int ipk_list_getf(ipk_list *l, int64_t index, ipk_deadline deadline, const char *format, ...)
{
	va_list args;
	void *data;
	size_t n;
	int r;

	IPK_TRY(ipk_list_get_alloc(l, index, deadline, &data, &n));
	va_start(args, format);
	r = ipk__typed_unpack(data, n, format, args);
	va_end(args);
	return r;
}

int ipk_list_append_ref(ipk_list *l, ipk_ref_kind kind, const char *name, ipk_deadline deadline)
{
	char buf[IPK__OBJECT_NAME_MAX + 8];
	struct ipk__slice value;

	IPK_TRY(ipk__ref_make(kind, name, buf, &value));
	return ipk_list_append(l, value.bytes, value.n_bytes, deadline);
}

static int get_ref(ipk_list *l, int64_t index, ipk_ref_kind kind, ipk_deadline deadline,
		   char name[IPK__OBJECT_NAME_MAX + 1])
{
	void *data;
	size_t n;

	IPK_TRY(ipk_list_get_alloc(l, index, deadline, &data, &n));
	return ipk__ref_name(data, n, kind, name);
}

int ipk_list_get_dict(ipk_list *l, int64_t index, ipk_deadline deadline, ipk_dict **ret_dict)
{
	char name[IPK__OBJECT_NAME_MAX + 1];

	IPK__REQUIRE(ret_dict, "ret_dict is NULL");
	IPK_TRY(get_ref(l, index, IPK_REF_DICT, deadline, name));
	return ipk_dict_open(l->h.m, name, ret_dict);
}

int ipk_list_get_list(ipk_list *l, int64_t index, ipk_deadline deadline, ipk_list **ret_list)
{
	char name[IPK__OBJECT_NAME_MAX + 1];

	IPK__REQUIRE(ret_list, "ret_list is NULL");
	IPK_TRY(get_ref(l, index, IPK_REF_LIST, deadline, name));
	return ipk_list_open(l->h.m, name, ret_list);
}

/* --- iteration -------------------------------------------------------------------------------- */

#define RANGE_BYTES ((size_t)16 << 10)
#define RANGE_ITEMS 256

struct ipk_list_iter {
	ipk_list *l;
	uint64_t index;  /* of what comes after what is held here */
	uint64_t n_left; /* items held here */
	bool is_local;
	char *room; /* items as ipk__view_list_range() gives them */
	size_t room_bytes, at;
	struct ipk__response reply;
};

int ipk_list_iter_open(ipk_list *l, ipk_list_iter **ret_iter)
{
	ipk_list_iter *it;

	if (!l)
		return -EBADF;
	IPK__REQUIRE(ret_iter, "ret_iter is NULL");
	it = ipk__os_calloc(1, sizeof *it);
	if (!it)
		return -ENOMEM;
	it->l = l;
	ipk__response_init(&it->reply);
	*ret_iter = it;
	return 0;
}

ipk_list_iter *ipk_list_iter_close(ipk_list_iter *iter)
{
	if (iter) {
		ipk__response_fini(&iter->reply);
		free(iter->room);
		free(iter);
	}
	return NULL;
}

static int range_local(ipk_list_iter *it)
{
	struct ipk__view *view;
	struct ipk__spot spot;
	size_t n = RANGE_BYTES;
	char *room;
	int r = -EMSGSIZE;

	while (r == -EMSGSIZE) {
		if (n > it->room_bytes) {
			room = ipk__os_malloc(n);
			if (!room)
				return -ENOMEM;
			free(it->room);
			it->room = room;
			it->room_bytes = n;
		}
		IPK_TRY(ipk__handle_view(&it->l->h, IPK__TYPE_LIST, &view, &spot));
		r = ipk__view_list_range(view, &spot, it->index, RANGE_ITEMS, it->room,
					 it->room_bytes, &n, &it->n_left);
	}
	it->at = 0;
	return r;
}

static int range_asked(ipk_list_iter *it, ipk_deadline deadline)
{
	struct ipk__number rooms[2];
	struct ipk__resp_value head;

	IPK_TRY(ipk__ask(it->l->h.m, IPK__CALL_READ, &it->reply, deadline, IPK__ARG("LRANGE"),
			 NAME(it->l), ipk__number_arg(&rooms[0], (int64_t)it->index),
			 ipk__number_arg(&rooms[1], (int64_t)it->index + RANGE_ITEMS - 1)));
	it->at = 0;
	if (ipk__resp_next(it->reply.whole, &it->at, &head) < 0 || head.type != IPK__RESP_ARRAY)
		return ipk__manager_fail(-EBADMSG, "an answer that is no range");
	it->n_left = head.n;
	return 0;
}

static int range_more(ipk_list_iter *it, ipk_deadline deadline)
{
	int r = range_local(it);

	it->is_local = true;
	if (is_unsure(it->l, r)) {
		it->is_local = false;
		r = range_asked(it, deadline);
	}
	if (r < 0)
		return none_is_range(r) == -ERANGE ? -ENOENT : r;
	it->index += it->n_left;
	return it->n_left > 0 ? 0 : -ENOENT;
}

int ipk_list_iter_next(ipk_list_iter *iter, ipk_deadline deadline, ipk_bytes *ret_item)
{
	struct ipk__resp_value value;
	uint32_t len;

	if (!iter)
		return -EBADF;
	IPK__REQUIRE(ret_item, "ret_item is NULL");
	if (iter->n_left == 0)
		IPK_TRY(range_more(iter, deadline));
	if (iter->is_local) {
		memcpy(&len, iter->room + iter->at, sizeof len);
		*ret_item = (ipk_bytes){iter->room + iter->at + sizeof len, len};
		iter->at += sizeof len + len;
	} else {
		if (ipk__resp_next(iter->reply.whole, &iter->at, &value) < 0)
			return ipk__manager_fail(-EBADMSG, "an answer that is no range");
		*ret_item = (ipk_bytes){value.text.bytes, value.text.n_bytes};
	}
	iter->n_left--;
	return 0;
}
