/*
 * test_manager.c - lib/manager/manager.c: options and names that are refused before anybody is
 * asked, commands that a shared connection cannot have, and answers to the simple questions.
 */
#include <ipk.h>
#include <ipk/manager.h>
#include <ipk/manager_batch.h>
#include <ipk/manager_dict.h>
#include <ipk/manager_list.h>
#include <ipk/manager_queue.h>
#include <ipk/manager_sync.h>
#include <ipk/manager_value.h>

#include "base/base_internal.h"
#include "manager_in_words.h"

static ipk_manager *m;

START_TEST(options)
{
	ipk_manager *none = (void *)&none, *before = none;
	ipk_manager_connect_opts no_size = {.label = "x"};

	ck_err(ipk_manager_connect(NULL, NULL, ipk_now(), &none), -EINVAL);
	ck_err(ipk_manager_connect("unix:/x", NULL, ipk_now(), NULL), -EINVAL);
	ck_err(ipk_manager_connect("unix:/x", IPK_MANAGER_CONNECT(.key = "k", .key_file = "f"),
				   ipk_now(), &none),
	       -EINVAL);
	ck_err(ipk_manager_connect("unix:/x", &no_size, ipk_now(), &none), -EINVAL);
	ck_assert_ptr_eq(none, before);
}
END_TEST

static const char *const no_addresses[] = {
	"", "/tmp/x", "unix", "tcp", "http://x", "UNIX:/tmp/x", "python:/tmp/x", "redi", "redisx:y",
};

START_TEST(addresses_of_no_kind)
{
	ipk_manager *none;

	ck_err(ipk_manager_connect(no_addresses[_i], NULL, ipk_now(), &none), -EINVAL);
}
END_TEST

START_TEST(names_of_handles)
{
	char name[IPK__OBJECT_NAME_MAX + 2];
	ipk_dict *d;

	m = manager_in_words();
	memset(name, 'n', sizeof name);
	name[sizeof name - 1] = 0;
	ck_err(ipk_dict_open(m, name, &d), -EINVAL);
	ck_err(ipk_dict_open(m, "", &d), -EINVAL);
	ck_err(ipk_dict_open(m, NULL, &d), -EINVAL);
	ck_err(ipk_dict_open(NULL, "d", &d), -EBADF);
	name[IPK__OBJECT_NAME_MAX] = 0;
	ck_ok(ipk_dict_open(m, name, &d));
	name[0] = 'x'; /* the handle has a copy */
	ck_assert_uint_eq(((struct ipk__handle *)(void *)d)->name.n_bytes, IPK__OBJECT_NAME_MAX);
	ck_assert_int_eq(((struct ipk__handle *)(void *)d)->name.bytes[0], 'n');
	ck_err(ipk_manager_delete(m, "", ipk_now()), -EINVAL);
	ck_err(ipk_manager_delete(m, NULL, ipk_now()), -EINVAL);
	ck_err(ipk_manager_delete(NULL, "d", ipk_now()), -EBADF);
	asked("");
	ipk_dict_close(d);
	ipk_manager_close(m);
}
END_TEST

static int command(const char *first)
{
	const ipk_bytes words[] = {{first, strlen(first)}, {"x", 1}};
	ipk_reply *reply;
	int r = ipk_manager_command(m, words, 2, ipk_now(), &reply);

	if (r == 0)
		ipk_reply_close(reply);
	return r;
}

START_TEST(commands_that_change_the_connection)
{
	static const char *const refused[] = {
		"SELECT", "select", "MULTI",       "EXEC",      "WATCH",      "SUBSCRIBE",
		"RESET",  "QUIT",   "HELLO",       "AUTH",      "MONITOR",    "BLPOP",
		"blmpop", "WAIT",   "IPK.SESSION", "IPK.LOCAL", "IPK.CANCEL", "",
	};
	ipk_reply *reply;

	m = manager_in_words();
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		ck_assert_msg(command(refused[i]) == -EINVAL, "%s", refused[i]);
	ck_err(ipk_manager_command(m, NULL, 0, ipk_now(), &reply), -EINVAL);
	ck_err(ipk_manager_command(m, NULL, 1, ipk_now(), &reply), -EINVAL);
	ck_err(ipk_manager_command(m, &(ipk_bytes){NULL, 1}, 1, ipk_now(), &reply), -EINVAL);
	ck_err(ipk_manager_command(NULL, &(ipk_bytes){"X", 1}, 1, ipk_now(), &reply), -EBADF);
	asked("");
	/* These only look like some of them. */
	answers("+OK\r\n");
	answers("+OK\r\n");
	ck_ok(command("SELECTS"));
	ck_ok(command("IPK.LSLICE"));
	asked("SELECTS x; IPK.LSLICE x");
	ipk_manager_close(m);
}
END_TEST

START_TEST(a_refusal_is_an_answer_of_a_command)
{
	const ipk_bytes words[] = {{"GET", 3}, {"x", 1}};
	ipk_reply_value v;
	ipk_reply *reply;

	m = manager_in_words();
	answers("-WRONGTYPE no\r\n");
	ck_ok(ipk_manager_command(m, words, 2, ipk_now(), &reply));
	ck_ok(ipk_reply_next(reply, &v));
	ck_assert_int_eq(v.kind, IPK_REPLY_ERROR);
	ck_err(v.error, -EPROTOTYPE);
	ipk_reply_close(reply);
	ipk_manager_close(m);
}
END_TEST

START_TEST(simple_questions)
{
	char type[24] = "before", small[4];
	bool exists = false;
	uint64_t n = 0;

	m = manager_in_words();
	answers(":1\r\n");
	ck_ok(ipk_manager_exists(m, "x", ipk_now(), &exists));
	ck_assert(exists);
	answers(":0\r\n");
	ck_err(ipk_manager_delete(m, "x", ipk_now()), -ENOENT);
	answers("+hash\r\n");
	ck_ok(ipk_manager_type(m, "x", type, sizeof type, ipk_now()));
	ck_assert_str_eq(type, "hash");
	answers("+none\r\n");
	ck_err(ipk_manager_type(m, "x", type, sizeof type, ipk_now()), -ENOENT);
	answers("+hash\r\n");
	ck_err(ipk_manager_type(m, "x", small, sizeof small, ipk_now()), -EMSGSIZE);
	ck_assert_ptr_nonnull(strstr(ipk_error_detail(-EMSGSIZE), "buf_bytes"));
	answers(":12\r\n");
	ck_ok(ipk_manager_len(m, ipk_now(), &n));
	ck_assert_uint_eq(n, 12);
	answers("+many\r\n");
	ck_err(ipk_manager_len(m, ipk_now(), &n), -EBADMSG);
	asked("EXISTS x; DEL x; TYPE x; TYPE x; TYPE x; DBSIZE; DBSIZE");
	ck_assert(!ipk_manager_is_local(m));
	ck_assert(!ipk_manager_is_local(NULL));
	ipk_manager_close(m);
}
END_TEST

START_TEST(expiring)
{
	m = manager_in_words();
	answers(":1\r\n");
	ck_ok(ipk_manager_expire(m, "x", 0, ipk_now()));
	answers(":0\r\n");
	ck_err(ipk_manager_expire(m, "x", 5, ipk_now()), -ENOENT);
	asked("PEXPIRE x 0; PEXPIRE x 5");
	/* It had no time to live, or is not there: that is asked for. */
	answers(":0\r\n");
	answers(":1\r\n");
	ck_ok(ipk_manager_expire(m, "x", -1, ipk_now()));
	answers(":0\r\n");
	answers(":0\r\n");
	ck_err(ipk_manager_expire(m, "x", -1, ipk_now()), -ENOENT);
	asked("PERSIST x; EXISTS x; PERSIST x; EXISTS x");
	ipk_manager_close(m);
}
END_TEST

/* Nobody is asked, so what is wrong is said of this call, not of one before it. */
#define is_about(call, text)                                                                      \
	do {                                                                                      \
		const char *detail_;                                                              \
                                                                                                  \
		ipk__note_detail(-EINVAL, "an earlier call");                                     \
		ck_err(call, -EINVAL);                                                            \
		detail_ = ipk_error_detail(-EINVAL);                                              \
		ck_assert_msg(strncmp(detail_, text, strlen(text)) == 0 && strlen(detail_) < 120, \
			      "%s: %s", #call, detail_);                                          \
	} while (0)

START_TEST(options_are_named)
{
	ipk_managed_semaphore *s;
	ipk_managed_barrier *b;
	ipk_managed_queue *q;
	ipk_managed_array *a;
	ipk_managed_cond *c;

	m = manager_in_words();
	is_about(ipk_managed_semaphore_open(m, "s", IPK_MANAGED_SEMAPHORE(.value = UINT64_MAX),
					    ipk_now(), &s),
		 "IPK_MANAGED_SEMAPHORE(.value): ");
	is_about(ipk_managed_semaphore_open(m, "s", IPK_MANAGED_SEMAPHORE(.value = 1, .max = 2),
					    ipk_now(), &s),
		 "IPK_MANAGED_SEMAPHORE(.max): ");
	is_about(ipk_managed_barrier_open(m, "b", IPK_MANAGED_BARRIER(), ipk_now(), &b),
		 "IPK_MANAGED_BARRIER(.n_parties): ");
	is_about(ipk_managed_cond_open(m, "c", IPK_MANAGED_COND(.lock_name = ""), ipk_now(), &c),
		 "IPK_MANAGED_COND(.lock_name): ");
	is_about(ipk_managed_array_open(m, "a", IPK_MANAGED_ARRAY(.n_items = 0), ipk_now(), &a),
		 "IPK_MANAGED_ARRAY(.n_items): ");
	is_about(ipk_managed_queue_open(m, "q", IPK_MANAGED_QUEUE(.kind = 9), ipk_now(), &q),
		 "IPK_MANAGED_QUEUE(.kind): ");
	asked("");
	ipk_manager_close(m);
}
END_TEST

START_TEST(arguments_are_named)
{
	const ipk_bytes no_bytes = {NULL, 1};
	const ipk_bytes field = {"f", 1};
	ipk_managed_queue *q;
	ipk_manager *none;
	ipk_reply *reply;
	ipk_watch *w;
	ipk_dict *d;
	ipk_list *l;
	char buf[8];
	size_t n;
	bool done;

	m = manager_in_words();
	ck_ok(ipk_dict_open(m, "d", &d));
	ck_ok(ipk_list_open(m, "l", &l));
	answers(":1\r\n");
	ck_ok(ipk_managed_queue_open(m, "q", NULL, ipk_now(), &q));
	wire.words[0] = 0;
	is_about(ipk_manager_connect("http://x", NULL, ipk_now(), &none), "address: ");
	is_about(ipk_manager_connect("redis://h?db=x", NULL, ipk_now(), &none), "address: ");
	is_about(ipk_manager_delete(m, "", ipk_now()), "name: ");
	is_about(ipk_manager_command(m, NULL, 0, ipk_now(), &reply), "n_words: ");
	is_about(command("SELECT"), "words: ");
	is_about(ipk_manager_transact(m, NULL, 0, NULL, NULL, ipk_now()), "fn ");
	is_about(ipk_watch_open(m, "d", no_bytes, ipk_now(), &w), "field: ");
	is_about(ipk_ref_pack(0, "d", buf, sizeof buf, &n), "kind: ");
	is_about(ipk_dict_get(d, field, NULL, 1, ipk_now(), &n), "buf ");
	is_about(ipk_dict_set(d, no_bytes, "x", 1, ipk_now()), "field: ");
	is_about(ipk_dict_set(d, field, NULL, 1, ipk_now()), "data: ");
	is_about(ipk_dict_cas(d, field, &no_bytes, NULL, ipk_now(), &done), "expected or desired");
	is_about(ipk_list_slice(l, 0, 1, 0, ipk_now(), &reply), "step: ");
	is_about(ipk_list_sort(l, (ipk_sort_by)9, false, ipk_now()), "by: ");
	is_about(ipk_list_repeat(l, UINT64_MAX, ipk_now()), "n: ");
	is_about(ipk_managed_queue_put_many(q, NULL, 0, ipk_now(), &n), "n_items: ");
	is_about(ipk_managed_queue_task_done(q, 0, ipk_now()), "n: ");
	is_about(ipk_managed_queue_shutdown(q, (ipk_shutdown)9, ipk_now()), "mode: ");
	asked("");
	/* The server's own: the text is with the manager. */
	answers("-VALUE not a number\r\n");
	is_about(ipk_list_sort(l, IPK_SORT_NUMBER, false, ipk_now()), "the server refused it");
	ck_assert_str_eq(ipk_manager_error(), "VALUE not a number");
	ipk_managed_queue_close(q);
	ipk_list_close(l);
	ipk_dict_close(d);
	ipk_manager_close(m);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("manager");

	add_test(s, options);
	add_loop_test(s, addresses_of_no_kind, 0,
		      (int)(sizeof no_addresses / sizeof no_addresses[0]));
	add_test(s, names_of_handles);
	add_test(s, commands_that_change_the_connection);
	add_test(s, a_refusal_is_an_answer_of_a_command);
	add_test(s, simple_questions);
	add_test(s, expiring);
	add_test(s, options_are_named);
	add_test(s, arguments_are_named);
	return s;
}
IPK_TEST_MAIN(suite)
