/*
 * redis_pair.h - a real redis-server and our server side by side, with the same requests.
 *
 * Requests are collected and sent to both at once; the replies are returned as raw bytes. Both
 * servers listen in a directory of their own and are terminated with the test.
 */
#ifndef IPK_TESTS_REDIS_PAIR_H
#define IPK_TESTS_REDIS_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/slice.h"
#include "net/buffer.h"

enum { REDIS = 0, OURS = 1, SIDES = 2 };
enum { PAIR_LINES = 8, PAIR_REPLIES = 2048 };

/* One connection to each side. */
struct line {
	struct side {
		int fd;
		struct ipk__buffer in;
		size_t n_replies;              /* whole ones in front of in */
		size_t ends[PAIR_REPLIES + 1]; /* where each ends */
	} side[SIDES];
	struct ipk__buffer out;
	size_t n_asked;
};

struct pair {
	char dir[64];
	char log_path[96]; /* of our server; empty: none */
	pid_t pid[SIDES];
	struct line line[PAIR_LINES]; /* opened when they are first used */
};

void pair_start(struct pair *p, bool with_log);
void pair_stop(struct pair *p);
/* In the runner, when all is over: directories that failed tests left. Gives @code back. */
int pair_sweep(int code);
#define PAIR_TEST_MAIN(make_suite)                            \
	int main(void)                                        \
	{                                                     \
		return pair_sweep(support_run(make_suite())); \
	}
void ours_start(struct pair *p); /* again */
/* In place of redis: a second one of ours, that has loaded the log and has room for it. */
void ours_loads(struct pair *p);
/* In place of ours: a redis-server that has loaded the log of ours. */
void redis_loads(struct pair *p);
void ours_stop(struct pair *p); /* SIGTERM, and its end awaited: the log is whole */
/* What side is at @path, from now on. */
void pair_connect(struct pair *p, int line, int side, const char *name);

void pair_drop(struct pair *p, int line); /* closed, to be opened again when it is used */

/* Add a request to what is to be asked on @line. */
void pair_ask(struct pair *p, int line, const struct ipk__slice *argv, size_t argc);
void pair_askf(struct pair *p, int line, const char *words); /* words between blanks */
/* Send what was gathered, without waiting for replies. */
void pair_send(struct pair *p, int line);
/* The same, and wait until each side has replied to all of it. */
void pair_await(struct pair *p, int line);
/* Take what has come, until @n replies of @side are there or @ms have passed. */
bool pair_receive(struct pair *p, int line, int side, size_t n, int ms);
struct ipk__slice pair_reply(struct pair *p, int line, int side, size_t i);
void pair_forget(struct pair *p, int line); /* the replies so far */

/* How long the value is that @bytes begins with; 0: more is needed. */
size_t reply_length(struct ipk__slice bytes);
/* Bytes as text that can be read; the long ones shortened. Static buffers in turn. */
const char *shown(struct ipk__slice bytes);

#endif
