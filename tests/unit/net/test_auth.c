/* test_auth.c - mutual authentication, every attack on it, and key files. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/auth.h"
#include "net/md5.h"
#include "support/support.h"

#define KEY "0123456789abcdef0123456789abcdef"

static void init_both(struct ipk__auth *client, struct ipk__auth *server, const char *server_key)
{
	ck_ok(ipk__auth_init(client, IPK__AUTH_CLIENT, KEY, strlen(KEY)));
	ck_ok(ipk__auth_init(server, IPK__AUTH_SERVER, server_key, strlen(server_key)));
}

START_TEST(both_know_the_key)
{
	unsigned char hello[32], challenge[64], proof[32];
	struct ipk__auth c, s;

	init_both(&c, &s, KEY);
	ck_ok(ipk__auth_hello(&c, hello));
	ck_ok(ipk__auth_challenge(&s, hello, challenge));
	ck_assert(!ipk__auth_is_done(&s));
	ck_ok(ipk__auth_prove(&c, challenge, proof));
	ck_assert(ipk__auth_is_done(&c));
	ck_ok(ipk__auth_check(&s, proof));
	ck_assert(ipk__auth_is_done(&s));
	ipk__auth_wipe(&s);
	ck_assert(!ipk__auth_is_done(&s));
}
END_TEST

START_TEST(server_has_another_key)
{
	unsigned char hello[32], challenge[64], proof[32] = {7};
	struct ipk__auth c, s;

	init_both(&c, &s, "0123456789abcdef0123456789abcdeF");
	ck_ok(ipk__auth_hello(&c, hello));
	ck_ok(ipk__auth_challenge(&s, hello, challenge));
	ck_err(ipk__auth_prove(&c, challenge, proof), -EACCES);
	ck_assert_int_eq(proof[0], 7);
	ck_assert(!ipk__auth_is_done(&c));
}
END_TEST

START_TEST(one_bit_is_wrong_anywhere)
{
	unsigned char hello[32], challenge[64], proof[32];
	struct ipk__auth c, s;

	for (int bit = 0; bit < 64 * 8; bit++) {
		init_both(&c, &s, KEY);
		ck_ok(ipk__auth_hello(&c, hello));
		ck_ok(ipk__auth_challenge(&s, hello, challenge));
		challenge[bit / 8] ^= (unsigned char)(1 << bit % 8);
		ck_err(ipk__auth_prove(&c, challenge, proof), -EACCES);
	}
	for (int bit = 0; bit < 32 * 8; bit++) {
		init_both(&c, &s, KEY);
		ck_ok(ipk__auth_hello(&c, hello));
		ck_ok(ipk__auth_challenge(&s, hello, challenge));
		ck_ok(ipk__auth_prove(&c, challenge, proof));
		proof[bit / 8] ^= (unsigned char)(1 << bit % 8);
		ck_err(ipk__auth_check(&s, proof), -EACCES);
		ck_assert(!ipk__auth_is_done(&s));
	}
}
END_TEST

/* Who does not know the key sends each side what it said itself. */
START_TEST(reflected)
{
	unsigned char hello[32], challenge[64], other[64], proof[32];
	struct ipk__auth c, s, s2;

	init_both(&c, &s, KEY);
	ck_ok(ipk__auth_hello(&c, hello));
	ck_ok(ipk__auth_challenge(&s, hello, challenge));
	ck_err(ipk__auth_check(&s, challenge + 32), -EACCES);
	/* A second connection is asked to prove what the first wants proven. */
	init_both(&c, &s, KEY);
	ck_ok(ipk__auth_hello(&c, hello));
	ck_ok(ipk__auth_challenge(&s, hello, challenge));
	ck_ok(ipk__auth_init(&s2, IPK__AUTH_SERVER, KEY, strlen(KEY)));
	ck_ok(ipk__auth_challenge(&s2, challenge, other));
	ck_err(ipk__auth_check(&s, other + 32), -EACCES);
	/* To the client comes its own nonce. */
	memcpy(other, hello, 32);
	ck_err(ipk__auth_prove(&c, other, proof), -EACCES);
}
END_TEST

START_TEST(replayed)
{
	unsigned char hello[32], challenge[64], again[64], proof[32];
	struct ipk__auth c, s;

	init_both(&c, &s, KEY);
	ck_ok(ipk__auth_hello(&c, hello));
	ck_ok(ipk__auth_challenge(&s, hello, challenge));
	ck_ok(ipk__auth_prove(&c, challenge, proof));
	ck_ok(ipk__auth_check(&s, proof));
	ck_ok(ipk__auth_init(&s, IPK__AUTH_SERVER, KEY, strlen(KEY)));
	ck_ok(ipk__auth_challenge(&s, hello, again));
	ck_assert_mem_ne(again, challenge, 32);
	ck_err(ipk__auth_check(&s, proof), -EACCES);
	ck_ok(ipk__auth_init(&c, IPK__AUTH_CLIENT, KEY, strlen(KEY)));
	ck_ok(ipk__auth_hello(&c, hello));
	ck_err(ipk__auth_prove(&c, challenge, proof), -EACCES);
}
END_TEST

START_TEST(out_of_turn)
{
	unsigned char hello[32] = {0}, challenge[64] = {0}, proof[32] = {0};
	struct ipk__auth c, s;

	init_both(&c, &s, KEY);
	ck_err(ipk__auth_check(&s, proof), -EPROTO);
	ck_err(ipk__auth_challenge(&s, hello, challenge), -EPROTO); /* over */
	ck_err(ipk__auth_prove(&c, challenge, proof), -EPROTO);
	init_both(&c, &s, KEY);
	ck_err(ipk__auth_hello(&s, hello), -EPROTO);
	ck_err(ipk__auth_challenge(&c, hello, challenge), -EPROTO);
	init_both(&c, &s, KEY);
	ck_ok(ipk__auth_challenge(&s, hello, challenge));
	ck_err(ipk__auth_challenge(&s, hello, challenge), -EPROTO);
}
END_TEST

START_TEST(length_of_the_key)
{
	static char key[4097];
	struct ipk__auth a;

	ck_err(ipk__auth_init(&a, IPK__AUTH_CLIENT, key, 15), -EINVAL);
	ck_ok(ipk__auth_init(&a, IPK__AUTH_CLIENT, key, 16));
	ck_ok(ipk__auth_init(&a, IPK__AUTH_CLIENT, key, 4096));
	ck_err(ipk__auth_init(&a, IPK__AUTH_CLIENT, key, 4097), -EINVAL);
	ck_err(ipk__auth_init(&a, IPK__AUTH_CLIENT, NULL, 16), -EINVAL);
}
END_TEST

/* RFC 4231 and RFC 2202, case 2. */
START_TEST(known_macs)
{
	static const unsigned char sha256[] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e,
					       0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7};
	static const unsigned char md5[] = {0x75, 0x0c, 0x78, 0x3e, 0x6a, 0xb0, 0xb5, 0x03,
					    0xea, 0xa8, 0x6e, 0x31, 0x0a, 0x5d, 0xb7, 0x38};
	const char *text = "what do ya want for nothing?";
	unsigned char mac[32];

	ipk__auth_hmac("Jefe", 4, text, strlen(text), mac);
	ck_assert_mem_eq(mac, sha256, sizeof sha256);
	ipk__md5_hmac("Jefe", 4, text, strlen(text), mac);
	ck_assert_mem_eq(mac, md5, sizeof md5);
}
END_TEST

/* RFC 2202, cases 3, 6 and 7: 50 bytes under 16; a key longer than a block. */
START_TEST(known_macs_of_md5)
{
	static const unsigned char fifty[] = {0x56, 0xbe, 0x34, 0x52, 0x1d, 0x14, 0x4c, 0x88,
					      0xdb, 0xb8, 0xc7, 0x33, 0xf0, 0xe8, 0xb3, 0xf6};
	static const unsigned char eighty[] = {0x6b, 0x1a, 0xb7, 0xfe, 0x4b, 0xd7, 0xbf, 0x8f,
					       0x0b, 0x62, 0xe6, 0xce, 0x61, 0xb9, 0xd0, 0xcd};
	static const unsigned char two_blocks[] = {0x6f, 0x63, 0x0f, 0xad, 0x67, 0xcd, 0xa0, 0xee,
						   0x1f, 0xb1, 0xf5, 0x62, 0xdb, 0x3a, 0xa5, 0x3e};
	const char *case_6 = "Test Using Larger Than Block-Size Key - Hash Key First";
	const char *case_7 = "Test Using Larger Than Block-Size Key and Larger "
			     "Than One Block-Size Data";
	unsigned char key[80], data[50], mac[16];

	memset(key, 0xaa, sizeof key);
	memset(data, 0xdd, sizeof data);
	ipk__md5_hmac(key, 16, data, sizeof data, mac);
	ck_assert_mem_eq(mac, fifty, 16);
	ipk__md5_hmac(key, 80, case_6, strlen(case_6), mac);
	ck_assert_mem_eq(mac, eighty, 16);
	ipk__md5_hmac(key, 80, case_7, strlen(case_7), mac);
	ck_assert_mem_eq(mac, two_blocks, 16);
}
END_TEST

START_TEST(hex_there_and_back)
{
	unsigned char bytes[32], back[32];
	char text[65];

	for (int i = 0; i < 32; i++)
		bytes[i] = (unsigned char)(i * 9);
	ipk__auth_to_hex(bytes, 32, text);
	ck_assert_mem_eq(text, "0009121b", 8);
	ck_ok(ipk__auth_from_hex(text, 64, back, 32));
	ck_assert_mem_eq(back, bytes, 32);
	ck_err(ipk__auth_from_hex(text, 63, back, 32), -EINVAL);
	ck_err(ipk__auth_from_hex(text, 62, back, 32), -EINVAL);
	text[5] = 'g';
	ck_err(ipk__auth_from_hex(text, 64, back, 32), -EINVAL);
	text[5] = ' ';
	ck_err(ipk__auth_from_hex(text, 64, back, 32), -EINVAL);
}
END_TEST

/* --- files ------------------------------------------------------------------------------------ */

static void write_key(const char *path, const char *key, size_t n_bytes, mode_t mode)
{
	int fd;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, key, n_bytes), (ssize_t)n_bytes);
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
}

START_TEST(key_files)
{
	static unsigned char key[IPK__AUTH_KEY_MAX];
	static char long_key[IPK__AUTH_KEY_MAX + 2];
	char dir[] = "/tmp/ipk-test-XXXXXX";
	char path[64];
	size_t n = 777;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/key", dir);
	ck_err(ipk__auth_key_from_file(path, key, &n), -ENOENT);
	write_key(path, KEY "\n", strlen(KEY) + 1, 0600);
	ck_ok(ipk__auth_key_from_file(path, key, &n));
	ck_assert_uint_eq(n, strlen(KEY));
	ck_assert_mem_eq(key, KEY, n);
	write_key(path, KEY "\n", strlen(KEY), 0400);
	ck_ok(ipk__auth_key_from_file(path, key, &n));
	ck_assert_uint_eq(n, strlen(KEY));
	write_key(path, KEY "\n", strlen(KEY), 0640);
	ck_err(ipk__auth_key_from_file(path, key, &n), -EACCES);
	write_key(path, KEY "\n", strlen(KEY), 0604);
	ck_err(ipk__auth_key_from_file(path, key, &n), -EACCES);
	write_key(path, "0123456789abcde\n", 16, 0600);
	ck_err(ipk__auth_key_from_file(path, key, &n), -EINVAL);
	memset(long_key, 'k', sizeof long_key);
	write_key(path, long_key, 4096, 0600);
	ck_ok(ipk__auth_key_from_file(path, key, &n));
	ck_assert_uint_eq(n, 4096);
	write_key(path, long_key, 4097, 0600);
	ck_err(ipk__auth_key_from_file(path, key, &n), -EINVAL);
	long_key[4096] = '\n';
	write_key(path, long_key, 4097, 0600);
	ck_ok(ipk__auth_key_from_file(path, key, &n));
	ck_err(ipk__auth_key_from_file(dir, key, &n), -EACCES);
	unlink(path);
	rmdir(dir);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("auth");

	add_test(s, both_know_the_key);
	add_test(s, server_has_another_key);
	add_test(s, one_bit_is_wrong_anywhere);
	add_test(s, reflected);
	add_test(s, replayed);
	add_test(s, out_of_turn);
	add_test(s, length_of_the_key);
	add_test(s, known_macs);
	add_test(s, known_macs_of_md5);
	add_test(s, hex_there_and_back);
	add_test(s, key_files);
	return s;
}

IPK_TEST_MAIN(suite)
