#!/bin/sh
# symbols.sh LIBIPK.SO - headers, version script, library and uses agree, both ways: each
# IPK_API function is in lib/libipk.map and exported and called somewhere in tests/,
# examples/ or tools/; nothing else is exported.
set -eu
export LC_ALL=C
library=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bad=0

# what_is_only_in FILE OTHER MESSAGE
what_is_only_in() {
	comm -23 "$1" "$2" >"$tmp/only"
	if [ -s "$tmp/only" ]; then
		sed "s/\$/: $3/" "$tmp/only"
		bad=1
	fi
}

awk -f docs/man/apidoc.awk -v mode=list include/ipk/*.h | awk -F '\t' '$2 == "api" { print $1 }' |
	sort -u >"$tmp/declared"
sed -n 's/^ *\(ipk_[a-z_0-9]*\);$/\1/p' lib/libipk.map | sort -u >"$tmp/mapped"
nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' |
	sort -u >"$tmp/exported"
# A call in the shape "name(" that is not in a comment line.
find tests examples tools -name '*.[ch]' -exec cat {} + | grep -v '^[ 	]*/\?\*' |
	grep -o '\<ipk_[a-z_0-9]*(' | tr -d '(' | sort -u >"$tmp/called"
# IPK_AUTO(x) calls ipk_x_close.
find tests examples tools -name '*.[ch]' -exec cat {} + | grep -o 'IPK_AUTO([a-z_]*)' |
	sed 's/IPK_AUTO(\(.*\))/ipk_\1_close/' | sort -u - "$tmp/called" -o "$tmp/called"

what_is_only_in "$tmp/declared" "$tmp/mapped" "in a header, not in lib\/libipk.map (run .\/dev map)"
what_is_only_in "$tmp/mapped" "$tmp/declared" "in lib\/libipk.map, in no header (run .\/dev map)"
what_is_only_in "$tmp/declared" "$tmp/exported" "in a header, not exported by the library"
what_is_only_in "$tmp/exported" "$tmp/declared" "exported by the library, in no header"
what_is_only_in "$tmp/declared" "$tmp/called" "called in no test, example or tool"
if [ "$(sh tests/api/map.sh)" != "$(cat lib/libipk.map)" ]; then
	echo "lib/libipk.map is not what ./dev map writes"
	bad=1
fi
echo "$(wc -l <"$tmp/declared") functions, $(wc -l <"$tmp/exported") exported"
exit $bad
