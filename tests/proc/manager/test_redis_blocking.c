/*
 * test_redis_blocking.c - clients that block on lists, at our server and at redis-server in
 * parallel: which client is served, with what, and what is left is the same on both sides, whatever
 * others push, pop, move and rename meanwhile; and the log agrees.
 *
 * After each step a separate client sends a request and waits for the reply: by then the effects of
 * the step have been sent.
 */
#include <stdio.h>
#include <string.h>

#include "redis_same.h"
#include "redis_commands.h"
#include "support/support.h"

enum { N_STEPS = 4000, N_WAITERS = 5 }; /* on the lines from 1 on; 0 does the rest */

static const char *const waits[] = {
	"BLPOP (j)+ 0",
	"BRPOP (j)+ 0",
	"BLMPOP 0 2 j j {LEFT|RIGHT} [COUNT 3]",
	"BLMOVE j j {LEFT|RIGHT} {LEFT|RIGHT} 0",
	"BRPOPLPUSH j j 0",
};

static const char *const deeds[] = {
	"RPUSH j (v)+",
	"LPUSH j v",
	"RPUSH j v",
	"LPOP j",
	"DEL j",
	"SET j v",
	"HSET j f v",
	"DEL l:0 l:1 l:2",
	"RENAME j j",
	"COPY j j REPLACE",
	"LMOVE j j LEFT RIGHT",
	"MULTI; RPUSH j v; LPUSH j v; EXEC",
	"MULTI; RPUSH j v v v; DEL j; EXEC",
	"MULTI; LPOP j; RPUSH j v; EXEC",
	"RPUSH other v; RENAME other j",
	"RPUSH other v v; COPY other j; DEL other",
};

static struct pair pair;
static struct chance dice;
static bool is_waiting[N_WAITERS + 1];
static char asked[N_WAITERS + 1][256];
static char last_deed[256];
static int n_served, n_refused;

/* The last steps, for a failure. */
enum { STEPS_SHOWN = 12 };
static char steps[STEPS_SHOWN][300];
static uint64_t n_steps;

static void note(int line, const char *what)
{
	snprintf(steps[n_steps++ % STEPS_SHOWN], sizeof(steps[0]), "%d: %s", line, what);
}

static void show_steps(void)
{
	uint64_t i = n_steps > STEPS_SHOWN ? n_steps - STEPS_SHOWN : 0;

	for (; i < n_steps; i++)
		fprintf(stderr, "    %s\n", steps[i % STEPS_SHOWN]);
}

static void ask(int line, const char *pattern, char *ret_text)
{
	static struct words w;
	size_t i, k, at = 0, n = 0;

	words_generate(&dice, pattern, WORDS_TAME, &w);
	ret_text[0] = 0;
	for (i = 0; i < w.n_commands; at += w.argc[i++]) {
		pair_ask(&pair, line, w.argv + at, w.argc[i]);
		for (k = 0; k < w.argc[i] && n < 200; k++)
			n += (size_t)snprintf(ret_text + n, 256 - n, "%.20s ",
					      shown(w.argv[at + k]));
	}
}

static void ck_same(int line, const char *what)
{
	size_t i;

	for (i = 0; i < pair.line[line].n_asked; i++) {
		struct ipk__slice redis = pair_reply(&pair, line, REDIS, i);
		struct ipk__slice ours = pair_reply(&pair, line, OURS, i);

		if (ipk__slice_equal(redis, ours))
			continue;
		show_steps();
		ck_abort_msg("%d: %s: redis: %s, ours: %s", line, what, shown(redis), shown(ours));
	}
	pair_forget(&pair, line);
}

/* Twice: replies of one turn of a server's loop go out in any order. */
static void ask_line_0(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		pair_askf(&pair, 0, "PING");
		pair_await(&pair, 0);
		pair_forget(&pair, 0);
	}
}

/* A client that one side has served is served by the other too, with the same reply. */
static void compare_served(void)
{
	bool served[SIDES];
	int i;

	ask_line_0();
	for (i = 1; i <= N_WAITERS; i++) {
		if (!is_waiting[i])
			continue;
		served[REDIS] = pair_receive(&pair, i, REDIS, 1, 0);
		served[OURS] = pair_receive(&pair, i, OURS, 1, served[REDIS] ? WAIT_MS : 0);
		if (served[REDIS] != served[OURS]) {
			int side = served[REDIS] ? REDIS : OURS;

			show_steps();
			ck_abort_msg("%d: %s: %s alone: %s", i, asked[i], side ? "ours" : "redis",
				     shown(pair_reply(&pair, i, side, 0)));
		}
		if (!served[REDIS])
			continue;
		note(i, "is served");
		n_refused += pair_reply(&pair, i, REDIS, 0).bytes[0] == '-';
		n_served += pair_reply(&pair, i, REDIS, 0).bytes[0] != '-';
		ck_same(i, asked[i]);
		is_waiting[i] = false;
	}
}

static void step(void)
{
	int i = 1 + (int)chance(&dice, N_WAITERS);

	if (chance(&dice, 3) == 0) {
		ask(0, deeds[chance(&dice, sizeof(deeds) / sizeof(*deeds))], last_deed);
		note(0, last_deed);
		pair_await(&pair, 0);
		ck_same(0, last_deed);
	} else if (!is_waiting[i]) {
		ask(i, waits[chance(&dice, sizeof(waits) / sizeof(*waits))], asked[i]);
		note(i, asked[i]);
		pair_send(&pair, i);
		is_waiting[i] = true;
	} else if (chance(&dice, 40) == 0) {
		note(i, "is gone");
		pair_drop(&pair, i);
		is_waiting[i] = false;
		ask_line_0();
	}
	compare_served();
}

START_TEST(who_waits_is_served_the_same)
{
	const char *seed = getenv("IPK_SEED");
	int i;

	dice.state = (seed ? strtoull(seed, NULL, 10) : 5) | 1;
	pair_start(&pair, true);
	for (i = 0; i < repeats(N_STEPS); i++)
		step();
	ck_assert_int_gt(n_served, repeats(N_STEPS) / 20);
	ck_assert_int_gt(n_refused, 0);
	same_keys(&pair);

	ours_stop(&pair);
	for (i = 0; i <= N_WAITERS; i++)
		pair_drop(&pair, i);
	ours_start(&pair);
	same_keys(&pair);
	ours_stop(&pair);
	redis_loads(&pair);
	same_keys(&pair);
	pair_stop(&pair);
}
END_TEST

/* Not waiting forever: the null of a timeout is that of Redis, in both protocols. */
START_TEST(times_out_the_same)
{
	int resp;

	pair_start(&pair, false);
	for (resp = 2; resp <= 3; resp++) {
		pair_askf(&pair, resp, resp == 3 ? "HELLO 3" : "HELLO 2");
		pair_await(&pair, resp);
		pair_forget(&pair, resp);
		pair_askf(&pair, resp, "BLPOP a b 0.01");
		pair_askf(&pair, resp, "BRPOP a 0.001");
		pair_askf(&pair, resp, "BLMPOP 0.02 2 a b LEFT");
		pair_askf(&pair, resp, "BLMOVE a b LEFT LEFT 0.01");
		pair_askf(&pair, resp, "BRPOPLPUSH a b 0.01");
		pair_askf(&pair, resp, "SET c 1 PX 1");
		pair_await(&pair, resp);
		ck_same(resp, "waiting for nothing");
	}
	pair_stop(&pair);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("redis_blocking");

	add_test(s, who_waits_is_served_the_same);
	add_test(s, times_out_the_same);
	return s;
}

PAIR_TEST_MAIN(suite)
