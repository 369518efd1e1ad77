/* test_named.c - lib/command/named.c: a map that grows, chains in one bucket, and lists of links. */
#include <stdio.h>

#include "command/named.h"
#include "support/support.h"

enum { N = 1000 };

struct object {
	struct ipk__named named; /* first */
	char name[16];
};

static struct ipk__names names;
static struct object objects[N];

static struct object *find(const char *name)
{
	return (struct object *)(void *)ipk__names_find(&names, ipk__slice_of_string(name));
}

static void add(int i)
{
	struct object *t = &objects[i];

	snprintf(t->name, sizeof t->name, "name-%d", i);
	t->named.name = ipk__slice_of_string(t->name);
	ck_ok(ipk__names_add(&names, &t->named));
}

START_TEST(nothing_is_in_an_empty_one)
{
	ck_assert_ptr_null(find("x"));
	ck_assert_ptr_null(find(""));
	ipk__names_free(&names);
}
END_TEST

START_TEST(it_grows_and_loses_nobody)
{
	for (int i = 0; i < N; i++) {
		add(i);
		ck_assert_uint_eq(names.n, i + 1u);
		/* A power of 2, and never more nodes than buckets. */
		ck_assert_uint_ge(names.n_buckets, names.n);
		ck_assert_uint_eq(names.n_buckets & (names.n_buckets - 1), 0);
	}
	for (int i = 0; i < N; i++)
		ck_assert_ptr_eq(find(objects[i].name), &objects[i]);
	ck_assert_ptr_null(find("name-1000"));
	ck_assert_ptr_null(find("name-"));
	ck_assert_ptr_null(find("name-10000"));
	ipk__names_free(&names);
	ck_assert_ptr_null(find("name-1"));
}
END_TEST

START_TEST(removed_ones_are_gone_and_no_others)
{
	for (int i = 0; i < N; i++)
		add(i);
	for (int i = 0; i < N; i += 3)
		ipk__names_remove(&names, &objects[i].named);
	for (int i = 0; i < N; i++)
		ck_assert_ptr_eq(find(objects[i].name), i % 3 == 0 ? NULL : &objects[i]);
	for (int i = 0; i < N; i += 3)
		add(i);
	for (int i = 0; i < N; i++)
		ck_assert_ptr_eq(find(objects[i].name), &objects[i]);
	for (int i = N; i-- > 0;)
		ipk__names_remove(&names, &objects[i].named);
	ck_assert_uint_eq(names.n, 0);
	ck_assert_ptr_null(find("name-7"));
	ipk__names_free(&names);
}
END_TEST

/* With 64 buckets some have several: from the middle of a chain as from its ends. */
START_TEST(chains)
{
	struct ipk__named *chain;
	struct object *first, *second, *third;
	size_t i = 0;

	/* 64 names in 64 buckets; the first growth comes with the 65th. */
	for (int k = 0; k < 64; k++)
		add(k);
	ck_assert_uint_eq(names.n_buckets, 64);
	while (i < 64 && !(names.buckets[i] && names.buckets[i]->next))
		i++;
	ck_assert_uint_lt(i, 64); /* else every name has a bucket alone: 1 of 10^27 keys */
	chain = names.buckets[i];
	first = (struct object *)(void *)chain;
	second = (struct object *)(void *)chain->next;
	third = (struct object *)(void *)chain->next->next;
	ck_assert_ptr_eq(find(second->name), second);
	ipk__names_remove(&names, &second->named);
	ck_assert_ptr_null(find(second->name));
	ck_assert_ptr_eq(find(first->name), first);
	if (third)
		ck_assert_ptr_eq(find(third->name), third);
	ipk__names_remove(&names, &first->named);
	ck_assert_ptr_null(find(first->name));
	if (third)
		ck_assert_ptr_eq(find(third->name), third);
	ck_assert_uint_eq(names.n, 62);
	ipk__names_free(&names);
}
END_TEST

START_TEST(names_are_any_bytes)
{
	struct ipk__named zero = {.name = IPK__SLICE("a\0b", 3)};
	struct ipk__named other = {.name = IPK__SLICE("a\0c", 3)};
	struct ipk__named empty = {.name = IPK__SLICE(NULL, 0)};

	ck_ok(ipk__names_add(&names, &zero));
	ck_ok(ipk__names_add(&names, &other));
	ck_ok(ipk__names_add(&names, &empty));
	ck_assert_ptr_eq(ipk__names_find(&names, IPK__SLICE("a\0b", 3)), &zero);
	ck_assert_ptr_eq(ipk__names_find(&names, IPK__SLICE("a\0c", 3)), &other);
	ck_assert_ptr_eq(ipk__names_find(&names, IPK__SLICE("", 0)), &empty);
	ck_assert_ptr_null(ipk__names_find(&names, IPK__SLICE_OF("a")));
	ipk__names_free(&names);
}
END_TEST

/* Whoever chooses names cannot know which lie together: each map has a key of its own. */
START_TEST(maps_have_keys_of_their_own)
{
	struct ipk__names other = {0};
	struct ipk__named node = {.name = IPK__SLICE_OF("x")};

	add(0);
	ck_ok(ipk__names_add(&other, &node));
	ck_assert_mem_ne(names.key, other.key, sizeof names.key);
	ipk__names_free(&names);
	ipk__names_free(&other);
}
END_TEST

START_TEST(links_keep_their_order)
{
	struct ipk__link head, links[3];
	int selves[3];

	ipk__links_init(&head);
	ck_assert(ipk__links_empty(&head));
	ck_assert_ptr_null(ipk__links_first(&head));
	for (int i = 0; i < 3; i++)
		ipk__link_last(&head, &links[i], &selves[i]);
	ck_assert(!ipk__links_empty(&head));
	ck_assert_ptr_eq(ipk__links_first(&head), &selves[0]);
	ipk__link_remove(&links[1]);
	ck_assert_ptr_eq(links[0].next, &links[2]);
	ck_assert_ptr_eq(links[2].prev, &links[0]);
	ipk__link_remove(&links[1]); /* again: no harm */
	ipk__link_remove(&links[0]);
	ck_assert_ptr_eq(ipk__links_first(&head), &selves[2]);
	ipk__link_remove(&links[2]);
	ck_assert(ipk__links_empty(&head));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("named");

	add_test(s, nothing_is_in_an_empty_one);
	add_test(s, it_grows_and_loses_nobody);
	add_test(s, removed_ones_are_gone_and_no_others);
	add_test(s, chains);
	add_test(s, names_are_any_bytes);
	add_test(s, maps_have_keys_of_their_own);
	add_test(s, links_keep_their_order);
	return s;
}
IPK_TEST_MAIN(suite)
