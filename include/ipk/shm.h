/*
 * shm.h - raw bytes in shared memory (Python: multiprocessing.shared_memory).
 *
 * The size of a segment is fixed. To grow, it is replaced: the name switches atomically to a larger
 * segment, and processes that have the old one open keep it unchanged until they close it. The
 * death of a process, creator or not, does not remove the name. With unlink_last the last close
 * does; if the last user was killed, the next create, or open and close, removes it.
 *
 * A raw one is exactly the file /dev/shm/NAME: Python's SharedMemory(name="NAME") opens it, and
 * this library opens those that Python created. (A Python before 3.13 that only opens one must call
 * resource_tracker.unregister("/NAME", "shared_memory"); otherwise its exit removes the name.) All
 * others have a header that is checked on open.
 *
 * It has no lock: see lock.h. Handles may be used by all threads and by fork children.
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
	const char *label;  /* shown by ipc-inspect for an anonymous one; "shm" */
	size_t size_bytes;  /* 1 or more */
	bool is_raw;        /* no header; needs a name that does not begin with "ipk." */
	bool unlink_last;   /* remove the name when the last user closes it; not with is_raw */
	bool open_existing; /* open one of that name if its options match */
} ipk_shm_opts;

#define IPK_SHM(...) IPK_OPTS(shm, __VA_ARGS__)

/* Flags for opening; IPK_SHM_RAW also for unlinking. */
typedef enum ipk_shm_flags {
	IPK_SHM_RAW = 1,       /* a raw one */
	IPK_SHM_READ_ONLY = 2, /* a write to it raises SIGSEGV */
} ipk_shm_flags;

/**
 * ipk_shm_create() - create zeroed shared memory
 * @opts:    at least size_bytes
 * @ret_shm: the memory
 *
 * Blocks:  no.
 * Crash:   a name is created atomically; an anonymous one leaves nothing. If all users of an
 *          unlink_last one were killed, its name remains and is reused by the next create.
 * Cost:    an fd, a mapping, and all pages, allocated at once so that access never fails later.
 * Source:  lib/value/shm_memory.c   Since: 0.2
 *
 * Return: 0; -EINVAL name, size or option; -EEXIST the name is taken; -EPROTOTYPE one with other
 * options than @opts exists (open_existing); -ENOSPC; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_shm_create(const ipk_shm_opts *opts, ipk_shm **ret_shm);

/**
 * ipk_shm_open() - open named shared memory
 * @name:     the name it was created with
 * @flags:    ipk_shm_flags, or-ed; 0
 * @deadline: when to stop waiting for its creation; ipk_now(): try once
 * @ret_shm:  the memory
 *
 * A raw one must be a file of this user that no one else may write to. Pages that its creator has
 * not touched are allocated now, so that access never fails later.
 *
 * Blocks:  until an object of that name exists.
 * Source:  lib/value/shm_memory.c   Since: 0.2
 *
 * Return: 0; -ENOENT it was not created by the deadline, or its last user is removing it; -EINVAL;
 * -EACCES, -EPROTO, -EPROTOTYPE, -EPROTONOSUPPORT, -ELIBBAD, -EXDEV, -ENODATA (of a raw one: it is
 * empty), -EBADMSG see error.h; -ENOSPC; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_shm_open(const char *name, unsigned flags, ipk_deadline deadline,
					ipk_shm **ret_shm);

/**
 * ipk_shm_close() - close the handle and unmap the memory
 * @shm: NULL is fine; no thread of this process may use it or its ipk_shm_data() any more
 *
 * A fork child has its own copy of the handle: each process closes its own, or ends.
 *
 * Blocks:  no.
 * Crash:   a process that ends or is killed closes it without removing the name; with unlink_last,
 *          the last process that closes it, or the next one that creates or opens and closes it,
 *          removes it.
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
 * ipk_shm_unlink() - remove the name; open handles stay valid
 * @name:  the name it was created with
 * @flags: IPK_SHM_RAW or 0
 *
 * Blocks:  no.
 * Source:  lib/value/shm_memory.c   Since: 0.2
 *
 * Return: 0; -ENOENT; -EINVAL; -EACCES it belongs to another user.
 */
IPK_API IPK_MUST_CHECK int ipk_shm_unlink(const char *name, unsigned flags);

/**
 * ipk_shm_data() - address of the memory in this process
 * @shm: memory
 *
 * Blocks:  no.
 * Callers: any thread, any time; async-signal-safe.
 * Source:  lib/value/shm_memory.c   Since: 0.2
 *
 * Return: its first byte, page-aligned. The address differs between processes: store offsets in the
 * memory, not pointers. NULL for NULL.
 */
IPK_API void *ipk_shm_data(const ipk_shm *shm);

/**
 * ipk_shm_size_bytes() - size of the memory
 * @shm: memory
 *
 * Blocks:  no.
 * Callers: any thread, any time; async-signal-safe.
 * Source:  lib/value/shm_memory.c   Since: 0.2
 *
 * Return: the requested size in bytes; for one that Python created, the size of the file. 0 for
 * NULL.
 */
IPK_API size_t ipk_shm_size_bytes(const ipk_shm *shm);

/**
 * ipk_shm_users() - which processes have it open
 * @shm:         memory
 * @ret_pids:    up to @max process ids, in no order; may be NULL when @max is 0
 * @max:         how many entries the array has room for
 * @ret_n_users: number of processes that have it open; may exceed @max
 *
 * This process counts; so does an ipc-inspect that is looking at it. The data comes from the
 * kernel, so dead processes are not included. Processes that this one may not inspect (ptrace(2))
 * are not seen, nor those that closed the file but kept the mapping, which ipk and Python do not
 * do.
 *
 * Blocks:  no; scans the open files of all processes in /proc.
 * Callers: any thread. The result is a snapshot.
 * Source:  lib/value/shm_memory.c   Since: 0.2
 *
 * Return: 0; -EBADF; -EINVAL; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_shm_users(const ipk_shm *shm, uint32_t *ret_pids, size_t max,
					 size_t *ret_n_users);

/**
 * ipk_shm_is_current() - whether the name still refers to this memory
 * @shm: memory
 *
 * Blocks:  no.
 * Callers: any thread.
 * Source:  lib/value/shm_memory.c   Since: 0.2
 *
 * Return: false if the name was removed or refers to other memory (which can then be opened), and
 * for NULL; true for anonymous memory.
 */
IPK_API bool ipk_shm_is_current(const ipk_shm *shm);

/**
 * ipk_shm_replace() - replace it by larger memory with the same contents
 * @shm:            named memory, open for writing; stays valid and must be closed
 * @new_size_bytes: the present size or more; additional bytes are 0
 * @ret_shm:        the new memory, to which the name now refers
 *
 * Writes by others to the old memory during or after the copy are lost: exclude writers by a lock,
 * or let them check ipk_shm_is_current() under it.
 *
 * Blocks:  no.
 * Crash:   at every instant the name refers either to the old or to the complete new memory.
 * Source:  lib/value/shm_memory.c   Since: 0.2
 *
 * Return: 0; -EINVAL smaller; -ESTALE the name no longer refers to it; -EBUSY another process is
 * replacing it; -EOPNOTSUPP anonymous or read-only; -EBADF; -ENOSPC; -ENOMEM; -EMFILE; -ENFILE.
 */
IPK_API IPK_MUST_CHECK int ipk_shm_replace(const ipk_shm *shm, size_t new_size_bytes,
					   ipk_shm **ret_shm);

/**
 * ipk_shm_send() - send anonymous memory to the other side of a pipe
 * @shm:      memory
 * @via:      any end
 * @deadline: when to stop waiting for room
 *
 * Blocks:  while the socket of @via is full.
 * Source:  lib/value/shm_memory.c   Since: 0.2
 *
 * Return: as ipk_pipe_send_fd(); -EOPNOTSUPP a named one (send its name instead).
 */
IPK_API IPK_MUST_CHECK int ipk_shm_send(ipk_shm *shm, ipk_pipe *via, ipk_deadline deadline);

/**
 * ipk_shm_recv() - receive memory that the other side sent
 * @via:      any end
 * @deadline: when to stop waiting
 * @ret_shm:  the memory
 *
 * Blocks:  until the other side has sent it.
 * Source:  lib/value/shm_memory.c   Since: 0.2
 *
 * Return: as ipk_pipe_recv_fd() and ipk_shm_open().
 */
IPK_API IPK_MUST_CHECK int ipk_shm_recv(ipk_pipe *via, ipk_deadline deadline, ipk_shm **ret_shm);

#ifdef __cplusplus
}
#endif

#endif
