/*
 * commands.c - all commands, and finding one by its name.
 *
 * A table with open addressing, built once; names are hashed and compared with the case of
 * letters put away. It is at most a quarter full, so nearly every find is one look.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "server/server_core.h"

#define SLOTS 2048

static const struct ipk__command *const tables[] = {
	ipk__commands_admin,  ipk__commands_key,   ipk__commands_string,  ipk__commands_hash,
	ipk__commands_list,   ipk__commands_multi, ipk__commands_more,    ipk__commands_thing,
	ipk__commands_notify, ipk__commands_log,   ipk__commands_session,
};

static const struct ipk__command *all[IPK__COMMANDS_MAX];
static size_t n_all;
static uint16_t slots[SLOTS]; /* index into all, plus 1 */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic bool is_built; /* a call less for each request */

static size_t slot_of(struct ipk__slice name)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < name.n_bytes; i++)
		h = (h ^ ((unsigned char)name.bytes[i] | 0x20u)) * 16777619u;
	return (h ^ h >> 15) % SLOTS;
}

static void add(const struct ipk__command *command)
{
	size_t at = slot_of(ipk__slice_of_string(command->name));

	if (n_all == IPK__COMMANDS_MAX)
		return;
	all[n_all++] = command;
	while (slots[at] != 0)
		at = (at + 1) % SLOTS;
	slots[at] = (uint16_t)n_all;
}

static void build(void)
{
	for (size_t i = 0; i < IPK__N_OF(tables); i++) {
		for (const struct ipk__command *c = tables[i]; c->name; c++)
			add(c);
	}
	atomic_store_explicit(&is_built, true, memory_order_release);
}

static inline void be_built(void)
{
	/* Pairs with the release store at the end of build(). */
	if (!atomic_load_explicit(&is_built, memory_order_acquire))
		pthread_once(&once, build);
}

int ipk__command_index(struct ipk__slice name)
{
	be_built();
	for (size_t at = slot_of(name); slots[at] != 0; at = (at + 1) % SLOTS) {
		if (ipk__slice_is_word(name, all[slots[at] - 1]->name))
			return slots[at] - 1;
	}
	return -1;
}

const struct ipk__command *ipk__command_find(struct ipk__slice name)
{
	int i = ipk__command_index(name);

	return i < 0 ? NULL : all[i];
}

size_t ipk__commands_len(void)
{
	be_built();
	return n_all;
}

const struct ipk__command *ipk__command_at(size_t i)
{
	return i < ipk__commands_len() ? all[i] : NULL;
}
