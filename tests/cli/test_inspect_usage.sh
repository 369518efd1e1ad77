#!/bin/sh
# test_inspect_usage.sh - ipc-inspect's command line: help, version, and errors.
set -eu
# shellcheck source=tests/cli/inspect_fixture.sh
. "$(dirname "$0")/inspect_fixture.sh"

for help in "--help" "-h" "ls --help" "show --help"; do
	# shellcheck disable=SC2086 # several words
	exits 0 ipc-inspect $help
	has "$help" "$out" '^usage: ipc-inspect ls \[--json\]'
	for column in KIND NAME USERS STATE PUT GET WAITING; do
		has "$help tells the columns" "$out" "^  $column +[a-z]"
	done
	has "$help tells the exit codes" "$out" '^Exit code: 0 .* 1 .* 2 '
done
exits 0 ipc-inspect --version
has "version" "$out" '^ipc-inspect [0-9]+\.[0-9]+\.[0-9]+$'

# wrong MESSAGE ARGUMENT...
wrong() {
	message=$1
	shift
	exits 2 ipc-inspect "$@"
	is "nothing on stdout: $*" "$out" ""
	is "message: $*" "$(echo "$err" | head -n 1)" "ipc-inspect: $message"
	has "hint: $*" "$err" '^hint: ipc-inspect ls'
}
wrong "missing command"
wrong "missing command" --json
wrong "unknown command 'list'" list
wrong "unknown option '--jsn'" ls --jsn
wrong "unknown option '--json=3'" ls --json=3
wrong "unknown option '-x'" -x
wrong "unknown option '-'" show -
wrong "unexpected argument 'jobs'" ls jobs
wrong "unexpected argument 'b'" show a b
wrong "show: missing name, label or id" show
exits 1 ipc-inspect show -- --json
has "-- ends the options" "$err" "id '--json'"
[ "$failures" = 0 ]
