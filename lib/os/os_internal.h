/* os_internal.h - declarations shared by lib/os. */
#ifndef IPK_OS_INTERNAL_H
#define IPK_OS_INTERNAL_H

#include <dirent.h>
#include <stdio.h>

#include "os/os.h"

/* NULL: see errno. */
DIR *ipk__os_opendir(int dir_fd, const char *path);
FILE *ipk__os_fopen(const char *path); /* to read */

/* An exited child, by P_PIDFD or P_ALL of waitid(): -EAGAIN none, -ECHILD. */
struct ipk_process_status;
int ipk__os_reap(int by, int id, pid_t *ret_pid, struct ipk_process_status *ret_status);

/* For a null stdin: may be 0, 1 or 2, and is kept by an exec. */
int ipk__os_open_nowhere(void);

/* Whether a socket's @option is @wanted: 0; -EPROTO it is not, or not a socket; -ENOSYS. */
int ipk__os_check_option(int fd, int option, int wanted);

/* listen(), after checking that the kernel allows accept and peer credentials. */
int ipk__os_start_listening(int fd, int backlog);
/* The same at @path, with access for this user only from the start, whatever the umask. */
int ipk__os_listen_at(int fd, const char *path, int backlog);
/*
 * Sets the mode of @path to @mode, if it is of type @type and this user's; never through a symlink.
 */
int ipk__os_set_mode(const char *path, unsigned type, unsigned mode);

#endif
