/*
 * fuzz_segment_attach.c - attaching to a file that any process may have written.
 *
 * The first byte chooses: the rest is the file itself, or it is combined with a valid header
 * (exclusive or), with a new checksum or not. An attached segment is touched from end to end.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "shared/segment.h"

enum { AS_IS = 1, SIGNED = 2, SEALED = 4, NAMED = 8, WHOLE_BYTES = 5 * 4096 };

static void good_header(struct ipk__shm_header *ret_header)
{
	struct ipk__segment_plan plan = {
		.kind = IPK__KIND_PIPE,
		.label = "fuzz",
		.fixed_bytes = 4096,
		.ring_bytes = 8192,
		.n_rings = 2,
	};
	struct ipk__segment s;

	if (ipk__segment_create(&plan, &s) < 0)
		abort();
	*ret_header = *s.header;
	ipk__segment_detach(&s);
}

static void touch(struct ipk__segment *s)
{
	volatile char *bytes = (volatile char *)s->header;

	for (size_t i = 0; i < s->mapped_bytes; i += 512)
		bytes[i] = bytes[i];
	bytes[s->mapped_bytes - 1] = 0;
	for (uint32_t i = 0; i < s->header->n_rings; i++)
		ipk__segment_ring(s, i)[2 * s->header->ring_bytes - 1] = 1;
}

static void fill(int fd, const uint8_t *data, size_t n_bytes, uint8_t mode)
{
	struct ipk__shm_header h;

	if (mode & AS_IS) {
		if (n_bytes > 0 && ipk__os_pwrite(fd, data, n_bytes, 0) < 0)
			abort();
		return;
	}
	good_header(&h);
	for (size_t i = 0; i < n_bytes && i < sizeof h; i++)
		((uint8_t *)&h)[i] ^= data[i];
	if (mode & SIGNED)
		h.checksum = ipk__checksum(&h, offsetof(struct ipk__shm_header, checksum));
	if (ipk__os_allocate(fd, 0, WHOLE_BYTES) < 0 || ipk__os_pwrite(fd, &h, sizeof h, 0) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	uint8_t mode = n_bytes > 0 ? data[0] : 0;
	struct ipk__segment s;
	int fd;

	if (ipk__os_memfd("ipk:fuzz", &fd) < 0)
		abort();
	fill(fd, n_bytes > 0 ? data + 1 : data, n_bytes > 0 ? n_bytes - 1 : 0, mode);
	if ((mode & SEALED) && ipk__os_seal(fd, false) < 0)
		abort();
	if (ipk__segment_attach(fd, mode >> 4, mode & NAMED, &s) == 0) {
		touch(&s);
		ipk__segment_detach(&s);
	} else {
		ipk__os_close(fd);
	}
	return 0;
}
