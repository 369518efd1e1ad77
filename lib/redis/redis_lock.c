/*
 * redis_lock.c - blocking calls on a Redis server, and leases.
 *
 * Nothing in Redis is bound to a connection, so holding is a lease of the session: a thread renews
 * it every third of its length while anything is held, and any script that finds an object with an
 * expired lease releases it (redis_scripts.c). A process that is killed, or stopped for longer than
 * its lease, thus loses what it held; a lock's fencing number (IPK.FENCE key) grows with each
 * holder, so late writes of an earlier one can be detected.
 *
 * Waiting means: try (a script, which registers the waiter if it fails), sleep on a list of its
 * own, and try again: when woken, when a lease expires, and once a second. The last try, at the
 * deadline, removes the registration.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "redis/redis.h"
#include "os/os.h"

#define SLICE_MS 1000
#define GRACE_MS 200 /* for the answer to what was asked in time */
#define MS_NS ((int64_t)1000 * 1000)

struct ipk__redis_hold {
	struct ipk__redis_hold *next;
	struct ipk__slice key; /* lies behind */
	uint64_t n;            /* permits, recursions, items */
	uint64_t version;
	bool is_lost; /* the lease has expired; until it is released or acquired anew */
};

/*
 * A get whose answer did not come in time: it may have taken items, which the next get of that
 * queue receives, by asking with the same number again.
 */
struct ipk__redis_late {
	struct ipk__redis_late *next;
	struct ipk__redis_sequence *sequence;
	int64_t n;
	struct ipk__slice key; /* lies behind */
};

/* --- leases ----------------------------------------------------------------------------------- */

/* Under the mutex. */
static struct ipk__redis_hold **find_hold(struct ipk__redis *r, struct ipk__slice key)
{
	struct ipk__redis_hold **at = &r->held;

	while (*at && !ipk__slice_equal((*at)->key, key))
		at = &(*at)->next;
	return at;
}

static void forget(struct ipk__redis *r, struct ipk__slice key, uint64_t n)
{
	struct ipk__redis_hold **at, *held;

	pthread_mutex_lock(&r->mutex);
	at = find_hold(r, key);
	held = *at;
	if (held && held->n > n) {
		held->n -= n;
	} else if (held) {
		*at = held->next;
		free(held);
	}
	pthread_mutex_unlock(&r->mutex);
}

/* What the renewing thread works through; keys are copied, the list goes on changing. */
static struct ipk__redis_hold *copy_held(struct ipk__redis *r)
{
	struct ipk__redis_hold *copies = NULL;

	pthread_mutex_lock(&r->mutex);
	for (struct ipk__redis_hold *h = r->held; h; h = h->next) {
		struct ipk__redis_hold *c;

		if (h->is_lost)
			continue;
		c = ipk__os_malloc(sizeof *c + h->key.n_bytes);
		if (!c)
			break; /* the others are renewed the next time */
		*c = *h;
		memcpy(c + 1, h->key.bytes, h->key.n_bytes);
		c->key.bytes = (const char *)(c + 1);
		c->next = copies;
		copies = c;
	}
	pthread_mutex_unlock(&r->mutex);
	return copies;
}

static void mark_lost(struct ipk__redis *r, const struct ipk__redis_hold *copy)
{
	struct ipk__redis_hold *held;

	pthread_mutex_lock(&r->mutex);
	held = *find_hold(r, copy->key);
	if (held && held->version == copy->version) /* else it was acquired anew since */
		held->is_lost = true;
	pthread_mutex_unlock(&r->mutex);
}

static void renew(struct ipk__redis *r, const struct ipk__redis_hold *copy, ipk_deadline deadline)
{
	struct ipk__response reply;

	ipk__response_init(&reply);
	if (ipk__redis_run(r, "RENEW", copy->key, NULL, 0, deadline, &reply) == 0 &&
	    ipk__slice_equal(reply.whole, IPK__SLICE_OF(":0\r\n")))
		mark_lost(r, copy);
	ipk__response_fini(&reply);
}

static void renew_all(struct ipk__redis *r)
{
	struct ipk__redis_hold *copies = copy_held(r);
	ipk_deadline deadline = ipk_in_ms(r->address.lease_ms / 3);

	while (copies) {
		struct ipk__redis_hold *next = copies->next;

		renew(r, copies, deadline);
		free(copies);
		copies = next;
	}
}

/* What is not ours any more: whether it was, until its lease ended. */
static bool was_lost(struct ipk__redis *r, struct ipk__slice key, ipk_deadline deadline)
{
	struct ipk__redis_hold copy = {0}, *held;
	bool is_lost;

	pthread_mutex_lock(&r->mutex);
	held = *find_hold(r, key);
	if (held)
		copy = *held;
	pthread_mutex_unlock(&r->mutex);
	if (!held)
		return false;
	copy.key = key;
	if (!copy.is_lost) /* perhaps not checked yet */
		renew(r, &copy, deadline);
	pthread_mutex_lock(&r->mutex);
	held = *find_hold(r, key);
	is_lost = held && held->is_lost;
	pthread_mutex_unlock(&r->mutex);
	return is_lost;
}

static void *renewer(void *arg)
{
	struct ipk__redis *r = arg;

	ipk__os_set_thread_name("ipk-lease");
	while (atomic_load(&r->renewer_word) == 0) {
		ipk_deadline next = ipk_in_ms(r->address.lease_ms / 3);

		ipk__os_thread_quiet();
		while (atomic_load(&r->renewer_word) == 0 && ipk_deadline_left_ns(next) > 0)
			ipk__os_futex_wait(&r->renewer_word, 0, next);
		ipk__os_thread_loud(); /* the network may take long */
		if (atomic_load(&r->renewer_word) == 0)
			renew_all(r);
	}
	return NULL;
}

/* Before anything is obtained, so that there is no failure left afterwards. */
static int be_ready_to_hold(struct ipk__redis *r)
{
	int e = 0;

	pthread_mutex_lock(&r->mutex);
	if (!r->has_renewer) {
		e = ipk__os_thread_start_quiet(renewer, r, &r->renewer);
		r->has_renewer = e == 0;
	}
	pthread_mutex_unlock(&r->mutex);
	return e;
}

static void hold(struct ipk__redis *r, struct ipk__slice key, uint64_t n)
{
	struct ipk__redis_hold **at, *held;

	pthread_mutex_lock(&r->mutex);
	at = find_hold(r, key);
	held = *at;
	if (!held) {
		held = ipk__os_calloc(1, sizeof *held + key.n_bytes);
		if (held) { /* else the lease ends by itself */
			memcpy(held + 1, key.bytes, key.n_bytes);
			held->key = IPK__SLICE((const char *)(held + 1), key.n_bytes);
			*at = held;
		}
	}
	if (held) {
		held->n = held->is_lost ? n : held->n + n;
		held->is_lost = false;
		held->version++;
	}
	pthread_mutex_unlock(&r->mutex);
}

void ipk__redis_forget_held(struct ipk__redis *r)
{
	while (r->held) {
		struct ipk__redis_hold *next = r->held->next;

		free(r->held);
		r->held = next;
	}
	while (r->late) {
		struct ipk__redis_late *next = r->late->next;

		free(r->late->sequence);
		free(r->late);
		r->late = next;
	}
	r->has_renewer = false;
	atomic_store(&r->renewer_word, 0);
}

void ipk__redis_release_all(struct ipk__redis *r)
{
	ipk_deadline deadline = ipk_in_ms(SLICE_MS);

	if (r->has_renewer) {
		atomic_store(&r->renewer_word, 1);
		ipk__os_futex_wake(&r->renewer_word, 1);
		ipk__os_thread_join(r->renewer);
	}
	for (struct ipk__redis_hold *h = r->held; h; h = h->next) {
		struct ipk__response reply;

		ipk__response_init(&reply);
		if (ipk__redis_run(r, "DROP", h->key, NULL, 0, deadline, &reply) < 0)
			deadline = ipk_now(); /* no server: the leases end by themselves */
		ipk__response_fini(&reply);
	}
	ipk__redis_forget_held(r);
}

/* --- trying and waiting ----------------------------------------------------------------------- */

struct attempt {
	struct ipk__redis *r;
	const char *script;
	struct ipk__slice key;
	struct ipk__slice *args;
	size_t n_args;
	size_t ms_at; /* which argument is its sleep time; -1: the last try */
	char id[56];
	char ms[24];
	bool is_put;
	struct ipk__redis_sequence *sequence; /* NULL: any */
	uint64_t n_put;
	ipk_deadline until; /* to wait */
	ipk_deadline io;    /* for answers */
	struct ipk__response reply;
};

static void new_id(struct ipk__redis *r, char id[56])
{
	uint64_t n;
	size_t len = strlen(r->me);

	pthread_mutex_lock(&r->mutex);
	n = ++r->next_id;
	pthread_mutex_unlock(&r->mutex);
	memcpy(id, r->me, len);
	id[len] = ':';
	id[len + 1 + ipk__int64_to_text((int64_t)n, id + len + 1)] = 0;
}

static ipk_deadline earlier(ipk_deadline a, ipk_deadline b)
{
	return a.at_ns < b.at_ns ? a : b;
}

static ipk_deadline later(ipk_deadline a, ipk_deadline b)
{
	return a.at_ns < b.at_ns ? b : a;
}

static void attempt_init(struct attempt *a, struct ipk__redis *r, const char *script,
			 struct ipk__slice key, int64_t timeout_ms, ipk_deadline deadline)
{
	memset(a, 0, sizeof *a);
	a->r = r;
	a->script = script;
	a->key = key;
	a->until = timeout_ms < 0 ? ipk_forever() : ipk_in_ms(timeout_ms);
	a->until = earlier(a->until, deadline);
	a->io = later(ipk_in_ms(GRACE_MS), deadline);
	if (a->until.at_ns != INT64_MAX)
		a->io = later(a->io,
			      (ipk_deadline){ipk__later_ns(a->until.at_ns, GRACE_MS * MS_NS)});
	new_id(r, a->id);
	ipk__response_init(&a->reply);
}

/* Sleep until woken; an early return is fine. */
static void nap(struct attempt *a, int64_t ms)
{
	struct ipk__slice argv[3] = {IPK__SLICE_OF("BLPOP")};
	size_t node =
		ipk__redis_node_of(a->r, a->r->address.is_cluster ? ipk__redis_slot(a->key) : -1);
	ipk_deadline end = earlier(a->until, ipk_in_ms(ms + GRACE_MS));
	struct ipk__redis_link *link = NULL;
	struct ipk__slice reply = {0};
	char what[64] = ":ipk.w:", seconds[24];
	bool is_refused = false;
	int e;

	memcpy(what + 7, a->id, strlen(a->id) + 1);
	argv[2] = IPK__SLICE(seconds, ipk__int64_to_text(ms / 1000, seconds));
	seconds[argv[2].n_bytes++] = '.';
	for (int64_t unit = 100, rest = ms % 1000; unit > 0; rest %= unit, unit /= 10)
		seconds[argv[2].n_bytes++] = (char)('0' + rest / unit);
	if (ipk__redis_helper_key(a->key, what, &argv[1]) < 0)
		return;
	e = ipk__redis_take_link(a->r, node, end, &link);
	if (e == 0) {
		/* The server checks its clock only ten times a second. */
		e = ipk__redis_link_call(link, argv, 3, end, &reply);
		/* The reply is the link's, and that is another thread's from here on. */
		is_refused = e == 0 && reply.bytes[0] == '-';
		ipk__redis_give_link(a->r, node, link);
	}
	free((char *)argv[1].bytes);
	if (is_refused) {
		ipk__redis_refresh(a->r, end);
		e = -EAGAIN;
	}
	if (e < 0 && e != -ETIMEDOUT)
		ipk__redis_pause(100, a->until);
}

/* The first two numbers of an array: 1 there are, 0 it is an error's text. */
static int two_numbers(const struct ipk__response *reply, int64_t ret_n[2], size_t *ret_at)
{
	struct ipk__resp_value v[3];
	size_t at = 0;

	if (ipk__redis_is_error(reply))
		return 0;
	for (int i = 0; i < 3; i++)
		if (ipk__resp_next(reply->whole, &at, &v[i]) < 0)
			return -EPROTO;
	ret_n[0] = v[1].integer;
	ret_n[1] = v[2].integer;
	*ret_at = at;
	return 1;
}

static bool is_done(struct attempt *a, int64_t n)
{
	if (!a->is_put)
		return n > 0;
	a->n_put += (uint64_t)n;
	a->n_args -= (size_t)n;
	memmove(a->args + 3, a->args + 3 + n, (a->n_args - 3) * sizeof *a->args);
	return a->n_args == 3;
}

static int run(struct attempt *a)
{
	if (a->sequence)
		return ipk__redis_run_on(a->r, a->script, a->key, a->args, a->n_args, a->sequence,
					 a->io, &a->reply);
	return ipk__redis_run(a->r, a->script, a->key, a->args, a->n_args, a->io, &a->reply);
}

/* 1: it was obtained; 0: not in time, or refused: is_error(a->reply). */
static int attempt(struct attempt *a)
{
	for (;;) {
		int64_t left_ns = ipk_deadline_left_ns(a->until);
		int64_t ms = left_ns / MS_NS < SLICE_MS ? (left_ns + MS_NS - 1) / MS_NS : SLICE_MS;
		bool is_last = left_ns == 0;
		int64_t got[2] = {0};
		size_t at;
		int e;

		a->args[a->ms_at] = IPK__SLICE(a->ms, ipk__int64_to_text(is_last ? -1 : ms, a->ms));
		e = run(a);
		if (e < 0)
			return e;
		e = two_numbers(&a->reply, got, &at);
		if (e <= 0)
			return e;
		if (is_done(a, got[0]))
			return 1;
		if (is_last)
			return 0;
		if (strcmp(a->script, "IPK.BWAIT") == 0)
			a->args[2] = IPK__SLICE_OF("again");
		nap(a, got[1] < ms && got[1] > 0 ? got[1] : ms);
	}
}

/* What a call of numbers or errors answers: a number when it went well, @late when not in time. */
static int answer(struct attempt *a, int done, struct ipk__response *reply, int64_t n, int64_t late)
{
	/* What it noted or obtained goes with its time, or its lease. */
	int e = done == -EINPROGRESS && !a->is_put ? -ETIMEDOUT : done;

	if (done == 0 && ipk__redis_is_error(&a->reply))
		e = ipk__response_put(reply, a->reply.whole);
	else if (done >= 0)
		e = ipk__redis_reply_integer(reply, done == 1 ? n : late);
	ipk__response_fini(&a->reply);
	return e;
}

/* --- the calls -------------------------------------------------------------------------------- */

static bool number_at(const struct ipk__call *call, size_t i, int64_t *ret_n)
{
	return i < call->argc && ipk__text_to_int64(call->argv[i], ret_n);
}

static bool timeout_at(const struct ipk__call *call, size_t i, int64_t *ret_ms)
{
	return number_at(call, i, ret_ms) && *ret_ms >= -1;
}

static int bad_words(const struct ipk__call *call)
{
	return ipk__redis_reply_error(call->reply,
				      "ERR wrong number of arguments, or not a number");
}

static int acquire_until(struct ipk__redis *r, struct ipk__slice key, struct ipk__slice owner,
			 int64_t times, int64_t timeout_ms, ipk_deadline deadline,
			 struct ipk__response *reply)
{
	struct attempt a;
	char n[24];
	int e = be_ready_to_hold(r);

	if (e < 0)
		return e;
	attempt_init(&a, r, "IPK.ACQUIRE", key, timeout_ms, deadline);
	a.args = (struct ipk__slice[]){owner,
				       ipk__slice_of_string(a.id),
				       {0},
				       IPK__SLICE(n, ipk__int64_to_text(times, n))};
	a.n_args = 4;
	a.ms_at = 2;
	e = attempt(&a);
	if (e == 1)
		hold(r, key, (uint64_t)times);
	return answer(&a, e, reply, 1, 0);
}

static int do_acquire(struct ipk__redis *r, const struct ipk__call *c, ipk_deadline deadline)
{
	int64_t timeout;

	if (!timeout_at(c, 3, &timeout))
		return bad_words(c);
	return acquire_until(r, c->argv[1], c->argv[2], 1, timeout, deadline, c->reply);
}

/* Scripts that answer [OK, how much of the lease was given up]. */
static int give_up(struct ipk__redis *r, const char *script, const struct ipk__call *c,
		   const struct ipk__slice *args, size_t n_args, ipk_deadline deadline)
{
	struct ipk__response reply;
	int64_t got[2] = {0};
	size_t at;
	int e;

	ipk__response_init(&reply);
	e = ipk__redis_run(r, script, c->argv[1], args, n_args, deadline, &reply);
	if (e == 0)
		e = two_numbers(&reply, got, &at);
	if (e == 0 && reply.whole.n_bytes > 9 && memcmp(reply.whole.bytes, "-NOTOWNER", 9) == 0 &&
	    was_lost(r, c->argv[1], deadline)) {
		forget(r, c->argv[1], UINT64_MAX);
		e = ipk__redis_reply_error(c->reply, "OWNERDEAD the lease ended while it was held");
	} else if (e == 0) {
		e = ipk__response_put(c->reply, reply.whole);
	}
	if (e == 1) {
		if (got[1] > 0)
			forget(r, c->argv[1], (uint64_t)got[1]);
		e = ipk__response_put(c->reply, IPK__SLICE_OF("+OK\r\n"));
	}
	ipk__response_fini(&reply);
	return e;
}

/* "1": the caller knows that it had what it gives back, so if it is not there, its lease ended. */
static struct ipk__slice is_ours(const struct ipk__call *c)
{
	return c->epoch != 0 ? IPK__SLICE_OF("1") : IPK__SLICE_OF("0");
}

static int do_release(struct ipk__redis *r, const struct ipk__call *c, ipk_deadline deadline)
{
	struct ipk__slice args[3];
	int64_t n;

	if (c->argc < 3 || (c->argc > 3 && !number_at(c, 3, &n)))
		return bad_words(c);
	args[0] = c->argv[2];
	args[1] = c->argc > 3 ? c->argv[3] : IPK__SLICE_OF("1");
	args[2] = is_ours(c);
	return give_up(r, "IPK.RELEASE", c, args, 3, deadline);
}

static int do_done(struct ipk__redis *r, const struct ipk__call *c, ipk_deadline deadline)
{
	struct ipk__slice args[2];
	int64_t n;

	if (c->argc > 2 && (!number_at(c, 2, &n) || n < 1))
		return bad_words(c);
	args[0] = c->argc > 2 ? c->argv[2] : IPK__SLICE_OF("1");
	args[1] = is_ours(c);
	return give_up(r, "IPK.QDONE", c, args, 2, deadline);
}

/* Events and joining: an id, how long. */
static int wait_simply(struct ipk__redis *r, const struct ipk__call *c, const char *script,
		       ipk_deadline deadline)
{
	struct attempt a;
	int64_t timeout;

	if (!timeout_at(c, 2, &timeout))
		return bad_words(c);
	attempt_init(&a, r, script, c->argv[1], timeout, deadline);
	a.args = (struct ipk__slice[]){ipk__slice_of_string(a.id), {0}};
	a.n_args = 2;
	a.ms_at = 1;
	return answer(&a, attempt(&a), c->reply, 1, 0);
}

static int do_event_wait(struct ipk__redis *r, const struct ipk__call *c, ipk_deadline deadline)
{
	return wait_simply(r, c, "IPK.EWAIT", deadline);
}

static int do_join(struct ipk__redis *r, const struct ipk__call *c, ipk_deadline deadline)
{
	return wait_simply(r, c, "IPK.QJOIN", deadline);
}

static int do_barrier_wait(struct ipk__redis *r, const struct ipk__call *c, ipk_deadline deadline)
{
	struct attempt a;
	int64_t timeout, got[2] = {0};
	size_t at;
	int e;

	if (!timeout_at(c, 3, &timeout))
		return bad_words(c);
	attempt_init(&a, r, "IPK.BWAIT", c->argv[1], timeout, deadline);
	a.args = (struct ipk__slice[]){ipk__slice_of_string(a.id), {0}, IPK__SLICE_OF("first")};
	a.n_args = 3;
	a.ms_at = 1;
	e = attempt(&a);
	if (e == 1)
		two_numbers(&a.reply, got, &at);
	return answer(&a, e, c->reply, got[1], 0);
}

/* Smaller numbers come first as text too. */
static void sortable(int64_t n, char text[16])
{
	uint64_t bits = (uint64_t)n ^ ((uint64_t)1 << 63);

	for (int i = 15; i >= 0; i--, bits >>= 4)
		text[i] = "0123456789abcdef"[bits & 15];
}

static int do_put(struct ipk__redis *r, const struct ipk__call *c, ipk_deadline deadline)
{
	struct attempt a;
	int64_t timeout, priority;
	char text[16];
	int e;

	if (c->argc < 5 || !timeout_at(c, 2, &timeout) || !number_at(c, 3, &priority))
		return bad_words(c);
	attempt_init(&a, r, "IPK.QPUT", c->argv[1], timeout, deadline);
	sortable(priority, text);
	a.n_args = c->argc - 1;
	a.args = ipk__os_malloc(a.n_args * sizeof *a.args);
	if (!a.args)
		return -ENOMEM;
	a.args[0] = ipk__slice_of_string(a.id);
	a.args[2] = IPK__SLICE(text, sizeof text);
	memcpy(a.args + 3, c->argv + 4, (c->argc - 4) * sizeof *a.args);
	a.ms_at = 1;
	a.is_put = true;
	e = attempt(&a);
	free(a.args);
	if (a.n_put > 0) /* not all: shut down, no more room, no answer; but some are in */
		e = 1;
	return answer(&a, e, c->reply, (int64_t)a.n_put, 0);
}

static int take_items(struct ipk__redis *r, const struct ipk__call *c, struct attempt *a)
{
	struct ipk__resp_value items = {0};
	struct ipk__slice rest;
	int64_t got[2] = {0};
	size_t at = 0, from;
	int e = two_numbers(&a->reply, got, &at);

	from = at;
	if (e == 1)
		e = ipk__resp_next(a->reply.whole, &at, &items);
	if (e < 0)
		return e;
	if (got[1] > 0)
		hold(r, c->argv[1], items.n);
	if (c->argc <= 3)
		from = at;
	rest = IPK__SLICE(a->reply.whole.bytes + from, a->reply.whole.n_bytes - from);
	return ipk__response_put(c->reply, rest);
}

/* The sequence of a late get of the same, so that its number comes again, or any. */
static int sequence_for_get(struct ipk__redis *r, struct ipk__slice key, int64_t n,
			    struct ipk__redis_sequence **ret_sequence)
{
	struct ipk__redis_late **at, *late;

	pthread_mutex_lock(&r->mutex);
	at = &r->late;
	while (*at && ((*at)->n != n || !ipk__slice_equal((*at)->key, key)))
		at = &(*at)->next;
	late = *at;
	if (late)
		*at = late->next;
	pthread_mutex_unlock(&r->mutex);
	if (!late)
		return ipk__redis_take_sequence(r, ret_sequence);
	*ret_sequence = late->sequence;
	free(late);
	return 0;
}

static void put_late(struct ipk__redis *r, struct ipk__slice key, int64_t n,
		     struct ipk__redis_sequence *sequence)
{
	struct ipk__redis_late *late = ipk__os_malloc(sizeof *late + key.n_bytes);

	if (!late) {
		ipk__redis_give_sequence(r, sequence);
		return;
	}
	sequence->number--;
	memcpy(late + 1, key.bytes, key.n_bytes);
	late->key = IPK__SLICE((const char *)(late + 1), key.n_bytes);
	late->sequence = sequence;
	late->n = n;
	pthread_mutex_lock(&r->mutex);
	late->next = r->late;
	r->late = late;
	pthread_mutex_unlock(&r->mutex);
	hold(r, key, 1); /* a joinable queue would take the items back meanwhile */
}

static int get_items(struct ipk__redis *r, const struct ipk__call *c, struct attempt *a, int64_t n)
{
	char text[24];
	int e = sequence_for_get(r, c->argv[1], n, &a->sequence);

	if (e < 0)
		return e;
	a->args = (struct ipk__slice[]){
		ipk__slice_of_string(a->id), {0}, IPK__SLICE(text, ipk__int64_to_text(n, text))};
	a->n_args = 3;
	a->ms_at = 1;
	e = attempt(a);
	if (e == -EINPROGRESS)
		put_late(r, c->argv[1], n, a->sequence);
	else
		ipk__redis_give_sequence(r, a->sequence);
	if (e == 1)
		return take_items(r, c, a);
	if (e == 0 && ipk__redis_is_error(&a->reply))
		return ipk__response_put(c->reply, a->reply.whole);
	if (e == 0)
		return ipk__redis_reply_null(c->reply);
	return e == -EINPROGRESS ? -ETIMEDOUT : e;
}

static int do_get(struct ipk__redis *r, const struct ipk__call *c, ipk_deadline deadline)
{
	struct attempt a;
	int64_t timeout, n = 1;
	int e = be_ready_to_hold(r);

	if (e < 0)
		return e;
	if (!timeout_at(c, 2, &timeout) || c->argc == 4 || c->argc > 5 ||
	    (c->argc == 5 && (!ipk__slice_is_word(c->argv[3], "COUNT") || !number_at(c, 4, &n))))
		return bad_words(c);
	if (n < 1)
		return ipk__redis_reply_error(c->reply, "VALUE the count must be one or more");
	attempt_init(&a, r, "IPK.QGET", c->argv[1], timeout, deadline);
	e = get_items(r, c, &a, n);
	ipk__response_fini(&a.reply);
	return e;
}

/* --- conditions: two objects, perhaps on two nodes, so several scripts ------------------------ */

/* The lock's name; an error's text goes to the caller's reply: 0, otherwise 1. */
static int companion(struct ipk__redis *r, const struct ipk__call *c, ipk_deadline deadline,
		     struct ipk__response *keep, struct ipk__slice *ret_key)
{
	struct ipk__resp_value v = {0};
	size_t at = 0;
	int e = ipk__redis_run(r, "COMPANION", c->argv[1], NULL, 0, deadline, keep);

	if (e < 0)
		return e;
	if (ipk__redis_is_error(keep))
		return ipk__response_put(c->reply, keep->whole);
	e = ipk__resp_next(keep->whole, &at, &v);
	*ret_key = v.text;
	return e < 0 ? e : 1;
}

/* *ret_times: how often it was held. An error's text goes to the caller's reply: 0. */
static int let_go(struct ipk__redis *r, const struct ipk__call *c, struct ipk__slice lock,
		  ipk_deadline deadline, int64_t *ret_times)
{
	struct ipk__response reply;
	struct ipk__resp_value v = {0};
	size_t at = 0;
	int e;

	ipk__response_init(&reply);
	e = ipk__redis_run(r, "UNHOLD", lock, &c->argv[2], 1, deadline, &reply);
	if (e == 0 && ipk__redis_is_error(&reply)) {
		e = ipk__response_put(c->reply, reply.whole);
	} else if (e == 0) {
		e = ipk__resp_next(reply.whole, &at, &v);
		*ret_times = v.integer;
		e = e < 0 ? e : 1;
	}
	ipk__response_fini(&reply);
	if (e == 1)
		forget(r, lock, (uint64_t)*ret_times);
	return e;
}

/*
 * Noted as a waiter while the lock is still held, so no notification falls between; then as
 * attempt(), and the lock is taken again whatever came out.
 */
static int wait_notified(struct ipk__redis *r, const struct ipk__call *c, struct ipk__slice lock,
			 struct attempt *a, ipk_deadline deadline)
{
	struct ipk__response again;
	int64_t times = 1;
	int e, taken;

	e = ipk__redis_run(r, a->script, a->key, a->args, a->n_args, a->io, &a->reply);
	if (e == 0 && ipk__redis_is_error(&a->reply))
		return ipk__response_put(c->reply, a->reply.whole);
	if (e == 0)
		e = let_go(r, c, lock, a->io, &times);
	if (e <= 0) {
		a->until = ipk_now();
		attempt(a); /* takes the note back */
		return e;
	}
	(void)deadline;
	e = attempt(a);
	ipk__response_init(&again);
	taken = acquire_until(r, lock, c->argv[2], times, -1, ipk_forever(), &again);
	if (taken == 0 && ipk__redis_is_error(&again))
		taken = ipk__response_put(c->reply, again.whole);
	else if (taken == 0)
		taken = answer(a, e, c->reply, 1, 0);
	ipk__response_fini(&again);
	return taken;
}

static int do_cond_wait(struct ipk__redis *r, const struct ipk__call *c, ipk_deadline deadline)
{
	struct ipk__slice lock = {0};
	struct ipk__response keep;
	struct attempt a;
	int64_t timeout;
	int e;

	if (!timeout_at(c, 3, &timeout))
		return bad_words(c);
	attempt_init(&a, r, "IPK.CWAIT", c->argv[1], timeout, deadline);
	a.args = (struct ipk__slice[]){ipk__slice_of_string(a.id), IPK__SLICE_OF("1000")};
	a.n_args = 2;
	a.ms_at = 1;
	ipk__response_init(&keep);
	e = companion(r, c, a.io, &keep, &lock);
	if (e == 1)
		e = wait_notified(r, c, lock, &a, deadline);
	ipk__response_fini(&keep);
	ipk__response_fini(&a.reply);
	return e;
}

static int do_notify(struct ipk__redis *r, const struct ipk__call *c, ipk_deadline deadline)
{
	struct ipk__slice lock = {0};
	struct ipk__response keep, held;
	int64_t n;
	int e;

	if (!number_at(c, 3, &n))
		return bad_words(c);
	ipk__response_init(&keep);
	ipk__response_init(&held);
	e = companion(r, c, deadline, &keep, &lock);
	if (e == 1) {
		e = ipk__redis_run(r, "IPK.HELD", lock, &c->argv[2], 1, deadline, &held);
		if (e == 0 && ipk__redis_is_error(&held))
			e = ipk__response_put(c->reply, held.whole);
		else if (e == 0 && ipk__slice_equal(held.whole, IPK__SLICE_OF(":0\r\n")))
			e = ipk__redis_reply_error(c->reply,
						   "NOTOWNER the lock is not held by this owner");
		else if (e == 0)
			e = ipk__redis_run(r, "IPK.CNOTIFY", c->argv[1], &c->argv[3], 1, deadline,
					   c->reply);
	}
	ipk__response_fini(&keep);
	ipk__response_fini(&held);
	return e;
}

/* A condition's lock must be there, perhaps on another node; the rest is a script's. */
static int do_new(struct ipk__redis *r, const struct ipk__call *c, ipk_deadline deadline)
{
	struct ipk__response held;
	int e;

	if (c->argc != 4 || !ipk__slice_is_word(c->argv[1], "CONDITION"))
		return 1;
	ipk__response_init(&held);
	e = ipk__redis_run(r, "IPK.FENCE", c->argv[3], NULL, 0, deadline, &held);
	if (e == 0)
		e = ipk__redis_is_error(&held) ? ipk__response_put(c->reply, held.whole) : 1;
	ipk__response_fini(&held);
	return e;
}

static const struct {
	const char *name;
	size_t argc_min;
	int (*fn)(struct ipk__redis *r, const struct ipk__call *c, ipk_deadline deadline);
} waits[] = {
	{"IPK.ACQUIRE", 4, do_acquire},
	{"IPK.RELEASE", 3, do_release},
	{"IPK.QDONE", 2, do_done},
	{"IPK.EWAIT", 3, do_event_wait},
	{"IPK.BWAIT", 4, do_barrier_wait},
	{"IPK.QPUT", 5, do_put},
	{"IPK.QGET", 3, do_get},
	{"IPK.QJOIN", 3, do_join},
	{"IPK.CWAIT", 4, do_cond_wait},
	{"IPK.CNOTIFY", 4, do_notify},
	{"IPK.NEW", 3, do_new},
};

static int find_wait(const struct ipk__call *call)
{
	if (call->argc == 0 || call->argv[0].n_bytes < 5 || call->argv[0].bytes[3] != '.')
		return -1;
	for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++)
		if (ipk__slice_is_word(call->argv[0], waits[i].name))
			return (int)i;
	return -1;
}

bool ipk__redis_is_wait(const struct ipk__call *call)
{
	return find_wait(call) >= 0;
}

int ipk__redis_wait_call(struct ipk__redis *r, const struct ipk__call *call, ipk_deadline deadline)
{
	int i = find_wait(call);

	if (i < 0)
		return 1;
	if (call->argc < waits[i].argc_min)
		return bad_words(call);
	return waits[i].fn(r, call, deadline);
}
