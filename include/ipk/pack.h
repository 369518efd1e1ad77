/*
 * pack.h - typed values in a message: MessagePack after a mark byte.
 *
 * A packed message is the byte 0xC1, which MessagePack never uses, followed by one MessagePack
 * value. Format strings describe it, similar to Py_BuildValue:
 *
 *             value                          packing takes         unpacking takes
 *   n         nil                            nothing               nothing
 *   b         bool                           bool                  bool *
 *   i         integer                        int                   int *
 *   I         integer                        unsigned              unsigned *
 *   l         integer                        int64_t               int64_t *
 *   L         integer                        uint64_t              uint64_t *
 *   d         double                         double                double *
 *   s         string, NUL-terminated         const char *          char **, for free()
 *   S         string with its length         const char *, size_t  const char **, size_t *
 *   y         bytes                          const void *, size_t  const void **, size_t *
 *   [ ... ]   array of exactly these values
 *   { ... }   map: key, value, key, value, ...
 *   *         any one value, skipped         not allowed           nothing
 *
 * Spaces, ',' and ':' are ignored. A format is one value: "[i n s]", "{s: d, s: d}". The compiler
 * does not check the arguments: a plain 5 is an int, so write (int64_t)5 for l and (size_t)5 for
 * the length of S and y.
 *
 * Unpacking is strict: the type must be the one asked for, and the value must fit the C
 * type (-ERANGE). A d also takes an integer that a double holds exactly. Strings should be
 * UTF-8; neither side checks it.
 *
 * For a message of unknown structure, use ipk_reader, value by value, or ipk_pack_to_text() for
 * display.
 */
#ifndef IPK_PACK_H
#define IPK_PACK_H

#include <stdarg.h>

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define IPK_PACK_MARK 0xC1u
#define IPK_PACK_DEPTH_MAX 64         /* arrays and maps inside each other */
#define IPK_PACK_BYTES_MAX (1u << 30) /* of a message, the mark included */

/**
 * ipk_pack() - pack typed values into newly allocated memory
 * @ret_data:      the message, for free()
 * @ret_len_bytes: its length, the mark included
 * @format:        see above; the values follow; one value (wrap several in [ ])
 *
 * A string or bytes may be NULL if the length is 0.
 *
 * Blocks:  no.
 * Callers: any thread.
 * Cost:    one malloc() up to 64 bytes, a few more beyond.
 * Source:  lib/wire/pack.c          Since: 0.1
 *
 * Return: 0; -EINVAL the format is wrong, or a string or bytes are NULL; -EMSGSIZE over
 * IPK_PACK_BYTES_MAX; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_pack(void **ret_data, size_t *ret_len_bytes, const char *format,
				    ...);

/**
 * ipk_vpack() - ipk_pack() with a va_list
 * @ret_data:      as there
 * @ret_len_bytes: as there
 * @format:        as there
 * @args:          the values
 *
 * Blocks:  no.
 * Source:  lib/wire/pack.c          Since: 0.1
 *
 * Return: as ipk_pack().
 */
IPK_API IPK_MUST_CHECK int ipk_vpack(void **ret_data, size_t *ret_len_bytes, const char *format,
				     va_list args);

/**
 * ipk_unpack() - read typed values out of a message
 * @data:      the message, the mark included; what S and y yield points into it
 * @len_bytes: its length
 * @format:    see above; pointers follow; NULL skips a value
 *
 * Nothing is stored unless the whole message matches the format. s allocates a NUL-terminated copy;
 * a string that contains a NUL is -EPROTO for s.
 *
 * Blocks:  no.
 * Callers: any thread.
 * Crash:   the message may be in memory that others write to meanwhile: each byte is read once and
 *          checked.
 * Cost:    one malloc() for each s, one more for more than 32 values.
 * Source:  lib/wire/unpack.c        Since: 0.1
 *
 * Return: 0; -EPROTO malformed, truncated, trailing bytes, or not the types asked for;
 * -ERANGE a number does not fit its C type; -EINVAL the format is wrong; -ENOMEM.
 */
IPK_API IPK_MUST_CHECK int ipk_unpack(const void *data, size_t len_bytes, const char *format, ...);

/**
 * ipk_vunpack() - ipk_unpack() with a va_list
 * @data:      as there
 * @len_bytes: as there
 * @format:    as there
 * @args:      the pointers
 *
 * Blocks:  no.
 * Source:  lib/wire/unpack.c        Since: 0.1
 *
 * Return: as ipk_unpack().
 */
IPK_API IPK_MUST_CHECK int ipk_vunpack(const void *data, size_t len_bytes, const char *format,
				       va_list args);

/**
 * ipk_pack_is_typed() - whether a message begins like a packed one
 * @data:      any bytes
 * @len_bytes: how many
 *
 * Blocks:  no.
 * Callers: any thread.
 * Source:  lib/wire/reader.c        Since: 0.1
 *
 * Return: true if the first byte is IPK_PACK_MARK; the rest is not checked.
 */
IPK_API bool ipk_pack_is_typed(const void *data, size_t len_bytes);

/* Kinds of token. */
typedef enum ipk_token_kind {
	IPK_TOKEN_END,    /* end of the message */
	IPK_TOKEN_NIL,    /* no value */
	IPK_TOKEN_BOOL,   /* boolean */
	IPK_TOKEN_INT,    /* i: every integer that an int64_t holds */
	IPK_TOKEN_UINT,   /* u: the others, above INT64_MAX */
	IPK_TOKEN_DOUBLE, /* d */
	IPK_TOKEN_STRING, /* data, len_bytes: no NUL at its end */
	IPK_TOKEN_BYTES,  /* data, len_bytes */
	IPK_TOKEN_ARRAY,  /* n_items: that many values follow, one level deeper */
	IPK_TOKEN_MAP,    /* n_items: that many keys with their values follow, alternating */
} ipk_token_kind;

typedef struct ipk_token {
	ipk_token_kind kind;
	unsigned depth; /* number of enclosing arrays and maps: 0 for the top-level value */
	union {
		bool boolean;
		int64_t i;
		uint64_t u;
		double d;
		uint32_t n_items;
		const char *data; /* points into the message */
	};
	size_t len_bytes; /* of data */
} ipk_token;

/* A position in a message. The fields are private. */
typedef struct ipk_reader {
	const unsigned char *at;
	const unsigned char *end;
	size_t n_owed; /* values not yet read */
	unsigned depth;
	uint32_t n_left[IPK_PACK_DEPTH_MAX]; /* values not yet read at each depth */
	uint64_t reserved[4];
} ipk_reader;

/**
 * ipk_reader_init() - start reading a message of unknown structure
 * @r:         reader, in the caller's memory; needs no release
 * @data:      the message, the mark included; must stay valid while it is read
 * @len_bytes: its length
 *
 * An invalid message is reported by the first ipk_reader_next().
 *
 * Blocks:  no.
 * Callers: any thread.
 * Source:  lib/wire/reader.c        Since: 0.1
 */
IPK_API void ipk_reader_init(ipk_reader *r, const void *data, size_t len_bytes);

/**
 * ipk_reader_next() - read the next value
 * @r:         reader
 * @ret_token: the value; after the last one always IPK_TOKEN_END
 *
 *	for (;;) {
 *		IPK_TRY(ipk_reader_next(&r, &token));
 *		if (token.kind == IPK_TOKEN_END)
 *			break;
 *		...
 *	}
 *
 * An array or map that cannot fit into the remaining bytes is rejected at once, so n_items never
 * exceeds the length of the message. Extension types are rejected: ipk never writes them. After an
 * error the position does not change.
 *
 * Blocks:  no.
 * Callers: one thread at a time per reader.
 * Crash:   the message may be in memory that others write to meanwhile: each byte is read once and
 *          checked.
 * Cost:    no malloc().
 * Source:  lib/wire/reader.c        Since: 0.1
 *
 * Return: 0; -EPROTO malformed, truncated, too deep, or trailing bytes.
 */
IPK_API IPK_MUST_CHECK int ipk_reader_next(ipk_reader *r, ipk_token *ret_token);

/**
 * ipk_pack_to_text() - format a message for display, as one JSON-like line
 * @data:       the message, the mark included
 * @len_bytes:  its length
 * @buf:        for the text and a NUL; the text ends in "..." when it was cut
 * @size_bytes: of @buf; 4 or more
 * @ret_len:    bytes of text without the NUL; may be NULL
 *
 * [42, null, "hello", b"\x00\xff", {"score": 0.97}]. The text is UTF-8 that is safe on a terminal:
 * control, invisible and direction-changing characters are escaped as \n or \u001b, bytes that are
 * not UTF-8 as \xff. Doubles always have a '.', an exponent or a name (inf, nan). Data after the
 * cut is not read.
 *
 * Blocks:  no.
 * Callers: any thread.
 * Cost:    proportional to @size_bytes, whatever the length of the message.
 * Source:  lib/wire/text.c          Since: 0.1
 *
 * Return: 0; -EPROTO as ipk_reader_next(); -EINVAL @size_bytes is too small.
 */
IPK_API IPK_MUST_CHECK int ipk_pack_to_text(const void *data, size_t len_bytes, char *buf,
					    size_t size_bytes, size_t *ret_len);

#ifdef __cplusplus
}
#endif

#endif
