/*
 * format.h - format strings of ipk/pack.h, as packing and unpacking both need them.
 */
#ifndef IPK_WIRE_FORMAT_H
#define IPK_WIRE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * 0 when @format is one well-formed value, otherwise -EINVAL. *ret_n_values is how many
 * of its letters are values, brackets not counted. '*' is well-formed for reading only.
 */
int ipk__format_check(const char *format, bool is_for_reading, size_t *ret_n_values);

/* Values directly inside the bracket that opened right before @inside, of a format that
 * was checked. A map's keys and values count one each. */
size_t ipk__format_count(const char *inside);

/* Whether unpacking with it yields pointers into the message (S and y). */
bool ipk__format_borrows(const char *format);

#endif
