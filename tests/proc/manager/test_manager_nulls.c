/*
 * test_manager_nulls.c - outputs that are NULL: an error where the call is for nothing without them,
 * and nothing where the header says that they are not wanted.
 */
#include "ipk/manager.h"
#include "ipk/manager_batch.h"
#include "ipk/manager_dict.h"
#include "ipk/manager_list.h"
#include "ipk/manager_queue.h"
#include "ipk/manager_server.h"
#include "ipk/manager_sync.h"
#include "ipk/manager_value.h"
#include "manager_calls.h"
#include "support/support.h"

static ipk_manager_server *server;
static ipk_manager *m;

static void begin(void)
{
	ck_ok(ipk_manager_server_start(NULL, SOON, &server));
	ck_ok(ipk_manager_connect(ipk_manager_server_address(server), NULL, SOON, &m));
}

static void end(void)
{
	m = ipk_manager_close(m);
	server = ipk_manager_server_close(server);
}

#define ck_told(call)                                                                \
	do {                                                                         \
		ck_err(call, -EINVAL);                                               \
		ck_assert_ptr_nonnull(strstr(ipk_error_detail(-EINVAL), "is NULL")); \
	} while (0)

START_TEST(what_a_call_is_for_is_asked_for)
{
	IPK_AUTO(dict, d);
	IPK_AUTO(list, l);
	IPK_AUTO(managed_queue, q);
	IPK_AUTO(managed_value, v);
	IPK_AUTO(managed_lock, lock);
	IPK_AUTO(managed_event, event);

	begin();
	ck_ok(ipk_dict_open(m, "d", &d));
	ck_ok(ipk_list_open(m, "l", &l));
	ck_ok(ipk_managed_queue_open(m, "q", NULL, SOON, &q));
	ck_ok(ipk_managed_value_open(m, "v", &v));
	ck_ok(ipk_managed_lock_open(m, "lock", NULL, SOON, &lock));
	ck_ok(ipk_managed_event_open(m, "event", SOON, &event));
	ck_told(ipk_dict_open(m, "d", NULL));
	ck_told(ipk_dict_contains(d, ipk_text("a"), SOON, NULL));
	ck_told(ipk_dict_keys(d, SOON, NULL));
	ck_told(ipk_dict_iter_open(d, NULL));
	ck_told(ipk_dict_popitem_alloc(d, SOON, NULL, NULL, NULL, NULL));
	ck_told(ipk_list_index(l, "a", 1, 0, IPK_OMIT, SOON, NULL));
	ck_told(ipk_list_slice(l, 0, 1, 1, SOON, NULL));
	ck_told(ipk_managed_queue_state_get(q, SOON, NULL));
	ck_told(ipk_managed_queue_open(m, "q", NULL, SOON, NULL));
	ck_told(ipk_managed_value_load(v, SOON, NULL));
	ck_told(ipk_managed_lock_owner(lock, SOON, NULL));
	ck_told(ipk_managed_event_is_set(event, SOON, NULL));
	ck_told(ipk_manager_exists(m, "d", SOON, NULL));
	ck_told(ipk_keys_open(m, NULL, NULL));
	ck_told(ipk_batch_create(m, NULL));
	ck_told(ipk_watch_open(m, "d", ipk_text("a"), SOON, NULL));
	d = ipk_dict_close(d);
	l = ipk_list_close(l);
	q = ipk_managed_queue_close(q);
	v = ipk_managed_value_close(v);
	lock = ipk_managed_lock_close(lock);
	event = ipk_managed_event_close(event);
	end();
}
END_TEST

START_TEST(what_is_not_wanted_is_left_out)
{
	IPK_AUTO(dict, d);
	IPK_AUTO(managed_queue, q);
	char buf[8];

	begin();
	ck_ok(ipk_dict_open(m, "d", &d));
	ck_ok(ipk_dict_set(d, ipk_text("a"), "b", 1, SOON));
	ck_ok(ipk_dict_get(d, ipk_text("a"), buf, sizeof buf, SOON, NULL));
	ck_ok(ipk_manager_len(m, SOON, NULL));
	ck_ok(ipk_managed_queue_open(m, "q", NULL, SOON, &q));
	ck_ok(ipk_managed_queue_len(q, SOON, NULL));
	d = ipk_dict_close(d);
	q = ipk_managed_queue_close(q);
	end();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("manager_nulls");

	add_test(s, what_a_call_is_for_is_asked_for);
	add_test(s, what_is_not_wanted_is_left_out);
	return s;
}
IPK_TEST_MAIN(suite)
