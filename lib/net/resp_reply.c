/*
 * resp_reply.c - parses replies, of RESP2 and RESP3.
 *
 * One function parses the head of one value; scanning counts the elements still missing at each
 * depth, so nothing is allocated and no depth or count sent by a server costs memory. Invariant:
 * data[0 .. at) is parsed, and the n_seen bytes after it contain no end of line.
 */
#include <errno.h>

#include "base/base_internal.h"
#include "net/resp.h"

#define LINE_MAX_BYTES ((size_t)1 << 20) /* of an error or another text that is a line */
#define LENGTH_MAX INT32_MAX             /* of a bulk or of an array */

enum { MORE = 0, WHOLE = 1 };

/* The line at data[at], without its type; *ret_end is after CR LF. */
static int read_line(struct ipk__slice data, size_t at, size_t *n_seen, struct ipk__slice *ret_line,
		     size_t *ret_end)
{
	const char *from = data.bytes + at;
	size_t left = data.n_bytes - at;
	const char *end = left > *n_seen ? memchr(from + *n_seen, '\n', left - *n_seen) : NULL;
	size_t n = end ? (size_t)(end - from) : left;

	if (n > LINE_MAX_BYTES)
		return -EPROTO;
	if (!end) {
		*n_seen = left;
		return MORE;
	}
	if (n < 2 || end[-1] != '\r')
		return -EPROTO;
	*n_seen = 0;
	*ret_line = IPK__SLICE(from + 1, n - 2);
	*ret_end = at + n + 1;
	return WHOLE;
}

static int read_number(struct ipk__slice line, int64_t *ret_n)
{
	return ipk__text_to_int64(line, ret_n) ? WHOLE : -EPROTO;
}

/* A length; -1 makes it a null where RESP2 has such. */
static int read_length(struct ipk__slice line, struct ipk__resp_value *v)
{
	int64_t n;

	if (!ipk__text_to_int64(line, &n) || n > LENGTH_MAX || n < -1)
		return -EPROTO;
	if (n == -1) {
		if (v->type != IPK__RESP_BULK && v->type != IPK__RESP_ARRAY)
			return -EPROTO;
		v->type = IPK__RESP_NULL;
		return WHOLE;
	}
	v->n = (uint64_t)n;
	return WHOLE;
}

static int read_boolean(struct ipk__slice line, struct ipk__resp_value *v)
{
	if (line.n_bytes != 1 || (line.bytes[0] != 't' && line.bytes[0] != 'f'))
		return -EPROTO;
	v->integer = line.bytes[0] == 't';
	return WHOLE;
}

/* The bytes that v->n announced, from data[*at]. */
static int read_body(struct ipk__slice data, struct ipk__resp_value *v, size_t *at)
{
	const char *body = data.bytes + *at;
	size_t n = (size_t)v->n;

	if (data.n_bytes - *at < n + 2)
		return MORE;
	if (body[n] != '\r' || body[n + 1] != '\n')
		return -EPROTO;
	v->text = IPK__SLICE(body, n);
	v->n = 0;
	*at += n + 2;
	if (v->type != IPK__RESP_VERBATIM)
		return WHOLE;
	if (n < 4 || body[3] != ':')
		return -EPROTO;
	v->text = IPK__SLICE(body + 4, n - 4);
	return WHOLE;
}

/* The content of one line. */
static int read_head(struct ipk__slice line, struct ipk__resp_value *v)
{
	int found;

	switch (v->type) {
	case IPK__RESP_SIMPLE:
	case IPK__RESP_ERROR:
	case IPK__RESP_DOUBLE:
	case IPK__RESP_BIG_NUMBER:
		v->text = line;
		return WHOLE;
	case IPK__RESP_INTEGER:
		return read_number(line, &v->integer);
	case IPK__RESP_NULL:
		return line.n_bytes == 0 ? WHOLE : -EPROTO;
	case IPK__RESP_BOOLEAN:
		return read_boolean(line, v);
	case IPK__RESP_BULK:
	case IPK__RESP_BLOB_ERROR:
	case IPK__RESP_VERBATIM:
	case IPK__RESP_ARRAY:
	case IPK__RESP_SET:
	case IPK__RESP_PUSH:
		return read_length(line, v);
	case IPK__RESP_MAP:
	case IPK__RESP_ATTRIBUTE:
		found = read_length(line, v);
		v->n *= 2;
		return found;
	}
	return -EPROTO;
}

static bool has_body(enum ipk__resp_type type)
{
	return type == IPK__RESP_BULK || type == IPK__RESP_BLOB_ERROR || type == IPK__RESP_VERBATIM;
}

static bool has_values(enum ipk__resp_type type)
{
	return type == IPK__RESP_ARRAY || type == IPK__RESP_MAP || type == IPK__RESP_SET ||
	       type == IPK__RESP_PUSH || type == IPK__RESP_ATTRIBUTE;
}

/* The value at data[*at], without what is nested in it. Outputs are set when it is whole. */
static int read_value(struct ipk__slice data, size_t *at, size_t *n_seen,
		      struct ipk__resp_value *ret_value)
{
	struct ipk__resp_value v = {0};
	struct ipk__slice line;
	size_t end;
	int found;

	if (*at >= data.n_bytes)
		return MORE;
	v.type = (enum ipk__resp_type)(unsigned char)data.bytes[*at];
	if (!has_body(v.type) && !has_values(v.type) && !strchr("+-:_,#(", (int)v.type))
		return -EPROTO;
	found = read_line(data, *at, n_seen, &line, &end);
	if (found == WHOLE)
		found = read_head(line, &v);
	if (found == WHOLE && has_body(v.type))
		found = read_body(data, &v, &end);
	if (found != WHOLE)
		return found;
	*at = end;
	*ret_value = v;
	return WHOLE;
}

/*
 * How many values are expected after @v was read: 0 none, or -EPROTO too deep. An attribute expects
 * the value that it describes.
 */
static int count_value(struct ipk__resp_scan *scan, const struct ipk__resp_value *v)
{
	uint64_t n = v->type == IPK__RESP_ATTRIBUTE ? v->n + 1 : v->n;

	if (n > 0) {
		if (scan->depth == IPK__RESP_DEPTH_MAX)
			return -EPROTO;
		scan->left[scan->depth++] = n;
		return 0;
	}
	while (scan->depth > 0 && --scan->left[scan->depth - 1] == 0)
		scan->depth--;
	return 0;
}

int ipk__resp_scan_value(struct ipk__resp_scan *scan, const char *data, size_t n_bytes,
			 size_t *ret_bytes)
{
	struct ipk__resp_value v;

	do {
		int found = read_value(IPK__SLICE(data, n_bytes), &scan->at, &scan->n_seen, &v);

		if (found == WHOLE && count_value(scan, &v) < 0)
			return -EPROTO;
		if (found != WHOLE)
			return found;
	} while (scan->depth > 0);
	*ret_bytes = scan->at;
	return WHOLE;
}

int ipk__resp_next(struct ipk__slice whole, size_t *at, struct ipk__resp_value *ret_value)
{
	size_t n_seen = 0;
	int found = read_value(whole, at, &n_seen, ret_value);

	return found == WHOLE ? 0 : -EPROTO;
}

int ipk__resp_skip(struct ipk__slice whole, size_t *at, const struct ipk__resp_value *value)
{
	size_t to = *at;

	for (uint64_t i = 0; i < value->n; i++) {
		struct ipk__resp_scan scan = {.at = to};
		size_t n;

		if (ipk__resp_scan_value(&scan, whole.bytes, whole.n_bytes, &n) != WHOLE)
			return -EPROTO;
		to = n;
	}
	*at = to;
	return 0;
}
