#!/bin/sh
# checked.sh - what was checked is what is used.
#
# A segment's header lies in memory that another process may write to. What was checked when
# the segment was attached is in segment.checked, in private memory, and the numbers that
# decide where memory lies are read from there alone. Only segment.c, which makes the copy, and
# inspection, which works on copies, name such a field of a header.
#
# Doorbells: an fd that may be shared with others is rung and drained by lib/os/doorbell.c alone, and
# nobody makes one that can block (eventfd) outside lib/os.
set -eu
cd "$(dirname "$0")/../.."
export LC_ALL=C
bad=0

found=$(grep -rnE 'header(->|\.)(fixed_bytes|ring_bytes|n_rings|flags|kind|pid_namespace)\b' \
	--include='*.[ch]' lib | grep -vE '^lib/(shared/segment\.[ch]|inspect/)' || :)
if [ -n "$found" ]; then
	echo "$found"
	echo "read segment.checked instead: another process may have written over the header"
	bad=1
fi

found=$(grep -rnE '\b(eventfd|ipk__os_eventfd)[ ]*\(' --include='*.[ch]' lib |
	grep -vE '^lib/os/proc\.c' || :)
if [ -n "$found" ]; then
	echo "$found"
	echo "use ipk__os_doorbell_open(): whoever shares an eventfd can make a ring block"
	bad=1
fi

# Both patterns must be able to find something, or this checks nothing.
grep -q 'segment\.checked\.ring_bytes' lib/pipe/pipe.c
grep -q 'ipk__os_doorbell_check' lib/queue/queue_pass.c
exit $bad
