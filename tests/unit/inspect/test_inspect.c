/*
 * test_inspect.c - snapshots of objects created here and in children: all are found, with the
 * correct numbers, users, waiters and holders, and inspecting changes nothing.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inspect/inspect_internal.h"
#include "queue/queue_internal.h"
#include "support/support.h"

static ipk_inspect *scan(const char *match)
{
	ipk_inspect *snap = NULL;

	ck_ok(ipk_inspect_scan(IPK_INSPECT(.match = match), &snap));
	ck_assert_ptr_nonnull(snap);
	return snap;
}

/* The one object called @name; lives in @snap. */
static const ipk_inspect_object *only(const ipk_inspect *snap)
{
	ck_assert_uint_eq(ipk_inspect_len(snap), 1);
	return ipk_inspect_object_at(snap, 0);
}

static ipk_deadline soon(void)
{
	return ipk_in_ms(WAIT_MS);
}

static ipk_queue *make_queue(ipk_queue_opts *opts)
{
	ipk_queue *q = NULL;

	opts->struct_size = sizeof(*opts);
	ck_ok(ipk_queue_create(opts, &q));
	return q;
}

/* --- numbers ---------------------------------------------------------------------------------- */

START_TEST(anonymous_queue_is_found)
{
	char label[UNIQUE_NAME_BYTES];
	ipk_inspect *snap;
	const ipk_inspect_object *o;
	const ipk_inspect_channel *channel;
	ipk_queue *q;
	char buf[16];

	unique_name(label, "fifo");
	q = make_queue(&(ipk_queue_opts){.label = label, .max_items = 10, .max_bytes = 1000});
	for (int i = 0; i < 3; i++)
		ck_ok(ipk_queue_put(q, "hello", 5, soon()));
	ck_ok(ipk_queue_get(q, buf, sizeof(buf), soon(), NULL));
	snap = scan(label);
	o = only(snap);
	ck_assert_int_eq(o->error, 0);
	ck_assert_int_eq(o->kind, IPK_INSPECT_QUEUE);
	ck_assert_int_eq(o->queue_kind, IPK_QUEUE_FIFO);
	ck_assert_str_eq(o->name, label);
	ck_assert(!o->is_named && !o->is_unlinked && !o->is_foreign && !o->needs_repair);
	ck_assert_uint_eq(o->uid, geteuid());
	ck_assert_uint_eq(o->creator_pid, (uint32_t)getpid());
	ck_assert_str_ne(o->creator, "");
	ck_assert_int_ge(o->age_ns, 0);
	ck_assert_uint_gt(o->memory_bytes, 512 * 1024);
	ck_assert_uint_eq(o->max_items, 10);
	ck_assert_uint_eq(o->max_bytes, 1000);
	ck_assert_uint_eq(o->n_unfinished, 3);
	ck_assert_uint_eq(o->n_channels, 1);
	ck_assert_uint_eq(o->n_waiters + o->n_holders + o->n_leased + o->shutdown, 0);
	channel = ipk_inspect_channel_at(o, 0);
	ck_assert_uint_eq(channel->n_items, 2);
	ck_assert_uint_eq(channel->message_bytes, 10);
	ck_assert_uint_eq(channel->used_bytes, 2 * 16);
	ck_assert_uint_eq(channel->n_put, 3);
	ck_assert_uint_eq(channel->n_got, 1);
	ipk_inspect_close(snap);
	ipk_queue_close(q);
}
END_TEST

static const ipk_queue_kind table_kinds[] = {IPK_QUEUE_LIFO, IPK_QUEUE_PRIORITY};

START_TEST(queue_without_ring_is_found)
{
	char label[UNIQUE_NAME_BYTES];
	const ipk_inspect_channel *channel;
	const ipk_inspect_object *o;
	ipk_inspect *snap;
	ipk_queue *q;
	char buf[200] = "";

	unique_name(label, "table");
	q = make_queue(&(ipk_queue_opts){.label = label, .kind = table_kinds[_i]});
	for (int i = 0; i < 4; i++)
		ck_ok(ipk_queue_put(q, buf, sizeof(buf), soon()));
	ck_ok(ipk_queue_get(q, buf, sizeof(buf), soon(), NULL));
	snap = scan(label);
	o = only(snap);
	ck_assert_int_eq(o->queue_kind, table_kinds[_i]);
	channel = ipk_inspect_channel_at(o, 0);
	ck_assert_uint_eq(channel->n_items, 3);
	ck_assert_uint_eq(channel->n_put, 4);
	ck_assert_uint_eq(channel->n_got, 1);
	ck_assert_uint_eq(channel->used_bytes, 3 * 2 * IPK__BLOCK_BYTES);
	ck_assert_uint_eq(channel->message_bytes, 3 * sizeof(buf));
	ipk_inspect_close(snap);
	ipk_queue_close(q);
}
END_TEST

START_TEST(pipe_has_two_channels)
{
	char label[UNIQUE_NAME_BYTES];
	ipk_pipe *a = NULL, *b = NULL;
	const ipk_inspect_object *o;
	ipk_inspect *snap;
	char buf[16];

	unique_name(label, "pipe");
	ck_ok(ipk_pipe_create(IPK_PIPE(.label = label, .max_message_bytes = 77), &a, &b));
	for (int i = 0; i < 3; i++)
		ck_ok(ipk_pipe_send(a, "x", 1, soon()));
	ck_ok(ipk_pipe_send(b, "x", 1, soon()));
	ck_ok(ipk_pipe_recv(b, buf, sizeof(buf), soon(), NULL));
	snap = scan(label);
	o = only(snap);
	ck_assert_int_eq(o->kind, IPK_INSPECT_PIPE);
	ck_assert_uint_eq(o->n_channels, 2);
	ck_assert_uint_eq(o->max_message_bytes, 77);
	ck_assert_uint_eq(ipk_inspect_channel_at(o, 0)->n_items, 2);
	ck_assert_uint_eq(ipk_inspect_channel_at(o, 0)->n_put, 3);
	ck_assert_uint_eq(ipk_inspect_channel_at(o, 0)->n_got, 1);
	ck_assert_uint_eq(ipk_inspect_channel_at(o, 1)->n_items, 1);
	ck_assert_uint_eq(ipk_inspect_channel_at(o, 1)->n_got, 0);
	ck_assert(ipk_inspect_channel_at(o, 0)->message_bytes == IPK_INSPECT_UNKNOWN);
	ipk_inspect_close(snap);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(one_way_pipe_has_one_channel)
{
	char label[UNIQUE_NAME_BYTES];
	ipk_pipe *a = NULL, *b = NULL;
	ipk_inspect *snap;

	unique_name(label, "oneway");
	ck_ok(ipk_pipe_create(IPK_PIPE(.label = label, .flags = IPK_PIPE_ONE_WAY), &a, &b));
	ck_ok(ipk_pipe_send(b, "x", 1, soon()));
	snap = scan(label);
	ck_assert_uint_eq(only(snap)->n_channels, 1);
	ck_assert_uint_eq(ipk_inspect_channel_at(only(snap), 0)->n_items, 1);
	ipk_inspect_close(snap);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

START_TEST(message_queue_is_found)
{
	char name[UNIQUE_NAME_BYTES + 4] = "mq:/";
	const ipk_inspect_object *o;
	ipk_queue *q = NULL;
	ipk_inspect *snap;

	unique_name(name + 4, "mq");
	/* A kernel without POSIX message queues, or with no room for one, tests nothing. */
	if (ipk_queue_create(IPK_QUEUE(.name = name, .max_items = 4), &q) < 0)
		return;
	ck_ok(ipk_queue_put(q, "x", 1, soon()));
	snap = scan(name);
	o = only(snap);
	ck_assert_str_eq(ipk_inspect_kind_name(o), "queue/mq");
	ck_assert_str_eq(o->name, name);
	ck_assert(o->is_named && !o->is_unlinked);
	ck_assert_uint_eq(o->max_items, 4);
	ck_assert_uint_eq(o->n_users, 1);
	ck_assert_uint_eq(ipk_inspect_channel_at(o, 0)->n_items, 1);
	ck_assert(ipk_inspect_channel_at(o, 0)->n_put == IPK_INSPECT_UNKNOWN);
	ipk_inspect_close(snap);
	ck_ok(ipk_queue_unlink(name));
	ipk_queue_close(q);
}
END_TEST

START_TEST(loans_and_done_items_are_counted)
{
	char label[UNIQUE_NAME_BYTES];
	const ipk_inspect_object *o;
	ipk_lease *l = NULL;
	ipk_inspect *snap;
	ipk_queue *q;

	unique_name(label, "lease");
	q = make_queue(&(ipk_queue_opts){.label = label});
	for (int i = 0; i < 3; i++)
		ck_ok(ipk_queue_put(q, "abc", 3, soon()));
	ck_ok(ipk_queue_lease(q, soon(), &l));
	snap = scan(label);
	o = only(snap);
	ck_assert_uint_eq(o->n_leased, 1);
	ck_assert_uint_eq(ipk_inspect_channel_at(o, 0)->n_items, 2);
	ck_assert_uint_eq(ipk_inspect_channel_at(o, 0)->n_got, 0);
	ipk_inspect_close(snap);

	ck_ok(ipk_lease_ack(l));
	l = ipk_lease_close(l);
	ck_ok(ipk_queue_lease(q, soon(), &l));
	ck_ok(ipk_lease_nack(l));
	l = ipk_lease_close(l);
	snap = scan(label);
	o = only(snap);
	ck_assert_uint_eq(o->n_leased, 0);
	ck_assert_uint_eq(o->n_unfinished, 2);
	ck_assert_uint_eq(ipk_inspect_channel_at(o, 0)->n_items, 2);
	ck_assert_uint_eq(ipk_inspect_channel_at(o, 0)->n_put, 3);
	ck_assert_uint_eq(ipk_inspect_channel_at(o, 0)->n_got, 1);
	ipk_inspect_close(snap);
	ipk_queue_close(q);
}
END_TEST

START_TEST(shutdown_is_shown)
{
	char label[UNIQUE_NAME_BYTES];
	ipk_inspect *snap;
	ipk_queue *q;

	unique_name(label, "shutdown");
	q = make_queue(&(ipk_queue_opts){.label = label});
	ck_ok(ipk_queue_shutdown(q, IPK_DRAIN));
	snap = scan(label);
	ck_assert_uint_eq(only(snap)->shutdown, IPK_DRAIN);
	ipk_inspect_close(snap);
	ck_ok(ipk_queue_shutdown(q, IPK_DISCARD));
	snap = scan(label);
	ck_assert_uint_eq(only(snap)->shutdown, IPK_DISCARD);
	ipk_inspect_close(snap);
	ipk_queue_close(q);
}
END_TEST

/* --- names ------------------------------------------------------------------------------------ */

START_TEST(named_queue_is_found_with_and_without_users)
{
	char name[UNIQUE_NAME_BYTES];
	ipk_queue *q, *again = NULL;
	const ipk_inspect_object *o;
	ipk_inspect *snap;

	unique_name(name, "named");
	q = make_queue(&(ipk_queue_opts){.name = name});
	ck_ok(ipk_queue_open(name, ipk_now(), &again));
	snap = scan(name);
	o = only(snap);
	ck_assert(o->is_named && !o->is_unlinked);
	ck_assert_uint_eq(o->n_users, 1);
	ck_assert_uint_eq(ipk_inspect_user_at(o, 0)->n_fds, 2);
	ipk_inspect_close(snap);

	ipk_queue_close(again);
	ipk_queue_close(q);
	snap = scan(name);
	ck_assert_uint_eq(only(snap)->n_users, 0);
	ck_assert_int_eq(only(snap)->error, 0);
	ipk_inspect_close(snap);
	ck_ok(ipk_queue_unlink(name));
	snap = scan(name);
	ck_assert_uint_eq(ipk_inspect_len(snap), 0);
	ipk_inspect_close(snap);
}
END_TEST

/* Another inspector, which has it open for a moment. */
START_TEST(who_only_looks_is_no_user)
{
	char name[UNIQUE_NAME_BYTES], path[UNIQUE_NAME_BYTES + 32];
	const ipk_inspect_object *o;
	ipk_inspect *snap;
	ipk_queue *q;
	int fd;

	unique_name(name, "looked-at");
	q = make_queue(&(ipk_queue_opts){.name = name});
	snprintf(path, sizeof(path), "/dev/shm/ipk.%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	snap = scan(name);
	o = only(snap);
	ck_assert_uint_eq(o->n_users, 1);
	ck_assert_uint_eq(ipk_inspect_user_at(o, 0)->n_fds, 1);
	ipk_inspect_close(snap);
	ipk_queue_close(q);
	snap = scan(name);
	ck_assert_uint_eq(only(snap)->n_users, 0);
	ipk_inspect_close(snap);
	close(fd);
	ck_ok(ipk_queue_unlink(name));
}
END_TEST

/* Its maker's fd has no name in /proc, only the label inside tells; an opener's has one. */
START_TEST(unlinked_queue_is_found_through_its_users)
{
	char name[UNIQUE_NAME_BYTES];
	ipk_queue *q, *again = NULL;
	ipk_inspect *snap;

	unique_name(name, "unlinked");
	q = make_queue(&(ipk_queue_opts){.name = name});
	ck_ok(ipk_queue_open(name, ipk_now(), &again));
	ck_ok(ipk_queue_unlink(name));
	snap = scan(name);
	ck_assert(only(snap)->is_named && only(snap)->is_unlinked);
	ipk_inspect_close(snap);
	ipk_queue_close(again);
	snap = scan(name);
	ck_assert(only(snap)->is_named && only(snap)->is_unlinked);
	ck_assert_uint_eq(only(snap)->n_users, 1);
	ipk_inspect_close(snap);
	ipk_queue_close(q);
}
END_TEST

START_TEST(objects_are_found_by_id_and_all_of_a_name)
{
	char label[UNIQUE_NAME_BYTES], id[32];
	ipk_queue *a, *b;
	ipk_inspect *snap;
	uint64_t second;

	unique_name(label, "twice");
	a = make_queue(&(ipk_queue_opts){.label = label});
	b = make_queue(&(ipk_queue_opts){.label = label, .kind = IPK_QUEUE_LIFO});
	snap = scan(label);
	ck_assert_uint_eq(ipk_inspect_len(snap), 2);
	second = ipk_inspect_object_at(snap, 1)->id;
	ck_assert_uint_lt(ipk_inspect_object_at(snap, 0)->id, second);
	ipk_inspect_close(snap);

	snprintf(id, sizeof(id), "%llu", (unsigned long long)second);
	snap = scan(id);
	ck_assert_uint_ge(ipk_inspect_len(snap), 1);
	for (size_t i = 0; i < ipk_inspect_len(snap); i++)
		ck_assert_uint_eq(ipk_inspect_object_at(snap, i)->id, second);
	ipk_inspect_close(snap);

	snap = scan(NULL);
	ck_assert_uint_ge(ipk_inspect_len(snap), 2);
	for (size_t i = 1; i < ipk_inspect_len(snap); i++)
		ck_assert_int_le(strcmp(ipk_inspect_object_at(snap, i - 1)->name,
					ipk_inspect_object_at(snap, i)->name),
				 0);
	ipk_inspect_close(snap);
	snap = scan("no.such-object");
	ck_assert_uint_eq(ipk_inspect_len(snap), 0);
	ipk_inspect_close(snap);
	ipk_queue_close(a);
	ipk_queue_close(b);
}
END_TEST

/* --- who -------------------------------------------------------------------------------------- */

static int wait_for_gate(void *arg)
{
	gate_wait(arg);
	return 0;
}

START_TEST(users_are_the_processes_that_have_it_open)
{
	char label[UNIQUE_NAME_BYTES];
	const ipk_inspect_object *o;
	pid_t children[2];
	ipk_inspect *snap;
	struct gate gate;
	ipk_queue *q;

	unique_name(label, "users");
	gate_init(&gate);
	q = make_queue(&(ipk_queue_opts){.label = label});
	for (int i = 0; i < 2; i++)
		children[i] = spawn(wait_for_gate, &gate);
	snap = scan(label);
	o = only(snap);
	ck_assert_uint_eq(o->n_users, 3);
	for (size_t i = 0; i < 3; i++) {
		const ipk_inspect_user *user = ipk_inspect_user_at(o, i);
		pid_t pid = (pid_t)user->pid;

		ck_assert(pid == getpid() || pid == children[0] || pid == children[1]);
		ck_assert_uint_eq(user->n_fds, 1);
		ck_assert_str_ne(user->comm, "");
	}
	ipk_inspect_close(snap);
	gate_open(&gate);
	for (int i = 0; i < 2; i++)
		reap_ok(children[i]);
	snap = scan(label);
	ck_assert_uint_eq(only(snap)->n_users, 1);
	ipk_inspect_close(snap);
	gate_fini(&gate);
	ipk_queue_close(q);
}
END_TEST

static int child_gets(void *arg)
{
	char c;

	return ipk_queue_get(arg, &c, 1, ipk_forever(), NULL) == -ESHUTDOWN ? 0 : 1;
}

static int child_puts(void *arg)
{
	return ipk_queue_put(arg, "x", 1, ipk_forever()) == -ESHUTDOWN ? 0 : 1;
}

static int child_joins(void *arg)
{
	return ipk_queue_join(arg, ipk_forever()) == 0 ? 0 : 1;
}

struct sought {
	const char *label;
	pid_t tid;
	ipk_inspect_what what;
	bool is_gone;
};

/* A fact: the thread is listed as waiting for that. */
static bool is_listed(void *arg)
{
	const struct sought *s = arg;
	ipk_inspect *snap = scan(s->label);
	const ipk_inspect_object *o = only(snap);
	bool found = false;

	for (size_t i = 0; i < o->n_waiters; i++) {
		const ipk_inspect_thread *t = ipk_inspect_waiter_at(o, i);

		if (t->tid != (uint32_t)s->tid || t->what != s->what || t->is_gone != s->is_gone)
			continue;
		ck_assert_uint_eq(t->pid, (uint32_t)s->tid);
		ck_assert_int_ge(t->since_ns, 0);
		ck_assert(s->is_gone == (t->comm[0] == '\0'));
		found = true;
	}
	ipk_inspect_close(snap);
	return found;
}

static void ck_is_listed(const char *label, pid_t tid, ipk_inspect_what what, bool is_gone)
{
	struct sought s = {label, tid, what, is_gone};

	ck_assert_msg(wait_until(is_listed, &s, WAIT_MS), "%d is not listed as waiting for %s",
		      (int)tid, ipk_inspect_what_name(what));
}

static const struct {
	int (*child)(void *q);
	ipk_inspect_what what;
	int n_items;
} waits[] = {
	{child_gets, IPK_INSPECT_DATA, 0},
	{child_puts, IPK_INSPECT_SPACE, 1},
	{child_joins, IPK_INSPECT_DONE, 1},
};

START_TEST(waiting_thread_is_listed)
{
	char label[UNIQUE_NAME_BYTES];
	ipk_inspect *snap;
	ipk_queue *q;
	pid_t child;

	unique_name(label, "waits");
	q = make_queue(&(ipk_queue_opts){.label = label, .max_items = 1});
	if (waits[_i].n_items > 0)
		ck_ok(ipk_queue_put(q, "x", 1, soon()));
	child = spawn(waits[_i].child, q);
	ck_is_listed(label, child, waits[_i].what, false);
	ck_ok(ipk_queue_shutdown(q, IPK_DISCARD));
	reap_ok(child);
	snap = scan(label);
	ck_assert_uint_eq(only(snap)->n_waiters, 0);
	ipk_inspect_close(snap);
	ipk_queue_close(q);
}
END_TEST

START_TEST(waiter_that_was_killed_is_listed_as_gone)
{
	char label[UNIQUE_NAME_BYTES];
	ipk_queue *q;
	pid_t child;

	unique_name(label, "gone");
	q = make_queue(&(ipk_queue_opts){.label = label});
	child = spawn(child_gets, q);
	ck_is_listed(label, child, IPK_INSPECT_DATA, false);
	kill_and_reap(child);
	ck_is_listed(label, child, IPK_INSPECT_DATA, true);
	ipk_queue_close(q);
}
END_TEST

struct holder {
	ipk_queue *q;
	struct gate has_it;
	struct gate let_go;
};

static int child_holds(void *arg)
{
	struct holder *h = arg;

	ck_ok(ipk__queue_lock_get(h->q, soon()));
	gate_open(&h->has_it);
	gate_wait(&h->let_go);
	ipk__queue_unlock_get(h->q);
	return 0;
}

/* A holder that is stopped inside: who it is, and who waits for it. */
START_TEST(lock_holder_is_listed)
{
	char label[UNIQUE_NAME_BYTES];
	const ipk_inspect_thread *t;
	const ipk_inspect_object *o;
	pid_t holding, getting;
	ipk_inspect *snap;
	struct holder h;

	unique_name(label, "holder");
	gate_init(&h.has_it);
	gate_init(&h.let_go);
	h.q = make_queue(&(ipk_queue_opts){.label = label});
	ck_ok(ipk_queue_put(h.q, "x", 1, soon()));
	holding = spawn(child_holds, &h);
	gate_wait(&h.has_it);
	ck_assert_int_eq(kill(holding, SIGSTOP), 0);
	getting = spawn(child_gets, h.q);
	ck_is_listed(label, getting, IPK_INSPECT_GET_LOCK, false);

	snap = scan(label);
	o = only(snap);
	ck_assert_uint_eq(o->n_holders, 1);
	t = ipk_inspect_holder_at(o, 0);
	ck_assert_uint_eq(t->tid, (uint32_t)holding);
	ck_assert_uint_eq(t->pid, (uint32_t)holding);
	ck_assert_int_eq(t->what, IPK_INSPECT_GET_LOCK);
	ck_assert(!t->is_gone);
	ck_assert_str_ne(t->comm, "");
	ipk_inspect_close(snap);

	ck_assert_int_eq(kill(holding, SIGCONT), 0);
	gate_open(&h.let_go);
	reap_ok(holding);
	reap_code(getting, 1); /* it got the item */
	snap = scan(label);
	ck_assert_uint_eq(only(snap)->n_holders, 0);
	ipk_inspect_close(snap);
	gate_fini(&h.has_it);
	gate_fini(&h.let_go);
	ipk_queue_close(h.q);
}
END_TEST

/* --- looking changes nothing, and nothing disturbs it ----------------------------------------- */

START_TEST(looking_changes_no_byte)
{
	char label[UNIQUE_NAME_BYTES];
	struct leaks before;
	ipk_queue *q;
	void *copy;
	size_t n;

	unique_name(label, "same");
	q = make_queue(&(ipk_queue_opts){.label = label});
	ck_ok(ipk_queue_put(q, "x", 1, soon()));
	n = q->segment.header->fixed_bytes + q->segment.header->ring_bytes;
	copy = malloc(n);
	ck_assert_ptr_nonnull(copy);
	memcpy(copy, q->shared, n);
	before = leaks_now();
	for (int i = 0; i < 20; i++)
		ipk_inspect_close(scan(NULL));
	ck_no_leaks(&before);
	ck_assert_int_eq(memcmp(copy, q->shared, n), 0);
	free(copy);
	ipk_queue_close(q);
}
END_TEST

static int child_is_busy(void *arg)
{
	ipk_bytes items[4] = {{"aaaa", 4}, {"b", 1}, {"cccccccccccc", 12}, {"", 0}};
	char buf[4096];
	ipk_bytes got[8];
	size_t n;

	for (;;) {
		int r = ipk_queue_put_many(arg, items, 4, soon(), NULL);

		if (r == 0)
			r = ipk_queue_get_many(arg, buf, sizeof(buf), 8, soon(), got, &n);
		for (; r == 0 && n > 0; n--)
			r = ipk_queue_task_done(arg);
		if (r < 0)
			return r == -ESHUTDOWN ? 0 : 1;
	}
}

START_TEST(busy_queue_always_reads_as_sound)
{
	char label[UNIQUE_NAME_BYTES];
	ipk_deadline deadline = ipk_in_ms(2000);
	uint64_t n_put = 0;
	pid_t children[2];
	ipk_queue *q;

	unique_name(label, "busy");
	q = make_queue(&(ipk_queue_opts){.label = label,
					 .ring_bytes = 4096,
					 .kind = _i ? IPK_QUEUE_PRIORITY : IPK_QUEUE_FIFO});
	for (int i = 0; i < 2; i++)
		children[i] = spawn(child_is_busy, q);
	/* As often as a busy machine lets it. */
	for (int i = 0; i < 100 && (i < 3 || ipk_deadline_left_ns(deadline) > 0); i++) {
		ipk_inspect *snap = scan(label);
		const ipk_inspect_object *o = only(snap);
		const ipk_inspect_channel *channel = ipk_inspect_channel_at(o, 0);

		ck_assert_int_eq(o->error, 0);
		ck_assert_uint_ge(channel->n_put, n_put);
		ck_assert_uint_le(channel->n_put - n_put, UINT32_MAX / 2);
		ck_assert_uint_le(channel->used_bytes, channel->room_bytes);
		ck_assert_uint_ge(o->n_unfinished, channel->n_items);
		n_put = channel->n_put;
		ipk_inspect_close(snap);
	}
	ck_ok(ipk_queue_shutdown(q, IPK_DISCARD));
	for (int i = 0; i < 2; i++)
		reap_ok(children[i]);
	ipk_queue_close(q);
}
END_TEST

/* --- what is no object, or a damaged one ------------------------------------------------------ */

static void write_shm(const char *name, const void *data, size_t n)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/dev/shm/ipk.%s", name);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, n), (ssize_t)n);
	close(fd);
}

static int error_of(const void *data, size_t n)
{
	char name[UNIQUE_NAME_BYTES];
	ipk_inspect *snap;
	int error;

	unique_name(name, "damaged");
	write_shm(name, data, n);
	snap = scan(name);
	error = only(snap)->error;
	ck_assert_uint_eq(only(snap)->n_channels, 0);
	ck_assert_str_eq(only(snap)->name, name);
	ipk_inspect_close(snap);
	ck_ok(ipk_queue_unlink(name));
	return error;
}

START_TEST(damaged_objects_are_listed_with_their_error)
{
	ipk_queue *q = make_queue(&(ipk_queue_opts){.label = "x"});
	size_t n = q->segment.header->fixed_bytes + q->segment.header->ring_bytes;
	struct ipk__shm_queue *shm = malloc(n);

	ck_assert_ptr_nonnull(shm);
	memcpy(shm, q->shared, n);
	ck_err(error_of("", 0), -EPROTO);
	ck_err(error_of("short", 5), -EPROTO);
	ck_err(error_of(shm, 100), -ENODATA);
	ck_err(error_of(shm, n - 1), -ENODATA);
	shm->header.label[0] ^= 1;
	ck_err(error_of(shm, n), -EBADMSG);
	shm->header.version++;
	ck_err(error_of(shm, n), -EPROTONOSUPPORT);
	memset(shm, 'x', n);
	ck_err(error_of(shm, n), -EPROTO);
	memcpy(shm, q->shared, n);
	atomic_store(&shm->channel.ring.tail, 0xffffffffu);
	ck_err(error_of(shm, n), -ENOTRECOVERABLE);
	memcpy(shm, q->shared, n);
	atomic_store(&shm->shutdown, 3);
	ck_err(error_of(shm, n), -ENOTRECOVERABLE);
	free(shm);
	ipk_queue_close(q);
}
END_TEST

START_TEST(hostile_label_is_escaped)
{
	char name[256], escaped[128];
	ipk_inspect *snap;
	int fd;

	unique_name(escaped, "hostile");
	snprintf(name, sizeof(name), "ipk:queue:%s\033[2J\n x", escaped);
	fd = memfd_create(name, MFD_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	strcat(escaped, "\\x1b[2J\\x0a\\x20x");
	snap = scan(escaped);
	ck_assert_str_eq(only(snap)->name, escaped);
	ck_assert_int_eq(only(snap)->error, -EPROTO);
	ck_assert_str_eq(ipk_inspect_kind_name(only(snap)), "queue");
	ck_assert_uint_eq(only(snap)->n_users, 1);
	ipk_inspect_close(snap);
	close(fd);
}
END_TEST

START_TEST(wrong_arguments)
{
	ipk_inspect *snap = NULL;
	ipk_inspect_opts opts = {.struct_size = 1};

	ck_err(ipk_inspect_scan(NULL, NULL), -EINVAL);
	ck_err(ipk_inspect_scan(&opts, &snap), -EINVAL);
	ck_assert_ptr_null(snap);
	ck_ok(ipk_inspect_scan(NULL, &snap));
	ck_assert_ptr_null(ipk_inspect_object_at(snap, ipk_inspect_len(snap)));
	ck_assert_ptr_null(ipk_inspect_close(snap));
	ck_assert_ptr_null(ipk_inspect_close(NULL));
	ck_assert_uint_eq(ipk_inspect_len(NULL), 0);
	ck_assert_uint_eq(ipk_inspect_n_hidden(NULL), 0);
	ck_assert_ptr_null(ipk_inspect_object_at(NULL, 0));
	ck_assert_ptr_null(ipk_inspect_user_at(NULL, 0));
	ck_assert_ptr_null(ipk_inspect_channel_at(NULL, 0));
	ck_assert_ptr_null(ipk_inspect_holder_at(NULL, 0));
	ck_assert_ptr_null(ipk_inspect_waiter_at(NULL, 0));
}
END_TEST

static int child_of_another_user_scans(void *arg)
{
	ipk_inspect *snap = NULL;
	bool found;

	if (setuid(65534) < 0 || ipk_inspect_scan(IPK_INSPECT(.match = arg), &snap) < 0)
		return 2;
	found = ipk_inspect_len(snap) == 1 && ipk_inspect_object_at(snap, 0)->error == -EACCES &&
		ipk_inspect_n_hidden(snap) > 0;
	ipk_inspect_close(snap);
	return found ? 0 : 3;
}

START_TEST(other_users_processes_are_counted)
{
	char name[UNIQUE_NAME_BYTES];
	ipk_queue *q;

	if (geteuid() != 0)
		return;
	unique_name(name, "mine");
	q = make_queue(&(ipk_queue_opts){.name = name});
	reap_ok(spawn(child_of_another_user_scans, name));
	ck_ok(ipk_queue_unlink(name));
	ipk_queue_close(q);
}
END_TEST

static int child_of_another_user_makes(void *arg)
{
	struct holder *h = arg;
	ipk_queue *q = NULL;

	if (setuid(65534) < 0 || ipk_queue_create(IPK_QUEUE(.label = "theirs"), &q) < 0)
		return 2;
	if (ipk_queue_put(q, "x", 1, soon()) < 0)
		return 3;
	gate_open(&h->has_it);
	gate_wait(&h->let_go);
	return 0;
}

START_TEST(root_sees_objects_of_others)
{
	struct holder h = {0};
	bool found = false;
	ipk_inspect *snap;
	pid_t child;

	if (geteuid() != 0)
		return;
	gate_init(&h.has_it);
	gate_init(&h.let_go);
	child = spawn(child_of_another_user_makes, &h);
	gate_wait(&h.has_it);
	snap = scan("theirs");
	for (size_t i = 0; i < ipk_inspect_len(snap); i++) {
		const ipk_inspect_object *o = ipk_inspect_object_at(snap, i);

		if (o->creator_pid != (uint32_t)child)
			continue;
		ck_assert_int_eq(o->error, 0);
		ck_assert_uint_eq(o->uid, 65534);
		ck_assert_uint_eq(ipk_inspect_channel_at(o, 0)->n_items, 1);
		found = true;
	}
	ck_assert(found);
	ipk_inspect_close(snap);
	gate_open(&h.let_go);
	reap_ok(child);
	gate_fini(&h.has_it);
	gate_fini(&h.let_go);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("inspect");

	add_test(s, anonymous_queue_is_found);
	add_loop_test(s, queue_without_ring_is_found, 0, 2);
	add_test(s, pipe_has_two_channels);
	add_test(s, one_way_pipe_has_one_channel);
	add_test(s, message_queue_is_found);
	add_test(s, loans_and_done_items_are_counted);
	add_test(s, shutdown_is_shown);
	add_test(s, named_queue_is_found_with_and_without_users);
	add_test(s, who_only_looks_is_no_user);
	add_test(s, unlinked_queue_is_found_through_its_users);
	add_test(s, objects_are_found_by_id_and_all_of_a_name);
	add_test(s, users_are_the_processes_that_have_it_open);
	add_loop_test(s, waiting_thread_is_listed, 0, 3);
	add_test(s, waiter_that_was_killed_is_listed_as_gone);
	add_test(s, lock_holder_is_listed);
	add_test(s, looking_changes_no_byte);
	add_loop_test(s, busy_queue_always_reads_as_sound, 0, 2);
	add_test(s, damaged_objects_are_listed_with_their_error);
	add_test(s, hostile_label_is_escaped);
	add_test(s, wrong_arguments);
	add_test(s, other_users_processes_are_counted);
	add_test(s, root_sees_objects_of_others);
	return s;
}

IPK_TEST_MAIN(suite)
