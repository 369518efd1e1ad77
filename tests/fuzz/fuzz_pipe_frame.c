/*
 * fuzz_pipe_frame.c - a receiver on a pipe whose other side may write anything.
 *
 * The first byte chooses the transport. Ring: 8 bytes for the initial counters, 8 bytes of tail, 8
 * bytes of the tail that the reader saw last, then the contents of the ring. Socket: packets, each
 * with a byte of flags (attach an fd) and a byte of length. Then every way to receive is tried;
 * nothing may crash, hang or read out of bounds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "os/os.h"
#include "pipe/pipe_internal.h"

enum { RING_BYTES = 4096, MESSAGE_MAX = 70000, N_CALLS = 600 };

struct input {
	const uint8_t *data;
	size_t n_bytes;
};

static void take(struct input *in, void *buf, size_t n_bytes)
{
	size_t n = IPK__MIN(n_bytes, in->n_bytes);

	memset(buf, 0, n_bytes);
	if (n == 0)
		return;
	memcpy(buf, in->data, n);
	in->data += n;
	in->n_bytes -= n;
}

static void write_ring(ipk_pipe *p, struct input *in)
{
	struct ipk__shm_ring *ring = p->tx.ring.shared;
	uint64_t head, tail, seen;
	uint32_t at;

	take(in, &head, sizeof head);
	take(in, &tail, sizeof tail);
	take(in, &seen, sizeof seen);
	at = ipk__ring_pos(head) & (RING_BYTES / IPK__UNIT - 1);
	take(in, p->tx.ring.bytes + (size_t)at * IPK__UNIT, IPK__MIN(in->n_bytes, RING_BYTES));
	atomic_store(&ring->head, head);
	ring->tail_seen = seen;
	atomic_store(&ring->tail, tail);
	atomic_store(&ring->tail_own, tail);
}

static void send_packets(ipk_pipe *p, struct input *in)
{
	uint8_t flags, n_bytes, packet[256];
	int file = -1;

	if (ipk__os_memfd("ipk:fuzz", &file) < 0 || ipk__os_allocate(file, 0, 66000) < 0)
		abort();
	for (int i = 0; i < 50 && in->n_bytes > 0; i++) {
		struct iovec part = {packet, 0};
		int fds[2] = {file, file};

		take(in, &flags, 1);
		take(in, &n_bytes, 1);
		part.iov_len = n_bytes;
		take(in, packet, n_bytes);
		if (ipk__os_send(p->data_fd, &part, 1, fds, flags % 3) < 0)
			break;
	}
	ipk__os_close(file);
}

/* One call; whether it makes sense to go on. */
static int receive(ipk_pipe *p, int how)
{
	static char buf[MESSAGE_MAX];
	unsigned char sum = 0;
	const void *shown;
	void *copy;
	size_t n;
	int r;

	switch (how % 5) {
	case 0:
		return ipk_pipe_recv(p, buf, 3, ipk_now(), &n);
	case 1:
		r = ipk_pipe_peek(p, ipk_now(), &shown, &n);
		for (size_t i = 0; r == 0 && i < n; i++)
			sum ^= ((const unsigned char *)shown)[i];
		*(volatile char *)buf = (char)sum;
		return how % 2 == 0 || r < 0 ? r : ipk_pipe_release(p);
	case 2:
		r = ipk_pipe_recv_alloc(p, ipk_now(), &copy, &n);
		if (r == 0)
			free(copy);
		return r;
	case 3:
		return ipk_pipe_poll(p, ipk_now());
	default:
		return ipk_pipe_recv(p, buf, sizeof buf, ipk_now(), NULL);
	}
}

static void receive_all(ipk_pipe *p)
{
	for (int i = 0, n_failed = 0; i < N_CALLS && n_failed < 12; i++)
		n_failed = receive(p, i) < 0 ? n_failed + 1 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	struct input in = {data, n_bytes};
	ipk_pipe *a, *b;
	uint8_t mode;

	take(&in, &mode, 1);
	if (ipk_pipe_create(IPK_PIPE(.ring_bytes = RING_BYTES, .max_message_bytes = MESSAGE_MAX,
				     .flags = mode % 2 ? IPK_PIPE_SOCKET : 0),
			    &a, &b) < 0)
		abort();
	if (mode % 2)
		send_packets(a, &in);
	else
		write_ring(a, &in);
	receive_all(b);
	a = ipk_pipe_close(a);
	receive_all(b);
	ipk_pipe_close(b);
	return 0;
}
