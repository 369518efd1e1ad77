/*
 * map_failures.c - which items of a map have no result, and why.
 *
 * The function's return values are in the codes, one for each item; all other failures are noted
 * here when they happen. When the map completes both are merged, by index. Runs of items with the
 * same outcome (a cancelled map) are one note.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pool/map_internal.h"

/* --- noting ----------------------------------------------------------------------------------- */

static int grow(void **list, size_t n, size_t *n_max, size_t item_bytes)
{
	size_t n_more = *n_max ? *n_max * 2 : 16;
	void *more;

	if (n < *n_max)
		return 0;
	more = ipk__os_realloc(*list, n_more * item_bytes);
	if (!more)
		return -ENOMEM;
	*list = more;
	*n_max = n_more;
	return 0;
}

static uint32_t add_detail(struct ipk__map_losses *losses, const ipk_failure *failure)
{
	void *list = losses->details;

	if (grow(&list, losses->n_details, &losses->n_details_max, sizeof *failure) < 0)
		return 0; /* its cause and code are known without it */
	losses->details = list;
	losses->details[losses->n_details++] = *failure;
	return (uint32_t)losses->n_details;
}

static bool is_same_end(const ipk_process_status *a, const ipk_process_status *b)
{
	return a->exit_code == b->exit_code && a->signal == b->signal && a->user_ns == b->user_ns &&
	       a->system_ns == b->system_ns;
}

static bool is_same_detail(const ipk_failure *a, const ipk_failure *b)
{
	return a->pid == b->pid && is_same_end(&a->status, &b->status) &&
	       strcmp(a->text, b->text) == 0;
}

static bool extends(const struct ipk__map_losses *losses, uint64_t first,
		    const ipk_failure *failure, bool has_detail)
{
	const struct ipk__map_loss *last = losses->n > 0 ? &losses->list[losses->n - 1] : NULL;

	return last && (last->detail != 0) == has_detail && last->first + last->n == first &&
	       last->cause == failure->cause && last->code == failure->code &&
	       last->n_attempts == failure->n_attempts &&
	       (!has_detail || is_same_detail(&losses->details[last->detail - 1], failure));
}

static struct ipk__map_loss *add_loss(struct ipk__map_losses *losses)
{
	void *list = losses->list;

	if (grow(&list, losses->n, &losses->n_max, sizeof *losses->list) < 0)
		return NULL;
	losses->list = list;
	return &losses->list[losses->n++];
}

/* Without memory: as if the function had given this. */
static void lose_in_codes(struct ipk__map_job *job, uint64_t first, uint64_t n, int code)
{
	job->losses.is_in_codes = true;
	for (uint64_t i = first; i < first + n; i++)
		job->codes[i] = code;
}

void ipk__map_lose(struct ipk__map_job *job, uint64_t first, uint64_t n, const ipk_failure *failure,
		   bool has_detail)
{
	struct ipk__map_losses *losses = &job->losses;
	struct ipk__map_loss *loss;

	if (n == 0)
		return;
	if (extends(losses, first, failure, has_detail)) {
		losses->n_items += n;
		losses->list[losses->n - 1].n += n;
		return;
	}
	loss = add_loss(losses);
	if (!loss) {
		lose_in_codes(job, first, n, failure->code);
		return;
	}
	losses->n_items += n;
	*loss = (struct ipk__map_loss){
		.first = first,
		.n = n,
		.code = failure->code,
		.cause = (uint16_t)failure->cause,
		.n_attempts = (uint16_t)IPK__MIN(failure->n_attempts, 0xffffu),
		.detail = has_detail ? add_detail(losses, failure) : 0,
	};
}

/* --- at the end ------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	uint64_t x = ((const struct ipk__map_loss *)a)->first;
	uint64_t y = ((const struct ipk__map_loss *)b)->first;

	return (x > y) - (x < y);
}

static void sort(struct ipk__map_losses *losses)
{
	if (losses->n > 1)
		qsort(losses->list, losses->n, sizeof *losses->list, compare);
}

static void add_code(struct ipk__map_losses *losses, uint64_t i, int code)
{
	struct ipk__map_loss loss = {
		.first = i, .n = 1, .code = code, .cause = IPK_FAILURE_TASK, .n_attempts = 1};
	struct ipk__map_loss *listed = add_loss(losses);

	losses->n_items++;
	if (listed)
		*listed = loss;
	else if (losses->n_unlisted++ == 0)
		losses->unlisted = loss;
}

/* Items whose function failed, among those that were not lost otherwise. */
static void add_codes(struct ipk__map_job *job)
{
	struct ipk__map_losses *losses = &job->losses;
	size_t n_noted = losses->n, at = 0;

	for (uint64_t i = 0; i < job->plan.n_items; i++) {
		if (at < n_noted && i == losses->list[at].first)
			i += losses->list[at++].n - 1;
		else if (job->codes[i] != 0)
			add_code(losses, i, job->codes[i]);
	}
}

static struct ipk__map_loss *loss_of(const struct ipk__map_losses *losses, uint64_t index)
{
	size_t low = 0, high = losses->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		struct ipk__map_loss *loss = &losses->list[mid];

		if (index < loss->first)
			high = mid;
		else if (index >= loss->first + loss->n)
			low = mid + 1;
		else
			return loss;
	}
	return NULL;
}

static void add_texts(ipk_pool *pool, struct ipk__map_job *job)
{
	const struct ipk__map_text *texts =
		(const void *)((char *)pool->shared + job->plan.texts_offset);
	uint32_t n = atomic_load_explicit(&job->map->n_texts, memory_order_relaxed);

	for (uint32_t i = 0; i < IPK__MIN(n, IPK__MAP_TEXTS); i++) {
		uint64_t index = atomic_load_explicit(&texts[i].index, memory_order_acquire);
		struct ipk__map_loss *loss = index ? loss_of(&job->losses, index - 1) : NULL;
		ipk_failure failure = {.cause = IPK_FAILURE_TASK};

		if (!loss || loss->cause != IPK_FAILURE_TASK || loss->n != 1)
			continue;
		memcpy(failure.text, texts[i].text, sizeof texts[i].text);
		failure.text[sizeof texts[i].text - 1] = '\0';
		loss->detail = add_detail(&job->losses, &failure);
	}
}

void ipk__map_gather(ipk_pool *pool, struct ipk__map_job *job)
{
	bool has_codes = job->losses.is_in_codes ||
			 (job->map && (job->has_deaths || atomic_load(&job->map->n_failed) > 0));

	sort(&job->losses);
	if (!has_codes)
		return;
	job->has_codes = true;
	add_codes(job);
	sort(&job->losses);
	if (job->map)
		add_texts(pool, job);
}

/* --- asking ----------------------------------------------------------------------------------- */

void ipk__map_loss_failure(const struct ipk__map_job *job, const struct ipk__map_loss *loss,
			   uint64_t index, ipk_failure *ret_failure)
{
	const ipk_failure *detail = loss->detail ? &job->losses.details[loss->detail - 1] : NULL;

	ipk__failure_init(ret_failure, (ipk_failure_cause)loss->cause, NULL);
	if (detail) {
		ret_failure->pid = detail->pid;
		ret_failure->status = detail->status;
		memcpy(ret_failure->text, detail->text, sizeof detail->text);
	}
	ret_failure->code = loss->code;
	ret_failure->n_attempts = loss->n_attempts;
	ret_failure->index = index;
}

bool ipk__map_is_lost(const struct ipk__map_job *job, uint64_t index)
{
	return job->codes[index] != 0 || loss_of(&job->losses, index);
}

void ipk__map_first_failure(const struct ipk__map_job *job, ipk_failure *ret_failure)
{
	const struct ipk__map_losses *losses = &job->losses;
	const struct ipk__map_loss *first = losses->n > 0 ? losses->list : &losses->unlisted;

	if (losses->n_unlisted > 0 && losses->unlisted.first < first->first)
		first = &losses->unlisted;
	ipk__map_loss_failure(job, first, first->first, ret_failure);
}

static int list_failures(const struct ipk__map_job *job, ipk_failure *ret_failures, size_t max,
			 size_t *ret_n)
{
	const struct ipk__map_losses *losses = &job->losses;
	size_t n = 0;

	if (max > 0 && losses->n_unlisted > 0)
		return -ENOMEM;
	for (size_t i = 0; i < losses->n && n < max; i++)
		for (uint64_t k = 0; k < losses->list[i].n && n < max; k++)
			ipk__map_loss_failure(job, &losses->list[i], losses->list[i].first + k,
					      &ret_failures[n++]);
	*ret_n = losses->n_items;
	return 0;
}

int ipk_future_failures(ipk_future *f, ipk_failure *ret_failures, size_t max, size_t *ret_n)
{
	if (!f)
		return -EBADF;
	if (f->pool->creator_pid != ipk__os_pid())
		return -EPERM;
	IPK__REQUIRE(ret_n && (max == 0 || ret_failures),
		     "ret_n, or ret_failures with max over 0, is NULL");
	IPK__REQUIRE(f->kind != IPK__FUTURE_TASK, "f: a task has no items");
	if (f->kind == IPK__FUTURE_GROUP)
		return ipk__group_failures(f, ret_failures, max, ret_n);
	if (ipk_future_state_of(f) < IPK_FUTURE_DONE)
		return -EAGAIN;
	return list_failures(f->map, ret_failures, max, ret_n);
}
