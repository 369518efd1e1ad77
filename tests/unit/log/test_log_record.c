/*
 * test_log_record.c - lib/log/log_record.c: what was written is read, and whatever was cut,
 * flipped, lost or doubled since is seen.
 */
#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "log/log_record.h"
#include "support/support.h"

#define SESSION "0123456789abcdef\r\n\xff"
/* Each bit; where a sanitizer makes it slow, each bit of some byte. */
enum { N_RECORDS = 60, FLIP_STEP = repeats(8) < 8 ? 7 : 1 };

static struct ipk__buffer file; /* ends with the test's process */
static struct ipk__buffer said; /* what a reader found, in words */
static size_t said_after[N_RECORDS + 1];

static void add_record(struct ipk__buffer *body, const char *session, uint64_t number,
		       uint32_t *chain)
{
	struct ipk__log_head head = {
		.body_bytes = ipk__buffer_len(body),
		.kind = IPK__LOG_WRITES,
		.session_bytes = strlen(session),
		.number = number,
	};
	char line[IPK__LOG_HEAD_MAX];

	memcpy(head.session, session, head.session_bytes);
	head.body_crc = ipk__crc32c(*chain, ipk__buffer_front(body), ipk__buffer_len(body));
	*chain = ipk__log_head_write(line, &head, *chain);
	ipk__buffer_append(&file, line, ipk__log_head_bytes(head.session_bytes));
	ipk__buffer_append(&file, ipk__buffer_front(body), ipk__buffer_len(body));
	ipk__buffer_clear(body);
}

/* About 10 KiB: commands, hidden ones, replies, with and without a session. */
static void make_file(void)
{
	struct ipk__buffer body = {0}, blob = {0};
	uint32_t chain = 0;

	for (int i = 0; i < N_RECORDS; i++) {
		char value[64];
		struct ipk__slice words[3] = {IPK__SLICE_OF("RPUSH"),
					      IPK__SLICE_OF("a list"),
					      {value, (size_t)sprintf(value, "\r\n%d%%", i)}};

		if (i % 4 == 1)
			ipk__log_hide(&body, 'r', IPK__SLICE_OF(":1\r\n"));
		ipk__resp_request(&body, words, 3);
		if (i % 3 == 0) {
			ipk__resp_request(&blob, words, 3);
			ipk__log_hide(&body, 'c',
				      IPK__SLICE(ipk__buffer_front(&blob), ipk__buffer_len(&blob)));
			ipk__buffer_clear(&blob);
		}
		add_record(&body, i % 4 == 1 ? SESSION : "", (uint64_t)i, &chain);
	}
	ipk__buffer_free(&body);
	ipk__buffer_free(&blob);
}

static int say_body(const char *p, size_t n_bytes)
{
	struct ipk__log_body body;
	int r;

	ipk__log_body_init(&body);
	ipk__log_body_begin(&body, p, n_bytes);
	while ((r = ipk__log_body_next(&body)) > 0) {
		if (r == IPK__LOG_REPLY)
			ipk__buffer_append(&said, ipk__buffer_front(&body.blob),
					   ipk__buffer_len(&body.blob));
		for (size_t i = 0; r == IPK__LOG_COMMAND && i < body.reader.argc; i++)
			ipk__buffer_append(&said, body.reader.argv[i].bytes,
					   body.reader.argv[i].n_bytes);
	}
	ipk__log_body_fini(&body);
	return r;
}

/* How many records there are until the end or a torn one; -EBADMSG. */
static int say_file(const char *p, size_t n_bytes)
{
	uint32_t chain = 0;
	int n = 0;

	ipk__buffer_clear(&said);
	for (;;) {
		struct ipk__log_head head;
		size_t used;
		const char *why;
		int r = n_bytes > 0 ? ipk__log_record_read(p, n_bytes, &chain, &head, &used, &why)
				    : 0;

		if (r <= 0)
			return r < 0 ? r : n;
		ipk__buffer_append(&said, head.session, head.session_bytes);
		ipk__buffer_append(&said, &head.number, sizeof head.number);
		ck_ok(say_body(p + used - head.body_bytes, head.body_bytes));
		n++;
		p += used;
		n_bytes -= used;
	}
}

static void make_and_say(void)
{
	size_t at = 0;

	make_file();
	ck_assert_int_eq(say_file(ipk__buffer_front(&file), ipk__buffer_len(&file)), N_RECORDS);
	for (int n = 0; n <= N_RECORDS; n++) {
		while (say_file(ipk__buffer_front(&file), at) < n)
			at++;
		said_after[n] = ipk__buffer_len(&said);
	}
	ck_assert_uint_eq(at, ipk__buffer_len(&file));
}

START_TEST(what_was_written_is_read)
{
	struct ipk__log_head head;
	uint32_t chain = 0;
	size_t used;
	const char *why;

	make_file();
	ck_assert_uint_gt(ipk__buffer_len(&file), 6000);
	for (int i = 0; i < N_RECORDS; i++) {
		ck_assert_int_eq(ipk__log_record_read(ipk__buffer_front(&file),
						      ipk__buffer_len(&file), &chain, &head, &used,
						      &why),
				 1);
		ck_assert_uint_eq(head.number, i);
		ck_assert_int_eq(head.kind, IPK__LOG_WRITES);
		ck_assert_uint_eq(head.session_bytes, i % 4 == 1 ? sizeof SESSION - 1 : 0);
		ck_assert_mem_eq(head.session, SESSION, head.session_bytes);
		ipk__buffer_take(&file, used);
	}
	ck_assert_uint_eq(ipk__buffer_len(&file), 0);
}
END_TEST

START_TEST(cut_at_each_byte)
{
	struct ipk__buffer whole = {0};

	make_and_say();
	say_file(ipk__buffer_front(&file), ipk__buffer_len(&file));
	ipk__buffer_append(&whole, ipk__buffer_front(&said), ipk__buffer_len(&said));
	for (size_t n_bytes = 0; n_bytes < ipk__buffer_len(&file); n_bytes++) {
		int n = say_file(ipk__buffer_front(&file), n_bytes);

		ck_assert_int_ge(n, 0);
		ck_assert_int_lt(n, N_RECORDS);
		ck_assert_uint_eq(ipk__buffer_len(&said), said_after[n]);
		ck_assert(memcmp(whole.room, said.room ? said.room : "", said_after[n]) == 0);
	}
	ipk__buffer_free(&whole);
}
END_TEST

START_TEST(flip_each_bit)
{
	struct ipk__buffer whole = {0};
	size_t n_refused = 0;

	make_and_say();
	say_file(ipk__buffer_front(&file), ipk__buffer_len(&file));
	ipk__buffer_append(&whole, ipk__buffer_front(&said), ipk__buffer_len(&said));
	for (size_t bit = 0; bit < 8 * ipk__buffer_len(&file); bit += FLIP_STEP) {
		int n;

		file.room[bit / 8] ^= (char)(1 << bit % 8);
		n = say_file(ipk__buffer_front(&file), ipk__buffer_len(&file));
		file.room[bit / 8] ^= (char)(1 << bit % 8);
		ck_assert_int_ne(n, N_RECORDS);
		n_refused += n < 0;
		if (n >= 0)
			ck_assert_uint_eq(ipk__buffer_len(&said), said_after[n]);
		ck_assert(memcmp(whole.room, said.room, ipk__buffer_len(&said)) == 0);
	}
	ck_assert_uint_gt(n_refused, 6 * ipk__buffer_len(&file) / FLIP_STEP);
	ipk__buffer_free(&whole);
}
END_TEST

START_TEST(records_lost_or_doubled_are_seen)
{
	struct ipk__log_head head;
	uint32_t chain = 0;
	size_t first, second;
	const char *why;
	const char *p;
	size_t n;

	make_file();
	p = ipk__buffer_front(&file);
	n = ipk__buffer_len(&file);
	ck_assert_int_eq(ipk__log_record_read(p, n, &chain, &head, &first, &why), 1);
	ck_err(ipk__log_record_read(p, n, &chain, &head, &second, &why), -EBADMSG);
	ck_assert_int_eq(ipk__log_record_read(p + first, n - first, &chain, &head, &second, &why),
			 1);
	chain = 0;
	ck_err(ipk__log_record_read(p + first, n - first, &chain, &head, &second, &why), -EBADMSG);
}
END_TEST

START_TEST(long_hidden_things_are_short_lines)
{
	struct ipk__buffer b = {0};
	struct ipk__log_body body;
	char blob[5000];
	size_t line = 0;

	for (size_t i = 0; i < sizeof blob; i++)
		blob[i] = (char)(i % 251);
	ipk__log_hide(&b, 'r', IPK__SLICE(blob, sizeof blob));
	ipk__log_hide(&b, 'r', IPK__SLICE(blob, 0));
	for (size_t i = b.from; i < b.to; i++) {
		line = b.room[i] == '\n' ? 0 : line + 1;
		ck_assert_uint_lt(line, IPK__LOG_LINE_MAX);
		ck_assert(line != 1 || b.room[i] == '#');
	}
	ipk__log_body_init(&body);
	ipk__log_body_begin(&body, ipk__buffer_front(&b), ipk__buffer_len(&b));
	ck_assert_int_eq(ipk__log_body_next(&body), IPK__LOG_REPLY);
	ck_assert_uint_eq(ipk__buffer_len(&body.blob), sizeof blob);
	ck_assert_mem_eq(ipk__buffer_front(&body.blob), blob, sizeof blob);
	ck_assert_int_eq(ipk__log_body_next(&body), IPK__LOG_REPLY);
	ck_assert_uint_eq(ipk__buffer_len(&body.blob), 0);
	ck_assert_int_eq(ipk__log_body_next(&body), IPK__LOG_END);
	ipk__log_body_fini(&body);
	ipk__buffer_free(&b);
}
END_TEST

START_TEST(bad_bodies_are_refused)
{
	static const char *const bodies[] = {
		"PING\r\n",
		"*0\r\n",
		"*1\r\n$4\r\nPIN",
		"#ipkc \r\n",
		"#ipkc *1%0D%0A$1%0d%0aX\r\n",
		"#ipkc *1%\r\n",
		"#ipkx \r\n",
		"# comment\r\n",
		"#ipk+ half\r\n",
		"#ipkr",
		"#ipkr end\n",
		"#",
		"#ipkc *1%0d%0a$1%0d%0aX%0d%0aY\r\n",
	};

	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		struct ipk__log_body body;

		ipk__log_body_init(&body);
		ipk__log_body_begin(&body, bodies[i], strlen(bodies[i]));
		ck_assert_msg(ipk__log_body_next(&body) == -EBADMSG, "%s", bodies[i]);
		ipk__log_body_fini(&body);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("log_record");

	add_test(s, what_was_written_is_read);
	add_test(s, cut_at_each_byte);
	add_test(s, flip_each_bit);
	add_test(s, records_lost_or_doubled_are_seen);
	add_test(s, long_hidden_things_are_short_lines);
	add_test(s, bad_bodies_are_refused);
	return s;
}
IPK_TEST_MAIN(suite)
