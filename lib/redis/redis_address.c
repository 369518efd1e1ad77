/*
 * redis_address.c - parses addresses of Redis servers.
 *
 *   redis://[user:password@]host[:port][/db][?lease_ms=N]      host may be [::1]
 *   redis+unix:/path/of/socket[?db=N], redis://[:password@]/path   a Unix socket
 *   redis-cluster://[user:password@]host:port,host:port,...     any nodes of it
 *
 * Pure. In user and password, %40 and the like are percent-encoded bytes. Anything not understood
 * is an error rather than ignored: a mistyped option would otherwise be noticed only under load.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "redis/redis.h"
#include "os/os.h"

static bool eat(const char **at, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(*at, word, n) != 0)
		return false;
	*at += n;
	return true;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#define NOT_ONE "address: redis://HOST:PORT or another form of manager.h"
#define NO_USER "address: USER:PASSWORD@, with %XX for bytes that would end it; no %00; or too long"

static int decode(struct ipk__slice s, char *buf, size_t buf_bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n_bytes; i++) {
		int c = (unsigned char)s.bytes[i];

		IPK__REQUIRE(n + 1 < buf_bytes, NO_USER);
		if (c == '%') {
			if (i + 2 >= s.n_bytes || hex(s.bytes[i + 1]) < 0 ||
			    hex(s.bytes[i + 2]) < 0)
				return ipk__invalid(NO_USER);
			c = hex(s.bytes[i + 1]) * 16 + hex(s.bytes[i + 2]);
			i += 2;
		}
		IPK__REQUIRE(c != 0, NO_USER);
		buf[n++] = (char)c;
	}
	buf[n] = 0;
	return 0;
}

static int credentials(const char **at, struct ipk__redis_address *a)
{
	const char *end = *at + strcspn(*at, "/?");
	const char *mark = NULL;
	const char *colon;
	int r;

	for (const char *p = *at; p < end; p++)
		if (*p == '@')
			mark = p;
	if (!mark)
		return 0;
	colon = memchr(*at, ':', (size_t)(mark - *at));
	IPK__REQUIRE(colon, NO_USER);
	r = decode(IPK__SLICE(*at, (size_t)(colon - *at)), a->user, sizeof a->user);
	if (r == 0)
		r = decode(IPK__SLICE(colon + 1, (size_t)(mark - colon - 1)), a->password,
			   sizeof a->password);
	*at = mark + 1;
	return r;
}

static int copy(const char *from, size_t n, char *buf, size_t buf_bytes)
{
	IPK__REQUIRE(n > 0 && n < buf_bytes,
		     "address: its host, port or path is empty or too long");
	memcpy(buf, from, n);
	buf[n] = 0;
	return 0;
}

/* "host", "host:port", "[v6]:port". */
static int endpoint(const char **at, struct ipk__redis_endpoint *p)
{
	const char *host = *at;
	size_t n;
	int r;

	if (*host == '[') {
		n = strcspn(++host, "]");
		IPK__REQUIRE(host[n] == ']', "address: a [ without ]");
		*at = host + n + 1;
	} else {
		n = strcspn(host, ":/,?");
		*at = host + n;
	}
	r = copy(host, n, p->host, sizeof p->host);
	if (r < 0)
		return r;
	memcpy(p->port, "6379", 5);
	if (!eat(at, ":"))
		return 0;
	n = strspn(*at, "0123456789");
	r = copy(*at, n, p->port, sizeof p->port);
	*at += n;
	return r;
}

static int number(const char **at, int64_t max, int64_t *ret_n)
{
	size_t n = strspn(*at, "0123456789");

	IPK__REQUIRE(ipk__text_to_int64(IPK__SLICE(*at, n), ret_n) && *ret_n <= max,
		     "address: the database or lease_ms is no number, or too large");
	*at += n;
	return 0;
}

static int options(const char **at, struct ipk__redis_address *a)
{
	int64_t n = 0;
	int r = 0;

	for (bool more = eat(at, "?"); more && r == 0; more = eat(at, "&")) {
		if (eat(at, "lease_ms=")) {
			r = number(at, 3600 * 1000, &n);
			if (r == 0 && n < 100)
				r = ipk__invalid("address: lease_ms is 100 to 3600000");
			a->lease_ms = n;
		} else if (eat(at, "db=")) {
			r = number(at, INT32_MAX, &n);
			a->db = (int)n;
		} else {
			r = ipk__invalid("address: after ? only lease_ms and db");
		}
	}
	return r;
}

static int single(const char **at, struct ipk__redis_address *a)
{
	struct ipk__redis_endpoint *p = &a->endpoints[0];
	int64_t db = 0;
	int r;

	a->n_endpoints = 1;
	if (**at == '/') {
		size_t n = strcspn(*at, "?");

		p->is_unix = true;
		r = copy(*at, n, p->host, sizeof p->host);
		*at += n;
		return r;
	}
	r = endpoint(at, p);
	if (r == 0 && eat(at, "/") && **at && **at != '?')
		r = number(at, INT32_MAX, &db);
	a->db = (int)db;
	return r;
}

static int several(const char **at, struct ipk__redis_address *a)
{
	int r = 0;

	do {
		IPK__REQUIRE(a->n_endpoints < IPK__N_OF(a->endpoints), "address: too many hosts");
		r = endpoint(at, &a->endpoints[a->n_endpoints++]);
	} while (r == 0 && eat(at, ","));
	if (r == 0 && eat(at, "/") && **at == '0') /* a cluster has no other */
		++*at;
	return r;
}

static int parse(const char *at, struct ipk__redis_address *a)
{
	int r;

	if (eat(&at, "redis-cluster://"))
		a->is_cluster = true;
	else if (!eat(&at, "redis://") && !eat(&at, "redis+unix:"))
		return ipk__invalid(NOT_ONE);
	r = credentials(&at, a);
	if (r == 0)
		r = a->is_cluster ? several(&at, a) : single(&at, a);
	if (r == 0)
		r = options(&at, a);
	if (r < 0)
		return r;
	IPK__REQUIRE(!*at, NOT_ONE);
	IPK__REQUIRE(!a->is_cluster || a->db == 0, "address: a cluster has only database 0");
	return 0;
}

int ipk__redis_address_parse(const char *text, struct ipk__redis_address *ret_address)
{
	struct ipk__redis_address *a = ipk__os_calloc(1, sizeof *a);
	int r = a ? parse(text, a) : -ENOMEM;

	if (r == 0)
		*ret_address = *a;
	free(a);
	return r;
}
