/*
 * decimal.h - floating-point numbers as text and back, with a point and no grouping in every
 * locale. Nothing else in the library prints or parses them.
 */
#ifndef IPK_BASE_DECIMAL_H
#define IPK_BASE_DECIMAL_H

#include <stddef.h>

#pragma GCC visibility push(default) /* for libipk-manager */

/* snprintf() of one number: @form is, say, "%.3f". Returns the length, truncated to fit. */
__attribute__((format(printf, 3, 4))) size_t ipk__decimal(char *buf, size_t buf_bytes,
							  const char *form, ...);

/* As strtof(), strtod() and strtold(). */
float ipk__read_float(const char *text, char **ret_end);
double ipk__read_double(const char *text, char **ret_end);
long double ipk__read_long_double(const char *text, char **ret_end);

#pragma GCC visibility pop

/* What strtod() skips. */
#define IPK__BLANKS " \t\n\v\f\r"

#endif
