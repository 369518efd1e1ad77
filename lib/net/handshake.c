/*
 * handshake.c - the handshake of the two sides of a stream, before the first message.
 *
 * Invariant: a frame is processed when it is complete, and a length over the limit ends the
 * handshake before a byte of its body is read. Each frame advances the step or ends the handshake,
 * so it takes a bounded number of bytes.
 */
#include <errno.h>
#include <sodium/utils.h>
#include <string.h>

#include "base/base_internal.h"
#include "base/slice.h"
#include "net/handshake.h"
#include "net/md5.h"
#include "os/os.h"

#define MAGIC "ipkpipe1"
#define MAGIC_BYTES 8
#define PYTHON_CHALLENGE "#CHALLENGE#"
#define PYTHON_WELCOME "#WELCOME#"
#define PYTHON_FAILURE "#FAILURE#"
#define PYTHON_SHA256 "{sha256}"
#define PYTHON_RANDOM_BYTES 40
#define PYTHON_OLD_TEXT_BYTES 20 /* before 3.12, without the name of a digest */

/* What is awaited. */
enum {
	DONE = 0,
	HELLO,     /* server */
	CHALLENGE, /* client, or just the welcome without a key */
	PROOF,     /* server */
	WELCOME,   /* client */
	ASKED,     /* Python's: the other side's challenge, and whether it liked our answer, */
	LIKED,
	ANSWER, /* and its answer to ours */
};

/* Add a frame of two parts to out. */
static void say(struct ipk__handshake *h, struct ipk__slice a, struct ipk__slice b)
{
	size_t n = a.n_bytes + b.n_bytes;
	unsigned char *p = h->out + h->out_to;

	p[0] = p[1] = p[2] = 0;
	p[3] = (unsigned char)n; /* all of ours are short */
	memcpy(p + 4, a.bytes, a.n_bytes);
	if (b.n_bytes > 0)
		memcpy(p + 4 + a.n_bytes, b.bytes, b.n_bytes);
	h->out_to += 4 + n;
}

static void say_ours(struct ipk__handshake *h, char what, const unsigned char *data, size_t n_bytes)
{
	char body[1 + IPK__AUTH_CHALLENGE_BYTES] = {what};

	if (n_bytes > 0)
		memcpy(body + 1, data, n_bytes);
	say(h, IPK__SLICE(MAGIC, MAGIC_BYTES), IPK__SLICE(body, 1 + n_bytes));
}

static void say_text(struct ipk__handshake *h, const char *text)
{
	say(h, ipk__slice_of_string(text), IPK__SLICE(NULL, 0));
}

/* --- ours ------------------------------------------------------------------------------------- */

/* What kind of frame, and its data; -EPROTO it is no frame of ours. */
static int read_ours(struct ipk__slice frame, char *ret_what, struct ipk__slice *ret_data)
{
	if (frame.n_bytes < MAGIC_BYTES + 1 || memcmp(frame.bytes, MAGIC, MAGIC_BYTES - 1) != 0)
		return -EPROTO;
	if (frame.bytes[MAGIC_BYTES - 1] != MAGIC[MAGIC_BYTES - 1])
		return -EPROTONOSUPPORT;
	*ret_what = frame.bytes[MAGIC_BYTES];
	*ret_data = IPK__SLICE(frame.bytes + MAGIC_BYTES + 1, frame.n_bytes - MAGIC_BYTES - 1);
	return 0;
}

static int on_hello(struct ipk__handshake *h, char what, struct ipk__slice data)
{
	unsigned char challenge[IPK__AUTH_CHALLENGE_BYTES];
	int r;

	if (what != (h->opts.key ? 'k' : 'o'))
		return -EACCES;
	if (data.n_bytes != (h->opts.key ? (size_t)IPK__AUTH_NONCE_BYTES : 0))
		return -EPROTO;
	if (!h->opts.key) {
		say_ours(h, 'o', NULL, 0);
		return DONE;
	}
	r = ipk__auth_challenge(&h->auth, (const unsigned char *)data.bytes, challenge);
	if (r < 0)
		return r;
	say_ours(h, 'k', challenge, sizeof challenge);
	return PROOF;
}

static int on_challenge(struct ipk__handshake *h, char what, struct ipk__slice data)
{
	unsigned char proof[IPK__AUTH_PROOF_BYTES];
	int r;

	if (what == '!')
		return -EACCES;
	if (what != (h->opts.key ? 'k' : 'o') ||
	    data.n_bytes != (h->opts.key ? (size_t)IPK__AUTH_CHALLENGE_BYTES : 0))
		return -EPROTO;
	if (!h->opts.key)
		return DONE;
	r = ipk__auth_prove(&h->auth, (const unsigned char *)data.bytes, proof);
	if (r < 0)
		return r;
	say_ours(h, 'p', proof, sizeof proof);
	return WELCOME;
}

static int on_proof(struct ipk__handshake *h, char what, struct ipk__slice data)
{
	int r;

	if (what != 'p' || data.n_bytes != IPK__AUTH_PROOF_BYTES)
		return -EPROTO;
	r = ipk__auth_check(&h->auth, (const unsigned char *)data.bytes);
	if (r < 0)
		return r;
	say_ours(h, 'w', NULL, 0);
	return DONE;
}

static int on_ours(struct ipk__handshake *h, struct ipk__slice frame)
{
	struct ipk__slice data;
	char what;
	int r = read_ours(frame, &what, &data);

	if (r == 0) {
		switch (h->step) {
		case HELLO:
			r = on_hello(h, what, data);
			break;
		case CHALLENGE:
			r = on_challenge(h, what, data);
			break;
		case PROOF:
			r = on_proof(h, what, data);
			break;
		default:
			r = what == 'w' && data.n_bytes == 0 ? DONE : -EACCES;
		}
	}
	/* A rejected peer is told so; a peer of another protocol would not understand. */
	if ((r == -EACCES || r == -EPROTONOSUPPORT) && h->opts.role == IPK__AUTH_SERVER)
		say_ours(h, '!', NULL, 0);
	return r;
}

static int begin_ours(struct ipk__handshake *h)
{
	unsigned char nonce[IPK__AUTH_NONCE_BYTES];
	int r = 0;

	if (h->opts.key)
		r = ipk__auth_init(&h->auth, h->opts.role, h->opts.key, h->opts.key_bytes);
	if (r < 0 || h->opts.role == IPK__AUTH_SERVER)
		return r < 0 ? r : HELLO;
	if (h->opts.key)
		r = ipk__auth_hello(&h->auth, nonce);
	if (r == 0)
		say_ours(h, h->opts.key ? 'k' : 'o', nonce, h->opts.key ? sizeof nonce : 0);
	return r < 0 ? r : CHALLENGE;
}

/* --- Python's --------------------------------------------------------------------------------- */

static bool begins_with(struct ipk__slice s, const char *text)
{
	size_t n = strlen(text);

	return s.n_bytes >= n && memcmp(s.bytes, text, n) == 0;
}

static int ask_python(struct ipk__handshake *h)
{
	size_t n = strlen(PYTHON_SHA256);
	int r = ipk__os_random(h->text + n, PYTHON_RANDOM_BYTES);

	if (r < 0)
		return r;
	memcpy(h->text, PYTHON_SHA256, n);
	h->text_bytes = n + PYTHON_RANDOM_BYTES;
	say(h, ipk__slice_of_string(PYTHON_CHALLENGE), IPK__SLICE(h->text, h->text_bytes));
	return ANSWER;
}

static int answer_python(struct ipk__handshake *h, struct ipk__slice frame)
{
	size_t n = strlen(PYTHON_CHALLENGE);
	struct ipk__slice text = IPK__SLICE(frame.bytes + n, frame.n_bytes - n);
	unsigned char mac[32];

	if (!begins_with(frame, PYTHON_CHALLENGE) || text.n_bytes < PYTHON_OLD_TEXT_BYTES)
		return -EPROTO;
	/* Our own question, sent back: answering it would prove that the other side knows. */
	if (ipk__slice_equal(text, IPK__SLICE(h->text, h->text_bytes)))
		return -EACCES;
	if (text.n_bytes == PYTHON_OLD_TEXT_BYTES) {
		if (!h->opts.allows_md5)
			return -EACCES;
		ipk__md5_hmac(h->opts.key, h->opts.key_bytes, text.bytes, text.n_bytes, mac);
		say(h, IPK__SLICE((char *)mac, IPK__MD5_BYTES), IPK__SLICE(NULL, 0));
		return LIKED;
	}
	if (!begins_with(text, PYTHON_SHA256))
		return -EACCES; /* another digest */
	ipk__auth_hmac(h->opts.key, h->opts.key_bytes, text.bytes, text.n_bytes, mac);
	say(h, ipk__slice_of_string(PYTHON_SHA256), IPK__SLICE((char *)mac, sizeof mac));
	return LIKED;
}

static bool is_right_answer(const struct ipk__handshake *h, struct ipk__slice frame)
{
	size_t n = strlen(PYTHON_SHA256);
	unsigned char mac[32];

	if (begins_with(frame, PYTHON_SHA256) && frame.n_bytes == n + sizeof mac) {
		ipk__auth_hmac(h->opts.key, h->opts.key_bytes, h->text, h->text_bytes, mac);
		return ipk__auth_equal(frame.bytes + n, mac, sizeof mac);
	}
	if (!h->opts.allows_md5 || frame.n_bytes != IPK__MD5_BYTES)
		return false;
	ipk__md5_hmac(h->opts.key, h->opts.key_bytes, h->text, h->text_bytes, mac);
	return ipk__auth_equal(frame.bytes, mac, IPK__MD5_BYTES);
}

/* The server asks first and is asked then, the client the other way round. */
static int on_python(struct ipk__handshake *h, struct ipk__slice frame)
{
	bool is_server = h->opts.role == IPK__AUTH_SERVER;

	switch (h->step) {
	case ASKED:
		return answer_python(h, frame);
	case LIKED:
		if (!ipk__slice_equal(frame, ipk__slice_of_string(PYTHON_WELCOME)))
			return -EACCES;
		return is_server ? DONE : ask_python(h);
	default:
		if (!is_right_answer(h, frame)) {
			say_text(h, PYTHON_FAILURE);
			return -EACCES;
		}
		say_text(h, PYTHON_WELCOME);
		return is_server ? ASKED : DONE;
	}
}

static int begin_python(struct ipk__handshake *h)
{
	if (!h->opts.key)
		return DONE;
	return h->opts.role == IPK__AUTH_SERVER ? ask_python(h) : ASKED;
}

/* --- both ------------------------------------------------------------------------------------- */

int ipk__handshake_init(struct ipk__handshake *h, const struct ipk__handshake_opts *opts)
{
	int r;

	*h = (struct ipk__handshake){.opts = *opts};
	r = opts->is_python ? begin_python(h) : begin_ours(h);
	if (r < 0)
		return r;
	h->step = r;
	return 0;
}

int ipk__handshake_state(const struct ipk__handshake *h)
{
	if (h->error < 0)
		return h->error;
	return h->step == DONE && h->out_from == h->out_to;
}

void ipk__handshake_sent(struct ipk__handshake *h, size_t n_bytes)
{
	h->out_from += n_bytes;
	if (h->out_from == h->out_to)
		h->out_from = h->out_to = 0;
}

static size_t body_bytes(const struct ipk__handshake *h)
{
	return (size_t)h->in[0] << 24 | (size_t)h->in[1] << 16 | (size_t)h->in[2] << 8 | h->in[3];
}

size_t ipk__handshake_wants(struct ipk__handshake *h, unsigned char **ret_at)
{
	size_t whole = h->in_bytes < 4 ? 4 : 4 + body_bytes(h);

	*ret_at = h->in + h->in_bytes;
	/* Only once all was sent: so out never has more than an answer or two in it. */
	if (h->error < 0 || h->step == DONE || h->out_from < h->out_to)
		return 0;
	return whole - h->in_bytes;
}

void ipk__handshake_got(struct ipk__handshake *h, size_t n_bytes)
{
	struct ipk__slice frame;
	int r;

	h->in_bytes += n_bytes;
	if (h->in_bytes < 4)
		return;
	if (body_bytes(h) > IPK__HANDSHAKE_FRAME_MAX) {
		h->error = -EPROTO;
		return;
	}
	if (h->in_bytes < 4 + body_bytes(h))
		return;
	frame = IPK__SLICE((const char *)h->in + 4, body_bytes(h));
	r = h->opts.is_python ? on_python(h, frame) : on_ours(h, frame);
	h->in_bytes = 0;
	if (r < 0)
		h->error = r;
	else
		h->step = r;
}

void ipk__handshake_wipe(struct ipk__handshake *h)
{
	sodium_memzero(h, sizeof *h);
}
