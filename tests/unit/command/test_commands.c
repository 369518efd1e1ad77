/* test_commands.c - finding commands, and replies and arguments of one word. */
#include <string.h>

#include "server/server_core.h"
#include "support/support.h"

static struct ipk__buffer out;

static struct ipk__request request(const struct ipk__slice *argv, size_t argc)
{
	return (struct ipk__request){
		.argv = argv,
		.argc = argc,
		.out = &out,
		.resp = 2,
		.now_ms = 1700000000000,
		.command = ipk__command_find(argv[0]),
	};
}

static void said(const char *text)
{
	struct ipk__slice all = IPK__SLICE(ipk__buffer_front(&out), ipk__buffer_len(&out));

	ck_assert_msg(ipk__slice_equal(all, ipk__slice_of_string(text)), "it said %.*s, not %s",
		      (int)all.n_bytes, all.bytes, text);
	ipk__buffer_free(&out);
}

START_TEST(every_command_is_found_by_its_name)
{
	size_t n = 0;

	for (; ipk__command_at(n); n++) {
		const struct ipk__command *c = ipk__command_at(n);
		char lower[64];
		size_t len = strlen(c->name);

		ck_assert_uint_lt(len, sizeof lower);
		for (size_t i = 0; i <= len; i++)
			lower[i] = c->name[i] >= 'A' && c->name[i] <= 'Z'
					   ? (char)(c->name[i] | 0x20)
					   : c->name[i];
		ck_assert_msg(ipk__command_find(ipk__slice_of_string(c->name)) == c,
			      "%s is there twice", c->name);
		ck_assert_ptr_eq(ipk__command_find(IPK__SLICE(lower, len)), c);
		ck_assert_ptr_ne(ipk__command_find(IPK__SLICE(lower, len - 1)), c);
		ck_assert_ptr_nonnull(c->fn);
		ck_assert_ptr_nonnull(c->group);
		ck_assert_int_ne(c->arity, 0);
		ck_assert(c->first_key == 0 || c->key_step != 0 ||
			  (c->flags & IPK__CMD_MOVABLE_KEYS));
		ck_assert_msg(!(c->flags & IPK__CMD_READ) || !(c->flags & IPK__CMD_WRITE), "%s",
			      c->name);
		ck_assert_msg(((c->flags & IPK__CMD_OWN) != 0) ==
				      (strncmp(c->name, "IPK.", 4) == 0),
			      "%s is marked as another's", c->name);
	}
	ck_assert_uint_gt(n, 150);
	ck_assert_uint_lt(n, IPK__COMMANDS_MAX);
	ck_assert_ptr_null(ipk__command_find(IPK__SLICE_OF("NOSUCH")));
	ck_assert_ptr_null(ipk__command_find(IPK__SLICE(NULL, 0)));
	ck_assert_ptr_null(ipk__command_find(IPK__SLICE("GET\0", 4)));
}
END_TEST

static bool timeout_of(const char *text, int64_t *ret_ms)
{
	struct ipk__slice argv[2] = {IPK__SLICE_OF("GET"), ipk__slice_of_string(text)};
	struct ipk__request q = request(argv, 2);

	return ipk__arg_timeout_ms(&q, 1, ret_ms);
}

START_TEST(timeouts)
{
	int64_t ms = 7;

	ck_assert(timeout_of("0", &ms));
	ck_assert_int_eq(ms, -1);
	ck_assert(timeout_of("1.5", &ms));
	ck_assert_int_eq(ms, 1500);
	ck_assert(timeout_of("0.0001", &ms));
	ck_assert_int_eq(ms, 1);
	said("");
	ck_assert(!timeout_of("-1", &ms));
	said("-ERR timeout is negative\r\n");
	ck_assert(!timeout_of("abc", &ms));
	said("-ERR timeout is not a float or out of range\r\n");
	ck_assert(!timeout_of("nan", &ms));
	said("-ERR timeout is not a float or out of range\r\n");
	/* As Redis has it: what is too much for 64 bits has turned negative. */
	ck_assert(!timeout_of("1e30", &ms));
	said("-ERR timeout is negative\r\n");
	ck_assert_int_eq(ms, 1);
}
END_TEST

START_TEST(numbers)
{
	static const char *const bad[] = {"", " 1", "1 ", "+1", "01", "1.0", "9223372036854775808"};
	static const struct ipk__slice no_doubles[] = {
		{"1e", sizeof("1e") - 1}, IPK__SLICE_OF("1\0"),
		IPK__SLICE_OF("1e9999"),  {"1e-9999", sizeof("1e-9999") - 1},
		IPK__SLICE_OF("-1e9999"),
	};
	struct ipk__slice argv[2] = {IPK__SLICE_OF("GET")};
	struct ipk__request doubles;
	long double d = 3;
	int64_t n = 7;

	for (size_t i = 0; i < IPK__N_OF(bad); i++) {
		struct ipk__request q;

		argv[1] = ipk__slice_of_string(bad[i]);
		q = request(argv, 2);
		ck_assert_msg(!ipk__arg_integer(&q, 1, &n), "'%s'", bad[i]);
		said("-ERR value is not an integer or out of range\r\n");
	}
	ck_assert_int_eq(n, 7);
	for (size_t i = 0; i < IPK__N_OF(no_doubles); i++) {
		struct ipk__request q;

		argv[1] = no_doubles[i];
		q = request(argv, 2);
		ck_assert(!ipk__arg_double(&q, 1, &d));
		said("-ERR value is not a valid float\r\n");
	}
	argv[1] = IPK__SLICE_OF("0e5");
	doubles = request(argv, 2);
	ck_assert(ipk__arg_double(&doubles, 1, &d) && d == 0);
	argv[1] = IPK__SLICE_OF("-inf");
	doubles = request(argv, 2);
	ck_assert(ipk__arg_double(&doubles, 1, &d) && d < 0);
	said("");
}
END_TEST

START_TEST(errors_are_one_line)
{
	struct ipk__slice argv[1] = {IPK__SLICE_OF("get")};
	struct ipk__request q = request(argv, 1);

	ipk__reply_error(&q, "ERR two\r\nlines of '%s'", "text");
	said("-ERR two  lines of 'text'\r\n");
	ipk__reply_wrong_arity(&q);
	said("-ERR wrong number of arguments for 'get' command\r\n");
	ipk__reply_failed(&q, -ENOSPC);
	said("-OOM command not allowed when used memory > 'maxmemory'.\r\n");
	ipk__reply_ok(&q);
	said("+OK\r\n");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("commands");

	ipk__server_add_commands();
	add_test(s, every_command_is_found_by_its_name);
	add_test(s, timeouts);
	add_test(s, numbers);
	add_test(s, errors_are_one_line);
	return s;
}
IPK_TEST_MAIN(suite)
