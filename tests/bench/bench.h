/*
 * bench.h - what the files of the benchmark program share.
 *
 * A row is our way of doing something and its peers: other ways of doing the same, or a physical
 * limit. All contenders of a row alternate, round by round, in one run, so that any disturbance of
 * the machine affects all of them; medians are compared.
 */
#ifndef BENCH_H
#define BENCH_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define BENCH_MESSAGE_BYTES 64
#define BENCH_PEERS_MAX 3

struct bench_time {
	double elapsed_ns;  /* from the start barrier to the end of the last side */
	double measured_ns; /* what counts: the same, or what bench_measured() was given */
};

struct bench_contender {
	const char *name;
	/* n operations: 0, -ENOSYS when this peer is not on the machine, or -errno. */
	int (*run)(size_t n, struct bench_time *ret_time);
	double target; /* of a peer: the ratio that ours must reach */
};

struct bench_row {
	const char *name;
	const char *unit;
	bool is_rate;    /* value: operations a second, else nanoseconds an operation ... */
	double scale;    /* ... times this */
	int n_cpus;      /* that it needs */
	bool is_counted; /* the result of a single operation is a count, always the same */
	struct bench_contender ours;
	struct bench_contender peers[BENCH_PEERS_MAX];
};

/* Each family's rows, ended by one without a name. */
extern const struct bench_row bench_pipe_rtt_rows[];
extern const struct bench_row bench_pipe_flow_rows[];
extern const struct bench_row bench_queue_rows[];
extern const struct bench_row bench_pack_rows[];
extern const struct bench_row bench_process_rows[];
extern const struct bench_row bench_pool_rows[];
extern const struct bench_row bench_idle_rows[];
extern const struct bench_row bench_lock_rows[];
extern const struct bench_row bench_sync_rows[];
extern const struct bench_row bench_value_rows[];
extern const struct bench_row bench_wire_rows[];
extern const struct bench_row bench_manager_rows[];

/* --- bench_team.c: processes that start together ---------------------------------------------- */

enum { BENCH_ANY_CPU = -1 };

struct bench_side {
	int (*work)(void *arg, size_t n); /* 0 or -errno; also called once for warm-up */
	int cpu;                          /* 0, 1: the first, second we may use */
};

/* One forked process for each side; they have @arg as it is now. */
int bench_team(const struct bench_side *sides, size_t n_sides, void *arg, size_t n,
	       struct bench_time *ret_time);

/*
 * In a side, for each operation: let this time count instead of the time that passed; of
 * all of them, the median.
 */
void bench_measured(int64_t ns);
void bench_forget(void); /* what was measured so far */

int bench_cpu_count(void);     /* how many we may use */
int bench_cpu_number(int nth); /* what the kernel calls the nth of them; -1 for none */
/* The processor's name, how many there are and the kernel, without what JSON would escape. */
void bench_machine(char *buf, size_t buf_bytes);

/* Zeroed memory that forked processes share; never NULL. */
void *bench_shared(size_t n_bytes);
void bench_unshare(void *memory, size_t n_bytes);

static inline int64_t bench_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline void bench_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

/* --- bench_pipe_rtt.c: waking whoever sleeps on the other core -------------------------------- */

void bench_work_until_other_sleeps(void);
int bench_futex_asleep(size_t n, struct bench_time *ret_time); /* by a bare futex */

/* --- peer_python.c ---------------------------------------------------------------------------- */

/* Runs @script of this folder with @args and n; it prints the nanoseconds that it took. */
int bench_python(const char *script, const char *args, size_t n, struct bench_time *ret_time);

#endif
