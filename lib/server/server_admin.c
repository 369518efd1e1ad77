/*
 * server_admin.c - commands about the connection and the server itself.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/auth.h"
#include "server/server_admin.h"
#include "server/server_ring.h"

/* --- the connection --------------------------------------------------------------------------- */

static void cmd_ping(struct ipk__request *q)
{
	if (q->argc > 2)
		ipk__reply_wrong_arity(q);
	else if (q->argc == 2)
		ipk__reply_bulk(q, q->argv[1]);
	else
		ipk__buffer_append(q->out, "+PONG\r\n", 7);
}

static void cmd_echo(struct ipk__request *q)
{
	ipk__reply_bulk(q, q->argv[1]);
}

static void cmd_select(struct ipk__request *q)
{
	int64_t n;

	if (!ipk__arg_integer(q, 1, &n))
		return;
	if (n == 0)
		ipk__reply_ok(q);
	else
		ipk__reply_error(q, "ERR DB index is out of range");
}

static void cmd_quit(struct ipk__request *q)
{
	ipk__reply_ok(q);
	ipk__peer_close_later(ipk__server_of(q), q->peer);
}

static void cmd_reset(struct ipk__request *q)
{
	struct ipk__peer *peer = q->peer;

	ipk__multi_forget(peer);
	if (peer->flags & IPK__PEER_MONITOR)
		ipk__server_of(q)->loop->n_monitors--;
	peer->flags &= ~(unsigned)IPK__PEER_MONITOR;
	if (ipk__server_of(q)->config.key_bytes > 0)
		peer->flags &= ~(unsigned)IPK__PEER_KNOWN;
	peer->resp = 2;
	peer->name[0] = 0;
	ipk__reply_simple(q, "RESET");
}

static void cmd_cancel(struct ipk__request *q)
{
	int64_t ticket;

	if (ipk__arg_integer(q, 1, &ticket))
		ipk__reply_integer(
			q,
			ipk__blocks_cancel(ipk__server_of(q), q->peer, (uint64_t)ticket) ? 1 : 0);
}

/* --- who it is -------------------------------------------------------------------------------- */

bool ipk__admin_knows_key(const struct ipk__server *server, struct ipk__slice key)
{
	return key.n_bytes == server->config.key_bytes &&
	       ipk__auth_equal(key.bytes, server->config.key, key.n_bytes);
}

static bool authenticate(struct ipk__request *q, struct ipk__slice user, struct ipk__slice key)
{
	if (ipk__server_of(q)->config.key_bytes > 0
		    ? ipk__slice_equal(user, IPK__SLICE_OF("default")) &&
			      ipk__admin_knows_key(ipk__server_of(q), key)
		    : ipk__slice_equal(user, IPK__SLICE_OF("default"))) {
		ipk__conn_is_known(ipk__server_of(q), ipk__conn_of(q->peer));
		return true;
	}
	ipk__reply_error(q, "WRONGPASS invalid username-password pair or user is disabled.");
	return false;
}

static void cmd_auth(struct ipk__request *q)
{
	if (q->argc > 3)
		ipk__reply_syntax(q);
	else if (q->argc == 2 && ipk__server_of(q)->config.key_bytes == 0)
		ipk__reply_error(q, "ERR AUTH <password> called without any password configured "
				    "for the default user. Are you sure your configuration is "
				    "correct?");
	else if (authenticate(q, q->argc == 3 ? q->argv[1] : IPK__SLICE_OF("default"),
			      q->argv[q->argc - 1]))
		ipk__reply_ok(q);
}

/* Both show that they know the key: see net/auth.h. */
static void auth_hello(struct ipk__request *q, struct ipk__auth *auth)
{
	unsigned char hello[IPK__AUTH_NONCE_BYTES];
	unsigned char challenge[IPK__AUTH_CHALLENGE_BYTES];
	char text[2 * IPK__AUTH_CHALLENGE_BYTES];
	int r = ipk__auth_from_hex(q->argv[2].bytes, q->argv[2].n_bytes, hello, sizeof hello);

	if (r < 0) {
		ipk__reply_error(q, "ERR a nonce of %d bytes is needed, in hexadecimal",
				 IPK__AUTH_NONCE_BYTES);
		return;
	}
	r = ipk__auth_init(auth, IPK__AUTH_SERVER, ipk__server_of(q)->config.key,
			   ipk__server_of(q)->config.key_bytes);
	if (r == 0)
		r = ipk__auth_challenge(auth, hello, challenge);
	if (r < 0) {
		ipk__reply_failed(q, r);
		return;
	}
	ipk__auth_to_hex(challenge, sizeof challenge, text);
	ipk__reply_array(q, 2);
	ipk__reply_bulk(q, IPK__SLICE(text, 2 * IPK__AUTH_NONCE_BYTES));
	ipk__reply_bulk(q, IPK__SLICE(text + 2 * IPK__AUTH_NONCE_BYTES, 2 * IPK__AUTH_PROOF_BYTES));
}

static void auth_prove(struct ipk__request *q, struct ipk__auth *auth)
{
	unsigned char proof[IPK__AUTH_PROOF_BYTES];
	int r = ipk__auth_from_hex(q->argv[2].bytes, q->argv[2].n_bytes, proof, sizeof proof);

	if (r == 0)
		r = ipk__auth_check(auth, proof);
	ipk__auth_wipe(auth);
	if (r < 0) {
		/* One guess a connection. */
		ipk__reply_error(q, "WRONGPASS invalid proof");
		ipk__peer_close_later(ipk__server_of(q), q->peer);
		return;
	}
	ipk__conn_is_known(ipk__server_of(q), ipk__conn_of(q->peer));
	ipk__reply_ok(q);
}

static void cmd_ipk_auth(struct ipk__request *q)
{
	struct ipk__conn *conn = ipk__conn_of(q->peer);

	if (ipk__server_of(q)->config.key_bytes == 0) {
		ipk__reply_error(q, "ERR this server has no key");
		return;
	}
	if (!conn->auth)
		conn->auth = ipk__os_calloc(1, sizeof(struct ipk__auth));
	if (!conn->auth)
		ipk__reply_failed(q, -ENOMEM);
	else if (ipk__slice_is_word(q->argv[1], "HELLO"))
		auth_hello(q, conn->auth);
	else if (ipk__slice_is_word(q->argv[1], "PROVE"))
		auth_prove(q, conn->auth);
	else
		ipk__reply_syntax(q);
}

static bool hello_options(struct ipk__request *q)
{
	for (size_t i = 2; i < q->argc; i++) {
		size_t more = q->argc - 1 - i;

		if (ipk__slice_is_word(q->argv[i], "AUTH") && more >= 2) {
			if (!authenticate(q, q->argv[i + 1], q->argv[i + 2]))
				return false;
			i += 2;
		} else if (ipk__slice_is_word(q->argv[i], "SETNAME") && more >= 1) {
			if (!ipk__admin_set_name(q, q->argv[i + 1]))
				return false;
			i += 1;
		} else {
			ipk__reply_error(q, "ERR Syntax error in HELLO option '%.*s'",
					 (int)IPK__MIN(q->argv[i].n_bytes, (size_t)64),
					 q->argv[i].bytes);
			return false;
		}
	}
	return true;
}

static void field(struct ipk__request *q, const char *name, const char *value)
{
	ipk__reply_bulk(q, ipk__slice_of_string(name));
	ipk__reply_bulk(q, ipk__slice_of_string(value));
}

static void cmd_hello(struct ipk__request *q)
{
	int64_t version = q->peer->resp;

	if (q->argc > 1 && !ipk__text_to_int64(q->argv[1], &version)) {
		ipk__reply_error(q, "ERR Protocol version is not an integer or out of range");
		return;
	}
	if (version < 2 || version > 3) {
		ipk__reply_error(q, "NOPROTO unsupported protocol version");
		return;
	}
	if (!hello_options(q))
		return;
	if (!(q->peer->flags & IPK__PEER_KNOWN)) {
		ipk__reply_error(q, "NOAUTH HELLO must be called with the client already "
				    "authenticated, otherwise the HELLO <proto> AUTH <user> <pass> "
				    "option can be used to authenticate the client and select the "
				    "RESP protocol version at the same time");
		return;
	}
	q->resp = q->peer->resp = (int)version;
	ipk__resp_map(q->out, 7, q->resp);
	field(q, "server", "redis");
	field(q, "version", IPK__REDIS_VERSION);
	ipk__reply_bulk(q, IPK__SLICE_OF("proto"));
	ipk__reply_integer(q, version);
	ipk__reply_bulk(q, IPK__SLICE_OF("id"));
	ipk__reply_integer(q, (int64_t)q->peer->id);
	field(q, "mode", "standalone");
	field(q, "role", "master");
	ipk__reply_bulk(q, IPK__SLICE_OF("modules"));
	ipk__reply_array(q, 0);
}

/* --- the server ------------------------------------------------------------------------------- */

static void cmd_wait(struct ipk__request *q)
{
	int64_t n;
	int64_t timeout_ms;

	if (!ipk__arg_integer(q, 1, &n))
		return;
	if (!ipk__text_to_int64(q->argv[2], &timeout_ms))
		ipk__reply_error(q, "ERR timeout is not an integer or out of range");
	else if (timeout_ms < 0)
		ipk__reply_error(q, "ERR timeout is negative");
	else
		ipk__reply_integer(q, 0); /* there are no replicas to wait for */
}

static void cmd_shutdown(struct ipk__request *q)
{
	for (size_t i = 1; i < q->argc; i++) {
		if (ipk__slice_is_word(q->argv[i], "ABORT")) {
			ipk__reply_error(q, "ERR No shutdown in progress.");
			return;
		}
		if (!ipk__slice_is_word(q->argv[i], "NOSAVE") &&
		    !ipk__slice_is_word(q->argv[i], "SAVE") &&
		    !ipk__slice_is_word(q->argv[i], "NOW") &&
		    !ipk__slice_is_word(q->argv[i], "FORCE")) {
			ipk__reply_syntax(q);
			return;
		}
	}
	ipk__server_of(q)->stop = true;
	ipk__peer_close_later(ipk__server_of(q), q->peer);
}

static void cmd_debug(struct ipk__request *q)
{
	_Atomic uint32_t nothing = 0;
	ipk_deadline deadline;
	long double s;

	if (!ipk__slice_is_word(q->argv[1], "SLEEP") || q->argc != 3) {
		ipk__reply_error(q,
				 "ERR unknown subcommand or wrong number of arguments for "
				 "'%.*s'. Try DEBUG HELP.",
				 (int)IPK__MIN(q->argv[1].n_bytes, (size_t)64), q->argv[1].bytes);
		return;
	}
	if (!ipk__arg_double(q, 2, &s))
		return;
	/* The whole server: that is what it is for. */
	deadline = ipk_in_ns((int64_t)(s < 0 ? 0 : s > 3600 ? 3600e9L : s * 1e9L));
	while (ipk__os_futex_wait(&nothing, 0, deadline) == 0)
		;
	ipk__reply_ok(q);
}

/* --- MONITOR ---------------------------------------------------------------------------------- */

static void cmd_monitor(struct ipk__request *q)
{
	if (!(q->peer->flags & IPK__PEER_MONITOR))
		ipk__server_of(q)->loop->n_monitors++;
	q->peer->flags |= IPK__PEER_MONITOR;
	ipk__reply_ok(q);
}

#define NO_AUTH (IPK__CMD_NO_AUTH | IPK__CMD_FAST)
#define ADMIN (IPK__CMD_ADMIN | IPK__CMD_NO_MULTI)

const struct ipk__command ipk__commands_admin[] = {
	{"PING", cmd_ping, -1, IPK__CMD_FAST, 0, 0, 0, "connection", "Answer"},
	{"ECHO", cmd_echo, 2, IPK__CMD_FAST, 0, 0, 0, "connection", "Give back what was given"},
	{"HELLO", cmd_hello, -1, NO_AUTH, 0, 0, 0, "connection", "Choose the protocol's version"},
	{"AUTH", cmd_auth, -2, NO_AUTH, 0, 0, 0, "connection", "Authenticate"},
	{"SELECT", cmd_select, 2, IPK__CMD_FAST, 0, 0, 0, "connection", "There is only 0"},
	{"QUIT", cmd_quit, -1, NO_AUTH, 0, 0, 0, "connection", "Close the connection"},
	{"RESET", cmd_reset, 1, NO_AUTH, 0, 0, 0, "connection", "Begin anew"},
	{"CLIENT", ipk__cmd_client, -2, 0, 0, 0, 0, "connection", "About connections"},
	{"COMMAND", ipk__cmd_command, -1, 0, 0, 0, 0, "server", "About commands"},
	{"INFO", ipk__cmd_info, -1, 0, 0, 0, 0, "server", "How the server does"},
	{"CONFIG", ipk__cmd_config, -2, IPK__CMD_ADMIN, 0, 0, 0, "server", "Settings"},
	{"WAIT", cmd_wait, 3, 0, 0, 0, 0, "generic", "Wait for replicas, of which there are none"},
	{"MONITOR", cmd_monitor, 1, ADMIN, 0, 0, 0, "server", "See what others send"},
	{"SHUTDOWN", cmd_shutdown, -1, ADMIN, 0, 0, 0, "server", "End the server"},
	{"DEBUG", cmd_debug, -2, IPK__CMD_ADMIN, 0, 0, 0, "server", "Let the server sleep"},
	{"IPK.AUTH", cmd_ipk_auth, 3, NO_AUTH | IPK__CMD_OWN, 0, 0, 0, "connection",
	 "Show that one knows the key without saying it"},
	{"IPK.LOCAL", ipk__cmd_local, 1, IPK__CMD_OWN | IPK__CMD_NO_MULTI, 0, 0, 0, "connection",
	 "Go over to rings in shared memory"},
	{"IPK.CANCEL", cmd_cancel, 2, IPK__CMD_OWN, 0, 0, 0, "connection",
	 "Take a waiting request back"},
	{.name = NULL},
};
