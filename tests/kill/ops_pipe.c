/*
 * ops_pipe.c - send and recv, over both transports.
 *
 * The peer of a killed sender gets everything that was acknowledged, no partial message, and then
 * the end of file; likewise when the peer sends. The rows "heir" are about an end that a parent
 * shares with the child that is killed: the process that takes over the end continues to send (or
 * receive) where the dead one stopped. An end that is sent over another pipe arrives complete, or
 * not at all.
 */
#include <errno.h>
#include <string.h>

#include "fixture.h"

#define RING_BYTES ((size_t)4096)
#define FULL_SIZE_MESSAGES 4
#define SENDS_UNTIL_EPIPE 1024 /* the end is noticed at every 256th message, or when full */

enum { RING = 0, SOCKET = 1, HEIR = 2 };

/* --- the fixture ------------------------------------------------------------------------------ */

/* A ring that the message fits into with room to spare: nobody reads while it is sent. */
static size_t ring_bytes(const struct op *op)
{
	return op->len_bytes > RING_BYTES / 8 ? op->len_bytes * 4 : RING_BYTES;
}

static int make(struct fixture *s, bool victim_sends)
{
	int r = ipk_pipe_create(IPK_PIPE(.ring_bytes = ring_bytes(s->op),
					 .flags = s->op->variant & SOCKET ? IPK_PIPE_SOCKET : 0),
				&s->far, &s->near);
	size_t n = s->op->state == EMPTY ? 0 : s->op->state == ONE ? 1 : ITEMS_MAX;
	ipk_pipe *from = victim_sends ? s->near : s->far;

	for (size_t i = 0; r == 0 && i < n; i++) {
		size_t len_bytes = s->op->len_bytes;
		struct item *item;

		/* A socket takes hundreds of messages, of any length. */
		if (i >= FULL_SIZE_MESSAGES && len_bytes == BIG_BYTES)
			len_bytes = 64;
		item = history_add(s->history, len_bytes, 0, MUST);
		pattern_fill(message, len_bytes, item->seq);
		r = ipk_pipe_send(from, message, len_bytes, ipk_now());
		if (r < 0)
			s->history->n_items--;
	}
	return r == -ETIMEDOUT && n == ITEMS_MAX ? 0 : r;
}

static int make_send(struct fixture *s)
{
	int r = make(s, true);

	s->batch_seq = history_add(s->history, s->op->len_bytes, 0, MAY)->seq;
	s->n_batch = 1;
	pattern_fill(message, s->op->len_bytes, s->batch_seq);
	return r;
}

static int make_recv(struct fixture *s)
{
	return make(s, false);
}

static void unmake(struct fixture *s)
{
	s->near = ipk_pipe_close(s->near);
	s->far = ipk_pipe_close(s->far);
}

/* --- the victim ------------------------------------------------------------------------------- */

static size_t got_bytes;

static int act_send(struct fixture *s)
{
	s->history->n_moved = 1;
	return ipk_pipe_send(s->near, message, s->op->len_bytes, s->deadline);
}

static int act_recv(struct fixture *s)
{
	s->history->n_moved = 1;
	return ipk_pipe_recv(s->near, message, sizeof message, s->deadline, &got_bytes);
}

static void after_recv(struct fixture *s)
{
	if (s->history->result == 0)
		history_got(s->history, message, got_bytes, true);
}

/* --- the survivor ----------------------------------------------------------------------------- */

/* All that must come on @p, then what else is there; at the end recv() says @last. */
static bool receive_all(struct fixture *s, ipk_pipe *p, int last)
{
	struct history *l = s->history;
	size_t n_due = 0;
	size_t n_got = 0;

	for (uint32_t i = 0; i < l->n_items; i++)
		n_due += l->items[i].fate == MUST && l->items[i].n_got == 0;
	for (;;) {
		bool is_due = n_got < n_due || last == -EPIPE;
		size_t len_bytes = 0;
		int r = ipk_pipe_recv(p, message, sizeof message,
				      is_due ? ipk_in_ms(CALL_MS) : ipk_now(), &len_bytes);

		if (r == last && n_got >= n_due)
			return true;
		if (!expect(s, "recv", r, 0))
			return false;
		history_got(l, message, len_bytes, s->op->is_stop);
		n_got++;
	}
}

/* One message through, with nothing before it. */
static bool pass_one(struct fixture *s, ipk_pipe *from, ipk_pipe *to, const char *what)
{
	struct history *l = s->history;
	struct item *item = history_add(l, s->op->len_bytes, 0, MUST);
	size_t len_bytes = 0;

	pattern_fill(message, s->op->len_bytes, item->seq);
	if (!expect(s, what, ipk_pipe_send(from, message, s->op->len_bytes, ipk_in_ms(CALL_MS)), 0))
		return false;
	memset(message, 0, s->op->len_bytes);
	if (!expect(s, what,
		    ipk_pipe_recv(to, message, sizeof message, ipk_in_ms(CALL_MS), &len_bytes), 0))
		return false;
	history_got(l, message, len_bytes, false);
	return true;
}

/* Nobody is at the other side any more: both directions say so. */
static void check_end(struct fixture *s)
{
	size_t len_bytes;
	int r = 0;

	expect(s, "recv at the end",
	       ipk_pipe_recv(s->far, message, sizeof message, ipk_in_ms(CALL_MS), &len_bytes),
	       -EPIPE);
	for (int i = 0; r == 0 && i < SENDS_UNTIL_EPIPE; i++) {
		r = ipk_pipe_send(s->far, message, s->op->len_bytes, ipk_in_ms(CALL_MS));
		atomic_fetch_add(&s->history->progress, 1);
	}
	expect(s, "send at the end", r, -EPIPE);
}

static bool goes_on(struct fixture *s)
{
	return pass_one(s, s->near, s->far, "message to the peer") &&
	       pass_one(s, s->far, s->near, "message from the peer");
}

static void check_send(struct fixture *s)
{
	bool ok;

	settle_put(s);
	if (s->op->variant & HEIR) {
		ok = receive_all(s, s->far, -ETIMEDOUT) && goes_on(s);
		s->near = ipk_pipe_close(s->near);
	} else {
		s->near = ipk_pipe_close(s->near);
		ok = receive_all(s, s->far, -EPIPE);
	}
	history_close(s->history);
	if (ok)
		check_end(s);
}

static void check_recv(struct fixture *s)
{
	bool ok = true;

	if (!s->op->is_stop)
		settle_get(s, 1);
	if (s->op->variant & HEIR) {
		ok = receive_all(s, s->near, -ETIMEDOUT) && goes_on(s);
		history_close(s->history);
	}
	s->near = ipk_pipe_close(s->near);
	if (ok)
		check_end(s);
}

/* Beside a stopped sender: what is there comes out, and the end of file does not. */
static void meet_sender(struct fixture *s)
{
	size_t len_bytes = 0;
	int r = ipk_pipe_recv(s->far, message, sizeof message, ipk_in_ms(MEET_MS), &len_bytes);

	s->near = ipk_pipe_close(s->near);
	if (r == 0)
		history_got(s->history, message, len_bytes, true);
	else if (r != -ETIMEDOUT)
		expect(s, "recv", r, 0);
}

/* Beside a stopped receiver, whose end we share: one more message, if there is room. */
static void meet_receiver(struct fixture *s)
{
	struct item *item = history_add(s->history, s->op->len_bytes, 0, MUST);
	int r;

	pattern_fill(message, s->op->len_bytes, item->seq);
	r = ipk_pipe_send(s->far, message, s->op->len_bytes, ipk_in_ms(MEET_MS));
	if (r < 0)
		s->history->n_items--;
	if (r != -ETIMEDOUT)
		expect(s, "send", r, 0);
}

/* --- an end goes over ------------------------------------------------------------------------- */

/* The end that is given, s->object, has one message; s->opened is at its other side. */
static int make_give(struct fixture *s)
{
	ipk_pipe *end = NULL, *peer = NULL;
	struct item *item;
	int r = ipk_pipe_create(NULL, &s->far, &s->near);

	if (r == 0)
		r = ipk_pipe_create(
			IPK_PIPE(.flags = s->op->variant & SOCKET ? IPK_PIPE_SOCKET : 0), &end,
			&peer);
	if (r < 0)
		return r;
	s->object = end;
	s->opened = peer;
	item = history_add(s->history, s->op->len_bytes, 0, MUST);
	pattern_fill(message, s->op->len_bytes, item->seq);
	return ipk_pipe_send(peer, message, s->op->len_bytes, ipk_now());
}

static void unmake_give(struct fixture *s)
{
	unmake(s);
	s->object = ipk_pipe_close(s->object);
	s->opened = ipk_pipe_close(s->opened);
}

static int act_give(struct fixture *s)
{
	ipk_pipe *end = s->object;
	int r = ipk_pipe_send_pipe(s->near, &end, s->deadline);

	s->object = end;
	return r;
}

/* It has come whole, with what it holds; or it went with the victim, who then had no word of it. */
static void check_give(struct fixture *s)
{
	struct history *l = s->history;
	bool was_acknowledged = atomic_load(&l->is_done) && l->result == 0;
	ipk_pipe *peer = s->opened, *end = NULL;
	size_t len_bytes;
	int r;

	s->near = ipk_pipe_close(s->near);
	s->object = ipk_pipe_close(s->object);
	r = ipk_pipe_recv_pipe(s->far, ipk_in_ms(CALL_MS), &end);
	if (r == -EPIPE && !was_acknowledged)
		l->items[0].fate = GONE;
	else if (expect(s, "recv_pipe", r, 0) && receive_all(s, end, -ETIMEDOUT) &&
		 pass_one(s, peer, end, "message to the end"))
		(void)pass_one(s, end, peer, "message from the end");
	history_close(l);
	ipk_pipe_close(end);
	expect(s, "recv at the other side",
	       ipk_pipe_recv(peer, message, sizeof message, ipk_in_ms(CALL_MS), &len_bytes),
	       -EPIPE);
	expect(s, "recv_pipe at the end", ipk_pipe_recv_pipe(s->far, ipk_in_ms(CALL_MS), &end),
	       -EPIPE);
}

static void add_give_rows(struct op_list *list)
{
	struct op op = {.name = "pipe_send_pipe",
			.state = ONE,
			.len_bytes = 64,
			.make = make_give,
			.act = act_give,
			.check = check_give,
			.let_go = unmake_give,
			.unmake = unmake_give};

	for (op.variant = RING; op.variant <= SOCKET; op.variant++) {
		op.kind = op.variant == SOCKET ? "socket" : "ring";
		op_add(list, &op);
	}
}

/* --- the rows --------------------------------------------------------------------------------- */

static void add_rows(struct op_list *list, struct op op, bool victim_sends)
{
	static const size_t sizes[] = {0, 64, 64 << 10, BIG_BYTES};
	static const char *const kinds[] = {"ring", "socket", "ring-heir", "socket-heir"};

	op.let_go = op.unmake = unmake;
	for (op.variant = RING; op.variant <= (HEIR | SOCKET); op.variant++) {
		for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
			for (int state = EMPTY; state <= FULL; state++) {
				op.kind = kinds[op.variant];
				op.len_bytes = sizes[i];
				op.state = (enum state)state;
				op.is_minor = (op.variant & HEIR) && i % 2 == 0;
				op.may_wait = state == (victim_sends ? FULL : EMPTY);
				op.meet = victim_sends && !(op.variant & HEIR) ? meet_sender
					  : !victim_sends && op.variant & HEIR ? meet_receiver
									       : NULL;
				op_add(list, &op);
			}
		}
	}
}

void ops_pipe(struct op_list *list)
{
	add_rows(list,
		 (struct op){.name = "pipe_send",
			     .make = make_send,
			     .act = act_send,
			     .check = check_send},
		 true);
	add_rows(list,
		 (struct op){.name = "pipe_recv",
			     .make = make_recv,
			     .act = act_recv,
			     .after = after_recv,
			     .check = check_recv},
		 false);
	add_give_rows(list);
}
