/*
 * quarantine.c - tasks that repeatedly kill their workers.
 *
 * A task is identified by its function and a hash of its argument, since a caller that got no
 * result often submits the same work again. A task that has killed its limit of workers is not
 * started any more, so it cannot keep a pool busy with replacing workers.
 *
 * The table is bounded: when it is full, the task that killed the fewest is evicted, and among
 * those the one with the oldest death; so currently harmful tasks stay known. Nothing is allocated
 * before the first death; later a lookup hashes the argument only if function and length match. Two
 * arguments with the same 64-bit hash would be confused: by accident that does not happen.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "pool/pool_internal.h"

#define N_ENTRIES 256u
#define DEATHS_DEFAULT 3u

struct entry {
	const void *fn;
	uint64_t arg_bytes;
	uint64_t hash;
	uint64_t last; /* when it was last noted, counted in deaths */
	unsigned n_deaths;
};

struct ipk__quarantine {
	uint64_t n_noted;
	unsigned n_entries;
	struct entry entries[N_ENTRIES];
};

int ipk__quarantine_init(ipk_pool *pool)
{
	pool->quarantine = NULL;
	return 0;
}

void ipk__quarantine_end(ipk_pool *pool)
{
	free(pool->quarantine);
	pool->quarantine = NULL;
}

static unsigned deaths_allowed(const ipk_pool *pool)
{
	return pool->opts.quarantine_deaths ? pool->opts.quarantine_deaths : DEATHS_DEFAULT;
}

static struct entry *find(const ipk_pool *pool, const void *fn, const void *arg, size_t arg_bytes)
{
	struct ipk__quarantine *q = pool->quarantine;
	bool is_hashed = false;
	uint64_t hash = 0;

	for (unsigned i = 0; q && i < q->n_entries; i++) {
		struct entry *e = &q->entries[i];

		if (e->fn != fn || e->arg_bytes != arg_bytes)
			continue;
		if (!is_hashed)
			hash = ipk__checksum(arg, arg_bytes);
		is_hashed = true;
		if (e->hash == hash)
			return e;
	}
	return NULL;
}

/* An entry for one more: a new one, or the evicted one. */
static struct entry *new_entry(struct ipk__quarantine *q)
{
	struct entry *worst = &q->entries[0];

	if (q->n_entries < N_ENTRIES)
		return &q->entries[q->n_entries++];
	for (unsigned i = 1; i < N_ENTRIES; i++) {
		struct entry *e = &q->entries[i];

		if (e->n_deaths < worst->n_deaths ||
		    (e->n_deaths == worst->n_deaths && e->last < worst->last))
			worst = e;
	}
	return worst;
}

bool ipk__quarantine_note(ipk_pool *pool, const void *fn, const void *arg, size_t arg_bytes)
{
	struct entry *e;

	if (deaths_allowed(pool) == UINT_MAX)
		return false;
	if (!pool->quarantine)
		pool->quarantine = ipk__os_calloc(1, sizeof *pool->quarantine);
	if (!pool->quarantine)
		return false; /* it is noted at its next death */
	e = find(pool, fn, arg, arg_bytes);
	if (!e) {
		e = new_entry(pool->quarantine);
		*e = (struct entry){
			.fn = fn, .arg_bytes = arg_bytes, .hash = ipk__checksum(arg, arg_bytes)};
	}
	e->last = ++pool->quarantine->n_noted;
	e->n_deaths++;
	return e->n_deaths >= deaths_allowed(pool);
}

bool ipk__quarantine_has(const ipk_pool *pool, const void *fn, const void *arg, size_t arg_bytes)
{
	const struct entry *e = find(pool, fn, arg, arg_bytes);

	return e && e->n_deaths >= deaths_allowed(pool);
}

bool ipk__quarantine_is_empty(const ipk_pool *pool)
{
	return !pool->quarantine || pool->quarantine->n_entries == 0;
}

void ipk__quarantine_words(const ipk_pool *pool, const void *fn, const void *arg, size_t arg_bytes,
			   char ret_text[IPK_FAILURE_TEXT_BYTES])
{
	const struct entry *e = find(pool, fn, arg, arg_bytes);

	snprintf(ret_text, IPK_FAILURE_TEXT_BYTES,
		 "quarantined: this function with this argument ended %u workers "
		 "(ipk_pool_forgive() lets it be tried again)",
		 e ? e->n_deaths : deaths_allowed(pool));
}

int ipk_pool_forgive(ipk_pool *pool)
{
	int r = ipk__pool_check(pool);

	if (r < 0)
		return r;
	ipk__pool_lock(pool);
	if (pool->quarantine)
		pool->quarantine->n_entries = 0;
	ipk__pool_unlock(pool);
	return 0;
}
