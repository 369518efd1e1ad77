/*
 * cmd_common.h - declarations shared by the files of Redis's commands.
 *
 *   cmd_glob.c     patterns of KEYS and SCAN       number_text.c  numbers as text
 *   cmd_scan.c     KEYS, SCAN, HSCAN               cmd_expire.c   times to live
 *   cmd_list_*.c   the files listed in cmd_list.c
 */
#ifndef IPK_COMMAND_CMD_COMMON_H
#define IPK_COMMAND_CMD_COMMON_H

#include <stdint.h>

#include "command/command.h"

/* --- patterns --------------------------------------------------------------------------------- */

/* "*" any bytes, "?" any one, "[a-c]" "[^a]" one of a set, "\\" escapes the next. */
bool ipk__glob_match(struct ipk__slice pattern, struct ipk__slice text);
/* One of our words, compared case-insensitively. */
bool ipk__glob_match_word(struct ipk__slice pattern, const char *word);

/* --- numbers ---------------------------------------------------------------------------------- */

#define IPK__FLOAT_TEXT_BYTES 5120 /* of a long double written out */

/* Decimal, hexadecimal, "inf"; NaN, and surrounding blanks, are refused. */
bool ipk__text_to_float(struct ipk__slice text, long double *ret_d);
/* Without an exponent and without trailing zeros, to be freed; NULL: out of memory. */
char *ipk__float_to_text(long double d, size_t *ret_bytes);
size_t ipk__uint64_to_text(uint64_t n, char buf[24]);
/*
 * The argument @i, an integer from @min to @max. Otherwise the reply is @complaint, or Redis's
 * usual error if that is NULL, and the result is false.
 */
bool ipk__arg_range(struct ipk__request *q, size_t i, int64_t min, int64_t max,
		    const char *complaint, int64_t *ret_n);

static inline bool ipk__arg_is(const struct ipk__request *q, size_t i, const char *word)
{
	return ipk__slice_is_word(q->argv[i], word);
}

/* --- times to live ---------------------------------------------------------------------------- */

/* How a time argument is interpreted. */
enum ipk__expire_kind {
	IPK__EXPIRE_NONE,
	IPK__EXPIRE_EX,   /* seconds from now */
	IPK__EXPIRE_PX,   /* milliseconds from now */
	IPK__EXPIRE_EXAT, /* absolute */
	IPK__EXPIRE_PXAT,
};

/*
 * The argument @i as milliseconds of the wall clock, for SET and related commands: greater than 0.
 */
bool ipk__arg_expire(struct ipk__request *q, size_t i, enum ipk__expire_kind kind,
		     int64_t *ret_at_ms);
void ipk__reply_bad_expire(struct ipk__request *q);

/* --- keys ------------------------------------------------------------------------------------- */

/* As returned by TYPE. */
const char *ipk__key_type_name(struct ipk__store *s, const struct ipk__entry *key);
/* Removes @name, which exists, and reports the change. */
void ipk__drop_key(struct ipk__request *q, struct ipk__slice name);
/* Removes the key if its list or hash is empty. True: removed. */
bool ipk__drop_empty_table(struct ipk__request *q, struct ipk__slice name);
bool ipk__drop_empty_list(struct ipk__request *q, struct ipk__slice name);
/*
 * The hash or list @name, created if missing (*ret_is_new, for a rollback). False: the reply is an
 * error.
 */
bool ipk__request_table(struct ipk__request *q, struct ipk__slice name, struct ipk__table **ret_t,
			bool *ret_is_new);
bool ipk__request_list(struct ipk__request *q, struct ipk__slice name,
		       struct ipk__store_list **ret_l, bool *ret_is_new);

/* The item just replied: the last @n_bytes before the end of line. */
static inline struct ipk__slice ipk__replied_bulk(const struct ipk__request *q, size_t n_bytes)
{
	return IPK__SLICE(q->out->room + q->out->to - 2 - n_bytes, n_bytes);
}

/* For an error after part of the reply was written, which began at that length: discards it. */
static inline void ipk__reply_instead(struct ipk__request *q, size_t reply_at, int err)
{
	q->out->to = q->out->from + reply_at;
	ipk__reply_failed(q, err);
}

/* --- commands by file ------------------------------------------------------------------------- */

ipk__command_fn ipk__cmd_keys, ipk__cmd_scan, ipk__cmd_hscan;
ipk__command_fn ipk__cmd_expire, ipk__cmd_pexpire, ipk__cmd_expireat, ipk__cmd_pexpireat;
ipk__command_fn ipk__cmd_ttl, ipk__cmd_pttl, ipk__cmd_expiretime, ipk__cmd_pexpiretime;
ipk__command_fn ipk__cmd_persist, ipk__cmd_object, ipk__cmd_copy;
bool ipk__object_is_good(struct ipk__request *q);
ipk__command_fn ipk__cmd_incr, ipk__cmd_incrby, ipk__cmd_decr, ipk__cmd_decrby;
ipk__command_fn ipk__cmd_incrbyfloat, ipk__cmd_hincrby, ipk__cmd_hincrbyfloat;
ipk__command_fn ipk__cmd_hrandfield;
ipk__command_fn ipk__cmd_lpop, ipk__cmd_rpop, ipk__cmd_lmpop, ipk__cmd_rpoplpush, ipk__cmd_lmove;
ipk__command_fn ipk__cmd_blpop, ipk__cmd_brpop, ipk__cmd_blmpop, ipk__cmd_brpoplpush,
	ipk__cmd_blmove;
ipk__command_fn ipk__cmd_lpos, ipk__cmd_lrem, ipk__cmd_linsert;

#endif
