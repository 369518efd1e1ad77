/*
 * words.c - words for kinds and waits, and text that is safe on a terminal.
 *
 * Names and labels come from other programs, which may put control characters in them to
 * draw on the terminal of whoever looks: only printable ASCII leaves this room.
 */
#include <stdio.h>

#include "inspect/inspect_internal.h"

const char *ipk_inspect_kind_name(const ipk_inspect_object *object)
{
	static const char *const queues[] = {
		[IPK_QUEUE_FIFO] = "queue/fifo",
		[IPK_QUEUE_LIFO] = "queue/lifo",
		[IPK_QUEUE_PRIORITY] = "queue/priority",
		[IPK_QUEUE_MQ] = "queue/mq",
	};

	if (!object || object->kind == IPK_INSPECT_OTHER)
		return "?";
	if (object->kind == IPK_INSPECT_PIPE)
		return "pipe";
	return object->error != 0 ? "queue" : queues[object->queue_kind];
}

const char *ipk_inspect_what_name(ipk_inspect_what what)
{
	switch (what) {
	case IPK_INSPECT_DATA:
		return "data";
	case IPK_INSPECT_SPACE:
		return "space";
	case IPK_INSPECT_DONE:
		return "done";
	case IPK_INSPECT_PUT_LOCK:
		return "put lock";
	case IPK_INSPECT_GET_LOCK:
		return "get lock";
	default:
		return "?";
	}
}

static bool is_plain(unsigned char c, bool keep_blanks)
{
	return (c > ' ' && c < 0x7f && c != '\\') || (keep_blanks && c == ' ');
}

void ipk__printable(const char *text, bool keep_blanks, char *buf, size_t buf_bytes)
{
	size_t at = 0;

	for (; *text && at + sizeof "\\xNN" <= buf_bytes; text++) {
		unsigned char c = (unsigned char)*text;

		if (is_plain(c, keep_blanks))
			buf[at++] = (char)c;
		else
			at += (size_t)snprintf(buf + at, buf_bytes - at, "\\x%02x", c);
	}
	buf[at] = '\0';
}
