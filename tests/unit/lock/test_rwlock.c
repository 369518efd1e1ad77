/* test_rwlock.c - lib/lock/rwlock.c: shares, phases, deaths, and fairness. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ipk/lock.h"
#include "lock/rwlock_internal.h"
#include "os/os.h"
#include "support/support.h"

static ipk_rwlock *make(uint32_t max_readers)
{
	ipk_rwlock *l = NULL;

	ck_ok(ipk_rwlock_create(IPK_RWLOCK(.max_readers = max_readers), &l));
	return l;
}

/* --- other threads ---------------------------------------------------------------------------- */

/* One that does a call, and may stay on with what it got until told to give it back. */
struct other {
	ipk_rwlock *l;
	int (*call)(ipk_rwlock *l, ipk_deadline deadline, bool *ret_recovered);
	int (*give_back)(ipk_rwlock *l);
	ipk_deadline deadline;
	atomic_int *turn; /* NULL, or what tells the order of those that got it */
	pthread_t thread;
	_Atomic int r;
	bool recovered;
	int nth;
	_Atomic bool has_called;
	_Atomic bool may_go;
};

static bool may_go(void *arg)
{
	return ((struct other *)arg)->may_go;
}

static bool has_called(void *arg)
{
	return ((struct other *)arg)->has_called;
}

static bool has_waiter_or_called(void *arg)
{
	const struct other *o = arg;

	return o->has_called || N_LISTED(ipk_rwlock_waiters, o->l, NULL, 0) > 0;
}

static void *run_other(void *arg)
{
	struct other *o = arg;

	o->r = o->call(o->l, o->deadline, &o->recovered);
	if (o->r == 0 && o->turn)
		o->nth = atomic_fetch_add(o->turn, 1);
	o->has_called = true;
	if (o->r == 0 && o->give_back) {
		wait_until(may_go, o, WAIT_MS);
		o->r = o->give_back(o->l);
	}
	return NULL;
}

static void start_other(struct other *o)
{
	ck_assert_int_eq(pthread_create(&o->thread, NULL, run_other, o), 0);
}

static int end_other(struct other *o)
{
	o->may_go = true;
	ck_assert_int_eq(pthread_join(o->thread, NULL), 0);
	return o->r;
}

static struct other reader(ipk_rwlock *l)
{
	return (struct other){.l = l,
			      .call = ipk_rwlock_read_lock,
			      .give_back = ipk_rwlock_read_unlock,
			      .deadline = ipk_in_ms(WAIT_MS)};
}

static struct other writer(ipk_rwlock *l)
{
	return (struct other){.l = l,
			      .call = ipk_rwlock_write_lock,
			      .give_back = ipk_rwlock_write_unlock,
			      .deadline = ipk_in_ms(WAIT_MS)};
}

static int run(struct other o, ipk_deadline deadline, bool *ret_recovered)
{
	int r;

	o.deadline = deadline;
	start_other(&o);
	r = end_other(&o);
	if (ret_recovered)
		*ret_recovered = o.recovered;
	return r;
}

/* Another thread, that tries once and gives back at once. */
static int try_read(ipk_rwlock *l)
{
	return run(reader(l), ipk_now(), NULL);
}

static int try_write(ipk_rwlock *l)
{
	return run(writer(l), ipk_now(), NULL);
}

static int only_unlock(ipk_rwlock *l, ipk_deadline deadline, bool *ret_recovered)
{
	(void)deadline;
	(void)ret_recovered;
	return ipk_rwlock_read_unlock(l);
}

struct crowd {
	ipk_rwlock *l;
	size_t n;
};

static bool is_crowd(void *arg)
{
	const struct crowd *c = arg;

	return N_LISTED(ipk_rwlock_waiters, c->l, NULL, 0) == c->n;
}

static void ck_wait_waiters(ipk_rwlock *l, size_t n)
{
	struct crowd c = {l, n};

	ck_assert(wait_until(is_crowd, &c, WAIT_MS));
}

/* --- one at a time ---------------------------------------------------------------------------- */

START_TEST(readers_share)
{
	ipk_rwlock *l = make(0);
	bool recovered = true;
	uint32_t tid = 0;

	ck_ok(ipk_rwlock_read_lock(l, ipk_now(), &recovered));
	ck_assert(!recovered);
	ck_ok(try_read(l));
	ck_err(try_write(l), -ETIMEDOUT);
	ck_assert_uint_eq(N_LISTED(ipk_rwlock_readers, l, &tid, 1), 1);
	ck_assert_int_eq((pid_t)tid, gettid());
	ck_assert_uint_eq(ipk_rwlock_owner(l), 0);
	ck_ok(ipk_rwlock_read_unlock(l));
	ck_assert_uint_eq(N_LISTED(ipk_rwlock_readers, l, NULL, 0), 0);
	ck_ok(try_write(l));
	ipk_rwlock_close(l);
}
END_TEST

START_TEST(a_writer_is_alone)
{
	ipk_rwlock *l = make(0);
	bool recovered = true;

	ck_ok(ipk_rwlock_write_lock(l, ipk_now(), &recovered));
	ck_assert(!recovered);
	ck_assert_int_eq((pid_t)ipk_rwlock_owner(l), gettid());
	ck_assert_uint_eq(N_LISTED(ipk_rwlock_readers, l, NULL, 0), 0);
	ck_err(try_read(l), -ETIMEDOUT);
	ck_err(try_write(l), -ETIMEDOUT);
	ck_err(run(reader(l), ipk_in_ms(5), NULL), -ETIMEDOUT);
	ck_err(run(writer(l), ipk_in_ms(5), NULL), -ETIMEDOUT);
	ck_ok(ipk_rwlock_write_unlock(l));
	ck_assert_uint_eq(ipk_rwlock_owner(l), 0);
	ck_ok(try_read(l));
	ck_ok(try_write(l));
	ipk_rwlock_close(l);
}
END_TEST

START_TEST(who_has_nothing_gives_nothing_back)
{
	ipk_rwlock *l = make(0);
	struct other o = {.l = l, .call = only_unlock};

	ck_err(ipk_rwlock_read_unlock(l), -EPERM);
	ck_err(ipk_rwlock_write_unlock(l), -EPERM);
	ck_ok(ipk_rwlock_read_lock(l, ipk_now(), NULL));
	ck_err(ipk_rwlock_write_unlock(l), -EPERM);
	ck_err(run(o, ipk_now(), NULL), -EPERM);
	ck_err(try_write(l), -ETIMEDOUT);
	ck_ok(ipk_rwlock_read_unlock(l));
	ck_ok(ipk_rwlock_write_lock(l, ipk_now(), NULL));
	ck_err(ipk_rwlock_read_unlock(l), -EPERM);
	ck_err(run(o, ipk_now(), NULL), -EPERM);
	ck_ok(ipk_rwlock_write_unlock(l));
	ck_err(ipk_rwlock_write_unlock(l), -EPERM);
	ipk_rwlock_close(l);
}
END_TEST

START_TEST(nobody_waits_for_itself)
{
	ipk_rwlock *l = make(0);

	ck_ok(ipk_rwlock_read_lock(l, ipk_forever(), NULL));
	ck_err(ipk_rwlock_write_lock(l, ipk_forever(), NULL), -EDEADLK);
	ck_ok(ipk_rwlock_read_unlock(l));
	ck_ok(ipk_rwlock_write_lock(l, ipk_forever(), NULL));
	ck_err(ipk_rwlock_write_lock(l, ipk_forever(), NULL), -EDEADLK);
	ck_err(ipk_rwlock_read_lock(l, ipk_forever(), NULL), -EDEADLK);
	ck_ok(ipk_rwlock_write_unlock(l));
	ck_ok(try_write(l));
	ipk_rwlock_close(l);
}
END_TEST

START_TEST(a_reader_reads_again_while_a_writer_waits)
{
	ipk_rwlock *l = make(0);
	struct other w = writer(l);

	ck_ok(ipk_rwlock_read_lock(l, ipk_now(), NULL));
	start_other(&w);
	ck_wait_waiters(l, 1);
	ck_ok(ipk_rwlock_read_lock(l, ipk_now(), NULL));
	ck_err(try_read(l), -ETIMEDOUT);
	ck_ok(ipk_rwlock_read_unlock(l));
	ck_assert_uint_eq(N_LISTED(ipk_rwlock_readers, l, NULL, 0), 1);
	ck_err(try_write(l), -ETIMEDOUT);
	ck_ok(ipk_rwlock_read_unlock(l));
	ck_assert(wait_until(has_called, &w, WAIT_MS));
	ck_err(ipk_rwlock_read_lock(l, ipk_now(), NULL), -ETIMEDOUT);
	ck_ok(end_other(&w));
	ck_err(ipk_rwlock_read_unlock(l), -EPERM);
	ipk_rwlock_close(l);
}
END_TEST

START_TEST(a_writer_that_gives_up_lets_readers_in)
{
	ipk_rwlock *l = make(0);
	struct other w = writer(l), r = reader(l);

	ck_ok(ipk_rwlock_read_lock(l, ipk_now(), NULL));
	w.deadline = ipk_in_ms(200);
	start_other(&w);
	/* However late we are, it has asked for the lock by then. */
	ck_assert(wait_until(has_waiter_or_called, &w, WAIT_MS));
	start_other(&r);
	ck_err(end_other(&w), -ETIMEDOUT);
	ck_ok(end_other(&r));
	ck_ok(try_read(l));
	ck_ok(ipk_rwlock_read_unlock(l));
	ck_ok(try_write(l));
	ipk_rwlock_close(l);
}
END_TEST

/* --- turns ------------------------------------------------------------------------------------ */

static struct ipk__shm_rwlock *shm_of(ipk_rwlock *l)
{
	return (struct ipk__shm_rwlock *)((struct ipk__ref *)l)->object;
}

static bool is_wanted(void *arg)
{
	return shm_of(arg)->is_wanted;
}

START_TEST(readers_that_waited_come_before_the_next_writer)
{
	enum { N = 3 };
	ipk_rwlock *l = make(0);
	struct other next = writer(l), r[N];
	atomic_int turn = 0;

	ck_ok(ipk_rwlock_write_lock(l, ipk_now(), NULL));
	next.turn = &turn;
	start_other(&next);
	ck_wait_waiters(l, 1);
	for (int i = 0; i < N; i++) {
		r[i] = reader(l);
		r[i].turn = &turn;
		start_other(&r[i]);
	}
	ck_wait_waiters(l, N + 1);
	ck_ok(ipk_rwlock_write_unlock(l));
	for (int i = 0; i < N; i++) {
		ck_assert(wait_until(has_called, &r[i], WAIT_MS));
		ck_assert(!next.has_called);
	}
	/* And a reader that comes when the writer is there is behind it. */
	ck_assert(wait_until(is_wanted, l, WAIT_MS));
	ck_err(try_read(l), -ETIMEDOUT);
	for (int i = 0; i < N; i++) {
		ck_ok(end_other(&r[i]));
		ck_assert_int_lt(r[i].nth, N);
	}
	ck_ok(end_other(&next));
	ck_assert_int_eq(next.nth, N);
	ipk_rwlock_close(l);
}
END_TEST

struct herd {
	ipk_rwlock *l;
	bool writes;
	_Atomic bool is_over;
	_Atomic int n_in; /* of the herd, now */
};

/* Always some of them have the lock, or are about to. */
static void *run_herd(void *arg)
{
	struct herd *h = arg;
	int r = 0;

	while (r == 0 && !h->is_over) {
		r = h->writes ? ipk_rwlock_write_lock(h->l, ipk_in_ms(WAIT_MS), NULL)
			      : ipk_rwlock_read_lock(h->l, ipk_in_ms(WAIT_MS), NULL);
		if (r < 0)
			break;
		h->n_in++;
		sched_yield();
		h->n_in--;
		r = h->writes ? ipk_rwlock_write_unlock(h->l) : ipk_rwlock_read_unlock(h->l);
	}
	return (void *)(intptr_t)r;
}

static bool is_in(void *arg)
{
	return ((struct herd *)arg)->n_in > 0;
}

static void pass_through(bool herd_writes)
{
	struct herd h = {.l = make(0), .writes = herd_writes};
	pthread_t threads[3];
	void *r;

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, run_herd, &h), 0);
	for (int i = 0; i < repeats(200); i++) {
		ck_assert(wait_until(is_in, &h, WAIT_MS));
		if (herd_writes) {
			ck_ok(ipk_rwlock_read_lock(h.l, ipk_in_ms(WAIT_MS), NULL));
			ck_ok(ipk_rwlock_read_unlock(h.l));
		} else {
			ck_ok(ipk_rwlock_write_lock(h.l, ipk_in_ms(WAIT_MS), NULL));
			ck_assert_int_eq(h.n_in, 0);
			ck_ok(ipk_rwlock_write_unlock(h.l));
		}
	}
	h.is_over = true;
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], &r);
		ck_assert_int_eq((int)(intptr_t)r, 0);
	}
	ipk_rwlock_close(h.l);
}

START_TEST(a_crowd_of_readers_lets_a_writer_in)
{
	pass_through(false);
}
END_TEST

START_TEST(a_crowd_of_writers_lets_a_reader_in)
{
	pass_through(true);
}
END_TEST

/* --- many at a time --------------------------------------------------------------------------- */

#define N_SIDES 4

struct pair {
	uint64_t a, b; /* equal, but to the one who writes */
};

struct contest {
	ipk_rwlock *l;
	struct pair *pair;
	int n;
};

/* Every fourth time it writes; how often a reader saw the pair half written. */
static int use(ipk_rwlock *l, struct pair *pair, int n)
{
	int n_torn = 0;

	for (int i = 0; i < n; i++) {
		if (i % 4 == 3) {
			IPK_TRY(ipk_rwlock_write_lock(l, ipk_in_ms(WAIT_MS), NULL));
			pair->a++;
			pair->b++;
			IPK_TRY(ipk_rwlock_write_unlock(l));
		} else {
			IPK_TRY(ipk_rwlock_read_lock(l, ipk_in_ms(WAIT_MS), NULL));
			n_torn += pair->a != pair->b;
			IPK_TRY(ipk_rwlock_read_unlock(l));
		}
	}
	return n_torn;
}

static void *use_in_thread(void *arg)
{
	struct contest *c = arg;

	return (void *)(intptr_t)use(c->l, c->pair, c->n);
}

static int use_in_process(void *arg)
{
	struct contest *c = arg;

	return use(c->l, c->pair, c->n) != 0;
}

/* With few cells, too: then some wait for a cell. */
START_TEST(threads_exclude_each_other)
{
	struct pair pair = {0};
	struct contest c = {make(_i ? 4 : 0), &pair, repeats(20000)};
	pthread_t threads[2 * N_SIDES];
	int n = _i ? 2 * N_SIDES : N_SIDES;
	void *r;

	for (int i = 0; i < n; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, use_in_thread, &c), 0);
	for (int i = 0; i < n; i++) {
		pthread_join(threads[i], &r);
		ck_assert_int_eq((int)(intptr_t)r, 0);
	}
	ck_assert_uint_eq(pair.a, (uint64_t)(c.n / 4 * n));
	ck_assert_uint_eq(pair.b, pair.a);
	ck_ok(try_write(c.l));
	ipk_rwlock_close(c.l);
}
END_TEST

static void *shared_page(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert(page != MAP_FAILED);
	return page;
}

START_TEST(processes_exclude_each_other)
{
	struct contest c = {make(0), shared_page(), repeats(20000)};
	pid_t pids[N_SIDES];

	for (int i = 0; i < N_SIDES; i++)
		pids[i] = spawn(use_in_process, &c);
	for (int i = 0; i < N_SIDES; i++)
		reap_ok(pids[i]);
	ck_assert_uint_eq(c.pair->a, (uint64_t)(c.n / 4 * N_SIDES));
	ck_assert_uint_eq(c.pair->b, c.pair->a);
	munmap(c.pair, 4096);
	ipk_rwlock_close(c.l);
}
END_TEST

/* Killed wherever they are; whoever comes next is told when the pair may be half written. */
static int use_until_killed(void *arg)
{
	struct contest *c = arg;

	for (bool recovered;;) {
		IPK_TRY(ipk_rwlock_write_lock(c->l, ipk_in_ms(WAIT_MS), &recovered));
		if (recovered)
			c->pair->b = c->pair->a;
		if (c->pair->a != c->pair->b)
			return 1;
		c->pair->a++;
		c->pair->b++;
		(void)!ipk_rwlock_write_unlock(c->l);
		IPK_TRY(ipk_rwlock_read_lock(c->l, ipk_in_ms(WAIT_MS), &recovered));
		if (!recovered && c->pair->a != c->pair->b)
			return 2;
		(void)!ipk_rwlock_read_unlock(c->l);
	}
}

struct progress {
	const struct pair *pair;
	uint64_t from;
};

static bool goes_on(void *arg)
{
	const struct progress *p = arg;

	return *(const volatile uint64_t *)&p->pair->a > p->from + 20;
}

START_TEST(survivors_of_kills_go_on)
{
	struct contest c = {make(4), shared_page(), 0};
	pid_t pids[N_SIDES];

	for (int i = 0; i < N_SIDES; i++)
		pids[i] = spawn(use_until_killed, &c);
	for (int i = 0; i < repeats(40); i++) {
		struct progress p = {c.pair, *(volatile uint64_t *)&c.pair->a};

		ck_assert(wait_until(goes_on, &p, WAIT_MS));
		kill_and_reap(pids[i % N_SIDES]);
		pids[i % N_SIDES] = spawn(use_until_killed, &c);
	}
	for (int i = 0; i < N_SIDES; i++)
		kill_and_reap(pids[i]);
	ck_ok(ipk_rwlock_write_lock(c.l, ipk_now(), NULL));
	ck_ok(ipk_rwlock_write_unlock(c.l));
	munmap(c.pair, 4096);
	ipk_rwlock_close(c.l);
}
END_TEST

/* --- deaths ----------------------------------------------------------------------------------- */

struct holder {
	ipk_rwlock *l;
	struct gate gate;
	int (*lock)(ipk_rwlock *l, ipk_deadline deadline, bool *ret_recovered);
};

static int hold(void *arg)
{
	struct holder *h = arg;

	IPK_TRY(h->lock(h->l, ipk_in_ms(WAIT_MS), NULL));
	gate_open(&h->gate);
	for (;;)
		pause();
}

/* A process that has the lock, or a share. */
static pid_t start_holder(ipk_rwlock *l, bool writes)
{
	struct holder h = {.l = l, .lock = writes ? ipk_rwlock_write_lock : ipk_rwlock_read_lock};
	pid_t pid;

	gate_init(&h.gate);
	pid = spawn(hold, &h);
	gate_wait(&h.gate);
	gate_fini(&h.gate);
	return pid;
}

START_TEST(a_dead_reader_gives_its_share_back)
{
	ipk_rwlock *l = make(0);
	struct other w = writer(l);
	bool recovered = true;
	pid_t pid = start_holder(l, false);

	ck_err(ipk_rwlock_write_lock(l, ipk_now(), NULL), -ETIMEDOUT);
	kill_and_reap(pid);
	ck_assert_uint_eq(N_LISTED(ipk_rwlock_readers, l, NULL, 0), 0);
	ck_ok(ipk_rwlock_write_lock(l, ipk_now(), &recovered));
	ck_assert(!recovered);
	ck_ok(ipk_rwlock_write_unlock(l));

	pid = start_holder(l, false);
	start_other(&w);
	ck_wait_waiters(l, 1);
	kill_and_reap(pid);
	ck_ok(end_other(&w));
	ck_assert(!w.recovered);
	ipk_rwlock_close(l);
}
END_TEST

/* Others that try all the time do not keep the writer from finding out. */
START_TEST(a_dead_reader_is_found_in_a_crowd)
{
	ipk_rwlock *l = make(0);
	struct other w = writer(l);
	pid_t pid = start_holder(l, false);

	start_other(&w);
	ck_wait_waiters(l, 1);
	kill_and_reap(pid);
	while (!w.has_called)
		ck_err(ipk_rwlock_read_lock(l, ipk_now(), NULL), -ETIMEDOUT);
	ck_ok(end_other(&w));
	ipk_rwlock_close(l);
}
END_TEST

START_TEST(a_dead_writer_is_told_of_until_another_has_written)
{
	ipk_rwlock *l = make(0);
	bool recovered = false;
	pid_t pid = start_holder(l, true);

	ck_assert_int_eq((pid_t)ipk_rwlock_owner(l), pid);
	ck_err(ipk_rwlock_read_lock(l, ipk_now(), NULL), -ETIMEDOUT);
	kill_and_reap(pid);
	ck_assert_uint_eq(ipk_rwlock_owner(l), 0);
	for (int i = 0; i < 2; i++) {
		recovered = false;
		ck_ok(ipk_rwlock_read_lock(l, ipk_now(), &recovered));
		ck_assert(recovered);
		ck_ok(ipk_rwlock_read_unlock(l));
	}
	ck_ok(run(reader(l), ipk_now(), &recovered));
	ck_assert(recovered);
	/* One that dies repairing is told of, too. */
	kill_and_reap(start_holder(l, true));
	ck_ok(run(writer(l), ipk_now(), &recovered));
	ck_assert(recovered);
	ck_ok(run(writer(l), ipk_now(), &recovered));
	ck_assert(!recovered);
	ck_ok(run(reader(l), ipk_now(), &recovered));
	ck_assert(!recovered);
	ipk_rwlock_close(l);
}
END_TEST

START_TEST(who_waits_for_a_writer_that_dies_goes_on)
{
	ipk_rwlock *l = make(0);
	struct other r[2] = {reader(l), reader(l)}, w = writer(l);
	pid_t pid = start_holder(l, true);

	start_other(&r[0]);
	start_other(&r[1]);
	ck_wait_waiters(l, 2);
	if (_i) {
		start_other(&w);
		ck_wait_waiters(l, 3);
	}
	/* Whoever is the first leaves soon. */
	r[0].may_go = r[1].may_go = w.may_go = true;
	kill_and_reap(pid);
	if (_i) {
		ck_ok(end_other(&w));
		ck_assert(w.recovered);
	}
	for (int i = 0; i < 2; i++) {
		ck_ok(end_other(&r[i]));
		ck_assert(_i || r[i].recovered);
	}
	ck_ok(try_write(l));
	ipk_rwlock_close(l);
}
END_TEST

static int wait_to_write(void *arg)
{
	return ipk_rwlock_write_lock(arg, ipk_in_ms(WAIT_MS), NULL) == 0;
}

static int wait_to_read(void *arg)
{
	return ipk_rwlock_read_lock(arg, ipk_in_ms(WAIT_MS), NULL) == 0;
}

START_TEST(a_writer_that_dies_waiting_leaves_nothing)
{
	ipk_rwlock *l = make(0);
	struct other r = reader(l);
	bool recovered = true;
	pid_t pid;

	ck_ok(ipk_rwlock_read_lock(l, ipk_now(), NULL));
	pid = spawn(wait_to_write, l);
	ck_wait_waiters(l, 1);
	ck_assert_uint_eq(ipk_rwlock_owner(l), 0);
	start_other(&r);
	ck_wait_waiters(l, 2);
	kill_and_reap(pid);
	ck_ok(end_other(&r));
	ck_assert(!r.recovered);
	ck_ok(try_read(l));
	ck_ok(ipk_rwlock_read_unlock(l));
	ck_ok(run(writer(l), ipk_now(), &recovered));
	ck_assert(!recovered);
	ipk_rwlock_close(l);
}
END_TEST

START_TEST(a_reader_that_dies_waiting_leaves_nothing)
{
	ipk_rwlock *l = make(0);
	pid_t pid;

	ck_ok(ipk_rwlock_write_lock(l, ipk_now(), NULL));
	pid = spawn(wait_to_read, l);
	ck_wait_waiters(l, 1);
	kill_and_reap(pid);
	ck_ok(ipk_rwlock_write_unlock(l));
	ck_ok(try_write(l));
	ipk_rwlock_close(l);
}
END_TEST

START_TEST(a_thread_that_ends_gives_its_share_back)
{
	ipk_rwlock *l = make(0);
	struct other o = {.l = l, .call = ipk_rwlock_read_lock};

	ck_ok(run(o, ipk_now(), NULL));
	ck_ok(ipk_rwlock_write_lock(l, ipk_in_ms(WAIT_MS), NULL));
	ck_ok(ipk_rwlock_write_unlock(l));
	ipk_rwlock_close(l);
}
END_TEST

/* What a child of fork() may not do with what its parent has. */
static int child_has_nothing(void *arg)
{
	ipk_rwlock *l = arg;
	bool writes = ipk_rwlock_owner(l) != 0;

	ck_err(ipk_rwlock_read_unlock(l), -EPERM);
	ck_err(ipk_rwlock_write_unlock(l), -EPERM);
	ck_err(ipk_rwlock_write_lock(l, ipk_now(), NULL), -ETIMEDOUT);
	ck_err(ipk_rwlock_read_lock(l, ipk_now(), NULL), writes ? -ETIMEDOUT : 0);
	if (!writes)
		ck_ok(ipk_rwlock_read_unlock(l));
	return 0;
}

START_TEST(a_fork_child_never_owns)
{
	ipk_rwlock *l = make(0);

	ck_ok(ipk_rwlock_read_lock(l, ipk_now(), NULL));
	reap_ok(spawn(child_has_nothing, l));
	ck_ok(ipk_rwlock_read_unlock(l));
	ck_ok(ipk_rwlock_write_lock(l, ipk_now(), NULL));
	reap_ok(spawn(child_has_nothing, l));
	ck_ok(ipk_rwlock_write_unlock(l));
	ipk_rwlock_close(l);
}
END_TEST

/* --- cells ------------------------------------------------------------------------------------ */

START_TEST(readers_beyond_max_wait_for_room)
{
	enum { N = 4 };
	ipk_rwlock *l = make(3);
	struct other r[N], late = reader(l);
	uint32_t tids[N + 1] = {0};

	for (int i = 0; i < N; i++) {
		r[i] = reader(l);
		start_other(&r[i]);
		ck_assert(wait_until(has_called, &r[i], WAIT_MS));
		ck_ok(r[i].r);
	}
	ck_assert_uint_eq(N_LISTED(ipk_rwlock_readers, l, tids, N + 1), N);
	for (int i = 0; i < N; i++) {
		ck_assert_uint_ne(tids[i], 0);
		for (int k = 0; k < i; k++)
			ck_assert_uint_ne(tids[i], tids[k]);
	}
	ck_assert_uint_eq(tids[N], 0);
	ck_err(try_read(l), -ETIMEDOUT);
	start_other(&late);
	ck_wait_waiters(l, 1);
	ck_assert(!late.has_called);
	ck_ok(end_other(&r[2]));
	ck_assert(wait_until(has_called, &late, WAIT_MS));
	ck_ok(late.r);
	ck_ok(end_other(&r[0]));
	ck_ok(end_other(&r[1]));
	ck_ok(end_other(&r[3]));
	ck_err(try_write(l), -ETIMEDOUT);
	ck_ok(end_other(&late));
	ck_ok(try_write(l));
	ipk_rwlock_close(l);
}
END_TEST

START_TEST(cells_of_the_dead_are_room)
{
	ipk_rwlock *l = make(4);
	pid_t pids[4];

	for (int i = 0; i < 4; i++)
		pids[i] = start_holder(l, false);
	ck_err(ipk_rwlock_read_lock(l, ipk_now(), NULL), -ETIMEDOUT);
	for (int i = 0; i < 4; i++)
		kill_and_reap(pids[i]);
	ck_ok(ipk_rwlock_read_lock(l, ipk_now(), NULL));
	ck_assert_uint_eq(N_LISTED(ipk_rwlock_readers, l, NULL, 0), 1);
	ck_ok(ipk_rwlock_read_unlock(l));
	ipk_rwlock_close(l);
}
END_TEST

/* Many threads in few cells: a share is found again wherever it is. */
START_TEST(shares_far_from_home_are_found)
{
	enum { N_LOCKS = 8 };
	ipk_rwlock *locks[N_LOCKS];
	struct other r[N_LOCKS][3];

	for (int i = 0; i < N_LOCKS; i++) {
		locks[i] = make(4);
		for (int k = 0; k < 3; k++) {
			r[i][k] = reader(locks[i]);
			start_other(&r[i][k]);
			ck_assert(wait_until(has_called, &r[i][k], WAIT_MS));
		}
		ck_ok(ipk_rwlock_read_lock(locks[i], ipk_now(), NULL));
		ck_ok(ipk_rwlock_read_lock(locks[i], ipk_now(), NULL));
		ck_assert_uint_eq(N_LISTED(ipk_rwlock_readers, locks[i], NULL, 0), 4);
	}
	for (int i = 0; i < N_LOCKS; i++) {
		ck_ok(ipk_rwlock_read_unlock(locks[i]));
		ck_ok(ipk_rwlock_read_unlock(locks[i]));
		ck_err(ipk_rwlock_read_unlock(locks[i]), -EPERM);
		for (int k = 0; k < 3; k++)
			ck_ok(end_other(&r[i][k]));
		ck_ok(try_write(locks[i]));
		ipk_rwlock_close(locks[i]);
	}
}
END_TEST

/* --- limits and errors ------------------------------------------------------------------------ */

/* The kernel follows so many a thread; shares are none of its business. */
START_TEST(write_locks_count_as_locks)
{
	ipk_rwlock *l = make(0);
	uint32_t *n_locks = &ipk__os_self.n_locks;

	ck_ok(ipk_rwlock_read_lock(l, ipk_now(), NULL));
	ck_assert_uint_eq(*n_locks, 0);
	ck_ok(ipk_rwlock_read_unlock(l));
	ck_ok(ipk_rwlock_write_lock(l, ipk_now(), NULL));
	ck_assert_uint_eq(*n_locks, 1);
	ck_ok(ipk_rwlock_write_unlock(l));
	ck_assert_uint_eq(*n_locks, 0);
	*n_locks = IPK_LOCKS_HELD_MAX;
	ck_err(ipk_rwlock_write_lock(l, ipk_now(), NULL), -ENOLCK);
	ck_assert_uint_eq(*n_locks, IPK_LOCKS_HELD_MAX);
	ck_ok(ipk_rwlock_read_lock(l, ipk_now(), NULL));
	ck_ok(ipk_rwlock_read_unlock(l));
	*n_locks = IPK_LOCKS_HELD_MAX - 1;
	ck_ok(ipk_rwlock_write_lock(l, ipk_now(), NULL));
	ck_ok(ipk_rwlock_write_unlock(l));
	*n_locks = 0;
	ipk_rwlock_close(l);
}
END_TEST

START_TEST(sharing_again_has_an_end)
{
	ipk_rwlock *l = make(4);
	struct ipk__shm_rwlock *shm = shm_of(l);

	ck_ok(ipk_rwlock_read_lock(l, ipk_now(), NULL));
	for (int i = 0; i < 4; i++)
		shm->cells[i].n_again = UINT32_MAX - 2;
	ck_ok(ipk_rwlock_read_lock(l, ipk_now(), NULL));
	ck_err(ipk_rwlock_read_lock(l, ipk_now(), NULL), -EOVERFLOW);
	for (int i = 0; i < 4; i++)
		shm->cells[i].n_again = 0;
	ck_ok(ipk_rwlock_read_unlock(l));
	ck_err(ipk_rwlock_read_unlock(l), -EPERM);
	ipk_rwlock_close(l);
}
END_TEST

START_TEST(wrong_arguments)
{
	ipk_rwlock *l = NULL;

	ck_err(ipk_rwlock_create(NULL, NULL), -EINVAL);
	ck_err(ipk_rwlock_create(IPK_RWLOCK(.name = "a/b"), &l), -EINVAL);
	ck_err(ipk_rwlock_create(IPK_RWLOCK(.label = "a b"), &l), -EINVAL);
	ck_err(ipk_rwlock_create(IPK_RWLOCK(.max_readers = IPK_RWLOCK_READERS_MAX + 1), &l),
	       -EINVAL);
	ck_err(ipk_rwlock_open("t-nobody-made-this", ipk_now(), &l), -ENOENT);
	ck_err(ipk_rwlock_open("a/b", ipk_now(), &l), -EINVAL);
	ck_err(ipk_rwlock_open("x", ipk_now(), NULL), -EINVAL);
	ck_err(ipk_rwlock_unlink("t-nobody-made-this"), -ENOENT);
	ck_err(ipk_rwlock_read_lock(NULL, ipk_now(), NULL), -EBADF);
	ck_err(ipk_rwlock_read_unlock(NULL), -EBADF);
	ck_err(ipk_rwlock_write_lock(NULL, ipk_now(), NULL), -EBADF);
	ck_err(ipk_rwlock_write_unlock(NULL), -EBADF);
	ck_err(ipk_rwlock_send(NULL, NULL, ipk_now()), -EBADF);
	ck_err(ipk_rwlock_recv(NULL, ipk_now(), NULL), -EINVAL);
	ck_err(ipk_rwlock_recv(NULL, ipk_now(), &l), -EBADF);
	ck_assert_uint_eq(ipk_rwlock_owner(NULL), 0);
	ck_err(ipk_rwlock_readers(NULL, NULL, 0, &(size_t){0}), -EBADF);
	ck_err(ipk_rwlock_waiters(NULL, NULL, 0, &(size_t){0}), -EBADF);
	ck_assert_ptr_null(ipk_rwlock_close(NULL));
	ck_assert_ptr_null(l);
	ipk_rwlock_closep(&l);
	ck_ok(ipk_rwlock_create(IPK_RWLOCK(.max_readers = IPK_RWLOCK_READERS_MAX), &l));
	ck_ok(ipk_rwlock_write_lock(l, ipk_now(), NULL));
	ck_ok(ipk_rwlock_write_unlock(l));
	ipk_rwlock_close(l);
}
END_TEST

/* --- reaching it from elsewhere --------------------------------------------------------------- */

static int hold_by_name(void *arg)
{
	IPK_AUTO(rwlock, l);
	bool recovered;

	IPK_TRY(ipk_rwlock_open(arg, ipk_now(), &l));
	if (ipk_rwlock_write_lock(l, ipk_now(), &recovered) != -ETIMEDOUT)
		return 1;
	IPK_TRY(ipk_rwlock_read_lock(l, ipk_now(), &recovered));
	return ipk_rwlock_read_unlock(l);
}

START_TEST(opened_by_name)
{
	char name[UNIQUE_NAME_BYTES];
	ipk_rwlock *l, *same = NULL;
	ipk_lock *lock = NULL;

	unique_name(name, "rwlock");
	ck_ok(ipk_rwlock_create(IPK_RWLOCK(.name = name, .max_readers = 100), &l));
	ck_err(ipk_rwlock_create(IPK_RWLOCK(.name = name), &same), -EEXIST);
	ck_err(ipk_lock_open(name, ipk_now(), &lock), -EPROTOTYPE);
	ck_ok(ipk_rwlock_read_lock(l, ipk_now(), NULL));
	reap_ok(spawn(hold_by_name, name));
	ck_ok(ipk_rwlock_open(name, ipk_now(), &same));
	ck_ok(ipk_rwlock_read_unlock(same));
	ck_ok(ipk_rwlock_unlink(name));
	ck_err(ipk_rwlock_open(name, ipk_now(), &same), -ENOENT);
	ck_ok(ipk_rwlock_write_lock(l, ipk_now(), NULL));
	ck_err(try_read(same), -ETIMEDOUT);
	ck_ok(ipk_rwlock_write_unlock(same));
	ipk_rwlock_close(same);
	ipk_rwlock_close(l);
}
END_TEST

START_TEST(a_damaged_one_is_refused)
{
	static const uint32_t sizes[] = {0, 2, 5, 128, 1u << 30};
	char name[UNIQUE_NAME_BYTES];
	ipk_rwlock *l, *same = NULL;
	struct ipk__shm_rwlock *shm;

	unique_name(name, "rwlock");
	ck_ok(ipk_rwlock_create(IPK_RWLOCK(.name = name), &l));
	shm = shm_of(l);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		shm->n_cells = sizes[i];
		ck_err(ipk_rwlock_open(name, ipk_now(), &same), -EBADMSG);
	}
	shm->n_cells = 64;
	ck_ok(ipk_rwlock_open(name, ipk_now(), &same));
	ipk_rwlock_close(same);
	ipk_rwlock_close(l);
	ck_ok(ipk_rwlock_unlink(name));
}
END_TEST

static int recv_and_try(void *arg)
{
	IPK_AUTO(rwlock, l);

	IPK_TRY(ipk_rwlock_recv(arg, ipk_in_ms(WAIT_MS), &l));
	if (ipk_rwlock_read_lock(l, ipk_now(), NULL) != -ETIMEDOUT)
		return 1;
	return ipk_rwlock_owner(l) == (uint32_t)getppid() ? 0 : 2;
}

START_TEST(passed_over_a_pipe)
{
	char name[UNIQUE_NAME_BYTES];
	ipk_pipe *a, *b;
	ipk_rwlock *l, *named;
	pid_t pid;

	ck_ok(ipk_pipe_create(NULL, &a, &b));
	pid = spawn(recv_and_try, b);
	l = make(0);
	ck_ok(ipk_rwlock_write_lock(l, ipk_now(), NULL));
	ck_ok(ipk_rwlock_send(l, a, ipk_in_ms(WAIT_MS)));
	reap_ok(pid);
	ck_ok(ipk_rwlock_write_unlock(l));
	unique_name(name, "rwlock");
	ck_ok(ipk_rwlock_create(IPK_RWLOCK(.name = name), &named));
	ck_err(ipk_rwlock_send(named, a, ipk_now()), -EOPNOTSUPP);
	ck_ok(ipk_rwlock_unlink(name));
	ipk_rwlock_close(named);
	ipk_rwlock_close(l);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("rwlock");

	add_test(s, readers_share);
	add_test(s, a_writer_is_alone);
	add_test(s, who_has_nothing_gives_nothing_back);
	add_test(s, nobody_waits_for_itself);
	add_test(s, a_reader_reads_again_while_a_writer_waits);
	add_test(s, a_writer_that_gives_up_lets_readers_in);
	add_test(s, readers_that_waited_come_before_the_next_writer);
	add_test(s, a_crowd_of_readers_lets_a_writer_in);
	add_test(s, a_crowd_of_writers_lets_a_reader_in);
	add_loop_test(s, threads_exclude_each_other, 0, 2);
	add_test(s, processes_exclude_each_other);
	add_test(s, survivors_of_kills_go_on);
	add_test(s, a_dead_reader_gives_its_share_back);
	add_test(s, a_dead_reader_is_found_in_a_crowd);
	add_test(s, a_dead_writer_is_told_of_until_another_has_written);
	add_loop_test(s, who_waits_for_a_writer_that_dies_goes_on, 0, 2);
	add_test(s, a_writer_that_dies_waiting_leaves_nothing);
	add_test(s, a_reader_that_dies_waiting_leaves_nothing);
	add_test(s, a_thread_that_ends_gives_its_share_back);
	add_test(s, a_fork_child_never_owns);
	add_test(s, readers_beyond_max_wait_for_room);
	add_test(s, cells_of_the_dead_are_room);
	add_test(s, shares_far_from_home_are_found);
	add_test(s, write_locks_count_as_locks);
	add_test(s, sharing_again_has_an_end);
	add_test(s, wrong_arguments);
	add_test(s, opened_by_name);
	add_test(s, a_damaged_one_is_refused);
	add_test(s, passed_over_a_pipe);
	return s;
}
IPK_TEST_MAIN(suite)
