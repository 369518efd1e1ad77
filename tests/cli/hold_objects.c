/*
 * hold_objects.c - for the scripts here: a program that has ipk objects, and a child that waits.
 * hold_objects PREFIX creates PREFIX-named (a queue with a name, empty, its child gets from it),
 * PREFIX-fifo (3 items put, 1 got, limit 10), PREFIX-lifo (shut down) and PREFIX-pipe (2 messages
 * there, 1 back), prints "ready CHILD_PID" when the child is seen waiting, and keeps them until its
 * standard input ends.
 */
#include <errno.h>
#include <ipk.h>
#include <stdio.h>

#define SECONDS 200 /* far beyond any script */

static int get_one(void *arg)
{
	char c;

	return ipk_queue_get(arg, &c, 1, ipk_forever(), NULL) == -ESHUTDOWN ? 0 : 1;
}

/* Until somebody is listed as waiting for it. */
static int wait_for_waiter(const char *name)
{
	ipk_deadline deadline = ipk_in_ms(SECONDS * 1000);

	while (ipk_deadline_left_ns(deadline) > 0) {
		IPK_AUTO(inspect, snap);
		const ipk_inspect_object *o;

		IPK_TRY(ipk_inspect_scan(IPK_INSPECT(.match = name), &snap));
		o = ipk_inspect_object_at(snap, 0);
		if (o && o->n_waiters > 0)
			return 0;
	}
	return -ETIMEDOUT;
}

static const char *join(const char *prefix, const char *rest)
{
	static char names[8][256];
	static int n;

	n = (n + 1) % 8;
	snprintf(names[n], sizeof(names[n]), "%s-%s", prefix, rest);
	return names[n];
}

static int fill(ipk_queue *fifo, ipk_queue *lifo, ipk_pipe *a, ipk_pipe *b)
{
	char buf[8];

	for (int i = 0; i < 3; i++)
		IPK_TRY(ipk_queue_put(fifo, "hello", 5, ipk_now()));
	IPK_TRY(ipk_queue_get(fifo, buf, sizeof(buf), ipk_now(), NULL));
	IPK_TRY(ipk_queue_shutdown(lifo, IPK_DRAIN));
	IPK_TRY(ipk_pipe_send(a, "1", 1, ipk_now()));
	IPK_TRY(ipk_pipe_send(a, "2", 1, ipk_now()));
	return ipk_pipe_send(b, "3", 1, ipk_now());
}

static int hold(const char *prefix, const char *named)
{
	IPK_AUTO(queue, queue);
	IPK_AUTO(queue, fifo);
	IPK_AUTO(queue, lifo);
	IPK_AUTO(pipe, a);
	IPK_AUTO(pipe, b);
	IPK_AUTO(process, child);

	IPK_TRY(ipk_queue_create(IPK_QUEUE(.name = named), &queue));
	IPK_TRY(ipk_process_start(get_one, queue, IPK_PROCESS(.name = "getter"), &child));
	IPK_TRY(ipk_queue_create(IPK_QUEUE(.label = join(prefix, "fifo"), .max_items = 10), &fifo));
	IPK_TRY(ipk_queue_create(IPK_QUEUE(.label = join(prefix, "lifo"), .kind = IPK_QUEUE_LIFO),
				 &lifo));
	IPK_TRY(ipk_pipe_create(IPK_PIPE(.label = join(prefix, "pipe")), &a, &b));
	IPK_TRY(fill(fifo, lifo, a, b));
	IPK_TRY(wait_for_waiter(named));
	printf("ready %d\n", (int)ipk_process_pid(child));
	fflush(stdout);
	while (getchar() != EOF)
		;
	IPK_TRY(ipk_queue_shutdown(queue, IPK_DISCARD));
	return ipk_process_join(child, ipk_in_ms(SECONDS * 1000), NULL);
}

int main(int argc, char **argv)
{
	const char *named = argc == 2 ? join(argv[1], "named") : NULL;
	int r = named ? hold(argv[1], named) : -EINVAL;

	if (named && r != -EEXIST && ipk_queue_unlink(named) < 0)
		r = r < 0 ? r : -ENOENT;
	if (r < 0)
		fprintf(stderr, "hold_objects: %s: %s\n", ipk_errname(r), ipk_strerror(r));
	return r < 0;
}
