/*
 * format.h - format strings of ipk/pack.h, as packing and unpacking both need them.
 */
#ifndef IPK_WIRE_FORMAT_H
#define IPK_WIRE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

/* What a character of a format is. */
enum ipk__format_class {
	IPK__FORMAT_WRONG, /* the terminating NUL too */
	IPK__FORMAT_SPACE, /* for the eye */
	IPK__FORMAT_VALUE,
	IPK__FORMAT_OPEN,
	IPK__FORMAT_CLOSE,
};
extern const unsigned char ipk__format_classes[256];

static inline enum ipk__format_class ipk__format_class(char c)
{
	return (enum ipk__format_class)ipk__format_classes[(unsigned char)c];
}

/*
 * How many values are directly inside the bracket at @open; a map's keys and values count
 * one each. -EINVAL when it is not closed by its like, or a map's number is odd.
 */
int ipk__format_count(const char *open, size_t *ret_n_values);

/* 0 when @format is one well-formed value, otherwise -EINVAL. */
int ipk__format_check(const char *format);

/* Whether unpacking with it yields pointers into the message (S and y). */
bool ipk__format_borrows(const char *format);

#endif
