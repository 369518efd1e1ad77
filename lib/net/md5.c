/*
 * md5.c - HMAC-MD5, for the handshake of Python before 3.12, used only when requested by name.
 *
 * libsodium has no MD5, for good reason: it is broken as a hash; as a MAC those Pythons need it.
 * From RFC 1321 and RFC 2104; the 64 constants are floor(2^32 abs(sin(i + 1))).
 */
#include <stdint.h>
#include <string.h>

#include "base/base_internal.h"
#include "net/md5.h"

enum { BLOCK_BYTES = 64 };

struct md5 {
	uint32_t words[4];
	uint64_t n_bytes;
	unsigned char block[BLOCK_BYTES]; /* its first n_bytes % 64 are waiting */
};

static const uint32_t sines[64] = {
	0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613,
	0xfd469501, 0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193,
	0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d,
	0x02441453, 0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed,
	0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a, 0xfffa3942, 0x8771f681, 0x6d9d6122,
	0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 0x289b7ec6, 0xeaa127fa,
	0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244,
	0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
	0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb,
	0xeb86d391,
};

static const unsigned char turns[4][4] = {
	{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

static uint32_t mix(unsigned round, uint32_t b, uint32_t c, uint32_t d)
{
	switch (round) {
	case 0:
		return (b & c) | (~b & d);
	case 1:
		return (b & d) | (c & ~d);
	case 2:
		return b ^ c ^ d;
	default:
		return c ^ (b | ~d);
	}
}

static uint32_t word_at(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void add_block(struct md5 *m)
{
	static const unsigned char steps[4] = {1, 5, 3, 7}, starts[4] = {0, 1, 5, 0};
	uint32_t a = m->words[0], b = m->words[1], c = m->words[2], d = m->words[3];

	for (unsigned i = 0; i < 64; i++) {
		unsigned round = i / 16;
		unsigned which = (starts[round] + steps[round] * i) % 16;
		unsigned turn = turns[round][i % 4];
		uint32_t sum = a + mix(round, b, c, d) + sines[i] + word_at(m->block + 4 * which);

		a = d;
		d = c;
		c = b;
		b += sum << turn | sum >> (32 - turn);
	}
	m->words[0] += a;
	m->words[1] += b;
	m->words[2] += c;
	m->words[3] += d;
}

static void md5_begin(struct md5 *m)
{
	*m = (struct md5){.words = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}};
}

static void add(struct md5 *m, const void *data, size_t n_bytes)
{
	const unsigned char *p = data;

	while (n_bytes > 0) {
		size_t at = m->n_bytes % BLOCK_BYTES;
		size_t n = IPK__MIN(n_bytes, BLOCK_BYTES - at);

		memcpy(m->block + at, p, n);
		m->n_bytes += n;
		p += n;
		n_bytes -= n;
		if (at + n == BLOCK_BYTES)
			add_block(m);
	}
}

static void end(struct md5 *m, unsigned char ret_digest[IPK__MD5_BYTES])
{
	uint64_t n_bits = 8 * m->n_bytes;
	unsigned char length[8];

	add(m, "\x80", 1);
	while (m->n_bytes % BLOCK_BYTES != BLOCK_BYTES - 8)
		add(m, "", 1);
	for (int i = 0; i < 8; i++)
		length[i] = (unsigned char)(n_bits >> (8 * i));
	add(m, length, 8);
	for (int i = 0; i < IPK__MD5_BYTES; i++)
		ret_digest[i] = (unsigned char)(m->words[i / 4] >> (8 * (i % 4)));
}

/* The inner or the outer half: the hash of the key, padded, and the data. */
static void hash_under(const unsigned char key[BLOCK_BYTES], unsigned char pad, const void *data,
		       size_t n_bytes, unsigned char ret_digest[IPK__MD5_BYTES])
{
	unsigned char padded[BLOCK_BYTES];
	struct md5 m;

	for (int i = 0; i < BLOCK_BYTES; i++)
		padded[i] = key[i] ^ pad;
	md5_begin(&m);
	add(&m, padded, sizeof padded);
	add(&m, data, n_bytes);
	end(&m, ret_digest);
}

void ipk__md5_hmac(const void *key, size_t key_bytes, const void *data, size_t n_bytes,
		   unsigned char ret_mac[IPK__MD5_BYTES])
{
	unsigned char block[BLOCK_BYTES] = {0};
	unsigned char inner[IPK__MD5_BYTES];
	struct md5 m;

	if (key_bytes > BLOCK_BYTES) {
		md5_begin(&m);
		add(&m, key, key_bytes);
		end(&m, block);
	} else if (key_bytes > 0) {
		memcpy(block, key, key_bytes);
	}
	hash_under(block, 0x36, data, n_bytes, inner);
	hash_under(block, 0x5c, inner, sizeof inner, ret_mac);
}
