/*
 * worker_handle.c - a single worker of a pool, process or thread, from its start to its end.
 *
 * Both report their end in the same way: an fd becomes readable. A process has its pidfd; a thread
 * rings a doorbell as its last action, also when its task exits the thread (pthread_exit()), so
 * joining it does not block.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "pool/worker_handle.h"
#include "pool/worker.h"
#include "shared/owner.h"

#define STATUS_MS 500 /* a stopped zygote reports nothing until it is resumed */
#define NAME_BYTES 16 /* what ps shows */

void ipk__worker_handle_forget_fds(struct ipk__worker_handle *m)
{
	m->child.pidfd = m->child.status_fd = -1;
	m->control_fd = m->spill_fd = -1;
}

void ipk__worker_handle_init(struct ipk__worker_handle *m)
{
	m->is_there = m->is_starting = m->is_ready = m->is_killed = m->knows_shift = false;
	m->clock_shift_ns = 0;
	m->child.pid = 0;
	ipk__worker_handle_forget_fds(m);
	atomic_store(&m->has_ended, false);
}

static void name_worker(const ipk_pool *pool, unsigned worker, char name[NAME_BYTES])
{
	char number[8];
	int n = snprintf(number, sizeof number, "-%u", worker);

	snprintf(name, NAME_BYTES, "%.*s%s", NAME_BYTES - 1 - n, pool->label, number);
}

/* --- processes -------------------------------------------------------------------------------- */

/*
 * It waits for this. If it is dead by now, that is handled as any other death: its pidfd reports
 * it.
 */
static int give_go_ahead(const struct ipk__worker_handle *m)
{
	char byte = 0;
	const struct iovec part = {&byte, 1};
	int r = ipk__os_send(m->control_fd, &part, 1, NULL, 0);

	return r == -EPIPE ? 0 : r;
}

static int spawn(ipk_pool *pool, const struct ipk__spawn_request *request, bool lets_go,
		 ipk_deadline deadline, struct ipk__zygote_child *ret_child)
{
	int r;

	if (lets_go)
		ipk__pool_unlock(pool);
	r = ipk__zygote_spawn(pool->zygote, request, deadline, ret_child);
	if (lets_go)
		ipk__pool_lock(pool);
	return r;
}

static int start_process(ipk_pool *pool, unsigned worker, bool lets_go, ipk_deadline deadline)
{
	struct ipk__worker_handle *m = &pool->handles[worker];
	const struct ipk__worker_start_arg arg = {
		.number = worker,
		.memory_bytes = pool->opts.worker_memory_bytes,
		.initializer = pool->opts.initializer,
		.initializer_arg = pool->opts.initializer_arg,
	};
	char name[NAME_BYTES];
	int ends[2], fds[3];
	struct ipk__spawn_request request = {
		.fn = ipk__worker_main,
		.arg = &arg,
		.arg_bytes = sizeof arg,
		.fds = fds,
		.n_fds = 3,
		.name = name,
		.flags = IPK__SPAWN_DIES_ALONG,
	};
	int r = ipk__os_socketpair(ends);

	if (r < 0)
		return r;
	name_worker(pool, worker, name);
	fds[0] = pool->segment.fd;
	fds[1] = ends[1];
	fds[2] = pool->doorbell_fd;
	m->control_fd = ends[0];
	r = spawn(pool, &request, lets_go, deadline, &m->child);
	ipk__os_close(ends[1]);
	if (r == 0)
		r = ipk__os_loop_add(pool->epoll_fd, m->child.pidfd, IPK__OS_IN, worker);
	return r < 0 ? r : give_go_ahead(m);
}

/* --- threads ---------------------------------------------------------------------------------- */

struct thread_start {
	struct ipk__worker worker;
	_Atomic bool *has_ended;
	int end_fd;
	char name[NAME_BYTES];
};

static void thread_ends(void *arg)
{
	struct thread_start *b = arg;
	int end_fd = b->end_fd;

	atomic_store(b->has_ended, true);
	free(b);
	/* The host may have closed it, and opened another socket. */
	if (ipk__os_doorbell_check(end_fd) != -EPROTO)
		ipk__os_doorbell(end_fd);
}

static void *thread_main(void *arg)
{
	struct thread_start *b = arg;

	/* Quiet only while it sleeps: otherwise user code may run at any moment. */
	ipk__os_thread_loud();
	pthread_cleanup_push(thread_ends, b);
	ipk__os_set_thread_name(b->name);
	ipk__worker_run(&b->worker);
	pthread_cleanup_pop(1);
	return NULL;
}

static int start_thread(ipk_pool *pool, unsigned worker, bool lets_go)
{
	struct ipk__worker_handle *m = &pool->handles[worker];
	struct thread_start *b = ipk__os_calloc(1, sizeof *b);
	int r = b ? ipk__os_doorbell_open(&m->child.pidfd) : -ENOMEM;

	if (r == 0)
		r = ipk__os_loop_add(pool->epoll_fd, m->child.pidfd, IPK__OS_IN, worker);
	if (r == 0) {
		ipk__worker_init(&b->worker, pool->shared, worker);
		b->worker.is_thread = true;
		b->worker.doorbell_fd = pool->doorbell_fd;
		b->worker.initializer = pool->opts.initializer;
		b->worker.initializer_arg = pool->opts.initializer_arg;
		b->end_fd = m->child.pidfd;
		b->has_ended = &m->has_ended;
		name_worker(pool, worker, b->name);
		/* The guard of quiet threads comes before the mutex (the supervisor has both). */
		if (lets_go)
			ipk__pool_unlock(pool);
		r = ipk__os_thread_start_quiet(thread_main, b, &m->thread);
		if (lets_go)
			ipk__pool_lock(pool);
	}
	if (r < 0)
		free(b);
	return r;
}

/* --- either ----------------------------------------------------------------------------------- */

static bool is_thread(const ipk_pool *pool)
{
	return pool->opts.kind == IPK_POOL_THREADS;
}

static void reset_record(struct ipk__pool_worker *record)
{
	atomic_store(&record->owner, 0);
	atomic_store(&record->state, IPK__WORKER_STARTING);
	atomic_store(&record->slot, 0);
	atomic_store(&record->map, 0);
	atomic_store(&record->chunk, 0);
	atomic_store(&record->item, 0);
	atomic_store(&record->fn, 0);
	atomic_store(&record->n_done, 0);
	atomic_store(&record->order, IPK__ORDER_WORK);
	atomic_store(&record->began_ns, 0);
	atomic_store(&record->since_ns, ipk__os_now_ns());
	atomic_store(&record->started_boot_ns, ipk__os_boot_ns());
	record->init_code = 0;
}

static void count_alive(ipk_pool *pool)
{
	atomic_store_explicit(&pool->shared->counts.n_workers, ipk__workers_n_alive(pool),
			      memory_order_relaxed);
}

/* Its fds; the record is empty. */
static void put_away(ipk_pool *pool, unsigned worker)
{
	struct ipk__worker_handle *m = &pool->handles[worker];

	if (m->child.pidfd >= 0)
		ipk__os_loop_remove(pool->epoll_fd, m->child.pidfd);
	ipk__os_fds_change();
	if (is_thread(pool))
		ipk__os_close(m->child.pidfd);
	else if (m->child.pidfd >= 0)
		ipk__zygote_child_close(&m->child);
	ipk__os_close(m->control_fd);
	ipk__os_close(m->spill_fd);
	ipk__worker_handle_init(m);
	ipk__os_fds_changed();
	atomic_store(&pool->shared->workers[worker].owner, 0);
	atomic_store(&pool->shared->workers[worker].state, IPK__WORKER_NONE);
	ipk__parking_forget(&pool->shared->work, worker);
	count_alive(pool);
}

void ipk__worker_handle_kill(ipk_pool *pool, unsigned worker)
{
	struct ipk__worker_handle *m = &pool->handles[worker];

	m->is_killed = true;
	if (!m->is_there) /* it may be at a task already: it is killed once its pid is known */
		return;
	if (m->child.pidfd < 0) {
		if (!ipk__worker_handle_has_ended(pool, worker))
			ipk__os_kill_child(m->child.pid);
	} else if (ipk__os_pidfd_signal(m->child.pidfd, SIGKILL) == -EPERM) {
		(void)ipk__zygote_kill(pool->zygote, m->child.pid);
	}
}

int ipk__worker_handle_start(ipk_pool *pool, unsigned worker, bool lets_go, ipk_deadline deadline)
{
	struct ipk__pool_worker *record = &pool->shared->workers[worker];
	struct ipk__worker_handle *m = &pool->handles[worker];
	int r;

	if (ipk__workers_have_lost_fds(pool))
		return -EBADF;
	reset_record(record);
	m->spawned_ns = atomic_load(&record->since_ns);
	m->is_starting = true;
	ipk__os_fds_change();
	r = is_thread(pool) ? start_thread(pool, worker, lets_go)
			    : start_process(pool, worker, lets_go, deadline);
	m->is_starting = false;
	ipk__os_fds_changed();
	if (r < 0) {
		/* A process that was spawned nevertheless gets no go-ahead, and ends. */
		put_away(pool, worker);
		return r;
	}
	m->is_there = true;
	if (m->is_killed)
		ipk__worker_handle_kill(pool, worker);
	atomic_fetch_add(&record->n_started, 1);
	count_alive(pool);
	return 0;
}

/* The kernel counts them for all of a control group: one that we did not send, and one more than
 * we know of. */
static bool was_oom(ipk_pool *pool, const struct ipk__worker_handle *m,
		    const ipk_process_status *status)
{
	uint64_t n;

	if (status->signal != SIGKILL || m->is_killed || !pool->knows_oom_kills ||
	    ipk__os_oom_kills(&n) < 0 || n <= pool->n_oom_kills)
		return false;
	pool->n_oom_kills++;
	return true;
}

bool ipk__worker_handle_has_ended(const ipk_pool *pool, unsigned worker)
{
	const struct ipk__worker_handle *m = &pool->handles[worker];
	uint64_t owner = atomic_load(&pool->shared->workers[worker].owner);

	if (is_thread(pool))
		return atomic_load(&m->has_ended);
	/* Its own entry there distinguishes it from a process that has its pid by now. */
	if (ipk__owner_id(owner) != (uint32_t)m->child.pid)
		owner = (uint64_t)m->child.pid << 32;
	return ipk__owner_is_dead(owner, true);
}

void ipk__worker_handle_read_end(ipk_pool *pool, unsigned worker, struct ipk__death *ret_death)
{
	struct ipk__worker_handle *m = &pool->handles[worker];
	struct ipk__death death = {.worker = worker, .is_known = true};

	death.item = atomic_load(&pool->shared->workers[worker].item);
	if (is_thread(pool)) {
		ipk__os_thread_join(m->thread);
	} else {
		death.pid = m->child.pid;
		death.is_known = m->child.status_fd >= 0 &&
				 ipk__zygote_child_status(&m->child, ipk_in_ms(STATUS_MS),
							  &death.status) == 0;
		death.status.is_oom = was_oom(pool, m, &death.status);
	}
	*ret_death = death;
}

void ipk__worker_handle_clear(ipk_pool *pool, unsigned worker)
{
	put_away(pool, worker);
}

/* --- results that do not fit a slot ----------------------------------------------------------- */

/* The file was sent before the first result in it was announced. */
static int receive_spill(struct ipk__worker_handle *m)
{
	char byte;
	const struct iovec part = {&byte, 1};
	int fds[IPK__OS_FDS_MAX];
	size_t n_bytes, n_fds;
	int r;

	ipk__os_fds_change();
	r = ipk__os_recv(m->control_fd, &part, 1, false, &n_bytes, fds, &n_fds);
	for (size_t i = 1; r == 0 && i < n_fds; i++)
		ipk__os_close(fds[i]);
	/* A worker's task can have sent anything; only reading memory never waits. */
	if (r == 0 && n_fds > 0 && ipk__os_is_sealed(fds[0]) == 1)
		m->spill_fd = fds[0];
	else if (r == 0 && n_fds > 0)
		ipk__os_close(fds[0]);
	ipk__os_fds_changed();
	if (r < 0)
		return r == -EMFILE || r == -ENFILE ? r : -EBADMSG;
	return m->spill_fd < 0 ? -EBADMSG : 0;
}

static struct ipk__worker_handle *handle_of(ipk_pool *pool, const struct ipk__pool_slot *slot)
{
	uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);

	return &pool->handles[ipk__slot_worker(word) % IPK_POOL_WORKERS_MAX];
}

static int read_spill(struct ipk__worker_handle *m, uint64_t offset, uint64_t n_bytes,
		      char **ret_result)
{
	char *data = ipk__os_malloc(n_bytes);
	int r = data ? 0 : -ENOMEM;

	if (r == 0)
		r = ipk__os_pread(m->spill_fd, data, n_bytes, offset);
	if (r < 0)
		free(data);
	else
		*ret_result = data;
	return r == -ENODATA ? -EBADMSG : r;
}

static void give_back(struct ipk__worker_handle *m, uint64_t offset, uint64_t n_bytes)
{
	/* When it fails the pages stay until the worker ends. */
	(void)ipk__os_deallocate(m->spill_fd, offset, ipk__round_up(n_bytes, ipk__os_page_bytes()));
}

int ipk__workers_take_result(ipk_pool *pool, const struct ipk__pool_slot *slot, char **ret_result)
{
	struct ipk__worker_handle *m = handle_of(pool, slot);
	uint64_t offset = slot->result_offset, n_bytes = slot->result_bytes;
	int r = 0;

	if (slot->result_kind == IPK__RESULT_HEAP && is_thread(pool)) {
		*ret_result = (char *)(uintptr_t)offset; /* NOLINT(performance-no-int-to-ptr) */
		return 0;
	}
	if (slot->result_kind != IPK__RESULT_SPILLED || is_thread(pool) || n_bytes == 0 ||
	    n_bytes > slot->max_result_bytes)
		return -EBADMSG;
	if (m->spill_fd < 0)
		r = receive_spill(m);
	if (r < 0)
		return r;
	r = read_spill(m, offset, n_bytes, ret_result);
	give_back(m, offset, n_bytes);
	return r;
}

void ipk__workers_drop_result(ipk_pool *pool, const struct ipk__pool_slot *slot)
{
	struct ipk__worker_handle *m = handle_of(pool, slot);

	if (is_thread(pool)) {
		if (slot->result_kind == IPK__RESULT_HEAP)
			free((void *)(uintptr_t)slot->result_offset);
		return;
	}
	if (slot->result_kind != IPK__RESULT_SPILLED)
		return;
	if (m->spill_fd >= 0 || receive_spill(m) == 0)
		give_back(m, slot->result_offset, slot->result_bytes);
}
