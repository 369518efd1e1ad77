/*
 * ipc_inspect.h - what the files of the tool share.
 *
 * ipc_inspect.c  verbs, options, exit codes      columns.c   what ls shows, in one table
 * show_text.c    all about an object, for people show_json.c the same, for programs
 * state.c        what small objects are in, and their values, in a few words
 * show_manager.c a manager: what it holds, who is connected and who waits
 * show_pool.c    pools and children: who works at what, what failed, what to do
 */
#ifndef IPC_INSPECT_H
#define IPC_INSPECT_H

#include <stdio.h>

#include <ipk.h>
#include <ipk/manager_inspect.h>
#include <jansson.h>

/* --- columns.c --- */
void columns_print(const ipk_inspect *snap);
void columns_help(FILE *out);
json_t *columns_json(const ipk_inspect_object *o);

/* --- show_text.c --- */
void show_text(const ipk_inspect_object *o);
/* "damaged" when its memory cannot be right, "unreadable" when that is for other reasons. */
const char *trouble_name(int error);

void print_word(const char *what); /* what a line is about: it begins with that */
void print_duration(int64_t ns);

/* --- state.c --- */
/* In a word: held by whom, how many tokens, which value; "-" when it has none. */
void state_word(const ipk_inspect_object *o, char *buf, size_t buf_bytes);
/* In a line, or none at all. */
void state_print(const ipk_inspect_object *o);
json_t *state_item(const ipk_inspect_object *o, size_t i); /* a number, a bool or a string */
void print_bytes(uint64_t n_bytes);

/* --- show_json.c --- */
json_t *show_json(const ipk_inspect_object *o);
json_t *json_number(uint64_t n);  /* null for IPK_INSPECT_UNKNOWN */
json_t *json_seconds(int64_t ns); /* null when not known: negative */
json_t *json_shutdown(unsigned shutdown);

/* --- show_pool.c --- */
void pool_word(const ipk_inspect_object *o, char *buf, size_t buf_bytes);
void processes_word(const ipk_inspect_object *o, char *buf, size_t buf_bytes);
void pool_text(const ipk_inspect_object *o);
void processes_text(const ipk_inspect_object *o);
void hints_text(const ipk_inspect_object *o);
void pool_json(json_t *object, const ipk_inspect_object *o); /* adds its members */
void processes_json(json_t *object, const ipk_inspect_object *o);

/* --- show_manager.c --- */
void manager_text(const ipk_manager_snapshot *snap);
json_t *manager_json(const ipk_manager_snapshot *snap); /* NULL: no memory */

#endif
