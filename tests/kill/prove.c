/*
 * prove.c - ipk-prove: kills processes inside ipk calls and checks the state that is left.
 *
 * One JSON object per line for each operation, kind, state and size. The exit code is 0 only when
 * there was no fault at any point, 1 when there was, 2 when a fixture could not be set up.
 */
#include <fnmatch.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweep.h"

#define LARGE_BYTES (128 << 10)

static struct op_list list;

/* The rows of ops_NAME.c; CMakeLists.txt makes a quick test of each from these lines. */
static const struct relatives {
	const char *name;
	void (*add)(struct op_list *list);
} families[] = {
	{"pipe", ops_pipe},       {"queue", ops_queue},     {"name", ops_name},
	{"lock", ops_lock},       {"rwlock", ops_rwlock},   {"semaphore", ops_semaphore},
	{"cond", ops_cond},       {"event", ops_event},     {"barrier", ops_barrier},
	{"once", ops_once},       {"value", ops_value},     {"shm", ops_shm},
	{"object", ops_object},   {"manager", ops_manager}, {"pool", ops_pool},
	{"creator", ops_creator}, {"client", ops_client},
};

static struct {
	const char *family; /* NULL: all */
	unsigned part;
	unsigned n_parts;
	int what; /* 0, or the letter of another thing to do than to sweep */
} asked = {.n_parts = 1};

static const char usage[] =
	"usage: ipk-prove [--quick] [--list] [--family F] [--part I/N] [--point N] [NAME...]\n"
	"       ipk-prove --selftest\n"
	"Kills a process at every instruction of each ipk operation and checks that those who\n"
	"survive lose nothing. NAME is a part of a row of --list, with * and ? if need be.\n"
	"  --quick     a few points of most rows, about a minute\n"
	"  --family F  only the rows of ops_F.c\n"
	"  --part I/N  only the I-th of each N rows, I from 0\n"
	"  --point N   only after N steps\n"
	"  --selftest  faulty operations that must be caught\n";

static void on_signal(int sig)
{
	must_stop = sig;
}

static bool is_wanted(const struct op *op, bool is_quick, char **names)
{
	char title[128];
	char pattern[256];

	if (op->is_extra)
		return false;
	if (!*names)
		return !(is_quick && op->is_minor);
	op_title(op, title, sizeof title);
	for (; *names; names++) {
		snprintf(pattern, sizeof pattern, "*%s*", *names);
		if (fnmatch(pattern, title, 0) == 0)
			return true;
	}
	return false;
}

static void print_result(const struct op *op, const struct sweep_result *r)
{
	const struct faults *f = &r->faults;

	printf("{\"op\":\"%s%s\",\"kind\":\"%s\",\"state\":\"%s\",\"size\":%zu,\"steps\":%u,"
	       "\"points\":%u,\"stepped\":\"%s\",\"hang\":%u,\"lost\":%u,\"torn\":%u,\"dup\":%u,"
	       "\"order\":%u,"
	       "\"leaked\":%u,\"wrong\":%u}\n",
	       op->is_stop ? "stop_" : "", op->name, op->kind, state_name(op->state), op->len_bytes,
	       r->n_steps, r->n_points, r->is_all ? "all" : "sampled", f->hang, f->lost, f->torn,
	       f->dup, f->order, f->leaked, f->wrong);
	fflush(stdout);
}

static int sweep_all(const struct sweep_opts *opts, char **names)
{
	size_t n_swept = 0;
	int code = 0;

	for (size_t i = 0; i < list.n_ops && !must_stop; i++) {
		struct sweep_result result;

		if (!is_wanted(&list.ops[i], opts->is_quick, names))
			continue;
		if (n_swept++ % asked.n_parts != asked.part)
			continue;
		if (!sweep(&list.ops[i], opts, &result)) {
			code = 2;
			continue;
		}
		print_result(&list.ops[i], &result);
		if (faults_total(&result.faults) > 0 && code == 0)
			code = 1;
	}
	if (n_swept == 0)
		fprintf(stderr, "ipk-prove: no such row; see --list\n");
	if (must_stop)
		fprintf(stderr, "ipk-prove: stopped by signal %d\n", must_stop);
	return n_swept == 0 || must_stop ? 2 : code;
}

/* Each faulty operation must show its fault, the sound one none. */
static int self_test(void)
{
	struct sweep_opts opts = {.point = -1};
	int code = 0;

	call_ms = 2000;
	for (size_t i = 0; i < list.n_ops && !must_stop; i++) {
		const struct op *op = &list.ops[i];
		struct sweep_result result;
		bool is_right;

		if (!op->is_extra)
			continue;
		if (!sweep(op, &opts, &result))
			return 2;
		print_result(op, &result);
		is_right = broken_is_caught(op, &result.faults);
		if (!is_right)
			fprintf(stderr, "ipk-prove: %s %s was judged wrongly\n", op->name,
				op->kind);
		code |= !is_right;
	}
	return must_stop ? 2 : code;
}

static void print_list(void)
{
	for (size_t i = 0; i < list.n_ops; i++) {
		char title[128];

		if (list.ops[i].is_extra)
			continue;
		op_title(&list.ops[i], title, sizeof title);
		puts(title);
	}
}

/* Of all families, or one; and the faulty operations of the self-test. */
static bool make_list(void)
{
	for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
		if (!asked.family || strcmp(families[i].name, asked.family) == 0)
			families[i].add(&list);
	}
	if (list.n_ops == 0) {
		fprintf(stderr, "ipk-prove: there is no family %s\n", asked.family);
		return false;
	}
	ops_broken(&list);
	return true;
}

/* 0, or the exit code and 1: for a wrong one, or for help. */
static int read_options(int argc, char **argv, struct sweep_opts *opts)
{
	static const struct option options[] = {
		{"quick", no_argument, NULL, 'q'},        {"list", no_argument, NULL, 'l'},
		{"point", required_argument, NULL, 'p'},  {"selftest", no_argument, NULL, 's'},
		{"family", required_argument, NULL, 'f'}, {"part", required_argument, NULL, 't'},
		{"help", no_argument, NULL, 'h'},         {0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		bool is_right = strchr("qplsft", c) != NULL;

		if (c == 'q')
			opts->is_quick = true;
		else if (c == 'p')
			opts->point = atoll(optarg);
		else if (c == 'f')
			asked.family = optarg;
		else if (c == 't')
			is_right = sscanf(optarg, "%u/%u", &asked.part, &asked.n_parts) == 2 &&
				   asked.part < asked.n_parts;
		else if (is_right)
			asked.what = c;
		if (is_right)
			continue;
		fputs(usage, c == 'h' ? stdout : stderr);
		return c == 'h' ? 1 : 3;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct sweep_opts opts = {.is_loud = true, .point = -1};
	int r = read_options(argc, argv, &opts);

	if (r != 0)
		return r - 1;
	if (!make_list())
		return 2;
	/* What was large and free is not used again: the kernel has zeros, calloc() has to write
	 * them. */
	mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	if (asked.what == 's')
		return self_test();
	if (asked.what == 'l')
		print_list();
	return asked.what == 'l' ? 0 : sweep_all(&opts, argv + optind);
}
