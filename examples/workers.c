#include <stdio.h>
#include <ipk.h>

static int worker(void *jobs)
{
	int i;

	while (ipk_queue_getf(jobs, ipk_forever(), "i", &i) == 0)
		printf("%d squared is %d\n", i, i * i);
	return 0; /* shut down and empty */
}

int main(void)
{
	IPK_AUTO(queue, jobs);
	IPK_AUTO(process, child);

	IPK_CHECK(ipk_queue_create(NULL, &jobs));
	IPK_CHECK(ipk_process_start(worker, jobs, NULL, &child));
	for (int i = 0; i < 10; i++)
		IPK_CHECK(ipk_queue_putf(jobs, ipk_in_ms(500), "i", i));
	IPK_CHECK(ipk_queue_shutdown(jobs, IPK_DRAIN));
	return ipk_process_join(child, ipk_forever(), NULL);
}
