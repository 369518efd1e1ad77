/*
 * shm.h - shared memory, bytes and nothing else (Python: multiprocessing.shared_memory).
 *
 * Memory has one size for life. To grow, it is replaced: the name leads to the larger one
 * from one moment to the next, and who has the old one keeps it whole until he closes it.
 * No death takes it from others: neither its maker's nor an opener's end removes the name,
 * unless all have ended and it was made to go with the last (unlink_last).
 *
 * A raw one is the file /dev/shm/NAME and nothing else: Python's SharedMemory(name="NAME")
 * opens it, and what Python made is opened here. (A Python before 3.13 that only opens one
 * must call resource_tracker.unregister("/NAME", "shared_memory"), or its end removes the
 * name.) Any other has a header that is checked when it is opened.
 *
 * There is no lock in it: see lock.h. Handles may be used by all threads and fork children.
 */
#ifndef IPK_SHM_H
#define IPK_SHM_H

#include "deadline.h"
#include "pipe.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ipk_shm ipk_shm;

typedef struct ipk_shm_opts {
	size_t struct_size; /* sizeof(ipk_shm_opts) */
	const char *name;   /* NULL: anonymous; [A-Za-z0-9._-]{1,200} */
	const char *label;  /* what ipc-inspect calls an anonymous one; "shm" */
	size_t size_bytes;  /* 1 or more */
	bool is_raw;        /* no header; with a name only, which does not begin with "ipk." */
	bool unlink_last;   /* the name goes when nobody has it open any more; not with is_raw */
	bool open_existing; /* one of that name is opened instead, if it is like this */
} ipk_shm_opts;

#define IPK_SHM(...) IPK_OPTS(shm, __VA_ARGS__)

/* For opening; IPK_SHM_RAW for unlinking too. */
enum {
	IPK_SHM_RAW = 1,       /* a raw one */
	IPK_SHM_READ_ONLY = 2, /* writing to it raises SIGSEGV */
};

/**
 * ipk_shm_create() - make shared memory, zeroed
 * @opts:    size_bytes at least
 * @ret_shm: the memory
 *
 * Blocks:  no.
 * Crash:   a name appears whole or not at all; an anonymous one leaves nothing. A name that
 *          unlink_last left behind, because all who had it were killed, is taken over.
 * Cost:    an fd, a mapping, and all its pages at once, so that using them never fails.
 * Source:  lib/value/shm_memory.c   Since: 0.2
 *
 * Return: 0; -EINVAL name, size or option; -EEXIST the name is taken; -EPROTOTYPE by one that is
 * not like @opts (open_existing); -ENOSPC; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_shm_create(const ipk_shm_opts *opts, ipk_shm **ret_shm);

/**
 * ipk_shm_open() - open the shared memory that a name leads to
 * @name:     as it was made
 * @flags:    IPK_SHM_RAW, IPK_SHM_READ_ONLY, or 0
 * @deadline: when to stop waiting for it to be made; ipk_now() to try once
 * @ret_shm:  the memory
 *
 * A raw one must be a file of this user that nobody else may write to; pages that its maker
 * has not used yet are taken now, so that using them never fails.
 *
 * Blocks:  while there is none of that name.
 * Source:  lib/value/shm_memory.c   Since: 0.2
 *
 * Return: 0; -ENOENT nobody has made it by then, also when its last user is about to remove it;
 * -EINVAL; -EACCES, -EPROTO, -EPROTOTYPE, -EPROTONOSUPPORT, -ELIBBAD, -EXDEV, -ENODATA (of a raw
 * one: it is empty), -EBADMSG see error.h; -ENOSPC; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_shm_open(const char *name, unsigned flags, ipk_deadline deadline,
					ipk_shm **ret_shm);

/**
 * ipk_shm_close() - give up the memory; what ipk_shm_data() gave is gone
 * @shm: NULL is fine; no thread of this process uses it any more
 *
 * A fork child's handle is one more: each closes its own, or ends.
 *
 * Blocks:  no.
 * Crash:   a process that ends or is killed closes it, without removing the name; with
 *          unlink_last, whoever closes it last, or makes or opens and closes it next, does.
 * Source:  lib/value/shm_memory.c   Since: 0.2
 *
 * Return: NULL.
 */
IPK_API ipk_shm *ipk_shm_close(ipk_shm *shm);

static inline void ipk_shm_closep(ipk_shm **shm)
{
	*shm = ipk_shm_close(*shm);
}

/**
 * ipk_shm_unlink() - remove the name; who has the memory open keeps it
 * @name:  as it was made
 * @flags: IPK_SHM_RAW or 0
 *
 * Blocks:  no.
 * Source:  lib/value/shm_memory.c   Since: 0.2
 *
 * Return: 0; -ENOENT; -EINVAL; -EACCES another user's.
 */
IPK_API IPK_MUST_CHECK int ipk_shm_unlink(const char *name, unsigned flags);

/**
 * ipk_shm_data() - where the memory is in this process
 * @shm: memory
 *
 * Blocks:  no.
 * Callers: any thread, any time; async-signal-safe.
 * Source:  lib/value/shm_memory.c   Since: 0.2
 *
 * Return: its first byte, at the beginning of a page; other processes have it elsewhere, so
 * keep offsets in it, not pointers. NULL for NULL.
 */
IPK_API void *ipk_shm_data(const ipk_shm *shm);

/**
 * ipk_shm_size_bytes() - how large it is
 * @shm: memory
 *
 * Blocks:  no.
 * Callers: any thread, any time; async-signal-safe.
 * Source:  lib/value/shm_memory.c   Since: 0.2
 *
 * Return: the bytes that were asked for; of what Python made, those of the file. 0 for NULL.
 */
IPK_API size_t ipk_shm_size_bytes(const ipk_shm *shm);

/**
 * ipk_shm_users() - which processes have it open
 * @shm:         memory
 * @ret_pids:    up to @max process ids, in no order; may be NULL when @max is 0
 * @max:         how many there is room for
 * @ret_n_users: how many processes have it open, which may be more than @max
 *
 * This process counts, and so does an ipc-inspect while it looks. Asked of the kernel, so the
 * dead are not among them; processes that this one may not look into (ptrace(2)) are not
 * seen, nor those that closed the file and kept the mapping, which ipk and Python do not do.
 *
 * Blocks:  no; looks at all processes' files in /proc.
 * Callers: any thread. The answer may be out of date when it arrives.
 * Source:  lib/value/shm_memory.c   Since: 0.2
 *
 * Return: 0; -EBADF; -EINVAL; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_shm_users(const ipk_shm *shm, uint32_t *ret_pids, size_t max,
					 size_t *ret_n_users);

/**
 * ipk_shm_is_current() - whether the name still leads to this memory
 * @shm: memory
 *
 * Blocks:  no.
 * Callers: any thread.
 * Source:  lib/value/shm_memory.c   Since: 0.2
 *
 * Return: false when the name was removed or leads to other memory, which can then be
 * opened, and for NULL; true for anonymous memory.
 */
IPK_API bool ipk_shm_is_current(const ipk_shm *shm);

/**
 * ipk_shm_replace() - put larger memory with the same contents in its place
 * @shm:            named memory, open for writing; it stays as it is, to be closed
 * @new_size_bytes: as large as it is, or more; what is new is zeroed
 * @ret_shm:        the new memory, to which the name leads from now on
 *
 * What others write to the old one while it is copied, or later, does not get over: keep
 * them away with a lock, or let them look at ipk_shm_is_current() under it.
 *
 * Blocks:  no.
 * Crash:   the name leads to the old one or to the new one, whole, at every instant.
 * Source:  lib/value/shm_memory.c   Since: 0.2
 *
 * Return: 0; -EINVAL smaller; -ESTALE the name leads to it no more; -EBUSY another process is
 * just replacing it; -EOPNOTSUPP anonymous or read-only; -EBADF; -ENOSPC; -ENOMEM; -EMFILE;
 * -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_shm_replace(const ipk_shm *shm, size_t new_size_bytes,
					   ipk_shm **ret_shm);

/**
 * ipk_shm_send() - pass anonymous memory to the other side of a pipe
 * @shm:      memory
 * @via:      any end
 * @deadline: when to stop waiting for room
 *
 * Blocks:  while the socket of @via is full.
 * Source:  lib/value/shm_memory.c   Since: 0.2
 *
 * Return: as ipk_pipe_send_fd(); -EOPNOTSUPP a named one (pass the name).
 */
IPK_API IPK_MUST_CHECK int ipk_shm_send(ipk_shm *shm, ipk_pipe *via, ipk_deadline deadline);

/**
 * ipk_shm_recv() - take memory that the other side passed
 * @via:      any end
 * @deadline: when to stop waiting
 * @ret_shm:  the memory
 *
 * Blocks:  until the other side has passed it.
 * Source:  lib/value/shm_memory.c   Since: 0.2
 *
 * Return: as ipk_pipe_recv_fd() and ipk_shm_open().
 */
IPK_API IPK_MUST_CHECK int ipk_shm_recv(ipk_pipe *via, ipk_deadline deadline, ipk_shm **ret_shm);

#ifdef __cplusplus
}
#endif

#endif
