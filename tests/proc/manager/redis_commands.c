/* redis_commands.c - see redis_commands.h. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "redis_commands.h"

uint64_t chance(struct chance *c, uint64_t below)
{
	c->state ^= c->state << 13;
	c->state ^= c->state >> 7;
	c->state ^= c->state << 17;
	return (c->state * UINT64_C(0x2545f4914f6cdd1d) >> 16) % below;
}

static bool one_in(struct chance *c, uint64_t n)
{
	return chance(c, n) == 0;
}

/* --- kinds of words --------------------------------------------------------------------------- */

static void add(struct words *w, const char *bytes, size_t n)
{
	if (w->n_words == WORDS_MAX || w->n_bytes + n > WORDS_BYTES)
		return;
	memcpy(w->bytes + w->n_bytes, bytes, n);
	w->argv[w->n_words++] = IPK__SLICE(w->bytes + w->n_bytes, n);
	w->n_bytes += n;
}

static void add_string(struct words *w, const char *s)
{
	add(w, s, strlen(s));
}

static void add_number(struct words *w, long long n)
{
	char text[24];

	add(w, text, (size_t)snprintf(text, sizeof(text), "%lld", n));
}

#define PICK(c, list) ((list)[chance(c, sizeof(list) / sizeof(*(list)))])

static const char *const garbage[] = {"",    "abc", "1.0",  "+1",
				      "01",  " 1",  "1 ",   "-0",
				      "0x1", "--1", "1e3",  "9223372036854775808",
				      "-",   "nan", "1\t2", "12345678901234567890123"};
static const char *const limits[] = {"9223372036854775807",  "-9223372036854775807",
				     "-9223372036854775808", "4611686018427387904",
				     "-4611686018427387904", "2147483648"};

static void add_key(struct chance *c, struct words *w, char kind)
{
	static const char kinds[] = "snhl";
	char name[16];

	if (one_in(c, 14))
		kind = kinds[chance(c, 4)];
	if (one_in(c, 60))
		add_string(w, "");
	else if (one_in(c, 60))
		add(w, "\0\r\n\xff", 4);
	else
		add(w, name,
		    (size_t)snprintf(name, sizeof(name), "%c:%d", kind, (int)chance(c, 6)));
}

static void add_value(struct chance *c, struct words *w)
{
	static const char *const floats[] = {"1.5",  "3.0e3", "-0.1", "1e-5", "inf", "1e4000",
					     "-inf", "0x1p4", "1e17", "-0.0", "+2.5"};
	static char filler[6000];
	size_t i, n;

	if (!filler[0])
		for (i = 0; i < sizeof(filler); i++)
			filler[i] = (char)("abcdefghij\r\n\0\xff,1"[i * 7 % 16]);
	switch (chance(c, 16)) {
	case 0:
		add_string(w, "");
		break;
	case 1:
		add_string(w, PICK(c, limits));
		break;
	case 2:
		add_string(w, PICK(c, floats));
		break;
	case 3:
		add_string(w, PICK(c, garbage));
		break;
	case 4:
		add(w, "a\r\n$-1\r\n\0b", 10);
		break;
	case 5:
		n = one_in(c, 30) ? 6000 : one_in(c, 3) ? 700 : 80;
		i = chance(c, n);
		add(w, filler + chance(c, sizeof(filler) - i), i);
		break;
	case 6:
	case 7:
	case 8:
		add_number(w, (long long)chance(c, 2001) - 1000);
		break;
	default:
		add(w, &"abcde"[chance(c, 5)], 1);
	}
}

/* An index, a delta: near 0 for the most part. */
static void add_integer(struct chance *c, struct words *w)
{
	if (one_in(c, 10))
		add_string(w, PICK(c, limits));
	else if (one_in(c, 8))
		add_string(w, PICK(c, garbage));
	else if (one_in(c, 6))
		add_number(w, (long long)chance(c, 401) - 200);
	else
		add_number(w, (long long)chance(c, 21) - 10);
}

/* A count, of which there is seldom too much or a negative one. */
static void add_count(struct chance *c, struct words *w, int64_t least)
{
	if (one_in(c, 16))
		add_string(w, limits[0]);
	else if (one_in(c, 12))
		add_string(w, PICK(c, garbage));
	else if (one_in(c, 12))
		add_number(w, (long long)chance(c, 8) - 7);
	else
		add_number(w, least + (long long)chance(c, one_in(c, 5) ? 60 : 5));
}

/*
 * A time to live far away: never reached here, and so far from every other one that both
 * servers put them in the same order, though their clocks are read at different times.
 */
static void add_time(struct chance *c, struct words *w, char kind)
{
	bool is_ms = isupper((unsigned char)kind) != 0;
	long long s = 10000 + 100 * (long long)(++c->n_times * UINT64_C(7919) % 100003);

	if (one_in(c, 12)) {
		static const char *const bad[] = {"0", "-1", "9223372036854775807",
						  "9223372036854775", "-9223372036854775808"};

		add_string(w, one_in(c, 2) ? PICK(c, garbage) : PICK(c, bad));
		return;
	}
	if (strchr("aAbB", kind))
		s += time(NULL) + 50;
	if (strchr("dDbB", kind) && one_in(c, 6))
		s = -s;
	if (strchr("bB", kind) && s < 0 && one_in(c, 2))
		s = 1;
	add_number(w, is_ms ? s * 1000 : s);
}

static void add_pattern(struct chance *c, struct words *w)
{
	static const char *const patterns[] = {
		"*",     "?",     "??",          "s:*",    "[sl]:*", "[^sl]:*", "[a-l]:?",
		"*:1",   "\\s:1", "[l-a]:[0-3]", "*[",     "[",      "[s",      "[]*",
		"*[^]*", "**1",   "*a*",         "h:[!1]", "l\\:*",  "[\\s]:*", "[s-]:*",
		"s:[1-", "",      "\\",          "*\\",    "s*:*1*", "[^a-c]*", "a",
		"[a-e]", "*?*?*", "****:**",     "nothing"};
	char random[12];
	size_t i, n = chance(c, 10);

	if (!one_in(c, 3)) {
		add_string(w, PICK(c, patterns));
		return;
	}
	for (i = 0; i < n; i++)
		random[i] = "*?[]^-\\:snhl0123"[chance(c, 16)];
	add(w, random, n);
}

static void add_keys_counted(struct chance *c, struct words *w)
{
	static const char *const wrong[] = {"0", "-1", "5000", "abc", ""};
	long long n = 1 + (long long)chance(c, 3), i;

	if (one_in(c, 20))
		add_string(w, PICK(c, wrong));
	else
		add_number(w, one_in(c, 15) ? n + 1 : n);
	for (i = 0; i < n; i++)
		add_key(c, w, 'l');
}

static void add_float(struct chance *c, struct words *w)
{
	static const char *const some[] = {"0.1",  "-0.1", "1.5",      "3e2", "-2.25e-3", "1e-17",
					   "10",   "-10",  "0.000001", "inf", "1e30",     "-1e5",
					   "1e15", "7",    "0",        "nan"};

	if (one_in(c, 12))
		add_string(w, PICK(c, garbage));
	else
		add_string(w, PICK(c, some));
}

static void add_timeout(struct chance *c, struct words *w)
{
	static const char *const wrong[] = {"-1", "abc", "", "-0.5", "1e300", "inf", "nan", " 1"};
	static const char *const good[] = {"0.5", "1", "2", "0.25", "1e0"};

	add_string(w, one_in(c, 10) ? PICK(c, wrong) : PICK(c, good));
}

static void add_kind(struct chance *c, struct words *w, char kind)
{
	static const char *const types[] = {"string", "hash", "list", "LIST", "zset", "none"};
	static const char *const cursors[] = {"0", "0",  "0",   "00",  "abc",
					      "",  " 0", "0x0", "1.5", "99999999999999999999999"};
	static const char *const offsets[] = {"536870912", "9223372036854775807", "-1", "abc",
					      "536870913"};

	static const char *const lists[] = {"l:0", "l:1", "l:2"};

	switch (kind) {
	case 's': /* keys: of strings, numbers, hashes, lists, any of these, of OBJECT's own */
	case 'n':
	case 'h':
	case 'l':
		add_key(c, w, kind);
		break;
	case 'k':
		add_key(c, w, "snhl"[chance(c, 4)]);
		break;
	case 'j': /* one of few lists */
		add_string(w, PICK(c, lists));
		break;
	case 'o':
		add_string(w, "o");
		break;
	case 'f': /* a field */
		if (one_in(c, 20))
			add_value(c, w);
		else
			add(w, &"abcdefghijklmnop"[chance(c, 16)], 1);
		break;
	case 'v':
		add_value(c, w);
		break;
	case 'i':
		add_integer(c, w);
		break;
	case 'u': /* a count from 0, from 1 */
		add_count(c, w, 0);
		break;
	case 'm':
		add_count(c, w, 1);
		break;
	case 'r': /* a count that may be negative, for HRANDFIELD */
		if (one_in(c, 10))
			add_string(w, PICK(c, garbage));
		else
			add_number(w, (long long)chance(c, 41) - 20);
		break;
	case 't': /* times: from now, of the clock; with some that are over (d, b) */
	case 'T':
	case 'a':
	case 'A':
	case 'b':
	case 'B':
	case 'd':
	case 'D':
		add_time(c, w, kind);
		break;
	case 'e':
		add_float(c, w);
		break;
	case 'p':
		add_pattern(c, w);
		break;
	case 'x': /* an offset */
		if (one_in(c, 8))
			add_string(w, PICK(c, offsets));
		else
			add_number(w, (long long)chance(c, one_in(c, 5) ? 300 : 12));
		break;
	case 'q':
		add_keys_counted(c, w);
		break;
	case 'w':
		add_timeout(c, w);
		break;
	case 'y':
		add_string(w, PICK(c, types));
		break;
	case 'z':
		add_string(w, PICK(c, cursors));
		break;
	default:
		abort();
	}
}

/* --- patterns --------------------------------------------------------------------------------- */

static const char *skip_group(const char *p)
{
	int depth = 0;

	for (; *p; p++) {
		if (strchr("([{", *p))
			depth++;
		else if (strchr(")]}", *p) && --depth == 0)
			return p;
	}
	abort();
}

static void add_literal(struct chance *c, struct words *w, const char *p, size_t n)
{
	char word[64];
	size_t i;
	bool is_low = one_in(c, 8);

	for (i = 0; i < n; i++)
		word[i] = is_low && one_in(c, 2) ? (char)tolower((unsigned char)p[i]) : p[i];
	add(w, word, n);
}

static void expand(struct chance *c, const char *p, const char *end, struct words *w);

/* One of the alternatives between @p and @end. */
static void expand_choice(struct chance *c, const char *p, const char *end, struct words *w)
{
	const char *starts[16], *q;
	size_t n = 0, i;
	int depth = 0;

	starts[n++] = p;
	for (q = p; q < end; q++) {
		depth += strchr("([{", *q) ? 1 : strchr(")]}", *q) ? -1 : 0;
		if (*q == '|' && depth == 0)
			starts[n++] = q + 1;
	}
	i = chance(c, n);
	expand(c, starts[i], i + 1 < n ? starts[i + 1] - 1 : end, w);
}

static const char *expand_group(struct chance *c, const char *p, struct words *w)
{
	const char *end = skip_group(p);
	uint64_t n = 1;

	if (*p == '{') {
		expand_choice(c, p + 1, end, w);
		return end + 1;
	}
	if (*p == '[')
		n = chance(c, 2);
	else if (end[1] == '*')
		n = chance(c, 4);
	else if (end[1] == '+')
		n = 1 + chance(c, one_in(c, 12) ? 40 : 4);
	while (n-- > 0)
		expand(c, p + 1, end, w);
	return end + 1 + (end[1] == '*' || end[1] == '+');
}

static void end_command(struct words *w)
{
	size_t i, n = 0;

	for (i = 0; i < w->n_commands; i++)
		n += w->argc[i];
	w->argc[w->n_commands++] = w->n_words - n;
}

static void expand(struct chance *c, const char *p, const char *end, struct words *w)
{
	while (p < end) {
		size_t n = 0;

		if (*p == ' ') {
			p++;
		} else if (*p == ';') {
			end_command(w);
			p++;
		} else if (strchr("([{", *p)) {
			p = expand_group(c, p, w);
		} else {
			while (p + n < end && !strchr(" |()[]{};", p[n]))
				n++;
			if (n == 1 && !isdigit((unsigned char)*p))
				add_kind(c, w, *p);
			else
				add_literal(c, w, p, n);
			p += n;
		}
	}
}

/* A word less, or more, or another: the last of these only where it can do no harm. */
static void make_wrong(struct chance *c, int wildness, struct words *w)
{
	size_t i = w->n_words > 1 ? 1 + chance(c, w->n_words - 1) : 1;

	switch (chance(c, wildness == WORDS_FREE ? 3 : 2)) {
	case 0:
		if (w->n_words > 1) {
			memmove(w->argv + i, w->argv + i + 1,
				(w->n_words - i - 1) * sizeof(*w->argv));
			w->n_words--;
		}
		break;
	case 1:
		add_value(c, w);
		break;
	default:
		add_value(c, w);
		w->n_words--;
		w->argv[i < w->n_words ? i : 0] = w->argv[w->n_words];
	}
}

void words_generate(struct chance *c, const char *pattern, int wildness, struct words *w)
{
	w->n_words = w->n_bytes = w->n_commands = 0;
	expand(c, pattern, pattern + strlen(pattern), w);
	if (wildness != WORDS_TAME && one_in(c, 25))
		make_wrong(c, wildness, w);
	end_command(w);
}
