/*
 * test_counts.c - counts that are read one after another while others change them.
 *
 * A victim calls task_done() for an item that it got. It is stopped after each of its instructions
 * in turn, and then everything else happens at once: an item is put, leased and acknowledged.
 * Whatever the victim had read before, its item can still be marked done.
 */
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "queue/queue_internal.h"
#include "support/support.h"

enum { STEPS_MAX = 400 };

struct stage {
	ipk_queue *q;
	_Atomic int result;
};

static int call_done(void *arg)
{
	struct stage *stage = arg;
	char byte;

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		return 77;
	for (;;) {
		int r = ipk_queue_put(stage->q, "v", 1, ipk_in_ms(WAIT_MS));

		if (r == 0)
			r = ipk_queue_get(stage->q, &byte, 1, ipk_in_ms(WAIT_MS), NULL);
		if (r < 0)
			return 1;
		raise(SIGSTOP);
		r = ipk_queue_task_done(stage->q);
		atomic_store(&stage->result, r);
		raise(SIGSTOP);
	}
}

/* Until it stops by a signal other than a step's; false: it has ended. */
static bool wait_stopped(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		return false;
	ck_assert_msg(WIFSTOPPED(status), "the victim ended: %x", (unsigned)status);
	return true;
}

static void step(pid_t pid, int n)
{
	for (int i = 0; i < n; i++) {
		ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
		ck_assert(wait_stopped(pid));
	}
}

static void put_and_acknowledge(ipk_queue *q)
{
	ipk_lease *l;

	ck_ok(ipk_queue_put(q, "o", 1, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_queue_lease(q, ipk_in_ms(WAIT_MS), &l));
	ck_ok(ipk_lease_ack(l));
	ipk_lease_close(l);
}

START_TEST(an_item_that_was_got_can_be_done)
{
	struct stage *stage = mmap(NULL, sizeof *stage, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	ck_assert_ptr_ne(stage, MAP_FAILED);
	ck_ok(ipk_queue_create(IPK_QUEUE(.kind = (ipk_queue_kind)_i), &stage->q));
	pid = spawn(call_done, stage);
	for (int n = 1; n < STEPS_MAX && wait_stopped(pid); n++) {
		atomic_store(&stage->result, 1);
		step(pid, n);
		if (atomic_load(&stage->result) == 1)
			put_and_acknowledge(stage->q);
		else
			n = STEPS_MAX; /* the whole call has been stepped through */
		ck_assert_int_eq(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
		ck_assert(wait_stopped(pid));
		ck_ok(atomic_load(&stage->result));
		ck_ok(ipk_queue_join(stage->q, ipk_in_ms(WAIT_MS)));
		ck_assert_int_eq(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ipk_queue_close(stage->q);
	munmap(stage, sizeof *stage);
}
END_TEST

/* --- after IPK_DISCARD ------------------------------------------------------------------------ */

START_TEST(join_after_now_waits_for_what_was_got)
{
	ipk_queue *q;
	char byte;

	ck_ok(ipk_queue_create(IPK_QUEUE(.kind = (ipk_queue_kind)_i), &q));
	for (int i = 0; i < 3; i++)
		ck_ok(ipk_queue_put(q, "x", 1, ipk_now()));
	ck_ok(ipk_queue_get(q, &byte, 1, ipk_now(), NULL));
	ck_ok(ipk_queue_shutdown(q, IPK_DISCARD));
	ck_err(ipk_queue_join(q, ipk_in_ms(50)), -ETIMEDOUT);
	ck_ok(ipk_queue_task_done(q));
	ck_ok(ipk_queue_join(q, ipk_now()));
	ck_err(ipk_queue_task_done(q), -EINVAL);
	ipk_queue_close(q);
}
END_TEST

static int lease_and_die(void *arg)
{
	ipk_lease *l;

	if (ipk_queue_lease(arg, ipk_now(), &l) < 0)
		return 1;
	_exit(0);
}

START_TEST(join_after_now_waits_for_loans)
{
	ipk_lease *acked, *nacked;
	ipk_queue *q;

	ck_ok(ipk_queue_create(IPK_QUEUE(.kind = (ipk_queue_kind)_i), &q));
	for (int i = 0; i < 4; i++)
		ck_ok(ipk_queue_put(q, "x", 1, ipk_now()));
	ck_ok(ipk_queue_lease(q, ipk_now(), &acked));
	ck_ok(ipk_queue_lease(q, ipk_now(), &nacked));
	reap_ok(spawn(lease_and_die, q));
	ck_ok(ipk_queue_shutdown(q, IPK_DISCARD));
	ck_err(ipk_queue_join(q, ipk_in_ms(50)), -ETIMEDOUT);
	ck_ok(ipk_lease_ack(acked));
	ck_err(ipk_queue_join(q, ipk_now()), -ETIMEDOUT);
	ck_ok(ipk_lease_nack(nacked));
	/* The lease of the dead comes back, and is dropped. */
	ck_ok(ipk_queue_join(q, ipk_in_ms(WAIT_MS)));
	ck_err(ipk_queue_task_done(q), -EINVAL);
	ipk_lease_close(acked);
	ipk_lease_close(nacked);
	ipk_queue_close(q);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("counts");

	add_loop_test(s, an_item_that_was_got_can_be_done, 0, 3);
	add_loop_test(s, join_after_now_waits_for_what_was_got, 0, 3);
	add_loop_test(s, join_after_now_waits_for_loans, 0, 3);
	return s;
}
IPK_TEST_MAIN(suite)
