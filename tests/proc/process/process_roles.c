/* process_roles.c - roles, and starting children that run them by every method. */
#include "process_roles.h"

#include <stdio.h>
#include <string.h>

#include "support/support.h"

const int methods[N_METHODS] = {IPK_START_FORK, IPK_START_ZYGOTE, IPK_START_EXEC};

struct told {
	char role[64];
	char arg[256];
};

bool is_role(int argc, char **argv)
{
	(void)argv;
	return argc == 3;
}

int play_role(const char *role, const char *arg)
{
	for (const struct role *r = roles; r->name; r++) {
		if (strcmp(r->name, role) == 0)
			return r->fn(arg);
	}
	return 254;
}

static int play_told(void *arg)
{
	const struct told *told = arg;

	return play_role(told->role, told->arg);
}

int role_failed(const char *file, int line, const char *fact)
{
	fprintf(stderr, "%s:%d: in a child: not so: %s\n", file, line, fact);
	return 253;
}

void begin_method(int method)
{
	if (method == IPK_START_ZYGOTE)
		ck_ok(ipk_zygote_start(NULL));
}

void end_method(int method)
{
	if (method == IPK_START_ZYGOTE)
		ipk_zygote_stop();
}

int try_role(int method, const char *role, const char *arg, const ipk_process_opts *opts,
	     ipk_process **ret_proc)
{
	ipk_process_opts o = opts ? *opts : *IPK_PROCESS();
	struct told told = {0};
	char *argv[] = {"test", (char *)role, (char *)(arg ? arg : ""), NULL};

	o.start_method = method;
	if (method == IPK_START_EXEC) {
		o.argv = argv;
		return ipk_process_start(NULL, NULL, &o, ret_proc);
	}
	snprintf(told.role, sizeof told.role, "%s", role);
	snprintf(told.arg, sizeof told.arg, "%s", arg ? arg : "");
	o.arg_bytes = sizeof told;
	return ipk_process_start(play_told, &told, &o, ret_proc);
}

ipk_process *start_role(int method, const char *role, const char *arg, const ipk_process_opts *opts)
{
	ipk_process *p = NULL;

	ck_ok(try_role(method, role, arg, opts, &p));
	ck_assert_ptr_nonnull(p);
	return p;
}

ipk_process_status join_role(ipk_process *p)
{
	ipk_process_status status = {.exit_code = -2};

	ck_ok(ipk_process_join(p, ipk_in_ms(WAIT_MS), &status));
	ipk_process_close(p);
	return status;
}

void ck_role(int method, const char *role, const char *arg, const ipk_process_opts *opts)
{
	ipk_process_status status = join_role(start_role(method, role, arg, opts));

	ck_assert_msg(status.exit_code == 0, "%s by method %d: exit code %d, signal %d", role,
		      method, status.exit_code, status.signal);
}
