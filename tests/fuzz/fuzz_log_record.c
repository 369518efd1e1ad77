/* Records of the log, from any bytes: refused, or read within them. */
#include <stddef.h>
#include <stdint.h>

#include "base/crc32c.h"
#include "log/log_record.h"

/* Also what a wrong checksum would keep from being looked at. */
static void read_body(const char *p, size_t n_bytes)
{
	struct ipk__log_body body;

	ipk__log_body_init(&body);
	ipk__log_body_begin(&body, p, n_bytes);
	while (ipk__log_body_next(&body) > 0)
		;
	ipk__log_body_fini(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	const char *p = (const char *)data;
	size_t left = n_bytes;
	struct ipk__log_head head;
	uint32_t chain = 0;
	size_t used;
	const char *why;

	while (ipk__log_record_read(p, left, &chain, &head, &used, &why) == 1) {
		read_body(p + used - head.body_bytes, head.body_bytes);
		p += used;
		left -= used;
	}
	read_body((const char *)data, n_bytes);
	return 0;
}
