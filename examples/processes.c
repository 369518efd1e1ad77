/*
 * processes.c - children that find their handles by name, after a fork and after an exec.
 *
 * The program counts the primes below 100,000 with one fork of itself for each core it may use, and
 * one more child that executes the program again (exec). Each child inherits the same queue under
 * the name "found" and puts its count into it. The parent reports each child's end, in the order in
 * which they end. A daemon runs meanwhile, and ends with the parent.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <ipk.h>

enum { N_CHILDREN_MAX = 65, LIMIT = 100000, N_PRIMES = 9592 };

struct slice {
	int first, end;
};

/* In a child. */
static int count_primes(void *arg)
{
	const struct slice *slice = arg;
	IPK_AUTO_INIT(queue, found, ipk_inherited(queue, "found"));
	int n_primes = 0;

	for (int n = slice->first; n < slice->end; n++) {
		int d = 2;

		while (d * d <= n && n % d != 0)
			d++;
		n_primes += n > 1 && d * d > n;
	}
	return ipk_queue_putf(found, ipk_in_ms(5000), "i", n_primes);
}

static int idle(void *arg)
{
	(void)arg;
	while (pause() < 0)
		continue;
	return 0;
}

static int start_all(ipk_queue *found, int n, ipk_process *children[])
{
	const ipk_inherit inherit[] = {IPK_INHERIT(queue, "found", found)};
	char name[32], first[16], end[16];
	char *argv[] = {"processes", first, end, NULL};

	for (int i = 0; i < n - 1; i++) {
		struct slice slice = {LIMIT / n * i, LIMIT / n * (i + 1)};

		snprintf(name, sizeof name, "primes-%d", i);
		IPK_TRY(ipk_process_start(count_primes, &slice,
					  IPK_PROCESS(.name = name, .arg_bytes = sizeof slice,
						      .inherit = inherit, .n_inherit = 1),
					  &children[i]));
	}
	snprintf(first, sizeof first, "%d", LIMIT / n * (n - 1));
	snprintf(end, sizeof end, "%d", LIMIT);
	return ipk_process_start(NULL, NULL,
				 IPK_PROCESS(.name = "primes-exec", .start_method = IPK_START_EXEC,
					     .argv = argv, .inherit = inherit, .n_inherit = 1),
				 &children[n - 1]);
}

/* As they end. */
static int wait_all(int n, ipk_process *children[])
{
	ipk_process_status status;
	size_t which;

	for (int i = 0; i < n; i++) {
		IPK_TRY(ipk_process_wait_any(children, (size_t)n, ipk_in_ms(30000), &which));
		IPK_TRY(ipk_process_join(children[which], ipk_now(), &status));
		printf("%-12s pid %d: exit code %d, %.1f ms of processor time, %" PRIu64 " KiB\n",
		       ipk_process_name(children[which]), (int)ipk_process_pid(children[which]),
		       status.exit_code, (double)(status.user_ns + status.system_ns) / 1e6,
		       status.max_rss_bytes / 1024);
		children[which] = ipk_process_close(children[which]);
		if (status.exit_code != 0)
			return -ECHILD;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int n = ipk_cpu_count() < N_CHILDREN_MAX ? (int)ipk_cpu_count() + 1 : N_CHILDREN_MAX;
	ipk_process *children[N_CHILDREN_MAX];
	IPK_AUTO(queue, found);
	IPK_AUTO(process, company);
	int n_primes, n_all = 0;

	if (argc == 3) /* the one that was started anew */
		return count_primes(&(struct slice){atoi(argv[1]), atoi(argv[2])});
	IPK_CHECK(ipk_queue_create(NULL, &found));
	IPK_CHECK(ipk_process_start(
		idle, NULL, IPK_PROCESS(.name = "company", .flags = IPK_PROCESS_DAEMON), &company));
	IPK_CHECK(start_all(found, n, children));
	IPK_CHECK(wait_all(n, children));
	for (int i = 0; i < n; i++) {
		IPK_CHECK(ipk_queue_getf(found, ipk_now(), "i", &n_primes));
		n_all += n_primes;
	}
	printf("%d primes below %d\n", n_all, LIMIT);
	return n_all == N_PRIMES ? 0 : -EBADMSG;
}
