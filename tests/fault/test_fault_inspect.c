/*
 * test_fault_inspect.c - inspecting a pool and children with the k-th system call or allocation
 * failing, for every k.
 */
#include "fault/faults.h"
#include "inspect/inspect_internal.h"
#include "pool/pool_internal.h"
#include "process/registry_shared.h"
#include "shared/owner.h"
#include "support/support.h"

static struct ipk__segment segment;

static void make(const struct ipk__segment_plan *plan)
{
	ck_ok(ipk__segment_create(plan, &segment));
	ck_ok(ipk__segment_publish(&segment, NULL));
}

static void drop(void)
{
	ipk__segment_detach(&segment);
}

static int scan_once(void)
{
	struct ipk__object *o = calloc(1, sizeof *o);
	char label[IPK__LABEL_BYTES];
	int r;

	ck_assert_ptr_nonnull(o);
	r = ipk__probe_segment(segment.fd, o, label);
	ck_assert(r == 0 || (o->pub.n_workers == 0 && o->pub.n_children == 0));
	fault_disarm();
	ipk__object_free(o);
	return r;
}

static void make_pool(void)
{
	uint64_t slots_at = ipk__round_up(sizeof(struct ipk__shm_pool), 4096);
	uint64_t maps_at = slots_at + IPK__POOL_SLOTS * sizeof(struct ipk__pool_slot);
	struct ipk__shm_pool *shm;

	make(&(struct ipk__segment_plan){
		.kind = IPK__KIND_POOL,
		.label = "fault",
		.fixed_bytes = maps_at + IPK__POOL_MAPS * sizeof(struct ipk__shm_map),
	});
	shm = (struct ipk__shm_pool *)segment.header;
	shm->slots_offset = slots_at;
	shm->maps_offset = maps_at;
	for (unsigned i = 0; i < 3; i++) {
		shm->workers[i].state = IPK__WORKER_BUSY;
		shm->workers[i].since_ns = 1;
		shm->workers[i].slot = 1;
		shm->workers[i].fn = (uint64_t)(uintptr_t)make_pool;
	}
	shm->waiters.slots[0].tid = (uint32_t)ipk__os_tid();
	shm->waiters.slots[0].what = IPK__WAIT_RESULT;
}

static void make_children(void)
{
	struct ipk__shm_processes *shm;

	make(&(struct ipk__segment_plan){
		.kind = IPK__KIND_PROCESSES, .label = "fault", .fixed_bytes = sizeof *shm});
	shm = (struct ipk__shm_processes *)segment.header;
	for (unsigned i = 0; i < 3; i++) {
		shm->children[i].owner = ipk__owner_of(ipk__os_pid());
		shm->children[i].state = IPK__CHILD_RUNNING;
	}
}

FAULT_TEST(probe_a_pool, .prepare = make_pool, .run = scan_once, .check = drop)
FAULT_TEST(probe_children, .prepare = make_children, .run = scan_once, .check = drop)

static Suite *suite(void)
{
	Suite *s = suite_create("fault_inspect");

	add_test(s, probe_a_pool);
	add_test(s, probe_children);
	return s;
}
IPK_TEST_MAIN(suite)
