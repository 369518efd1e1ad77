/*
 * queue_bodies.h - shared by the queue tests: the same bodies run over all kinds, anonymous and
 * named.
 *
 * A loop test from 0 to N_MAKES runs over FIFO, LIFO and priority, anonymous, then named; one to
 * N_MAKES_AND_MQ over a POSIX message queue too. make_queue() creates one queue at a time,
 * drop_queue() removes it and its name.
 */
#ifndef IPK_TESTS_QUEUE_BODIES_H
#define IPK_TESTS_QUEUE_BODIES_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "ipk/queue.h"
#include "support/support.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0 /* when it is, each step takes ten times as long */
#endif

enum { N_KINDS = 3, N_MAKES = 2 * N_KINDS, N_MAKES_AND_MQ = N_MAKES + 1 };
enum { MQ_MAX_ITEMS = 8, MQ_MESSAGE_BYTES = 256 };

static char queue_name[UNIQUE_NAME_BYTES + 8]; /* of the queue last made; "": anonymous */

static inline ipk_queue_kind kind_of(int i)
{
	return i == N_MAKES ? IPK_QUEUE_MQ : (ipk_queue_kind)(i % N_KINDS);
}

static inline bool is_named(int i)
{
	return i / N_KINDS == 1;
}

static inline ipk_queue *make_queue(int i, const ipk_queue_opts *opts)
{
	ipk_queue_opts o = *opts;
	char unique[UNIQUE_NAME_BYTES];
	ipk_queue *q = NULL;

	queue_name[0] = '\0';
	unique_name(unique, "queue");
	o.kind = kind_of(i);
	if (o.kind == IPK_QUEUE_MQ) {
		snprintf(queue_name, sizeof queue_name, "mq:/ipk-%s", unique);
		o.max_items = MQ_MAX_ITEMS;
		o.ring_bytes = MQ_MESSAGE_BYTES;
	} else if (is_named(i)) {
		snprintf(queue_name, sizeof queue_name, "%s", unique);
	}
	o.name = queue_name[0] ? queue_name : NULL;
	ck_ok(ipk_queue_create(&o, &q));
	return q;
}

static inline void drop_queue(ipk_queue *q)
{
	ck_assert_ptr_null(ipk_queue_close(q));
	if (queue_name[0])
		ck_ok(ipk_queue_unlink(queue_name));
	queue_name[0] = '\0';
}

/* Which of @n items that were put one after the other comes out as number @at. */
static inline int nth_out(ipk_queue_kind kind, int at, int n)
{
	return kind == IPK_QUEUE_LIFO ? n - 1 - at : at;
}

/* Bytes that tell their place and their message. */
static inline void fill(void *buf, size_t n_bytes, uint32_t seed)
{
	unsigned char *bytes = buf;
	uint32_t x = seed * 2654435761u + 1;

	for (size_t i = 0; i < n_bytes; i++, x += 2654435769u)
		bytes[i] = (unsigned char)(x >> 24);
}

static inline bool is_filled(const void *buf, size_t n_bytes, uint32_t seed)
{
	const unsigned char *bytes = buf;
	uint32_t x = seed * 2654435761u + 1;
	unsigned char wrong = 0;

	for (size_t i = 0; i < n_bytes; i++, x += 2654435769u)
		wrong |= (unsigned char)(bytes[i] ^ (unsigned char)(x >> 24));
	return wrong == 0;
}

static inline int put_filled(ipk_queue *q, size_t n_bytes, uint32_t seed, ipk_deadline deadline)
{
	void *data = malloc(n_bytes + 1);
	int r;

	ck_assert_ptr_nonnull(data);
	fill(data, n_bytes, seed);
	r = ipk_queue_put(q, data, n_bytes, deadline);
	free(data);
	return r;
}

static inline void ck_get_filled(ipk_queue *q, size_t n_bytes, uint32_t seed)
{
	void *data = NULL;
	size_t len_bytes = 0;

	ck_ok(ipk_queue_get_alloc(q, ipk_in_ms(WAIT_MS), &data, &len_bytes));
	ck_assert_uint_eq(len_bytes, n_bytes);
	ck_assert(is_filled(data, n_bytes, seed));
	free(data);
}

static inline int put_number(ipk_queue *q, uint32_t number)
{
	return ipk_queue_put(q, &number, sizeof number, ipk_now());
}

static inline void ck_put_number(ipk_queue *q, uint32_t number)
{
	ck_ok(ipk_queue_put(q, &number, sizeof number, ipk_in_ms(WAIT_MS)));
}

static inline int get_number(ipk_queue *q, ipk_deadline deadline, uint32_t *ret_number)
{
	char buf[MQ_MESSAGE_BYTES];
	size_t n;
	int r = ipk_queue_get(q, buf, sizeof buf, deadline, &n);

	if (r == 0) {
		ck_assert_uint_eq(n, sizeof *ret_number);
		memcpy(ret_number, buf, sizeof *ret_number);
	}
	return r;
}

static inline void ck_get_number(ipk_queue *q, uint32_t number)
{
	uint32_t got = ~number;

	ck_ok(get_number(q, ipk_in_ms(WAIT_MS), &got));
	ck_assert_uint_eq(got, number);
}

static inline void ck_empty(ipk_queue *q)
{
	uint32_t number;

	ck_assert_uint_eq(ipk_queue_len(q), 0);
	ck_assert(ipk_queue_is_empty(q));
	ck_err(get_number(q, ipk_now(), &number), -ETIMEDOUT);
}

#endif
