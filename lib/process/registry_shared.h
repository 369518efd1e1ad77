/*
 * registry_shared.h - the children that a process has started, for inspection by others.
 *
 * A process that has started a child has one segment of this kind, without a name. Only it writes
 * there; a fork of it has the memory too, but creates a segment of its own when it starts a child:
 * the header's creator_pid tells whose it is. Nobody ever waits: each slot counts its changes, and
 * is being changed while the count is odd.
 */
#ifndef IPK_PROCESS_REGISTRY_SHARED_H
#define IPK_PROCESS_REGISTRY_SHARED_H

#include <stdatomic.h>

#include "shared/segment.h"

enum {
	IPK__CHILDREN_MAX = 128, /* more run unseen; the oldest terminated ones are evicted */
	IPK__CHILD_NONE = 0,
	IPK__CHILD_RUNNING = 1,
	IPK__CHILD_ENDED = 2, /* and its parent has its status */
	IPK__CHILD_LOST = 3,  /* its parent closed the handle before, or cannot know its status */
};

struct ipk__shm_child {
	_Atomic uint32_t n_changes;
	_Atomic uint32_t state;
	_Atomic uint64_t owner; /* its pid and start time: shared/owner.h, as a process */
	_Atomic int64_t started_boot_ns;
	_Atomic int64_t ended_boot_ns; /* when its parent noticed the exit */
	_Atomic uint32_t start_method; /* IPK_START_* */
	_Atomic uint32_t flags;        /* IPK_PROCESS_* */
	_Atomic int32_t exit_code;     /* as ipk_process_status */
	_Atomic int32_t signal;
	_Atomic uint32_t core;
	_Atomic uint32_t is_oom;
	_Atomic int64_t user_ns;
	_Atomic int64_t system_ns;
	_Atomic uint64_t max_rss_bytes;
	char name[IPK__NAME_MAX + 8]; /* always terminated by 0 */
};
_Static_assert(sizeof(struct ipk__shm_child) == 288, "layout");

struct ipk__shm_processes {
	struct ipk__shm_header header;
	_Atomic uint64_t owner; /* the parent process */
	_Atomic uint64_t n_started;
	_Atomic uint64_t n_ended;
	_Atomic uint64_t n_unseen; /* for which no slot was free */
	char name[IPK__NAME_MAX + 8];
	struct ipk__shm_child children[IPK__CHILDREN_MAX];
};

#endif
