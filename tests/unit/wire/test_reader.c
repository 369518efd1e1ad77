/*
 * test_reader.c - lib/wire/reader.c: every type and length, truncation at every byte, and agreement
 * with msgpack-c's own reader on the contents of a message.
 */
#include "unit/wire/wire_messages.h"

START_TEST(known_messages)
{
	const struct known *k = &known[_i];
	size_t n_tokens;

	ck_ok(read_through(k->bytes, k->len_bytes, &n_tokens));
	ck_assert_uint_ge(n_tokens, 1);
}
END_TEST

START_TEST(wrong_messages)
{
	void *copy = exact_copy(wrong[_i].bytes, wrong[_i].len_bytes);
	size_t n_tokens;

	ck_err(read_through(copy, wrong[_i].len_bytes, &n_tokens), -EPROTO);
	free(copy);
}
END_TEST

START_TEST(every_cut_and_every_byte_too_many)
{
	const struct known *k = &known[_i];
	char longer[64] = {0};
	size_t n_tokens;
	void *copy;

	for (size_t n = 0; n < k->len_bytes; n++) {
		copy = exact_copy(k->bytes, n);
		ck_err(read_through(copy, n, &n_tokens), -EPROTO);
		free(copy);
	}
	ck_assert_uint_lt(k->len_bytes, sizeof longer);
	memcpy(longer, k->bytes, k->len_bytes);
	ck_err(read_through(longer, k->len_bytes + 1, &n_tokens), -EPROTO);
}
END_TEST

START_TEST(tokens)
{
	static const char message[] = "\xc1\x98\xc0\xc3\xd0\x80\xcf\xff\xff\xff\xff\xff\xff\xff\xff"
				      "\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\xa2hi\xc4\x01z"
				      "\x81\x01\x90";
	ipk_reader r;
	ipk_token t;

	ipk_reader_init(&r, message, sizeof message - 1);
	ck_ok(ipk_reader_next(&r, &t));
	ck_assert(t.kind == IPK_TOKEN_ARRAY && t.n_items == 8 && t.depth == 0);
	ck_ok(ipk_reader_next(&r, &t));
	ck_assert(t.kind == IPK_TOKEN_NIL && t.depth == 1);
	ck_ok(ipk_reader_next(&r, &t));
	ck_assert(t.kind == IPK_TOKEN_BOOL && t.boolean);
	ck_ok(ipk_reader_next(&r, &t));
	ck_assert(t.kind == IPK_TOKEN_INT && t.i == -128);
	ck_ok(ipk_reader_next(&r, &t));
	ck_assert(t.kind == IPK_TOKEN_UINT && t.u == UINT64_MAX);
	ck_ok(ipk_reader_next(&r, &t));
	ck_assert(t.kind == IPK_TOKEN_DOUBLE && t.d == 1.5);
	ck_ok(ipk_reader_next(&r, &t));
	ck_assert(t.kind == IPK_TOKEN_STRING && t.len_bytes == 2 && memcmp(t.data, "hi", 2) == 0);
	ck_ok(ipk_reader_next(&r, &t));
	ck_assert(t.kind == IPK_TOKEN_BYTES && t.len_bytes == 1 && *t.data == 'z');
	ck_ok(ipk_reader_next(&r, &t));
	ck_assert(t.kind == IPK_TOKEN_MAP && t.n_items == 1 && t.depth == 1);
	ck_ok(ipk_reader_next(&r, &t));
	ck_assert(t.kind == IPK_TOKEN_INT && t.i == 1 && t.depth == 2);
	ck_ok(ipk_reader_next(&r, &t));
	ck_assert(t.kind == IPK_TOKEN_ARRAY && t.n_items == 0 && t.depth == 2);
	for (int i = 0; i < 3; i++) {
		ck_ok(ipk_reader_next(&r, &t));
		ck_assert(t.kind == IPK_TOKEN_END && t.depth == 0);
	}
}
END_TEST

START_TEST(an_error_changes_nothing)
{
	ipk_token t = {.kind = IPK_TOKEN_BYTES, .depth = 77};
	ipk_reader r;

	ipk_reader_init(&r, "\xc1\x92\x01\xc1", 4);
	ck_ok(ipk_reader_next(&r, &t));
	ck_ok(ipk_reader_next(&r, &t));
	t.depth = 77;
	for (int i = 0; i < 3; i++) {
		ck_err(ipk_reader_next(&r, &t), -EPROTO);
		ck_assert(t.kind == IPK_TOKEN_INT && t.depth == 77 && t.i == 1);
	}
}
END_TEST

START_TEST(no_message)
{
	size_t n_tokens;

	ck_err(read_through(NULL, 0, &n_tokens), -EPROTO);
	ck_err(read_through(known[0].bytes, (size_t)IPK_PACK_BYTES_MAX + 1, &n_tokens), -EPROTO);
	ck_assert(!ipk_pack_is_typed(NULL, 0));
	ck_assert(!ipk_pack_is_typed("\xc1", 0));
	ck_assert(!ipk_pack_is_typed("plain", 5));
	ck_assert(ipk_pack_is_typed("\xc1", 1));
}
END_TEST

/* 64 levels are allowed, arrays and maps alike; 65 are not, even when the last is empty. */
START_TEST(depth)
{
	unsigned char message[2 + 2 * (IPK_PACK_DEPTH_MAX + 1)] = {IPK_PACK_MARK};
	size_t n = 1, n_tokens;

	for (int level = 1; level < IPK_PACK_DEPTH_MAX; level++) {
		message[n++] = _i ? 0x81 : 0x91;
		if (_i)
			message[n++] = 0x07;
	}
	message[n] = 0x90;
	ck_ok(read_through(message, n + 1, &n_tokens));
	message[n++] = 0x91;
	message[n] = 0x07;
	ck_ok(read_through(message, n + 1, &n_tokens));
	message[n] = 0x90;
	ck_err(read_through(message, n + 1, &n_tokens), -EPROTO);
	message[n] = 0x80;
	ck_err(read_through(message, n + 1, &n_tokens), -EPROTO);
}
END_TEST

/* msgpack-c has no pointer for a body of no bytes. */
static bool is_same_body(const ipk_token *t, const char *body)
{
	return t->len_bytes == 0 || memcmp(t->data, body, t->len_bytes) == 0;
}

/* Depth first: the tree that msgpack-c made of the same bytes. */
static void ck_same(ipk_reader *r, const msgpack_object *o, unsigned level)
{
	ipk_token t;

	ck_ok(ipk_reader_next(r, &t));
	ck_assert_uint_eq(t.depth, level);
	switch (o->type) {
	case MSGPACK_OBJECT_NIL:
		ck_assert_int_eq(t.kind, IPK_TOKEN_NIL);
		break;
	case MSGPACK_OBJECT_BOOLEAN:
		ck_assert(t.kind == IPK_TOKEN_BOOL && t.boolean == o->via.boolean);
		break;
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		ck_assert_int_eq(t.kind, o->via.u64 > INT64_MAX ? IPK_TOKEN_UINT : IPK_TOKEN_INT);
		ck_assert(t.u == o->via.u64);
		break;
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		ck_assert(t.kind == IPK_TOKEN_INT && t.i == o->via.i64);
		break;
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		ck_assert_int_eq(t.kind, IPK_TOKEN_DOUBLE);
		ck_assert(t.d == o->via.f64 || (t.d != t.d && o->via.f64 != o->via.f64));
		break;
	case MSGPACK_OBJECT_STR:
		ck_assert(t.kind == IPK_TOKEN_STRING && t.len_bytes == o->via.str.size);
		ck_assert(is_same_body(&t, o->via.str.ptr));
		break;
	case MSGPACK_OBJECT_BIN:
		ck_assert(t.kind == IPK_TOKEN_BYTES && t.len_bytes == o->via.bin.size);
		ck_assert(is_same_body(&t, o->via.bin.ptr));
		break;
	case MSGPACK_OBJECT_ARRAY:
		ck_assert(t.kind == IPK_TOKEN_ARRAY && t.n_items == o->via.array.size);
		for (uint32_t i = 0; i < t.n_items; i++)
			ck_same(r, &o->via.array.ptr[i], level + 1);
		break;
	case MSGPACK_OBJECT_MAP:
		ck_assert(t.kind == IPK_TOKEN_MAP && t.n_items == o->via.map.size);
		for (uint32_t i = 0; i < t.n_items; i++) {
			ck_same(r, &o->via.map.ptr[i].key, level + 1);
			ck_same(r, &o->via.map.ptr[i].val, level + 1);
		}
		break;
	default:
		ck_abort_msg("an extension type was let through");
	}
}

static void ck_as_msgpack_reads(const char *message, size_t len_bytes)
{
	msgpack_unpacked result;
	size_t at = 1;
	ipk_reader r;
	ipk_token t;

	msgpack_unpacked_init(&result);
	ck_assert_int_eq(msgpack_unpack_next(&result, message, len_bytes, &at),
			 MSGPACK_UNPACK_SUCCESS);
	ck_assert_uint_eq(at, len_bytes);
	ipk_reader_init(&r, message, len_bytes);
	ck_same(&r, &result.data, 0);
	ck_ok(ipk_reader_next(&r, &t));
	ck_assert_int_eq(t.kind, IPK_TOKEN_END);
	msgpack_unpacked_destroy(&result);
}

START_TEST(known_as_msgpack_reads)
{
	ck_as_msgpack_reads(known[_i].bytes, known[_i].len_bytes);
}
END_TEST

START_TEST(random_values)
{
	for (uint64_t seed = 1; seed <= repeats(2000); seed++) {
		msgpack_sbuffer message;
		size_t n_tokens;

		make_random(&message, seed);
		ck_as_msgpack_reads(message.data, message.size);
		for (size_t n = 0; n < message.size; n += 1 + message.size / 64)
			ck_err(read_through(message.data, n, &n_tokens), -EPROTO);
		msgpack_sbuffer_destroy(&message);
	}
}
END_TEST

/* Whatever is let through, msgpack-c reads the same; everything else is -EPROTO. */
static void try_bytes(const char *bytes, size_t n_bytes)
{
	size_t n_tokens;
	int r = read_through(bytes, n_bytes, &n_tokens);

	ck_assert_uint_le(n_tokens, n_bytes);
	if (r == 0)
		ck_as_msgpack_reads(bytes, n_bytes);
	else
		ck_err(r, -EPROTO);
}

START_TEST(random_bytes)
{
	for (uint64_t seed = 1; seed <= repeats(100000); seed++) {
		uint64_t state = seed;
		char bytes[48] = {(char)IPK_PACK_MARK};
		size_t n = random_next(&state) % sizeof bytes;

		/* Mostly heads of the longer forms: plain numbers would end it at once. */
		for (size_t i = 1; i < n; i++)
			bytes[i] = (char)(random_next(&state) % 4 ? 0x80 | random_next(&state)
								  : random_next(&state) % 4);
		try_bytes(bytes, n);
	}
}
END_TEST

START_TEST(random_damage)
{
	for (uint64_t seed = 1; seed <= repeats(2000); seed++) {
		uint64_t state = seed;
		msgpack_sbuffer message;

		make_random(&message, seed);
		for (int i = 0; i < 16; i++) {
			char *at = message.data + random_next(&state) % message.size;
			char was = *at;

			*at ^= (char)(1 << random_next(&state) % 8);
			try_bytes(message.data, message.size);
			*at = was;
		}
		msgpack_sbuffer_destroy(&message);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("reader");

	add_loop_test(s, known_messages, 0, N_KNOWN);
	add_loop_test(s, wrong_messages, 0, N_WRONG);
	add_loop_test(s, every_cut_and_every_byte_too_many, 0, N_KNOWN);
	add_test(s, tokens);
	add_test(s, an_error_changes_nothing);
	add_test(s, no_message);
	add_loop_test(s, depth, 0, 2);
	add_loop_test(s, known_as_msgpack_reads, 0, N_KNOWN);
	add_test(s, random_values);
	add_test(s, random_bytes);
	add_test(s, random_damage);
	return s;
}

IPK_TEST_MAIN(suite)
