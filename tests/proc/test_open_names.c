/*
 * test_open_names.c - names that do not exist yet, and names that do: open waits for the creator,
 * create with open_existing opens an existing object, in any order of arrival.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipk.h"
#include "support/support.h"

#define N_RACERS 4

static char name[UNIQUE_NAME_BYTES];

/* Each noun: its options but for the name, and others that contradict. */
#define NOUNS(X)                                                                             \
	X(queue, IPK_QUEUE(.name = name, .max_items = 3, .open_existing = existing),         \
	  IPK_QUEUE(.name = name, .max_items = 4, .open_existing = true))                    \
	X(lock, IPK_LOCK(.name = name, .open_existing = existing),                           \
	  IPK_LOCK(.name = name, .is_recursive = true, .open_existing = true))               \
	X(rwlock, IPK_RWLOCK(.name = name, .open_existing = existing),                       \
	  IPK_RWLOCK(.name = name, .max_readers = 512, .open_existing = true))               \
	X(semaphore, IPK_SEMAPHORE(.name = name, .max = 3, .open_existing = existing),       \
	  IPK_SEMAPHORE(.name = name, .max = 4, .open_existing = true))                      \
	X(barrier, IPK_BARRIER(.name = name, .n_parties = 2, .open_existing = existing),     \
	  IPK_BARRIER(.name = name, .n_parties = 3, .open_existing = true))                  \
	X(value, IPK_VALUE(.name = name, .typecode = 'i', .open_existing = existing),        \
	  IPK_VALUE(.name = name, .typecode = 'd', .open_existing = true))                   \
	X(array,                                                                             \
	  IPK_ARRAY(.name = name, .typecode = 'i', .n_items = 3, .open_existing = existing), \
	  IPK_ARRAY(.name = name, .typecode = 'i', .n_items = 4, .open_existing = true))

/* Those without options that could contradict. */
#define PLAIN_NOUNS(X)                                                     \
	X(cond, IPK_COND(.name = name, .open_existing = existing), NULL)   \
	X(event, IPK_EVENT(.name = name, .open_existing = existing), NULL) \
	X(once, IPK_ONCE(.name = name, .open_existing = existing), NULL)

#define FUNCTIONS(noun, opts, other)                                       \
	static int make_##noun(bool existing, void **ret_handle)           \
	{                                                                  \
		ipk_##noun *handle = NULL;                                 \
		int r = ipk_##noun##_create(opts, &handle);                \
                                                                           \
		*ret_handle = handle;                                      \
		return r;                                                  \
	}                                                                  \
	static int make_other_##noun(void)                                 \
	{                                                                  \
		ipk_##noun *handle = NULL;                                 \
		const void *o = other;                                     \
		int r = o ? ipk_##noun##_create(o, &handle) : -EPROTOTYPE; \
                                                                           \
		ipk_##noun##_close(handle);                                \
		return r;                                                  \
	}                                                                  \
	static int open_##noun(ipk_deadline deadline, void **ret_handle)   \
	{                                                                  \
		ipk_##noun *handle = NULL;                                 \
		int r = ipk_##noun##_open(name, deadline, &handle);        \
                                                                           \
		*ret_handle = handle;                                      \
		return r;                                                  \
	}                                                                  \
	static void close_##noun(void *handle)                             \
	{                                                                  \
		ipk_##noun##_close(handle);                                \
	}                                                                  \
	static int unlink_##noun(void)                                     \
	{                                                                  \
		return ipk_##noun##_unlink(name);                          \
	}
NOUNS(FUNCTIONS)
PLAIN_NOUNS(FUNCTIONS)

/* Of shared memory openings have flags. */
#define ipk_shm_open(name, deadline, ret) ipk_shm_open((name), 0, (deadline), (ret))
#define ipk_shm_unlink(name) ipk_shm_unlink((name), 0)
FUNCTIONS(shm, IPK_SHM(.name = name, .size_bytes = 100, .open_existing = existing),
	  IPK_SHM(.name = name, .size_bytes = 101, .open_existing = true))

static const struct noun {
	const char *what;
	int (*make)(bool existing, void **ret_handle);
	int (*make_other)(void);
	int (*open)(ipk_deadline deadline, void **ret_handle);
	void (*close)(void *handle);
	int (*unlink)(void);
} nouns[] = {
#define ROW(noun, opts, other) \
	{#noun, make_##noun, make_other_##noun, open_##noun, close_##noun, unlink_##noun},
	NOUNS(ROW) PLAIN_NOUNS(ROW) ROW(shm, , )};

#define N_NOUNS ((int)(sizeof nouns / sizeof nouns[0]))

START_TEST(what_is_there_is_opened)
{
	const struct noun *n = &nouns[_i];
	void *first, *second, *third;

	unique_name(name, n->what);
	ck_err(n->open(ipk_now(), &first), -ENOENT);
	ck_err(n->open(ipk_in_ms(20), &first), -ENOENT);
	ck_ok(n->make(true, &first));
	ck_err(n->make(false, &second), -EEXIST);
	ck_ok(n->make(true, &second));
	ck_ok(n->open(ipk_forever(), &third));
	ck_err(n->make_other(), -EPROTOTYPE);
	ck_ok(n->unlink());
	n->close(first);
	n->close(second);
	n->close(third);
}
END_TEST

/* While its maker has not yet come. */
struct opener {
	const struct noun *noun;
	_Atomic pid_t tid;
};

static void *open_it(void *arg)
{
	struct opener *o = arg;
	const struct noun *n = o->noun;
	void *handle = NULL;
	int r;

	atomic_store(&o->tid, gettid());
	r = n->open(ipk_in_ms(WAIT_MS), &handle);
	if (r == 0)
		n->close(handle);
	return (void *)(intptr_t)r; /* NOLINT(performance-no-int-to-ptr) */
}

START_TEST(opening_waits_for_the_maker)
{
	const struct noun *n = &nouns[_i];
	struct opener opener = {.noun = n};
	pthread_t thread;
	void *handle, *r;

	unique_name(name, n->what);
	ck_assert_int_eq(pthread_create(&thread, NULL, open_it, &opener), 0);
	while (atomic_load(&opener.tid) == 0)
		sched_yield();
	ck_wait_asleep(opener.tid);
	ck_ok(n->make(false, &handle));
	pthread_join(thread, &r);
	ck_ok((int)(intptr_t)r);
	ck_ok(n->unlink());
	n->close(handle);
}
END_TEST

static int add_one(void *arg)
{
	IPK_AUTO(value, v);

	(void)arg;
	IPK_CHECK(ipk_value_create(IPK_VALUE(.name = name, .typecode = 'i', .open_existing = true),
				   &v));
	IPK_CHECK(ipk_value_add(v, 1, NULL));
	return 0;
}

/* All at once: one makes it, all have the same. */
START_TEST(who_comes_first_makes_it)
{
	IPK_AUTO(value, v);
	int sum = 0;

	unique_name(name, "race");
	for (int round = 0; round < 20; round++) {
		ipk_process *children[N_RACERS];
		ipk_process_status status;

		for (int i = 0; i < N_RACERS; i++)
			ck_ok(ipk_process_start(add_one, NULL, NULL, &children[i]));
		for (int i = 0; i < N_RACERS; i++) {
			ck_ok(ipk_process_join(children[i], ipk_in_ms(WAIT_MS), &status));
			ck_assert_int_eq(status.exit_code, 0);
			ipk_process_close(children[i]);
		}
		ck_ok(ipk_value_open(name, ipk_now(), &v));
		ck_ok(ipk_value_load(v, &sum));
		ck_assert_int_eq(sum, N_RACERS);
		v = ipk_value_close(v);
		ck_ok(ipk_value_unlink(name));
	}
}
END_TEST

START_TEST(only_names_can_be_there)
{
	ipk_event *event;
	ipk_queue *q;
	ipk_shm *shm;

	ck_err(ipk_event_create(IPK_EVENT(.open_existing = true), &event), -EINVAL);
	ck_err(ipk_queue_create(IPK_QUEUE(.open_existing = true), &q), -EINVAL);
	ck_err(ipk_shm_create(IPK_SHM(.size_bytes = 1, .open_existing = true), &shm), -EINVAL);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("open_names");

	add_loop_test(s, what_is_there_is_opened, 0, N_NOUNS);
	add_loop_test(s, opening_waits_for_the_maker, 0, N_NOUNS);
	add_test(s, who_comes_first_makes_it);
	add_test(s, only_names_can_be_there);
	return s;
}
IPK_TEST_MAIN(suite)
