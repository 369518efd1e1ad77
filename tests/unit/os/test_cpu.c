/* test_cpu.c - counting processors: affinity, and the quota files as kernels write them. */
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu_quota.h"
#include "ipk/process.h"
#include "os/os.h"
#include "support/support.h"

#define DOCKER "/docker/0123abc"

START_TEST(quota_rounds_up)
{
	ck_assert_int_eq(ipk__cpu_quota_parse("100000 100000\n"), 1);
	ck_assert_int_eq(ipk__cpu_quota_parse("100001 100000\n"), 2);
	ck_assert_int_eq(ipk__cpu_quota_parse("1000 100000\n"), 1);
	ck_assert_int_eq(ipk__cpu_quota_parse("150000 100000"), 2);
	ck_assert_int_eq(ipk__cpu_quota_parse("400000\n50000\n"), 8); /* v1: two files */
	ck_assert_int_eq(ipk__cpu_quota_parse("9223372036854775807 1"), INT_MAX);
	ck_assert_int_eq(ipk__cpu_quota_parse("99999999999999999999 100000"), INT_MAX);
}
END_TEST

START_TEST(no_quota_is_no_limit)
{
	static const char *const texts[] = {
		"max 100000\n", "-1\n100000\n", "",         "\n",     "100000",
		"100000 0",     "100000 -5",    "0 100000", "cpu 10", "100000 max",
	};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		ck_assert_int_eq(ipk__cpu_quota_parse(texts[i]), INT_MAX);
}
END_TEST

/* Feeds whole files, line by line as lib/os/cpu.c does. */
static void feed(struct ipk__cgroup *group, const char *text,
		 void (*take)(struct ipk__cgroup *, const char *))
{
	char line[4096];

	while (*text != '\0') {
		size_t n = strcspn(text, "\n");

		n += text[n] == '\n';
		ck_assert_uint_lt(n, sizeof line);
		memcpy(line, text, n);
		line[n] = '\0';
		take(group, line);
		text += n;
	}
}

static void ck_group(const char *cgroup, const char *mountinfo, int version, const char *path,
		     const char *mount)
{
	struct ipk__cgroup group = {0};

	feed(&group, cgroup, ipk__cgroup_take_path);
	feed(&group, mountinfo, ipk__cgroup_take_mount);
	ck_assert_int_eq(group.version, version);
	ck_assert_str_eq(group.path, path);
	ck_assert_str_eq(group.mount, mount);
}

static const char v2_mounts[] =
	"22 27 0:21 / /proc rw,nosuid shared:12 - proc proc rw\n"
	"29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

static const char v1_mounts[] =
	"29 23 0:26 / /sys/fs/cgroup/unified rw shared:4 - cgroup2 cgroup2 rw\n"
	"30 23 0:27 / /sys/fs/cgroup/cpuset rw shared:5 - cgroup cgroup rw,cpuset\n"
	"31 23 0:28 / /sys/fs/cgroup/cpu,cpuacct rw shared:6 - cgroup cgroup rw,cpu,cpuacct\n";

START_TEST(finds_v2)
{
	ck_group("0::/user.slice/session-1.scope\n", v2_mounts, 2, "/user.slice/session-1.scope",
		 "/sys/fs/cgroup");
	ck_group("0::/\n", v2_mounts, 2, "/", "/sys/fs/cgroup");
	ck_group("0::/a:b\n", v2_mounts, 2, "/a:b", "/sys/fs/cgroup");
}
END_TEST

START_TEST(v1_wins_where_it_has_the_cpus)
{
	ck_group("11:cpuset:/x\n4:cpu,cpuacct:/jobs/a\n1:name=cpu:/y\n0::/z\n", v1_mounts, 1,
		 "/jobs/a", "/sys/fs/cgroup/cpu,cpuacct");
	ck_group("11:cpuset:/x\n3:cpuacct:/y\n0::/z\n", v1_mounts, 2, "/z",
		 "/sys/fs/cgroup/unified");
}
END_TEST

START_TEST(container_sees_a_part)
{
	const char *mounts =
		"31 23 0:28 /docker/0123abc /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n";

	ck_group("4:cpu:" DOCKER "\n", mounts, 1, "/", "/sys/fs/cgroup/cpu");
	ck_group("4:cpu:" DOCKER "/in\n", mounts, 1, "/in", "/sys/fs/cgroup/cpu");
	ck_group("4:cpu:" DOCKER "d/in\n", mounts, 1, DOCKER "d/in", "");
	ck_group("0::/../sibling\n", v2_mounts, 2, "/../sibling", "");
}
END_TEST

START_TEST(nonsense_finds_nothing)
{
	char longest[3000];

	ck_group("", v2_mounts, 0, "", "");
	ck_group("0\n::\nx:y\n4:cpu\n4:cpu:no/slash\n", v2_mounts, 0, "", "");
	ck_group("0::/a\n", "", 2, "/a", "");
	ck_group("0::/a\n", "cgroup2\n - cgroup2\n - cgroup2 c rw\n1 2 - cgroup2 c rw\n", 2, "/a",
		 "");
	memset(longest, 'x', sizeof longest);
	memcpy(longest, "0::/", 4);
	longest[sizeof longest - 1] = '\0';
	ck_group(longest, v2_mounts, 0, "", "");
}
END_TEST

START_TEST(goes_up_to_the_root)
{
	struct ipk__cgroup group = {.version = 2, .path = "/a/bc/d"};

	ck_assert(ipk__cgroup_to_parent(&group));
	ck_assert_str_eq(group.path, "/a/bc");
	ck_assert(ipk__cgroup_to_parent(&group));
	ck_assert_str_eq(group.path, "/a");
	ck_assert(ipk__cgroup_to_parent(&group));
	ck_assert_str_eq(group.path, "/");
	ck_assert(!ipk__cgroup_to_parent(&group));
}
END_TEST

START_TEST(count_is_sane)
{
	unsigned n = ipk_cpu_count();

	ck_assert_int_ge(n, 1);
	ck_assert_int_le(n, (int)sysconf(_SC_NPROCESSORS_CONF));
	ck_assert_uint_eq(ipk_cpu_count(), n);
}
END_TEST

START_TEST(count_follows_affinity)
{
	cpu_set_t before, one;
	int cpu = ipk__os_cpu();

	ck_assert_int_eq(sched_getaffinity(0, sizeof before, &before), 0);
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
	ck_assert_uint_eq(ipk_cpu_count(), 1);
	ck_assert_int_eq(ipk__os_cpu(), cpu);
	ck_assert_int_eq(sched_setaffinity(0, sizeof before, &before), 0);
	ck_assert_uint_le(ipk_cpu_count(), (unsigned)CPU_COUNT(&before));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cpu");

	add_test(s, quota_rounds_up);
	add_test(s, no_quota_is_no_limit);
	add_test(s, finds_v2);
	add_test(s, v1_wins_where_it_has_the_cpus);
	add_test(s, container_sees_a_part);
	add_test(s, nonsense_finds_nothing);
	add_test(s, goes_up_to_the_root);
	add_test(s, count_is_sane);
	add_test(s, count_follows_affinity);
	return s;
}

IPK_TEST_MAIN(suite)
