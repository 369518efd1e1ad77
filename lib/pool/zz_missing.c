/* zz_missing.c - stands in for what is not written yet. Each goes as soon as its file is there. */
#include <errno.h>

#include "pool/pool_internal.h"
#include "pool/worker.h"

#define MISSING __attribute__((weak))

MISSING bool ipk__worker_do_maps(struct ipk__worker *w)
{
	(void)w;
	return false;
}

MISSING int ipk__maps_init(ipk_pool *pool)
{
	(void)pool;
	return 0;
}

MISSING void ipk__maps_end(ipk_pool *pool)
{
	(void)pool;
}

MISSING void ipk__maps_collect(ipk_pool *pool)
{
	(void)pool;
}

MISSING void ipk__maps_orphaned(ipk_pool *pool, const struct ipk__death *death)
{
	(void)pool;
	(void)death;
}

MISSING int ipk__maps_cancel(ipk_future *f)
{
	(void)f;
	return -EALREADY;
}

MISSING void ipk__maps_cancel_all(ipk_pool *pool, bool running_too)
{
	(void)pool;
	(void)running_too;
}

MISSING int64_t ipk__maps_tick(ipk_pool *pool, int64_t now_ns)
{
	(void)pool;
	(void)now_ns;
	return INT64_MAX;
}

MISSING void ipk__maps_count(const ipk_pool *pool, ipk_progress *progress)
{
	(void)pool;
	(void)progress;
}

MISSING bool ipk__maps_are_over(const ipk_pool *pool)
{
	(void)pool;
	return true;
}

MISSING void ipk__maps_greet(ipk_pool *pool, unsigned worker)
{
	(void)pool;
	(void)worker;
}

MISSING int ipk_future_failures(ipk_future *f, ipk_failure *ret_failures, size_t max, size_t *ret_n)
{
	return f && f->kind == IPK__FUTURE_GROUP ? ipk__group_failures(f, ret_failures, max, ret_n)
						 : -EOPNOTSUPP;
}
