/*
 * pool_reopen.c - each worker opens the file for itself.
 *
 * Processes that inherit an open file share its offset: one can seek between another's seek and
 * read. So the pool's initializer reopens the file in each worker, also in a replacement. The file
 * stays open as long as the worker lives.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ipk.h>

enum { N_RECORDS = 1000, RECORD_BYTES = 16 };

static FILE *records;

static int open_records(void *path)
{
	records = fopen(path, "r");
	return records ? 0 : -errno;
}

static int read_record(const void *item, void *ret_result)
{
	if (fseek(records, *(const int *)item * (long)RECORD_BYTES, SEEK_SET) < 0)
		return -errno;
	return fread(ret_result, RECORD_BYTES, 1, records) == 1 ? 0 : -EIO;
}

static int write_records(const char *path)
{
	FILE *file = fopen(path, "w");

	if (!file)
		return -errno;
	for (int i = 0; i < N_RECORDS; i++)
		fprintf(file, "record %8d\n", i);
	return fclose(file) == 0 ? 0 : -EIO;
}

static int read_all(char *path)
{
	static char text[N_RECORDS][RECORD_BYTES];
	int index[N_RECORDS];
	char expected[RECORD_BYTES + 1];
	IPK_AUTO(pool, pool);

	IPK_TRY(ipk_pool_create(
		IPK_POOL(.n_workers = 4, .initializer = open_records, .initializer_arg = path),
		&pool));
	for (int i = 0; i < N_RECORDS; i++)
		index[i] = (i * 7) % N_RECORDS;
	IPK_TRY(ipk_pool_map(pool, read_record, index, text, N_RECORDS, ipk_in_ms(10000)));
	for (int i = 0; i < N_RECORDS; i++) {
		snprintf(expected, sizeof expected, "record %8d\n", index[i]);
		if (memcmp(text[i], expected, RECORD_BYTES) != 0)
			return -EBADMSG;
	}
	printf("%d records read by 4 workers, each from its own open file\n", N_RECORDS);
	return 0;
}

int main(void)
{
	char path[] = "/tmp/pool_reopen.XXXXXX";
	int fd = mkstemp(path), r;

	if (fd < 0)
		return 1;
	close(fd);
	r = write_records(path);
	if (r == 0)
		r = read_all(path);
	unlink(path);
	return r < 0;
}
