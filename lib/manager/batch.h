/* batch.h - collected calls: for batch.c and transaction.c. */
#ifndef IPK_MANAGER_BATCHED_H
#define IPK_MANAGER_BATCHED_H

#include "manager/manager_internal.h"

struct ipk_batch {
	ipk_manager *m;
	struct ipk__buffer bytes; /* all words of all calls, one after the other */
	struct ipk__slice *words;
	size_t argc, argv_room;
	struct ipk__batch_call {
		size_t first_arg, argc;
		bool none_is_range; /* null, of a list's item, is -ERANGE */
		bool zero_is_none;  /* 0, of what was to be deleted, is -ENOENT */
	} * calls;
	size_t n_calls, calls_room;
	struct ipk__response *replies; /* n_calls of them once it has run */
	bool was_run;
};

/* The calls in the backend's form, with replies initialized; free the calls. */
int ipk__batch_prepare(ipk_batch *batch, struct ipk__call **ret_calls);
void ipk__batch_empty(ipk_batch *batch);

#endif
