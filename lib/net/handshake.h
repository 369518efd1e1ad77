/*
 * handshake.h - the handshake of the two sides of a stream, before the first message. Bytes in,
 * bytes out.
 *
 * Each message of it is a frame as in pipe_stream.c, of 256 bytes at most. No byte after the peer's
 * last frame is read: it is the first of the pipe's.
 *
 *   ours:    client "ipkpipe1", 'k', nonce      server "ipkpipe1", 'k', nonce, proof
 *            client proof                       server "ipkpipe1", 'w'
 *   without a key: 'o' for open, and nothing after it; the server sends '!' when it hangs up.
 *
 *   Python's: each side in turn, the server first, sends "#CHALLENGE#" and a text, gets an
 *            HMAC of that text, and sends "#WELCOME#" or "#FAILURE#". Since 3.12 the text
 *            begins with the name of the digest, "{sha256}", and so does the response.
 */
#ifndef IPK_NET_HANDSHAKE_H
#define IPK_NET_HANDSHAKE_H

#include "net/auth.h"

enum { IPK__HANDSHAKE_FRAME_MAX = 256, IPK__HANDSHAKE_TEXT_MAX = 64 };

struct ipk__handshake_opts {
	enum ipk__auth_role role;
	bool is_python;
	bool allows_md5;
	const void *key; /* NULL: none; must live as long as the handshake */
	size_t key_bytes;
};

struct ipk__handshake {
	struct ipk__handshake_opts opts;
	int step;
	int error; /* to be returned once out is sent */
	struct ipk__auth auth;
	char text[IPK__HANDSHAKE_TEXT_MAX]; /* our challenge to a Python peer */
	size_t text_bytes;
	unsigned char in[4 + IPK__HANDSHAKE_FRAME_MAX];
	size_t in_bytes;
	unsigned char out[2 * (4 + IPK__HANDSHAKE_FRAME_MAX)];
	size_t out_from;
	size_t out_to;
};

int ipk__handshake_init(struct ipk__handshake *h, const struct ipk__handshake_opts *opts);
/*
 * What to do next: 1 the peer is authenticated and nothing is to be sent; 0 send out[out_from ..
 * out_to) if there is something, otherwise read; -EACCES, -EPROTO, -EPROTONOSUPPORT: failed, once
 * the remaining output was sent.
 */
int ipk__handshake_state(const struct ipk__handshake *h);
void ipk__handshake_sent(struct ipk__handshake *h, size_t n_bytes);
/* Where to read to, and how much at most: never beyond the current frame. */
size_t ipk__handshake_wants(struct ipk__handshake *h, unsigned char **ret_at);
void ipk__handshake_got(struct ipk__handshake *h, size_t n_bytes);
void ipk__handshake_wipe(struct ipk__handshake *h);

#endif
