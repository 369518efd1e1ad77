/* test_probe_kinds.c - what is reported of each kind of small object in each of its states. */
#include <float.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "inspect/inspect_internal.h"
#include "ipk/barrier.h"
#include "ipk/cond.h"
#include "ipk/event.h"
#include "ipk/once.h"
#include "ipk/rwlock.h"
#include "ipk/semaphore.h"
#include "ipk/value.h"
#include "support/support.h"
#include "value/shm_memory.h"
#include "value/value_internal.h"

static char label[UNIQUE_NAME_BYTES]; /* of which an anonymous small object keeps 35 */
static ipk_inspect *snap;

/* A label for the object of this test. */
static const char *new_label(const char *tag)
{
	snprintf(label, sizeof label, "t-%d-%s", (int)getpid(), tag);
	return label;
}

/* The object with that label, as it is now; valid until the next call. */
static const ipk_inspect_object *scan_object(void)
{
	ipk_inspect_close(snap);
	snap = NULL;
	ck_ok(ipk_inspect_scan(IPK_INSPECT(.match = label), &snap));
	ck_assert_uint_eq(ipk_inspect_len(snap), 1);
	ck_ok(ipk_inspect_object_at(snap, 0)->error);
	return ipk_inspect_object_at(snap, 0);
}

static void probe_no_more(void)
{
	snap = ipk_inspect_close(snap);
}

/* --- values ----------------------------------------------------------------------------------- */

static ipk_value *make_value(ipk_value_opts *opts)
{
	ipk_value *v = NULL;

	opts->struct_size = sizeof *opts;
	opts->label = new_label("value");
	ck_ok(ipk_value_create(opts, &v));
	return v;
}

#define NUMBER(typecode_, type, number, text_)                                           \
	{                                                                                \
		.typecode = (typecode_), .item = &(const type){number}, .text = (text_), \
		.n_bytes = sizeof(type)                                                  \
	}

static const struct number {
	char typecode;
	const void *item;
	const char *text;
	size_t n_bytes;
} numbers[] = {
	NUMBER('c', char, 'x', "x"),
	NUMBER('c', char, ' ', " "),
	NUMBER('c', char, '\0', "\\x00"),
	NUMBER('c', char, '\033', "\\x1b"),
	NUMBER('c', char, '\\', "\\x5c"),
	NUMBER('b', signed char, SCHAR_MIN, "-128"),
	NUMBER('B', unsigned char, UCHAR_MAX, "255"),
	NUMBER('h', short, SHRT_MIN, "-32768"),
	NUMBER('H', unsigned short, USHRT_MAX, "65535"),
	NUMBER('i', int, INT_MIN, "-2147483648"),
	NUMBER('i', int, -1, "-1"),
	NUMBER('I', unsigned, UINT_MAX, "4294967295"),
	NUMBER('l', long, -5, "-5"),
	NUMBER('L', unsigned long, 5, "5"),
	NUMBER('q', long long, LLONG_MIN, "-9223372036854775808"),
	NUMBER('Q', unsigned long long, ULLONG_MAX, "18446744073709551615"),
	NUMBER('f', float, 0.1f, "0.1"),
	NUMBER('f', float, FLT_MAX, "3.4028235e+38"),
	NUMBER('f', float, NAN, "nan"),
	NUMBER('d', double, 0.1, "0.1"),
	NUMBER('d', double, 1.0 / 3, "0.3333333333333333"),
	NUMBER('d', double, -DBL_MAX, "-1.7976931348623157e+308"),
	NUMBER('d', double, -NAN, "nan"),
	NUMBER('d', double, -INFINITY, "-inf"),
	NUMBER('d', double, -0.0, "-0"),
	NUMBER('?', bool, true, "true"),
	NUMBER('?', bool, false, "false"),
};

START_TEST(number_is_shown_by_its_type)
{
	const struct number *n = &numbers[_i];
	ipk_value *v = make_value(&(ipk_value_opts){.typecode = n->typecode, .item = n->item});
	const char word[] = {'v', 'a', 'l', 'u', 'e', '/', n->typecode, '\0'};
	const ipk_inspect_object *o = scan_object();

	ck_assert_int_eq(o->kind, IPK_INSPECT_VALUE);
	ck_assert_str_eq(ipk_inspect_kind_name(o), word);
	ck_assert_int_eq(o->typecode, n->typecode);
	ck_assert_uint_eq(o->item_bytes, n->n_bytes);
	ck_assert_uint_eq(o->n_items, 1);
	ck_assert_uint_eq(o->n_shown, 1);
	ck_assert_str_eq(ipk_inspect_item_at(o, 0), n->text);
	ck_assert_ptr_null(ipk_inspect_item_at(o, 1));
	ck_assert(o->has_lock && o->n_holders == 0);
	probe_no_more();
	ipk_value_close(v);
}
END_TEST

START_TEST(numbers_are_shown_the_same_in_every_locale)
{
	static const char *const locales[] = {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "C.UTF-8"};
	ipk_value *v = make_value(&(ipk_value_opts){.typecode = 'd', .item = &(double){-2.5}});

	for (size_t i = 0; i < IPK__N_OF(locales); i++) {
		/* One that is not there leaves the last one. */
		(void)setlocale(LC_ALL, locales[i]);
		ck_assert_str_eq(ipk_inspect_item_at(scan_object(), 0), "-2.5");
	}
	probe_no_more();
	ipk_value_close(v);
}
END_TEST

START_TEST(struct_is_shown_by_its_bytes)
{
	static const char bytes[200] = {'\x00', '\x01', '\xfe', '\xff'};
	static const struct {
		size_t n;
		const char *text;
	} cases[] = {
		{1, "00"},
		{4, "0001feff"},
		{16, "0001feff000000000000000000000000"},
		{17, "0001feff000000000000000000000000.."},
		{200, "0001feff000000000000000000000000.."},
		{4096, "00000000000000000000000000000000.."},
	};
	size_t n = cases[_i].n;
	ipk_value *v = make_value(&(ipk_value_opts){
		.item_bytes = n, .item = n <= sizeof bytes ? bytes : NULL, .is_raw = true});
	char *ones = malloc(n);
	const ipk_inspect_object *o = scan_object();

	ck_assert_ptr_nonnull(ones);
	ck_assert_str_eq(ipk_inspect_kind_name(o), "value/struct");
	ck_assert_uint_eq(o->item_bytes, n);
	ck_assert(o->typecode == '\0' && !o->has_lock);
	ck_assert_str_eq(ipk_inspect_item_at(o, 0), cases[_i].text);
	/* The other copy counts now. */
	memset(ones, 0x11, n);
	ck_ok(ipk_value_store_bytes(v, ones, n, ipk_now()));
	ck_assert_int_eq(strncmp(ipk_inspect_item_at(scan_object(), 0), "11", 2), 0);
	probe_no_more();
	free(ones);
	ipk_value_close(v);
}
END_TEST

static int child_stores(void *arg)
{
	char bytes[64];

	for (unsigned char i = 0;; i++) {
		memset(bytes, i, sizeof bytes);
		ck_ok(ipk_value_store_bytes(arg, bytes, sizeof bytes, ipk_in_ms(WAIT_MS)));
	}
}

/* Each text is one whole store's, or none at all. */
START_TEST(struct_that_changes_is_never_shown_mixed)
{
	ipk_value *v = make_value(&(ipk_value_opts){.item_bytes = 64});
	pid_t child = spawn(child_stores, v);
	ipk_deadline enough = ipk_in_ms(5000); /* on a machine that has much else to do */

	for (int i = 0; i < repeats(500) && ipk_deadline_left_ns(enough) > 0; i++) {
		const char *text = ipk_inspect_item_at(scan_object(), 0);

		for (size_t k = 2; text && k < 2 * (size_t)IPK__HEAD_BYTES; k++)
			ck_assert_int_eq(text[k], text[k % 2]);
	}
	kill_and_reap(child);
	probe_no_more();
	ipk_value_close(v);
}
END_TEST

START_TEST(lock_of_a_value_has_its_holder)
{
	ipk_value *v = make_value(&(ipk_value_opts){.typecode = 'i'});
	const ipk_inspect_object *o;

	for (int i = 0; i < 2; i++)
		ck_ok(ipk_lock_lock(ipk_value_get_lock(v), ipk_now(), NULL));
	o = scan_object();
	ck_assert_uint_eq(o->n_holders, 1);
	ck_assert_uint_eq(ipk_inspect_holder_at(o, 0)->tid, (uint32_t)gettid());
	ck_assert_int_eq(ipk_inspect_holder_at(o, 0)->what, IPK_INSPECT_PLAIN_LOCK);
	ck_assert_uint_eq(ipk_inspect_holder_at(o, 0)->n_times, 2);
	for (int i = 0; i < 2; i++)
		ck_ok(ipk_lock_unlock(ipk_value_get_lock(v)));
	probe_no_more();
	ipk_value_close(v);
}
END_TEST

/* --- arrays ----------------------------------------------------------------------------------- */

static ipk_array *make_array(ipk_array_opts *opts)
{
	ipk_array *a = NULL;

	opts->struct_size = sizeof *opts;
	opts->label = new_label("array");
	ck_ok(ipk_array_create(opts, &a));
	return a;
}

START_TEST(first_items_of_an_array_are_shown)
{
	static const double items[1000] = {1, -2.5, NAN, 1e300, 5, 6, 7, 8, 9};
	static const char *const texts[] = {"1", "-2.5", "nan", "1e+300", "5", "6", "7", "8"};
	static const size_t n_items[] = {0, 1, 8, 9, 1000};
	size_t n = n_items[_i];
	ipk_array *a = make_array(
		&(ipk_array_opts){.typecode = 'd', .n_items = n, .items = n ? items : NULL});
	const ipk_inspect_object *o = scan_object();

	ck_assert_int_eq(o->kind, IPK_INSPECT_ARRAY);
	ck_assert_str_eq(ipk_inspect_kind_name(o), "array/d");
	ck_assert_uint_eq(o->n_items, n);
	ck_assert_uint_eq(o->item_bytes, sizeof(double));
	ck_assert_uint_eq(o->n_shown, n < 8 ? n : 8);
	for (size_t i = 0; i < o->n_shown; i++)
		ck_assert_str_eq(ipk_inspect_item_at(o, i), texts[i]);
	ck_assert_ptr_null(ipk_inspect_item_at(o, o->n_shown));
	probe_no_more();
	ipk_array_close(a);
}
END_TEST

START_TEST(array_of_large_structs_is_shown)
{
	ipk_array *a =
		make_array(&(ipk_array_opts){.item_bytes = 3000, .n_items = 1000, .is_raw = true});
	const ipk_inspect_object *o;

	memset((char *)ipk_array_data(a) + 5 * 3000, 0xab, 3000);
	o = scan_object();
	ck_assert_str_eq(ipk_inspect_kind_name(o), "array/struct");
	ck_assert(!o->has_lock);
	ck_assert_uint_gt(o->memory_bytes, 3000 * 1000);
	ck_assert_str_eq(ipk_inspect_item_at(o, 4), "00000000000000000000000000000000..");
	ck_assert_str_eq(ipk_inspect_item_at(o, 5), "abababababababababababababababab..");
	probe_no_more();
	ipk_array_close(a);
}
END_TEST

/* --- who waits -------------------------------------------------------------------------------- */

static bool has_waiter(void *arg)
{
	const ipk_inspect_thread *t = ipk_inspect_waiter_at(scan_object(), 0);
	ipk_inspect_what *what = arg;

	if (!t)
		return false;
	ck_assert_int_eq(t->what, *what);
	ck_assert_int_eq(t->n_times, 1);
	ck_assert(!t->is_gone && t->pid != 0 && t->comm[0] != '\0');
	return true;
}

static void ck_has_waiter(ipk_inspect_what what)
{
	ck_assert_msg(wait_until(has_waiter, &what, WAIT_MS), "nobody waits for %s",
		      ipk_inspect_what_name(what));
}

/* --- rwlocks ---------------------------------------------------------------------------------- */

struct access {
	ipk_rwlock *lock;
	struct gate has_it;
	struct gate let_go;
	bool writes;
};

static int child_has_access(void *arg)
{
	struct access *a = arg;
	ipk_deadline deadline = ipk_in_ms(WAIT_MS);

	ck_ok(a->writes ? ipk_rwlock_write_lock(a->lock, deadline, NULL)
			: ipk_rwlock_read_lock(a->lock, deadline, NULL));
	gate_open(&a->has_it);
	gate_wait(&a->let_go);
	return a->writes ? ipk_rwlock_write_unlock(a->lock) : ipk_rwlock_read_unlock(a->lock);
}

static pid_t start_access(struct access *a, ipk_rwlock *lock, bool writes)
{
	a->lock = lock;
	a->writes = writes;
	gate_init(&a->has_it);
	gate_init(&a->let_go);
	return spawn(child_has_access, a);
}

static void end_access(struct access *a)
{
	gate_fini(&a->has_it);
	gate_fini(&a->let_go);
}

static ipk_rwlock *make_rwlock(void)
{
	ipk_rwlock *lock = NULL;

	ck_ok(ipk_rwlock_create(IPK_RWLOCK(.label = new_label("rwlock")), &lock));
	return lock;
}

START_TEST(readers_are_holders)
{
	ipk_rwlock *lock = make_rwlock();
	const ipk_inspect_object *o;
	struct access a, b;
	pid_t reader, writer;

	ck_assert_str_eq(ipk_inspect_kind_name(scan_object()), "rwlock");
	ck_assert_uint_eq(scan_object()->n_holders, 0);
	for (int i = 0; i < 2; i++)
		ck_ok(ipk_rwlock_read_lock(lock, ipk_now(), NULL));
	reader = start_access(&a, lock, false);
	gate_wait(&a.has_it);
	o = scan_object();
	ck_assert_uint_eq(o->n_holders, 2);
	for (size_t i = 0; i < 2; i++) {
		const ipk_inspect_thread *t = ipk_inspect_holder_at(o, i);
		bool is_ours = t->tid == (uint32_t)gettid();

		ck_assert(is_ours || t->tid == (uint32_t)reader);
		ck_assert_int_eq(t->what, IPK_INSPECT_READ_LOCK);
		ck_assert_uint_eq(t->n_times, is_ours ? 2 : 1);
		ck_assert(!t->is_gone && t->comm[0] != '\0');
	}
	writer = start_access(&b, lock, true);
	ck_has_waiter(IPK_INSPECT_WRITE_LOCK);

	kill_and_reap(reader);
	for (int i = 0; i < 2; i++)
		ck_ok(ipk_rwlock_read_unlock(lock));
	gate_wait(&b.has_it);
	gate_open(&b.let_go);
	reap_ok(writer);
	ck_assert_uint_eq(scan_object()->n_holders, 0);
	probe_no_more();
	end_access(&a);
	end_access(&b);
	ipk_rwlock_close(lock);
}
END_TEST

START_TEST(dead_reader_is_listed_as_gone)
{
	ipk_rwlock *lock = make_rwlock();
	const ipk_inspect_thread *t;
	struct access a;
	pid_t reader = start_access(&a, lock, false);

	gate_wait(&a.has_it);
	kill_and_reap(reader);
	t = ipk_inspect_holder_at(scan_object(), 0);
	ck_assert_ptr_nonnull(t);
	ck_assert(t->is_gone && t->tid == (uint32_t)reader);
	probe_no_more();
	end_access(&a);
	ipk_rwlock_close(lock);
}
END_TEST

START_TEST(writer_is_the_holder_and_leaves_its_mark_when_it_dies)
{
	ipk_rwlock *lock = make_rwlock();
	const ipk_inspect_object *o;
	struct access a, b;
	pid_t writer, reader;

	writer = start_access(&a, lock, true);
	gate_wait(&a.has_it);
	reader = start_access(&b, lock, false);
	ck_has_waiter(IPK_INSPECT_READ_LOCK);
	o = scan_object();
	ck_assert_uint_eq(o->n_holders, 1);
	ck_assert_uint_eq(ipk_inspect_holder_at(o, 0)->tid, (uint32_t)writer);
	ck_assert_int_eq(ipk_inspect_holder_at(o, 0)->what, IPK_INSPECT_WRITE_LOCK);
	ck_assert(!o->needs_repair);

	kill_and_reap(writer);
	gate_wait(&b.has_it);
	o = scan_object();
	ck_assert_uint_eq(o->n_holders, 1);
	ck_assert_uint_eq(ipk_inspect_holder_at(o, 0)->tid, (uint32_t)reader);
	ck_assert(o->needs_repair);
	gate_open(&b.let_go);
	reap_ok(reader);
	ck_ok(ipk_rwlock_write_lock(lock, ipk_in_ms(WAIT_MS), NULL));
	ck_ok(ipk_rwlock_write_unlock(lock));
	ck_assert(!scan_object()->needs_repair);
	probe_no_more();
	end_access(&a);
	end_access(&b);
	ipk_rwlock_close(lock);
}
END_TEST

/* --- semaphores ------------------------------------------------------------------------------- */

static ipk_semaphore *make_semaphore(ipk_semaphore_opts *opts)
{
	ipk_semaphore *s = NULL;

	opts->struct_size = sizeof *opts;
	opts->label = new_label("semaphore");
	ck_ok(ipk_semaphore_create(opts, &s));
	return s;
}

static int child_acquires(void *arg)
{
	return ipk_semaphore_acquire(arg, ipk_in_ms(WAIT_MS));
}

START_TEST(signal_semaphore_shows_its_value)
{
	ipk_semaphore *s = make_semaphore(&(ipk_semaphore_opts){.value = 2, .max = 5});
	const ipk_inspect_object *o = scan_object();
	pid_t child;

	ck_assert_str_eq(ipk_inspect_kind_name(o), "semaphore/signal");
	ck_assert(!o->is_owned && o->n_tokens == 2 && o->max_tokens == 5);
	for (int i = 0; i < 2; i++)
		ck_ok(ipk_semaphore_acquire(s, ipk_now()));
	child = spawn(child_acquires, s);
	ck_has_waiter(IPK_INSPECT_TOKEN);
	ck_assert_uint_eq(scan_object()->n_tokens, 0);
	ck_ok(ipk_semaphore_release(s));
	reap_ok(child);
	probe_no_more();
	ipk_semaphore_close(s);

	s = make_semaphore(&(ipk_semaphore_opts){.value = 7});
	ck_assert(scan_object()->n_tokens == 7 && scan_object()->max_tokens == 0);
	probe_no_more();
	ipk_semaphore_close(s);
}
END_TEST

struct tokens {
	ipk_semaphore *s;
	struct gate has_them;
};

static int child_keeps_tokens(void *arg)
{
	struct tokens *t = arg;

	for (int i = 0; i < 2; i++)
		ck_ok(ipk_semaphore_acquire(t->s, ipk_now()));
	gate_open(&t->has_them);
	return pause();
}

START_TEST(owned_semaphore_shows_who_has_its_tokens)
{
	struct tokens tokens;
	const ipk_inspect_object *o;
	pid_t child;

	gate_init(&tokens.has_them);
	tokens.s = make_semaphore(
		&(ipk_semaphore_opts){.kind = IPK_SEMAPHORE_OWNED, .value = 4, .max = 4});
	o = scan_object();
	ck_assert_str_eq(ipk_inspect_kind_name(o), "semaphore/owned");
	ck_assert(o->is_owned && o->n_tokens == 4 && o->max_tokens == 4 && o->n_holders == 0);
	ck_ok(ipk_semaphore_acquire(tokens.s, ipk_now()));
	child = spawn(child_keeps_tokens, &tokens);
	gate_wait(&tokens.has_them);
	o = scan_object();
	ck_assert_uint_eq(o->n_tokens, 1);
	ck_assert_uint_eq(o->n_holders, 2);
	for (size_t i = 0; i < 2; i++) {
		const ipk_inspect_thread *t = ipk_inspect_holder_at(o, i);
		bool is_ours = t->tid == (uint32_t)getpid();

		ck_assert(is_ours || t->tid == (uint32_t)child);
		ck_assert_uint_eq(t->pid, t->tid);
		ck_assert_int_eq(t->what, IPK_INSPECT_TOKEN);
		ck_assert_uint_eq(t->n_times, is_ours ? 1 : 2);
		ck_assert(!t->is_gone);
	}
	kill_and_reap(child);
	o = scan_object();
	ck_assert_uint_eq(o->n_holders, 2);
	for (size_t i = 0; i < 2; i++) {
		const ipk_inspect_thread *t = ipk_inspect_holder_at(o, i);

		ck_assert(t->is_gone == (t->tid == (uint32_t)child));
	}
	probe_no_more();
	gate_fini(&tokens.has_them);
	ipk_semaphore_close(tokens.s);
}
END_TEST

/* --- conditions, events, barriers, onces ------------------------------------------------------ */

START_TEST(event_is_set_or_clear)
{
	ipk_event *e = NULL;

	ck_ok(ipk_event_create(IPK_EVENT(.label = new_label("event")), &e));
	ck_assert_str_eq(ipk_inspect_kind_name(scan_object()), "event");
	ck_assert(!scan_object()->is_set);
	ck_ok(ipk_event_set(e));
	ck_assert(scan_object()->is_set);
	ck_ok(ipk_event_clear(e));
	ck_assert(!scan_object()->is_set);
	probe_no_more();
	ipk_event_close(e);
}
END_TEST

static int child_waits_for_event(void *e)
{
	return ipk_event_wait(e, ipk_in_ms(WAIT_MS));
}

START_TEST(waiter_for_an_event_is_listed)
{
	ipk_event *e = NULL;
	pid_t child;

	ck_ok(ipk_event_create(IPK_EVENT(.label = new_label("event")), &e));
	child = spawn(child_waits_for_event, e);
	ck_has_waiter(IPK_INSPECT_SET);
	ck_ok(ipk_event_set(e));
	reap_ok(child);
	ck_assert_uint_eq(scan_object()->n_waiters, 0);
	probe_no_more();
	ipk_event_close(e);
}
END_TEST

struct condition {
	ipk_cond *cond;
	ipk_lock *lock;
};

static int child_waits_for_notice(void *arg)
{
	struct condition *c = arg;

	ck_ok(ipk_lock_lock(c->lock, ipk_in_ms(WAIT_MS), NULL));
	ck_ok(ipk_cond_wait(c->cond, c->lock, ipk_in_ms(WAIT_MS), NULL));
	return ipk_lock_unlock(c->lock);
}

START_TEST(waiter_for_a_condition_is_listed)
{
	struct condition c = {0};
	pid_t child;

	ck_ok(ipk_lock_create(NULL, &c.lock));
	ck_ok(ipk_cond_create(IPK_COND(.label = new_label("cond")), &c.cond));
	ck_assert_str_eq(ipk_inspect_kind_name(scan_object()), "cond");
	child = spawn(child_waits_for_notice, &c);
	ck_has_waiter(IPK_INSPECT_NOTICE);
	ck_ok(ipk_cond_notify_all(c.cond));
	reap_ok(child);
	probe_no_more();
	ipk_cond_close(c.cond);
	ipk_lock_close(c.lock);
}
END_TEST

struct meeting {
	ipk_barrier *barrier;
	ipk_once *once;
	struct gate has_begun;
	struct gate may_end;
};

static int act(void *arg)
{
	struct meeting *m = arg;

	gate_open(&m->has_begun);
	gate_wait(&m->may_end);
	return 0;
}

static int child_meets(void *arg)
{
	struct meeting *m = arg;

	return ipk_barrier_wait(m->barrier, act, m, ipk_in_ms(WAIT_MS), NULL);
}

static void ck_runs(const ipk_inspect_object *o, pid_t pid)
{
	ck_assert_uint_eq(o->n_holders, 1);
	ck_assert_uint_eq(ipk_inspect_holder_at(o, 0)->tid, (uint32_t)pid);
	ck_assert_int_eq(ipk_inspect_holder_at(o, 0)->what, IPK_INSPECT_RUN);
	ck_assert(!ipk_inspect_holder_at(o, 0)->is_gone);
}

START_TEST(barrier_shows_who_came_and_who_acts)
{
	struct meeting m = {0};
	const ipk_inspect_object *o;
	pid_t first, last;

	gate_init(&m.has_begun);
	gate_init(&m.may_end);
	ck_ok(ipk_barrier_create(IPK_BARRIER(.label = new_label("barrier"), .n_parties = 2),
				 &m.barrier));
	o = scan_object();
	ck_assert_str_eq(ipk_inspect_kind_name(o), "barrier");
	ck_assert_uint_eq(o->n_parties, 2);
	ck_assert(o->n_arrived == 0 && !o->is_broken);
	first = spawn(child_meets, &m);
	ck_has_waiter(IPK_INSPECT_PARTIES);
	ck_assert_uint_eq(scan_object()->n_arrived, 1);
	ck_assert_uint_eq(scan_object()->n_holders, 0);
	last = spawn(child_meets, &m);
	gate_wait(&m.has_begun);
	o = scan_object();
	ck_assert_uint_eq(o->n_arrived, 2);
	ck_runs(o, last);
	gate_open(&m.may_end);
	reap_ok(first);
	reap_ok(last);
	o = scan_object();
	ck_assert(o->n_arrived == 0 && o->n_holders == 0 && !o->is_broken);
	ck_ok(ipk_barrier_abort(m.barrier));
	ck_assert(scan_object()->is_broken);
	probe_no_more();
	ipk_barrier_close(m.barrier);
	gate_fini(&m.has_begun);
	gate_fini(&m.may_end);
}
END_TEST

static int child_runs(void *arg)
{
	struct meeting *m = arg;

	return ipk_once_run(m->once, act, m, ipk_in_ms(WAIT_MS), NULL);
}

START_TEST(once_shows_who_runs_it_and_whether_it_is_done)
{
	struct meeting m = {0};
	pid_t runner, waiter;

	gate_init(&m.has_begun);
	gate_init(&m.may_end);
	ck_ok(ipk_once_create(IPK_ONCE(.label = new_label("once")), &m.once));
	ck_assert_str_eq(ipk_inspect_kind_name(scan_object()), "once");
	ck_assert(!scan_object()->is_set && scan_object()->n_holders == 0);
	runner = spawn(child_runs, &m);
	gate_wait(&m.has_begun);
	waiter = spawn(child_runs, &m);
	ck_has_waiter(IPK_INSPECT_RUN);
	ck_runs(scan_object(), runner);
	ck_assert(!scan_object()->is_set);
	gate_open(&m.may_end);
	reap_ok(runner);
	reap_ok(waiter);
	ck_assert(scan_object()->is_set && scan_object()->n_holders == 0);
	probe_no_more();
	ipk_once_close(m.once);
	gate_fini(&m.has_begun);
	gate_fini(&m.may_end);
}
END_TEST

/* --- shared memory ---------------------------------------------------------------------------- */

static void ck_is_memory(const ipk_inspect_object *o, size_t size_bytes)
{
	ck_assert_int_eq(o->kind, IPK_INSPECT_SHM);
	ck_assert_str_eq(ipk_inspect_kind_name(o), "shm");
	ck_assert_uint_eq(o->size_bytes, size_bytes);
	ck_assert_uint_ge(o->memory_bytes, size_bytes);
	ck_assert_uint_eq(o->n_users, 1);
	ck_assert_uint_eq(o->creator_pid, (uint32_t)getpid());
}

START_TEST(shared_memory_is_found)
{
	char name[UNIQUE_NAME_BYTES];
	ipk_shm *s = NULL, *larger = NULL;

	ck_ok(ipk_shm_create(IPK_SHM(.label = new_label("shm"), .size_bytes = 10000), &s));
	ck_is_memory(scan_object(), 10000);
	ck_assert(!scan_object()->is_named);
	ipk_shm_close(s);

	unique_name(name, "shm");
	snprintf(label, sizeof label, "%s", name);
	ck_ok(ipk_shm_create(IPK_SHM(.name = name, .size_bytes = 1), &s));
	ck_is_memory(scan_object(), 1);
	ck_assert(scan_object()->is_named && !scan_object()->is_unlinked);
	ck_ok(ipk_shm_replace(s, 5000, &larger));
	ipk_shm_close(s);
	ck_is_memory(scan_object(), 5000);
	probe_no_more();
	ck_ok(ipk_shm_unlink(name, 0));
	ipk_shm_close(larger);
}
END_TEST

START_TEST(raw_shared_memory_is_nobodys_object)
{
	char name[UNIQUE_NAME_BYTES];
	ipk_shm *s = NULL;

	unique_name(name, "raw");
	ck_ok(ipk_shm_create(IPK_SHM(.name = name, .size_bytes = 4096, .is_raw = true), &s));
	memset(ipk_shm_data(s), 0xff, 4096);
	ck_ok(ipk_inspect_scan(IPK_INSPECT(.match = name), &snap));
	ck_assert_uint_eq(ipk_inspect_len(snap), 0);
	probe_no_more();
	ck_ok(ipk_shm_unlink(name, IPK_SHM_RAW));
	ipk_shm_close(s);
}
END_TEST

START_TEST(shared_memory_that_lies_about_its_size_is_damaged)
{
	struct ipk__shm_memory *shm;
	ipk_shm *s = NULL;

	ck_ok(ipk_shm_create(IPK_SHM(.label = new_label("shm"), .size_bytes = 10000), &s));
	shm = s->base;
	shm->size_bytes = UINT64_MAX;
	ck_ok(ipk_inspect_scan(IPK_INSPECT(.match = label), &snap));
	ck_assert_uint_eq(ipk_inspect_len(snap), 1);
	ck_err(ipk_inspect_object_at(snap, 0)->error, -EBADMSG);
	ck_assert_str_eq(ipk_inspect_kind_name(ipk_inspect_object_at(snap, 0)), "shm");
	ck_assert_uint_eq(ipk_inspect_object_at(snap, 0)->size_bytes, 0);
	probe_no_more();
	ipk_shm_close(s);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("probe_kinds");

	add_loop_test(s, number_is_shown_by_its_type, 0, (int)IPK__N_OF(numbers));
	add_test(s, numbers_are_shown_the_same_in_every_locale);
	add_loop_test(s, struct_is_shown_by_its_bytes, 0, 6);
	add_test(s, struct_that_changes_is_never_shown_mixed);
	add_test(s, lock_of_a_value_has_its_holder);
	add_loop_test(s, first_items_of_an_array_are_shown, 0, 5);
	add_test(s, array_of_large_structs_is_shown);
	add_test(s, readers_are_holders);
	add_test(s, dead_reader_is_listed_as_gone);
	add_test(s, writer_is_the_holder_and_leaves_its_mark_when_it_dies);
	add_test(s, signal_semaphore_shows_its_value);
	add_test(s, owned_semaphore_shows_who_has_its_tokens);
	add_test(s, event_is_set_or_clear);
	add_test(s, waiter_for_an_event_is_listed);
	add_test(s, waiter_for_a_condition_is_listed);
	add_test(s, barrier_shows_who_came_and_who_acts);
	add_test(s, once_shows_who_runs_it_and_whether_it_is_done);
	add_test(s, shared_memory_is_found);
	add_test(s, raw_shared_memory_is_nobodys_object);
	add_test(s, shared_memory_that_lies_about_its_size_is_damaged);
	return s;
}

IPK_TEST_MAIN(suite)
