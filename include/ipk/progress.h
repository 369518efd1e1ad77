/*
 * progress.h - how far a pool is with its work, for people and programs.
 */
#ifndef IPK_PROGRESS_H
#define IPK_PROGRESS_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Counters since the pool was created; items of maps count one by one. */
typedef struct ipk_progress {
	uint64_t n_submitted;
	uint64_t n_done;   /* with a result */
	uint64_t n_failed; /* with a failure; the causes: */
	uint64_t n_task_errors;
	uint64_t n_died;
	uint64_t n_timeouts;
	uint64_t n_quarantined;
	uint64_t n_too_large;
	uint64_t n_cancelled; /* not among the failed */
	uint64_t n_retried;   /* after a worker's death */
	uint64_t n_running;
	uint64_t n_queued;     /* submitted and not begun */
	uint32_t n_workers;    /* alive now */
	uint32_t n_replaced;   /* workers that died and were replaced; those retired by
				  max_tasks_per_worker do not count */
	int64_t since_boot_ns; /* CLOCK_BOOTTIME of the pool's creation */
	int64_t now_boot_ns;   /* and of this look */
	uint64_t reserved[8];  /* 0 */
} ipk_progress;

typedef void (*ipk_progress_fn)(const ipk_progress *progress, void *arg);

/**
 * ipk_progress_bar() - draw progress on a terminal
 * @progress: what to show
 * @file:     a FILE *, usually stderr
 *
 * On a terminal one line that is drawn over: bar, share, rate, time left, failures; elsewhere a
 * plain line at each tenth and at the end. Made for on_progress of ipk_pool_opts, and called
 * only when the program asks for it. All numbers are of the work since the pool last had none,
 * the rate and the time left by it of the last five seconds. Does nothing when either is NULL,
 * or when there is no memory to remember in.
 *
 * Blocks:  while writing to @file does: a terminal that is held, a full pipe.
 * Callers: always the same thread for a pool and a file, which remembers what it drew.
 * Source:  lib/pool/progress_bar.c  Since: 0.4
 *
 * Return: nothing.
 */
IPK_API void ipk_progress_bar(const ipk_progress *progress, void *file);

#ifdef __cplusplus
}
#endif

#endif
