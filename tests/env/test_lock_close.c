/* test_lock_close.c - closing a handle releases what is held through it. */
#include <pthread.h>

#include "ipk/cond.h"
#include "ipk/once.h"
#include "ipk/rwlock.h"
#include "ipk/semaphore.h"
#include "ipk/value.h"
#include "lock/lock_internal.h"
#include "os/os.h"
#include "support/support.h"

static void use_another(void)
{
	ipk_lock *other = NULL;

	ck_ok(ipk_lock_create(NULL, &other));
	ck_ok(ipk_lock_lock(other, ipk_now(), NULL));
	ck_ok(ipk_lock_unlock(other));
	ipk_lock_close(other);
	ck_assert_uint_eq(ipk__os_self.n_locks, 0);
}

/* Another process takes it, and is not told of any death. */
static int take(void *arg)
{
	bool recovered = true;

	return ipk_lock_lock(arg, ipk_now(), &recovered) < 0 || recovered;
}

START_TEST(a_lock)
{
	char name[UNIQUE_NAME_BYTES];
	ipk_lock *lock = NULL, *same = NULL;

	unique_name(name, "lock");
	ck_ok(ipk_lock_create(IPK_LOCK(.name = name, .is_recursive = _i == 1), &lock));
	ck_ok(ipk_lock_open(name, ipk_now(), &same));
	for (int i = 0; i <= _i; i++)
		ck_ok(ipk_lock_lock(lock, ipk_now(), NULL));
	ipk_lock_close(lock);
	reap_ok(spawn(take, same));
	/* What was taken through one handle stays when another is closed. */
	ck_ok(ipk_lock_open(name, ipk_now(), &lock));
	ck_ok(ipk_lock_lock(same, ipk_now(), NULL));
	ipk_lock_close(lock);
	ck_ok(ipk_lock_unlock(same));
	ck_ok(ipk_lock_unlink(name));
	ipk_lock_close(same);
	use_another();
}
END_TEST

START_TEST(the_only_handle_of_a_lock)
{
	IPK_AUTO(lock, after);

	for (int i = 0; i < 100; i++) {
		IPK_AUTO(lock, lock);

		ck_ok(ipk_lock_create(NULL, &lock));
		ck_ok(ipk_lock_lock(lock, ipk_now(), NULL));
	}
	ck_ok(ipk_lock_create(NULL, &after));
	ck_ok(ipk_lock_lock(after, ipk_now(), NULL));
	ck_ok(ipk_lock_unlock(after));
	use_another();
}
END_TEST

START_TEST(a_lock_after_a_condition)
{
	ipk_lock *lock = NULL;
	ipk_cond *cond = NULL;

	ck_ok(ipk_lock_create(IPK_LOCK(.is_recursive = true), &lock));
	ck_ok(ipk_cond_create(NULL, &cond));
	ck_ok(ipk_lock_lock(lock, ipk_now(), NULL));
	ck_ok(ipk_lock_lock(lock, ipk_now(), NULL));
	ck_err(ipk_cond_wait(cond, lock, ipk_in_ms(1), NULL), -ETIMEDOUT);
	ipk_lock_close(lock);
	ipk_cond_close(cond);
	use_another();
}
END_TEST

START_TEST(a_readers_writer_lock)
{
	char name[UNIQUE_NAME_BYTES];
	ipk_rwlock *lock = NULL, *same = NULL;

	unique_name(name, "rwlock");
	ck_ok(ipk_rwlock_create(IPK_RWLOCK(.name = name), &lock));
	ck_ok(ipk_rwlock_open(name, ipk_now(), &same));
	for (int i = 0; i < 2 && _i == 0; i++)
		ck_ok(ipk_rwlock_read_lock(lock, ipk_now(), NULL));
	if (_i == 1)
		ck_ok(ipk_rwlock_write_lock(lock, ipk_now(), NULL));
	ipk_rwlock_close(lock);
	ck_ok(ipk_rwlock_write_lock(same, ipk_now(), NULL));
	ck_ok(ipk_rwlock_write_unlock(same));
	ck_ok(ipk_rwlock_unlink(name));
	ipk_rwlock_close(same);
	use_another();
}
END_TEST

static int close_a_copy(void *arg)
{
	ipk_semaphore_close(arg);
	return 0;
}

START_TEST(tokens)
{
	char name[UNIQUE_NAME_BYTES];
	ipk_semaphore *s = NULL, *same = NULL;

	unique_name(name, "semaphore");
	ck_ok(ipk_semaphore_create(
		IPK_SEMAPHORE(.name = name, .value = 4, .kind = IPK_SEMAPHORE_OWNED), &s));
	ck_ok(ipk_semaphore_open(name, ipk_now(), &same));
	for (int i = 0; i < 3; i++)
		ck_ok(ipk_semaphore_acquire(s, ipk_now()));
	/* Nothing was taken through this one, nor by a child. */
	reap_ok(spawn(close_a_copy, s));
	same = ipk_semaphore_close(same);
	ck_ok(ipk_semaphore_open(name, ipk_now(), &same));
	ck_assert_uint_eq(ipk_semaphore_value(same), 1);
	ipk_semaphore_close(s);
	ck_assert_uint_eq(ipk_semaphore_value(same), 4);
	ck_ok(ipk_semaphore_unlink(name));
	ipk_semaphore_close(same);
}
END_TEST

static ipk_once *running;

static int close_it(void *arg)
{
	(void)arg;
	running = ipk_once_close(running);
	return 0;
}

static int do_it(void *arg)
{
	++*(int *)arg;
	return 0;
}

START_TEST(a_once_by_its_own_function)
{
	char name[UNIQUE_NAME_BYTES];
	ipk_once *same = NULL;
	int n = 0;

	unique_name(name, "once");
	ck_ok(ipk_once_create(IPK_ONCE(.name = name), &running));
	ck_ok(ipk_once_open(name, ipk_now(), &same));
	ck_err(ipk_once_run(running, close_it, NULL, ipk_now(), NULL), -ECANCELED);
	ck_ok(ipk_once_run(same, do_it, &n, ipk_now(), NULL));
	ck_assert_int_eq(n, 1);
	ck_ok(ipk_once_unlink(name));
	ipk_once_close(same);
	use_another();
}
END_TEST

START_TEST(values_and_arrays)
{
	ipk_value *v = NULL;
	ipk_array *a = NULL;

	ck_ok(ipk_value_create(IPK_VALUE(.typecode = 'i'), &v));
	ck_ok(ipk_array_create(IPK_ARRAY(.typecode = 'i', .n_items = 4), &a));
	ck_ok(ipk_lock_lock(ipk_value_get_lock(v), ipk_now(), NULL));
	ck_ok(ipk_lock_lock(ipk_array_get_lock(a), ipk_now(), NULL));
	ck_ok(ipk_lock_lock(ipk_array_get_lock(a), ipk_now(), NULL));
	ipk_value_close(v);
	ipk_array_close(a);
	use_another();
}
END_TEST

/* --- held by another thread, which goes on ---------------------------------------------------- */

struct sibling {
	ipk_lock *lock;
	struct gate has_it, may_go;
};

static void *hold_and_go_on(void *arg)
{
	struct sibling *s = arg;
	ipk_lock *own = NULL;
	bool is_well;

	if (ipk_lock_create(NULL, &own) < 0 || ipk_lock_lock(s->lock, ipk_now(), NULL) < 0)
		return arg;
	gate_open(&s->has_it);
	gate_wait(&s->may_go);
	is_well = ipk_lock_lock(own, ipk_now(), NULL) == 0 && ipk_lock_unlock(own) == 0;
	ipk_lock_close(own);
	return is_well ? NULL : arg;
}

static int close_under_a_sibling(void *arg)
{
	struct sibling *s = arg;
	pthread_t thread;
	void *result;

	if (pthread_create(&thread, NULL, hold_and_go_on, s) != 0)
		return 1;
	gate_wait(&s->has_it);
	ipk_lock_close(s->lock);
	gate_open(&s->may_go);
	pthread_join(thread, &result);
	return result != NULL;
}

START_TEST(a_lock_of_another_thread)
{
	char name[UNIQUE_NAME_BYTES];
	struct sibling s = {0};

	unique_name(name, "lock");
	ck_ok(ipk_lock_create(IPK_LOCK(.name = name), &s.lock));
	gate_init(&s.has_it);
	gate_init(&s.may_go);
	/* In a process of its own, whose memory stays. */
	reap_ok(spawn(close_under_a_sibling, &s));
	ck_ok(ipk_lock_unlink(name));
	ipk_lock_close(s.lock);
	gate_fini(&s.has_it);
	gate_fini(&s.may_go);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("lock_close");

	add_loop_test(s, a_lock, 0, 2);
	add_test(s, the_only_handle_of_a_lock);
	add_test(s, a_lock_after_a_condition);
	add_loop_test(s, a_readers_writer_lock, 0, 2);
	add_test(s, tokens);
	add_test(s, a_once_by_its_own_function);
	add_test(s, values_and_arrays);
	add_test(s, a_lock_of_another_thread);
	return s;
}

IPK_TEST_MAIN(suite)
