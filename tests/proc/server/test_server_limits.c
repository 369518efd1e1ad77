/*
 * test_server_limits.c - misbehaving clients: too much before authentication, too much unread, too
 * many at once, too slow, too long.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ipk/manager.h"
#include "ipk/manager_server.h"
#include "raw_client.h"
#include "support/support.h"

#define KEY "correct horse battery staple"

static ipk_manager_server *server;
static const char *address;

static void start(const ipk_manager_server_opts *opts)
{
	ck_ok(ipk_manager_server_start(opts, ipk_in_ms(WAIT_MS), &server));
	address = ipk_manager_server_address(server);
}

static void stop(void)
{
	ck_ok(ipk_manager_server_stop(server, ipk_in_ms(WAIT_MS)));
	server = ipk_manager_server_close(server);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static long long status_kb(const char *name)
{
	char path[64];
	char line[256];
	long long n = -1;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/status", (int)ipk_manager_server_pid(server));
	f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f)) {
		if (strncmp(line, name, strlen(name)) == 0)
			sscanf(line + strlen(name) + 1, "%lld", &n);
	}
	if (f)
		fclose(f);
	return n;
}

/* --- before authentication -------------------------------------------------------------------- */

static void say_words(int fd, int n_words, size_t word_bytes)
{
	char *word = calloc(1, word_bytes + 64);
	int n = snprintf(word, 64, "*%d\r\n", n_words);

	raw_send(fd, word, (size_t)n);
	for (int i = 0; i < n_words; i++) {
		n = snprintf(word, 64, "$%zu\r\n", word_bytes);
		memset(word + n, 'x', word_bytes);
		memcpy(word + n + word_bytes, "\r\n", 2);
		raw_send(fd, word, (size_t)n + word_bytes + 2);
	}
	free(word);
}

START_TEST(strangers_may_send_ten_words)
{
	int fd;

	start(IPK_MANAGER_SERVER(.key = KEY));
	fd = raw_dial(address);
	say_words(fd, 10, 4);
	raw_expect(fd, "-ERR unknown command");
	close(fd);
	fd = raw_dial(address);
	say_words(fd, 11, 4);
	raw_expect(fd, "-ERR Protocol error");
	raw_expect_end(fd);
	close(fd);
	fd = raw_dial(address);
	raw_ask(fd,
		"AUTH "
		"nonsense"
		"\r\n",
		"-WRONGPASS");
	close(fd);
	fd = raw_dial(address);
	raw_say(fd, "*2\r\n$4\r\nAUTH\r\n$28\r\n" KEY "\r\n");
	raw_expect(fd, "+OK\r\n");
	say_words(fd, 11, 4);
	raw_expect(fd, "-ERR unknown command");
	close(fd);
	stop();
}
END_TEST

START_TEST(strangers_may_send_16_kib)
{
	int fd;

	start(IPK_MANAGER_SERVER(.key = KEY));
	fd = raw_dial(address);
	say_words(fd, 1, 15 << 10);
	raw_expect(fd, "-ERR unknown command");
	close(fd);
	fd = raw_dial(address);
	say_words(fd, 1, (16 << 10) + 1);
	raw_expect(fd, "-ERR Protocol error");
	raw_expect_end(fd);
	close(fd);
	stop();
}
END_TEST

START_TEST(strangers_have_two_seconds)
{
	int64_t from_ms;
	int fd;

	start(IPK_MANAGER_SERVER(.key = KEY));
	from_ms = now_ms();
	fd = raw_dial(address);
	raw_say(fd, "*2\r\n$4\r\nAU");
	raw_expect_end(fd);
	ck_assert_int_ge(now_ms() - from_ms, 1900);
	close(fd);
	stop();
}
END_TEST

/* However many there are: those who have been there longest make room. */
START_TEST(strangers_keep_nobody_out)
{
	enum { N_CLIENTS = 50, N_KNOWN = 10 };
	ipk_manager *known[N_KNOWN];
	int fds[N_CLIENTS];

	start(IPK_MANAGER_SERVER(.key = KEY, .max_clients = N_CLIENTS));
	for (int i = 0; i < N_CLIENTS; i++) {
		fds[i] = raw_dial(address);
		raw_ask(fds[i], "PING\r\n", "-NOAUTH Authentication required.\r\n");
	}
	for (int i = 0; i < N_KNOWN; i++) {
		ck_ok(ipk_manager_connect(address,
					  IPK_MANAGER_CONNECT(.key = KEY, .no_local = true),
					  ipk_in_ms(WAIT_MS), &known[i]));
		raw_expect_end(fds[i]);
	}
	for (int i = 0; i < N_KNOWN; i++) {
		ck_ok(ipk_manager_ping(known[i], ipk_in_ms(WAIT_MS)));
		ipk_manager_close(known[i]);
	}
	for (int i = 0; i < N_CLIENTS; i++)
		close(fds[i]);
	stop();
}
END_TEST

/* Those who have the key are not for others to send away. */
START_TEST(a_full_server_says_so)
{
	enum { N_CLIENTS = 3 };
	ipk_manager *known[N_CLIENTS];
	int fd;

	start(IPK_MANAGER_SERVER(.key = KEY, .max_clients = N_CLIENTS));
	for (int i = 0; i < N_CLIENTS; i++)
		ck_ok(ipk_manager_connect(address,
					  IPK_MANAGER_CONNECT(.key = KEY, .no_local = true),
					  ipk_in_ms(WAIT_MS), &known[i]));
	fd = raw_dial(address);
	raw_expect(fd, "-ERR max number of clients reached\r\n");
	close(fd);
	for (int i = 0; i < N_CLIENTS; i++) {
		ck_ok(ipk_manager_ping(known[i], ipk_in_ms(WAIT_MS)));
		ipk_manager_close(known[i]);
	}
	stop();
}
END_TEST

START_TEST(browsers_are_hung_up_on)
{
	int fd;

	start(NULL);
	fd = raw_dial(address);
	raw_say(fd, "POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET a 1\r\n");
	ck_assert_uint_eq(raw_hear(fd, (char[8]){0}, 1), 0);
	close(fd);
	fd = raw_dial(address);
	raw_say(fd, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\nSET a 1\r\n");
	raw_expect_end(fd);
	close(fd);
	fd = raw_dial(address);
	raw_ask(fd, "EXISTS a\r\n", ":0\r\n");
	close(fd);
	stop();
}
END_TEST

/* --- sizes ------------------------------------------------------------------------------------ */

START_TEST(promised_bytes_cost_nothing)
{
	long long before_kb;
	int fd;

	start(NULL);
	fd = raw_dial(address);
	raw_ask(fd, "PING\r\n", "+PONG\r\n");
	before_kb = status_kb("VmHWM");
	raw_say(fd, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$536870912\r\nxxxx");
	close(fd);
	fd = raw_dial(address);
	raw_say(fd, "*1048576\r\n$4\r\n");
	close(fd);
	fd = raw_dial(address);
	raw_say(fd, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$536870913\r\n");
	raw_expect(fd, "-ERR Protocol error: invalid bulk length\r\n");
	raw_expect_end(fd);
	close(fd);
	fd = raw_dial(address);
	raw_ask(fd, "PING\r\n", "+PONG\r\n");
	close(fd);
	ck_assert_int_lt(status_kb("VmHWM") - before_kb, 40000);
	stop();
}
END_TEST

START_TEST(one_byte_at_a_time)
{
	static const char request[] = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nhello\r\nGET a\r\n";
	int other;
	int fd;

	start(NULL);
	fd = raw_dial(address);
	other = raw_dial(address);
	for (size_t i = 0; i < sizeof request - 1; i++) {
		ck_assert_int_eq(raw_send(fd, request + i, 1), 0);
		raw_ask(other, "PING\r\n", "+PONG\r\n");
	}
	raw_expect(fd, "+OK\r\n$5\r\nhello\r\n");
	close(fd);
	close(other);
	stop();
}
END_TEST

/* --- replies that nobody reads ---------------------------------------------------------------- */

static void set_big(int fd, const char *name, size_t n_bytes)
{
	char *value = calloc(1, n_bytes + 128);
	int n = snprintf(value, 128, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(name),
			 name, n_bytes);

	memset(value + n, 'v', n_bytes);
	memcpy(value + n + n_bytes, "\r\n", 2);
	ck_assert_int_eq(raw_send(fd, value, (size_t)n + n_bytes + 2), 0);
	raw_expect(fd, "+OK\r\n");
	free(value);
}

/* The slowest answer that @fd gets until the server has @n_clients. */
static int64_t slowest_us_until(int fd, int n_clients)
{
	int64_t slowest = 0;
	int64_t give_up_ms = now_ms() + WAIT_MS;

	do {
		struct timespec from, to;
		int64_t us;

		clock_gettime(CLOCK_MONOTONIC, &from);
		raw_ask(fd, "PING\r\n", "+PONG\r\n");
		clock_gettime(CLOCK_MONOTONIC, &to);
		us = (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000;
		if (us > slowest)
			slowest = us;
		ck_assert_int_lt(now_ms(), give_up_ms);
	} while (raw_info(fd, "clients", "connected_clients") != n_clients);
	return slowest;
}

START_TEST(who_does_not_read_is_dropped_and_delays_nobody)
{
	int64_t slowest_us;
	int other;
	int fd;

	start(NULL);
	other = raw_dial(address);
	raw_ask(other, "CONFIG SET client-output-buffer-limit \"normal 3mb 0 0\"\r\n", "+OK\r\n");
	set_big(other, "big", 4 << 20);
	fd = raw_dial(address);
	/* It may be dropped after the first. */
	for (int i = 0; i < 10; i++)
		(void)raw_send(fd, "GET big\r\n", 9);
	slowest_us = slowest_us_until(other, 1);
	printf("slowest answer beside one that does not read: %lld us\n", (long long)slowest_us);
	ck_assert_int_lt(slowest_us, 1000000);
	close(fd);
	close(other);
	stop();
}
END_TEST

START_TEST(who_does_not_read_for_long_is_dropped)
{
	int other;
	int fd;

	start(NULL);
	other = raw_dial(address);
	raw_ask(other, "CONFIG SET client-output-buffer-limit \"normal 0 2mb 1\"\r\n", "+OK\r\n");
	set_big(other, "big", 4 << 20);
	fd = raw_dial(address);
	raw_say(fd, "GET big\r\n");
	(void)slowest_us_until(other, 1);
	close(fd);
	close(other);
	stop();
}
END_TEST

enum { MILLION = 1000000 };

static int send_million(void *arg)
{
	enum { AT_ONCE = 1000 };
	static char many[AT_ONCE * 6];

	for (int i = 0; i < AT_ONCE; i++)
		memcpy(many + (size_t)i * 6, "PING\r\n", 6);
	for (int i = 0; i < repeats(MILLION) / AT_ONCE; i++) {
		if (raw_send(*(int *)arg, many, sizeof many) < 0)
			return 1;
	}
	return 0;
}

START_TEST(a_million_in_a_row)
{
	size_t n_left = (size_t)repeats(MILLION) / 1000 * 1000 * 7;
	char buf[1 << 16];
	long long before_kb;
	pid_t pid;
	int other;
	int fd;

	start(NULL);
	other = raw_dial(address);
	raw_ask(other, "PING\r\n", "+PONG\r\n");
	before_kb = status_kb("VmHWM");
	fd = raw_dial(address);
	pid = spawn(send_million, &fd);
	/* Nothing is read until the sender stands still: the server has stopped reading. */
	ck_wait_asleep(pid);
	raw_ask(other, "PING\r\n", "+PONG\r\n");
	while (n_left > 0) {
		size_t n = n_left < sizeof buf ? n_left : sizeof buf;

		n = raw_hear(fd, buf, n);
		ck_assert_uint_gt(n, 0);
		n_left -= n;
	}
	reap_ok(pid);
	ck_assert_int_lt(status_kb("VmHWM") - before_kb, 20000);
	close(fd);
	close(other);
	stop();
}
END_TEST

/* --- many ------------------------------------------------------------------------------------- */

START_TEST(a_thousand_with_a_request_each)
{
	enum { N = 1000, ROUNDS = 5 };
	static int fds[N];
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < N + 100)
		return;
	start(NULL);
	for (int i = 0; i < N; i++)
		fds[i] = raw_dial(address);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < N; i++)
			raw_say(fds[i], "INCR n\r\n");
		for (int i = 0; i < N; i++) {
			char c = 0;

			ck_assert_uint_eq(raw_hear(fds[i], &c, 1), 1);
			ck_assert_int_eq(c, ':');
			while (c != '\n')
				ck_assert_uint_eq(raw_hear(fds[i], &c, 1), 1);
		}
	}
	raw_ask(fds[0], "GET n\r\n", "$4\r\n5000\r\n");
	for (int i = 0; i < N; i++)
		close(fds[i]);
	stop();
}
END_TEST

static int64_t cpu_ticks(void)
{
	char path[64];
	long user = 0;
	long system = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)ipk_manager_server_pid(server));
	f = fopen(path, "re");
	if (f && fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld",
			&user, &system) != 2)
		user = -1;
	if (f)
		fclose(f);
	return user + system;
}

START_TEST(without_fds_it_turns_away_and_does_not_spin)
{
	enum { N = 60 };
	struct rlimit few = {32, 32};
	int64_t ticks;
	int fds[N];
	int n_served = 0;
	char c;

	start(NULL);
	ck_assert_int_eq(prlimit(ipk_manager_server_pid(server), RLIMIT_NOFILE, &few, NULL), 0);
	for (int i = 0; i < N; i++) {
		fds[i] = raw_dial(address);
		raw_send(fds[i], "PING\r\n", 6);
	}
	for (int i = 0; i < N; i++) {
		c = 0;
		raw_hear(fds[i], &c, 1);
		n_served += c == '+';
	}
	ck_assert_int_gt(n_served, 10);
	ck_assert_int_lt(n_served, 32);
	ticks = cpu_ticks();
	poll(NULL, 0, 300); /* it has nothing to do now: what it takes is spinning */
	ck_assert_int_lt(cpu_ticks() - ticks, 15);
	for (int i = 0; i < N; i++)
		close(fds[i]);
	/* And when they are gone, others are served. */
	for (c = 0; c != '+';) {
		int fd = raw_dial(address);

		raw_send(fd, "PING\r\n", 6);
		raw_hear(fd, &c, 1);
		close(fd);
	}
	stop();
}
END_TEST

START_TEST(max_clients)
{
	int fds[4];

	start(IPK_MANAGER_SERVER(.max_clients = 3));
	for (int i = 0; i < 3; i++) {
		fds[i] = raw_dial(address);
		raw_ask(fds[i], "PING\r\n", "+PONG\r\n");
	}
	fds[3] = raw_dial(address);
	raw_expect(fds[3], "-ERR max number of clients reached\r\n");
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	stop();
}
END_TEST

START_TEST(max_memory)
{
	int fd;

	start(IPK_MANAGER_SERVER(.max_memory_bytes = 4 << 20));
	fd = raw_dial(address);
	set_big(fd, "a", 3 << 20);
	raw_ask(fd, "GETRANGE a 0 0\r\n", "$1\r\nv\r\n");
	say_words(fd, 0, 0);
	raw_ask(fd, "SETRANGE b 3000000 x\r\n",
		"-OOM command not allowed when used memory > "
		"'maxmemory'.\r\n");
	raw_ask(fd, "DEL a\r\n", ":1\r\n");
	close(fd);
	stop();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("server_limits");

	add_test(s, strangers_may_send_ten_words);
	add_test(s, strangers_may_send_16_kib);
	add_test(s, strangers_have_two_seconds);
	add_test(s, strangers_keep_nobody_out);
	add_test(s, a_full_server_says_so);
	add_test(s, browsers_are_hung_up_on);
	add_test(s, promised_bytes_cost_nothing);
	add_test(s, one_byte_at_a_time);
	add_test(s, who_does_not_read_is_dropped_and_delays_nobody);
	add_test(s, who_does_not_read_for_long_is_dropped);
	add_test(s, a_million_in_a_row);
	add_test(s, a_thousand_with_a_request_each);
	add_test(s, without_fds_it_turns_away_and_does_not_spin);
	add_test(s, max_clients);
	add_test(s, max_memory);
	return s;
}
IPK_TEST_MAIN(suite)
