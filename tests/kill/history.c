/*
 * history.c - see history.h. Messages of 0 bytes are indistinguishable: one that comes out counts
 * as the first that has not come out yet.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "history.h"

struct history *history_new(void)
{
	void *addr = mmap(NULL, sizeof(struct history), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return addr == MAP_FAILED ? NULL : addr;
}

void history_free(struct history *l)
{
	if (l)
		munmap(l, sizeof *l);
}

void history_reset(struct history *l)
{
	memset(l, 0, offsetof(struct history, items));
}

void history_fault(struct history *l, uint32_t *count, const char *format, ...)
{
	va_list args;

	++*count;
	if (l->why[0] != '\0')
		return;
	va_start(args, format);
	vsnprintf(l->why, sizeof l->why, format, args);
	va_end(args);
}

uint32_t faults_total(const struct faults *f)
{
	return f->hang + f->lost + f->torn + f->dup + f->order + f->leaked + f->wrong;
}

void faults_add(struct faults *sum, const struct faults *f)
{
	sum->hang += f->hang;
	sum->lost += f->lost;
	sum->torn += f->torn;
	sum->dup += f->dup;
	sum->order += f->order;
	sum->leaked += f->leaked;
	sum->wrong += f->wrong;
}

/* --- items ------------------------------------------------------------------------------------ */

struct item *history_add(struct history *l, size_t len_bytes, uint32_t level, enum fate fate)
{
	struct item *item;

	if (l->n_items == ITEMS_MAX) {
		fprintf(stderr, "ipk-prove: more than %d items\n", ITEMS_MAX);
		_Exit(2);
	}
	item = &l->items[l->n_items++];
	*item = (struct item){
		.seq = ++l->next_seq,
		.len_bytes = (uint32_t)len_bytes,
		.level = level,
		.fate = fate,
	};
	return item;
}

struct item *history_find(struct history *l, uint32_t seq)
{
	for (uint32_t i = 0; i < l->n_items; i++) {
		if (l->items[i].seq == seq)
			return &l->items[i];
	}
	return NULL;
}

void history_sort(struct history *l, int (*compare)(const void *, const void *))
{
	qsort(l->items, l->n_items, sizeof l->items[0], compare);
}

size_t history_count(const struct history *l, enum fate fate)
{
	size_t n = 0;

	for (uint32_t i = 0; i < l->n_items; i++)
		n += l->items[i].fate == fate;
	return n;
}

/* --- contents: the number and length of the message in every word of it ----------------------- */

static uint64_t pattern_word(uint32_t seq, size_t len_bytes, size_t i)
{
	return i == 0 ? seq : ((uint64_t)seq << 32 | len_bytes) * 0x9e3779b97f4a7c15u + i;
}

void pattern_fill(void *buf, size_t len_bytes, uint32_t seq)
{
	uint64_t *words = buf;

	for (size_t i = 0; i < len_bytes / sizeof *words; i++)
		words[i] = pattern_word(seq, len_bytes, i);
}

static bool pattern_holds(const void *buf, size_t len_bytes, uint32_t seq)
{
	const uint64_t *words = buf;

	for (size_t i = 0; i < len_bytes / sizeof *words; i++) {
		if (words[i] != pattern_word(seq, len_bytes, i))
			return false;
	}
	return true;
}

/* --- what came out ---------------------------------------------------------------------------- */

static struct item *find(struct history *l, const void *data, size_t len_bytes)
{
	struct item *spent = NULL;
	uint64_t seq = 0;

	if (len_bytes >= sizeof seq)
		memcpy(&seq, data, sizeof seq);
	for (uint32_t i = 0; i < l->n_items; i++) {
		struct item *item = &l->items[i];

		if (item->len_bytes != len_bytes || (len_bytes > 0 && item->seq != seq))
			continue;
		/* Of those that are alike, the first that was not taken by the victim. */
		if (len_bytes > 0 || (item->n_got == 0 && item->fate == MUST))
			return item;
		if (!spent || (spent->fate != MAY && item->fate == MAY && item->n_got == 0))
			spent = item;
	}
	return spent;
}

void history_got(struct history *l, const void *data, size_t len_bytes, bool is_again)
{
	struct item *item = find(l, data, len_bytes);
	uint32_t position;

	atomic_fetch_add(&l->progress, 1);
	if (!item || !pattern_holds(data, len_bytes, item->seq)) {
		history_fault(l, &l->faults.torn, "%zu bytes that nobody sent so", len_bytes);
		return;
	}
	item->n_got++;
	if (item->fate == GONE || item->n_got > 1) {
		history_fault(l, &l->faults.dup, "message %u once more", item->seq);
		return;
	}
	position = (uint32_t)(item - l->items) + 1;
	if (len_bytes == 0 || is_again)
		return;
	if (position <= l->last_position)
		history_fault(l, &l->faults.order, "message %u too late", item->seq);
	l->last_position = position;
}

/* The MAY items by number (CUT_BACK) or as listed (CUT_FRONT) have at most one change. */
static void check_cut(struct history *l)
{
	bool is_back = l->cut == CUT_BACK;

	for (uint32_t i = 0; i < l->n_items; i++) {
		for (uint32_t j = 0; j < l->n_items; j++) {
			const struct item *a = &l->items[i];
			const struct item *b = &l->items[j];
			bool a_first = is_back ? a->seq < b->seq : i < j;

			if (a->fate != MAY || b->fate != MAY || !a_first || a->len_bytes == 0)
				continue;
			if (is_back ? !a->n_got && b->n_got : a->n_got && !b->n_got)
				history_fault(l, &l->faults.lost, "message %u out of a batch",
					      is_back ? a->seq : b->seq);
		}
	}
}

void history_close(struct history *l)
{
	for (uint32_t i = 0; i < l->n_items; i++) {
		if (l->items[i].fate == MUST && l->items[i].n_got == 0)
			history_fault(l, &l->faults.lost, "message %u did not come",
				      l->items[i].seq);
	}
	if (l->cut != CUT_NONE && history_count(l, MAY) > 1)
		check_cut(l);
}
