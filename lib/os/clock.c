/*
 * clock.c - the two clocks of ipk. CLOCK_MONOTONIC for deadlines: setting the clock does not move
 * it. CLOCK_BOOTTIME, without the offset of a time namespace, for times that others read and for
 * comparison with process start times, which include suspension.
 */
#include <sys/prctl.h>
#include <time.h>

#include "base/base_internal.h"
#include "os/os.h"
#include "os/uncancelled.h"

/* Those of deadline.h, for languages that cannot use a header. */
extern inline ipk_deadline ipk_now(void);
extern inline ipk_deadline ipk_forever(void);

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t ipk__os_now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t ipk__os_coarse_ns(void)
{
	return read_clock(CLOCK_MONOTONIC_COARSE);
}

int64_t ipk__os_boot_ns(void)
{
	return read_clock(CLOCK_BOOTTIME) - ipk__os_boot_shift_ns();
}

ipk_deadline ipk_in_ns(int64_t ns)
{
	int64_t now_ns;
	ipk_deadline d;

	if (ns <= 0)
		return ipk_now();
	now_ns = ipk__os_now_ns();
	d.at_ns = ipk__later_ns(now_ns, ns);
	return d;
}

ipk_deadline ipk_in_ms(int64_t ms)
{
	if (ms <= 0)
		return ipk_now();
	return ipk_in_ns(ipk__ms_to_ns(ms));
}

int64_t ipk_deadline_left_ns(ipk_deadline deadline)
{
	int64_t now_ns;

	if (deadline.at_ns == INT64_MAX)
		return INT64_MAX;
	if (deadline.at_ns <= 0)
		return 0;
	now_ns = ipk__os_now_ns();
	return deadline.at_ns > now_ns ? deadline.at_ns - now_ns : 0;
}

void ipk__os_nap(int64_t ns)
{
	IPK__UNCANCELLED();
	struct timespec t = {0, (long)ns};

	nanosleep(&t, NULL);
}

int64_t ipk__os_set_timer_slack(int64_t ns)
{
	int before = prctl(PR_GET_TIMERSLACK);

	prctl(PR_SET_TIMERSLACK, (unsigned long)ns);
	return before;
}
