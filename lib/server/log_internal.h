/*
 * log_internal.h - what the files of the log share.
 *
 *   log_record.c  the bytes             log_file.c     a file that records go to
 *   log.c         what the loop calls   log_sync.c     the thread that waits for the disk
 *   log_load.c    at the start          log_rewrite.c  a new, short file, beside the work
 */
#ifndef IPK_SERVER_LOG_INTERNAL_H
#define IPK_SERVER_LOG_INTERNAL_H

#include <pthread.h>

#include "server/log_record.h"
#include "server/server.h"

/* --- log_file.c ------------------------------------------------------------------------------- */

/*
 * A file, and what is to be appended to it. In the file are whole records only: one that
 * could not be written to its end is cut off again.
 */
struct ipk__log_file {
	int fd; /* -1: none */
	uint32_t chain;
	uint64_t n_bytes;   /* in the file */
	uint64_t n_room;    /* the disk has room for the file up to here */
	uint64_t n_records; /* ever */
	struct ipk__bytes out;
	bool is_open;     /* the last record in out is still added to */
	size_t open_from; /* where in out its head will be */
	struct ipk__log_head head;
};

/* The file is empty, or has records up to @n_bytes, the last of which gave @chain. */
void ipk__log_file_init(struct ipk__log_file *f, int fd, uint64_t n_bytes, uint32_t chain);
void ipk__log_file_fini(struct ipk__log_file *f); /* fd stays open */
/* Commands go to f->out after this. @id empty: of no session; such share a record. */
void ipk__log_file_begin(struct ipk__log_file *f, struct ipk__slice id, uint64_t number);
void ipk__log_file_seal(struct ipk__log_file *f);
void ipk__log_file_mark(struct ipk__log_file *f, enum ipk__log_kind kind); /* without a body */
int ipk__log_file_write(struct ipk__log_file *f); /* all that is in out, or an error */
/* Room for @n_bytes behind what is in the file and in out, on disk and in memory. */
int ipk__log_file_room(struct ipk__log_file *f, size_t n_bytes);

/* --- log_sync.c ------------------------------------------------------------------------------- */

struct ipk__log_sync {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t there_is_work;
	pthread_cond_t it_is_done;
	bool is_started;
	/* Under the mutex: */
	bool stop;
	int sync_fd;  /* to be put on disk; -1 nothing to do */
	int close_fd; /* to be closed, which takes long for a large file without a name; -1 */
	const char *rename_from, *rename_to; /* once it is on disk; NULL: not */
	bool is_busy;
	int result; /* of the last one; 0 */
};

int ipk__log_sync_start(struct ipk__log_sync *s);
void ipk__log_sync_stop(struct ipk__log_sync *s); /* once what it does is done */
/* Put @fd on disk, then rename; the strings stay where they are. False: it is busy. */
bool ipk__log_sync_post(struct ipk__log_sync *s, int fd, const char *from, const char *to);
void ipk__log_sync_close(struct ipk__log_sync *s, int fd);
void ipk__log_sync_wait(struct ipk__log_sync *s); /* until it is not busy */
bool ipk__log_sync_is_busy(struct ipk__log_sync *s, int *ret_result);

/* --- log.c ------------------------------------------------------------------------------- */

/* Commands of one request or transaction that are not in a record yet. */
struct ipk__log_stage {
	struct ipk__bytes bytes;
	size_t n_commands;
	size_t n_visible; /* which Redis knows too */
};

struct ipk__rewrite;

struct ipk__log {
	struct ipk__server *server;
	char *path;
	char *path_of_next;
	int fsync;
	struct ipk__log_file main;
	struct ipk__log_stage stage;
	struct ipk__log_stage stage_of_next;
	struct ipk__bytes scratch;
	struct ipk__log_sync sync;
	uint64_t mark;         /* of what is appended now */
	uint64_t written_mark; /* what has it, or a lower one, is in the file */
	uint64_t base_bytes;
	uint64_t cut_bytes;
	int error;            /* 0, or why the last flush failed or there is no room */
	int room_error;       /* 0, or why there was no room lately */
	int64_t retry_ns;     /* not before */
	bool is_lost;         /* the file does not have all: only a rewrite helps */
	bool is_answer_due;   /* ipk__log_answered() may belong to the record that is open */
	bool is_plain;        /* doing that record again gives the same reply */
	bool is_dirty;        /* written, and not yet on disk */
	bool is_syncing_main; /* the thread is at it */
	int64_t synced_ns;
	struct ipk__rewrite *rewrite; /* NULL: none is under way */
	int64_t rewrite_not_before_ns;
};

/* What the new file is to be told of so far, in the middle of a transaction. */
void ipk__log_commit_next(struct ipk__log *log);

/* --- log_load.c -------------------------------------------------------------------------- */

/* Does what the open file says; *ret_bytes of it are whole, a torn rest is to be cut. */
int ipk__log_load(struct ipk__log *log, int fd, uint64_t *ret_bytes);

/* --- log_rewrite.c ----------------------------------------------------------------------- */

/* Where the new file has all that was said of @argv's keys, so that it has to be told of it. */
bool ipk__rewrite_wants(struct ipk__log *log, const struct ipk__command *command,
			const struct ipk__slice *argv, size_t argc);
struct ipk__log_file *ipk__rewrite_file(struct ipk__log *log); /* NULL: no rewrite */
bool ipk__rewrite_is_final(const struct ipk__log *log);        /* it may be the log at any moment */
bool ipk__rewrite_step(struct ipk__log *log, int64_t until_ns);
/* Its last moment, in which the new file takes the place of the old one, once it may. */
void ipk__rewrite_poll(struct ipk__log *log);
void ipk__rewrite_abandon(struct ipk__log *log);

#endif
