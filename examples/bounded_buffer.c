/*
 * bounded_buffer.c - two producers and a consumer with a buffer of four places in shared memory: a
 * condition under a lock lets each wait until it can continue.
 */
#include <stdio.h>

#include <ipk/cond.h>
#include <ipk/process.h>
#include <ipk/shm.h>

enum { N_PLACES = 4, N_EACH = 1000 };

static struct buffer {
	unsigned n_put, n_taken, items[N_PLACES];
} * buffer;
static ipk_lock *lock;
static ipk_cond *changed;

static bool can_go_on(void *is_producer)
{
	unsigned n = buffer->n_put - buffer->n_taken;

	return is_producer ? n < N_PLACES : n > 0;
}

static int produce(void *arg)
{
	for (unsigned i = 1; i <= N_EACH; i++) {
		IPK_CHECK(ipk_lock_lock(lock, ipk_forever(), NULL));
		IPK_CHECK(ipk_cond_wait_for(changed, lock, can_go_on, arg, ipk_forever(), NULL));
		buffer->items[buffer->n_put++ % N_PLACES] = i;
		IPK_CHECK(ipk_cond_notify_all(changed));
		IPK_CHECK(ipk_lock_unlock(lock));
	}
	return 0;
}

int main(void)
{
	IPK_AUTO(shm, memory);
	IPK_AUTO(process, a);
	IPK_AUTO(process, b);
	long sum = 0;

	IPK_CHECK(ipk_shm_create(IPK_SHM(.size_bytes = sizeof *buffer), &memory));
	buffer = ipk_shm_data(memory);
	IPK_CHECK(ipk_lock_create(NULL, &lock));
	IPK_CHECK(ipk_cond_create(NULL, &changed));
	IPK_CHECK(ipk_process_start(produce, buffer, NULL, &a));
	IPK_CHECK(ipk_process_start(produce, buffer, NULL, &b));
	for (int i = 0; i < 2 * N_EACH; i++) {
		IPK_CHECK(ipk_lock_lock(lock, ipk_forever(), NULL));
		IPK_CHECK(ipk_cond_wait_for(changed, lock, can_go_on, NULL, ipk_forever(), NULL));
		sum += buffer->items[buffer->n_taken++ % N_PLACES];
		IPK_CHECK(ipk_cond_notify_all(changed));
		IPK_CHECK(ipk_lock_unlock(lock));
	}
	printf("%u items through %d places: %ld\n", buffer->n_taken, N_PLACES, sum);
	return sum != (long)N_EACH * (N_EACH + 1);
}
