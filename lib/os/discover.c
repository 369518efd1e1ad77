/*
 * discover.c - which files processes have open, for inspection.
 *
 * Everything found here belongs to other processes, which may be hostile, stopped, or change it
 * meanwhile. Invariant: nothing here writes to it, and its owner cannot make anything here block.
 * The text of a link in /proc only selects candidates; the device decides. A file is stat'ed
 * without its file system (a FUSE server might never reply) and opened only if its device is that
 * of memory files or of /dev/shm, first with O_PATH, so the file checked is the file opened. A
 * message queue is opened by its name, in the kernel's own file system, and compared.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/refused.h"
#include "os/os.h"
#include "os/os_internal.h"
#include "os/uncancelled.h"

#define SHM_DIR "/dev/shm"
#define MQ_DIR "/dev/mqueue"
#define DELETED " (deleted)"
#define LINK_BYTES 512 /* a memfd's name is at most 249, a file's 255 */
#define NO_DEVICE UINT64_MAX

struct identity {
	uint64_t device;
	uint64_t inode;
	uint32_t n_links;
	bool is_file;
};

/* What the kernel knows of a file without asking its file system; "" is @dir_fd itself. */
static int identify(int dir_fd, const char *path, int flags, struct identity *ret)
{
#ifdef STATX_BASIC_STATS
	struct statx st;

	flags |= AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT | (*path ? 0 : AT_EMPTY_PATH);
	if (statx(dir_fd, path, flags, STATX_TYPE | STATX_INO | STATX_NLINK, &st) < 0)
		/* -EINVAL: the C library's stand-in for it, which does not know these flags. */
		return errno == EINVAL ? ipk__refused(IPK__CALL_STATX)
				       : ipk__call_error(IPK__CALL_STATX);
	*ret = (struct identity){makedev(st.stx_dev_major, st.stx_dev_minor), st.stx_ino,
				 st.stx_nlink, S_ISREG(st.stx_mode)};
#else
	struct stat st;

	if (fstatat(dir_fd, path, &st, flags | (*path ? 0 : AT_EMPTY_PATH)) < 0)
		return -errno;
	*ret = (struct identity){st.st_dev, st.st_ino, (uint32_t)st.st_nlink, S_ISREG(st.st_mode)};
#endif
	return 0;
}

static bool is_same(const struct identity *a, const struct ipk__os_reference *s)
{
	return a->is_file && a->device == s->device && a->inode == s->inode;
}

/* Ours, not theirs: such an error ends the walk. */
static bool is_out_of_room(int r)
{
	return r == -EMFILE || r == -ENFILE || r == -ENOMEM;
}

/* --- where files lie -------------------------------------------------------------------------- */

struct devices {
	uint64_t memory;
	uint64_t shm;
};

static int find_devices(struct devices *ret)
{
	struct devices d = {NO_DEVICE, NO_DEVICE};
	struct identity id = {0};
	int fd;
	int r = ipk__os_memfd("ipc-inspect", &fd);

	if (r < 0)
		return r;
	r = identify(fd, "", 0, &id);
	ipk__os_close(fd);
	if (r < 0)
		return r;
	d.memory = id.device;
	if (identify(AT_FDCWD, SHM_DIR, 0, &id) == 0)
		d.shm = id.device;
	*ret = d;
	return 0;
}

static const char *behind(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(text, prefix, n) == 0 ? text + n : NULL;
}

/* What the text of a link promises; a memory file may be called anything. */
static uint32_t read_link(const char *link, const char **ret_name)
{
	if ((*ret_name = behind(link, "/memfd:")))
		return IPK__OS_IN_MEMORY;
	if ((*ret_name = behind(link, SHM_DIR "/")))
		return strchr(*ret_name, '/') ? 0 : IPK__OS_IN_SHM;
	*ret_name = link;
	return link[0] == '/' && link[1] != '\0' && !strchr(link + 1, '/') ? IPK__OS_IN_MQ : 0;
}

static void cut_deleted(char *name)
{
	size_t n = strlen(name);
	size_t n_mark = strlen(DELETED);

	if (n > n_mark && strcmp(name + n - n_mark, DELETED) == 0)
		name[n - n_mark] = '\0';
}

static int open_mq(const char *name, int *ret_fd)
{
	return ipk__os_take_fd((int)mq_open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC), ret_fd);
}

static bool is_mq(const char *name, const struct identity *seen)
{
	struct identity id = {0};
	bool is;
	int mq;

	if (open_mq(name, &mq) < 0)
		return false;
	is = identify(mq, "", 0, &id) == 0 && id.device == seen->device && id.inode == seen->inode;
	mq_close((mqd_t)mq);
	return is;
}

static bool is_there(uint32_t place, const struct devices *d, const char *name,
		     const struct identity *id)
{
	switch (place) {
	case IPK__OS_IN_MEMORY:
		return id->device == d->memory;
	case IPK__OS_IN_SHM:
		return id->device == d->shm;
	default:
		return is_mq(name, id);
	}
}

/* --- the processes ---------------------------------------------------------------------------- */

struct walker {
	const struct ipk__os_walk *walk;
	struct devices devices;
	size_t n_hidden;
	bool is_hidden; /* the process at hand */
};

static bool is_refusal(int r)
{
	return r == -EACCES || r == -EPERM;
}

static bool is_number(const char *text)
{
	return *text != '\0' && strspn(text, "0123456789") == strlen(text);
}

/* The link in /proc/PID/fd has the permissions that the fd was opened with. */
static bool is_read_only(int dir_fd, const char *entry)
{
	struct stat st;

	return fstatat(dir_fd, entry, &st, AT_SYMLINK_NOFOLLOW) == 0 && !(st.st_mode & S_IWUSR);
}

/* One fd; what vanishes meanwhile, or is of no interest, is passed over. */
static int walk_fd(struct walker *w, pid_t pid, int dir_fd, const char *entry)
{
	char link[LINK_BYTES];
	struct identity id = {0};
	const char *name;
	uint32_t place;
	ssize_t n = readlinkat(dir_fd, entry, link, sizeof link - 1);

	if (n <= 0) {
		w->is_hidden |= n < 0 && is_refusal(-errno);
		return 0;
	}
	link[n] = '\0';
	place = read_link(link, &name);
	if (place == 0 || !w->walk->wants(place, name) || identify(dir_fd, entry, 0, &id) < 0 ||
	    !id.is_file || !is_there(place, &w->devices, name, &id))
		return 0;
	/* A file that was made nameless keeps a "deleted" link when it gets a name. */
	if (id.n_links == 0 || name[0] == '#')
		cut_deleted(link);
	return w->walk->each(w->walk->arg, &(struct ipk__os_reference){
						   .device = id.device,
						   .inode = id.inode,
						   .n_links = id.n_links,
						   .place = place,
						   .pid = pid,
						   .fd = (int)strtol(entry, NULL, 10),
						   .is_read_only = is_read_only(dir_fd, entry),
						   .name = name,
					   });
}

/* NULL: *ret_error tells why. */
static DIR *open_directory(int dir_fd, const char *path, int *ret_error)
{
	DIR *dir = ipk__os_opendir(dir_fd, path);

	if (!dir)
		*ret_error = -errno;
	return dir;
}

static int walk_process(struct walker *w, int proc_fd, const char *entry)
{
	char path[32];
	struct dirent *e;
	DIR *dir;
	int r = 0;

	snprintf(path, sizeof path, "%.16s/fd", entry);
	dir = open_directory(proc_fd, path, &r);
	if (!dir) {
		w->n_hidden += is_refusal(r);
		return is_out_of_room(r) ? r : 0;
	}
	w->is_hidden = false;
	while (r == 0 && (e = readdir(dir))) {
		if (is_number(e->d_name))
			r = walk_fd(w, (pid_t)strtol(entry, NULL, 10), dirfd(dir), e->d_name);
	}
	w->n_hidden += w->is_hidden;
	closedir(dir);
	return r;
}

int ipk__os_walk_open_files(const struct ipk__os_walk *walk, size_t *ret_n_hidden)
{
	IPK__UNCANCELLED();
	struct walker w = {.walk = walk};
	struct dirent *e;
	DIR *dir;
	int r = find_devices(&w.devices);

	if (r < 0)
		return r;
	dir = open_directory(AT_FDCWD, "/proc", &r);
	if (!dir)
		return r == -ENOENT ? ipk__refused(IPK__CALL_PROC) : r;
	while (r == 0 && (e = readdir(dir))) {
		if (is_number(e->d_name))
			r = walk_process(&w, dirfd(dir), e->d_name);
	}
	closedir(dir);
	if (r == 0)
		*ret_n_hidden = w.n_hidden;
	return r;
}

/* --- the names -------------------------------------------------------------------------------- */

static int walk_name(const struct ipk__os_walk *walk, int dir_fd, uint32_t place, const char *entry)
{
	char name[LINK_BYTES];
	struct identity id = {0};

	snprintf(name, sizeof name, "%s%s", place == IPK__OS_IN_MQ ? "/" : "", entry);
	if (!walk->wants(place, name) || identify(dir_fd, entry, AT_SYMLINK_NOFOLLOW, &id) < 0 ||
	    !id.is_file)
		return 0;
	return walk->each(walk->arg, &(struct ipk__os_reference){
					     .device = id.device,
					     .inode = id.inode,
					     .n_links = id.n_links,
					     .place = place,
					     .fd = -1,
					     .name = name,
				     });
}

static int walk_directory(const struct ipk__os_walk *walk, const char *path, uint32_t place)
{
	struct dirent *e;
	int r = 0;
	DIR *dir = open_directory(AT_FDCWD, path, &r);

	if (!dir)
		return is_out_of_room(r) ? r : 0;
	while (r == 0 && (e = readdir(dir))) {
		if (e->d_name[0] != '.')
			r = walk_name(walk, dirfd(dir), place, e->d_name);
	}
	closedir(dir);
	return r;
}

int ipk__os_walk_names(const struct ipk__os_walk *walk)
{
	IPK__UNCANCELLED();
	int r = walk_directory(walk, SHM_DIR, IPK__OS_IN_SHM);

	return r < 0 ? r : walk_directory(walk, MQ_DIR, IPK__OS_IN_MQ);
}

/* --- opening ---------------------------------------------------------------------------------- */

static int open_handle(const struct ipk__os_reference *s, int *ret_fd)
{
	char path[LINK_BYTES];
	int flags = O_PATH;
	int r;

	if (s->pid != 0) {
		snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)s->pid, s->fd);
	} else {
		snprintf(path, sizeof path, SHM_DIR "/%.300s", s->name);
		flags |= O_NOFOLLOW;
	}
	r = ipk__os_take_fd(open(path, flags | O_CLOEXEC), ret_fd);
	return r == -ESRCH || r == -ELOOP ? -ENOENT : r;
}

static int open_file(const struct ipk__os_reference *s, int *ret_fd)
{
	char path[64];
	struct identity id = {0};
	int handle = -1;
	int fd = -1;
	int r = open_handle(s, &handle);

	if (r < 0)
		return r;
	r = identify(handle, "", 0, &id);
	if (r == 0 && !is_same(&id, s))
		r = -ENOENT;
	if (r == 0) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", handle);
		/* O_NONBLOCK: a lease on the file must not keep us waiting. */
		r = ipk__os_take_fd(open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), &fd);
	}
	ipk__os_close(handle);
	if (r == 0)
		*ret_fd = fd;
	return r;
}

int ipk__os_open_sighted(const struct ipk__os_reference *s, int *ret_fd)
{
	IPK__UNCANCELLED();
	struct identity id = {0};
	int mq, r;

	if (s->place != IPK__OS_IN_MQ)
		return open_file(s, ret_fd);
	r = open_mq(s->name, &mq);
	if (r < 0)
		return r;
	if (identify(mq, "", 0, &id) < 0 || !is_same(&id, s)) {
		mq_close((mqd_t)mq);
		return -ENOENT;
	}
	*ret_fd = mq;
	return 0;
}

/* --- threads ---------------------------------------------------------------------------------- */

/* The text of /proc/TID/FILE, cut to @buf_bytes - 1. */
static int read_proc(pid_t tid, const char *file, char *buf, size_t buf_bytes)
{
	char path[64];
	ssize_t n;
	int fd, r;

	snprintf(path, sizeof path, "/proc/%d/%s", (int)tid, file);
	r = ipk__os_take_fd(open(path, O_RDONLY | O_CLOEXEC), &fd);
	/* Others' processes may be hidden (hidepid): see proc(5). */
	if (r == -ENOENT)
		return ipk__os_is_dead(tid, false, 0) ? -ESRCH : -EACCES;
	if (r < 0)
		return r;
	n = read(fd, buf, buf_bytes - 1);
	ipk__os_close(fd);
	if (n <= 0)
		return -ESRCH;
	buf[n] = '\0';
	return 0;
}

int ipk__os_thread(pid_t tid, struct ipk__os_thread *ret_thread)
{
	IPK__UNCANCELLED();
	struct ipk__os_thread t = {0};
	char status[512];
	char comm[32];
	char *tgid;
	int r = tid > 0 ? 0 : -ESRCH;

	if (r == 0 && !ipk__os_proc_is_ours())
		r = ipk__os_is_dead(tid, false, 0) ? -ESRCH : -EACCES;
	if (r == 0)
		r = read_proc(tid, "comm", comm, sizeof comm);
	if (r == 0)
		r = read_proc(tid, "status", status, sizeof status);
	if (r < 0)
		return r;
	/* A newline in the name is written as \n there, so this is the line itself. */
	tgid = strstr(status, "\nTgid:");
	if (!tgid)
		return -ESRCH;
	t.pid = (pid_t)strtol(tgid + strlen("\nTgid:"), NULL, 10);
	/* A newline ends the text; there may be others in it. */
	comm[strlen(comm) - (comm[strlen(comm) - 1] == '\n')] = '\0';
	snprintf(t.comm, sizeof t.comm, "%.15s", comm);
	*ret_thread = t;
	return 0;
}
