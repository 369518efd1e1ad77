/*
 * server_execute.c - from the words of a request to its reply.
 *
 * What a request did is logged once, when its function is through: its effects if it gave
 * any, or else its own words. In a transaction everything is an effect of the EXEC, so that
 * all of it is one record. A key whose time has come is removed by whoever meets it, and that
 * is logged before what the request itself does.
 *
 * The clock is read once after each request: the end of one is the beginning of the next.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "ipk/error.h"
#include "server/server_core.h"

#define EFFECT_WORDS_MAX 16
#define ARGS_SHOWN_BYTES 128
#define EXPIRE_BATCH 20

void ipk__request_begin(struct ipk__server *server, struct ipk__peer *peer,
			const struct ipk__slice *argv, size_t argc, struct ipk__request *ret_q)
{
	*ret_q = (struct ipk__request){
		.server = server,
		.store = server->store,
		.peer = peer,
		.argv = argv,
		.argc = argc,
		.out = peer ? &peer->out : NULL,
		.resp = peer ? peer->resp : 2,
		.now_ms = server->now_ms,
		.may_block = peer != NULL && !server->loop->outer,
	};
}

/* --- refusing --- */

static void refuse_unknown(struct ipk__request *q)
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

static bool has_arity(const struct ipk__request *q)
{
	int arity = q->command->arity;

	return arity >= 0 ? q->argc == (size_t)arity : q->argc >= (size_t)-arity;
}

static bool is_out_of_memory(const struct ipk__request *q)
{
	uint64_t max_bytes = q->server->config.max_memory_bytes;

	return max_bytes > 0 && ipk__store_used_bytes(q->store) > max_bytes;
}

static bool has_room_in_log(struct ipk__request *q)
{
	size_t n_bytes = 0;
	int r;

	for (size_t i = 0; i < q->argc; i++)
		n_bytes += q->argv[i].n_bytes;
	r = ipk__log_room(q->server->log, n_bytes);
	if (r < 0)
		ipk__reply_error(q, "MISCONF Errors writing to the AOF file: %s", ipk_errname(r));
	return r == 0;
}

/* Whether it may run; if not, the reply says why. */
static bool is_allowed(struct ipk__request *q)
{
	unsigned flags = q->command->flags;

	if (!has_arity(q)) {
		ipk__reply_wrong_arity(q);
	} else if (!(q->peer->flags & IPK__PEER_KNOWN) && !(flags & IPK__CMD_NO_AUTH)) {
		ipk__reply_error(q, "NOAUTH Authentication required.");
	} else if (q->command->is_good && !q->command->is_good(q)) {
		return false;
	} else if ((flags & IPK__CMD_NO_MULTI) && ipk__multi_is_open(q->peer)) {
		ipk__reply_error(q, "ERR Command not allowed inside a transaction");
	} else if ((flags & IPK__CMD_DENY_OOM) && is_out_of_memory(q)) {
		ipk__reply_failed(q, -ENOSPC);
	} else if ((flags & IPK__CMD_WRITE) && q->server->log) {
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

/* --- running --- */

static void note_time(struct ipk__request *q, size_t index)
{
	struct ipk__loop *loop = q->server->loop;
	int64_t now_ns = ipk__os_now_ns();
	int64_t took_ns = now_ns - loop->clock_ns;

	loop->clock_ns = now_ns;
	loop->stats[index].n_calls++;
	loop->stats[index].took_ns += took_ns;
	if (took_ns > q->server->config.slow_ns && q->server->config.slow_ns >= 0)
		ipk__board_slow(q, took_ns);
}

void ipk__request_call(struct ipk__request *q, size_t index)
{
	struct ipk__log *log = q->server->log;
	struct ipk__request *outer = q->server->loop->outer;

	if (log && (q->command->flags & IPK__CMD_WRITE))
		ipk__log_before(log, q);
	q->command->fn(q);
	if (log && q->n_changes + q->n_effects > 0) {
		if (!outer)
			ipk__log_append(log, q);
		else if (q->n_effects == 0)
			ipk__effect(outer, q->argc, q->argv);
	}
	note_time(q, index);
}

static void note_request(struct ipk__request *q)
{
	struct ipk__peer *peer = q->peer;

	peer->n_commands++;
	peer->active_ms = q->server->steady_ms;
	peer->last = q->command;
	q->server->loop->n_commands++;
	if (q->server->loop->n_monitors > 0 && !(q->command->flags & IPK__CMD_ADMIN))
		ipk__monitors_tell(q->server, q);
}

static void execute(struct ipk__request *q)
{
	int index = ipk__command_index(q->argv[0]);

	if (index < 0 && is_http(q->argv[0])) {
		ipk__conn_doom(q->server, ipk__conn_of(q->peer));
		return;
	}
	if (index < 0) {
		refuse_unknown(q);
		ipk__multi_fail(q->peer);
		return;
	}
	q->command = ipk__command_at((size_t)index);
	if (!is_allowed(q)) {
		q->server->loop->stats[index].n_failed++;
		ipk__multi_fail(q->peer);
		return;
	}
	note_request(q);
	if (!q->peer->multi || !ipk__multi_queues(q, (size_t)index))
		ipk__request_call(q, (size_t)index);
}

void ipk__execute(struct ipk__server *server, struct ipk__peer *peer, const struct ipk__slice *argv,
		  size_t argc)
{
	struct ipk__session *session = peer->session;
	size_t before = ipk__bytes_len(&peer->out);
	struct ipk__request q;

	if (session && ipk__session_begin(server, peer, argv, argc)) {
		/* It was the EXEC of what has just been queued again: that is done already. */
		if (ipk__multi_is_open(peer))
			ipk__multi_forget(peer);
		return;
	}
	ipk__request_begin(server, peer, argv, argc, &q);
	execute(&q);
	/* One that became a session's just now is not the session's. */
	if (session && peer->session == session && q.n_changes + q.n_effects > 0)
		ipk__session_done(&q, IPK__SLICE(ipk__bytes_front(&peer->out) + before,
						 ipk__bytes_len(&peer->out) - before));
	ipk__blocks_serve(server);
	ipk__notify_deliver(server);
	if (peer->out.failed)
		ipk__conn_doom(server, ipk__conn_of(peer));
}

bool ipk__execute_logged(struct ipk__server *server, const struct ipk__slice *argv, size_t argc,
			 struct ipk__bytes *out)
{
	struct ipk__request q;
	size_t before = ipk__bytes_len(out);

	ipk__request_begin(server, NULL, argv, argc, &q);
	q.out = out;
	q.command = argc > 0 ? ipk__command_find(argv[0]) : NULL;
	if (!q.command || !has_arity(&q))
		return false;
	q.command->fn(&q);
	return !out->failed && ipk__bytes_len(out) > before && ipk__bytes_front(out)[before] != '-';
}

/* --- what functions of commands call --- */

/* Log that a key's time had come, before what the request @q does, if any. */
static void log_expired(struct ipk__server *server, struct ipk__request *q, struct ipk__slice name)
{
	struct ipk__request *outer = server->loop->outer ? server->loop->outer : q;
	struct ipk__slice argv[2] = {IPK__SLICE_OF("DEL"), name};
	struct ipk__request own;

	if (!server->log)
		return;
	if (outer && (server->loop->outer || outer->n_effects > 0)) {
		ipk__effect(outer, 2, argv);
		return;
	}
	ipk__request_begin(server, NULL, argv, 2, &own);
	own.command = ipk__command_find(argv[0]);
	own.n_changes = 1;
	ipk__log_append(server->log, &own);
}

static void expire(struct ipk__server *server, struct ipk__request *q, struct ipk__slice name)
{
	log_expired(server, q, name);
	ipk__key_remove(server->store, name);
	server->loop->n_expired++;
	ipk__notify_changed(server, name, IPK__SLICE(NULL, 0));
}

/* A little of what nobody asks for any more. */
void ipk__expire_some(struct ipk__server *server)
{
	struct ipk__slice name;
	char copy[256];

	for (int i = 0; i < EXPIRE_BATCH; i++) {
		if (!ipk__key_next_expired(server->store, server->now_ms, &name))
			return;
		/* It lies in what is about to be freed; a long one waits until it is met. */
		if (name.n_bytes > sizeof copy)
			return;
		memcpy(copy, name.bytes, name.n_bytes);
		expire(server, NULL, IPK__SLICE(copy, name.n_bytes));
	}
}

struct ipk__entry *ipk__request_key(struct ipk__request *q, struct ipk__slice name)
{
	struct ipk__entry *key = ipk__key_find(q->store, name);
	int64_t expires_ms = key ? ipk__key_expires_ms(key) : 0;

	/* While the log is loaded, what it says of the end of keys is what happened. */
	if (expires_ms != 0 && expires_ms <= q->now_ms && q->peer) {
		expire(q->server, q, name);
		key = NULL;
	}
	if (q->command && (q->command->flags & IPK__CMD_READ)) {
		q->server->loop->n_hits += key != NULL;
		q->server->loop->n_misses += key == NULL;
	}
	return key;
}

bool ipk__request_typed(struct ipk__request *q, struct ipk__slice name, enum ipk__type type,
			struct ipk__entry **ret_key)
{
	struct ipk__entry *key = ipk__request_key(q, name);

	if (key && ipk__key_type(key) != type) {
		ipk__reply_wrong_type(q);
		return false;
	}
	*ret_key = key;
	return true;
}

void ipk__changed(struct ipk__request *q, struct ipk__slice name)
{
	ipk__changed_field(q, name, IPK__SLICE(NULL, 0));
}

void ipk__changed_field(struct ipk__request *q, struct ipk__slice name, struct ipk__slice field)
{
	q->n_changes++;
	ipk__notify_changed(q->server, name, field);
}

void ipk__effect(struct ipk__request *q, size_t argc, const struct ipk__slice *argv)
{
	struct ipk__request *outer = q->server->loop->outer;

	q->n_effects++;
	if (outer && outer != q)
		outer->n_effects++;
	if (q->server->log && (q->peer || outer))
		ipk__log_effect(q->server->log, outer ? outer : q, argc, argv);
}

static struct ipk__slice number(int64_t n, char buf[24])
{
	size_t n_bytes = ipk__int64_to_text(n, buf);

	return IPK__SLICE(buf, n_bytes);
}

void ipk__effectf(struct ipk__request *q, const char *kinds, ...)
{
	struct ipk__slice argv[EFFECT_WORDS_MAX];
	char numbers[EFFECT_WORDS_MAX][24];
	size_t n = 0;
	va_list args;

	va_start(args, kinds);
	for (; n < EFFECT_WORDS_MAX && kinds[n]; n++) {
		if (kinds[n] == 's')
			argv[n] = ipk__slice_of_string(va_arg(args, const char *));
		else if (kinds[n] == 'b')
			argv[n] = va_arg(args, struct ipk__slice);
		else
			argv[n] = number(va_arg(args, int64_t), numbers[n]);
	}
	va_end(args);
	ipk__effect(q, n, argv);
}
