/*
 * prove.c - ipk-prove: kills processes inside ipk calls and looks at what is left.
 *
 * One JSON object a line for each operation, kind, state and size. The exit code is 0 only
 * when there was no fault at any point, 1 when there was, 2 when a scene could not be set.
 */
#include <fnmatch.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "sweep.h"

static struct op_list list;

static const char usage[] =
	"usage: ipk-prove [--quick] [--list] [--point N] [NAME...]\n"
	"       ipk-prove --selftest\n"
	"Kills a process at every instruction of each ipk operation and checks that those who\n"
	"survive lose nothing. NAME is a part of a row of --list, with * and ? if need be.\n"
	"  --quick     a few points of most rows, about a minute\n"
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

	printf("{\"op\":\"%s%s\",\"kind\":\"%s\",\"state\":\"%s\",\"size\":%zu,\"points\":%u,"
	       "\"stepped\":\"%s\",\"hang\":%u,\"lost\":%u,\"torn\":%u,\"dup\":%u,\"order\":%u,"
	       "\"leaked\":%u,\"wrong\":%u}\n",
	       op->is_stop ? "stop_" : "", op->name, op->kind, state_name(op->state), op->len_bytes,
	       r->n_points, r->is_all ? "all" : "sampled", f->hang, f->lost, f->torn, f->dup,
	       f->order, f->leaked, f->wrong);
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
		n_swept++;
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

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"quick", no_argument, NULL, 'q'},       {"list", no_argument, NULL, 'l'},
		{"point", required_argument, NULL, 'p'}, {"selftest", no_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},        {0},
	};
	struct sweep_opts opts = {.is_loud = true, .point = -1};
	int c;

	ops_pipe(&list);
	ops_queue(&list);
	ops_name(&list);
	ops_lock(&list);
	ops_rwlock(&list);
	ops_semaphore(&list);
	ops_cond(&list);
	ops_event(&list);
	ops_barrier(&list);
	ops_once(&list);
	ops_value(&list);
	ops_shm(&list);
	ops_object(&list);
	ops_manager(&list);
	ops_pool(&list);
	ops_creator(&list);
	ops_client(&list);
	ops_broken(&list);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'q':
			opts.is_quick = true;
			break;
		case 'p':
			opts.point = atoll(optarg);
			break;
		case 'l':
			print_list();
			return 0;
		case 's':
			return self_test();
		default:
			fputs(usage, c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
	}
	return sweep_all(&opts, argv + optind);
}
