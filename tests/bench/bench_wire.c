/*
 * bench_wire.c - the manager beside Redis, both measured by redis-benchmark over a Unix socket.
 *
 * Two rows for each kind of request, number of clients and pipelining: requests a second, and the
 * server's processor time for each. The second is measured in the same runs as the first. Then
 * memory for each key, and the same with an append-only file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ipk.h>

#include "bench.h"
#include "bench_servers.h"

#define BENCHMARK "/usr/bin/redis-benchmark"
#define MILLION 1000000
#define SAMPLES_MAX 64

enum { GET, SET, HSET, HGET, LPUSH, LPOP, LRANGE, N_KINDS };

/* What redis-benchmark is to send; %s is what it is called there, or the words themselves. */
static const char *const arguments[N_KINDS] = {
	[GET] = "-t get",
	[SET] = "-t set",
	[HSET] = "-t hset",
	[HGET] = "hget myhash element:__rand_int__",
	[LPUSH] = "-t lpush",
	[LPOP] = "-t lpop",
	[LRANGE] = "lrange bench:list 0 99",
};

/* --- running redis-benchmark ------------------------------------------------------------------ */

struct load {
	int kind;
	int n_clients;
	int n_pipelined;
	bool has_log;
};

static int call(const struct bench_server *server, size_t argc, const char *const argv[],
		char *reply, size_t reply_bytes)
{
	char request[512];
	size_t n = bench_resp_request(request, sizeof request, argc, argv);
	size_t n_reply;
	int fd;
	int r = bench_resp_connect(server->address, &fd);

	if (r < 0)
		return r;
	r = bench_resp_call(fd, request, n, reply, reply_bytes - 1, &n_reply);
	close(fd);
	if (r == 0)
		reply[n_reply] = '\0';
	return r;
}

/* The requests a second that redis-benchmark tells: the last "..." but ... of its CSV line. */
static int run_benchmark(const struct bench_server *server, const char *what, int n_clients,
			 int n_pipelined, size_t n, double *ret_rate)
{
	char command[512];
	char line[1024] = "";
	double rate = 0;
	FILE *f;

	snprintf(command, sizeof command,
		 "exec " BENCHMARK
		 " -s '%s' -n %zu -c %d -P %d -d 64 -r 10000 --csv %s 2>/dev/null",
		 server->address, n, n_clients, n_pipelined, what);
	f = popen(command, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof line, f)) {
		const char *quote = strstr(line, "\",\"");

		if (quote && sscanf(quote + 3, "%lf", &rate) == 1)
			*ret_rate = rate;
	}
	return pclose(f) == 0 && rate > 0 ? 0 : -ECHILD;
}

/* What a kind of request finds: keys of the same range, and as many items as will be popped. */
static const struct {
	const char *arguments;
	size_t n; /* 0: as many as requests follow */
} filling[N_KINDS] = {
	[GET] = {"-t set", 40000},
	[HGET] = {"-t hset", 40000},
	[LPOP] = {"-t lpush", 0},
};

/* A list of a hundred items. */
static int push_hundred(const struct bench_server *server)
{
	const char *push[102] = {"RPUSH", "bench:list"};
	char request[8192];
	char reply[64];
	size_t n;
	int fd;
	int r = bench_resp_connect(server->address, &fd);

	if (r < 0)
		return r;
	for (int i = 0; i < 100; i++)
		push[2 + i] = "a-value-of-a-list-of-24b";
	n = bench_resp_request(request, sizeof request, 102, push);
	r = bench_resp_call(fd, request, n, reply, sizeof reply, &n);
	close(fd);
	return r;
}

static int prepare(const struct bench_server *server, int kind, size_t n)
{
	const char *flush[] = {"FLUSHALL"};
	char reply[64];
	double rate;
	int r = call(server, 1, flush, reply, sizeof reply);

	if (r == 0 && kind == LRANGE)
		r = push_hundred(server);
	if (r == 0 && filling[kind].arguments)
		r = run_benchmark(server, filling[kind].arguments, 50, 16,
				  filling[kind].n ? filling[kind].n : n, &rate);
	return r;
}

/* --- rate and processor time, of the same runs ------------------------------------------------ */

struct samples {
	size_t n, used;
	double cpu_ns[SAMPLES_MAX]; /* for each request */
};

static struct samples all_samples[2][N_KINDS][2][2];

static struct samples *samples_of(bool is_ours, const struct load *load)
{
	return &all_samples[is_ours][load->kind][load->n_clients > 1][load->n_pipelined > 1];
}

static int run_load(bool is_ours, const struct load *load, size_t n, double *ret_rate,
		    double *ret_cpu_ns)
{
	struct bench_server *server =
		is_ours ? bench_manager(load->has_log) : bench_redis(load->has_log);
	int64_t before;
	int r = access(BENCHMARK, X_OK) < 0 ? -ENOSYS : bench_server_start(server);

	if (r == 0)
		r = prepare(server, load->kind, n);
	if (r < 0)
		return r;
	before = bench_server_cpu_ns(server);
	r = run_benchmark(server, arguments[load->kind], load->n_clients, load->n_pipelined, n,
			  ret_rate);
	*ret_cpu_ns = (double)(bench_server_cpu_ns(server) - before) / (double)n;
	return r;
}

static int run_rate(bool is_ours, const struct load *load, size_t n, struct bench_time *ret_time)
{
	struct samples *s = samples_of(is_ours, load);
	double rate;
	double cpu_ns;
	int r = run_load(is_ours, load, n, &rate, &cpu_ns);

	if (r < 0)
		return r;
	/* Those of the last rounds, not of finding out how many requests fill one. */
	if (!load->has_log && s->n < SAMPLES_MAX)
		s->cpu_ns[s->n++] = cpu_ns;
	ret_time->elapsed_ns = ret_time->measured_ns = (double)n / rate * 1e9;
	return 0;
}

static int run_cpu(bool is_ours, const struct load *load, size_t n, struct bench_time *ret_time)
{
	struct samples *s = samples_of(is_ours, load);
	double rate = 1;
	double cpu_ns;
	int r = 0;

	if (s->n > s->used)
		cpu_ns = s->cpu_ns[s->n - ++s->used];
	else
		r = run_load(is_ours, load, n < 20000 ? 20000 : n, &rate, &cpu_ns);
	if (r < 0)
		return r;
	/* The runs are long enough already. */
	ret_time->elapsed_ns = 1e9;
	ret_time->measured_ns = cpu_ns * (double)n;
	return 0;
}

/* --- the rows --------------------------------------------------------------------------------- */

#define LOAD(kind_, c, p) (&(struct load){.kind = (kind_), .n_clients = (c), .n_pipelined = (p)})

#define CONTENDERS(kind, c, p)                                                  \
	static int ours_##kind##_##c##_##p(size_t n, struct bench_time *t)      \
	{                                                                       \
		return run_rate(true, LOAD(kind, c, p), n, t);                  \
	}                                                                       \
	static int redis_##kind##_##c##_##p(size_t n, struct bench_time *t)     \
	{                                                                       \
		return run_rate(false, LOAD(kind, c, p), n, t);                 \
	}                                                                       \
	static int ours_cpu_##kind##_##c##_##p(size_t n, struct bench_time *t)  \
	{                                                                       \
		return run_cpu(true, LOAD(kind, c, p), n, t);                   \
	}                                                                       \
	static int redis_cpu_##kind##_##c##_##p(size_t n, struct bench_time *t) \
	{                                                                       \
		return run_cpu(false, LOAD(kind, c, p), n, t);                  \
	}

#define ALL_LOADS(kind)         \
	CONTENDERS(kind, 1, 1)  \
	CONTENDERS(kind, 1, 16) \
	CONTENDERS(kind, 50, 1) \
	CONTENDERS(kind, 50, 16)

ALL_LOADS(GET)
ALL_LOADS(SET)
ALL_LOADS(HSET)
ALL_LOADS(HGET)
ALL_LOADS(LPUSH)
ALL_LOADS(LPOP)
ALL_LOADS(LRANGE)

#define ROWS(text, kind, c, p)                                                             \
	{                                                                                  \
		.name = "redis-benchmark " text " -c " #c " -P " #p,                       \
		.unit = "k/s",                                                             \
		.is_rate = true,                                                           \
		.scale = 1e-3,                                                             \
		.n_cpus = 1,                                                               \
		.ours = {"manager", ours_##kind##_##c##_##p},                              \
		.peers = {{"redis", redis_##kind##_##c##_##p, 1.0}},                       \
	},                                                                                 \
	{                                                                                  \
		.name = "server cpu, " text " -c " #c " -P " #p, .unit = "ns", .scale = 1, \
		.n_cpus = 1, .ours = {"manager", ours_cpu_##kind##_##c##_##p},             \
		.peers = {{"redis", redis_cpu_##kind##_##c##_##p, 1.0 / 0.85}},            \
	}

#define ALL_ROWS(text, kind)                                                      \
	ROWS(text, kind, 1, 1), ROWS(text, kind, 1, 16), ROWS(text, kind, 50, 1), \
		ROWS(text, kind, 50, 16)

/* --- memory for a key ------------------------------------------------------------------------- */

static int fill(const struct bench_server *server)
{
	char command[512];

	/* Each key once: numbers in a row, not random ones. */
	snprintf(command, sizeof command,
		 "awk 'BEGIN { for (i = 0; i < %d; i++) "
		 "printf "
		 "\"*3\\r\\n$3\\r\\nSET\\r\\n$16\\r\\nkey:%%012d\\r\\n$64\\r\\n%%064d\\r\\n\", i, "
		 "i }'"
		 " | redis-cli -s '%s' --pipe >/dev/null 2>&1",
		 MILLION, server->address);
	return system(command) == 0 ? 0 : -ECHILD;
}

static int used_memory(const struct bench_server *server, double *ret_bytes)
{
	const char *info[] = {"INFO", "memory"};
	char reply[16384];
	const char *line;
	int r = call(server, 2, info, reply, sizeof reply);

	if (r < 0)
		return r;
	line = strstr(reply, "used_memory:");
	*ret_bytes = line ? strtod(line + strlen("used_memory:"), NULL) : 0;
	return line ? 0 : -EPROTO;
}

static int memory_a_key(bool is_ours, size_t n, struct bench_time *ret_time)
{
	struct bench_server *server = is_ours ? bench_manager(false) : bench_redis(false);
	double before, after;
	int r = bench_server_start(server);

	if (r == 0)
		r = prepare(server, SET, 0);
	if (r == 0)
		r = used_memory(server, &before);
	if (r == 0)
		r = fill(server);
	if (r == 0)
		r = used_memory(server, &after);
	if (r < 0)
		return r;
	ret_time->elapsed_ns = ret_time->measured_ns = (after - before) / MILLION * (double)n;
	return prepare(server, SET, 0);
}

static int ours_memory(size_t n, struct bench_time *t)
{
	return memory_a_key(true, n, t);
}

static int redis_memory(size_t n, struct bench_time *t)
{
	return memory_a_key(false, n, t);
}

/* --- with a log ------------------------------------------------------------------------------- */

static const struct load logged = {
	.kind = SET, .n_clients = 50, .n_pipelined = 16, .has_log = true};

static int ours_logged(size_t n, struct bench_time *t)
{
	return run_rate(true, &logged, n, t);
}

static int redis_logged(size_t n, struct bench_time *t)
{
	return run_rate(false, &logged, n, t);
}

const struct bench_row bench_wire_rows[] = {
	ALL_ROWS("GET", GET),
	ALL_ROWS("SET", SET),
	ALL_ROWS("HSET", HSET),
	ALL_ROWS("HGET", HGET),
	ALL_ROWS("LPUSH", LPUSH),
	ALL_ROWS("LPOP", LPOP),
	ALL_ROWS("LRANGE_100", LRANGE),
	{.name = "append-only file, every second, SET -c 50 -P 16",
	 .unit = "k/s",
	 .is_rate = true,
	 .scale = 1e-3,
	 .n_cpus = 1,
	 .ours = {"manager", ours_logged},
	 .peers = {{"redis", redis_logged, 1.0}}},
	{.name = "memory a key, 1,000,000 of 16 B with 64 B",
	 .unit = "B",
	 .scale = 1,
	 .is_counted = true,
	 .n_cpus = 1,
	 .ours = {"manager", ours_memory},
	 .peers = {{"redis", redis_memory, 1.0}}},
	{0},
};
