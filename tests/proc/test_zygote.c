/*
 * test_zygote.c - fork servers: births, what children have, ends, and who takes over.
 *
 * The leak check around each test also fails it for a zombie or an fd that is left.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"
#include "process/zygote.h"
#include "support/support.h"

/* --- helpers --------------------------------------------------------------------------- */

static struct ipk__zygote *open_zygote(void)
{
	struct ipk__zygote *z = NULL;
	bool is_now = false;

	ck_ok(ipk__zygote_open(NULL, &z, &is_now));
	ck_assert(is_now);
	return z;
}

static struct ipk__born bear(struct ipk__zygote *z, const struct ipk__birth *birth)
{
	struct ipk__born born = {-1, -1, -1};

	ck_ok(ipk__zygote_bear(z, birth, ipk_in_ms(WAIT_MS), &born));
	ck_assert_int_gt(born.pid, 0);
	return born;
}

static ipk_process_status end_of(struct ipk__born *born)
{
	ipk_process_status status = {.exit_code = -2};

	ck_ok(ipk__born_status(born, ipk_in_ms(WAIT_MS), &status));
	ipk__born_close(born);
	return status;
}

static int run(struct ipk__zygote *z, const struct ipk__birth *birth)
{
	struct ipk__born born = bear(z, birth);

	return end_of(&born).exit_code;
}

/* --- children -------------------------------------------------------------------------- */

static int return_byte(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	(void)fds;
	return arg_bytes == 1 && n_fds == 0 ? *(unsigned char *)arg : 255;
}

static int raise_it(void *arg, size_t arg_bytes, const int *fds, size_t n_fds)
{
	(void)arg, (void)arg_bytes, (void)fds, (void)n_fds;
	raise(SIGKILL);
	return 0;
}

START_TEST(children_end_with_their_codes)
{
	struct ipk__zygote *z = open_zygote();

	for (int i = 0; i < 256; i += 51) {
		unsigned char code = (unsigned char)i;
		const struct ipk__birth birth = {.fn = return_byte, .arg = &code, .arg_bytes = 1};

		ck_assert_int_eq(run(z, &birth), i);
	}
	ck_assert_ptr_null(ipk__zygote_close(z));
	ck_assert_ptr_null(ipk__zygote_close(NULL));
}
END_TEST

START_TEST(children_end_by_signals)
{
	struct ipk__zygote *z = open_zygote();
	struct ipk__born born = bear(z, &(struct ipk__birth){.fn = raise_it});
	ipk_process_status status = end_of(&born);

	ck_assert_int_eq(status.signal, SIGKILL);
	ck_assert_int_eq(status.exit_code, -1);
	ck_assert_uint_gt(status.max_rss_bytes, 0);
	ipk__zygote_close(z);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("zygote");

	add_test(s, children_end_with_their_codes);
	add_test(s, children_end_by_signals);
	return s;
}

IPK_TEST_MAIN(suite)
