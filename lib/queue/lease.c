/*
 * lease.c - leased items: they return to the queue unless they are acknowledged.
 *
 * A leased item stays in the item table in a slot whose word names its holder. One from the ring is
 * first copied to the table, marked pending; advancing the ring's head is the commit; then the mark
 * is removed. A death in between leaves either an item in the ring (and a pending slot that a
 * rebuild drops) or a lease of a dead process.
 *
 * Loans of dead processes are found by consumers: when they find nothing else, and every 100 ms. A
 * holder is a word of shared/owner.h, so a later process with the same pid is not taken for it, and
 * a stopped one is not taken for dead.
 */
#include <errno.h>
#include <stdlib.h>

#include "os/os.h"
#include "queue/queue_internal.h"
#include "shared/owner.h"

#define RECLAIM_EVERY_NS 100000000

struct ipk_lease {
	ipk_queue *q;
	void *data;
	size_t len_bytes;
	uint32_t slot;
	uint64_t id;
	pid_t holder;
	bool is_redelivered;
	bool is_over;
};

static struct ipk__shm_item_table *table_of(const ipk_queue *q)
{
	return &q->shared->item_table;
}

/* --- taking ----------------------------------------------------------------------------------- */

static void sign(ipk_queue *q, struct ipk__slot *slot, uint64_t *ret_id)
{
	slot->holder = ipk__owner_of(ipk__os_pid());
	slot->lease_id = *ret_id = ++table_of(q)->next_lease_id;
}

static uint64_t leased_by_us(uint64_t flags)
{
	return (uint64_t)ipk__os_pid() << 32 | flags | SLOT_LEASED;
}

static void lend_from_table(ipk_queue *q, uint32_t at, struct ipk_lease *l)
{
	struct ipk__slot *slot = &q->slots[at];
	uint64_t flags = atomic_load(&slot->word) & SLOT_REDELIVERED;

	sign(q, slot, &l->id);
	l->is_redelivered = flags != 0;
	l->slot = at;
	atomic_store(&slot->word, leased_by_us(flags));
	atomic_fetch_add(&table_of(q)->n_leased, 1);
	ipk__item_table_unlink(q, at);
}

static int lend_from_ring(ipk_queue *q, const struct ipk__found *f, struct ipk_lease *l)
{
	struct ipk__slot *slot;
	uint32_t at;
	int r = f->extent.offset ? ipk__item_table_adopt(q, &f->extent, &at)
				 : ipk__item_table_store(q, f->bytes, f->len_bytes, &at);

	if (r < 0)
		return r;
	slot = &q->slots[at];
	sign(q, slot, &l->id);
	l->slot = at;
	slot->seq = ipk__ring_n_read(q->channel.ring.shared);
	atomic_store(&slot->word, leased_by_us(SLOT_PENDING));
	/* Before the commit: while it is 0 no waiter searches for leases of dead holders. */
	atomic_fetch_add(&table_of(q)->n_leased, 1);
	ipk__ring_free(&q->channel.ring, ipk__ring_behind(f->head, f->record_bytes, 1));
	atomic_store(&slot->word, leased_by_us(0));
	return 0;
}

static int lend(ipk_queue *q, const struct ipk__found *f, void *arg)
{
	struct ipk_lease *l = arg;
	int r;

	if (atomic_load(&table_of(q)->n_leased) >= IPK__LEASES_MAX)
		return -ENOSPC;
	l->data = ipk__os_malloc(f->len_bytes);
	if (!l->data)
		return -ENOMEM;
	l->len_bytes = f->len_bytes;
	r = ipk__found_read(q, f, l->data, f->len_bytes);
	if (r == 0 && f->slot != IPK__NONE)
		lend_from_table(q, f->slot, l);
	else if (r == 0)
		r = lend_from_ring(q, f, l);
	if (r == 0)
		ipk__count_add(&q->shared->bytes_got, f->len_bytes);
	return r;
}

int ipk_queue_lease(ipk_queue *q, ipk_deadline deadline, ipk_lease **ret_lease)
{
	ipk_lease *l;
	int r;

	if (!q)
		return -EBADF;
	if (!ret_lease)
		return ipk__invalid("ret_lease is NULL");
	if (q->kind == IPK_QUEUE_MQ)
		return -EOPNOTSUPP;
	l = ipk__os_calloc(1, sizeof *l);
	if (!l)
		return -ENOMEM;
	l->q = q;
	l->holder = ipk__os_pid();
	r = ipk__queue_next(q, deadline, lend, l);
	if (r < 0) {
		free(l->data);
		free(l);
		return r;
	}
	ipk__channel_wake_writers(&q->channel, 1);
	*ret_lease = l;
	return 0;
}

const void *ipk_lease_data(const ipk_lease *l, size_t *ret_len_bytes)
{
	if (!l)
		return NULL;
	if (ret_len_bytes)
		*ret_len_bytes = l->len_bytes;
	return l->data;
}

bool ipk_lease_is_redelivered(const ipk_lease *l)
{
	return l && l->is_redelivered;
}

/* --- ending ----------------------------------------------------------------------------------- */

static void acknowledge(ipk_queue *q, uint32_t at)
{
	struct ipk__shm_item_table *table = table_of(q);
	uint64_t count = atomic_load(&q->shared->n_acked) + 1;

	/* Written down first, so that a death on the way counts it exactly once. */
	table->ack_count = count;
	*(volatile uint32_t *)&table->ack_slot = at + 1;
	atomic_store(&q->slots[at].word, SLOT_FREE);
	atomic_store(&q->shared->n_acked, count);
	*(volatile uint32_t *)&table->ack_slot = 0;
	atomic_fetch_sub(&table->n_leased, 1);
	ipk__item_table_free(q, at);
}

static void give_back(ipk_queue *q, uint32_t at)
{
	atomic_store(&q->slots[at].word, SLOT_LIVE | SLOT_REDELIVERED);
	ipk__count_add(&q->shared->bytes_got, -q->slots[at].len_bytes);
	ipk__item_table_link(q, at);
	atomic_fetch_sub(&table_of(q)->n_leased, 1);
}

static bool is_ours(const struct ipk_lease *l)
{
	const struct ipk__slot *slot = &l->q->slots[l->slot];
	uint64_t word = atomic_load(&slot->word);

	return (word & SLOT_STATE) == SLOT_LEASED && word >> 32 == (uint64_t)l->holder &&
	       slot->lease_id == l->id;
}

static int end_loan(ipk_lease *l, void (*how)(ipk_queue *, uint32_t))
{
	int r;

	if (!l)
		return -EBADF;
	if (l->is_over || l->holder != ipk__os_pid())
		return ipk__invalid("l: the lease has ended, or belongs to another process");
	r = ipk__queue_lock_get(l->q, ipk_in_ms(IPK__QUEUE_LOCK_MS));
	if (r < 0)
		return r;
	if (is_ours(l))
		how(l->q, l->slot);
	else
		r = ipk__invalid("l: the lease has ended");
	ipk__queue_unlock_get(l->q);
	l->is_over = true;
	/* What is back, and the end of a drained queue, concern who waits for data. */
	if (atomic_load(&l->q->shared->shutdown) != 0)
		ipk__queue_wake_all(l->q);
	else
		ipk__queue_wake_readers(l->q, 1);
	ipk__queue_wake_joiners(l->q);
	return r;
}

int ipk_lease_ack(ipk_lease *l)
{
	return end_loan(l, acknowledge);
}

int ipk_lease_nack(ipk_lease *l)
{
	return end_loan(l, give_back);
}

ipk_lease *ipk_lease_close(ipk_lease *l)
{
	if (!l)
		return NULL;
	if (!l->is_over && l->holder == ipk__os_pid()) {
		/* When that cannot be done now, it comes back when this process ends. */
		int r = ipk_lease_nack(l);

		(void)r;
	}
	free(l->data);
	free(l);
	return NULL;
}

/* --- leases of dead holders ------------------------------------------------------------------- */

/* Both halves say who it is: the word, which is what counts, and the mark signed before. */
static uint64_t holder_of(const struct ipk__slot *slot, uint64_t word)
{
	uint64_t signed_by = *(const volatile uint64_t *)&slot->holder;

	return ipk__owner_id(signed_by) == (uint32_t)(word >> 32) ? signed_by : word >> 32 << 32;
}

bool ipk__lease_reclaim_is_due(ipk_queue *q)
{
	return atomic_load_explicit(&table_of(q)->n_leased, memory_order_relaxed) > 0 &&
	       ipk__is_due(atomic_load_explicit(&table_of(q)->reclaimed_ns, memory_order_relaxed),
			   RECLAIM_EVERY_NS);
}

void ipk__lease_reclaim(ipk_queue *q)
{
	struct ipk__shm_item_table *table = table_of(q);
	uint64_t seen_alive = 0;
	unsigned n_asked = 0;
	unsigned n = 0;

	atomic_store(&table->reclaimed_ns, ipk__os_now_ns());
	/*
	 * There are no more leases than that, whatever the words say: each check is a system call.
	 */
	for (uint32_t i = 0; i < q->n_slots && n_asked < IPK__LEASES_MAX; i++) {
		uint64_t word = atomic_load(&q->slots[i].word);
		uint64_t holder = holder_of(&q->slots[i], word);

		if ((word & SLOT_STATE) != SLOT_LEASED || holder == seen_alive)
			continue;
		n_asked++;
		if (ipk__owner_is_dead(holder, true)) {
			give_back(q, i);
			n++;
		} else {
			seen_alive = holder;
		}
	}
	if (n > 0)
		ipk__queue_wake_readers(q, IPK__MIN(n, IPK__WAITERS_MAX));
}

void ipk__lease_reclaim_if_due(ipk_queue *q)
{
	if (!ipk__lease_reclaim_is_due(q) || ipk__queue_lock_get(q, ipk_now()) < 0)
		return;
	ipk__lease_reclaim(q);
	ipk__queue_unlock_get(q);
}
