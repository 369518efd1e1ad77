/* test_labels.c - labels of kinds and waits, and text that is safe on a terminal. */
#include <string.h>

#include "inspect/inspect_internal.h"
#include "support/support.h"

START_TEST(unprintable_bytes_are_escaped)
{
	char buf[64];

	ipk__printable("plain-1.x_Y", false, buf, sizeof(buf));
	ck_assert_str_eq(buf, "plain-1.x_Y");
	ipk__printable("a\033[31m\n\t\x7f\xff\\", false, buf, sizeof(buf));
	ck_assert_str_eq(buf, "a\\x1b[31m\\x0a\\x09\\x7f\\xff\\x5c");
	ipk__printable("two words", false, buf, sizeof(buf));
	ck_assert_str_eq(buf, "two\\x20words");
	ipk__printable("two words", true, buf, sizeof(buf));
	ck_assert_str_eq(buf, "two words");
	ipk__printable("", false, buf, sizeof(buf));
	ck_assert_str_eq(buf, "");
}
END_TEST

START_TEST(long_text_is_cut_between_characters)
{
	char buf[12];

	for (size_t n = 1; n <= sizeof(buf); n++) {
		memset(buf, 'z', sizeof(buf));
		ipk__printable("\001\002\003\004\005\006", false, buf, n);
		ck_assert_uint_lt(strlen(buf), n);
		ck_assert_uint_eq(strlen(buf) % 4, 0);
	}
}
END_TEST

START_TEST(every_kind_has_a_name)
{
	ipk_inspect_object o = {.kind = IPK_INSPECT_PIPE};

	ck_assert_str_eq(ipk_inspect_kind_name(NULL), "?");
	ck_assert_str_eq(ipk_inspect_kind_name(&o), "pipe");
	o.kind = IPK_INSPECT_OTHER;
	ck_assert_str_eq(ipk_inspect_kind_name(&o), "?");
	o.kind = IPK_INSPECT_QUEUE;
	ck_assert_str_eq(ipk_inspect_kind_name(&o), "queue/fifo");
	o.queue_kind = IPK_QUEUE_LIFO;
	ck_assert_str_eq(ipk_inspect_kind_name(&o), "queue/lifo");
	o.queue_kind = IPK_QUEUE_PRIORITY;
	ck_assert_str_eq(ipk_inspect_kind_name(&o), "queue/priority");
	o.queue_kind = IPK_QUEUE_MQ;
	ck_assert_str_eq(ipk_inspect_kind_name(&o), "queue/mq");
	o.error = -EBADMSG;
	ck_assert_str_eq(ipk_inspect_kind_name(&o), "queue");
}
END_TEST

START_TEST(every_small_object_has_a_name)
{
	static const struct {
		ipk_inspect_object object;
		const char *name, *name_when_damaged;
	} cases[] = {
		{{.kind = IPK_INSPECT_ARENA}, "arena", "arena"},
		{{.kind = IPK_INSPECT_SHM}, "shm", "shm"},
		{{.kind = IPK_INSPECT_LOCK}, "lock", "lock"},
		{{.kind = IPK_INSPECT_LOCK, .is_recursive = true}, "rlock", "lock"},
		{{.kind = IPK_INSPECT_RWLOCK}, "rwlock", "rwlock"},
		{{.kind = IPK_INSPECT_SEMAPHORE}, "semaphore/signal", "semaphore"},
		{{.kind = IPK_INSPECT_SEMAPHORE, .is_owned = true}, "semaphore/owned", "semaphore"},
		{{.kind = IPK_INSPECT_COND}, "cond", "cond"},
		{{.kind = IPK_INSPECT_EVENT}, "event", "event"},
		{{.kind = IPK_INSPECT_BARRIER}, "barrier", "barrier"},
		{{.kind = IPK_INSPECT_ONCE}, "once", "once"},
		{{.kind = IPK_INSPECT_VALUE}, "value/struct", "value"},
		{{.kind = IPK_INSPECT_VALUE, .typecode = '?'}, "value/?", "value"},
		{{.kind = IPK_INSPECT_ARRAY}, "array/struct", "array"},
		{{.kind = IPK_INSPECT_ARRAY, .typecode = 'd'}, "array/d", "array"},
		{{.kind = (ipk_inspect_kind)77}, "?", "?"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ipk_inspect_object o = cases[i].object;

		ck_assert_str_eq(ipk_inspect_kind_name(&o), cases[i].name);
		o.error = -EBADMSG;
		ck_assert_str_eq(ipk_inspect_kind_name(&o), cases[i].name_when_damaged);
	}
}
END_TEST

START_TEST(every_wait_has_a_name)
{
	ck_assert_str_eq(ipk_inspect_what_name(IPK_INSPECT_DATA), "data");
	ck_assert_str_eq(ipk_inspect_what_name(IPK_INSPECT_SPACE), "space");
	ck_assert_str_eq(ipk_inspect_what_name(IPK_INSPECT_DONE), "done");
	ck_assert_str_eq(ipk_inspect_what_name(IPK_INSPECT_PUT_LOCK), "put lock");
	ck_assert_str_eq(ipk_inspect_what_name(IPK_INSPECT_GET_LOCK), "get lock");
	ck_assert_str_eq(ipk_inspect_what_name(IPK_INSPECT_PLAIN_LOCK), "lock");
	ck_assert_str_eq(ipk_inspect_what_name(IPK_INSPECT_READ_LOCK), "read lock");
	ck_assert_str_eq(ipk_inspect_what_name(IPK_INSPECT_WRITE_LOCK), "write lock");
	ck_assert_str_eq(ipk_inspect_what_name(IPK_INSPECT_TOKEN), "token");
	ck_assert_str_eq(ipk_inspect_what_name(IPK_INSPECT_NOTICE), "notice");
	ck_assert_str_eq(ipk_inspect_what_name(IPK_INSPECT_SET), "set");
	ck_assert_str_eq(ipk_inspect_what_name(IPK_INSPECT_PARTIES), "parties");
	ck_assert_str_eq(ipk_inspect_what_name(IPK_INSPECT_RUN), "run");
	ck_assert_str_eq(ipk_inspect_what_name(IPK_INSPECT_NOTHING), "?");
	ck_assert_str_eq(ipk_inspect_what_name((ipk_inspect_what)77), "?");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("words");

	add_test(s, unprintable_bytes_are_escaped);
	add_test(s, long_text_is_cut_between_characters);
	add_test(s, every_kind_has_a_name);
	add_test(s, every_small_object_has_a_name);
	add_test(s, every_wait_has_a_name);
	return s;
}

IPK_TEST_MAIN(suite)
