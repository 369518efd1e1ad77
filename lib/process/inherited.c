/*
 * inherited.c - handles that a child finds under the names its parent gave them.
 *
 * After a fork they are in memory already: the parent's table is the child's. For any other
 * child the parent puts them all into a socket before the child is there, each behind a
 * packet with its noun and name, and the child takes them out: a zygote's when it is born,
 * another program when it first asks. The first packet has a number that the environment
 * variable is to be told apart by; what does not begin with it is somebody else's fd.
 *
 * Each handle is given out once, so it has one owner who closes it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
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
#include "os/os.h"
#include "pipe/pipe_internal.h"
#include "process/process_internal.h"

#define HELLO_MAGIC 0x6e726f62006b7069u /* "ipk\0born" */
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
};

/* --- the nouns --- */

#define NOUNS(X)   \
	X(barrier) \
	X(cond) X(event) X(lock) X(once) X(queue) X(rwlock) X(semaphore) X(shm) X(value) X(array)

struct noun {
	const char *word;
	int (*send)(const ipk_inherit *from, ipk_pipe *via);
	int (*recv)(ipk_pipe *via, ipk_inherit *to);
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

#define ROW(noun) {#noun, send_##noun, recv_##noun},
static const struct noun nouns[] = {NOUNS(ROW) ROW(pipe) ROW(fd)};

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

/* --- the parent --- */

static int check_entry(const ipk_inherit *e)
{
	if (!find_noun(e->noun) || ipk__name_check(e->name) < 0)
		return -EINVAL;
	if (is_fd(e))
		return ipk__os_fd_check(e->fd);
	return e->handle ? 0 : -EBADF;
}

int ipk__inherit_check(const ipk_inherit *inherit, size_t n)
{
	int r = n > IPK_INHERIT_MAX || (n > 0 && !inherit) ? -EINVAL : 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		r = check_entry(&inherit[i]);
		for (size_t k = 0; r == 0 && k < i; k++) {
			if (strcmp(inherit[i].name, inherit[k].name) == 0)
				r = -EINVAL;
		}
	}
	return r;
}

static int send_packet(int fd, const void *packet, size_t n_bytes)
{
	const struct iovec part = {(void *)packet, n_bytes};

	return ipk__os_send(fd, &part, 1, NULL, 0);
}

static int pack(int fd, const ipk_inherit *inherit, size_t n)
{
	const struct hello hello = {HELLO_MAGIC, n};
	/* All that a pipe is asked for on the way is its side socket. */
	struct ipk_pipe via = {.side_fd = fd};
	int r = send_packet(fd, &hello, sizeof hello);

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct entry entry = {.magic = ENTRY_MAGIC};

		strcpy(entry.noun, inherit[i].noun);
		strcpy(entry.name, inherit[i].name);
		r = send_packet(fd, &entry, sizeof entry);
		if (r == 0)
			r = find_noun(inherit[i].noun)->send(&inherit[i], &via);
	}
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

/* --- the child --- */

IPK__AT_FORK_DATA static struct {
	const ipk_inherit *table;
	size_t n;
	_Atomic uint64_t given[(IPK_INHERIT_MAX + 63) / 64];
	int channel_fd; /* another program's, before it first asks */
	pthread_once_t once;
} here = {.channel_fd = -1, .once = PTHREAD_ONCE_INIT};

IPK__AT_FORK_CODE void ipk__inherit_set(const ipk_inherit *inherit, size_t n, int channel_fd)
{
	here.table = inherit;
	here.n = n;
	here.channel_fd = channel_fd;
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
	noun = find_noun(place->words.noun);
	if (place->words.magic != ENTRY_MAGIC || !noun)
		return -EPROTO;
	place->entry = (ipk_inherit){.noun = noun->word, .name = place->words.name, .fd = -1};
	return noun->recv(&via, &place->entry);
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

static bool is_channel(int fd, struct hello *hello)
{
	return fd > 2 && recv_packet(fd, hello, sizeof *hello, true) == 0 &&
	       hello->magic == HELLO_MAGIC && hello->n > 0 && hello->n <= IPK_INHERIT_MAX;
}

int ipk__inherit_take(int channel_fd)
{
	struct hello hello = {0};
	int r;

	here.channel_fd = -1;
	if (!is_channel(channel_fd, &hello))
		return -EPROTO;
	r = recv_packet(channel_fd, &hello, sizeof hello, false);
	if (r == 0)
		r = take_all(channel_fd, hello.n);
	ipk__os_close(channel_fd);
	return r;
}

static void take_once(void)
{
	if (here.channel_fd >= 0)
		(void)ipk__inherit_take(here.channel_fd);
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

void *ipk_inherited_handle(const char *noun, const char *name)
{
	const ipk_inherit *e = find(noun, name);

	return e ? e->handle : NULL;
}

int ipk_inherited_fd(const char *name)
{
	const ipk_inherit *e = find("fd", name);

	return e ? e->fd : -ENOENT;
}
