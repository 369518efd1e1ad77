#!/bin/sh
# symbols.sh LIBIPK.SO LIBIPK-MANAGER.SO - headers, version scripts, libraries and uses
# agree, both ways: each IPK_API function is in the map of its library and exported and
# called somewhere in tests/, examples/ or tools/; nothing else is exported, but for what
# libipk keeps for libipk-manager, whose version node says so.
set -eu
export LC_ALL=C
libraries="$1 $2"
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
sed -n 's/^ *\(ipk_[a-z_0-9]*\);$/\1/p' lib/libipk.map lib/libipk-manager.map | grep -v '^ipk__' |
	sort -u >"$tmp/mapped"
# shellcheck disable=SC2086 # two words
nm -D --defined-only $libraries | awk 'NF == 3 && $2 != "A" && $3 !~ /@IPK_PRIVATE_/ && $3 !~ /^__odr_asan/ &&
	!/@@IPK_PRIVATE/ { sub(/@.*/, "", $3); print $3 }' | sort -u >"$tmp/exported"
# A call in the shape "name(" that is not in a comment line.
find tests examples tools -name '*.[ch]' -exec cat {} + | grep -v '^[ 	]*/\?\*' |
	grep -o '\<ipk_[a-z_0-9]*(' | tr -d '(' | sort -u >"$tmp/called"
# IPK_AUTO(x, ...) calls ipk_x_close, N_LISTED(ipk_x_waiters, ...) what it names.
find tests examples tools -name '*.[ch]' -exec cat {} + |
	sed -nE 's/.*IPK_AUTO(_INIT)?\(([a-z_]*), .*/ipk_\2_close/p
		s/.*N_LISTED\((ipk_[a-z_]*), .*/\1/p' | sort -u - "$tmp/called" -o "$tmp/called"

what_is_only_in "$tmp/declared" "$tmp/mapped" "in a header, in no lib\/*.map (run .\/dev map)"
what_is_only_in "$tmp/mapped" "$tmp/declared" "in lib\/*.map, in no header (run .\/dev map)"
what_is_only_in "$tmp/declared" "$tmp/exported" "in a header, not exported"
what_is_only_in "$tmp/exported" "$tmp/declared" "exported, in no header"
what_is_only_in "$tmp/declared" "$tmp/called" "called in no test, example or tool"
grep '^ipk__' lib/libipk.private | sort >"$tmp/private"
nm -D --undefined-only "$2" | sed -n 's/.* \(ipk__[a-z_0-9]*\).*/\1/p' | sort -u >"$tmp/used"
what_is_only_in "$tmp/private" "$tmp/used" "in lib/libipk.private, not used by libipk-manager"
for name in ipk ipk-manager; do
	if [ "$(sh tests/api/map.sh $name)" != "$(cat lib/lib$name.map)" ]; then
		echo "lib/lib$name.map is not what ./dev map writes"
		bad=1
	fi
done
echo "$(wc -l <"$tmp/declared") functions, $(wc -l <"$tmp/exported") exported"
exit $bad
