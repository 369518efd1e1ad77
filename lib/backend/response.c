/*
 * response.c - a reply of a server: one RESP value, already checked to be complete.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "base/base_internal.h"
#include "base/decimal.h"
#include "os/os.h"

int ipk__response_put(struct ipk__response *r, struct ipk__slice whole)
{
	char *room = r->small;
	char *made = NULL;

	if (whole.n_bytes > sizeof r->small) {
		made = ipk__os_malloc(whole.n_bytes);
		if (!made)
			return -ENOMEM;
		room = made;
	}
	memcpy(room, whole.bytes, whole.n_bytes);
	free(r->room);
	r->room = made;
	r->whole = IPK__SLICE(room, whole.n_bytes);
	return 0;
}

void ipk__response_fini(struct ipk__response *r)
{
	free(r->room);
	ipk__response_init(r);
}

int ipk__response_first(const struct ipk__response *r, struct ipk__resp_value *ret_value)
{
	size_t at = 0;

	if (r->whole.n_bytes > 0 && ipk__resp_next(r->whole, &at, ret_value) == 0)
		return 0;
	(void)ipk__manager_fail(-EBADMSG, "an answer that makes no sense");
	return -EBADMSG;
}

int ipk__response_int(const struct ipk__response *r, int64_t *ret_n)
{
	struct ipk__resp_value value;

	IPK_TRY(ipk__response_first(r, &value));
	if (value.type == IPK__RESP_INTEGER || value.type == IPK__RESP_BOOLEAN) {
		*ret_n = value.integer;
		return 0;
	}
	if ((value.type == IPK__RESP_BULK || value.type == IPK__RESP_SIMPLE) &&
	    ipk__text_to_int64(value.text, ret_n))
		return 0;
	return ipk__manager_fail(value.type == IPK__RESP_NULL ? -ENOENT : -EBADMSG,
				 "an answer that is no number");
}

int ipk__response_text(const struct ipk__response *r, struct ipk__slice *ret_text)
{
	struct ipk__resp_value value;

	IPK_TRY(ipk__response_first(r, &value));
	switch (value.type) {
	case IPK__RESP_NULL:
		return -ENOENT;
	case IPK__RESP_BULK:
	case IPK__RESP_SIMPLE:
	case IPK__RESP_VERBATIM:
	case IPK__RESP_DOUBLE:
	case IPK__RESP_BIG_NUMBER:
		*ret_text = value.text;
		return 0;
	default:
		return ipk__manager_fail(-EBADMSG, "an answer that is no bytes");
	}
}
