#!/bin/sh
# test_inspect_usage.sh - ipc-inspect's command line: help, version, and what is wrong.
set -eu
# shellcheck source=tests/cli/inspect_scene.sh
. "$(dirname "$0")/inspect_scene.sh"

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
wrong "what is to be done?"
wrong "what is to be done?" --json
wrong "there is no verb 'list'" list
wrong "there is no option '--jsn'" ls --jsn
wrong "there is no option '-x'" -x
wrong "there is no option '-'" show -
wrong "one word too many: 'jobs'" ls jobs
wrong "one word too many: 'b'" show a b
wrong "show what? A name, label or id is missing" show
exits 1 ipc-inspect show -- --json
has "-- ends the options" "$err" "id '--json'"
[ "$failures" = 0 ]
