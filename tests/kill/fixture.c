/* fixture.c - what the ops files share: names of rows, counting, and putting and getting. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipk/error.h"
#include "fixture.h"

uint64_t message[BIG_BYTES / 8 + 8];

/* --- rows ------------------------------------------------------------------------------------- */

static void add_row(struct op_list *list, const struct op *op, bool is_stop)
{
	struct op *row = &list->ops[list->n_ops];

	if (list->n_ops == OPS_MAX) {
		fprintf(stderr, "ipk-prove: more than %d rows\n", OPS_MAX);
		exit(2);
	}
	*row = *op;
	row->is_stop = is_stop;
	row->is_minor |= is_stop && (op->is_stop_minor || op->len_bytes != 64);
	list->n_ops++;
}

void op_add(struct op_list *list, const struct op *op)
{
	add_row(list, op, false);
	if (op->meet)
		add_row(list, op, true);
}

const char *state_name(enum state state)
{
	static const char *const names[] = {"empty", "one", "full", "free", "taken", "dead"};

	return names[state];
}

void op_title(const struct op *op, char *buf, size_t buf_bytes)
{
	snprintf(buf, buf_bytes, "%s%s/%s/%s/%zu", op->is_stop ? "stop_" : "", op->name, op->kind,
		 state_name(op->state), op->len_bytes);
}

/* --- counting --------------------------------------------------------------------------------- */

static int count_entries(const char *path, const char *prefix)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int n = 0;

	while (dir && (entry = readdir(dir)))
		n += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
	if (dir)
		closedir(dir);
	return n;
}

int count_fds(void)
{
	return count_entries("/proc/self/fd", "") - 3; /* ".", ".." and the directory itself */
}

int count_names(const char *name)
{
	char prefix[128];

	snprintf(prefix, sizeof prefix, "ipk.%s", name);
	return count_entries("/dev/shm", prefix);
}

int64_t queue_blocks(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	int64_t n_blocks = -1;

	while (dir && (entry = readdir(dir))) {
		char link[64], target[300] = "";
		struct stat st;

		snprintf(link, sizeof link, "/proc/self/fd/%.20s", entry->d_name);
		if (readlink(link, target, sizeof target - 1) < 0)
			continue;
		if ((strstr(target, "ipk:queue:") || strstr(target, "/ipk.")) &&
		    stat(link, &st) == 0)
			n_blocks = st.st_blocks;
	}
	if (dir)
		closedir(dir);
	return n_blocks;
}

/* --- judging a call --------------------------------------------------------------------------- */

bool expect(struct fixture *s, const char *what, int r, int expected)
{
	struct history *l = s->history;

	atomic_fetch_add(&l->progress, 1);
	if (r == expected)
		return true;
	history_fault(l, r == -ETIMEDOUT ? &l->faults.hang : &l->faults.wrong,
		      "a survivor's %s is -%s, not -%s", what, ipk_errname(r),
		      ipk_errname(expected));
	return false;
}

/* --- putting and getting ---------------------------------------------------------------------- */

int put_item(struct fixture *s, const struct queueish *qi, ipk_deadline deadline, uint32_t level,
	     size_t len_bytes)
{
	struct item *item = history_add(s->history, len_bytes, level, MUST);
	int r;

	pattern_fill(message, len_bytes, item->seq);
	r = qi->put(s, message, len_bytes, level, deadline);
	if (r < 0)
		s->history->n_items--;
	return r;
}

int fill_to_state(struct fixture *s, const struct queueish *qi)
{
	/* Two levels, so that the victim's comes between them. */
	size_t n = s->op->state == EMPTY ? 0 : s->op->state == ONE ? 1 : ITEMS_MAX;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = put_item(s, qi, ipk_now(), i % 2 ? 2 : 4, s->op->len_bytes);
	history_sort(s->history, qi->compare);
	return r == -ETIMEDOUT && n == ITEMS_MAX ? 0 : r;
}

void prepare_batch(struct fixture *s, const struct queueish *qi, uint32_t n)
{
	size_t len_bytes = s->op->len_bytes;

	s->n_batch = n;
	for (uint32_t i = 0; i < n; i++) {
		struct item *item = history_add(s->history, len_bytes, 3, MAY);
		char *bytes = (char *)message + i * len_bytes;

		if (i == 0)
			s->batch_seq = item->seq;
		pattern_fill(bytes, len_bytes, item->seq);
		s->batch[i] = (ipk_bytes){bytes, len_bytes};
	}
	history_sort(s->history, qi->compare);
}

void meet(struct fixture *s, const struct queueish *qi)
{
	struct history *l = s->history;
	size_t len_bytes = 0;
	bool is_again = false;
	int r = put_item(s, qi, ipk_in_ms(MEET_MS), 3, s->op->len_bytes);

	if (r != -ETIMEDOUT)
		expect(s, "put", r, 0);
	r = qi->get(s, message, sizeof message, ipk_in_ms(MEET_MS), &len_bytes, &is_again);
	if (r == 0)
		history_got(l, message, len_bytes, true);
	else if (r != -ETIMEDOUT)
		expect(s, "get", r, 0);
	if (is_again)
		history_fault(l, &l->faults.dup, "an item on lease to a stopped process came back");
}

size_t measure_capacity(struct fixture *s, const struct queueish *qi)
{
	size_t n_bytes = s->op->len_bytes;
	size_t len_bytes;
	bool is_again;
	size_t n = 0;

	while (n < ITEMS_MAX && qi->put(s, message, n_bytes, 3, ipk_now()) == 0)
		n++;
	for (size_t i = 0; i < n; i++) {
		if (qi->get(s, message, sizeof message, ipk_now(), &len_bytes, &is_again) < 0)
			return 0;
	}
	return n;
}

void drain(struct fixture *s, const struct queueish *qi)
{
	size_t n_due = history_count(s->history, MUST);
	size_t n_got = 0;

	for (uint32_t i = 0; i < s->history->n_items; i++)
		n_due -= s->history->items[i].fate == MUST && s->history->items[i].n_got > 0;
	for (;;) {
		ipk_deadline deadline = n_got < n_due ? ipk_in_ms(CALL_MS) : ipk_now();
		bool is_again = false;
		size_t len_bytes = 0;
		int r = qi->get(s, message, sizeof message, deadline, &len_bytes, &is_again);

		if (r < 0 && n_got >= n_due) {
			expect(s, "last get", r == -ETIMEDOUT ? 0 : r, 0);
			return;
		}
		if (!expect(s, "get", r, 0))
			return;
		history_got(s->history, message, len_bytes, is_again || s->op->is_stop);
		s->n_again += is_again;
		n_got++;
	}
}

void check_capacity(struct fixture *s, const struct queueish *qi)
{
	struct history *l = s->history;
	size_t n = 0;
	int r = 0;

	l->n_items = 0;
	l->last_position = 0;
	while (r == 0 && n < s->capacity) {
		r = put_item(s, qi, ipk_in_ms(CALL_MS), 3, s->op->len_bytes);
		atomic_fetch_add(&l->progress, 1);
		n += r == 0;
	}
	/* Not even one: somebody dead still holds the way in. */
	if (r == -ETIMEDOUT && n > 0)
		history_fault(l, &l->faults.leaked, "room for %zu items, %zu before", n,
			      s->capacity);
	else if (!expect(s, "put", r, 0))
		return;
	if (r == 0 && qi->put(s, message, s->op->len_bytes, 3, ipk_now()) != -ETIMEDOUT)
		history_fault(l, &l->faults.wrong, "room for more than %zu items", s->capacity);
	history_sort(l, qi->compare);
	drain(s, qi);
	history_close(l);
}

/* --- the victim's items: the last ones in the history before sorting -------------------------- */

void settle_put(struct fixture *s)
{
	struct history *l = s->history;
	bool is_done = atomic_load(&l->is_done);
	size_t n_put = l->result == 0 ? l->n_moved : 0;

	l->cut = CUT_BACK;
	for (uint32_t i = 0; i < l->n_items; i++) {
		uint32_t seq = l->items[i].seq;

		if (seq < s->batch_seq || seq >= s->batch_seq + s->n_batch)
			continue;
		l->items[i].fate = !is_done ? MAY : seq < s->batch_seq + n_put ? MUST : GONE;
	}
}

void settle_get(struct fixture *s, size_t n_asked)
{
	struct history *l = s->history;
	bool is_done = atomic_load(&l->is_done);
	size_t n_got = !is_done ? n_asked : l->result == 0 ? l->n_moved : 0;

	l->cut = CUT_FRONT;
	for (uint32_t i = 0; i < l->n_items && i < n_got; i++)
		l->items[i].fate = is_done ? GONE : MAY;
}
