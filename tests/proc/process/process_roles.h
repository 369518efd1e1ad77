/*
 * process_roles.h - the same test body for every start method.
 *
 * A role is a function that a child runs: directly after a fork or by a zygote, and by its name
 * when this program is executed anew.
 */
#ifndef IPK_TESTS_PROCESS_ROLES_H
#define IPK_TESTS_PROCESS_ROLES_H

#include "ipk/process.h"

enum { N_METHODS = 3 };
extern const int methods[N_METHODS]; /* _i of a loop test to IPK_START_* */

struct role {
	const char *name;
	int (*fn)(const char *arg); /* its exit code */
};
extern const struct role roles[]; /* the program's; ends with {0} */

/* With a zygote for the method that needs one; the program's own main() is role_main(). */
void begin_method(int method);
void end_method(int method);
/* @opts may be NULL; its method, and how the role is told, are filled in. */
int try_role(int method, const char *role, const char *arg, const ipk_process_opts *opts,
	     ipk_process **ret_proc);
ipk_process *start_role(int method, const char *role, const char *arg,
			const ipk_process_opts *opts);
ipk_process_status join_role(ipk_process *p); /* and closes it */
void ck_role(int method, const char *role, const char *arg, const ipk_process_opts *opts);

/* Plays a role when that is what the program was run for, otherwise runs the suite. */
#define ROLE_MAIN(make_suite)                                            \
	int main(int argc, char **argv)                                  \
	{                                                                \
		return is_role(argc, argv) ? play_role(argv[1], argv[2]) \
					   : support_run(make_suite());  \
	}
bool is_role(int argc, char **argv);
int play_role(const char *role, const char *arg);

/* The test's own failure, told by an exit code: the line. */
#define role_check(fact)                                               \
	do {                                                           \
		if (!(fact))                                           \
			return role_failed(__FILE__, __LINE__, #fact); \
	} while (0)
int role_failed(const char *file, int line, const char *fact);

#endif
