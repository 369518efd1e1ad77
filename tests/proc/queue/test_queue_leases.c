/* test_queue_leases.c - leases, and holders that die, are stopped, or fork. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "queue/queue_internal.h"
#include "unit/queue/queue_bodies.h"

struct holder {
	ipk_queue *q;
	struct gate holds;
	int n_loans;
};

/* Takes leases, says so, and holds them until it is killed. */
static int hold(void *arg)
{
	struct holder *h = arg;
	ipk_lease *l;

	for (int i = 0; i < h->n_loans; i++)
		ck_ok(ipk_queue_lease(h->q, ipk_in_ms(WAIT_MS), &l));
	gate_open(&h->holds);
	for (;;)
		pause();
}

static pid_t start_holder(struct holder *h, ipk_queue *q, int n_loans)
{
	pid_t pid;

	*h = (struct holder){.q = q, .n_loans = n_loans};
	gate_init(&h->holds);
	pid = spawn(hold, h);
	gate_wait(&h->holds);
	gate_fini(&h->holds);
	return pid;
}

static void ck_redelivered(ipk_queue *q, uint32_t number)
{
	ipk_lease *l = NULL;
	size_t n;

	ck_ok(ipk_queue_lease(q, ipk_in_ms(WAIT_MS), &l));
	ck_assert(ipk_lease_is_redelivered(l));
	ck_assert(memcmp(ipk_lease_data(l, &n), &number, sizeof number) == 0);
	ck_ok(ipk_lease_ack(l));
	ipk_lease_close(l);
}

START_TEST(a_zombies_loans_come_back)
{
	enum { N_DEAD = 5 };
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 10));
	struct holder h;
	pid_t pid;

	for (uint32_t k = 0; k < N_DEAD; k++)
		ck_put_number(q, k);
	pid = start_holder(&h, q, N_DEAD);
	ck_empty(q);
	/* Killed, and not reaped until all has come back. */
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	for (int k = 0; k < N_DEAD; k++)
		ck_redelivered(q, (uint32_t)nth_out(kind_of(_i), k, N_DEAD));
	reap_signal(pid, SIGKILL);
	ck_empty(q);
	ck_ok(ipk_queue_join(q, ipk_now()));
	drop_queue(q);
}
END_TEST

static int get_seven(void *arg)
{
	ck_get_number(arg, 7);
	return 0;
}

START_TEST(who_waits_gets_a_dead_ones_item)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 10));
	pid_t holder, getter;
	struct holder h;

	ck_put_number(q, 7);
	holder = start_holder(&h, q, 1);
	getter = spawn(get_seven, q);
	ck_wait_asleep(getter);
	kill_and_reap(holder);
	reap_ok(getter);
	drop_queue(q);
}
END_TEST

START_TEST(a_stopped_holder_keeps_its_loan)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 10));
	struct holder h;
	uint32_t number;
	int status;
	pid_t pid;

	ck_put_number(q, 7);
	pid = start_holder(&h, q, 1);
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
	/* Several times as long as it takes to find a dead one. */
	ck_err(get_number(q, ipk_in_ms(350), &number), -ETIMEDOUT);
	kill_and_reap(pid);
	ck_get_number(q, 7);
	drop_queue(q);
}
END_TEST

static int try_to_end(void *arg)
{
	ck_err(ipk_lease_ack(arg), -EINVAL);
	ck_err(ipk_lease_nack(arg), -EINVAL);
	ipk_lease_close(arg);
	return 0;
}

START_TEST(a_forked_child_does_not_hold_it)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 10));
	uint32_t number;
	ipk_lease *l;

	ck_put_number(q, 7);
	ck_ok(ipk_queue_lease(q, ipk_now(), &l));
	reap_ok(spawn(try_to_end, l));
	ck_err(get_number(q, ipk_in_ms(150), &number), -ETIMEDOUT);
	ck_ok(ipk_lease_ack(l));
	ipk_lease_close(l);
	ck_empty(q);
	drop_queue(q);
}
END_TEST

struct relatives {
	ipk_queue *q;
	struct gate is_done;
};

/* Holds a lease, leaves a child behind and dies. */
static int die_before_child(void *arg)
{
	struct relatives *f = arg;
	ipk_lease *l;

	ck_ok(ipk_queue_lease(f->q, ipk_now(), &l));
	if (fork() == 0) {
		gate_wait(&f->is_done);
		_exit(0);
	}
	return 0;
}

START_TEST(a_surviving_child_does_not_keep_it)
{
	struct relatives f = {.q = make_queue(_i, IPK_QUEUE(.max_items = 10))};

	gate_init(&f.is_done);
	ck_put_number(f.q, 7);
	reap_ok(spawn(die_before_child, &f));
	ck_redelivered(f.q, 7);
	gate_open(&f.is_done);
	gate_fini(&f.is_done);
	drop_queue(f.q);
}
END_TEST

/* A later process with the pid of a dead holder is not the holder. */
START_TEST(a_pid_used_again_holds_nothing)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 10));
	uint32_t at = 0;
	ipk_lease *l;

	ck_put_number(q, 7);
	ck_ok(ipk_queue_lease(q, ipk_now(), &l));
	while ((q->slots[at].word & SLOT_STATE) != SLOT_LEASED)
		at++;
	q->slots[at].holder ^= 2;
	ck_redelivered(q, 7);
	ck_err(ipk_lease_ack(l), -EINVAL);
	ipk_lease_close(l);
	drop_queue(q);
}
END_TEST

START_TEST(the_end_waits_for_a_holder_and_for_its_death)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 10));
	struct holder h;
	uint32_t number;
	pid_t holder, getter;

	ck_put_number(q, 7);
	holder = start_holder(&h, q, 1);
	ck_ok(ipk_queue_shutdown(q, IPK_DRAIN));
	ck_err(get_number(q, ipk_in_ms(150), &number), -ETIMEDOUT);
	getter = spawn(get_seven, q);
	kill_and_reap(holder);
	reap_ok(getter);
	ck_err(get_number(q, ipk_in_ms(WAIT_MS), &number), -ESHUTDOWN);
	drop_queue(q);
}
END_TEST

enum { N_LOANS = 1024 };

/* Any look at the queue brings them back, a tenth of a second after the last such look. */
static bool are_back(void *arg)
{
	uint32_t number;

	ck_ok(ipk_queue_peek(arg, &number, sizeof number, ipk_now(), NULL));
	return ipk_queue_len(arg) == N_LOANS + 1;
}

START_TEST(a_thousand_loans_of_the_dead)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 2000));
	ipk_lease *l = NULL;
	struct holder h;
	pid_t pid;

	for (uint32_t k = 0; k < N_LOANS + 1; k++)
		ck_put_number(q, k);
	pid = start_holder(&h, q, N_LOANS);
	ck_err(ipk_queue_lease(q, ipk_now(), &l), -ENOSPC);
	kill_and_reap(pid);
	ck_assert(wait_until(are_back, q, WAIT_MS));
	for (int k = 0; k < N_LOANS + 1; k++)
		ck_get_number(q, (uint32_t)nth_out(kind_of(_i), k, N_LOANS + 1));
	ck_empty(q);
	drop_queue(q);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("queue_leases");

	add_loop_test(s, a_zombies_loans_come_back, 0, N_MAKES);
	add_loop_test(s, who_waits_gets_a_dead_ones_item, 0, N_MAKES);
	add_loop_test(s, a_stopped_holder_keeps_its_loan, 0, N_MAKES);
	add_loop_test(s, a_forked_child_does_not_hold_it, 0, N_MAKES);
	add_loop_test(s, a_surviving_child_does_not_keep_it, 0, N_MAKES);
	add_loop_test(s, a_pid_used_again_holds_nothing, 0, N_MAKES);
	add_loop_test(s, the_end_waits_for_a_holder_and_for_its_death, 0, N_MAKES);
	add_loop_test(s, a_thousand_loans_of_the_dead, 0, N_MAKES);
	return s;
}
IPK_TEST_MAIN(suite)
