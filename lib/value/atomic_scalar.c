/*
 * atomic_scalar.c - atomic operations on one number of any type.
 *
 * A number is passed as its bits in a uint64_t, so nothing can change a NaN on the way, and each
 * operation is one instruction on exactly its bytes: the neighbours in an array are not touched.
 * Loads acquire and stores release: each pairs with the other side's. Read-modify-write operations
 * are sequentially consistent.
 */
#include <errno.h>
#include <string.h>

#include "value/value_internal.h"

#define TRIES_MAX (1 << 16) /* of a CAS that our own threads never make fail so often */

uint64_t ipk__bits_of(const struct ipk__type *type, const void *item)
{
	uint8_t byte;
	uint16_t half;
	uint32_t word;
	uint64_t bits;

	switch (type->n_bytes) {
	case 1:
		memcpy(&byte, item, 1);
		return byte;
	case 2:
		memcpy(&half, item, 2);
		return half;
	case 4:
		memcpy(&word, item, 4);
		return word;
	default:
		memcpy(&bits, item, 8);
		return bits;
	}
}

void ipk__bits_to(const struct ipk__type *type, uint64_t bits, void *ret_item)
{
	/* Another byte in a bool, which a broken peer may have written, is none in C. */
	uint8_t byte = (uint8_t)(type->kind == IPK__TYPE_BOOL ? bits != 0 : bits);
	uint16_t half = (uint16_t)bits;
	uint32_t word = (uint32_t)bits;

	switch (type->n_bytes) {
	case 1:
		memcpy(ret_item, &byte, 1);
		break;
	case 2:
		memcpy(ret_item, &half, 2);
		break;
	case 4:
		memcpy(ret_item, &word, 4);
		break;
	default:
		memcpy(ret_item, &bits, 8);
	}
}

uint64_t ipk__scalar_load(const struct ipk__type *type, const void *word)
{
	switch (type->n_bytes) {
	case 1:
		return __atomic_load_n((const uint8_t *)word, __ATOMIC_ACQUIRE);
	case 2:
		return __atomic_load_n((const uint16_t *)word, __ATOMIC_ACQUIRE);
	case 4:
		return __atomic_load_n((const uint32_t *)word, __ATOMIC_ACQUIRE);
	default:
		return __atomic_load_n((const uint64_t *)word, __ATOMIC_ACQUIRE);
	}
}

void ipk__scalar_store(const struct ipk__type *type, void *word, uint64_t bits)
{
	switch (type->n_bytes) {
	case 1:
		__atomic_store_n((uint8_t *)word, (uint8_t)bits, __ATOMIC_RELEASE);
		break;
	case 2:
		__atomic_store_n((uint16_t *)word, (uint16_t)bits, __ATOMIC_RELEASE);
		break;
	case 4:
		__atomic_store_n((uint32_t *)word, (uint32_t)bits, __ATOMIC_RELEASE);
		break;
	default:
		__atomic_store_n((uint64_t *)word, bits, __ATOMIC_RELEASE);
	}
}

uint64_t ipk__scalar_exchange(const struct ipk__type *type, void *word, uint64_t bits)
{
	switch (type->n_bytes) {
	case 1:
		return __atomic_exchange_n((uint8_t *)word, (uint8_t)bits, __ATOMIC_SEQ_CST);
	case 2:
		return __atomic_exchange_n((uint16_t *)word, (uint16_t)bits, __ATOMIC_SEQ_CST);
	case 4:
		return __atomic_exchange_n((uint32_t *)word, (uint32_t)bits, __ATOMIC_SEQ_CST);
	default:
		return __atomic_exchange_n((uint64_t *)word, bits, __ATOMIC_SEQ_CST);
	}
}

#define SWAP(type, word, expected, bits)                                                         \
	__extension__({                                                                          \
		type seen_ = (type) * (expected);                                                \
		bool is_swapped_ =                                                               \
			__atomic_compare_exchange_n((type *)(word), &seen_, (type)(bits), false, \
						    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);         \
		*(expected) = seen_;                                                             \
		is_swapped_;                                                                     \
	})

bool ipk__scalar_swap(const struct ipk__type *type, void *word, uint64_t *expected, uint64_t bits)
{
	switch (type->n_bytes) {
	case 1:
		return SWAP(uint8_t, word, expected, bits);
	case 2:
		return SWAP(uint16_t, word, expected, bits);
	case 4:
		return SWAP(uint32_t, word, expected, bits);
	default:
		return SWAP(uint64_t, word, expected, bits);
	}
}

/* --- adding ----------------------------------------------------------------------------------- */

static uint64_t add(const struct ipk__type *type, void *word, uint64_t delta)
{
	switch (type->n_bytes) {
	case 1:
		return __atomic_fetch_add((uint8_t *)word, (uint8_t)delta, __ATOMIC_SEQ_CST);
	case 2:
		return __atomic_fetch_add((uint16_t *)word, (uint16_t)delta, __ATOMIC_SEQ_CST);
	case 4:
		return __atomic_fetch_add((uint32_t *)word, (uint32_t)delta, __ATOMIC_SEQ_CST);
	default:
		return __atomic_fetch_add((uint64_t *)word, delta, __ATOMIC_SEQ_CST);
	}
}

static bool sum_of(const struct ipk__type *type, uint64_t bits, int64_t delta, uint64_t *ret_sum)
{
	unsigned n_spare = 64 - 8 * type->n_bytes;
	int64_t sum;

	if (type->kind == IPK__TYPE_UNSIGNED)
		return !__builtin_add_overflow(bits, delta, ret_sum) &&
		       *ret_sum << n_spare >> n_spare == *ret_sum;
	if (__builtin_add_overflow((int64_t)(bits << n_spare) >> n_spare, delta, &sum))
		return false;
	*ret_sum = (uint64_t)sum;
	return (int64_t)(*ret_sum << n_spare) >> n_spare == sum;
}

static int add_checked(const struct ipk__type *type, void *word, int64_t delta, uint64_t *ret_old)
{
	uint64_t old = ipk__scalar_load(type, word);
	int n_left = TRIES_MAX;
	uint64_t sum;

	do {
		if (n_left-- == 0)
			return -ENOTRECOVERABLE;
		if (!sum_of(type, old, delta, &sum))
			return -EOVERFLOW;
	} while (!ipk__scalar_swap(type, word, &old, sum));
	*ret_old = old;
	return 0;
}

int ipk__scalar_add_int(const struct ipk__type *type, void *word, int64_t delta, bool checked,
			uint64_t *ret_old)
{
	if (type->kind == IPK__TYPE_FLOAT && !checked)
		return ipk__scalar_add_double(type, word, (double)delta, ret_old);
	IPK__REQUIRE(type->kind == IPK__TYPE_SIGNED || type->kind == IPK__TYPE_UNSIGNED,
		     "typecode: this type does not support addition");
	if (checked)
		return add_checked(type, word, delta, ret_old);
	*ret_old = add(type, word, (uint64_t)delta);
	return 0;
}

static uint64_t float_sum(uint64_t bits, double delta)
{
	uint32_t word = (uint32_t)bits;
	float f;

	memcpy(&f, &word, sizeof f);
	f = (float)(f + delta);
	memcpy(&word, &f, sizeof f);
	return word;
}

static uint64_t double_sum(uint64_t bits, double delta)
{
	double d;

	memcpy(&d, &bits, sizeof d);
	d += delta;
	memcpy(&bits, &d, sizeof d);
	return bits;
}

int ipk__scalar_add_double(const struct ipk__type *type, void *word, double delta,
			   uint64_t *ret_old)
{
	uint64_t old, sum;
	int n_left = TRIES_MAX;

	IPK__REQUIRE(type->kind == IPK__TYPE_FLOAT, "typecode: f or d only");
	old = ipk__scalar_load(type, word);
	do {
		if (n_left-- == 0)
			return -ENOTRECOVERABLE;
		sum = type->n_bytes == sizeof(float) ? float_sum(old, delta)
						     : double_sum(old, delta);
	} while (!ipk__scalar_swap(type, word, &old, sum));
	*ret_old = old;
	return 0;
}
