/*
 * test_queue_exec.c - processes that share nothing with the creator but a name: this program
 * executes itself anew. They open by name, poll by name, or are passed a queue over a socket path.
 */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/queue/queue_bodies.h"

enum { N_NUMBERS = 1000 };

/* --- roles, each in a process of its own ------------------------------------------------------ */

static int put_numbers(ipk_queue *q)
{
	for (uint32_t n = 0; n < N_NUMBERS; n++)
		IPK_TRY(ipk_queue_put(q, &n, sizeof n, ipk_in_ms(WAIT_MS)));
	return 0;
}

static int role_put(const char *name)
{
	IPK_AUTO(queue, q);

	IPK_TRY(ipk_queue_open(name, ipk_now(), &q));
	return put_numbers(q);
}

static int role_connect(const char *path)
{
	IPK_AUTO(pipe, p);
	IPK_AUTO(queue, q);

	IPK_TRY(ipk_pipe_connect(path, ipk_in_ms(WAIT_MS), &p));
	IPK_TRY(ipk_queue_recv(p, ipk_in_ms(WAIT_MS), &q));
	return put_numbers(q);
}

/* Gets numbers only when poll() says so; answers each on stdout with a byte. */
static int role_poll(const char *name)
{
	IPK_AUTO(queue, q);
	struct pollfd p = {.events = POLLIN};
	char buf[MQ_MESSAGE_BYTES];
	int r;

	IPK_TRY(ipk_queue_open(name, ipk_now(), &q));
	IPK_TRY(ipk_queue_fd(q, &p.fd));
	for (;;) {
		while ((r = ipk_queue_get(q, buf, sizeof buf, ipk_now(), NULL)) == 0) {
			if (buf[0] == 'q')
				return 0;
			if (write(STDOUT_FILENO, buf, 1) != 1)
				return 1;
		}
		if (r != -ETIMEDOUT)
			return r;
		if (poll(&p, 1, WAIT_MS) != 1)
			return 1;
	}
}

static int play(const char *role, const char *arg)
{
	if (strcmp(role, "put") == 0)
		return role_put(arg);
	return strcmp(role, "poll") == 0 ? role_poll(arg) : role_connect(arg);
}

/* --- starting them ---------------------------------------------------------------------------- */

static pid_t start(const char *role, const char *arg, int *ret_fd)
{
	int fds[2];
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	if (pid != 0) /* a child leaves the file of results alone */
		ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		execl("/proc/self/exe", "test_queue_exec", role, arg, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	*ret_fd = fds[0];
	return pid;
}

static void ck_byte(int fd, char expected)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char byte = 0;

	ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
	ck_assert_int_eq(read(fd, &byte, 1), 1);
	ck_assert_int_eq(byte, expected);
}

static void ck_numbers(ipk_queue *q, ipk_queue_kind kind)
{
	static unsigned char seen[N_NUMBERS];
	uint32_t number;

	memset(seen, 0, sizeof seen);
	for (uint32_t n = 0; n < N_NUMBERS; n++) {
		ck_ok(get_number(q, ipk_in_ms(WAIT_MS), &number));
		ck_assert_uint_lt(number, N_NUMBERS);
		ck_assert_int_eq(seen[number]++, 0);
		if (kind != IPK_QUEUE_LIFO)
			ck_assert_uint_eq(number, n);
	}
}

/* --- tests ------------------------------------------------------------------------------------ */

START_TEST(another_program_puts_by_name)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 100));
	int fd;
	pid_t pid = start("put", queue_name, &fd);

	ck_numbers(q, kind_of(_i));
	reap_ok(pid);
	close(fd);
	drop_queue(q);
}
END_TEST

START_TEST(another_program_polls_by_name)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 100));
	int fd;
	pid_t pid = start("poll", queue_name, &fd);

	for (int i = 0; i < 100; i++) {
		char byte = (char)('A' + i % 26);

		ck_ok(ipk_queue_put(q, &byte, 1, ipk_now()));
		ck_byte(fd, byte);
	}
	ck_ok(ipk_queue_put(q, "q", 1, ipk_now()));
	reap_ok(pid);
	close(fd);
	drop_queue(q);
	ck_assert_int_eq(count_names(), 0);
}
END_TEST

START_TEST(a_queue_is_passed_to_another_program)
{
	char dir[] = "/tmp/ipk-test-XXXXXX", path[64];
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 100));
	ipk_listener *l = NULL;
	ipk_pipe *p = NULL;
	pid_t pid;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/socket", dir);
	ck_ok(ipk_listener_create(path, NULL, &l));
	pid = start("connect", path, &fd);
	ck_ok(ipk_listener_accept(l, ipk_in_ms(WAIT_MS), &p));
	ck_ok(ipk_queue_send(q, p, ipk_in_ms(WAIT_MS)));
	ck_numbers(q, kind_of(_i));
	reap_ok(pid);
	close(fd);
	ipk_pipe_close(p);
	ipk_listener_close(l);
	rmdir(dir);
	drop_queue(q);
}
END_TEST

/* --- several that poll, one of them killed ---------------------------------------------------- */

enum { N_POLLERS = 4, N_ROUNDS = 200 };

START_TEST(a_killed_poller_takes_nothing_along)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.max_items = 100));
	struct pollfd polls[N_POLLERS];
	pid_t pids[N_POLLERS];
	char byte;

	for (int k = 0; k < N_POLLERS; k++) {
		pids[k] = start("poll", queue_name, &polls[k].fd);
		polls[k].events = POLLIN;
		ck_ok(ipk_queue_put(q, "a", 1, ipk_now()));
	}
	for (int n = 0; n < N_POLLERS; n++) {
		ck_assert_int_ge(poll(polls, N_POLLERS, WAIT_MS), 1);
		for (int k = 0; k < N_POLLERS; k++) {
			if (polls[k].revents & POLLIN) {
				ck_assert_int_eq(read(polls[k].fd, &byte, 1), 1);
				break;
			}
		}
	}
	ck_wait_asleep(pids[0]);
	kill_and_reap(pids[0]);
	for (int n = 0; n < N_ROUNDS; n++) {
		ck_ok(ipk_queue_put(q, "c", 1, ipk_in_ms(WAIT_MS)));
		ck_assert_int_ge(poll(polls + 1, N_POLLERS - 1, WAIT_MS), 1);
		for (int k = 1; k < N_POLLERS; k++) {
			if (polls[k].revents & POLLIN)
				ck_assert_int_eq(read(polls[k].fd, &byte, 1), 1);
		}
	}
	for (int k = 1; k < N_POLLERS; k++)
		ck_ok(ipk_queue_put(q, "q", 1, ipk_in_ms(WAIT_MS)));
	for (int k = 0; k < N_POLLERS; k++) {
		if (k > 0)
			reap_ok(pids[k]);
		close(polls[k].fd);
	}
	ck_empty(q);
	drop_queue(q);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("queue_exec");

	add_loop_test(s, another_program_puts_by_name, N_KINDS, N_MAKES_AND_MQ);
	add_loop_test(s, another_program_polls_by_name, N_KINDS, N_MAKES_AND_MQ);
	add_loop_test(s, a_queue_is_passed_to_another_program, 0, N_KINDS);
	add_loop_test(s, a_killed_poller_takes_nothing_along, N_KINDS, N_MAKES_AND_MQ);
	return s;
}

int main(int argc, char **argv)
{
	return argc == 3 ? play(argv[1], argv[2]) != 0 : support_run(suite());
}
