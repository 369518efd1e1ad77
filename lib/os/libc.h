/*
 * libc.h - differences between C libraries, in one place: what glibc has, and its replacement on
 * musl.
 */
#ifndef IPK_OS_LIBC_H
#define IPK_OS_LIBC_H

#include <pthread.h>
#include <stdint.h>

/*
 * For the few thread-local variables that a lock accesses too often for a function call. glibc
 * reserves a small static area for libraries loaded late, shared by all of them: variables with
 * this, and all other thread-local ones of the library, are small. musl has no such area, and
 * refuses to load such a library; there, access is a short call.
 */
#ifdef __GLIBC__
#define IPK__OS_NEAR __attribute__((tls_model("initial-exec")))
#else
#define IPK__OS_NEAR
#endif

/* A mutex that spins before it sleeps; all of musl's do. */
#ifdef __GLIBC__
#define IPK__OS_MUTEX_LOOKS PTHREAD_MUTEX_ADAPTIVE_NP
#else
#define IPK__OS_MUTEX_LOOKS PTHREAD_MUTEX_NORMAL
#endif

/* No thread takes the read side recursively, so writers may be preferred; musl never does. */
#ifdef __GLIBC__
#define IPK__OS_RWLOCK_INIT PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP
#else
#define IPK__OS_RWLOCK_INIT PTHREAD_RWLOCK_INITIALIZER
#endif

/* Until @at_ns of CLOCK_MONOTONIC; returns as pthread_rwlock_timedwrlock(). */
int ipk__os_rwlock_write_lock_until(pthread_rwlock_t *lock, int64_t at_ns);

#endif
