/*
 * native_wire.c - one connection to our server: connect, authenticate, send bytes, receive values.
 *
 * Invariant: ipk__wire_value() returns one whole RESP value. Over a ring, a message holds whole
 * values only, and a value is read in place.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "native/native.h"
#include "os/os.h"
#include "pipe/pipe_internal.h"

#define READ_BYTES ((size_t)16 << 10)
#define RETRY_NS 1000000

void ipk__wire_init(struct ipk__wire *w)
{
	*w = (struct ipk__wire){.fd = -1};
}

void ipk__wire_close(struct ipk__wire *w)
{
	w->ring = ipk_pipe_close(w->ring);
	ipk__os_close(w->fd);
	ipk__buffer_free(&w->in);
	ipk__wire_init(w);
}

/* --- out -------------------------------------------------------------------------------------- */

static int write_on(struct ipk__wire *w, const char *data, size_t n_bytes, ipk_deadline deadline,
		    size_t *at)
{
	size_t n;
	int r;

	while (*at < n_bytes) {
		struct iovec part = {(void *)(data + *at), n_bytes - *at};

		r = ipk__os_stream_write(w->fd, &part, 1, &n);
		if (r == 0)
			*at += n;
		else if (r == -EAGAIN)
			IPK_TRY(ipk__os_poll1(w->fd, IPK__OS_OUT, deadline, NULL));
		else
			return r;
	}
	return 0;
}

int ipk__wire_send(struct ipk__wire *w, const void *data, size_t n_bytes, ipk_deadline deadline,
		   size_t *at)
{
	size_t from = 0;

	if (w->ring)
		return ipk_pipe_send(w->ring, data, n_bytes, deadline);
	if (w->fd < 0)
		return -EPIPE;
	return write_on(w, data, n_bytes, deadline, at ? at : &from);
}

/* --- in --------------------------------------------------------------------------------------- */

void ipk__wire_release(struct ipk__wire *w)
{
	if (w->is_peeked && w->rest.n_bytes == 0) {
		if (ipk_pipe_release(w->ring) == 0)
			w->is_peeked = false;
	}
	if (w->used_bytes > 0) {
		ipk__buffer_take(&w->in, w->used_bytes);
		w->used_bytes = 0;
		w->scan = (struct ipk__resp_scan){0};
		ipk__buffer_shrink(&w->in, READ_BYTES * 4);
	}
}

bool ipk__wire_has_more(const struct ipk__wire *w)
{
	return w->ring ? w->rest.n_bytes > 0 : ipk__buffer_len(&w->in) > w->used_bytes;
}

static int ring_value(struct ipk__wire *w, ipk_deadline deadline, struct ipk__slice *ret_value)
{
	struct ipk__resp_scan scan = {0};
	const void *data;
	size_t n;

	while (w->rest.n_bytes == 0) {
		IPK_TRY(ipk_pipe_peek(w->ring, deadline, &data, &n));
		w->is_peeked = true;
		w->rest = IPK__SLICE(data, n);
		if (n == 0)
			ipk__wire_release(w);
	}
	if (ipk__resp_scan_value(&scan, w->rest.bytes, w->rest.n_bytes, &n) != 1)
		return -EPROTO;
	*ret_value = IPK__SLICE(w->rest.bytes, n);
	w->rest = IPK__SLICE(w->rest.bytes + n, w->rest.n_bytes - n);
	return 0;
}

static int read_more(struct ipk__wire *w, ipk_deadline deadline)
{
	char *room;
	size_t n;
	int r;

	for (;;) {
		room = ipk__buffer_reserve(&w->in, READ_BYTES);
		if (!room)
			return -ENOMEM;
		r = ipk__os_stream_read(w->fd, room, READ_BYTES, &n);
		if (r == 0) {
			ipk__buffer_added(&w->in, n);
			return 0;
		}
		if (r != -EAGAIN)
			return r;
		IPK_TRY(ipk__os_poll1(w->fd, IPK__OS_IN, deadline, NULL));
	}
}

static int socket_value(struct ipk__wire *w, ipk_deadline deadline, struct ipk__slice *ret_value)
{
	size_t n;
	int r;

	for (;;) {
		r = ipk__buffer_len(&w->in) == 0
			    ? 0
			    : ipk__resp_scan_value(&w->scan, ipk__buffer_front(&w->in),
						   ipk__buffer_len(&w->in), &n);
		if (r < 0)
			return r;
		if (r == 1)
			break;
		IPK_TRY(read_more(w, deadline));
	}
	*ret_value = IPK__SLICE(ipk__buffer_front(&w->in), n);
	w->used_bytes = n;
	return 0;
}

int ipk__wire_value(struct ipk__wire *w, ipk_deadline deadline, struct ipk__slice *ret_value)
{
	ipk__wire_release(w);
	if (w->ring)
		return ring_value(w, deadline, ret_value);
	if (w->fd < 0)
		return -EPIPE;
	return socket_value(w, deadline, ret_value);
}

/* --- a question and its answer ---------------------------------------------------------------- */

int ipk__wire_ask(struct ipk__wire *w, const struct ipk__slice *argv, size_t argc,
		  ipk_deadline deadline, struct ipk__response *reply)
{
	struct ipk__buffer out = {0};
	struct ipk__slice value;
	int r;

	ipk__resp_request(&out, argv, argc);
	r = out.failed ? -ENOMEM
		       : ipk__wire_send(w, ipk__buffer_front(&out), ipk__buffer_len(&out), deadline,
					NULL);
	ipk__buffer_free(&out);
	if (r < 0)
		return r;
	IPK_TRY(ipk__wire_value(w, deadline, &value));
	r = ipk__response_put(reply, value);
	ipk__wire_release(w);
	return r < 0 ? r : ipk__response_refusal(reply);
}

#define ASK(w, reply, deadline, ...) ipk__wire_ask((w), IPK__ARGV(__VA_ARGS__), (deadline), (reply))

/* --- connecting ------------------------------------------------------------------------------- */

static int dial(const struct ipk__address *a, ipk_deadline deadline, int *ret_fd)
{
	static _Atomic uint32_t never;
	ipk_deadline pause;
	int r;

	if (a->kind == IPK__ADDRESS_TCP)
		return ipk__os_tcp_connect(a->host, a->port, deadline, ret_fd);
	for (;;) {
		r = ipk__os_stream_connect(a->path, ret_fd);
		if (r != -EAGAIN) /* too many are just connecting */
			return r;
		if (ipk_deadline_left_ns(deadline) == 0)
			return -ETIMEDOUT;
		pause = ipk_in_ns(RETRY_NS);
		(void)ipk__os_futex_wait(&never, 0, pause);
	}
}

/* The answer to hello: a nonce and a proof, in digits. */
static int read_challenge(const struct ipk__response *reply, unsigned char *ret_challenge)
{
	struct ipk__resp_value head, nonce, proof;
	size_t at = 0;

	if (ipk__resp_next(reply->whole, &at, &head) < 0 || head.type != IPK__RESP_ARRAY ||
	    head.n != 2 || ipk__resp_next(reply->whole, &at, &nonce) < 0 ||
	    ipk__resp_next(reply->whole, &at, &proof) < 0 ||
	    ipk__auth_from_hex(nonce.text.bytes, nonce.text.n_bytes, ret_challenge,
			       IPK__AUTH_NONCE_BYTES) < 0 ||
	    ipk__auth_from_hex(proof.text.bytes, proof.text.n_bytes,
			       ret_challenge + IPK__AUTH_NONCE_BYTES, IPK__AUTH_PROOF_BYTES) < 0)
		return -EPROTO;
	return 0;
}

static int prove(struct ipk__wire *w, struct ipk__auth *a, ipk_deadline deadline,
		 struct ipk__response *reply)
{
	unsigned char hello[IPK__AUTH_NONCE_BYTES], challenge[IPK__AUTH_CHALLENGE_BYTES];
	unsigned char proof[IPK__AUTH_PROOF_BYTES];
	char digits[2 * IPK__AUTH_NONCE_BYTES];

	IPK_TRY(ipk__auth_hello(a, hello));
	ipk__auth_to_hex(hello, sizeof hello, digits);
	IPK_TRY(ASK(w, reply, deadline, IPK__ARG("IPK.AUTH"), IPK__ARG("HELLO"),
		    IPK__SLICE(digits, sizeof digits)));
	IPK_TRY(read_challenge(reply, challenge));
	if (ipk__auth_prove(a, challenge, proof) < 0)
		return ipk__manager_fail(-EACCES, "the server does not know the key");
	ipk__auth_to_hex(proof, sizeof proof, digits);
	return ASK(w, reply, deadline, IPK__ARG("IPK.AUTH"), IPK__ARG("PROVE"),
		   IPK__SLICE(digits, sizeof digits));
}

static int greet(struct ipk__wire *w, const struct ipk__wire_config *config, ipk_deadline deadline,
		 struct ipk__response *reply)
{
	struct ipk__auth auth;
	int r;

	if (config->key_bytes > 0) {
		IPK_TRY(ipk__auth_init(&auth, IPK__AUTH_CLIENT, config->key, config->key_bytes));
		r = prove(w, &auth, deadline, reply);
		ipk__auth_wipe(&auth);
		if (r < 0)
			return r;
	}
	if (config->label[0] == '\0')
		return ASK(w, reply, deadline, IPK__ARG("HELLO"), IPK__ARG("3"));
	return ASK(w, reply, deadline, IPK__ARG("HELLO"), IPK__ARG("3"), IPK__ARG("SETNAME"),
		   ipk__slice_of_string(config->label));
}

int ipk__wire_open(const struct ipk__wire_config *config, ipk_deadline deadline,
		   struct ipk__wire *w)
{
	struct ipk__response reply;
	int r;

	IPK_TRY(dial(&config->address, deadline, &w->fd));
	ipk__response_init(&reply);
	r = greet(w, config, deadline, &reply);
	ipk__response_fini(&reply);
	return r;
}

/* --- the ring and the view -------------------------------------------------------------------- */

enum { LOCAL_FDS = 5 };

static void close_fds(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ipk__os_close(fds[i]);
}

/* The answer to IPK.LOCAL, in w->in, and the fds that came with it. */
static int read_with_fds(struct ipk__wire *w, ipk_deadline deadline, int *fds, size_t *n_fds)
{
	int got[IPK__OS_FDS_MAX];
	size_t n_got = 0;
	size_t n;
	char *room = ipk__buffer_reserve(&w->in, READ_BYTES);
	int r;

	if (!room)
		return -ENOMEM;
	r = ipk__os_stream_read_fds(w->fd, room, READ_BYTES, &n, got, &n_got);
	if (r == -EAGAIN)
		return ipk__os_poll1(w->fd, IPK__OS_IN, deadline, NULL);
	if (r < 0)
		return r;
	ipk__buffer_added(&w->in, n);
	if (*n_fds + n_got > LOCAL_FDS) {
		close_fds(got, n_got);
		return -EPROTO;
	}
	for (size_t i = 0; i < n_got; i++)
		fds[(*n_fds)++] = got[i];
	return 0;
}

static int ask_local(struct ipk__wire *w, ipk_deadline deadline, int *fds, size_t *n_fds,
		     bool *ret_is_granted)
{
	static const char request[] = "*1\r\n$9\r\nIPK.LOCAL\r\n";
	struct ipk__resp_scan scan = {0};
	size_t n;
	int r;

	IPK_TRY(ipk__wire_send(w, request, sizeof request - 1, deadline, NULL));
	for (;;) {
		r = ipk__buffer_len(&w->in) == 0
			    ? 0
			    : ipk__resp_scan_value(&scan, ipk__buffer_front(&w->in),
						   ipk__buffer_len(&w->in), &n);
		if (r < 0)
			return r;
		if (r == 1)
			break;
		IPK_TRY(read_with_fds(w, deadline, fds, n_fds));
	}
	*ret_is_granted = *ipk__buffer_front(&w->in) == IPK__RESP_ARRAY && *n_fds == LOCAL_FDS;
	ipk__buffer_take(&w->in, n);
	return 0;
}

int ipk__wire_go_local(struct ipk__wire *w, ipk_deadline deadline)
{
	struct ipk__pipe_parts parts = IPK__PIPE_NO_PARTS;
	int fds[LOCAL_FDS];
	size_t n_fds = 0;
	bool is_granted = false;
	int r;

	ipk__wire_release(w);
	r = ask_local(w, deadline, fds, &n_fds, &is_granted);
	if (r < 0 || !is_granted) {
		close_fds(fds, n_fds);
		return r;
	}
	if (ipk__view_attach(fds[0], &w->view) < 0)
		w->view = NULL; /* another layout: the server answers what we cannot read */
	parts.segment_fd = fds[1];
	parts.doorbell_fds[0] = fds[2];
	parts.doorbell_fds[1] = fds[3];
	parts.max_message_bytes = IPK_MESSAGE_MAX_BYTES;
	r = ipk__pipe_parts_check(&parts, fds[4]);
	if (r == 0) {
		r = ipk__pipe_end(&parts, 1, fds[4], &w->ring);
	} else {
		ipk__pipe_parts_close(&parts);
		ipk__os_close(fds[4]);
	}
	if (r < 0) {
		ipk__view_close(w->view);
		w->view = NULL;
	}
	return r;
}
