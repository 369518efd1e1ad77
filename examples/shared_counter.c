/*
 * shared_counter.c - processes that increment one value by reading and writing it lose increments;
 * under the value's lock they lose none. (Nor does ipk_value_add(), which needs no lock.)
 */
#include <sched.h>
#include <stdio.h>

#include <ipk/process.h>
#include <ipk/value.h>

enum { N_PROCESSES = 4, N_COUNTS = 10000, N_ROUNDS_MAX = 100 };

static ipk_value *counter;

static int count(void *lock)
{
	for (int n, i = 0; i < N_COUNTS; i++) {
		if (lock)
			IPK_CHECK(ipk_lock_lock(lock, ipk_forever(), NULL));
		IPK_CHECK(ipk_value_load(counter, &n));
		if (++n % 1000 == 0)
			sched_yield(); /* also on one processor, another gets in between */
		IPK_CHECK(ipk_value_store(counter, &n));
		if (lock)
			IPK_CHECK(ipk_lock_unlock(lock));
	}
	return 0;
}

static int run(ipk_lock *lock, int *ret_n_lost)
{
	ipk_process *p[N_PROCESSES] = {NULL};
	int n = 0;

	IPK_TRY(ipk_value_store(counter, &n));
	for (int i = 0; i < N_PROCESSES; i++)
		IPK_TRY(ipk_process_start(count, lock, NULL, &p[i]));
	for (int i = 0; i < N_PROCESSES; i++) {
		IPK_TRY(ipk_process_join(p[i], ipk_forever(), NULL));
		ipk_process_close(p[i]);
	}
	IPK_TRY(ipk_value_load(counter, &n));
	*ret_n_lost = N_PROCESSES * N_COUNTS - n;
	printf("%s lock: %d counts of %d lost\n", lock ? "with the" : "without a", *ret_n_lost,
	       N_PROCESSES * N_COUNTS);
	return 0;
}

int main(void)
{
	int n_lost = 0;

	IPK_CHECK(ipk_value_create(IPK_VALUE(.typecode = 'i'), &counter));
	for (int i = 0; i < N_ROUNDS_MAX && n_lost == 0; i++)
		IPK_CHECK(run(NULL, &n_lost));
	IPK_CHECK(run(ipk_value_get_lock(counter), &n_lost));
	ipk_value_close(counter);
	return n_lost;
}
