/*
 * test_server_life.c - a manager's server from start to shutdown, clients that die in mid-request,
 * blocked requests, transactions, and rings.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipk/manager_server.h"
#include "ipk/process.h"
#include "ipk/pipe.h"
#include "os/os.h"
#include "pipe/pipe_internal.h"
#include "raw_client.h"
#include "support/support.h"

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

static bool is_gone(void *arg)
{
	return kill(*(pid_t *)arg, 0) < 0 && errno == ESRCH;
}

static bool is_alone(void *arg)
{
	return raw_info(*(int *)arg, "clients", "connected_clients") == 1;
}

static bool one_waits(void *arg)
{
	return raw_info(*(int *)arg, "clients", "blocked_clients") == 1;
}

/* --- beginning and end ------------------------------------------------------------------------ */

START_TEST(it_listens_where_only_its_user_gets)
{
	char directory[128];
	struct stat st;
	int fd;

	start(NULL);
	snprintf(directory, sizeof directory, "%.*s", (int)(strrchr(address, '/') - address - 5),
		 address + 5);
	ck_assert_int_eq(stat(directory, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0700);
	ck_assert_uint_eq(st.st_uid, getuid());
	ck_assert_int_eq(stat(address + 5, &st), 0);
	ck_assert_uint_eq(st.st_mode & 077, 0);
	fd = raw_dial(address);
	raw_ask(fd, "PING\r\n", "+PONG\r\n");
	close(fd);
	stop();
	ck_assert_int_eq(stat(directory, &st), -1);
}
END_TEST

START_TEST(addresses_that_it_refuses)
{
	ipk_manager_server *other = NULL;
	ipk_deadline d = ipk_in_ms(WAIT_MS);

	start(NULL);
	ck_err(ipk_manager_server_start(IPK_MANAGER_SERVER(.address = address), d, &other),
	       -EADDRINUSE);
	ck_err(ipk_manager_server_start(IPK_MANAGER_SERVER(.address = "tcp:0.0.0.0:0"), d, &other),
	       -EACCES);
	ck_err(ipk_manager_server_start(IPK_MANAGER_SERVER(.address = "tcp:nowhere"), d, &other),
	       -EINVAL);
	ck_err(ipk_manager_server_start(IPK_MANAGER_SERVER(.address = "what"), d, &other), -EINVAL);
	ck_assert_ptr_nonnull(strstr(ipk_error_detail(-EINVAL), "IPK_MANAGER_SERVER(.address)"));
	ck_err(ipk_manager_server_start(IPK_MANAGER_SERVER(.address = "unix:/nowhere/x"), d,
					&other),
	       -ENOENT);
	ck_err(ipk_manager_server_start(IPK_MANAGER_SERVER(.key = "short"), d, &other), -EINVAL);
	ck_err(ipk_manager_server_start(IPK_MANAGER_SERVER(.flags = 1u << 31), d, &other), -EINVAL);
	ck_assert_ptr_null(other);
	stop();
	start(IPK_MANAGER_SERVER(.address = "tcp:127.0.0.1:0"));
	ck_assert_int_eq(strncmp(address, "tcp:127.0.0.1:", 14), 0);
	ck_assert_int_ne(atoi(address + 14), 0);
	close(raw_dial(address));
	stop();
}
END_TEST

START_TEST(a_dead_ones_socket_is_in_nobodys_way)
{
	char path[160];
	int fd;

	start(NULL);
	snprintf(path, sizeof path, "%s-2", address);
	ipk_manager_server *first = server;
	start(IPK_MANAGER_SERVER(.address = path));
	kill(ipk_manager_server_pid(server), SIGKILL);
	ck_ok(ipk_manager_server_stop(server, ipk_in_ms(WAIT_MS)));
	ipk_manager_server_close(server);
	start(IPK_MANAGER_SERVER(.address = path));
	fd = raw_dial(path);
	raw_ask(fd, "PING\r\n", "+PONG\r\n");
	close(fd);
	stop();
	server = first;
	stop();
}
END_TEST

struct creator {
	struct gate started;
	struct gate may_end;
	int pid_pipe[2];
	unsigned flags;
};

static int create_and_wait(void *arg)
{
	struct creator *c = arg;
	char news[192] = "";
	pid_t pid;

	start(IPK_MANAGER_SERVER(.flags = c->flags));
	pid = ipk_manager_server_pid(server);
	snprintf(news, sizeof news, "%d %s", (int)pid, address);
	if (write(c->pid_pipe[1], news, sizeof news) != (ssize_t)sizeof news)
		return 1;
	gate_open(&c->started);
	gate_wait(&c->may_end);
	return 1;
}

static void create_and_kill(struct creator *c, pid_t *ret_pid, char ret_address[160])
{
	char news[192];
	int server_pid;
	pid_t pid;

	gate_init(&c->started);
	gate_init(&c->may_end);
	ck_assert_int_eq(pipe(c->pid_pipe), 0);
	pid = spawn(create_and_wait, c);
	gate_wait(&c->started);
	ck_assert_int_eq(read(c->pid_pipe[0], news, sizeof news), sizeof news);
	ck_assert_int_eq(sscanf(news, "%d %159s", &server_pid, ret_address), 2);
	close(raw_dial(ret_address));
	kill_and_reap(pid);
	*ret_pid = server_pid;
	close(c->pid_pipe[0]);
	close(c->pid_pipe[1]);
	gate_fini(&c->started);
	gate_fini(&c->may_end);
}

START_TEST(it_ends_with_its_creator)
{
	struct creator c = {.flags = 0};
	char where[160];
	struct stat st;
	pid_t pid;

	create_and_kill(&c, &pid, where);
	ck_assert(wait_until(is_gone, &pid, WAIT_MS));
	ck_assert_int_eq(stat(where + 5, &st), -1);
	*strrchr(where, '/') = '\0';
	ck_assert_int_eq(stat(where + 5, &st), -1);
}
END_TEST

/* With the server open, which is not waited for. */
static int create_and_end(void *arg)
{
	const int *pid_pipe = arg;
	pid_t pid;

	start(IPK_MANAGER_SERVER(.flags = 0));
	pid = ipk_manager_server_pid(server);
	return write(pid_pipe[1], &pid, sizeof pid) == (ssize_t)sizeof pid ? 5 : 1;
}

START_TEST(it_holds_nobody_up_who_ends)
{
	IPK_AUTO(process, creator);
	ipk_process_status status;
	int pid_pipe[2];
	pid_t pid;

	ck_assert_int_eq(pipe(pid_pipe), 0);
	ck_ok(ipk_process_start(create_and_end, pid_pipe, NULL, &creator));
	ck_ok(ipk_process_join(creator, ipk_in_ms(WAIT_MS), &status));
	ck_assert_int_eq(status.exit_code, 5);
	ck_assert_int_eq(read(pid_pipe[0], &pid, sizeof pid), sizeof pid);
	ck_assert(wait_until(is_gone, &pid, WAIT_MS));
	close(pid_pipe[0]);
	close(pid_pipe[1]);
}
END_TEST

START_TEST(it_stays_when_asked_to)
{
	struct creator c = {.flags = IPK_MANAGER_SERVER_STAY};
	char where[160];
	pid_t pid;
	int fd;

	create_and_kill(&c, &pid, where);
	fd = raw_dial(where);
	raw_ask(fd, "PING\r\n", "+PONG\r\n");
	raw_say(fd, "SHUTDOWN\r\n");
	raw_expect_end(fd);
	close(fd);
	ck_assert(wait_until(is_gone, &pid, WAIT_MS));
}
END_TEST

START_TEST(a_terminal_interrupt_is_the_creators)
{
	int fd;

	start(NULL);
	kill(ipk_manager_server_pid(server), SIGINT);
	kill(ipk_manager_server_pid(server), SIGHUP);
	fd = raw_dial(address);
	raw_ask(fd, "PING\r\n", "+PONG\r\n");
	close(fd);
	stop();
}
END_TEST

START_TEST(it_keeps_none_of_our_fds)
{
	int ends[2];
	char c;

	ck_assert_int_eq(pipe(ends), 0);
	start(NULL);
	close(ends[1]);
	/* The server would keep it open. */
	ck_assert_int_eq(read(ends[0], &c, 1), 0);
	close(ends[0]);
	stop();
}
END_TEST

/* --- clients that are killed ------------------------------------------------------------------ */

enum state { IDLE, BLOCKED, MULTI, HALF, WATCHING, LOCAL, LOCAL_UNREAD, MONITOR, N_STATES };

static ipk_pipe *go_local(int fd)
{
	struct ipk__pipe_parts parts = IPK__PIPE_NO_PARTS;
	ipk_pipe *end = NULL;
	char reply[64];
	int fds[IPK__OS_FDS_MAX];
	size_t n_fds = 0;
	size_t n;

	raw_say(fd, "*1\r\n$9\r\nIPK.LOCAL\r\n");
	ck_ok(ipk__os_poll1(fd, IPK__OS_IN, ipk_in_ms(WAIT_MS), NULL));
	ck_ok(ipk__os_stream_read_fds(fd, reply, sizeof reply, &n, fds, &n_fds));
	ck_assert_uint_eq(n_fds, 5);
	ck_assert_int_eq(strncmp(reply, "*1\r\n:1\r\n", n), 0);
	close(fds[0]);
	parts.segment_fd = fds[1];
	parts.doorbell_fds[0] = fds[2];
	parts.doorbell_fds[1] = fds[3];
	parts.max_message_bytes = IPK_MESSAGE_MAX_BYTES;
	ck_ok(ipk__pipe_end(&parts, 1, fds[4], &end));
	return end;
}

static void local_say(ipk_pipe *p, const char *text)
{
	ck_ok(ipk_pipe_send(p, text, strlen(text), ipk_in_ms(WAIT_MS)));
}

static void local_ask(ipk_pipe *p, const char *request, const char *reply)
{
	char buf[4096] = "";
	size_t n;

	local_say(p, request);
	ck_ok(ipk_pipe_recv(p, buf, sizeof buf - 1, ipk_in_ms(WAIT_MS), &n));
	ck_assert_str_eq(buf, reply);
}

struct victim {
	enum state state;
	struct gate is_there;
	struct gate never;
};

static int be_killed(void *arg)
{
	struct victim *v = arg;
	int fd = raw_dial(address);
	ipk_pipe *p = v->state == LOCAL || v->state == LOCAL_UNREAD ? go_local(fd) : NULL;

	switch (v->state) {
	case BLOCKED:
		raw_say(fd, "BLPOP nothing 0\r\nSET after 1\r\n");
		break;
	case MULTI:
		raw_ask(fd, "MULTI\r\nSET after 1\r\n", "+OK\r\n+QUEUED\r\n");
		break;
	case HALF:
		raw_say(fd, "*3\r\n$3\r\nSET\r\n$5\r\nafter\r\n$100000\r\nxxxx");
		break;
	case WATCHING:
		raw_ask(fd, "WATCH a\r\n", "+OK\r\n");
		break;
	case LOCAL:
		local_ask(p, "SET local 1\r\n", "+OK\r\n");
		break;
	case LOCAL_UNREAD:
		for (int i = 0; i < 200; i++)
			local_say(p, "GETRANGE big 0 20000\r\n");
		break;
	case MONITOR:
		raw_ask(fd, "MONITOR\r\n", "+OK\r\n");
		break;
	default:
		break;
	}
	gate_open(&v->is_there);
	gate_wait(&v->never);
	return 1;
}

START_TEST(clients_killed_in_every_state)
{
	struct victim v = {.state = (enum state)_i};
	pid_t pid;
	int fd;

	start(NULL);
	fd = raw_dial(address);
	raw_ask(fd, "SETRANGE big 20000 x\r\n", ":20001\r\n");
	gate_init(&v.is_there);
	gate_init(&v.never);
	pid = spawn(be_killed, &v);
	gate_wait(&v.is_there);
	if (v.state == BLOCKED)
		ck_assert(wait_until(one_waits, &fd, WAIT_MS));
	kill_and_reap(pid);
	ck_assert(wait_until(is_alone, &fd, WAIT_MS));
	ck_assert_int_eq(raw_info(fd, "clients", "blocked_clients"), 0);
	raw_ask(fd, "EXISTS after\r\nRPUSH nothing x\r\nLLEN nothing\r\n", ":0\r\n:1\r\n:1\r\n");
	gate_fini(&v.is_there);
	gate_fini(&v.never);
	close(fd);
	stop();
}
END_TEST

/* --- the end of what one sends ---------------------------------------------------------------- */

START_TEST(what_was_sent_before_the_end_is_answered)
{
	int fd;

	start(NULL);
	fd = raw_dial(address);
	for (int i = 0; i < 3000; i++)
		raw_say(fd, "INCR n\r\n");
	shutdown(fd, SHUT_WR);
	raw_expect_end(fd);
	close(fd);
	fd = raw_dial(address);
	raw_ask(fd, "GET n\r\nQUIT\r\nPING\r\n", "$4\r\n3000\r\n+OK\r\n");
	raw_expect_end(fd);
	close(fd);
	stop();
}
END_TEST

/* --- waiting ---------------------------------------------------------------------------------- */

START_TEST(who_waits_longest_comes_first)
{
	int fds[3];
	int fd;

	start(NULL);
	fd = raw_dial(address);
	for (int i = 0; i < 3; i++) {
		int n_waiting = i + 1;

		fds[i] = raw_dial(address);
		raw_say(fds[i], "BLPOP a b 0\r\nPING\r\n");
		while (raw_info(fd, "clients", "blocked_clients") != n_waiting)
			;
	}
	raw_ask(fd, "RPUSH b 1 2\r\n", ":2\r\n");
	raw_expect(fds[0], "*2\r\n$1\r\nb\r\n$1\r\n1\r\n+PONG\r\n");
	raw_expect(fds[1], "*2\r\n$1\r\nb\r\n$1\r\n2\r\n+PONG\r\n");
	ck_assert_int_eq(raw_info(fd, "clients", "blocked_clients"), 1);
	/* In a transaction, what was pushed and taken again was never there for them. */
	raw_ask(fd, "MULTI\r\nRPUSH a x\r\nLPOP a\r\nRPUSH a y\r\nEXEC\r\n",
		"+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n:1\r\n$1\r\nx\r\n:1\r\n");
	raw_expect(fds[2], "*2\r\n$1\r\na\r\n$1\r\ny\r\n+PONG\r\n");
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	close(fd);
	stop();
}
END_TEST

START_TEST(waiting_ends)
{
	char request[64];
	long long id;
	int other;
	int fd;

	start(NULL);
	fd = raw_dial(address);
	other = raw_dial(address);
	raw_ask(fd, "BLPOP a 0.05\r\n", "*-1\r\n");
	raw_ask(fd, "MULTI\r\nBLPOP a 0\r\nEXEC\r\n", "+OK\r\n+QUEUED\r\n*1\r\n*-1\r\n");
	raw_say(fd, "CLIENT ID\r\n");
	raw_hear(fd, request, 1);
	id = 0;
	for (char c = 0; raw_hear(fd, &c, 1) == 1 && c != '\n';)
		id = c >= '0' && c <= '9' ? id * 10 + c - '0' : id;
	raw_say(fd, "BLPOP a 0\r\n");
	ck_assert(wait_until(one_waits, &other, WAIT_MS));
	snprintf(request, sizeof request, "CLIENT UNBLOCK %lld\r\n", id);
	raw_ask(other, request, ":1\r\n");
	raw_expect(fd, "*-1\r\n");
	raw_say(fd, "BLPOP a 0\r\n");
	ck_assert(wait_until(one_waits, &other, WAIT_MS));
	snprintf(request, sizeof request, "CLIENT UNBLOCK %lld ERROR\r\n", id);
	raw_ask(other, request, ":1\r\n");
	raw_expect(fd, "-UNBLOCKED");
	snprintf(request, sizeof request, "CLIENT KILL ID %lld\r\n", id);
	raw_ask(other, request, ":1\r\n");
	raw_expect_end(fd);
	close(fd);
	close(other);
	stop();
}
END_TEST

START_TEST(transactions)
{
	int other;
	int fd;

	start(NULL);
	fd = raw_dial(address);
	other = raw_dial(address);
	raw_ask(fd, "WATCH a\r\nMULTI\r\nSET a 1\r\nEXEC\r\n",
		"+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
	raw_ask(fd, "WATCH a\r\n", "+OK\r\n");
	raw_ask(other, "SET a 2\r\n", "+OK\r\n");
	raw_ask(fd, "MULTI\r\nSET a 3\r\nEXEC\r\nGET a\r\n",
		"+OK\r\n+QUEUED\r\n*-1\r\n$1\r\n2\r\n");
	raw_ask(fd, "WATCH new\r\n", "+OK\r\n");
	raw_ask(other, "HSET new f v\r\nDEL new\r\n", ":1\r\n:1\r\n");
	raw_ask(fd, "UNWATCH\r\nMULTI\r\nNOSUCH\r\nEXEC\r\n",
		"+OK\r\n+OK\r\n-ERR unknown command ");
	raw_expect(fd, "'NOSUCH', with args beginning with: \r\n-EXECABORT Transaction discarded "
		       "because of previous errors.\r\n");
	raw_ask(fd, "MULTI\r\nINCR s\r\nLPUSH s x\r\nINCR s\r\nEXEC\r\n",
		"+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n:1\r\n-WRONGTYPE Operation against "
		"a "
		"key holding the wrong kind of value\r\n:2\r\n");
	raw_ask(fd, "EXEC\r\nDISCARD\r\nMULTI\r\nMULTI\r\nWATCH a\r\nDISCARD\r\n",
		"-ERR EXEC without MULTI\r\n-ERR DISCARD without MULTI\r\n+OK\r\n-ERR MULTI calls "
		"can not be nested\r\n-ERR WATCH inside MULTI is not allowed\r\n+OK\r\n");
	close(fd);
	close(other);
	stop();
}
END_TEST

/* --- rings ------------------------------------------------------------------------------------ */

START_TEST(a_ring_does_what_a_socket_does)
{
	enum { BIG = 3000000 };
	static char big[BIG + 64];
	const void *data;
	ipk_pipe *p;
	size_t n;
	int other;
	int fd;

	start(NULL);
	other = raw_dial(address);
	fd = raw_dial(address);
	p = go_local(fd);
	local_ask(p, "SET a 1\r\n", "+OK\r\n");
	local_ask(p, "INCR a\r\nINCR a\r\n", ":2\r\n:3\r\n");
	/* A request in two messages, and one far larger than the ring, both ways. */
	local_say(p, "*2\r\n$3\r\nGET\r\n$1");
	local_ask(p, "\r\na\r\n", "$1\r\n3\r\n");
	n = (size_t)snprintf(big, sizeof big, "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$%d\r\n", BIG);
	memset(big + n, 'x', BIG);
	memcpy(big + n + BIG, "\r\n", 2);
	ck_ok(ipk_pipe_send(p, big, n + BIG + 2, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_pipe_peek(p, ipk_in_ms(WAIT_MS), &data, &n));
	ck_assert_uint_eq(n, 5);
	ck_ok(ipk_pipe_release(p));
	local_say(p, "GET b\r\n");
	ck_ok(ipk_pipe_peek(p, ipk_in_ms(WAIT_MS), &data, &n));
	ck_assert_uint_eq(n, BIG + 12);
	ck_assert_int_eq(memcmp((const char *)data + 10, big + 50, BIG - 50), 0);
	ck_ok(ipk_pipe_release(p));
	/* Waiting, and being woken by somebody at a socket. */
	local_say(p, "BLPOP q 0\r\nPING\r\n");
	ck_assert(wait_until(one_waits, &other, WAIT_MS));
	raw_ask(other, "RPUSH q x\r\n", ":1\r\n");
	ck_ok(ipk_pipe_peek(p, ipk_in_ms(WAIT_MS), &data, &n));
	ck_assert_int_eq(memcmp(data, "*2\r\n$1\r\nq\r\n$1\r\nx\r\n", 18), 0);
	ck_ok(ipk_pipe_release(p));
	/* The socket beside it is its end. */
	close(fd);
	ck_err(ipk_pipe_peek(p, ipk_in_ms(WAIT_MS), &data, &n) == -EPIPE ||
			       ipk_pipe_peek(p, ipk_in_ms(WAIT_MS), &data, &n) == -EPIPE
		       ? -EPIPE
		       : 0,
	       -EPIPE);
	ipk_pipe_close(p);
	ck_assert(wait_until(is_alone, &other, WAIT_MS));
	close(other);
	stop();
}
END_TEST

START_TEST(who_does_not_drain_its_ring_holds_up_nobody)
{
	ipk_pipe *p;
	size_t n;
	int other;
	int fd;

	start(NULL);
	other = raw_dial(address);
	raw_ask(other, "SETRANGE big 20000 x\r\n", ":20001\r\n");
	fd = raw_dial(address);
	p = go_local(fd);
	for (int i = 0; i < 500; i++)
		local_say(p, "GETRANGE big 0 20000\r\n");
	for (int i = 0; i < 100; i++)
		raw_ask(other, "PING\r\n", "+PONG\r\n");
	/* All of it is there once it reads. */
	for (size_t left = 500 * (size_t)(20001 + 10); left > 0; left -= n) {
		const void *data;

		ck_ok(ipk_pipe_peek(p, ipk_in_ms(WAIT_MS), &data, &n));
		ck_assert_uint_le(n, left);
		ck_ok(ipk_pipe_release(p));
	}
	local_ask(p, "PING\r\n", "+PONG\r\n");
	ipk_pipe_close(p);
	close(fd);
	close(other);
	stop();
}
END_TEST

START_TEST(a_damaged_ring_is_closed)
{
	ipk_pipe *p;
	int other;
	int fd;

	start(NULL);
	other = raw_dial(address);
	fd = raw_dial(address);
	p = go_local(fd);
	local_ask(p, "PING\r\n", "+PONG\r\n");
	atomic_fetch_add(&p->tx.ring.shared->tail, 1u << 30);
	ipk__os_doorbell(p->tx.doorbell_fd);
	raw_expect_end(fd);
	ck_assert(wait_until(is_alone, &other, WAIT_MS));
	raw_ask(other, "PING\r\n", "+PONG\r\n");
	ipk_pipe_close(p);
	close(fd);
	close(other);
	stop();
}
END_TEST

static int ring_client(void *arg)
{
	int fd = raw_dial(address);
	ipk_pipe *p = go_local(fd);

	(void)arg;
	for (int i = 0; i < repeats(1000); i++) {
		const void *data;
		size_t n;

		local_say(p, "INCR n\r\n");
		ck_ok(ipk_pipe_peek(p, ipk_in_ms(WAIT_MS), &data, &n));
		ck_assert_int_eq(*(const char *)data, ':');
		ck_ok(ipk_pipe_release(p));
	}
	ipk_pipe_close(p);
	close(fd);
	return 0;
}

START_TEST(many_rings_at_once)
{
	enum { N = 8 };
	char reply[32];
	char count[16];
	pid_t pids[N];
	int fd;

	start(NULL);
	for (int i = 0; i < N; i++)
		pids[i] = spawn(ring_client, NULL);
	for (int i = 0; i < N; i++)
		reap_ok(pids[i]);
	fd = raw_dial(address);
	snprintf(count, sizeof count, "%d", N * repeats(1000));
	snprintf(reply, sizeof reply, "$%zu\r\n%s\r\n", strlen(count), count);
	raw_ask(fd, "GET n\r\n", reply);
	ck_assert_int_ge(raw_info(fd, "stats", "local_commands_processed"), N * repeats(1000));
	close(fd);
	stop();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("server_life");

	add_test(s, it_listens_where_only_its_user_gets);
	add_test(s, addresses_that_it_refuses);
	add_test(s, a_dead_ones_socket_is_in_nobodys_way);
	add_test(s, it_ends_with_its_creator);
	add_test(s, it_holds_nobody_up_who_ends);
	add_test(s, it_stays_when_asked_to);
	add_test(s, a_terminal_interrupt_is_the_creators);
	add_test(s, it_keeps_none_of_our_fds);
	add_loop_test(s, clients_killed_in_every_state, 0, N_STATES);
	add_test(s, what_was_sent_before_the_end_is_answered);
	add_test(s, who_waits_longest_comes_first);
	add_test(s, waiting_ends);
	add_test(s, transactions);
	add_test(s, a_ring_does_what_a_socket_does);
	add_test(s, who_does_not_drain_its_ring_holds_up_nobody);
	add_test(s, a_damaged_ring_is_closed);
	add_test(s, many_rings_at_once);
	return s;
}
IPK_TEST_MAIN(suite)
