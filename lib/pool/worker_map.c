/*
 * worker_map.c - the worker's side of maps: claiming chunks and processing their items.
 *
 * Invariant: a worker processes an item only within a chunk whose word says TAKEN and its number,
 * and the same compare-and-swap that ends the chunk checks whether that still holds. What it stores
 * in its record before each step (which chunk, which item) is all the creator needs when it dies:
 * see map_shared.h. It claims its own region from the front and others' from the end, so owner and
 * helper meet once. The hints where to look never pass an unclaimed chunk; requeued ones may be
 * anywhere, so then all words are scanned.
 */
#include <string.h>

#include "os/os.h"
#include "pool/worker.h"
#include "pool/worker_array.h"

#define CHUNKS_PER_FLUSH 64u
#define FLUSH_NS 50000
#define SLICE_NS 1000000 /* then single tasks and orders have their turn */
#define NONE UINT32_MAX

/* One pass over a map. */
struct look {
	struct ipk__worker *w;
	struct ipk__shm_map *map;
	_Atomic uint64_t *words;
	int32_t *codes;
	const char *items;
	char *results;
	uint32_t region;  /* its own */
	uint32_t helping; /* how many regions it has got to: this one first, */
	uint32_t step;   /* then in an order of its own, twice: first where no other worker helps */
	uint32_t n_news; /* when it began to look, and at which it looked everywhere: */
	uint32_t searched_news;
	uint32_t search; /* how far */
	/* Not published yet: */
	uint64_t n_done, n_failed;
	uint32_t n_chunks;
	uint32_t per_flush;
	int64_t began_ns, flushed_ns;
	bool is_last; /* all items were counted, by this worker last */
	struct ipk__array_view arrays[2];
};

/* --- claiming --------------------------------------------------------------------------------- */

static bool claim(struct look *l, uint32_t c, uint64_t *ret_word)
{
	struct ipk__pool_worker *record = l->w->record;
	uint64_t word = atomic_load_explicit(&l->words[c], memory_order_relaxed), taken;

	if (ipk__chunk_state(word) != IPK__CHUNK_READY)
		return false;
	if (l->map->flags & IPK__MAP_IS_TIMED)
		atomic_store_explicit(&record->since_ns, ipk__os_now_ns(), memory_order_relaxed);
	atomic_store_explicit(&record->chunk, (uint64_t)c + 1, memory_order_relaxed);
	taken = ipk__chunk_in_state(word, l->w->number, IPK__CHUNK_TAKEN);
	/* Orders the stores before it, and pairs with the creator's when it made the chunk READY.
	 */
	if (!atomic_compare_exchange_strong(&l->words[c], &word, taken))
		return false;
	*ret_word = taken;
	return true;
}

/* From the front of its own region. */
static uint32_t claim_own(struct look *l, uint64_t *ret_word)
{
	struct ipk__map_region *region = &l->map->regions[l->region];
	uint32_t c = atomic_load_explicit(&region->next, memory_order_relaxed);

	while (c < atomic_load_explicit(&region->last, memory_order_relaxed)) {
		bool is_mine = claim(l, c, ret_word);

		c++;
		atomic_store_explicit(&region->next, c, memory_order_relaxed);
		if (is_mine)
			return c - 1;
	}
	return NONE;
}

/* From the end of another's region. Two helpers in one region compete for the same words. */
static uint32_t claim_others(struct look *l, uint32_t i, uint64_t *ret_word)
{
	struct ipk__map_region *region = &l->map->regions[i];
	uint32_t c = atomic_load_explicit(&region->last, memory_order_relaxed);
	uint32_t helper = atomic_load_explicit(&region->helper, memory_order_relaxed);

	if (helper != l->w->number + 1) {
		if (helper != 0 && l->helping < l->map->n_regions)
			return NONE;
		atomic_store_explicit(&region->helper, l->w->number + 1, memory_order_relaxed);
	}
	while (c > atomic_load_explicit(&region->next, memory_order_relaxed)) {
		bool is_mine = claim(l, --c, ret_word);

		atomic_store_explicit(&region->last, c, memory_order_relaxed);
		if (is_mine)
			return c;
	}
	return NONE;
}

/* Among all, if any was requeued since this worker last scanned all. */
static uint32_t claim_any(struct look *l, uint64_t *ret_word)
{
	if (l->searched_news != l->n_news) {
		l->searched_news = l->n_news;
		l->search = 0;
	}
	while (l->search < l->map->n_chunks)
		if (claim(l, l->search++, ret_word))
			return l->search - 1;
	return NONE;
}

static uint32_t claim_next(struct look *l, uint64_t *ret_word)
{
	uint32_t c = NONE;

	l->n_news = atomic_load_explicit(&l->map->n_news, memory_order_acquire);
	while (c == NONE && l->helping < 2 * l->map->n_regions) {
		uint32_t i = (l->region + l->helping * l->step) % l->map->n_regions;

		c = l->helping == 0 ? claim_own(l, ret_word) : claim_others(l, i, ret_word);
		if (c == NONE)
			l->helping++;
	}
	return c != NONE ? c : claim_any(l, ret_word);
}

/* --- telling ---------------------------------------------------------------------------------- */

static void flush(struct look *l)
{
	struct ipk__pool_worker *record = l->w->record;
	uint64_t before;

	if (l->n_done == 0)
		return;
	atomic_store_explicit(&record->n_done,
			      atomic_load_explicit(&record->n_done, memory_order_relaxed) +
				      l->n_done,
			      memory_order_relaxed);
	if (l->n_failed > 0)
		atomic_fetch_add_explicit(&l->map->n_failed, l->n_failed, memory_order_relaxed);
	/* A reader of progress that sees this looks again. */
	atomic_store_explicit(&record->n_unsaid, l->n_done | IPK__UNSAID_MOVES,
			      memory_order_relaxed);
	/*
	 * Pairs with the creator's check: a thread that sees the count sees results, codes and
	 * n_failed.
	 */
	before = atomic_fetch_add_explicit(&l->map->n_done, l->n_done, memory_order_acq_rel);
	atomic_store_explicit(&record->n_unsaid, 0, memory_order_relaxed);
	l->is_last = before + l->n_done == l->map->n_items;
	l->n_done = l->n_failed = 0;
}

/* Now and then: every so many chunks, fewer when they take long. Whether its turn is over. */
static bool flush_sometimes(struct look *l)
{
	int64_t now_ns;

	if (++l->n_chunks < l->per_flush)
		return false;
	now_ns = ipk__os_now_ns();
	flush(l);
	if (now_ns - l->flushed_ns > FLUSH_NS)
		l->per_flush = IPK__MAX(l->per_flush / 2, 1u);
	else if (now_ns - l->flushed_ns < FLUSH_NS / 2)
		l->per_flush = IPK__MIN(l->per_flush * 2, CHUNKS_PER_FLUSH);
	l->flushed_ns = now_ns;
	l->n_chunks = 0;
	if (!(l->map->flags & IPK__MAP_IS_TIMED))
		atomic_store_explicit(&l->w->record->since_ns, now_ns, memory_order_relaxed);
	return now_ns - l->began_ns > SLICE_NS;
}

static void save_text(struct look *l, uint64_t i)
{
	struct ipk__map_text *texts = (void *)((char *)l->w->shared + l->map->texts_offset);
	char *text = l->w->task.text;
	uint32_t n = atomic_load_explicit(&l->map->n_texts, memory_order_relaxed);

	if (text[0] == '\0')
		return;
	if (n < IPK__MAP_TEXTS)
		n = atomic_fetch_add(&l->map->n_texts, 1);
	if (n < IPK__MAP_TEXTS) {
		memcpy(texts[n].text, text, sizeof texts[n].text - 1); /* it was zeroed */
		atomic_store_explicit(&texts[n].index, i + 1, memory_order_release);
	}
	text[0] = '\0';
}

/* --- doing ------------------------------------------------------------------------------------ */

static int call_item(struct look *l, uint64_t i)
{
	const struct ipk__shm_map *map = l->map;
	ipk_map_fn fn = (ipk_map_fn)(uintptr_t)map->fn; /* workers are forks: it is the same here */

	return fn(l->items + i * map->item_bytes, l->results + i * map->result_bytes);
}

static int call_stretch(struct look *l, uint64_t i)
{
	const struct ipk__shm_map *map = l->map;
	ipk_slice_fn fn = (ipk_slice_fn)(uintptr_t)map->fn;
	uint64_t first = i * map->stretch;
	char *at[2];

	for (int k = 0; k < 2; k++)
		at[k] = l->arrays[k].data ? l->arrays[k].data + first * map->array_item_bytes[k]
					  : NULL;
	return fn(at[0], at[1], first, IPK__MIN(map->stretch, map->array_items - first));
}

static void do_item(struct look *l, uint64_t i, uint32_t attempt)
{
	struct ipk_task *task = &l->w->task;
	int r;

	/* Only this thread's order matters: the kernel tells the creator of its end later. */
	atomic_store_explicit(&l->w->record->item, i + 1, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	if ((l->map->flags & IPK__MAP_HAS_SKIPS) && l->codes[i] != 0)
		return;
	task->index = i;
	task->attempt = attempt;
	r = l->map->kind == IPK__MAP_ITEMS ? call_item(l, i) : call_stretch(l, i);
	ipk__worker_end_fork(l->w, r);
	if (r != 0) {
		save_text(l, i);
		l->codes[i] = r;
		l->n_failed++;
	}
	atomic_signal_fence(memory_order_seq_cst);
}

/* Leaves the rest of a chunk to others, or for later. */
static void announce_news(struct look *l)
{
	uint32_t bit = (uint32_t)1 << (l->map - l->w->maps);

	atomic_fetch_add(&l->map->n_news, 1);
	atomic_fetch_or(&l->w->shared->maps_active, bit);
}

/* Before the next item: it was cancelled, or this worker is to end after its present task. */
static bool is_to_stop(const struct look *l)
{
	return atomic_load_explicit(&l->map->stop, memory_order_relaxed) ||
	       atomic_load_explicit(&l->w->record->order, memory_order_relaxed) ==
		       IPK__ORDER_RETIRE;
}

/* The items of a chunk, as many as this worker may do; false: the creator has given it up. */
static bool do_chunk(struct look *l, uint32_t c, uint64_t word)
{
	const struct ipk__shm_map *map = l->map;
	uint64_t base = c * map->chunk, first = base + ipk__chunk_from(word), i = first;
	uint64_t end = IPK__MIN(base + map->chunk, map->n_items);
	uint64_t stop = end - i > l->w->n_left ? i + l->w->n_left : end, ended;
	uint64_t n_failed = l->n_failed;
	uint32_t attempt = ipk__chunk_n_begun(word) + 1;

	for (; i < stop; i++) {
		if (is_to_stop(l))
			break;
		do_item(l, i, attempt);
		attempt = 1;
	}
	if (l->w->n_left != UINT64_MAX)
		l->w->n_left -= i - first;
	ended = i == end ? ipk__chunk_word(0, 0, l->w->number, IPK__CHUNK_DONE)
			 : ipk__chunk_word(i - base, 0, 0, IPK__CHUNK_READY);
	/* Pairs with the creator's reading of words: results and codes before it. */
	if (!atomic_compare_exchange_strong(&l->words[c], &word, ended)) {
		l->n_failed = n_failed; /* the creator has seen to these items */
		return false;
	}
	l->n_done += i - first;
	atomic_store_explicit(&l->w->record->n_unsaid, l->n_done, memory_order_relaxed);
	if (l->n_failed > 0)
		flush(l); /* failures are known at once, and never counted as results */
	if (i != end)
		announce_news(l);
	return true;
}

/* --- one pass --------------------------------------------------------------------------------- */

static bool may_go_on(const struct ipk__worker *w)
{
	return w->n_left > 0 &&
	       atomic_load_explicit(&w->record->order, memory_order_relaxed) != IPK__ORDER_RETIRE;
}

/* Nothing is left here: no worker need look again, unless something changed meanwhile. */
static bool leave_for_good(struct look *l)
{
	uint32_t bit = (uint32_t)1 << (l->map - l->w->maps);

	/* Pairs with the creator, which counts news up before it puts the bit in. */
	atomic_fetch_and(&l->w->shared->maps_active, ~bit);
	if (atomic_load(&l->map->n_news) == l->n_news)
		return true;
	atomic_fetch_or(&l->w->shared->maps_active, bit);
	return false;
}

/* Until nothing is left or its turn ends; whether it did anything. */
static bool work(struct look *l)
{
	bool did = false, is_slice_over = false;

	while (!is_slice_over && may_go_on(l->w)) {
		uint64_t word;
		uint32_t c = claim_next(l, &word);

		if (c == NONE) {
			if (leave_for_good(l))
				break;
			continue;
		}
		did = true;
		if (!do_chunk(l, c, word)) {
			flush(l);
			ipk__worker_condemned(l->w);
		}
		is_slice_over = flush_sometimes(l);
	}
	return did;
}

static bool have_common_divisor(uint32_t a, uint32_t b)
{
	while (b != 0) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a > 1;
}

/*
 * From one region to the next, so that all are visited. Helpers that went the same way would stay
 * together once they have met, and be after the same words from then on.
 */
static uint32_t step_of(const struct ipk__worker *w, uint32_t n_regions)
{
	uint32_t step = w->number % n_regions + 1;

	while (have_common_divisor(step, n_regions))
		step++;
	return step;
}

static void look_init(struct look *l, struct ipk__worker *w, struct ipk__shm_map *map)
{
	char *base = (char *)w->shared;

	*l = (struct look){
		.w = w,
		.map = map,
		.words = (_Atomic uint64_t *)(base + map->words_offset),
		.codes = (int32_t *)(base + map->codes_offset),
		.items = base + map->items_offset,
		.results = base + map->results_offset,
		.region = w->number % map->n_regions,
		.step = step_of(w, map->n_regions),
		.searched_news = map->first_news,
		.search = map->n_chunks,
		.per_flush = 1,
		.began_ns = ipk__os_now_ns(),
	};
	l->flushed_ns = l->began_ns;
	w->task = (struct ipk_task){.worker = w, .map = map};
	atomic_store_explicit(&w->record->fn, map->fn, memory_order_relaxed);
	atomic_store_explicit(&w->record->since_ns, l->began_ns, memory_order_relaxed);
	atomic_store_explicit(&w->record->state, IPK__WORKER_BUSY, memory_order_relaxed);
}

static bool look_at(struct ipk__worker *w, struct ipk__shm_map *map, bool *ret_tell)
{
	struct look l;
	bool did;

	look_init(&l, w, map);
	if (map->kind == IPK__MAP_ARRAY && !ipk__worker_views(w, map, l.arrays))
		return false;
	ipk__task_set_current(&w->task);
	did = work(&l);
	flush(&l);
	ipk__task_set_current(NULL);
	w->task.map = NULL;
	/* Pairs with the creator, which sets it and then checks the words. */
	*ret_tell = l.is_last || atomic_load(&map->tells);
	return did;
}

/* Announce it, then see whether it is open: see map_shared.h. */
static bool enter(struct ipk__worker *w, uint32_t m)
{
	struct ipk__shm_map *map = &w->maps[m];
	struct ipk__pool_worker *record = w->record;
	bool did = false, tell = false;
	uint32_t n_news;

	atomic_store_explicit(&record->chunk, 0, memory_order_relaxed);
	atomic_store_explicit(&record->item, 0, memory_order_relaxed);
	atomic_store_explicit(&record->n_unsaid, 0, memory_order_relaxed);
	atomic_store(&record->map, m + 1);
	atomic_thread_fence(memory_order_seq_cst);
	n_news = atomic_load(&map->n_news);
	if (atomic_load(&map->is_open)) {
		did = look_at(w, map, &tell);
	} else {
		struct look l = {.w = w, .map = map, .n_news = n_news};

		leave_for_good(&l);
	}
	atomic_store_explicit(&record->state, IPK__WORKER_IDLE, memory_order_relaxed);
	atomic_store_explicit(&record->map, 0, memory_order_release);
	if (tell)
		ipk__worker_tell(w, true);
	return did;
}

static uint64_t sequence_of(const struct ipk__worker *w, uint32_t m)
{
	return atomic_load_explicit(&w->maps[m].sequence, memory_order_relaxed);
}

/* The one of @active that was submitted first. */
static uint32_t oldest(const struct ipk__worker *w, uint32_t active)
{
	uint32_t best = (uint32_t)__builtin_ctz(active);

	for (uint32_t m = best + 1; m < IPK__POOL_MAPS; m++)
		if ((active >> m & 1) && sequence_of(w, m) < sequence_of(w, best))
			best = m;
	return best;
}

bool ipk__worker_do_maps(struct ipk__worker *w)
{
	uint32_t active;

	do {
		active = atomic_load_explicit(&w->shared->maps_active, memory_order_acquire);
		active &= ((uint32_t)1 << IPK__POOL_MAPS) - 1;
		if (active == 0 || !may_go_on(w))
			return false;
	} while (!enter(w, oldest(w, active)));
	return true;
}

bool ipk__map_should_stop(const struct ipk_task *task)
{
	const struct ipk__shm_map *map = task->map;
	uint64_t word;
	int64_t since_ns;

	if (atomic_load_explicit(&map->stop, memory_order_relaxed))
		return true;
	word = atomic_load_explicit(
		(const _Atomic uint64_t *)((const char *)task->worker->shared + map->words_offset) +
			task->index / map->chunk,
		memory_order_relaxed);
	if (ipk__chunk_state(word) == IPK__CHUNK_CONDEMNED)
		return true;
	if (map->soft_timeout_ns == 0)
		return false;
	since_ns = atomic_load_explicit(&task->worker->record->since_ns, memory_order_relaxed);
	return ipk__os_now_ns() - since_ns > map->soft_timeout_ns;
}
