/*
 * manager_in_words.h - a manager whose backend is the test: it notes the words of each call, and
 * answers what the test wrote down beforehand. Nothing is connected.
 *
 *   answers("*2\r\n$1\r\n0\r\n*0\r\n");        the next ones, in order
 *   ck_err(ipk_keys_next(...), -ENOENT);
 *   asked("SCAN 0 COUNT 100");               since the last asked()
 */
#ifndef IPK_TESTS_MANAGER_IN_WORDS_H
#define IPK_TESTS_MANAGER_IN_WORDS_H

#include <stdio.h>
#include <string.h>

#include "manager/manager_internal.h"
#include "os/os.h"
#include "support/support.h"

enum { ANSWERS_MAX = 32 };

static struct {
	char words[4096]; /* of all calls: "HSET d f v; HGET d f" */
	const char *answers[ANSWERS_MAX];
	size_t n_answers, n_given;
	int fails; /* instead of an answer; 0: not */
} wire;

static inline void answers(const char *answer)
{
	ck_assert_uint_lt(wire.n_answers, ANSWERS_MAX);
	wire.answers[wire.n_answers++] = answer;
}

static inline void note(const char *text, size_t n_bytes)
{
	size_t n = strlen(wire.words);

	ck_assert_uint_lt(n + n_bytes, sizeof wire.words);
	memcpy(wire.words + n, text, n_bytes);
	wire.words[n + n_bytes] = 0;
}

static inline void note_call(const struct ipk__call *call)
{
	if (wire.words[0])
		note("; ", 2);
	for (size_t i = 0; i < call->argc; i++) {
		if (i > 0)
			note(" ", 1);
		note(call->argv[i].bytes, call->argv[i].n_bytes);
	}
}

#define asked(expected)                                 \
	do {                                            \
		ck_assert_str_eq(wire.words, expected); \
		wire.words[0] = 0;                      \
	} while (0)

static inline int wire_call(struct ipk__backend *b, const struct ipk__call *call,
			    ipk_deadline deadline)
{
	(void)b;
	(void)deadline;
	note_call(call);
	if (wire.fails < 0)
		return wire.fails;
	ck_assert_msg(wire.n_given < wire.n_answers, "no answer to %s", wire.words);
	return ipk__response_put(call->reply, ipk__slice_of_string(wire.answers[wire.n_given++]));
}

static inline int wire_call_many(struct ipk__backend *b, const struct ipk__call *calls, size_t n,
				 ipk_deadline deadline)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = wire_call(b, &calls[i], deadline);
	return r;
}

static inline int wire_watch_keys(struct ipk__backend *b, const struct ipk__slice *keys, size_t n,
				  ipk_deadline deadline)
{
	(void)b;
	(void)deadline;
	note("; WATCH" + (wire.words[0] ? 0 : 2), wire.words[0] ? 7 : 5);
	for (size_t i = 0; i < n; i++) {
		note(" ", 1);
		note(keys[i].bytes, keys[i].n_bytes);
	}
	return wire.fails;
}

static inline int wire_exec(struct ipk__backend *b, const struct ipk__call *calls, size_t n,
			    ipk_deadline deadline)
{
	int r;

	note("; MULTI", 7);
	/* An empty answer: what was watched has changed. */
	if (wire.n_given < wire.n_answers && !wire.answers[wire.n_given][0]) {
		wire.n_given++;
		return -ECANCELED;
	}
	r = wire_call_many(b, calls, n, deadline);
	note("; EXEC", 6);
	return r;
}

static inline void wire_unwatch(struct ipk__backend *b)
{
	(void)b;
	note("; UNWATCH", 9);
}

static inline void wire_close(struct ipk__backend *b)
{
	(void)b;
}

static const struct ipk__backend_ops wire_ops = {
	.call = wire_call,
	.call_many = wire_call_many,
	.watch_keys = wire_watch_keys,
	.exec = wire_exec,
	.unwatch = wire_unwatch,
	.close = wire_close,
};

static inline ipk_manager *manager_in_words(void)
{
	static struct ipk__backend backend = {&wire_ops};
	ipk_manager *m = ipk__os_calloc(1, sizeof *m);

	ck_assert_ptr_nonnull(m);
	m->backend = &backend;
	m->transaction_pid = ipk__os_pid();
	return m;
}

#endif
