/*
 * inherited.c - handles that a child finds under the names its parent gave them.
 *
 * After a fork they are in memory already: the parent's table is the child's. For any other child
 * the parent puts them all into a socket before the child exists, each after a packet with its noun
 * and name, and the child takes them out: a zygote's child when it is spawned, another program at
 * its first lookup. Of a handle with a global name only that name is sent, for the child to open.
 * The first packet contains a number that the environment variable repeats; a socket that does not
 * begin with it is some other fd.
 *
 * Each handle is returned once, so it has one owner who closes it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "ipk/barrier.h"
#include "ipk/cond.h"
#include "ipk/event.h"
#include "ipk/lock.h"
#include "ipk/once.h"
#include "ipk/queue.h"
#include "ipk/rwlock.h"
#include "ipk/semaphore.h"
#include "ipk/shm.h"
#include "ipk/value.h"
#include "lock/lock_internal.h"
#include "os/os.h"
#include "pipe/pipe_internal.h"
#include "process/process_internal.h"
#include "queue/queue_internal.h"
#include "value/shm_memory.h"

#define HELLO_MAGIC 0x6e726f62006b7069u /* "ipk\0spwn" */
#define ENTRY_MAGIC 0x6d616e006b7069u   /* "ipk\0nam" */
#define SEND_BUFFER_BYTES (1 << 20)

struct hello {
	uint64_t magic;
	uint64_t n;
};

struct entry {
	uint64_t magic;
	char noun[16];
	char name[IPK__NAME_MAX + 1];
	char opened_by[IPK__NAME_MAX + 8]; /* "": it follows */
	uint32_t open_flags;
};

/* --- the nouns -------------------------------------------------------------------------------- */

/* What a handle is opened by, and how to know that this still leads to it. */
struct title {
	const char *name;
	unsigned flags;
	const char *file; /* in /dev/shm; NULL: "ipk.NAME" */
	int fd;           /* -1: it is not there */
};

#define OBJECTS(X) X(barrier) X(cond) X(event) X(once) X(rwlock) X(semaphore) X(value) X(array)
#define NOUNS(X) OBJECTS(X) X(lock) X(queue) X(shm)

struct noun {
	const char *word;
	int (*send)(const ipk_inherit *from, ipk_pipe *via);
	int (*recv)(ipk_pipe *via, ipk_inherit *to);
	bool (*entitle)(const void *handle, struct title *ret_title); /* false: it has no name */
	int (*open)(const char *name, unsigned flags, ipk_inherit *to);
};

#define PASS(noun)                                                      \
	static int send_##noun(const ipk_inherit *from, ipk_pipe *via)  \
	{                                                               \
		return ipk_##noun##_send(from->handle, via, ipk_now()); \
	}                                                               \
	static int recv_##noun(ipk_pipe *via, ipk_inherit *to)          \
	{                                                               \
		ipk_##noun *handle;                                     \
		int r = ipk_##noun##_recv(via, ipk_now(), &handle);     \
                                                                        \
		if (r == 0)                                             \
			to->handle = handle;                            \
		return r;                                               \
	}
NOUNS(PASS)

#define OPEN(noun)                                                                \
	static int open_##noun(const char *name, unsigned flags, ipk_inherit *to) \
	{                                                                         \
		ipk_##noun *handle;                                               \
		int r = OPEN_CALL(noun, name, flags, &handle);                    \
                                                                                  \
		if (r == 0)                                                       \
			to->handle = handle;                                      \
		return r;                                                         \
	}
#define OPEN_CALL(noun, name, flags, ret) \
	((void)(flags), ipk_##noun##_open((name), ipk_now(), (ret)))
OBJECTS(OPEN)
OPEN(lock)
OPEN(queue)
#undef OPEN_CALL
#define OPEN_CALL(noun, name, flags, ret) ipk_##noun##_open((name), (flags), ipk_now(), (ret))
OPEN(shm)

static bool entitle_object(const struct ipk__ref *ref, struct title *ret_title)
{
	*ret_title = (struct title){.name = ipk__object_name(ref), .fd = ref->arena->segment.fd};
	return ret_title->name != NULL;
}

/* Their handles begin with it. */
#define ENTITLE(noun)                                                           \
	static bool entitle_##noun(const void *handle, struct title *ret_title) \
	{                                                                       \
		return entitle_object(handle, ret_title);                       \
	}
OBJECTS(ENTITLE)

/* A lent one is part of what has the name. */
static bool entitle_lock(const void *handle, struct title *ret_title)
{
	const ipk_lock *lock = handle;

	return !lock->is_lent && entitle_object(&lock->ref, ret_title);
}

static bool entitle_queue(const void *handle, struct title *ret_title)
{
	const ipk_queue *q = handle;

	*ret_title = (struct title){.name = q->name, .fd = q->segment.fd};
	return q->name != NULL;
}

static bool entitle_shm(const void *handle, struct title *ret_title)
{
	const ipk_shm *s = handle;

	if (!s->file)
		return false;
	*ret_title = (struct title){
		.name = s->file + (s->is_raw ? 0 : strlen("ipk.")),
		.flags = (s->is_raw ? (unsigned)IPK_SHM_RAW : 0) |
			 (s->is_read_only ? (unsigned)IPK_SHM_READ_ONLY : 0),
		.file = s->file,
		.fd = s->fd,
	};
	return true;
}

static int send_pipe(const ipk_inherit *from, ipk_pipe *via)
{
	return ipk__pipe_send_end(from->handle, via->side_fd, ipk_now());
}

static int recv_pipe(ipk_pipe *via, ipk_inherit *to)
{
	ipk_pipe *handle;
	int r = ipk__pipe_recv_end(via->side_fd, ipk_now(), &handle);

	if (r == 0)
		to->handle = handle;
	return r;
}

static int send_fd(const ipk_inherit *from, ipk_pipe *via)
{
	return ipk_pipe_send_fd(via, from->fd, ipk_now());
}

static int recv_fd(ipk_pipe *via, ipk_inherit *to)
{
	return ipk_pipe_recv_fd(via, ipk_now(), &to->fd);
}

#define ROW(noun) {#noun, send_##noun, recv_##noun, entitle_##noun, open_##noun},
static const struct noun nouns[] = {NOUNS(ROW){"pipe", send_pipe, recv_pipe, NULL, NULL},
				    {"fd", send_fd, recv_fd, NULL, NULL}};

static const struct noun *find_noun(const char *word)
{
	for (size_t i = 0; word && i < IPK__N_OF(nouns); i++) {
		if (strcmp(nouns[i].word, word) == 0)
			return &nouns[i];
	}
	return NULL;
}

static bool is_fd(const ipk_inherit *e)
{
	return strcmp(e->noun, "fd") == 0;
}

/* --- the parent ------------------------------------------------------------------------------- */

static int check_entry(const ipk_inherit *e)
{
	IPK__REQUIRE(find_noun(e->noun), "IPK_INHERIT: not a noun that a child can inherit");
	IPK__REQUIRE(ipk__name_check(e->name) == 0, "IPK_INHERIT: name: " IPK__NAME_RULE);
	if (is_fd(e))
		return ipk__os_fd_check(e->fd);
	return e->handle ? 0 : -EBADF;
}

int ipk__inherit_check(const ipk_inherit *inherit, size_t n)
{
	int r = 0;

	IPK__REQUIRE(n <= IPK_INHERIT_MAX, "IPK_PROCESS(.n_inherit): 0 to IPK_INHERIT_MAX");
	IPK__REQUIRE(inherit || n == 0, "IPK_PROCESS(.inherit): NULL, and .n_inherit is not 0");
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = check_entry(&inherit[i]);
		for (size_t k = 0; r == 0 && k < i; k++) {
			if (strcmp(inherit[i].name, inherit[k].name) == 0)
				r = ipk__invalid("IPK_INHERIT: duplicate name");
		}
	}
	return r;
}

static int send_packet(int fd, const void *packet, size_t n_bytes)
{
	const struct iovec part = {(void *)packet, n_bytes};

	return ipk__os_send(fd, &part, 1, NULL, 0);
}

/* Whether a child will find the same by it; a moment later it may be gone all the same. */
static int check_title(const struct title *title)
{
	struct ipk__os_stat named = {0}, open = {0};
	char file[IPK__NAME_MAX + 8];
	int r;

	if (title->fd < 0)
		return 0;
	snprintf(file, sizeof file, "ipk.%s", title->name);
	r = ipk__os_shm_stat(title->file ? title->file : file, &named);
	if (r == 0)
		r = ipk__os_stat(title->fd, &open);
	if (r < 0)
		return r == -ENOENT ? -ESTALE : r;
	return named.device == open.device && named.inode == open.inode ? 0 : -ESTALE;
}

static int pack_one(const ipk_inherit *e, ipk_pipe *via)
{
	const struct noun *noun = find_noun(e->noun);
	struct entry entry = {.magic = ENTRY_MAGIC};
	struct title title = {0};
	int r = 0;

	strcpy(entry.noun, e->noun);
	strcpy(entry.name, e->name);
	if (noun->entitle && noun->entitle(e->handle, &title)) {
		r = check_title(&title);
		if ((size_t)snprintf(entry.opened_by, sizeof entry.opened_by, "%s", title.name) >=
		    sizeof entry.opened_by)
			r = ipk__invalid("IPK_INHERIT: the name of the object is too long");
		entry.open_flags = title.flags;
	}
	if (r == 0)
		r = send_packet(via->side_fd, &entry, sizeof entry);
	return r < 0 || title.name ? r : noun->send(e, via);
}

static int pack(int fd, const ipk_inherit *inherit, size_t n)
{
	const struct hello hello = {HELLO_MAGIC, n};
	/* All that a pipe is asked for on the way is its side socket. */
	struct ipk_pipe via = {.side_fd = fd};
	int r = send_packet(fd, &hello, sizeof hello);

	for (size_t i = 0; r == 0 && i < n; i++)
		r = pack_one(&inherit[i], &via);
	/* No room left in the socket. */
	return r == -EAGAIN || r == -ETIMEDOUT ? -ENOBUFS : r;
}

int ipk__inherit_pack(const ipk_inherit *inherit, size_t n, int *ret_fd)
{
	int fds[2];
	int r;

	if (n == 0) {
		*ret_fd = -1;
		return 0;
	}
	r = ipk__os_socketpair(fds);
	if (r < 0)
		return r;
	(void)ipk__os_socket_buffer(fds[0], SEND_BUFFER_BYTES);
	r = pack(fds[0], inherit, n);
	/* What is in it stays in it. */
	ipk__os_close(fds[0]);
	if (r < 0)
		ipk__os_close(fds[1]);
	else
		*ret_fd = fds[1];
	return r;
}

void ipk__inherit_done(const ipk_inherit *inherit, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(inherit[i].noun, "pipe") == 0)
			(void)ipk_pipe_close(inherit[i].handle);
	}
}

/* --- the child -------------------------------------------------------------------------------- */

IPK__AT_FORK_DATA static struct {
	const ipk_inherit *table;
	size_t n;
	_Atomic uint64_t given[(IPK_INHERIT_MAX + 63) / 64];
	int inherit_fd; /* another program's, before it first asks */
	pthread_once_t once;
} here = {.inherit_fd = -1, .once = PTHREAD_ONCE_INIT};

IPK__AT_FORK_CODE void ipk__inherit_set(const ipk_inherit *inherit, size_t n, int inherit_fd)
{
	here.table = inherit;
	here.n = n;
	here.inherit_fd = inherit_fd;
	for (size_t i = 0; i < IPK__N_OF(here.given); i++)
		atomic_store_explicit(&here.given[i], 0, memory_order_relaxed);
}

static int recv_packet(int fd, void *packet, size_t n_bytes, bool peek)
{
	const struct iovec part = {packet, n_bytes};
	size_t got_bytes;
	int r = ipk__os_recv(fd, &part, 1, peek, &got_bytes, NULL, NULL);

	if (r < 0)
		return r;
	return got_bytes == n_bytes ? 0 : -EPROTO;
}

struct place {
	ipk_inherit entry;
	struct entry words;
};

static int recv_entry(int fd, struct place *place)
{
	struct ipk_pipe via = {.side_fd = fd};
	const struct noun *noun;
	int r = recv_packet(fd, &place->words, sizeof place->words, false);

	if (r < 0)
		return r;
	place->words.noun[sizeof place->words.noun - 1] = '\0';
	place->words.name[sizeof place->words.name - 1] = '\0';
	place->words.opened_by[sizeof place->words.opened_by - 1] = '\0';
	noun = find_noun(place->words.noun);
	if (place->words.magic != ENTRY_MAGIC || !noun)
		return -EPROTO;
	place->entry = (ipk_inherit){.noun = noun->word, .name = place->words.name, .fd = -1};
	if (place->words.opened_by[0] == '\0')
		return noun->recv(&via, &place->entry);
	/* One that was removed meanwhile is not there, but the others are. */
	if (noun->open)
		(void)noun->open(place->words.opened_by, place->words.open_flags, &place->entry);
	return noun->open ? 0 : -EPROTO;
}

/* The table and the names it points to, in one piece of memory that is never given back. */
static int take_all(int fd, size_t n)
{
	struct place place;
	ipk_inherit *table = ipk__os_calloc(n, sizeof *table + sizeof(struct entry));
	struct entry *words = (struct entry *)(table + n);
	size_t i;
	int r = table ? 0 : -ENOMEM;

	for (i = 0; r == 0 && i < n; i++) {
		r = recv_entry(fd, &place);
		if (r == 0) {
			words[i] = place.words;
			table[i] = place.entry;
			table[i].name = words[i].name;
		}
	}
	/* What did arrive is there, also when the fds then ran out. */
	if (table)
		ipk__inherit_set(table, r == 0 ? n : i - 1, -1);
	return r;
}

static bool is_inherit_socket(int fd, struct hello *hello)
{
	return fd > 2 && recv_packet(fd, hello, sizeof *hello, true) == 0 &&
	       hello->magic == HELLO_MAGIC && hello->n > 0 && hello->n <= IPK_INHERIT_MAX;
}

int ipk__inherit_take(int inherit_fd)
{
	struct hello hello = {0};
	int r;

	here.inherit_fd = -1;
	if (!is_inherit_socket(inherit_fd, &hello))
		return -EPROTO;
	r = recv_packet(inherit_fd, &hello, sizeof hello, false);
	if (r == 0)
		r = take_all(inherit_fd, hello.n);
	ipk__os_close(inherit_fd);
	return r;
}

static void take_once(void)
{
	if (here.inherit_fd >= 0)
		(void)ipk__inherit_take(here.inherit_fd);
}

static const ipk_inherit *find(const char *noun, const char *name)
{
	if (!noun || !name)
		return NULL;
	pthread_once(&here.once, take_once);
	for (size_t i = 0; i < here.n; i++) {
		const ipk_inherit *e = &here.table[i];
		uint64_t bit = (uint64_t)1 << i % 64;

		if (strcmp(e->name, name) != 0)
			continue;
		if (strcmp(e->noun, noun) != 0 || (atomic_fetch_or(&here.given[i / 64], bit) & bit))
			return NULL;
		return e;
	}
	return NULL;
}

static atomic_bool has_looked;

void ipk__self_looks(void)
{
	atomic_store_explicit(&has_looked, true, memory_order_relaxed);
}

bool ipk__self_has_looked(void)
{
	return atomic_load_explicit(&has_looked, memory_order_relaxed);
}

void *ipk_inherited_handle(const char *noun, const char *name)
{
	const ipk_inherit *e = find(noun, name);

	ipk__self_looks();
	return e ? e->handle : NULL;
}

int ipk_inherited_fd(const char *name, int *ret_fd)
{
	const ipk_inherit *e;

	ipk__self_looks();
	if (!ret_fd)
		return ipk__invalid("ret_fd is NULL");
	e = find("fd", name);
	if (!e)
		return -ENOENT;
	*ret_fd = e->fd;
	return 0;
}
