/*
 * ops_shm.c - named shared memory: creating, opening, closing, unlinking and replacing it.
 *
 * The name leads to complete memory or to none, and during a replacement to the old or to the new
 * memory, with its contents. "raw" has no header; "last" is removed with its last user, or, when
 * all users were killed, by the next one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "participants.h"
#include "ipk/shm.h"

enum { ANONYMOUS, NAMED, RAW, LAST };
#define OLD_BYTES 5000
#define NEW_BYTES 9000

static unsigned flags(const struct fixture *s)
{
	return s->op->variant == RAW ? IPK_SHM_RAW : 0;
}

static int create(struct fixture *s, ipk_shm **ret_shm)
{
	return ipk_shm_create(IPK_SHM(.name = s->op->variant == ANONYMOUS ? NULL : s->name,
				      .size_bytes = OLD_BYTES, .is_raw = s->op->variant == RAW,
				      .unlink_last = s->op->variant == LAST),
			      ret_shm);
}

static int open_it(struct fixture *s, ipk_shm **ret_shm)
{
	return ipk_shm_open(s->name, flags(s), ipk_now(), ret_shm);
}

/* --- the fixture ------------------------------------------------------------------------------ */

static int make_nothing(struct fixture *s)
{
	s->shm = s->shm_opened = NULL;
	return 0;
}

static int make(struct fixture *s)
{
	int r = make_nothing(s);

	if (r == 0)
		r = create(s, &s->shm);
	if (r == 0)
		memset(ipk_shm_data(s->shm), 0x5a, OLD_BYTES);
	return r;
}

/* All who had it are dead, and the name is left. */
static int create_and_leave(struct fixture *s)
{
	ipk_shm *shm = NULL;

	return create(s, &shm);
}

static int make_left_behind(struct fixture *s)
{
	int r = make_nothing(s);

	return r < 0 ? r : let_die(s, create_and_leave);
}

static bool has_name(const struct fixture *s)
{
	char path[128];

	snprintf(path, sizeof path, "/dev/shm/%s%s", s->op->variant == RAW ? "" : "ipk.", s->name);
	return access(path, F_OK) == 0;
}

static void unmake(struct fixture *s)
{
	int r;

	s->shm = ipk_shm_close(s->shm);
	r = ipk_shm_unlink(s->name, flags(s));
	if (r != 0 && r != -ENOENT)
		history_fault(s->history, &s->history->faults.wrong, "unlink is %d", r);
	if (has_name(s))
		history_fault(s->history, &s->history->faults.leaked, "the name is left");
}

/* --- the victim ------------------------------------------------------------------------------- */

static int act_create(struct fixture *s)
{
	return create(s, &s->shm_opened);
}

static int act_open(struct fixture *s)
{
	return open_it(s, &s->shm_opened);
}

static void ready_close(struct fixture *s)
{
	if (s->op->variant == ANONYMOUS)
		s->shm_opened = s->shm;
	else
		expect(s, "open", open_it(s, &s->shm_opened), 0);
}

/* Nobody else has it: the victim's close is the last one. */
static void ready_last_close(struct fixture *s)
{
	expect(s, "open or create", create(s, &s->shm_opened), 0);
}

static int act_close(struct fixture *s)
{
	s->shm_opened = ipk_shm_close(s->shm_opened);
	return 0;
}

static int act_unlink(struct fixture *s)
{
	return ipk_shm_unlink(s->name, flags(s));
}

static int act_replace(struct fixture *s)
{
	return ipk_shm_replace(s->shm, NEW_BYTES, &s->shm_opened);
}

/* --- the survivor ----------------------------------------------------------------------------- */

static void check_result(struct fixture *s)
{
	if (atomic_load(&s->history->is_done))
		expect(s, "the victim's call", s->history->result, 0);
}

/* @n_bytes of it, the first ones as make() left them, or as they are in new memory. */
static void check_contents(struct fixture *s, ipk_shm *shm, size_t n_bytes, char first)
{
	struct history *l = s->history;
	const char *bytes = ipk_shm_data(shm);

	if (ipk_shm_size_bytes(shm) != n_bytes) {
		history_fault(l, &l->faults.torn, "%zu bytes, not %zu", ipk_shm_size_bytes(shm),
			      n_bytes);
		return;
	}
	for (size_t i = 0; i < n_bytes; i++) {
		if (bytes[i] == (i < OLD_BYTES ? first : 0))
			continue;
		history_fault(l, &l->faults.torn, "byte %zu is 0x%x", i, bytes[i]);
		return;
	}
	((char *)ipk_shm_data(shm))[n_bytes - 1] = 0;
}

/* Make it anew, whatever was left; then unlinking removes it. */
static void check_new(struct fixture *s)
{
	ipk_shm *shm = NULL;

	if (!expect(s, "create", create(s, &shm), 0))
		return;
	check_contents(s, shm, OLD_BYTES, 0);
	if (s->op->variant != ANONYMOUS) {
		expect(s, "create of what is there", create(s, &s->shm_opened), -EEXIST);
		expect(s, "unlink", ipk_shm_unlink(s->name, flags(s)), 0);
		if (ipk_shm_is_current(shm))
			history_fault(s->history, &s->history->faults.wrong,
				      "current, and unlinked");
	}
	ipk_shm_close(shm);
}

static void check_create(struct fixture *s)
{
	bool is_done = atomic_load(&s->history->is_done);
	ipk_shm *shm = NULL;
	int r;

	check_result(s);
	r = s->op->variant == ANONYMOUS ? -ENOENT : open_it(s, &shm);
	if (s->op->variant != ANONYMOUS && (is_done || r != -ENOENT))
		expect(s, "open", r, 0);
	if (r == 0) {
		check_contents(s, shm, OLD_BYTES, 0);
		expect(s, "unlink", ipk_shm_unlink(s->name, flags(s)), 0);
		ipk_shm_close(shm);
	}
	check_new(s);
}

/* Whoever else has it open: nothing has changed. */
static void check_there(struct fixture *s)
{
	ipk_shm *shm = NULL;
	size_t n_users = 0;

	check_result(s);
	check_contents(s, s->shm, OLD_BYTES, 0x5a);
	/* The harness, and this survivor. */
	expect(s, "users", ipk_shm_users(s->shm, NULL, 0, &n_users), 0);
	if (n_users != 2)
		history_fault(s->history, &s->history->faults.leaked, "%zu users", n_users);
	if (s->op->variant == ANONYMOUS)
		return;
	if (expect(s, "open", open_it(s, &shm), 0)) {
		if (!ipk_shm_is_current(shm))
			history_fault(s->history, &s->history->faults.wrong, "not current");
		ipk_shm_close(shm);
	}
	expect(s, "open again", open_it(s, &shm), 0);
	ipk_shm_close(shm);
}

static void check_last_close(struct fixture *s)
{
	check_result(s);
	if (atomic_load(&s->history->is_done) && has_name(s))
		history_fault(s->history, &s->history->faults.leaked,
			      "its last user left the name");
	check_new(s);
}

static void check_unlink(struct fixture *s)
{
	bool is_done = atomic_load(&s->history->is_done);

	check_result(s);
	check_contents(s, s->shm, OLD_BYTES, 0x5a);
	if (is_done && has_name(s))
		history_fault(s->history, &s->history->faults.leaked, "the name is left");
	if (has_name(s))
		expect(s, "unlink", ipk_shm_unlink(s->name, flags(s)), 0);
	check_new(s);
}

/* The old one or the new one; and it can be replaced again. */
static void check_replace(struct fixture *s)
{
	bool is_done = atomic_load(&s->history->is_done);
	ipk_shm *shm = NULL, *larger = NULL;
	bool is_new;

	check_result(s);
	if (!expect(s, "open", open_it(s, &shm), 0))
		return;
	is_new = ipk_shm_size_bytes(shm) != OLD_BYTES;
	if (is_done && !is_new)
		history_fault(s->history, &s->history->faults.lost, "it was not replaced");
	if (ipk_shm_is_current(s->shm) == is_new)
		history_fault(s->history, &s->history->faults.wrong, "the old one is current: %d",
			      !is_new);
	check_contents(s, shm, is_new ? NEW_BYTES : OLD_BYTES, 0x5a);
	((char *)ipk_shm_data(shm))[ipk_shm_size_bytes(shm) - 1] = is_new ? 0 : 0x5a;
	if (expect(s, "replace", ipk_shm_replace(shm, 2 * NEW_BYTES, &larger), 0))
		check_contents(s, larger, 2 * NEW_BYTES, 0x5a);
	ipk_shm_close(larger);
	ipk_shm_close(shm);
}

/* --- the rows --------------------------------------------------------------------------------- */

static void add(struct op_list *list, struct op op, int variant, enum state state)
{
	static const char *const kinds[] = {"anonymous", "named", "raw", "last"};

	op.variant = variant;
	op.kind = kinds[variant];
	op.state = state;
	op.len_bytes = OLD_BYTES;
	op.unmake = unmake;
	op.is_minor = variant != NAMED && state != DEAD;
	op_add(list, &op);
}

void ops_shm(struct op_list *list)
{
	struct op make_it = {.name = "shm_create",
			     .make = make_nothing,
			     .act = act_create,
			     .check = check_create};
	struct op open = {.name = "shm_open", .make = make, .act = act_open, .check = check_there};
	struct op close = {.name = "shm_close",
			   .make = make,
			   .ready = ready_close,
			   .act = act_close,
			   .check = check_there};
	struct op unlink = {
		.name = "shm_unlink", .make = make, .act = act_unlink, .check = check_unlink};
	struct op replace = {
		.name = "shm_replace", .make = make, .act = act_replace, .check = check_replace};
	struct op last_close = {.name = "shm_close",
				.make = make_nothing,
				.ready = ready_last_close,
				.act = act_close,
				.check = check_last_close};

	for (int variant = ANONYMOUS; variant <= LAST; variant++) {
		add(list, make_it, variant, EMPTY);
		add(list, close, variant, ONE);
		if (variant == ANONYMOUS)
			continue;
		add(list, open, variant, ONE);
		add(list, unlink, variant, ONE);
		add(list, replace, variant, ONE);
	}
	add(list, last_close, LAST, EMPTY);
	make_it.make = last_close.make = make_left_behind;
	add(list, make_it, LAST, DEAD);
	add(list, last_close, LAST, DEAD);
}
