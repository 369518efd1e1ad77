/*
 * named.c - see named.h. Chains in an array of buckets that doubles when there are as many nodes as
 * buckets; SipHash with a random key, so chosen names do not make a chain long.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "os/os.h"
#include "command/named.h"

#define FIRST_BUCKETS 64

static uint64_t hash_of(const struct ipk__names *names, struct ipk__slice name)
{
	unsigned char out[crypto_shorthash_BYTES];
	uint64_t hash;

	_Static_assert(crypto_shorthash_KEYBYTES == sizeof(names->key), "SipHash");
	crypto_shorthash(out, (const unsigned char *)name.bytes, name.n_bytes, names->key);
	memcpy(&hash, out, sizeof(hash));
	return hash;
}

struct ipk__named *ipk__names_find(const struct ipk__names *names, struct ipk__slice name)
{
	struct ipk__named *node;
	uint64_t hash;

	if (names->n == 0)
		return NULL;
	hash = hash_of(names, name);
	node = names->buckets[hash & (names->n_buckets - 1)];
	while (node && (node->hash != hash || !ipk__slice_equal(node->name, name)))
		node = node->next;
	return node;
}

static int grow(struct ipk__names *names)
{
	uint64_t n_buckets = names->buckets ? names->n_buckets * 2 : FIRST_BUCKETS;
	struct ipk__named **buckets = ipk__os_calloc(n_buckets, sizeof(void *));

	if (!buckets)
		return -ENOMEM;
	if (!names->buckets && ipk__os_random(names->key, sizeof(names->key)) < 0)
		memcpy(names->key, &buckets, sizeof(buckets));
	for (uint64_t i = 0; i < names->n_buckets; i++) {
		while (names->buckets[i]) {
			struct ipk__named *node = names->buckets[i];

			names->buckets[i] = node->next;
			node->next = buckets[node->hash & (n_buckets - 1)];
			buckets[node->hash & (n_buckets - 1)] = node;
		}
	}
	free(names->buckets);
	names->buckets = buckets;
	names->n_buckets = n_buckets;
	return 0;
}

int ipk__names_add(struct ipk__names *names, struct ipk__named *node)
{
	struct ipk__named **bucket;

	/* Longer chains are no reason to fail. */
	if (names->n >= names->n_buckets && grow(names) < 0 && !names->buckets)
		return -ENOMEM;
	node->hash = hash_of(names, node->name);
	bucket = &names->buckets[node->hash & (names->n_buckets - 1)];
	node->next = *bucket;
	*bucket = node;
	names->n++;
	return 0;
}

void ipk__names_remove(struct ipk__names *names, struct ipk__named *node)
{
	struct ipk__named **at = &names->buckets[node->hash & (names->n_buckets - 1)];

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	names->n--;
}

void ipk__names_free(struct ipk__names *names)
{
	free(names->buckets);
	*names = (struct ipk__names){0};
}
