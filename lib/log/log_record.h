/*
 * log_record.h - the format of the log: records written and read. Pure.
 *
 * A record is a head, one line, and a body. The head, in columns of fixed width:
 *
 *   #ipk1 <length of the body, 10 hex digits> <CRC of the body, 8> <session in hex, or ->
 *         <number of the session's request, 16> <kind> <CRC of this line so far, 8> CR LF
 *
 * The body is commands, as RESP requests, and lines that begin with '#', which Redis skips:
 *
 *   #ipk+ text       a piece of a long text; the next line continues it
 *   #ipkc text       the last piece of a command that Redis does not know: a RESP request
 *   #ipkr text       the last piece of the reply to the session's client
 *
 * In the text of pieces, bytes other than printable ASCII, and '%', are "%" and two hex digits.
 * Redis reads lines of 1023 bytes at most; ours have 1000 at most.
 *
 * Each CRC is chained to the last one of the record before: a lost, duplicated or moved record is
 * detected, as is each flipped bit.
 */
#ifndef IPK_LOG_LOG_RECORD_H
#define IPK_LOG_LOG_RECORD_H

#include <stdint.h>

#include "net/resp.h"

enum {
	IPK__SESSION_ID_MIN = 16,
	IPK__SESSION_ID_MAX = 64,
	IPK__LOG_LINE_MAX = 1000,
	IPK__LOG_HEAD_MAX = 60 + 2 * IPK__SESSION_ID_MAX,
};

#define IPK__LOG_BODY_MAX (((uint64_t)1 << 40) - 1)

enum ipk__log_kind {
	IPK__LOG_FILE = 'f',   /* the first record of a file, without a body */
	IPK__LOG_WRITES = 'w', /* effects of one request or several, with or without a session */
	IPK__LOG_BASE = 'b',   /* the end of the rewritten base, without a body */
};

struct ipk__log_head {
	uint64_t body_bytes;
	uint32_t body_crc;
	enum ipk__log_kind kind;
	size_t session_bytes; /* 0: none */
	char session[IPK__SESSION_ID_MAX];
	uint64_t number;
};

/* The head line has a fixed length. */
size_t ipk__log_head_bytes(size_t session_bytes);
/* @seed: the CRC that ended the record before; returned: the one that ends this. */
uint32_t ipk__log_head_write(char *p, const struct ipk__log_head *head, uint32_t seed);

/*
 * @data begins with a record: 1, *ret_head and *ret_bytes (head and body) are filled in, and *chain
 * advances. 0: it is incomplete, at least *ret_bytes are needed. -EBADMSG: it is not a record, or
 * not the next one; *ret_why says what is wrong.
 */
int ipk__log_record_read(const char *data, size_t n_bytes, uint32_t *chain,
			 struct ipk__log_head *ret_head, size_t *ret_bytes, const char **ret_why);

/* Lines of @tag ('c', 'r') with @blob in them. */
void ipk__log_hide(struct ipk__buffer *b, char tag, struct ipk__slice blob);

/* The items of a body, one after the other. */
struct ipk__log_body {
	const char *at;
	const char *end;
	struct ipk__buffer blob;
	struct ipk__resp_reader reader;
};
enum ipk__log_item {
	IPK__LOG_END = 0,
	IPK__LOG_COMMAND = 1, /* body->reader.argv, argc */
	IPK__LOG_REPLY = 2,   /* body->blob */
};
void ipk__log_body_init(struct ipk__log_body *body);
void ipk__log_body_fini(struct ipk__log_body *body);
void ipk__log_body_begin(struct ipk__log_body *body, const char *bytes, size_t n_bytes);
/* An item, or -EBADMSG, -ENOMEM. The result is valid until the next call. */
int ipk__log_body_next(struct ipk__log_body *body);

#endif
