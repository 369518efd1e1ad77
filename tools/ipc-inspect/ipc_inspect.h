/*
 * ipc_inspect.h - declarations shared by the files of the tool.
 *
 * ipc_inspect.c  verbs, options, exit codes      columns.c   the columns of ls, in one table
 * show_text.c    everything about an object, as text  show_json.c the same, as JSON
 * state.c        the state and values of small objects, in a few words
 * show_manager.c a manager: its objects, its clients, and which clients are blocked
 * show_pool.c    pools and children: workers, failures, hints
 */
#ifndef IPC_INSPECT_H
#define IPC_INSPECT_H

#include <stdio.h>

#include <ipk.h>
#include <ipk/manager_inspect.h>
#include <jansson.h>

/* --- columns.c -------------------------------------------------------------------------------- */
void columns_print(const ipk_inspect *snap);
void columns_help(FILE *out);
json_t *columns_json(const ipk_inspect_object *o);

/* --- show_text.c ------------------------------------------------------------------------------ */
void show_text(const ipk_inspect_object *o);
/* "damaged" when its memory is inconsistent, "unreadable" for any other reason. */
const char *trouble_name(int error);

void print_word(const char *what); /* the label at the beginning of a line */
void print_duration(int64_t ns);

/* --- state.c ---------------------------------------------------------------------------------- */
/* A word: the holder, the number of tokens, the value; "-" when there is none. */
void state_word(const ipk_inspect_object *o, char *buf, size_t buf_bytes);
/* The state as text for one line. */
void state_print(const ipk_inspect_object *o);
json_t *state_item(const ipk_inspect_object *o, size_t i); /* a number, a bool or a string */
void print_bytes(uint64_t n_bytes);

/* --- show_json.c ------------------------------------------------------------------------------ */
json_t *show_json(const ipk_inspect_object *o);
json_t *json_number(uint64_t n);  /* null for IPK_INSPECT_UNKNOWN */
json_t *json_seconds(int64_t ns); /* null when negative: unknown */
json_t *json_shutdown(unsigned shutdown);

/* --- show_pool.c ------------------------------------------------------------------------------ */
void pool_word(const ipk_inspect_object *o, char *buf, size_t buf_bytes);
void processes_word(const ipk_inspect_object *o, char *buf, size_t buf_bytes);
void pool_text(const ipk_inspect_object *o);
void processes_text(const ipk_inspect_object *o);
void hints_text(const ipk_inspect_object *o);
void pool_json(json_t *object, const ipk_inspect_object *o); /* adds its members */
void processes_json(json_t *object, const ipk_inspect_object *o);

/* --- show_manager.c --------------------------------------------------------------------------- */
void manager_text(const ipk_manager_snapshot *snap);
json_t *manager_json(const ipk_manager_snapshot *snap); /* NULL: out of memory */

#endif
