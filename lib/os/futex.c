/*
 * futex.c - futex wait and wake on a word of shared memory.
 *
 * FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC time, so a wait restarted after a signal does
 * not last longer.
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "os/os.h"

int ipk__os_futex_wait(_Atomic uint32_t *word, uint32_t value, ipk_deadline deadline)
{
	struct timespec at = {deadline.at_ns / 1000000000, (long)(deadline.at_ns % 1000000000)};
	struct timespec *until = deadline.at_ns == INT64_MAX ? NULL : &at;
	long r = syscall(SYS_futex, word, FUTEX_WAIT_BITSET, value, until, NULL,
			 FUTEX_BITSET_MATCH_ANY);

	return r < 0 && errno == ETIMEDOUT ? -ETIMEDOUT : 0;
}

int ipk__os_futex_wake(_Atomic uint32_t *word, int n)
{
	long r = syscall(SYS_futex, word, FUTEX_WAKE, n, NULL, NULL, 0);

	return r < 0 ? 0 : (int)r;
}

/* musl tells the kernel of a thread's list with its first robust mutex of several processes. */
static void use_a_robust_mutex(void)
{
	pthread_mutexattr_t attr;
	pthread_mutex_t mutex;

	if (pthread_mutexattr_init(&attr) != 0)
		return;
	if (pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) == 0 &&
	    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) == 0 &&
	    pthread_mutex_init(&mutex, &attr) == 0) {
		if (pthread_mutex_lock(&mutex) == 0)
			pthread_mutex_unlock(&mutex);
		pthread_mutex_destroy(&mutex);
	}
	pthread_mutexattr_destroy(&attr);
}

static struct robust_list_head *ask_for_robust_list(void)
{
	struct robust_list_head *head = NULL;
	size_t n_bytes = 0;

	if (syscall(SYS_get_robust_list, 0, &head, &n_bytes) < 0 || n_bytes != sizeof *head)
		return NULL;
	return head;
}

int ipk__os_robust_list(struct robust_list_head **ret_head)
{
	struct robust_list_head *head = ask_for_robust_list();

	if (!head) {
		use_a_robust_mutex();
		head = ask_for_robust_list();
	}
	if (!head)
		return -ENOSYS;
	*ret_head = head;
	return 0;
}
