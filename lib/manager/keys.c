/*
 * keys.c - iterates over the names of all objects, with SCAN: a name that exists from beginning to
 * end is returned at least once. A cursor means nothing to a server that was started again, so over
 * another connection the iteration begins anew.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "manager/manager_internal.h"
#include "os/os.h"

struct ipk_keys {
	ipk_manager *m;
	struct ipk__slice pattern; /* in memory right behind this */
	struct ipk__response reply;
	size_t at;
	bool is_last;
	uint32_t epoch; /* of the connection that the cursor came over; 0: it is the first */
	char cursor[32];
};

int ipk_keys_open(ipk_manager *m, const char *pattern, ipk_keys **ret_keys)
{
	size_t n = pattern ? strlen(pattern) : 0;
	ipk_keys *keys;

	if (!m)
		return -EBADF;
	IPK__REQUIRE(ret_keys, "ret_keys is NULL");
	keys = ipk__os_calloc(1, sizeof *keys + n + 1);
	if (!keys)
		return -ENOMEM;
	keys->m = m;
	if (pattern) {
		memcpy(keys + 1, pattern, n);
		keys->pattern = IPK__SLICE((char *)(keys + 1), n);
	}
	ipk__response_init(&keys->reply);
	strcpy(keys->cursor, "0");
	*ret_keys = keys;
	return 0;
}

ipk_keys *ipk_keys_close(ipk_keys *keys)
{
	if (keys)
		ipk__response_fini(&keys->reply);
	free(keys);
	return NULL;
}

static int ask(ipk_keys *keys, ipk_deadline deadline)
{
	struct ipk__slice argv[] = {
		IPK__ARG("SCAN"),  ipk__slice_of_string(keys->cursor),
		IPK__ARG("COUNT"), IPK__ARG("100"),
		IPK__ARG("MATCH"), keys->pattern,
	};

	return ipk__ask_call(keys->m,
			     &(struct ipk__call){
				     .argv = argv,
				     .argc = keys->pattern.bytes ? 6 : 4,
				     .flags = IPK__CALL_READ | (keys->epoch ? IPK__CALL_NEEDS : 0),
				     .epoch = keys->epoch,
				     .reply = &keys->reply,
			     },
			     deadline);
}

static int more(ipk_keys *keys, ipk_deadline deadline)
{
	struct ipk__resp_value head, cursor, names;
	int r = ask(keys, deadline);

	while (r == -EOWNERDEAD && keys->epoch != 0) {
		keys->epoch = 0;
		strcpy(keys->cursor, "0");
		r = ask(keys, deadline);
	}
	if (r < 0)
		return r;
	keys->at = 0;
	keys->epoch = keys->reply.epoch;
	if (ipk__resp_next(keys->reply.whole, &keys->at, &head) < 0 || head.n != 2 ||
	    ipk__resp_next(keys->reply.whole, &keys->at, &cursor) < 0 ||
	    ipk__resp_next(keys->reply.whole, &keys->at, &names) < 0 ||
	    cursor.text.n_bytes >= sizeof keys->cursor) {
		ipk__response_fini(&keys->reply);
		return ipk__manager_fail(-EBADMSG, "an answer that is no scan");
	}
	memcpy(keys->cursor, cursor.text.bytes, cursor.text.n_bytes);
	keys->cursor[cursor.text.n_bytes] = '\0';
	keys->is_last = strcmp(keys->cursor, "0") == 0;
	return 0;
}

int ipk_keys_next(ipk_keys *keys, ipk_deadline deadline, const char **ret_name,
		  size_t *ret_name_bytes)
{
	struct ipk__resp_value name;

	if (!keys)
		return -EBADF;
	IPK__REQUIRE(ret_name, "ret_name is NULL");
	IPK__REQUIRE(ret_name_bytes, "ret_name_bytes is NULL");
	while (keys->at >= keys->reply.whole.n_bytes) {
		if (keys->is_last)
			return -ENOENT;
		IPK_TRY(more(keys, deadline));
	}
	if (ipk__resp_next(keys->reply.whole, &keys->at, &name) < 0)
		return ipk__manager_fail(-EBADMSG, "an answer that is no scan");
	*ret_name = name.text.bytes;
	*ret_name_bytes = name.text.n_bytes;
	return 0;
}
