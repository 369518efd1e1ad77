/*
 * ask.c - a request to the server as words, and its reply in the form that the caller wants.
 *
 * Each form is one function, so the handles above are little more than lists of words.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "base/decimal.h"
#include "manager/manager_internal.h"
#include "os/os.h"

int ipk__ask_raw(ipk_manager *m, const struct ipk__call *call, ipk_deadline deadline)
{
	return m->backend->ops->call(m->backend, call, deadline);
}

int ipk__ask_call(ipk_manager *m, const struct ipk__call *call, ipk_deadline deadline)
{
	IPK_TRY(m->backend->ops->call(m->backend, call, deadline));
	return ipk__response_refusal(call->reply);
}

int ipk__ask_bound(ipk_manager *m, uint32_t epoch, const struct ipk__slice *argv, size_t argc,
		   ipk_deadline deadline)
{
	struct ipk__response reply;
	struct ipk__call call = {.argv = argv,
				 .argc = argc,
				 .flags = epoch ? IPK__CALL_NEEDS : 0,
				 .epoch = epoch,
				 .reply = &reply};
	int r;

	ipk__response_init(&reply);
	r = ipk__ask_call(m, &call, deadline);
	ipk__response_fini(&reply);
	return r;
}

int ipk__ask_done(ipk_manager *m, const struct ipk__slice *argv, size_t argc, ipk_deadline deadline)
{
	return ipk__ask_bound(m, 0, argv, argc, deadline);
}

int ipk__ask_number(ipk_manager *m, unsigned flags, const struct ipk__slice *argv, size_t argc,
		    ipk_deadline deadline, int64_t *ret_n)
{
	struct ipk__response reply;
	struct ipk__call call = {.argv = argv, .argc = argc, .flags = flags, .reply = &reply};
	int r;

	ipk__response_init(&reply);
	r = ipk__ask_call(m, &call, deadline);
	if (r == 0)
		r = ipk__response_int(&reply, ret_n);
	ipk__response_fini(&reply);
	return r;
}

/* What the request is answered with as text, in @reply, that the caller ends in any case. */
static int ask_text(ipk_manager *m, const struct ipk__call *call, ipk_deadline deadline,
		    struct ipk__slice *ret_text)
{
	int r;

	ipk__response_init(call->reply);
	r = ipk__ask_call(m, call, deadline);
	return r < 0 ? r : ipk__response_text(call->reply, ret_text);
}

int ipk__ask_copy(ipk_manager *m, const struct ipk__slice *argv, size_t argc, void *buf,
		  size_t buf_bytes, ipk_deadline deadline, size_t *ret_len_bytes)
{
	struct ipk__response reply;
	struct ipk__call call = {
		.argv = argv, .argc = argc, .flags = IPK__CALL_READ, .reply = &reply};
	struct ipk__slice text;
	int r = ask_text(m, &call, deadline, &text);

	if (r == 0)
		r = ipk__copy_out(text, buf, buf_bytes, ret_len_bytes);
	ipk__response_fini(&reply);
	return r;
}

int ipk__ask_alloc(ipk_manager *m, unsigned flags, const struct ipk__slice *argv, size_t argc,
		   ipk_deadline deadline, void **ret_data, size_t *ret_len_bytes)
{
	struct ipk__response reply;
	struct ipk__call call = {.argv = argv, .argc = argc, .flags = flags, .reply = &reply};
	struct ipk__slice text;
	int r = ask_text(m, &call, deadline, &text);

	if (r == 0)
		r = ipk__copy_alloc(text, ret_data, ret_len_bytes);
	ipk__response_fini(&reply);
	return r;
}

int ipk__ask_reply(ipk_manager *m, unsigned flags, const struct ipk__slice *argv, size_t argc,
		   ipk_deadline deadline, ipk_reply **ret_reply)
{
	struct ipk__response reply;
	struct ipk__call call = {.argv = argv, .argc = argc, .flags = flags, .reply = &reply};
	ipk_reply *public;
	int r;

	ipk__response_init(&reply);
	r = ipk__ask_call(m, &call, deadline);
	if (r < 0) {
		ipk__response_fini(&reply);
		return r;
	}
	public = ipk__response_public(&reply);
	if (!public)
		return -ENOMEM;
	*ret_reply = public;
	return 0;
}

int ipk__argv_of(const struct ipk__slice *head, size_t n_head, const ipk_bytes *items, size_t n,
		 struct ipk__slice **ret_argv)
{
	struct ipk__slice *argv;

	IPK__REQUIRE(n == 0 || items, "the array of words, items or pairs is NULL");
	if (n > SIZE_MAX / sizeof *argv - n_head)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		IPK__REQUIRE(
			ipk__slices_are_valid(items[i].data, items[i].len_bytes),
			"one of the items: NULL although its length is not 0, or over 512 MiB");
	argv = ipk__os_calloc(n_head + n, sizeof *argv);
	if (!argv)
		return -ENOMEM;
	for (size_t i = 0; i < n_head; i++)
		argv[i] = head[i];
	for (size_t i = 0; i < n; i++)
		argv[n_head + i] = IPK__SLICE(items[i].data, items[i].len_bytes);
	*ret_argv = argv;
	return 0;
}
