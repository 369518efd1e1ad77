/* test_worker.c - the worker's loop, on a segment for which the test itself acts as the creator. */
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"
#include "pool/worker.h"
#include "support/support.h"

#define MAX_RESULT_BYTES 100000

static struct ipk__shm_pool *shared;
static struct ipk__pool_slot *slots;
static _Atomic uint64_t *cells;
static int doorbell_fd = -1;

static void set_up(void)
{
	size_t slots_at = ipk__round_up(sizeof *shared, 4096);
	size_t cells_at = slots_at + IPK__POOL_SLOTS * sizeof *slots;
	size_t maps_at = cells_at + IPK__POOL_SLOTS * sizeof *cells;
	size_t n_bytes =
		ipk__round_up(maps_at + IPK__POOL_MAPS * sizeof(struct ipk__shm_map), 4096);
	char *base = aligned_alloc(4096, n_bytes);

	memset(base, 0, n_bytes);
	shared = (struct ipk__shm_pool *)base;
	shared->slots_offset = slots_at;
	shared->cells_offset = cells_at;
	shared->maps_offset = maps_at;
	slots = (struct ipk__pool_slot *)(base + slots_at);
	cells = (_Atomic uint64_t *)(base + cells_at);
	ck_ok(ipk__os_doorbell_open(&doorbell_fd));
}

static void tear_down(void)
{
	ipk__os_close(doorbell_fd);
	free(shared);
}

/* --- the creator's part ----------------------------------------------------------------------- */

static uint32_t n_published;

static struct ipk__pool_slot *publish(ipk_task_fn fn, const void *arg, size_t arg_bytes)
{
	uint32_t at = n_published++ % IPK__POOL_SLOTS;
	struct ipk__pool_slot *slot = &slots[at];
	uint32_t generation = ipk__slot_generation(atomic_load(&slot->word)) + 1;
	uint64_t tail = atomic_load(&shared->tail);

	slot->fn = (uint64_t)(uintptr_t)fn;
	memcpy(slot->arg, arg, arg_bytes);
	slot->arg_bytes = arg_bytes;
	slot->max_result_bytes = MAX_RESULT_BYTES;
	slot->attempt = 1;
	atomic_store(&slot->word, ipk__slot_word(generation, 0, IPK__SLOT_READY));
	atomic_store(&cells[tail % IPK__POOL_SLOTS], (uint64_t)generation << 32 | at);
	atomic_store(&shared->tail, tail + 1);
	return slot;
}

static uint32_t state_of(const struct ipk__pool_slot *slot)
{
	return ipk__slot_state(atomic_load(&slot->word));
}

static void init_worker(struct ipk__worker *w, unsigned number)
{
	ipk__worker_init(w, shared, number);
	w->is_thread = true;
	w->doorbell_fd = doorbell_fd;
}

/* Does all that there is to do, here. */
static void drain(void)
{
	struct ipk__worker w;

	init_worker(&w, 0);
	atomic_store(&w.record->order, IPK__ORDER_DRAIN);
	ck_assert_int_eq(ipk__worker_run(&w), 0);
	ck_assert_int_eq(atomic_load(&w.record->state), IPK__WORKER_RETIRED);
}

static int n_in_stack(void)
{
	uint32_t at = atomic_exchange(&shared->done, 0);
	int n = 0;

	for (; at != 0; at = atomic_load(&slots[at - 1].next))
		n++;
	return n;
}

/* --- tasks ------------------------------------------------------------------------------------ */

static char seen[64];
static size_t n_seen;

static int note(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)task;
	ck_assert_uint_eq(arg_bytes, 1);
	seen[n_seen++] = *(const char *)arg;
	return 0;
}

static int give(ipk_task *task, const void *arg, size_t arg_bytes)
{
	static char bytes[MAX_RESULT_BYTES + 1];
	size_t n;

	ck_assert_uint_eq(arg_bytes, sizeof n);
	memcpy(&n, arg, sizeof n);
	memset(bytes, 'r', sizeof bytes);
	(void)!ipk_task_return(task, bytes, n);
	return 0;
}

static int give_twice(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)arg;
	(void)arg_bytes;
	ck_err(ipk_task_return(task, "x", MAX_RESULT_BYTES + 1), -EFBIG);
	ck_err(ipk_task_return(task, NULL, 1), -EINVAL);
	ck_ok(ipk_task_return(task, "short", 6));
	return 0;
}

static int refuse_file(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)arg_bytes;
	ck_ok(ipk_task_return(task, "unwanted", 8));
	return ipk_task_fail(task, -EIO, "no %s", (const char *)arg);
}

static int fail_at_length(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)arg;
	(void)arg_bytes;
	return ipk_task_fail(task, 7, "%0500d", 1);
}

/* --- one worker ------------------------------------------------------------------------------- */

/* Tasks that note 'a' and so on. */
static void publish_letters(int last)
{
	for (int i = 'a'; i <= last; i++) {
		char c = (char)i;

		publish(note, &c, 1);
	}
}

START_TEST(tasks_run_in_their_order)
{
	publish_letters('z');
	drain();
	ck_assert_str_eq(seen, "abcdefghijklmnopqrstuvwxyz");
	ck_assert_int_eq(n_in_stack(), 26);
	for (int i = 0; i < 26; i++)
		ck_assert_int_eq(state_of(&slots[i]), IPK__SLOT_DONE);
	ck_assert_uint_eq(atomic_load(&shared->workers[0].n_done), 26);
}
END_TEST

START_TEST(a_short_result_lies_in_the_slot)
{
	for (size_t n = 0; n <= IPK__POOL_RESULT_INLINE; n++) {
		const struct ipk__pool_slot *slot = publish(give, &n, sizeof n);

		drain();
		ck_assert_uint_eq(slot->result_kind, IPK__RESULT_INLINE);
		ck_assert_uint_eq(slot->result_bytes, n);
		ck_assert(n == 0 || slot->result[n - 1] == 'r');
	}
}
END_TEST

START_TEST(a_long_result_of_a_thread_is_handed_over)
{
	for (size_t n = IPK__POOL_RESULT_INLINE + 1; n <= MAX_RESULT_BYTES; n *= 2) {
		const struct ipk__pool_slot *slot = publish(give, &n, sizeof n);
		char *result;

		drain();
		ck_assert_uint_eq(slot->result_kind, IPK__RESULT_HEAP);
		ck_assert_uint_eq(slot->result_bytes, n);
		result = (char *)(uintptr_t)slot->result_offset;
		ck_assert_int_eq(result[n - 1], 'r');
		free(result);
	}
}
END_TEST

START_TEST(a_result_over_the_limit_is_said_to_be_that)
{
	size_t n = MAX_RESULT_BYTES + 1;
	const struct ipk__pool_slot *slot = publish(give, &n, sizeof n);

	drain();
	ck_assert_uint_eq(slot->result_kind, IPK__RESULT_TOO_LARGE);
}
END_TEST

START_TEST(the_last_result_counts)
{
	const struct ipk__pool_slot *slot = publish(give_twice, "", 0);

	drain();
	ck_assert_uint_eq(slot->result_kind, IPK__RESULT_INLINE);
	ck_assert_str_eq(slot->result, "short");
}
END_TEST

START_TEST(an_error_has_its_code_and_words)
{
	const struct ipk__pool_slot *slot = publish(refuse_file, "file", 5);
	const struct ipk__pool_slot *longer = publish(fail_at_length, "", 0);

	drain();
	ck_assert_uint_eq(slot->result_kind, IPK__RESULT_ERROR);
	ck_assert_int_eq(slot->code, -EIO);
	ck_assert_str_eq(slot->result, "no file");
	ck_assert_int_eq(longer->code, 7);
	ck_assert_uint_eq(strlen(longer->result), IPK_FAILURE_TEXT_BYTES - 1);
}
END_TEST

static int look_around(ipk_task *task, const void *arg, size_t arg_bytes)
{
	ck_assert_ptr_eq(ipk_task_current(), task);
	ck_assert_uint_eq(ipk_task_attempt(task), 3);
	ck_assert_uint_eq(ipk_task_index(task), 77);
	ck_assert_uint_eq(ipk_task_worker(task), 0);
	ck_assert(!ipk_task_should_stop(task));
	atomic_store(&slots[0].stop, 1);
	ck_assert(ipk_task_should_stop(task));
	ck_assert_uint_eq(atomic_load(&shared->workers[0].slot), 1);
	ck_assert_uint_eq(atomic_load(&shared->workers[0].fn), (uint64_t)(uintptr_t)look_around);
	ck_assert_int_eq(atomic_load(&shared->workers[0].state), IPK__WORKER_BUSY);
	ck_assert_uint_eq(arg_bytes, 5);
	ck_assert_str_eq(arg, "here");
	return 0;
}

START_TEST(a_task_may_look_around)
{
	struct ipk__pool_slot *slot = publish(look_around, "", 0);

	slot->index = 77;
	slot->attempt = 3;
	slot->arg_bytes = 5;
	slot->arg_offset = shared->cells_offset + (uint64_t)8 * (IPK__POOL_SLOTS - 1);
	memcpy((char *)shared + slot->arg_offset, "here", 5);
	drain();
	ck_assert_int_eq(state_of(slot), IPK__SLOT_DONE);
	ck_assert_uint_eq(atomic_load(&shared->workers[0].slot), 0);
	ck_assert_ptr_null(ipk_task_current());
}
END_TEST

START_TEST(outside_of_tasks_there_is_nothing_to_see)
{
	ck_assert_ptr_null(ipk_task_current());
	ck_assert(!ipk_task_should_stop(NULL));
	ck_assert_uint_eq(ipk_task_attempt(NULL), 0);
	ck_assert_uint_eq(ipk_task_index(NULL), 0);
	ck_assert_uint_eq(ipk_task_worker(NULL), 0);
	ck_assert_int_eq(ipk_task_fail(NULL, -5, "x"), -5);
	ck_err(ipk_task_return(NULL, "", 0), -EINVAL);
}
END_TEST

START_TEST(what_was_cancelled_is_passed_over)
{
	publish_letters('d');
	atomic_store(&slots[0].word, ipk__slot_word(2, 0, IPK__SLOT_FREE));
	atomic_store(&slots[2].word, ipk__slot_word(2, 0, IPK__SLOT_READY)); /* in no cell yet */
	drain();
	ck_assert_str_eq(seen, "bd");
	ck_assert_int_eq(state_of(&slots[2]), IPK__SLOT_READY);
}
END_TEST

START_TEST(what_a_dead_worker_had_claimed_is_passed_over)
{
	publish(note, "a", 1);
	publish(note, "b", 1);
	atomic_store(&slots[0].word, ipk__slot_word(1, 9, IPK__SLOT_TAKEN));
	drain();
	ck_assert_str_eq(seen, "b");
	ck_assert_uint_eq(ipk__slot_worker(atomic_load(&slots[0].word)), 9);
}
END_TEST

static int give_up(ipk_task *task, const void *arg, size_t arg_bytes)
{
	struct ipk__pool_slot *slot = &slots[0];
	uint64_t taken = atomic_load(&slot->word);

	ck_assert_int_eq(ipk__slot_state(taken), IPK__SLOT_TAKEN);
	atomic_store(&slot->word, ipk__slot_word(1, 0, IPK__SLOT_CONDEMNED));
	return give(task, arg, arg_bytes);
}

START_TEST(a_thread_goes_on_after_a_task_that_was_given_up)
{
	size_t n = 5000; /* its result is freed */

	publish(give_up, &n, sizeof n);
	publish(note, "b", 1);
	drain();
	ck_assert_int_eq(state_of(&slots[0]), IPK__SLOT_CONDEMNED);
	ck_assert_str_eq(seen, "b");
	ck_assert_int_eq(n_in_stack(), 2);
}
END_TEST

static int check_doorbell(ipk_task *task, const void *arg, size_t arg_bytes)
{
	int64_t since_ns = atomic_load(&shared->workers[0].since_ns);

	(void)task;
	(void)arg;
	(void)arg_bytes;
	ck_ok(ipk__os_poll1(doorbell_fd, IPK__OS_IN, ipk_now(), NULL));
	ck_assert_int_ge(ipk__os_now_ns(), since_ns);
	ck_assert_int_gt(since_ns, ipk__os_now_ns() - 5000000000);
	return 0;
}

START_TEST(the_beginning_of_a_timed_task_is_told)
{
	publish(check_doorbell, "", 0)->flags = IPK__SLOT_IS_TIMED;
	drain();
	ck_assert_int_eq(state_of(&slots[0]), IPK__SLOT_DONE);
}
END_TEST

START_TEST(it_ends_after_so_many_tasks)
{
	struct ipk__worker w;

	shared->max_tasks_per_worker = 3;
	publish_letters('e');
	init_worker(&w, 0);
	ck_assert_int_eq(ipk__worker_run(&w), 0);
	ck_assert_str_eq(seen, "abc");
	ck_assert_int_eq(state_of(&slots[3]), IPK__SLOT_READY);
	init_worker(&w, 1);
	atomic_store(&w.record->order, IPK__ORDER_DRAIN);
	ck_assert_int_eq(ipk__worker_run(&w), 0);
	ck_assert_str_eq(seen, "abcde");
}
END_TEST

START_TEST(ordered_to_retire_it_leaves_the_rest)
{
	struct ipk__worker w;

	publish(note, "a", 1);
	init_worker(&w, 0);
	atomic_store(&w.record->order, IPK__ORDER_RETIRE);
	ck_assert_int_eq(ipk__worker_run(&w), 0);
	ck_assert_int_eq(state_of(&slots[0]), IPK__SLOT_READY);
}
END_TEST

static int refuse(void *arg)
{
	return *(int *)arg;
}

START_TEST(an_initializer_that_fails_ends_it)
{
	struct ipk__worker w;
	int code = -ENOENT;

	publish(note, "a", 1);
	init_worker(&w, 4);
	w.initializer = refuse;
	w.initializer_arg = &code;
	ck_assert_int_ne(ipk__worker_run(&w), 0);
	ck_assert_int_eq(atomic_load(&shared->workers[4].state), IPK__WORKER_FAILED);
	ck_assert_int_eq(shared->workers[4].init_code, -ENOENT);
	ck_assert_int_eq(state_of(&slots[0]), IPK__SLOT_READY);
	ck_ok(ipk__os_poll1(doorbell_fd, IPK__OS_IN, ipk_now(), NULL));
}
END_TEST

/* --- as a process would, with a file for its results ------------------------------------------ */

START_TEST(long_results_of_a_process_go_to_its_file)
{
	size_t sizes[] = {129, 4096, 4097, MAX_RESULT_BYTES};
	char buf[MAX_RESULT_BYTES], byte;
	struct iovec part = {&byte, 1};
	int ends[2], fds[IPK__OS_FDS_MAX];
	size_t n_bytes, n_fds;
	struct ipk__worker w;

	for (size_t i = 0; i < IPK__N_OF(sizes); i++)
		publish(give, &sizes[i], sizeof sizes[i]);
	ck_ok(ipk__os_socketpair(ends));
	init_worker(&w, 0);
	w.is_thread = false;
	w.control_fd = ends[0];
	atomic_store(&w.record->order, IPK__ORDER_DRAIN);
	ck_assert_int_eq(ipk__worker_run(&w), 0);
	ck_ok(ipk__os_recv(ends[1], &part, 1, false, &n_bytes, fds, &n_fds));
	ck_assert_uint_eq(n_fds, 1);
	for (size_t i = 0; i < IPK__N_OF(sizes); i++) {
		ck_assert_uint_eq(slots[i].result_kind, IPK__RESULT_SPILLED);
		ck_assert_uint_eq(slots[i].result_bytes, sizes[i]);
		ck_assert_uint_eq(slots[i].result_offset % ipk__os_page_bytes(), 0);
		memset(buf, 0, sizeof buf);
		ck_ok(ipk__os_pread(fds[0], buf, sizes[i], slots[i].result_offset));
		ck_assert_int_eq(buf[0], 'r');
		ck_assert_int_eq(buf[sizes[i] - 1], 'r');
	}
	ck_err(ipk__os_recv(ends[1], &part, 1, false, &n_bytes, fds + 1, &n_fds), -EAGAIN);
	ipk__os_close(fds[0]);
	ipk__os_close(w.spill_fd);
	ipk__os_close(ends[0]);
	ipk__os_close(ends[1]);
}
END_TEST

START_TEST(without_a_way_for_a_long_result_it_is_no_memory)
{
	size_t n = 5000;
	struct ipk__worker w;

	publish(give, &n, sizeof n);
	init_worker(&w, 0);
	w.is_thread = false; /* and no control_fd */
	atomic_store(&w.record->order, IPK__ORDER_DRAIN);
	ck_assert_int_eq(ipk__worker_run(&w), 0);
	ck_assert_uint_eq(slots[0].result_kind, IPK__RESULT_NO_MEMORY);
}
END_TEST

static int fork_and_return(ipk_task *task, const void *arg, size_t arg_bytes)
{
	pid_t child = fork();
	int status;

	(void)task;
	(void)arg;
	(void)arg_bytes;
	if (child == 0)
		return 42;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 42);
	return 0;
}

START_TEST(a_fork_of_a_task_is_no_worker)
{
	publish(fork_and_return, "", 0);
	publish(note, "b", 1);
	drain();
	ck_assert_int_eq(slots[0].code, 0);
	ck_assert_str_eq(seen, "b");
	ck_assert_int_eq(n_in_stack(), 2);
}
END_TEST

/* --- several ---------------------------------------------------------------------------------- */

static _Atomic int n_runs[IPK__POOL_SLOTS];

static int count_run(ipk_task *task, const void *arg, size_t arg_bytes)
{
	int i;

	(void)task;
	memcpy(&i, arg, arg_bytes);
	atomic_fetch_add(&n_runs[i], 1);
	return 0;
}

static void *run(void *arg)
{
	ck_assert_int_eq(ipk__worker_run(arg), 0);
	return NULL;
}

START_TEST(each_task_is_run_by_one)
{
	enum { N = IPK__POOL_SLOTS, WORKERS = 4 };
	static struct ipk__worker workers[WORKERS];
	pthread_t threads[WORKERS];

	for (unsigned i = 0; i < WORKERS; i++) {
		init_worker(&workers[i], i);
		pthread_create(&threads[i], NULL, run, &workers[i]);
	}
	for (int i = 0; i < N; i++) {
		publish(count_run, &i, sizeof i);
		ipk__parking_wake(&shared->work, 1, ipk__shm_pool_has_work, shared);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		atomic_store(&shared->workers[i].order, IPK__ORDER_DRAIN);
	ipk__parking_wake_all(&shared->work);
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(atomic_load(&n_runs[i]), 1);
	ck_assert_int_eq(n_in_stack(), N);
}
END_TEST

static bool is_idle(void *arg)
{
	(void)arg;
	return atomic_load(&shared->workers[0].state) == IPK__WORKER_IDLE &&
	       ipk__parking_has_sleepers(&shared->work);
}

START_TEST(an_idle_one_sleeps_and_ends_when_the_creator_hangs_up)
{
	struct ipk__worker w;
	pthread_t thread;
	int ends[2];

	ck_ok(ipk__os_socketpair(ends));
	init_worker(&w, 0);
	w.control_fd = ends[0];
	pthread_create(&thread, NULL, run, &w);
	ck_assert(wait_until(is_idle, NULL, WAIT_MS));
	ipk__os_close(ends[1]);
	pthread_join(thread, NULL);
	ipk__os_close(ends[0]);
}
END_TEST

static void add_named(Suite *s, const char *name, const TTest *test)
{
	TCase *c = support_case(s, name, TEST_SECONDS, true);

	tcase_add_checked_fixture(c, set_up, tear_down);
	tcase_add_test(c, test);
}

#define add(suite, test) add_named(suite, #test, test)

static Suite *suite(void)
{
	Suite *s = suite_create("worker");

	add(s, tasks_run_in_their_order);
	add(s, a_short_result_lies_in_the_slot);
	add(s, a_long_result_of_a_thread_is_handed_over);
	add(s, a_result_over_the_limit_is_said_to_be_that);
	add(s, the_last_result_counts);
	add(s, an_error_has_its_code_and_words);
	add(s, a_task_may_look_around);
	add(s, outside_of_tasks_there_is_nothing_to_see);
	add(s, what_was_cancelled_is_passed_over);
	add(s, what_a_dead_worker_had_claimed_is_passed_over);
	add(s, a_thread_goes_on_after_a_task_that_was_given_up);
	add(s, the_beginning_of_a_timed_task_is_told);
	add(s, it_ends_after_so_many_tasks);
	add(s, ordered_to_retire_it_leaves_the_rest);
	add(s, an_initializer_that_fails_ends_it);
	add(s, long_results_of_a_process_go_to_its_file);
	add(s, without_a_way_for_a_long_result_it_is_no_memory);
	add(s, a_fork_of_a_task_is_no_worker);
	add(s, each_task_is_run_by_one);
	add(s, an_idle_one_sleeps_and_ends_when_the_creator_hangs_up);
	return s;
}

IPK_TEST_MAIN(suite)
