/*
 * log_sync.c - the thread that waits for the disk, so the loop never blocks on it.
 *
 * It does one job at a time, in this order: sync a file, rename it, and close another. It touches
 * only fds and strings that stay valid until it is finished with them.
 */
#include <errno.h>

#include "os/os.h"
#include "os/uncancelled.h"
#include "log/log_internal.h"

static bool has_work(const struct ipk__log_sync *s)
{
	return s->sync_fd >= 0 || s->close_fd >= 0;
}

/* Under the mutex, which is not held while the disk is waited for. */
static void work(struct ipk__log_sync *s)
{
	int fd = s->sync_fd;
	int close_fd = s->close_fd;
	const char *from = s->rename_from;
	const char *to = s->rename_to;
	int r = 0;

	s->sync_fd = s->close_fd = -1;
	pthread_mutex_unlock(&s->mutex);
	if (fd >= 0)
		r = ipk__os_file_sync(fd);
	if (r == 0 && fd >= 0 && from)
		r = ipk__os_file_rename(from, to);
	ipk__os_close(close_fd);
	pthread_mutex_lock(&s->mutex);
	if (fd >= 0) {
		s->result = r;
		s->is_busy = false;
		pthread_cond_broadcast(&s->it_is_done);
	}
}

static void *run(void *arg)
{
	struct ipk__log_sync *s = arg;

	ipk__os_set_thread_name("ipk-log");
	pthread_mutex_lock(&s->mutex);
	for (;;) {
		while (!s->stop && !has_work(s))
			pthread_cond_wait(&s->there_is_work, &s->mutex);
		if (!has_work(s))
			break;
		work(s);
	}
	pthread_mutex_unlock(&s->mutex);
	return NULL;
}

int ipk__log_sync_start(struct ipk__log_sync *s)
{
	int r;

	*s = (struct ipk__log_sync){.sync_fd = -1, .close_fd = -1};
	pthread_mutex_init(&s->mutex, NULL);
	pthread_cond_init(&s->there_is_work, NULL);
	pthread_cond_init(&s->it_is_done, NULL);
	r = ipk__os_thread_start(run, s, &s->thread);
	s->is_started = r == 0;
	return r;
}

void ipk__log_sync_stop(struct ipk__log_sync *s)
{
	if (!s->is_started)
		return;
	pthread_mutex_lock(&s->mutex);
	s->stop = true;
	pthread_cond_signal(&s->there_is_work);
	pthread_mutex_unlock(&s->mutex);
	ipk__os_thread_join(s->thread);
	pthread_cond_destroy(&s->there_is_work);
	pthread_cond_destroy(&s->it_is_done);
	pthread_mutex_destroy(&s->mutex);
	s->is_started = false;
}

bool ipk__log_sync_post(struct ipk__log_sync *s, int fd, const char *from, const char *to)
{
	bool is_free;

	pthread_mutex_lock(&s->mutex);
	is_free = !s->is_busy;
	if (is_free) {
		s->is_busy = true;
		s->sync_fd = fd;
		s->rename_from = from;
		s->rename_to = to;
		pthread_cond_signal(&s->there_is_work);
	}
	pthread_mutex_unlock(&s->mutex);
	return is_free;
}

void ipk__log_sync_close(struct ipk__log_sync *s, int fd)
{
	pthread_mutex_lock(&s->mutex);
	if (s->close_fd < 0) {
		s->close_fd = fd;
		fd = -1;
		pthread_cond_signal(&s->there_is_work);
	}
	pthread_mutex_unlock(&s->mutex);
	ipk__os_close(fd); /* -1: the thread does it */
}

void ipk__log_sync_wait(struct ipk__log_sync *s)
{
	IPK__UNCANCELLED();

	pthread_mutex_lock(&s->mutex);
	while (s->is_busy)
		pthread_cond_wait(&s->it_is_done, &s->mutex);
	pthread_mutex_unlock(&s->mutex);
}

bool ipk__log_sync_is_busy(struct ipk__log_sync *s, int *ret_result)
{
	bool is_busy;

	pthread_mutex_lock(&s->mutex);
	is_busy = s->is_busy;
	*ret_result = s->result;
	pthread_mutex_unlock(&s->mutex);
	return is_busy;
}
