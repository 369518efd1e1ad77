/*
 * native_reconnect.c - reconnecting: after a restart of the server, after a fork.
 *
 * Invariant: a request that was written with a number is written again with that number or not at
 * all, so the server, which remembers numbers, executes nothing twice. A request bound to the old
 * connection (waiting for a lock) is repeated under a new number; one that needs something the old
 * connection held fails.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "native/native.h"
#include "os/os.h"

#define PAUSE_MIN_NS 1000000
#define PAUSE_MAX_NS 50000000
#define READ_TRIES 10
#define ATTEMPT_NS 1000000000 /* a server that takes a connection answers within it, or not */

/* --- forks ------------------------------------------------------------------------------------ */

static struct ipk__os_guard of_process_guard;
static struct ipk__native *of_process;

static void before_fork(void)
{
	ipk__os_guard_before_fork(&of_process_guard);
}

static void after_fork(void)
{
	ipk__os_guard_after_fork(&of_process_guard);
}

/*
 * The child closes its copy of the socket at once: otherwise the server would not detect the
 * parent's death while the child lives.
 */
static void after_fork_in_child(void)
{
	for (struct ipk__native *n = of_process; n; n = n->next_of_process) {
		ipk__os_close(n->wire.fd);
		ipk__os_close(n->fresh.fd);
		n->wire.fd = n->fresh.fd = -1;
		n->pid = 0;
	}
	ipk__os_guard_in_child(&of_process_guard);
}

__attribute__((constructor(102))) static void watch_forks(void)
{
	(void)pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

int ipk__native_register(struct ipk__native *n)
{
	ipk__os_guard_lock(&of_process_guard);
	n->next_of_process = of_process;
	of_process = n;
	ipk__os_guard_unlock(&of_process_guard);
	return 0;
}

void ipk__native_unregister(struct ipk__native *n)
{
	ipk__os_guard_lock(&of_process_guard);
	for (struct ipk__native **at = &of_process; *at; at = &(*at)->next_of_process)
		if (*at == n) {
			*at = n->next_of_process;
			break;
		}
	ipk__os_guard_unlock(&of_process_guard);
}

int ipk__native_new_session(struct ipk__native *n)
{
	unsigned char random[IPK__SESSION_ID_BYTES / 2];

	IPK_TRY(ipk__os_random(random, sizeof random));
	ipk__auth_to_hex(random, sizeof random, n->session);
	n->next_number = 1;
	n->is_broken = true;
	n->epoch++;
	return 0;
}

/*
 * Only one thread exists in the child, and state that other threads held or were changing is
 * unusable: the locks are reinitialized, the parent's requests are dropped, its buffers are left
 * alone.
 */
void ipk__native_in_child(struct ipk__native *n)
{
	ipk__os_guard_lock(&of_process_guard);
	if (n->pid != ipk__os_pid()) {
		n->send_lock.state = 0;
		pthread_mutex_init(&n->lock, NULL);
		ipk__pendings_init(&n->sent);
		ipk__pendings_init(&n->waiting);
		ipk__pendings_init(&n->to_send);
		n->out = (struct ipk__buffer){0};
		n->wire.in = (struct ipk__buffer){0};
		n->kept = NULL;
		n->n_kept = 0;
		n->is_read = n->is_gone = false;
		ipk__native_retire_view(n);
		n->fresh.in = (struct ipk__buffer){0};
		ipk__wire_close(&n->wire);
		ipk__wire_close(&n->fresh);
		(void)ipk__native_new_session(n);
		n->broken_ns = ipk__os_now_ns();
		n->pid = ipk__os_pid();
	}
	ipk__os_guard_unlock(&of_process_guard);
}

/* --- the view --------------------------------------------------------------------------------- */

/*
 * Readers are not counted, which would cost more than reading: so it is unknown when the last
 * reader has left. What they read turns into zeros, and stays mapped to the end.
 */
void ipk__native_retire_view(struct ipk__native *n)
{
	struct ipk__view *old = atomic_exchange(&n->view, NULL);

	if (!old)
		return;
	ipk__view_blind(old);
	n->old_views[n->n_old_views++] = old;
}

static void show_view(struct ipk__native *n)
{
	struct ipk__view **room;

	if (!n->wire.view)
		return;
	/* Its entry among the old views, reserved for later. Without memory the server is asked. */
	room = ipk__os_realloc(n->old_views, (n->n_old_views + 1) * sizeof(struct ipk__view *));
	if (!room) {
		ipk__view_close(n->wire.view);
		n->wire.view = NULL;
		return;
	}
	n->old_views = room;
	atomic_fetch_add(&n->view_generation, 1);
	atomic_store(&n->view, n->wire.view);
	n->wire.view = NULL;
}

/* --- what is not answered --------------------------------------------------------------------- */

static void add_in_order(struct ipk__pendings *list, struct ipk__pending *p)
{
	struct ipk__pending **at = &list->first;

	while (*at && (*at)->number < p->number)
		at = &(*at)->next;
	p->next = *at;
	*at = p;
	if (!p->next)
		list->end = &p->next;
}

/* A read over which connection after connection ends is not asked for ever. */
static bool is_what_ends_them(struct ipk__pending *p)
{
	unsigned flags = p->call->flags & (IPK__CALL_READ | IPK__CALL_WAITS);

	p->n_lost += p->is_under_way;
	p->is_under_way = false;
	return flags == IPK__CALL_READ && p->n_lost >= READ_TRIES;
}

/* What must be sent again, in order; those that get new numbers at the end. Under lock. */
static void collect(struct ipk__native *n, struct ipk__pendings *ret_again)
{
	struct ipk__pendings *lists[] = {&n->sent, &n->waiting};
	struct ipk__pendings anew;
	struct ipk__pending *p;

	ipk__pendings_init(ret_again);
	ipk__pendings_init(&anew);
	for (size_t i = 0; i < IPK__N_OF(lists); i++)
		while ((p = lists[i]->first)) {
			(void)ipk__pendings_remove(lists[i], p);
			p->ticket = 0;
			if (!p->call)
				free(p);
			else if (p->call->flags & IPK__CALL_NEEDS)
				ipk__pending_done(n, p, IPK__SLICE(NULL, 0), -EOWNERDEAD);
			else if (is_what_ends_them(p))
				ipk__pending_done(n, p, IPK__SLICE(NULL, 0), -EPIPE);
			else if (p->call->flags & (IPK__CALL_BOUND | IPK__CALL_READ))
				ipk__pendings_add(&anew, p);
			else
				add_in_order(ret_again, p);
		}
	while ((p = n->to_send.first)) {
		(void)ipk__pendings_remove(&n->to_send, p);
		free(p);
	}
	while ((p = anew.first)) {
		(void)ipk__pendings_remove(&anew, p);
		p->number = n->next_number++;
		ipk__pendings_add(ret_again, p);
	}
}

/* "The numbers continue from this one." */
static void encode_session(struct ipk__native *n, uint64_t number)
{
	struct ipk__number room;
	struct ipk__slice argv[] = {
		IPK__ARG("IPK.SESSION"),
		IPK__SLICE(n->session, sizeof n->session),
		ipk__number_arg(&room, (int64_t)number),
	};

	ipk__resp_request(&n->out, argv, IPK__N_OF(argv));
}

static int send_and_check(struct ipk__native *n, struct ipk__wire *w, ipk_deadline deadline)
{
	struct ipk__slice value;

	if (n->out.failed)
		return -ENOMEM;
	IPK_TRY(ipk__wire_send(w, ipk__buffer_front(&n->out), ipk__buffer_len(&n->out), deadline,
			       NULL));
	IPK_TRY(ipk__wire_value(w, deadline, &value));
	if (value.bytes[0] == IPK__RESP_ERROR)
		return ipk__refusal(IPK__SLICE(value.bytes + 1, value.n_bytes - 3));
	ipk__wire_release(w);
	return 0;
}

/* At a gap in the numbers the server is informed; its reply is discarded. */
static int jump(struct ipk__native *n, struct ipk__pending **at, uint64_t number)
{
	struct ipk__pending *p = ipk__pending_make(0, NULL, IPK__LATE_DROP);

	if (!p)
		return -ENOMEM;
	encode_session(n, number);
	p->was_sent = true;
	p->number = number; /* sorts before the request it is for */
	p->next = *at;
	*at = p;
	if (!p->next)
		n->sent.end = &p->next;
	return 0;
}

/* All requests in n->sent, as one message. Under lock. */
static int encode_again(struct ipk__native *n, uint64_t next)
{
	struct ipk__pending **at = &n->sent.first;
	struct ipk__pending *p;

	while ((p = *at)) {
		if (p->number != next)
			IPK_TRY(jump(n, at, p->number));
		ipk__pending_encode(n, p);
		p->was_sent = p->is_under_way = true;
		next = p->number + 1;
		at = &p->next;
	}
	return next == n->next_number ? 0 : jump(n, at, n->next_number);
}

static int send_again(struct ipk__native *n, struct ipk__wire *w, ipk_deadline deadline)
{
	uint64_t first;
	int r;

	pthread_mutex_lock(&n->lock);
	first = n->sent.first ? n->sent.first->number : n->next_number;
	pthread_mutex_unlock(&n->lock);
	ipk__buffer_clear(&n->out);
	encode_session(n, first);
	IPK_TRY(send_and_check(n, w, deadline));

	ipk__buffer_clear(&n->out);
	pthread_mutex_lock(&n->lock);
	r = encode_again(n, first);
	pthread_mutex_unlock(&n->lock);
	if (r < 0 || n->out.failed)
		return -ENOMEM;
	if (ipk__buffer_len(&n->out) == 0)
		return 0;
	return ipk__wire_send(w, ipk__buffer_front(&n->out), ipk__buffer_len(&n->out), deadline,
			      NULL);
}

/* --- connecting ------------------------------------------------------------------------------- */

/*
 * No fork in between: its child would close the number of an fd that is closed already, and
 * perhaps another's by now.
 */
static void close_wire(struct ipk__wire *w)
{
	ipk__os_guard_lock(&of_process_guard);
	ipk__wire_close(w);
	ipk__os_guard_unlock(&of_process_guard);
}

static void take_fresh(struct ipk__native *n)
{
	ipk__os_guard_lock(&of_process_guard);
	n->wire = n->fresh;
	ipk__wire_init(&n->fresh);
	show_view(n);
	ipk__os_guard_unlock(&of_process_guard);
}

/* One attempt, under send_lock, by the thread that reads; n->wire is closed. */
static int attempt(struct ipk__native *n, ipk_deadline deadline)
{
	struct ipk__wire *w = &n->fresh;
	int r = ipk__wire_open(&n->config, deadline, w);

	if (r == 0 && !n->config.no_local)
		r = ipk__wire_go_local(w, deadline);
	if (r == 0)
		r = send_again(n, w, deadline);
	if (r < 0) {
		ipk__view_close(w->view);
		close_wire(w);
		return r;
	}
	pthread_mutex_lock(&n->lock);
	take_fresh(n);
	n->is_broken = n->is_gone = false;
	pthread_mutex_unlock(&n->lock);
	return 0;
}

/* What the old connection was for is not for the new one. */
static void forget_old(struct ipk__native *n)
{
	struct ipk__pendings again;

	ipk__native_retire_view(n);
	close_wire(&n->wire);
	pthread_mutex_lock(&n->lock);
	n->epoch++;
	collect(n, &again);
	n->sent = again;
	if (!again.first)
		ipk__pendings_init(&n->sent);
	pthread_mutex_unlock(&n->lock);
}

/* Nobody will come back: a path whose directory is not there any more. */
static bool is_gone_for_good(const struct ipk__native *n)
{
	char directory[IPK__ADDRESS_PATH_MAX + 1];
	char *slash;

	if (n->config.address.kind != IPK__ADDRESS_UNIX)
		return false;
	strcpy(directory, n->config.address.path);
	slash = strrchr(directory, '/');
	if (!slash || slash == directory)
		return false;
	*slash = '\0';
	return ipk__os_directory_is_private(directory) == -ENOENT;
}

static bool may_come_back(int r)
{
	return r == -ENOENT || r == -ECONNREFUSED || r == -EPIPE || r == -ETIMEDOUT ||
	       r == -ECONNRESET || r == -EHOSTUNREACH || r == -EPROTO || r == -EBADMSG;
}

/* Reconnecting has failed: all waiting calls fail. */
static void give_up(struct ipk__native *n)
{
	struct ipk__pendings *lists[] = {&n->sent, &n->waiting};
	struct ipk__pending *p;

	pthread_mutex_lock(&n->lock);
	n->is_gone = true;
	for (size_t i = 0; i < IPK__N_OF(lists); i++)
		while ((p = lists[i]->first)) {
			(void)ipk__pendings_remove(lists[i], p);
			ipk__pending_done(n, p, IPK__SLICE(NULL, 0), -EPIPE);
		}
	pthread_mutex_unlock(&n->lock);
}

static ipk_deadline sooner(ipk_deadline a, ipk_deadline b)
{
	return a.at_ns < b.at_ns ? a : b;
}

static int try_until(struct ipk__native *n, ipk_deadline deadline)
{
	static _Atomic uint32_t never;
	ipk_deadline over = {ipk__later_ns(n->broken_ns, ipk__ms_to_ns(n->reconnect_ms))};
	int64_t pause_ns = PAUSE_MIN_NS;
	int r;

	for (;;) {
		forget_old(n);
		r = attempt(n, sooner(deadline, ipk_in_ns(ATTEMPT_NS)));
		if (r == 0 || !may_come_back(r))
			return r;
		if (n->is_gone || ipk__os_now_ns() >= over.at_ns || is_gone_for_good(n)) {
			give_up(n);
			return -EPIPE;
		}
		if (ipk_deadline_left_ns(deadline) == 0)
			return -ETIMEDOUT;
		(void)ipk__os_futex_wait(&never, 0,
					 sooner(deadline, sooner(over, ipk_in_ns(pause_ns))));
		pause_ns = IPK__MIN(pause_ns * 2, (int64_t)PAUSE_MAX_NS);
	}
}

int ipk__native_reconnect(struct ipk__native *n, ipk_deadline deadline)
{
	int r;

	IPK_TRY(ipk__timed_mutex_lock(&n->send_lock, deadline));
	r = try_until(n, deadline);
	ipk__timed_mutex_unlock(&n->send_lock);
	return r;
}

int ipk__native_connect_first(struct ipk__native *n, ipk_deadline deadline)
{
	int r = ipk__timed_mutex_lock(&n->send_lock, deadline);

	if (r == 0) {
		r = attempt(n, deadline);
		ipk__timed_mutex_unlock(&n->send_lock);
	}
	return r;
}
