/*
 * test_listener.c - lib/pipe/listener.c: processes that meet at a path, and all other peers that
 * may be at either side of it. Each test has a directory of its own.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"
#include "pipe/pipe_internal.h"
#include "unit/pipe/pipe_bodies.h"

enum { NOBODY = 65534, SKIPPED = 77 };

static char dir[64];
static char path[100];

static void set_up(void)
{
	strcpy(dir, "/tmp/ipk-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/socket", dir);
}

static void tear_down(void)
{
	ck_assert_int_eq(chmod(dir, 0700), 0);
	unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

static ipk_listener *listen_here(int i)
{
	ipk_listener *l;

	ck_ok(ipk_listener_create(path, IPK_PIPE(.label = "test", .flags = transport_of(i)), &l));
	return l;
}

/* --- good callers ----------------------------------------------------------------------------- */

static int call_and_echo(void *arg)
{
	char buf[64];
	ipk_pipe *p;
	size_t n;
	int r;

	(void)arg;
	IPK_TRY(ipk_pipe_connect(path, ipk_in_ms(WAIT_MS), &p));
	while ((r = ipk_pipe_recv(p, buf, sizeof buf, ipk_in_ms(WAIT_MS), &n)) == 0)
		IPK_TRY(ipk_pipe_send(p, buf, n, ipk_in_ms(WAIT_MS)));
	ipk_pipe_close(p);
	return r == -EPIPE ? 0 : r;
}

START_TEST(caller_gets_a_pipe)
{
	ipk_listener *l = listen_here(_i);
	ipk_pipe *p;
	pid_t pid;

	for (int round = 0; round < 3; round++) {
		pid = spawn(call_and_echo, NULL);
		ck_ok(ipk_listener_accept(l, ipk_in_ms(WAIT_MS), &p));
		ck_send_text(p, "there");
		ck_recv_text(p, "there");
		for (int i = 0; i < 100; i++)
			ck_send_text(p, "and back");
		for (int i = 0; i < 100; i++)
			ck_recv_text(p, "and back");
		ck_empty(p);
		ipk_pipe_close(p);
		reap_ok(pid);
	}
	ipk_listener_close(l);
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(many_callers_at_once)
{
	enum { N = 40 };
	ipk_listener *l = listen_here(_i);
	ipk_pipe *pipes[N];
	pid_t pids[N];

	for (int i = 0; i < N; i++)
		pids[i] = spawn(call_and_echo, NULL);
	for (int i = 0; i < N; i++)
		ck_ok(ipk_listener_accept(l, ipk_in_ms(WAIT_MS), &pipes[i]));
	for (int i = 0; i < N; i++)
		ck_send_text(pipes[i], "x");
	for (int i = 0; i < N; i++) {
		ck_recv_text(pipes[i], "x");
		ipk_pipe_close(pipes[i]);
	}
	for (int i = 0; i < N; i++)
		reap_ok(pids[i]);
	ipk_listener_close(l);
}
END_TEST

static int send_one_way(void *arg)
{
	ipk_pipe *p;

	(void)arg;
	IPK_TRY(ipk_pipe_connect(path, ipk_in_ms(WAIT_MS), &p));
	if (ipk_pipe_poll(p, ipk_now()) != -EOPNOTSUPP)
		return 1;
	if (ipk_pipe_send(p, "123456789", 9, ipk_now()) != -EMSGSIZE)
		return 2;
	IPK_TRY(ipk_pipe_send(p, "one way", 7, ipk_now()));
	ipk_pipe_close(p);
	return 0;
}

START_TEST(options_are_the_listeners)
{
	ipk_listener *l;
	ipk_pipe *p;
	pid_t pid;

	ck_ok(ipk_listener_create(path,
				  IPK_PIPE(.flags = transport_of(_i) | IPK_PIPE_ONE_WAY,
					   .max_message_bytes = 8, .ring_bytes = 4096),
				  &l));
	pid = spawn(send_one_way, NULL);
	ck_ok(ipk_listener_accept(l, ipk_in_ms(WAIT_MS), &p));
	ck_err(ipk_pipe_send(p, "x", 1, ipk_now()), -EOPNOTSUPP);
	ck_recv_text(p, "one way");
	ck_ended(p);
	reap_ok(pid);
	ipk_pipe_close(p);
	ipk_listener_close(l);
}
END_TEST

static int pass_fds(void *arg)
{
	ipk_pipe *p;
	int fd;

	(void)arg;
	IPK_TRY(ipk_pipe_connect(path, ipk_in_ms(WAIT_MS), &p));
	IPK_TRY(ipk_pipe_recv_fd(p, ipk_in_ms(WAIT_MS), &fd));
	return write(fd, "through", 7) == 7 ? 0 : 1;
}

START_TEST(fds_pass_between_strangers)
{
	ipk_listener *l = listen_here(_i);
	pid_t pid = spawn(pass_fds, NULL);
	char buf[8] = "";
	ipk_pipe *p;
	int fds[2];

	ck_ok(ipk_listener_accept(l, ipk_in_ms(WAIT_MS), &p));
	ck_assert_int_eq(pipe(fds), 0);
	ck_ok(ipk_pipe_send_fd(p, fds[1], ipk_now()));
	close(fds[1]);
	ck_assert_int_eq(read(fds[0], buf, sizeof buf), 7);
	ck_assert_str_eq(buf, "through");
	reap_ok(pid);
	close(fds[0]);
	ipk_pipe_close(p);
	ipk_listener_close(l);
}
END_TEST

START_TEST(fd_is_readable_when_somebody_calls)
{
	ipk_listener *l = listen_here(_i);
	struct pollfd poller = {.events = POLLIN};
	ipk_pipe *p;
	pid_t pid;

	ck_ok(ipk_listener_fd(l, &poller.fd));
	ck_assert_int_eq(poll(&poller, 1, 0), 0);
	ck_err(ipk_listener_accept(l, ipk_now(), &p), -ETIMEDOUT);
	ck_err(ipk_listener_accept(l, ipk_in_ms(5), &p), -ETIMEDOUT);
	pid = spawn(call_and_echo, NULL);
	ck_assert_int_eq(poll(&poller, 1, WAIT_MS), 1);
	ck_ok(ipk_listener_accept(l, ipk_in_ms(WAIT_MS), &p));
	ck_assert_int_eq(poll(&poller, 1, 0), 0);
	ipk_pipe_close(p);
	reap_ok(pid);
	ipk_listener_close(l);
}
END_TEST

/* --- where to listen -------------------------------------------------------------------------- */

START_TEST(directory_must_be_private)
{
	ipk_listener *l = (ipk_listener *)1;

	for (mode_t bit = 1; bit < 0100; bit <<= 1) {
		ck_assert_int_eq(chmod(dir, 0700 | bit), 0);
		ck_err(ipk_listener_create(path, NULL, &l), -EACCES);
	}
	ck_assert_int_eq(chmod(dir, 0755), 0);
	ck_err(ipk_listener_create(path, NULL, &l), -EACCES);
	ck_assert_ptr_eq(l, (ipk_listener *)1);
	ck_assert_int_eq(access(path, F_OK), -1);
	ck_assert_int_eq(chmod(dir, 0700), 0);
	if (chown(dir, NOBODY, (gid_t)-1) == 0) {
		ck_err(ipk_listener_create(path, NULL, &l), -EACCES);
		ck_assert_int_eq(chown(dir, getuid(), (gid_t)-1), 0);
	}
	l = listen_here(0);
	ipk_listener_close(l);
}
END_TEST

START_TEST(paths_are_checked)
{
	char long_path[200];
	ipk_listener *l;
	size_t n = strlen(dir);
	ipk_pipe *p;

	ck_err(ipk_listener_create(NULL, NULL, &l), -EINVAL);
	ck_err(ipk_listener_create("", NULL, &l), -EINVAL);
	ck_err(ipk_listener_create(path, NULL, NULL), -EINVAL);
	ck_err(ipk_listener_create(path, IPK_PIPE(.ring_bytes = 1), &l), -EINVAL);
	ck_err(ipk_pipe_connect(NULL, ipk_now(), &p), -EINVAL);
	ck_err(ipk_pipe_connect("", ipk_now(), &p), -EINVAL);
	ck_err(ipk_pipe_connect(path, ipk_now(), NULL), -EINVAL);
	strcpy(long_path, dir);
	memset(long_path + n, 'x', sizeof long_path - n);
	long_path[n] = '/';
	long_path[108] = '\0';
	ck_err(ipk_listener_create(long_path, NULL, &l), -EINVAL);
	ck_err(ipk_pipe_connect(long_path, ipk_now(), &p), -EINVAL);
	long_path[107] = '\0';
	ck_ok(ipk_listener_create(long_path, NULL, &l));
	ipk_listener_close(l);
	strcpy(long_path + n, "/none/socket");
	ck_err(ipk_listener_create(long_path, NULL, &l), -ENOENT);
	ck_err(ipk_pipe_connect(long_path, ipk_now(), &p), -ENOENT);
}
END_TEST

START_TEST(relative_path_is_fine)
{
	ipk_listener *l;

	ck_assert_int_eq(chdir(dir), 0);
	ck_ok(ipk_listener_create("socket", NULL, &l));
	ck_assert_int_eq(access(path, F_OK), 0);
	ipk_listener_close(l);
	ck_assert_int_eq(access(path, F_OK), -1);
	ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

static int listen_and_die(void *arg)
{
	(void)arg;
	listen_here(0);
	return raise(SIGKILL);
}

START_TEST(stale_socket_is_replaced)
{
	ipk_listener *l;
	ipk_pipe *p;

	reap_signal(spawn(listen_and_die, NULL), SIGKILL);
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_err(ipk_pipe_connect(path, ipk_in_ms(WAIT_MS), &p), -ECONNREFUSED);
	l = listen_here(0);
	ipk_listener_close(l);
	ck_err(ipk_pipe_connect(path, ipk_in_ms(WAIT_MS), &p), -ENOENT);
}
END_TEST

START_TEST(live_one_is_left_alone)
{
	ipk_listener *l = listen_here(_i), *second;
	ipk_pipe *p;
	pid_t pid;

	for (int i = 0; i < 3; i++)
		ck_err(ipk_listener_create(path, NULL, &second), -EADDRINUSE);
	/* Those only looked whether it is here; the next one is a caller. */
	pid = spawn(call_and_echo, NULL);
	ck_ok(ipk_listener_accept(l, ipk_in_ms(WAIT_MS), &p));
	ipk_pipe_close(p);
	reap_ok(pid);
	ipk_listener_close(l);
}
END_TEST

START_TEST(other_files_are_left_alone)
{
	ipk_listener *l;
	ipk_pipe *p;
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_err(ipk_listener_create(path, NULL, &l), -EEXIST);
	ck_err(ipk_pipe_connect(path, ipk_in_ms(WAIT_MS), &p), -ECONNREFUSED);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(symlink("elsewhere", path), 0);
	ck_err(ipk_listener_create(path, NULL, &l), -EEXIST);
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

static void *listen_again_and_again(void *arg)
{
	char own[110];

	for (int i = 0; i < 200; i++) {
		ipk_listener *l;

		snprintf(own, sizeof own, "%s-%d", path, (int)(intptr_t)arg);
		if (ipk_listener_create(own, NULL, &l) < 0)
			return (void *)1;
		ipk_listener_close(l);
	}
	return NULL;
}

START_TEST(listeners_start_beside_each_other)
{
	pthread_t threads[4];
	void *result;

	for (intptr_t i = 0; i < 4; i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, listen_again_and_again, (void *)i), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &result);
		ck_assert_ptr_null(result);
	}
}
END_TEST

static int close_inherited(void *arg)
{
	ipk_listener_close(arg);
	return 0;
}

START_TEST(only_its_maker_removes_the_socket)
{
	ipk_listener *l = listen_here(0);

	reap_ok(spawn(close_inherited, l));
	ck_assert_int_eq(access(path, F_OK), 0);
	ipk_listener_close(l);
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(null_is_refused)
{
	ipk_listener *l = listen_here(0);
	ipk_pipe *p;
	int fd;

	ck_err(ipk_listener_accept(NULL, ipk_now(), &p), -EBADF);
	ck_err(ipk_listener_accept(l, ipk_now(), NULL), -EINVAL);
	ck_err(ipk_listener_fd(NULL, &fd), -EBADF);
	ck_err(ipk_listener_fd(l, NULL), -EINVAL);
	ck_assert_ptr_null(ipk_listener_close(NULL));
	ck_assert_ptr_null(ipk_listener_close(l));
}
END_TEST

/* --- bad callers ------------------------------------------------------------------------------ */

static int raw_call(void)
{
	int fd;

	ck_ok(ipk__os_connect(path, &fd));
	return fd;
}

static void send_hello(int fd, const struct ipk__side_packet *hello, size_t n_bytes, const int *fds,
		       size_t n_fds)
{
	struct iovec part = {(void *)hello, n_bytes};

	ck_ok(ipk__os_send(fd, &part, 1, fds, n_fds));
}

/* What the listener says to a caller that says the wrong thing. */
START_TEST(wrong_hello_is_turned_away)
{
	struct ipk__side_packet hello;
	static const char junk[3000];
	ipk_listener *l = listen_here(_i);
	struct leaks before = leaks_now();
	int fds[2] = {0, 1}, fd, want = -EPROTO;
	ipk_pipe *p;

	ipk__side_packet_init(&hello, IPK__SIDE_HELLO);
	fd = raw_call();
	switch (_i / N_TRANSPORTS) {
	case 0:
		ck_assert_int_eq(send(fd, junk, sizeof junk, 0), (ssize_t)sizeof junk);
		break;
	case 1:
		ck_assert_int_eq(send(fd, "GET / HTTP/1.0\r\n\r\n", 18, 0), 18);
		break;
	case 2:
		hello.magic++;
		send_hello(fd, &hello, sizeof hello, NULL, 0);
		break;
	case 3:
		send_hello(fd, &hello, sizeof hello - 1, NULL, 0);
		break;
	case 4:
		hello.type = IPK__SIDE_WELCOME;
		send_hello(fd, &hello, sizeof hello, NULL, 0);
		break;
	case 5:
		send_hello(fd, &hello, sizeof hello, fds, 2);
		break;
	default:
		hello.version++;
		send_hello(fd, &hello, sizeof hello, NULL, 0);
		want = -EPROTONOSUPPORT;
		break;
	}
	ck_err(ipk_listener_accept(l, ipk_in_ms(WAIT_MS), &p), want);
	ipk__os_close(fd);
	ck_no_leaks(&before);
	ipk_listener_close(l);
}
END_TEST

START_TEST(callers_that_hung_up_are_passed_over)
{
	ipk_listener *l = listen_here(_i);
	struct ipk__side_packet hello;
	ipk_pipe *p;
	pid_t pid;
	int fd;

	ipk__side_packet_init(&hello, IPK__SIDE_HELLO);
	for (int i = 0; i < 10; i++) {
		fd = raw_call();
		if (i % 2)
			send_hello(fd, &hello, sizeof hello, NULL, 0);
		ipk__os_close(fd);
	}
	pid = spawn(call_and_echo, NULL);
	ck_ok(ipk_listener_accept(l, ipk_in_ms(WAIT_MS), &p));
	ck_send_text(p, "x");
	ck_recv_text(p, "x");
	ipk_pipe_close(p);
	reap_ok(pid);
	ipk_listener_close(l);
}
END_TEST

/* One that says nothing keeps nobody waiting for ever, whatever the deadline. */
START_TEST(silent_caller_is_passed_over)
{
	ipk_listener *l = listen_here(_i);
	ipk_pipe *p;
	pid_t pid;
	int fd;

	fd = raw_call();
	ck_err(ipk_listener_accept(l, ipk_in_ms(20), &p), -ETIMEDOUT);
	ipk__os_close(fd);
	fd = raw_call();
	pid = spawn(call_and_echo, NULL);
	ck_ok(ipk_listener_accept(l, ipk_forever(), &p));
	ck_send_text(p, "x");
	ck_recv_text(p, "x");
	ipk_pipe_close(p);
	reap_ok(pid);
	ipk__os_close(fd);
	ipk_listener_close(l);
}
END_TEST

static int call_as_nobody(void *arg)
{
	ipk_pipe *p;

	(void)arg;
	if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
		return SKIPPED;
	return ipk_pipe_connect(path, ipk_in_ms(WAIT_MS), &p) == -EACCES ? 0 : 1;
}

/* The directory keeps others out; were it opened later, the two sides still do. */
START_TEST(other_user_is_turned_away)
{
	ipk_listener *l = listen_here(_i);
	ipk_pipe *p;

	if (getuid() == 0) {
		reap_ok(spawn(call_as_nobody, NULL));
		ck_err(ipk_listener_accept(l, ipk_now(), &p), -ETIMEDOUT);
		ck_assert_int_eq(chmod(dir, 0711), 0);
		ck_assert_int_eq(chmod(path, 0777), 0);
		reap_ok(spawn(call_as_nobody, NULL));
		ck_err(ipk_listener_accept(l, ipk_in_ms(WAIT_MS), &p), -EACCES);
	}
	ipk_listener_close(l);
}
END_TEST

/* --- bad listeners ---------------------------------------------------------------------------- */

static int raw_listen(int type)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	return fd;
}

START_TEST(server_of_another_kind_is_no_listener)
{
	int fd = raw_listen(SOCK_STREAM);
	ipk_listener *l;
	ipk_pipe *p;

	ck_err(ipk_pipe_connect(path, ipk_in_ms(WAIT_MS), &p), -EPROTO);
	ck_err(ipk_listener_create(path, NULL, &l), -EADDRINUSE);
	ipk__os_close(fd);
}
END_TEST

START_TEST(listener_that_never_accepts)
{
	ipk_listener *l = listen_here(_i);
	ipk_deadline deadline;
	ipk_pipe *p;
	int fds[200], n = 0;

	deadline = ipk_in_ms(50);
	ck_err(ipk_pipe_connect(path, deadline, &p), -ETIMEDOUT);
	ck_assert(ipk_deadline_left_ns(deadline) == 0);
	/* The kernel's queue of callers is full: connect itself has to wait then. */
	while (n < 200 && ipk__os_connect(path, &fds[n]) == 0)
		n++;
	ck_assert_int_lt(n, 200);
	ck_err(ipk_pipe_connect(path, ipk_in_ms(50), &p), -ETIMEDOUT);
	ck_err(ipk_pipe_connect(path, ipk_now(), &p), -ETIMEDOUT);
	while (n > 0)
		close(fds[--n]);
	ipk_listener_close(l);
}
END_TEST

struct connect_call {
	pthread_t thread;
	ipk_pipe *p;
	int r;
};

static void *run_connect(void *arg)
{
	struct connect_call *c = arg;

	c->r = ipk_pipe_connect(path, ipk_in_ms(WAIT_MS), &c->p);
	return NULL;
}

/* Let somebody connect to @server and take its hello; the connection. */
static int take_hello(struct connect_call *c, int server)
{
	struct ipk__side_packet hello;
	int fd;

	ck_assert_int_eq(pthread_create(&c->thread, NULL, run_connect, c), 0);
	fd = accept(server, NULL, NULL);
	ck_assert_int_ge(fd, 0);
	ck_ok(ipk__side_recv(fd, IPK__SIDE_HELLO, ipk_in_ms(WAIT_MS), &hello, NULL, NULL));
	return fd;
}

/* A segment that is none, as an fd of the welcome. */
static int junk_file(void)
{
	int fd;

	ck_ok(ipk__os_memfd("ipk:junk", &fd));
	ck_ok(ipk__os_allocate(fd, 0, 8192));
	ck_ok(ipk__os_seal(fd, false));
	return fd;
}

/* What a caller makes of a listener that answers wrongly. */
START_TEST(wrong_welcome_is_refused)
{
	static const struct {
		uint64_t max_message_bytes;
		uint32_t flags, version;
		int n_fds, error;
	} welcomes[] = {
		{100, 0, 0, 0, -EPROTO},
		{100, 0, 0, 2, -EPROTO},
		{100, 0, 0, 4, -EPROTO},
		{100, 0, 0, 3, -EPROTO}, /* the segment is none */
		{0, 0, 0, 3, -EPROTO},
		{IPK_MESSAGE_MAX_BYTES + 1, 0, 0, 3, -EPROTO},
		{100, IPK_PIPE_SOCKET, 0, 0, -EPROTO},
		{100, IPK_PIPE_SOCKET, 0, 2, -EPROTO},
		{100, 0, 1, 3, -EPROTONOSUPPORT},
	};
	int server = raw_listen(SOCK_SEQPACKET), file = junk_file(), fd;
	struct leaks before = leaks_now();
	struct ipk__side_packet welcome;
	int fds[4] = {file, file, file, file};
	struct connect_call c = {0};

	for (size_t i = 0; i < sizeof welcomes / sizeof welcomes[0]; i++) {
		fd = take_hello(&c, server);
		ipk__side_packet_init(&welcome, IPK__SIDE_WELCOME);
		welcome.max_message_bytes = welcomes[i].max_message_bytes;
		welcome.flags = welcomes[i].flags;
		welcome.version += welcomes[i].version;
		send_hello(fd, &welcome, sizeof welcome, fds, (size_t)welcomes[i].n_fds);
		pthread_join(c.thread, NULL);
		ck_err(c.r, welcomes[i].error);
		close(fd);
		ck_no_leaks(&before);
	}
	fd = take_hello(&c, server);
	ck_assert_int_eq(send(fd, "junk", 4, 0), 4);
	pthread_join(c.thread, NULL);
	ck_err(c.r, -EPROTO);
	close(fd);
	/* To be hung up on once may be bad luck; it calls again a few times. */
	close(take_hello(&c, server));
	for (int i = 0; i < 3; i++)
		close(accept(server, NULL, NULL));
	pthread_join(c.thread, NULL);
	ck_err(c.r, -EPIPE);
	ck_no_leaks(&before);
	ck_assert_ptr_null(c.p);
	close(file);
	close(server);
}
END_TEST

/* --- limits ----------------------------------------------------------------------------------- */

/* At every number of free fds: -EMFILE or a pipe, and nothing is left open. */
START_TEST(accept_at_every_fd_limit)
{
	ipk_listener *l = listen_here(_i);
	struct rlimit was, limit;
	struct leaks before;
	pid_t pid;
	ipk_pipe *p;
	int r, n_failed = -1;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	limit = was;
	limit.rlim_cur = 0;
	do {
		before = leaks_now();
		pid = spawn(call_and_echo, NULL);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
		r = ipk_listener_accept(l, ipk_in_ms(WAIT_MS), &p);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
		if (r == 0) {
			ipk_pipe_close(p);
			reap_ok(pid);
		} else {
			ck_err(r, -EMFILE);
			kill(pid, SIGKILL);
			ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
			ck_no_leaks(&before);
			/* One that was not taken yet has hung up now. */
			ck_assert(ipk_listener_accept(l, ipk_now(), &p) < 0);
		}
		n_failed++;
		limit.rlim_cur++;
	} while (r != 0);
	ck_assert_int_ge(n_failed, 4);
	ipk_listener_close(l);
}
END_TEST

static int connect_at_limits(void *arg)
{
	struct rlimit was, limit;
	struct leaks before = leaks_now();
	ipk_pipe *p;
	int r;

	(void)arg;
	if (getrlimit(RLIMIT_NOFILE, &was) < 0)
		return 1;
	limit = was;
	limit.rlim_cur = 0;
	do {
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			return 2;
		r = ipk_pipe_connect(path, ipk_in_ms(WAIT_MS), &p);
		if (setrlimit(RLIMIT_NOFILE, &was) < 0)
			return 3;
		if (r != 0 && (r != -EMFILE || count_fds() != before.n_fds))
			return 4;
		limit.rlim_cur++;
	} while (r != 0);
	ipk_pipe_close(p);
	return count_fds() == before.n_fds ? 0 : 5;
}

struct acceptor {
	ipk_listener *l;
	pthread_t thread;
};

static void *accept_until_timeout(void *arg)
{
	struct acceptor *a = arg;
	ipk_pipe *p;
	int r;

	do {
		r = ipk_listener_accept(a->l, ipk_in_ms(500), &p);
		if (r == 0)
			ipk_pipe_close(p);
	} while (r != -ETIMEDOUT);
	return NULL;
}

START_TEST(connect_at_every_fd_limit)
{
	struct acceptor a = {.l = listen_here(_i)};
	pid_t pid = spawn(connect_at_limits, NULL);

	ck_assert_int_eq(pthread_create(&a.thread, NULL, accept_until_timeout, &a), 0);
	reap_ok(pid);
	pthread_join(a.thread, NULL);
	ipk_listener_close(a.l);
}
END_TEST

#define add(suite, test, n)                                                  \
	do {                                                                 \
		TCase *tc_ = support_case(suite, #test, TEST_SECONDS, true); \
		tcase_add_checked_fixture(tc_, set_up, tear_down);           \
		tcase_add_loop_test(tc_, test, 0, n);                        \
	} while (0)

static Suite *suite(void)
{
	Suite *s = suite_create("listener");

	add(s, caller_gets_a_pipe, N_TRANSPORTS);
	add(s, many_callers_at_once, N_TRANSPORTS);
	add(s, options_are_the_listeners, N_TRANSPORTS);
	add(s, fds_pass_between_strangers, N_TRANSPORTS);
	add(s, fd_is_readable_when_somebody_calls, N_TRANSPORTS);
	add(s, directory_must_be_private, 1);
	add(s, paths_are_checked, 1);
	add(s, relative_path_is_fine, 1);
	add(s, stale_socket_is_replaced, 1);
	add(s, live_one_is_left_alone, N_TRANSPORTS);
	add(s, other_files_are_left_alone, 1);
	add(s, listeners_start_beside_each_other, 1);
	add(s, only_its_maker_removes_the_socket, 1);
	add(s, null_is_refused, 1);
	add(s, wrong_hello_is_turned_away, 7 * N_TRANSPORTS);
	add(s, callers_that_hung_up_are_passed_over, N_TRANSPORTS);
	add(s, silent_caller_is_passed_over, N_TRANSPORTS);
	add(s, other_user_is_turned_away, N_TRANSPORTS);
	add(s, server_of_another_kind_is_no_listener, 1);
	add(s, listener_that_never_accepts, N_TRANSPORTS);
	add(s, wrong_welcome_is_refused, 1);
	add(s, accept_at_every_fd_limit, N_TRANSPORTS);
	add(s, connect_at_every_fd_limit, N_TRANSPORTS);
	return s;
}

IPK_TEST_MAIN(suite)
