/*
 * pool_manager.c - pool workers and a manager: results in a managed dict under a managed lock, then
 * a writer and two readers over a managed queue.
 *
 *   pool_manager [ADDRESS]      as in manager_results.c
 *
 * The pool's initializer connects each worker once; its tasks then use that worker's handles.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <ipk.h>
#include <ipk/manager.h>
#include <ipk/manager_server.h>

enum { N_NUMBERS = 50, SUM_OF_SQUARES = 40425, N_LETTERS = 26 };

/* A worker's own, and the parent's for looking at what came of it. */
static ipk_manager *manager;
static ipk_dict *results;
static ipk_managed_lock *lock;
static ipk_managed_queue *letters;

static ipk_deadline soon(void)
{
	return ipk_in_ms(10000);
}

static int connect_to(void *address)
{
	IPK_CHECK(ipk_manager_connect(address,
				      IPK_MANAGER_CONNECT(.key_file = getenv("IPK_KEY_FILE")),
				      soon(), &manager));
	IPK_CHECK(ipk_dict_open(manager, "{pool}results", &results));
	IPK_CHECK(ipk_managed_lock_open(manager, "{pool}lock", NULL, soon(), &lock));
	return ipk_managed_queue_open(manager, "{pool}letters", IPK_MANAGED_QUEUE(.max_items = 5),
				      soon(), &letters);
}

/* The lock makes one step of two: the square is put there, and the sum is as large. */
static int put_square(const void *item, void *ret_result)
{
	int64_t n = *(const int *)item, sum = 0;
	char name[16];
	int r;

	(void)ret_result;
	snprintf(name, sizeof name, "%" PRId64, n);
	IPK_TRY(ipk_managed_lock_lock(lock, soon()));
	r = ipk_dict_setf(results, ipk_text(name), soon(), "l", n * n);
	if (r == 0)
		r = ipk_dict_getf(results, ipk_text("sum"), soon(), "l", &sum);
	if (r == 0 || r == -ENOENT)
		r = ipk_dict_setf(results, ipk_text("sum"), soon(), "l", sum + n * n);
	IPK_TRY(ipk_managed_lock_unlock(lock, soon()));
	return r;
}

static int write_letters(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)task, (void)arg, (void)arg_bytes;
	for (char c = 'A'; c < 'A' + N_LETTERS; c++)
		IPK_TRY(ipk_managed_queue_put(letters, &c, 1, soon()));
	return ipk_managed_queue_shutdown(letters, IPK_DRAIN, soon());
}

/* A set of letters, as bits. */
static int read_letters(ipk_task *task, const void *arg, size_t arg_bytes)
{
	unsigned found = 0;
	void *letter;
	size_t n;
	int r;

	(void)arg, (void)arg_bytes;
	while ((r = ipk_managed_queue_get_alloc(letters, soon(), &letter, &n)) == 0) {
		found |= 1u << (*(char *)letter - 'A');
		free(letter);
	}
	return r == -ESHUTDOWN ? ipk_task_returnf(task, "I", found) : r;
}

static int run(ipk_pool *pool)
{
	IPK_AUTO(future, writer);
	IPK_AUTO(future, reader);
	IPK_AUTO(future, other);
	int numbers[N_NUMBERS];
	unsigned found, found_too;
	int64_t sum;

	for (int i = 0; i < N_NUMBERS; i++)
		numbers[i] = i;
	IPK_TRY(ipk_pool_map_items(pool, put_square, numbers, sizeof numbers[0], NULL, 0, N_NUMBERS,
				   NULL, soon()));
	IPK_TRY(ipk_dict_getf(results, ipk_text("sum"), soon(), "l", &sum));
	IPK_TRY(ipk_pool_submit(pool, read_letters, NULL, 0, NULL, &reader));
	IPK_TRY(ipk_pool_submit(pool, read_letters, NULL, 0, NULL, &other));
	IPK_TRY(ipk_pool_submit(pool, write_letters, NULL, 0, NULL, &writer));
	IPK_TRY(ipk_future_get(writer, NULL, 0, soon(), NULL));
	IPK_TRY(ipk_future_getf(reader, soon(), "I", &found));
	IPK_TRY(ipk_future_getf(other, soon(), "I", &found_too));
	printf("sum of squares: %" PRId64 "; each letter was read once: %s\n", sum,
	       (found ^ found_too) == (1u << N_LETTERS) - 1 ? "yes" : "no");
	return sum == SUM_OF_SQUARES && (found ^ found_too) == (1u << N_LETTERS) - 1 ? 0 : -EBADMSG;
}

static int forget(void)
{
	static const char *const names[] = {"{pool}results", "{pool}lock", "{pool}letters"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		int r = ipk_manager_delete(manager, names[i], soon());

		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

int main(int argc, char **argv)
{
	char *address = argv[1];
	IPK_AUTO(manager_server, server);
	IPK_AUTO(pool, pool);

	if (argc < 2) {
		IPK_CHECK(ipk_manager_server_start(NULL, soon(), &server));
		address = (char *)ipk_manager_server_address(server);
	}
	IPK_CHECK(ipk_pool_create(
		IPK_POOL(.n_workers = 3, .initializer = connect_to, .initializer_arg = address),
		&pool));
	IPK_CHECK(connect_to(address));
	IPK_CHECK(run(pool));
	pool = ipk_pool_close(pool);
	IPK_CHECK(forget());
	ipk_managed_queue_close(letters);
	ipk_managed_lock_close(lock);
	ipk_dict_close(results);
	ipk_manager_close(manager);
	return 0;
}
