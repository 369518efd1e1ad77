/*
 * test_manager_reconnect.c - the manager's client under failures and interruptions: threads, forks,
 * servers that are stopped, killed, restarted, or never come back.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ipk/manager_server.h"
#include "manager_calls.h"
#include "support/support.h"

#ifdef __SANITIZE_THREAD__
/* A server is started while threads run, which it has no part in; its log has a thread too. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "die_after_fork=0:report_thread_leaks=0";
}
#endif

/* A server whose address and log stay the same over its restarts. */
struct place {
	char directory[32], log[48], socket[48], address[64];
	ipk_manager_server *server;
};

static void place_start(struct place *p)
{
	char trouble[200] = "";
	int r = ipk_manager_server_start(IPK_MANAGER_SERVER(.address = p->address,
							    .log_path = p->log, .trouble = trouble,
							    .trouble_bytes = sizeof trouble),
					 SOON, &p->server);

	ck_assert_msg(r == 0, "no server: -%s, %s", ipk_errname(r), trouble);
}

static void place_init(struct place *p)
{
	strcpy(p->directory, "/tmp/ipk-again-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(p->directory));
	snprintf(p->socket, sizeof p->socket, "%s/s", p->directory);
	snprintf(p->address, sizeof p->address, "unix:%s", p->socket);
	snprintf(p->log, sizeof p->log, "%s/log", p->directory);
	place_start(p);
}

static void place_kill(struct place *p)
{
	ck_assert_int_eq(kill(ipk_manager_server_pid(p->server), SIGKILL), 0);
	p->server = ipk_manager_server_close(p->server);
}

static void place_fini(struct place *p)
{
	p->server = ipk_manager_server_close(p->server);
	unlink(p->socket);
	unlink(p->log);
	rmdir(p->directory);
}

static int64_t number_at(ipk_dict *d, const char *field)
{
	char buf[32] = "";
	size_t n = 0;

	ck_ok(ipk_dict_get(d, ipk_text(field), buf, sizeof buf - 1, SOON, &n));
	buf[n] = '\0';
	return atoll(buf);
}

/* --- the example everybody knows -------------------------------------------------------------- */

enum { WORKERS = 4, ROUNDS = 50 };

static int worker(void *arg)
{
	ipk_manager *m = arg; /* the parent's: it connects anew here */
	IPK_AUTO(managed_lock, lock);
	IPK_AUTO(dict, d);
	char buf[32];
	size_t n;

	IPK_TRY(ipk_managed_lock_open(m, "lock", NULL, SOON, &lock));
	IPK_TRY(ipk_dict_open(m, "shared", &d));
	for (int i = 0; i < ROUNDS; i++) {
		IPK_TRY(ipk_managed_lock_lock(lock, SOON));
		IPK_TRY(ipk_dict_get(d, ipk_text("n"), buf, sizeof buf - 1, SOON, &n));
		buf[n] = '\0';
		snprintf(buf, sizeof buf, "%d", atoi(buf) + 1);
		IPK_TRY(ipk_dict_set(d, ipk_text("n"), buf, strlen(buf), SOON));
		IPK_TRY(ipk_managed_lock_unlock(lock, SOON));
	}
	return 0;
}

START_TEST(workers_fill_a_dict_under_a_lock)
{
	IPK_AUTO(manager_server, s);
	IPK_AUTO(manager, m);
	IPK_AUTO(dict, d);
	pid_t pids[WORKERS];

	ck_ok(ipk_manager_server_start(NULL, SOON, &s));
	ck_ok(ipk_manager_connect(ipk_manager_server_address(s),
				  IPK_MANAGER_CONNECT(.no_local = _i == 1), SOON, &m));
	ck_ok(ipk_dict_open(m, "shared", &d));
	ck_ok(ipk_dict_set(d, ipk_text("n"), "0", 1, SOON));
	for (int i = 0; i < WORKERS; i++)
		pids[i] = spawn(worker, m);
	for (int i = 0; i < WORKERS; i++)
		reap_ok(pids[i]);
	ck_assert_int_eq(number_at(d, "n"), WORKERS * ROUNDS);
}
END_TEST

/* --- threads ---------------------------------------------------------------------------------- */

struct crowd {
	ipk_manager *m;
	ipk_dict *d;
	ipk_managed_queue *q;
	_Atomic int n_failed;
	_Atomic bool is_over;
	int n_rounds;
};

static void *add_and_check(void *arg)
{
	struct crowd *c = arg;
	char field[32];
	char buf[32];
	size_t n;

	snprintf(field, sizeof field, "t%lx", (unsigned long)pthread_self());
	for (int i = 0; i < c->n_rounds; i++) {
		bool ok = ipk_dict_add(c->d, ipk_text("sum"), 1, SOON, NULL) == 0 &&
			  ipk_dict_set(c->d, ipk_text(field), &i, sizeof i, SOON) == 0 &&
			  ipk_dict_get(c->d, ipk_text(field), buf, sizeof buf, SOON, &n) == 0 &&
			  n == sizeof i && memcmp(buf, &i, n) == 0;

		if (!ok)
			c->n_failed++;
	}
	return NULL;
}

static void *get_one(void *arg)
{
	struct crowd *c = arg;
	void *data;
	size_t n;

	if (ipk_managed_queue_get_alloc(c->q, SOON, &data, &n) < 0)
		c->n_failed++;
	else
		free(data);
	return NULL;
}

START_TEST(threads_share_a_connection)
{
	IPK_AUTO(manager_server, s);
	IPK_AUTO(manager, m);
	IPK_AUTO(dict, d);
	IPK_AUTO(managed_queue, q);
	struct crowd c = {.n_rounds = repeats(200)};
	pthread_t threads[4], waiting[2];

	ck_ok(ipk_manager_server_start(NULL, SOON, &s));
	ck_ok(ipk_manager_connect(ipk_manager_server_address(s),
				  IPK_MANAGER_CONNECT(.no_local = _i == 1), SOON, &m));
	ck_ok(ipk_dict_open(m, "d", &d));
	ck_ok(ipk_managed_queue_open(m, "q", NULL, SOON, &q));
	c.m = m;
	c.d = d;
	c.q = q;
	for (int i = 0; i < 2; i++) /* those that wait hold up nobody */
		ck_assert_int_eq(pthread_create(&waiting[i], NULL, get_one, &c), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, add_and_check, &c), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_ok(ipk_managed_queue_put(q, "1", 1, SOON));
	ck_ok(ipk_managed_queue_put(q, "2", 1, SOON));
	for (int i = 0; i < 2; i++)
		pthread_join(waiting[i], NULL);
	ck_assert_int_eq(c.n_failed, 0);
	ck_assert_int_eq(number_at(d, "sum"), 4 * c.n_rounds);
}
END_TEST

/* --- a server that is killed and comes back --------------------------------------------------- */

static _Atomic unsigned n_answered; /* calls, in all threads */

/* Each server is killed under load: it has answered some calls, and more are under way. */
static void *restart_often(void *arg)
{
	struct place *p = arg;

	for (unsigned i = 0; i < 5; i++) {
		unsigned enough = n_answered + 1 + 13 * i;
		ipk_deadline end = SOON;

		while ((int)(n_answered - enough) < 0 && ipk_deadline_left_ns(end) > 0)
			sched_yield();
		ck_assert_int_gt(ipk_deadline_left_ns(end), 0);
		place_kill(p);
		place_start(p);
	}
	return NULL;
}

START_TEST(adds_are_done_once_over_restarts)
{
	struct place p;
	IPK_AUTO(manager, m);
	IPK_AUTO(dict, d);
	pthread_t thread;
	int64_t sum = 0;
	int n = 0;

	place_init(&p);
	ck_ok(ipk_manager_connect(p.address, IPK_MANAGER_CONNECT(.no_local = _i == 1), SOON, &m));
	ck_ok(ipk_dict_open(m, "d", &d));
	ck_assert_int_eq(pthread_create(&thread, NULL, restart_often, &p), 0);
	while (pthread_tryjoin_np(thread, NULL) != 0) {
		ck_ok(ipk_dict_add(d, ipk_text("n"), 1, SOON, &sum));
		ck_assert_int_eq(sum, ++n);
		n_answered++;
	}
	ck_assert_int_eq(number_at(d, "n"), n);
	m = (d = ipk_dict_close(d), ipk_manager_close(m));
	place_fini(&p);
}
END_TEST

/* More calls than go out at a time; each says what the sum was after it. */
START_TEST(batches_are_done_once_over_restarts)
{
	enum { CALLS = 100 };
	struct place p;
	IPK_AUTO(manager, m);
	IPK_AUTO(dict, d);
	IPK_AUTO(list, l);
	pthread_t thread;
	int64_t sum = 0;
	uint64_t len;
	int n = 0;

	place_init(&p);
	ck_ok(ipk_manager_connect(p.address, IPK_MANAGER_CONNECT(.no_local = _i == 1), SOON, &m));
	ck_ok(ipk_dict_open(m, "d", &d));
	ck_ok(ipk_list_open(m, "l", &l));
	ck_assert_int_eq(pthread_create(&thread, NULL, restart_often, &p), 0);
	while (pthread_tryjoin_np(thread, NULL) != 0) {
		IPK_AUTO(batch, b);

		ck_ok(ipk_batch_create(m, &b));
		for (int i = 0; i < CALLS; i++) {
			ck_ok(ipk_batch_dict_add(b, d, ipk_text("n"), 1));
			ck_ok(ipk_batch_list_append(b, l, "x", 1));
		}
		ck_ok(ipk_batch_run(b, SOON));
		n_answered++;
		for (size_t i = 0; i < CALLS; i++) {
			ck_ok(ipk_batch_int(b, 2 * i, &sum));
			ck_assert_int_eq(sum, ++n);
		}
	}
	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(number_at(d, "n"), n);
	ck_ok(ipk_list_len(l, SOON, &len));
	ck_assert_uint_eq(len, (unsigned)n);
	l = ipk_list_close(l);
	m = (d = ipk_dict_close(d), ipk_manager_close(m));
	place_fini(&p);
}
END_TEST

struct transfer {
	ipk_dict *d;
	ipk_list *l;
};

/* One more in the dict, and that number in the list. */
static int count_one(ipk_batch *batch, void *arg)
{
	struct transfer *t = arg;
	char text[24] = "";
	size_t n = 0;
	int r = ipk_dict_get(t->d, ipk_text("n"), text, sizeof text - 1, SOON, &n);

	if (r < 0 && r != -ENOENT)
		return r;
	snprintf(text, sizeof text, "%d", (r == 0 ? atoi(text) : 0) + 1);
	IPK_TRY(ipk_batch_dict_set(batch, t->d, ipk_text("n"), text, strlen(text)));
	return ipk_batch_list_append(batch, t->l, text, strlen(text));
}

START_TEST(transactions_are_done_once_over_restarts)
{
	static const char *const names[] = {"d", "l"};
	struct place p;
	struct transfer t = {0};
	IPK_AUTO(manager, m);
	pthread_t thread;
	char text[24], got[24];
	uint64_t len;
	size_t n_got;
	int n = 0;

	place_init(&p);
	ck_ok(ipk_manager_connect(p.address, IPK_MANAGER_CONNECT(.no_local = _i == 1), SOON, &m));
	ck_ok(ipk_dict_open(m, "d", &t.d));
	ck_ok(ipk_list_open(m, "l", &t.l));
	ck_assert_int_eq(pthread_create(&thread, NULL, restart_often, &p), 0);
	while (pthread_tryjoin_np(thread, NULL) != 0) {
		ck_ok(ipk_manager_transact(m, names, 2, count_one, &t, SOON));
		n++;
		n_answered++;
		ck_assert_int_eq(number_at(t.d, "n"), n);
	}
	ck_assert_int_gt(n, 0);
	ck_ok(ipk_list_len(t.l, SOON, &len));
	ck_assert_uint_eq(len, (unsigned)n);
	snprintf(text, sizeof text, "%d", n);
	ck_ok(ipk_list_get(t.l, -1, got, sizeof got, SOON, &n_got));
	ck_assert_uint_eq(n_got, strlen(text));
	ck_assert_mem_eq(got, text, n_got);
	t.d = ipk_dict_close(t.d);
	t.l = ipk_list_close(t.l);
	m = ipk_manager_close(m);
	place_fini(&p);
}
END_TEST

static void *add_in_turn(void *arg)
{
	struct crowd *c = arg;
	char field[32];
	int64_t sum = 0;

	snprintf(field, sizeof field, "t%lx", (unsigned long)pthread_self());
	for (int i = 0; !c->is_over; i++) {
		if (ipk_dict_add(c->d, ipk_text(field), 1, SOON, &sum) < 0 || sum != i + 1)
			c->n_failed++;
		n_answered++;
	}
	return NULL;
}

START_TEST(threads_go_on_over_restarts)
{
	struct place p;
	struct crowd c = {0};
	IPK_AUTO(manager, m);
	IPK_AUTO(dict, d);
	pthread_t threads[4];

	place_init(&p);
	ck_ok(ipk_manager_connect(p.address, IPK_MANAGER_CONNECT(.no_local = _i == 1), SOON, &m));
	ck_ok(ipk_dict_open(m, "d", &d));
	c.d = d;
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, add_in_turn, &c), 0);
	restart_often(&p);
	c.is_over = true;
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(c.n_failed, 0);
	m = (d = ipk_dict_close(d), ipk_manager_close(m));
	place_fini(&p);
}
END_TEST

static void *get_long(void *arg)
{
	struct crowd *c = arg;
	void *data;
	size_t n;

	if (ipk_managed_queue_get_alloc(c->q, SOON, &data, &n) < 0)
		return NULL;
	free(data);
	return arg;
}

START_TEST(who_waits_goes_on_waiting_after_a_restart)
{
	struct place p;
	struct crowd c = {0};
	IPK_AUTO(manager, m);
	IPK_AUTO(managed_queue, q);
	pthread_t thread;
	void *result;

	place_init(&p);
	ck_ok(ipk_manager_connect(p.address, NULL, SOON, &m));
	ck_ok(ipk_managed_queue_open(m, "q", NULL, SOON, &q));
	c.q = q;
	ck_assert_int_eq(pthread_create(&thread, NULL, get_long, &c), 0);
	for (int i = 0; i < 100; i++) /* far behind the number of the one that waits */
		ck_ok(ipk_manager_ping(m, SOON));
	place_kill(&p);
	place_start(&p);
	ck_ok(ipk_managed_queue_put(q, "x", 1, SOON));
	pthread_join(thread, &result);
	ck_assert_ptr_nonnull(result);
	m = (q = ipk_managed_queue_close(q), ipk_manager_close(m));
	place_fini(&p);
}
END_TEST

static void *put_ten(void *arg)
{
	static const ipk_bytes ten[] = {{"0", 1}, {"1", 1}, {"2", 1}, {"3", 1}, {"4", 1},
					{"5", 1}, {"6", 1}, {"7", 1}, {"8", 1}, {"9", 1}};
	struct crowd *c = arg;
	size_t n = 0;

	if (ipk_managed_queue_put_many(c->q, ten, 10, SOON, &n) < 0 || n != 10)
		c->n_failed++;
	return NULL;
}

/* Two find room at a time; the server is killed after each that is taken out. */
START_TEST(a_put_in_parts_goes_on_after_restarts)
{
	struct place p;
	struct crowd c = {0};
	IPK_AUTO(manager, m);
	IPK_AUTO(managed_queue, q);
	pthread_t thread;
	void *data;
	size_t n;

	place_init(&p);
	ck_ok(ipk_manager_connect(p.address, NULL, SOON, &m));
	ck_ok(ipk_managed_queue_open(
		m, "q",
		&(ipk_managed_queue_opts){.struct_size = sizeof(ipk_managed_queue_opts),
					  .max_items = 2,
					  .is_joinable = _i == 1},
		SOON, &q));
	c.q = q;
	ck_assert_int_eq(pthread_create(&thread, NULL, put_ten, &c), 0);
	for (int i = 0; i < 10; i++) {
		ck_ok(ipk_managed_queue_get_alloc(q, SOON, &data, &n));
		ck_assert_uint_eq(n, 1);
		ck_assert_int_eq(((char *)data)[0], '0' + i);
		free(data);
		if (_i == 1)
			ck_ok(ipk_managed_queue_task_done(q, 1, SOON));
		if (i % 3 == 0) {
			place_kill(&p);
			place_start(&p);
		}
	}
	pthread_join(thread, NULL);
	ck_assert_int_eq(c.n_failed, 0);
	ck_err(ipk_managed_queue_get_alloc(q, ipk_now(), &data, &n), -ETIMEDOUT);
	m = (q = ipk_managed_queue_close(q), ipk_manager_close(m));
	place_fini(&p);
}
END_TEST

START_TEST(a_lock_is_lost_with_its_connection)
{
	struct place p;
	IPK_AUTO(manager, m);
	IPK_AUTO(managed_lock, lock);

	place_init(&p);
	ck_ok(ipk_manager_connect(p.address, NULL, SOON, &m));
	ck_ok(ipk_managed_lock_open(m, "l", NULL, SOON, &lock));
	ck_ok(ipk_managed_lock_lock(lock, SOON));
	place_kill(&p);
	place_start(&p);
	ck_err(ipk_managed_lock_unlock(lock, SOON), -EOWNERDEAD);
	ck_err(ipk_managed_lock_unlock(lock, SOON), -EPERM);
	ck_ok(ipk_managed_lock_lock(lock, SOON));
	ck_ok(ipk_managed_lock_unlock(lock, SOON));
	m = (lock = ipk_managed_lock_close(lock), ipk_manager_close(m));
	place_fini(&p);
}
END_TEST

/* --- what belongs to a connection ------------------------------------------------------------- */

/* All connections but one of its own end; and @m has another one before it returns. */
static void lose_connection(const struct place *p, ipk_manager *m)
{
	const ipk_bytes kill_others[] = {ipk_text("CLIENT"), ipk_text("KILL"), ipk_text("SKIPME"),
					 ipk_text("yes")};
	IPK_AUTO(manager, other);
	IPK_AUTO(reply, reply);

	ck_ok(ipk_manager_connect(p->address, NULL, SOON, &other));
	ck_ok(ipk_manager_command(other, kill_others, 4, SOON, &reply));
	ck_ok(ipk_manager_ping(m, SOON));
}

struct disturbed {
	struct place *place;
	ipk_manager *m;
	ipk_managed_value *v;
	int n_calls;
};

/* One more; in its first attempt the connection is lost and another client adds 100. */
static int add_one_disturbed(ipk_batch *batch, void *arg)
{
	struct disturbed *d = arg;
	ipk_bytes words[] = {ipk_text("SET"), ipk_text("k"), {0}};
	char text[24];
	int64_t n;

	IPK_TRY(ipk_managed_value_load(d->v, SOON, &n));
	if (d->n_calls++ == 0) {
		const ipk_bytes add[] = {ipk_text("INCRBY"), ipk_text("k"), ipk_text("100")};
		IPK_AUTO(manager, other);
		IPK_AUTO(reply, reply);

		lose_connection(d->place, d->m);
		ck_ok(ipk_manager_connect(d->place->address, NULL, SOON, &other));
		ck_ok(ipk_manager_command(other, add, 3, SOON, &reply));
	}
	snprintf(text, sizeof text, "%lld", (long long)n + 1);
	words[2] = ipk_text(text);
	return ipk_batch_command(batch, words, 3);
}

START_TEST(a_transaction_begins_again_over_another_connection)
{
	static const char *const names[] = {"k"};
	struct place p;
	struct disturbed d = {.place = &p};
	int64_t n = 0;

	place_init(&p);
	ck_ok(ipk_manager_connect(p.address, IPK_MANAGER_CONNECT(.no_local = _i == 1), SOON, &d.m));
	ck_ok(ipk_managed_value_open(d.m, "k", &d.v));
	ck_ok(ipk_managed_value_store(d.v, 1, SOON));
	ck_ok(ipk_manager_transact(d.m, names, 1, add_one_disturbed, &d, SOON));
	ck_assert_int_eq(d.n_calls, 2);
	ck_ok(ipk_managed_value_load(d.v, SOON, &n));
	ck_assert_int_eq(n, 102);
	ipk_managed_value_close(d.v);
	ipk_manager_close(d.m);
	place_fini(&p);
}
END_TEST

START_TEST(a_permit_is_lost_with_its_connection)
{
	struct place p;
	IPK_AUTO(manager, m);
	IPK_AUTO(managed_semaphore, s);

	place_init(&p);
	ck_ok(ipk_manager_connect(p.address, IPK_MANAGER_CONNECT(.no_local = _i == 1), SOON, &m));
	ck_ok(ipk_managed_semaphore_open(m, "s", IPK_MANAGED_SEMAPHORE(.value = 2), SOON, &s));
	ck_ok(ipk_managed_semaphore_acquire(s, SOON));
	ck_ok(ipk_managed_semaphore_acquire(s, SOON));
	lose_connection(&p, m);
	ck_err(ipk_managed_semaphore_release(s, 1, SOON), -EOWNERDEAD);
	/* One is left to give back from before, and one that is held now. */
	ck_ok(ipk_managed_semaphore_acquire(s, SOON));
	ck_ok(ipk_managed_semaphore_release(s, 1, SOON));
	ck_err(ipk_managed_semaphore_release(s, 1, SOON), -EOWNERDEAD);
	for (int i = 0; i < 2; i++)
		ck_ok(ipk_managed_semaphore_acquire(s, SOON));
	ck_err(ipk_managed_semaphore_acquire(s, ipk_now()), -ETIMEDOUT);
	/* What was not acquired here is a signal, over any connection. */
	for (int i = 0; i < 2; i++)
		ck_ok(ipk_managed_semaphore_release(s, 1, SOON));
	lose_connection(&p, m);
	ck_ok(ipk_managed_semaphore_release(s, 1, SOON));
	for (int i = 0; i < 3; i++)
		ck_ok(ipk_managed_semaphore_acquire(s, SOON));
	ck_err(ipk_managed_semaphore_acquire(s, ipk_now()), -ETIMEDOUT);
	m = (s = ipk_managed_semaphore_close(s), ipk_manager_close(m));
	place_fini(&p);
}
END_TEST

START_TEST(an_item_to_be_done_is_lost_with_its_connection)
{
	struct place p;
	IPK_AUTO(manager, m);
	IPK_AUTO(managed_queue, q);
	void *data;
	size_t n;

	place_init(&p);
	ck_ok(ipk_manager_connect(p.address, IPK_MANAGER_CONNECT(.no_local = _i == 1), SOON, &m));
	ck_ok(ipk_managed_queue_open(m, "q", IPK_MANAGED_QUEUE(.is_joinable = true), SOON, &q));
	ck_ok(ipk_managed_queue_put(q, "x", 1, SOON));
	ck_ok(ipk_managed_queue_get_alloc(q, SOON, &data, &n));
	free(data);
	lose_connection(&p, m);
	ck_err(ipk_managed_queue_task_done(q, 1, SOON), -EOWNERDEAD);
	ck_err(ipk_managed_queue_join(q, ipk_now()), -ETIMEDOUT);
	ck_ok(ipk_managed_queue_get_alloc(q, SOON, &data, &n));
	ck_assert_uint_eq(n, 1);
	free(data);
	ck_ok(ipk_managed_queue_task_done(q, 1, SOON));
	ck_ok(ipk_managed_queue_join(q, SOON));
	m = (q = ipk_managed_queue_close(q), ipk_manager_close(m));
	place_fini(&p);
}
END_TEST

enum { N_SCANNED = 3000 };

static void mark(bool *seen, const void *name, size_t n_bytes)
{
	char text[16] = "";

	ck_assert_uint_lt(n_bytes, sizeof text);
	memcpy(text, name, n_bytes);
	ck_assert_int_lt(atoi(text), N_SCANNED);
	seen[atoi(text)] = true;
}

static void ck_all_seen(const bool *seen)
{
	for (int i = 0; i < N_SCANNED; i++)
		ck_assert_msg(seen[i], "%d never came", i);
}

/* After it the same bytes are elsewhere in the table, and cursors mean something else. */
static void restart(struct place *p, int i)
{
	if (i != N_SCANNED / 2)
		return;
	place_kill(p);
	place_start(p);
}

START_TEST(iterations_begin_anew_over_a_restart)
{
	static bool seen[N_SCANNED];
	struct place p;
	IPK_AUTO(manager, m);
	IPK_AUTO(dict, d);
	ipk_dict_iter *fields;
	ipk_keys *keys;
	ipk_bytes field;
	const char *name;
	char text[16];
	size_t n_bytes;
	int n = 0, r;

	place_init(&p);
	ck_ok(ipk_manager_connect(p.address, IPK_MANAGER_CONNECT(.no_local = _i == 1), SOON, &m));
	ck_ok(ipk_dict_open(m, "d", &d));
	for (int i = 0; i < N_SCANNED; i++) {
		snprintf(text, sizeof text, "%d", i);
		ck_ok(ipk_dict_set(d, ipk_text(text), "", 0, SOON));
	}
	ck_ok(ipk_dict_iter_open(d, &fields));
	while ((r = ipk_dict_iter_next(fields, SOON, &field, NULL)) == 0) {
		mark(seen, field.data, field.len_bytes);
		restart(&p, n++);
	}
	ck_err(r, -ENOENT);
	ck_all_seen(seen);
	ipk_dict_iter_close(fields);

	ck_ok(ipk_dict_clear(d, SOON));
	for (int i = 0; i < N_SCANNED; i++) {
		IPK_AUTO(managed_value, v);

		snprintf(text, sizeof text, "%d", i);
		ck_ok(ipk_managed_value_open(m, text, &v));
		ck_ok(ipk_managed_value_store(v, 1, SOON));
	}
	memset(seen, 0, sizeof seen);
	n = 0;
	ck_ok(ipk_keys_open(m, NULL, &keys));
	while ((r = ipk_keys_next(keys, SOON, &name, &n_bytes)) == 0) {
		mark(seen, name, n_bytes);
		restart(&p, n++);
	}
	ck_err(r, -ENOENT);
	ck_all_seen(seen);
	ipk_keys_close(keys);
	m = (d = ipk_dict_close(d), ipk_manager_close(m));
	place_fini(&p);
}
END_TEST

START_TEST(a_server_that_is_gone_is_EPIPE)
{
	struct place p;
	IPK_AUTO(manager, m);
	IPK_AUTO(dict, d);
	char buf[8];
	size_t n;

	place_init(&p);
	ck_ok(ipk_manager_connect(p.address, IPK_MANAGER_CONNECT(.reconnect_ms = 30), SOON, &m));
	ck_ok(ipk_dict_open(m, "d", &d));
	ck_ok(ipk_dict_set(d, ipk_text("a"), "b", 1, SOON));
	place_kill(&p);
	ck_err(ipk_dict_set(d, ipk_text("a"), "c", 1, ipk_forever()), -EPIPE);
	ck_err(ipk_dict_get(d, ipk_text("a"), buf, sizeof buf, ipk_forever(), &n), -EPIPE);
	place_start(&p); /* and when it comes back after all */
	ck_ok(ipk_dict_get(d, ipk_text("a"), buf, sizeof buf, SOON, &n));
	ck_assert_int_eq(buf[0], 'b');
	m = (d = ipk_dict_close(d), ipk_manager_close(m));
	place_fini(&p);
}
END_TEST

START_TEST(an_embedded_server_that_is_gone_is_EPIPE_at_once)
{
	IPK_AUTO(manager_server, s);
	IPK_AUTO(manager, m);

	ck_ok(ipk_manager_server_start(NULL, SOON, &s));
	ck_ok(ipk_manager_connect(ipk_manager_server_address(s),
				  IPK_MANAGER_CONNECT(.reconnect_ms = 3600000), SOON, &m));
	ck_ok(ipk_manager_server_stop(s, SOON));
	ck_err(ipk_manager_ping(m, ipk_forever()), -EPIPE);
}
END_TEST

/* --- a server that is stopped ----------------------------------------------------------------- */

START_TEST(a_full_connection_is_no_broken_one)
{
	IPK_AUTO(manager_server, s);
	IPK_AUTO(manager, m);
	IPK_AUTO(dict, d);
	IPK_AUTO(managed_lock, lock);
	static char data[20000];
	int r = -EINPROGRESS;

	ck_ok(ipk_manager_server_start(NULL, SOON, &s));
	ck_ok(ipk_manager_connect(ipk_manager_server_address(s), NULL, SOON, &m));
	ck_ok(ipk_dict_open(m, "d", &d));
	ck_ok(ipk_managed_lock_open(m, "l", NULL, SOON, &lock));
	ck_ok(ipk_managed_lock_lock(lock, SOON));
	kill(ipk_manager_server_pid(s), SIGSTOP);
	for (int i = 0; i < 20 && r == -EINPROGRESS; i++)
		r = ipk_dict_set(d, ipk_text("a"), data, sizeof data, ipk_in_ms(1));
	ck_err(r, -ETIMEDOUT); /* no room for it: it was not sent */
	kill(ipk_manager_server_pid(s), SIGCONT);
	ck_ok(ipk_managed_lock_unlock(lock, SOON));
}
END_TEST

START_TEST(deadlines_hold_while_the_server_stands_still)
{
	IPK_AUTO(manager_server, s);
	IPK_AUTO(manager, m);
	IPK_AUTO(dict, d);
	IPK_AUTO(managed_queue, q);
	IPK_AUTO(managed_lock, lock);
	char buf[8];
	void *data;
	size_t n;

	ck_ok(ipk_manager_server_start(NULL, SOON, &s));
	ck_ok(ipk_manager_connect(ipk_manager_server_address(s),
				  IPK_MANAGER_CONNECT(.no_local = _i == 1), SOON, &m));
	ck_ok(ipk_dict_open(m, "d", &d));
	ck_ok(ipk_managed_queue_open(m, "q", NULL, SOON, &q));
	ck_ok(ipk_managed_lock_open(m, "l", NULL, SOON, &lock));
	ck_ok(ipk_dict_set(d, ipk_text("a"), "b", 1, SOON));
	ck_ok(ipk_managed_queue_put(q, "item", 4, SOON));
	kill(ipk_manager_server_pid(s), SIGSTOP);
	ck_err(ipk_manager_ping(m, ipk_in_ms(5)), -ETIMEDOUT);
	ck_err(ipk_dict_set(d, ipk_text("a"), "c", 1, ipk_in_ms(5)), -EINPROGRESS);
	ck_err(ipk_managed_queue_get_alloc(q, ipk_in_ms(5), &data, &n), -ETIMEDOUT);
	ck_err(ipk_managed_lock_lock(lock, ipk_in_ms(5)), -ETIMEDOUT);
	if (_i == 0) { /* what lies in memory is read all the same */
		ck_ok(ipk_dict_get(d, ipk_text("a"), buf, sizeof buf, ipk_in_ms(5), &n));
		ck_assert_int_eq(buf[0], 'b');
	}
	kill(ipk_manager_server_pid(s), SIGCONT);
	ck_ok(ipk_manager_ping(m, SOON));
	ck_assert_int_eq(ipk_dict_get(d, ipk_text("a"), buf, sizeof buf, SOON, &n), 0);
	ck_assert_int_eq(buf[0], 'c'); /* it was done yet */
	/* The item that nobody waited for is not lost, nor the lock held. */
	ck_ok(ipk_managed_queue_get_alloc(q, SOON, &data, &n));
	ck_assert_mem_eq(data, "item", 4);
	free(data);
	ck_ok(ipk_managed_lock_lock(lock, SOON));
	ck_ok(ipk_managed_lock_unlock(lock, SOON));
	ck_err(ipk_managed_queue_get_alloc(q, ipk_now(), &data, &n), -ETIMEDOUT);
}
END_TEST

/* Who stopped waiting says so itself, and need not look at the answer for that. */
START_TEST(a_lock_that_came_too_late_is_given_back)
{
	IPK_AUTO(manager_server, s);
	IPK_AUTO(manager, m);
	IPK_AUTO(manager, other);
	IPK_AUTO(managed_lock, lock);
	IPK_AUTO(managed_lock, others);
	IPK_AUTO(managed_semaphore, sem);
	IPK_AUTO(managed_semaphore, others_sem);

	ck_ok(ipk_manager_server_start(NULL, SOON, &s));
	ck_ok(ipk_manager_connect(ipk_manager_server_address(s),
				  IPK_MANAGER_CONNECT(.no_local = _i == 1), SOON, &m));
	ck_ok(ipk_manager_connect(ipk_manager_server_address(s), NULL, SOON, &other));
	ck_ok(ipk_managed_lock_open(m, "l", NULL, SOON, &lock));
	ck_ok(ipk_managed_lock_open(other, "l", NULL, SOON, &others));
	ck_ok(ipk_managed_semaphore_open(m, "s", NULL, SOON, &sem));
	ck_ok(ipk_managed_semaphore_open(other, "s", NULL, SOON, &others_sem));
	kill(ipk_manager_server_pid(s), SIGSTOP);
	ck_err(ipk_managed_lock_lock(lock, ipk_in_ms(5)), -ETIMEDOUT);
	ck_err(ipk_managed_semaphore_acquire(sem, ipk_in_ms(5)), -ETIMEDOUT);
	kill(ipk_manager_server_pid(s), SIGCONT);
	/* m does nothing more meanwhile. */
	ck_ok(ipk_managed_lock_lock(others, SOON));
	ck_ok(ipk_managed_semaphore_acquire(others_sem, SOON));
	ck_err(ipk_managed_lock_lock(lock, ipk_now()), -ETIMEDOUT);
	ck_ok(ipk_managed_lock_unlock(others, SOON));
	ck_ok(ipk_managed_semaphore_release(others_sem, 1, SOON));
	ck_ok(ipk_managed_lock_lock(lock, SOON));
	ck_ok(ipk_managed_semaphore_acquire(sem, ipk_now()));
	ck_err(ipk_managed_semaphore_acquire(others_sem, ipk_now()), -ETIMEDOUT);
	ck_ok(ipk_managed_lock_unlock(lock, SOON));
}
END_TEST

/* --- forks ------------------------------------------------------------------------------------ */

static int hold_and_wait(void *arg)
{
	IPK_AUTO(managed_lock, lock);
	IPK_AUTO(managed_event, event);

	IPK_TRY(ipk_managed_lock_open(arg, "l", NULL, SOON, &lock));
	IPK_TRY(ipk_managed_event_open(arg, "held", SOON, &event));
	IPK_TRY(ipk_managed_lock_lock(lock, SOON));
	IPK_TRY(ipk_managed_event_set(event, SOON));
	pause();
	return 0;
}

START_TEST(what_a_killed_process_held_is_free)
{
	IPK_AUTO(manager_server, s);
	IPK_AUTO(manager, m);
	IPK_AUTO(managed_lock, lock);
	IPK_AUTO(managed_event, event);
	pid_t pid;

	ck_ok(ipk_manager_server_start(NULL, SOON, &s));
	ck_ok(ipk_manager_connect(ipk_manager_server_address(s), NULL, SOON, &m));
	ck_ok(ipk_managed_lock_open(m, "l", NULL, SOON, &lock));
	ck_ok(ipk_managed_event_open(m, "held", SOON, &event));
	pid = spawn(hold_and_wait, m);
	ck_ok(ipk_managed_event_wait(event, SOON));
	ck_err(ipk_managed_lock_lock(lock, ipk_now()), -ETIMEDOUT);
	kill_and_reap(pid);
	ck_ok(ipk_managed_lock_lock(lock, SOON));
	ck_ok(ipk_managed_lock_unlock(lock, SOON));
}
END_TEST

static int unlock_parents(void *arg)
{
	return ipk_managed_lock_unlock(arg, SOON) == -EPERM ? 0 : 1;
}

/* Keeps a copy of everything its parent has open, and never calls the library. */
static int linger(void *arg)
{
	gate_wait(arg);
	return 0;
}

struct middle {
	const char *address;
	struct gate *locked, *over;
};

static int hold_with_a_child(void *arg)
{
	struct middle *x = arg;
	ipk_manager *m;
	ipk_managed_lock *lock;

	IPK_TRY(ipk_manager_connect(x->address, NULL, SOON, &m));
	IPK_TRY(ipk_managed_lock_open(m, "l", NULL, SOON, &lock));
	IPK_TRY(ipk_managed_lock_lock(lock, SOON));
	if (fork() == 0)
		_exit(linger(x->over));
	gate_open(x->locked);
	pause();
	return 0;
}

START_TEST(a_child_neither_holds_nor_keeps_its_parents_locks)
{
	IPK_AUTO(manager_server, s);
	IPK_AUTO(manager, m);
	IPK_AUTO(managed_lock, lock);
	struct gate locked, over;
	struct middle x = {.locked = &locked, .over = &over};
	pid_t pid;

	gate_init(&locked);
	gate_init(&over);
	ck_ok(ipk_manager_server_start(NULL, SOON, &s));
	x.address = ipk_manager_server_address(s);
	ck_ok(ipk_manager_connect(x.address, NULL, SOON, &m));
	ck_ok(ipk_managed_lock_open(m, "l", NULL, SOON, &lock));
	ck_ok(ipk_managed_lock_lock(lock, SOON));
	reap_ok(spawn(unlock_parents, lock));
	ck_ok(ipk_managed_lock_unlock(lock, SOON));
	pid = spawn(hold_with_a_child, &x);
	gate_wait(&locked);
	kill_and_reap(pid); /* its child lives on */
	ck_ok(ipk_managed_lock_lock(lock, SOON));
	ck_ok(ipk_managed_lock_unlock(lock, SOON));
	gate_open(&over);
	gate_fini(&over);
	gate_fini(&locked);
}
END_TEST

/* --- changes ---------------------------------------------------------------------------------- */

START_TEST(changes_are_told)
{
	struct place p;
	IPK_AUTO(manager, m);
	IPK_AUTO(dict, d);
	IPK_AUTO(watch, w);
	ipk_bytes field;
	int fd;

	place_init(&p);
	ck_ok(ipk_manager_connect(p.address, NULL, SOON, &m));
	ck_ok(ipk_dict_open(m, "d", &d));
	ck_ok(ipk_watch_open(m, "d", ipk_text("a"), SOON, &w));
	ck_ok(ipk_watch_fd(w, &fd));
	ck_assert_int_ge(fd, 0);
	ck_err(ipk_watch_next(w, ipk_now(), &field), -ETIMEDOUT);
	ck_ok(ipk_dict_set(d, ipk_text("b"), "1", 1, SOON));
	ck_err(ipk_watch_next(w, ipk_in_ms(5), &field), -ETIMEDOUT);
	ck_ok(ipk_dict_set(d, ipk_text("a"), "1", 1, SOON));
	ck_ok(ipk_watch_next(w, SOON, &field));
	ck_assert_uint_eq(field.len_bytes, 1);
	ck_assert_mem_eq(field.data, "a", 1);
	place_kill(&p);
	place_start(&p);
	ck_ok(ipk_watch_next(w, SOON, &field)); /* there may have been one */
	ck_ok(ipk_dict_set(d, ipk_text("a"), "2", 1, SOON));
	ck_ok(ipk_watch_next(w, SOON, &field));
	w = ipk_watch_close(w);
	m = (d = ipk_dict_close(d), ipk_manager_close(m));
	place_fini(&p);
}
END_TEST

/* --- long ones -------------------------------------------------------------------------------- */

START_TEST(long_values_and_full_connections)
{
	enum { LONG_BYTES = 3 << 20 };
	IPK_AUTO(manager_server, s);
	IPK_AUTO(manager, m);
	IPK_AUTO(dict, d);
	IPK_AUTO(batch, b);
	char *data = calloc(1, LONG_BYTES);
	const void *got;
	void *copy;
	size_t n;

	ck_ok(ipk_manager_server_start(NULL, SOON, &s));
	ck_ok(ipk_manager_connect(ipk_manager_server_address(s),
				  IPK_MANAGER_CONNECT(.no_local = _i == 1), SOON, &m));
	ck_ok(ipk_dict_open(m, "d", &d));
	memset(data, 'x', LONG_BYTES);
	ck_ok(ipk_dict_set(d, ipk_text("a"), data, LONG_BYTES, SOON));
	ck_ok(ipk_dict_get_alloc(d, ipk_text("a"), SOON, &copy, &n));
	ck_assert_uint_eq(n, LONG_BYTES);
	ck_assert_mem_eq(copy, data, n);
	free(copy);
	ck_ok(ipk_batch_create(m, &b));
	for (int i = 0; i < 20; i++) /* more on its way back than any buffer holds */
		ck_ok(ipk_batch_dict_get(b, d, ipk_text("a")));
	for (int i = 0; i < 20; i++)
		ck_ok(ipk_batch_dict_set(b, d, ipk_text("b"), data, LONG_BYTES / 10));
	ck_ok(ipk_batch_run(b, SOON));
	for (size_t i = 0; i < 20; i++) {
		ck_ok(ipk_batch_data(b, i, &got, &n));
		ck_assert_uint_eq(n, LONG_BYTES);
	}
	ck_ok(ipk_batch_error(b, 39));
	free(data);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("manager_reconnect");

	add_loop_test(s, workers_fill_a_dict_under_a_lock, 0, 2);
	add_loop_test(s, threads_share_a_connection, 0, 2);
	add_loop_test(s, adds_are_done_once_over_restarts, 0, 2);
	add_loop_test(s, batches_are_done_once_over_restarts, 0, 2);
	add_loop_test(s, transactions_are_done_once_over_restarts, 0, 2);
	add_loop_test(s, threads_go_on_over_restarts, 0, 2);
	add_test(s, who_waits_goes_on_waiting_after_a_restart);
	add_loop_test(s, a_put_in_parts_goes_on_after_restarts, 0, 2);
	add_test(s, a_lock_is_lost_with_its_connection);
	add_loop_test(s, a_transaction_begins_again_over_another_connection, 0, 2);
	add_loop_test(s, a_permit_is_lost_with_its_connection, 0, 2);
	add_loop_test(s, an_item_to_be_done_is_lost_with_its_connection, 0, 2);
	add_loop_test(s, iterations_begin_anew_over_a_restart, 0, 2);
	add_test(s, a_server_that_is_gone_is_EPIPE);
	add_test(s, an_embedded_server_that_is_gone_is_EPIPE_at_once);
	add_test(s, a_full_connection_is_no_broken_one);
	add_loop_test(s, deadlines_hold_while_the_server_stands_still, 0, 2);
	add_loop_test(s, a_lock_that_came_too_late_is_given_back, 0, 2);
	add_test(s, what_a_killed_process_held_is_free);
	add_test(s, a_child_neither_holds_nor_keeps_its_parents_locks);
	add_test(s, changes_are_told);
	add_loop_test(s, long_values_and_full_connections, 0, 2);
	return s;
}
IPK_TEST_MAIN(suite)
