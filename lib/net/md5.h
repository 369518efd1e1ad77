/*
 * md5.h - HMAC-MD5, for the handshake of Python before 3.12 and for nothing else.
 */
#ifndef IPK_NET_MD5_H
#define IPK_NET_MD5_H

#include <stddef.h>

enum { IPK__MD5_BYTES = 16 };

void ipk__md5_hmac(const void *key, size_t key_bytes, const void *data, size_t n_bytes,
		   unsigned char ret_mac[IPK__MD5_BYTES]);

#endif
