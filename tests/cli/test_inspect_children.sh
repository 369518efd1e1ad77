#!/bin/sh
# test_inspect_children.sh - ipc-inspect on the children of a process: one that runs, one that is
# stopped, and some that ended, joined or not.
set -eu
# shellcheck source=tests/cli/inspect_fixture.sh
. "$(dirname "$0")/inspect_fixture.sh"
fixture_begin hold_children

plain() {
	sed -e "s/$prefix/P/g" -e "s/process $holder\\>/process HOLDER/g" \
		-e 's/^  id       [0-9]*, of user [0-9]*/  id       N, of user U/' \
		-e 's/^  memory .*/  memory   M/' -e 's/process [0-9][0-9]*/process PID/' \
		-e 's/CONT [0-9]*/CONT PID/' -e 's/CPU [0-9.]* s, memory [0-9.]* [A-Za-z]*/WORK/' \
		-e 's/[0-9.]* s ago/T s ago/' -e 's/for [0-9.]* s/for T s/'
}

exits 0 ipc-inspect ls
is "nothing on stderr" "$err" ""
exits 0 ipc-inspect show "$holder"
is "nothing on stderr" "$err" ""
is "children" "$(echo "$out" | plain | grep -Ev 'not accessible|^  users |^           process PID \([^)]*\)$')" \
	"processes main
  id       N, of user U, anonymous
  memory   M
  created  by process HOLDER (hold_children), T s ago
  state    2 running, 5 started
  children process PID (P-runs), fork, daemon: running for T s
           process PID (P-stopped), fork: STOPPED, alive for T s
           process PID (P-done), fork: exited with 3; WORK; T s ago
           process PID (P-killed), fork: terminated by signal 9; WORK; T s ago
           process PID (P-zombie), fork: zombie, not yet reaped by its parent
  hint     P-stopped is stopped: kill -CONT PID resumes it
           P-zombie, process PID, is a zombie: its parent must reap it with ipk_process_join() or ipk_process_close()"

json=$(ipc-inspect show --json "$holder" | tr -d ' \n')
# child NAME KEY: its value.
child() {
	echo "$json" | sed 's/{"pid"/\n&/g' | sed -n "/\"$prefix-$1\"/s/.*\"$2\":\(\"[^\"]*\"\|[^],}]*\).*/\1/p"
}
is "JSON: pid" "$(echo "$json" | sed 's/{"pid":/\n/g' | sed -n 's/^\([0-9]*\),.*-runs".*/\1/p')" "$child"
is "JSON: daemon" "$(child runs daemon)" true
is "JSON: running" "$(child runs running)" true
is "JSON: has no exit code" "$(child runs exit_code)" null
is "JSON: stopped" "$(child stopped stopped)" true
is "JSON: start method" "$(child "done" start_method)" '"fork"'
is "JSON: exit code" "$(child "done" exit_code)" 3
is "JSON: signal" "$(child killed signal)" 9
is "JSON: no exit code" "$(child killed exit_code)" null
is "JSON: zombie" "$(child zombie zombie)" true
is "JSON: not running" "$(child zombie running)" false

row=$(ipc-inspect ls --json | tr -d ' \n' | sed 's/{"kind"/\n&/g' | grep '"2running,5started"' | head -n 1)
has "JSON of ls" "$row" '"kind":"processes","name":"main"'
[ "$failures" = 0 ]
