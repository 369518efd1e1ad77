#!/bin/sh
# test_inspect_ls.sh - ipc-inspect ls: rows with the right numbers, in aligned columns, as
# text and as JSON.
set -eu
# shellcheck source=tests/cli/inspect_fixture.sh
. "$(dirname "$0")/inspect_fixture.sh"
fixture_begin hold_objects

exits 0 ipc-inspect ls
is "nothing on stderr" "$err" ""
is "headings" "$(echo "$out" | head -n 1 | tr -s ' ')" "KIND NAME USERS STATE PUT GET WAITING"
rows=$(echo "$out" | grep -F "$prefix" | sed "s/$prefix/P/" | tr -s ' ')
is "rows" "$rows" "queue/fifo P-fifo 1 2/10 0% 3 1 -
queue/lifo P-lifo 1 0/4096 0% 0 0 -
queue/fifo P-named 2 0 0% 0 0 1 data
pipe P-pipe 1 2+1 0% 2+1 0+0 -"

# Every name begins where the heading does, every number of users ends where it does.
misaligned=$(echo "$out" | awk -v prefix="$prefix" '
	NR == 1 { name = index($0, "NAME"); users = index($0, "USERS") + 4 }
	index($0, prefix) && (index($0, prefix) != name || substr($0, users + 1, 2) != "  " ||
		substr($0, users, 1) !~ /[0-9]/)')
is "alignment" "$misaligned" ""
is "no line ends in blanks" "$(echo "$out" | grep ' $' || true)" ""

exits 0 ipc-inspect ls --json
is "nothing on stderr" "$err" ""
object=$(echo "$out" | sed -n "/\"name\": \"$prefix-fifo\"/,/\"error\"/p")
is "JSON" "$(echo "$object" | sed "s/$prefix/P/; s/\"id\": .*/\"id\": N/" | tr -d ' \n')" \
	'"name":"P-fifo","users":1,"state":"2/100%","put":3,"get":1,"waiting":0,"fill":{"items":2,"max_items":10,"used_bytes":32,"room_bytes":524288},"id":N"error":null'
has "JSON: processes that cannot be seen" "$out" '^  "hidden_processes": [0-9]+$'

# A damaged object is a row, not a failure.
printf 'no segment at all' >"/dev/shm/ipk.$prefix-bad"
exits 0 ipc-inspect ls
rm "/dev/shm/ipk.$prefix-bad"
has "damaged" "$out" "^\\? +$prefix-bad +0  damaged: EPROTO not ipk data: "

# Whoever reads the table may stop early, but a full disk is a failure.
code=0
{ ipc-inspect ls 2>"$tmp/err" || echo $? >"$tmp/code"; } | :
[ ! -e "$tmp/code" ] || code=$(cat "$tmp/code")
case $code in 0 | 141) ;; *) is "exit code into a closed pipe" "$code" 0 ;; esac
is "nothing on stderr" "$(cat "$tmp/err")" ""
if [ -e /dev/full ]; then
	code=0
	ipc-inspect ls >/dev/full 2>"$tmp/err" || code=$?
	is "exit code when the disk is full" "$code" 1
	has "it says so" "$(cat "$tmp/err")" "^ipc-inspect: output: No space left"
fi
[ "$failures" = 0 ]
