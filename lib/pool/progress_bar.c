/*
 * progress_bar.c - progress as a line of text: redrawn on a terminal, printed now and then
 * elsewhere.
 *
 *   [==============>              ]  45%  450/1000  123/s  0:04 left  2 failed
 *
 * A call gets nothing but the counters, so the previous state is remembered here: by each thread
 * for itself, for a few pools and files at a time. That takes no lock that a fork could leave
 * locked, and the thread that draws for a pool is always the same. It is on the heap, under a
 * thread-specific key: the thread-local variables of a library loaded late share a small area of
 * the C library. The line is formatted anew for each call, never longer than the current width of
 * the terminal; the least important parts are dropped first.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "base/decimal.h"
#include "ipk/progress.h"
#include "os/os.h"

#define NS_PER_S 1000000000.0
#define N_DRAWINGS 4
#define N_SAMPLES 32
#define WINDOW_NS 5000000000 /* the rate is that of the last five seconds */
#define SAMPLE_NS (WINDOW_NS / (N_SAMPLES - 2))
#define BAR_MIN 10
#define BAR_MAX 40
#define LINE_BYTES 256
#define PART_BYTES 64

struct sample {
	int64_t at_ns;
	uint64_t n_over;
};

/* What is remembered of a pool and a file. */
struct drawing {
	void *file; /* NULL: free */
	int64_t pool_since_ns;
	uint64_t turn; /* when it was drawn last */
	bool is_working;
	/* When the work began: what had been submitted, and was over, by then. */
	ipk_progress base;
	int64_t begun_ns;                 /* -1: not known yet */
	unsigned tenths;                  /* lines that were printed */
	int n_drawn;                      /* columns */
	struct sample samples[N_SAMPLES]; /* a ring */
	unsigned n_samples;
};

struct drawings {
	struct drawing all[N_DRAWINGS];
	uint64_t n_turns;
};

static pthread_key_t key;
static bool has_key; /* written before main() or dlopen() has returned, read after */

__attribute__((constructor)) static void make_key(void)
{
	has_key = pthread_key_create(&key, free) == 0;
}

/* --- what is remembered ----------------------------------------------------------------------- */

/* Of this thread; NULL: no memory, or no key left. */
static struct drawings *mine(void)
{
	struct drawings *drawings = has_key ? pthread_getspecific(key) : NULL;

	if (drawings || !has_key)
		return drawings;
	drawings = ipk__os_calloc(1, sizeof *drawings);
	if (drawings && pthread_setspecific(key, drawings) != 0) {
		free(drawings);
		return NULL;
	}
	return drawings;
}

static uint64_t over(const ipk_progress *p)
{
	return p->n_done + p->n_failed + p->n_cancelled;
}

static void begin_drawing(struct drawing *d, const ipk_progress *base, int64_t begun_ns)
{
	d->base = *base;
	d->begun_ns = begun_ns;
	d->tenths = 0;
	d->n_samples = 0;
}

static struct drawing *find(struct drawings *drawings, void *file, int64_t pool_since_ns)
{
	struct drawing *d = drawings->all;

	for (size_t i = 0; i < N_DRAWINGS; i++) {
		struct drawing *other = &drawings->all[i];

		if (other->file == file && other->pool_since_ns == pool_since_ns)
			return other;
		if (other->turn < d->turn)
			d = other;
	}
	*d = (struct drawing){.file = file, .pool_since_ns = pool_since_ns};
	begin_drawing(d, &(ipk_progress){0}, -1);
	return d;
}

/* The newest sample is replaced until it is some time after the one before. */
static void add_sample(struct drawing *d, int64_t now_ns, uint64_t n_over)
{
	struct sample s = {now_ns, n_over};
	unsigned n = d->n_samples;

	if (n >= 2 && now_ns - d->samples[(n - 2) % N_SAMPLES].at_ns < SAMPLE_NS)
		d->samples[(n - 1) % N_SAMPLES] = s;
	else
		d->samples[d->n_samples++ % N_SAMPLES] = s;
}

/* Items a second, in the window as far as it is known; -1: not yet. */
static double rate(const struct drawing *d)
{
	unsigned n = d->n_samples;
	unsigned first = n > N_SAMPLES ? n - N_SAMPLES : 0;
	const struct sample *last, *from;

	if (n < 2)
		return -1;
	last = &d->samples[(n - 1) % N_SAMPLES];
	while (first + 2 < n &&
	       last->at_ns - d->samples[(first + 1) % N_SAMPLES].at_ns >= WINDOW_NS)
		first++;
	from = &d->samples[first % N_SAMPLES];
	if (last->at_ns <= from->at_ns || last->n_over < from->n_over)
		return -1;
	return (double)(last->n_over - from->n_over) /
	       ((double)(last->at_ns - from->at_ns) / NS_PER_S);
}

/* --- the parts of the line -------------------------------------------------------------------- */

static void print_count(double n, char *buf)
{
	static const char *const units[] = {"", "k", "M", "G"};
	unsigned unit = 0;
	char number[24];

	for (; n >= 100000 && unit < 3; unit++)
		n /= 1000;
	ipk__decimal(number, sizeof number, "%.*f", n < 10 ? 1 : 0, n);
	snprintf(buf, PART_BYTES, "%s%s/s", number, units[unit]);
}

/* 0:07, 12:34, 5:06:07 or, from four days on, 4 d */
static void print_time(double seconds, char *buf)
{
	uint64_t s = seconds < 1e15 ? (uint64_t)(seconds + 0.5) : (uint64_t)1e15;

	if (s >= 4 * 86400)
		snprintf(buf, PART_BYTES, "%" PRIu64 " d", s / 86400);
	else if (s >= 3600)
		snprintf(buf, PART_BYTES, "%" PRIu64 ":%02u:%02u", s / 3600,
			 (unsigned)(s / 60 % 60), (unsigned)(s % 60));
	else
		snprintf(buf, PART_BYTES, "%u:%02u", (unsigned)(s / 60), (unsigned)(s % 60));
}

/* The parts of the line, in order; "" is none. */
enum { SHARE, COUNT, RATE, TIME, FAILURES, N_PARTS };

struct line {
	char parts[N_PARTS][PART_BYTES];
	double share; /* 0 .. 1 */
	bool is_over;
};

static void write_rate_and_time(const struct drawing *d, int64_t now_ns, uint64_t n,
				uint64_t n_left, struct line *line)
{
	double seconds = d->begun_ns < 0 ? 0 : (double)(now_ns - d->begun_ns) / NS_PER_S;
	double per_second = rate(d);

	/* Of all of it, when that is over. */
	if (line->is_over)
		per_second = seconds > 0 ? (double)n / seconds : -1;
	if (per_second >= 0)
		print_count(per_second, line->parts[RATE]);
	if (line->is_over && seconds > 0) {
		strcpy(line->parts[TIME], "in ");
		print_time(seconds, line->parts[TIME] + strlen("in "));
	} else if (!line->is_over && per_second > 0) {
		print_time((double)n_left / per_second, line->parts[TIME]);
		strcat(line->parts[TIME], " left");
	}
}

static void write_failures(uint64_t n_failed, uint64_t n_cancelled, char *part)
{
	if (n_failed > 0 && n_cancelled > 0)
		snprintf(part, PART_BYTES, "%" PRIu64 " failed, %" PRIu64 " cancelled", n_failed,
			 n_cancelled);
	else if (n_failed > 0)
		snprintf(part, PART_BYTES, "%" PRIu64 " failed", n_failed);
	else if (n_cancelled > 0)
		snprintf(part, PART_BYTES, "%" PRIu64 " cancelled", n_cancelled);
}

static uint64_t minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static void write_line(const struct drawing *d, const ipk_progress *p, struct line *line)
{
	uint64_t n = minus(over(p), over(&d->base));
	uint64_t n_all = minus(p->n_submitted, over(&d->base));

	*line = (struct line){.is_over = !d->is_working};
	line->share = n_all == 0 ? 1 : (double)n / (double)n_all;
	/* Rounded down: 100% is printed only when all is complete. */
	snprintf(line->parts[SHARE], PART_BYTES, "%3u%%", (unsigned)(line->share * 100));
	snprintf(line->parts[COUNT], PART_BYTES, "%" PRIu64 "/%" PRIu64, n, n_all);
	write_rate_and_time(d, p->now_boot_ns, n, minus(n_all, n), line);
	write_failures(minus(p->n_failed, d->base.n_failed),
		       minus(p->n_cancelled, d->base.n_cancelled), line->parts[FAILURES]);
}

/* --- on a terminal ---------------------------------------------------------------------------- */

/* Which parts fit, the most important first; the others become "". Returns their length. */
static int choose_parts(struct line *line, int room)
{
	static const int by_worth[] = {SHARE, FAILURES, TIME, RATE, COUNT};
	int n = 0;

	for (size_t i = 0; i < IPK__N_OF(by_worth); i++) {
		char *part = line->parts[by_worth[i]];
		int n_part = (int)strlen(part);

		if (n_part > 0)
			n_part += n > 0 ? 2 : 0;
		if (n + n_part > room)
			*part = '\0';
		else
			n += n_part;
	}
	return n;
}

static size_t write_bar(double share, int room, char *buf)
{
	int n = IPK__MIN(room, BAR_MAX) - 2;
	int n_full = (int)(share * n);

	buf[0] = '[';
	memset(buf + 1, ' ', (size_t)n);
	memset(buf + 1, '=', (size_t)n_full);
	if (n_full > 0 && n_full < n)
		buf[n_full] = '>';
	buf[n + 1] = ']';
	buf[n + 2] = '\0';
	return (size_t)n + 2;
}

/* Those that there are, with two blanks between them; how long that is. */
static size_t join_parts(const struct line *line, char *buf, size_t buf_bytes)
{
	size_t at = 0;

	for (int i = 0; i < N_PARTS; i++) {
		if (*line->parts[i])
			at += (size_t)snprintf(buf + at, buf_bytes - at, "%s%s", at > 0 ? "  " : "",
					       line->parts[i]);
	}
	return at;
}

/* The last column stays free: what is written there may begin a new line. */
static void draw(struct drawing *d, struct line *line, int n_columns, void *file)
{
	char text[LINE_BYTES + 8] = "\r";
	int room = IPK__MIN(n_columns, LINE_BYTES) - 1;
	int n_parts = choose_parts(line, room);
	size_t at = 1;
	int n_blank;

	if (room - n_parts >= BAR_MIN + 2) {
		at += write_bar(line->share, room - n_parts - 2, text + at);
		text[at++] = ' ';
		text[at++] = ' ';
	}
	at += join_parts(line, text + at, sizeof text - at);
	/* What was drawn before and is longer is wiped, as far as the terminal still has it. */
	n_blank = IPK__MAX(IPK__MIN(d->n_drawn, room) - (int)(at - 1), 0);
	d->n_drawn = line->is_over ? 0 : (int)(at - 1);
	snprintf(text + at, sizeof text - at, "%*s%s", n_blank, "", line->is_over ? "\n" : "");
	ipk__os_print(file, text);
}

/* --- elsewhere -------------------------------------------------------------------------------- */

static void print_tenth(struct drawing *d, const struct line *line, void *file)
{
	unsigned tenths = line->is_over ? 10 : (unsigned)(line->share * 10);
	char text[N_PARTS * (PART_BYTES + 2)] = "";
	size_t n;

	if (tenths <= d->tenths && !line->is_over)
		return;
	n = join_parts(line, text, sizeof text);
	snprintf(text + n, sizeof text - n, "\n");
	ipk__os_print(file, text);
	d->tenths = tenths;
}

/* --- all -------------------------------------------------------------------------------------- */

void ipk_progress_bar(const ipk_progress *progress, void *file)
{
	struct drawings *drawings = progress && file ? mine() : NULL;
	struct drawing *d;
	struct line line;
	int n_columns;

	if (!drawings)
		return;
	d = find(drawings, file, progress->since_boot_ns);
	d->turn = ++drawings->n_turns;
	if (over(progress) >= progress->n_submitted && !d->is_working &&
	    over(progress) == over(&d->base))
		return;
	if (!d->is_working && over(progress) < progress->n_submitted) {
		begin_drawing(d, &d->base, progress->now_boot_ns);
		d->is_working = true;
	} else {
		d->is_working = over(progress) < progress->n_submitted;
	}
	add_sample(d, progress->now_boot_ns, over(progress));
	write_line(d, progress, &line);
	n_columns = ipk__os_terminal_columns(file);
	if (n_columns > 0)
		draw(d, &line, n_columns, file);
	else
		print_tenth(d, &line, file);
	if (!d->is_working)
		begin_drawing(d, progress, -1);
}
