/*
 * things.h - managed objects that one waits for, and who is connected: kept in the segment so
 * that inspection sees them, also when the server stands still or is dead.
 *
 * Only the server writes here. Readers (inspection) copy and check; a torn copy shows a wrong
 * number for a moment, which is all it can do.
 */
#ifndef IPK_STORE_THINGS_H
#define IPK_STORE_THINGS_H

#include <stdatomic.h>
#include <stdint.h>

enum ipk__thing_kind {
	IPK__THING_LOCK = 1,
	IPK__THING_RLOCK = 2,
	IPK__THING_SEMAPHORE = 3,
	IPK__THING_BOUNDED_SEMAPHORE = 4,
	IPK__THING_CONDITION = 5,
	IPK__THING_EVENT = 6,
	IPK__THING_BARRIER = 7,
	IPK__THING_QUEUE = 8,
};

/* In a slot of the segment that never serves anything but slots. */
struct ipk__shm_thing {
	uint32_t kind; /* enum ipk__thing_kind */
	uint32_t
		flags; /* the server's own: order of a queue, joinable, event set, barrier broken */
	uint64_t limit; /* permits of a bounded semaphore, parties, maxsize; 0 none */
	uint64_t count; /* recursion, permits left, arrived, generation */
	uint64_t n_items;
	uint64_t n_unfinished;
	uint64_t holder;     /* client id; 0 nobody, or several */
	uint64_t holder_tag; /* the client's own: which of its threads */
	int64_t since_unix_ms;
	uint64_t companion; /* id of a condition's lock */
	uint32_t n_waiters;
	uint32_t reserved;
	uint64_t serial; /* the server's own: the same after RENAME */
};
_Static_assert(sizeof(struct ipk__shm_thing) <= 96, "fits into a slot");

#define IPK__BOARD_CLIENTS 1024 /* clients beyond that are served, and not shown */
#define IPK__BOARD_SLOW 32
#define IPK__BOARD_TEXT 64

struct ipk__shm_client {
	uint64_t id;  /* 0: free; written last */
	uint32_t pid; /* 0: over TCP */
	uint32_t uid;
	int64_t since_unix_ms;
	uint64_t n_commands;
	uint64_t out_bytes;    /* replies it has not read yet */
	uint64_t waits_for;    /* id of the object it waits for, 0 none */
	uint64_t waits_tag;    /* which of its threads */
	int64_t waits_unix_ms; /* since when */
	uint64_t slot_of_wait; /* slot of that object */
	char address[48];
	char name[32];
	char command[32]; /* the last one */
};

struct ipk__shm_slow {
	int64_t at_unix_ms;
	int64_t took_ns;
	uint64_t client;
	char command[IPK__BOARD_TEXT]; /* the first words of it */
};

/* Statistics and who is there; begins with the segment's header page. */
struct ipk__shm_board {
	uint32_t server_pid;
	uint32_t tcp_port;
	int64_t started_unix_ms;
	char address[112];
	char log_path[256];
	_Atomic uint64_t n_commands; /* ever */
	_Atomic uint64_t n_local;    /* of these, over rings */
	_Atomic uint64_t n_connections;
	_Atomic uint64_t n_refused;
	_Atomic uint64_t commands_per_second;
	_Atomic uint64_t n_clients;
	_Atomic uint64_t used_bytes;
	_Atomic uint64_t max_bytes;
	_Atomic uint64_t
		n_slow; /* ever; the last ones are in slow[], at n_slow modulo its length */
	struct ipk__shm_slow slow[IPK__BOARD_SLOW];
	struct ipk__shm_client clients[IPK__BOARD_CLIENTS];
};

struct ipk__store;
struct ipk__shm_board *ipk__store_board(struct ipk__store *s);
/* The id of what lies under a key (never used again), and its slot: for waits_for. */
struct ipk__entry;
uint64_t ipk__key_object_id(struct ipk__store *s, const struct ipk__entry *key, uint32_t *ret_slot);

#endif
