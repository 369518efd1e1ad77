/*
 * test_detail.c - lib/base/detail.c: of every option that is out of its range
 * ipk_error_detail() has the name, and of an argument too.
 */
#include <ipk.h>
#include <ipk/manager.h>
#include <ipk/manager_inspect.h>
#include <ipk/manager_queue.h>
#include <ipk/manager_server.h>
#include <ipk/net.h>
#include <limits.h>
#include <pthread.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/support.h"

static char long_name[300];

/* Makes one with options; whatever comes of it is closed. */
#define WRONG(noun, macro, field, ...)                                             \
	static int noun##_##field##_is_wrong(void)                                 \
	{                                                                          \
		ipk_##noun *handle = NULL;                                         \
		int r = ipk_##noun##_create(macro(.field = __VA_ARGS__), &handle); \
                                                                                   \
		ipk_##noun##_close(handle);                                        \
		return r;                                                          \
	}

WRONG(barrier, IPK_BARRIER, n_parties, 0)
WRONG(barrier, IPK_BARRIER, name, "a/b", .n_parties = 2)
WRONG(barrier, IPK_BARRIER, label, "a b", .n_parties = 2)
WRONG(barrier, IPK_BARRIER, open_existing, true, .n_parties = 2)
WRONG(cond, IPK_COND, name, "")
WRONG(cond, IPK_COND, label, long_name)
WRONG(cond, IPK_COND, open_existing, true)
WRONG(event, IPK_EVENT, name, long_name)
WRONG(event, IPK_EVENT, label, "a/b")
WRONG(event, IPK_EVENT, open_existing, true)
WRONG(lock, IPK_LOCK, name, "a/b")
WRONG(lock, IPK_LOCK, label, "")
WRONG(lock, IPK_LOCK, open_existing, true)
WRONG(once, IPK_ONCE, name, "a\n")
WRONG(once, IPK_ONCE, label, "a\n")
WRONG(once, IPK_ONCE, open_existing, true)
WRONG(rwlock, IPK_RWLOCK, max_readers, IPK_RWLOCK_READERS_MAX + 1)
WRONG(rwlock, IPK_RWLOCK, name, "/")
WRONG(rwlock, IPK_RWLOCK, label, "/")
WRONG(rwlock, IPK_RWLOCK, open_existing, true)
WRONG(semaphore, IPK_SEMAPHORE, kind, (ipk_semaphore_kind)7)
WRONG(semaphore, IPK_SEMAPHORE, value, 3, .max = 2)
WRONG(semaphore, IPK_SEMAPHORE, max, IPK_SEMAPHORE_SIGNAL_MAX + 1)
WRONG(semaphore, IPK_SEMAPHORE, name, "a b")
WRONG(semaphore, IPK_SEMAPHORE, label, "a b")
WRONG(semaphore, IPK_SEMAPHORE, open_existing, true)
WRONG(value, IPK_VALUE, typecode, '?', .item_bytes = 3)
WRONG(value, IPK_VALUE, item_bytes, IPK_VALUE_BYTES_MAX + 1)
WRONG(value, IPK_VALUE, name, "a b", .typecode = 'i')
WRONG(value, IPK_VALUE, label, "a b", .typecode = 'i')
WRONG(value, IPK_VALUE, open_existing, true, .typecode = 'i')
WRONG(array, IPK_ARRAY, typecode, 0)
WRONG(array, IPK_ARRAY, item_bytes, 3, .typecode = 'i')
WRONG(array, IPK_ARRAY, name, "a b", .typecode = 'i')
WRONG(array, IPK_ARRAY, label, "a b", .typecode = 'i')
WRONG(array, IPK_ARRAY, open_existing, true, .typecode = 'i')
WRONG(shm, IPK_SHM, size_bytes, 0)
WRONG(shm, IPK_SHM, name, "a b", .size_bytes = 1)
WRONG(shm, IPK_SHM, label, "a b", .size_bytes = 1)
WRONG(shm, IPK_SHM, is_raw, true, .size_bytes = 1)
WRONG(shm, IPK_SHM, unlink_last, true, .size_bytes = 1)
WRONG(shm, IPK_SHM, open_existing, true, .size_bytes = 1)
WRONG(queue, IPK_QUEUE, kind, (ipk_queue_kind)9)
WRONG(queue, IPK_QUEUE, max_items, IPK_QUEUE_ITEMS_MAX + 1)
WRONG(queue, IPK_QUEUE, ring_bytes, 100)
WRONG(queue, IPK_QUEUE, max_message_bytes, IPK_MESSAGE_MAX_BYTES + 1)
WRONG(queue, IPK_QUEUE, name, "a b")
WRONG(queue, IPK_QUEUE, label, "a b")
WRONG(queue, IPK_QUEUE, open_existing, true)
WRONG(pool, IPK_POOL, kind, (ipk_pool_kind)9)
WRONG(pool, IPK_POOL, n_workers, IPK_POOL_WORKERS_MAX + 1)
WRONG(pool, IPK_POOL, label, "a b")
WRONG(pool, IPK_POOL, timeout_ns, -1)
WRONG(pool, IPK_POOL, start_method, IPK_START_EXEC)
WRONG(pool, IPK_POOL, worker_memory_bytes, 1, .kind = IPK_POOL_THREADS)

#define WRONG_PIPE(field, value)                                            \
	static int pipe_##field##_is_wrong(void)                            \
	{                                                                   \
		ipk_pipe *a = NULL, *b = NULL;                              \
                                                                            \
		return ipk_pipe_create(IPK_PIPE(.field = (value)), &a, &b); \
	}

WRONG_PIPE(label, "a b")
WRONG_PIPE(ring_bytes, 1)
WRONG_PIPE(max_message_bytes, IPK_MESSAGE_MAX_BYTES + 1)
WRONG_PIPE(flags, 1u << 20)

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

#define WRONG_PROCESS(field, ...)                                                          \
	static int process_##field##_is_wrong(void)                                        \
	{                                                                                  \
		ipk_process *child = NULL;                                                 \
                                                                                           \
		return ipk_process_start(nothing, NULL, IPK_PROCESS(.field = __VA_ARGS__), \
					 &child);                                          \
	}

static char *const no_words[] = {NULL};

WRONG_PROCESS(name, "a b")
WRONG_PROCESS(flags, 1u << 20)
WRONG_PROCESS(start_method, 9)
WRONG_PROCESS(arg_bytes, 1)
WRONG_PROCESS(inherit, NULL, .n_inherit = 1)
WRONG_PROCESS(n_inherit, IPK_INHERIT_MAX + 1)
WRONG_PROCESS(program, "true")
WRONG_PROCESS(argv, no_words)
WRONG_PROCESS(env, no_words)
WRONG_PROCESS(timeout_ns, -1)

static int zygote_name_is_wrong(void)
{
	return ipk_zygote_start(IPK_ZYGOTE(.name = "a b"));
}

static int task(ipk_task *self, const void *arg, size_t arg_bytes)
{
	(void)self, (void)arg, (void)arg_bytes;
	return 0;
}

#define WRONG_TASK(field, value)                                                                   \
	static int task_##field##_is_wrong(void)                                                   \
	{                                                                                          \
		ipk_pool *pool = NULL;                                                             \
		int r;                                                                             \
                                                                                                   \
		ck_ok(ipk_pool_create(IPK_POOL(.kind = IPK_POOL_THREADS, .n_workers = 1), &pool)); \
		r = ipk_pool_submit(pool, task, NULL, 0, IPK_TASK(.field = (value)), NULL);        \
		ipk_pool_close(pool);                                                              \
		return r;                                                                          \
	}

WRONG_TASK(soft_timeout_ns, -1)
WRONG_TASK(timeout_ns, -1)
WRONG_TASK(retry_delay_ns, -1)
WRONG_TASK(max_result_bytes, ((uint64_t)1 << 30) + 1)

#define WRONG_NET(field, address, ...)                                                      \
	static int net_##field##_is_wrong(void)                                             \
	{                                                                                   \
		ipk_net_listener *l = NULL;                                                 \
                                                                                            \
		return ipk_net_listener_create(address, IPK_NET(.field = __VA_ARGS__), &l); \
	}

WRONG_NET(key_bytes, "tcp:127.0.0.1:0", 5, .key = "short")
WRONG_NET(key_file, "tcp:127.0.0.1:0", "/nowhere", .key = "x")
WRONG_NET(max_message_bytes, "tcp:127.0.0.1:0", IPK_MESSAGE_MAX_BYTES + 1)
WRONG_NET(python_md5, "tcp:127.0.0.1:0", true)

#define WRONG_SERVER(field, ...)                                                          \
	static int manager_server_##field##_is_wrong(void)                                \
	{                                                                                 \
		ipk_manager_server *server = NULL;                                        \
                                                                                          \
		return ipk_manager_server_start(IPK_MANAGER_SERVER(.field = __VA_ARGS__), \
						ipk_in_ms(20000), &server);               \
	}

WRONG_SERVER(label, "a b")
WRONG_SERVER(fsync, 9)
WRONG_SERVER(flags, 1u << 20)
WRONG_SERVER(key_file, "/nowhere", .key = "x")
WRONG_SERVER(key_bytes, 5, .key = "short")

#define WRONG_CONNECT(field, ...)                                                                \
	static int manager_connect_##field##_is_wrong(void)                                      \
	{                                                                                        \
		ipk_manager *m = NULL;                                                           \
                                                                                                 \
		return ipk_manager_connect("unix:/nowhere",                                      \
					   IPK_MANAGER_CONNECT(.field = __VA_ARGS__), ipk_now(), \
					   &m);                                                  \
	}

WRONG_CONNECT(label, "a b")
WRONG_CONNECT(key_file, "/nowhere", .key = "x")
WRONG_CONNECT(key_bytes, 1 << 20, .key = "x")

static int manager_snapshot_max_objects_is_wrong(void)
{
	ipk_manager_snapshot *snapshot = NULL;

	return ipk_manager_snapshot_take("none", IPK_MANAGER_SNAPSHOT(.max_objects = UINT32_MAX),
					 &snapshot);
}

#define ROW(noun, field)                                     \
	{                                                    \
#noun, "." #field, noun##_##field##_is_wrong \
	}
#define COMMON(noun) ROW(noun, name), ROW(noun, label), ROW(noun, open_existing)

static const struct row {
	const char *noun, *field;
	int (*try)(void);
} rows[] = {
	COMMON(barrier),
	ROW(barrier, n_parties),
	COMMON(cond),
	COMMON(event),
	COMMON(lock),
	COMMON(once),
	COMMON(rwlock),
	ROW(rwlock, max_readers),
	COMMON(semaphore),
	ROW(semaphore, kind),
	ROW(semaphore, value),
	ROW(semaphore, max),
	COMMON(value),
	ROW(value, typecode),
	ROW(value, item_bytes),
	COMMON(array),
	ROW(array, typecode),
	ROW(array, item_bytes),
	COMMON(shm),
	ROW(shm, size_bytes),
	ROW(shm, is_raw),
	ROW(shm, unlink_last),
	COMMON(queue),
	ROW(queue, kind),
	ROW(queue, max_items),
	ROW(queue, ring_bytes),
	ROW(queue, max_message_bytes),
	ROW(pool, kind),
	ROW(pool, n_workers),
	ROW(pool, label),
	ROW(pool, timeout_ns),
	ROW(pool, start_method),
	ROW(pool, worker_memory_bytes),
	ROW(pipe, label),
	ROW(pipe, ring_bytes),
	ROW(pipe, max_message_bytes),
	ROW(pipe, flags),
	ROW(process, name),
	ROW(process, flags),
	ROW(process, start_method),
	ROW(process, arg_bytes),
	ROW(process, inherit),
	ROW(process, n_inherit),
	ROW(process, program),
	ROW(process, argv),
	ROW(process, env),
	ROW(process, timeout_ns),
	ROW(zygote, name),
	ROW(task, soft_timeout_ns),
	ROW(task, timeout_ns),
	ROW(task, retry_delay_ns),
	ROW(task, max_result_bytes),
	ROW(net, key_bytes),
	ROW(net, key_file),
	ROW(net, max_message_bytes),
	ROW(net, python_md5),
	ROW(manager_server, label),
	ROW(manager_server, fsync),
	ROW(manager_server, flags),
	ROW(manager_server, key_file),
	ROW(manager_server, key_bytes),
	ROW(manager_connect, label),
	ROW(manager_connect, key_file),
	ROW(manager_connect, key_bytes),
	ROW(manager_snapshot, max_objects),
};

START_TEST(an_option_is_named)
{
	const struct row *row = &rows[_i];
	const char *text, *at;

	memset(long_name, 'x', sizeof long_name - 1);
	ck_err(ipk_queue_put(NULL, "", 0, ipk_now()), -EBADF);
	ck_assert_msg(row->try() == -EINVAL, "%s %s is taken", row->noun, row->field);
	text = ipk_error_detail(-EINVAL);
	at = strstr(text, row->field);
	ck_assert_msg(at && strchr("):, ", at[strlen(row->field)]), "%s %s: %s", row->noun,
		      row->field, text);
	ck_assert_uint_lt(strlen(text), 120);
	ck_assert_ptr_null(strchr(text, '\n'));
}
END_TEST

START_TEST(an_argument_is_named)
{
	IPK_AUTO(queue, q);
	char buf[8];
	size_t n;

	ck_err(ipk_queue_create(NULL, NULL), -EINVAL);
	ck_assert_ptr_nonnull(strstr(ipk_error_detail(-EINVAL), "NULL"));
	ck_ok(ipk_queue_create(IPK_QUEUE(.max_message_bytes = 4), &q));
	ck_err(ipk_queue_put(q, NULL, 3, ipk_now()), -EINVAL);
	ck_assert_ptr_nonnull(strstr(ipk_error_detail(-EINVAL), "data"));
	ck_err(ipk_queue_put(q, "12345", 5, ipk_now()), -EMSGSIZE);
	ck_assert_ptr_nonnull(strstr(ipk_error_detail(-EMSGSIZE), "max_message_bytes"));
	ck_ok(ipk_queue_put(q, "1234", 4, ipk_now()));
	ck_err(ipk_queue_get(q, buf, 3, ipk_now(), &n), -EMSGSIZE);
	ck_assert_ptr_nonnull(strstr(ipk_error_detail(-EMSGSIZE), "buf_bytes"));
	ck_err(ipk_queue_putf(q, ipk_now(), "[i", 1), -EINVAL);
	ck_assert_ptr_nonnull(strstr(ipk_error_detail(-EINVAL), "format"));
}
END_TEST

START_TEST(one_made_otherwise_is_told_by_its_options)
{
	IPK_AUTO(queue, first);
	IPK_AUTO(queue, second);
	char name[64];

	snprintf(name, sizeof name, "test-detail-%d", (int)getpid());
	ck_ok(ipk_queue_create(IPK_QUEUE(.name = name, .max_items = 2), &first));
	ck_err(ipk_queue_create(IPK_QUEUE(.name = name, .max_items = 3, .open_existing = true),
				&second),
	       -EPROTOTYPE);
	ck_ok(ipk_queue_unlink(name));
	ck_assert_ptr_nonnull(strstr(ipk_error_detail(-EPROTOTYPE), ".max_items"));
}
END_TEST

/* What another error was about is not said of this one; both signs mean the same. */
START_TEST(other_errors_have_none)
{
	ck_assert_str_eq(ipk_error_detail(-EINVAL), "");
	ck_assert_str_eq(ipk_error_detail(0), "");
	ck_err(ipk_queue_create(NULL, NULL), -EINVAL);
	ck_assert_ptr_eq(ipk_error_detail(EINVAL), ipk_error_detail(-EINVAL));
	ck_assert_str_ne(ipk_error_detail(-EINVAL), "");
	ck_assert_str_eq(ipk_error_detail(-EMSGSIZE), "");
	ck_assert_str_eq(ipk_error_detail(-EBADF), "");
	ck_assert_str_eq(ipk_error_detail(0), "");
	ck_assert_str_eq(ipk_error_detail(INT_MIN), "");
}
END_TEST

static void *ask(void *arg)
{
	(void)arg;
	return (void *)ipk_error_detail(-EINVAL);
}

START_TEST(each_thread_has_its_own)
{
	pthread_t thread;
	void *text;

	ck_err(ipk_queue_create(NULL, NULL), -EINVAL);
	ck_assert_int_eq(pthread_create(&thread, NULL, ask, NULL), 0);
	ck_assert_int_eq(pthread_join(thread, &text), 0);
	ck_assert_str_eq(text, "");
	ck_assert_str_ne(ipk_error_detail(-EINVAL), "");
}
END_TEST

static int check_fails(void)
{
	IPK_AUTO(queue, q);

	IPK_CHECK(ipk_queue_create(IPK_QUEUE(.max_items = UINT32_MAX), &q));
	return 0;
}

START_TEST(check_prints_it)
{
	char text[512];
	size_t n;
	FILE *file = tmpfile();
	int saved = dup(2);

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(dup2(fileno(file), 2), 2);
	ck_assert_int_eq(check_fails(), 1);
	ck_assert_int_eq(dup2(saved, 2), 2);
	close(saved);
	rewind(file);
	n = fread(text, 1, sizeof text - 1, file);
	fclose(file);
	text[n] = '\0';
	ck_assert_ptr_nonnull(strstr(text, "(EINVAL): IPK_QUEUE(.max_items): 0 to"));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("detail");

	add_loop_test(s, an_option_is_named, 0, (int)(sizeof rows / sizeof rows[0]));
	add_test(s, an_argument_is_named);
	add_test(s, one_made_otherwise_is_told_by_its_options);
	add_test(s, other_errors_have_none);
	add_test(s, each_thread_has_its_own);
	add_test(s, check_prints_it);
	return s;
}

IPK_TEST_MAIN(suite)
