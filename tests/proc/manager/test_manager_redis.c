/*
 * test_manager_redis.c - the redis: and redis-cluster: addresses, against real servers: backend.h,
 * call by call.
 */
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/backend.h"
#include "redis/redis.h"
#include "net/resp.h"
#include "os/os.h"
#include "manager_calls.h"
#include "redis_fixture.h"
#include "support/support.h"

static struct redis_fixture fixture;

#define add_both(suite, test) add_loop_test(suite, test, 0, 2) /* alone and cluster */

static struct ipk__backend *connect_with(int which, int64_t lease_ms)
{
	ipk_manager_connect_opts opts = {.struct_size = sizeof opts, .lease_ms = lease_ms};
	struct ipk__backend *b = NULL;

	ck_ok(ipk__redis_connect(fixture.addresses[which], &opts, ipk_in_ms(WAIT_MS), &b));
	return b;
}

static struct ipk__backend *connect_to(int which)
{
	return connect_with(which, 0);
}

static void done_with(struct ipk__backend *b)
{
	b->ops->close(b);
}

/* --- asking: words between blanks, '...' around one with blanks or none in it ----------------- */

static size_t split(char *text, struct ipk__slice *argv)
{
	size_t n = 0;

	while (*text) {
		char stop = *text == '\'' ? '\'' : ' ';

		text += stop == '\'';
		argv[n].bytes = text;
		argv[n].n_bytes = strcspn(text, stop == '\'' ? "'" : " ");
		text += argv[n++].n_bytes;
		while (*text == '\'' || *text == ' ') {
			bool next_quote = text[0] == ' ' && text[1] == '\'';

			text++;
			if (next_quote)
				break;
		}
		ck_assert_uint_lt(n, 40);
	}
	return n;
}

static size_t show(struct ipk__slice whole, size_t *at, char *buf, size_t room)
{
	struct ipk__resp_value v;
	size_t n = 0;

	ck_ok(ipk__resp_next(whole, at, &v));
	if (v.type == IPK__RESP_INTEGER)
		return (size_t)snprintf(buf, room, "%lld", (long long)v.integer);
	if (v.type == IPK__RESP_NULL)
		return (size_t)snprintf(buf, room, "nil");
	if (v.type != IPK__RESP_ARRAY)
		return (size_t)snprintf(buf, room, "%s%.*s", v.type == IPK__RESP_ERROR ? "-" : "",
					(int)v.text.n_bytes, v.text.bytes);
	n += (size_t)snprintf(buf, room, "[");
	for (uint64_t i = 0; i < v.n; i++) {
		n += (size_t)snprintf(buf + n, room - n, i > 0 ? " " : "");
		n += show(whole, at, buf + n, room - n);
	}
	return n + (size_t)snprintf(buf + n, room - n, "]");
}

static const char *shown_reply(const struct ipk__response *reply)
{
	static _Thread_local char bufs[4][4096];
	static _Thread_local int turn;
	char *buf = bufs[turn++ % 4];
	size_t at = 0;

	show(reply->whole, &at, buf, sizeof bufs[0]);
	ck_assert_uint_eq(at, reply->whole.n_bytes);
	return buf;
}

/* The reply as text; "!ETIMEDOUT" for an error of the call. */
static const char *ask_until(struct ipk__backend *b, ipk_deadline deadline, const char *words)
{
	static _Thread_local char buf[64];
	struct ipk__slice argv[40];
	struct ipk__response reply;
	struct ipk__call call = {.argv = argv, .reply = &reply};
	char text[512];
	const char *said;
	int r;

	ck_assert_uint_lt(strlen(words), sizeof text);
	strcpy(text, words);
	call.argc = split(text, argv);
	ipk__response_init(&reply);
	r = b->ops->call(b, &call, deadline);
	snprintf(buf, sizeof buf, "!%s", r == -EINPROGRESS ? "EINPROGRESS" : ipk_errname(r));
	said = r < 0 ? buf : shown_reply(&reply);
	ipk__response_fini(&reply);
	return said;
}

__attribute__((format(printf, 2, 3))) static const char *ask(struct ipk__backend *b,
							     const char *format, ...)
{
	char words[512];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof words, format, args);
	va_end(args);
	return ask_until(b, ipk_in_ms(WAIT_MS), words);
}

#define ck_says(b, want, ...) ck_assert_str_eq(ask(b, __VA_ARGS__), want)
/* Only how it begins. */
#define ck_begins(b, want, ...)                                                                    \
	do {                                                                                       \
		const char *said_ = ask(b, __VA_ARGS__);                                           \
		ck_assert_msg(strncmp(said_, want, strlen(want)) == 0, "%s, not %s", said_, want); \
	} while (0)

/* --- dicts, lists, strings -------------------------------------------------------------------- */

START_TEST(dicts)
{
	struct ipk__backend *b = connect_to(_i);

	ck_says(b, "2", "HSET d a 1 b 2");
	ck_says(b, "1", "IPK.HUPDATE d b 3 c 4");
	ck_says(b, "3", "HGET d b");
	ck_says(b, "3", "IPK.HSETDEFAULT d b 9");
	ck_says(b, "9", "IPK.HSETDEFAULT d new 9");
	ck_says(b, "9", "IPK.HPOP d new");
	ck_says(b, "nil", "IPK.HPOP d new");
	ck_says(b, "1", "IPK.HCAS d b IS 3 SET 33");
	ck_says(b, "0", "IPK.HCAS d b IS 3 SET 34");
	ck_says(b, "0", "IPK.HCAS d b ABSENT SET 35");
	ck_says(b, "1", "IPK.HCAS d z ABSENT SET 1");
	ck_says(b, "1", "IPK.HCAS d z IS 1 DEL");
	ck_says(b, "43", "HINCRBY d b 10");
	ck_says(b, "1", "HDEL d c");
	ck_says(b, "[0 [a 1 b 43]]", "IPK.HSCAN d 0 COUNT 100");
	ck_says(b, "1", "HDEL d a");
	ck_says(b, "[b 43]", "IPK.HPOPITEM d");
	ck_says(b, "nil", "IPK.HPOPITEM d");
	ck_says(b, "0", "EXISTS d");
	done_with(b);
}
END_TEST

START_TEST(lists)
{
	struct ipk__backend *b = connect_to(_i);

	ck_says(b, "5", "RPUSH l a b c d e");
	ck_says(b, "6", "IPK.LINSERT l 2 X");
	ck_says(b, "7", "IPK.LINSERT l -1 Y");
	ck_says(b, "8", "IPK.LINSERT l 100 Z");
	ck_says(b, "[a b X c d Y e Z]", "LRANGE l 0 -1");
	ck_says(b, "Y", "IPK.LPOPAT l 5");
	ck_says(b, "Z", "IPK.LPOPAT l -1");
	ck_says(b, "nil", "IPK.LPOPAT l 17");
	ck_says(b, "X", "IPK.LPOPAT l 2");
	ck_says(b, "[a c e]", "IPK.LSLICE l - - 2");
	ck_says(b, "[e d c b a]", "IPK.LSLICE l - - -1");
	ck_says(b, "[d c]", "IPK.LSLICE l -2 1 -1");
	ck_says(b, "[b c]", "IPK.LSLICE l 1 3 1");
	ck_says(b, "[]", "IPK.LSLICE l 3 1 1");
	ck_says(b, "6", "IPK.LSETSLICE l 1 3 1 x y z");
	ck_says(b, "[a x y z d e]", "LRANGE l 0 -1");
	ck_says(b, "6", "IPK.LSETSLICE l - - 2 1 2 3");
	ck_begins(b, "-RANGE attempt to assign sequence of size 1 to extended slice of size 3",
		  "IPK.LSETSLICE l - - 2 1");
	ck_says(b, "[1 x 2 z 3 e]", "LRANGE l 0 -1");
	ck_says(b, "3", "IPK.LDELSLICE l - - -2");
	ck_says(b, "[1 2 3]", "LRANGE l 0 -1");
	ck_says(b, "OK", "IPK.LREVERSE l");
	ck_says(b, "6", "IPK.LREPEAT l 2");
	ck_says(b, "2", "IPK.LCOUNT l 3");
	ck_says(b, "3", "IPK.LINDEXOF l 3 1 -");
	ck_says(b, "nil", "IPK.LINDEXOF l 3 1 2");
	ck_says(b, "12", "IPK.LINCRBY l 1 10");
	ck_says(b, "1.5", "IPK.LINCRBY l -1 0.5");
	ck_begins(b, "-RANGE", "IPK.LINCRBY l 99 1");
	ck_says(b, "OK", "IPK.LSORT l NUMBER DESC");
	ck_says(b, "[12 3 3 2 1.5 1]", "LRANGE l 0 -1");
	ck_says(b, "OK", "IPK.LSORT l BYTES ASC");
	ck_says(b, "[1 1.5 12 2 3 3]", "LRANGE l 0 -1");
	ck_says(b, "7", "RPUSH l word");
	ck_says(b, "-VALUE item 6 is not a number", "IPK.LSORT l NUMBER ASC");
	ck_begins(b, "-VALUE", "IPK.LSORT l TYPED ASC");
	ck_says(b, "0", "IPK.LMAKE l 5 x");
	ck_says(b, "1", "DEL l");
	ck_says(b, "1", "IPK.LMAKE l 12001 x");
	ck_says(b, "12001", "LLEN l");
	ck_says(b, "12001", "IPK.LDELSLICE l - - 1");
	ck_says(b, "0", "EXISTS l");
	done_with(b);
}
END_TEST

START_TEST(strings_and_keys)
{
	struct ipk__backend *b = connect_to(_i);

	ck_says(b, "OK", "FLUSHALL");
	ck_says(b, "OK", "MSET k1 1 k2 2 k3 3");
	ck_says(b, "[1 nil 3]", "MGET k1 nothing k3");
	ck_says(b, "2", "EXISTS k1 k2 k4");
	ck_says(b, "5", "INCRBY k1 4");
	ck_says(b, "nil", "SET k1 7 NX");
	ck_says(b, "5", "SET k1 7 GET");
	ck_says(b, "7", "GETDEL k1");
	ck_says(b, "2", "DEL k2 k3 k4");
	ck_says(b, "1", "RPUSH l x");
	ck_begins(b, "-WRONGTYPE Operation against a key holding the wrong kind of value",
		  "IPK.HPOP l x");
	ck_assert_ptr_null(strstr(ask(b, "IPK.HPOP l x"), "script"));
	ck_says(b, "[l]", "KEYS *");
	ck_says(b, "1", "IPK.NEW LOCK lock");
	ck_says(b, "ipk.lock", "TYPE lock");
	ck_begins(b, "-WRONGTYPE", "HGET lock f");
	ck_begins(b, "-WRONGTYPE", "LLEN lock");
	ck_begins(b, "-NOKEY", "IPK.ESET nothing");
	ck_begins(b, "-WRONGTYPE", "IPK.ESET lock");
	ck_says(b, "1", "DEL lock");
	ck_begins(b, "-NOKEY", "IPK.HELD lock me");
	done_with(b);
}
END_TEST

/* Each key once, over all nodes, and none of the helpers'. */
START_TEST(scan_finds_all)
{
	struct ipk__backend *b = connect_to(_i);
	bool seen[200] = {false};
	char cursor[32] = "0";
	int n = 0;

	ck_says(b, "OK", "FLUSHALL");
	for (int i = 0; i < 200; i++)
		ck_says(b, "1", "INCR key%d", i);
	do {
		const char *said = ask(b, "SCAN %s COUNT 50", cursor);

		ck_assert_int_eq(sscanf(said, "[%31s", cursor), 1);
		for (said = strstr(said, "key"); said; said = strstr(said + 1, "key")) {
			int i = atoi(said + 3);

			ck_assert(!seen[i]);
			seen[i] = true;
			n++;
		}
	} while (strcmp(cursor, "0") != 0);
	ck_assert_int_eq(n, 200);
	done_with(b);
}
END_TEST

/* Names that can be no hash tag themselves still have their helpers in their slot. */
START_TEST(odd_names)
{
	static const char *const names[] = {"a}b", "{}x", "x{y}z", "{", "}{", "{{}", "''"};
	struct ipk__backend *b = connect_to(_i);

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		ask(b, "DEL %s", names[i]);
		ck_says(b, "2", "RPUSH %s one two", names[i]);
		ck_says(b, "3", "IPK.LINSERT %s 1 x", names[i]);
		ck_says(b, "1", "DEL %s", names[i]);
		ck_says(b, "1", "IPK.NEW RLOCK %s", names[i]);
		ck_says(b, "1", "IPK.ACQUIRE %s me 0", names[i]);
		ck_says(b, "OK", "IPK.RELEASE %s me", names[i]);
		ck_says(b, "1", "DEL %s", names[i]);
	}
	done_with(b);
}
END_TEST

START_TEST(batches)
{
	enum { N = 150 };
	struct ipk__backend *b = connect_to(_i);
	struct ipk__slice argv[N][3];
	struct ipk__response replies[N];
	struct ipk__call calls[N];
	char keys[N][16];

	ask(b, "FLUSHALL");
	for (int i = 0; i < N; i++) {
		snprintf(keys[i], sizeof keys[i], "b%d", i % 10);
		argv[i][0] = IPK__SLICE_OF("RPUSH");
		argv[i][1] = ipk__slice_of_string(keys[i]);
		argv[i][2] = IPK__SLICE_OF("x");
		ipk__response_init(&replies[i]);
		calls[i] = (struct ipk__call){.argv = argv[i], .argc = 3, .reply = &replies[i]};
	}
	ck_ok(b->ops->call_many(b, calls, N, ipk_in_ms(WAIT_MS)));
	for (int i = 0; i < N; i++) {
		ck_assert_int_eq(atoi(shown_reply(&replies[i])), i / 10 + 1);
		ipk__response_fini(&replies[i]);
	}
	done_with(b);
}
END_TEST

/* --- transactions ----------------------------------------------------------------------------- */

static int exec_two(struct ipk__backend *b, const char *key, char out[2][64])
{
	struct ipk__slice one[4] = {IPK__SLICE_OF("HINCRBY"), ipk__slice_of_string(key),
				    IPK__SLICE_OF("f"), IPK__SLICE_OF("1")};
	struct ipk__slice two[3] = {IPK__SLICE_OF("HGET"), ipk__slice_of_string(key),
				    IPK__SLICE_OF("f")};
	struct ipk__response replies[2];
	struct ipk__call calls[2] = {
		{.argv = one, .argc = 4, .reply = &replies[0]},
		{.argv = two, .argc = 3, .flags = IPK__CALL_READ, .reply = &replies[1]}};
	int r;

	ipk__response_init(&replies[0]);
	ipk__response_init(&replies[1]);
	r = b->ops->exec(b, calls, 2, ipk_in_ms(WAIT_MS));
	for (int i = 0; i < 2 && r == 0; i++)
		strcpy(out[i], shown_reply(&replies[i]));
	ipk__response_fini(&replies[0]);
	ipk__response_fini(&replies[1]);
	return r;
}

START_TEST(transactions)
{
	struct ipk__backend *b = connect_to(_i), *other = connect_to(_i);
	struct ipk__slice keys[2] = {IPK__SLICE_OF("{t}1"), IPK__SLICE_OF("{t}2")};
	char out[2][64];

	ask(b, "DEL {t}1");
	ck_ok(b->ops->watch_keys(b, keys, 2, ipk_in_ms(WAIT_MS)));
	ck_ok(exec_two(b, "{t}1", out));
	ck_assert_str_eq(out[0], "1");
	ck_assert_str_eq(out[1], "1");
	ck_ok(b->ops->watch_keys(b, keys, 2, ipk_in_ms(WAIT_MS)));
	ck_says(other, "5", "HINCRBY {t}1 f 4");
	ck_err(exec_two(b, "{t}1", out), -ECANCELED);
	ck_says(b, "5", "HGET {t}1 f");
	ck_ok(b->ops->watch_keys(b, keys, 2, ipk_in_ms(WAIT_MS)));
	b->ops->unwatch(b);
	ck_ok(b->ops->watch_keys(b, NULL, 0, ipk_in_ms(WAIT_MS)));
	ck_ok(exec_two(b, "{t}1", out));
	ck_assert_str_eq(out[1], "6");
	if (_i == 1) {
		keys[1] = IPK__SLICE_OF("{other}2");
		ck_err(b->ops->watch_keys(b, keys, 2, ipk_in_ms(WAIT_MS)), -EXDEV);
	}
	done_with(b);
	done_with(other);
}
END_TEST

/* --- what one waits for ----------------------------------------------------------------------- */

struct asker {
	pthread_t thread;
	struct ipk__backend *b;
	char words[128];
	char said[256];
};

static void *ask_there(void *arg)
{
	struct asker *a = arg;
	struct ipk__slice argv[40];
	struct ipk__response reply;
	struct ipk__call call = {.argv = argv, .flags = IPK__CALL_WAITS, .reply = &reply};
	size_t at = 0;
	char text[128];
	int r;

	strcpy(text, a->words);
	call.argc = split(text, argv);
	ipk__response_init(&reply);
	r = a->b->ops->call(a->b, &call, ipk_in_ms(WAIT_MS));
	if (r < 0)
		snprintf(a->said, sizeof a->said, "!%s", ipk_errname(r));
	else
		show(reply.whole, &at, a->said, sizeof a->said);
	ipk__response_fini(&reply);
	return NULL;
}

static void ask_beside(struct asker *a, struct ipk__backend *b, const char *words)
{
	a->b = b;
	strcpy(a->words, words);
	ck_assert_int_eq(pthread_create(&a->thread, NULL, ask_there, a), 0);
}

static const char *said_beside(struct asker *a)
{
	pthread_join(a->thread, NULL);
	return a->said;
}

struct place {
	struct ipk__backend *b;
	const char *key;
	const char *role;
	int n;
};

static bool are_waiting(void *arg)
{
	struct place *p = arg;
	char want[16];

	snprintf(want, sizeof want, "%d", p->n);
	return strcmp(ask(p->b, "ZCARD {%s}:ipk.q:%s", p->key, p->role), want) == 0;
}

static void await_waiters(struct ipk__backend *b, const char *key, const char *role, int n)
{
	struct place p = {b, key, role, n};

	ck_assert(wait_until(are_waiting, &p, WAIT_MS));
}

START_TEST(locks)
{
	struct ipk__backend *b = connect_to(_i);
	struct asker other;

	ask(b, "DEL lk");
	ck_says(b, "1", "IPK.NEW LOCK lk");
	ck_says(b, "0", "IPK.NEW LOCK lk");
	ck_begins(b, "-EXISTS", "IPK.NEW EVENT lk");
	ck_says(b, "1", "IPK.ACQUIRE lk t1 0");
	ck_says(b, "0", "IPK.ACQUIRE lk t2 0");
	ck_says(b, "0", "IPK.ACQUIRE lk t2 30");
	ck_says(b, "1", "IPK.HELD lk t1");
	ck_says(b, "0", "IPK.HELD lk t2");
	ck_begins(b, "-NOTOWNER", "IPK.RELEASE lk t2");
	ask_beside(&other, b, "IPK.ACQUIRE lk t2 -1");
	await_waiters(b, "lk", "a", 1);
	ck_says(b, "OK", "IPK.RELEASE lk t1");
	ck_assert_str_eq(said_beside(&other), "1");
	ck_says(b, "1", "IPK.HELD lk t2");
	ck_says(b, "2", "IPK.FENCE lk");
	ck_says(b, "OK", "IPK.RELEASE lk t2");
	ck_says(b, "1", "DEL lk");
	ck_says(b, "1", "IPK.NEW RLOCK lk");
	ck_says(b, "1", "IPK.ACQUIRE lk t1 0");
	ck_says(b, "1", "IPK.ACQUIRE lk t1 0");
	ck_says(b, "2", "IPK.HELD lk t1");
	ck_says(b, "OK", "IPK.RELEASE lk t1");
	ck_says(b, "0", "IPK.ACQUIRE lk t2 0");
	ck_says(b, "OK", "IPK.RELEASE lk t1");
	ck_says(b, "1", "IPK.ACQUIRE lk t2 0");
	done_with(b); /* releases it */
	b = connect_to(_i);
	ck_says(b, "1", "IPK.ACQUIRE lk t3 0");
	done_with(b);
}
END_TEST

/* Refused in the words of our own server. */
START_TEST(refusals)
{
	struct ipk__backend *b = connect_to(_i);

	ask(b, "FLUSHALL");
	ck_says(b, "1", "IPK.NEW SEMAPHORE s 2");
	ck_begins(b, "-EXISTS", "IPK.NEW SEMAPHORE s 3");
	ck_begins(b, "-EXISTS", "IPK.NEW BOUNDEDSEMAPHORE s 2");
	ck_begins(b, "-VALUE", "IPK.NEW SEMAPHORE t -1");
	ck_begins(b, "-VALUE", "IPK.NEW BARRIER t 0");
	ck_begins(b, "-WRONGTYPE", "IPK.NEW CONDITION t s");
	ck_begins(b, "-ERR", "IPK.NEW LOCK");
	ck_begins(b, "-ERR", "IPK.NEW LOCK k 1");
	ck_begins(b, "-ERR", "IPK.NEW THING k");
	ck_begins(b, "-NOKEY", "IPK.ACQUIRE none me 0");
	ck_begins(b, "-ERR", "IPK.ACQUIRE s me -2");
	ck_begins(b, "-ERR", "IPK.ACQUIRE s me soon");
	ck_begins(b, "-VALUE", "IPK.RELEASE s me 0");
	ck_says(b, "1", "IPK.NEW QUEUE q 0 FIFO");
	ck_says(b, "1", "IPK.QPUT q 0 0 x");
	ck_says(b, "[1 0 0 0 FIFO 0]", "IPK.QINFO q");
	ck_begins(b, "-VALUE", "IPK.QGET q 0 COUNT 0");
	ck_begins(b, "-ERR", "IPK.QGET q 0 MANY 2");
	ck_begins(b, "-VALUE", "IPK.QDONE q");
	/* What would leave its mark on a connection that others use. */
	ck_begins(b, "-UNSUPPORTED", "MULTI");
	ck_begins(b, "-UNSUPPORTED", "subscribe x");
	ck_begins(b, "-UNSUPPORTED", "CLIENT REPLY OFF");
	ck_begins(b, "-UNSUPPORTED", "SELECT 1");
	done_with(b);
}
END_TEST

START_TEST(semaphores)
{
	struct ipk__backend *b = connect_to(_i);
	struct asker other;

	ask(b, "DEL sm bs");
	ck_says(b, "1", "IPK.NEW SEMAPHORE sm 2");
	ck_says(b, "1", "IPK.ACQUIRE sm me 0");
	ck_says(b, "1", "IPK.ACQUIRE sm me 0");
	ask_beside(&other, b, "IPK.ACQUIRE sm other -1");
	await_waiters(b, "sm", "a", 1);
	ck_says(b, "OK", "IPK.RELEASE sm me 2");
	ck_assert_str_eq(said_beside(&other), "1");
	ck_says(b, "OK", "IPK.RELEASE sm me");
	ck_says(b, "1", "IPK.HELD sm other");
	ck_says(b, "1", "IPK.NEW BOUNDEDSEMAPHORE bs 1");
	ck_says(b, "-VALUE semaphore released too many times", "IPK.RELEASE bs me");
	done_with(b);
}
END_TEST

START_TEST(events)
{
	struct ipk__backend *b = connect_to(_i);
	struct asker others[3];

	ask(b, "DEL ev");
	ck_says(b, "1", "IPK.NEW EVENT ev");
	ck_says(b, "0", "IPK.EWAIT ev 20");
	for (int i = 0; i < 3; i++)
		ask_beside(&others[i], b, "IPK.EWAIT ev -1");
	await_waiters(b, "ev", "e", 3);
	ck_says(b, "OK", "IPK.ESET ev");
	ck_says(b, "OK", "IPK.ECLEAR ev"); /* those who waited are through nevertheless */
	for (int i = 0; i < 3; i++)
		ck_assert_str_eq(said_beside(&others[i]), "1");
	ck_says(b, "0", "IPK.EISSET ev");
	done_with(b);
}
END_TEST

/* In the cluster the condition and its lock lie on two nodes. */
START_TEST(conditions)
{
	struct ipk__backend *b = connect_to(_i);
	struct asker others[2];

	ask(b, "DEL cond cl");
	ck_begins(b, "-NOKEY", "IPK.NEW CONDITION cond cl");
	ck_says(b, "1", "IPK.NEW RLOCK cl");
	ck_says(b, "1", "IPK.NEW CONDITION cond cl");
	ck_begins(b, "-NOTOWNER", "IPK.CWAIT cond a 10");
	ck_begins(b, "-NOTOWNER", "IPK.CNOTIFY cond a 1");
	ck_says(b, "1", "IPK.ACQUIRE cl a 0");
	ck_says(b, "1", "IPK.ACQUIRE cl a 0");
	ck_says(b, "0", "IPK.CWAIT cond a 20");
	ck_says(b, "2", "IPK.HELD cl a");
	ask_beside(&others[0], b, "IPK.CWAIT cond a -1");
	await_waiters(b, "cond", "c", 1);
	ck_says(b, "1", "IPK.ACQUIRE cl b 5000");
	ask_beside(&others[1], b, "IPK.CWAIT cond b -1");
	await_waiters(b, "cond", "c", 2);
	ck_says(b, "1", "IPK.ACQUIRE cl c 5000");
	ck_says(b, "1", "IPK.CNOTIFY cond c 1");
	ck_says(b, "1", "IPK.CNOTIFY cond c -1");
	ck_says(b, "OK", "IPK.RELEASE cl c");
	/* One of them has the lock, the other waits for it. */
	for (int i = 0; i < 2; i++) {
		const char *first = strcmp(ask(b, "IPK.HELD cl a"), "0") != 0 ? "a" : "b";

		if (i == 0 && first[0] == 'b' && strcmp(ask(b, "IPK.HELD cl b"), "1") != 0) {
			i--;
			continue;
		}
		ck_assert_str_eq(said_beside(&others[first[0] == 'b']), "1");
		ck_says(b, "OK", "IPK.RELEASE cl %s", first);
		if (first[0] == 'a')
			ck_says(b, "OK", "IPK.RELEASE cl a");
		if (i == 0) {
			ck_assert_str_eq(said_beside(&others[first[0] != 'b']), "1");
			break;
		}
	}
	done_with(b);
}
END_TEST

START_TEST(barriers)
{
	struct ipk__backend *b = connect_to(_i);
	struct asker others[2];
	int sum = 0;

	ask(b, "DEL ba");
	ck_says(b, "1", "IPK.NEW BARRIER ba 3");
	for (int round = 0; round < 2; round++) {
		ask_beside(&others[0], b, "IPK.BWAIT ba a -1");
		ask_beside(&others[1], b, "IPK.BWAIT ba b -1");
		await_waiters(b, "ba", "b", 2);
		ck_says(b, "[3 2 0]", "IPK.BINFO ba");
		ck_says(b, "2", "IPK.BWAIT ba c -1");
		sum += atoi(said_beside(&others[0])) + atoi(said_beside(&others[1]));
	}
	ck_assert_int_eq(sum, 2);
	ask_beside(&others[0], b, "IPK.BWAIT ba a -1");
	await_waiters(b, "ba", "b", 1);
	ck_begins(b, "-BROKEN", "IPK.BWAIT ba b 20");
	ck_assert(strncmp(said_beside(&others[0]), "-BROKEN", 7) == 0);
	ck_begins(b, "-BROKEN", "IPK.BWAIT ba b 0");
	ck_says(b, "OK", "IPK.BRESET ba");
	ck_says(b, "[3 0 0]", "IPK.BINFO ba");
	done_with(b);
}
END_TEST

START_TEST(queues)
{
	struct ipk__backend *b = connect_to(_i);
	struct asker other;

	ask(b, "DEL q lq pq");
	ck_says(b, "1", "IPK.NEW QUEUE q 2 FIFO JOINABLE");
	ck_says(b, "2", "IPK.QPUT q 0 0 a b c");
	ck_says(b, "0", "IPK.QPUT q 0 0 c");
	ask_beside(&other, b, "IPK.QPUT q -1 0 c d");
	await_waiters(b, "q", "p", 1);
	ck_says(b, "[2 2 2 0 FIFO 1]", "IPK.QINFO q");
	ck_says(b, "[a b]", "IPK.QGET q 0 COUNT 5");
	ck_assert_str_eq(said_beside(&other), "2");
	ck_says(b, "c", "IPK.QGET q 0");
	ck_says(b, "d", "IPK.QGET q 0");
	ck_says(b, "nil", "IPK.QGET q 20");
	ck_says(b, "0", "IPK.QJOIN q 20");
	ck_says(b, "OK", "IPK.QDONE q 3");
	ask_beside(&other, b, "IPK.QJOIN q -1");
	await_waiters(b, "q", "j", 1);
	ck_says(b, "OK", "IPK.QDONE q");
	ck_assert_str_eq(said_beside(&other), "1");
	ck_begins(b, "-VALUE task_done() called too many times", "IPK.QDONE q");
	ask_beside(&other, b, "IPK.QGET q -1");
	await_waiters(b, "q", "g", 1);
	ck_says(b, "1", "IPK.QPUT q 0 0 last");
	ck_assert_str_eq(said_beside(&other), "last");
	ask_beside(&other, b, "IPK.QGET q -1");
	await_waiters(b, "q", "g", 1);
	ck_says(b, "OK", "IPK.QSHUTDOWN q");
	ck_assert(strncmp(said_beside(&other), "-SHUTDOWN", 9) == 0);
	ck_begins(b, "-SHUTDOWN", "IPK.QPUT q 0 0 x");
	ck_says(b, "1", "IPK.NEW QUEUE lq 0 LIFO");
	ck_says(b, "3", "IPK.QPUT lq 0 0 a b c");
	ck_says(b, "[c b a]", "IPK.QGET lq 0 COUNT 9");
	ck_says(b, "1", "IPK.NEW QUEUE pq 0 PRIORITY");
	ck_says(b, "1", "IPK.QPUT pq 0 5 five");
	ck_says(b, "2", "IPK.QPUT pq 0 -3 less least");
	ck_says(b, "1", "IPK.QPUT pq 0 9007199254740993 most");
	ck_says(b, "1", "IPK.QPUT pq 0 9007199254740992 more");
	ck_says(b, "[less least five more most]", "IPK.QGET pq 0 COUNT 9");
	done_with(b);
}
END_TEST

/* --- the handles of ipk/manager.h, as over our own server ------------------------------------- */

static void check_handles(int which, void (*check)(ipk_manager *m))
{
	IPK_AUTO(manager, m);

	ck_ok(ipk_manager_connect(fixture.addresses[which], NULL, SOON, &m));
	ck_ok(ipk_manager_flush(m, SOON));
	check(m);
}

#define HANDLES(name)                            \
	START_TEST(handles_##name)               \
	{                                        \
		check_handles(_i, check_##name); \
	}                                        \
	END_TEST

HANDLES(dict)
HANDLES(dict_iteration)
HANDLES(list)
HANDLES(list_iteration)
HANDLES(typed)
HANDLES(nested)
HANDLES(values)
HANDLES(array)
HANDLES(queue)
HANDLES(locks)
HANDLES(batch)
HANDLES(transact)
HANDLES(whole)

/* --- leases ----------------------------------------------------------------------------------- */

struct holder {
	int which;
	struct gate has_it;
	void *item;
};

static int hold_all(void *arg)
{
	struct holder *h = arg;
	struct ipk__backend *b = connect_with(h->which, 600);

	ck_says(b, "1", "IPK.ACQUIRE lease-l me 0");
	ck_says(b, "1", "IPK.ACQUIRE lease-s me 0");
	ck_says(b, "one", "IPK.QGET lease-q 0");
	gate_open(&h->has_it);
	pause();
	return 0;
}

static bool both_are_back(void *b)
{
	return strcmp(ask(b, "IPK.QLEN lease-q"), "2") == 0;
}

START_TEST(a_killed_holder_loses_its_leases)
{
	struct holder h = {.which = _i};
	struct ipk__backend *b = connect_with(_i, 600);
	int64_t killed_ns;
	pid_t pid;

	ask(b, "DEL lease-l lease-s lease-q");
	ck_says(b, "1", "IPK.NEW LOCK lease-l");
	ck_says(b, "1", "IPK.NEW SEMAPHORE lease-s 1");
	ck_says(b, "1", "IPK.NEW QUEUE lease-q 0 FIFO JOINABLE");
	ck_says(b, "2", "IPK.QPUT lease-q 0 0 one two");
	gate_init(&h.has_it);
	pid = spawn(hold_all, &h);
	gate_wait(&h.has_it);
	/* Renewed: longer than one lease it is not to be had. */
	ck_says(b, "0", "IPK.ACQUIRE lease-l me 1000");
	kill_and_reap(pid);
	killed_ns = ipk__os_now_ns();
	ck_says(b, "1", "IPK.ACQUIRE lease-l me 10000");
	ck_assert_int_lt(ipk__os_now_ns() - killed_ns, (int64_t)5000 * 1000 * 1000);
	ck_says(b, "1", "IPK.ACQUIRE lease-s me 10000");
	/* It was taken after the others, so it may come back after them. */
	ck_assert(wait_until(both_are_back, b, WAIT_MS));
	ck_says(b, "[one two]", "IPK.QGET lease-q 0 COUNT 2");
	gate_fini(&h.has_it);
	done_with(b);
}
END_TEST

static int hold_and_come_back(void *arg)
{
	struct holder *h = arg;
	struct ipk__backend *b = connect_with(h->which, 300);

	ck_says(b, "1", "IPK.ACQUIRE stopped me 0");
	gate_open(&h->has_it);
	raise(SIGSTOP);
	ck_begins(b, "-OWNERDEAD", "IPK.RELEASE stopped me");
	ck_begins(b, "-NOTOWNER", "IPK.RELEASE stopped me");
	done_with(b);
	return 0;
}

/* The same of handles, of all that is held by a lease. */
static int hold_handles_and_come_back(void *arg)
{
	struct holder *h = arg;
	ipk_managed_semaphore *s = NULL;
	ipk_managed_queue *q = NULL;
	ipk_managed_lock *l = NULL;
	ipk_manager *m = NULL;
	size_t n;

	ck_ok(ipk_manager_connect(fixture.addresses[h->which], IPK_MANAGER_CONNECT(.lease_ms = 300),
				  SOON, &m));
	ck_ok(ipk_managed_lock_open(m, "stopped-l", NULL, SOON, &l));
	ck_ok(ipk_managed_semaphore_open(m, "stopped-s", NULL, SOON, &s));
	ck_ok(ipk_managed_queue_open(m, "stopped-q", NULL, SOON, &q));
	ck_ok(ipk_managed_lock_lock(l, SOON));
	ck_ok(ipk_managed_semaphore_acquire(s, SOON));
	ck_ok(ipk_managed_queue_get_alloc(q, SOON, &h->item, &n));
	free(h->item);
	gate_open(&h->has_it);
	raise(SIGSTOP);
	ck_err(ipk_managed_lock_unlock(l, SOON), -EOWNERDEAD);
	ck_err(ipk_managed_lock_unlock(l, SOON), -EPERM);
	ck_err(ipk_managed_semaphore_release(s, 1, SOON), -EOWNERDEAD);
	ck_err(ipk_managed_queue_task_done(q, 1, SOON), -EOWNERDEAD);
	ipk_managed_queue_close(q);
	ipk_managed_semaphore_close(s);
	ipk_managed_lock_close(l);
	ipk_manager_close(m);
	return 0;
}

START_TEST(a_stopped_holders_handles_tell)
{
	struct holder h = {.which = _i};
	struct ipk__backend *b = connect_to(_i);
	pid_t pid;

	ask(b, "DEL stopped-l stopped-s stopped-q");
	ck_says(b, "1", "IPK.NEW LOCK stopped-l");
	ck_says(b, "1", "IPK.NEW SEMAPHORE stopped-s 1");
	ck_says(b, "1", "IPK.NEW QUEUE stopped-q 0 FIFO JOINABLE");
	ck_says(b, "1", "IPK.QPUT stopped-q 0 0 one");
	gate_init(&h.has_it);
	pid = spawn(hold_handles_and_come_back, &h);
	gate_wait(&h.has_it);
	ck_says(b, "1", "IPK.ACQUIRE stopped-l me 10000");
	ck_says(b, "1", "IPK.ACQUIRE stopped-s me 10000");
	ck_says(b, "one", "IPK.QGET stopped-q 10000");
	kill(pid, SIGCONT);
	reap_ok(pid);
	ck_says(b, "OK", "IPK.RELEASE stopped-l me");
	ck_says(b, "OK", "IPK.RELEASE stopped-s me");
	ck_says(b, "1", "IPK.ACQUIRE stopped-s me 0");
	ck_says(b, "0", "IPK.ACQUIRE stopped-s me 0");
	ck_says(b, "OK", "IPK.QDONE stopped-q");
	ck_says(b, "1", "IPK.QJOIN stopped-q 0");
	gate_fini(&h.has_it);
	done_with(b);
}
END_TEST

START_TEST(a_stopped_holder_is_told)
{
	struct holder h = {.which = _i};
	struct ipk__backend *b = connect_to(_i);
	pid_t pid;

	ask(b, "DEL stopped");
	ck_says(b, "1", "IPK.NEW LOCK stopped");
	gate_init(&h.has_it);
	pid = spawn(hold_and_come_back, &h);
	gate_wait(&h.has_it);
	ck_says(b, "1", "IPK.ACQUIRE stopped me 10000");
	kill(pid, SIGCONT);
	reap_ok(pid);
	ck_says(b, "OK", "IPK.RELEASE stopped me");
	gate_fini(&h.has_it);
	done_with(b);
}
END_TEST

static int use_after_fork(void *arg)
{
	struct ipk__backend *b = arg;

	ck_says(b, "0", "IPK.HELD forked me");
	ck_says(b, "0", "IPK.ACQUIRE forked me 0");
	ck_says(b, "2", "HINCRBY forked-d f 1");
	done_with(b);
	return 0;
}

START_TEST(a_child_is_a_session_of_its_own)
{
	struct ipk__backend *b = connect_to(_i);

	ask(b, "DEL forked forked-d");
	ck_says(b, "1", "IPK.NEW RLOCK forked");
	ck_says(b, "1", "IPK.ACQUIRE forked me 0");
	ck_says(b, "1", "HINCRBY forked-d f 1");
	reap_ok(spawn(use_after_fork, b));
	ck_says(b, "3", "HINCRBY forked-d f 1");
	ck_says(b, "1", "IPK.HELD forked me");
	ck_says(b, "OK", "IPK.RELEASE forked me");
	done_with(b);
}
END_TEST

/* --- servers that come and go ----------------------------------------------------------------- */

static bool answers(void *arg)
{
	return strncmp(redis_fixture_ask(arg, "PING"), "+PONG", 5) == 0;
}

static const char *number(int n)
{
	static _Thread_local char buf[16];

	snprintf(buf, sizeof buf, "%d", n);
	return buf;
}

struct stream {
	struct ipk__backend *b;
	_Atomic int stop;
	_Atomic int n;
};

static void *count_on(void *arg)
{
	struct stream *s = arg;

	while (!s->stop) {
		s->n++;
		ck_says(s->b, number(s->n), "HINCRBY d f 1");
		ck_says(s->b, number(s->n), "RPUSH l %d", s->n);
	}
	return NULL;
}

/* A server of this test alone, which is killed under a stream of increments. */
START_TEST(each_request_once_over_kills)
{
	ipk_manager_connect_opts opts = {.struct_size = sizeof opts};
	struct redis_server mine = fixture.alone;
	struct stream s = {0};
	char address[64];
	pthread_t thread;

	snprintf(mine.dir, sizeof mine.dir, "%s/mine", fixture.dir); /* and goes with that */
	ck_assert_int_eq(mkdir(mine.dir, 0700), 0);
	mine.port = redis_fixture_free_port();
	redis_fixture_launch(&mine);
	ck_assert(wait_until(answers, &mine, WAIT_MS));
	snprintf(address, sizeof address, "redis://127.0.0.1:%d", mine.port);
	ck_ok(ipk__redis_connect(address, &opts, ipk_in_ms(WAIT_MS), &s.b));
	ck_assert_int_eq(pthread_create(&thread, NULL, count_on, &s), 0);
	for (int i = 0; i < 5; i++) {
		int before = s.n;

		kill(mine.pid, SIGKILL);
		ck_assert_int_eq(waitpid(mine.pid, NULL, 0), mine.pid);
		redis_fixture_launch(&mine);
		ck_assert(wait_until(answers, &mine, WAIT_MS));
		while (s.n < before + 50)
			ipk__os_poll(NULL, 0, ipk_in_ms(1));
	}
	s.stop = 1;
	pthread_join(thread, NULL);
	ck_says(s.b, number(s.n), "LLEN l");
	kill_and_reap(mine.pid);
	ck_assert_str_eq(ask_until(s.b, ipk_in_ms(300), "HGET d f"), "!ETIMEDOUT");
	done_with(s.b);
}
END_TEST

static bool is_dead(void *arg)
{
	return !ipk__os_pid_exists(*(pid_t *)arg);
}

/* Last: the node that comes again ends with this test. */
START_TEST(a_killed_node_comes_again)
{
	struct ipk__backend *b = connect_to(1);
	struct redis_server node = fixture.nodes[0];
	struct asker others[2];

	/* "bar" is in slot 5061, on the first node; "foo" is not. */
	ask(b, "DEL bar foo");
	ck_says(b, "1", "HINCRBY bar f 1");
	kill(node.pid, SIGKILL);
	ck_assert(wait_until(is_dead, &node.pid, WAIT_MS));
	ask_beside(&others[0], b, "HINCRBY bar f 1");
	ask_beside(&others[1], b, "IPK.HSETDEFAULT bar g 1");
	ck_says(b, "1", "HINCRBY foo f 1");
	redis_fixture_launch(&node);
	ck_assert_str_eq(said_beside(&others[0]), "2");
	ck_assert_str_eq(said_beside(&others[1]), "1");
	ck_says(b, "2", "HGET bar f");
	done_with(b);
	kill_and_reap(node.pid);
}
END_TEST

enum { THREADS = 6, ROUNDS = 40 };

static void *add_under_lock(void *arg)
{
	struct asker *a = arg;

	for (int i = 0; i < ROUNDS; i++) {
		int n;

		ck_says(a->b, "1", "IPK.ACQUIRE shared-l %s 10000", a->words);
		n = atoi(ask(a->b, "HGET shared-d n"));
		ask(a->b, "HSET shared-d n %d", n + 1);
		ck_says(a->b, "OK", "IPK.RELEASE shared-l %s", a->words);
	}
	return NULL;
}

static int add_with_threads(void *arg)
{
	struct asker askers[THREADS];

	for (int i = 0; i < THREADS; i++) {
		askers[i].b = arg;
		snprintf(askers[i].words, sizeof askers[i].words, "thread%d", i);
		ck_assert_int_eq(
			pthread_create(&askers[i].thread, NULL, add_under_lock, &askers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(askers[i].thread, NULL);
	return 0;
}

static int add_in_child(void *arg)
{
	struct ipk__backend *b = arg;
	int r = add_with_threads(b);

	done_with(b);
	return r;
}

START_TEST(threads_of_two_processes)
{
	struct ipk__backend *b = connect_to(_i);
	pid_t pid;

	ask(b, "DEL shared-l shared-d");
	ck_says(b, "1", "IPK.NEW LOCK shared-l");
	pid = spawn(add_in_child, b);
	add_with_threads(b);
	reap_ok(pid);
	ck_says(b, number(2 * THREADS * ROUNDS), "HGET shared-d n");
	done_with(b);
}
END_TEST

/* A server that stands still: the deadline holds. */
START_TEST(a_stopped_server_costs_the_deadline_only)
{
	struct ipk__backend *b = connect_to(0);
	int64_t before;
	char said[4][32];

	ck_says(b, "OK", "SET k v");
	ask(b, "DEL sl sq");
	ck_says(b, "1", "IPK.NEW LOCK sl");
	ck_says(b, "1", "IPK.ACQUIRE sl me 0");
	ck_says(b, "1", "IPK.NEW QUEUE sq 0 FIFO");
	ck_says(b, "2", "IPK.QPUT sq 0 0 first second");
	kill(fixture.alone.pid, SIGSTOP);
	before = ipk__os_now_ns();
	strcpy(said[0], ask_until(b, ipk_in_ms(100), "GET k"));
	strcpy(said[1], ask_until(b, ipk_in_ms(100), "SET k w"));
	strcpy(said[2], ask_until(b, ipk_in_ms(100), "IPK.ACQUIRE sl you 50"));
	strcpy(said[3], ask_until(b, ipk_in_ms(100), "IPK.QGET sq 50"));
	before = ipk__os_now_ns() - before;
	kill(fixture.alone.pid, SIGCONT);
	ck_assert_str_eq(said[0], "!ETIMEDOUT");
	ck_assert_str_eq(said[1], "!EINPROGRESS");
	ck_assert_str_eq(said[2], "!ETIMEDOUT");
	ck_assert_str_eq(said[3], "!ETIMEDOUT");
	ck_assert_int_lt(before, (int64_t)5000 * 1000 * 1000);
	ck_says(b, "OK", "IPK.RELEASE sl me");
	/* Nothing that the late get took is lost. */
	ck_says(b, "first", "IPK.QGET sq 0");
	ck_says(b, "second", "IPK.QGET sq 0");
	done_with(b);
}
END_TEST

/* Slots that are elsewhere than the client believes, and one that is on its way. */
START_TEST(slots_move)
{
	struct ipk__backend *b = connect_to(1);
	struct ipk__slice key = IPK__SLICE_OF("mover");
	int slot = ipk__redis_slot(key);
	struct redis_server *from = &fixture.nodes[slot / 5461 < 3 ? slot / 5461 : 2], *to;
	char id_from[64], id_to[64];
	struct asker other;
	char words[160];
	const char *said;

	to = &fixture.nodes[from == &fixture.nodes[0] ? 1 : 0];
	sscanf(redis_fixture_ask(from, "CLUSTER MYID"), "$40\r\n%63s", id_from);
	sscanf(redis_fixture_ask(to, "CLUSTER MYID"), "$40\r\n%63s", id_to);
	ask(b, "DEL mover");
	snprintf(words, sizeof words, "CLUSTER SETSLOT %d IMPORTING %s", slot, id_from);
	ck_assert_str_eq(redis_fixture_ask(to, words), "+OK\r\n");
	snprintf(words, sizeof words, "CLUSTER SETSLOT %d MIGRATING %s", slot, id_to);
	ck_assert_str_eq(redis_fixture_ask(from, words), "+OK\r\n");
	/* Asked at the old place, done at the new one (ASK); what is a script waits. */
	ck_says(b, "1", "HSET mover g x");
	ck_says(b, "x", "HGET mover g");
	/* It is refused there again and again; the deadline may pass while a node has it. */
	said = ask_until(b, ipk_in_ms(200), "HINCRBY mover f 1");
	ck_assert_msg(strcmp(said, "!ETIMEDOUT") == 0 || strcmp(said, "!EINPROGRESS") == 0, "%s",
		      said);
	ask_beside(&other, b, "HINCRBY mover f 1");
	for (int i = 0; i < REDIS_NODES; i++) {
		snprintf(words, sizeof words, "CLUSTER SETSLOT %d NODE %s", slot, id_to);
		if (&fixture.nodes[i] == to)
			ck_assert_str_eq(redis_fixture_ask(to, words), "+OK\r\n");
	}
	/* It has keys there that remember requests, until it hears that the slot is another's. */
	for (ipk_deadline end = ipk_in_ms(WAIT_MS);
	     strcmp(redis_fixture_ask(from, words), "+OK\r\n") != 0;) {
		ck_assert_int_gt(ipk_deadline_left_ns(end), 0);
		ipk__os_poll(NULL, 0, ipk_in_ms(5));
	}
	/* MOVED */
	ck_assert_str_eq(said_beside(&other), "1");
	ck_says(b, "2", "HINCRBY mover f 1");
	ck_says(b, "2", "IPK.HSETDEFAULT mover f 7");
	ck_says(b, "1", "DEL mover");
	done_with(b);
}
END_TEST

/* --- change notification ---------------------------------------------------------------------- */

START_TEST(watches)
{
	struct ipk__backend *b = connect_to(_i);
	struct ipk__slice key = IPK__SLICE_OF("watched"), field = IPK__SLICE_OF("f");
	struct ipk__backend_watch *all, *one;
	struct ipk__response what;

	ipk__response_init(&what);
	ask(b, "DEL watched");
	ck_ok(b->ops->watch_open(b, key, IPK__SLICE(NULL, 0), ipk_in_ms(WAIT_MS), &all));
	ck_ok(b->ops->watch_open(b, key, field, ipk_in_ms(WAIT_MS), &one));
	ck_err(b->ops->watch_next(all, ipk_in_ms(30), &what), -ETIMEDOUT);
	ck_says(b, "1", "HSET watched g 1");
	ck_ok(ipk__os_poll1(b->ops->watch_fd(all), IPK__OS_IN, ipk_in_ms(WAIT_MS), NULL));
	ck_ok(b->ops->watch_next(all, ipk_in_ms(WAIT_MS), &what));
	ck_assert_str_eq(shown_reply(&what), "nil");
	ck_err(b->ops->watch_next(one, ipk_in_ms(30), &what), -ETIMEDOUT);
	ck_says(b, "1", "HSET watched f 1");
	ck_ok(b->ops->watch_next(one, ipk_in_ms(WAIT_MS), &what));
	ck_assert_str_eq(shown_reply(&what), "f");
	ck_says(b, "1", "DEL watched");
	ck_ok(b->ops->watch_next(one, ipk_in_ms(WAIT_MS), &what));
	ipk__response_fini(&what);
	b->ops->watch_close(all);
	b->ops->watch_close(one);
	done_with(b);
}
END_TEST

/* --- connecting ------------------------------------------------------------------------------- */

START_TEST(refused_connections)
{
	ipk_manager_connect_opts opts = {.struct_size = sizeof opts};
	struct ipk__backend *b = NULL;
	char address[96];

	snprintf(address, sizeof address, "redis://127.0.0.1:%d", redis_fixture_free_port());
	ck_err(ipk__redis_connect(address, &opts, ipk_in_ms(WAIT_MS), &b), -ECONNREFUSED);
	snprintf(address, sizeof address, "redis://127.0.0.1:%d/99", fixture.alone.port);
	ck_err(ipk__redis_connect(address, &opts, ipk_in_ms(WAIT_MS), &b), -EINVAL);
	snprintf(address, sizeof address, "redis://u:wrong@127.0.0.1:%d", fixture.alone.port);
	ck_err(ipk__redis_connect(address, &opts, ipk_in_ms(WAIT_MS), &b), -EACCES);
	snprintf(address, sizeof address, "redis-cluster://127.0.0.1:%d", fixture.alone.port);
	ck_err(ipk__redis_connect(address, &opts, ipk_in_ms(WAIT_MS), &b), -EPROTONOSUPPORT);
	ck_assert_ptr_null(b);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("manager_redis");

	add_both(s, dicts);
	add_both(s, lists);
	add_both(s, strings_and_keys);
	add_both(s, scan_finds_all);
	add_both(s, odd_names);
	add_both(s, batches);
	add_both(s, transactions);
	add_both(s, locks);
	add_both(s, refusals);
	add_both(s, semaphores);
	add_both(s, events);
	add_both(s, conditions);
	add_both(s, barriers);
	add_both(s, queues);
	add_both(s, handles_dict);
	add_both(s, handles_dict_iteration);
	add_both(s, handles_list);
	add_both(s, handles_list_iteration);
	add_both(s, handles_typed);
	add_both(s, handles_nested);
	add_both(s, handles_values);
	add_both(s, handles_array);
	add_both(s, handles_queue);
	add_both(s, handles_locks);
	add_both(s, handles_batch);
	add_both(s, handles_transact);
	add_both(s, handles_whole);
	add_both(s, a_killed_holder_loses_its_leases);
	add_both(s, a_stopped_holder_is_told);
	add_both(s, a_stopped_holders_handles_tell);
#ifndef __SANITIZE_THREAD__ /* which takes a child's thread for one that its parent has */
	add_both(s, a_child_is_a_session_of_its_own);
#else
	(void)a_child_is_a_session_of_its_own;
#endif
	add_test(s, each_request_once_over_kills);
	add_test(s, a_stopped_server_costs_the_deadline_only);
	add_test(s, slots_move);
	add_both(s, threads_of_two_processes);
	add_both(s, watches);
	add_test(s, refused_connections);
	add_test(s, a_killed_node_comes_again);
	return s;
}

int main(void)
{
	int code;

	redis_fixture_start(&fixture);
	code = support_run(suite());
	redis_fixture_end(&fixture);
	return code;
}
