/* clock_call.h - reading the clock by a separate system call. */
#ifndef IPK_KILL_CLOCK_CALL_H
#define IPK_KILL_CLOCK_CALL_H

#include <time.h>

extern const char clock_call_here[]; /* syscall */

/* The linker puts it in the place of clock_gettime() (--wrap). */
int __wrap_clock_gettime(clockid_t id, struct timespec *ret);

#endif
