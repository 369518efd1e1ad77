/*
 * detail.c - what the last error of each thread is about: a static text and the error that it
 * belongs to, so that no other error gets it. A signal handler may replace both; they are
 * pointers to constants, of which any is good.
 */
#include "base/base_internal.h"
#include "ipk/error.h"

static _Thread_local struct {
	const char *text;
	int err;
} last;

void ipk__note_detail(int err, const char *text)
{
	last.text = text;
	last.err = err;
}

const char *ipk_error_detail(int err)
{
	return err != 0 && last.text && (err == last.err || err == -last.err) ? last.text : "";
}
