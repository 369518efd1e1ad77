/*
 * test_shared.c - the shipped library as a user links it: the umbrella header, a little
 * of each part, scope cleanup and options literals. What is missing from lib/libipk.map
 * fails to link here.
 */
#include <check.h>
#include <errno.h>
#include <ipk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ipk_deadline soon(void)
{
	return ipk_in_ms(10000);
}

START_TEST(errors_and_deadlines)
{
	char version[32];

	ck_assert_str_eq(ipk_errname(-EPIPE), "EPIPE");
	ck_assert_str_ne(ipk_strerror(-EPIPE), "");
	ck_assert_int_eq(ipk_deadline_left_ns(ipk_now()), 0);
	ck_assert(ipk_deadline_left_ns(ipk_forever()) == INT64_MAX);
	ck_assert(ipk_deadline_left_ns(ipk_in_ms(100000)) > 0);
	ck_assert_uint_ge(ipk_cpu_count(), 1);
	snprintf(version, sizeof version, "%d.%d.%d", IPK_VERSION_MAJOR, IPK_VERSION_MINOR,
		 IPK_VERSION_PATCH);
	ck_assert_str_eq(ipk_version(), version);
}
END_TEST

START_TEST(pack_and_unpack)
{
	void *data;
	size_t len_bytes;
	char *word;
	int number;

	ck_assert_int_eq(ipk_pack(&data, &len_bytes, "[i n s]", 42, "hello"), 0);
	ck_assert_int_eq(ipk_unpack(data, len_bytes, "[i n s]", &number, &word), 0);
	ck_assert_int_eq(number, 42);
	ck_assert_str_eq(word, "hello");
	free(word);
	free(data);
}
END_TEST

START_TEST(message_through_a_pipe)
{
	IPK_AUTO(pipe, a);
	IPK_AUTO(pipe, b);
	char buf[8] = "";
	size_t n = 0;

	ck_assert_int_eq(ipk_pipe_create(IPK_PIPE(.label = "shared"), &a, &b), 0);
	ck_assert_int_eq(ipk_pipe_send(a, "hello", 5, soon()), 0);
	ck_assert_int_eq(ipk_pipe_recv(b, buf, sizeof(buf), soon(), &n), 0);
	ck_assert_int_eq(n, 5);
	ck_assert_str_eq(buf, "hello");
	a = ipk_pipe_close(a);
	ck_assert_int_eq(ipk_pipe_recv(b, buf, sizeof(buf), soon(), &n), -EPIPE);
}
END_TEST

static int put_answer(void *arg)
{
	return ipk_queue_putf(arg, soon(), "{s: i}", "answer", 42);
}

START_TEST(item_from_another_process)
{
	IPK_AUTO(queue, q);
	IPK_AUTO(process, child);
	ipk_process_status status;
	char *key = NULL;
	int value = 0;

	ck_assert_int_eq(ipk_queue_create(IPK_QUEUE(.max_items = 10), &q), 0);
	ck_assert_int_eq(ipk_process_start(put_answer, q, NULL, &child), 0);
	ck_assert_int_eq(ipk_queue_getf(q, soon(), "{s: i}", &key, &value), 0);
	ck_assert_int_eq(ipk_process_join(child, soon(), &status), 0);
	ck_assert_int_eq(status.exit_code, 0);
	ck_assert_str_eq(key, "answer");
	ck_assert_int_eq(value, 42);
	free(key);
}
END_TEST

START_TEST(snapshot_of_a_queue)
{
	IPK_AUTO(queue, q);
	IPK_AUTO(inspect, snap);
	const ipk_inspect_object *object;
	char label[32];

	snprintf(label, sizeof(label), "shared-%d", (int)getpid());
	ck_assert_int_eq(ipk_queue_create(IPK_QUEUE(.label = label), &q), 0);
	ck_assert_int_eq(ipk_queue_put(q, "hello", 5, soon()), 0);
	ck_assert_int_eq(ipk_inspect_scan(IPK_INSPECT(.match = label), &snap), 0);
	ck_assert_int_eq(ipk_inspect_len(snap), 1);
	object = ipk_inspect_object_at(snap, 0);
	ck_assert_ptr_nonnull(object);
	ck_assert_str_eq(object->name, label);
	ck_assert_str_eq(ipk_inspect_kind_name(object), "queue/fifo");
	ck_assert_int_eq(ipk_inspect_channel_at(object, 0)->n_items, 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("shared");
	TCase *tc = tcase_create("shared");
	SRunner *runner;
	int n_failed;

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, errors_and_deadlines);
	tcase_add_test(tc, pack_and_unpack);
	tcase_add_test(tc, message_through_a_pipe);
	tcase_add_test(tc, item_from_another_process);
	tcase_add_test(tc, snapshot_of_a_queue);
	suite_add_tcase(s, tc);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_ENV);
	n_failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
