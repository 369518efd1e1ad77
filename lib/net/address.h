/*
 * address.h - server addresses.
 *
 *   unix:PATH                          a socket in the file system, 1 .. 107 bytes
 *   tcp:HOST:PORT                      HOST may be empty (this machine) or [IPv6]
 *   python:PATH, python:tcp:HOST:PORT  for Python's multiprocessing.connection
 */
#ifndef IPK_NET_ADDRESS_H
#define IPK_NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

enum ipk__address_kind {
	IPK__ADDRESS_UNIX = 1,
	IPK__ADDRESS_TCP,
};

enum { IPK__ADDRESS_PATH_MAX = 107 };

struct ipk__address {
	enum ipk__address_kind kind;
	bool is_python;
	char path[IPK__ADDRESS_PATH_MAX + 1];
	char host[256]; /* "": this machine */
	char port[6];   /* 0 .. 65535, as text */
};

/* 0, or -EINVAL: none of the forms above. */
int ipk__address_parse(const char *text, struct ipk__address *ret_address);
/* Makes its path absolute, so that it stays valid after a chdir(). -ENAMETOOLONG. */
int ipk__address_absolute(struct ipk__address *address);

#endif
