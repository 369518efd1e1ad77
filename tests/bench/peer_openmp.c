/*
 * peer_openmp.c - OpenMP as a peer: two threads, the same functions, no process boundary.
 *
 * Without -fopenmp the pragmas have no effect, and the peer is reported as missing.
 */
#include <stdlib.h>

#include "bench.h"
#include "peer_openmp.h"

#define ARRAY_DOUBLES ((size_t)8 << 20)

#ifdef _OPENMP
#define N_THREADS 2

/* Called through a pointer, as our workers call it. */
typedef void (*square_fn)(const double *x, double *y);

static void square(const double *x, double *y)
{
	*y = *x * *x;
}

static square_fn volatile the_square = square;

static int with_arrays(size_t n, void (*work)(const double *xs, double *ys, size_t n))
{
	double *xs = malloc(n * sizeof *xs);
	double *ys = malloc(n * sizeof *ys);
	int r = xs && ys ? 0 : -ENOMEM;
	int64_t begin_ns;

	for (size_t i = 0; r == 0 && i < n; i++) {
		xs[i] = (double)i;
		ys[i] = -1;
	}
	begin_ns = bench_now_ns();
	if (r == 0)
		work(xs, ys, n);
	bench_measured(bench_now_ns() - begin_ns);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = ys[i] == xs[i] * xs[i] ? 0 : -EPROTO;
	free(xs);
	free(ys);
	return r;
}

static void tasks(const double *xs, double *ys, size_t n)
{
	square_fn fn = the_square;

#pragma omp parallel num_threads(N_THREADS)
#pragma omp single
	for (size_t i = 0; i < n; i++) {
#pragma omp task firstprivate(i)
		fn(&xs[i], &ys[i]);
	}
}

static void loop(const double *xs, double *ys, size_t n)
{
	square_fn fn = the_square;

#pragma omp parallel for schedule(dynamic) num_threads(N_THREADS)
	for (size_t i = 0; i < n; i++)
		fn(&xs[i], &ys[i]);
}

int bench_openmp_tasks(void *arg, size_t n)
{
	(void)arg;
	return with_arrays(n, tasks);
}

int bench_openmp_loop(void *arg, size_t n)
{
	(void)arg;
	return with_arrays(n, loop);
}

int bench_openmp_array(void *arg, size_t n)
{
	static double *array;

	(void)arg;
	if (!array)
		array = calloc(ARRAY_DOUBLES, sizeof *array);
	if (!array)
		return -ENOMEM;
	for (size_t pass = 0; pass < n; pass++) {
#pragma omp parallel for num_threads(N_THREADS)
		for (size_t i = 0; i < ARRAY_DOUBLES; i++)
			array[i] = array[i] * 1.0000001 + 1;
	}
	return 0;
}
#else
int bench_openmp_tasks(void *arg, size_t n)
{
	(void)arg, (void)n;
	return -ENOSYS;
}

int bench_openmp_loop(void *arg, size_t n)
{
	return bench_openmp_tasks(arg, n);
}

int bench_openmp_array(void *arg, size_t n)
{
	return bench_openmp_tasks(arg, n);
}
#endif
