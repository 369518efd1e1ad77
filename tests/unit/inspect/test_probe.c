/*
 * test_probe.c - reading inconsistent memory: thousands of damaged segments, each of which must be
 * read or refused, with consistent numbers, and never a crash or an endless loop.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "inspect/inspect_internal.h"
#include "pipe/pipe_internal.h"
#include "queue/queue_internal.h"
#include "support/support.h"

#define N_MUTANTS 2500 /* of each of the four kinds */
#define FULL_SCAN_EVERY 100

/* A xorshift generator: the same mutants in every run, so that a failure can be repeated. */
static uint64_t random_state = 88172645463325252u;

static uint64_t random_number(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

struct specimen {
	unsigned char *bytes;
	size_t n;
};

static struct specimen copy_of(const struct ipk__segment *s)
{
	const struct ipk__shm_header *h = s->header;
	struct specimen copy = {.n = h->fixed_bytes + h->n_rings * h->ring_bytes};

	copy.bytes = malloc(copy.n);
	ck_assert_ptr_nonnull(copy.bytes);
	ck_ok(ipk__os_pread(s->fd, copy.bytes, copy.n, 0));
	return copy;
}

static struct specimen queue_specimen(ipk_queue_kind kind)
{
	struct specimen copy;
	ipk_queue *q = NULL;

	ck_ok(ipk_queue_create(IPK_QUEUE(.kind = kind, .ring_bytes = 4096), &q));
	for (int i = 0; i < 5; i++)
		ck_ok(ipk_queue_put(q, "0123456789", 10, ipk_now()));
	copy = copy_of(&q->segment);
	ipk_queue_close(q);
	return copy;
}

static struct specimen pipe_specimen(void)
{
	struct specimen copy;
	ipk_pipe *a = NULL, *b = NULL;

	ck_ok(ipk_pipe_create(IPK_PIPE(.ring_bytes = 4096), &a, &b));
	ck_ok(ipk_pipe_send(a, "0123456789", 10, ipk_now()));
	copy = copy_of(&a->segment);
	ipk_pipe_close(a);
	ipk_pipe_close(b);
	return copy;
}

static size_t fixed_part(const struct specimen *s)
{
	const struct ipk__shm_header *h = (const struct ipk__shm_header *)s->bytes;

	return h->kind == IPK__KIND_PIPE ? sizeof(struct ipk__shm_pipe)
					 : sizeof(struct ipk__shm_queue);
}

/* Bytes anywhere in the structs; half the time the header's checksum is made right again. */
static void mutate(unsigned char *bytes, size_t n_fixed)
{
	struct ipk__shm_header *h = (struct ipk__shm_header *)bytes;
	bool spare_header = random_number() % 4 != 0;
	size_t from = spare_header ? sizeof(*h) : 0;

	for (uint64_t left = 1 + random_number() % 16; left > 0; left--) {
		size_t at = from + random_number() % (n_fixed - from);
		static const unsigned char edges[] = {0, 1, 0x7f, 0x80, 0xff};

		bytes[at] = random_number() % 2 ? (unsigned char)random_number()
						: edges[random_number() % sizeof(edges)];
	}
	if (random_number() % 2)
		h->checksum = ipk__checksum(h, offsetof(struct ipk__shm_header, checksum));
}

static void ck_holds_together(const struct ipk__object *o, int r)
{
	ck_assert_int_le(r, 0);
	ck_assert_int_ne(r, -ENOMEM);
	if (r < 0)
		return;
	ck_assert_uint_le(o->pub.n_channels, 2);
	ck_assert_uint_le(o->pub.n_holders, 2);
	ck_assert_uint_le(o->pub.n_waiters, IPK__WAITERS_MAX);
	for (size_t i = 0; i < o->pub.n_channels; i++)
		ck_assert_uint_le(o->channels[i].used_bytes, o->channels[i].room_bytes);
	for (size_t i = 0; i < o->pub.n_waiters; i++) {
		ck_assert_ptr_nonnull(ipk_inspect_what_name(o->waiters[i].what));
		ck_assert_int_ge(o->waiters[i].since_ns, -1);
	}
}

static void ck_probe(int fd)
{
	struct ipk__object *o = calloc(1, sizeof(*o));
	char label[IPK__LABEL_BYTES] = "";
	int r;

	ck_assert_ptr_nonnull(o);
	r = ipk__probe_segment(fd, o, label);
	ck_holds_together(o, r);
	ck_assert_ptr_nonnull(memchr(label, '\0', sizeof(label)));
	ipk__object_free(o);
}

/* The same through discovery: the mutant is an open memory file like any other. */
static void ck_scan(void)
{
	ipk_inspect *snap = NULL;

	ck_ok(ipk_inspect_scan(IPK_INSPECT(.match = "mutant"), &snap));
	ck_assert_uint_ge(ipk_inspect_len(snap), 1);
	ipk_inspect_close(snap);
}

static void try_mutants(const struct specimen *s)
{
	size_t n_fixed = fixed_part(s);
	unsigned char *mutant = malloc(s->n);
	int fd = memfd_create("ipk:queue:mutant", MFD_CLOEXEC);

	ck_assert(mutant && fd >= 0);
	memcpy(mutant, s->bytes, s->n);
	ck_ok(ipk__os_pwrite(fd, mutant, s->n, 0));
	for (int i = 0; i < N_MUTANTS; i++) {
		memcpy(mutant, s->bytes, n_fixed);
		mutate(mutant, n_fixed);
		ck_ok(ipk__os_pwrite(fd, mutant, n_fixed, 0));
		ck_probe(fd);
		if (i % FULL_SCAN_EVERY == 0)
			ck_scan();
	}
	close(fd);
	free(mutant);
}

START_TEST(mutants_are_read_or_refused)
{
	struct specimen s = _i < 3 ? queue_specimen((ipk_queue_kind)_i) : pipe_specimen();

	random_state += (uint64_t)_i;
	try_mutants(&s);
	free(s.bytes);
}
END_TEST

START_TEST(cut_segments_are_refused)
{
	struct specimen s = queue_specimen(IPK_QUEUE_FIFO);

	for (size_t n = 0; n < s.n; n = n < 6000 ? n + 97 : n + 1009) {
		int fd = memfd_create("ipk:queue:cut", MFD_CLOEXEC);
		struct ipk__object o = {0};
		char label[IPK__LABEL_BYTES];
		int r;

		ck_assert_int_ge(fd, 0);
		ck_ok(ipk__os_pwrite(fd, s.bytes, n, 0));
		r = ipk__probe_segment(fd, &o, label);
		ck_err(r, n < sizeof(uint64_t) ? -EPROTO : -ENODATA);
		close(fd);
	}
	free(s.bytes);
}
END_TEST

/* Another process's 32-bit count may be read just before its 64-bit one, or just after. */
START_TEST(totals_lag_and_lead)
{
	static const struct {
		uint64_t n_written;
		uint32_t count;
		uint64_t total;
	} cases[] = {
		{10, 10, 10},
		{10, 13, 13},
		{13, 10, 10},
		{0x1fffffffeu, 3, 0x200000003u},
		{0x200000003u, 0xfffffffeu, 0x1fffffffeu},
	};
	struct specimen s = pipe_specimen();
	struct ipk__shm_pipe *shm = (struct ipk__shm_pipe *)s.bytes;
	int fd = memfd_create("ipk:pipe:totals", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	for (size_t i = 0; i < IPK__N_OF(cases); i++) {
		struct ipk__object o = {0};
		char label[IPK__LABEL_BYTES];

		atomic_store(&shm->channels[0].ring.n_written, cases[i].n_written);
		atomic_store(&shm->channels[0].ring.tail, ipk__ring_word(cases[i].count, 0));
		atomic_store(&shm->channels[0].ring.head, ipk__ring_word(cases[i].count, 0));
		ck_ok(ipk__os_pwrite(fd, s.bytes, s.n, 0));
		ck_ok(ipk__probe_segment(fd, &o, label));
		ck_assert_uint_eq(o.channels[0].n_put, cases[i].total);
	}
	close(fd);
	free(s.bytes);
}
END_TEST

/* As from a container: readable, with other people's pids. */
START_TEST(foreign_namespaces_and_users_are_read)
{
	struct specimen s = queue_specimen(IPK_QUEUE_FIFO);
	struct ipk__shm_queue *shm = (struct ipk__shm_queue *)s.bytes;
	int fd = memfd_create("ipk:queue:foreign", MFD_CLOEXEC);
	struct ipk__object *o = calloc(1, sizeof(*o));
	char label[IPK__LABEL_BYTES];

	ck_assert(fd >= 0 && o);
	shm->header.uid++;
	shm->header.pid_namespace++;
	shm->header.checksum =
		ipk__checksum(&shm->header, offsetof(struct ipk__shm_header, checksum));
	atomic_store(&shm->waiters.slots[5].tid, (uint32_t)getpid());
	atomic_store(&shm->waiters.slots[5].pid, 1234);
	atomic_store(&shm->waiters.slots[5].what, IPK__WAIT_DATA);
	ck_ok(ipk__os_pwrite(fd, s.bytes, s.n, 0));
	ck_ok(ipk__probe_segment(fd, o, label));
	ck_assert(o->pub.is_foreign);
	ck_assert_str_eq(o->pub.creator, "");
	ck_assert_uint_eq(o->channels[0].n_items, 5);
	ck_assert_uint_eq(o->pub.n_waiters, 1);
	ck_assert_uint_eq(o->waiters[0].pid, 1234);
	ck_assert_str_eq(o->waiters[0].comm, "");
	ipk__object_free(o);
	close(fd);
	free(s.bytes);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("probe");

	add_loop_test(s, mutants_are_read_or_refused, 0, 4);
	add_test(s, cut_segments_are_refused);
	add_test(s, totals_lag_and_lead);
	add_test(s, foreign_namespaces_and_users_are_read);
	return s;
}

IPK_TEST_MAIN(suite)
