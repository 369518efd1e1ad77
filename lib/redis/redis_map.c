/*
 * redis_map.c - maps each command to Redis: unchanged, as a script, split, or refused.
 *
 * Invariant: after a broken connection a request is sent again only if that is harmless. That holds
 * for reads, and for writes that leave the same state when done twice (SET, HSET; their reply may
 * then say that nothing was new). All other writes go through a script that remembers its last
 * replies (redis_scripts.c). An unknown command is sent unchanged, once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "redis/redis.h"
#include "os/os.h"

enum how {
	READS,    /* changes nothing */
	AGAIN,    /* may be done twice */
	NUMBERED, /* through the script ONCE */
	AS_IS,    /* once, and not again */
	SUM,      /* key by key, the replies added */
	DELETES,
	GETS,  /* MGET */
	SETS,  /* MSET */
	EVERY, /* on each master; the last reply */
	EVERY_SUM,
	EVERY_KEY, /* KEYS */
	SCANS,
	REFUSED, /* it would change the connection for its next user */
};

static const struct command {
	const char *names; /* each with a space after it */
	enum how how;
	unsigned char key_at; /* 0: none */
} commands[] = {
	{"GET HGET HMGET HGETALL HKEYS HVALS HLEN HEXISTS HSTRLEN HRANDFIELD HSCAN LINDEX LLEN "
	 "LRANGE LPOS STRLEN GETRANGE SUBSTR TTL PTTL EXPIRETIME PEXPIRETIME DUMP ",
	 READS, 1},
	{"SET PSETEX SETEX HSET HMSET LSET SETRANGE EXPIRE PEXPIRE EXPIREAT PEXPIREAT PERSIST ",
	 AGAIN, 1},
	{"SETNX GETSET GETDEL GETEX INCR INCRBY DECR DECRBY INCRBYFLOAT APPEND LPUSH RPUSH LPUSHX "
	 "RPUSHX LPOP RPOP LINSERT LREM LTRIM LMOVE RPOPLPUSH HINCRBY HINCRBYFLOAT HSETNX HDEL "
	 "RENAME RENAMENX COPY ",
	 NUMBERED, 1},
	{"EXISTS TOUCH ", SUM, 1},
	{"DEL UNLINK ", DELETES, 1},
	{"MGET ", GETS, 1},
	{"MSET ", SETS, 1},
	{"OBJECT MEMORY DEBUG ", AS_IS, 2},
	{"LMPOP EVAL EVALSHA EVAL_RO EVALSHA_RO FCALL FCALL_RO ", AS_IS, 3},
	{"BLMPOP ", AS_IS, 3},
	{"FLUSHALL FLUSHDB ", EVERY, 0},
	{"DBSIZE ", EVERY_SUM, 0},
	{"KEYS ", EVERY_KEY, 0},
	{"SCAN ", SCANS, 0},
	{"MULTI EXEC DISCARD WATCH UNWATCH SUBSCRIBE UNSUBSCRIBE PSUBSCRIBE PUNSUBSCRIBE "
	 "SSUBSCRIBE "
	 "SUNSUBSCRIBE MONITOR SELECT AUTH HELLO RESET QUIT READONLY READWRITE ASKING SYNC PSYNC ",
	 REFUSED, 0},
	{"PING ECHO TIME INFO LASTSAVE RANDOMKEY COMMAND ", READS, 0},
	{"CONFIG CLIENT CLUSTER SCRIPT FUNCTION SHUTDOWN WAIT LATENCY SLOWLOG ACL PUBLISH ", AS_IS,
	 0},
};

static const struct command unknown = {"", AS_IS, 1};

static bool has_word(const char *names, struct ipk__slice word)
{
	for (const char *end; (end = strchr(names, ' ')); names = end + 1) {
		bool same = (size_t)(end - names) == word.n_bytes;

		for (size_t i = 0; same && i < word.n_bytes; i++) {
			char c = word.bytes[i];

			same = names[i] == (c >= 'a' && c <= 'z' ? c - 32 : c);
		}
		if (same)
			return true;
	}
	return false;
}

static struct command look_up(const struct ipk__call *call)
{
	struct command found = unknown;

	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (has_word(commands[i].names, call->argv[0]))
			found = commands[i];
	if (found.how == AS_IS && (call->flags & IPK__CALL_READ))
		found.how = READS;
	if (ipk__slice_is_word(call->argv[0], "SET"))
		for (size_t i = 3; i < call->argc; i++)
			if (has_word("NX XX GET ", call->argv[i]))
				found.how = NUMBERED;
	if (ipk__slice_is_word(call->argv[0], "CLIENT") && call->argc > 1 &&
	    has_word("REPLY TRACKING PAUSE ", call->argv[1]))
		found.how = REFUSED;
	if (ipk__slice_is_word(call->argv[0], "LMPOP"))
		found.key_at = 2;
	return found;
}

/* --- replies that are built here -------------------------------------------------------------- */

static int take_bytes(struct ipk__response *reply, struct ipk__buffer *b)
{
	int r = b->failed ? -ENOMEM
			  : ipk__response_put(reply,
					      IPK__SLICE(ipk__buffer_front(b), ipk__buffer_len(b)));

	ipk__buffer_free(b);
	return r;
}

int ipk__redis_reply_integer(struct ipk__response *reply, int64_t n)
{
	struct ipk__buffer b = {0};

	ipk__resp_integer(&b, n);
	return take_bytes(reply, &b);
}

int ipk__redis_reply_error(struct ipk__response *reply, const char *text)
{
	struct ipk__buffer b = {0};

	ipk__resp_error(&b, ipk__slice_of_string(text));
	return take_bytes(reply, &b);
}

int ipk__redis_reply_null(struct ipk__response *reply)
{
	return ipk__response_put(reply, IPK__SLICE_OF("$-1\r\n"));
}

bool ipk__redis_is_error(const struct ipk__response *reply)
{
	return reply->whole.n_bytes > 0 && reply->whole.bytes[0] == '-';
}

/* --- names of helper keys --------------------------------------------------------------------- */

/* "{tag}key" with a tag that has the key's slot, for keys that cannot be put into braces. */
static size_t find_tag(struct ipk__slice key, char tag[24])
{
	int slot = ipk__redis_slot(key);

	for (int64_t i = 0;; i++) {
		size_t n = ipk__int64_to_text(i, tag);

		if (ipk__redis_slot(IPK__SLICE(tag, n)) == slot)
			return n;
	}
}

static int helper_prefix(struct ipk__slice key, const char *what, struct ipk__buffer *b)
{
	char tag[24];

	if (ipk__redis_tag(key).n_bytes < key.n_bytes) {
		ipk__buffer_append(b, key.bytes, key.n_bytes);
	} else if (key.n_bytes > 0 && !memchr(key.bytes, '}', key.n_bytes)) {
		ipk__buffer_append(b, "{", 1);
		ipk__buffer_append(b, key.bytes, key.n_bytes);
		ipk__buffer_append(b, "}", 1);
	} else {
		ipk__buffer_append(b, "{", 1);
		ipk__buffer_append(b, tag, find_tag(key, tag));
		ipk__buffer_append(b, "}", 1);
		ipk__buffer_append(b, key.bytes, key.n_bytes);
	}
	ipk__buffer_append(b, what, strlen(what));
	return b->failed ? -ENOMEM : 0;
}

int ipk__redis_helper_key(struct ipk__slice key, const char *what, struct ipk__slice *ret_key)
{
	struct ipk__buffer b = {0};

	if (helper_prefix(key, what, &b) < 0) {
		ipk__buffer_free(&b);
		return -ENOMEM;
	}
	*ret_key = IPK__SLICE(b.room, b.to); /* nothing was taken: it begins at the room */
	return 0;
}

static bool is_helper(struct ipk__slice key)
{
	return key.n_bytes > 6 && memmem(key.bytes, key.n_bytes, ":ipk.", 5) != NULL;
}

/* --- sequences -------------------------------------------------------------------------------- */

int ipk__redis_take_sequence(struct ipk__redis *r, struct ipk__redis_sequence **ret_sequence)
{
	struct ipk__redis_sequence *sequence;
	uint64_t id;

	pthread_mutex_lock(&r->mutex);
	sequence = r->sequences;
	if (sequence)
		r->sequences = sequence->next;
	id = ++r->next_id;
	pthread_mutex_unlock(&r->mutex);
	if (!sequence) {
		sequence = ipk__os_calloc(1, sizeof *sequence);
		if (!sequence)
			return -ENOMEM;
		memcpy(sequence->name, r->me, 16);
		sequence->name[16] = '.';
		for (int i = 0; i < 6; i++, id /= 26)
			sequence->name[17 + i] = (char)('a' + id % 26);
	}
	*ret_sequence = sequence;
	return 0;
}

void ipk__redis_give_sequence(struct ipk__redis *r, struct ipk__redis_sequence *sequence)
{
	pthread_mutex_lock(&r->mutex);
	sequence->next = r->sequences;
	r->sequences = sequence;
	pthread_mutex_unlock(&r->mutex);
}

/* --- a script's words ------------------------------------------------------------------------- */

static int load(struct ipk__redis *r, int script, ipk_deadline deadline)
{
	struct ipk__slice argv[3] = {IPK__SLICE_OF("SCRIPT"), IPK__SLICE_OF("LOAD"),
				     ipk__slice_of_string(ipk__redis_script_text(script))};
	struct ipk__response reply;
	struct ipk__resp_value v;
	struct ipk__redis_ask ask = {.argv = argv,
				     .argc = 3,
				     .slot = -1,
				     .on_node = -1,
				     .may_repeat = true,
				     .reads = true,
				     .reply = &reply};
	size_t at = 0;
	int e;

	ipk__response_init(&reply);
	e = ipk__redis_ask(r, &ask, 1, deadline);
	if (e == 0)
		e = ipk__resp_next(reply.whole, &at, &v);
	if (e == 0 && (v.type != IPK__RESP_BULK || v.text.n_bytes != 40))
		e = ipk__manager_fail(-EPROTONOSUPPORT, "%.*s", (int)v.text.n_bytes, v.text.bytes);
	if (e == 0) {
		pthread_mutex_lock(&r->mutex);
		memcpy(r->hashes[script], v.text.bytes, 40);
		pthread_mutex_unlock(&r->mutex);
	}
	ipk__response_fini(&reply);
	return e;
}

static int hash_of(struct ipk__redis *r, int script, char hash[41], ipk_deadline deadline)
{
	for (;;) {
		int e;

		pthread_mutex_lock(&r->mutex);
		memcpy(hash, r->hashes[script], 41);
		pthread_mutex_unlock(&r->mutex);
		if (hash[0])
			return 0;
		e = load(r, script, deadline);
		if (e < 0)
			return e;
	}
}

int ipk__redis_argv(struct ipk__redis *r, int script, struct ipk__slice key,
		    const struct ipk__slice *args, size_t n_args,
		    const struct ipk__redis_sequence *sequence, uint64_t number,
		    ipk_deadline deadline, struct ipk__redis_argv *w)
{
	size_t n_small = sizeof w->small / sizeof w->small[0];
	struct ipk__slice once = {0}, never = {0};
	struct ipk__slice *argv;
	int e;

	memset(w, 0, sizeof *w);
	e = hash_of(r, script, w->hash, deadline);
	if (e == 0)
		e = ipk__redis_helper_key(key, ":ipk.once", &once);
	w->helpers = (char *)once.bytes;
	if (e == 0)
		e = ipk__redis_helper_key(key, ":ipk.never", &never);
	w->never = (char *)never.bytes;
	if (e < 0)
		goto failed;
	w->argc = 11 + n_args;
	argv = w->argc <= n_small ? w->small : ipk__os_malloc(w->argc * sizeof *argv);
	if (!argv) {
		e = -ENOMEM;
		goto failed;
	}
	w->argv = argv;
	w->text = ipk__redis_script_text(script);
	w->slot = r->address.is_cluster ? ipk__redis_slot(key) : -1;
	argv[0] = IPK__SLICE_OF("EVALSHA");
	argv[1] = IPK__SLICE(w->hash, 40);
	argv[2] = IPK__SLICE_OF("3");
	argv[3] = key;
	argv[4] = once;
	argv[5] = never;
	argv[6] = ipk__slice_of_string(sequence->name);
	argv[7] = IPK__SLICE(w->number, ipk__int64_to_text((int64_t)number, w->number));
	argv[8] = IPK__SLICE(once.bytes, once.n_bytes - strlen(":ipk.once"));
	argv[9] = ipk__slice_of_string(r->me);
	argv[10] = IPK__SLICE(w->lease, ipk__int64_to_text(r->address.lease_ms, w->lease));
	if (n_args > 0)
		memcpy(argv + 11, args, n_args * sizeof *args);
	return 0;

failed:
	free(w->helpers);
	free(w->never);
	return e;
}

void ipk__redis_argv_fini(struct ipk__redis_argv *w)
{
	if (w->argv != w->small)
		free(w->argv);
	free(w->helpers);
	free(w->never);
}

/* --- one request or several, translated ------------------------------------------------------- */

static int as_script(struct ipk__redis *r, struct ipk__redis_translated *t, int script,
		     struct ipk__slice key, const struct ipk__slice *args, size_t n_args,
		     struct ipk__redis_sequence *sequence, ipk_deadline deadline)
{
	int e = ipk__redis_argv(r, script, key, args, n_args, sequence, ++sequence->number,
				deadline, &t->words);

	if (e < 0)
		return e;
	t->ask.argv = t->words.argv;
	t->ask.argc = t->words.argc;
	t->ask.script = t->words.text;
	t->ask.slot = t->words.slot;
	t->ask.may_repeat = true;
	return 0;
}

/* "IPK.NEW kind key ...": the key first. */
static int new_script(struct ipk__redis *r, struct ipk__redis_translated *t, int script,
		      const struct ipk__call *call, struct ipk__redis_sequence *sequence,
		      ipk_deadline deadline)
{
	struct ipk__slice args[4];
	size_t n = 0;

	IPK__REQUIRE(call->argc >= 3 && call->argc <= 6, "words: of IPK.NEW 3 to 6");
	args[n++] = call->argv[1];
	for (size_t i = 3; i < call->argc; i++)
		args[n++] = call->argv[i];
	return as_script(r, t, script, call->argv[2], args, n, sequence, deadline);
}

/* What has another name here: the same words with another first one. */
static int renamed(struct ipk__redis_translated *t, const struct ipk__call *call,
		   struct ipk__slice name)
{
	struct ipk__slice *argv = t->renamed;

	if (call->argc > sizeof t->renamed / sizeof t->renamed[0]) {
		argv = t->args = ipk__os_malloc(call->argc * sizeof *argv);
		if (!argv)
			return -ENOMEM;
	}
	memcpy(argv, call->argv, call->argc * sizeof *argv);
	argv[0] = name;
	t->ask.argv = argv;
	return 0;
}

static int as_command(struct ipk__redis *r, struct ipk__redis_translated *t,
		      const struct ipk__call *call, ipk_deadline deadline,
		      struct ipk__redis_sequence *sequence)
{
	struct command c = look_up(call);
	bool is_type = ipk__slice_is_word(call->argv[0], "TYPE");
	size_t key_at = c.key_at < call->argc ? c.key_at : 0;

	if (is_type && call->argc == 2)
		return as_script(r, t, ipk__redis_script("TYPE", 4), call->argv[1], NULL, 0,
				 sequence, deadline);
	if (c.how == NUMBERED && key_at > 0)
		return as_script(r, t, ipk__redis_script("ONCE", 4), call->argv[1], call->argv,
				 call->argc, sequence, deadline);
	if (c.how == DELETES && call->argc == 2)
		return as_script(r, t, ipk__redis_script("DEL", 3), call->argv[1], NULL, 0,
				 sequence, deadline);
	t->ask.argv = call->argv;
	t->ask.argc = call->argc;
	t->ask.may_repeat = c.how != AS_IS;
	t->ask.reads = c.how == READS;
	t->ask.slot =
		key_at > 0 && r->address.is_cluster ? ipk__redis_slot(call->argv[key_at]) : -1;
	if (ipk__slice_is_word(call->argv[0], "IPK.HSCAN"))
		return renamed(t, call, IPK__SLICE_OF("HSCAN"));
	if (ipk__slice_is_word(call->argv[0], "IPK.HUPDATE")) {
		t->ask.may_repeat = true;
		return renamed(t, call, IPK__SLICE_OF("HSET"));
	}
	return 0;
}

int ipk__redis_translate(struct ipk__redis *r, const struct ipk__call *call,
			 struct ipk__redis_sequence *sequence, ipk_deadline deadline,
			 struct ipk__redis_translated *t)
{
	int script = -1;

	memset(t, 0, offsetof(struct ipk__redis_translated, renamed));
	t->ask.on_node = -1;
	t->ask.reply = call->reply;
	t->words.argv = t->words.small;
	if (call->argc > 0 && call->argv[0].n_bytes > 4 && call->argv[0].bytes[3] == '.')
		script = ipk__redis_script(call->argv[0].bytes, call->argv[0].n_bytes);
	t->ask.reads = call->flags & IPK__CALL_READ;
	if (script < 0)
		return call->argc > 0 ? as_command(r, t, call, deadline, sequence)
				      : ipk__invalid("n_words: 1 or more");
	if (ipk__slice_is_word(call->argv[0], "IPK.NEW"))
		return new_script(r, t, script, call, sequence, deadline);
	IPK__REQUIRE(call->argc >= 2, "words: this command needs a key");
	return as_script(r, t, script, call->argv[1], call->argv + 2, call->argc - 2, sequence,
			 deadline);
}

void ipk__redis_translated_fini(struct ipk__redis_translated *t)
{
	ipk__redis_argv_fini(&t->words);
	free(t->args);
}

/* --- what takes several requests -------------------------------------------------------------- */

/* The same command for each key (and value), @step words apart, as calls of their own. */
static int each_key(struct ipk__redis *r, const struct ipk__call *call, const char *word,
		    size_t step, ipk_deadline deadline, struct ipk__response **ret_replies,
		    size_t *ret_n)
{
	size_t n = (call->argc - 1) / step;
	struct ipk__slice *words = ipk__os_malloc(n * (step + 1) * sizeof *words);
	struct ipk__call *calls = ipk__os_calloc(n, sizeof *calls);
	struct ipk__response *replies = ipk__os_calloc(n, sizeof *replies);
	int e = words && calls && replies ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && e == 0; i++) {
		struct ipk__slice *w = words + i * (step + 1);

		w[0] = ipk__slice_of_string(word);
		memcpy(w + 1, call->argv + 1 + i * step, step * sizeof *w);
		ipk__response_init(&replies[i]);
		calls[i] = (struct ipk__call){.argv = w, .argc = step + 1, .reply = &replies[i]};
	}
	if (e == 0)
		e = ipk__redis_call_many(r, calls, n, deadline);
	free(words);
	free(calls);
	if (e < 0) {
		for (size_t i = 0; i < n && replies; i++)
			ipk__response_fini(&replies[i]);
		free(replies);
		return e;
	}
	*ret_replies = replies;
	*ret_n = n;
	return 0;
}

static int add_up(const struct ipk__response *replies, size_t n, struct ipk__response *reply)
{
	int64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		struct ipk__resp_value v;
		size_t at = 0;

		if (ipk__redis_is_error(&replies[i]))
			return ipk__response_put(reply, replies[i].whole);
		if (ipk__resp_next(replies[i].whole, &at, &v) < 0)
			return -EPROTO;
		sum += v.integer;
	}
	return ipk__redis_reply_integer(reply, sum);
}

static int line_up(const struct ipk__response *replies, size_t n, struct ipk__response *reply)
{
	struct ipk__buffer b = {0};

	ipk__resp_head(&b, IPK__RESP_ARRAY, n);
	for (size_t i = 0; i < n; i++)
		if (ipk__redis_is_error(&replies[i])) /* another kind: MGET replies null */
			ipk__resp_null(&b, 2);
		else
			ipk__buffer_append(&b, replies[i].whole.bytes, replies[i].whole.n_bytes);
	return take_bytes(reply, &b);
}

static int in_pieces(struct ipk__redis *r, const struct ipk__call *call, enum how how,
		     ipk_deadline deadline)
{
	const char *word = how == DELETES ? "DEL" : how == GETS ? "GET" : "SET";
	struct ipk__response *replies;
	char own[16] = "";
	size_t n;
	int e;

	if (how == SUM) {
		memcpy(own, call->argv[0].bytes, call->argv[0].n_bytes);
		word = own;
	}
	e = each_key(r, call, word, how == SETS ? 2 : 1, deadline, &replies, &n);
	if (e < 0)
		return e;
	e = how == GETS   ? line_up(replies, n, call->reply)
	    : how == SETS ? ipk__response_put(call->reply, IPK__SLICE_OF("+OK\r\n"))
			  : add_up(replies, n, call->reply);
	for (size_t i = 0; i < n; i++)
		ipk__response_fini(&replies[i]);
	free(replies);
	return e;
}

/* --- on every master -------------------------------------------------------------------------- */

static size_t masters(struct ipk__redis *r, uint16_t *ret_nodes)
{
	bool seen[IPK__REDIS_NODES_MAX] = {false};
	size_t n = 0;

	pthread_mutex_lock(&r->mutex);
	for (int i = 0; r->slots && i < IPK__REDIS_SLOTS; i++)
		if (r->slots[i])
			seen[r->slots[i] - 1] = true;
	if (!r->slots)
		seen[0] = true;
	for (size_t i = 0; i < IPK__REDIS_NODES_MAX; i++)
		if (seen[i])
			ret_nodes[n++] = (uint16_t)i;
	pthread_mutex_unlock(&r->mutex);
	return n;
}

static int on_node(struct ipk__redis *r, const struct ipk__slice *argv, size_t argc, size_t node,
		   ipk_deadline deadline, struct ipk__response *reply)
{
	struct ipk__redis_ask ask = {.argv = argv,
				     .argc = argc,
				     .slot = -1,
				     .on_node = (int)node,
				     .may_repeat = true,
				     .reads = !has_word("FLUSHALL FLUSHDB ", argv[0]),
				     .reply = reply};

	return ipk__redis_ask(r, &ask, 1, deadline);
}

/* The keys of an array reply, without ours. */
static int add_keys(struct ipk__slice whole, size_t *at, struct ipk__buffer *b, uint64_t *n)
{
	struct ipk__resp_value array, key;
	int e = ipk__resp_next(whole, at, &array);

	if (e == 0 && array.type != IPK__RESP_ARRAY)
		return -EPROTO;
	for (uint64_t i = 0; e == 0 && i < array.n; i++) {
		e = ipk__resp_next(whole, at, &key);
		if (e == 0 && !is_helper(key.text)) {
			ipk__resp_bulk(b, key.text);
			++*n;
		}
	}
	return e;
}

static int everywhere(struct ipk__redis *r, const struct ipk__call *call, enum how how,
		      ipk_deadline deadline)
{
	uint16_t nodes[IPK__REDIS_NODES_MAX];
	size_t n_nodes = masters(r, nodes);
	struct ipk__buffer keys = {0}, b = {0};
	struct ipk__resp_value v;
	uint64_t n = 0;
	int64_t sum = 0;
	int e = 0;

	for (size_t i = 0; i < n_nodes && e == 0; i++) {
		size_t at = 0;

		e = on_node(r, call->argv, call->argc, nodes[i], deadline, call->reply);
		if (e < 0 || ipk__redis_is_error(call->reply))
			break;
		if (how == EVERY_KEY)
			e = add_keys(call->reply->whole, &at, &keys, &n);
		else
			e = ipk__resp_next(call->reply->whole, &at, &v);
		sum += e == 0 && how == EVERY_SUM ? v.integer : 0;
	}
	if (e == 0 && how == EVERY_SUM && !ipk__redis_is_error(call->reply))
		e = ipk__redis_reply_integer(call->reply, sum);
	if (e == 0 && how == EVERY_KEY && !ipk__redis_is_error(call->reply)) {
		ipk__resp_head(&b, IPK__RESP_ARRAY, n);
		if (n > 0)
			ipk__buffer_append(&b, ipk__buffer_front(&keys), ipk__buffer_len(&keys));
		b.failed |= keys.failed;
		e = take_bytes(call->reply, &b);
	}
	ipk__buffer_free(&keys);
	return e;
}

/*
 * SCAN: one master after the other. The cursor is the master's own, times as many as there may
 * be nodes, plus its place; 0 is both the beginning and the end.
 */
static int scan(struct ipk__redis *r, const struct ipk__call *call, ipk_deadline deadline)
{
	uint16_t nodes[IPK__REDIS_NODES_MAX];
	size_t n_nodes = masters(r, nodes), which, at = 0;
	struct ipk__slice argv[16];
	struct ipk__buffer keys = {0}, b = {0};
	struct ipk__resp_value v = {0};
	char text[24];
	int64_t cursor;
	uint64_t n = 0;
	int e;

	if (call->argc < 2 || call->argc > 16 || !ipk__text_to_int64(call->argv[1], &cursor) ||
	    (which = (size_t)cursor % IPK__REDIS_NODES_MAX) >= n_nodes)
		return ipk__redis_reply_error(call->reply, "ERR invalid cursor");
	memcpy(argv, call->argv, call->argc * sizeof *argv);
	argv[1] = IPK__SLICE(text, ipk__int64_to_text(cursor / IPK__REDIS_NODES_MAX, text));
	e = on_node(r, argv, call->argc, nodes[which], deadline, call->reply);
	if (e < 0 || ipk__redis_is_error(call->reply))
		return e;
	e = ipk__resp_next(call->reply->whole, &at, &v);
	if (e == 0)
		e = ipk__resp_next(call->reply->whole, &at, &v);
	if (e == 0 && !ipk__text_to_int64(v.text, &cursor))
		e = -EPROTO;
	if (e == 0)
		e = add_keys(call->reply->whole, &at, &keys, &n);
	if (cursor == 0)
		cursor = which + 1 < n_nodes ? (int64_t)which + 1 : 0;
	else
		cursor = cursor * IPK__REDIS_NODES_MAX + (int64_t)which;
	ipk__resp_head(&b, IPK__RESP_ARRAY, 2);
	ipk__resp_bulk(&b, IPK__SLICE(text, ipk__int64_to_text(cursor, text)));
	ipk__resp_head(&b, IPK__RESP_ARRAY, n);
	if (n > 0)
		ipk__buffer_append(&b, ipk__buffer_front(&keys), ipk__buffer_len(&keys));
	b.failed |= keys.failed;
	ipk__buffer_free(&keys);
	if (e == 0)
		return take_bytes(call->reply, &b);
	ipk__buffer_free(&b);
	return e;
}

/* --- calls ------------------------------------------------------------------------------------ */

/* 1: it is one request for one node. */
static int special(struct ipk__redis *r, const struct ipk__call *call, ipk_deadline deadline)
{
	struct command c;
	int e = ipk__redis_wait_call(r, call, deadline);

	if (e <= 0)
		return e;
	c = look_up(call);
	switch (c.how) {
	case EVERY:
	case EVERY_SUM:
	case EVERY_KEY:
		return everywhere(r, call, c.how, deadline);
	case SCANS:
		return scan(r, call, deadline);
	case REFUSED:
		return ipk__redis_reply_error(call->reply,
					      "UNSUPPORTED connections to Redis are shared");
	case SUM:
	case DELETES:
		return call->argc > 2 ? in_pieces(r, call, c.how, deadline) : 1;
	case GETS:
	case SETS:
		if (call->argc < (c.how == SETS ? 4 : 3) || !r->address.is_cluster)
			return 1;
		return in_pieces(r, call, c.how, deadline);
	default:
		return 1;
	}
}

/* Single requests, in one round trip to each node. */
static int plain(struct ipk__redis *r, const struct ipk__call *calls, size_t n,
		 ipk_deadline deadline)
{
	struct ipk__redis_translated *t = ipk__os_malloc(n * sizeof *t);
	struct ipk__redis_ask *asks = ipk__os_malloc(n * sizeof *asks);
	struct ipk__redis_sequence *sequences[IPK__REDIS_BATCH_MAX];
	size_t n_made = 0, n_sequences = 0;
	int e = t && asks ? 0 : -ENOMEM;

	while (e == 0 && n_made < n) {
		e = ipk__redis_take_sequence(r, &sequences[n_sequences]);
		if (e < 0)
			break;
		n_sequences++;
		e = ipk__redis_translate(r, &calls[n_made], sequences[n_made], deadline,
					 &t[n_made]);
		if (e == 0)
			asks[n_made] = t[n_made].ask;
		if (e == 0)
			n_made++;
	}
	if (e == 0)
		e = ipk__redis_ask(r, asks, n, deadline);
	for (size_t i = 0; i < n_made; i++)
		ipk__redis_translated_fini(&t[i]);
	for (size_t i = n_sequences; i > 0; i--)
		ipk__redis_give_sequence(r, sequences[i - 1]);
	free(t);
	free(asks);
	return e;
}

int ipk__redis_call(struct ipk__redis *r, const struct ipk__call *call, ipk_deadline deadline)
{
	struct ipk__redis_sequence *sequence;
	struct ipk__redis_translated t;
	int e = special(r, call, deadline);

	if (e <= 0)
		return e;
	if (call->flags & IPK__CALL_WAITS) /* the server keeps the time itself */
		deadline.at_ns = ipk__later_ns(deadline.at_ns, (int64_t)200 * 1000 * 1000);
	e = ipk__redis_take_sequence(r, &sequence);
	if (e < 0)
		return e;
	e = ipk__redis_translate(r, call, sequence, deadline, &t);
	if (e == 0) {
		e = ipk__redis_ask(r, &t.ask, 1, deadline);
		ipk__redis_translated_fini(&t);
	}
	ipk__redis_give_sequence(r, sequence);
	return e;
}

static bool is_special(const struct ipk__redis *r, const struct ipk__call *call)
{
	enum how how = look_up(call).how;

	if ((call->flags & IPK__CALL_WAITS) || ipk__redis_is_wait(call))
		return true;
	if (how == SUM || how == DELETES)
		return call->argc > 2;
	if (how == GETS || how == SETS)
		return r->address.is_cluster && call->argc > 2;
	return how > SETS;
}

int ipk__redis_call_many(struct ipk__redis *r, const struct ipk__call *calls, size_t n,
			 ipk_deadline deadline)
{
	size_t i = 0;
	int e = 0;

	while (i < n && e == 0) {
		size_t k = 0;

		while (i + k < n && k < IPK__REDIS_BATCH_MAX && !is_special(r, &calls[i + k]))
			k++;
		e = k > 0 ? plain(r, calls + i, k, deadline)
			  : ipk__redis_call(r, &calls[i], deadline);
		i += k > 0 ? k : 1;
	}
	return e;
}

int ipk__redis_run_on(struct ipk__redis *r, const char *script, struct ipk__slice key,
		      const struct ipk__slice *args, size_t n_args,
		      struct ipk__redis_sequence *sequence, ipk_deadline deadline,
		      struct ipk__response *reply)
{
	struct ipk__redis_translated t = {.ask = {.on_node = -1, .reply = reply}};
	int e = as_script(r, &t, ipk__redis_script(script, strlen(script)), key, args, n_args,
			  sequence, deadline);

	if (e < 0)
		return e;
	e = ipk__redis_ask(r, &t.ask, 1, deadline);
	ipk__redis_argv_fini(&t.words);
	return e;
}

int ipk__redis_run(struct ipk__redis *r, const char *script, struct ipk__slice key,
		   const struct ipk__slice *args, size_t n_args, ipk_deadline deadline,
		   struct ipk__response *reply)
{
	struct ipk__redis_sequence *sequence;
	int e = ipk__redis_take_sequence(r, &sequence);

	if (e < 0)
		return e;
	e = ipk__redis_run_on(r, script, key, args, n_args, sequence, deadline, reply);
	ipk__redis_give_sequence(r, sequence);
	return e;
}
