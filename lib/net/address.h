/*
 * address.h - where a server is, in words. Pure.
 *
 *   unix:PATH                          a socket in the file system, 1 .. 107 bytes
 *   tcp:HOST:PORT                      HOST may be empty (this machine) or [IPv6]
 *   redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]
 *   redis-cluster://[[USER]:PASSWORD@]HOST[:PORT][,HOST[:PORT]...]
 *   python:PATH, python:tcp:HOST:PORT  what Python's multiprocessing.connection calls so
 *
 * In the redis forms %XX stands for a byte, so that a password may hold any.
 */
#ifndef IPK_NET_ADDRESS_H
#define IPK_NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

enum ipk__address_kind {
	IPK__ADDRESS_UNIX = 1,
	IPK__ADDRESS_TCP,
	IPK__ADDRESS_REDIS,
	IPK__ADDRESS_REDIS_CLUSTER,
};

enum { IPK__ADDRESS_HOSTS_MAX = 16, IPK__ADDRESS_PATH_MAX = 107, IPK__ADDRESS_DB_MAX = 65535 };

struct ipk__address_host {
	char host[256]; /* "": this machine */
	char port[6];   /* 0 .. 65535, as text */
};

struct ipk__address {
	enum ipk__address_kind kind;
	bool is_python;
	char path[IPK__ADDRESS_PATH_MAX + 1];
	struct ipk__address_host hosts[IPK__ADDRESS_HOSTS_MAX];
	size_t n_hosts; /* 1 but for a cluster */
	char user[128]; /* "": none given */
	char password[512];
	bool has_password;
	int db;
};

/* 0, or -EINVAL: it is none of the forms above. */
int ipk__address_parse(const char *text, struct ipk__address *ret_address);

#endif
