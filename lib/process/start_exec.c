/*
 * start_exec.c - children that are another program, or this one anew.
 *
 * They find their handles and their parent by an environment variable. A program that does
 * not know of it is not bothered by it, and one that it starts in turn finds the handles if
 * it was given the fd.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "process/process_internal.h"

static bool is_born_variable(const char *entry)
{
	const size_t n = sizeof IPK__BORN_VARIABLE - 1;

	return strncmp(entry, IPK__BORN_VARIABLE, n) == 0 && entry[n] == '=';
}

/* @env with @born in front, and without an older one. */
static int make_env(char *const *env, char *born, char ***ret_env)
{
	size_t n = 0, k = 0;
	char **copy;

	while (env && env[n])
		n++;
	copy = ipk__os_malloc((n + 2) * sizeof *copy);
	if (!copy)
		return -ENOMEM;
	copy[k++] = born;
	for (size_t i = 0; i < n; i++) {
		if (!is_born_variable(env[i]))
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

static int spawn(const ipk_process_opts *o, char *const *env, int channel_fd, int leash_fd,
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
		.leash_fd = leash_fd,
		.kept_fd = channel_fd,
	};

	return ipk__os_spawn(&plan, ret_pid);
}

int ipk__start_by_exec(ipk_process *p, const ipk_process_opts *o)
{
	char born[IPK__BORN_BYTES];
	char **env;
	int channel_fd = -1, leash_fd = -1;
	int r = dies_with_parent(o) ? ipk__family_leash(&p->leash, &leash_fd) : 0;

	if (r == 0)
		r = ipk__inherit_pack(o->inherit, o->n_inherit, &channel_fd);
	if (r < 0) {
		ipk__os_close(leash_fd);
		return r;
	}
	ipk__born_format(o, channel_fd, born);
	r = make_env(o->env ? o->env : ipk__os_environment(), born, &env);
	if (r == 0) {
		r = spawn(o, env, channel_fd, leash_fd, &p->pid);
		free(env);
	}
	ipk__os_close(channel_fd);
	ipk__os_close(leash_fd);
	return r;
}
