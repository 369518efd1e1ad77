/*
 * owner.h - who holds something, in one word: the id of a thread or process, and its birth mark.
 *
 * One word, so that claiming a thing and saying who claimed it are the same store, and no
 * death can come in between. The mark (os/life.c) tells the dead from one that got their id
 * later, alike to readers in all time namespaces, and mostly without /proc.
 * The highest bit is left to whoever keeps the word.
 */
#ifndef IPK_SHM_OWNER_H
#define IPK_SHM_OWNER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#pragma GCC visibility push(default) /* for libipk-manager */

#define IPK__OWNER_MARK ((uint64_t)1 << 63)

static inline uint32_t ipk__owner_id(uint64_t owner)
{
	return (uint32_t)(owner >> 32) & 0x7fffffffu;
}

/* Never 0. It takes a system call or three: keep the answer, but never across a fork. */
uint64_t ipk__owner_of(pid_t id);
/*
 * Whether the kernel says so: the id is nobody's, a zombie's or another's by now. A process
 * whose first thread has ended lives on, that thread does not.
 */
bool ipk__owner_is_dead(uint64_t owner, bool is_process);
/*
 * Of a thread or process that left its number and a time of ipk__os_boot_ns(): whether it is dead,
 * or one that began after that has its number. A time of 0 or INT64_MAX is none.
 */
bool ipk__is_dead_since(uint32_t id, bool is_process, int64_t since_boot_ns);

/*
 * A walk over a row of such words. To ask for each of thousands can take longer than a call may be
 * late, whoever wrote them. So one walk ends after IPK__WALK_NS, and the next one of the process
 * goes on from there: *at, in private memory.
 */
#define IPK__WALK_NS 20000000

struct ipk__walk {
	_Atomic uint32_t *at;
	uint32_t from;
	uint32_t n; /* words in the row */
	uint32_t n_seen;
	int64_t end_ns;
};

struct ipk__walk ipk__walk_begin(_Atomic uint32_t *at, uint32_t n);
/* False: it is over. */
bool ipk__walk_next(struct ipk__walk *w, uint32_t *ret_i);

#pragma GCC visibility pop

#endif
