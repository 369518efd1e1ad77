/*
 * ipc_manager.c - ipc-manager: the server of shared dicts, lists, locks and queues, as a daemon.
 *
 * The library serves; this program parses the command line, reports errors and turns SIGTERM
 * into a clean shutdown. It stays in the foreground. Exit codes are a contract: 0 terminated on
 * request, 1 could not start or continue, 2 wrong usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <ipk.h>
#include <ipk/manager_server.h>

#define IDS_MAX 64

#define FDS_WANTED 10100

enum { EXIT_DONE = 0, EXIT_TROUBLE = 1, EXIT_USAGE = 2 };

struct command {
	ipk_manager_server_opts opts;
	uid_t uids[IDS_MAX];
	gid_t gids[IDS_MAX];
	char trouble[256];
	bool help;
	bool version;
};

/* --- help ------------------------------------------------------------------------------------- */

static void print_help(void)
{
	fputs("usage: ipc-manager --listen unix:PATH|tcp:HOST:PORT [OPTION]...\n"
	      "\n"
	      "Serves shared dicts, lists, locks and queues over the Redis protocol.\n"
	      "\n"
	      "  --listen ADDRESS        unix:PATH, or tcp:HOST:PORT (port 0: any free port)\n"
	      "  --log FILE              append-only log: writes survive a restart\n"
	      "  --fsync WHEN            when to fsync the log: always, everysec (default) or no\n"
	      "  --key-file FILE         clients must authenticate with its content, 16 bytes or "
	      "more\n"
	      "  --max-memory N[k|m|g]   refuse writes beyond this limit\n"
	      "  --max-clients N         limit of connections (default 10000)\n"
	      "  --allow-uid N           unix: allow this user too; may be repeated\n"
	      "  --allow-gid N           the same for a group\n"
	      "  --label NAME            name shown by ipc-inspect\n"
	      "  --help, --version\n"
	      "\n"
	      "Without a key, only loopback tcp: addresses are allowed. Runs until\n"
	      "SIGTERM or SIGINT.\n"
	      "\n"
	      "Exit code: 0 terminated on request, 1 could not start or continue, 2 wrong usage.\n",
	      stdout);
}

static int usage(const char *problem, const char *word)
{
	fprintf(stderr, "ipc-manager: %s%s%s%s\n", problem, word ? " '" : "", word ? word : "",
		word ? "'" : "");
	fputs("hint: ipc-manager --help\n", stderr);
	return EXIT_USAGE;
}

/* --- values of options ------------------------------------------------------------------------ */

/* An integer; with @units it may have the suffix k, m or g. */
static bool read_number(const char *text, bool units, uint64_t max, uint64_t *ret_n)
{
	uint64_t unit = 1;
	uint64_t n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno != 0 || end == text || text[0] < '0' || text[0] > '9')
		return false;
	if (units && *end && end[1] == '\0') {
		const char *at = strchr("kKmMgG", *end);

		if (!at)
			return false;
		unit = (uint64_t)1 << (10 * ((at - "kKmMgG") / 2 + 1));
		end++;
	}
	if (*end || n > max / unit)
		return false;
	*ret_n = n * unit;
	return true;
}

static bool read_fsync(const char *text, ipk_manager_fsync *ret_fsync)
{
	static const char *const words[] = {[IPK_MANAGER_FSYNC_EVERYSEC] = "everysec",
					    [IPK_MANAGER_FSYNC_ALWAYS] = "always",
					    [IPK_MANAGER_FSYNC_NO] = "no"};

	for (int i = 0; i < 3; i++) {
		if (strcmp(text, words[i]) == 0) {
			*ret_fsync = (ipk_manager_fsync)i;
			return true;
		}
	}
	return false;
}

static const struct option options[] = {
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'v'},
	{"listen", required_argument, NULL, 'a'},
	{"log", required_argument, NULL, 'l'},
	{"fsync", required_argument, NULL, 'f'},
	{"key-file", required_argument, NULL, 'k'},
	{"max-memory", required_argument, NULL, 'm'},
	{"max-clients", required_argument, NULL, 'c'},
	{"allow-uid", required_argument, NULL, 'u'},
	{"allow-gid", required_argument, NULL, 'g'},
	{"label", required_argument, NULL, 'n'},
	{0},
};

static bool set_number(struct command *c, int letter, const char *value)
{
	uint64_t n = 0;

	if (letter == 'm')
		return read_number(value, true, UINT64_MAX, &c->opts.max_memory_bytes);
	if (!read_number(value, false, UINT32_MAX, &n))
		return false;
	if (letter == 'c' && n > 0)
		c->opts.max_clients = (uint32_t)n;
	else if (letter == 'u' && c->opts.n_allowed_uids < IDS_MAX)
		c->uids[c->opts.n_allowed_uids++] = (uid_t)n;
	else if (letter == 'g' && c->opts.n_allowed_gids < IDS_MAX)
		c->gids[c->opts.n_allowed_gids++] = (gid_t)n;
	else
		return false;
	return true;
}

static bool set(struct command *c, int letter, const char *value)
{
	switch (letter) {
	case 'h':
		c->help = true;
		return true;
	case 'v':
		c->version = true;
		return true;
	case 'f':
		return read_fsync(value, &c->opts.fsync);
	case 'a':
		c->opts.address = value;
		return true;
	case 'l':
		c->opts.log_path = value;
		return true;
	case 'k':
		c->opts.key_file = value;
		return true;
	case 'n':
		c->opts.label = value;
		return true;
	default:
		return set_number(c, letter, value);
	}
}

/* EXIT_DONE, or EXIT_USAGE after an error message. "-": getopt returns operands too, all wrong. */
static int parse(int argc, char **argv, struct command *c)
{
	char name[32];
	int at, letter, which = 0;

	opterr = 0;
	while (at = optind, (letter = getopt_long(argc, argv, "-:h", options, &which)) != -1) {
		if (letter == ':')
			return usage("missing argument of", argv[at]);
		if (letter == '?' || letter == 1)
			return usage(letter == 1 ? "unexpected argument" : "unknown option",
				     argv[at]);
		snprintf(name, sizeof name, "invalid --%s", options[which].name);
		if (!set(c, letter, optarg))
			return usage(name, optarg);
	}
	if (optind < argc)
		return usage("unexpected argument", argv[optind]);
	if (!c->help && !c->version && !c->opts.address)
		return usage("missing option --listen", NULL);
	return EXIT_DONE;
}

/* The reader (head, a pager) may close the pipe early: that is not an error. */
static int flush_output(int code)
{
	if ((fflush(stdout) == 0 && !ferror(stdout)) || errno == EPIPE)
		return code;
	perror("ipc-manager: output");
	return EXIT_TROUBLE;
}

/* --- running ---------------------------------------------------------------------------------- */

/* If fds 0 to 2 were closed, a file opened later would get one of them, and the output. */
static void fill_stdio(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* sd_notify(): does nothing unless systemd set NOTIFY_SOCKET. */
static void notify_systemd(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t n = path ? strlen(path) : 0;
	socklen_t addr_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	int fd;

	if (n == 0 || n > sizeof addr.sun_path || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(addr.sun_path, path, n);
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* A failed notification is no reason to stop serving. */
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&addr,
		   addr_bytes) < 0)
		fprintf(stderr, "ipc-manager: cannot notify systemd: %s\n", strerror(errno));
	close(fd);
}

static void on_ready(void *arg, const char *address)
{
	const struct command *c = arg;

	if (c->trouble[0])
		fprintf(stderr, "ipc-manager: warning: %s\n", c->trouble);
	printf("ipc-manager: listening on %s\n", address);
	fflush(stdout);
	notify_systemd("READY=1\n");
}

static int stop_signals(int *ret_fd)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	*ret_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *ret_fd < 0 ? -errno : 0;
}

static const char *hint(int r, const struct command *c)
{
	if (c->trouble[0])
		return c->trouble;
	if (r == -EACCES && strncmp(c->opts.address, "tcp:", 4) == 0 && !c->opts.key_file)
		return "an address that is not loopback needs --key-file";
	if (r == -EACCES)
		return "the key file must be private to this user, and the directory writable";
	if (r == -EADDRINUSE)
		return "another server listens on this address";
	if (r == -EINVAL)
		return "an address is unix:PATH or tcp:HOST:PORT, a key has 16 to 4096 bytes";
	return NULL;
}

/* As many clients as it may have, and what it opens itself. */
static void want_fds(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < FDS_WANTED) {
		limit.rlim_cur = limit.rlim_max < FDS_WANTED ? limit.rlim_max : FDS_WANTED;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int run(struct command *c)
{
	const char *why;
	int stop_fd;
	int r;

	fill_stdio();
	want_fds();
	r = stop_signals(&stop_fd);
	c->opts.struct_size = sizeof c->opts;
	c->opts.allowed_uids = c->uids;
	c->opts.allowed_gids = c->gids;
	c->opts.on_ready = on_ready;
	c->opts.arg = c;
	c->opts.trouble = c->trouble;
	c->opts.trouble_bytes = sizeof c->trouble;
	if (r == 0)
		r = ipk_manager_serve(&c->opts, stop_fd);
	notify_systemd("STOPPING=1\n");
	if (r == 0)
		return EXIT_DONE;
	why = hint(r, c);
	fprintf(stderr, "ipc-manager: cannot serve %s: %s: %s\n", c->opts.address, ipk_errname(r),
		ipk_strerror(r));
	if (why)
		fprintf(stderr, "hint: %s\n", why);
	return EXIT_TROUBLE;
}

int main(int argc, char **argv)
{
	static struct command c;
	int code = parse(argc, argv, &c);

	signal(SIGXFSZ, SIG_IGN); /* report output over RLIMIT_FSIZE as an error */
	if (code != EXIT_DONE)
		return code;
	if (c.help)
		print_help();
	else if (c.version)
		printf("ipc-manager %d.%d.%d\n", IPK_VERSION_MAJOR, IPK_VERSION_MINOR,
		       IPK_VERSION_PATCH);
	else
		return run(&c);
	return flush_output(EXIT_DONE);
}
