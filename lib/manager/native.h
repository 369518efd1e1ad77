/*
 * native.h - the client's side of our own protocol.
 *
 *   native_wire.c   one connection: made, authenticated, bytes out, values in
 *   native.c        requests of many threads over it; abandoned, repeated, each once
 *   native_again.c  a connection made again: after a restart of the server, after a fork
 *   native_watch.c  change notification, on connections of its own
 */
#ifndef IPK_MANAGER_NATIVE_H
#define IPK_MANAGER_NATIVE_H

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>

#include "base/base_internal.h"
#include "ipk/pipe.h"
#include "manager/backend.h"
#include "manager/turn.h"
#include "net/address.h"
#include "net/auth.h"
#include "net/resp.h"
#include "store/view.h"

/* --- native_wire.c --------------------------------------------------------------------------- */

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
	struct ipk__slice rest; /* of the message that was peeked: not looked at yet */
	bool is_peeked;
	struct ipk__bytes in;
	struct ipk__resp_scan scan;
	size_t used_bytes; /* of in: the value that was given last */
};

void ipk__wire_init(struct ipk__wire *w);
/* Of one that is closed; to be closed also when it fails. */
int ipk__wire_open(const struct ipk__wire_config *config, ipk_deadline deadline,
		   struct ipk__wire *w);
/* Ask for the ring and the view; a server that does not want that is fine. */
int ipk__wire_go_local(struct ipk__wire *w, ipk_deadline deadline);
void ipk__wire_close(struct ipk__wire *w); /* not the view */
/*
 * Whole requests. Over a socket *at of them may be out when it fails (@at NULL: not wanted):
 * after -ETIMEDOUT the rest goes with another call, or the connection is of no use any more.
 */
int ipk__wire_send(struct ipk__wire *w, const void *data, size_t n_bytes, ipk_deadline deadline,
		   size_t *at);
/* The next whole value, good until the next call. -EPIPE, -EPROTO: the connection is over. */
int ipk__wire_value(struct ipk__wire *w, ipk_deadline deadline, struct ipk__slice *ret_value);
bool ipk__wire_has_more(const struct ipk__wire *w); /* a value may be there without waiting */
void ipk__wire_release(struct ipk__wire *w);        /* what was given is not needed any more */
/* A request and its answer, while nobody else uses the wire. A refusal is its error. */
int ipk__wire_ask(struct ipk__wire *w, const struct ipk__slice *argv, size_t argc,
		  ipk_deadline deadline, struct ipk__reply *reply);

/* --- native.c -------------------------------------------------------------------------------- */

enum { IPK__PENDING_SENT = 0, IPK__PENDING_SLEEPS, IPK__PENDING_READ, IPK__PENDING_DONE };

/* A request that is not answered yet. On the stack of its caller, or made when that one left. */
struct ipk__pending {
	const struct ipk__call *call; /* NULL: nobody waits for it any more */
	uint64_t number;
	uint64_t ticket;        /* the server said that it waits; 0 not */
	_Atomic uint32_t state; /* IPK__PENDING_*; a futex */
	int result;
	bool was_sent;
	struct ipk__pending *next;
	/* Of one whose caller left: */
	enum ipk__late late;
	uint64_t leaves; /* the number of the one that it takes back; 0 none */
	size_t argc;
	struct ipk__slice argv[4]; /* in memory behind this; to be sent when argc > 0 */
};

struct ipk__pendings {
	struct ipk__pending *first;
	struct ipk__pending **end;
};

/* An item of a queue that came too late for who asked for it. */
struct ipk__kept {
	struct ipk__kept *next;
	struct ipk__slice key, whole; /* in memory behind this */
};

enum { IPK__SESSION_ID_BYTES = 32 };

struct ipk__native {
	struct ipk__backend base;
	struct ipk__wire_config config;
	int64_t reconnect_ms;
	struct ipk__native *next_of_process; /* native_again.c */

	struct ipk__turn send_lock; /* first: the order of numbers and requests, and out */
	struct ipk__bytes out;

	pthread_mutex_t lock;         /* second, and never while anything is waited for: */
	pid_t pid;                    /* whose connection it is; 0: nobody's any more */
	struct ipk__pendings sent;    /* in the order they were sent */
	struct ipk__pendings waiting; /* the server said that they wait */
	struct ipk__pendings to_send; /* to be sent by whoever has just read */
	struct ipk__kept *kept;
	_Atomic size_t n_kept;
	bool is_read;   /* a thread reads, for all; it owns wire but for sending */
	bool is_broken; /* to be made again by whoever reads */
	bool is_gone;   /* it was waited for, in vain */
	int64_t broken_ns;
	char session[IPK__SESSION_ID_BYTES];
	uint64_t next_number;
	_Atomic uint64_t epoch;

	struct ipk__wire wire;
	struct ipk__wire fresh; /* while it is being made */
	_Atomic(struct ipk__view *) view;
	_Atomic uint64_t view_generation;
	struct ipk__view **old_views; /* blinded; somebody may be looking at them yet */
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
/* It is answered: @whole, or an error. Under lock. */
void ipk__pending_done(struct ipk__native *n, struct ipk__pending *p, struct ipk__slice whole,
		       int err);
struct ipk__pending *ipk__pending_make(size_t argc, const struct ipk__slice *argv,
				       enum ipk__late late);
void ipk__pending_encode(struct ipk__native *n, const struct ipk__pending *p);

/* --- native_again.c -------------------------------------------------------------------------- */

/*
 * By the thread that reads: connects and sends again what is not answered. Otherwise
 * -ETIMEDOUT, or why not; -EPIPE after reconnect_ms, and all that wait are told.
 */
int ipk__native_again(struct ipk__native *n, ipk_deadline deadline);
int ipk__native_first(struct ipk__native *n, ipk_deadline deadline); /* the first time */
int ipk__native_new_session(struct ipk__native *n);
int ipk__native_register(struct ipk__native *n); /* to be told of forks */
void ipk__native_unregister(struct ipk__native *n);
void ipk__native_in_child(struct ipk__native *n); /* before its first use there */
void ipk__native_retire_view(struct ipk__native *n);

/* --- native_watch.c -------------------------------------------------------------------------- */

int ipk__native_watch_open(struct ipk__backend *b, struct ipk__slice key, struct ipk__slice field,
			   ipk_deadline deadline, struct ipk__backend_watch **ret_watch);
int ipk__native_watch_fd(struct ipk__backend_watch *w);
int ipk__native_watch_next(struct ipk__backend_watch *w, ipk_deadline deadline,
			   struct ipk__reply *ret_field);
void ipk__native_watch_close(struct ipk__backend_watch *w);

#endif
