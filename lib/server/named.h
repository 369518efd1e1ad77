/*
 * named.h - a map from names, which anybody may choose, to what is kept beside the store for
 * them: watches, managed objects. Keyed hash; grows; nodes belong to who adds them.
 */
#ifndef IPK_SERVER_NAMED_H
#define IPK_SERVER_NAMED_H

#include <stdint.h>

#include "base/slice.h"

struct ipk__named {
	struct ipk__named *next;
	uint64_t hash;
	struct ipk__slice name; /* stays where it is while the node is in the map */
};

struct ipk__names {
	struct ipk__named **buckets; /* NULL: nothing was ever added */
	uint64_t n_buckets;
	uint64_t n;
	unsigned char key[16];
};

struct ipk__named *ipk__names_find(const struct ipk__names *names, struct ipk__slice name);
/* The name must not be there yet. -ENOMEM. */
int ipk__names_add(struct ipk__names *names, struct ipk__named *node);
void ipk__names_remove(struct ipk__names *names, struct ipk__named *node); /* is there */
void ipk__names_free(struct ipk__names *names);                            /* not the nodes */

/* Lists: a node is in one list at most; a head that is zeroed is not one yet. */
struct ipk__link {
	struct ipk__link *next, *prev;
	void *self; /* what it is part of; NULL: a head */
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

/* What the first is part of; NULL: empty. */
static inline void *ipk__links_first(const struct ipk__link *head)
{
	return head->next->self;
}

#endif
