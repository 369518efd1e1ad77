/* slice.h - a pointer to bytes, and their number. */
#ifndef IPK_BASE_SLICE_H
#define IPK_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct ipk__slice {
	const char *bytes; /* any bytes; may be NULL when there are none */
	size_t n_bytes;
};

#define IPK__SLICE(bytes_, n_bytes_) ((struct ipk__slice){(bytes_), (n_bytes_)})
/* Of a string literal. */
#define IPK__SLICE_OF(literal) ((struct ipk__slice){(literal), sizeof(literal) - 1})

/* Of ASCII, in every locale. */
static inline char ipk__lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static inline struct ipk__slice ipk__slice_of_string(const char *string)
{
	return IPK__SLICE(string, string ? strlen(string) : 0);
}

static inline bool ipk__slice_equal(struct ipk__slice a, struct ipk__slice b)
{
	if (a.n_bytes != b.n_bytes)
		return false;
	return a.n_bytes == 0 || (a.bytes && b.bytes && memcmp(a.bytes, b.bytes, a.n_bytes) == 0);
}

/* Compares ASCII case-insensitively: names of commands and their options. */
__attribute__((visibility("default"))) bool ipk__slice_is_word(struct ipk__slice s,
							       const char *word);

#endif
