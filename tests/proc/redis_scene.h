/*
 * redis_scene.h - real Redis servers for a whole test program: one alone, and a cluster of three.
 *
 * Started before the first test and ended after the last, by their pids; they end with the
 * program however it ends. All write their log before each reply, so a kill loses nothing.
 * All listen on loopback, on ports that were free.
 */
#ifndef IPK_TESTS_REDIS_SCENE_H
#define IPK_TESTS_REDIS_SCENE_H

#include <stdbool.h>
#include <sys/types.h>

enum { REDIS_NODES = 3 };

struct redis_server {
	pid_t pid;
	int port;
	int bus_port;
	bool is_clustered;
	char dir[96]; /* its own, in that of the scene */
};

struct redis_scene {
	char dir[64];
	struct redis_server
		alone; /* appendonly: written before each reply, so a kill loses nothing */
	struct redis_server nodes[REDIS_NODES];
	char addresses[2][160]; /* of the one alone, of the cluster */
};

void redis_scene_start(struct redis_scene *s); /* the cluster is ready, all of its nodes know it */
void redis_scene_end(struct redis_scene *s);
void redis_scene_launch(struct redis_server *server); /* again, with what it had on disk */
/* One request to one server, words between blanks; its reply as text in a static buffer. */
const char *redis_scene_ask(const struct redis_server *server, const char *words);
int redis_scene_free_port(void);

#endif
