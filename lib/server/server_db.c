/*
 * server_db.c - what the commands ask of their server (struct ipk__db_host).
 *
 * In a transaction everything is an effect of the EXEC.
 */
#include <stdlib.h>
#include <string.h>

#include "server/server_core.h"

#define EXPIRE_BATCH 20

static void effect(struct ipk__request *q, size_t argc, const struct ipk__slice *argv)
{
	struct ipk__server *server = ipk__server_of(q);
	struct ipk__request *outer = server->loop->outer;

	if (outer && outer != q)
		outer->n_effects++;
	if (server->log && (q->peer || outer))
		ipk__request_log_effect(q, argc, argv);
}

/* The log is told before what the request @q does, if any. */
static void expires(struct ipk__db *db, struct ipk__request *q, struct ipk__slice name)
{
	struct ipk__server *server = ipk__server_of_db(db);
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
	ipk__request_log(&own);
}

static void signal_name(struct ipk__db *db, struct ipk__slice name, uint32_t channel)
{
	ipk__blocks_signal(ipk__server_of_db(db), name, channel);
}

static bool leave(struct ipk__db *db, struct ipk__peer *peer, uint64_t number)
{
	return ipk__blocks_leave(ipk__server_of_db(db), peer, number);
}

static uint64_t number_of(const struct ipk__request *q)
{
	struct ipk__slice id;

	if (q->number != 0 || !ipk__conn_of(q->peer)->session)
		return q->number;
	return ipk__session_number(ipk__conn_of(q->peer)->session, &id);
}

static void flush(struct ipk__db *db, struct ipk__peer *peer)
{
	ipk__peer_flush(ipk__server_of_db(db), peer);
}

/* The name lies in what is about to be freed. */
static bool expire_one(struct ipk__server *server, struct ipk__slice name)
{
	char small[256];
	char *copy = name.n_bytes <= sizeof small ? small : ipk__os_malloc(name.n_bytes);

	if (!copy)
		return false;
	memcpy(copy, name.bytes, name.n_bytes);
	ipk__key_remove_expired(&server->db, NULL, IPK__SLICE(copy, name.n_bytes));
	if (copy != small)
		free(copy);
	return true;
}

bool ipk__expire_some(struct ipk__server *server, int64_t budget_ns)
{
	int64_t until_ns = ipk__os_now_ns() + budget_ns;
	struct ipk__slice name;

	do {
		for (int i = 0; i < EXPIRE_BATCH; i++) {
			if (!ipk__key_next_expired(server->db.store, server->db.now_ms, &name) ||
			    !expire_one(server, name))
				return false;
		}
	} while (ipk__os_now_ns() < until_ns);
	return true;
}

const struct ipk__db_host ipk__server_db_host = {
	.effect = effect,
	.expires = expires,
	.block = ipk__blocks_add,
	.signal = signal_name,
	.leave = leave,
	.number = number_of,
	.flush = flush,
};
