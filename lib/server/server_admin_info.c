/* server_admin_info.c - INFO: the state of the server, in the sections and terms of Redis. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
#include "server/server_admin.h"

struct text {
	struct ipk__server *server;
	struct ipk__buffer bytes;
};

__attribute__((format(printf, 2, 3))) static void line(struct text *t, const char *format, ...)
{
	char buf[512];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(buf, sizeof buf, format, args);
	va_end(args);
	ipk__buffer_append(&t->bytes, buf, (size_t)IPK__MIN(n, (int)sizeof buf - 1));
	ipk__buffer_append(&t->bytes, "\r\n", 2);
}

static void line_u64(struct text *t, const char *name, uint64_t n)
{
	line(t, "%s:%llu", name, (unsigned long long)n);
}

static void server_section(struct text *t)
{
	struct ipk__loop *loop = t->server->loop;
	uint64_t up_s = (uint64_t)((t->server->steady_ms - loop->started_ms) / 1000);

	line(t, "redis_version:%s", IPK__REDIS_VERSION);
	line(t, "server_name:ipk");
	line(t, "redis_mode:standalone");
	line(t, "os:Linux");
	line(t, "arch_bits:%zu", 8 * sizeof(void *));
	line(t, "multiplexing_api:epoll");
	line_u64(t, "process_id", (uint64_t)ipk__os_pid());
	line(t, "run_id:%s", t->server->run_id);
	line_u64(t, "tcp_port", (uint64_t)loop->tcp_port);
	line_u64(t, "server_time_usec", (uint64_t)t->server->db.now_ms * 1000);
	line_u64(t, "uptime_in_seconds", up_s);
	line_u64(t, "uptime_in_days", up_s / 86400);
	line(t, "address:%s", loop->address);
}

static void clients_section(struct text *t)
{
	line_u64(t, "connected_clients", t->server->n_peers);
	line_u64(t, "maxclients", t->server->config.max_clients);
	line_u64(t, "blocked_clients", ipk__blocks_len(t->server));
}

static void memory_section(struct text *t)
{
	char human[48];
	struct ipk__loop *loop = t->server->loop;
	uint64_t used_bytes = ipk__store_used_bytes(t->server->db.store);

	loop->peak_bytes = IPK__MAX(loop->peak_bytes, used_bytes);
	line_u64(t, "used_memory", used_bytes);
	ipk__decimal(human, sizeof human, "%.2f", (double)used_bytes / (1 << 20));
	line(t, "used_memory_human:%sM", human);
	line_u64(t, "used_memory_peak", loop->peak_bytes);
	line_u64(t, "maxmemory", t->server->config.max_memory_bytes);
	line(t, "maxmemory_policy:noeviction");
}

static void persistence_section(struct text *t)
{
	struct ipk__log_status status = {0};

	if (t->server->log)
		ipk__log_status(t->server->log, &status);
	line(t, "loading:0");
	line_u64(t, "aof_enabled", t->server->log != NULL);
	line_u64(t, "aof_rewrite_in_progress", status.is_rewriting);
	line(t, "aof_last_write_status:%s", status.last_error ? "err" : "ok");
	line_u64(t, "aof_current_size", status.n_bytes);
	line_u64(t, "aof_base_size", status.base_bytes);
}

static void stats_section(struct text *t)
{
	struct ipk__loop *loop = t->server->loop;

	line_u64(t, "total_connections_received", loop->n_connections);
	line_u64(t, "total_commands_processed", loop->n_commands);
	line_u64(t, "local_commands_processed", loop->n_local);
	line_u64(t, "instantaneous_ops_per_sec", loop->commands_per_second);
	line_u64(t, "total_net_input_bytes", loop->n_in_bytes);
	line_u64(t, "total_net_output_bytes", loop->n_out_bytes);
	line_u64(t, "rejected_connections", loop->n_refused);
	line_u64(t, "expired_keys", t->server->db.n_expired);
	line(t, "evicted_keys:0");
	line_u64(t, "keyspace_hits", t->server->db.n_hits);
	line_u64(t, "keyspace_misses", t->server->db.n_misses);
}

static void replication_section(struct text *t)
{
	line(t, "role:master");
	line(t, "connected_slaves:0");
}

static void cpu_section(struct text *t)
{
	char seconds[48];

	ipk__decimal(seconds, sizeof seconds, "%.6f", (double)ipk__os_cpu_time_ns() / 1e9);
	line(t, "used_cpu_user:%s", seconds);
	line(t, "used_cpu_sys:0.000000");
}

static void keyspace_section(struct text *t)
{
	uint64_t n = ipk__keys_len(t->server->db.store);

	if (n > 0)
		line(t, "db0:keys=%llu,expires=%llu,avg_ttl=0", (unsigned long long)n,
		     (unsigned long long)ipk__keys_expiring(t->server->db.store));
}

static void commandstats_section(struct text *t)
{
	for (size_t i = 0; i < ipk__commands_len(); i++) {
		const struct ipk__command_stats *s = &t->server->loop->stats[i];
		char name[64], per_call[48];
		size_t n = 0;

		if (s->n_calls == 0 && s->n_failed == 0)
			continue;
		for (const char *c = ipk__command_at(i)->name; *c && n + 1 < sizeof name; c++)
			name[n++] = ipk__lower(*c);
		name[n] = 0;
		ipk__decimal(per_call, sizeof per_call, "%.2f",
			     s->n_calls ? (double)s->took_ns / 1000 / (double)s->n_calls : 0.0);
		line(t,
		     "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%s,rejected_calls=%llu,"
		     "failed_calls=0",
		     name, (unsigned long long)s->n_calls, (unsigned long long)s->took_ns / 1000,
		     per_call, (unsigned long long)s->n_failed);
	}
}

static const struct {
	const char *name;
	void (*write)(struct text *t);
	bool is_extra; /* only when asked for */
} sections[] = {
	{"Server", server_section, false},     {"Clients", clients_section, false},
	{"Memory", memory_section, false},     {"Persistence", persistence_section, false},
	{"Stats", stats_section, false},       {"Replication", replication_section, false},
	{"CPU", cpu_section, false},           {"Commandstats", commandstats_section, true},
	{"Keyspace", keyspace_section, false},
};

static bool is_wanted(const struct ipk__request *q, size_t section)
{
	for (size_t i = 1; i < q->argc; i++) {
		if (ipk__slice_is_word(q->argv[i], sections[section].name) ||
		    ipk__slice_is_word(q->argv[i], "all") ||
		    ipk__slice_is_word(q->argv[i], "everything"))
			return true;
		if (ipk__slice_is_word(q->argv[i], "default") && !sections[section].is_extra)
			return true;
	}
	return q->argc == 1 && !sections[section].is_extra;
}

void ipk__cmd_info(struct ipk__request *q)
{
	struct text t = {.server = ipk__server_of(q)};
	struct ipk__slice whole;

	for (size_t i = 0; i < IPK__N_OF(sections); i++) {
		if (!is_wanted(q, i))
			continue;
		if (ipk__buffer_len(&t.bytes) > 0)
			ipk__buffer_append(&t.bytes, "\r\n", 2);
		line(&t, "# %s", sections[i].name);
		sections[i].write(&t);
	}
	whole = IPK__SLICE(ipk__buffer_front(&t.bytes), ipk__buffer_len(&t.bytes));
	if (t.bytes.failed)
		ipk__reply_error(q, "ERR out of memory");
	else
		ipk__reply_bulk(q, whole);
	ipk__buffer_free(&t.bytes);
}
