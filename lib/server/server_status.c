/*
 * server_status.c - what inspection sees of the server, in the segment itself: clients, their
 * commands and waits, the load, slow commands.
 *
 * A client's entry is updated after each of its turns, not with each request; the id is written
 * last and cleared first, so an entry without an id is unused.
 */
#include <stdio.h>
#include <string.h>

#include "server/server_core.h"

void ipk__status_create(struct ipk__server *server)
{
	struct ipk__shm_status *b = ipk__store_status(server->db.store);

	server->status = b;
	if (!b)
		return;
	b->server_pid = (uint32_t)ipk__os_pid();
	b->tcp_port = (uint32_t)server->loop->tcp_port;
	b->started_unix_ms = server->db.now_ms;
	snprintf(b->address, sizeof b->address, "%.*s", (int)sizeof b->address - 1,
		 server->loop->address);
	if (server->config.log_path)
		snprintf(b->log_path, sizeof b->log_path, "%s", server->config.log_path);
	atomic_store(&b->max_bytes, server->config.max_memory_bytes);
}

static struct ipk__shm_client *free_line(struct ipk__shm_status *b, uint64_t id)
{
	/* Ids come one after the other, so the first look nearly always finds a free line. */
	for (uint64_t i = 0; i < IPK__STATUS_CLIENTS; i++) {
		struct ipk__shm_client *c = &b->clients[(id + i) % IPK__STATUS_CLIENTS];

		if (c->id == 0)
			return c;
	}
	return NULL;
}

void ipk__status_peer_came(struct ipk__server *server, struct ipk__peer *peer)
{
	struct ipk__shm_status *b = server->status;
	struct ipk__shm_client *c;

	if (!b)
		return;
	atomic_store_explicit(&b->n_clients, server->n_peers, memory_order_relaxed);
	if (server->n_peers > IPK__STATUS_CLIENTS)
		return;
	c = free_line(b, peer->id);
	if (!c)
		return;
	memset(c, 0, sizeof *c);
	c->pid = (uint32_t)peer->pid;
	c->uid = (uint32_t)peer->uid;
	c->since_unix_ms = server->db.now_ms - (server->steady_ms - ipk__conn_of(peer)->since_ms);
	snprintf(c->address, sizeof c->address, "%s", peer->address);
	atomic_signal_fence(memory_order_release);
	c->id = peer->id;
	ipk__conn_of(peer)->status = c;
}

void ipk__status_peer_went(struct ipk__server *server, struct ipk__peer *peer)
{
	struct ipk__conn *conn = ipk__conn_of(peer);

	if (conn->status)
		conn->status->id = 0;
	conn->status = NULL;
	if (server->status)
		atomic_store_explicit(&server->status->n_clients, server->n_peers - 1,
				      memory_order_relaxed);
}

static void note_commands(struct ipk__server *server)
{
	struct ipk__loop *loop = server->loop;

	atomic_store_explicit(&server->status->n_commands, loop->n_commands, memory_order_relaxed);
	atomic_store_explicit(&server->status->n_local, loop->n_local, memory_order_relaxed);
}

void ipk__status_peer_did(struct ipk__server *server, struct ipk__peer *peer)
{
	struct ipk__conn *conn = ipk__conn_of(peer);
	struct ipk__shm_client *c = conn->status;

	if (!c || conn->n_noted == conn->n_commands)
		return;
	note_commands(server);
	conn->n_noted = c->n_commands = conn->n_commands;
	c->out_bytes = ipk__buffer_len(&peer->out);
	if (conn->noted_last == conn->last || !conn->last)
		return;
	conn->noted_last = conn->last;
	strncpy(c->command, conn->last->name, sizeof c->command - 1);
	snprintf(c->name, sizeof c->name, "%.*s", (int)sizeof c->name - 1, peer->name);
}

void ipk__status_waits(struct ipk__server *server, struct ipk__peer *peer, struct ipk__slice name,
		       int64_t since_ms, uint64_t owner_tag)
{
	struct ipk__shm_client *c = ipk__conn_of(peer)->status;
	struct ipk__entry *key;
	uint32_t slot = 0;

	if (!c)
		return;
	key = name.bytes ? ipk__key_find(server->db.store, name) : NULL;
	c->waits_for = key ? ipk__key_object_id(server->db.store, key, &slot) : 0;
	c->slot_of_wait = slot;
	c->waits_unix_ms = since_ms;
	c->waits_tag = owner_tag;
}

static void copy_words(const struct ipk__request *q, char *buf, size_t buf_bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < q->argc && n + 1 < buf_bytes; i++) {
		size_t len = IPK__MIN(q->argv[i].n_bytes, buf_bytes - n - 1);

		if (len > 0)
			memcpy(buf + n, q->argv[i].bytes, len);
		n += len;
		if (n + 1 < buf_bytes && i + 1 < q->argc)
			buf[n++] = ' ';
	}
	buf[n] = 0;
}

void ipk__status_slow(struct ipk__request *q, int64_t took_ns)
{
	struct ipk__shm_status *b = ipk__server_of(q)->status;
	struct ipk__shm_slow *slow;
	uint64_t n;

	if (!b)
		return;
	n = atomic_load_explicit(&b->n_slow, memory_order_relaxed);
	slow = &b->slow[n % IPK__STATUS_SLOW];
	slow->at_unix_ms = q->now_ms;
	slow->took_ns = took_ns;
	slow->client = q->peer ? q->peer->id : 0;
	copy_words(q, slow->command, sizeof slow->command);
	atomic_store_explicit(&b->n_slow, n + 1, memory_order_release);
}

void ipk__status_second(struct ipk__server *server)
{
	struct ipk__shm_status *b = server->status;
	struct ipk__loop *loop = server->loop;
	int64_t passed_ms = server->steady_ms - loop->second_ms;
	uint64_t used_bytes = ipk__store_used_bytes(server->db.store);

	if (passed_ms > 0 && loop->second_ms != 0)
		loop->commands_per_second =
			(loop->n_commands - loop->n_commands_noted) * 1000 / (uint64_t)passed_ms;
	loop->n_commands_noted = loop->n_commands;
	loop->peak_bytes = IPK__MAX(loop->peak_bytes, used_bytes);
	if (!b)
		return;
	note_commands(server);
	atomic_store_explicit(&b->n_connections, loop->n_connections, memory_order_relaxed);
	atomic_store_explicit(&b->n_refused, loop->n_refused, memory_order_relaxed);
	atomic_store_explicit(&b->commands_per_second, loop->commands_per_second,
			      memory_order_relaxed);
	atomic_store_explicit(&b->used_bytes, used_bytes, memory_order_relaxed);
	atomic_store_explicit(&b->max_bytes, server->config.max_memory_bytes, memory_order_relaxed);
}
