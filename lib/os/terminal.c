/* terminal.c - how wide the terminal is that a file leads to, if it does. */
#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "os/os.h"

#define COLUMNS_USUAL 80

int ipk__os_terminal_columns(int fd)
{
	struct winsize size;

	if (!isatty(fd))
		return -ENOTTY;
	/* A serial line, and a pseudo-terminal that nobody told, do not know. */
	if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return COLUMNS_USUAL;
	return size.ws_col;
}
