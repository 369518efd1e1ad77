/* watch.c - change notification: the backend's watch, and the field that it reported last. */
#include <errno.h>
#include <stdlib.h>

#include "base/base_internal.h"
#include "manager/manager_internal.h"
#include "os/os.h"

struct ipk_watch {
	ipk_manager *m;
	struct ipk__backend_watch *inner;
	struct ipk__response field;
};

int ipk_watch_open(ipk_manager *m, const char *name, ipk_bytes field, ipk_deadline deadline,
		   ipk_watch **ret_watch)
{
	struct ipk__slice key = ipk__slice_of_string(name ? name : "");
	ipk_watch *w;
	int r;

	if (!m)
		return -EBADF;
	IPK__REQUIRE(ret_watch, "ret_watch is NULL");
	IPK__REQUIRE(key.n_bytes > 0 && key.n_bytes <= IPK__OBJECT_NAME_MAX, IPK__WRONG_NAME);
	IPK__REQUIRE(ipk__slices_are_valid(field.data, field.len_bytes), IPK__WRONG_FIELD);
	if (!m->backend->ops->watch_open)
		return -EOPNOTSUPP;
	w = ipk__os_calloc(1, sizeof *w);
	if (!w)
		return -ENOMEM;
	w->m = m;
	ipk__response_init(&w->field);
	r = m->backend->ops->watch_open(m->backend, key, IPK__SLICE(field.data, field.len_bytes),
					deadline, &w->inner);
	if (r < 0) {
		free(w);
		return r;
	}
	*ret_watch = w;
	return 0;
}

int ipk_watch_fd(ipk_watch *w, int *ret_fd)
{
	int fd = w ? w->m->backend->ops->watch_fd(w->inner) : -1;

	IPK__REQUIRE(ret_fd, "ret_fd is NULL");
	if (fd < 0)
		return -EBADF;
	*ret_fd = fd;
	return 0;
}

int ipk_watch_next(ipk_watch *w, ipk_deadline deadline, ipk_bytes *ret_field)
{
	struct ipk__slice text = {NULL, 0};
	int r;

	if (!w)
		return -EBADF;
	IPK_TRY(w->m->backend->ops->watch_next(w->inner, deadline, &w->field));
	r = ipk__response_text(&w->field, &text);
	if (r < 0 && r != -ENOENT)
		return r;
	if (ret_field)
		*ret_field = (ipk_bytes){r == 0 ? text.bytes : NULL, text.n_bytes};
	return 0;
}

ipk_watch *ipk_watch_close(ipk_watch *w)
{
	if (w) {
		w->m->backend->ops->watch_close(w->inner);
		ipk__response_fini(&w->field);
		free(w);
	}
	return NULL;
}
