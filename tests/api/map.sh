#!/bin/sh
# map.sh ipk|ipk-manager - prints lib/lib<NAME>.map as the public headers want it: every
# IPK_API function of that library, in one node for each version named in its Since:,
# sorted. A released node never changes; the private one (lib/libipk.private) is for
# libipk-manager of the very same version, which the dynamic linker sees to.
set -eu
export LC_ALL=C
root=$(cd "$(dirname "$0")/../.." && pwd)
library=$1

echo "# What lib$library.so exports, one node a release. Written by ./dev map from the headers."
awk -f "$root/docs/man/apidoc.awk" -v mode=list "$root"/include/ipk/*.h |
	awk -F '\t' -v library="$library" '
		$2 == "api" {
			of = $4 ~ /^lib\/(net|store|command|log|server|backend|native|redis|manager)\// ? "ipk-manager" : "ipk"
			if (of == library)
				print $3, $1
		}' | sort -k 1,1V -k 2,2 | awk -v library="$library" '
		# The first node hides everything that no node names.
		function end_node() {
			printf "%s}%s;\n", parent == "" ? "  local: *;\n" : "", parent
		}
		BEGIN { prefix = library == "ipk" ? "IPK_" : "IPK_MANAGER_" }
		$1 != version {
			if (version != "") {
				end_node()
				printf "\n"
				parent = " " prefix version
			}
			version = $1
			printf "%s%s {\n  global:\n", prefix, version
		}
		{ printf "    %s;\n", $2 }
		END {
			if (version == "")
				printf "%s0 {\n", prefix
			end_node()
		}'
[ "$library" = ipk ] || exit 0
printf '\nIPK_PRIVATE_@PROJECT_VERSION@ {\n  global:\n'
sed -n 's/^ipk__.*/    &;/p' "$root/lib/libipk.private" | sort
echo '};'
