#!/bin/sh
# guide.sh TOP: the C code in docs/guide/ is code that runs: each block stands in one of the
# examples, line by line, but for indentation and what "..." leaves out. What the documents for users
# name is there, and every link from one document to another leads to a file.
set -eu
cd "$1"
named='README.md docs/guide/*.md docs/guarantees.md docs/performance.md'
# shellcheck disable=SC2086 # a list
grep -ohwE '(ipk_[a-z_0-9]+|IPK_[A-Z_0-9]+)' $named | sort -u | {
	bad=0
	while read -r name; do
		grep -rqw -e "$name" include examples || {
			echo "$name is named in a document for users, and nowhere declared"
			bad=1
		}
	done
	exit $bad
}
grep -noE '\]\([^)#: ]+[)#]' ./*.md docs/*.md docs/*/*.md | {
	bad=0
	while IFS=: read -r file line link; do
		link=${link#](}
		[ -e "${file%/*}/${link%[)#]}" ] || {
			echo "$file:$line: there is no $link"
			bad=1
		}
	done
	exit $bad
}
awk '
	function trimmed(s) {
		sub(/^[ \t]+/, "", s)
		sub(/[ \t]+$/, "", s)
		return s
	}
	# From line @from of the example on, without a gap but where "..." allows one.
	function stands_from(example, from,    k, may_skip) {
		for (k = 1; k <= n; k++) {
			if (block[k] == "...") {
				may_skip = 1
				continue
			}
			while (may_skip && from <= n_lines[example] && line[example, from] != block[k])
				from++
			if (from > n_lines[example] || line[example, from++] != block[k])
				return 0
			may_skip = 0
		}
		return 1
	}
	function stands_in(example,    i) {
		for (i = 1; i <= n_lines[example]; i++)
			if (stands_from(example, i))
				return 1
		return 0
	}
	FNR == 1 { in_block = 0 }
	FILENAME ~ /\.c$/ {
		line[FILENAME, ++n_lines[FILENAME]] = trimmed($0)
		next
	}
	/^```c$/ { in_block = 1; n = 0; at = FNR; next }
	/^```$/ && in_block {
		in_block = 0
		n_blocks++
		found = 0
		for (example in n_lines)
			found = found || stands_in(example)
		if (!found) {
			print FILENAME ":" at ": this stands in no example"
			bad = 1
		}
		next
	}
	in_block { block[++n] = trimmed($0) }
	END {
		print n_blocks " blocks"
		exit bad || n_blocks == 0
	}
' examples/*.c docs/guide/*.md
