/* test_reference.c - values that name other objects, byte for byte. */
#include <string.h>

#include "ipk/manager.h"
#include "support/support.h"

START_TEST(packed_as_an_extension_of_type_1)
{
	unsigned char buf[16];
	size_t n;

	ck_ok(ipk_ref_pack(IPK_REF_DICT, "ab", buf, sizeof buf, &n));
	ck_assert_uint_eq(n, 7);
	ck_assert_mem_eq(buf,
			 "\xC1\xC7\x03\x01"
			 "dab",
			 7);
	ck_assert(ipk_pack_is_typed(buf, n));
	ck_err(ipk_ref_pack(IPK_REF_DICT, "ab", buf, 6, &n), -EMSGSIZE);
	ck_err(ipk_ref_pack(IPK_REF_DICT, "", buf, sizeof buf, &n), -EINVAL);
	ck_err(ipk_ref_pack(IPK_REF_DICT, NULL, buf, sizeof buf, &n), -EINVAL);
}
END_TEST

START_TEST(names_of_every_length_come_back)
{
	char name[1025], back[1025];
	char buf[1040];
	ipk_ref_kind kind;
	size_t n;

	for (size_t len = 1; len <= 1024; len++) {
		memset(name, 'n', len);
		name[len] = '\0';
		ck_ok(ipk_ref_pack(IPK_REF_QUEUE, name, buf, len + 8, &n));
		ck_ok(ipk_ref_unpack(buf, n, back, sizeof back, &kind));
		ck_assert_int_eq(kind, IPK_REF_QUEUE);
		ck_assert_str_eq(back, name);
		ck_err(ipk_ref_unpack(buf, n - 1, back, sizeof back, &kind), -EPROTO);
		ck_err(ipk_ref_unpack(buf, n, back, len, &kind), -EMSGSIZE);
	}
}
END_TEST

START_TEST(short_forms_of_others_are_read)
{
	static const char fixext2[] = "\xC1\xD5\x01lx";
	char name[8];
	ipk_ref_kind kind;

	ck_ok(ipk_ref_unpack(fixext2, 5, name, sizeof name, &kind));
	ck_assert_int_eq(kind, IPK_REF_LIST);
	ck_assert_str_eq(name, "x");
}
END_TEST

START_TEST(what_is_none_is_refused)
{
	static const struct {
		const char *bytes;
		size_t n;
	} wrong[] = {
		{"", 0},
		{"abc", 3},
		{"\xC1\x93\x01\x02\x03", 5}, /* an array */
		{"\xC1\xC7\x03\x02"
		 "dab",
		 7}, /* another type of extension */
		{"\xC1\xC7\x01\x01"
		 "d",
		 5}, /* no name */
		{"\xC1\xC7\x03\x01"
		 "da\0",
		 7}, /* a name with a NUL */
		{"\xC1\xC8\x00", 3},
		{"\xC1\xC8\xFF\xFF\x01", 5},
	};
	char name[8];
	ipk_ref_kind kind;

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		ck_err(ipk_ref_unpack(wrong[i].bytes, wrong[i].n, name, sizeof name, &kind),
		       -EPROTO);
	ck_err(ipk_ref_unpack(NULL, 0, name, sizeof name, &kind), -EPROTO);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("reference");

	add_test(s, packed_as_an_extension_of_type_1);
	add_test(s, names_of_every_length_come_back);
	add_test(s, short_forms_of_others_are_read);
	add_test(s, what_is_none_is_refused);
	return s;
}
IPK_TEST_MAIN(suite)
