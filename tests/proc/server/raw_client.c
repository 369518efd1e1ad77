#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "raw_client.h"
#include "support/support.h"

static int dial_unix(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

static int dial_tcp(const char *host_port)
{
	const char *colon = strrchr(host_port, ':');
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_port = htons((uint16_t)atoi(colon + 1));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

int raw_dial(const char *address)
{
	return strncmp(address, "unix:", 5) == 0 ? dial_unix(address + 5) : dial_tcp(address + 4);
}

int raw_send(int fd, const void *data, size_t n_bytes)
{
	const char *p = data;

	while (n_bytes > 0) {
		ssize_t n = send(fd, p, n_bytes, MSG_NOSIGNAL);

		if (n < 0)
			return -errno;
		p += n;
		n_bytes -= (size_t)n;
	}
	return 0;
}

void raw_say(int fd, const char *text)
{
	ck_assert_int_eq(raw_send(fd, text, strlen(text)), 0);
}

static ssize_t receive(int fd, char *buf, size_t n_bytes)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
	return recv(fd, buf, n_bytes, 0);
}

size_t raw_hear(int fd, char *buf, size_t n_bytes)
{
	size_t n = 0;

	while (n < n_bytes) {
		ssize_t got = receive(fd, buf + n, n_bytes - n);

		if (got <= 0)
			break;
		n += (size_t)got;
	}
	return n;
}

void raw_expect(int fd, const char *text)
{
	size_t n = strlen(text);
	char *buf = calloc(1, n + 1);

	raw_hear(fd, buf, n);
	ck_assert_str_eq(buf, text);
	free(buf);
}

void raw_expect_end(int fd)
{
	char buf[4096];

	while (receive(fd, buf, sizeof buf) > 0)
		;
}

void raw_ask(int fd, const char *request, const char *reply)
{
	raw_say(fd, request);
	raw_expect(fd, reply);
}

long long raw_info(int fd, const char *section, const char *name)
{
	char request[64];
	char text[8192];
	char head[32] = "";
	char *at;
	size_t n = 0;

	snprintf(request, sizeof request, "INFO %s\r\n", section);
	raw_say(fd, request);
	while (n < sizeof head - 1 && (n == 0 || head[n - 1] != '\n'))
		n += raw_hear(fd, head + n, 1);
	n = (size_t)atoi(head + 1) + 2;
	ck_assert_uint_lt(n, sizeof text);
	ck_assert_uint_eq(raw_hear(fd, text, n), n);
	text[n] = '\0';
	at = strstr(text, name);
	ck_assert_msg(at != NULL, "INFO has no %s", name);
	return atoll(at + strlen(name) + 1);
}
