/*
 * pool_squares.c - four ways to the squares of 0 .. 9: apply, map, imap, and submit with a deadline
 * for each result.
 *
 * A deadline that passes cancels nothing: the task continues, and its result can be fetched later.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ipk.h>

enum { N = 10 };

static const int squares[N] = {0, 1, 4, 9, 16, 25, 36, 49, 64, 81};
static ipk_event *go;

/* For map: from an item to its result. */
static int square(const void *item, void *ret_result)
{
	const int x = *(const int *)item;

	*(int *)ret_result = x * x;
	return 0;
}

/* For the others: a task, with typed values. */
static int square_task(ipk_task *task, const void *arg, size_t arg_bytes)
{
	int x;

	(void)arg, (void)arg_bytes;
	IPK_TRY(ipk_task_argf(task, "i", &x));
	return ipk_task_returnf(task, "i", x * x);
}

static int slow_square(ipk_task *task, const void *arg, size_t arg_bytes)
{
	IPK_TRY(ipk_event_wait(go, ipk_in_ms(10000)));
	return square_task(task, arg, arg_bytes);
}

/* The input of imap, read only as fast as results are taken. */
static int next_number(void *arg, ipk_bytes *ret_item)
{
	int *n = arg;
	static void *packed;

	free(packed);
	packed = NULL;
	if (*n == N)
		return 0;
	IPK_TRY(ipk_pack(&packed, &ret_item->len_bytes, "i", (*n)++));
	ret_item->data = packed;
	return 1;
}

static int by_imap(ipk_pool *pool)
{
	IPK_AUTO(imap, imap);
	int n = 0, y, r;

	IPK_TRY(ipk_pool_imap(pool, square_task, next_number, &n, IPK_IMAP(.window = 4), &imap));
	for (int i = 0;; i++) {
		IPK_AUTO(future, f);

		r = ipk_imap_next(imap, ipk_in_ms(10000), &f);
		if (r < 0)
			return r == -ENOENT && i == N ? 0 : r;
		IPK_TRY(ipk_future_getf(f, ipk_now(), "i", &y));
		if (y != squares[i])
			return -EBADMSG;
	}
}

static int by_submit(ipk_pool *pool)
{
	IPK_AUTO(future, quick);
	IPK_AUTO(future, slow);
	int y = -1, r;

	IPK_TRY(ipk_pool_submitf(pool, slow_square, &slow, "i", 8));
	IPK_TRY(ipk_pool_submitf(pool, square_task, &quick, "i", 9));
	IPK_TRY(ipk_future_getf(quick, ipk_in_ms(10000), "i", &y));
	printf("9 squared is %d\n", y);
	r = ipk_future_getf(slow, ipk_in_ms(10), "i", &y);
	printf("8 squared: %s\n", r == -ETIMEDOUT ? "not after 10 ms" : "already?");
	IPK_TRY(ipk_event_set(go));
	IPK_TRY(ipk_future_getf(slow, ipk_in_ms(10000), "i", &y));
	printf("8 squared is %d\n", y);
	return r == -ETIMEDOUT && y == 64 ? 0 : -EBADMSG;
}

int main(void)
{
	int xs[N] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, ys[N];
	IPK_AUTO(event, event);
	IPK_AUTO(pool, pool);

	IPK_CHECK(ipk_event_create(NULL, &event));
	go = event; /* made before the pool: its workers have it too */
	IPK_CHECK(ipk_pool_create(IPK_POOL(.n_workers = 4), &pool));
	IPK_CHECK(ipk_pool_map(pool, square, xs, ys, N, ipk_in_ms(10000)));
	if (memcmp(ys, squares, sizeof ys) != 0)
		return -EBADMSG;
	IPK_CHECK(by_imap(pool));
	return by_submit(pool);
}
