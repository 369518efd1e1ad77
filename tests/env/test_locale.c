/*
 * test_locale.c - a host that has set its user's locale, where numbers have a comma: the bytes to a
 * server, in its log and in the output of inspection do not change.
 *
 * The locale is compiled for the run, from the descriptions that come with the C library.
 */
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/decimal.h"
#include "ipk.h"
#include "ipk/manager.h"
#include "ipk/manager_server.h"
#include "ipk/manager_value.h"
#include "support/support.h"

enum { SKIPPED = 77 };

static ipk_deadline soon(void)
{
	return ipk_in_ms(WAIT_MS);
}

START_TEST(the_locale_has_a_comma)
{
	char buf[16];

	ck_assert_str_eq(localeconv()->decimal_point, ",");
	snprintf(buf, sizeof buf, "%.1f", 0.5);
	ck_assert_str_eq(buf, "0,5");
}
END_TEST

START_TEST(numbers_of_the_library)
{
	char buf[64], *end;

	ck_assert_uint_eq(ipk__decimal(buf, sizeof buf, "%.17g", -1234.5), 7);
	ck_assert_str_eq(buf, "-1234.5");
	ipk__decimal(buf, sizeof buf, "%.17Lf", 0.25L);
	ck_assert_str_eq(buf, "0.25000000000000000");
	ck_assert(ipk__read_double("0.5", NULL) == 0.5);
	ck_assert(ipk__read_float("0.5", NULL) == 0.5F);
	ck_assert(ipk__read_long_double("0,5", &end) == 0 && *end == ',');
}
END_TEST

START_TEST(typed_values_as_text)
{
	size_t len_bytes, text_bytes;
	void *data = NULL;
	char text[64];

	ck_ok(ipk_pack(&data, &len_bytes, "[d d]", 0.5, 1e300));
	ck_ok(ipk_pack_to_text(data, len_bytes, text, sizeof text, &text_bytes));
	ck_assert_str_eq(text, "[0.5, 1e+300]");
	free(data);
}
END_TEST

static const char *item_of(ipk_inspect *snap, const char *label)
{
	for (size_t i = 0; i < ipk_inspect_len(snap); i++) {
		const ipk_inspect_object *o = ipk_inspect_object_at(snap, i);

		if (strcmp(o->name, label) == 0)
			return ipk_inspect_item_at(o, 0);
	}
	return "none";
}

START_TEST(inspected_values)
{
	IPK_AUTO(inspect, snap);
	IPK_AUTO(value, v);
	char name[UNIQUE_NAME_BYTES];
	double d = -2.5;

	unique_name(name, "comma");
	ck_ok(ipk_value_create(IPK_VALUE(.name = name, .typecode = 'd', .item = &d), &v));
	ck_ok(ipk_inspect_scan(NULL, &snap));
	ck_assert_str_eq(item_of(snap, name), "-2.5");
	ck_ok(ipk_value_unlink(name));
}
END_TEST

/* --- the manager ------------------------------------------------------------------------------ */

struct fixture {
	char directory[64];
	char log[96];
	ipk_manager_server *server;
	ipk_manager *m;
};

static void start(struct fixture *f)
{
	ck_ok(ipk_manager_server_start(IPK_MANAGER_SERVER(.log_path = f->log), soon(), &f->server));
	ck_ok(ipk_manager_connect(ipk_manager_server_address(f->server), NULL, soon(), &f->m));
}

static void stop(struct fixture *f)
{
	f->m = ipk_manager_close(f->m);
	f->server = ipk_manager_server_close(f->server);
}

static void ck_value(struct fixture *f, const char *name, const char *text)
{
	IPK_AUTO(managed_value, v);
	char buf[64] = "";
	size_t n = 0;

	ck_ok(ipk_managed_value_open(f->m, name, &v));
	ck_ok(ipk_managed_value_get(v, buf, sizeof buf - 1, soon(), &n));
	buf[n] = '\0';
	ck_assert_str_eq(buf, text);
}

static bool file_has(const char *path, const char *text)
{
	static char bytes[1 << 20];
	FILE *file = fopen(path, "re");
	size_t n;

	ck_assert_ptr_nonnull(file);
	n = fread(bytes, 1, sizeof bytes, file);
	fclose(file);
	return memmem(bytes, n, text, strlen(text)) != NULL;
}

START_TEST(a_manager_adds_and_remembers)
{
	struct fixture f = {.directory = "/tmp/ipk-test-XXXXXX"};
	ipk_managed_value *v = NULL;
	double d = -1;

	ck_assert_ptr_nonnull(mkdtemp(f.directory));
	snprintf(f.log, sizeof f.log, "%s/log", f.directory);
	start(&f);
	ck_ok(ipk_managed_value_open(f.m, "sum", &v));
	ck_ok(ipk_managed_value_add_double(v, 0.5, soon(), &d));
	ck_assert(d == 0.5);
	ck_ok(ipk_managed_value_add_double(v, 1.25, soon(), &d));
	ck_assert(d == 1.75);
	v = ipk_managed_value_close(v);
	ck_value(&f, "sum", "1.75");
	stop(&f);
	ck_assert(file_has(f.log, "1.75"));
	ck_assert(!file_has(f.log, "1,75"));
	start(&f);
	ck_value(&f, "sum", "1.75");
	stop(&f);
	ck_assert_int_eq(unlink(f.log), 0);
	ck_assert_int_eq(rmdir(f.directory), 0);
}
END_TEST

/* --- the locale ------------------------------------------------------------------------------- */

static bool take_locale(void)
{
	char directory[64], command[256];
	bool has = false;

	snprintf(directory, sizeof directory, "/tmp/ipk-locale-%d", (int)getpid());
	if (mkdir(directory, 0700) == 0) {
		snprintf(command, sizeof command,
			 "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1", directory);
		(void)!system(command); /* it also fails over a mere warning */
		setenv("LOCPATH", directory, 1);
		/* musl takes every name, and has points everywhere. */
		has = setlocale(LC_ALL, "de_DE.UTF-8") && *localeconv()->decimal_point == ',';
		snprintf(command, sizeof command, "rm -r %s", directory);
		(void)!system(command);
	}
	return has;
}

static Suite *suite(void)
{
	Suite *s = suite_create("locale");

	add_test(s, the_locale_has_a_comma);
	add_test(s, numbers_of_the_library);
	add_test(s, typed_values_as_text);
	add_test(s, inspected_values);
	add_test(s, a_manager_adds_and_remembers);
	return s;
}

int main(void)
{
	if (!take_locale()) {
		fprintf(stderr, "skipped: no locale de_DE (Debian: locales)\n");
		return SKIPPED;
	}
	return support_run(suite());
}
