/* test_fence.c - lib/os/fence.c: of two sides that store and then check, one sees the other. */
#include <sys/mman.h>

#include "os/os.h"
#include "support/support.h"

/*
 * Fewer where no two processors are free for the sides: each round then takes a time slice.
 */
enum { N_ROUNDS = 20000, N_ROUNDS_MIN = 200 };
#define ROUNDS_NS ((int64_t)3 * 1000000000)

/* Both words 0 and both sides at the line; then each stores its own and looks at the other's. */
struct track {
	_Alignas(128) _Atomic uint32_t light_round;
	_Alignas(128) _Atomic uint32_t heavy_round;
	_Alignas(128) _Atomic uint32_t light_word;
	_Alignas(128) _Atomic uint32_t heavy_word;
	_Alignas(128) _Atomic uint32_t n_rounds; /* that are made */
	_Alignas(128) uint32_t light_saw[N_ROUNDS];
	uint32_t heavy_saw[N_ROUNDS];
};

static struct track *make_track(void)
{
	struct track *t =
		mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert(t != MAP_FAILED);
	t->n_rounds = N_ROUNDS;
	return t;
}

/* Both start a round at about the same time: by looking, not by sleeping. */
static void meet(_Atomic uint32_t *mine, const _Atomic uint32_t *other, uint32_t round)
{
	atomic_store(mine, round);
	for (uint32_t n = 0; atomic_load(other) < round; n++) {
		if (n % 1000 == 999)
			ipk__os_yield();
	}
}

static int run_light(void *arg)
{
	struct track *t = arg;

	for (uint32_t i = 0; i < t->n_rounds; i++) {
		meet(&t->light_round, &t->heavy_round, i + 1);
		atomic_store_explicit(&t->light_word, i + 1, memory_order_relaxed);
		ipk__os_fence_light();
		t->light_saw[i] = atomic_load_explicit(&t->heavy_word, memory_order_relaxed);
	}
	return 0;
}

static void run_heavy(struct track *t)
{
	int64_t end_ns = ipk__os_now_ns() + ROUNDS_NS;

	for (uint32_t i = 0; i < t->n_rounds; i++) {
		/* Before the other side can be through with this round, its last. */
		if (i + 1 >= N_ROUNDS_MIN && i % 100 == 0 && ipk__os_now_ns() > end_ns)
			t->n_rounds = i + 1;
		meet(&t->heavy_round, &t->light_round, i + 1);
		atomic_store_explicit(&t->heavy_word, i + 1, memory_order_relaxed);
		ipk__os_fence_heavy();
		t->heavy_saw[i] = atomic_load_explicit(&t->light_word, memory_order_relaxed);
	}
}

START_TEST(one_side_sees_the_other)
{
	struct track *t = make_track();
	pid_t other;

	ipk__os_fence_start();
	other = spawn(run_light, t); /* it inherits what was started */
	run_heavy(t);
	reap_ok(other);
	for (uint32_t i = 0; i < t->n_rounds; i++)
		ck_assert_msg(t->light_saw[i] > i || t->heavy_saw[i] > i, "round %u", i);
	munmap(t, sizeof *t);
}
END_TEST

/* A process that could not register fences for itself. */
static int run_light_unregistered(void *arg)
{
	atomic_store(&ipk__os_fences_are_light, false);
	return run_light(arg);
}

START_TEST(without_membarrier_too)
{
	struct track *t = make_track();
	pid_t other = spawn(run_light_unregistered, t);

	run_heavy(t);
	reap_ok(other);
	for (uint32_t i = 0; i < t->n_rounds; i++)
		ck_assert_msg(t->light_saw[i] > i || t->heavy_saw[i] > i, "round %u", i);
	munmap(t, sizeof *t);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("fence");

	add_test(s, one_side_sees_the_other);
	add_test(s, without_membarrier_too);
	return s;
}

IPK_TEST_MAIN(suite)
