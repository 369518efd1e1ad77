/*
 * transaction.c - read, compute, write as one step, with WATCH, MULTI and EXEC.
 *
 * A connection has one set of watched keys, so only one thread of a process at a time is between
 * WATCH and EXEC. Invariant: the writes are sent only as a whole and only after a WATCH that
 * preceded the reads.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "manager/batch.h"
#include "os/os.h"

static int enter(ipk_manager *m, ipk_deadline deadline)
{
	if (m->transaction_pid != ipk__os_pid()) { /* had by a thread that did not come along */
		m->transaction.state = 0;
		m->transaction_pid = ipk__os_pid();
	}
	return ipk__timed_mutex_lock(&m->transaction, deadline);
}

static int commit(ipk_batch *batch, ipk_deadline deadline)
{
	const struct ipk__backend_ops *ops = batch->m->backend->ops;
	struct ipk__call *calls;
	int r;

	if (batch->n_calls == 0) {
		ops->unwatch(batch->m->backend);
		return 0;
	}
	r = ipk__batch_prepare(batch, &calls);
	if (r < 0) {
		ops->unwatch(batch->m->backend);
		return r;
	}
	r = ops->exec(batch->m->backend, calls, batch->n_calls, deadline);
	free(calls);
	return r;
}

/* Once. -ECANCELED: something changed meanwhile. */
static int attempt(ipk_batch *batch, const struct ipk__slice *keys, size_t n_keys,
		   ipk_transaction_fn *fn, void *arg, ipk_deadline deadline, int *ret_result)
{
	const struct ipk__backend_ops *ops = batch->m->backend->ops;
	int result, r;

	ipk__batch_empty(batch);
	IPK_TRY(ops->watch_keys(batch->m->backend, keys, n_keys, deadline));
	result = fn(batch, arg);
	if (result < 0) {
		ops->unwatch(batch->m->backend);
		*ret_result = result;
		return 0;
	}
	r = commit(batch, deadline);
	if (r == 0)
		*ret_result = result;
	return r;
}

static int run(ipk_batch *batch, const struct ipk__slice *keys, size_t n_keys,
	       ipk_transaction_fn *fn, void *arg, ipk_deadline deadline)
{
	int result = 0;
	int r;

	do {
		r = attempt(batch, keys, n_keys, fn, arg, deadline, &result);
		if (r == -ECANCELED && deadline.at_ns != INT64_MAX &&
		    ipk_deadline_left_ns(deadline) == 0)
			r = -ETIMEDOUT;
	} while (r == -ECANCELED);
	return r < 0 ? r : result;
}

int ipk_manager_transact(ipk_manager *m, const char *const *names, size_t n_names,
			 ipk_transaction_fn *fn, void *arg, ipk_deadline deadline)
{
	struct ipk__slice *keys;
	ipk_batch *batch = NULL;
	int r;

	if (!m)
		return -EBADF;
	IPK__REQUIRE(fn, "fn is NULL");
	IPK__REQUIRE(n_names == 0 || names, "names is NULL, and n_names is not 0");
	keys = ipk__os_calloc(n_names + 1, sizeof *keys);
	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < n_names; i++)
		keys[i] = ipk__slice_of_string(names[i]);
	r = ipk_batch_create(m, &batch);
	if (r == 0)
		r = enter(m, deadline);
	if (r == 0) {
		r = run(batch, keys, n_names, fn, arg, deadline);
		ipk__timed_mutex_unlock(&m->transaction);
	}
	ipk_batch_close(batch);
	free(keys);
	return r;
}
