/* zygote_fixture.h - shared by the tests of zygotes. */
#ifndef IPK_TESTS_ZYGOTE_FIXTURE_H
#define IPK_TESTS_ZYGOTE_FIXTURE_H

#include "process/zygote.h"

struct ipk__zygote *open_zygote(void);
struct ipk__zygote_child spawn_child(struct ipk__zygote *z,
				     const struct ipk__spawn_request *request);
ipk_process_status end_of(struct ipk__zygote_child *child);                     /* closes it */
int run_spawn(struct ipk__zygote *z, const struct ipk__spawn_request *request); /* the exit code */
bool is_over(const struct ipk__zygote_child *child);                            /* now */
void wait_over(const struct ipk__zygote_child *child);
pid_t zygote_pid(struct ipk__zygote *z);
pid_t standby_pid(struct ipk__zygote *z);
int open_pidfd(pid_t pid);
/* Kills it and waits until the kernel says that it has ended. */
void kill_by_pid(pid_t pid);
int count_fds_of(pid_t pid);
/* Until it has no more than @n: a zygote tells the end of a child first and closes its channel
 * then, so what was counted meanwhile may be one too many. */
bool wait_fds_of(pid_t pid, int n);
void reap_orphans(void); /* all children of this process; they have ended, or will */

#endif
