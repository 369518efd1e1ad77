/*
 * server_multi.c - transactions: requests that are queued and then run with nothing in between.
 *
 * All or nothing: whether there is memory and disk space for all of them is asked before the first,
 * and while they run the limit of memory is lifted, since what the first has done stays done.
 *
 * A watch stores the version of its key, which the store changes with every change: EXEC compares,
 * and no notification is needed. An expired key counts as missing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/server_core.h"

struct queued {
	struct queued *next;
	size_t index; /* of its command */
	size_t argc;
	struct ipk__slice argv[];
};

struct watched {
	struct watched *next;
	uint64_t version;
	size_t name_bytes;
	char name[];
};

struct ipk__multi {
	bool is_open;
	bool has_failed;
	uint64_t n_queued;
	size_t n_bytes;
	struct queued *first, **end;
	struct watched *watched;
};

static struct ipk__multi *get_multi(struct ipk__peer *peer)
{
	struct ipk__conn *conn = ipk__conn_of(peer);

	if (!conn->multi) {
		conn->multi = ipk__os_calloc(1, sizeof *conn->multi);
		if (conn->multi)
			conn->multi->end = &conn->multi->first;
	}
	return conn->multi;
}

static void forget_queued(struct ipk__multi *m)
{
	while (m->first) {
		struct queued *request = m->first;

		m->first = request->next;
		free(request);
	}
	m->end = &m->first;
	m->n_queued = 0;
	m->n_bytes = 0;
	m->is_open = m->has_failed = false;
}

static void forget_watched(struct ipk__multi *m)
{
	while (m->watched) {
		struct watched *w = m->watched;

		m->watched = w->next;
		free(w);
	}
}

void ipk__multi_forget(struct ipk__peer *peer)
{
	struct ipk__conn *conn = ipk__conn_of(peer);

	if (!conn->multi)
		return;
	forget_queued(conn->multi);
	forget_watched(conn->multi);
	free(conn->multi);
	conn->multi = NULL;
}

bool ipk__multi_is_open(const struct ipk__peer *peer)
{
	const struct ipk__multi *m = ((const struct ipk__conn *)peer)->multi;

	return m && m->is_open;
}

void ipk__multi_fail(struct ipk__peer *peer)
{
	if (ipk__multi_is_open(peer))
		ipk__conn_of(peer)->multi->has_failed = true;
}

/* --- keeping requests ------------------------------------------------------------------------- */

static struct queued *copy_request(const struct ipk__request *q, size_t index, size_t n_bytes)
{
	struct queued *request =
		ipk__os_malloc(sizeof *request + q->argc * sizeof(struct ipk__slice) + n_bytes);
	char *bytes;

	if (!request)
		return NULL;
	request->next = NULL;
	request->index = index;
	request->argc = q->argc;
	bytes = (char *)(request->argv + q->argc);
	for (size_t i = 0; i < q->argc; i++) {
		if (q->argv[i].n_bytes > 0)
			memcpy(bytes, q->argv[i].bytes, q->argv[i].n_bytes);
		request->argv[i] = IPK__SLICE(bytes, q->argv[i].n_bytes);
		bytes += q->argv[i].n_bytes;
	}
	return request;
}

static void cmd_multi(struct ipk__request *q);
static void cmd_exec(struct ipk__request *q);
static void cmd_discard(struct ipk__request *q);
static void cmd_watch(struct ipk__request *q);

static bool is_run_at_once(const struct ipk__command *command)
{
	return command->fn == cmd_multi || command->fn == cmd_exec || command->fn == cmd_discard ||
	       command->fn == cmd_watch || strcmp(command->name, "QUIT") == 0 ||
	       strcmp(command->name, "RESET") == 0;
}

bool ipk__multi_queues(struct ipk__request *q, size_t index)
{
	struct ipk__multi *m = ipk__conn_of(q->peer)->multi;
	struct queued *request = NULL;
	size_t n_bytes = 0;

	if (!m->is_open || is_run_at_once(q->command))
		return false;
	for (size_t i = 0; i < q->argc; i++)
		n_bytes += q->argv[i].n_bytes;
	/* All of them together may be as large as one may be. */
	if (m->n_bytes + n_bytes <= ipk__server_of(q)->config.max_request_bytes)
		request = copy_request(q, index, n_bytes);
	if (!request) {
		m->has_failed = true;
		ipk__reply_error(q, "ERR the transaction does not fit into memory");
		return true;
	}
	*m->end = request;
	m->end = &request->next;
	m->n_queued++;
	m->n_bytes += n_bytes + sizeof *request + q->argc * sizeof(struct ipk__slice);
	ipk__buffer_append(q->out, "+QUEUED\r\n", 9);
	return true;
}

/* --- commands --------------------------------------------------------------------------------- */

static void cmd_multi(struct ipk__request *q)
{
	struct ipk__multi *m = get_multi(q->peer);

	if (!m) {
		ipk__reply_failed(q, -ENOMEM);
	} else if (m->is_open) {
		ipk__reply_error(q, "ERR MULTI calls can not be nested");
	} else {
		m->is_open = true;
		ipk__reply_ok(q);
	}
}

static uint64_t version_of(struct ipk__request *q, struct ipk__slice name)
{
	struct ipk__entry *key = ipk__key_find(q->store, name);
	int64_t expires_ms = key ? ipk__key_expires_ms(key) : 0;

	if (!key || (expires_ms != 0 && expires_ms <= q->now_ms))
		return 0;
	return ipk__key_version(q->store, key);
}

static bool is_unchanged(struct ipk__request *q, const struct ipk__multi *m)
{
	for (const struct watched *w = m->watched; w; w = w->next) {
		if (version_of(q, IPK__SLICE(w->name, w->name_bytes)) != w->version)
			return false;
	}
	return true;
}

/* Why not all of them may run; NULL: they may. */
static const char *what_is_missing(struct ipk__request *q, const struct ipk__multi *m)
{
	struct ipk__log *log = ipk__server_of(q)->log;
	uint64_t max_bytes = ipk__store_max_bytes(q->store);
	unsigned flags = 0;

	for (const struct queued *request = m->first; request; request = request->next)
		flags |= ipk__command_at(request->index)->flags;
	if ((flags & IPK__CMD_DENY_OOM) && max_bytes > 0 &&
	    ipk__store_used_bytes(q->store) + m->n_bytes > max_bytes)
		return "OOM command not allowed when used memory > 'maxmemory'.";
	if ((flags & IPK__CMD_WRITE) && log && ipk__log_room(log, m->n_bytes) < 0)
		return "MISCONF Errors writing to the AOF file.";
	return NULL;
}

static void run_queued(struct ipk__request *q, struct ipk__multi *m)
{
	struct ipk__loop *loop = ipk__server_of(q)->loop;

	ipk__reply_array(q, m->n_queued);
	ipk__store_set_max_bytes(q->store, 0);
	loop->outer = q;
	for (const struct queued *request = m->first; request; request = request->next) {
		struct ipk__request one;

		ipk__request_begin(ipk__server_of(q), q->peer, request->argv, request->argc, &one);
		one.command = ipk__command_at(request->index);
		one.now_ms = q->now_ms;
		ipk__request_call(&one, request->index);
		q->n_changes += one.n_changes;
	}
	loop->outer = NULL;
	/* As it is configured now: CONFIG SET may have been among them. */
	ipk__store_set_max_bytes(q->store, ipk__server_of(q)->config.max_memory_bytes);
}

static void cmd_exec(struct ipk__request *q)
{
	struct ipk__multi *m = ipk__conn_of(q->peer)->multi;
	const char *missing;

	if (!m || !m->is_open) {
		ipk__reply_error(q, "ERR EXEC without MULTI");
		return;
	}
	if (m->has_failed)
		ipk__reply_error(q, "EXECABORT Transaction discarded because of previous errors.");
	else if (!is_unchanged(q, m))
		ipk__resp_null_array(q->out, q->resp);
	else if ((missing = what_is_missing(q, m)) != NULL)
		ipk__reply_error(q, "EXECABORT Transaction discarded because of: %s", missing);
	else
		run_queued(q, m);
	ipk__multi_forget(q->peer);
}

static void cmd_discard(struct ipk__request *q)
{
	if (!ipk__multi_is_open(q->peer)) {
		ipk__reply_error(q, "ERR DISCARD without MULTI");
		return;
	}
	ipk__multi_forget(q->peer);
	ipk__reply_ok(q);
}

static int watch(struct ipk__request *q, struct ipk__multi *m, struct ipk__slice name)
{
	struct watched *w;

	for (w = m->watched; w; w = w->next) {
		if (ipk__slice_equal(IPK__SLICE(w->name, w->name_bytes), name))
			return 0;
	}
	w = ipk__os_malloc(sizeof *w + name.n_bytes);
	if (!w)
		return -ENOMEM;
	w->version = version_of(q, name);
	w->name_bytes = name.n_bytes;
	if (name.n_bytes > 0)
		memcpy(w->name, name.bytes, name.n_bytes);
	w->next = m->watched;
	m->watched = w;
	return 0;
}

static void cmd_watch(struct ipk__request *q)
{
	struct ipk__multi *m = get_multi(q->peer);
	int r = m ? 0 : -ENOMEM;

	if (m && m->is_open) {
		ipk__reply_error(q, "ERR WATCH inside MULTI is not allowed");
		return;
	}
	for (size_t i = 1; r == 0 && i < q->argc; i++)
		r = watch(q, m, q->argv[i]);
	if (r < 0)
		ipk__reply_failed(q, r);
	else
		ipk__reply_ok(q);
}

static void cmd_unwatch(struct ipk__request *q)
{
	/* In a transaction it comes too late to matter, and EXEC is going over the queue. */
	if (ipk__conn_of(q->peer)->multi && !ipk__conn_of(q->peer)->multi->is_open)
		ipk__multi_forget(q->peer);
	ipk__reply_ok(q);
}

#define FLAGS IPK__CMD_FAST

const struct ipk__command ipk__commands_multi[] = {
	{"MULTI", cmd_multi, 1, FLAGS, 0, 0, 0, "transactions", "Start a transaction"},
	{"EXEC", cmd_exec, 1, 0, 0, 0, 0, "transactions", "Execute a transaction"},
	{"DISCARD", cmd_discard, 1, FLAGS, 0, 0, 0, "transactions", "Discard a transaction"},
	{"WATCH", cmd_watch, -2, FLAGS, 1, -1, 1, "transactions",
	 "Make the next transaction depend on keys"},
	{"UNWATCH", cmd_unwatch, 1, FLAGS, 0, 0, 0, "transactions", "Forget watched keys"},
	{.name = NULL},
};
