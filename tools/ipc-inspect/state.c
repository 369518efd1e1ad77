/* state.c - the state of locks, values and other small objects: a word, a line, or JSON. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ipc_inspect.h"

static void bytes_text(uint64_t n_bytes, char *buf, size_t buf_bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double n = (double)n_bytes;
	size_t unit = 0;

	for (; n >= 1024 && unit < 6; unit++)
		n /= 1024;
	snprintf(buf, buf_bytes, unit == 0 || n >= 100 ? "%.0f %s" : "%.1f %s", n, units[unit]);
}

void print_bytes(uint64_t n_bytes)
{
	char text[32];

	bytes_text(n_bytes, text, sizeof text);
	fputs(text, stdout);
}

/* --- in a word -------------------------------------------------------------------------------- */

static void lock_word(const ipk_inspect_object *o, char *buf, size_t buf_bytes)
{
	const ipk_inspect_thread *t = ipk_inspect_holder_at(o, 0);

	if (!t)
		snprintf(buf, buf_bytes, "free");
	else if (t->what == IPK_INSPECT_READ_LOCK)
		snprintf(buf, buf_bytes, "%zu reader%s", o->n_holders,
			 o->n_holders == 1 ? "" : "s");
	else
		snprintf(buf, buf_bytes, "held %" PRIu32, t->tid);
}

static void semaphore_word(const ipk_inspect_object *o, char *buf, size_t buf_bytes)
{
	if (o->max_tokens > 0)
		snprintf(buf, buf_bytes, "%" PRIu64 "/%" PRIu64, o->n_tokens, o->max_tokens);
	else
		snprintf(buf, buf_bytes, "%" PRIu64, o->n_tokens);
}

static void barrier_word(const ipk_inspect_object *o, char *buf, size_t buf_bytes)
{
	if (o->is_broken)
		snprintf(buf, buf_bytes, "broken");
	else
		snprintf(buf, buf_bytes, "%" PRIu64 "/%" PRIu64, o->n_arrived, o->n_parties);
}

static void once_word(const ipk_inspect_object *o, char *buf, size_t buf_bytes)
{
	const ipk_inspect_thread *t = ipk_inspect_holder_at(o, 0);

	if (t && !o->is_set)
		snprintf(buf, buf_bytes, "running %" PRIu32, t->tid);
	else
		snprintf(buf, buf_bytes, o->is_set ? "done" : "not done");
}

static void item_word(const ipk_inspect_object *o, size_t i, char *buf, size_t buf_bytes)
{
	const char *text = ipk_inspect_item_at(o, i);
	const char *quote = o->typecode == 'c' ? "'" : "";

	snprintf(buf, buf_bytes, "%s%s%s", quote, text ? text : "-", quote);
}

void state_word(const ipk_inspect_object *o, char *buf, size_t buf_bytes)
{
	switch (o->kind) {
	case IPK_INSPECT_LOCK:
	case IPK_INSPECT_RWLOCK:
		lock_word(o, buf, buf_bytes);
		break;
	case IPK_INSPECT_SEMAPHORE:
		semaphore_word(o, buf, buf_bytes);
		break;
	case IPK_INSPECT_EVENT:
		snprintf(buf, buf_bytes, o->is_set ? "set" : "clear");
		break;
	case IPK_INSPECT_BARRIER:
		barrier_word(o, buf, buf_bytes);
		break;
	case IPK_INSPECT_ONCE:
		once_word(o, buf, buf_bytes);
		break;
	case IPK_INSPECT_VALUE:
		item_word(o, 0, buf, buf_bytes);
		break;
	case IPK_INSPECT_ARRAY:
		snprintf(buf, buf_bytes, "%" PRIu64 " item%s", o->n_items,
			 o->n_items == 1 ? "" : "s");
		break;
	case IPK_INSPECT_SHM:
		bytes_text(o->size_bytes, buf, buf_bytes);
		break;
	case IPK_INSPECT_POOL:
		pool_word(o, buf, buf_bytes);
		break;
	case IPK_INSPECT_PROCESSES:
		processes_word(o, buf, buf_bytes);
		break;
	default:
		snprintf(buf, buf_bytes, "-");
	}
}

/* --- in a line -------------------------------------------------------------------------------- */

static void print_items(const ipk_inspect_object *o)
{
	char word[64];

	printf("%" PRIu64 " item%s of ", o->n_items, o->n_items == 1 ? "" : "s");
	print_bytes(o->item_bytes);
	for (size_t i = 0; i < o->n_shown; i++) {
		item_word(o, i, word, sizeof word);
		printf("%s %s", i == 0 ? ":" : ",", word);
	}
	if (o->n_shown > 0 && o->n_shown < o->n_items)
		fputs(", ...", stdout);
}

static void print_value(const ipk_inspect_object *o)
{
	char word[64];

	item_word(o, 0, word, sizeof word);
	fputs(word, stdout);
	if (o->typecode == 0) {
		fputs(", ", stdout);
		print_bytes(o->item_bytes);
	}
}

void state_print(const ipk_inspect_object *o)
{
	char word[64];

	switch (o->kind) {
	case IPK_INSPECT_SEMAPHORE:
		printf("%" PRIu64 " token%s", o->n_tokens, o->n_tokens == 1 ? "" : "s");
		if (o->max_tokens > 0)
			printf(" of %" PRIu64, o->max_tokens);
		fputs(" available", stdout);
		break;
	case IPK_INSPECT_BARRIER:
		printf("%s%" PRIu64 " of %" PRIu64 " parties arrived",
		       o->is_broken ? "broken until reset; " : "", o->n_arrived, o->n_parties);
		break;
	case IPK_INSPECT_VALUE:
		print_value(o);
		break;
	case IPK_INSPECT_ARRAY:
		print_items(o);
		break;
	default:
		state_word(o, word, sizeof word);
		fputs(word, stdout);
	}
	if (o->kind == IPK_INSPECT_VALUE || o->kind == IPK_INSPECT_ARRAY)
		fputs(o->has_lock ? "; with a lock" : "; without a lock", stdout);
}

/* --- as JSON ---------------------------------------------------------------------------------- */

/* JSON has neither nan nor inf: they become strings, as characters and structs do. */
static json_t *json_float(const char *text)
{
	double value = strtod(text, NULL);

	return isfinite(value) ? json_real(value) : json_string(text);
}

static json_t *json_unsigned(const char *text)
{
	unsigned long long n = strtoull(text, NULL, 10);

	return n > INT64_MAX ? json_real((double)n) : json_integer((json_int_t)n);
}

json_t *state_item(const ipk_inspect_object *o, size_t i)
{
	const char *text = ipk_inspect_item_at(o, i);

	if (!text || o->typecode == 0 || o->typecode == 'c')
		return text ? json_string(text) : json_null();
	if (o->typecode == '?')
		return json_boolean(strcmp(text, "true") == 0);
	if (o->typecode == 'f' || o->typecode == 'd')
		return json_float(text);
	return strchr("BHILQ", o->typecode) ? json_unsigned(text)
					    : json_integer(strtoll(text, NULL, 10));
}
