/*
 * redis_cluster.c - finds the node that has a key, and retries until there is a reply.
 *
 * A single server is a cluster of one node without slots. The requests of one call go to their
 * nodes in one round trip each; those answered by MOVED, ASK, TRYAGAIN, CLUSTERDOWN, LOADING or not
 * at all are retried, if that is harmless, until the deadline. Nodes are only added; each has a
 * list of idle links, so calls of several threads use one each and no call waits for another.
 *
 * Slots: the Redis cluster specification (CRC16 of XMODEM over the first {tag}, or the key).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "redis/redis.h"
#include "os/os.h"

#define PAUSE_FIRST_MS 5
#define PAUSE_MAX_MS 100

/* --- slots ------------------------------------------------------------------------------------ */

struct ipk__slice ipk__redis_tag(struct ipk__slice key)
{
	const char *open = key.n_bytes ? memchr(key.bytes, '{', key.n_bytes) : NULL;
	const char *end = key.bytes + key.n_bytes;
	const char *close = open ? memchr(open + 1, '}', (size_t)(end - open - 1)) : NULL;

	if (!close || close == open + 1)
		return key;
	return IPK__SLICE(open + 1, (size_t)(close - open - 1));
}

int ipk__redis_slot(struct ipk__slice key)
{
	struct ipk__slice tag = ipk__redis_tag(key);
	unsigned crc = 0;

	for (size_t i = 0; i < tag.n_bytes; i++) {
		crc ^= (unsigned)(unsigned char)tag.bytes[i] << 8;
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
		crc &= 0xffff;
	}
	return (int)(crc % IPK__REDIS_SLOTS);
}

/* --- nodes and their links -------------------------------------------------------------------- */

static bool same_endpoint(const struct ipk__redis_endpoint *a, const struct ipk__redis_endpoint *b)
{
	return a->is_unix == b->is_unix && strcmp(a->host, b->host) == 0 &&
	       strcmp(a->port, b->port) == 0;
}

/* Under the mutex. */
static int add_node(struct ipk__redis *r, const struct ipk__redis_endpoint *endpoint,
		    size_t *ret_node)
{
	struct ipk__redis_node *node;

	for (size_t i = 0; i < r->n_nodes; i++) {
		if (same_endpoint(&r->nodes[i]->endpoint, endpoint)) {
			*ret_node = i;
			return 0;
		}
	}
	if (r->n_nodes == IPK__REDIS_NODES_MAX)
		return -EMFILE;
	node = ipk__os_calloc(1, sizeof *node);
	if (!node)
		return -ENOMEM;
	node->endpoint = *endpoint;
	r->nodes[r->n_nodes] = node;
	*ret_node = r->n_nodes++;
	return 0;
}

size_t ipk__redis_node_of(struct ipk__redis *r, int slot)
{
	size_t node;

	pthread_mutex_lock(&r->mutex);
	node = r->slots && slot >= 0 && r->slots[slot] ? r->slots[slot] - 1u : 0;
	if (r->slots && slot < 0) /* any that has a slot, so that it is a master */
		for (int i = 0; i < IPK__REDIS_SLOTS; i += 512)
			if (r->slots[i])
				node = r->slots[i] - 1u;
	pthread_mutex_unlock(&r->mutex);
	return node;
}

int ipk__redis_take_link(struct ipk__redis *r, size_t node, ipk_deadline deadline,
			 struct ipk__redis_link **ret_link)
{
	struct ipk__redis_link *link;
	struct ipk__redis_endpoint endpoint;

	for (;;) {
		pthread_mutex_lock(&r->mutex);
		link = r->nodes[node]->idle;
		if (link)
			r->nodes[node]->idle = link->next;
		endpoint = r->nodes[node]->endpoint;
		pthread_mutex_unlock(&r->mutex);
		if (!link)
			return ipk__redis_link_open(&endpoint, &r->address, deadline, ret_link);
		if (!ipk__redis_link_is_gone(link))
			break;
		ipk__redis_link_close(link);
	}
	*ret_link = link;
	return 0;
}

void ipk__redis_give_link(struct ipk__redis *r, size_t node, struct ipk__redis_link *link)
{
	if (!link || link->stale) {
		ipk__redis_link_close(link);
		return;
	}
	pthread_mutex_lock(&r->mutex);
	link->next = r->nodes[node]->idle;
	r->nodes[node]->idle = link;
	pthread_mutex_unlock(&r->mutex);
}

int ipk__redis_pause(int64_t ms, ipk_deadline deadline)
{
	ipk_deadline pause = ipk_in_ms(ms);

	bool is_over = ipk_deadline_left_ns(deadline) < ipk_deadline_left_ns(pause);

	ipk__os_poll(NULL, 0, is_over ? deadline : pause);
	return is_over ? -ETIMEDOUT : 0;
}

/* --- the map of slots ------------------------------------------------------------------------- */

static int read_text(struct ipk__slice whole, size_t *at, char *buf, size_t buf_bytes)
{
	struct ipk__resp_value v;
	int r = ipk__resp_next(whole, at, &v);

	if (r < 0)
		return r;
	if (v.text.n_bytes >= buf_bytes)
		return -EPROTO;
	if (v.text.n_bytes > 0)
		memcpy(buf, v.text.bytes, v.text.n_bytes);
	buf[v.text.n_bytes] = 0;
	return 0;
}

static int read_port(struct ipk__slice whole, size_t *at, char *buf)
{
	struct ipk__resp_value v;
	char text[24];
	size_t n;
	int r = ipk__resp_next(whole, at, &v);

	if (r < 0)
		return r;
	if (v.type != IPK__RESP_INTEGER || v.integer < 1 || v.integer > 65535)
		return -EPROTO;
	n = ipk__int64_to_text(v.integer, text);
	memcpy(buf, text, n);
	buf[n] = 0;
	return 0;
}

/* [first, last, [host, port, ...], replicas ...] */
static int read_range(struct ipk__redis *r, struct ipk__slice whole, size_t *at, const char *asked,
		      uint16_t *slots)
{
	struct ipk__resp_value range = {0}, first = {0}, last = {0}, master = {0}, more;
	struct ipk__redis_endpoint endpoint = {0};
	size_t node = 0;
	int e = ipk__resp_next(whole, at, &range);

	if (e == 0)
		e = ipk__resp_next(whole, at, &first);
	if (e == 0)
		e = ipk__resp_next(whole, at, &last);
	if (e == 0)
		e = ipk__resp_next(whole, at, &master);
	if (e < 0 || range.n < 3 || master.type != IPK__RESP_ARRAY || master.n < 2 ||
	    first.integer < 0 || last.integer >= IPK__REDIS_SLOTS)
		return -EPROTO;
	e = read_text(whole, at, endpoint.host, sizeof endpoint.host);
	if (e == 0)
		e = read_port(whole, at, endpoint.port);
	if (endpoint.host[0] ==
	    0) /* the node that was asked itself, which does not know its name */
		memcpy(endpoint.host, asked, sizeof endpoint.host);
	for (uint64_t i = 2; i < master.n + range.n - 3 && e == 0; i++) {
		e = ipk__resp_next(whole, at, &more);
		if (e == 0)
			e = ipk__resp_skip(whole, at, &more);
	}
	if (e < 0)
		return e;
	pthread_mutex_lock(&r->mutex);
	e = add_node(r, &endpoint, &node);
	pthread_mutex_unlock(&r->mutex);
	for (int64_t slot = first.integer; slot <= last.integer && e == 0; slot++)
		slots[slot] = (uint16_t)(node + 1);
	return e;
}

static int read_slots(struct ipk__redis *r, struct ipk__slice whole, const char *asked)
{
	struct ipk__resp_value all = {0};
	uint16_t *slots;
	size_t at = 0;
	int e = ipk__resp_next(whole, &at, &all);

	if (e < 0 || all.type != IPK__RESP_ARRAY)
		return all.type == IPK__RESP_ERROR ? -EPROTONOSUPPORT : -EPROTO;
	slots = ipk__os_calloc(IPK__REDIS_SLOTS, sizeof *slots);
	if (!slots)
		return -ENOMEM;
	for (uint64_t i = 0; i < all.n && e == 0; i++)
		e = read_range(r, whole, &at, asked, slots);
	if (e == 0 && all.n > 0) {
		pthread_mutex_lock(&r->mutex);
		if (r->slots)
			memcpy(r->slots, slots, IPK__REDIS_SLOTS * sizeof *slots);
		else
			r->slots = slots;
		if (r->slots == slots)
			slots = NULL;
		pthread_mutex_unlock(&r->mutex);
	}
	free(slots);
	return e == 0 && all.n == 0 ? -EAGAIN : e;
}

static int refresh_from(struct ipk__redis *r, size_t node, ipk_deadline deadline)
{
	static const struct ipk__slice words[] = {IPK__SLICE_OF("CLUSTER"), IPK__SLICE_OF("SLOTS")};
	struct ipk__redis_link *link;
	struct ipk__slice reply = {0};
	int e = ipk__redis_take_link(r, node, deadline, &link);

	if (e < 0)
		return e;
	e = ipk__redis_link_call(link, words, 2, deadline, &reply);
	if (e == 0)
		e = read_slots(r, reply, r->nodes[node]->endpoint.host);
	ipk__redis_give_link(r, node, link);
	return e;
}

int ipk__redis_refresh(struct ipk__redis *r, ipk_deadline deadline)
{
	size_t n;
	int e = -EPIPE;

	pthread_mutex_lock(&r->mutex);
	if (r->n_nodes == 0) {
		size_t node;

		e = 0;
		for (size_t i = 0; i < r->address.n_endpoints && e == 0; i++)
			e = add_node(r, &r->address.endpoints[i], &node);
	}
	n = r->n_nodes;
	pthread_mutex_unlock(&r->mutex);
	if (!r->address.is_cluster || (e < 0 && n == 0))
		return n > 0 ? 0 : e;
	for (size_t i = 0; i < n; i++) {
		/* A node that stands still must not use up the time of all the others. */
		ipk_deadline slice = ipk_in_ms(1000);

		if (ipk_deadline_left_ns(deadline) < ipk_deadline_left_ns(slice))
			slice = deadline;
		e = refresh_from(r, i, slice);
		if (e == 0)
			return 0;
	}
	return e;
}

/* --- asking ----------------------------------------------------------------------------------- */

struct round {
	struct ipk__redis *r;
	struct ipk__redis_ask *asks;
	size_t n;
	ipk_deadline deadline;
	bool wants_refresh;
	bool wants_pause;
	bool no_node; /* none took a connection */
	int error;    /* of the last connection that failed */
};

void ipk__redis_encode(struct ipk__buffer *out, const struct ipk__redis_ask *ask)
{
	if (ask->is_asking)
		ipk__buffer_append(out, "*1\r\n$6\r\nASKING\r\n", 16);
	if (!ask->use_text) {
		ipk__resp_request(out, ask->argv, ask->argc);
		return;
	}
	ipk__resp_head(out, IPK__RESP_ARRAY, ask->argc);
	ipk__resp_bulk(out, IPK__SLICE_OF("EVAL"));
	ipk__resp_bulk(out, ipk__slice_of_string(ask->script));
	for (size_t i = 2; i < ask->argc; i++)
		ipk__resp_bulk(out, ask->argv[i]);
}

static bool begins(struct ipk__slice s, const char *word)
{
	size_t n = strlen(word);

	return s.n_bytes > n && memcmp(s.bytes, word, n) == 0;
}

/* "-MOVED 3999 127.0.0.1:6381": where it points to. */
static int redirected(struct round *o, struct ipk__redis_ask *ask, struct ipk__slice reply,
		      bool for_good)
{
	struct ipk__redis_endpoint endpoint = {0};
	const char *end = reply.bytes + reply.n_bytes - 2;
	const char *colon = NULL;
	const char *host = NULL;
	size_t node;
	int e;

	for (const char *p = reply.bytes; p < end; p++) {
		if (*p == ' ')
			host = p + 1;
		if (*p == ':')
			colon = p;
	}
	if (!host || !colon || colon < host || (size_t)(colon - host) >= sizeof endpoint.host ||
	    (size_t)(end - colon) > sizeof endpoint.port)
		return -EPROTO;
	memcpy(endpoint.host, host, (size_t)(colon - host));
	for (size_t i = 0; i < (size_t)(end - colon - 1); i++)
		endpoint.port[i] = colon[1 + i];
	if (colon == host)
		memcpy(endpoint.host, o->r->nodes[ask->node]->endpoint.host, sizeof endpoint.host);
	pthread_mutex_lock(&o->r->mutex);
	e = add_node(o->r, &endpoint, &node);
	if (e == 0 && for_good && o->r->slots && ask->slot >= 0)
		o->r->slots[ask->slot] = (uint16_t)(node + 1);
	pthread_mutex_unlock(&o->r->mutex);
	if (e == 0 && for_good)
		o->wants_refresh = true;
	if (e == 0 && !for_good) {
		ask->is_asking = true;
		ask->node = node;
	}
	return e;
}

/* The part of a script's error that is about the script is hidden from the caller. */
int ipk__redis_keep(const struct ipk__redis_ask *ask, struct ipk__slice reply)
{
	const char *tail = reply.bytes[0] == '-' && ask->script
				   ? memmem(reply.bytes, reply.n_bytes, " script: ", 9)
				   : NULL;
	char buf[512];
	size_t n = tail ? (size_t)(tail - reply.bytes) : 0;

	if (!tail)
		return ipk__response_put(ask->reply, reply);
	n = n < sizeof buf - 2 ? n : sizeof buf - 2;
	memcpy(buf, reply.bytes, n);
	buf[n] = '\r';
	buf[n + 1] = '\n';
	return ipk__response_put(ask->reply, IPK__SLICE(buf, n + 2));
}

static int keep_reply(struct ipk__redis_ask *ask, struct ipk__slice reply)
{
	ask->is_done = true;
	return ipk__redis_keep(ask, reply);
}

static int judge(struct round *o, struct ipk__redis_ask *ask, struct ipk__slice reply)
{
	ask->is_asking = false;
	if (reply.bytes[0] != '-')
		return keep_reply(ask, reply);
	if (begins(reply, "-NOSCRIPT") && ask->script && !ask->use_text) {
		ask->use_text = true;
		return 0;
	}
	if (o->r->address.is_cluster && begins(reply, "-MOVED "))
		return redirected(o, ask, reply, true);
	if (o->r->address.is_cluster && begins(reply, "-ASK "))
		return redirected(o, ask, reply, false);
	if (begins(reply, "-TRYAGAIN") || begins(reply, "-CLUSTERDOWN") ||
	    begins(reply, "-LOADING") || begins(reply, "-MASTERDOWN") ||
	    (o->r->address.is_cluster && begins(reply, "-READONLY"))) {
		o->wants_pause = true;
		o->wants_refresh = o->r->address.is_cluster;
		return 0;
	}
	return keep_reply(ask, reply);
}

static void mark_nodes(struct round *o)
{
	for (size_t i = 0; i < o->n; i++) {
		struct ipk__redis_ask *ask = &o->asks[i];

		ask->is_sent = false;
		if (!ask->is_done && !ask->is_asking)
			ask->node = ask->on_node >= 0 ? (size_t)ask->on_node
						      : ipk__redis_node_of(o->r, ask->slot);
	}
}

/* After a connection broke: what may not be asked again. */
static int lost(struct round *o, size_t node, int error)
{
	for (size_t i = 0; i < o->n; i++) {
		struct ipk__redis_ask *ask = &o->asks[i];

		if (ask->is_done || ask->node != node || !ask->is_sent)
			continue;
		if (error == -ETIMEDOUT)
			return ask->reads ? -ETIMEDOUT : -EINPROGRESS;
		if (!ask->may_repeat)
			return ipk__manager_fail(-EPIPE, "the connection broke, whether it was "
							 "done is not known");
	}
	return error == -EPROTO || error == -ENOMEM || error == -ETIMEDOUT ? error : 0;
}

static int send_to(struct round *o, size_t node, struct ipk__redis_link **ret_link)
{
	struct ipk__buffer out = {0};
	int e = ipk__redis_take_link(o->r, node, o->deadline, ret_link);

	if (e < 0) {
		o->error = e;
		o->wants_pause = o->wants_refresh = true;
		if (e == -ECONNREFUSED || e == -ENOENT || e == -EAGAIN || e == -EPIPE ||
		    e == -ECONNRESET || e == -EHOSTUNREACH)
			return 0;
		return e;
	}
	o->no_node = false;
	for (size_t i = 0; i < o->n; i++) {
		if (o->asks[i].is_done || o->asks[i].node != node)
			continue;
		ipk__redis_encode(&out, &o->asks[i]);
		o->asks[i].is_sent = true;
	}
	e = ipk__redis_link_write(*ret_link, &out, o->deadline);
	ipk__buffer_free(&out);
	return e;
}

static int read_one(struct round *o, struct ipk__redis_ask *ask, struct ipk__redis_link *link)
{
	struct ipk__slice reply = {0};
	int e = 0;

	if (ask->is_asking) /* its own "+OK" comes first */
		e = ipk__redis_link_read(link, o->deadline, &reply);
	if (e == 0)
		e = ipk__redis_link_read(link, o->deadline, &reply);
	return e < 0 ? e : judge(o, ask, reply);
}

/* Everything for the node of ask @first. */
static int talk_to(struct round *o, size_t first)
{
	struct ipk__redis_link *link = NULL;
	size_t node = o->asks[first].node;
	int e = send_to(o, node, &link);

	if (!link)
		return e;
	for (size_t i = 0; i < o->n && e == 0; i++) {
		if (!o->asks[i].is_sent || o->asks[i].node != node)
			continue;
		e = read_one(o, &o->asks[i], link);
		o->asks[i].is_sent = e < 0;
	}
	if (e == 0) {
		link->stale = false;
		ipk__redis_give_link(o->r, node, link);
		return 0;
	}
	ipk__redis_link_close(link);
	o->error = e;
	o->wants_refresh = true;
	e = lost(o, node, e);
	for (size_t i = 0; i < o->n; i++)
		if (o->asks[i].node == node)
			o->asks[i].is_asking = false;
	return e;
}

static int one_round(struct round *o, bool *ret_all_done)
{
	bool tried[IPK__REDIS_NODES_MAX] = {false};
	int e = 0;

	o->wants_pause = o->wants_refresh = false;
	o->no_node = true;
	mark_nodes(o);
	for (size_t i = 0; i < o->n && e == 0; i++) {
		struct ipk__redis_ask *ask = &o->asks[i];

		if (ask->is_done || tried[ask->node])
			continue;
		tried[ask->node] = true;
		e = talk_to(o, i);
	}
	*ret_all_done = true;
	for (size_t i = 0; i < o->n; i++)
		*ret_all_done &= o->asks[i].is_done;
	return e;
}

int ipk__redis_ask(struct ipk__redis *r, struct ipk__redis_ask *asks, size_t n,
		   ipk_deadline deadline)
{
	struct round o = {.r = r, .asks = asks, .n = n, .deadline = deadline};
	int64_t pause_ms = PAUSE_FIRST_MS;
	ipk_deadline give_up = ipk_in_ms(r->retry_ms);
	bool all_done = n == 0;
	int e = 0;

	for (size_t i = 0; i < n; i++)
		asks[i].is_done = asks[i].is_asking = asks[i].use_text = false;
	while (e == 0 && !all_done) {
		e = one_round(&o, &all_done);
		if (e < 0 || all_done)
			break;
		if (!o.no_node)
			give_up = ipk_in_ms(r->retry_ms);
		else if (ipk_deadline_left_ns(give_up) == 0)
			return o.error == -ENOENT || o.error == -ECONNREFUSED ? -EPIPE : o.error;
		if (o.wants_pause) {
			e = ipk__redis_pause(pause_ms, deadline);
			pause_ms = pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS;
		}
		if (e == 0 && o.wants_refresh)
			ipk__redis_refresh(r, deadline); /* when it fails, the old map is tried */
	}
	return e;
}
