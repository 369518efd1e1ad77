/*
 * fuzz_net_frame.c - any bytes that the peer of a stream may send: to a handshake, as either side,
 * with a key and without, ours and Python's; and to a pipe.
 *
 * The first byte chooses: bits 0-3 which side and kind we are, the rest the size of the pieces. A
 * handshake under a key must never succeed: these bytes were made without knowing our random
 * numbers.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/handshake.h"
#include "pipe/pipe_internal.h"

enum { IS_SERVER = 1, IS_PYTHON = 2, HAS_KEY = 4, IS_PIPE = 8, MESSAGE_MAX = 100000 };

static void must(int holds)
{
	if (!holds)
		abort();
}

static void shake(const uint8_t *data, size_t n_bytes, uint8_t mode)
{
	struct ipk__handshake_opts opts = {
		.role = mode & IS_SERVER ? IPK__AUTH_SERVER : IPK__AUTH_CLIENT,
		.is_python = mode & IS_PYTHON,
		.allows_md5 = mode & 16,
		.key = mode & HAS_KEY ? "0123456789abcdef" : NULL,
		.key_bytes = mode & HAS_KEY ? 16 : 0,
	};
	struct ipk__handshake h;
	unsigned char *at;
	size_t n;

	must(ipk__handshake_init(&h, &opts) == 0);
	while (ipk__handshake_state(&h) == 0) {
		if (h.out_from < h.out_to) {
			must(h.out_to <= sizeof h.out);
			ipk__handshake_sent(&h, 1 + (h.out_to - h.out_from) / 2);
			continue;
		}
		n = ipk__handshake_wants(&h, &at);
		must(n > 0 && at >= h.in && at + n <= h.in + sizeof h.in);
		n = n < 1u + (mode >> 4) ? n : 1u + (mode >> 4);
		if (n > n_bytes)
			break;
		memcpy(at, data, n);
		data += n;
		n_bytes -= n;
		ipk__handshake_got(&h, n);
	}
	must(ipk__handshake_state(&h) != 1 || !opts.key);
	ipk__handshake_wipe(&h);
}

/* One call of some kind; whether a message was there. */
static int receive(ipk_pipe *p, int how)
{
	static char buf[MESSAGE_MAX];
	const void *shown;
	void *copy;
	size_t n = 0;
	int r;

	switch (how % 3) {
	case 0:
		r = ipk_pipe_recv(p, buf, 5, ipk_now(), &n);
		return r == -EMSGSIZE ? ipk_pipe_recv(p, buf, sizeof buf, ipk_now(), &n) : r;
	case 1:
		r = ipk_pipe_recv_alloc(p, ipk_now(), &copy, &n);
		if (r == 0)
			free(copy);
		return r;
	default:
		r = ipk_pipe_peek(p, ipk_now(), &shown, &n);
		if (r == 0)
			memcpy(buf, shown, n);
		return r < 0 ? r : ipk_pipe_release(p);
	}
}

static void receive_all(const uint8_t *data, size_t n_bytes, size_t step)
{
	int fds[2], r = -ETIMEDOUT, how = 0;
	ipk_pipe *p;

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
	must(ipk__pipe_from_stream(fds[0], IPK_PIPE(.max_message_bytes = MESSAGE_MAX), &p) == 0);
	while (n_bytes > 0 && (r == 0 || r == -ETIMEDOUT)) {
		ssize_t n = send(fds[1], data, n_bytes < step ? n_bytes : step, MSG_NOSIGNAL);

		must(n > 0);
		data += n;
		n_bytes -= (size_t)n;
		while ((r = receive(p, how++)) == 0)
			;
		must(r == -ETIMEDOUT || r == -EPROTO);
	}
	close(fds[1]);
	while ((r = receive(p, how++)) == 0)
		;
	must(r == -EPIPE || r == -EPROTO);
	ipk_pipe_close(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	uint8_t mode = n_bytes > 0 ? data[0] : 0;

	if (n_bytes == 0)
		return 0;
	if (mode & IS_PIPE)
		receive_all(data + 1, n_bytes - 1, 1 + (size_t)(mode >> 4) * 97);
	else
		shake(data + 1, n_bytes - 1, mode);
	return 0;
}
