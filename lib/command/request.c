/*
 * request.c - what the functions of commands call: keys, what changed, what the log is told.
 *
 * An expired key is removed by the first request that accesses it, and the log is told that before
 * the request itself.
 */
#include <stdarg.h>

#include "command/command.h"

#define EFFECT_WORDS_MAX 16

/* --- keys ------------------------------------------------------------------------------------- */

void ipk__key_remove_expired(struct ipk__db *db, struct ipk__request *q, struct ipk__slice name)
{
	db->host->expires(db, q, name);
	ipk__key_remove(db->store, name);
	db->n_expired++;
	ipk__notify_changed(db, name, IPK__SLICE(NULL, 0));
}

struct ipk__entry *ipk__request_key(struct ipk__request *q, struct ipk__slice name)
{
	struct ipk__entry *key = ipk__key_find(q->store, name);
	int64_t expires_ms = key ? ipk__key_expires_ms(key) : 0;

	/* While the log is loaded, what it says of the end of keys is what happened. */
	if (expires_ms != 0 && expires_ms <= q->now_ms && q->peer) {
		ipk__key_remove_expired(q->db, q, name);
		key = NULL;
	}
	if (q->command && (q->command->flags & IPK__CMD_READ)) {
		q->db->n_hits += key != NULL;
		q->db->n_misses += key == NULL;
	}
	return key;
}

bool ipk__request_typed(struct ipk__request *q, struct ipk__slice name, enum ipk__key_type type,
			struct ipk__entry **ret_key)
{
	struct ipk__entry *key = ipk__request_key(q, name);

	if (key && ipk__key_type(key) != type) {
		ipk__reply_wrong_type(q);
		return false;
	}
	*ret_key = key;
	return true;
}

/* --- changes ---------------------------------------------------------------------------------- */

void ipk__changed(struct ipk__request *q, struct ipk__slice name)
{
	ipk__changed_field(q, name, IPK__SLICE(NULL, 0));
}

void ipk__changed_field(struct ipk__request *q, struct ipk__slice name, struct ipk__slice field)
{
	q->n_changes++;
	ipk__notify_changed(q->db, name, field);
}

void ipk__effect(struct ipk__request *q, size_t argc, const struct ipk__slice *argv)
{
	q->n_effects++;
	q->db->host->effect(q, argc, argv);
}

static struct ipk__slice number(int64_t n, char buf[24])
{
	size_t n_bytes = ipk__int64_to_text(n, buf);

	return IPK__SLICE(buf, n_bytes);
}

void ipk__effectf(struct ipk__request *q, const char *kinds, ...)
{
	struct ipk__slice argv[EFFECT_WORDS_MAX];
	char numbers[EFFECT_WORDS_MAX][24];
	size_t n = 0;
	va_list args;

	va_start(args, kinds);
	for (; n < EFFECT_WORDS_MAX && kinds[n]; n++) {
		if (kinds[n] == 's')
			argv[n] = ipk__slice_of_string(va_arg(args, const char *));
		else if (kinds[n] == 'b')
			argv[n] = va_arg(args, struct ipk__slice);
		else
			argv[n] = number(va_arg(args, int64_t), numbers[n]);
	}
	va_end(args);
	ipk__effect(q, n, argv);
}
