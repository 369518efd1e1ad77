/*
 * test_fault_zygote.c - creating zygotes and spawning with the k-th system call or allocation
 * failing on the requester's side: nothing is leaked, and existing objects keep working.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "fault/faults.h"
#include "os/os.h"
#include "process/zygote.h"
#include "support/support.h"

#define BIG_BYTES 100000

static struct ipk__zygote *zygote;
static char big[BIG_BYTES];

static int nothing(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	(void)arg, (void)arg_bytes, (void)fds, (void)n_fds;
	return 0;
}

static int open_it(void)
{
	bool is_now;
	int r = ipk__zygote_open(NULL, IPK_START_DEFAULT, &zygote, &is_now);

	fault_disarm(); /* closing can do nothing about an error */
	if (r == 0)
		zygote = ipk__zygote_close(zygote);
	return r;
}

static void make_it(void)
{
	bool is_now;

	ck_ok(ipk__zygote_open(NULL, IPK_START_DEFAULT, &zygote, &is_now));
}

static int spawn_child(size_t arg_bytes)
{
	const struct ipk__spawn_request request = {
		.fn = nothing, .arg = big, .arg_bytes = arg_bytes};
	ipk_process_status status;
	struct ipk__zygote_child child;
	int r = ipk__zygote_spawn(zygote, &request, ipk_in_ms(WAIT_MS), &child);

	if (r == 0) {
		r = ipk__zygote_child_status(&child, ipk_in_ms(WAIT_MS), &status);
		ipk__zygote_child_close(&child);
	}
	return r;
}

static int spawn_one(void)
{
	return spawn_child(100);
}

static int spawn_with_file(void)
{
	return spawn_child(BIG_BYTES);
}

/* Each child that runs has the other side of it until its end. */
static int ends[2];

static int stay(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	(void)arg, (void)arg_bytes, (void)fds, (void)n_fds;
	pause();
	return 0;
}

static int spawn_one_that_stays(void)
{
	const struct ipk__spawn_request request = {.fn = stay, .fds = &ends[1], .n_fds = 1};
	struct pollfd end = {.events = POLLIN};
	ipk_process_status status;
	struct ipk__zygote_child child;
	int r;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	r = ipk__zygote_spawn(zygote, &request, ipk_in_ms(WAIT_MS), &child);
	fault_disarm();
	close(ends[1]);
	end.fd = ends[0];
	if (r == 0) {
		ck_assert_int_eq(poll(&end, 1, 0), 0);
		ck_ok(ipk__os_pidfd_signal(child.pidfd, SIGKILL));
		ck_ok(ipk__zygote_child_status(&child, ipk_in_ms(WAIT_MS), &status));
		ipk__zygote_child_close(&child);
	}
	ck_assert_int_eq(poll(&end, 1, WAIT_MS), 1);
	close(ends[0]);
	return r;
}

static void still_works(void)
{
	ck_ok(spawn_child(0));
	zygote = ipk__zygote_close(zygote);
}

FAULT_TEST(opening, .run = open_it)
FAULT_TEST(spawns, .run = spawn_one, .prepare = make_it, .check = still_works)
FAULT_TEST(nothing_runs_after_an_error, .run = spawn_one_that_stays, .prepare = make_it,
	   .check = still_works)
FAULT_TEST(spawn_with_a_file, .run = spawn_with_file, .prepare = make_it, .check = still_works)

static Suite *suite(void)
{
	Suite *s = suite_create("fault_zygote");

	/* It is this side's calls that fail. */
	pthread_atfork(NULL, NULL, fault_disarm);
	add_test(s, opening);
	add_test(s, spawns);
	add_test(s, spawn_with_a_file);
	add_test(s, nothing_runs_after_an_error);
	return s;
}

IPK_TEST_MAIN(suite)
