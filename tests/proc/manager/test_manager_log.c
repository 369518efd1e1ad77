/*
 * test_manager_log.c - the guarantees of the log, from outside: servers in processes of their own,
 * killed at any moment; clients that reconnect with their session and repeat unanswered requests.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipk/deadline.h"
#include "net/resp.h"
#include "os/os.h"
#include "server/server.h"
#include "support/support.h"

enum { N_KILLS = 10 };

static char directory[64];
static char address[192];
static char log_path[128];
static struct ipk__server_config config;

static void setup(void)
{
	snprintf(directory, sizeof directory, "/tmp/ipk-log-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(address, sizeof address, "unix:%s/s", directory);
	snprintf(log_path, sizeof log_path, "%s/log", directory);
	config = (struct ipk__server_config){
		.address = address,
		.log_path = log_path,
		.fsync = IPK__FSYNC_NO,
		.rewrite_percent = -1,
	};
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", directory);
	ck_assert_int_eq(system(command), 0);
}

/* --- servers ---------------------------------------------------------------------------------- */

static int serve(void *arg)
{
	struct ipk__server *server;
	int stop_fd = *(int *)arg;
	int r;

	r = ipk__server_create(&config, &server);
	if (r == 0) {
		r = ipk__server_run(server, stop_fd);
		ipk__server_close(server);
	}
	return r == 0 ? 0 : 1;
}

static pid_t start_server(void)
{
	int none = -1;

	return spawn(serve, &none);
}

/* --- a client --------------------------------------------------------------------------------- */

struct client {
	int fd;
	struct ipk__buffer in;
	struct ipk__buffer out;
};

static bool try_connect(struct client *c)
{
	*c = (struct client){.fd = -1};
	return ipk__os_stream_connect(address + 5, &c->fd) == 0;
}

static bool connects(void *arg)
{
	return try_connect(arg);
}

static void client_open(struct client *c)
{
	ck_assert(wait_until(connects, c, WAIT_MS));
}

static void client_close(struct client *c)
{
	ipk__os_close(c->fd);
	ipk__buffer_free(&c->in);
	ipk__buffer_free(&c->out);
}

static bool client_send(struct client *c)
{
	while (ipk__buffer_len(&c->out) > 0) {
		ssize_t n = send(c->fd, ipk__buffer_front(&c->out), ipk__buffer_len(&c->out),
				 MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			(void)ipk__os_poll1(c->fd, IPK__OS_OUT, ipk_in_ms(1000), NULL);
			continue;
		}
		if (n < 0)
			return false;
		ipk__buffer_take(&c->out, (size_t)n);
	}
	return true;
}

/* The next reply, which stays in c->in until it is taken; false: the server is gone. */
static bool client_reply(struct client *c, struct ipk__slice *ret_reply)
{
	for (;;) {
		struct ipk__resp_scan scan = {0};
		size_t n;
		int r = ipk__resp_scan_value(&scan, ipk__buffer_front(&c->in),
					     ipk__buffer_len(&c->in), &n);
		ssize_t got;

		ck_assert_int_ge(r, 0);
		if (r == 1) {
			*ret_reply = IPK__SLICE(ipk__buffer_front(&c->in), n);
			return true;
		}
		if (ipk__os_poll1(c->fd, IPK__OS_IN, ipk_in_ms(WAIT_MS), NULL) < 0)
			return false;
		got = recv(c->fd, ipk__buffer_reserve(&c->in, 65536), 65536, 0);
		if (got <= 0 && errno != EAGAIN)
			return false;
		if (got == 0)
			return false;
		if (got > 0)
			ipk__buffer_added(&c->in, (size_t)got);
	}
}

static void words(struct client *c, const char *line)
{
	struct ipk__slice argv[16];
	size_t argc = 0;

	for (const char *p = line; *p && argc < 16;) {
		const char *end = strchrnul(p, ' ');

		argv[argc++] = IPK__SLICE(p, (size_t)(end - p));
		p = *end ? end + 1 : end;
	}
	ipk__resp_request(&c->out, argv, argc);
}

/* The reply to a line of words, in a buffer that the next call overwrites. */
__attribute__((format(printf, 2, 3))) static const char *ask(struct client *c, const char *format,
							     ...)
{
	static char text[1 << 16];
	char line[4096];
	struct ipk__slice reply;
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	words(c, line);
	ck_assert(client_send(c));
	ck_assert_msg(client_reply(c, &reply), "no reply to %s", line);
	snprintf(text, sizeof text, "%.*s", (int)reply.n_bytes, reply.bytes);
	ipk__buffer_take(&c->in, reply.n_bytes);
	return text;
}

/* Send what is there and read @n replies. */
static void skip(struct client *c, int n)
{
	struct ipk__slice reply;

	ck_assert(client_send(c));
	for (; n > 0; n--) {
		ck_assert(client_reply(c, &reply));
		ipk__buffer_take(&c->in, reply.n_bytes);
	}
}

#define ck_says(c, reply, ...) ck_assert_str_eq(ask(c, __VA_ARGS__), reply)

/* All that is there, as text that does not depend on the order of keys or fields. */
static uint64_t digest_of(const char *text)
{
	uint64_t h = 14695981039346656037u;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 1099511628211u;
	return h;
}

static uint64_t digest_hash(struct client *c, const char *key)
{
	char copy[1 << 16];
	uint64_t sum = 0;
	char *save;
	int n = 0;

	snprintf(copy, sizeof copy, "%s", ask(c, "HGETALL %s", key));
	for (char *line = strtok_r(copy, "\r\n", &save); line;
	     line = strtok_r(NULL, "\r\n", &save)) {
		static char field[4096];

		if (*line == '$' || *line == '*')
			continue;
		if (n++ % 2 == 0)
			snprintf(field, sizeof field, "%s", line);
		else
			sum += digest_of(field) * 31 + digest_of(line) * digest_of(field);
	}
	return sum;
}

static uint64_t digest_key(struct client *c, const char *key)
{
	char type[32];

	snprintf(type, sizeof type, "%s", ask(c, "TYPE %s", key));
	if (strcmp(type, "+hash\r\n") == 0)
		return digest_hash(c, key);
	if (strcmp(type, "+list\r\n") == 0)
		return digest_of(ask(c, "LRANGE %s 0 -1", key));
	if (strcmp(type, "+string\r\n") == 0)
		return digest_of(ask(c, "GET %s", key));
	return 0;
}

static uint64_t digest_all(struct client *c, int *ret_n)
{
	char copy[1 << 16];
	uint64_t sum = 0;
	char *save;

	*ret_n = 0;
	snprintf(copy, sizeof copy, "%s", ask(c, "KEYS *"));
	for (char *line = strtok_r(copy, "\r\n", &save); line;
	     line = strtok_r(NULL, "\r\n", &save)) {
		if (*line == '$' || *line == '*')
			continue;
		sum += digest_of(line) * (digest_key(c, line) | 1);
		++*ret_n;
	}
	return sum;
}

static bool is_rewritten(void *arg)
{
	return strstr(ask(arg, "INFO persistence"), "aof_rewrite_in_progress:0") != NULL;
}

static void fill(struct client *c, int n, unsigned seed)
{
	for (int i = 0; i < n; i++) {
		int k = rand_r(&seed) % 40;

		switch (rand_r(&seed) % 12) {
		case 0:
			ask(c, "SET s%d v%d", k, i);
			break;
		case 1:
			ask(c, "INCR n%d", k);
			break;
		case 2:
			ask(c, "RPUSH l%d a%d b%d", k, i, i);
			break;
		case 3:
			ask(c, "LPOP l%d", k);
			break;
		case 4:
			ask(c, "HSET h%d f%d %d", k, i % 300, i);
			break;
		case 5:
			ask(c, "HINCRBY g%d f%d 1", k, i % 9);
			break;
		case 6:
			ask(c, "LMOVE l%d l%d LEFT RIGHT", k, (k + 7) % 40);
			break;
		case 7:
			ask(c, "DEL s%d h%d", k, (k + 1) % 40);
			break;
		case 8:
			ask(c, "APPEND s%d x", k);
			break;
		case 9:
			ask(c, "HDEL h%d f%d", k, i % 300);
			break;
		case 10:
			ask(c, "INCRBYFLOAT n%d 1", k);
			break;
		default:
			ask(c, "RPUSH long x%d", i);
			ask(c, "HSET wide f%d %d", i, i);
			ask(c, "MULTI");
			ask(c, "LSET long 0 y%d", i);
			ask(c, "HINCRBY wide f%d 5", i);
			ask(c, "RENAME h%d h%d", k, (k + 3) % 40);
			ask(c, "EXEC");
		}
	}
}

/* --- tests ------------------------------------------------------------------------------------ */

START_TEST(restart_brings_everything_back)
{
	struct client c;
	uint64_t before;
	int n_before, n;
	pid_t pid = start_server();

	client_open(&c);
	fill(&c, 2000, 1);
	ck_says(&c, "+OK\r\n", "SET later v PX 3600000");
	before = digest_all(&c, &n_before);
	ck_says(&c, "+OK\r\n", "SET soon v PX 1");
	ck_assert_int_gt(n_before, 50);
	kill_and_reap(pid);
	client_close(&c);

	pid = start_server();
	client_open(&c);
	ck_says(&c, "$-1\r\n", "GET soon");
	ck_assert_uint_eq(digest_all(&c, &n), before);
	ck_assert_int_eq(n, n_before);
	ck_assert_int_gt(atoi(ask(&c, "PTTL later") + 1), 3000000);
	client_close(&c);
	kill_and_reap(pid);
}
END_TEST

START_TEST(rewrite_under_changes_keeps_everything)
{
	struct client c;
	struct stat long_one, short_one;
	uint64_t before;
	int n_before, n;
	pid_t pid = start_server();

	client_open(&c);
	for (int i = 0; i < 2000; i++) /* large ones, that go in slices */
		words(&c, "RPUSH biglist an-item-of-some-length");
	for (int i = 0; i < 2000; i++) {
		char line[64];

		snprintf(line, sizeof line, "HSET bighash f%d %d", i, i);
		words(&c, line);
	}
	skip(&c, 4000);
	for (int round = 0; round < 10; round++) {
		fill(&c, 300, (unsigned)round);
		ck_assert_ptr_nonnull(strstr(ask(&c, "BGREWRITEAOF"), "ewriting"));
		for (int i = 0; i < 100; i++) {
			ask(&c, "HINCRBY bighash f%d 1", i * 20);
			ask(&c, "RPUSH biglist %d", i);
			ask(&c, "INCR n%d", i % 40);
		}
		fill(&c, 300, (unsigned)round + 100);
	}
	ck_assert(wait_until(is_rewritten, &c, WAIT_MS));
	stat(log_path, &long_one);
	ck_assert_ptr_nonnull(strstr(ask(&c, "BGREWRITEAOF"), "ewriting"));
	ck_assert(wait_until(is_rewritten, &c, WAIT_MS));
	stat(log_path, &short_one);
	ck_assert_int_le(short_one.st_size, long_one.st_size);
	before = digest_all(&c, &n_before);
	kill_and_reap(pid);
	client_close(&c);

	pid = start_server();
	client_open(&c);
	ck_assert_uint_eq(digest_all(&c, &n), before);
	ck_assert_int_eq(n, n_before);
	client_close(&c);
	kill_and_reap(pid);
}
END_TEST

static void ck_things(struct client *c)
{
	ck_says(c, "*6\r\n:3\r\n:0\r\n:3\r\n:0\r\n$4\r\nFIFO\r\n:1\r\n", "IPK.QINFO jobs");
	ck_says(c, ":2\r\n", "IPK.QLEN ranked");
	ck_says(c, ":1\r\n", "IPK.EISSET ready");
	ck_says(c, "+ipk.lock\r\n", "TYPE guard");
	ck_says(c, "+ipk.condition\r\n", "TYPE a-condition");
	ck_says(c, ":0\r\n", "IPK.HELD guard me");
	ck_says(c, "*4\r\n$1\r\nd\r\n$1\r\nc\r\n$1\r\nb\r\n$1\r\na\r\n", "LRANGE turned 0 -1");
}

/* What Redis does not know, by itself and in a transaction. */
START_TEST(things_come_back_too)
{
	struct client c;
	pid_t pid = start_server();

	client_open(&c);
	ck_says(&c, ":1\r\n", "IPK.NEW QUEUE jobs 0 FIFO JOINABLE");
	ck_says(&c, ":1\r\n", "IPK.NEW QUEUE ranked 9 PRIORITY");
	ck_says(&c, ":1\r\n", "IPK.NEW LOCK guard");
	ck_says(&c, ":1\r\n", "IPK.NEW CONDITION a-condition guard");
	ck_says(&c, ":1\r\n", "IPK.NEW EVENT ready");
	ck_says(&c, "+OK\r\n", "IPK.ESET ready");
	ck_says(&c, ":1\r\n", "IPK.ACQUIRE guard me 0");
	ask(&c, "RPUSH turned a b c d");
	ck_says(&c, "+OK\r\n", "IPK.LREVERSE turned");
	ck_says(&c, ":2\r\n", "IPK.QPUT jobs 0 0 one two");
	ck_says(&c, "+OK\r\n", "MULTI");
	ask(&c, "IPK.QPUT jobs 0 0 three");
	ask(&c, "SET told yes");
	ask(&c, "IPK.QPUT ranked 0 5 low");
	ask(&c, "IPK.QPUT ranked 0 1 high");
	ask(&c, "EXEC");
	for (int round = 0; round < 3; round++) {
		client_close(&c);
		kill_and_reap(pid);
		pid = start_server();
		client_open(&c);
		ck_things(&c);
		if (round == 1)
			continue;
		ask(&c, "BGREWRITEAOF");
		ck_assert(wait_until(is_rewritten, &c, WAIT_MS));
	}
	ck_says(&c, "$4\r\nhigh\r\n", "IPK.QGET ranked 0");
	ck_says(&c, "$3\r\none\r\n", "IPK.QGET jobs 0");
	ck_says(&c, "$3\r\nyes\r\n", "GET told");
	client_close(&c);
	kill_and_reap(pid);
}
END_TEST

/* --- each request once ------------------------------------------------------------------------ */

struct load {
	int id;
	_Atomic bool stop; /* send no more, and end when all is answered */
	_Atomic int answered;
	_Atomic int n_reconnects;
};

static bool join_session(struct client *c, const struct load *l, int next)
{
	struct ipk__slice reply;
	char line[128];

	snprintf(line, sizeof line, "IPK.SESSION session-number-%04d %d", l->id, next);
	words(c, line);
	if (!client_send(c) || !client_reply(c, &reply))
		return false;
	ck_assert_msg(*reply.bytes == '*', "%.*s", (int)reply.n_bytes, reply.bytes);
	ipk__buffer_take(&c->in, reply.n_bytes);
	return true;
}

/* Request number n: odd ones count, even ones push their number. */
static void request(struct client *c, const struct load *l, int n)
{
	char line[64];

	if (n % 2 == 1)
		snprintf(line, sizeof line, "INCR count%d", l->id);
	else
		snprintf(line, sizeof line, "RPUSH list%d %d", l->id, n);
	words(c, line);
}

/* Eight at a time in flight, until the connection ends. */
static void send_and_check(struct client *c, struct load *l, int *sent)
{
	struct ipk__slice reply;
	int at = l->answered; /* what was not answered is sent again */

	while (l->answered < *sent || !l->stop) {
		char want[32];

		while (at < *sent || (!l->stop && at < l->answered + 8))
			request(c, l, ++at);
		*sent = at;
		if (at == l->answered)
			return;
		if (!client_send(c) || !client_reply(c, &reply))
			return;
		/* Both count, so the reply says whether any was lost or doubled. */
		snprintf(want, sizeof want, ":%d\r\n", (l->answered + 2) / 2);
		ck_assert_msg(reply.n_bytes == strlen(want) &&
				      memcmp(reply.bytes, want, reply.n_bytes) == 0,
			      "request %d: %.*s, not %s", l->answered + 1, (int)reply.n_bytes,
			      reply.bytes, want);
		ipk__buffer_take(&c->in, reply.n_bytes);
		l->answered++;
	}
}

static int run_load(void *arg)
{
	struct load *l = arg;
	int sent = 0;

	while (l->answered < sent || !l->stop) {
		struct client c;

		client_open(&c);
		if (join_session(&c, l, l->answered + 1))
			send_and_check(&c, l, &sent);
		client_close(&c);
		l->n_reconnects++;
	}
	return 0;
}

static bool goes_on(void *arg)
{
	struct load *l = arg;

	return l->answered > 0;
}

static void kill_at_random(pid_t *server, int n_kills, unsigned seed, bool rewrite)
{
	for (; n_kills > 0; n_kills--) {
		struct client c;
		struct timespec pause = {0, (long)(rand_r(&seed) % 20000000)};

		client_open(&c);
		ask(&c, "PING"); /* it has loaded the log */
		if (rewrite)
			ask(&c, "BGREWRITEAOF");
		nanosleep(&pause, NULL); /* the moment of the kill is any */
		kill_and_reap(*server);
		client_close(&c);
		*server = start_server();
	}
}

static void ck_counts(struct client *c, const struct load *l)
{
	char want[64];

	snprintf(want, sizeof want, "\r\n%d\r\n", (l->answered + 1) / 2);
	ck_assert_ptr_nonnull(strstr(ask(c, "GET count%d", l->id), want));
	snprintf(want, sizeof want, ":%d\r\n", l->answered / 2);
	ck_says(c, want, "LLEN list%d", l->id);
	snprintf(want, sizeof want, "\r\n%d\r\n", l->answered / 2 * 2);
	ck_assert_ptr_nonnull(strstr(ask(c, "LINDEX list%d -1", l->id), want));
}

static void kill_sweep(bool rewrite, unsigned seed, int n_kills)
{
	enum { N_CLIENTS = 3 };
	struct load *loads = mmap(NULL, N_CLIENTS * sizeof *loads, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t clients[N_CLIENTS];
	struct client c;
	pid_t pid = start_server();

	if (rewrite) { /* something to be at, when it is killed */
		client_open(&c);
		for (int i = 0; i < 20000; i++) {
			char line[64];

			snprintf(line, sizeof line, "SET key%d value", i);
			words(&c, line);
			if (i % 1000 == 999)
				skip(&c, 1000);
		}
		client_close(&c);
	}
	for (int i = 0; i < N_CLIENTS; i++) {
		loads[i].id = i;
		clients[i] = spawn(run_load, &loads[i]);
		ck_assert(wait_until(goes_on, &loads[i], WAIT_MS));
	}
	kill_at_random(&pid, n_kills, seed, rewrite);
	client_open(&c);
	for (int i = 0; i < N_CLIENTS; i++) {
		loads[i].stop = true;
		reap_ok(clients[i]);
		ck_assert_int_gt(loads[i].n_reconnects, 1);
		ck_counts(&c, &loads[i]);
	}
	client_close(&c);
	kill_and_reap(pid);
	munmap(loads, N_CLIENTS * sizeof *loads);
}

START_TEST(killed_under_load)
{
	kill_sweep(false, 1, N_KILLS);
}
END_TEST

START_TEST(killed_under_load_on_disk)
{
	config.fsync = IPK__FSYNC_ALWAYS;
	kill_sweep(true, 3, N_KILLS / 2);
}
END_TEST

START_TEST(killed_while_rewriting)
{
	kill_sweep(true, 2, N_KILLS);
}
END_TEST

START_TEST(fsync_is_a_setting)
{
	static const char *const words[] = {"always", "everysec", "no"};
	pid_t pid = start_server();
	struct client c;
	char wanted[80];

	client_open(&c);
	for (size_t i = 0; i < 3; i++) {
		ck_says(&c, "+OK\r\n", "CONFIG SET appendfsync %s", words[i]);
		snprintf(wanted, sizeof wanted, "*2\r\n$11\r\nappendfsync\r\n$%zu\r\n%s\r\n",
			 strlen(words[i]), words[i]);
		ck_says(&c, wanted, "CONFIG GET appendfsync");
		ck_says(&c, "+OK\r\n", "SET a b");
	}
	ask(&c, "CONFIG SET appendfsync sometimes");
	ck_says(&c, "*2\r\n$11\r\nappendfsync\r\n$2\r\nno\r\n", "CONFIG GET appendfsync");
	client_close(&c);
	kill_and_reap(pid);
}
END_TEST

START_TEST(replies_of_a_session_outlive_the_server)
{
	struct client c;
	pid_t pid = start_server();

	for (int round = 0; round < 3; round++) {
		client_open(&c);
		ask(&c, "IPK.SESSION 0123456789abcdef 1");
		ck_says(&c, ":2\r\n", "RPUSH l a b");
		ck_says(&c, "$1\r\na\r\n", "LPOP l");
		ck_says(&c, "+OK\r\n", "MULTI");
		ck_says(&c, "+QUEUED\r\n", "RPUSH l c");
		ck_says(&c, "+QUEUED\r\n", "LPOP l");
		ck_says(&c, "*2\r\n:2\r\n$1\r\nb\r\n", "EXEC");
		ck_says(&c, "$3\r\n1.5\r\n", "INCRBYFLOAT x 1.5");
		ck_says(&c, "*1\r\n$1\r\nc\r\n", "LRANGE l 0 -1");
		if (round == 1) {
			ask(&c, "BGREWRITEAOF");
			ck_assert(wait_until(is_rewritten, &c, WAIT_MS));
		}
		client_close(&c);
		kill_and_reap(pid);
		pid = start_server();
	}
	kill_and_reap(pid);
}
END_TEST

START_TEST(what_was_waited_for_is_not_lost)
{
	struct client waiting, c;
	struct ipk__slice reply;
	pid_t pid = start_server();

	client_open(&waiting);
	client_open(&c);
	ask(&waiting, "IPK.SESSION 0123456789abcdef 1");
	ck_says(&waiting, "+WAIT 1\r\n", "BLPOP l 0");
	ck_says(&waiting, ":1\r\n", "INCR n");
	ck_says(&c, ":1\r\n", "RPUSH l item");
	ck_assert(client_reply(&waiting, &reply)); /* and is not taken notice of */
	for (int round = 0; round < 4; round++) {
		client_close(&waiting);
		if (round > 0) {
			client_close(&c);
			kill_and_reap(pid);
			pid = start_server();
			client_open(&c);
		}
		client_open(&waiting);
		ask(&waiting, "IPK.SESSION 0123456789abcdef 1");
		ck_says(&waiting, "*2\r\n$1\r\nl\r\n$4\r\nitem\r\n", "BLPOP l 0");
		ck_says(&waiting, ":1\r\n", "INCR n");
		ck_says(&c, ":0\r\n", "LLEN l");
		if (round == 2) {
			ask(&c, "BGREWRITEAOF");
			ck_assert(wait_until(is_rewritten, &c, WAIT_MS));
		}
	}
	client_close(&waiting);
	client_close(&c);
	kill_and_reap(pid);
}
END_TEST

/* --- a damaged file, a full disk -------------------------------------------------------------- */

static void append_to_log(const char *bytes, size_t n_bytes)
{
	int fd = open(log_path, O_WRONLY | O_APPEND);

	ck_assert_int_eq(write(fd, bytes, n_bytes), (ssize_t)n_bytes);
	close(fd);
}

START_TEST(torn_end_is_cut_and_damage_is_refused)
{
	char trouble[256] = "";
	struct ipk__server *server;
	struct client c;
	pid_t pid = start_server();
	off_t size;
	int fd;

	client_open(&c);
	ask(&c, "SET a 1");
	ask(&c, "SET b 2");
	client_close(&c);
	kill_and_reap(pid);
	config.trouble = trouble;
	config.trouble_bytes = sizeof trouble;

	append_to_log("#ipk1 00000", 11);
	ck_ok(ipk__server_create(&config, &server));
	ipk__server_close(server);
	ck_assert_ptr_nonnull(strstr(trouble, "cut off at byte"));

	trouble[0] = 0;
	append_to_log("\0\0\0\0", 4); /* as after a loss of power */
	ck_ok(ipk__server_create(&config, &server));
	ipk__server_close(server);
	ck_assert_ptr_nonnull(strstr(trouble, "cut off at byte"));

	fd = open(log_path, O_RDWR);
	size = lseek(fd, 0, SEEK_END);
	ck_assert_int_eq(pwrite(fd, "?", 1, size - 20), 1);
	close(fd);
	trouble[0] = 0;
	ck_err(ipk__server_create(&config, &server), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(trouble, "refused at byte"));
}
END_TEST

START_TEST(only_one_server_has_a_log)
{
	struct ipk__server *server;
	char other[200];
	struct client c;
	pid_t pid = start_server();

	/* It listens before it opens its log, and answers when it has it. */
	client_open(&c);
	ck_assert_str_eq(ask(&c, "PING"), "+PONG\r\n");
	client_close(&c);
	snprintf(other, sizeof other, "%s2", address);
	config.address = other;
	ck_err(ipk__server_create(&config, &server), -EBUSY);
	kill_and_reap(pid);
}
END_TEST

static void limit_files(pid_t pid, rlim_t n_bytes)
{
	struct rlimit limit = {n_bytes, RLIM_INFINITY};

	ck_assert_int_eq(prlimit(pid, RLIMIT_FSIZE, &limit, NULL), 0);
}

static bool is_refused(const char *reply)
{
	return strncmp(reply, "-MISCONF Errors writing to the AOF file: ", 41) == 0;
}

static bool takes_writes(void *arg)
{
	return strcmp(ask(arg, "INCR n"), ":1\r\n") == 0;
}

START_TEST(full_disk_refuses_writes_and_nothing_else)
{
	struct client c;
	uint64_t before;
	int n_before, n;
	pid_t pid = start_server();

	client_open(&c);
	limit_files(pid, 1200 << 10); /* a MiB is kept free */
	fill(&c, 200, 3);
	for (int i = 0; !is_refused(ask(&c, "APPEND s %04000d", i)); i++)
		ck_assert_int_lt(i, 100);
	ck_says(&c, "+PONG\r\n", "PING");
	before = digest_all(&c, &n_before);
	ck_assert_int_gt(n_before, 10);
	kill_and_reap(pid);
	client_close(&c);

	pid = start_server();
	client_open(&c);
	ck_assert_uint_eq(digest_all(&c, &n), before);
	ck_assert_int_eq(n, n_before);
	ck_assert(takes_writes(&c));
	client_close(&c);
	kill_and_reap(pid);
}
END_TEST

START_TEST(room_on_disk_ends_refusals)
{
	struct client c;
	pid_t pid = start_server();

	client_open(&c);
	limit_files(pid, 4096);
	ck_assert(is_refused(ask(&c, "INCR n")));
	ck_assert_ptr_nonnull(strstr(ask(&c, "INFO persistence"), "aof_last_write_status:err"));
	limit_files(pid, RLIM_INFINITY);
	ck_assert(wait_until(takes_writes, &c, WAIT_MS));
	ck_assert_ptr_nonnull(strstr(ask(&c, "INFO persistence"), "aof_last_write_status:ok"));
	client_close(&c);
	kill_and_reap(pid);
}
END_TEST

/* Of every kind that has an effect of its own in the log. */
static const char *const mix[] = {
	"INCR n",
	"RPUSH l d e f",
	"IPK.LREVERSE l",
	"IPK.LREPEAT l 3",
	"IPK.LSORT l BYTES DESC",
	"HSET h a 1 b 2",
	"HINCRBY h a 5",
	"MULTI",
	"INCR n",
	"RPUSH l g",
	"IPK.LREVERSE l",
	"HSET h c 3",
	"EXEC",
	"LMOVE l m LEFT RIGHT",
	"APPEND n 1",
	"IPK.NEW QUEUE q 0 FIFO",
	"IPK.QPUT q 0 0 x y",
	"IPK.QGET q 0",
	"RENAME m k",
	"LPOP l 2",
	"DEL h",
	"IPK.NEW SEMAPHORE s 3",
	"SETRANGE n 2 zz",
	"FLUSHALL",
};
enum { N_MIX = sizeof mix / sizeof mix[0], STATE_BYTES = 2048 };

static void read_state(struct client *c, char state[STATE_BYTES])
{
	static const char *const questions[] = {"GET n",         "LRANGE l 0 -1", "LRANGE m 0 -1",
						"LRANGE k 0 -1", "HGET h a",      "HGET h b",
						"HGET h c",      "IPK.QLEN q",    "EXISTS s"};
	size_t n = 0;

	state[0] = '\0';
	for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++)
		n += (size_t)snprintf(state + n, STATE_BYTES - n, "%s", ask(c, "%s", questions[i]));
	ck_assert_uint_lt(n, STATE_BYTES);
}

/* Its reply, if the server gives one: two turns after it was sent it had its chance. */
static bool is_answered(struct client *c, struct client *other, const char *line,
			bool *ret_is_refused)
{
	struct ipk__slice reply;

	words(c, line);
	ck_assert(client_send(c));
	ck_says(other, "+PONG\r\n", "PING");
	ck_says(other, "+PONG\r\n", "PING");
	if (ipk__os_poll1(c->fd, IPK__OS_IN, ipk_now(), NULL) < 0)
		return false;
	ck_assert(client_reply(c, &reply));
	*ret_is_refused = reply.bytes[0] == '-';
	ipk__buffer_take(&c->in, reply.n_bytes);
	return true;
}

static pid_t begin_mix(struct client *c, struct client *other)
{
	pid_t pid;

	unlink(log_path);
	pid = start_server();
	client_open(c);
	client_open(other);
	ck_says(c, ":3\r\n", "RPUSH l c b a");
	return pid;
}

static void end_mix(pid_t pid, struct client *c, struct client *other)
{
	client_close(c);
	client_close(other);
	kill_and_reap(pid);
}

/* The disk is full @room bytes further on. What was acknowledged is there after a kill. */
static void ck_full_after(off_t room, char states[N_MIX + 1][STATE_BYTES])
{
	struct client c, other;
	char state[STATE_BYTES];
	bool is_refused_now = false, is_told = true;
	pid_t pid = begin_mix(&c, &other);
	struct stat st;
	int n = 0;

	ck_assert_int_eq(stat(log_path, &st), 0);
	limit_files(pid, (rlim_t)(st.st_size + room));
	while (n < N_MIX && (is_told = is_answered(&c, &other, mix[n], &is_refused_now)) &&
	       !is_refused_now)
		n++;
	end_mix(pid, &c, &other);

	pid = start_server();
	client_open(&c);
	client_open(&other);
	read_state(&c, state);
	if (is_told || n == N_MIX || strcmp(state, states[n + 1]) != 0)
		ck_assert_msg(strcmp(state, states[n]) == 0,
			      "%lld bytes, %d acknowledged, then %s: it is\n%s\nnot\n%s",
			      (long long)room, n, n < N_MIX ? mix[n] : "all", state, states[n]);
	end_mix(pid, &c, &other);
}

START_TEST(a_full_disk_loses_nothing_acknowledged)
{
	static char states[N_MIX + 1][STATE_BYTES];
	const int step = 7 * (1 + 2 * (repeats(8) != 8)); /* each run takes other ones */
	struct client c, other;
	struct stat before, after;
	bool is_refused_now;
	pid_t pid = begin_mix(&c, &other);

	ck_assert_int_eq(stat(log_path, &before), 0);
	read_state(&other, states[0]);
	for (int i = 0; i < N_MIX; i++) {
		ck_assert(is_answered(&c, &other, mix[i], &is_refused_now));
		ck_assert_msg(!is_refused_now, "%s", mix[i]);
		read_state(&other, states[i + 1]);
	}
	ck_assert_int_eq(stat(log_path, &after), 0);
	end_mix(pid, &c, &other);
	for (off_t room = getpid() % step; room < after.st_size - before.st_size; room += step)
		ck_full_after(room, states);
}
END_TEST

/* --- Redis reads it --------------------------------------------------------------------------- */

static pid_t start_redis(const char *socket)
{
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 1);
		dup2(null, 2);
		execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket,
		       "--dir", directory, "--appendonly", "yes", "--appendfilename", "log",
		       "--save", "", (char *)NULL);
		_exit(127);
	}
	return pid;
}

static bool has_loaded(void *arg)
{
	return strcmp(ask(arg, "PING"), "+PONG\r\n") == 0;
}

START_TEST(redis_loads_the_same)
{
	struct client c;
	uint64_t before;
	int n_before, n;
	pid_t pid = start_server();

	client_open(&c);
	ask(&c, "IPK.SESSION 0123456789abcdef 1");
	fill(&c, 1000, 5);
	ask(&c, "BGREWRITEAOF");
	fill(&c, 1000, 6);
	ck_assert(wait_until(is_rewritten, &c, WAIT_MS));
	before = digest_all(&c, &n_before);
	client_close(&c);
	kill_and_reap(pid);

	snprintf(address, sizeof address, "unix:%s/redis", directory);
	pid = start_redis(address + 5);
	client_open(&c);
	ck_assert(wait_until(has_loaded, &c, WAIT_MS));
	ck_assert_uint_eq(digest_all(&c, &n), before);
	ck_assert_int_eq(n, n_before);
	client_close(&c);
	kill_and_reap(pid);
}
END_TEST

static void add(Suite *s, const char *name, const TTest *test)
{
	TCase *tc = support_case(s, name, 60, true);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test);
}

static Suite *suite(void)
{
	Suite *s = suite_create("manager_log");

#define ADD(test) add(s, #test, test)
	ADD(restart_brings_everything_back);
	ADD(rewrite_under_changes_keeps_everything);
	ADD(things_come_back_too);
	ADD(killed_under_load);
	ADD(killed_under_load_on_disk);
	ADD(killed_while_rewriting);
	ADD(fsync_is_a_setting);
	ADD(replies_of_a_session_outlive_the_server);
	ADD(what_was_waited_for_is_not_lost);
	ADD(torn_end_is_cut_and_damage_is_refused);
	ADD(only_one_server_has_a_log);
	ADD(full_disk_refuses_writes_and_nothing_else);
	ADD(room_on_disk_ends_refusals);
	ADD(a_full_disk_loses_nothing_acknowledged);
	ADD(redis_loads_the_same);
	return s;
}
IPK_TEST_MAIN(suite)
