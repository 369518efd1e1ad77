# shellcheck shell=sh
# manager_servers.sh - servers for the tests that source it, each in the test's own directory
# and ended with it, by pid.

work=$(mktemp -d)
pids=
end_servers() {
	for pid in $pids; do
		kill -CONT "$pid" 2>/dev/null || true
		kill "$pid" 2>/dev/null || true
	done
	for pid in $pids; do
		wait "$pid" 2>/dev/null || true
	done
	rm -rf "$work"
}
trap end_servers EXIT
trap 'exit 1' INT TERM

fail() {
	echo "$*" >&2
	exit 1
}

# within_60_s COMMAND...: until it succeeds.
within_60_s() {
	tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ $tries -lt 1200 ] || fail "not within 60 s: $*"
		sleep 0.05
	done
}

# start_manager NAME ARGS...: its address is then in $work/NAME.address.
start_manager() {
	name=$1
	shift
	ipc-manager --label "$name" "$@" >"$work/$name.out" 2>&1 &
	pids="$pids $!"
	eval "pid_$name=$!"
	within_60_s grep -q 'listening on' "$work/$name.out"
	sed -n 's/.*listening on //p' "$work/$name.out" >"$work/$name.address"
}

# start_redis NAME ARGS...: on the socket $work/NAME.
start_redis() {
	name=$1
	shift
	redis-server --unixsocket "$work/$name" --dir "$work" --save '' --logfile "$work/$name.log" \
		--loglevel warning "$@" >/dev/null 2>&1 &
	pids="$pids $!"
	within_60_s redis-cli -s "$work/$name" ping
}
