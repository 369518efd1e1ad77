/* handle.c - creating, opening, passing and closing objects in an arena, common to all classes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lock/lock_internal.h"
#include "os/os.h"
#include "pipe/pipe_internal.h"
#include "shared/segment.h"

/* A handle that takes @ref over. */
static int new_handle(const struct ipk__object_class *class, struct ipk__ref *ref,
		      void **ret_handle)
{
	struct ipk__ref *handle = ipk__os_calloc(1, class->handle_bytes);

	if (!handle) {
		ipk__object_close(ref);
		return -ENOMEM;
	}
	*handle = *ref;
	*ret_handle = handle;
	return 0;
}

static bool is_like(const struct ipk__object_class *class, const struct ipk__ref *handle,
		    const struct ipk__object_spec *spec)
{
	if (*(volatile uint32_t *)&handle->object->flags != spec->flags)
		return false;
	return !class->is_like || class->is_like(handle, spec->opts);
}

#define UNLIKE "options: the existing object has others"

/*
 * The handle is ready: it goes out through @ret_handle, which is a pointer to one of its type.
 * @spec: NULL, or what the object has to be like.
 */
static int bind(const struct ipk__object_class *class, void *handle,
		const struct ipk__object_spec *spec, void *ret_handle)
{
	int r = class->bind(handle);

	if (r == 0 && spec && !is_like(class, handle, spec))
		r = ipk__detail(-EPROTOTYPE, UNLIKE);
	if (r < 0)
		ipk__handle_close(handle);
	else
		memcpy(ret_handle, &handle, sizeof handle);
	return r;
}

static int create(const struct ipk__object_class *class, const struct ipk__object_spec *spec,
		  void *ret_handle)
{
	struct ipk__object_plan plan = {
		.kind = class->kind,
		.flags = spec->flags,
		.n_bytes = IPK__MAX(spec->n_bytes, class->n_bytes),
		.name = spec->name,
		.label = spec->label,
	};
	struct ipk__ref ref;
	void *handle;
	int r = ipk__object_create(&plan, &ref);

	if (r < 0)
		return r;
	r = new_handle(class, &ref, &handle);
	if (r < 0)
		return r;
	r = class->init ? class->init(ref.object, spec->opts) : 0;
	if (r == 0)
		r = ipk__object_publish(&plan, &ref);
	if (r == 0)
		return bind(class, handle, NULL, ret_handle);
	ipk__handle_close(handle);
	return r;
}

static int open_named(const struct ipk__object_class *class, const char *name,
		      const struct ipk__object_spec *spec, void *ret_handle)
{
	struct ipk__ref ref;
	void *handle;
	int r = ipk__object_open(name, class->kind, class->n_bytes, &ref);

	if (r < 0)
		return r;
	r = new_handle(class, &ref, &handle);
	return r < 0 ? r : bind(class, handle, spec, ret_handle);
}

int ipk__handle_create(const struct ipk__object_class *class, const struct ipk__object_spec *spec,
		       void *ret_handle)
{
	int n_tries = 0;
	int r;

	IPK__REQUIRE(ret_handle, IPK__NO_OUTPUT);
	IPK__REQUIRE(spec->name || !spec->open_existing, ".open_existing: only with .name");
	do {
		r = create(class, spec, ret_handle);
		if (r != -EEXIST || !spec->open_existing)
			return r;
		r = open_named(class, spec->name, spec, ret_handle);
	} while (ipk__name_retry(&r, &n_tries));
	return r;
}

int ipk__handle_open(const struct ipk__object_class *class, const char *name, ipk_deadline deadline,
		     void *ret_handle)
{
	int64_t nap_ns = 0;
	int r;

	IPK__REQUIRE(ret_handle, IPK__NO_OUTPUT);
	do {
		r = open_named(class, name, NULL, ret_handle);
	} while (r == -ENOENT && ipk__name_nap(deadline, &nap_ns));
	return r;
}

void ipk__handle_close(void *handle)
{
	if (!handle)
		return;
	ipk__object_close(handle);
	free(handle);
}

void ipk__handle_abandon(void *handle)
{
	free(handle);
}

int ipk__handle_send(void *handle, ipk_pipe *via, ipk_deadline deadline)
{
	uint64_t offset;
	int fd;
	int r = handle ? ipk__object_pass(handle, &fd, &offset) : -EBADF;

	return r < 0 ? r : ipk__pipe_pass_object(via, fd, offset, deadline);
}

int ipk__handle_recv(const struct ipk__object_class *class, ipk_pipe *via, ipk_deadline deadline,
		     void *ret_handle)
{
	struct ipk__ref ref;
	uint64_t offset;
	void *handle = NULL;
	int fd, r;

	IPK__REQUIRE(ret_handle, IPK__NO_OUTPUT);
	r = ipk__pipe_take_object(via, deadline, &fd, &offset);
	if (r == 0)
		r = ipk__object_attach(fd, offset, class->kind, class->n_bytes, &ref);
	if (r == 0)
		r = new_handle(class, &ref, &handle);
	return r < 0 ? r : bind(class, handle, NULL, ret_handle);
}
