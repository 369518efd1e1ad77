/*
 * look.c - what an object's memory says, without touching it.
 *
 * The memory is copied out by read calls, never mapped: a read takes no lock that users
 * of the object take, brings up no page, and cannot raise SIGBUS when a hostile owner
 * truncates the file meanwhile. What is looked at is the copy, so every number is read
 * once, and all are checked against each other before any is believed.
 *
 * The copy is taken while others write. Only a ring's two words must go together: tail is
 * read again after head, which makes the pair possible unless the ring went round between
 * the two reads. So an impossible pair is looked at again, and again; memory that shows
 * nothing but impossible numbers is damaged.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "inspect/inspect_internal.h"
#include "pipe/pipe_internal.h"
#include "queue/queue_internal.h"
#include "shm/segment.h"

#define TRIES 32
#define CLOCK_SLACK_NS 20000000 /* start times come in steps of 10 ms */

/* --- the header --- */

/*
 * The check of a user who opens it, except for whose it is and which pid namespace's:
 * those come after the checksum in that check, so it is intact when they are the cause.
 */
static int check_header(const struct ipk__shm_header *header, uint64_t file_bytes,
			bool *ret_is_foreign)
{
	struct ipk__shm_header h = *header;
	int r = ipk__segment_check(&h, 0, file_bytes);

	if (r != -EXDEV && r != -EACCES)
		return r;
	*ret_is_foreign = h.pid_namespace != ipk__os_pid_namespace();
	h.pid_namespace = ipk__os_pid_namespace();
	h.uid = ipk__os_uid();
	h.checksum = ipk__checksum(&h, offsetof(struct ipk__shm_header, checksum));
	return ipk__segment_check(&h, 0, file_bytes);
}

/* A file without the magic number is none of ours, however short or long it is. */
static int read_header(int fd, struct ipk__shm_header *ret_header)
{
	uint64_t magic = 0;
	int r = ipk__os_pread(fd, &magic, sizeof magic, 0);

	if (r == -ENODATA || (r == 0 && magic != IPK__SEGMENT_MAGIC))
		return -EPROTO;
	return r < 0 ? r : ipk__os_pread(fd, ret_header, sizeof *ret_header, 0);
}

/* --- threads --- */

/* Whether the thread called @tid began before @since, so is the one that was meant then. */
static bool is_alive_since(uint32_t tid, int64_t since_boot_ns)
{
	int64_t started_ns;
	int r = ipk__os_start_time_ns((pid_t)tid, &started_ns);

	if (r < 0)
		return r != -ESRCH;
	return started_ns - CLOCK_SLACK_NS <= since_boot_ns;
}

static int64_t since_ns(int64_t at_boot_ns)
{
	int64_t now_ns = ipk__os_boot_ns();

	if (at_boot_ns < 0 || at_boot_ns > now_ns)
		return -1;
	return now_ns - at_boot_ns;
}

static void name_thread(ipk_inspect_thread *t, bool is_foreign)
{
	struct ipk__os_thread thread;

	int r;

	t->size = sizeof *t;
	if (is_foreign || t->is_gone)
		return;
	r = ipk__os_thread((pid_t)t->tid, &thread);
	t->is_gone = r == -ESRCH;
	if (r < 0)
		return;
	t->pid = (uint32_t)thread.pid;
	ipk__printable(thread.comm, true, t->comm, sizeof t->comm);
}

static void note_holder(struct ipk__object *o, const struct ipk__lock *lock, ipk_inspect_what what)
{
	ipk_inspect_thread *t = &o->holders[o->pub.n_holders];
	uint32_t tid = ipk__lock_owner(lock);

	if (tid == 0)
		return;
	*t = (ipk_inspect_thread){.tid = tid, .what = what, .since_ns = -1};
	name_thread(t, o->pub.is_foreign);
	o->pub.n_holders++;
}

static bool read_waiter(const struct ipk__waiter *slot, bool is_foreign, ipk_inspect_thread *t)
{
	uint32_t tid = atomic_load_explicit(&slot->tid, memory_order_relaxed);
	uint32_t what = atomic_load_explicit(&slot->what, memory_order_relaxed);
	int64_t at_boot_ns = atomic_load_explicit(&slot->since_boot_ns, memory_order_relaxed);

	/* Nothing yet: it is just entering, and wait.h's fields are not all set. */
	if (tid == 0 || what == IPK__WAIT_NOTHING)
		return false;
	*t = (ipk_inspect_thread){
		.tid = tid,
		.pid = atomic_load_explicit(&slot->pid, memory_order_relaxed),
		.what = (ipk_inspect_what)what,
		.since_ns = since_ns(at_boot_ns),
		.is_gone = !is_foreign && !is_alive_since(tid, at_boot_ns),
	};
	name_thread(t, is_foreign);
	return true;
}

_Static_assert(IPK__WAIT_DATA == (int)IPK_INSPECT_DATA, "same numbers");
_Static_assert(IPK__WAIT_SPACE == (int)IPK_INSPECT_SPACE, "same numbers");
_Static_assert(IPK__WAIT_DONE == (int)IPK_INSPECT_DONE, "same numbers");
_Static_assert(IPK__WAIT_PUT_LOCK == (int)IPK_INSPECT_PUT_LOCK, "same numbers");
_Static_assert(IPK__WAIT_GET_LOCK == (int)IPK_INSPECT_GET_LOCK, "same numbers");

static int note_waiters(struct ipk__object *o, const struct ipk__waiters *waiters)
{
	ipk_inspect_thread found[IPK__WAITERS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < IPK__WAITERS_MAX; i++)
		n += read_waiter(&waiters->slots[i], o->pub.is_foreign, &found[n]);
	if (n == 0)
		return 0;
	o->waiters = ipk__os_malloc(n * sizeof *found);
	if (!o->waiters)
		return -ENOMEM;
	memcpy(o->waiters, found, n * sizeof *found);
	o->pub.n_waiters = n;
	return 0;
}

/* --- lanes --- */

/* @copy is of memory at @offset of the file: bring the writer's line up to date. */
static int read_tail_again(int fd, uint64_t offset, struct ipk__shm_ring *copy)
{
	return ipk__os_pread(fd, copy, offsetof(struct ipk__shm_ring, head), offset);
}

/*
 * Messages ever, from the count that lags or (read just after) leads: both by less than
 * half the range of the 32 bits that they have in common.
 */
static uint64_t total(const _Atomic uint64_t *n, uint64_t word)
{
	uint64_t before = atomic_load_explicit(n, memory_order_relaxed);

	return before + (uint64_t)(int64_t)(int32_t)(ipk__ring_count(word) - (uint32_t)before);
}

static int note_ring(const struct ipk__shm_ring *ring, uint64_t ring_bytes, ipk_inspect_lane *lane)
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint32_t n_units = ipk__ring_pos(tail) - ipk__ring_pos(head);
	uint32_t n_items = ipk__ring_count(tail) - ipk__ring_count(head);

	if ((uint64_t)n_units * IPK__UNIT > ring_bytes || n_items > n_units)
		return -ENOTRECOVERABLE;
	*lane = (ipk_inspect_lane){
		.size = sizeof *lane,
		.n_items = n_items,
		.message_bytes = IPK_INSPECT_UNKNOWN,
		.used_bytes = (uint64_t)n_units * IPK__UNIT,
		.room_bytes = ring_bytes,
		.n_put = total(&ring->n_written, tail),
		.n_got = total(&ring->n_read, head),
	};
	return 0;
}

/* --- pipes --- */

static int look_at_pipe(int fd, const struct ipk__shm_header *h, struct ipk__object *o)
{
	uint32_t n_lanes = (h->flags & IPK_PIPE_ONE_WAY) ? 1 : 2;
	struct ipk__shm_pipe shm;
	int r;

	if (h->fixed_bytes < sizeof shm || h->n_rings != n_lanes)
		return -EBADMSG;
	r = ipk__os_pread(fd, &shm, sizeof shm, 0);
	/* In a one-way pipe there is only lane 1. */
	for (uint32_t i = 0; r == 0 && i < n_lanes; i++) {
		struct ipk__shm_ring *ring = &shm.lanes[i + 2 - n_lanes].ring;

		r = read_tail_again(fd, (uint64_t)((char *)ring - (char *)&shm), ring);
		if (r == 0)
			r = note_ring(ring, h->ring_bytes, &o->lanes[i]);
	}
	if (r < 0)
		return r;
	o->pub.n_lanes = n_lanes;
	o->pub.max_message_bytes = shm.max_message_bytes;
	o->pub.n_unfinished = IPK_INSPECT_UNKNOWN;
	return note_waiters(o, &shm.waiters);
}

/* --- queues --- */

static uint64_t minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static bool queue_is_possible(const struct ipk__shm_queue *shm, const struct ipk__shm_header *h)
{
	const struct ipk__shm_shelf *shelf = &shm->shelf;

	return shm->kind <= IPK_QUEUE_PRIORITY &&
	       h->n_rings == (shm->kind == IPK_QUEUE_FIFO ? 1 : 0) &&
	       atomic_load_explicit(&shm->shutdown, memory_order_relaxed) <= IPK_NOW &&
	       shelf->n_slots <= h->fixed_bytes / sizeof(struct ipk__slot) &&
	       shelf->n_blocks <= h->fixed_bytes / IPK__BLOCK_BYTES &&
	       shelf->n_free_blocks <= shelf->n_blocks &&
	       atomic_load_explicit(&shelf->n_live, memory_order_relaxed) <= shelf->n_slots &&
	       atomic_load_explicit(&shelf->n_leased, memory_order_relaxed) <= shelf->n_slots;
}

/* LIFO and priority: everything is on the shelf. */
static void note_shelf(const struct ipk__shm_queue *shm, ipk_inspect_lane *lane)
{
	const struct ipk__shm_shelf *shelf = &shm->shelf;

	*lane = (ipk_inspect_lane){
		.size = sizeof *lane,
		.used_bytes = (uint64_t)(shelf->n_blocks - shelf->n_free_blocks) * IPK__BLOCK_BYTES,
		.room_bytes = (uint64_t)shelf->n_blocks * IPK__BLOCK_BYTES,
		.n_put = atomic_load_explicit(&shm->n_shelved, memory_order_relaxed),
	};
}

static void note_queue(const struct ipk__shm_queue *shm, struct ipk__object *o)
{
	uint64_t n_done = atomic_load_explicit(&shm->n_done, memory_order_relaxed) +
			  atomic_load_explicit(&shm->n_acked, memory_order_relaxed);
	int64_t n_bytes = (int64_t)(atomic_load_explicit(&shm->bytes_put, memory_order_relaxed) -
				    atomic_load_explicit(&shm->bytes_got, memory_order_relaxed));
	ipk_inspect_lane *lane = &o->lanes[0];

	o->pub.queue_kind = (ipk_queue_kind)shm->kind;
	o->pub.n_lanes = 1;
	o->pub.max_items = shm->max_items;
	o->pub.max_bytes = shm->max_bytes;
	o->pub.max_message_bytes = shm->max_message_bytes;
	o->pub.n_leased = atomic_load_explicit(&shm->shelf.n_leased, memory_order_relaxed);
	o->pub.n_unfinished = minus(lane->n_put, n_done);
	o->pub.shutdown = atomic_load_explicit(&shm->shutdown, memory_order_relaxed);
	o->pub.needs_repair = atomic_load_explicit(&shm->needs_repair, memory_order_relaxed) != 0;
	/* Items on loan that came back lie on the shelf: taken from the ring, not got. */
	lane->n_items += atomic_load_explicit(&shm->shelf.n_live, memory_order_relaxed);
	lane->n_got = minus(lane->n_put, lane->n_items + o->pub.n_leased);
	lane->message_bytes = n_bytes > 0 ? (uint64_t)n_bytes : 0;
}

static int look_at_queue(int fd, const struct ipk__shm_header *h, struct ipk__object *o)
{
	struct ipk__shm_queue shm;
	int r;

	if (h->fixed_bytes < sizeof shm)
		return -EBADMSG;
	r = ipk__os_pread(fd, &shm, sizeof shm, 0);
	if (r == 0)
		r = read_tail_again(fd, offsetof(struct ipk__shm_queue, lane.ring), &shm.lane.ring);
	if (r < 0)
		return r;
	if (!queue_is_possible(&shm, h))
		return -ENOTRECOVERABLE;
	if (shm.kind == IPK_QUEUE_FIFO)
		r = note_ring(&shm.lane.ring, h->ring_bytes, &o->lanes[0]);
	else
		note_shelf(&shm, &o->lanes[0]);
	if (r < 0)
		return r;
	note_queue(&shm, o);
	note_holder(o, &shm.put_lock, IPK_INSPECT_PUT_LOCK);
	note_holder(o, &shm.get_lock, IPK_INSPECT_GET_LOCK);
	return note_waiters(o, &shm.waiters);
}

/* --- all --- */

static ipk_inspect_kind kind_of(uint32_t segment_kind)
{
	switch (segment_kind) {
	case IPK__KIND_PIPE:
		return IPK_INSPECT_PIPE;
	case IPK__KIND_QUEUE:
		return IPK_INSPECT_QUEUE;
	default:
		return IPK_INSPECT_OTHER;
	}
}

static void note_creator(const struct ipk__shm_header *h, struct ipk__object *o)
{
	struct ipk__os_thread thread;

	o->pub.creator_pid = h->creator_pid;
	o->pub.age_ns = since_ns(h->created_boot_ns);
	/* Another process may have the number by now. */
	if (!o->pub.is_foreign && is_alive_since(h->creator_pid, h->created_boot_ns) &&
	    ipk__os_thread((pid_t)h->creator_pid, &thread) == 0)
		ipk__printable(thread.comm, true, o->pub.creator, sizeof o->pub.creator);
}

static int look_steadily(int fd, const struct ipk__shm_header *h, struct ipk__object *o)
{
	int r = -EPROTONOSUPPORT;

	for (int i = 0; i < TRIES; i++) {
		if (h->kind == IPK__KIND_PIPE)
			r = look_at_pipe(fd, h, o);
		else if (h->kind == IPK__KIND_QUEUE)
			r = look_at_queue(fd, h, o);
		if (r != -ENOTRECOVERABLE)
			break;
	}
	return r;
}

int ipk__look_at_segment(int fd, struct ipk__object *o, char *label)
{
	struct ipk__shm_header h;
	struct ipk__os_stat st = {0};
	int r = ipk__os_stat(fd, &st);

	if (r < 0)
		return r;
	o->pub.uid = st.uid;
	o->pub.memory_bytes = st.size_bytes;
	r = read_header(fd, &h);
	if (r == 0)
		r = check_header(&h, st.size_bytes, &o->pub.is_foreign);
	if (r < 0)
		return r;
	memcpy(label, h.label, IPK__MIN(sizeof h.label, IPK__LABEL_BYTES));
	o->pub.kind = kind_of(h.kind);
	r = look_steadily(fd, &h, o);
	if (r == 0)
		note_creator(&h, o);
	return r;
}

int ipk__look_at_mq(int fd, struct ipk__object *o)
{
	size_t max_items = 0, message_bytes = 0, n_items = 0;
	struct ipk__os_stat st = {0};
	int r = ipk__os_mq_stat(fd, &max_items, &message_bytes, &n_items);

	if (r == 0)
		r = ipk__os_stat(fd, &st);
	if (r < 0)
		return r;
	o->pub.uid = st.uid;
	o->pub.queue_kind = IPK_QUEUE_MQ;
	o->pub.max_items = max_items;
	o->pub.max_message_bytes = message_bytes;
	o->pub.n_unfinished = IPK_INSPECT_UNKNOWN;
	o->pub.n_lanes = 1;
	o->lanes[0] = (ipk_inspect_lane){
		.size = sizeof o->lanes[0],
		.n_items = n_items,
		.message_bytes = IPK_INSPECT_UNKNOWN,
		.used_bytes = IPK_INSPECT_UNKNOWN,
		.room_bytes = IPK_INSPECT_UNKNOWN,
		.n_put = IPK_INSPECT_UNKNOWN,
		.n_got = IPK_INSPECT_UNKNOWN,
	};
	return 0;
}
