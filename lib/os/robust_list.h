/* robust_list.h - the kernel's list of the mutexes that a thread holds, and their words. */
#ifndef IPK_OS_ROBUST_LIST_H
#define IPK_OS_ROBUST_LIST_H

#include <linux/futex.h>

#endif
