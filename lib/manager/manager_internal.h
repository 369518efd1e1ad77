/*
 * manager_internal.h - what the handles of this room share.
 *
 *   manager.c  connecting, and calls on the whole     ask.c        words out, answers in
 *   reply.c    answers                                refusal.c    from a server's words to errno
 *   dict.c  managed_list.c  sync.c  managed_queue.c  managed_value.c     the handles
 *   batch.c  transaction.c  watch.c  keys.c  reference.c
 *   native*.c, redis*.c  the backends (backend.h)
 */
#ifndef IPK_MANAGER_MANAGER_INTERNAL_H
#define IPK_MANAGER_MANAGER_INTERNAL_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdarg.h>

#include "manager/backend.h"
#include "manager/turn.h"
#include "net/resp.h"
#include "store/view.h"

struct ipk_manager {
	struct ipk__backend *backend;
	struct ipk__turn
		transaction;   /* held from WATCH to EXEC: a connection has one set of those */
	pid_t transaction_pid; /* a fork child takes it anew */
};

#define IPK__OBJECT_NAME_MAX 1024u

/* Every handle begins with this. */
struct ipk__handle {
	ipk_manager *m;
	struct ipk__slice name; /* in memory right behind the handle's own */
	/* Where its object lies in the store, for reading in place: see ipk__handle_view(). */
	_Atomic uint64_t generation; /* of the view it was found in; 0: not found yet */
	_Atomic uint64_t spot_id;
	_Atomic uint32_t spot_slot;
};

/* A handle of @n_bytes for @name; its first member is a struct ipk__handle. */
int ipk__handle_make(ipk_manager *m, const char *name, size_t n_bytes, void *ret_handle);

/* --- words (ask.c) -------------------------------------------------------------------------- */

#define IPK__WORD(literal) IPK__SLICE_OF(literal)

struct ipk__number {
	char text[24];
};
struct ipk__slice ipk__number_word(struct ipk__number *room, int64_t n);
/* An index, or "-" for IPK_OMIT. */
struct ipk__slice ipk__index_word(struct ipk__number *room, int64_t n);
/* A double, so that it reads back the same. */
struct ipk__decimal {
	char text[40];
};
struct ipk__slice ipk__decimal_word(struct ipk__decimal *room, double d);
/* How long the server may let a request wait, in ms; -1 for ever. */
int64_t ipk__timeout_ms(ipk_deadline deadline);

/* 0 also when the server refused: the reply is its error. */
int ipk__ask_raw(ipk_manager *m, const struct ipk__call *call, ipk_deadline deadline);
/* The same, and a refusal is its error. */
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
/* For replies that say nothing more than that it is done. */
int ipk__ask_done(ipk_manager *m, const struct ipk__slice *argv, size_t argc,
		  ipk_deadline deadline);
#define ipk__tell(m, deadline, ...)                                      \
	ipk__ask_done((m), (const struct ipk__slice[]){__VA_ARGS__},     \
		      sizeof((const struct ipk__slice[]){__VA_ARGS__}) / \
			      sizeof(struct ipk__slice),                 \
		      (deadline))
/* A number comes back. */
int ipk__ask_number(ipk_manager *m, unsigned flags, const struct ipk__slice *argv, size_t argc,
		    ipk_deadline deadline, int64_t *ret_n);
#define ipk__ask_int(m, flags, deadline, ret_n, ...)                            \
	ipk__ask_number((m), (flags), (const struct ipk__slice[]){__VA_ARGS__}, \
			sizeof((const struct ipk__slice[]){__VA_ARGS__}) /      \
				sizeof(struct ipk__slice),                      \
			(deadline), (ret_n))
/* Bytes come back: -ENOENT null. In the caller's buffer, or in memory made for them. */
int ipk__ask_copy(ipk_manager *m, const struct ipk__slice *argv, size_t argc, void *buf,
		  size_t buf_bytes, ipk_deadline deadline, size_t *ret_len_bytes);
int ipk__ask_alloc(ipk_manager *m, unsigned flags, const struct ipk__slice *argv, size_t argc,
		   ipk_deadline deadline, void **ret_data, size_t *ret_len_bytes);
/* A whole answer comes back. */
int ipk__ask_reply(ipk_manager *m, unsigned flags, const struct ipk__slice *argv, size_t argc,
		   ipk_deadline deadline, ipk_reply **ret_reply);
#define IPK__WORDS(...)                           \
	(const struct ipk__slice[]){__VA_ARGS__}, \
		sizeof((const struct ipk__slice[]){__VA_ARGS__}) / sizeof(struct ipk__slice)

/* @head and then @n items as words, in memory to be freed; -EINVAL an item without bytes. */
int ipk__words_of(const struct ipk__slice *head, size_t n_head, const ipk_bytes *items, size_t n,
		  struct ipk__slice **ret_argv);

static inline bool ipk__bytes_are_right(const void *data, size_t n_bytes)
{
	return (data || n_bytes == 0) && n_bytes <= IPK__STORE_ITEM_MAX;
}

/* The words of a command that users give; -EINVAL one that a shared connection cannot have. */
int ipk__command_words(const ipk_bytes *words, size_t n_words, struct ipk__slice **ret_argv);

/* --- answers (reply.c) ---------------------------------------------------------------------- */

struct ipk_reply {
	struct ipk__reply held;
	size_t at;
};
int ipk__reply_first(const struct ipk__reply *r, struct ipk__resp_value *ret_value);
int ipk__reply_int(const struct ipk__reply *r, int64_t *ret_n); /* -EBADMSG */
/* -ENOENT null; -EBADMSG no bytes. In place. */
int ipk__reply_text(const struct ipk__reply *r, struct ipk__slice *ret_text);
int ipk__text_to_double(struct ipk__slice text, double *ret_d); /* -ERANGE */
int ipk__copy_out(struct ipk__slice from, void *buf, size_t buf_bytes, size_t *ret_len_bytes);
int ipk__copy_alloc(struct ipk__slice from, void **ret_data, size_t *ret_len_bytes);
/* Like ipk__reply_put(), taking the room over. */
ipk_reply *ipk__reply_public(struct ipk__reply *from); /* NULL: no memory; @from is empty then */

/* --- refusals (refusal.c) ------------------------------------------------------------------- */

int ipk__refusal(struct ipk__slice text); /* the errno for it; ipk_manager_error() says it */
int ipk__reply_refusal(const struct ipk__reply *r); /* 0: it is none */

/* --- typed values (reference.c) ------------------------------------------------------------- */

/* Keeps @data of malloc() until this thread's next one, and unpacks it. */
int ipk__typed_unpack(void *data, size_t len_bytes, const char *format, va_list args);
int ipk__ref_make(ipk_ref_kind kind, const char *name, char buf[IPK__OBJECT_NAME_MAX + 8],
		  struct ipk__slice *ret_value);
int ipk__ref_name(void *data, size_t len_bytes, ipk_ref_kind kind,
		  char name[IPK__OBJECT_NAME_MAX + 1]); /* frees @data */

/* --- reading in place ----------------------------------------------------------------------- */

/*
 * Where the handle's object lies: 0 and a view, or why the server has to be asked, or
 * -ENOENT, -EPROTOTYPE.
 */
int ipk__handle_view(struct ipk__handle *h, enum ipk__type type, struct ipk__view **ret_view,
		     struct ipk__spot *ret_spot);
void ipk__handle_lost(struct ipk__handle *h); /* the spot was stale */
/* The answers that only the server can better. */
static inline bool ipk__is_local_answer(int r)
{
	return r == 0 || r == -ENOENT || r == -EPROTOTYPE || r == -ERANGE || r == -EMSGSIZE;
}

#endif
