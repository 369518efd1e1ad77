/*
 * test_pipe_proc.c - pipes between processes: deaths, stops, signals, and a great many
 * messages. The same bodies over both transports.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "unit/pipe/pipe_bodies.h"

enum { RING_BYTES = 64 << 10 };

/* A pipe and the child at its other end. */
struct pair {
	ipk_pipe *ours, *theirs;
	struct gate gate;
	pid_t pid;
	int n; /* for the child */
};

static void make_pair(struct pair *f, int i)
{
	make_pipe(i, RING_BYTES, 0, &f->ours, &f->theirs);
	gate_init(&f->gate);
}

/* In the child: close what is the parent's. */
static void be_child(struct pair *f)
{
	f->ours = ipk_pipe_close(f->ours);
}

static void start_child(struct pair *f, int (*fn)(void *))
{
	f->pid = spawn(fn, f);
	f->theirs = ipk_pipe_close(f->theirs);
}

static void drop_pair(struct pair *f)
{
	ipk_pipe_close(f->ours);
	ipk_pipe_close(f->theirs);
	gate_fini(&f->gate);
}

/* --- death ------------------------------------------------------------------------------------ */

static int send_some_and_die(void *arg)
{
	struct pair *f = arg;

	be_child(f);
	for (int i = 0; i < f->n; i++)
		IPK_TRY(ipk_pipe_send(f->theirs, &i, sizeof i, ipk_now()));
	return raise(SIGKILL);
}

/* With something unread at the dead side, and without. */
START_TEST(what_a_killed_sender_had_sent_arrives)
{
	struct pair f = {.n = _i / N_TRANSPORTS == 0 ? 0 : 50};

	make_pair(&f, _i);
	if (_i / N_TRANSPORTS == 2)
		ck_send_text(f.ours, "never read");
	start_child(&f, send_some_and_die);
	for (int i = 0, got; i < f.n; i++) {
		ck_ok(ipk_pipe_recv(f.ours, &got, sizeof got, ipk_in_ms(WAIT_MS), NULL));
		ck_assert_int_eq(got, i);
	}
	ck_ended(f.ours);
	ck_err(ipk_pipe_recv(f.ours, NULL, 0, ipk_now(), NULL), -EPIPE);
	reap_signal(f.pid, SIGKILL);
	drop_pair(&f);
}
END_TEST

static int hang(void *arg)
{
	struct pair *f = arg;

	be_child(f);
	gate_open(&f->gate);
	while (pause() < 0)
		;
	return 0;
}

static int kill_when_asleep(void *arg)
{
	pid_t *pids = arg; /* who has to sleep, and who then dies */

	ck_wait_asleep(pids[0]);
	return kill(pids[1], SIGKILL);
}

START_TEST(blocked_receiver_learns_of_the_death)
{
	struct pair f;
	pid_t pids[2], killer;

	make_pair(&f, _i);
	start_child(&f, hang);
	gate_wait(&f.gate);
	pids[0] = getpid();
	pids[1] = f.pid;
	killer = spawn(kill_when_asleep, pids);
	ck_ended(f.ours);
	reap_ok(killer);
	reap_signal(f.pid, SIGKILL);
	drop_pair(&f);
}
END_TEST

START_TEST(blocked_sender_learns_of_the_death)
{
	static char big[1 << 20];
	struct pair f;
	pid_t pids[2], killer;
	int r;

	make_pair(&f, _i);
	start_child(&f, hang);
	gate_wait(&f.gate);
	pids[0] = getpid();
	pids[1] = f.pid;
	killer = spawn(kill_when_asleep, pids);
	do
		r = ipk_pipe_send(f.ours, big, sizeof big, ipk_in_ms(WAIT_MS));
	while (r == 0);
	ck_err(r, -EPIPE);
	reap_ok(killer);
	reap_signal(f.pid, SIGKILL);
	drop_pair(&f);
}
END_TEST

static int send_long(void *arg)
{
	static char big[8 << 20];
	struct pair *f = arg;

	be_child(f);
	IPK_TRY(ipk_pipe_send(f->theirs, "first", 5, ipk_now()));
	gate_open(&f->gate);
	for (;;)
		IPK_TRY(ipk_pipe_send(f->theirs, big, sizeof big, ipk_forever()));
}

/* The ring is full of its pieces when it dies: none of them may show. */
START_TEST(message_of_a_sender_killed_in_the_middle_never_arrives)
{
	struct pair f;

	make_pair(&f, 0);
	start_child(&f, send_long);
	gate_wait(&f.gate);
	ck_wait_asleep(f.pid);
	kill_and_reap(f.pid);
	ck_recv_text(f.ours, "first");
	ck_ended(f.ours);
	ck_err(ipk_pipe_poll(f.ours, ipk_now()), -EPIPE);
	drop_pair(&f);
}
END_TEST

static int take_one_copy(void *arg)
{
	struct pair *f = arg;
	char byte;

	be_child(f);
	IPK_TRY(ipk_pipe_recv(f->theirs, &byte, 1, ipk_in_ms(WAIT_MS), NULL));
	return byte == 'q' ? 0 : 1;
}

/* As with pipe(2): while anybody has a copy of the other end, there is no end of file. */
START_TEST(end_comes_when_the_last_copy_is_gone)
{
	struct pair f;
	pid_t other;
	char byte;

	make_pair(&f, _i);
	f.pid = spawn(hang, &f);
	other = spawn(take_one_copy, &f);
	f.theirs = ipk_pipe_close(f.theirs);
	gate_wait(&f.gate);
	kill_and_reap(f.pid);
	ck_err(ipk_pipe_recv(f.ours, &byte, 1, ipk_in_ms(150), NULL), -ETIMEDOUT);
	ck_send_text(f.ours, "q");
	reap_ok(other);
	ck_ended(f.ours);
	drop_pair(&f);
}
END_TEST

START_TEST(fd_in_epoll_beside_a_foreign_one_tells_of_the_death)
{
	int set = epoll_create1(EPOLL_CLOEXEC), foreign = eventfd(0, EFD_CLOEXEC), r, fd;
	struct epoll_event event = {.events = EPOLLIN};
	struct pair f;
	char byte;

	make_pair(&f, _i);
	start_child(&f, hang);
	gate_wait(&f.gate);
	ck_ok(ipk_pipe_fd(f.ours, &fd));
	event.data.fd = fd;
	ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
	event.data.fd = foreign;
	ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_ADD, foreign, &event), 0);
	ck_err(ipk_pipe_recv(f.ours, &byte, 1, ipk_now(), NULL), -ETIMEDOUT);
	kill_and_reap(f.pid);
	do {
		ck_assert_int_eq(epoll_wait(set, &event, 1, WAIT_MS), 1);
		ck_assert_int_eq(event.data.fd, fd);
		r = ipk_pipe_recv(f.ours, &byte, 1, ipk_now(), NULL);
	} while (r == -ETIMEDOUT);
	ck_err(r, -EPIPE);
	close(set);
	close(foreign);
	drop_pair(&f);
}
END_TEST

/* --- stops are no deaths ---------------------------------------------------------------------- */

static bool has_stopped(void *arg)
{
	return is_stopped(*(pid_t *)arg);
}

static void stop(pid_t pid)
{
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	ck_assert(wait_until(has_stopped, &pid, WAIT_MS));
}

static int receive_all(void *arg)
{
	struct pair *f = arg;
	int got, i = 0, r;

	be_child(f);
	gate_open(&f->gate);
	while ((r = ipk_pipe_recv(f->theirs, &got, sizeof got, ipk_in_ms(WAIT_MS), NULL)) == 0) {
		if (got != i++)
			return 1;
	}
	if (r != -EPIPE)
		return 2;
	return i > 100 ? 0 : 3;
}

START_TEST(stopped_receiver_is_waited_for)
{
	struct pair f;
	int n = 0, r;

	make_pair(&f, _i);
	start_child(&f, receive_all);
	gate_wait(&f.gate);
	stop(f.pid);
	while ((r = ipk_pipe_send(f.ours, &n, sizeof n, ipk_now())) == 0)
		n++;
	ck_err(r, -ETIMEDOUT);
	ck_err(ipk_pipe_send(f.ours, &n, sizeof n, ipk_in_ms(300)), -ETIMEDOUT);
	ck_assert_int_eq(kill(f.pid, SIGCONT), 0);
	for (int i = 0; i < 1000; i++, n++)
		ck_ok(ipk_pipe_send(f.ours, &n, sizeof n, ipk_in_ms(WAIT_MS)));
	f.ours = ipk_pipe_close(f.ours);
	reap_ok(f.pid);
	drop_pair(&f);
}
END_TEST

static int echo(void *arg)
{
	struct pair *f = arg;
	char buf[64];
	size_t n;
	int r;

	be_child(f);
	gate_open(&f->gate);
	while ((r = ipk_pipe_recv(f->theirs, buf, sizeof buf, ipk_forever(), &n)) == 0)
		IPK_TRY(ipk_pipe_send(f->theirs, buf, n, ipk_forever()));
	return r == -EPIPE ? 0 : 1;
}

START_TEST(stopped_sender_is_waited_for)
{
	struct pair f;
	char byte;

	make_pair(&f, _i);
	start_child(&f, echo);
	gate_wait(&f.gate);
	stop(f.pid);
	ck_send_text(f.ours, "x");
	ck_err(ipk_pipe_recv(f.ours, &byte, 1, ipk_in_ms(300), NULL), -ETIMEDOUT);
	ck_err(ipk_pipe_poll(f.ours, ipk_now()), -ETIMEDOUT);
	ck_assert_int_eq(kill(f.pid, SIGCONT), 0);
	ck_recv_text(f.ours, "x");
	f.ours = ipk_pipe_close(f.ours);
	reap_ok(f.pid);
	drop_pair(&f);
}
END_TEST

/* --- a great many messages -------------------------------------------------------------------- */

enum { N_MESSAGES = IS_SANITIZED ? 20000 : 40000, LONGEST = 30000 };

static size_t size_of(unsigned i)
{
	return i % 1000 == 999 ? LONGEST - i % 7 : i * 2654435761u % 120;
}

static uint64_t add_up(uint64_t sum, const unsigned char *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum = (sum ^ data[i]) * 0x100000001b3u;
	return sum + n;
}

/* Send one, receive one, at both sides at once; each tells its checksum at the end. */
static int exchange(ipk_pipe *p, unsigned seed)
{
	static unsigned char out[LONGEST], in[LONGEST];
	uint64_t sent = 0, got = 0, theirs;
	size_t n;

	for (unsigned i = 0; i < N_MESSAGES; i++) {
		fill(out, size_of(i), i + seed);
		sent = add_up(sent, out, size_of(i));
		IPK_TRY(ipk_pipe_send(p, out, size_of(i), ipk_in_ms(WAIT_MS)));
		IPK_TRY(ipk_pipe_recv(p, in, sizeof in, ipk_in_ms(WAIT_MS), &n));
		if (n != size_of(i))
			return -EINVAL;
		got = add_up(got, in, n);
	}
	IPK_TRY(ipk_pipe_send(p, &sent, sizeof sent, ipk_in_ms(WAIT_MS)));
	IPK_TRY(ipk_pipe_recv(p, &theirs, sizeof theirs, ipk_in_ms(WAIT_MS), NULL));
	return theirs == got ? 0 : -EBADMSG;
}

static int exchange_as_child(void *arg)
{
	struct pair *f = arg;

	be_child(f);
	return exchange(f->theirs, 1);
}

START_TEST(many_messages_both_ways)
{
	struct pair f;

	make_pair(&f, _i);
	start_child(&f, exchange_as_child);
	ck_ok(exchange(f.ours, 2));
	reap_ok(f.pid);
	drop_pair(&f);
}
END_TEST

/* --- interruptions ---------------------------------------------------------------------------- */

enum { N_STORM = IS_SANITIZED ? 50000 : 150000 };

static volatile sig_atomic_t n_signals;

static void count_signal(int sig)
{
	(void)sig;
	n_signals++;
}

static void set_storm(int period_us)
{
	struct sigaction action = {.sa_handler = count_signal}; /* without SA_RESTART */
	struct itimerval timer = {{0, period_us}, {0, period_us}};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static int send_in_storm(void *arg)
{
	struct pair *f = arg;
	int r = 0;

	be_child(f);
	set_storm(1000);
	for (int i = 0; i < N_STORM && r == 0; i++)
		r = ipk_pipe_send(f->theirs, &i, sizeof i, ipk_in_ms(WAIT_MS));
	set_storm(0);
	return r;
}

/* Half of the calls here, half of them in the child; now and then one has to sleep. */
START_TEST(signals_interrupt_no_call)
{
	struct pair f;
	int r = 0, i, got = -1;

	make_pair(&f, _i);
	start_child(&f, send_in_storm);
	set_storm(1000);
	for (i = 0; i < N_STORM && r == 0; i++) {
		r = ipk_pipe_recv(f.ours, &got, sizeof got, ipk_in_ms(WAIT_MS), NULL);
		if (got != i)
			break;
	}
	set_storm(0);
	ck_ok(r);
	ck_assert_int_eq(i, N_STORM);
	ck_assert_int_gt(n_signals, 0);
	reap_ok(f.pid);
	drop_pair(&f);
}
END_TEST

START_TEST(signals_do_not_stretch_a_deadline)
{
	ipk_deadline deadline;
	struct pair f;
	char byte;

	make_pair(&f, _i);
	set_storm(1000);
	deadline = ipk_in_ms(200);
	ck_err(ipk_pipe_recv(f.ours, &byte, 1, deadline, NULL), -ETIMEDOUT);
	set_storm(0);
	ck_assert(ipk_deadline_left_ns(deadline) == 0);
	ck_assert_int_gt(n_signals, 10);
	drop_pair(&f);
}
END_TEST

/* --- size ------------------------------------------------------------------------------------- */

#define HUGE_BYTES ((size_t)1 << 30)

static uint64_t available_kib(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	char line[128];
	uint64_t kib = 0;

	while (file && fgets(line, sizeof line, file)) {
		if (sscanf(line, "MemAvailable: %lu", &kib) == 1)
			break;
	}
	if (file)
		fclose(file);
	return kib;
}

/* In large pages: a quarter of a million faults would take longer than the message. */
static char *huge_buffer(void)
{
	char *data =
		mmap(NULL, HUGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (data == MAP_FAILED)
		return NULL;
	(void)madvise(data, HUGE_BYTES, MADV_HUGEPAGE);
	return data;
}

/* Marks far apart: what lies between them stays zero, and is quickly checked. */
#define MARK_EVERY ((size_t)64 << 10)

static int send_huge(void *arg)
{
	struct pair *f = arg;
	char *data = huge_buffer();

	be_child(f);
	if (!data)
		return 1;
	for (size_t i = 0; i < HUGE_BYTES; i += MARK_EVERY)
		data[i + i / MARK_EVERY % 1000] = (char)(i / MARK_EVERY * 7 + 1);
	data[HUGE_BYTES - 1] = 'z';
	if (ipk_pipe_send(f->theirs, data, HUGE_BYTES + 1, ipk_now()) != -EMSGSIZE)
		return 2;
	return ipk_pipe_send(f->theirs, data, HUGE_BYTES, ipk_in_ms(2 * WAIT_MS));
}

START_TEST(longest_message_of_all)
{
	struct pair f;
	size_t n = 0;
	char *data;

	if (IS_SANITIZED || available_kib() < 6u << 20)
		return;
	data = huge_buffer();
	ck_assert_ptr_nonnull(data);
	make_pair(&f, 0);
	start_child(&f, send_huge);
	ck_ok(ipk_pipe_recv(f.ours, data, HUGE_BYTES, ipk_in_ms(2 * WAIT_MS), &n));
	ck_assert_uint_eq(n, HUGE_BYTES);
	for (size_t i = 0; i < HUGE_BYTES; i += MARK_EVERY) {
		ck_assert(data[i + i / MARK_EVERY % 1000] == (char)(i / MARK_EVERY * 7 + 1));
		ck_assert(data[i + 1001] == 0);
	}
	ck_assert(data[HUGE_BYTES - 1] == 'z');
	reap_ok(f.pid);
	drop_pair(&f);
	munmap(data, HUGE_BYTES);
}
END_TEST

/* --- handles after fork ----------------------------------------------------------------------- */

static int grandchild(void *arg)
{
	struct pair *f = arg;

	return ipk_pipe_send(f->theirs, "deep", 4, ipk_in_ms(WAIT_MS));
}

static int child_with_grandchild(void *arg)
{
	struct pair *f = arg;

	be_child(f);
	reap_ok(spawn(grandchild, f));
	return ipk_pipe_send(f->theirs, "done", 4, ipk_in_ms(WAIT_MS));
}

START_TEST(ends_work_in_grandchildren)
{
	struct pair f;

	make_pair(&f, _i);
	ck_send_text(f.theirs, "here");
	start_child(&f, child_with_grandchild);
	ck_recv_text(f.ours, "here");
	ck_recv_text(f.ours, "deep");
	ck_recv_text(f.ours, "done");
	ck_ended(f.ours);
	reap_ok(f.pid);
	drop_pair(&f);
}
END_TEST

/* The child goes on where the parent stopped receiving, and the other way round. */
static int receive_five(void *arg)
{
	struct pair *f = arg;
	int got;

	for (int i = f->n; i < f->n + 5; i++) {
		IPK_TRY(ipk_pipe_recv(f->theirs, &got, sizeof got, ipk_now(), NULL));
		if (got != i)
			return 1;
	}
	return 0;
}

START_TEST(receivers_take_turns)
{
	struct pair f;

	make_pair(&f, _i);
	for (int i = 0; i < 50; i++)
		ck_ok(ipk_pipe_send(f.ours, &i, sizeof i, ipk_now()));
	for (f.n = 0; f.n < 50; f.n += 5) {
		if (f.n % 2 == 0)
			reap_ok(spawn(receive_five, &f));
		else
			ck_ok(receive_five(&f));
	}
	ck_empty(f.theirs);
	drop_pair(&f);
}
END_TEST

/* The ticker of the process is made before leaks are counted. */
static void make_ticker(void)
{
	ipk_pipe *a, *b;
	int fd;

	if (ipk_pipe_create(NULL, &a, &b) < 0 || ipk_pipe_fd(a, &fd) < 0)
		abort();
	ipk_pipe_close(a);
	ipk_pipe_close(b);
}

/* --- an end goes over to a third process ------------------------------------------------------ */

struct three {
	struct pair maker, taker;
	int transport;
	int n; /* messages that the maker sends before it gives the other end away */
};

static int make_and_give(void *arg)
{
	struct three *t = arg;
	ipk_pipe *c, *d;

	be_child(&t->maker);
	make_pipe(t->transport, RING_BYTES, 0, &c, &d);
	for (int i = 0; i < t->n; i++)
		IPK_TRY(ipk_pipe_send(c, &i, sizeof i, ipk_now()));
	IPK_TRY(ipk_pipe_send_pipe(t->maker.theirs, &d, ipk_in_ms(WAIT_MS)));
	if (t->taker.n == SIGKILL)
		return raise(SIGKILL);
	for (int i = t->n; i < 2 * t->n; i++)
		IPK_TRY(ipk_pipe_send(c, &i, sizeof i, ipk_in_ms(WAIT_MS)));
	return ipk_pipe_recv(c, NULL, 0, ipk_in_ms(WAIT_MS), NULL) == -EPIPE ? 0 : 2;
}

/* All that was acknowledged is there, and then the end. */
static int take_and_read(void *arg)
{
	struct three *t = arg;
	ipk_pipe *end = NULL;
	int n = t->taker.n == SIGKILL ? t->n : 2 * t->n, got;

	be_child(&t->taker);
	t->maker.ours = ipk_pipe_close(t->maker.ours);
	IPK_TRY(ipk_pipe_recv_pipe(t->taker.theirs, ipk_in_ms(WAIT_MS), &end));
	for (int i = 0; i < n; i++) {
		IPK_TRY(ipk_pipe_recv(end, &got, sizeof got, ipk_in_ms(WAIT_MS), NULL));
		if (got != i)
			return 3;
	}
	if (t->taker.n == SIGKILL)
		return ipk_pipe_poll(end, ipk_in_ms(WAIT_MS)) == -EPIPE ? 0 : 4;
	return raise(SIGKILL); /* the maker sees it */
}

/* Made in one process, through this one, to a third; then either of the two is killed. */
START_TEST(an_end_goes_from_process_to_process)
{
	bool maker_dies = _i / N_TRANSPORTS == 1;
	struct three t = {.transport = _i, .n = 100};
	ipk_pipe *end = NULL;

	make_pair(&t.maker, _i);
	make_pair(&t.taker, _i + 1);
	t.taker.n = maker_dies ? SIGKILL : 0;
	t.maker.pid = spawn(make_and_give, &t);
	t.maker.theirs = ipk_pipe_close(t.maker.theirs);
	t.taker.pid = spawn(take_and_read, &t);
	t.taker.theirs = ipk_pipe_close(t.taker.theirs);
	ck_ok(ipk_pipe_recv_pipe(t.maker.ours, ipk_in_ms(WAIT_MS), &end));
	ck_ok(ipk_pipe_send_pipe(t.taker.ours, &end, ipk_in_ms(WAIT_MS)));
	if (maker_dies) {
		reap_signal(t.maker.pid, SIGKILL);
		reap_ok(t.taker.pid);
	} else {
		reap_signal(t.taker.pid, SIGKILL);
		reap_ok(t.maker.pid);
	}
	drop_pair(&t.maker);
	drop_pair(&t.taker);
}
END_TEST

/* Nobody has taken it: it is closed with the process that it was sent to. */
START_TEST(one_under_way_to_the_killed_ends)
{
	struct pair f;
	ipk_pipe *c, *d;

	make_pair(&f, _i);
	start_child(&f, hang);
	gate_wait(&f.gate);
	make_pipe(_i / N_TRANSPORTS, RING_BYTES, 0, &c, &d);
	ck_ok(ipk_pipe_send_pipe(f.ours, &c, ipk_now()));
	ck_send_text(d, "never read");
	kill_and_reap(f.pid);
	ck_err(ipk_pipe_recv(d, NULL, 0, ipk_in_ms(WAIT_MS), NULL), -EPIPE);
	ipk_pipe_close(d);
	drop_pair(&f);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("pipe_proc");

	make_ticker();
	add_loop_test(s, what_a_killed_sender_had_sent_arrives, 0, 3 * N_TRANSPORTS);
	add_loop_test(s, blocked_receiver_learns_of_the_death, 0, N_TRANSPORTS);
	add_loop_test(s, blocked_sender_learns_of_the_death, 0, N_TRANSPORTS);
	add_test(s, message_of_a_sender_killed_in_the_middle_never_arrives);
	add_loop_test(s, end_comes_when_the_last_copy_is_gone, 0, N_TRANSPORTS);
	add_loop_test(s, fd_in_epoll_beside_a_foreign_one_tells_of_the_death, 0, N_TRANSPORTS);
	add_loop_test(s, stopped_receiver_is_waited_for, 0, N_TRANSPORTS);
	add_loop_test(s, stopped_sender_is_waited_for, 0, N_TRANSPORTS);
	add_loop_test(s, many_messages_both_ways, 0, N_TRANSPORTS);
	add_loop_test(s, signals_interrupt_no_call, 0, N_TRANSPORTS);
	add_loop_test(s, signals_do_not_stretch_a_deadline, 0, N_TRANSPORTS);
	add_test_seconds(s, longest_message_of_all, 2 * TEST_SECONDS);
	add_loop_test(s, ends_work_in_grandchildren, 0, N_TRANSPORTS);
	add_loop_test(s, receivers_take_turns, 0, N_TRANSPORTS);
	add_loop_test(s, an_end_goes_from_process_to_process, 0, 2 * N_TRANSPORTS);
	add_loop_test(s, one_under_way_to_the_killed_ends, 0, 2 * N_TRANSPORTS);
	return s;
}

IPK_TEST_MAIN(suite)
