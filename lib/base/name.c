/*
 * name.c - which names objects may have: they become file names and appear on terminals,
 * so nothing that a shell, a path or a terminal could take for something else.
 */
#include <errno.h>
#include <string.h>

#include "base/base_internal.h"

static bool is_allowed(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

int ipk__name_check(const char *name)
{
	size_t n;

	if (!name)
		return -EINVAL;
	for (n = 0; name[n] != '\0'; n++) {
		if (n == IPK__NAME_MAX || !is_allowed(name[n]))
			return -EINVAL;
	}
	return n == 0 ? -EINVAL : 0;
}
