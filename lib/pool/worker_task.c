/*
 * worker_task.c - the calls that a task may make, and the path of its result to the creator.
 *
 * A short result goes into the task's slot at once. A longer one is kept here until the function
 * has returned, since the last one counts and only if it returned 0. Then a process writes it to
 * its own file, which the creator gets the first time and reads at the offset in the slot; the
 * worker appends, or, where it may not extend a file (RLIMIT_FSIZE), writes into a hole: the
 * creator returns the pages that it has read to the kernel, and no other process makes holes. A
 * thread passes the memory itself.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "pool/worker.h"

static _Thread_local struct ipk_task *current;

void ipk__task_set_current(struct ipk_task *task)
{
	current = task;
}

ipk_task *ipk_task_current(void)
{
	return current;
}

/* --- its result ------------------------------------------------------------------------------- */

static void forget_result(struct ipk_task *task)
{
	free(task->result);
	task->result = NULL;
	task->result_bytes = 0;
	task->result_kind = IPK__RESULT_INLINE;
}

int ipk_task_return(ipk_task *task, const void *data, size_t n_bytes)
{
	void *copy = NULL;

	if (!task || !task->slot || (n_bytes > 0 && !data))
		return ipk__invalid("task or data is NULL, or the task has returned");
	/* The slot may be another task's by the time a fork of this one's writes to it. */
	if (ipk__worker_is_fork(task->worker))
		return -EPERM;
	if (n_bytes > task->max_result_bytes) {
		forget_result(task);
		task->result_kind = IPK__RESULT_TOO_LARGE;
		return -EFBIG;
	}
	if (n_bytes > IPK__POOL_RESULT_INLINE) {
		copy = ipk__os_malloc(n_bytes);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, data, n_bytes);
	} else if (n_bytes > 0) {
		memmove(task->slot->result, data, n_bytes);
	}
	forget_result(task);
	task->result = copy;
	task->result_bytes = n_bytes;
	task->result_kind = copy ? IPK__RESULT_HEAP : IPK__RESULT_INLINE;
	return 0;
}

int ipk_task_fail(ipk_task *task, int code, const char *format, ...)
{
	va_list args;

	if (!task)
		return code;
	va_start(args, format);
	vsnprintf(task->text, sizeof task->text, format, args);
	va_end(args);
	return code;
}

/* Made at first need, and sent to the creator. */
static int open_spill(struct ipk__worker *w)
{
	char byte = 0;
	const struct iovec part = {&byte, 1};
	int fd;
	int r = ipk__os_memfd("ipk-results", &fd);

	if (r < 0)
		return r;
	r = ipk__os_seal(fd, true);
	if (r == 0)
		r = ipk__os_send(w->control_fd, &part, 1, &fd, 1);
	if (r < 0)
		ipk__os_close(fd);
	else
		w->spill_fd = fd;
	return r;
}

static int write_spill(struct ipk__worker *w, const struct ipk_task *task, uint64_t offset)
{
	int r = ipk__os_pwrite(w->spill_fd, task->result, task->result_bytes, offset);

	if (r == 0)
		task->slot->result_offset = offset;
	else if (r != -EFBIG)
		ipk__os_deallocate(w->spill_fd, offset, task->result_bytes);
	return r;
}

/* Each result begins a page of its own, so that its pages can be given back alone. */
static int spill(struct ipk__worker *w, struct ipk_task *task)
{
	uint64_t n_bytes = ipk__round_up(task->result_bytes, ipk__os_page_bytes());
	uint64_t hole;
	int r = w->spill_fd < 0 ? open_spill(w) : 0;

	if (r == 0)
		r = write_spill(w, task, w->spill_end);
	if (r == 0)
		w->spill_end += n_bytes;
	if (r == -EFBIG && ipk__os_find_hole(w->spill_fd, n_bytes, &hole) == 0)
		r = write_spill(w, task, hole);
	return r;
}

static void hand_over_long(struct ipk_task *task)
{
	struct ipk__worker *w = task->worker;

	if (w->is_thread) {
		task->slot->result_offset = (uint64_t)(uintptr_t)task->result;
		return;
	}
	task->result_kind = spill(w, task) == 0 ? IPK__RESULT_SPILLED : IPK__RESULT_NO_MEMORY;
	free(task->result);
	task->result = NULL;
}

void ipk__task_hand_over(struct ipk_task *task, int code)
{
	struct ipk__pool_slot *slot = task->slot;
	/* It only says what ipk_task_return() told it. */
	bool gives_up = task->result_kind == IPK__RESULT_TOO_LARGE && code == -EFBIG;

	if (code != 0 && !gives_up) {
		forget_result(task);
		task->result_kind = IPK__RESULT_ERROR;
		task->result_bytes = strlen(task->text);
		memcpy(slot->result, task->text, task->result_bytes + 1);
	} else if (task->result) {
		hand_over_long(task);
	}
	slot->code = code;
	slot->result_bytes = task->result_bytes;
	slot->result_kind = task->result_kind;
}

/* --- what it may ask -------------------------------------------------------------------------- */

bool ipk_task_should_stop(const ipk_task *task)
{
	if (!task)
		return false;
	if (task->slot)
		return atomic_load_explicit(&task->slot->stop, memory_order_relaxed) != 0;
	return task->map && ipk__map_should_stop(task);
}

unsigned ipk_task_attempt(const ipk_task *task)
{
	return task ? task->attempt : 0;
}

size_t ipk_task_index(const ipk_task *task)
{
	return task ? task->index : 0;
}

unsigned ipk_task_worker(const ipk_task *task)
{
	return task ? task->worker->number : 0;
}
