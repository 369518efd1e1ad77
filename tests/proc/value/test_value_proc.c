/* test_value_proc.c - values and arrays between processes that are killed, and many of them. */
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "support/support.h"
#include "value/value_internal.h"

/* The sides do not assert: a side that is killed in the middle of it would garble Check's books. */
enum { N_SIDES = 4 };

static void run_sides(int (*side)(void *arg), void *arg)
{
	pid_t pids[N_SIDES];

	for (int i = 0; i < N_SIDES; i++)
		pids[i] = spawn(side, arg);
	for (int i = 0; i < N_SIDES; i++)
		reap_ok(pids[i]);
}

/* --- nothing is lost -------------------------------------------------------------------------- */

struct counts {
	ipk_value *i, *q, *d, *h;
	ipk_array *a;
	int n;
};

static int add_many(void *arg)
{
	struct counts *c = arg;
	short old = 0;

	for (int k = 0; k < c->n; k++) {
		IPK_TRY(ipk_value_add(c->i, 1, NULL));
		IPK_TRY(ipk_value_add(c->q, -3, NULL));
		IPK_TRY(ipk_value_add(c->d, 0.5, NULL));
		while (ipk_value_add_checked(c->h, 1, &old) == -EOVERFLOW)
			IPK_TRY(ipk_value_store(c->h, &(short){0}));
		IPK_TRY(ipk_array_add(c->a, (size_t)k % 5, 1, NULL));
	}
	return 0;
}

START_TEST(no_addition_is_lost)
{
	struct counts c = {.n = repeats(50000) / 5 * 5};
	int i, item;
	long long q;
	double d;

	ck_ok(ipk_value_create(IPK_VALUE(.typecode = 'i', .is_raw = true), &c.i));
	ck_ok(ipk_value_create(IPK_VALUE(.typecode = 'q', .is_raw = true), &c.q));
	ck_ok(ipk_value_create(IPK_VALUE(.typecode = 'd', .is_raw = true), &c.d));
	ck_ok(ipk_value_create(IPK_VALUE(.typecode = 'h', .is_raw = true), &c.h));
	ck_ok(ipk_array_create(IPK_ARRAY(.typecode = 'i', .n_items = 5, .is_raw = true), &c.a));
	run_sides(add_many, &c);
	ck_ok(ipk_value_load(c.i, &i));
	ck_assert_int_eq(i, N_SIDES * c.n);
	ck_ok(ipk_value_load(c.q, &q));
	ck_assert_int_eq(q, -3 * N_SIDES * c.n);
	ck_ok(ipk_value_load(c.d, &d));
	ck_assert_double_eq(d, 0.5 * N_SIDES * c.n);
	for (size_t k = 0; k < 5; k++) {
		ck_ok(ipk_array_get(c.a, k, &item));
		ck_assert_int_eq(item, N_SIDES * c.n / 5);
	}
	ipk_value_close(c.i);
	ipk_value_close(c.q);
	ipk_value_close(c.d);
	ipk_value_close(c.h);
	ipk_array_close(c.a);
}
END_TEST

/* Two numbers that belong together, changed by plain assignments under the lock. */
struct locked {
	ipk_value *v;
	ipk_array *a;
	int n;
};

static int add_locked(void *arg)
{
	struct locked *l = arg;
	long *at = ipk_value_data(l->v);
	int *items = ipk_array_data(l->a);

	for (int k = 0; k < l->n; k++) {
		IPK_TRY(ipk_lock_lock(ipk_value_get_lock(l->v), ipk_in_ms(WAIT_MS), NULL));
		*at = *at + 1;
		IPK_TRY(ipk_lock_unlock(ipk_value_get_lock(l->v)));
		IPK_TRY(ipk_lock_lock(ipk_array_get_lock(l->a), ipk_in_ms(WAIT_MS), NULL));
		if (items[0] != -items[99])
			return 1;
		items[0]++;
		items[99]--;
		IPK_TRY(ipk_lock_unlock(ipk_array_get_lock(l->a)));
	}
	return 0;
}

START_TEST(no_change_under_the_lock_is_lost)
{
	struct locked l = {.n = repeats(10000)};
	long sum;
	int item;

	ck_ok(ipk_value_create(IPK_VALUE(.typecode = 'l'), &l.v));
	ck_ok(ipk_array_create(IPK_ARRAY(.typecode = 'i', .n_items = 100), &l.a));
	run_sides(add_locked, &l);
	ck_ok(ipk_value_load(l.v, &sum));
	ck_assert_int_eq(sum, N_SIDES * l.n);
	ck_ok(ipk_array_get(l.a, 99, &item));
	ck_assert_int_eq(item, -N_SIDES * l.n);
	ipk_value_close(l.v);
	ipk_array_close(l.a);
}
END_TEST

/* Each writes all items; who reads sees one writer's only. */
static int write_and_read(void *arg)
{
	struct locked *l = arg;
	int items[100];

	for (int k = 0; k < l->n; k++) {
		int mine = getpid() ^ k;

		if (k % 2)
			IPK_TRY(ipk_array_fill(l->a, 0, 100, &mine, 4, ipk_in_ms(WAIT_MS), NULL));
		else
			for (int i = 0; i < 100; i++)
				items[i] = mine;
		if (k % 2 == 0)
			IPK_TRY(ipk_array_write(l->a, 0, 100, items, sizeof items,
						ipk_in_ms(WAIT_MS), NULL));
		IPK_TRY(ipk_array_read_slice(l->a, 99, -1, 100, items, sizeof items,
					     ipk_in_ms(WAIT_MS), NULL));
		if (memcmp(items, items + 1, sizeof items - sizeof items[0]) != 0)
			return 1;
	}
	return 0;
}

START_TEST(bulk_calls_are_whole_under_the_lock)
{
	struct locked l = {.n = repeats(5000)};

	ck_ok(ipk_array_create(IPK_ARRAY(.typecode = 'i', .n_items = 100), &l.a));
	run_sides(write_and_read, &l);
	ipk_array_close(l.a);
}
END_TEST

/* --- killed ----------------------------------------------------------------------------------- */

struct writing {
	ipk_value *v;
	ipk_value *n_begun;
	size_t n_bytes;
};

static int store_for_ever(void *arg)
{
	struct writing *w = arg;
	static unsigned char p[65536];

	for (unsigned k = (unsigned)getpid();; k++) {
		memset(p, (int)k, w->n_bytes);
		IPK_TRY(ipk_value_store_bytes(w->v, p, w->n_bytes, ipk_in_ms(WAIT_MS)));
		IPK_TRY(ipk_value_add(w->n_begun, 1, NULL));
	}
}

static void ck_whole(const struct writing *w, char *buf)
{
	ck_ok(ipk_value_load_bytes(w->v, buf, w->n_bytes));
	ck_assert_mem_eq(buf, buf + 1, w->n_bytes - 1);
}

static bool has_begun(void *arg)
{
	struct writing *w = arg;
	long n = 0;

	return ipk_value_load(w->n_begun, &n) == 0 && n > 5;
}

/* Two writers; one is killed at some instruction, again and again. The other goes on. */
START_TEST(killed_writers_leave_whole_structs)
{
	struct writing w = {.n_bytes = (size_t[]){24, 1000, 65536}[_i]};
	char *buf = malloc(w.n_bytes);
	pid_t other;

	ck_ok(ipk_value_create(IPK_VALUE(.item_bytes = w.n_bytes), &w.v));
	ck_ok(ipk_value_create(IPK_VALUE(.typecode = 'l', .is_raw = true), &w.n_begun));
	other = spawn(store_for_ever, &w);
	for (int k = 0; k < repeats(100); k++) {
		pid_t pid;

		ck_ok(ipk_value_store(w.n_begun, &(long){0}));
		pid = spawn(store_for_ever, &w);
		ck_assert(wait_until(has_begun, &w, WAIT_MS));
		for (int i = 0; i < k % 7 * 20; i++)
			ck_whole(&w, buf);
		kill_and_reap(pid);
		ck_whole(&w, buf);
		memset(buf, k, w.n_bytes);
		ck_ok(ipk_value_store_bytes(w.v, buf, w.n_bytes, ipk_in_ms(WAIT_MS)));
		ck_whole(&w, buf);
	}
	kill_and_reap(other);
	memset(buf, 'x', w.n_bytes);
	ck_ok(ipk_value_store_bytes(w.v, buf, w.n_bytes, ipk_in_ms(WAIT_MS)));
	memset(buf, 0, w.n_bytes);
	ck_whole(&w, buf);
	ck_assert_int_eq(buf[0], 'x');
	free(buf);
	ipk_value_close(w.v);
	ipk_value_close(w.n_begun);
}
END_TEST

static uint32_t storing(const struct writing *w)
{
	return ipk__robust_lock_owner(&((struct ipk__shm_pair *)w->v->ref.object)->store_lock);
}

/* Stops @pid in the middle of a store, sooner or later. */
static bool is_stopped_inside(struct writing *w, pid_t pid)
{
	ck_ok(ipk_value_store(w->n_begun, &(long){0}));
	ck_assert_int_eq(kill(pid, SIGCONT), 0);
	ck_assert(wait_until(has_begun, w, WAIT_MS));
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	while (!is_stopped(pid))
		;
	return storing(w) == (uint32_t)pid;
}

/* A stopped writer holds up others that write, to their deadline, and nobody who reads. */
START_TEST(a_stopped_writer_is_in_no_readers_way)
{
	struct writing w = {.n_bytes = 65536};
	char *buf = calloc(1, w.n_bytes);
	pid_t pid;

	ck_ok(ipk_value_create(IPK_VALUE(.item_bytes = w.n_bytes), &w.v));
	ck_ok(ipk_value_create(IPK_VALUE(.typecode = 'l', .is_raw = true), &w.n_begun));
	pid = spawn(store_for_ever, &w);
	for (int k = 0; k < 5; k++) {
		while (!is_stopped_inside(&w, pid))
			;
		ck_whole(&w, buf);
		ck_err(ipk_value_store_bytes(w.v, buf, w.n_bytes, ipk_now()), -ETIMEDOUT);
		ck_err(ipk_value_store_bytes(w.v, buf, w.n_bytes, ipk_in_ms(1)), -ETIMEDOUT);
		ck_whole(&w, buf);
	}
	/* Killed there it holds up nobody. */
	kill_and_reap(pid);
	memset(buf, 'x', w.n_bytes);
	ck_ok(ipk_value_store_bytes(w.v, buf, w.n_bytes, ipk_in_ms(WAIT_MS)));
	memset(buf, 0, w.n_bytes);
	ck_whole(&w, buf);
	ck_assert_int_eq(buf[0], 'x');
	free(buf);
	ipk_value_close(w.v);
	ipk_value_close(w.n_begun);
}
END_TEST

struct holder {
	struct gate held;
	ipk_lock *lock;
	ipk_array *a;
};

static int hold(void *arg)
{
	struct holder *h = arg;

	IPK_TRY(ipk_lock_lock(h->lock, ipk_now(), NULL));
	IPK_TRY(ipk_lock_lock(h->lock, ipk_now(), NULL));
	gate_open(&h->held);
	pause();
	return 0;
}

static void kill_a_holder(struct holder *h)
{
	pid_t pid;

	gate_init(&h->held);
	pid = spawn(hold, h);
	gate_wait(&h->held);
	ck_err(ipk_lock_lock(h->lock, ipk_in_ms(1), NULL), -ETIMEDOUT);
	kill_and_reap(pid);
	gate_fini(&h->held);
}

START_TEST(a_killed_holder_is_told_of_once)
{
	ipk_value *v = NULL;
	struct holder h = {0};
	bool recovered = false;
	int x[3] = {1, 2, 3};

	ck_ok(ipk_value_create(IPK_VALUE(.typecode = 'i'), &v));
	ck_ok(ipk_array_create(IPK_ARRAY(.typecode = 'i', .n_items = 3), &h.a));
	h.lock = ipk_value_get_lock(v);
	kill_a_holder(&h);
	ck_ok(ipk_lock_lock(h.lock, ipk_in_ms(WAIT_MS), &recovered));
	ck_assert(recovered);
	ck_ok(ipk_lock_unlock(h.lock));
	ck_ok(ipk_lock_lock(h.lock, ipk_now(), &recovered));
	ck_assert(!recovered);
	ck_ok(ipk_lock_unlock(h.lock));
	h.lock = ipk_array_get_lock(h.a);
	for (int i = 0; i < 3; i++) {
		kill_a_holder(&h);
		recovered = false;
		if (i == 0)
			ck_ok(ipk_array_read(h.a, 0, 3, x, 12, ipk_in_ms(WAIT_MS), &recovered));
		else if (i == 1)
			ck_ok(ipk_array_write(h.a, 0, 3, x, 12, ipk_in_ms(WAIT_MS), &recovered));
		else
			ck_ok(ipk_array_fill(h.a, 0, 3, x, 4, ipk_in_ms(WAIT_MS), &recovered));
		ck_assert(recovered);
		ck_ok(ipk_array_read(h.a, 0, 3, x, 12, ipk_now(), &recovered));
		ck_assert(!recovered);
	}
	ipk_value_close(v);
	ipk_array_close(h.a);
}
END_TEST

static int write_for_ever(void *arg)
{
	struct holder *h = arg;
	static char bytes[1 << 20];

	gate_open(&h->held);
	for (;;)
		IPK_TRY(ipk_array_write(h->a, 0, sizeof bytes, bytes, sizeof bytes,
					ipk_in_ms(WAIT_MS), NULL));
}

static bool is_held(void *lock)
{
	return ipk_lock_owner(lock) != 0;
}

START_TEST(a_killed_bulk_writer_is_told_of)
{
	struct holder h = {0};
	char byte;
	int n_recovered = 0;

	ck_ok(ipk_array_create(IPK_ARRAY(.typecode = 'c', .n_items = 1 << 20), &h.a));
	for (int k = 0; k < 20; k++) {
		bool was_inside, recovered;
		pid_t pid;

		gate_init(&h.held);
		pid = spawn(write_for_ever, &h);
		gate_wait(&h.held);
		ck_assert(wait_until(is_held, ipk_array_get_lock(h.a), WAIT_MS));
		ck_assert_int_eq(kill(pid, SIGSTOP), 0);
		while (!is_stopped(pid))
			;
		was_inside = is_held(ipk_array_get_lock(h.a));
		kill_and_reap(pid);
		ck_ok(ipk_array_read(h.a, 0, 1, &byte, 1, ipk_in_ms(WAIT_MS), &recovered));
		ck_assert_int_eq(recovered, was_inside);
		n_recovered += recovered;
		gate_fini(&h.held);
	}
	ck_assert_int_gt(n_recovered, 0);
	ipk_array_close(h.a);
}
END_TEST

/* --- names ------------------------------------------------------------------------------------ */

struct named {
	char value[UNIQUE_NAME_BYTES];
	char array[UNIQUE_NAME_BYTES];
};

static int open_both(void *arg)
{
	struct named *n = arg;
	ipk_value *v = NULL;
	ipk_array *a = NULL;

	if (ipk_value_open(n->array, ipk_now(), &v) != -EPROTOTYPE ||
	    ipk_array_open(n->value, ipk_now(), &a) != -EPROTOTYPE)
		return 1;
	IPK_TRY(ipk_value_open(n->value, ipk_now(), &v));
	IPK_TRY(ipk_array_open(n->array, ipk_now(), &a));
	IPK_TRY(ipk_value_add(v, 1, NULL));
	IPK_TRY(ipk_array_set(a, 2, &(double){2.5}));
	ipk_value_close(v);
	ipk_array_close(a);
	return 0;
}

START_TEST(another_process_opens_by_name)
{
	ipk_value *v = NULL;
	ipk_array *a = NULL;
	struct named n;
	double item;
	int x;

	unique_name(n.value, "value");
	unique_name(n.array, "array");
	ck_ok(ipk_value_create(IPK_VALUE(.name = n.value, .typecode = 'i'), &v));
	ck_ok(ipk_array_create(IPK_ARRAY(.name = n.array, .typecode = 'd', .n_items = 3), &a));
	reap_ok(spawn(open_both, &n));
	ck_ok(ipk_value_load(v, &x));
	ck_assert_int_eq(x, 1);
	ck_ok(ipk_array_get(a, 2, &item));
	ck_assert_double_eq(item, 2.5);
	ck_ok(ipk_value_unlink(n.value));
	ck_ok(ipk_array_unlink(n.array));
	ipk_value_close(v);
	ipk_array_close(a);
}
END_TEST

/* --- many ------------------------------------------------------------------------------------- */

enum { N_MANY = 10000 };
static ipk_value *many[N_MANY];

static int add_to_all(void *arg)
{
	(void)arg;
	for (int i = 0; i < N_MANY; i++)
		IPK_TRY(ipk_value_add(many[i], i, NULL));
	return 0;
}

/* What all memory files that they lie in take. */
static size_t shared_bytes(void)
{
	const struct ipk__arena *last = NULL;
	size_t n_bytes = 0;

	for (int i = 0; i < N_MANY; i++) {
		if (many[i]->ref.arena != last)
			n_bytes += many[i]->ref.arena->segment.mapped_bytes;
		last = many[i]->ref.arena;
	}
	return n_bytes;
}

START_TEST(ten_thousand_cost_little)
{
	int n_fds = count_fds(), n_maps = count_maps(), x;

	for (int i = 0; i < N_MANY; i++) {
		ck_ok(ipk_value_create(IPK_VALUE(.typecode = 'i'), &many[i]));
		ck_assert_uint_le(many[i]->ref.object->n_bytes, 192);
	}
	ck_assert_int_le(count_fds() - n_fds, 8);
	ck_assert_int_le(count_maps() - n_maps, 8);
	ck_assert_uint_le(shared_bytes(), (size_t)192 * N_MANY);
	reap_ok(spawn(add_to_all, NULL));
	for (int i = 0; i < N_MANY; i++) {
		ck_ok(ipk_value_load(many[i], &x));
		ck_assert_int_eq(x, i);
		ipk_value_close(many[i]);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("value_proc");

	add_test(s, no_addition_is_lost);
	add_test(s, no_change_under_the_lock_is_lost);
	add_test(s, bulk_calls_are_whole_under_the_lock);
	add_loop_test(s, killed_writers_leave_whole_structs, 0, 3);
	add_test(s, a_stopped_writer_is_in_no_readers_way);
	add_test(s, a_killed_holder_is_told_of_once);
	add_test(s, a_killed_bulk_writer_is_told_of);
	add_test(s, another_process_opens_by_name);
	add_test(s, ten_thousand_cost_little);
	return s;
}
IPK_TEST_MAIN(suite)
