/* place.c - making, opening, passing and closing objects that lie in an arena. */
#include <errno.h>
#include <stdlib.h>

#include "lock/lock_internal.h"
#include "os/os.h"
#include "pipe/pipe_internal.h"

/* A handle that takes @ref over. */
static int new_handle(struct ipk__ref *ref, size_t handle_bytes, void **ret_handle)
{
	struct ipk__ref *handle = ipk__os_calloc(1, handle_bytes);

	if (!handle) {
		ipk__object_close(ref);
		return -ENOMEM;
	}
	*handle = *ref;
	*ret_handle = handle;
	return 0;
}

int ipk__place_create(const struct ipk__place *place, size_t handle_bytes, void **ret_handle)
{
	struct ipk__object_plan plan = {
		.kind = place->kind,
		.flags = place->flags,
		.n_bytes = place->n_bytes,
		.name = place->name,
		.label = place->label,
	};
	struct ipk__ref ref;
	void *handle;
	int r = ipk__object_create(&plan, &ref);

	if (r < 0)
		return r;
	r = new_handle(&ref, handle_bytes, &handle);
	if (r < 0)
		return r;
	r = place->init(ref.object, place->opts);
	if (r == 0)
		r = ipk__object_publish(&plan, &ref);
	if (r < 0)
		ipk__place_close(handle);
	else
		*ret_handle = handle;
	return r;
}

int ipk__place_open(const char *name, uint32_t kind, size_t n_bytes, size_t handle_bytes,
		    void **ret_handle)
{
	struct ipk__ref ref;
	int r = ipk__object_open(name, kind, n_bytes, &ref);

	return r < 0 ? r : new_handle(&ref, handle_bytes, ret_handle);
}

void ipk__place_close(void *handle)
{
	if (!handle)
		return;
	ipk__object_close(handle);
	free(handle);
}

void ipk__place_leave(void *handle)
{
	free(handle);
}

int ipk__place_send(void *handle, ipk_pipe *via, ipk_deadline deadline)
{
	uint64_t offset;
	int fd;
	int r = handle ? ipk__object_pass(handle, &fd, &offset) : -EBADF;

	return r < 0 ? r : ipk__pipe_pass_object(via, fd, offset, deadline);
}

int ipk__place_recv(ipk_pipe *via, ipk_deadline deadline, uint32_t kind, size_t n_bytes,
		    size_t handle_bytes, void **ret_handle)
{
	struct ipk__ref ref;
	uint64_t offset;
	int fd;
	int r = ipk__pipe_take_object(via, deadline, &fd, &offset);

	if (r == 0)
		r = ipk__object_attach(fd, offset, kind, n_bytes, &ref);
	return r < 0 ? r : new_handle(&ref, handle_bytes, ret_handle);
}
