/* server_monitor.c - MONITOR: each request as one line to those who look on. */
#include <stdio.h>
#include <string.h>

#include "server/server_core.h"

static void append_quoted(struct ipk__buffer *b, struct ipk__slice word)
{
	ipk__buffer_append(b, "\"", 1);
	for (size_t i = 0; i < word.n_bytes; i++) {
		unsigned char c = (unsigned char)word.bytes[i];
		const char *at = c ? strchr("\nn\rr\tt\aa\bb\"\"\\\\", c) : NULL;
		char text[8];
		int n;

		if (at && (c < ' ' || c == '"' || c == '\\'))
			n = snprintf(text, sizeof text, "\\%c", at[1]);
		else
			n = snprintf(text, sizeof text, c < ' ' || c > '~' ? "\\x%02x" : "%c", c);
		ipk__buffer_append(b, text, (size_t)n);
	}
	ipk__buffer_append(b, "\"", 1);
}

void ipk__monitors_tell(struct ipk__server *server, struct ipk__request *q)
{
	struct ipk__buffer line = {0};
	char head[128];
	int n = snprintf(head, sizeof head, "+%lld.%03lld000 [0 %s]", (long long)(q->now_ms / 1000),
			 (long long)(q->now_ms % 1000), q->peer->address);
	bool is_secret = q->command->flags & IPK__CMD_NO_AUTH;

	ipk__buffer_append(&line, head, (size_t)n);
	for (size_t i = 0; i < (is_secret ? 1 : q->argc); i++) {
		ipk__buffer_append(&line, " ", 1);
		append_quoted(&line, q->argv[i]);
	}
	ipk__buffer_append(&line, "\r\n", 2);
	for (struct ipk__conn *conn = server->conns; conn && !line.failed; conn = conn->next) {
		struct ipk__peer *peer = &conn->peer;

		if (!(peer->flags & IPK__PEER_MONITOR) || peer == q->peer)
			continue;
		ipk__buffer_append(&peer->out, ipk__buffer_front(&line), ipk__buffer_len(&line));
		ipk__peer_flush(server, peer);
	}
	ipk__buffer_free(&line);
}
