#!/bin/sh
# functions.sh - no function in lib/, tools/ and examples/ is longer than 70 lines, braces
# included. Relies on the layout clang-format keeps: a function's braces are in column 0.
set -eu
cd "$(dirname "$0")/../.."

# shellcheck disable=SC2016 # the $ are awk's
find lib include tools examples -name '*.[ch]' | LC_ALL=C sort | xargs awk -v limit=70 '
	FNR == 1 { inside = 0 }
	/^[a-zA-Z_].*\(/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
	/^{/ { inside = 1; from = FNR }
	/^}/ && inside {
		inside = 0
		n_lines = FNR - from + 1
		lengths[n_lines]++
		n_functions++
		if (n_lines > limit) {
			printf "%s:%d: %s() has %d lines, %d at most: split it\n",
				FILENAME, from, name, n_lines, limit
			bad = 1
		}
	}
	END {
		for (n = 1; n_functions > 0 && 2 * seen < n_functions; n++)
			seen += lengths[n]
		printf "%d functions, median %d lines\n", n_functions, n - 1
		exit bad
	}'
