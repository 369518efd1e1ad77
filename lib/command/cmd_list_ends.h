/* cmd_list_ends.h - shared by commands that pop and those that block until they can. */
#ifndef IPK_COMMAND_CMD_LIST_ENDS_H
#define IPK_COMMAND_CMD_LIST_ENDS_H

#include "command/cmd_common.h"

/* LEFT or RIGHT. False: the reply is an error. */
bool ipk__arg_end(struct ipk__request *q, size_t i, bool *ret_front);

/* Replies and removes the first or last @n of @list under @name, which has that many. */
void ipk__reply_popped(struct ipk__request *q, struct ipk__slice name, struct ipk__store_list *list,
		       bool front, uint64_t n);

/*
 * From @list, the nonempty list argv[1], to argv[2]: a list or nothing yet. False: the reply is an
 * error.
 */
bool ipk__move_item(struct ipk__request *q, struct ipk__store_list *list, bool from_front,
		    bool to_front);

/* Takes up to @count from the first nonempty one of some lists. */
struct ipk__mpop {
	size_t keys_i, n_keys; /* arguments */
	int64_t count;
	bool front;
	bool is_single; /* the reply has the item itself, not an array */
};

enum ipk__mpop_outcome {
	IPK__MPOP_DONE,
	IPK__MPOP_REFUSED, /* the reply is an error */
	IPK__MPOP_NOTHING, /* no reply yet */
};

/* "numkeys key ... LEFT|RIGHT [COUNT n]", from the argument @i on. */
bool ipk__parse_mpop(struct ipk__request *q, size_t i, struct ipk__mpop *ret_what);
/*
 * A request that was blocked takes from the signalled list, where it is first in the queue; at the
 * other lists, others that wait longer come first.
 */
enum ipk__mpop_outcome ipk__mpop(struct ipk__request *q, const struct ipk__mpop *what);

#endif
