/*
 * bench.c - ipk-bench [--list] [--rounds N] [--seconds-per-round S] [NAME...]: run the row of that
 * NAME, or else the rows whose name contains it, print a table and write build/bench.jsonl.
 *
 * Each contender first runs until it is known how many operations fill a round; that also warms
 * everything up. Then the rounds of all contenders of the row alternate; a slow row has fewer
 * rounds, so that all rows end in time. A ratio above 1 means that ours is better, for rates and
 * for times alike. Missing a target is a result, not a failure: the exit code is 1 only when
 * something could not be measured at all.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ipk.h>

#include "bench.h"

#define ROUNDS_MAX 101
#define CONTENDERS_MAX (1 + BENCH_PEERS_MAX)
#define OUTPUT "build/bench.jsonl"
#define FIRST_OPS 4 /* of a contender that may be slow; further numbers are multiples of it */
#define ROW_NS ((int64_t)5 * 1000000000)
#define ROUNDS_MIN 3

static int n_rounds = 7;
static double round_seconds = 0.15;
static bool is_list;
static bool is_all_fine = true;
static FILE *out; /* OUTPUT */
static char machine[128];

static const struct bench_row *const families[] = {
	bench_pipe_rtt_rows, bench_pipe_flow_rows, bench_queue_rows,   bench_pack_rows,
	bench_process_rows,  bench_pool_rows,      bench_idle_rows,    bench_lock_rows,
	bench_sync_rows,     bench_value_rows,     bench_manager_rows, bench_wire_rows,
};

/* What came of a contender. */
struct outcome {
	const struct bench_contender *contender;
	int error;
	size_t n; /* operations a round */
	size_t n_values;
	double values[ROUNDS_MAX];
};

/* --- measuring -------------------------------------------------------------------------------- */

static double value_of(const struct bench_row *row, const struct bench_time *time, size_t n)
{
	double op_ns = time->measured_ns / (double)n;

	return row->scale * (row->is_rate ? 1e9 / op_ns : op_ns);
}

/* How many operations fill a round, a multiple of FIRST_OPS. */
static int calibrate(const struct bench_contender *c, size_t *ret_n)
{
	double want_ns = round_seconds * 1e9;
	struct bench_time time;
	size_t n = FIRST_OPS;

	for (;;) {
		int r = c->run(n, &time);

		if (r < 0)
			return r;
		if (time.elapsed_ns >= want_ns / 8)
			break;
		n *= 4;
	}
	*ret_n = ((size_t)((double)n * want_ns / time.elapsed_ns) / FIRST_OPS + 1) * FIRST_OPS;
	return 0;
}

static void prepare(const struct bench_row *row, const struct bench_contender *c, struct outcome *o)
{
	memset(o, 0, sizeof *o);
	o->contender = c;
	o->n = 1;
	if (!c->run)
		o->error = -ENOSYS;
	else if (bench_cpu_count() < row->n_cpus)
		o->error = -ENODEV;
	else if (!row->is_counted)
		o->error = calibrate(c, &o->n);
}

static void run_round(const struct bench_row *row, struct outcome *o)
{
	struct bench_time time;

	if (o->error < 0)
		return;
	o->error = o->contender->run(o->n, &time);
	if (o->error == 0)
		o->values[o->n_values++] = value_of(row, &time, o->n);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const struct outcome *o)
{
	size_t half = o->n_values / 2;

	return o->n_values % 2 ? o->values[half] : (o->values[half - 1] + o->values[half]) / 2;
}

static size_t measure(const struct bench_row *row, struct outcome *ret_outcomes)
{
	int rounds = row->is_counted ? 1 : n_rounds;
	int64_t start_ns = bench_now_ns();
	size_t n = 1;

	prepare(row, &row->ours, &ret_outcomes[0]);
	for (; n < CONTENDERS_MAX && row->peers[n - 1].name; n++)
		prepare(row, &row->peers[n - 1], &ret_outcomes[n]);
	for (int round = 0; round < rounds; round++) {
		if (round >= ROUNDS_MIN && bench_now_ns() - start_ns > ROW_NS)
			break;
		for (size_t i = 0; i < n; i++)
			run_round(row, &ret_outcomes[i]);
	}
	for (size_t i = 0; i < n; i++)
		qsort(ret_outcomes[i].values, ret_outcomes[i].n_values, sizeof(double), compare);
	return n;
}

/* --- telling ---------------------------------------------------------------------------------- */

static const char *why(const struct outcome *o)
{
	if (o->error == -ENOSYS)
		return "peer missing";
	if (o->error == -ENODEV)
		return "needs two processors";
	return ipk_errname(o->error);
}

static void number(const struct outcome *o, char *text, size_t size)
{
	double v = o->error < 0 ? 0 : median(o);

	if (o->error < 0)
		snprintf(text, size, "%s", why(o));
	else
		snprintf(text, size, "%.*f", v < 10 ? 2 : v < 1000 ? 1 : 0, v);
}

static double ratio_of(const struct bench_row *row, const struct outcome *ours,
		       const struct outcome *peer)
{
	double a = median(ours);
	double b = median(peer);

	return row->is_rate ? a / b : b / a;
}

static void print_pair(const struct bench_row *row, const struct outcome *ours,
		       const struct outcome *peer)
{
	bool is_measured = ours->error == 0 && peer->error == 0;
	double ratio = is_measured ? ratio_of(row, ours, peer) : 0;
	const char *verdict = ratio >= peer->contender->target ? "ok" : "MISSED";
	char a[32], b[32];

	number(ours, a, sizeof a);
	number(peer, b, sizeof b);
	printf("%-46s %-5s %10s  %-28s %12s", row->name, row->unit, a, peer->contender->name, b);
	if (is_measured)
		printf(" %8.2f %7.2f  %s\n", ratio, peer->contender->target, verdict);
	else
		printf(" %8s %7.2f  -\n", "-", peer->contender->target);
	fflush(stdout);
}

static void json_number(FILE *f, const char *key, bool is_known, double value)
{
	if (is_known)
		fprintf(f, ", \"%s\": %.6g", key, value);
	else
		fprintf(f, ", \"%s\": null", key);
}

static void json_outcome(FILE *f, const char *key, const struct outcome *o)
{
	bool is_known = o->error == 0;
	char name[32];

	json_number(f, key, is_known, is_known ? median(o) : 0);
	snprintf(name, sizeof name, "%s_min", key);
	json_number(f, name, is_known, is_known ? o->values[0] : 0);
	snprintf(name, sizeof name, "%s_max", key);
	json_number(f, name, is_known, is_known ? o->values[o->n_values - 1] : 0);
}

/* Names have no characters that JSON would have to escape. */
static void json_pair(const struct bench_row *row, const struct outcome *ours,
		      const struct outcome *peer)
{
	bool is_measured = ours->error == 0 && peer->error == 0;
	double ratio = is_measured ? ratio_of(row, ours, peer) : 0;
	double target = peer->contender->target;
	FILE *f = out;

	fprintf(f, "{\"bench\": \"%s\", \"unit\": \"%s\"", row->name, row->unit);
	json_outcome(f, "ours", ours);
	fprintf(f, ", \"peer\": \"%s\"", peer->contender->name);
	json_outcome(f, "theirs", peer);
	json_number(f, "ratio", is_measured, ratio);
	json_number(f, "target", true, target);
	fprintf(f, ", \"ok\": %s", is_measured && ratio >= target ? "true" : "false");
	fprintf(f, ", \"rounds\": %zu, \"machine\": \"%s\"", ours->n_values, machine);
	if (!is_measured)
		fprintf(f, ", \"note\": \"%s\"", why(ours->error < 0 ? ours : peer));
	fprintf(f, "}\n");
	fflush(f);
}

/* --- rows ------------------------------------------------------------------------------------- */

static bool is_row(const char *name)
{
	for (size_t i = 0; i < sizeof families / sizeof *families; i++)
		for (const struct bench_row *row = families[i]; row->name; row++)
			if (strcmp(row->name, name) == 0)
				return true;
	return false;
}

/* A name that is a row's is that row alone, also when others contain it. */
static bool is_wanted(const struct bench_row *row, char *const names[], int n_names)
{
	for (int i = 0; i < n_names; i++)
		if (is_row(names[i]) ? strcmp(row->name, names[i]) == 0
				     : strstr(row->name, names[i]) != NULL)
			return true;
	return n_names == 0;
}

/* A peer or a processor that this machine does not have is no failure. */
static bool is_failure(const struct outcome *o)
{
	return o->error < 0 && o->error != -ENOSYS && o->error != -ENODEV;
}

static bool list_row(const struct bench_row *row)
{
	puts(row->name);
	return true;
}

static bool count_row(const struct bench_row *row)
{
	(void)row;
	return true;
}

/* Whether all of the row was measured that can be measured here. */
static bool run_row(const struct bench_row *row)
{
	static struct outcome outcomes[CONTENDERS_MAX];
	size_t n = measure(row, outcomes);
	bool is_fine = !is_failure(&outcomes[0]);

	for (size_t i = 1; i < n; i++) {
		print_pair(row, &outcomes[0], &outcomes[i]);
		json_pair(row, &outcomes[0], &outcomes[i]);
		is_fine = is_fine && !is_failure(&outcomes[i]);
	}
	return is_fine;
}

/* Do @each with every row that was asked for, and say how many those are. */
static int for_wanted(char *const names[], int n_names, bool (*each)(const struct bench_row *))
{
	int n_found = 0;

	for (size_t i = 0; i < sizeof families / sizeof *families; i++)
		for (const struct bench_row *row = families[i]; row->name; row++)
			if (is_wanted(row, names, n_names)) {
				n_found++;
				is_all_fine = each(row) && is_all_fine;
			}
	return n_found;
}

static int usage(int code)
{
	fprintf(code ? stderr : stdout,
		"usage: ipk-bench [--list] [--rounds N] [--seconds-per-round S] [NAME...]\n"
		"Runs the benchmark NAME, or those whose name contains it (all without one), "
		"prints\n"
		"a table and writes " OUTPUT ". A ratio above 1 means that ours is better.\n");
	return code;
}

/* 0 go on, else the exit code plus 1. */
static int options(int argc, char **argv)
{
	static const struct option known[] = {
		{"list", no_argument, NULL, 'l'},
		{"rounds", required_argument, NULL, 'r'},
		{"seconds-per-round", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", known, NULL)) >= 0) {
		if (c == 'l')
			is_list = true;
		else if (c == 'r')
			n_rounds = atoi(optarg);
		else if (c == 's')
			round_seconds = atof(optarg);
		else
			return 1 + usage(c == 'h' ? 0 : 2);
	}
	if (n_rounds < 1 || n_rounds > ROUNDS_MAX || !(round_seconds > 0 && round_seconds <= 10))
		return 1 + usage(2);
	return 0;
}

static int run_wanted(char *const names[], int n_names)
{
	out = fopen(OUTPUT, "we");
	if (!out) {
		fprintf(stderr,
			"ipk-bench: cannot write " OUTPUT ": %s. Run it at the top of the "
			"source tree, after the build.\n",
			strerror(errno));
		return 1;
	}
	bench_machine(machine, sizeof machine);
	printf("%s\n", machine);
	printf("%-46s %-5s %10s  %-28s %12s %8s %7s\n", "row", "unit", "ours", "peer", "theirs",
	       "ratio", "target");
	for_wanted(names, n_names, run_row);
	if (fclose(out) != 0) {
		perror("ipk-bench: " OUTPUT);
		return 1;
	}
	return is_all_fine ? 0 : 1;
}

int main(int argc, char **argv)
{
	int r = options(argc, argv);

	if (r != 0)
		return r - 1;
	argv += optind;
	argc -= optind;
	if (for_wanted(argv, argc, is_list ? list_row : count_row) == 0) {
		fprintf(stderr, "ipk-bench: no row has such a name; --list shows them\n");
		return 1;
	}
	return is_list ? 0 : run_wanted(argv, argc);
}
