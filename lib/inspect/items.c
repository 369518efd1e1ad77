/*
 * items.c - what lies in values and arrays, as text.
 *
 * An item is its bits until here; what they mean is in the table of typecode.c. Numbers are
 * written with as many digits as it takes to read the same number back, and whatever the
 * locale.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "inspect/inspect_internal.h"
#include "value/value_internal.h"

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

/* The locale's decimal point may be any character, or several. */
static void make_plain(char *text)
{
	static const char plain[] = "0123456789+-einf";
	char *point = text + strspn(text, plain);
	size_t n = strcspn(point, plain);

	if (n == 0)
		return;
	*point = '.';
	memmove(point + 1, point + n, strlen(point + n) + 1);
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
		snprintf(item->text, sizeof item->text, "%.*g", digits, value);
		digits++;
	} while (is_single ? digits <= 9 && strtof(item->text, NULL) != single
			   : digits <= 17 && strtod(item->text, NULL) != value);
	make_plain(item->text);
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

int ipk__note_items(struct ipk__object *o, const struct ipk__type *type,
		    const struct ipk__head *heads, size_t n)
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
