/*
 * test_log_load.c - a log cut at each byte, and with each bit flipped: loads what was complete, or
 * is refused.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log/log_internal.h"
#include "os/os.h"
#include "server/server_core.h"
#include "support/support.h"

enum { N_RECORDS = 115, STATE_BYTES = 2048, FLIP_STEP = 5 };

static char directory[64];
static char address[128];
static struct ipk__server *server;
static int fd = -1; /* the log, in memory */
static uint64_t size;
static uint64_t ends[N_RECORDS + 2];
static char states[N_RECORDS + 2][STATE_BYTES];
static char trouble[256];

static void execute(const char *line, struct ipk__buffer *out, struct ipk__log *log)
{
	struct ipk__slice argv[8];
	struct ipk__log_request r = {.argv = argv};

	for (const char *p = line; *p;) {
		const char *end = strchrnul(p, ' ');

		argv[r.argc++] = IPK__SLICE(p, (size_t)(end - p));
		p = *end ? end + 1 : end;
	}
	ck_assert_msg(ipk__execute_logged(server, argv, r.argc, out), "%s", line);
	if (log)
		ipk__log_append(log, &r, false);
}

static void get_state(char *text)
{
	static const char *const lines[] = {"GET n",     "LRANGE l 0 -1", "HGET h f0",
					    "HGET h f1", "HGET h f2",     "DBSIZE"};
	struct ipk__buffer out = {0};

	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		execute(lines[i], &out, NULL);
	ck_assert_uint_lt(ipk__buffer_len(&out), STATE_BYTES);
	snprintf(text, STATE_BYTES, "%.*s", (int)ipk__buffer_len(&out), ipk__buffer_front(&out));
	ipk__buffer_free(&out);
}

static void do_something(struct ipk__log *log, int i)
{
	struct ipk__buffer out = {0};
	char line[64];

	switch (i % 4) {
	case 0:
		snprintf(line, sizeof line, "INCR n");
		break;
	case 1:
		snprintf(line, sizeof line, "RPUSH l item%d", i);
		break;
	case 2:
		snprintf(line, sizeof line, "HSET h f%d %d", i % 3, i);
		break;
	default:
		snprintf(line, sizeof line, "LTRIM l -9 -1");
	}
	execute(line, &out, log);
	ipk__buffer_free(&out);
}

static void make_log(void)
{
	struct ipk__log log = {.mark = 1};

	ck_ok(ipk__os_memfd("log", &fd));
	ipk__log_file_init(&log.main, fd, 0, 0);
	ipk__log_file_mark(&log.main, IPK__LOG_FILE);
	get_state(states[0]);
	for (int i = 0; i <= N_RECORDS; i++) {
		if (i > 0)
			do_something(&log, i - 1);
		ck_ok(ipk__log_flush(&log));
		ends[i + 1] = log.main.n_bytes;
		get_state(states[i + 1]);
	}
	size = log.main.n_bytes;
	ipk__log_file_fini(&log.main);
}

static void setup(void)
{
	struct ipk__server_config config = {
		.address = address, .trouble = trouble, .trouble_bytes = sizeof trouble};

	snprintf(directory, sizeof directory, "/tmp/ipk-load-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(address, sizeof address, "unix:%s/s", directory);
	ck_ok(ipk__server_create(&config, &server));
	make_log();
}

static void teardown(void)
{
	ipk__os_close(fd);
	ipk__server_close(server);
	ck_assert_int_eq(rmdir(directory), 0);
}

static int load_into(struct ipk__log *log, uint64_t *ret_bytes)
{
	struct ipk__log_opts opts = ipk__server_log_opts(server);

	opts.path = "log";
	return ipk__log_load(log, &opts, fd, ret_bytes);
}

/* What is loaded must be the state after some record, of which *ret_n is the number. */
static int load(int *ret_n)
{
	struct ipk__log log = {0};
	char state[STATE_BYTES];
	uint64_t n_bytes;
	int n = 0;
	int r;

	ipk__keys_clear(server->db.store);
	r = load_into(&log, &n_bytes);
	if (r < 0)
		return r;
	while (n <= N_RECORDS && ends[n] < n_bytes)
		n++;
	ck_assert_uint_eq(ends[n], n_bytes);
	get_state(state);
	ck_assert_str_eq(state, states[n]);
	*ret_n = n;
	return 0;
}

START_TEST(whole_log_is_loaded)
{
	int n;

	ck_assert_uint_gt(size, 9000);
	ck_ok(load(&n));
	ck_assert_int_eq(n, N_RECORDS + 1);
}
END_TEST

START_TEST(cut_at_each_byte)
{
	int n, want = N_RECORDS + 1;

	for (uint64_t at = size; at-- > 0;) {
		while (ends[want] > at)
			want--;
		ck_assert_int_eq(ftruncate(fd, (off_t)at), 0);
		ck_ok(load(&n));
		ck_assert_int_eq(n, want);
	}
}
END_TEST

START_TEST(zeros_behind_the_end_are_cut)
{
	int n;

	ck_assert_int_eq(ftruncate(fd, (off_t)size + 100000), 0);
	ck_ok(load(&n));
	ck_assert_int_eq(n, N_RECORDS + 1);
	ck_assert_int_eq(ftruncate(fd, (off_t)size - 30), 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)size + 5000), 0);
	ck_ok(load(&n));
	ck_assert_int_eq(n, N_RECORDS);
}
END_TEST

START_TEST(flip_bits)
{
	unsigned n_refused = 0;
	int n;

	for (uint64_t bit = 0; bit < 8 * size; bit += FLIP_STEP) {
		unsigned char byte, flipped;

		ck_ok(ipk__os_pread(fd, &byte, 1, bit / 8));
		flipped = byte ^ (unsigned char)(1 << bit % 8);
		ck_ok(ipk__os_pwrite(fd, &flipped, 1, bit / 8));
		trouble[0] = 0;
		if (load(&n) == -EBADMSG) {
			n_refused++;
			ck_assert_ptr_nonnull(strstr(trouble, "refused at byte"));
		} else {
			ck_assert_int_le(n, N_RECORDS);
		}
		ck_ok(ipk__os_pwrite(fd, &byte, 1, bit / 8));
	}
	ck_assert_uint_gt(n_refused, 7 * size / FLIP_STEP);
}
END_TEST

START_TEST(other_files_are_refused)
{
	static const char *const files[] = {
		"hello", "*1\r\n$4\r\nPING\r\n", "REDIS0009 and so on",
		"#ipk2 0000000000 00000000 - 0000000000000000 f 00000000\r\n"};

	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		struct ipk__log log = {0};
		uint64_t n_bytes = 7;

		ck_assert_int_eq(ftruncate(fd, 0), 0);
		ck_ok(ipk__os_pwrite(fd, files[i], strlen(files[i]), 0));
		ck_err(load_into(&log, &n_bytes), -EBADMSG);
		ck_assert_uint_eq(n_bytes, 7);
	}
}
END_TEST

/* Its checksums are right, but the server cannot do what it says. */
START_TEST(commands_that_fail_are_refused)
{
	struct ipk__log log = {.mark = 1};
	struct ipk__slice argv[3] = {IPK__SLICE_OF("RPUSH"), IPK__SLICE_OF("n"),
				     IPK__SLICE_OF("n is no list")};
	struct ipk__log_request r = {.argv = argv, .argc = 3};
	uint64_t n_bytes;

	ipk__keys_clear(server->db.store);
	ck_ok(load_into(&log, &n_bytes));
	ck_assert(lseek(fd, 0, SEEK_END) > 0);
	ipk__log_append(&log, &r, false);
	ck_ok(ipk__log_flush(&log));
	ipk__keys_clear(server->db.store);
	ipk__log_file_fini(&log.main);
	ck_err(load_into(&log, &n_bytes), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(trouble, "a command in it fails"));
}
END_TEST

static void add(Suite *s, const char *name, const TTest *test)
{
	TCase *tc = support_case(s, name, TEST_SECONDS, true);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test);
}

static Suite *suite(void)
{
	Suite *s = suite_create("log_load");

#define ADD(test) add(s, #test, test)
	ADD(whole_log_is_loaded);
	ADD(cut_at_each_byte);
	ADD(zeros_behind_the_end_are_cut);
	ADD(flip_bits);
	ADD(other_files_are_refused);
	ADD(commands_that_fail_are_refused);
	return s;
}
IPK_TEST_MAIN(suite)
