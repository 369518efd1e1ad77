/*
 * map_memory.c - the memory of a map's words, codes, items and results: a block of the heap.
 *
 * The blocks of completed maps are kept for the next ones, up to a limit: memory that the kernel
 * has faulted in and every worker has mapped matters more than anything else about a small map.
 * Codes come first in a block, so they are zero already if no item of the last map failed.
 */
#include <errno.h>

#include "pool/map_internal.h"

#define KEPT_BYTES ((uint64_t)64 << 20)

/* --- the kept ones ---------------------------------------------------------------------------- */

static void drop(ipk_pool *pool, struct ipk__map_block *block)
{
	if (block->n_bytes > 0)
		ipk__pool_heap_free(&pool->heap, block->offset, block->n_bytes);
	*block = (struct ipk__map_block){0};
}

/* The smallest that is large enough, but no giant for a dwarf. */
static struct ipk__map_block *find_kept(struct ipk__map_state *state, uint64_t n_bytes)
{
	struct ipk__map_block *best = NULL;

	for (unsigned i = 0; i < IPK__MAP_BLOCKS; i++) {
		struct ipk__map_block *block = &state->kept[i];

		if (block->n_bytes >= n_bytes && block->n_bytes / 8 <= n_bytes &&
		    (!best || block->n_bytes < best->n_bytes))
			best = block;
	}
	return best;
}

static int take(ipk_pool *pool, uint64_t n_bytes, struct ipk__map_block *ret_block)
{
	struct ipk__map_state *state = pool->map_state;
	struct ipk__map_block *kept = find_kept(state, n_bytes);
	struct ipk__map_block block = {.n_bytes = n_bytes};
	int r;

	if (kept) {
		*ret_block = *kept;
		*kept = (struct ipk__map_block){0};
		return 0;
	}
	r = ipk__pool_heap_alloc(&pool->heap, n_bytes, &block.offset);
	for (unsigned i = 0; r == -ENOSPC && i < IPK__MAP_BLOCKS; i++) {
		drop(pool, &state->kept[i]);
		r = ipk__pool_heap_alloc(&pool->heap, n_bytes, &block.offset);
	}
	if (r == 0)
		*ret_block = block;
	return r;
}

static uint64_t kept_bytes(const struct ipk__map_state *state)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < IPK__MAP_BLOCKS; i++)
		n += state->kept[i].n_bytes;
	return n;
}

static void keep(ipk_pool *pool, struct ipk__map_block *block)
{
	struct ipk__map_state *state = pool->map_state;

	if (block->n_bytes > KEPT_BYTES) {
		drop(pool, block);
		return;
	}
	/* The last entry is that of the one kept longest. */
	drop(pool, &state->kept[IPK__MAP_BLOCKS - 1]);
	for (unsigned i = IPK__MAP_BLOCKS - 1; i > 0; i--) {
		state->kept[i] = state->kept[i - 1];
		state->kept[i - 1] = (struct ipk__map_block){0};
	}
	state->kept[0] = *block;
	for (unsigned i = IPK__MAP_BLOCKS - 1; kept_bytes(state) > KEPT_BYTES; i--)
		drop(pool, &state->kept[i]);
}

/* --- a map's ---------------------------------------------------------------------------------- */

static uint64_t carve(uint64_t *end, uint64_t n_bytes)
{
	uint64_t at = *end;

	*end = ipk__round_up(at + n_bytes, IPK__CACHE_LINE);
	return at;
}

int ipk__map_take_block(ipk_pool *pool, struct ipk__map_job *job)
{
	struct ipk__shm_map *plan = &job->plan;
	uint64_t end = 0, at[5];
	bool has_items = plan->kind == IPK__MAP_ITEMS;
	int r;

	at[0] = carve(&end, plan->n_items * sizeof(int32_t));
	at[1] = carve(&end, plan->n_chunks * sizeof(uint64_t));
	at[2] = carve(&end, IPK__MAP_TEXTS * sizeof(struct ipk__map_text));
	at[3] = carve(&end, has_items ? plan->n_items * plan->item_bytes : 0);
	at[4] = carve(&end, has_items ? plan->n_items * plan->result_bytes : 0);
	r = take(pool, end, &job->block);
	if (r < 0)
		return r;
	plan->codes_offset = job->block.offset + at[0];
	plan->words_offset = job->block.offset + at[1];
	plan->texts_offset = job->block.offset + at[2];
	plan->items_offset = job->block.offset + at[3];
	plan->results_offset = job->block.offset + at[4];
	job->codes = (int32_t *)((char *)pool->shared + plan->codes_offset);
	job->words = (_Atomic uint64_t *)((char *)pool->shared + plan->words_offset);
	return 0;
}

void ipk__map_give_block(ipk_pool *pool, struct ipk__map_job *job)
{
	if (job->block.n_bytes == 0)
		return;
	job->block.zero_bytes = job->has_codes ? 0 : job->plan.n_items * sizeof(int32_t);
	keep(pool, &job->block);
	job->block = (struct ipk__map_block){0};
}
