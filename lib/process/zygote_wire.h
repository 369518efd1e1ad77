/*
 * zygote_wire.h - the protocol between a requester and its zygote.
 *
 * The zygote's socket carries requests one way, and the other way what cannot be reported for a
 * request because that was lost. With each request comes one end of a note socket of its own: to
 * it the child reports that it is spawned, and the zygote how it exited.
 *
 * A spawn is committed when the child's note is in that socket, not before and whether or not it
 * is read. So a requester that gives up shuts the note socket down first and then
 * checks whether the message has arrived: if not, no child can send it any more, and a child that
 * cannot send it exits without having run anything.
 */
#ifndef IPK_PROCESS_ZYGOTE_WIRE_H
#define IPK_PROCESS_ZYGOTE_WIRE_H

#include <stdalign.h>
#include <stdint.h>

#include "process/zygote.h"

enum {
	IPK__ZYGOTE_PACKET_BYTES = 16384,
	IPK__ZYGOTE_NAME_BYTES = 16, /* what the kernel keeps */
	IPK__SPAWN_IS_STANDBY = 1u << 16,
	IPK__SPAWN_ARG_IN_FILE = 1u << 17,
};

/* Sent with the note socket, the file of the argument if there is one, and @n_fds for the child. */
struct ipk__zygote_request {
	ipk__spawn_fn fn; /* same program, same address */
	uint64_t arg_bytes;
	uint32_t flags;
	uint32_t n_fds;
	char name[IPK__ZYGOTE_NAME_BYTES]; /* "": the program's */
	alignas(16) unsigned char arg[];
};

/* A packet without fds: SIGKILL for one of its children. No answer but that child's end. */
struct ipk__zygote_kill {
	pid_t pid;
};

enum {
	IPK__ZYGOTE_READY = 1, /* on the socket: @error is the preload's result */
	IPK__ZYGOTE_DROPPED,   /* on the socket: a request could not be received */
	IPK__ZYGOTE_SPAWNED,   /* with its pidfd */
	IPK__ZYGOTE_FAILED,    /* nothing was run */
	IPK__ZYGOTE_ENDED,
};

struct ipk__zygote_note {
	uint32_t kind; /* IPK__ZYGOTE_* */
	int32_t error;
	/* For -ENOSYS, an enum ipk__system_call: so the error names it here too. */
	uint32_t refused;
	pid_t pid;
	ipk_process_status status;
};

/* 0; -EPIPE. */
int ipk__zygote_send_note(int socket, const struct ipk__zygote_note *note, int pidfd);
/*
 * -EAGAIN; -EPIPE; -EPROTO; -EMFILE no fd is free: all but the fds is valid. *ret_pidfd is -1 when
 * there is none; NULL: not wanted.
 */
int ipk__zygote_recv_note(int socket, struct ipk__zygote_note *ret_note, int *ret_pidfd);

/* What a zygote starts with; it owns the fds. */
struct ipk__zygote_seat {
	int socket;
	int requester_fd; /* a pidfd */
	pid_t requester_pid;
	char name[IPK__ZYGOTE_NAME_BYTES];
	int (*preload)(void *arg); /* NULL: none, and nobody waits for READY */
	void *preload_arg;
};

/* Returns when the requester has exited. */
void ipk__zygote_serve(const struct ipk__zygote_seat *seat);
/* The same as a spawn: @arg is a seat, @fds are its socket and the requester's pidfd. */
int ipk__zygote_serve_spawned(void *arg, size_t arg_bytes, const int *fds, size_t n_fds);

#endif
