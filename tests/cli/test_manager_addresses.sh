#!/bin/sh
# test_manager_addresses.sh - the same programs (examples/manager_results, manager_tasks) with a
# server of their own, ipc-manager on a Unix socket, over TCP with a key, a real redis-server, and a
# cluster of three; and a server that is killed during the run and restarted with its log.
set -eu
command -v redis-server >/dev/null || exit 77
# shellcheck source=tests/cli/manager_servers.sh
. "$(dirname "$0")/manager_servers.sh"
expected="200 results, 46 primes, 4 workers done
26 letters in 2 lists"

# gives ADDRESS...: what the programs print, with this address or none.
gives() {
	out=$({ timeout 200 manager_results "$@" && timeout 200 manager_tasks "$@"; } 2>&1) ||
		fail "with '$*': $out"
	[ "$out" = "$expected" ] || fail "with '$*': $out"
}

gives

start_manager local --listen "unix:$work/local" --log "$work/log"
gives "$(cat "$work/local.address")"
redis-cli -s "$work/local" HSET kept field value >/dev/null
# shellcheck disable=SC2154 # start_manager sets it
kill -9 "$pid_local"
wait "$pid_local" 2>/dev/null || true
start_manager local --listen "unix:$work/local" --log "$work/log"
[ "$(redis-cli -s "$work/local" HGET kept field)" = value ] || fail "lost with kill -9"
gives "$(cat "$work/local.address")"

head -c 32 /dev/urandom | base64 >"$work/key"
chmod 600 "$work/key"
start_manager remote --listen tcp:127.0.0.1:0 --key-file "$work/key"
IPK_KEY_FILE="$work/key" gives "$(cat "$work/remote.address")"
if out=$(timeout 200 manager_results "$(cat "$work/remote.address")" 2>&1); then
	fail "without the key: $out"
fi

# Ports that are free now; a node's own bus is 10000 above.
free_port() {
	python3 -c 'import socket
while True:
    a, b = socket.socket(), socket.socket()
    a.bind(("127.0.0.1", 0))
    port = a.getsockname()[1]
    try:
        if port < 55000:
            b.bind(("127.0.0.1", port + 10000))
            print(port)
            break
    except OSError:
        pass'
}

one=$(free_port)
start_redis alone --port "$one" --bind 127.0.0.1
gives "redis://127.0.0.1:$one"

nodes=
for n in 1 2 3; do
	port=$(free_port)
	start_redis "node$n" --port "$port" --bind 127.0.0.1 --cluster-enabled yes \
		--cluster-config-file "$work/node$n.conf"
	nodes="$nodes 127.0.0.1:$port"
done
# shellcheck disable=SC2086 # three words
redis-cli --cluster create $nodes --cluster-yes >"$work/create" 2>&1 || fail "$(cat "$work/create")"
for n in 1 2 3; do
	within_60_s sh -c "redis-cli -s '$work/node$n' cluster info | grep -q cluster_state:ok"
done
gives "redis-cluster://$(echo "${nodes# }" | tr ' ' ,)"
echo "the same program, five servers"
