/* zygote_internal.h - the process-wide zygote, and the creation of any zygote. */
#ifndef IPK_PROCESS_ZYGOTE_INTERNAL_H
#define IPK_PROCESS_ZYGOTE_INTERNAL_H

#include "process/zygote.h"

/* For a zygote to answer: far more than a fork takes anywhere. */
#define IPK__ZYGOTE_ANSWER_NS ((int64_t)10 * 1000000000)

/* The one of ipk_zygote_start(); NULL: none in this process. */
struct ipk__zygote *ipk__zygote_of_process(void);

/* Whether this process created it; others ignore it. */
bool ipk__zygote_is_own(const struct ipk__zygote *z);

/*
 * Forks this process now (-EDEADLK). @preload, if any, runs in it first; its error is the one
 * returned.
 */
int ipk__zygote_make(const char *name, int (*preload)(void *arg), void *preload_arg,
		     struct ipk__zygote **ret_zygote);

/* Spawns one from @mother. -ETIMEDOUT. */
int ipk__zygote_make_by(struct ipk__zygote *mother, const char *name, ipk_deadline deadline,
			struct ipk__zygote **ret_zygote);

#endif
