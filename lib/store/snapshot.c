/*
 * snapshot.c - the state of a manager from its memory, for inspection.
 *
 * The server is not queried: its segment is found in the fds of processes, mapped read-only and
 * copied. So it works on a server that hangs, is stopped, or was killed while a client still has
 * the segment. Nothing read is trusted: text is made printable, and numbers are only shown.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "inspect/inspect_internal.h"
#include "ipk/manager_inspect.h"
#include "os/os.h"
#include "store/shared_objects.h"
#include "store/view.h"

#define PREFIX "ipk:manager:"
#define OBJECTS_DEFAULT 1000
#define OBJECTS_MAX ((size_t)1 << 24)
#define SCAN_BYTES ((size_t)1 << 16)
#define SCAN_KEYS 256
#define CANDIDATES_MAX 64
#define EMPTY_SCANS_MAX 1000000 /* of a damaged table, whose cursor goes around */

struct ipk_manager_snapshot {
	ipk_manager_summary summary;
	ipk_manager_client *clients;
	size_t n_clients;
	ipk_manager_object *objects;
	size_t n_objects;
	size_t objects_room;
	ipk_manager_slow slow[IPK__STATUS_SLOW];
	size_t n_slow;
};

/* --- finding the segment ---------------------------------------------------------------------- */

struct candidate {
	uint64_t device, inode;
	int fd;
	bool is_meant;
	bool is_live;
	char label[64];
};

struct search {
	const char *which; /* NULL: any */
	pid_t pid;         /* 0: not by pid */
	struct candidate found[CANDIDATES_MAX];
	size_t n;
};

static bool wants(uint32_t place, const char *name)
{
	return place == IPK__OS_IN_MEMORY && strncmp(name, PREFIX, strlen(PREFIX)) == 0;
}

static struct candidate *candidate_of(struct search *search, const struct ipk__os_reference *s)
{
	struct candidate *c;

	for (size_t i = 0; i < search->n; i++)
		if (search->found[i].device == s->device && search->found[i].inode == s->inode)
			return &search->found[i];
	if (search->n == CANDIDATES_MAX)
		return NULL;
	c = &search->found[search->n];
	memset(c, 0, sizeof *c);
	if (ipk__os_open_sighted(s, &c->fd) < 0)
		return NULL;
	c->device = s->device;
	c->inode = s->inode;
	ipk__printable_bytes(s->name + strlen(PREFIX), strlen(s->name) - strlen(PREFIX), false,
			     c->label, sizeof c->label);
	search->n++;
	return c;
}

static int note(void *arg, const struct ipk__os_reference *s)
{
	struct search *search = arg;
	struct candidate *c = candidate_of(search, s);

	if (c && ((!search->which) || (search->pid != 0 && s->pid == search->pid) ||
		  strcmp(c->label, search->which) == 0))
		c->is_meant = true;
	return 0;
}

/* What only the memory itself says: its address, "unix:PATH" or "tcp:HOST:PORT", and who lives. */
static void examine(struct search *search)
{
	for (size_t i = 0; i < search->n; i++) {
		struct candidate *c = &search->found[i];
		struct ipk__view *view;
		int fd;

		if (ipk__os_dup(c->fd, &fd) < 0 || ipk__view_attach(fd, &view) < 0)
			continue;
		c->is_live = ipk__view_is_live(view);
		if (search->which && strncmp(ipk__view_status(view)->address, search->which,
					     sizeof ipk__view_status(view)->address) == 0)
			c->is_meant = true;
		ipk__view_close(view);
	}
}

static pid_t pid_of(const char *which)
{
	char *end;
	long pid = strtol(which, &end, 10);

	return *which && !*end && pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

/* Dead ones are not meant when one that lives is: clients may still have the last one's memory. */
static void prefer_the_living(struct search *search)
{
	bool one_lives = false;

	for (size_t i = 0; i < search->n; i++)
		one_lives |= search->found[i].is_meant && search->found[i].is_live;
	for (size_t i = 0; i < search->n && one_lives; i++)
		search->found[i].is_meant &= search->found[i].is_live;
}

/* The one that is meant; the fds of all others are closed. */
static int choose(struct search *search, struct candidate *ret_chosen)
{
	size_t n_meant = 0;

	for (size_t i = 0; i < search->n; i++)
		n_meant += search->found[i].is_meant;
	for (size_t i = 0; i < search->n; i++) {
		struct candidate *c = &search->found[i];

		if (c->is_meant && n_meant == 1)
			*ret_chosen = *c;
		else
			ipk__os_close(c->fd);
	}
	return n_meant == 1 ? 0 : n_meant == 0 ? -ENOENT : -ENOTUNIQ;
}

static int find(const char *which, struct candidate *ret_chosen)
{
	struct search *search = ipk__os_calloc(1, sizeof *search);
	struct ipk__os_walk walk = {wants, note, search};
	size_t n_hidden;
	int r;

	if (!search)
		return -ENOMEM;
	search->which = which;
	search->pid = which ? pid_of(which) : 0;
	r = ipk__os_walk_open_files(&walk, &n_hidden);
	if (r < 0) {
		for (size_t i = 0; i < search->n; i++)
			ipk__os_close(search->found[i].fd);
	} else {
		examine(search);
		prefer_the_living(search);
		r = choose(search, ret_chosen);
	}
	free(search);
	return r;
}

/* --- the whole -------------------------------------------------------------------------------- */

static void copy_text(const char *text, size_t text_bytes, char *buf, size_t buf_bytes)
{
	ipk__printable_bytes(text, strnlen(text, text_bytes), true, buf, buf_bytes);
}

static void summarize(const struct ipk__shm_status *b, struct ipk__view *view, const char *label,
		      ipk_manager_summary *s)
{
	int64_t now_ms = ipk__os_unix_ms();

	s->struct_size = sizeof *s;
	strcpy(s->label, label);
	copy_text(b->address, sizeof b->address, s->address, sizeof s->address);
	copy_text(b->log_path, sizeof b->log_path, s->log, sizeof s->log);
	s->server_pid = (pid_t)b->server_pid;
	s->is_alive = ipk__view_is_live(view);
	s->is_stopped = s->is_alive && ipk__os_is_stopped(s->server_pid) == 1;
	s->age_ms = now_ms - b->started_unix_ms;
	s->n_connections = atomic_load(&b->n_connections);
	s->n_refused = atomic_load(&b->n_refused);
	s->n_commands = atomic_load(&b->n_commands);
	s->n_local = atomic_load(&b->n_local);
	s->commands_per_second = s->is_alive ? atomic_load(&b->commands_per_second) : 0;
	s->n_clients = atomic_load(&b->n_clients);
	s->used_bytes = atomic_load(&b->used_bytes);
	s->max_bytes = atomic_load(&b->max_bytes);
	s->n_slow = atomic_load(&b->n_slow);
}

static void note_slow(const struct ipk__shm_status *b, ipk_manager_snapshot *snap)
{
	uint64_t n = snap->summary.n_slow;
	int64_t now_ms = ipk__os_unix_ms();

	for (uint64_t i = 0; i < n && i < IPK__STATUS_SLOW; i++) {
		const struct ipk__shm_slow *from = &b->slow[(n - 1 - i) % IPK__STATUS_SLOW];
		ipk_manager_slow *to = &snap->slow[snap->n_slow++];

		to->struct_size = sizeof *to;
		to->ago_ms = now_ms - from->at_unix_ms;
		to->took_ns = from->took_ns;
		to->client = from->client;
		copy_text(from->command, sizeof from->command, to->command, sizeof to->command);
	}
}

/* --- clients ---------------------------------------------------------------------------------- */

static int compare_clients(const void *a, const void *b)
{
	uint64_t x = ((const ipk_manager_client *)a)->id;
	uint64_t y = ((const ipk_manager_client *)b)->id;

	return (x > y) - (x < y);
}

static void copy_client(const struct ipk__shm_client *from, int64_t now_ms, ipk_manager_client *to)
{
	to->struct_size = sizeof *to;
	to->id = from->id;
	to->pid = (pid_t)from->pid;
	copy_text(from->address, sizeof from->address, to->address, sizeof to->address);
	copy_text(from->name, sizeof from->name, to->name, sizeof to->name);
	copy_text(from->command, sizeof from->command, to->command, sizeof to->command);
	to->age_ms = now_ms - from->since_unix_ms;
	to->n_commands = from->n_commands;
	to->out_bytes = from->out_bytes;
	if (from->waits_for != 0)
		to->waits_ms = now_ms - from->waits_unix_ms;
}

static int note_clients(const struct ipk__shm_status *b, ipk_manager_snapshot *snap)
{
	int64_t now_ms = ipk__os_unix_ms();

	snap->clients = ipk__os_calloc(IPK__STATUS_CLIENTS, sizeof *snap->clients);
	if (!snap->clients)
		return -ENOMEM;
	for (size_t i = 0; i < IPK__STATUS_CLIENTS; i++)
		if (b->clients[i].id != 0)
			copy_client(&b->clients[i], now_ms, &snap->clients[snap->n_clients++]);
	qsort(snap->clients, snap->n_clients, sizeof *snap->clients, compare_clients);
	return 0;
}

static const ipk_manager_client *client_of(const ipk_manager_snapshot *snap, uint64_t id)
{
	for (size_t i = 0; i < snap->n_clients; i++)
		if (snap->clients[i].id == id)
			return &snap->clients[i];
	return NULL;
}

/* Who waits for the object of that id. */
static void name_waiters(const struct ipk__shm_status *b, uint64_t id, const char *name,
			 ipk_manager_snapshot *snap)
{
	for (size_t i = 0; i < IPK__STATUS_CLIENTS; i++) {
		const struct ipk__shm_client *c = &b->clients[i];

		if (c->id == 0 || c->waits_for != id)
			continue;
		for (size_t k = 0; k < snap->n_clients; k++)
			if (snap->clients[k].id == c->id)
				strcpy(snap->clients[k].waits_for, name);
	}
}

/* --- objects ---------------------------------------------------------------------------------- */

static const char *const object_names[] = {
	[IPK__SYNC_LOCK] = "lock",           [IPK__SYNC_RLOCK] = "rlock",
	[IPK__SYNC_SEMAPHORE] = "semaphore", [IPK__SYNC_BOUNDED_SEMAPHORE] = "boundedsemaphore",
	[IPK__SYNC_CONDITION] = "condition", [IPK__SYNC_EVENT] = "event",
	[IPK__SYNC_BARRIER] = "barrier",     [IPK__SYNC_QUEUE] = "queue",
};

static const char *const type_names[] = {
	[IPK__TYPE_NONE] = "?",    [IPK__TYPE_STRING] = "string", [IPK__TYPE_HASH] = "hash",
	[IPK__TYPE_LIST] = "list", [IPK__TYPE_SYNC_OBJECT] = "?",
};

static void describe_object(const struct ipk__shm_sync_object *t, const ipk_manager_snapshot *snap,
			    ipk_manager_object *o)
{
	const ipk_manager_client *holder = client_of(snap, t->holder);

	if (t->kind < IPK__N_OF(object_names) && object_names[t->kind])
		strcpy(o->type, object_names[t->kind]);
	o->limit = t->limit;
	o->count = t->count;
	o->n_waiters = t->n_waiters;
	o->n_unfinished = t->n_unfinished;
	o->holder = t->holder;
	o->holder_pid = holder ? holder->pid : 0;
	if (t->kind == IPK__SYNC_QUEUE)
		o->len = t->n_items;
	if (t->holder != 0)
		o->held_ms = ipk__os_unix_ms() - t->since_unix_ms;
}

static void describe(struct ipk__view *view, const struct ipk__view_key *key,
		     ipk_manager_snapshot *snap, ipk_manager_object *o)
{
	struct ipk__shm_sync_object object;

	memset(o, 0, sizeof *o);
	o->struct_size = sizeof *o;
	ipk__printable_bytes(key->name.bytes, key->name.n_bytes, true, o->name, sizeof o->name);
	strcpy(o->type, type_names[key->type <= IPK__TYPE_SYNC_OBJECT ? key->type : 0]);
	o->len = key->len;
	o->n_bytes = key->n_bytes;
	o->ttl_ms = -1;
	if (key->expires_ms != 0)
		o->ttl_ms = IPK__MAX(key->expires_ms - ipk__os_unix_ms(), 0);
	if (key->type == IPK__TYPE_SYNC_OBJECT &&
	    ipk__view_sync_object(view, &key->spot, &object) == 0)
		describe_object(&object, snap, o);
}

static int add_object(ipk_manager_snapshot *snap, size_t max, const ipk_manager_object *o)
{
	if (snap->n_objects == max)
		return 0;
	if (snap->n_objects == snap->objects_room) {
		size_t room = snap->objects_room ? 2 * snap->objects_room : 64;
		ipk_manager_object *more = ipk__os_realloc(snap->objects, room * sizeof *more);

		if (!more)
			return -ENOMEM;
		snap->objects = more;
		snap->objects_room = room;
	}
	snap->objects[snap->n_objects++] = *o;
	return 0;
}

/* All keys once: the objects, or the rest up to @max. */
static int scan(struct ipk__view *view, ipk_manager_snapshot *snap, bool objects, size_t max)
{
	const struct ipk__shm_status *b = ipk__view_status(view);
	struct found {
		struct ipk__view_key keys[SCAN_KEYS];
		char text[SCAN_BYTES];
	} *found = ipk__os_malloc(sizeof *found);
	const struct ipk__view_key *keys = found ? found->keys : NULL;
	uint64_t cursor = 0;
	size_t n_scans = 0;
	int r = found ? 0 : -ENOMEM;

	do {
		size_t n = 0;

		if (r == 0)
			r = ipk__view_keys_scan(view, &cursor, found->text, SCAN_BYTES, found->keys,
						SCAN_KEYS, &n);
		for (size_t i = 0; i < n && r == 0; i++) {
			ipk_manager_object o;

			if (objects)
				snap->summary.n_keys++;
			if ((keys[i].type == IPK__TYPE_SYNC_OBJECT) != objects)
				continue;
			describe(view, &keys[i], snap, &o);
			r = add_object(snap, max, &o);
			name_waiters(b, keys[i].spot.id, o.name, snap);
		}
	} while (r == 0 && cursor != 0 && ++n_scans < EMPTY_SCANS_MAX &&
		 (objects || snap->n_objects < max));
	free(found);
	return r;
}

static int compare_objects(const void *a, const void *b)
{
	return strcmp(((const ipk_manager_object *)a)->name, ((const ipk_manager_object *)b)->name);
}

static int note_objects(struct ipk__view *view, size_t max, ipk_manager_snapshot *snap)
{
	size_t n_objects;
	int r = scan(view, snap, true, max);

	n_objects = snap->n_objects;
	if (r == 0)
		r = scan(view, snap, false, max);
	if (snap->n_objects > 0) {
		qsort(snap->objects, n_objects, sizeof *snap->objects, compare_objects);
		qsort(snap->objects + n_objects, snap->n_objects - n_objects, sizeof *snap->objects,
		      compare_objects);
	}
	/* A server that is busy or dead in the middle of a change: show what there is. */
	return r == -EAGAIN || r == -EPIPE || r == -ESTALE ? 0 : r;
}

/* --- the public calls ------------------------------------------------------------------------- */

static int read_store(int fd, const char *label, size_t max, ipk_manager_snapshot *snap)
{
	const struct ipk__shm_status *status;
	struct ipk__view *view;
	int r = ipk__view_attach(fd, &view);

	if (r < 0)
		return r;
	status = ipk__view_status(view);
	summarize(status, view, label, &snap->summary);
	note_slow(status, snap);
	r = note_clients(status, snap);
	if (r == 0)
		r = note_objects(view, max, snap);
	ipk__view_close(view);
	return r;
}

int ipk_manager_snapshot_take(const char *which, const ipk_manager_snapshot_opts *opts,
			      ipk_manager_snapshot **ret_snapshot)
{
	ipk_manager_snapshot_opts o = {.struct_size = sizeof o};
	ipk_manager_snapshot *snap;
	struct candidate chosen = {.fd = -1};
	int r = ret_snapshot && (!which || which[0])
			? 0
			: ipk__invalid("ret_snapshot is NULL, or which is empty");

	IPK__REQUIRE(ret_snapshot, "ret_snapshot is NULL");
	if (r == 0 && opts)
		r = ipk__opts_copy(&o, sizeof o, opts);
	if (r == 0)
		r = o.max_objects > OBJECTS_MAX
			    ? ipk__invalid("IPK_MANAGER_SNAPSHOT(.max_objects): too many")
			    : find(which, &chosen);
	if (r < 0)
		return r;
	snap = ipk__os_calloc(1, sizeof *snap);
	if (!snap) {
		ipk__os_close(chosen.fd);
		return -ENOMEM;
	}
	r = read_store(chosen.fd, chosen.label, o.max_objects ? o.max_objects : OBJECTS_DEFAULT,
		       snap);
	if (r < 0) {
		ipk_manager_snapshot_close(snap);
		return r;
	}
	*ret_snapshot = snap;
	return 0;
}

ipk_manager_snapshot *ipk_manager_snapshot_close(ipk_manager_snapshot *snapshot)
{
	if (!snapshot)
		return NULL;
	free(snapshot->clients);
	free(snapshot->objects);
	free(snapshot);
	return NULL;
}

const ipk_manager_summary *ipk_manager_snapshot_summary(const ipk_manager_snapshot *snapshot)
{
	return snapshot ? &snapshot->summary : NULL;
}

const ipk_manager_client *ipk_manager_snapshot_client(const ipk_manager_snapshot *snapshot,
						      size_t i)
{
	return snapshot && i < snapshot->n_clients ? &snapshot->clients[i] : NULL;
}

const ipk_manager_object *ipk_manager_snapshot_object(const ipk_manager_snapshot *snapshot,
						      size_t i)
{
	return snapshot && i < snapshot->n_objects ? &snapshot->objects[i] : NULL;
}

const ipk_manager_slow *ipk_manager_snapshot_slow(const ipk_manager_snapshot *snapshot, size_t i)
{
	return snapshot && i < snapshot->n_slow ? &snapshot->slow[i] : NULL;
}
