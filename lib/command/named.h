/*
 * named.h - a hash map from arbitrary names to data kept beside the store: watches, managed
 * objects. Keyed hash; grows; nodes are owned by their users.
 */
#ifndef IPK_COMMAND_NAMED_H
#define IPK_COMMAND_NAMED_H

#include <stdint.h>

#include "base/slice.h"

struct ipk__named {
	struct ipk__named *next;
	uint64_t hash;
	struct ipk__slice name; /* must stay in place while the node is in the map */
};

struct ipk__names {
	struct ipk__named **buckets; /* NULL: nothing added yet */
	uint64_t n_buckets;
	uint64_t n;
	unsigned char key[16];
};

struct ipk__named *ipk__names_find(const struct ipk__names *names, struct ipk__slice name);
/* The name must not exist yet. -ENOMEM. */
int ipk__names_add(struct ipk__names *names, struct ipk__named *node);
void ipk__names_remove(struct ipk__names *names, struct ipk__named *node); /* must be in it */
void ipk__names_free(struct ipk__names *names);                            /* not the nodes */

/* Lists: a node is in one list at most; a zeroed head must be initialized first. */
struct ipk__link {
	struct ipk__link *next, *prev;
	void *self; /* the struct it is part of; NULL: a head */
};

static inline void ipk__links_init(struct ipk__link *head)
{
	*head = (struct ipk__link){head, head, NULL};
}

static inline void ipk__link_last(struct ipk__link *head, struct ipk__link *link, void *self)
{
	*link = (struct ipk__link){head, head->prev, self};
	head->prev->next = link;
	head->prev = link;
}

static inline void ipk__link_remove(struct ipk__link *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->next = link->prev = link;
}

static inline bool ipk__links_empty(const struct ipk__link *head)
{
	return head->next == head;
}

/* The struct of the first node; NULL: empty. */
static inline void *ipk__links_first(const struct ipk__link *head)
{
	return head->next->self;
}

#endif
