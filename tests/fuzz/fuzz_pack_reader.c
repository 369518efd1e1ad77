/*
 * fuzz_pack_reader.c - any bytes as a typed message: read, unpacked and shown as text.
 * Whatever the reader accepts, the others accept too.
 */
#include <stdlib.h>

#include "ipk/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ipk_token token = {0};
	ipk_reader reader;
	char text[256];
	int r;

	ipk_reader_init(&reader, data, size);
	do {
		r = ipk_reader_next(&reader, &token);
	} while (r == 0 && token.kind != IPK_TOKEN_END);
	if (ipk_unpack(data, size, "*") != r)
		abort();
	if (r == 0 && ipk_pack_to_text(data, size, text, sizeof text, NULL) != 0)
		abort();
	return 0;
}
