/* alone.h - a function that is compiled exactly once, so that labels in it are unique. */
#ifndef IPK_KILL_ALONE_H
#define IPK_KILL_ALONE_H

#ifdef __clang__
#define ALONE __attribute__((noinline, optnone))
#else
#define ALONE __attribute__((noipa))
#endif

#endif
