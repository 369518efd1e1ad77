#!/bin/sh
# test_inspect_manager.sh - ipc-inspect manager: objects, holders, waiters and clients; of a server
# that runs, that is stopped, and that is dead while a client still has its memory.
set -eu
command -v redis-cli >/dev/null || exit 77
# shellcheck source=tests/cli/manager_servers.sh
. "$(dirname "$0")/manager_servers.sh"
label=inspected-$$

# says WHAT PATTERN TEXT: a line of TEXT must match.
says() {
	echo "$3" | grep -Eq -e "$2" || fail "$1: no '$2' in: $3"
}

ipc-manager --label "$label" --listen "unix:$work/s" >"$work/out" 2>&1 &
server=$!
pids=$server
within_60_s redis-cli -s "$work/s" ping
redis-cli -s "$work/s" >/dev/null <<END
HSET scores alice 1 bob 2
RPUSH "a list" x y z
IPK.NEW LOCK accounts
IPK.NEW QUEUE jobs 10 FIFO
IPK.QPUT jobs 0 0 one two three
END

# Two who stay: one holds the lock, the other waits for it.
mkfifo "$work/hold" "$work/wait"
redis-cli -s "$work/s" <"$work/hold" >"$work/held" &
pids="$pids $!"
exec 8>"$work/hold"
echo "CLIENT SETNAME holder" >&8
echo "IPK.ACQUIRE accounts me 0" >&8
within_60_s grep -q 1 "$work/held"
redis-cli -s "$work/s" <"$work/wait" >/dev/null &
pids="$pids $!"
exec 9>"$work/wait"
echo "CLIENT SETNAME waiter" >&9
echo "IPK.ACQUIRE accounts me -1" >&9
within_60_s sh -c "ipc-inspect manager $label | grep -q 'blocked on accounts'"

for which in "$label" "unix:$work/s" "$server"; do
	out=$(ipc-inspect manager "$which")
	says "$which" "^manager $label  unix:$work/s\$" "$out"
	says "$which" "pid $server, running" "$out"
	says "$which" '^  keys +4, in ' "$out"
	says "$which" '^  scores +hash +2 ' "$out"
	says "$which" '^  a list +list +3 ' "$out"
	says "$which" '^  jobs +queue +3 ' "$out"
	says "$which" '^  accounts +lock .* held by client [0-9]+ \(pid [0-9]+\) for .* 1 waiting' "$out"
	says "$which" 'waiter .* blocked on accounts for' "$out"
done
says ls "^manager +$label " "$(ipc-inspect ls)"
ipc-inspect manager "$label" --json >"$work/json"
python3 - "$work/json" <<'END'
import json
import sys
it = json.load(open(sys.argv[1]))
lock = next(o for o in it["objects"] if o["name"] == "accounts")
holder = next(c for c in it["clients"] if c["name"] == "holder")
waiter = next(c for c in it["clients"] if c["name"] == "waiter")
assert lock["type"] == "lock" and lock["waiters"] == 1, lock
assert lock["holder"] == holder["id"] and lock["holder_pid"] == holder["pid"], (lock, holder)
assert waiter["waits_for"] == "accounts" and waiter["waits_ms"] >= 0, waiter
assert it["manager"]["keys"] == 4 and it["manager"]["alive"], it["manager"]
END

kill -STOP "$server"
out=$(timeout 60 ipc-inspect manager "$label")
says "a stopped server" 'STOPPED' "$out"
says "a stopped server" '^  accounts +lock .* held by' "$out"
kill -CONT "$server"

# A process that has the memory open, as a local client has.
python3 - "$server" >"$work/client" <<'END' &
import os
import sys
import time
for fd in os.listdir(f"/proc/{sys.argv[1]}/fd"):
    path = f"/proc/{sys.argv[1]}/fd/{fd}"
    if "ipk:manager:" in os.readlink(path):
        kept = os.open(path, os.O_RDONLY)
print("has it", flush=True)
time.sleep(60)
END
pids="$pids $!"
within_60_s grep -q 'has it' "$work/client"
kill -9 "$server"
wait "$server" 2>/dev/null || true
out=$(ipc-inspect manager "$label")
says "a dead server" 'DEAD' "$out"
says "a dead server" '^  scores +hash +2 ' "$out"

# Another one at the same place, while somebody still has the dead one's memory.
start_manager inspected_again --listen "unix:$work/s"
out=$(ipc-inspect manager "unix:$work/s")
says "the living one of two" '^manager inspected_again ' "$out"
says "the living one of two" ', running' "$out"

if ipc-inspect manager "no-such-$$" >/dev/null 2>"$work/err"; then
	fail "it found what is not there"
fi
says "no such manager" 'hint: ' "$(cat "$work/err")"
echo "running, stopped and dead"
