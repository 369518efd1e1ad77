/* robust_list.h - the kernel's list of a thread's held robust mutexes, and their words. */
#ifndef IPK_OS_ROBUST_LIST_H
#define IPK_OS_ROBUST_LIST_H

#include <linux/futex.h>

#endif
