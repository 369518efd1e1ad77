/*
 * test_fault_server.c - creating a manager's server, and serving, with the k-th system call or
 * allocation failing, for every k.
 *
 * Serving: a client has sent everything before the server runs, in the same process; a timer stops
 * the server if the failure has lost the client's last message. Whatever fails, the next client is
 * served.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "fault/faults.h"
#include "server/server.h"
#include "support/support.h"

static char dir[32], path[48], address[64], log_path[48];
static struct ipk__server *server;
static int stop_fd = -1;
static int client_fd = -1;

static void make_directory(void)
{
	snprintf(dir, sizeof dir, "/tmp/ipk-fault-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/s", dir);
	snprintf(address, sizeof address, "unix:%s", path);
	snprintf(log_path, sizeof log_path, "%s/log", dir);
}

static void remove_directory(void)
{
	unlink(path);
	unlink(log_path);
	ck_assert_int_eq(rmdir(dir), 0);
}

static int create_with(const char *log)
{
	struct ipk__server_config config = {.address = address, .log_path = log};
	struct ipk__server *s;
	int r = ipk__server_create(&config, &s);

	if (r == 0)
		ipk__server_close(s);
	return r;
}

static int create(void)
{
	return create_with(NULL);
}

static int create_logged(void)
{
	return create_with(log_path);
}

/* --- serving ---------------------------------------------------------------------------------- */

static int call(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void begin_serving(void)
{
	struct ipk__server_config config = {.slow_ns = -1};

	make_directory();
	config.address = address;
	ck_ok(ipk__server_create(&config, &server));
	stop_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	client_fd = call();
	say(client_fd, "CLIENT SETNAME me\r\nSET a 1\r\nHSET h f v g w\r\nRPUSH l 1 2 3\r\n"
		       "LRANGE l 0 -1\r\nWATCH a\r\nMULTI\r\nINCR a\r\nHGETALL h\r\nEXEC\r\n"
		       "IPK.NEW LOCK k\r\nIPK.ACQUIRE k me 0\r\nBLPOP none 0.001\r\nINFO all\r\n"
		       "KEYS *\r\nSHUTDOWN\r\n");
}

static int run_for_a_while(int ms)
{
	struct itimerspec timer = {.it_value = {.tv_nsec = (long)ms * 1000000}};

	timerfd_settime(stop_fd, 0, &timer, NULL);
	server->stop = false;
	return ipk__server_run(server, stop_fd);
}

/* On a busy machine the timer may come before the call that is to fail. */
static int serve(void)
{
	struct pollfd timer = {.fd = stop_fd, .events = POLLIN};
	int r = run_for_a_while(50);

	for (int i = 0; i < 40 && r == 0 && !fault_hit() && poll(&timer, 1, 0) == 1; i++)
		r = run_for_a_while(50);
	return r;
}

/* The server goes on: with another client, after whatever came of the first one. */
static void serve_another(void)
{
	char reply[64] = "";
	int fd = call();

	say(fd, "SET b 2\r\nGET b\r\nSHUTDOWN\r\n");
	/* The first client may have its last word only now. */
	for (int i = 0; i < 3 && reply[0] == '\0'; i++) {
		ck_ok(run_for_a_while(999));
		(void)recv(fd, reply, sizeof reply - 1, MSG_DONTWAIT);
	}
	ck_assert_str_eq(reply, "+OK\r\n$1\r\n2\r\n");
	close(fd);
	close(client_fd);
	ipk__server_close(server);
	close(stop_fd);
	remove_directory();
}

/* --- time ------------------------------------------------------------------------------------- */

static bool is_hung_up(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

/* A stranger who says nothing has two seconds, whatever becomes of the wall clock. */
START_TEST(a_clock_set_back_lets_no_stranger_stay)
{
	static const unsigned char key[32] = "a key that the stranger has not";
	struct ipk__server_config config = {.key = key, .key_bytes = sizeof key};
	int fd;

	make_directory();
	config.address = address;
	stop_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	ck_assert_int_ge(stop_fd, 0);
	fault_clock_goes_back = true;
	ck_ok(ipk__server_create(&config, &server));
	fd = call();
	for (int i = 0; i < 10 && !is_hung_up(fd); i++)
		ck_ok(run_for_a_while(900));
	ck_assert(is_hung_up(fd));
	fault_clock_goes_back = false;
	close(fd);
	ipk__server_close(server);
	close(stop_fd);
	remove_directory();
}
END_TEST

FAULT_TEST(creating, .run = create, .prepare = make_directory, .check = remove_directory)
FAULT_TEST(creating_with_a_log, .run = create_logged, .prepare = make_directory,
	   .check = remove_directory)
FAULT_TEST(serving, .run = serve, .prepare = begin_serving, .check = serve_another)

static Suite *suite(void)
{
	Suite *s = suite_create("server");

	add_test(s, creating);
	add_test(s, creating_with_a_log);
	add_test(s, serving);
	add_test(s, a_clock_set_back_lets_no_stranger_stay);
	return s;
}
IPK_TEST_MAIN(suite)
