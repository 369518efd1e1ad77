/*
 * test_small_stack.c - every kind of object used by a thread whose stack is 64 KiB, as in Go, Java
 * and musl programs. An overflow is a SIGSEGV at the guard page. A child forked from there runs on
 * a copy of that stack.
 */
#include <ipk.h>
#include <ipk/manager.h>
#include <ipk/manager_inspect.h>
#include <ipk/manager_server.h>
#include <pthread.h>
#include <string.h>

#include "support/support.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define STACK_BYTES (2 << 20) /* what is watched has larger frames */
#else
#define STACK_BYTES (64 << 10)
#endif
#define SOON ipk_in_ms(WAIT_MS)

static void on_small_stack(void *(*fn)(void *arg))
{
	pthread_attr_t attr;
	pthread_t thread;

	ck_assert_int_eq(pthread_attr_init(&attr), 0);
	ck_assert_int_eq(pthread_attr_setstacksize(&attr, STACK_BYTES), 0);
	ck_assert_int_eq(pthread_create(&thread, &attr, fn, NULL), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	pthread_attr_destroy(&attr);
}

/* --- locks ------------------------------------------------------------------------------------ */

static int do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

static void *use_locks(void *arg)
{
	IPK_AUTO(lock, lock);
	IPK_AUTO(rwlock, rwlock);
	IPK_AUTO(semaphore, semaphore);
	IPK_AUTO(once, once);
	bool recovered;

	ck_ok(ipk_lock_create(NULL, &lock));
	ck_ok(ipk_lock_lock(lock, SOON, &recovered));
	ck_ok(ipk_lock_unlock(lock));
	ck_ok(ipk_rwlock_create(NULL, &rwlock));
	ck_ok(ipk_rwlock_read_lock(rwlock, SOON, &recovered));
	ck_ok(ipk_rwlock_read_unlock(rwlock));
	ck_ok(ipk_rwlock_write_lock(rwlock, SOON, &recovered));
	ck_ok(ipk_rwlock_write_unlock(rwlock));
	ck_ok(ipk_semaphore_create(IPK_SEMAPHORE(.value = 1), &semaphore));
	ck_ok(ipk_semaphore_acquire(semaphore, SOON));
	ck_ok(ipk_semaphore_release(semaphore));
	ck_ok(ipk_once_create(NULL, &once));
	ck_ok(ipk_once_run(once, do_nothing, NULL, SOON, &recovered));
	return arg;
}

static void tick(void *arg)
{
	(void)arg;
}

static void *use_signals(void *arg)
{
	IPK_AUTO(lock, lock);
	IPK_AUTO(cond, cond);
	IPK_AUTO(event, event);
	IPK_AUTO(barrier, barrier);
	IPK_AUTO(timer, timer);
	unsigned index;
	bool recovered;

	ck_ok(ipk_lock_create(NULL, &lock));
	ck_ok(ipk_cond_create(NULL, &cond));
	ck_ok(ipk_lock_lock(lock, SOON, &recovered));
	ck_err(ipk_cond_wait(cond, lock, ipk_in_ms(1), &recovered), -ETIMEDOUT);
	ck_ok(ipk_lock_unlock(lock));
	ck_ok(ipk_cond_notify_all(cond));
	ck_ok(ipk_event_create(NULL, &event));
	ck_err(ipk_event_wait(event, ipk_in_ms(1)), -ETIMEDOUT);
	ck_ok(ipk_event_set(event));
	ck_ok(ipk_event_wait(event, SOON));
	ck_ok(ipk_barrier_create(IPK_BARRIER(.n_parties = 1), &barrier));
	ck_ok(ipk_barrier_wait(barrier, do_nothing, NULL, SOON, &index));
	ck_ok(ipk_timer_start(1, tick, NULL, &timer));
	ck_ok(ipk_timer_wait(timer, SOON));
	return arg;
}

START_TEST(locks)
{
	on_small_stack(use_locks);
	on_small_stack(use_signals);
}
END_TEST

/* --- messages --------------------------------------------------------------------------------- */

static void use_pipe(unsigned flags)
{
	static char big[1 << 20];
	IPK_AUTO(pipe, a);
	IPK_AUTO(pipe, b);
	size_t n = 0;
	int answer = 0;

	ck_ok(ipk_pipe_create(IPK_PIPE(.flags = flags, .ring_bytes = 4 << 20), &a, &b));
	ck_ok(ipk_pipe_send(a, big, sizeof big, SOON));
	ck_ok(ipk_pipe_recv(b, big, sizeof big, SOON, &n));
	ck_ok(ipk_pipe_sendf(a, SOON, "[i]", 42));
	ck_ok(ipk_pipe_recvf(b, SOON, "[i]", &answer));
	ck_assert_int_eq(answer, 42);
}

static void use_queue(ipk_queue_kind kind)
{
	IPK_AUTO(queue, q);
	ipk_lease *lease = NULL;
	int answer = 0;

	ck_ok(ipk_queue_create(IPK_QUEUE(.kind = kind, .max_items = 10), &q));
	ck_ok(ipk_queue_putf(q, SOON, "[i]", 42));
	ck_ok(ipk_queue_getf(q, SOON, "[i]", &answer));
	ck_assert_int_eq(answer, 42);
	ck_ok(ipk_queue_task_done(q));
	ck_ok(ipk_queue_put(q, "x", 1, SOON));
	ck_ok(ipk_queue_lease(q, SOON, &lease));
	ck_ok(ipk_lease_ack(lease));
	ipk_lease_close(lease);
	ck_ok(ipk_queue_shutdown(q, IPK_DRAIN));
}

static void *use_messages(void *arg)
{
	use_pipe(0);
	use_pipe(IPK_PIPE_SOCKET);
	use_queue(IPK_QUEUE_FIFO);
	use_queue(IPK_QUEUE_LIFO);
	use_queue(IPK_QUEUE_PRIORITY);
	return arg;
}

START_TEST(messages)
{
	on_small_stack(use_messages);
}
END_TEST

/* --- memory ----------------------------------------------------------------------------------- */

static void *use_memory(void *arg)
{
	char name[UNIQUE_NAME_BYTES];
	IPK_AUTO(shm, shm);
	IPK_AUTO(shm, again);
	IPK_AUTO(value, value);
	IPK_AUTO(array, array);
	int64_t n = 0;

	unique_name(name, "small");
	ck_ok(ipk_shm_create(IPK_SHM(.name = name, .size_bytes = 100), &shm));
	ck_ok(ipk_shm_open(name, 0, ipk_now(), &again));
	ck_ok(ipk_shm_unlink(name, 0));
	ck_ok(ipk_value_create(IPK_VALUE(.typecode = 'q'), &value));
	ck_ok(ipk_value_add_int(value, 42, 'q', NULL));
	ck_ok(ipk_value_load_as(value, 'q', &n));
	ck_assert_int_eq(n, 42);
	ck_ok(ipk_array_create(IPK_ARRAY(.typecode = 'q', .n_items = 10), &array));
	ck_ok(ipk_array_set_as(array, 3, 'q', &n));
	return arg;
}

static void *use_inspector(void *arg)
{
	IPK_AUTO(queue, q);
	IPK_AUTO(semaphore, semaphore);
	IPK_AUTO(inspect, snap);
	char label[UNIQUE_NAME_BYTES];

	unique_name(label, "seen");
	ck_ok(ipk_queue_create(IPK_QUEUE(.label = label), &q));
	ck_ok(ipk_semaphore_create(IPK_SEMAPHORE(.label = label, .kind = IPK_SEMAPHORE_OWNED,
						 .value = 100, .max = 100),
				   &semaphore));
	ck_ok(ipk_inspect_scan(IPK_INSPECT(.match = label), &snap));
	ck_assert_uint_ge(ipk_inspect_len(snap), 1);
	return arg;
}

START_TEST(memory)
{
	on_small_stack(use_memory);
	on_small_stack(use_inspector);
}
END_TEST

/* --- processes -------------------------------------------------------------------------------- */

static int square(const void *item, void *ret_result)
{
	const int64_t *n = item;

	*(int64_t *)ret_result = *n * *n;
	return 0;
}

static int task(ipk_task *t, const void *arg, size_t arg_bytes)
{
	return ipk_task_return(t, arg, arg_bytes);
}

static void use_child(int start_method)
{
	IPK_AUTO(process, child);
	ipk_process_status status;

	ck_ok(ipk_process_start(do_nothing, NULL, IPK_PROCESS(.start_method = start_method),
				&child));
	ck_ok(ipk_process_join(child, SOON, &status));
	ck_assert_int_eq(status.exit_code, 0);
}

static void use_pool(ipk_pool_kind kind)
{
	IPK_AUTO(pool, pool);
	int64_t items[100] = {0}, squares[100];
	char buf[8];
	size_t n = 0;

	ck_ok(ipk_pool_create(IPK_POOL(.kind = kind, .n_workers = 2), &pool));
	ck_ok(ipk_pool_apply(pool, task, "hello", 5, buf, sizeof buf, SOON, &n));
	ck_assert_uint_eq(n, 5);
	items[9] = 9;
	ck_ok(ipk_pool_map_items(pool, square, items, sizeof *items, squares, sizeof *squares, 100,
				 NULL, SOON));
	ck_assert_int_eq(squares[9], 81);
	ck_ok(ipk_pool_shutdown(pool, IPK_DRAIN));
	ck_ok(ipk_pool_join(pool, SOON));
}

static void *use_processes(void *arg)
{
	use_child(IPK_START_FORK);
	use_child(IPK_START_ZYGOTE);
	use_pool(IPK_POOL_PROCESSES);
	use_pool(IPK_POOL_THREADS);
	return arg;
}

START_TEST(processes)
{
	ck_ok(ipk_zygote_start(NULL));
	on_small_stack(use_processes);
	ipk_zygote_stop();
}
END_TEST

/* --- managers --------------------------------------------------------------------------------- */

static void *use_manager(void *arg)
{
	ipk_manager_server *server = NULL;
	ipk_manager *m = NULL;
	ipk_dict *d = NULL;
	ipk_list *l = NULL;
	ipk_manager_snapshot *snap = NULL;

	ck_ok(ipk_manager_server_start(NULL, SOON, &server));
	ck_ok(ipk_manager_connect(ipk_manager_server_address(server), NULL, SOON, &m));
	ck_ok(ipk_dict_open(m, "d", &d));
	ck_ok(ipk_dict_set(d, ipk_text("field"), "value", 5, SOON));
	ck_ok(ipk_list_open(m, "l", &l));
	ck_ok(ipk_list_append(l, "5", 1, SOON));
	ck_ok(ipk_list_add(l, 0, 1, SOON, NULL));
	ck_ok(ipk_manager_snapshot_take(ipk_manager_server_address(server), NULL, &snap));
	ipk_manager_snapshot_close(snap);
	ipk_list_close(l);
	ipk_dict_close(d);
	ipk_manager_close(m);
	ck_ok(ipk_manager_server_stop(server, SOON));
	ipk_manager_server_close(server);
	return arg;
}

START_TEST(managers)
{
	on_small_stack(use_manager);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("small_stack");

	add_test(s, locks);
	add_test(s, messages);
	add_test(s, memory);
	add_test(s, processes);
	add_test(s, managers);
	return s;
}
IPK_TEST_MAIN(suite)
