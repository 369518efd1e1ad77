/*
 * parent.c - the identity of a process: its name, and the process that started it.
 *
 * Invariant: the parent is identified by a pidfd that was verified to be the parent's, so a process
 * that got its pid later is not taken for it; if it exited before a pidfd could be made, an fd that
 * is always readable stands in. Another program finds its parent, like its handles, by an
 * environment variable; it is removed before main(), while there is one thread, so that no
 * grandchild takes it for its own.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "os/os.h"
#include "process/process_internal.h"
#include "shared/owner.h"

#define SPAWN_INFO_FORMAT "2,%d,%" PRIu64 ",%u,%d,%u,%" PRIu64 ",%" PRIu64 ",%s"
#define DEPTH_MAX 2 /* one process that starts itself, and its child that does so, too */

IPK__AT_FORK_DATA static struct ipk__child self = {
	.parent_fd = -1, .inherit_fd = -1, .lifeline_fd = -1};
static char own_name[IPK__NAME_MAX + 1]; /* of another program; and "ipk-PID" */
static unsigned depth;                   /* programs above that are this one, and did not look */

/* A fork has another pid, so the word tells whether it is still right. */
uint64_t ipk__self_owner(void)
{
	static _Atomic uint64_t known;
	uint64_t owner = atomic_load_explicit(&known, memory_order_relaxed);

	if (ipk__owner_id(owner) != (uint32_t)ipk__os_pid()) {
		owner = ipk__owner_of(ipk__os_pid());
		atomic_store_explicit(&known, owner, memory_order_relaxed);
	}
	return owner;
}

void ipk__spawn_info_format(const ipk_process_opts *opts, int inherit_fd,
			    char buf[IPK__SPAWN_INFO_BYTES])
{
	unsigned next = ipk__self_has_looked() ? 1 : depth + 1;
	struct ipk__os_stat program;

	ipk__os_program(&program);
	snprintf(buf, IPK__SPAWN_INFO_BYTES, IPK__SPAWN_INFO_VARIABLE "=" SPAWN_INFO_FORMAT,
		 (int)ipk__os_pid(), ipk__self_owner(), opts->flags, inherit_fd, next,
		 program.device, program.inode, opts->name ? opts->name : "");
}

/* A stranger's value is no harm: a pid is checked before it is used, and so is the fd. */
__attribute__((constructor)) static void look_at_environment(void)
{
	char text[IPK__SPAWN_INFO_BYTES], name[IPK__NAME_MAX + 2] = "";
	struct ipk__os_stat program;
	uint64_t owner, device, inode;
	unsigned flags, next;
	int pid, inherit_fd;

	if (!ipk__os_take_environment(IPK__SPAWN_INFO_VARIABLE, text, sizeof text) ||
	    sscanf(text, "2,%d,%" SCNu64 ",%u,%d,%u,%" SCNu64 ",%" SCNu64 ",%201s", &pid, &owner,
		   &flags, &inherit_fd, &next, &device, &inode, name) < 7 ||
	    pid <= 0 || ipk__owner_id(owner) != (uint32_t)pid)
		return;
	self.parent_pid = pid;
	self.parent_owner = owner;
	self.flags = flags;
	ipk__os_program(&program);
	if (inode != 0 && program.inode == inode && program.device == device)
		depth = next;
	if (ipk__name_check(name) == 0) {
		memcpy(own_name, name, strlen(name) + 1);
		self.name = own_name;
	}
	ipk__inherit_set(NULL, 0, inherit_fd);
}

IPK__AT_FORK_CODE void ipk__self_set(const struct ipk__child *child)
{
	/* The parent's own parent, and handles that it has not looked up yet. */
	ipk__os_close(self.parent_fd);
	self = *child;
	ipk__inherit_set(child->inherit, child->n_inherit, -1);
}

int ipk__self_may_execute(void)
{
	if (depth < DEPTH_MAX || ipk__self_has_looked())
		return 0;
	return ipk__detail(-EDEADLK,
			   "this program starts itself without end: main() has to look whether it "
			   "is the child (ipk_inherited(), ipk_parent_pid())");
}

bool ipk__self_is_daemon(void)
{
	return self.flags & IPK_PROCESS_DAEMON;
}

const char *ipk__self_name(void)
{
	if (self.parent_pid == 0)
		return "main";
	if (!self.name) {
		snprintf(own_name, sizeof own_name, "ipk-%d", (int)ipk__os_pid());
		self.name = own_name;
	}
	return self.name;
}

const char *ipk_process_current_name(void)
{
	const char *name;

	ipk__self_looks();
	ipk__child_table_lock();
	name = ipk__self_name();
	ipk__child_table_unlock();
	return name;
}

/* --- the parent ------------------------------------------------------------------------------- */

static bool is_parent_still(void)
{
	return self.parent_owner == 0 ? ipk__os_is_parent(self.parent_pid)
				      : !ipk__owner_is_dead(self.parent_owner, true);
}

static int open_parent(int *ret_fd)
{
	int r = ipk__os_pidfd_open(self.parent_pid, ret_fd);

	/* Only now: it may have been a stranger's by then. */
	if (r == 0 && !is_parent_still()) {
		ipk__os_close(*ret_fd);
		r = -ESRCH;
	}
	if (r != -ESRCH)
		return r;
	r = ipk__os_doorbell_open(ret_fd);
	if (r == 0)
		ipk__os_doorbell(*ret_fd);
	return r;
}

pid_t ipk_parent_pid(void)
{
	ipk__self_looks();
	return self.parent_pid;
}

int ipk_parent_fd(int *ret_fd)
{
	int r = 0;

	ipk__self_looks();
	if (!ret_fd)
		return ipk__invalid("ret_fd is NULL");
	if (self.parent_pid == 0)
		return -ESRCH;
	ipk__child_table_lock();
	if (self.parent_fd < 0)
		r = open_parent(&self.parent_fd);
	if (r == 0)
		*ret_fd = self.parent_fd;
	ipk__child_table_unlock();
	return r;
}

int ipk_parent_join(ipk_deadline deadline)
{
	int fd = -1;
	int r = ipk_parent_fd(&fd);

	return r < 0 ? r : ipk__os_poll1(fd, IPK__OS_IN, deadline, NULL);
}

bool ipk_parent_is_alive(void)
{
	int fd = -1;
	int r = ipk_parent_fd(&fd);

	/* Without an fd to spare its pid must do. */
	if (r < 0)
		return r != -ESRCH && is_parent_still();
	return ipk__os_poll1(fd, IPK__OS_IN, ipk_now(), NULL) != 0;
}
