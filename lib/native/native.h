/*
 * native.h - the client's side of our own protocol.
 *
 *   native_wire.c   one connection: connect, authenticate, bytes out, values in
 *   native.c        requests of many threads over it; abandoned, repeated, each once
 *   native_pending.c    those without a reply yet
 *   native_reconnect.c  reconnecting: after a restart of the server, after a fork
 *   native_watch.c  change notification, on separate connections
 */
#ifndef IPK_NATIVE_NATIVE_H
#define IPK_NATIVE_NATIVE_H

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>

#include "base/base_internal.h"
#include "ipk/pipe.h"
#include "backend/backend.h"
#include "backend/timed_mutex.h"
#include "net/address.h"
#include "net/auth.h"
#include "net/resp.h"
#include "store/view.h"

/* --- native_wire.c ---------------------------------------------------------------------------- */

struct ipk__wire_config {
	struct ipk__address address;
	unsigned char key[IPK__AUTH_KEY_MAX];
	size_t key_bytes;
	char label[64];
	bool no_local;
};

struct ipk__wire {
	int fd;         /* -1: none */
	ipk_pipe *ring; /* NULL: everything goes over fd */
	struct ipk__view *view;
	struct ipk__slice rest; /* of the peeked message: not parsed yet */
	bool is_peeked;
	struct ipk__buffer in;
	struct ipk__resp_scan scan;
	size_t used_bytes; /* of in: the value returned last */
};

void ipk__wire_init(struct ipk__wire *w);
/* For a closed one; close it also when this fails. */
int ipk__wire_open(const struct ipk__wire_config *config, ipk_deadline deadline,
		   struct ipk__wire *w);
/* Requests the ring and the view; a refusal by the server is fine. */
int ipk__wire_go_local(struct ipk__wire *w, ipk_deadline deadline);
void ipk__wire_close(struct ipk__wire *w); /* not the view */
/*
 * Whole requests. Over a socket *at of them may be sent when it fails (@at NULL: not wanted): after
 * -ETIMEDOUT another call must send the rest, or the connection is unusable.
 */
int ipk__wire_send(struct ipk__wire *w, const void *data, size_t n_bytes, ipk_deadline deadline,
		   size_t *at);
/* The next whole value, valid until the next call. -EPIPE, -EPROTO: the connection is lost. */
int ipk__wire_value(struct ipk__wire *w, ipk_deadline deadline, struct ipk__slice *ret_value);
bool ipk__wire_has_more(const struct ipk__wire *w); /* a value may be available without waiting */
void ipk__wire_release(struct ipk__wire *w);        /* the returned value is no longer needed */
/* A request and its reply; no other thread uses the connection. An error reply is its error. */
int ipk__wire_ask(struct ipk__wire *w, const struct ipk__slice *argv, size_t argc,
		  ipk_deadline deadline, struct ipk__response *reply);

/* --- native.c, native_pending.c --------------------------------------------------------------- */

enum { IPK__PENDING_SENT = 0, IPK__PENDING_SLEEPS, IPK__PENDING_READ, IPK__PENDING_DONE };

/* A request without a reply. On the stack of its caller, or allocated when that one left. */
struct ipk__pending {
	const struct ipk__call *call; /* NULL: its caller no longer waits */
	uint64_t number;
	uint64_t ticket;        /* the server reported that it waits; 0: not */
	_Atomic uint32_t state; /* IPK__PENDING_*; a futex */
	int result;
	bool was_sent;
	bool is_under_way; /* over the present connection */
	unsigned n_lost;   /* connections that ended while it was */
	struct ipk__pending *next;
	/* For one whose caller left: */
	enum ipk__late late;
	uint64_t leaves; /* the number of the request that it cancels; 0 none */
	size_t argc;
	struct ipk__slice argv[4]; /* in memory after this; to be sent when argc > 0 */
};

struct ipk__pendings {
	struct ipk__pending *first;
	struct ipk__pending **end;
};

/* An item of a queue that arrived after its requester's deadline. */
struct ipk__kept {
	struct ipk__kept *next;
	struct ipk__slice key, whole; /* in memory after this */
	uint32_t epoch;
};

enum { IPK__SESSION_ID_BYTES = 32 };

struct ipk__native {
	struct ipk__backend base;
	struct ipk__wire_config config;
	int64_t reconnect_ms;
	struct ipk__native *next_of_process; /* native_reconnect.c */

	struct ipk__timed_mutex send_lock; /* first: orders numbers and requests, and guards out */
	struct ipk__buffer out;

	pthread_mutex_t lock;         /* second, and never held while waiting: */
	pid_t pid;                    /* the connection's process; 0: none any more */
	struct ipk__pendings sent;    /* in the order they were sent */
	struct ipk__pendings waiting; /* the server reported that they wait */
	struct ipk__pendings to_send; /* sent by the thread that has just read */
	struct ipk__kept *kept;
	_Atomic size_t n_kept;
	bool is_read;   /* a thread reads, for all; it owns wire except for sending */
	bool is_broken; /* to be reconnected by the reading thread */
	bool is_gone;   /* reconnecting has failed */
	int64_t broken_ns;
	char session[IPK__SESSION_ID_BYTES];
	uint64_t next_number;
	_Atomic uint32_t epoch; /* changes under lock and send_lock */
	uint32_t watch_epoch;   /* of the keys that a transaction watches; 0: none */

	struct ipk__wire wire;
	struct ipk__wire fresh; /* while connecting */
	_Atomic(struct ipk__view *) view;
	_Atomic uint64_t view_generation;
	struct ipk__view **old_views; /* invalidated; some thread may still be reading them */
	size_t n_old_views;
};

static inline void ipk__pendings_init(struct ipk__pendings *list)
{
	list->first = NULL;
	list->end = &list->first;
}

static inline void ipk__pendings_add(struct ipk__pendings *list, struct ipk__pending *p)
{
	p->next = NULL;
	*list->end = p;
	list->end = &p->next;
}

bool ipk__pendings_remove(struct ipk__pendings *list, struct ipk__pending *p);
/* Completes it: with @whole, or an error. Under lock. */
void ipk__pending_done(struct ipk__native *n, struct ipk__pending *p, struct ipk__slice whole,
		       int err);
struct ipk__pending *ipk__pending_make(size_t argc, const struct ipk__slice *argv,
				       enum ipk__late late);
void ipk__pending_encode(struct ipk__native *n, const struct ipk__pending *p);

/* --- native_reconnect.c ----------------------------------------------------------------------- */

/*
 * By the reading thread: connects and repeats unanswered requests. Otherwise -ETIMEDOUT, or the
 * reason; -EPIPE after reconnect_ms, and all waiting calls fail.
 */
int ipk__native_reconnect(struct ipk__native *n, ipk_deadline deadline);
int ipk__native_connect_first(struct ipk__native *n, ipk_deadline deadline); /* the first time */
int ipk__native_new_session(struct ipk__native *n);
int ipk__native_register(struct ipk__native *n); /* for fork notification */
void ipk__native_unregister(struct ipk__native *n);
void ipk__native_in_child(struct ipk__native *n); /* before its first use there */
void ipk__native_retire_view(struct ipk__native *n);

/* --- native_watch.c --------------------------------------------------------------------------- */

int ipk__native_watch_open(struct ipk__backend *b, struct ipk__slice key, struct ipk__slice field,
			   ipk_deadline deadline, struct ipk__backend_watch **ret_watch);
int ipk__native_watch_fd(struct ipk__backend_watch *w);
int ipk__native_watch_next(struct ipk__backend_watch *w, ipk_deadline deadline,
			   struct ipk__response *ret_field);
void ipk__native_watch_close(struct ipk__backend_watch *w);

#endif
