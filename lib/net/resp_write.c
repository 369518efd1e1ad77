/*
 * resp_write.c - writes requests and replies, and numbers as Redis writes and parses them.
 *
 * Every piece is reserved once and then filled in: a reply of a few bytes costs a few stores. The
 * buffer remembers an allocation failure (struct ipk__buffer).
 */
#include <math.h>
#include <stdio.h>

#include "base/decimal.h"
#include "net/resp.h"

enum { HEAD_BYTES_MAX = 24 }; /* a type, 20 digits, CR LF */

size_t ipk__int64_to_text(int64_t n, char buf[24])
{
	uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;
	char digits[24];
	size_t n_digits = 0;
	size_t at = 0;

	do {
		digits[n_digits++] = (char)('0' + left % 10);
		left /= 10;
	} while (left > 0);
	if (n < 0)
		buf[at++] = '-';
	while (n_digits > 0)
		buf[at++] = digits[--n_digits];
	return at;
}

bool ipk__text_to_int64(struct ipk__slice text, int64_t *ret_n)
{
	bool is_negative = text.n_bytes > 0 && text.bytes[0] == '-';
	uint64_t limit = is_negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
	size_t at = is_negative;
	uint64_t n = 0;

	if (text.n_bytes == at || text.n_bytes > 20 || (text.bytes[at] == '0' && text.n_bytes > 1))
		return false;
	for (; at < text.n_bytes; at++) {
		unsigned digit = (unsigned char)text.bytes[at] - '0';

		if (digit > 9 || n > (limit - digit) / 10)
			return false;
		n = 10 * n + digit;
	}
	*ret_n = (int64_t)(is_negative ? -n : n);
	return true;
}

/* A type, a number and CR LF, at @p; how many bytes. */
static size_t put_head(char *p, char type, int64_t n)
{
	size_t len;

	p[0] = type;
	if (n >= 0 && n < 10) { /* nearly always */
		p[1] = (char)('0' + n);
		len = 2;
	} else {
		len = 1 + ipk__int64_to_text(n, p + 1);
	}
	p[len] = '\r';
	p[len + 1] = '\n';
	return len + 2;
}

static void add_head(struct ipk__buffer *b, char type, int64_t n)
{
	char *p = ipk__buffer_reserve(b, HEAD_BYTES_MAX + 2);

	if (p)
		ipk__buffer_added(b, put_head(p, type, n));
}

/* CR LF at @p. */
static void put_end(char *p)
{
	p[0] = '\r';
	p[1] = '\n';
}

void ipk__resp_simple(struct ipk__buffer *b, const char *word)
{
	struct ipk__slice s = ipk__slice_of_string(word);
	char *p = ipk__buffer_reserve(b, s.n_bytes + 3);

	if (!p)
		return;
	p[0] = '+';
	memcpy(p + 1, s.bytes, s.n_bytes);
	put_end(p + 1 + s.n_bytes);
	ipk__buffer_added(b, s.n_bytes + 3);
}

void ipk__resp_error(struct ipk__buffer *b, struct ipk__slice text)
{
	char *p = ipk__buffer_reserve(b, text.n_bytes + 3);

	if (!p)
		return;
	*p++ = '-';
	for (size_t i = 0; i < text.n_bytes; i++) {
		char c = text.bytes[i];

		*p++ = (char)(c == '\r' || c == '\n' ? ' ' : c);
	}
	put_end(p);
	ipk__buffer_added(b, text.n_bytes + 3);
}

void ipk__resp_integer(struct ipk__buffer *b, int64_t n)
{
	add_head(b, ':', n);
}

void ipk__resp_bulk(struct ipk__buffer *b, struct ipk__slice s)
{
	size_t room = s.n_bytes + HEAD_BYTES_MAX + 4;
	char *p = ipk__buffer_reserve(b, room < s.n_bytes ? SIZE_MAX : room);
	size_t n;

	if (!p)
		return;
	n = put_head(p, '$', (int64_t)s.n_bytes);
	if (s.n_bytes > 0)
		memcpy(p + n, s.bytes, s.n_bytes);
	n += s.n_bytes;
	put_end(p + n);
	ipk__buffer_added(b, n + 2);
}

void ipk__resp_head(struct ipk__buffer *b, enum ipk__resp_type type, uint64_t n)
{
	add_head(b, (char)type, (int64_t)n);
}

void ipk__resp_null(struct ipk__buffer *b, int resp)
{
	ipk__buffer_append(b, resp >= 3 ? "_\r\n" : "$-1\r\n", resp >= 3 ? 3 : 5);
}

void ipk__resp_null_array(struct ipk__buffer *b, int resp)
{
	ipk__buffer_append(b, resp >= 3 ? "_\r\n" : "*-1\r\n", resp >= 3 ? 3 : 5);
}

void ipk__resp_map(struct ipk__buffer *b, uint64_t n_pairs, int resp)
{
	add_head(b, resp >= 3 ? '%' : '*', (int64_t)(resp >= 3 ? n_pairs : 2 * n_pairs));
}

void ipk__resp_double(struct ipk__buffer *b, double d, int resp)
{
	char text[40] = "nan"; /* whatever its sign */
	size_t n = 3;

	if (!isnan(d))
		n = ipk__decimal(text, sizeof text, "%.17g", d);
	if (resp < 3) {
		ipk__resp_bulk(b, IPK__SLICE(text, n));
		return;
	}
	ipk__buffer_append(b, ",", 1);
	ipk__buffer_append(b, text, n);
	ipk__buffer_append(b, "\r\n", 2);
}

void ipk__resp_boolean(struct ipk__buffer *b, bool yes, int resp)
{
	if (resp >= 3)
		ipk__buffer_append(b, yes ? "#t\r\n" : "#f\r\n", 4);
	else
		add_head(b, ':', yes);
}

void ipk__resp_request(struct ipk__buffer *b, const struct ipk__slice *argv, size_t argc)
{
	add_head(b, '*', (int64_t)argc);
	for (size_t i = 0; i < argc; i++)
		ipk__resp_bulk(b, argv[i]);
}
