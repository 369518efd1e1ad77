/*
 * base_internal.h - pure helpers, no system calls.
 *
 * name.c: which names are allowed. bits.h-like inlines: rounding. checksum.c: the header
 * checksum.
 */
#ifndef IPK_BASE_INTERNAL_H
#define IPK_BASE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(default) /* for libipk-manager */

#define IPK__NAME_MAX 200
#define IPK__CACHE_LINE 128 /* two of 64: processors fetch a neighbour along */

#define IPK__MIN(a, b) ((a) < (b) ? (a) : (b))
#define IPK__MAX(a, b) ((a) > (b) ? (a) : (b))
#define IPK__N_OF(array) (sizeof(array) / sizeof((array)[0]))

/*
 * What lies in shared memory, loaded exactly once: what is checked afterwards is what is used,
 * whatever another process writes there meanwhile.
 */
#define IPK__READ_ONCE(field) (*(const volatile __typeof__(field) *)&(field))

/*
 * What every fork touches, in parent and child, lies together: a page that both write to
 * is copied, and of one that was not used yet the first use is a fault.
 */
#define IPK__AT_FORK_DATA __attribute__((section("ipk_at_fork")))
#define IPK__AT_FORK_CODE __attribute__((hot))

/* 0 when @name is [A-Za-z0-9._-]{1,200}, otherwise -EINVAL. */
int ipk__name_check(const char *name);

/* FNV-1a, 64 bits: tells accidents from intact headers; no defence against intent. */
uint64_t ipk__checksum(const void *data, size_t n_bytes);

static inline uint64_t ipk__round_up(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) / unit * unit;
}

/* The next power of two; 0 and 1 give 1. */
static inline uint64_t ipk__round_up_pow2(uint64_t n)
{
	return n <= 1 ? 1 : (uint64_t)1 << (64 - __builtin_clzll(n - 1));
}

/*
 * Times that a user gives are added and multiplied here alone: what is too far away is never,
 * INT64_MAX, and no sum wraps.
 */
static inline int64_t ipk__later_ns(int64_t at_ns, int64_t more_ns)
{
	int64_t sum;

	if (!__builtin_add_overflow(at_ns, more_ns, &sum))
		return sum;
	return more_ns > 0 ? INT64_MAX : INT64_MIN;
}

static inline int64_t ipk__ms_to_ns(int64_t ms)
{
	int64_t ns;

	if (!__builtin_mul_overflow(ms, (int64_t)1000000, &ns))
		return ns;
	return ms > 0 ? INT64_MAX : INT64_MIN;
}

/*
 * The options a caller passed, as this library knows them: fields a smaller (older)
 * struct lacks are zero. -EINVAL when a larger (newer) one has a non-zero field we do
 * not know.
 */
int ipk__opts_copy(void *dst, size_t dst_bytes, const void *src);

#pragma GCC visibility pop

#endif
