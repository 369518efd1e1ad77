/*
 * log_load.c - at startup: replays the log.
 *
 * Record by record, each only once it is known to be complete and valid. An incomplete record at
 * the end of the file was being written when the server or the machine stopped, and no client got
 * its reply: it is truncated (with the zeros at the end that file systems leave after a power
 * failure). Any other damage is an error that gives its position: guessing would lose or duplicate
 * something silently.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "os/os.h"
#include "log/log_internal.h"

#define READ_BYTES ((size_t)1 << 20)
#define KEPT_REPLIES_BYTES ((size_t)1 << 20)

struct loader {
	struct ipk__log *log;
	const struct ipk__log_opts *opts;
	int fd;
	uint64_t size_bytes;
	uint64_t record_at; /* where in the file the next record begins */
	uint64_t read_at;   /* where the next bytes to be read are */
	uint32_t chain;
	struct ipk__buffer in;
	struct ipk__buffer replies;
	struct ipk__log_body body;
	const char *why;
};

static void say(struct loader *l, const char *what, const char *why)
{
	if (l->opts->trouble && l->opts->trouble_bytes > 0)
		snprintf(l->opts->trouble, l->opts->trouble_bytes, "%s: %s at byte %llu: %s",
			 l->opts->path, what, (unsigned long long)l->record_at, why);
}

static int refuse(struct loader *l, const char *why)
{
	l->why = why;
	return -EBADMSG;
}

/* --- a record --------------------------------------------------------------------------------- */

static bool is_bracket(const struct ipk__resp_reader *words)
{
	return words->argc == 1 && (ipk__slice_is_word(words->argv[0], "MULTI") ||
				    ipk__slice_is_word(words->argv[0], "EXEC"));
}

/* @reply_from: where in l->replies the reply is that counts. */
static int do_body(struct loader *l, const char *bytes, size_t n_bytes, size_t *reply_from)
{
	int r;

	ipk__log_body_begin(&l->body, bytes, n_bytes);
	while ((r = ipk__log_body_next(&l->body)) > 0) {
		size_t before = ipk__buffer_len(&l->replies);

		if (r == IPK__LOG_REPLY) {
			ipk__buffer_append(&l->replies, ipk__buffer_front(&l->body.blob),
					   ipk__buffer_len(&l->body.blob));
		} else if (is_bracket(&l->body.reader)) {
			continue; /* the record is one anyway */
		} else if (!l->opts->source->apply(l->opts->owner, l->body.reader.argv,
						   l->body.reader.argc, &l->replies)) {
			return refuse(l, "a command in it fails");
		}
		*reply_from = before;
	}
	if (r == -EBADMSG)
		return refuse(l, "what is in the record is no command");
	return r;
}

static int do_record(struct loader *l, const struct ipk__log_head *head, const char *body)
{
	struct ipk__slice id = IPK__SLICE(head->session, head->session_bytes);
	size_t from = 0;
	int r = 0;

	if (l->record_at == 0 && head->kind != IPK__LOG_FILE)
		return refuse(l, "it does not begin as a log of ipk does");
	ipk__buffer_clear(&l->replies);
	if (head->kind == IPK__LOG_WRITES)
		r = do_body(l, body, head->body_bytes, &from);
	else if (head->kind == IPK__LOG_BASE)
		l->log->base_bytes = l->record_at;
	else if (head->kind != IPK__LOG_FILE)
		return refuse(l, "a record of a kind that is not known");
	if (r == 0 && id.n_bytes > 0)
		r = l->opts->source->restore_reply(l->opts->owner, id, head->number,
						   IPK__SLICE(ipk__buffer_front(&l->replies) + from,
							      ipk__buffer_len(&l->replies) - from));
	ipk__buffer_shrink(&l->replies, KEPT_REPLIES_BYTES);
	return r;
}

/* --- the file --------------------------------------------------------------------------------- */

static int read_more(struct loader *l, size_t n_wanted)
{
	size_t n = IPK__MAX(n_wanted, READ_BYTES);
	char *p;
	int r;

	if (n > l->size_bytes - l->read_at)
		n = (size_t)(l->size_bytes - l->read_at);
	p = ipk__buffer_reserve(&l->in, n);
	if (!p)
		return -ENOMEM;
	r = ipk__os_pread(l->fd, p, n, l->read_at);
	if (r < 0)
		return r;
	ipk__buffer_added(&l->in, n);
	l->read_at += n;
	return 0;
}

/* 1 a record was done; 0 there is no whole one any more. */
static int step(struct loader *l)
{
	struct ipk__log_head head;
	size_t n_bytes = 0;
	size_t have;
	int r;

	for (;;) {
		uint64_t there = l->size_bytes - l->record_at;

		have = ipk__buffer_len(&l->in);
		r = ipk__log_record_read(ipk__buffer_front(&l->in), have, &l->chain, &head,
					 &n_bytes, &l->why);
		if (r != 0)
			break;
		/* Nothing is taken for torn that does not at least begin as a record. */
		if (n_bytes > there && have >= IPK__MIN(there, IPK__LOG_HEAD_MAX))
			return 0;
		r = read_more(l, n_bytes > have ? n_bytes - have : 1);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	r = do_record(l, &head, ipk__buffer_front(&l->in) + n_bytes - head.body_bytes);
	if (r < 0)
		return r;
	ipk__buffer_take(&l->in, n_bytes);
	l->record_at += n_bytes;
	return 1;
}

/* Without the zeros at its end: no record ends in one. */
static int find_end(struct loader *l)
{
	char block[1024];

	while (l->size_bytes > 0) {
		size_t n = (size_t)IPK__MIN(l->size_bytes, sizeof block);
		int r = ipk__os_pread(l->fd, block, n, l->size_bytes - n);

		if (r < 0)
			return r;
		while (n > 0 && block[n - 1] == 0) {
			n--;
			l->size_bytes--;
		}
		if (n > 0)
			break;
	}
	return 0;
}

static int load(struct loader *l)
{
	int r = find_end(l);

	if (r < 0)
		return r;
	do
		r = step(l);
	while (r == 1);
	return r;
}

int ipk__log_load(struct ipk__log *log, const struct ipk__log_opts *opts, int fd,
		  uint64_t *ret_bytes)
{
	struct ipk__os_stat st;
	struct loader *l;
	int r = ipk__os_stat(fd, &st);

	if (r < 0)
		return r;
	l = ipk__os_calloc(1, sizeof *l);
	if (!l)
		return -ENOMEM;
	l->log = log;
	l->opts = opts;
	l->fd = fd;
	l->size_bytes = st.size_bytes;
	ipk__log_body_init(&l->body);
	r = load(l);
	if (r == -EBADMSG)
		say(l, "refused", l->why);
	if (r == 0) {
		log->cut_bytes = st.size_bytes - l->record_at;
		if (log->cut_bytes > 0)
			say(l, "cut off", "the record there is not whole");
		ipk__log_file_init(&log->main, fd, l->record_at, l->chain);
		*ret_bytes = l->record_at;
	}
	ipk__log_body_fini(&l->body);
	ipk__buffer_free(&l->in);
	ipk__buffer_free(&l->replies);
	free(l);
	return r;
}
