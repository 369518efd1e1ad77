/*
 * test_transaction.c - lib/manager/transaction.c: watch, think, write, again when something
 * changed, and what happens when there is nothing to write.
 */
#include "manager/batch.h"
#include "manager_in_words.h"

static ipk_manager *m;
static ipk_list *l;
static int n_thought;

static void begin(void)
{
	m = manager_in_words();
	ck_ok(ipk_list_open(m, "list", &l));
}

static void end(void)
{
	ck_assert_uint_eq(m->transaction.state, 0);
	ipk_list_close(l);
	ipk_manager_close(m);
}

static int append(ipk_batch *batch, void *arg)
{
	n_thought++;
	ck_ok(ipk_batch_list_append(batch, l, arg, strlen(arg)));
	return n_thought;
}

static int write_nothing(ipk_batch *batch, void *arg)
{
	(void)batch;
	(void)arg;
	return 5;
}

static int give_up(ipk_batch *batch, void *arg)
{
	(void)append(batch, arg);
	return -ENODATA;
}

static const char *const names[] = {"list", "other"};

START_TEST(as_one_step)
{
	begin();
	answers(":1\r\n");
	ck_assert_int_eq(ipk_manager_transact(m, names, 2, append, "x", ipk_forever()), 1);
	asked("WATCH list other; MULTI; RPUSH list x; EXEC");
	end();
}
END_TEST

/* What was thought of before is forgotten: each attempt writes its own. */
START_TEST(again_when_something_changed)
{
	begin();
	answers("");
	answers("");
	answers(":1\r\n");
	ck_assert_int_eq(ipk_manager_transact(m, names, 1, append, "x", ipk_forever()), 3);
	asked("WATCH list; MULTI; WATCH list; MULTI; WATCH list; MULTI; RPUSH list x; EXEC");
	end();
}
END_TEST

START_TEST(not_again_when_the_time_is_over)
{
	begin();
	answers("");
	ck_err(ipk_manager_transact(m, names, 1, append, "x", ipk_now()), -ETIMEDOUT);
	asked("WATCH list; MULTI");
	end();
}
END_TEST

START_TEST(without_writes)
{
	begin();
	ck_assert_int_eq(ipk_manager_transact(m, names, 1, write_nothing, NULL, ipk_forever()), 5);
	asked("WATCH list; UNWATCH");
	ck_err(ipk_manager_transact(m, names, 1, give_up, "x", ipk_forever()), -ENODATA);
	asked("WATCH list; UNWATCH");
	end();
}
END_TEST

START_TEST(no_connection)
{
	begin();
	wire.fails = -EPIPE;
	ck_err(ipk_manager_transact(m, names, 1, append, "x", ipk_forever()), -EPIPE);
	ck_assert_int_eq(n_thought, 0);
	end();
}
END_TEST

static int transact_inside(ipk_batch *batch, void *arg)
{
	(void)batch;
	return ipk_manager_transact(m, names, 1, append, arg, ipk_in_ms(20));
}

/* A connection has one set of watched keys. */
START_TEST(one_at_a_time)
{
	begin();
	ck_err(ipk_manager_transact(m, names, 1, transact_inside, "x", ipk_forever()), -ETIMEDOUT);
	asked("WATCH list; UNWATCH");
	end();
}
END_TEST

static int in_child(void *arg)
{
	(void)arg;
	return ipk_manager_transact(m, names, 1, write_nothing, NULL, ipk_now()) == 5 ? 0 : 1;
}

static int fork_inside(ipk_batch *batch, void *arg)
{
	(void)batch;
	(void)arg;
	reap_ok(spawn(in_child, NULL));
	return 0;
}

/* Whoever was in the middle of one did not come along. */
START_TEST(a_fork_in_the_middle)
{
	begin();
	ck_ok(ipk_manager_transact(m, names, 1, fork_inside, NULL, ipk_forever()));
	end();
}
END_TEST

START_TEST(wrong_arguments)
{
	begin();
	ck_err(ipk_manager_transact(NULL, names, 1, append, "x", ipk_now()), -EBADF);
	ck_err(ipk_manager_transact(m, names, 1, NULL, "x", ipk_now()), -EINVAL);
	ck_err(ipk_manager_transact(m, NULL, 1, append, "x", ipk_now()), -EINVAL);
	asked("");
	end();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("transaction");

	add_test(s, as_one_step);
	add_test(s, again_when_something_changed);
	add_test(s, not_again_when_the_time_is_over);
	add_test(s, without_writes);
	add_test(s, no_connection);
	add_test(s, one_at_a_time);
	add_test(s, a_fork_in_the_middle);
	add_test(s, wrong_arguments);
	return s;
}
IPK_TEST_MAIN(suite)
