/* show_manager.c - a manager: its objects, its clients, and which clients are blocked. */
#include <string.h>

#include "ipc_inspect.h"

/* --- for people ------------------------------------------------------------------------------- */

static void print_age(int64_t ms)
{
	if (ms < 10000)
		printf("%.1f s", (double)ms / 1e3);
	else if (ms < 7200000)
		printf("%lld min", (long long)ms / 60000);
	else
		printf("%lld h", (long long)ms / 3600000);
}

static void print_summary(const ipk_manager_summary *s)
{
	printf("manager %s  %s\n", s->label, s->address);
	printf("  server      pid %d, %s, started ", (int)s->server_pid,
	       !s->is_alive    ? "DEAD (clients still have its memory)"
	       : s->is_stopped ? "STOPPED by a signal or a debugger"
			       : "running");
	print_age(s->age_ms);
	printf(" ago\n  keys        %llu, in ", (unsigned long long)s->n_keys);
	print_bytes(s->used_bytes);
	if (s->max_bytes != 0) {
		printf(" of ");
		print_bytes(s->max_bytes);
	}
	printf("\n  clients     %llu connected, %llu total, %llu refused\n",
	       (unsigned long long)s->n_clients, (unsigned long long)s->n_connections,
	       (unsigned long long)s->n_refused);
	printf("  commands    %llu/s; %llu total, %llu of them over shared memory; %llu slow\n",
	       (unsigned long long)s->commands_per_second, (unsigned long long)s->n_commands,
	       (unsigned long long)s->n_local, (unsigned long long)s->n_slow);
	printf("  log         %s\n",
	       s->log[0] ? s->log : "none: data is lost when the server exits");
}

static void print_client(const ipk_manager_client *c)
{
	printf("  %6llu  %-22s %-12s %-16s %10llu", (unsigned long long)c->id, c->address,
	       c->name[0] ? c->name : "-", c->command[0] ? c->command : "-",
	       (unsigned long long)c->n_commands);
	if (c->waits_for[0]) {
		printf("  blocked on %s for ", c->waits_for);
		print_age(c->waits_ms);
	}
	if (c->out_bytes > 0)
		printf("  %llu bytes unread", (unsigned long long)c->out_bytes);
	putchar('\n');
}

static void print_clients(const ipk_manager_snapshot *snap)
{
	const ipk_manager_client *c;

	if (!ipk_manager_snapshot_client(snap, 0))
		return;
	printf("\n  CLIENT  %-22s %-12s %-16s %10s\n", "ADDRESS", "NAME", "LAST COMMAND",
	       "COMMANDS");
	for (size_t i = 0; (c = ipk_manager_snapshot_client(snap, i)); i++)
		print_client(c);
}

static void print_state(const ipk_manager_object *o)
{
	if (o->holder != 0) {
		printf("  held by client %llu", (unsigned long long)o->holder);
		if (o->holder_pid != 0)
			printf(" (pid %d)", (int)o->holder_pid);
		printf(" for ");
		print_age(o->held_ms);
	}
	if (o->n_waiters > 0)
		printf("  %llu waiting", (unsigned long long)o->n_waiters);
	if (o->n_unfinished > 0)
		printf("  %llu unfinished", (unsigned long long)o->n_unfinished);
	if (o->ttl_ms >= 0) {
		printf("  expires in ");
		print_age(o->ttl_ms);
	}
}

static void print_objects(const ipk_manager_snapshot *snap, uint64_t n_keys)
{
	const ipk_manager_object *o;
	size_t i = 0;

	if (n_keys > 0)
		printf("\n  %-32s %-10s %10s %10s\n", "OBJECT", "TYPE", "LENGTH", "BYTES");
	for (; (o = ipk_manager_snapshot_object(snap, i)); i++) {
		printf("  %-32s %-10s %10llu %10llu", o->name, o->type, (unsigned long long)o->len,
		       (unsigned long long)o->n_bytes);
		print_state(o);
		putchar('\n');
	}
	if (i < n_keys)
		printf("  ... and %llu more\n", (unsigned long long)(n_keys - i));
}

static void print_slow(const ipk_manager_snapshot *snap)
{
	const ipk_manager_slow *s;

	if (ipk_manager_snapshot_slow(snap, 0))
		printf("\n  SLOW COMMANDS (the last ones)\n");
	for (size_t i = 0; (s = ipk_manager_snapshot_slow(snap, i)); i++) {
		printf("  %8.1f ms  client %llu, ", (double)s->took_ns / 1e6,
		       (unsigned long long)s->client);
		print_age(s->ago_ms);
		printf(" ago: %s\n", s->command);
	}
}

void manager_text(const ipk_manager_snapshot *snap)
{
	const ipk_manager_summary *s = ipk_manager_snapshot_summary(snap);

	print_summary(s);
	print_objects(snap, s->n_keys);
	print_clients(snap);
	print_slow(snap);
}

/* --- for programs ----------------------------------------------------------------------------- */

static json_t *text_or_null(const char *text)
{
	return text[0] ? json_string(text) : json_null();
}

static json_t *summary_json(const ipk_manager_summary *s)
{
	return json_pack(
		"{s:s, s:s, s:o, s:i, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I,"
		" s:I, s:I, s:I}",
		"label", s->label, "address", s->address, "log", text_or_null(s->log), "server_pid",
		(int)s->server_pid, "alive", s->is_alive, "stopped", s->is_stopped, "age_ms",
		(json_int_t)s->age_ms, "keys", (json_int_t)s->n_keys, "clients",
		(json_int_t)s->n_clients, "connections", (json_int_t)s->n_connections, "refused",
		(json_int_t)s->n_refused, "commands", (json_int_t)s->n_commands, "local_commands",
		(json_int_t)s->n_local, "commands_per_second", (json_int_t)s->commands_per_second,
		"used_bytes", (json_int_t)s->used_bytes, "max_bytes", (json_int_t)s->max_bytes,
		"slow_commands", (json_int_t)s->n_slow);
}

static json_t *client_json(const ipk_manager_client *c)
{
	return json_pack("{s:I, s:i, s:s, s:o, s:o, s:I, s:I, s:I, s:o, s:o}", "id",
			 (json_int_t)c->id, "pid", (int)c->pid, "address", c->address, "name",
			 text_or_null(c->name), "last_command", text_or_null(c->command), "age_ms",
			 (json_int_t)c->age_ms, "commands", (json_int_t)c->n_commands,
			 "unread_bytes", (json_int_t)c->out_bytes, "waits_for",
			 text_or_null(c->waits_for), "waits_ms",
			 c->waits_for[0] ? json_integer(c->waits_ms) : json_null());
}

static json_t *object_json(const ipk_manager_object *o)
{
	bool is_held = o->holder != 0;

	return json_pack("{s:s, s:s, s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "name",
			 o->name, "type", o->type, "length", (json_int_t)o->len, "bytes",
			 (json_int_t)o->n_bytes, "ttl_ms",
			 o->ttl_ms >= 0 ? json_integer(o->ttl_ms) : json_null(), "limit",
			 (json_int_t)o->limit, "count", (json_int_t)o->count, "waiters",
			 (json_int_t)o->n_waiters, "unfinished", (json_int_t)o->n_unfinished,
			 "holder", is_held ? json_integer((json_int_t)o->holder) : json_null(),
			 "holder_pid", o->holder_pid ? json_integer(o->holder_pid) : json_null(),
			 "held_ms", is_held ? json_integer(o->held_ms) : json_null());
}

static json_t *slow_json(const ipk_manager_slow *s)
{
	return json_pack("{s:I, s:I, s:I, s:s}", "ago_ms", (json_int_t)s->ago_ms, "took_ns",
			 (json_int_t)s->took_ns, "client", (json_int_t)s->client, "command",
			 s->command);
}

json_t *manager_json(const ipk_manager_snapshot *snap)
{
	json_t *objects = json_array();
	json_t *clients = json_array();
	json_t *slow = json_array();
	const void *p;

	for (size_t i = 0; (p = ipk_manager_snapshot_object(snap, i)); i++)
		json_array_append_new(objects, object_json(p));
	for (size_t i = 0; (p = ipk_manager_snapshot_client(snap, i)); i++)
		json_array_append_new(clients, client_json(p));
	for (size_t i = 0; (p = ipk_manager_snapshot_slow(snap, i)); i++)
		json_array_append_new(slow, slow_json(p));
	return json_pack("{s:o, s:o, s:o, s:o}", "manager",
			 summary_json(ipk_manager_snapshot_summary(snap)), "objects", objects,
			 "clients", clients, "slow", slow);
}
