/*
 * bench_pipe_flow.c - one way: how many messages go from one core to another.
 *
 * Every message is copied from the sender's buffer and copied into the receiver's, by ours and by
 * all peers; the first word is a counter, and the receiver checks the sum.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ipk.h>

#include "bench.h"
#include "peer_ck.h"

#define LARGE_BYTES ((size_t)1 << 20)
#define SOCKET_BUFFER_BYTES (8 << 20)

struct flow {
	size_t message_bytes;
	ipk_pipe *reader;
	ipk_pipe *writer;
	int fds[2]; /* reader, writer */
	void *shared;
};

/* The buffer of this side: a page for each process after the fork. */
static char buffer[1 << 20];

static void number_message(char *message, uint64_t i)
{
	memcpy(message, &i, sizeof i);
}

static uint64_t number_of(const char *message)
{
	uint64_t i;

	memcpy(&i, message, sizeof i);
	return i;
}

static int check_sum(uint64_t sum, size_t n)
{
	return sum == (uint64_t)n * (n - 1) / 2 ? 0 : -EBADMSG;
}

/* --- ours ------------------------------------------------------------------------------------- */

static int ipk_sender(void *arg, size_t n)
{
	const struct flow *flow = arg;

	memset(buffer, 1, flow->message_bytes);
	for (size_t i = 0; i < n; i++) {
		number_message(buffer, i);
		IPK_TRY(ipk_pipe_send(flow->writer, buffer, flow->message_bytes, ipk_forever()));
	}
	return 0;
}

static int ipk_receiver(void *arg, size_t n)
{
	const struct flow *flow = arg;
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		IPK_TRY(ipk_pipe_recv(flow->reader, buffer, sizeof buffer, ipk_forever(), NULL));
		sum += number_of(buffer);
	}
	return check_sum(sum, n);
}

static int ours(size_t message_bytes, size_t n, struct bench_time *ret_time)
{
	const struct bench_side sides[] = {{ipk_sender, 0}, {ipk_receiver, 1}};
	struct flow flow = {.message_bytes = message_bytes};
	int r = ipk_pipe_create(IPK_PIPE(.flags = IPK_PIPE_ONE_WAY), &flow.reader, &flow.writer);

	if (r < 0)
		return r;
	r = bench_team(sides, 2, &flow, n, ret_time);
	ipk_pipe_close(flow.reader);
	ipk_pipe_close(flow.writer);
	return r;
}

static int ours_small(size_t n, struct bench_time *ret_time)
{
	return ours(BENCH_MESSAGE_BYTES, n, ret_time);
}

static int ours_large(size_t n, struct bench_time *ret_time)
{
	return ours(LARGE_BYTES, n, ret_time);
}

/* --- pipe(2) and AF_UNIX SEQPACKET ------------------------------------------------------------ */

static int fd_sender(void *arg, size_t n)
{
	const struct flow *flow = arg;

	memset(buffer, 1, flow->message_bytes);
	for (size_t i = 0; i < n; i++) {
		number_message(buffer, i);
		if (write(flow->fds[1], buffer, flow->message_bytes) !=
		    (ssize_t)flow->message_bytes)
			return -EIO;
	}
	return 0;
}

static int fd_receiver(void *arg, size_t n)
{
	const struct flow *flow = arg;
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		if (read(flow->fds[0], buffer, flow->message_bytes) != (ssize_t)flow->message_bytes)
			return -EIO;
		sum += number_of(buffer);
	}
	return check_sum(sum, n);
}

static int fd_flow(struct flow *flow, size_t n, struct bench_time *ret_time)
{
	const struct bench_side sides[] = {{fd_sender, 0}, {fd_receiver, 1}};
	int r = bench_team(sides, 2, flow, n, ret_time);

	close(flow->fds[0]);
	close(flow->fds[1]);
	return r;
}

static int peer_pipe2(size_t n, struct bench_time *ret_time)
{
	struct flow flow = {.message_bytes = BENCH_MESSAGE_BYTES};

	return pipe(flow.fds) < 0 ? -errno : fd_flow(&flow, n, ret_time);
}

/* A packet of 1 MiB is over what a user may ask for: without privilege there is no peer. */
static int peer_seqpacket(size_t n, struct bench_time *ret_time)
{
	struct flow flow = {.message_bytes = LARGE_BYTES};
	int size = SOCKET_BUFFER_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, flow.fds) < 0)
		return -errno;
	if (setsockopt(flow.fds[1], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0) {
		close(flow.fds[0]);
		close(flow.fds[1]);
		return -ENOSYS;
	}
	return fd_flow(&flow, n, ret_time);
}

/* --- copying between cores -------------------------------------------------------------------- */

struct copy_slot {
	_Alignas(64) _Atomic uint32_t is_full;
	_Alignas(4096) char bytes[1 << 20];
};

static void await(_Atomic uint32_t *flag, uint32_t value)
{
	while (atomic_load_explicit(flag, memory_order_acquire) != value)
		bench_pause();
}

static int copy_in(void *arg, size_t n)
{
	struct copy_slot *slots = ((struct flow *)arg)->shared;

	memset(buffer, 1, sizeof buffer);
	for (size_t i = 0; i < n; i++) {
		struct copy_slot *slot = &slots[i % 2];

		number_message(buffer, i);
		await(&slot->is_full, 0);
		memcpy(slot->bytes, buffer, sizeof slot->bytes);
		atomic_store_explicit(&slot->is_full, 1, memory_order_release);
	}
	return 0;
}

static int copy_out(void *arg, size_t n)
{
	struct copy_slot *slots = ((struct flow *)arg)->shared;
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		struct copy_slot *slot = &slots[i % 2];

		await(&slot->is_full, 1);
		memcpy(buffer, slot->bytes, sizeof slot->bytes);
		atomic_store_explicit(&slot->is_full, 0, memory_order_release);
		sum += number_of(buffer);
	}
	return check_sum(sum, n);
}

static int peer_copy(size_t n, struct bench_time *ret_time)
{
	const struct bench_side sides[] = {{copy_in, 0}, {copy_out, 1}};
	struct flow flow = {.shared = bench_shared(2 * sizeof(struct copy_slot))};
	int r = bench_team(sides, 2, &flow, n, ret_time);

	bench_unshare(flow.shared, 2 * sizeof(struct copy_slot));
	return r;
}

/* --- ck_ring ---------------------------------------------------------------------------------- */

#ifdef BENCH_HAVE_CK
static int ck_sender(void *arg, size_t n)
{
	struct peer_ck *ring = ((struct flow *)arg)->shared;
	struct peer_ck_entry entry = {{0}};

	for (size_t i = 0; i < n; i++) {
		number_message(entry.bytes, i);
		peer_ck_send(ring, &entry);
	}
	return 0;
}

static int ck_receiver(void *arg, size_t n)
{
	struct peer_ck *ring = ((struct flow *)arg)->shared;
	struct peer_ck_entry entry;
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		peer_ck_recv(ring, &entry);
		sum += number_of(entry.bytes);
	}
	return check_sum(sum, n);
}

static int peer_ck(size_t n, struct bench_time *ret_time)
{
	const struct bench_side sides[] = {{ck_sender, 0}, {ck_receiver, 1}};
	struct flow flow = {.shared = bench_shared(sizeof(struct peer_ck))};
	int r;

	peer_ck_init(flow.shared);
	r = bench_team(sides, 2, &flow, n, ret_time);
	bench_unshare(flow.shared, sizeof(struct peer_ck));
	return r;
}
#else
#define peer_ck NULL
#endif

const struct bench_row bench_pipe_flow_rows[] = {
	{
		.name = "pipe 64 B one way, two cores",
		.unit = "M/s",
		.is_rate = true,
		.scale = 1e-6,
		.n_cpus = 2,
		.ours = {"ipk pipe", ours_small},
		.peers = {{"pipe(2)", peer_pipe2, 8}, {"ck_ring SPSC, spinning", peer_ck, 0.9}},
	},
	{
		.name = "pipe 1 MiB one way, two cores",
		.unit = "GB/s",
		.is_rate = true,
		.scale = (1 << 20) * 1e-9,
		.n_cpus = 2,
		.ours = {"ipk pipe", ours_large},
		.peers = {{"AF_UNIX SEQPACKET", peer_seqpacket, 1.4},
			  {"cross-core copy", peer_copy, 0.7}},
	},
	{0},
};
