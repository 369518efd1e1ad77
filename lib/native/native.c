/*
 * native.c - requests of many threads over one connection to our server.
 *
 * A thread writes its request under send_lock, which assigns the request's number, and then waits
 * for the reply. One of the waiting threads reads for all; when it has its own reply it wakes
 * another to continue reading. A request that must wait on the server is answered at once with a
 * ticket, and later by a push, so it blocks no other request.
 *
 * Invariant: every request that was written and not answered is in n->sent or n->waiting, in the
 * order of the numbers; a caller that leaves early replaces its request by an allocated one.
 * Replies without a ticket belong to the first in n->sent.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "native/native.h"
#include "os/os.h"
#include "pipe/pipe_internal.h"

#define GRACE_NS 50000000 /* the server's answer may take so long beyond the deadline */
#define SLICE_NS 2000000  /* a full connection: read incoming replies this often */
#define CHUNK 64          /* requests on their way at a time: the server remembers 128 */

static struct ipk__native *native_of(struct ipk__backend *b)
{
	struct ipk__native *n = (struct ipk__native *)b;

	if (n->pid != ipk__os_pid())
		ipk__native_in_child(n);
	return n;
}

/* --- what comes in ---------------------------------------------------------------------------- */

/* The number behind a word, as in "WAIT 12". */
static bool read_ticket(struct ipk__slice text, uint64_t *ret_ticket)
{
	int64_t n;

	if (text.n_bytes < 6 || memcmp(text.bytes, "WAIT ", 5) != 0 ||
	    !ipk__text_to_int64(IPK__SLICE(text.bytes + 5, text.n_bytes - 5), &n))
		return false;
	*ret_ticket = (uint64_t)n;
	return true;
}

static struct ipk__pending *find_ticket(struct ipk__native *n, uint64_t ticket)
{
	for (struct ipk__pending *p = n->waiting.first; p; p = p->next)
		if (p->ticket == ticket)
			return p;
	return NULL;
}

/* ipk.done, a ticket, the answer. Pushes of other kinds are not for us. */
static int take_push(struct ipk__native *n, struct ipk__slice whole)
{
	struct ipk__resp_value head, word, ticket;
	struct ipk__pending *p;
	int64_t number;
	size_t at = 0;

	IPK_TRY(ipk__resp_next(whole, &at, &head));
	IPK_TRY(ipk__resp_next(whole, &at, &word));
	if (head.n != 3 || !ipk__slice_is_word(word.text, "ipk.done"))
		return 0;
	IPK_TRY(ipk__resp_next(whole, &at, &ticket));
	number = ticket.integer;
	if (ticket.type != IPK__RESP_INTEGER && !ipk__text_to_int64(ticket.text, &number))
		return -EPROTO;
	p = find_ticket(n, (uint64_t)number);
	if (p) {
		(void)ipk__pendings_remove(&n->waiting, p);
		ipk__pending_done(n, p, IPK__SLICE(whole.bytes + at, whole.n_bytes - at), 0);
	}
	return 0;
}

static int take_value(struct ipk__native *n, struct ipk__slice whole)
{
	struct ipk__pending *p = n->sent.first;
	uint64_t ticket;

	if (whole.bytes[0] == IPK__RESP_PUSH)
		return take_push(n, whole);
	if (!p || !p->was_sent)
		return -EPROTO;
	n->sent.first = p->next;
	if (n->sent.end == &p->next)
		n->sent.end = &n->sent.first;
	if (whole.bytes[0] == IPK__RESP_SIMPLE && whole.n_bytes > 8 &&
	    read_ticket(IPK__SLICE(whole.bytes + 1, whole.n_bytes - 3), &ticket)) {
		p->ticket = ticket;
		ipk__pendings_add(&n->waiting, p);
		return 0;
	}
	ipk__pending_done(n, p, whole, 0);
	return 0;
}

/* By the reading thread, under lock: it is complete. */
static void is_over(struct ipk__native *n)
{
	if (!n->is_broken) {
		n->is_broken = true;
		n->broken_ns = ipk__os_now_ns();
	}
}

/* Some values, at least one. 0, or -ETIMEDOUT; with lock held afterwards. */
static int read_some(struct ipk__native *n, ipk_deadline deadline)
{
	struct ipk__slice whole;
	int r = ipk__wire_value(&n->wire, deadline, &whole);

	pthread_mutex_lock(&n->lock);
	if (r == -ETIMEDOUT)
		return r;
	while (r == 0) {
		r = take_value(n, whole);
		if (r < 0 || !ipk__wire_has_more(&n->wire))
			break;
		r = ipk__wire_value(&n->wire, ipk_now(), &whole);
		if (r == -ETIMEDOUT)
			return 0;
	}
	if (r == 0)
		ipk__wire_release(&n->wire);
	else
		is_over(n);
	return 0;
}

/* Under lock: no thread reads any more, so that one of those that wait has to. */
static void stop_reading(struct ipk__native *n)
{
	struct ipk__pendings *lists[] = {&n->sent, &n->waiting};

	n->is_read = false;
	for (size_t i = 0; i < IPK__N_OF(lists); i++)
		for (struct ipk__pending *p = lists[i]->first; p; p = p->next) {
			uint32_t sleeps = IPK__PENDING_SLEEPS;

			if (p->call &&
			    atomic_compare_exchange_strong(&p->state, &sleeps, IPK__PENDING_READ)) {
				(void)ipk__os_futex_wake(&p->state, 1);
				return;
			}
		}
}

/* --- sending ---------------------------------------------------------------------------------- */

/* The connection is full: perhaps the server waits for us to read. */
static void read_meanwhile(struct ipk__native *n)
{
	pthread_mutex_lock(&n->lock);
	if (n->is_read || n->is_broken) {
		pthread_mutex_unlock(&n->lock);
		return;
	}
	n->is_read = true;
	pthread_mutex_unlock(&n->lock);
	(void)read_some(n, ipk_now());
	stop_reading(n);
	pthread_mutex_unlock(&n->lock);
}

/*
 * Sends n->out, under send_lock. -ETIMEDOUT: nothing of it was sent. Any other error: the
 * connection is lost, or unusable with half a request in it.
 */
static int send_out(struct ipk__native *n, ipk_deadline deadline)
{
	const char *data = ipk__buffer_front(&n->out);
	size_t n_bytes = ipk__buffer_len(&n->out);
	ipk_deadline slice;
	size_t at = 0;
	int r;

	if (n->out.failed)
		return -ENOMEM;
	r = ipk__wire_send(&n->wire, data, n_bytes, ipk_now(), &at);
	if (r == -ETIMEDOUT && at > 0 && ipk_deadline_left_ns(deadline) < GRACE_NS)
		deadline = ipk_in_ns(GRACE_NS); /* half of it is worse than late */
	while (r == -ETIMEDOUT && ipk_deadline_left_ns(deadline) > 0) {
		read_meanwhile(n);
		slice = ipk_in_ns(SLICE_NS);
		if (slice.at_ns > deadline.at_ns)
			slice = deadline;
		if (n->wire.ring && n_bytes > n->wire.ring->whole_max_bytes)
			slice = deadline; /* it goes in pieces, each of which has to find room */
		r = ipk__wire_send(&n->wire, data, n_bytes, slice, &at);
	}
	return r == -ETIMEDOUT && at > 0 ? -EPIPE : r;
}

/* Under lock: requests without a caller, into n->out, before the next ones. */
static void take_to_send(struct ipk__native *n, struct ipk__pendings *ret_early)
{
	struct ipk__pending *p;

	ipk__pendings_init(ret_early);
	while (!n->is_broken && (p = n->to_send.first)) {
		(void)ipk__pendings_remove(&n->to_send, p);
		ipk__pending_encode(n, p);
		ipk__pendings_add(ret_early, p);
	}
}

/* Under lock: they could not be sent now. */
static void put_back_to_send(struct ipk__native *n, struct ipk__pendings *early)
{
	struct ipk__pending *p;

	while ((p = n->to_send.first)) {
		(void)ipk__pendings_remove(&n->to_send, p);
		ipk__pendings_add(early, p);
	}
	while ((p = early->first)) {
		(void)ipk__pendings_remove(early, p);
		ipk__pendings_add(&n->to_send, p);
	}
}

static void enlist_one(struct ipk__native *n, struct ipk__pending *p)
{
	p->number = n->next_number++;
	p->was_sent = p->is_under_way = !n->is_broken;
	ipk__pendings_add(&n->sent, p);
}

/* Under lock: assigns numbers and queues them. True when the wire is connected. */
static bool enlist(struct ipk__native *n, struct ipk__pendings *early, struct ipk__pending *p,
		   size_t count)
{
	struct ipk__pending *e;

	while ((e = early->first)) {
		(void)ipk__pendings_remove(early, e);
		enlist_one(n, e);
	}
	for (size_t i = 0; i < count; i++)
		enlist_one(n, &p[i]);
	return !n->is_broken;
}

/*
 * There was no space for them; no request was numbered after theirs, since send_lock is held. Under
 * lock. The early ones, from the number @from on, are to be sent later.
 */
static void unlist(struct ipk__native *n, uint64_t from, struct ipk__pending *p, size_t count)
{
	struct ipk__pendings early;
	struct ipk__pending *e = n->sent.first;
	struct ipk__pending *next;

	ipk__pendings_init(&early);
	for (size_t i = 0; i < count; i++)
		(void)ipk__pendings_remove(&n->sent, &p[i]);
	for (; e; e = next) {
		next = e->next;
		if (e->number < from)
			continue;
		(void)ipk__pendings_remove(&n->sent, e);
		ipk__pendings_add(&early, e);
	}
	put_back_to_send(n, &early);
	n->next_number = from;
}

/* Under send_lock, so the connection stays the one that it is. */
static bool are_of_another(const struct ipk__native *n, const struct ipk__pending *p, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (p[i].call->epoch != 0 && p[i].call->epoch != atomic_load(&n->epoch))
			return true;
	}
	return false;
}

/*
 * Under send_lock; lock is held afterwards. 0: in line, and sent or to be sent again. -EOWNERDEAD:
 * they were for another connection.
 */
static int line_up(struct ipk__native *n, struct ipk__pendings *early, struct ipk__pending *p,
		   size_t count, ipk_deadline deadline)
{
	uint64_t from;
	int r;

	pthread_mutex_lock(&n->lock);
	if (are_of_another(n, p, count)) {
		put_back_to_send(n, early);
		return -EOWNERDEAD;
	}
	from = n->next_number;
	if (!enlist(n, early, p, count))
		return 0;
	pthread_mutex_unlock(&n->lock);
	r = send_out(n, deadline);
	pthread_mutex_lock(&n->lock);
	if (r == -ETIMEDOUT && !n->is_broken) {
		unlist(n, from, p, count);
		return r;
	}
	if (r < 0)
		is_over(n);
	return 0;
}

/* Under send_lock: all that is to go out, as bytes. -ENOMEM: nothing happened. */
static int encode(struct ipk__native *n, struct ipk__pending *p, size_t count,
		  struct ipk__pendings *ret_early)
{
	ipk__buffer_clear(&n->out);
	pthread_mutex_lock(&n->lock);
	take_to_send(n, ret_early);
	pthread_mutex_unlock(&n->lock);
	for (size_t i = 0; i < count; i++)
		ipk__pending_encode(n, &p[i]);
	if (!n->out.failed)
		return 0;
	pthread_mutex_lock(&n->lock);
	put_back_to_send(n, ret_early);
	pthread_mutex_unlock(&n->lock);
	return -ENOMEM;
}

/* 0: they are in line, and *ret_reads: this thread is to read. Otherwise they are not. */
static int submit(struct ipk__native *n, struct ipk__pending *p, size_t count,
		  ipk_deadline deadline, bool *ret_reads)
{
	struct ipk__pendings early;
	int r = ipk__timed_mutex_lock(&n->send_lock, deadline);

	if (r < 0)
		return r;
	r = encode(n, p, count, &early);
	if (r < 0) {
		ipk__timed_mutex_unlock(&n->send_lock);
		return r;
	}
	r = line_up(n, &early, p, count, deadline);
	if (r == 0) {
		*ret_reads = !n->is_read;
		n->is_read = true;
	}
	pthread_mutex_unlock(&n->lock);
	ipk__buffer_shrink(&n->out, (size_t)256 << 10);
	ipk__timed_mutex_unlock(&n->send_lock);
	return r;
}

/*
 * Sends cancellations of others' requests, whose callers no longer wait. If sending would block,
 * the next sender or reader does it.
 */
static void send_what_is_left(struct ipk__native *n)
{
	struct ipk__pendings early;

	if (!ipk__timed_mutex_trylock(&n->send_lock))
		return;
	if (encode(n, NULL, 0, &early) == 0 && early.first) {
		(void)line_up(n, &early, NULL, 0, ipk_now());
		pthread_mutex_unlock(&n->lock);
	}
	ipk__timed_mutex_unlock(&n->send_lock);
}

/* --- waiting for the answer ------------------------------------------------------------------- */

static bool is_done(struct ipk__pending *p)
{
	return atomic_load_explicit(&p->state, memory_order_acquire) == IPK__PENDING_DONE;
}

/* This thread reads for all until its own answer is there. */
static int read_until(struct ipk__native *n, struct ipk__pending *p, ipk_deadline deadline)
{
	bool is_broken, has_to_send;
	int r = 0;

	pthread_mutex_lock(&n->lock);
	while (!is_done(p) && r == 0) {
		is_broken = n->is_broken;
		has_to_send = n->to_send.first != NULL;
		pthread_mutex_unlock(&n->lock);
		if (is_broken) {
			r = ipk__native_reconnect(n, deadline);
			pthread_mutex_lock(&n->lock);
			continue;
		}
		if (has_to_send)
			send_what_is_left(n);
		r = read_some(n, deadline);
	}
	has_to_send = n->to_send.first != NULL;
	stop_reading(n);
	pthread_mutex_unlock(&n->lock);
	if (has_to_send)
		send_what_is_left(n);
	return is_done(p) ? 0 : r;
}

/* True: this thread is to read now. */
static bool may_read(struct ipk__native *n, struct ipk__pending *p)
{
	uint32_t sent = IPK__PENDING_SENT;
	uint32_t read = IPK__PENDING_READ;
	bool may = false;

	pthread_mutex_lock(&n->lock);
	(void)atomic_compare_exchange_strong(&p->state, &read, IPK__PENDING_SENT);
	if (!is_done(p)) {
		may = !n->is_read;
		n->is_read = true;
		if (!may)
			(void)atomic_compare_exchange_strong(&p->state, &sent, IPK__PENDING_SLEEPS);
	}
	pthread_mutex_unlock(&n->lock);
	return may;
}

/* 0 it is answered; otherwise why not, and it is still in line. */
static int await(struct ipk__native *n, struct ipk__pending *p, ipk_deadline deadline, bool reads)
{
	int r = reads ? read_until(n, p, deadline) : 0;

	while (!is_done(p) && r == 0) {
		if (may_read(n, p))
			r = read_until(n, p, deadline);
		else if (!is_done(p))
			r = ipk__os_futex_wait(&p->state, IPK__PENDING_SLEEPS, deadline);
	}
	return is_done(p) ? 0 : r;
}

/* --- leaving early ---------------------------------------------------------------------------- */

/* Inserts it at the position of @p. Under lock. */
static void replace(struct ipk__native *n, struct ipk__pending *p, struct ipk__pending *by)
{
	struct ipk__pendings *lists[] = {&n->sent, &n->waiting};

	by->number = p->number;
	by->ticket = p->ticket;
	by->was_sent = p->was_sent;
	by->next = p->next;
	for (size_t i = 0; i < IPK__N_OF(lists); i++)
		for (struct ipk__pending **at = &lists[i]->first; *at; at = &(*at)->next)
			if (*at == p) {
				*at = by;
				if (lists[i]->end == &p->next)
					lists[i]->end = &by->next;
				return;
			}
	free(by);
}

static struct ipk__pending *make_late(const struct ipk__call *call)
{
	if (call->late == IPK__LATE_DROP)
		return ipk__pending_make(0, NULL, IPK__LATE_DROP);
	return ipk__pending_make(IPK__MIN(call->argc, (size_t)3), call->argv, call->late);
}

/*
 * The server need not continue with @p, and takes back a lock that it granted: @late has nothing
 * left to do about that. Under lock.
 */
static void tell_server(struct ipk__native *n, const struct ipk__pending *p,
			struct ipk__pending *late)
{
	struct ipk__number room;
	struct ipk__slice argv[] = {IPK__ARG("IPK.LEAVE"),
				    ipk__number_arg(&room, (int64_t)p->number)};
	struct ipk__pending *told;

	if (!(p->call->flags & IPK__CALL_WAITS))
		return;
	told = ipk__pending_make(IPK__N_OF(argv), argv, IPK__LATE_DROP);
	if (!told)
		return;
	told->leaves = p->number;
	ipk__pendings_add(&n->to_send, told);
	if (late->late == IPK__LATE_RELEASE)
		late->late = IPK__LATE_DROP;
}

/* @err is why. What the call returns then; 0: the answer has just come. */
static int leave(struct ipk__native *n, struct ipk__pending *p, int err)
{
	const struct ipk__call *call = p->call;
	struct ipk__pending *late = make_late(call);
	bool was_sent;

	pthread_mutex_lock(&n->lock);
	if (is_done(p)) {
		pthread_mutex_unlock(&n->lock);
		free(late);
		return p->result;
	}
	was_sent = p->was_sent;
	if (was_sent && late) {
		tell_server(n, p, late);
		replace(n, p, late);
	} else {
		free(late);
		if (!ipk__pendings_remove(&n->sent, p))
			(void)ipk__pendings_remove(&n->waiting, p);
		/* its answer would be taken for another's */
		if (was_sent)
			is_over(n);
	}
	pthread_mutex_unlock(&n->lock);
	if (was_sent)
		send_what_is_left(n);
	if (err != -ETIMEDOUT && err != -EPIPE)
		return err;
	if (!was_sent || (call->flags & (IPK__CALL_READ | IPK__CALL_BOUND)) ||
	    call->late != IPK__LATE_DROP)
		return err;
	return err == -ETIMEDOUT ? -EINPROGRESS : err;
}

/* --- calls ------------------------------------------------------------------------------------ */

static ipk_deadline with_grace(ipk_deadline deadline, bool waits)
{
	ipk_deadline grace;

	if (deadline.at_ns == INT64_MAX)
		return deadline;
	if (waits && deadline.at_ns > 0 && deadline.at_ns < INT64_MAX - GRACE_NS)
		return (ipk_deadline){IPK__MAX(deadline.at_ns, ipk__os_now_ns()) + GRACE_NS};
	grace = ipk_in_ns(GRACE_NS);
	return grace.at_ns > deadline.at_ns ? grace : deadline;
}

/* All of them, in one go. @count is CHUNK at most. The first error. */
static int run(struct ipk__native *n, struct ipk__pending *p, size_t count, ipk_deadline deadline)
{
	bool reads = false;
	int first = 0;
	int r = submit(n, p, count, deadline, &reads);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		int result;

		r = await(n, &p[i], deadline, reads && i == 0);
		result = r == 0 ? p[i].result : leave(n, &p[i], r);
		if (first == 0)
			first = result;
	}
	return first;
}

static bool take_kept(struct ipk__native *n, const struct ipk__call *call, int *ret_r)
{
	struct ipk__kept *k = NULL;

	pthread_mutex_lock(&n->lock);
	for (struct ipk__kept **at = &n->kept; *at; at = &(*at)->next)
		if (ipk__slice_equal((*at)->key, call->argv[1])) {
			k = *at;
			*ret_r = ipk__response_put(call->reply, k->whole);
			call->reply->epoch = k->epoch;
			if (*ret_r == 0) {
				*at = k->next;
				n->n_kept--;
				free(k);
			}
			break;
		}
	pthread_mutex_unlock(&n->lock);
	return k != NULL;
}

static int native_call(struct ipk__backend *b, const struct ipk__call *call, ipk_deadline deadline)
{
	struct ipk__native *n = native_of(b);
	struct ipk__pending p = {.call = call};
	int r;

	if (call->late == IPK__LATE_KEEP && n->n_kept > 0 && take_kept(n, call, &r))
		return r;
	return run(n, &p, 1, with_grace(deadline, (call->flags & IPK__CALL_WAITS) != 0));
}

static int native_call_many(struct ipk__backend *b, const struct ipk__call *calls, size_t n_calls,
			    ipk_deadline deadline)
{
	struct ipk__native *n = native_of(b);
	struct ipk__pending *p = ipk__os_malloc(CHUNK * sizeof *p);
	int r = p ? 0 : -ENOMEM;

	deadline = with_grace(deadline, false);
	for (size_t from = 0; from < n_calls && r == 0; from += CHUNK) {
		size_t count = IPK__MIN(n_calls - from, (size_t)CHUNK);

		memset(p, 0, count * sizeof p[0]);
		for (size_t i = 0; i < count; i++)
			p[i].call = &calls[from + i];
		r = run(n, p, count, deadline);
		if (r == -ETIMEDOUT && from > 0)
			r = -EINPROGRESS; /* the first ones are done */
	}
	free(p);
	return r;
}

/* --- transactions ----------------------------------------------------------------------------- */

static int native_watch_keys(struct ipk__backend *b, const struct ipk__slice *keys, size_t n_keys,
			     ipk_deadline deadline)
{
	struct ipk__slice *argv;
	struct ipk__response reply;
	int r;

	native_of(b)->watch_epoch = 0;
	if (n_keys == 0)
		return 0;
	argv = ipk__os_calloc(n_keys + 1, sizeof *argv);
	if (!argv)
		return -ENOMEM;
	argv[0] = IPK__ARG("WATCH");
	memcpy(argv + 1, keys, n_keys * sizeof *keys);
	ipk__response_init(&reply);
	r = native_call(b,
			&(struct ipk__call){
				.argv = argv,
				.argc = n_keys + 1,
				.flags = IPK__CALL_READ | IPK__CALL_NEEDS,
				.reply = &reply,
			},
			deadline);
	if (r == 0)
		r = ipk__response_refusal(&reply);
	if (r == 0)
		native_of(b)->watch_epoch = reply.epoch;
	ipk__response_fini(&reply);
	free(argv);
	return r == -EOWNERDEAD ? -ECANCELED : r;
}

static void native_unwatch(struct ipk__backend *b)
{
	struct ipk__slice argv[] = {IPK__ARG("UNWATCH")};
	struct ipk__response reply;

	ipk__response_init(&reply);
	(void)native_call(
		b,
		&(struct ipk__call){
			.argv = argv, .argc = 1, .flags = IPK__CALL_READ, .reply = &reply},
		ipk_now());
	ipk__response_fini(&reply);
}

/* EXEC's answer: one for each call. */
static int deal(const struct ipk__response *exec, const struct ipk__call *calls, size_t n)
{
	struct ipk__resp_value head, value;
	size_t at = 0;

	IPK_TRY(ipk__response_first(exec, &head));
	if (head.type == IPK__RESP_ERROR &&
	    strncmp(head.text.bytes, "ERR EXEC without", sizeof "ERR EXEC without" - 1) == 0)
		return -ECANCELED; /* asked again over another connection: it was not done */
	IPK_TRY(ipk__response_refusal(exec));
	if (head.type == IPK__RESP_NULL)
		return -ECANCELED;
	(void)ipk__resp_next(exec->whole, &at, &head);
	if (head.type != IPK__RESP_ARRAY || head.n != n)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		size_t from = at;

		if (ipk__resp_next(exec->whole, &at, &value) < 0 ||
		    ipk__resp_skip(exec->whole, &at, &value) < 0)
			return -EBADMSG;
		IPK_TRY(ipk__response_put(calls[i].reply,
					  IPK__SLICE(exec->whole.bytes + from, at - from)));
	}
	return 0;
}

/* What was queued is forgotten with the connection; EXEC alone is asked again. */
static int exec_with(struct ipk__native *n, const struct ipk__call *calls, size_t n_calls,
		     struct ipk__pending *p, struct ipk__call *own, struct ipk__response *replies,
		     ipk_deadline deadline)
{
	static const struct ipk__slice multi[] = {IPK__ARG("MULTI")};
	static const struct ipk__slice exec[] = {IPK__ARG("EXEC")};
	size_t last = n_calls + 1;
	int r;

	for (size_t i = 0; i <= last; i++) {
		ipk__response_init(&replies[i]);
		own[i] = (struct ipk__call){
			.argv = i == 0      ? multi
				: i == last ? exec
					    : calls[i - 1].argv,
			.argc = i == 0 || i == last ? 1 : calls[i - 1].argc,
			.flags = i == last ? 0 : IPK__CALL_READ | IPK__CALL_NEEDS,
			.epoch = n->watch_epoch,
			.reply = &replies[i],
		};
		p[i].call = &own[i];
	}
	r = run(n, p, last + 1, with_grace(deadline, false));
	if (r == -EOWNERDEAD && p[last].number == 0)
		r = -ECANCELED; /* what the keys were watched over is gone; nothing was sent */
	else if (r == -EOWNERDEAD && is_done(&p[last]))
		r = p[last].result;
	if (r == 0)
		r = deal(&replies[last], calls, n_calls);
	for (size_t i = 0; i <= last; i++)
		ipk__response_fini(&replies[i]);
	return r;
}

static int native_exec(struct ipk__backend *b, const struct ipk__call *calls, size_t n_calls,
		       ipk_deadline deadline)
{
	struct ipk__pending *p = ipk__os_calloc(n_calls + 2, sizeof *p);
	struct ipk__call *own = ipk__os_calloc(n_calls + 2, sizeof *own);
	struct ipk__response *replies = ipk__os_calloc(n_calls + 2, sizeof *replies);
	int r = -ENOMEM;

	if (p && own && replies)
		r = exec_with(native_of(b), calls, n_calls, p, own, replies, deadline);
	free(p);
	free(own);
	free(replies);
	return r;
}

/* --- reading in place ------------------------------------------------------------------------- */

/* Whoever takes it away leaves it mapped: see ipk__native_retire_view(). */
static struct ipk__view *native_view(struct ipk__backend *b, uint64_t *ret_generation)
{
	struct ipk__native *n = (struct ipk__native *)b;
	struct ipk__view *view = atomic_load_explicit(&n->view, memory_order_acquire);

	if (!view || n->pid != ipk__os_pid())
		return NULL;
	*ret_generation = atomic_load_explicit(&n->view_generation, memory_order_acquire);
	return view;
}

static uint32_t native_epoch(struct ipk__backend *b)
{
	return atomic_load(&native_of(b)->epoch);
}

/* --- from beginning to end -------------------------------------------------------------------- */

static void free_pendings(struct ipk__pendings *list)
{
	struct ipk__pending *p;

	while ((p = list->first)) {
		list->first = p->next;
		if (!p->call)
			free(p);
	}
	ipk__pendings_init(list);
}

static void native_close(struct ipk__backend *b)
{
	struct ipk__native *n = native_of(b);
	struct ipk__kept *k;

	ipk__native_unregister(n);
	ipk__native_retire_view(n);
	ipk__wire_close(&n->wire);
	while (n->n_old_views > 0)
		ipk__view_close(n->old_views[--n->n_old_views]);
	free(n->old_views);
	free_pendings(&n->sent);
	free_pendings(&n->waiting);
	free_pendings(&n->to_send);
	while ((k = n->kept)) {
		n->kept = k->next;
		free(k);
	}
	ipk__buffer_free(&n->out);
	memset(n->config.key, 0, sizeof n->config.key);
	pthread_mutex_destroy(&n->lock);
	free(n);
}

static const struct ipk__backend_ops native_ops = {
	.call = native_call,
	.call_many = native_call_many,
	.watch_keys = native_watch_keys,
	.exec = native_exec,
	.unwatch = native_unwatch,
	.epoch = native_epoch,
	.view = native_view,
	.watch_open = ipk__native_watch_open,
	.watch_fd = ipk__native_watch_fd,
	.watch_next = ipk__native_watch_next,
	.watch_close = ipk__native_watch_close,
	.close = native_close,
};

static int configure(const char *address, const ipk_manager_connect_opts *opts,
		     struct ipk__wire_config *c)
{
	IPK_TRY(ipk__address_parse(address, &c->address));
	IPK_TRY(ipk__address_absolute(&c->address)); /* it may have to connect again */
	c->no_local = opts->no_local || c->address.kind != IPK__ADDRESS_UNIX;
	if (opts->key_file)
		IPK_TRY(ipk__auth_key_from_file(opts->key_file, c->key, &c->key_bytes));
	if (opts->key) {
		c->key_bytes = opts->key_bytes > 0 ? opts->key_bytes : strlen(opts->key);
		if (c->key_bytes > sizeof c->key)
			return ipk__invalid("IPK_MANAGER_CONNECT(.key_bytes): too long");
		memcpy(c->key, opts->key, c->key_bytes);
	}
	if (opts->label) {
		if (strlen(opts->label) >= sizeof c->label || ipk__name_check(opts->label) < 0)
			return ipk__invalid(
				"IPK_MANAGER_CONNECT(.label): too long, or not " IPK__NAME_RULE);
		strcpy(c->label, opts->label);
	}
	return 0;
}

static int start(struct ipk__native *n, const char *address, const ipk_manager_connect_opts *opts,
		 ipk_deadline deadline)
{
	IPK_TRY(configure(address, opts, &n->config));
	n->reconnect_ms = opts->reconnect_ms == 0 ? 5000 : IPK__MAX(opts->reconnect_ms, 0);
	IPK_TRY(ipk__native_new_session(n));
	IPK_TRY(ipk__native_register(n));
	return ipk__native_connect_first(n, deadline);
}

int ipk__native_connect(const char *address, const ipk_manager_connect_opts *opts,
			ipk_deadline deadline, struct ipk__backend **ret_backend)
{
	struct ipk__native *n = ipk__os_calloc(1, sizeof *n);
	int r;

	if (!n)
		return -ENOMEM;
	n->base.ops = &native_ops;
	n->pid = ipk__os_pid();
	pthread_mutex_init(&n->lock, NULL);
	ipk__pendings_init(&n->sent);
	ipk__pendings_init(&n->waiting);
	ipk__pendings_init(&n->to_send);
	ipk__wire_init(&n->wire);
	ipk__wire_init(&n->fresh);
	r = start(n, address, opts, with_grace(deadline, false));
	if (r < 0) {
		native_close(&n->base);
		return r;
	}
	*ret_backend = &n->base;
	return 0;
}
