/*
 * queue.c - creating, opening and closing queues, and their two locks.
 *
 * A queue is one segment: the locks, a one-way pipe (channel), and an item table for what is not in
 * the ring. Named ones are files in /dev/shm, anonymous ones memory files whose fds are inherited
 * or passed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "queue/queue_internal.h"

#define RING_DEFAULT_BYTES ((size_t)512 << 10)
#define RING_BYTES_PER_ITEM 32u /* a spilled item takes 24; so max_items always fit */
#define LEASE_BLOCKS 512u

/* --- making ----------------------------------------------------------------------------------- */

#define RING_RULE "IPK_QUEUE(.ring_bytes): 4 KiB to 1 GiB"

static int check_limits(const ipk_queue_opts *o)
{
	IPK__REQUIRE(o->name || !o->open_existing, "IPK_QUEUE(.open_existing): only with .name");
	IPK__REQUIRE(o->max_items <= IPK_QUEUE_ITEMS_MAX,
		     "IPK_QUEUE(.max_items): 0 to IPK_QUEUE_ITEMS_MAX");
	IPK__REQUIRE(o->max_message_bytes <= IPK_MESSAGE_MAX_BYTES,
		     "IPK_QUEUE(.max_message_bytes): IPK_MESSAGE_MAX_BYTES at most");
	IPK__REQUIRE(o->ring_bytes <= IPK__SEGMENT_RING_MAX, RING_RULE);
	return 0;
}

static int check_opts(const ipk_queue_opts *opts, ipk_queue_opts *ret)
{
	ipk_queue_opts o;
	int r = ipk__opts_copy(&o, sizeof o, opts);

	if (r < 0)
		return r;
	if (!o.label)
		o.label = o.name ? o.name : "queue";
	if (o.max_message_bytes == 0)
		o.max_message_bytes = IPK_MESSAGE_MAX_BYTES;
	if (o.ring_bytes == 0 && !ipk__mq_is_name(o.name))
		o.ring_bytes = RING_DEFAULT_BYTES;
	r = check_limits(&o);
	if (r < 0)
		return r;
	if (o.kind == IPK_QUEUE_MQ || ipk__mq_is_name(o.name)) {
		IPK__REQUIRE(ipk__mq_is_name(o.name),
			     "IPK_QUEUE(.name): mq:/NAME, with IPK_QUEUE_MQ");
		o.kind = IPK_QUEUE_MQ;
		*ret = o;
		return 0;
	}
	IPK__REQUIRE((unsigned)o.kind <= IPK_QUEUE_PRIORITY, "IPK_QUEUE(.kind): an ipk_queue_kind");
	IPK__REQUIRE(!o.name || ipk__name_check(o.name) == 0,
		     "IPK_QUEUE(.name): mq:/NAME, or " IPK__NAME_RULE);
	IPK__REQUIRE(ipk__name_check(o.label) == 0, "IPK_QUEUE(.label): " IPK__NAME_RULE);
	IPK__REQUIRE(o.ring_bytes >= IPK__SEGMENT_RING_MIN, RING_RULE);
	o.ring_bytes = ipk__round_up_pow2(IPK__MAX(o.ring_bytes, ipk__os_page_bytes()));
	*ret = o;
	return 0;
}

struct sizes {
	size_t ring_bytes;
	uint32_t n_slots;
	uint32_t n_blocks;
};

static struct sizes sizes_for(const ipk_queue_opts *o)
{
	struct sizes s = {0, IPK__LEASES_MAX, LEASE_BLOCKS};

	if (o->kind == IPK_QUEUE_FIFO) {
		s.ring_bytes = ipk__round_up_pow2(IPK__MAX(
			o->ring_bytes, ipk__round_up((size_t)o->max_items * RING_BYTES_PER_ITEM,
						     ipk__os_page_bytes())));
	} else {
		s.n_blocks = (uint32_t)(o->ring_bytes / IPK__BLOCK_BYTES);
		s.n_slots = o->max_items ? o->max_items + IPK__LEASES_MAX
					 : s.n_blocks + IPK__LEASES_MAX;
	}
	return s;
}

/* Behind all that is mapped. */
static uint64_t spill_base_of(const struct ipk__shm_header *h)
{
	return h->fixed_bytes + h->ring_bytes * h->n_rings;
}

static int fill_queue(struct ipk__segment *segment, const ipk_queue_opts *o, const struct sizes *s)
{
	struct ipk__shm_queue *shm = (struct ipk__shm_queue *)segment->header;
	int r = ipk__robust_lock_init(&shm->put_lock);

	if (r == 0)
		r = ipk__robust_lock_init(&shm->get_lock);
	if (r < 0)
		return r;
	shm->kind = o->kind;
	shm->max_items = o->max_items;
	if (o->kind != IPK_QUEUE_FIFO && shm->max_items == 0)
		shm->max_items = s->n_slots - IPK__LEASES_MAX;
	shm->max_bytes = o->max_bytes;
	shm->max_message_bytes =
		o->max_bytes ? IPK__MIN(o->max_bytes, o->max_message_bytes) : o->max_message_bytes;
	shm->spill_base = spill_base_of(&segment->checked);
	atomic_store(&shm->spill_next, shm->spill_base);
	ipk__item_table_lay_out(&shm->item_table, ipk__round_up(sizeof *shm, IPK__CACHE_LINE),
				s->n_slots, s->n_blocks);
	return 0;
}

/* The sizes of a queue that another process may have made, each read once, into @q. */
static void take_numbers(ipk_queue *q, const struct ipk__shm_queue *shm)
{
	q->kind = (ipk_queue_kind)IPK__READ_ONCE(shm->kind);
	q->max_items = IPK__READ_ONCE(shm->max_items);
	q->max_bytes = IPK__READ_ONCE(shm->max_bytes);
	q->max_message_bytes = IPK__READ_ONCE(shm->max_message_bytes);
	q->n_slots = IPK__READ_ONCE(shm->item_table.n_slots);
	q->n_blocks = IPK__READ_ONCE(shm->item_table.n_blocks);
	q->spill_base = spill_base_of(&q->segment.checked);
}

/* Whether they suit each other and the header; where things lie follows from them alone. */
static bool are_sane(const ipk_queue *q, struct ipk__shm_item_table *ret_table)
{
	const struct ipk__shm_header *h = &q->segment.checked;
	uint64_t at = ipk__round_up(sizeof(struct ipk__shm_queue), IPK__CACHE_LINE);

	if (h->fixed_bytes < sizeof(struct ipk__shm_queue) ||
	    (unsigned)q->kind > IPK_QUEUE_PRIORITY || h->flags != (uint32_t)q->kind ||
	    h->n_rings != (ipk__queue_is_fifo(q) ? 1 : 0) ||
	    q->max_items > IPK_QUEUE_ITEMS_MAX + (1u << 23) ||
	    q->max_message_bytes > IPK_MESSAGE_MAX_BYTES ||
	    q->n_slots > IPK_QUEUE_ITEMS_MAX + (1u << 23) ||
	    q->n_blocks > IPK__SEGMENT_RING_MAX / IPK__BLOCK_BYTES)
		return false;
	ipk__item_table_lay_out(ret_table, at, q->n_slots, q->n_blocks);
	return at + ipk__item_table_bytes(q->n_slots, q->n_blocks) <= h->fixed_bytes;
}

static int fill_handle(ipk_queue *q, const char *name, int doorbell_fd)
{
	struct ipk__shm_queue *shm = (struct ipk__shm_queue *)q->segment.header;
	struct ipk__shm_item_table table;

	take_numbers(q, shm);
	if (!are_sane(q, &table))
		return -EBADMSG;
	if (name && !(q->name = strdup(name)))
		return -ENOMEM;
	q->shared = shm;
	q->mq_fd = -1;
	ipk__spin_policy_init(&q->join_spin);
	atomic_store(&q->join_spin.budget_ns, 0);
	ipk__channel_init(&q->channel, &shm->channel, &shm->waiters,
			  ipk__queue_is_fifo(q) ? ipk__segment_ring(&q->segment, 0) : NULL,
			  q->segment.checked.ring_bytes, doorbell_fd);
	ipk__item_table_open(q, &table);
	return 0;
}

/* A handle for @segment and @doorbell_fd; takes both over, also when it fails. */
static int new_handle(struct ipk__segment *segment, int doorbell_fd, const char *name,
		      ipk_queue **ret_q)
{
	ipk_queue *q = ipk__os_calloc(1, sizeof *q);
	int r = -ENOMEM;

	if (q) {
		q->segment = *segment;
		r = fill_handle(q, name, doorbell_fd);
	}
	if (r < 0) {
		free(q);
		ipk__os_close(doorbell_fd);
		ipk__segment_detach(segment);
		return r;
	}
	*ret_q = q;
	return 0;
}

static const char *file_name(const char *name, char *buf, size_t buf_bytes)
{
	snprintf(buf, buf_bytes, "ipk.%s", name);
	return buf;
}

/* ':' is in no name, so this is no queue's file. */
const char *ipk__queue_doorbell_name(const char *name, char *buf, size_t buf_bytes)
{
	snprintf(buf, buf_bytes, "ipk.%s:doorbell", name);
	return buf;
}

static int create(const ipk_queue_opts *o, ipk_queue **ret_q)
{
	struct sizes s = sizes_for(o);
	struct ipk__segment_plan plan = {
		.kind = IPK__KIND_QUEUE,
		.flags = o->kind,
		.label = o->label,
		.is_named = o->name != NULL,
		.fixed_bytes = ipk__round_up(sizeof(struct ipk__shm_queue), IPK__CACHE_LINE) +
			       ipk__item_table_bytes(s.n_slots, s.n_blocks),
		.ring_bytes = s.ring_bytes,
		.n_rings = s.ring_bytes ? 1 : 0,
	};
	char file[256];
	struct ipk__segment segment = {.fd = -1};
	ipk_queue *q = NULL;
	int doorbell_fd = -1;
	int r = o->name ? 0 : ipk__os_doorbell_open(&doorbell_fd);

	if (r == 0)
		r = ipk__segment_create(&plan, &segment);
	if (r != 0) {
		ipk__os_close(doorbell_fd);
		return r;
	}
	r = fill_queue(&segment, o, &s);
	if (r < 0) {
		ipk__os_close(doorbell_fd);
		ipk__segment_detach(&segment);
		return r;
	}
	r = new_handle(&segment, doorbell_fd, o->name, &q);
	if (r < 0)
		return r;
	r = ipk__item_table_rebuild(q);
	/* From here on others may see it: it is whole. */
	if (r == 0)
		r = ipk__segment_publish(&q->segment,
					 o->name ? file_name(o->name, file, sizeof file) : NULL);
	if (r < 0) {
		ipk_queue_close(q);
		return r;
	}
	*ret_q = q;
	return 0;
}

/* --- opening ---------------------------------------------------------------------------------- */

int ipk__queue_attach(int fd, bool is_named, const char *name, int doorbell_fd, ipk_queue **ret_q)
{
	struct ipk__segment segment;
	int r = ipk__segment_attach(fd, IPK__KIND_QUEUE, is_named, &segment);

	if (r < 0) {
		ipk__os_close(fd);
		ipk__os_close(doorbell_fd);
		return r;
	}
	return new_handle(&segment, doorbell_fd, name, ret_q);
}

static int open_named(const char *name, ipk_queue **ret_q)
{
	char file[256];
	int fd = -1;
	int r;

	if (ipk__mq_is_name(name))
		return ipk__mq_open(name, ret_q);
	r = ipk__name_check(name);
	if (r == 0)
		r = ipk__os_shm_open(file_name(name, file, sizeof file), &fd);
	return r < 0 ? r : ipk__queue_attach(fd, true, name, -1, ret_q);
}

int ipk_queue_open(const char *name, ipk_deadline deadline, ipk_queue **ret_q)
{
	int64_t nap_ns = 0;
	int r;

	if (!ret_q)
		return ipk__invalid(IPK__NO_OUTPUT);
	do {
		r = open_named(name, ret_q);
	} while (r == -ENOENT && ipk__name_nap(deadline, &nap_ns));
	return r;
}

/* --- making one, or opening the one that is there --------------------------------------------- */

/* Of one that was there. Limits that @o leaves open may be any. */
static bool is_like(const ipk_queue *q, const ipk_queue_opts *o)
{
	return q->kind == o->kind && (o->max_items == 0 || q->max_items == o->max_items) &&
	       (o->max_bytes == 0 || q->max_bytes == o->max_bytes) &&
	       (o->max_message_bytes == 0 || q->max_message_bytes == o->max_message_bytes);
}

static int open_existing(const ipk_queue_opts *asked, const ipk_queue_opts *filled,
			 ipk_queue **ret_q)
{
	ipk_queue_opts o = *filled;
	ipk_queue *q = NULL;
	int r = open_named(asked->name, &q);

	if (r < 0)
		return r;
	o.max_items = asked->max_items;
	o.max_bytes = asked->max_bytes;
	o.max_message_bytes = asked->max_message_bytes;
	if (!is_like(q, &o)) {
		ipk_queue_close(q);
		return ipk__detail(-EPROTOTYPE, "IPK_QUEUE: .kind, .max_items, .max_bytes or "
						".max_message_bytes of the existing queue differs");
	}
	*ret_q = q;
	return 0;
}

int ipk_queue_create(const ipk_queue_opts *opts, ipk_queue **ret_q)
{
	int n_tries = 0;
	ipk_queue_opts asked, o;
	int r = ret_q ? check_opts(opts, &o) : ipk__invalid(IPK__NO_OUTPUT);

	if (r < 0)
		return r;
	(void)ipk__opts_copy(&asked, sizeof asked, opts);
	do {
		r = o.kind == IPK_QUEUE_MQ ? ipk__mq_create(&o, ret_q) : create(&o, ret_q);
		if (r != -EEXIST || !o.open_existing)
			return r;
		r = open_existing(&asked, &o, ret_q);
	} while (ipk__name_retry(&r, &n_tries));
	return r;
}

int ipk_queue_unlink(const char *name)
{
	char file[256];
	int r;

	if (ipk__mq_is_name(name))
		return ipk__mq_unlink(name);
	r = ipk__name_check(name);
	if (r < 0)
		return r;
	/* The doorbell first: one left alone would never be removed. */
	ipk__os_shm_unlink(ipk__queue_doorbell_name(name, file, sizeof file));
	r = ipk__os_shm_unlink(file_name(name, file, sizeof file));
	/* A process that created one meanwhile may not have seen yet that the name is removed. */
	if (r == 0)
		ipk__queue_remove_orphan_doorbell(name);
	return r;
}

void ipk__queue_remove_orphan_doorbell(const char *name)
{
	struct ipk__os_stat st;
	char file[256];

	/* Unless the name is another queue's by now: then that is its doorbell. */
	if (ipk__os_shm_stat(file_name(name, file, sizeof file), &st) == -ENOENT)
		ipk__os_shm_unlink(ipk__queue_doorbell_name(name, file, sizeof file));
}

ipk_queue *ipk_queue_close(ipk_queue *q)
{
	struct ipk__pollset set;

	if (!q)
		return NULL;
	ipk__os_mq_close(q->mq_fd);
	ipk__os_close(q->channel.doorbell_fd);
	set = ipk__queue_pollset(q);
	ipk__pollset_close(&set);
	ipk__segment_detach(&q->segment);
	free(q->name);
	free(q);
	return NULL;
}

/* --- locks and wake-ups ----------------------------------------------------------------------- */

/*
 * Locks and leases are kept by tid and pid. It was checked when the queue was opened whether this
 * process may use those, but a fork may have led to another pid namespace.
 */
static int check_here(ipk_queue *q)
{
	pid_t pid = ipk__os_pid();

	/* Relaxed: a thread that does not see it computes it again. */
	if (atomic_load_explicit(&q->checked_pid, memory_order_relaxed) == pid)
		return 0;
	if (q->segment.checked.pid_namespace != ipk__os_pid_namespace())
		return -EXDEV;
	atomic_store_explicit(&q->checked_pid, pid, memory_order_relaxed);
	return 0;
}

static void note_death(ipk_queue *q, uint32_t what)
{
	atomic_fetch_or(&q->shared->needs_repair, what);
}

static bool is_due(ipk_queue *q, uint32_t what)
{
	return (atomic_load_explicit(&q->shared->needs_repair, memory_order_relaxed) & what) != 0;
}

int ipk__queue_lock_put(ipk_queue *q, ipk_deadline deadline)
{
	bool recovered = false;
	int r;

	if (!ipk__queue_is_fifo(q))
		return ipk__queue_lock_get(q, deadline);
	r = check_here(q);
	if (r < 0)
		return r;
	r = ipk__robust_lock_acquire(&q->shared->put_lock, &q->shared->waiters, IPK__WAIT_PUT_LOCK,
				     0, deadline, &recovered);
	if (recovered) {
		/* An item that was not published: its pages are orphaned. */
		ipk__ring_drop_unpublished(&q->channel.ring);
		note_death(q, IPK__REPAIR_COUNTS);
	}
	return r;
}

int ipk__queue_lock_get(ipk_queue *q, ipk_deadline deadline)
{
	bool recovered = false;
	int r = check_here(q);

	if (r < 0)
		return r;
	r = ipk__robust_lock_acquire(&q->shared->get_lock, &q->shared->waiters, IPK__WAIT_GET_LOCK,
				     0, deadline, &recovered);
	if (recovered)
		note_death(q, IPK__REPAIR_COUNTS | IPK__REPAIR_ITEM_TABLE);
	if (r < 0 || !is_due(q, IPK__REPAIR_ITEM_TABLE))
		return r;
	/* Nobody may use the item table's lists before this. */
	r = ipk__item_table_rebuild(q);
	if (r < 0)
		ipk__queue_unlock_get(q);
	else
		atomic_fetch_and(&q->shared->needs_repair, ~(uint32_t)IPK__REPAIR_ITEM_TABLE);
	return r;
}

void ipk__queue_unlock_put(ipk_queue *q)
{
	ipk__robust_lock_release(ipk__queue_is_fifo(q) ? &q->shared->put_lock
						       : &q->shared->get_lock);
}

void ipk__queue_unlock_get(ipk_queue *q)
{
	ipk__robust_lock_release(&q->shared->get_lock);
}

void ipk__queue_keep_doorbell(ipk_queue *q, int fd)
{
	int none = -1;

	if (!__atomic_compare_exchange_n(&q->channel.doorbell_fd, &none, fd, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		ipk__os_close(fd);
}

/* Somebody polls a named queue: open its doorbell, if it is there. */
static void open_doorbell(ipk_queue *q)
{
	char file[256];
	int fd;

	if (ipk__os_shm_fifo(ipk__queue_doorbell_name(q->name, file, sizeof file), false, &fd) == 0)
		ipk__queue_keep_doorbell(q, fd);
}

void ipk__queue_wake_readers(ipk_queue *q, unsigned n)
{
	struct ipk__wait_queue *event = &q->channel.shared->data;

	/* Pairs with the heavy fence of waiters and pollers before their last looks. */
	ipk__os_fence_light();
	if (ipk__wait_queue_has_sleepers(event))
		ipk__wait_queue_wake(event, q->channel.waiters, n);
	if (!ipk__wait_queue_is_armed(event))
		return;
	if (ipk__queue_doorbell(q) < 0 && q->name)
		open_doorbell(q);
	ipk__queue_ring(q);
}
