/*
 * room.h - room in the heap of a pool's segment, given and taken back by the creator alone.
 *
 * The books are private: a worker's death cannot damage them. Sizes are rounded up to powers
 * of two (64 bytes and more); what is given back is given out again, and large pieces give
 * their memory back to the kernel at once.
 */
#ifndef IPK_POOL_ROOM_H
#define IPK_POOL_ROOM_H

#include <stddef.h>
#include <stdint.h>

#define IPK__ROOM_CLASSES 40

struct ipk__room {
	int fd;
	char *base;          /* of the segment */
	uint64_t begin, end; /* offsets in it */
	uint64_t fresh;      /* never used from here on */
	uint64_t filled;     /* has memory up to here */
	void *free[IPK__ROOM_CLASSES];
};

void ipk__room_init(struct ipk__room *room, int fd, void *base, uint64_t begin, uint64_t end);
void ipk__room_end(struct ipk__room *room); /* frees the books */
/* @n_bytes at *ret_offset, a multiple of 64, not zeroed. -ENOSPC, -ENOMEM. */
int ipk__room_take(struct ipk__room *room, uint64_t n_bytes, uint64_t *ret_offset);
void ipk__room_give(struct ipk__room *room, uint64_t offset, uint64_t n_bytes);

#endif
