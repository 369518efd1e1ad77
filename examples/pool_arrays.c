/*
 * pool_arrays.c - shared arrays processed in place, by all cores, without a copy.
 *
 * A worker gets a slice of the items at a time, and the same slice of the results.
 */
#include <errno.h>
#include <stdio.h>

#include <ipk.h>

enum { N = 1000000 };

static int half_squares(const void *items, void *results, size_t first, size_t n_items)
{
	const double *x = items;
	double *y = results;

	(void)first;
	for (size_t i = 0; i < n_items; i++)
		y[i] = x[i] * x[i] / 2;
	return 0;
}

int main(void)
{
	IPK_AUTO(array, xs);
	IPK_AUTO(array, ys);
	IPK_AUTO(pool, pool);
	double *x, *y, sum = 0;

	IPK_CHECK(ipk_pool_create(NULL, &pool));
	IPK_CHECK(ipk_array_create(IPK_ARRAY(.typecode = 'd', .n_items = N), &xs));
	IPK_CHECK(ipk_array_create(IPK_ARRAY(.typecode = 'd', .n_items = N), &ys));
	x = ipk_array_data(xs);
	y = ipk_array_data(ys);
	for (int i = 0; i < N; i++)
		x[i] = i % 1000;
	IPK_CHECK(ipk_pool_map_array(pool, half_squares, xs, ys, NULL, ipk_in_ms(10000)));
	for (int i = 0; i < N; i++)
		sum += y[i];
	printf("%.1f\n", sum); /* every summand and sum is a whole number of halves: exact */
	return sum == 166416750000.0 ? 0 : -EBADMSG;
}
