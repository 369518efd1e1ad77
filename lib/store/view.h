/*
 * view.h - the store in other processes: mapped read-only, read without any request.
 *
 * Every object has a sequence lock: a word that is odd while the writer changes it. A reader copies
 * what it wants, reads the word again, and retries if it changed. Everything it reads on its way is
 * range-checked, so a reader never crashes and never returns half a value.
 *
 * When the writer dies the kernel marks a word in the segment: readers see that without a system
 * call, and never take a dead server's data for current.
 */
#ifndef IPK_STORE_VIEW_H
#define IPK_STORE_VIEW_H

#include <stdint.h>

#include "base/slice.h"
#include "store/store.h"

struct ipk__view;

/* Takes @fd over, also when it fails: errors as ipk__segment_attach(). */
int ipk__view_attach(int fd, struct ipk__view **ret_view);
void ipk__view_close(struct ipk__view *v); /* NULL is fine */
/*
 * Unmaps the store while other threads may be reading it: what they see becomes zeros, which look
 * like a dead server's (-EPIPE). Close it when no thread can be reading any more.
 */
void ipk__view_blind(struct ipk__view *v);
bool ipk__view_is_live(const struct ipk__view *v); /* the server is alive and has not closed it */

/* The position of an object: valid until it is removed, renamed or replaced (-ESTALE). */
struct ipk__spot {
	uint32_t slot;
	uint64_t id;
};

/*
 * All these return 0, or: -ENOENT there is none; -EPROTOTYPE it has another type; -ESTALE the
 * position is stale: find it again; -EAGAIN it changes too fast or is damaged: ask the server;
 * -EPIPE the server is dead; -EMSGSIZE does not fit (*ret_bytes is set to the size needed). Any
 * thread; no system calls (except the clock, for keys with a time to live).
 */
int ipk__view_find(struct ipk__view *v, struct ipk__slice name, enum ipk__key_type type,
		   struct ipk__spot *ret_spot);
int ipk__view_string_get(struct ipk__view *v, struct ipk__slice name, void *buf, size_t buf_bytes,
			 size_t *ret_bytes);
int ipk__view_dict_get(struct ipk__view *v, const struct ipk__spot *spot, struct ipk__slice field,
		       void *buf, size_t buf_bytes, size_t *ret_bytes);
int ipk__view_dict_has(struct ipk__view *v, const struct ipk__spot *spot, struct ipk__slice field);
int ipk__view_dict_len(struct ipk__view *v, const struct ipk__spot *spot, uint64_t *ret_len);
/*
 * Some pairs, as in SCAN, into @buf: each as two u32 lengths in bytes, the field's and the value's,
 * then both. *cursor starts as 0 and is 0 again at the end. -EMSGSIZE: the next bucket needs
 * *ret_bytes.
 */
int ipk__view_dict_scan(struct ipk__view *v, const struct ipk__spot *spot, uint64_t *cursor,
			void *buf, size_t buf_bytes, size_t *ret_bytes);
/* @index < 0 counts from the end; -ERANGE. */
int ipk__view_list_get(struct ipk__view *v, const struct ipk__spot *spot, int64_t index, void *buf,
		       size_t buf_bytes, size_t *ret_bytes);
int ipk__view_list_len(struct ipk__view *v, const struct ipk__spot *spot, uint64_t *ret_len);
/*
 * Items from @index (0 or more) on, as many as fit and @max at most: each a u32 length and its
 * bytes. All are of one moment.
 */
int ipk__view_list_range(struct ipk__view *v, const struct ipk__spot *spot, uint64_t index,
			 uint64_t max, void *buf, size_t buf_bytes, size_t *ret_bytes,
			 uint64_t *ret_n);

/* For inspection, also of a dead server's segment. */
const struct ipk__shm_status *ipk__view_status(const struct ipk__view *v);
/*
 * Every key: its name (truncated to fit), type, length (bytes, fields or items), size and object.
 */
struct ipk__view_key {
	enum ipk__key_type type;
	struct ipk__slice name; /* in @buf of the call */
	uint64_t len;
	uint64_t n_bytes; /* approximate */
	int64_t expires_ms;
	struct ipk__spot spot;
};
int ipk__view_keys_scan(struct ipk__view *v, uint64_t *cursor, void *buf, size_t buf_bytes,
			struct ipk__view_key *ret_keys, size_t max, size_t *ret_n);
struct ipk__shm_sync_object;
int ipk__view_sync_object(struct ipk__view *v, const struct ipk__spot *spot,
			  struct ipk__shm_sync_object *ret_copy);

#endif
