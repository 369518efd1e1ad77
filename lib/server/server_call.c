/*
 * server_call.c - one command, called: its effects are logged, the time it took is counted.
 *
 * A request is logged once, when its function returns: its effects if it recorded any, or else its
 * own words. In a transaction everything is an effect of the EXEC, so all of it is one record.
 *
 * The clock is read once after each request: the end of one is the start of the next.
 */
#include "server/server_core.h"

void ipk__request_begin(struct ipk__server *server, struct ipk__peer *peer,
			const struct ipk__slice *argv, size_t argc, struct ipk__request *ret_q)
{
	*ret_q = (struct ipk__request){
		.db = &server->db,
		.store = server->db.store,
		.peer = peer,
		.argv = argv,
		.argc = argc,
		.out = peer ? &peer->out : NULL,
		.resp = peer ? peer->resp : 2,
		.now_ms = server->db.now_ms,
		.may_block = peer != NULL && !server->loop->outer,
	};
}

bool ipk__request_has_arity(const struct ipk__request *q)
{
	int arity = q->command->arity;

	return arity >= 0 ? q->argc == (size_t)arity : q->argc >= (size_t)-arity;
}

static void note_time(struct ipk__request *q, size_t index)
{
	struct ipk__loop *loop = ipk__server_of(q)->loop;
	int64_t now_ns = ipk__os_now_ns();
	int64_t took_ns = now_ns - loop->clock_ns;

	loop->clock_ns = now_ns;
	loop->stats[index].n_calls++;
	loop->stats[index].took_ns += took_ns;
	if (took_ns > ipk__server_of(q)->config.slow_ns && ipk__server_of(q)->config.slow_ns >= 0)
		ipk__status_slow(q, took_ns);
}

void ipk__request_call(struct ipk__request *q, size_t index)
{
	bool has_log = ipk__server_of(q)->log;
	struct ipk__request *outer = ipk__server_of(q)->loop->outer;

	if (has_log && (q->command->flags & IPK__CMD_WRITE))
		ipk__request_log_before(q);
	q->command->fn(q);
	if (has_log && q->n_changes + q->n_effects > 0) {
		if (!outer)
			ipk__request_log(q);
		else if (q->n_effects == 0)
			ipk__effect(outer, q->argc, q->argv);
	}
	note_time(q, index);
}

bool ipk__execute_logged(struct ipk__server *server, const struct ipk__slice *argv, size_t argc,
			 struct ipk__buffer *out)
{
	struct ipk__request q;
	size_t before = ipk__buffer_len(out);

	ipk__request_begin(server, NULL, argv, argc, &q);
	q.out = out;
	q.command = argc > 0 ? ipk__command_find(argv[0]) : NULL;
	if (!q.command || !ipk__request_has_arity(&q))
		return false;
	q.command->fn(&q);
	return !out->failed && ipk__buffer_len(out) > before &&
	       ipk__buffer_front(out)[before] != '-';
}
