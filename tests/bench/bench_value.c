/*
 * bench_value.c - values and arrays: adding, with and without their lock, copying, making.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ipk.h>

#include "bench.h"

#define ARRAY_BYTES ((size_t)1 << 20)
#define N_VALUES 10000u
#define SIDES_MAX 4

/* --- adding ----------------------------------------------------------------------------------- */

static int run_adders(size_t n_sides, int (*side)(void *, size_t), void *arg, size_t n,
		      struct bench_time *ret_time)
{
	struct bench_side sides[SIDES_MAX];

	for (size_t i = 0; i < n_sides; i++)
		sides[i] = (struct bench_side){side, n_sides == 1 ? 0 : BENCH_ANY_CPU};
	return bench_team(sides, n_sides, arg, n, ret_time);
}

static int ipk_adder(void *arg, size_t n)
{
	ipk_value *v = arg;

	for (size_t i = 0; i < n; i++)
		IPK_TRY(ipk_value_add(v, 1, NULL));
	return 0;
}

static int ipk_locked_adder(void *arg, size_t n)
{
	ipk_value *v = arg;
	ipk_lock *lock = ipk_value_get_lock(v);
	int64_t x;

	for (size_t i = 0; i < n; i++) {
		IPK_TRY(ipk_lock_lock(lock, ipk_forever(), NULL));
		IPK_TRY(ipk_value_load(v, &x));
		x++;
		IPK_TRY(ipk_value_store(v, &x));
		IPK_TRY(ipk_lock_unlock(lock));
	}
	return 0;
}

static int ours(size_t n_sides, int (*side)(void *, size_t), size_t n, struct bench_time *ret_time)
{
	IPK_AUTO(value, v);

	IPK_TRY(ipk_value_create(IPK_VALUE(.typecode = 'q'), &v));
	return run_adders(n_sides, side, v, n, ret_time);
}

static int ours_1(size_t n, struct bench_time *ret_time)
{
	return ours(1, ipk_adder, n, ret_time);
}

static int ours_2(size_t n, struct bench_time *ret_time)
{
	return ours(2, ipk_adder, n, ret_time);
}

static int ours_locked_1(size_t n, struct bench_time *ret_time)
{
	return ours(1, ipk_locked_adder, n, ret_time);
}

static int ours_locked_2(size_t n, struct bench_time *ret_time)
{
	return ours(2, ipk_locked_adder, n, ret_time);
}

static int ours_locked_4(size_t n, struct bench_time *ret_time)
{
	return ours(4, ipk_locked_adder, n, ret_time);
}

static int xadd_adder(void *arg, size_t n)
{
	_Atomic int64_t *word = arg;

	for (size_t i = 0; i < n; i++)
		atomic_fetch_add(word, 1);
	return 0;
}

static int xadd(size_t n_sides, size_t n, struct bench_time *ret_time)
{
	_Atomic int64_t *word = bench_shared(sizeof *word);
	int r = run_adders(n_sides, xadd_adder, word, n, ret_time);

	bench_unshare((void *)word, sizeof *word);
	return r;
}

static int xadd_1(size_t n, struct bench_time *ret_time)
{
	return xadd(1, n, ret_time);
}

static int xadd_2(size_t n, struct bench_time *ret_time)
{
	return xadd(2, n, ret_time);
}

static int python_adders(const char *n_sides, size_t n, struct bench_time *ret_time)
{
	return bench_python("peer_value.py", n_sides, n, ret_time);
}

static int python_1(size_t n, struct bench_time *ret_time)
{
	return python_adders("add 1", n, ret_time);
}

static int python_2(size_t n, struct bench_time *ret_time)
{
	return python_adders("add 2", n, ret_time);
}

static int python_4(size_t n, struct bench_time *ret_time)
{
	return python_adders("add 4", n, ret_time);
}

/* --- copying ---------------------------------------------------------------------------------- */

struct copying {
	ipk_array *array;
	char *memory;
	char *own; /* of the side */
};

static int ipk_copier(void *arg, size_t n)
{
	const struct copying *c = arg;

	for (size_t i = 0; i < n; i++)
		IPK_TRY(ipk_array_read(c->array, 0, ARRAY_BYTES, c->own, ARRAY_BYTES, ipk_forever(),
				       NULL));
	return 0;
}

static int memcpy_copier(void *arg, size_t n)
{
	const struct copying *c = arg;

	for (size_t i = 0; i < n; i++) {
		memcpy(c->own, c->memory, ARRAY_BYTES);
		__asm__ volatile("" : : "r"(c->own) : "memory");
	}
	return 0;
}

static int copy(int (*copier)(void *, size_t), struct copying *c, size_t n,
		struct bench_time *ret_time)
{
	int r;

	c->own = aligned_alloc(4096, ARRAY_BYTES);
	if (!c->own)
		return -ENOMEM;
	memset(c->own, 1, ARRAY_BYTES);
	r = bench_team(&(struct bench_side){copier, 0}, 1, c, n, ret_time);
	free(c->own);
	return r;
}

static int ours_copy(size_t n, struct bench_time *ret_time)
{
	IPK_AUTO(array, array);
	struct copying c = {0};

	IPK_TRY(ipk_array_create(IPK_ARRAY(.typecode = 'B', .n_items = ARRAY_BYTES), &array));
	c.array = array;
	return copy(ipk_copier, &c, n, ret_time);
}

static int peer_memcpy(size_t n, struct bench_time *ret_time)
{
	struct copying c = {.memory = bench_shared(ARRAY_BYTES)};
	int r = copy(memcpy_copier, &c, n, ret_time);

	bench_unshare(c.memory, ARRAY_BYTES);
	return r;
}

/* --- making ----------------------------------------------------------------------------------- */

static int make_all(ipk_value **values)
{
	int r = 0;

	for (unsigned i = 0; i < N_VALUES && r == 0; i++)
		r = ipk_value_create(IPK_VALUE(.typecode = 'q'), &values[i]);
	for (unsigned i = 0; i < N_VALUES; i++)
		values[i] = ipk_value_close(values[i]);
	return r;
}

static int ipk_maker(void *arg, size_t n)
{
	ipk_value **values = calloc(N_VALUES, sizeof(ipk_value *));
	int r = values ? 0 : -ENOMEM;

	(void)arg;
	for (size_t i = 0; i < n && r == 0; i++)
		r = make_all(values);
	free((void *)values);
	return r;
}

static int ours_make(size_t n, struct bench_time *ret_time)
{
	return bench_team(&(struct bench_side){ipk_maker, 0}, 1, NULL, n, ret_time);
}

static int python_make(size_t n, struct bench_time *ret_time)
{
	return bench_python("peer_value.py", "make 10000", n, ret_time);
}

#define ADDING(name_, ours_, peer_name_, peer_, target_)                               \
	{                                                                              \
		.name = name_, .unit = "ns", .scale = 1, .n_cpus = 2,                  \
		.ours = {"ipk_value", ours_}, .peers = {{peer_name_, peer_, target_}}, \
	}

const struct bench_row bench_value_rows[] = {
	ADDING("value add, alone", ours_1, "lock xadd", xadd_1, 0.9),
	ADDING("value add, 2 processes", ours_2, "lock xadd", xadd_2, 0.9),
	ADDING("value add under its lock, alone", ours_locked_1, "Python Value", python_1, 8),
	ADDING("value add under its lock, 2 processes", ours_locked_2, "Python Value", python_2, 8),
	ADDING("value add under its lock, 4 processes", ours_locked_4, "Python Value", python_4, 8),
	{
		.name = "array read 1 MiB",
		.unit = "us",
		.scale = 1e-3,
		.n_cpus = 1,
		.ours = {"ipk_array", ours_copy},
		.peers = {{"memcpy", peer_memcpy, 0.9}},
	},
	{
		.name = "making and closing 10,000 values",
		.unit = "ms",
		.scale = 1e-6,
		.n_cpus = 1,
		.ours = {"ipk_value", ours_make},
		.peers = {{"Python Value", python_make, 10}},
	},
	{0},
};
