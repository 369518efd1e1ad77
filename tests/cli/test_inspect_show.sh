#!/bin/sh
# test_inspect_show.sh - ipc-inspect show: by name, label and id, as text and as JSON.
set -eu
# shellcheck source=tests/cli/inspect_fixture.sh
. "$(dirname "$0")/inspect_fixture.sh"
fixture_begin hold_objects

# Numbers that differ from run to run.
plain() {
	sed -e "s/$prefix/P/" -e "s/\\<$child\\>/CHILD/" -e "s/\\<$holder\\>/HOLDER/" \
		-e 's/^  id       [0-9]*, of user [0-9]*/  id       N, of user U/' \
		-e 's/[0-9.]* s ago/T s ago/' -e 's/for [0-9.]* s/for T s/'
}

exits 0 ipc-inspect show "$prefix-named"
is "nothing on stderr" "$err" ""
is "a queue with a waiter" "$(echo "$out" | grep -v -e 'not accessible' -e '^  memory' | plain)" \
	"queue/fifo P-named
  id       N, of user U, named
  created  by process HOLDER (hold_objects), T s ago
  queued   0 items, 0 B; memory 0 B of 512 KiB; put 0, got 0
  limit    1.0 GiB per message
  pending  0 put but not marked done
  waiter   thread CHILD (getter) blocked on data for T s
  users    process HOLDER (hold_objects)
           process CHILD (getter)"

exits 0 ipc-inspect show "$prefix-pipe"
has "forward" "$out" '^  forward  2 items; memory 32 B of 512 KiB; put 2, got 0$'
has "backward" "$out" '^  backward 1 item; memory 16 B of 512 KiB; put 1, got 0$'
has "users" "$out" "^  users    process $holder \\(hold_objects\\), 2 fds\$"

exits 0 ipc-inspect show "$prefix-lifo"
has "shut down" "$out" '^  shutdown draining: puts refused'

exits 0 ipc-inspect show --json "$prefix-named"
id=$(echo "$out" | sed -n 's/^      "id": \([0-9]*\),$/\1/p')
has "JSON: kind" "$out" '"kind": "queue/fifo"'
has "JSON: waits for" "$out" '"for": "data"'
has "JSON: tid" "$out" "\"tid\": $child\$|\"tid\": $child,"
has "JSON: no shutdown" "$out" '"shutdown": null'
exits 0 ipc-inspect show "$id"
has "by id" "$out" "^queue/fifo $prefix-named\$"


exits 1 ipc-inspect show "$prefix-nobody"
is "nothing on stdout" "$out" ""
has "it says what is missing" "$err" "^ipc-inspect: no object has the name, label or id '$prefix-nobody'\$"
has "and what to do" "$err" '^hint: '
[ "$failures" = 0 ]
