/*
 * show_pool.c - pools and the children of processes, as text and as JSON: which worker runs
 * what and for how long, what is queued, what failed and why, and what to do about it.
 */
#include <inttypes.h>
#include <string.h>

#include "ipc_inspect.h"

static const char *s_of(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* --- in a word -------------------------------------------------------------------------------- */

void pool_word(const ipk_inspect_object *o, char *buf, size_t buf_bytes)
{
	const ipk_progress *p = ipk_inspect_progress_of(o);

	snprintf(buf, buf_bytes, "%zu worker%s, %zu busy, %" PRIu64 " queued", o->n_alive,
		 s_of(o->n_alive), o->n_busy, p ? p->n_queued : 0);
}

void processes_word(const ipk_inspect_object *o, char *buf, size_t buf_bytes)
{
	snprintf(buf, buf_bytes, "%zu running, %" PRIu64 " started", o->n_alive, o->n_started);
}

/* --- a pool, for people ----------------------------------------------------------------------- */

static void print_since(int64_t ns)
{
	if (ns < 0)
		return;
	fputs(" for ", stdout);
	print_duration(ns);
}

/* A line for each cause of failure that occurred. */
static void print_failures(const ipk_progress *p)
{
	const struct {
		uint64_t n;
		const char *text;
	} causes[] = {
		{p->n_task_errors, "by task error"},
		{p->n_died, "by worker death"},
		{p->n_timeouts, "by timeout"},
		{p->n_quarantined, "by quarantine: such tasks kept killing workers"},
		{p->n_too_large, "by too large a result"},
	};
	const char *word = "failed";

	for (size_t i = 0; i < sizeof causes / sizeof *causes; i++) {
		if (causes[i].n == 0)
			continue;
		print_word(word);
		printf("%" PRIu64 " %s\n", causes[i].n, causes[i].text);
		word = "";
	}
}

static void print_progress(const ipk_inspect_object *o, const ipk_progress *p)
{
	print_word("tasks");
	printf("%" PRIu64 " done, %" PRIu64 " failed, %" PRIu64 " cancelled, %" PRIu64
	       " running, %" PRIu64 " queued; %" PRIu64 " submitted\n",
	       p->n_done, p->n_failed, p->n_cancelled, p->n_running, p->n_queued, p->n_submitted);
	if (o->n_ready + o->n_backlog > 0) {
		print_word("queue");
		printf("%" PRIu64 " ready, %" PRIu64 " in the backlog\n", o->n_ready, o->n_backlog);
	}
	print_failures(p);
	if (p->n_retried > 0 || p->n_replaced > 0) {
		print_word("recovery");
		printf("%" PRIu64 " task%s retried, %" PRIu32 " worker%s replaced\n", p->n_retried,
		       s_of(p->n_retried), p->n_replaced, s_of(p->n_replaced));
	}
}

static void print_task(const ipk_inspect_worker *w)
{
	printf(" at %s", *w->function ? w->function : "a task");
	if (w->item != IPK_INSPECT_UNKNOWN)
		printf(", item %" PRIu64 " of %" PRIu64, w->item, w->n_items);
	if (w->attempt > 1)
		printf(", attempt %" PRIu32, w->attempt);
	if (w->was_asked_to_stop)
		fputs(", asked to stop", stdout);
}

static void print_worker(const ipk_inspect_worker *w)
{
	printf("%" PRIu32 ": ", w->number);
	if (w->pid != 0 && w->is_gone)
		printf("process %" PRIu32 " ", w->pid);
	else if (w->pid != 0)
		printf("process %" PRIu32 " (%s) ", w->pid, w->comm);
	if (w->is_gone)
		printf("died while %s", ipk_inspect_worker_state_name(w->state));
	else
		fputs(ipk_inspect_worker_state_name(w->state), stdout);
	if (w->state == IPK_INSPECT_BUSY)
		print_task(w);
	print_since(w->since_ns);
	if (w->is_stopped)
		fputs("; STOPPED", stdout);
	if (w->state == IPK_INSPECT_FAILED)
		printf(": initializer returned %d", w->code);
	printf("; %" PRIu64 " done\n", w->n_done);
}

void pool_text(const ipk_inspect_object *o)
{
	const ipk_progress *p = ipk_inspect_progress_of(o);

	if (p)
		print_progress(o, p);
	if (o->shutdown != 0) {
		print_word("shutdown");
		puts(o->shutdown == IPK_DRAIN
			     ? "draining: new tasks refused, workers exit after the last one"
			     : "now: workers exit after their current task");
	}
	for (size_t i = 0; i < o->n_workers; i++) {
		print_word(i == 0 ? "workers" : "");
		print_worker(ipk_inspect_worker_at(o, i));
	}
}

/* --- children, for people --------------------------------------------------------------------- */

static void print_end(const ipk_inspect_child *c)
{
	const ipk_process_status *s = &c->status;

	if (s->signal != 0)
		printf(" terminated by signal %d%s%s", s->signal, s->core ? ", core dumped" : "",
		       s->is_oom ? ", out of memory" : "");
	else
		printf(" exited with %d", s->exit_code);
	printf("; CPU %.2f s, memory ", (double)(s->user_ns + s->system_ns) / 1e9);
	print_bytes(s->max_rss_bytes);
}

static void print_child(const ipk_inspect_child *c)
{
	printf("process %" PRIu32 " (%s), %s%s:", c->pid, c->name,
	       ipk_inspect_start_method_name(c->start_method),
	       c->flags & IPK_PROCESS_DAEMON ? ", daemon" : "");
	if (c->is_zombie)
		fputs(" zombie, not yet reaped by its parent", stdout);
	else if (c->is_running)
		fputs(c->is_stopped ? " STOPPED, alive" : " running", stdout);
	else if (c->is_known)
		print_end(c);
	else
		fputs(" exit status unknown", stdout);
	if (c->is_running && !c->is_zombie)
		print_since(c->age_ns);
	if (c->ended_ns >= 0) {
		fputs("; ", stdout);
		print_duration(c->ended_ns);
		fputs(" ago", stdout);
	}
	putchar('\n');
}

void processes_text(const ipk_inspect_object *o)
{
	for (size_t i = 0; i < o->n_children; i++) {
		print_word(i == 0 ? "children" : "");
		print_child(ipk_inspect_child_at(o, i));
	}
}

void hints_text(const ipk_inspect_object *o)
{
	for (size_t i = 0; i < o->n_hints; i++) {
		print_word(i == 0 ? "hint" : "");
		puts(ipk_inspect_hint_at(o, i));
	}
}

/* --- as JSON ---------------------------------------------------------------------------------- */

static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static json_t *progress_json(const ipk_progress *p)
{
	const struct {
		const char *key;
		uint64_t n;
	} numbers[] = {
		{"submitted", p->n_submitted}, {"done", p->n_done},
		{"failed", p->n_failed},       {"task_errors", p->n_task_errors},
		{"died", p->n_died},           {"timeouts", p->n_timeouts},
		{"too_large", p->n_too_large}, {"quarantined", p->n_quarantined},
		{"cancelled", p->n_cancelled}, {"retried", p->n_retried},
		{"running", p->n_running},     {"queued", p->n_queued},
		{"workers", p->n_workers},     {"replaced", p->n_replaced},
	};
	json_t *object = json_object();

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		json_object_set_new(object, numbers[i].key, json_number(numbers[i].n));
	return object;
}

static json_t *worker_json(const ipk_inspect_worker *w)
{
	bool is_busy = w->state == IPK_INSPECT_BUSY;
	bool has_item = w->item != IPK_INSPECT_UNKNOWN;

	return json_pack(
		"{s:i, s:o, s:s, s:s, s:b, s:b, s:b, s:o, s:o, s:o, s:o, s:i, s:o, s:o, s:o, s:o,"
		" s:o}",
		"number", (int)w->number, "pid", w->pid ? json_number(w->pid) : json_null(), "comm",
		w->comm, "state", ipk_inspect_worker_state_name(w->state), "gone", w->is_gone,
		"stopped", w->is_stopped, "asked_to_stop", w->was_asked_to_stop, "code",
		w->state == IPK_INSPECT_FAILED ? json_integer(w->code) : json_null(), "since_s",
		json_seconds(w->since_ns), "age_s", json_seconds(w->age_ns), "done",
		json_number(w->n_done), "started", (int)w->n_started, "function",
		text_or_null(w->function), "attempt",
		w->attempt > 0 ? json_number(w->attempt) : json_null(), "item",
		has_item ? json_number(w->item) : json_null(), "items",
		has_item ? json_number(w->n_items) : json_null(), "argument_bytes",
		is_busy && !has_item ? json_number(w->arg_bytes) : json_null());
}

static json_t *hints_json(const ipk_inspect_object *o)
{
	json_t *hints = json_array();

	for (size_t i = 0; i < o->n_hints; i++)
		json_array_append_new(hints, json_string(ipk_inspect_hint_at(o, i)));
	return hints;
}

void pool_json(json_t *object, const ipk_inspect_object *o)
{
	const ipk_progress *p = ipk_inspect_progress_of(o);
	json_t *workers = json_array();

	for (size_t i = 0; i < o->n_workers; i++)
		json_array_append_new(workers, worker_json(ipk_inspect_worker_at(o, i)));
	json_object_set_new(object, "threads", json_boolean(o->is_threads));
	json_object_set_new(object, "alive", json_number(o->n_alive));
	json_object_set_new(object, "busy", json_number(o->n_busy));
	json_object_set_new(object, "ready", json_number(o->n_ready));
	json_object_set_new(object, "backlog", json_number(o->n_backlog));
	json_object_set_new(object, "shutdown", json_shutdown(o->shutdown));
	json_object_set_new(object, "progress", p ? progress_json(p) : json_null());
	json_object_set_new(object, "workers", workers);
	json_object_set_new(object, "hints", hints_json(o));
}

static void add_end(json_t *object, const ipk_inspect_child *c)
{
	const ipk_process_status *s = &c->status;
	bool is_known = c->is_known;

	json_object_set_new(object, "exit_code",
			    is_known && s->signal == 0 ? json_integer(s->exit_code) : json_null());
	json_object_set_new(object, "signal",
			    is_known && s->signal != 0 ? json_integer(s->signal) : json_null());
	json_object_set_new(object, "core", is_known ? json_boolean(s->core) : json_null());
	json_object_set_new(object, "oom", is_known ? json_boolean(s->is_oom) : json_null());
	json_object_set_new(object, "user_s", is_known ? json_seconds(s->user_ns) : json_null());
	json_object_set_new(object, "system_s",
			    is_known ? json_seconds(s->system_ns) : json_null());
	json_object_set_new(object, "max_rss_bytes",
			    is_known ? json_number(s->max_rss_bytes) : json_null());
}

static json_t *child_json(const ipk_inspect_child *c)
{
	json_t *object = json_pack(
		"{s:I, s:s, s:s, s:b, s:b, s:b, s:b, s:o, s:o}", "pid", (json_int_t)c->pid, "name",
		c->name, "start_method", ipk_inspect_start_method_name(c->start_method), "daemon",
		(c->flags & IPK_PROCESS_DAEMON) != 0, "running", c->is_running && !c->is_zombie,
		"zombie", c->is_zombie, "stopped", c->is_stopped, "age_s", json_seconds(c->age_ns),
		"ended_s", json_seconds(c->ended_ns));

	if (object)
		add_end(object, c);
	return object;
}

void processes_json(json_t *object, const ipk_inspect_object *o)
{
	json_t *children = json_array();

	for (size_t i = 0; i < o->n_children; i++)
		json_array_append_new(children, child_json(ipk_inspect_child_at(o, i)));
	json_object_set_new(object, "running", json_number(o->n_alive));
	json_object_set_new(object, "started", json_number(o->n_started));
	json_object_set_new(object, "unseen", json_number(o->n_unseen));
	json_object_set_new(object, "children", children);
	json_object_set_new(object, "hints", hints_json(o));
}
