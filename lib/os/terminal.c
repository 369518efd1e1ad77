/* terminal.c - lines on a terminal: writing them, and the terminal's width. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <sys/ioctl.h>
#include <time.h>
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
	/* A serial line, and a pseudo-terminal whose size was never set, do not know. */
	if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return COLUMNS_USUAL;
	return size.ws_col;
}

/*
 * A reader that has gone or a full file (RLIMIT_FSIZE) is no reason to end the host: the
 * signals that say so are kept from it, unless they were pending already.
 */
void ipk__os_print(void *file, const char *text)
{
	IPK__UNCANCELLED();
	static const struct timespec no_time;
	sigset_t mine, before, pending;

	sigemptyset(&mine);
	sigaddset(&mine, SIGPIPE);
	sigaddset(&mine, SIGXFSZ);
	pthread_sigmask(SIG_BLOCK, &mine, &before);
	sigpending(&pending);
	if (fputs(text, file) < 0 || fflush(file) != 0)
		__fpurge(file); /* or the host's next flush would send it once more */
	if (sigismember(&pending, SIGPIPE) == 1)
		sigdelset(&mine, SIGPIPE);
	if (sigismember(&pending, SIGXFSZ) == 1)
		sigdelset(&mine, SIGXFSZ);
	while (sigtimedwait(&mine, NULL, &no_time) > 0)
		;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}
