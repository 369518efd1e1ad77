/*
 * processes.c - a child process for each core this program may use: names and exit codes.
 *
 * The children count primes in their slice of the numbers; each tells by its exit code how
 * many it found in the hundreds of them (0 .. 255 fit into an exit code).
 */
#include <stdio.h>
#include <stdlib.h>

#include <ipk.h>

enum { N_CORES_MAX = 64, LIMIT = 100000 };

struct slice {
	int first, last;
};

static int count_primes(void *arg)
{
	const struct slice *slice = arg;
	int n_primes = 0;

	for (int n = slice->first; n < slice->last; n++) {
		int d = 2;

		while (d * d <= n && n % d != 0)
			d++;
		n_primes += n > 1 && d * d > n;
	}
	printf("%6d .. %6d: %d primes\n", slice->first, slice->last, n_primes);
	return n_primes / 100;
}

int main(void)
{
	int n_cores = ipk_cpu_count() < N_CORES_MAX ? ipk_cpu_count() : N_CORES_MAX;
	ipk_process *children[N_CORES_MAX];
	struct slice slices[N_CORES_MAX];
	ipk_process_status status;

	for (int i = 0; i < n_cores; i++) {
		char name[16];

		snprintf(name, sizeof name, "primes-%d", i);
		slices[i] = (struct slice){LIMIT / n_cores * i, LIMIT / n_cores * (i + 1)};
		ipk_try(ipk_process_start(count_primes, &slices[i], IPK_PROCESS(.name = name),
					  &children[i]));
	}
	for (int i = 0; i < n_cores; i++) {
		ipk_try(ipk_process_join(children[i], ipk_forever(), &status));
		printf("%s (pid %d) ended with exit code %d, signal %d\n",
		       ipk_process_name(children[i]), (int)ipk_process_pid(children[i]),
		       status.exit_code, status.signal);
		ipk_process_close(children[i]);
	}
	return EXIT_SUCCESS;
}
