#!/bin/sh
# loading.sh LIBRARY... - what decides whether a library can be loaded late, as the linker wrote
# it down: few thread-local bytes, for the C library keeps little room for those of all the
# libraries that come late, and never unloaded, for threads and fork handlers stay.
set -eu
export LC_ALL=C
max=384 # of glibc's 1664 that all share; a lock keeps what its thread holds there
bad=0

for library; do
	# libipk-manager has none that must be near, so its own may lie anywhere.
	case $library in
	*manager*) max=512 ;;
	esac
	size=$(readelf -lW "$library" | awk '$1 == "TLS" { print $6 }')
	size=$((${size:-0}))
	echo "$library: $size thread-local bytes"
	if [ "$size" -gt "$max" ]; then
		echo "more than $max: put what is large on the heap"
		bad=1
	fi
	if ! readelf -dW "$library" | grep -q NODELETE; then
		echo "$library is not marked -z nodelete"
		bad=1
	fi
done
exit $bad
