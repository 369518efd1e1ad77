/*
 * test_faults.c - each operation with its k-th system call or allocation failing, for every k: the
 * error is returned unchanged (or the call succeeds all the same), nothing is leaked (memory: when
 * built with the address sanitizer), and the object works afterwards.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault/faults.h"
#include "ipk.h"
#include "ipk/shm.h"
#include "support/support.h"

#define BIG_BYTES ((size_t)300 << 10) /* over what lies in a 64 KiB ring */

static ipk_queue *queue;
static ipk_pipe *ends[2];
static char name[UNIQUE_NAME_BYTES];
static char big[BIG_BYTES];
static char into[BIG_BYTES];

/* --- queue ------------------------------------------------------------------------------------ */

static int create_queue(void)
{
	int r = ipk_queue_create(IPK_QUEUE(.ring_bytes = 65536), &queue);

	if (r == 0)
		queue = ipk_queue_close(queue);
	return r;
}

static int create_named(void)
{
	int r = ipk_queue_create(IPK_QUEUE(.name = name, .kind = IPK_QUEUE_PRIORITY), &queue);

	if (r == 0) {
		queue = ipk_queue_close(queue);
		fault_disarm();
		ck_ok(ipk_queue_unlink(name));
	}
	return r;
}

static void make_named(void)
{
	unique_name(name, "fault");
	ck_ok(ipk_queue_create(IPK_QUEUE(.name = name), &queue));
}

static void drop_named(void)
{
	queue = ipk_queue_close(queue);
	ck_ok(ipk_queue_unlink(name));
}

static void use_name(void)
{
	unique_name(name, "fault");
}

static int open_named(void)
{
	ipk_queue *q = NULL;
	int r = ipk_queue_open(name, ipk_now(), &q);

	ipk_queue_close(q);
	return r;
}

static int queue_fd(void)
{
	int fd;

	return ipk_queue_fd(queue, &fd);
}

static void make_queue_of(ipk_queue_kind kind)
{
	ck_ok(ipk_queue_create(IPK_QUEUE(.ring_bytes = 65536, .kind = kind), &queue));
}

static void make_fifo(void)
{
	make_queue_of(IPK_QUEUE_FIFO);
}

static void make_lifo(void)
{
	make_queue_of(IPK_QUEUE_LIFO);
}

static void drop_queue(void)
{
	size_t len;
	size_t n = ipk_queue_len(queue);

	/* Whatever happened: what is inside comes out whole, and the queue goes on. */
	for (size_t i = 0; i < n; i++)
		ck_ok(ipk_queue_get(queue, into, sizeof into, ipk_now(), &len));
	ck_err(ipk_queue_get(queue, into, sizeof into, ipk_now(), &len), -ETIMEDOUT);
	ck_ok(ipk_queue_put(queue, big, sizeof big, ipk_now()));
	ck_ok(ipk_queue_get(queue, into, sizeof into, ipk_now(), &len));
	ck_assert_uint_eq(len, sizeof big);
	ck_assert_mem_eq(into, big, sizeof big);
	queue = ipk_queue_close(queue);
}

static void fill_big(void)
{
	for (size_t i = 0; i < sizeof big; i++)
		big[i] = (char)(i * 7 + i / 251);
}

static int put_and_get_big(void)
{
	size_t len;
	int r = ipk_queue_put(queue, big, sizeof big, ipk_now());

	return r < 0 ? r : ipk_queue_get(queue, into, sizeof into, ipk_now(), &len);
}

static int get_alloc_big(void)
{
	size_t len;
	void *data;
	int r = ipk_queue_put(queue, big, sizeof big, ipk_now());

	if (r == 0)
		r = ipk_queue_get_alloc(queue, ipk_now(), &data, &len);
	if (r == 0)
		free(data);
	return r;
}

static int put_and_get_typed(void)
{
	char *text = NULL;
	int r = ipk_queue_putf(queue, ipk_now(), "[i s]", 42, "hello");

	if (r == 0)
		r = ipk_queue_getf(queue, ipk_now(), "[i s]", NULL, &text);
	free(text);
	return r;
}

static int lease_and_ack(void)
{
	ipk_lease *lease = NULL;
	int r = ipk_queue_put(queue, big, sizeof big, ipk_now());

	if (r == 0)
		r = ipk_queue_lease(queue, ipk_now(), &lease);
	if (r == 0)
		r = ipk_lease_ack(lease);
	ipk_lease_close(lease);
	return r;
}

static int pass_queue(void)
{
	ipk_queue *q = NULL;
	int r = ipk_queue_send(queue, ends[0], ipk_now());

	if (r == 0)
		r = ipk_queue_recv(ends[1], ipk_now(), &q);
	ipk_queue_close(q);
	return r;
}

/* --- pipe ------------------------------------------------------------------------------------- */

/* An end that does not go over, or is lost, is in nobody's way. */
static int pass_pipe(void)
{
	ipk_pipe *a = NULL, *b = NULL, *end = NULL;
	int r = ipk_pipe_create(NULL, &a, &b);

	if (r == 0)
		r = ipk_pipe_send_pipe(ends[0], &a, ipk_now());
	if (r == 0)
		r = ipk_pipe_recv_pipe(ends[1], ipk_now(), &end);
	if (r == 0)
		r = ipk_pipe_send(end, "x", 1, ipk_now());
	ipk_pipe_close(a);
	ipk_pipe_close(b);
	ipk_pipe_close(end);
	return r;
}

static int create_pipe(void)
{
	ipk_pipe *a = NULL, *b = NULL;
	int r = ipk_pipe_create(NULL, &a, &b);

	ipk_pipe_close(a);
	ipk_pipe_close(b);
	return r;
}

static int create_socket_pipe(void)
{
	ipk_pipe *a = NULL, *b = NULL;
	int r = ipk_pipe_create(IPK_PIPE(.flags = IPK_PIPE_SOCKET), &a, &b);

	ipk_pipe_close(a);
	ipk_pipe_close(b);
	return r;
}

static void make_pipe(void)
{
	ck_ok(ipk_pipe_create(NULL, &ends[0], &ends[1]));
}

static void make_socket_pipe(void)
{
	ck_ok(ipk_pipe_create(IPK_PIPE(.flags = IPK_PIPE_SOCKET), &ends[0], &ends[1]));
}

static void make_pipe_and_queue(void)
{
	make_pipe();
	make_fifo();
}

static void drop_pipe(void)
{
	size_t len;

	while (ipk_pipe_recv(ends[1], into, sizeof into, ipk_now(), &len) == 0)
		;
	ck_ok(ipk_pipe_send(ends[0], big, 1000, ipk_now()));
	ck_ok(ipk_pipe_recv(ends[1], into, sizeof into, ipk_now(), &len));
	ck_assert_uint_eq(len, 1000);
	ck_assert_mem_eq(into, big, 1000);
	ends[0] = ipk_pipe_close(ends[0]);
	ends[1] = ipk_pipe_close(ends[1]);
}

static void drop_pipe_and_queue(void)
{
	drop_pipe();
	drop_queue();
}

static int send_and_recv(void)
{
	size_t len;
	int r = ipk_pipe_send(ends[0], big, sizeof big, ipk_now());

	return r < 0 ? r : ipk_pipe_recv(ends[1], into, sizeof into, ipk_now(), &len);
}

static int send_and_peek(void)
{
	const void *data;
	size_t len;
	int r = ipk_pipe_send(ends[0], big, sizeof big, ipk_now());

	if (r == 0)
		r = ipk_pipe_peek(ends[1], ipk_now(), &data, &len);
	return r < 0 ? r : ipk_pipe_release(ends[1]);
}

static int pass_fd(void)
{
	int fd;
	int r = ipk_pipe_send_fd(ends[0], STDIN_FILENO, ipk_now());

	if (r == 0)
		r = ipk_pipe_recv_fd(ends[1], ipk_now(), &fd);
	if (r == 0)
		close(fd);
	return r;
}

static int poll_fd(void)
{
	size_t index;
	int fd;
	int r = ipk_pipe_fd(ends[1], &fd);

	if (r == 0)
		r = ipk_pipe_wait_any(ends, 2, NULL, 0, ipk_now(), &index);
	return r == -ETIMEDOUT ? 0 : r;
}

/* --- listener, process ------------------------------------------------------------------------ */

static char folder[64];
static char path[96];

static void make_folder(void)
{
	strcpy(folder, "/tmp/ipk-fault-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/socket", folder);
}

static void drop_folder(void)
{
	unlink(path);
	ck_assert_int_eq(rmdir(folder), 0);
}

static int listen_there(void)
{
	ipk_listener *l = NULL;
	int r = ipk_listener_create(path, NULL, &l);

	ipk_listener_close(l);
	return r;
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

/* What a process makes when it first starts a child is there, or not to be had. */
static void start_first(void)
{
	ipk_process *p = NULL;

	ck_ok(ipk_process_start(nothing, NULL, NULL, &p));
	ck_ok(ipk_process_join(p, ipk_in_ms(WAIT_MS), NULL));
	ipk_process_close(p);
}

static int run_process(void)
{
	ipk_process_status status;
	ipk_process *p = NULL;
	int r = ipk_process_start(nothing, NULL, NULL, &p);

	if (r == 0) {
		r = ipk_process_join(p, ipk_in_ms(WAIT_MS), &status);
		fault_disarm();
		if (r < 0)
			ck_ok(ipk_process_join(p, ipk_in_ms(WAIT_MS), &status));
	}
	ipk_process_close(p);
	return r;
}

static void prepare_program(void)
{
	start_first();
	ck_ok(ipk_queue_create(NULL, &queue));
}

static void end_program(void)
{
	queue = ipk_queue_close(queue);
}

/* Another program, given a queue, with its stdout at stderr. */
static int run_program(void)
{
	ipk_inherit given[1] = {IPK_INHERIT(queue, "q", queue)};
	ipk_process *p = NULL;
	int r = ipk_process_start(NULL, NULL,
				  IPK_PROCESS(.start_method = IPK_START_EXEC, .program = "true",
					      .inherit = given, .n_inherit = 1,
					      .stdout_fd = &(int){2}),
				  &p);

	if (r == 0) {
		fault_disarm();
		ck_ok(ipk_process_join(p, ipk_in_ms(WAIT_MS), NULL));
	}
	ipk_process_close(p);
	return r;
}

/* --- shared memory ---------------------------------------------------------------------------- */

static ipk_shm *memory;
static unsigned raw_flag;

static int create_shm(void)
{
	int r = ipk_shm_create(IPK_SHM(.size_bytes = sizeof big), &memory);

	memory = ipk_shm_close(memory);
	return r;
}

static void make_shm(bool unlink_last, bool is_raw)
{
	unique_name(name, "fault");
	raw_flag = is_raw ? IPK_SHM_RAW : 0;
	ck_ok(ipk_shm_create(IPK_SHM(.name = name, .size_bytes = sizeof big, .is_raw = is_raw,
				     .unlink_last = unlink_last),
			     &memory));
}

static void make_named_shm(void)
{
	make_shm(false, false);
}

static void make_raw_shm(void)
{
	make_shm(false, true);
}

static void make_unlink_last_shm(void)
{
	make_shm(true, false);
}

static int open_shm_as(unsigned flags)
{
	ipk_shm *s = NULL;
	int r = ipk_shm_open(name, flags, ipk_now(), &s);

	ipk_shm_close(s);
	return r;
}

static int open_shm(void)
{
	return open_shm_as(0);
}

static int open_raw_shm(void)
{
	return open_shm_as(IPK_SHM_RAW | IPK_SHM_READ_ONLY);
}

static int replace_shm(void)
{
	ipk_shm *bigger = NULL;
	int r = ipk_shm_replace(memory, 2 * sizeof big, &bigger);

	if (r == 0) {
		ipk_shm_close(memory);
		memory = bigger;
	}
	return r;
}

static int close_shm(void)
{
	memory = ipk_shm_close(memory);
	return 0;
}

/* The name leads to what we have, or it was left behind: the next one finds it there. */
static void drop_shm(void)
{
	ck_assert(!memory || ipk_shm_is_current(memory));
	memory = ipk_shm_close(memory);
	ck_ok(ipk_shm_unlink(name, raw_flag));
}

static void drop_left_shm(void)
{
	memory = ipk_shm_close(memory);
	(void)open_shm();
	ck_err(ipk_shm_unlink(name, 0), -ENOENT);
}

static int users_of_shm(void)
{
	size_t n = 0;
	int r = ipk_shm_users(memory, NULL, 0, &n);

	ck_assert_uint_eq(n, r == 0);
	return r;
}

/* --- all of them ------------------------------------------------------------------------------ */

FAULT_TEST(creating_a_queue, create_queue)
FAULT_TEST(creating_a_named_queue, create_named, use_name)
FAULT_TEST(opening_a_named_queue, open_named, make_named, drop_named)
FAULT_TEST(polling_a_named_queue, queue_fd, make_named, drop_named)
FAULT_TEST(polling_a_queue, queue_fd, make_fifo, drop_queue)
FAULT_TEST(spilling_through_a_queue, put_and_get_big, make_fifo, drop_queue)
FAULT_TEST(spilling_through_a_stack, put_and_get_big, make_lifo, drop_queue)
FAULT_TEST(getting_in_new_memory, get_alloc_big, make_fifo, drop_queue)
FAULT_TEST(typed_items, put_and_get_typed, make_fifo, drop_queue)
FAULT_TEST(a_loan, lease_and_ack, make_fifo, drop_queue)
FAULT_TEST(passing_a_pipe, pass_pipe, make_pipe, drop_pipe)
FAULT_TEST(passing_a_queue, pass_queue, make_pipe_and_queue, drop_pipe_and_queue)
FAULT_TEST(creating_a_pipe, create_pipe)
FAULT_TEST(creating_a_socket_pipe, create_socket_pipe)
FAULT_TEST(a_long_message, send_and_recv, make_pipe, drop_pipe)
FAULT_TEST(a_long_message_by_socket, send_and_recv, make_socket_pipe, drop_pipe)
FAULT_TEST(peeking_a_long_message, send_and_peek, make_pipe, drop_pipe)
FAULT_TEST(passing_an_fd, pass_fd, make_pipe, drop_pipe)
FAULT_TEST(polling_a_pipe, poll_fd, make_pipe, drop_pipe)
FAULT_TEST(listening, listen_there, make_folder, drop_folder)
FAULT_TEST(a_process, run_process, .prepare = start_first)
FAULT_TEST(a_program, run_program, .prepare = prepare_program, .check = end_program)
FAULT_TEST(creating_memory, create_shm)
FAULT_TEST(opening_memory, open_shm, make_named_shm, drop_shm)
FAULT_TEST(opening_raw_memory, open_raw_shm, make_raw_shm, drop_shm)
FAULT_TEST(opening_memory_that_goes, open_shm, make_unlink_last_shm, drop_left_shm)
FAULT_TEST(closing_memory_that_goes, close_shm, make_unlink_last_shm, drop_left_shm)
FAULT_TEST(replacing_memory, replace_shm, make_named_shm, drop_shm)
FAULT_TEST(replacing_raw_memory, replace_shm, make_raw_shm, drop_shm)
FAULT_TEST(replacing_memory_that_goes, replace_shm, make_unlink_last_shm, drop_left_shm)
FAULT_TEST(users_of_memory, users_of_shm, make_named_shm, drop_shm)

static Suite *suite(void)
{
	Suite *s = suite_create("faults");

	fill_big();
	add_test(s, creating_a_queue);
	add_test(s, creating_a_named_queue);
	add_test(s, opening_a_named_queue);
	add_test(s, polling_a_named_queue);
	add_test(s, polling_a_queue);
	add_test(s, spilling_through_a_queue);
	add_test(s, spilling_through_a_stack);
	add_test(s, getting_in_new_memory);
	add_test(s, typed_items);
	add_test(s, a_loan);
	add_test(s, passing_a_queue);
	add_test(s, passing_a_pipe);
	add_test(s, creating_a_pipe);
	add_test(s, creating_a_socket_pipe);
	add_test(s, a_long_message);
	add_test(s, a_long_message_by_socket);
	add_test(s, peeking_a_long_message);
	add_test(s, passing_an_fd);
	add_test(s, polling_a_pipe);
	add_test(s, listening);
	add_test(s, a_process);
	add_test(s, a_program);
	add_test(s, creating_memory);
	add_test(s, opening_memory);
	add_test(s, opening_raw_memory);
	add_test(s, opening_memory_that_goes);
	add_test(s, closing_memory_that_goes);
	add_test(s, replacing_memory);
	add_test(s, replacing_raw_memory);
	add_test(s, replacing_memory_that_goes);
	add_test(s, users_of_memory);
	return s;
}
IPK_TEST_MAIN(suite)
