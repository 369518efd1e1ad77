/*
 * server_admin_config.c - CONFIG: the settings, under their Redis names.
 *
 * A setting formats itself as text, and parses text unless it is read-only. SET applies all of its
 * arguments or nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/cmd_common.h"
#include "server/server_admin.h"

#define TEXT_BYTES 256

/* Bytes as Redis reads them: "100", "2kb", "3M", "1gb". */
static bool to_bytes(struct ipk__slice text, uint64_t *ret_n)
{
	static const struct {
		const char *unit;
		uint64_t bytes;
	} units[] = {
		{"", 1},        {"b", 1},        {"k", 1000},       {"kb", 1 << 10},
		{"m", 1000000}, {"mb", 1 << 20}, {"g", 1000000000}, {"gb", 1 << 30},
	};
	uint64_t n = 0;
	size_t i = 0;

	for (; i < text.n_bytes && text.bytes[i] >= '0' && text.bytes[i] <= '9'; i++) {
		if (n > (UINT64_MAX >> 34) / 10)
			return false;
		n = n * 10 + (uint64_t)(text.bytes[i] - '0');
	}
	if (i == 0)
		return false;
	text = IPK__SLICE(text.bytes + i, text.n_bytes - i);
	for (i = 0; i < IPK__N_OF(units); i++) {
		if (ipk__slice_is_word(text, units[i].unit)) {
			*ret_n = n * units[i].bytes;
			return true;
		}
	}
	return false;
}

static void u64_text(char *buf, uint64_t n)
{
	snprintf(buf, TEXT_BYTES, "%llu", (unsigned long long)n);
}

static bool to_range(struct ipk__slice text, int64_t min, int64_t max, int64_t *ret_n)
{
	return ipk__text_to_int64(text, ret_n) && *ret_n >= min && *ret_n <= max;
}

/* --- the settings ----------------------------------------------------------------------------- */

static void get_maxmemory(const struct ipk__server *s, char *buf)
{
	u64_text(buf, s->config.max_memory_bytes);
}

static bool set_maxmemory(struct ipk__server *s, struct ipk__slice text)
{
	uint64_t n;

	if (!to_bytes(text, &n))
		return false;
	s->config.max_memory_bytes = n;
	return true;
}

static void get_maxclients(const struct ipk__server *s, char *buf)
{
	u64_text(buf, s->config.max_clients);
}

static bool set_maxclients(struct ipk__server *s, struct ipk__slice text)
{
	int64_t n;

	if (!to_range(text, 1, UINT32_MAX, &n))
		return false;
	s->config.max_clients = (uint32_t)n;
	return true;
}

static void get_timeout(const struct ipk__server *s, char *buf)
{
	u64_text(buf, (uint64_t)s->config.idle_ms / 1000);
}

static bool set_timeout(struct ipk__server *s, struct ipk__slice text)
{
	int64_t n;

	if (!to_range(text, 0, INT32_MAX, &n))
		return false;
	s->config.idle_ms = n * 1000;
	return true;
}

static void get_slower_than(const struct ipk__server *s, char *buf)
{
	snprintf(buf, TEXT_BYTES, "%lld",
		 (long long)(s->config.slow_ns < 0 ? -1 : s->config.slow_ns / 1000));
}

static bool set_slower_than(struct ipk__server *s, struct ipk__slice text)
{
	int64_t n;

	if (!to_range(text, -1, INT64_MAX / 1000, &n))
		return false;
	s->config.slow_ns = n < 0 ? -1 : n * 1000;
	return true;
}

static void get_bulk_max(const struct ipk__server *s, char *buf)
{
	u64_text(buf, s->config.max_request_bytes);
}

static void get_out_limit(const struct ipk__server *s, char *buf)
{
	/* 0: none */
	size_t hard = s->config.out_hard_bytes == SIZE_MAX ? 0 : s->config.out_hard_bytes;
	size_t soft = s->config.out_soft_bytes == SIZE_MAX ? 0 : s->config.out_soft_bytes;
	long long seconds = (long long)s->config.out_soft_ms / 1000;

	snprintf(buf, TEXT_BYTES, "normal %zu %zu %lld slave 0 0 0 pubsub %zu %zu %lld", hard, soft,
		 seconds, hard, soft, seconds);
}

static bool next_word(struct ipk__slice *text, struct ipk__slice *ret_word)
{
	size_t n = 0;

	while (text->n_bytes > 0 && text->bytes[0] == ' ')
		*text = IPK__SLICE(text->bytes + 1, text->n_bytes - 1);
	while (n < text->n_bytes && text->bytes[n] != ' ')
		n++;
	*ret_word = IPK__SLICE(text->bytes, n);
	*text = IPK__SLICE(text->bytes + n, text->n_bytes - n);
	return n > 0;
}

/* "normal HARD SOFT SECONDS", as often as wanted; the classes that are not here are passed by. */
static bool set_out_limit(struct ipk__server *s, struct ipk__slice text)
{
	struct ipk__slice class;
	struct ipk__slice word[3];
	uint64_t hard;
	uint64_t soft;
	int64_t seconds;

	while (next_word(&text, &class)) {
		if (!next_word(&text, &word[0]) || !next_word(&text, &word[1]) ||
		    !next_word(&text, &word[2]) || !to_bytes(word[0], &hard) ||
		    !to_bytes(word[1], &soft) || !to_range(word[2], 0, INT32_MAX, &seconds))
			return false;
		if (!ipk__slice_is_word(class, "NORMAL"))
			continue;
		s->config.out_hard_bytes = hard == 0 ? SIZE_MAX : hard;
		s->config.out_soft_bytes = soft == 0 ? SIZE_MAX : soft;
		s->config.out_soft_ms = seconds * 1000;
	}
	return true;
}

static void get_appendonly(const struct ipk__server *s, char *buf)
{
	snprintf(buf, TEXT_BYTES, "%s", s->log ? "yes" : "no");
}

/* Whether there is a log is decided at the start. */
static bool set_appendonly(struct ipk__server *s, struct ipk__slice text)
{
	return ipk__slice_is_word(text, s->log ? "yes" : "no");
}

static const char *const fsync_words[] = {
	[IPK__FSYNC_EVERYSEC] = "everysec", [IPK__FSYNC_ALWAYS] = "always", [IPK__FSYNC_NO] = "no"};

static void get_appendfsync(const struct ipk__server *s, char *buf)
{
	snprintf(buf, TEXT_BYTES, "%s", fsync_words[s->config.fsync]);
}

static bool set_appendfsync(struct ipk__server *s, struct ipk__slice text)
{
	int i = 0;

	while (i < (int)IPK__N_OF(fsync_words) && !ipk__slice_is_word(text, fsync_words[i]))
		i++;
	if (i == (int)IPK__N_OF(fsync_words) || (s->log && ipk__log_set_fsync(s->log, i) < 0))
		return false;
	s->config.fsync = i;
	return true;
}

static void get_nothing(const struct ipk__server *s, char *buf)
{
	(void)s;
	buf[0] = 0;
}

static bool set_nothing(struct ipk__server *s, struct ipk__slice text)
{
	(void)s;
	return text.n_bytes == 0;
}

static void get_rewrite_percent(const struct ipk__server *s, char *buf)
{
	u64_text(buf, (uint64_t)s->config.rewrite_percent);
}

static bool set_rewrite_percent(struct ipk__server *s, struct ipk__slice text)
{
	int64_t n;

	if (!to_range(text, 0, INT32_MAX, &n))
		return false;
	s->config.rewrite_percent = (int)n;
	return true;
}

static void get_rewrite_min(const struct ipk__server *s, char *buf)
{
	u64_text(buf, s->config.rewrite_min_bytes);
}

static bool set_rewrite_min(struct ipk__server *s, struct ipk__slice text)
{
	return to_bytes(text, &s->config.rewrite_min_bytes);
}

static void get_noeviction(const struct ipk__server *s, char *buf)
{
	(void)s;
	snprintf(buf, TEXT_BYTES, "noeviction");
}

static bool set_noeviction(struct ipk__server *s, struct ipk__slice text)
{
	(void)s;
	return ipk__slice_is_word(text, "noeviction");
}

static void get_databases(const struct ipk__server *s, char *buf)
{
	(void)s;
	snprintf(buf, TEXT_BYTES, "1");
}

static void get_port(const struct ipk__server *s, char *buf)
{
	u64_text(buf, (uint64_t)s->loop->tcp_port);
}

static void get_socket(const struct ipk__server *s, char *buf)
{
	snprintf(buf, TEXT_BYTES, "%s", s->loop->path);
}

static const struct setting {
	const char *name;
	void (*get)(const struct ipk__server *s, char *buf);
	bool (*set)(struct ipk__server *s, struct ipk__slice text); /* NULL: only to be read */
} settings[] = {
	{"appendfsync", get_appendfsync, set_appendfsync},
	{"appendonly", get_appendonly, set_appendonly},
	{"auto-aof-rewrite-min-size", get_rewrite_min, set_rewrite_min},
	{"auto-aof-rewrite-percentage", get_rewrite_percent, set_rewrite_percent},
	{"client-output-buffer-limit", get_out_limit, set_out_limit},
	{"databases", get_databases, NULL},
	{"maxclients", get_maxclients, set_maxclients},
	{"maxmemory", get_maxmemory, set_maxmemory},
	{"maxmemory-policy", get_noeviction, set_noeviction},
	{"port", get_port, NULL},
	{"proto-max-bulk-len", get_bulk_max, NULL},
	{"save", get_nothing, set_nothing},
	{"slowlog-log-slower-than", get_slower_than, set_slower_than},
	{"timeout", get_timeout, set_timeout},
	{"unixsocket", get_socket, NULL},
};

/* --- the command ------------------------------------------------------------------------------ */

static bool matches(const struct ipk__request *q, const struct setting *setting)
{
	for (size_t i = 2; i < q->argc; i++) {
		if (ipk__glob_match_word(q->argv[i], setting->name))
			return true;
	}
	return false;
}

static void get(struct ipk__request *q)
{
	uint64_t n = 0;
	char text[TEXT_BYTES];

	for (size_t i = 0; i < IPK__N_OF(settings); i++)
		n += matches(q, &settings[i]);
	ipk__resp_map(q->out, n, q->resp);
	for (size_t i = 0; i < IPK__N_OF(settings); i++) {
		if (!matches(q, &settings[i]))
			continue;
		settings[i].get(ipk__server_of(q), text);
		ipk__reply_bulk(q, ipk__slice_of_string(settings[i].name));
		ipk__reply_bulk(q, ipk__slice_of_string(text));
	}
}

static const struct setting *find(struct ipk__slice name)
{
	for (size_t i = 0; i < IPK__N_OF(settings); i++) {
		if (ipk__slice_is_word(name, settings[i].name))
			return &settings[i];
	}
	return NULL;
}

static bool is_settable(struct ipk__request *q, struct ipk__slice name)
{
	const struct setting *setting = find(name);
	int n = (int)IPK__MIN(name.n_bytes, (size_t)TEXT_BYTES);

	if (setting && setting->set)
		return true;
	if (setting)
		ipk__reply_error(q,
				 "ERR CONFIG SET failed (possibly related to argument '%.*s') - "
				 "can't set immutable config",
				 n, name.bytes);
	else
		ipk__reply_error(
			q, "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'", n,
			name.bytes);
	return false;
}

/* The settings are what the store, the log and the commands go by. */
static void adopt(struct ipk__server *s)
{
	const struct ipk__server_config *c = &s->config;

	ipk__store_set_max_bytes(s->db.store, c->max_memory_bytes);
	s->db.max_reply_bytes = IPK__MIN(c->out_hard_bytes, IPK__STORE_ITEM_MAX);
	if (!s->log)
		return;
	ipk__log_set_growth(s->log, c->rewrite_percent, c->rewrite_min_bytes);
	(void)ipk__log_set_fsync(s->log, c->fsync); /* as it is already, or was before */
}

static void set(struct ipk__request *q)
{
	struct ipk__server *server = ipk__server_of(q);
	struct ipk__server_config before = server->config;

	for (size_t i = 2; i < q->argc; i += 2) {
		if (!is_settable(q, q->argv[i]))
			return;
	}
	for (size_t i = 2; i < q->argc; i += 2) {
		if (find(q->argv[i])->set(server, q->argv[i + 1]))
			continue;
		server->config = before;
		adopt(server);
		ipk__reply_error(q,
				 "ERR CONFIG SET failed (possibly related to argument '%.*s') - "
				 "argument must be a value that it can have",
				 (int)IPK__MIN(q->argv[i].n_bytes, (size_t)TEXT_BYTES),
				 q->argv[i].bytes);
		return;
	}
	adopt(server);
	ipk__reply_ok(q);
}

static void reset_stat(struct ipk__request *q)
{
	struct ipk__server *server = ipk__server_of(q);
	struct ipk__loop *loop = server->loop;

	memset(loop->stats, 0, sizeof loop->stats);
	loop->n_refused = 0;
	server->db.n_hits = server->db.n_misses = server->db.n_expired = 0;
	loop->n_commands = loop->n_commands_noted = loop->n_connections = loop->n_local = 0;
	ipk__reply_ok(q);
}

void ipk__cmd_config(struct ipk__request *q)
{
	if (ipk__slice_is_word(q->argv[1], "GET") && q->argc >= 3)
		get(q);
	else if (ipk__slice_is_word(q->argv[1], "SET") && q->argc >= 4 && q->argc % 2 == 0)
		set(q);
	else if (ipk__slice_is_word(q->argv[1], "RESETSTAT") && q->argc == 2)
		reset_stat(q);
	else
		ipk__reply_unknown_subcommand(q);
}
