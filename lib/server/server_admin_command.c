/* server_admin_command.c - COMMAND: the list of commands. */
#include <stdio.h>

#include "command/cmd_common.h"
#include "server/server_admin.h"

static struct ipk__slice lowered(const char *name, char *buf, size_t buf_bytes)
{
	size_t n = 0;

	for (; n < buf_bytes && name[n]; n++)
		buf[n] = name[n] >= 'A' && name[n] <= 'Z' ? (char)(name[n] + 32) : name[n];
	return IPK__SLICE(buf, n);
}

static const struct {
	unsigned flag;
	const char *word;
} flag_words[] = {
	{IPK__CMD_READ, "readonly"},
	{IPK__CMD_WRITE, "write"},
	{IPK__CMD_DENY_OOM, "denyoom"},
	{IPK__CMD_ADMIN, "admin"},
	{IPK__CMD_NO_AUTH, "no_auth"},
	{IPK__CMD_NO_MULTI, "no_multi"},
	{IPK__CMD_BLOCKING, "blocking"},
	{IPK__CMD_FAST, "fast"},
	{IPK__CMD_MOVABLE_KEYS, "movablekeys"},
};

static void set_head(struct ipk__request *q, uint64_t n)
{
	ipk__resp_head(q->out, q->resp == 3 ? IPK__RESP_SET : IPK__RESP_ARRAY, n);
}

static void reply_flags(struct ipk__request *q, unsigned flags)
{
	uint64_t n = 0;

	for (size_t i = 0; i < IPK__N_OF(flag_words); i++)
		n += (flags & flag_words[i].flag) != 0;
	set_head(q, n);
	for (size_t i = 0; i < IPK__N_OF(flag_words); i++) {
		if (flags & flag_words[i].flag)
			ipk__reply_simple(q, flag_words[i].word);
	}
}

static void reply_info(struct ipk__request *q, const struct ipk__command *c)
{
	char buf[64];

	ipk__reply_array(q, 10);
	ipk__reply_bulk(q, lowered(c->name, buf, sizeof buf));
	ipk__reply_integer(q, c->arity);
	reply_flags(q, c->flags);
	ipk__reply_integer(q, c->first_key);
	ipk__reply_integer(q, c->last_key);
	ipk__reply_integer(q, c->key_step);
	set_head(q, 1); /* categories */
	snprintf(buf, sizeof buf, "@%s", c->group);
	ipk__reply_simple(q, buf);
	ipk__reply_array(q, 0); /* tips */
	ipk__reply_array(q, 0); /* key specifications */
	ipk__reply_array(q, 0); /* subcommands */
}

static void reply_docs(struct ipk__request *q, const struct ipk__command *c)
{
	char buf[64];

	ipk__reply_bulk(q, lowered(c->name, buf, sizeof buf));
	ipk__resp_map(q->out, 3, q->resp);
	ipk__reply_bulk(q, IPK__SLICE_OF("summary"));
	ipk__reply_bulk(q, ipk__slice_of_string(c->summary ? c->summary : ""));
	ipk__reply_bulk(q, IPK__SLICE_OF("since"));
	ipk__reply_bulk(q, IPK__SLICE_OF("1.0.0"));
	ipk__reply_bulk(q, IPK__SLICE_OF("group"));
	ipk__reply_bulk(q, ipk__slice_of_string(c->group));
}

static void info(struct ipk__request *q)
{
	size_t n_all = ipk__commands_len();

	ipk__reply_array(q, q->argc > 2 ? q->argc - 2 : n_all);
	for (size_t i = 0; q->argc <= 2 && i < n_all; i++)
		reply_info(q, ipk__command_at(i));
	for (size_t i = 2; i < q->argc; i++) {
		const struct ipk__command *c = ipk__command_find(q->argv[i]);

		if (c)
			reply_info(q, c);
		else
			ipk__resp_null_array(q->out, q->resp);
	}
}

static void docs(struct ipk__request *q)
{
	size_t n = q->argc > 2 ? 0 : ipk__commands_len();

	for (size_t i = 2; i < q->argc; i++)
		n += ipk__command_find(q->argv[i]) != NULL;
	ipk__resp_map(q->out, n, q->resp);
	for (size_t i = 0; q->argc <= 2 && i < n; i++)
		reply_docs(q, ipk__command_at(i));
	for (size_t i = 2; i < q->argc; i++) {
		const struct ipk__command *c = ipk__command_find(q->argv[i]);

		if (c)
			reply_docs(q, c);
	}
}

static bool is_listed(const struct ipk__request *q, const struct ipk__command *c)
{
	if (q->argc != 5 || !ipk__slice_is_word(q->argv[3], "PATTERN"))
		return true;
	return ipk__glob_match_word(q->argv[4], c->name);
}

static void list(struct ipk__request *q)
{
	uint64_t n = 0;
	char buf[64];

	if (q->argc != 2 && (q->argc != 5 || !ipk__slice_is_word(q->argv[2], "FILTERBY"))) {
		ipk__reply_syntax(q);
		return;
	}
	for (size_t i = 0; i < ipk__commands_len(); i++)
		n += is_listed(q, ipk__command_at(i));
	ipk__reply_array(q, n);
	for (size_t i = 0; i < ipk__commands_len(); i++) {
		const struct ipk__command *c = ipk__command_at(i);

		if (is_listed(q, c))
			ipk__reply_bulk(q, lowered(c->name, buf, sizeof buf));
	}
}

void ipk__cmd_command(struct ipk__request *q)
{
	if (q->argc == 1 || ipk__slice_is_word(q->argv[1], "INFO"))
		info(q);
	else if (ipk__slice_is_word(q->argv[1], "COUNT") && q->argc == 2)
		ipk__reply_integer(q, (int64_t)ipk__commands_len());
	else if (ipk__slice_is_word(q->argv[1], "DOCS"))
		docs(q);
	else if (ipk__slice_is_word(q->argv[1], "LIST"))
		list(q);
	else
		ipk__reply_unknown_subcommand(q);
}
