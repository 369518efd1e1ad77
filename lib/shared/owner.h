/*
 * owner.h - an owner in one word: the id of a thread or process, and its incarnation number.
 *
 * One word, so acquiring a resource and recording the owner are the same store, and no death can
 * come in between. The incarnation number (os/life.c) distinguishes a dead owner from a later one
 * with the same id, equally for readers in all time namespaces, and mostly without /proc. The
 * highest bit is free for the user of the word.
 */
#ifndef IPK_SHARED_OWNER_H
#define IPK_SHARED_OWNER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#pragma GCC visibility push(default) /* for libipk-manager */

#define IPK__OWNER_MARK ((uint64_t)1 << 63)

static inline uint32_t ipk__owner_id(uint64_t owner)
{
	return (uint32_t)(owner >> 32) & 0x7fffffffu;
}

/* Never 0. Costs up to three system calls: cache the result, but never across a fork. */
uint64_t ipk__owner_of(pid_t id);
/*
 * Whether the kernel says so: the id is unused, a zombie's or reused. A process whose first thread
 * has exited is alive, that thread is not.
 */
bool ipk__owner_is_dead(uint64_t owner, bool is_process);
/*
 * For a thread or process that stored its id and a time of ipk__os_boot_ns(): whether it is dead,
 * or its id belongs to one started later. A time of 0 or INT64_MAX is none.
 */
bool ipk__is_dead_since(uint32_t id, bool is_process, int64_t since_boot_ns);

/*
 * An iteration over an array of such words. Checking each of thousands can take longer than a call
 * may be late. So one pass ends after IPK__WALK_NS, and the next one of the process continues from
 * there: *at, in private memory.
 */
#define IPK__WALK_NS 20000000

struct ipk__walk {
	_Atomic uint32_t *at;
	uint32_t from;
	uint32_t n; /* words in the array */
	uint32_t n_seen;
	int64_t end_ns;
};

struct ipk__walk ipk__walk_begin(_Atomic uint32_t *at, uint32_t n);
/* False: the pass is complete. */
bool ipk__walk_next(struct ipk__walk *w, uint32_t *ret_i);

#pragma GCC visibility pop

#endif
