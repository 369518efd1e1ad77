/*
 * references.c - finds objects by name, and in the fds of processes.
 *
 * One object has many references: its name, and each fd of each process. Device and inode identify
 * the object, so the list is sorted by them and read in runs. By then a reference is only a hint:
 * the code that opens it checks that it is still the same file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "inspect/inspect_internal.h"

#define ROOM_START 64

static bool begins(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool may_be_object(uint32_t place, const char *name)
{
	switch (place) {
	case IPK__OS_IN_MEMORY:
		return begins(name, "ipk:pipe:") || begins(name, "ipk:queue:") ||
		       begins(name, "ipk:arena:") || begins(name, "ipk:shm:") ||
		       begins(name, "ipk:manager:") || begins(name, "ipk:pool:") ||
		       begins(name, "ipk:processes:");
	case IPK__OS_IN_SHM:
		/* Its maker's fd still has the number under which it was made nameless. */
		return begins(name, "ipk.") || name[0] == '#';
	default:
		return true;
	}
}

static int grow(struct ipk__references *all)
{
	size_t room = all->room ? 2 * all->room : ROOM_START;
	struct ipk__os_reference *items = ipk__os_calloc(room, sizeof *items);

	if (!items)
		return -ENOMEM;
	if (all->n > 0)
		memcpy(items, all->items, all->n * sizeof *items);
	free(all->items);
	all->items = items;
	all->room = room;
	return 0;
}

static int add(void *arg, const struct ipk__os_reference *s)
{
	struct ipk__references *all = arg;
	size_t name_bytes = strlen(s->name) + 1;
	char *name;
	int r = all->n == all->room ? grow(all) : 0;

	if (r < 0)
		return r;
	name = ipk__os_malloc(name_bytes);
	if (!name)
		return -ENOMEM;
	memcpy(name, s->name, name_bytes);
	all->items[all->n] = *s;
	all->items[all->n++].name = name;
	return 0;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare(const void *left, const void *right)
{
	const struct ipk__os_reference *a = left;
	const struct ipk__os_reference *b = right;
	int r = compare_numbers(a->device, b->device);

	if (r == 0)
		r = compare_numbers(a->inode, b->inode);
	if (r == 0)
		r = compare_numbers((uint64_t)a->pid, (uint64_t)b->pid);
	return r != 0 ? r : compare_numbers((uint64_t)a->fd, (uint64_t)b->fd);
}

bool ipk__references_same(const struct ipk__os_reference *a, const struct ipk__os_reference *b)
{
	return a->device == b->device && a->inode == b->inode;
}

int ipk__references_collect(struct ipk__references *ret_all)
{
	struct ipk__references all = {0};
	struct ipk__os_walk walk = {.wants = may_be_object, .each = add, .arg = &all};
	int r = ipk__os_walk_names(&walk);

	if (r == 0)
		r = ipk__os_walk_open_files(&walk, &all.n_hidden);
	if (r < 0) {
		ipk__references_free(&all);
		return r;
	}
	if (all.n > 0)
		qsort(all.items, all.n, sizeof *all.items, compare);
	*ret_all = all;
	return 0;
}

void ipk__references_free(struct ipk__references *all)
{
	for (size_t i = 0; i < all->n; i++)
		free((char *)all->items[i].name);
	free(all->items);
	*all = (struct ipk__references){0};
}
