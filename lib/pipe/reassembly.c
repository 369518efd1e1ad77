/* reassembly.c - a handle's buffer in which a message is reassembled; it is kept for the next. */
#include <errno.h>
#include <stdlib.h>

#include "os/os.h"
#include "pipe/pipe_internal.h"

int ipk__reassembly_reserve(struct ipk__reassembly *reassembly, size_t n_bytes)
{
	char *bytes;

	if (reassembly->bytes && reassembly->room_bytes >= n_bytes)
		return 0;
	bytes = ipk__os_malloc(n_bytes);
	if (!bytes)
		return -ENOMEM;
	free(reassembly->bytes);
	reassembly->bytes = bytes;
	reassembly->room_bytes = n_bytes;
	return 0;
}

void ipk__reassembly_begin(struct ipk__reassembly *reassembly, size_t total_bytes)
{
	reassembly->is_used = true;
	reassembly->total_bytes = total_bytes;
	reassembly->got_bytes = 0;
}

void ipk__reassembly_end(struct ipk__reassembly *reassembly)
{
	reassembly->is_used = false;
}

void ipk__reassembly_close(struct ipk__reassembly *reassembly)
{
	free(reassembly->bytes);
	*reassembly = (struct ipk__reassembly){0};
}
