/*
 * pool_ranges.c - a long computation in eight ranges: submit each, get each, add up.
 *
 * Pi, by the series 4 - 4/3 + 4/5 - ... . Each range is a task for the pool's workers, one for each
 * core. The results are added in the order of the ranges, so that the sum is the same to the last
 * bit in every run.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>

#include <ipk.h>

enum { N_RANGES = 8, N_TERMS = 16000000 };

struct range {
	int64_t first, end;
};

static int add_range(ipk_task *task, const void *arg, size_t arg_bytes)
{
	const struct range *range = arg;
	double sum = 0;

	(void)arg_bytes;
	for (int64_t k = range->first; k < range->end; k++)
		sum += (k % 2 == 0 ? 4.0 : -4.0) / (double)(2 * k + 1);
	return ipk_task_return(task, &sum, sizeof sum);
}

int main(void)
{
	IPK_AUTO(pool, pool);
	ipk_future *parts[N_RANGES];
	double pi = 0, part;

	IPK_CHECK(ipk_pool_create(NULL, &pool));
	for (int64_t i = 0; i < N_RANGES; i++) {
		struct range range = {N_TERMS / N_RANGES * i, N_TERMS / N_RANGES * (i + 1)};

		IPK_CHECK(ipk_pool_submit(pool, add_range, &range, sizeof range, NULL, &parts[i]));
	}
	for (int i = 0; i < N_RANGES; i++) {
		IPK_CHECK(ipk_future_get(parts[i], &part, sizeof part, ipk_forever(), NULL));
		printf("range %d: %+.10f\n", i, part);
		pi += part;
		ipk_future_close(parts[i]);
	}
	printf("sum:     %+.10f\n", pi);
	return fabs(pi - 3.14159265358979) < 1e-7 ? 0 : -EBADMSG;
}
