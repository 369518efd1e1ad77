/*
 * text.c - formats a typed message as one line of text.
 *
 * Invariant: the output is valid UTF-8 without a character that could move a terminal's cursor,
 * hide or reorder text: messages come from other processes, and tools print them beside their own
 * output.
 *
 * The same walk runs twice, first without a buffer, so a malformed message leaves the caller's
 * buffer unchanged. Both stop where the buffer would be full.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "base/decimal.h"
#include "ipk/pack.h"

struct text {
	char *buf; /* NULL: only count */
	size_t room;
	size_t len;
	bool is_full; /* something did not fit */
};

struct level {
	bool is_map;
	uint32_t n_shown;
};

struct walk {
	ipk_reader reader;
	struct text text;
	unsigned depth; /* brackets shown as open */
	struct level levels[IPK_PACK_DEPTH_MAX];
};

static void put(struct text *t, const char *piece, size_t n_bytes)
{
	size_t n = IPK__MIN(n_bytes, t->room - t->len);

	if (t->buf)
		memcpy(t->buf + t->len, piece, n);
	t->len += n;
	t->is_full |= n < n_bytes;
}

static void put_text(struct text *t, const char *piece)
{
	put(t, piece, strlen(piece));
}

static void put_escape(struct text *t, const char *format, unsigned code)
{
	char piece[16];

	snprintf(piece, sizeof piece, format, code);
	put_text(t, piece);
}

/* How many bytes the UTF-8 character at @p takes, 0 when it is none. */
static size_t decode(const unsigned char *p, size_t n_bytes, unsigned *ret_code)
{
	static const unsigned min[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	unsigned code = n == 1 ? p[0] : p[0] & (0x7fu >> n);

	if (n == 0 || n > n_bytes || p[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < min[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	*ret_code = code;
	return n;
}

/* Control characters, and those that are invisible or turn the direction of writing. */
static bool is_unsafe(unsigned code)
{
	static const struct {
		unsigned first, last;
	} ranges[] = {
		{0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},       {0x61c, 0x61c},
		{0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e},   {0x2060, 0x206f},
		{0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe0fff},
	};

	for (size_t i = 0; i < IPK__N_OF(ranges); i++) {
		if (code >= ranges[i].first && code <= ranges[i].last)
			return true;
	}
	return false;
}

static void put_unsafe(struct text *t, unsigned code)
{
	switch (code) {
	case '\n':
		put_text(t, "\\n");
		break;
	case '\r':
		put_text(t, "\\r");
		break;
	case '\t':
		put_text(t, "\\t");
		break;
	default:
		put_escape(t, code > 0xffff ? "\\U%08x" : "\\u%04x", code);
	}
}

/* @p is a copy of up to four bytes. Returns how many of them were shown, 1 or more. */
static size_t put_character(struct text *t, const unsigned char *p, size_t n_bytes)
{
	unsigned code = 0;
	size_t n = decode(p, n_bytes, &code);

	if (n == 0)
		put_escape(t, "\\x%02x", p[0]);
	else if (code == '"' || code == '\\')
		put_escape(t, "\\%c", code);
	else if (is_unsafe(code))
		put_unsafe(t, code);
	else
		put(t, (const char *)p, n);
	return n == 0 ? 1 : n;
}

static void put_string(struct text *t, const char *data, size_t n_bytes)
{
	unsigned char c[4] = {0};
	size_t n;

	put_text(t, "\"");
	while (n_bytes > 0 && !t->is_full) {
		n = IPK__MIN(n_bytes, sizeof c);
		memcpy(c, data, n);
		n = put_character(t, c, n);
		data += n;
		n_bytes -= n;
	}
	put_text(t, "\"");
}

static void put_bytes(struct text *t, const char *data, size_t n_bytes)
{
	put_text(t, "b\"");
	for (size_t i = 0; i < n_bytes && !t->is_full; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c == '"' || c == '\\')
			put_escape(t, "\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			put_escape(t, "\\x%02x", c);
		else
			put(t, (const char *)&c, 1);
	}
	put_text(t, "\"");
}

static void put_digits(struct text *t, const char *digits)
{
	put_text(t, digits);
	if (!strpbrk(digits, ".en"))
		put_text(t, ".0");
}

static void put_double(struct text *t, double value)
{
	char digits[64];

	ipk__decimal(digits, sizeof digits, "%.15g", value);
	if (ipk__read_double(digits, NULL) != value)
		ipk__decimal(digits, sizeof digits, "%.17g", value);
	put_digits(t, value != value ? "nan" : digits);
}

static void put_integer(struct text *t, bool is_negative, uint64_t magnitude)
{
	char digits[32];

	snprintf(digits, sizeof digits, "%s%ju", is_negative ? "-" : "", (uintmax_t)magnitude);
	put_text(t, digits);
}

static void close_to(struct walk *w, unsigned depth)
{
	while (w->depth > depth) {
		w->depth--;
		put_text(&w->text, w->levels[w->depth].is_map ? "}" : "]");
	}
}

static void put_separator(struct walk *w)
{
	struct level *level;

	if (w->depth == 0)
		return;
	level = &w->levels[w->depth - 1];
	if (level->n_shown > 0)
		put_text(&w->text, level->is_map && level->n_shown % 2 ? ": " : ", ");
	level->n_shown++;
}

static void open_bracket(struct walk *w, bool is_map)
{
	put_text(&w->text, is_map ? "{" : "[");
	w->levels[w->depth++] = (struct level){.is_map = is_map};
}

static void put_value(struct walk *w, const ipk_token *token)
{
	switch (token->kind) {
	case IPK_TOKEN_NIL:
		put_text(&w->text, "null");
		break;
	case IPK_TOKEN_BOOL:
		put_text(&w->text, token->boolean ? "true" : "false");
		break;
	case IPK_TOKEN_INT:
		put_integer(&w->text, token->i < 0, token->i < 0 ? -token->u : token->u);
		break;
	case IPK_TOKEN_UINT:
		put_integer(&w->text, false, token->u);
		break;
	case IPK_TOKEN_DOUBLE:
		put_double(&w->text, token->d);
		break;
	case IPK_TOKEN_STRING:
		put_string(&w->text, token->data, token->len_bytes);
		break;
	case IPK_TOKEN_BYTES:
		put_bytes(&w->text, token->data, token->len_bytes);
		break;
	default:
		open_bracket(w, token->kind == IPK_TOKEN_MAP);
	}
}

static int show(struct walk *w, const void *data, size_t len_bytes, char *buf, size_t size_bytes)
{
	ipk_token token;

	ipk_reader_init(&w->reader, data, len_bytes);
	w->text = (struct text){.buf = buf, .room = size_bytes - 1};
	w->depth = 0;
	do {
		IPK_TRY(ipk_reader_next(&w->reader, &token));
		close_to(w, token.depth);
		if (token.kind == IPK_TOKEN_END)
			break;
		put_separator(w);
		put_value(w, &token);
	} while (!w->text.is_full);
	return 0;
}

/* Put "..." over the end, and not into the middle of a character. */
static void mark_cut(struct text *t)
{
	size_t len = t->room - 3;

	while (len > 0 && ((unsigned char)t->buf[len] & 0xc0) == 0x80)
		len--;
	memcpy(t->buf + len, "...", 3);
	t->len = len + 3;
}

int ipk_pack_to_text(const void *data, size_t len_bytes, char *buf, size_t size_bytes,
		     size_t *ret_len)
{
	struct walk w;

	if (!buf || size_bytes < 4)
		return ipk__invalid("buf is NULL, or size_bytes under 4");
	IPK_TRY(show(&w, data, len_bytes, NULL, size_bytes));
	IPK_TRY(show(&w, data, len_bytes, buf, size_bytes));
	if (w.text.is_full)
		mark_cut(&w.text);
	buf[w.text.len] = '\0';
	if (ret_len)
		*ret_len = w.text.len;
	return 0;
}
