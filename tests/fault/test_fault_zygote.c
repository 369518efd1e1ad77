/*
 * test_fault_zygote.c - making zygotes and births with their k-th system call or allocation
 * failing on the requester's side: nothing is left, and what there is goes on working.
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
	int r = ipk__zygote_open(NULL, &zygote, &is_now);

	fault_disarm(); /* closing can do nothing about an error */
	if (r == 0)
		zygote = ipk__zygote_close(zygote);
	return r;
}

static void make_it(void)
{
	bool is_now;

	ck_ok(ipk__zygote_open(NULL, &zygote, &is_now));
}

static int bear(size_t arg_bytes)
{
	const struct ipk__birth birth = {.fn = nothing, .arg = big, .arg_bytes = arg_bytes};
	ipk_process_status status;
	struct ipk__born born;
	int r = ipk__zygote_bear(zygote, &birth, ipk_in_ms(WAIT_MS), &born);

	if (r == 0) {
		r = ipk__born_status(&born, ipk_in_ms(WAIT_MS), &status);
		ipk__born_close(&born);
	}
	return r;
}

static int bear_one(void)
{
	return bear(100);
}

static int bear_with_file(void)
{
	return bear(BIG_BYTES);
}

/* Each child that runs has the other side of it until its end. */
static int ends[2];

static int stay(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	(void)arg, (void)arg_bytes, (void)fds, (void)n_fds;
	pause();
	return 0;
}

static int bear_one_that_stays(void)
{
	const struct ipk__birth birth = {.fn = stay, .fds = &ends[1], .n_fds = 1};
	struct pollfd end = {.events = POLLIN};
	ipk_process_status status;
	struct ipk__born born;
	int r;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	r = ipk__zygote_bear(zygote, &birth, ipk_in_ms(WAIT_MS), &born);
	fault_disarm();
	close(ends[1]);
	end.fd = ends[0];
	if (r == 0) {
		ck_assert_int_eq(poll(&end, 1, 0), 0);
		ck_ok(ipk__os_pidfd_signal(born.pidfd, SIGKILL));
		ck_ok(ipk__born_status(&born, ipk_in_ms(WAIT_MS), &status));
		ipk__born_close(&born);
	}
	ck_assert_int_eq(poll(&end, 1, WAIT_MS), 1);
	close(ends[0]);
	return r;
}

static void still_works(void)
{
	ck_ok(bear(0));
	zygote = ipk__zygote_close(zygote);
}

FAULT_TEST(opening, .run = open_it)
FAULT_TEST(births, .run = bear_one, .prepare = make_it, .check = still_works)
FAULT_TEST(nothing_runs_after_an_error, .run = bear_one_that_stays, .prepare = make_it,
	   .check = still_works)
FAULT_TEST(births_with_a_file, .run = bear_with_file, .prepare = make_it, .check = still_works)

static Suite *suite(void)
{
	Suite *s = suite_create("fault_zygote");

	/* It is this side's calls that fail. */
	pthread_atfork(NULL, NULL, fault_disarm);
	add_test(s, opening);
	add_test(s, births);
	add_test(s, births_with_a_file);
	add_test(s, nothing_runs_after_an_error);
	return s;
}

IPK_TEST_MAIN(suite)
