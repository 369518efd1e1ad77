/*
 * ipc_manager.c - ipc-manager: the server of shared dicts, lists, locks and queues, as a daemon.
 *
 * Thin on purpose: the library serves, this reads a command line, says what went wrong and
 * turns SIGTERM into a clean end. It stays in the foreground. Exit codes are a contract: 0 it
 * was ended, 1 it could not begin or go on, 2 the command line is wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <ipk.h>
#include <ipk/manager_server.h>

#define IDS_MAX 64

enum { EXIT_DONE = 0, EXIT_TROUBLE = 1, EXIT_USAGE = 2 };

struct command {
	ipk_manager_server_opts opts;
	uid_t uids[IDS_MAX];
	gid_t gids[IDS_MAX];
	char trouble[256];
	bool help;
	bool version;
};

/* --- help --- */

static void print_help(void)
{
	fputs("usage: ipc-manager --listen unix:PATH|tcp:HOST:PORT [OPTION]...\n"
	      "\n"
	      "Holds shared dicts, lists, locks and queues; speaks the protocol of Redis.\n"
	      "\n"
	      "  --listen ADDRESS        unix:PATH, or tcp:HOST:PORT (port 0: any that is free)\n"
	      "  --log FILE              what was written survives in it\n"
	      "  --fsync WHEN            always, everysec (default) or no\n"
	      "  --key-file FILE         clients must know what is in it; 16 bytes or more\n"
	      "  --max-memory N[k|m|g]   writes are refused beyond it\n"
	      "  --max-clients N         10000\n"
	      "  --allow-uid N           unix: this user may come too; can be repeated\n"
	      "  --allow-gid N           the same for a group\n"
	      "  --label NAME            what ipc-inspect calls it\n"
	      "  --help, --version\n"
	      "\n"
	      "Without a key, tcp: addresses must be this machine's own (loopback). Runs until\n"
	      "SIGTERM or SIGINT.\n"
	      "\n"
	      "Exit code: 0 ended, 1 could not begin or go on, 2 wrong command line.\n",
	      stdout);
}

static int usage(const char *problem, const char *word)
{
	fprintf(stderr, "ipc-manager: %s%s%s%s\n", problem, word ? " '" : "", word ? word : "",
		word ? "'" : "");
	fputs("hint: ipc-manager --help\n", stderr);
	return EXIT_USAGE;
}

/* --- words of the command line --- */

/* A whole number with k, m or g behind it when @units. */
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

static bool read_fsync(const char *text, int *ret_fsync)
{
	static const char *const words[] = {[IPK_MANAGER_FSYNC_EVERYSEC] = "everysec",
					    [IPK_MANAGER_FSYNC_ALWAYS] = "always",
					    [IPK_MANAGER_FSYNC_NO] = "no"};

	for (int i = 0; i < 3; i++) {
		if (strcmp(text, words[i]) == 0) {
			*ret_fsync = i;
			return true;
		}
	}
	return false;
}

static bool set_number(struct command *c, const char *option, const char *value)
{
	uint64_t n = 0;

	if (strcmp(option, "--max-memory") == 0)
		return read_number(value, true, UINT64_MAX, &c->opts.max_memory_bytes);
	if (!read_number(value, false, UINT32_MAX, &n))
		return false;
	if (strcmp(option, "--max-clients") == 0 && n > 0)
		c->opts.max_clients = (uint32_t)n;
	else if (strcmp(option, "--allow-uid") == 0 && c->opts.n_allowed_uids < IDS_MAX)
		c->uids[c->opts.n_allowed_uids++] = (uid_t)n;
	else if (strcmp(option, "--allow-gid") == 0 && c->opts.n_allowed_gids < IDS_MAX)
		c->gids[c->opts.n_allowed_gids++] = (gid_t)n;
	else
		return false;
	return true;
}

static bool set(struct command *c, const char *option, const char *value)
{
	if (strcmp(option, "--fsync") == 0)
		return read_fsync(value, &c->opts.fsync);
	if (strcmp(option, "--listen") == 0)
		c->opts.address = value;
	else if (strcmp(option, "--log") == 0)
		c->opts.log_path = value;
	else if (strcmp(option, "--key-file") == 0)
		c->opts.key_file = value;
	else if (strcmp(option, "--label") == 0)
		c->opts.label = value;
	else
		return set_number(c, option, value);
	return true;
}

static bool is_option(const char *word)
{
	static const char *const words[] = {"--listen",    "--log",        "--fsync",
					    "--key-file",  "--max-memory", "--max-clients",
					    "--allow-uid", "--allow-gid",  "--label"};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strcmp(word, words[i]) == 0)
			return true;
	}
	return false;
}

/* EXIT_DONE, or EXIT_USAGE after saying why. */
static int parse(int argc, char **argv, struct command *c)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			c->help = true;
		else if (strcmp(argv[i], "--version") == 0)
			c->version = true;
		else if (!is_option(argv[i]))
			return usage("there is no option", argv[i]);
		else if (i + 1 == argc)
			return usage("something is missing behind", argv[i]);
		else if (!set(c, argv[i], argv[i + 1]))
			return usage(argv[i], argv[i + 1]);
		else
			i++;
	}
	if (!c->help && !c->version && !c->opts.address)
		return usage("where? --listen is missing", NULL);
	return EXIT_DONE;
}

/* Whoever reads may have seen enough (head, a pager): that is no failure. */
static int finish(int code)
{
	if ((fflush(stdout) == 0 && !ferror(stdout)) || errno == EPIPE)
		return code;
	perror("ipc-manager: output");
	return EXIT_TROUBLE;
}

/* --- running --- */

/* Started without stdin, stdout or stderr, it would print to a file that it opened since. */
static void fill_stdio(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* What systemd wants to be told, if it is there. */
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
	/* Nobody listens any more: no reason to stop serving. */
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
		return "beyond this machine a --key-file is needed";
	if (r == -EACCES)
		return "the key file must be this user's alone, and the directory writable";
	if (r == -EADDRINUSE)
		return "somebody listens there";
	if (r == -EINVAL)
		return "an address is unix:PATH or tcp:HOST:PORT, a key has 16 to 4096 bytes";
	return NULL;
}

static int run(struct command *c)
{
	const char *why;
	int stop_fd;
	int r;

	fill_stdio();
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

	signal(SIGXFSZ, SIG_IGN); /* output over RLIMIT_FSIZE is an error to tell */
	if (code != EXIT_DONE)
		return code;
	if (c.help)
		print_help();
	else if (c.version)
		printf("ipc-manager %d.%d.%d\n", IPK_VERSION_MAJOR, IPK_VERSION_MINOR,
		       IPK_VERSION_PATCH);
	else
		return run(&c);
	return finish(EXIT_DONE);
}
