/*
 * manager_calls.h - tests of a manager's handles over any connection: the same for our own server,
 * local and remote, and for Redis.
 */
#ifndef IPK_TESTS_MANAGER_CALLS_H
#define IPK_TESTS_MANAGER_CALLS_H

#include "ipk/manager.h"

#define SOON ipk_in_ms(WAIT_MS)

void check_dict(ipk_manager *m);
void check_dict_iteration(ipk_manager *m);
void check_list(ipk_manager *m);
void check_list_iteration(ipk_manager *m);
void check_typed(ipk_manager *m);
void check_nested(ipk_manager *m);
void check_values(ipk_manager *m);
void check_array(ipk_manager *m);
void check_queue(ipk_manager *m);
void check_locks(ipk_manager *m);
void check_batch(ipk_manager *m);
void check_transact(ipk_manager *m);
void check_whole(ipk_manager *m); /* deletes everything */

#endif
