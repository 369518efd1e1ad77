/*
 * zygote_wire.h - what a requester and its zygote say to each other.
 *
 * The zygote's socket carries requests one way, and the other way what cannot be said on the
 * channel of a request because it was lost. With each request comes the far end of a channel
 * of its own: on it the child says that it is born, and the zygote how it ended.
 *
 * A birth happens when the child's word of it is in the requester's channel, not before and
 * whether or not it is read. So a requester that gives up shuts the channel first and then
 * looks whether the word is in: if it is not, no child can say it any more, and one that
 * cannot ends without having run anything.
 */
#ifndef IPK_PROCESS_ZYGOTE_WIRE_H
#define IPK_PROCESS_ZYGOTE_WIRE_H

#include <stdalign.h>
#include <stdint.h>

#include "process/zygote.h"

enum {
	IPK__ZYGOTE_PACKET_BYTES = 16384,
	IPK__ZYGOTE_NAME_BYTES = 16, /* what the kernel keeps */
	IPK__BIRTH_IS_STANDBY = 1u << 16,
	IPK__BIRTH_ARG_IN_FILE = 1u << 17,
};

/* With the channel, the file of the argument if there is one, and @n_fds for the child. */
struct ipk__zygote_request {
	ipk__birth_fn fn; /* same program, same address */
	uint64_t arg_bytes;
	uint32_t flags;
	uint32_t n_fds;
	char name[IPK__ZYGOTE_NAME_BYTES]; /* "": the program's */
	alignas(16) unsigned char arg[];
};

enum {
	IPK__ZYGOTE_READY = 1, /* on the socket: @error is the preload's result */
	IPK__ZYGOTE_DROPPED,   /* on the socket: a request could not be received */
	IPK__ZYGOTE_BORN,      /* with its pidfd */
	IPK__ZYGOTE_FAILED,    /* nothing was run */
	IPK__ZYGOTE_ENDED,
};

struct ipk__zygote_note {
	uint32_t kind; /* IPK__ZYGOTE_* */
	int32_t error;
	uint32_t refused; /* of -ENOSYS: an enum ipk__call, so that the error names it here too */
	pid_t pid;
	ipk_process_status status;
};

/* 0; -EPIPE. */
int ipk__zygote_send_note(int socket, const struct ipk__zygote_note *note, int pidfd);
/* -EAGAIN; -EPIPE; -EPROTO; -EMFILE no place for the fds: all but them is there. *ret_pidfd is -1
 * when there is none; NULL: not wanted. */
int ipk__zygote_recv_note(int socket, struct ipk__zygote_note *ret_note, int *ret_pidfd);

/* What a zygote begins with; the fds are its own. */
struct ipk__zygote_seat {
	int socket;
	int requester_fd; /* a pidfd */
	pid_t requester_pid;
	char name[IPK__ZYGOTE_NAME_BYTES];
	int (*preload)(void *arg); /* NULL: nothing, and nobody waits for READY */
	void *preload_arg;
};

/* Returns when the requester has gone. */
void ipk__zygote_serve(const struct ipk__zygote_seat *seat);
/* The same as a birth: @arg is a seat, @fds are its socket and the requester's pidfd. */
int ipk__zygote_serve_born(void *arg, size_t arg_bytes, const int *fds, size_t n_fds);

#endif
