/*
 * barrier_phases.c - workers in phases: each phase begins when all have finished the previous one,
 * and the last to arrive sums it up before any worker continues.
 */
#include <stdio.h>
#include <unistd.h>

#include <ipk/barrier.h>
#include <ipk/process.h>
#include <ipk/value.h>

enum { N_WORKERS = 3, N_PHASES = 4 };

static ipk_barrier *barrier;
static ipk_value *total;

static int sum_up(void *phase)
{
	int n;

	IPK_CHECK(ipk_value_load(total, &n));
	printf("phase %d: %d so far, says %d\n", *(int *)phase, n, (int)getpid());
	fflush(stdout);
	/* All have added theirs, and nobody is ahead: an error breaks the barrier for all. */
	return n == N_WORKERS * (*(int *)phase + 1) ? 0 : -1;
}

static int work(void *arg)
{
	(void)arg;
	for (int phase = 0; phase < N_PHASES; phase++) {
		IPK_CHECK(ipk_value_add(total, 1, NULL));
		IPK_CHECK(ipk_barrier_wait(barrier, sum_up, &phase, ipk_in_ms(10000), NULL));
	}
	/* It leaves; without this its end would be taken for a death. */
	return ipk_barrier_unregister(barrier);
}

int main(void)
{
	ipk_process *workers[N_WORKERS] = {NULL};
	ipk_process_status status;
	int n_failed = 0;

	IPK_CHECK(ipk_barrier_create(IPK_BARRIER(.n_parties = N_WORKERS), &barrier));
	IPK_CHECK(ipk_value_create(IPK_VALUE(.typecode = 'i'), &total));
	for (int i = 0; i < N_WORKERS; i++)
		IPK_CHECK(ipk_process_start(work, NULL, NULL, &workers[i]));
	for (int i = 0; i < N_WORKERS; i++) {
		IPK_CHECK(ipk_process_join(workers[i], ipk_forever(), &status));
		ipk_process_close(workers[i]);
		n_failed += status.exit_code != 0;
	}
	ipk_value_close(total);
	ipk_barrier_close(barrier);
	return n_failed;
}
