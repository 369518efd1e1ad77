/*
 * clock_call.c - reading the clock by a system call.
 *
 * The vdso(7) code retries when the kernel has updated its data in between, which happens at each
 * tick. In single steps, on a processor that other processes use too, that is every time. A system
 * call is one step.
 */
#include <errno.h>
#include <sys/syscall.h>

#include "alone.h"
#include "clock_call.h"

ALONE int __wrap_clock_gettime(clockid_t id, struct timespec *ret)
{
	long r = SYS_clock_gettime;

	__asm__ volatile(".globl clock_call_here\n"
			 "clock_call_here:\n\t"
			 "syscall"
			 : "+a"(r)
			 : "D"((long)id), "S"(ret)
			 : "rcx", "r11", "memory");
	if (r == 0)
		return 0;
	errno = (int)-r;
	return -1;
}
