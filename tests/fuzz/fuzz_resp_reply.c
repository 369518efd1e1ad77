/*
 * fuzz_resp_reply.c - any bytes that a server may reply.
 *
 * The first byte is the size of the pieces in which the rest arrives. Whole and in pieces, the same
 * values are found; a value that was found whole is read to exactly its end, and skipping over it
 * ends at the same place.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/resp.h"

static void must(int holds)
{
	if (!holds)
		abort();
}

static int scan(const uint8_t *data, size_t n_bytes, size_t step, size_t *ret_bytes)
{
	struct ipk__resp_scan s = {0};

	for (size_t n = 0;;) {
		char *copy = malloc(n > 0 ? n : 1);
		int found;

		must(copy != NULL);
		if (n > 0)
			memcpy(copy, data, n);
		found = ipk__resp_scan_value(&s, copy, n, ret_bytes);
		free(copy);
		must(found == 1 || found == 0 || found == -EPROTO);
		if (found != 0 || n == n_bytes)
			return found;
		n = n_bytes - n < step ? n_bytes : n + step;
	}
}

static void read_all(const char *data, size_t n_bytes)
{
	struct ipk__slice whole = {data, n_bytes};
	struct ipk__resp_value v, first;
	volatile unsigned char sum = 0;
	size_t at = 0, skipped = 0;

	while (at < n_bytes) {
		size_t before = at;

		must(ipk__resp_next(whole, &at, &v) == 0);
		must(at > before && at <= n_bytes);
		for (size_t i = 0; i < v.text.n_bytes; i++)
			sum ^= (unsigned char)v.text.bytes[i];
	}
	must(ipk__resp_next(whole, &skipped, &first) == 0);
	must(ipk__resp_skip(whole, &skipped, &first) == 0);
	while (first.type == IPK__RESP_ATTRIBUTE) {
		must(ipk__resp_next(whole, &skipped, &first) == 0);
		must(ipk__resp_skip(whole, &skipped, &first) == 0);
	}
	must(skipped == n_bytes);
	(void)sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	size_t step = n_bytes > 0 ? 1 + data[0] % 16 : 1;
	int found = 1;

	for (size_t at = 1; found == 1 && at < n_bytes;) {
		size_t n = 0, in_pieces = 0;
		char *copy;

		found = scan(data + at, n_bytes - at, n_bytes, &n);
		must(scan(data + at, n_bytes - at, step, &in_pieces) == found);
		must(n == in_pieces);
		if (found != 1)
			break;
		copy = malloc(n);
		must(copy != NULL);
		memcpy(copy, data + at, n);
		read_all(copy, n);
		free(copy);
		at += n;
	}
	return 0;
}
