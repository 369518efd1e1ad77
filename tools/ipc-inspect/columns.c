/*
 * columns.c - the columns of ls: one table drives the headings, the cells, the help and the
 * JSON, so none of them can miss a column.
 *
 * A duplex pipe has two directions; its cells show both numbers, as in 3+0.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ipc_inspect.h"

#define CELL_BYTES 1024
#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

typedef uint64_t channel_number(const ipk_inspect_channel *channel);

static uint64_t n_items(const ipk_inspect_channel *channel)
{
	return channel->n_items;
}

static uint64_t n_put(const ipk_inspect_channel *channel)
{
	return channel->n_put;
}

static uint64_t n_got(const ipk_inspect_channel *channel)
{
	return channel->n_got;
}

static uint64_t used_bytes(const ipk_inspect_channel *channel)
{
	return channel->used_bytes;
}

static uint64_t room_bytes(const ipk_inspect_channel *channel)
{
	return channel->room_bytes;
}

/* The sum over all channels; unknown when one is unknown, or there is no channel. */
static uint64_t sum_of_channels(const ipk_inspect_object *o, channel_number *number)
{
	uint64_t sum = o->n_channels > 0 ? 0 : IPK_INSPECT_UNKNOWN;

	for (size_t i = 0; i < o->n_channels; i++) {
		uint64_t n = number(ipk_inspect_channel_at(o, i));

		if (n == IPK_INSPECT_UNKNOWN)
			return n;
		sum += n;
	}
	return sum;
}

/* --- cells: as text, and as JSON -------------------------------------------------------------- */

/* The numbers of all channels, joined by +; "-" when there is no channel. */
static void channels_text(const ipk_inspect_object *o, channel_number *number, char *cell)
{
	size_t at = 0;

	snprintf(cell, CELL_BYTES, "-");
	for (size_t i = 0; i < o->n_channels; i++) {
		uint64_t n = number(ipk_inspect_channel_at(o, i));

		if (n == IPK_INSPECT_UNKNOWN)
			at += (size_t)snprintf(cell + at, CELL_BYTES - at, "%s-", i ? "+" : "");
		else
			at += (size_t)snprintf(cell + at, CELL_BYTES - at, "%s%" PRIu64,
					       i ? "+" : "", n);
	}
}

static void kind_text(const ipk_inspect_object *o, char *cell)
{
	snprintf(cell, CELL_BYTES, "%s", ipk_inspect_kind_name(o));
}

static json_t *kind_json(const ipk_inspect_object *o)
{
	return json_string(ipk_inspect_kind_name(o));
}

static void name_text(const ipk_inspect_object *o, char *cell)
{
	snprintf(cell, CELL_BYTES, "%s", o->name);
}

static json_t *name_json(const ipk_inspect_object *o)
{
	return json_string(o->name);
}

static void users_text(const ipk_inspect_object *o, char *cell)
{
	snprintf(cell, CELL_BYTES, "%zu", o->n_users);
}

static json_t *users_json(const ipk_inspect_object *o)
{
	return json_number(o->n_users);
}

/* The fill level of the fullest channel in bytes; -1 when bytes are not counted. */
static int percent_full(const ipk_inspect_object *o)
{
	int most = -1;

	for (size_t i = 0; i < o->n_channels; i++) {
		const ipk_inspect_channel *channel = ipk_inspect_channel_at(o, i);
		int percent;

		if (channel->room_bytes == IPK_INSPECT_UNKNOWN || channel->room_bytes == 0)
			continue;
		percent = (int)((double)channel->used_bytes * 100 / (double)channel->room_bytes);
		most = percent > most ? percent : most;
	}
	return most;
}

static void fill_text(const ipk_inspect_object *o, char *cell)
{
	int percent = percent_full(o);

	channels_text(o, n_items, cell);
	if (o->max_items > 0)
		snprintf(cell + strlen(cell), CELL_BYTES - strlen(cell), "/%" PRIu64, o->max_items);
	if (percent >= 0)
		snprintf(cell + strlen(cell), CELL_BYTES - strlen(cell), " %d%%", percent);
}

static void state_text(const ipk_inspect_object *o, char *cell)
{
	if (o->n_channels > 0)
		fill_text(o, cell);
	else
		state_word(o, cell, CELL_BYTES);
}

static json_t *state_json(const ipk_inspect_object *o)
{
	char cell[CELL_BYTES];

	state_text(o, cell);
	return json_string(cell);
}

static json_t *fill_json(const ipk_inspect_object *o)
{
	json_t *fill;

	if (o->n_channels == 0)
		return json_null();
	fill = json_object();
	json_object_set_new(fill, "items", json_number(sum_of_channels(o, n_items)));
	json_object_set_new(fill, "max_items",
			    o->max_items ? json_number(o->max_items) : json_null());
	json_object_set_new(fill, "used_bytes", json_number(sum_of_channels(o, used_bytes)));
	json_object_set_new(fill, "room_bytes", json_number(sum_of_channels(o, room_bytes)));
	return fill;
}

static void put_text(const ipk_inspect_object *o, char *cell)
{
	channels_text(o, n_put, cell);
}

static json_t *put_json(const ipk_inspect_object *o)
{
	return json_number(sum_of_channels(o, n_put));
}

static void get_text(const ipk_inspect_object *o, char *cell)
{
	channels_text(o, n_got, cell);
}

static json_t *get_json(const ipk_inspect_object *o)
{
	return json_number(sum_of_channels(o, n_got));
}

/* How many threads wait for @what; with NOTHING: how many of the waiters are dead. */
static size_t count_waiters(const ipk_inspect_object *o, ipk_inspect_what what)
{
	size_t n = 0;

	for (size_t i = 0; i < o->n_waiters; i++) {
		const ipk_inspect_thread *t = ipk_inspect_waiter_at(o, i);

		n += t->is_gone ? what == IPK_INSPECT_NOTHING : what == t->what;
	}
	return n;
}

static void waiting_text(const ipk_inspect_object *o, char *cell)
{
	size_t at = 0;

	for (int what = IPK_INSPECT_DATA; what <= IPK_INSPECT_RESULT; what++) {
		size_t n = count_waiters(o, (ipk_inspect_what)what);

		if (n > 0)
			at += (size_t)snprintf(cell + at, CELL_BYTES - at, "%s%zu %s",
					       at ? ", " : "", n,
					       ipk_inspect_what_name((ipk_inspect_what)what));
	}
	if (at == 0)
		snprintf(cell, CELL_BYTES, "-");
}

static json_t *waiting_json(const ipk_inspect_object *o)
{
	return json_number(o->n_waiters - count_waiters(o, IPK_INSPECT_NOTHING));
}

static json_t *id_json(const ipk_inspect_object *o)
{
	return json_number(o->id);
}

static json_t *error_json(const ipk_inspect_object *o)
{
	return o->error ? json_string(ipk_errname(o->error)) : json_null();
}

/* --- the table -------------------------------------------------------------------------------- */

static const struct column {
	const char *key;     /* in JSON */
	const char *heading; /* NULL: in JSON only */
	const char *help;
	void (*text)(const ipk_inspect_object *o, char *cell);
	json_t *(*json)(const ipk_inspect_object *o);
	bool is_right;  /* numbers are right-aligned */
	bool is_always; /* shown for unreadable objects too */
} columns[] = {
	{"kind", "KIND",
	 "pipe, queue/ and fifo, lifo, priority or mq (POSIX), lock, value/, pool/, ...", kind_text,
	 kind_json, false, true},
	{"name", "NAME", "the name, or the label of an object without one", name_text, name_json,
	 false, true},
	{"users", "USERS", "processes that have it open", users_text, users_json, true, true},
	{"state", "STATE", "items queued / limit, memory used in %; held or free; value; workers",
	 state_text, state_json, true, false},
	{"put", "PUT", "messages put or sent, in total", put_text, put_json, true, false},
	{"get", "GET", "messages got or received, in total", get_text, get_json, true, false},
	{"waiting", "WAITING", "blocked threads, by what they wait for", waiting_text, waiting_json,
	 false, false},
	{"fill", NULL, NULL, NULL, fill_json, false, false},
	{"id", NULL, NULL, NULL, id_json, false, true},
	{"error", NULL, NULL, NULL, error_json, false, true},
};

void columns_help(FILE *out)
{
	for (size_t i = 0; i < N_OF(columns); i++) {
		if (columns[i].heading)
			fprintf(out, "  %-8s  %s\n", columns[i].heading, columns[i].help);
	}
}

json_t *columns_json(const ipk_inspect_object *o)
{
	json_t *row = json_object();

	for (size_t i = 0; i < N_OF(columns); i++) {
		bool is_there = columns[i].is_always || o->error == 0;

		json_object_set_new(row, columns[i].key,
				    is_there ? columns[i].json(o) : json_null());
	}
	return row;
}

/* --- the printed table ------------------------------------------------------------------------ */

static bool is_shown(const struct column *c, const ipk_inspect_object *o)
{
	return c->heading && (c->is_always || o->error == 0);
}

static void find_widths(const ipk_inspect *snap, int widths[N_OF(columns)])
{
	char cell[CELL_BYTES];

	for (size_t i = 0; i < N_OF(columns); i++) {
		widths[i] = columns[i].heading ? (int)strlen(columns[i].heading) : 0;
		for (size_t k = 0; k < ipk_inspect_len(snap); k++) {
			const ipk_inspect_object *o = ipk_inspect_object_at(snap, k);

			if (!is_shown(&columns[i], o))
				continue;
			columns[i].text(o, cell);
			if (widths[i] < (int)strlen(cell))
				widths[i] = (int)strlen(cell);
		}
	}
}

/* The last column is not padded: no line ends in blanks. */
static void print_cell(size_t i, const char *cell, int width)
{
	bool is_last = strcmp(columns[i].key, "waiting") == 0;

	if (i > 0)
		fputs("  ", stdout);
	if (is_last)
		fputs(cell, stdout);
	else
		printf("%*s", columns[i].is_right ? width : -width, cell);
}

static void print_row(const ipk_inspect_object *o, const int widths[N_OF(columns)])
{
	char cell[CELL_BYTES];

	for (size_t i = 0; i < N_OF(columns); i++) {
		if (!is_shown(&columns[i], o))
			continue;
		columns[i].text(o, cell);
		print_cell(i, cell, widths[i]);
	}
	if (o->error)
		printf("  %s: %s %s", trouble_name(o->error), ipk_errname(o->error),
		       ipk_strerror(o->error));
	putchar('\n');
}

void columns_print(const ipk_inspect *snap)
{
	int widths[N_OF(columns)];

	find_widths(snap, widths);
	for (size_t i = 0; i < N_OF(columns); i++) {
		if (columns[i].heading)
			print_cell(i, columns[i].heading, widths[i]);
	}
	putchar('\n');
	for (size_t i = 0; i < ipk_inspect_len(snap); i++)
		print_row(ipk_inspect_object_at(snap, i), widths);
}
