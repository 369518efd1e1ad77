/*
 * test_fault_objects.c - locks and other objects in arenas, created, opened, passed and used with
 * the k-th system call or allocation failing, for every k.
 */
#include "fault/faults.h"
#include "ipk.h"
#include "support/support.h"

static ipk_pipe *ends[2];
static char name[UNIQUE_NAME_BYTES];

static void use_name(void)
{
	unique_name(name, "fault");
}

/*
 * For each kind: create_x (anonymous, used, closed), create_named_x, open_x between
 * make_named_x and drop_named_x, pass_x between make_x and drop_x.
 */
#define KIND_SCENARIOS(noun, anonymous, named, use)                                     \
	static ipk_##noun *noun##_at_hand;                                              \
                                                                                        \
	static int create_##noun(void)                                                  \
	{                                                                               \
		IPK_AUTO(noun, x);                                                      \
                                                                                        \
		IPK_TRY(ipk_##noun##_create(anonymous, &x));                            \
		return use(x);                                                          \
	}                                                                               \
                                                                                        \
	/* What a thread asks the system about itself, it asks once. */                 \
	static void warm_##noun(void)                                                   \
	{                                                                               \
		ck_ok(create_##noun());                                                 \
	}                                                                               \
                                                                                        \
	static int create_named_##noun(void)                                            \
	{                                                                               \
		IPK_AUTO(noun, x);                                                      \
		int r = ipk_##noun##_create(named, &x);                                 \
                                                                                        \
		fault_disarm();                                                         \
		ck_err(ipk_##noun##_unlink(name), r == 0 ? 0 : -ENOENT);                \
		return r;                                                               \
	}                                                                               \
                                                                                        \
	static void make_named_##noun(void)                                             \
	{                                                                               \
		ck_ok(create_##noun());                                                 \
		use_name();                                                             \
		ck_ok(ipk_##noun##_create(named, &noun##_at_hand));                     \
		/* So that opening it maps it anew. */                                  \
		noun##_at_hand = ipk_##noun##_close(noun##_at_hand);                    \
	}                                                                               \
                                                                                        \
	static int open_##noun(void)                                                    \
	{                                                                               \
		IPK_AUTO(noun, x);                                                      \
                                                                                        \
		IPK_TRY(ipk_##noun##_open(name, ipk_now(), &x));                        \
		return use(x);                                                          \
	}                                                                               \
                                                                                        \
	static void drop_named_##noun(void)                                             \
	{                                                                               \
		ck_ok(ipk_##noun##_unlink(name));                                       \
	}                                                                               \
                                                                                        \
	static void make_##noun(void)                                                   \
	{                                                                               \
		ck_ok(create_##noun());                                                 \
		ck_ok(ipk_pipe_create(NULL, &ends[0], &ends[1]));                       \
		ck_ok(ipk_##noun##_create(anonymous, &noun##_at_hand));                 \
	}                                                                               \
                                                                                        \
	static int pass_##noun(void)                                                    \
	{                                                                               \
		IPK_AUTO(noun, x);                                                      \
                                                                                        \
		IPK_TRY(ipk_##noun##_send(noun##_at_hand, ends[0], ipk_now()));         \
		IPK_TRY(ipk_##noun##_recv(ends[1], ipk_now(), &x));                     \
		return use(x);                                                          \
	}                                                                               \
                                                                                        \
	static void drop_##noun(void)                                                   \
	{                                                                               \
		ck_ok(use(noun##_at_hand));                                             \
		noun##_at_hand = ipk_##noun##_close(noun##_at_hand);                    \
		ends[0] = ipk_pipe_close(ends[0]);                                      \
		ends[1] = ipk_pipe_close(ends[1]);                                      \
	}                                                                               \
                                                                                        \
	FAULT_TEST(creating_a_##noun, create_##noun, warm_##noun)                       \
	FAULT_TEST(creating_a_named_##noun, create_named_##noun, use_name)              \
	FAULT_TEST(opening_a_##noun, open_##noun, make_named_##noun, drop_named_##noun) \
	FAULT_TEST(passing_a_##noun, pass_##noun, make_##noun, drop_##noun)

/* --- used for a moment, which needs no system call that may fail ------------------------------ */

static int use_lock(ipk_lock *x)
{
	IPK_TRY(ipk_lock_lock(x, ipk_now(), NULL));
	return ipk_lock_unlock(x);
}

static int use_rwlock(ipk_rwlock *x)
{
	IPK_TRY(ipk_rwlock_read_lock(x, ipk_now(), NULL));
	IPK_TRY(ipk_rwlock_read_unlock(x));
	IPK_TRY(ipk_rwlock_write_lock(x, ipk_now(), NULL));
	return ipk_rwlock_write_unlock(x);
}

static int use_semaphore(ipk_semaphore *x)
{
	IPK_TRY(ipk_semaphore_acquire(x, ipk_now()));
	return ipk_semaphore_release(x);
}

static int use_cond(ipk_cond *x)
{
	return ipk_cond_notify_all(x);
}

static int use_event(ipk_event *x)
{
	IPK_TRY(ipk_event_set(x));
	return ipk_event_wait(x, ipk_now());
}

static int use_barrier(ipk_barrier *x)
{
	return ipk_barrier_wait(x, NULL, NULL, ipk_now(), NULL);
}

static int do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int use_once(ipk_once *x)
{
	return ipk_once_run(x, do_nothing, NULL, ipk_now(), NULL);
}

static int use_value(ipk_value *x)
{
	int i = 1;

	IPK_TRY(ipk_value_store(x, &i));
	return ipk_value_load(x, &i);
}

static int use_array(ipk_array *x)
{
	static char bytes[100];

	return ipk_array_read(x, 0, sizeof bytes, bytes, sizeof bytes, ipk_now(), NULL);
}

KIND_SCENARIOS(lock, NULL, IPK_LOCK(.name = name), use_lock)
KIND_SCENARIOS(rwlock, NULL, IPK_RWLOCK(.name = name), use_rwlock)
KIND_SCENARIOS(semaphore, IPK_SEMAPHORE(.value = 1), IPK_SEMAPHORE(.name = name, .value = 1),
	       use_semaphore)
KIND_SCENARIOS(cond, NULL, IPK_COND(.name = name), use_cond)
KIND_SCENARIOS(event, NULL, IPK_EVENT(.name = name), use_event)
KIND_SCENARIOS(barrier, IPK_BARRIER(.n_parties = 1), IPK_BARRIER(.name = name, .n_parties = 1),
	       use_barrier)
KIND_SCENARIOS(once, NULL, IPK_ONCE(.name = name), use_once)
KIND_SCENARIOS(value, IPK_VALUE(.typecode = 'i'), IPK_VALUE(.name = name, .typecode = 'i'),
	       use_value)
KIND_SCENARIOS(array, IPK_ARRAY(.typecode = 'c', .n_items = 100),
	       IPK_ARRAY(.name = name, .typecode = 'c', .n_items = 100), use_array)

/* --- a timer ---------------------------------------------------------------------------------- */

static void count_up(void *arg)
{
	++*(_Atomic int *)arg;
}

static int run_timer(void)
{
	_Atomic int n = 0;
	ipk_timer *timer;
	int r = ipk_timer_start(1000, count_up, &n, &timer);

	if (r < 0) {
		ck_assert_int_eq(n, 0);
		return r;
	}
	ck_ok(ipk_timer_wait(timer, ipk_in_ms(WAIT_MS)));
	ck_assert_int_eq(n, 1);
	ipk_timer_close(timer);
	return 0;
}

FAULT_TEST(a_timer, run_timer)

#define ADD_KIND(s, noun)                             \
	do {                                          \
		add_test(s, creating_a_##noun);       \
		add_test(s, creating_a_named_##noun); \
		add_test(s, opening_a_##noun);        \
		add_test(s, passing_a_##noun);        \
	} while (0)

static Suite *suite(void)
{
	Suite *s = suite_create("fault_objects");

	ADD_KIND(s, lock);
	ADD_KIND(s, rwlock);
	ADD_KIND(s, semaphore);
	ADD_KIND(s, cond);
	ADD_KIND(s, event);
	ADD_KIND(s, barrier);
	ADD_KIND(s, once);
	ADD_KIND(s, value);
	ADD_KIND(s, array);
	add_test(s, a_timer);
	return s;
}

IPK_TEST_MAIN(suite)
