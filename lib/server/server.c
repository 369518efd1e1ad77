/*
 * server.c - creating a server, its event loop, and its shutdown.
 *
 * Invariant: within a turn, no peer is freed and no reply is sent before everything that was
 * executed in it is in the log. Each part of a turn is bounded (requests per peer, peers, time for
 * pending work), so no client starves the others.
 */
#include <errno.h>
#include <stdio.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "server/server_core.h"
#include "server/server_ring.h"

#define READY_AT_ONCE 128
#define CRON_MS 100
#define CLOCKS_NS 10000000
#define GATHER_FROM 8
#define GATHER_A_SOCKET_NS 2500
#define GATHER_MAX_NS 60000
#define STEP_NS 500000 /* for each of expiry, and what is outstanding in store and log, a turn */

#define WORD_STOP 4u /* others, with the lowest bits 0, are connections */

/* --- the commands ----------------------------------------------------------------------------- */

static void add_commands(void)
{
	static const struct ipk__command *const tables[] = {
		ipk__commands_admin, ipk__commands_key,         ipk__commands_string,
		ipk__commands_hash,  ipk__commands_list,        ipk__commands_multi,
		ipk__commands_ext,   ipk__commands_sync_object, ipk__commands_notify,
		ipk__commands_log,   ipk__commands_session,
	};

	for (size_t i = 0; i < IPK__N_OF(tables); i++)
		ipk__commands_add(tables[i]);
}

void ipk__server_add_commands(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, add_commands);
}

/* --- making ----------------------------------------------------------------------------------- */

static void fill_in(struct ipk__server_config *c)
{
	if (c->max_clients == 0)
		c->max_clients = 10000;
	if (c->max_request_bytes == 0)
		c->max_request_bytes = IPK__STORE_ITEM_MAX;
	if (c->out_hard_bytes == 0)
		c->out_hard_bytes = SIZE_MAX;
	if (c->out_soft_bytes == 0)
		c->out_soft_bytes = (size_t)64 << 20;
	if (c->out_soft_ms == 0)
		c->out_soft_ms = 60000;
	if (c->slow_ns == 0)
		c->slow_ns = 10000000;
	if (c->rewrite_percent == 0)
		c->rewrite_percent = 100;
	if (c->rewrite_min_bytes == 0)
		c->rewrite_min_bytes = (uint64_t)64 << 20;
}

/* A socket file without a listener is removed. */
static int remove_stale(const char *path)
{
	struct ipk__os_stat there;
	int fd;
	int r = ipk__os_is_socket(path) == 1 ? ipk__os_path_stat(path, &there) : -EADDRINUSE;

	if (r < 0)
		return r;
	r = ipk__os_stream_connect(path, &fd);
	if (r == 0)
		ipk__os_close(fd);
	return r == -ECONNREFUSED ? ipk__os_unlink_if(path, &there) : -EADDRINUSE;
}

static int listen_unix(struct ipk__server *server, const char *given)
{
	struct ipk__loop *loop = server->loop;
	char path[sizeof loop->path];
	int r = ipk__os_absolute(given, path, sizeof path);

	if (r < 0)
		return r;
	r = ipk__os_stream_listen(path, &server->listen_fd);
	if (r == -EADDRINUSE) {
		r = remove_stale(path);
		if (r == 0)
			r = ipk__os_stream_listen(path, &server->listen_fd);
	}
	if (r == 0)
		r = ipk__os_path_stat(path, &loop->made);
	if (r < 0)
		return r;
	snprintf(loop->path, sizeof loop->path, "%s", path);
	snprintf(loop->address, sizeof loop->address, "unix:%s", path);
	return 0;
}

/* Without a key every client that reaches the port may do everything. */
static int check_host(const struct ipk__server *server, const char *host)
{
	int r = server->config.key_bytes > 0 ? 1 : ipk__os_tcp_is_loopback(host);

	return r == 0 ? -EACCES : IPK__MIN(r, 0);
}

#define NOT_ONE "IPK_MANAGER_SERVER(.address): unix:PATH or tcp:HOST:PORT"

static int listen_tcp(struct ipk__server *server, const char *host_port)
{
	struct ipk__loop *loop = server->loop;
	const char *colon = strrchr(host_port, ':');
	char host[128];
	int n;
	int r;

	if (!colon || (size_t)(colon - host_port) >= sizeof host || colon[1] == 0)
		return ipk__invalid(NOT_ONE);
	n = (int)(colon - host_port);
	if (n >= 2 && host_port[0] == '[' && colon[-1] == ']')
		snprintf(host, sizeof host, "%.*s", n - 2, host_port + 1);
	else
		snprintf(host, sizeof host, "%.*s", n, host_port);
	loop->is_tcp = true;
	r = check_host(server, host);
	if (r == 0)
		r = ipk__os_tcp_listen(host, colon + 1, &server->listen_fd);
	if (r == 0)
		r = ipk__os_tcp_port(server->listen_fd, &loop->tcp_port);
	if (r == 0)
		snprintf(loop->address, sizeof loop->address, "tcp:%.*s:%d",
			 (int)(colon - host_port), host_port, loop->tcp_port);
	return r;
}

static int listen_at(struct ipk__server *server)
{
	const char *address = server->config.address;
	int r;

	if (address && strncmp(address, "unix:", 5) == 0)
		r = listen_unix(server, address + 5);
	else if (address && strncmp(address, "tcp:", 4) == 0)
		r = listen_tcp(server, address + 4);
	else
		r = ipk__invalid(NOT_ONE);
	if (r == 0)
		r = ipk__os_loop_add(server->epoll_fd, server->listen_fd, IPK__OS_IN,
				     IPK__EPOLL_LISTEN);
	server->loop->is_accepting = r == 0;
	return r;
}

static int make_run_id(struct ipk__server *server)
{
	unsigned char raw[20];
	int r = ipk__os_random(raw, sizeof raw);

	for (size_t i = 0; r == 0 && i < sizeof raw; i++)
		snprintf(server->run_id + 2 * i, 3, "%02x", raw[i]);
	return r;
}

static int make_loop(struct ipk__server *server)
{
	struct ipk__loop *loop = ipk__os_calloc(1, sizeof *loop);

	if (!loop)
		return -ENOMEM;
	server->loop = loop;
	loop->stop_fd = loop->reserve_fd = -1;
	loop->readable_end = &loop->readable;
	loop->started_ms = server->steady_ms;
	loop->read_buffer = ipk__os_malloc(IPK__READ_BYTES);
	if (!loop->read_buffer)
		return -ENOMEM;
	return ipk__os_doorbell_open(&loop->reserve_fd);
}

static int open_log(struct ipk__server *server)
{
	struct ipk__log_opts opts = ipk__server_log_opts(server);

	return opts.path ? ipk__log_open(&opts, &server->log) : 0;
}

static int open_all(struct ipk__server *server)
{
	struct ipk__store_opts opts = {
		.label = server->config.label ? server->config.label : "manager",
		.max_bytes = server->config.max_memory_bytes,
	};
	int r = make_run_id(server);

	if (r == 0)
		r = make_loop(server);
	if (r == 0)
		r = ipk__rings_create(server);
	if (r == 0)
		r = ipk__blocks_create(server);
	if (r == 0)
		r = ipk__store_create(&opts, &server->db.store);
	if (r == 0)
		r = ipk__os_epoll(&server->epoll_fd);
	/* The address first: the log is another server's as long as that one listens. */
	if (r == 0)
		r = listen_at(server);
	if (r == 0)
		r = open_log(server);
	return r;
}

int ipk__server_create(const struct ipk__server_config *config, struct ipk__server **ret_server)
{
	struct ipk__server *server = ipk__os_calloc(1, sizeof *server);
	int r;

	if (!server)
		return -ENOMEM;
	ipk__server_add_commands();
	server->config = *config;
	fill_in(&server->config);
	server->db.host = &ipk__server_db_host;
	server->db.max_reply_bytes = IPK__MIN(server->config.out_hard_bytes, IPK__STORE_ITEM_MAX);
	server->epoll_fd = server->listen_fd = -1;
	server->db.now_ms = ipk__os_unix_ms();
	server->steady_ms = ipk__os_now_ns() / 1000000;
	r = open_all(server);
	if (r < 0) {
		ipk__server_close(server);
		return r;
	}
	ipk__status_create(server);
	*ret_server = server;
	return 0;
}

void ipk__server_close(struct ipk__server *server)
{
	struct ipk__loop *loop = server ? server->loop : NULL;

	if (!server)
		return;
	if (loop && loop->read_buffer && server->blocks) {
		ipk__peers_close_all(server);
		ipk__sync_objects_close(&server->db);
		ipk__notify_close(&server->db);
		ipk__sessions_free(server);
	}
	if (server->log)
		ipk__log_close(server->log);
	if (loop && loop->path[0])
		(void)ipk__os_unlink_if(loop->path, &loop->made);
	ipk__os_close(server->listen_fd);
	ipk__os_close(server->epoll_fd);
	ipk__blocks_free(server);
	ipk__rings_free(server);
	ipk__store_close(server->db.store);
	if (loop) {
		ipk__os_close(loop->reserve_fd);
		free(loop->read_buffer);
		free(loop);
	}
	free(server);
}

const char *ipk__server_address(const struct ipk__server *server)
{
	return server->loop->address;
}

/* --- running ---------------------------------------------------------------------------------- */

static void cron(struct ipk__server *server)
{
	struct ipk__loop *loop = server->loop;

	if (server->steady_ms < loop->cron_ms)
		return;
	loop->cron_ms = server->steady_ms + CRON_MS;
	loop->expiry_has_more = true;
	ipk__peers_check_unauthenticated(server);
	if (loop->accept_again_ms != 0 && server->steady_ms >= loop->accept_again_ms)
		ipk__peers_start_accepting(server);
	loop->store_has_more = true;
	loop->log_has_more = true;
	if (server->steady_ms - loop->second_ms >= 1000) {
		ipk__peers_check(server);
		ipk__status_second(server);
		loop->second_ms = server->steady_ms;
	}
}

static void work_on(struct ipk__server *server)
{
	struct ipk__loop *loop = server->loop;

	if (loop->expiry_has_more)
		loop->expiry_has_more = ipk__expire_some(server, STEP_NS);
	if (loop->store_has_more)
		loop->store_has_more = ipk__store_step(server->db.store, STEP_NS);
	if (loop->log_has_more)
		loop->log_has_more = server->log && ipk__log_step(server->log, STEP_NS);
}

static int64_t how_long_ns(struct ipk__server *server)
{
	struct ipk__loop *loop = server->loop;
	int64_t ms = ipk__blocks_next_ms(server);
	bool ticks = server->n_peers > 0 || server->log || loop->accept_again_ms != 0 ||
		     ipk__keys_expiring(server->db.store) > 0;

	if (loop->readable || loop->closing || loop->expiry_has_more || loop->store_has_more ||
	    loop->log_has_more)
		return 0;
	if (ticks)
		ms = ms < 0 ? CRON_MS : IPK__MIN(ms, CRON_MS);
	return ms < 0 ? -1 : ipk__ms_to_ns(ms);
}

static void take(struct ipk__server *server, const struct ipk__os_ready *ready)
{
	if (ready->word == IPK__EPOLL_LISTEN)
		ipk__peers_accept(server);
	else if (ready->word == WORD_STOP)
		server->stop = true;
	else if (ready->word & IPK__EPOLL_RING)
		ipk__ring_rung(server, (struct ipk__conn *)(uintptr_t)(ready->word - 1));
	else
		ipk__conn_ready(server, (struct ipk__conn *)(uintptr_t)ready->word, ready->events);
}

/* What follows from what was executed, up to the replies on their way. */
static void finish_iteration(struct ipk__server *server)
{
	do {
		ipk__blocks_serve(server);
	} while (ipk__peers_drop(server));
	ipk__notify_deliver(&server->db);
	if (server->log)
		ipk__log_flush(server->log);
	ipk__peers_send(server);
	ipk__peers_free(server);
}

/* The wall clock is asked for every 10 ms; between them it goes as the other does. */
static void look_at_clock(struct ipk__server *server)
{
	struct ipk__loop *loop = server->loop;
	int64_t before_ns = loop->clock_ns;

	loop->clock_ns = ipk__os_now_ns();
	if (loop->clock_ns - loop->clocks_ns > CLOCKS_NS || before_ns == 0) {
		loop->clocks_ns = loop->clock_ns;
		loop->unix_minus_clock_ns = ipk__os_unix_ms() * 1000000 - loop->clock_ns;
	}
	server->steady_ms = loop->clock_ns / 1000000;
	server->db.now_ms = (loop->clock_ns + loop->unix_minus_clock_ns) / 1000000;
}

/*
 * Many sockets had something at once, so more have soon: a short sleep now, outside of epoll, and
 * what they send meanwhile comes in one turn. Otherwise each of the first ones wakes us, which
 * costs a client on another processor far more than its request costs us.
 */
static void gather(struct ipk__loop *loop)
{
	if (loop->n_ready >= GATHER_FROM && !ipk__rings_are_active(loop))
		ipk__os_nap(IPK__MIN((int64_t)loop->n_ready * GATHER_A_SOCKET_NS, GATHER_MAX_NS));
}

static int turn(struct ipk__server *server)
{
	struct ipk__os_ready ready[READY_AT_ONCE];
	size_t n = 0;
	int r;

	gather(server->loop);
	r = ipk__rings_wait(server, ready, READY_AT_ONCE, how_long_ns(server), &n);
	if (r < 0)
		return r;
	server->loop->n_ready = n;
	look_at_clock(server);
	for (size_t i = 0; i < n; i++)
		take(server, &ready[i]);
	ipk__rings_take(server);
	ipk__peers_feed(server);
	ipk__blocks_timeout(server);
	cron(server);
	work_on(server);
	finish_iteration(server);
	return 0;
}

int ipk__server_run(struct ipk__server *server, int stop_fd)
{
	int64_t slack_ns = ipk__os_set_timer_slack(1);
	int r = 0;

	if (stop_fd >= 0)
		r = ipk__os_loop_add(server->epoll_fd, stop_fd, IPK__OS_IN, WORD_STOP);
	while (r == 0 && !server->stop)
		r = turn(server);
	if (stop_fd >= 0)
		ipk__os_loop_remove(server->epoll_fd, stop_fd);
	ipk__os_set_timer_slack(slack_ns);
	return r;
}
