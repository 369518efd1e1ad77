/*
 * pipe_ring.c - messages through a ring in shared memory.
 *
 * Invariant: a message is in the ring when the tail has passed its last record. A short message is
 * one record; a long one is a FIRST record with its whole length, MOREs and a LAST. The reader
 * reassembles the pieces privately and delivers nothing before the LAST has arrived: a writer that
 * dies or gives up in the middle has sent nothing, and the next record (a WHOLE or another FIRST)
 * tells the reader to discard the pieces.
 *
 * The end of file comes from the kernel: the socket beside the pipe hangs up. Since checking costs
 * a system call, it is done only around sleeps, before a call would fail anyway, and at every 256th
 * message.
 */
#include <errno.h>
#include <string.h>

#include "os/os.h"
#include "pipe/pipe_internal.h"

enum { WHOLE = 1, FIRST = 2, MORE = 3, LAST = 4 };

#define PIECE_MAX_BYTES 32768u /* half a level-1 cache: the reader copies while we write on */
#define HANGUP_CHECK_EVERY 256u

/* --- waiting ---------------------------------------------------------------------------------- */

struct room_wanted {
	ipk_pipe *p;
	uint64_t tail; /* ours: another process may damage the shared one */
	uint32_t n_units;
};

static bool is_gone(const ipk_pipe *p)
{
	return ipk__os_is_hung_up(p->side_fd) == 1;
}

static int has_room(void *arg, bool slowly)
{
	const struct room_wanted *w = arg;
	uint32_t n_free = 0;
	int r;

	if (atomic_load_explicit(&w->p->is_closing, memory_order_relaxed))
		return -EBADF;
	if (slowly && is_gone(w->p))
		return -EPIPE;
	r = ipk__ring_room(&w->p->tx.ring, w->tail, w->n_units, &n_free);
	return r < 0 ? r : n_free >= w->n_units;
}

static int has_record(void *arg, bool slowly)
{
	ipk_pipe *p = arg;

	int n = ipk__ring_ready(&p->rx.ring);

	if (atomic_load_explicit(&p->is_closing, memory_order_relaxed))
		return -EBADF;
	if (n > 0 || !slowly || !is_gone(p))
		return n;
	/* It may have sent between our check and its end. */
	return ipk__ring_is_empty(&p->rx.ring) ? -EPIPE : 1;
}

static void ring_arm(ipk_pipe *p)
{
	if (p->pollset.fd < 0)
		return;
	ipk__pollset_drain(&p->pollset);
	ipk__wait_queue_arm(&p->rx.shared->data);
}

static int wait_record(ipk_pipe *p, ipk_deadline deadline)
{
	int r;

	/* Who waits for an answer will be waited for on the other channel. */
	if (p->can_send)
		ipk__channel_note_cpu(&p->tx.ring.shared->writer_cpu);
	if (deadline.at_ns > 0)
		atomic_store(&p->receiver_pid, (uint32_t)ipk__os_pid());
	r = ipk__channel_wait_data(&p->rx, has_record, p, deadline);
	if (r != -ETIMEDOUT || p->pollset.fd < 0)
		return r;
	ring_arm(p);
	r = has_record(p, true);
	return r == 0 ? -ETIMEDOUT : IPK__MIN(r, 0);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* Wait until @n_units are free behind @tail. */
static int make_room(ipk_pipe *p, uint64_t tail, uint32_t n_units, ipk_deadline deadline)
{
	struct room_wanted wanted = {p, tail, n_units};
	uint32_t n_free = 0;
	int r = ipk__ring_room(&p->tx.ring, tail, n_units, &n_free);

	if (r < 0 || n_free >= n_units)
		return r;
	if (deadline.at_ns > 0)
		atomic_store(&p->sender_pid, (uint32_t)ipk__os_pid());
	return ipk__channel_wait_space(&p->tx, has_room, &wanted, deadline);
}

static int send_record(ipk_pipe *p, uint32_t type, const void *data, uint32_t len_bytes,
		       uint32_t n_messages, ipk_deadline deadline)
{
	uint64_t tail = ipk__ring_tail(&p->tx.ring);
	int r = make_room(p, tail, ipk__record_units(len_bytes), deadline);

	if (r < 0)
		return r;
	tail = ipk__ring_write(&p->tx.ring, tail, type, data, len_bytes, n_messages);
	ipk__ring_publish(&p->tx.ring, tail);
	ipk__channel_wake_readers(&p->tx, 1);
	return 0;
}

static int send_pieces(ipk_pipe *p, const char *data, size_t len_bytes, ipk_deadline deadline)
{
	uint64_t total = len_bytes;
	size_t piece_bytes = IPK__MIN(PIECE_MAX_BYTES, p->whole_max_bytes);
	int r = send_record(p, FIRST, &total, sizeof total, 0, deadline);

	while (r == 0 && len_bytes > piece_bytes) {
		r = send_record(p, MORE, data, (uint32_t)piece_bytes, 0, deadline);
		data += piece_bytes;
		len_bytes -= piece_bytes;
	}
	if (r == 0)
		r = send_record(p, LAST, data, (uint32_t)len_bytes, 1, deadline);
	return r;
}

static int ring_send(ipk_pipe *p, const void *data, size_t len_bytes, ipk_deadline deadline)
{
	ipk__ring_begin_write(&p->tx.ring, (uint32_t)ipk__os_pid());
	if (ipk__ring_count(ipk__ring_tail(&p->tx.ring)) % HANGUP_CHECK_EVERY == 0 && is_gone(p))
		return -EPIPE;
	if (len_bytes <= p->whole_max_bytes)
		return send_record(p, WHOLE, data, (uint32_t)len_bytes, 1, deadline);
	return send_pieces(p, data, len_bytes, deadline);
}

static int send_now(ipk_pipe *p, uint32_t type, const void *data, size_t len_bytes)
{
	if (!ipk__channel_has_room(&p->tx, ipk__record_units((uint32_t)len_bytes)))
		return -EAGAIN;
	return send_record(p, type, data, (uint32_t)len_bytes, type == WHOLE || type == LAST,
			   ipk_now());
}

static int begin_pieces(ipk_pipe *p, size_t len_bytes, struct ipk__send_progress *progress)
{
	uint64_t total = len_bytes;
	int r = progress->is_begun ? 0 : send_now(p, FIRST, &total, sizeof total);

	progress->is_begun |= r == 0;
	return r;
}

int ipk__pipe_send_some(ipk_pipe *p, const void *data, size_t len_bytes,
			struct ipk__send_progress *progress)
{
	size_t piece_bytes = IPK__MIN(PIECE_MAX_BYTES, p->whole_max_bytes);
	const char *bytes = data;
	int r;

	ipk__ring_begin_write(&p->tx.ring, (uint32_t)ipk__os_pid());
	if (len_bytes <= p->whole_max_bytes && !progress->is_begun)
		return send_now(p, WHOLE, data, len_bytes);
	r = begin_pieces(p, len_bytes, progress);
	while (r == 0 && progress->n_bytes < len_bytes) {
		size_t n_bytes = IPK__MIN(piece_bytes, len_bytes - progress->n_bytes);
		bool is_last = n_bytes == len_bytes - progress->n_bytes;

		r = send_now(p, is_last ? LAST : MORE, bytes + progress->n_bytes, n_bytes);
		if (r == 0)
			progress->n_bytes += n_bytes;
	}
	return r;
}

/* --- receiving -------------------------------------------------------------------------------- */

struct front {
	const struct ipk__record *record;
	uint64_t head;
	uint32_t len_bytes;
	uint32_t type;
};

static int wait_front(ipk_pipe *p, ipk_deadline deadline, struct front *ret)
{
	uint32_t n_rounds = 0;
	int r;

	do {
		r = wait_record(p, deadline);
		if (r == 0)
			r = ipk__round_in_vain(&n_rounds, deadline);
		if (r < 0)
			return r;
		r = ipk__ring_front(&p->rx.ring, ret->head, &ret->record, &ret->len_bytes,
				    &ret->type);
	} while (r == 0);
	return IPK__MIN(r, 0);
}

static inline int front(ipk_pipe *p, ipk_deadline deadline, struct front *ret)
{
	int r;

	ret->head = ipk__ring_head(&p->rx.ring);
	r = ipk__ring_front(&p->rx.ring, ret->head, &ret->record, &ret->len_bytes, &ret->type);
	return r == 0 ? wait_front(p, deadline, ret) : IPK__MIN(r, 0);
}

static inline void consume(ipk_pipe *p, const struct front *f)
{
	uint32_t n_messages = f->type == WHOLE || f->type == LAST;

	ipk__ring_free(&p->rx.ring, ipk__ring_behind(f->head, f->len_bytes, n_messages));
	ipk__channel_wake_writers(&p->rx, 1);
}

/*
 * Collect the pieces of the message in reassembly into @into, which has room for all of them.
 * 0 it is whole; 1 its sender gave up, another message is in front.
 */
static int collect(ipk_pipe *p, char *into, ipk_deadline deadline)
{
	struct ipk__reassembly *reassembly = &p->reassembly;
	uint32_t n_rounds = 0;
	struct front f;

	while (reassembly->got_bytes < reassembly->total_bytes) {
		int r = front(p, deadline, &f);

		if (r == 0)
			r = ipk__round_of_work(&n_rounds, deadline);
		if (r < 0)
			return r;
		if (f.type == WHOLE || f.type == FIRST)
			return 1;
		if ((f.type != MORE && f.type != LAST) || f.len_bytes == 0 ||
		    f.len_bytes > reassembly->total_bytes - reassembly->got_bytes ||
		    (f.type == LAST) !=
			    (f.len_bytes == reassembly->total_bytes - reassembly->got_bytes))
			return -EPROTO;
		memcpy(into + reassembly->got_bytes, f.record->bytes, f.len_bytes);
		reassembly->got_bytes += f.len_bytes;
		consume(p, &f);
	}
	return 0;
}

/* The whole length of the message that begins with @f. */
static int total_of(const ipk_pipe *p, const struct front *f, size_t *ret_bytes)
{
	uint64_t total;

	if (f->type == WHOLE) {
		*ret_bytes = f->len_bytes;
		return 0;
	}
	if (f->type != FIRST || f->len_bytes != sizeof total)
		return -EPROTO;
	memcpy(&total, f->record->bytes, sizeof total);
	if (total == 0 || total > p->max_message_bytes)
		return -EPROTO;
	*ret_bytes = total;
	return 0;
}

/*
 * The beginning of the next message. 0: *ret_f is its first record. 1: it is in the reassembly
 * buffer, complete or in part.
 */
static inline int begin_message(ipk_pipe *p, ipk_deadline deadline, struct front *ret_f,
				size_t *ret_total)
{
	uint32_t n_rounds = 0;
	int r;

	if (p->reassembly.is_used) {
		*ret_total = p->reassembly.total_bytes;
		return 1;
	}
	while ((r = front(p, deadline, ret_f)) == 0 &&
	       (ret_f->type == MORE || ret_f->type == LAST)) {
		/* Pieces whose beginning a killed reader took along: pass them over. */
		consume(p, ret_f);
		r = ipk__round_of_work(&n_rounds, deadline);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : total_of(p, ret_f, ret_total);
}

/* Reassembles the next message. */
static int reassemble(ipk_pipe *p, ipk_deadline deadline)
{
	int r = collect(p, p->reassembly.bytes, deadline);

	if (r == 1)
		ipk__reassembly_end(&p->reassembly);
	return r;
}

static int start_pieces(ipk_pipe *p, const struct front *f, size_t total)
{
	int r = ipk__reassembly_reserve(&p->reassembly, total);

	if (r < 0)
		return r;
	ipk__reassembly_begin(&p->reassembly, total);
	consume(p, f);
	return 0;
}

/* 1: its sender gave the message up. */
static int next_once(ipk_pipe *p, ipk_deadline deadline, const void **ret_data,
		     size_t *ret_len_bytes)
{
	struct front f;
	size_t total;
	int r = begin_message(p, deadline, &f, &total);

	if (r == 0 && f.type == WHOLE) {
		*ret_data = f.record->bytes;
		*ret_len_bytes = total;
		return 0;
	}
	if (r == 0)
		r = start_pieces(p, &f, total);
	if (r >= 0)
		r = reassemble(p, deadline);
	if (r == 0) {
		*ret_data = p->reassembly.bytes;
		*ret_len_bytes = total;
	}
	return r;
}

static int ring_next(ipk_pipe *p, ipk_deadline deadline, const void **ret_data,
		     size_t *ret_len_bytes)
{
	uint32_t n_rounds = 0;
	int r;

	while ((r = next_once(p, deadline, ret_data, ret_len_bytes)) == 1) {
		r = ipk__round_of_work(&n_rounds, deadline);
		if (r < 0)
			return r;
	}
	return r;
}

static void ring_take(ipk_pipe *p)
{
	struct front f;

	if (p->reassembly.is_used)
		ipk__reassembly_end(&p->reassembly);
	else if (front(p, ipk_now(), &f) == 0)
		consume(p, &f);
}

/* A long message straight into the caller's buffer; what has come is kept on a time-out. */
static int recv_pieces(ipk_pipe *p, char *buf, const struct front *f, size_t total,
		       ipk_deadline deadline)
{
	int r = start_pieces(p, f, total);

	if (r < 0)
		return r;
	r = collect(p, buf, deadline);
	if (r == -ETIMEDOUT)
		memcpy(p->reassembly.bytes, buf, p->reassembly.got_bytes);
	else
		ipk__reassembly_end(&p->reassembly);
	return r;
}

/*
 * A message that an earlier call began, or that is too long for the buffer: whether it is
 * -EMSGSIZE is known only when it is whole, until then its sender may yet give it up.
 */
static int recv_reassembled(ipk_pipe *p, char *buf, size_t buf_bytes, ipk_deadline deadline)
{
	size_t total = p->reassembly.total_bytes;
	int r = reassemble(p, deadline);

	if (r == 0 && total > buf_bytes)
		r = ipk__detail(-EMSGSIZE, IPK__OVER_BUF);
	if (r == 0) {
		memcpy(buf, p->reassembly.bytes, total);
		ipk__reassembly_end(&p->reassembly);
	}
	return r;
}

static int recv_whole(ipk_pipe *p, char *buf, size_t buf_bytes, const struct front *f)
{
	if (f->len_bytes > buf_bytes)
		return ipk__detail(-EMSGSIZE, IPK__OVER_BUF);
	if (f->len_bytes > 0)
		memcpy(buf, f->record->bytes, f->len_bytes);
	consume(p, f);
	return 0;
}

/* 1: its sender gave the message up. */
static int recv_once(ipk_pipe *p, void *buf, size_t buf_bytes, ipk_deadline deadline,
		     size_t *ret_total)
{
	struct front f;
	int r = begin_message(p, deadline, &f, ret_total);

	if (r < 0)
		return r;
	if (r == 0 && f.type == WHOLE)
		return recv_whole(p, buf, buf_bytes, &f);
	if (r == 0 && *ret_total <= buf_bytes)
		return recv_pieces(p, buf, &f, *ret_total, deadline);
	if (r == 0)
		r = start_pieces(p, &f, *ret_total);
	return r < 0 ? r : recv_reassembled(p, buf, buf_bytes, deadline);
}

static int ring_recv(ipk_pipe *p, void *buf, size_t buf_bytes, ipk_deadline deadline,
		     size_t *ret_len_bytes)
{
	uint32_t n_rounds = 0;
	size_t total;
	int r;

	while ((r = recv_once(p, buf, buf_bytes, deadline, &total)) == 1) {
		r = ipk__round_of_work(&n_rounds, deadline);
		if (r < 0)
			return r;
	}
	if (r == 0 && ret_len_bytes)
		*ret_len_bytes = total;
	return r;
}

static int ring_poll(ipk_pipe *p, ipk_deadline deadline)
{
	const void *data;
	size_t len_bytes;
	int r = ipk__reassembly_is_whole(&p->reassembly) ? 0 : wait_record(p, deadline);

	if (r < 0 || ipk__reassembly_is_whole(&p->reassembly) || ipk__ring_len(&p->rx.ring) > 0)
		return r;
	/* Only pieces: a longer message than the ring is never there unless we collect it. */
	return ring_next(p, deadline, &data, &len_bytes);
}

static int ring_fd(ipk_pipe *p, int *ret_fd)
{
	bool is_new = p->pollset.fd < 0 || p->pollset.pid != ipk__os_pid();
	int r = ipk__pollset_fd(&p->pollset, p->rx.doorbell_fd, p->side_fd, ret_fd);

	/* What is there already rings now; what comes later finds the event armed. */
	if (r == 0 && is_new) {
		ipk__wait_queue_arm(&p->rx.shared->data);
		if (has_record(p, false) != 0)
			ipk__wait_queue_ring(&p->rx.shared->data, p->rx.doorbell_fd);
	}
	return r;
}

const struct ipk__transport ipk__transport_ring = {
	.send = ring_send,
	.recv = ring_recv,
	.next = ring_next,
	.take = ring_take,
	.poll = ring_poll,
	.fd = ring_fd,
	.arm = ring_arm,
};
