/*
 * bench_manager.c - managed dicts, lists and locks, as a local client uses them.
 *
 * Peers are LMDB and a Boost map (shared memory without a server), and two servers behind a socket:
 * Redis and Python's Manager. 100,000 keys of 16 bytes with 64 bytes each, requested at random;
 * Python's has 1,000. Where both should be awake, one client and the server may each use a
 * processor.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ipk.h>
#include <ipk/manager.h>

#include "bench.h"
#include "bench_servers.h"
#ifdef BENCH_HAVE_BOOST
#include "peer_boost.h"
#endif
#ifdef BENCH_HAVE_LMDB
#include "peer_lmdb.h"
#endif

#define SIDES_MAX 4
#define SET_IN 10 /* one in so many of the mixed operations writes */
#define FILL_BATCH 500

enum what { GET, SET, MIXED };

static bool writes(enum what what, size_t i)
{
	return what == SET || (what == MIXED && i % SET_IN == 0);
}

/* What a contender needs besides its own: the same for each. */
struct job {
	enum what what;
	void *map;
	char directory[64];
};

static int team(size_t n_sides, int (*work)(void *, size_t), struct job *job, size_t n,
		struct bench_time *ret_time)
{
	struct bench_side sides[SIDES_MAX];

	for (size_t i = 0; i < n_sides; i++)
		sides[i] = (struct bench_side){work, BENCH_ANY_CPU};
	return bench_team(sides, n_sides, job, n, ret_time);
}

/* --- ours ------------------------------------------------------------------------------------- */

static int connect_ours(ipk_manager **ret_m)
{
	struct bench_server *server = bench_manager(false);
	char address[192];

	IPK_TRY(bench_server_start(server));
	snprintf(address, sizeof address, "unix:%s", server->address);
	return ipk_manager_connect(address, NULL, ipk_in_ms(5000), ret_m);
}

/* Others of this program may have emptied the server meanwhile. */
static int fill_ours(void)
{
	IPK_AUTO(manager, m);
	IPK_AUTO(dict, d);
	IPK_AUTO(list, l);
	char value[BENCH_VALUE_BYTES + 1];
	char room[BENCH_KEY_BYTES + 1];
	const char *key;
	uint64_t len;

	IPK_TRY(connect_ours(&m));
	IPK_TRY(ipk_dict_open(m, "bench", &d));
	IPK_TRY(ipk_dict_len(d, ipk_in_ms(1000), &len));
	if (len == BENCH_KEYS)
		return 0;
	IPK_TRY(ipk_manager_flush(m, ipk_in_ms(1000)));
	IPK_TRY(ipk_list_open(m, "bench-list", &l));
	for (uint64_t i = 0; i < BENCH_KEYS; i++) {
		key = bench_key(i, room);
		bench_value(i, value);
		IPK_TRY(ipk_dict_set(d, (ipk_bytes){key, BENCH_KEY_BYTES}, value, BENCH_VALUE_BYTES,
				     ipk_in_ms(1000)));
		IPK_TRY(ipk_list_append(l, value, BENCH_VALUE_BYTES, ipk_in_ms(1000)));
	}
	return 0;
}

static int dict_side(void *arg, size_t n)
{
	const struct job *job = arg;
	IPK_AUTO(manager, m);
	IPK_AUTO(dict, d);
	char value[BENCH_VALUE_BYTES + 1];
	char room[BENCH_KEY_BYTES + 1];
	const char *key;
	uint64_t random = (uint64_t)getpid();
	size_t len;

	IPK_TRY(connect_ours(&m));
	IPK_TRY(ipk_dict_open(m, "bench", &d));
	bench_value(1, value);
	for (size_t i = 0; i < n; i++) {
		key = bench_key(bench_random(&random) % BENCH_KEYS, room);
		if (writes(job->what, i))
			IPK_TRY(ipk_dict_set(d, (ipk_bytes){key, BENCH_KEY_BYTES}, value,
					     BENCH_VALUE_BYTES, ipk_forever()));
		else
			IPK_TRY(ipk_dict_get(d, (ipk_bytes){key, BENCH_KEY_BYTES}, value,
					     BENCH_VALUE_BYTES, ipk_forever(), &len));
	}
	return 0;
}

static int list_side(void *arg, size_t n)
{
	IPK_AUTO(manager, m);
	IPK_AUTO(list, l);
	char value[BENCH_VALUE_BYTES];
	uint64_t random = (uint64_t)getpid();
	size_t len;

	(void)arg;
	IPK_TRY(connect_ours(&m));
	IPK_TRY(ipk_list_open(m, "bench-list", &l));
	for (size_t i = 0; i < n; i++)
		IPK_TRY(ipk_list_get(l, (int64_t)(bench_random(&random) % BENCH_KEYS), value,
				     sizeof value, ipk_forever(), &len));
	return 0;
}

static int lock_side(void *arg, size_t n)
{
	IPK_AUTO(manager, m);
	IPK_AUTO(managed_lock, lock);

	(void)arg;
	IPK_TRY(connect_ours(&m));
	IPK_TRY(ipk_managed_lock_open(m, "bench-lock", NULL, ipk_in_ms(1000), &lock));
	for (size_t i = 0; i < n; i++) {
		IPK_TRY(ipk_managed_lock_lock(lock, ipk_forever()));
		IPK_TRY(ipk_managed_lock_unlock(lock, ipk_forever()));
	}
	return 0;
}

static int ours(size_t n_sides, int (*side)(void *, size_t), enum what what, size_t n,
		struct bench_time *ret_time)
{
	struct job job = {.what = what};

	IPK_TRY(fill_ours());
	return team(n_sides, side, &job, n, ret_time);
}

/* --- Redis, one request at a time ------------------------------------------------------------- */

static int fill_redis(const struct bench_server *server)
{
	static bool is_filled;
	char command[512];

	if (is_filled)
		return 0;
	snprintf(command, sizeof command,
		 "awk 'BEGIN { for (i = 0; i < %d; i++) { printf \"HSET bench key:%%012d "
		 "%%064d\\r\\n\", i,"
		 " i; printf \"RPUSH bench-list %%064d\\r\\n\", i } }' | redis-cli -s '%s' --pipe "
		 ">/dev/null 2>&1",
		 BENCH_KEYS, server->address);
	is_filled = system(command) == 0;
	return is_filled ? 0 : -ECHILD;
}

static size_t make_request(enum what what, bool is_list, const char *key, const char *value,
			   char *buf, size_t buf_bytes)
{
	const char *get[] = {"HGET", "bench", key};
	const char *set[] = {"HSET", "bench", key, value};
	const char *index[] = {"LINDEX", "bench-list", key};

	if (is_list)
		return bench_resp_request(buf, buf_bytes, 3, index);
	return bench_resp_request(buf, buf_bytes, what == SET ? 4 : 3, what == SET ? set : get);
}

static int redis_loop(const struct job *job, bool is_list, size_t n)
{
	char value[BENCH_VALUE_BYTES + 1];
	char room[BENCH_KEY_BYTES + 1];
	const char *key;
	char request[256], reply[256], text[24];
	uint64_t random = (uint64_t)getpid();
	size_t n_reply;
	int fd;
	int r = bench_resp_connect(bench_redis(false)->address, &fd);

	bench_value(1, value);
	for (size_t i = 0; i < n && r == 0; i++) {
		uint64_t number = bench_random(&random) % BENCH_KEYS;
		size_t n_bytes;

		snprintf(text, sizeof text, "%llu", (unsigned long long)number);
		key = is_list ? text : bench_key(number, room);
		n_bytes = make_request(job->what, is_list, key, value, request, sizeof request);
		r = bench_resp_call(fd, request, n_bytes, reply, sizeof reply, &n_reply);
	}
	if (fd >= 0)
		close(fd);
	return r;
}

static int redis_side(void *arg, size_t n)
{
	return redis_loop(arg, false, n);
}

static int redis_list_side(void *arg, size_t n)
{
	return redis_loop(arg, true, n);
}

static int redis(int (*side)(void *, size_t), enum what what, size_t n, struct bench_time *ret_time)
{
	struct job job = {.what = what};

	IPK_TRY(bench_server_start(bench_redis(false)));
	IPK_TRY(fill_redis(bench_redis(false)));
	return team(1, side, &job, n, ret_time);
}

/* --- LMDB ------------------------------------------------------------------------------------- */

#ifdef BENCH_HAVE_LMDB
static int lmdb_side(void *arg, size_t n)
{
	const struct job *job = arg;
	struct peer_lmdb *db;
	char value[BENCH_VALUE_BYTES + 1];
	char room[BENCH_KEY_BYTES + 1];
	const char *key;
	uint64_t random = (uint64_t)getpid();
	int r = peer_lmdb_open(job->directory, &db);

	if (r < 0)
		return r;
	bench_value(1, value);
	for (size_t i = 0; i < n && r == 0; i++) {
		key = bench_key(bench_random(&random) % BENCH_KEYS, room);
		r = writes(job->what, i)
			    ? peer_lmdb_set(db, key, BENCH_KEY_BYTES, value, BENCH_VALUE_BYTES)
			    : peer_lmdb_get(db, key, BENCH_KEY_BYTES, value, BENCH_VALUE_BYTES);
	}
	peer_lmdb_close(db);
	return r;
}

static int fill_lmdb(const char *directory)
{
	char value[BENCH_VALUE_BYTES + 1];
	char room[BENCH_KEY_BYTES + 1];
	const char *key;
	struct peer_lmdb *db;
	int r = peer_lmdb_open(directory, &db);

	if (r < 0)
		return r;
	for (uint64_t i = 0; i < BENCH_KEYS && r == 0; i++) {
		key = bench_key(i, room);
		bench_value(i, value);
		r = peer_lmdb_set(db, key, BENCH_KEY_BYTES, value, BENCH_VALUE_BYTES);
	}
	peer_lmdb_close(db);
	return r;
}

static int lmdb(size_t n_sides, enum what what, size_t n, struct bench_time *ret_time)
{
	struct job job = {.what = what, .directory = "/dev/shm/ipk-bench-lmdb-XXXXXX"};
	char command[128];
	int r;

	if (!mkdtemp(job.directory))
		return -errno;
	r = fill_lmdb(job.directory);
	if (r == 0)
		r = team(n_sides, lmdb_side, &job, n, ret_time);
	snprintf(command, sizeof command, "rm -r '%s'", job.directory);
	return system(command) == 0 ? r : -EIO;
}
#else
static int lmdb(size_t n_sides, enum what what, size_t n, struct bench_time *ret_time)
{
	(void)n_sides, (void)what, (void)n, (void)ret_time;
	return -ENOSYS;
}
#endif

/* --- Boost ------------------------------------------------------------------------------------ */

#ifdef BENCH_HAVE_BOOST
static int boost_side(void *arg, size_t n)
{
	const struct job *job = arg;
	char value[BENCH_VALUE_BYTES + 1];
	char room[BENCH_KEY_BYTES + 1];
	const char *key;
	uint64_t random = (uint64_t)getpid();
	int r = 0;

	bench_value(1, value);
	for (size_t i = 0; i < n && r == 0; i++) {
		key = bench_key(bench_random(&random) % BENCH_KEYS, room);
		r = writes(job->what, i) ? peer_boost_map_set(job->map, key, value)
					 : peer_boost_map_get(job->map, key, value);
	}
	return r < 0 ? -EIO : 0;
}

static int boost(size_t n_sides, enum what what, size_t n, struct bench_time *ret_time)
{
	struct job job = {.what = what, .map = peer_boost_map_open()};
	char value[BENCH_VALUE_BYTES + 1];
	char room[BENCH_KEY_BYTES + 1];
	const char *key;
	int r = job.map ? 0 : -ENOMEM;

	for (uint64_t i = 0; i < BENCH_KEYS && r == 0; i++) {
		key = bench_key(i, room);
		bench_value(i, value);
		r = peer_boost_map_set(job.map, key, value);
	}
	if (r == 0)
		r = team(n_sides, boost_side, &job, n, ret_time);
	peer_boost_map_close(job.map);
	return r;
}
#else
static int boost(size_t n_sides, enum what what, size_t n, struct bench_time *ret_time)
{
	(void)n_sides, (void)what, (void)n, (void)ret_time;
	return -ENOSYS;
}
#endif

/* --- the contenders --------------------------------------------------------------------------- */

#define OURS(name, n_sides, side, what)                 \
	static int name(size_t n, struct bench_time *t) \
	{                                               \
		return ours(n_sides, side, what, n, t); \
	}
#define PYTHON(name, arguments)                                          \
	static int name(size_t n, struct bench_time *t)                  \
	{                                                                \
		return bench_python("peer_manager.py", arguments, n, t); \
	}
#define PEER(name, call)                                \
	static int name(size_t n, struct bench_time *t) \
	{                                               \
		return call;                            \
	}

OURS(ours_get_1, 1, dict_side, GET)
OURS(ours_get_4, 4, dict_side, GET)
OURS(ours_set_1, 1, dict_side, SET)
OURS(ours_mixed_4, 4, dict_side, MIXED)
OURS(ours_index, 1, list_side, GET)
OURS(ours_lock, 1, lock_side, GET)
PEER(lmdb_get_1, lmdb(1, GET, n, t))
PEER(lmdb_get_4, lmdb(4, GET, n, t))
PEER(lmdb_set_1, lmdb(1, SET, n, t))
PEER(lmdb_mixed_4, lmdb(4, MIXED, n, t))
PEER(boost_get_4, boost(4, GET, n, t))
PEER(redis_get, redis(redis_side, GET, n, t))
PEER(redis_set, redis(redis_side, SET, n, t))
PEER(redis_index, redis(redis_list_side, GET, n, t))
PYTHON(python_get, "dict_get 1")
PYTHON(python_set, "dict_set 1")
PYTHON(python_mixed, "dict_mixed 4")
PYTHON(python_index, "list_get 1")
PYTHON(python_lock, "lock 1")

#define ROW(text, n_cpus_, ours_, ...)                                                          \
	{                                                                                       \
		.name = text, .unit = "k/s", .is_rate = true, .scale = 1e-3, .n_cpus = n_cpus_, \
		.ours = {"ipk", ours_}, .peers = {                                              \
			__VA_ARGS__                                                             \
		}                                                                               \
	}

const struct bench_row bench_manager_rows[] = {
	ROW("managed dict get, local, 1 client", 1, ours_get_1, {"LMDB", lmdb_get_1, 4},
	    {"redis HGET", redis_get, 300}, {"Python Manager", python_get, 300}),
	ROW("managed dict get, local, 4 clients (each)", 1, ours_get_4, {"LMDB", lmdb_get_4, 4},
	    {"Boost unordered_map + mutex", boost_get_4, 4}),
	ROW("managed list index, local", 1, ours_index, {"redis LINDEX", redis_index, 300},
	    {"Python Manager", python_index, 300}),
	ROW("managed dict set, local, 1 client, both awake", 2, ours_set_1,
	    {"redis HSET", redis_set, 50}, {"LMDB", lmdb_set_1, 1},
	    {"Python Manager", python_set, 40}),
	ROW("managed lock acquire+release, local", 2, ours_lock,
	    {"Python manager.Lock", python_lock, 20}),
	ROW("managed dict, 90 % get 10 % set, 4 clients (each)", 1, ours_mixed_4,
	    {"LMDB", lmdb_mixed_4, 2}, {"Python Manager", python_mixed, 200}),
	{0},
};
