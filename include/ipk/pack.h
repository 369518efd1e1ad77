/*
 * pack.h - typed values in a message: MessagePack behind a mark byte.
 *
 * A packed message is the byte 0xC1, which MessagePack never uses, then one MessagePack
 * value. Format strings build and read them, in the manner of Py_BuildValue:
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
 *   *         any one value, passed over     not allowed           nothing
 *
 * Spaces, ',' and ':' are for the eye. A format is one value: "[i n s]", "{s: d, s: d}".
 * The compiler does not check the arguments: a plain 5 is an int, so write (int64_t)5 for
 * l and (size_t)5 for the length of S and y.
 *
 * Unpacking is strict: the type must be the one asked for, and the value must fit the C
 * type (-ERANGE). A d also takes an integer that a double holds exactly. Strings should be
 * UTF-8; neither side checks it.
 *
 * A message whose shape is not known beforehand is read with ipk_reader, value by value,
 * or shown to people with ipk_pack_to_text().
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
 * ipk_pack() - pack typed values into memory made for them
 * @ret_data:      the message, for free()
 * @ret_len_bytes: its length, the mark included
 * @format:        see above; the values follow; one value (wrap several in [ ])
 *
 * A string or bytes may be NULL when their length is given as 0.
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
 * @format:    see above; pointers follow, NULL for a value that is not wanted
 *
 * Nothing is stored unless the whole message fits the format. What s yields is a copy
 * of its own with a terminating NUL; a string with a NUL inside is -EPROTO for it.
 *
 * Blocks:  no.
 * Callers: any thread.
 * Crash:   the message may lie in memory that others write meanwhile: each byte is read
 *          once, and what is read is checked.
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
 * ipk_pack_is_typed() - whether a message starts like a packed one
 * @data:      any bytes
 * @len_bytes: how many
 *
 * Blocks:  no.
 * Callers: any thread.
 * Source:  lib/wire/reader.c        Since: 0.1
 *
 * Return: true when the first byte is IPK_PACK_MARK; what follows is not looked at.
 */
IPK_API bool ipk_pack_is_typed(const void *data, size_t len_bytes);

/* What a reader can come upon. */
typedef enum ipk_token_kind {
	IPK_TOKEN_END,    /* the message was read to its end */
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
	unsigned depth; /* arrays and maps around it: 0 for the message's one value */
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

/* A place in a message. Its fields are the reader's own. */
typedef struct ipk_reader {
	const unsigned char *at;
	const unsigned char *end;
	size_t n_owed; /* values still to come */
	unsigned depth;
	uint32_t n_left[IPK_PACK_DEPTH_MAX]; /* values still to come at each depth */
	uint64_t reserved[4];
} ipk_reader;

/**
 * ipk_reader_init() - start reading a message of any shape
 * @r:         reader, in the caller's memory; nothing to release
 * @data:      the message, the mark included; stays in place while it is read
 * @len_bytes: its length
 *
 * A message that is none is reported by the first ipk_reader_next().
 *
 * Blocks:  no.
 * Callers: any thread.
 * Source:  lib/wire/reader.c        Since: 0.1
 */
IPK_API void ipk_reader_init(ipk_reader *r, const void *data, size_t len_bytes);

/**
 * ipk_reader_next() - read the next value
 * @r:         reader
 * @ret_token: the value, or IPK_TOKEN_END after the last one, however often
 *
 *	for (;;) {
 *		IPK_TRY(ipk_reader_next(&r, &token));
 *		if (token.kind == IPK_TOKEN_END)
 *			break;
 *		...
 *	}
 *
 * An array or map that cannot fit into the bytes left is refused at once, so n_items may
 * be trusted to be at most the message's length. Extension types are refused: ipk never
 * writes them. After an error the reader stays where it is.
 *
 * Blocks:  no.
 * Callers: one thread at a time per reader.
 * Crash:   the message may lie in memory that others write meanwhile: each byte is read
 *          once, and what is read is checked.
 * Cost:    no malloc().
 * Source:  lib/wire/reader.c        Since: 0.1
 *
 * Return: 0; -EPROTO malformed, truncated, too deep, or trailing bytes.
 */
IPK_API IPK_MUST_CHECK int ipk_reader_next(ipk_reader *r, ipk_token *ret_token);

/**
 * ipk_pack_to_text() - show a message to people, as one line in the manner of JSON
 * @data:       the message, the mark included
 * @len_bytes:  its length
 * @buf:        for the text and a NUL; the text ends in "..." when it was cut
 * @size_bytes: of @buf; 4 or more
 * @ret_len:    bytes of text without the NUL; may be NULL
 *
 * [42, null, "hello", b"\x00\xff", {"score": 0.97}]. The text is UTF-8 that is safe on a
 * terminal: control, invisible and direction-changing characters are escaped as \n or
 * \u001b, bytes that are not UTF-8 as \xff. Doubles always have a '.', an exponent or a
 * name (inf, nan). What would follow the cut is not looked at.
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
