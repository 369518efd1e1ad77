/*
 * peer_python.c - Python as a peer: a small script does the same work and prints the time from its
 * own start barrier to its end, so that starting Python does not count.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define PYTHON "/usr/bin/python3" /* the distribution's: others are often built slower */

int bench_python(const char *script, const char *args, size_t n, struct bench_time *ret_time)
{
	char command[1024];
	double ns = 0;
	int n_read;
	FILE *f;

	if (access(PYTHON, X_OK) < 0)
		return -ENOSYS;
	snprintf(command, sizeof command, "exec " PYTHON " '%s/%s' %s %zu", BENCH_SCRIPTS, script,
		 args, n);
	f = popen(command, "re");
	if (!f)
		return -errno;
	n_read = fscanf(f, "%lf", &ns);
	if (pclose(f) != 0 || n_read != 1 || ns <= 0)
		return -ECHILD;
	ret_time->elapsed_ns = ns;
	ret_time->measured_ns = ns;
	return 0;
}
