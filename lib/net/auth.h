/*
 * auth.h - two sides prove to each other that they know the same key, without sending it.
 *
 *   client                               server
 *   hello = nonce            --->
 *                            <---        challenge = nonce, proof
 *   proof                    --->
 *
 * A proof is HMAC-SHA256, under a key derived from theirs, of: the protocol's version, the role of
 * the prover, both nonces. The role prevents reflection attacks; the nonce of each side, 32 random
 * bytes for this one exchange, prevents replays. Pure except for the random bytes: the caller
 * transports the bytes.
 */
#ifndef IPK_NET_AUTH_H
#define IPK_NET_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ipk__auth_role { IPK__AUTH_CLIENT = 1, IPK__AUTH_SERVER = 2 };

enum {
	IPK__AUTH_KEY_MIN = 16,
	IPK__AUTH_KEY_MAX = 4096,
	IPK__AUTH_NONCE_BYTES = 32,
	IPK__AUTH_PROOF_BYTES = 32,
	IPK__AUTH_CHALLENGE_BYTES = 64, /* a nonce, a proof */
};

struct ipk__auth {
	enum ipk__auth_role role;
	int step;
	unsigned char key[32];                          /* derived */
	unsigned char nonces[2][IPK__AUTH_NONCE_BYTES]; /* the client's, the server's */
};

/* For one exchange. -EINVAL: the key's length. */
int ipk__auth_init(struct ipk__auth *a, enum ipk__auth_role role, const void *key,
		   size_t key_bytes);
/*
 * Each once and in this order; otherwise -EPROTO. -EACCES: the peer does not know the key; the
 * exchange has failed.
 */
int ipk__auth_hello(struct ipk__auth *client, unsigned char ret_hello[IPK__AUTH_NONCE_BYTES]);
int ipk__auth_challenge(struct ipk__auth *server, const unsigned char hello[IPK__AUTH_NONCE_BYTES],
			unsigned char ret_challenge[IPK__AUTH_CHALLENGE_BYTES]);
int ipk__auth_prove(struct ipk__auth *client,
		    const unsigned char challenge[IPK__AUTH_CHALLENGE_BYTES],
		    unsigned char ret_proof[IPK__AUTH_PROOF_BYTES]);
int ipk__auth_check(struct ipk__auth *server, const unsigned char proof[IPK__AUTH_PROOF_BYTES]);
bool ipk__auth_is_done(const struct ipk__auth *a); /* the peer is authenticated */
void ipk__auth_wipe(struct ipk__auth *a);

/*
 * Reads @path, without a newline at its end. -EACCES: not a file of this user (or of root), or
 * others may read it; -EINVAL: shorter or longer than a key may be.
 */
int ipk__auth_key_from_file(const char *path, unsigned char ret_key[IPK__AUTH_KEY_MAX],
			    size_t *ret_key_bytes);

/* HMAC-SHA256 under a key of any length. */
void ipk__auth_hmac(const void *key, size_t key_bytes, const void *data, size_t n_bytes,
		    unsigned char ret_mac[32]);
/* Whether both are equal, in constant time. */
bool ipk__auth_equal(const void *a, const void *b, size_t n_bytes);
/* Bytes as lower-case hex digits and back; -EINVAL: not exactly that many digits. */
void ipk__auth_to_hex(const unsigned char *bytes, size_t n_bytes, char *ret_text); /* no '\0' */
int ipk__auth_from_hex(const char *text, size_t text_bytes, unsigned char *ret_bytes,
		       size_t n_bytes);

#endif
