#!/bin/sh
# circles.sh ARCHIVE... - how many files need each other in a circle: who wants to understand one
# of them has to read all. 4 at most, except where the table says otherwise.
set -eu
cd "$(dirname "$0")/../.."
export LC_ALL=C

allowed='pool 13 process 7'

# shellcheck disable=SC2016 # the $ are awk's
nm -A "$@" 2>/dev/null | awk -v allowed="$allowed" '
	function reaches_from(start,    i, n, at, to) {
		split("", seen)
		n = 1
		queue[1] = start
		for (i = 1; i <= n; i++) {
			at = queue[i]
			for (to in need) {
				if (!(to in seen) && ((at, to) in edge)) {
					seen[to] = 1
					queue[++n] = to
				}
			}
		}
	}
	{
		object = $1
		sub(/:[^:]*$/, "", object)
		sub(/.*:/, "", object)
		sub(/\.o$/, "", object)
	}
	NF > 1 && $(NF - 1) == "U" { n_wants++; who[n_wants] = object; what[n_wants] = $NF }
	NF > 1 && $(NF - 1) ~ /^[TDBRVW]$/ { home[$NF] = object }
	END {
		n = split(allowed, word, " ")
		for (i = 1; i < n; i += 2)
			limit[word[i]] = word[i + 1]
		for (i = 1; i <= n_wants; i++) {
			if (!(what[i] in home) || home[what[i]] == who[i])
				continue
			edge[who[i], home[what[i]]] = 1
			need[who[i]] = need[home[what[i]]] = 1
		}
		# What nothing in the rest needs, or needs nothing in it, is in no circle.
		do {
			n_gone = 0
			split("", is_needed)
			split("", needs)
			for (pair in edge) {
				split(pair, end, SUBSEP)
				if (end[1] in need && end[2] in need)
					needs[end[1]] = is_needed[end[2]] = 1
			}
			for (object in need) {
				if (!(object in needs) || !(object in is_needed)) {
					delete need[object]
					n_gone++
				}
			}
		} while (n_gone > 0)
		for (object in need) {
			reaches_from(object)
			for (to in seen)
				reach[object, to] = 1
		}
		for (object in need) {
			if (object in told)
				continue
			n_files = 0
			names = ""
			for (to in need) {
				if (((object, to) in reach) && ((to, object) in reach)) {
					told[to] = 1
					n_files++
					names = names " " to
				}
			}
			if (n_files < 2)
				continue
			n_circles++
			find = "find lib -name " object
			find | getline path
			close(find)
			split(path, part, "/")
			room = part[2]
			if (n_files > (room in limit ? limit[room] : 4)) {
				printf "lib/%s: %d files need each other:%s\n", room, n_files, names
				bad = 1
			}
			if (n_files > largest)
				largest = n_files
		}
		printf "%d circles, the largest of %d files\n", n_circles, largest
		exit bad || n_wants == 0
	}'
