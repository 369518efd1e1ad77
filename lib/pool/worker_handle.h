/*
 * worker_handle.h - one worker, on the creator's side: start, exit status, cleanup.
 *
 * With the pool's mutex held, or before another thread knows the pool.
 */
#ifndef IPK_POOL_WORKER_HANDLE_H
#define IPK_POOL_WORKER_HANDLE_H

#include "pool/pool_internal.h"

/* The record is unused, and no fd is open. */
void ipk__worker_handle_init(struct ipk__worker_handle *m);
/*
 * As ipk__zygote_spawn(), or starting a thread. On failure the record is empty. @lets_go: the mutex
 * is released while it is spawned; orders may come meanwhile.
 */
int ipk__worker_handle_start(ipk_pool *pool, unsigned worker, bool lets_go, ipk_deadline deadline);
/* SIGKILL, or if it is being spawned, then once its pid is known. Not for threads. */
void ipk__worker_handle_kill(ipk_pool *pool, unsigned worker);
/* It has exited, or is about to: its status. */
void ipk__worker_handle_read_end(ipk_pool *pool, unsigned worker, struct ipk__death *ret_death);
/* The same for one that has no fds any more. */
bool ipk__worker_handle_has_ended(const ipk_pool *pool, unsigned worker);
/* they are not ours: must not be closed */
void ipk__worker_handle_forget_fds(struct ipk__worker_handle *m);
/* It has exited: closes the fds and empties its record. */
void ipk__worker_handle_clear(ipk_pool *pool, unsigned worker);

#endif
