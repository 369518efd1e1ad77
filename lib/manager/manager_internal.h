/*
 * manager_internal.h - declarations shared by the handles of lib/manager.
 *
 *   manager.c  connecting, and calls on the whole     ask.c        requests and replies
 *   reply.c    replies
 *   dict.c  managed_list.c  sync.c  managed_queue.c  managed_value.c     the handles
 *   batch.c  transaction.c  watch.c  keys.c  reference.c
 */
#ifndef IPK_MANAGER_MANAGER_INTERNAL_H
#define IPK_MANAGER_MANAGER_INTERNAL_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdarg.h>

#include "backend/backend.h"
#include "backend/timed_mutex.h"
#include "net/resp.h"
#include "store/view.h"

struct ipk_manager {
	struct ipk__backend *backend;
	/* held from WATCH to EXEC: a connection has one set of watched keys */
	struct ipk__timed_mutex transaction;
	pid_t transaction_pid; /* a fork child acquires it anew */
};

#define IPK__OBJECT_NAME_MAX 1024u

/* Every handle begins with this. */
struct ipk__handle {
	ipk_manager *m;
	struct ipk__slice name; /* in memory after the handle's own */
	/* The position of its object in the store, for reading in place: see ipk__handle_view(). */
	_Atomic uint64_t generation; /* of the view it was found in; 0: not found yet */
	_Atomic uint64_t spot_id;
	_Atomic uint32_t spot_slot;
};

/* A handle of @n_bytes for @name; its first member is a struct ipk__handle. */
int ipk__handle_make(ipk_manager *m, const char *name, size_t n_bytes, void *ret_handle);

/* --- requests (ask.c) ---------------------------------------------------------------------------- */

/* 0 also for an error reply, which is the reply. */
int ipk__ask_raw(ipk_manager *m, const struct ipk__call *call, ipk_deadline deadline);
/* The same, but an error reply is its error. */
int ipk__ask_call(ipk_manager *m, const struct ipk__call *call, ipk_deadline deadline);
#define ipk__ask(m, flags_, reply_, deadline, ...)                                       \
	ipk__ask_call((m),                                                               \
		      &(const struct ipk__call){                                         \
			      .argv = (const struct ipk__slice[]){__VA_ARGS__},          \
			      .argc = sizeof((const struct ipk__slice[]){__VA_ARGS__}) / \
				      sizeof(struct ipk__slice),                         \
			      .flags = (flags_),                                         \
			      .reply = (reply_),                                         \
		      },                                                                 \
		      (deadline))
/* For replies that only confirm. */
int ipk__ask_done(ipk_manager *m, const struct ipk__slice *argv, size_t argc,
		  ipk_deadline deadline);
/* The same of what makes sense only over connection @epoch; 0: over any. -EOWNERDEAD */
int ipk__ask_bound(ipk_manager *m, uint32_t epoch, const struct ipk__slice *argv, size_t argc,
		   ipk_deadline deadline);
#define ipk__tell(m, deadline, ...)                                      \
	ipk__ask_done((m), (const struct ipk__slice[]){__VA_ARGS__},     \
		      sizeof((const struct ipk__slice[]){__VA_ARGS__}) / \
			      sizeof(struct ipk__slice),                 \
		      (deadline))
/* The reply is a number. */
int ipk__ask_number(ipk_manager *m, unsigned flags, const struct ipk__slice *argv, size_t argc,
		    ipk_deadline deadline, int64_t *ret_n);
#define ipk__ask_int(m, flags, deadline, ret_n, ...)                            \
	ipk__ask_number((m), (flags), (const struct ipk__slice[]){__VA_ARGS__}, \
			sizeof((const struct ipk__slice[]){__VA_ARGS__}) /      \
				sizeof(struct ipk__slice),                      \
			(deadline), (ret_n))
/* The reply is bytes: -ENOENT null. In the caller's buffer, or in allocated memory. */
int ipk__ask_copy(ipk_manager *m, const struct ipk__slice *argv, size_t argc, void *buf,
		  size_t buf_bytes, ipk_deadline deadline, size_t *ret_len_bytes);
int ipk__ask_alloc(ipk_manager *m, unsigned flags, const struct ipk__slice *argv, size_t argc,
		   ipk_deadline deadline, void **ret_data, size_t *ret_len_bytes);
/* Returns the whole reply. */
int ipk__ask_reply(ipk_manager *m, unsigned flags, const struct ipk__slice *argv, size_t argc,
		   ipk_deadline deadline, ipk_reply **ret_reply);
/* @head and then @n items as words, in memory to be freed; -EINVAL an item without bytes. */
int ipk__argv_of(const struct ipk__slice *head, size_t n_head, const ipk_bytes *items, size_t n,
		 struct ipk__slice **ret_argv);

static inline bool ipk__slices_are_valid(const void *data, size_t n_bytes)
{
	return (data || n_bytes == 0) && n_bytes <= IPK__STORE_ITEM_MAX;
}

/* The texts of ipk_error_detail() for arguments that many calls have. */
#define IPK__WRONG_DATA "data: NULL although len_bytes is not 0, or more than 512 MiB"
#define IPK__WRONG_FIELD "field: NULL although its length is not 0, or more than 512 MiB"
#define IPK__WRONG_BUF "buf is NULL, and buf_bytes is not 0"
#define IPK__WRONG_NAME "name: 1 to 1024 bytes"

/* The words of a user's command; -EINVAL one that a shared connection must not send. */
int ipk__command_argv(const ipk_bytes *words, size_t argc, struct ipk__slice **ret_argv);

/* --- replies (reply.c) ------------------------------------------------------------------------ */

struct ipk_reply {
	struct ipk__response held;
	size_t at;
};
int ipk__text_to_double(struct ipk__slice text, double *ret_d); /* -ERANGE */
int ipk__copy_out(struct ipk__slice from, void *buf, size_t buf_bytes, size_t *ret_len_bytes);
int ipk__copy_alloc(struct ipk__slice from, void **ret_data, size_t *ret_len_bytes);
/* Like ipk__response_put(), but takes the memory over. */
ipk_reply *
ipk__response_public(struct ipk__response *from); /* NULL: out of memory; @from is empty then */

/* --- typed values (reference.c) --------------------------------------------------------------- */

/* Keeps the malloc()ed @data until this thread's next one, and unpacks it. */
int ipk__typed_unpack(void *data, size_t len_bytes, const char *format, va_list args);
int ipk__ref_make(ipk_ref_kind kind, const char *name, char buf[IPK__OBJECT_NAME_MAX + 8],
		  struct ipk__slice *ret_value);
int ipk__ref_name(void *data, size_t len_bytes, ipk_ref_kind kind,
		  char name[IPK__OBJECT_NAME_MAX + 1]); /* frees @data */

/* --- reading in place ------------------------------------------------------------------------- */

/*
 * The position of the handle's object: 0 and a view, or why the server must be asked, or -ENOENT,
 * -EPROTOTYPE.
 */
int ipk__handle_view(struct ipk__handle *h, enum ipk__key_type type, struct ipk__view **ret_view,
		     struct ipk__spot *ret_spot);
void ipk__handle_lost(struct ipk__handle *h); /* the position was stale */
/* Results for which the server must be asked. */
static inline bool ipk__is_local_answer(int r)
{
	return r == 0 || r == -ENOENT || r == -EPROTOTYPE || r == -ERANGE || r == -EMSGSIZE;
}

#endif
