/*
 * server_execute.c - from the words of a request to its reply.
 *
 * A request is logged once, when its function returns: its effects if it recorded any, or else its
 * own words. In a transaction everything is an effect of the EXEC, so all of it is one record.
 *
 * The clock is read once after each request: the end of one is the start of the next.
 */
#include <errno.h>
#include <stdio.h>

#include "ipk/error.h"
#include "server/server_core.h"

#define ARGS_SHOWN_BYTES 128
#define EXPIRE_NS 5000000 /* a request that lacks memory waits so long for what has expired to go */
#define ROOM_BYTES 1024   /* what a request takes beside its words, or thereabouts */

/* --- refusing --------------------------------------------------------------------------------- */

static void refuse_unauthenticated(struct ipk__request *q)
{
	char args[ARGS_SHOWN_BYTES + 64];
	size_t n = 0;

	args[0] = 0;
	for (size_t i = 1; i < q->argc && n < ARGS_SHOWN_BYTES; i++)
		n += (size_t)snprintf(
			args + n, sizeof args - n, "'%.*s' ",
			(int)IPK__MIN(q->argv[i].n_bytes, (size_t)ARGS_SHOWN_BYTES - n),
			q->argv[i].bytes);
	ipk__reply_error(q, "ERR unknown command '%.*s', with args beginning with: %s",
			 (int)IPK__MIN(q->argv[0].n_bytes, (size_t)128), q->argv[0].bytes, args);
}

static size_t bytes_of(const struct ipk__request *q)
{
	size_t n_bytes = 0;

	for (size_t i = 0; i < q->argc; i++)
		n_bytes += q->argv[i].n_bytes;
	return n_bytes;
}

/* What has expired is no memory in use: it goes now, unless that takes long. */
static bool is_out_of_memory(const struct ipk__request *q)
{
	uint64_t max_bytes = ipk__server_of(q)->config.max_memory_bytes;
	uint64_t need_bytes;
	int64_t until_ns;

	if (max_bytes == 0)
		return false;
	need_bytes = bytes_of(q) + ROOM_BYTES;
	if (ipk__store_used_bytes(q->store) + need_bytes <= max_bytes)
		return false;
	until_ns = ipk__os_now_ns() + EXPIRE_NS;
	while (ipk__store_used_bytes(q->store) + need_bytes > max_bytes &&
	       ipk__expire_some(ipk__server_of(q), 0) && ipk__os_now_ns() < until_ns)
		;
	return ipk__store_used_bytes(q->store) > max_bytes;
}

static bool has_room_in_log(struct ipk__request *q)
{
	int r = ipk__log_room(ipk__server_of(q)->log, bytes_of(q));

	if (r < 0)
		ipk__reply_error(q, "MISCONF Errors writing to the AOF file: %s", ipk_errname(r));
	return r == 0;
}

/* Whether it may run; if not, the reply says why. */
static bool is_allowed(struct ipk__request *q)
{
	unsigned flags = q->command->flags;

	if (!ipk__request_has_arity(q)) {
		ipk__reply_wrong_arity(q);
	} else if (!(q->peer->flags & IPK__PEER_KNOWN) && !(flags & IPK__CMD_NO_AUTH)) {
		ipk__reply_error(q, "NOAUTH Authentication required.");
	} else if (q->command->is_good && !q->command->is_good(q)) {
		return false;
	} else if ((flags & IPK__CMD_NO_MULTI) && ipk__multi_is_open(q->peer)) {
		ipk__reply_error(q, "ERR Command not allowed inside a transaction");
	} else if ((flags & IPK__CMD_DENY_OOM) && is_out_of_memory(q)) {
		ipk__reply_failed(q, -ENOSPC);
	} else if ((flags & IPK__CMD_WRITE) && ipk__server_of(q)->log) {
		return has_room_in_log(q);
	} else {
		return true;
	}
	return false;
}

/* What a browser that was tricked into talking to us begins with. */
static bool is_http(struct ipk__slice word)
{
	return ipk__slice_is_word(word, "POST") || ipk__slice_is_word(word, "HOST:");
}

/* --- running ---------------------------------------------------------------------------------- */

static void note_request(struct ipk__request *q)
{
	struct ipk__conn *conn = ipk__conn_of(q->peer);

	conn->n_commands++;
	conn->active_ms = ipk__server_of(q)->steady_ms;
	conn->last = q->command;
	ipk__server_of(q)->loop->n_commands++;
	if (ipk__server_of(q)->loop->n_monitors > 0 && !(q->command->flags & IPK__CMD_ADMIN))
		ipk__monitors_tell(ipk__server_of(q), q);
}

static void execute(struct ipk__request *q)
{
	int index = ipk__command_index(q->argv[0]);

	if (index < 0 && is_http(q->argv[0])) {
		ipk__conn_doom(ipk__server_of(q), ipk__conn_of(q->peer));
		return;
	}
	if (index < 0) {
		refuse_unauthenticated(q);
		ipk__multi_fail(q->peer);
		return;
	}
	q->command = ipk__command_at((size_t)index);
	if (!is_allowed(q)) {
		ipk__server_of(q)->loop->stats[index].n_failed++;
		ipk__multi_fail(q->peer);
		return;
	}
	note_request(q);
	if (!ipk__conn_of(q->peer)->multi || !ipk__multi_queues(q, (size_t)index))
		ipk__request_call(q, (size_t)index);
}

void ipk__execute(struct ipk__server *server, struct ipk__peer *peer, const struct ipk__slice *argv,
		  size_t argc)
{
	struct ipk__conn *conn = ipk__conn_of(peer);
	struct ipk__session *session = conn->session;
	size_t before = ipk__buffer_len(&peer->out);
	struct ipk__request q;

	if (session && ipk__session_begin(server, peer, argv, argc)) {
		/* An EXEC of what has just been queued again, for nothing: it is done already. */
		if (ipk__multi_is_open(peer) || (argc > 0 && ipk__slice_is_word(argv[0], "EXEC")))
			ipk__multi_forget(peer);
		return;
	}
	ipk__request_begin(server, peer, argv, argc, &q);
	execute(&q);
	/* One that became a session's just now is not the session's. */
	if (session && conn->session == session && q.n_changes + q.n_effects > 0)
		ipk__session_done(&q, IPK__SLICE(ipk__buffer_front(&peer->out) + before,
						 ipk__buffer_len(&peer->out) - before));
	ipk__blocks_serve(server);
	ipk__notify_deliver(&server->db);
	if (peer->out.failed)
		ipk__conn_doom(server, conn);
}
