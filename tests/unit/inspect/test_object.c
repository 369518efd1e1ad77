/* test_object.c - objects that vanish, or become something else, between seeing and reading. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inspect/inspect_internal.h"
#include "support/support.h"

/*
 * The reference of process @pid (0: the name itself) to the object whose name in /proc or /dev/shm
 * ends in @tail. Others there may be: an inspector that runs beside this one opens what it reads.
 */
static const struct ipk__os_reference *reference_of(const struct ipk__references *all, pid_t pid,
						    const char *tail)
{
	for (size_t i = 0; i < all->n; i++) {
		const struct ipk__os_reference *s = &all->items[i];
		size_t n_name = strlen(s->name);

		if (s->pid == pid && n_name >= strlen(tail) &&
		    strcmp(s->name + n_name - strlen(tail), tail) == 0)
			return s;
	}
	ck_abort_msg("no reference to %s", tail);
}

START_TEST(object_closed_after_it_was_seen_is_gone)
{
	char label[UNIQUE_NAME_BYTES];
	struct ipk__object *o = NULL;
	struct ipk__references all;
	ipk_queue *q = NULL;
	const struct ipk__os_reference *own;

	unique_name(label, "closed");
	ck_ok(ipk_queue_create(IPK_QUEUE(.label = label), &q));
	ck_ok(ipk__references_collect(&all));
	own = reference_of(&all, getpid(), label);
	ck_ok(ipk__object_make(own, 1, &o));
	ck_assert_str_eq(o->pub.name, label);
	ipk__object_free(o);
	o = NULL;
	ipk_queue_close(q);
	ck_err(ipk__object_make(own, 1, &o), -ENOENT);
	ck_assert_ptr_null(o);
	ipk__references_free(&all);
}
END_TEST

/* Two inspectors that read in turns do not keep alive what its users have closed. */
START_TEST(object_that_only_readers_have_open_is_gone)
{
	char label[UNIQUE_NAME_BYTES], path[64];
	struct ipk__references all;
	ipk_inspect *snap = NULL;
	ipk_queue *q = NULL;
	int fd;

	unique_name(label, "read");
	ck_ok(ipk_queue_create(IPK_QUEUE(.label = label), &q));
	ck_ok(ipk__references_collect(&all));
	snprintf(path, sizeof path, "/proc/self/fd/%d", reference_of(&all, getpid(), label)->fd);
	ipk__references_free(&all);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_ok(ipk_inspect_scan(IPK_INSPECT(.match = label), &snap));
	ck_assert_uint_eq(ipk_inspect_len(snap), 1);
	ck_assert_uint_eq(ipk_inspect_object_at(snap, 0)->n_users, 1);
	ipk_inspect_close(snap);
	ipk_queue_close(q);
	ck_ok(ipk_inspect_scan(IPK_INSPECT(.match = label), &snap));
	ck_assert_uint_eq(ipk_inspect_len(snap), 0);
	ipk_inspect_close(snap);
	close(fd);
}
END_TEST

/* The number of the fd is taken by something else: a FIFO that would block whoever opens it. */
START_TEST(fd_that_became_another_file_is_not_opened)
{
	const struct ipk__os_reference *own;
	struct ipk__object *o = NULL;
	struct ipk__references all;
	int fds[2];
	int fd;

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	fd = memfd_create("ipk:queue:reused", MFD_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_ok(ipk__references_collect(&all));
	own = reference_of(&all, getpid(), "ipk:queue:reused");
	ck_assert_int_eq(own->fd, fd);
	ck_assert_int_ge(dup3(fds[0], fd, O_CLOEXEC), 0);
	ck_err(ipk__object_make(own, 1, &o), -ENOENT);
	ipk__references_free(&all);
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
	struct ipk__os_reference gone[2];
	struct ipk__object *o = NULL;
	struct ipk__references all;
	ipk_queue *q = NULL;

	unique_name(label, "another");
	ck_ok(ipk_queue_create(IPK_QUEUE(.label = label), &q));
	ck_ok(ipk__references_collect(&all));
	gone[0] = gone[1] = *reference_of(&all, getpid(), label);
	gone[0].pid = 1 << 22; /* beyond the largest pid */
	ck_ok(ipk__object_make(gone, 2, &o));
	ck_assert_int_eq(o->pub.error, 0);
	ipk__object_free(o);
	ipk__references_free(&all);
	ipk_queue_close(q);
}
END_TEST

START_TEST(name_replaced_after_it_was_seen_is_not_opened)
{
	char name[UNIQUE_NAME_BYTES], path[128];
	const struct ipk__os_reference *entry;
	struct ipk__object *o = NULL;
	struct ipk__references all;
	ipk_queue *q = NULL;

	unique_name(name, "replaced");
	snprintf(path, sizeof(path), "/dev/shm/ipk.%s", name);
	ck_ok(ipk_queue_create(IPK_QUEUE(.name = name), &q));
	ipk_queue_close(q);
	ck_ok(ipk__references_collect(&all));
	entry = reference_of(&all, 0, name);
	ck_ok(ipk_queue_unlink(name));
	ck_err(ipk__object_make(entry, 1, &o), -ENOENT);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_err(ipk__object_make(entry, 1, &o), -ENOENT);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(symlink("/etc/passwd", path), 0);
	ck_err(ipk__object_make(entry, 1, &o), -ENOENT);
	ck_assert_int_eq(unlink(path), 0);
	ipk__references_free(&all);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("object");

	add_test(s, object_closed_after_it_was_seen_is_gone);
	add_test(s, object_that_only_readers_have_open_is_gone);
	add_test(s, fd_that_became_another_file_is_not_opened);
	add_test(s, what_is_being_made_is_not_there_yet);
	add_test(s, process_that_ended_after_it_was_seen_is_passed_over);
	add_test(s, name_replaced_after_it_was_seen_is_not_opened);
	return s;
}

IPK_TEST_MAIN(suite)
