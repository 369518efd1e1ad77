/*
 * refusal.c - maps the error replies of a server to the errors of ipk/manager.h.
 *
 * The text is kept for the thread that got it, so the errno value loses nothing that the server
 * said.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "backend/backend.h"
#include "base/base_internal.h"

static _Thread_local char said[256];

static const struct {
	const char *words; /* how it begins */
	int err;
} meanings[] = {
	{"WRONGTYPE", -EPROTOTYPE},
	{"EXISTS", -EPROTOTYPE},
	{"NOTOWNER", -EPERM},
	{"BROKEN", -ECANCELED},
	{"SHUTDOWN", -ESHUTDOWN},
	{"NOKEY", -ENOENT},
	{"RANGE", -ERANGE},
	{"VALUE", -EINVAL},
	{"OOM", -ENOSPC},
	{"MISCONF", -ENOSPC},
	{"EXECABORT Transaction discarded because of: OOM", -ENOSPC},
	{"EXECABORT Transaction discarded because of: MISCONF", -ENOSPC},
	{"NOAUTH", -EACCES},
	{"WRONGPASS", -EACCES},
	{"NOPERM", -EACCES},
	{"DENIED", -EACCES},
	{"DEADLK", -EDEADLK},
	{"SESSION", -EINPROGRESS}, /* done or not: its answer is not known any more */
	{"the reply of this request", -EINPROGRESS},
	{"OWNERDEAD", -EOWNERDEAD},
	{"CROSSSLOT", -EXDEV},
	{"UNSUPPORTED", -EOPNOTSUPP},
	{"ERR no such key", -ENOENT},
	{"ERR index out of range", -ERANGE},
	{"ERR hash value is not", -ERANGE},
	{"ERR value is not", -ERANGE},
	{"ERR value is out of range", -ERANGE},
	{"ERR increment", -ERANGE},
	{"ERR string exceeds", -EMSGSIZE},
	{"ERR syntax", -EINVAL},
	{"ERR wrong number", -EINVAL},
	{"ERR invalid password", -EACCES},
};

/* Those with a detail are told so; another call's must not be theirs. */
static int refused(int err)
{
	if (err == -EINVAL || err == -EMSGSIZE || err == -EPROTOTYPE)
		ipk__note_detail(err, "the server refused it: see ipk_manager_error()");
	return err;
}

const char *ipk_manager_error(void)
{
	return said;
}

int ipk__manager_fail(int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(said, sizeof said, format, args);
	va_end(args);
	return refused(err);
}

int ipk__refusal(struct ipk__slice text)
{
	size_t n = text.n_bytes < sizeof said - 1 ? text.n_bytes : sizeof said - 1;

	if (n > 0)
		memcpy(said, text.bytes, n);
	said[n] = '\0';
	for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
		if (strncmp(said, meanings[i].words, strlen(meanings[i].words)) == 0)
			return refused(meanings[i].err);
	return -EBADMSG;
}

int ipk__response_refusal(const struct ipk__response *r)
{
	struct ipk__resp_value value;

	if (r->whole.n_bytes == 0)
		return ipk__manager_fail(-EBADMSG, "no answer");
	if (r->whole.bytes[0] != IPK__RESP_ERROR && r->whole.bytes[0] != IPK__RESP_BLOB_ERROR)
		return 0;
	IPK_TRY(ipk__response_first(r, &value));
	return ipk__refusal(value.text);
}
