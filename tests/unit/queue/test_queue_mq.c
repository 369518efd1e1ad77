/*
 * test_queue_mq.c - lib/queue/queue_mq.c: with programs that know nothing of ipk, at the other
 * side of the same POSIX message queue.
 */
#include <fcntl.h>
#include <mqueue.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/queue/queue_bodies.h"

enum { KERNEL_ITEMS_MAX = 65536 }; /* HARD_MSGMAX: for root too */

/* What the rest of the world calls the queue that make_queue() made. */
static const char *foreign_name(void)
{
	return queue_name + strlen("mq:");
}

static bool is_there(const char *name)
{
	mqd_t mq = mq_open(name, O_RDONLY | O_CLOEXEC);

	if (mq == (mqd_t)-1)
		return false;
	mq_close(mq);
	return true;
}

/* --- programs of others ----------------------------------------------------------------------- */

static int foreign_sender(void *arg)
{
	mqd_t mq = mq_open(arg, O_WRONLY);
	char text[32];

	for (unsigned i = 0; i < 100; i++) {
		snprintf(text, sizeof text, "message %u", i);
		if (mq_send(mq, text, strlen(text), 0) < 0)
			return 1;
	}
	return 0;
}

START_TEST(what_others_send_is_got)
{
	ipk_queue *q = make_queue(N_MAKES, IPK_QUEUE());
	pid_t sender = spawn(foreign_sender, (void *)foreign_name());
	char buf[MQ_MESSAGE_BYTES], text[32];
	size_t n;

	for (unsigned i = 0; i < 100; i++) {
		snprintf(text, sizeof text, "message %u", i);
		ck_ok(ipk_queue_get(q, buf, sizeof buf, ipk_in_ms(WAIT_MS), &n));
		ck_assert_uint_eq(n, strlen(text));
		ck_assert(memcmp(buf, text, n) == 0);
	}
	reap_ok(sender);
	drop_queue(q);
}
END_TEST

static int foreign_receiver(void *arg)
{
	mqd_t mq = mq_open(arg, O_RDONLY);
	char buf[MQ_MESSAGE_BYTES];
	uint32_t number;

	for (uint32_t i = 0; i < 100; i++) {
		if (mq_receive(mq, buf, sizeof buf, NULL) != sizeof number)
			return 1;
		memcpy(&number, buf, sizeof number);
		if (number != i)
			return 2;
	}
	return 0;
}

START_TEST(what_we_put_others_receive)
{
	ipk_queue *q = make_queue(N_MAKES, IPK_QUEUE());
	pid_t receiver = spawn(foreign_receiver, (void *)foreign_name());

	for (uint32_t i = 0; i < 100; i++)
		ck_put_number(q, i);
	reap_ok(receiver);
	ck_empty(q);
	drop_queue(q);
}
END_TEST

START_TEST(levels_are_priorities_the_other_way_round)
{
	static const unsigned levels[] = {5, 63, 0, 5, 1};
	ipk_queue *q = make_queue(N_MAKES, IPK_QUEUE());
	mqd_t mq = mq_open(foreign_name(), O_RDWR | O_CLOEXEC);
	char buf[MQ_MESSAGE_BYTES];
	unsigned priority;

	for (unsigned i = 0; i < 5; i++)
		ck_ok(ipk_queue_put_level(q, &(char){(char)('a' + i)}, 1, levels[i], ipk_now()));
	ck_ok(ipk_queue_put(q, "f", 1, ipk_now()));
	for (const char *next = "cfeadb"; *next; next++) {
		ck_assert_int_eq(mq_receive(mq, buf, sizeof buf, &priority), 1);
		ck_assert_int_eq(buf[0], *next);
		ck_assert_uint_eq(priority, *next == 'f' ? 63 : 63 - levels[*next - 'a']);
	}
	/* Others may use priorities that no level has. */
	ck_ok(ipk_queue_put_level(q, "b", 1, 0, ipk_now()));
	ck_assert_int_eq(mq_send(mq, "a", 1, 1000), 0);
	ck_assert_int_eq(mq_send(mq, "c", 1, 3), 0);
	for (const char *next = "abc"; *next; next++) {
		ck_ok(ipk_queue_get(q, buf, sizeof buf, ipk_now(), NULL));
		ck_assert_int_eq(buf[0], *next);
	}
	mq_close(mq);
	drop_queue(q);
}
END_TEST

START_TEST(a_queue_that_others_made_may_be_opened)
{
	struct mq_attr attr = {.mq_maxmsg = 3, .mq_msgsize = 16};
	char unique[UNIQUE_NAME_BYTES], name[UNIQUE_NAME_BYTES + 8];
	ipk_queue *q = NULL;
	char buf[16];
	mqd_t mq;

	unique_name(unique, "foreign");
	snprintf(name, sizeof name, "mq:/%s", unique);
	mq = mq_open(name + 3, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attr);
	ck_assert_int_ne(mq, (mqd_t)-1);
	ck_err(ipk_queue_create(IPK_QUEUE(.name = name), &q), -EEXIST);
	ck_ok(ipk_queue_open(name, ipk_now(), &q));
	ck_ok(put_filled(q, 16, 1, ipk_now()));
	ck_err(put_filled(q, 17, 1, ipk_now()), -EMSGSIZE);
	ck_ok(put_filled(q, 0, 2, ipk_now()));
	ck_ok(put_filled(q, 1, 3, ipk_now()));
	ck_assert(ipk_queue_is_full(q));
	ck_err(put_filled(q, 1, 3, ipk_now()), -ETIMEDOUT);
	ck_assert_uint_eq(ipk_queue_len(q), 3);
	ck_assert_int_eq(mq_receive(mq, buf, sizeof buf, NULL), 16);
	ck_assert(is_filled(buf, 16, 1));
	ck_assert_uint_eq(ipk_queue_len(q), 2);
	ipk_queue_close(q);
	ck_ok(ipk_queue_unlink(name));
	ck_err(ipk_queue_open(name, ipk_now(), &q), -ENOENT);
	ck_err(ipk_queue_unlink(name), -ENOENT);
	mq_close(mq);
}
END_TEST

/* --- limits ----------------------------------------------------------------------------------- */

START_TEST(over_the_kernels_limits)
{
	char unique[UNIQUE_NAME_BYTES], name[UNIQUE_NAME_BYTES + 8];
	struct rlimit old, low;
	ipk_queue *q = NULL;
	int before = count_fds();

	unique_name(unique, "limits");
	snprintf(name, sizeof name, "mq:/%s", unique);
	ck_err(ipk_queue_create(IPK_QUEUE(.name = name, .max_items = KERNEL_ITEMS_MAX + 1), &q),
	       -ENOSPC);
	ck_err(ipk_queue_create(IPK_QUEUE(.name = name, .ring_bytes = (size_t)1 << 30), &q),
	       -ENOSPC);
	getrlimit(RLIMIT_MSGQUEUE, &old);
	low = (struct rlimit){1000, old.rlim_max};
	setrlimit(RLIMIT_MSGQUEUE, &low);
	ck_err(ipk_queue_create(IPK_QUEUE(.name = name), &q), -ENOSPC);
	setrlimit(RLIMIT_MSGQUEUE, &old);
	ck_err(ipk_queue_create(IPK_QUEUE(.name = name, .max_items = IPK_QUEUE_ITEMS_MAX + 1), &q),
	       -EINVAL);
	ck_assert_ptr_null(q);
	ck_assert(!is_there(name + 3));
	ck_assert_int_eq(count_fds(), before);
}
END_TEST

static int over_msg_max(void *arg)
{
	char unique[UNIQUE_NAME_BYTES], name[UNIQUE_NAME_BYTES + 8];
	ipk_queue *q = NULL;

	(void)arg;
	if (setuid(65534) < 0)
		return 2;
	unique_name(unique, "limits");
	snprintf(name, sizeof name, "mq:/%s", unique);
	ck_err(ipk_queue_create(IPK_QUEUE(.name = name, .max_items = KERNEL_ITEMS_MAX), &q),
	       -ENOSPC);
	ck_assert(!is_there(name + 3));
	return 0;
}

START_TEST(over_msg_max_for_ordinary_users)
{
	if (getuid() == 0)
		reap_ok(spawn(over_msg_max, NULL));
}
END_TEST

static int open_as_nobody(void *arg)
{
	ipk_queue *q = NULL;

	if (setuid(65534) < 0)
		return 2;
	ck_err(ipk_queue_open(arg, ipk_now(), &q), -EACCES);
	ck_err(ipk_queue_unlink(arg), -EACCES);
	return 0;
}

START_TEST(another_user_is_kept_out)
{
	ipk_queue *q = make_queue(N_MAKES, IPK_QUEUE());

	if (getuid() == 0)
		reap_ok(spawn(open_as_nobody, queue_name));
	drop_queue(q);
}
END_TEST

START_TEST(no_name_is_left)
{
	ipk_queue *q = make_queue(N_MAKES, IPK_QUEUE());
	char name[UNIQUE_NAME_BYTES + 8];

	snprintf(name, sizeof name, "%s", foreign_name());
	ck_assert(is_there(name));
	drop_queue(q);
	ck_assert(!is_there(name));
}
END_TEST

START_TEST(get_alloc_and_getf_work)
{
	ipk_queue *q = make_queue(N_MAKES, IPK_QUEUE());
	int number = 0;

	ck_ok(put_filled(q, 100, 1, ipk_now()));
	ck_get_filled(q, 100, 1);
	ck_ok(ipk_queue_putf(q, ipk_now(), "[i s]", 42, "hello"));
	ck_ok(ipk_queue_getf(q, ipk_now(), "[i *]", &number));
	ck_assert_int_eq(number, 42);
	/* What does not fit the format is lost: there is no way to look first. */
	ck_put_number(q, 1);
	ck_err(ipk_queue_getf(q, ipk_now(), "i", &number), -EPROTO);
	ck_empty(q);
	drop_queue(q);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("queue_mq");

	add_test(s, what_others_send_is_got);
	add_test(s, what_we_put_others_receive);
	add_test(s, levels_are_priorities_the_other_way_round);
	add_test(s, a_queue_that_others_made_may_be_opened);
	add_test(s, over_the_kernels_limits);
	add_test(s, over_msg_max_for_ordinary_users);
	add_test(s, another_user_is_kept_out);
	add_test(s, no_name_is_left);
	add_test(s, get_alloc_and_getf_work);
	return s;
}
IPK_TEST_MAIN(suite)
