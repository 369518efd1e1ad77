/*
 * pool_wordcount.c - words counted by map and reduce.
 *
 *   pool_wordcount FILE...
 *
 * Map: from a file to a sorted table of its words and their counts. Reduce: merge two such tables
 * into one, in any order. (wordcount.c is the same for large jobs: it shows progress, and kills a
 * worker during the run.)
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ipk.h>

struct entry {
	char word[24]; /* longer ones are cut */
	uint64_t count;
};

static int by_word(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->word, ((const struct entry *)b)->word);
}

static int by_count(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return (x->count < y->count) - (x->count > y->count);
}

/* Words of @file as they come, each counted once. */
static size_t read_words(FILE *file, struct entry **ret_words)
{
	struct entry *words = NULL, *more;
	char word[256];
	size_t n = 0;

	while (fscanf(file, "%*[^A-Za-z]"), fscanf(file, "%255[A-Za-z]", word) == 1) {
		if ((n & (n - 1)) == 0) { /* a power of two: full */
			more = realloc(words, (n ? 2 * n : 1) * sizeof *words);
			if (!more)
				break;
			words = more;
		}
		words[n] = (struct entry){.count = 1};
		for (size_t i = 0; i + 1 < sizeof words->word && word[i]; i++)
			words[n].word[i] = (char)tolower(word[i]);
		n++;
	}
	*ret_words = words;
	return n;
}

/* Equal neighbours become one. */
static size_t fold(struct entry *words, size_t n)
{
	size_t n_kept = 0;

	for (size_t i = 0; i < n; i++)
		if (n_kept > 0 && by_word(&words[n_kept - 1], &words[i]) == 0)
			words[n_kept - 1].count += words[i].count;
		else
			words[n_kept++] = words[i];
	return n_kept;
}

static int map(ipk_task *task, const void *path, size_t path_bytes)
{
	FILE *file = fopen(path, "r");
	struct entry *words;
	size_t n;
	int r;

	(void)path_bytes;
	if (!file)
		return ipk_task_fail(task, -errno, "cannot open %s", (const char *)path);
	n = read_words(file, &words);
	fclose(file);
	if (n > 0)
		qsort(words, n, sizeof *words, by_word);
	r = ipk_task_return(task, words, fold(words, n) * sizeof *words);
	free(words);
	return r;
}

static int reduce(ipk_task *task, const ipk_bytes *a, const ipk_bytes *b)
{
	const struct entry *x = a->data, *x_end = x + a->len_bytes / sizeof *x;
	const struct entry *y = b->data, *y_end = y + b->len_bytes / sizeof *y;
	struct entry *both = malloc(a->len_bytes + b->len_bytes + 1);
	size_t n = 0;
	int r;

	if (!both)
		return -ENOMEM;
	while (x < x_end || y < y_end)
		both[n++] = y == y_end || (x < x_end && by_word(x, y) <= 0) ? *x++ : *y++;
	r = ipk_task_return(task, both, fold(both, n) * sizeof *both);
	free(both);
	return r;
}

/* How many words there are, counted in one go. */
static uint64_t count_plainly(char **paths, size_t n_paths)
{
	struct entry *words;
	uint64_t n = 0;

	for (size_t i = 0; i < n_paths; i++) {
		FILE *file = fopen(paths[i], "r");

		if (!file)
			continue;
		n += read_words(file, &words);
		free(words);
		fclose(file);
	}
	return n;
}

int main(int argc, char **argv)
{
	ipk_bytes paths[64];
	size_t n = 0, len_bytes = 0;
	uint64_t total = 0;
	IPK_AUTO(pool, pool);
	void *data = NULL;

	for (; n < 64 && argv[n + 1]; n++)
		paths[n] = (ipk_bytes){argv[n + 1], strlen(argv[n + 1]) + 1};
	if (argc < 2)
		return 2;
	IPK_CHECK(ipk_pool_create(NULL, &pool));
	IPK_CHECK(ipk_pool_map_reduce(pool, map, reduce, paths, n, IPK_TASK(.n_retries = 3),
				      ipk_in_ms(60000), &data, &len_bytes));
	struct entry *words = data;
	size_t n_words = len_bytes / sizeof *words;

	for (size_t i = 0; i < n_words; i++)
		total += words[i].count;
	qsort(words, n_words, sizeof *words, by_count);
	for (size_t i = 0; i < n_words && i < 5; i++)
		printf("%8" PRIu64 "  %s\n", words[i].count, words[i].word);
	printf("%8" PRIu64 "  words, %zu different\n", total, n_words);
	free(data);
	return total == count_plainly(argv + 1, n) ? 0 : -EBADMSG;
}
