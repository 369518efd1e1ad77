/*
 * log.h - the append-only file: what a server did to its store, so that the next one can do it
 * again.
 *
 * The log knows requests as lists of words, and the store. Whoever opens it says how a request is
 * executed, and where a rewrite gets what is not in the store: struct ipk__log_source.
 */
#ifndef IPK_LOG_LOG_H
#define IPK_LOG_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/resp.h"
#include "store/store.h"

struct ipk__log;

enum ipk__fsync { IPK__FSYNC_EVERYSEC = 0, IPK__FSYNC_ALWAYS = 1, IPK__FSYNC_NO = 2 };

/* --- its owner -------------------------------------------------------------------------------- */

typedef void ipk__log_command_fn(void *to, size_t argc, const struct ipk__slice *argv);
typedef void ipk__log_reply_fn(void *to, struct ipk__slice session, uint64_t number,
			       struct ipk__slice reply);

struct ipk__log_source {
	/* Loading: executes a command of the file; its reply goes to @out. False: it failed. */
	bool (*apply)(void *owner, const struct ipk__slice *argv, size_t argc,
		      struct ipk__buffer *out);
	/* Loading: the reply of a session's request. -ENOMEM, -EUSERS. */
	int (*restore_reply)(void *owner, struct ipk__slice session, uint64_t number,
			     struct ipk__slice reply);
	/* A rewrite: all replies that are kept; *cursor is 0 at first, and at the end. */
	void (*scan_replies)(void *owner, uint64_t *cursor, ipk__log_reply_fn *each, void *to);
	/*
	 * A rewrite: the commands that make the managed object @name anew. State that belongs to a
	 * connection (a lock that is held) is not part of it.
	 */
	void (*describe_object)(void *owner, struct ipk__slice name, struct ipk__entry *key,
				ipk__log_command_fn *each, void *to);
};

struct ipk__log_opts {
	const char *path;
	int fsync; /* enum ipk__fsync */
	struct ipk__store *store;
	const struct ipk__log_source *source;
	void *owner;                /* for the functions of @source */
	int rewrite_percent;        /* growth that starts a rewrite; 0 or less: none does */
	uint64_t rewrite_min_bytes; /* not before the file has that many */
	/* Receives one line on why the file was refused or what was truncated; NULL: none. */
	char *trouble;
	size_t trouble_bytes;
};

/* Opens or creates it, does to the store what is in it, appends from then on. -EBUSY, -EBADMSG. */
int ipk__log_open(const struct ipk__log_opts *opts, struct ipk__log **ret_log);
void ipk__log_close(struct ipk__log *log);
/* From now on; what is not on disk yet is synced first. An error: nothing has changed. */
int ipk__log_set_fsync(struct ipk__log *log, int fsync);
void ipk__log_set_growth(struct ipk__log *log, int percent, uint64_t min_bytes);

/* --- requests --------------------------------------------------------------------------------- */

/* Words @first, @first + @step ... @last of a request. None: first > last. */
struct ipk__log_keys {
	size_t first, last, step;
};

struct ipk__log_request {
	const struct ipk__slice *argv;
	size_t argc;
	bool is_own;               /* Redis does not know it */
	bool is_on_fields;         /* it changes fields of a hash, each by itself */
	struct ipk__log_keys keys; /* asked for while ipk__log_is_rewriting() only */
	struct ipk__slice session; /* empty: none */
	uint64_t number;           /* in its session */
};

/*
 * Before a request of @n_bytes (all its words) is executed: 0 when there is disk space for it, or
 * why not: -ENOSPC, -EDQUOT, -EFBIG, -EIO.
 */
int ipk__log_room(struct ipk__log *log, size_t n_bytes);
/* Before it changes anything, while a rewrite is in progress: see log_rewrite.c. */
void ipk__log_before(struct ipk__log *log, const struct ipk__log_request *r);
/* A command that stands for a part of what the next request to be appended did. */
void ipk__log_effect(struct ipk__log *log, const struct ipk__log_request *r);
/*
 * Once for each request or transaction that changed something, after it was executed: logs its
 * effects, if it @has_effects, or else itself.
 */
void ipk__log_append(struct ipk__log *log, const struct ipk__log_request *r, bool has_effects);
/* The request of a session that was just appended got this reply. */
void ipk__log_answered(struct ipk__log *log, struct ipk__slice reply);
/*
 * Before the replies of this turn of the loop are sent: writes what was appended to the file (and
 * syncs it, with fsync always). An error: writes are refused from now on until a flush succeeds.
 */
int ipk__log_flush(struct ipk__log *log);
bool ipk__log_refuses_writes(const struct ipk__log *log);
/* Of what is being appended now. */
uint64_t ipk__log_mark(const struct ipk__log *log);
/*
 * False: what was appended at @mark could not be written to the file, in spite of ipk__log_room().
 * Its replies wait for an ipk__log_flush() that succeeds.
 */
bool ipk__log_has(const struct ipk__log *log, uint64_t mark);

/* --- beside the requests ---------------------------------------------------------------------- */

bool ipk__log_step(struct ipk__log *log, int64_t budget_ns); /* rewrite; fsync. True: more to do */
int ipk__log_rewrite(struct ipk__log *log);                  /* starts one; -EALREADY */
bool ipk__log_is_rewriting(const struct ipk__log *log);

struct ipk__log_status {
	uint64_t n_bytes, base_bytes, n_records;
	uint64_t cut_bytes; /* of a torn tail, at startup */
	bool is_rewriting;
	int last_error; /* 0, or why writes are refused */
};
void ipk__log_status(const struct ipk__log *log, struct ipk__log_status *ret_status);

#endif
