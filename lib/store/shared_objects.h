/*
 * shared_objects.h - managed objects that one waits for, and the clients: kept in the segment so
 * that inspection sees them, even when the server is stopped or dead.
 *
 * Only the server writes here. Readers (inspection) copy and check; a torn copy may show a wrong
 * number for a moment, with no other effect.
 */
#ifndef IPK_STORE_SHARED_OBJECTS_H
#define IPK_STORE_SHARED_OBJECTS_H

#include <stdatomic.h>
#include <stdint.h>

enum ipk__sync_object_kind {
	IPK__SYNC_LOCK = 1,
	IPK__SYNC_RLOCK = 2,
	IPK__SYNC_SEMAPHORE = 3,
	IPK__SYNC_BOUNDED_SEMAPHORE = 4,
	IPK__SYNC_CONDITION = 5,
	IPK__SYNC_EVENT = 6,
	IPK__SYNC_BARRIER = 7,
	IPK__SYNC_QUEUE = 8,
};

/* In a slot of the segment that is only reused as a slot. */
struct ipk__shm_sync_object {
	uint32_t kind; /* enum ipk__sync_object_kind */
	/* private to the server: order of a queue, joinable, event set, barrier broken */
	uint32_t flags;
	uint64_t limit; /* permits of a bounded semaphore, parties, maxsize; 0 none */
	uint64_t count; /* recursion, permits left, arrived, generation */
	uint64_t n_items;
	uint64_t n_unfinished;
	uint64_t holder;     /* client id; 0 none, or several */
	uint64_t holder_tag; /* chosen by the client: which of its threads */
	int64_t since_unix_ms;
	uint64_t companion; /* id of a condition's lock */
	uint32_t n_waiters;
	uint32_t reserved;
	uint64_t serial; /* private to the server: unchanged by RENAME */
};
_Static_assert(sizeof(struct ipk__shm_sync_object) <= 96, "fits into a slot");

#define IPK__STATUS_CLIENTS 1024 /* further clients are served, but not shown */
#define IPK__STATUS_SLOW 32
#define IPK__STATUS_COMMAND_BYTES 64

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
	char command[IPK__STATUS_COMMAND_BYTES]; /* the first words of it */
};

/* Statistics and clients; begins with the segment's header page. */
struct ipk__shm_status {
	uint32_t server_pid;
	uint32_t tcp_port;
	int64_t started_unix_ms;
	char address[112];
	char log_path[256];
	_Atomic uint64_t n_commands; /* in total */
	_Atomic uint64_t n_local;    /* of these, over rings */
	_Atomic uint64_t n_connections;
	_Atomic uint64_t n_refused;
	_Atomic uint64_t commands_per_second;
	_Atomic uint64_t n_clients;
	_Atomic uint64_t used_bytes;
	_Atomic uint64_t max_bytes;
	/* in total; the last ones are in slow[], at n_slow modulo its length */
	_Atomic uint64_t n_slow;
	struct ipk__shm_slow slow[IPK__STATUS_SLOW];
	struct ipk__shm_client clients[IPK__STATUS_CLIENTS];
};

struct ipk__store;
struct ipk__shm_status *ipk__store_status(struct ipk__store *s);
/* The id of a key's value (never reused), and its slot: for waits_for. */
struct ipk__entry;
uint64_t ipk__key_object_id(struct ipk__store *s, const struct ipk__entry *key, uint32_t *ret_slot);

#endif
