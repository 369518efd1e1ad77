/*
 * worker.c - the main loop of a worker: take a task, run it, report it done, until told to exit.
 *
 * Invariant: two compare-and-swaps of the slot's word, READY to TAKEN and TAKEN to DONE, decide
 * what a worker has done to shared memory. Killed at any other instant it has done neither or one
 * of them, and the creator can tell which; everything else it writes (its record, the ring's head,
 * the stack of done slots) is a hint, or can be found otherwise.
 *
 * It takes no lock, and holds nothing while it is idle: it sleeps as one of the sleepers of an
 * event, and a dead one's bit costs a useless wake-up.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "pool/worker.h"
#include "process/zygote.h"
#include "shared/owner.h"

#define TELL_NS 100000000

void ipk__worker_init(struct ipk__worker *w, struct ipk__shm_pool *shared, unsigned number)
{
	char *base = (char *)shared;

	*w = (struct ipk__worker){
		.number = number,
		.pid = ipk__os_pid(),
		.shared = shared,
		.slots = (struct ipk__pool_slot *)(base + shared->slots_offset),
		.cells = (_Atomic uint64_t *)(base + shared->cells_offset),
		.maps = (struct ipk__shm_map *)(base + shared->maps_offset),
		.record = &shared->workers[number],
		.waiters = &shared->waiters,
		.control_fd = -1,
		.doorbell_fd = -1,
		.spill_fd = -1,
		.n_left = shared->max_tasks_per_worker,
	};
	if (w->n_left == 0)
		w->n_left = UINT64_MAX;
	ipk__spin_policy_init(&w->spin);
	ipk__os_fence_start();
}

/* --- telling the creator ---------------------------------------------------------------------- */

void ipk__worker_tell(struct ipk__worker *w, bool is_wanted)
{
	struct ipk__wait_queue *finished = &w->shared->finished;

	/* All of them: each waits for a task of its own. */
	if (is_wanted && ipk__wait_queue_has_sleepers(finished))
		ipk__wait_queue_wake(finished, w->waiters, IPK__WAITERS_MAX);
	if (ipk__wait_queue_is_armed(finished))
		ipk__wait_queue_ring(finished, w->doorbell_fd);
}

static void push_done(struct ipk__worker *w, struct ipk__pool_slot *slot)
{
	uint32_t number = (uint32_t)(slot - w->slots) + 1;
	uint32_t top = atomic_load_explicit(&w->shared->done, memory_order_relaxed);

	/* The creator takes the whole stack, so that what was on top cannot be there again with
	 * something else below it. */
	do
		atomic_store_explicit(&slot->next, top, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&w->shared->done, &top, number,
						      memory_order_release, memory_order_relaxed));
	/*
	 * Pairs with the heavy fence of a thread that sets wanted and then checks the stack. The
	 * slot may be another task's by now: then that thread checks once for nothing.
	 */
	ipk__os_fence_light();
	ipk__worker_tell(
		w, atomic_load_explicit(&slot->wanted, memory_order_relaxed) ||
			   atomic_load_explicit(&w->shared->any_wanted, memory_order_relaxed));
}

/*
 * Now and then makes the creator collect, although no thread waits: only then are completed tasks
 * counted (progress.c). Uses the task's start time, which has been read already.
 */
static void tell_sometimes(struct ipk__worker *w)
{
	int64_t begun_ns = atomic_load_explicit(&w->record->since_ns, memory_order_relaxed);

	if (begun_ns - w->told_ns < TELL_NS)
		return;
	w->told_ns = begun_ns;
	ipk__os_doorbell(w->doorbell_fd);
}

void ipk__worker_condemned(struct ipk__worker *w)
{
	if (w->is_thread)
		return;
	/* The kill is on its way, unless the creator was killed before it could send it. */
	ipk__os_poll1(w->control_fd, 0, ipk_forever(), NULL);
	ipk__os_exit(255);
}

/* --- a task ----------------------------------------------------------------------------------- */

/* The first task that is ready, now this worker's; NULL: there is none. */
static struct ipk__pool_slot *claim(struct ipk__worker *w, uint64_t *ret_word)
{
	struct ipk__shm_pool *s = w->shared;

	for (;;) {
		uint64_t head = atomic_load_explicit(&s->head, memory_order_acquire);
		uint64_t tail = atomic_load_explicit(&s->tail, memory_order_acquire);
		struct ipk__pool_slot *slot;
		uint64_t cell, word, taken;
		bool is_ours = false;

		if (head == tail)
			return NULL;
		cell = atomic_load_explicit(&w->cells[head % IPK__POOL_SLOTS],
					    memory_order_relaxed);
		slot = &w->slots[(uint32_t)cell % IPK__POOL_SLOTS];
		word = atomic_load_explicit(&slot->word, memory_order_relaxed);
		taken = ipk__slot_word((uint32_t)(cell >> 32), w->number, IPK__SLOT_TAKEN);
		if (ipk__slot_generation(word) == (uint32_t)(cell >> 32) &&
		    ipk__slot_state(word) == IPK__SLOT_READY)
			is_ours = atomic_compare_exchange_strong_explicit(&slot->word, &word, taken,
									  memory_order_acquire,
									  memory_order_relaxed);
		/* Claimed, by us or another, or cancelled: it need not be checked again. */
		atomic_compare_exchange_strong(&s->head, &head, head + 1);
		*ret_word = taken;
		if (is_ours)
			return slot;
	}
}

static void begin_task(struct ipk__worker *w, struct ipk__pool_slot *slot)
{
	struct ipk__pool_worker *record = w->record;
	bool is_timed = slot->flags & IPK__SLOT_IS_TIMED;

	w->task.slot = slot;
	w->task.map = NULL;
	w->task.index = slot->index;
	w->task.attempt = slot->attempt;
	w->task.arg =
		slot->arg_offset != 0 ? (const char *)w->shared + slot->arg_offset : slot->arg;
	w->task.arg_bytes = slot->arg_bytes;
	w->task.result_kind = IPK__RESULT_INLINE;
	w->task.result_bytes = 0;
	w->task.max_result_bytes = slot->max_result_bytes;
	w->task.text[0] = '\0';
	atomic_store_explicit(&record->fn, slot->fn, memory_order_relaxed);
	atomic_store_explicit(&record->since_ns, is_timed ? ipk__os_now_ns() : ipk__os_coarse_ns(),
			      memory_order_relaxed);
	atomic_store_explicit(&record->state, IPK__WORKER_BUSY, memory_order_relaxed);
	/* Pairs with the supervisor's load: since_ns is then this task's. */
	atomic_store_explicit(&record->slot, (uint32_t)(slot - w->slots) + 1, memory_order_release);
}

static void end_task(struct ipk__worker *w, struct ipk__pool_slot *slot, uint64_t taken, int code)
{
	uint64_t done = ipk__slot_word(ipk__slot_generation(taken), w->number, IPK__SLOT_DONE);
	uint64_t n_done = atomic_load_explicit(&w->record->n_done, memory_order_relaxed);

	ipk__task_hand_over(&w->task, code);
	atomic_store_explicit(&w->record->n_done, n_done + 1, memory_order_relaxed);
	atomic_store_explicit(&w->record->slot, 0, memory_order_release);
	/*
	 * Pairs with the creator's acquire load: the result is complete; the record is up to date.
	 */
	if (!atomic_compare_exchange_strong_explicit(&slot->word, &taken, done,
						     memory_order_release, memory_order_relaxed)) {
		ipk__worker_condemned(w);
		free(w->task.result); /* a thread's, which is not wanted any more */
	}
	w->task.result = NULL;
	push_done(w, slot);
	tell_sometimes(w);
}

/* Having taken something, or been about to: there is more, for another. */
static void pass_on(struct ipk__worker *w)
{
	if (!w->is_woken)
		return;
	w->is_woken = false;
	ipk__parking_wake(&w->shared->work, 1, ipk__shm_pool_has_work, w->shared);
}

static bool do_task(struct ipk__worker *w)
{
	uint64_t taken;
	struct ipk__pool_slot *slot = claim(w, &taken);
	int code;

	if (!slot)
		return false;
	w->n_left--;
	pass_on(w);
	begin_task(w, slot);
	ipk__task_set_current(&w->task);
	code = ((ipk_task_fn)(uintptr_t)slot->fn)(&w->task, w->task.arg, w->task.arg_bytes);
	ipk__task_set_current(NULL);
	ipk__worker_end_fork(w, code);
	end_task(w, slot, taken, code);
	return true;
}

/* --- the loop --------------------------------------------------------------------------------- */

static bool has_reason(void *arg)
{
	struct ipk__worker *w = arg;

	return ipk__shm_pool_has_work(w->shared) ||
	       atomic_load_explicit(&w->record->order, memory_order_relaxed) != IPK__ORDER_WORK;
}

static int has_work(void *arg, bool slowly)
{
	struct ipk__worker *w = arg;

	if (has_reason(w))
		return 1;
	/* Completed tasks are uncollected: no thread waits for them, but they must be counted. */
	if (slowly && atomic_load_explicit(&w->shared->done, memory_order_relaxed) != 0)
		ipk__os_doorbell(w->doorbell_fd);
	return slowly && w->control_fd >= 0 && ipk__os_is_hung_up(w->control_fd) != 0 ? -EPIPE : 0;
}

static int sleep_for_work(void *arg)
{
	struct ipk__worker *w = arg;
	int r;

	ipk__os_thread_quiet();
	ipk__parking_enter(&w->shared->work, w->number);
	do {
		w->is_woken = ipk__parking_slice(&w->shared->work, has_reason, w) != 0;
		r = has_work(w, true);
	} while (r == 0);
	ipk__parking_leave(&w->shared->work, w->number);
	ipk__os_thread_loud();
	return r;
}

/* 0 there may be work; -EPIPE the creator is dead. */
static int wait_for_work(struct ipk__worker *w)
{
	const struct ipk__wait wait = {
		.what = IPK__WAIT_WORK,
		.spin = &w->spin,
		.ready = has_work,
		.arg = w,
		.sleep = sleep_for_work,
	};

	atomic_store_explicit(&w->record->since_ns, ipk__os_coarse_ns(), memory_order_relaxed);
	atomic_store_explicit(&w->record->state, IPK__WORKER_IDLE, memory_order_relaxed);
	return ipk__wait(&wait, ipk_forever());
}

/* The supervisor is notified either way. */
static int initialize(struct ipk__worker *w)
{
	struct ipk__pool_worker *record = w->record;
	int code = w->initializer ? w->initializer(w->initializer_arg) : 0;

	ipk__worker_end_fork(w, code);
	record->init_code = code;
	/* Pairs with the creator's acquire load. */
	atomic_store_explicit(&record->state, code == 0 ? IPK__WORKER_IDLE : IPK__WORKER_FAILED,
			      memory_order_release);
	ipk__os_doorbell(w->doorbell_fd);
	return code;
}

static void work(struct ipk__worker *w)
{
	for (;;) {
		/* Read first: what was to be done before the order came is done. */
		uint32_t order = atomic_load_explicit(&w->record->order, memory_order_acquire);

		if (order == IPK__ORDER_RETIRE || w->n_left == 0)
			return;
		if (do_task(w))
			continue;
		pass_on(w);
		if (ipk__worker_do_maps(w))
			continue;
		if (order == IPK__ORDER_DRAIN || wait_for_work(w) < 0)
			return;
	}
}

int ipk__worker_run(struct ipk__worker *w)
{
	w->task.worker = w;
	atomic_store(&w->record->began_ns, ipk__os_now_ns());
	if (initialize(w) != 0)
		return 1;
	work(w);
	/* Pairs with the creator's acquire load, once it sees the end. */
	atomic_store_explicit(&w->record->state, IPK__WORKER_RETIRED, memory_order_release);
	return 0;
}

/*
 * Until the creator confirms our record: a spawn may succeed here and fail there, and then this
 * record may be another worker's.
 */
static int wait_for_go_ahead(int control_fd)
{
	char byte;
	const struct iovec part = {&byte, 1};
	int fds[IPK__OS_FDS_MAX];
	size_t n_bytes, n_fds;
	int r = ipk__os_poll1(control_fd, IPK__OS_IN, ipk_forever(), NULL);

	return r < 0 ? r : ipk__os_recv(control_fd, &part, 1, false, &n_bytes, fds, &n_fds);
}

int ipk__worker_main(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	const struct ipk__worker_start_arg *start = arg;
	struct ipk__segment segment = {.fd = -1};
	struct ipk__worker w;
	int r = arg_bytes == sizeof *start && n_fds == 3 ? 0 : -EPROTO;

	if (r == 0)
		r = wait_for_go_ahead(fds[1]);
	if (r == 0)
		r = ipk__segment_attach_sparse(fds[0], IPK__KIND_POOL, true, &segment);
	if (r == 0 && start->memory_bytes > 0)
		r = ipk__os_limit_memory(start->memory_bytes);
	/* Before it has a record: the creator reads the reason from the exit code. */
	if (r != 0)
		return -r;
	ipk__worker_init(&w, (struct ipk__shm_pool *)segment.header, start->number);
	w.control_fd = fds[1];
	w.doorbell_fd = fds[2];
	w.initializer = start->initializer;
	w.initializer_arg = start->initializer_arg;
	atomic_store_explicit(&w.record->owner, ipk__owner_of(w.pid), memory_order_relaxed);
	return ipk__worker_run(&w);
}
