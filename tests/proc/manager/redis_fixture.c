/* redis_fixture.c - see redis_fixture.h. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipk/deadline.h"
#include "net/resp.h"
#include "os/os.h"
#include "redis_fixture.h"
#include "support/support.h"

static _Noreturn void give_up(const char *why)
{
	fprintf(stderr, "redis_fixture: %s\n", why);
	exit(99);
}

/* Below those that the kernel gives away, so that nobody gets it before redis-server does. */
int redis_fixture_free_port(void)
{
	enum { FIRST = 10000, N_PORTS = 20000, N_EACH = 16 };
	static int n;
	char text[16];
	int fd;

	for (int i = 0; i < N_PORTS; i++) {
		int port = FIRST + (getpid() * N_EACH + n++) % N_PORTS;

		snprintf(text, sizeof text, "%d", port);
		if (ipk__os_tcp_listen("127.0.0.1", text, &fd) < 0)
			continue;
		close(fd);
		return port;
	}
	give_up("no port is free");
}

void redis_fixture_launch(struct redis_server *server)
{
	char port[16], bus[16];
	const char *argv[32] = {"redis-server",
				"--port",
				port,
				"--bind",
				"127.0.0.1",
				"--save",
				"",
				"--loglevel",
				"warning",
				"--logfile",
				"redis.log",
				"--daemonize",
				"no",
				"--appendonly",
				"yes",
				"--appendfsync",
				"no"};
	size_t n = 17;
	pid_t parent = getpid();

	snprintf(port, sizeof port, "%d", server->port);
	snprintf(bus, sizeof bus, "%d", server->bus_port);
	if (server->is_clustered) {
		const char *more[] = {"--cluster-enabled",      "yes", "--cluster-port", bus,
				      "--cluster-node-timeout", "5000"};

		memcpy(argv + n, more, sizeof more);
	}
	fflush(NULL);
	server->pid = fork();
	if (server->pid < 0)
		give_up("no fork");
	if (server->pid > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent && chdir(server->dir) == 0)
		execvp(argv[0], (char *const *)argv);
	_exit(127);
}

static bool exchange(const struct redis_server *server, const char *words, char *buf, size_t room)
{
	ipk_deadline deadline = ipk_in_ms(WAIT_MS);
	struct ipk__resp_scan scan = {0};
	char port[16], line[1024];
	size_t have = 0, whole = 0, n = 0;
	int fd, r;

	snprintf(port, sizeof port, "%d", server->port);
	if (ipk__os_tcp_connect("127.0.0.1", port, deadline, &fd) < 0)
		return false;
	snprintf(line, sizeof line, "%s\r\n", words);
	r = (int)write(fd, line, strlen(line)) > 0 ? 0 : -1;
	while (r == 0 && ipk__resp_scan_value(&scan, buf, have, &whole) == 0) {
		r = ipk__os_poll1(fd, IPK__OS_IN, deadline, NULL);
		if (r == 0)
			r = ipk__os_stream_read(fd, buf + have, room - 1 - have, &n);
		have += r == 0 ? n : 0;
	}
	close(fd);
	buf[have] = 0;
	return r == 0;
}

const char *redis_fixture_ask(const struct redis_server *server, const char *words)
{
	static char buf[65536];

	if (!exchange(server, words, buf, sizeof buf))
		buf[0] = 0;
	return buf;
}

static bool is_up(void *arg)
{
	return strncmp(redis_fixture_ask(arg, "PING"), "+PONG", 5) == 0;
}

static bool knows_all(void *arg)
{
	const char *info = redis_fixture_ask(arg, "CLUSTER INFO");

	return strstr(info, "cluster_state:ok") && strstr(info, "cluster_known_nodes:3") &&
	       strstr(info, "cluster_slots_ok:16384");
}

static void make_cluster(struct redis_fixture *s)
{
	static const char *const ranges[] = {"0 5460", "5461 10922", "10923 16383"};
	char words[128];

	for (int i = 0; i < REDIS_NODES; i++) {
		snprintf(words, sizeof words, "CLUSTER SET-CONFIG-EPOCH %d", i + 1);
		redis_fixture_ask(&s->nodes[i], words);
		snprintf(words, sizeof words, "CLUSTER ADDSLOTSRANGE %s", ranges[i]);
		redis_fixture_ask(&s->nodes[i], words);
		snprintf(words, sizeof words, "CLUSTER MEET 127.0.0.1 %d %d", s->nodes[0].port,
			 s->nodes[0].bus_port);
		if (i > 0)
			redis_fixture_ask(&s->nodes[i], words);
	}
	for (int i = 0; i < REDIS_NODES; i++)
		if (!wait_until(knows_all, &s->nodes[i], WAIT_MS))
			give_up("the cluster does not come together");
}

static void prepare(struct redis_fixture *s, struct redis_server *server, const char *name,
		    bool clustered)
{
	snprintf(server->dir, sizeof server->dir, "%s/%s", s->dir, name);
	if (mkdir(server->dir, 0700) < 0)
		give_up("no directory");
	server->is_clustered = clustered;
	server->port = redis_fixture_free_port();
	server->bus_port = redis_fixture_free_port();
	redis_fixture_launch(server);
}

void redis_fixture_start(struct redis_fixture *s)
{
	static const char *const names[] = {"a", "b", "c"};

	memset(s, 0, sizeof *s);
	strcpy(s->dir, "/tmp/ipk-redises-XXXXXX");
	if (!mkdtemp(s->dir))
		give_up("no directory");
	prepare(s, &s->alone, "alone", false);
	for (int i = 0; i < REDIS_NODES; i++)
		prepare(s, &s->nodes[i], names[i], true);
	if (!wait_until(is_up, &s->alone, WAIT_MS))
		give_up("no redis-server comes up");
	for (int i = 0; i < REDIS_NODES; i++)
		if (!wait_until(is_up, &s->nodes[i], WAIT_MS))
			give_up("no redis-server comes up");
	make_cluster(s);
	snprintf(s->addresses[0], sizeof s->addresses[0], "redis://127.0.0.1:%d", s->alone.port);
	snprintf(s->addresses[1], sizeof s->addresses[1],
		 "redis-cluster://127.0.0.1:%d,127.0.0.1:%d", s->nodes[1].port, s->nodes[2].port);
}

static void end(struct redis_server *server)
{
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
}

void redis_fixture_end(struct redis_fixture *s)
{
	char command[96];

	end(&s->alone);
	for (int i = 0; i < REDIS_NODES; i++)
		end(&s->nodes[i]);
	snprintf(command, sizeof command, "rm -rf '%s'", s->dir);
	if (system(command) != 0)
		give_up("the directory is not removed");
}
