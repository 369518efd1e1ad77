/*
 * ops_broken.c - queues that are broken on purpose, to show that this program detects each fault.
 * Each differs from the correct queue in one way.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fixture.h"

#define LEN_BYTES 64

enum { SOUND, HANGS, LOSES, TEARS, TWICE, LEAKS, N_KINDS };
static const char *const kinds[] = {"sound", "hangs", "loses", "tears", "twice", "leaks"};

struct broken {
	pthread_mutex_t mutex;
	uint32_t head;
	uint32_t tail;
	uint32_t n_reserved; /* LEAKS only */
	char slots[MAX_ITEMS][LEN_BYTES];
};

static int lock(struct broken *b, ipk_deadline deadline)
{
	int64_t at_ns = deadline.at_ns;
	struct timespec at = {at_ns / 1000000000, at_ns % 1000000000};
	int r = pthread_mutex_trylock(&b->mutex);

	if (r == EBUSY && at_ns > 0)
		r = pthread_mutex_clocklock(&b->mutex, CLOCK_MONOTONIC, &at);
	if (r == EOWNERDEAD)
		r = pthread_mutex_consistent(&b->mutex);
	return r == EBUSY ? -ETIMEDOUT : -r;
}

static int put(struct fixture *s, const void *data, size_t len_bytes, uint32_t level,
	       ipk_deadline deadline)
{
	struct broken *b = s->broken;
	int kind = s->op->variant;
	volatile uint32_t *tail = &b->tail;
	int r = lock(b, deadline);

	(void)level;
	if (r < 0)
		return r;
	if (*tail - b->head >= MAX_ITEMS || b->n_reserved >= MAX_ITEMS) {
		pthread_mutex_unlock(&b->mutex);
		return -ETIMEDOUT;
	}
	if (kind == LEAKS)
		b->n_reserved++;
	if (kind == TEARS)
		++*tail;
	memcpy(b->slots[(*tail - (kind == TEARS)) % MAX_ITEMS], data, len_bytes);
	if (kind == LOSES)
		atomic_store(&s->history->is_done, 1); /* says so too early */
	if (kind != TEARS)
		++*tail;
	pthread_mutex_unlock(&b->mutex);
	return 0;
}

static int get(struct fixture *s, void *buf, size_t buf_bytes, ipk_deadline deadline,
	       size_t *ret_len_bytes, bool *ret_is_again)
{
	struct broken *b = s->broken;
	volatile uint32_t *head = &b->head;
	int r = lock(b, deadline);

	(void)buf_bytes;
	(void)ret_is_again;
	if (r < 0)
		return r;
	if (b->tail == *head) {
		pthread_mutex_unlock(&b->mutex);
		return -ETIMEDOUT;
	}
	memcpy(buf, b->slots[*head % MAX_ITEMS], LEN_BYTES);
	*ret_len_bytes = LEN_BYTES;
	if (s->op->variant == TWICE)
		atomic_store(&s->history->is_done, 1); /* says so too early */
	if (s->op->variant == LEAKS)
		b->n_reserved--;
	++*head;
	pthread_mutex_unlock(&b->mutex);
	return 0;
}

static int by_seq(const void *a, const void *b)
{
	return (int)((const struct item *)a)->seq - (int)((const struct item *)b)->seq;
}

static const struct queueish queueish = {put, get, NULL, by_seq};

/* --- the fixture ------------------------------------------------------------------------------ */

static int make(struct fixture *s)
{
	pthread_mutexattr_t attr;

	s->broken = mmap(NULL, sizeof *s->broken, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s->broken == MAP_FAILED)
		return -ENOMEM;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	if (s->op->variant != HANGS)
		pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&s->broken->mutex, &attr);
	s->capacity = MAX_ITEMS;
	if (fill_to_state(s, &queueish) < 0)
		return -EIO;
	atomic_store(&s->history->is_done, 0);
	if (s->op->variant != TWICE)
		prepare_batch(s, &queueish, 1);
	return 0;
}

static int act(struct fixture *s)
{
	size_t len_bytes;
	bool is_again;

	s->history->n_moved = 1;
	if (s->op->variant == TWICE)
		return get(s, message, sizeof message, s->deadline, &len_bytes, &is_again);
	return put(s, s->batch[0].data, LEN_BYTES, 3, s->deadline);
}

static void check_broken(struct fixture *s)
{
	if (s->op->variant == TWICE)
		settle_get(s, 1);
	else
		settle_put(s);
	drain(s, &queueish);
	history_close(s->history);
	if (s->history->faults.hang == 0)
		check_capacity(s, &queueish);
}

static void unmake(struct fixture *s)
{
	munmap(s->broken, sizeof *s->broken);
	s->broken = NULL;
}

bool broken_is_caught(const struct op *op, const struct faults *f)
{
	const uint32_t counts[N_KINDS] = {0, f->hang, f->lost, f->torn, f->dup, f->leaked};

	return op->variant == SOUND ? faults_total(f) == 0 : counts[op->variant] > 0;
}

void ops_broken(struct op_list *list)
{
	for (int i = SOUND; i < N_KINDS; i++) {
		struct op op = {.name = "broken_queue",
				.kind = kinds[i],
				.state = ONE,
				.len_bytes = LEN_BYTES,
				.variant = i,
				.is_extra = true,
				.make = make,
				.act = act,
				.check = check_broken,
				.unmake = unmake};

		op_add(list, &op);
	}
}
