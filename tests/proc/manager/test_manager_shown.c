/*
 * test_manager_shown.c - what a reader of the manager's segment sees of managed objects and their
 * waiters.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "manager_fixture.h"
#include "server/server.h"
#include "store/view.h"
#include "support/support.h"

static struct fixture s;
static struct client a, b, c;
static struct ipk__server *server;
static struct ipk__view *view;
static pthread_t thread;
static uint64_t id_a, id_b;

static void *run(void *arg)
{
	(void)arg;
	ck_ok(ipk__server_run(server, s.stop_fds[0]));
	return NULL;
}

static uint64_t id_of(struct client *who)
{
	for (uint64_t id = 1; id < 100; id++) {
		char text[24];

		snprintf(text, sizeof(text), "%llu", (unsigned long long)id);
		begin(who, "CLIENT ID");
		if (want_is(who, text))
			return id;
	}
	ck_abort_msg("no id");
}

/* The server in a thread of this process, so that its segment can be had. */
static void open_all(void)
{
	struct ipk__server_config config = {.label = "shown",
					    .max_clients = 100,
					    .max_request_bytes = 1 << 20,
					    .out_hard_bytes = 1 << 20,
					    .out_soft_bytes = 1 << 20,
					    .out_soft_ms = 60000,
					    .slow_ns = 1000000000};
	char address[96];
	int fd;

	s = (struct fixture){.folder = "/tmp/ipk-fixture-XXXXXX"};
	ck_assert_ptr_nonnull(mkdtemp(s.folder));
	ck_assert_int_eq(pipe(s.stop_fds), 0);
	snprintf(address, sizeof(address), "unix:%s/s", s.folder);
	config.address = address;
	ck_ok(ipk__server_create(&config, &server));
	ck_ok(ipk__store_fd_to_read(server->db.store, &fd));
	ck_ok(ipk__view_attach(fd, &view));
	ck_assert_int_eq(pthread_create(&thread, NULL, run, NULL), 0);
	client_open(&s, &a);
	client_open(&s, &b);
	client_open(&s, &c);
	id_a = id_of(&a);
	id_b = id_of(&b);
}

static void close_all(void)
{
	char path[96];

	client_close(&a);
	client_close(&b);
	client_close(&c);
	close(s.stop_fds[1]);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ipk__view_close(view);
	ipk__server_close(server);
	close(s.stop_fds[0]);
	snprintf(path, sizeof(path), "%s/s", s.folder);
	(void)unlink(path);
	ck_assert_int_eq(rmdir(s.folder), 0);
}

static struct ipk__spot spot_of(const char *name)
{
	struct ipk__spot spot;

	ck_ok(ipk__view_find(view, ipk__slice_of_string(name), IPK__TYPE_SYNC_OBJECT, &spot));
	return spot;
}

static struct ipk__shm_sync_object object(const char *name)
{
	struct ipk__spot spot = spot_of(name);
	struct ipk__shm_sync_object t;

	ck_ok(ipk__view_sync_object(view, &spot, &t));
	return t;
}

static const struct ipk__shm_client *client_shown(uint64_t id)
{
	const struct ipk__shm_status *status = ipk__view_status(view);

	for (size_t i = 0; i < IPK__STATUS_CLIENTS; i++)
		if (status->clients[i].id == id)
			return &status->clients[i];
	ck_abort_msg("client %llu is not shown", (unsigned long long)id);
}

START_TEST(lock_is_shown_with_its_holder)
{
	open_all();
	ask(&a, "IPK.NEW LOCK k", "1");
	ck_assert_uint_eq(object("k").kind, IPK__SYNC_LOCK);
	ck_assert_uint_eq(object("k").holder, 0);
	ask(&a, "IPK.ACQUIRE k 77 -1", "1");
	ck_assert_uint_eq(object("k").holder, id_a);
	ck_assert_uint_eq(object("k").holder_tag, 77);
	ck_assert_uint_eq(object("k").count, 1);
	ck_assert_int_gt(object("k").since_unix_ms, 1600000000000);
	begin(&b, "IPK.ACQUIRE k 88 -1");
	waits(&s, 1);
	ck_assert_uint_eq(object("k").n_waiters, 1);
	ck_assert_uint_eq(client_shown(id_b)->waits_for, spot_of("k").id);
	ck_assert_uint_eq(client_shown(id_b)->slot_of_wait, spot_of("k").slot);
	ck_assert_uint_eq(client_shown(id_b)->waits_tag, 88);
	ck_assert_int_gt(client_shown(id_b)->waits_unix_ms, 1600000000000);
	begin(&c, "IPK.ACQUIRE k 99 20");
	want(&c, "0");
	ck_assert_uint_eq(object("k").n_waiters, 1);
	ask(&a, "IPK.RELEASE k 77", "OK");
	want(&b, "1");
	ck_assert_uint_eq(object("k").holder, id_b);
	ck_assert_uint_eq(object("k").holder_tag, 88);
	ck_assert_uint_eq(object("k").n_waiters, 0);
	ck_assert_uint_eq(client_shown(id_b)->waits_for, 0);
	begin(&a, "IPK.ACQUIRE k 77 -1");
	waits(&s, 1);
	ask(&b, "RENAME k other", "OK");
	want(&a, "-NOKEY");
	ck_assert_uint_eq(object("other").holder, id_b);
	ck_assert_uint_eq(object("other").n_waiters, 0);
	ask(&b, "IPK.RELEASE other 88", "OK");
	ck_assert_uint_eq(object("other").holder, 0);
	ck_assert_uint_eq(object("other").count, 0);
	close_all();
}
END_TEST

START_TEST(others_are_shown)
{
	open_all();
	ask(&a, "IPK.NEW RLOCK r", "1");
	ask(&a, "IPK.NEW CONDITION cond r", "1");
	ck_assert_uint_eq(object("cond").companion, spot_of("r").id);
	ask(&b, "IPK.ACQUIRE r me -1", "1");
	ask(&b, "IPK.ACQUIRE r me -1", "1");
	ck_assert_uint_eq(object("r").count, 2);
	begin(&b, "IPK.CWAIT cond me -1");
	waits(&s, 1);
	ck_assert_uint_eq(object("cond").n_waiters, 1);
	ck_assert_uint_eq(object("r").count, 0);
	ask(&a, "IPK.ACQUIRE r me -1", "1");
	ask(&a, "IPK.CNOTIFY cond me 1", "1");
	ask(&a, "PING", "PONG");
	ck_assert_uint_eq(object("cond").n_waiters, 0);
	ck_assert_uint_eq(object("r").n_waiters, 1);
	ck_assert_uint_eq(client_shown(id_b)->waits_for, spot_of("r").id);
	ask(&a, "IPK.RELEASE r me", "OK");
	want(&b, "1");
	ck_assert_uint_eq(object("r").count, 2);

	ask(&a, "IPK.NEW SEMAPHORE sem 3", "1");
	ask(&a, "IPK.ACQUIRE sem 5 -1", "1");
	ck_assert_uint_eq(object("sem").count, 2);
	ck_assert_uint_eq(object("sem").limit, 3);
	ck_assert_uint_eq(object("sem").holder, id_a);
	ask(&b, "IPK.ACQUIRE sem 5 -1", "1");
	ck_assert_uint_eq(object("sem").holder, 0); /* several */

	ask(&a, "IPK.NEW QUEUE q 9 FIFO JOINABLE", "1");
	ask(&a, "IPK.QPUT q 0 0 1 2 3", "3");
	ask(&a, "IPK.QGET q 0", "1");
	ck_assert_uint_eq(object("q").n_items, 2);
	ck_assert_uint_eq(object("q").n_unfinished, 3);
	ck_assert_uint_eq(object("q").limit, 9);

	ask(&a, "IPK.NEW BARRIER g 2", "1");
	begin(&b, "IPK.BWAIT g me -1");
	waits(&s, 1);
	ck_assert_uint_eq(object("g").count, 1);
	ck_assert_uint_eq(object("g").n_waiters, 1);
	ask(&a, "IPK.BWAIT g me -1", "1");
	want(&b, "0");
	ck_assert_uint_eq(object("g").count, 0);
	ck_assert_uint_eq(object("g").n_waiters, 0);
	close_all();
}
END_TEST

/* A session waits for several at once: the one it has waited for longest is shown. */
START_TEST(the_oldest_wait_is_shown)
{
	static const char *const names[] = {"k1", "k2", "k3"};
	char words[64];

	open_all();
	for (int i = 0; i < 3; i++) {
		snprintf(words, sizeof(words), "IPK.NEW LOCK %s", names[i]);
		ask(&a, words, "1");
		snprintf(words, sizeof(words), "IPK.ACQUIRE %s me 0", names[i]);
		ask(&a, words, "1");
	}
	begin(&b, "IPK.SESSION 0123456789abcdef 1");
	want_any(&b);
	for (int i = 0; i < 3; i++) {
		snprintf(words, sizeof(words), "IPK.ACQUIRE %s %d -1", names[i], 81 + i);
		begin(&b, words);
		want_any(&b);
	}
	ask(&b, "PING", "PONG");
	ck_assert_uint_eq(client_shown(id_b)->waits_for, spot_of("k1").id);
	ck_assert_uint_eq(client_shown(id_b)->waits_tag, 81);
	ask(&b, "IPK.CANCEL 2", "1");
	ck_assert_uint_eq(client_shown(id_b)->waits_for, spot_of("k1").id);
	ask(&a, "IPK.RELEASE k1 me", "OK");
	want(&b, "[ipk.done 1 1]");
	ck_assert_uint_eq(client_shown(id_b)->waits_for, spot_of("k3").id);
	ck_assert_uint_eq(client_shown(id_b)->waits_tag, 83);
	ck_assert_int_gt(client_shown(id_b)->waits_unix_ms, 1600000000000);
	ask(&a, "IPK.RELEASE k3 me", "OK");
	want(&b, "[ipk.done 3 1]");
	ck_assert_uint_eq(client_shown(id_b)->waits_for, 0);
	ck_assert_uint_eq(client_shown(id_b)->waits_tag, 0);
	close_all();
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("manager_shown");

	add_test(suite, lock_is_shown_with_its_holder);
	add_test(suite, others_are_shown);
	add_test(suite, the_oldest_wait_is_shown);
	return suite;
}
IPK_TEST_MAIN(suite)
