/*
 * address.c - reads addresses. Invariant: what is not wholly understood is refused, with
 * nothing stored; no part is cut to fit.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/slice.h"
#include "net/address.h"

#define REDIS_PORT "6379"

/* The text after @prefix, or NULL. */
static const char *after(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(text, prefix, n) == 0 ? text + n : NULL;
}

static int copy(struct ipk__slice s, char *buf, size_t buf_bytes)
{
	if (s.n_bytes >= buf_bytes)
		return -EINVAL;
	memcpy(buf, s.bytes, s.n_bytes);
	buf[s.n_bytes] = '\0';
	return 0;
}

/* Only digits, without needless zeros; up to @max. */
static int parse_number(struct ipk__slice s, int max, int *ret_n)
{
	int n = 0;

	if (s.n_bytes == 0 || s.n_bytes > 5 || (s.n_bytes > 1 && s.bytes[0] == '0'))
		return -EINVAL;
	for (size_t i = 0; i < s.n_bytes; i++) {
		if (s.bytes[i] < '0' || s.bytes[i] > '9')
			return -EINVAL;
		n = 10 * n + (s.bytes[i] - '0');
	}
	if (n > max)
		return -EINVAL;
	*ret_n = n;
	return 0;
}

static int parse_path(const char *path, struct ipk__address *a)
{
	a->kind = IPK__ADDRESS_UNIX;
	return path[0] ? copy(ipk__slice_of_string(path), a->path, sizeof a->path) : -EINVAL;
}

static bool is_host_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '-' || c == '_';
}

/* A name or an IPv4 address; in brackets, where the colons of IPv6 cannot be mistaken. */
static int parse_host_name(struct ipk__slice s, bool in_brackets, struct ipk__address_host *h)
{
	for (size_t i = 0; i < s.n_bytes; i++) {
		char c = s.bytes[i];

		if (!is_host_character(c) && !(in_brackets && (c == ':' || c == '%')))
			return -EINVAL;
	}
	if (in_brackets && s.n_bytes == 0)
		return -EINVAL;
	return copy(s, h->host, sizeof h->host);
}

/* HOST:PORT; where there is a @default_port, just HOST will do. */
static int parse_host(struct ipk__slice s, const char *default_port, struct ipk__address_host *h)
{
	bool in_brackets = s.n_bytes > 0 && s.bytes[0] == '[';
	const char *end = s.bytes + s.n_bytes;
	const char *close = in_brackets ? memchr(s.bytes, ']', s.n_bytes) : NULL;
	const char *host = s.bytes + in_brackets;
	const char *host_end = in_brackets ? close : memchr(host, ':', s.n_bytes);
	const char *rest;
	int port;
	int r;

	if (!host_end && (in_brackets || !default_port))
		return -EINVAL;
	if (!host_end)
		host_end = end;
	rest = host_end + in_brackets;
	r = parse_host_name(IPK__SLICE(host, (size_t)(host_end - host)), in_brackets, h);
	if (r < 0)
		return r;
	if (rest == end) {
		if (default_port)
			strcpy(h->port, default_port);
		return default_port ? 0 : -EINVAL;
	}
	if (*rest++ != ':' ||
	    parse_number(IPK__SLICE(rest, (size_t)(end - rest)), 65535, &port) < 0)
		return -EINVAL;
	snprintf(h->port, sizeof h->port, "%d", port);
	return 0;
}

static int parse_tcp(const char *text, struct ipk__address *a)
{
	a->kind = IPK__ADDRESS_TCP;
	a->n_hosts = 1;
	return parse_host(ipk__slice_of_string(text), NULL, &a->hosts[0]);
}

static int parse_python(const char *text, struct ipk__address *a)
{
	const char *tcp = after(text, "tcp:");

	a->is_python = true;
	return tcp ? parse_tcp(tcp, a) : parse_path(text, a);
}

/* --- redis --- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* With %XX decoded; a zero byte would cut the text short. */
static int decode(struct ipk__slice s, char *buf, size_t buf_bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n_bytes; i++) {
		int c = (unsigned char)s.bytes[i];

		if (c == '%') {
			int high = i + 2 < s.n_bytes ? hex_digit(s.bytes[i + 1]) : -1;
			int low = i + 2 < s.n_bytes ? hex_digit(s.bytes[i + 2]) : -1;

			c = high < 0 || low < 0 ? 0 : high << 4 | low;
			i += 2;
		}
		if (c == 0 || n + 1 >= buf_bytes)
			return -EINVAL;
		buf[n++] = (char)c;
	}
	buf[n] = '\0';
	return 0;
}

/* [[USER]:PASSWORD] before the "@"; a word alone is a user without a password. */
static int parse_user(struct ipk__slice s, struct ipk__address *a)
{
	const char *colon = memchr(s.bytes, ':', s.n_bytes);
	size_t n_user = colon ? (size_t)(colon - s.bytes) : s.n_bytes;
	int r = decode(IPK__SLICE(s.bytes, n_user), a->user, sizeof a->user);

	if (r == 0 && colon) {
		a->has_password = true;
		r = decode(IPK__SLICE(colon + 1, s.n_bytes - n_user - 1), a->password,
			   sizeof a->password);
	}
	return r;
}

static int parse_redis_hosts(struct ipk__slice s, size_t max, struct ipk__address *a)
{
	const char *at = s.bytes;
	const char *end = s.bytes + s.n_bytes;

	for (;;) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		const char *to = comma ? comma : end;
		struct ipk__slice host = IPK__SLICE(at, (size_t)(to - at));

		if (a->n_hosts == max || host.n_bytes == 0 ||
		    parse_host(host, REDIS_PORT, &a->hosts[a->n_hosts++]) < 0)
			return -EINVAL;
		if (!comma)
			return 0;
		at = comma + 1;
	}
}

static int parse_db(const char *text, struct ipk__address *a)
{
	if (!text[0])
		return 0;
	return parse_number(ipk__slice_of_string(text), IPK__ADDRESS_DB_MAX, &a->db);
}

static int parse_redis(const char *text, enum ipk__address_kind kind, struct ipk__address *a)
{
	size_t n = strcspn(text, "/");
	const char *at_sign = memrchr(text, '@', n);
	const char *hosts = at_sign ? at_sign + 1 : text;
	size_t max = kind == IPK__ADDRESS_REDIS ? 1 : IPK__ADDRESS_HOSTS_MAX;
	int r = at_sign ? parse_user(IPK__SLICE(text, (size_t)(at_sign - text)), a) : 0;

	a->kind = kind;
	if (r == 0)
		r = parse_redis_hosts(IPK__SLICE(hosts, (size_t)(text + n - hosts)), max, a);
	if (r == 0 && text[n] == '/')
		r = parse_db(text + n + 1, a);
	/* A cluster has only the one. */
	return r == 0 && kind == IPK__ADDRESS_REDIS_CLUSTER && a->db != 0 ? -EINVAL : r;
}

static int parse(const char *text, struct ipk__address *a)
{
	const char *rest;

	if ((rest = after(text, "unix:")))
		return parse_path(rest, a);
	if ((rest = after(text, "tcp:")))
		return parse_tcp(rest, a);
	if ((rest = after(text, "redis://")))
		return parse_redis(rest, IPK__ADDRESS_REDIS, a);
	if ((rest = after(text, "redis-cluster://")))
		return parse_redis(rest, IPK__ADDRESS_REDIS_CLUSTER, a);
	if ((rest = after(text, "python:")))
		return parse_python(rest, a);
	return -EINVAL;
}

int ipk__address_parse(const char *text, struct ipk__address *ret_address)
{
	struct ipk__address a = {0};
	int r = text ? parse(text, &a) : -EINVAL;

	if (r == 0)
		*ret_address = a;
	return r;
}
