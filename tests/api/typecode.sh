#!/bin/sh
# typecode.sh [CC [CXX]] - the macros of ipk/value.h take pointers to what has a typecode, in
# C and in C++, without a warning, and a pointer to anything else does not compile.
set -eu
cc=${1:-cc}
cxx=${2:-c++}
cd "$(dirname "$0")/../.."
bad=0

# compiles TYPE: each macro on a TYPE.
compiles() {
	"$@" -Wall -Wextra -Wpedantic -Werror -Wno-unused -Iinclude -fsyntax-only - 2>&1 <<-END
		#include <ipk/value.h>
		struct point { int x, y; };
		int f(ipk_value *v, ipk_array *a);
		int f(ipk_value *v, ipk_array *a)
		{
			$type x = $zero, old = $zero;
			const $type y = $zero;
			bool is_exchanged;

			return ipk_value_load(v, &x) + ipk_value_store(v, &y) +
			       ipk_value_exchange(v, &y, &old) +
			       ipk_value_compare_exchange(v, &x, &y, &is_exchanged) +
			       ipk_array_get(a, 1, &x) + ipk_array_set(a, 1, &y)$more;
		}
	END
}

# tries LANGUAGE... - the compiler and its options.
tries() {
	zero=0
	more=' + ipk_value_add(v, 1, &old) + ipk_value_add(v, 0.5, &old) +
		ipk_value_add_checked(v, -1, &old) + ipk_array_add(a, 1, 1, &old)'
	n_good=0
	for type in char 'signed char' 'unsigned char' bool short 'unsigned short' int unsigned \
		long 'unsigned long' 'long long' 'unsigned long long' float double int32_t \
		uint64_t size_t; do
		if ! said=$(compiles "$@"); then
			echo "$type does not compile with $*: $said"
			bad=1
		fi
		n_good=$((n_good + 1))
	done
	more=
	for type in 'long double' 'char *' 'void *' 'int *'; do
		if said=$(compiles "$@"); then
			echo "$type compiles with $*, but has no typecode"
			bad=1
		fi
	done
	zero='{0, 0}'
	type='struct point'
	if said=$(compiles "$@"); then
		echo "$type compiles with $*, but has no typecode"
		bad=1
	fi
	echo "$n_good types with $1"
}

tries "$cc" -std=c11 -x c
if command -v "$cxx" >/dev/null; then
	tries "$cxx" -std=c++17 -x c++
else
	echo "no $cxx: not tried as C++"
fi
exit $bad
