/*
 * probe_pool.c - the state of a pool, from its memory: its workers and what each runs, what is
 * queued, and the counts so far.
 *
 * Its beginning and the table of maps are copied, and of the slots only those that workers claim to
 * run. Workers and creator write meanwhile, each number independently, so inconsistent numbers are
 * clamped: nothing here is impossible, only out of range, and out-of-range numbers are not shown.
 * Workers are identified by their owner words, so a dead worker is not confused with another
 * process that got its pid.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "inspect/inspect_internal.h"
#include "pool/pool_internal.h"
#include "shared/owner.h"

/* A copy of what is looked at. */
struct copy {
	alignas(IPK__CACHE_LINE) struct ipk__shm_pool shm;
	struct ipk__shm_map maps[IPK__POOL_MAPS];
};

static uint32_t load32(const _Atomic uint32_t *n)
{
	return atomic_load_explicit(n, memory_order_relaxed);
}

static uint64_t load64(const _Atomic uint64_t *n)
{
	return atomic_load_explicit(n, memory_order_relaxed);
}

static bool lies_within(uint64_t offset, uint64_t n_bytes, const struct ipk__shm_header *h)
{
	return offset <= h->fixed_bytes && n_bytes <= h->fixed_bytes - offset;
}

static int read_copy(int fd, const struct ipk__shm_header *h, struct copy *copy)
{
	const struct ipk__shm_pool *shm = &copy->shm;
	int r;

	if (h->fixed_bytes < sizeof *shm)
		return -EBADMSG;
	r = ipk__os_pread(fd, &copy->shm, sizeof copy->shm, 0);
	if (r < 0)
		return r;
	if (shm->kind > IPK_POOL_THREADS ||
	    !lies_within(shm->slots_offset, IPK__POOL_SLOTS * sizeof(struct ipk__pool_slot), h) ||
	    !lies_within(shm->maps_offset, sizeof copy->maps, h))
		return -EBADMSG;
	return ipk__os_pread(fd, copy->maps, sizeof copy->maps, shm->maps_offset);
}

/* --- workers ---------------------------------------------------------------------------------- */

static bool is_there(const struct ipk__pool_worker *record)
{
	uint32_t state = load32(&record->state);

	return state >= IPK__WORKER_STARTING && state <= IPK__WORKER_BUSY;
}

_Static_assert(IPK__WORKER_STARTING == (int)IPK_INSPECT_STARTING, "same numbers");
_Static_assert(IPK__WORKER_FAILED == (int)IPK_INSPECT_FAILED, "same numbers");
_Static_assert(IPK__WORKER_IDLE == (int)IPK_INSPECT_IDLE, "same numbers");
_Static_assert(IPK__WORKER_BUSY == (int)IPK_INSPECT_BUSY, "same numbers");

static void ask_kernel(const struct ipk__pool_worker *record, bool is_foreign,
		       ipk_inspect_worker *w)
{
	uint64_t owner = load64(&record->owner);
	enum ipk__creator_state process = ipk__creator_state_of(owner, is_foreign);
	struct ipk__os_thread thread;

	w->pid = ipk__owner_id(owner);
	w->is_gone = process == IPK__CREATOR_GONE;
	w->is_stopped = process == IPK__CREATOR_STOPPED;
	if (w->pid != 0 && !w->is_gone && !is_foreign &&
	    ipk__os_thread((pid_t)w->pid, &thread) == 0)
		ipk__printable(thread.comm, true, w->comm, sizeof w->comm);
}

/* On the clock that stops while the machine is suspended. */
static int64_t monotonic_since_ns(int64_t at_ns)
{
	int64_t now_ns = ipk__os_now_ns();

	return at_ns <= 0 || at_ns > now_ns ? -1 : now_ns - at_ns;
}

static void note_task(int fd, const struct copy *copy, uint32_t slot, ipk_inspect_worker *w)
{
	struct ipk__pool_slot s;
	uint64_t word;

	if (slot >= IPK__POOL_SLOTS ||
	    ipk__os_pread(fd, &s, sizeof s, copy->shm.slots_offset + slot * sizeof s) < 0)
		return;
	word = load64(&s.word);
	/* It may have become another's since. */
	if (ipk__slot_worker(word) != w->number || (ipk__slot_state(word) != IPK__SLOT_TAKEN &&
						    ipk__slot_state(word) != IPK__SLOT_CONDEMNED))
		return;
	w->attempt = s.attempt;
	w->arg_bytes = s.arg_bytes;
	w->was_asked_to_stop = load32(&s.stop) != 0 || ipk__slot_state(word) == IPK__SLOT_CONDEMNED;
}

/* What a busy one is at; nothing, for a moment, when it is between two tasks. */
static void note_work(int fd, const struct copy *copy, const struct ipk__pool_worker *record,
		      ipk_inspect_worker *w)
{
	uint32_t map = load32(&record->map);
	uint32_t slot = load32(&record->slot);

	if (slot == 0 && map == 0)
		w->since_ns = -1;
	if (slot != 0)
		note_task(fd, copy, slot - 1, w);
	if (slot == 0 && map != 0 && map <= IPK__POOL_MAPS) {
		const struct ipk__shm_map *m = &copy->maps[map - 1];

		w->item = load64(&record->item) - 1; /* 0, none yet, is IPK_INSPECT_UNKNOWN */
		w->n_items = m->n_items;
		w->was_asked_to_stop = load32(&m->stop) != 0;
	}
}

static void note_worker(int fd, const struct copy *copy, unsigned number, struct ipk__object *o)
{
	const struct ipk__pool_worker *record = &copy->shm.workers[number];
	ipk_inspect_worker *w = &o->workers[o->pub.n_workers++];

	*w = (ipk_inspect_worker){
		.struct_size = sizeof *w,
		.number = number,
		.state = (ipk_inspect_worker_state)load32(&record->state),
		.code = record->init_code,
		.since_ns = monotonic_since_ns(
			atomic_load_explicit(&record->since_ns, memory_order_relaxed)),
		.age_ns = ipk__since_ns(
			atomic_load_explicit(&record->started_boot_ns, memory_order_relaxed)),
		.n_done = load64(&record->n_done),
		.n_started = load32(&record->n_started),
		.item = IPK_INSPECT_UNKNOWN,
	};
	ask_kernel(record, o->pub.is_foreign, w);
	if (w->state == IPK_INSPECT_BUSY)
		note_work(fd, copy, record, w);
	o->pub.n_alive += !w->is_gone && w->state != IPK_INSPECT_FAILED;
	o->pub.n_busy += !w->is_gone && w->state == IPK_INSPECT_BUSY;
}

/* Workers are forks: what one runs has the same address, and name, in all of them. */
static void name_functions(const struct copy *copy, struct ipk__object *o)
{
	const ipk_inspect_worker *named = NULL;
	uint64_t named_fn = 0;

	if (o->pub.is_foreign)
		return;
	for (size_t i = 0; i < o->pub.n_workers; i++) {
		ipk_inspect_worker *w = &o->workers[i];
		uint64_t fn = load64(&copy->shm.workers[w->number].fn);
		bool has_memory = w->pid != 0 && !w->is_gone;

		if (w->state != IPK_INSPECT_BUSY || w->since_ns < 0)
			continue;
		if (named && named_fn == fn) {
			memcpy(w->function, named->function, sizeof w->function);
			continue;
		}
		ipk__name_function((pid_t)(has_memory ? w->pid : o->pub.creator_pid), fn,
				   w->function, sizeof w->function);
		if (*w->function) {
			named = w;
			named_fn = fn;
		}
	}
}

static int note_workers(int fd, const struct copy *copy, struct ipk__object *o)
{
	size_t n = 0;

	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++)
		n += is_there(&copy->shm.workers[i]);
	if (n == 0)
		return 0;
	o->workers = ipk__os_calloc(n, sizeof *o->workers);
	if (!o->workers)
		return -ENOMEM;
	for (unsigned i = 0; i < IPK_POOL_WORKERS_MAX; i++) {
		if (is_there(&copy->shm.workers[i]))
			note_worker(fd, copy, i, o);
	}
	name_functions(copy, o);
	return 0;
}

/* --- all -------------------------------------------------------------------------------------- */

/* @block has room for one, and for putting it where its fields want to be. */
static struct copy *align(char *block)
{
	return (struct copy *)ipk__round_up((uintptr_t)block, alignof(struct copy));
}

static enum ipk__creator_state creator_of(const struct copy *copy, const struct ipk__object *o)
{
	if (!o->pub.is_foreign &&
	    ipk__is_dead_since(o->pub.creator_pid, true, copy->shm.header.created_boot_ns))
		return IPK__CREATOR_GONE;
	return ipk__creator_state_of(copy->shm.creator, o->pub.is_foreign);
}

static int note_pool(int fd, const struct copy *copy, struct ipk__object *o)
{
	const struct ipk__shm_pool *shm = &copy->shm;
	uint64_t n_ready = load64(&shm->tail) - load64(&shm->head);
	uint32_t shutdown = load32(&shm->counts.is_shut);
	int r;

	o->pub.is_threads = shm->kind == IPK_POOL_THREADS;
	o->pub.n_ready = n_ready <= IPK__POOL_SLOTS ? n_ready : 0;
	o->pub.n_backlog = load32(&shm->counts.n_backlog);
	o->pub.shutdown = shutdown <= IPK_DISCARD ? shutdown : 0;
	ipk__progress_read(shm, copy->maps, &o->progress);
	r = note_workers(fd, copy, o);
	if (r == 0)
		r = ipk__note_waiters_in(o, &shm->waiters);
	return r < 0 ? r : ipk__hints_of_pool(o, creator_of(copy, o));
}

int ipk__probe_pool(int fd, const struct ipk__shm_header *h, struct ipk__object *o)
{
	char *block = ipk__os_malloc(sizeof(struct copy) + alignof(struct copy));
	int r;

	if (!block)
		return -ENOMEM;
	r = read_copy(fd, h, align(block));
	if (r == 0)
		r = note_pool(fd, align(block), o);
	free(block);
	return r;
}
