/*
 * map_array.c - maps over shared arrays, in place.
 *
 * The array is cut into ranges, and each is an item of an ordinary map. Thread workers use the
 * creator's addresses. Worker processes are sent the file that holds the array, once per worker;
 * the creator keeps a table of the files it has sent, which theirs mirror, and reuses the least
 * recently used slot. A worker that did not get its message (its socket was full) waits for it, and
 * it is sent again at the next check.
 */
#include <errno.h>
#include <sys/uio.h>

#include "pool/map_internal.h"
#include "value/value_internal.h"

#define STRETCH_BYTES ((size_t)256 << 10)
#define STRETCHES_PER_WORKER 4u

/* --- files ------------------------------------------------------------------------------------ */

static uint64_t key_of(const struct ipk__map_state *state, uint32_t slot)
{
	return state->files[slot].generation * IPK__ARRAY_SLOTS + slot;
}

static bool has_key(const struct ipk__map_job *job, uint64_t key)
{
	return job->plan.kind == IPK__MAP_ARRAY &&
	       (job->plan.arrays[0] == key || job->plan.arrays[1] == key);
}

static bool is_in_use(const struct ipk__map_state *state, uint32_t slot)
{
	const struct ipk__map_job *job = state->first;

	for (; job; job = job->next)
		if (has_key(job, key_of(state, slot)))
			return true;
	return false;
}

/* -EBUSY: all are in use. */
static int find_slot(const struct ipk__map_state *state, const struct ipk__arena *arena,
		     uint32_t *ret_place)
{
	uint32_t best = UINT32_MAX;

	for (uint32_t i = 0; i < IPK__ARRAY_SLOTS; i++) {
		const struct ipk__array_file *file = &state->files[i];

		if (file->generation > 0 && file->device == arena->device &&
		    file->inode == arena->inode) {
			*ret_place = i;
			return 0;
		}
		if (!is_in_use(state, i) &&
		    (best == UINT32_MAX || file->used_at < state->files[best].used_at))
			best = i;
	}
	if (best == UINT32_MAX)
		return -EBUSY;
	*ret_place = best;
	return 0;
}

static void send_file(ipk_pool *pool, const struct ipk__map_job *job, int which, unsigned worker)
{
	const struct ipk__arena *arena = job->arenas[which];
	struct ipk__array_file *file =
		&pool->map_state->files[job->plan.arrays[which] % IPK__ARRAY_SLOTS];
	struct ipk__array_message message = {job->plan.arrays[which], arena->segment.mapped_bytes};
	const struct iovec part = {&message, sizeof message};

	if (pool->handles[worker].is_there && !file->was_sent[worker])
		file->was_sent[worker] = ipk__os_send(pool->handles[worker].control_fd, &part, 1,
						      &arena->segment.fd, 1) == 0;
}

void ipk__map_send_files(ipk_pool *pool, const struct ipk__map_job *job)
{
	if (!pool->zygote || job->plan.kind != IPK__MAP_ARRAY)
		return;
	for (int which = 0; which < 2; which++)
		for (unsigned i = 0; job->plan.arrays[which] != 0 && i < IPK_POOL_WORKERS_MAX; i++)
			send_file(pool, job, which, i);
}

void ipk__maps_greet(ipk_pool *pool, unsigned worker)
{
	struct ipk__map_state *state = pool->map_state;
	const struct ipk__map_job *job = state ? state->first : NULL;

	for (uint32_t i = 0; state && i < IPK__ARRAY_SLOTS; i++)
		state->files[i].was_sent[worker] = false;
	for (; job; job = job->next)
		if (job->phase != IPK__MAP_LINGERS)
			ipk__map_send_files(pool, job);
}

/* --- a map's arrays --------------------------------------------------------------------------- */

static int take_file(ipk_pool *pool, struct ipk__map_job *job, int which, ipk_array *a)
{
	struct ipk__map_state *state = pool->map_state;
	const struct ipk__arena *arena = a->ref.arena;
	struct ipk__array_file *file;
	uint32_t slot;
	int r = find_slot(state, arena, &slot);

	if (r < 0)
		return r;
	file = &state->files[slot];
	if (file->generation == 0 || file->device != arena->device || file->inode != arena->inode)
		*file = (struct ipk__array_file){
			.generation = file->generation + 1,
			.device = arena->device,
			.inode = arena->inode,
		};
	file->used_at = state->sequence + 1;
	job->arenas[which] = arena;
	job->plan.arrays[which] = key_of(state, slot);
	job->plan.array_offsets[which] = (uint64_t)(a->data - (char *)arena->shared);
	return 0;
}

int ipk__map_take_arrays(ipk_pool *pool, struct ipk__map_job *job,
			 const struct ipk__map_request *request)
{
	int r = 0;

	job->plan.stretch = request->stretch;
	job->plan.array_items = request->arrays[0]->n_items;
	for (int i = 0; r == 0 && i < 2; i++) {
		ipk_array *a = request->arrays[i];

		if (!a)
			continue;
		job->plan.array_item_bytes[i] = a->item_bytes;
		if (pool->zygote)
			r = take_file(pool, job, i, a);
		else
			job->plan.array_offsets[i] = (uint64_t)(uintptr_t)a->data;
	}
	if (r == 0)
		ipk__map_send_files(pool, job);
	return r;
}

/* --- asking for one --------------------------------------------------------------------------- */

static size_t choose_stretch(const ipk_pool *pool, const ipk_array *items, const ipk_array *results,
			     size_t chunk)
{
	size_t item_bytes =
		results ? IPK__MAX(items->item_bytes, results->item_bytes) : items->item_bytes;
	size_t n_least = STRETCHES_PER_WORKER * (size_t)IPK__MAX(pool->n_workers, 1u);
	size_t n = chunk;

	if (n == 0)
		n = IPK__MIN(STRETCH_BYTES / item_bytes, (items->n_items + n_least - 1) / n_least);
	return IPK__MAX(n, 1u);
}

static bool is_left_alone(void *arg)
{
	const ipk_future *f = arg;

	return !ipk__map_is_in_use(f->pool, f->map);
}

/* A thread may be at a stretch yet: the arrays must stay until it is not. */
static int run(ipk_pool *pool, const struct ipk__map_request *request, ipk_deadline deadline)
{
	ipk_future *f;
	int r = ipk__map_submit(pool, request, &f), waited;

	if (r < 0)
		return r;
	r = ipk__map_wait(f, deadline);
	if (!pool->zygote) {
		waited = ipk__pool_wait(pool, NULL, is_left_alone, f, ipk_forever());
		(void)waited; /* -ESHUTDOWN: the threads have ended */
	}
	ipk_future_close(f);
	return r;
}

int ipk_pool_map_array(ipk_pool *pool, ipk_slice_fn fn, ipk_array *items, ipk_array *results,
		       const ipk_task_opts *opts, ipk_deadline deadline)
{
	ipk_task_opts copy = {0};
	struct ipk__map_request request = {
		.kind = IPK__MAP_ARRAY,
		.fn = (void *)(uintptr_t)fn,
		.opts = &copy,
		.chunk = 1,
		.arrays = {items, results},
	};
	int r = opts ? ipk__opts_copy(&copy, sizeof copy, opts) : 0;

	if (r == 0)
		r = ipk__pool_check(pool);
	if (r == 0 && !items)
		r = -EBADF;
	if (r == 0)
		r = ipk__map_check_opts(&copy);
	if (r < 0)
		return r;
	IPK__REQUIRE(fn, "fn is NULL");
	IPK__REQUIRE(!results || results->n_items == items->n_items,
		     "results: must have as many items as items");
	request.stretch = choose_stretch(pool, items, results, copy.chunk);
	request.n = (items->n_items + request.stretch - 1) / request.stretch;
	return run(pool, &request, deadline);
}
