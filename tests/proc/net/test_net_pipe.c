/*
 * test_net_pipe.c - pipes over TCP: between processes, and against callers that have another key,
 * replay recorded messages, announce giant frames, stay silent, or die half-way.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipk/net.h"
#include "support/support.h"

#define KEY "correct horse battery staple"
#define OPTS(...) IPK_NET(.key = KEY, .key_bytes = sizeof KEY - 1, __VA_ARGS__)

static ipk_net_listener *listener;
static char address[64];

static void listen_tcp(const ipk_net_opts *opts)
{
	int port;

	ck_ok(ipk_net_listener_create("tcp:127.0.0.1:0", opts, &listener));
	ck_ok(ipk_net_listener_port(listener, &port));
	snprintf(address, sizeof address, "tcp:127.0.0.1:%d", port);
}

static void stop(void)
{
	listener = ipk_net_listener_close(listener);
}

static uint64_t n_refused(void)
{
	uint64_t n = 0;

	ck_ok(ipk_net_listener_refused(listener, &n));
	return n;
}

/* A connection without any manners. */
static int dial(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int port;

	ck_ok(ipk_net_listener_port(listener, &port));
	to.sin_port = htons((uint16_t)port);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

static void say(int fd, const void *data, size_t n_bytes)
{
	ck_assert_int_eq(send(fd, data, n_bytes, MSG_NOSIGNAL), (ssize_t)n_bytes);
}

/* Exactly so many bytes; how many there were before the end. */
static size_t hear(int fd, void *buf, size_t n_bytes)
{
	size_t n = 0;

	while (n < n_bytes) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t got;

		ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
		got = recv(fd, (char *)buf + n, n_bytes - n, 0);
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	return n;
}

/* --- two who know each other ------------------------------------------------------------------ */

static void fill(char *data, size_t n_bytes)
{
	for (size_t i = 0; i < n_bytes; i++)
		data[i] = (char)(i * 7 + i / 255);
}

static const size_t lengths[] = {0, 1, 100, 65535, 65536, 1 << 20, 16 << 20};
enum { N_LENGTHS = sizeof lengths / sizeof lengths[0] };

/* Sends back what it gets, until the other side hangs up. */
static int echo(void *arg)
{
	IPK_AUTO(pipe, p);
	void *data;
	size_t n;
	int r;

	IPK_TRY(ipk_net_connect(address, arg, ipk_in_ms(WAIT_MS), &p));
	while ((r = ipk_pipe_recv_alloc(p, ipk_in_ms(WAIT_MS), &data, &n)) == 0) {
		r = ipk_pipe_send(p, data, n, ipk_in_ms(WAIT_MS));
		free(data);
		if (r < 0)
			return 2;
	}
	return r == -EPIPE ? 0 : 3;
}

static void ck_echoes(ipk_pipe *p)
{
	char *sent = malloc(lengths[N_LENGTHS - 1]);
	void *got;
	size_t n;

	fill(sent, lengths[N_LENGTHS - 1]);
	for (int i = 0; i < N_LENGTHS; i++) {
		ck_ok(ipk_pipe_send(p, sent, lengths[i], ipk_in_ms(WAIT_MS)));
		ck_ok(ipk_pipe_recv_alloc(p, ipk_in_ms(WAIT_MS), &got, &n));
		ck_assert_uint_eq(n, lengths[i]);
		ck_assert_int_eq(memcmp(got, sent, n), 0);
		free(got);
	}
	free(sent);
}

static void ck_echo_with(const ipk_net_opts *opts)
{
	ipk_pipe *p;
	pid_t pid = spawn(echo, (void *)opts);

	ck_ok(ipk_net_listener_accept(listener, ipk_in_ms(WAIT_MS), &p));
	ck_echoes(p);
	ipk_pipe_close(p);
	reap_ok(pid);
}

START_TEST(with_a_key)
{
	listen_tcp(OPTS());
	ck_echo_with(OPTS());
	ck_echo_with(OPTS());
	ck_assert_uint_eq(n_refused(), 0);
	stop();
}
END_TEST

START_TEST(without_a_key_here)
{
	listen_tcp(NULL);
	ck_echo_with(NULL);
	stop();
}
END_TEST

START_TEST(over_a_path)
{
	char dir[] = "/tmp/ipk-test-XXXXXX";
	ipk_net_listener *second;
	int port;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(address, sizeof address, "unix:%s/s", dir);
	ck_ok(ipk_net_listener_create(address, OPTS(), &listener));
	ck_err(ipk_net_listener_port(listener, &port), -EOPNOTSUPP);
	ck_err(ipk_net_listener_create(address, OPTS(), &second), -EADDRINUSE);
	ck_echo_with(OPTS());
	stop();
	ck_err(ipk_net_connect(address, OPTS(), ipk_now(), &(ipk_pipe *){0}), -ENOENT);
	ck_assert_int_eq(rmdir(dir), 0); /* the path is gone */
}
END_TEST

static int listen_and_die(void *arg)
{
	(void)arg;
	if (ipk_net_listener_create(address, NULL, &listener) == 0)
		raise(SIGKILL);
	return 1;
}

/* What is Python's is C's too. */
START_TEST(pythons_protocol_between_us)
{
	int port;

	for (int i = 0; i < 3; i++) {
		const ipk_net_opts *opts = i == 0   ? NULL
					   : i == 1 ? OPTS()
						    : OPTS(.python_md5 = true);

		ck_ok(ipk_net_listener_create("python:tcp::0", opts, &listener));
		ck_ok(ipk_net_listener_port(listener, &port));
		snprintf(address, sizeof address, "python:tcp::%d", port);
		ck_echo_with(opts);
		stop();
	}
}
END_TEST

START_TEST(a_dead_listener_is_replaced)
{
	char dir[] = "/tmp/ipk-test-XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(address, sizeof address, "unix:%s/s", dir);
	reap_signal(spawn(listen_and_die, NULL), SIGKILL);
	ck_err(ipk_net_connect(address, NULL, ipk_now(), &(ipk_pipe *){0}), -ECONNREFUSED);
	ck_ok(ipk_net_listener_create(address, NULL, &listener));
	ck_echo_with(NULL);
	stop();
	ck_assert_int_eq(chmod(dir, 0755), 0);
	ck_err(ipk_net_listener_create(address, NULL, &listener), -EACCES);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(key_in_a_file)
{
	char dir[] = "/tmp/ipk-test-XXXXXX";
	char path[64];
	FILE *f;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/key", dir);
	umask(077);
	f = fopen(path, "we");
	fputs(KEY "\n", f);
	fclose(f);
	listen_tcp(IPK_NET(.key_file = path));
	ck_echo_with(OPTS());
	stop();
	ck_assert_int_eq(chmod(path, 0644), 0);
	ck_err(ipk_net_listener_create("tcp::0", IPK_NET(.key_file = path), &listener), -EACCES);
	unlink(path);
	rmdir(dir);
}
END_TEST

START_TEST(an_fd_that_tells_of_callers)
{
	struct pollfd p = {.events = POLLIN};
	ipk_pipe *pipe = NULL;
	pid_t pid;
	int r;

	listen_tcp(OPTS());
	ck_ok(ipk_net_listener_fd(listener, &p.fd));
	ck_assert_int_eq(poll(&p, 1, 0), 0);
	pid = spawn(echo, OPTS());
	do {
		ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
		r = ipk_net_listener_accept(listener, ipk_now(), &pipe);
	} while (r == -ETIMEDOUT);
	ck_ok(r);
	ck_echoes(pipe);
	ipk_pipe_close(pipe);
	reap_ok(pid);
	stop();
}
END_TEST

/* --- options ---------------------------------------------------------------------------------- */

START_TEST(only_loopback_without_a_key)
{
	int port;

	ck_err(ipk_net_listener_create("tcp:0.0.0.0:0", NULL, &listener), -EACCES);
	ck_err(ipk_net_listener_create("python:tcp:0.0.0.0:0", NULL, &listener), -EACCES);
	ck_ok(ipk_net_listener_create("tcp:0.0.0.0:0", OPTS(), &listener));
	ck_ok(ipk_net_listener_port(listener, &port));
	ck_assert_int_gt(port, 0);
	stop();
}
END_TEST

START_TEST(wrong_arguments)
{
	ipk_pipe *p;
	int fd;

	ck_err(ipk_net_listener_create("tcp:127.0.0.1", OPTS(), &listener), -EINVAL);
	ck_err(ipk_net_listener_create("redis://h", OPTS(), &listener), -EINVAL);
	ck_err(ipk_net_listener_create(NULL, OPTS(), &listener), -EINVAL);
	ck_err(ipk_net_listener_create("tcp::0", OPTS(), NULL), -EINVAL);
	ck_err(ipk_net_listener_create("tcp::0", IPK_NET(.key = KEY, .key_bytes = 15), &listener),
	       -EINVAL);
	ck_err(ipk_net_listener_create("tcp::0", IPK_NET(.key_bytes = 16), &listener), -EINVAL);
	ck_err(ipk_net_listener_create("tcp::0", OPTS(.key_file = "/x"), &listener), -EINVAL);
	ck_err(ipk_net_listener_create("tcp::0", OPTS(.python_md5 = true), &listener), -EINVAL);
	ck_err(ipk_net_listener_create("tcp::0", OPTS(.max_message_bytes = 2UL << 30), &listener),
	       -EINVAL);
	ck_err(ipk_net_connect("nowhere", NULL, ipk_now(), &p), -EINVAL);
	ck_err(ipk_net_connect("tcp:127.0.0.1:1", NULL, ipk_in_ms(WAIT_MS), &p), -ECONNREFUSED);
	ck_err(ipk_net_listener_accept(NULL, ipk_now(), &p), -EBADF);
	ck_err(ipk_net_listener_fd(NULL, &fd), -EBADF);
	ck_err(ipk_net_listener_port(NULL, &fd), -EBADF);
	ck_err(ipk_net_listener_refused(NULL, NULL), -EBADF);
	ck_assert_ptr_null(ipk_net_listener_close(NULL));
}
END_TEST

/* --- strangers -------------------------------------------------------------------------------- */

struct stranger {
	const ipk_net_opts *opts;
	int error;
};

static int is_refused(void *arg)
{
	const struct stranger *s = arg;
	ipk_pipe *p;
	int r = ipk_net_connect(address, s->opts, ipk_in_ms(WAIT_MS), &p);

	if (r != s->error)
		fprintf(stderr, "connect is %d, not %d\n", r, s->error);
	return r == s->error ? 0 : 1;
}

/* A stranger is turned away, and a friend who comes after it is not. */
static void ck_turns_away(const ipk_net_opts *own, const ipk_net_opts *strange, int error)
{
	struct stranger s = {strange, error};
	ipk_pipe *p;
	pid_t pid;

	listen_tcp(own);
	pid = spawn(is_refused, &s);
	while (n_refused() == 0)
		ck_err(ipk_net_listener_accept(listener, ipk_in_ms(10), &p), -ETIMEDOUT);
	reap_ok(pid);
	ck_echo_with(own);
	stop();
}

START_TEST(strangers_are_turned_away)
{
	ipk_net_opts *other = IPK_NET(.key = "incorrect horse battery", .key_bytes = 23);

	ck_turns_away(OPTS(), other, -EACCES);
	ck_turns_away(OPTS(), NULL, -EACCES);
	ck_turns_away(NULL, OPTS(), -EACCES);
}
END_TEST

static const struct {
	const char *bytes;
	size_t n_bytes;
} rubbish[] = {
	{"GET / HTTP/1.1\r\n\r\n", 18},
	{"\x7f\xff\xff\xff", 4},
	{"\xff\xff\xff\xff", 4},
	{"\x80\0\0\0", 4},
	{"\0\0\1\1", 4},
	{"\0\0\0\0", 4},
	{"\0\0\0\x8ipkpipe1", 12},
	{"\0\0\0\x9ipkpipe1k", 13},
	{"\0\0\0\x9ipkpipe2k", 13},
	{"\0\0\0\xaipkpipe1kx", 14},
	{"\0\0\0\x9ipkpipe1w", 13},
};

START_TEST(rubbish_is_hung_up_on)
{
	char buf[256];
	ipk_pipe *p;
	int fd;

	listen_tcp(OPTS());
	fd = dial();
	say(fd, rubbish[_i].bytes, rubbish[_i].n_bytes);
	while (n_refused() == 0)
		ck_err(ipk_net_listener_accept(listener, ipk_in_ms(10), &p), -ETIMEDOUT);
	ck_assert_uint_lt(hear(fd, buf, sizeof buf), sizeof buf); /* it ends */
	close(fd);
	ck_echo_with(OPTS());
	stop();
}
END_TEST

/* What a client and a listener said to each other, to be said again. */
enum { HELLO = 4 + 9 + 32, CHALLENGE = 4 + 9 + 64, PROOF = 4 + 9 + 32, WELCOME = 4 + 9 };
static unsigned char hello[HELLO], challenge[CHALLENGE], proof[PROOF], welcome[WELCOME];

static int call_once(void *arg)
{
	IPK_AUTO(pipe, p);

	(void)arg;
	return ipk_net_connect(address, OPTS(), ipk_in_ms(WAIT_MS), &p);
}

static int accept_once(void *arg)
{
	IPK_AUTO(pipe, p);

	(void)arg;
	return ipk_net_listener_accept(listener, ipk_in_ms(WAIT_MS), &p);
}

/* Sit between two who know the key, and write down what they say. */
static void overhear(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int front = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char real_address[sizeof address];
	socklen_t n = sizeof at;
	pid_t client, server;
	int to, from;

	strcpy(real_address, address);
	ck_assert_int_eq(bind(front, (struct sockaddr *)&at, sizeof at), 0);
	ck_assert_int_eq(listen(front, 1), 0);
	ck_assert_int_eq(getsockname(front, (struct sockaddr *)&at, &n), 0);
	snprintf(address, sizeof address, "tcp:127.0.0.1:%d", ntohs(at.sin_port));
	client = spawn(call_once, NULL);
	server = spawn(accept_once, NULL);
	from = accept4(front, NULL, NULL, SOCK_CLOEXEC);
	to = dial();
	ck_assert_uint_eq(hear(from, hello, HELLO), HELLO);
	say(to, hello, HELLO);
	ck_assert_uint_eq(hear(to, challenge, CHALLENGE), CHALLENGE);
	say(from, challenge, CHALLENGE);
	ck_assert_uint_eq(hear(from, proof, PROOF), PROOF);
	say(to, proof, PROOF);
	ck_assert_uint_eq(hear(to, welcome, WELCOME), WELCOME);
	say(from, welcome, WELCOME);
	reap_ok(client);
	reap_ok(server);
	close(front);
	close(to);
	close(from);
	strcpy(address, real_address);
}

START_TEST(replayed_to_the_listener)
{
	unsigned char again[CHALLENGE];
	ipk_pipe *p;
	int fd;

	listen_tcp(OPTS());
	overhear();
	fd = dial();
	say(fd, hello, HELLO);
	ck_err(ipk_net_listener_accept(listener, ipk_in_ms(50), &p), -ETIMEDOUT);
	ck_assert_uint_eq(hear(fd, again, CHALLENGE), CHALLENGE);
	ck_assert_mem_ne(again, challenge, CHALLENGE);
	say(fd, proof, PROOF);
	while (n_refused() == 0)
		ck_err(ipk_net_listener_accept(listener, ipk_in_ms(10), &p), -ETIMEDOUT);
	close(fd);
	stop();
}
END_TEST

START_TEST(reflected_to_the_listener)
{
	unsigned char back[CHALLENGE], ours[PROOF];
	ipk_pipe *p;
	int fd;

	listen_tcp(OPTS());
	overhear();
	fd = dial();
	say(fd, hello, HELLO);
	ck_err(ipk_net_listener_accept(listener, ipk_in_ms(50), &p), -ETIMEDOUT);
	ck_assert_uint_eq(hear(fd, back, CHALLENGE), CHALLENGE);
	memcpy(ours, proof, PROOF);
	memcpy(ours + 13, back + 13 + 32, 32); /* the listener's proof as the caller's */
	say(fd, ours, PROOF);
	while (n_refused() == 0)
		ck_err(ipk_net_listener_accept(listener, ipk_in_ms(10), &p), -ETIMEDOUT);
	close(fd);
	stop();
}
END_TEST

/* A listener that does not know the key, but has heard somebody who does. */
static int expects_refusal(void *arg)
{
	IPK_AUTO(pipe, p);
	int r = ipk_net_connect(address, OPTS(), ipk_in_ms(WAIT_MS), &p);

	(void)arg;
	return r == -EACCES ? 0 : 1;
}

START_TEST(replayed_and_reflected_to_the_caller)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int front = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t n = sizeof at;

	listen_tcp(OPTS());
	overhear();
	stop();
	ck_assert_int_eq(bind(front, (struct sockaddr *)&at, sizeof at), 0);
	ck_assert_int_eq(listen(front, 1), 0);
	ck_assert_int_eq(getsockname(front, (struct sockaddr *)&at, &n), 0);
	snprintf(address, sizeof address, "tcp:127.0.0.1:%d", ntohs(at.sin_port));
	for (int i = 0; i < 2; i++) {
		pid_t pid = spawn(expects_refusal, NULL);
		int fd = accept4(front, NULL, NULL, SOCK_CLOEXEC);

		ck_assert_uint_eq(hear(fd, hello, HELLO), HELLO);
		if (i == 1)
			memcpy(challenge + 13, hello + 13, 32); /* its own nonce */
		say(fd, challenge, CHALLENGE);
		reap_ok(pid);
		close(fd);
	}
	close(front);
}
END_TEST

/* --- slow and silent ones --------------------------------------------------------------------- */

START_TEST(silent_callers_hold_up_nobody)
{
	enum { N = 40 };
	int fds[N];
	ipk_pipe *p;
	pid_t pid;

	listen_tcp(OPTS());
	for (int i = 0; i < N; i++) {
		fds[i] = dial();
		if (i % 2)
			say(fds[i], "\0\0", 2);
	}
	pid = spawn(echo, OPTS());
	ck_ok(ipk_net_listener_accept(listener, ipk_in_ms(WAIT_MS), &p));
	/* They are all still there: nobody had to wait until they were hung up on. */
	ck_assert_uint_eq(n_refused(), 0);
	ck_echoes(p);
	ipk_pipe_close(p);
	reap_ok(pid);
	for (int i = 0; i < N; i++)
		close(fds[i]);
	stop();
}
END_TEST

START_TEST(silent_callers_are_hung_up_on)
{
	ipk_pipe *p;
	char c;
	int fd;

	listen_tcp(OPTS());
	fd = dial();
	ck_err(ipk_net_listener_accept(listener, ipk_in_ms(100), &p), -ETIMEDOUT);
	ck_assert_uint_eq(n_refused(), 0);
	while (n_refused() == 0)
		ck_err(ipk_net_listener_accept(listener, ipk_in_ms(2100), &p), -ETIMEDOUT);
	ck_assert_uint_eq(hear(fd, &c, 1), 0);
	close(fd);
	stop();
}
END_TEST

START_TEST(more_silent_callers_than_places)
{
	enum { N = 200 };
	int fds[N], before;
	ipk_pipe *p;
	pid_t pid;

	listen_tcp(OPTS());
	for (int i = 0; i < N; i++)
		fds[i] = dial();
	before = count_fds();
	ck_err(ipk_net_listener_accept(listener, ipk_now(), &p), -ETIMEDOUT);
	ck_assert_int_le(count_fds() - before, 64);
	pid = spawn(echo, OPTS());
	ck_ok(ipk_net_listener_accept(listener, ipk_in_ms(WAIT_MS), &p));
	ck_assert_uint_ge(n_refused(), N - 64);
	ck_echoes(p);
	ipk_pipe_close(p);
	reap_ok(pid);
	for (int i = 0; i < N; i++)
		close(fds[i]);
	stop();
}
END_TEST

/* A handshake byte by byte is slow, and a handshake. */
START_TEST(slow_sender)
{
	unsigned char open_hello[] = "\0\0\0\x9ipkpipe1o", got[13];
	ipk_pipe *p = NULL;
	char text[8];
	int fd;

	listen_tcp(NULL);
	fd = dial();
	for (size_t i = 0; i < 12; i++) {
		say(fd, open_hello + i, 1);
		ck_err(ipk_net_listener_accept(listener, ipk_now(), &p), -ETIMEDOUT);
	}
	/* The first message comes with the last byte of the handshake. */
	say(fd, "o\0\0\0\3abc", 8);
	ck_ok(ipk_net_listener_accept(listener, ipk_in_ms(WAIT_MS), &p));
	ck_assert_uint_eq(hear(fd, got, 13), 13);
	ck_assert_mem_eq(got, open_hello, 13);
	ck_ok(ipk_pipe_recv(p, text, sizeof text, ipk_in_ms(WAIT_MS), NULL));
	ck_assert_mem_eq(text, "abc", 3);
	say(fd, "\0\0\0\4wx", 6);
	ck_err(ipk_pipe_recv(p, text, sizeof text, ipk_in_ms(20), NULL), -ETIMEDOUT);
	say(fd, "yz", 2);
	ck_ok(ipk_pipe_recv(p, text, sizeof text, ipk_in_ms(WAIT_MS), NULL));
	ck_assert_mem_eq(text, "wxyz", 4);
	close(fd);
	ck_err(ipk_pipe_recv(p, text, sizeof text, ipk_in_ms(WAIT_MS), NULL), -EPIPE);
	ipk_pipe_close(p);
	stop();
}
END_TEST

/* The kernel says that the caller is connected; the listener is stopped, or is none. */
START_TEST(half_open_listener)
{
	ipk_pipe *p;

	listen_tcp(OPTS());
	ck_err(ipk_net_connect(address, OPTS(), ipk_in_ms(50), &p), -ETIMEDOUT);
	stop();
}
END_TEST

START_TEST(limit_of_a_message)
{
	ipk_pipe *p;
	pid_t pid;
	char buf[8];

	listen_tcp(OPTS(.max_message_bytes = 100));
	pid = spawn(echo, OPTS());
	ck_ok(ipk_net_listener_accept(listener, ipk_in_ms(WAIT_MS), &p));
	ck_err(ipk_pipe_send(p, address, 101, ipk_now()), -EMSGSIZE);
	ck_ok(ipk_pipe_send(p, "x", 1, ipk_now()));
	ck_ok(ipk_pipe_recv(p, buf, sizeof buf, ipk_in_ms(WAIT_MS), NULL));
	ipk_pipe_close(p);
	reap_ok(pid);
	stop();
}
END_TEST

/* --- death ------------------------------------------------------------------------------------ */

struct killed {
	struct gate sending;
};

static int send_for_ever(void *arg)
{
	static char data[4 << 20];
	struct killed *k = arg;
	ipk_pipe *p;

	IPK_TRY(ipk_net_connect(address, OPTS(), ipk_in_ms(WAIT_MS), &p));
	for (int i = 0;; i++) {
		memset(data, i, sizeof data);
		if (ipk_pipe_send(p, data, sizeof data, ipk_in_ms(WAIT_MS)) < 0)
			return 1;
		if (i == 1)
			gate_open(&k->sending);
	}
}

/* Killed in the middle of a long message: whole ones come, then the end. */
START_TEST(sender_killed)
{
	struct killed k;
	ipk_pipe *p;
	void *data;
	size_t n;
	pid_t pid;
	int r, n_whole = 0;

	listen_tcp(OPTS());
	gate_init(&k.sending);
	pid = spawn(send_for_ever, &k);
	ck_ok(ipk_net_listener_accept(listener, ipk_in_ms(WAIT_MS), &p));
	while ((r = ipk_pipe_recv_alloc(p, ipk_in_ms(WAIT_MS), &data, &n)) == 0) {
		ck_assert_uint_eq(n, 4 << 20);
		for (size_t i = 0; i < n; i += 4096)
			ck_assert_int_eq(((char *)data)[i], (char)n_whole);
		free(data);
		if (++n_whole == 3) {
			gate_wait(&k.sending);
			ck_wait_asleep(pid); /* it waits for room, half of a message is out */
			ck_assert_int_eq(kill(pid, SIGKILL), 0);
		}
	}
	ck_err(r, -EPIPE);
	ck_assert_int_ge(n_whole, 3);
	reap_signal(pid, SIGKILL);
	ipk_pipe_close(p);
	gate_fini(&k.sending);
	stop();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("net_pipe");

	add_test(s, with_a_key);
	add_test(s, without_a_key_here);
	add_test(s, over_a_path);
	add_test(s, pythons_protocol_between_us);
	add_test(s, a_dead_listener_is_replaced);
	add_test(s, key_in_a_file);
	add_test(s, an_fd_that_tells_of_callers);
	add_test(s, only_loopback_without_a_key);
	add_test(s, wrong_arguments);
	add_test(s, strangers_are_turned_away);
	add_loop_test(s, rubbish_is_hung_up_on, 0, (int)(sizeof rubbish / sizeof rubbish[0]));
	add_test(s, replayed_to_the_listener);
	add_test(s, reflected_to_the_listener);
	add_test(s, replayed_and_reflected_to_the_caller);
	add_test(s, silent_callers_hold_up_nobody);
	add_test(s, silent_callers_are_hung_up_on);
	add_test(s, more_silent_callers_than_places);
	add_test(s, slow_sender);
	add_test(s, half_open_listener);
	add_test(s, limit_of_a_message);
	add_test(s, sender_killed);
	return s;
}

IPK_TEST_MAIN(suite)
