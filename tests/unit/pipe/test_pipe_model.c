/*
 * test_pipe_model.c - random calls on a pipe beside the simplest model of one: a list of the
 * messages that were sent and not yet received. Every result has to be the model's.
 */
#include "unit/pipe/pipe_bodies.h"

enum { RING_BYTES = 8192, N_STEPS = 10000, MODEL_MAX = 65536, BUF_BYTES = 4 * RING_BYTES };

struct model {
	size_t sizes[MODEL_MAX];
	unsigned first, behind;
};

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* Mostly short, now and then around a limit or longer than the ring. */
static size_t pick_size(uint32_t *state)
{
	uint32_t kind = next_random(state) % 20;

	if (kind == 0)
		return next_random(state) % BUF_BYTES;
	if (kind == 1)
		return RING_BYTES / 4 - 10 + next_random(state) % 5;
	if (kind < 5)
		return next_random(state) % 2000;
	return next_random(state) % 70;
}

static void step_send(ipk_pipe *p, struct model *m, uint32_t *state)
{
	static char data[BUF_BYTES];
	size_t n = pick_size(state);
	int r;

	fill(data, n, m->behind);
	r = ipk_pipe_send(p, data, n, ipk_now());
	if (r == 0)
		m->sizes[m->behind++ % MODEL_MAX] = n;
	else
		ck_err(r, -ETIMEDOUT);
}

/* What a call that looks for a message has to return. */
static int expected(const struct model *m)
{
	return m->first == m->behind ? -ETIMEDOUT : 0;
}

static void step_recv(ipk_pipe *p, struct model *m, size_t buf_bytes)
{
	static char buf[BUF_BYTES];
	size_t want = m->sizes[m->first % MODEL_MAX], n = 0;
	int r = expected(m);

	if (r == 0 && want > buf_bytes)
		r = -EMSGSIZE;
	ck_err(ipk_pipe_recv(p, buf, buf_bytes, ipk_now(), &n), r);
	if (r < 0)
		return;
	ck_assert_uint_eq(n, want);
	ck_assert(is_filled(buf, n, m->first));
	m->first++;
}

static void step_recv_alloc(ipk_pipe *p, struct model *m)
{
	size_t n;
	void *data;
	int r = expected(m);

	ck_err(ipk_pipe_recv_alloc(p, ipk_now(), &data, &n), r);
	if (r < 0)
		return;
	ck_assert_uint_eq(n, m->sizes[m->first % MODEL_MAX]);
	ck_assert(is_filled(data, n, m->first));
	free(data);
	m->first++;
}

static void step_peek(ipk_pipe *p, struct model *m, bool release)
{
	const void *data;
	size_t n;
	int r = expected(m);

	ck_err(ipk_pipe_peek(p, ipk_now(), &data, &n), r);
	if (r < 0)
		return;
	ck_assert_uint_eq(n, m->sizes[m->first % MODEL_MAX]);
	ck_assert(is_filled(data, n, m->first));
	if (!release)
		return;
	ck_ok(ipk_pipe_release(p));
	m->first++;
}

static void step(ipk_pipe *from, ipk_pipe *to, struct model *m, uint32_t *state)
{
	switch (next_random(state) % 16) {
	case 0:
		return step_recv(to, m, next_random(state) % 100);
	case 1:
		return step_recv_alloc(to, m);
	case 2:
		return step_peek(to, m, true);
	case 3:
		return step_peek(to, m, false);
	case 4:
		ck_err(ipk_pipe_poll(to, ipk_now()), expected(m));
		return;
	case 5:
	case 6:
	case 7:
	case 8:
		return step_recv(to, m, BUF_BYTES);
	default:
		return step_send(from, m, state);
	}
}

START_TEST(every_call_agrees_with_the_model)
{
	static struct model forth, back;
	uint32_t state = (uint32_t)_i * 7919 + 1;
	ipk_pipe *a, *b;

	make_pipe(_i, RING_BYTES, 0, &a, &b);
	for (int i = 0; i < N_STEPS; i++) {
		step(a, b, &forth, &state);
		step(b, a, &back, &state);
	}
	while (forth.first != forth.behind)
		step_recv(b, &forth, BUF_BYTES);
	ck_empty(b);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("pipe_model");

	add_loop_test(s, every_call_agrees_with_the_model, 0, 5 * N_TRANSPORTS);
	return s;
}

IPK_TEST_MAIN(suite)
