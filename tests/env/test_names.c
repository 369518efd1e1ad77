/*
 * test_names.c - names that lead to something other than an object of this user, and the modes of
 * objects created under a umask that clears every bit.
 */
#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ipk.h"
#include "ipk/manager.h"
#include "ipk/manager_server.h"
#include "ipk/net.h"
#include "support/support.h"

enum { NOBODY = 65534, PATH_BYTES = 128 };

static ipk_deadline soon(void)
{
	return ipk_in_ms(WAIT_MS);
}

/* --- what may be in a name's place ------------------------------------------------------------ */

enum thing { SOCKET, DIRECTORY, SYMLINK, FIFO, HARD_LINK, TEXT, N_THINGS };

/* NAME:other is what links lead to. */
static void put_there(enum thing thing, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char other[PATH_BYTES];
	int fd;

	snprintf(other, sizeof other, "%s:other", path);
	if (thing >= SYMLINK && thing != FIFO) {
		fd = open(thing == TEXT ? path : other, O_CREAT | O_EXCL | O_WRONLY, 0600);
		ck_assert_int_eq(write(fd, "text, and more of it", 20), 20);
		close(fd);
	}
	switch (thing) {
	case SOCKET:
		snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
		close(fd);
		break;
	case DIRECTORY:
		ck_assert_int_eq(mkdir(path, 0700), 0);
		break;
	case SYMLINK:
		ck_assert_int_eq(symlink(other, path), 0);
		break;
	case FIFO:
		ck_assert_int_eq(mkfifo(path, 0600), 0);
		break;
	case HARD_LINK:
		ck_assert_int_eq(link(other, path), 0);
		break;
	default:
		break;
	}
}

static void take_away(enum thing thing, const char *path)
{
	char other[PATH_BYTES];

	snprintf(other, sizeof other, "%s:other", path);
	ck_assert_int_eq(thing == DIRECTORY ? rmdir(path) : unlink(path), 0);
	unlink(other);
}

START_TEST(a_thing_in_the_place_of_a_name)
{
	int want = _i == HARD_LINK ? -EACCES : -EPROTO;
	char name[UNIQUE_NAME_BYTES], path[PATH_BYTES];
	ipk_value *v;
	ipk_array *a;
	ipk_lock *lock;
	ipk_event *event;
	ipk_queue *q;
	ipk_shm *memory;

	unique_name(name, "thing");
	snprintf(path, sizeof path, "/dev/shm/ipk.%s", name);
	put_there((enum thing)_i, path);
	ck_err(ipk_value_open(name, ipk_now(), &v), want);
	ck_err(ipk_array_open(name, ipk_now(), &a), want);
	ck_err(ipk_lock_open(name, ipk_now(), &lock), want);
	ck_err(ipk_event_open(name, ipk_now(), &event), want);
	ck_err(ipk_queue_open(name, ipk_now(), &q), want);
	ck_err(ipk_shm_open(name, 0, ipk_now(), &memory), want);
	ck_err(ipk_shm_open(name, IPK_SHM_READ_ONLY, ipk_now(), &memory), want);
	ck_err(ipk_queue_create(IPK_QUEUE(.name = name), &q), -EEXIST);
	ck_err(ipk_value_create(IPK_VALUE(.name = name, .typecode = 'l'), &v), -EEXIST);
	if (_i == DIRECTORY)
		ck_err(ipk_queue_unlink(name), -EPROTO);
	take_away((enum thing)_i, path);
}
END_TEST

/* Without a header of ours: any text is fine there, but no other thing. */
START_TEST(a_thing_in_the_place_of_raw_memory)
{
	int want = _i == HARD_LINK ? -EACCES : -EPROTO;
	char name[UNIQUE_NAME_BYTES], path[PATH_BYTES];
	ipk_shm *memory;

	unique_name(name, "raw");
	snprintf(path, sizeof path, "/dev/shm/%s", name);
	put_there((enum thing)_i, path);
	ck_err(ipk_shm_open(name, IPK_SHM_RAW, ipk_now(), &memory), want);
	ck_err(ipk_shm_open(name, IPK_SHM_RAW | IPK_SHM_READ_ONLY, ipk_now(), &memory), want);
	take_away((enum thing)_i, path);
}
END_TEST

START_TEST(a_thing_in_the_place_of_a_doorbell)
{
	char name[UNIQUE_NAME_BYTES], path[PATH_BYTES];
	IPK_AUTO(queue, q);
	int fd;

	unique_name(name, "doorbell");
	snprintf(path, sizeof path, "/dev/shm/ipk.%s:doorbell", name);
	ck_ok(ipk_queue_create(IPK_QUEUE(.name = name), &q));
	put_there((enum thing)_i, path);
	ck_err(ipk_queue_fd(q, &fd), _i == FIFO ? 0 : -EPROTO); /* which is what a doorbell is */
	take_away((enum thing)_i, path);
	ck_ok(ipk_queue_unlink(name));
}
END_TEST

/* Of ours, but others could read from it, or it was given a second name. */
START_TEST(a_doorbell_is_its_users_alone)
{
	char name[UNIQUE_NAME_BYTES], path[PATH_BYTES], other[PATH_BYTES + 8];
	IPK_AUTO(queue, q);
	int fd;

	unique_name(name, "doorbell");
	snprintf(path, sizeof path, "/dev/shm/ipk.%s:doorbell", name);
	snprintf(other, sizeof other, "%s:other", path);
	ck_ok(ipk_queue_create(IPK_QUEUE(.name = name), &q));
	put_there(FIFO, path);
	ck_assert_int_eq(chmod(path, 0606), 0);
	ck_err(ipk_queue_fd(q, &fd), -EACCES);
	ck_assert_int_eq(chmod(path, 0600), 0);
	ck_assert_int_eq(link(path, other), 0);
	ck_err(ipk_queue_fd(q, &fd), -EACCES);
	ck_assert_int_eq(unlink(other), 0);
	ck_ok(ipk_queue_fd(q, &fd));
	ck_ok(ipk_queue_unlink(name));
}
END_TEST

struct race {
	ipk_queue *q;
	pthread_barrier_t start;
	int r;
};

static void *ask_for_fd(void *arg)
{
	struct race *race = arg;
	int fd;

	pthread_barrier_wait(&race->start);
	race->r = ipk_queue_fd(race->q, &fd);
	return NULL;
}

START_TEST(a_doorbell_made_while_the_name_goes)
{
	char name[UNIQUE_NAME_BYTES], path[PATH_BYTES];
	struct race race = {0};
	pthread_t thread;

	unique_name(name, "lone");
	snprintf(path, sizeof path, "/dev/shm/ipk.%s:doorbell", name);
	pthread_barrier_init(&race.start, NULL, 2);
	for (int i = 0; i < repeats(1000); i++) {
		ck_ok(ipk_queue_create(IPK_QUEUE(.name = name, .ring_bytes = 4096), &race.q));
		ck_assert_int_eq(pthread_create(&thread, NULL, ask_for_fd, &race), 0);
		pthread_barrier_wait(&race.start);
		ck_ok(ipk_queue_unlink(name));
		pthread_join(thread, NULL);
		ck_assert(race.r == 0 || race.r == -ENOENT);
		race.q = ipk_queue_close(race.q);
		ck_assert_msg(access(path, F_OK) < 0, "round %d left a doorbell", i);
	}
	pthread_barrier_destroy(&race.start);
}
END_TEST

/* --- other users ------------------------------------------------------------------------------ */

static char foreign[UNIQUE_NAME_BYTES], foreign_mq[UNIQUE_NAME_BYTES + 8];

/* Readable and writable for all, which changes nothing. */
static int make_foreign(void *arg)
{
	struct mq_attr small = {.mq_maxmsg = 2, .mq_msgsize = 64};
	ipk_queue *q;
	mqd_t mq;

	(void)arg;
	umask(0);
	if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
		return 1;
	mq = mq_open(foreign_mq + 3, O_CREAT | O_EXCL | O_RDWR, 0666, &small);
	return mq == (mqd_t)-1 || ipk_queue_create(IPK_QUEUE(.name = foreign), &q) < 0;
}

static int remove_foreign(void *arg)
{
	(void)arg;
	if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
		return 1;
	return ipk_queue_unlink(foreign) < 0 || ipk_queue_unlink(foreign_mq) < 0;
}

START_TEST(what_another_user_made)
{
	ipk_queue *q;
	ipk_value *v;
	ipk_shm *memory;

	if (geteuid() != 0) {
		fprintf(stderr, "skipped: only root can become another user\n");
		return;
	}
	unique_name(foreign, "foreign");
	snprintf(foreign_mq, sizeof foreign_mq, "mq:/%s", foreign);
	reap_ok(spawn(make_foreign, NULL));
	ck_err(ipk_queue_open(foreign_mq, ipk_now(), &q), -EACCES);
	ck_err(ipk_queue_open(foreign, ipk_now(), &q), -EACCES);
	ck_err(ipk_value_open(foreign, ipk_now(), &v), -EACCES);
	ck_err(ipk_shm_open(foreign, IPK_SHM_READ_ONLY, ipk_now(), &memory), -EACCES);
	/* Root could remove them; each is said to be there and not to be ours. */
	ck_err(ipk_queue_unlink(foreign), -EACCES);
	ck_err(ipk_value_unlink(foreign), -EACCES);
	ck_err(ipk_shm_unlink(foreign, 0), -EACCES);
	ck_err(ipk_queue_unlink(foreign_mq), -EACCES);
	reap_ok(spawn(remove_foreign, NULL));
}
END_TEST

START_TEST(a_message_queue_that_is_open_to_others)
{
	static const struct {
		mode_t mode;
		int result;
	} cases[] = {{0666, -EACCES}, {0640, -EACCES}, {0602, -EACCES}, {0600, 0}};
	struct mq_attr small = {.mq_maxmsg = 2, .mq_msgsize = 64};
	char name[UNIQUE_NAME_BYTES], with_prefix[UNIQUE_NAME_BYTES + 8];
	mqd_t mq;

	unique_name(name, "open");
	snprintf(with_prefix, sizeof with_prefix, "mq:/%s", name);
	mq = mq_open(with_prefix + 3, O_CREAT | O_EXCL | O_RDWR, 0600, &small);
	ck_assert(mq != (mqd_t)-1);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		ipk_queue *q = NULL;

		ck_assert_int_eq(fchmod((int)mq, cases[i].mode), 0);
		ck_err(ipk_queue_open(with_prefix, ipk_now(), &q), cases[i].result);
		ipk_queue_close(q);
	}
	mq_close(mq);
	ck_ok(ipk_queue_unlink(with_prefix));
}
END_TEST

/* --- modes ------------------------------------------------------------------------------------ */

static mode_t mask;

static void ck_mode(const char *path, mode_t mode)
{
	struct stat st;

	ck_assert_msg(lstat(path, &st) == 0, "no %s", path);
	ck_assert_msg((st.st_mode & 0777) == mode, "%s has mode %03o", path, st.st_mode & 0777);
}

static void ck_shm_mode(const char *format, const char *name)
{
	char path[PATH_BYTES] = "/dev/shm/";

	snprintf(path + strlen(path), sizeof path - strlen(path), format, name);
	ck_mode(path, 0600);
}

static int make_names(void *arg)
{
	char name[UNIQUE_NAME_BYTES], raw[UNIQUE_NAME_BYTES], mq_name[UNIQUE_NAME_BYTES + 8];
	IPK_AUTO(queue, q);
	IPK_AUTO(queue, again);
	IPK_AUTO(queue, mq);
	IPK_AUTO(queue, mq_again);
	IPK_AUTO(shm, memory);
	IPK_AUTO(shm, memory_again);
	struct stat st;
	int fd;

	(void)arg;
	umask(mask);
	unique_name(name, "mode");
	unique_name(raw, "raw");
	snprintf(mq_name, sizeof mq_name, "mq:/%s", name);
	ck_ok(ipk_queue_create(IPK_QUEUE(.name = name), &q));
	ck_ok(ipk_queue_open(name, ipk_now(), &again));
	ck_ok(ipk_queue_fd(q, &fd));
	ck_ok(ipk_queue_fd(again, &fd));
	ck_shm_mode("ipk.%s", name);
	ck_shm_mode("ipk.%s:doorbell", name);
	ck_ok(ipk_shm_create(IPK_SHM(.name = raw, .is_raw = true, .size_bytes = 4096), &memory));
	ck_ok(ipk_shm_open(raw, IPK_SHM_RAW, ipk_now(), &memory_again));
	ck_shm_mode("%s", raw);
	ck_ok(ipk_queue_create(IPK_QUEUE(.name = mq_name, .max_items = 2), &mq));
	ck_ok(ipk_queue_open(mq_name, ipk_now(), &mq_again));
	ck_assert_int_eq(umask(mask), mask);
	fd = (int)mq_open(mq_name + 3, O_RDONLY | O_NONBLOCK);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	close(fd);
	ck_ok(ipk_queue_unlink(name));
	ck_ok(ipk_queue_unlink(mq_name));
	ck_ok(ipk_shm_unlink(raw, IPK_SHM_RAW));
	return 0;
}

static int make_sockets(void *directory)
{
	char pipe_path[PATH_BYTES], net[PATH_BYTES], address[PATH_BYTES], log[PATH_BYTES];
	IPK_AUTO(manager_server, server);
	IPK_AUTO(manager_server, own);
	IPK_AUTO(net_listener, net_listener);
	IPK_AUTO(listener, listener);
	IPK_AUTO(manager, m);
	IPK_AUTO(manager, m_own);
	char own_directory[PATH_BYTES];

	umask(mask);
	snprintf(pipe_path, sizeof pipe_path, "%s/pipe", (char *)directory);
	snprintf(net, sizeof net, "unix:%s/net", (char *)directory);
	snprintf(address, sizeof address, "unix:%s/manager", (char *)directory);
	snprintf(log, sizeof log, "%s/log", (char *)directory);
	ck_ok(ipk_listener_create(pipe_path, NULL, &listener));
	ck_mode(pipe_path, 0600);
	ck_ok(ipk_net_listener_create(net, NULL, &net_listener));
	ck_mode(net + 5, 0600);
	ck_ok(ipk_manager_server_start(IPK_MANAGER_SERVER(.address = address, .log_path = log),
				       soon(), &server));
	ck_ok(ipk_manager_connect(address, NULL, soon(), &m));
	ck_mode(address + 5, 0600);
	ck_mode(log, 0600);
	ck_ok(ipk_manager_server_start(NULL, soon(), &own));
	snprintf(own_directory, sizeof own_directory, "%s", ipk_manager_server_address(own) + 5);
	ck_mode(own_directory, 0600);
	*strrchr(own_directory, '/') = '\0';
	ck_mode(own_directory, 0700);
	ck_ok(ipk_manager_connect(ipk_manager_server_address(own), NULL, soon(), &m_own));
	ck_assert_int_eq(umask(mask), mask);
	ck_assert_int_eq(unlink(log), 0);
	return 0;
}

/* As the user who has them, whom root's rights do not help. */
static int as_nobody(int (*fn)(void *arg), void *arg)
{
	if (geteuid() == 0 && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
		return 1;
	return fn(arg);
}

static int make_names_as_nobody(void *arg)
{
	return as_nobody(make_names, arg);
}

static int make_sockets_as_nobody(void *arg)
{
	return as_nobody(make_sockets, arg);
}

START_TEST(modes_whatever_the_umask)
{
	static const mode_t masks[] = {0777, 0, 022};
	char directory[] = "/tmp/ipk-test-XXXXXX";

	mask = masks[_i];
	ck_assert_ptr_nonnull(mkdtemp(directory));
	reap_ok(spawn(make_names, NULL));
	reap_ok(spawn(make_sockets, directory));
	reap_ok(spawn(make_names_as_nobody, NULL));
	if (geteuid() == 0)
		ck_assert_int_eq(chown(directory, NOBODY, NOBODY), 0);
	reap_ok(spawn(make_sockets_as_nobody, directory));
	ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

/* --- paths ------------------------------------------------------------------------------------ */

static char before[PATH_BYTES], inside[PATH_BYTES];

/* In one directory, with another beside it that has a file of the same name. */
static void two_directories(char *directory)
{
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(before, sizeof before, "%s/sock", directory);
	snprintf(inside, sizeof inside, "%s/b", directory);
	ck_assert_int_eq(mkdir(inside, 0700), 0);
	snprintf(inside, sizeof inside, "%s/b/sock", directory);
	close(open(inside, O_CREAT | O_EXCL | O_WRONLY, 0600));
	ck_assert_int_eq(chdir(directory), 0);
}

static void ck_only_ours_is_gone(char *directory)
{
	ck_assert_int_eq(access(before, F_OK), -1);
	ck_assert_int_eq(access(inside, F_OK), 0);
	ck_assert_int_eq(unlink(inside), 0);
	ck_assert_int_eq(chdir("/"), 0);
	*strrchr(inside, '/') = '\0';
	ck_assert_int_eq(rmdir(inside), 0);
	ck_assert_int_eq(rmdir(directory), 0);
}

START_TEST(a_relative_path_means_the_same_file_later)
{
	char directory[] = "/tmp/ipk-test-XXXXXX";
	ipk_listener *listener = NULL;
	ipk_net_listener *net = NULL;

	two_directories(directory);
	if (_i == 0)
		ck_ok(ipk_listener_create("sock", NULL, &listener));
	else
		ck_ok(ipk_net_listener_create("unix:sock", NULL, &net));
	ck_assert_int_eq(chdir("b"), 0);
	ipk_listener_close(listener);
	ipk_net_listener_close(net);
	ck_only_ours_is_gone(directory);
}
END_TEST

START_TEST(a_relative_path_of_a_manager)
{
	char directory[] = "/tmp/ipk-test-XXXXXX", log[PATH_BYTES];
	IPK_AUTO(manager, m);
	ipk_manager_server *server = NULL;
	ipk_manager *late = NULL;

	two_directories(directory);
	ck_ok(ipk_manager_server_start(
		IPK_MANAGER_SERVER(.address = "unix:sock", .log_path = "log"), soon(), &server));
	ck_ok(ipk_manager_connect("unix:sock", NULL, soon(), &m));
	ck_assert_int_eq(chdir("b"), 0);
	/* What the server says of itself leads there from everywhere. */
	ck_ok(ipk_manager_connect(ipk_manager_server_address(server), NULL, soon(), &late));
	ck_ok(ipk_manager_ping(late, soon()));
	late = ipk_manager_close(late);
	ck_assert_ptr_null(ipk_manager_server_close(server));
	/* A client that was there comes back to the same place. */
	ck_assert_int_eq(chdir(".."), 0);
	ck_ok(ipk_manager_server_start(
		IPK_MANAGER_SERVER(.address = "unix:sock", .log_path = "log"), soon(), &server));
	ck_assert_int_eq(chdir("b"), 0);
	ck_ok(ipk_manager_ping(m, soon()));
	m = ipk_manager_close(m);
	ck_assert_ptr_null(ipk_manager_server_close(server));
	snprintf(log, sizeof log, "%s/log", directory);
	ck_assert_int_eq(unlink(log), 0);
	ck_only_ours_is_gone(directory);
}
END_TEST

START_TEST(another_file_in_the_place_stays)
{
	char directory[] = "/tmp/ipk-test-XXXXXX", path[PATH_BYTES], address[PATH_BYTES];
	ipk_net_listener *net = NULL;
	ipk_manager_server *server = NULL;
	ipk_listener *listener = NULL;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/sock", directory);
	snprintf(address, sizeof address, "unix:%s/sock", directory);
	for (int kind = 0; kind < 3; kind++) {
		if (kind == 0)
			ck_ok(ipk_listener_create(path, NULL, &listener));
		else if (kind == 1)
			ck_ok(ipk_net_listener_create(address, NULL, &net));
		else
			ck_ok(ipk_manager_server_start(IPK_MANAGER_SERVER(.address = address),
						       soon(), &server));
		ck_assert_int_eq(unlink(path), 0);
		close(open(path, O_CREAT | O_EXCL | O_WRONLY, 0600));
		listener = ipk_listener_close(listener);
		net = ipk_net_listener_close(net);
		server = ipk_manager_server_close(server);
		ck_assert_int_eq(unlink(path), 0);
	}
	ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("names");

	add_loop_test(s, a_thing_in_the_place_of_a_name, 0, N_THINGS);
	add_loop_test(s, a_thing_in_the_place_of_raw_memory, 0, TEXT);
	add_loop_test(s, a_thing_in_the_place_of_a_doorbell, 0, N_THINGS);
	add_test(s, a_doorbell_is_its_users_alone);
	add_test(s, a_doorbell_made_while_the_name_goes);
	add_test(s, what_another_user_made);
	add_test(s, a_message_queue_that_is_open_to_others);
	add_loop_test(s, modes_whatever_the_umask, 0, 3);
	add_loop_test(s, a_relative_path_means_the_same_file_later, 0, 2);
	add_test(s, a_relative_path_of_a_manager);
	add_test(s, another_file_in_the_place_stays);
	return s;
}

IPK_TEST_MAIN(suite)
