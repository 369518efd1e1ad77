/* version.c - the version of the library. */
#include "ipk/base.h"

#define TEXT_(n) #n
#define TEXT(n) TEXT_(n)

const char *ipk_version(void)
{
	return TEXT(IPK_VERSION_MAJOR) "." TEXT(IPK_VERSION_MINOR) "." TEXT(IPK_VERSION_PATCH);
}
