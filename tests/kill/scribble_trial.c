/*
 * scribble_trial.c - a trial: create, overwrite, call, judge; in the victim's process.
 *
 * Words are written once before the calls, or repeatedly by a thread while they run; it writes what
 * any other process could. Late is a call that returns more than LATE_MS after its deadline, not
 * counting the time in which it was not scheduled; the harness finds calls that never return.
 *
 * The kernel releases the locks of a dead thread along a list that links all of them, ours and the
 * C library's. Words written into a lock that was already released must not affect the list: so a
 * peer that dies holds an older mutex of the C library and a newer lock of ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ipk/error.h"
#include "scribble.h"

#define POLL_NS 100000
#define CALLS_AGAIN 2 /* in a trial every call is made about so often */

/* --- time ------------------------------------------------------------------------------------- */

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* For how long this thread was ready to run and did not; 0 where the kernel does not say. */
static int64_t kept_waiting_ns(void)
{
	char text[96] = "";
	long long ran = 0, waited = 0;
	int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && read(fd, text, sizeof text - 1) > 0 &&
	    sscanf(text, "%lld %lld", &ran, &waited) != 2)
		waited = 0;
	if (fd >= 0)
		close(fd);
	return waited;
}

static void pass_time(void)
{
	struct timespec ts = {0, POLL_NS};

	nanosleep(&ts, NULL);
}

/* --- telling ---------------------------------------------------------------------------------- */

void trial_harm(struct trial *t, const char *format, ...)
{
	va_list args;

	if (t->me->harm[0])
		return;
	va_start(args, format);
	vsnprintf(t->me->harm, sizeof t->me->harm, format, args);
	va_end(args);
}

static void tell_late(struct trial *t, const char *name, int64_t late_ns)
{
	if (late_ns <= atomic_load(&t->me->late_ns))
		return;
	atomic_store(&t->me->late_ns, late_ns);
	atomic_store(&t->me->late_call, name);
}

int trial_call(struct trial *t, const struct call *call, ipk_deadline deadline)
{
	int64_t kept_ns = kept_waiting_ns();
	int64_t begin_ns = now_ns();
	int64_t due_ns = begin_ns + (int64_t)call->own_ms * 1000000;
	int64_t end_ns;
	int r;

	if (call->is_timed && deadline.at_ns > due_ns)
		due_ns = deadline.at_ns;
	atomic_store(&t->me->call, call->name);
	r = call->run(t, deadline);
	end_ns = now_ns();
	atomic_fetch_add(&t->me->n_calls, 1);
	tell_late(t, call->name, end_ns - due_ns - (kept_waiting_ns() - kept_ns));
	if (r > 0 || strcmp(ipk_errname(r), "E?") == 0)
		trial_harm(t, "%s answers %d", call->name, r);
	return r;
}

/* --- what is written on ----------------------------------------------------------------------- */

void paper_of_ref(struct trial *t, const void *handle)
{
	const struct ipk__ref *ref = handle;
	struct ipk__shm_arena *arena = ref->arena->shared;

	if (t->row->scope == OBJECT)
		paper_add(&t->paper, ref->object, ref->n_bytes);
	else
		paper_add(&t->paper, arena, ipk__arena_objects_offset(ref->arena->n_tables));
}

static bool is_mapping_of_ipk(const char *line)
{
	/* A named one was made without its name: maps says "/dev/shm/#123 (deleted)". */
	return strstr(line, "rw-s") && (strstr(line, "/memfd:ipk:") || strstr(line, "/dev/shm/"));
}

/* All shared memory of this process that was not there before: where @from is NULL, note it. */
static void list_mappings(struct paper *p, const struct paper *before)
{
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");

	while (maps && fgets(line, sizeof line, maps)) {
		unsigned long from, to;
		bool is_old = false;

		if (!is_mapping_of_ipk(line) || sscanf(line, "%lx-%lx", &from, &to) != 2)
			continue;
		for (size_t i = 0; before && i < before->n_regions; i++)
			is_old |= (unsigned long)before->regions[i].bytes == from;
		if (!is_old)
			paper_add(p, (void *)from, to - from); // NOLINT
	}
	if (maps)
		fclose(maps);
}

void paper_begin(struct trial *t)
{
	t->before.n_regions = 0;
	list_mappings(&t->before, NULL);
}

static int make_on_paper(struct trial *t)
{
	const struct noun *noun = t->row->noun;
	int r;

	if (!noun->is_in_arena)
		paper_begin(t);
	r = noun->make(t);
	if (r == 0 && noun->take)
		r = noun->take(t);
	if (r == 0 && noun->is_in_arena)
		paper_of_ref(t, t->object);
	else if (r == 0)
		list_mappings(&t->paper, &t->before);
	if (r == 0 && t->paper.n_regions == 0 && !noun->smear)
		trial_harm(t, "there is no memory to write to");
	return r;
}

/* --- writing while calls run ------------------------------------------------------------------ */

struct writer {
	struct trial *t;
	struct random random;
	_Atomic bool must_stop;
};

static void *write_on(void *arg)
{
	struct writer *w = arg;
	const struct paper *p = &w->t->paper;

	while (!atomic_load(&w->must_stop)) {
		struct timespec pause = {0, random_below(&w->random, 300000)};

		if (random_below(&w->random, 2))
			scribble_little(&w->random, p);
		else
			scribble_back_and_forth(&w->random, p, random_below(&w->random, 2000));
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static void write_once(struct trial *t)
{
	uint32_t n = 1 + random_below(&t->random, 2);

	for (uint32_t i = 0; i < n && t->paper.n_regions > 0; i++)
		scribble(&t->random, &t->paper);
	if (t->row->noun->smear)
		t->row->noun->smear(t);
}

/* --- calls ------------------------------------------------------------------------------------ */

static ipk_deadline some_deadline(struct random *r)
{
	static const int64_t ms[] = {0, 0, 1, 3};
	int64_t choice = ms[random_below(r, 4)];

	return choice == 0 ? ipk_now() : ipk_in_ms(choice);
}

static void make_calls(struct trial *t, uint32_t n)
{
	const struct noun *noun = t->row->noun;

	for (uint32_t i = 0; i < n; i++) {
		const struct call *call =
			&noun->calls[random_below(&t->random, (uint32_t)noun->n_calls)];

		trial_call(t, call, some_deadline(&t->random));
	}
}

/* --- the peer --------------------------------------------------------------------------------- */

static void await(struct trial *t, const _Atomic uint32_t *word, uint32_t least, const char *what)
{
	ipk_deadline end = ipk_in_ms(DEADLINE_MS);

	while (atomic_load(word) < least && ipk_deadline_left_ns(end) > 0)
		pass_time();
	if (atomic_load(word) < least)
		trial_harm(t, "%s", what);
}

static void peer_say(struct trial *t, enum stage stage)
{
	atomic_store(&t->report->peer_stage, stage);
}

static void peer_prepare(struct trial *t)
{
	const struct noun *noun = t->row->noun;
	int r = 0;

	atomic_store(&t->me->call, "the peer's part");
	if (state_of(t) == HELD && noun->peer) {
		if (pthread_mutex_lock(&t->report->program) != 0)
			trial_harm(t, "the program's own mutex cannot be had");
		r = noun->peer(t);
		/* One more of the kind, so that the kernel's list has what lies before and behind.
		 */
		if (r == 0)
			r = ipk_lock_lock(neighbours_lock(t->near), ipk_in_ms(DEADLINE_MS), NULL);
	} else if (state_of(t) == SHUT && noun->peer) {
		r = noun->peer(t);
	}
	if (r < 0)
		trial_harm(t, "the peer's part: %s", ipk_errname(r));
}

static int open_by_name(struct trial *t, ipk_deadline deadline)
{
	(void)deadline;
	return t->row->noun->open(t);
}

static bool opened(struct trial *t)
{
	struct call call = CALL("open", open_by_name, false);

	return trial_call(t, &call, ipk_now()) == 0;
}

static void peer_body(struct trial *t)
{
	const struct noun *noun = t->row->noun;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	t->me = &t->report->peer;
	t->random.state = random_hash(t->random.state, "peer", 0);
	atomic_store(&t->report->peer_tid, (int32_t)getpid());
	peer_prepare(t);
	peer_say(t, READY);
	if (state_of(t) == WAITED && noun->peer_wait) {
		struct call call = CALL("the peer's wait", noun->peer_wait, true);

		trial_call(t, &call, ipk_in_ms(20));
	}
	await(t, &t->report->is_written, 1, "nothing was written");
	if ((!is_opened(t) || opened(t)) && random_below(&t->random, 4))
		make_calls(t, CALLS_AGAIN * (uint32_t)noun->n_calls);
	atomic_store(&t->me->call, "close");
	if (random_below(&t->random, 2)) {
		noun->close(t);
		atomic_store(&t->report->has_closed, 1);
	}
	atomic_store(&t->me->call, "the end");
	peer_say(t, FINISHED);
	for (;;)
		pause(); /* to be killed with all that it holds */
}

static char state_of_process(pid_t pid)
{
	char path[64], text[256] = "";
	char *end;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return '?';
	if (!fgets(text, sizeof text, f))
		text[0] = 0;
	fclose(f);
	end = strrchr(text, ')');
	return end && end[1] ? end[2] : '?';
}

static void start_peer(struct trial *t)
{
	pid_t pid = fork();

	if (pid == 0)
		peer_body(t);
	if (pid < 0) {
		trial_harm(t, "no fork");
		return;
	}
	t->peer_pid = pid;
	t->paper.ids[1] = (uint32_t)pid;
	await(t, &t->report->peer_stage, READY, "the peer does not come up");
	/* Its wait: it ends by itself if it does not sleep. */
	for (int i = 0; state_of(t) == WAITED && i < 20; i++) {
		if (state_of_process(pid) == 'S')
			break;
		pass_time();
	}
}

static void make_programs_mutex(struct trial *t)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	if (pthread_mutex_init(&t->report->program, &attr) != 0)
		trial_harm(t, "no robust mutex");
	pthread_mutexattr_destroy(&attr);
}

/* The peer is dead, and nothing that was written over was on its list any more. */
static void check_list(struct trial *t)
{
	int r;

	if (state_of(t) != HELD || !t->row->noun->peer || t->row->scope != OBJECT ||
	    t->row->noun->is_whole || !atomic_load(&t->report->has_closed))
		return;
	r = pthread_mutex_trylock(&t->report->program);
	if (r != EOWNERDEAD)
		trial_harm(t, "the dead peer's other mutex: %s", ipk_errname(r));
	if (r == 0 || r == EOWNERDEAD)
		pthread_mutex_unlock(&t->report->program);
}

static void end_peer(struct trial *t)
{
	int status = 0;

	if (t->peer_pid <= 0)
		return;
	atomic_store(&t->me->call, "the peer");
	if (random_below(&t->random, 2))
		await(t, &t->report->peer_stage, FINISHED, "the peer does not finish");
	kill(t->peer_pid, SIGKILL);
	waitpid(t->peer_pid, &status, 0);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
		fprintf(stderr, "the peer ended with status 0x%x in %s\n", status,
			atomic_load(&t->report->peer.call));
		_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : 1);
	}
	check_list(t);
}

/* --- the whole -------------------------------------------------------------------------------- */

static bool has_peer(const struct trial *t)
{
	enum state state = state_of(t);
	const struct noun *noun = t->row->noun;

	return (noun->peer && (state == HELD || state == SHUT)) ||
	       (noun->peer_wait && state == WAITED);
}

static void set_fixture(struct trial *t)
{
	int r;
	bool is_last = random_below(&t->random, 2) && !is_opened(t);

	make_programs_mutex(t);
	t->paper.ids[0] = (uint32_t)getpid();
	t->paper.ids[2] = 1;
	if (!is_last)
		t->near = neighbours_make();
	/* By name: by one who has nothing of it mapped yet. */
	if (is_opened(t))
		start_peer(t);
	r = make_on_paper(t);
	if (is_last)
		t->near = neighbours_make();
	if (!t->near)
		trial_harm(t, "no neighbours");
	if (r < 0) {
		trial_harm(t, "cannot be set up: %s", ipk_errname(r));
		_exit(0);
	}
	if (has_peer(t))
		start_peer(t);
}

static void act(struct trial *t, bool is_meanwhile)
{
	struct writer writer = {.t = t, .random = {random_next(&t->random)}};
	pthread_t thread;

	if (!is_meanwhile || t->paper.n_regions == 0 || random_below(&t->random, 4) == 0)
		write_once(t);
	atomic_store(&t->report->is_written, 1);
	is_meanwhile = is_meanwhile && t->paper.n_regions > 0 &&
		       pthread_create(&thread, NULL, write_on, &writer) == 0;
	make_calls(t, CALLS_AGAIN * (uint32_t)t->row->noun->n_calls);
	if (is_meanwhile && random_below(&t->random, 2)) {
		atomic_store(&writer.must_stop, true);
		pthread_join(thread, NULL);
		is_meanwhile = false;
	}
	end_peer(t);
	if (is_meanwhile) {
		atomic_store(&writer.must_stop, true);
		pthread_join(thread, NULL);
	}
}

void trial_run(struct trial *t)
{
	bool is_strict = t->row->scope == OBJECT && !t->row->noun->is_whole;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	t->me = &t->report->victim;
	t->buf = malloc(BUF_BYTES);
	set_fixture(t);
	act(t, random_below(&t->random, 2));
	atomic_store(&t->me->call, "neighbours");
	neighbours_check(t, t->near, "near", is_strict);
	if (t->row->noun->check)
		t->row->noun->check(t);
	atomic_store(&t->me->call, "close");
	t->row->noun->close(t);
	neighbours_check(t, t->near, "near", is_strict);
	neighbours_check(t, t->far, "far", true);
	atomic_store(&t->me->call, "closing neighbours");
	neighbours_close(t->near);
	free(t->buf);
	_exit(0);
}
