/*
 * server_in_place.h - a server whose loop does not run: the test executes the requests of its
 * peers one by one and reads their replies where they lie, so nothing happens in between.
 *
 *   says(0, "LRANGE l 0 -1", "[a b]");          words between blanks, "" an empty one
 *   waits(1, "IPK.ACQUIRE lock me -1");         no reply yet
 *   says(0, "IPK.RELEASE lock me", "OK");
 *   hears(1, ":1");
 *
 * Replies as text: OK, :1 integers, bulk strings as they are, nil, [arrays], {maps}, -ERR ...
 * The clock stands still at NOW_MS; a test moves it by server->now_ms.
 */
#ifndef IPK_TESTS_SERVER_IN_PLACE_H
#define IPK_TESTS_SERVER_IN_PLACE_H

#include <stdio.h>
#include <string.h>

#include "os/os.h"
#include "server/server_core.h"
#include "support/support.h"

enum { N_PEERS = 4, WORDS_MAX = 64 };
#define NOW_MS 1700000000000

static struct ipk__server *server;
static struct ipk__peer *peers[N_PEERS]; /* NULL: gone */
static int client_fds[N_PEERS];
static char directory[64];

static inline void server_begin(void)
{
	char address[96], path[80];

	strcpy(directory, "/tmp/ipk-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/server", directory);
	snprintf(address, sizeof address, "unix:%s", path);
	ck_ok(ipk__server_create(&(struct ipk__server_config){.address = address}, &server));
	server->db.now_ms = NOW_MS;
	server->loop->clock_ns = ipk__os_now_ns();
	for (int i = 0; i < N_PEERS; i++) {
		ck_ok(ipk__os_stream_connect(path, &client_fds[i]));
		ipk__peers_accept(server);
		ck_assert_uint_eq(server->n_peers, i + 1u);
		peers[i] = &server->conns->peer;
	}
}

static inline void server_end(void)
{
	ipk__server_close(server);
	for (int i = 0; i < N_PEERS; i++)
		ipk__os_close(client_fds[i]);
	ipk__os_rmdir(directory);
}

/* The loop sends before it frees connections; here all replies stay where hears() finds them. */
static inline void unlink_write_pending(const struct ipk__conn *conn)
{
	struct ipk__conn **at = &server->loop->write_pending;

	while (*at && *at != conn)
		at = &(*at)->write_pending_next;
	if (*at)
		*at = conn->write_pending_next;
}

/* Its connection ends; what follows from that is done. */
static inline void peer_goes(int i)
{
	struct ipk__conn *conn = ipk__conn_of(peers[i]);

	ipk__conn_doom(server, conn);
	peers[i] = NULL;
	do
		ipk__blocks_serve(server);
	while (ipk__peers_drop(server));
	ipk__notify_deliver(&server->db);
	unlink_write_pending(conn);
	ipk__peers_free(server);
}

/* --- replies as text -------------------------------------------------------------------------- */

static char shown[1 << 16];

static inline size_t show_value(struct ipk__slice whole, size_t *at, size_t to)
{
	struct ipk__resp_value v;
	char brackets[3] = "[]";
	size_t room;

	ck_ok(ipk__resp_next(whole, at, &v));
	ck_assert_uint_lt(to + v.text.n_bytes + 32, sizeof shown);
	room = sizeof shown - to;
	switch (v.type) {
	case IPK__RESP_INTEGER:
		return to + (size_t)snprintf(shown + to, room, ":%lld", (long long)v.integer);
	case IPK__RESP_NULL:
		return to + (size_t)snprintf(shown + to, room, "nil");
	case IPK__RESP_ERROR:
		shown[to++] = '-';
		break;
	case IPK__RESP_MAP:
		strcpy(brackets, "{}");
		/* fallthrough */
	case IPK__RESP_ARRAY:
	case IPK__RESP_PUSH:
	case IPK__RESP_SET:
		shown[to++] = brackets[0];
		for (uint64_t i = 0; i < v.n; i++) {
			if (i > 0)
				shown[to++] = ' ';
			to = show_value(whole, at, to);
		}
		shown[to++] = brackets[1];
		return to;
	default:
		break;
	}
	if (v.text.n_bytes > 0)
		memcpy(shown + to, v.text.bytes, v.text.n_bytes);
	return to + v.text.n_bytes;
}

/* What lies in the peer's buffer, which is empty afterwards. */
static inline const char *said(int peer)
{
	struct ipk__buffer *out = &peers[peer]->out;
	struct ipk__slice whole = IPK__SLICE(ipk__buffer_front(out), ipk__buffer_len(out));
	size_t at = 0, to = 0;

	while (at < whole.n_bytes) {
		if (to > 0)
			shown[to++] = ' ';
		to = show_value(whole, &at, to);
	}
	shown[to] = 0;
	ipk__buffer_clear(out);
	return shown;
}

/* --- asking ----------------------------------------------------------------------------------- */

static inline void execute(int peer, const struct ipk__slice *argv, size_t argc)
{
	ck_assert_msg(!(peers[peer]->flags & IPK__PEER_BLOCKED), "%d waits yet", peer);
	ipk__execute(server, peers[peer], argv, argc);
}

static inline void ask(int peer, const char *line)
{
	struct ipk__slice argv[WORDS_MAX];
	size_t argc = 0;

	while (*line) {
		size_t n = strcspn(line, " ");

		ck_assert_uint_lt(argc, WORDS_MAX);
		argv[argc++] = IPK__SLICE(line, strncmp(line, "\"\"", n) == 0 && n == 2 ? 0 : n);
		line += n + (line[n] == ' ');
	}
	execute(peer, argv, argc);
}

#define hears(peer, expected)                                                               \
	do {                                                                                \
		const char *heard_ = said(peer);                                            \
		ck_assert_msg(strcmp(heard_, (expected)) == 0, "%d hears %s, not %s", peer, \
			      heard_, expected);                                            \
	} while (0)

#define says(peer, line, expected)                                                             \
	do {                                                                                   \
		const char *said_;                                                             \
		ask(peer, line);                                                               \
		said_ = said(peer);                                                            \
		ck_assert_msg(strcmp(said_, (expected)) == 0, "%s is %s, not %s", line, said_, \
			      expected);                                                       \
	} while (0)

#define waits(peer, line)                                                                         \
	do {                                                                                      \
		ask(peer, line);                                                                  \
		ck_assert_msg(peers[peer]->flags &IPK__PEER_BLOCKED, "%s: %s", line, said(peer)); \
		hears(peer, "");                                                                  \
	} while (0)

static inline bool is_time_over(void *arg)
{
	(void)arg;
	return ipk__blocks_next_ms(server) <= 0;
}

/* The shortest of the timeouts under way is over. */
static inline void time_passes(void)
{
	ck_assert(wait_until(is_time_over, NULL, WAIT_MS));
	ipk__blocks_timeout(server);
	ipk__blocks_serve(server);
}

#endif
