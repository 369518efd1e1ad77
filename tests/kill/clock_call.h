/* clock_call.h - where the clock is read: a system call of its own. */
#ifndef IPK_KILL_CLOCK_CALL_H
#define IPK_KILL_CLOCK_CALL_H

#include <time.h>

extern const char clock_call_here[]; /* syscall */

/* The linker puts it in the place of clock_gettime() (--wrap). */
int __wrap_clock_gettime(clockid_t id, struct timespec *ret);

#endif
