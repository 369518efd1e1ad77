/* nouns.c - see nouns.h. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "env/nouns.h"
#include "ipk.h"
#include "ipk/manager.h"
#include "ipk/manager_dict.h"
#include "ipk/manager_server.h"
#include "support/support.h"

#define LONG_BYTES 300000
#define N_LONG 4
#define N_AT_ONCE 8

/* Long enough for anything on a busy machine; what takes longer has hung. */
static ipk_deadline soon(void)
{
	return ipk_in_ms(WAIT_MS / 3);
}

static char *long_message(void)
{
	static char bytes[LONG_BYTES];

	return bytes;
}

/* --- pipes and queues ------------------------------------------------------------------------- */

static int through_pipe(ipk_pipe *a, ipk_pipe *b, size_t n_bytes)
{
	void *data = NULL;
	size_t n = 0;
	int r = ipk_pipe_send(a, long_message(), n_bytes, soon());

	if (r == 0)
		r = ipk_pipe_recv_alloc(b, soon(), &data, &n);
	free(data);
	return r == 0 && n != n_bytes ? -EIO : r;
}

static int use_pipe_of(unsigned flags)
{
	IPK_AUTO(pipe, a);
	IPK_AUTO(pipe, b);
	int fd;
	int r = ipk_pipe_create(IPK_PIPE(.flags = flags), &a, &b);

	if (r == 0)
		r = through_pipe(a, b, 100);
	if (r == 0)
		r = through_pipe(a, b, LONG_BYTES);
	return r == 0 ? ipk_pipe_fd(b, &fd) : r;
}

static int use_pipe(void)
{
	return use_pipe_of(0);
}

static int use_socket_pipe(void)
{
	return use_pipe_of(IPK_PIPE_SOCKET);
}

static int use_listener(void)
{
	IPK_AUTO(listener, l);
	IPK_AUTO(pipe, a);
	IPK_AUTO(pipe, b);
	char dir[] = "/tmp/ipk-nouns-XXXXXX", path[64];
	int r;

	if (!(mkdtemp)(dir))
		return -errno;
	snprintf(path, sizeof path, "%s/socket", dir);
	r = ipk_listener_create(path, NULL, &l);
	if (r == 0)
		r = ipk_pipe_connect(path, ipk_now(), &a);
	if (r == -ETIMEDOUT) /* nobody has answered yet */
		r = 0;
	l = ipk_listener_close(l);
	rmdir(dir);
	return r;
}

static int through_queue(ipk_queue *q, size_t n_bytes)
{
	void *data = NULL;
	size_t n = 0;
	int r = ipk_queue_put(q, long_message(), n_bytes, soon());

	if (r == 0)
		r = ipk_queue_get_alloc(q, soon(), &data, &n);
	free(data);
	return r == 0 && n != n_bytes ? -EIO : r;
}

static int use_queue_of(ipk_queue_kind kind, const char *name)
{
	IPK_AUTO(queue, q);
	IPK_AUTO(lease, l);
	int fd;
	int r = ipk_queue_create(
		IPK_QUEUE(.kind = kind, .name = name, .max_items = 10, .ring_bytes = 65536), &q);

	for (int i = 0; r == 0 && i < N_LONG; i++)
		r = through_queue(q, i % 2 ? LONG_BYTES : 10);
	if (r == 0)
		r = ipk_queue_put(q, "x", 1, soon());
	if (r == 0)
		r = ipk_queue_lease(q, soon(), &l);
	if (r == 0)
		r = ipk_lease_ack(l);
	if (r == 0)
		r = ipk_queue_fd(q, &fd);
	if (name && q)
		ck_ok(ipk_queue_unlink(name));
	return r;
}

static int use_queue(void)
{
	return use_queue_of(IPK_QUEUE_FIFO, NULL);
}

static int use_priority_queue(void)
{
	return use_queue_of(IPK_QUEUE_PRIORITY, NULL);
}

static int use_named_queue(void)
{
	char name[UNIQUE_NAME_BYTES];

	unique_name(name, "queue");
	return use_queue_of(IPK_QUEUE_FIFO, name);
}

/* --- locks and memory ------------------------------------------------------------------------- */

static int use_lock_and_cond(void)
{
	IPK_AUTO(lock, lock);
	IPK_AUTO(cond, cond);
	int r = ipk_lock_create(NULL, &lock);

	if (r == 0)
		r = ipk_cond_create(NULL, &cond);
	if (r == 0)
		r = ipk_lock_lock(lock, soon(), NULL);
	if (r < 0)
		return r;
	r = ipk_cond_wait(cond, lock, ipk_in_ms(1), NULL);
	ck_ok(ipk_lock_unlock(lock));
	return r == -ETIMEDOUT ? 0 : r;
}

static int use_rwlock(void)
{
	IPK_AUTO(rwlock, lock);
	int r = ipk_rwlock_create(NULL, &lock);

	if (r == 0)
		r = ipk_rwlock_read_lock(lock, soon(), NULL);
	if (r == 0)
		r = ipk_rwlock_read_unlock(lock);
	if (r == 0)
		r = ipk_rwlock_write_lock(lock, soon(), NULL);
	return r == 0 ? ipk_rwlock_write_unlock(lock) : r;
}

static int use_semaphore(void)
{
	IPK_AUTO(semaphore, s);
	int r = ipk_semaphore_create(IPK_SEMAPHORE(.value = 1, .kind = IPK_SEMAPHORE_OWNED), &s);

	if (r == 0)
		r = ipk_semaphore_acquire(s, soon());
	return r == 0 ? ipk_semaphore_release(s) : r;
}

static int set_event(void *arg)
{
	return ipk_event_set(arg);
}

static int use_event_once_barrier(void)
{
	IPK_AUTO(event, event);
	IPK_AUTO(once, once);
	IPK_AUTO(barrier, barrier);
	unsigned index;
	int r = ipk_event_create(NULL, &event);

	if (r == 0)
		r = ipk_once_create(NULL, &once);
	if (r == 0)
		r = ipk_barrier_create(IPK_BARRIER(.n_parties = 1), &barrier);
	if (r == 0)
		r = ipk_once_run(once, set_event, event, soon(), NULL);
	if (r == 0)
		r = ipk_event_wait(event, soon());
	return r == 0 ? ipk_barrier_wait(barrier, NULL, NULL, soon(), &index) : r;
}

static void nothing(void *arg)
{
	(void)arg;
}

static int use_timer(void)
{
	IPK_AUTO(timer, timer);
	int r = ipk_timer_start(1, nothing, NULL, &timer);

	return r == 0 ? ipk_timer_wait(timer, soon()) : r;
}

static int use_value_and_array(void)
{
	IPK_AUTO(value, v);
	IPK_AUTO(array, a);
	double x = 1;
	int r = ipk_value_create(IPK_VALUE(.typecode = 'i'), &v);

	if (r == 0)
		r = ipk_array_create(IPK_ARRAY(.typecode = 'd', .n_items = 200000), &a);
	if (r == 0)
		r = ipk_value_add(v, 1, NULL);
	return r == 0 ? ipk_array_write(a, 199999, 1, &x, sizeof x, soon(), NULL) : r;
}

static int use_shm(void)
{
	IPK_AUTO(shm, shm);
	char name[UNIQUE_NAME_BYTES];
	int r;

	unique_name(name, "shm");
	r = ipk_shm_create(IPK_SHM(.name = name, .size_bytes = 1 << 20), &shm);
	if (r < 0)
		return r;
	memset(ipk_shm_data(shm), 1, 1 << 20);
	return ipk_shm_unlink(name, 0);
}

/* --- processes -------------------------------------------------------------------------------- */

static _Atomic int *n_runs; /* shared with children */

static int count_run(void *arg)
{
	(void)arg;
	atomic_fetch_add(n_runs, 1);
	return 0;
}

void nouns_begin(void)
{
	n_runs = mmap(NULL, sizeof *n_runs, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	ck_assert_ptr_ne(n_runs, MAP_FAILED);
}

static int n_unasked;

int nouns_n_ran_unasked(void)
{
	int n = n_unasked;

	n_unasked = 0;
	return n;
}

static int use_process_by(int method, unsigned flags)
{
	IPK_AUTO(process, p);
	char *argv[] = {"true", NULL};
	bool is_exec = method == IPK_START_EXEC;
	ipk_process_status status = {0};
	int before = atomic_load(n_runs), r;

	r = ipk_process_start(is_exec ? NULL : count_run, NULL,
			      IPK_PROCESS(.start_method = method, .flags = flags,
					  .program = is_exec ? "true" : NULL,
					  .argv = is_exec ? argv : NULL),
			      &p);
	if (r < 0)
		n_unasked += atomic_load(n_runs) - before;
	else
		r = ipk_process_join(p, soon(), &status);
	if (r == 0 && status.signal != 0)
		r = -EIO;
	return r;
}

static int use_process(void)
{
	int r = use_process_by(IPK_START_FORK, 0);

	return r == 0 ? use_process_by(IPK_START_FORK, IPK_PROCESS_DIE_WITH_PARENT) : r;
}

static int use_exec(void)
{
	int r = use_process_by(IPK_START_EXEC, 0);

	return r == 0 ? use_process_by(IPK_START_EXEC, IPK_PROCESS_DIE_WITH_PARENT) : r;
}

static int use_zygote(void)
{
	int r = ipk_zygote_start(NULL);

	if (r < 0)
		return r;
	r = use_process_by(IPK_START_ZYGOTE, 0);
	ipk_zygote_stop();
	return r;
}

static int echo(ipk_task *task, const void *arg, size_t arg_bytes)
{
	return ipk_task_return(task, arg, arg_bytes);
}

static int twice(const void *item, void *result)
{
	*(int *)result = 2 * *(const int *)item;
	return 0;
}

static int through_pool(ipk_pool *pool, size_t n_bytes)
{
	static char buf[LONG_BYTES];
	int xs[20] = {0}, ys[20];
	size_t n = 0;
	int r = ipk_pool_apply(pool, echo, long_message(), n_bytes, buf, sizeof buf, soon(), &n);

	if (r == 0 && n != n_bytes)
		return -EIO;
	return r == 0 ? ipk_pool_map(pool, twice, xs, ys, 20, soon()) : r;
}

static int use_pool_of(ipk_pool_kind kind)
{
	IPK_AUTO(pool, pool);
	int r = ipk_pool_create(
		IPK_POOL(.kind = kind, .n_workers = 2, .timeout_ns = WAIT_MS * 500000ll), &pool);

	for (int i = 0; r == 0 && i < N_LONG; i++)
		r = through_pool(pool, i % 2 ? LONG_BYTES : 10);
	return r;
}

static int use_pool(void)
{
	return use_pool_of(IPK_POOL_PROCESSES);
}

static int use_thread_pool(void)
{
	return use_pool_of(IPK_POOL_THREADS);
}

/* --- the manager and the inspector ------------------------------------------------------------ */

static int use_manager(void)
{
	IPK_AUTO(manager_server, server);
	IPK_AUTO(manager, m);
	IPK_AUTO(dict, d);
	int r = ipk_manager_server_start(NULL, soon(), &server);

	if (r == 0)
		r = ipk_manager_connect(ipk_manager_server_address(server), NULL, soon(), &m);
	if (r == 0)
		r = ipk_dict_open(m, "d", &d);
	for (int i = 0; r == 0 && i < 10; i++)
		r = ipk_dict_set(d, (ipk_bytes){&i, sizeof i}, long_message(), LONG_BYTES, soon());
	return r;
}

static int use_inspector(void)
{
	IPK_AUTO(inspect, snap);

	return ipk_inspect_scan(NULL, &snap);
}

const struct noun nouns[] = {
	{"pipe", use_pipe},
	{"socket pipe", use_socket_pipe},
	{"listener", use_listener},
	{"queue", use_queue},
	{"priority queue", use_priority_queue},
	{"named queue", use_named_queue},
	{"lock, condition", use_lock_and_cond},
	{"rwlock", use_rwlock},
	{"semaphore", use_semaphore},
	{"event, once, barrier", use_event_once_barrier},
	{"timer", use_timer},
	{"value, array", use_value_and_array},
	{"shm", use_shm},
	{"process", use_process},
	{"program", use_exec},
	{"zygote", use_zygote},
	{"pool", use_pool},
	{"pool of threads", use_thread_pool},
	{"manager", use_manager},
	{"inspector", use_inspector},
};
const size_t n_nouns = sizeof nouns / sizeof nouns[0];

/* --- objects from before ---------------------------------------------------------------------- */

struct made {
	ipk_pipe *a, *b;
	ipk_queue *queue;
	ipk_lock *lock;
	ipk_array *array;
	ipk_pool *pool;
};

struct made *nouns_make(void)
{
	struct made *m = calloc(1, sizeof *m);

	ck_ok(ipk_pipe_create(NULL, &m->a, &m->b));
	ck_ok(ipk_queue_create(NULL, &m->queue));
	ck_ok(ipk_lock_create(NULL, &m->lock));
	ck_ok(ipk_array_create(IPK_ARRAY(.typecode = 'd', .n_items = 1000), &m->array));
	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 1), &m->pool));
	return m;
}

int nouns_use_made(struct made *m)
{
	double x = 1;
	int r = through_pipe(m->a, m->b, 1000);

	if (r == 0)
		r = through_queue(m->queue, 1000);
	if (r == 0)
		r = ipk_lock_lock(m->lock, soon(), NULL);
	if (r == 0)
		r = ipk_lock_unlock(m->lock);
	if (r == 0)
		r = ipk_array_write(m->array, 999, 1, &x, sizeof x, soon(), NULL);
	return r == 0 ? through_pool(m->pool, 100) : r;
}

void nouns_drop(struct made *m)
{
	ipk_pipe_close(m->a);
	ipk_pipe_close(m->b);
	ipk_queue_close(m->queue);
	ipk_lock_close(m->lock);
	ipk_array_close(m->array);
	ipk_pool_close(m->pool);
	free(m);
}

/* Some at a time: most of it is waiting. */
void nouns_run_each(const void *setting, int (*body)(void *run),
		    void (*judge)(const struct noun_run *run, pid_t pid))
{
	struct noun_run runs[N_AT_ONCE];
	pid_t pids[N_AT_ONCE];
	size_t next = 0;

	while (next <= n_nouns) {
		size_t n = 0;

		for (; n < N_AT_ONCE && next <= n_nouns; n++, next++) {
			runs[n] = (struct noun_run){setting, next < n_nouns ? &nouns[next] : NULL};
			pids[n] = spawn(body, &runs[n]);
		}
		while (n-- > 0)
			judge(&runs[n], pids[n]);
	}
}
