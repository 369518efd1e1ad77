#!/bin/sh
# test_guide_session.sh - the redis-cli session that the guide prints, command by command.
set -eu
command -v redis-cli >/dev/null || exit 77
# shellcheck source=tests/cli/manager_servers.sh
. "$(dirname "$0")/manager_servers.sh"
guide=$(dirname "$0")/../../docs/guide/from-one-process-to-many-machines.md
start_manager guide --listen "unix:$work/sock" --log "$work/log"

# As a terminal shows it: redis-cli prints types and numbers only there, or when told to.
# shellcheck disable=SC2016 # the $ is sed's
sed -n '/^\$ redis-cli/,/^```$/{/^```$/!p}' "$guide" |
	sed "s#/tmp/demo#$work#" >"$work/session"
grep '^\$ ' "$work/session" | sed 's/^\$ redis-cli/redis-cli --no-raw/' >"$work/commands"
[ "$(wc -l <"$work/commands")" -ge 5 ] || fail "the guide's session was not found"
while read -r command; do
	echo "\$ $command" | sed 's/ --no-raw//'
	sh -c "$command" </dev/null
done <"$work/commands" >"$work/got"
diff -u "$work/session" "$work/got" || fail "the guide prints something else"
echo "as printed"
