/*
 * fuzz_pack_reader.c - a typed message of arbitrary bytes.
 *
 * The reader, unpacking and the text must agree on whether it is valid; nothing may crash or read
 * out of bounds, and a message that unpacking refuses leaves no trace.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipk/pack.h"

enum { TEXT_BYTES_MAX = 256 };

#define must(fact)               \
	do {                     \
		if (!(fact))     \
			abort(); \
	} while (0)

/* 0 at the end of the message, otherwise the error. */
static int read_through(const uint8_t *data, size_t n_bytes)
{
	size_t n_tokens = 0, sum = 0;
	ipk_reader r;
	ipk_token t;

	ipk_reader_init(&r, data, n_bytes);
	for (;;) {
		IPK_TRY(ipk_reader_next(&r, &t));
		if (t.kind == IPK_TOKEN_END)
			return 0;
		must(++n_tokens <= n_bytes);
		must(t.depth < IPK_PACK_DEPTH_MAX || t.kind < IPK_TOKEN_ARRAY);
		if (t.kind == IPK_TOKEN_STRING || t.kind == IPK_TOKEN_BYTES) {
			for (size_t i = 0; i < t.len_bytes; i++)
				sum += (unsigned char)t.data[i];
			must(sum <= n_bytes * 255);
		}
	}
}

static void unpack(const uint8_t *data, size_t n_bytes)
{
	static const char *const formats[] = {"[i n s]",         "{s: d, s: d}", "[* s [I y] *]",
					      "[b l L d S * *]", "[[s s] s]",    "s"};
	void *places[8] = {0};
	uint64_t room[8];

	for (size_t f = 0; f < sizeof formats / sizeof formats[0]; f++) {
		int r = ipk_unpack(data, n_bytes, formats[f], NULL, NULL, NULL, NULL, NULL, NULL,
				   NULL);

		must(r == 0 || r == -EPROTO || r == -ERANGE);
	}
	if (ipk_unpack(data, n_bytes, "[s i s]", &places[0], &room[0], &places[1]) == 0) {
		must(strlen(places[0]) + strlen(places[1]) < n_bytes);
		free(places[0]);
		free(places[1]);
	} else {
		must(!places[0] && !places[1]);
	}
}

static void show(const uint8_t *data, size_t n_bytes, size_t size, int sound)
{
	char buf[TEXT_BYTES_MAX];
	size_t len = 0;
	int r = ipk_pack_to_text(data, n_bytes, buf, size, &len);

	must(r == 0 || (r == -EPROTO && sound != 0));
	if (r < 0)
		return;
	must(len < size && strlen(buf) == len);
	must(sound == 0 || strcmp(buf + len - 3, "...") == 0);
	for (size_t i = 0; i < len; i++)
		must((unsigned char)buf[i] >= ' ' && buf[i] != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	int r = read_through(data, n_bytes);

	must(r == 0 || r == -EPROTO);
	must(ipk_unpack(data, n_bytes, "*") == r);
	unpack(data, n_bytes);
	for (size_t size = 4; size <= TEXT_BYTES_MAX; size += size / 2)
		show(data, n_bytes, size, r);
	return 0;
}
