/* sweep.h - a trial at every point of an operation. */
#ifndef IPK_KILL_SWEEP_H
#define IPK_KILL_SWEEP_H

#include "fixture.h"

struct sweep_opts {
	bool is_quick;
	bool is_loud;  /* say where the first faults are, on stderr */
	int64_t point; /* just this one; -1: all */
};

struct sweep_result {
	uint32_t n_steps; /* that the operation takes */
	uint32_t n_points;
	bool is_all; /* every instruction, copies apart */
	struct faults faults;
};

/* False: the fixture could not be set up (said on stderr), or somebody asked to stop. */
bool sweep(const struct op *op, const struct sweep_opts *opts, struct sweep_result *ret);

extern volatile int must_stop; /* set by a signal; heeded between trials */

#endif
