/* test_log.c - writing the log, when the file or the disk fails. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/os.h"
#include "log/log_internal.h"
#include "server/server_core.h"
#include "support/support.h"

static char directory[64];
static char address[128];
static char path[128];
static struct ipk__server_config config;
static struct ipk__server *server;
static struct ipk__conn conn;

static void setup(void)
{
	snprintf(directory, sizeof directory, "/tmp/ipk-log-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(address, sizeof address, "unix:%s/s", directory);
	snprintf(path, sizeof path, "%s/log", directory);
	config = (struct ipk__server_config){
		.address = address, .log_path = path, .rewrite_percent = -1};
	conn = (struct ipk__conn){0};
}

static void teardown(void)
{
	unlink(path);
	ck_assert_int_eq(rmdir(directory), 0);
}

static void open_server(int fsync)
{
	config.fsync = fsync;
	ck_ok(ipk__server_create(&config, &server));
}

/* Done and appended, as ipk__execute() does it for a peer. */
static void incr(const char *key)
{
	struct ipk__slice argv[2] = {IPK__SLICE_OF("INCR"), ipk__slice_of_string(key)};
	struct ipk__request q = {
		.db = &server->db, .peer = &conn.peer, .argv = argv, .argc = 2, .n_changes = 1};
	struct ipk__buffer out = {0};

	q.command = ipk__command_find(argv[0]);
	ipk__request_log_before(&q);
	ck_assert(ipk__execute_logged(server, argv, 2, &out));
	ipk__request_log(&q);
	ipk__buffer_free(&out);
}

static void ck_number(const char *key, const char *want)
{
	struct ipk__slice argv[2] = {IPK__SLICE_OF("GET"), ipk__slice_of_string(key)};
	struct ipk__buffer out = {0};

	ck_assert(ipk__execute_logged(server, argv, 2, &out));
	ipk__buffer_append(&out, "", 1);
	ck_assert_str_eq(ipk__buffer_front(&out), want);
	ipk__buffer_free(&out);
}

static bool flushes(void *arg)
{
	(void)arg;
	ipk__log_step(server->log, 1000000);
	return ipk__log_flush(server->log) == 0;
}

START_TEST(nothing_is_told_before_it_is_written)
{
	int good, full;

	open_server(IPK__FSYNC_NO);
	incr("a");
	ck_assert(!ipk__log_has(server->log, conn.log_mark));
	ck_ok(ipk__log_flush(server->log));
	ck_assert(ipk__log_has(server->log, conn.log_mark));

	good = server->log->main.fd;
	full = open("/dev/full", O_RDWR);
	server->log->main.fd = full;
	ck_ok(ipk__log_flush(server->log)); /* a turn without a change */
	incr("a");
	ck_assert(!ipk__log_has(server->log, conn.log_mark));
	ck_err(ipk__log_flush(server->log), -ENOSPC);
	ck_assert(!ipk__log_has(server->log, conn.log_mark));
	ck_assert(ipk__log_refuses_writes(server->log));
	ck_assert_int_lt(ipk__log_room(server->log, 1), 0);

	server->log->main.fd = good;
	close(full);
	ck_assert(wait_until(flushes, NULL, WAIT_MS));
	ck_assert(ipk__log_has(server->log, conn.log_mark));
	ck_ok(ipk__log_room(server->log, 1));
	ipk__server_close(server);

	open_server(IPK__FSYNC_NO);
	ck_number("a", "$1\r\n2\r\n");
	ipk__server_close(server);
}
END_TEST

START_TEST(part_of_a_record_is_cut_off_again)
{
	struct stat before, after;
	char line[64];

	open_server(IPK__FSYNC_NO);
	incr("a");
	ck_ok(ipk__log_flush(server->log));
	ck_assert_int_eq(stat(path, &before), 0);
	/* As if a write had stopped in the middle. */
	memset(line, 'x', sizeof line);
	ck_assert_int_eq(write(server->log->main.fd, line, sizeof line), sizeof line);
	ck_ok(ipk__os_file_truncate(server->log->main.fd, server->log->main.n_bytes));
	incr("a");
	ck_ok(ipk__log_flush(server->log));
	ck_assert_int_eq(stat(path, &after), 0);
	ck_assert_int_gt(after.st_size, before.st_size);
	ipk__server_close(server);
	open_server(IPK__FSYNC_NO);
	ck_number("a", "$1\r\n2\r\n");
	ipk__server_close(server);
}
END_TEST

/* After a failed fdatasync nobody knows what is on disk, also when the next one works. */
START_TEST(what_the_disk_lost_is_written_anew)
{
	int pipe_fds[2];
	int good;
	struct ipk__log_status status;

	open_server(IPK__FSYNC_ALWAYS);
	incr("a");
	ck_ok(ipk__log_flush(server->log));
	good = server->log->main.fd;
	ck_assert_int_eq(pipe(pipe_fds), 0);
	server->log->main.fd = pipe_fds[1]; /* takes bytes, and cannot be synced */
	incr("a");
	incr("b");
	ck_assert_int_lt(ipk__log_flush(server->log), 0);
	server->log->main.fd = good;
	ck_assert(!ipk__log_has(server->log, conn.log_mark));
	ck_assert_int_lt(ipk__log_room(server->log, 1), 0);
	ck_assert(wait_until(flushes, NULL, WAIT_MS));
	ck_assert(ipk__log_has(server->log, conn.log_mark));
	ipk__log_status(server->log, &status);
	ck_assert_int_eq(status.last_error, 0);
	ck_assert_uint_gt(status.base_bytes, 0);
	incr("b");
	ck_ok(ipk__log_flush(server->log));
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	ipk__server_close(server);

	open_server(IPK__FSYNC_NO);
	ck_number("a", "$1\r\n2\r\n");
	ck_number("b", "$1\r\n2\r\n");
	ipk__server_close(server);
}
END_TEST

/* What was written before the change is on disk with it: a pipe in place of the file shows it. */
START_TEST(fsync_is_changed_while_it_runs)
{
	int pipe_fds[2];
	int good;

	open_server(IPK__FSYNC_NO);
	ck_assert_int_eq(pipe(pipe_fds), 0);
	good = server->log->main.fd;
	incr("a");
	ck_ok(ipk__log_flush(server->log));
	server->log->main.fd = pipe_fds[1]; /* cannot be synced */
	ck_ok(ipk__log_set_fsync(server->log, IPK__FSYNC_NO));
	ck_assert_int_lt(ipk__log_set_fsync(server->log, IPK__FSYNC_ALWAYS), 0);
	ck_assert_int_eq(server->log->fsync, IPK__FSYNC_NO);
	server->log->main.fd = good;
	ck_assert(wait_until(flushes, NULL, WAIT_MS)); /* it is made anew */
	ck_ok(ipk__log_set_fsync(server->log, IPK__FSYNC_ALWAYS));
	incr("a");
	good = server->log->main.fd;
	server->log->main.fd = pipe_fds[1];
	ck_assert_int_lt(ipk__log_flush(server->log), 0);
	server->log->main.fd = good;
	ck_assert(wait_until(flushes, NULL, WAIT_MS));
	ipk__server_close(server);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	open_server(IPK__FSYNC_NO);
	ck_number("a", "$1\r\n2\r\n");
	ipk__server_close(server);
}
END_TEST

static bool rewrite_ended(void *arg)
{
	struct ipk__log_status status;

	(void)arg;
	ipk__log_step(server->log, 1000000);
	ipk__log_status(server->log, &status);
	return !status.is_rewriting;
}

START_TEST(rewrite_that_fails_harms_nothing)
{
	int full, fd;

	open_server(IPK__FSYNC_EVERYSEC);
	incr("a");
	ck_ok(ipk__log_rewrite(server->log));
	ck_err(ipk__log_rewrite(server->log), -EALREADY);
	full = open("/dev/full", O_RDWR);
	fd = ipk__rewrite_file(server->log)->fd;
	ipk__rewrite_file(server->log)->fd = full; /* closed by the end of it */
	incr("a");
	ck_assert(wait_until(rewrite_ended, NULL, WAIT_MS));
	close(fd);
	incr("a");
	ck_ok(ipk__log_flush(server->log));
	ck_ok(ipk__log_rewrite(server->log));
	incr("a");
	ck_assert(wait_until(rewrite_ended, NULL, WAIT_MS));
	incr("a");
	ck_ok(ipk__log_flush(server->log));
	ipk__server_close(server);

	open_server(IPK__FSYNC_NO);
	ck_number("a", "$1\r\n5\r\n");
	ipk__server_close(server);
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
	Suite *s = suite_create("log");

#define ADD(test) add(s, #test, test)
	ADD(nothing_is_told_before_it_is_written);
	ADD(part_of_a_record_is_cut_off_again);
	ADD(what_the_disk_lost_is_written_anew);
	ADD(fsync_is_changed_while_it_runs);
	ADD(rewrite_that_fails_harms_nothing);
	return s;
}
IPK_TEST_MAIN(suite)
