/*
 * glibc_names.c - what Debian's static libraries (Check, msgpack-c, libsodium, hiredis) call
 * of glibc and musl does not have, so that they can be linked into programs for musl: the
 * fortified variants of functions, and cancellation in its old form, which Check never does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PRINT(last, call)     \
	va_list args;         \
	int ret_;             \
	va_start(args, last); \
	ret_ = call;          \
	va_end(args);         \
	return ret_

int __printf_chk(int flag, const char *format, ...);
int __fprintf_chk(FILE *file, int flag, const char *format, ...);
int __sprintf_chk(char *buf, int flag, size_t room, const char *format, ...);
int __snprintf_chk(char *buf, size_t n, int flag, size_t room, const char *format, ...);
int __vfprintf_chk(FILE *file, int flag, const char *format, va_list args);
int __vsnprintf_chk(char *buf, size_t n, int flag, size_t room, const char *format, va_list args);
void *__memcpy_chk(void *to, const void *from, size_t n, size_t room);
char *__strncpy_chk(char *to, const char *from, size_t n, size_t room);
void __explicit_bzero_chk(void *p, size_t n, size_t room);
_Noreturn void __longjmp_chk(jmp_buf where, int value);
void __pthread_register_cancel(void *cleanup);
void __pthread_unregister_cancel(void *cleanup);

int __printf_chk(int flag, const char *format, ...)
{
	(void)flag;
	PRINT(format, vprintf(format, args));
}

int __fprintf_chk(FILE *file, int flag, const char *format, ...)
{
	(void)flag;
	PRINT(format, vfprintf(file, format, args));
}

int __sprintf_chk(char *buf, int flag, size_t room, const char *format, ...)
{
	(void)flag;
	PRINT(format, vsnprintf(buf, room, format, args));
}

int __snprintf_chk(char *buf, size_t n, int flag, size_t room, const char *format, ...)
{
	(void)flag;
	(void)room;
	PRINT(format, vsnprintf(buf, n, format, args));
}

int __vfprintf_chk(FILE *file, int flag, const char *format, va_list args)
{
	(void)flag;
	return vfprintf(file, format, args);
}

int __vsnprintf_chk(char *buf, size_t n, int flag, size_t room, const char *format, va_list args)
{
	(void)flag;
	(void)room;
	return vsnprintf(buf, n, format, args);
}

void *__memcpy_chk(void *to, const void *from, size_t n, size_t room)
{
	(void)room;
	return memcpy(to, from, n);
}

char *__strncpy_chk(char *to, const char *from, size_t n, size_t room)
{
	(void)room;
	return strncpy(to, from, n);
}

void __explicit_bzero_chk(void *p, size_t n, size_t room)
{
	(void)room;
	explicit_bzero(p, n);
}

void __longjmp_chk(jmp_buf where, int value)
{
	longjmp(where, value);
}

void __pthread_register_cancel(void *cleanup)
{
	(void)cleanup;
}

void __pthread_unregister_cancel(void *cleanup)
{
	(void)cleanup;
}
