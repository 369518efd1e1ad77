/*
 * bench_pipe_rtt.c - round trip: the time of a 64-byte message and its reply.
 *
 * Three situations with very different costs. Both sides run and poll memory: the limit is a cache
 * line that moves back and forth. Both share a core: the limit is two context switches, as for
 * pipe(2). The other side sleeps on another core: the limit is the kernel's wake-up, as with a bare
 * futex. For the last one each side works for a while before it sends, so that the other one has
 * gone to sleep, and only the time from just before the send to just after the receive counts (the
 * median of a round).
 */
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ipk.h>

#include "bench.h"

#define UNTIL_ASLEEP_NS 300000

struct message {
	int64_t sent_ns;
	char rest[BENCH_MESSAGE_BYTES - sizeof(int64_t)];
};

struct ends {
	ipk_pipe *a;
	ipk_pipe *b;
};

/* --- ours ------------------------------------------------------------------------------------- */

static int ipk_ping(void *arg, size_t n)
{
	const struct ends *ends = arg;
	struct message m = {0};

	for (size_t i = 0; i < n; i++) {
		IPK_TRY(ipk_pipe_send(ends->a, &m, sizeof m, ipk_forever()));
		IPK_TRY(ipk_pipe_recv(ends->a, &m, sizeof m, ipk_forever(), NULL));
	}
	return 0;
}

static int ipk_pong(void *arg, size_t n)
{
	const struct ends *ends = arg;
	struct message m;

	for (size_t i = 0; i < n; i++) {
		IPK_TRY(ipk_pipe_recv(ends->b, &m, sizeof m, ipk_forever(), NULL));
		IPK_TRY(ipk_pipe_send(ends->b, &m, sizeof m, ipk_forever()));
	}
	return 0;
}

void bench_work_until_other_sleeps(void)
{
	int64_t end_ns = bench_now_ns() + UNTIL_ASLEEP_NS;

	while (bench_now_ns() < end_ns)
		;
}

static int send_late(ipk_pipe *p)
{
	struct message m = {0};

	bench_work_until_other_sleeps();
	m.sent_ns = bench_now_ns();
	return ipk_pipe_send(p, &m, sizeof m, ipk_forever());
}

static int recv_late(ipk_pipe *p)
{
	struct message m;

	IPK_TRY(ipk_pipe_recv(p, &m, sizeof m, ipk_forever(), NULL));
	bench_measured(bench_now_ns() - m.sent_ns);
	return 0;
}

static int ipk_ping_late(void *arg, size_t n)
{
	const struct ends *ends = arg;

	for (size_t i = 0; i < n; i++) {
		IPK_TRY(send_late(ends->a));
		IPK_TRY(recv_late(ends->a));
	}
	return 0;
}

static int ipk_pong_late(void *arg, size_t n)
{
	const struct ends *ends = arg;

	for (size_t i = 0; i < n; i++) {
		IPK_TRY(recv_late(ends->b));
		IPK_TRY(send_late(ends->b));
	}
	return 0;
}

static int ipk_pair(const struct bench_side sides[2], size_t n, struct bench_time *ret_time)
{
	struct ends ends;
	int r = ipk_pipe_create(NULL, &ends.a, &ends.b);

	if (r < 0)
		return r;
	r = bench_team(sides, 2, &ends, n, ret_time);
	ipk_pipe_close(ends.a);
	ipk_pipe_close(ends.b);
	return r;
}

static int ours_awake(size_t n, struct bench_time *ret_time)
{
	return ipk_pair((struct bench_side[]){{ipk_ping, 0}, {ipk_pong, 1}}, n, ret_time);
}

static int ours_one_core(size_t n, struct bench_time *ret_time)
{
	return ipk_pair((struct bench_side[]){{ipk_ping, 0}, {ipk_pong, 0}}, n, ret_time);
}

static int ours_asleep(size_t n, struct bench_time *ret_time)
{
	return ipk_pair((struct bench_side[]){{ipk_ping_late, 0}, {ipk_pong_late, 1}}, n, ret_time);
}

/* --- a cache line ----------------------------------------------------------------------------- */

static int line_side(_Atomic uint32_t *line, size_t n, uint32_t mine)
{
	for (size_t i = 0; i < n; i++) {
		while (atomic_load_explicit(line, memory_order_acquire) != mine)
			;
		atomic_store_explicit(line, !mine, memory_order_release);
	}
	return 0;
}

static int line_ping(void *arg, size_t n)
{
	return line_side(arg, n, 0);
}

static int line_pong(void *arg, size_t n)
{
	return line_side(arg, n, 1);
}

static int peer_line(size_t n, struct bench_time *ret_time)
{
	const struct bench_side sides[] = {{line_ping, 0}, {line_pong, 1}};
	_Atomic uint32_t *line = bench_shared(sizeof *line);
	int r = bench_team(sides, 2, line, n, ret_time);

	bench_unshare(line, sizeof *line);
	return r;
}

/* --- pipe(2) ---------------------------------------------------------------------------------- */

static int pipe2_pass(int from, int to)
{
	struct message m = {0};

	if (from >= 0 && read(from, &m, sizeof m) != sizeof m)
		return -EIO;
	return write(to, &m, sizeof m) == sizeof m ? 0 : -EIO;
}

static int pipe2_ping(void *arg, size_t n)
{
	const int *fds = arg;
	struct message m;

	for (size_t i = 0; i < n; i++) {
		IPK_TRY(pipe2_pass(-1, fds[1]));
		if (read(fds[2], &m, sizeof m) != sizeof m)
			return -EIO;
	}
	return 0;
}

static int pipe2_pong(void *arg, size_t n)
{
	const int *fds = arg;

	for (size_t i = 0; i < n; i++)
		IPK_TRY(pipe2_pass(fds[0], fds[3]));
	return 0;
}

static int peer_pipe2(size_t n, struct bench_time *ret_time)
{
	const struct bench_side sides[] = {{pipe2_ping, 0}, {pipe2_pong, 0}};
	int fds[4];
	int r;

	if (pipe(fds) < 0 || pipe(fds + 2) < 0)
		return -errno;
	r = bench_team(sides, 2, fds, n, ret_time);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	return r;
}

/* --- futex ------------------------------------------------------------------------------------ */

struct futex_line {
	_Alignas(64) _Atomic uint32_t word; /* 1: there is a message */
	struct message message;
};

static void futex_send_late(struct futex_line *to)
{
	bench_work_until_other_sleeps();
	to->message.sent_ns = bench_now_ns();
	atomic_store_explicit(&to->word, 1, memory_order_release);
	syscall(SYS_futex, &to->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void futex_recv_late(struct futex_line *from)
{
	while (atomic_load_explicit(&from->word, memory_order_acquire) == 0)
		syscall(SYS_futex, &from->word, FUTEX_WAIT, 0, NULL, NULL, 0);
	bench_measured(bench_now_ns() - from->message.sent_ns);
	atomic_store_explicit(&from->word, 0, memory_order_relaxed);
}

static int futex_ping(void *arg, size_t n)
{
	struct futex_line *lines = arg;

	for (size_t i = 0; i < n; i++) {
		futex_send_late(&lines[0]);
		futex_recv_late(&lines[1]);
	}
	return 0;
}

static int futex_pong(void *arg, size_t n)
{
	struct futex_line *lines = arg;

	for (size_t i = 0; i < n; i++) {
		futex_recv_late(&lines[0]);
		futex_send_late(&lines[1]);
	}
	return 0;
}

int bench_futex_asleep(size_t n, struct bench_time *ret_time)
{
	const struct bench_side sides[] = {{futex_ping, 0}, {futex_pong, 1}};
	struct futex_line *lines = bench_shared(2 * sizeof *lines);
	int r = bench_team(sides, 2, lines, n, ret_time);

	bench_unshare(lines, 2 * sizeof *lines);
	return r;
}

const struct bench_row bench_pipe_rtt_rows[] = {
	{
		.name = "pipe RTT 64 B, awake on two cores",
		.unit = "ns",
		.scale = 1,
		.n_cpus = 2,
		.ours = {"ipk pipe", ours_awake},
		.peers = {{"cache-line ping-pong", peer_line, 0.6}},
	},
	{
		.name = "pipe RTT 64 B, both on one core",
		.unit = "us",
		.scale = 1e-3,
		.n_cpus = 1,
		.ours = {"ipk pipe", ours_one_core},
		.peers = {{"pipe(2)", peer_pipe2, 0.9}},
	},
	{
		.name = "pipe RTT 64 B, peer asleep on the other core",
		.unit = "us",
		.scale = 1e-3,
		.n_cpus = 2,
		.ours = {"ipk pipe", ours_asleep},
		.peers = {{"futex ping-pong, slept too", bench_futex_asleep, 0.9}},
	},
	{0},
};
