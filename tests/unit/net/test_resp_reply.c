/*
 * test_resp_reply.c - replies of every type of RESP2 and RESP3: whole, in pieces, nested,
 * broken. Pieces are copies of exact length, for ASan.
 */
#include <stdio.h>
#include <string.h>

#include "net/resp.h"
#include "support/support.h"

struct example {
	const char *bytes;
	size_t n_bytes;
	const char *shape; /* how show() writes it */
};

#define EXAMPLE(bytes, shape)                   \
	{                                       \
		bytes, sizeof(bytes) - 1, shape \
	}

static const struct example examples[] = {
	EXAMPLE("+OK\r\n", "+OK"),
	EXAMPLE("+\r\n", "+"),
	EXAMPLE("-ERR no\r\n", "-ERR no"),
	EXAMPLE(":0\r\n", ":0"),
	EXAMPLE(":-9223372036854775808\r\n", ":-9223372036854775808"),
	EXAMPLE("$0\r\n\r\n", "$"),
	EXAMPLE("$5\r\na\r\nbc\r\n", "$a\r\nbc"),
	EXAMPLE("$-1\r\n", "_"),
	EXAMPLE("*-1\r\n", "_"),
	EXAMPLE("_\r\n", "_"),
	EXAMPLE("*0\r\n", "*0"),
	EXAMPLE("*3\r\n:1\r\n$1\r\nx\r\n*1\r\n+y\r\n", "*3 :1 $x *1 +y"),
	EXAMPLE("*2\r\n*0\r\n*0\r\n", "*2 *0 *0"),
	EXAMPLE(",1.5\r\n", ",1.5"),
	EXAMPLE(",inf\r\n", ",inf"),
	EXAMPLE("#t\r\n", "#1"),
	EXAMPLE("#f\r\n", "#0"),
	EXAMPLE("!5\r\nERR x\r\n", "!ERR x"),
	EXAMPLE("=7\r\ntxt:abc\r\n", "=abc"),
	EXAMPLE("=4\r\ntxt:\r\n", "="),
	EXAMPLE("(349204923049\r\n", "(349204923049"),
	EXAMPLE("%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n:2\r\n", "%4 +a :1 +b *1 :2"),
	EXAMPLE("%0\r\n", "%0"),
	EXAMPLE("~2\r\n:1\r\n:2\r\n", "~2 :1 :2"),
	EXAMPLE(">2\r\n+message\r\n$1\r\nm\r\n", ">2 +message $m"),
	EXAMPLE("|1\r\n+ttl\r\n:9\r\n$1\r\nv\r\n", "|2 +ttl :9 $v"),
	EXAMPLE("*2\r\n|1\r\n+ttl\r\n:9\r\n$1\r\nv\r\n:7\r\n", "*2 |2 +ttl :9 $v :7"),
	EXAMPLE("|0\r\n:3\r\n", "|0 :3"),
};

static char *copy_of(const char *bytes, size_t n_bytes)
{
	char *copy = malloc(n_bytes > 0 ? n_bytes : 1);

	ck_assert_ptr_nonnull(copy);
	if (n_bytes > 0)
		memcpy(copy, bytes, n_bytes);
	return copy;
}

static size_t show(const struct ipk__resp_value *v, char *p, size_t room)
{
	int n = 0;

	switch (v->type) {
	case IPK__RESP_INTEGER:
	case IPK__RESP_BOOLEAN:
		n = snprintf(p, room, "%c%lld", (char)v->type, (long long)v->integer);
		break;
	case IPK__RESP_NULL:
		n = snprintf(p, room, "_");
		break;
	case IPK__RESP_ARRAY:
	case IPK__RESP_MAP:
	case IPK__RESP_SET:
	case IPK__RESP_PUSH:
	case IPK__RESP_ATTRIBUTE:
		n = snprintf(p, room, "%c%llu", (char)v->type, (unsigned long long)v->n);
		break;
	default:
		n = snprintf(p, room, "%c%.*s", (char)v->type, (int)v->text.n_bytes, v->text.bytes);
	}
	return (size_t)n;
}

static void ck_shape(const char *data, size_t n_bytes, const char *want)
{
	char got[256];
	size_t at = 0, n = 0;
	struct ipk__resp_value v;

	while (at < n_bytes) {
		ck_ok(ipk__resp_next(IPK__SLICE(data, n_bytes), &at, &v));
		if (n > 0)
			got[n++] = ' ';
		n += show(&v, got + n, sizeof got - n);
	}
	ck_assert_str_eq(got, want);
}

static int scan(struct ipk__resp_scan *s, const char *bytes, size_t n_bytes, size_t *ret_n)
{
	char *copy = copy_of(bytes, n_bytes);
	int found = ipk__resp_scan_value(s, copy, n_bytes, ret_n);

	free(copy);
	return found;
}

START_TEST(whole)
{
	const struct example *e = &examples[_i];
	struct ipk__resp_scan s = {0};
	char *copy = copy_of(e->bytes, e->n_bytes);
	size_t n = 0;

	ck_assert_int_eq(scan(&s, e->bytes, e->n_bytes, &n), 1);
	ck_assert_uint_eq(n, e->n_bytes);
	ck_shape(copy, e->n_bytes, e->shape);
	free(copy);
}
END_TEST

START_TEST(split_in_three_anywhere)
{
	const struct example *e = &examples[_i];
	size_t n = 0;

	for (size_t i = 0; i < e->n_bytes; i++) {
		for (size_t j = i; j < e->n_bytes; j++) {
			struct ipk__resp_scan s = {0};

			ck_assert_int_eq(scan(&s, e->bytes, i, &n), 0);
			ck_assert_int_eq(scan(&s, e->bytes, j, &n), 0);
			ck_assert_int_eq(scan(&s, e->bytes, e->n_bytes, &n), 1);
			ck_assert_uint_eq(n, e->n_bytes);
		}
	}
}
END_TEST

START_TEST(byte_by_byte_with_more_behind)
{
	const struct example *e = &examples[_i];
	struct ipk__resp_scan s = {0};
	char both[256];
	size_t n = 0;

	for (size_t i = 0; i < e->n_bytes; i++)
		ck_assert_int_eq(scan(&s, e->bytes, i, &n), 0);
	memcpy(both, e->bytes, e->n_bytes);
	memcpy(both + e->n_bytes, "+rest\r\n", 7);
	ck_assert_int_eq(scan(&s, both, e->n_bytes + 7, &n), 1);
	ck_assert_uint_eq(n, e->n_bytes);
}
END_TEST

/* After one value and all in it comes the next. */
START_TEST(skip_goes_over_what_is_nested)
{
	const struct example *e = &examples[_i];
	struct ipk__resp_value v;
	char both[256];
	size_t n = e->n_bytes + 7;
	size_t at = 0;

	memcpy(both, e->bytes, e->n_bytes);
	memcpy(both + e->n_bytes, "+rest\r\n", 7);
	ck_ok(ipk__resp_next(IPK__SLICE(both, n), &at, &v));
	ck_ok(ipk__resp_skip(IPK__SLICE(both, n), &at, &v));
	if (v.type == IPK__RESP_ATTRIBUTE) {
		ck_ok(ipk__resp_next(IPK__SLICE(both, n), &at, &v));
		ck_ok(ipk__resp_skip(IPK__SLICE(both, n), &at, &v));
	}
	ck_assert_uint_eq(at, e->n_bytes);
}
END_TEST

static const char *const broken[] = {
	"x\r\n",
	"\r\n",
	"+OK\n",
	"$5\r\nabcdef\r\n",
	"$-2\r\n",
	"*-2\r\n",
	"%-1\r\n",
	"$2147483648\r\n",
	"*2147483648\r\n",
	"$9999999999\r\n",
	"*99999999999999999999\r\n",
	":\r\n",
	":x\r\n",
	":1.5\r\n",
	":9223372036854775808\r\n",
	"#x\r\n",
	"#tt\r\n",
	"_x\r\n",
	"=3\r\ntxt\r\n",
	"=4\r\ntxtx\r\n",
	"$?\r\n",
	"*?\r\n",
	"!-1\r\n",
	"*1\r\n\r\n",
	"*1\r\n?\r\n",
	"\0\r\n",
};

START_TEST(broken_replies)
{
	struct ipk__resp_scan s = {0};
	size_t n = 777, at = 0;
	size_t len = broken[_i][0] ? strlen(broken[_i]) : 3;

	ck_err(scan(&s, broken[_i], len, &n), -EPROTO);
	ck_assert_uint_eq(n, 777);
	if (broken[_i][0] != '*') {
		struct ipk__resp_value v;

		ck_err(ipk__resp_next(IPK__SLICE(broken[_i], len), &at, &v), -EPROTO);
		ck_assert_uint_eq(at, 0);
	}
}
END_TEST

static int scan_depth(int depth)
{
	struct ipk__resp_scan s = {0};
	char data[1024] = "";
	size_t n;

	for (int i = 0; i < depth; i++)
		strcat(data, "*1\r\n");
	strcat(data, ":1\r\n");
	return scan(&s, data, strlen(data), &n);
}

START_TEST(depth_is_bounded)
{
	ck_assert_int_eq(scan_depth(IPK__RESP_DEPTH_MAX), 1);
	ck_err(scan_depth(IPK__RESP_DEPTH_MAX + 1), -EPROTO);
}
END_TEST

START_TEST(a_line_is_bounded)
{
	enum { N = (1 << 20) + 10 };
	struct ipk__resp_scan s = {0};
	char *data = malloc(N);
	size_t n;

	memset(data, 'a', N);
	data[0] = '-';
	ck_assert_int_eq(ipk__resp_scan_value(&s, data, 1 << 20, &n), 0);
	ck_err(ipk__resp_scan_value(&s, data, N, &n), -EPROTO);
	free(data);
}
END_TEST

/* What is found whole is read to its end even when it is cut off by a lie about its length. */
START_TEST(next_stops_at_the_end)
{
	struct ipk__resp_value v;
	size_t at = 0;

	ck_ok(ipk__resp_next(IPK__SLICE_OF("*2\r\n:1\r\n"), &at, &v));
	ck_err(ipk__resp_skip(IPK__SLICE_OF("*2\r\n:1\r\n"), &at, &v), -EPROTO);
	ck_ok(ipk__resp_next(IPK__SLICE_OF("*2\r\n:1\r\n"), &at, &v));
	ck_err(ipk__resp_next(IPK__SLICE_OF("*2\r\n:1\r\n"), &at, &v), -EPROTO);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("resp_reply");
	int n = (int)(sizeof examples / sizeof examples[0]);

	add_loop_test(s, whole, 0, n);
	add_loop_test(s, split_in_three_anywhere, 0, n);
	add_loop_test(s, byte_by_byte_with_more_behind, 0, n);
	add_loop_test(s, skip_goes_over_what_is_nested, 0, n);
	add_loop_test(s, broken_replies, 0, (int)(sizeof broken / sizeof broken[0]));
	add_test(s, depth_is_bounded);
	add_test(s, a_line_is_bounded);
	add_test(s, next_stops_at_the_end);
	return s;
}

IPK_TEST_MAIN(suite)
