/*
 * shm_memory.c - named shared memory: created complete, never truncated, replaced to grow.
 *
 * The kernel knows who has the memory open. With unlink_last every opener holds a shared lock on
 * its open file, which the kernel drops with the last copy of it, however that happened. So a
 * closer that gets the file's lock exclusively, after releasing its own, was the last and removes
 * the name; there is no count, so no death leaves a wrong one.
 *
 * Invariant: a name leads to a complete file. The successor of a file has a temporary name beside
 * it for the time of two calls, and that name excludes concurrent replacers: the process that holds
 * the lock of that file is alive, and a dead one's file is removed by the next.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipe/pipe_internal.h"
#include "value/shm_memory.h"

#define OPEN_TRIES 1000 /* while others put another in its place all the time */
#define SIZE_MAX_BYTES (IPK__SEGMENT_SHM_MAX / 2)
#define FILE_BYTES 240
#define NEXT_BYTES (FILE_BYTES + 8)
#define OURS "ipk."

/* --- names ------------------------------------------------------------------------------------ */

static int make_file_name(const char *name, bool is_raw, char file[FILE_BYTES])
{
	int r = ipk__name_check(name);

	if (r < 0)
		return r;
	if (is_raw && (strncmp(name, OURS, strlen(OURS)) == 0 || strcmp(name, ".") == 0 ||
		       strcmp(name, "..") == 0))
		return ipk__invalid("name: for raw memory not . or .. or ipk.*");
	snprintf(file, FILE_BYTES, "%s%s", is_raw ? "" : OURS, name);
	return 0;
}

/* No name that a user may choose has a colon. */
static void make_next_name(const char *file, char next[NEXT_BYTES])
{
	snprintf(next, NEXT_BYTES, "%s:next", file);
}

/* 0: the name @file leads to what @fd is; -ESTALE: no more. */
static int check_leads_to(const char *file, int fd)
{
	struct ipk__os_stat named = {0}, open = {0};
	int r = ipk__os_shm_stat(file, &named);

	if (r == 0)
		r = ipk__os_stat(fd, &open);
	if (r < 0)
		return r == -ENOENT ? -ESTALE : r;
	return named.device == open.device && named.inode == open.inode ? 0 : -ESTALE;
}

static int check_is_current(const ipk_shm *s)
{
	return s->file ? check_leads_to(s->file, s->fd) : 0;
}

bool ipk_shm_is_current(const ipk_shm *s)
{
	return s && check_is_current(s) == 0;
}

/* The name of a successor whose maker died; false when its maker lives, or there is none. */
static bool remove_dead_next(const char *file)
{
	char next[NEXT_BYTES];
	bool is_dead;
	int fd;

	make_next_name(file, next);
	if (ipk__os_shm_open_to_read(next, &fd) < 0)
		return false;
	/* A maker holds the lock from before the name is there until the name is gone. */
	is_dead = ipk__os_lock_file(fd, IPK__OS_ALONE) == 0 && check_leads_to(next, fd) == 0 &&
		  ipk__os_shm_unlink(next) == 0;
	ipk__os_close(fd);
	return is_dead;
}

/* --- handles ---------------------------------------------------------------------------------- */

/* Empty; @file NULL: anonymous. */
static int new_handle(const char *file, bool is_raw, ipk_shm **ret_shm)
{
	ipk_shm *s = ipk__os_calloc(1, sizeof *s);

	if (!s)
		return -ENOMEM;
	s->fd = -1;
	s->is_raw = is_raw;
	if (file) {
		s->file = ipk__os_malloc(strlen(file) + 1);
		if (!s->file) {
			free(s);
			return -ENOMEM;
		}
		strcpy(s->file, file);
	}
	*ret_shm = s;
	return 0;
}

/*
 * Let go, and remove the name when no other process has it. A second opening comes before that:
 * our own lock may be shared with fork children, and only who is outside can see it.
 */
static void leave(ipk_shm *s)
{
	int fd = -1;
	int r = ipk__os_open_again(s->fd, false, &fd);

	ipk__os_close(s->fd);
	if (r == 0 && ipk__os_lock_file(fd, IPK__OS_ALONE) == 0 &&
	    check_leads_to(s->file, fd) == 0) {
		remove_dead_next(s->file);
		ipk__os_shm_unlink(s->file);
	}
	ipk__os_close(fd);
}

ipk_shm *ipk_shm_close(ipk_shm *s)
{
	if (!s)
		return NULL;
	ipk__os_unmap(s->base, s->mapped_bytes);
	if (s->unlink_last && s->fd >= 0)
		leave(s);
	else
		ipk__os_close(s->fd);
	free(s->file);
	free(s);
	return NULL;
}

static int finish_open(int r, ipk_shm *s, ipk_shm **ret_shm)
{
	if (r < 0)
		ipk_shm_close(s);
	else
		*ret_shm = s;
	return r;
}

/* --- making ----------------------------------------------------------------------------------- */

static size_t data_offset(void)
{
	return ipk__round_up(sizeof(struct ipk__shm_memory), ipk__os_page_bytes());
}

static int make_raw(ipk_shm *s, size_t size_bytes)
{
	int r = ipk__os_shm_temp(&s->fd);

	if (r == 0)
		r = ipk__os_allocate(s->fd, 0, size_bytes);
	if (r == 0)
		r = ipk__os_map(s->fd, size_bytes, true, &s->base);
	if (r < 0)
		return r;
	s->mapped_bytes = size_bytes;
	s->data = s->base;
	return 0;
}

static int make_segment(ipk_shm *s, const char *label, size_t size_bytes)
{
	struct ipk__segment_plan plan = {
		.kind = IPK__KIND_SHM,
		.flags = s->unlink_last ? IPK__SHM_UNLINK_LAST : 0,
		.label = label,
		.is_named = s->file != NULL,
		.fixed_bytes = data_offset() + size_bytes,
	};
	struct ipk__segment segment;
	int r = ipk__segment_create(&plan, &segment);

	if (r < 0)
		return r;
	((struct ipk__shm_memory *)segment.header)->size_bytes = size_bytes;
	s->fd = segment.fd;
	s->base = segment.header;
	s->mapped_bytes = segment.mapped_bytes;
	s->data = (char *)s->base + data_offset();
	return 0;
}

/* Memory that no other process can see yet; what is known of it is in @s. */
static int make_memory(ipk_shm *s, const char *label, size_t size_bytes)
{
	int r;

	if (size_bytes > SIZE_MAX_BYTES)
		return -ENOSPC;
	r = s->is_raw ? make_raw(s, size_bytes) : make_segment(s, label, size_bytes);
	if (r < 0)
		return r;
	s->size_bytes = size_bytes;
	return s->unlink_last ? ipk__os_lock_file(s->fd, IPK__OS_SHARED) : 0;
}

static int check_opts(const ipk_shm_opts *opts, ipk_shm_opts *o, char file[FILE_BYTES])
{
	int r = ipk__opts_copy(o, sizeof *o, opts);

	if (r < 0)
		return r;
	IPK__REQUIRE(!o->name || make_file_name(o->name, o->is_raw, file) == 0,
		     "IPK_SHM(.name): " IPK__NAME_RULE "; raw: not . or .. or ipk.*");
	IPK__REQUIRE(!o->label || ipk__name_check(o->label) == 0,
		     "IPK_SHM(.label): " IPK__NAME_RULE);
	IPK__REQUIRE(o->size_bytes > 0, "IPK_SHM(.size_bytes): 1 or more");
	IPK__REQUIRE(o->name || !o->is_raw, "IPK_SHM(.is_raw): only with .name");
	IPK__REQUIRE(o->name || !o->unlink_last, "IPK_SHM(.unlink_last): only with .name");
	IPK__REQUIRE(o->name || !o->open_existing, "IPK_SHM(.open_existing): only with .name");
	IPK__REQUIRE(!o->is_raw || !o->unlink_last, "IPK_SHM(.unlink_last): not with .is_raw");
	return 0;
}

/* Of files that go with their last user, one that is left has none: closing it removes it. */
static void remove_left_over(const char *name)
{
	ipk_shm *left = NULL;

	if (ipk_shm_open(name, IPK_SHM_READ_ONLY, ipk_now(), &left) == 0)
		ipk_shm_close(left);
}

static int publish(ipk_shm *s, const char *name)
{
	int r;

	if (!s->file)
		return ipk__os_seal(s->fd, false);
	r = ipk__os_shm_link(s->fd, s->file);
	if (r != -EEXIST || s->is_raw)
		return r;
	remove_left_over(name);
	return ipk__os_shm_link(s->fd, s->file);
}

static int create(const ipk_shm_opts *o, const char *file, ipk_shm **ret_shm)
{
	ipk_shm *s = NULL;
	int r = new_handle(o->name ? file : NULL, o->is_raw, &s);

	if (r < 0)
		return r;
	s->unlink_last = o->unlink_last;
	r = make_memory(s, o->name ? o->name : o->label ? o->label : "shm", o->size_bytes);
	if (r == 0)
		r = publish(s, o->name);
	return finish_open(r, s, ret_shm);
}

/* --- opening ---------------------------------------------------------------------------------- */

/*
 * A maker that only set the size (Python) has taken no page yet, and a process that has it open may
 * give some back: a use would raise SIGBUS.
 */
static int take_pages(const ipk_shm *s, uint64_t n_bytes)
{
	int fd;
	int r;

	if (!s->is_read_only)
		return ipk__os_allocate(s->fd, 0, n_bytes);
	r = ipk__os_open_again(s->fd, true, &fd);
	if (r < 0)
		return r == -EACCES ? 0 : r;
	r = ipk__os_allocate(fd, 0, n_bytes);
	ipk__os_close(fd);
	return r;
}

static int map_raw(ipk_shm *s)
{
	struct ipk__os_stat st;
	int r = ipk__os_stat(s->fd, &st);

	if (r < 0)
		return r;
	if (!ipk__os_mode_is_file(st.mode))
		return -EPROTO;
	if (st.uid != ipk__os_uid() || (st.mode & 022) != 0)
		return -EACCES;
	if (st.size_bytes == 0)
		return -ENODATA;
	s->size_bytes = st.size_bytes;
	r = take_pages(s, s->size_bytes);
	if (r == 0)
		r = ipk__os_map(s->fd, s->size_bytes, !s->is_read_only, &s->base);
	if (r < 0)
		return r;
	s->mapped_bytes = s->size_bytes;
	s->data = s->base;
	return 0;
}

static int map_segment(ipk_shm *s, const struct ipk__shm_header *h)
{
	size_t offset = data_offset();
	uint64_t size_bytes;
	int r = h->n_rings != 0 || h->fixed_bytes <= offset ? -EBADMSG : 0;

	if (r == 0)
		r = take_pages(s, h->fixed_bytes);
	if (r == 0)
		r = ipk__os_map(s->fd, h->fixed_bytes, !s->is_read_only, &s->base);
	if (r < 0)
		return r;
	s->mapped_bytes = h->fixed_bytes;
	size_bytes = *(volatile uint64_t *)&((struct ipk__shm_memory *)s->base)->size_bytes;
	if (size_bytes == 0 || size_bytes > h->fixed_bytes - offset)
		return -EBADMSG;
	s->size_bytes = size_bytes;
	s->data = (char *)s->base + offset;
	return 0;
}

/*
 * Be one of its users, when that matters. -EAGAIN: it was removed or replaced since it was
 * opened, so the name is to be looked at again.
 */
static int join(ipk_shm *s)
{
	int r, r_leads;

	if (!s->unlink_last)
		return 0;
	r = ipk__os_lock_file(s->fd, IPK__OS_SHARED);
	if (r < 0 && r != -EAGAIN)
		return r;
	r_leads = check_is_current(s);
	if (r_leads < 0)
		return r_leads == -ESTALE ? -EAGAIN : r_leads;
	/* Somebody has it alone: the last one, about to remove it. */
	return r == -EAGAIN ? -ENOENT : 0;
}

static int open_file(ipk_shm *s)
{
	struct ipk__shm_header h;
	int r = s->is_read_only ? ipk__os_shm_open_to_read(s->file, &s->fd)
				: ipk__os_shm_open(s->file, &s->fd);

	if (r < 0)
		return r;
	if (s->is_raw)
		return map_raw(s);
	r = ipk__segment_read(s->fd, IPK__KIND_SHM, true, &h);
	if (r < 0)
		return r;
	s->unlink_last = (h.flags & IPK__SHM_UNLINK_LAST) != 0;
	r = join(s);
	return r < 0 ? r : map_segment(s, &h);
}

static int open_named(const char *name, unsigned flags, ipk_shm **ret_shm)
{
	bool is_raw = (flags & IPK_SHM_RAW) != 0;
	char file[FILE_BYTES];
	int r = make_file_name(name, is_raw, file);
	int n_left = OPEN_TRIES;

	if (r < 0)
		return r;
	do {
		ipk_shm *s = NULL;

		r = new_handle(file, is_raw, &s);
		if (r < 0)
			return r;
		s->is_read_only = (flags & IPK_SHM_READ_ONLY) != 0;
		r = finish_open(open_file(s), s, ret_shm);
	} while (r == -EAGAIN && n_left-- > 0);
	return r;
}

int ipk_shm_open(const char *name, unsigned flags, ipk_deadline deadline, ipk_shm **ret_shm)
{
	int64_t nap_ns = 0;
	int r;

	IPK__REQUIRE(ret_shm, IPK__NO_OUTPUT);
	IPK__REQUIRE(!(flags & ~(unsigned)(IPK_SHM_RAW | IPK_SHM_READ_ONLY)),
		     "flags: IPK_SHM_RAW and IPK_SHM_READ_ONLY, or-ed");
	do {
		r = open_named(name, flags, ret_shm);
	} while (r == -ENOENT && ipk__name_nap(deadline, &nap_ns));
	return r;
}

/* --- making one, or opening the one that is there --------------------------------------------- */

static int open_existing(const ipk_shm_opts *o, ipk_shm **ret_shm)
{
	ipk_shm *s = NULL;
	int r = open_named(o->name, o->is_raw ? IPK_SHM_RAW : 0, &s);

	if (r < 0)
		return r;
	if (s->size_bytes != o->size_bytes || s->unlink_last != o->unlink_last) {
		ipk_shm_close(s);
		return ipk__detail(-EPROTOTYPE, "IPK_SHM: .size_bytes or .unlink_last of the "
						"existing memory differs");
	}
	*ret_shm = s;
	return 0;
}

int ipk_shm_create(const ipk_shm_opts *opts, ipk_shm **ret_shm)
{
	int n_tries = 0;
	char file[FILE_BYTES];
	ipk_shm_opts o;
	int r = ret_shm ? check_opts(opts, &o, file) : ipk__invalid(IPK__NO_OUTPUT);

	if (r < 0)
		return r;
	do {
		r = create(&o, file, ret_shm);
		if (r != -EEXIST || !o.open_existing)
			return r;
		r = open_existing(&o, ret_shm);
	} while (ipk__name_retry(&r, &n_tries));
	return r;
}

/* --- replacing and removing ------------------------------------------------------------------- */

int ipk_shm_unlink(const char *name, unsigned flags)
{
	char file[FILE_BYTES];
	int r = make_file_name(name, (flags & IPK_SHM_RAW) != 0, file);

	if (flags & ~(unsigned)IPK_SHM_RAW)
		return ipk__invalid("flags: IPK_SHM_RAW or 0");
	if (r < 0)
		return r;
	remove_dead_next(file);
	return ipk__os_shm_unlink(file);
}

/* Make the name of @s lead to @successor. */
static int hand_over(const ipk_shm *s, const ipk_shm *successor)
{
	char next[NEXT_BYTES];
	int r;

	make_next_name(s->file, next);
	r = ipk__os_lock_file(successor->fd, IPK__OS_SHARED);
	if (r == 0)
		r = ipk__os_shm_link(successor->fd, next);
	if (r == -EEXIST && remove_dead_next(s->file))
		r = ipk__os_shm_link(successor->fd, next);
	if (r < 0)
		return r == -EEXIST ? -EBUSY : r;
	r = check_is_current(s);
	if (r == 0)
		r = ipk__os_shm_rename(next, s->file);
	if (r < 0)
		ipk__os_shm_unlink(next);
	else if (!successor->unlink_last)
		(void)ipk__os_lock_file(successor->fd, IPK__OS_UNLOCKED);
	return r;
}

int ipk_shm_replace(const ipk_shm *s, size_t new_size_bytes, ipk_shm **ret_shm)
{
	ipk_shm *successor = NULL;
	int r;

	if (!s)
		return -EBADF;
	IPK__REQUIRE(ret_shm, IPK__NO_OUTPUT);
	IPK__REQUIRE(new_size_bytes >= s->size_bytes, "new_size_bytes: the present size or more");
	if (!s->file || s->is_read_only)
		return -EOPNOTSUPP;
	r = check_is_current(s);
	if (r == 0)
		r = new_handle(s->file, s->is_raw, &successor);
	if (r < 0)
		return r;
	successor->unlink_last = s->unlink_last;
	r = make_memory(successor, s->file + (s->is_raw ? 0 : strlen(OURS)), new_size_bytes);
	if (r == 0) {
		memcpy(successor->data, s->data, s->size_bytes);
		r = hand_over(s, successor);
	}
	return finish_open(r, successor, ret_shm);
}

/* --- passing ---------------------------------------------------------------------------------- */

int ipk_shm_send(ipk_shm *s, ipk_pipe *via, ipk_deadline deadline)
{
	if (!s)
		return -EBADF;
	return s->file ? -EOPNOTSUPP : ipk__pipe_pass_object(via, s->fd, 0, deadline);
}

static int take_fd(ipk_shm *s, int fd, uint64_t offset)
{
	struct ipk__shm_header h;
	int r;

	s->fd = fd;
	r = ipk__segment_read(fd, IPK__KIND_SHM, false, &h);
	if (r == 0)
		r = offset == 0 && ipk__os_is_writable(fd) ? map_segment(s, &h) : -EPROTO;
	return r;
}

int ipk_shm_recv(ipk_pipe *via, ipk_deadline deadline, ipk_shm **ret_shm)
{
	ipk_shm *s = NULL;
	uint64_t offset;
	int fd;
	int r = ret_shm ? new_handle(NULL, false, &s) : ipk__invalid(IPK__NO_OUTPUT);

	if (r < 0)
		return r;
	r = ipk__pipe_take_object(via, deadline, &fd, &offset);
	if (r == 0)
		r = take_fd(s, fd, offset);
	return finish_open(r, s, ret_shm);
}

/* --- looking ---------------------------------------------------------------------------------- */

void *ipk_shm_data(const ipk_shm *s)
{
	return s ? s->data : NULL;
}

size_t ipk_shm_size_bytes(const ipk_shm *s)
{
	return s ? s->size_bytes : 0;
}

struct users {
	struct ipk__os_stat st;
	uint32_t *pids;
	size_t max;
	size_t n;
	pid_t last;
};

static bool may_be_it(uint32_t place, const char *name)
{
	(void)name;
	return place == IPK__OS_IN_SHM || place == IPK__OS_IN_MEMORY;
}

/* All references of a process come one after the other. */
static int note_user(void *arg, const struct ipk__os_reference *reference)
{
	struct users *u = arg;

	if (reference->device != u->st.device || reference->inode != u->st.inode ||
	    reference->pid == u->last)
		return 0;
	if (u->n < u->max)
		u->pids[u->n] = (uint32_t)reference->pid;
	u->n++;
	u->last = reference->pid;
	return 0;
}

int ipk_shm_users(const ipk_shm *s, uint32_t *ret_pids, size_t max, size_t *ret_n_users)
{
	struct users u = {.pids = ret_pids, .max = max};
	struct ipk__os_walk walk = {.wants = may_be_it, .each = note_user, .arg = &u};
	size_t n_hidden;
	int r;

	if (!s)
		return -EBADF;
	if (!ret_n_users || (!ret_pids && max > 0))
		return ipk__invalid("ret_n_users, or ret_pids with max over 0, is NULL");
	r = ipk__os_stat(s->fd, &u.st);
	if (r == 0)
		r = ipk__os_walk_open_files(&walk, &n_hidden);
	if (r == 0)
		*ret_n_users = u.n;
	return r;
}
