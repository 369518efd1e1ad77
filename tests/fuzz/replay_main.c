/*
 * replay_main.c - main() for fuzz targets where libFuzzer is missing.
 *
 * Feeds the target each file of the folders named on the command line, and every shorter prefix of
 * each file: the corpus stays small, and every ordinary test run tries all the truncated inputs, on
 * which parsers tend to fail. Inputs are copied to memory of their exact length so that ASan
 * detects a read past the end.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_BYTES_MAX = 1 << 20, PREFIXES_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void feed(const uint8_t *data, size_t n_bytes)
{
	uint8_t *exact = calloc(1, n_bytes > 0 ? n_bytes : 1);

	if (exact == NULL)
		abort();
	if (n_bytes > 0)
		memcpy(exact, data, n_bytes);
	LLVMFuzzerTestOneInput(exact, n_bytes);
	free(exact);
}

static int replay_file(const char *path)
{
	static uint8_t bytes[INPUT_BYTES_MAX];
	FILE *f = fopen(path, "rbe");
	size_t n_bytes;

	if (f == NULL) {
		perror(path);
		return -1;
	}
	n_bytes = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	for (size_t n = 0; n < n_bytes && n < PREFIXES_MAX; n++)
		feed(bytes, n);
	feed(bytes, n_bytes);
	return 0;
}

/* How many files were replayed, negative when one could not be read. */
static int replay_folder(const char *folder)
{
	char path[4096];
	DIR *dir = opendir(folder);
	int n_files = 0;

	if (dir == NULL) {
		perror(folder);
		return -1;
	}
	for (struct dirent *e = readdir(dir); e != NULL && n_files >= 0; e = readdir(dir)) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		n_files = replay_file(path) < 0 ? -1 : n_files + 1;
	}
	closedir(dir);
	return n_files;
}

int main(int argc, char **argv)
{
	int n_files = 0;

	feed(NULL, 0);
	for (int i = 1; i < argc; i++) {
		int n = replay_folder(argv[i]);

		if (n < 0)
			return EXIT_FAILURE;
		n_files += n;
	}
	printf("%d files\n", n_files);
	return n_files > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
