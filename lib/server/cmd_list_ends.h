/* cmd_list_ends.h - what commands that pop and those that wait to pop have in common. */
#ifndef IPK_SERVER_CMD_LIST_ENDS_H
#define IPK_SERVER_CMD_LIST_ENDS_H

#include "server/cmd_common.h"

/* LEFT or RIGHT. False: the reply says what is wrong. */
bool ipk__arg_end(struct ipk__request *q, size_t i, bool *ret_front);

/* Reply the first or last @n of @list under @name, which has so many, and take them out. */
void ipk__reply_popped(struct ipk__request *q, struct ipk__slice name, struct ipk__list *list,
		       bool front, uint64_t n);

/*
 * From @list, which lies under argv[1] and has items, to argv[2]: a list or nothing yet. False:
 * the reply says why not.
 */
bool ipk__move_item(struct ipk__request *q, struct ipk__list *list, bool from_front, bool to_front);

/* Take up to @count from the first of some lists that has any. */
struct ipk__mpop {
	size_t keys_i, n_keys; /* arguments */
	int64_t count;
	bool front;
	bool is_single; /* the reply has the item itself, not an array */
};

enum ipk__mpop_outcome {
	IPK__MPOP_DONE,
	IPK__MPOP_REFUSED, /* the reply says why */
	IPK__MPOP_NOTHING, /* and no reply yet */
};

/* "numkeys key ... LEFT|RIGHT [COUNT n]", from the argument @i on. */
bool ipk__parse_mpop(struct ipk__request *q, size_t i, struct ipk__mpop *ret_what);
/*
 * One that has waited takes from the list that was signalled, for it is its turn there; at
 * the others those come first that wait there for longer.
 */
enum ipk__mpop_outcome ipk__mpop(struct ipk__request *q, const struct ipk__mpop *what);

#endif
