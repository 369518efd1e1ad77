/* alone.h - a function whose code is in one place: the labels in it are. */
#ifndef IPK_KILL_ALONE_H
#define IPK_KILL_ALONE_H

#ifdef __clang__
#define ALONE __attribute__((noinline, optnone))
#else
#define ALONE __attribute__((noipa))
#endif

#endif
