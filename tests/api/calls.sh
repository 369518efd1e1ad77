#!/bin/sh
# calls.sh ARCHIVE... - only lib/os calls into the system, and nothing in the library
# prints or ends its host: what the other rooms' objects leave undefined must be ours,
# msgpack's, libsodium's, hiredis's, the compiler's or one of the pure libc functions below.
set -eu
cd "$(dirname "$0")/../.."
export LC_ALL=C

pure='^((ipk_|msgpack_|crypto_|sodium_|redis|sds|mem|bcmp|str|pthread_(mutex|cond|once|self|setspecific|getspecific|key|atfork|setcancelstate))
	|(free|qsort|bsearch|v?snprintf|frexp|ldexp|ceill|qsort_r|newlocale|_GLOBAL_OFFSET_TABLE_)$)'
compilers='^(__|_Unwind)'
impure='^__(errno_location|v?f?printf_chk|assert_fail|fdelt_chk|isoc99_v?f?scanf)$'
pure=$(printf %s "$pure" | tr -d '\n\t')

# shellcheck disable=SC2016 # the $ are awk's
nm -A -u "$@" 2>/dev/null | awk -v pure="$pure" -v compilers="$compilers" -v impure="$impure" '
	NF > 1 && $(NF - 1) ~ /^[Uw]$/ {
		object = $1
		sub(/:$/, "", object)
		sub(/.*:/, "", object)
		source = object
		sub(/\.o$/, "", source)
		if (!(source in room)) {
			find = "find lib -name " source
			find | getline room[source]
			close(find)
		}
		symbol = $NF
		if (room[source] ~ /^lib\/os\//)
			next
		n_symbols++
		if (symbol ~ pure || (symbol ~ compilers && symbol !~ impure))
			next
		printf "%s calls %s(): only lib/os may, or it belongs in the list of calls.sh\n",
			room[source], symbol
		bad = 1
	}
	END {
		printf "%d outside symbols\n", n_symbols
		exit bad
	}'
