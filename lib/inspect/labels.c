/*
 * labels.c - names of kinds, waits and states, and text that is safe on a terminal.
 *
 * Names and labels come from other programs, which may put terminal control sequences in
 * them: everything but printable ASCII is escaped here.
 */
#include <stdio.h>
#include <string.h>

#include "base/base_internal.h"
#include "inspect/inspect_internal.h"

/* --- kinds ------------------------------------------------------------------------------------ */

/* Also for an unreadable object: its kind is known, its variety is not. */
static const char *const plain_labels[] = {
	[IPK_INSPECT_OTHER] = "?",
	[IPK_INSPECT_PIPE] = "pipe",
	[IPK_INSPECT_QUEUE] = "queue",
	[IPK_INSPECT_ARENA] = "arena",
	[IPK_INSPECT_SHM] = "shm",
	[IPK_INSPECT_LOCK] = "lock",
	[IPK_INSPECT_RWLOCK] = "rwlock",
	[IPK_INSPECT_SEMAPHORE] = "semaphore",
	[IPK_INSPECT_COND] = "cond",
	[IPK_INSPECT_EVENT] = "event",
	[IPK_INSPECT_BARRIER] = "barrier",
	[IPK_INSPECT_ONCE] = "once",
	[IPK_INSPECT_VALUE] = "value",
	[IPK_INSPECT_ARRAY] = "array",
	[IPK_INSPECT_MANAGER] = "manager",
	[IPK_INSPECT_POOL] = "pool",
	[IPK_INSPECT_PROCESSES] = "processes",
};

static const char *queue_word(ipk_queue_kind kind)
{
	static const char *const words[] = {
		[IPK_QUEUE_FIFO] = "queue/fifo",
		[IPK_QUEUE_LIFO] = "queue/lifo",
		[IPK_QUEUE_PRIORITY] = "queue/priority",
		[IPK_QUEUE_MQ] = "queue/mq",
	};

	return words[kind];
}

/* "value/i" and the like. */
static const char *typed_word(ipk_inspect_kind kind, char typecode)
{
#define TYPED(typecode)                              \
	{                                            \
		"value/" typecode, "array/" typecode \
	}
	static const char *const words[][2] = {
		TYPED("c"), TYPED("b"), TYPED("B"), TYPED("h"), TYPED("H"), TYPED("i"), TYPED("I"),
		TYPED("l"), TYPED("L"), TYPED("q"), TYPED("Q"), TYPED("f"), TYPED("d"), TYPED("?"),
	};
	bool is_array = kind == IPK_INSPECT_ARRAY;

	for (size_t i = 0; i < IPK__N_OF(words); i++) {
		if (words[i][0][sizeof "value/" - 1] == typecode)
			return words[i][is_array];
	}
	return is_array ? "array/struct" : "value/struct";
}

const char *ipk_inspect_kind_name(const ipk_inspect_object *object)
{
	ipk_inspect_kind kind = object ? object->kind : IPK_INSPECT_OTHER;

	if ((size_t)kind >= IPK__N_OF(plain_labels))
		return "?";
	if (kind == IPK_INSPECT_OTHER || object->error != 0)
		return plain_labels[kind];
	if (kind == IPK_INSPECT_QUEUE)
		return queue_word(object->queue_kind);
	if (kind == IPK_INSPECT_VALUE || kind == IPK_INSPECT_ARRAY)
		return typed_word(kind, object->typecode);
	if (kind == IPK_INSPECT_SEMAPHORE)
		return object->is_owned ? "semaphore/owned" : "semaphore/signal";
	if (kind == IPK_INSPECT_LOCK && object->is_recursive)
		return "rlock";
	if (kind == IPK_INSPECT_POOL)
		return object->is_threads ? "pool/threads" : "pool/processes";
	return plain_labels[kind];
}

/* --- waits ------------------------------------------------------------------------------------ */

const char *ipk_inspect_what_name(ipk_inspect_what what)
{
	static const char *const words[] = {
		[IPK_INSPECT_NOTHING] = "?",
		[IPK_INSPECT_DATA] = "data",
		[IPK_INSPECT_SPACE] = "space",
		[IPK_INSPECT_DONE] = "done",
		[IPK_INSPECT_PUT_LOCK] = "put lock",
		[IPK_INSPECT_GET_LOCK] = "get lock",
		[IPK_INSPECT_PLAIN_LOCK] = "lock",
		[IPK_INSPECT_READ_LOCK] = "read lock",
		[IPK_INSPECT_WRITE_LOCK] = "write lock",
		[IPK_INSPECT_TOKEN] = "token",
		[IPK_INSPECT_NOTICE] = "notice",
		[IPK_INSPECT_SET] = "set",
		[IPK_INSPECT_PARTIES] = "parties",
		[IPK_INSPECT_RUN] = "run",
		[IPK_INSPECT_WORK] = "work",
		[IPK_INSPECT_RESULT] = "result",
	};

	return (size_t)what < IPK__N_OF(words) ? words[what] : "?";
}

/* --- workers and children --------------------------------------------------------------------- */

const char *ipk_inspect_worker_state_name(ipk_inspect_worker_state state)
{
	static const char *const words[] = {
		"?",
		[IPK_INSPECT_STARTING] = "starting",
		[IPK_INSPECT_FAILED] = "failed",
		[IPK_INSPECT_IDLE] = "idle",
		[IPK_INSPECT_BUSY] = "busy",
	};

	return (size_t)state < IPK__N_OF(words) ? words[state] : "?";
}

const char *ipk_inspect_start_method_name(ipk_start_method start_method)
{
	static const char *const words[] = {
		"?",
		[IPK_START_FORK] = "fork",
		[IPK_START_ZYGOTE] = "zygote",
		[IPK_START_EXEC] = "exec",
	};

	return (size_t)start_method < IPK__N_OF(words) ? words[start_method] : "?";
}

/* --- text ------------------------------------------------------------------------------------- */

static bool is_plain(unsigned char c, bool keep_blanks)
{
	return (c > ' ' && c < 0x7f && c != '\\') || (keep_blanks && c == ' ');
}

void ipk__printable_bytes(const char *text, size_t n_bytes, bool keep_blanks, char *buf,
			  size_t buf_bytes)
{
	size_t at = 0;

	for (size_t i = 0; i < n_bytes && at + sizeof "\\xNN" <= buf_bytes; i++) {
		unsigned char c = (unsigned char)text[i];

		if (is_plain(c, keep_blanks))
			buf[at++] = (char)c;
		else
			at += (size_t)snprintf(buf + at, buf_bytes - at, "\\x%02x", c);
	}
	buf[at] = '\0';
}

void ipk__printable(const char *text, bool keep_blanks, char *buf, size_t buf_bytes)
{
	ipk__printable_bytes(text, strlen(text), keep_blanks, buf, buf_bytes);
}
