/*
 * array_workers.c - workers share an array without copies: of n workers, each takes every n-th
 * item. An item is written by one store, so no lock is needed.
 */
#include <stdio.h>

#include <ipk/process.h>
#include <ipk/value.h>

enum { N_WORKERS = 3, N_ITEMS = 12 };

struct job {
	ipk_array *numbers;
	int first;
};

static int square(void *arg)
{
	struct job *job = arg;

	for (size_t i = (size_t)job->first; i < N_ITEMS; i += N_WORKERS) {
		double x;

		IPK_CHECK(ipk_array_get(job->numbers, i, &x));
		x *= x;
		IPK_CHECK(ipk_array_set(job->numbers, i, &x));
	}
	return 0;
}

int main(void)
{
	double items[N_ITEMS], sum = 0;
	IPK_AUTO(array, numbers);
	ipk_process *workers[N_WORKERS] = {NULL};

	for (int i = 0; i < N_ITEMS; i++)
		items[i] = i + 0.5;
	IPK_CHECK(ipk_array_create(IPK_ARRAY(.typecode = 'd', .n_items = N_ITEMS, .items = items),
				   &numbers));
	for (int i = 0; i < N_WORKERS; i++)
		IPK_CHECK(ipk_process_start(square, &(struct job){numbers, i}, NULL, &workers[i]));
	for (int i = 0; i < N_WORKERS; i++) {
		IPK_CHECK(ipk_process_join(workers[i], ipk_forever(), NULL));
		ipk_process_close(workers[i]);
	}
	/* All at once, as a slice; the array's lock keeps other slices out meanwhile. */
	IPK_CHECK(ipk_array_read(numbers, 0, N_ITEMS, items, sizeof items, ipk_forever(), NULL));
	for (int i = 0; i < N_ITEMS; i++) {
		printf("%g ", items[i]);
		sum += items[i];
	}
	printf("add up to %g\n", sum);
	return sum != 575; /* 0.5^2 + 1.5^2 + ... + 11.5^2 */
}
