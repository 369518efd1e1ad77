/* peer_openmp.h - the same work by threads of one process, with OpenMP. */
#ifndef PEER_OPENMP_H
#define PEER_OPENMP_H

#include <stddef.h>

/* Sides of bench_team(): n items, or n passes over 64 MB. -ENOSYS: not built with OpenMP. */
int bench_openmp_tasks(void *arg, size_t n);
int bench_openmp_loop(void *arg, size_t n);
int bench_openmp_array(void *arg, size_t n);

#endif
