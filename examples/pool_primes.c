/*
 * pool_primes.c - which of six large numbers are prime? One map over all cores.
 *
 * The pool lives in a scope: IPK_AUTO(pool) closes it at the end of the scope.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <ipk.h>

enum { N_NUMBERS = 6 };

static int is_prime(const void *item, void *ret_result)
{
	const int64_t n = *(const int64_t *)item;
	bool *ret_is_prime = ret_result;

	if (n < 1)
		return -EDOM; /* fails this item, and ipk_pool_map() says so */
	*ret_is_prime = n == 2 || (n > 2 && n % 2 != 0);
	for (int64_t d = 3; *ret_is_prime && d * d <= n; d += 2)
		*ret_is_prime = n % d != 0;
	return 0;
}

int main(void)
{
	static const int64_t numbers[N_NUMBERS] = {112272535095293, 112582705942171,
						   112272535095293, 115280095190773,
						   115797848077099, 1099726899285419};
	static const bool known[N_NUMBERS] = {true, true, true, true, true, false};
	bool found[N_NUMBERS];
	IPK_AUTO(pool, pool);

	IPK_CHECK(ipk_pool_create(NULL, &pool));
	IPK_CHECK(ipk_pool_map(pool, is_prime, numbers, found, N_NUMBERS, ipk_forever()));
	for (int i = 0; i < N_NUMBERS; i++)
		printf("%" PRId64 " is prime: %s\n", numbers[i], found[i] ? "yes" : "no");
	return memcmp(found, known, sizeof known) == 0 ? 0 : -EBADMSG;
}
