/*
 * expire.c - which key expires next: a heap of times, private to the writer.
 *
 * An entry with a time to live knows its index in the heap, so changing or removing a time leaves
 * nothing behind, however often that happens. Four children each: half as many levels as with two,
 * and the four are in one cache line.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "store/store_internal.h"

#define CHILDREN 4u
#define NOWHERE UINT32_MAX
#define ROOM_MIN 64u

static struct ipk__shm_ttl ttl_of(const struct ipk__entry *e)
{
	struct ipk__shm_ttl ttl;

	memcpy(&ttl, e->bytes, sizeof ttl);
	return ttl;
}

int64_t ipk__entry_expires_ms(const struct ipk__entry *e)
{
	int64_t at_ms;

	if (!(e->name & IPK__ENTRY_HAS_TTL))
		return 0;
	memcpy(&at_ms, e->bytes, sizeof at_ms);
	return at_ms;
}

static void set_entry(struct ipk__store *s, uint32_t i, struct ipk__deadline_node node)
{
	struct ipk__entry *e = ipk__heap_at(&s->heap, node.entry);

	memcpy(e->bytes + offsetof(struct ipk__shm_ttl, position), &i, sizeof i);
	s->times[i] = node;
}

static void sift_up(struct ipk__store *s, uint32_t i, struct ipk__deadline_node node)
{
	while (i > 0 && s->times[(i - 1) / CHILDREN].at_ms > node.at_ms) {
		set_entry(s, i, s->times[(i - 1) / CHILDREN]);
		i = (i - 1) / CHILDREN;
	}
	set_entry(s, i, node);
}

static void sift_down(struct ipk__store *s, uint32_t i, struct ipk__deadline_node node)
{
	for (;;) {
		uint32_t first = i * CHILDREN + 1, least = first;

		if (first >= s->n_times)
			break;
		for (uint32_t k = first + 1; k < s->n_times && k < first + CHILDREN; k++) {
			if (s->times[k].at_ms < s->times[least].at_ms)
				least = k;
		}
		if (s->times[least].at_ms >= node.at_ms)
			break;
		set_entry(s, i, s->times[least]);
		i = least;
	}
	set_entry(s, i, node);
}

static void sift(struct ipk__store *s, uint32_t i, struct ipk__deadline_node node)
{
	if (i > 0 && s->times[(i - 1) / CHILDREN].at_ms > node.at_ms)
		sift_up(s, i, node);
	else
		sift_down(s, i, node);
}

int ipk__times_reserve(struct ipk__store *s)
{
	uint32_t room = IPK__MAX(s->times_room * 2, ROOM_MIN);
	struct ipk__deadline_node *times;

	if (s->n_times < s->times_room)
		return 0;
	times = ipk__os_malloc(room * sizeof *times);
	if (!times)
		return -ENOMEM;
	if (s->n_times > 0)
		memcpy(times, s->times, s->n_times * sizeof *times);
	free(s->times);
	s->times = times;
	s->times_room = room;
	return 0;
}

void ipk__times_add(struct ipk__store *s, uint32_t ref, int64_t at_ms)
{
	struct ipk__shm_ttl ttl = {.position = NOWHERE};

	memcpy(ttl.at_ms, &at_ms, sizeof at_ms);
	memcpy(((struct ipk__entry *)ipk__heap_at(&s->heap, ref))->bytes, &ttl, sizeof ttl);
	if (at_ms != 0)
		sift_up(s, s->n_times++, (struct ipk__deadline_node){at_ms, ref});
}

void ipk__times_move(struct ipk__store *s, const struct ipk__entry *from, uint32_t ref)
{
	struct ipk__entry *e = ipk__heap_at(&s->heap, ref);

	memcpy(e->bytes, from->bytes, sizeof(struct ipk__shm_ttl));
	if (ipk__entry_expires_ms(e) != 0)
		s->times[ttl_of(e).position].entry = ref;
}

void ipk__times_remove(struct ipk__store *s, const struct ipk__entry *e)
{
	uint32_t position;

	if (ipk__entry_expires_ms(e) == 0)
		return;
	position = ttl_of(e).position;
	if (s->times[position].entry != ipk__ref_of(s, e))
		return; /* a copy has it now */
	if (position != --s->n_times)
		sift(s, position, s->times[s->n_times]);
}

void ipk__times_change(struct ipk__store *s, uint32_t ref, int64_t at_ms)
{
	ipk__times_remove(s, ipk__entry_at(s, ref));
	ipk__times_add(s, ref, at_ms);
}

bool ipk__key_next_expired(struct ipk__store *s, int64_t now_ms, struct ipk__slice *ret_name)
{
	if (s->n_times == 0 || s->times[0].at_ms > now_ms)
		return false;
	*ret_name = ipk__entry_name(ipk__entry_at(s, s->times[0].entry));
	return true;
}

uint64_t ipk__keys_expiring(const struct ipk__store *s)
{
	return s->n_times;
}
