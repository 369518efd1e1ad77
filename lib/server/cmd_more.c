/*
 * cmd_more.c - the table of the commands that make Redis's lists and hashes do what Python's
 * lists and dicts do.
 *
 * Each of them is logged as what Redis would have to be told for the same outcome, so that a
 * redis-server loads the log: see more_items.c.
 */
#include "server/cmd_more.h"

#define READ (IPK__CMD_READ | IPK__CMD_OWN)
#define WRITE (IPK__CMD_WRITE | IPK__CMD_OWN)
#define GROW (WRITE | IPK__CMD_DENY_OOM)

const struct ipk__command ipk__commands_more[] = {
	{"IPK.LINSERT", ipk__more_linsert, 4, GROW, 1, 1, 1, "list", "Insert before an index"},
	{"IPK.LPOPAT", ipk__more_lpopat, 3, WRITE, 1, 1, 1, "list", "Take the item at an index"},
	{"IPK.LSLICE", ipk__more_lslice, 5, READ, 1, 1, 1, "list", "A slice of a list"},
	{"IPK.LSETSLICE", ipk__more_lsetslice, -5, GROW, 1, 1, 1, "list", "Assign to a slice"},
	{"IPK.LDELSLICE", ipk__more_ldelslice, 5, WRITE, 1, 1, 1, "list", "Remove a slice"},
	{"IPK.LINDEXOF", ipk__more_lindexof, 5, READ, 1, 1, 1, "list", "Where an item is"},
	{"IPK.LCOUNT", ipk__more_lcount, 3, READ, 1, 1, 1, "list", "How often an item is there"},
	{"IPK.LREVERSE", ipk__more_lreverse, 2, GROW, 1, 1, 1, "list", "Turn a list around"},
	{"IPK.LSORT", ipk__more_lsort, 4, GROW, 1, 1, 1, "list", "Sort a list"},
	{"IPK.LREPEAT", ipk__more_lrepeat, 3, GROW, 1, 1, 1, "list", "A list n times over"},
	{"IPK.LINCRBY", ipk__more_lincrby, 4, GROW, 1, 1, 1, "list", "Add to the item at an index"},
	{"IPK.LMAKE", ipk__more_lmake, 4, GROW, 1, 1, 1, "list", "Make a list of n equal items"},
	{"IPK.HSETDEFAULT", ipk__more_hsetdefault, 4, GROW | IPK__CMD_FAST, 1, 1, 1, "hash",
	 "Set a field unless it is there"},
	{"IPK.HPOP", ipk__more_hpop, 3, WRITE | IPK__CMD_FAST, 1, 1, 1, "hash", "Take a field"},
	{"IPK.HPOPITEM", ipk__more_hpopitem, 2, WRITE | IPK__CMD_FAST, 1, 1, 1, "hash",
	 "Take any field with its value"},
	{"IPK.HCAS", ipk__more_hcas, -5, GROW | IPK__CMD_FAST, 1, 1, 1, "hash",
	 "Change a field if it is as expected"},
	{"IPK.HSCAN", ipk__more_hscan, -3, READ, 1, 1, 1, "hash", "Some fields and values"},
	{"IPK.HUPDATE", ipk__more_hupdate, -4, GROW | IPK__CMD_FAST, 1, 1, 1, "hash",
	 "Set several fields"},
	{NULL},
};
