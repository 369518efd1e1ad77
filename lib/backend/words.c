/*
 * words.c - numbers as words of a request.
 */
#include "backend/backend.h"
#include "base/decimal.h"

struct ipk__slice ipk__number_arg(struct ipk__number *room, int64_t n)
{
	return IPK__SLICE(room->text, ipk__int64_to_text(n, room->text));
}

struct ipk__slice ipk__index_arg(struct ipk__number *room, int64_t n)
{
	return n == IPK_OMIT ? IPK__ARG("-") : ipk__number_arg(room, n);
}

struct ipk__slice ipk__decimal_arg(struct ipk__decimal *room, double d)
{
	return IPK__SLICE(room->text, ipk__decimal(room->text, sizeof room->text, "%.17g", d));
}

int64_t ipk__timeout_ms(ipk_deadline deadline)
{
	int64_t left_ns;

	if (deadline.at_ns == INT64_MAX)
		return -1;
	left_ns = deadline.at_ns == 0 ? 0 : ipk_deadline_left_ns(deadline);
	return left_ns / 1000000 + (left_ns % 1000000 > 0);
}
