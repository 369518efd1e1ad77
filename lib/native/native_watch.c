/*
 * native_watch.c - change notification: a separate connection for each watch, so the program's fd
 * is readable for changes and for nothing else.
 *
 * Invariant: a change after a call that returned -ETIMEDOUT is reported by a later one; a lost
 * connection counts as a change, since there may have been one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "native/native.h"
#include "os/os.h"

#define AGAIN_NS 20000000
#define CONNECT_NS 1000000000

struct native_watch {
	const struct ipk__backend_ops *ops;
	struct ipk__wire_config config;
	struct ipk__wire wire;
	struct ipk__slice key, field; /* in memory behind this; field.bytes NULL: all */
	int64_t reconnect_ms;
};

static int subscribe(struct native_watch *w, ipk_deadline deadline)
{
	struct ipk__slice argv[] = {IPK__ARG("IPK.WATCH"), w->key, w->field};
	struct ipk__response reply;
	int r;

	ipk__response_init(&reply);
	r = ipk__wire_open(&w->config, deadline, &w->wire);
	if (r == 0)
		r = ipk__wire_ask(&w->wire, argv, w->field.bytes ? 3 : 2, deadline, &reply);
	ipk__response_fini(&reply);
	if (r < 0)
		ipk__wire_close(&w->wire);
	return r;
}

int ipk__native_watch_open(struct ipk__backend *b, struct ipk__slice key, struct ipk__slice field,
			   ipk_deadline deadline, struct ipk__backend_watch **ret_watch)
{
	struct ipk__native *n = (struct ipk__native *)b;
	struct native_watch *w = ipk__os_calloc(1, sizeof *w + key.n_bytes + field.n_bytes);
	char *room;
	int r;

	if (!w)
		return -ENOMEM;
	room = (char *)(w + 1);
	w->ops = b->ops;
	w->config = n->config;
	w->reconnect_ms = n->reconnect_ms;
	memcpy(room, key.bytes, key.n_bytes);
	w->key = IPK__SLICE(room, key.n_bytes);
	if (field.bytes) {
		memcpy(room + key.n_bytes, field.bytes, field.n_bytes);
		w->field = IPK__SLICE(room + key.n_bytes, field.n_bytes);
	}
	ipk__wire_init(&w->wire);
	r = subscribe(w, deadline);
	if (r < 0) {
		free(w);
		return r;
	}
	*ret_watch = (struct ipk__backend_watch *)w;
	return 0;
}

int ipk__native_watch_fd(struct ipk__backend_watch *watch)
{
	return ((struct native_watch *)watch)->wire.fd;
}

/* True: it reports a change; *ret_field is its last value. */
static bool is_change(struct ipk__slice whole, struct ipk__slice *ret_field)
{
	struct ipk__resp_value head, word, key;
	size_t at = 0;

	if (ipk__resp_next(whole, &at, &head) < 0 || head.n != 3 ||
	    ipk__resp_next(whole, &at, &word) < 0 ||
	    !ipk__slice_is_word(word.text, "ipk.changed") || ipk__resp_next(whole, &at, &key) < 0)
		return false;
	*ret_field = IPK__SLICE(whole.bytes + at, whole.n_bytes - at);
	return true;
}

/* The same fd number afterwards: a program may have it in its epoll set, and adds it again. */
static int again(struct native_watch *w, ipk_deadline deadline)
{
	static _Atomic uint32_t never;
	ipk_deadline over = ipk_in_ms(w->reconnect_ms);
	ipk_deadline pause;
	int r;

	ipk__wire_close(&w->wire);
	for (;;) {
		r = subscribe(w, ipk_in_ns(CONNECT_NS));
		if (r == 0 || r == -EACCES)
			return r;
		if (ipk__os_now_ns() >= over.at_ns)
			return -EPIPE;
		if (ipk_deadline_left_ns(deadline) == 0)
			return -ETIMEDOUT;
		pause = ipk_in_ns(AGAIN_NS);
		(void)ipk__os_futex_wait(&never, 0, pause);
	}
}

int ipk__native_watch_next(struct ipk__backend_watch *watch, ipk_deadline deadline,
			   struct ipk__response *ret_field)
{
	struct native_watch *w = (struct native_watch *)watch;
	struct ipk__slice whole, field;
	int r;

	for (;;) {
		r = ipk__wire_value(&w->wire, deadline, &whole);
		if (r == 0 && is_change(whole, &field))
			return ipk__response_put(ret_field, field);
		if (r == 0)
			continue;
		if (r == -ETIMEDOUT)
			return r;
		IPK_TRY(again(w, deadline));
		return ipk__response_put(ret_field, IPK__SLICE_OF("_\r\n"));
	}
}

void ipk__native_watch_close(struct ipk__backend_watch *watch)
{
	struct native_watch *w = (struct native_watch *)watch;

	ipk__wire_close(&w->wire);
	memset(w->config.key, 0, sizeof w->config.key);
	free(w);
}
