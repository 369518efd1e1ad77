/*
 * redis.c - the backend for real Redis and Valkey servers: connecting, and the effects of a fork.
 *
 * The parts are listed in redis.h. There is no process-wide connection: each call takes an idle one
 * or opens one, so threads do not wait for each other and a blocking call blocks no other.
 *
 * The child of a fork closes its copies of the connections unused, and has a session of its own: it
 * holds nothing that the parent holds.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "redis/redis.h"
#include "os/os.h"

#define LEASE_MS 10000
#define RETRY_MS 5000

static struct ipk__redis *redis_of(struct ipk__backend *b)
{
	return (struct ipk__redis *)b;
}

/* --- sessions --------------------------------------------------------------------------------- */

int ipk__redis_tokens(struct ipk__redis *r)
{
	unsigned char random[8];
	int e = ipk__os_random(random, sizeof random);

	for (size_t i = 0; i < sizeof random && e == 0; i++) {
		r->me[2 * i] = "0123456789abcdef"[random[i] >> 4];
		r->me[2 * i + 1] = "0123456789abcdef"[random[i] & 15];
	}
	r->me[16] = '-';
	r->me[17 + ipk__int64_to_text(ipk__os_pid(), r->me + 17)] = '\0';
	return e;
}

static void drop_links(struct ipk__redis *r)
{
	for (size_t i = 0; i < r->n_nodes; i++) {
		while (r->nodes[i]->idle) {
			struct ipk__redis_link *link = r->nodes[i]->idle;

			r->nodes[i]->idle = link->next;
			ipk__redis_link_close(link);
		}
	}
	ipk__redis_link_close(r->pinned);
	r->pinned = NULL;
	while (r->sequences) {
		struct ipk__redis_sequence *next = r->sequences->next;

		free(r->sequences);
		r->sequences = next;
	}
}

/* Another thread of the parent may have held the mutex: it is reinitialized. */
static int begin_anew(struct ipk__redis *r)
{
	pthread_mutex_init(&r->mutex, NULL);
	drop_links(r);
	ipk__redis_forget_held(r);
	atomic_fetch_add(&r->epoch, 1);
	return ipk__redis_tokens(r);
}

int ipk__redis_here(struct ipk__redis *r)
{
	pid_t here = ipk__os_pid();

	for (;;) {
		pid_t pid = atomic_load(&r->pid);
		int e;

		if (pid == here)
			return 0;
		if (pid == -1 || !atomic_compare_exchange_strong(&r->pid, &pid, -1)) {
			ipk__os_yield(); /* another thread is at it */
			continue;
		}
		e = begin_anew(r);
		atomic_store(&r->pid, e == 0 ? here : pid);
		if (e < 0)
			return e;
	}
}

/* --- the backend's functions ------------------------------------------------------------------ */

static int backend_call(struct ipk__backend *b, const struct ipk__call *call, ipk_deadline deadline)
{
	struct ipk__redis *r = redis_of(b);
	int e = ipk__redis_here(r);

	if (e < 0)
		return e;
	if (call->epoch != 0 && call->epoch != atomic_load(&r->epoch))
		return -EOWNERDEAD;
	e = ipk__redis_call(r, call, deadline);
	call->reply->epoch = atomic_load(&r->epoch);
	return e;
}

static int backend_call_many(struct ipk__backend *b, const struct ipk__call *calls, size_t n,
			     ipk_deadline deadline)
{
	int e = ipk__redis_here(redis_of(b));

	return e < 0 ? e : ipk__redis_call_many(redis_of(b), calls, n, deadline);
}

/* Leases outlive connections, so only a fork changes it. */
static uint32_t backend_epoch(struct ipk__backend *b)
{
	ipk__redis_here(redis_of(b));
	return atomic_load(&redis_of(b)->epoch);
}

static void backend_close(struct ipk__backend *b)
{
	struct ipk__redis *r = redis_of(b);

	if (ipk__redis_here(r) == 0)
		ipk__redis_release_all(r);
	drop_links(r);
	for (size_t i = 0; i < r->n_nodes; i++)
		free(r->nodes[i]);
	free(r->slots);
	pthread_mutex_destroy(&r->mutex);
	memset(&r->address, 0, sizeof r->address); /* the password */
	free(r);
}

static const struct ipk__backend_ops ops = {
	.call = backend_call,
	.call_many = backend_call_many,
	.watch_keys = ipk__redis_watch_keys,
	.exec = ipk__redis_exec,
	.unwatch = ipk__redis_unwatch,
	.epoch = backend_epoch,
	.watch_open = ipk__redis_watch_open,
	.watch_fd = ipk__redis_watch_fd,
	.watch_next = ipk__redis_watch_next,
	.watch_close = ipk__redis_watch_close,
	.close = backend_close,
};

/* --- connecting ------------------------------------------------------------------------------- */

/* The key of the options is the password, unless the address has one. */
static int use_key(struct ipk__redis_address *a, const ipk_manager_connect_opts *opts)
{
	size_t n = opts->key_bytes;
	int fd;
	int e;

	if (a->password[0] || (!opts->key && !opts->key_file))
		return 0;
	if (opts->key) {
		n = n > 0 ? n : strlen(opts->key);
		IPK__REQUIRE(n < sizeof a->password,
			     "IPK_MANAGER_CONNECT(.key_bytes): 511 at most");
		memcpy(a->password, opts->key, n);
		return 0;
	}
	e = ipk__os_file_open(opts->key_file, 0, &fd);
	if (e < 0)
		return e;
	for (n = 0; e == 0 && n < sizeof a->password; n += e == 0)
		e = ipk__os_pread(fd, a->password + n, 1, n);
	ipk__os_close(fd);
	if (e != -ENODATA || n > sizeof a->password - 1)
		return e < 0 && e != -ENODATA
			       ? e
			       : ipk__invalid(
					 "IPK_MANAGER_CONNECT(.key_file): 511 bytes at most in it");
	while (n > 0 && (a->password[n - 1] == '\n' || a->password[n - 1] == '\r'))
		a->password[--n] = 0;
	return 0;
}

/* Its slots, or one answer: that it is a Redis server, and the password is right. */
static int say_hello(struct ipk__redis *r, ipk_deadline deadline)
{
	struct ipk__slice ping = IPK__SLICE_OF("PING");
	struct ipk__redis_link *link;
	struct ipk__slice reply = {0};
	int e = ipk__redis_refresh(r, deadline);

	if (e < 0 || r->address.is_cluster)
		return e;
	e = ipk__redis_take_link(r, 0, deadline, &link);
	if (e < 0)
		return e;
	e = ipk__redis_link_call(link, &ping, 1, deadline, &reply);
	if (e == 0 && reply.bytes[0] == '-' && memcmp(reply.bytes, "-LOADING", 8) != 0)
		e = ipk__manager_fail(memcmp(reply.bytes, "-NO", 3) == 0 ? -EACCES : -EPROTO,
				      "%.*s", (int)reply.n_bytes - 3, reply.bytes + 1);
	ipk__redis_give_link(r, 0, link);
	return e;
}

int ipk__redis_connect(const char *address, const ipk_manager_connect_opts *opts,
		       ipk_deadline deadline, struct ipk__backend **ret_backend)
{
	struct ipk__redis *r = ipk__os_calloc(1, sizeof *r);
	int e;

	if (!r)
		return -ENOMEM;
	r->base.ops = &ops;
	atomic_store(&r->pid, ipk__os_pid());
	atomic_store(&r->epoch, 1);
	pthread_mutex_init(&r->mutex, NULL);
	e = ipk__redis_address_parse(address, &r->address);
	if (e == 0)
		e = use_key(&r->address, opts);
	if (e == 0)
		e = ipk__redis_tokens(r);
	if (r->address.lease_ms == 0)
		r->address.lease_ms = opts->lease_ms > 0 ? opts->lease_ms : LEASE_MS;
	r->retry_ms = opts->reconnect_ms == 0 ? RETRY_MS : opts->reconnect_ms;
	if (e == 0)
		e = say_hello(r, deadline);
	if (e < 0) {
		backend_close(&r->base);
		return e;
	}
	*ret_backend = &r->base;
	return 0;
}
