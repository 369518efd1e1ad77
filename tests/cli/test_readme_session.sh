#!/bin/sh
# test_readme_session.sh - the redis-cli session that the README prints, command by command.
set -eu
command -v redis-cli >/dev/null || exit 77
# shellcheck source=tests/cli/manager_servers.sh
. "$(dirname "$0")/manager_servers.sh"
readme=$(dirname "$0")/../../README.md
start_manager readme --listen "unix:$work/sock" --log "$work/log"

# As a terminal shows it: redis-cli prints types and numbers only there, or when told to.
awk '/^```$/ { inside = !inside; next } inside' "$readme" | grep -A 1000 '^\$ redis-cli' |
	sed "s#/tmp/demo#$work#" >"$work/session"
grep '^\$ ' "$work/session" | sed 's/^\$ redis-cli/redis-cli --no-raw/' >"$work/commands"
[ "$(wc -l <"$work/commands")" -ge 5 ] || fail "the README's session was not found"
while read -r command; do
	echo "\$ $command" | sed 's/ --no-raw//'
	sh -c "$command" </dev/null
done <"$work/commands" >"$work/got"
diff -u "$work/session" "$work/got" || fail "the README prints something else"
echo "as printed"
