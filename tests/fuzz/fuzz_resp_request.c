/*
 * fuzz_resp_request.c - any bytes that a client may send.
 *
 * The first byte chooses limits and the size of the pieces in which the rest arrives. Whole and in
 * pieces, the same requests must result, or the same error; each piece is a copy of its exact
 * length. What was read is written as a request again and read once more.
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

static char *copy_of(const uint8_t *data, size_t n_bytes)
{
	char *copy = malloc(n_bytes > 0 ? n_bytes : 1);

	must(copy != NULL);
	if (n_bytes > 0)
		memcpy(copy, data, n_bytes);
	return copy;
}

/* One request at the start of @data, which comes in pieces of @step bytes. */
static int read_one(struct ipk__resp_reader *r, const uint8_t *data, size_t n_bytes, size_t step,
		    size_t *ret_used, char **ret_copy)
{
	size_t n = 0;

	for (;;) {
		char *copy = copy_of(data, n);
		size_t more = 0;
		int found = ipk__resp_read_request(r, copy, n, ret_used, &more);

		*ret_copy = copy;
		must(found == 1 || found == 0 || found == -EPROTO);
		must(found != 1 || (*ret_used > 0 && *ret_used <= n));
		must(found != 0 || more > 0);
		must(found != -EPROTO || r->error);
		if (found != 0 || n == n_bytes)
			return found;
		free(copy);
		n = n_bytes - n < step ? n_bytes : n + step;
	}
}

static void read_again(const struct ipk__resp_reader *r)
{
	static const struct ipk__resp_limits ample = {1 << 20, 512 << 20, 64 << 10, 1 << 30};
	struct ipk__buffer b = {0};
	struct ipk__resp_reader again;
	size_t used, more;

	if (r->argc == 0)
		return;
	ipk__resp_request(&b, r->argv, r->argc);
	ipk__resp_reader_init(&again, &ample);
	must(ipk__resp_read_request(&again, ipk__buffer_front(&b), ipk__buffer_len(&b), &used,
				    &more) == 1);
	must(used == ipk__buffer_len(&b) && again.argc == r->argc);
	for (size_t i = 0; i < r->argc; i++)
		must(ipk__slice_equal(again.argv[i], r->argv[i]));
	ipk__resp_reader_free(&again);
	ipk__buffer_free(&b);
}

static void must_be_alike(const struct ipk__resp_reader *a, const struct ipk__resp_reader *b)
{
	must(a->argc == b->argc);
	for (size_t i = 0; i < a->argc; i++)
		must(ipk__slice_equal(a->argv[i], b->argv[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	uint8_t mode = n_bytes > 0 ? data[0] : 0;
	struct ipk__resp_limits limits = {
		.args_max = mode & 1 ? 10 : 1 << 20,
		.bulk_max = mode & 2 ? 16 : 512 << 20,
		.inline_max = mode & 4 ? 32 : 64 << 10,
		.total_max = mode & 8 ? 64 : 1 << 30,
	};
	struct ipk__resp_reader whole, pieces;
	int found = 1;

	ipk__resp_reader_init(&whole, &limits);
	ipk__resp_reader_init(&pieces, &limits);
	for (size_t at = 1; found == 1 && at < n_bytes;) {
		size_t used = 0, used_in_pieces = 0;
		char *copy, *last;

		found = read_one(&whole, data + at, n_bytes - at, n_bytes, &used, &copy);
		must(read_one(&pieces, data + at, n_bytes - at, 1 + (mode >> 4), &used_in_pieces,
			      &last) == found);
		must(used == used_in_pieces);
		if (found == 1) {
			must_be_alike(&whole, &pieces);
			read_again(&whole);
		}
		free(copy);
		free(last);
		at += used;
	}
	ipk__resp_reader_free(&whole);
	ipk__resp_reader_free(&pieces);
	return 0;
}
