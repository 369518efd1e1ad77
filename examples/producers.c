/* producers.c - one process puts typed jobs, two workers get them; each job goes to one worker. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <ipk.h>

static int worker(void *arg)
{
	ipk_queue *jobs = arg;
	char *text;
	int n, r;

	while ((r = ipk_queue_getf(jobs, ipk_forever(), "[i n s]", &n, &text)) == 0) {
		printf("%d got %d %s\n", (int)getpid(), n, text);
		free(text);
	}
	return r == -ESHUTDOWN ? 0 : r; /* drained, and nobody will put any more */
}

int main(void)
{
	IPK_AUTO(queue, jobs);
	IPK_AUTO(process, a);
	IPK_AUTO(process, b);
	ipk_process_status of_a, of_b;

	IPK_CHECK(ipk_queue_create(IPK_QUEUE(.max_items = 100), &jobs));
	IPK_CHECK(ipk_process_start(worker, jobs, NULL, &a));
	IPK_CHECK(ipk_process_start(worker, jobs, NULL, &b));
	for (int i = 0; i < 1000; i++)
		IPK_CHECK(ipk_queue_putf(jobs, ipk_in_ms(5000), "[i n s]", i, "hello"));
	IPK_CHECK(ipk_queue_shutdown(jobs, IPK_DRAIN));
	IPK_CHECK(ipk_process_join(a, ipk_forever(), &of_a));
	IPK_CHECK(ipk_process_join(b, ipk_forever(), &of_b));
	return of_a.exit_code != 0 || of_b.exit_code != 0;
}
