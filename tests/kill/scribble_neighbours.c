/*
 * scribble_neighbours.c - one object of each kind, with known contents: words that are written into
 * another object must not reach them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipk/error.h"
#include "scribble.h"

enum { N_ARRAY = 40, N_QUEUED = 3, SHM_BYTES = 4096, VALUE = 421 };
#define OK_MS 10000 /* for what is free; only a hang comes near */

struct neighbours {
	ipk_lock *lock, *rlock;
	ipk_rwlock *rwlock;
	ipk_semaphore *signal, *owned;
	ipk_cond *cond;
	ipk_event *event;
	ipk_barrier *barrier;
	ipk_once *once;
	ipk_value *value;
	ipk_array *array;
	ipk_queue *fifo, *priority;
	ipk_pipe *a, *b;
	ipk_shm *shm;
};

ipk_lock *neighbours_lock(const struct neighbours *n)
{
	return n->lock;
}

/* --- making ----------------------------------------------------------------------------------- */

static int make_small(struct neighbours *n)
{
	int items[N_ARRAY];

	for (int i = 0; i < N_ARRAY; i++)
		items[i] = i * i;
	IPK_TRY(ipk_lock_create(NULL, &n->lock));
	IPK_TRY(ipk_lock_create(IPK_LOCK(.is_recursive = true), &n->rlock));
	IPK_TRY(ipk_rwlock_create(NULL, &n->rwlock));
	IPK_TRY(ipk_semaphore_create(IPK_SEMAPHORE(.value = 2), &n->signal));
	IPK_TRY(ipk_semaphore_create(IPK_SEMAPHORE(.kind = IPK_SEMAPHORE_OWNED, .value = 2),
				     &n->owned));
	IPK_TRY(ipk_cond_create(NULL, &n->cond));
	IPK_TRY(ipk_event_create(NULL, &n->event));
	IPK_TRY(ipk_barrier_create(IPK_BARRIER(.n_parties = 1), &n->barrier));
	IPK_TRY(ipk_once_create(NULL, &n->once));
	IPK_TRY(ipk_value_create(IPK_VALUE(.typecode = 'i', .item = &(int){VALUE}), &n->value));
	return ipk_array_create(IPK_ARRAY(.typecode = 'i', .n_items = N_ARRAY, .items = items),
				&n->array);
}

static int make_large(struct neighbours *n)
{
	IPK_TRY(ipk_queue_create(IPK_QUEUE(.ring_bytes = 4096), &n->fifo));
	IPK_TRY(ipk_queue_create(
		IPK_QUEUE(.kind = IPK_QUEUE_PRIORITY, .ring_bytes = 4096, .max_items = 8),
		&n->priority));
	IPK_TRY(ipk_pipe_create(IPK_PIPE(.ring_bytes = 4096), &n->a, &n->b));
	IPK_TRY(ipk_shm_create(IPK_SHM(.size_bytes = SHM_BYTES), &n->shm));
	memset(ipk_shm_data(n->shm), 'n', SHM_BYTES);
	for (int i = 0; i < N_QUEUED; i++) {
		IPK_TRY(ipk_queue_put(n->fifo, &i, sizeof i, ipk_now()));
		IPK_TRY(ipk_queue_put(n->priority, &i, sizeof i, ipk_now()));
		IPK_TRY(ipk_pipe_send(n->a, &i, sizeof i, ipk_now()));
	}
	return 0;
}

struct neighbours *neighbours_make(void)
{
	struct neighbours *n = calloc(1, sizeof *n);

	if (!n || (make_small(n) == 0 && make_large(n) == 0))
		return n;
	neighbours_close(n);
	return NULL;
}

void neighbours_close(struct neighbours *n)
{
	if (!n)
		return;
	ipk_lock_close(n->lock);
	ipk_lock_close(n->rlock);
	ipk_rwlock_close(n->rwlock);
	ipk_semaphore_close(n->signal);
	ipk_semaphore_close(n->owned);
	ipk_cond_close(n->cond);
	ipk_event_close(n->event);
	ipk_barrier_close(n->barrier);
	ipk_once_close(n->once);
	ipk_value_close(n->value);
	ipk_array_close(n->array);
	ipk_queue_close(n->fifo);
	ipk_queue_close(n->priority);
	ipk_pipe_close(n->a);
	ipk_pipe_close(n->b);
	ipk_shm_close(n->shm);
	free(n);
}

/* --- using them: each ends as it began; 0, an error, or -EBADMSG: other contents -------------- */

static int use_lock(const struct neighbours *n, ipk_deadline d)
{
	IPK_TRY(ipk_lock_lock(n->lock, d, NULL));
	return ipk_lock_unlock(n->lock);
}

static int use_rlock(const struct neighbours *n, ipk_deadline d)
{
	IPK_TRY(ipk_lock_lock(n->rlock, d, NULL));
	IPK_TRY(ipk_lock_lock(n->rlock, d, NULL));
	IPK_TRY(ipk_lock_unlock(n->rlock));
	return ipk_lock_unlock(n->rlock);
}

static int use_rwlock(const struct neighbours *n, ipk_deadline d)
{
	IPK_TRY(ipk_rwlock_read_lock(n->rwlock, d, NULL));
	IPK_TRY(ipk_rwlock_read_unlock(n->rwlock));
	IPK_TRY(ipk_rwlock_write_lock(n->rwlock, d, NULL));
	return ipk_rwlock_write_unlock(n->rwlock);
}

static int use_signal(const struct neighbours *n, ipk_deadline d)
{
	IPK_TRY(ipk_semaphore_acquire(n->signal, d));
	IPK_TRY(ipk_semaphore_release(n->signal));
	return ipk_semaphore_value(n->signal) == 2 ? 0 : -EBADMSG;
}

static int use_owned(const struct neighbours *n, ipk_deadline d)
{
	IPK_TRY(ipk_semaphore_acquire(n->owned, d));
	IPK_TRY(ipk_semaphore_release(n->owned));
	return ipk_semaphore_value(n->owned) == 2 ? 0 : -EBADMSG;
}

static int use_cond(const struct neighbours *n, ipk_deadline d)
{
	int r;

	IPK_TRY(ipk_cond_notify_all(n->cond));
	IPK_TRY(ipk_lock_lock(n->rlock, d, NULL));
	r = ipk_cond_wait(n->cond, n->rlock, ipk_now(), NULL);
	IPK_TRY(ipk_lock_unlock(n->rlock));
	return r == -ETIMEDOUT ? 0 : -EBADMSG;
}

static int use_event(const struct neighbours *n, ipk_deadline d)
{
	if (ipk_event_is_set(n->event))
		return -EBADMSG;
	IPK_TRY(ipk_event_set(n->event));
	IPK_TRY(ipk_event_wait(n->event, d));
	return ipk_event_clear(n->event);
}

static int use_barrier(const struct neighbours *n, ipk_deadline d)
{
	IPK_TRY(ipk_barrier_wait(n->barrier, NULL, NULL, d, NULL));
	return ipk_barrier_unregister(n->barrier);
}

static int do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int use_once(const struct neighbours *n, ipk_deadline d)
{
	IPK_TRY(ipk_once_run(n->once, do_nothing, NULL, d, NULL));
	return ipk_once_is_done(n->once) ? 0 : -EBADMSG;
}

static int use_value(const struct neighbours *n, ipk_deadline d)
{
	int value = 0;

	IPK_TRY(ipk_lock_lock(ipk_value_get_lock(n->value), d, NULL));
	IPK_TRY(ipk_lock_unlock(ipk_value_get_lock(n->value)));
	IPK_TRY(ipk_value_load(n->value, &value));
	return value == VALUE ? 0 : -EBADMSG;
}

static int use_array(const struct neighbours *n, ipk_deadline d)
{
	int items[N_ARRAY] = {0};

	IPK_TRY(ipk_array_read(n->array, 0, N_ARRAY, items, sizeof items, d, NULL));
	for (int i = 0; i < N_ARRAY; i++) {
		if (items[i] != i * i)
			return -EBADMSG;
	}
	return ipk_array_write(n->array, 0, N_ARRAY, items, sizeof items, d, NULL);
}

static int use_queue(ipk_queue *q, ipk_deadline d)
{
	for (int i = 0; i < N_QUEUED; i++) {
		int item = -1;
		size_t n_bytes = 0;

		IPK_TRY(ipk_queue_get(q, &item, sizeof item, d, &n_bytes));
		if (item != i || n_bytes != sizeof item)
			return -EBADMSG;
		IPK_TRY(ipk_queue_put(q, &item, sizeof item, d));
	}
	return ipk_queue_len(q) == N_QUEUED ? 0 : -EBADMSG;
}

static int use_fifo(const struct neighbours *n, ipk_deadline d)
{
	return use_queue(n->fifo, d);
}

static int use_priority(const struct neighbours *n, ipk_deadline d)
{
	return use_queue(n->priority, d);
}

static int use_pipe(const struct neighbours *n, ipk_deadline d)
{
	for (int i = 0; i < N_QUEUED; i++) {
		int item = -1;
		size_t n_bytes = 0;

		IPK_TRY(ipk_pipe_recv(n->b, &item, sizeof item, d, &n_bytes));
		if (item != i || n_bytes != sizeof item)
			return -EBADMSG;
		IPK_TRY(ipk_pipe_send(n->a, &item, sizeof item, d));
	}
	return 0;
}

static int use_shm(const struct neighbours *n, ipk_deadline d)
{
	const char *bytes = ipk_shm_data(n->shm);

	(void)d;
	for (int i = 0; i < SHM_BYTES; i++) {
		if (bytes[i] != 'n')
			return -EBADMSG;
	}
	return 0;
}

/* Those in the arena first. */
enum { N_SMALL = 11 };
static const struct use {
	const char *name;
	int (*use)(const struct neighbours *n, ipk_deadline d);
} uses[] = {
	{"lock", use_lock},         {"rlock", use_rlock},     {"rwlock", use_rwlock},
	{"semaphore", use_signal},  {"tokens", use_owned},    {"cond", use_cond},
	{"event", use_event},       {"barrier", use_barrier}, {"once", use_once},
	{"value", use_value},       {"array", use_array},     {"fifo", use_fifo},
	{"priority", use_priority}, {"pipe", use_pipe},       {"shm", use_shm},
};

void neighbours_check(struct trial *t, const struct neighbours *n, const char *which,
		      bool is_strict)
{
	for (size_t i = 0; n && i < sizeof uses / sizeof *uses; i++) {
		bool may_fail = !is_strict && i < N_SMALL;
		int r = uses[i].use(n, may_fail ? ipk_in_ms(2) : ipk_in_ms(OK_MS));

		atomic_fetch_add(&t->me->n_calls, 1);
		if (r < 0 && !may_fail)
			trial_harm(t, "the %s %s: %s", which, uses[i].name, ipk_errname(r));
	}
}
