/* stash.c - memory of a handle in which a message is put together; it is kept for the next. */
#include <errno.h>
#include <stdlib.h>

#include "os/os.h"
#include "pipe/pipe_internal.h"

int ipk__stash_room(struct ipk__stash *stash, size_t n_bytes)
{
	char *bytes;

	if (stash->bytes && stash->room_bytes >= n_bytes)
		return 0;
	bytes = ipk__os_malloc(n_bytes);
	if (!bytes)
		return -ENOMEM;
	free(stash->bytes);
	stash->bytes = bytes;
	stash->room_bytes = n_bytes;
	return 0;
}

void ipk__stash_begin(struct ipk__stash *stash, size_t total_bytes)
{
	stash->is_used = true;
	stash->total_bytes = total_bytes;
	stash->got_bytes = 0;
}

void ipk__stash_end(struct ipk__stash *stash)
{
	stash->is_used = false;
}

void ipk__stash_close(struct ipk__stash *stash)
{
	free(stash->bytes);
	*stash = (struct ipk__stash){0};
}
