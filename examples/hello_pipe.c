/*
 * hello_pipe.c - a parent and its child at the two ends of a pipe.
 *
 * The parent sends hello, the child answers. When the parent closes its end, the child's next
 * receive returns end of file.
 */
#include <stdio.h>
#include <stdlib.h>

#include <ipk.h>

struct ends {
	ipk_pipe *parents, *childs;
};

static int answer(void *arg)
{
	struct ends *ends = arg;
	char line[64];
	size_t n;

	ends->parents = ipk_pipe_close(ends->parents); /* ours is the other one */
	while (ipk_pipe_recv(ends->childs, line, sizeof line, ipk_forever(), &n) == 0) {
		printf("child:  got \"%.*s\"\n", (int)n, line);
		IPK_CHECK(ipk_pipe_sendf(ends->childs, ipk_in_ms(1000), "[s i]", "hello, too",
					 (int)n));
	}
	printf("child:  the other end is closed\n");
	return EXIT_SUCCESS;
}

int main(void)
{
	IPK_AUTO(process, child);
	ipk_process_status status;
	struct ends ends;
	char *text;
	int n;

	IPK_CHECK(ipk_pipe_create(NULL, &ends.parents, &ends.childs));
	IPK_CHECK(ipk_process_start(answer, &ends, NULL, &child));
	ends.childs = ipk_pipe_close(ends.childs);
	IPK_CHECK(ipk_pipe_send(ends.parents, "hello", 5, ipk_in_ms(1000)));
	IPK_CHECK(ipk_pipe_recvf(ends.parents, ipk_in_ms(5000), "[s i]", &text, &n));
	printf("parent: got \"%s\" for %d bytes\n", text, n);
	free(text);
	ends.parents = ipk_pipe_close(ends.parents);
	IPK_CHECK(ipk_process_join(child, ipk_forever(), &status));
	return status.exit_code;
}
