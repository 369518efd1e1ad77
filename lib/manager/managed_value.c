/*
 * managed_value.c - values (strings), arrays (lists of a fixed length) and namespaces (hashes).
 *
 * Numbers are text: adding to one is done on the server, in one step.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "manager/manager_internal.h"
#include "os/os.h"
#include "wire/typed.h"

#define NAME(x) ((x)->h.name)

/* --- values ----------------------------------------------------------------------------------- */

struct ipk_managed_value {
	struct ipk__handle h;
};

int ipk_managed_value_open(ipk_manager *m, const char *name, ipk_managed_value **ret_handle)
{
	IPK__REQUIRE(ret_handle, "ret_handle is NULL");
	return ipk__handle_make(m, name, sizeof(ipk_managed_value), ret_handle);
}

ipk_managed_value *ipk_managed_value_close(ipk_managed_value *handle)
{
	free(handle);
	return NULL;
}

int ipk_managed_value_set(ipk_managed_value *v, const void *data, size_t len_bytes,
			  ipk_deadline deadline)
{
	if (!v)
		return -EBADF;
	IPK__REQUIRE(ipk__slices_are_valid(data, len_bytes), IPK__WRONG_DATA);
	return ipk__tell(v->h.m, deadline, IPK__ARG("SET"), NAME(v), IPK__SLICE(data, len_bytes));
}

/* In place, or why not. */
static int get_local(ipk_managed_value *v, void *buf, size_t buf_bytes, size_t *n)
{
	struct ipk__backend *b = v->h.m->backend;
	struct ipk__view *view;
	uint64_t generation;
	int r;

	view = b->ops->view ? b->ops->view(b, &generation) : NULL;
	if (!view)
		return -EAGAIN;
	r = ipk__view_string_get(view, NAME(v), buf, buf_bytes, n);
	return r;
}

int ipk_managed_value_get(ipk_managed_value *v, void *buf, size_t buf_bytes, ipk_deadline deadline,
			  size_t *ret_len_bytes)
{
	size_t n = 0;
	int r;

	if (!v)
		return -EBADF;
	IPK__REQUIRE(buf || buf_bytes == 0, IPK__WRONG_BUF);
	r = get_local(v, buf, buf_bytes, &n);
	if (!ipk__is_local_answer(r))
		return ipk__ask_copy(v->h.m, IPK__ARGV(IPK__ARG("GET"), NAME(v)), buf, buf_bytes,
				     deadline, ret_len_bytes);
	if (ret_len_bytes && (r == 0 || r == -EMSGSIZE))
		*ret_len_bytes = n;
	return r;
}

int ipk_managed_value_get_alloc(ipk_managed_value *v, ipk_deadline deadline, void **ret_data,
				size_t *ret_len_bytes)
{
	IPK__REQUIRE(ret_len_bytes, "ret_len_bytes is NULL");
	return v ? ipk__ask_alloc(v->h.m, IPK__CALL_READ, IPK__ARGV(IPK__ARG("GET"), NAME(v)),
				  deadline, ret_data, ret_len_bytes)
		 : -EBADF;
}

int ipk_managed_value_setf(ipk_managed_value *v, ipk_deadline deadline, const char *format, ...)
{
	IPK__PACK_ARGS(format, data, len_bytes);

	return ipk_managed_value_set(v, data, len_bytes, deadline);
}

int ipk_managed_value_getf(ipk_managed_value *v, ipk_deadline deadline, const char *format, ...)
{
	va_list args;
	void *data;
	size_t n;
	int r;

	IPK_TRY(ipk_managed_value_get_alloc(v, deadline, &data, &n));
	va_start(args, format);
	r = ipk__typed_unpack(data, n, format, args);
	va_end(args);
	return r;
}

int ipk_managed_value_store(ipk_managed_value *v, int64_t number, ipk_deadline deadline)
{
	struct ipk__number room;
	struct ipk__slice word = ipk__number_arg(&room, number);

	return ipk_managed_value_set(v, word.bytes, word.n_bytes, deadline);
}

int ipk_managed_value_load(ipk_managed_value *v, ipk_deadline deadline, int64_t *ret_number)
{
	char text[32];
	size_t n;
	int r = ipk_managed_value_get(v, text, sizeof text, deadline, &n);

	IPK__REQUIRE(ret_number, "ret_number is NULL");
	if (r == -EMSGSIZE)
		return -ERANGE;
	if (r < 0)
		return r;
	return ipk__text_to_int64(IPK__SLICE(text, n), ret_number) ? 0 : -ERANGE;
}

int ipk_managed_value_add(ipk_managed_value *v, int64_t delta, ipk_deadline deadline,
			  int64_t *ret_new)
{
	struct ipk__number room;
	int64_t n;

	if (!v)
		return -EBADF;
	IPK_TRY(ipk__ask_int(v->h.m, 0, deadline, &n, IPK__ARG("INCRBY"), NAME(v),
			     ipk__number_arg(&room, delta)));
	if (ret_new)
		*ret_new = n;
	return 0;
}

int ipk_managed_value_add_double(ipk_managed_value *v, double delta, ipk_deadline deadline,
				 double *ret_new)
{
	struct ipk__decimal room;
	struct ipk__response reply;
	struct ipk__slice text;
	double sum = 0;
	int r;

	if (!v)
		return -EBADF;
	ipk__response_init(&reply);
	r = ipk__ask(v->h.m, 0, &reply, deadline, IPK__ARG("INCRBYFLOAT"), NAME(v),
		     ipk__decimal_arg(&room, delta));
	if (r == 0)
		r = ipk__response_text(&reply, &text);
	if (r == 0)
		r = ipk__text_to_double(text, &sum);
	ipk__response_fini(&reply);
	if (r == 0 && ret_new)
		*ret_new = sum;
	return r;
}

/* --- arrays ----------------------------------------------------------------------------------- */

struct ipk_managed_array {
	ipk_list *items; /* reads in place come with it */
	ipk_manager *m;
	uint64_t n_items;
	struct ipk__slice name; /* in memory right behind this */
};

/* @n_items: of a new one; 0: the one that is there. *ret_n_items: how many it has. */
static int find_items(ipk_manager *m, struct ipk__slice name, uint64_t n_items,
		      ipk_deadline deadline, uint64_t *ret_n_items)
{
	struct ipk__number room;
	int64_t n;

	if (n_items > 0) {
		IPK_TRY(ipk__ask_int(m, 0, deadline, &n, IPK__ARG("IPK.LMAKE"), name,
				     ipk__number_arg(&room, (int64_t)n_items), IPK__ARG("0")));
		*ret_n_items = n_items;
		if (n == 1)
			return 0;
	}
	IPK_TRY(ipk__ask_int(m, IPK__CALL_READ, deadline, &n, IPK__ARG("LLEN"), name));
	if (n == 0)
		return -ENOENT;
	*ret_n_items = (uint64_t)n;
	return n_items == 0 || (uint64_t)n == n_items
		       ? 0
		       : ipk__detail(-EPROTOTYPE,
				     "IPK_MANAGED_ARRAY(.n_items): not those that it has");
}

int ipk_managed_array_open(ipk_manager *m, const char *name, const ipk_managed_array_opts *opts,
			   ipk_deadline deadline, ipk_managed_array **ret_handle)
{
	ipk_managed_array_opts o;
	ipk_managed_array *a;
	ipk_list *items;
	uint64_t n_items;
	size_t name_bytes;
	int r;

	IPK__REQUIRE(ret_handle, "ret_handle is NULL");
	IPK_TRY(ipk__opts_copy(&o, sizeof o, opts));
	IPK__REQUIRE((!opts || o.n_items > 0) && o.n_items <= INT64_MAX,
		     "IPK_MANAGED_ARRAY(.n_items): 1 to INT64_MAX");
	IPK_TRY(ipk_list_open(m, name, &items));
	name_bytes = strlen(name);
	r = find_items(m, IPK__SLICE(name, name_bytes), o.n_items, deadline, &n_items);
	a = r == 0 ? ipk__os_calloc(1, sizeof *a + name_bytes) : NULL;
	if (!a) {
		ipk_list_close(items);
		return r < 0 ? r : -ENOMEM;
	}
	a->items = items;
	a->m = m;
	a->n_items = n_items;
	memcpy(a + 1, name, name_bytes);
	a->name = IPK__SLICE((char *)(a + 1), name_bytes);
	*ret_handle = a;
	return 0;
}

ipk_managed_array *ipk_managed_array_close(ipk_managed_array *handle)
{
	if (handle)
		ipk_list_close(handle->items);
	free(handle);
	return NULL;
}

uint64_t ipk_managed_array_len(const ipk_managed_array *a)
{
	return a ? a->n_items : 0;
}

static int load_text(ipk_managed_array *a, int64_t index, char *buf, size_t buf_bytes,
		     ipk_deadline deadline, struct ipk__slice *ret_text)
{
	size_t n;
	int r;

	if (!a)
		return -EBADF;
	r = ipk_list_get(a->items, index, buf, buf_bytes, deadline, &n);
	if (r < 0)
		return r == -EMSGSIZE ? -ERANGE : r;
	*ret_text = IPK__SLICE(buf, n);
	return 0;
}

int ipk_managed_array_load(ipk_managed_array *a, int64_t index, ipk_deadline deadline,
			   int64_t *ret_item)
{
	struct ipk__slice text;
	char buf[64];

	IPK__REQUIRE(ret_item, "ret_item is NULL");
	IPK_TRY(load_text(a, index, buf, sizeof buf, deadline, &text));
	return ipk__text_to_int64(text, ret_item) ? 0 : -ERANGE;
}

int ipk_managed_array_load_double(ipk_managed_array *a, int64_t index, ipk_deadline deadline,
				  double *ret_item)
{
	struct ipk__slice text;
	char buf[64];

	IPK__REQUIRE(ret_item, "ret_item is NULL");
	IPK_TRY(load_text(a, index, buf, sizeof buf, deadline, &text));
	return ipk__text_to_double(text, ret_item);
}

int ipk_managed_array_store(ipk_managed_array *a, int64_t index, int64_t item,
			    ipk_deadline deadline)
{
	struct ipk__number room;
	struct ipk__slice word = ipk__number_arg(&room, item);

	return a ? ipk_list_set(a->items, index, word.bytes, word.n_bytes, deadline) : -EBADF;
}

int ipk_managed_array_store_double(ipk_managed_array *a, int64_t index, double item,
				   ipk_deadline deadline)
{
	struct ipk__decimal room;
	struct ipk__slice word = ipk__decimal_arg(&room, item);

	return a ? ipk_list_set(a->items, index, word.bytes, word.n_bytes, deadline) : -EBADF;
}

int ipk_managed_array_add(ipk_managed_array *a, int64_t index, int64_t delta, ipk_deadline deadline,
			  int64_t *ret_new)
{
	return a ? ipk_list_add(a->items, index, delta, deadline, ret_new) : -EBADF;
}

static int read_items(ipk_reply *reply, int64_t *ret_items, size_t n_items)
{
	ipk_reply_value v;

	if (ipk_reply_len(reply) != n_items)
		return -ERANGE;
	IPK_TRY(ipk_reply_next(reply, &v)); /* the array itself */
	for (size_t i = 0; i < n_items; i++) {
		IPK_TRY(ipk_reply_next(reply, &v));
		if (v.kind != IPK_REPLY_TEXT ||
		    !ipk__text_to_int64(IPK__SLICE(v.data, v.len_bytes), &ret_items[i]))
			return -ERANGE;
	}
	return 0;
}

int ipk_managed_array_read(ipk_managed_array *a, uint64_t first, size_t n_items,
			   ipk_deadline deadline, int64_t *ret_items)
{
	ipk_reply *reply = NULL;
	int r;

	if (!a)
		return -EBADF;
	IPK__REQUIRE(ret_items, "ret_items is NULL");
	if (first > a->n_items || n_items > a->n_items - first)
		return -ERANGE;
	if (n_items == 0)
		return 0;
	r = ipk_list_slice(a->items, (int64_t)first, (int64_t)(first + n_items), 1, deadline,
			   &reply);
	if (r == 0)
		r = read_items(reply, ret_items, n_items);
	ipk_reply_close(reply);
	return r;
}

int ipk_managed_array_write(ipk_managed_array *a, uint64_t first, const int64_t *items,
			    size_t n_items, ipk_deadline deadline)
{
	struct ipk__number *rooms;
	ipk_bytes *words;
	int r = -ENOMEM;

	if (!a)
		return -EBADF;
	if (first > a->n_items || n_items > a->n_items - first)
		return -ERANGE;
	if (n_items == 0)
		return 0;
	rooms = ipk__os_calloc(n_items, sizeof *rooms);
	words = ipk__os_calloc(n_items, sizeof *words);
	for (size_t i = 0; rooms && words && i < n_items; i++) {
		struct ipk__slice word = ipk__number_arg(&rooms[i], items[i]);

		words[i] = (ipk_bytes){word.bytes, word.n_bytes};
	}
	if (rooms && words)
		r = ipk_list_set_slice(a->items, (int64_t)first, (int64_t)(first + n_items), 1,
				       words, n_items, deadline);
	free(rooms);
	free(words);
	return r;
}

/* --- namespaces ------------------------------------------------------------------------------- */

struct ipk_namespace {
	ipk_dict *attributes;
};

int ipk_namespace_open(ipk_manager *m, const char *name, ipk_namespace **ret_handle)
{
	ipk_namespace *ns = ipk__os_calloc(1, sizeof *ns);
	int r;

	IPK__REQUIRE(ret_handle, "ret_handle is NULL");
	if (!ns)
		return -ENOMEM;
	r = ipk_dict_open(m, name, &ns->attributes);
	if (r < 0) {
		free(ns);
		return r;
	}
	*ret_handle = ns;
	return 0;
}

ipk_namespace *ipk_namespace_close(ipk_namespace *handle)
{
	if (handle)
		ipk_dict_close(handle->attributes);
	free(handle);
	return NULL;
}

static int check_attribute(const ipk_namespace *ns, const char *attribute)
{
	if (!ns)
		return -EBADF;
	IPK__REQUIRE(attribute && attribute[0], "attribute: NULL or empty");
	return 0;
}

int ipk_namespace_set(ipk_namespace *ns, const char *attribute, const void *data, size_t len_bytes,
		      ipk_deadline deadline)
{
	IPK_TRY(check_attribute(ns, attribute));
	return ipk_dict_set(ns->attributes, ipk_text(attribute), data, len_bytes, deadline);
}

int ipk_namespace_get(ipk_namespace *ns, const char *attribute, void *buf, size_t buf_bytes,
		      ipk_deadline deadline, size_t *ret_len_bytes)
{
	IPK_TRY(check_attribute(ns, attribute));
	return ipk_dict_get(ns->attributes, ipk_text(attribute), buf, buf_bytes, deadline,
			    ret_len_bytes);
}

int ipk_namespace_setf(ipk_namespace *ns, const char *attribute, ipk_deadline deadline,
		       const char *format, ...)
{
	IPK_TRY(check_attribute(ns, attribute));
	IPK__PACK_ARGS(format, data, len_bytes);

	return ipk_namespace_set(ns, attribute, data, len_bytes, deadline);
}

int ipk_namespace_getf(ipk_namespace *ns, const char *attribute, ipk_deadline deadline,
		       const char *format, ...)
{
	va_list args;
	void *data;
	size_t n;
	int r;

	IPK_TRY(check_attribute(ns, attribute));
	IPK_TRY(ipk_dict_get_alloc(ns->attributes, ipk_text(attribute), deadline, &data, &n));
	va_start(args, format);
	r = ipk__typed_unpack(data, n, format, args);
	va_end(args);
	return r;
}

int ipk_namespace_delete(ipk_namespace *ns, const char *attribute, ipk_deadline deadline)
{
	IPK_TRY(check_attribute(ns, attribute));
	return ipk_dict_delete(ns->attributes, ipk_text(attribute), deadline);
}

int ipk_namespace_attributes(ipk_namespace *ns, ipk_deadline deadline, ipk_reply **ret_reply)
{
	IPK__REQUIRE(ret_reply, "ret_reply is NULL");
	return ns ? ipk_dict_keys(ns->attributes, deadline, ret_reply) : -EBADF;
}
