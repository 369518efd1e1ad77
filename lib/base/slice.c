/* slice.c - comparison of command words. */
#include "base/slice.h"

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool ipk__slice_is_word(struct ipk__slice s, const char *word)
{
	size_t i = 0;

	while (i < s.n_bytes && word[i] != '\0' && lower(s.bytes[i]) == lower(word[i]))
		i++;
	return i == s.n_bytes && word[i] == '\0';
}
