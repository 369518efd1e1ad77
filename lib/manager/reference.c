/*
 * reference.c - values that name other objects, and typed values as they are read.
 *
 * A reference is a typed message of one MessagePack extension of type 1: 0xC1, then 0xC7 or 0xC8
 * with the length in one or two bytes, 1, the kind, the name. The other encodings that MessagePack
 * allows for the same (fixext) are accepted too.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "manager/manager_internal.h"

#define EXT_TYPE 1
#define EXT8 0xC7u
#define EXT16 0xC8u
#define FIXEXT1 0xD4u /* .. 0xD8: 1, 2, 4, 8, 16 bytes */

int ipk_ref_pack(ipk_ref_kind kind, const char *name, void *buf, size_t buf_bytes,
		 size_t *ret_len_bytes)
{
	size_t name_bytes = name ? strlen(name) : 0;
	size_t body = 1 + name_bytes;
	unsigned char *to = buf;
	size_t head = body < 256 ? 4 : 5;

	IPK__REQUIRE(name_bytes > 0 && name_bytes <= IPK__OBJECT_NAME_MAX, IPK__WRONG_NAME);
	IPK__REQUIRE(kind > 0 && kind <= 127, "kind: an ipk_ref_kind");
	if (buf_bytes < head + body)
		return ipk__detail(-EMSGSIZE, IPK__OVER_VALUE);
	*to++ = IPK_PACK_MARK;
	*to++ = body < 256 ? EXT8 : EXT16;
	if (body >= 256)
		*to++ = (unsigned char)(body >> 8);
	*to++ = (unsigned char)body;
	*to++ = EXT_TYPE;
	*to++ = (unsigned char)kind;
	memcpy(to, name, name_bytes);
	if (ret_len_bytes)
		*ret_len_bytes = head + body;
	return 0;
}

/* Where the body begins, and how long it has to be; 0: no such head. */
static size_t read_head(const unsigned char *at, size_t n, size_t *ret_body)
{
	if (n < 4 || at[0] != IPK_PACK_MARK)
		return 0;
	if (at[1] >= FIXEXT1 && at[1] <= FIXEXT1 + 4 && at[2] == EXT_TYPE) {
		*ret_body = (size_t)1 << (at[1] - FIXEXT1);
		return 3;
	}
	if (at[1] == EXT8 && at[3] == EXT_TYPE) {
		*ret_body = at[2];
		return 4;
	}
	if (at[1] == EXT16 && n > 4 && at[4] == EXT_TYPE) {
		*ret_body = (size_t)at[2] << 8 | at[3];
		return 5;
	}
	return 0;
}

int ipk_ref_unpack(const void *data, size_t len_bytes, char *buf, size_t buf_bytes,
		   ipk_ref_kind *ret_kind)
{
	const unsigned char *at = data;
	size_t body = 0;
	size_t head = data ? read_head(at, len_bytes, &body) : 0;

	IPK__REQUIRE(ret_kind, "ret_kind is NULL");
	if (head == 0 || body < 2 || len_bytes != head + body ||
	    memchr(at + head + 1, '\0', body - 1))
		return -EPROTO;
	if (buf_bytes < body)
		return ipk__detail(-EMSGSIZE, IPK__OVER_VALUE);
	memcpy(buf, at + head + 1, body - 1);
	buf[body - 1] = '\0';
	*ret_kind = (ipk_ref_kind)at[head];
	return 0;
}

int ipk__ref_make(ipk_ref_kind kind, const char *name, char buf[IPK__OBJECT_NAME_MAX + 8],
		  struct ipk__slice *ret_value)
{
	size_t n;

	IPK_TRY(ipk_ref_pack(kind, name, buf, IPK__OBJECT_NAME_MAX + 8, &n));
	*ret_value = IPK__SLICE(buf, n);
	return 0;
}

int ipk__ref_name(void *data, size_t len_bytes, ipk_ref_kind kind,
		  char name[IPK__OBJECT_NAME_MAX + 1])
{
	ipk_ref_kind found;
	int r = ipk_ref_unpack(data, len_bytes, name, IPK__OBJECT_NAME_MAX + 1, &found);

	free(data);
	if (r < 0)
		return -EPROTO;
	return found == kind ? 0 : -EPROTO;
}

/* --- typed values ----------------------------------------------------------------------------- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool has_key;

static void make_key(void)
{
	has_key = pthread_key_create(&key, free) == 0;
}

int ipk__typed_unpack(void *data, size_t len_bytes, const char *format, va_list args)
{
	int r = ipk_vunpack(data, len_bytes, format, args);

	pthread_once(&once, make_key);
	if (r < 0 || !has_key) {
		free(data);
		return r < 0 ? r : -ENOMEM;
	}
	free(pthread_getspecific(key));
	if (pthread_setspecific(key, data) != 0) {
		(void)pthread_setspecific(key, NULL);
		free(data);
		return -ENOMEM;
	}
	return 0;
}
