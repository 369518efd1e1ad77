/* test_imap.c - maps over lazy input: order, the window, errors of the input, giving up. */
#include "support/shared_flags.h"
#include "support/support.h"

/* The numbers from 0 to n - 1; then the end, again and again. */
struct source {
	int64_t now, n;
	int64_t fails_at; /* once, before that number; INT64_MIN never */
	int n_ends;
	int64_t item;
};

static ipk_pool *pool;
static struct source source;

static int count_up(void *arg, ipk_bytes *ret_item)
{
	struct source *s = arg;

	if (s->now == s->fails_at) {
		s->fails_at = INT64_MIN;
		return -EIO;
	}
	if (s->now == s->n) {
		s->n_ends++;
		return 0;
	}
	s->item = s->now++;
	*ret_item = (ipk_bytes){&s->item, sizeof s->item};
	return 1;
}

static void open_pool(int kind, int64_t n)
{
	shared_flags_open();
	pool = pool_of((ipk_pool_kind)kind, 3);
	source = (struct source){.n = n, .fails_at = INT64_MIN};
}

static void close_pool(void)
{
	pool = ipk_pool_close(pool);
	shared_flags_close();
}

/* The next one's number; it must be the square of that. */
static size_t next_of(ipk_imap *m)
{
	ipk_future *f = NULL;
	size_t index;

	ck_ok(ipk_imap_next(m, ipk_in_ms(WAIT_MS), &f));
	ck_assert(ipk_future_is_done(f));
	index = ipk_future_index(f);
	ck_assert_int_eq(get_int(f), (int64_t)(index * index));
	ipk_future_close(f);
	return index;
}

START_TEST(in_the_order_of_the_input)
{
	IPK_AUTO(imap, m);
	ipk_future *f = NULL;

	open_pool(_i, 1000);
	ck_ok(ipk_pool_imap(pool, task_square, count_up, &source, NULL, &m));
	ck_assert_int_eq(source.now, 0); /* nothing is read before it is wanted */
	for (size_t i = 0; i < 1000; i++)
		ck_assert_uint_eq(next_of(m), i);
	ck_err(ipk_imap_next(m, ipk_now(), &f), -ENOENT);
	ck_err(ipk_imap_next(m, ipk_now(), &f), -ENOENT);
	ck_assert_int_eq(source.n_ends, 1);
	ck_assert_ptr_null(f);
	m = ipk_imap_close(m);
	close_pool();
}
END_TEST

START_TEST(unordered_gives_each_once)
{
	static const size_t chunks[] = {0, 1, 7, 1000};

	for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++) {
		IPK_AUTO(imap, m);
		bool given[1000] = {false};
		ipk_future *f;

		open_pool(_i, 1000);
		ck_ok(ipk_pool_imap(pool, task_square, count_up, &source,
				    IPK_IMAP(.is_unordered = true, .chunk = chunks[c]), &m));
		for (int i = 0; i < 1000; i++) {
			size_t index = next_of(m);

			ck_assert(!given[index]);
			given[index] = true;
		}
		ck_err(ipk_imap_next(m, ipk_now(), &f), -ENOENT);
		m = ipk_imap_close(m);
		close_pool();
	}
}
END_TEST

START_TEST(unordered_gives_what_is_over)
{
	IPK_AUTO(imap, m);
	ipk_future *f;

	open_pool(_i, 3);
	ck_ok(ipk_pool_imap(pool, task_when_raised, count_up, &source,
			    IPK_IMAP(.is_unordered = true), &m));
	ck_err(ipk_imap_next(m, ipk_in_ms(10), &f), -ETIMEDOUT);
	shared_flags_raise(2);
	ck_assert_uint_eq(next_of(m), 2);
	shared_flags_raise(0);
	ck_assert_uint_eq(next_of(m), 0);
	shared_flags_raise(1);
	ck_assert_uint_eq(next_of(m), 1);
	m = ipk_imap_close(m);
	close_pool();
}
END_TEST

START_TEST(ordered_waits_for_the_first)
{
	IPK_AUTO(imap, m);
	ipk_future *f;

	open_pool(_i, 3);
	ck_ok(ipk_pool_imap(pool, task_when_raised, count_up, &source, NULL, &m));
	shared_flags_raise(1);
	shared_flags_raise(2);
	ck_err(ipk_imap_next(m, ipk_in_ms(10), &f), -ETIMEDOUT);
	shared_flags_raise(0);
	for (size_t i = 0; i < 3; i++)
		ck_assert_uint_eq(next_of(m), i);
	m = ipk_imap_close(m);
	close_pool();
}
END_TEST

/* What was taken from the input is never ahead of what was given by more than the window. */
START_TEST(the_window_holds)
{
	static const size_t windows[] = {1, 2, 5, 16, 100};

	for (size_t w = 0; w < sizeof windows / sizeof *windows; w++) {
		for (int is_unordered = 0; is_unordered < 2; is_unordered++) {
			IPK_AUTO(imap, m);
			int64_t most = 0;

			open_pool(_i, 300);
			ck_ok(ipk_pool_imap(pool, task_square, count_up, &source,
					    IPK_IMAP(.window = windows[w], .chunk = 3,
						     .is_unordered = is_unordered),
					    &m));
			for (int64_t i = 0; i < 300; i++) {
				next_of(m);
				if (source.now - i > most)
					most = source.now - i;
			}
			ck_assert_int_le(most, (int64_t)windows[w]);
			/* It is used, too, but for what a chunk leaves of it. */
			ck_assert_int_ge(most,
					 (int64_t)windows[w] > 3 ? (int64_t)windows[w] - 2 : 1);
			m = ipk_imap_close(m);
			close_pool();
		}
	}
}
END_TEST

START_TEST(an_error_of_the_input_comes_in_its_place)
{
	for (int is_unordered = 0; is_unordered < 2; is_unordered++) {
		IPK_AUTO(imap, m);
		ipk_future *f = NULL;

		open_pool(_i, 8);
		source.fails_at = 5;
		ck_ok(ipk_pool_imap(pool, task_square, count_up, &source,
				    IPK_IMAP(.is_unordered = is_unordered), &m));
		for (int i = 0; i < 5; i++)
			ck_assert_uint_lt(next_of(m), 5);
		ck_err(ipk_imap_next(m, ipk_in_ms(WAIT_MS), &f), -EIO);
		ck_assert_ptr_null(f);
		for (int i = 5; i < 8; i++)
			ck_assert_uint_ge(next_of(m), 5);
		ck_err(ipk_imap_next(m, ipk_in_ms(WAIT_MS), &f), -ENOENT);
		m = ipk_imap_close(m);
		close_pool();
	}
}
END_TEST

START_TEST(a_failed_item_is_given_like_others)
{
	IPK_AUTO(imap, m);
	ipk_failure failure;
	ipk_future *f;

	open_pool(_i, 3);
	source.now = -1;
	ck_ok(ipk_pool_imap(pool, task_positive, count_up, &source, NULL, &m));
	ck_ok(ipk_imap_next(m, ipk_in_ms(WAIT_MS), &f));
	ck_ok(ipk_future_failure(f, &failure));
	ck_assert_int_eq(failure.cause, IPK_FAILURE_TASK);
	ck_assert_int_eq(failure.code, -1);
	ipk_future_close(f);
	ck_ok(ipk_imap_next(m, ipk_in_ms(WAIT_MS), &f));
	ck_assert_int_eq(get_int(f), 0);
	ipk_future_close(f);
	m = ipk_imap_close(m);
	close_pool();
}
END_TEST

START_TEST(giving_up_cancels_the_rest)
{
	for (int is_unordered = 0; is_unordered < 2; is_unordered++) {
		ipk_progress progress;
		int64_t arg = 9;
		ipk_imap *m;
		ipk_future *f;

		open_pool(_i, 50);
		shared_flags_raise(0);
		ck_ok(ipk_pool_imap(pool, task_when_raised, count_up, &source,
				    IPK_IMAP(.window = 20, .is_unordered = is_unordered), &m));
		ck_assert_uint_eq(next_of(m), 0);
		ck_err(ipk_imap_next(m, ipk_in_ms(5), &f), -ETIMEDOUT);
		ck_begun(4); /* the first, and one for each worker */
		ck_assert_ptr_null(ipk_imap_close(m));
		ck_ok(ipk_pool_apply(pool, task_square, &arg, sizeof arg, NULL, 0,
				     ipk_in_ms(WAIT_MS), NULL));
		ck_ok(ipk_pool_progress(pool, &progress));
		ck_assert_uint_eq(progress.n_cancelled, 20);
		ck_assert_int_eq(shared_flags->n_begun, 5);
		close_pool();
	}
}
END_TEST

START_TEST(an_item_that_nobody_takes_is_not_lost)
{
	IPK_AUTO(imap, m);
	ipk_future *f = NULL;

	open_pool(_i, 10);
	ck_ok(ipk_pool_imap(pool, task_square, count_up, &source, IPK_IMAP(.window = 4), &m));
	ck_assert_uint_eq(next_of(m), 0);
	ck_ok(ipk_pool_shutdown(pool, IPK_DRAIN));
	for (size_t i = 1; i < 4; i++)
		ck_assert_uint_eq(next_of(m), i);
	ck_err(ipk_imap_next(m, ipk_in_ms(WAIT_MS), &f), -ESHUTDOWN);
	ck_err(ipk_imap_next(m, ipk_in_ms(WAIT_MS), &f), -ESHUTDOWN);
	ck_assert_int_eq(source.now, 5); /* the fifth waits, and no more are asked for */
	pool = ipk_pool_close(pool);
	ck_err(ipk_imap_next(m, ipk_in_ms(WAIT_MS), &f), -ESHUTDOWN);
	m = ipk_imap_close(m);
	shared_flags_close();
}
END_TEST

START_TEST(the_pool_may_go_first)
{
	for (int is_unordered = 0; is_unordered < 2; is_unordered++) {
		ipk_future *f;
		ipk_imap *m;

		open_pool(_i, 50);
		ck_ok(ipk_pool_imap(pool, task_when_raised, count_up, &source,
				    IPK_IMAP(.window = 8, .is_unordered = is_unordered), &m));
		ck_err(ipk_imap_next(m, ipk_now(), &f), -ETIMEDOUT);
		pool = ipk_pool_close(pool);
		for (int i = 0; i < 8; i++) {
			ck_ok(ipk_imap_next(m, ipk_now(), &f));
			ck_err(ipk_future_get(f, NULL, 0, ipk_now(), NULL), -ECANCELED);
			ipk_future_close(f);
		}
		ck_err(ipk_imap_next(m, ipk_now(), &f), -ESHUTDOWN);
		ck_assert_ptr_null(ipk_imap_close(m));
		shared_flags_close();
	}
}
END_TEST

START_TEST(bad_calls)
{
	ipk_future *f;
	ipk_imap *m = NULL;

	open_pool(_i, 1);
	ck_err(ipk_pool_imap(NULL, task_square, count_up, &source, NULL, &m), -EBADF);
	ck_err(ipk_pool_imap(pool, NULL, count_up, &source, NULL, &m), -EINVAL);
	ck_err(ipk_pool_imap(pool, task_square, NULL, &source, NULL, &m), -EINVAL);
	ck_err(ipk_pool_imap(pool, task_square, count_up, &source, NULL, NULL), -EINVAL);
	ck_err(ipk_pool_imap(pool, task_square, count_up, &source, IPK_IMAP(.window = SIZE_MAX),
			     &m),
	       -ENOMEM);
	ck_err(ipk_imap_next(NULL, ipk_now(), &f), -EBADF);
	ck_assert_ptr_null(ipk_imap_close(NULL));
	ck_assert_ptr_null(m);
	ck_ok(ipk_pool_shutdown(pool, IPK_DRAIN));
	ck_err(ipk_pool_imap(pool, task_square, count_up, &source, NULL, &m), -ESHUTDOWN);
	close_pool();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("imap");

	add_kinds_test(s, in_the_order_of_the_input);
	add_kinds_test(s, unordered_gives_each_once);
	add_kinds_test(s, unordered_gives_what_is_over);
	add_kinds_test(s, ordered_waits_for_the_first);
	add_kinds_test(s, the_window_holds);
	add_kinds_test(s, an_error_of_the_input_comes_in_its_place);
	add_kinds_test(s, a_failed_item_is_given_like_others);
	add_kinds_test(s, giving_up_cancels_the_rest);
	add_kinds_test(s, an_item_that_nobody_takes_is_not_lost);
	add_kinds_test(s, the_pool_may_go_first);
	add_kinds_test(s, bad_calls);
	return s;
}
IPK_TEST_MAIN(suite)
