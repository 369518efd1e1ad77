/*
 * manager_fixture.h - a manager in a process of its own, and connections that ask it.
 *
 *   ask(&c, "IPK.ACQUIRE lock me -1", "1");   the words between blanks; the reply as text
 *   begin(&c, "IPK.ACQUIRE lock me -1");      the same without waiting for the reply
 *   waits(&s, 1);                             until one request waits in the server
 *   want(&c, "1");                            the next reply, or push
 *
 * Replies as text: integers and strings as they are, "nil", "-NOKEY" (an error's first word),
 * "[a b]", a push ">[ipk.done 1 0]".
 */
#ifndef IPK_TESTS_MANAGER_FIXTURE_H
#define IPK_TESTS_MANAGER_FIXTURE_H

#include <stdbool.h>
#include <sys/types.h>

#include "net/buffer.h"

struct fixture {
	char folder[64];
	bool has_log;
	pid_t pid;
	int stop_fds[2];
};

struct client {
	int fd;
	struct ipk__buffer in;
};

void fixture_begin(struct fixture *s, bool with_log);
void fixture_end(struct fixture *s);
void fixture_restart(struct fixture *s); /* SIGKILL, and again from the log */

void client_open(struct fixture *s, struct client *c);
void client_close(struct client *c); /* whatever it holds or waits for */

void begin(struct client *c, const char *words);
void want(struct client *c, const char *reply);
void want_any(struct client *c);                   /* whatever it is */
bool want_is(struct client *c, const char *reply); /* the next reply is that */
bool want_has(struct client *c, const char *part); /* it has that in it */
void ask(struct client *c, const char *words, const char *reply);
/* The server has been through all that came before, and had no reply for @c. */
void silent(struct fixture *s, struct client *c);
void waits(struct fixture *s, unsigned n); /* exactly @n requests wait */

#endif
