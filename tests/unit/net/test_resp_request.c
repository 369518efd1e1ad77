/*
 * test_resp_request.c - requests as they come from the network: whole, in any pieces, too long by
 * one, and malformed. Each piece is a copy at another address and of exact length, so ASan detects
 * a read too far and a slice that points to freed bytes.
 */
#include <stdio.h>
#include <string.h>

#include "net/resp.h"
#include "support/support.h"

static const struct ipk__resp_limits ample = {
	.args_max = 1024 * 1024,
	.bulk_max = 512 << 20,
	.inline_max = 64 << 10,
	.total_max = (size_t)1 << 30,
};

struct example {
	const char *bytes;
	size_t n_bytes;
	const char *words; /* as in "GET|key"; NULL: an empty request */
};

#define EXAMPLE(bytes, words)                   \
	{                                       \
		bytes, sizeof(bytes) - 1, words \
	}

static const struct example examples[] = {
	EXAMPLE("*1\r\n$4\r\nPING\r\n", "PING"),
	EXAMPLE("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n", "SET|k|value"),
	EXAMPLE("*2\r\n$3\r\nGET\r\n$0\r\n\r\n", "GET|"),
	EXAMPLE("*2\r\n$4\r\nECHO\r\n$6\r\n\r\n*1\r\n\r\n", "ECHO|\r\n*1\r\n"),
	EXAMPLE("*12\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n$"
		"1\r\ng\r\n"
		"$1\r\nh\r\n$1\r\ni\r\n$1\r\nj\r\n$1\r\nk\r\n$10\r\n0123456789\r\n",
		"a|b|c|d|e|f|g|h|i|j|k|0123456789"),
	EXAMPLE("*0\r\n", NULL),
	EXAMPLE("*-5\r\n", NULL),
	EXAMPLE("\r\n", NULL),
	EXAMPLE("\n", NULL),
	EXAMPLE("   \t \r\n", NULL),
	EXAMPLE("PING\r\n", "PING"),
	EXAMPLE("PING\n", "PING"),
	EXAMPLE("  set  key\tvalue  \r\n", "set|key|value"),
	EXAMPLE("set k \"a b\\n\\x41\\\"\\\\\\q\"\r\n", "set|k|a b\nA\"\\q"),
	EXAMPLE("set k \"\\r\\t\\b\\a\\xzz\"\n", "set|k|\r\t\b\axzz"),
	EXAMPLE("set k 'it\\'s \\n'\r\n", "set|k|it's \\n"),
	EXAMPLE("set k \"\" ''\r\n", "set|k||"),
	EXAMPLE("fo\"o b\"\r\n", "foo b"),
	EXAMPLE("a\vb \vc\r\n", "a\vb|c"),
	EXAMPLE("$5\r\n", "$5"),
};

static void ck_words(const struct ipk__resp_reader *r, const char *words)
{
	char got[256];
	size_t n = 0;

	for (size_t i = 0; i < r->argc; i++) {
		ck_assert_uint_lt(n + r->argv[i].n_bytes + 1, sizeof got);
		if (i > 0)
			got[n++] = '|';
		memcpy(got + n, r->argv[i].bytes, r->argv[i].n_bytes);
		n += r->argv[i].n_bytes;
	}
	got[n] = '\0';
	if (!words)
		ck_assert_uint_eq(r->argc, 0);
	else
		ck_assert_str_eq(got, words);
}

/* A copy of exactly these bytes. */
static char *copy_of(const char *bytes, size_t n_bytes)
{
	char *copy = malloc(n_bytes > 0 ? n_bytes : 1);

	ck_assert_ptr_nonnull(copy);
	if (n_bytes > 0)
		memcpy(copy, bytes, n_bytes);
	return copy;
}

/* Look at the first @n_bytes only: not whole yet, and the hint does not promise too much. */
static void ck_more(struct ipk__resp_reader *r, const struct example *e, size_t n_bytes)
{
	char *part = copy_of(e->bytes, n_bytes);
	size_t used = 0, more = 0;

	ck_assert_int_eq(ipk__resp_read_request(r, part, n_bytes, &used, &more), 0);
	ck_assert_uint_ge(more, 1);
	ck_assert_uint_le(n_bytes + more, e->n_bytes);
	free(part);
}

static void ck_whole(struct ipk__resp_reader *r, const struct example *e, const char *after)
{
	char all[512];
	size_t n = e->n_bytes + strlen(after);
	size_t used = 0, more = 0;
	char *data;

	memcpy(all, e->bytes, e->n_bytes);
	strcpy(all + e->n_bytes, after);
	data = copy_of(all, n);
	ck_assert_int_eq(ipk__resp_read_request(r, data, n, &used, &more), 1);
	ck_assert_uint_eq(used, e->n_bytes);
	ck_words(r, e->words);
	free(data);
}

START_TEST(whole)
{
	struct ipk__resp_reader r;

	ipk__resp_reader_init(&r, &ample);
	ck_whole(&r, &examples[_i], "");
	ck_whole(&r, &examples[_i], "*1\r\n$4\r\nPING\r\n");
	ck_whole(&r, &examples[_i], "x");
	ipk__resp_reader_free(&r);
}
END_TEST

START_TEST(split_in_two_anywhere)
{
	const struct example *e = &examples[_i];
	struct ipk__resp_reader r;

	ipk__resp_reader_init(&r, &ample);
	for (size_t n = 0; n < e->n_bytes; n++) {
		ck_more(&r, e, n);
		ck_whole(&r, e, n % 2 ? "QUIT\r\n" : "");
	}
	ipk__resp_reader_free(&r);
}
END_TEST

START_TEST(split_in_three_anywhere)
{
	const struct example *e = &examples[_i];
	struct ipk__resp_reader r;

	ipk__resp_reader_init(&r, &ample);
	for (size_t n = 0; n < e->n_bytes; n++) {
		for (size_t m = n; m < e->n_bytes; m++) {
			ck_more(&r, e, n);
			ck_more(&r, e, m);
			ck_whole(&r, e, "");
		}
	}
	ipk__resp_reader_free(&r);
}
END_TEST

START_TEST(byte_by_byte)
{
	const struct example *e = &examples[_i];
	struct ipk__resp_reader r;

	ipk__resp_reader_init(&r, &ample);
	for (int again = 0; again < 2; again++) {
		for (size_t n = 0; n < e->n_bytes; n++)
			ck_more(&r, e, n);
		ck_whole(&r, e, "");
	}
	ipk__resp_reader_free(&r);
}
END_TEST

START_TEST(every_byte_in_an_argument)
{
	char request[300] = "*1\r\n$256\r\n";
	struct ipk__resp_reader r;
	size_t n = strlen(request);
	size_t used, more;

	for (int i = 0; i < 256; i++)
		request[n + (size_t)i] = (char)i;
	memcpy(request + n + 256, "\r\n", 2);
	ipk__resp_reader_init(&r, &ample);
	ck_assert_int_eq(ipk__resp_read_request(&r, request, n + 258, &used, &more), 1);
	ck_assert_uint_eq(r.argv[0].n_bytes, 256);
	ck_assert_mem_eq(r.argv[0].bytes, request + n, 256);
	ipk__resp_reader_free(&r);
}
END_TEST

/* --- what is refused -------------------------------------------------------------------------- */

static const struct {
	const char *bytes, *error;
} broken[] = {
	{"*2147483648\r\n", "invalid multibulk length"},
	{"*1048577\r\n", "invalid multibulk length"},
	{"*99999999999999999999\r\n", "invalid multibulk length"},
	{"*x\r\n", "invalid multibulk length"},
	{"*\r\n", "invalid multibulk length"},
	{"*+1\r\n", "invalid multibulk length"},
	{"*01\r\n", "invalid multibulk length"},
	{"*1 \r\n", "invalid multibulk length"},
	{"*1\rx", "invalid multibulk length"},
	{"*11111111111111111111111111111111111111", "invalid multibulk length"},
	{"*1\r\n$9999999999\r\n", "invalid bulk length"},
	{"*1\r\n$536870913\r\n", "invalid bulk length"},
	{"*1\r\n$-1\r\n", "invalid bulk length"},
	{"*1\r\n$\r\n", "invalid bulk length"},
	{"*1\r\n$1111111111111111111111111111111111111", "invalid bulk length"},
	{"*1\r\n:1\r\n", "expected '$', got ':'"},
	{"*2\r\n$1\r\na\r\nx", "expected '$', got 'x'"},
	{"*1\r\n*1\r\n$1\r\na\r\n", "expected '$', got '*'"},
	{"*1\r\n$3\r\nabcd\r\n", "expected CR LF after an argument"},
	{"*1\r\n$3\r\nabc\rx", "expected CR LF after an argument"},
	{"set k \"a\r\n", "unbalanced quotes in request"},
	{"set k 'a\r\n", "unbalanced quotes in request"},
	{"set k \"a\"b\r\n", "unbalanced quotes in request"},
	{"set k \"a\\\"\r\n", "unbalanced quotes in request"},
};

START_TEST(broken_requests)
{
	size_t n = strlen(broken[_i].bytes);
	size_t used = 777, more = 777;
	struct ipk__resp_reader r;
	char *data = copy_of(broken[_i].bytes, n);
	int found = 0;

	ipk__resp_reader_init(&r, &ample);
	ck_err(ipk__resp_read_request(&r, data, n, &used, &more), -EPROTO);
	ck_assert_str_eq(r.error, broken[_i].error);
	ck_assert_uint_eq(used, 777);
	/* The same when it comes in pieces. */
	for (size_t m = 1; m <= n && found == 0; m++)
		found = ipk__resp_read_request(&r, data, m, &used, &more);
	ck_assert_int_eq(found, -EPROTO);
	ck_assert_str_eq(r.error, broken[_i].error);
	free(data);
	ipk__resp_reader_free(&r);
}
END_TEST

static int read_with(const struct ipk__resp_limits *limits, const char *bytes, size_t n_bytes)
{
	struct ipk__resp_reader r;
	size_t used, more;
	int found;

	ipk__resp_reader_init(&r, limits);
	found = ipk__resp_read_request(&r, bytes, n_bytes, &used, &more);
	ipk__resp_reader_free(&r);
	return found;
}

#define read_literal(limits, bytes) read_with(limits, bytes, sizeof(bytes) - 1)

START_TEST(limits_to_the_byte)
{
	struct ipk__resp_limits args = ample, bulk = ample, line = ample, total = ample;

	args.args_max = 2;
	ck_assert_int_eq(read_literal(&args, "*2\r\n"), 0);
	ck_err(read_literal(&args, "*3\r\n"), -EPROTO);
	bulk.bulk_max = 100;
	ck_assert_int_eq(read_literal(&bulk, "*1\r\n$100\r\n"), 0);
	ck_err(read_literal(&bulk, "*1\r\n$101\r\n"), -EPROTO);
	ck_assert_int_eq(read_literal(&ample, "*1048576\r\n$536870912\r\n"), 0);
	line.inline_max = 6;
	ck_assert_int_eq(read_literal(&line, "abcdef"), 0);
	ck_assert_int_eq(read_literal(&line, "abcdef\n"), 1);
	ck_err(read_literal(&line, "abcdefg"), -EPROTO);
	ck_err(read_literal(&line, "abcdefg\n"), -EPROTO);
	total.total_max = 4 + 5 + 10;
	ck_assert_int_eq(read_literal(&total, "*2\r\n$10\r\n"), 0);
	ck_err(read_literal(&total, "*2\r\n$11\r\n"), -EPROTO);
}
END_TEST

/* A promise of many arguments costs nothing until they come. */
START_TEST(promised_arguments_take_no_memory)
{
	struct ipk__resp_reader r;
	size_t used, more;

	ipk__resp_reader_init(&r, &ample);
	ck_assert_int_eq(ipk__resp_read_request(&r, "*1048576\r\n$1\r\na\r\n", 17, &used, &more),
			 0);
	ck_assert_uint_le(r.argv_room, 8);
	ipk__resp_reader_free(&r);
}
END_TEST

START_TEST(hint_tells_what_an_argument_lacks)
{
	struct ipk__resp_reader r;
	size_t used, more = 0;

	ipk__resp_reader_init(&r, &ample);
	ck_assert_int_eq(ipk__resp_read_request(&r, "*1\r\n$1000\r\nab", 13, &used, &more), 0);
	ck_assert_uint_eq(more, 1000);
	ipk__resp_reader_free(&r);
}
END_TEST

START_TEST(many_arguments_byte_by_byte)
{
	enum { N = 3000 };
	struct ipk__buffer b = {0};
	struct ipk__slice argv[N];
	struct ipk__resp_reader r;
	size_t used, more;

	for (size_t i = 0; i < N; i++)
		argv[i] = IPK__SLICE("0123456789", i % 11);
	ipk__resp_request(&b, argv, N);
	ipk__resp_reader_init(&r, &ample);
	for (size_t n = 0; n < ipk__buffer_len(&b); n++)
		ck_assert_int_eq(ipk__resp_read_request(&r, ipk__buffer_front(&b), n, &used, &more),
				 0);
	ck_assert_int_eq(ipk__resp_read_request(&r, ipk__buffer_front(&b), ipk__buffer_len(&b),
						&used, &more),
			 1);
	ck_assert_uint_eq(r.argc, N);
	for (size_t i = 0; i < N; i++)
		ck_assert(ipk__slice_equal(r.argv[i], argv[i]));
	/* The memory for so many is not kept. */
	ck_assert_int_eq(ipk__resp_read_request(&r, "PING\r\n", 6, &used, &more), 1);
	ck_assert_uint_lt(r.argv_room, N);
	ipk__resp_reader_free(&r);
	ipk__buffer_free(&b);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("resp_request");
	int n = (int)(sizeof examples / sizeof examples[0]);

	add_loop_test(s, whole, 0, n);
	add_loop_test(s, split_in_two_anywhere, 0, n);
	add_loop_test(s, split_in_three_anywhere, 0, n);
	add_loop_test(s, byte_by_byte, 0, n);
	add_test(s, every_byte_in_an_argument);
	add_loop_test(s, broken_requests, 0, (int)(sizeof broken / sizeof broken[0]));
	add_test(s, limits_to_the_byte);
	add_test(s, promised_arguments_take_no_memory);
	add_test(s, hint_tells_what_an_argument_lacks);
	add_test(s, many_arguments_byte_by_byte);
	return s;
}

IPK_TEST_MAIN(suite)
