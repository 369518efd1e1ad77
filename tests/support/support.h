/*
 * support.h - what every Check program here uses on top of Check.
 *
 *   START_TEST(put_then_get)
 *   {
 *           ck_ok(ipk_queue_put(q, "x", 1, ipk_in_ms(WAIT_MS)));
 *           ck_err(ipk_queue_put(q, "x", 1, ipk_now()), -ETIMEDOUT);
 *   }
 *   END_TEST
 *
 *   static Suite *suite(void)
 *   {
 *           Suite *s = suite_create("queue");
 *
 *           add_test(s, put_then_get);
 *           return s;
 *   }
 *   IPK_TEST_MAIN(suite)
 *
 * Each test is a test case of its own, so that CK_RUN_CASE=put_then_get runs just that
 * one (CK_FORK=no under gdb). After each, the test fails when it left an fd, a mapping
 * of ipk memory, a child, a directory or a name in /dev/shm behind; names and directories
 * that a killed test left are swept by its runner, so nothing lasts beyond the run.
 */
#ifndef IPK_TESTS_SUPPORT_H
#define IPK_TESTS_SUPPORT_H

#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/types.h>

#include "ipk/error.h"
#include "support/listed.h"

/*
 * The deadline for what must happen: far beyond any load, below the test's own timeout. That is
 * ten times what any test takes alone and more, for Check's clock runs on while others run.
 */
#define WAIT_MS 60000
#define TEST_SECONDS 100

/*
 * Check writes to a file at each assertion that holds, to say how far a test came that was
 * killed; in a long loop that is most of what the loop takes. So not at each once there were
 * many: an assertion that fails is told exactly all the same.
 */
extern _Thread_local unsigned support_n_marks;
extern _Thread_local bool support_is_marking; /* what is called then is Check's, not ours */
static inline void support_mark(const char *file, int line)
{
	if (support_n_marks++ >= 500 && support_n_marks % 256 != 0)
		return;
	support_is_marking = true;
	_mark_point(file, line);
	support_is_marking = false;
}
#define _mark_point(file, line) support_mark(file, line)

/* How often to repeat: @n times, fewer where a sanitizer makes everything ten times slower. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define repeats(n) ((n) / 8 + 1)
#else
#define repeats(n) (n)
#endif

/* --- asserting ipk calls ---------------------------------------------------------------------- */

#define ck_ok(call)                                                                         \
	do {                                                                                \
		int ck_ok_r_ = (call);                                                      \
		ck_assert_msg(ck_ok_r_ == 0, "%s is -%s: %s", #call, ipk_errname(ck_ok_r_), \
			      ipk_strerror(ck_ok_r_));                                      \
	} while (0)

#define ck_err(call, error)                                                                  \
	do {                                                                                 \
		int ck_err_r_ = (call), ck_err_want_ = (error);                              \
		ck_assert_msg(ck_err_r_ == ck_err_want_, "%s is -%s (%d), not -%s", #call,   \
			      ipk_errname(ck_err_r_), ck_err_r_, ipk_errname(ck_err_want_)); \
	} while (0)

/* --- suites ----------------------------------------------------------------------------------- */

#define add_test(suite, test) add_test_seconds(suite, test, TEST_SECONDS)
#define add_test_seconds(suite, test, seconds) \
	tcase_add_test(support_case(suite, #test, seconds, true), test)
/* Runs the test with _i = from .. to - 1. */
#define add_loop_test(suite, test, from, to) \
	tcase_add_loop_test(support_case(suite, #test, TEST_SECONDS, true), test, from, to)
/* For a test that ends by a signal or _exit(): tcase_add_test_raise_signal(...). */
#define test_case_without_leak_check(suite, name) support_case(suite, name, TEST_SECONDS, false)

TCase *support_case(Suite *suite, const char *name, int seconds, bool check_leaks);
int support_run(Suite *suite); /* the exit code of the program */

#define IPK_TEST_MAIN(make_suite)                 \
	int main(void)                            \
	{                                         \
		return support_run(make_suite()); \
	}

/* --- names and leaks -------------------------------------------------------------------------- */

/* A name no other test, process or run uses: "t-<pid of the runner>-<n>-<tag>". */
enum { UNIQUE_NAME_BYTES = 64 };
void unique_name(char buf[UNIQUE_NAME_BYTES], const char *tag);

int count_fds(void);   /* open in this process */
int count_maps(void);  /* mappings of ipk memory in this process, memfds and /dev/shm */
int count_names(void); /* /dev/shm/<unique_name()> of this run, with "ipk." in front or raw */

/* mkdtemp(), and what is left of it goes when the test is over, however it ended. */
char *support_mkdtemp(char *template);
#define mkdtemp support_mkdtemp

/* For test bodies that check at more points than the end. */
struct leaks {
	int n_fds;
	int n_maps;
	int n_names;
	int n_directories;
};
struct leaks leaks_now(void);
void ck_no_leaks(const struct leaks *before); /* children count too */

/* --- facts and processes ---------------------------------------------------------------------- */

/* Asks again and again until @fact holds; false when it still does not after @ms. */
bool wait_until(bool (*fact)(void *arg), void *arg, int ms);

/* The process or thread sleeps in the kernel (or is stopped, for is_stopped). */
bool is_asleep(pid_t tid);
bool is_stopped(pid_t pid);
void ck_wait_asleep(pid_t tid);

/* Runs @fn in a fork; its return value is the exit code, a failed assertion is 1. */
pid_t spawn(int (*fn)(void *arg), void *arg);
void reap_ok(pid_t pid); /* exit code 0 */
void reap_code(pid_t pid, int code);
void reap_signal(pid_t pid, int sig); /* a signal ended it */
void kill_and_reap(pid_t pid);        /* SIGKILL */

/* A gate between processes: made before the fork, opened once, waited for by anybody. */
struct gate {
	int fds[2];
};
void gate_init(struct gate *g);
void gate_open(struct gate *g);
void gate_wait(struct gate *g); /* WAIT_MS at most, otherwise the test fails */
void gate_fini(struct gate *g);

#endif
