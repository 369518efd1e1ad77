/*
 * cmd_more.h - what Python's lists and dicts do and Redis's do not: the functions behind the
 * table in cmd_more.c.
 */
#ifndef IPK_SERVER_CMD_MORE_H
#define IPK_SERVER_CMD_MORE_H

#include "server/server.h"

/* cmd_more_list.c */
void ipk__more_linsert(struct ipk__request *q);
void ipk__more_lpopat(struct ipk__request *q);
void ipk__more_lindexof(struct ipk__request *q);
void ipk__more_lcount(struct ipk__request *q);
void ipk__more_lreverse(struct ipk__request *q);
void ipk__more_lrepeat(struct ipk__request *q);
void ipk__more_lincrby(struct ipk__request *q);
void ipk__more_lmake(struct ipk__request *q);
/* cmd_more_slice.c */
void ipk__more_lslice(struct ipk__request *q);
void ipk__more_lsetslice(struct ipk__request *q);
void ipk__more_ldelslice(struct ipk__request *q);
/* cmd_more_sort.c */
void ipk__more_lsort(struct ipk__request *q);
/* cmd_more_dict.c */
void ipk__more_hsetdefault(struct ipk__request *q);
void ipk__more_hpop(struct ipk__request *q);
void ipk__more_hpopitem(struct ipk__request *q);
void ipk__more_hcas(struct ipk__request *q);
void ipk__more_hscan(struct ipk__request *q);
void ipk__more_hupdate(struct ipk__request *q);

/* --- lists as these commands work on them (more_items.c) ------------------------------------- */

/* The list argv[1]; *ret_list NULL and *ret_len 0 when there is none. False: of another type. */
bool ipk__more_list(struct ipk__request *q, struct ipk__list **ret_list, uint64_t *ret_len);

/* Items outside the store, so that it may change meanwhile. */
struct ipk__items {
	struct ipk__slice *at;
	uint64_t n;
	char *bytes;
};
int ipk__items_copy(struct ipk__request *q, struct ipk__list *l, uint64_t index, uint64_t n,
		    struct ipk__items *ret_items);
void ipk__items_free(struct ipk__items *items);
/* The list argv[1] has these items from now on; its time to live stays. -ENOSPC: as before. */
int ipk__items_replace(struct ipk__request *q, const struct ipk__slice *items, uint64_t n);
/* @n items before @index of @l. -ENOSPC: as before. */
int ipk__items_insert(struct ipk__request *q, struct ipk__list *l, uint64_t index,
		      const struct ipk__slice *items, uint64_t n);

/*
 * What was done to the list argv[1], in words that Redis knows. Items in the middle are named
 * by a marker that is put in their place for a moment. Called when the store is changed.
 */
void ipk__effect_whole(struct ipk__request *q); /* as it is now */
void ipk__effect_push(struct ipk__request *q, bool front, const struct ipk__slice *items,
		      uint64_t n);
/* @pivot was at @index and is behind the new ones. */
void ipk__effect_insert(struct ipk__request *q, uint64_t index, struct ipk__slice pivot,
			const struct ipk__slice *items, uint64_t n);
/* Every step-th, n of them from start on; step > 0. */
void ipk__effect_remove(struct ipk__request *q, uint64_t start, uint64_t step, uint64_t n,
			uint64_t len_before);
void ipk__effect_set(struct ipk__request *q, uint64_t index, struct ipk__slice item);

#endif
