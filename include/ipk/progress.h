/*
 * progress.h - progress of a pool, for display and for programs.
 */
#ifndef IPK_PROGRESS_H
#define IPK_PROGRESS_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Counters since the pool was created; each item of a map counts. */
typedef struct ipk_progress {
	uint64_t n_submitted;
	uint64_t n_done;   /* succeeded */
	uint64_t n_failed; /* failed; by cause: */
	uint64_t n_task_errors;
	uint64_t n_died;
	uint64_t n_timeouts;
	uint64_t n_quarantined;
	uint64_t n_too_large;
	uint64_t n_cancelled; /* not included in n_failed */
	uint64_t n_retried;   /* retries after the death of a worker */
	uint64_t n_running;
	uint64_t n_queued;     /* submitted, not started */
	uint32_t n_workers;    /* alive now */
	uint32_t n_replaced;   /* workers that died and were replaced; those retired by
				  max_tasks_per_worker do not count */
	int64_t since_boot_ns; /* CLOCK_BOOTTIME when the pool was created */
	int64_t now_boot_ns;   /* CLOCK_BOOTTIME of this snapshot */
	uint64_t reserved[8];  /* 0 */
} ipk_progress;

typedef void (*ipk_progress_fn)(const ipk_progress *progress, void *arg);

/**
 * ipk_progress_bar() - draw progress on a terminal
 * @progress: what to show
 * @file:     a FILE *, usually stderr
 *
 * On a terminal it redraws one line: bar, percentage, rate, time left, failures. Elsewhere it
 * prints a plain line at each tenth and at the end. It is meant for on_progress of ipk_pool_opts
 * and is never called by default. All numbers refer to the work since the pool was last idle; the
 * rate is that of the last five seconds, and the time left follows from it. Does nothing if an
 * argument is NULL or memory is exhausted.
 *
 * Blocks:  while a write to @file blocks: a stopped terminal, a full pipe.
 * Callers: always the same thread for one pool and file, because it remembers what it drew.
 * Source:  lib/pool/progress_bar.c  Since: 0.4
 *
 * Return: nothing.
 */
IPK_API void ipk_progress_bar(const ipk_progress *progress, void *file);

#ifdef __cplusplus
}
#endif

#endif
