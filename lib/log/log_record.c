/*
 * log_record.c - the bytes of the log: records written and read. Pure; see log_record.h.
 *
 * Invariant: what is read back is what was written, or it is refused: the head line is trusted only
 * once its own CRC is right, and the body only once its length and CRC are.
 *
 * The head precedes the body, so a torn tail is detected: a head that announces more than there is.
 * Its columns are fixed, so the body can be written first, behind space reserved for the head.
 */
#include <errno.h>

#include "base/crc32c.h"
#include "log/log_record.h"

/* Columns of a head; those behind the session are counted from its end. */
enum {
	MARK_BYTES = 6,
	BODY_AT = 6,
	BODY_DIGITS = 10,
	CRC_AT = 17,
	CRC_DIGITS = 8,
	SESSION_AT = 26,
	NUMBER_AFTER = 1,
	NUMBER_DIGITS = 16,
	KIND_AFTER = 18,
	LINE_CRC_AFTER = 20,
	END_AFTER = 28,
	LINE_AFTER = 30,
	PIECE_HEAD_BYTES = 6,
	PIECE_BYTES = 900,
};

static const char mark[] = "#ipk1 ";

static void put_hex(char *p, uint64_t n, int n_digits)
{
	for (int i = n_digits - 1; i >= 0; i--, n >>= 4)
		p[i] = "0123456789abcdef"[n & 15];
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static bool get_hex(const char *p, int n_digits, uint64_t *ret_n)
{
	uint64_t n = 0;

	for (int i = 0; i < n_digits; i++) {
		int digit = hex_digit(p[i]);

		if (digit < 0)
			return false;
		n = n << 4 | (uint64_t)digit;
	}
	*ret_n = n;
	return true;
}

/* --- heads ------------------------------------------------------------------------------------ */

static size_t session_column(size_t session_bytes)
{
	return session_bytes > 0 ? 2 * session_bytes : 1;
}

size_t ipk__log_head_bytes(size_t session_bytes)
{
	return SESSION_AT + session_column(session_bytes) + LINE_AFTER;
}

uint32_t ipk__log_head_write(char *p, const struct ipk__log_head *head, uint32_t seed)
{
	size_t line_bytes = ipk__log_head_bytes(head->session_bytes);
	char *after = p + line_bytes - LINE_AFTER;
	uint32_t crc;

	memset(p, ' ', line_bytes);
	memcpy(p, mark, MARK_BYTES);
	put_hex(p + BODY_AT, head->body_bytes, BODY_DIGITS);
	put_hex(p + CRC_AT, head->body_crc, CRC_DIGITS);
	p[SESSION_AT] = '-';
	for (size_t i = 0; i < head->session_bytes; i++)
		put_hex(p + SESSION_AT + 2 * i, (unsigned char)head->session[i], 2);
	put_hex(after + NUMBER_AFTER, head->number, NUMBER_DIGITS);
	after[KIND_AFTER] = (char)head->kind;
	crc = ipk__crc32c(seed ^ head->body_crc, p, line_bytes - (LINE_AFTER - LINE_CRC_AFTER));
	put_hex(after + LINE_CRC_AFTER, crc, CRC_DIGITS);
	memcpy(after + END_AFTER, "\r\n", 2);
	return crc;
}

/* @data is @n_bytes, more than SESSION_AT, of which as much is a session's hex digits. */
static size_t count_session_digits(const char *data, size_t n_bytes)
{
	size_t n = 0;

	while (n < 2 * (size_t)IPK__SESSION_ID_MAX && SESSION_AT + n < n_bytes &&
	       hex_digit(data[SESSION_AT + n]) >= 0)
		n++;
	return n;
}

static bool get_session(const char *p, size_t n_digits, struct ipk__log_head *head)
{
	head->session_bytes = n_digits / 2;
	if (n_digits == 0)
		return *p == '-';
	if (n_digits % 2 != 0 || head->session_bytes < IPK__SESSION_ID_MIN)
		return false;
	for (size_t i = 0; i < head->session_bytes; i++)
		head->session[i] = (char)(hex_digit(p[2 * i]) * 16 + hex_digit(p[2 * i + 1]));
	return true;
}

/* 1 and the head's length; 0 not whole; -EBADMSG. */
static int read_head(const char *data, size_t n_bytes, uint32_t seed, struct ipk__log_head *head,
		     uint32_t *ret_crc, size_t *ret_bytes)
{
	size_t n_digits, line_bytes;
	uint64_t body_crc, crc;
	const char *after;

	if (memcmp(data, mark, n_bytes < MARK_BYTES ? n_bytes : MARK_BYTES) != 0)
		return -EBADMSG;
	*ret_bytes = ipk__log_head_bytes(0);
	if (n_bytes < *ret_bytes)
		return 0;
	n_digits = count_session_digits(data, n_bytes);
	line_bytes = ipk__log_head_bytes(n_digits / 2);
	*ret_bytes = line_bytes;
	if (n_bytes < line_bytes)
		return 0;
	after = data + line_bytes - LINE_AFTER;
	if (!get_hex(data + BODY_AT, BODY_DIGITS, &head->body_bytes) ||
	    !get_hex(data + CRC_AT, CRC_DIGITS, &body_crc) ||
	    !get_session(data + SESSION_AT, n_digits, head) ||
	    !get_hex(after + NUMBER_AFTER, NUMBER_DIGITS, &head->number) ||
	    !get_hex(after + LINE_CRC_AFTER, CRC_DIGITS, &crc) ||
	    memcmp(after + END_AFTER, "\r\n", 2) != 0)
		return -EBADMSG;
	head->body_crc = (uint32_t)body_crc;
	head->kind = (enum ipk__log_kind)after[KIND_AFTER];
	*ret_crc = ipk__crc32c(seed ^ head->body_crc, data,
			       line_bytes - (LINE_AFTER - LINE_CRC_AFTER));
	return *ret_crc == crc ? 1 : -EBADMSG;
}

int ipk__log_record_read(const char *data, size_t n_bytes, uint32_t *chain,
			 struct ipk__log_head *ret_head, size_t *ret_bytes, const char **ret_why)
{
	struct ipk__log_head head = {0};
	size_t head_bytes;
	uint32_t crc;
	int r = read_head(data, n_bytes, *chain, &head, &crc, &head_bytes);

	if (r < 0)
		*ret_why = "there is no record, or not the one that follows";
	if (r == 0)
		*ret_bytes = head_bytes;
	if (r <= 0)
		return r;

	*ret_bytes = head_bytes + head.body_bytes;
	if (n_bytes < *ret_bytes)
		return 0;
	if (ipk__crc32c(*chain, data + head_bytes, head.body_bytes) != head.body_crc) {
		*ret_why = "the checksum of a record is wrong";
		return -EBADMSG;
	}
	*chain = crc;
	*ret_head = head;
	return 1;
}

/* --- pieces ----------------------------------------------------------------------------------- */

static bool is_plain(char c)
{
	return c >= ' ' && c <= '~' && c != '%';
}

void ipk__log_hide(struct ipk__buffer *b, char tag, struct ipk__slice blob)
{
	size_t at = 0;

	do {
		char *line = ipk__buffer_reserve(b, IPK__LOG_LINE_MAX);
		size_t len = PIECE_HEAD_BYTES;

		if (!line)
			return;
		for (; at < blob.n_bytes && len < PIECE_BYTES; at++) {
			line[len++] = is_plain(blob.bytes[at]) ? blob.bytes[at] : '%';
			if (line[len - 1] != '%')
				continue;
			put_hex(line + len, (unsigned char)blob.bytes[at], 2);
			len += 2;
		}
		memcpy(line, "#ipk+ ", PIECE_HEAD_BYTES);
		if (at == blob.n_bytes)
			line[4] = tag;
		memcpy(line + len, "\r\n", 2);
		ipk__buffer_added(b, len + 2);
	} while (at < blob.n_bytes);
}

static int unescape(struct ipk__buffer *blob, const char *p, const char *end)
{
	char *out = ipk__buffer_reserve(blob, (size_t)(end - p) + 1);
	size_t n = 0;

	if (!out)
		return -ENOMEM;
	for (; p < end; p++) {
		uint64_t byte;

		if (*p != '%') {
			out[n++] = *p;
			continue;
		}
		if (end - p < 3 || !get_hex(p + 1, 2, &byte))
			return -EBADMSG;
		out[n++] = (char)byte;
		p += 2;
	}
	ipk__buffer_added(blob, n);
	return 0;
}

/* All pieces of one object, into body->blob; its tag. */
static int read_pieces(struct ipk__log_body *body)
{
	ipk__buffer_clear(&body->blob);
	for (;;) {
		size_t left = (size_t)(body->end - body->at);
		const char *end = memchr(body->at, '\r', left);
		char tag = left > PIECE_HEAD_BYTES ? body->at[4] : 0;
		int r;

		if (!end || end + 2 > body->end || end[1] != '\n' || left < PIECE_HEAD_BYTES + 2 ||
		    memcmp(body->at, "#ipk", 4) != 0)
			return -EBADMSG;
		r = unescape(&body->blob, body->at + PIECE_HEAD_BYTES, end);
		if (r < 0)
			return r;
		body->at = end + 2;
		if (tag != '+')
			return tag;
	}
}

static const struct ipk__resp_limits no_limits = {
	.args_max = SIZE_MAX / sizeof(struct ipk__slice) / 2,
	.bulk_max = (size_t)1 << 40,
	.inline_max = 64,
	.total_max = (size_t)1 << 41,
};

void ipk__log_body_init(struct ipk__log_body *body)
{
	*body = (struct ipk__log_body){0};
	ipk__resp_reader_init(&body->reader, &no_limits);
}

void ipk__log_body_fini(struct ipk__log_body *body)
{
	ipk__resp_reader_free(&body->reader);
	ipk__buffer_free(&body->blob);
}

void ipk__log_body_begin(struct ipk__log_body *body, const char *bytes, size_t n_bytes)
{
	body->at = bytes;
	body->end = bytes + n_bytes;
}

/* The request at the beginning of @data, or all of it when @ret_used is NULL. */
static int read_command(struct ipk__log_body *body, const char *data, size_t n_bytes,
			size_t *ret_used)
{
	size_t used, more;
	int r;

	if (n_bytes == 0 || *data != '*')
		return -EBADMSG;
	r = ipk__resp_read_request(&body->reader, data, n_bytes, &used, &more);
	if (r == -ENOMEM)
		return r;
	if (r != 1 || body->reader.argc == 0 || (!ret_used && used != n_bytes))
		return -EBADMSG;
	if (ret_used)
		*ret_used = used;
	return IPK__LOG_COMMAND;
}

int ipk__log_body_next(struct ipk__log_body *body)
{
	size_t left = (size_t)(body->end - body->at);
	size_t used;
	int r;

	if (left == 0)
		return IPK__LOG_END;
	if (*body->at != '#') {
		r = read_command(body, body->at, left, &used);
		if (r == IPK__LOG_COMMAND)
			body->at += used;
		return r;
	}
	r = read_pieces(body);
	if (r < 0)
		return r;
	if (r == 'r')
		return IPK__LOG_REPLY;
	if (r != 'c')
		return -EBADMSG;
	return read_command(body, ipk__buffer_front(&body->blob), ipk__buffer_len(&body->blob),
			    NULL);
}
