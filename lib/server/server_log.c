/*
 * server_log.c - from the requests to the log: what it has to know of each.
 */
#include <string.h>

#include "server/server_core.h"

static struct ipk__log_keys keys_after_count(const struct ipk__slice *argv, size_t argc)
{
	size_t count_at = ipk__slice_is_word(argv[0], "BLMPOP") ? 2 : 1;
	int64_t n;

	if (count_at < argc && ipk__text_to_int64(argv[count_at], &n) && n > 0 &&
	    (uint64_t)n < argc - count_at)
		return (struct ipk__log_keys){count_at + 1, count_at + (size_t)n, 1};
	return (struct ipk__log_keys){1, 0, 1};
}

static struct ipk__log_keys keys_of(const struct ipk__command *command,
				    const struct ipk__slice *argv, size_t argc)
{
	struct ipk__log_keys k = {1, 0, 1};

	if (command->flags & IPK__CMD_MOVABLE_KEYS) {
		k = keys_after_count(argv, argc);
	} else if (command->first_key > 0) {
		int last = command->last_key;

		k.first = (size_t)command->first_key;
		k.last = last >= 0 ? (size_t)last : argc - (size_t)-last;
		k.step = command->key_step > 0 ? (size_t)command->key_step : 1;
	}
	if (k.last >= argc)
		k.last = argc - 1;
	return k;
}

static bool is_on_fields(const struct ipk__command *command)
{
	return strcmp(command->group, "hash") == 0 || strncmp(command->name, "IPK.H", 5) == 0;
}

/* @command: NULL unknown. */
static struct ipk__log_request describe(const struct ipk__log *log,
					const struct ipk__command *command,
					const struct ipk__slice *argv, size_t argc)
{
	struct ipk__log_request r = {.argv = argv, .argc = argc, .keys = {1, 0, 1}};

	if (!command)
		return r;
	r.is_own = command->flags & IPK__CMD_OWN;
	if (ipk__log_is_rewriting(log)) {
		r.keys = keys_of(command, argv, argc);
		r.is_on_fields = is_on_fields(command);
	}
	return r;
}

void ipk__request_log_before(struct ipk__request *q)
{
	struct ipk__log *log = ipk__server_of(q)->log;
	struct ipk__log_request r;

	if (!ipk__log_is_rewriting(log))
		return;
	r = describe(log, q->command, q->argv, q->argc);
	ipk__log_before(log, &r);
}

void ipk__request_log_effect(struct ipk__request *q, size_t argc, const struct ipk__slice *argv)
{
	struct ipk__log *log = ipk__server_of(q)->log;
	struct ipk__log_request r = describe(log, ipk__command_find(argv[0]), argv, argc);

	ipk__log_effect(log, &r);
}

void ipk__request_log(struct ipk__request *q)
{
	struct ipk__conn *conn = ipk__conn_of(q->peer);
	struct ipk__log *log = ipk__server_of(q)->log;
	struct ipk__log_request r = describe(log, q->command, q->argv, q->argc);

	if (q->peer && conn->session)
		r.number = ipk__session_number(conn->session, &r.session);
	if (q->number != 0)
		r.number = q->number;
	ipk__log_append(log, &r, q->n_effects > 0);
	if (q->peer)
		conn->log_mark = ipk__log_mark(log);
}
