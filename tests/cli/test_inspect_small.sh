#!/bin/sh
# test_inspect_small.sh - ipc-inspect on locks, values and other small objects: ls and show, as text
# and as JSON.
set -eu
# shellcheck source=tests/cli/inspect_fixture.sh
. "$(dirname "$0")/inspect_fixture.sh"
fixture_begin hold_small

# Numbers that differ from run to run.
plain() {
	sed -e "s/$prefix/P/" -e "s/\\<$child\\>/CHILD/g" -e "s/\\<$holder\\>/HOLDER/g" \
		-e 's/^  id       [0-9]*, of user [0-9]*/  id       N, of user U/' \
		-e 's/[0-9.]* s ago/T s ago/' -e 's/for [0-9.]* s/for T s/'
}

# shows WHAT OBJECT EXPECTED: all that show says of it, but where it lies and who made it.
shows() {
	exits 0 ipc-inspect show "$prefix-$2"
	is "nothing on stderr" "$err" ""
	is "$1" "$(echo "$out" | plain | grep -Ev 'not accessible|^  (id|memory|created|users) |^           ')" "$3"
}

exits 0 ipc-inspect ls
is "nothing on stderr" "$err" ""
is "no line ends in blanks" "$(echo "$out" | grep ' $' || true)" ""
rows=$(echo "$out" | grep -F "$prefix" | plain | tr -s ' ')
is "rows" "$rows" "array/d P-array 2 10 items - - -
barrier P-barrier 2 0/3 - - -
cond P-cond 2 - - - -
event P-event 2 set - - -
value/c P-letter 2 'x' - - -
lock P-lock 2 held HOLDER - - 1 lock
value/d P-nan 2 nan - - -
value/i P-number 2 -42 - - -
once P-once 2 done - - -
semaphore/owned P-owned 2 1/3 - - -
value/struct P-point 2 68656c6c6f0a313233343536 - - -
rlock P-rlock 2 held HOLDER - - -
rwlock P-rwlock 2 1 reader - - -
shm P-shm 2 9.8 KiB - - -
semaphore/signal P-signal 2 2/5 - - -"

exits 0 ipc-inspect show "$prefix-lock"
is "a lock with a holder and a waiter" "$(echo "$out" | grep -v 'not accessible' | plain)" \
	"lock P-lock
  id       N, of user U, anonymous
  memory   128 B
  created  by process HOLDER (hold_small), T s ago
  state    held HOLDER
  holder   thread HOLDER (hold_small) holds the lock
  waiter   thread CHILD (taker) blocked on lock for T s
  users    process HOLDER (hold_small)
           process CHILD (taker)"
shows "a recursive lock" rlock "rlock P-rlock
  state    held HOLDER
  holder   thread HOLDER (hold_small) holds the lock 2 times"
shows "a readers-writer lock" rwlock "rwlock P-rwlock
  state    1 reader
  holder   thread HOLDER (hold_small) holds the read lock"
shows "a signal semaphore" signal "semaphore/signal P-signal
  state    2 tokens of 5 available"
shows "an owned semaphore" owned "semaphore/owned P-owned
  state    1 token of 3 available
  holder   process HOLDER (hold_small) holds 2 tokens"
shows "a condition" cond "cond P-cond
  state    -"
shows "an event" event "event P-event
  state    set"
shows "a barrier" barrier "barrier P-barrier
  state    0 of 3 parties arrived"
shows "a once" once "once P-once
  state    done"
shows "a number" number "value/i P-number
  state    -42; with a lock"
shows "no number" nan "value/d P-nan
  state    nan; without a lock"
shows "a character" letter "value/c P-letter
  state    'x'; with a lock"
shows "a struct" point "value/struct P-point
  state    68656c6c6f0a313233343536, 12 B; with a lock"
shows "an array" array "array/d P-array
  state    10 items of 8 B: 1, -2.5, 0, 0, 0, 0, 0, 0, ...; with a lock"
shows "shared memory" shm "shm P-shm
  state    9.8 KiB"

# member OBJECT KEY: its value in show --json, without white space.
member() {
	ipc-inspect show --json "$prefix-$1" | tr -d ' \n' |
		sed -n "s/.*\"$2\":\(\[[^]]*\]\|[^],}]*\).*/\1/p"
}

is "JSON: kind" "$(member rlock kind)" '"rlock"'
is "JSON: the lock is held twice" "$(member rlock times)" 2
is "JSON: tokens" "$(member owned tokens)" 1
is "JSON: the most tokens" "$(member signal max_tokens)" 5
is "JSON: a holder of tokens" "$(member owned holds)" '"token"'
is "JSON: set" "$(member event set)" true
is "JSON: parties" "$(member barrier parties)" 3
is "JSON: arrived" "$(member barrier arrived)" 0
is "JSON: broken" "$(member barrier broken)" false
is "JSON: typecode" "$(member number typecode)" '"i"'
is "JSON: a number" "$(member number items)" '[-42]'
is "JSON: no number" "$(member nan items)" '["nan"]'
is "JSON: a character" "$(member letter items)" '["x"]'
is "JSON: a struct" "$(member point items)" '["68656c6c6f0a313233343536"]'
is "JSON: a struct has no typecode" "$(member point typecode)" null
is "JSON: items" "$(member array items)" '[1.0,-2.5,0.0,0.0,0.0,0.0,0.0,0.0]'
is "JSON: how many" "$(member array n_items)" 10
is "JSON: shared memory" "$(member shm size_bytes)" 10000
is "JSON: waits for" "$(member lock for)" '"lock"'

exits 0 ipc-inspect ls --json
object=$(echo "$out" | sed -n "/\"name\": \"$prefix-number\"/,/\"error\"/p")
is "JSON of ls" "$(echo "$object" | plain | sed 's/"id": .*/"id": N/' | tr -d ' \n')" \
	'"name":"P-number","users":2,"state":"-42","put":null,"get":null,"waiting":0,"fill":null,"id":N"error":null'

# Each has an id of its own, and is found by it.
id=$(member number id)
exits 0 ipc-inspect show "$id"
has "by id" "$out" "^value/i $prefix-number\$"
ids=$(ipc-inspect ls --json | awk -v prefix="$prefix-" '
	/^      "name": / { is_ours = index($0, prefix) && !index($0, "-rlock") }
	/^      "id": / && is_ours { print $2 }')
is "how many ids" "$(echo "$ids" | wc -l)" 14
is "no id twice" "$(echo "$ids" | sort | uniq -d)" ""
[ "$failures" = 0 ]
