/* terminal.c - lines for people: writing them, and how wide the terminal is if there is one. */
#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "os/os.h"
#include "os/uncancelled.h"

#define COLUMNS_USUAL 80

int ipk__os_terminal_columns(void *file)
{
	struct winsize size;
	int fd = fileno(file);

	if (!isatty(fd))
		return -ENOTTY;
	/* A serial line, and a pseudo-terminal that nobody told, do not know. */
	if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return COLUMNS_USUAL;
	return size.ws_col;
}

void ipk__os_print(void *file, const char *text)
{
	IPK__UNCANCELLED();
	fputs(text, file);
	fflush(file);
}
