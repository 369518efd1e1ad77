/* test_object.c - objects that vanish, or become something else, between seeing and reading. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inspect/inspect_internal.h"
#include "support/support.h"

/* The run of sightings of the object whose name in /proc or /dev/shm ends in @tail. */
static const struct ipk__os_sighting *run_of(const struct ipk__sightings *all, const char *tail,
					     size_t *ret_n)
{
	for (size_t i = 0; i < all->n; i++) {
		const struct ipk__os_sighting *s = &all->items[i];
		size_t n_name = strlen(s->name);
		size_t n = 1;

		if (n_name < strlen(tail) || strcmp(s->name + n_name - strlen(tail), tail) != 0)
			continue;
		while (i > 0 && ipk__sightings_same(&all->items[i - 1], &all->items[i]))
			i--;
		while (i + n < all->n && ipk__sightings_same(&all->items[i], &all->items[i + n]))
			n++;
		*ret_n = n;
		return &all->items[i];
	}
	ck_abort_msg("%s was not sighted", tail);
}

START_TEST(object_closed_after_it_was_seen_is_gone)
{
	char label[UNIQUE_NAME_BYTES];
	struct ipk__object *o = NULL;
	struct ipk__sightings all;
	ipk_queue *q = NULL;
	const struct ipk__os_sighting *run;
	size_t n;

	unique_name(label, "closed");
	ck_ok(ipk_queue_create(IPK_QUEUE(.label = label), &q));
	ck_ok(ipk__sightings_collect(&all));
	run = run_of(&all, label, &n);
	ck_assert_uint_eq(n, 1);
	ck_ok(ipk__object_make(run, n, &o));
	ck_assert_str_eq(o->pub.name, label);
	ipk__object_free(o);
	o = NULL;
	ipk_queue_close(q);
	ck_err(ipk__object_make(run, n, &o), -ENOENT);
	ck_assert_ptr_null(o);
	ipk__sightings_free(&all);
}
END_TEST

/* The number of the fd is taken by something else: a FIFO that would block whoever opens it. */
START_TEST(fd_that_became_another_file_is_not_opened)
{
	char label[UNIQUE_NAME_BYTES];
	const struct ipk__os_sighting *run;
	struct ipk__object *o = NULL;
	struct ipk__sightings all;
	int fds[2];
	size_t n;
	int fd;

	unique_name(label, "reused");
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	fd = memfd_create("ipk:queue:reused", MFD_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_ok(ipk__sightings_collect(&all));
	for (run = run_of(&all, "reused", &n); run->pid != getpid() || run->fd != fd; run++)
		ck_assert_ptr_ne(run, &all.items[all.n - 1]);
	ck_assert_int_ge(dup3(fds[0], fd, O_CLOEXEC), 0);
	ck_err(ipk__object_make(run, 1, &o), -ENOENT);
	ipk__sightings_free(&all);
	close(fd);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

/* A name for the memory comes first, then the memory, then what is in it. */
START_TEST(what_is_being_made_is_not_there_yet)
{
	ipk_inspect *snap = NULL;
	char label[UNIQUE_NAME_BYTES], name[UNIQUE_NAME_BYTES + 16];
	int fd;

	unique_name(label, "unborn");
	snprintf(name, sizeof name, "ipk:queue:%s", label);
	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 8192), 0);
	ck_ok(ipk_inspect_scan(IPK_INSPECT(.match = label), &snap));
	ck_assert_uint_eq(ipk_inspect_len(snap), 0);
	ipk_inspect_close(snap);
	/* It is as it will stay: something else that has our name. */
	ck_ok(ipk__os_seal(fd, false));
	ck_ok(ipk_inspect_scan(IPK_INSPECT(.match = label), &snap));
	ck_assert_uint_eq(ipk_inspect_len(snap), 1);
	ck_assert_int_eq(ipk_inspect_object_at(snap, 0)->error, -EPROTO);
	ipk_inspect_close(snap);
	close(fd);
}
END_TEST

START_TEST(process_that_ended_after_it_was_seen_is_passed_over)
{
	char label[UNIQUE_NAME_BYTES];
	const struct ipk__os_sighting *run;
	struct ipk__os_sighting gone[2];
	struct ipk__object *o = NULL;
	struct ipk__sightings all;
	ipk_queue *q = NULL;
	size_t n;

	unique_name(label, "another");
	ck_ok(ipk_queue_create(IPK_QUEUE(.label = label), &q));
	ck_ok(ipk__sightings_collect(&all));
	run = run_of(&all, label, &n);
	gone[0] = gone[1] = *run;
	gone[0].pid = 1 << 22; /* beyond the largest pid */
	ck_ok(ipk__object_make(gone, 2, &o));
	ck_assert_int_eq(o->pub.error, 0);
	ipk__object_free(o);
	ipk__sightings_free(&all);
	ipk_queue_close(q);
}
END_TEST

START_TEST(name_replaced_after_it_was_seen_is_not_opened)
{
	char name[UNIQUE_NAME_BYTES], path[128];
	const struct ipk__os_sighting *run;
	struct ipk__object *o = NULL;
	struct ipk__sightings all;
	ipk_queue *q = NULL;
	size_t n;

	unique_name(name, "replaced");
	snprintf(path, sizeof(path), "/dev/shm/ipk.%s", name);
	ck_ok(ipk_queue_create(IPK_QUEUE(.name = name), &q));
	ipk_queue_close(q);
	ck_ok(ipk__sightings_collect(&all));
	run = run_of(&all, name, &n);
	ck_assert_uint_eq(n, 1);
	ck_ok(ipk_queue_unlink(name));
	ck_err(ipk__object_make(run, n, &o), -ENOENT);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_err(ipk__object_make(run, n, &o), -ENOENT);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(symlink("/etc/passwd", path), 0);
	ck_err(ipk__object_make(run, n, &o), -ENOENT);
	ck_assert_int_eq(unlink(path), 0);
	ipk__sightings_free(&all);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("object");

	add_test(s, object_closed_after_it_was_seen_is_gone);
	add_test(s, fd_that_became_another_file_is_not_opened);
	add_test(s, what_is_being_made_is_not_there_yet);
	add_test(s, process_that_ended_after_it_was_seen_is_passed_over);
	add_test(s, name_replaced_after_it_was_seen_is_not_opened);
	return s;
}

IPK_TEST_MAIN(suite)
