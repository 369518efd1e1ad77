#!/bin/sh
# readme.sh TOP: the example that the README prints is examples/workers.c, to the letter.
set -eu
cd "$1"
# shellcheck disable=SC2016 # the $ is sed's
sed -n '/^```c$/,/^```$/p' README.md | sed '1d;$d' | diff -u examples/workers.c - || {
	echo "README.md: its example differs from examples/workers.c" >&2
	exit 1
}
