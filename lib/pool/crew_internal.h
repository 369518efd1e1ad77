/*
 * crew_internal.h - one worker, as the creator sees it: started, judged, put away.
 *
 * With the pool's mutex held, or before anybody else knows the pool.
 */
#ifndef IPK_POOL_CREW_INTERNAL_H
#define IPK_POOL_CREW_INTERNAL_H

#include "pool/pool_internal.h"

/* Nobody is in this place, and no fd is open. */
void ipk__member_init(struct ipk__member *m);
/*
 * As ipk__zygote_bear(), or starting a thread. On failure the place is empty. @lets_go: the mutex
 * is given up while it is born; orders may come meanwhile.
 */
int ipk__member_start(ipk_pool *pool, unsigned worker, bool lets_go, ipk_deadline deadline);
/* It has ended, or ends this moment: how. */
void ipk__member_read_end(ipk_pool *pool, unsigned worker, struct ipk__death *ret_death);
/* The same of one that has no fds any more. */
bool ipk__member_has_ended(const ipk_pool *pool, unsigned worker);
void ipk__member_forget_fds(struct ipk__member *m); /* they are not ours: not to be closed */
/* It has ended: fds are closed, its place is empty. */
void ipk__member_clear(ipk_pool *pool, unsigned worker);

#endif
