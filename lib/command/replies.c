/* replies.c - replies and arguments of one word each, with the texts of Redis's errors. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base_internal.h"
#include "ipk/error.h"
#include "command/cmd_common.h"

#define ERROR_BYTES 512

void ipk__reply_ok(struct ipk__request *q)
{
	ipk__buffer_append(q->out, "+OK\r\n", 5);
}

void ipk__reply_simple(struct ipk__request *q, const char *word)
{
	ipk__resp_simple(q->out, word);
}

void ipk__reply_error(struct ipk__request *q, const char *format, ...)
{
	char text[ERROR_BYTES];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	n = n < 0 ? 0 : IPK__MIN(n, (int)sizeof text - 1);
	/* As Redis: line ends that an argument brought along are gone at the end of it. */
	while (n > 0 && (text[n - 1] == '\r' || text[n - 1] == '\n'))
		n--;
	ipk__resp_error(q->out, IPK__SLICE(text, (size_t)n));
}

void ipk__reply_wrong_type(struct ipk__request *q)
{
	ipk__reply_error(q, "WRONGTYPE Operation against a key holding the wrong kind of value");
}

void ipk__reply_syntax(struct ipk__request *q)
{
	ipk__reply_error(q, "ERR syntax error");
}

void ipk__reply_not_integer(struct ipk__request *q)
{
	ipk__reply_error(q, "ERR value is not an integer or out of range");
}

void ipk__reply_wrong_arity(struct ipk__request *q)
{
	char name[64];
	size_t n = strlen(q->command->name);

	n = IPK__MIN(n, sizeof name - 1);
	for (size_t i = 0; i < n; i++) {
		name[i] = ipk__lower(q->command->name[i]);
	}
	ipk__reply_error(q, "ERR wrong number of arguments for '%.*s' command", (int)n, name);
}

void ipk__reply_failed(struct ipk__request *q, int err)
{
	if (err == -ENOSPC || err == -ENOMEM)
		ipk__reply_error(q, "OOM command not allowed when used memory > 'maxmemory'.");
	else
		ipk__reply_error(q, "ERR %s", ipk_strerror(err));
}

/* --- arguments -------------------------------------------------------------------------------- */

bool ipk__arg_integer(struct ipk__request *q, size_t i, int64_t *ret_n)
{
	if (ipk__text_to_int64(q->argv[i], ret_n))
		return true;
	ipk__reply_not_integer(q);
	return false;
}

bool ipk__arg_range(struct ipk__request *q, size_t i, int64_t min, int64_t max,
		    const char *complaint, int64_t *ret_n)
{
	int64_t n;
	bool is_integer = ipk__text_to_int64(q->argv[i], &n);

	if (is_integer && n >= min && n <= max) {
		*ret_n = n;
		return true;
	}
	if (complaint)
		ipk__reply_error(q, "%s", complaint);
	else if (!is_integer)
		ipk__reply_not_integer(q);
	else
		ipk__reply_error(q, "ERR value is out of range, value must between %lld and %lld",
				 (long long)min, (long long)max);
	return false;
}

bool ipk__arg_double(struct ipk__request *q, size_t i, long double *ret_d)
{
	if (ipk__text_to_float(q->argv[i], ret_d))
		return true;
	ipk__reply_error(q, "ERR value is not a valid float");
	return false;
}

bool ipk__arg_timeout_ms(struct ipk__request *q, size_t i, int64_t *ret_ms)
{
	long double s;

	if (!ipk__text_to_float(q->argv[i], &s)) {
		ipk__reply_error(q, "ERR timeout is not a float or out of range");
		return false;
	}
	s *= 1000;
	/* What no 64 bits hold is negative to Redis. */
	if (s >= 0x1p63L)
		s = -1;
	if (s > (long double)(INT64_MAX - q->now_ms)) {
		ipk__reply_error(q, "ERR timeout is out of range");
		return false;
	}
	if (s < 0) {
		ipk__reply_error(q, "ERR timeout is negative");
		return false;
	}
	*ret_ms = s == 0 ? -1 : (int64_t)ceill(s);
	return true;
}
