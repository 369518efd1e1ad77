/*
 * test_low_fds.c - a host that was started without stdin, stdout or stderr, and still reads from
 * and prints to them.
 *
 * Each test closes one subset of 0, 1 and 2 and uses every kind of object, also from children by
 * every start method, pool workers and a manager. None of their files may be 0, 1 or 2 in any of
 * these processes: the first process to print there would overwrite shared memory.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipk.h"
#include "ipk/manager.h"
#include "ipk/manager_server.h"
#include "ipk/manager_value.h"
#include "ipk/net.h"
#include "support/support.h"

enum { TROUBLE_FD = 200, MOVED_MS = 2000 };

static int closed; /* bits 0 to 2: these were, at the start */

#define must(fact)                                                                                 \
	do {                                                                                       \
		if (!(fact)) {                                                                     \
			dprintf(TROUBLE_FD, "%s:%d: without %d: not so: %s\n", __FILE__, __LINE__, \
				closed, #fact);                                                    \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)
#define must_ok(call)                                                                             \
	do {                                                                                      \
		int r_ = (call);                                                                  \
		if (r_ != 0) {                                                                    \
			dprintf(TROUBLE_FD, "%s:%d: without %d: %s is -%s\n", __FILE__, __LINE__, \
				closed, #call, ipk_errname(r_));                                  \
			return 1;                                                                 \
		}                                                                                 \
	} while (0)

static ipk_deadline soon(void)
{
	return ipk_in_ms(WAIT_MS);
}

/* --- what lies on 0, 1 and 2 ------------------------------------------------------------------ */

static void print_there(void)
{
	static const char text[] = "debug: something happened, and this line is rather long\n";

	for (int fd = 0; fd < 3; fd++) {
		for (int i = 0; (closed & 1 << fd) && i < 100; i++)
			(void)!write(fd, text, sizeof text);
	}
}

struct low_fd {
	pid_t pid;
	int fd;
	char file[256];
};

/*
 * Nothing, or /dev/null: what a child has for stdin, and a server for all; for a moment what the
 * dynamic loader reads after an exec, and the C library to count the processors.
 */
static bool low_fd_is_clean(void *arg)
{
	struct low_fd *low = arg;
	char path[64];
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)low->pid, low->fd);
	n = readlink(path, low->file, sizeof low->file - 1);
	if (n < 0)
		return true;
	low->file[n] = '\0';
	return strcmp(low->file, "/dev/null") == 0 || strstr(low->file, ".so") ||
	       strcmp(low->file, "/sys/devices/system/cpu/online") == 0;
}

/*
 * Another process may be just making a file: the kernel gives it the lowest number, and the
 * library moves it up with its next call. What lies there for longer is a fault.
 */
static bool is_clean(pid_t pid)
{
	bool is = true;

	for (int fd = 0; fd < 3; fd++) {
		struct low_fd low = {.pid = pid, .fd = fd};

		if (!(closed & 1 << fd) || low_fd_is_clean(&low) ||
		    (pid != getpid() && wait_until(low_fd_is_clean, &low, MOVED_MS)))
			continue;
		dprintf(TROUBLE_FD, "process %d has %s as %d\n", (int)pid, low.file, fd);
		is = false;
	}
	return is;
}

static pid_t parent_of(pid_t pid)
{
	char path[64], text[512] = "";
	const char *after;
	int parent = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	(void)!fread(text, 1, sizeof text - 1, file);
	fclose(file);
	after = strrchr(text, ')');
	if (after)
		sscanf(after + 1, " %*c %d", &parent);
	return parent;
}

static bool descends(pid_t pid, pid_t from)
{
	for (int depth = 0; pid > 1 && depth < 10; depth++) {
		if (pid == from)
			return true;
		pid = parent_of(pid);
	}
	return false;
}

/* This process and all that come from it. */
static bool all_are_clean(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	bool are = dir != NULL;

	while (are && (e = readdir(dir))) {
		pid_t pid = (pid_t)atoi(e->d_name);

		if (pid > 0 && descends(pid, getpid()) && pid != getpid())
			are = is_clean(pid);
	}
	if (dir)
		closedir(dir);
	return are && is_clean(getpid());
}

/* --- the kinds -------------------------------------------------------------------------------- */

static int64_t number_in(ipk_value *v)
{
	int64_t n = -1;

	return ipk_value_load(v, &n) == 0 ? n : -1;
}

static int use_values(void)
{
	IPK_AUTO(value, v);
	IPK_AUTO(value, named);
	IPK_AUTO(value, again);
	IPK_AUTO(array, a);
	IPK_AUTO(shm, memory);
	char name[UNIQUE_NAME_BYTES];
	int64_t n = 42, items[64] = {7};

	unique_name(name, "low");
	must_ok(ipk_value_create(IPK_VALUE(.typecode = 'l', .item = &n), &v));
	must_ok(ipk_value_create(IPK_VALUE(.typecode = 'l', .item = &n, .name = name), &named));
	must_ok(ipk_value_open(name, ipk_now(), &again));
	must_ok(ipk_array_create(IPK_ARRAY(.typecode = 'l', .n_items = 64), &a));
	must_ok(ipk_shm_create(IPK_SHM(.size_bytes = 10000), &memory));
	must_ok(ipk_array_write(a, 0, 64, items, sizeof items, ipk_now(), NULL));
	print_there();
	must(is_clean(getpid()));
	must(number_in(v) == 42 && number_in(named) == 42 && number_in(again) == 42);
	must_ok(ipk_array_read(a, 0, 64, items, sizeof items, ipk_now(), NULL));
	must(items[0] == 7 && items[1] == 0);
	must_ok(ipk_lock_lock(ipk_value_get_lock(v), ipk_now(), NULL));
	must_ok(ipk_lock_unlock(ipk_value_get_lock(v)));
	must_ok(ipk_value_unlink(name));
	return 0;
}

static int use_queue(ipk_queue *q)
{
	char buf[1000] = "item", got[8192];
	size_t n = 0;
	int fd;

	must_ok(ipk_queue_fd(q, &fd));
	must(fd > 2);
	for (int i = 0; i < 3; i++)
		must_ok(ipk_queue_put(q, buf, sizeof buf, soon()));
	print_there();
	for (int i = 0; i < 3; i++) {
		must_ok(ipk_queue_get(q, got, sizeof got, soon(), &n));
		must(n == sizeof buf && memcmp(buf, got, n) == 0);
	}
	must(is_clean(getpid()));
	return 0;
}

static int use_queues(void)
{
	IPK_AUTO(queue, q);
	IPK_AUTO(queue, named);
	IPK_AUTO(queue, again);
	IPK_AUTO(queue, mq);
	IPK_AUTO(queue, small);
	char name[UNIQUE_NAME_BYTES], mq_name[UNIQUE_NAME_BYTES + 8];
	static char large[1 << 20];
	size_t n = 0;

	unique_name(name, "low");
	snprintf(mq_name, sizeof mq_name, "mq:/%s", name);
	must_ok(ipk_queue_create(IPK_QUEUE(.max_items = 10), &q));
	must_ok(ipk_queue_create(IPK_QUEUE(.ring_bytes = 4096), &small));
	must_ok(ipk_queue_create(IPK_QUEUE(.name = name), &named));
	must_ok(ipk_queue_open(name, ipk_now(), &again));
	must_ok(ipk_queue_create(IPK_QUEUE(.name = mq_name, .max_items = 5), &mq));
	must(use_queue(q) == 0 && use_queue(named) == 0 && use_queue(again) == 0);
	must(use_queue(mq) == 0);
	must_ok(ipk_queue_put(small, large, sizeof large, soon())); /* to pages of its own */
	must_ok(ipk_queue_get(small, large, sizeof large, soon(), &n));
	must(n == sizeof large && large[0] == 0 && large[n - 1] == 0);
	must_ok(ipk_queue_unlink(name));
	must_ok(ipk_queue_unlink(mq_name));
	return 0;
}

#define pass(noun, handle)                                       \
	do {                                                     \
		IPK_AUTO(noun, other_);                          \
		must_ok(ipk_##noun##_send((handle), a, soon())); \
		must_ok(ipk_##noun##_recv(b, soon(), &other_));  \
		must(is_clean(getpid()));                        \
	} while (0)

static int use_pipe(unsigned flags)
{
	IPK_AUTO(pipe, a);
	IPK_AUTO(pipe, b);
	IPK_AUTO(value, v);
	IPK_AUTO(queue, q);
	IPK_AUTO(event, event);
	IPK_AUTO(lock, lock);
	static char large[300000];
	int fds[2], fd = -1;
	size_t n = 0;

	must_ok(ipk_pipe_create(IPK_PIPE(.flags = flags), &a, &b));
	must_ok(ipk_value_create(IPK_VALUE(.typecode = 'l'), &v));
	must_ok(ipk_queue_create(NULL, &q));
	must_ok(ipk_event_create(NULL, &event));
	must_ok(ipk_lock_create(NULL, &lock));
	pass(value, v);
	pass(queue, q);
	pass(event, event);
	pass(lock, lock);
	must_ok(ipk_pipe_fd(b, &fd));
	must(fd > 2);
	print_there();
	must_ok(ipk_pipe_send(a, large, sizeof large, soon()));
	must_ok(ipk_pipe_recv(b, large, sizeof large, soon(), &n));
	must(n == sizeof large);
	/* The program's own may be low: what comes out at the other side is not. */
	must(pipe(fds) == 0);
	must_ok(ipk_pipe_send_fd(a, fds[0], soon()));
	must_ok(ipk_pipe_recv_fd(b, soon(), &fd));
	must(fd > 2);
	close(fd);
	close(fds[0]);
	close(fds[1]);
	must(is_clean(getpid()));
	return 0;
}

/* --- children --------------------------------------------------------------------------------- */

/* In a child by any method. */
static int child_main(void)
{
	IPK_AUTO_INIT(value, v, ipk_inherited(value, "v"));
	IPK_AUTO_INIT(pipe, end, ipk_inherited(pipe, "end"));
	IPK_AUTO(queue, q);
	char buf[16];
	size_t n = 0;

	must(v && end);
	print_there();
	must(is_clean(getpid()));
	must(number_in(v) == 42);
	must_ok(ipk_pipe_recv(end, buf, sizeof buf, soon(), &n));
	must(n == 5 && memcmp(buf, "hello", 5) == 0);
	must_ok(ipk_queue_create(NULL, &q));
	must(use_queue(q) == 0);
	must_ok(ipk_pipe_send(end, "done", 4, soon()));
	return 0;
}

static int forked_child(void *arg)
{
	(void)arg;
	return child_main();
}

static int use_child(int method, unsigned flags)
{
	IPK_AUTO(pipe, here);
	IPK_AUTO(pipe, there);
	IPK_AUTO(value, v);
	IPK_AUTO(process, p);
	ipk_process_status status = {0};
	char number[8], buf[16];
	char *argv[] = {"test", "child", number, NULL};
	int64_t answer = 42;
	size_t n = 0;

	snprintf(number, sizeof number, "%d", closed);
	must_ok(ipk_value_create(IPK_VALUE(.typecode = 'l', .item = &answer), &v));
	must_ok(ipk_pipe_create(IPK_PIPE(.flags = flags), &here, &there));
	{
		ipk_inherit given[] = {IPK_INHERIT(value, "v", v), IPK_INHERIT(pipe, "end", there)};
		ipk_process_opts o =
			*IPK_PROCESS(.start_method = method, .inherit = given, .n_inherit = 2);

		if (method == IPK_START_EXEC)
			o.argv = argv;
		must_ok(ipk_process_start(method == IPK_START_EXEC ? NULL : forked_child, NULL, &o,
					  &p));
		there = NULL; /* it went over */
	}
	print_there();
	must(all_are_clean());
	must_ok(ipk_pipe_send(here, "hello", 5, soon()));
	must_ok(ipk_pipe_recv(here, buf, sizeof buf, soon(), &n));
	must(n == 4);
	must_ok(ipk_process_join(p, soon(), &status));
	must(status.exit_code == 0);
	must(number_in(v) == 42);
	return 0;
}

static int use_children(void)
{
	static const int methods[] = {IPK_START_FORK, IPK_START_ZYGOTE, IPK_START_EXEC};

	must_ok(ipk_zygote_start(NULL));
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
		must(use_child(methods[i], 0) == 0);
		must(use_child(methods[i], IPK_PIPE_SOCKET) == 0);
	}
	must(all_are_clean());
	ipk_zygote_stop();
	return 0;
}

static int call_listener(void *path)
{
	IPK_AUTO(pipe, p);

	must_ok(ipk_pipe_connect(path, soon(), &p));
	print_there();
	must(is_clean(getpid()));
	must_ok(ipk_pipe_send(p, "hello", 5, soon()));
	return 0;
}

static int call_net(void *address)
{
	IPK_AUTO(pipe, p);

	must_ok(ipk_net_connect(address, NULL, soon(), &p));
	print_there();
	must(is_clean(getpid()));
	must_ok(ipk_pipe_send(p, "hello", 5, soon()));
	return 0;
}

static int take_call(ipk_pipe *p, ipk_process *caller)
{
	ipk_process_status status = {0};
	char buf[16];
	size_t n = 0;

	must_ok(ipk_pipe_recv(p, buf, sizeof buf, soon(), &n));
	must(n == 5);
	must_ok(ipk_process_join(caller, soon(), &status));
	must(status.exit_code == 0);
	must(is_clean(getpid()));
	return 0;
}

static int use_listeners(char *directory)
{
	IPK_AUTO(listener, l);
	IPK_AUTO(net_listener, net);
	IPK_AUTO(process, caller);
	IPK_AUTO(process, net_caller);
	IPK_AUTO(pipe, p);
	IPK_AUTO(pipe, net_pipe);
	char path[96], address[112];

	snprintf(path, sizeof path, "%s/pipe", directory);
	snprintf(address, sizeof address, "unix:%s/net", directory);
	must_ok(ipk_listener_create(path, NULL, &l));
	must_ok(ipk_net_listener_create(address, NULL, &net));
	print_there();
	must_ok(ipk_process_start(call_listener, path, IPK_PROCESS(.start_method = IPK_START_FORK),
				  &caller));
	must_ok(ipk_listener_accept(l, soon(), &p));
	must(take_call(p, caller) == 0);
	must_ok(ipk_process_start(call_net, address, IPK_PROCESS(.start_method = IPK_START_FORK),
				  &net_caller));
	must_ok(ipk_net_listener_accept(net, soon(), &net_pipe));
	must(take_call(net_pipe, net_caller) == 0);
	return 0;
}

static int task(ipk_task *t, const void *arg, size_t arg_bytes)
{
	(void)arg_bytes;
	print_there();
	return is_clean(getpid()) ? ipk_task_return(t, arg, 4) : -EIO;
}

static int use_pool(void)
{
	IPK_AUTO(pool, pool);
	char buf[8] = "";
	size_t n = 0;

	must_ok(ipk_pool_create(IPK_POOL(.n_workers = 2), &pool));
	print_there();
	must(all_are_clean());
	for (int i = 0; i < 10; i++) {
		must_ok(ipk_pool_apply(pool, task, "abc", 4, buf, sizeof buf, soon(), &n));
		must(n == 4 && strcmp(buf, "abc") == 0);
	}
	must(all_are_clean());
	must_ok(ipk_pool_shutdown(pool, IPK_DRAIN));
	must_ok(ipk_pool_join(pool, soon()));
	return 0;
}

static int use_manager(void)
{
	IPK_AUTO(manager_server, server);
	IPK_AUTO(manager, m);
	IPK_AUTO(managed_value, v);
	char buf[16] = "";
	size_t n = 0;

	must_ok(ipk_manager_server_start(NULL, soon(), &server));
	must_ok(ipk_manager_connect(ipk_manager_server_address(server), NULL, soon(), &m));
	must_ok(ipk_managed_value_open(m, "v", &v));
	print_there();
	must_ok(ipk_managed_value_set(v, "hello", 5, soon()));
	must_ok(ipk_managed_value_get(v, buf, sizeof buf, soon(), &n));
	must(n == 5 && strcmp(buf, "hello") == 0);
	must(all_are_clean());
	return 0;
}

/* --- the tests -------------------------------------------------------------------------------- */

static void close_some(int which)
{
	closed = which;
	dup2(STDERR_FILENO, TROUBLE_FD);
	for (int fd = 0; fd < 3; fd++) {
		if (closed & 1 << fd)
			close(fd);
	}
}

static int uses_all(void *directory)
{
	close_some(*(int *)directory);
	must(use_values() == 0);
	must(use_queues() == 0);
	must(use_pipe(0) == 0);
	must(use_pipe(IPK_PIPE_SOCKET) == 0);
	must(use_children() == 0);
	must(use_listeners((char *)directory + sizeof(int)) == 0);
	must(use_pool() == 0);
	must(use_manager() == 0);
	must(all_are_clean());
	return 0;
}

START_TEST(nothing_of_ours_is_there)
{
	struct {
		int which;
		char directory[64];
	} arg = {_i, "/tmp/ipk-test-XXXXXX"};

	ck_assert_ptr_nonnull(mkdtemp(arg.directory));
	reap_ok(spawn(uses_all, &arg));
	ck_assert_int_eq(rmdir(arg.directory), 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("low_fds");

	add_loop_test(s, nothing_of_ours_is_there, 1, 8);
	return s;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "child") == 0) {
		closed = atoi(argv[2]);
		return child_main();
	}
	return support_run(suite());
}
