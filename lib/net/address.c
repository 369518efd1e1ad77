/*
 * address.c - parses addresses. Invariant: an address that is not fully understood is an error and
 * nothing is stored; no part is truncated.
 */
#include <errno.h>
#include <string.h>

#include "base/base_internal.h"
#include "base/slice.h"
#include "net/address.h"
#include "os/os.h"

/* The text after @prefix, or NULL. */
static const char *after(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(text, prefix, n) == 0 ? text + n : NULL;
}

#define NOT_ONE "address: unix:PATH, tcp:HOST:PORT or another form of net.h"

static int copy(struct ipk__slice s, char *buf, size_t buf_bytes)
{
	if (s.n_bytes >= buf_bytes)
		return ipk__invalid(NOT_ONE);
	memcpy(buf, s.bytes, s.n_bytes);
	buf[s.n_bytes] = '\0';
	return 0;
}

/* Only digits, without needless zeros. */
static int parse_port(struct ipk__slice s, char port[6])
{
	int n = 0;

	if (s.n_bytes == 0 || s.n_bytes > 5 || (s.n_bytes > 1 && s.bytes[0] == '0'))
		return ipk__invalid(NOT_ONE);
	for (size_t i = 0; i < s.n_bytes; i++) {
		if (s.bytes[i] < '0' || s.bytes[i] > '9')
			return ipk__invalid(NOT_ONE);
		n = 10 * n + (s.bytes[i] - '0');
	}
	return n > 65535 ? ipk__invalid(NOT_ONE) : copy(s, port, 6);
}

static int parse_path(const char *path, struct ipk__address *a)
{
	a->kind = IPK__ADDRESS_UNIX;
	return path[0] ? copy(ipk__slice_of_string(path), a->path, sizeof a->path)
		       : ipk__invalid(NOT_ONE);
}

static bool is_host_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '-' || c == '_';
}

/* A name or an IPv4 address; in brackets, where the colons of IPv6 cannot be mistaken. */
static int parse_host(struct ipk__slice s, bool in_brackets, struct ipk__address *a)
{
	for (size_t i = 0; i < s.n_bytes; i++) {
		char c = s.bytes[i];

		if (!is_host_character(c) && !(in_brackets && (c == ':' || c == '%')))
			return ipk__invalid(NOT_ONE);
	}
	if (in_brackets && s.n_bytes == 0)
		return ipk__invalid(NOT_ONE);
	return copy(s, a->host, sizeof a->host);
}

/* HOST:PORT. */
static int parse_tcp(const char *text, struct ipk__address *a)
{
	bool in_brackets = text[0] == '[';
	const char *host = text + in_brackets;
	const char *host_end = strchr(host, in_brackets ? ']' : ':');
	const char *rest;
	int r;

	a->kind = IPK__ADDRESS_TCP;
	if (!host_end)
		return ipk__invalid(NOT_ONE);
	r = parse_host(IPK__SLICE(host, (size_t)(host_end - host)), in_brackets, a);
	if (r < 0)
		return r;
	rest = host_end + in_brackets;
	return *rest == ':' ? parse_port(ipk__slice_of_string(rest + 1), a->port)
			    : ipk__invalid(NOT_ONE);
}

static int parse_python(const char *text, struct ipk__address *a)
{
	const char *tcp = after(text, "tcp:");

	a->is_python = true;
	return tcp ? parse_tcp(tcp, a) : parse_path(text, a);
}

static int parse(const char *text, struct ipk__address *a)
{
	const char *rest;

	if ((rest = after(text, "unix:")))
		return parse_path(rest, a);
	if ((rest = after(text, "tcp:")))
		return parse_tcp(rest, a);
	if ((rest = after(text, "python:")))
		return parse_python(rest, a);
	return ipk__invalid(NOT_ONE);
}

int ipk__address_parse(const char *text, struct ipk__address *ret_address)
{
	struct ipk__address a = {0};
	int r = text ? parse(text, &a) : ipk__invalid(NOT_ONE);

	if (r == 0)
		*ret_address = a;
	return r;
}

int ipk__address_absolute(struct ipk__address *address)
{
	char path[IPK__ADDRESS_PATH_MAX + 1];
	int r = 0;

	if (address->kind == IPK__ADDRESS_UNIX)
		r = ipk__os_absolute(address->path, path, sizeof path);
	if (r == 0 && address->kind == IPK__ADDRESS_UNIX)
		memcpy(address->path, path, sizeof path);
	return r;
}
