#!/bin/sh
# options.sh LIBIPK LIBIPK_MANAGER - every options macro in C++: options.cpp uses each, compiles
# with g++ and clang++ as C++17 and C++20 without a warning, and runs. A compiler that is not
# installed is skipped.
set -eu
ipk=$1
manager=$2
cd "$(dirname "$0")/../.."
bad=0
n_tried=0
program=$(mktemp)
trap 'rm -f "$program"' EXIT

# shellcheck disable=SC2013 # names of macros have no spaces
for macro in $(sed -n 's/^#define \(IPK_[A-Z_]*\)(\.\.\.) *IPK_OPTS.*/\1/p' include/ipk/*.h) \
	IPK_INHERIT IPK_INHERIT_FD; do
	grep -q "${macro}[(,]" tests/api/options.cpp || {
		echo "options.cpp does not use $macro"
		bad=1
	}
done

for compiler in g++ clang++; do
	command -v "$compiler" >/dev/null || continue
	for std in c++17 c++20; do
		n_tried=$((n_tried + 1))
		if ! "$compiler" -std=$std -Wall -Wextra -Wpedantic -Werror -Iinclude \
			tests/api/options.cpp -o "$program" "$manager" "$ipk" \
			"-Wl,-rpath,$(dirname "$ipk")"; then
			echo "the options macros do not compile with $compiler -std=$std"
			bad=1
		elif ! "$program"; then
			echo "the options are not what they say with $compiler -std=$std"
			bad=1
		fi
	done
done
[ $n_tried -gt 0 ] || echo "no g++, no clang++: nothing tried"
exit $bad
