/* bulk.h - the addresses of the copies: the two instructions that move bytes. */
#ifndef IPK_KILL_BULK_H
#define IPK_KILL_BULK_H

#include <stddef.h>

extern const char bulk_copy_here[]; /* rep movsb */
extern const char bulk_fill_here[]; /* rep stosb */

/* The linker puts these in the place of memcpy and its like (--wrap). */
void *__wrap_memcpy(void *dst, const void *src, size_t n_bytes);
void *__wrap_memmove(void *dst, const void *src, size_t n_bytes);
void *__wrap_memset(void *dst, int byte, size_t n_bytes);

#endif
