/*
 * managed_queue.c - a queue on the server.
 *
 * Invariant: an item that the server handed out for a get is returned by a get of this process: one
 * that arrived after its caller's deadline is kept for the next (see IPK__LATE_KEEP).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "manager/held.h"
#include "manager/manager_internal.h"
#include "os/os.h"
#include "wire/typed.h"

struct ipk_managed_queue {
	struct ipk__handle h;
	struct ipk__held to_do; /* items got, of a queue that counts them */
};

#define NAME(q) ((q)->h.name)

static const char *const kinds[] = {"FIFO", "LIFO", "PRIORITY"};

static int check_is_queue(ipk_managed_queue *q, ipk_deadline deadline)
{
	ipk_managed_queue_state state;

	return ipk_managed_queue_state_get(q, deadline, &state);
}

int ipk_managed_queue_open(ipk_manager *m, const char *name, const ipk_managed_queue_opts *opts,
			   ipk_deadline deadline, ipk_managed_queue **ret_handle)
{
	ipk_managed_queue_opts o = {.struct_size = sizeof o};
	struct ipk__slice argv[6] = {IPK__ARG("IPK.NEW"), IPK__ARG("QUEUE"), {0}};
	struct ipk__number room;
	ipk_managed_queue *q;
	size_t n = 5;
	int64_t is_new;
	int r;

	IPK__REQUIRE(ret_handle, "ret_handle is NULL");
	if (opts)
		IPK_TRY(ipk__opts_copy(&o, sizeof o, opts));
	IPK__REQUIRE((unsigned)o.kind < IPK__N_OF(kinds),
		     "IPK_MANAGED_QUEUE(.kind): an ipk_managed_queue_kind");
	IPK__REQUIRE(o.max_items <= INT64_MAX, "IPK_MANAGED_QUEUE(.max_items): INT64_MAX at most");
	IPK_TRY(ipk__handle_make(m, name, sizeof *q, &q));
	argv[2] = NAME(q);
	argv[3] = ipk__number_arg(&room, (int64_t)o.max_items);
	argv[4] = ipk__slice_of_string(kinds[o.kind]);
	if (o.is_joinable)
		argv[n++] = IPK__ARG("JOINABLE");
	r = ipk__ask_number(m, 0, argv, n, deadline, &is_new);
	/* A caller that specifies no kind accepts the existing queue as it is. */
	if (r == -EPROTOTYPE && !opts)
		r = check_is_queue(q, deadline);
	if (r < 0) {
		free(q);
		return r;
	}
	*ret_handle = q;
	return 0;
}

ipk_managed_queue *ipk_managed_queue_close(ipk_managed_queue *handle)
{
	free(handle);
	return NULL;
}

static int put(ipk_managed_queue *q, const ipk_bytes *items, size_t n_items, int64_t priority,
	       ipk_deadline deadline, int64_t *ret_n_put)
{
	struct ipk__number rooms[2];
	struct ipk__slice *argv;
	int64_t n = 0;
	int r;

	if (!q)
		return -EBADF;
	IPK_TRY(ipk__argv_of(
		(struct ipk__slice[]){IPK__ARG("IPK.QPUT"), NAME(q),
				      ipk__number_arg(&rooms[0], ipk__timeout_ms(deadline)),
				      ipk__number_arg(&rooms[1], priority)},
		4, items, n_items, &argv));
	r = ipk__ask_number(q->h.m, IPK__CALL_WAITS, argv, 4 + n_items, deadline, &n);
	free(argv);
	if (r < 0)
		return r;
	*ret_n_put = n;
	return n > 0 ? 0 : -ETIMEDOUT;
}

int ipk_managed_queue_put_priority(ipk_managed_queue *q, const void *data, size_t len_bytes,
				   int64_t priority, ipk_deadline deadline)
{
	ipk_bytes item = {data, len_bytes};
	int64_t n;

	return put(q, &item, 1, priority, deadline, &n);
}

int ipk_managed_queue_put(ipk_managed_queue *q, const void *data, size_t len_bytes,
			  ipk_deadline deadline)
{
	return ipk_managed_queue_put_priority(q, data, len_bytes, 0, deadline);
}

int ipk_managed_queue_put_many(ipk_managed_queue *q, const ipk_bytes *items, size_t n_items,
			       ipk_deadline deadline, size_t *ret_n_put)
{
	int64_t n = 0;

	size_t n_put = 0;
	int r = 0;

	if (n_items == 0)
		return q ? ipk__invalid("n_items: 1 or more") : -EBADF;
	/* Less than all also when a connection broke in the middle: the rest is requested again. */
	while (n_put < n_items && r == 0) {
		r = put(q, items + n_put, n_items - n_put, 0, deadline, &n);
		if (r == 0)
			n_put += (size_t)n;
		if (r == 0 && ipk_deadline_left_ns(deadline) == 0)
			break;
	}
	if (r < 0 && (n_put == 0 || (r != -ETIMEDOUT && r != -ESHUTDOWN)))
		return r;
	if (ret_n_put)
		*ret_n_put = n_put;
	return 0;
}

int ipk_managed_queue_get_alloc(ipk_managed_queue *q, ipk_deadline deadline, void **ret_data,
				size_t *ret_len_bytes)
{
	struct ipk__number room;
	struct ipk__response reply;
	struct ipk__slice text;
	int r;

	if (!q)
		return -EBADF;
	IPK__REQUIRE(ret_len_bytes, "ret_len_bytes is NULL");
	struct ipk__slice argv[] = {
		IPK__ARG("IPK.QGET"),
		NAME(q),
		ipk__number_arg(&room, ipk__timeout_ms(deadline)),
	};
	ipk__response_init(&reply);
	r = ipk__ask_call(q->h.m,
			  &(struct ipk__call){
				  .argv = argv,
				  .argc = IPK__N_OF(argv),
				  .flags = IPK__CALL_WAITS,
				  .late = IPK__LATE_KEEP,
				  .reply = &reply,
			  },
			  deadline);
	if (r == 0)
		r = ipk__response_text(&reply, &text);
	if (r == -ENOENT && reply.whole.n_bytes > 0 && ipk__response_refusal(&reply) == 0)
		r = -ETIMEDOUT; /* null; a queue that is not there is a refusal */
	if (r == 0)
		r = ipk__copy_alloc(text, ret_data, ret_len_bytes);
	if (r == 0)
		ipk__held_add(&q->to_do, reply.epoch, 1);
	ipk__response_fini(&reply);
	return r;
}

int ipk_managed_queue_putf(ipk_managed_queue *q, ipk_deadline deadline, const char *format, ...)
{
	IPK__PACK_ARGS(format, data, len_bytes);

	return ipk_managed_queue_put(q, data, len_bytes, deadline);
}

int ipk_managed_queue_getf(ipk_managed_queue *q, ipk_deadline deadline, const char *format, ...)
{
	va_list args;
	void *data = NULL;
	size_t n = 0;
	int r;

	IPK_TRY(ipk_managed_queue_get_alloc(q, deadline, &data, &n));
	va_start(args, format);
	r = ipk__typed_unpack(data, n, format, args);
	va_end(args);
	return r;
}

int ipk_managed_queue_len(ipk_managed_queue *q, ipk_deadline deadline, uint64_t *ret_len)
{
	int64_t n;

	if (!q)
		return -EBADF;
	IPK_TRY(ipk__ask_int(q->h.m, IPK__CALL_READ, deadline, &n, IPK__ARG("IPK.QLEN"), NAME(q)));
	if (ret_len)
		*ret_len = (uint64_t)n;
	return 0;
}

static int read_state(const struct ipk__response *reply, ipk_managed_queue_state *ret_state)
{
	struct ipk__resp_value head, v[6];
	size_t at = 0;

	if (ipk__resp_next(reply->whole, &at, &head) < 0 || head.n < 6)
		return ipk__manager_fail(-EBADMSG, "an answer that says nothing of a queue");
	for (size_t i = 0; i < 6; i++)
		if (ipk__resp_next(reply->whole, &at, &v[i]) < 0)
			return ipk__manager_fail(-EBADMSG, "half an answer");
	*ret_state = (ipk_managed_queue_state){0};
	ret_state->n_items = (uint64_t)v[0].integer;
	ret_state->max_items = (uint64_t)v[1].integer;
	ret_state->n_unfinished = (uint64_t)v[2].integer;
	ret_state->is_shut_down = v[3].integer != 0;
	ret_state->is_joinable = v[5].integer != 0;
	ret_state->kind = IPK_QUEUE_FIFO;
	for (size_t i = 0; i < IPK__N_OF(kinds); i++)
		if (ipk__slice_is_word(v[4].text, kinds[i]))
			ret_state->kind = (ipk_queue_kind)i;
	return 0;
}

int ipk_managed_queue_state_get(ipk_managed_queue *q, ipk_deadline deadline,
				ipk_managed_queue_state *ret_state)
{
	struct ipk__response reply;
	int r;

	if (!q)
		return -EBADF;
	IPK__REQUIRE(ret_state, "ret_state is NULL");
	ipk__response_init(&reply);
	r = ipk__ask(q->h.m, IPK__CALL_READ, &reply, deadline, IPK__ARG("IPK.QINFO"), NAME(q));
	if (r == 0)
		r = read_state(&reply, ret_state);
	ipk__response_fini(&reply);
	return r;
}

int ipk_managed_queue_task_done(ipk_managed_queue *q, uint64_t n, ipk_deadline deadline)
{
	struct ipk__number room;
	struct ipk__slice argv[] = {IPK__ARG("IPK.QDONE"), {0}, {0}};
	struct ipk__held_taken taken;
	int r;

	if (!q)
		return -EBADF;
	IPK__REQUIRE(n > 0 && n <= INT64_MAX, "n: 1 to INT64_MAX");
	argv[1] = NAME(q);
	argv[2] = ipk__number_arg(&room, (int64_t)n);
	IPK_TRY(ipk__held_take(&q->to_do, n, &taken));
	r = ipk__ask_bound(q->h.m, taken.epoch, argv, IPK__N_OF(argv), deadline);
	if (r < 0 && r != -EOWNERDEAD)
		ipk__held_put_back(&q->to_do, &taken);
	return r;
}

int ipk_managed_queue_join(ipk_managed_queue *q, ipk_deadline deadline)
{
	struct ipk__number room;
	int64_t n = 0;

	if (!q)
		return -EBADF;
	IPK_TRY(ipk__ask_int(q->h.m, IPK__CALL_WAITS | IPK__CALL_READ, deadline, &n,
			     IPK__ARG("IPK.QJOIN"), NAME(q),
			     ipk__number_arg(&room, ipk__timeout_ms(deadline))));
	return n != 0 ? 0 : -ETIMEDOUT;
}

int ipk_managed_queue_shutdown(ipk_managed_queue *q, ipk_shutdown mode, ipk_deadline deadline)
{
	if (!q)
		return -EBADF;
	if (mode == IPK_DRAIN)
		return ipk__tell(q->h.m, deadline, IPK__ARG("IPK.QSHUTDOWN"), NAME(q));
	if (mode == IPK_DISCARD)
		return ipk__tell(q->h.m, deadline, IPK__ARG("IPK.QSHUTDOWN"), NAME(q),
				 IPK__ARG("NOW"));
	return ipk__invalid("mode: IPK_DRAIN or IPK_DISCARD");
}
