/*
 * scribble.c - ipk-scribble: nothing that a peer writes into shared memory may crash or hang its
 * users, or reach another object.
 *
 * For every kind of object, in every state, random words are written over its memory, before and
 * while processes make all public calls on it. One JSON object per line for each row:
 *
 *   crashes   a process ended by a signal or a sanitizer
 *   hangs     a call did not return within WATCH_MS
 *   late      a call returned more than LATE_MS after its deadline, not counting the time in which
 *             it was not scheduled, and did so again when the trial was repeated; max_late_ms is
 *             the maximum over all calls
 *   harmed    another object of the process failed or has other contents, or a call returned
 *             what no header documents
 *
 * Not promised, and so not judged: the contents of the object that was overwritten (any data may
 * come out, items may be lost or duplicated, two may hold a lock), whether its calls succeed, and
 * what else a process of the same user can do besides writing to the memory: truncate the file of a
 * named object (SIGBUS in all that have it mapped), send signals, use ptrace.
 *
 * All random choices follow from the seed: the command that a fault's line on stderr names
 * reproduces the fault, unless it depends on the timing of two threads.
 */
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "scribble.h"

/* A sanitizer says more than a backtrace: clang's is told by __has_feature(), gcc's by a macro. */
#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if __has_include(<execinfo.h>) && !defined(__SANITIZE_ADDRESS__) && \
	!__has_feature(address_sanitizer)
#include <execinfo.h>
#define HAS_BACKTRACE 1
#else
#define HAS_BACKTRACE 0
#endif

#define LATE_MS 100
#define LATE_RUNS 3    /* of the same trial: who was late in each of them is late */
#define WATCH_MS 20000 /* no load makes that of a call */
#define TRIALS 500
#define TRIALS_QUICK 2
#define CHANNELS_MAX 16
#define CHANNELS 4   /* trials sleep much of their time */
#define HANGS_MAX 4u /* then the rest of the row is left out */
#define LOUD_FAULTS 3u
#define ROWS_MAX 512

static const char usage[] =
	"usage: ipk-scribble [--quick] [--list] [--seed S] [--trials N] [--row ROW [--trial T]]\n"
	"                    [NAME...]\n"
	"Writes random words over the memory of each kind of object, before and while it is used,\n"
	"and checks that nobody crashes, hangs, or loses another object. NAME is a part of a row\n"
	"of --list, with * and ? if need be; ROW is one as it stands there.\n"
	"  --quick     a few trials of each row, less than a minute\n"
	"  --seed S    other words than those of seed 1\n"
	"  --trials N  of each row\n"
	"  --trial T   just this one\n";

struct opts {
	uint64_t seed;
	uint32_t n_trials;
	int64_t trial; /* -1: all */
};

/* Of a row; shared by its channels. */
struct tally {
	_Atomic uint32_t next_trial;
	_Atomic uint32_t n_trials, n_crashes, n_hangs, n_late, n_harmed, n_told;
	_Atomic uint64_t n_calls;
	_Atomic int64_t late_ns;
	struct report reports[CHANNELS_MAX];
};

static struct noun_list nouns;
static struct row rows[ROWS_MAX];
static size_t n_rows;
static volatile sig_atomic_t must_stop;

static void on_signal(int sig)
{
	must_stop = sig;
}

/* --- rows ------------------------------------------------------------------------------------- */

void noun_add(struct noun_list *list, const struct noun *noun)
{
	if (list->n_nouns == NOUNS_MAX)
		exit(2);
	list->nouns[list->n_nouns++] = *noun;
}

static void row_title(const struct row *row, char *buf, size_t buf_bytes)
{
	static const char *const states[] = {"empty", "half",   "full", "owned",
					     "held",  "waited", "shut", "opened"};
	static const char *const scopes[] = {"object", "arena"};

	snprintf(buf, buf_bytes, "%s/%s/%s", row->noun->name, states[row->state],
		 scopes[row->scope]);
}

static void list_rows(void)
{
	for (size_t i = 0; i < nouns.n_nouns; i++) {
		const struct noun *noun = &nouns.nouns[i];

		for (unsigned state = 0; state < N_STATES; state++) {
			for (unsigned scope = 0; scope < N_SCOPES; scope++) {
				if (!(noun->states & IN(state)) || n_rows == ROWS_MAX ||
				    (scope == ARENA && !noun->is_in_arena))
					continue;
				rows[n_rows++] = (struct row){noun, state, scope};
			}
		}
	}
}

static bool is_wanted(const struct row *row, const char *only, char **names)
{
	char title[128], pattern[256];

	row_title(row, title, sizeof title);
	if (only)
		return strcmp(title, only) == 0;
	if (!*names)
		return !row->noun->is_planned;
	for (; *names; names++) {
		snprintf(pattern, sizeof pattern, "*%s*", *names);
		if (fnmatch(pattern, title, 0) == 0)
			return true;
	}
	return false;
}

/* --- a trial ---------------------------------------------------------------------------------- */

static bool ends_within(pid_t pid, int ms, int *ret_status)
{
	struct pollfd p = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};

	if (p.fd < 0)
		return waitpid(pid, ret_status, 0) == pid;
	while (poll(&p, 1, ms) < 0 && errno == EINTR && !must_stop)
		;
	close(p.fd);
	return waitpid(pid, ret_status, p.revents ? 0 : WNOHANG) == pid;
}

/* False: it made no progress for WATCH_MS, and is killed. */
static bool watch(pid_t pid, struct report *report, int *ret_status)
{
	for (;;) {
		uint32_t n =
			atomic_load(&report->victim.n_calls) + atomic_load(&report->peer.n_calls);

		if (ends_within(pid, WATCH_MS, ret_status))
			return true;
		if (!must_stop &&
		    n != atomic_load(&report->victim.n_calls) + atomic_load(&report->peer.n_calls))
			continue;
		kill(pid, SIGKILL);
		waitpid(pid, ret_status, 0);
		return false;
	}
}

/* What the processes of a trial have to say: shown when they have failed. */
static int words_fd = -1;

static bool has_spoken(void)
{
	return lseek(words_fd, 0, SEEK_END) > 0;
}

static void show_words(void)
{
	char text[6000];
	ssize_t n = pread(words_fd, text, sizeof text - 1, 0);

	if (n > 0)
		fprintf(stderr, "%.*s", (int)n, text);
}

#if HAS_BACKTRACE
static void on_crash(int sig)
{
	void *frames[24];

	backtrace_symbols_fd(frames, backtrace(frames, 24), STDERR_FILENO);
	signal(sig, SIG_DFL);
	raise(sig);
}
#endif

/* In the victim. */
static void talk_there(void)
{
#if HAS_BACKTRACE
	void *frames[1];

	backtrace(frames, 1); /* loads what it needs */
	signal(SIGSEGV, on_crash);
	signal(SIGBUS, on_crash);
	signal(SIGABRT, on_crash);
#endif
	if (ftruncate(words_fd, 0) == 0 && lseek(words_fd, 0, SEEK_SET) == 0)
		dup2(words_fd, STDERR_FILENO);
}

static void complain(struct tally *tally, const struct trial *t, const struct opts *opts,
		     uint32_t number, const char *what, const char *call)
{
	char title[128];

	if (atomic_fetch_add(&tally->n_told, 1) >= LOUD_FAULTS)
		return;
	row_title(t->row, title, sizeof title);
	fprintf(stderr, "ipk-scribble: %s in %s: --seed %llu --row %s --trial %u\n", what,
		call ? call : "setting up", (unsigned long long)opts->seed, title, number);
	show_words();
}

static bool is_late(const struct teller *who)
{
	return atomic_load(&who->late_ns) > LATE_MS * 1000000;
}

static void judge_teller(struct tally *tally, const struct trial *t, const struct opts *opts,
			 uint32_t number, struct teller *who)
{
	int64_t late_ns = atomic_load(&who->late_ns);
	int64_t most_ns = atomic_load(&tally->late_ns);

	while (late_ns > most_ns &&
	       !atomic_compare_exchange_weak(&tally->late_ns, &most_ns, late_ns))
		;
	atomic_fetch_add(&tally->n_calls, atomic_load(&who->n_calls));
	if (is_late(who)) {
		atomic_fetch_add(&tally->n_late, 1);
		complain(tally, t, opts, number, "late", atomic_load(&who->late_call));
	}
	if (who->harm[0]) {
		atomic_fetch_add(&tally->n_harmed, 1);
		complain(tally, t, opts, number, who->harm, atomic_load(&who->call));
	}
}

static void judge(struct tally *tally, const struct trial *t, const struct opts *opts,
		  uint32_t number, bool is_over, int status)
{
	struct report *report = t->report;
	const char *call = atomic_load(&report->victim.call);

	if (call && strcmp(call, "the peer") == 0)
		call = atomic_load(&report->peer.call);
	if (!is_over) {
		atomic_fetch_add(&tally->n_hangs, 1);
		complain(tally, t, opts, number, "hang", call);
		return;
	}
	if (status != 0) {
		char what[64];

		snprintf(what, sizeof what, "crash (%s %d)",
			 WIFSIGNALED(status) ? "signal" : "code",
			 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		atomic_fetch_add(&tally->n_crashes, 1);
		complain(tally, t, opts, number, what, call);
	}
	if (status == 0 && has_spoken()) {
		atomic_fetch_add(&tally->n_crashes, 1);
		complain(tally, t, opts, number, "words on stderr", call);
	}
	judge_teller(tally, t, opts, number, &report->victim);
	judge_teller(tally, t, opts, number, &report->peer);
}

/* False: it hangs. */
static bool run_trial(struct trial *t, const struct opts *opts, uint32_t number, int *ret_status)
{
	char title[128];
	bool is_over;
	pid_t pid;

	row_title(t->row, title, sizeof title);
	memset((void *)t->report, 0, sizeof *t->report);
	t->random.state = random_hash(opts->seed, title, number);
	snprintf(t->name, sizeof t->name, "scribble-%d-%u", (int)getpid(), number);
	pid = fork();
	if (pid == 0) {
		talk_there();
		trial_run(t);
	}
	if (pid < 0) {
		perror("ipk-scribble: fork");
		exit(2);
	}
	is_over = watch(pid, t->report, ret_status);
	if (state_of(t) == OPENED)
		(void)t->row->noun->unlink(t->name);
	return is_over;
}

static void try_once(struct tally *tally, struct trial *t, const struct opts *opts, uint32_t number)
{
	bool is_over = true;
	int status = 0;

	for (int i = 0; i < LATE_RUNS; i++) {
		is_over = run_trial(t, opts, number, &status);
		if (!is_late(&t->report->victim) && !is_late(&t->report->peer))
			break;
	}
	if (must_stop)
		return;
	atomic_fetch_add(&tally->n_trials, 1);
	judge(tally, t, opts, number, is_over, status);
}

/* --- a row ------------------------------------------------------------------------------------ */

static void channel_body(struct tally *tally, const struct row *row, const struct opts *opts,
			 unsigned channel)
{
	struct neighbours *far = neighbours_make();
	struct trial t = {.row = row, .report = &tally->reports[channel], .far = far};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	words_fd = memfd_create("words", MFD_CLOEXEC);
	if (!far || words_fd < 0)
		exit(2);
	while (!must_stop && atomic_load(&tally->n_hangs) < HANGS_MAX) {
		uint32_t number = atomic_fetch_add(&tally->next_trial, 1);

		if (opts->trial >= 0)
			number += (uint32_t)opts->trial;
		if (number >= opts->n_trials)
			break;
		try_once(tally, &t, opts, number);
	}
	neighbours_close(far);
	_exit(0);
}

static bool run_channels(struct tally *tally, const struct row *row, const struct opts *opts)
{
	unsigned n_channels = opts->n_trials < CHANNELS ? 1 : CHANNELS;
	pid_t pids[CHANNELS_MAX];
	bool is_good = true;

	for (unsigned i = 0; i < n_channels; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			channel_body(tally, row, opts, i);
	}
	for (unsigned i = 0; i < n_channels; i++) {
		int status = 0;

		while (pids[i] > 0 && waitpid(pids[i], &status, 0) < 0 && errno == EINTR)
			;
		is_good &= pids[i] > 0 && status == 0;
	}
	return is_good;
}

static void print_tally(const struct tally *tally, const struct row *row, uint64_t seed)
{
	char title[128];

	row_title(row, title, sizeof title);
	printf("{\"row\":\"%s\",\"seed\":%llu,\"trials\":%u,\"calls\":%llu,\"crashes\":%u,"
	       "\"hangs\":%u,\"late\":%u,\"max_late_ms\":%.1f,\"harmed\":%u}\n",
	       title, (unsigned long long)seed, tally->n_trials, (unsigned long long)tally->n_calls,
	       tally->n_crashes, tally->n_hangs, tally->n_late, (double)tally->late_ns / 1e6,
	       tally->n_harmed);
	fflush(stdout);
}

/* 0 nothing found, 1 something, 2 it could not be tried. */
static int run_row(const struct row *row, const struct opts *opts)
{
	struct tally *tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int code = 2;

	if (tally == MAP_FAILED)
		return 2;
	if (run_channels(tally, row, opts) && tally->n_trials > 0) {
		code = tally->n_crashes + tally->n_hangs + tally->n_late + tally->n_harmed > 0;
		print_tally(tally, row, opts->seed);
	}
	munmap(tally, sizeof *tally);
	return code;
}

static uint32_t n_trials(const struct row *row, const struct opts *opts)
{
	return row->noun->is_slow && opts->trial < 0 ? opts->n_trials / 10 + 1 : opts->n_trials;
}

static int run_rows(const struct opts *opts, const char *only, char **names)
{
	size_t n_run = 0;
	int code = 0;

	for (size_t i = 0; i < n_rows && !must_stop; i++) {
		int r;

		if (!is_wanted(&rows[i], only, names))
			continue;
		n_run++;
		r = run_row(&rows[i],
			    &(struct opts){opts->seed, n_trials(&rows[i], opts), opts->trial});
		code = r > code ? r : code;
	}
	if (n_run == 0)
		fprintf(stderr, "ipk-scribble: no such row; see --list\n");
	return n_run == 0 || must_stop ? 2 : code;
}

static void print_rows(void)
{
	for (size_t i = 0; i < n_rows; i++) {
		char title[128];

		row_title(&rows[i], title, sizeof title);
		printf("%s%s\n", title, rows[i].noun->is_planned ? "  (known to fail)" : "");
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"quick", no_argument, NULL, 'q'},      {"list", no_argument, NULL, 'l'},
		{"seed", required_argument, NULL, 's'}, {"trials", required_argument, NULL, 'n'},
		{"row", required_argument, NULL, 'r'},  {"trial", required_argument, NULL, 't'},
		{"help", no_argument, NULL, 'h'},       {0},
	};
	struct opts opts = {.seed = 1, .n_trials = TRIALS, .trial = -1};
	const char *only = NULL;
	bool is_list = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'q')
			opts.n_trials = TRIALS_QUICK;
		else if (c == 'l')
			is_list = true;
		else if (c == 's')
			opts.seed = strtoull(optarg, NULL, 0);
		else if (c == 'n')
			opts.n_trials = (uint32_t)strtoul(optarg, NULL, 0);
		else if (c == 'r')
			only = optarg;
		else if (c == 't')
			opts.trial = strtoll(optarg, NULL, 0);
		else {
			fputs(usage, c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
	}
	if (opts.trial >= 0)
		opts.n_trials = (uint32_t)opts.trial + 1;
	nouns_lock(&nouns);
	nouns_meet(&nouns);
	nouns_queue(&nouns);
	nouns_pipe(&nouns);
	nouns_value(&nouns);
	nouns_manager(&nouns);
	nouns_pool(&nouns);
	list_rows();
	if (is_list) {
		print_rows();
		return 0;
	}
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	return run_rows(&opts, only, argv + optind);
}
