/*
 * wordcount.c - the main job: count the words of real files on every core, and come out
 * exact although a worker is killed on the way.
 *
 *   wordcount FILE...
 *
 * The parent puts file names into a queue and takes results out of one pipe for each
 * worker. A worker takes a name on loan, counts, sends its counts, and acknowledges the
 * loan last: when it is killed before that, the name goes to another worker. The parent
 * takes each file's result once, whoever sends it.
 *
 * Half way it shows itself with ipc-inspect (environment variable IPC_INSPECT) and kills
 * a worker with SIGKILL. In the end it counts again in one process and compares.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ipk.h>

#define WORKERS_MAX 64
#define WORD_MAX 63

/* --- a table of words --- */

struct word {
	uint64_t count;
	char text[WORD_MAX + 1];
};

struct table {
	struct word *words;
	size_t room; /* a power of two */
	size_t n_words;
	uint64_t total;
};

static struct word *find(const struct table *t, const char *text)
{
	size_t at = 5381;

	for (const char *p = text; *p; p++)
		at = at * 33 ^ (unsigned char)*p;
	while (t->words[at &= t->room - 1].count > 0 && strcmp(t->words[at].text, text) != 0)
		at++;
	return &t->words[at];
}

static void add(struct table *t, const char *text, uint64_t count)
{
	struct word *w;

	if (t->n_words * 2 >= t->room) {
		struct table bigger = {.room = t->room ? t->room * 2 : 1024};

		bigger.words = calloc(bigger.room, sizeof *bigger.words);
		if (!bigger.words)
			abort();
		for (size_t i = 0; i < t->room; i++)
			if (t->words[i].count > 0)
				*find(&bigger, t->words[i].text) = t->words[i];
		free(t->words);
		t->words = bigger.words;
		t->room = bigger.room;
	}
	w = find(t, text);
	if (w->count == 0) {
		strcpy(w->text, text);
		t->n_words++;
	}
	w->count += count;
	t->total += count;
}

static uint64_t count_file(struct table *t, const char *path)
{
	FILE *file = fopen(path, "r");
	char text[WORD_MAX + 1];
	uint64_t n_bytes = 0;
	size_t n = 0;
	int c = 0;

	while (file && c != EOF) {
		c = getc(file);
		n_bytes += c != EOF;
		if (c != EOF && isalpha(c) && n < WORD_MAX) {
			text[n++] = (char)tolower(c);
		} else if (n > 0) {
			text[n] = '\0';
			add(t, text, 1);
			n = 0;
		}
	}
	if (file)
		fclose(file);
	return n_bytes;
}

/* --- a worker --- */

struct result {
	uint64_t job;
	uint64_t n_bytes;
	uint64_t n_words;
	struct word words[];
};

static int send_result(ipk_pipe *to, uint64_t job, uint64_t n_bytes, const struct table *t)
{
	size_t len_bytes = sizeof(struct result) + t->n_words * sizeof(struct word);
	struct result *result = malloc(len_bytes);
	int r;

	if (!result)
		return -1;
	*result = (struct result){job, n_bytes, 0};
	for (size_t i = 0; i < t->room; i++)
		if (t->words[i].count > 0)
			result->words[result->n_words++] = t->words[i];
	r = ipk_pipe_send(to, result, len_bytes, ipk_forever());
	free(result);
	return r;
}

struct worker {
	ipk_queue *jobs;
	ipk_pipe *to_parent;
	ipk_pipe *from_worker; /* the parent's end */
	ipk_process *process;
	char **paths;
};

static int work(void *arg)
{
	struct worker *w = arg;
	int r;

	w->from_worker = ipk_pipe_close(w->from_worker);
	for (;;) {
		IPK_AUTO(lease) *lease = NULL;
		struct table t = {0};
		uint64_t job;

		r = ipk_queue_lease(w->jobs, ipk_forever(), &lease);
		if (r < 0)
			return r == -ESHUTDOWN ? 0 : 1;
		memcpy(&job, ipk_lease_data(lease, NULL), sizeof job);
		r = send_result(w->to_parent, job, count_file(&t, w->paths[job]), &t);
		free(t.words);
		if (r == 0)
			r = ipk_lease_ack(lease);
		if (r < 0)
			return 1;
	}
}

static int start_worker(struct worker *w)
{
	int r = ipk_pipe_create(IPK_PIPE(.label = "results", .flags = IPK_PIPE_ONE_WAY),
				&w->from_worker, &w->to_parent);

	if (r == 0)
		r = ipk_process_start(work, w, IPK_PROCESS(.flags = IPK_PROCESS_DIE_WITH_PARENT),
				      &w->process);
	w->to_parent = ipk_pipe_close(w->to_parent);
	return r;
}

static void end_worker(struct worker *w)
{
	ipk_process_status status = {0};

	if (w->process && ipk_process_join(w->process, ipk_forever(), &status) == 0 &&
	    status.signal != 0)
		printf("  worker %d was ended by signal %d; another takes its place\n",
		       (int)ipk_process_pid(w->process), status.signal);
	w->process = ipk_process_close(w->process);
	w->from_worker = ipk_pipe_close(w->from_worker);
}

/* --- the parent --- */

struct job_list {
	char **paths;
	bool *is_done;
	size_t n_jobs;
	size_t n_put;
	size_t n_done;
	uint64_t n_bytes;
	struct table counts;
};

static void take_result(struct job_list *jobs, const struct result *result)
{
	if (result->job >= jobs->n_jobs || jobs->is_done[result->job])
		return; /* a second worker counted it too: the first was killed before its ack */
	jobs->is_done[result->job] = true;
	jobs->n_done++;
	jobs->n_bytes += result->n_bytes;
	for (uint64_t i = 0; i < result->n_words; i++)
		add(&jobs->counts, result->words[i].text, result->words[i].count);
}

/* Take what a worker sent; false when it is gone. */
static bool take_results(struct job_list *jobs, struct worker *w)
{
	size_t len_bytes;
	void *data;
	int r;

	while ((r = ipk_pipe_recv_alloc(w->from_worker, ipk_now(), &data, &len_bytes)) == 0) {
		take_result(jobs, data);
		free(data);
	}
	return r == -ETIMEDOUT;
}

static void show_progress(const struct job_list *jobs)
{
	static size_t shown;
	size_t tenth = jobs->n_done * 10 / jobs->n_jobs;

	if (tenth == shown)
		return;
	shown = tenth;
	printf("  %3zu %%  %zu of %zu files, %" PRIu64 " words\n", tenth * 10, jobs->n_done,
	       jobs->n_jobs, jobs->counts.total);
	fflush(stdout);
}

static void show_ourselves(void)
{
	const char *inspect = getenv("IPC_INSPECT");
	pid_t pid;

	printf("half way; this is what ipc-inspect ls sees:\n");
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		execlp(inspect ? inspect : "ipc-inspect", "ipc-inspect", "ls", (char *)NULL);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static int kill_one(struct worker *w)
{
	show_ourselves();
	printf("killing worker %d with SIGKILL\n", (int)ipk_process_pid(w->process));
	return ipk_process_kill(w->process);
}

/* Put names into the queue until it is full. */
static int feed(struct job_list *jobs, ipk_queue *queue)
{
	int r = 0;

	while (r == 0 && jobs->n_put < jobs->n_jobs) {
		uint64_t job = jobs->n_put;

		r = ipk_queue_put(queue, &job, sizeof job, ipk_now());
		jobs->n_put += r == 0;
	}
	return r == -ETIMEDOUT ? 0 : r;
}

static int run_job(struct job_list *jobs, ipk_queue *queue, struct worker *workers, size_t n)
{
	ipk_pipe *ends[WORKERS_MAX];
	bool ready[WORKERS_MAX];
	bool is_killed = false;

	for (size_t i = 0; i < n; i++)
		ipk_try(start_worker(&workers[i]));
	while (jobs->n_done < jobs->n_jobs) {
		ipk_try(feed(jobs, queue));
		for (size_t i = 0; i < n; i++)
			ends[i] = workers[i].from_worker;
		ipk_try(ipk_pipe_wait(ends, n, ipk_forever(), ready));
		for (size_t i = 0; i < n; i++) {
			if (!ready[i] || take_results(jobs, &workers[i]))
				continue;
			end_worker(&workers[i]);
			ipk_try(start_worker(&workers[i]));
		}
		show_progress(jobs);
		if (!is_killed && jobs->n_done * 2 >= jobs->n_jobs) {
			ipk_try(kill_one(&workers[0]));
			is_killed = true;
		}
	}
	ipk_try(ipk_queue_shutdown(queue, IPK_DRAIN));
	for (size_t i = 0; i < n; i++)
		end_worker(&workers[i]);
	return 0;
}

/* --- the end --- */

static bool is_same(const struct table *a, const struct table *b)
{
	if (a->total != b->total || a->n_words != b->n_words)
		return false;
	for (size_t i = 0; i < a->room; i++)
		if (a->words[i].count > 0 && find(b, a->words[i].text)->count != a->words[i].count)
			return false;
	return true;
}

static int by_count(const void *a, const void *b)
{
	const struct word *x = a, *y = b;

	return x->count != y->count ? (x->count < y->count) - (x->count > y->count)
				    : strcmp(x->text, y->text);
}

static int report(struct job_list *jobs, double seconds)
{
	struct table plain = {0};
	bool same;

	for (size_t i = 0; i < jobs->n_jobs; i++)
		count_file(&plain, jobs->paths[i]);
	same = is_same(&plain, &jobs->counts);
	printf("one process counts %" PRIu64 " words, %zu different: %s\n", plain.total,
	       plain.n_words, same ? "exactly the same" : "NOT the same");
	qsort(jobs->counts.words, jobs->counts.room, sizeof(struct word), by_count);
	for (size_t i = 0; i < 10 && i < jobs->counts.n_words; i++)
		printf("  %8" PRIu64 "  %s\n", jobs->counts.words[i].count,
		       jobs->counts.words[i].text);
	printf("%zu files, %.1f MB, %" PRIu64 " words in %.2f s: %.1f MB/s\n", jobs->n_jobs,
	       (double)jobs->n_bytes / 1e6, jobs->counts.total, seconds,
	       (double)jobs->n_bytes / 1e6 / seconds);
	free(plain.words);
	free(jobs->counts.words);
	return same ? 0 : 1;
}

int main(int argc, char **argv)
{
	static struct worker workers[WORKERS_MAX];
	struct job_list jobs = {.paths = argv + 1, .n_jobs = (size_t)(argc - 1)};
	ipk_deadline hour = ipk_in_ms(3600000);
	size_t n = (size_t)ipk_cpu_count();
	IPK_AUTO(queue) *queue = NULL;
	int r;

	if (argc < 2) {
		fprintf(stderr, "usage: wordcount FILE...\n");
		return 2;
	}
	n = n < WORKERS_MAX ? n : WORKERS_MAX;
	jobs.is_done = calloc(jobs.n_jobs, sizeof *jobs.is_done);
	r = jobs.is_done ? ipk_queue_create(IPK_QUEUE(.label = "jobs", .max_items = 4), &queue)
			 : -1;
	printf("counting the words of %zu files with %zu workers\n", jobs.n_jobs, n);
	for (size_t i = 0; i < n; i++)
		workers[i] = (struct worker){.jobs = queue, .paths = jobs.paths};
	if (r == 0)
		r = run_job(&jobs, queue, workers, n);
	if (r < 0) {
		fprintf(stderr, "wordcount: %s\n", ipk_strerror(r));
		return 1;
	}
	r = report(&jobs, 3600.0 - (double)ipk_deadline_left_ns(hour) / 1e9);
	free(jobs.is_done);
	return r;
}
