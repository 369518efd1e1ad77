/*
 * probe.c - reads an object's state from its memory, without modifying it.
 *
 * The memory is copied with read calls, never mapped: a read takes no lock that users of the object
 * take, faults in no page, and cannot raise SIGBUS when a hostile owner truncates the file
 * meanwhile. Only the copy is examined, so every number is read once, and all are validated against
 * each other before any is used.
 *
 * The copy is taken while others write, so related numbers may be inconsistent: each kind detects
 * impossible combinations, and the probe is retried a few times; memory that only ever shows
 * impossible numbers is damaged.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "inspect/inspect_internal.h"
#include "shared/owner.h"
#include "value/shm_memory.h"

/* --- the header ------------------------------------------------------------------------------- */

/*
 * The check of a user who opens it, except for whose it is and which pid namespace's:
 * those come after the checksum in that check, so it is intact when they are the cause.
 */
static int check_header(const struct ipk__shm_header *header, uint64_t file_bytes,
			bool *ret_is_foreign)
{
	struct ipk__shm_header h = *header;
	int r = ipk__segment_check(&h, 0, file_bytes);

	if (r != -EXDEV && r != -EACCES)
		return r;
	*ret_is_foreign = h.pid_namespace != ipk__os_pid_namespace();
	h.pid_namespace = ipk__os_pid_namespace();
	h.uid = ipk__os_uid();
	h.checksum = ipk__checksum(&h, offsetof(struct ipk__shm_header, checksum));
	return ipk__segment_check(&h, 0, file_bytes);
}

/* A file without the magic number is none of ours, however short or long it is. */
static int read_header(int fd, struct ipk__shm_header *ret_header)
{
	uint64_t magic = 0;
	int r = ipk__os_pread(fd, &magic, sizeof magic, 0);

	/* Its creator has yet to write it: there is no object yet. */
	if (r == 0 && magic == 0 && ipk__os_is_sealed(fd) != 1)
		return -ENOENT;
	if (r == -ENODATA || (r == 0 && magic != IPK__SEGMENT_MAGIC))
		return -EPROTO;
	return r < 0 ? r : ipk__os_pread(fd, ret_header, sizeof *ret_header, 0);
}

/* --- all -------------------------------------------------------------------------------------- */

static ipk_inspect_kind kind_of(uint32_t segment_kind)
{
	switch (segment_kind) {
	case IPK__KIND_PIPE:
		return IPK_INSPECT_PIPE;
	case IPK__KIND_QUEUE:
		return IPK_INSPECT_QUEUE;
	case IPK__KIND_ARENA:
		return IPK_INSPECT_ARENA;
	case IPK__KIND_SHM:
		return IPK_INSPECT_SHM;
	case IPK__KIND_MANAGER:
		return IPK_INSPECT_MANAGER;
	case IPK__KIND_POOL:
		return IPK_INSPECT_POOL;
	case IPK__KIND_PROCESSES:
		return IPK_INSPECT_PROCESSES;
	default:
		return IPK_INSPECT_OTHER;
	}
}

static void note_creator(const struct ipk__shm_header *h, struct ipk__object *o)
{
	struct ipk__os_thread thread;

	o->pub.creator_pid = h->creator_pid;
	o->pub.age_ns = ipk__since_ns(h->created_boot_ns);
	/* Another process may have the number by now. */
	o->pub.creator_is_gone =
		!o->pub.is_foreign && ipk__is_dead_since(h->creator_pid, true, h->created_boot_ns);
	if (!o->pub.is_foreign && !o->pub.creator_is_gone &&
	    ipk__os_thread((pid_t)h->creator_pid, &thread) == 0)
		ipk__printable(thread.comm, true, o->pub.creator, sizeof o->pub.creator);
}

static int probe_shm(int fd, const struct ipk__shm_header *h, struct ipk__object *o)
{
	struct ipk__shm_memory shm;
	int r = h->fixed_bytes < sizeof shm ? -EBADMSG : ipk__os_pread(fd, &shm, sizeof shm, 0);

	if (r < 0)
		return r;
	if (shm.size_bytes > h->fixed_bytes - sizeof shm)
		return -EBADMSG;
	o->pub.size_bytes = shm.size_bytes;
	return 0;
}

static int probe_once(int fd, const struct ipk__shm_header *h, struct ipk__object *o)
{
	switch (h->kind) {
	case IPK__KIND_PIPE:
		return ipk__probe_pipe(fd, h, o);
	case IPK__KIND_QUEUE:
		return ipk__probe_queue(fd, h, o);
	case IPK__KIND_ARENA:
		return ipk__probe_arena(fd, h, o);
	case IPK__KIND_SHM:
		return probe_shm(fd, h, o);
	case IPK__KIND_MANAGER:
		return 0; /* its content is for ipk_manager_snapshot_take() */
	case IPK__KIND_POOL:
		return ipk__probe_pool(fd, h, o);
	case IPK__KIND_PROCESSES:
		return ipk__probe_processes(fd, h, o);
	default:
		return -EPROTONOSUPPORT;
	}
}

static int probe_steadily(int fd, const struct ipk__shm_header *h, struct ipk__object *o)
{
	int r;
	int n = 0;

	do {
		r = probe_once(fd, h, o);
	} while (r == -ENOTRECOVERABLE && ++n < IPK__PROBE_TRIES);
	return r;
}

int ipk__probe_segment(int fd, struct ipk__object *o, char *label)
{
	struct ipk__shm_header h;
	struct ipk__os_stat st = {0};
	int r = ipk__os_stat(fd, &st);

	if (r < 0)
		return r;
	o->pub.uid = st.uid;
	o->pub.memory_bytes = st.size_bytes;
	r = read_header(fd, &h);
	if (r == 0)
		r = check_header(&h, st.size_bytes, &o->pub.is_foreign);
	if (r < 0)
		return r;
	memcpy(label, h.label, IPK__MIN(sizeof h.label, IPK__LABEL_BYTES));
	o->pub.kind = kind_of(h.kind);
	if (h.kind == IPK__KIND_MANAGER || h.kind == IPK__KIND_POOL)
		o->pub.memory_bytes = st.used_bytes; /* the rest is holes */
	/* First, so that what lies in it knows it too. */
	note_creator(&h, o);
	r = probe_steadily(fd, &h, o);
	if (r < 0)
		ipk__object_forget(o);
	return r;
}

int ipk__probe_mq(int fd, struct ipk__object *o)
{
	size_t max_items = 0, message_bytes = 0, n_items = 0;
	struct ipk__os_stat st = {0};
	int r = ipk__os_mq_stat(fd, &max_items, &message_bytes, &n_items);

	if (r == 0)
		r = ipk__os_stat(fd, &st);
	if (r < 0)
		return r;
	o->pub.uid = st.uid;
	o->pub.queue_kind = IPK_QUEUE_MQ;
	o->pub.max_items = max_items;
	o->pub.max_message_bytes = message_bytes;
	o->pub.n_unfinished = IPK_INSPECT_UNKNOWN;
	o->pub.n_channels = 1;
	o->channels[0] = (ipk_inspect_channel){
		.struct_size = sizeof o->channels[0],
		.n_items = n_items,
		.message_bytes = IPK_INSPECT_UNKNOWN,
		.used_bytes = IPK_INSPECT_UNKNOWN,
		.room_bytes = IPK_INSPECT_UNKNOWN,
		.n_put = IPK_INSPECT_UNKNOWN,
		.n_got = IPK_INSPECT_UNKNOWN,
	};
	return 0;
}
