/*
 * redis_link.c - one connection to a Redis server: bytes out, replies in, with deadlines.
 *
 * hiredis parses the replies; writing and waiting is done here, because its own write raises
 * SIGPIPE in the host and its waits have no deadline for the whole call. Its reader builds no tree:
 * each element is re-encoded as RESP at once, which is what the callers pass on.
 *
 * A link that failed in any way is closed and never reused; a deadline that passes in the middle of
 * a reply is such a failure, since the late reply would be taken for the next request's.
 */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "redis/redis.h"
#include "os/os.h"

/* --- hiredis's reader writes RESP ------------------------------------------------------------- */

static void *done(struct ipk__buffer *b)
{
	return b->failed ? NULL : b;
}

static void *on_string(const redisReadTask *task, char *text, size_t n_bytes)
{
	struct ipk__buffer *b = task->privdata;

	if (task->type == REDIS_REPLY_STRING) {
		ipk__resp_bulk(b, IPK__SLICE(text, n_bytes));
		return done(b);
	}
	ipk__buffer_append(b, task->type == REDIS_REPLY_ERROR ? "-" : "+", 1);
	ipk__buffer_append(b, text, n_bytes);
	ipk__buffer_append(b, "\r\n", 2);
	return done(b);
}

#if HIREDIS_MAJOR >= 1
static void *on_array(const redisReadTask *task, size_t n)
#else
static void *on_array(const redisReadTask *task, int n)
#endif
{
	ipk__resp_head(task->privdata, IPK__RESP_ARRAY, (uint64_t)n);
	return done(task->privdata);
}

static void *on_integer(const redisReadTask *task, long long n)
{
	ipk__resp_integer(task->privdata, n);
	return done(task->privdata);
}

static void *on_nil(const redisReadTask *task)
{
	ipk__resp_null(task->privdata, 2);
	return done(task->privdata);
}

static void on_free(void *object)
{
	(void)object;
}

static redisReplyObjectFunctions writers = {
	.createString = on_string,
	.createArray = on_array,
	.createInteger = on_integer,
	.createNil = on_nil,
	.freeObject = on_free,
};

/* --- bytes ------------------------------------------------------------------------------------ */

int ipk__redis_link_write(struct ipk__redis_link *link, struct ipk__buffer *out,
			  ipk_deadline deadline)
{
	int r = out->failed ? -ENOMEM : 0;

	if (r == 0 && ipk__buffer_len(out) > 0)
		link->stale = true;
	while (r == 0 && ipk__buffer_len(out) > 0) {
		struct iovec part = {(void *)ipk__buffer_front(out), ipk__buffer_len(out)};
		size_t n;

		r = ipk__os_stream_write(link->fd, &part, 1, &n);
		if (r == 0)
			ipk__buffer_take(out, n);
		else if (r == -EAGAIN)
			r = ipk__os_poll1(link->fd, IPK__OS_OUT, deadline, NULL);
	}
	return r;
}

static int feed(struct ipk__redis_link *link, ipk_deadline deadline)
{
	size_t n;
	int r;

	for (;;) {
		r = ipk__os_stream_read(link->fd, link->in, sizeof link->in, &n);
		if (r != -EAGAIN)
			break;
		r = ipk__os_poll1(link->fd, IPK__OS_IN, deadline, NULL);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r == -ECONNRESET ? -EPIPE : r;
	return redisReaderFeed(link->reader, link->in, n) == REDIS_OK ? 0 : -ENOMEM;
}

int ipk__redis_link_read(struct ipk__redis_link *link, ipk_deadline deadline,
			 struct ipk__slice *ret_reply)
{
	void *object = NULL;
	int r = 0;

	ipk__buffer_clear(&link->reply);
	ipk__buffer_shrink(&link->reply, sizeof link->in);
	for (;;) {
		if (redisReaderGetReply(link->reader, &object) != REDIS_OK)
			return link->reader->err == REDIS_ERR_OOM || link->reply.failed ? -ENOMEM
											: -EPROTO;
		if (object)
			break;
		r = feed(link, deadline);
		if (r < 0)
			return r;
	}
	*ret_reply = IPK__SLICE(ipk__buffer_front(&link->reply), ipk__buffer_len(&link->reply));
	return 0;
}

int ipk__redis_link_call(struct ipk__redis_link *link, const struct ipk__slice *argv, size_t argc,
			 ipk_deadline deadline, struct ipk__slice *ret_reply)
{
	struct ipk__buffer out = {0};
	int r;

	ipk__resp_request(&out, argv, argc);
	r = ipk__redis_link_write(link, &out, deadline);
	ipk__buffer_free(&out);
	if (r == 0)
		r = ipk__redis_link_read(link, deadline, ret_reply);
	if (r == 0)
		link->stale = false;
	return r;
}

bool ipk__redis_link_is_gone(struct ipk__redis_link *link)
{
	/* Nothing was asked, so what can be read there is the end of file. */
	return ipk__os_poll1(link->fd, IPK__OS_IN, ipk_now(), NULL) != -ETIMEDOUT;
}

/* --- connecting ------------------------------------------------------------------------------- */

static int expect_ok(struct ipk__redis_link *link, const struct ipk__slice *argv, size_t argc,
		     int error, ipk_deadline deadline)
{
	struct ipk__slice reply = IPK__SLICE_OF("");
	int r = ipk__redis_link_call(link, argv, argc, deadline, &reply);

	if (r < 0 || reply.bytes[0] != '-')
		return r;
	return ipk__manager_fail(error, "%.*s", (int)reply.n_bytes - 3, reply.bytes + 1);
}

static int greet(struct ipk__redis_link *link, const struct ipk__redis_address *a,
		 ipk_deadline deadline)
{
	struct ipk__slice auth[3] = {IPK__SLICE_OF("AUTH"), ipk__slice_of_string(a->user),
				     ipk__slice_of_string(a->password)};
	struct ipk__slice choose[2] = {IPK__SLICE_OF("SELECT")};
	char db[24];
	int r = 0;

	if (a->password[0] && a->user[0]) {
		r = expect_ok(link, auth, 3, -EACCES, deadline);
	} else if (a->password[0]) {
		auth[1] = auth[2];
		r = expect_ok(link, auth, 2, -EACCES, deadline);
	}
	if (r == 0 && a->db > 0) {
		choose[1] = IPK__SLICE(db, ipk__int64_to_text(a->db, db));
		r = expect_ok(link, choose, 2, -EINVAL, deadline);
	}
	return r;
}

int ipk__redis_link_open(const struct ipk__redis_endpoint *endpoint,
			 const struct ipk__redis_address *address, ipk_deadline deadline,
			 struct ipk__redis_link **ret_link)
{
	struct ipk__redis_link *link = ipk__os_calloc(1, sizeof *link);
	int r;

	if (!link)
		return -ENOMEM;
	link->fd = -1;
	r = endpoint->is_unix
		    ? ipk__os_stream_connect(endpoint->host, &link->fd)
		    : ipk__os_tcp_connect(endpoint->host, endpoint->port, deadline, &link->fd);
	if (r == 0) {
		link->reader = redisReaderCreateWithFunctions(&writers);
		r = link->reader ? 0 : -ENOMEM;
	}
	if (r == 0) {
		link->reader->privdata = &link->reply;
		r = greet(link, address, deadline);
	}
	if (r < 0) {
		ipk__redis_link_close(link);
		return r;
	}
	*ret_link = link;
	return 0;
}

void ipk__redis_link_close(struct ipk__redis_link *link)
{
	if (!link)
		return;
	ipk__os_close(link->fd);
	if (link->reader)
		redisReaderFree(link->reader);
	ipk__buffer_free(&link->reply);
	free(link);
}
