/*
 * spawn.c - other programs as children, and their environment.
 *
 * posix_spawn() shares the caller's memory until the exec, so its cost does not depend on the size
 * of that memory, and it reports here why a program could not be run. It cannot request a signal at
 * the parent's death: a child that wants one is forked, and a pipe that the exec closes reports why
 * that failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/refused.h"
#include "os/os.h"
#include "os/uncancelled.h"

static const char null_path[] = "/dev/null";

static bool is_from_nowhere(const struct ipk__os_spawn *s)
{
	return s->stdio_fds[0] < 0 && s->stdin_from_nowhere;
}

/* What posix_spawn() does between fork and exec. */
static int plan_actions(const struct ipk__os_spawn *s, posix_spawn_file_actions_t *actions)
{
	int r = 0;

	for (int i = 0; r == 0 && i < 3; i++) {
		if (s->stdio_fds[i] >= 0)
			r = posix_spawn_file_actions_adddup2(actions, s->stdio_fds[i], i);
	}
	if (r == 0 && is_from_nowhere(s))
		r = posix_spawn_file_actions_addopen(actions, 0, null_path, O_RDONLY, 0);
	/* Onto itself: it is kept then. */
	if (r == 0 && s->kept_fd >= 0)
		r = posix_spawn_file_actions_adddup2(actions, s->kept_fd, s->kept_fd);
	return -r;
}

static int spawn_quick(const struct ipk__os_spawn *s, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	int r = -posix_spawn_file_actions_init(&actions);

	if (r < 0)
		return r;
	r = plan_actions(s, &actions);
	if (r == 0)
		r = -posix_spawnp(ret_pid, s->program, &actions, NULL, s->argv, s->env);
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

static int set_up(const struct ipk__os_spawn *s, pid_t parent)
{
	int r = s->dies_with_parent ? ipk__os_die_with_parent(parent, s->lifeline_fd) : 0;

	for (int i = 0; r == 0 && i < 3; i++) {
		if (s->stdio_fds[i] >= 0)
			r = ipk__os_put_fd(s->stdio_fds[i], i);
	}
	if (r == 0 && is_from_nowhere(s))
		r = ipk__os_stdin_from_nowhere();
	if (r == 0 && s->kept_fd >= 0)
		r = ipk__os_put_fd(s->kept_fd, s->kept_fd);
	if (r == 0 && s->lifeline_fd >= 0)
		r = ipk__os_put_fd(s->lifeline_fd, s->lifeline_fd);
	return r;
}

/* What the child says of it. */
struct failure {
	int error;
	unsigned refused; /* the call, where that is why */
};

static _Noreturn void become(const struct ipk__os_spawn *s, pid_t parent, int error_fd)
{
	struct failure f = {.error = set_up(s, parent)};

	if (f.error == 0) {
		execvpe(s->program, s->argv, s->env);
		f.error = -errno;
	}
	f.refused = ipk__refused_last();
	while (write(error_fd, &f, sizeof f) < 0 && errno == EINTR)
		;
	_exit(127);
}

/* Reads until the exec, or the child's end, closes the other side. */
static int read_error(int fd)
{
	struct failure f;
	ssize_t n;

	do {
		n = read(fd, &f, sizeof f);
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof f)
		return 0;
	return f.error == -ENOSYS ? ipk__refused(f.refused) : f.error;
}

static int error_pipe(int fds[2])
{
	return pipe2(fds, O_CLOEXEC) < 0 ? ipk__call_error(IPK__CALL_PIPE)
					 : ipk__os_take_fds(fds, 2);
}

static int spawn_by_fork(const struct ipk__os_spawn *s, pid_t *ret_pid)
{
	pid_t parent = ipk__os_pid();
	pid_t pid;
	int fds[2];
	int r = error_pipe(fds);

	if (r < 0)
		return r;
	pid = fork();
	if (pid == 0)
		become(s, parent, fds[1]);
	r = pid < 0 ? ipk__call_error(IPK__CALL_CLONE) : 0;
	close(fds[1]);
	if (r == 0)
		r = read_error(fds[0]);
	close(fds[0]);
	if (r < 0) {
		if (pid > 0)
			ipk__os_unfork(pid);
		return r;
	}
	*ret_pid = pid;
	return 0;
}

int ipk__os_spawn(const struct ipk__os_spawn *spawn, pid_t *ret_pid)
{
	IPK__UNCANCELLED();
	int r = -EPERM;

	ipk__os_flush_stdio(ipk__os_n_threads() == 1);
	/* It opens /dev/null by name, where there may be none: its error would be the program's. */
	if (!spawn->dies_with_parent && !(is_from_nowhere(spawn) && access(null_path, R_OK) < 0))
		r = spawn_quick(spawn, ret_pid);
	/* A filter may know fork's call and not that of posix_spawn() (clone3, vfork). */
	return r == -EPERM || r == -ENOSYS ? spawn_by_fork(spawn, ret_pid) : r;
}

char **ipk__os_environment(void)
{
	return environ;
}

bool ipk__os_take_environment(const char *name, char *buf, size_t buf_bytes)
{
	const char *value = secure_getenv(name);
	bool fits = value && strlen(value) < buf_bytes;

	if (fits)
		memcpy(buf, value, strlen(value) + 1);
	/* Where there are threads already, the library was loaded late, one may be reading there.
	 */
	if (value && ipk__os_n_threads() == 1)
		unsetenv(name);
	return fits;
}

int ipk__os_at_exit(void (*fn)(void))
{
	return atexit(fn) != 0 ? -ENOMEM : 0;
}
