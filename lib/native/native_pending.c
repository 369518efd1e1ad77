/*
 * native_pending.c - requests that have no reply yet, and what becomes of a reply that comes late.
 *
 * A caller that no longer waits leaves a copy of its request. What that did is undone when the
 * reply comes, or kept for the next call that asks for the same.
 */
#include <stdlib.h>
#include <string.h>

#include "native/native.h"
#include "os/os.h"

bool ipk__pendings_remove(struct ipk__pendings *list, struct ipk__pending *p)
{
	for (struct ipk__pending **at = &list->first; *at; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			if (list->end == &p->next)
				list->end = at;
			return true;
		}
	return false;
}

struct ipk__pending *ipk__pending_make(size_t argc, const struct ipk__slice *argv,
				       enum ipk__late late)
{
	struct ipk__pending *p;
	size_t n_bytes = sizeof *p;
	char *room;

	for (size_t i = 0; i < argc; i++)
		n_bytes += argv[i].n_bytes;
	p = ipk__os_calloc(1, n_bytes);
	if (!p)
		return NULL;
	p->late = late;
	p->argc = argc;
	room = (char *)(p + 1);
	for (size_t i = 0; i < argc; i++) {
		memcpy(room, argv[i].bytes, argv[i].n_bytes);
		p->argv[i] = IPK__SLICE(room, argv[i].n_bytes);
		room += argv[i].n_bytes;
	}
	return p;
}

void ipk__pending_encode(struct ipk__native *n, const struct ipk__pending *p)
{
	if (p->call)
		ipk__resp_request(&n->out, p->call->argv, p->call->argc);
	else
		ipk__resp_request(&n->out, p->argv, p->argc);
}

static void keep_item(struct ipk__native *n, struct ipk__slice key, struct ipk__slice whole)
{
	struct ipk__kept *k = ipk__os_malloc(sizeof *k + key.n_bytes + whole.n_bytes);
	struct ipk__kept **at = &n->kept;
	char *room;

	if (!k)
		return;
	room = (char *)(k + 1);
	memcpy(room, key.bytes, key.n_bytes);
	memcpy(room + key.n_bytes, whole.bytes, whole.n_bytes);
	k->key = IPK__SLICE(room, key.n_bytes);
	k->whole = IPK__SLICE(room + key.n_bytes, whole.n_bytes);
	k->epoch = atomic_load(&n->epoch);
	k->next = NULL;
	while (*at)
		at = &(*at)->next;
	*at = k;
	n->n_kept++;
}

static void forget_waiting(struct ipk__native *n, uint64_t number)
{
	for (struct ipk__pending *p = n->waiting.first; p; p = p->next)
		if (p->number == number) {
			(void)ipk__pendings_remove(&n->waiting, p);
			free(p);
			return;
		}
}

/* Nobody waits for it any more: undo what it did. */
static void done_late(struct ipk__native *n, struct ipk__pending *p, struct ipk__slice whole)
{
	struct ipk__pending *undo = NULL;

	if (p->late == IPK__LATE_RELEASE && whole.n_bytes > 1 && whole.bytes[0] == ':' &&
	    whole.bytes[1] == '1')
		undo = ipk__pending_make(3,
					 (const struct ipk__slice[]){IPK__ARG("IPK.RELEASE"),
								     p->argv[1], p->argv[2]},
					 IPK__LATE_DROP);
	if (undo)
		ipk__pendings_add(&n->to_send, undo);
	if (p->late == IPK__LATE_KEEP && whole.n_bytes > 0 && whole.bytes[0] == '$')
		keep_item(n, p->argv[1], whole);
	if (p->leaves != 0 && whole.n_bytes > 1 && whole.bytes[0] == ':' && whole.bytes[1] == '1')
		forget_waiting(n, p->leaves); /* no push will come */
	free(p);
}

void ipk__pending_done(struct ipk__native *n, struct ipk__pending *p, struct ipk__slice whole,
		       int err)
{
	if (!p->call) {
		done_late(n, p, whole);
		return;
	}
	p->result = err < 0 ? err : ipk__response_put(p->call->reply, whole);
	p->call->reply->epoch = atomic_load(&n->epoch);
	/* From this store on its caller may return, and its stack be reused. */
	if (atomic_exchange_explicit(&p->state, IPK__PENDING_DONE, memory_order_acq_rel) !=
	    IPK__PENDING_SENT)
		(void)ipk__os_futex_wake(&p->state, 1);
}
