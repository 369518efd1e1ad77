/*
 * sweep.c - measure an operation once, choose the points, run a trial at each.
 *
 * The kill points are exhaustive: the victim is killed after instruction n, for every n up to the
 * one that reports to the harness that the call returned. A system call in which it slept gives one
 * more point: killed asleep. The first run is all single steps; later ones go close to the point by
 * a breakpoint at an instruction that the first run has seen, and step the rest.
 *
 * Operations of more than ALL_STEPS instructions are killed at some of them only: around every
 * store to shared memory and every system call, at the beginning, and evenly over the rest.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "step.h"
#include "sweep.h"

#define MEASURE_MAX_STEPS 1000000u
#define ALL_STEPS 12000u
#define ALL_STEPS_BIG 2000u /* megabytes are cleared and copied for each point */
#define BEGINNING_STEPS 600u
#define SAMPLED_TOTAL_STEPS 2500000u /* on the way, about */
#define SAMPLED_POINTS 250u
#define QUICK_TOTAL_STEPS 75000u
#define QUICK_TOTAL_STEPS_THREADS 40000u /* all of them are made: no breakpoints */
#define QUICK_POINTS 9u
#define QUICK_POINTS_BIG 3u
#define STOP_POINTS 40u
#define STOP_POINTS_QUICK 3u
#define LOOK_BACK_STEPS 500u
#define HIT_COST 5u /* of coming to a breakpoint once, in steps */
#define CODE_BYTES_MAX ((size_t)16 << 20)
#define PACE_POINTS 32u
#define WATCHED_BYTES ((size_t)16 << 10)
/* A victim's wait: long enough to be stepped to its sleep, or just to be slept through. */
#define WAIT_MS 80
#define WAIT_SHORT_MS 15
#define SLEPT_NS 5000000
#define WATCH_MS (4 * CALL_MS) /* a survivor that does not get on for so long hangs */
#define LOUD_FAULTS 3u
#define HANGS_MAX 5u /* several seconds each: then the rest of the row is left out */

volatile int must_stop;
int call_ms = 8000;

extern const char __executable_start[]; /* the linker's */

enum { MARK_EVENT = 1, MARK_SLEEP = 2 };
enum { AT_STEP = 1, AT_SLEEP = 2 };

struct plan {
	uint32_t n_steps;
	uint64_t *rips;  /* of the instruction that comes after so many steps, 0: inside a copy */
	uint32_t *times; /* how often it has come so far */
	unsigned char *marks;  /* of the instruction that comes after so many steps */
	unsigned char *chosen; /* AT_* after so many steps */
	uint32_t last_sleep;
	bool is_all;
	char *memory; /* of all these */
};

#define PLAN_MAX (MEASURE_MAX_STEPS + 2)
#define PLAN_BYTES (PLAN_MAX * (sizeof(uint64_t) + sizeof(uint32_t) + 2))

/*
 * Pages that are there once they are written, and in this process alone: what calloc() fills with
 * zeros, and each fork copies, would take longer than the sweep.
 */
static bool plan_begin(struct plan *plan)
{
	char *memory = mmap(NULL, PLAN_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	*plan = (struct plan){0};
	if (memory == MAP_FAILED)
		return false;
	(void)madvise(memory, PLAN_BYTES, MADV_DONTFORK);
	plan->memory = memory;
	plan->rips = (uint64_t *)memory;
	plan->times = (uint32_t *)(plan->rips + PLAN_MAX);
	plan->marks = (unsigned char *)(plan->times + PLAN_MAX);
	plan->chosen = plan->marks + PLAN_MAX;
	return true;
}

static void plan_end(struct plan *plan)
{
	if (plan->memory)
		munmap(plan->memory, PLAN_BYTES);
}

/* --- the victim and the survivor -------------------------------------------------------------- */

static void victim_body(void *arg)
{
	struct fixture *s = arg;

	bool may_wait = s->op->may_wait || (s->op->is_stop && s->op->meet_keeps);

	atomic_store(&s->history->victim_pid, (uint32_t)getpid());
	if (s->op->ready)
		s->op->ready(s);
	atomic_store(&s->history->is_victim_ready, 1);
	s->deadline = ipk_in_ms(may_wait ? s->wait_ms : CALL_MS);
	victim_start_here();
	s->history->result = s->op->act(s);
	atomic_store(&s->history->is_done, 1);
	if (s->op->after)
		s->op->after(s);
}

static void watch(struct fixture *s, pid_t pid)
{
	struct history *l = s->history;
	int status = 0;

	if (pid < 0)
		return;
	for (;;) {
		uint32_t progress = atomic_load(&l->progress);

		if (child_ends(pid, WATCH_MS, &status))
			break;
		if (atomic_load(&l->progress) != progress)
			continue;
		history_fault(l, &l->faults.hang, "a survivor's call does not return");
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		return;
	}
	if (!atomic_load(&l->has_checked))
		history_fault(l, &l->faults.wrong, "a survivor ended with status 0x%x", status);
}

/* What a survivor does; beside a stopped victim it first meets it, then waits to go on. */
static void survive(struct fixture *s)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	unpin();
	if (s->op->is_stop) {
		s->op->meet(s);
		raise(SIGSTOP);
	}
	s->op->check(s);
	atomic_store(&s->history->has_checked, 1);
	_exit(0);
}

static pid_t start_survivor(struct fixture *s)
{
	pid_t pid;

	atomic_store(&s->history->has_checked, 0);
	pid = fork();
	if (pid == 0)
		survive(s);
	if (pid < 0)
		history_fault(s->history, &s->history->faults.wrong, "no fork");
	if (s->op->let_go)
		s->op->let_go(s);
	return pid;
}

/* --- setting and clearing the fixture --------------------------------------------------------- */

static bool open_fixture(struct fixture *s, struct victim *v)
{
	int r;

	history_reset(s->history);
	r = s->op->make(s);
	if (r == 0)
		r = victim_start(v, victim_body, s);
	if (r == 0)
		return true;
	fprintf(stderr, "ipk-prove: cannot set up %s %s: %s\n", s->op->name, s->op->kind,
		r == -ESRCH ? "the victim failed too early" : strerror(-r));
	s->op->unmake(s);
	return false;
}

static void close_fixture(struct fixture *s, int n_fds_before)
{
	struct history *l = s->history;

	s->op->unmake(s);
	if (count_fds() != n_fds_before)
		history_fault(l, &l->faults.leaked, "%d fds, %d before", count_fds(), n_fds_before);
	if (count_names(s->name) != 0)
		history_fault(l, &l->faults.leaked, "a name in /dev/shm is left");
}

static bool is_done(const struct fixture *s)
{
	return atomic_load(&s->history->is_done) != 0;
}

/*
 * The way to a point: by breakpoint to the n-th time that the victim comes to some
 * instruction not long before it, then in single steps.
 */
static uint32_t best_stop(const struct op *op, const struct plan *plan, uint32_t at)
{
	uint32_t best = 0;
	uint32_t lowest = at;

	for (uint32_t i = at; i > 0 && at - i < LOOK_BACK_STEPS && !op->has_threads; i--) {
		uint32_t cost = at - i + HIT_COST * plan->times[i];

		if (plan->rips[i] == 0 || cost >= lowest)
			continue;
		lowest = cost;
		best = i;
	}
	return best;
}

/* False: it took another way (there is a clock in it). To be stepped all the way, then. */
static bool jump(struct fixture *s, struct victim *v, const struct plan *plan, uint32_t stop)
{
	return stop == 0 || (victim_run_to(v, plan->rips[stop], plan->times[stop]) && !is_done(s));
}

static void walk(struct fixture *s, struct victim *v, uint32_t n_steps)
{
	for (uint32_t i = 0; i < n_steps && !is_done(s); i++) {
		if (victim_step(v))
			continue;
		/* One with threads may get further in a step than an instruction: to its end. */
		if (!is_done(s) || v->status != 0)
			history_fault(s->history, &s->history->faults.wrong,
				      "the victim ended, status 0x%x", v->status);
		return;
	}
}

/* Stop the victim, let a survivor meet it, let the victim go on to its end. */
static pid_t meet_stopped(struct fixture *s, struct victim *v)
{
	struct history *l = s->history;
	int status = 0;
	pid_t survivor;

	victim_stop(v);
	survivor = start_survivor(s);
	if (survivor > 0 && !child_stops(survivor, WATCH_MS))
		history_fault(l, &l->faults.hang, "a survivor waits for a stopped process");
	victim_resume(v);
	if (!child_ends(v->pid, WATCH_MS, &status)) {
		history_fault(l, &l->faults.hang, "the victim does not go on");
		victim_kill(v);
	} else if (status != 0 || !is_done(s)) {
		history_fault(l, &l->faults.wrong, "the victim ended with status 0x%x", status);
	}
	if (survivor > 0)
		kill(survivor, SIGCONT);
	return survivor;
}

/* The fixture with the victim at the point. */
static bool open_at(struct fixture *s, struct victim *v, const struct plan *plan, uint32_t at)
{
	uint32_t stop = best_stop(s->op, plan, at);

	s->wait_ms = at > plan->last_sleep ? WAIT_SHORT_MS : WAIT_MS;
	if (!open_fixture(s, v))
		return false;
	if (!jump(s, v, plan, stop)) {
		victim_kill(v);
		s->op->unmake(s);
		stop = 0;
		s->wait_ms = WAIT_MS;
		if (!open_fixture(s, v))
			return false;
	}
	walk(s, v, at - stop);
	return true;
}

/* Run to the point, kill (or stop) there, let survivors judge. */
static bool trial(struct fixture *s, const struct plan *plan, uint32_t at, bool is_asleep,
		  uint64_t *ret_rip)
{
	int n_fds = count_fds();
	struct victim v;
	pid_t survivor;

	if (!open_at(s, &v, plan, at))
		return false;
	*ret_rip = v.rip;
	if (is_asleep && !is_done(s))
		victim_step_asleep(&v);
	if (s->op->is_stop && !v.is_over) {
		survivor = meet_stopped(s, &v);
	} else {
		victim_kill(&v);
		survivor = start_survivor(s);
	}
	watch(s, survivor);
	close_fixture(s, n_fds);
	return true;
}

/* --- measuring -------------------------------------------------------------------------------- */

/* Where the victim is after so many steps, and for which time. */
static void note_place(struct plan *plan, const struct victim *v, uint32_t n, uint32_t *counts)
{
	uint64_t offset = v->rip - (uint64_t)(uintptr_t)__executable_start;

	if (victim_is_at_copy(v) || offset >= CODE_BYTES_MAX)
		return;
	plan->rips[n] = v->rip;
	plan->times[n] = ++counts[offset];
}

/* The beginning of the object's memory: its indices, locks and lists. */
static const uint64_t *watched_memory(size_t *ret_bytes)
{
	char line[512];
	const uint64_t *found = NULL;
	FILE *maps = fopen("/proc/self/maps", "re");

	while (maps && !found && fgets(line, sizeof line, maps)) {
		unsigned long from, to;

		if (!strstr(line, "ipk:") && !strstr(line, "/ipk."))
			continue;
		if (sscanf(line, "%lx-%lx", &from, &to) != 2)
			continue;
		found = (const uint64_t *)from;
		*ret_bytes = to - from < WATCHED_BYTES ? to - from : WATCHED_BYTES;
	}
	if (maps)
		fclose(maps);
	return found;
}

static uint64_t hash(const uint64_t *words, size_t n_bytes)
{
	uint64_t h = 0;

	for (size_t i = 0; words && i < n_bytes / sizeof *words; i++)
		h = (h ^ ((const volatile uint64_t *)words)[i]) * 0x100000001b3u;
	return h;
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void measure_steps(struct fixture *s, struct victim *v, struct plan *plan)
{
	size_t n_bytes = 0;
	const uint64_t *memory = watched_memory(&n_bytes);
	uint64_t before = hash(memory, n_bytes);
	uint32_t *counts = calloc(CODE_BYTES_MAX, sizeof *counts);
	uint32_t n = 0;

	while (n < MEASURE_MAX_STEPS && !is_done(s)) {
		bool is_syscall = victim_is_at_syscall(v) && !victim_is_at_clock(v);
		int64_t start_ns = now_ns();
		uint64_t after;

		if (counts)
			note_place(plan, v, n, counts);
		if (!victim_step(v))
			break;
		if (is_syscall)
			plan->marks[n] |= MARK_EVENT;
		if (is_syscall && now_ns() - start_ns > SLEPT_NS) {
			plan->marks[n] |= MARK_SLEEP;
			plan->last_sleep = n;
		}
		after = hash(memory, n_bytes);
		if (after != before)
			plan->marks[n] |= MARK_EVENT;
		before = after;
		n++;
	}
	plan->n_steps = n;
	free(counts);
}

static bool measure(struct fixture *s, struct plan *plan)
{
	struct victim v;

	s->wait_ms = WAIT_MS;
	if (!open_fixture(s, &v))
		return false;
	measure_steps(s, &v, plan);
	victim_kill(&v);
	s->op->unmake(s);
	if (is_done(s))
		return true;
	fprintf(stderr, "ipk-prove: %s %s does not end within %u steps (status 0x%x)\n",
		s->op->name, s->op->kind, plan->n_steps, (unsigned)v.status);
	return false;
}

/* --- choosing --------------------------------------------------------------------------------- */

static void choose_evenly(struct plan *plan, uint32_t n)
{
	for (uint32_t i = 0; i <= n; i++)
		plan->chosen[(uint64_t)plan->n_steps * i / (n ? n : 1)] |= AT_STEP;
}

/* Before and behind each event, or each second, third ... to make about @n points. */
static void choose_events(struct plan *plan, uint32_t n)
{
	uint32_t n_events = 0;
	uint32_t at = 0;

	for (uint32_t i = 0; i < plan->n_steps; i++)
		n_events += (plan->marks[i] & MARK_EVENT) != 0;
	for (uint32_t i = 0; i < plan->n_steps; i++) {
		if (!(plan->marks[i] & MARK_EVENT) || at++ % (n_events * 2 / (n + 1) + 1) != 0)
			continue;
		plan->chosen[i] |= AT_STEP;
		plan->chosen[i + 1] |= AT_STEP;
	}
}

static void choose_sampled(struct plan *plan, uint32_t n)
{
	choose_evenly(plan, n / 3);
	choose_events(plan, 2 * n);
}

static uint32_t within(uint32_t n, uint32_t lowest, uint32_t highest)
{
	return n < lowest ? lowest : n > highest ? highest : n;
}

static void choose(const struct op *op, const struct sweep_opts *opts, struct plan *plan)
{
	uint32_t n = plan->n_steps;
	bool is_big = op->len_bytes == BIG_BYTES;
	uint32_t n_quick = is_big ? QUICK_POINTS_BIG : QUICK_POINTS;
	uint32_t n_total = op->has_threads ? QUICK_TOTAL_STEPS_THREADS : QUICK_TOTAL_STEPS;

	for (uint32_t i = 0; i < n; i++) {
		if (plan->marks[i] & MARK_SLEEP)
			plan->chosen[i] |= AT_SLEEP;
	}
	plan->is_all = false;
	if (op->is_stop) {
		choose_sampled(plan, opts->is_quick ? STOP_POINTS_QUICK : STOP_POINTS);
	} else if (opts->is_quick) {
		choose_sampled(plan, within(n_total / (n + 1), 2, n_quick));
	} else if (op->max_points > 0 && n > op->max_points) {
		choose_sampled(plan, op->max_points);
	} else if (n > (is_big ? ALL_STEPS_BIG : ALL_STEPS)) {
		memset(plan->chosen, AT_STEP, BEGINNING_STEPS);
		choose_sampled(plan, within(SAMPLED_TOTAL_STEPS / n, 60, SAMPLED_POINTS));
	} else {
		for (uint32_t i = 0; i <= n; i++)
			plan->chosen[i] |= AT_STEP;
		plan->is_all = true;
	}
}

/* --- the sweep -------------------------------------------------------------------------------- */

struct pace {
	uint32_t n_points;
	int64_t start_ns;
	int64_t best_ns; /* for PACE_POINTS points */
};

static void tell(const struct fixture *s, uint32_t at, uint64_t rip, const struct faults *sum)
{
	char title[128];

	if (faults_total(sum) >= LOUD_FAULTS)
		return;
	op_title(s->op, title, sizeof title);
	fprintf(stderr, "%s after %u steps (next at 0x%llx): %s\n", title, at,
		(unsigned long long)rip, s->history->why);
}

static bool try_point(struct fixture *s, const struct sweep_opts *opts, const struct plan *plan,
		      uint32_t at, bool is_asleep, struct sweep_result *result)
{
	uint64_t rip;

	if (must_stop || !trial(s, plan, at, is_asleep, &rip))
		return false;
	result->n_points++;
	if (opts->is_loud && faults_total(&s->history->faults) > 0)
		tell(s, at, rip, &result->faults);
	faults_add(&result->faults, &s->history->faults);
	return true;
}

/* Another busy process on our processor costs a time slice at each step: make way. */
static void keep_pace(struct pace *pace)
{
	int64_t took_ns = now_ns() - pace->start_ns;

	if (++pace->n_points % PACE_POINTS != 0)
		return;
	if (pace->best_ns == 0 || took_ns < pace->best_ns)
		pace->best_ns = took_ns;
	if (took_ns > 2 * pace->best_ns)
		pin_elsewhere();
	pace->start_ns = now_ns();
}

static bool try_points(struct fixture *s, const struct sweep_opts *opts, const struct plan *plan,
		       struct sweep_result *result)
{
	struct pace pace = {.start_ns = now_ns()};

	if (opts->point >= 0)
		return try_point(s, opts, plan, (uint32_t)opts->point, false, result);
	for (uint32_t i = 0; i <= plan->n_steps && result->faults.hang < HANGS_MAX; i++) {
		if (plan->chosen[i])
			keep_pace(&pace);
		if ((plan->chosen[i] & AT_STEP) && !try_point(s, opts, plan, i, false, result))
			return false;
		if ((plan->chosen[i] & AT_SLEEP) && !try_point(s, opts, plan, i, true, result))
			return false;
	}
	return true;
}

bool sweep(const struct op *op, const struct sweep_opts *opts, struct sweep_result *ret)
{
	struct fixture s = {.op = op, .history = history_new()};
	struct plan plan;
	bool ok = plan_begin(&plan) && s.history;

	*ret = (struct sweep_result){0};
	snprintf(s.name, sizeof s.name, "prove-%d", (int)getpid());
	pin_to_one_cpu();
	ok = ok && measure(&s, &plan);
	if (ok) {
		choose(op, opts, &plan);
		ret->n_steps = plan.n_steps;
		ret->is_all = plan.is_all;
		ok = try_points(&s, opts, &plan, ret);
	}
	unpin();
	plan_end(&plan);
	history_free(s.history);
	return ok;
}
