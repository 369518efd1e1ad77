/* queue_info.c - counts, task_done and join, shutdown, the pollable fd. */
#include <errno.h>

#include "os/os.h"
#include "queue/queue_internal.h"

/* --- counts ----------------------------------------------------------------------------------- */

/*
 * Several counts are consistent only if they were valid at one instant: they are read until nothing
 * has changed in between. If they change all the time, or another process writes nonsense, the last
 * read is used.
 */
#define LOOKS_MAX 1000

/* Ring and item table together, read while nothing was taken out. */
static size_t len_of_fifo(const ipk_queue *q)
{
	const struct ipk__shm_ring *ring = q->channel.ring.shared;
	unsigned n_checks = 0;
	uint64_t head;
	uint64_t tail;
	uint32_t n_live;

	do {
		head = atomic_load(&ring->head);
		n_live = atomic_load(&q->shared->item_table.n_live);
		tail = atomic_load(&ring->tail);
	} while (++n_checks < LOOKS_MAX && (atomic_load(&ring->head) != head ||
					    atomic_load(&q->shared->item_table.n_live) != n_live));
	return (size_t)n_live + (ipk__ring_count(tail) - ipk__ring_count(head));
}

size_t ipk_queue_len(const ipk_queue *q)
{
	if (!q)
		return 0;
	if (q->kind == IPK_QUEUE_MQ)
		return ipk__mq_len(q);
	if (atomic_load(&q->shared->shutdown) == IPK_DISCARD)
		return 0;
	return ipk__queue_is_fifo(q) ? len_of_fifo(q) : atomic_load(&q->shared->item_table.n_live);
}

bool ipk_queue_is_empty(const ipk_queue *q)
{
	return ipk_queue_len(q) == 0;
}

bool ipk_queue_is_full(const ipk_queue *q)
{
	if (!q)
		return false;
	return q->kind == IPK_QUEUE_MQ ? ipk__mq_is_full(q) : !ipk__queue_has_room(q, 0);
}

/* --- task_done and join ----------------------------------------------------------------------- */

/* Items in the queue when it was shut down at once, and those that came back since: dropped. */
static uint64_t n_dropped(const ipk_queue *q)
{
	if (atomic_load(&q->shared->shutdown) != IPK_DISCARD)
		return 0;
	return ipk__queue_is_fifo(q) ? len_of_fifo(q) : atomic_load(&q->shared->item_table.n_live);
}

/*
 * Items put and not done; below 0: one was called done that was not got. Modulo 2^32, for more
 * are never under way. What is subtracted is read first: what comes in between then makes the
 * result too large, which a second look puts right, and never too small, which would lose an
 * item for good.
 */
static int32_t unfinished(const ipk_queue *q, uint64_t n_done)
{
	const struct ipk__shm_queue *shm = q->shared;
	uint64_t n_gone = n_done + atomic_load(&shm->n_acked) + n_dropped(q);
	uint64_t n_put = ipk__queue_is_fifo(q) ? ipk__ring_n_written(&shm->channel.ring)
					       : atomic_load(&shm->n_put_in_table);

	return (int32_t)(uint32_t)(n_put - n_gone);
}

/* The same at one instant; *n_done is as it was then. */
static int32_t unfinished_now(const ipk_queue *q, uint64_t *n_done)
{
	uint64_t n_acked;
	int32_t n;

	for (unsigned i = 0; i < LOOKS_MAX; i++) {
		*n_done = atomic_load(&q->shared->n_done);
		n_acked = atomic_load(&q->shared->n_acked);
		n = unfinished(q, *n_done);
		if (atomic_load(&q->shared->n_acked) == n_acked &&
		    atomic_load(&q->shared->n_done) == *n_done)
			break;
	}
	return n;
}

static int is_finished(void *arg, bool slowly)
{
	ipk_queue *q = arg;

	/* An ack interrupted by a death is counted by the next search for such leases. */
	if (slowly)
		ipk__lease_reclaim_if_due(q);
	return unfinished(q, atomic_load(&q->shared->n_done)) <= 0;
}

void ipk__queue_wake_joiners(ipk_queue *q)
{
	/* Pairs with the heavy fence of a joiner before its last check of the counts. */
	ipk__os_fence_light();
	if (ipk__wait_queue_has_sleepers(&q->shared->done) && is_finished(q, false))
		ipk__wait_queue_wake(&q->shared->done, &q->shared->waiters, IPK__WAITERS_MAX);
}

int ipk_queue_task_done(ipk_queue *q)
{
	unsigned n_tries = 0;
	uint64_t n_done;

	if (!q)
		return -EBADF;
	if (q->kind == IPK_QUEUE_MQ)
		return -EOPNOTSUPP;
	while (unfinished_now(q, &n_done) > 0) {
		if (n_tries++ == LOOKS_MAX)
			atomic_fetch_add(&q->shared->n_done, 1); /* others never leave it alone */
		else if (!atomic_compare_exchange_weak(&q->shared->n_done, &n_done, n_done + 1))
			continue;
		ipk__queue_wake_joiners(q);
		return 0;
	}
	return ipk__invalid("q: all items that were put have already been processed");
}

int ipk_queue_join(ipk_queue *q, ipk_deadline deadline)
{
	struct ipk__wait w;

	if (!q)
		return -EBADF;
	if (q->kind == IPK_QUEUE_MQ)
		return -EOPNOTSUPP;
	w = (struct ipk__wait){
		.queue = &q->shared->done,
		.waiters = &q->shared->waiters,
		.what = IPK__WAIT_DONE,
		.spin = &q->join_spin,
		.ready = is_finished,
		.arg = q,
	};
	return ipk__wait(&w, deadline);
}

size_t ipk_queue_n_unfinished(const ipk_queue *q)
{
	uint64_t n_done;
	int32_t n;

	if (!q || q->kind == IPK_QUEUE_MQ)
		return 0;
	n = unfinished_now(q, &n_done);
	return n > 0 ? (size_t)n : 0;
}

/* --- shutdown --------------------------------------------------------------------------------- */

bool ipk_queue_is_shut_down(const ipk_queue *q)
{
	return q && q->kind != IPK_QUEUE_MQ && atomic_load(&q->shared->shutdown) != 0;
}

void ipk__queue_wake_all(ipk_queue *q)
{
	ipk__queue_wake_readers(q, IPK__WAITERS_MAX);
	ipk__channel_wake_writers(&q->channel, IPK__WAITERS_MAX);
	ipk__queue_wake_joiners(q);
}

static int raise_shutdown(ipk_queue *q, ipk_shutdown mode)
{
	if ((uint32_t)mode > atomic_load(&q->shared->shutdown))
		atomic_store(&q->shared->shutdown, (uint32_t)mode);
	return 0;
}

/* Under both locks: what is inside now stays there, and that is what was dropped. */
static int shut_down_now(ipk_queue *q)
{
	int r;

	if (!ipk__queue_is_fifo(q))
		return raise_shutdown(q, IPK_DISCARD);
	r = ipk__queue_lock_get(q, ipk_in_ms(IPK__QUEUE_LOCK_MS));
	if (r < 0)
		return r;
	r = raise_shutdown(q, IPK_DISCARD);
	ipk__queue_unlock_get(q);
	return r;
}

int ipk_queue_shutdown(ipk_queue *q, ipk_shutdown mode)
{
	int r;

	if (!q)
		return -EBADF;
	if (mode != IPK_DRAIN && mode != IPK_DISCARD)
		return ipk__invalid("mode: IPK_DRAIN or IPK_DISCARD");
	if (q->kind == IPK_QUEUE_MQ)
		return -EOPNOTSUPP;
	/* Under the put lock: every put that succeeded came before, none comes after. */
	r = ipk__queue_lock_put(q, ipk_in_ms(IPK__QUEUE_LOCK_MS));
	if (r < 0)
		return r;
	r = mode == IPK_DISCARD ? shut_down_now(q) : raise_shutdown(q, mode);
	ipk__queue_unlock_put(q);
	if (r == 0)
		ipk__queue_wake_all(q);
	return r;
}

/* --- the pollable fd -------------------------------------------------------------------------- */

static int check_has_name(const ipk_queue *q)
{
	struct ipk__os_stat st;
	int r = ipk__os_stat(q->segment.fd, &st);

	return r == 0 && st.n_links == 0 ? -ENOENT : r;
}

/* A named queue's doorbell is a FIFO beside its file, created at the first poll. */
static int make_doorbell(ipk_queue *q)
{
	char file[256];
	int fd = -1;
	int r;

	if (ipk__queue_doorbell(q) >= 0)
		return 0;
	r = check_has_name(q);
	if (r == 0)
		r = ipk__os_shm_fifo(ipk__queue_doorbell_name(q->name, file, sizeof file), true,
				     &fd);
	if (r < 0)
		return r;
	/* Again: if it was created after the name was removed, only we can remove it. */
	r = check_has_name(q);
	if (r < 0) {
		ipk__os_close(fd);
		ipk__queue_remove_orphan_doorbell(q->name);
		return r;
	}
	ipk__queue_keep_doorbell(q, fd);
	return 0;
}

/* This process's set, replacing @word: none, or one inherited over fork. */
static int make_pollset(ipk_queue *q, uint64_t word)
{
	struct ipk__pollset old = {.fd = (int)(uint32_t)word - 1, .pid = (pid_t)(word >> 32)};
	struct ipk__pollset set = IPK__POLLSET_NONE;
	int fd = -1;
	int r = make_doorbell(q);

	if (r == 0)
		r = ipk__pollset_fd(&set, ipk__queue_doorbell(q), -1, &fd);
	if (r < 0)
		return r;
	if (!atomic_compare_exchange_strong(&q->pollset, &word,
					    (uint64_t)set.pid << 32 | ((uint32_t)fd + 1)))
		old = set; /* another thread was first */
	/* An inherited one that did not come along (see shared/pollset.c) may have left us its number.
	 */
	if (old.fd != ipk__queue_pollset(q).fd)
		ipk__pollset_close(&old);
	/* What is there already rings now; what comes later finds the event armed. */
	ipk__wait_queue_arm(&q->channel.shared->data);
	if (ipk__queue_data_ready(q, false))
		ipk__queue_ring(q);
	return 0;
}

int ipk_queue_fd(ipk_queue *q, int *ret_fd)
{
	uint64_t word;
	int r = 0;

	if (!q)
		return -EBADF;
	if (!ret_fd)
		return ipk__invalid("ret_fd is NULL");
	if (q->kind == IPK_QUEUE_MQ) {
		*ret_fd = q->mq_fd;
		return 0;
	}
	word = atomic_load(&q->pollset);
	if (word >> 32 != (uint64_t)ipk__os_pid())
		r = make_pollset(q, word);
	if (r == 0)
		*ret_fd = ipk__queue_pollset(q).fd;
	return r;
}
