/*
 * pack.c - builds typed messages: a loop over the format's letters, msgpack-c's packer
 * writing behind it.
 *
 * Invariant: bytes[0, len_bytes) is the mark and what the letters so far have become; it
 * moves from the struct to the heap when it outgrows it. MessagePack wants the number of
 * values in a bracket before the values: it is found by looking ahead in the format, which
 * also finds brackets that do not match.
 *
 * Why memory inside the struct first: a short message then costs one malloc() of the exact
 * length, and none when the caller sends it and is done with it (ipk__packed_init()).
 */
#include <errno.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "ipk/pack.h"
#include "os/os.h"
#include "wire/format.h"
#include "wire/packed.h"

/* va_list may be an array type, which a function cannot take by pointer portably. */
struct args {
	va_list list;
};

__attribute__((noinline)) static int grow(struct ipk__packed *p, size_t n_more)
{
	size_t room = IPK__MAX(p->room_bytes * 2, p->len_bytes + n_more);
	unsigned char *bytes = ipk__os_malloc(room);

	if (!bytes)
		return -ENOMEM;
	memcpy(bytes, p->bytes, p->len_bytes);
	ipk__packed_fini(p);
	p->bytes = bytes;
	p->room_bytes = room;
	return 0;
}

/* What msgpack-c calls with each piece; its functions return what this returns. */
static int append(void *data, const char *piece, size_t n_bytes)
{
	struct ipk__packed *p = data;
	int r;

	if (n_bytes > IPK_PACK_BYTES_MAX - p->len_bytes)
		return -EMSGSIZE;
	if (n_bytes > p->room_bytes - p->len_bytes) {
		r = grow(p, n_bytes);
		if (r < 0)
			return r;
	}
	if (n_bytes > 0)
		memcpy(p->bytes + p->len_bytes, piece, n_bytes);
	p->len_bytes += n_bytes;
	return 0;
}

static int check_length(const void *data, size_t n_bytes)
{
	if (!data && n_bytes > 0)
		return -EINVAL;
	return n_bytes > IPK_PACK_BYTES_MAX ? -EMSGSIZE : 0;
}

static int pack_string(msgpack_packer *pk, const char *text, size_t n_bytes)
{
	ipk_try(check_length(text, n_bytes));
	return msgpack_pack_str_with_body(pk, text, n_bytes);
}

static int pack_c_string(msgpack_packer *pk, const char *text)
{
	return text ? pack_string(pk, text, strlen(text)) : -EINVAL;
}

static int pack_bytes(msgpack_packer *pk, const void *data, size_t n_bytes)
{
	ipk_try(check_length(data, n_bytes));
	return msgpack_pack_bin_with_body(pk, data, n_bytes);
}

static int pack_bool(msgpack_packer *pk, bool value)
{
	return value ? msgpack_pack_true(pk) : msgpack_pack_false(pk);
}

/* The two-argument letters: the order in which a call's arguments are made is open. */
static int pack_counted(msgpack_packer *pk, char letter, struct args *args)
{
	const void *data = va_arg(args->list, const void *);
	size_t n_bytes = va_arg(args->list, size_t);

	return letter == 'S' ? pack_string(pk, data, n_bytes) : pack_bytes(pk, data, n_bytes);
}

static int pack_value(msgpack_packer *pk, char letter, struct args *args)
{
	switch (letter) {
	case 'n':
		return msgpack_pack_nil(pk);
	case 'b':
		return pack_bool(pk, va_arg(args->list, int) != 0);
	case 'i':
		return msgpack_pack_int(pk, va_arg(args->list, int));
	case 'I':
		return msgpack_pack_unsigned_int(pk, va_arg(args->list, unsigned));
	case 'l':
		return msgpack_pack_int64(pk, va_arg(args->list, int64_t));
	case 'L':
		return msgpack_pack_uint64(pk, va_arg(args->list, uint64_t));
	case 'd':
		return msgpack_pack_double(pk, va_arg(args->list, double));
	case 's':
		return pack_c_string(pk, va_arg(args->list, const char *));
	case 'S':
	case 'y':
		return pack_counted(pk, letter, args);
	default:
		return -EINVAL; /* '*' is for reading */
	}
}

static int pack_open(msgpack_packer *pk, const char *at)
{
	size_t n_values;

	ipk_try(ipk__format_count(at, &n_values));
	return *at == '[' ? msgpack_pack_array(pk, n_values) : msgpack_pack_map(pk, n_values / 2);
}

/*
 * Flattened, so that the packer is seen to call append() with pieces of a known length:
 * half the time of a call through its pointer for each.
 */
__attribute__((flatten)) static int pack_all(struct ipk__packed *p, const char *format,
					     struct args *args)
{
	size_t depth = 0, n_outermost = 0;
	msgpack_packer pk;

	msgpack_packer_init(&pk, p, append);
	for (const char *at = format; *at != '\0'; at++) {
		switch (ipk__format_class(*at)) {
		case IPK__FORMAT_SPACE:
			break;
		case IPK__FORMAT_VALUE:
			n_outermost += depth == 0;
			ipk_try(pack_value(&pk, *at, args));
			break;
		case IPK__FORMAT_OPEN:
			n_outermost += depth == 0;
			if (++depth > IPK_PACK_DEPTH_MAX)
				return -EINVAL;
			ipk_try(pack_open(&pk, at));
			break;
		case IPK__FORMAT_CLOSE:
			if (depth-- > 0)
				break;
			return -EINVAL;
		default:
			return -EINVAL;
		}
	}
	return n_outermost == 1 ? 0 : -EINVAL;
}

int ipk__packed_init(struct ipk__packed *p, const char *format, va_list args)
{
	struct args copy;
	int r;

	if (!format)
		return -EINVAL;
	p->bytes = p->local;
	p->room_bytes = sizeof p->local;
	p->bytes[0] = IPK_PACK_MARK;
	p->len_bytes = 1;

	va_copy(copy.list, args);
	r = pack_all(p, format, &copy);
	va_end(copy.list);
	if (r < 0)
		ipk__packed_fini(p);
	return r;
}

void ipk__packed_fini(struct ipk__packed *p)
{
	if (p->bytes != p->local)
		free(p->bytes);
}

int ipk_vpack(void **ret_data, size_t *ret_len_bytes, const char *format, va_list args)
{
	struct ipk__packed p;
	unsigned char *data;

	if (!ret_data || !ret_len_bytes)
		return -EINVAL;
	ipk_try(ipk__packed_init(&p, format, args));

	data = p.bytes;
	if (p.bytes == p.local) {
		data = ipk__os_malloc(p.len_bytes);
		if (!data)
			return -ENOMEM;
		memcpy(data, p.local, p.len_bytes);
	}
	*ret_data = data;
	*ret_len_bytes = p.len_bytes;
	return 0;
}

int ipk_pack(void **ret_data, size_t *ret_len_bytes, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = ipk_vpack(ret_data, ret_len_bytes, format, args);
	va_end(args);
	return r;
}
