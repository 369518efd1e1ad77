/*
 * bulk.c - the only code in this program that copies bytes.
 *
 * For a large message, the C library's copy is thousands of instructions, and no other process can
 * observe a difference between most of them. Here each copy is one instruction at a known address,
 * so the stepper knows when it is inside one.
 */
#include <stdint.h>

#include "alone.h"
#include "bulk.h"

ALONE void *__wrap_memcpy(void *dst, const void *src, size_t n_bytes)
{
	void *to = dst;

	__asm__ volatile(".globl bulk_copy_here\n"
			 "bulk_copy_here:\n\t"
			 "rep movsb"
			 : "+D"(to), "+S"(src), "+c"(n_bytes)
			 :
			 : "memory");
	return dst;
}

ALONE void *__wrap_memmove(void *dst, const void *src, size_t n_bytes)
{
	volatile unsigned char *to = dst;
	const unsigned char *from = src;

	if ((uintptr_t)dst - (uintptr_t)src >= n_bytes)
		return __wrap_memcpy(dst, src, n_bytes);
	while (n_bytes-- > 0)
		to[n_bytes] = from[n_bytes];
	return dst;
}

ALONE void *__wrap_memset(void *dst, int byte, size_t n_bytes)
{
	void *to = dst;

	__asm__ volatile(".globl bulk_fill_here\n"
			 "bulk_fill_here:\n\t"
			 "rep stosb"
			 : "+D"(to), "+c"(n_bytes)
			 : "a"(byte)
			 : "memory");
	return dst;
}
