/* test_queue_info.c - lib/queue/queue_info.c: counts, task_done and join, shutdown, the fd. */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "queue/queue_internal.h"
#include "unit/queue/queue_bodies.h"

/* --- counts ----------------------------------------------------------------------------------- */

struct cycle {
	ipk_queue *q;
	atomic_bool is_over;
	bool with_loans;
};

static void *put_and_take(void *arg)
{
	struct cycle *c = arg;
	ipk_lease *l;
	char byte;
	int r = 0;

	while (r == 0 && !c->is_over) {
		r = ipk_queue_put(c->q, "x", 1, ipk_in_ms(WAIT_MS));
		if (r == 0 && c->with_loans) {
			r = ipk_queue_lease(c->q, ipk_in_ms(WAIT_MS), &l);
			if (r == 0)
				ipk_lease_close(l);
		}
		if (r == 0)
			r = ipk_queue_get(c->q, &byte, 1, ipk_in_ms(WAIT_MS), NULL);
	}
	return (void *)(intptr_t)r;
}

static void watch_len(int i, bool with_loans)
{
	ipk_queue *q = make_queue(i, IPK_QUEUE(.max_items = 1));
	struct cycle c = {.q = q, .with_loans = with_loans};
	uint32_t n_wrong = 0;
	pthread_t thread;
	void *r;

	ck_assert_int_eq(pthread_create(&thread, NULL, put_and_take, &c), 0);
	for (int k = 0; k < 200000; k++)
		n_wrong += ipk_queue_len(q) > 1;
	c.is_over = true;
	pthread_join(thread, &r);
	ck_assert_int_eq((int)(intptr_t)r, 0);
	ck_assert_uint_eq(n_wrong, 0);
	drop_queue(q);
}

START_TEST(len_is_never_more_than_there_was)
{
	watch_len(_i, false);
}
END_TEST

START_TEST(len_is_exact_with_items_that_come_back)
{
	watch_len(_i, true);
}
END_TEST

/* --- task_done and join ----------------------------------------------------------------------- */

START_TEST(join_waits_for_every_item)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 10));

	ck_ok(ipk_queue_join(q, ipk_now()));
	ck_err(ipk_queue_task_done(q), -EINVAL);
	for (uint32_t k = 0; k < 3; k++)
		ck_put_number(q, k);
	for (int k = 0; k < 3; k++) {
		ck_err(ipk_queue_join(q, ipk_in_ms(1)), -ETIMEDOUT);
		ck_ok(get_number(q, ipk_now(), &(uint32_t){0}));
		ck_err(ipk_queue_join(q, ipk_now()), -ETIMEDOUT);
		ck_ok(ipk_queue_task_done(q));
	}
	ck_ok(ipk_queue_join(q, ipk_forever()));
	ck_err(ipk_queue_task_done(q), -EINVAL);
	/* And again: it is not once for ever. */
	ck_put_number(q, 1);
	ck_err(ipk_queue_join(q, ipk_now()), -ETIMEDOUT);
	drop_queue(q);
}
END_TEST

struct joiner {
	ipk_queue *q;
	_Atomic pid_t tid;
	pthread_t thread;
};

static void *join(void *arg)
{
	struct joiner *j = arg;

	j->tid = gettid();
	return (void *)(intptr_t)ipk_queue_join(j->q, ipk_in_ms(WAIT_MS));
}

static bool has_tid(void *arg)
{
	return ((struct joiner *)arg)->tid != 0;
}

static void start_asleep(struct joiner *j)
{
	ck_assert_int_eq(pthread_create(&j->thread, NULL, join, j), 0);
	ck_assert(wait_until(has_tid, j, WAIT_MS));
	ck_wait_asleep(j->tid);
}

START_TEST(joiners_are_woken)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 10));
	struct joiner j[3] = {{.q = q}, {.q = q}, {.q = q}};
	void *r;

	ck_put_number(q, 1);
	for (int k = 0; k < 3; k++)
		start_asleep(&j[k]);
	ck_get_number(q, 1);
	ck_ok(ipk_queue_task_done(q));
	for (int k = 0; k < 3; k++) {
		pthread_join(j[k].thread, &r);
		ck_assert_int_eq((int)(intptr_t)r, 0);
	}
	drop_queue(q);
}
END_TEST

START_TEST(shutdown_now_ends_a_join)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 10));
	struct joiner j = {.q = q};
	void *r;

	ck_put_number(q, 1);
	start_asleep(&j);
	ck_ok(ipk_queue_shutdown(q, IPK_DISCARD));
	pthread_join(j.thread, &r);
	ck_assert_int_eq((int)(intptr_t)r, 0);
	drop_queue(q);
}
END_TEST

START_TEST(mq_counts_no_tasks)
{
	ipk_queue *q = make_queue(N_MAKES, IPK_QUEUE());

	ck_err(ipk_queue_task_done(q), -EOPNOTSUPP);
	ck_err(ipk_queue_join(q, ipk_now()), -EOPNOTSUPP);
	ck_err(ipk_queue_shutdown(q, IPK_DRAIN), -EOPNOTSUPP);
	ck_assert_uint_eq(ipk_queue_n_unfinished(q), 0);
	ck_assert(!ipk_queue_is_shut_down(q));
	drop_queue(q);
}
END_TEST

/* Counts wrap around at 2^32 puts, also while some are under way. */
START_TEST(counts_wrap_around)
{
	ipk_queue *q = make_queue(IPK_QUEUE_FIFO, IPK_QUEUE(.ring_bytes = 4096, .max_items = 50));
	struct ipk__shm_ring *s = q->channel.ring.shared;

	s->n_written = s->n_read = q->shared->n_done = UINT32_MAX - 1000;
	s->head_seen = s->tail_seen = ipk__ring_word(UINT32_MAX - 1000, UINT32_MAX - 3000);
	s->head = s->tail = s->tail_own = s->head_seen;
	for (uint32_t k = 0; k < 4000; k++) {
		for (uint32_t n = 0; n < k % 50; n++)
			ck_put_number(q, k + n);
		ck_assert_uint_eq(ipk_queue_len(q), k % 50);
		ck_assert_uint_eq(ipk_queue_n_unfinished(q), k % 50);
		ck_err(ipk_queue_join(q, ipk_now()), k % 50 ? -ETIMEDOUT : 0);
		for (uint32_t n = 0; n < k % 50; n++) {
			ck_get_number(q, k + n);
			ck_assert_uint_eq(ipk_queue_n_unfinished(q), k % 50 - n);
			ck_ok(ipk_queue_task_done(q));
		}
		ck_ok(ipk_queue_join(q, ipk_now()));
	}
	ck_assert_uint_gt(ipk__ring_n_written(s), UINT32_MAX);
	ck_err(ipk_queue_task_done(q), -EINVAL);
	drop_queue(q);
}
END_TEST

/* --- shutdown --------------------------------------------------------------------------------- */

START_TEST(drain_lets_gets_go_on)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	uint32_t number;

	ck_put_number(q, 1);
	ck_put_number(q, 2);
	ck_assert(!ipk_queue_is_shut_down(q) && !ipk_queue_is_shut_down(NULL));
	ck_ok(ipk_queue_shutdown(q, IPK_DRAIN));
	ck_assert(ipk_queue_is_shut_down(q));
	ck_ok(ipk_queue_shutdown(q, IPK_DRAIN));
	ck_err(put_number(q, 3), -ESHUTDOWN);
	ck_err(ipk_queue_put(q, "x", 1, ipk_forever()), -ESHUTDOWN);
	ck_assert_uint_eq(ipk_queue_len(q), 2);
	ck_ok(ipk_queue_peek(q, &number, sizeof number, ipk_now(), NULL));
	ck_get_number(q, (uint32_t)nth_out(kind_of(_i), 0, 2) + 1);
	ck_get_number(q, (uint32_t)nth_out(kind_of(_i), 1, 2) + 1);
	ck_err(get_number(q, ipk_now(), &number), -ESHUTDOWN);
	ck_err(get_number(q, ipk_forever(), &number), -ESHUTDOWN);
	ck_err(ipk_queue_peek(q, &number, sizeof number, ipk_forever(), NULL), -ESHUTDOWN);
	drop_queue(q);
}
END_TEST

START_TEST(now_drops_what_is_inside)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	uint32_t number;

	ck_put_number(q, 1);
	ck_ok(ipk_queue_shutdown(q, IPK_DRAIN));
	ck_ok(ipk_queue_shutdown(q, IPK_DISCARD));
	ck_err(get_number(q, ipk_forever(), &number), -ESHUTDOWN);
	ck_err(put_number(q, 3), -ESHUTDOWN);
	/* There is no way back. */
	ck_ok(ipk_queue_shutdown(q, IPK_DRAIN));
	ck_err(get_number(q, ipk_forever(), &number), -ESHUTDOWN);
	ck_assert_uint_eq(ipk_queue_len(q), 0);
	ck_assert(ipk_queue_is_empty(q) && ipk_queue_is_shut_down(q));
	ck_assert_uint_eq(ipk_queue_n_unfinished(q), 0);
	ck_assert_uint_eq(ipk_queue_n_unfinished(NULL), 0);
	ck_ok(ipk_queue_join(q, ipk_now()));
	drop_queue(q);
}
END_TEST

/* --- the fd ----------------------------------------------------------------------------------- */

/* What a call rings is readable when it returns: with 0 ms no tick can stand in for it. */
static bool is_readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1 && (p.revents & POLLIN);
}

static void arm(ipk_queue *q)
{
	uint32_t number;

	while (get_number(q, ipk_now(), &number) == 0)
		;
}

START_TEST(fd_tells_of_items)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	int fd = -1, same = -1;

	ck_put_number(q, 0);
	ck_ok(ipk_queue_fd(q, &fd));
	ck_ok(ipk_queue_fd(q, &same));
	ck_assert_int_eq(fd, same);
	/* What was there before counts. */
	ck_assert(is_readable(fd, 0));
	for (uint32_t k = 0; k < 100; k++) {
		arm(q);
		ck_put_number(q, k);
		ck_assert(is_readable(fd, 0));
		ck_put_number(q, k);
		ck_assert(is_readable(fd, 0));
	}
	drop_queue(q);
}
END_TEST

START_TEST(fd_tells_of_what_other_handles_put)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4)), *other = NULL;
	int fd;

	ck_ok(ipk_queue_open(queue_name, ipk_now(), &other));
	ck_ok(ipk_queue_fd(other, &fd));
	for (uint32_t k = 0; k < 100; k++) {
		arm(other);
		ck_put_number(q, k);
		ck_assert(is_readable(fd, 0));
	}
	ipk_queue_close(other);
	drop_queue(q);
}
END_TEST

START_TEST(fd_is_quiet_when_armed)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	int fd, n_wakeups = 0;

	ck_ok(ipk_queue_fd(q, &fd));
	ck_put_number(q, 1);
	/* For nothing twice a second at most: over a second, 2 and one for the item. */
	arm(q);
	for (ipk_deadline d = ipk_in_ms(1000); ipk_deadline_left_ns(d) > 0;) {
		if (is_readable(fd, (int)(ipk_deadline_left_ns(d) / 1000000) + 1)) {
			n_wakeups++;
			arm(q);
		}
	}
	ck_assert_int_le(n_wakeups, 3);
	drop_queue(q);
}
END_TEST

START_TEST(fd_tells_of_the_end_and_of_what_comes_back)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	ipk_lease *l;
	int fd;

	ck_ok(ipk_queue_fd(q, &fd));
	ck_put_number(q, 1);
	ck_ok(ipk_queue_lease(q, ipk_now(), &l));
	arm(q);
	ipk_lease_close(l);
	ck_assert(is_readable(fd, 0));
	arm(q);
	ck_ok(ipk_queue_shutdown(q, IPK_DRAIN));
	ck_assert(is_readable(fd, 0));
	ck_err(get_number(q, ipk_now(), &(uint32_t){0}), -ESHUTDOWN);
	drop_queue(q);
}
END_TEST

START_TEST(fd_stands_beside_foreign_ones)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 4));
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC), foreign[2], fd;
	struct epoll_event e;

	ck_ok(ipk_queue_fd(q, &fd));
	arm(q);
	ck_assert_int_eq(pipe(foreign), 0);
	e = (struct epoll_event){.events = EPOLLIN, .data.fd = foreign[0]};
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, foreign[0], &e);
	e.data.fd = fd;
	ck_assert_int_eq(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e), 0);
	for (uint32_t k = 0; k < 50; k++) {
		ck_assert_int_eq(write(foreign[1], "x", 1), 1);
		do {
			ck_assert_int_eq(epoll_wait(epoll_fd, &e, 1, WAIT_MS), 1);
			if (e.data.fd == fd)
				arm(q);
		} while (e.data.fd != foreign[0]);
		ck_assert_int_eq(read(foreign[0], &e, 1), 1);
		ck_put_number(q, k);
		ck_assert_int_eq(epoll_wait(epoll_fd, &e, 1, 0), 1);
		ck_assert_int_eq(e.data.fd, fd);
		arm(q);
	}
	close(epoll_fd);
	close(foreign[0]);
	close(foreign[1]);
	drop_queue(q);
}
END_TEST

START_TEST(fd_of_a_named_queue_leaves_no_name)
{
	char doorbell[UNIQUE_NAME_BYTES + 40];
	ipk_queue *q = make_queue(_i, IPK_QUEUE());
	int fd;

	snprintf(doorbell, sizeof doorbell, "/dev/shm/ipk.%s:doorbell", queue_name);
	ck_assert_int_ne(access(doorbell, F_OK), 0);
	ck_ok(ipk_queue_fd(q, &fd));
	ck_assert_int_eq(access(doorbell, F_OK), 0);
	ck_assert_int_eq(count_names(), 2);
	ck_ok(ipk_queue_unlink(queue_name));
	ck_assert_int_eq(count_names(), 0);
	/* It goes on working for who has it. */
	arm(q);
	ck_put_number(q, 1);
	ck_assert(is_readable(fd, 0));
	queue_name[0] = '\0';
	drop_queue(q);
}
END_TEST

START_TEST(fd_after_unlink_makes_no_name)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE());
	int fd;

	ck_ok(ipk_queue_unlink(queue_name));
	ck_err(ipk_queue_fd(q, &fd), -ENOENT);
	ck_assert_int_eq(count_names(), 0);
	queue_name[0] = '\0';
	drop_queue(q);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("queue_info");

	add_loop_test(s, len_is_never_more_than_there_was, 0, N_MAKES);
	add_loop_test(s, len_is_exact_with_items_that_come_back, 0, N_MAKES);
	add_loop_test(s, join_waits_for_every_item, 0, N_MAKES);
	add_loop_test(s, joiners_are_woken, 0, N_MAKES);
	add_loop_test(s, shutdown_now_ends_a_join, 0, N_MAKES);
	add_test(s, mq_counts_no_tasks);
	add_test(s, counts_wrap_around);
	add_loop_test(s, drain_lets_gets_go_on, 0, N_MAKES);
	add_loop_test(s, now_drops_what_is_inside, 0, N_MAKES);
	add_loop_test(s, fd_tells_of_items, 0, N_MAKES_AND_MQ);
	add_loop_test(s, fd_tells_of_what_other_handles_put, N_KINDS, N_MAKES_AND_MQ);
	add_loop_test(s, fd_is_quiet_when_armed, 0, N_MAKES_AND_MQ);
	add_loop_test(s, fd_tells_of_the_end_and_of_what_comes_back, 0, N_MAKES);
	add_loop_test(s, fd_stands_beside_foreign_ones, 0, N_MAKES_AND_MQ);
	add_loop_test(s, fd_of_a_named_queue_leaves_no_name, N_KINDS, N_MAKES);
	add_loop_test(s, fd_after_unlink_makes_no_name, N_KINDS, N_MAKES);
	return s;
}
IPK_TEST_MAIN(suite)
