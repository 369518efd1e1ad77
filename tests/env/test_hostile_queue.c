/*
 * test_hostile_queue.c - another process of a queue writes nonsense into its memory, or passes
 * another kind of fd as its doorbell: each call ends by its deadline, nothing crashes.
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pipe/pipe_internal.h"
#include "queue/queue_internal.h"
#include "unit/queue/queue_bodies.h"

#define LATE_NS 40000000 /* twice what a piece takes */

/* --- words of the ring and the item table ----------------------------------------------------- */

/* A head one round behind: the ring is full of nothing, by its count it is empty. */
START_TEST(put_ends_when_there_only_seems_to_be_room)
{
	ipk_queue *q = make_queue(IPK_QUEUE_FIFO, IPK_QUEUE(.max_items = 4));
	struct ipk__shm_ring *s = q->channel.ring.shared;
	uint64_t tail;

	ck_put_number(q, 1);
	ck_get_number(q, 1);
	tail = atomic_load(&s->tail);
	atomic_store(&s->head, ipk__ring_word(ipk__ring_count(tail),
					      ipk__ring_pos(tail) - q->channel.ring.n_units));
	ck_err(ipk_queue_put(q, "x", 1, ipk_in_ms(200)), -ETIMEDOUT);
	ck_err(ipk_queue_put(q, "x", 1, ipk_now()), -ETIMEDOUT);
	drop_queue(q);
}
END_TEST

/* A lease counted that nobody has: a drained queue looks neither empty nor ended. */
START_TEST(get_ends_when_there_only_seems_to_be_an_item)
{
	ipk_queue *q = make_queue(IPK_QUEUE_FIFO, IPK_QUEUE(.max_items = 4));
	struct ipk__shm_ring *s = q->channel.ring.shared;
	char byte;

	/* What get looks at says nothing is there, what it waits by says something is. */
	s->tail_seen = ipk__ring_word(0, 0);
	atomic_store(&s->tail, ipk__ring_word(1, q->channel.ring.n_units + 1));
	ck_assert_int_lt(ipk_queue_get(q, &byte, 1, ipk_in_ms(200), NULL), 0);
	ck_assert_int_lt(ipk_queue_get(q, &byte, 1, ipk_now(), NULL), 0);
	drop_queue(q);
}
END_TEST

/* As many spilled messages as the ring has room for, with a gap before each. */
static uint64_t say_that_all_is_gaps(ipk_queue *q)
{
	const uint32_t units = ipk__record_units(sizeof(struct ipk__extent));
	struct ipk__shm_ring *s = q->channel.ring.shared;
	uint32_t pos = ipk__ring_pos(atomic_load(&s->head));
	uint32_t n = q->channel.ring.n_units / units;

	for (uint32_t i = 0; i < n; i++) {
		struct ipk__record *record = ipk__ring_at(&q->channel.ring, pos + i * units);
		struct ipk__extent *extent = (struct ipk__extent *)record->bytes;

		record->len_bytes = sizeof *extent;
		record->type = IPK__RECORD_SPILLED;
		extent->offset = q->spill_base + (uint64_t)(n - i) * 8192;
		extent->len_bytes = 1;
	}
	atomic_store(&s->tail, ipk__ring_word(n, pos + n * units));
	atomic_store(&q->shared->needs_repair, IPK__REPAIR_COUNTS);
	return q->spill_base + ((uint64_t)n + 1) * 8192;
}

/*
 * Everybody waits for the locks while it is put right, so that is done a piece at a time: a call
 * that took long has left some of it.
 */
START_TEST(many_gaps_are_freed_in_pieces)
{
	ipk_queue *q = make_queue(IPK_QUEUE_FIFO, IPK_QUEUE(.ring_bytes = 4 << 20));
	uint64_t end = say_that_all_is_gaps(q);
	int64_t took_ns;

	ck_assert_int_eq(ftruncate(q->segment.fd, (off_t)end), 0);
	took_ns = ipk__os_now_ns();
	ck_ok(ipk_queue_put(q, "x", 1, ipk_in_ms(1)));
	took_ns = ipk__os_now_ns() - took_ns;
	ck_assert(atomic_load(&q->shared->needs_repair) != 0 || took_ns <= LATE_NS);
	for (ipk_deadline d = ipk_in_ms(WAIT_MS);
	     atomic_load(&q->shared->needs_repair) != 0 && ipk_deadline_left_ns(d) > 0;)
		(void)!ipk_queue_put(q, "x", 1, ipk_now());
	ck_assert_uint_eq(atomic_load(&q->shared->needs_repair), 0);
	drop_queue(q);
}
END_TEST

/* Every slot has an item of 2^39 bytes in one chain that bites its tail. */
static int die_in_a_scribbled_table(void *arg)
{
	ipk_queue *q = arg;

	if (ipk__queue_lock_get(q, ipk_in_ms(WAIT_MS)) < 0)
		return 1;
	for (uint32_t i = 0; i < q->n_slots; i++) {
		q->slots[i].spill_offset = 0;
		q->slots[i].first_block = 0;
		q->slots[i].len_bytes = (uint64_t)UINT32_MAX * IPK__BLOCK_BYTES;
		q->slots[i].next = i / 2;
		atomic_store(&q->slots[i].word, SLOT_LIVE);
	}
	q->links[0] = 0;
	_exit(0);
}

START_TEST(a_scribbled_table_is_built_again)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE());
	char bytes[64];

	ck_put_number(q, 1);
	reap_ok(spawn(die_in_a_scribbled_table, q));
	ck_err(ipk_queue_get(q, bytes, sizeof bytes, ipk_in_ms(5000), NULL), -EPROTO);
	ck_err(ipk_queue_get(q, bytes, sizeof bytes, ipk_now(), NULL), -EPROTO);
	drop_queue(q);
}
END_TEST

static int set_sleepers(void *arg)
{
	ipk_queue *q = arg;

	for (;;)
		atomic_store(&q->channel.shared->data.sleepers, UINT64_MAX);
	return 0;
}

static bool has_sleepers(void *arg)
{
	return ipk__wait_queue_has_sleepers(&((ipk_queue *)arg)->channel.shared->data);
}

START_TEST(put_ends_while_another_says_that_all_sleep)
{
	ipk_queue *q = make_queue(IPK_QUEUE_FIFO, IPK_QUEUE(.max_items = 4));
	pid_t pid = spawn(set_sleepers, q);

	ck_assert(wait_until(has_sleepers, q, WAIT_MS));
	for (uint32_t k = 0; k < 2000; k++) {
		ck_put_number(q, k);
		ck_get_number(q, k);
	}
	kill_and_reap(pid);
	drop_queue(q);
}
END_TEST

/* --- sizes that change after they were checked ------------------------------------------------ */

/* The numbers that say where things lie, and what they are. */
static uint64_t nonsense(unsigned k)
{
	static const uint64_t values[] = {0, 1, 4096, UINT32_MAX, (uint64_t)1 << 40, UINT64_MAX};

	return values[k % IPK__N_OF(values)];
}

static int flip_numbers(void *arg)
{
	ipk_queue *q = arg;
	struct ipk__shm_queue *shm = q->shared;
	struct ipk__shm_queue good;

	memcpy(&good, shm, sizeof good);
	for (unsigned k = 0;; k++) {
		uint64_t bad = nonsense(k / 16);

		*(volatile uint64_t *)&shm->header.fixed_bytes = bad;
		*(volatile uint64_t *)&shm->header.ring_bytes = bad;
		*(volatile uint32_t *)&shm->header.n_rings = (uint32_t)bad;
		*(volatile uint32_t *)&shm->item_table.n_slots = (uint32_t)bad;
		*(volatile uint32_t *)&shm->item_table.n_blocks = (uint32_t)bad;
		*(volatile uint64_t *)&shm->item_table.slots_offset = bad;
		*(volatile uint32_t *)&shm->kind = (uint32_t)bad;
		for (int i = 0; i < 50; i++)
			ipk__os_pause();
		memcpy(&shm->header, &good.header, sizeof good.header);
		*(volatile uint32_t *)&shm->kind = good.kind;
		*(volatile uint32_t *)&shm->item_table.n_slots = good.item_table.n_slots;
		*(volatile uint32_t *)&shm->item_table.n_blocks = good.item_table.n_blocks;
		*(volatile uint64_t *)&shm->item_table.slots_offset = good.item_table.slots_offset;
		for (int i = 0; i < 50; i++)
			ipk__os_pause();
	}
	return 0;
}

static bool use_a_view(const ipk_queue *q)
{
	ipk_queue *view;
	char bytes[64];
	int fd, r;

	ck_ok(ipk__os_dup(q->segment.fd, &fd));
	if (ipk__queue_attach(fd, false, NULL, -1, &view) < 0)
		return false;
	r = ipk_queue_put(view, "12345678", 8, ipk_now());
	(void)r;
	r = ipk_queue_get(view, bytes, sizeof bytes, ipk_now(), NULL);
	(void)r;
	ipk_queue_close(view);
	return true;
}

START_TEST(sizes_that_change_after_the_check_are_not_used)
{
	ipk_queue *q = make_queue(_i, IPK_QUEUE(.ring_bytes = 4096));
	ipk_deadline deadline = ipk_in_ms(10000);
	pid_t pid = spawn(flip_numbers, q);
	int n_attached = 0;

	/* On a busy machine the child may stand still, with nonsense there, for a while. */
	for (int k = 0;
	     k < repeats(3000) || (n_attached == 0 && ipk_deadline_left_ns(deadline) > 0); k++)
		n_attached += use_a_view(q);
	kill_and_reap(pid);
	ck_assert_int_gt(n_attached, 0);
	drop_queue(q);
}
END_TEST

/* --- doorbells -------------------------------------------------------------------------------- */

static int foreign_fd(int which, int *ret_second)
{
	int fds[2] = {-1, -1};

	*ret_second = -1;
	switch (which) {
	case 0:
		return eventfd(0, EFD_CLOEXEC);
	case 1:
		ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
		break;
	case 2:
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
		break;
	case 3:
		return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	case 4:
		return memfd_create("doorbell", MFD_CLOEXEC);
	default:
		return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	}
	*ret_second = fds[0];
	return fds[1];
}

enum { N_FOREIGN = 6 };

START_TEST(only_a_doorbell_is_taken_as_a_doorbell)
{
	ipk_queue *q = make_queue(IPK_QUEUE_FIFO, IPK_QUEUE());
	ipk_queue *got = NULL;
	ipk_pipe *a, *b;
	int second;
	int fds[2] = {q->segment.fd, foreign_fd(_i, &second)};

	ck_assert_int_ge(fds[1], 0);
	ck_ok(ipk_pipe_create(NULL, &a, &b));
	ck_ok(ipk__pipe_pass(a, IPK__SIDE_QUEUE, fds, 2, ipk_in_ms(WAIT_MS)));
	ck_err(ipk_queue_recv(b, ipk_in_ms(WAIT_MS), &got), -EPROTO);
	ck_ok(ipk_queue_send(q, a, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_queue_recv(b, ipk_in_ms(WAIT_MS), &got));
	ipk_queue_close(got);
	ipk__os_close(fds[1]);
	ipk__os_close(second);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
	drop_queue(q);
}
END_TEST

static void arm(ipk_queue *q)
{
	char byte;

	while (ipk_queue_get(q, &byte, 1, ipk_now(), NULL) == 0)
		;
	ck_assert(ipk__wait_queue_is_armed(&q->channel.shared->data));
}

/* Whoever has a copy may clear its flags, fill it, and end it. */
START_TEST(a_doorbell_neither_blocks_nor_signals)
{
	ipk_queue *q = make_queue(IPK_QUEUE_FIFO, IPK_QUEUE());
	int doorbell = ipk__queue_doorbell(q);
	struct pollfd p = {.events = POLLIN};

	ck_ok(ipk_queue_fd(q, &p.fd));
	arm(q);
	ck_assert_int_eq(fcntl(doorbell, F_SETFL, 0), 0);
	while (send(doorbell, "", 1, MSG_DONTWAIT) == 1)
		;
	ck_ok(ipk_queue_put(q, "x", 1, ipk_now()));
	ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
	arm(q);
	ck_assert_int_eq(shutdown(doorbell, SHUT_RDWR), 0);
	ck_ok(ipk_queue_put(q, "x", 1, ipk_now()));
	ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
	drop_queue(q);
}
END_TEST

/* The FIFO beside a named queue, kept full by others, who may have cleared its flags, too. */
START_TEST(a_full_fifo_beside_a_named_queue_is_no_hindrance)
{
	ipk_queue *q = make_queue(N_KINDS + IPK_QUEUE_FIFO, IPK_QUEUE());
	struct pollfd p = {.events = POLLIN};
	static char zeros[4096];

	ck_ok(ipk_queue_fd(q, &p.fd));
	arm(q);
	while (write(ipk__queue_doorbell(q), zeros, _i ? 1 : sizeof zeros) > 0)
		;
	ck_assert_int_eq(fcntl(ipk__queue_doorbell(q), F_SETFL, 0), 0);
	ck_ok(ipk_queue_put(q, "x", 1, ipk_now()));
	ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
	drop_queue(q);
}
END_TEST

START_TEST(a_message_queue_does_not_wait_by_itself)
{
	char name[UNIQUE_NAME_BYTES + 8] = "mq:/", bytes[8192];
	ipk_queue *q;

	unique_name(name + strlen(name), "flags");
	ck_ok(ipk_queue_create(IPK_QUEUE(.name = name, .max_items = 1), &q));
	ck_assert_int_eq(fcntl(q->mq_fd, F_SETFL, 0), 0);
	ck_err(ipk_queue_get(q, bytes, sizeof bytes, ipk_in_ms(20), NULL), -ETIMEDOUT);
	ck_err(ipk_queue_get(q, bytes, sizeof bytes, ipk_now(), NULL), -ETIMEDOUT);
	ck_ok(ipk_queue_put(q, "x", 1, ipk_now()));
	ck_err(ipk_queue_put(q, "y", 1, ipk_in_ms(20)), -ETIMEDOUT);
	ck_err(ipk_queue_put(q, "y", 1, ipk_now()), -ETIMEDOUT);
	ck_ok(ipk_queue_get(q, bytes, sizeof bytes, ipk_now(), NULL));
	ipk_queue_close(q);
	ck_ok(ipk_queue_unlink(name));
}
END_TEST

/* What is given away for others to read or map is of this user alone. */
START_TEST(memory_is_of_one_user_and_of_one_size)
{
	ipk_queue *q = make_queue(IPK_QUEUE_FIFO, IPK_QUEUE());
	struct ipk__os_stat st;
	ipk_pipe *a, *b;

	ck_ok(ipk__os_stat(q->segment.fd, &st));
	ck_assert_uint_eq(st.mode & 0777, 0600);
	ck_ok(ipk_pipe_create(NULL, &a, &b));
	ck_ok(ipk__os_stat(a->segment.fd, &st));
	ck_assert_uint_eq(st.mode & 0777, 0600);
	ck_assert_int_eq(fcntl(a->segment.fd, F_GET_SEALS) & (F_SEAL_SHRINK | F_SEAL_GROW),
			 F_SEAL_SHRINK | F_SEAL_GROW);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
	drop_queue(q);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("hostile_queue");

	add_test(s, put_ends_when_there_only_seems_to_be_room);
	add_test(s, get_ends_when_there_only_seems_to_be_an_item);
	add_test(s, many_gaps_are_freed_in_pieces);
	add_loop_test(s, a_scribbled_table_is_built_again, 0, N_KINDS);
	add_test(s, put_ends_while_another_says_that_all_sleep);
	add_loop_test(s, sizes_that_change_after_the_check_are_not_used, 0, N_KINDS);
	add_loop_test(s, only_a_doorbell_is_taken_as_a_doorbell, 0, N_FOREIGN);
	add_test(s, a_doorbell_neither_blocks_nor_signals);
	add_loop_test(s, a_full_fifo_beside_a_named_queue_is_no_hindrance, 0, 2);
	add_test(s, a_message_queue_does_not_wait_by_itself);
	add_test(s, memory_is_of_one_user_and_of_one_size);
	return s;
}
IPK_TEST_MAIN(suite)
