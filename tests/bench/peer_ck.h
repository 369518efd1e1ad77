/*
 * peer_ck.h - Concurrency Kit's ring for one producer and one consumer, with 64-byte entries that
 * are copied in and out. It only ever spins: no sleeping, no end of file.
 */
#ifndef PEER_CK_H
#define PEER_CK_H

#ifdef BENCH_HAVE_CK

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include <ck_ring.h>
#pragma GCC diagnostic pop

#include "bench.h"

#define PEER_CK_ENTRIES 8192 /* 512 KiB, as much as our ring has by default */

struct peer_ck_entry {
	char bytes[BENCH_MESSAGE_BYTES];
};

CK_RING_PROTOTYPE(peer, peer_ck_entry)

struct peer_ck {
	ck_ring_t ring;
	_Alignas(64) struct peer_ck_entry entries[PEER_CK_ENTRIES];
};

static inline void peer_ck_init(struct peer_ck *p)
{
	ck_ring_init(&p->ring, PEER_CK_ENTRIES);
}

static inline void peer_ck_send(struct peer_ck *p, struct peer_ck_entry *entry)
{
	while (!CK_RING_ENQUEUE_SPSC(peer, &p->ring, p->entries, entry))
		ck_pr_stall();
}

static inline void peer_ck_recv(struct peer_ck *p, struct peer_ck_entry *ret_entry)
{
	while (!CK_RING_DEQUEUE_SPSC(peer, &p->ring, p->entries, ret_entry))
		ck_pr_stall();
}

#endif

#endif
