/*
 * hello_queue.c - one process puts A, B and C into a queue, another one gets them.
 *
 * The queue is created before the fork, so both processes have it. After its last item the writer
 * shuts the queue down; the reader then gets the remaining items, and after that -ESHUTDOWN.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ipk.h>

static int writer(void *arg)
{
	ipk_queue *q = arg;
	const char *const words[] = {"A", "B", "C"};

	for (int i = 0; i < 3; i++) {
		IPK_CHECK(ipk_queue_put(q, words[i], strlen(words[i]), ipk_in_ms(1000)));
		printf("%d put %s\n", (int)getpid(), words[i]);
	}
	return ipk_queue_shutdown(q, IPK_DRAIN);
}

static int reader(void *arg)
{
	ipk_queue *q = arg;
	char word[16], all[16] = "";
	size_t n;
	int r;

	while ((r = ipk_queue_get(q, word, sizeof word, ipk_forever(), &n)) == 0) {
		printf("%d got %.*s\n", (int)getpid(), (int)n, word);
		strncat(all, word, n);
	}
	IPK_CHECK(r == -ESHUTDOWN ? 0 : r);
	return strcmp(all, "ABC") == 0 ? 0 : -EBADMSG;
}

int main(void)
{
	IPK_AUTO(queue, q);
	IPK_AUTO(process, w);
	IPK_AUTO(process, r);
	ipk_process_status wrote, was_read;

	IPK_CHECK(ipk_queue_create(NULL, &q));
	IPK_CHECK(ipk_process_start(writer, q, NULL, &w));
	IPK_CHECK(ipk_process_start(reader, q, NULL, &r));
	IPK_CHECK(ipk_process_join(w, ipk_forever(), &wrote));
	IPK_CHECK(ipk_process_join(r, ipk_forever(), &was_read));
	return wrote.exit_code != 0 || was_read.exit_code != 0;
}
