/* redis_pair.c - see redis_pair.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "net/resp.h"
#include "redis_pair.h"
#include "server/server.h"
#include "support/support.h"

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- the servers ------------------------------------------------------------------------------ */

static pid_t redis_start(const char *dir, const char *appendonly)
{
	static const char *const args[] = {"redis-server", "--port",      "0",  "--unixsocket",
					   "redis.sock",   "--save",      "",   "--loglevel",
					   "warning",      "--databases", "1",  "--logfile",
					   "redis.log",    "--daemonize", "no", "--appendonly"};
	enum { N_ARGS = sizeof(args) / sizeof(*args) };
	const char *argv[N_ARGS + 2];
	pid_t pid;

	memcpy(argv, args, sizeof(args));
	argv[N_ARGS] = appendonly;
	argv[N_ARGS + 1] = NULL;
	pid = fork();
	if (pid != 0) /* a child leaves the file of results alone */
		ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (chdir(dir) == 0)
			execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	return pid;
}

static volatile sig_atomic_t stop_fd = -1;

static void on_term(int sig)
{
	(void)sig;
	(void)!write(stop_fd, "x", 1);
}

static void run_ours(struct pair *p, const char *socket)
{
	struct ipk__server_config config = {0};
	struct ipk__server *server;
	char address[96];
	int fds[2], r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(address, sizeof(address), "unix:%s/%s", p->dir, socket);
	config.address = address;
	config.label = "same";
	config.log_path = p->log_path[0] ? p->log_path : NULL;
	config.max_clients = 1000;
	config.max_request_bytes = 64 << 20;
	config.out_hard_bytes = 256 << 20;
	config.out_soft_bytes = 64 << 20;
	config.out_soft_ms = 60000;
	config.slow_ns = 1000000000;
	if (pipe(fds) < 0)
		_exit(3);
	stop_fd = fds[1];
	signal(SIGTERM, on_term);
	r = ipk__server_create(&config, &server);
	if (r < 0) {
		fprintf(stderr, "our server does not start: %s\n", ipk_strerror(r));
		_exit(2);
	}
	r = ipk__server_run(server, fds[0]);
	ipk__server_close(server);
	_exit(r < 0);
}

void ours_start(struct pair *p)
{
	p->pid[OURS] = fork();
	if (p->pid[OURS] != 0) /* a child leaves the file of results alone */
		ck_assert_int_ge(p->pid[OURS], 0);
	if (p->pid[OURS] == 0)
		run_ours(p, "ours.sock");
}

void pair_start(struct pair *p, bool with_log)
{
	char name[UNIQUE_NAME_BYTES];

	memset(p, 0, sizeof(*p));
	unique_name(name, "redis");
	snprintf(p->dir, sizeof(p->dir), "/tmp/%.50s", name);
	ck_assert_int_eq(mkdir(p->dir, 0700), 0);
	if (with_log)
		snprintf(p->log_path, sizeof(p->log_path), "%s/ours.aof", p->dir);
	p->pid[REDIS] = redis_start(p->dir, "no");
	ours_start(p);
}

int pair_sweep(int code)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf /tmp/t-%d-*-redis", (int)getpid());
	return system(command) == 0 ? code : 1;
}

static void remove_files(const char *dir)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(command), 0);
}

void ours_stop(struct pair *p)
{
	int status;

	kill(p->pid[OURS], SIGTERM);
	ck_assert_int_eq(waitpid(p->pid[OURS], &status, 0), p->pid[OURS]);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		      "our server ended with status %#x", status);
	p->pid[OURS] = 0;
}

void pair_drop(struct pair *p, int line)
{
	struct line *l = &p->line[line];
	int s;

	for (s = 0; s < SIDES; s++) {
		if (l->side[s].fd > 0)
			close(l->side[s].fd);
		ipk__buffer_free(&l->side[s].in);
	}
	ipk__buffer_free(&l->out);
	memset(l, 0, sizeof(*l));
}

void pair_stop(struct pair *p)
{
	int i;

	if (p->pid[OURS] > 0)
		ours_stop(p);
	if (p->pid[REDIS] > 0)
		kill_and_reap(p->pid[REDIS]);
	for (i = 0; i < PAIR_LINES; i++)
		pair_drop(p, i);
	remove_files(p->dir);
}

/* --- lines ------------------------------------------------------------------------------------ */

void pair_connect(struct pair *p, int line, int side, const char *name)
{
	struct side *s = &p->line[line].side[side];
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int64_t until = now_ms() + WAIT_MS;

	if (s->fd > 0)
		close(s->fd);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", p->dir, name);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_gt(s->fd, 0);
	while (connect(s->fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		ck_assert_msg(now_ms() < until, "no %s: %s", name, strerror(errno));
		ck_assert_int_eq(waitpid(p->pid[side], NULL, WNOHANG), 0);
		poll(NULL, 0, 2);
	}
	ck_assert_int_eq(fcntl(s->fd, F_SETFL, O_NONBLOCK), 0);
}

void redis_loads(struct pair *p)
{
	char dir[96], to[128];
	int64_t until = now_ms() + WAIT_MS;
	bool is_loading;

	snprintf(dir, sizeof(dir), "%s/loads", p->dir);
	snprintf(to, sizeof(to), "%s/appendonly.aof", dir);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	ck_assert_int_eq(rename(p->log_path, to), 0);
	p->pid[OURS] = redis_start(dir, "yes");
	pair_connect(p, 0, OURS, "loads/redis.sock");
	do {
		ck_assert_msg(now_ms() < until, "it is loading the log for long");
		pair_askf(p, 0, "PING");
		pair_await(p, 0);
		is_loading = pair_reply(p, 0, OURS, 0).bytes[0] == '-';
		pair_forget(p, 0);
	} while (is_loading);
}

void ours_loads(struct pair *p)
{
	char command[256];

	snprintf(command, sizeof(command), "cp '%s' '%s.loads'", p->log_path, p->log_path);
	ck_assert_int_eq(system(command), 0);
	kill_and_reap(p->pid[REDIS]);
	p->pid[REDIS] = fork();
	if (p->pid[REDIS] != 0) /* a child leaves the file of results alone */
		ck_assert_int_ge(p->pid[REDIS], 0);
	if (p->pid[REDIS] == 0) {
		strcat(p->log_path, ".loads");
		run_ours(p, "loads.sock");
	}
	pair_connect(p, 0, REDIS, "loads.sock");
}

static struct line *the_line(struct pair *p, int line)
{
	struct line *l = &p->line[line];

	if (l->side[REDIS].fd <= 0)
		pair_connect(p, line, REDIS, "redis.sock");
	if (l->side[OURS].fd <= 0)
		pair_connect(p, line, OURS, "ours.sock");
	return l;
}

void pair_ask(struct pair *p, int line, const struct ipk__slice *argv, size_t argc)
{
	struct line *l = the_line(p, line);

	ck_assert_uint_lt(l->n_asked, PAIR_REPLIES);
	ipk__resp_request(&l->out, argv, argc);
	l->n_asked++;
}

void pair_askf(struct pair *p, int line, const char *words)
{
	struct ipk__slice argv[64];
	size_t n = 0, n_bytes;

	while (*words) {
		n_bytes = strcspn(words, " ");
		argv[n++] = IPK__SLICE(words, n_bytes);
		words += n_bytes + (words[n_bytes] == ' ');
	}
	pair_ask(p, line, argv, n);
}

static size_t find_line_end(struct ipk__slice b, size_t at)
{
	const char *end = at < b.n_bytes ? memchr(b.bytes + at, '\n', b.n_bytes - at) : NULL;

	return end ? (size_t)(end - b.bytes) + 1 : 0;
}

/* Its own reading of replies, of the types that both sides use. */
static size_t value_end(struct ipk__slice b, size_t at)
{
	size_t end = find_line_end(b, at);
	long long n;
	char type;

	if (end == 0)
		return 0;
	type = b.bytes[at];
	n = strtoll(b.bytes + at + 1, NULL, 10);
	if (strchr("$=!", type))
		return n < 0 ? end : end + (size_t)n + 2 <= b.n_bytes ? end + (size_t)n + 2 : 0;
	if (strchr("*%~>", type)) {
		for (n = type == '%' ? 2 * n : n; n > 0 && end > 0; n--)
			end = value_end(b, end);
		return end;
	}
	ck_assert_msg(strchr("+-:_#,(", type), "a reply begins with %#x", type);
	return end;
}

size_t reply_length(struct ipk__slice bytes)
{
	return bytes.n_bytes > 0 ? value_end(bytes, 0) : 0;
}

/* True: something came, or the other side is gone. */
static void read_some(struct line *l, int side)
{
	struct side *s = &l->side[side];
	ssize_t n;

	do {
		char *room = ipk__buffer_reserve(&s->in, 65536);

		ck_assert_ptr_nonnull(room);
		n = read(s->fd, room, 65536);
		ck_assert_msg(n != 0, "%s closed the connection", side ? "ours" : "redis");
		if (n > 0)
			ipk__buffer_added(&s->in, (size_t)n);
	} while (n == 65536);
	for (;;) {
		size_t from = s->n_replies ? s->ends[s->n_replies - 1] : 0;
		struct ipk__slice rest = IPK__SLICE(ipk__buffer_front(&s->in) + from,
						    ipk__buffer_len(&s->in) - from);
		size_t n_bytes = reply_length(rest);

		if (n_bytes == 0)
			break;
		ck_assert_uint_lt(s->n_replies, PAIR_REPLIES);
		s->ends[s->n_replies++] = from + n_bytes;
	}
}

bool pair_receive(struct pair *p, int line, int side, size_t n, int ms)
{
	struct line *l = the_line(p, line);
	struct side *s = &l->side[side];
	int64_t until = now_ms() + ms;

	for (;;) {
		struct pollfd f = {.fd = s->fd, .events = POLLIN};
		int64_t left = until - now_ms();

		read_some(l, side);
		if (s->n_replies >= n)
			return true;
		if (left <= 0)
			return false;
		poll(&f, 1, (int)left);
	}
}

void pair_send(struct pair *p, int line)
{
	struct line *l = the_line(p, line);
	size_t n = ipk__buffer_len(&l->out), done[SIDES] = {0};
	int64_t until = now_ms() + WAIT_MS;
	int s;

	while (done[REDIS] < n || done[OURS] < n) {
		struct pollfd f[SIDES] = {{.fd = l->side[REDIS].fd, .events = POLLIN},
					  {.fd = l->side[OURS].fd, .events = POLLIN}};

		ck_assert_msg(now_ms() < until, "a request is not taken");
		for (s = 0; s < SIDES; s++) {
			ssize_t r = 0;

			if (done[s] < n)
				r = send(f[s].fd, ipk__buffer_front(&l->out) + done[s], n - done[s],
					 MSG_NOSIGNAL);
			done[s] += r > 0 ? (size_t)r : 0;
			if (done[s] < n)
				f[s].events |= POLLOUT;
			read_some(l, s);
		}
		if (done[REDIS] < n || done[OURS] < n)
			poll(f, SIDES, 100);
	}
	ipk__buffer_clear(&l->out);
}

void pair_await(struct pair *p, int line)
{
	struct line *l = the_line(p, line);
	int s;

	pair_send(p, line);
	for (s = 0; s < SIDES; s++)
		ck_assert_msg(pair_receive(p, line, s, l->n_asked, WAIT_MS),
			      "%s gave %zu of %zu replies", s ? "ours" : "redis",
			      l->side[s].n_replies, l->n_asked);
}

struct ipk__slice pair_reply(struct pair *p, int line, int side, size_t i)
{
	struct side *s = &p->line[line].side[side];
	size_t from = i ? s->ends[i - 1] : 0;

	ck_assert_uint_lt(i, s->n_replies);
	return IPK__SLICE(ipk__buffer_front(&s->in) + from, s->ends[i] - from);
}

void pair_forget(struct pair *p, int line)
{
	struct line *l = the_line(p, line);
	int s;

	for (s = 0; s < SIDES; s++) {
		if (l->side[s].n_replies > 0)
			ipk__buffer_take(&l->side[s].in, l->side[s].ends[l->side[s].n_replies - 1]);
		l->side[s].n_replies = 0;
	}
	l->n_asked = 0;
}

const char *shown(struct ipk__slice bytes)
{
	static char text[8][1200];
	static unsigned turn;
	char *t = text[turn++ % 8];
	size_t n = 0, i;

	for (i = 0; i < bytes.n_bytes && n < 1000; i++) {
		unsigned char c = (unsigned char)bytes.bytes[i];

		if (c == '\r' && i + 1 < bytes.n_bytes && bytes.bytes[i + 1] == '\n') {
			t[n++] = ' ';
			i++;
		} else if (c >= ' ' && c < 127) {
			t[n++] = (char)c;
		} else {
			n += (size_t)sprintf(t + n, "\\x%02x", c);
		}
	}
	if (i < bytes.n_bytes)
		n += (size_t)sprintf(t + n, "... (%zu bytes)", bytes.n_bytes);
	t[n] = 0;
	return t;
}
