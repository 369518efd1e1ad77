/*
 * ipc_inspect.c - ipc-inspect: which ipk objects exist, who uses them and who waits.
 *
 * The library inspects, this program only prints. Exit codes are a contract: 0 success,
 * 1 no such object or a system error, 2 wrong usage.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "ipc_inspect.h"

#define JSON_STYLE (JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(17))

enum { EXIT_DONE = 0, EXIT_NOT_FOUND = 1, EXIT_USAGE = 2 };

struct command {
	const char *verb;
	const char *object;
	bool json;
	bool help;
	bool version;
};

/* --- help ------------------------------------------------------------------------------------- */

static void print_help(FILE *out)
{
	fputs("usage: ipc-inspect ls [--json]            list all ipk objects on this machine\n"
	      "       ipc-inspect show OBJECT [--json]   one object, by name, label or id; "
	      "pools and\n"
	      "                                          children also by the pid of their "
	      "process\n"
	      "       ipc-inspect manager [WHICH] [--json]\n"
	      "                                          a manager's objects, clients and waiters; "
	      "WHICH:\n"
	      "                                          its address, label, or a pid that uses "
	      "it\n"
	      "       ipc-inspect --help | --version\n"
	      "\n"
	      "Read-only: it writes nothing and takes no lock, so it is safe on programs that "
	      "hang.\n"
	      "Only root can see the processes of other users.\n"
	      "\n"
	      "Columns of ls (a duplex pipe has two numbers, one per direction):\n",
	      out);
	columns_help(out);
	fputs("\n"
	      "Exit code: 0 success, 1 no such object or a system error, 2 wrong usage.\n",
	      out);
}

static int usage(const char *problem, const char *word)
{
	fprintf(stderr, "ipc-inspect: %s%s%s%s\n", problem, word ? " '" : "", word ? word : "",
		word ? "'" : "");
	fputs("hint: ipc-inspect ls lists all objects; see also ipc-inspect --help\n", stderr);
	return EXIT_USAGE;
}

/* --- output ----------------------------------------------------------------------------------- */

/* The reader (head, a pager) may close the pipe early: that is not an error. */
static int flush_output(int code)
{
	if ((fflush(stdout) == 0 && !ferror(stdout)) || errno == EPIPE)
		return code;
	perror("ipc-inspect: output");
	return EXIT_NOT_FOUND;
}

static int print_json(const ipk_inspect *snap, json_t *(*to_json)(const ipk_inspect_object *o))
{
	json_t *objects = json_array();
	json_t *all;
	int r;

	for (size_t i = 0; i < ipk_inspect_len(snap); i++)
		json_array_append_new(objects, to_json(ipk_inspect_object_at(snap, i)));
	all = json_pack("{s:o, s:o}", "objects", objects, "hidden_processes",
			json_number(ipk_inspect_n_hidden(snap)));
	r = all ? json_dumpf(all, stdout, JSON_STYLE) : -1;
	json_decref(all);
	putchar('\n');
	if (r < 0 && !ferror(stdout)) {
		fputs("ipc-inspect: out of memory\n", stderr);
		return EXIT_NOT_FOUND;
	}
	return EXIT_DONE;
}

static void print_hidden(const ipk_inspect *snap)
{
	size_t n = ipk_inspect_n_hidden(snap);

	if (n > 0)
		printf("%zu process%s not accessible to this user\n", n, n == 1 ? "" : "es");
}

/* --- verbs ------------------------------------------------------------------------------------ */

static int do_ls(const ipk_inspect *snap, const struct command *c)
{
	if (c->json)
		return print_json(snap, columns_json);
	columns_print(snap);
	print_hidden(snap);
	return EXIT_DONE;
}

static int do_show(const ipk_inspect *snap, const struct command *c)
{
	if (ipk_inspect_len(snap) == 0) {
		fprintf(stderr, "ipc-inspect: no object has the name, label or id '%s'\n",
			c->object);
		if (ipk_inspect_n_hidden(snap) > 0)
			fputs("hint: it may belong to another user: try as root\n", stderr);
		else
			fputs("hint: ipc-inspect ls lists all objects\n", stderr);
		return EXIT_NOT_FOUND;
	}
	if (c->json)
		return print_json(snap, show_json);
	for (size_t i = 0; i < ipk_inspect_len(snap); i++) {
		if (i > 0)
			putchar('\n');
		show_text(ipk_inspect_object_at(snap, i));
	}
	print_hidden(snap);
	return EXIT_DONE;
}

/* Prints the error and a hint that fits it. */
static int no_manager(const struct command *c, int error)
{
	fprintf(stderr, "ipc-inspect: cannot inspect manager %s: %s: %s\n",
		c->object ? c->object : "(the only one)", ipk_errname(error), ipk_strerror(error));
	if (error == -ENOTUNIQ)
		fputs("hint: there are several: give the address, the label or a pid\n", stderr);
	else if (error == -ENOENT)
		fputs("hint: ipc-inspect ls lists the managers on this machine that are "
		      "accessible; for\n"
		      "      a remote server use redis-cli INFO and CLIENT LIST\n",
		      stderr);
	return EXIT_NOT_FOUND;
}

static int run_manager(const struct command *c)
{
	IPK_AUTO(manager_snapshot, snap);
	int r = ipk_manager_snapshot_take(c->object, NULL, &snap);
	json_t *json;

	if (r < 0)
		return no_manager(c, r);
	if (!c->json) {
		manager_text(snap);
		return flush_output(EXIT_DONE);
	}
	json = manager_json(snap);
	if (!json || json_dumpf(json, stdout, JSON_STYLE) < 0)
		fputs("ipc-inspect: out of memory\n", stderr);
	putchar('\n');
	r = json ? EXIT_DONE : EXIT_NOT_FOUND;
	json_decref(json);
	return flush_output(r);
}

static int run_objects(const struct command *c)
{
	IPK_AUTO(inspect, snap);
	int r = ipk_inspect_scan(IPK_INSPECT(.match = c->object), &snap);

	if (r < 0) {
		fprintf(stderr, "ipc-inspect: cannot scan: %s: %s\n", ipk_errname(r),
			ipk_strerror(r));
		return EXIT_NOT_FOUND;
	}
	return flush_output(c->object ? do_show(snap, c) : do_ls(snap, c));
}

static int run(const struct command *c)
{
	if (strcmp(c->verb, "manager") == 0)
		return run_manager(c);
	return run_objects(c);
}

/* --- the command line ------------------------------------------------------------------------- */

/* EXIT_DONE, or EXIT_USAGE after an error message. */
static int take_word(struct command *c, const char *word)
{
	if (!c->verb)
		c->verb = word;
	else if (!c->object && (strcmp(c->verb, "show") == 0 || strcmp(c->verb, "manager") == 0))
		c->object = word;
	else
		return usage("unexpected argument", word);
	return EXIT_DONE;
}

/* "-": getopt returns operands in order, so those after "--" can be told from those before. */
static int parse(int argc, char **argv, struct command *c)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{0},
	};
	int at, letter, code = EXIT_DONE;

	opterr = 0;
	while (at = optind, (letter = getopt_long(argc, argv, "-h", options, NULL)) != -1) {
		if (letter == 'j')
			c->json = true;
		else if (letter == 'h')
			c->help = true;
		else if (letter == 'v')
			c->version = true;
		else if (letter == 1 && optarg[0] != '-')
			code = take_word(c, optarg);
		else
			code = usage("unknown option", argv[at]);
		if (code != EXIT_DONE)
			return code;
	}
	while (code == EXIT_DONE && optind < argc)
		code = take_word(c, argv[optind++]);
	return code;
}

static int check_arguments(const struct command *c)
{
	if (c->help || c->version)
		return EXIT_DONE;
	if (!c->verb)
		return usage("missing command", NULL);
	if (strcmp(c->verb, "ls") != 0 && strcmp(c->verb, "show") != 0 &&
	    strcmp(c->verb, "manager") != 0)
		return usage("unknown command", c->verb);
	if (strcmp(c->verb, "show") == 0 && !c->object)
		return usage("show: missing name, label or id", NULL);
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	struct command c = {0};
	int code = parse(argc, argv, &c);

	signal(SIGXFSZ, SIG_IGN); /* report output over RLIMIT_FSIZE as an error */
	if (code == EXIT_DONE)
		code = check_arguments(&c);
	if (code != EXIT_DONE)
		return code;
	if (!c.help && !c.version)
		return run(&c);
	if (c.help)
		print_help(stdout);
	else
		printf("ipc-inspect %d.%d.%d\n", IPK_VERSION_MAJOR, IPK_VERSION_MINOR,
		       IPK_VERSION_PATCH);
	return flush_output(EXIT_DONE);
}
