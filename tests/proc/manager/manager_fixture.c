/* manager_fixture.c - see manager_fixture.h. */
#include "manager_fixture.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "net/resp.h"
#include "server/server.h"
#include "support/support.h"

enum { WORDS_MAX = 64, TEXT_BYTES = 4096 };

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- the server ------------------------------------------------------------------------------- */

static int run_server(void *arg)
{
	struct fixture *s = arg;
	char address[96], log_path[96];
	struct ipk__server_config config = {.label = "fixture",
					    .max_clients = 1000,
					    .max_request_bytes = 1 << 20,
					    .out_hard_bytes = 64 << 20,
					    .out_soft_bytes = 64 << 20,
					    .out_soft_ms = 60000,
					    .slow_ns = 1000000000};
	struct ipk__server *server;
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(address, sizeof(address), "unix:%s/s", s->folder);
	snprintf(log_path, sizeof(log_path), "%s/log", s->folder);
	config.address = address;
	config.log_path = s->has_log ? log_path : NULL;
	close(s->stop_fds[1]);
	if (ipk__server_create(&config, &server) < 0)
		return 2;
	r = ipk__server_run(server, s->stop_fds[0]);
	ipk__server_close(server);
#ifdef __SANITIZE_ADDRESS__
	if (__lsan_do_recoverable_leak_check())
		return 3;
#endif
	return r < 0;
}

static void start(struct fixture *s)
{
	ck_assert_int_eq(pipe(s->stop_fds), 0);
	s->pid = spawn(run_server, s);
	close(s->stop_fds[0]);
}

void fixture_begin(struct fixture *s, bool with_log)
{
	*s = (struct fixture){.folder = "/tmp/ipk-fixture-XXXXXX", .has_log = with_log};
	ck_assert_ptr_nonnull(mkdtemp(s->folder));
	start(s);
}

void fixture_restart(struct fixture *s)
{
	kill_and_reap(s->pid);
	close(s->stop_fds[1]);
	start(s);
}

void fixture_end(struct fixture *s)
{
	static const char *const names[] = {"s", "log"};
	char path[96];

	close(s->stop_fds[1]); /* it ends by itself, so that its leaks are seen */
	reap_ok(s->pid);
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", s->folder, names[i]);
		(void)unlink(path);
	}
	ck_assert_int_eq(rmdir(s->folder), 0);
}

/* --- connections ------------------------------------------------------------------------------ */

void client_open(struct fixture *s, struct client *c)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int64_t until_ms = now_ms() + WAIT_MS;

	*c = (struct client){.fd = -1};
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/s", s->folder);
	for (;;) {
		c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		ck_assert_int_ge(c->fd, 0);
		if (connect(c->fd, (struct sockaddr *)&a, sizeof(a)) == 0)
			return;
		ck_assert_msg(now_ms() < until_ms, "no server: %s", strerror(errno));
		close(c->fd);
		poll(NULL, 0, 2);
	}
}

void client_close(struct client *c)
{
	close(c->fd);
	ipk__buffer_free(&c->in);
}

static void send_words(struct client *c, const struct ipk__slice *argv, size_t argc)
{
	struct ipk__buffer out = {0};

	ipk__resp_request(&out, argv, argc);
	while (ipk__buffer_len(&out) > 0) {
		ssize_t n =
			send(c->fd, ipk__buffer_front(&out), ipk__buffer_len(&out), MSG_NOSIGNAL);

		ck_assert_int_gt(n, 0);
		ipk__buffer_take(&out, (size_t)n);
	}
	ipk__buffer_free(&out);
}

void begin(struct client *c, const char *words)
{
	struct ipk__slice argv[WORDS_MAX];
	size_t argc = 0;

	while (*words) {
		size_t n = strcspn(words, " ");

		ck_assert_uint_lt(argc, WORDS_MAX);
		argv[argc++] = IPK__SLICE(words, n);
		words += n + (words[n] == ' ');
	}
	send_words(c, argv, argc);
}

static bool receive(struct client *c, int ms)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	char *to = ipk__buffer_reserve(&c->in, 65536);
	ssize_t n;

	if (poll(&p, 1, ms) <= 0)
		return false;
	n = recv(c->fd, to, 65536, 0);
	ck_assert_msg(n > 0, "the server closed the connection");
	ipk__buffer_added(&c->in, (size_t)n);
	return true;
}

static size_t render(struct ipk__slice whole, size_t *at, char *text, size_t room)
{
	struct ipk__resp_value v;
	size_t n = 0;

	ck_ok(ipk__resp_next(whole, at, &v));
	switch (v.type) {
	case IPK__RESP_INTEGER:
		return (size_t)snprintf(text, room, "%lld", (long long)v.integer);
	case IPK__RESP_NULL:
		return (size_t)snprintf(text, room, "nil");
	case IPK__RESP_ERROR:
		return (size_t)snprintf(text, room, "-%.*s", (int)strcspn(v.text.bytes, " \r"),
					v.text.bytes);
	case IPK__RESP_ARRAY:
	case IPK__RESP_PUSH:
	case IPK__RESP_MAP:
		n += (size_t)snprintf(text, room, v.type == IPK__RESP_PUSH ? ">[" : "[");
		for (uint64_t i = 0; i < v.n; i++) {
			n += (size_t)snprintf(text + n, room - n, i > 0 ? " " : "");
			n += render(whole, at, text + n, room - n);
		}
		return n + (size_t)snprintf(text + n, room - n, "]");
	default:
		return (size_t)snprintf(text, room, "%.*s", (int)v.text.n_bytes, v.text.bytes);
	}
}

/* The next reply as text; false: there was none within @ms. */
static bool next(struct client *c, int ms, char text[TEXT_BYTES])
{
	struct ipk__resp_scan scan = {0};
	int64_t until_ms = now_ms() + ms;
	size_t n_bytes, at = 0;
	int r;

	while ((r = ipk__resp_scan_value(&scan, ipk__buffer_front(&c->in), ipk__buffer_len(&c->in),
					 &n_bytes)) == 0) {
		int64_t left_ms = until_ms - now_ms();

		if (!receive(c, left_ms > 0 ? (int)left_ms : 0))
			return false;
	}
	ck_assert_int_eq(r, 1);
	render(IPK__SLICE(ipk__buffer_front(&c->in), n_bytes), &at, text, TEXT_BYTES);
	ipk__buffer_take(&c->in, n_bytes);
	return true;
}

void want(struct client *c, const char *reply)
{
	char text[TEXT_BYTES];

	ck_assert_msg(next(c, WAIT_MS, text), "no reply, not \"%s\"", reply);
	ck_assert_str_eq(text, reply);
}

void want_any(struct client *c)
{
	char text[TEXT_BYTES];

	ck_assert_msg(next(c, WAIT_MS, text), "no reply");
}

bool want_is(struct client *c, const char *reply)
{
	char text[TEXT_BYTES];

	ck_assert_msg(next(c, WAIT_MS, text), "no reply");
	return strcmp(text, reply) == 0;
}

bool want_has(struct client *c, const char *part)
{
	char text[TEXT_BYTES];

	ck_assert_msg(next(c, WAIT_MS, text), "no reply");
	return strstr(text, part) != NULL;
}

void ask(struct client *c, const char *words, const char *reply)
{
	char text[TEXT_BYTES];

	begin(c, words);
	ck_assert_msg(next(c, WAIT_MS, text), "%s: no reply, not \"%s\"", words, reply);
	ck_assert_msg(strcmp(text, reply) == 0, "%s: \"%s\", not \"%s\"", words, text, reply);
}

void silent(struct fixture *s, struct client *c)
{
	char text[TEXT_BYTES];
	struct client other;

	client_open(s, &other);
	ask(&other, "PING", "PONG");
	client_close(&other);
	if (next(c, 0, text))
		ck_abort_msg("\"%s\" where nothing was to come", text);
}

void waits(struct fixture *s, unsigned n)
{
	int64_t until_ms = now_ms() + WAIT_MS;
	char text[TEXT_BYTES], wanted[40];
	struct client c;

	snprintf(wanted, sizeof(wanted), "blocked_clients:%u\r", n);
	client_open(s, &c);
	for (;;) {
		begin(&c, "INFO clients");
		ck_assert(next(&c, WAIT_MS, text));
		if (strstr(text, wanted))
			break;
		ck_assert_msg(now_ms() < until_ms, "not %s: %s", wanted, text);
	}
	client_close(&c);
}
