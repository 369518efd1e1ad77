/*
 * test_fault_manager.c - the manager's objects and its client with the k-th allocation failing, for
 * every k.
 *
 * Whatever fails, each request gets a complete reply or its connection ends, and another client can
 * use the same objects right after. The server runs in this process, so its allocations are
 * counted; for the client's calls it is a process of its own.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "fault/faults.h"
#include "ipk/manager.h"
#include "ipk/manager_server.h"
#include "server/server.h"
#include "server/server_core.h"
#include "support/support.h"

#define SOON ipk_in_ms(WAIT_MS)

/* --- the server ------------------------------------------------------------------------------- */

static char dir[32], path[48], address[64];
static struct ipk__server *server;
static int stop_fd = -1;
static int client_fd = -1;

static int call(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void open_server(const char *words)
{
	struct ipk__server_config config = {.slow_ns = -1};

	snprintf(dir, sizeof dir, "/tmp/ipk-fault-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/s", dir);
	snprintf(address, sizeof address, "unix:%s", path);
	config.address = address;
	ck_ok(ipk__server_create(&config, &server));
	stop_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	client_fd = call();
	say(client_fd, words);
}

static int run_for(int ms)
{
	struct itimerspec timer = {
		.it_value = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000}};

	timerfd_settime(stop_fd, 0, &timer, NULL);
	server->stop = false;
	return ipk__server_run(server, stop_fd);
}

/*
 * Until the client's last word, or the end of its connection. Without a session it may wait
 * for ever.
 */
static int serve(void)
{
	struct pollfd p = {.fd = client_fd, .events = POLLRDHUP};
	const struct ipk__command *last = NULL;

	for (int i = 0; i < (fault_hit() ? 10 : 1000); i++) {
		IPK_TRY(run_for(2));
		last = server->conns ? server->conns->last : NULL;
		if ((last && strcmp(last->name, "SHUTDOWN") == 0) || poll(&p, 1, 0) > 0)
			return 0;
	}
	ck_assert_ptr_nonnull(fault_hit());
	return 0;
}

/* Whole replies, unless the connection is over. */
static void ck_replies(int fd)
{
	struct ipk__buffer in = {0};
	size_t n_bytes;
	ssize_t n;
	int r;

	while ((n = recv(fd, ipk__buffer_reserve(&in, 65536), 65536, MSG_DONTWAIT)) > 0)
		ipk__buffer_added(&in, (size_t)n);
	do {
		struct ipk__resp_scan scan = {0};

		r = ipk__resp_scan_value(&scan, ipk__buffer_front(&in), ipk__buffer_len(&in),
					 &n_bytes);
		if (r == 1)
			ipk__buffer_take(&in, n_bytes);
	} while (r == 1);
	if (n != 0)
		ck_assert_uint_eq(ipk__buffer_len(&in), 0);
	ipk__buffer_free(&in);
}

/* The first client is gone, and nothing waits for it; another one is answered so at the end. */
static void serve_another(const char *words, const char *wanted)
{
	char reply[256] = "";
	int fd;

	ck_replies(client_fd);
	close(client_fd);
	ck_ok(run_for(2));
	ck_assert_uint_eq(ipk__blocks_len(server), 0);
	fd = call();
	say(fd, words);
	ck_ok(run_for(5000));
	(void)recv(fd, reply, sizeof reply - 1, MSG_DONTWAIT);
	ck_assert_uint_ge(strlen(reply), strlen(wanted));
	ck_assert_str_eq(reply + strlen(reply) - strlen(wanted), wanted);
	close(fd);
}

static void close_server(void)
{
	ipk__server_close(server);
	close(stop_fd);
	unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void begin_things(void)
{
	open_server("IPK.SESSION 0123456789abcdef 1\r\n"
		    "IPK.NEW LOCK k\r\nIPK.ACQUIRE k a 0\r\nIPK.ACQUIRE k b 900\r\n"
		    "IPK.NEW CONDITION c k\r\nIPK.CWAIT c a -1\r\nIPK.CNOTIFY c b 1\r\n"
		    "IPK.RELEASE k b\r\nIPK.HELD k a\r\nIPK.RELEASE k a\r\n"
		    "IPK.NEW RLOCK r\r\nIPK.ACQUIRE r a 0\r\nIPK.ACQUIRE r a 0\r\n"
		    "IPK.NEW BOUNDEDSEMAPHORE s 1\r\nIPK.ACQUIRE s a 0\r\nIPK.ACQUIRE s b -1\r\n"
		    "IPK.ACQUIRE s c 700\r\nIPK.RELEASE s a\r\nIPK.LEAVE 16\r\n"
		    "IPK.NEW EVENT e\r\nIPK.EWAIT e -1\r\nIPK.ESET e\r\n"
		    "IPK.NEW BARRIER g 2\r\nIPK.BWAIT g a -1\r\nIPK.BWAIT g b -1\r\n"
		    "IPK.BWAIT g a 500\r\nIPK.OWNER r\r\n"
		    "BLPOP l1 l2 l3 0\r\nRPUSH l2 x\r\n"
		    "RENAME k k2\r\nSHUTDOWN\r\n");
}

/* What was held is free, whoever was to get it. */
static void use_things(void)
{
	serve_another("IPK.NEW LOCK k\r\nIPK.NEW RLOCK r\r\nIPK.NEW BOUNDEDSEMAPHORE s 1\r\n"
		      "IPK.NEW EVENT e\r\nIPK.NEW BARRIER g 2\r\nIPK.BRESET g\r\n"
		      "IPK.ACQUIRE k x 0\r\nIPK.RELEASE k x\r\nIPK.ACQUIRE r x 0\r\n"
		      "IPK.ACQUIRE s x 0\r\nIPK.ACQUIRE s y 0\r\nIPK.ECLEAR e\r\n"
		      "IPK.BINFO g\r\nSHUTDOWN\r\n",
		      "+OK\r\n:1\r\n+OK\r\n:1\r\n:1\r\n:0\r\n+OK\r\n*3\r\n:2\r\n:0\r\n:0\r\n");
	close_server();
}

static void begin_queues(void)
{
	open_server("IPK.SESSION 0123456789abcdef 1\r\n"
		    "IPK.NEW QUEUE q 2 FIFO JOINABLE\r\nIPK.QPUT q -1 0 1 2 3\r\n"
		    "IPK.QGET q -1\r\nIPK.QGET q 0 COUNT 2\r\nIPK.QDONE q 2\r\n"
		    "IPK.QGET q -1 COUNT 5\r\nIPK.QPUT q 0 0 four five\r\n"
		    "IPK.QJOIN q -1\r\nIPK.QDONE q 2\r\nIPK.QDONE q\r\n"
		    "IPK.NEW QUEUE p 0 PRIORITY\r\nIPK.QPUT p 0 2 b\r\nIPK.QPUT p 0 1 a\r\n"
		    "IPK.QGET p 0 COUNT 3\r\nIPK.QGET p 800\r\nIPK.QPUT p 0 1 c\r\n"
		    "IPK.QSHUTDOWN p\r\nRENAME q q2\r\nSHUTDOWN\r\n");
}

static void use_queues(void)
{
	serve_another("FLUSHALL\r\nIPK.NEW QUEUE q 0 FIFO JOINABLE\r\nIPK.QPUT q 0 0 x y\r\n"
		      "IPK.QGET q 0\r\nIPK.QDONE q\r\nIPK.QJOIN q 0\r\nDEL q\r\n"
		      "SET a 1\r\nSHUTDOWN\r\n",
		      "+OK\r\n:1\r\n:2\r\n$1\r\nx\r\n+OK\r\n:0\r\n:1\r\n+OK\r\n");
	ck_assert_uint_eq(ipk__sync_objects_used_bytes(&server->db), 0);
	close_server();
}

static void begin_more(void)
{
	open_server("RPUSH l a b c d e\r\nIPK.LINSERT l 1 x\r\nIPK.LPOPAT l 0\r\n"
		    "IPK.LSLICE l 0 - 2\r\nIPK.LSETSLICE l 1 2 1 y z y\r\n"
		    "IPK.LSETSLICE l 0 4 2 p q\r\nIPK.LDELSLICE l 0 1 1\r\n"
		    "IPK.LDELSLICE l 0 - 2\r\nIPK.LINDEXOF l y - -\r\nIPK.LCOUNT l y\r\n"
		    "IPK.LREVERSE l\r\nIPK.LSORT l BYTES ASC\r\nIPK.LREPEAT l 3\r\n"
		    "RPUSH n 3 1 2\r\nIPK.LINCRBY n 0 5\r\nIPK.LSORT n NUMBER DESC\r\n"
		    "IPK.LMAKE m 10 0\r\nIPK.HSETDEFAULT h f v\r\n"
		    "IPK.HCAS h f IS v SET w\r\nIPK.HCAS h g ABSENT SET 1\r\n"
		    "IPK.HSCAN h 0\r\nIPK.HUPDATE h a 1 b 2 c 3\r\nIPK.HPOP h a\r\n"
		    "IPK.HPOPITEM h\r\nIPK.WATCH h\r\nHSET h z 1\r\nIPK.UNWATCH h\r\n"
		    "MULTI\r\nIPK.LREPEAT n 2\r\nIPK.HSETDEFAULT h y 2\r\nEXEC\r\nSHUTDOWN\r\n");
}

static void use_more(void)
{
	serve_another("DEL h\r\nRPUSH l end\r\nIPK.LSLICE l -1 - 1\r\nHSET h k v\r\n"
		      "IPK.HPOP h k\r\nSHUTDOWN\r\n",
		      "*1\r\n$3\r\nend\r\n:1\r\n$1\r\nv\r\n");
	close_server();
}

FAULT_TEST(objects, .run = serve, .prepare = begin_things, .check = use_things, .only_memory = true)
FAULT_TEST(queues, .run = serve, .prepare = begin_queues, .check = use_queues, .only_memory = true)
FAULT_TEST(more_commands, .run = serve, .prepare = begin_more, .check = use_more,
	   .only_memory = true)

/* --- the client ------------------------------------------------------------------------------- */

static ipk_manager_server *own;
static ipk_manager *m;
static ipk_dict *d;
static ipk_list *l;
static ipk_managed_lock *lock;
static ipk_managed_semaphore *sem;
static ipk_managed_queue *q;
static bool no_local;

static int connect_once(void)
{
	IPK_AUTO(manager, one);

	IPK_TRY(ipk_manager_connect(ipk_manager_server_address(own),
				    IPK_MANAGER_CONNECT(.no_local = no_local), SOON, &one));
	return ipk_manager_ping(one, SOON);
}

static void start_own(void)
{
	ck_ok(ipk_manager_server_start(NULL, SOON, &own));
}

static void stop_own(void)
{
	ck_ok(connect_once());
	own = ipk_manager_server_close(own);
}

static int open_handles(void)
{
	IPK_TRY(ipk_dict_open(m, "d", &d));
	IPK_TRY(ipk_list_open(m, "l", &l));
	IPK_TRY(ipk_managed_lock_open(m, "k", NULL, SOON, &lock));
	IPK_TRY(ipk_managed_semaphore_open(m, "s", NULL, SOON, &sem));
	return ipk_managed_queue_open(m, "q", NULL, SOON, &q);
}

static void close_handles(void)
{
	d = ipk_dict_close(d);
	l = ipk_list_close(l);
	lock = ipk_managed_lock_close(lock);
	sem = ipk_managed_semaphore_close(sem);
	q = ipk_managed_queue_close(q);
}

static int use_dict_and_list(void)
{
	IPK_AUTO(reply, all);
	void *data;
	size_t n;

	IPK_TRY(ipk_dict_set(d, ipk_text("a"), "b", 1, SOON));
	IPK_TRY(ipk_dict_get_alloc(d, ipk_text("a"), SOON, &data, &n));
	free(data);
	IPK_TRY(ipk_dict_items(d, SOON, &all));
	IPK_TRY(ipk_list_append(l, "x", 1, SOON));
	IPK_TRY(ipk_list_get_alloc(l, -1, SOON, &data, &n));
	free(data);
	return 0;
}

static int use_waiting(void)
{
	ipk_bytes two[] = {{"x", 1}, {"y", 1}};
	ipk_managed_owner owner;
	void *data;
	size_t n;

	IPK_TRY(ipk_managed_lock_lock(lock, SOON));
	IPK_TRY(ipk_managed_lock_owner(lock, SOON, &owner));
	IPK_TRY(ipk_managed_lock_unlock(lock, SOON));
	IPK_TRY(ipk_managed_semaphore_acquire(sem, SOON));
	IPK_TRY(ipk_managed_semaphore_release(sem, 1, SOON));
	IPK_TRY(ipk_managed_queue_put_many(q, two, 2, SOON, &n));
	IPK_TRY(ipk_managed_queue_get_alloc(q, SOON, &data, &n));
	free(data);
	return 0;
}

static int add_both(ipk_batch *b, void *arg)
{
	(void)arg;
	IPK_TRY(ipk_batch_dict_add(b, d, ipk_text("n"), 1));
	return ipk_batch_list_append(b, l, "z", 1);
}

static int use_batches(void)
{
	static const char *const names[] = {"d"};
	IPK_AUTO(batch, b);
	IPK_AUTO(watch, w);
	ipk_bytes field;

	IPK_TRY(ipk_watch_open(m, "d", ipk_text("n"), SOON, &w));
	IPK_TRY(ipk_batch_create(m, &b));
	IPK_TRY(add_both(b, NULL));
	IPK_TRY(ipk_batch_run(b, SOON));
	IPK_TRY(ipk_batch_error(b, 0));
	IPK_TRY(ipk_watch_next(w, SOON, &field));
	return ipk_manager_transact(m, names, 1, add_both, NULL, SOON);
}

static int use_all(void)
{
	int r = open_handles();

	if (r == 0)
		r = use_dict_and_list();
	if (r == 0)
		r = use_waiting();
	if (r == 0)
		r = use_batches();
	close_handles();
	return r;
}

static void connect_to_own(void)
{
	start_own();
	ck_ok(ipk_manager_connect(ipk_manager_server_address(own),
				  IPK_MANAGER_CONNECT(.no_local = no_local), SOON, &m));
}

/* The same connection and the same objects, after whatever went wrong. */
static void use_all_again(void)
{
	ck_ok(use_all());
	m = ipk_manager_close(m);
	own = ipk_manager_server_close(own);
}

START_TEST(connecting)
{
	no_local = _i == 1;
	fault_run_all(&(struct scenario){
		.run = connect_once, .prepare = start_own, .check = stop_own, .only_memory = true});
}
END_TEST

START_TEST(calling)
{
	no_local = _i == 1;
	fault_run_all(&(struct scenario){.run = use_all,
					 .prepare = connect_to_own,
					 .check = use_all_again,
					 .only_memory = true});
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("fault_manager");

	add_test(s, objects);
	add_test(s, queues);
	add_test(s, more_commands);
	add_loop_test(s, connecting, 0, 2);
	add_loop_test(s, calling, 0, 2);
	return s;
}
IPK_TEST_MAIN(suite)
