/*
 * show_text.c - everything about one object as text: one fact per line, with the conclusion
 * where there is one (who holds a lock that others wait for, who died, what happens next).
 */
#include <errno.h>
#include <inttypes.h>

#include "ipc_inspect.h"

const char *trouble_name(int error)
{
	switch (error) {
	case -EBADMSG:
	case -ENODATA:
	case -EPROTO:
	case -ENOTRECOVERABLE:
		return "damaged";
	default:
		return "unreadable";
	}
}

void print_word(const char *what)
{
	printf("  %-9s", what);
}

void print_duration(int64_t ns)
{
	double seconds = (double)ns / 1e9;

	if (seconds < 120)
		printf("%.1f s", seconds);
	else if (seconds < 7200)
		printf("%.0f min", seconds / 60);
	else
		printf("%.1f h", seconds / 3600);
}

/* --- what it is ------------------------------------------------------------------------------- */

static void print_heading(const ipk_inspect_object *o)
{
	printf("%s %s\n", ipk_inspect_kind_name(o), o->name);
	print_word("id");
	printf("%" PRIu64 ", of user %" PRIu32 "%s\n", o->id, o->uid,
	       o->is_unlinked ? ", unlinked: only its users still have it"
	       : o->is_named  ? ", named"
			      : ", anonymous");
}

/* A process may choose its name: it stands in parentheses, our own words stand outside. */
static void print_process(uint32_t pid, const char *name, bool is_gone)
{
	printf("process %" PRIu32, pid);
	if (is_gone)
		fputs(", dead", stdout);
	else if (name)
		printf(" (%s)", name);
}

static void print_origin(const ipk_inspect_object *o)
{
	if (o->memory_bytes != IPK_INSPECT_UNKNOWN) {
		print_word("memory");
		print_bytes(o->memory_bytes);
		putchar('\n');
	}
	if (o->creator_pid != 0) {
		print_word("created");
		printf("by ");
		print_process(o->creator_pid, o->is_foreign ? NULL : o->creator,
			      o->creator_is_gone);
		if (o->age_ns >= 0) {
			fputs(", ", stdout);
			print_duration(o->age_ns);
			fputs(" ago", stdout);
		}
		putchar('\n');
	}
	if (o->is_foreign) {
		print_word("");
		puts("in another pid namespace: its pids are those of that namespace");
	}
}

/* --- how full it is --------------------------------------------------------------------------- */

static void print_channel(const ipk_inspect_object *o, size_t i)
{
	const ipk_inspect_channel *channel = ipk_inspect_channel_at(o, i);

	print_word(o->n_channels == 1 ? "queued" : i == 0 ? "forward" : "backward");
	printf("%" PRIu64 " item%s", channel->n_items, channel->n_items == 1 ? "" : "s");
	if (o->max_items > 0)
		printf(" of %" PRIu64, o->max_items);
	if (channel->message_bytes != IPK_INSPECT_UNKNOWN) {
		fputs(", ", stdout);
		print_bytes(channel->message_bytes);
	}
	if (o->max_bytes > 0) {
		fputs(" of ", stdout);
		print_bytes(o->max_bytes);
	}
	if (channel->room_bytes != IPK_INSPECT_UNKNOWN) {
		fputs("; memory ", stdout);
		print_bytes(channel->used_bytes);
		fputs(" of ", stdout);
		print_bytes(channel->room_bytes);
	}
	if (channel->n_put != IPK_INSPECT_UNKNOWN)
		printf("; put %" PRIu64 ", got %" PRIu64, channel->n_put, channel->n_got);
	putchar('\n');
}

static void print_flow(const ipk_inspect_object *o)
{
	for (size_t i = 0; i < o->n_channels; i++)
		print_channel(o, i);
	print_word("limit");
	print_bytes(o->max_message_bytes);
	puts(" per message");
	if (o->n_leased > 0) {
		print_word("loans");
		printf("%" PRIu64 " outstanding\n", o->n_leased);
	}
	if (o->kind == IPK_INSPECT_QUEUE && o->n_unfinished != IPK_INSPECT_UNKNOWN) {
		print_word("pending");
		printf("%" PRIu64 " put but not marked done\n", o->n_unfinished);
	}
	if (o->shutdown != 0) {
		print_word("shutdown");
		puts(o->shutdown == IPK_DRAIN ? "draining: puts refused, gets until it is empty"
					      : "now: puts and gets refused");
	}
	if (o->needs_repair) {
		print_word("repair");
		puts("a user died inside a call; the next call repairs it");
	}
}

static void print_state(const ipk_inspect_object *o)
{
	if (o->n_channels > 0) {
		print_flow(o);
		return;
	}
	print_word("state");
	state_print(o);
	putchar('\n');
	if (o->kind == IPK_INSPECT_POOL)
		pool_text(o);
	if (o->kind == IPK_INSPECT_PROCESSES)
		processes_text(o);
	if (o->needs_repair) {
		print_word("repair");
		puts("a writer died while it held the lock; no writer has locked it since");
	}
}

/* --- who -------------------------------------------------------------------------------------- */

static void print_thread(const ipk_inspect_thread *t, const char *word)
{
	printf("%s %" PRIu32, word, t->tid);
	if (t->is_gone)
		fputs(", dead,", stdout);
	else if (*t->comm)
		printf(" (%s)", t->comm);
	if (t->pid != 0 && t->pid != t->tid)
		printf(" of process %" PRIu32, t->pid);
}

static void print_held(const ipk_inspect_thread *t)
{
	const char *what = ipk_inspect_what_name(t->what);

	if (t->what == IPK_INSPECT_TOKEN)
		printf(" holds %" PRIu32 " %s%s\n", t->n_times, what, t->n_times == 1 ? "" : "s");
	else if (t->n_times > 1)
		printf(" holds the %s %" PRIu32 " times\n", what, t->n_times);
	else
		printf(" holds the %s\n", what);
}

static void print_holders(const ipk_inspect_object *o)
{
	for (size_t i = 0; i < o->n_holders; i++) {
		const ipk_inspect_thread *t = ipk_inspect_holder_at(o, i);

		print_word(i == 0 ? "holder" : "");
		print_thread(t, t->what == IPK_INSPECT_TOKEN ? "process" : "thread");
		print_held(t);
	}
}

static void print_waiters(const ipk_inspect_object *o)
{
	for (size_t i = 0; i < o->n_waiters; i++) {
		const ipk_inspect_thread *t = ipk_inspect_waiter_at(o, i);

		print_word(i == 0 ? "waiter" : "");
		print_thread(t, "thread");
		printf(" %s %s", t->is_gone ? "was blocked on" : "blocked on",
		       ipk_inspect_what_name(t->what));
		if (t->since_ns >= 0 && !t->is_gone) {
			fputs(" for ", stdout);
			print_duration(t->since_ns);
		}
		putchar('\n');
	}
}

static void print_users(const ipk_inspect_object *o)
{
	print_word("users");
	if (o->n_users == 0)
		puts("none visible");
	for (size_t i = 0; i < o->n_users; i++) {
		const ipk_inspect_user *user = ipk_inspect_user_at(o, i);

		if (i > 0)
			print_word("");
		print_process(user->pid, user->comm, user->is_gone);
		if (user->n_fds > 1)
			printf(", %" PRIu32 " fds", user->n_fds);
		putchar('\n');
	}
}

void show_text(const ipk_inspect_object *o)
{
	print_heading(o);
	print_origin(o);
	if (o->error) {
		print_word(trouble_name(o->error));
		printf("%s: %s\n", ipk_errname(o->error), ipk_strerror(o->error));
	} else {
		print_state(o);
		print_holders(o);
		print_waiters(o);
	}
	print_users(o);
	hints_text(o);
}
