/*
 * scribble_pool.c - pools, whose memory every task can write to; and snapshots, which read memory
 * that any process may have written to.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipk/error.h"
#include "scribble.h"

#define START_MS 2000 /* a process, on a machine with much to do */
#define OWN_MS 1000   /* what calls of a pool without a deadline wait for its own thread */

/* --- pool ------------------------------------------------------------------------------------- */

static int square(ipk_task *task, const void *arg, size_t arg_bytes)
{
	int i = 0;

	if (arg_bytes == sizeof i)
		memcpy(&i, arg, sizeof i);
	i *= i;
	return ipk_task_return(task, &i, sizeof i);
}

static int pool_make(struct trial *t)
{
	int r = ipk_pool_create(IPK_POOL(.n_workers = 2), (ipk_pool **)&t->object);

	for (int i = 0; r == 0 && state_of(t) == HALF && i < 8; i++)
		r = ipk_pool_submit(t->object, square, &i, sizeof i, NULL,
				    (ipk_future **)&t->other);
	return r;
}

static int pool_apply(struct trial *t, ipk_deadline d)
{
	int i = 3, square_of_i;
	size_t n;

	return ipk_pool_apply(t->object, square, &i, sizeof i, &square_of_i, sizeof square_of_i, d,
			      &n);
}

static int pool_submit(struct trial *t, ipk_deadline d)
{
	ipk_future *f = NULL;
	int i = 3;
	size_t n;
	int r = ipk_pool_submit(t->object, square, &i, sizeof i, NULL, &f);

	if (r == 0)
		r = ipk_future_get(f, t->buf, BUF_BYTES, d, &n);
	ipk_future_close(f);
	return r;
}

static int pool_look(struct trial *t, ipk_deadline d)
{
	ipk_worker_info workers[4];
	ipk_progress progress;
	size_t n;
	int r = ipk_pool_progress(t->object, &progress);

	(void)d;
	return r < 0 ? r : ipk_pool_workers(t->object, workers, 4, &n);
}

static void pool_close(struct trial *t)
{
	t->object = ipk_pool_close(t->object);
}

static const struct call pool_calls[] = {
	CALL("ipk_pool_apply", pool_apply, true),
	CALL("ipk_future_get", pool_submit, true),
	CALL_OF("ipk_pool_workers", pool_look, OWN_MS),
};

/* --- processes: what their starter writes down about them, for snapshots ---------------------- */

static int stay(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return 0;
}

static int leave(void *arg)
{
	(void)arg;
	return 0;
}

static int process_make(struct trial *t)
{
	/* A daemon: it ends with the victim, however that ends. */
	return ipk_process_start(stay, NULL, IPK_PROCESS(.flags = IPK_PROCESS_DAEMON),
				 (ipk_process **)&t->object);
}

static int process_start(struct trial *t, ipk_deadline d)
{
	ipk_process *p = NULL;
	int r = ipk_process_start(leave, NULL, NULL, &p);

	(void)t;
	(void)d;
	if (r == 0)
		r = ipk_process_join(p, ipk_in_ms(START_MS), NULL);
	ipk_process_close(p);
	return r;
}

static int process_look(struct trial *t, ipk_deadline d)
{
	(void)d;
	return ipk_process_is_alive(t->object) ? 0 : -ESRCH;
}

static int process_join(struct trial *t, ipk_deadline d)
{
	return ipk_process_join(t->object, d, NULL);
}

static void process_close(struct trial *t)
{
	if (!t->object)
		return;
	(void)!ipk_process_kill(t->object);
	t->object = ipk_process_close(t->object);
}

static const struct call process_calls[] = {
	CALL_OF("ipk_process_start", process_start, 2 * START_MS),
	CALL("ipk_process_is_alive", process_look, false),
	CALL("ipk_process_join", process_join, true),
};

/* --- snapshots -------------------------------------------------------------------------------- */

struct shown {
	ipk_lock *lock;
	ipk_rwlock *rwlock;
	ipk_semaphore *tokens;
	ipk_barrier *barrier;
	ipk_value *value;
	ipk_array *array;
	ipk_queue *fifo, *priority;
	ipk_pipe *a, *b;
};

static int make_shown(struct shown *x)
{
	IPK_TRY(ipk_lock_create(NULL, &x->lock));
	IPK_TRY(ipk_rwlock_create(NULL, &x->rwlock));
	IPK_TRY(ipk_semaphore_create(IPK_SEMAPHORE(.kind = IPK_SEMAPHORE_OWNED, .value = 3),
				     &x->tokens));
	IPK_TRY(ipk_barrier_create(IPK_BARRIER(.n_parties = 3), &x->barrier));
	IPK_TRY(ipk_value_create(IPK_VALUE(.typecode = 'q'), &x->value));
	IPK_TRY(ipk_array_create(IPK_ARRAY(.typecode = 'd', .n_items = 20), &x->array));
	IPK_TRY(ipk_queue_create(IPK_QUEUE(.ring_bytes = 4096), &x->fifo));
	IPK_TRY(ipk_queue_create(IPK_QUEUE(.kind = IPK_QUEUE_PRIORITY, .ring_bytes = 4096),
				 &x->priority));
	return ipk_pipe_create(IPK_PIPE(.ring_bytes = 4096), &x->a, &x->b);
}

static int shown_make(struct trial *t)
{
	t->object = calloc(1, sizeof(struct shown));
	return t->object ? make_shown(t->object) : -ENOMEM;
}

static size_t text_bytes(const char *text)
{
	return text ? strlen(text) : 0;
}

static size_t read_object(const ipk_inspect_object *o)
{
	size_t n = text_bytes(o->name) + text_bytes(ipk_inspect_kind_name(o));

	for (size_t i = 0; i < o->n_channels; i++)
		n += ipk_inspect_channel_at(o, i)->n_items != 0;
	for (size_t i = 0; i < o->n_holders; i++)
		n += text_bytes(ipk_inspect_holder_at(o, i)->comm);
	for (size_t i = 0; i < o->n_waiters; i++)
		n += text_bytes(ipk_inspect_waiter_at(o, i)->comm);
	for (size_t i = 0; i < o->n_shown; i++)
		n += text_bytes(ipk_inspect_item_at(o, i));
	for (size_t i = 0; i < o->n_hints; i++)
		n += text_bytes(ipk_inspect_hint_at(o, i));
	return n;
}

/* How long a look through all processes takes is the machine's affair. */
static int scan(struct trial *t, ipk_deadline d)
{
	ipk_inspect *snap;
	size_t n = 0;
	int r = ipk_inspect_scan(NULL, &snap);

	(void)t;
	(void)d;
	if (r < 0)
		return r;
	for (size_t i = 0; i < ipk_inspect_len(snap); i++)
		n += read_object(ipk_inspect_object_at(snap, i));
	(void)n;
	ipk_inspect_close(snap);
	return 0;
}

/* Theirs is what was written over: they are not closed but left to the end of the process. */
static void shown_close(struct trial *t)
{
	free(t->object);
	t->object = NULL;
}

static const struct call shown_calls[] = {
	CALL_OF("ipk_inspect_scan", scan, 4000),
};

/* --- the rows --------------------------------------------------------------------------------- */

void nouns_pool(struct noun_list *list)
{
	struct noun pool = {.name = "pool",
			    .states = IN(EMPTY) | IN(HALF),
			    .is_slow = true,
			    .is_planned = true,
			    CALLS(pool_calls),
			    .make = pool_make,
			    .close = pool_close};
	struct noun process = {.name = "process",
			       .states = IN(EMPTY),
			       .is_slow = true,
			       CALLS(process_calls),
			       .make = process_make,
			       .close = process_close};
	struct noun shown = {.name = "inspect",
			     .is_whole = true,
			     .states = IN(EMPTY),
			     .is_slow = true,
			     CALLS(shown_calls),
			     .make = shown_make,
			     .close = shown_close};

	noun_add(list, &pool);
	noun_add(list, &process);
	noun_add(list, &shown);
}
