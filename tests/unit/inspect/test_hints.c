/*
 * test_hints.c - lib/inspect/hints.c: which of a pool's workers are reported to run a task for too
 * long. The times are made up: no machine need have run for so long.
 */
#include <string.h>

#include "inspect/inspect_internal.h"
#include "support/support.h"

#define S ((int64_t)1000000000)

/* The only hint at a pool with one worker like @w; NULL: there is none. */
static const char *hint_at(ipk_inspect_worker w, struct ipk__object *o)
{
	ipk_inspect_worker *workers = calloc(1, sizeof *workers);

	ck_assert_ptr_nonnull(workers);
	workers[0] = w;
	*o = (struct ipk__object){.workers = workers};
	o->pub.n_workers = o->pub.n_alive = 1;
	ck_ok(ipk__hints_of_pool(o, IPK__CREATOR_ALIVE));
	ck_assert_uint_le(o->pub.n_hints, 1);
	return o->pub.n_hints > 0 ? o->hints[0].text : NULL;
}

static void ck_hint(ipk_inspect_worker w, const char *wanted)
{
	struct ipk__object o;
	const char *text = hint_at(w, &o);

	if (wanted)
		ck_assert_msg(text && strstr(text, wanted), "%s", text ? text : "no hint");
	else
		ck_assert_msg(!text, "%s", text);
	free(o.workers);
	free(o.hints);
}

START_TEST(long_tasks_are_told)
{
	ipk_inspect_worker w = {.state = IPK_INSPECT_BUSY, .number = 2, .pid = 17};

	w.since_ns = 59 * S;
	ck_hint(w, NULL);
	w.since_ns = 503 * S;
	ck_hint(w, "worker 2 has run its task for 503 s: gdb -p 17 ");
	w.pid = 0;
	ck_hint(w, "worker 2 has run its task for 503 s: it is a thread");
	w.since_ns = -1; /* not known */
	ck_hint(w, NULL);
}
END_TEST

START_TEST(long_starts_are_told)
{
	ipk_inspect_worker w = {.state = IPK_INSPECT_STARTING, .pid = 17, .since_ns = 61 * S};

	ck_hint(w, "the initializer of worker 0 has run for 61 s");
	w.state = IPK_INSPECT_IDLE;
	ck_hint(w, NULL);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("hints");

	add_test(s, long_tasks_are_told);
	add_test(s, long_starts_are_told);
	return s;
}

IPK_TEST_MAIN(suite)
