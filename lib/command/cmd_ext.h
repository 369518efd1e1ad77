/*
 * cmd_ext.h - methods of Python's lists and dicts that Redis does not have: the functions behind
 * the table in cmd_ext.c.
 */
#ifndef IPK_COMMAND_CMD_EXT_H
#define IPK_COMMAND_CMD_EXT_H

#include "command/command.h"

/* cmd_ext_list.c */
void ipk__ext_linsert(struct ipk__request *q);
void ipk__ext_lpopat(struct ipk__request *q);
void ipk__ext_lindexof(struct ipk__request *q);
void ipk__ext_lcount(struct ipk__request *q);
void ipk__ext_lreverse(struct ipk__request *q);
void ipk__ext_lrepeat(struct ipk__request *q);
void ipk__ext_lincrby(struct ipk__request *q);
void ipk__ext_lmake(struct ipk__request *q);
/* cmd_ext_slice.c */
void ipk__ext_lslice(struct ipk__request *q);
void ipk__ext_lsetslice(struct ipk__request *q);
void ipk__ext_ldelslice(struct ipk__request *q);
/* cmd_ext_sort.c */
void ipk__ext_lsort(struct ipk__request *q);
/* cmd_ext_dict.c */
void ipk__ext_hsetdefault(struct ipk__request *q);
void ipk__ext_hpop(struct ipk__request *q);
void ipk__ext_hpopitem(struct ipk__request *q);
void ipk__ext_hcas(struct ipk__request *q);
void ipk__ext_hscan(struct ipk__request *q);
void ipk__ext_hupdate(struct ipk__request *q);

/* --- lists in the form used by these commands (cmd_ext_items.c) ------------------------------- */

/* The list argv[1]; *ret_list NULL and *ret_len 0 when there is none. False: of another type. */
bool ipk__ext_list(struct ipk__request *q, struct ipk__store_list **ret_list, uint64_t *ret_len);

/* Copies of items outside the store, so that it may change meanwhile. */
struct ipk__items {
	struct ipk__slice *at;
	uint64_t n;
	char *bytes;
};
int ipk__items_copy(struct ipk__request *q, struct ipk__store_list *l, uint64_t index, uint64_t n,
		    struct ipk__items *ret_items);
void ipk__items_free(struct ipk__items *items);
/* Replaces the items of list argv[1]; its time to live stays. -ENOSPC: unchanged. */
int ipk__items_replace(struct ipk__request *q, const struct ipk__slice *items, uint64_t n);
/* Inserts @n items before @index of @l. -ENOSPC: unchanged. */
int ipk__items_insert(struct ipk__request *q, struct ipk__store_list *l, uint64_t index,
		      const struct ipk__slice *items, uint64_t n);

/*
 * The effects on list argv[1] as Redis commands, for the log. Items in the middle are identified by
 * a marker put in their place temporarily. Called when the store has been changed.
 */
void ipk__effect_whole(struct ipk__request *q); /* in its current state */
void ipk__effect_push(struct ipk__request *q, bool front, const struct ipk__slice *items,
		      uint64_t n);
/* @pivot was at @index and is after the new ones. */
void ipk__effect_insert(struct ipk__request *q, uint64_t index, struct ipk__slice pivot,
			const struct ipk__slice *items, uint64_t n);
/* Every step-th, n of them from start on; step > 0. */
void ipk__effect_remove(struct ipk__request *q, uint64_t start, uint64_t step, uint64_t n,
			uint64_t len_before);
void ipk__effect_set(struct ipk__request *q, uint64_t index, struct ipk__slice item);

#endif
