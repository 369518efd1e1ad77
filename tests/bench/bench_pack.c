/* bench_pack.c - typed values: pack [42, nil, "hello"], unpack it again, free both. */
#include <stdlib.h>
#include <string.h>

#include <ipk.h>

#include "bench.h"

static int pack_and_unpack(void)
{
	char *text = NULL;
	int number = 0;
	void *data;
	size_t len_bytes;
	int r;

	IPK_TRY(ipk_pack(&data, &len_bytes, "[i n s]", 42, "hello"));
	r = ipk_unpack(data, len_bytes, "[i n s]", &number, &text);
	free(data);
	if (r < 0)
		return r;
	r = number == 42 && strcmp(text, "hello") == 0 ? 0 : -EBADMSG;
	free(text);
	return r;
}

static int packer(void *arg, size_t n)
{
	(void)arg;
	for (size_t i = 0; i < n; i++)
		IPK_TRY(pack_and_unpack());
	return 0;
}

static int ours(size_t n, struct bench_time *ret_time)
{
	return bench_team(&(struct bench_side){packer, BENCH_ANY_CPU}, 1, NULL, n, ret_time);
}

static int python(size_t n, struct bench_time *ret_time)
{
	return bench_python("peer_pickle.py", "", n, ret_time);
}

const struct bench_row bench_pack_rows[] = {
	{
		.name = "typed pack+unpack of [42, nil, 'hello']",
		.unit = "ns",
		.scale = 1,
		.n_cpus = 1,
		.ours = {"ipk_pack, ipk_unpack", ours},
		.peers = {{"Python pickle", python, 20}},
	},
	{0},
};
