/*
 * pool_fixture.h - a pool and all its processes, seen from outside: found by their process group in
 * /proc.
 */
#ifndef IPK_TESTS_POOL_FIXTURE_H
#define IPK_TESTS_POOL_FIXTURE_H

#include <stdint.h>

#include "ipk/pool.h"
#include "support/support.h"

struct crowd {
	int n_alive;   /* running, sleeping or stopped; this process not counted */
	int n_zombies; /* children of this process: those that init got are its own */
};

struct crowd crowd_of(pid_t group);
/* Nobody but this process is left in @group, no zombies of ours either; within @ms. */
bool is_deserted(pid_t group, int ms);

/* Signal worker @number, if the very process is still there. Returns its pid, 0: it was not. */
pid_t signal_worker(const ipk_pool *pool, unsigned number, int sig);
/* The same for the process that forks the workers, if it has a standby now. */
pid_t signal_zygote(const ipk_pool *pool, int sig);

/* A small generator: the same numbers for the same seed. */
uint32_t next_random(uint64_t *state);

#endif
