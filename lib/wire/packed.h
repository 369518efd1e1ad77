/*
 * packed.h - a packed message in memory of the caller's, for those who send it at once.
 */
#ifndef IPK_WIRE_PACKED_H
#define IPK_WIRE_PACKED_H

#include <stdarg.h>
#include <stddef.h>

struct ipk__packed {
	unsigned char *bytes; /* may point to local: never copy this struct */
	size_t len_bytes;
	size_t room_bytes;
	unsigned char local[256];
};

/* As ipk_vpack(), without malloc() up to 256 bytes. After a failure nothing is to be freed. */
int ipk__packed_init(struct ipk__packed *p, const char *format, va_list args);
void ipk__packed_fini(struct ipk__packed *p);

#endif
