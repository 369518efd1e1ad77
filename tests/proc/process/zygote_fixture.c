/* zygote_fixture.c - see zygote_fixture.h */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"
#include "zygote_fixture.h"
#include "support/support.h"

struct ipk__zygote *open_zygote(void)
{
	struct ipk__zygote *z = NULL;
	bool is_now = false;

	ck_ok(ipk__zygote_open(NULL, IPK_START_DEFAULT, &z, &is_now));
	ck_assert(is_now);
	return z;
}

struct ipk__zygote_child spawn_child(struct ipk__zygote *z,
				     const struct ipk__spawn_request *request)
{
	struct ipk__zygote_child child = {-1, -1, -1};

	ck_ok(ipk__zygote_spawn(z, request, ipk_in_ms(WAIT_MS), &child));
	ck_assert_int_gt(child.pid, 0);
	return child;
}

ipk_process_status end_of(struct ipk__zygote_child *child)
{
	ipk_process_status status = {.exit_code = -2};

	ck_ok(ipk__zygote_child_status(child, ipk_in_ms(WAIT_MS), &status));
	ipk__zygote_child_close(child);
	return status;
}

int run_spawn(struct ipk__zygote *z, const struct ipk__spawn_request *request)
{
	struct ipk__zygote_child child = spawn_child(z, request);

	return end_of(&child).exit_code;
}

bool is_over(const struct ipk__zygote_child *child)
{
	return ipk__os_poll1(child->pidfd, IPK__OS_IN, ipk_now(), NULL) == 0;
}

void wait_over(const struct ipk__zygote_child *child)
{
	ck_ok(ipk__os_poll1(child->pidfd, IPK__OS_IN, ipk_in_ms(WAIT_MS), NULL));
}

pid_t zygote_pid(struct ipk__zygote *z)
{
	pid_t pid, standby;

	ipk__zygote_pids(z, &pid, &standby);
	return pid;
}

pid_t standby_pid(struct ipk__zygote *z)
{
	pid_t pid, standby;

	ipk__zygote_pids(z, &pid, &standby);
	return standby;
}

int open_pidfd(pid_t pid)
{
	int fd = -1;

	ck_ok(ipk__os_pidfd_open(pid, &fd));
	return fd;
}

void kill_by_pid(pid_t pid)
{
	int fd = open_pidfd(pid);

	ck_ok(ipk__os_pidfd_signal(fd, SIGKILL));
	ck_ok(ipk__os_poll1(fd, IPK__OS_IN, ipk_in_ms(WAIT_MS), NULL));
	close(fd);
}

int count_fds_of(pid_t pid)
{
	char path[64];
	DIR *dir;
	int n = 0;

	snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

struct fd_count {
	pid_t pid;
	int n;
};

static bool has_no_more_fds(void *arg)
{
	const struct fd_count *count = arg;

	return count_fds_of(count->pid) <= count->n;
}

bool wait_fds_of(pid_t pid, int n)
{
	return wait_until(has_no_more_fds, &(struct fd_count){pid, n}, WAIT_MS);
}

void reap_orphans(void)
{
	while (waitpid(-1, NULL, 0) > 0)
		;
}
