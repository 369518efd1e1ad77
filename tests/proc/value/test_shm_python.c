/*
 * test_shm_python.c - raw shared memory against the real multiprocessing.shared_memory: what is
 * created here is used there and vice versa, byte for byte.
 *
 * A script gets the name and its length, prints a line at each step, and reads a line before it
 * continues. Numbers go through numpy where it is installed, and otherwise through Python's own
 * memoryview, which reads memory the same way.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ipk/shm.h"
#include "support/support.h"

enum { SIZE = 5000, N_NUMBERS = SIZE / sizeof(double) };

#define PRELUDE                                                           \
	"import sys\n"                                                    \
	"from multiprocessing import resource_tracker\n"                  \
	"from multiprocessing.shared_memory import SharedMemory\n"        \
	"name, size = sys.argv[1], int(sys.argv[2])\n"                    \
	"def attach():\n"                                                 \
	"    try:\n"                                                      \
	"        return SharedMemory(name=name, track=False)\n"           \
	"    except TypeError: # before 3.13\n"                           \
	"        s = SharedMemory(name=name)\n"                           \
	"        resource_tracker.unregister(s._name, 'shared_memory')\n" \
	"        return s\n"                                              \
	"def say(word):\n"                                                \
	"    print(word, flush=True)\n"                                   \
	"def hear():\n"                                                   \
	"    sys.stdin.readline()\n"                                      \
	"def numbers(s):\n"                                               \
	"    n = size // 8\n"                                             \
	"    try:\n"                                                      \
	"        import numpy\n"                                          \
	"    except ImportError:\n"                                       \
	"        return s.buf[:8 * n].cast('d')\n"                        \
	"    return numpy.ndarray((n,), dtype=numpy.float64, buffer=s.buf)\n"

struct python {
	pid_t pid;
	int in, out;
};

static char name[UNIQUE_NAME_BYTES];
static char path[UNIQUE_NAME_BYTES + 16];

static void new_name(void)
{
	unique_name(name, "python");
	snprintf(path, sizeof path, "/dev/shm/%s", name);
}

static struct python start(const char *script)
{
	int in[2], out[2];
	struct python p;
	char size[16];

	snprintf(size, sizeof size, "%d", SIZE);
	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	p.pid = fork();
	if (p.pid != 0) /* a child leaves the file of results alone */
		ck_assert_int_ge(p.pid, 0);
	if (p.pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execlp("python3", "python3", "-c", script, name, size, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	p.in = in[1];
	p.out = out[0];
	return p;
}

/* Whatever it says, it is the next thing: it has got so far. */
static void ck_hear(const struct python *p, const char *word)
{
	struct pollfd poll_fd = {.fd = p->out, .events = POLLIN};
	char line[64] = "";
	size_t n = 0;

	while (n < sizeof line - 1 && !strchr(line, '\n')) {
		ck_assert_msg(poll(&poll_fd, 1, WAIT_MS) == 1, "nothing but \"%s\"", line);
		ck_assert_msg(read(p->out, line + n, 1) == 1, "it ended after \"%s\"", line);
		n++;
	}
	line[n - 1] = '\0';
	ck_assert_str_eq(line, word);
}

static void say(const struct python *p)
{
	ck_assert_int_eq(write(p->in, "\n", 1), 1);
}

static void end(const struct python *p)
{
	reap_ok(p->pid);
	close(p->in);
	close(p->out);
}

static unsigned char pattern(int i)
{
	return (unsigned char)(i * 7 % 251);
}

static ipk_shm *make(void)
{
	ipk_shm *s = NULL;
	unsigned char *bytes;

	new_name();
	ck_ok(ipk_shm_create(IPK_SHM(.name = name, .size_bytes = SIZE, .is_raw = true), &s));
	bytes = ipk_shm_data(s);
	for (int i = 0; i < SIZE; i++)
		bytes[i] = pattern(i);
	return s;
}

/* --- made here -------------------------------------------------------------------------------- */

START_TEST(python_opens_what_we_made)
{
	ipk_shm *s = make();
	unsigned char *bytes = ipk_shm_data(s);
	struct python p = start(PRELUDE "s = attach()\n"
					"assert s.size == size, s.size\n"
					"assert all(s.buf[i] == i * 7 % 251 for i in range(size))\n"
					"s.buf[0] = 200\n"
					"s.buf[size - 1] = 201\n"
					"say('written')\n"
					"hear()\n"
					"assert s.buf[1] == 202\n"
					"s.close()\n");
	uint32_t pids[64];
	bool is_user = false;
	size_t n = 0;

	ck_hear(&p, "written");
	ck_assert_int_eq(bytes[0], 200);
	ck_assert_int_eq(bytes[SIZE - 1], 201);
	ck_ok(ipk_shm_users(s, pids, 64, &n));
	for (size_t i = 0; i < n && i < 64; i++)
		is_user |= pids[i] == (uint32_t)p.pid;
	ck_assert(is_user);
	bytes[1] = 202;
	say(&p);
	end(&p);
	/* Its end took nothing away. */
	ck_assert(ipk_shm_is_current(s));
	ck_ok(ipk_shm_unlink(name, IPK_SHM_RAW));
	ipk_shm_close(s);
}
END_TEST

START_TEST(killed_python_takes_nothing_away)
{
	ipk_shm *s = make();
	struct python p = start(PRELUDE "s = attach()\n"
					"s.buf[0] = 200\n"
					"say('written')\n"
					"hear()\n");

	ck_hear(&p, "written");
	kill_and_reap(p.pid);
	close(p.in);
	close(p.out);
	ck_assert(ipk_shm_is_current(s));
	ck_assert_int_eq(*(unsigned char *)ipk_shm_data(s), 200);
	ck_assert_int_eq(((unsigned char *)ipk_shm_data(s))[1], pattern(1));
	ck_ok(ipk_shm_unlink(name, IPK_SHM_RAW));
	ipk_shm_close(s);
}
END_TEST

START_TEST(python_sees_the_larger_one)
{
	ipk_shm *s = make(), *bigger = NULL;
	struct python p = start(PRELUDE "old = attach()\n"
					"say('opened')\n"
					"hear()\n"
					"new = attach()\n"
					"assert old.size == size and new.size == 3 * size\n"
					"assert new.buf[:size] == old.buf[:size]\n"
					"assert not any(new.buf[size:])\n"
					"new.buf[3 * size - 1] = 9\n"
					"old.close()\n"
					"new.close()\n");

	ck_hear(&p, "opened");
	ck_ok(ipk_shm_replace(s, 3 * (size_t)SIZE, &bigger));
	say(&p);
	end(&p);
	ck_assert_int_eq(((char *)ipk_shm_data(bigger))[3 * SIZE - 1], 9);
	ck_assert(ipk_shm_is_current(bigger));
	ck_ok(ipk_shm_unlink(name, IPK_SHM_RAW));
	ipk_shm_close(s);
	ipk_shm_close(bigger);
}
END_TEST

START_TEST(numbers_are_the_same_numbers)
{
	ipk_shm *s = NULL;
	struct python p;
	double *numbers;

	new_name();
	ck_ok(ipk_shm_create(IPK_SHM(.name = name, .size_bytes = SIZE, .is_raw = true), &s));
	numbers = ipk_shm_data(s);
	for (size_t i = 0; i < N_NUMBERS; i++)
		numbers[i] = (double)i / 4;
	p = start(PRELUDE "s = attach()\n"
			  "a = numbers(s)\n"
			  "for i in range(len(a)):\n"
			  "    assert a[i] == i / 4\n"
			  "    a[i] *= 2\n"
			  "del a\n"
			  "s.close()\n"
			  "say('done')\n");
	ck_hear(&p, "done");
	end(&p);
	for (size_t i = 0; i < N_NUMBERS; i++)
		ck_assert_double_eq(numbers[i], (double)i / 2);
	ck_ok(ipk_shm_unlink(name, IPK_SHM_RAW));
	ipk_shm_close(s);
}
END_TEST

/* --- made there ------------------------------------------------------------------------------- */

#define MAKE                                                               \
	PRELUDE "s = SharedMemory(name=name, create=True, size=size)\n"    \
		"s.buf[:size] = bytes(i * 7 % 251 for i in range(size))\n" \
		"say('made')\n"                                            \
		"hear()\n"

START_TEST(we_open_what_python_made)
{
	ipk_shm *s = NULL, *reader = NULL;
	struct python p;
	unsigned char *bytes;

	new_name();
	p = start(MAKE "assert s.buf[0] == 200 and s.buf[size - 1] == 201\n"
		       "s.buf[1] = 202\n"
		       "say('seen')\n"
		       "hear()\n"
		       "s.close()\n"
		       "s.unlink()\n");
	ck_hear(&p, "made");
	ck_ok(ipk_shm_open(name, IPK_SHM_RAW, ipk_now(), &s));
	ck_ok(ipk_shm_open(name, IPK_SHM_RAW | IPK_SHM_READ_ONLY, ipk_now(), &reader));
	ck_assert_uint_eq(ipk_shm_size_bytes(s), SIZE);
	bytes = ipk_shm_data(s);
	for (int i = 0; i < SIZE; i++)
		ck_assert_int_eq(bytes[i], pattern(i));
	bytes[0] = 200;
	bytes[SIZE - 1] = 201;
	say(&p);
	ck_hear(&p, "seen");
	ck_assert_int_eq(((unsigned char *)ipk_shm_data(reader))[1], 202);
	/* Our closing leaves it to Python to remove the name. */
	reader = ipk_shm_close(reader);
	ck_assert(ipk_shm_is_current(s));
	say(&p);
	end(&p);
	ck_assert(!ipk_shm_is_current(s));
	ck_assert_int_eq(bytes[0], 200);
	ck_err(ipk_shm_open(name, IPK_SHM_RAW, ipk_now(), &reader), -ENOENT);
	ipk_shm_close(s);
}
END_TEST

START_TEST(name_that_python_took_is_taken)
{
	ipk_shm *s = NULL;
	struct python p;

	new_name();
	p = start(MAKE "s.close()\n"
		       "s.unlink()\n");
	ck_hear(&p, "made");
	ck_err(ipk_shm_create(IPK_SHM(.name = name, .size_bytes = 1, .is_raw = true), &s), -EEXIST);
	/* A name of ours is not the same. */
	ck_err(ipk_shm_open(name, 0, ipk_now(), &s), -ENOENT);
	say(&p);
	end(&p);
}
END_TEST

static bool is_gone(void *arg)
{
	(void)arg;
	return access(path, F_OK) != 0;
}

/* Its resource tracker then removes the name, but not what we have. */
START_TEST(killed_maker_leaves_us_the_memory)
{
	ipk_shm *s = NULL;
	struct python p;

	new_name();
	p = start(MAKE);
	ck_hear(&p, "made");
	ck_ok(ipk_shm_open(name, IPK_SHM_RAW, ipk_now(), &s));
	kill_and_reap(p.pid);
	close(p.in);
	close(p.out);
	ck_assert(wait_until(is_gone, NULL, WAIT_MS));
	ck_assert(!ipk_shm_is_current(s));
	for (int i = 0; i < SIZE; i++)
		ck_assert_int_eq(((unsigned char *)ipk_shm_data(s))[i], pattern(i));
	ipk_shm_close(s);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("shm_python");

	add_test(s, python_opens_what_we_made);
	add_test(s, killed_python_takes_nothing_away);
	add_test(s, python_sees_the_larger_one);
	add_test(s, numbers_are_the_same_numbers);
	add_test(s, we_open_what_python_made);
	add_test(s, name_that_python_took_is_taken);
	add_test(s, killed_maker_leaves_us_the_memory);
	return s;
}

IPK_TEST_MAIN(suite)
