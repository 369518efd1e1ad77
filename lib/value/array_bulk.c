/*
 * array_bulk.c - arrays, many items at a time.
 *
 * All of these are one copy with a stride, under the array's lock if it has one. Arguments are
 * checked before the lock is taken. There is no commit point: a process killed in the copy leaves
 * the lock to the next holder, who is told.
 */
#include <errno.h>
#include <string.h>

#include "value/value_internal.h"

#define FILL_BYTES 1024

/* --- the copy --------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) void
copy_each(char *to, int64_t to_step, const char *from, int64_t from_step, size_t n, size_t n_bytes)
{
	for (int64_t i = 0; i < (int64_t)n; i++)
		memcpy(to + i * to_step, from + i * from_step, n_bytes);
}

/* With the size as a constant the compiler makes a move of each memcpy(). Steps in bytes. */
static void copy(char *to, int64_t to_step, const char *from, int64_t from_step, size_t n,
		 size_t item_bytes)
{
	if (to_step == (int64_t)item_bytes && from_step == to_step)
		memcpy(to, from, n * item_bytes);
	else if (item_bytes == 1)
		copy_each(to, to_step, from, from_step, n, 1);
	else if (item_bytes == 2)
		copy_each(to, to_step, from, from_step, n, 2);
	else if (item_bytes == 4)
		copy_each(to, to_step, from, from_step, n, 4);
	else if (item_bytes == 8)
		copy_each(to, to_step, from, from_step, n, 8);
	else
		copy_each(to, to_step, from, from_step, n, item_bytes);
}

/* As many bytes as go into a whole number of items at a time. */
static void fill(char *to, const char *item, size_t n, size_t item_bytes)
{
	char many[FILL_BYTES];
	size_t n_many = IPK__MIN(sizeof many / item_bytes, n);

	if (n_many <= 1) {
		copy(to, (int64_t)item_bytes, item, 0, n, item_bytes);
		return;
	}
	copy(many, (int64_t)item_bytes, item, 0, n_many, item_bytes);
	for (; n > n_many; n -= n_many, to += n_many * item_bytes)
		memcpy(to, many, n_many * item_bytes);
	memcpy(to, many, n * item_bytes);
}

/* --- checks and lock -------------------------------------------------------------------------- */

struct span {
	size_t first;
	int64_t step;
	size_t n;
};

/* All items of @span are there; then no arithmetic on them can overflow. */
static int check_span(const ipk_array *a, const struct span *span)
{
	int64_t last;

	if (span->step == 0)
		return ipk__invalid("step is 0");
	if (span->n == 0)
		return span->first <= a->n_items ? 0 : -ERANGE;
	if (span->first >= a->n_items || span->n > a->n_items)
		return -ERANGE;
	if (__builtin_mul_overflow((int64_t)(span->n - 1), span->step, &last) ||
	    __builtin_add_overflow(last, (int64_t)span->first, &last))
		return -ERANGE;
	return last >= 0 && (uint64_t)last < a->n_items ? 0 : -ERANGE;
}

static int check_buf(const ipk_array *a, const struct span *span, const void *buf, size_t buf_bytes)
{
	int r = a ? check_span(a, span) : -EBADF;

	if (r < 0)
		return r;
	IPK__REQUIRE(buf || span->n == 0, "the buffer is NULL");
	IPK__REQUIRE(buf_bytes == span->n * a->item_bytes,
		     "buf_bytes: must be the number of items times their size");
	return 0;
}

/* Nothing to copy needs no lock. */
static int enter(ipk_array *a, size_t n_items, ipk_deadline deadline, bool *ret_recovered)
{
	if (a->lock.guard && n_items > 0)
		return ipk_lock_lock(&a->lock, deadline, ret_recovered);
	if (ret_recovered)
		*ret_recovered = false;
	return 0;
}

static void leave(ipk_array *a, size_t n_items)
{
	if (a->lock.guard && n_items > 0)
		(void)!ipk_lock_unlock(&a->lock);
}

static char *place_of(const ipk_array *a, const struct span *span)
{
	return a->data + span->first * a->item_bytes;
}

/* A single item may come with any step, also one that is beyond all bytes. */
static int64_t step_bytes(const ipk_array *a, const struct span *span)
{
	return span->n > 1 ? span->step * (int64_t)a->item_bytes : (int64_t)a->item_bytes;
}

static int read_span(ipk_array *a, const struct span *span, void *buf, size_t buf_bytes,
		     ipk_deadline deadline, bool *ret_recovered)
{
	int r = check_buf(a, span, buf, buf_bytes);

	if (r == 0)
		r = enter(a, span->n, deadline, ret_recovered);
	if (r < 0)
		return r;
	if (span->n > 0)
		copy(buf, (int64_t)a->item_bytes, place_of(a, span), step_bytes(a, span), span->n,
		     a->item_bytes);
	leave(a, span->n);
	return 0;
}

/* --- calls ------------------------------------------------------------------------------------ */

int ipk_array_read(ipk_array *a, size_t first, size_t n_items, void *buf, size_t buf_bytes,
		   ipk_deadline deadline, bool *ret_recovered)
{
	return read_span(a, &(struct span){first, 1, n_items}, buf, buf_bytes, deadline,
			 ret_recovered);
}

int ipk_array_read_slice(ipk_array *a, size_t first, int64_t step, size_t n_items, void *buf,
			 size_t buf_bytes, ipk_deadline deadline, bool *ret_recovered)
{
	return read_span(a, &(struct span){first, step, n_items}, buf, buf_bytes, deadline,
			 ret_recovered);
}

int ipk_array_write(ipk_array *a, size_t first, size_t n_items, const void *items,
		    size_t items_bytes, ipk_deadline deadline, bool *ret_recovered)
{
	return ipk_array_write_slice(a, first, 1, n_items, items, items_bytes, deadline,
				     ret_recovered);
}

int ipk_array_write_slice(ipk_array *a, size_t first, int64_t step, size_t n_items,
			  const void *items, size_t items_bytes, ipk_deadline deadline,
			  bool *ret_recovered)
{
	const struct span span = {first, step, n_items};
	int r = check_buf(a, &span, items, items_bytes);

	if (r == 0)
		r = enter(a, n_items, deadline, ret_recovered);
	if (r < 0)
		return r;
	if (n_items > 0)
		copy(place_of(a, &span), step_bytes(a, &span), items, (int64_t)a->item_bytes,
		     n_items, a->item_bytes);
	leave(a, n_items);
	return 0;
}

int ipk_array_fill(ipk_array *a, size_t first, size_t n_items, const void *item, size_t item_bytes,
		   ipk_deadline deadline, bool *ret_recovered)
{
	const struct span span = {first, 1, n_items};
	int r = a ? check_span(a, &span) : -EBADF;

	if (r == 0 && (!item || item_bytes != a->item_bytes))
		r = ipk__invalid("item is NULL, or item_bytes is not the size of an item");
	if (r == 0)
		r = enter(a, n_items, deadline, ret_recovered);
	if (r < 0)
		return r;
	fill(place_of(a, &span), item, n_items, item_bytes);
	leave(a, n_items);
	return 0;
}
