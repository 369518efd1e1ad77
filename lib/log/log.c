/*
 * log.c - the append-only file: the executed commands, in order.
 *
 * Invariant: no reply is sent before its effects are in the file. What is appended within a turn of
 * the loop is written at its end, at once (ipk__log_flush()), and the replies are sent after that.
 * Requests without a session share a record, since losing one is no worse than losing all; each
 * request of a session has its own, with its number and, if executing it again would not give the
 * same reply, its reply.
 *
 * A full disk refuses requests before they are executed (ipk__log_room()). Should the file fail
 * nevertheless, the records stay in memory and are written again until that works, and the replies
 * wait (ipk__log_has()): no client is told that it is done, nor that it is not. When the disk
 * loses data (fdatasync fails), or there was no memory for a record, the file is rewritten from the
 * store, and the same holds until then.
 *
 * fsync: always - before the replies; everysec - by a thread, at most a second later; no.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "log/log_internal.h"

#define SYNC_NS ((int64_t)1000000000)
#define RETRY_NS ((int64_t)100000000)
#define REWRITE_RETRY_NS ((int64_t)1000000000)
#define HELD_PAUSE_NS ((int64_t)60 * 1000000000)

/* --- appending -------------------------------------------------------------------------------- */

static void put_command(struct ipk__log *log, struct ipk__buffer *out,
			const struct ipk__log_request *r)
{
	if (!r->is_own) {
		ipk__resp_request(out, r->argv, r->argc);
		return;
	}
	ipk__buffer_clear(&log->scratch);
	ipk__resp_request(&log->scratch, r->argv, r->argc);
	if (log->scratch.failed)
		out->failed = true;
	else
		ipk__log_hide(out, 'c',
			      IPK__SLICE(ipk__buffer_front(&log->scratch),
					 ipk__buffer_len(&log->scratch)));
	ipk__buffer_shrink(&log->scratch, 65536);
}

static void stage(struct ipk__log *log, struct ipk__log_stage *to, const struct ipk__log_request *r)
{
	put_command(log, &to->bytes, r);
	to->n_commands++;
	to->n_visible += !r->is_own;
}

void ipk__log_effect(struct ipk__log *log, const struct ipk__log_request *r)
{
	stage(log, &log->stage, r);
	if (log->rewrite && ipk__rewrite_wants(log, r))
		stage(log, &log->stage_of_next, r);
}

/* What Redis does at once we let it do at once. */
static void commit(struct ipk__log_stage *from, struct ipk__buffer *out)
{
	static const struct ipk__slice multi = {"MULTI", 5};
	static const struct ipk__slice exec = {"EXEC", 4};

	if (from->n_visible > 1)
		ipk__resp_request(out, &multi, 1);
	ipk__buffer_append(out, ipk__buffer_front(&from->bytes), ipk__buffer_len(&from->bytes));
	if (from->n_visible > 1)
		ipk__resp_request(out, &exec, 1);
	if (from->bytes.failed)
		out->failed = true;
	ipk__buffer_clear(&from->bytes);
	ipk__buffer_shrink(&from->bytes, 65536);
	from->n_commands = from->n_visible = 0;
}

/* The same for the new file of a rewrite, as far as it has what the request changed. */
static void append_to_next(struct ipk__log *log, const struct ipk__log_request *r, bool has_effects)
{
	struct ipk__log_file *next = ipk__rewrite_file(log);

	if (!has_effects && ipk__rewrite_wants(log, r))
		stage(log, &log->stage_of_next, r);
	if (log->stage_of_next.n_commands == 0 && r->session.n_bytes == 0)
		return;
	ipk__log_file_begin(next, r->session, r->number);
	commit(&log->stage_of_next, &next->out);
}

void ipk__log_commit_next(struct ipk__log *log)
{
	struct ipk__log_file *next = ipk__rewrite_file(log);

	if (log->stage_of_next.n_commands == 0)
		return;
	ipk__log_file_begin(next, IPK__SLICE(NULL, 0), 0);
	commit(&log->stage_of_next, &next->out);
}

void ipk__log_append(struct ipk__log *log, const struct ipk__log_request *r, bool has_effects)
{
	ipk__log_file_begin(&log->main, r->session, r->number);
	log->is_answer_due = r->session.n_bytes > 0;
	log->is_plain = !has_effects;
	if (has_effects)
		commit(&log->stage, &log->main.out);
	else
		put_command(log, &log->main.out, r);
	if (log->rewrite)
		append_to_next(log, r, has_effects);
}

/* Doing it again gives this very reply, in RESP2 and in RESP3. */
static bool is_given_again(struct ipk__slice reply)
{
	if (reply.n_bytes < 4)
		return false;
	return reply.bytes[0] == ':' || reply.bytes[0] == '+' ||
	       (reply.bytes[0] == '$' && reply.bytes[1] != '-');
}

void ipk__log_answered(struct ipk__log *log, struct ipk__slice reply)
{
	struct ipk__log_file *next = ipk__rewrite_file(log);

	if (!log->is_answer_due)
		return;
	log->is_answer_due = false;
	if (log->main.is_open && !(log->is_plain && is_given_again(reply)))
		ipk__log_hide(&log->main.out, 'r', reply);
	ipk__log_file_seal(&log->main);
	if (!next || !next->is_open)
		return;
	/* There it may be done in another order, or not at all. */
	ipk__log_hide(&next->out, 'r', reply);
	ipk__log_file_seal(next);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* The file is no longer what is in the store, so it is made anew. */
static void lose(struct ipk__log *log, int error)
{
	log->is_lost = true;
	log->error = error;
	log->main.out.failed = false;
	log->main.is_open = false;
	ipk__buffer_clear(&log->main.out);
	ipk__buffer_clear(&log->stage.bytes);
	if (log->rewrite && !ipk__rewrite_is_final(log))
		ipk__rewrite_abandon(log);
	log->rewrite_not_before_ns = 0;
}

static int fail(struct ipk__log *log, int error)
{
	log->error = error;
	log->retry_ns = ipk__os_now_ns() + RETRY_NS;
	return error;
}

/* In a rewrite's last moments both files have to have everything. */
static int write_next(struct ipk__log *log)
{
	struct ipk__log_file *next = ipk__rewrite_file(log);
	int r;

	if (!next || (ipk__buffer_len(&next->out) == 0 && !next->out.failed))
		return 0;
	r = ipk__log_file_write(next);
	if (r == 0 && log->fsync == IPK__FSYNC_ALWAYS && ipk__rewrite_is_final(log))
		r = ipk__os_file_sync(next->fd);
	if (r == 0 || ipk__rewrite_is_final(log))
		return r;
	ipk__rewrite_abandon(log);
	log->rewrite_not_before_ns = ipk__os_now_ns() + HELD_PAUSE_NS;
	return 0;
}

static int write_main(struct ipk__log *log)
{
	int r = ipk__log_file_write(&log->main);

	if (r == -ENOMEM)
		lose(log, r);
	if (r < 0)
		return r;
	log->is_dirty = true;
	if (log->fsync != IPK__FSYNC_ALWAYS)
		return 0;
	r = ipk__os_file_sync(log->main.fd);
	if (r < 0)
		lose(log, r);
	return r;
}

int ipk__log_flush(struct ipk__log *log)
{
	int r;

	if (log->error == 0 && ipk__buffer_len(&log->main.out) == 0 && !log->main.out.failed) {
		/* Also what a rewrite has instead. The next append is none of that. */
		log->written_mark = log->mark++;
		return 0;
	}
	log->is_answer_due = false;
	if (log->is_lost)
		return log->error;
	if (log->error != 0 && ipk__os_now_ns() < log->retry_ns)
		return log->error;
	r = write_main(log);
	if (r == 0)
		r = write_next(log);
	if (r < 0)
		return fail(log, r);
	log->error = 0;
	log->written_mark = log->mark++;
	return 0;
}

bool ipk__log_refuses_writes(const struct ipk__log *log)
{
	return log->error != 0;
}

int ipk__log_room(struct ipk__log *log, size_t n_bytes)
{
	int r;

	if (log->is_lost || ipk__buffer_len(&log->main.out) > (size_t)1 << 30)
		return log->error != 0 ? log->error : -EAGAIN;
	r = ipk__log_file_room(&log->main, n_bytes);
	if (r == 0 && log->rewrite && ipk__rewrite_is_final(log))
		r = ipk__log_file_room(ipk__rewrite_file(log), n_bytes);
	log->room_error = r;
	if (r < 0)
		return r;
	/* There is room, but the last write failed: the next one has to work first. */
	return log->error;
}

uint64_t ipk__log_mark(const struct ipk__log *log)
{
	return log->mark;
}

bool ipk__log_has(const struct ipk__log *log, uint64_t mark)
{
	return mark <= log->written_mark;
}

/* --- beside the work -------------------------------------------------------------------------- */

static void sync_when_due(struct ipk__log *log)
{
	int64_t now_ns = ipk__os_now_ns();
	int r;

	if (ipk__log_sync_is_busy(&log->sync, &r))
		return;
	if (log->is_syncing_main && r < 0)
		lose(log, r);
	log->is_syncing_main = false;
	if (log->fsync != IPK__FSYNC_EVERYSEC || !log->is_dirty || log->is_lost ||
	    now_ns - log->synced_ns < SYNC_NS || ipk__rewrite_is_final(log))
		return;
	log->is_syncing_main = ipk__log_sync_post(&log->sync, log->main.fd, NULL, NULL);
	log->is_dirty = !log->is_syncing_main;
	log->synced_ns = now_ns;
}

static bool is_long(const struct ipk__log *log)
{
	uint64_t limit = log->base_bytes + log->base_bytes / 100 * (uint64_t)log->rewrite_percent;

	return log->rewrite_percent > 0 && log->main.n_bytes > limit &&
	       log->main.n_bytes > log->rewrite_min_bytes;
}

static void rewrite_when_due(struct ipk__log *log)
{
	int64_t now_ns;

	if (log->rewrite || (!log->is_lost && !is_long(log)))
		return;
	now_ns = ipk__os_now_ns();
	if (now_ns < log->rewrite_not_before_ns)
		return;
	log->rewrite_not_before_ns = now_ns + REWRITE_RETRY_NS;
	(void)ipk__log_rewrite(log); /* once more in a while */
}

bool ipk__log_step(struct ipk__log *log, int64_t budget_ns)
{
	ipk__rewrite_poll(log);
	sync_when_due(log);
	rewrite_when_due(log);
	return log->rewrite && ipk__rewrite_step(log, ipk__os_now_ns() + budget_ns);
}

void ipk__log_status(const struct ipk__log *log, struct ipk__log_status *ret_status)
{
	*ret_status = (struct ipk__log_status){
		.n_bytes = log->main.n_bytes,
		.base_bytes = log->base_bytes,
		.n_records = log->main.n_records,
		.cut_bytes = log->cut_bytes,
		.is_rewriting = log->rewrite != NULL,
		.last_error = log->error != 0 ? log->error : log->room_error,
	};
}

bool ipk__log_is_rewriting(const struct ipk__log *log)
{
	return log->rewrite != NULL;
}

void ipk__log_set_growth(struct ipk__log *log, int percent, uint64_t min_bytes)
{
	log->rewrite_percent = percent;
	log->rewrite_min_bytes = min_bytes;
}

/* One second, or never, may be what was promised so far: that is kept, or bettered, at once. */
int ipk__log_set_fsync(struct ipk__log *log, int fsync)
{
	int r;

	if (log->is_dirty && log->fsync != fsync) {
		r = ipk__os_file_sync(log->main.fd);
		if (r < 0) {
			lose(log, r);
			return r;
		}
		log->is_dirty = false;
	}
	log->fsync = fsync;
	return 0;
}

/* --- opening and closing ---------------------------------------------------------------------- */

static int open_file(struct ipk__log *log, const struct ipk__log_opts *opts)
{
	uint64_t n_bytes;
	int fd;
	int r = ipk__os_file_open(log->path, IPK__OS_CREATE | IPK__OS_APPEND, &fd);

	if (r < 0)
		return r;
	log->main.fd = fd;
	r = ipk__os_lock_file(fd, IPK__OS_ALONE);
	if (r < 0)
		return r == -EAGAIN ? -EBUSY : r;
	r = ipk__log_load(log, opts, fd, &n_bytes);
	if (r < 0)
		return r;
	if (log->cut_bytes > 0)
		r = ipk__os_file_truncate(fd, n_bytes);
	if (r == 0 && n_bytes == 0)
		ipk__log_file_mark(&log->main, IPK__LOG_FILE);
	return r < 0 ? r : ipk__log_file_write(&log->main);
}

static char *joined(const char *a, const char *b)
{
	char *p = ipk__os_malloc(strlen(a) + strlen(b) + 1);

	if (p) {
		memcpy(p, a, strlen(a));
		memcpy(p + strlen(a), b, strlen(b) + 1);
	}
	return p;
}

static int set_paths(struct ipk__log *log, const char *path)
{
	char *absolute = ipk__os_malloc(IPK__OS_PATH_BYTES);
	int r = absolute ? ipk__os_absolute(path, absolute, IPK__OS_PATH_BYTES) : -ENOMEM;

	if (r == 0) {
		log->path = joined(absolute, "");
		log->path_of_next = joined(absolute, ".rewrite");
		r = log->path && log->path_of_next ? 0 : -ENOMEM;
	}
	free(absolute);
	return r;
}

int ipk__log_open(const struct ipk__log_opts *opts, struct ipk__log **ret_log)
{
	struct ipk__log *log = ipk__os_calloc(1, sizeof *log);
	int r;

	if (!log)
		return -ENOMEM;
	log->store = opts->store;
	log->source = opts->source;
	log->owner = opts->owner;
	log->fsync = opts->fsync;
	ipk__log_set_growth(log, opts->rewrite_percent, opts->rewrite_min_bytes);
	log->mark = 1;
	ipk__log_file_init(&log->main, -1, 0, 0);
	r = set_paths(log, opts->path);
	if (r == 0)
		r = open_file(log, opts);
	if (r == 0)
		r = ipk__log_sync_start(&log->sync);
	if (r < 0) {
		ipk__log_close(log);
		return r;
	}
	(void)ipk__os_unlink(log->path_of_next); /* of one that was killed */
	*ret_log = log;
	return 0;
}

/* Nobody is left to be told of an error: what was answered is in the file already. */
static void end(struct ipk__log *log)
{
	ipk__log_sync_wait(&log->sync);
	ipk__rewrite_poll(log);
	if (log->rewrite)
		ipk__rewrite_abandon(log);
	ipk__log_sync_stop(&log->sync);
	if (log->is_lost)
		return;
	(void)ipk__log_flush(log);
	(void)ipk__os_file_truncate(log->main.fd, log->main.n_bytes); /* gives spare room back */
	if (log->fsync != IPK__FSYNC_NO)
		(void)ipk__os_file_sync(log->main.fd);
}

void ipk__log_close(struct ipk__log *log)
{
	if (log->sync.is_started)
		end(log);
	ipk__os_close(log->main.fd);
	ipk__log_file_fini(&log->main);
	ipk__buffer_free(&log->stage.bytes);
	ipk__buffer_free(&log->stage_of_next.bytes);
	ipk__buffer_free(&log->scratch);
	free(log->path);
	free(log->path_of_next);
	free(log);
}
