/*
 * test_queue_soak.c - producers and consumers that are killed, or stopped, at random moments.
 *
 * The truth is kept outside the queue, in an array that all processes share. A producer records the
 * start of an item, puts it, and records that the put was acknowledged; a consumer records what it
 * received. At the end every acknowledged item was received once, except for one that each killed
 * consumer may have lost with a plain get.
 */
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "queue/queue_internal.h"
#include "unit/queue/queue_bodies.h"

enum { N_PRODUCERS = 4, N_CONSUMERS = 4, N_WORKERS = 8, N_EACH = 1 << 20, ITEM_MAX = 20000 };

struct item {
	uint32_t producer;
	uint32_t number;
	unsigned char filled[];
};

struct truth {
	ipk_queue *q;
	bool with_loans;
	atomic_bool is_over;
	_Atomic uint32_t n_begun[N_PRODUCERS];
	atomic_uchar n_acknowledged[N_PRODUCERS][N_EACH];
	atomic_uchar n_seen[N_PRODUCERS][N_EACH]; /* not counting what came again, flagged */
	_Atomic uint32_t n_torn;
	atomic_int error; /* of a worker that ended too early */
};

static struct truth *truth;

/* --- workers ---------------------------------------------------------------------------------- */

static size_t size_of(uint32_t number)
{
	return number % 61 == 0 ? ITEM_MAX - sizeof(struct item) : number % 150;
}

static int produce(void *arg)
{
	uint32_t me = (uint32_t)(intptr_t)arg;
	_Alignas(8) char bytes[ITEM_MAX];
	struct item *item = (struct item *)bytes;
	int r = 0;

	item->producer = me;
	while (r == 0 && !truth->is_over) {
		size_t n_bytes;

		item->number = truth->n_begun[me]++;
		if (item->number >= N_EACH)
			return 0;
		n_bytes = size_of(item->number);
		fill(item->filled, n_bytes, item->number);
		r = ipk_queue_put_level(truth->q, item, sizeof *item + n_bytes,
					truth->q->kind == IPK_QUEUE_PRIORITY ? item->number % 64
									     : 0,
					ipk_in_ms(WAIT_MS));
		if (r == 0)
			truth->n_acknowledged[me][item->number]++;
	}
	if (r != 0)
		truth->error = r;
	return r != 0;
}

static void note_seen(const struct item *item, size_t n_bytes, bool is_redelivered)
{
	size_t n_filled = n_bytes - sizeof *item;

	if (n_bytes < sizeof *item || item->producer >= N_PRODUCERS || item->number >= N_EACH ||
	    n_filled != size_of(item->number) || !is_filled(item->filled, n_filled, item->number))
		truth->n_torn++;
	else if (!is_redelivered || truth->n_seen[item->producer][item->number] == 0)
		truth->n_seen[item->producer][item->number]++;
}

static int take_one(void)
{
	_Alignas(8) char bytes[ITEM_MAX];
	ipk_lease *l;
	size_t n;
	int r;

	if (!truth->with_loans) {
		r = ipk_queue_get(truth->q, bytes, sizeof bytes, ipk_in_ms(WAIT_MS), &n);
		if (r == 0)
			note_seen((const struct item *)bytes, n, false);
		return r;
	}
	r = ipk_queue_lease(truth->q, ipk_in_ms(WAIT_MS), &l);
	if (r == 0) {
		const struct item *item = ipk_lease_data(l, &n);

		note_seen(item, n, ipk_lease_is_redelivered(l));
		r = ipk_lease_ack(l);
		ipk_lease_close(l);
	}
	return r;
}

static int consume(void *arg)
{
	int r = 0;

	(void)arg;
	while (r == 0)
		r = take_one();
	if (r != -ESHUTDOWN)
		truth->error = r;
	return r != -ESHUTDOWN;
}

static pid_t start_worker(int k)
{
	return spawn(k < N_PRODUCERS ? produce : consume, (void *)(intptr_t)k);
}

/* --- the fixtures ----------------------------------------------------------------------------- */

static void start_truth(int i, bool with_loans)
{
	truth = mmap(NULL, sizeof *truth, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	ck_assert_ptr_ne(truth, MAP_FAILED);
	truth->q = make_queue(
		i, IPK_QUEUE(.max_items = 100, .max_bytes = 100000, .ring_bytes = 65536));
	truth->with_loans = with_loans;
}

static void pause_at_random(void)
{
	struct timespec t = {.tv_nsec = 1000000 + random() % 8000000};

	nanosleep(&t, NULL);
}

static blkcnt_t blocks_of(const ipk_queue *q)
{
	struct stat st;

	ck_assert_int_eq(fstat(q->segment.fd, &st), 0);
	return st.st_blocks;
}

/* Ends it all; what is true then. */
static void settle_and_check(const pid_t workers[N_WORKERS], uint32_t n_consumers_killed)
{
	uint32_t n_lost = 0, n_doubled = 0, n_invented = 0, n_acknowledged = 0;

	truth->is_over = true;
	for (int k = 0; k < N_PRODUCERS; k++)
		reap_ok(workers[k]);
	ck_ok(ipk_queue_shutdown(truth->q, IPK_DRAIN));
	for (int k = N_PRODUCERS; k < N_WORKERS; k++)
		reap_ok(workers[k]);
	ck_assert_int_eq(take_one(), -ESHUTDOWN);
	for (int p = 0; p < N_PRODUCERS; p++) {
		for (uint32_t n = 0; n < N_EACH; n++) {
			n_acknowledged += truth->n_acknowledged[p][n];
			n_lost += truth->n_acknowledged[p][n] && !truth->n_seen[p][n];
			n_doubled += truth->n_seen[p][n] > 1;
			n_invented += truth->n_seen[p][n] && n >= truth->n_begun[p];
		}
	}
	ck_assert_uint_eq(truth->n_torn, 0);
	ck_assert_uint_eq(n_doubled, 0);
	ck_assert_uint_eq(n_invented, 0);
	ck_assert_uint_gt(n_acknowledged, 0);
	ck_assert_uint_le(n_lost, truth->with_loans ? 0 : n_consumers_killed);
}

static void end_truth(blkcnt_t blocks_before)
{
	/* The last death, too, was put right, and no page belongs to nobody. */
	ipk__queue_repair(truth->q);
	ck_assert_int_eq(blocks_of(truth->q), blocks_before);
	ck_assert_uint_eq(truth->q->shared->bytes_put, truth->q->shared->bytes_got);
	ck_assert_uint_eq(ipk_queue_len(truth->q), 0);
	drop_queue(truth->q);
	munmap(truth, sizeof *truth);
}

START_TEST(nothing_acknowledged_is_lost_to_kills)
{
	enum { N_KILLS = 60 };
	uint32_t n_consumers_killed = 0;
	pid_t workers[N_WORKERS];
	blkcnt_t before;

	srandom((unsigned)_i + 1);
	start_truth(_i % N_MAKES, _i >= N_MAKES);
	before = blocks_of(truth->q);
	for (int k = 0; k < N_WORKERS; k++)
		workers[k] = start_worker(k);
	for (int n = 0; n < N_KILLS; n++) {
		int victim = (int)(random() % N_WORKERS);

		pause_at_random();
		kill_and_reap(workers[victim]);
		n_consumers_killed += victim >= N_PRODUCERS;
		workers[victim] = start_worker(victim);
	}
	settle_and_check(workers, n_consumers_killed);
	end_truth(before);
}
END_TEST

/* A stopped process may hold a lock: others wait out their deadlines, nothing is torn. */
START_TEST(stopped_processes_spoil_nothing)
{
	enum { N_STOPS = 25 };
	pid_t workers[N_WORKERS];
	blkcnt_t before;
	int status;

	srandom((unsigned)_i + 1);
	start_truth(_i % N_MAKES, _i >= N_MAKES);
	before = blocks_of(truth->q);
	for (int k = 0; k < N_WORKERS; k++)
		workers[k] = start_worker(k);
	for (int n = 0; n < N_STOPS; n++) {
		pid_t victim = workers[random() % N_WORKERS];
		size_t n_bytes;
		int r;

		pause_at_random();
		ck_assert_int_eq(kill(victim, SIGSTOP), 0);
		ck_assert_int_eq(waitpid(victim, &status, WUNTRACED), victim);
		ck_assert_msg(WIFSTOPPED(status), "status 0x%x, error %d of a worker", status,
			      truth->error);
		r = ipk_queue_peek(truth->q, NULL, 0, ipk_in_ms(5), &n_bytes);
		ck_assert(r == 0 || r == -ETIMEDOUT);
		ck_assert_uint_le(ipk_queue_len(truth->q), 100 + N_CONSUMERS);
		ck_assert_int_eq(kill(victim, SIGCONT), 0);
	}
	settle_and_check(workers, 0);
	end_truth(before);
}
END_TEST

/* --- large messages --------------------------------------------------------------------------- */

enum { LARGE = 1 << 20, N_WRITERS = 4 };

static int write_large(void *arg)
{
	uint32_t seed = (uint32_t)(intptr_t)arg;
	char *data = malloc(LARGE);
	int r = 0;

	fill(data, LARGE, seed);
	while (r == 0 && !truth->is_over)
		r = ipk_queue_put(truth->q, data, LARGE, ipk_in_ms(WAIT_MS));
	return r != 0;
}

/* It may have ended by itself, or be told of the end. */
static void stop_writer(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
}

static bool is_one_of_them(const void *data, size_t n_bytes)
{
	for (uint32_t seed = 0; seed < N_WRITERS; seed++) {
		if (n_bytes == LARGE && is_filled(data, 64, seed))
			return is_filled(data, n_bytes, seed);
	}
	return false;
}

START_TEST(killed_writers_of_large_messages)
{
	enum { N_KILLS = 20 };
	pid_t writers[N_WRITERS];
	blkcnt_t before;
	size_t n_bytes;
	void *data;

	srandom((unsigned)_i + 1);
	start_truth(_i, false);
	drop_queue(truth->q);
	truth->q = make_queue(_i, IPK_QUEUE(.max_items = 8, .ring_bytes = 65536));
	before = blocks_of(truth->q);
	for (int k = 0; k < N_WRITERS; k++)
		writers[k] = spawn(write_large, (void *)(intptr_t)k);
	for (int n = 0; n < N_KILLS; n++) {
		int victim = (int)(random() % N_WRITERS);

		for (long k = random() % 8; k >= 0; k--) {
			ck_ok(ipk_queue_get_alloc(truth->q, ipk_in_ms(WAIT_MS), &data, &n_bytes));
			ck_assert(is_one_of_them(data, n_bytes));
			free(data);
		}
		kill_and_reap(writers[victim]);
		writers[victim] = spawn(write_large, (void *)(intptr_t)victim);
	}
	truth->is_over = true;
	ck_ok(ipk_queue_shutdown(truth->q, IPK_DRAIN));
	for (int k = 0; k < N_WRITERS; k++)
		stop_writer(writers[k]);
	while (ipk_queue_get_alloc(truth->q, ipk_in_ms(WAIT_MS), &data, &n_bytes) == 0) {
		ck_assert(is_one_of_them(data, n_bytes));
		free(data);
	}
	truth->q->shared->needs_repair = 1;
	end_truth(before);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("queue_soak");

	add_loop_test(s, nothing_acknowledged_is_lost_to_kills, 0, N_KINDS);
	add_loop_test(s, nothing_acknowledged_is_lost_to_kills, N_MAKES, N_MAKES + N_KINDS);
	add_loop_test(s, stopped_processes_spoil_nothing, 0, N_KINDS);
	add_loop_test(s, stopped_processes_spoil_nothing, N_MAKES, N_MAKES + N_KINDS);
	add_loop_test(s, killed_writers_of_large_messages, 0, N_KINDS);
	return s;
}
IPK_TEST_MAIN(suite)
