/*
 * batch.c - calls that are collected and sent together.
 *
 * Invariant: the words are copied into one buffer; until the batch runs they are identified by
 * their offset, since the buffer moves as it grows.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "manager/batch.h"
#include "os/os.h"

int ipk_batch_create(ipk_manager *m, ipk_batch **ret_batch)
{
	ipk_batch *batch;

	if (!m)
		return -EBADF;
	IPK__REQUIRE(ret_batch, "ret_batch is NULL");
	batch = ipk__os_calloc(1, sizeof *batch);
	if (!batch)
		return -ENOMEM;
	batch->m = m;
	*ret_batch = batch;
	return 0;
}

static void drop_replies(ipk_batch *batch)
{
	for (size_t i = 0; batch->replies && i < batch->n_calls; i++)
		ipk__response_fini(&batch->replies[i]);
	free(batch->replies);
	batch->replies = NULL;
}

void ipk__batch_empty(ipk_batch *batch)
{
	drop_replies(batch);
	ipk__buffer_clear(&batch->bytes);
	batch->argc = batch->n_calls = 0;
	batch->was_run = false;
}

ipk_batch *ipk_batch_close(ipk_batch *batch)
{
	if (batch) {
		drop_replies(batch);
		ipk__buffer_free(&batch->bytes);
		free(batch->words);
		free(batch->calls);
		free(batch);
	}
	return NULL;
}

/* Room for @n more of @item_bytes each in *@array. */
static int grow(void *array, size_t *room, size_t used, size_t n, size_t item_bytes)
{
	size_t wanted = *room ? *room : 16;
	void *old, *more;

	if (*room - used >= n)
		return 0;
	while (wanted - used < n)
		wanted *= 2;
	memcpy(&old, array, sizeof old);
	more = ipk__os_malloc(wanted * item_bytes);
	if (!more)
		return -ENOMEM;
	if (used > 0)
		memcpy(more, old, used * item_bytes);
	free(old);
	memcpy(array, &more, sizeof more);
	*room = wanted;
	return 0;
}

static int add(ipk_batch *batch, const struct ipk__slice *argv, size_t argc,
	       struct ipk__batch_call like)
{
	size_t n_bytes = 0;
	char *to;

	if (batch->was_run)
		ipk__batch_empty(batch);
	for (size_t i = 0; i < argc; i++)
		n_bytes += argv[i].n_bytes;
	IPK_TRY(grow(&batch->words, &batch->argv_room, batch->argc, argc, sizeof *batch->words));
	IPK_TRY(grow(&batch->calls, &batch->calls_room, batch->n_calls, 1, sizeof *batch->calls));
	to = ipk__buffer_reserve(&batch->bytes, n_bytes + 1);
	if (!to) {
		batch->bytes.failed = false;
		return -ENOMEM;
	}
	for (size_t i = 0; i < argc; i++) {
		if (argv[i].n_bytes > 0)
			memcpy(to, argv[i].bytes, argv[i].n_bytes);
		to += argv[i].n_bytes;
		/* Where it is, is said in ipk__batch_prepare(). */
		batch->words[batch->argc + i] = IPK__SLICE(NULL, argv[i].n_bytes);
	}
	ipk__buffer_added(&batch->bytes, n_bytes);
	like.first_arg = batch->argc;
	like.argc = argc;
	batch->argc += argc;
	batch->calls[batch->n_calls++] = like;
	return 0;
}

#define ADD(batch, like, ...) add((batch), IPK__ARGV(__VA_ARGS__), (like))
#define PLAIN ((struct ipk__batch_call){0})
#define OR_RANGE ((struct ipk__batch_call){.none_is_range = true})
#define OR_NONE ((struct ipk__batch_call){.zero_is_none = true})

int ipk_batch_command(ipk_batch *batch, const ipk_bytes *words, size_t argc)
{
	struct ipk__slice *argv;
	int r;

	if (!batch)
		return -EBADF;
	IPK_TRY(ipk__command_argv(words, argc, &argv));
	r = add(batch, argv, argc, PLAIN);
	free(argv);
	return r;
}

/* Every handle begins with a struct ipk__handle, of the batch's own manager. */
static int check_batch(const ipk_batch *batch, const void *handle, const void *data, size_t n_bytes)
{
	if (!batch || !handle)
		return -EBADF;
	IPK__REQUIRE(((const struct ipk__handle *)handle)->m == batch->m,
		     "the handle: of another manager than the batch");
	IPK__REQUIRE(ipk__slices_are_valid(data, n_bytes),
		     "field or data: NULL although its length is not 0, or more than 512 MiB");
	return 0;
}

#define NAME(handle) (((const struct ipk__handle *)(const void *)(handle))->name)
#define FIELD IPK__SLICE(field.data, field.len_bytes)
#define DATA IPK__SLICE(data, len_bytes)

int ipk_batch_dict_set(ipk_batch *batch, ipk_dict *d, ipk_bytes field, const void *data,
		       size_t len_bytes)
{
	IPK_TRY(check_batch(batch, d, field.data, field.len_bytes));
	IPK_TRY(check_batch(batch, d, data, len_bytes));
	return ADD(batch, PLAIN, IPK__ARG("HSET"), NAME(d), FIELD, DATA);
}

int ipk_batch_dict_get(ipk_batch *batch, ipk_dict *d, ipk_bytes field)
{
	IPK_TRY(check_batch(batch, d, field.data, field.len_bytes));
	return ADD(batch, PLAIN, IPK__ARG("HGET"), NAME(d), FIELD);
}

int ipk_batch_dict_delete(ipk_batch *batch, ipk_dict *d, ipk_bytes field)
{
	IPK_TRY(check_batch(batch, d, field.data, field.len_bytes));
	return ADD(batch, OR_NONE, IPK__ARG("HDEL"), NAME(d), FIELD);
}

int ipk_batch_dict_add(ipk_batch *batch, ipk_dict *d, ipk_bytes field, int64_t delta)
{
	struct ipk__number room;

	IPK_TRY(check_batch(batch, d, field.data, field.len_bytes));
	return ADD(batch, PLAIN, IPK__ARG("HINCRBY"), NAME(d), FIELD,
		   ipk__number_arg(&room, delta));
}

int ipk_batch_list_append(ipk_batch *batch, ipk_list *l, const void *data, size_t len_bytes)
{
	IPK_TRY(check_batch(batch, l, data, len_bytes));
	return ADD(batch, PLAIN, IPK__ARG("RPUSH"), NAME(l), DATA);
}

int ipk_batch_list_get(ipk_batch *batch, ipk_list *l, int64_t index)
{
	struct ipk__number room;

	IPK_TRY(check_batch(batch, l, NULL, 0));
	return ADD(batch, OR_RANGE, IPK__ARG("LINDEX"), NAME(l), ipk__number_arg(&room, index));
}

int ipk_batch_list_set(ipk_batch *batch, ipk_list *l, int64_t index, const void *data,
		       size_t len_bytes)
{
	struct ipk__number room;

	IPK_TRY(check_batch(batch, l, data, len_bytes));
	return ADD(batch, OR_RANGE, IPK__ARG("LSET"), NAME(l), ipk__number_arg(&room, index), DATA);
}

size_t ipk_batch_len(const ipk_batch *batch)
{
	return batch && !batch->was_run ? batch->n_calls : 0;
}

/* --- running it ------------------------------------------------------------------------------- */

int ipk__batch_prepare(ipk_batch *batch, struct ipk__call **ret_calls)
{
	const char *at = ipk__buffer_front(&batch->bytes);
	struct ipk__call *calls = ipk__os_calloc(batch->n_calls + 1, sizeof *calls);
	struct ipk__response *replies = ipk__os_calloc(batch->n_calls + 1, sizeof *replies);

	if (!calls || !replies) {
		free(calls);
		free(replies);
		return -ENOMEM;
	}
	for (size_t i = 0; i < batch->argc; i++) {
		batch->words[i].bytes = at;
		at += batch->words[i].n_bytes;
	}
	for (size_t i = 0; i < batch->n_calls; i++) {
		ipk__response_init(&replies[i]);
		calls[i].argv = batch->words + batch->calls[i].first_arg;
		calls[i].argc = batch->calls[i].argc;
		calls[i].reply = &replies[i];
	}
	drop_replies(batch);
	batch->replies = replies;
	*ret_calls = calls;
	return 0;
}

int ipk_batch_run(ipk_batch *batch, ipk_deadline deadline)
{
	struct ipk__call *calls;
	int r;

	if (!batch)
		return -EBADF;
	if (batch->was_run)
		ipk__batch_empty(batch);
	IPK_TRY(ipk__batch_prepare(batch, &calls));
	r = batch->n_calls == 0 ? 0
				: batch->m->backend->ops->call_many(batch->m->backend, calls,
								    batch->n_calls, deadline);
	free(calls);
	batch->was_run = r == 0;
	return r;
}

static int reply_of(const ipk_batch *batch, size_t i, const struct ipk__response **ret_reply)
{
	if (!batch)
		return -EBADF;
	if (!batch->was_run || i >= batch->n_calls)
		return -ERANGE;
	*ret_reply = &batch->replies[i];
	return ipk__response_refusal(*ret_reply);
}

int ipk_batch_error(const ipk_batch *batch, size_t i)
{
	const struct ipk__response *reply;
	struct ipk__resp_value value;

	IPK_TRY(reply_of(batch, i, &reply));
	IPK_TRY(ipk__response_first(reply, &value));
	if (value.type == IPK__RESP_NULL)
		return batch->calls[i].none_is_range ? -ERANGE : -ENOENT;
	if (batch->calls[i].zero_is_none && value.type == IPK__RESP_INTEGER && value.integer == 0)
		return -ENOENT;
	return 0;
}

int ipk_batch_data(const ipk_batch *batch, size_t i, const void **ret_data, size_t *ret_len_bytes)
{
	const struct ipk__response *reply;
	struct ipk__slice text;
	int r;

	IPK__REQUIRE(ret_data, "ret_data is NULL");
	IPK__REQUIRE(ret_len_bytes, "ret_len_bytes is NULL");
	IPK_TRY(ipk_batch_error(batch, i));
	IPK_TRY(reply_of(batch, i, &reply));
	r = ipk__response_text(reply, &text);
	if (r < 0)
		return r == -EBADMSG ? -EPROTO : r;
	*ret_data = text.bytes;
	*ret_len_bytes = text.n_bytes;
	return 0;
}

int ipk_batch_int(const ipk_batch *batch, size_t i, int64_t *ret_number)
{
	const struct ipk__response *reply;
	int r;

	IPK__REQUIRE(ret_number, "ret_number is NULL");
	IPK_TRY(reply_of(batch, i, &reply));
	r = ipk__response_int(reply, ret_number);
	return r == -EBADMSG ? -EPROTO : r;
}
