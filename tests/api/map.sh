#!/bin/sh
# map.sh - prints lib/libipk.map as the public headers want it: every IPK_API function,
# in one node for each version named in its Since:, sorted. A released node never changes.
set -eu
export LC_ALL=C
root=$(cd "$(dirname "$0")/../.." && pwd)

echo "# What libipk.so exports, one node a release. Written by ./dev map from the headers."
awk -f "$root/docs/man/apidoc.awk" -v mode=list "$root"/include/ipk/*.h |
	awk -F '\t' '$2 == "api" { print $3, $1 }' | sort -k 1,1V -k 2,2 | awk '
		$1 != version {
			if (version != "")
				printf "}%s;\n\n", parent
			if (version != "")
				parent = " IPK_" version
			version = $1
			printf "IPK_%s {\n  global:\n", version
		}
		{ printf "    %s;\n", $2 }
		END { printf "%s}%s;\n", parent == "" ? "  local: *;\n" : "", parent }'
