/*
 * start_exec.c - children that run another program, or this one anew.
 *
 * They find their handles and their parent by an environment variable. A program that does not know
 * it ignores it, and a program that it starts in turn finds the handles if it was given the fd.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "process/process_internal.h"

static bool is_spawn_info(const char *entry)
{
	const size_t n = sizeof IPK__SPAWN_INFO_VARIABLE - 1;

	return strncmp(entry, IPK__SPAWN_INFO_VARIABLE, n) == 0 && entry[n] == '=';
}

/* @env with @spawned in front, and without an older one. */
static int make_env(char *const *env, char *spawned, char ***ret_env)
{
	size_t n = 0, k = 0;
	char **copy;

	while (env && env[n])
		n++;
	copy = ipk__os_malloc((n + 2) * sizeof *copy);
	if (!copy)
		return -ENOMEM;
	copy[k++] = spawned;
	for (size_t i = 0; i < n; i++) {
		if (!is_spawn_info(env[i]))
			copy[k++] = env[i];
	}
	copy[k] = NULL;
	*ret_env = copy;
	return 0;
}

static bool dies_with_parent(const ipk_process_opts *o)
{
	return (o->flags & (IPK_PROCESS_DIE_WITH_PARENT | IPK_PROCESS_DAEMON)) != 0;
}

static int spawn(const ipk_process_opts *o, char *const *env, int inherit_fd, int lifeline_fd,
		 pid_t *ret_pid)
{
	const char *program = o->program ? o->program : "/proc/self/exe";
	char *argv[] = {(char *)program, NULL};
	const struct ipk__os_spawn plan = {
		.program = program,
		.argv = o->argv ? o->argv : argv,
		.env = env,
		.stdio_fds = {ipk__fd_or_none(o->stdin_fd), ipk__fd_or_none(o->stdout_fd),
			      ipk__fd_or_none(o->stderr_fd)},
		.stdin_from_nowhere = !(o->flags & IPK_PROCESS_KEEP_STDIN),
		.dies_with_parent = dies_with_parent(o),
		.lifeline_fd = lifeline_fd,
		.kept_fd = inherit_fd,
	};

	return ipk__os_spawn(&plan, ret_pid);
}

int ipk__start_by_exec(ipk_process *p, const ipk_process_opts *o)
{
	char spawned[IPK__SPAWN_INFO_BYTES];
	char **env;
	int inherit_fd = -1, lifeline_fd = -1;
	int r = dies_with_parent(o) ? ipk__child_table_lifeline(&p->lifeline, &lifeline_fd) : 0;

	if (r == 0)
		r = ipk__inherit_pack(o->inherit, o->n_inherit, &inherit_fd);
	if (r < 0) {
		ipk__os_close(lifeline_fd);
		return r;
	}
	ipk__spawn_info_format(o, inherit_fd, spawned);
	r = make_env(o->env ? o->env : ipk__os_environment(), spawned, &env);
	if (r == 0) {
		r = spawn(o, env, inherit_fd, lifeline_fd, &p->pid);
		free(env);
	}
	ipk__os_close(inherit_fd);
	ipk__os_close(lifeline_fd);
	return r;
}
