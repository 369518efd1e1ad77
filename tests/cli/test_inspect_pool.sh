#!/bin/sh
# test_inspect_pool.sh - ipc-inspect on pools: one at work, with a worker that is stopped, one
# of threads, and one whose creator was killed.
set -eu
# shellcheck source=tests/cli/inspect_fixture.sh
. "$(dirname "$0")/inspect_fixture.sh"
fixture_begin hold_pool

# Numbers that differ from run to run.
plain() {
	sed -e "s/$prefix/P/g" -e "s/\\<$child\\>/BYSTANDER/g" -e "s/\\<$holder\\>/HOLDER/g" \
		-e 's/^  id       [0-9]*, of user [0-9]*/  id       N, of user U/' \
		-e 's/^  memory .*/  memory   M/' -e 's/process [0-9][0-9]*/process PID/' \
		-e 's/\(CONT\|KILL\) [0-9][0-9]*/\1 PID/g' -e 's/+0x[0-9a-f]*/+0xN/' \
		-e 's/[0-9.]* s ago/T s ago/' -e 's/for [0-9.]* s/for T s/'
}

exits 0 ipc-inspect ls
is "nothing on stderr" "$err" ""
is "rows" "$(echo "$out" | grep -F "$prefix" | plain | tr -s ' ' | sed -e 's/P-\([a-z]*\) [0-9]*/P-\1 N/' -e 's/[0-9][0-9] queued/NN queued/')" \
	"pool/processes P-map N 1 worker, 1 busy, NN queued - - -
pool/processes P-pool N 3 workers, 3 busy, 2 queued - - -
pool/threads P-threads N 2 workers, 0 busy, 0 queued - - -"

exits 0 ipc-inspect show "$prefix-pool"
is "nothing on stderr" "$err" ""
shown=$(echo "$out" | grep -v 'not accessible' | plain)
is "a pool" "$(echo "$shown" | grep -Ev '^  users |^           process |  [0-9]: |^           [0-9]: |worker . is')" \
	"pool/processes P-pool
  id       N, of user U, anonymous
  memory   M
  created  by process HOLDER (hold_pool), T s ago
  state    3 workers, 3 busy, 2 queued
  tasks    1 done, 2 failed, 0 cancelled, 3 running, 2 queued; 8 submitted
  queue    2 ready, 0 in the backlog
  failed   1 by task error
           1 by worker death
  recovery 0 tasks retried, 1 worker replaced"
is "workers that run" "$(echo "$shown" | grep -Ec ': process PID \([^)]*\) busy at hold_pool\+0xN for T s; [0-9]+ done$')" 2
is "a stopped worker" "$(echo "$shown" | grep -Ec ': process PID \([^)]*\) busy at hold_pool\+0xN for T s; STOPPED; [0-9]+ done$')" 1
has "what to do" "$shown" \
	'^  hint     worker [0-2] is stopped: kill -CONT PID resumes it, kill -KILL PID loses only its task$'

# What it runs is where the program's symbols say that it is.
if command -v nm >/dev/null; then
	offset=$(nm "$(command -v hold_pool)" | sed -n 's/^0*\([0-9a-f]*\) t stop$/\1/p')
	has "the function" "$out" "busy at hold_pool\\+0x$offset for .*; STOPPED;"
fi

exits 0 ipc-inspect show "$prefix-threads"
is "a pool of threads" "$(echo "$out" | plain | grep -Ev '^  (id|memory|users) |^           process |not accessible')" \
	"pool/threads P-threads
  created  by process HOLDER (hold_pool), T s ago
  state    2 workers, 0 busy, 0 queued
  tasks    0 done, 0 failed, 0 cancelled, 0 running, 0 queued; 0 submitted
  workers  0: idle for T s; 0 done
           1: idle for T s; 0 done"

exits 0 ipc-inspect show "$prefix-map"
has "a map" "$(echo "$out" | plain)" \
	'^  workers  0: process PID \([^)]*\) busy at hold_pool\+0xN, item 17 of 100 for T s; [0-9]* done$'
has "JSON: the item" "$(ipc-inspect show --json "$prefix-map")" '^ *"item": 17,$'

# All are found by the pid of their creator.
exits 0 ipc-inspect show "$holder"
is "by pid" "$(echo "$out" | grep -c '^pool/')" 3

# member KEY: its first value in show --json, without white space.
json=$(ipc-inspect show --json "$prefix-pool" | tr -d ' \n')
member() {
	echo "$json" | sed 's/"workers":\[/\n&/' | sed -n "$2s/.*\"$1\":\(\"[^\"]*\"\|[^],}]*\).*/\1/p"
}
is "JSON: kind" "$(member kind 1)" '"pool/processes"'
is "JSON: alive" "$(member alive 1)" 3
is "JSON: busy" "$(member busy 1)" 3
is "JSON: ready" "$(member ready 1)" 2
is "JSON: threads" "$(member threads 1)" false
is "JSON: submitted" "$(member submitted 1)" 8
is "JSON: died" "$(member died 1)" 1
is "JSON: task errors" "$(member task_errors 1)" 1
is "JSON: queued" "$(member queued 1)" 2
is "JSON: replaced" "$(member replaced 1)" 1
is "JSON: attempt" "$(member attempt 2)" 1
is "JSON: no item" "$(member item 2)" null
is "JSON: one is stopped" "$(echo "$json" | grep -o '"stopped":true' | wc -l)" 1
is "JSON: hints" "$(echo "$json" | grep -o '"hints":\["worker[^"]*' | wc -l)" 1

# The creator is killed: so are its workers, and a bystander still has the memory.
kill -9 "$holder"
wait "$holder" 2>/dev/null || true
holder=
tries=0
until ipc-inspect show "$prefix-pool" | grep -q ' 0 workers, 0 busy'; do
	tries=$((tries + 1))
	[ $tries -lt 200 ] || break
done
exits 0 ipc-inspect show "$prefix-pool"
shown=$(echo "$out" | plain)
has "no worker is left" "$shown" '^  state    0 workers, 0 busy'
has "the creator is dead" "$shown" '^  created  by process [A-Z]*, dead'
has "what that means" "$shown" \
	'^  hint     creator process PID is dead: nobody waits for its tasks any more'
has "what they died at" "$shown" ': process PID died while busy'
[ "$failures" = 0 ]
