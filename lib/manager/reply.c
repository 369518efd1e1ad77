/*
 * reply.c - replies of a server: one RESP value each, already checked to be complete, so iterating
 * needs no bounds checks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "base/decimal.h"
#include "manager/manager_internal.h"
#include "os/os.h"

int ipk__text_to_double(struct ipk__slice text, double *ret_d)
{
	char copy[64];
	char *end;
	double d;

	if (text.n_bytes == 0 || text.n_bytes >= sizeof copy)
		return -ERANGE;
	memcpy(copy, text.bytes, text.n_bytes);
	copy[text.n_bytes] = '\0';
	d = ipk__read_double(copy, &end);
	if (end != copy + text.n_bytes)
		return -ERANGE;
	*ret_d = d;
	return 0;
}

int ipk__copy_out(struct ipk__slice from, void *buf, size_t buf_bytes, size_t *ret_len_bytes)
{
	if (ret_len_bytes)
		*ret_len_bytes = from.n_bytes;
	if (from.n_bytes > buf_bytes)
		return ipk__detail(-EMSGSIZE, IPK__OVER_VALUE);
	if (from.n_bytes > 0)
		memcpy(buf, from.bytes, from.n_bytes);
	return 0;
}

int ipk__copy_alloc(struct ipk__slice from, void **ret_data, size_t *ret_len_bytes)
{
	char *data = ipk__os_malloc(from.n_bytes + 1);

	if (!data)
		return -ENOMEM;
	if (from.n_bytes > 0)
		memcpy(data, from.bytes, from.n_bytes);
	data[from.n_bytes] = '\0'; /* for those who know that it is text */
	*ret_data = data;
	*ret_len_bytes = from.n_bytes;
	return 0;
}

/* --- as users see them ------------------------------------------------------------------------ */

ipk_reply *ipk__response_public(struct ipk__response *from)
{
	ipk_reply *reply = ipk__os_calloc(1, sizeof *reply);

	if (reply) {
		reply->held = *from;
		if (!from->room)
			reply->held.whole.bytes = reply->held.small;
		ipk__response_init(from);
	}
	ipk__response_fini(from);
	return reply;
}

static void fill_text(const struct ipk__resp_value *value, ipk_reply_kind kind, ipk_reply_value *v)
{
	v->kind = kind;
	v->data = value->text.bytes;
	v->len_bytes = value->text.n_bytes;
	if (kind == IPK_REPLY_ERROR)
		v->error = ipk__refusal(value->text);
	if (kind == IPK_REPLY_DOUBLE && ipk__text_to_double(value->text, &v->d) < 0)
		v->kind = IPK_REPLY_TEXT;
}

static void fill(const struct ipk__resp_value *value, ipk_reply_value *v)
{
	switch (value->type) {
	case IPK__RESP_NULL:
		v->kind = IPK_REPLY_NULL;
		break;
	case IPK__RESP_INTEGER:
	case IPK__RESP_BOOLEAN:
		v->kind = IPK_REPLY_INT;
		v->i = value->integer;
		break;
	case IPK__RESP_DOUBLE:
		fill_text(value, IPK_REPLY_DOUBLE, v);
		break;
	case IPK__RESP_ERROR:
	case IPK__RESP_BLOB_ERROR:
		fill_text(value, IPK_REPLY_ERROR, v);
		break;
	case IPK__RESP_ARRAY:
	case IPK__RESP_MAP:
	case IPK__RESP_SET:
	case IPK__RESP_PUSH:
	case IPK__RESP_ATTRIBUTE:
		v->kind = IPK_REPLY_ARRAY;
		v->n_items = value->n;
		break;
	default:
		fill_text(value, IPK_REPLY_TEXT, v);
	}
}

int ipk_reply_next(ipk_reply *reply, ipk_reply_value *ret_value)
{
	struct ipk__resp_value value;
	ipk_reply_value v = {0};

	if (!reply)
		return -EBADF;
	IPK__REQUIRE(ret_value, "ret_value is NULL");
	if (reply->at < reply->held.whole.n_bytes) {
		if (ipk__resp_next(reply->held.whole, &reply->at, &value) < 0)
			return ipk__manager_fail(-EBADMSG, "an answer that makes no sense");
		fill(&value, &v);
	}
	*ret_value = v;
	return 0;
}

uint64_t ipk_reply_len(const ipk_reply *reply)
{
	struct ipk__resp_value value;
	ipk_reply_value v = {0};

	if (!reply || ipk__response_first(&reply->held, &value) < 0)
		return 0;
	fill(&value, &v);
	if (v.kind == IPK_REPLY_ARRAY)
		return v.n_items;
	return v.kind == IPK_REPLY_NULL ? 0 : 1;
}

void ipk_reply_rewind(ipk_reply *reply)
{
	if (reply)
		reply->at = 0;
}

ipk_reply *ipk_reply_close(ipk_reply *reply)
{
	if (reply)
		ipk__response_fini(&reply->held);
	free(reply);
	return NULL;
}
