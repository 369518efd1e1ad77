/*
 * object.c - builds the object, or objects, of one file from its references.
 *
 * The name says what the object should be, its memory what it is. Any reference can be used to open
 * the file, and each may be stale, so they are tried in turn; if all fail, the object is gone. One
 * that exists but is unreadable is kept, with its error. An arena is a whole with a part for each
 * object in it; the parts share what belongs to the file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "inspect/inspect_internal.h"

#define NAME_BYTES (4 * 512) /* of 512 bytes each may be written as \xNN */

/* --- its name --------------------------------------------------------------------------------- */

static const char *behind(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(text, prefix, n) == 0 ? text + n : NULL;
}

static bool is_nameless(const struct ipk__os_reference *s)
{
	return s->place == IPK__OS_IN_SHM && s->name[0] == '#';
}

/* The reference that best identifies the name. */
static const struct ipk__os_reference *best(const struct ipk__os_reference *references, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!is_nameless(&references[i]))
			return &references[i];
	}
	return references;
}

/* The name of @s, without its location, and the kind that the location implies. */
static const char *read_name(const struct ipk__os_reference *s, ipk_inspect_kind *ret_kind)
{
	static const struct {
		const char *text;
		ipk_inspect_kind kind;
	} prefixes[] = {
		{"ipk:queue:", IPK_INSPECT_QUEUE},         {"ipk:pipe:", IPK_INSPECT_PIPE},
		{"ipk:arena:", IPK_INSPECT_ARENA},         {"ipk:shm:", IPK_INSPECT_SHM},
		{"ipk:manager:", IPK_INSPECT_MANAGER},     {"ipk:pool:", IPK_INSPECT_POOL},
		{"ipk:processes:", IPK_INSPECT_PROCESSES},
	};
	const char *name;

	*ret_kind = IPK_INSPECT_OTHER;
	if (s->place == IPK__OS_IN_SHM) {
		name = behind(s->name, "ipk.");
		return name ? name : s->name;
	}
	*ret_kind = IPK_INSPECT_QUEUE;
	if (s->place == IPK__OS_IN_MQ)
		return s->name;
	for (size_t i = 0; i < IPK__N_OF(prefixes); i++) {
		*ret_kind = prefixes[i].kind;
		name = behind(s->name, prefixes[i].text);
		if (name)
			return name;
	}
	*ret_kind = IPK_INSPECT_OTHER;
	return s->name;
}

bool ipk__object_may_be_called(const struct ipk__os_reference *s, const char *name)
{
	char text[NAME_BYTES];
	ipk_inspect_kind kind;
	const char *own = read_name(s, &kind);

	if (s->place != IPK__OS_IN_MEMORY || kind == IPK_INSPECT_ARENA)
		return true;
	ipk__printable(own, false, text, sizeof text);
	return strcmp(text, name) == 0;
}

int ipk__object_set_name(struct ipk__object *o, const char *scheme, const char *name)
{
	char text[NAME_BYTES];
	size_t n_scheme = strlen(scheme);
	size_t n;

	ipk__printable(name, false, text, sizeof text);
	n = strlen(text) + 1;
	o->name = ipk__os_malloc(n_scheme + n);
	if (!o->name)
		return -ENOMEM;
	memcpy(o->name, scheme, n_scheme);
	memcpy(o->name + n_scheme, text, n);
	o->pub.name = o->name;
	return 0;
}

/* --- its users -------------------------------------------------------------------------------- */

/*
 * Who uses an object can write to it. Who can only read is looking, as we are, except at
 * shared memory and message queues, which may be opened so.
 */
static bool is_user(const struct ipk__object *o, const struct ipk__os_reference *s)
{
	return s->pid != 0 && (!s->is_read_only || o->pub.kind == IPK_INSPECT_SHM ||
			       o->pub.kind == IPK_INSPECT_MANAGER || s->place == IPK__OS_IN_MQ);
}

/* Without a name and a user, only an inspector that reads it, as we do, keeps it from vanishing. */
static bool is_kept(const struct ipk__object *o, const struct ipk__os_reference *references,
		    size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (references[i].pid == 0 || is_user(o, &references[i]))
			return true;
	}
	return false;
}

static size_t count_users(const struct ipk__object *o, const struct ipk__os_reference *references,
			  size_t n)
{
	size_t n_users = 0;
	pid_t last = 0;

	for (size_t i = 0; i < n; i++) {
		if (!is_user(o, &references[i]))
			continue;
		n_users += references[i].pid != last;
		last = references[i].pid;
	}
	return n_users;
}

static void name_user(ipk_inspect_user *user)
{
	struct ipk__os_thread thread;

	int r = ipk__os_thread((pid_t)user->pid, &thread);

	user->is_gone = r == -ESRCH;
	if (r == 0)
		ipk__printable(thread.comm, true, user->comm, sizeof user->comm);
}

/* The references are sorted by pid, those without one first. */
static int set_users(struct ipk__object *o, const struct ipk__os_reference *references, size_t n)
{
	ipk_inspect_user *user;
	size_t n_users = count_users(o, references, n);

	if (n_users == 0)
		return 0;
	o->users = ipk__os_calloc(n_users, sizeof *o->users);
	if (!o->users)
		return -ENOMEM;
	user = o->users - 1;
	for (size_t i = 0; i < n; i++) {
		if (!is_user(o, &references[i]))
			continue;
		if (user < o->users || user->pid != (uint32_t)references[i].pid) {
			*++user = (ipk_inspect_user){sizeof *user, (uint32_t)references[i].pid, 0,
						     ""};
			name_user(user);
		}
		user->n_fds++;
	}
	o->pub.n_users = n_users;
	return 0;
}

/* A process that has the whole open may use each part: parts have no users of their own. */
static void share_users(struct ipk__object *whole)
{
	for (size_t i = 0; i < whole->n_parts; i++) {
		whole->parts[i]->users = whole->users;
		whole->parts[i]->pub.n_users = whole->pub.n_users;
	}
}

/* --- its parts -------------------------------------------------------------------------------- */

#define PARTS_ROOM_START 16

static int grow_parts(struct ipk__object *whole)
{
	size_t room = whole->parts_room ? 2 * whole->parts_room : PARTS_ROOM_START;
	struct ipk__object **parts = ipk__os_calloc(room, sizeof(struct ipk__object *));

	if (!parts)
		return -ENOMEM;
	if (whole->n_parts > 0)
		memcpy(parts, whole->parts, whole->n_parts * sizeof(struct ipk__object *));
	free(whole->parts);
	whole->parts = parts;
	whole->parts_room = room;
	return 0;
}

int ipk__object_add_part(struct ipk__object *whole, struct ipk__object **ret_part)
{
	struct ipk__object *o;
	int r = whole->n_parts == whole->parts_room ? grow_parts(whole) : 0;

	if (r < 0)
		return r;
	o = ipk__os_calloc(1, sizeof *o);
	if (!o)
		return -ENOMEM;
	o->pub = whole->pub;
	o->is_part = true;
	whole->parts[whole->n_parts++] = o;
	*ret_part = o;
	return 0;
}

void ipk__object_drop_part(struct ipk__object *whole)
{
	ipk__object_free(whole->parts[--whole->n_parts]);
}

/* --- its memory ------------------------------------------------------------------------------- */

void ipk__object_forget(struct ipk__object *o)
{
	size_t known = offsetof(ipk_inspect_object, n_channels);

	memset((char *)&o->pub + known, 0, sizeof o->pub - known);
}

static bool is_out_of_room(int r)
{
	return r == -EMFILE || r == -ENFILE || r == -ENOMEM;
}

static int open_any(const struct ipk__os_reference *references, size_t n, int *ret_fd)
{
	int first = -ENOENT;

	for (size_t i = 0; i < n; i++) {
		int r = ipk__os_open_sighted(&references[i], ret_fd);

		if (r == 0 || is_out_of_room(r))
			return r;
		if (first == -ENOENT)
			first = r;
	}
	return first;
}

static int probe_references(struct ipk__object *o, const struct ipk__os_reference *references,
			    size_t n, char *label)
{
	int fd;
	int r = open_any(references, n, &fd);

	if (r < 0)
		return r;
	if (references->place == IPK__OS_IN_MQ) {
		r = ipk__probe_mq(fd, o);
		ipk__os_mq_close(fd);
	} else {
		r = ipk__probe_segment(fd, o, label);
		ipk__os_close(fd);
	}
	return r;
}

/* 0 also when it is unreadable: then the object carries the error. */
static int fill(struct ipk__object *o, const struct ipk__os_reference *references, size_t n)
{
	const struct ipk__os_reference *s = best(references, n);
	const char *name = read_name(s, &o->pub.kind);
	char label[IPK__LABEL_BYTES] = "";
	int r;

	/* Not even opened: inspectors that take turns would keep it, and its memory, for ever. */
	if (s->place == IPK__OS_IN_MEMORY && !is_kept(o, references, n))
		return -ENOENT;
	r = probe_references(o, references, n, label);
	if (r == -ENOENT || is_out_of_room(r))
		return r;
	/* The kind, which tells whether readers are users, may be known only now. */
	if (r == 0 && !is_kept(o, references, n))
		return -ENOENT;
	/* Without a name of ours it may be any program's file. */
	if (is_nameless(s) && label[0] == '\0' && r != -EBADMSG)
		return -ENOENT;
	o->pub.error = r;
	if (is_nameless(s) && label[0] != '\0')
		name = label;
	r = ipk__object_set_name(o, s->place == IPK__OS_IN_MQ ? "mq:" : "", name);
	if (r == 0)
		r = set_users(o, references, n);
	share_users(o);
	return r;
}

int ipk__object_make(const struct ipk__os_reference *references, size_t n,
		     struct ipk__object **ret_object)
{
	struct ipk__object *o = ipk__os_calloc(1, sizeof *o);
	int r;

	if (!o)
		return -ENOMEM;
	o->pub.struct_size = sizeof o->pub;
	o->pub.id = references->inode;
	o->pub.memory_bytes = IPK_INSPECT_UNKNOWN;
	o->pub.is_named = references->place != IPK__OS_IN_MEMORY;
	o->pub.is_unlinked = o->pub.is_named && references->n_links == 0;
	r = fill(o, references, n);
	if (r < 0) {
		ipk__object_free(o);
		return r;
	}
	*ret_object = o;
	return 0;
}

void ipk__object_free(struct ipk__object *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->n_parts; i++)
		ipk__object_free(o->parts[i]);
	free(o->parts);
	free(o->name);
	if (!o->is_part)
		free(o->users);
	free(o->holders);
	free(o->waiters);
	free(o->items);
	free(o->workers);
	free(o->children);
	free(o->hints);
	free(o);
}
