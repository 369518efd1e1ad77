/*
 * test_reserved.c - structs that the library copies out can grow: their sizes stay, and their
 * reserved fields are 0 whatever was there before.
 */
#include <string.h>

#include "ipk.h"
#include "ipk/manager.h"
#include "ipk/manager_queue.h"
#include "ipk/manager_server.h"
#include "support/support.h"

#ifdef __LP64__
_Static_assert(sizeof(ipk_process_status) == 104, "ipk_process_status");
_Static_assert(sizeof(ipk_process_info) == 296, "ipk_process_info");
_Static_assert(sizeof(ipk_failure) == 328, "ipk_failure");
_Static_assert(sizeof(ipk_worker_info) == 96, "ipk_worker_info");
_Static_assert(sizeof(ipk_progress) == 184, "ipk_progress");
_Static_assert(sizeof(ipk_managed_queue_state) == 96, "ipk_managed_queue_state");
_Static_assert(sizeof(ipk_managed_owner) == 224, "ipk_managed_owner");
_Static_assert(sizeof(ipk_reply_value) == 80, "ipk_reply_value");
#endif

#define ck_reserved(s)                                                 \
	do {                                                           \
		for (size_t i_ = 0; i_ < sizeof(s).reserved / 8; i_++) \
			ck_assert_uint_eq((s).reserved[i_], 0);        \
	} while (0)

static int return_7(void *arg)
{
	(void)arg;
	return 7;
}

START_TEST(of_processes)
{
	IPK_AUTO(process, child);
	ipk_process_status status;
	ipk_process_info info;
	size_t n;

	memset(&status, 0xff, sizeof status);
	memset(&info, 0xff, sizeof info);
	ck_ok(ipk_process_start(return_7, NULL, IPK_PROCESS(.name = "seven"), &child));
	ck_ok(ipk_active_children(&info, 1, &n));
	if (n == 1)
		ck_reserved(info);
	ck_ok(ipk_process_join(child, ipk_in_ms(WAIT_MS), &status));
	ck_assert_int_eq(status.exit_code, 7);
	ck_reserved(status);
}
END_TEST

static int return_1(ipk_task *task, const void *arg, size_t arg_bytes)
{
	(void)task, (void)arg, (void)arg_bytes;
	return 1;
}

START_TEST(of_pools)
{
	IPK_AUTO(pool, pool);
	IPK_AUTO(future, f);
	ipk_worker_info workers[2];
	ipk_progress progress;
	ipk_failure failure;
	size_t n;

	memset(workers, 0xff, sizeof workers);
	memset(&progress, 0xff, sizeof progress);
	memset(&failure, 0xff, sizeof failure);
	ck_ok(ipk_pool_create(IPK_POOL(.n_workers = 1), &pool));
	ck_ok(ipk_pool_submit(pool, return_1, NULL, 0, NULL, &f));
	ck_err(ipk_future_get(f, NULL, 0, ipk_in_ms(WAIT_MS), NULL), -EREMOTEIO);
	ck_ok(ipk_future_failure(f, &failure));
	ck_assert_int_eq(failure.code, 1);
	ck_reserved(failure);
	ck_reserved(failure.status);
	ck_ok(ipk_pool_workers(pool, workers, 2, &n));
	ck_assert_uint_eq(n, 1);
	ck_reserved(workers[0]);
	ck_ok(ipk_pool_progress(pool, &progress));
	ck_assert_uint_eq(progress.n_failed, 1);
	ck_reserved(progress);
}
END_TEST

START_TEST(of_managers)
{
	IPK_AUTO(manager_server, server);
	IPK_AUTO(manager, m);
	IPK_AUTO(managed_queue, q);
	IPK_AUTO(managed_lock, lock);
	IPK_AUTO(reply, reply);
	const ipk_bytes words[] = {{"PING", 4}};
	ipk_managed_queue_state state;
	ipk_managed_owner owner;
	ipk_reply_value value;

	memset(&state, 0xff, sizeof state);
	memset(&owner, 0xff, sizeof owner);
	memset(&value, 0xff, sizeof value);
	ck_ok(ipk_manager_server_start(NULL, ipk_in_ms(WAIT_MS), &server));
	ck_ok(ipk_manager_connect(ipk_manager_server_address(server), NULL, ipk_in_ms(WAIT_MS),
				  &m));
	ck_ok(ipk_managed_queue_open(m, "q", NULL, ipk_in_ms(WAIT_MS), &q));
	ck_ok(ipk_managed_queue_state_get(q, ipk_in_ms(WAIT_MS), &state));
	ck_reserved(state);
	ck_ok(ipk_managed_lock_open(m, "l", NULL, ipk_in_ms(WAIT_MS), &lock));
	ck_ok(ipk_managed_lock_lock(lock, ipk_in_ms(WAIT_MS)));
	ck_ok(ipk_managed_lock_owner(lock, ipk_in_ms(WAIT_MS), &owner));
	ck_assert(owner.is_held);
	ck_reserved(owner);
	ck_ok(ipk_manager_command(m, words, 1, ipk_in_ms(WAIT_MS), &reply));
	ck_ok(ipk_reply_next(reply, &value));
	ck_assert_int_eq(value.kind, IPK_REPLY_TEXT);
	ck_reserved(value);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("reserved");

	add_test(s, of_processes);
	add_test(s, of_pools);
	add_test(s, of_managers);
	return s;
}
IPK_TEST_MAIN(suite)
