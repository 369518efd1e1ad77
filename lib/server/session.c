/*
 * session.c - each request once, even if its connection ends before its reply arrives.
 *
 * A client that reconnects names its session and the number with which it continues. The reply of
 * each request that changed something is kept: a repeated one gets it, and is not executed again.
 * Those that changed nothing are simply executed again.
 *
 * A request that blocks after a part of it is done (IPK.QPUT with more items than there is room)
 * has a reply as if it ended there, which the next part replaces: a repetition gets that, and the
 * client asks for the rest. A get from a joinable queue changed nothing yet: the items went back
 * with the connection, and the request gets some again.
 *
 * Invariant: a number at or below `forgotten` that is not among the replies is never executed: it
 * may have been executed before. The replies are in the order in which they were given.
 *
 * What is kept is bounded: replies and bytes of a session, sessions, bytes of all; an ended session
 * is dropped after ten minutes, or earlier, the one that ended first. The log has everything.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "os/os.h"
#include "log/log_record.h"
#include "server/server_core.h"

#define ANSWERS_MAX 128u
#define SESSION_BYTES_MAX ((size_t)8 << 20)
#define ALL_BYTES_MAX ((size_t)512 << 20)
#define SESSIONS_MAX 10000u
#define KEPT_MS ((int64_t)600000)
#define BUCKETS 4096u /* a power of two */

static const struct ipk__slice not_kept =
	IPK__SLICE_OF("-SESSION the reply of this request is not kept any more\r\n");

struct answer {
	uint64_t number;
	size_t n_bytes;
	char *reply;
};

struct ipk__session {
	struct ipk__session *same_bucket;
	struct ipk__session *older, *younger; /* among those that have ended */
	size_t id_bytes;
	char id[IPK__SESSION_ID_MAX];
	uint64_t peer_id; /* 0: none */
	int64_t ended_ms;
	uint64_t number; /* of the request under way, or of the last one */
	uint64_t last;   /* the highest that changed something */
	uint64_t forgotten;
	size_t n_bytes;
	unsigned n_answers;
	unsigned first; /* in the ring: the oldest */
	struct answer answers[ANSWERS_MAX];
};

struct ipk__sessions {
	unsigned n;
	size_t n_bytes;
	struct ipk__session *oldest, *youngest; /* ended */
	struct ipk__session *buckets[BUCKETS];
};

/* --- answers ---------------------------------------------------------------------------------- */

static struct answer *answer_at(struct ipk__session *s, unsigned i)
{
	return &s->answers[(s->first + i) % ANSWERS_MAX];
}

static struct answer *find_answer(struct ipk__session *s, uint64_t number)
{
	for (unsigned i = s->n_answers; i > 0; i--)
		if (answer_at(s, i - 1)->number == number)
			return answer_at(s, i - 1);
	return NULL;
}

static void put_reply(struct ipk__sessions *all, struct ipk__session *s, struct answer *a,
		      char *reply, size_t n_bytes)
{
	s->n_bytes += n_bytes - a->n_bytes;
	all->n_bytes += n_bytes - a->n_bytes;
	free(a->reply);
	a->reply = reply;
	a->n_bytes = n_bytes;
}

static void forget_first(struct ipk__sessions *all, struct ipk__session *s)
{
	struct answer *a = answer_at(s, 0);

	s->forgotten = IPK__MAX(s->forgotten, a->number);
	put_reply(all, s, a, NULL, 0);
	a->number = 0;
	s->first = (s->first + 1) % ANSWERS_MAX;
	s->n_answers--;
}

static void remember(struct ipk__sessions *all, struct ipk__session *s, uint64_t number,
		     struct ipk__slice reply)
{
	static const struct ipk__slice too_long = IPK__SLICE_OF(
		"-SESSION the request was done; its reply was too long to be kept\r\n");
	struct answer *a = number <= s->last ? find_answer(s, number) : NULL;
	char *copy;

	s->last = IPK__MAX(s->last, number);
	if (reply.n_bytes > SESSION_BYTES_MAX)
		reply = too_long;
	copy = ipk__os_malloc(reply.n_bytes);
	if (!copy) {
		s->forgotten = IPK__MAX(s->forgotten, number);
		return;
	}
	memcpy(copy, reply.bytes, reply.n_bytes);
	while (!a && s->n_answers > 0 &&
	       (s->n_answers == ANSWERS_MAX || s->n_bytes + reply.n_bytes > SESSION_BYTES_MAX))
		forget_first(all, s);
	if (!a) {
		a = answer_at(s, s->n_answers++);
		*a = (struct answer){.number = number};
	}
	put_reply(all, s, a, copy, reply.n_bytes);
}

/* --- all sessions ----------------------------------------------------------------------------- */

static struct ipk__session **bucket_of(struct ipk__sessions *all, struct ipk__slice id)
{
	return &all->buckets[ipk__checksum(id.bytes, id.n_bytes) & (BUCKETS - 1)];
}

static struct ipk__slice id_of(const struct ipk__session *s)
{
	return IPK__SLICE(s->id, s->id_bytes);
}

static struct ipk__session *find(struct ipk__sessions *all, struct ipk__slice id)
{
	struct ipk__session *s = *bucket_of(all, id);

	while (s && !ipk__slice_equal(id_of(s), id))
		s = s->same_bucket;
	return s;
}

static void unlist_ended(struct ipk__sessions *all, struct ipk__session *s)
{
	*(all->oldest == s ? &all->oldest : &s->older->younger) = s->younger;
	*(s->younger ? &s->younger->older : &all->youngest) = s->older;
	s->older = s->younger = NULL;
}

static void list_ended(struct ipk__sessions *all, struct ipk__session *s, int64_t now_ms)
{
	s->peer_id = 0;
	s->ended_ms = now_ms;
	s->older = all->youngest;
	*(all->youngest ? &all->youngest->younger : &all->oldest) = s;
	all->youngest = s;
}

/* It is not among the ended ones any more, or all go. */
static void free_session(struct ipk__sessions *all, struct ipk__session *s)
{
	struct ipk__session **link = bucket_of(all, id_of(s));

	while (s->n_answers > 0)
		forget_first(all, s);
	while (*link != s)
		link = &(*link)->same_bucket;
	*link = s->same_bucket;
	all->n--;
	free(s);
}

static void sweep(struct ipk__sessions *all, int64_t now_ms)
{
	struct ipk__session *s;

	while ((s = all->oldest) && (all->n >= SESSIONS_MAX || all->n_bytes > ALL_BYTES_MAX ||
				     now_ms - s->ended_ms > KEPT_MS)) {
		all->oldest = s->younger;
		*(s->younger ? &s->younger->older : &all->youngest) = NULL;
		free_session(all, s);
	}
}

int ipk__session_get(struct ipk__server *server, struct ipk__slice id,
		     struct ipk__session **ret_session)
{
	struct ipk__sessions *all = server->sessions;
	struct ipk__session **bucket;
	struct ipk__session *s;

	if (!all)
		all = server->sessions = ipk__os_calloc(1, sizeof *all);
	if (!all)
		return -ENOMEM;
	s = find(all, id);
	if (!s) {
		sweep(all, server->steady_ms);
		if (all->n >= SESSIONS_MAX)
			return -EUSERS;
		s = ipk__os_calloc(1, sizeof *s);
		if (!s)
			return -ENOMEM;
		memcpy(s->id, id.bytes, id.n_bytes);
		s->id_bytes = id.n_bytes;
		bucket = bucket_of(all, id);
		s->same_bucket = *bucket;
		*bucket = s;
		all->n++;
		list_ended(all, s, server->steady_ms);
	}
	*ret_session = s;
	return 0;
}

void ipk__sessions_free(struct ipk__server *server)
{
	struct ipk__sessions *all = server->sessions;

	for (size_t i = 0; all && i < BUCKETS; i++)
		while (all->buckets[i])
			free_session(all, all->buckets[i]);
	free(all);
	server->sessions = NULL;
}

/* --- the log's -------------------------------------------------------------------------------- */

int ipk__session_restore(struct ipk__server *server, struct ipk__slice id, uint64_t number,
			 struct ipk__slice reply)
{
	struct ipk__session *s;
	int r = ipk__session_get(server, id, &s);

	if (r == 0)
		remember(server->sessions, s, number, reply);
	return r;
}

uint64_t ipk__session_number(const struct ipk__session *session, struct ipk__slice *ret_id)
{
	*ret_id = id_of(session);
	return session->number;
}

void ipk__sessions_scan(struct ipk__server *server, uint64_t *cursor, ipk__session_fn *each,
			void *arg)
{
	struct ipk__sessions *all = server->sessions;

	for (struct ipk__session *s = all ? all->buckets[*cursor] : NULL; s; s = s->same_bucket) {
		/* The first of more than are kept: it will be what is forgotten. */
		if (s->n_answers == ANSWERS_MAX && s->forgotten > 0)
			each(arg, id_of(s), s->forgotten, not_kept);
		for (unsigned i = 0; i < s->n_answers; i++) {
			struct answer *a = answer_at(s, i);

			each(arg, id_of(s), a->number, IPK__SLICE(a->reply, a->n_bytes));
		}
	}
	*cursor = all && *cursor + 1 < BUCKETS ? *cursor + 1 : 0;
}

/* --- a peer's --------------------------------------------------------------------------------- */

bool ipk__session_begin(struct ipk__server *server, struct ipk__peer *peer,
			const struct ipk__slice *argv, size_t argc)
{
	struct ipk__session *s = ipk__conn_of(peer)->session;
	const struct answer *a;

	s->number++;
	/* The one that says which number comes next stands for none itself. */
	if (s->number > s->last || (argc > 0 && ipk__slice_is_word(argv[0], "IPK.SESSION")))
		return false;
	a = find_answer(s, s->number);
	if (a)
		ipk__buffer_append(&peer->out, a->reply, a->n_bytes);
	else if (s->number <= s->forgotten)
		ipk__buffer_append(&peer->out, not_kept.bytes, not_kept.n_bytes);
	else
		return false;
	if (server->log) /* not before the log has what it tells of */
		ipk__conn_of(peer)->log_mark = ipk__log_mark(server->log);
	return true;
}

void ipk__session_done(struct ipk__request *q, struct ipk__slice reply)
{
	struct ipk__session *s = ipk__conn_of(q->peer)->session;
	char text[32] = ":";
	size_t n;

	if (q->n_so_far > 0) {
		n = 1 + ipk__int64_to_text((int64_t)q->n_so_far, text + 1);
		text[n++] = '\r';
		text[n++] = '\n';
		reply = IPK__SLICE(text, n);
	}
	if (q->out->failed) /* only a part of it is there */
		reply = not_kept;
	if (ipk__server_of(q)->log)
		ipk__log_answered(ipk__server_of(q)->log, reply);
	remember(ipk__server_of(q)->sessions, s, q->number != 0 ? q->number : s->number, reply);
}

uint64_t ipk__session_last(const struct ipk__session *s)
{
	return s->last;
}

uint64_t ipk__session_peer(const struct ipk__session *s)
{
	return s->peer_id;
}

bool ipk__session_is(const struct ipk__session *s, struct ipk__slice id)
{
	return ipk__slice_equal(id_of(s), id);
}

void ipk__session_leave(struct ipk__server *server, struct ipk__peer *peer)
{
	struct ipk__conn *conn = ipk__conn_of(peer);

	if (conn->session)
		list_ended(server->sessions, conn->session, server->steady_ms);
	conn->session = NULL;
	peer->flags &= ~(unsigned)IPK__PEER_SESSION;
}

void ipk__session_join(struct ipk__server *server, struct ipk__peer *peer, struct ipk__session *s)
{
	if (s->peer_id == 0)
		unlist_ended(server->sessions, s);
	s->peer_id = peer->id;
	ipk__conn_of(peer)->session = s;
	peer->flags |= IPK__PEER_SESSION;
}

void ipk__session_continue(struct ipk__session *s, uint64_t number)
{
	s->number = number - 1;
}
