/*
 * libc.h - where C libraries differ, in one place: what glibc has, and how the library gets
 * by without it on musl.
 */
#ifndef IPK_OS_LIBC_H
#define IPK_OS_LIBC_H

#include <pthread.h>
#include <stdint.h>

/*
 * For the few thread-local variables that a lock is too short to call a function for. glibc
 * keeps some room for them in libraries that are loaded late, shared by all of them: what has
 * this, and all else in the library that is thread-local, stays small. musl keeps none, and
 * refuses to load such a library; finding them is a short call there.
 */
#ifdef __GLIBC__
#define IPK__OS_NEAR __attribute__((tls_model("initial-exec")))
#else
#define IPK__OS_NEAR
#endif

/* A mutex that looks for a while before it sleeps; musl's all do. */
#ifdef __GLIBC__
#define IPK__OS_MUTEX_LOOKS PTHREAD_MUTEX_ADAPTIVE_NP
#else
#define IPK__OS_MUTEX_LOOKS PTHREAD_MUTEX_NORMAL
#endif

/* Nobody takes the read side twice, so that a writer may go first; musl's never does. */
#ifdef __GLIBC__
#define IPK__OS_RWLOCK_INIT PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP
#else
#define IPK__OS_RWLOCK_INIT PTHREAD_RWLOCK_INITIALIZER
#endif

/* Until @at_ns of CLOCK_MONOTONIC; what it returns is what pthread_rwlock_timedwrlock() does. */
int ipk__os_rwlock_write_lock_until(pthread_rwlock_t *lock, int64_t at_ns);

#endif
