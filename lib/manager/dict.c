/*
 * dict.c - a dict on the server: reads in place if the store is mapped, requests otherwise.
 *
 * Invariant: a local answer is one that the server could have given at some moment during the call;
 * if the view cannot be sure, the server is asked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "manager/manager_internal.h"
#include "os/os.h"
#include "wire/typed.h"

struct ipk_dict {
	struct ipk__handle h;
};

#define GUESS_BYTES 256 /* of a value of unknown length */

int ipk_dict_open(ipk_manager *m, const char *name, ipk_dict **ret_handle)
{
	IPK__REQUIRE(ret_handle, "ret_handle is NULL");
	return ipk__handle_make(m, name, sizeof(ipk_dict), ret_handle);
}

ipk_dict *ipk_dict_close(ipk_dict *handle)
{
	free(handle);
	return NULL;
}

static int check_field(const ipk_dict *d, ipk_bytes field)
{
	if (!d)
		return -EBADF;
	IPK__REQUIRE(ipk__slices_are_valid(field.data, field.len_bytes), IPK__WRONG_FIELD);
	return 0;
}

#define NAME(d) ((d)->h.name)
#define FIELD IPK__SLICE(field.data, field.len_bytes)

/* --- reads ------------------------------------------------------------------------------------ */

/* Whether the server has to be asked after all. */
static bool is_unsure(ipk_dict *d, int r)
{
	if (r == -ESTALE)
		ipk__handle_lost(&d->h);
	return !ipk__is_local_answer(r);
}

static int get_local(ipk_dict *d, struct ipk__slice field, void *buf, size_t buf_bytes, size_t *n)
{
	struct ipk__view *view;
	struct ipk__spot spot;
	int r;

	for (int i = 0; i < 2; i++) {
		r = ipk__handle_view(&d->h, IPK__TYPE_HASH, &view, &spot);
		if (r < 0)
			return r;
		r = ipk__view_dict_get(view, &spot, field, buf, buf_bytes, n);
		if (r != -ESTALE)
			return r;
		ipk__handle_lost(&d->h); /* found again, once */
	}
	return r;
}

int ipk_dict_get(ipk_dict *d, ipk_bytes field, void *buf, size_t buf_bytes, ipk_deadline deadline,
		 size_t *ret_len_bytes)
{
	size_t n = 0;
	int r;

	IPK_TRY(check_field(d, field));
	IPK__REQUIRE(buf || buf_bytes == 0, IPK__WRONG_BUF);
	r = get_local(d, FIELD, buf, buf_bytes, &n);
	if (is_unsure(d, r))
		return ipk__ask_copy(d->h.m, IPK__ARGV(IPK__ARG("HGET"), NAME(d), FIELD), buf,
				     buf_bytes, deadline, ret_len_bytes);
	if (ret_len_bytes && (r == 0 || r == -EMSGSIZE))
		*ret_len_bytes = n;
	return r;
}

int ipk_dict_get_alloc(ipk_dict *d, ipk_bytes field, ipk_deadline deadline, void **ret_data,
		       size_t *ret_len_bytes)
{
	char *data = NULL;
	size_t room = GUESS_BYTES;
	size_t n = 0;
	int r;

	IPK__REQUIRE(ret_len_bytes, "ret_len_bytes is NULL");
	IPK_TRY(check_field(d, field));
	do {
		free(data);
		data = ipk__os_malloc(room + 1);
		if (!data)
			return -ENOMEM;
		r = get_local(d, FIELD, data, room, &n);
		room = n;
	} while (r == -EMSGSIZE);
	if (r == 0) {
		data[n] = '\0';
		*ret_data = data;
		*ret_len_bytes = n;
		return 0;
	}
	free(data);
	if (!is_unsure(d, r))
		return r;
	return ipk__ask_alloc(d->h.m, IPK__CALL_READ, IPK__ARGV(IPK__ARG("HGET"), NAME(d), FIELD),
			      deadline, ret_data, ret_len_bytes);
}

int ipk_dict_contains(ipk_dict *d, ipk_bytes field, ipk_deadline deadline, bool *ret_contains)
{
	struct ipk__view *view;
	struct ipk__spot spot;
	int64_t n;
	int r;

	IPK__REQUIRE(ret_contains, "ret_contains is NULL");
	IPK_TRY(check_field(d, field));
	r = ipk__handle_view(&d->h, IPK__TYPE_HASH, &view, &spot);
	if (r == 0) {
		r = ipk__view_dict_has(view, &spot, FIELD);
	}
	if (r == 0 || r == -ENOENT) {
		*ret_contains = r == 0;
		return 0;
	}
	if (!is_unsure(d, r))
		return r;
	IPK_TRY(ipk__ask_int(d->h.m, IPK__CALL_READ, deadline, &n, IPK__ARG("HEXISTS"), NAME(d),
			     FIELD));
	*ret_contains = n != 0;
	return 0;
}

int ipk_dict_len(ipk_dict *d, ipk_deadline deadline, uint64_t *ret_len)
{
	struct ipk__view *view;
	struct ipk__spot spot;
	uint64_t len = 0;
	int64_t n;
	int r;

	if (!d)
		return -EBADF;
	r = ipk__handle_view(&d->h, IPK__TYPE_HASH, &view, &spot);
	if (r == 0) {
		r = ipk__view_dict_len(view, &spot, &len);
	}
	if (is_unsure(d, r)) {
		IPK_TRY(ipk__ask_int(d->h.m, IPK__CALL_READ, deadline, &n, IPK__ARG("HLEN"),
				     NAME(d)));
		len = (uint64_t)n;
	} else if (r < 0 && r != -ENOENT) {
		return r;
	}
	if (ret_len)
		*ret_len = len;
	return 0;
}

int ipk_dict_keys(ipk_dict *d, ipk_deadline deadline, ipk_reply **ret_reply)
{
	IPK__REQUIRE(ret_reply, "ret_reply is NULL");
	return d ? ipk__ask_reply(d->h.m, IPK__CALL_READ, IPK__ARGV(IPK__ARG("HKEYS"), NAME(d)),
				  deadline, ret_reply)
		 : -EBADF;
}

int ipk_dict_values(ipk_dict *d, ipk_deadline deadline, ipk_reply **ret_reply)
{
	IPK__REQUIRE(ret_reply, "ret_reply is NULL");
	return d ? ipk__ask_reply(d->h.m, IPK__CALL_READ, IPK__ARGV(IPK__ARG("HVALS"), NAME(d)),
				  deadline, ret_reply)
		 : -EBADF;
}

int ipk_dict_items(ipk_dict *d, ipk_deadline deadline, ipk_reply **ret_reply)
{
	IPK__REQUIRE(ret_reply, "ret_reply is NULL");
	return d ? ipk__ask_reply(d->h.m, IPK__CALL_READ, IPK__ARGV(IPK__ARG("HGETALL"), NAME(d)),
				  deadline, ret_reply)
		 : -EBADF;
}

/* --- writes ----------------------------------------------------------------------------------- */

static int set(ipk_dict *d, struct ipk__slice field, struct ipk__slice value, ipk_deadline deadline)
{
	return ipk__tell(d->h.m, deadline, IPK__ARG("HSET"), NAME(d), field, value);
}

int ipk_dict_set(ipk_dict *d, ipk_bytes field, const void *data, size_t len_bytes,
		 ipk_deadline deadline)
{
	IPK_TRY(check_field(d, field));
	IPK__REQUIRE(ipk__slices_are_valid(data, len_bytes), IPK__WRONG_DATA);
	return set(d, FIELD, IPK__SLICE(data, len_bytes), deadline);
}

int ipk_dict_delete(ipk_dict *d, ipk_bytes field, ipk_deadline deadline)
{
	int64_t n;

	IPK_TRY(check_field(d, field));
	IPK_TRY(ipk__ask_int(d->h.m, 0, deadline, &n, IPK__ARG("HDEL"), NAME(d), FIELD));
	return n > 0 ? 0 : -ENOENT;
}

int ipk_dict_pop_alloc(ipk_dict *d, ipk_bytes field, ipk_deadline deadline, void **ret_data,
		       size_t *ret_len_bytes)
{
	IPK__REQUIRE(ret_len_bytes, "ret_len_bytes is NULL");
	IPK_TRY(check_field(d, field));
	return ipk__ask_alloc(d->h.m, 0, IPK__ARGV(IPK__ARG("IPK.HPOP"), NAME(d), FIELD), deadline,
			      ret_data, ret_len_bytes);
}

/* An array of a field and its value, or null. */
static int take_pair(const struct ipk__response *reply, void **ret_field, size_t *ret_field_bytes,
		     void **ret_data, size_t *ret_len_bytes)
{
	struct ipk__resp_value head, field, value;
	size_t at = 0;
	void *copy;
	size_t n;

	IPK_TRY(ipk__response_first(reply, &head));
	if (head.type == IPK__RESP_NULL)
		return -ENOENT;
	(void)ipk__resp_next(reply->whole, &at, &head);
	if (head.n != 2 || ipk__resp_next(reply->whole, &at, &field) < 0 ||
	    ipk__resp_next(reply->whole, &at, &value) < 0)
		return ipk__manager_fail(-EBADMSG, "an answer that is no field and value");
	IPK_TRY(ipk__copy_alloc(field.text, &copy, &n));
	if (ipk__copy_alloc(value.text, ret_data, ret_len_bytes) < 0) {
		free(copy);
		return -ENOMEM;
	}
	*ret_field = copy;
	*ret_field_bytes = n;
	return 0;
}

int ipk_dict_popitem_alloc(ipk_dict *d, ipk_deadline deadline, void **ret_field,
			   size_t *ret_field_bytes, void **ret_data, size_t *ret_len_bytes)
{
	struct ipk__response reply;
	int r;

	if (!d)
		return -EBADF;
	IPK__REQUIRE(ret_field, "ret_field is NULL");
	IPK__REQUIRE(ret_field_bytes, "ret_field_bytes is NULL");
	IPK__REQUIRE(ret_len_bytes, "ret_len_bytes is NULL");
	ipk__response_init(&reply);
	r = ipk__ask(d->h.m, 0, &reply, deadline, IPK__ARG("IPK.HPOPITEM"), NAME(d));
	if (r == 0)
		r = take_pair(&reply, ret_field, ret_field_bytes, ret_data, ret_len_bytes);
	ipk__response_fini(&reply);
	return r;
}

int ipk_dict_setdefault_alloc(ipk_dict *d, ipk_bytes field, const void *data, size_t len_bytes,
			      ipk_deadline deadline, void **ret_data, size_t *ret_len_bytes)
{
	IPK__REQUIRE(ret_len_bytes, "ret_len_bytes is NULL");
	IPK_TRY(check_field(d, field));
	IPK__REQUIRE(ipk__slices_are_valid(data, len_bytes), IPK__WRONG_DATA);
	return ipk__ask_alloc(
		d->h.m, 0,
		IPK__ARGV(IPK__ARG("IPK.HSETDEFAULT"), NAME(d), FIELD, IPK__SLICE(data, len_bytes)),
		deadline, ret_data, ret_len_bytes);
}

int ipk_dict_update(ipk_dict *d, const ipk_bytes *pairs, size_t n_pairs, ipk_deadline deadline)
{
	struct ipk__slice *argv;
	int r;

	if (!d)
		return -EBADF;
	if (n_pairs == 0)
		return 0;
	IPK__REQUIRE(n_pairs <= SIZE_MAX / 2, "n_pairs: SIZE_MAX / 2 at most");
	IPK_TRY(ipk__argv_of((struct ipk__slice[]){IPK__ARG("HSET"), NAME(d)}, 2, pairs,
			     2 * n_pairs, &argv));
	r = ipk__ask_done(d->h.m, argv, 2 + 2 * n_pairs, deadline);
	free(argv);
	return r;
}

int ipk_dict_clear(ipk_dict *d, ipk_deadline deadline)
{
	return d ? ipk__tell(d->h.m, deadline, IPK__ARG("DEL"), NAME(d)) : -EBADF;
}

static bool item_is_right(const ipk_bytes *item)
{
	return !item || ipk__slices_are_valid(item->data, item->len_bytes);
}

int ipk_dict_cas(ipk_dict *d, ipk_bytes field, const ipk_bytes *expected, const ipk_bytes *desired,
		 ipk_deadline deadline, bool *ret_is_done)
{
	struct ipk__slice argv[8] = {IPK__ARG("IPK.HCAS"), {0}};
	size_t n = 3;
	int64_t done;

	IPK__REQUIRE(ret_is_done, "ret_is_done is NULL");
	IPK_TRY(check_field(d, field));
	IPK__REQUIRE(item_is_right(expected) && item_is_right(desired),
		     "expected or desired: no data although its length is not 0, or over 512 MiB");
	argv[1] = NAME(d);
	argv[2] = FIELD;
	argv[n++] = expected ? IPK__ARG("IS") : IPK__ARG("ABSENT");
	if (expected)
		argv[n++] = IPK__SLICE(expected->data, expected->len_bytes);
	argv[n++] = desired ? IPK__ARG("SET") : IPK__ARG("DEL");
	if (desired)
		argv[n++] = IPK__SLICE(desired->data, desired->len_bytes);
	IPK_TRY(ipk__ask_number(d->h.m, 0, argv, n, deadline, &done));
	*ret_is_done = done != 0;
	return 0;
}

int ipk_dict_add(ipk_dict *d, ipk_bytes field, int64_t delta, ipk_deadline deadline,
		 int64_t *ret_new)
{
	struct ipk__number room;
	int64_t n;

	IPK_TRY(check_field(d, field));
	IPK_TRY(ipk__ask_int(d->h.m, 0, deadline, &n, IPK__ARG("HINCRBY"), NAME(d), FIELD,
			     ipk__number_arg(&room, delta)));
	if (ret_new)
		*ret_new = n;
	return 0;
}

/* --- typed values and references -------------------------------------------------------------- */

int ipk_dict_setf(ipk_dict *d, ipk_bytes field, ipk_deadline deadline, const char *format, ...)
{
	IPK_TRY(check_field(d, field));
	IPK__PACK_ARGS(format, data, len_bytes);

	return set(d, FIELD, IPK__SLICE(data, len_bytes), deadline);
}

int ipk_dict_getf(ipk_dict *d, ipk_bytes field, ipk_deadline deadline, const char *format, ...)
{
	va_list args;
	void *data;
	size_t n;
	int r;

	IPK_TRY(ipk_dict_get_alloc(d, field, deadline, &data, &n));
	va_start(args, format);
	r = ipk__typed_unpack(data, n, format, args);
	va_end(args);
	return r;
}

int ipk_dict_set_ref(ipk_dict *d, ipk_bytes field, ipk_ref_kind kind, const char *name,
		     ipk_deadline deadline)
{
	char buf[IPK__OBJECT_NAME_MAX + 8];
	struct ipk__slice value;

	IPK_TRY(check_field(d, field));
	IPK_TRY(ipk__ref_make(kind, name, buf, &value));
	return set(d, FIELD, value, deadline);
}

static int get_ref(ipk_dict *d, ipk_bytes field, ipk_ref_kind kind, ipk_deadline deadline,
		   char name[IPK__OBJECT_NAME_MAX + 1])
{
	void *data;
	size_t n;

	IPK_TRY(ipk_dict_get_alloc(d, field, deadline, &data, &n));
	return ipk__ref_name(data, n, kind, name);
}

int ipk_dict_get_dict(ipk_dict *d, ipk_bytes field, ipk_deadline deadline, ipk_dict **ret_dict)
{
	char name[IPK__OBJECT_NAME_MAX + 1];

	IPK__REQUIRE(ret_dict, "ret_dict is NULL");
	IPK_TRY(get_ref(d, field, IPK_REF_DICT, deadline, name));
	return ipk_dict_open(d->h.m, name, ret_dict);
}

int ipk_dict_get_list(ipk_dict *d, ipk_bytes field, ipk_deadline deadline, ipk_list **ret_list)
{
	char name[IPK__OBJECT_NAME_MAX + 1];

	IPK__REQUIRE(ret_list, "ret_list is NULL");
	IPK_TRY(get_ref(d, field, IPK_REF_LIST, deadline, name));
	return ipk_list_open(d->h.m, name, ret_list);
}

/* --- iteration -------------------------------------------------------------------------------- */

#define SCAN_BYTES ((size_t)16 << 10)
#define SCAN_COUNT "100"

enum { UNDECIDED = 0, LOCAL, ASKED };

/*
 * A cursor is valid only for its issuer: this view of the store, or this connection. Over another
 * one (the server may have been restarted) the scan starts over, and some fields come twice.
 */
struct ipk_dict_iter {
	ipk_dict *d;
	int way;
	bool is_last; /* no batch after this one */
	uint64_t cursor;
	const struct ipk__view *view; /* LOCAL: which the cursor is of */
	uint32_t epoch;               /* ASKED: the same; 0: none yet */
	char *room;                   /* LOCAL: pairs as ipk__view_dict_scan() gives them */
	size_t room_bytes, n_bytes, at;
	struct ipk__response reply; /* ASKED: the answer, read up to at */
	char token[32];
};

int ipk_dict_iter_open(ipk_dict *d, ipk_dict_iter **ret_iter)
{
	ipk_dict_iter *it;

	if (!d)
		return -EBADF;
	IPK__REQUIRE(ret_iter, "ret_iter is NULL");
	it = ipk__os_calloc(1, sizeof *it);
	if (!it)
		return -ENOMEM;
	it->d = d;
	ipk__response_init(&it->reply);
	*ret_iter = it;
	return 0;
}

ipk_dict_iter *ipk_dict_iter_close(ipk_dict_iter *iter)
{
	if (iter) {
		ipk__response_fini(&iter->reply);
		free(iter->room);
		free(iter);
	}
	return NULL;
}

static int make_room(ipk_dict_iter *it, size_t n_bytes)
{
	char *room = ipk__os_malloc(n_bytes);

	if (!room)
		return -ENOMEM;
	free(it->room);
	it->room = room;
	it->room_bytes = n_bytes;
	return 0;
}

static int scan_local(ipk_dict_iter *it)
{
	struct ipk__view *view;
	struct ipk__spot spot;
	uint64_t cursor = 0;
	size_t n = SCAN_BYTES;
	int r = -EMSGSIZE;

	while (r == -EMSGSIZE) {
		if (n > it->room_bytes)
			IPK_TRY(make_room(it, n));
		IPK_TRY(ipk__handle_view(&it->d->h, IPK__TYPE_HASH, &view, &spot));
		cursor = view == it->view ? it->cursor : 0;
		r = ipk__view_dict_scan(view, &spot, &cursor, it->room, it->room_bytes, &n);
	}
	if (r < 0)
		return r;
	it->cursor = cursor;
	it->view = view;
	it->is_last = cursor == 0;
	it->n_bytes = n;
	it->at = 0;
	return 0;
}

static int ask_to_scan(ipk_dict_iter *it, ipk_deadline deadline)
{
	struct ipk__slice argv[] = {IPK__ARG("HSCAN"), NAME(it->d), ipk__slice_of_string(it->token),
				    IPK__ARG("COUNT"), IPK__ARG(SCAN_COUNT)};

	return ipk__ask_call(it->d->h.m,
			     &(struct ipk__call){
				     .argv = argv,
				     .argc = IPK__N_OF(argv),
				     .flags = IPK__CALL_READ | (it->epoch ? IPK__CALL_NEEDS : 0),
				     .epoch = it->epoch,
				     .reply = &it->reply,
			     },
			     deadline);
}

/* The answer: an array of the next cursor and an array of fields and values. */
static int scan_asked(ipk_dict_iter *it, ipk_deadline deadline)
{
	struct ipk__resp_value head, cursor, pairs;
	int r;

	if (it->token[0] == '\0')
		strcpy(it->token, "0");
	while ((r = ask_to_scan(it, deadline)) == -EOWNERDEAD && it->epoch != 0) {
		it->epoch = 0;
		strcpy(it->token, "0");
	}
	if (r < 0)
		return r;
	it->at = 0;
	it->epoch = it->reply.epoch;
	if (ipk__resp_next(it->reply.whole, &it->at, &head) < 0 || head.n != 2 ||
	    ipk__resp_next(it->reply.whole, &it->at, &cursor) < 0 ||
	    ipk__resp_next(it->reply.whole, &it->at, &pairs) < 0 ||
	    cursor.text.n_bytes >= sizeof it->token) {
		ipk__response_fini(&it->reply);
		return ipk__manager_fail(-EBADMSG, "an answer that is no scan");
	}
	memcpy(it->token, cursor.text.bytes, cursor.text.n_bytes);
	it->token[cursor.text.n_bytes] = '\0';
	it->is_last = strcmp(it->token, "0") == 0;
	it->n_bytes = it->reply.whole.n_bytes;
	return 0;
}

static int scan_more(ipk_dict_iter *it, ipk_deadline deadline)
{
	int r;

	if (it->way != ASKED) {
		r = scan_local(it);
		if (r == 0)
			it->way = LOCAL;
		if (!is_unsure(it->d, r))
			return r;
		it->way = ASKED;
	}
	return scan_asked(it, deadline);
}

static int next_local(ipk_dict_iter *it, ipk_bytes *field, ipk_bytes *value)
{
	uint32_t lens[2];
	const char *at = it->room + it->at;

	memcpy(lens, at, sizeof lens);
	*field = (ipk_bytes){at + sizeof lens, lens[0]};
	*value = (ipk_bytes){at + sizeof lens + lens[0], lens[1]};
	it->at += sizeof lens + lens[0] + lens[1];
	return 0;
}

static int next_asked(ipk_dict_iter *it, ipk_bytes *field, ipk_bytes *value)
{
	struct ipk__resp_value f, v;

	if (ipk__resp_next(it->reply.whole, &it->at, &f) < 0 ||
	    ipk__resp_next(it->reply.whole, &it->at, &v) < 0)
		return ipk__manager_fail(-EBADMSG, "an answer that is no scan");
	*field = (ipk_bytes){f.text.bytes, f.text.n_bytes};
	*value = (ipk_bytes){v.text.bytes, v.text.n_bytes};
	return 0;
}

int ipk_dict_iter_next(ipk_dict_iter *iter, ipk_deadline deadline, ipk_bytes *ret_field,
		       ipk_bytes *ret_value)
{
	ipk_bytes field, value;

	if (!iter)
		return -EBADF;
	IPK__REQUIRE(ret_field, "ret_field is NULL");
	while (iter->at >= iter->n_bytes) {
		if (iter->is_last)
			return -ENOENT;
		IPK_TRY(scan_more(iter, deadline));
	}
	IPK_TRY(iter->way == LOCAL ? next_local(iter, &field, &value)
				   : next_asked(iter, &field, &value));
	*ret_field = field;
	if (ret_value)
		*ret_value = value;
	return 0;
}
