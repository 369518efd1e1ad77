#!/bin/sh
# shape.sh - the shape of the public headers: what may fail has to be checked, outputs come last
# and after the deadline, a key is one argument, structs can grow (docs/decisions/0005, 0019).
set -eu
cd "$(dirname "$0")/../.."
export LC_ALL=C

# One declaration a line, without comments and line breaks.
flat() {
	sed -e 's|/\*|\n/*\n|g; s|\*/|\n*/\n|g' "$1" |
		awk '/^\/\*$/ { c = 1; next } /^\*\/$/ { c = 0; next }
			!c && !m && !/^#/ { print }
			{ m = (m || /^#/) && /\\$/ }' |
		tr '\n\t' '  ' | sed 's/;/;\n/g; s/  */ /g'
}

# Otherwise nobody sees how many arguments a call has.
if grep -nE '^#define IPK_[A-Z_]+\((\w+)\) \(?\1\)?, ' include/ipk/*.h; then
	echo "a macro stands for two arguments"
	bad=1
fi

for header in include/ipk/*.h; do
	flat "$header" | awk -v header="$header" '
	function complain(what) {
		printf "%s: %s: %s\n", header, name, what
		bad = 1
	}
	# Between declarations: "} ipk_x_opts;" ends a struct that "typedef struct ipk_x_opts {" began.
	/typedef struct ipk_[a-z_]* \{/ {
		name = $0
		sub(/.*typedef struct /, "", name)
		sub(/ .*/, "", name)
		in_struct = 1
		first = $0
		sub(/.*\{ */, "", first)
		has_reserved = 0
	}
	in_struct && /reserved\[/ { has_reserved = 1 }
	in_struct && /^ *\} ipk_[a-z_]*;/ {
		in_struct = 0
		n_structs++
		# Complete as they are, or filled by the program itself.
		if (name ~ /^ipk_(deadline|bytes|token|inherit)$/)
			next
		if (first !~ /^size_t struct_size;/ && !has_reserved)
			complain("begins with no struct_size and has no reserved[]")
		if (name ~ /_opts$/ && first !~ /^size_t struct_size;/)
			complain("options begin with size_t struct_size")
	}
	/IPK_API / && !/IPK_API inline/ {
		name = $0
		sub(/\(.*/, "", name)
		sub(/.*[ *]/, "", name)
		n_calls++
		if (/IPK_API int / && name !~ /^ipk_(batch_error|task_fail)$/)
			complain("may fail and is not IPK_MUST_CHECK")
		args = $0
		sub(/^[^(]*\(/, "", args)
		n = split(args, arg, ",")
		had_deadline = had_output = n_pairs = 0
		for (i = 1; i <= n; i++) {
			is_output = arg[i] ~ /[ *]ret_/
			# A buffer for a list comes with its length; formats and their values are last.
			is_tail = arg[i] ~ /(format|\.\.\.|va_list)/
			is_list = arg[i] ~ /[ *]max[,)]?/
			if (had_deadline && !is_output && !is_tail)
				complain("has " arg[i] " after the deadline")
			if (had_output && !is_output && !is_tail && !is_list)
				complain("has " arg[i] " after an output")
			# What names a thing is one argument; only what is stored or sent is two.
			is_pair = arg[i] ~ /const (void|char) \*[a-z_]*$/ && arg[i + 1] ~ /^ size_t [a-z_]*_bytes/
			n_pairs += is_pair
			if (is_pair && (n_pairs > 1 || arg[i] ~ /\*(key|field|name)$/))
				complain("has" arg[i] "," arg[i + 1] ", which is to be one ipk_bytes")
			had_deadline = had_deadline || arg[i] ~ /ipk_deadline /
			had_output = had_output || is_output
		}
	}
	END {
		if (n_calls == 0 && header !~ /ipk\/(deadline|progress)\.h/)
			complain("no call was found")
		exit bad
	}' || bad=1
done
# A choice or a set of flags is a type that a compiler and a debugger can name.
if grep -nE '^enum( |$)' include/ipk/*.h; then
	echo "an enum without a typedef" >&2
	bad=1
fi
exit "${bad:-0}"
