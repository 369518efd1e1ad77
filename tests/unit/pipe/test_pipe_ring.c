/*
 * test_pipe_ring.c - lib/pipe/pipe_ring.c from the inside: messages in pieces that are abandoned
 * half-way, counters that wrap around, and rings damaged by another process.
 */
#include <pthread.h>

#include "os/os.h"
#include "pipe/pipe_internal.h"
#include "unit/pipe/pipe_bodies.h"

enum { WHOLE = 1, FIRST = 2, MORE = 3, LAST = 4, RING_BYTES = 4096, RING_UNITS = RING_BYTES / 8 };

static struct ipk__shm_pipe *shm_of(ipk_pipe *p)
{
	return (struct ipk__shm_pipe *)p->segment.header;
}

/* Write one record as a sender would, or as a broken one would. */
static void put_record(ipk_pipe *p, uint32_t type, const void *data, uint32_t n_bytes)
{
	uint64_t tail = ipk__ring_tail(&p->tx.ring);

	tail = ipk__ring_write(&p->tx.ring, tail, type, data, n_bytes,
			       type == WHOLE || type == LAST);
	ipk__ring_publish(&p->tx.ring, tail);
}

static void put_first(ipk_pipe *p, uint64_t total)
{
	put_record(p, FIRST, &total, sizeof total);
}

/* --- wrapping around -------------------------------------------------------------------------- */

static void move_channel(struct ipk__shm_channel *channel, uint64_t word)
{
	atomic_store(&channel->ring.tail, word);
	atomic_store(&channel->ring.tail_own, word);
	atomic_store(&channel->ring.head, word);
	channel->ring.head_seen = word;
	channel->ring.tail_seen = word;
}

/* Starting points of both counters, from which a few messages cross the end. */
static const uint64_t starts[] = {
	0x00000000fffffff8u, 0x00000000ffffffffu, 0xffffffff00000000u,
	0xfffffffffffffffeu, 0xffffffffffffffffu, 0x7fffffff7fffffffu,
};
enum { N_STARTS = sizeof starts / sizeof starts[0] };

START_TEST(counters_wrap_around)
{
	char data[1000], got[1000];
	ipk_pipe *a, *b;
	size_t len;

	make_pipe(0, RING_BYTES, 0, &a, &b);
	move_channel(&shm_of(a)->channels[0], starts[_i]);
	move_channel(&shm_of(a)->channels[1], starts[_i]);
	for (unsigned n = 0; n < 3000; n++) {
		size_t size = n * 37 % sizeof data;
		ipk_pipe *from = n % 2 ? a : b, *to = n % 2 ? b : a;

		fill(data, size, n);
		ck_ok(ipk_pipe_send(from, data, size, ipk_now()));
		ck_assert_uint_eq(ipk__ring_len(&to->rx.ring), 1);
		ck_ok(ipk_pipe_send(from, data, size, ipk_now()));
		ck_assert_uint_eq(ipk__ring_len(&to->rx.ring), 2);
		for (int twice = 0; twice < 2; twice++) {
			ck_ok(ipk_pipe_recv(to, got, sizeof got, ipk_now(), &len));
			ck_assert_uint_eq(len, size);
			ck_assert(is_filled(got, size, n));
		}
		ck_assert_uint_eq(ipk__ring_len(&to->rx.ring), 0);
	}
	ck_empty(a);
	ck_empty(b);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(full_ring_across_the_wrap)
{
	ipk_pipe *a, *b;
	unsigned n = 0;

	make_pipe(0, RING_BYTES, 0, &a, &b);
	move_channel(&shm_of(a)->channels[0], starts[_i]);
	while (ipk_pipe_send(a, &n, sizeof n, ipk_now()) == 0)
		n++;
	ck_assert_uint_eq(n, RING_UNITS / 2);
	ck_assert_uint_eq(ipk__ring_len(&b->rx.ring), n);
	for (unsigned i = 0, got; i < n; i++) {
		ck_ok(ipk_pipe_recv(b, &got, sizeof got, ipk_now(), NULL));
		ck_assert_uint_eq(got, i);
	}
	ck_empty(b);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

/* --- messages in pieces ----------------------------------------------------------------------- */

START_TEST(given_up_message_never_arrives)
{
	static char big[64 << 10];
	ipk_pipe *a, *b;

	make_pipe(0, RING_BYTES, 0, &a, &b);
	for (int round = 0; round < 5; round++) {
		ck_err(ipk_pipe_send(a, big, sizeof big, ipk_now()), -ETIMEDOUT);
		ck_assert_uint_eq(ipk__ring_len(&b->rx.ring), 0);
		ck_err(ipk_pipe_poll(b, ipk_now()), -ETIMEDOUT);
		ck_empty(b);
		ck_err(ipk_pipe_poll(b, ipk_now()), -ETIMEDOUT);
		ck_send_text(a, "whole");
		ck_ok(ipk_pipe_poll(b, ipk_now()));
		ck_recv_text(b, "whole");
		ck_empty(b);
	}
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

/* The pieces lie before the whole message: no call may show them or stumble over them. */
START_TEST(pieces_before_a_whole_message_are_passed_over)
{
	const void *data;
	ipk_pipe *a, *b;
	void *copy;
	size_t n = 0;
	char buf[4];

	make_pipe(0, RING_BYTES, 0, &a, &b);
	put_first(a, 3000);
	put_record(a, MORE, "12345678", 8);
	put_record(a, MORE, "12345678", 8);
	ck_send_text(a, "yes");
	switch (_i) {
	case 0:
		ck_ok(ipk_pipe_recv(b, buf, sizeof buf, ipk_now(), &n));
		ck_assert(n == 3 && memcmp(buf, "yes", 3) == 0);
		break;
	case 1:
		ck_ok(ipk_pipe_peek(b, ipk_now(), &data, &n));
		ck_assert(n == 3 && memcmp(data, "yes", 3) == 0);
		ck_ok(ipk_pipe_release(b));
		break;
	case 2:
		ck_ok(ipk_pipe_recv_alloc(b, ipk_now(), &copy, &n));
		ck_assert(n == 3 && memcmp(copy, "yes", 3) == 0);
		free(copy);
		break;
	case 3:
		ck_ok(ipk_pipe_poll(b, ipk_now()));
		ck_recv_text(b, "yes");
		break;
	default:
		ck_err(ipk_pipe_recv(b, buf, 2, ipk_now(), NULL), -EMSGSIZE);
		ck_recv_text(b, "yes");
		break;
	}
	ck_empty(b);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(pieces_of_a_sender_that_is_gone_are_the_end)
{
	ipk_pipe *a, *b;
	char buf[4];

	make_pipe(0, RING_BYTES, 0, &a, &b);
	ck_send_text(a, "one");
	put_first(a, 3000);
	put_record(a, MORE, "12345678", 8);
	ipk_pipe_close(a);
	ck_recv_text(b, "one");
	for (int i = 0; i < 2; i++) {
		ck_err(ipk_pipe_recv(b, buf, sizeof buf, ipk_in_ms(WAIT_MS), NULL), -EPIPE);
		ck_err(ipk_pipe_poll(b, ipk_now()), -EPIPE);
	}
	ipk_pipe_close(b);
}
END_TEST

/* A receiver that was killed took the first pieces with it: the next one goes on behind. */
START_TEST(pieces_without_their_beginning_are_passed_over)
{
	ipk_pipe *a, *b;

	make_pipe(0, RING_BYTES, 0, &a, &b);
	put_record(a, MORE, "12345678", 8);
	put_record(a, LAST, "1234", 4);
	ck_send_text(a, "whole");
	ck_recv_text(b, "whole");
	ck_assert_uint_eq(ipk__ring_len(&b->rx.ring), 0);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

struct sender {
	ipk_pipe *p;
	const char *data;
	size_t n_bytes;
	int r;
};

static void *run_send(void *arg)
{
	struct sender *s = arg;

	s->r = ipk_pipe_send(s->p, s->data, s->n_bytes, ipk_in_ms(WAIT_MS));
	return NULL;
}

/* Receiving with a deadline that has passed, again and again: what has come is kept. */
START_TEST(time_out_in_the_middle_keeps_what_has_come)
{
	static char big[256 << 10], got[256 << 10];
	struct sender s = {.data = big, .n_bytes = sizeof big};
	ipk_deadline limit = ipk_in_ms(WAIT_MS);
	int n_time_outs = 0, r;
	pthread_t thread;
	ipk_pipe *b;
	size_t len;

	make_pipe(0, RING_BYTES, 0, &s.p, &b);
	fill(big, sizeof big, 1);
	ck_assert_int_eq(pthread_create(&thread, NULL, run_send, &s), 0);
	do {
		/* Once in a while into a buffer that is too small: it does not know yet. */
		size_t room = n_time_outs % 3 == 2 ? 10 : sizeof got;

		r = ipk_pipe_recv(b, got, room, ipk_now(), &len);
		if (r == -EMSGSIZE)
			r = ipk_pipe_recv(b, got, sizeof got, ipk_now(), &len);
		n_time_outs += r == -ETIMEDOUT;
	} while (r == -ETIMEDOUT && ipk_deadline_left_ns(limit) > 0);
	ck_ok(r);
	ck_assert_uint_eq(len, sizeof big);
	ck_assert(is_filled(got, len, 1));
	pthread_join(thread, NULL);
	ck_ok(s.r);
	ck_empty(b);
	ipk_pipe_close(s.p);
	ipk_pipe_close(b);
}
END_TEST

/* A message longer than the ring is there for poll only when poll itself collects it. */
START_TEST(poll_collects_a_message_longer_than_the_ring)
{
	static char big[256 << 10];
	struct sender s = {.data = big, .n_bytes = sizeof big};
	pthread_t thread;
	ipk_pipe *b;

	make_pipe(0, RING_BYTES, 0, &s.p, &b);
	fill(big, sizeof big, 2);
	ck_assert_int_eq(pthread_create(&thread, NULL, run_send, &s), 0);
	ck_ok(ipk_pipe_poll(b, ipk_in_ms(WAIT_MS)));
	pthread_join(thread, NULL);
	ck_ok(s.r);
	ck_ok(ipk_pipe_poll(b, ipk_now()));
	ck_recv_filled(b, sizeof big, 2);
	ipk_pipe_close(s.p);
	ipk_pipe_close(b);
}
END_TEST

/* --- damage ----------------------------------------------------------------------------------- */

static void damage(ipk_pipe *a, int how)
{
	struct ipk__shm_ring *ring = &shm_of(a)->channels[0].ring;
	struct ipk__record *front = ipk__ring_at(&a->tx.ring, ipk__ring_pos(ring->head));

	switch (how) {
	case 0:
		ring->tail += RING_UNITS + 1;
		break;
	case 1:
		ring->head += 1000;
		break;
	case 2:
		front->len_bytes = 0xffffffff;
		break;
	case 3:
		front->len_bytes = RING_BYTES * 8;
		break;
	case 4:
		front->len_bytes = 100;
		break;
	case 5:
		front->type = 0;
		break;
	case 6:
		front->type = 5;
		break;
	case 7:
		front->type = FIRST; /* of the wrong length */
		break;
	case 8:
		ring->tail = 0x12345678;
		ring->tail_seen = 0xdeadbeef;
		break;
	}
}
enum { N_DAMAGES = 9 };

START_TEST(damaged_ring_is_an_error)
{
	const void *data;
	ipk_pipe *a, *b;
	void *copy;
	char buf[64];
	size_t n;

	make_pipe(0, RING_BYTES, 0, &a, &b);
	ck_send_text(a, "message");
	damage(a, _i);
	ck_err(ipk_pipe_recv(b, buf, sizeof buf, ipk_now(), &n), -EPROTO);
	ck_err(ipk_pipe_peek(b, ipk_now(), &data, &n), -EPROTO);
	ck_err(ipk_pipe_recv_alloc(b, ipk_now(), &copy, &n), -EPROTO);
	ck_err(ipk_pipe_release(b), -EINVAL);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

static const struct {
	uint64_t total;
	uint32_t type;
	uint32_t n_bytes;
} bad_pieces[] = {
	{0, MORE, 8},                         /* an empty message is never in pieces */
	{IPK_MESSAGE_MAX_BYTES + 1, MORE, 8}, /* longer than allowed */
	{UINT64_MAX, MORE, 8},
	{100, MORE, 0},   /* an empty piece */
	{100, LAST, 8},   /* the end comes too soon */
	{100, MORE, 100}, /* the end is no end */
	{100, MORE, 101}, /* more than was said */
	{100, LAST, 200},
	{100, 77, 8},
};
enum { N_BAD_PIECES = sizeof bad_pieces / sizeof bad_pieces[0] };

START_TEST(bad_pieces_are_an_error)
{
	static char bytes[256];
	ipk_pipe *a, *b;
	char buf[256];
	size_t n = 5;

	make_pipe(0, RING_BYTES, 0, &a, &b);
	put_first(a, bad_pieces[_i].total);
	put_record(a, bad_pieces[_i].type, bytes, bad_pieces[_i].n_bytes);
	ck_err(ipk_pipe_recv(b, buf, sizeof buf, ipk_now(), &n), -EPROTO);
	ck_assert_uint_eq(n, 5);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(damaged_head_stops_the_sender)
{
	static char data[1000];
	ipk_pipe *a, *b;
	int r;

	make_pipe(0, RING_BYTES, 0, &a, &b);
	do
		r = ipk_pipe_send(a, data, sizeof data, ipk_now());
	while (r == 0);
	ck_err(r, -ETIMEDOUT);
	shm_of(a)->channels[0].ring.head = 0x77777777;
	ck_err(ipk_pipe_send(a, data, sizeof data, ipk_in_ms(50)), -EPROTO);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

struct meddler {
	struct ipk__shm_ring *ring;
	atomic_bool stop;
};

static void *meddle(void *arg)
{
	struct meddler *m = arg;
	uint64_t tail = atomic_load(&m->ring->tail);

	while (!atomic_load(&m->stop)) {
		atomic_store(&m->ring->tail, tail - 100);
		atomic_store(&m->ring->tail, tail);
	}
	return NULL;
}

/* The deadline holds whatever others write into the ring. */
START_TEST(sender_keeps_its_deadline_under_interference)
{
	static char data[64];
	struct meddler m = {0};
	pthread_t thread;
	ipk_pipe *a, *b;
	int r;

	make_pipe(0, RING_BYTES, 0, &a, &b);
	while (ipk_pipe_send(a, data, sizeof data, ipk_now()) == 0)
		;
	m.ring = &shm_of(a)->channels[0].ring;
	ck_assert_int_eq(pthread_create(&thread, NULL, meddle, &m), 0);
	for (int i = 0; i < 20; i++) {
		r = ipk_pipe_send(a, data, 1000, ipk_in_ms(2));
		ck_assert(r == -ETIMEDOUT || r == -EPROTO || r == 0);
	}
	atomic_store(&m.stop, true);
	pthread_join(thread, NULL);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

/* --- segments that are no pipe ---------------------------------------------------------------- */

static const struct {
	uint32_t kind;
	uint32_t flags;
	uint32_t n_rings;
	int error;
} foreign[] = {
	{IPK__KIND_PIPE, 0, 0, -EBADMSG},
	{IPK__KIND_PIPE, 0, 1, -EBADMSG},
	{IPK__KIND_PIPE, IPK_PIPE_ONE_WAY, 2, -EBADMSG},
	{IPK__KIND_QUEUE, 0, 2, -EPROTOTYPE},
	{IPK__KIND_PIPE, 0, 2, 0},
};
enum { N_FOREIGN = sizeof foreign / sizeof foreign[0] };

START_TEST(only_the_segment_of_a_pipe_is_taken)
{
	struct ipk__segment_plan plan = {
		.kind = foreign[_i].kind,
		.flags = foreign[_i].flags,
		.label = "foreign",
		.fixed_bytes = sizeof(struct ipk__shm_pipe),
		.ring_bytes = RING_BYTES,
		.n_rings = foreign[_i].n_rings,
	};
	struct ipk__pipe_parts parts = IPK__PIPE_NO_PARTS;
	struct ipk__segment s;
	ipk_pipe *p = NULL;
	int side_fds[2];

	ck_ok(ipk__segment_create(&plan, &s));
	ck_ok(ipk__segment_publish(&s, NULL));
	ck_ok(ipk__os_dup(s.fd, &parts.segment_fd));
	ipk__segment_detach(&s);
	ck_ok(ipk__os_doorbell_open(&parts.doorbell_fds[0]));
	ck_ok(ipk__os_doorbell_open(&parts.doorbell_fds[1]));
	ck_ok(ipk__os_socketpair(side_fds));
	parts.max_message_bytes = 100;
	ck_err(ipk__pipe_end(&parts, 1, side_fds[1], &p), foreign[_i].error);
	ck_assert_int_eq(p != NULL, foreign[_i].error == 0);
	ipk_pipe_close(p);
	ipk__os_close(side_fds[0]);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("pipe_ring");

	add_loop_test(s, counters_wrap_around, 0, N_STARTS);
	add_loop_test(s, full_ring_across_the_wrap, 0, N_STARTS);
	add_test(s, given_up_message_never_arrives);
	add_loop_test(s, pieces_before_a_whole_message_are_passed_over, 0, 5);
	add_test(s, pieces_of_a_sender_that_is_gone_are_the_end);
	add_test(s, pieces_without_their_beginning_are_passed_over);
	add_test(s, time_out_in_the_middle_keeps_what_has_come);
	add_test(s, poll_collects_a_message_longer_than_the_ring);
	add_loop_test(s, damaged_ring_is_an_error, 0, N_DAMAGES);
	add_loop_test(s, bad_pieces_are_an_error, 0, N_BAD_PIECES);
	add_test(s, damaged_head_stops_the_sender);
	add_test(s, sender_keeps_its_deadline_under_interference);
	add_loop_test(s, only_the_segment_of_a_pipe_is_taken, 0, N_FOREIGN);
	return s;
}

IPK_TEST_MAIN(suite)
