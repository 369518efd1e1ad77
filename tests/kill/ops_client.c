/*
 * ops_client.c - a manager's client, killed inside each of its calls.
 *
 * Each trial has its own server process; the survivor is another client. After the victim's death
 * the server still serves, what the victim held is released, what was acknowledged to it is done,
 * what it took and did not finish is redelivered, and its connection is closed.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "participants.h"
#include "ipk/manager.h"
#include "ipk/manager_batch.h"
#include "ipk/manager_dict.h"
#include "ipk/manager_list.h"
#include "ipk/manager_queue.h"
#include "ipk/manager_sync.h"
#include "server/server.h"

enum call {
	CONNECT,
	DICT_SET,
	DICT_GET,
	DICT_CAS,
	LIST_APPEND,
	LIST_GET,
	TRANSACT,
	LOCK,
	LOCK_WAIT,
	UNLOCK,
	SEMAPHORE,
	COND_WAIT,
	COND_NOTIFY,
	EVENT_SET,
	EVENT_WAIT,
	BARRIER,
	QUEUE_PUT,
	QUEUE_GET,
	QUEUE_DONE,
	N_CALLS,
};

static const char *const call_names[N_CALLS] = {
	"connect",   "dict_set",  "dict_get",    "dict_cas",  "list_append",
	"list_get",  "transact",  "lock",        "lock_wait", "unlock",
	"semaphore", "cond_wait", "cond_notify", "event_set", "event_wait",
	"barrier",   "queue_put", "queue_get",   "queue_done"};

static struct {
	char directory[64];
	char address[112];
	pid_t server;
	ipk_manager *m; /* of the harness: it prepares, and holds what the victim waits for */
	ipk_managed_lock *held;
} world;

/* What the victim has, or a survivor. */
struct hands {
	ipk_manager *m;
	ipk_dict *d;
	ipk_list *l;
	ipk_managed_lock *lock;
	ipk_managed_semaphore *semaphore;
	ipk_managed_cond *cond;
	ipk_managed_event *event;
	ipk_managed_barrier *barrier;
	ipk_managed_queue *queue;
};

static struct hands victim;

static ipk_deadline soon(void)
{
	return ipk_in_ms(CALL_MS);
}

/* Everything there is, made when it is not there. */
static int open_all(struct hands *h)
{
	IPK_TRY(ipk_manager_connect(world.address, NULL, soon(), &h->m));
	IPK_TRY(ipk_dict_open(h->m, "d", &h->d));
	IPK_TRY(ipk_list_open(h->m, "l", &h->l));
	IPK_TRY(ipk_managed_lock_open(h->m, "lock", NULL, soon(), &h->lock));
	IPK_TRY(ipk_managed_semaphore_open(h->m, "semaphore",
					   IPK_MANAGED_SEMAPHORE(.value = 1, .max = 1), soon(),
					   &h->semaphore));
	IPK_TRY(ipk_managed_cond_open(h->m, "cond", IPK_MANAGED_COND(.lock_name = "lock"), soon(),
				      &h->cond));
	IPK_TRY(ipk_managed_event_open(h->m, "event", soon(), &h->event));
	IPK_TRY(ipk_managed_barrier_open(h->m, "barrier", IPK_MANAGED_BARRIER(.n_parties = 2),
					 soon(), &h->barrier));
	return ipk_managed_queue_open(h->m, "queue", IPK_MANAGED_QUEUE(.is_joinable = true), soon(),
				      &h->queue);
}

/* --- the fixture ------------------------------------------------------------------------------ */

static void serve(int ready_fd)
{
	struct ipk__server_config config = {.address = world.address};
	struct ipk__server *server;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (ipk__server_create(&config, &server) < 0 || write(ready_fd, "", 1) != 1)
		_exit(1);
	ipk__server_run(server, -1);
	_exit(0);
}

static int start_server(void)
{
	int fds[2];
	char byte;
	int r = pipe(fds) < 0 ? -errno : 0;

	if (r < 0)
		return r;
	world.server = fork();
	if (world.server == 0)
		serve(fds[1]);
	close(fds[1]);
	r = world.server > 0 && read(fds[0], &byte, 1) == 1 ? 0 : -ECONNREFUSED;
	close(fds[0]);
	return r;
}

static int prepare(struct fixture *s)
{
	struct hands h = {0};
	int r = open_all(&h);

	world.m = h.m;
	if (r == 0)
		r = ipk_dict_set(h.d, ipk_text("f"), "old", 3, soon());
	if (r == 0)
		r = ipk_list_append(h.l, "first", 5, soon());
	if (r == 0 && (s->op->variant == QUEUE_GET || s->op->variant == QUEUE_DONE))
		r = ipk_managed_queue_put(h.queue, "item", 4, soon());
	if (r == 0 && s->op->variant == LOCK_WAIT)
		r = ipk_managed_lock_lock(h.lock, soon());
	return r;
}

static int make(struct fixture *s)
{
	int r;

	strcpy(world.directory, "/tmp/ipk-prove-XXXXXX");
	if (!mkdtemp(world.directory))
		return -errno;
	snprintf(world.address, sizeof world.address, "unix:%s/s", world.directory);
	r = start_server();
	return r < 0 ? r : prepare(s);
}

static void unmake(struct fixture *s)
{
	char path[128];

	(void)s;
	world.m = ipk_manager_close(world.m);
	if (world.server > 0) {
		kill(world.server, SIGKILL);
		waitpid(world.server, NULL, 0);
	}
	world.server = 0;
	snprintf(path, sizeof path, "%s/s", world.directory);
	unlink(path);
	rmdir(world.directory);
}

/* --- the victim ------------------------------------------------------------------------------- */

static void must(struct fixture *s, const char *what, int r)
{
	if (r < 0)
		history_fault(s->history, &s->history->faults.wrong, "before: %s is %d", what, r);
}

static void ready(struct fixture *s)
{
	void *item;
	size_t n;

	if (s->op->variant == CONNECT)
		return;
	must(s, "open", open_all(&victim));
	switch (s->op->variant) {
	case UNLOCK:
	case COND_WAIT:
	case COND_NOTIFY:
		must(s, "lock", ipk_managed_lock_lock(victim.lock, soon()));
		break;
	case QUEUE_DONE:
		must(s, "get", ipk_managed_queue_get_alloc(victim.queue, soon(), &item, &n));
		break;
	default:
		break;
	}
}

static int add_to_both(ipk_batch *batch, void *arg)
{
	(void)arg;
	IPK_TRY(ipk_batch_dict_set(batch, victim.d, ipk_text("f"), "new", 3));
	return ipk_batch_list_append(batch, victim.l, "second", 6);
}

static int transact(void)
{
	static const char *const names[] = {"d"};

	return ipk_manager_transact(victim.m, names, 1, add_to_both, NULL, soon());
}

static int act_on_objects(struct fixture *s)
{
	ipk_bytes old_item = {.data = "old", .len_bytes = 3};
	ipk_bytes new_item = {.data = "new", .len_bytes = 3};
	char value[16];
	size_t n;
	bool is_done;

	switch (s->op->variant) {
	case CONNECT:
		return ipk_manager_connect(world.address, NULL, soon(), &victim.m);
	case DICT_SET:
		return ipk_dict_set(victim.d, ipk_text("f"), "new", 3, soon());
	case DICT_GET:
		return ipk_dict_get(victim.d, ipk_text("f"), value, sizeof value, soon(), &n);
	case DICT_CAS:
		return ipk_dict_cas(victim.d, ipk_text("f"), &old_item, &new_item, soon(),
				    &is_done);
	case LIST_APPEND:
		return ipk_list_append(victim.l, "second", 6, soon());
	case LIST_GET:
		return ipk_list_get(victim.l, 0, value, sizeof value, soon(), &n);
	default:
		return transact();
	}
}

static int act(struct fixture *s)
{
	unsigned index;
	void *item;
	size_t n;

	switch (s->op->variant) {
	case LOCK:
	case LOCK_WAIT:
		return ipk_managed_lock_lock(victim.lock, s->deadline);
	case UNLOCK:
		return ipk_managed_lock_unlock(victim.lock, soon());
	case SEMAPHORE:
		return ipk_managed_semaphore_acquire(victim.semaphore, soon());
	case COND_WAIT:
		return ipk_managed_cond_wait(victim.cond, s->deadline);
	case COND_NOTIFY:
		return ipk_managed_cond_notify(victim.cond, 1, soon());
	case EVENT_SET:
		return ipk_managed_event_set(victim.event, soon());
	case EVENT_WAIT:
		return ipk_managed_event_wait(victim.event, s->deadline);
	case BARRIER:
		return ipk_managed_barrier_wait(victim.barrier, s->deadline, &index);
	case QUEUE_PUT:
		return ipk_managed_queue_put(victim.queue, "item", 4, soon());
	case QUEUE_GET:
		return ipk_managed_queue_get_alloc(victim.queue, soon(), &item, &n);
	case QUEUE_DONE:
		return ipk_managed_queue_task_done(victim.queue, 1, soon());
	default:
		return act_on_objects(s);
	}
}

/* --- the survivor ----------------------------------------------------------------------------- */

static bool was_done(const struct fixture *s)
{
	return atomic_load(&s->history->is_done) && s->history->result == 0;
}

/* The field is old or new, and the list has one item or two; both or none in a transaction. */
static void check_data(struct fixture *s, struct hands *h)
{
	struct history *l = s->history;
	char value[16];
	uint64_t len = 0;
	size_t n = 0;
	bool is_new;

	expect(s, "get", ipk_dict_get(h->d, ipk_text("f"), value, sizeof value, soon(), &n), 0);
	expect(s, "len", ipk_list_len(h->l, soon(), &len), 0);
	is_new = n == 3 && memcmp(value, "new", 3) == 0;
	if (!is_new && (n != 3 || memcmp(value, "old", 3) != 0))
		history_fault(l, &l->faults.torn, "the value is %.*s", (int)n, value);
	if (s->op->variant == TRANSACT && is_new != (len == 2))
		history_fault(l, &l->faults.torn, "half of a transaction");
	if (len > 2)
		history_fault(l, &l->faults.dup, "%d items", (int)len);
	if (was_done(s) &&
	    (((s->op->variant == DICT_SET || s->op->variant == DICT_CAS) && !is_new) ||
	     (s->op->variant == LIST_APPEND && len != 2)))
		history_fault(l, &l->faults.lost, "what was acknowledged");
}

/* What can be held is free, or becomes it when the server sees the death. */
static void check_locks(struct fixture *s, struct hands *h)
{
	if (s->op->variant == LOCK_WAIT)
		return; /* the harness has it */
	if (expect(s, "lock", ipk_managed_lock_lock(h->lock, soon()), 0)) {
		expect(s, "notify", ipk_managed_cond_notify(h->cond, 1, soon()), 0);
		expect(s, "unlock", ipk_managed_lock_unlock(h->lock, soon()), 0);
	}
	if (expect(s, "acquire", ipk_managed_semaphore_acquire(h->semaphore, soon()), 0))
		expect(s, "release", ipk_managed_semaphore_release(h->semaphore, 1, soon()), 0);
}

static void check_events(struct fixture *s, struct hands *h)
{
	bool is_set = false;

	expect(s, "is_set", ipk_managed_event_is_set(h->event, soon(), &is_set), 0);
	if (s->op->variant == EVENT_SET && was_done(s) && !is_set)
		history_fault(s->history, &s->history->faults.lost, "the event is not set");
	expect(s, "set", ipk_managed_event_set(h->event, soon()), 0);
	expect(s, "wait", ipk_managed_event_wait(h->event, soon()), 0);
}

/* Whoever died at it broke it; then it is as new. */
static void check_barrier(struct fixture *s, struct hands *h)
{
	uint32_t n_parties, n_waiting = 1;
	bool is_broken;

	expect(s, "reset", ipk_managed_barrier_reset(h->barrier, soon()), 0);
	for (int i = 0; i < CALL_MS && n_waiting > 0; i++) {
		if (!expect(s, "info",
			    ipk_managed_barrier_info(h->barrier, soon(), &n_parties, &n_waiting,
						     &is_broken),
			    0))
			return;
		if (n_waiting > 0)
			poll(NULL, 0, 1);
	}
	if (n_waiting > 0)
		history_fault(s->history, &s->history->faults.hang, "a dead party waits");
}

/* An item that was got and not done comes back; one that was put is there, once. */
static void check_queue(struct fixture *s, struct hands *h)
{
	struct history *l = s->history;
	bool may_be_gone = s->op->variant == QUEUE_DONE || s->op->variant == QUEUE_PUT;
	bool must_be_there =
		s->op->variant == QUEUE_GET || (s->op->variant == QUEUE_PUT && was_done(s));
	void *item = NULL;
	size_t n;
	int r;

	if (!may_be_gone && !must_be_there)
		return;
	r = ipk_managed_queue_get_alloc(h->queue, must_be_there ? soon() : ipk_in_ms(MEET_MS),
					&item, &n);
	if (r == -ETIMEDOUT && must_be_there)
		history_fault(l, &l->faults.lost, "the item");
	else if (r == 0)
		expect(s, "done", ipk_managed_queue_task_done(h->queue, 1, soon()), 0);
	else if (r != -ETIMEDOUT)
		expect(s, "get", r, 0);
	free(item);
	if (r == 0 && ipk_managed_queue_get_alloc(h->queue, ipk_now(), &item, &n) == 0)
		history_fault(l, &l->faults.dup, "the item came twice");
	if (!(s->op->variant == QUEUE_DONE))
		expect(s, "join", ipk_managed_queue_join(h->queue, soon()), 0);
}

static void check_client(struct fixture *s)
{
	struct hands h = {0};

	/* Its handles are copies of the victim's or the harness's: a fork, which they notice. */
	if (!expect(s, "open", open_all(&h), 0))
		return;
	expect(s, "ping", ipk_manager_ping(h.m, soon()), 0);
	check_data(s, &h);
	check_locks(s, &h);
	check_events(s, &h);
	check_barrier(s, &h);
	check_queue(s, &h);
}

/* --- the rows --------------------------------------------------------------------------------- */

void ops_client(struct op_list *list)
{
	struct op op = {.name = "manager_client",
			.state = ONE,
			.make = make,
			.ready = ready,
			.act = act,
			.check = check_client,
			.unmake = unmake};

	for (int i = 0; i < N_CALLS; i++) {
		op.kind = call_names[i];
		op.variant = i;
		op.may_wait = i == LOCK_WAIT || i == COND_WAIT || i == EVENT_WAIT || i == BARRIER;
		op.state = op.may_wait ? TAKEN : ONE;
		op.is_minor = i != DICT_SET && i != LOCK && i != QUEUE_GET;
		op_add(list, &op);
	}
}
