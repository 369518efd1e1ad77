/*
 * ipc_inspect.h - what the files of the tool share.
 *
 * ipc_inspect.c  verbs, options, exit codes      columns.c   what ls shows, in one table
 * show_text.c    all about an object, for people show_json.c the same, for programs
 */
#ifndef IPC_INSPECT_H
#define IPC_INSPECT_H

#include <stdio.h>

#include <ipk.h>
#include <jansson.h>

/* --- columns.c --- */
void columns_print(const ipk_inspect *snap);
void columns_help(FILE *out);
json_t *columns_json(const ipk_inspect_object *o);

/* --- show_text.c --- */
void show_text(const ipk_inspect_object *o);
/* "damaged" when its memory cannot be right, "unreadable" when that is for other reasons. */
const char *trouble_name(int error);

/* --- show_json.c --- */
json_t *show_json(const ipk_inspect_object *o);
json_t *json_number(uint64_t n); /* null for IPK_INSPECT_UNKNOWN */

#endif
