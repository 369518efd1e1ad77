/* test_address.c - addresses of every form, and invalid ones. */
#include <string.h>

#include "net/address.h"
#include "support/support.h"

static struct ipk__address parsed(const char *text)
{
	struct ipk__address a;
	int r = ipk__address_parse(text, &a);

	ck_assert_msg(r == 0, "%s is -%s", text, ipk_errname(r));
	return a;
}

static void ck_host(const struct ipk__address *a, const char *host, const char *port)
{
	ck_assert_str_eq(a->host, host);
	ck_assert_str_eq(a->port, port);
}

START_TEST(paths)
{
	struct ipk__address a = parsed("unix:/run/x y:z@%41");

	ck_assert_int_eq(a.kind, IPK__ADDRESS_UNIX);
	ck_assert_str_eq(a.path, "/run/x y:z@%41");
	ck_assert(!a.is_python);
	a = parsed("python:/tmp/s");
	ck_assert_int_eq(a.kind, IPK__ADDRESS_UNIX);
	ck_assert_str_eq(a.path, "/tmp/s");
	ck_assert(a.is_python);
}
END_TEST

START_TEST(longest_path)
{
	char text[200] = "unix:";
	struct ipk__address a;

	memset(text + 5, 'a', IPK__ADDRESS_PATH_MAX);
	ck_assert_uint_eq(strlen(parsed(text).path), IPK__ADDRESS_PATH_MAX);
	text[5 + IPK__ADDRESS_PATH_MAX] = 'a';
	ck_err(ipk__address_parse(text, &a), -EINVAL);
}
END_TEST

START_TEST(tcp)
{
	struct ipk__address a = parsed("tcp:localhost:6379");

	ck_assert_int_eq(a.kind, IPK__ADDRESS_TCP);
	ck_host(&a, "localhost", "6379");
	a = parsed("tcp:[::1]:0");
	ck_host(&a, "::1", "0");
	a = parsed("tcp:[fe80::1%eth0]:65535");
	ck_host(&a, "fe80::1%eth0", "65535");
	a = parsed("tcp::80");
	ck_host(&a, "", "80");
	a = parsed("python:tcp:127.0.0.1:99");
	ck_assert_int_eq(a.kind, IPK__ADDRESS_TCP);
	ck_assert(a.is_python);
	ck_host(&a, "127.0.0.1", "99");
}
END_TEST

static const char *const wrong[] = {
	"",          "unix",         "unix:",       "/tmp/x",    "tcp:",       "tcp:h",
	"tcp:h:",    "tcp:h:x",      "tcp:h:65536", "tcp:h:-1",  "tcp:h:01",   "tcp:h:1 ",
	"tcp::1:80", "tcp:[::1]80",  "tcp:[::1:80", "tcp:[]:80", "tcp:a b:80", "tcp:h:80/",
	"http://h",  "redis://h:1", /* not in this room */
	"python:",   "python:tcp:h",
};

START_TEST(wrong_addresses)
{
	struct ipk__address a = {.port = "777"};

	ck_err(ipk__address_parse(wrong[_i], &a), -EINVAL);
	ck_assert_str_eq(a.port, "777");
}
END_TEST

START_TEST(too_long_parts)
{
	struct ipk__address a;
	char text[300] = "tcp:";

	ck_err(ipk__address_parse(NULL, &a), -EINVAL);
	memset(text + 4, 'h', 256);
	strcpy(text + 4 + 256, ":1");
	ck_err(ipk__address_parse(text, &a), -EINVAL);
	strcpy(text + 4 + 255, ":1");
	ck_assert_uint_eq(strlen(parsed(text).host), 255);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("address");

	add_test(s, paths);
	add_test(s, longest_path);
	add_test(s, tcp);
	add_loop_test(s, wrong_addresses, 0, (int)(sizeof wrong / sizeof wrong[0]));
	add_test(s, too_long_parts);
	return s;
}

IPK_TEST_MAIN(suite)
