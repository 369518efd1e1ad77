/*
 * test_server_admin_config.c - lib/server/server_admin_config.c: what settings take, and all or
 * none.
 */
#include "server_in_place.h"

START_TEST(sizes_in_each_unit)
{
	static const struct {
		const char *text;
		uint64_t n;
	} good[] = {
		{"0", 0},         {"100", 100},    {"7b", 7},        {"2k", 2000},
		{"2kb", 2048},    {"3m", 3000000}, {"3mb", 3 << 20}, {"1g", 1000000000},
		{"1GB", 1 << 30}, {"16Kb", 16384}, {"007", 7},
	};
	static const char *const bad[] = {"kb",
					  "1tb",
					  "1kbb",
					  "-1",
					  "1.5gb",
					  "k1",
					  "+1",
					  "99999999999999999999",
					  "18446744073709551616"};
	char line[80], wanted[80];

	server_begin();
	for (size_t i = 0; i < IPK__N_OF(good); i++) {
		snprintf(line, sizeof line, "CONFIG SET maxmemory %s", good[i].text);
		says(0, line, "OK");
		ck_assert_uint_eq(server->config.max_memory_bytes, good[i].n);
		snprintf(wanted, sizeof wanted, "[maxmemory %llu]", (unsigned long long)good[i].n);
		says(0, "CONFIG GET maxmemory", wanted);
	}
	for (size_t i = 0; i < IPK__N_OF(bad); i++) {
		snprintf(line, sizeof line, "CONFIG SET maxmemory %s", bad[i]);
		ask(0, line);
		ck_assert_msg(strncmp(said(0), "-ERR CONFIG SET failed", 22) == 0, "%s: %s", bad[i],
			      shown);
		ck_assert_uint_eq(server->config.max_memory_bytes, 7);
	}
	server_end();
}
END_TEST

START_TEST(numbers_have_a_range)
{
	static const struct {
		const char *name, *good, *bad, *too_much;
	} cases[] = {
		{"maxclients", "1", "0", "4294967296"},
		{"timeout", "0", "-1", "2147483648"},
		{"slowlog-log-slower-than", "-1", "-2", "9223372036854775807"},
		{"auto-aof-rewrite-percentage", "0", "-1", "2147483648"},
	};
	char line[120], wanted[200];

	server_begin();
	for (size_t i = 0; i < IPK__N_OF(cases); i++) {
		const char *const refused[] = {cases[i].bad, cases[i].too_much, "x", "\"\""};

		snprintf(line, sizeof line, "CONFIG SET %s %s", cases[i].name, cases[i].good);
		says(0, line, "OK");
		for (size_t k = 0; k < IPK__N_OF(refused); k++) {
			snprintf(line, sizeof line, "CONFIG SET %s %s", cases[i].name, refused[k]);
			snprintf(wanted, sizeof wanted,
				 "-ERR CONFIG SET failed (possibly related to argument '%s') - "
				 "argument must be a value that it can have",
				 cases[i].name);
			says(0, line, wanted);
		}
		snprintf(line, sizeof line, "CONFIG GET %s", cases[i].name);
		snprintf(wanted, sizeof wanted, "[%s %s]", cases[i].name, cases[i].good);
		says(0, line, wanted);
	}
	server_end();
}
END_TEST

START_TEST(units_of_time)
{
	server_begin();
	says(0, "CONFIG SET timeout 30", "OK");
	ck_assert_int_eq(server->config.idle_ms, 30000);
	says(0, "CONFIG SET slowlog-log-slower-than 250", "OK");
	ck_assert_int_eq(server->config.slow_ns, 250000);
	server_end();
}
END_TEST

static void set_limit(const char *value, const char *expected)
{
	struct ipk__slice argv[4] = {IPK__SLICE_OF("CONFIG"), IPK__SLICE_OF("SET"),
				     IPK__SLICE_OF("client-output-buffer-limit"),
				     ipk__slice_of_string(value)};

	execute(0, argv, 4);
	if (strncmp(said(0), expected, strlen(expected)) != 0)
		ck_abort_msg("%s: %s", value, shown);
}

START_TEST(limits_of_replies)
{
	server_begin();
	set_limit("normal 2mb 1mb 60", "OK");
	ck_assert_uint_eq(server->config.out_hard_bytes, 2 << 20);
	ck_assert_uint_eq(server->config.out_soft_bytes, 1 << 20);
	ck_assert_int_eq(server->config.out_soft_ms, 60000);
	set_limit("  replica 1 1 1  normal 0 0 5 ", "OK"); /* 0: none */
	ck_assert_uint_eq(server->config.out_hard_bytes, SIZE_MAX);
	ck_assert_uint_eq(server->config.out_soft_bytes, SIZE_MAX);
	ck_assert_int_eq(server->config.out_soft_ms, 5000);
	set_limit("normal 1mb 1mb", "-ERR CONFIG SET failed");
	set_limit("normal 1mb x 60", "-ERR CONFIG SET failed");
	set_limit("normal 1mb 1mb -1", "-ERR CONFIG SET failed");
	/* The first of two is not taken when the second is wrong. */
	set_limit("normal 3mb 3mb 3 pubsub x 1 1", "-ERR CONFIG SET failed");
	ck_assert_uint_eq(server->config.out_hard_bytes, SIZE_MAX);
	/* Those who go by it were told of what holds, too. */
	ck_assert_uint_eq(server->db.max_reply_bytes, IPK__STORE_ITEM_MAX);
	says(0, "CONFIG GET client-output-buffer-limit",
	     "[client-output-buffer-limit normal 0 0 5 slave 0 0 0 pubsub 0 0 5]");
	says(0, "CONFIG SET maxmemory 1gb", "OK");
	ask(0, "CONFIG SET maxmemory 2gb maxclients x");
	ck_assert_ptr_nonnull(strstr(said(0), "-ERR CONFIG SET failed"));
	ck_assert_uint_eq(ipk__store_max_bytes(server->db.store), 1 << 30);
	server_end();
}
END_TEST

START_TEST(all_or_nothing)
{
	server_begin();
	says(0, "CONFIG SET maxclients 50 timeout 5", "OK");
	says(0, "CONFIG SET maxclients 60 timeout x",
	     "-ERR CONFIG SET failed (possibly related to argument 'timeout') - "
	     "argument must be a value that it can have");
	says(0, "CONFIG SET maxclients 60 no-such 1",
	     "-ERR Unknown option or number of arguments for CONFIG SET - 'no-such'");
	says(0, "CONFIG SET maxclients 60 port 1",
	     "-ERR CONFIG SET failed (possibly related to argument 'port') - "
	     "can't set immutable config");
	says(0, "CONFIG GET maxclients timeout", "[maxclients 50 timeout 5]");
	server_end();
}
END_TEST

/* The store's own limit goes back too. */
START_TEST(a_limit_taken_back_holds_no_more)
{
	server_begin();
	says(0, "CONFIG SET maxmemory 1 timeout x",
	     "-ERR CONFIG SET failed (possibly related to argument 'timeout') - "
	     "argument must be a value that it can have");
	says(0, "SET k v", "OK");
	says(0, "CONFIG SET maxmemory 1", "OK");
	says(0, "SET k w", "-OOM command not allowed when used memory > 'maxmemory'.");
	says(0, "GET k", "v");
	server_end();
}
END_TEST

START_TEST(words_that_can_be_said)
{
	server_begin();
	says(0, "CONFIG SET appendfsync ALWAYS", "OK");
	says(0, "CONFIG GET appendfsync", "[appendfsync always]");
	ask(0, "CONFIG SET appendfsync sometimes");
	ck_assert_str_ne(said(0), "OK");
	says(0, "CONFIG SET appendonly no", "OK"); /* as it is */
	ask(0, "CONFIG SET appendonly yes");
	ck_assert_str_ne(said(0), "OK");
	says(0, "CONFIG SET maxmemory-policy noeviction", "OK");
	ask(0, "CONFIG SET maxmemory-policy allkeys-lru");
	ck_assert_str_ne(said(0), "OK");
	says(0, "CONFIG SET save \"\"", "OK");
	ask(0, "CONFIG SET save 900");
	ck_assert_str_ne(said(0), "OK");
	server_end();
}
END_TEST

START_TEST(patterns)
{
	server_begin();
	says(0, "CONFIG GET MAXMEMORY-*", "[maxmemory-policy noeviction]");
	says(0, "CONFIG GET datab?ses port", "[databases 1 port 0]"); /* in their own order */
	says(0, "CONFIG GET no-such", "[]");
	says(0, "CONFIG GET port port p*t", "[port 0]"); /* once */
	says(0, "CONFIG RESETSTAT", "OK");
	says(0, "CONFIG SET maxclients", "-ERR unknown subcommand 'SET'. Try CONFIG HELP.");
	server_end();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("server_admin_config");

	add_test(s, sizes_in_each_unit);
	add_test(s, numbers_have_a_range);
	add_test(s, units_of_time);
	add_test(s, limits_of_replies);
	add_test(s, all_or_nothing);
	add_test(s, a_limit_taken_back_holds_no_more);
	add_test(s, words_that_can_be_said);
	add_test(s, patterns);
	return s;
}
IPK_TEST_MAIN(suite)
