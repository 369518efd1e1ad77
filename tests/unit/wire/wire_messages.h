/*
 * wire_messages.h - what the tests of typed messages share: known messages with their text, each
 * read by another MessagePack implementation (Python's msgpack 1.0.3) as the same value, and random
 * ones made with msgpack-c's packer.
 */
#ifndef IPK_TESTS_WIRE_MESSAGES_H
#define IPK_TESTS_WIRE_MESSAGES_H

#include <msgpack.h>
#include <stdint.h>
#include <string.h>

#include "ipk/pack.h"
#include "support/support.h"

struct known {
	const char *text;
	const char *bytes;
	size_t len_bytes;
};

#define KNOWN(text, bytes)                                   \
	{                                                    \
		text, "\xc1" bytes, sizeof("\xc1" bytes) - 1 \
	}

static const struct known known[] = {
	KNOWN("null", "\xc0"),
	KNOWN("false", "\xc2"),
	KNOWN("true", "\xc3"),
	KNOWN("0", "\x00"),
	KNOWN("127", "\x7f"),
	KNOWN("128", "\xcc\x80"),
	KNOWN("255", "\xcc\xff"),
	KNOWN("256", "\xcd\x01\x00"),
	KNOWN("65535", "\xcd\xff\xff"),
	KNOWN("65536", "\xce\x00\x01\x00\x00"),
	KNOWN("4294967295", "\xce\xff\xff\xff\xff"),
	KNOWN("4294967296", "\xcf\x00\x00\x00\x01\x00\x00\x00\x00"),
	KNOWN("9223372036854775807", "\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"),
	KNOWN("9223372036854775808", "\xcf\x80\x00\x00\x00\x00\x00\x00\x00"),
	KNOWN("18446744073709551615", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
	KNOWN("-1", "\xff"),
	KNOWN("-32", "\xe0"),
	KNOWN("-33", "\xd0\xdf"),
	KNOWN("-128", "\xd0\x80"),
	KNOWN("-129", "\xd1\xff\x7f"),
	KNOWN("-32768", "\xd1\x80\x00"),
	KNOWN("-32769", "\xd2\xff\xff\x7f\xff"),
	KNOWN("-2147483648", "\xd2\x80\x00\x00\x00"),
	KNOWN("-2147483649", "\xd3\xff\xff\xff\xff\x7f\xff\xff\xff"),
	KNOWN("-9223372036854775808", "\xd3\x80\x00\x00\x00\x00\x00\x00\x00"),
	KNOWN("0.97", "\xcb\x3f\xef\x0a\x3d\x70\xa3\xd7\x0a"),
	KNOWN("-2.0", "\xcb\xc0\x00\x00\x00\x00\x00\x00\x00"),
	KNOWN("1.5", "\xca\x3f\xc0\x00\x00"), /* of 32 bits: read, not written */
	KNOWN("1e+300", "\xcb\x7e\x37\xe4\x3c\x88\x00\x75\x9c"),
	KNOWN("0.1", "\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a"),
	KNOWN("0.30000000000000004", "\xcb\x3f\xd3\x33\x33\x33\x33\x33\x34"),
	KNOWN("inf", "\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00"),
	KNOWN("-inf", "\xcb\xff\xf0\x00\x00\x00\x00\x00\x00"),
	KNOWN("nan", "\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"),
	KNOWN("\"\"", "\xa0"),
	KNOWN("\"hello\"", "\xa5hello"),
	KNOWN("\"0123456789012345678901234567890\"", "\xbf"
						     "0123456789012345678901234567890"),
	KNOWN("\"01234567890123456789012345678901\"", "\xd9\x20"
						      "01234567890123456789012345678901"),
	KNOWN("\"long\"", "\xda\x00\x04long"),
	KNOWN("\"longer\"", "\xdb\x00\x00\x00\x06longer"),
	KNOWN("b\"\"", "\xc4\x00"),
	KNOWN("b\"\\x00\\xff\"", "\xc4\x02\x00\xff"),
	KNOWN("b\"AB\"", "\xc5\x00\x02"
			 "AB"),
	KNOWN("b\"AB\"", "\xc6\x00\x00\x00\x02"
			 "AB"),
	KNOWN("[]", "\x90"),
	KNOWN("{}", "\x80"),
	KNOWN("[42, null, \"hello\"]", "\x93\x2a\xc0\xa5hello"),
	KNOWN("[[], [[]], {}]", "\x93\x90\x91\x90\x80"),
	KNOWN("{\"score\": 0.97}", "\x81\xa5score\xcb\x3f\xef\x0a\x3d\x70\xa3\xd7\x0a"),
	KNOWN("{1: [true, false], [2]: {\"k\": b\"v\"}}",
	      "\x82\x01\x92\xc3\xc2\x91\x02\x81\xa1k\xc4\x01v"),
	KNOWN("[1, 2]", "\xdc\x00\x02\x01\x02"),
	KNOWN("[1, 2]", "\xdd\x00\x00\x00\x02\x01\x02"),
	KNOWN("{1: 2}", "\xde\x00\x01\x01\x02"),
	KNOWN("{1: 2}", "\xdf\x00\x00\x00\x01\x01\x02"),
};
enum { N_KNOWN = sizeof known / sizeof known[0] };

/* Messages that are none, whoever reads them. */
static const struct known wrong[] = {
	{"no bytes", "", 0},
	{"no mark", "\x93\x2a\xc0\xa5hello", 9},
	{"another mark", "\xc0\x2a", 2},
	KNOWN("only the mark", ""),
	KNOWN("a second mark", "\xc1\x2a"),
	KNOWN("the mark inside", "\x92\x01\xc1"),
	KNOWN("a byte too many", "\x2a\x2a"),
	KNOWN("a byte after an array", "\x91\x2a\x00"),
	KNOWN("an array of one too few", "\x93\x01\x02"),
	KNOWN("an array of 2^32 - 1", "\xdd\xff\xff\xff\xff"),
	KNOWN("an array of 2^16 - 1", "\xdc\xff\xff\x01"),
	KNOWN("a map of 2^32 - 1", "\xdf\xff\xff\xff\xff"),
	KNOWN("a map of 2^31", "\xdf\x80\x00\x00\x00\x01"),
	KNOWN("a map without its last value", "\x82\x01\x02\x03"),
	KNOWN("an array whose values another needs", "\x92\x92\x01\x02"),
	KNOWN("a string of 2^32 - 1", "\xdb\xff\xff\xff\xff"
				      "a"),
	KNOWN("a string beyond the end", "\xa5hell"),
	KNOWN("bytes beyond the end", "\xc4\x05hell"),
	KNOWN("bytes of 2^32 - 1", "\xc6\xff\xff\xff\xff"
				   "a"),
	KNOWN("ext 8", "\xc7\x01\x05x"),
	KNOWN("ext 16", "\xc8\x00\x01\x05x"),
	KNOWN("ext 32", "\xc9\x00\x00\x00\x01\x05x"),
	KNOWN("fixext 1", "\xd4\x05x"),
	KNOWN("fixext 2", "\xd5\x05xx"),
	KNOWN("fixext 4, a timestamp", "\xd6\xff\x00\x00\x00\x00"),
	KNOWN("fixext 8", "\xd7\x05xxxxxxxx"),
	KNOWN("fixext 16", "\xd8\x05xxxxxxxxxxxxxxxx"),
};
enum { N_WRONG = sizeof wrong / sizeof wrong[0] };

/* Memory of exactly the message's length: reading past its end is seen by ASan. */
static inline void *exact_copy(const void *data, size_t len_bytes)
{
	void *copy = malloc(len_bytes > 0 ? len_bytes : 1);

	ck_assert_ptr_nonnull(copy);
	if (len_bytes > 0)
		memcpy(copy, data, len_bytes);
	return copy;
}

/* 0 when a reader comes to the end of it, otherwise the error. */
static inline int read_through(const void *data, size_t len_bytes, size_t *ret_n_tokens)
{
	ipk_reader r;
	ipk_token t;

	*ret_n_tokens = 0;
	ipk_reader_init(&r, data, len_bytes);
	for (;;) {
		IPK_TRY(ipk_reader_next(&r, &t));
		if (t.kind == IPK_TOKEN_END)
			return 0;
		++*ret_n_tokens;
	}
}

/* xorshift64*: the same numbers everywhere. */
static inline uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1du;
}

static inline void pack_random_body(msgpack_packer *pk, uint64_t *seed, bool is_string)
{
	static const size_t lengths[] = {0, 1, 5, 31, 32, 255, 256};
	size_t n = lengths[random_next(seed) % 7];
	char body[256];

	memset(body, 'a' + (int)(random_next(seed) % 26), sizeof body);
	if (is_string)
		msgpack_pack_str_with_body(pk, body, n);
	else
		msgpack_pack_bin_with_body(pk, body, n);
}

/* One value of any type, arrays and maps in it down to @depth more. */
static inline void pack_random(msgpack_packer *pk, uint64_t *seed, int depth)
{
	uint64_t word = random_next(seed) >> random_next(seed) % 64;
	size_t n = random_next(seed) % 18;

	switch (random_next(seed) % (depth > 0 ? 11 : 9)) {
	case 0:
		msgpack_pack_nil(pk);
		break;
	case 1:
		msgpack_pack_true(pk);
		break;
	case 2:
		msgpack_pack_false(pk);
		break;
	case 3:
		msgpack_pack_uint64(pk, word);
		break;
	case 4:
		msgpack_pack_int64(pk, -(int64_t)(word >> 1));
		break;
	case 5:
		msgpack_pack_double(pk, (double)word / 3);
		break;
	case 6:
		msgpack_pack_float(pk, (float)word / 3);
		break;
	case 7:
	case 8:
		pack_random_body(pk, seed, word % 2 == 0);
		break;
	case 9:
		msgpack_pack_array(pk, n);
		for (size_t i = 0; i < n; i++)
			pack_random(pk, seed, depth - 1);
		break;
	default:
		msgpack_pack_map(pk, n / 2);
		for (size_t i = 0; i < n / 2 * 2; i++)
			pack_random(pk, seed, depth - 1);
	}
}

/* A random message, mark and all; destroy it with msgpack_sbuffer_destroy(). */
static inline void make_random(msgpack_sbuffer *message, uint64_t seed)
{
	msgpack_packer pk;

	msgpack_sbuffer_init(message);
	msgpack_sbuffer_write(message, "\xc1", 1);
	msgpack_packer_init(&pk, message, msgpack_sbuffer_write);
	pack_random(&pk, &seed, 3);
}

#endif
