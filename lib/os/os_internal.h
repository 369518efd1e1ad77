/* os_internal.h - what files of lib/os share: streams whose fds came through the door. */
#ifndef IPK_OS_INTERNAL_H
#define IPK_OS_INTERNAL_H

#include <dirent.h>
#include <stdio.h>

#include "os/os.h"

/* NULL: errno tells why. */
DIR *ipk__os_opendir(int dir_fd, const char *path);
FILE *ipk__os_fopen(const char *path); /* to read */

/* A child that has ended, by P_PIDFD or P_ALL of waitid(): -EAGAIN none, -ECHILD. */
struct ipk_process_status;
int ipk__os_reap(int by, int id, pid_t *ret_pid, struct ipk_process_status *ret_status);

/* For stdin, where nothing is to be read: perhaps 0, 1 or 2, and kept by an exec. */
int ipk__os_open_nowhere(void);

/* Whether a socket's @option is @wanted: 0; -EPROTO it is not, or no socket; -ENOSYS. */
int ipk__os_check_option(int fd, int option, int wanted);

/* listen(), once it is sure that the kernel lets us accept who calls, and ask who it is. */
int ipk__os_start_listening(int fd, int backlog);
/* The same at @path, with access for this user alone from the first moment, whatever the umask. */
int ipk__os_listen_at(int fd, const char *path, int backlog);
/* The file @path gets @mode, if it is of type @type and this user's; never through a link. */
int ipk__os_set_mode(const char *path, unsigned type, unsigned mode);

#endif
