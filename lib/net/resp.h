/*
 * resp.h - RESP2 and RESP3, the protocol of Redis: bytes in, values out, and back. Pure.
 *
 * Requests are arrays of bulk strings, or one line of words (inline). Replies are values of any
 * type. Nothing is copied: slices point into the given bytes.
 */
#ifndef IPK_NET_RESP_H
#define IPK_NET_RESP_H

#include <stdint.h>

#include "net/buffer.h"

/* --- reading requests ------------------------------------------------------------------------- */

struct ipk__resp_limits {
	size_t args_max;   /* Redis: 1024 * 1024 */
	size_t bulk_max;   /* bytes of one argument; Redis: 512 MiB */
	size_t inline_max; /* bytes of an inline line, or of a length line; Redis: 64 KiB */
	size_t total_max;  /* bytes of one request */
};

/* Parser state of a request that may be incomplete, so that no byte is parsed twice. */
struct ipk__resp_reader {
	struct ipk__resp_limits limits;
	struct ipk__slice *argv; /* after 1: argc slices into the data of that call */
	size_t argc;
	const char *error; /* after -EPROTO: why, in the words of Redis ("invalid bulk length") */
	/* private: */
	size_t argv_room;
	size_t at;        /* how much of the data is parsed */
	size_t n_wanted;  /* arguments of the request, once that is known */
	size_t bulk_left; /* bytes of the current argument plus 1, 0 none */
	bool is_array;
	uintptr_t base; /* the address of the data that argv points into */
	char *line;     /* the words of an inline request, without their quotes */
	char error_text[32];
};

void ipk__resp_reader_init(struct ipk__resp_reader *r, const struct ipk__resp_limits *limits);
void ipk__resp_reader_free(struct ipk__resp_reader *r);
/*
 * @data begins with a request; on a repeated call the same bytes, and perhaps more, perhaps at
 * another address. 1: a whole request of *ret_used bytes (argc may be 0: an empty line or array, to
 * be ignored); 0: more is needed, *ret_more bytes at least (1 when unknown); -EPROTO: r->error says
 * why; -ENOMEM.
 */
int ipk__resp_read_request(struct ipk__resp_reader *r, const char *data, size_t n_bytes,
			   size_t *ret_used, size_t *ret_more);

/* --- reading replies -------------------------------------------------------------------------- */

enum ipk__resp_type {
	IPK__RESP_SIMPLE = '+',
	IPK__RESP_ERROR = '-',
	IPK__RESP_INTEGER = ':',
	IPK__RESP_BULK = '$',
	IPK__RESP_ARRAY = '*',
	IPK__RESP_NULL = '_', /* also "$-1" and "*-1" */
	IPK__RESP_DOUBLE = ',',
	IPK__RESP_BOOLEAN = '#',
	IPK__RESP_BLOB_ERROR = '!',
	IPK__RESP_VERBATIM = '=',
	IPK__RESP_BIG_NUMBER = '(',
	IPK__RESP_MAP = '%',
	IPK__RESP_SET = '~',
	IPK__RESP_PUSH = '>',
	IPK__RESP_ATTRIBUTE = '|',
};

#define IPK__RESP_DEPTH_MAX 32

struct ipk__resp_value {
	enum ipk__resp_type type;
	/* simple, error, bulk, verbatim (without "txt:"), big number, double */
	struct ipk__slice text;
	int64_t integer; /* integer, boolean */
	/*
	 * Number of nested values: for a map twice its pairs. For an attribute too; the value it
	 * describes follows those, and both together are one element of an array.
	 */
	uint64_t n;
};

/*
 * Whether @data begins with a whole value, including nested ones: 1 and *ret_bytes its length; 0
 * more is needed; -EPROTO. *scan starts as {0} and is kept between calls with more and more of the
 * same bytes, so no byte is scanned twice.
 */
struct ipk__resp_scan {
	size_t at;
	size_t n_seen; /* bytes after at without an end of line */
	size_t depth;
	uint64_t left[IPK__RESP_DEPTH_MAX];
};
int ipk__resp_scan_value(struct ipk__resp_scan *scan, const char *data, size_t n_bytes,
			 size_t *ret_bytes);
/* The next value of complete data; *at advances. Nested values follow one by one. */
int ipk__resp_next(struct ipk__slice whole, size_t *at, struct ipk__resp_value *ret_value);
/* Skips a value that was just read, with all nested ones. */
int ipk__resp_skip(struct ipk__slice whole, size_t *at, const struct ipk__resp_value *value);

/* --- writing ---------------------------------------------------------------------------------- */

void ipk__resp_simple(struct ipk__buffer *b, const char *word);      /* "+OK" */
void ipk__resp_error(struct ipk__buffer *b, struct ipk__slice text); /* newlines become spaces */
void ipk__resp_integer(struct ipk__buffer *b, int64_t n);
void ipk__resp_bulk(struct ipk__buffer *b, struct ipk__slice s);
void ipk__resp_head(struct ipk__buffer *b, enum ipk__resp_type type,
		    uint64_t n);                            /* "*3", "%2", ">3" */
void ipk__resp_null(struct ipk__buffer *b, int resp);       /* "$-1" or "_" */
void ipk__resp_null_array(struct ipk__buffer *b, int resp); /* "*-1" or "_" */
void ipk__resp_map(struct ipk__buffer *b, uint64_t n_pairs, int resp);
void ipk__resp_double(struct ipk__buffer *b, double d,
		      int resp); /* a bulk in RESP2; "%.17g", inf */
void ipk__resp_boolean(struct ipk__buffer *b, bool yes, int resp);
/* A whole request. */
void ipk__resp_request(struct ipk__buffer *b, const struct ipk__slice *argv, size_t argc);

/* --- numbers in text, as Redis parses them ---------------------------------------------------- */

bool ipk__text_to_int64(struct ipk__slice text, int64_t *ret_n); /* the canonical form only */
size_t ipk__int64_to_text(int64_t n, char buf[24]);              /* how many bytes */

#endif
