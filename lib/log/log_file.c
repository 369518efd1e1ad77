/*
 * log_file.c - a file to which records are appended: collected in memory, written at once.
 *
 * Invariant: the file holds whole records, n_bytes of them, the last of which ended with the CRC
 * that the first one in out began from. When the disk is full in the middle of a record, the file
 * is truncated to whole records; out keeps all, to be written again.
 *
 * Disk space is reserved ahead in steps (fallocate beyond the end), before a request is executed:
 * so a full disk is an error of the next request, not of one already executed.
 */
#include <errno.h>

#include "base/base_internal.h"
#include "base/crc32c.h"
#include "os/os.h"
#include "log/log_internal.h"

#define ROOM_STEP_BYTES ((uint64_t)8 << 20)
#define ROOM_MIN_BYTES ((size_t)1 << 20) /* for effects that are longer than their request */
#define RECORD_MAX_BYTES ((size_t)256 << 10)
#define KEPT_BYTES ((size_t)1 << 20)

void ipk__log_file_init(struct ipk__log_file *f, int fd, uint64_t n_bytes, uint32_t chain)
{
	*f = (struct ipk__log_file){.fd = fd, .n_bytes = n_bytes, .n_room = n_bytes};
	f->chain = chain;
}

void ipk__log_file_fini(struct ipk__log_file *f)
{
	ipk__buffer_free(&f->out);
	f->fd = -1;
}

void ipk__log_file_seal(struct ipk__log_file *f)
{
	size_t head_bytes = ipk__log_head_bytes(f->head.session_bytes);
	char *record;

	if (!f->is_open || f->out.failed)
		return;
	record = f->out.room + f->out.from + f->open_from;
	f->head.body_bytes = ipk__buffer_len(&f->out) - f->open_from - head_bytes;
	f->head.body_crc = ipk__crc32c(f->chain, record + head_bytes, f->head.body_bytes);
	f->chain = ipk__log_head_write(record, &f->head, f->chain);
	f->n_records++;
	f->is_open = false;
}

static void open_record(struct ipk__log_file *f, enum ipk__log_kind kind, struct ipk__slice id,
			uint64_t number)
{
	size_t head_bytes = ipk__log_head_bytes(id.n_bytes);

	f->head = (struct ipk__log_head){.kind = kind, .number = number};
	f->head.session_bytes = id.n_bytes;
	if (id.n_bytes > 0)
		memcpy(f->head.session, id.bytes, id.n_bytes);
	f->open_from = ipk__buffer_len(&f->out);
	if (ipk__buffer_reserve(&f->out, head_bytes))
		ipk__buffer_added(&f->out, head_bytes);
	f->is_open = true;
}

void ipk__log_file_begin(struct ipk__log_file *f, struct ipk__slice id, uint64_t number)
{
	if (f->is_open && f->head.session_bytes == 0 && id.n_bytes == 0 &&
	    ipk__buffer_len(&f->out) - f->open_from < RECORD_MAX_BYTES)
		return;
	ipk__log_file_seal(f);
	open_record(f, IPK__LOG_WRITES, id, number);
}

void ipk__log_file_mark(struct ipk__log_file *f, enum ipk__log_kind kind)
{
	ipk__log_file_seal(f);
	open_record(f, kind, IPK__SLICE(NULL, 0), 0);
	ipk__log_file_seal(f);
}

int ipk__log_file_write(struct ipk__log_file *f)
{
	size_t n_bytes, n_written;
	int r;

	ipk__log_file_seal(f);
	n_bytes = ipk__buffer_len(&f->out);
	if (f->out.failed)
		return -ENOMEM;
	if (n_bytes == 0)
		return 0;
	r = ipk__os_file_write(f->fd, ipk__buffer_front(&f->out), n_bytes, &n_written);
	if (r < 0) {
		/* When that fails too, the next start cuts it. Before that, we try again. */
		if (n_written > 0 && ipk__os_file_truncate(f->fd, f->n_bytes) < 0)
			return -EIO;
		f->n_room = f->n_bytes;
		return r;
	}
	f->n_bytes += n_bytes;
	ipk__buffer_take(&f->out, n_bytes);
	ipk__buffer_shrink(&f->out, KEPT_BYTES);
	return 0;
}

int ipk__log_file_room(struct ipk__log_file *f, size_t n_bytes)
{
	uint64_t need = f->n_bytes + ipk__buffer_len(&f->out) + n_bytes + ROOM_MIN_BYTES;
	int r;

	if (f->out.failed)
		return -ENOMEM;
	if (!ipk__buffer_reserve(&f->out, n_bytes + IPK__LOG_HEAD_MAX)) {
		f->out.failed = false; /* nothing is missing in it */
		return -ENOMEM;
	}
	if (need <= f->n_room)
		return 0;
	r = ipk__os_file_reserve(f->fd, need + ROOM_STEP_BYTES);
	if (r == 0)
		f->n_room = need + ROOM_STEP_BYTES;
	if (r < 0)
		r = ipk__os_file_reserve(f->fd, need); /* the last of it */
	if (r == 0 && f->n_room < need)
		f->n_room = need;
	return r;
}
