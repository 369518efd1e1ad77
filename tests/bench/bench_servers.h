/*
 * bench_servers.h - servers that rows use: a real redis-server and our own manager, each started
 * when first needed and ended with this program.
 */
#ifndef BENCH_SERVERS_H
#define BENCH_SERVERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bench_server {
	const char *name;
	bool has_log;      /* append-only file, fsync every second */
	pid_t pid;         /* 0: not started yet */
	char address[160]; /* of the Unix socket, without "unix:" */
};

enum { BENCH_KEYS = 100000, BENCH_KEY_BYTES = 16, BENCH_VALUE_BYTES = 64 };

struct bench_server *bench_redis(bool has_log);
struct bench_server *bench_manager(bool has_log);
/* 0, -ENOSYS when it is not on this machine, or -errno. */
int bench_server_start(struct bench_server *server);
int64_t bench_server_cpu_ns(const struct bench_server *server); /* used so far */

/* A plain client: one request, one reply. */
int bench_resp_connect(const char *path, int *ret_fd);
int bench_resp_call(int fd, const char *request, size_t n_bytes, char *reply, size_t reply_bytes,
		    size_t *ret_bytes);
/* "*3\r\n$3\r\nGET\r\n..." of @argc C strings. */
size_t bench_resp_request(char *buf, size_t buf_bytes, size_t argc, const char *const argv[]);

/* Key number @i of BENCH_KEYS, BENCH_KEY_BYTES characters; in some ns, printf takes longer. */
const char *bench_key(uint64_t i, char key[BENCH_KEY_BYTES + 1]);
/* Its value. */
void bench_value(uint64_t i, char value[BENCH_VALUE_BYTES + 1]);
/* The next of a pseudo-random series. */
uint64_t bench_random(uint64_t *state);

#endif
