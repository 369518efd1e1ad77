/* redis_same.c - see redis_same.h. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "redis_same.h"
#include "redis_commands.h"
#include "server/server.h"
#include "support/support.h"

enum { BATCH = 300, LOOK_EVERY = 20, FLUSH_EVERY = 50, FLUSH_AT = 30, DIFFERENCES_MAX = 5 };
enum { HISTORY = 4096, HISTORY_SHOWN = 14 };

/* How replies are compared. */
enum how {
	SAME,   /* byte for byte */
	SORTED, /* the order of what is in it is open */
	PAIRS,  /* the same, two by two */
	CURSOR, /* a cursor, and what is sorted */
	FIELDS, /* a cursor, and pairs */
	SHAPE,  /* any of what is there: so many, of such types */
	NEAR,   /* a time: nearly */
};

static const struct spec {
	const char *pattern;
	enum how how;
	int wildness;
	int weight;
} specs[] = {
	/* keys */
	{"DBSIZE", SAME, WORDS_CUT, 1},
	{"KEYS p", SORTED, WORDS_CUT, 2},
	{"SCAN z [MATCH p] [TYPE y] COUNT 1000000", CURSOR, WORDS_CUT, 3},
	{"SCAN z [MATCH p] [TYPE y] [COUNT u] [MATCH]", SHAPE, WORDS_CUT, 1},
	{"TYPE k", SAME, WORDS_FREE, 1},
	{"EXISTS (k)+", SAME, WORDS_FREE, 1},
	{"TOUCH (k)+", SAME, WORDS_FREE, 1},
	{"DEL (k)+", SAME, WORDS_FREE, 2},
	{"UNLINK (k)+", SAME, WORDS_FREE, 1},
	{"RENAME k k", SAME, WORDS_FREE, 2},
	{"RENAMENX k k", SAME, WORDS_FREE, 2},
	{"COPY k k ({REPLACE|DB {0|1|i}})*", SAME, WORDS_CUT, 2},
	{"RANDOMKEY", SHAPE, WORDS_CUT, 1},
	{"EXPIRE k d ({NX|XX|GT|LT|v})*", SAME, WORDS_CUT, 3},
	{"PEXPIRE k D ({NX|XX|GT|LT})*", SAME, WORDS_CUT, 2},
	{"EXPIREAT k b ({NX|XX|GT|LT})*", SAME, WORDS_CUT, 2},
	{"PEXPIREAT k B ({NX|XX|GT|LT})*", SAME, WORDS_CUT, 2},
	{"TTL k", NEAR, WORDS_FREE, 1},
	{"PTTL k", NEAR, WORDS_FREE, 1},
	{"EXPIRETIME k", NEAR, WORDS_FREE, 1},
	{"PEXPIRETIME k", NEAR, WORDS_FREE, 1},
	{"PERSIST k", SAME, WORDS_FREE, 2},
	{"OBJECT {ENCODING|REFCOUNT|NOTHING} [o]", SAME, WORDS_TAME, 1},
	{"SET o v; OBJECT ENCODING o; OBJECT REFCOUNT o", SAME, WORDS_TAME, 1},
	{"DEL o; HSET o aa v bb v cc 1; OBJECT ENCODING o; OBJECT REFCOUNT o", SAME, WORDS_TAME, 1},
	{"DEL o; RPUSH o (v)+; OBJECT ENCODING o", SAME, WORDS_TAME, 1},
	{"FLUSHALL SYNC v", SAME, WORDS_TAME, 1},
	{"FLUSHDB NOW", SAME, WORDS_TAME, 1},
	/* strings */
	{"GET s", SAME, WORDS_FREE, 2},
	{"SET {s|n} v", SAME, WORDS_FREE, 3},
	{"SET n i", SAME, WORDS_FREE, 2},
	{"SET s v ({NX|XX|GET|KEEPTTL|EX t|PX T|EXAT a|PXAT A|PERSIST})*", SAME, WORDS_CUT, 6},
	{"SET o v; SET o v PXAT 1; EXISTS o", SAME, WORDS_TAME, 1},
	{"SET o v EXAT 1; GET o; SET o v PXAT 5 GET; STRLEN o", SAME, WORDS_TAME, 1},
	{"SETNX s v", SAME, WORDS_FREE, 2},
	{"SETEX s t v", SAME, WORDS_CUT, 1},
	{"PSETEX s T v", SAME, WORDS_CUT, 1},
	{"GETSET s v", SAME, WORDS_FREE, 1},
	{"GETDEL s", SAME, WORDS_FREE, 1},
	{"GETEX s ({PERSIST|EX t|PX T|EXAT b|PXAT B|KEEPTTL})*", SAME, WORDS_CUT, 4},
	{"MGET (k)+", SAME, WORDS_FREE, 2},
	{"MSET (s v)+", SAME, WORDS_FREE, 2},
	{"MSETNX (s v)+", SAME, WORDS_FREE, 3},
	{"INCR n", SAME, WORDS_FREE, 2},
	{"DECR n", SAME, WORDS_FREE, 2},
	{"INCRBY n i", SAME, WORDS_FREE, 2},
	{"DECRBY n i", SAME, WORDS_FREE, 2},
	{"INCRBYFLOAT n e", SAME, WORDS_FREE, 3},
	{"APPEND s v", SAME, WORDS_FREE, 2},
	{"STRLEN s", SAME, WORDS_FREE, 1},
	{"GETRANGE s i i", SAME, WORDS_FREE, 2},
	{"SUBSTR s i i", SAME, WORDS_FREE, 1},
	{"SETRANGE s x v", SAME, WORDS_CUT, 2},
	/* hashes */
	{"HSET h (f v)+", SAME, WORDS_FREE, 4},
	{"HSET h f i", SAME, WORDS_FREE, 2},
	{"HSETNX h f v", SAME, WORDS_FREE, 1},
	{"HMSET h (f v)+", SAME, WORDS_FREE, 1},
	{"HGET h f", SAME, WORDS_FREE, 2},
	{"HMGET h (f)+", SAME, WORDS_FREE, 1},
	{"HGETALL h", PAIRS, WORDS_FREE, 2},
	{"HDEL h (f)+", SAME, WORDS_FREE, 4},
	{"HLEN h", SAME, WORDS_FREE, 1},
	{"HSTRLEN h f", SAME, WORDS_FREE, 1},
	{"HEXISTS h f", SAME, WORDS_FREE, 1},
	{"HKEYS h", SORTED, WORDS_FREE, 1},
	{"HVALS h", SORTED, WORDS_FREE, 1},
	{"HINCRBY h f i", SAME, WORDS_FREE, 3},
	{"HINCRBYFLOAT h f e", SAME, WORDS_FREE, 3},
	{"HSCAN h z ({MATCH p|COUNT u|TYPE y|MATCH})* COUNT 100000", FIELDS, WORDS_CUT, 2},
	{"HSCAN h z ({MATCH p|COUNT u})*", SHAPE, WORDS_CUT, 1},
	{"HRANDFIELD h", SHAPE, WORDS_TAME, 1},
	{"HRANDFIELD h r [WITHVALUES]", SHAPE, WORDS_CUT, 2},
	{"HRANDFIELD h 1000 [WITHVALUES]", SORTED, WORDS_TAME, 1},
	{"HRANDFIELD h -9223372036854775808 [WITHVALUES]", SAME, WORDS_TAME, 1},
	/* lists */
	{"LPUSH l (v)+", SAME, WORDS_FREE, 4},
	{"RPUSH l (v)+", SAME, WORDS_FREE, 4},
	{"LPUSHX l (v)+", SAME, WORDS_FREE, 1},
	{"RPUSHX l (v)+", SAME, WORDS_FREE, 1},
	{"LPOP l [u]", SAME, WORDS_FREE, 3},
	{"RPOP l [u]", SAME, WORDS_FREE, 3},
	{"LRANGE l i i", SAME, WORDS_FREE, 3},
	{"LLEN l", SAME, WORDS_FREE, 1},
	{"LINDEX l i", SAME, WORDS_FREE, 2},
	{"LSET l i v", SAME, WORDS_FREE, 3},
	{"LINSERT l {BEFORE|AFTER|BESIDE} v v", SAME, WORDS_FREE, 4},
	{"LREM l i v", SAME, WORDS_FREE, 2},
	{"LTRIM l i i", SAME, WORDS_FREE, 1},
	{"LPOS l v ({RANK {r|u}|COUNT u|MAXLEN u})*", SAME, WORDS_CUT, 4},
	{"RPOPLPUSH l l", SAME, WORDS_FREE, 1},
	{"LMOVE l l {LEFT|RIGHT|UP} {LEFT|RIGHT}", SAME, WORDS_FREE, 4},
	{"LMPOP q {LEFT|RIGHT|UP} [COUNT m] [COUNT m]", SAME, WORDS_TAME, 4},
	/* never waiting: there is something in one of the lists, or it is no list at all */
	{"RPUSH l:1 (v)+; BLPOP (l)+ l:1 w", SAME, WORDS_TAME, 2},
	{"RPUSH l:2 (v)+; BRPOP (l)+ l:2 w", SAME, WORDS_TAME, 2},
	{"RPUSH l:3 (v)+; BRPOPLPUSH l:3 l w", SAME, WORDS_TAME, 2},
	{"RPUSH l:4 (v)+; BLMOVE l:4 l {LEFT|RIGHT|UP} {LEFT|RIGHT} w", SAME, WORDS_TAME, 3},
	{"RPUSH l:5 (v)+; BLMPOP w {1|2 l|3 l l|0|70|abc} l:5 {LEFT|RIGHT|UP} [COUNT m]", SAME,
	 WORDS_TAME, 3},
	/* inside a transaction there is no waiting */
	{"MULTI; {BLPOP (l)+ w|BRPOP (l)+ w|BRPOPLPUSH l l w}; EXEC", SAME, WORDS_TAME, 1},
	{"MULTI; BLMOVE l l {LEFT|RIGHT} {LEFT|RIGHT} w; EXEC", SAME, WORDS_TAME, 1},
	{"MULTI; BLMPOP w q {LEFT|RIGHT} [COUNT m]; EXEC", SAME, WORDS_TAME, 1},
};

enum { N_SPECS = sizeof(specs) / sizeof(*specs), NAMES_MAX = 256 };

/* --- what was asked, and how often it did something ------------------------------------------- */

static struct count {
	char name[48]; /* a command, or one with an option */
	int n_asked;
	int n_good; /* no error, and not null */
} counts[NAMES_MAX];

static struct count *count_of(const char *name)
{
	size_t i;

	for (i = 0; i < NAMES_MAX && counts[i].name[0]; i++)
		if (!strcmp(counts[i].name, name))
			return &counts[i];
	ck_assert_uint_lt(i, NAMES_MAX);
	snprintf(counts[i].name, sizeof(counts[i].name), "%s", name);
	return &counts[i];
}

static bool is_good(struct ipk__slice reply)
{
	return reply.bytes[0] != '-' && reply.bytes[0] != '_' && reply.bytes[1] != '-';
}

static void count(const struct ipk__slice *argv, size_t argc, struct ipk__slice reply)
{
	static const char *const options[] = {
		"NX",      "XX",   "GET",  "KEEPTTL", "EX",     "PX",    "EXAT",     "PXAT",
		"PERSIST", "GT",   "LT",   "REPLACE", "RANK",   "COUNT", "MAXLEN",   "WITHVALUES",
		"MATCH",   "TYPE", "LEFT", "RIGHT",   "BEFORE", "AFTER", "ENCODING", "REFCOUNT"};
	struct count *c;
	char name[48];
	size_t i, k, n;

	for (i = 0; i < argc; i++) {
		for (k = 0; i > 0 && k < sizeof(options) / sizeof(*options); k++)
			if (ipk__slice_is_word(argv[i], options[k]))
				break;
		if (i > 0 && k == sizeof(options) / sizeof(*options))
			continue;
		n = (size_t)snprintf(name, sizeof(name), "%.*s%s%s", (int)argv[0].n_bytes,
				     argv[0].bytes, i ? " " : "", i ? options[k] : "");
		while (n-- > 0)
			name[n] = name[n] >= 'a' && name[n] <= 'z' ? name[n] - 32 : name[n];
		c = count_of(name);
		c->n_asked++;
		c->n_good += is_good(reply);
	}
}

static const char *text_of(const struct ipk__slice *argv, size_t argc)
{
	static char text[1200];
	size_t i, n = 0;

	text[0] = 0;
	for (i = 0; i < argc && n + 300 < sizeof(text); i++)
		n += (size_t)snprintf(
			text + n, sizeof(text) - n, argv[i].n_bytes ? "%s " : "'%s' ",
			shown(IPK__SLICE(argv[i].bytes,
					 argv[i].n_bytes < 60 ? argv[i].n_bytes : 60)));
	return text;
}

/* What was done lately, as text. */
static char history[HISTORY][160];
static uint64_t n_history;

static void note_history(const struct ipk__slice *argv, size_t argc, struct ipk__slice reply)
{
	char *h = history[n_history++ % HISTORY];
	int n = snprintf(h, sizeof(history[0]), "%.110s-> ", text_of(argv, argc));

	snprintf(h + n, sizeof(history[0]) - (size_t)n, "%.40s", shown(reply));
}

static void show_history(const struct ipk__slice *argv, size_t argc)
{
	uint64_t i, n_shown = 0;
	size_t k;

	for (i = n_history; i > 0 && n_history - i < HISTORY - 1 && n_shown < HISTORY_SHOWN; i--) {
		const char *h = history[(i - 1) % HISTORY];
		bool is_about = argc == 1; /* EXEC: whatever was last */

		for (k = 1; k < argc; k++)
			is_about |= argv[k].n_bytes == 3 && argv[k].bytes[1] == ':' &&
				    strstr(h, shown(argv[k]));
		if (is_about && ++n_shown)
			fprintf(stderr, "    before: %s\n", h);
	}
}

/* --- comparing -------------------------------------------------------------------------------- */

enum { PARTS_MAX = 4096 };

static int compare_slices(const void *a, const void *b)
{
	const struct ipk__slice *x = a, *y = b;
	size_t n = x->n_bytes < y->n_bytes ? x->n_bytes : y->n_bytes;
	int r = memcmp(x->bytes, y->bytes, n);

	return r ? r : (x->n_bytes > y->n_bytes) - (x->n_bytes < y->n_bytes);
}

/* What is in an array, @step values a part. False: it is none. */
static bool split(struct ipk__slice reply, size_t step, struct ipk__slice *parts, size_t *ret_n)
{
	const char *line_end = memchr(reply.bytes, '\n', reply.n_bytes);
	size_t at, n = 0, i;

	if (!strchr("*%~", reply.bytes[0]) || !line_end || reply.bytes[1] == '-')
		return false;
	for (at = (size_t)(line_end - reply.bytes) + 1; at < reply.n_bytes; n++) {
		size_t from = at;

		ck_assert_uint_lt(n, PARTS_MAX);
		for (i = 0; i < step && at < reply.n_bytes; i++)
			at += reply_length(IPK__SLICE(reply.bytes + at, reply.n_bytes - at));
		parts[n] = IPK__SLICE(reply.bytes + from, at - from);
	}
	*ret_n = n;
	return true;
}

static bool same_sorted(struct ipk__slice a, struct ipk__slice b, size_t step)
{
	static struct ipk__slice x[PARTS_MAX], y[PARTS_MAX];
	size_t n, m, i;

	if (a.bytes[0] != b.bytes[0] || !split(a, step, x, &n) || !split(b, step, y, &m) || n != m)
		return false;
	qsort(x, n, sizeof(*x), compare_slices);
	qsort(y, n, sizeof(*y), compare_slices);
	for (i = 0; i < n; i++)
		if (!ipk__slice_equal(x[i], y[i]))
			return false;
	return true;
}

static bool same_cursor(struct ipk__slice a, struct ipk__slice b, size_t step)
{
	struct ipk__slice x[PARTS_MAX], y[PARTS_MAX];
	size_t n, m;

	return split(a, 1, x, &n) && split(b, 1, y, &m) && n == 2 && m == 2 &&
	       ipk__slice_equal(x[0], y[0]) && same_sorted(x[1], y[1], step);
}

/* The types, and of arrays how many. */
static bool same_shape(struct ipk__slice a, struct ipk__slice b)
{
	size_t i = 0, k = 0;

	while (i < a.n_bytes && k < b.n_bytes) {
		struct ipk__slice x = IPK__SLICE(a.bytes + i, a.n_bytes - i);
		struct ipk__slice y = IPK__SLICE(b.bytes + k, b.n_bytes - k);
		size_t n = strcspn(x.bytes, "\n") + 1;

		if (x.bytes[0] != y.bytes[0] || (x.bytes[1] == '-') != (y.bytes[1] == '-'))
			return false;
		if (strchr("*%~-", x.bytes[0])) {
			if (n != strcspn(y.bytes, "\n") + 1 || memcmp(x.bytes, y.bytes, n) != 0)
				return false;
			i += n;
			k += n;
		} else {
			i += reply_length(x);
			k += reply_length(y);
		}
	}
	return i == a.n_bytes && k == b.n_bytes;
}

static bool same_scan_shape(struct ipk__slice a, struct ipk__slice b)
{
	return a.bytes[0] == '*' && b.bytes[0] == '*';
}

static bool same_time(struct ipk__slice a, struct ipk__slice b)
{
	long long x = strtoll(a.bytes + 1, NULL, 10), y = strtoll(b.bytes + 1, NULL, 10);

	return a.bytes[0] == ':' && b.bytes[0] == ':' && x > 0 && y > 0 && llabs(x - y) < 10000;
}

static bool is_same(const struct ipk__slice *argv, enum how how, struct ipk__slice a,
		    struct ipk__slice b)
{
	size_t step = a.bytes[0] == '%' ? 2 : 1;

	if (ipk__slice_equal(a, b))
		return true;
	switch (how) {
	case SORTED:
		/* Fields with values are pairs of their own in RESP3. */
		return same_sorted(a, b, step) || same_sorted(a, b, 2);
	case PAIRS:
		return same_sorted(a, b, 2);
	case CURSOR:
		return same_cursor(a, b, 1);
	case FIELDS:
		return same_cursor(a, b, 2);
	case SHAPE:
		return ipk__slice_is_word(argv[0], "SCAN") || ipk__slice_is_word(argv[0], "HSCAN")
			       ? same_scan_shape(a, b)
			       : same_shape(a, b);
	case NEAR:
		return same_time(a, b);
	default:
		return false;
	}
}

/* --- batches ---------------------------------------------------------------------------------- */

static struct pair *pair;
static int n_differences;
static struct chance dice;

/* What was asked, to be compared when the replies are there. */
static struct asked {
	struct ipk__slice argv[WORDS_MAX];
	size_t argc;
	enum how how;
} asked[PAIR_REPLIES];
static size_t n_asked;
static char asked_bytes[8 << 20];
static size_t n_asked_bytes;

static void ask(const struct ipk__slice *argv, size_t argc, enum how how)
{
	struct asked *a = &asked[n_asked++];
	size_t i;

	a->argc = argc;
	a->how = how;
	for (i = 0; i < argc; i++) {
		ck_assert_uint_le(n_asked_bytes + argv[i].n_bytes, sizeof(asked_bytes));
		memcpy(asked_bytes + n_asked_bytes, argv[i].bytes, argv[i].n_bytes);
		a->argv[i] = IPK__SLICE(asked_bytes + n_asked_bytes, argv[i].n_bytes);
		n_asked_bytes += argv[i].n_bytes;
	}
	pair_ask(pair, 0, argv, argc);
}

static void ask_words(const char *words, enum how how)
{
	struct ipk__slice argv[8];
	size_t argc = 0, n;

	for (; *words; words += n + (words[n] == ' ')) {
		n = strcspn(words, " ");
		argv[argc++] = IPK__SLICE(words, n);
	}
	ask(argv, argc, how);
}

/* Send all, and compare. */
static void settle(bool counted)
{
	size_t i;

	pair_await(pair, 0);
	for (i = 0; i < n_asked; i++) {
		const struct asked *a = &asked[i];
		struct ipk__slice redis = pair_reply(pair, 0, REDIS, i);
		struct ipk__slice ours = pair_reply(pair, 0, OURS, i);

		if (!is_same(a->argv, a->how, redis, ours)) {
			fprintf(stderr, "asked: %s\n", text_of(a->argv, a->argc));
			fprintf(stderr, "    redis: %s\n    ours:  %s\n", shown(redis),
				shown(ours));
			show_history(a->argv, a->argc);
			n_differences++;
			ck_assert_int_lt(n_differences, DIFFERENCES_MAX);
		}
		if (counted)
			count(a->argv, a->argc, redis);
		note_history(a->argv, a->argc, redis);
	}
	pair_forget(pair, 0);
	n_asked = n_asked_bytes = 0;
}

/* All that is there on both sides. */
size_t same_keys(struct pair *p)
{
	static struct ipk__slice names[PARTS_MAX];
	static char copies[PARTS_MAX * 32];
	size_t n, i, used = 0;

	pair = p;
	ask_words("DBSIZE", SAME);
	ask_words("KEYS *", SORTED);
	pair_await(pair, 0);
	ck_assert(split(pair_reply(pair, 0, REDIS, 1), 1, names, &n));
	for (i = 0; i < n; i++) {
		struct ipk__slice whole = names[i];
		size_t head = strcspn(whole.bytes, "\n") + 1;

		names[i] = IPK__SLICE(copies + used, whole.n_bytes - head - 2);
		ck_assert_uint_lt(used + names[i].n_bytes, sizeof(copies));
		memcpy(copies + used, whole.bytes + head, names[i].n_bytes);
		used += names[i].n_bytes;
	}
	settle(false);
	for (i = 0; i < n; i++) {
		const struct ipk__slice reads[][4] = {
			{IPK__SLICE_OF("TYPE"), names[i]},
			{IPK__SLICE_OF("GET"), names[i]},
			{IPK__SLICE_OF("HGETALL"), names[i]},
			{IPK__SLICE_OF("LRANGE"), names[i], IPK__SLICE_OF("0"),
			 IPK__SLICE_OF("-1")},
			{IPK__SLICE_OF("PTTL"), names[i]},
		};
		size_t k;

		for (k = 0; k < 5; k++)
			ask(reads[k], k == 3 ? 4 : 2, k == 2 ? PAIRS : k == 4 ? NEAR : SAME);
		if (n_asked > PAIR_REPLIES - 16)
			settle(false);
	}
	settle(false);
	return n;
}

static void ask_by_chance(const int *choice, size_t n_choice)
{
	const struct spec *s = &specs[choice[chance(&dice, n_choice)]];
	static struct words w;
	size_t i, at = 0;

	words_generate(&dice, s->pattern, s->wildness, &w);
	for (i = 0; i < w.n_commands; at += w.argc[i++])
		ask(w.argv + at, w.argc[i], s->how);
}

static const char *const flushes[] = {"FLUSHALL", "FLUSHDB ASYNC", "FLUSHALL SYNC"};

/* One command, of which the replies are the same byte for byte. */
static void ask_in_transaction(const int *choice, size_t n_choice)
{
	const struct spec *s;
	static struct words w;

	do
		s = &specs[choice[chance(&dice, n_choice)]];
	while (s->how != SAME || strchr(s->pattern, ';'));
	words_generate(&dice, s->pattern, s->wildness, &w);
	ask(w.argv, w.n_words, SAME);
}

static void ask_transaction(const int *choice, size_t n_choice)
{
	static const char *const watches[] = {"WATCH s:1 s:2 l:1", "WATCH h:1 l:1 n:1", "WATCH"};
	uint64_t n = chance(&dice, 4);

	if (chance(&dice, 2) == 0)
		ask_words(watches[chance(&dice, 3)], SAME);
	while (n-- > 0)
		ask_in_transaction(choice, n_choice);
	if (chance(&dice, 8) == 0)
		ask_words("UNWATCH", SAME);
	ask_words("MULTI", SAME);
	for (n = chance(&dice, 6); n > 0; n--)
		ask_in_transaction(choice, n_choice);
	if (chance(&dice, 20) == 0)
		ask_words(chance(&dice, 2) ? "MULTI" : "WATCH s:1", SAME);
	ask_words(chance(&dice, 6) ? "EXEC" : "DISCARD", SAME);
	if (chance(&dice, 10) == 0)
		ask_words(chance(&dice, 2) ? "EXEC" : "DISCARD", SAME);
}

/* Specs by their weight; without those that could wait. How many. */
static size_t fill_choice(bool may_wait, int *ret_choice)
{
	size_t n = 0;
	int i, k;

	for (i = 0; i < N_SPECS; i++)
		for (k = 0; k < specs[i].weight; k++)
			if (may_wait || !strstr(specs[i].pattern, "; B"))
				ret_choice[n++] = i;
	return n;
}

static void begin(struct pair *p, uint64_t seed)
{
	const char *given = getenv("IPK_SEED");

	pair = p;
	dice = (struct chance){.state = (given ? strtoull(given, NULL, 10) : seed) | 1};
}

static void ask_batch(const int *choice, size_t n_choice)
{
	while (n_asked < BATCH)
		if (chance(&dice, 60) == 0)
			ask_transaction(choice, n_choice);
		else
			ask_by_chance(choice, n_choice);
}

void same_replies(struct pair *p, int resp, int n_commands, uint64_t seed)
{
	int choice[1024], i, n_batches = 0;
	size_t n = fill_choice(true, choice);

	begin(p, seed);
	if (resp == 3) {
		pair_askf(pair, 0, "HELLO 3");
		pair_await(pair, 0);
		pair_forget(pair, 0);
	}
	for (i = 0; i < repeats(n_commands); i += BATCH) {
		ask_batch(choice, n);
		settle(true);
		if (++n_batches % LOOK_EVERY == 0)
			same_keys(pair);
		if (n_batches % FLUSH_EVERY == FLUSH_AT) {
			ask_words(flushes[n_batches / FLUSH_EVERY % 3], SAME);
			settle(false);
		}
	}
	ck_assert_uint_gt(same_keys(pair), 5);
	ck_assert_int_eq(n_differences, 0);
}

int same_words_alone(struct pair *p, int n_commands, uint64_t seed)
{
	int choice[1024], i, n_refused = 0;
	size_t n = fill_choice(false, choice), k;

	begin(p, seed);
	for (i = 0; i < repeats(n_commands); i += BATCH) {
		ask_batch(choice, n);
		pair_await(pair, 0);
		for (k = 0; k < n_asked; k++)
			n_refused += strncmp(pair_reply(pair, 0, OURS, k).bytes, "-OOM", 4) == 0;
		pair_forget(pair, 0);
		n_asked = n_asked_bytes = 0;
	}
	return n_refused;
}

/* Each command has done something, and often, and each with each option that it takes. */
void same_counts(void)
{
	static const char *const never[] = {"FLUSHALL",   "FLUSHDB", "GETEX KEEPTTL", "SET PERSIST",
					    "HSCAN TYPE", "MULTI",   "EXEC",          "DISCARD",
					    "WATCH",      "UNWATCH"};
	size_t i, k;

	for (i = 0; i < NAMES_MAX && counts[i].name[0]; i++) {
		const struct count *c = &counts[i];
		bool is_refused = false;

		for (k = 0; k < sizeof(never) / sizeof(*never); k++)
			is_refused |= !strcmp(c->name, never[k]);
		if (getenv("IPK_COUNTS"))
			fprintf(stderr, "%-24s %7d asked %7d good\n", c->name, c->n_asked,
				c->n_good);
		/* What stands there by chance, for a value, is no option. */
		if (!is_refused && c->n_asked >= 300)
			ck_assert_msg(c->n_good >= 40, "%s worked %d times only", c->name,
				      c->n_good);
	}
	ck_assert_uint_gt(i, 130);
}
