/* manager_calls.c - see the header. Each begins by deleting what it uses. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "manager_calls.h"
#include "support/support.h"

static void ck_bytes(const void *data, size_t n_bytes, const char *want)
{
	ck_assert_msg(n_bytes == strlen(want) && memcmp(data, want, n_bytes) == 0,
		      "\"%.*s\" is not \"%s\"", (int)n_bytes, (const char *)data, want);
}

static void ck_get(ipk_dict *d, const char *field, const char *want)
{
	char buf[256];
	size_t n = 999;

	ck_ok(ipk_dict_get(d, ipk_text(field), buf, sizeof buf, SOON, &n));
	ck_bytes(buf, n, want);
}

void check_dict(ipk_manager *m)
{
	IPK_AUTO(dict, d);
	ipk_bytes pairs[] = {{"a", 1}, {"1", 1}, {"b", 1}, {"2", 1}};
	ipk_bytes one = {"1", 1}, two = {"2", 1};
	bool yes = false;
	uint64_t len = 9;
	int64_t sum = 0;
	void *data, *field;
	size_t n, n_field;
	char small[2];

	ck_ok(ipk_dict_open(m, "t:d", &d));
	ck_ok(ipk_dict_clear(d, SOON));
	ck_ok(ipk_dict_len(d, SOON, &len));
	ck_assert_uint_eq(len, 0);
	ck_err(ipk_dict_get(d, ipk_text("a"), small, sizeof small, SOON, &n), -ENOENT);
	ck_ok(ipk_dict_set(d, ipk_text("a"), "one", 3, SOON));
	ck_get(d, "a", "one");
	ck_err(ipk_dict_get(d, ipk_text("a"), small, sizeof small, SOON, &n), -EMSGSIZE);
	ck_assert_uint_eq(n, 3);
	ck_ok(ipk_dict_get_alloc(d, ipk_text("a"), SOON, &data, &n));
	ck_bytes(data, n, "one");
	free(data);
	ck_ok(ipk_dict_set(d, (ipk_bytes){"\0\r\n", 3}, "", 0, SOON));
	ck_ok(ipk_dict_get(d, (ipk_bytes){"\0\r\n", 3}, NULL, 0, SOON, &n));
	ck_assert_uint_eq(n, 0);
	ck_ok(ipk_dict_contains(d, ipk_text("a"), SOON, &yes));
	ck_assert(yes);
	ck_ok(ipk_dict_contains(d, ipk_text("z"), SOON, &yes));
	ck_assert(!yes);
	ck_ok(ipk_dict_delete(d, (ipk_bytes){"\0\r\n", 3}, SOON));
	ck_err(ipk_dict_delete(d, (ipk_bytes){"\0\r\n", 3}, SOON), -ENOENT);

	ck_ok(ipk_dict_update(d, pairs, 2, SOON));
	ck_get(d, "b", "2");
	ck_ok(ipk_dict_cas(d, ipk_text("b"), &one, &two, SOON, &yes));
	ck_assert(!yes);
	ck_ok(ipk_dict_cas(d, ipk_text("b"), &two, &one, SOON, &yes));
	ck_assert(yes);
	ck_get(d, "b", "1");
	ck_ok(ipk_dict_cas(d, ipk_text("c"), NULL, &one, SOON, &yes));
	ck_assert(yes);
	ck_ok(ipk_dict_cas(d, ipk_text("c"), &one, NULL, SOON, &yes));
	ck_assert(yes);
	ck_ok(ipk_dict_add(d, ipk_text("b"), 41, SOON, &sum));
	ck_assert_int_eq(sum, 42);
	ck_ok(ipk_dict_set(d, ipk_text("w"), "word", 4, SOON));
	ck_err(ipk_dict_add(d, ipk_text("w"), 1, SOON, NULL), -ERANGE);
	ck_assert_uint_gt(strlen(ipk_manager_error()), 5);
	ck_ok(ipk_dict_setdefault_alloc(d, ipk_text("w"), "other", 5, SOON, &data, &n));
	ck_bytes(data, n, "word");
	free(data);
	ck_ok(ipk_dict_setdefault_alloc(d, ipk_text("v"), "other", 5, SOON, &data, &n));
	ck_bytes(data, n, "other");
	free(data);
	ck_ok(ipk_dict_pop_alloc(d, ipk_text("v"), SOON, &data, &n));
	ck_bytes(data, n, "other");
	free(data);
	ck_err(ipk_dict_pop_alloc(d, ipk_text("v"), SOON, &data, &n), -ENOENT);
	ck_ok(ipk_dict_len(d, SOON, &len));
	ck_assert_uint_eq(len, 3);
	for (int i = 0; i < 3; i++) {
		ck_ok(ipk_dict_popitem_alloc(d, SOON, &field, &n_field, &data, &n));
		free(field);
		free(data);
	}
	ck_err(ipk_dict_popitem_alloc(d, SOON, &field, &n_field, &data, &n), -ENOENT);
	ck_err(ipk_dict_set(NULL, ipk_text("a"), "b", 1, SOON), -EBADF);
	ck_err(ipk_dict_set(d, (ipk_bytes){NULL, 1}, "b", 1, SOON), -EINVAL);
}

void check_dict_iteration(ipk_manager *m)
{
	enum { FIELDS = 1000 };
	static bool seen[FIELDS];
	IPK_AUTO(dict, d);
	IPK_AUTO(dict_iter, it);
	IPK_AUTO(reply, all);
	ipk_bytes field, value;
	char text[32];
	int n_seen = 0;
	int r;

	memset(seen, 0, sizeof seen);
	ck_ok(ipk_dict_open(m, "t:iter", &d));
	ck_ok(ipk_dict_clear(d, SOON));
	for (int i = 0; i < FIELDS; i++) {
		snprintf(text, sizeof text, "f%d", i);
		ck_ok(ipk_dict_set(d, ipk_text(text), text, strlen(text), SOON));
	}
	ck_ok(ipk_dict_iter_open(d, &it));
	while ((r = ipk_dict_iter_next(it, SOON, &field, &value)) == 0) {
		if (((const char *)field.data)[0] != 'f')
			continue;
		ck_assert_uint_eq(field.len_bytes, value.len_bytes);
		ck_assert_mem_eq(field.data, value.data, field.len_bytes);
		memcpy(text, field.data, field.len_bytes);
		text[field.len_bytes] = '\0';
		seen[atoi(text + 1)] = true;
		if (n_seen++ % 4 == 0) { /* it grows while we look */
			snprintf(text, sizeof text, "g%d", n_seen);
			ck_ok(ipk_dict_set(d, ipk_text(text), "x", 1, SOON));
		}
	}
	ck_err(r, -ENOENT);
	for (int i = 0; i < FIELDS; i++)
		ck_assert_msg(seen[i], "f%d did not come", i);
	ck_ok(ipk_dict_clear(d, SOON));
	ck_ok(ipk_dict_set(d, ipk_text("a"), "1", 1, SOON));
	ck_ok(ipk_dict_items(d, SOON, &all));
	ck_assert_uint_eq(ipk_reply_len(all), 2);
	all = ipk_reply_close(all);
	ck_ok(ipk_dict_keys(d, SOON, &all));
	ck_assert_uint_eq(ipk_reply_len(all), 1);
	all = ipk_reply_close(all);
	ck_ok(ipk_dict_values(d, SOON, &all));
	ck_assert_uint_eq(ipk_reply_len(all), 1);
}

/* All items of @l, one letter each. */
static void ck_letters(ipk_list *l, const char *want)
{
	IPK_AUTO(reply, reply);
	ipk_reply_value v;
	char got[64];
	size_t n = 0;

	ck_ok(ipk_list_slice(l, IPK_OMIT, IPK_OMIT, 1, SOON, &reply));
	ck_ok(ipk_reply_next(reply, &v));
	while (ipk_reply_next(reply, &v) == 0 && v.kind != IPK_REPLY_END)
		got[n++] = v.data[0];
	got[n] = '\0';
	ck_assert_str_eq(got, want);
}

static void ck_copy(ipk_list *l, int64_t index, const char *want)
{
	void *data = NULL;
	size_t n = 99;

	ck_ok(ipk_list_get_alloc(l, index, SOON, &data, &n));
	ck_bytes(data, n, want);
	free(data);
}

static void list_reads(ipk_list *l)
{
	char buf[8];
	void *copy;
	size_t n;
	uint64_t at, count, len;
	bool yes;

	ck_ok(ipk_list_get(l, 0, buf, sizeof buf, SOON, &n));
	ck_bytes(buf, n, "a");
	ck_ok(ipk_list_get(l, -1, buf, sizeof buf, SOON, &n));
	ck_bytes(buf, n, "d");
	ck_err(ipk_list_get(l, 4, buf, sizeof buf, SOON, &n), -ERANGE);
	ck_copy(l, 1, "b");
	ck_copy(l, -1, "d");
	ck_err(ipk_list_get_alloc(l, 4, SOON, &copy, &n), -ERANGE);
	ck_err(ipk_list_get(l, 0, buf, 0, SOON, &n), -EMSGSIZE);
	ck_ok(ipk_list_len(l, SOON, &len));
	ck_assert_uint_eq(len, 4);
	ck_ok(ipk_list_index(l, "c", 1, IPK_OMIT, IPK_OMIT, SOON, &at));
	ck_assert_uint_eq(at, 2);
	ck_err(ipk_list_index(l, "c", 1, 3, IPK_OMIT, SOON, &at), -ENOENT);
	ck_ok(ipk_list_count(l, "b", 1, SOON, &count));
	ck_assert_uint_eq(count, 1);
	ck_ok(ipk_list_contains(l, "z", 1, SOON, &yes));
	ck_assert(!yes);
}

void check_list(ipk_manager *m)
{
	IPK_AUTO(list, l);
	ipk_bytes more[] = {{"b", 1}, {"c", 1}, {"d", 1}};
	uint64_t n_gone;
	void *data;
	size_t n;
	int64_t sum;

	ck_ok(ipk_list_open(m, "t:l", &l));
	ck_ok(ipk_list_clear(l, SOON));
	ck_err(ipk_list_pop_alloc(l, -1, SOON, &data, &n), -ERANGE);
	ck_ok(ipk_list_append(l, "a", 1, SOON));
	ck_ok(ipk_list_extend(l, more, 3, SOON));
	list_reads(l);
	ck_ok(ipk_list_insert(l, 1, "x", 1, SOON));
	ck_letters(l, "axbcd");
	ck_ok(ipk_list_pop_alloc(l, 1, SOON, &data, &n));
	ck_bytes(data, n, "x");
	free(data);
	ck_ok(ipk_list_remove(l, "c", 1, SOON));
	ck_err(ipk_list_remove(l, "c", 1, SOON), -ENOENT);
	ck_letters(l, "abd");
	ck_ok(ipk_list_reverse(l, SOON));
	ck_letters(l, "dba");
	ck_ok(ipk_list_sort(l, IPK_SORT_BYTES, false, SOON));
	ck_letters(l, "abd");
	ck_err(ipk_list_sort(l, IPK_SORT_NUMBER, false, SOON), -EINVAL);
	ck_assert_ptr_nonnull(strstr(ipk_error_detail(-EINVAL), "ipk_manager_error()"));
	ck_ok(ipk_list_set(l, 1, "y", 1, SOON));
	ck_err(ipk_list_set(l, 7, "y", 1, SOON), -ERANGE);
	ck_letters(l, "ayd");
	ck_ok(ipk_list_repeat(l, 2, SOON));
	ck_letters(l, "aydayd");
	ck_ok(ipk_list_set_slice(l, 1, 3, 1, more, 1, SOON));
	ck_letters(l, "abayd");
	ck_err(ipk_list_set_slice(l, IPK_OMIT, IPK_OMIT, 2, more, 1, SOON), -ERANGE);
	ck_ok(ipk_list_delete_slice(l, IPK_OMIT, IPK_OMIT, 2, SOON, &n_gone));
	ck_assert_uint_eq(n_gone, 3);
	ck_letters(l, "by");
	ck_ok(ipk_list_delete(l, 0, SOON));
	ck_letters(l, "y");
	ck_ok(ipk_list_set(l, 0, "5", 1, SOON));
	ck_ok(ipk_list_add(l, 0, 2, SOON, &sum));
	ck_assert_int_eq(sum, 7);
	ck_err(ipk_list_add(l, 3, 2, SOON, &sum), -ERANGE);
}

void check_list_iteration(ipk_manager *m)
{
	IPK_AUTO(list, l);
	IPK_AUTO(list_iter, it);
	char text[32];
	ipk_bytes item;
	int n = 0;
	int r;

	ck_ok(ipk_list_open(m, "t:liter", &l));
	ck_ok(ipk_list_clear(l, SOON));
	for (int i = 0; i < 700; i++) {
		snprintf(text, sizeof text, "%d", i);
		ck_ok(ipk_list_append(l, text, strlen(text), SOON));
	}
	ck_ok(ipk_list_iter_open(l, &it));
	while ((r = ipk_list_iter_next(it, SOON, &item)) == 0) {
		snprintf(text, sizeof text, "%d", n++);
		ck_bytes(item.data, item.len_bytes, text);
		if (n == 100) /* it grows while we look */
			ck_ok(ipk_list_append(l, "700", 3, SOON));
	}
	ck_err(r, -ENOENT);
	ck_assert_int_eq(n, 701);
}

void check_typed(ipk_manager *m)
{
	IPK_AUTO(dict, d);
	IPK_AUTO(list, l);
	const char *text;
	size_t n;
	int i = 0;
	double x = 0;

	ck_ok(ipk_dict_open(m, "t:typed", &d));
	ck_ok(ipk_list_open(m, "t:typedl", &l));
	ck_ok(ipk_list_clear(l, SOON));
	ck_ok(ipk_dict_setf(d, ipk_text("k"), SOON, "[i d s]", 7, 2.5, "seven"));
	ck_ok(ipk_dict_getf(d, ipk_text("k"), SOON, "[i d S]", &i, &x, &text, &n));
	ck_assert_int_eq(i, 7);
	ck_assert_double_eq(x, 2.5);
	ck_bytes(text, n, "seven");
	ck_err(ipk_dict_getf(d, ipk_text("k"), SOON, "i", &i), -EPROTO);
	ck_err(ipk_dict_getf(d, ipk_text("none"), SOON, "i", &i), -ENOENT);
	ck_ok(ipk_list_appendf(l, SOON, "i", 3));
	ck_ok(ipk_list_appendf(l, SOON, "d", 1.5));
	ck_ok(ipk_list_sort(l, IPK_SORT_TYPED, false, SOON));
	ck_ok(ipk_list_getf(l, 0, SOON, "d", &x));
	ck_assert_double_eq(x, 1.5);
	ck_ok(ipk_list_setf(l, 0, SOON, "i", 9));
	ck_ok(ipk_list_getf(l, 0, SOON, "i", &i));
	ck_assert_int_eq(i, 9);
}

void check_nested(ipk_manager *m)
{
	IPK_AUTO(dict, outer);
	IPK_AUTO(dict, inner);
	IPK_AUTO(dict, seen);
	IPK_AUTO(list, l);
	IPK_AUTO(list, seen_list);
	uint64_t n;

	ck_ok(ipk_dict_open(m, "t:outer", &outer));
	ck_ok(ipk_dict_open(m, "t:inner", &inner));
	ck_ok(ipk_list_open(m, "t:inner-list", &l));
	ck_ok(ipk_list_clear(l, SOON));
	ck_ok(ipk_dict_set_ref(outer, ipk_text("in"), IPK_REF_DICT, "t:inner", SOON));
	ck_ok(ipk_dict_set_ref(outer, ipk_text("l"), IPK_REF_LIST, "t:inner-list", SOON));
	ck_ok(ipk_dict_get_dict(outer, ipk_text("in"), SOON, &seen));
	ck_ok(ipk_dict_set(inner, ipk_text("x"), "1", 1, SOON));
	ck_get(seen, "x", "1");
	ck_ok(ipk_dict_set(seen, ipk_text("x"), "2", 1, SOON));
	ck_get(inner, "x", "2");
	ck_ok(ipk_dict_get_list(outer, ipk_text("l"), SOON, &seen_list));
	ck_ok(ipk_list_append_ref(seen_list, IPK_REF_DICT, "t:inner", SOON));
	seen = ipk_dict_close(seen);
	ck_ok(ipk_list_get_dict(l, 0, SOON, &seen));
	ck_get(seen, "x", "2");
	ck_ok(ipk_list_append_ref(l, IPK_REF_LIST, "t:inner-list", SOON));
	seen_list = ipk_list_close(seen_list);
	ck_ok(ipk_list_get_list(l, 1, SOON, &seen_list));
	ck_ok(ipk_list_append(seen_list, "end", 3, SOON));
	ck_ok(ipk_list_len(l, SOON, &n));
	ck_assert_uint_eq(n, 3);
	ck_err(ipk_list_get_list(l, 0, SOON, &seen_list), -EPROTO);
	ck_err(ipk_list_get_list(l, 2, SOON, &seen_list), -EPROTO);
	ck_err(ipk_list_get_list(l, 3, SOON, &seen_list), -ERANGE);
	ck_err(ipk_dict_get_dict(outer, ipk_text("l"), SOON, &seen), -EPROTO);
	ck_err(ipk_dict_get_list(inner, ipk_text("x"), SOON, &seen_list), -EPROTO);
}

/* The namespace has these attributes, in any order; NULL: none. */
static void ck_attributes(ipk_namespace *ns, const char *first, const char *second)
{
	IPK_AUTO(reply, all);
	ipk_reply_value v;
	uint64_t n = (first != NULL) + (second != NULL);

	ck_ok(ipk_namespace_attributes(ns, SOON, &all));
	ck_assert_uint_eq(ipk_reply_len(all), n);
	ck_ok(ipk_reply_next(all, &v));
	ck_assert_int_eq(v.kind, IPK_REPLY_ARRAY);
	for (; n > 0; n--) {
		ck_ok(ipk_reply_next(all, &v));
		ck_assert_int_eq(v.kind, IPK_REPLY_TEXT);
		if (first && v.len_bytes == strlen(first) &&
		    memcmp(v.data, first, v.len_bytes) == 0)
			first = NULL;
		else if (second && v.len_bytes == strlen(second) &&
			 memcmp(v.data, second, v.len_bytes) == 0)
			second = NULL;
	}
	ck_assert(!first && !second);
}

void check_values(ipk_manager *m)
{
	ipk_reply *reply;
	IPK_AUTO(managed_value, v);
	IPK_AUTO(namespace, ns);
	void *data;
	char buf[16];
	int64_t i = 0;
	double d = 0;
	size_t n;
	int x = 0;

	(void)!ipk_manager_delete(m, "t:v", SOON);
	ck_ok(ipk_managed_value_open(m, "t:v", &v));
	ck_err(ipk_managed_value_load(v, SOON, &i), -ENOENT);
	ck_err(ipk_managed_value_get_alloc(v, SOON, &data, &n), -ENOENT);
	ck_ok(ipk_managed_value_store(v, 40, SOON));
	ck_ok(ipk_managed_value_add(v, 2, SOON, &i));
	ck_assert_int_eq(i, 42);
	ck_ok(ipk_managed_value_load(v, SOON, &i));
	ck_assert_int_eq(i, 42);
	ck_ok(ipk_managed_value_add_double(v, 0.5, SOON, &d));
	ck_assert_double_eq(d, 42.5);
	ck_err(ipk_managed_value_load(v, SOON, &i), -ERANGE);
	ck_ok(ipk_managed_value_set(v, "bytes", 5, SOON));
	ck_ok(ipk_managed_value_get(v, buf, sizeof buf, SOON, &n));
	ck_bytes(buf, n, "bytes");
	ck_ok(ipk_managed_value_get_alloc(v, SOON, &data, &n));
	ck_bytes(data, n, "bytes");
	free(data);
	ck_ok(ipk_managed_value_setf(v, SOON, "i", 6));
	ck_ok(ipk_managed_value_getf(v, SOON, "i", &x));
	ck_assert_int_eq(x, 6);

	(void)!ipk_manager_delete(m, "t:ns", SOON);
	ck_ok(ipk_namespace_open(m, "t:ns", &ns));
	ck_attributes(ns, NULL, NULL);
	ck_ok(ipk_namespace_set(ns, "color", "red", 3, SOON));
	ck_ok(ipk_namespace_get(ns, "color", buf, sizeof buf, SOON, &n));
	ck_bytes(buf, n, "red");
	ck_ok(ipk_namespace_setf(ns, "n", SOON, "i", 5));
	ck_ok(ipk_namespace_getf(ns, "n", SOON, "i", &x));
	ck_assert_int_eq(x, 5);
	ck_attributes(ns, "color", "n");
	ck_ok(ipk_namespace_delete(ns, "n", SOON));
	ck_attributes(ns, "color", NULL);
	ck_err(ipk_namespace_attributes(NULL, SOON, &reply), -EBADF);
	ck_err(ipk_namespace_delete(ns, "n", SOON), -ENOENT);
	ck_err(ipk_namespace_set(ns, "", "x", 1, SOON), -EINVAL);
}

void check_array(ipk_manager *m)
{
	IPK_AUTO(managed_array, a);
	IPK_AUTO(managed_array, other);
	int64_t items[3] = {7, 8, 9};
	int64_t got[3];
	double d;

	(void)!ipk_manager_delete(m, "t:a", SOON);
	ck_ok(ipk_managed_array_open(m, "t:a", IPK_MANAGED_ARRAY(.n_items = 5), SOON, &a));
	ck_err(ipk_managed_array_open(m, "t:a", IPK_MANAGED_ARRAY(.n_items = 6), SOON, &other),
	       -EPROTOTYPE);
	ck_ok(ipk_managed_array_open(m, "t:a", NULL, SOON, &other));
	ck_assert_uint_eq(ipk_managed_array_len(other), 5);
	ck_assert_uint_eq(ipk_managed_array_len(a), 5);
	ck_ok(ipk_managed_array_load(a, 4, SOON, &got[0]));
	ck_assert_int_eq(got[0], 0);
	ck_ok(ipk_managed_array_store(a, -1, 11, SOON));
	ck_ok(ipk_managed_array_add(a, 4, 1, SOON, &got[0]));
	ck_assert_int_eq(got[0], 12);
	ck_err(ipk_managed_array_store(a, 5, 1, SOON), -ERANGE);
	ck_ok(ipk_managed_array_write(a, 1, items, 3, SOON));
	ck_ok(ipk_managed_array_read(a, 1, 3, SOON, got));
	ck_assert_mem_eq(got, items, sizeof got);
	ck_err(ipk_managed_array_read(a, 3, 3, SOON, got), -ERANGE);
	ck_ok(ipk_managed_array_store_double(a, 0, 0.1, SOON));
	ck_ok(ipk_managed_array_load_double(a, 0, SOON, &d));
	ck_assert_double_eq(d, 0.1);
}

static void ck_item(ipk_managed_queue *q, const char *want)
{
	void *data;
	size_t n;

	ck_ok(ipk_managed_queue_get_alloc(q, SOON, &data, &n));
	ck_bytes(data, n, want);
	free(data);
}

void check_queue(ipk_manager *m)
{
	IPK_AUTO(managed_queue, q);
	IPK_AUTO(managed_queue, p);
	IPK_AUTO(managed_queue, same);
	IPK_AUTO(managed_queue, other);
	IPK_AUTO(managed_event, event);
	ipk_managed_queue_state state;
	ipk_bytes three[] = {{"a", 1}, {"b", 1}, {"c", 1}};
	uint64_t len;
	size_t n;
	void *data;
	int i;

	(void)!ipk_manager_delete(m, "t:q", SOON);
	(void)!ipk_manager_delete(m, "t:p", SOON);
	ck_ok(ipk_managed_queue_open(
		m, "t:q", IPK_MANAGED_QUEUE(.max_items = 2, .is_joinable = true), SOON, &q));
	/* As it is, without knowing how; not otherwise. */
	ck_ok(ipk_managed_queue_open(m, "t:q", NULL, SOON, &same));
	ck_err(ipk_managed_queue_open(m, "t:q", IPK_MANAGED_QUEUE(.max_items = 3), SOON, &other),
	       -EPROTOTYPE);
	ck_ok(ipk_managed_event_open(m, "t:qe", SOON, &event));
	ck_err(ipk_managed_queue_open(m, "t:qe", NULL, SOON, &other), -EPROTOTYPE);
	ck_err(ipk_managed_queue_get_alloc(same, ipk_now(), &data, &n), -ETIMEDOUT);
	ck_ok(ipk_managed_queue_put_many(q, three, 3, ipk_in_ms(500), &n));
	ck_assert_uint_eq(n, 2);
	ck_err(ipk_managed_queue_put(q, "d", 1, ipk_now()), -ETIMEDOUT);
	ck_ok(ipk_managed_queue_len(q, SOON, &len));
	ck_assert_uint_eq(len, 2);
	ck_item(q, "a");
	ck_item(q, "b");
	ck_err(ipk_managed_queue_join(q, ipk_now()), -ETIMEDOUT);
	ck_ok(ipk_managed_queue_task_done(q, 2, SOON));
	ck_ok(ipk_managed_queue_join(q, SOON));
	ck_err(ipk_managed_queue_task_done(q, 1, SOON), -EINVAL);
	ck_ok(ipk_managed_queue_state_get(q, SOON, &state));
	ck_assert_uint_eq(state.max_items, 2);
	ck_assert(state.is_joinable && !state.is_shut_down && state.kind == IPK_QUEUE_FIFO);
	ck_ok(ipk_managed_queue_shutdown(q, IPK_DRAIN, SOON));
	ck_err(ipk_managed_queue_put(q, "x", 1, SOON), -ESHUTDOWN);
	ck_err(ipk_managed_queue_get_alloc(q, SOON, &data, &n), -ESHUTDOWN);

	ck_ok(ipk_managed_queue_open(m, "t:p", IPK_MANAGED_QUEUE(.kind = IPK_QUEUE_PRIORITY), SOON,
				     &p));
	ck_ok(ipk_managed_queue_put_priority(p, "late", 4, 5, SOON));
	ck_ok(ipk_managed_queue_put_priority(p, "soon", 4, -5, SOON));
	ck_item(p, "soon");
	ck_item(p, "late");
	ck_ok(ipk_managed_queue_putf(p, SOON, "i", 4));
	ck_ok(ipk_managed_queue_getf(p, SOON, "i", &i));
	ck_assert_int_eq(i, 4);
}

static void *set_event(void *arg)
{
	return ipk_managed_event_set(arg, SOON) == 0 ? arg : NULL;
}

static void *wait_barrier(void *arg)
{
	unsigned i;

	return ipk_managed_barrier_wait(arg, SOON, &i) == 0 ? arg : NULL;
}

static void check_lock(ipk_manager *m)
{
	IPK_AUTO(managed_lock, lock);
	IPK_AUTO(managed_lock, rlock);
	IPK_AUTO(managed_event, wrong);
	bool yes;

	ck_ok(ipk_managed_lock_open(m, "t:lock", NULL, SOON, &lock));
	ck_err(ipk_managed_event_open(m, "t:lock", SOON, &wrong), -EPROTOTYPE);
	ck_ok(ipk_managed_lock_lock(lock, SOON));
	ck_err(ipk_managed_lock_lock(lock, SOON), -EDEADLK);
	ck_ok(ipk_managed_lock_is_held(lock, SOON, &yes));
	ck_assert(yes);
	ck_ok(ipk_managed_lock_unlock(lock, SOON));
	ck_err(ipk_managed_lock_unlock(lock, SOON), -EPERM);
	ck_ok(ipk_managed_lock_open(m, "t:rlock", IPK_MANAGED_LOCK(.is_recursive = true), SOON,
				    &rlock));
	ck_ok(ipk_managed_lock_lock(rlock, SOON));
	ck_ok(ipk_managed_lock_lock(rlock, SOON));
	ck_ok(ipk_managed_lock_unlock(rlock, SOON));
	ck_ok(ipk_managed_lock_unlock(rlock, SOON));
	ck_err(ipk_managed_lock_unlock(rlock, SOON), -EPERM);
}

static void *see_owner(void *arg)
{
	static ipk_managed_owner owner;

	return ipk_managed_lock_owner(arg, SOON, &owner) == 0 ? &owner : NULL;
}

/* Another thread, by the same connection, sees who has it. */
static void check_owner(ipk_manager *m)
{
	IPK_AUTO(managed_lock, lock);
	IPK_AUTO(managed_semaphore, s);
	ipk_managed_owner owner, *seen;
	pthread_t thread;
	void *result;

	(void)!ipk_manager_delete(m, "t:olock", SOON);
	ck_ok(ipk_managed_lock_open(m, "t:olock", IPK_MANAGED_LOCK(.is_recursive = true), SOON,
				    &lock));
	memset(&owner, 1, sizeof owner);
	ck_ok(ipk_managed_lock_owner(lock, SOON, &owner));
	ck_assert(!owner.is_held);
	ck_assert(owner.tid == 0 && owner.pid == 0 && owner.depth == 0 && owner.client_id == 0);
	ck_assert(owner.client[0] == '\0' && owner.address[0] == '\0');
	for (uint64_t depth = 1; depth <= 2; depth++) {
		ck_ok(ipk_managed_lock_lock(lock, SOON));
		ck_assert_int_eq(pthread_create(&thread, NULL, see_owner, lock), 0);
		pthread_join(thread, &result);
		ck_assert_ptr_nonnull(result);
		seen = result;
		ck_assert(seen->is_held);
		ck_assert_uint_eq(seen->depth, depth);
		ck_assert_uint_eq(seen->tid, (uint32_t)gettid());
		/* over TCP nobody knows it */
		ck_assert(seen->pid == getpid() || (seen->pid == 0 && seen->address[0] != '\0'));
		ck_assert(seen->client_id != 0 || seen->client[0] != '\0');
		for (size_t i = 0; i < 8; i++)
			ck_assert_uint_eq(seen->reserved[i], 0);
	}
	ck_ok(ipk_managed_lock_unlock(lock, SOON));
	ck_ok(ipk_managed_lock_unlock(lock, SOON));
	ck_ok(ipk_managed_lock_owner(lock, SOON, &owner));
	ck_assert(!owner.is_held);
	ck_err(ipk_managed_lock_owner(NULL, SOON, &owner), -EBADF);
	ck_ok(ipk_manager_delete(m, "t:olock", SOON));
	ck_err(ipk_managed_lock_owner(lock, SOON, &owner), -ENOENT);
	ck_ok(ipk_managed_semaphore_open(m, "t:olock", NULL, SOON, &s));
	ck_err(ipk_managed_lock_owner(lock, SOON, &owner), -EPROTOTYPE);
	ck_ok(ipk_manager_delete(m, "t:olock", SOON));
}

/* Without options: those that are there as they are, and the others are made, or not. */
static void check_locks_as_they_are(ipk_manager *m)
{
	IPK_AUTO(managed_lock, made);
	IPK_AUTO(managed_lock, same);
	IPK_AUTO(managed_lock, wrong);
	IPK_AUTO(managed_semaphore, s);
	ipk_managed_lock_opts longer[2] = {{.struct_size = sizeof longer, .is_recursive = true},
					   {.struct_size = 1}};

	(void)!ipk_manager_delete(m, "t:ulock", SOON);
	ck_ok(ipk_managed_lock_open(m, "t:ulock", NULL, SOON, &made));
	ck_err(ipk_managed_lock_open(m, "t:ulock", IPK_MANAGED_LOCK(.is_recursive = true), SOON,
				     &wrong),
	       -EPROTOTYPE);
	ck_ok(ipk_manager_delete(m, "t:ulock", SOON));
	made = ipk_managed_lock_close(made);
	ck_ok(ipk_managed_lock_open(m, "t:ulock", IPK_MANAGED_LOCK(.is_recursive = true), SOON,
				    &made));
	ck_err(ipk_managed_lock_open(m, "t:ulock", IPK_MANAGED_LOCK(), SOON, &wrong), -EPROTOTYPE);
	ck_ok(ipk_managed_lock_open(m, "t:ulock", NULL, SOON, &same));
	ck_ok(ipk_managed_lock_lock(same, SOON));
	ck_ok(ipk_managed_lock_lock(same, SOON)); /* it knows that it is recursive */
	ck_ok(ipk_managed_lock_unlock(same, SOON));
	ck_ok(ipk_managed_lock_unlock(same, SOON));
	ck_err(ipk_managed_semaphore_open(m, "t:ulock", NULL, SOON, &s), -EPROTOTYPE);
	ck_err(ipk_managed_lock_open(m, "t:ulock", longer, SOON, &wrong), -EINVAL);
}

static void check_semaphores_as_they_are(ipk_manager *m)
{
	IPK_AUTO(managed_semaphore, made);
	IPK_AUTO(managed_semaphore, same);
	IPK_AUTO(managed_semaphore, wrong);

	(void)!ipk_manager_delete(m, "t:usem", SOON);
	ck_ok(ipk_managed_semaphore_open(m, "t:usem", NULL, SOON, &made)); /* of value 1 */
	ck_ok(ipk_managed_semaphore_open(m, "t:usem", IPK_MANAGED_SEMAPHORE(.value = 1), SOON,
					 &same));
	ck_ok(ipk_managed_semaphore_acquire(same, SOON));
	ck_err(ipk_managed_semaphore_acquire(made, ipk_now()), -ETIMEDOUT);
	ck_ok(ipk_managed_semaphore_release(made, 2, SOON)); /* no limit */
	ck_ok(ipk_manager_delete(m, "t:usem", SOON));
	made = ipk_managed_semaphore_close(made);
	same = ipk_managed_semaphore_close(same);
	ck_ok(ipk_managed_semaphore_open(m, "t:usem", IPK_MANAGED_SEMAPHORE(.value = 3, .max = 3),
					 SOON, &made));
	ck_ok(ipk_managed_semaphore_open(m, "t:usem", NULL, SOON, &same));
	ck_err(ipk_managed_semaphore_release(same, 1, SOON), -EOVERFLOW);
	ck_err(ipk_managed_semaphore_open(m, "t:usem", IPK_MANAGED_SEMAPHORE(.value = 3), SOON,
					  &wrong),
	       -EPROTOTYPE);
	ck_err(ipk_managed_semaphore_open(m, "t:usem", IPK_MANAGED_SEMAPHORE(.value = 2, .max = 2),
					  SOON, &wrong),
	       -EPROTOTYPE);
	ck_err(ipk_managed_semaphore_open(m, "t:usem", IPK_MANAGED_SEMAPHORE(.value = 3, .max = 4),
					  SOON, &wrong),
	       -EINVAL);
	ck_ok(ipk_manager_delete(m, "t:usem", SOON));
	ck_ok(ipk_managed_semaphore_open(m, "t:usem", IPK_MANAGED_SEMAPHORE(), SOON, &wrong));
	ck_err(ipk_managed_semaphore_acquire(wrong, ipk_now()), -ETIMEDOUT); /* of value 0 */
}

static void check_others_as_they_are(ipk_manager *m)
{
	IPK_AUTO(managed_barrier, made);
	IPK_AUTO(managed_barrier, same);
	IPK_AUTO(managed_cond, cond);
	IPK_AUTO(managed_lock, lock);
	IPK_AUTO(managed_array, a);
	uint32_t n_parties;
	bool exists;

	(void)!ipk_manager_delete(m, "t:ub", SOON);
	ck_err(ipk_managed_barrier_open(m, "t:ub", NULL, SOON, &made), -ENOENT);
	ck_err(ipk_managed_cond_open(m, "t:ub", NULL, SOON, &cond), -ENOENT);
	ck_err(ipk_managed_array_open(m, "t:ub", NULL, SOON, &a), -ENOENT);
	ck_ok(ipk_manager_exists(m, "t:ub", SOON, &exists));
	ck_assert(!exists);
	ck_err(ipk_managed_barrier_open(m, "t:ub", IPK_MANAGED_BARRIER(), SOON, &made), -EINVAL);
	ck_err(ipk_managed_cond_open(m, "t:ub", IPK_MANAGED_COND(), SOON, &cond), -EINVAL);
	ck_err(ipk_managed_array_open(m, "t:ub", IPK_MANAGED_ARRAY(), SOON, &a), -EINVAL);
	ck_ok(ipk_managed_barrier_open(m, "t:ub", IPK_MANAGED_BARRIER(.n_parties = 3), SOON,
				       &made));
	ck_ok(ipk_managed_barrier_open(m, "t:ub", NULL, SOON, &same));
	ck_ok(ipk_managed_barrier_info(same, SOON, &n_parties, NULL, NULL));
	ck_assert_uint_eq(n_parties, 3);
	ck_err(ipk_managed_cond_open(m, "t:ub", NULL, SOON, &cond), -EPROTOTYPE);
	ck_err(ipk_managed_array_open(m, "t:ub", NULL, SOON, &a), -EPROTOTYPE);
	ck_ok(ipk_manager_delete(m, "t:ub", SOON));
	ck_ok(ipk_managed_lock_open(m, "t:uclock", NULL, SOON, &lock));
	ck_ok(ipk_managed_cond_open(m, "t:ub", IPK_MANAGED_COND(.lock_name = "t:uclock"), SOON,
				    &cond));
	cond = ipk_managed_cond_close(cond);
	ck_ok(ipk_managed_cond_open(m, "t:ub", NULL, SOON, &cond));
	ck_ok(ipk_managed_lock_lock(lock, SOON));
	ck_ok(ipk_managed_cond_notify(cond, 1, SOON)); /* it is that lock's */
	ck_ok(ipk_managed_lock_unlock(lock, SOON));
	ck_ok(ipk_manager_delete(m, "t:ub", SOON));
}

static void check_semaphore(ipk_manager *m)
{
	IPK_AUTO(managed_semaphore, s);

	(void)!ipk_manager_delete(m, "t:sem", SOON);
	ck_ok(ipk_managed_semaphore_open(m, "t:sem", IPK_MANAGED_SEMAPHORE(.value = 1, .max = 1),
					 SOON, &s));
	ck_ok(ipk_managed_semaphore_acquire(s, SOON));
	ck_err(ipk_managed_semaphore_acquire(s, ipk_now()), -ETIMEDOUT);
	ck_ok(ipk_managed_semaphore_release(s, 1, SOON));
	ck_err(ipk_managed_semaphore_release(s, 1, SOON), -EOVERFLOW);
}

static void check_cond_and_event(ipk_manager *m)
{
	IPK_AUTO(managed_lock, lock);
	IPK_AUTO(managed_cond, cond);
	IPK_AUTO(managed_event, event);
	pthread_t thread;
	void *result;
	bool yes;

	ck_ok(ipk_managed_lock_open(m, "t:clock", NULL, SOON, &lock));
	ck_ok(ipk_managed_cond_open(m, "t:cond", IPK_MANAGED_COND(.lock_name = "t:clock"), SOON,
				    &cond));
	ck_err(ipk_managed_cond_notify(cond, 1, SOON), -EPERM);
	ck_ok(ipk_managed_lock_lock(lock, SOON));
	ck_err(ipk_managed_cond_wait(cond, ipk_in_ms(5)), -ETIMEDOUT);
	ck_ok(ipk_managed_cond_notify(cond, UINT32_MAX, SOON));
	ck_ok(ipk_managed_lock_unlock(lock, SOON));

	ck_ok(ipk_managed_event_open(m, "t:event", SOON, &event));
	ck_ok(ipk_managed_event_clear(event, SOON));
	ck_ok(ipk_managed_event_is_set(event, SOON, &yes));
	ck_assert(!yes);
	ck_err(ipk_managed_event_wait(event, ipk_in_ms(5)), -ETIMEDOUT);
	ck_assert_int_eq(pthread_create(&thread, NULL, set_event, event), 0);
	ck_ok(ipk_managed_event_wait(event, SOON));
	pthread_join(thread, &result);
	ck_assert_ptr_nonnull(result);
}

static void check_barrier(ipk_manager *m)
{
	IPK_AUTO(managed_barrier, b);
	uint32_t n_parties, n_waiting;
	pthread_t thread;
	unsigned index;
	void *result;
	bool broken;
	int r;

	ck_ok(ipk_managed_barrier_open(m, "t:barrier", IPK_MANAGED_BARRIER(.n_parties = 2), SOON,
				       &b));
	ck_ok(ipk_managed_barrier_reset(b, SOON));
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_barrier, b), 0);
	ck_ok(ipk_managed_barrier_wait(b, SOON, &index));
	ck_assert_uint_lt(index, 2);
	pthread_join(thread, &result);
	ck_assert_ptr_nonnull(result);
	ck_ok(ipk_managed_barrier_abort(b, SOON));
	ck_err(ipk_managed_barrier_wait(b, SOON, NULL), -ECANCELED);
	ck_ok(ipk_managed_barrier_info(b, SOON, &n_parties, &n_waiting, &broken));
	ck_assert(n_parties == 2 && n_waiting == 0 && broken);
	ck_ok(ipk_managed_barrier_reset(b, SOON));
	/* The other one: a busy server had not replied. */
	r = ipk_managed_barrier_wait(b, ipk_in_ms(200), NULL);
	ck_assert_msg(r == -ECANCELED || r == -EINPROGRESS, "%s", ipk_errname(r));
	ck_ok(ipk_managed_barrier_reset(b, SOON));
}

void check_locks(ipk_manager *m)
{
	check_lock(m);
	check_owner(m);
	check_locks_as_they_are(m);
	check_semaphores_as_they_are(m);
	check_others_as_they_are(m);
	check_semaphore(m);
	check_cond_and_event(m);
	check_barrier(m);
}

void check_batch(ipk_manager *m)
{
	enum { CALLS = 300 };
	IPK_AUTO(dict, d);
	IPK_AUTO(list, l);
	IPK_AUTO(batch, b);
	ipk_bytes words[] = {{"STRLEN", 6}, {"t:none", 6}};
	const void *data;
	char text[32];
	int64_t i64;
	size_t n;

	ck_ok(ipk_dict_open(m, "t:bd", &d));
	ck_ok(ipk_list_open(m, "t:bl", &l));
	ck_ok(ipk_dict_clear(d, SOON));
	ck_ok(ipk_list_clear(l, SOON));
	ck_ok(ipk_batch_create(m, &b));
	for (int i = 0; i < CALLS; i++) {
		snprintf(text, sizeof text, "%d", i);
		ck_ok(ipk_batch_dict_set(b, d, ipk_text(text), text, strlen(text)));
	}
	ck_ok(ipk_batch_dict_get(b, d, ipk_text("7")));
	ck_ok(ipk_batch_dict_get(b, d, ipk_text("none")));
	ck_ok(ipk_batch_dict_add(b, d, ipk_text("7"), 3));
	ck_ok(ipk_batch_dict_delete(b, d, ipk_text("none")));
	ck_ok(ipk_batch_list_append(b, l, "x", 1));
	ck_ok(ipk_batch_list_set(b, l, 0, "y", 1));
	ck_ok(ipk_batch_list_get(b, l, 0));
	ck_ok(ipk_batch_list_get(b, l, 5));
	ck_ok(ipk_batch_command(b, words, 2));
	words[0] = (ipk_bytes){"MULTI", 5};
	ck_err(ipk_batch_command(b, words, 1), -EINVAL);
	ck_assert_uint_eq(ipk_batch_len(b), CALLS + 9);
	ck_err(ipk_batch_error(b, 0), -ERANGE);
	ck_ok(ipk_batch_run(b, SOON));
	for (size_t i = 0; i < CALLS; i++)
		ck_ok(ipk_batch_error(b, i));
	ck_ok(ipk_batch_data(b, CALLS, &data, &n));
	ck_bytes(data, n, "7");
	ck_err(ipk_batch_error(b, CALLS + 1), -ENOENT);
	ck_ok(ipk_batch_int(b, CALLS + 2, &i64));
	ck_assert_int_eq(i64, 10);
	ck_err(ipk_batch_error(b, CALLS + 3), -ENOENT);
	ck_ok(ipk_batch_data(b, CALLS + 6, &data, &n));
	ck_bytes(data, n, "y");
	ck_err(ipk_batch_error(b, CALLS + 7), -ERANGE);
	ck_ok(ipk_batch_int(b, CALLS + 8, &i64));
	ck_assert_int_eq(i64, 0);
	ck_err(ipk_batch_error(b, CALLS + 9), -ERANGE);
	ck_ok(ipk_batch_dict_get(b, d, ipk_text("8")));
	ck_ok(ipk_batch_run(b, SOON));
	ck_ok(ipk_batch_data(b, 0, &data, &n));
	ck_bytes(data, n, "8");
}

struct meddler {
	ipk_dict *d;
	int n_calls;
};

/* Adds 1 by hand; the first time somebody else adds 10 in between. */
static int add_one(ipk_batch *batch, void *arg)
{
	struct meddler *x = arg;
	char buf[32];
	size_t n;

	IPK_TRY(ipk_dict_get(x->d, ipk_text("n"), buf, sizeof buf - 1, SOON, &n));
	buf[n] = '\0';
	snprintf(buf, sizeof buf, "%d", atoi(buf) + 1);
	if (x->n_calls++ == 0)
		IPK_TRY(ipk_dict_add(x->d, ipk_text("n"), 10, SOON, NULL));
	IPK_TRY(ipk_batch_dict_set(batch, x->d, ipk_text("n"), buf, strlen(buf)));
	return 5;
}

static int refuse(ipk_batch *batch, void *arg)
{
	struct meddler *x = arg;

	IPK_TRY(ipk_batch_dict_set(batch, x->d, ipk_text("n"), "never", 5));
	return -EOVERFLOW;
}

void check_transact(ipk_manager *m)
{
	const char *names[] = {"t:tx"};
	struct meddler x = {0};
	IPK_AUTO(dict, d);

	ck_ok(ipk_dict_open(m, "t:tx", &d));
	ck_ok(ipk_dict_set(d, ipk_text("n"), "1", 1, SOON));
	x.d = d;
	ck_assert_int_eq(ipk_manager_transact(m, names, 1, add_one, &x, SOON), 5);
	ck_assert_int_eq(x.n_calls, 2);
	ck_get(d, "n", "12");
	ck_err(ipk_manager_transact(m, names, 1, refuse, &x, SOON), -EOVERFLOW);
	ck_get(d, "n", "12");
}

void check_whole(ipk_manager *m)
{
	IPK_AUTO(keys, keys);
	IPK_AUTO(dict, d);
	IPK_AUTO(list, l);
	IPK_AUTO(reply, reply);
	ipk_bytes words[] = {{"ECHO", 4}, {"hello", 5}};
	ipk_reply_value v;
	const char *name;
	char text[32];
	uint64_t len;
	size_t n;
	bool yes;

	ck_ok(ipk_manager_ping(m, SOON));
	ck_ok(ipk_manager_flush(m, SOON));
	ck_ok(ipk_manager_len(m, SOON, &len));
	ck_assert_uint_eq(len, 0);
	ck_ok(ipk_dict_open(m, "whole:d", &d));
	ck_ok(ipk_list_open(m, "whole:d", &l));
	ck_ok(ipk_dict_set(d, ipk_text("a"), "b", 1, SOON));
	ck_err(ipk_list_append(l, "x", 1, SOON), -EPROTOTYPE);
	ck_err(ipk_list_len(l, SOON, &len), -EPROTOTYPE);
	ck_ok(ipk_manager_exists(m, "whole:d", SOON, &yes));
	ck_assert(yes);
	ck_ok(ipk_manager_type(m, "whole:d", text, sizeof text, SOON));
	ck_assert_str_eq(text, "hash");
	ck_err(ipk_manager_type(m, "whole:none", text, sizeof text, SOON), -ENOENT);
	ck_ok(ipk_keys_open(m, "whole:*", &keys));
	ck_ok(ipk_keys_next(keys, SOON, &name, &n));
	ck_bytes(name, n, "whole:d");
	ck_err(ipk_keys_next(keys, SOON, &name, &n), -ENOENT);
	ck_ok(ipk_manager_expire(m, "whole:d", 100000, SOON));
	ck_ok(ipk_manager_expire(m, "whole:d", -1, SOON));
	ck_err(ipk_manager_expire(m, "whole:none", 5, SOON), -ENOENT);
	ck_ok(ipk_manager_command(m, words, 2, SOON, &reply));
	ck_ok(ipk_reply_next(reply, &v));
	ck_assert_int_eq(v.kind, IPK_REPLY_TEXT);
	ck_bytes(v.data, v.len_bytes, "hello");
	ck_ok(ipk_reply_next(reply, &v));
	ck_assert_int_eq(v.kind, IPK_REPLY_END);
	words[0] = (ipk_bytes){"SUBSCRIBE", 9};
	ck_err(ipk_manager_command(m, words, 2, SOON, &reply), -EINVAL);
	ck_ok(ipk_manager_delete(m, "whole:d", SOON));
	ck_err(ipk_manager_delete(m, "whole:d", SOON), -ENOENT);
}
