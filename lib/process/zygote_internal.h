/* zygote_internal.h - the process-wide zygote, and how any zygote is made. */
#ifndef IPK_PROCESS_ZYGOTE_INTERNAL_H
#define IPK_PROCESS_ZYGOTE_INTERNAL_H

#include "process/zygote.h"

/* The one of ipk_zygote_start(); NULL: there is none in this process. */
struct ipk__zygote *ipk__zygote_of_process(void);

/* Whether this process made it; to others it is none. */
bool ipk__zygote_is_own(const struct ipk__zygote *z);

/*
 * A fork of this process now (@mother NULL; -EDEADLK), or of @mother's. @preload, if any, runs
 * in it first; its error is the one returned.
 */
int ipk__zygote_make(const char *name, struct ipk__zygote *mother, int (*preload)(void *arg),
		     void *preload_arg, struct ipk__zygote **ret_zygote);

#endif
