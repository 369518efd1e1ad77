/* server_admin_client.c - CLIENT: the connected clients. */
#include <stdio.h>
#include <string.h>

#include "server/server_admin.h"

static void append_line(struct ipk__server *server, struct ipk__peer *peer, struct ipk__buffer *b)
{
	char line[512];
	int n;

	n = snprintf(
		line, sizeof line,
		"id=%llu addr=%s laddr=%s fd=%d name=%s age=%lld idle=%lld flags=%s db=0 "
		"sub=0 psub=0 ssub=0 multi=%d qbuf=%zu qbuf-free=%zu argv-mem=0 multi-mem=0 "
		"rbs=%zu rbp=0 obl=%zu oll=0 omem=0 tot-mem=%zu events=%s cmd=%s "
		"user=default redir=-1 resp=%d\n",
		(unsigned long long)peer->id, peer->address,
		server->loop->address + (server->loop->is_tcp ? 4 : 5), ipk__conn_of(peer)->fd,
		peer->name, (long long)((server->steady_ms - ipk__conn_of(peer)->since_ms) / 1000),
		(long long)((server->steady_ms - ipk__conn_of(peer)->active_ms) / 1000),
		peer->flags & IPK__PEER_MONITOR   ? "O"
		: peer->flags & IPK__PEER_BLOCKED ? "b"
		: server->loop->is_tcp            ? "N"
						  : "U",
		ipk__multi_is_open(peer) ? 0 : -1, ipk__buffer_len(&ipk__conn_of(peer)->in),
		ipk__conn_of(peer)->in.room_bytes - ipk__buffer_len(&ipk__conn_of(peer)->in),
		peer->out.room_bytes, ipk__buffer_len(&peer->out),
		sizeof(struct ipk__conn) + ipk__conn_of(peer)->in.room_bytes + peer->out.room_bytes,
		ipk__conn_of(peer)->loop_events & IPK__OS_OUT ? "rw" : "r",
		ipk__conn_of(peer)->last ? ipk__conn_of(peer)->last->name : "NULL", peer->resp);
	ipk__buffer_append(b, line, (size_t)IPK__MIN(n, (int)sizeof line - 1));
}

static void reply_text(struct ipk__request *q, struct ipk__buffer *text)
{
	if (text->failed)
		ipk__reply_error(q, "ERR out of memory");
	else
		ipk__reply_bulk(q, IPK__SLICE(ipk__buffer_front(text), ipk__buffer_len(text)));
	ipk__buffer_free(text);
}

static void list(struct ipk__request *q)
{
	struct ipk__buffer text = {0};
	struct ipk__conn *conn;
	struct ipk__peer *peer;
	int64_t id;

	if (q->argc >= 4 && ipk__slice_is_word(q->argv[2], "ID")) {
		for (size_t i = 3; i < q->argc; i++) {
			if (!ipk__text_to_int64(q->argv[i], &id)) {
				ipk__buffer_free(&text);
				ipk__reply_error(q, "ERR Invalid client ID");
				return;
			}
			peer = ipk__peer_find(ipk__server_of(q), (uint64_t)id);
			if (peer)
				append_line(ipk__server_of(q), peer, &text);
		}
	} else if (q->argc == 2 || (q->argc == 4 && ipk__slice_is_word(q->argv[2], "TYPE") &&
				    ipk__slice_is_word(q->argv[3], "NORMAL"))) {
		for (conn = ipk__server_of(q)->conns; conn; conn = conn->next)
			append_line(ipk__server_of(q), &conn->peer, &text);
	} else {
		ipk__reply_syntax(q);
		return;
	}
	reply_text(q, &text);
}

/* --- the name --------------------------------------------------------------------------------- */

bool ipk__admin_set_name(struct ipk__request *q, struct ipk__slice name)
{
	for (size_t i = 0; i < name.n_bytes; i++) {
		if (name.bytes[i] < '!' || name.bytes[i] > '~') {
			ipk__reply_error(q, "ERR Client names cannot contain spaces, newlines or "
					    "special characters.");
			return false;
		}
	}
	if (name.n_bytes >= sizeof q->peer->name) {
		ipk__reply_error(q, "ERR Client names may have %zu characters here",
				 sizeof q->peer->name - 1);
		return false;
	}
	memcpy(q->peer->name, name.bytes ? name.bytes : "", name.n_bytes);
	q->peer->name[name.n_bytes] = 0;
	ipk__conn_of(q->peer)->noted_last = NULL;
	return true;
}

/* --- KILL ------------------------------------------------------------------------------------- */

struct kill {
	struct ipk__slice address;
	int64_t id;
	bool skip_me;
};

static uint64_t kill_all(struct ipk__request *q, const struct kill *k)
{
	uint64_t n = 0;

	for (struct ipk__conn *conn = ipk__server_of(q)->conns; conn; conn = conn->next) {
		struct ipk__peer *peer = &conn->peer;
		bool is_other =
			(k->address.bytes &&
			 !ipk__slice_equal(k->address, ipk__slice_of_string(peer->address))) ||
			(k->id != 0 && peer->id != (uint64_t)k->id) ||
			(k->skip_me && peer == q->peer) || conn->is_closing;

		if (is_other)
			continue;
		n++;
		/* The one that asked shall read the reply. */
		if (peer == q->peer)
			ipk__peer_close_later(ipk__server_of(q), peer);
		else
			ipk__conn_doom(ipk__server_of(q), conn);
	}
	return n;
}

static bool read_kill(struct ipk__request *q, struct kill *k)
{
	for (size_t i = 2; i < q->argc; i += 2) {
		struct ipk__slice word = q->argv[i];

		if (i + 1 >= q->argc) {
			ipk__reply_syntax(q);
			return false;
		}
		if (ipk__slice_is_word(word, "ID")) {
			if (!ipk__text_to_int64(q->argv[i + 1], &k->id) || k->id <= 0) {
				ipk__reply_error(q, "ERR client-id should be greater than 0");
				return false;
			}
		} else if (ipk__slice_is_word(word, "ADDR")) {
			k->address = q->argv[i + 1];
		} else if (ipk__slice_is_word(word, "SKIPME")) {
			k->skip_me = ipk__slice_is_word(q->argv[i + 1], "YES");
		} else if (!ipk__slice_is_word(word, "TYPE") && !ipk__slice_is_word(word, "USER") &&
			   !ipk__slice_is_word(word, "LADDR")) {
			ipk__reply_syntax(q);
			return false;
		}
	}
	return true;
}

static void kill_peers(struct ipk__request *q)
{
	struct kill k = {.skip_me = true};

	if (q->argc == 3) {
		k.skip_me = false;
		k.address = q->argv[2];
		if (kill_all(q, &k) > 0)
			ipk__reply_ok(q);
		else
			ipk__reply_error(q, "ERR No such client");
		return;
	}
	if (read_kill(q, &k))
		ipk__reply_integer(q, (int64_t)kill_all(q, &k));
}

static void unblock(struct ipk__request *q)
{
	struct ipk__peer *peer;
	const char *error = NULL;
	int64_t id;

	if (!ipk__arg_integer(q, 2, &id))
		return;
	if (q->argc == 4 && ipk__slice_is_word(q->argv[3], "ERROR")) {
		error = "UNBLOCKED client unblocked via CLIENT UNBLOCK";
	} else if (q->argc == 4 && !ipk__slice_is_word(q->argv[3], "TIMEOUT")) {
		ipk__reply_error(q, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
		return;
	}
	peer = ipk__peer_find(ipk__server_of(q), (uint64_t)id);
	ipk__reply_integer(q, peer && ipk__blocks_unblock(ipk__server_of(q), peer, error));
}

/* --- names ------------------------------------------------------------------------------------ */

static void get_name(struct ipk__request *q)
{
	if (q->peer->name[0])
		ipk__reply_bulk(q, ipk__slice_of_string(q->peer->name));
	else
		ipk__reply_null(q);
}

static void info(struct ipk__request *q)
{
	struct ipk__buffer text = {0};

	append_line(ipk__server_of(q), q->peer, &text);
	reply_text(q, &text);
}

static void set_name(struct ipk__request *q)
{
	if (ipk__admin_set_name(q, q->argv[2]))
		ipk__reply_ok(q);
}

static void id(struct ipk__request *q)
{
	ipk__reply_integer(q, (int64_t)q->peer->id);
}

void ipk__reply_unknown_subcommand(struct ipk__request *q)
{
	ipk__reply_error(q, "ERR unknown subcommand '%.*s'. Try %s HELP.",
			 (int)IPK__MIN(q->argv[1].n_bytes, (size_t)128), q->argv[1].bytes,
			 q->command->name);
}

static const struct {
	const char *name;
	void (*fn)(struct ipk__request *q);
	size_t min, max; /* words in all */
} subcommands[] = {
	{"ID", id, 2, 2},
	{"SETNAME", set_name, 3, 3},
	{"GETNAME", get_name, 2, 2},
	{"LIST", list, 2, SIZE_MAX},
	{"INFO", info, 2, 2},
	{"KILL", kill_peers, 3, SIZE_MAX},
	{"UNBLOCK", unblock, 3, 4},
};

void ipk__cmd_client(struct ipk__request *q)
{
	for (size_t i = 0; i < IPK__N_OF(subcommands); i++) {
		if (!ipk__slice_is_word(q->argv[1], subcommands[i].name))
			continue;
		if (q->argc < subcommands[i].min || q->argc > subcommands[i].max)
			ipk__reply_error(q,
					 "ERR wrong number of arguments for 'client|%.*s' command",
					 (int)q->argv[1].n_bytes, q->argv[1].bytes);
		else
			subcommands[i].fn(q);
		return;
	}
	ipk__reply_unknown_subcommand(q);
}
