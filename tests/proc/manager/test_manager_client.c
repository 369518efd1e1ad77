/*
 * test_manager_client.c - every call of the manager's client, over each kind of connection to our
 * own server; threads, forks, and servers that are stopped, die and restart.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ipk/manager_server.h"
#include "manager_calls.h"
#include "support/support.h"

/* --- every call, over each kind of connection ------------------------------------------------- */

static const struct {
	const char *name;
	void (*check)(ipk_manager *m);
} checks[] = {
	{"dict", check_dict},     {"dict_iteration", check_dict_iteration},
	{"list", check_list},     {"list_iteration", check_list_iteration},
	{"typed", check_typed},   {"nested", check_nested},
	{"values", check_values}, {"array", check_array},
	{"queue", check_queue},   {"locks", check_locks},
	{"batch", check_batch},   {"transact", check_transact},
	{"whole", check_whole},
};
enum { CHECKS = sizeof checks / sizeof checks[0] };

START_TEST(over_a_ring)
{
	IPK_AUTO(manager_server, s);
	IPK_AUTO(manager, m);

	ck_ok(ipk_manager_server_start(NULL, SOON, &s));
	ck_ok(ipk_manager_connect(ipk_manager_server_address(s), NULL, SOON, &m));
	ck_assert(ipk_manager_is_local(m));
	checks[_i].check(m);
}
END_TEST

START_TEST(over_a_unix_socket)
{
	IPK_AUTO(manager_server, s);
	IPK_AUTO(manager, m);

	ck_ok(ipk_manager_server_start(NULL, SOON, &s));
	ck_ok(ipk_manager_connect(ipk_manager_server_address(s),
				  IPK_MANAGER_CONNECT(.no_local = true, .label = "far"), SOON, &m));
	ck_assert(!ipk_manager_is_local(m));
	checks[_i].check(m);
}
END_TEST

START_TEST(over_tcp_with_a_key)
{
	IPK_AUTO(manager_server, s);
	IPK_AUTO(manager, m);
	const char *key = "a key that nobody guesses";

	ck_ok(ipk_manager_server_start(IPK_MANAGER_SERVER(.address = "tcp:127.0.0.1:0", .key = key),
				       SOON, &s));
	ck_err(ipk_manager_connect(ipk_manager_server_address(s),
				   IPK_MANAGER_CONNECT(.key = "another key of that length"), SOON,
				   &m),
	       -EACCES);
	ck_ok(ipk_manager_connect(ipk_manager_server_address(s), IPK_MANAGER_CONNECT(.key = key),
				  SOON, &m));
	checks[_i].check(m);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("manager_client");

	add_loop_test(s, over_a_ring, 0, CHECKS);
	add_loop_test(s, over_a_unix_socket, 0, CHECKS);
	add_loop_test(s, over_tcp_with_a_key, 0, CHECKS);
	return s;
}
IPK_TEST_MAIN(suite)
