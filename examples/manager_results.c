/*
 * manager_results.c - workers put their results into a managed dict, under a managed lock.
 *
 *   manager_results [ADDRESS]
 *
 * Without an address it starts a server of its own. The same program works with any of these:
 *
 *   unix:/run/me/manager.sock     ipc-manager on this machine
 *   tcp:10.0.0.7:6400             ipc-manager on another one (with a key: IPK_KEY_FILE)
 *   redis://host:6379, redis-cluster://host:7000,host:7001    Redis or Valkey
 *
 * Four processes test which numbers are prime. Each result is a field of one dict. The number of
 * primes so far is read, incremented and written back under a lock, so no increment is lost. Each
 * worker appends its name to a list when it ends.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <ipk.h>
#include <ipk/manager.h>
#include <ipk/manager_server.h>

#define N_WORKERS 4
#define N_NUMBERS 200
#define N_PRIMES 46 /* below 200 */

/* A call that takes this long has failed, wherever the server is. */
static ipk_deadline soon(void)
{
	return ipk_in_ms(10000);
}

static bool is_prime(int n)
{
	for (int i = 2; i * i <= n; i++)
		if (n % i == 0)
			return false;
	return n > 1;
}

/* Read, add and write: three requests, one at a time for all workers. */
static int count_prime(ipk_managed_lock *lock, ipk_dict *totals)
{
	int64_t n = 0;
	int r;

	IPK_TRY(ipk_managed_lock_lock(lock, soon()));
	r = ipk_dict_getf(totals, ipk_text("primes"), soon(), "l", &n);
	if (r == 0 || r == -ENOENT)
		r = ipk_dict_setf(totals, ipk_text("primes"), soon(), "l", n + 1);
	IPK_TRY(ipk_managed_lock_unlock(lock, soon()));
	return r;
}

struct job {
	ipk_manager *manager;
	int first;
};

static int worker(void *arg)
{
	struct job *job = arg;
	IPK_AUTO(dict, results);
	IPK_AUTO(dict, totals);
	IPK_AUTO(list, done);
	IPK_AUTO(managed_lock, lock);
	char name[32];

	IPK_CHECK(ipk_dict_open(job->manager, "{demo}results", &results));
	IPK_CHECK(ipk_dict_open(job->manager, "{demo}totals", &totals));
	IPK_CHECK(ipk_list_open(job->manager, "{demo}done", &done));
	IPK_CHECK(ipk_managed_lock_open(job->manager, "{demo}lock", NULL, soon(), &lock));
	for (int n = job->first; n < N_NUMBERS; n += N_WORKERS) {
		snprintf(name, sizeof name, "%d", n);
		IPK_CHECK(ipk_dict_setf(results, ipk_text(name), soon(), "b", is_prime(n)));
		if (is_prime(n))
			IPK_CHECK(count_prime(lock, totals));
	}
	snprintf(name, sizeof name, "worker-%d", job->first);
	return ipk_list_append(done, name, strlen(name), soon());
}

static int run_workers(ipk_manager *m)
{
	struct job jobs[N_WORKERS];
	ipk_process *workers[N_WORKERS] = {NULL};
	ipk_process_status status;
	int r = 0;

	for (int i = 0; i < N_WORKERS && r == 0; i++) {
		jobs[i] = (struct job){m, i};
		r = ipk_process_start(worker, &jobs[i], NULL, &workers[i]);
	}
	for (int i = 0; i < N_WORKERS; i++) {
		if (r == 0)
			r = ipk_process_join(workers[i], ipk_in_ms(60000), &status);
		if (r == 0 && status.exit_code != 0)
			r = -ECHILD;
		ipk_process_close(workers[i]);
	}
	return r;
}

/* What the workers left, read by the parent. */
static int check(ipk_manager *m)
{
	IPK_AUTO(dict, results);
	IPK_AUTO(dict, totals);
	IPK_AUTO(list, done);
	uint64_t n_results, n_done;
	int64_t n_primes;
	bool is_17_prime;

	IPK_TRY(ipk_dict_open(m, "{demo}results", &results));
	IPK_TRY(ipk_dict_open(m, "{demo}totals", &totals));
	IPK_TRY(ipk_list_open(m, "{demo}done", &done));
	IPK_TRY(ipk_dict_len(results, soon(), &n_results));
	IPK_TRY(ipk_dict_getf(results, ipk_text("17"), soon(), "b", &is_17_prime));
	IPK_TRY(ipk_dict_getf(totals, ipk_text("primes"), soon(), "l", &n_primes));
	IPK_TRY(ipk_list_len(done, soon(), &n_done));
	printf("%" PRIu64 " results, %" PRId64 " primes, %" PRIu64 " workers done\n", n_results,
	       n_primes, n_done);
	return n_results == N_NUMBERS && n_primes == N_PRIMES && n_done == N_WORKERS && is_17_prime
		       ? 0
		       : -EBADMSG;
}

static int forget(ipk_manager *m)
{
	static const char *const names[] = {"{demo}results", "{demo}totals", "{demo}done",
					    "{demo}lock"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		int r = ipk_manager_delete(m, names[i], soon());

		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

static int run(const char *address)
{
	IPK_AUTO(manager_server, server);
	IPK_AUTO(manager, m);

	if (!address) {
		IPK_TRY(ipk_manager_server_start(NULL, soon(), &server));
		address = ipk_manager_server_address(server);
	}
	IPK_TRY(ipk_manager_connect(
		address, IPK_MANAGER_CONNECT(.key_file = getenv("IPK_KEY_FILE")), soon(), &m));
	IPK_TRY(forget(m));
	IPK_TRY(run_workers(m));
	IPK_TRY(check(m));
	return forget(m);
}

int main(int argc, char **argv)
{
	int r = run(argc > 1 ? argv[1] : NULL);

	if (r < 0)
		fprintf(stderr, "manager_results: %s: %s\n", ipk_strerror(r), ipk_manager_error());
	return r < 0;
}
