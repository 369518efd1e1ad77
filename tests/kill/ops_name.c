/*
 * ops_name.c - creating and opening named queues.
 *
 * A process killed while it creates one leaves no name, or a complete queue under it; one killed
 * while it opens one leaves the queue unchanged.
 */
#include <errno.h>
#include <string.h>

#include "ops_queue.h"

static const struct queueish *qi_of(const struct fixture *s)
{
	return queueish_for(s->op, false);
}

/* --- create ----------------------------------------------------------------------------------- */

static int make_create(struct fixture *s)
{
	char name[96];
	int r = create_queue(s->op, object_name(s, name), &s->q);

	if (r < 0)
		return r;
	s->capacity = measure_capacity(s, qi_of(s));
	s->q = ipk_queue_close(s->q);
	return ipk_queue_unlink(name);
}

static int act_create(struct fixture *s)
{
	char name[96];

	return create_queue(s->op, object_name(s, name), &s->q_opened);
}

static void check_create(struct fixture *s)
{
	struct history *l = s->history;
	char name[96];
	int r = ipk_queue_open(object_name(s, name), ipk_now(), &s->q);

	if (atomic_load(&l->is_done)) {
		expect(s, "create", l->result, 0);
		expect(s, "open", r, 0);
	}
	if (r == -ENOENT)
		r = create_queue(s->op, name, &s->q);
	if (!expect(s, "open or create", r, 0))
		return;
	expect(s, "len", (int)ipk_queue_len(s->q), 0);
	check_capacity(s, qi_of(s));
	expect(s, "unlink", ipk_queue_unlink(name), 0);
	s->q = ipk_queue_close(s->q);
	expect(s, "open after unlink", ipk_queue_open(name, ipk_now(), &s->q), -ENOENT);
	if (count_names(s->name) != 0)
		history_fault(l, &l->faults.leaked, "a name in /dev/shm is left after unlink");
}

/* --- open ------------------------------------------------------------------------------------- */

static int make_open(struct fixture *s)
{
	char name[96];
	int r = create_queue(s->op, object_name(s, name), &s->q);

	if (r < 0)
		return r;
	s->n_blocks = queue_blocks();
	s->capacity = measure_capacity(s, qi_of(s));
	return fill_to_state(s, qi_of(s));
}

static int act_open(struct fixture *s)
{
	char name[96];

	return ipk_queue_open(object_name(s, name), ipk_now(), &s->q_opened);
}

static void check_open(struct fixture *s)
{
	if (atomic_load(&s->history->is_done))
		expect(s, "open", s->history->result, 0);
	drain(s, qi_of(s));
	history_close(s->history);
	check_capacity(s, qi_of(s));
	if (queue_blocks() != s->n_blocks)
		history_fault(s->history, &s->history->faults.leaked, "blocks are left");
}

static void unmake(struct fixture *s)
{
	char name[96];
	int r;

	s->q = ipk_queue_close(s->q);
	r = ipk_queue_unlink(object_name(s, name));
	if (r < 0 && r != -ENOENT)
		history_fault(s->history, &s->history->faults.wrong, "unlink is %d", r);
}

/* --- the rows --------------------------------------------------------------------------------- */

void ops_name(struct op_list *list)
{
	struct op create = {.name = "queue_create",
			    .make = make_create,
			    .act = act_create,
			    .check = check_create,
			    .unmake = unmake,
			    .len_bytes = 64};
	struct op open = {.name = "queue_open",
			  .make = make_open,
			  .act = act_open,
			  .check = check_open,
			  .unmake = unmake,
			  .len_bytes = 64};

	for (int kind = IPK_QUEUE_FIFO; kind <= IPK_QUEUE_MQ; kind++) {
		create.variant = open.variant = kind;
		create.kind = open.kind = kind_name((ipk_queue_kind)kind);
		create.is_minor = kind == IPK_QUEUE_LIFO || kind == IPK_QUEUE_PRIORITY;
		op_add(list, &create);
		for (int state = EMPTY; state <= FULL; state++) {
			open.state = (enum state)state;
			open.is_minor = create.is_minor || state != ONE;
			op_add(list, &open);
		}
	}
}
