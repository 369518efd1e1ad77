/* peer.h - a connection, as the commands know it. */
#ifndef IPK_COMMAND_PEER_H
#define IPK_COMMAND_PEER_H

#include "command/command.h"

enum {
	IPK__PEER_TCP = 1u << 0,
	IPK__PEER_RING = 1u << 1,    /* requests come over a ring; the socket is its doorbell */
	IPK__PEER_KNOWN = 1u << 2,   /* authenticated, or no need to */
	IPK__PEER_CLOSING = 1u << 3, /* close once the replies are sent */
	IPK__PEER_BLOCKED = 1u << 4, /* blocked; its later requests have to wait too */
	IPK__PEER_MONITOR = 1u << 5,
	IPK__PEER_SESSION = 1u << 6, /* blocked requests do not delay later ones: see session.c */
	IPK__PEER_WATCHES = 1u << 7, /* IPK.WATCH */
};

struct ipk__peer {
	uint64_t id; /* never reused */
	unsigned flags;
	int resp;  /* 2 or 3 */
	pid_t pid; /* 0 over TCP */
	uid_t uid;
	char address[48];
	char name[64];
	struct ipk__buffer out; /* what it is to be sent */
	uint64_t n_sent_bytes;  /* in total, from @out to its socket or ring */
	uint64_t n_objects;     /* managed objects it holds, counted by sync_object.c */
	void *objects;          /* sync_object.c: its holds and waits */
	void *watches;          /* notify.c */
};

#endif
