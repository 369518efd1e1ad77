/*
 * items.c - the items of values and arrays, as text.
 *
 * Up to here an item is raw bits; the table in typecode.c says how to interpret them. Numbers are
 * printed with enough digits to parse back to the same number, independent of the locale.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "base/decimal.h"
#include "inspect/inspect_internal.h"
#include "value/value_internal.h"

/* The beginning of an item. */
struct head {
	unsigned char bytes[IPK__HEAD_BYTES];
};

static void write_bytes(const unsigned char *bytes, size_t n, struct ipk__item *item)
{
	char *text = item->text;

	for (size_t i = 0; i < IPK__MIN(n, IPK__HEAD_BYTES); i++)
		text += snprintf(text, 3, "%02x", bytes[i]);
	if (n > IPK__HEAD_BYTES)
		memcpy(text, "..", sizeof "..");
}
_Static_assert(sizeof(struct ipk__item) >= 2 * IPK__HEAD_BYTES + sizeof "..", "room for a struct");

static void write_char(char c, struct ipk__item *item)
{
	const char text[] = {c, '\0'};

	if (c == '\0')
		memcpy(item->text, "\\x00", sizeof "\\x00");
	else
		ipk__printable(text, true, item->text, sizeof item->text);
}

static void write_float(uint64_t bits, size_t n_bytes, struct ipk__item *item)
{
	bool is_single = n_bytes == sizeof(float);
	uint32_t half = (uint32_t)bits;
	int digits = is_single ? 6 : 15;
	double value = 0;
	float single;

	memcpy(&single, &half, sizeof single);
	memcpy(&value, &bits, sizeof value);
	if (is_single)
		value = (double)single;
	if (value != value) {
		memcpy(item->text, "nan", sizeof "nan");
		return;
	}
	do {
		ipk__decimal(item->text, sizeof item->text, "%.*g", digits, value);
		digits++;
	} while (is_single ? digits <= 9 && ipk__read_float(item->text, NULL) != single
			   : digits <= 17 && ipk__read_double(item->text, NULL) != value);
}

static void write_number(const struct ipk__type *type, uint64_t bits, struct ipk__item *item)
{
	unsigned n_spare = 64 - 8 * type->n_bytes;
	int64_t value = (int64_t)(bits << n_spare) >> n_spare;

	switch (type->kind) {
	case IPK__TYPE_CHAR:
		write_char((char)bits, item);
		break;
	case IPK__TYPE_BOOL:
		snprintf(item->text, sizeof item->text, bits ? "true" : "false");
		break;
	case IPK__TYPE_SIGNED:
		snprintf(item->text, sizeof item->text, "%jd", (intmax_t)value);
		break;
	case IPK__TYPE_UNSIGNED:
		snprintf(item->text, sizeof item->text, "%ju", (uintmax_t)bits);
		break;
	default:
		write_float(bits, type->n_bytes, item);
	}
}

/* What the first @n items begin with. @type NULL: they are structs. */
static int note_items(struct ipk__object *o, const struct ipk__type *type, const struct head *heads,
		      size_t n)
{
	o->items = n > 0 ? ipk__os_calloc(n, sizeof *o->items) : NULL;
	if (n > 0 && !o->items)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (type)
			write_number(type, ipk__bits_of(type, heads[i].bytes), &o->items[i]);
		else
			write_bytes(heads[i].bytes, o->pub.item_bytes, &o->items[i]);
	}
	o->pub.n_shown = n;
	return 0;
}

/* --- objects ---------------------------------------------------------------------------------- */

static int note_type(const struct ipk__shm_object *object, uint64_t item_bytes,
		     struct ipk__object *o, const struct ipk__type **ret_type)
{
	int r = ipk__type_check(object->flags, item_bytes, ret_type);

	if (r < 0)
		return r;
	o->pub.typecode = *ret_type ? (*ret_type)->typecode : '\0';
	o->pub.item_bytes = item_bytes;
	o->pub.has_lock = (object->flags & IPK__FLAG_RAW) == 0;
	return 0;
}

/* The copy that counts, as long as the count of stores is the same before and after. */
static int read_struct(const struct ipk__peek *p, uint64_t item_bytes, struct head *ret_head)
{
	const struct ipk__shm_value *shm = (const struct ipk__shm_value *)p->copy;
	uint64_t before = atomic_load_explicit(&shm->word, memory_order_acquire);
	uint64_t copy_bytes = ipk__round_up(item_bytes, sizeof(uint64_t));
	uint64_t after;
	int r = ipk__read_at(p, offsetof(struct ipk__shm_pair, words) + (before & 1) * copy_bytes,
			     ret_head, IPK__MIN(item_bytes, sizeof *ret_head));

	if (r == 0)
		r = ipk__os_pread(p->fd, &after, sizeof after,
				  p->offset + offsetof(struct ipk__shm_value, word));
	if (r == 0 && after != before)
		r = -EAGAIN;
	return r;
}

/* Stores may come faster than it can be read: then it is not shown, but it is not damaged. */
static int probe_struct(const struct ipk__peek *p, struct ipk__object *o)
{
	struct ipk__peek again = *p;
	struct head head = {0};
	int r = o->pub.item_bytes > p->n_bytes / 2 ? -EBADMSG
						   : read_struct(p, o->pub.item_bytes, &head);

	for (int i = 1; r == -EAGAIN && i < IPK__PROBE_TRIES; i++) {
		r = ipk__os_pread(p->fd, again.copy, sizeof(struct ipk__shm_value), p->offset);
		again.n_copied = sizeof(struct ipk__shm_value);
		if (r == 0)
			r = read_struct(&again, o->pub.item_bytes, &head);
	}
	return r < 0 && r != -EAGAIN ? r : note_items(o, NULL, &head, r == 0);
}

int ipk__probe_value(const struct ipk__peek *p, struct ipk__object *o)
{
	const struct ipk__shm_value *shm = (const struct ipk__shm_value *)p->copy;
	const struct ipk__type *type;
	struct head head = {0};
	int r = note_type(&shm->object, shm->item_bytes, o, &type);

	if (r == 0 && o->pub.has_lock)
		r = ipk__note_guard(&shm->guard, o);
	if (r < 0)
		return r;
	o->pub.n_items = 1;
	if (!type)
		return probe_struct(p, o);
	memcpy(head.bytes, &shm->word, sizeof shm->word);
	return note_items(o, type, &head, 1);
}

int ipk__probe_array(const struct ipk__peek *p, struct ipk__object *o)
{
	const struct ipk__shm_array *shm = (const struct ipk__shm_array *)p->copy;
	struct head heads[IPK__ITEMS_SHOWN] = {0};
	const struct ipk__type *type;
	uint64_t n_bytes;
	int r = note_type(&shm->object, shm->item_bytes, o, &type);

	if (r == 0 && (__builtin_mul_overflow(shm->n_items, shm->item_bytes, &n_bytes) ||
		       n_bytes > p->n_bytes - offsetof(struct ipk__shm_array, data)))
		r = -EBADMSG;
	for (uint64_t i = 0; r == 0 && i < IPK__MIN(shm->n_items, IPK__ITEMS_SHOWN); i++)
		r = ipk__read_at(p, offsetof(struct ipk__shm_array, data) + i * shm->item_bytes,
				 &heads[i], IPK__MIN(shm->item_bytes, sizeof heads[i]));
	if (r == 0 && o->pub.has_lock)
		r = ipk__note_guard(&shm->guard, o);
	if (r < 0)
		return r;
	o->pub.n_items = shm->n_items;
	return note_items(o, type, heads, IPK__MIN(shm->n_items, IPK__ITEMS_SHOWN));
}
