/*
 * typecode.c - the meaning of each typecode, and the common parts of values and arrays.
 *
 * The table is the only place that knows sizes and kinds. Types with the same representation are
 * one: ipk__typecode_plain() in the public header.
 */
#include <errno.h>

#include "value/value_internal.h"

static const struct ipk__type types[] = {
	{'c', sizeof(char), IPK__TYPE_CHAR},
	{'?', sizeof(bool), IPK__TYPE_BOOL},
	{'b', sizeof(signed char), IPK__TYPE_SIGNED},
	{'B', sizeof(unsigned char), IPK__TYPE_UNSIGNED},
	{'h', sizeof(short), IPK__TYPE_SIGNED},
	{'H', sizeof(unsigned short), IPK__TYPE_UNSIGNED},
	{'i', sizeof(int), IPK__TYPE_SIGNED},
	{'I', sizeof(unsigned), IPK__TYPE_UNSIGNED},
	{'l', sizeof(long), IPK__TYPE_SIGNED},
	{'L', sizeof(unsigned long), IPK__TYPE_UNSIGNED},
	{'q', sizeof(long long), IPK__TYPE_SIGNED},
	{'Q', sizeof(unsigned long long), IPK__TYPE_UNSIGNED},
	{'f', sizeof(float), IPK__TYPE_FLOAT},
	{'d', sizeof(double), IPK__TYPE_FLOAT},
};

const struct ipk__type *ipk__type_find(char typecode)
{
	for (size_t i = 0; i < IPK__N_OF(types); i++) {
		if (types[i].typecode == typecode)
			return &types[i];
	}
	return NULL;
}

bool ipk__type_is(const struct ipk__type *type, char typecode)
{
	return type && ipk__typecode_plain(type->typecode) == ipk__typecode_plain(typecode);
}

int ipk__type_size(char typecode, size_t item_bytes, size_t *ret_item_bytes)
{
	const struct ipk__type *type = ipk__type_find(typecode);

	IPK__REQUIRE(typecode || item_bytes > 0, ".typecode or .item_bytes is required");
	IPK__REQUIRE(!typecode || type, ".typecode: a letter of value.h");
	IPK__REQUIRE(!type || item_bytes == 0 || item_bytes == type->n_bytes,
		     ".item_bytes: 0 with .typecode, or the size of that type");
	*ret_item_bytes = type ? type->n_bytes : item_bytes;
	return 0;
}

int ipk__type_check(uint32_t flags, uint64_t item_bytes, const struct ipk__type **ret_type)
{
	char typecode = (char)(flags & IPK__FLAG_TYPECODE);
	const struct ipk__type *type = ipk__type_find(typecode);

	if (typecode ? !type || item_bytes != type->n_bytes : item_bytes == 0)
		return -EBADMSG;
	*ret_type = type;
	return 0;
}

struct ipk_lock ipk__lent_lock(const struct ipk__ref *ref, struct ipk__shm_guard *guard,
			       uint32_t flags)
{
	return (struct ipk_lock){
		.ref = *ref,
		.guard = flags & IPK__FLAG_RAW ? NULL : guard,
		.is_recursive = true,
		.is_lent = true,
	};
}
