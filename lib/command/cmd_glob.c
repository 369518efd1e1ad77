/*
 * cmd_glob.c - patterns as Redis matches them: "*", "?", sets in brackets, a backslash.
 *
 * Each part of a pattern but "*" consumes exactly one byte. So it suffices to backtrack to the last
 * star, never to an earlier one: the time is at most the product of both lengths, for any pattern,
 * while full backtracking would be exponential.
 */
#include <string.h>

#include "command/cmd_common.h"

/*
 * A set, of which *at is just behind its "[": whether @byte is in it, *at behind it. One
 * that does not end goes to the end of the pattern.
 */
static bool match_set(struct ipk__slice pattern, size_t *at, unsigned char byte)
{
	const unsigned char *p = (const unsigned char *)pattern.bytes;
	size_t n = pattern.n_bytes, i = *at;
	bool is_not = i < n && p[i] == '^', found = false;

	i += is_not;
	for (; i < n && p[i] != ']'; i++) {
		if (p[i] == '\\' && i + 1 < n) {
			i++;
			found |= p[i] == byte;
		} else if (i + 2 < n && p[i + 1] == '-') {
			unsigned char low = p[i] < p[i + 2] ? p[i] : p[i + 2];
			unsigned char high = p[i] < p[i + 2] ? p[i + 2] : p[i];

			found |= byte >= low && byte <= high;
			i += 2;
		} else {
			found |= p[i] == byte;
		}
	}
	*at = i < n ? i + 1 : n;
	return found != is_not;
}

/* The part at *at, which is not a star, against @byte; *at behind it. */
static bool match_one(struct ipk__slice pattern, size_t *at, unsigned char byte)
{
	const unsigned char *p = (const unsigned char *)pattern.bytes;
	size_t i = (*at)++;

	if (p[i] == '?')
		return true;
	if (p[i] == '[')
		return match_set(pattern, at, byte);
	if (p[i] == '\\' && i + 1 < pattern.n_bytes)
		i = (*at)++;
	return p[i] == byte;
}

bool ipk__glob_match(struct ipk__slice pattern, struct ipk__slice text)
{
	size_t at = 0, i = 0, star_at = SIZE_MAX, star_i = 0;

	while (i < text.n_bytes) {
		if (at < pattern.n_bytes && pattern.bytes[at] == '*') {
			star_at = ++at;
			star_i = i;
		} else if (at < pattern.n_bytes &&
			   match_one(pattern, &at, (unsigned char)text.bytes[i])) {
			i++;
		} else if (star_at != SIZE_MAX) {
			at = star_at;
			i = ++star_i;
		} else {
			return false;
		}
	}
	/* Redis looks at no star when there is nothing at all. */
	while (text.n_bytes > 0 && at < pattern.n_bytes && pattern.bytes[at] == '*')
		at++;
	return at == pattern.n_bytes;
}

bool ipk__glob_match_word(struct ipk__slice pattern, const char *word)
{
	char lower_pattern[64], lower_word[64];
	size_t n = strlen(word);

	if (pattern.n_bytes > sizeof lower_pattern || n > sizeof lower_word)
		return false;
	for (size_t i = 0; i < pattern.n_bytes; i++)
		lower_pattern[i] = ipk__lower(pattern.bytes[i]);
	for (size_t i = 0; i < n; i++)
		lower_word[i] = ipk__lower(word[i]);
	return ipk__glob_match(IPK__SLICE(lower_pattern, pattern.n_bytes),
			       IPK__SLICE(lower_word, n));
}
