#!/bin/sh
# docs.sh - every function in the public headers has a kernel-doc comment that names each
# parameter, says whether it blocks, where the source is (and it is there), since when, and what
# it returns.
set -eu
cd "$(dirname "$0")/../.."

awk '
	/^\/\*\*$/ { name = ""; blocks = 0; in_doc = 1 }
	in_doc && name == "" && /^ \* ipk_[a-z_0-9]*\(\) - / { name = $2; n++ }
	in_doc && /^ \* Blocks:/ { blocks = 1 }
	in_doc && /^ \*\/$/ {
		if (name != "" && !blocks) {
			print FILENAME ": " name ": no Blocks:"
			bad = 1
		}
		in_doc = 0
	}
	END { exit bad || n < 100 }' include/ipk/*.h

awk -f docs/man/apidoc.awk -v mode=list include/ipk/*.h | {
	bad=0
	n=0
	complain() {
		echo "include/$header: $name(): $1"
		bad=1
	}
	# An empty field would be swallowed by read, so fields are parted by "|".
	while IFS='|' read -r name kind since source header parameters documented has_return; do
		n=$((n + 1))
		case $name in *_closep) continue ;; esac
		if [ "$since" = - ] && [ "$source" = - ] && [ "$has_return" = 0 ]; then
			complain "no comment ending right above its $kind declaration"
			continue
		fi
		[ "$parameters" = "$documented" ] ||
			complain "parameters are ($parameters), the comment documents ($documented)"
		[ "$since" != - ] || complain "no 'Since: VERSION'"
		[ "$has_return" = 1 ] || complain "no 'Return:'"
		if [ "$source" = - ]; then
			complain "no 'Source: FILE'"
		elif [ ! -f "$source" ]; then
			complain "Source: there is no $source"
		elif ! grep -q "\<$name(" "$source"; then
			complain "Source: $source does not define it"
		fi
	done <<-END
		$(tr '\t' '|')
	END
	echo "$n functions"
	exit $bad
}
