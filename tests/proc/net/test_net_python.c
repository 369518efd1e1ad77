/*
 * test_net_python.c - python: pipes against the real multiprocessing.connection, in both roles:
 * what send_bytes() sends there is received here, and vice versa.
 *
 * Python echoes everything. The handshake of 3.12 and later is done by a few lines on top of a
 * Connection without a key, so an older Python will do; that of the older ones is the library's own
 * where it is old enough, and otherwise such lines too.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ipk/net.h"
#include "support/support.h"

#define KEY "a key of some length"
#define OPTS(...) IPK_NET(.key = KEY, .key_bytes = sizeof KEY - 1, __VA_ARGS__)

#define PRELUDE                                                                \
	"import hmac, os, sys\n"                                               \
	"from multiprocessing.connection import Client, Listener\n"            \
	"from multiprocessing import AuthenticationError\n"                    \
	"address, how, key = sys.argv[1], sys.argv[2], sys.argv[3].encode()\n" \
	"if ':' in address:\n"                                                 \
	"    host, port = address.split(':')\n"                                \
	"    address = (host, int(port))\n"                                    \
	"old = how == 'old'\n"                                                 \
	"real = how == 'real'\n"                                               \
	"def mac(text):\n"                                                     \
	"    if old:\n"                                                        \
	"        return hmac.new(key, text, 'md5').digest()\n"                 \
	"    return b'{sha256}' + hmac.new(key, text, 'sha256').digest()\n"    \
	"def ask(c):\n"                                                        \
	"    text = os.urandom(20) if old else b'{sha256}' + os.urandom(40)\n" \
	"    c.send_bytes(b'#CHALLENGE#' + text)\n"                            \
	"    if c.recv_bytes(256) != mac(text):\n"                             \
	"        c.send_bytes(b'#FAILURE#')\n"                                 \
	"        raise AuthenticationError('wrong answer')\n"                  \
	"    c.send_bytes(b'#WELCOME#')\n"                                     \
	"def answer(c):\n"                                                     \
	"    text = c.recv_bytes(256)\n"                                       \
	"    assert text.startswith(b'#CHALLENGE#')\n"                         \
	"    c.send_bytes(mac(text[11:]))\n"                                   \
	"    if c.recv_bytes(256) != b'#WELCOME#':\n"                          \
	"        raise AuthenticationError('not welcome')\n"                   \
	"def echo(c):\n"                                                       \
	"    try:\n"                                                           \
	"        while True:\n"                                                \
	"            c.send_bytes(c.recv_bytes())\n"                           \
	"    except EOFError:\n"                                               \
	"        pass\n"

#define LISTEN                                                           \
	PRELUDE                                                          \
	"with Listener(address, authkey=key if real else None) as l:\n"  \
	"    a = l.address\n"                                            \
	"    print(a if isinstance(a, str) else a[1], flush=True)\n"     \
	"    try:\n"                                                     \
	"        with l.accept() as c:\n"                                \
	"            if how in ('old', 'new'):\n"                        \
	"                ask(c)\n"                                       \
	"                answer(c)\n"                                    \
	"            echo(c)\n"                                          \
	"    except (AuthenticationError, EOFError, ConnectionError):\n" \
	"        sys.exit(3)\n"

#define CALL                                                              \
	PRELUDE                                                           \
	"try:\n"                                                          \
	"    with Client(address, authkey=key if real else None) as c:\n" \
	"        if how in ('old', 'new'):\n"                             \
	"            answer(c)\n"                                         \
	"            ask(c)\n"                                            \
	"        echo(c)\n"                                               \
	"except (AuthenticationError, EOFError, ConnectionError):\n"      \
	"    sys.exit(3)\n"

enum { OK = 0, REFUSED = 3 };

static char dir[32], path[48], text[96];
static ipk_net_listener *listener;

static void new_path(void)
{
	strcpy(dir, "/tmp/ipk-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/s", dir);
}

static pid_t start(const char *script, const char *where, const char *how, int *ret_out)
{
	int out[2];
	pid_t pid;

	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	pid = fork();
	if (pid != 0) /* a child leaves the file of results alone */
		ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		execlp("python3", "python3", "-c", script, where, how, KEY, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	*ret_out = out[0];
	return pid;
}

static void read_line(int fd, char *line, size_t n_bytes)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t n = 0;

	do {
		ck_assert_uint_lt(n, n_bytes);
		ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
		ck_assert_int_eq(read(fd, line + n, 1), 1);
	} while (line[n++] != '\n');
	line[n - 1] = '\0';
}

static void ck_echoes(ipk_pipe *p)
{
	static const size_t lengths[] = {0, 1, 16380, 16384, 16385, 65536, 1 << 20, 16 << 20};
	char *sent = malloc(16 << 20);
	void *got;
	size_t n;

	for (size_t i = 0; i < 16 << 20; i++)
		sent[i] = (char)(i * 13 + i / 257);
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		ck_ok(ipk_pipe_send(p, sent, lengths[i], ipk_in_ms(WAIT_MS)));
		ck_ok(ipk_pipe_recv_alloc(p, ipk_in_ms(WAIT_MS), &got, &n));
		ck_assert_uint_eq(n, lengths[i]);
		ck_assert_int_eq(memcmp(got, sent, n), 0);
		free(got);
	}
	free(sent);
}

/* A Listener in Python; @where is a path or "127.0.0.1:0". Its address comes to be in text. */
static pid_t python_listens(const char *where, const char *how)
{
	char line[64];
	int out;
	pid_t pid = start(LISTEN, where, how, &out);

	read_line(out, line, sizeof line);
	close(out);
	snprintf(text, sizeof text, line[0] == '/' ? "python:%s" : "python:tcp:127.0.0.1:%s", line);
	return pid;
}

static void ck_calls(const char *where, const char *how, const ipk_net_opts *opts)
{
	pid_t pid = python_listens(where, how);
	ipk_pipe *p;

	ck_ok(ipk_net_connect(text, opts, ipk_in_ms(WAIT_MS), &p));
	ck_echoes(p);
	ipk_pipe_close(p);
	reap_code(pid, OK);
}

static void ck_is_refused(const char *how, const ipk_net_opts *opts)
{
	pid_t pid = python_listens("127.0.0.1:0", how);
	ipk_pipe *p;

	ck_err(ipk_net_connect(text, opts, ipk_in_ms(WAIT_MS), &p), -EACCES);
	reap_code(pid, REFUSED);
}

/* A listener here; the address for Python comes to be in text. */
static void listen_here(const char *address, const ipk_net_opts *opts)
{
	int port;

	ck_ok(ipk_net_listener_create(address, opts, &listener));
	if (ipk_net_listener_port(listener, &port) == 0)
		snprintf(text, sizeof text, "127.0.0.1:%d", port);
	else
		snprintf(text, sizeof text, "%s", path);
}

static void ck_accepts(const char *address, const char *how, const ipk_net_opts *opts)
{
	ipk_pipe *p;
	pid_t pid;
	int out;

	listen_here(address, opts);
	pid = start(CALL, text, how, &out);
	ck_ok(ipk_net_listener_accept(listener, ipk_in_ms(WAIT_MS), &p));
	ck_echoes(p);
	ipk_pipe_close(p);
	reap_code(pid, OK);
	close(out);
	listener = ipk_net_listener_close(listener);
}

static void ck_refuses(const char *how, const ipk_net_opts *opts)
{
	uint64_t n_refused = 0;
	ipk_pipe *p;
	pid_t pid;
	int out;

	listen_here("python:tcp:127.0.0.1:0", opts);
	pid = start(CALL, text, how, &out);
	while (n_refused == 0) {
		ck_err(ipk_net_listener_accept(listener, ipk_in_ms(20), &p), -ETIMEDOUT);
		ck_ok(ipk_net_listener_refused(listener, &n_refused));
	}
	reap_code(pid, REFUSED);
	close(out);
	listener = ipk_net_listener_close(listener);
}

START_TEST(call_without_a_key)
{
	new_path();
	ck_calls(path, "open", NULL);
	ck_calls("127.0.0.1:0", "open", NULL);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(accept_without_a_key)
{
	char address[64];

	new_path();
	snprintf(address, sizeof address, "python:%s", path);
	ck_accepts(address, "open", NULL);
	ck_accepts("python:tcp:127.0.0.1:0", "open", NULL);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(call_with_sha256)
{
	ck_calls("127.0.0.1:0", "new", OPTS());
	ck_calls("127.0.0.1:0", "new", OPTS(.python_md5 = true));
}
END_TEST

START_TEST(accept_with_sha256)
{
	char address[64];

	ck_accepts("python:tcp:127.0.0.1:0", "new", OPTS());
	new_path();
	snprintf(address, sizeof address, "python:%s", path);
	ck_accepts(address, "new", OPTS());
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* Python's own handshake, whichever this one speaks. */
START_TEST(real_keys)
{
	new_path();
	ck_calls(path, "real", OPTS(.python_md5 = true));
	ck_accepts("python:tcp:127.0.0.1:0", "real", OPTS(.python_md5 = true));
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(md5_when_asked_for)
{
	ck_calls("127.0.0.1:0", "old", OPTS(.python_md5 = true));
	ck_accepts("python:tcp:127.0.0.1:0", "old", OPTS(.python_md5 = true));
}
END_TEST

START_TEST(md5_only_when_asked_for)
{
	ck_is_refused("old", OPTS());
	ck_refuses("old", OPTS());
}
END_TEST

START_TEST(other_keys)
{
	ck_is_refused("new", IPK_NET(.key = "another", .key_bytes = 7));
	ck_refuses("new", IPK_NET(.key = "another", .key_bytes = 7));
	ck_is_refused("old", IPK_NET(.key = "another", .key_bytes = 7, .python_md5 = true));
	ck_refuses("old", IPK_NET(.key = "another", .key_bytes = 7, .python_md5 = true));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("net_python");

	add_test(s, call_without_a_key);
	add_test(s, accept_without_a_key);
	add_test(s, call_with_sha256);
	add_test(s, accept_with_sha256);
	add_test(s, real_keys);
	add_test(s, md5_when_asked_for);
	add_test(s, md5_only_when_asked_for);
	add_test(s, other_keys);
	return s;
}

IPK_TEST_MAIN(suite)
