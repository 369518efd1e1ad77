#!/bin/sh
# life.sh - who lives and who is dead is judged in one place: lib/os/life.c asks the kernel,
# lib/shared/owner.c compares what was left in shared memory. Everybody else asks that one.
set -eu
cd "$(dirname "$0")/../.."

# shellcheck disable=SC2046 # no source file has a space in its name
if grep -nE 'ipk__os_(is_dead|pid_exists|start_time_ns|incarnation)\(|[^_a-z]kill\([a-z_]+, 0\)' \
	$(find lib tools -name '*.c' ! -path 'lib/os/*' ! -path lib/shared/owner.c) /dev/null; then
	echo "ask ipk__owner_is_dead() or ipk__is_dead_since() (lib/shared/owner.h)"
	exit 1
fi
# shellcheck disable=SC2046
if grep -nE '/proc/%d/stat"|[^_a-z]kill\([a-z_]+, 0\)' \
	$(find lib/os -name '*.c' ! -name life.c) /dev/null; then
	echo "ask lib/os/life.c"
	exit 1
fi
