/*
 * auth.c - mutual authentication: two sides prove to each other that they know the same key.
 *
 * Invariant: a proof is made once, for two nonces of which one was generated here, and only by the
 * side named by its role. The server proves first: a client sends nothing that depends on the key
 * to a server that does not know it. The user's key is first derived by one HMAC, so these proofs
 * are useless for any other protocol under the same key.
 */
#include <errno.h>
#include <sodium/crypto_auth_hmacsha256.h>
#include <sodium/utils.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "net/auth.h"
#include "os/os.h"

#define PURPOSE "ipk key exchange 1"

enum { FRESH = 0, HELLO_SENT, CHALLENGE_SENT, DONE, OVER };

void ipk__auth_hmac(const void *key, size_t key_bytes, const void *data, size_t n_bytes,
		    unsigned char ret_mac[32])
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, key, key_bytes);
	crypto_auth_hmacsha256_update(&state, data, n_bytes);
	crypto_auth_hmacsha256_final(&state, ret_mac);
	sodium_memzero(&state, sizeof state);
}

bool ipk__auth_equal(const void *a, const void *b, size_t n_bytes)
{
	return sodium_memcmp(a, b, n_bytes) == 0;
}

int ipk__auth_init(struct ipk__auth *a, enum ipk__auth_role role, const void *key, size_t key_bytes)
{
	struct ipk__auth fresh = {.role = role, .step = FRESH};
	int r;

	if (!key || key_bytes < IPK__AUTH_KEY_MIN || key_bytes > IPK__AUTH_KEY_MAX)
		return ipk__invalid("the key: too short or too long");
	r = ipk__os_random(fresh.nonces[role == IPK__AUTH_SERVER], IPK__AUTH_NONCE_BYTES);
	if (r < 0)
		return r;
	ipk__auth_hmac(key, key_bytes, PURPOSE, strlen(PURPOSE), fresh.key);
	*a = fresh;
	sodium_memzero(&fresh, sizeof fresh);
	return 0;
}

static void make_proof(const struct ipk__auth *a, enum ipk__auth_role role,
		       unsigned char ret_proof[IPK__AUTH_PROOF_BYTES])
{
	struct {
		unsigned char version, role;
		unsigned char nonces[2][IPK__AUTH_NONCE_BYTES];
	} proven = {1, (unsigned char)role, {{0}}};

	memcpy(proven.nonces, a->nonces, sizeof proven.nonces);
	ipk__auth_hmac(a->key, sizeof a->key, &proven, sizeof proven, ret_proof);
}

static int check_proof(struct ipk__auth *a, enum ipk__auth_role role,
		       const unsigned char proof[IPK__AUTH_PROOF_BYTES])
{
	unsigned char wanted[IPK__AUTH_PROOF_BYTES];
	bool is_right;

	make_proof(a, role, wanted);
	is_right = ipk__auth_equal(proof, wanted, sizeof wanted);
	sodium_memzero(wanted, sizeof wanted);
	a->step = is_right ? DONE : OVER;
	return is_right ? 0 : -EACCES;
}

/* Whether it is this side's turn for that; if not, it never is again. */
static int take_step(struct ipk__auth *a, enum ipk__auth_role role, int from, int to)
{
	bool is_due = a->role == role && a->step == from;

	a->step = is_due ? to : OVER;
	return is_due ? 0 : -EPROTO;
}

int ipk__auth_hello(struct ipk__auth *client, unsigned char ret_hello[IPK__AUTH_NONCE_BYTES])
{
	int r = take_step(client, IPK__AUTH_CLIENT, FRESH, HELLO_SENT);

	if (r == 0)
		memcpy(ret_hello, client->nonces[0], IPK__AUTH_NONCE_BYTES);
	return r;
}

int ipk__auth_challenge(struct ipk__auth *server, const unsigned char hello[IPK__AUTH_NONCE_BYTES],
			unsigned char ret_challenge[IPK__AUTH_CHALLENGE_BYTES])
{
	int r = take_step(server, IPK__AUTH_SERVER, FRESH, CHALLENGE_SENT);

	if (r < 0)
		return r;
	memcpy(server->nonces[0], hello, IPK__AUTH_NONCE_BYTES);
	memcpy(ret_challenge, server->nonces[1], IPK__AUTH_NONCE_BYTES);
	make_proof(server, IPK__AUTH_SERVER, ret_challenge + IPK__AUTH_NONCE_BYTES);
	return 0;
}

int ipk__auth_prove(struct ipk__auth *client,
		    const unsigned char challenge[IPK__AUTH_CHALLENGE_BYTES],
		    unsigned char ret_proof[IPK__AUTH_PROOF_BYTES])
{
	int r = take_step(client, IPK__AUTH_CLIENT, HELLO_SENT, OVER);

	if (r < 0)
		return r;
	memcpy(client->nonces[1], challenge, IPK__AUTH_NONCE_BYTES);
	r = check_proof(client, IPK__AUTH_SERVER, challenge + IPK__AUTH_NONCE_BYTES);
	if (r == 0)
		make_proof(client, IPK__AUTH_CLIENT, ret_proof);
	return r;
}

int ipk__auth_check(struct ipk__auth *server, const unsigned char proof[IPK__AUTH_PROOF_BYTES])
{
	int r = take_step(server, IPK__AUTH_SERVER, CHALLENGE_SENT, OVER);

	return r < 0 ? r : check_proof(server, IPK__AUTH_CLIENT, proof);
}

bool ipk__auth_is_done(const struct ipk__auth *a)
{
	return a->step == DONE;
}

void ipk__auth_wipe(struct ipk__auth *a)
{
	sodium_memzero(a, sizeof *a);
}

/* --- keys in files ---------------------------------------------------------------------------- */

static int check_key_file(int fd, size_t *ret_bytes)
{
	struct ipk__os_stat st;
	int r = ipk__os_stat(fd, &st);

	if (r < 0)
		return r;
	if (!ipk__os_mode_is_file(st.mode) || (st.mode & 077) != 0 ||
	    (st.uid != ipk__os_uid() && st.uid != 0))
		return -EACCES;
	/* One more for the newline. */
	if (st.size_bytes < IPK__AUTH_KEY_MIN || st.size_bytes > IPK__AUTH_KEY_MAX + 1)
		return ipk__invalid(".key_file: the key in it is too short or too long");
	*ret_bytes = (size_t)st.size_bytes;
	return 0;
}

static int read_key(int fd, unsigned char *bytes, size_t *ret_bytes)
{
	size_t n;
	int r = check_key_file(fd, &n);

	if (r == 0)
		r = ipk__os_pread(fd, bytes, n, 0);
	if (r < 0)
		return r;
	if (bytes[n - 1] == '\n')
		n--;
	if (n < IPK__AUTH_KEY_MIN || n > IPK__AUTH_KEY_MAX)
		return ipk__invalid(".key_file: the key in it is too short or too long");
	*ret_bytes = n;
	return 0;
}

int ipk__auth_key_from_file(const char *path, unsigned char ret_key[IPK__AUTH_KEY_MAX],
			    size_t *ret_key_bytes)
{
	const size_t room = IPK__AUTH_KEY_MAX + 1;
	unsigned char *bytes;
	size_t n;
	int fd;
	int r = path ? ipk__os_file_open_to_read(path, &fd) : ipk__invalid(".key_file is NULL");

	if (r < 0)
		return r;
	bytes = ipk__os_malloc(room);
	r = bytes ? read_key(fd, bytes, &n) : -ENOMEM;
	ipk__os_close(fd);
	if (r == 0) {
		memcpy(ret_key, bytes, n);
		*ret_key_bytes = n;
	}
	if (bytes)
		sodium_memzero(bytes, room);
	free(bytes);
	return r;
}

/* --- as text ---------------------------------------------------------------------------------- */

void ipk__auth_to_hex(const unsigned char *bytes, size_t n_bytes, char *ret_text)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n_bytes; i++) {
		*ret_text++ = digits[bytes[i] >> 4];
		*ret_text++ = digits[bytes[i] & 15];
	}
}

int ipk__auth_from_hex(const char *text, size_t text_bytes, unsigned char *ret_bytes,
		       size_t n_bytes)
{
	unsigned char bytes[IPK__AUTH_CHALLENGE_BYTES];
	size_t n = 0;

	if (n_bytes > sizeof bytes || text_bytes != 2 * n_bytes)
		return -EINVAL;
	if (sodium_hex2bin(bytes, n_bytes, text, text_bytes, NULL, &n, NULL) != 0 || n != n_bytes)
		return -EINVAL;
	memcpy(ret_bytes, bytes, n_bytes);
	return 0;
}
