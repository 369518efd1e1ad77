/* test_process_inherited.c - handles of each noun, found under names, by every method. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipk/barrier.h"
#include "ipk/cond.h"
#include "ipk/event.h"
#include "ipk/lock.h"
#include "ipk/once.h"
#include "ipk/queue.h"
#include "ipk/rwlock.h"
#include "ipk/semaphore.h"
#include "ipk/shm.h"
#include "ipk/value.h"
#include "process_roles.h"
#include "support/support.h"

/* --- roles: each uses what it was given, and leaves a trace that the parent sees -------------- */

static int role_queue(const char *arg)
{
	ipk_queue *q = ipk_inherited(queue, arg);

	role_check(q);
	role_check(!ipk_inherited(queue, arg)); /* once */
	role_check(ipk_queue_put(q, "from child", 11, ipk_in_ms(WAIT_MS)) == 0);
	ipk_queue_close(q);
	return 0;
}

static int role_lock(const char *arg)
{
	ipk_lock *lock = ipk_inherited(lock, arg);

	role_check(lock);
	/* The parent has it. */
	role_check(ipk_lock_lock(lock, ipk_now(), NULL) == -ETIMEDOUT);
	ipk_lock_close(lock);
	return 0;
}

static int role_event(const char *arg)
{
	ipk_event *event = ipk_inherited(event, arg);

	role_check(event);
	role_check(ipk_event_set(event) == 0);
	ipk_event_close(event);
	return 0;
}

static int role_semaphore(const char *arg)
{
	ipk_semaphore *s = ipk_inherited(semaphore, arg);

	role_check(s);
	role_check(ipk_semaphore_acquire(s, ipk_now()) == 0);
	role_check(ipk_semaphore_acquire(s, ipk_now()) == -ETIMEDOUT);
	return 0;
}

static int role_value(const char *arg)
{
	ipk_value *v = ipk_inherited(value, arg);

	role_check(v);
	role_check(ipk_value_add(v, 41, NULL) == 0);
	ipk_value_close(v);
	return 0;
}

static int role_array(const char *arg)
{
	ipk_array *a = ipk_inherited(array, arg);
	int64_t n = 4711;

	role_check(a);
	role_check(ipk_array_len(a) == 1000);
	role_check(ipk_array_set(a, 999, &n) == 0);
	ipk_array_close(a);
	return 0;
}

static int role_shm(const char *arg)
{
	ipk_shm *shm = ipk_inherited(shm, arg);

	role_check(shm);
	strcpy(ipk_shm_data(shm), "from child");
	ipk_shm_close(shm);
	return 0;
}

static int role_others(const char *arg)
{
	ipk_barrier *barrier = ipk_inherited(barrier, "barrier");
	ipk_rwlock *rwlock = ipk_inherited(rwlock, "rwlock");
	ipk_cond *cond = ipk_inherited(cond, "cond");
	ipk_once *once = ipk_inherited(once, "once");

	(void)arg;
	role_check(barrier && rwlock && cond && once);
	role_check(ipk_rwlock_write_lock(rwlock, ipk_now(), NULL) == 0);
	role_check(ipk_rwlock_write_unlock(rwlock) == 0);
	ipk_barrier_close(barrier);
	ipk_rwlock_close(rwlock);
	ipk_cond_close(cond);
	ipk_once_close(once);
	return 0;
}

static int role_fd(const char *arg)
{
	int fd, again;

	role_check(ipk_inherited_fd(arg, &fd) == 0);
	role_check(ipk_inherited_fd(arg, &again) == -ENOENT);
	role_check(write(fd, "x", 1) == 1);
	close(fd);
	return 0;
}

static int role_pipe(const char *arg)
{
	ipk_pipe *p = ipk_inherited(pipe, arg);
	char text[16] = "";
	size_t n;

	role_check(p);
	role_check(ipk_pipe_recv(p, text, sizeof text, ipk_in_ms(WAIT_MS), &n) == 0);
	role_check(strcmp(text, "ask") == 0);
	role_check(ipk_pipe_send(p, "answer", 7, ipk_in_ms(WAIT_MS)) == 0);
	/* The parent closes its end, and nobody else has it (but a fork has all it had). */
	role_check(strcmp(arg, "forked") == 0 ||
		   ipk_pipe_recv(p, text, sizeof text, ipk_in_ms(WAIT_MS), &n) == -EPIPE);
	ipk_pipe_close(p);
	return 0;
}

static int role_nothing(const char *arg)
{
	int fd;

	role_check(!ipk_inherited(queue, arg));
	role_check(!ipk_inherited(queue, "none"));
	role_check(!ipk_inherited_handle(NULL, arg));
	role_check(!ipk_inherited_handle("queue", NULL));
	role_check(ipk_inherited_fd(arg, &fd) == -ENOENT);
	return 0;
}

/* What it was given it gives on, and its own children have none of what it was given. */
static int role_give_on(const char *arg)
{
	ipk_value *v = ipk_inherited(value, "v");
	ipk_inherit given[] = {IPK_INHERIT(value, "w", v)};
	ipk_process_status status;
	ipk_process *p = NULL;

	role_check(v);
	role_check(try_role(atoi(arg), "value", "w", IPK_PROCESS(.inherit = given, .n_inherit = 1),
			    &p) == 0);
	role_check(ipk_process_join(p, ipk_in_ms(WAIT_MS), &status) == 0);
	ipk_process_close(p);
	role_check(status.exit_code == 0);
	role_check(try_role(atoi(arg), "nothing", "v", NULL, &p) == 0);
	role_check(ipk_process_join(p, ipk_in_ms(WAIT_MS), &status) == 0);
	ipk_process_close(p);
	return status.exit_code;
}

static int role_many(const char *arg)
{
	for (int i = 0; i < atoi(arg); i++) {
		char name[16];
		ipk_value *v;

		snprintf(name, sizeof name, "v%d", i);
		v = ipk_inherited(value, name);
		role_check(v);
		role_check(ipk_value_add(v, i, NULL) == 0);
	}
	return 0;
}

static int role_gone(const char *arg)
{
	char c;

	/* The parent says when the name is gone. */
	role_check(read(0, &c, 1) == 1);
	role_check(!ipk_inherited(queue, "q"));
	return role_value(arg);
}

/* Another program that is given a stranger's variable. */
static int role_stranger(const char *arg)
{
	char c;

	role_check(!ipk_inherited(queue, "jobs"));
	role_check(getenv("IPK_SPAWN_INFO") == NULL);
	/* What is not ours is left alone. */
	if (arg[0] != '\0')
		role_check(recv(atoi(arg), &c, 1, MSG_DONTWAIT) == 1 && c == 's');
	return 0;
}

const struct role roles[] = {
	{"queue", role_queue},     {"lock", role_lock},
	{"event", role_event},     {"semaphore", role_semaphore},
	{"value", role_value},     {"array", role_array},
	{"shm", role_shm},         {"others", role_others},
	{"fd", role_fd},           {"pipe", role_pipe},
	{"nothing", role_nothing}, {"give_on", role_give_on},
	{"many", role_many},       {"stranger", role_stranger},
	{"gone", role_gone},       {0},
};

/* --- tests ------------------------------------------------------------------------------------ */

#define GIVEN(list) IPK_PROCESS(.inherit = (list), .n_inherit = sizeof(list) / sizeof(list)[0])

START_TEST(queues)
{
	int method = methods[_i];
	ipk_queue *q = NULL;
	char text[16];

	begin_method(method); /* so what follows is not in the zygote's memory */
	ck_ok(ipk_queue_create(NULL, &q));
	ck_role(method, "queue", "jobs", GIVEN(((ipk_inherit[]){IPK_INHERIT(queue, "jobs", q)})));
	ck_ok(ipk_queue_get(q, text, sizeof text, ipk_now(), NULL));
	ck_assert_str_eq(text, "from child");
	ipk_queue_close(q);
	end_method(method);
}
END_TEST

START_TEST(locks_and_the_like)
{
	int method = methods[_i];
	ipk_semaphore *semaphore = NULL;
	ipk_lock *lock = NULL;
	ipk_event *event = NULL;

	begin_method(method);
	ck_ok(ipk_lock_create(NULL, &lock));
	ck_ok(ipk_event_create(NULL, &event));
	ck_ok(ipk_semaphore_create(IPK_SEMAPHORE(.value = 1), &semaphore));
	ck_ok(ipk_lock_lock(lock, ipk_now(), NULL));
	{
		ipk_inherit given[] = {IPK_INHERIT(lock, "lock", lock),
				       IPK_INHERIT(event, "event", event),
				       IPK_INHERIT(semaphore, "semaphore", semaphore)};

		ck_role(method, "lock", "lock", GIVEN(given));
		ck_role(method, "event", "event", GIVEN(given));
		ck_role(method, "semaphore", "semaphore", GIVEN(given));
	}
	ck_assert(ipk_event_is_set(event));
	ck_ok(ipk_lock_unlock(lock));
	ipk_lock_close(lock);
	ipk_event_close(event);
	ipk_semaphore_close(semaphore);
	end_method(method);
}
END_TEST

START_TEST(the_others)
{
	int method = methods[_i];
	ipk_barrier *barrier = NULL;
	ipk_rwlock *rwlock = NULL;
	ipk_cond *cond = NULL;
	ipk_once *once = NULL;

	begin_method(method);
	ck_ok(ipk_barrier_create(IPK_BARRIER(.n_parties = 2), &barrier));
	ck_ok(ipk_rwlock_create(NULL, &rwlock));
	ck_ok(ipk_cond_create(NULL, &cond));
	ck_ok(ipk_once_create(NULL, &once));
	{
		ipk_inherit given[] = {IPK_INHERIT(barrier, "barrier", barrier),
				       IPK_INHERIT(rwlock, "rwlock", rwlock),
				       IPK_INHERIT(cond, "cond", cond),
				       IPK_INHERIT(once, "once", once)};

		ck_role(method, "others", NULL, GIVEN(given));
	}
	ipk_barrier_close(barrier);
	ipk_rwlock_close(rwlock);
	ipk_cond_close(cond);
	ipk_once_close(once);
	end_method(method);
}
END_TEST

static int64_t value_of(ipk_value *v)
{
	int64_t n = -1;

	ck_ok(ipk_value_load(v, &n));
	return n;
}

START_TEST(memory)
{
	int method = methods[_i];
	ipk_value *v = NULL;
	ipk_array *a = NULL;
	ipk_shm *shm = NULL;
	int64_t n = 0;

	begin_method(method);
	ck_ok(ipk_value_create(IPK_VALUE(.typecode = 'q'), &v));
	ck_ok(ipk_array_create(IPK_ARRAY(.typecode = 'q', .n_items = 1000), &a));
	ck_ok(ipk_shm_create(IPK_SHM(.size_bytes = 100), &shm));
	{
		ipk_inherit given[] = {IPK_INHERIT(value, "v", v), IPK_INHERIT(array, "a", a),
				       IPK_INHERIT(shm, "s", shm)};

		ck_role(method, "value", "v", GIVEN(given));
		ck_role(method, "array", "a", GIVEN(given));
		ck_role(method, "shm", "s", GIVEN(given));
	}
	ck_assert_int_eq(value_of(v), 41);
	ck_ok(ipk_array_get(a, 999, &n));
	ck_assert_int_eq(n, 4711);
	ck_assert_str_eq(ipk_shm_data(shm), "from child");
	ipk_value_close(v);
	ipk_array_close(a);
	ipk_shm_close(shm);
	end_method(method);
}
END_TEST

/* Each has a name of its own, so that a mix-up would show. */
START_TEST(what_has_a_name_is_opened_by_it)
{
	int method = methods[_i];
	ipk_queue *q = NULL;
	ipk_lock *lock = NULL;
	ipk_value *v = NULL;
	ipk_shm *shm = NULL;
	char q_name[UNIQUE_NAME_BYTES], lock_name[UNIQUE_NAME_BYTES], v_name[UNIQUE_NAME_BYTES];
	char shm_name[UNIQUE_NAME_BYTES], text[16];

	begin_method(method);
	unique_name(q_name, "queue");
	unique_name(lock_name, "lock");
	unique_name(v_name, "value");
	unique_name(shm_name, "shm");
	ck_ok(ipk_queue_create(IPK_QUEUE(.name = q_name), &q));
	ck_ok(ipk_lock_create(IPK_LOCK(.name = lock_name, .label = "other"), &lock));
	ck_ok(ipk_value_create(IPK_VALUE(.typecode = 'q', .name = v_name), &v));
	ck_ok(ipk_shm_create(IPK_SHM(.size_bytes = 100, .name = shm_name, .is_raw = true), &shm));
	ck_ok(ipk_lock_lock(lock, ipk_now(), NULL));
	{
		ipk_inherit given[] = {IPK_INHERIT(queue, "q", q), IPK_INHERIT(lock, "l", lock),
				       IPK_INHERIT(value, "v", v), IPK_INHERIT(shm, "s", shm)};

		ck_role(method, "queue", "q", GIVEN(given));
		ck_role(method, "lock", "l", GIVEN(given));
		ck_role(method, "value", "v", GIVEN(given));
		ck_role(method, "shm", "s", GIVEN(given));
		/* And one that was opened itself. */
		ipk_lock_close(lock);
		ck_ok(ipk_lock_open(lock_name, ipk_now(), &lock));
		ck_ok(ipk_lock_lock(lock, ipk_now(), NULL)); /* closing gave it back */
		given[1].handle = lock;
		ck_role(method, "lock", "l", GIVEN(given));
	}
	ck_ok(ipk_queue_get(q, text, sizeof text, ipk_now(), NULL));
	ck_assert_str_eq(text, "from child");
	ck_assert_int_eq(value_of(v), 41);
	ck_assert_str_eq(ipk_shm_data(shm), "from child");
	ipk_queue_close(q);
	ipk_lock_close(lock);
	ipk_value_close(v);
	ipk_shm_close(shm);
	ck_ok(ipk_queue_unlink(q_name));
	ck_ok(ipk_lock_unlink(lock_name));
	ck_ok(ipk_value_unlink(v_name));
	ck_ok(ipk_shm_unlink(shm_name, IPK_SHM_RAW));
	end_method(method);
}
END_TEST

START_TEST(a_name_that_goes_takes_nothing_else_along)
{
	ipk_queue *q = NULL;
	ipk_value *v = NULL;
	char name[UNIQUE_NAME_BYTES];
	ipk_process *p;
	int fds[2];

	unique_name(name, "queue");
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_ok(ipk_queue_create(IPK_QUEUE(.name = name), &q));
	ck_ok(ipk_value_create(IPK_VALUE(.typecode = 'q'), &v));
	{
		ipk_inherit given[] = {IPK_INHERIT(queue, "q", q), IPK_INHERIT(value, "v", v)};

		p = start_role(IPK_START_EXEC, "gone", "v",
			       IPK_PROCESS(.inherit = given, .n_inherit = 2, .stdin_fd = &fds[0]));
	}
	ck_ok(ipk_queue_unlink(name));
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	ck_assert_int_eq(join_role(p).exit_code, 0);
	ck_assert_int_eq(value_of(v), 41);
	close(fds[0]);
	close(fds[1]);
	ipk_queue_close(q);
	ipk_value_close(v);
}
END_TEST

START_TEST(single_fds)
{
	int method = methods[_i];
	int fds[2];
	char c = 0;

	begin_method(method);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_role(method, "fd", "out", GIVEN(((ipk_inherit[]){IPK_INHERIT_FD("out", fds[1])})));
	close(fds[1]);
	ck_assert_int_eq(read(fds[0], &c, 1), 1);
	ck_assert_int_eq(c, 'x');
	ck_assert_int_eq(read(fds[0], &c, 1), 0);
	close(fds[0]);
	end_method(method);
}
END_TEST

static void ck_pipe_moves(int method, unsigned flags)
{
	ipk_pipe *mine = NULL, *its = NULL;
	ipk_process *p;
	const char *name = method == IPK_START_FORK ? "forked" : "end";
	char text[16];
	int n_fds;

	n_fds = count_fds();
	ck_ok(ipk_pipe_create(IPK_PIPE(.flags = flags), &mine, &its));
	/* What lies in it goes over too. */
	ck_ok(ipk_pipe_send(mine, "ask", 4, ipk_now()));
	p = start_role(method, "pipe", name,
		       GIVEN(((ipk_inherit[]){IPK_INHERIT(pipe, name, its)})));
	ck_ok(ipk_pipe_recv(mine, text, sizeof text, ipk_in_ms(WAIT_MS), NULL));
	ck_assert_str_eq(text, "answer");
	ipk_pipe_close(mine);
	ck_assert_int_eq(join_role(p).exit_code, 0);
	ck_assert_int_eq(count_fds(), n_fds);
}

START_TEST(pipes_go_over)
{
	int method = methods[_i];

	begin_method(method);
	ck_pipe_moves(method, 0);
	ck_pipe_moves(method, IPK_PIPE_SOCKET);
	end_method(method);
}
END_TEST

START_TEST(a_child_that_dies_takes_its_end_along)
{
	int method = methods[_i];
	ipk_pipe *mine = NULL, *its = NULL;
	char text[16];

	begin_method(method);
	ck_ok(ipk_pipe_create(NULL, &mine, &its));
	ck_role(method, "nothing", "no", GIVEN(((ipk_inherit[]){IPK_INHERIT(pipe, "end", its)})));
	ck_err(ipk_pipe_recv(mine, text, sizeof text, ipk_in_ms(WAIT_MS), NULL), -EPIPE);
	ipk_pipe_close(mine);
	end_method(method);
}
END_TEST

START_TEST(a_pipe_stays_when_the_start_fails)
{
	ipk_pipe *mine = NULL, *its = NULL;
	ipk_process *p = NULL;
	char text[16];
	ipk_inherit given[1];

	ck_ok(ipk_pipe_create(NULL, &mine, &its));
	given[0] = (ipk_inherit)IPK_INHERIT(pipe, "end", its);
	ck_err(ipk_process_start(NULL, NULL,
				 IPK_PROCESS(.start_method = IPK_START_EXEC,
					     .program = "/no/such/program", .inherit = given,
					     .n_inherit = 1),
				 &p),
	       -ENOENT);
	ck_ok(ipk_pipe_send(mine, "here", 5, ipk_now()));
	ck_ok(ipk_pipe_recv(its, text, sizeof text, ipk_now(), NULL));
	ck_assert_str_eq(text, "here");
	ipk_pipe_close(mine);
	ipk_pipe_close(its);
}
END_TEST

START_TEST(nothing_is_found)
{
	int method = methods[_i];
	int fd;

	ck_assert_ptr_null(ipk_inherited(queue, "x"));
	ck_err(ipk_inherited_fd("x", &fd), -ENOENT);
	ck_err(ipk_inherited_fd("x", NULL), -EINVAL);
	begin_method(method);
	ck_role(method, "nothing", "x", NULL);
	end_method(method);
}
END_TEST

START_TEST(handles_are_given_on)
{
	int method = methods[_i];
	ipk_value *v = NULL;
	char own[4];

	/* A zygote is its maker's: in the child the fork takes its place. */
	snprintf(own, sizeof own, "%d",
		 method == IPK_START_ZYGOTE ? IPK_START_FORK : IPK_START_EXEC);
	begin_method(method);
	ck_ok(ipk_value_create(IPK_VALUE(.typecode = 'q'), &v));
	ck_role(method, "give_on", own, GIVEN(((ipk_inherit[]){IPK_INHERIT(value, "v", v)})));
	ck_assert_int_eq(value_of(v), 41);
	ipk_value_close(v);
	end_method(method);
}
END_TEST

START_TEST(as_many_as_may_be)
{
	int method = methods[_i];
	static ipk_inherit given[IPK_INHERIT_MAX + 1];
	static char names[IPK_INHERIT_MAX + 1][16];
	ipk_value *values[IPK_INHERIT_MAX + 1];
	ipk_process *p = NULL;
	char n[16];

	begin_method(method);
	for (int i = 0; i <= IPK_INHERIT_MAX; i++) {
		snprintf(names[i], sizeof names[i], "v%d", i);
		ck_ok(ipk_value_create(IPK_VALUE(.typecode = 'q'), &values[i]));
		given[i] = (ipk_inherit)IPK_INHERIT(value, names[i], values[i]);
	}
	snprintf(n, sizeof n, "%d", IPK_INHERIT_MAX);
	ck_role(method, "many", n, IPK_PROCESS(.inherit = given, .n_inherit = IPK_INHERIT_MAX));
	ck_err(try_role(method, "many", n,
			IPK_PROCESS(.inherit = given, .n_inherit = IPK_INHERIT_MAX + 1), &p),
	       -EINVAL);
	for (int i = 0; i <= IPK_INHERIT_MAX; i++) {
		ck_assert_int_eq(value_of(values[i]), i < IPK_INHERIT_MAX ? i : 0);
		ipk_value_close(values[i]);
	}
	end_method(method);
}
END_TEST

static void ck_refused(int method, ipk_inherit e, int error)
{
	ipk_process *p = NULL;

	ck_err(try_role(method, "nothing", "x", IPK_PROCESS(.inherit = &e, .n_inherit = 1), &p),
	       error);
	ck_assert_ptr_null(p);
}

START_TEST(what_cannot_be_given)
{
	int method = methods[_i];
	ipk_queue *q = NULL, *named = NULL;
	char name[UNIQUE_NAME_BYTES];
	ipk_process *p = NULL;

	begin_method(method);
	unique_name(name, "named");
	ck_ok(ipk_queue_create(NULL, &q));
	ck_ok(ipk_queue_create(IPK_QUEUE(.name = name), &named));
	ck_refused(method, (ipk_inherit){.noun = "chair", .name = "x", .handle = q}, -EINVAL);
	ck_refused(method, (ipk_inherit){.noun = NULL, .name = "x", .handle = q}, -EINVAL);
	ck_refused(method, (ipk_inherit)IPK_INHERIT(queue, "a b", q), -EINVAL);
	ck_refused(method, (ipk_inherit)IPK_INHERIT(queue, NULL, q), -EINVAL);
	ck_refused(method, (ipk_inherit)IPK_INHERIT(queue, "x", NULL), -EBADF);
	ck_refused(method, (ipk_inherit)IPK_INHERIT_FD("x", 999), -EBADF);
	ck_refused(method, (ipk_inherit)IPK_INHERIT_FD("x", -1), -EBADF);
	ck_err(try_role(method, "nothing", "x", IPK_PROCESS(.n_inherit = 1), &p), -EINVAL);
	ck_err(try_role(
		       method, "nothing", "x",
		       GIVEN(((ipk_inherit[]){IPK_INHERIT(queue, "q", q), IPK_INHERIT_FD("q", 1)})),
		       &p),
	       -EINVAL);
	ck_ok(ipk_queue_unlink(name));
	if (method == IPK_START_FORK)
		ck_role(method, "queue", "x",
			GIVEN(((ipk_inherit[]){IPK_INHERIT(queue, "x", named)})));
	else
		ck_refused(method, (ipk_inherit)IPK_INHERIT(queue, "x", named), -ESTALE);
	ipk_queue_close(q);
	ipk_queue_close(named);
	end_method(method);
}
END_TEST

/* --- variables that are not ours -------------------------------------------------------------- */

static void ck_stranger(const char *value, const char *arg)
{
	pid_t pid = fork();

	if (pid == 0) {
		setenv("IPK_SPAWN_INFO", value, 1);
		execl("/proc/self/exe", "test", "stranger", arg, (char *)NULL);
		_exit(127);
	}
	reap_ok(pid);
}

START_TEST(strangers_variables)
{
	static const char *const values[] = {
		"",
		"x",
		"1",
		"1,2,3",
		"2,1,4294967297,0,0,1,0,0,",
		"2,1,4294967297,0,1,1,0,0,name",
		"2,-1,0,0,99999,1,0,0,x",
		"2,1,4294967297,0,-7,1,0,0,",
		"2,1,4294967297,0,2147483647,1,0,0,x",
		"1,1,4294967297,0,3,x",
		"2,1,4294967297,99999999999,3,1,0,0,x/../x",
	};
	char text[100];
	int pair[2];

	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
		ck_stranger(values[i], "");
	memset(text, 'n', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	ck_stranger(text, "");
	/* Somebody's socket, which has something in it. */
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	ck_assert_int_eq(send(pair[0], "s", 1, 0), 1);
	snprintf(text, sizeof text, "2,1,4294967297,0,%d,1,0,0,name", pair[1]);
	{
		char arg[16];

		snprintf(arg, sizeof arg, "%d", pair[1]);
		ck_stranger(text, arg);
	}
	close(pair[0]);
	close(pair[1]);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("process_inherited");

	add_loop_test(s, queues, 0, N_METHODS);
	add_loop_test(s, locks_and_the_like, 0, N_METHODS);
	add_loop_test(s, the_others, 0, N_METHODS);
	add_loop_test(s, memory, 0, N_METHODS);
	add_loop_test(s, what_has_a_name_is_opened_by_it, 0, N_METHODS);
	add_test(s, a_name_that_goes_takes_nothing_else_along);
	add_loop_test(s, single_fds, 0, N_METHODS);
	add_loop_test(s, pipes_go_over, 0, N_METHODS);
	add_loop_test(s, a_child_that_dies_takes_its_end_along, 0, N_METHODS);
	add_test(s, a_pipe_stays_when_the_start_fails);
	add_loop_test(s, nothing_is_found, 0, N_METHODS);
	add_loop_test(s, handles_are_given_on, 0, N_METHODS);
	add_loop_test(s, as_many_as_may_be, 0, N_METHODS);
	add_loop_test(s, what_cannot_be_given, 0, N_METHODS);
	add_test(s, strangers_variables);
	return s;
}

ROLE_MAIN(suite)
