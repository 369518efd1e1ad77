/*
 * fuzz_inspect_pool.c - inspecting a pool, and children, whose memory any process may have written.
 *
 * The first byte chooses which; the rest are changes to a valid one, five bytes each: where (two,
 * and the highest bits of the third select the part), and a word of 16 bits that is put there. The
 * result must be consistent and printable.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/inspect_internal.h"
#include "pool/pool_internal.h"
#include "process/registry_shared.h"
#include "shared/owner.h"

enum { CHANGE_BYTES = 5, CHANGES_MAX = 64 };

/* A good one, and the part of it that is changed. */
struct specimen {
	struct ipk__segment segment;
	char *good;
	size_t n_bytes;
};

static struct specimen pool, children;

static void must(bool is_true)
{
	if (!is_true)
		abort();
}

static void keep(struct specimen *s, size_t n_bytes)
{
	s->n_bytes = n_bytes;
	s->good = malloc(n_bytes);
	must(s->good != NULL);
	memcpy(s->good, s->segment.header, n_bytes);
}

static void make_pool(void)
{
	uint64_t slots_at = ipk__round_up(sizeof(struct ipk__shm_pool), 4096);
	uint64_t maps_at = slots_at + IPK__POOL_SLOTS * sizeof(struct ipk__pool_slot);
	uint64_t n_bytes =
		ipk__round_up(maps_at + IPK__POOL_MAPS * sizeof(struct ipk__shm_map), 4096);
	const struct ipk__segment_plan plan = {
		.kind = IPK__KIND_POOL, .label = "fuzz", .fixed_bytes = n_bytes};
	struct ipk__shm_pool *shm;

	must(ipk__segment_create_sparse(&plan, n_bytes, &pool.segment) == 0);
	shm = (struct ipk__shm_pool *)pool.segment.header;
	shm->slots_offset = slots_at;
	shm->maps_offset = maps_at;
	shm->creator = ipk__owner_of(ipk__os_pid());
	shm->maps_active = 1;
	for (unsigned i = 0; i < 8; i++) {
		shm->workers[i].owner = i % 2 ? shm->creator : 0;
		shm->workers[i].state = i;
		shm->workers[i].slot = i % 3;
		shm->workers[i].map = i % 3 == 0;
		shm->workers[i].fn = (uint64_t)(uintptr_t)make_pool;
	}
	keep(&pool, sizeof *shm);
}

static void make_children(void)
{
	const struct ipk__segment_plan plan = {
		.kind = IPK__KIND_PROCESSES,
		.label = "fuzz",
		.fixed_bytes = sizeof(struct ipk__shm_processes),
	};
	struct ipk__shm_processes *shm;

	must(ipk__segment_create(&plan, &children.segment) == 0);
	shm = (struct ipk__shm_processes *)children.segment.header;
	shm->owner = ipk__owner_of(ipk__os_pid());
	for (unsigned i = 0; i < 6; i++) {
		shm->children[i].owner = shm->owner;
		shm->children[i].state = i % 4;
		strcpy(shm->children[i].name, "child");
	}
	keep(&children, sizeof *shm);
}

static void ck_text(const char *text, size_t room)
{
	size_t n = strnlen(text, room);

	must(n < room);
	for (size_t i = 0; i < n; i++)
		must(text[i] >= ' ' && text[i] < 0x7f);
}

static void check_object(const struct ipk__object *o)
{
	const ipk_progress *p = &o->progress;

	must(o->pub.n_alive <= o->pub.n_workers + o->pub.n_children);
	must(o->pub.n_busy <= o->pub.n_alive);
	must(p->n_done + p->n_failed + p->n_cancelled + p->n_running + p->n_queued ==
	     p->n_submitted);
	for (size_t i = 0; i < o->pub.n_workers; i++) {
		ck_text(o->workers[i].comm, sizeof o->workers[i].comm);
		ck_text(o->workers[i].function, sizeof o->workers[i].function);
	}
	for (size_t i = 0; i < o->pub.n_children; i++)
		ck_text(o->children[i].name, sizeof o->children[i].name);
	for (size_t i = 0; i < o->pub.n_hints; i++)
		ck_text(o->hints[i].text, sizeof o->hints[i].text);
}

static void scan_file(int fd)
{
	struct ipk__object *o = calloc(1, sizeof *o);
	char label[IPK__LABEL_BYTES] = "";

	must(o != NULL);
	if (ipk__probe_segment(fd, o, label) == 0)
		check_object(o);
	ipk__object_free(o);
}

/* Most changes are made where most is: in the beginning, behind the header. */
static void apply(struct specimen *s, const uint8_t *change)
{
	size_t header = sizeof(struct ipk__shm_header);
	size_t n = s->n_bytes - header - 1;
	size_t at = (change[0] | (size_t)change[1] << 8 | (size_t)(change[2] & 1) << 16) % n;

	if (change[2] & 0x80)
		at %= 1024;
	memcpy((char *)s->segment.header + header + at, change + 3, 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	struct specimen *s;

	if (!pool.good) {
		make_pool();
		make_children();
	}
	if (n_bytes == 0)
		return 0;
	s = data[0] % 2 ? &children : &pool;
	for (size_t i = 1, n = 0; i + CHANGE_BYTES <= n_bytes && n < CHANGES_MAX;
	     i += CHANGE_BYTES, n++)
		apply(s, data + i);
	scan_file(s->segment.fd);
	memcpy(s->segment.header, s->good, s->n_bytes);
	return 0;
}
