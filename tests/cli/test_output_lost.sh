#!/bin/sh
# test_output_lost.sh - tools whose output cannot be written, and tools started without stdio.
set -eu
# shellcheck source=tests/cli/inspect_fixture.sh
. "$(dirname "$0")/inspect_fixture.sh"
daemon=

end_daemon() {
	[ -z "$daemon" ] || kill -KILL "$daemon" 2>/dev/null || true
	fixture_end
}
trap end_daemon EXIT

for command in "ipc-inspect --help" "ipc-manager --help" "ipc-manager --version"; do
	if [ -e /dev/full ]; then
		code=0
		$command >/dev/full 2>"$tmp/err" || code=$?
		is "$command when the disk is full" "$code" 1
		has "$command says so" "$(cat "$tmp/err")" "output: No space left"
	fi
	code=0
	$command >&- 2>"$tmp/err" || code=$?
	is "$command without stdout" "$code" 1
	rm -f "$tmp/code"
	{ $command 2>"$tmp/err" || echo $? >"$tmp/code"; } | :
	code=0
	[ ! -e "$tmp/code" ] || code=$(cat "$tmp/code")
	case $code in 0 | 141) ;; *) is "$command into a closed pipe" "$code" 0 ;; esac
done

# Files of a daemon that was started with nothing lie elsewhere than on 0 to 2.
mkdir "$tmp/d"
chmod 700 "$tmp/d"
ipc-manager --listen "unix:$tmp/d/s" <&- >&- 2>&- &
daemon=$!
tries=0
until [ -S "$tmp/d/s" ]; do
	tries=$((tries + 1))
	[ "$tries" -lt 400 ] || { echo "no daemon"; exit 1; }
	sleep 0.05
done
for fd in 0 1 2; do
	is "fd $fd of the daemon" "$(readlink "/proc/$daemon/fd/$fd")" /dev/null
done
kill -TERM "$daemon"
code=0
wait "$daemon" || code=$?
daemon=
is "its exit code" "$code" 0
is "its socket is gone" "$(ls "$tmp/d")" ""
[ "$failures" = 0 ]
