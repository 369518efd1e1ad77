/*
 * redis_scene.h - real Redis servers for a whole test program: one alone, and a cluster of three.
 *
 * Started before the first test and ended after the last, by their pids; they end with the
 * program however it ends. All listen on loopback, on ports that were free.
 */
#ifndef IPK_TESTS_REDIS_SCENE_H
#define IPK_TESTS_REDIS_SCENE_H

#include <stdbool.h>
#include <sys/types.h>

enum { SCENE_NODES = 3 };

struct scene_server {
	pid_t pid;
	int port;
	int bus_port;
	bool is_clustered;
	char dir[96]; /* its own, in that of the scene */
};

struct scene {
	char dir[64];
	struct scene_server alone; /* appendonly, every write on disk */
	struct scene_server nodes[SCENE_NODES];
	char addresses[2][160]; /* of the one alone, of the cluster */
};

void scene_start(struct scene *s); /* the cluster is ready, all of its nodes know it */
void scene_end(struct scene *s);
void scene_launch(struct scene_server *server); /* again, with what it had on disk */
/* One request to one server, words between blanks; its reply as text in a static buffer. */
const char *scene_ask(const struct scene_server *server, const char *words);
int scene_free_port(void);

#endif
