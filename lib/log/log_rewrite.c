/*
 * log_rewrite.c - rewrites the log, incrementally, into a new, short one.
 *
 * No fork: the store is shared memory, so a child would see every change. Instead the keys are
 * walked in the order of SCAN, a little in each turn of the loop, and each is written to the new
 * file in its current state.
 *
 * Invariant: a key is either in the new file, in its current state, or not at all. A request is
 * therefore logged to the new file if its keys are in, and not if none is: their later state will
 * be written. For a request with keys of both kinds the missing ones are written first
 * (ipk__log_before()). The position in that order tells which is which; only those written out of
 * turn are remembered.
 *
 * Large values are written in slices. Meanwhile requests on the fields of a large hash are allowed,
 * because they commute: a field that was written before is changed, and one that was not will be
 * written with its later value. Other requests on a value that is being written wait for all of it.
 *
 * At the end both files get everything, while a thread syncs the new one to disk and renames it.
 * Whichever file has the name when the server is killed is complete.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "os/os.h"
#include "log/log_internal.h"
#include "store/shared_objects.h"

#define SLICE_BYTES ((size_t)64 << 10)
#define STRING_BYTES ((size_t)1 << 20) /* a longer string goes in slices */
#define WRITE_BYTES ((size_t)256 << 10)
#define PAUSE_NS ((int64_t)10 * 1000000000) /* after one that failed */
enum { AT_ONCE_MAX = 64, ARGV_MAX = 2 + 2 * AT_ONCE_MAX, EARLY_MIN = 64 };

/* A key by name, of those that wait to be written in slices or were written out of turn. */
struct name {
	struct name *next;
	uint64_t position;
	size_t n_bytes;
	char bytes[];
};

struct ipk__rewrite {
	struct ipk__log_file next;
	uint64_t session_cursor;
	bool has_sessions;
	bool is_walked;
	bool is_final; /* the thread has it, or had */
	uint64_t cursor;
	uint64_t position; /* those below it are in, but for the pending ones */
	struct name *pending;
	struct name *slow; /* the key that is being written in slices; not in pending */
	uint64_t slow_id;
	uint64_t slow_at; /* cursor, index or offset */
	struct name **early;
	size_t n_early;
	size_t early_room; /* a power of two */
	int error;
};

/* --- names ------------------------------------------------------------------------------------ */

static struct ipk__slice slice_of(const struct name *name)
{
	return IPK__SLICE(name->bytes, name->n_bytes);
}

static struct name *make_name(struct ipk__rewrite *rw, struct ipk__slice bytes, uint64_t position)
{
	struct name *name = ipk__os_malloc(sizeof *name + bytes.n_bytes);

	if (!name) {
		rw->error = -ENOMEM;
		return NULL;
	}
	name->position = position;
	name->n_bytes = bytes.n_bytes;
	memcpy(name->bytes, bytes.bytes, bytes.n_bytes);
	return name;
}

/* Where it hangs in a list, or NULL. */
static struct name **find_name(struct name **list, struct ipk__slice bytes)
{
	for (; *list; list = &(*list)->next)
		if (ipk__slice_equal(slice_of(*list), bytes))
			return list;
	return NULL;
}

static struct name **early_list(struct ipk__rewrite *rw, uint64_t position)
{
	return &rw->early[(position * 0x9e3779b97f4a7c15u >> 32) & (rw->early_room - 1)];
}

static bool is_early(struct ipk__rewrite *rw, struct ipk__slice bytes, uint64_t position)
{
	return rw->n_early > 0 && find_name(early_list(rw, position), bytes);
}

static bool grow_early(struct ipk__rewrite *rw)
{
	struct name **old = rw->early;
	size_t n_old = rw->early_room;
	size_t n = n_old ? 2 * n_old : EARLY_MIN;
	struct name **lists = ipk__os_calloc(n, sizeof(struct name *));

	if (!lists) {
		rw->error = -ENOMEM;
		return false;
	}
	rw->early = lists;
	rw->early_room = n;
	for (size_t i = 0; i < n_old; i++)
		while (old[i]) {
			struct name *name = old[i];
			struct name **list = early_list(rw, name->position);

			old[i] = name->next;
			name->next = *list;
			*list = name;
		}
	free(old);
	return true;
}

static void add_early(struct ipk__rewrite *rw, struct ipk__slice bytes, uint64_t position)
{
	struct name *name;
	struct name **list;

	if (rw->n_early >= rw->early_room && !grow_early(rw))
		return;
	name = make_name(rw, bytes, position);
	if (!name)
		return;
	list = early_list(rw, position);
	name->next = *list;
	*list = name;
	rw->n_early++;
}

static void free_names(struct name *list)
{
	while (list) {
		struct name *next = list->next;

		free(list);
		list = next;
	}
}

/* Whether the new file has it. */
static bool is_in(struct ipk__log *log, struct ipk__slice bytes)
{
	struct ipk__rewrite *rw = log->rewrite;
	uint64_t position;

	if (rw->is_final)
		return true;
	if (rw->slow && ipk__slice_equal(slice_of(rw->slow), bytes))
		return true;
	if (rw->pending && find_name(&rw->pending, bytes))
		return false;
	position = ipk__scan_position(log->store, bytes);
	return rw->is_walked || position < rw->position || is_early(rw, bytes, position);
}

/* --- writing a key ---------------------------------------------------------------------------- */

struct words {
	struct ipk__slice argv[ARGV_MAX];
	size_t argc;
	size_t n_bytes;
};

static void begin_words(struct words *w, struct ipk__slice command, struct ipk__slice name)
{
	w->argv[0] = command;
	w->argv[1] = name;
	w->argc = 2;
	w->n_bytes = 0;
}

static void add_word(struct words *w, struct ipk__slice word)
{
	w->argv[w->argc++] = word;
	w->n_bytes += word.n_bytes;
}

static void end_words(struct ipk__rewrite *rw, struct words *w)
{
	if (w->argc == 2)
		return;
	ipk__log_file_begin(&rw->next, IPK__SLICE(NULL, 0), 0);
	ipk__resp_request(&rw->next.out, w->argv, w->argc);
	w->argc = 2;
}

static void put_expiry(struct ipk__rewrite *rw, struct ipk__slice name, int64_t at_ms)
{
	char text[24];
	struct words w;

	if (at_ms == 0)
		return;
	begin_words(&w, IPK__SLICE_OF("PEXPIREAT"), name);
	add_word(&w, IPK__SLICE(text, ipk__int64_to_text(at_ms, text)));
	end_words(rw, &w);
}

/* These write from *at on, a slice, and return whether there is more. */

static bool put_string(struct ipk__rewrite *rw, struct ipk__slice name, struct ipk__slice value,
		       uint64_t *at)
{
	size_t n = value.n_bytes - (size_t)*at;
	struct words w;

	if (n > STRING_BYTES)
		n = STRING_BYTES;
	begin_words(&w, *at == 0 ? IPK__SLICE_OF("SET") : IPK__SLICE_OF("APPEND"), name);
	add_word(&w, IPK__SLICE(value.bytes ? value.bytes + *at : NULL, n));
	end_words(rw, &w);
	*at += n;
	return *at < value.n_bytes;
}

static bool put_list(struct ipk__rewrite *rw, struct ipk__store *s, struct ipk__slice name,
		     struct ipk__store_list *list, uint64_t *at)
{
	struct ipk__store_list_iter it;
	struct ipk__slice item;
	struct words w;

	begin_words(&w, IPK__SLICE_OF("RPUSH"), name);
	ipk__store_list_begin(s, list, *at, false, &it);
	while (w.argc < ARGV_MAX && w.n_bytes < SLICE_BYTES && ipk__store_list_next(&it, &item)) {
		add_word(&w, item);
		++*at;
	}
	end_words(rw, &w);
	return *at < ipk__store_list_len(list);
}

struct fields {
	struct ipk__rewrite *rw;
	struct words w;
};

static void put_field(void *arg, struct ipk__entry *entry)
{
	struct fields *f = arg;

	add_word(&f->w, ipk__entry_name(entry));
	add_word(&f->w, ipk__entry_value(entry));
	if (f->w.argc == ARGV_MAX || f->w.n_bytes >= SLICE_BYTES)
		end_words(f->rw, &f->w);
}

static bool put_hash(struct ipk__rewrite *rw, struct ipk__store *s, struct ipk__slice name,
		     struct ipk__table *table, uint64_t *at)
{
	struct fields f = {.rw = rw};

	begin_words(&f.w, IPK__SLICE_OF("HSET"), name);
	for (int i = 0; i < AT_ONCE_MAX; i++) {
		*at = ipk__table_scan(s, table, *at, put_field, &f);
		if (*at == 0)
			break;
	}
	end_words(rw, &f.w);
	return *at != 0;
}

struct sync_object {
	struct ipk__log *log;
	struct ipk__slice name;
	struct ipk__buffer request;
};

static void put_object_command(void *arg, size_t argc, const struct ipk__slice *argv)
{
	struct sync_object *t = arg;
	struct ipk__rewrite *rw = t->log->rewrite;

	/* What it needs beside itself is made with it. */
	if (argc > 2 && ipk__slice_is_word(argv[0], "IPK.NEW") &&
	    !ipk__slice_equal(argv[2], t->name) && !is_in(t->log, argv[2]))
		add_early(rw, argv[2], ipk__scan_position(t->log->store, argv[2]));
	ipk__buffer_clear(&t->request);
	ipk__resp_request(&t->request, argv, argc);
	if (t->request.failed)
		rw->error = -ENOMEM;
	ipk__log_file_begin(&rw->next, IPK__SLICE(NULL, 0), 0);
	ipk__log_hide(&rw->next.out, 'c',
		      IPK__SLICE(ipk__buffer_front(&t->request), ipk__buffer_len(&t->request)));
}

static bool put_object(struct ipk__log *log, struct ipk__slice name, struct ipk__entry *key)
{
	struct sync_object t = {.log = log, .name = name};

	log->source->describe_object(log->owner, name, key, put_object_command, &t);
	ipk__buffer_free(&t.request);
	return false;
}

static bool put_slice(struct ipk__log *log, struct ipk__slice name, struct ipk__entry *key,
		      uint64_t *at)
{
	struct ipk__rewrite *rw = log->rewrite;
	struct ipk__store *s = log->store;
	bool is_first = *at == 0;
	bool has_more = false;

	switch (ipk__key_type(key)) {
	case IPK__TYPE_STRING:
		has_more = put_string(rw, name, ipk__entry_value(key), at);
		break;
	case IPK__TYPE_LIST:
		has_more = put_list(rw, s, name, ipk__key_list(s, key), at);
		break;
	case IPK__TYPE_HASH:
		has_more = put_hash(rw, s, name, ipk__key_table(s, key), at);
		break;
	case IPK__TYPE_SYNC_OBJECT:
		has_more = put_object(log, name, key);
		break;
	case IPK__TYPE_NONE:
		break;
	}
	if (is_first)
		put_expiry(rw, name, ipk__key_expires_ms(key));
	return has_more;
}

static void put_all(struct ipk__log *log, struct ipk__slice name, uint64_t at)
{
	struct ipk__entry *key = ipk__key_find(log->store, name);

	while (key && put_slice(log, name, key, &at))
		;
}

/* --- the key that is written in slices -------------------------------------------------------- */

static void end_slow(struct ipk__rewrite *rw)
{
	free(rw->slow);
	rw->slow = NULL;
}

static uint64_t id_of(struct ipk__log *log, struct ipk__entry *key)
{
	uint32_t slot;

	return ipk__key_object_id(log->store, key, &slot);
}

static void begin_slow(struct ipk__log *log)
{
	struct ipk__rewrite *rw = log->rewrite;
	struct ipk__entry *key;

	rw->slow = rw->pending;
	rw->pending = rw->slow->next;
	rw->slow_at = 0;
	key = ipk__key_find(log->store, slice_of(rw->slow));
	if (key)
		rw->slow_id = id_of(log, key);
	else
		end_slow(rw);
}

/* The same key as when it was started; what replaced it is in the requests. */
static struct ipk__entry *slow_key(struct ipk__log *log)
{
	struct ipk__rewrite *rw = log->rewrite;
	struct ipk__entry *key = ipk__key_find(log->store, slice_of(rw->slow));

	return key && id_of(log, key) == rw->slow_id ? key : NULL;
}

static void step_slow(struct ipk__log *log)
{
	struct ipk__rewrite *rw = log->rewrite;
	struct ipk__entry *key = slow_key(log);

	if (!key || !put_slice(log, slice_of(rw->slow), key, &rw->slow_at))
		end_slow(rw);
}

static void finish_slow(struct ipk__log *log)
{
	while (log->rewrite->slow)
		step_slow(log);
}

/* --- the walk --------------------------------------------------------------------------------- */

static bool is_large(struct ipk__store *s, struct ipk__entry *key)
{
	switch (ipk__key_type(key)) {
	case IPK__TYPE_STRING:
		return ipk__entry_value(key).n_bytes > STRING_BYTES;
	case IPK__TYPE_LIST:
		return ipk__store_list_len(ipk__key_list(s, key)) > AT_ONCE_MAX;
	case IPK__TYPE_HASH:
		return ipk__table_len(ipk__key_table(s, key)) > AT_ONCE_MAX;
	default:
		return false;
	}
}

static void walk_key(void *arg, struct ipk__entry *key)
{
	struct ipk__log *log = arg;
	struct ipk__rewrite *rw = log->rewrite;
	struct ipk__slice name = ipk__entry_name(key);
	uint64_t position = ipk__scan_position(log->store, name);

	if (position < rw->position || is_early(rw, name, position))
		return;
	if (is_large(log->store, key)) {
		struct name *wait = make_name(rw, name, position);

		if (!wait)
			return;
		wait->next = rw->pending;
		rw->pending = wait;
		return;
	}
	for (uint64_t at = 0; put_slice(log, name, key, &at);)
		;
}

static void walk(struct ipk__log *log)
{
	struct ipk__rewrite *rw = log->rewrite;
	struct ipk__store *s = log->store;
	uint64_t position;

	rw->cursor = ipk__table_scan(s, ipk__store_keys(s), rw->cursor, walk_key, log);
	position = ipk__scan_position_of_cursor(rw->cursor);
	if (rw->cursor == 0)
		rw->is_walked = true;
	else if (position > rw->position)
		rw->position = position;
}

/* --- sessions --------------------------------------------------------------------------------- */

static void put_answer(void *arg, struct ipk__slice id, uint64_t number, struct ipk__slice reply)
{
	struct ipk__log *log = arg;
	struct ipk__log_file *next = &log->rewrite->next;

	ipk__log_file_begin(next, id, number);
	ipk__log_hide(&next->out, 'r', reply);
	ipk__log_file_seal(next);
}

/* --- from its beginning to its end ------------------------------------------------------------ */

struct ipk__log_file *ipk__rewrite_file(struct ipk__log *log)
{
	return log->rewrite ? &log->rewrite->next : NULL;
}

bool ipk__rewrite_is_final(const struct ipk__log *log)
{
	return log->rewrite && log->rewrite->is_final;
}

static void free_rewrite(struct ipk__log *log)
{
	struct ipk__rewrite *rw = log->rewrite;

	for (size_t i = 0; i < rw->early_room; i++)
		free_names(rw->early[i]);
	free(rw->early);
	free_names(rw->pending);
	free(rw->slow);
	free(rw);
	log->rewrite = NULL;
	ipk__buffer_clear(&log->stage_of_next.bytes);
	log->stage_of_next.n_commands = log->stage_of_next.n_visible = 0;
}

void ipk__rewrite_abandon(struct ipk__log *log)
{
	int fd = log->rewrite->next.fd;

	(void)ipk__os_unlink(log->path_of_next);
	ipk__log_file_fini(&log->rewrite->next);
	free_rewrite(log);
	ipk__os_close(fd);
	log->rewrite_not_before_ns = ipk__os_now_ns() + PAUSE_NS;
}

int ipk__log_rewrite(struct ipk__log *log)
{
	struct ipk__rewrite *rw;
	int fd;
	int r;

	if (log->rewrite)
		return -EALREADY;
	rw = ipk__os_calloc(1, sizeof *rw);
	if (!rw)
		return -ENOMEM;
	r = ipk__os_file_open(log->path_of_next, IPK__OS_CREATE | IPK__OS_TRUNCATE | IPK__OS_APPEND,
			      &fd);
	if (r == 0) {
		r = ipk__os_lock_file(fd, IPK__OS_ALONE);
		if (r < 0)
			ipk__os_close(fd);
	}
	if (r < 0) {
		free(rw);
		return r;
	}
	ipk__log_file_init(&rw->next, fd, 0, 0);
	ipk__log_file_mark(&rw->next, IPK__LOG_FILE);
	log->rewrite = rw;
	return 0;
}

/* All is in: from now on both files are told of everything. */
static int finish_walk(struct ipk__log *log)
{
	struct ipk__rewrite *rw = log->rewrite;
	int r;

	ipk__log_file_mark(&rw->next, IPK__LOG_BASE);
	r = ipk__log_file_write(&rw->next);
	if (r < 0)
		return r;
	if (ipk__log_sync_post(&log->sync, rw->next.fd, log->path_of_next, log->path)) {
		log->is_syncing_main = false;
		rw->is_final = true;
	}
	return 0; /* the thread was busy: once more */
}

static int step(struct ipk__log *log)
{
	struct ipk__rewrite *rw = log->rewrite;

	if (!rw->has_sessions) {
		log->source->scan_replies(log->owner, &rw->session_cursor, put_answer, log);
		rw->has_sessions = rw->session_cursor == 0;
	} else if (rw->slow) {
		step_slow(log);
	} else if (rw->pending) {
		begin_slow(log);
	} else {
		walk(log);
	}
	if (rw->error == 0 && (ipk__buffer_len(&rw->next.out) > WRITE_BYTES || rw->next.out.failed))
		rw->error = ipk__log_file_write(&rw->next);
	return rw->error;
}

bool ipk__rewrite_step(struct ipk__log *log, int64_t until_ns)
{
	struct ipk__rewrite *rw = log->rewrite;
	int busy_result;
	int r = 0;

	while (r == 0 && !rw->is_final && ipk__os_now_ns() < until_ns) {
		if (!rw->is_walked || rw->slow || rw->pending) {
			r = step(log);
			continue;
		}
		/* What is appended within this turn is not in the other file yet either. */
		if (ipk__log_sync_is_busy(&log->sync, &busy_result))
			return false;
		r = finish_walk(log);
	}
	if (r < 0)
		ipk__rewrite_abandon(log);
	return r == 0 && !rw->is_final;
}

/* The new file has the name. */
static void take_over(struct ipk__log *log)
{
	struct ipk__log_file old = log->main;

	log->main = log->rewrite->next;
	log->main.n_records += old.n_records;
	free_rewrite(log);
	log->base_bytes = log->main.n_bytes;
	log->is_lost = log->main.out.failed;
	log->is_dirty = true;
	log->is_answer_due = false;
	if (log->error != 0 && !log->is_lost)
		log->retry_ns = 0;
	ipk__buffer_free(&old.out);
	ipk__log_sync_close(&log->sync, old.fd);
}

static bool has_name(struct ipk__log *log)
{
	struct ipk__os_stat a, b;
	bool is_same = false;
	int fd;

	if (ipk__os_file_open_to_read(log->path, &fd) < 0)
		return false;
	if (ipk__os_stat(fd, &a) == 0 && ipk__os_stat(log->rewrite->next.fd, &b) == 0)
		is_same = a.inode == b.inode && a.device == b.device;
	ipk__os_close(fd);
	return is_same;
}

void ipk__rewrite_poll(struct ipk__log *log)
{
	int result;

	if (!log->rewrite || !log->rewrite->is_final || ipk__log_sync_is_busy(&log->sync, &result))
		return;
	if (result == 0 || has_name(log))
		take_over(log);
	else
		ipk__rewrite_abandon(log);
}

/* --- requests meanwhile ----------------------------------------------------------------------- */

bool ipk__rewrite_wants(struct ipk__log *log, const struct ipk__log_request *r)
{
	/* Of a request's keys all are in or none: see ipk__log_before(). Without keys: FLUSHALL. */
	return r->keys.first > r->keys.last || is_in(log, r->argv[r->keys.first]);
}

static void write_early(struct ipk__log *log, struct ipk__slice name)
{
	struct ipk__rewrite *rw = log->rewrite;
	struct name **link = find_name(&rw->pending, name);
	struct name *wait = link ? *link : NULL;

	put_all(log, name, 0);
	if (!wait) {
		add_early(rw, name, ipk__scan_position(log->store, name));
		return;
	}
	*link = wait->next;
	free(wait);
}

void ipk__log_before(struct ipk__log *log, const struct ipk__log_request *r)
{
	struct ipk__rewrite *rw = log->rewrite;
	const struct ipk__log_keys k = r->keys;
	size_t n_in = 0, n = 0;

	if (!rw || rw->is_final)
		return;
	for (size_t i = k.first; i <= k.last; i += k.step) {
		n++;
		n_in += is_in(log, r->argv[i]);
		if (rw->slow && ipk__slice_equal(slice_of(rw->slow), r->argv[i]) &&
		    !r->is_on_fields) {
			ipk__log_commit_next(log); /* it is in what is written now */
			finish_slow(log);
		}
	}
	if (n_in == 0 || n_in == n)
		return;
	for (size_t i = k.first; i <= k.last; i += k.step)
		if (!is_in(log, r->argv[i]))
			write_early(log, r->argv[i]);
	if (rw->error < 0)
		ipk__rewrite_abandon(log);
}
