/*
 * name.c - which names objects may have. They become file names and appear on terminals, so
 * characters special to a shell, a path or a terminal are not allowed.
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

	IPK__REQUIRE(name, "name is NULL");
	for (n = 0; name[n] != '\0'; n++) {
		if (n == IPK__NAME_MAX || !is_allowed(name[n]))
			return ipk__invalid("name: " IPK__NAME_RULE);
	}
	return n == 0 ? ipk__invalid("name: " IPK__NAME_RULE) : 0;
}
