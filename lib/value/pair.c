/*
 * pair.c - values that are structs: two copies and a count of stores.
 *
 * The last bit of the count selects the current copy. A store, alone under the store lock, writes
 * the other copy, then adds one to the count: that is its commit point. A process killed before it
 * leaves a copy that is never read and the next store overwrites.
 *
 * A reader reads the current copy, then the count again: if it is unchanged, no store has started
 * on that copy since. Stores faster than its reads could starve it, so after a few tries it takes
 * the store lock. If that lock stays taken, its holder is not storing, and reading works.
 */
#include <errno.h>
#include <string.h>

#include "os/os.h"
#include "value/value_internal.h"

#define TRIES 8
#define ROUNDS_MAX 100 /* of tries, with 10 ms of waiting for the lock after each */
#define WORD_BYTES sizeof(uint64_t)

static size_t n_words_of(size_t item_bytes)
{
	return (item_bytes + WORD_BYTES - 1) / WORD_BYTES;
}

size_t ipk__pair_bytes(size_t item_bytes)
{
	return sizeof(struct ipk__shm_pair) + 2 * WORD_BYTES * n_words_of(item_bytes);
}

/* Relaxed: the count orders them. */
static void write_words(_Atomic uint64_t *words, const char *data, size_t n_bytes)
{
	uint64_t word = 0;

	for (; n_bytes >= WORD_BYTES; n_bytes -= WORD_BYTES, data += WORD_BYTES) {
		memcpy(&word, data, WORD_BYTES);
		atomic_store_explicit(words++, word, memory_order_relaxed);
	}
	if (n_bytes > 0) {
		word = 0;
		memcpy(&word, data, n_bytes);
		atomic_store_explicit(words, word, memory_order_relaxed);
	}
}

static void read_words(char *buf, const _Atomic uint64_t *words, size_t n_bytes)
{
	uint64_t word;

	for (; n_bytes >= WORD_BYTES; n_bytes -= WORD_BYTES, buf += WORD_BYTES) {
		word = atomic_load_explicit(words++, memory_order_relaxed);
		memcpy(buf, &word, WORD_BYTES);
	}
	if (n_bytes > 0) {
		word = atomic_load_explicit(words, memory_order_relaxed);
		memcpy(buf, &word, n_bytes);
	}
}

int ipk__pair_init(struct ipk__shm_pair *pair, const void *item, size_t item_bytes)
{
	if (item)
		write_words(pair->words, item, item_bytes);
	return ipk__robust_lock_init(&pair->store_lock);
}

static struct ipk__shm_pair *pair_of(const ipk_value *v)
{
	return (struct ipk__shm_pair *)v->ref.object;
}

/* The copy that counts after @n_stores. */
static _Atomic uint64_t *copy_of(const ipk_value *v, uint64_t n_stores)
{
	return pair_of(v)->words + (n_stores & 1) * n_words_of(v->item_bytes);
}

static int check_buffer(const ipk_value *v, const void *buf, size_t n_bytes)
{
	if (!v)
		return -EBADF;
	IPK__REQUIRE(buf, "the buffer is NULL");
	IPK__REQUIRE(!v->type, "v: has a typecode: use the calls for its type");
	IPK__REQUIRE(n_bytes == v->item_bytes, "the size: must be .item_bytes of the value");
	return 0;
}

static int lock_stores(const ipk_value *v, ipk_deadline deadline)
{
	bool recovered;
	int r = ipk__object_check(&v->ref);

	return r < 0 ? r
		     : ipk__robust_lock_acquire(&pair_of(v)->store_lock,
						ipk__object_waiters(&v->ref), IPK__WAIT_LOCK,
						ipk__object_offset(&v->ref), deadline, &recovered);
}

int ipk_value_store_bytes(ipk_value *v, const void *data, size_t n_bytes, ipk_deadline deadline)
{
	struct ipk__shm_pair *pair;
	uint64_t n_stores;
	int r = check_buffer(v, data, n_bytes);

	if (r == 0)
		r = lock_stores(v, deadline);
	if (r < 0)
		return r;
	pair = pair_of(v);
	n_stores = atomic_load_explicit(&pair->value.word, memory_order_relaxed);
	/* Pairs with try_load()'s: who sees a word of this store sees the count of the last. */
	atomic_thread_fence(memory_order_release);
	write_words(copy_of(v, n_stores + 1), data, n_bytes);
	/* Pairs with the acquire load in try_load(). */
	atomic_store_explicit(&pair->value.word, n_stores + 1, memory_order_release);
	ipk__robust_lock_release(&pair->store_lock);
	return 0;
}

static bool try_load(const ipk_value *v, void *buf)
{
	_Atomic uint64_t *n_stores = &pair_of(v)->value.word;
	uint64_t before = atomic_load_explicit(n_stores, memory_order_acquire);

	read_words(buf, copy_of(v, before), v->item_bytes);
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(n_stores, memory_order_relaxed) == before;
}

int ipk_value_load_bytes(const ipk_value *v, void *buf, size_t n_bytes)
{
	int r = check_buffer(v, buf, n_bytes);

	if (r < 0)
		return r;
	for (int n = 0; n < ROUNDS_MAX; n++) {
		for (int i = 0; i < TRIES; i++) {
			if (try_load(v, buf))
				return 0;
		}
		r = lock_stores(v, ipk_now());
		if (r != -ETIMEDOUT)
			break;
	}
	if (r < 0)
		return r == -ETIMEDOUT ? -ENOTRECOVERABLE : r;
	(void)try_load(v, buf);
	ipk__robust_lock_release(&pair_of(v)->store_lock);
	return 0;
}
