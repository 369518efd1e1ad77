/*
 * wordcount.c - the largest example: count the words of real files on every core, exactly, although
 * workers are killed during the run.
 *
 *   wordcount FILE...
 *
 * Each file is a task of a pool; file names are read only as fast as results are consumed. A task
 * may be retried after its worker's death, because the counts of a killed worker are lost with it:
 * each file's words are added once.
 *
 * In the middle of the run it shows itself with ipc-inspect (environment variable IPC_INSPECT) and
 * kills a worker that runs a task with SIGKILL. At the end it counts again in one process and
 * compares.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ipk.h>

#define WORD_MAX 63

/* --- a table of words ------------------------------------------------------------------------- */

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

static int count_words(struct table *t, const char *path)
{
	FILE *file = fopen(path, "r");
	char text[WORD_MAX + 1];
	size_t n = 0;
	int c = 0;

	if (!file)
		return -errno;
	while (c != EOF) {
		c = getc(file);
		if (c != EOF && isalpha(c) && n < WORD_MAX) {
			text[n++] = (char)tolower(c);
		} else if (n > 0) {
			text[n] = '\0';
			add(t, text, 1);
			n = 0;
		}
	}
	return fclose(file) == 0 ? 0 : -EIO;
}

/* --- the task --------------------------------------------------------------------------------- */

/* From a path to its words. */
static int count_file(ipk_task *task, const void *path, size_t path_bytes)
{
	struct table t = {0};
	size_t n = 0;
	int r;

	(void)path_bytes;
	r = count_words(&t, path);
	for (size_t i = 0; i < t.room; i++)
		if (t.words[i].count > 0)
			t.words[n++] = t.words[i];
	if (r == 0)
		r = ipk_task_return(task, t.words, n * sizeof *t.words);
	else
		ipk_task_fail(task, r, "cannot read %s", (const char *)path);
	free(t.words);
	return r;
}

/* --- the job ---------------------------------------------------------------------------------- */

static int next_path(void *arg, ipk_bytes *ret_item)
{
	char ***path = arg;

	if (!**path)
		return 0;
	*ret_item = (ipk_bytes){**path, strlen(**path) + 1};
	(*path)++;
	return 1;
}

static int take(ipk_future *f, struct table *counts)
{
	size_t len_bytes;
	void *words;

	IPK_TRY(ipk_future_get_alloc(f, ipk_now(), &words, &len_bytes));
	for (struct word *w = words; (char *)w < (char *)words + len_bytes; w++)
		add(counts, w->text, w->count);
	free(words);
	return 0;
}

/* Looks at us while we go on; what it says is shown at the end. */
static FILE *start_looking(void)
{
	const char *inspect = getenv("IPC_INSPECT");
	char command[4096];

	snprintf(command, sizeof command, "%s show wordcount", inspect ? inspect : "ipc-inspect");
	fflush(stdout);
	return popen(command, "r");
}

static void show_what_was_seen(FILE *seen)
{
	char line[512];

	printf("half way, ipc-inspect show wordcount said:\n");
	while (fgets(line, sizeof line, seen))
		printf("    %s", line);
	if (pclose(seen) != 0)
		printf("    (it could not be run)\n");
}

/* The one that has been at its task for the shortest time: it will not be done with it yet. */
static int kill_one(ipk_pool *pool)
{
	ipk_worker_info workers[IPK_POOL_WORKERS_MAX], *best = workers;
	size_t n;

	IPK_TRY(ipk_pool_workers(pool, workers, IPK_POOL_WORKERS_MAX, &n));
	if (n == 0)
		return -ESRCH;
	for (size_t i = 0; i < n; i++) {
		bool is_busy = workers[i].state == IPK_WORKER_BUSY;

		if (is_busy &&
		    (best->state != IPK_WORKER_BUSY || workers[i].since_ns < best->since_ns))
			best = &workers[i];
	}
	printf("killing worker %d with SIGKILL\n", (int)best->pid);
	return kill(best->pid, SIGKILL) == 0 ? 0 : -errno;
}

static int run(ipk_pool *pool, char **paths, size_t n_files, struct table *counts)
{
	IPK_AUTO(imap, imap);
	FILE *seen = NULL;
	int r = 0;

	IPK_TRY(ipk_pool_imap(pool, count_file, next_path, &paths,
			      IPK_IMAP(.is_unordered = true, .task = IPK_TASK(.n_retries = 3)),
			      &imap));
	for (size_t n_done = 0; r == 0; n_done++) {
		IPK_AUTO(future, f);

		if (n_done == n_files / 2)
			seen = start_looking();
		if (n_done == n_files / 2 + 1)
			IPK_TRY(kill_one(pool));
		r = ipk_imap_next(imap, ipk_forever(), &f);
		if (r == 0)
			r = take(f, counts);
	}
	if (seen)
		show_what_was_seen(seen);
	return r == -ENOENT ? 0 : r;
}

/* --- the end ---------------------------------------------------------------------------------- */

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

static int compare(char **paths, struct table *counts)
{
	struct table plain = {0};
	bool same;

	for (; *paths; paths++)
		IPK_TRY(count_words(&plain, *paths));
	same = is_same(&plain, counts);
	printf("one process counts %" PRIu64 " words, %zu different: %s\n", plain.total,
	       plain.n_words, same ? "exactly the same" : "NOT the same");
	qsort(counts->words, counts->room, sizeof(struct word), by_count);
	for (size_t i = 0; i < 5 && i < counts->n_words; i++)
		printf("  %8" PRIu64 "  %s\n", counts->words[i].count, counts->words[i].text);
	free(plain.words);
	return same ? 0 : -EBADMSG;
}

static int count_all(char **paths, size_t n_files)
{
	struct table counts = {0};
	IPK_AUTO(pool, pool);
	ipk_progress progress;

	IPK_TRY(ipk_pool_create(IPK_POOL(.label = "wordcount", .on_progress = ipk_progress_bar,
					 .on_progress_arg = stderr),
				&pool));
	IPK_TRY(run(pool, paths, n_files, &counts));
	IPK_TRY(ipk_pool_shutdown(pool, IPK_DRAIN));
	IPK_TRY(ipk_pool_join(pool, ipk_in_ms(10000)));
	IPK_TRY(ipk_pool_progress(pool, &progress));
	printf("%zu files counted; %u worker replaced, %" PRIu64 " task retried\n", n_files,
	       progress.n_replaced, progress.n_retried);
	IPK_TRY(compare(paths, &counts));
	free(counts.words);
	return 0;
}

int main(int argc, char **argv)
{
	int r;

	if (argc < 2) {
		fprintf(stderr, "usage: wordcount FILE...\n");
		return 2;
	}
	r = count_all(argv + 1, (size_t)(argc - 1));
	if (r < 0)
		fprintf(stderr, "wordcount: %s\n", ipk_strerror(r));
	return r < 0;
}
