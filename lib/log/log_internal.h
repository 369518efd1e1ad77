/*
 * log_internal.h - declarations shared by the files of the log.
 *
 *   log_record.c  the record format     log_file.c     a file to which records are appended
 *   log.c         the owner's interface log_sync.c     the thread that waits for the disk
 *   log_load.c    replay at startup     log_rewrite.c  writes a new, short file incrementally
 */
#ifndef IPK_LOG_LOG_INTERNAL_H
#define IPK_LOG_LOG_INTERNAL_H

#include <pthread.h>

#include "log/log.h"
#include "log/log_record.h"

/* --- log_file.c ------------------------------------------------------------------------------- */

/*
 * A file, and what is to be appended to it. The file holds whole records only: one that could not
 * be written completely is truncated.
 */
struct ipk__log_file {
	int fd; /* -1: none */
	uint32_t chain;
	uint64_t n_bytes;   /* in the file */
	uint64_t n_room;    /* disk space is reserved up to here */
	uint64_t n_records; /* in total */
	struct ipk__buffer out;
	bool is_open;     /* the last record in out is still open */
	size_t open_from; /* offset in out for its head */
	struct ipk__log_head head;
};

/* The file is empty, or has records up to @n_bytes, the last of which ended with @chain. */
void ipk__log_file_init(struct ipk__log_file *f, int fd, uint64_t n_bytes, uint32_t chain);
void ipk__log_file_fini(struct ipk__log_file *f); /* fd stays open */
/*
 * Commands are appended to f->out after this. @id empty: no session; such requests share a record.
 */
void ipk__log_file_begin(struct ipk__log_file *f, struct ipk__slice id, uint64_t number);
void ipk__log_file_seal(struct ipk__log_file *f);
void ipk__log_file_mark(struct ipk__log_file *f, enum ipk__log_kind kind); /* without a body */
int ipk__log_file_write(struct ipk__log_file *f); /* all of out, or an error */
/* Reserves @n_bytes after the file's content and out, on disk and in memory. */
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
	int sync_fd;                         /* to be synced; -1 none */
	int close_fd;                        /* to be closed, slow for a large unlinked file; -1 */
	const char *rename_from, *rename_to; /* after the sync; NULL: not */
	bool is_busy;
	int result; /* of the last job; 0 */
};

int ipk__log_sync_start(struct ipk__log_sync *s);
void ipk__log_sync_stop(struct ipk__log_sync *s); /* after its current job */
/* Syncs @fd, then renames; the strings must stay valid. False: it is busy. */
bool ipk__log_sync_post(struct ipk__log_sync *s, int fd, const char *from, const char *to);
void ipk__log_sync_close(struct ipk__log_sync *s, int fd);
void ipk__log_sync_wait(struct ipk__log_sync *s); /* until it is not busy */
bool ipk__log_sync_is_busy(struct ipk__log_sync *s, int *ret_result);

/* --- log.c ------------------------------------------------------------------------------------ */

/* Commands of one request or transaction, not yet in a record. */
struct ipk__log_stage {
	struct ipk__buffer bytes;
	size_t n_commands;
	size_t n_visible; /* those known to Redis */
};

struct ipk__rewrite;

struct ipk__log {
	struct ipk__store *store;
	const struct ipk__log_source *source;
	void *owner; /* for its functions */
	int rewrite_percent;
	uint64_t rewrite_min_bytes;
	char *path;
	char *path_of_next;
	int fsync;
	struct ipk__log_file main;
	struct ipk__log_stage stage;
	struct ipk__log_stage stage_of_next;
	struct ipk__buffer scratch;
	struct ipk__log_sync sync;
	uint64_t mark;         /* of what is being appended */
	uint64_t written_mark; /* everything up to this mark is in the file */
	uint64_t base_bytes;
	uint64_t cut_bytes;
	int error;            /* 0, or why the last flush or reservation failed */
	int room_error;       /* 0, or why the last reservation failed */
	int64_t retry_ns;     /* not before */
	bool is_lost;         /* the file is incomplete: only a rewrite helps */
	bool is_answer_due;   /* ipk__log_answered() may belong to the open record */
	bool is_plain;        /* executing that record again gives the same reply */
	bool is_dirty;        /* written, and not yet on disk */
	bool is_syncing_main; /* the sync thread is busy with it */
	int64_t synced_ns;
	struct ipk__rewrite *rewrite; /* NULL: no rewrite in progress */
	int64_t rewrite_not_before_ns;
};

/* Passes the pending part of a transaction to the new file. */
void ipk__log_commit_next(struct ipk__log *log);

/* --- log_load.c ------------------------------------------------------------------------------- */

/* Replays the open file; *ret_bytes of it are whole, the torn rest must be truncated. */
int ipk__log_load(struct ipk__log *log, const struct ipk__log_opts *opts, int fd,
		  uint64_t *ret_bytes);

/* --- log_rewrite.c ---------------------------------------------------------------------------- */

/* Whether the new file has all keys of @r, so that the request must be logged to it. */
bool ipk__rewrite_wants(struct ipk__log *log, const struct ipk__log_request *r);
struct ipk__log_file *ipk__rewrite_file(struct ipk__log *log); /* NULL: no rewrite */
bool ipk__rewrite_is_final(const struct ipk__log *log); /* it may become the log at any moment */
bool ipk__rewrite_step(struct ipk__log *log, int64_t until_ns);
/* The last step: the new file replaces the old one, once it may. */
void ipk__rewrite_poll(struct ipk__log *log);
void ipk__rewrite_abandon(struct ipk__log *log);

#endif
