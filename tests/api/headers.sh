#!/bin/sh
# headers.sh [CC [CXX]] - each public header compiles alone, included twice, as strict C11
# and as C++17, without any feature macro. Without a C++ compiler that half is skipped.
set -eu
cc=${1:-cc}
cxx=${2:-c++}
cd "$(dirname "$0")/../.."
bad=0
skipped=

# compiles HEADER COMPILER OPTION...
compiles() {
	header=$1
	shift
	if ! printf '#include <%s>\n#include <%s>\n' "$header" "$header" |
		"$@" -Wall -Wextra -Wpedantic -Werror -Iinclude -fsyntax-only -; then
		echo "$header does not compile alone with: $*"
		bad=1
	fi
}

command -v "$cxx" >/dev/null || skipped=yes
for header in include/*.h include/ipk/*.h; do
	header=${header#include/}
	compiles "$header" "$cc" -std=c11 -x c
	[ -n "$skipped" ] || compiles "$header" "$cxx" -std=c++17 -x c++
done
[ -z "$skipped" ] || echo "no $cxx: not tried as C++"
exit $bad
