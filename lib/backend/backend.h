/*
 * backend.h - the interface between the handles of ipk/manager.h and a server.
 *
 * Above it everything is the same for all addresses: a call is the words of
 * docs/manager-protocol.md, its reply one RESP value. Two backends take such calls: lib/native (our
 * server: unix:, tcp:) passes them on, lib/redis (redis:, redis-cluster:) implements them with
 * commands and scripts of Redis, and replies as our server does, including errors ("NOTOWNER ...",
 * "WRONGTYPE ...").
 *
 * A backend's functions are called by any thread, several at once, and by fork children, which
 * detect that and open a connection of their own.
 */
#ifndef IPK_BACKEND_BACKEND_H
#define IPK_BACKEND_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "ipk/deadline.h"
#include "ipk/manager.h"
#include "net/resp.h"

struct ipk__view;

/* --- words of a request (words.c) ------------------------------------------------------------- */

#define IPK__ARG(literal) IPK__SLICE_OF(literal)
/* Words and their number: two arguments of a function. */
#define IPK__ARGV(...)                            \
	(const struct ipk__slice[]){__VA_ARGS__}, \
		sizeof((const struct ipk__slice[]){__VA_ARGS__}) / sizeof(struct ipk__slice)

struct ipk__number {
	char text[24];
};
struct ipk__slice ipk__number_arg(struct ipk__number *room, int64_t n);
/* An index, or "-" for IPK_OMIT. */
struct ipk__slice ipk__index_arg(struct ipk__number *room, int64_t n);
/* A double, so that it reads back the same. */
struct ipk__decimal {
	char text[40];
};
struct ipk__slice ipk__decimal_arg(struct ipk__decimal *room, double d);
/* How long the server may block a request, in ms; -1 for ever. */
int64_t ipk__timeout_ms(ipk_deadline deadline);

/* --- a reply (response.c) --------------------------------------------------------------------- */

/* One whole RESP value. Short ones, nearly all, need no allocation. */
struct ipk__response {
	struct ipk__slice whole; /* empty: none yet */
	uint32_t epoch;          /* the connection over which it came; 0: unknown */
	char *room;              /* NULL: it is in small */
	char small[112];
};

static inline void ipk__response_init(struct ipk__response *r)
{
	r->whole = IPK__SLICE(NULL, 0);
	r->epoch = 0;
	r->room = NULL;
}

/* Copies @whole, replacing the previous one. -ENOMEM. */
int ipk__response_put(struct ipk__response *r, struct ipk__slice whole);
void ipk__response_fini(struct ipk__response *r); /* empty afterwards, may be filled again */
int ipk__response_first(const struct ipk__response *r, struct ipk__resp_value *ret_value);
int ipk__response_int(const struct ipk__response *r, int64_t *ret_n); /* -EBADMSG */
/* -ENOENT null; -EBADMSG not bytes. In place. */
int ipk__response_text(const struct ipk__response *r, struct ipk__slice *ret_text);

/* --- calls ------------------------------------------------------------------------------------ */

enum {
	IPK__CALL_READ = 1u << 0,  /* changes nothing: repeating it is harmless */
	IPK__CALL_WAITS = 1u << 1, /* may block; its words contain the timeout in ms */
	/*
	 * What it acquires belongs to the connection (locks, permits, a party's position): after a
	 * broken connection it is not repeated as the same request but issued anew.
	 */
	IPK__CALL_BOUND = 1u << 2,
	/*
	 * It needs what the connection holds already (unlocking, waiting on a condition): if the
	 * connection breaks before the reply, the call fails with -EOWNERDEAD.
	 */
	IPK__CALL_NEEDS = 1u << 3,
};

/* What to do with a reply that arrives when its caller no longer waits. */
enum ipk__late {
	IPK__LATE_DROP = 0,
	IPK__LATE_RELEASE = 1, /* 1: release it, IPK.RELEASE argv[1] argv[2] */
	IPK__LATE_KEEP = 2,    /* an item of a queue: the next get of argv[1] receives it */
};

struct ipk__call {
	const struct ipk__slice *argv;
	size_t argc;
	unsigned flags; /* IPK__CALL_* */
	enum ipk__late late;
	/*
	 * Not 0: it makes sense only over this connection, and is -EOWNERDEAD over another one,
	 * without being sent.
	 */
	uint32_t epoch;
	struct ipk__response *reply; /* made by ipk__response_init() */
};

struct ipk__backend;
struct ipk__backend_watch; /* begins with const struct ipk__backend_ops *ops */

struct ipk__backend_ops {
	/*
	 * Executes it. 0: *call->reply is the server's reply, including an error reply. Otherwise:
	 * -ETIMEDOUT nothing happened; -EINPROGRESS it was sent, the deadline passed, and it may
	 * yet be executed (never for IPK__CALL_READ, nor if late undoes it); -EPIPE no server is
	 * reachable; -EMSGSIZE; -ENOMEM; or why connecting failed.
	 */
	int (*call)(struct ipk__backend *b, const struct ipk__call *call, ipk_deadline deadline);
	/*
	 * Several, in order, in one round trip where possible; none of them blocks. 0: all replies
	 * are there.
	 */
	int (*call_many)(struct ipk__backend *b, const struct ipk__call *calls, size_t n,
			 ipk_deadline deadline);
	/*
	 * Optimistic transactions; the caller admits one thread at a time, from watch_keys() to
	 * exec() or unwatch(). exec(): all of @calls or none; -ECANCELED a watched key changed, or
	 * the connection that watched it was lost since. n_keys may be 0.
	 */
	int (*watch_keys)(struct ipk__backend *b, const struct ipk__slice *keys, size_t n_keys,
			  ipk_deadline deadline);
	int (*exec)(struct ipk__backend *b, const struct ipk__call *calls, size_t n,
		    ipk_deadline deadline);
	void (*unwatch)(struct ipk__backend *b);
	/* The connection's number: what an earlier one held (locks) is lost. Never 0. */
	uint32_t (*epoch)(struct ipk__backend *b);
	/*
	 * The store for reading in place, valid until the backend is closed; NULL when there is
	 * none. May itself be NULL.
	 */
	struct ipk__view *(*view)(struct ipk__backend *b, uint64_t *ret_generation);
	/* Change notification, on a connection of its own. @field.bytes NULL: all of the key. */
	int (*watch_open)(struct ipk__backend *b, struct ipk__slice key, struct ipk__slice field,
			  ipk_deadline deadline, struct ipk__backend_watch **ret_watch);
	int (*watch_fd)(struct ipk__backend_watch *w);
	/* 0: something changed, *ret_field as the ipk__response of a bulk or null; -ETIMEDOUT. */
	int (*watch_next)(struct ipk__backend_watch *w, ipk_deadline deadline,
			  struct ipk__response *ret_field);
	void (*watch_close)(struct ipk__backend_watch *w);
	void (*close)(struct ipk__backend *b);
};

/* The first member of each backend's own struct. */
struct ipk__backend {
	const struct ipk__backend_ops *ops;
};

/*
 * Connects, so a wrong address or key is reported at once. @address is the whole of it, "unix:...",
 * "redis://...". @opts is complete: its size is right, nothing else was checked.
 */
int ipk__native_connect(const char *address, const ipk_manager_connect_opts *opts,
			ipk_deadline deadline, struct ipk__backend **ret_backend);
int ipk__redis_connect(const char *address, const ipk_manager_connect_opts *opts,
		       ipk_deadline deadline, struct ipk__backend **ret_backend);

/* --- refusals (refusal.c) --------------------------------------------------------------------- */

/*
 * Sets the text of a call's error (shown by ipk_manager_error()): return ipk__manager_fail(-EACCES,
 * "NOAUTH ...").
 */
int ipk__manager_fail(int err, const char *format, ...) __attribute__((format(printf, 2, 3)));
int ipk__refusal(struct ipk__slice text); /* the errno for it; ipk_manager_error() shows the text */
int ipk__response_refusal(const struct ipk__response *r); /* 0: not an error */

#endif
