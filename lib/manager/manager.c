/*
 * manager.c - connecting to a server of any kind, handles, and calls on the whole of it.
 *
 * Invariant: everything that differs between the kinds of servers is behind m->backend.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "manager/manager_internal.h"
#include "os/os.h"

/* --- connecting ------------------------------------------------------------------------------- */

static int backend_of(const char *address, const ipk_manager_connect_opts *opts,
		      ipk_deadline deadline, struct ipk__backend **ret_backend)
{
	if (strncmp(address, "unix:", 5) == 0 || strncmp(address, "tcp:", 4) == 0)
		return ipk__native_connect(address, opts, deadline, ret_backend);
	if (strncmp(address, "redis", 5) == 0)
		return ipk__redis_connect(address, opts, deadline, ret_backend);
	return ipk__invalid("address: unix:PATH, tcp:HOST:PORT or redis..., see manager.h");
}

int ipk_manager_connect(const char *address, const ipk_manager_connect_opts *opts,
			ipk_deadline deadline, ipk_manager **ret_m)
{
	ipk_manager_connect_opts o = {.struct_size = sizeof o};
	ipk_manager *m;
	int r;

	ipk__note_detail(0, NULL); /* the kernel's -EINVAL has none */
	if (!address || !ret_m)
		return ipk__invalid("address or ret_m is NULL");
	if (opts)
		IPK_TRY(ipk__opts_copy(&o, sizeof o, opts));
	if (o.key && o.key_file)
		return ipk__invalid("IPK_MANAGER_CONNECT(.key_file): not with .key");
	m = ipk__os_calloc(1, sizeof *m);
	if (!m)
		return -ENOMEM;
	r = backend_of(address, &o, deadline, &m->backend);
	if (r < 0) {
		free(m);
		return r;
	}
	m->transaction_pid = ipk__os_pid();
	*ret_m = m;
	return 0;
}

ipk_manager *ipk_manager_close(ipk_manager *m)
{
	if (m) {
		m->backend->ops->close(m->backend);
		free(m);
	}
	return NULL;
}

/* --- handles ---------------------------------------------------------------------------------- */

int ipk__handle_make(ipk_manager *m, const char *name, size_t n_bytes, void *ret_handle)
{
	struct ipk__handle *h;
	size_t name_bytes;

	if (!m)
		return -EBADF;
	name_bytes = name ? strlen(name) : 0;
	if (name_bytes == 0 || name_bytes > IPK__OBJECT_NAME_MAX)
		return ipk__invalid(IPK__WRONG_NAME);
	h = ipk__os_calloc(1, n_bytes + name_bytes + 1);
	if (!h)
		return -ENOMEM;
	h->m = m;
	memcpy((char *)h + n_bytes, name, name_bytes);
	h->name = IPK__SLICE((char *)h + n_bytes, name_bytes);
	memcpy(ret_handle, &h, sizeof(void *));
	return 0;
}

static bool spot_of(struct ipk__handle *h, uint64_t generation, struct ipk__spot *ret_spot)
{
	if (atomic_load_explicit(&h->generation, memory_order_acquire) != generation)
		return false;
	ret_spot->id = atomic_load_explicit(&h->spot_id, memory_order_relaxed);
	ret_spot->slot = atomic_load_explicit(&h->spot_slot, memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&h->generation, memory_order_relaxed) == generation;
}

/* If two threads do this at once their stores may mix: the view detects that as stale. */
static void remember(struct ipk__handle *h, uint64_t generation, const struct ipk__spot *spot)
{
	atomic_store_explicit(&h->generation, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&h->spot_id, spot->id, memory_order_relaxed);
	atomic_store_explicit(&h->spot_slot, spot->slot, memory_order_relaxed);
	atomic_store_explicit(&h->generation, generation, memory_order_release);
}

void ipk__handle_lost(struct ipk__handle *h)
{
	atomic_store_explicit(&h->generation, 0, memory_order_relaxed);
}

int ipk__handle_view(struct ipk__handle *h, enum ipk__key_type type, struct ipk__view **ret_view,
		     struct ipk__spot *ret_spot)
{
	const struct ipk__backend_ops *ops = h->m->backend->ops;
	struct ipk__view *view;
	uint64_t generation;
	int r;

	view = ops->view ? ops->view(h->m->backend, &generation) : NULL;
	if (!view)
		return -EAGAIN;
	if (!spot_of(h, generation, ret_spot)) {
		r = ipk__view_find(view, h->name, type, ret_spot);
		if (r < 0)
			return r;
		remember(h, generation, ret_spot);
	}
	*ret_view = view;
	return 0;
}

/* --- the whole -------------------------------------------------------------------------------- */

static int object_name(ipk_manager *m, const char *name, struct ipk__slice *ret_name)
{
	if (!m)
		return -EBADF;
	*ret_name = ipk__slice_of_string(name ? name : "");
	IPK__REQUIRE(ret_name->n_bytes > 0 && ret_name->n_bytes <= IPK__OBJECT_NAME_MAX,
		     IPK__WRONG_NAME);
	return 0;
}

int ipk_manager_ping(ipk_manager *m, ipk_deadline deadline)
{
	struct ipk__response reply;
	int r;

	if (!m)
		return -EBADF;
	ipk__response_init(&reply);
	r = ipk__ask(m, IPK__CALL_READ, &reply, deadline, IPK__ARG("PING"));
	ipk__response_fini(&reply);
	return r;
}

bool ipk_manager_is_local(ipk_manager *m)
{
	struct ipk__view *view;
	uint64_t generation;
	bool is_live;

	if (!m || !m->backend->ops->view)
		return false;
	view = m->backend->ops->view(m->backend, &generation);
	if (!view)
		return false;
	is_live = ipk__view_is_live(view);
	return is_live;
}

int ipk_manager_delete(ipk_manager *m, const char *name, ipk_deadline deadline)
{
	struct ipk__slice word;
	int64_t n;

	IPK_TRY(object_name(m, name, &word));
	IPK_TRY(ipk__ask_int(m, 0, deadline, &n, IPK__ARG("DEL"), word));
	return n > 0 ? 0 : -ENOENT;
}

int ipk_manager_exists(ipk_manager *m, const char *name, ipk_deadline deadline, bool *ret_exists)
{
	struct ipk__slice word;
	int64_t n;

	IPK__REQUIRE(ret_exists, "ret_exists is NULL");
	IPK_TRY(object_name(m, name, &word));
	IPK_TRY(ipk__ask_int(m, IPK__CALL_READ, deadline, &n, IPK__ARG("EXISTS"), word));
	*ret_exists = n > 0;
	return 0;
}

int ipk_manager_type(ipk_manager *m, const char *name, char *buf, size_t buf_bytes,
		     ipk_deadline deadline)
{
	struct ipk__slice word;
	char type[64];
	size_t n;

	IPK_TRY(object_name(m, name, &word));
	IPK_TRY(ipk__ask_copy(m, IPK__ARGV(IPK__ARG("TYPE"), word), type, sizeof type - 1, deadline,
			      &n));
	type[n] = '\0';
	if (strcmp(type, "none") == 0)
		return -ENOENT;
	return ipk__copy_out(IPK__SLICE(type, n + 1), buf, buf_bytes, NULL);
}

int ipk_manager_expire(ipk_manager *m, const char *name, int64_t ms, ipk_deadline deadline)
{
	struct ipk__number room;
	struct ipk__slice word;
	bool exists = true;
	int64_t n;

	IPK_TRY(object_name(m, name, &word));
	if (ms >= 0)
		IPK_TRY(ipk__ask_int(m, 0, deadline, &n, IPK__ARG("PEXPIRE"), word,
				     ipk__number_arg(&room, ms)));
	else
		IPK_TRY(ipk__ask_int(m, 0, deadline, &n, IPK__ARG("PERSIST"), word));
	if (ms < 0 && n == 0)
		IPK_TRY(ipk_manager_exists(m, name, deadline, &exists));
	return n > 0 || (ms < 0 && exists) ? 0 : -ENOENT;
}

int ipk_manager_flush(ipk_manager *m, ipk_deadline deadline)
{
	return m ? ipk__tell(m, deadline, IPK__ARG("FLUSHALL")) : -EBADF;
}

int ipk_manager_len(ipk_manager *m, ipk_deadline deadline, uint64_t *ret_len)
{
	int64_t n;

	if (!m)
		return -EBADF;
	IPK_TRY(ipk__ask_int(m, IPK__CALL_READ, deadline, &n, IPK__ARG("DBSIZE")));
	if (ret_len)
		*ret_len = (uint64_t)n;
	return 0;
}

/* --- any command ------------------------------------------------------------------------------ */

/* These would change what the shared connection is, or hold it up. */
static bool is_refused(struct ipk__slice word)
{
	static const char *const words[] = {
		"SELECT",   "MULTI",     "EXEC",        "DISCARD",     "WATCH",
		"UNWATCH",  "SUBSCRIBE", "PSUBSCRIBE",  "SSUBSCRIBE",  "RESET",
		"QUIT",     "HELLO",     "AUTH",        "MONITOR",     "BLPOP",
		"BRPOP",    "BLMOVE",    "BLMPOP",      "BRPOPLPUSH",  "BZPOPMIN",
		"BZPOPMAX", "BZMPOP",    "WAIT",        "IPK.SESSION", "IPK.LOCAL",
		"IPK.AUTH", "IPK.WATCH", "IPK.UNWATCH", "IPK.CANCEL",  "IPK.LEAVE",
		"SYNC",     "PSYNC",
	};

	for (size_t i = 0; i < IPK__N_OF(words); i++)
		if (ipk__slice_is_word(word, words[i]))
			return true;
	return false;
}

int ipk__command_argv(const ipk_bytes *words, size_t argc, struct ipk__slice **ret_argv)
{
	struct ipk__slice *argv;

	IPK__REQUIRE(argc > 0, "n_words: 1 or more");
	IPK_TRY(ipk__argv_of(NULL, 0, words, argc, &argv));
	if (argv[0].n_bytes == 0 || is_refused(argv[0])) {
		free(argv);
		return ipk__invalid("words: a command that blocks or changes the connection, or "
				    "an empty one");
	}
	*ret_argv = argv;
	return 0;
}

int ipk_manager_command(ipk_manager *m, const ipk_bytes *words, size_t argc, ipk_deadline deadline,
			ipk_reply **ret_reply)
{
	struct ipk__response reply;
	struct ipk__slice *argv;
	ipk_reply *public;
	int r;

	if (!m)
		return -EBADF;
	IPK__REQUIRE(ret_reply, "ret_reply is NULL");
	IPK_TRY(ipk__command_argv(words, argc, &argv));
	ipk__response_init(&reply);
	r = ipk__ask_raw(m, &(struct ipk__call){.argv = argv, .argc = argc, .reply = &reply},
			 deadline);
	free(argv);
	public = r == 0 ? ipk__response_public(&reply) : NULL;
	if (r < 0 || !public) {
		ipk__response_fini(&reply);
		return r < 0 ? r : -ENOMEM;
	}
	*ret_reply = public;
	return 0;
}
