/*
 * pack.c - builds typed messages: a loop over the format's letters that drives msgpack-c's packer.
 *
 * Invariant: bytes[0, len_bytes) is the mark and the encoding of the letters so far. MessagePack
 * puts the number of values in a bracket before the values, so the walk through the format looks
 * ahead at each bracket.
 *
 * Why not msgpack-c's own buffer: it starts at 8 KiB, has no limit, and allocates without lib/os,
 * where tests make allocations fail.
 */
#include <errno.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "ipk/pack.h"
#include "os/os.h"
#include "wire/format.h"

/* va_list may be an array type, which a function cannot take by pointer portably. */
struct args {
	va_list list;
};

enum { FIRST_ROOM_BYTES = 64 };

struct output {
	unsigned char *bytes;
	size_t len_bytes;
	size_t room_bytes;
};

static int too_long(void)
{
	return ipk__detail(-EMSGSIZE, "packed values: IPK_PACK_BYTES_MAX at most");
}

__attribute__((noinline)) static int grow(struct output *o, size_t n_more)
{
	size_t room;
	unsigned char *bytes;

	if (n_more > IPK_PACK_BYTES_MAX - o->len_bytes)
		return too_long();
	room = IPK__MIN(IPK__MAX(o->room_bytes * 2, o->len_bytes + n_more), IPK_PACK_BYTES_MAX);
	bytes = ipk__os_malloc(room);
	if (!bytes)
		return -ENOMEM;
	memcpy(bytes, o->bytes, o->len_bytes);
	free(o->bytes);
	o->bytes = bytes;
	o->room_bytes = room;
	return 0;
}

/* What msgpack-c calls with each piece; its functions return what this returns. */
static inline int append(void *data, const char *piece, size_t n_bytes)
{
	struct output *o = data;

	if (n_bytes > o->room_bytes - o->len_bytes)
		IPK_TRY(grow(o, n_bytes));
	if (n_bytes > 0)
		memcpy(o->bytes + o->len_bytes, piece, n_bytes);
	o->len_bytes += n_bytes;
	return 0;
}

static int check_length(const void *data, size_t n_bytes)
{
	if (!data && n_bytes > 0)
		return ipk__invalid("a value of S or y is NULL, and its length is not 0");
	return n_bytes > IPK_PACK_BYTES_MAX ? too_long() : 0;
}

static int pack_string(msgpack_packer *pk, const char *text, size_t n_bytes)
{
	IPK_TRY(check_length(text, n_bytes));
	return msgpack_pack_str_with_body(pk, text, n_bytes);
}

static int pack_c_string(msgpack_packer *pk, const char *text)
{
	return text ? pack_string(pk, text, strlen(text)) : ipk__invalid("a value of s is NULL");
}

static int pack_bytes(msgpack_packer *pk, const void *data, size_t n_bytes)
{
	IPK_TRY(check_length(data, n_bytes));
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
		return ipk__invalid("format: '*' is for unpacking only");
	}
}

static int pack_open(msgpack_packer *pk, char bracket, uint32_t n_values)
{
	return bracket == '[' ? msgpack_pack_array(pk, n_values)
			      : msgpack_pack_map(pk, n_values / 2);
}

/*
 * Flattened, so that the packer is seen to call append() with pieces of a known length:
 * a fifth of all instructions less than calls through its pointer.
 */
__attribute__((flatten)) static int pack_all(struct output *o, const char *format,
					     struct args *args)
{
	struct ipk__format_walk walk = {.at = format};
	msgpack_packer pk;
	char letter;

	msgpack_packer_init(&pk, o, append);
	o->bytes[0] = IPK_PACK_MARK;
	o->len_bytes = 1;
	for (;;) {
		IPK_TRY(ipk__format_next(&walk, &letter));
		if (letter == '\0')
			return 0;
		if (letter == '[' || letter == '{')
			IPK_TRY(pack_open(&pk, letter, walk.n_inside));
		else
			IPK_TRY(pack_value(&pk, letter, args));
	}
}

static int pack(void **ret_data, size_t *ret_len_bytes, const char *format, struct args *args)
{
	struct output o = {.room_bytes = FIRST_ROOM_BYTES};
	int r;

	if (!ret_data || !ret_len_bytes || !format)
		return ipk__invalid("format, ret_data or ret_len_bytes is NULL");
	o.bytes = ipk__os_malloc(o.room_bytes);
	if (!o.bytes)
		return -ENOMEM;
	r = pack_all(&o, format, args);
	if (r < 0) {
		free(o.bytes);
		return r;
	}
	*ret_data = o.bytes;
	*ret_len_bytes = o.len_bytes;
	return 0;
}

int ipk_vpack(void **ret_data, size_t *ret_len_bytes, const char *format, va_list args)
{
	struct args copy;
	int r;

	va_copy(copy.list, args);
	r = pack(ret_data, ret_len_bytes, format, &copy);
	va_end(copy.list);
	return r;
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
