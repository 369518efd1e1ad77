/*
 * ops_manager.c - a manager's server, killed while it serves one request; and its log.
 *
 * The victim is the server: it accepts a connection, reads, executes, writes the log, and replies.
 * Then another server starts with the same log. What was acknowledged must be there; what was not
 * is there or not, never in part; and when the client resends the request in its session, it has
 * been applied once. A reader that has the store mapped reads the old value or the new one, or must
 * ask the server.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "participants.h"
#include "server/server.h"
#include "store/view.h"

#define SESSION "IPK.SESSION kill-sweep-of-the-server %d\r\n"
#define REPLY_BYTES 4096

/* What is asked, and what a probe says before and after it. */
struct request {
	const char *kind;
	int n_setup; /* requests of @setup, whose %d is 0, 1, ... */
	const char *setup;
	const char *request;
	const char *probe;
	const char *before, *after;
	const char *field; /* a reader looks at it in the hash "h"; NULL: it does not look */
	const char *field_before, *field_after;
};

/* Long enough to be copied in several steps: whoever reads in between sees both. */
#define TIMES_4(text) text text text text
#define OLD TIMES_4(TIMES_4("old-value-old-value-"))
#define NEW TIMES_4(TIMES_4("new-value-new-value-"))

static const struct request requests[] = {
	{"set", 1, "SET k old\r\n", "SET k new\r\n", "GET k\r\n", "$3\r\nold\r\n", "$3\r\nnew\r\n"},
	{"hset", 1, "HSET h f " OLD " g 1\r\n", "HSET h f " NEW "\r\n", "HGET h f\r\n",
	 "$320\r\n" OLD "\r\n", "$320\r\n" NEW "\r\n", "f", OLD, NEW},
	{"push", 2, "RPUSH l item-%d\r\n", "RPUSH l pushed\r\n", "LRANGE l -2 -1\r\n",
	 "*2\r\n$6\r\nitem-0\r\n$6\r\nitem-1\r\n", "*2\r\n$6\r\nitem-1\r\n$6\r\npushed\r\n"},
	{"pop", 2, "RPUSH l item-%d\r\n", "LPOP l\r\n", "LRANGE l 0 -1\r\n",
	 "*2\r\n$6\r\nitem-0\r\n$6\r\nitem-1\r\n", "*1\r\n$6\r\nitem-1\r\n"},
	{"incr", 1, "SET n 41\r\n", "INCR n\r\n", "GET n\r\n", "$2\r\n41\r\n", "$2\r\n42\r\n"},
	{"delete", 1, "HSET h f old-value g 1\r\n", "DEL h\r\n", "EXISTS h\r\n", ":1\r\n", ":0\r\n",
	 "f", "old-value", NULL},
	{"insert", 2, "RPUSH l item-%d\r\n", "IPK.LINSERT l 1 middle\r\n", "LINDEX l 1\r\n",
	 "$6\r\nitem-1\r\n", "$6\r\nmiddle\r\n"},
	{"transaction", 1, "MSET a 1 b 2\r\n",
	 "MULTI\r\nSET a 3\r\nINCRBY b 2\r\nRENAME a c\r\nEXEC\r\n", "MGET a b c\r\n",
	 "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$-1\r\n", "*3\r\n$-1\r\n$1\r\n4\r\n$1\r\n3\r\n"},
	{"queue-put", 1, "IPK.NEW QUEUE q 0 FIFO\r\n", "IPK.QPUT q 0 0 one\r\n", "IPK.QLEN q\r\n",
	 ":0\r\n", ":1\r\n"},
	/* The next field makes the table grow; and a rewrite goes on meanwhile. */
	{"rehash", 128, "HSET h f%d x f old-value\r\n", "HSET h f new-value extra 1 more 2\r\n",
	 "HMGET h f extra more\r\n", "*3\r\n$9\r\nold-value\r\n$-1\r\n$-1\r\n",
	 "*3\r\n$9\r\nnew-value\r\n$1\r\n1\r\n$1\r\n2\r\n", "f", "old-value", "new-value"},
	{"rewrite", 60, "HSET h f%d x f old-value\r\n", "BGREWRITEAOF\r\nHSET h f new-value\r\n",
	 "HGET h f\r\n", "$9\r\nold-value\r\n", "$9\r\nnew-value\r\n", "f", "old-value",
	 "new-value"},
};

static struct {
	char directory[64];
	char socket_path[96], log_path[96];
	char next_path[96], copy_path[96]; /* of the next server */
	struct ipk__server *server;
	struct ipk__view *view;
	int client_fd;
} stage = {.client_fd = -1};

static const struct request *request_of(const struct fixture *s)
{
	return &requests[s->op->variant];
}

/* --- servers ---------------------------------------------------------------------------------- */

static int make_server(const char *path, const char *log_path, struct ipk__server **ret_server)
{
	char address[128];
	struct ipk__server_config config = {
		.address = address, .log_path = log_path, .fsync = IPK__FSYNC_NO};

	snprintf(address, sizeof address, "unix:%s", path);
	return ipk__server_create(&config, ret_server);
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool send_text(int fd, const char *text)
{
	size_t n = strlen(text);

	return send(fd, text, n, MSG_NOSIGNAL) == (ssize_t)n;
}

/* What comes until @n lines' worth of @expected length, or CALL_MS have passed. */
static size_t read_reply(int fd, char *buf, size_t n_expected)
{
	size_t n = 0;

	while (n < n_expected) {
		struct pollfd p = {fd, POLLIN, 0};
		ssize_t got;

		if (poll(&p, 1, CALL_MS) != 1)
			break;
		got = recv(fd, buf + n, REPLY_BYTES - 1 - n, 0);
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	buf[n] = '\0';
	return n;
}

/* --- the fixture ------------------------------------------------------------------------------ */

/* As a client's requests, so that they are in the log; the server leaves its loop behind them. */
static int fill(const struct request *q)
{
	char text[1024];
	int fd = connect_to(stage.socket_path);
	int r = fd < 0 ? -ECONNREFUSED : 0;

	for (int i = 0; i < q->n_setup && r == 0; i++) {
		snprintf(text, sizeof text, q->setup, i);
		r = send_text(fd, text) ? 0 : -EPIPE;
	}
	if (r == 0 && !send_text(fd, "SHUTDOWN NOSAVE\r\n"))
		r = -EPIPE;
	if (r == 0)
		r = ipk__server_run(stage.server, -1);
	if (fd >= 0)
		close(fd);
	stage.server->stop = false;
	return r;
}

static int make(struct fixture *s)
{
	int fd;
	int r;

	strcpy(stage.directory, "/tmp/ipk-prove-XXXXXX");
	if (!mkdtemp(stage.directory))
		return -errno;
	snprintf(stage.socket_path, sizeof stage.socket_path, "%s/s", stage.directory);
	snprintf(stage.next_path, sizeof stage.next_path, "%s/n", stage.directory);
	snprintf(stage.copy_path, sizeof stage.copy_path, "%s/copy", stage.directory);
	snprintf(stage.log_path, sizeof stage.log_path, "%s/log", stage.directory);
	r = make_server(stage.socket_path, stage.log_path, &stage.server);
	if (r == 0)
		r = fill(request_of(s));
	if (r == 0)
		r = ipk__store_fd_to_read(stage.server->db.store, &fd);
	if (r == 0)
		r = ipk__view_attach(fd, &stage.view);
	if (r == 0)
		stage.client_fd = connect_to(stage.socket_path);
	return r < 0 ? r : stage.client_fd < 0 ? -ECONNREFUSED : 0;
}

static void unmake(struct fixture *s)
{
	char path[128];

	(void)s;
	ipk__view_close(stage.view);
	ipk__server_close(stage.server);
	if (stage.client_fd >= 0)
		close(stage.client_fd);
	stage.view = NULL;
	stage.server = NULL;
	stage.client_fd = -1;
	snprintf(path, sizeof path, "%s.rewrite", stage.log_path);
	unlink(path);
	snprintf(path, sizeof path, "%s.rewrite", stage.copy_path);
	unlink(path);
	unlink(stage.copy_path);
	unlink(stage.log_path);
	unlink(stage.socket_path);
	unlink(stage.next_path);
	rmdir(stage.directory);
}

/* The request is there already when the server looks. */
static void ready(struct fixture *s)
{
	char text[1024];

	snprintf(text, sizeof text, SESSION "%sSHUTDOWN NOSAVE\r\n", 1, request_of(s)->request);
	if (!send_text(stage.client_fd, text))
		_exit(1);
}

static int act(struct fixture *s)
{
	(void)s;
	return ipk__server_run(stage.server, -1);
}

/* --- the survivor ----------------------------------------------------------------------------- */

/* The reader's look at the dead server's memory. */
static void check_reader(struct fixture *s)
{
	const struct request *q = request_of(s);
	struct ipk__spot spot;
	char value[512];
	size_t n = 0;
	int r;

	if (!q->field)
		return;
	r = ipk__view_find(stage.view, IPK__SLICE_OF("h"), IPK__TYPE_HASH, &spot);
	if (r == 0)
		r = ipk__view_dict_get(stage.view, &spot, ipk__slice_of_string(q->field), value,
				       sizeof value, &n);
	if (r == -EAGAIN || r == -EPIPE || r == -ESTALE)
		return;
	if (r == -ENOENT && !q->field_after)
		return;
	if (r < 0) {
		history_fault(s->history, &s->history->faults.wrong, "a reader gets %d", r);
		return;
	}
	if ((n != strlen(q->field_before) || memcmp(value, q->field_before, n) != 0) &&
	    (!q->field_after || n != strlen(q->field_after) ||
	     memcmp(value, q->field_after, n) != 0))
		history_fault(s->history, &s->history->faults.torn, "a reader sees %.*s", (int)n,
			      value);
}

/* How many replies the client has from the dead server: the session's, then the request's. */
static bool was_acknowledged(const struct request *q)
{
	char reply[REPLY_BYTES];
	ssize_t n = recv(stage.client_fd, reply, sizeof reply - 1, MSG_DONTWAIT);
	const char *p;
	int n_wanted = 0;
	int n_lines = 0;

	if (n <= 0)
		return false;
	reply[n] = '\0';
	/* Behind "*2 $40 <run id> :0", one reply a line of the request; EXEC's is the last. */
	p = strstr(reply, "\r\n:");
	if (!p)
		return false;
	p = strstr(p + 2, "\r\n") + 2;
	for (const char *c = q->request; *c; c++)
		n_wanted += *c == '\n';
	for (; *p; p++)
		n_lines += *p == '\n';
	return n_lines >= n_wanted;
}

/* The harness has the log itself open, and alone. */
static bool copy_log(void)
{
	char bytes[65536];
	FILE *from = fopen(stage.log_path, "re");
	FILE *to = fopen(stage.copy_path, "we");
	size_t n = from && to ? fread(bytes, 1, sizeof bytes, from) : 0;
	bool is_done = from && to && n < sizeof bytes && fwrite(bytes, 1, n, to) == n;

	if (from)
		fclose(from);
	return to && fclose(to) == 0 && is_done;
}

static pid_t start_next(struct fixture *s)
{
	struct ipk__server *server;
	int ready_pipe[2];
	char byte;
	pid_t pid;

	if (pipe(ready_pipe) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (make_server(stage.next_path, stage.copy_path, &server) < 0)
			_exit(1);
		if (write(ready_pipe[1], "", 1) != 1)
			_exit(1);
		ipk__server_run(server, -1);
		_exit(0);
	}
	close(ready_pipe[1]);
	if (read(ready_pipe[0], &byte, 1) != 1)
		history_fault(s->history, &s->history->faults.wrong,
			      "the next server does not start with this log");
	close(ready_pipe[0]);
	return pid;
}

static void probe(struct fixture *s, int fd, bool must_be_done, const char *when)
{
	const struct request *q = request_of(s);
	struct history *l = s->history;
	size_t n_before = strlen(q->before), n_after = strlen(q->after);
	char reply[REPLY_BYTES];

	if (!send_text(fd, q->probe))
		return;
	read_reply(fd, reply, must_be_done ? n_after : n_before < n_after ? n_before : n_after);
	if (strcmp(reply, q->after) == 0 || (!must_be_done && strcmp(reply, q->before) == 0))
		return;
	if (strcmp(reply, q->before) == 0)
		history_fault(l, &l->faults.lost, "%s: %s", when, reply);
	else
		history_fault(l, &l->faults.dup, "%s: %s", when, reply);
}

static void send_again(struct fixture *s, int fd)
{
	const struct request *q = request_of(s);
	char text[1024];
	char reply[REPLY_BYTES];
	struct pollfd p = {fd, POLLIN, 0};

	snprintf(text, sizeof text, SESSION "%sECHO done\r\n", 1, q->request);
	if (!send_text(fd, text))
		return;
	reply[0] = '\0';
	for (size_t n = 0; !strstr(reply, "done") && poll(&p, 1, CALL_MS) == 1;) {
		ssize_t got = recv(fd, reply + n, sizeof reply - 1 - n, 0);

		if (got <= 0)
			break;
		n += (size_t)got;
		reply[n] = '\0';
	}
	if (!strstr(reply, "done"))
		history_fault(s->history, &s->history->faults.hang, "sent again: no reply");
}

static void check_manager(struct fixture *s)
{
	bool is_acknowledged = was_acknowledged(request_of(s));
	pid_t pid;
	int fd;

	check_reader(s);
	pid = copy_log() ? start_next(s) : -1;
	if (pid < 0) {
		history_fault(s->history, &s->history->faults.wrong, "no next server");
		return;
	}
	fd = connect_to(stage.next_path);
	if (fd >= 0) {
		probe(s, fd, is_acknowledged, "after the restart");
		send_again(s, fd);
		probe(s, fd, true, "sent again");
		close(fd);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* --- the rows --------------------------------------------------------------------------------- */

void ops_manager(struct op_list *list)
{
	struct op op = {.name = "manager_server",
			.state = ONE,
			.make = make,
			.ready = ready,
			.act = act,
			.check = check_manager,
			.unmake = unmake};

	for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
		op.kind = requests[i].kind;
		op.variant = (int)i;
		op.len_bytes = strlen(requests[i].request);
		op.is_minor = i > 2;
		op_add(list, &op);
	}
}
