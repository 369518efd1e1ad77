/*
 * worker_array.c - see worker_array.h.
 *
 * The creator sends an array's file before it publishes the map, so the message is in the socket
 * when a worker finds that it lacks the file. A file stays mapped until its slot is reused: a
 * worker that reads a map's entry receives only the messages it still needs.
 */
#include <errno.h>
#include <sys/uio.h>

#include "pool/worker.h"
#include "pool/worker_array.h"

#define WAIT_MS 20
#define NAP_NS 20000000

/* Of this process, which is one worker. */
static struct file {
	uint64_t key;
	void *base; /* NULL: there was no room for it yet */
	size_t mapped_bytes;
	int fd; /* while that is so */
} files[IPK__ARRAY_SLOTS];

static void forget(struct file *file)
{
	if (file->base)
		ipk__os_unmap(file->base, file->mapped_bytes);
	else if (file->key != 0)
		ipk__os_close(file->fd);
	*file = (struct file){0};
}

static bool has_mapped(struct file *file)
{
	void *base;

	if (!file->base && ipk__os_map(file->fd, file->mapped_bytes, true, &base) == 0) {
		ipk__os_close(file->fd);
		file->base = base;
	}
	return file->base != NULL;
}

static void take(const struct ipk__array_message *message, int fd)
{
	struct file *file = &files[message->key % IPK__ARRAY_SLOTS];

	forget(file);
	*file = (struct file){.key = message->key, .mapped_bytes = message->mapped_bytes, .fd = fd};
}

/* 0 one more message was seen to, or there was none in time; -EPIPE. */
static int take_next(int control_fd)
{
	struct ipk__array_message message = {0};
	const struct iovec part = {&message, sizeof message};
	int fds[IPK__OS_FDS_MAX];
	size_t n_bytes = 0, n_fds = 0;
	int r = ipk__os_poll1(control_fd, IPK__OS_IN, ipk_in_ms(WAIT_MS), NULL);

	if (r == 0)
		r = ipk__os_recv(control_fd, &part, 1, false, &n_bytes, fds, &n_fds);
	if (r < 0)
		return r;
	if (n_bytes == sizeof message && n_fds == 1) {
		take(&message, fds[0]);
		return 0;
	}
	for (size_t i = 0; i < n_fds; i++)
		ipk__os_close(fds[i]);
	return 0;
}

static bool find(struct ipk__worker *w, uint64_t key, uint64_t offset, char **ret_data)
{
	struct file *file = &files[key % IPK__ARRAY_SLOTS];

	while (file->key != key)
		if (take_next(w->control_fd) < 0)
			return false;
	if (!has_mapped(file)) {
		ipk__os_nap(NAP_NS);
		return false;
	}
	*ret_data = (char *)file->base + offset;
	return true;
}

bool ipk__worker_views(struct ipk__worker *w, const struct ipk__shm_map *map,
		       struct ipk__array_view ret_views[2])
{
	for (int i = 0; i < 2; i++) {
		ret_views[i].data = NULL;
		if (w->is_thread)
			ret_views[i].data = (char *)(uintptr_t)map->array_offsets[i];
		else if (map->arrays[i] != 0 &&
			 !find(w, map->arrays[i], map->array_offsets[i], &ret_views[i].data))
			return false;
	}
	return true;
}
