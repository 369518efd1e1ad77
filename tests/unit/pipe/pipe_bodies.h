/*
 * pipe_bodies.h - shared by the pipe tests: the same bodies run over both transports.
 *
 * A loop test over N things runs 2 * N times: even _i is the ring, odd _i the socket.
 */
#ifndef IPK_TESTS_PIPE_BODIES_H
#define IPK_TESTS_PIPE_BODIES_H

#include <stdint.h>
#include <string.h>

#include "ipk/pipe.h"
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
#define IS_SANITIZED 0
#endif

enum { N_TRANSPORTS = 2 };

static inline unsigned transport_of(int i)
{
	return i % N_TRANSPORTS == 0 ? 0 : IPK_PIPE_SOCKET;
}

static inline void make_pipe(int i, size_t ring_bytes, unsigned flags, ipk_pipe **ret_a,
			     ipk_pipe **ret_b)
{
	ck_ok(ipk_pipe_create(IPK_PIPE(.ring_bytes = ring_bytes, .flags = flags | transport_of(i)),
			      ret_a, ret_b));
}

/* Bytes that tell their place and their message. */
static inline unsigned char byte_at(size_t at, unsigned seed)
{
	return (unsigned char)(at * 131 + (at >> 8) + (at >> 16) + seed);
}

static inline void fill(void *buf, size_t n_bytes, unsigned seed)
{
	unsigned char *bytes = buf;

	for (size_t i = 0; i < n_bytes; i++)
		bytes[i] = byte_at(i, seed);
}

static inline bool is_filled(const void *buf, size_t n_bytes, unsigned seed)
{
	const unsigned char *bytes = buf;
	unsigned char wrong = 0;

	for (size_t i = 0; i < n_bytes; i++)
		wrong |= bytes[i] ^ byte_at(i, seed);
	return wrong == 0;
}

/* Receive one message and see that it is the @n_bytes that fill() makes with @seed. */
static inline void ck_recv_filled(ipk_pipe *p, size_t n_bytes, unsigned seed)
{
	size_t len_bytes = 0;
	void *data = NULL;

	ck_ok(ipk_pipe_recv_alloc(p, ipk_in_ms(WAIT_MS), &data, &len_bytes));
	ck_assert_uint_eq(len_bytes, n_bytes);
	ck_assert(is_filled(data, n_bytes, seed));
	free(data);
}

static inline void ck_recv_text(ipk_pipe *p, const char *text)
{
	char buf[256];
	size_t n = 0;

	ck_ok(ipk_pipe_recv(p, buf, sizeof buf, ipk_in_ms(WAIT_MS), &n));
	ck_assert_uint_eq(n, strlen(text));
	ck_assert(memcmp(buf, text, n) == 0);
}

static inline void ck_send_text(ipk_pipe *p, const char *text)
{
	ck_ok(ipk_pipe_send(p, text, strlen(text), ipk_in_ms(WAIT_MS)));
}

static inline void ck_empty(ipk_pipe *p)
{
	char buf[1];

	ck_err(ipk_pipe_recv(p, buf, sizeof buf, ipk_now(), NULL), -ETIMEDOUT);
}

static inline void ck_ended(ipk_pipe *p)
{
	char buf[1];

	ck_err(ipk_pipe_recv(p, buf, sizeof buf, ipk_in_ms(WAIT_MS), NULL), -EPIPE);
}

#endif
