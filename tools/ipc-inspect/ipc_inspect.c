/*
 * ipc_inspect.c - ipc-inspect: what ipk objects exist, who uses them and who waits.
 *
 * Thin on purpose: the library looks, this prints. Exit codes are a contract: 0 done,
 * 1 there is no such object or the system refused, 2 the command line is wrong.
 */
#include <errno.h>
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

/* --- help --- */

static void print_help(FILE *out)
{
	fputs("usage: ipc-inspect ls [--json]            every ipk object on this machine\n"
	      "       ipc-inspect show OBJECT [--json]   all about one, by name, label or id; "
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
	      "Looks only: nothing is written, locked or held up, so it is safe on programs that\n"
	      "hang. Processes of other users are seen only by root.\n"
	      "\n"
	      "Columns of ls (a duplex pipe has two numbers, one a direction):\n",
	      out);
	columns_help(out);
	fputs("\n"
	      "Exit code: 0 done, 1 no such object or the system refused, 2 wrong command line.\n",
	      out);
}

static int usage(const char *problem, const char *word)
{
	fprintf(stderr, "ipc-inspect: %s%s%s%s\n", problem, word ? " '" : "", word ? word : "",
		word ? "'" : "");
	fputs("hint: ipc-inspect ls lists everything; ipc-inspect --help tells the rest\n", stderr);
	return EXIT_USAGE;
}

/* --- output --- */

/* Whoever reads may have seen enough (head, a pager): that is no failure. */
static int finish(int code)
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
		fputs("ipc-inspect: no memory\n", stderr);
		return EXIT_NOT_FOUND;
	}
	return EXIT_DONE;
}

static void print_hidden(const ipk_inspect *snap)
{
	size_t n = ipk_inspect_n_hidden(snap);

	if (n > 0)
		printf("%zu process%s may not be looked into by this user\n", n,
		       n == 1 ? "" : "es");
}

/* --- verbs --- */

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
			fputs("hint: it may be another user's: try as root\n", stderr);
		else
			fputs("hint: ipc-inspect ls lists what there is\n", stderr);
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

/* A hint that helps, for each way in which finding a manager fails. */
static int no_manager(const struct command *c, int error)
{
	fprintf(stderr, "ipc-inspect: cannot look at manager %s: %s: %s\n",
		c->object ? c->object : "(the only one)", ipk_errname(error), ipk_strerror(error));
	if (error == -ENOTUNIQ)
		fputs("hint: there are several: say the address, the label or a pid\n", stderr);
	else if (error == -ENOENT)
		fputs("hint: ipc-inspect ls lists those on this machine that you may look at; a\n"
		      "      server elsewhere tells about itself by redis-cli INFO and CLIENT "
		      "LIST\n",
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
		return finish(EXIT_DONE);
	}
	json = manager_json(snap);
	if (!json || json_dumpf(json, stdout, JSON_STYLE) < 0)
		fputs("ipc-inspect: no memory\n", stderr);
	putchar('\n');
	r = json ? EXIT_DONE : EXIT_NOT_FOUND;
	json_decref(json);
	return finish(r);
}

static int run_objects(const struct command *c)
{
	IPK_AUTO(inspect, snap);
	int r = ipk_inspect_scan(IPK_INSPECT(.match = c->object), &snap);

	if (r < 0) {
		fprintf(stderr, "ipc-inspect: cannot look: %s: %s\n", ipk_errname(r),
			ipk_strerror(r));
		return EXIT_NOT_FOUND;
	}
	return finish(c->object ? do_show(snap, c) : do_ls(snap, c));
}

static int run(const struct command *c)
{
	if (strcmp(c->verb, "manager") == 0)
		return run_manager(c);
	return run_objects(c);
}

/* --- the command line --- */

/* EXIT_DONE, or EXIT_USAGE after saying why. */
static int parse(int argc, char **argv, struct command *ret)
{
	struct command c = {0};
	bool only_words = false;

	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];

		if (!only_words && strcmp(word, "--") == 0)
			only_words = true;
		else if (!only_words && strcmp(word, "--json") == 0)
			c.json = true;
		else if (!only_words && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0))
			c.help = true;
		else if (!only_words && strcmp(word, "--version") == 0)
			c.version = true;
		else if (!only_words && word[0] == '-')
			return usage("there is no option", word);
		else if (!c.verb)
			c.verb = word;
		else if (!c.object &&
			 (strcmp(c.verb, "show") == 0 || strcmp(c.verb, "manager") == 0))
			c.object = word;
		else
			return usage("one word too many:", word);
	}
	*ret = c;
	return EXIT_DONE;
}

static int check(const struct command *c)
{
	if (c->help || c->version)
		return EXIT_DONE;
	if (!c->verb)
		return usage("what is to be done?", NULL);
	if (strcmp(c->verb, "ls") != 0 && strcmp(c->verb, "show") != 0 &&
	    strcmp(c->verb, "manager") != 0)
		return usage("there is no verb", c->verb);
	if (strcmp(c->verb, "show") == 0 && !c->object)
		return usage("show what? A name, label or id is missing", NULL);
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	struct command c = {0};
	int code = parse(argc, argv, &c);

	signal(SIGXFSZ, SIG_IGN); /* output over RLIMIT_FSIZE is an error to tell */
	if (code == EXIT_DONE)
		code = check(&c);
	if (code != EXIT_DONE)
		return code;
	if (!c.help && !c.version)
		return run(&c);
	if (c.help)
		print_help(stdout);
	else
		printf("ipc-inspect %d.%d.%d\n", IPK_VERSION_MAJOR, IPK_VERSION_MINOR,
		       IPK_VERSION_PATCH);
	return finish(EXIT_DONE);
}
