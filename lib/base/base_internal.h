/*
 * base_internal.h - pure helpers, no system calls.
 *
 * name.c: which names are allowed. checksum.c: the header checksum. Inline here: rounding, times.
 */
#ifndef IPK_BASE_INTERNAL_H
#define IPK_BASE_INTERNAL_H

#include <errno.h>
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
 * Loads a value from shared memory exactly once: the value checked is the value used, whatever
 * another process writes there meanwhile.
 */
#define IPK__READ_ONCE(field) (*(const volatile __typeof__(field) *)&(field))

/*
 * Data that every fork touches, in parent and child, is kept together: a page that both write to is
 * copied, and the first use of an unused page is a fault.
 */
#define IPK__AT_FORK_DATA __attribute__((section("ipk_at_fork")))
#define IPK__AT_FORK_CODE __attribute__((hot))

/* 0 when @name is [A-Za-z0-9._-]{1,200}, otherwise -EINVAL. */
int ipk__name_check(const char *name);

/* FNV-1a, 64 bits: detects accidental damage of headers; no protection against intent. */
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
 * Times given by users are added and multiplied only here: too large a time is never, INT64_MAX,
 * and no sum wraps.
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

/*
 * Sets the text of ipk_error_detail(): the option, "IPK_QUEUE(.max_items)", or the argument, and
 * then its valid values. @text is static. Returns @err; every -EINVAL caused by a caller is made
 * this way.
 */
__attribute__((cold)) void ipk__note_detail(int err, const char *text);

static inline int ipk__detail(int err, const char *text)
{
	ipk__note_detail(err, text);
	return err;
}

static inline int ipk__invalid(const char *text)
{
	return ipk__detail(-EINVAL, text);
}

#define IPK__REQUIRE(is_fine, text)                \
	do {                                       \
		if (!(is_fine))                    \
			return ipk__invalid(text); \
	} while (0)

#define IPK__NAME_RULE "[A-Za-z0-9._-]{1,200}"
#define IPK__NO_OUTPUT "the pointer for the handle is NULL"
#define IPK__OVER_BUF "buf_bytes: smaller than the message"
#define IPK__OVER_VALUE "buf_bytes: smaller than the value"
#define IPK__OTHER_KIND "name: an object of another kind"

#pragma GCC visibility pop

#endif
