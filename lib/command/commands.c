/*
 * commands.c - all commands, and lookup by name.
 *
 * An open-addressing hash table, filled once; names are hashed and compared case-insensitively. It
 * is at most a quarter full, so nearly every lookup is one probe.
 */
#include "base/base_internal.h"
#include "command/command.h"

#define SLOTS 2048

static const struct ipk__command *all[IPK__COMMANDS_MAX];
static size_t n_all;
static uint16_t slots[SLOTS]; /* index into all, plus 1 */

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

void ipk__commands_add(const struct ipk__command *table)
{
	for (; table->name; table++)
		add(table);
}

int ipk__command_index(struct ipk__slice name)
{
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
	return n_all;
}

const struct ipk__command *ipk__command_at(size_t i)
{
	return i < ipk__commands_len() ? all[i] : NULL;
}
