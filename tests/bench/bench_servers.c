/*
 * bench_servers.c - starting the servers, and a minimal client.
 *
 * Both servers listen on a Unix socket in a directory of their own, write nothing to disk unless a
 * row says so, and die with this program.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ipk.h>
#include <ipk/manager_server.h>

#include "bench.h"
#include "bench_servers.h"

#define START_NS ((int64_t)10 * 1000000000)
#define REDIS "/usr/bin/redis-server"

static struct bench_server servers[4] = {
	{.name = "redis"},
	{.name = "redis-log", .has_log = true},
	{.name = "manager"},
	{.name = "manager-log", .has_log = true},
};
static char directory[64];

struct bench_server *bench_redis(bool has_log)
{
	return &servers[has_log];
}

struct bench_server *bench_manager(bool has_log)
{
	return &servers[2 + has_log];
}

static void end_all(void)
{
	char command[128];

	for (size_t i = 0; i < 4; i++)
		if (servers[i].pid > 0) {
			kill(servers[i].pid, SIGKILL);
			waitpid(servers[i].pid, NULL, 0);
		}
	snprintf(command, sizeof command, "rm -rf '%s'", directory);
	if (directory[0] && system(command) != 0)
		fprintf(stderr, "ipk-bench: %s is left behind\n", directory);
}

static int prepare(void)
{
	if (directory[0])
		return 0;
	strcpy(directory, "/tmp/ipk-bench-XXXXXX");
	if (!mkdtemp(directory)) {
		directory[0] = '\0';
		return -errno;
	}
	return atexit(end_all) == 0 ? 0 : -ENOMEM;
}

static int exec_redis(const struct bench_server *server)
{
	char config[512];

	snprintf(config, sizeof config, "%s.conf", server->address);
	FILE *f = fopen(config, "w");

	if (!f)
		return 1;
	fprintf(f,
		"port 0\nunixsocket %s\nsave \"\"\nloglevel warning\nlogfile /dev/null\n"
		"dir %s\nappendonly %s\nappendfsync everysec\nproto-max-bulk-len 512mb\n",
		server->address, directory, server->has_log ? "yes" : "no");
	fclose(f);
	execl(REDIS, REDIS, config, (char *)NULL);
	return 1;
}

static int serve_manager(const struct bench_server *server)
{
	char address[192];
	char log[224];

	snprintf(address, sizeof address, "unix:%s", server->address);
	snprintf(log, sizeof log, "%s.aof", server->address);
	return ipk_manager_serve(IPK_MANAGER_SERVER(.address = address,
						    .log_path = server->has_log ? log : NULL),
				 -1) < 0;
}

static int fork_server(struct bench_server *server)
{
	pid_t parent = getpid();
	bool is_redis = server < &servers[2];
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		_exit(is_redis ? exec_redis(server) : serve_manager(server));
	}
	server->pid = pid;
	return 0;
}

static int wait_until_it_answers(const struct bench_server *server)
{
	int64_t until = bench_now_ns() + START_NS;
	int r = -ECONNREFUSED;
	int fd;

	while (r < 0 && bench_now_ns() < until && waitpid(server->pid, NULL, WNOHANG) == 0) {
		r = bench_resp_connect(server->address, &fd);
		if (r == 0)
			close(fd);
		else
			usleep(1000);
	}
	return r;
}

int bench_server_start(struct bench_server *server)
{
	int r = prepare();

	if (r < 0 || server->pid != 0)
		return server->pid < 0 ? server->pid : r;
	snprintf(server->address, sizeof server->address, "%s/%s", directory, server->name);
	if (server < &servers[2] && access(REDIS, X_OK) < 0)
		return -ENOSYS;
	r = fork_server(server);
	if (r == 0)
		r = wait_until_it_answers(server);
	if (r < 0)
		server->pid = r; /* once is enough */
	return r;
}

int64_t bench_server_cpu_ns(const struct bench_server *server)
{
	char path[64];
	unsigned long long ns = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/schedstat", (int)server->pid);
	f = fopen(path, "r");
	if (f) {
		if (fscanf(f, "%llu", &ns) != 1)
			ns = 0;
		fclose(f);
	}
	return (int64_t)ns;
}

/* --- a plain client --------------------------------------------------------------------------- */

int bench_resp_connect(const char *path, int *ret_fd)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* Whole: a line, or a bulk string with its line. */
static bool is_whole(const char *reply, size_t n)
{
	const char *end = memchr(reply, '\n', n);
	long len;

	if (!end)
		return false;
	len = reply[0] == '$' ? strtol(reply + 1, NULL, 10) : -1;
	return len < 0 || n >= (size_t)(end - reply) + 1 + (size_t)len + 2;
}

int bench_resp_call(int fd, const char *request, size_t n_bytes, char *reply, size_t reply_bytes,
		    size_t *ret_bytes)
{
	size_t n = 0;

	if (send(fd, request, n_bytes, MSG_NOSIGNAL) != (ssize_t)n_bytes)
		return -EPIPE;
	do {
		ssize_t got = recv(fd, reply + n, reply_bytes - n, 0);

		if (got <= 0)
			return -EPIPE;
		n += (size_t)got;
	} while (!is_whole(reply, n));
	*ret_bytes = n;
	return reply[0] == '-' ? -EPROTO : 0;
}

size_t bench_resp_request(char *buf, size_t buf_bytes, size_t argc, const char *const argv[])
{
	size_t n = (size_t)snprintf(buf, buf_bytes, "*%zu\r\n", argc);

	for (size_t i = 0; i < argc; i++)
		n += (size_t)snprintf(buf + n, buf_bytes - n, "$%zu\r\n%s\r\n", strlen(argv[i]),
				      argv[i]);
	return n;
}

/* --- keys ------------------------------------------------------------------------------------- */

const char *bench_key(uint64_t i, char key[BENCH_KEY_BYTES + 1])
{
	uint32_t left = (uint32_t)i;

	memcpy(key, "key:000000000000", BENCH_KEY_BYTES + 1);
	for (char *digit = key + BENCH_KEY_BYTES - 1; left > 0; digit--, left /= 10)
		*digit = (char)('0' + left % 10);
	return key;
}

void bench_value(uint64_t i, char value[BENCH_VALUE_BYTES + 1])
{
	snprintf(value, BENCH_VALUE_BYTES + 1, "%064llu", (unsigned long long)i);
}

uint64_t bench_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}
