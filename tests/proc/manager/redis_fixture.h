/*
 * redis_fixture.h - real Redis servers for a whole test program: a single one, and a cluster of
 * three.
 *
 * Started before the first test and terminated after the last, by their pids; they exit with the
 * program however it ends. All write their log before each reply, so a kill loses nothing. All
 * listen on loopback, on free ports.
 */
#ifndef IPK_TESTS_REDIS_FIXTURE_H
#define IPK_TESTS_REDIS_FIXTURE_H

#include <stdbool.h>
#include <sys/types.h>

enum { REDIS_NODES = 3 };

struct redis_server {
	pid_t pid;
	int port;
	int bus_port;
	bool is_clustered;
	char dir[96]; /* its own, in that of the fixture */
};

struct redis_fixture {
	char dir[64];
	/* appendonly: written before each reply, so a kill loses nothing */
	struct redis_server alone;
	struct redis_server nodes[REDIS_NODES];
	char addresses[2][160]; /* of the one alone, of the cluster */
};

/* the cluster is ready, all of its nodes know it */
void redis_fixture_start(struct redis_fixture *s);
void redis_fixture_end(struct redis_fixture *s);
void redis_fixture_launch(struct redis_server *server); /* again, with what it had on disk */
/* One request to one server, words between blanks; its reply as text in a static buffer. */
const char *redis_fixture_ask(const struct redis_server *server, const char *words);
int redis_fixture_free_port(void);

#endif
