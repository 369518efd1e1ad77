/*
 * cmd_ext.c - the table of the commands that give Redis's lists and hashes the methods of Python's
 * lists and dicts.
 *
 * Each is logged as the Redis commands with the same outcome, so a redis-server can load the log:
 * see cmd_ext_items.c.
 */
#include "command/cmd_ext.h"

#define READ (IPK__CMD_READ | IPK__CMD_OWN)
#define WRITE (IPK__CMD_WRITE | IPK__CMD_OWN)
#define GROW (WRITE | IPK__CMD_DENY_OOM)

const struct ipk__command ipk__commands_ext[] = {
	{"IPK.LINSERT", ipk__ext_linsert, 4, GROW, 1, 1, 1, "list", "Insert before an index"},
	{"IPK.LPOPAT", ipk__ext_lpopat, 3, WRITE, 1, 1, 1, "list", "Take the item at an index"},
	{"IPK.LSLICE", ipk__ext_lslice, 5, READ, 1, 1, 1, "list", "A slice of a list"},
	{"IPK.LSETSLICE", ipk__ext_lsetslice, -5, GROW, 1, 1, 1, "list", "Assign to a slice"},
	{"IPK.LDELSLICE", ipk__ext_ldelslice, 5, WRITE, 1, 1, 1, "list", "Remove a slice"},
	{"IPK.LINDEXOF", ipk__ext_lindexof, 5, READ, 1, 1, 1, "list", "Where an item is"},
	{"IPK.LCOUNT", ipk__ext_lcount, 3, READ, 1, 1, 1, "list", "How often an item is there"},
	{"IPK.LREVERSE", ipk__ext_lreverse, 2, GROW, 1, 1, 1, "list", "Turn a list around"},
	{"IPK.LSORT", ipk__ext_lsort, 4, GROW, 1, 1, 1, "list", "Sort a list"},
	{"IPK.LREPEAT", ipk__ext_lrepeat, 3, GROW, 1, 1, 1, "list", "A list n times over"},
	{"IPK.LINCRBY", ipk__ext_lincrby, 4, GROW, 1, 1, 1, "list", "Add to the item at an index"},
	{"IPK.LMAKE", ipk__ext_lmake, 4, GROW, 1, 1, 1, "list", "Make a list of n equal items"},
	{"IPK.HSETDEFAULT", ipk__ext_hsetdefault, 4, GROW | IPK__CMD_FAST, 1, 1, 1, "hash",
	 "Set a field unless it is there"},
	{"IPK.HPOP", ipk__ext_hpop, 3, WRITE | IPK__CMD_FAST, 1, 1, 1, "hash", "Take a field"},
	{"IPK.HPOPITEM", ipk__ext_hpopitem, 2, WRITE | IPK__CMD_FAST, 1, 1, 1, "hash",
	 "Take any field with its value"},
	{"IPK.HCAS", ipk__ext_hcas, -5, GROW | IPK__CMD_FAST, 1, 1, 1, "hash",
	 "Change a field if it is as expected"},
	{"IPK.HSCAN", ipk__ext_hscan, -3, READ, 1, 1, 1, "hash", "Some fields and values"},
	{"IPK.HUPDATE", ipk__ext_hupdate, -4, GROW | IPK__CMD_FAST, 1, 1, 1, "hash",
	 "Set several fields"},
	{NULL},
};
