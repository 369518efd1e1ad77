/* raw_client.h - bytes to a manager's socket and back, without any client library. */
#ifndef IPK_TESTS_RAW_CLIENT_H
#define IPK_TESTS_RAW_CLIENT_H

#include <stddef.h>

/* "unix:PATH", or "tcp:127.0.0.1:PORT"; the test fails when nobody listens. */
int raw_dial(const char *address);
/* 0, or -errno when the connection broke before all was taken. */
int raw_send(int fd, const void *data, size_t n_bytes);
void raw_say(int fd, const char *text);
/* Exactly so many bytes, or less before the end of file. */
size_t raw_hear(int fd, char *buf, size_t n_bytes);
/* The next bytes are exactly these. */
void raw_expect(int fd, const char *text);
/* The other side closes, whatever it says before. */
void raw_expect_end(int fd);
void raw_ask(int fd, const char *request, const char *reply);
/* The number in a line "name:N" of INFO, as another connection sees it. */
long long raw_info(int fd, const char *section, const char *name);

#endif
