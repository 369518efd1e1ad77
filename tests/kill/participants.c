/*
 * participants.c - see participants.h. A process that waits for a fact polls every half
 * millisecond: the facts are about processes that are asleep, stopped or dead, which cannot send a
 * notification.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "participants.h"
#include "step.h"

#define ASK_EVERY_NS 500000
#define SETTLED_ASKS 16 /* asleep for longer than what the sweep takes for a sleep */
#define DYING_MS 500    /* from the kernel's hand-over to the end of the process */

static bool is_alive(pid_t pid)
{
	return strchr("ZX?", process_state(pid)) == NULL;
}

static void pass_time(void)
{
	struct timespec ts = {0, ASK_EVERY_NS};

	nanosleep(&ts, NULL);
}

/* --- starting and ending ---------------------------------------------------------------------- */

static void run_participant(struct fixture *s, struct participant *me,
			    int (*body)(struct fixture *s, struct participant *me))
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	unpin();
	me->result = body(s, me);
	participant_say(me, ENDED);
	_exit(0);
}

static int start_participant(struct fixture *s, struct participant *me,
			     int (*body)(struct fixture *s, struct participant *me))
{
	pid_t pid = fork();

	if (pid == 0)
		run_participant(s, me, body);
	if (pid < 0)
		return -errno;
	atomic_store(&me->pid, (uint32_t)pid);
	s->history->n_participants++;
	while (atomic_load(&me->stage) < READY) {
		if (!is_alive(pid))
			return -ECHILD;
		pass_time();
	}
	return 0;
}

int participants_start(struct fixture *s, uint32_t n,
		       int (*body)(struct fixture *s, struct participant *me))
{
	int r = 0;

	for (uint32_t i = 0; i < n && r == 0; i++)
		r = start_participant(s, &s->history->participants[s->history->n_participants],
				      body);
	return r;
}

void participants_end(struct fixture *s)
{
	for (uint32_t i = 0; i < s->history->n_participants; i++) {
		pid_t pid = (pid_t)atomic_load(&s->history->participants[i].pid);

		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	memset(s->history->participants, 0, sizeof s->history->participants);
	s->history->n_participants = 0;
}

void die_here(void)
{
	kill(getpid(), SIGKILL);
	_exit(1);
}

int let_die(struct fixture *s, int (*body)(struct fixture *s))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (body(s) == 0)
			die_here();
		_exit(1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFSIGNALED(status) ? 0 : -ECHILD;
}

/* How many steps the whole of it is, by trying it out on the very object. */
static int count_steps(struct fixture *s, void (*body)(void *arg), uint32_t *ret_n_steps)
{
	struct victim v;
	uint32_t n = 0;
	int r = victim_start(&v, body, s);

	while (r == 0 && !v.is_over && victim_step(&v))
		n++;
	*ret_n_steps = n;
	return r;
}

int let_die_midway(struct fixture *s, void (*body)(void *arg), int (*renew)(struct fixture *s))
{
	static const struct op *counted;
	static uint32_t n_steps;
	struct victim v;
	int r = 0;

	if (counted != s->op) {
		r = count_steps(s, body, &n_steps);
		if (r == 0)
			r = renew(s);
	}
	counted = s->op;
	if (r == 0)
		r = victim_start(&v, body, s);
	for (uint32_t i = 0; r == 0 && i < n_steps / 2; i++)
		r = victim_step(&v) ? 0 : -ECHILD;
	if (r == 0)
		victim_kill(&v);
	return r;
}

/* --- waiting for each other ------------------------------------------------------------------- */

void participant_say(struct participant *me, enum stage stage)
{
	atomic_store(&me->stage, (uint32_t)stage);
}

static pid_t victim_of(const struct fixture *s)
{
	return (pid_t)atomic_load(&s->history->victim_pid);
}

bool victim_is_alive(const struct fixture *s)
{
	return is_alive(victim_of(s));
}

void participants_await_victim(struct fixture *s)
{
	while (!atomic_load(&s->history->is_victim_ready) &&
	       (victim_of(s) == 0 || is_alive(victim_of(s))))
		pass_time();
}

void participants_await_victim_asleep(struct fixture *s)
{
	int n = 0;

	participants_await_victim(s);
	while (n < SETTLED_ASKS && !atomic_load(&s->history->is_done)) {
		char state = process_state(victim_of(s));

		if (strchr("ZX?", state))
			return;
		n = state == 'S' ? n + 1 : 0;
		pass_time();
	}
}

void participant_await_asleep(const struct participant *m)
{
	while (atomic_load(&m->stage) < IN_CALL ||
	       (atomic_load(&m->stage) == IN_CALL &&
		process_state((pid_t)atomic_load(&m->pid)) != 'S'))
		pass_time();
}

void participants_await_asleep(struct fixture *s)
{
	for (uint32_t i = 0; i < s->history->n_participants; i++)
		participant_await_asleep(&s->history->participants[i]);
}

uint32_t participants_count_ended(struct fixture *s, uint32_t n, int ms)
{
	struct history *l = s->history;
	ipk_deadline end = ipk_in_ms(ms);

	for (;;) {
		uint32_t n_ended = 0;

		for (uint32_t i = 0; i < l->n_participants; i++)
			n_ended += atomic_load(&l->participants[i].stage) == ENDED;
		atomic_fetch_add(&l->progress, 1);
		if (n_ended >= n || ipk_deadline_left_ns(end) <= 0)
			return n_ended;
		pass_time();
	}
}

bool participants_check_ended(struct fixture *s)
{
	struct history *l = s->history;

	for (uint32_t i = 0; i < l->n_participants; i++) {
		const struct participant *m = &l->participants[i];
		ipk_deadline end = ipk_in_ms(CALL_MS);

		while (atomic_load(&m->stage) < ENDED && ipk_deadline_left_ns(end) > 0)
			pass_time();
		atomic_fetch_add(&l->progress, 1);
		if (atomic_load(&m->stage) < ENDED) {
			history_fault(l, &l->faults.hang, "one that waited is not let go");
			return false;
		}
		expect(s, "call of the participants", m->result, 0);
	}
	return true;
}

/* --- inside and outside ----------------------------------------------------------------------- */

static bool is_dying(pid_t pid)
{
	ipk_deadline end = ipk_in_ms(DYING_MS);

	while (is_alive(pid)) {
		if (ipk_deadline_left_ns(end) <= 0)
			return false;
		pass_time();
	}
	return true;
}

void go_inside(struct fixture *s, bool was_told)
{
	struct history *l = s->history;
	uint32_t other = atomic_exchange(&l->inside, (uint32_t)getpid());

	atomic_fetch_add(&l->n_told, was_told);
	if (other != 0 && !was_told)
		history_fault(l, &l->faults.wrong, "two owners at once");
	else if (other != 0 && !is_dying((pid_t)other))
		history_fault(l, &l->faults.wrong, "taken from a living owner");
}

void go_outside(struct fixture *s)
{
	struct history *l = s->history;

	if (atomic_exchange(&l->inside, 0) != (uint32_t)getpid())
		history_fault(l, &l->faults.wrong, "another owner came in");
}

void expect_elsewhere(struct fixture *s, const char *what, int (*attempt)(struct fixture *s),
		      int expected)
{
	struct participant *m = &s->history->elsewhere;
	pid_t pid = fork();

	if (pid == 0) {
		m->result = attempt(s);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
	expect(s, what, pid < 0 ? -errno : m->result, expected);
}
