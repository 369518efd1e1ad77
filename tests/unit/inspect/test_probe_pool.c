/*
 * test_probe_pool.c - pools and children whose memory is filled in by hand: what is read of workers
 * that run, are stopped, died or never existed, and thousands of scribbles.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "inspect/inspect_internal.h"
#include "pool/pool_internal.h"
#include "process/registry_shared.h"
#include "shared/owner.h"
#include "support/support.h"

#define N_MUTANTS 1500
#define S ((int64_t)1000000000)
#define BUSY_NS (S / 100) /* less than any clock has run for */

static struct ipk__segment segment;
static struct ipk__shm_pool *shm;
static struct ipk__pool_slot *slots;
static struct ipk__shm_map *maps;

static void make_pool(const char *label)
{
	uint64_t slots_offset = ipk__round_up(sizeof *shm, 4096);
	uint64_t maps_offset =
		slots_offset + IPK__POOL_SLOTS * ipk__round_up(sizeof(struct ipk__pool_slot), 64);
	uint64_t n_bytes = ipk__round_up(maps_offset + IPK__POOL_MAPS * sizeof *maps, 4096);
	const struct ipk__segment_plan plan = {
		.kind = IPK__KIND_POOL,
		.label = label,
		.fixed_bytes = (size_t)(n_bytes + IPK__POOL_HEAP_BYTES),
	};

	ck_ok(ipk__segment_create_sparse(&plan, (size_t)n_bytes, &segment));
	ck_ok(ipk__segment_publish(&segment, NULL));
	shm = (struct ipk__shm_pool *)segment.header;
	slots = (struct ipk__pool_slot *)((char *)shm + slots_offset);
	maps = (struct ipk__shm_map *)((char *)shm + maps_offset);
	shm->slots_offset = slots_offset;
	shm->maps_offset = maps_offset;
	shm->creator = ipk__owner_of(getpid());
}

static void set_worker(unsigned number, pid_t pid, uint32_t state)
{
	struct ipk__pool_worker *w = &shm->workers[number];

	w->owner = pid ? ipk__owner_of(pid) : 0;
	w->state = state;
	w->since_ns = ipk__os_now_ns() - BUSY_NS;
	w->started_boot_ns = ipk__os_boot_ns() - S / 100;
	w->n_started = 1;
	w->n_done = 100 + number;
	w->slot = 1;
	w->map = 0;
	w->fn = 0;
}

/* The pool called @label; lives in the snapshot. */
static const ipk_inspect_object *scan_pool(const char *label, ipk_inspect **ret_snap)
{
	const ipk_inspect_object *o;

	ck_ok(ipk_inspect_scan(IPK_INSPECT(.match = label), ret_snap));
	ck_assert_uint_eq(ipk_inspect_len(*ret_snap), 1);
	o = ipk_inspect_object_at(*ret_snap, 0);
	ck_assert_int_eq(o->error, 0);
	return o;
}

static int wait_for_gate(void *arg)
{
	gate_wait(arg);
	return 0;
}

static int task(void *arg)
{
	(void)arg;
	return 0;
}

/* --- a pool that works ------------------------------------------------------------------------ */

START_TEST(workers_and_their_work_are_told)
{
	char label[UNIQUE_NAME_BYTES];
	const ipk_inspect_worker *w;
	const ipk_inspect_object *o;
	ipk_inspect *snap;
	struct gate gate;
	pid_t child;

	unique_name(label, "pool");
	gate_init(&gate);
	make_pool(label);
	child = spawn(wait_for_gate, &gate);
	set_worker(0, child, IPK__WORKER_BUSY);
	shm->workers[0].fn = (uint64_t)(uintptr_t)task;
	shm->workers[0].slot = 7 + 1;
	slots[7].word = ipk__slot_word(3, 0, IPK__SLOT_TAKEN);
	slots[7].attempt = 2;
	slots[7].arg_bytes = 33;
	set_worker(1, child, IPK__WORKER_BUSY);
	shm->workers[1].fn = (uint64_t)(uintptr_t)task;
	shm->workers[1].slot = 0;
	shm->workers[1].map = 2 + 1;
	shm->workers[1].item = 17 + 1;
	maps[2].n_items = 1000;
	set_worker(3, child, IPK__WORKER_IDLE);
	set_worker(4, child, IPK__WORKER_RETIRED);
	shm->tail = 12;
	shm->head = 10;
	shm->counts.n_backlog = 5;
	shm->counts.n_submitted = 20;
	shm->counts.n_done = 4;
	o = scan_pool(label, &snap);
	ck_assert_str_eq(ipk_inspect_kind_name(o), "pool/processes");
	ck_assert_uint_eq(o->n_workers, 3);
	ck_assert_uint_eq(o->n_alive, 3);
	ck_assert_uint_eq(o->n_busy, 2);
	ck_assert_uint_eq(o->n_ready, 2);
	ck_assert_uint_eq(o->n_backlog, 5);
	/* Most of it is holes. */
	ck_assert_uint_lt(o->memory_bytes, 8 << 20);
	ck_assert_uint_eq(ipk_inspect_progress_of(o)->n_queued, 14);
	w = ipk_inspect_worker_at(o, 0);
	ck_assert_uint_eq(w->pid, (uint32_t)child);
	ck_assert_int_eq(w->state, IPK_INSPECT_BUSY);
	ck_assert(!w->is_gone && !w->is_stopped && !w->was_asked_to_stop);
	ck_assert_int_ge(w->since_ns, BUSY_NS);
	ck_assert_int_lt(w->since_ns, TEST_SECONDS * S);
	ck_assert_uint_eq(w->attempt, 2);
	ck_assert_uint_eq(w->arg_bytes, 33);
	ck_assert_uint_eq(w->n_done, 100);
	ck_assert(w->item == IPK_INSPECT_UNKNOWN);
	ck_assert_str_ne(w->comm, "");
	ck_assert_ptr_nonnull(strstr(w->function, "test_unit_inspect_probe_pool+0x"));
	ck_assert_str_eq(ipk_inspect_worker_at(o, 1)->function, w->function);
	w = ipk_inspect_worker_at(o, 1);
	ck_assert_uint_eq(w->item, 17);
	ck_assert_uint_eq(w->n_items, 1000);
	ck_assert_uint_eq(w->attempt, 0);
	w = ipk_inspect_worker_at(o, 2);
	ck_assert_uint_eq(w->number, 3);
	ck_assert_int_eq(w->state, IPK_INSPECT_IDLE);
	ck_assert_str_eq(w->function, "");
	ck_assert_ptr_null(ipk_inspect_worker_at(o, 3));
	ck_assert_uint_eq(o->n_hints, 0);
	ck_assert_ptr_null(ipk_inspect_hint_at(o, 0));
	ipk_inspect_close(snap);
	gate_open(&gate);
	reap_ok(child);
	gate_fini(&gate);
	ipk__segment_detach(&segment);
}
END_TEST

START_TEST(threads_have_no_process)
{
	char label[UNIQUE_NAME_BYTES];
	const ipk_inspect_object *o;
	ipk_inspect *snap;

	unique_name(label, "threads");
	make_pool(label);
	shm->kind = IPK_POOL_THREADS;
	set_worker(0, 0, IPK__WORKER_BUSY);
	shm->workers[0].fn = (uint64_t)(uintptr_t)task;
	/* Between two tasks. */
	set_worker(1, 0, IPK__WORKER_BUSY);
	shm->workers[1].fn = (uint64_t)(uintptr_t)task;
	shm->workers[1].slot = 0;
	o = scan_pool(label, &snap);
	ck_assert_str_eq(ipk_inspect_kind_name(o), "pool/threads");
	ck_assert_str_eq(ipk_inspect_worker_at(o, 1)->function, "");
	ck_assert_int_eq(ipk_inspect_worker_at(o, 1)->since_ns, -1);
	ck_assert_uint_eq(o->n_alive, 2);
	ck_assert_uint_eq(ipk_inspect_worker_at(o, 0)->pid, 0);
	ck_assert_ptr_nonnull(strstr(ipk_inspect_worker_at(o, 0)->function, "probe_pool+0x"));
	ipk_inspect_close(snap);
	ipk__segment_detach(&segment);
}
END_TEST

/* --- what is wrong ---------------------------------------------------------------------------- */

static bool has_hint(const ipk_inspect_object *o, const char *text)
{
	for (size_t i = 0; i < o->n_hints; i++) {
		if (strstr(ipk_inspect_hint_at(o, i), text))
			return true;
	}
	return false;
}

static bool stops(void *pid)
{
	return is_stopped(*(pid_t *)pid);
}

START_TEST(stopped_worker_is_not_dead)
{
	char label[UNIQUE_NAME_BYTES];
	const ipk_inspect_object *o;
	ipk_inspect *snap;
	struct gate gate;
	pid_t child;

	unique_name(label, "stopped");
	gate_init(&gate);
	make_pool(label);
	child = spawn(wait_for_gate, &gate);
	set_worker(0, child, IPK__WORKER_BUSY);
	ck_assert_int_eq(kill(child, SIGSTOP), 0);
	ck_assert(wait_until(stops, &child, WAIT_MS));
	o = scan_pool(label, &snap);
	ck_assert(ipk_inspect_worker_at(o, 0)->is_stopped);
	ck_assert(!ipk_inspect_worker_at(o, 0)->is_gone);
	ck_assert_uint_eq(o->n_alive, 1);
	ck_assert(has_hint(o, "worker 0 is stopped: kill -CONT "));
	ipk_inspect_close(snap);
	ck_assert_int_eq(kill(child, SIGCONT), 0);
	gate_open(&gate);
	reap_ok(child);
	gate_fini(&gate);
	ipk__segment_detach(&segment);
}
END_TEST

static int do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

START_TEST(dead_workers_are_told)
{
	char label[UNIQUE_NAME_BYTES];
	const ipk_inspect_object *o;
	ipk_inspect *snap;
	pid_t child;

	unique_name(label, "dead");
	make_pool(label);
	child = spawn(do_nothing, NULL);
	set_worker(0, child, IPK__WORKER_BUSY);
	set_worker(1, getpid(), IPK__WORKER_IDLE);
	reap_ok(child);
	o = scan_pool(label, &snap);
	ck_assert(ipk_inspect_worker_at(o, 0)->is_gone);
	ck_assert_uint_eq(o->n_alive, 1);
	ck_assert_uint_eq(o->n_busy, 0);
	ck_assert(has_hint(o, "1 worker died and will be replaced"));
	ipk_inspect_close(snap);
	shm->workers[1].owner = shm->workers[0].owner;
	o = scan_pool(label, &snap);
	ck_assert(has_hint(o, "no worker is alive"));
	ipk_inspect_close(snap);
	/* That is as it should be when it was shut down. */
	shm->counts.is_shut = IPK_DISCARD;
	o = scan_pool(label, &snap);
	ck_assert_uint_eq(o->shutdown, IPK_DISCARD);
	ck_assert_uint_eq(o->n_hints, 0);
	ipk_inspect_close(snap);
	ipk__segment_detach(&segment);
}
END_TEST

START_TEST(dead_creator_is_told)
{
	char label[UNIQUE_NAME_BYTES];
	const ipk_inspect_object *o;
	ipk_inspect *snap;
	pid_t child;

	unique_name(label, "orphan");
	make_pool(label);
	child = spawn(do_nothing, NULL);
	shm->creator = ipk__owner_of(child);
	set_worker(0, getpid(), IPK__WORKER_IDLE);
	reap_ok(child);
	o = scan_pool(label, &snap);
	ck_assert(has_hint(o, "is dead: nobody waits for its tasks"));
	ipk_inspect_close(snap);
	ipk__segment_detach(&segment);
}
END_TEST

START_TEST(failed_starts_and_full_queues_are_told)
{
	char label[UNIQUE_NAME_BYTES];
	const ipk_inspect_object *o;
	ipk_inspect *snap;

	unique_name(label, "slow");
	make_pool(label);
	set_worker(0, getpid(), IPK__WORKER_BUSY);
	shm->counts.n_backlog = 99;
	shm->counts.n_submitted = shm->counts.n_failed = shm->counts.n_quarantined = 2;
	o = scan_pool(label, &snap);
	ck_assert(has_hint(o, "all 1 workers are busy and 99 tasks wait"));
	ck_assert(has_hint(o, "2 tasks were refused"));
	ipk_inspect_close(snap);
	set_worker(1, getpid(), IPK__WORKER_FAILED);
	shm->workers[1].init_code = -EIO;
	o = scan_pool(label, &snap);
	ck_assert_int_eq(ipk_inspect_worker_at(o, 1)->code, -EIO);
	ck_assert(has_hint(o, "the initializer of worker 1 returned -5"));
	ipk_inspect_close(snap);
	ipk__segment_detach(&segment);
}
END_TEST

/* --- memory that lies ------------------------------------------------------------------------- */

static uint64_t random_state = 88172645463325252u;

static uint64_t random_number(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void scribble(unsigned char *bytes, size_t from, size_t n_bytes)
{
	static const unsigned char edges[] = {0, 1, 0x7f, 0x80, 0xff};

	for (uint64_t left = 1 + random_number() % 32; left > 0; left--)
		bytes[from + random_number() % n_bytes] =
			random_number() % 2 ? (unsigned char)random_number()
					    : edges[random_number() % sizeof edges];
}

static void ck_pool_holds_together(const struct ipk__object *o)
{
	const ipk_progress *p = &o->progress;

	ck_assert_uint_le(o->pub.n_workers, IPK_POOL_WORKERS_MAX);
	ck_assert_uint_le(o->pub.n_alive, o->pub.n_workers);
	ck_assert_uint_le(o->pub.n_busy, o->pub.n_alive);
	ck_assert_uint_le(o->pub.n_hints, IPK__HINTS_MAX);
	ck_assert_uint_le(o->pub.n_ready, IPK__POOL_SLOTS);
	ck_assert_uint_eq(p->n_done + p->n_failed + p->n_cancelled + p->n_running + p->n_queued,
			  p->n_submitted);
	for (size_t i = 0; i < o->pub.n_workers; i++) {
		ck_assert_str_ne(ipk_inspect_worker_state_name(o->workers[i].state), "?");
		ck_assert_int_ge(o->workers[i].since_ns, -1);
	}
}

static int look_at(int fd, void (*check)(const struct ipk__object *o))
{
	struct ipk__object *o = calloc(1, sizeof *o);
	char label[IPK__LABEL_BYTES] = "";
	int r;

	ck_assert_ptr_nonnull(o);
	r = ipk__probe_segment(fd, o, label);
	ck_assert_int_le(r, 0);
	ck_assert_int_ne(r, -ENOMEM);
	if (r == 0)
		check(o);
	ipk__object_free(o);
	return r;
}

START_TEST(scribbled_pools_are_read_or_refused)
{
	struct ipk__shm_pool *good = malloc(sizeof *good);
	struct ipk__shm_map *good_maps = malloc(IPK__POOL_MAPS * sizeof *maps);
	size_t header = sizeof(struct ipk__shm_header);
	int n_read = 0;

	make_pool("scribbled");
	set_worker(0, getpid(), IPK__WORKER_BUSY);
	shm->workers[0].slot = 1;
	set_worker(1, getpid(), IPK__WORKER_BUSY);
	shm->workers[1].slot = 0;
	shm->workers[1].map = 1;
	shm->workers[1].fn = (uint64_t)(uintptr_t)task;
	shm->maps_active = 1;
	memcpy(good, shm, sizeof *shm);
	memcpy(good_maps, maps, IPK__POOL_MAPS * sizeof *maps);
	for (int i = 0; i < repeats(N_MUTANTS); i++) {
		memcpy(shm, good, sizeof *shm);
		memcpy(maps, good_maps, IPK__POOL_MAPS * sizeof *maps);
		/* What matters most is at its beginning, and the first workers. */
		scribble((unsigned char *)shm, header, i % 2 ? 2048 : sizeof *shm - header);
		scribble((unsigned char *)maps, 0, IPK__POOL_MAPS * sizeof *maps);
		scribble((unsigned char *)slots, 0, sizeof *slots);
		n_read += look_at(segment.fd, ck_pool_holds_together) == 0;
	}
	ck_assert_int_gt(n_read, repeats(N_MUTANTS) / 4);
	ipk__segment_detach(&segment);
	free(good_maps);
	free(good);
}
END_TEST

START_TEST(offsets_beyond_its_end_are_refused)
{
	static const uint64_t bad[] = {UINT64_MAX, (uint64_t)1 << 63, (uint64_t)1 << 40};
	uint64_t good;

	make_pool("offsets");
	ck_ok(look_at(segment.fd, ck_pool_holds_together));
	for (size_t i = 0; i < IPK__N_OF(bad); i++) {
		good = shm->slots_offset;
		shm->slots_offset = bad[i];
		ck_err(look_at(segment.fd, ck_pool_holds_together), -EBADMSG);
		shm->slots_offset = good;
		good = shm->maps_offset;
		shm->maps_offset = bad[i];
		ck_err(look_at(segment.fd, ck_pool_holds_together), -EBADMSG);
		shm->maps_offset = good;
	}
	shm->kind = 2;
	ck_err(look_at(segment.fd, ck_pool_holds_together), -EBADMSG);
	ipk__segment_detach(&segment);
}
END_TEST

/* --- children --------------------------------------------------------------------------------- */

static struct ipk__shm_processes *make_processes(const char *label)
{
	const struct ipk__segment_plan plan = {
		.kind = IPK__KIND_PROCESSES,
		.label = label,
		.fixed_bytes = sizeof(struct ipk__shm_processes),
	};
	struct ipk__shm_processes *p;

	ck_ok(ipk__segment_create(&plan, &segment));
	ck_ok(ipk__segment_publish(&segment, NULL));
	p = (struct ipk__shm_processes *)segment.header;
	p->owner = ipk__owner_of(getpid());
	return p;
}

static void set_child(struct ipk__shm_child *c, pid_t pid, uint32_t state, const char *name)
{
	c->n_changes = 2;
	c->owner = ipk__owner_of(pid);
	c->state = state;
	c->started_boot_ns = ipk__os_boot_ns();
	c->start_method = IPK_START_FORK;
	strcpy(c->name, name);
}

START_TEST(children_are_told_in_their_order)
{
	char label[UNIQUE_NAME_BYTES];
	struct ipk__shm_processes *p;
	const ipk_inspect_object *o;
	const ipk_inspect_child *c;
	ipk_inspect *snap;

	unique_name(label, "children");
	p = make_processes(label);
	set_child(&p->children[5], getpid(), IPK__CHILD_RUNNING, "first");
	set_child(&p->children[1], getpid(), IPK__CHILD_ENDED, "second");
	p->children[1].start_method = IPK_START_EXEC;
	p->children[1].flags = IPK_PROCESS_DAEMON;
	p->children[1].exit_code = -1;
	p->children[1].signal = SIGKILL;
	p->children[1].is_oom = 1;
	p->children[1].user_ns = 5;
	p->children[1].max_rss_bytes = 77;
	p->children[1].ended_boot_ns = ipk__os_boot_ns();
	set_child(&p->children[3], getpid(), IPK__CHILD_LOST, "a\033third");
	p->n_started = 9;
	p->n_unseen = 4;
	o = scan_pool(label, &snap);
	ck_assert_str_eq(ipk_inspect_kind_name(o), "processes");
	ck_assert_uint_eq(o->n_children, 3);
	ck_assert_uint_eq(o->n_alive, 1);
	ck_assert_uint_eq(o->n_started, 9);
	ck_assert_uint_eq(o->n_unseen, 4);
	c = ipk_inspect_child_at(o, 0);
	ck_assert_str_eq(c->name, "first");
	ck_assert(c->is_running && !c->is_zombie && !c->is_known);
	ck_assert_int_eq(c->start_method, IPK_START_FORK);
	ck_assert_int_eq(c->ended_ns, -1);
	c = ipk_inspect_child_at(o, 1);
	ck_assert_str_eq(c->name, "second");
	ck_assert(!c->is_running && c->is_known && c->status.is_oom && !c->status.core);
	ck_assert_str_eq(ipk_inspect_start_method_name(c->start_method), "exec");
	ck_assert_uint_eq(c->flags, IPK_PROCESS_DAEMON);
	ck_assert_int_eq(c->status.signal, SIGKILL);
	ck_assert_int_eq(c->status.user_ns, 5);
	ck_assert_uint_eq(c->status.max_rss_bytes, 77);
	ck_assert_int_ge(c->ended_ns, 0);
	c = ipk_inspect_child_at(o, 2);
	ck_assert_str_eq(c->name, "a\\x1bthird");
	ck_assert(!c->is_running && !c->is_known);
	ck_assert_ptr_null(ipk_inspect_child_at(o, 3));
	ck_assert(has_hint(o, "out of memory"));
	ck_assert(has_hint(o, "4 more are not shown"));
	ipk_inspect_close(snap);
	ipk__segment_detach(&segment);
}
END_TEST

START_TEST(child_that_ended_unseen_is_a_zombie)
{
	char label[UNIQUE_NAME_BYTES];
	struct ipk__shm_processes *p;
	const ipk_inspect_object *o;
	ipk_inspect *snap;
	char pid[16];
	pid_t child;

	unique_name(label, "zombie");
	p = make_processes(label);
	child = spawn(do_nothing, NULL);
	set_child(&p->children[0], child, IPK__CHILD_RUNNING, "zed");
	reap_ok(child);
	o = scan_pool(label, &snap);
	ck_assert(ipk_inspect_child_at(o, 0)->is_zombie);
	ck_assert_uint_eq(o->n_alive, 0);
	ck_assert(has_hint(o, "zed, process "));
	ipk_inspect_close(snap);
	/* It is found by its maker, too. */
	snprintf(pid, sizeof pid, "%d", (int)getpid());
	scan_pool(pid, &snap);
	ipk_inspect_close(snap);
	/* One that is being changed for ever is left out. */
	p->children[0].n_changes = 3;
	o = scan_pool(label, &snap);
	ck_assert_uint_eq(o->n_children, 0);
	ipk_inspect_close(snap);
	ipk__segment_detach(&segment);
}
END_TEST

static void ck_children_hold_together(const struct ipk__object *o)
{
	ck_assert_uint_le(o->pub.n_children, IPK__CHILDREN_MAX);
	ck_assert_uint_le(o->pub.n_alive, o->pub.n_children);
	ck_assert_uint_le(o->pub.n_hints, IPK__HINTS_MAX);
	for (size_t i = 0; i < o->pub.n_children; i++) {
		ck_assert_ptr_nonnull(memchr(o->children[i].name, '\0', 256));
		ck_assert_int_ge(o->children[i].age_ns, -1);
	}
}

START_TEST(scribbled_children_are_read)
{
	struct ipk__shm_processes *p = make_processes("scribbled"), *good = malloc(sizeof *p);
	size_t header = sizeof p->header;

	for (int i = 0; i < 4; i++)
		set_child(&p->children[i], getpid(), IPK__CHILD_RUNNING + (unsigned)i % 3, "x");
	memcpy(good, p, sizeof *p);
	for (int i = 0; i < repeats(N_MUTANTS) / 3; i++) {
		memcpy(p, good, sizeof *p);
		scribble((unsigned char *)p, header, i % 2 ? 2048 : sizeof *p - header);
		memset(p->children[i % 4].name, 'n', sizeof p->children->name);
		ck_ok(look_at(segment.fd, ck_children_hold_together));
	}
	ipk__segment_detach(&segment);
	free(good);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("probe_pool");

	add_test(s, workers_and_their_work_are_told);
	add_test(s, threads_have_no_process);
	add_test(s, stopped_worker_is_not_dead);
	add_test(s, dead_workers_are_told);
	add_test(s, dead_creator_is_told);
	add_test(s, failed_starts_and_full_queues_are_told);
	add_test(s, scribbled_pools_are_read_or_refused);
	add_test(s, offsets_beyond_its_end_are_refused);
	add_test(s, children_are_told_in_their_order);
	add_test(s, child_that_ended_unseen_is_a_zombie);
	add_test(s, scribbled_children_are_read);
	return s;
}
IPK_TEST_MAIN(suite)
