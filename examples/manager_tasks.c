/*
 * manager_tasks.c - a writer and two readers over a managed queue, with results in a dict of lists.
 *
 *   manager_tasks [ADDRESS]     as in manager_results.c
 *
 * The writer puts letters into a bounded, joinable queue. Each reader gets letters and appends them
 * to a list of its own in a dict that both share. The list is a nested container, so every process
 * that reads it from the dict sees what is appended. At the end every letter is in exactly one
 * list.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <ipk.h>
#include <ipk/manager.h>
#include <ipk/manager_server.h>

#define N_READERS 2
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define N_LETTERS (sizeof LETTERS - 1)

static ipk_deadline soon(void)
{
	return ipk_in_ms(10000);
}

static int open_queue(ipk_manager *m, ipk_managed_queue **ret_queue)
{
	return ipk_managed_queue_open(m, "{tasks}queue",
				      IPK_MANAGED_QUEUE(.max_items = 5, .is_joinable = true),
				      soon(), ret_queue);
}

static int writer(void *manager)
{
	IPK_AUTO(managed_queue, queue);

	IPK_CHECK(open_queue(manager, &queue));
	for (size_t i = 0; i < N_LETTERS; i++)
		IPK_CHECK(ipk_managed_queue_put(queue, &LETTERS[i], 1, soon()));
	IPK_CHECK(ipk_managed_queue_join(queue, soon()));
	return ipk_managed_queue_shutdown(queue, IPK_DRAIN, soon());
}

struct reader {
	ipk_manager *manager;
	char name[16];
};

static int reader(void *arg)
{
	const struct reader *me = arg;
	IPK_AUTO(managed_queue, queue);
	IPK_AUTO(dict, found);
	IPK_AUTO(list, mine);
	void *letter;
	size_t n;
	int r;

	IPK_CHECK(open_queue(me->manager, &queue));
	IPK_CHECK(ipk_dict_open(me->manager, "{tasks}found", &found));
	IPK_CHECK(ipk_dict_get_list(found, ipk_text(me->name), soon(), &mine));
	while ((r = ipk_managed_queue_get_alloc(queue, soon(), &letter, &n)) == 0) {
		r = ipk_list_append(mine, letter, n, soon());
		free(letter);
		IPK_CHECK(r);
		IPK_CHECK(ipk_managed_queue_task_done(queue, 1, soon()));
	}
	return r == -ESHUTDOWN ? 0 : r;
}

/* How often each letter is in the lists: once, all together. */
static int check(ipk_dict *found, const struct reader *readers)
{
	uint64_t n_all = 0;

	for (int i = 0; i < N_READERS; i++) {
		IPK_AUTO(list, list);
		uint64_t n;

		IPK_TRY(ipk_dict_get_list(found, ipk_text(readers[i].name), soon(), &list));
		IPK_TRY(ipk_list_len(list, soon(), &n));
		n_all += n;
		for (size_t k = 0; k < N_LETTERS; k++) {
			IPK_TRY(ipk_list_count(list, &LETTERS[k], 1, soon(), &n));
			if (n > 1)
				return -EBADMSG;
		}
	}
	printf("%" PRIu64 " letters in %d lists\n", n_all, N_READERS);
	return n_all == N_LETTERS ? 0 : -EBADMSG;
}

static int join(ipk_process *p)
{
	ipk_process_status status;

	IPK_TRY(ipk_process_join(p, soon(), &status));
	return status.exit_code == 0 ? 0 : -ECHILD;
}

static int run_all(ipk_manager *m, ipk_dict *found)
{
	IPK_AUTO(process, write);
	IPK_AUTO(process, first);
	IPK_AUTO(process, second);
	struct reader readers[N_READERS] = {{m, "first"}, {m, "second"}};

	IPK_TRY(ipk_dict_set_ref(found, ipk_text("first"), IPK_REF_LIST, "{tasks}first", soon()));
	IPK_TRY(ipk_dict_set_ref(found, ipk_text("second"), IPK_REF_LIST, "{tasks}second", soon()));
	IPK_TRY(ipk_process_start(reader, &readers[0], NULL, &first));
	IPK_TRY(ipk_process_start(reader, &readers[1], NULL, &second));
	IPK_TRY(ipk_process_start(writer, m, NULL, &write));
	IPK_TRY(join(write));
	IPK_TRY(join(first));
	IPK_TRY(join(second));
	return check(found, readers);
}

static int forget(ipk_manager *m)
{
	static const char *const names[] = {"{tasks}queue", "{tasks}found", "{tasks}first",
					    "{tasks}second"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		int r = ipk_manager_delete(m, names[i], soon());

		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

static int run(const char *address)
{
	IPK_AUTO(manager_server, server);
	IPK_AUTO(manager, m);
	IPK_AUTO(dict, found);

	if (!address) {
		IPK_TRY(ipk_manager_server_start(NULL, soon(), &server));
		address = ipk_manager_server_address(server);
	}
	IPK_TRY(ipk_manager_connect(
		address, IPK_MANAGER_CONNECT(.key_file = getenv("IPK_KEY_FILE")), soon(), &m));
	IPK_TRY(forget(m));
	IPK_TRY(ipk_dict_open(m, "{tasks}found", &found));
	IPK_TRY(run_all(m, found));
	return forget(m);
}

int main(int argc, char **argv)
{
	int r = run(argc > 1 ? argv[1] : NULL);

	if (r < 0)
		fprintf(stderr, "manager_tasks: %s: %s\n", ipk_strerror(r), ipk_manager_error());
	return r < 0;
}
