/*
 * test_progress_bar.c - what is drawn, byte for byte: into a pseudo-terminal of a given width, and
 * into a file that is no terminal.
 */
#include <fcntl.h>
#include <ipk/progress.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "os/os.h"
#include "support/support.h"

#define S ((int64_t)1000000000)

static int master;
static FILE *file;

static void set_width(int n_columns)
{
	struct winsize size = {.ws_col = (unsigned short)n_columns, .ws_row = 24};

	ck_assert_int_eq(ioctl(master, TIOCSWINSZ, &size), 0);
}

static void open_terminal(int n_columns)
{
	struct termios raw;
	int fd;

	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(master, 0);
	ck_assert_int_eq(grantpt(master) | unlockpt(master), 0);
	fd = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(tcgetattr(fd, &raw), 0);
	cfmakeraw(&raw);
	ck_assert_int_eq(tcsetattr(fd, TCSANOW, &raw), 0);
	set_width(n_columns);
	file = fdopen(fd, "w");
	ck_assert_ptr_nonnull(file);
}

static void close_terminal(void)
{
	fclose(file);
	close(master);
}

/* What was written since the last time. */
static const char *drawn(void)
{
	static char text[4096];
	size_t n = 0;

	while (ipk__os_poll1(master, IPK__OS_IN, ipk_now(), NULL) == 0) {
		ssize_t got = read(master, text + n, sizeof text - 1 - n);

		ck_assert_int_gt(got, 0);
		n += (size_t)got;
	}
	text[n] = '\0';
	return text;
}

static const char *draw(const ipk_progress *p)
{
	ipk_progress_bar(p, file);
	return drawn();
}

static ipk_progress at(int64_t second, uint64_t n_submitted, uint64_t n_done)
{
	return (ipk_progress){
		.since_boot_ns = 1,
		.now_boot_ns = 100 * S + second * S,
		.n_submitted = n_submitted,
		.n_done = n_done,
	};
}

#define DRAW(...) draw(&(ipk_progress[]){at(__VA_ARGS__)}[0])

START_TEST(one_line_is_drawn_over)
{
	open_terminal(80);
	ck_assert_str_eq(DRAW(0, 1000, 0),
			 "\r[                                      ]    0%  0/1000");
	ck_assert_str_eq(DRAW(1, 1000, 100), "\r[==>                                   ]   10%  "
					     "100/1000  100/s  0:09 left");
	ck_assert_str_eq(DRAW(2, 1000, 500), "\r[==================>                   ]   50%  "
					     "500/1000  250/s  0:02 left");
	ck_assert_str_eq(DRAW(4, 1000, 1000), "\r[======================================]  "
					      "100%  1000/1000  250/s  in 0:04 \n");
	/* That was all: nothing more to say until there is more work. */
	ck_assert_str_eq(DRAW(5, 1000, 1000), "");
	close_terminal();
}
END_TEST

START_TEST(next_work_begins_at_nothing)
{
	open_terminal(80);
	DRAW(0, 10, 0);
	DRAW(1, 10, 10);
	ck_assert_str_eq(DRAW(50, 30, 10),
			 "\r[                                      ]    0%  0/20");
	ck_assert_str_eq(DRAW(52, 30, 20), "\r[==================>                   ]   50%  "
					   "10/20  5.0/s  0:02 left");
	/* Between two looks: how long it took is not known. */
	DRAW(54, 30, 30);
	ck_assert_str_eq(DRAW(60, 34, 34),
			 "\r[======================================]  100%  4/4\n");
	close_terminal();
}
END_TEST

START_TEST(failures_are_told)
{
	ipk_progress p = at(0, 10, 2);

	open_terminal(80);
	p.n_failed = 2;
	ck_assert_ptr_nonnull(strstr(draw(&p), "40%  4/10  2 failed"));
	p.n_cancelled = 1;
	ck_assert_ptr_nonnull(strstr(draw(&p), "50%  5/10  2 failed, 1 cancelled"));
	p.n_failed = 0;
	ck_assert_ptr_nonnull(strstr(draw(&p), "30%  3/10  1 cancelled"));
	close_terminal();
}
END_TEST

/* How many columns the cursor goes to, at most. */
static int columns(const char *text)
{
	int n = 0, most = 0;

	for (; *text; text++) {
		n = *text == '\r' || *text == '\n' ? 0 : n + 1;
		most = n > most ? n : most;
	}
	return most;
}

START_TEST(never_longer_than_the_terminal)
{
	ipk_progress p = at(0, 123456789, 1);

	open_terminal(80);
	p.n_failed = 12345678;
	p.n_cancelled = 12345;
	for (int width = 200; width >= 1; width--) {
		p.n_done += 100000;
		p.now_boot_ns += S;
		set_width(width);
		ck_assert_int_lt(columns(draw(&p)), width > 1 ? width : 2);
	}
	for (int width = 1; width <= 1000; width += 37) {
		p.n_done++;
		set_width(width);
		ck_assert_int_lt(columns(draw(&p)), width > 1 ? width : 2);
	}
	p.n_submitted = p.n_done = p.n_failed = p.n_cancelled = UINT64_MAX / 3;
	set_width(80);
	ck_assert_int_lt(columns(draw(&p)), 80);
	close_terminal();
}
END_TEST

START_TEST(what_matters_least_is_left_out_first)
{
	static const struct {
		int width;
		const char *line;
	} cases[] = {
		{54, "\r[====>     ]   50%  50/100  10/s  0:05 left  1 failed"},
		{42, "\r 50%  50/100  10/s  0:05 left  1 failed"},
		{38, "\r 50%  10/s  0:05 left  1 failed"},
		{28, "\r 50%  0:05 left  1 failed"},
		{20, "\r 50%  1 failed"},
		{8, "\r 50%"},
		{3, "\r"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ipk_progress p = at(0, 100, 0);
		const char *line;

		/* A pool of its own, so that it begins anew. */
		p.since_boot_ns = (int64_t)i + 100;
		open_terminal(cases[i].width);
		draw(&p);
		p = at(5, 100, 49);
		p.since_boot_ns = (int64_t)i + 100;
		p.n_failed = 1;
		line = draw(&p);
		/* Blanks may follow: what was drawn before was longer. */
		ck_assert_int_eq(strncmp(line, cases[i].line, strlen(cases[i].line)), 0);
		ck_assert_uint_eq(strspn(line + strlen(cases[i].line), " "),
				  strlen(line) - strlen(cases[i].line));
		close_terminal();
	}
}
END_TEST

START_TEST(longer_lines_are_wiped)
{
	ipk_progress p = at(0, 10, 2);

	open_terminal(30);
	p.n_failed = 2;
	ck_assert_str_eq(draw(&p), "\r 40%  4/10  2 failed");
	p.n_failed = 0;
	p.n_done = 5;
	ck_assert_str_eq(draw(&p), "\r[======>        ]   50%  5/10");
	set_width(20);
	ck_assert_str_eq(draw(&p), "\r 50%  5/10         ");
	close_terminal();
}
END_TEST

START_TEST(rate_is_that_of_the_last_seconds)
{
	open_terminal(100);
	for (int i = 0; i <= 100; i++)
		DRAW(i, 10000, (uint64_t)i);
	/* A hundred times as fast for ten seconds: nothing is seen of the slow ones. */
	for (int i = 1; i < 10; i++)
		DRAW(100 + i, 10000, 100 + 100 * (uint64_t)i);
	ck_assert_ptr_nonnull(strstr(DRAW(110, 10000, 1100), "  100/s  1:29 left"));
	/* And now nothing at all: no time can be told. */
	for (int i = 1; i < 10; i++)
		DRAW(110 + i, 10000, 1100);
	ck_assert_ptr_nonnull(strstr(DRAW(120, 10000, 1100), "1100/10000  0.0/s"));
	ck_assert_ptr_null(strstr(DRAW(121, 10000, 1100), "left"));
	close_terminal();
}
END_TEST

START_TEST(large_numbers_are_short)
{
	open_terminal(120);
	DRAW(0, UINT64_MAX, 0);
	ck_assert_ptr_nonnull(strstr(DRAW(1, 100000000, 12345678), "  12346k/s  0:07 left"));
	close_terminal();
	open_terminal(120);
	DRAW(0, 1000000, 0);
	ck_assert_ptr_nonnull(strstr(DRAW(1, 1000000, 1), "  1.0/s  11 d left"));
	close_terminal();
	open_terminal(120);
	DRAW(0, 100000, 0);
	ck_assert_ptr_nonnull(strstr(DRAW(1, 100000, 1), "  1.0/s  27:46:39 left"));
	close_terminal();
}
END_TEST

/* --- no terminal ------------------------------------------------------------------------------ */

static char *plain_text(void (*print)(FILE *out))
{
	size_t n = 0;
	char *text = NULL;
	FILE *out = tmpfile();

	ck_assert_ptr_nonnull(out);
	print(out);
	n = (size_t)ftell(out);
	text = calloc(1, n + 1);
	ck_assert_ptr_nonnull(text);
	rewind(out);
	ck_assert_uint_eq(fread(text, 1, n, out), n);
	fclose(out);
	return text;
}

static void print_hundred(FILE *out)
{
	for (uint64_t i = 0; i <= 100; i++) {
		ipk_progress p = at((int64_t)i, 100, i > 50 ? i - 1 : i);

		p.n_failed = i > 50;
		ipk_progress_bar(&p, out);
	}
}

START_TEST(plain_lines_at_each_tenth)
{
	char *text = plain_text(print_hundred);

	ck_assert_str_eq(text, " 10%  10/100  1.0/s  1:30 left\n"
			       " 20%  20/100  1.0/s  1:20 left\n"
			       " 30%  30/100  1.0/s  1:10 left\n"
			       " 40%  40/100  1.0/s  1:00 left\n"
			       " 50%  50/100  1.0/s  0:50 left\n"
			       " 60%  60/100  1.0/s  0:40 left  1 failed\n"
			       " 70%  70/100  1.0/s  0:30 left  1 failed\n"
			       " 80%  80/100  1.0/s  0:20 left  1 failed\n"
			       " 90%  90/100  1.0/s  0:10 left  1 failed\n"
			       "100%  100/100  1.0/s  in 1:40  1 failed\n");
	free(text);
}
END_TEST

static void print_two_pools(FILE *out)
{
	for (uint64_t i = 0; i <= 4; i++) {
		ipk_progress a = at((int64_t)i, 4, i), b = at((int64_t)i, 40, 2 * i);

		b.since_boot_ns = 2;
		ipk_progress_bar(&a, out);
		ipk_progress_bar(&b, out);
	}
}

START_TEST(two_pools_are_not_mixed_up)
{
	char *text = plain_text(print_two_pools);

	ck_assert_str_eq(text, " 25%  1/4  1.0/s  0:03 left\n"
			       " 50%  2/4  1.0/s  0:02 left\n"
			       " 10%  4/40  2.0/s  0:18 left\n"
			       " 75%  3/4  1.0/s  0:01 left\n"
			       "100%  4/4  1.0/s  in 0:04\n"
			       " 20%  8/40  2.0/s  0:16 left\n");
	free(text);
}
END_TEST

START_TEST(nothing_is_drawn_of_nothing)
{
	ipk_progress p = at(0, 0, 0);

	open_terminal(80);
	ipk_progress_bar(NULL, file);
	ipk_progress_bar(&p, NULL);
	ck_assert_str_eq(draw(&p), "");
	close_terminal();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("progress_bar");

	add_test(s, one_line_is_drawn_over);
	add_test(s, next_work_begins_at_nothing);
	add_test(s, failures_are_told);
	add_test(s, never_longer_than_the_terminal);
	add_test(s, what_matters_least_is_left_out_first);
	add_test(s, longer_lines_are_wiped);
	add_test(s, rate_is_that_of_the_last_seconds);
	add_test(s, large_numbers_are_short);
	add_test(s, plain_lines_at_each_tenth);
	add_test(s, two_pools_are_not_mixed_up);
	add_test(s, nothing_is_drawn_of_nothing);
	return s;
}
IPK_TEST_MAIN(suite)
