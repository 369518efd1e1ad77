/*
 * options.cpp - the options macros, each of them, as a C++ program uses them: options.sh
 * compiles it without a warning and runs it.
 */
#include <errno.h>
#include <ipk.h>
#include <ipk/manager.h>
#include <ipk/manager_inspect.h>
#include <ipk/manager_server.h>
#include <ipk/net.h>
#include <stdio.h>
#include <string.h>

static int n_wrong;

static void expect(int r, int wanted, const char *what)
{
	if (r != wanted) {
		printf("%s: %s, not %s\n", what, ipk_errname(r), ipk_errname(wanted));
		n_wrong++;
	}
}

#define EXPECT(call, wanted) expect((call), (wanted), #call)

/* create(LOCK, lock, .is_recursive = true): made, and closed at the end of the scope. */
#define CREATE(macro, noun, ...)                                             \
	do {                                                                 \
		IPK_AUTO(noun, handle);                                      \
		EXPECT(ipk_##noun##_create(macro(__VA_ARGS__), &handle), 0); \
	} while (0)

static int leave(void *arg)
{
	(void)arg;
	return 3;
}

static void objects()
{
	uint32_t max = 2;

	CREATE(IPK_BARRIER, barrier, .label = "b", .n_parties = 2);
	CREATE(IPK_COND, cond, .label = "c");
	CREATE(IPK_EVENT, event, .is_set = true);
	CREATE(IPK_LOCK, lock, .label = "l", .is_recursive = true);
	CREATE(IPK_ONCE, once, .label = "o");
	CREATE(IPK_QUEUE, queue, .kind = IPK_QUEUE_LIFO, .max_items = max);
	CREATE(IPK_QUEUE, queue, );
	CREATE(IPK_RWLOCK, rwlock, .max_readers = 2);
	CREATE(IPK_SEMAPHORE, semaphore, .value = 1, .max = max);
	CREATE(IPK_SHM, shm, .size_bytes = 100);
	CREATE(IPK_VALUE, value, .typecode = 'i', .is_raw = true);
	CREATE(IPK_ARRAY, array, .n_items = max, .typecode = 'd');
}

/* What a call sees of options: those named, and the default of every other. */
static void fields()
{
	IPK_AUTO(queue, q);
	int n = 0;

	EXPECT(ipk_queue_create(IPK_QUEUE(.max_items = 2), &q), 0);
	EXPECT(ipk_queue_putf(q, ipk_now(), "i", 1), 0);
	EXPECT(ipk_queue_putf(q, ipk_now(), "i", 2), 0);
	EXPECT(ipk_queue_putf(q, ipk_now(), "i", 3), -ETIMEDOUT);
	EXPECT(ipk_queue_getf(q, ipk_now(), "i", &n), 0);
	EXPECT(n, 1);
}

static void processes()
{
	IPK_AUTO(queue, q);
	IPK_AUTO(process, child);
	IPK_AUTO(pipe, a);
	IPK_AUTO(pipe, b);
	ipk_process_status status;

	EXPECT(ipk_queue_create(NULL, &q), 0);
	EXPECT(ipk_pipe_create(IPK_PIPE(.label = "p", .flags = IPK_PIPE_ONE_WAY), &a, &b), 0);
	const ipk_inherit inherit[] = {IPK_INHERIT(queue, "jobs", q), IPK_INHERIT_FD("out", 1)};
	EXPECT(ipk_process_start(leave, NULL,
				 IPK_PROCESS(.name = "child", .start_method = IPK_START_FORK,
					     .inherit = inherit, .n_inherit = 2),
				 &child),
	       0);
	EXPECT(ipk_process_join(child, ipk_in_ms(20000), &status), 0);
	EXPECT(status.exit_code, 3);
	EXPECT(ipk_zygote_start(IPK_ZYGOTE(.name = "no good")), -EINVAL);
}

static int square(ipk_task *task, const void *arg, size_t arg_bytes)
{
	int n;

	if (arg_bytes != sizeof(n))
		return -EINVAL;
	memcpy(&n, arg, sizeof(n));
	n *= n;
	return ipk_task_return(task, &n, sizeof(n));
}

static int give_nothing(void *arg, ipk_bytes *ret_item)
{
	(void)arg, (void)ret_item;
	return -ENOENT;
}

static void pools()
{
	IPK_AUTO(pool, pool);
	IPK_AUTO(imap, results);
	IPK_AUTO(future, future);
	int n = 7;
	size_t n_bytes = 0;

	EXPECT(ipk_pool_create(IPK_POOL(.kind = IPK_POOL_THREADS, .n_workers = 1,
					.start_method = IPK_START_DEFAULT),
			       &pool),
	       0);
	EXPECT(ipk_pool_submit(pool, square, &n, sizeof(n), IPK_TASK(.n_retries = 1), &future), 0);
	EXPECT(ipk_future_get(future, &n, sizeof(n), ipk_in_ms(20000), &n_bytes), 0);
	EXPECT(n, 49);
	future = ipk_future_close(future);
	EXPECT(ipk_pool_imap(pool, square, give_nothing, NULL,
			     IPK_IMAP(.window = 2, .task = IPK_TASK(.n_retries = 1)), &results),
	       0);
	EXPECT(ipk_imap_next(results, ipk_in_ms(20000), &future), -ENOENT);
}

static void managers()
{
	IPK_AUTO(manager_server, server);
	IPK_AUTO(manager, m);
	IPK_AUTO(managed_queue, q);
	IPK_AUTO(managed_lock, lock);
	IPK_AUTO(managed_semaphore, semaphore);
	IPK_AUTO(managed_cond, cond);
	IPK_AUTO(managed_barrier, barrier);
	IPK_AUTO(managed_array, array);
	IPK_AUTO(dict, dict);
	IPK_AUTO(manager_snapshot, snapshot);
	IPK_AUTO(inspect, found);
	size_t n_bytes = 0;
	char text[8];

	EXPECT(ipk_manager_server_start(IPK_MANAGER_SERVER(.label = "options-cpp"),
					ipk_in_ms(20000), &server),
	       0);
	EXPECT(ipk_manager_connect(ipk_manager_server_address(server),
				   IPK_MANAGER_CONNECT(.label = "options-cpp", .no_local = true),
				   ipk_in_ms(20000), &m),
	       0);
	EXPECT(ipk_managed_queue_open(m, "q", IPK_MANAGED_QUEUE(.max_items = 1), ipk_in_ms(20000),
				      &q),
	       0);
	EXPECT(ipk_managed_lock_open(m, "l", IPK_MANAGED_LOCK(.is_recursive = true),
				     ipk_in_ms(20000), &lock),
	       0);
	EXPECT(ipk_managed_semaphore_open(m, "s", IPK_MANAGED_SEMAPHORE(.value = 2, .max = 2),
					  ipk_in_ms(20000), &semaphore),
	       0);
	EXPECT(ipk_managed_cond_open(m, "c", IPK_MANAGED_COND(.lock_name = "l"), ipk_in_ms(20000),
				     &cond),
	       0);
	EXPECT(ipk_managed_barrier_open(m, "b", IPK_MANAGED_BARRIER(.n_parties = 2),
					ipk_in_ms(20000), &barrier),
	       0);
	EXPECT(ipk_managed_array_open(m, "a", IPK_MANAGED_ARRAY(.n_items = 2), ipk_in_ms(20000),
				      &array),
	       0);
	EXPECT(ipk_dict_open(m, "d", &dict), 0);
	EXPECT(ipk_dict_set(dict, ipk_text("two"), "2", 1, ipk_in_ms(20000)), 0);
	EXPECT(ipk_dict_get(dict, ipk_text("two"), text, sizeof(text), ipk_in_ms(20000), &n_bytes),
	       0);
	EXPECT((int)n_bytes, 1);
	EXPECT(ipk_manager_snapshot_take(ipk_manager_server_address(server),
					 IPK_MANAGER_SNAPSHOT(.max_objects = 1), &snapshot),
	       0);
	EXPECT(ipk_inspect_scan(IPK_INSPECT(.match = "options-cpp"), &found), 0);
}

static void pipes_over_the_net()
{
	IPK_AUTO(net_listener, listener);

	EXPECT(ipk_net_listener_create("tcp:127.0.0.1:0", IPK_NET(.key = "short", .key_bytes = 5),
				       &listener),
	       -EINVAL);
}

int main()
{
	objects();
	fields();
	processes();
	pools();
	managers();
	pipes_over_the_net();
	return n_wrong != 0;
}
