/*
 * resp_request.c - parses requests: arrays of bulk strings, or a line of words.
 *
 * Invariant: data[0 .. at) is parsed and is not examined again, however small the pieces in which
 * the rest arrives (at of a line: it does not end in there). argv grows with the arguments
 * received, not with those announced, so a peer can make us hold no more than a few times what it
 * sent.
 *
 * The limits and error texts are Redis's (networking.c). Stricter than there: an argument must end
 * in CR LF, so a peer that miscounts gets an error before its next bytes are taken for commands;
 * and a length with more digits than any number has is refused before its end.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base_internal.h"
#include "net/resp.h"
#include "os/os.h"

#define LENGTH_LINE_MAX 32 /* "*", a number, and CR LF: at most 24 */
#define ARGV_MIN 8
#define ARGV_KEPT_MAX 1024 /* longer ones are given back after their request */

enum { MORE = 0, WHOLE = 1 };

void ipk__resp_reader_init(struct ipk__resp_reader *r, const struct ipk__resp_limits *limits)
{
	*r = (struct ipk__resp_reader){.limits = *limits};
}

void ipk__resp_reader_free(struct ipk__resp_reader *r)
{
	free(r->argv);
	free(r->line);
	ipk__resp_reader_init(r, &r->limits);
}

static int refuse(struct ipk__resp_reader *r, const char *why)
{
	r->error = why;
	return -EPROTO;
}

/* Forgets the current request; argc and argv stay for the caller. */
static void end_request(struct ipk__resp_reader *r)
{
	r->at = 0;
	r->n_wanted = 0;
	r->bulk_left = 0;
	r->is_array = false;
}

static int add_argument(struct ipk__resp_reader *r, const char *bytes, size_t n_bytes)
{
	if (r->argc == r->argv_room) {
		size_t room = r->argv_room ? 2 * r->argv_room : ARGV_MIN;
		struct ipk__slice *argv = ipk__os_realloc(r->argv, room * sizeof *argv);

		if (!argv)
			return -ENOMEM;
		r->argv = argv;
		r->argv_room = room;
	}
	r->argv[r->argc++] = IPK__SLICE(bytes, n_bytes);
	return 0;
}

static void begin_request(struct ipk__resp_reader *r, const char *data)
{
	r->argc = 0;
	r->error = NULL;
	r->base = (uintptr_t)data;
	if (r->argv_room > ARGV_KEPT_MAX) {
		free(r->argv);
		r->argv = NULL;
		r->argv_room = 0;
	}
}

/* The arguments that were found before the data moved. */
static void follow_data(struct ipk__resp_reader *r, const char *data)
{
	uintptr_t now = (uintptr_t)data;

	for (size_t i = 0; i < r->argc && r->base != now; i++)
		r->argv[i].bytes = data + ((uintptr_t)r->argv[i].bytes - r->base);
	r->base = now;
}

/* --- arrays ----------------------------------------------------------------------------------- */

/*
 * The number of the line at data[at], which begins with a type. 1: *ret_n, and r->at is after the
 * line; 0: it is incomplete; -EPROTO: it is not a number, or too long.
 */
static int read_length(struct ipk__resp_reader *r, const char *data, size_t n_bytes, int64_t *ret_n)
{
	size_t from = r->at + 1;
	size_t limit = IPK__MIN(r->limits.inline_max, LENGTH_LINE_MAX);
	size_t to = from;

	while (to < n_bytes && data[to] != '\r' && to - from < limit)
		to++;
	if (to - from >= limit)
		return -EPROTO;
	if (to + 1 >= n_bytes)
		return MORE;
	if (data[to + 1] != '\n' || !ipk__text_to_int64(IPK__SLICE(data + from, to - from), ret_n))
		return -EPROTO;
	r->at = to + 2;
	return WHOLE;
}

static int read_count(struct ipk__resp_reader *r, const char *data, size_t n_bytes)
{
	int64_t n;
	int found = read_length(r, data, n_bytes, &n);

	if (found < 0 || (found && n > 0 && (uint64_t)n > r->limits.args_max))
		return refuse(r, "invalid multibulk length");
	if (found) {
		r->is_array = true;
		r->n_wanted = n > 0 ? (size_t)n : 0;
	}
	return found;
}

static int read_bulk_length(struct ipk__resp_reader *r, const char *data, size_t n_bytes)
{
	int64_t n;
	int found;

	if (r->at >= n_bytes)
		return MORE;
	if (data[r->at] != '$') {
		snprintf(r->error_text, sizeof r->error_text, "expected '$', got '%c'",
			 data[r->at]);
		return refuse(r, r->error_text);
	}
	found = read_length(r, data, n_bytes, &n);
	if (found < 0 || (found && (n < 0 || (uint64_t)n > r->limits.bulk_max)))
		return refuse(r, "invalid bulk length");
	if (found && (r->at > r->limits.total_max || (uint64_t)n > r->limits.total_max - r->at))
		return refuse(r, "too big request");
	if (found)
		r->bulk_left = (size_t)n + 1;
	return found;
}

static int read_bulk(struct ipk__resp_reader *r, const char *data, size_t n_bytes, size_t *ret_more)
{
	size_t n;
	int found = r->bulk_left > 0 ? WHOLE : read_bulk_length(r, data, n_bytes);

	if (found != WHOLE)
		return found;
	n = r->bulk_left - 1;
	if (n_bytes - r->at < n + 2) {
		*ret_more = n + 2 - (n_bytes - r->at);
		return MORE;
	}
	if (data[r->at + n] != '\r' || data[r->at + n + 1] != '\n')
		return refuse(r, "expected CR LF after an argument");
	if (add_argument(r, data + r->at, n) < 0)
		return -ENOMEM;
	r->at += n + 2;
	r->bulk_left = 0;
	return WHOLE;
}

static int read_array(struct ipk__resp_reader *r, const char *data, size_t n_bytes,
		      size_t *ret_more)
{
	int found = r->is_array ? WHOLE : read_count(r, data, n_bytes);

	while (found == WHOLE && r->argc < r->n_wanted)
		found = read_bulk(r, data, n_bytes, ret_more);
	return found;
}

/* --- lines ------------------------------------------------------------------------------------ */

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* What ends a word that is not quoted: fewer characters than those that may lie between. */
static bool ends_word(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The character that follows a backslash within double quotes; how many bytes it takes. */
static size_t unescape(const char *p, const char *end, char *ret_c)
{
	static const char letters[] = "nrtba";
	static const char meanings[] = "\n\r\t\b\a";
	const char *letter = *p ? strchr(letters, *p) : NULL;

	if (*p == 'x' && end - p >= 3 && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0) {
		*ret_c = (char)(hex_digit(p[1]) << 4 | hex_digit(p[2]));
		return 3;
	}
	*ret_c = letter ? meanings[letter - letters] : *p;
	return 1;
}

/* What a quoted part means, from after its opening quote; NULL: it does not end well. */
static const char *read_quoted(const char *p, const char *end, char quote, char **out)
{
	while (p < end && *p != quote && *p != '\0') {
		bool escaped = *p == '\\' && p + 1 < end;

		if (escaped && quote == '"') {
			p++;
			p += unescape(p, end, (*out)++);
		} else if (escaped && p[1] == '\'') {
			*(*out)++ = '\'';
			p += 2;
		} else {
			*(*out)++ = *p++;
		}
	}
	if (p == end || *p != quote || (p + 1 < end && !is_space(p[1]) && p[1] != '\0'))
		return NULL;
	return p + 1;
}

/* One word; a quoted part may begin anywhere in it and ends it. NULL: unbalanced quotes. */
static const char *read_word(const char *p, const char *end, char **out)
{
	while (p < end && !ends_word(*p)) {
		if (*p == '"' || *p == '\'')
			return read_quoted(p + 1, end, *p, out);
		*(*out)++ = *p++;
	}
	return p;
}

static int split_line(struct ipk__resp_reader *r, const char *p, const char *end)
{
	char *out = ipk__os_realloc(r->line, (size_t)(end - p));

	if (!out)
		return -ENOMEM;
	r->line = out;
	for (;;) {
		char *word = out;

		while (p < end && is_space(*p))
			p++;
		if (p == end || *p == '\0')
			return WHOLE;
		p = read_word(p, end, &out);
		if (!p)
			return refuse(r, "unbalanced quotes in request");
		if (add_argument(r, word, (size_t)(out - word)) < 0)
			return -ENOMEM;
	}
}

static int read_line(struct ipk__resp_reader *r, const char *data, size_t n_bytes)
{
	const char *end = memchr(data + r->at, '\n', n_bytes - r->at);
	size_t n = end ? (size_t)(end - data) : n_bytes;
	int found;

	if (n > r->limits.inline_max)
		return refuse(r, "too big inline request");
	if (!end) {
		r->at = n;
		return MORE;
	}
	r->argc = 0; /* again, after -ENOMEM */
	found = split_line(r, data, n > 0 && end[-1] == '\r' ? end - 1 : end);
	if (found == WHOLE)
		r->at = n + 1;
	return found;
}

int ipk__resp_read_request(struct ipk__resp_reader *r, const char *data, size_t n_bytes,
			   size_t *ret_used, size_t *ret_more)
{
	size_t more = 1;
	int found;

	if (r->at == 0)
		begin_request(r, data);
	if (n_bytes == 0) {
		*ret_more = 1;
		return MORE;
	}
	follow_data(r, data);
	found = data[0] == '*' ? read_array(r, data, n_bytes, &more) : read_line(r, data, n_bytes);
	if (found == MORE)
		*ret_more = more;
	if (found == WHOLE)
		*ret_used = r->at;
	if (found == WHOLE || found == -EPROTO)
		end_request(r);
	return found;
}
