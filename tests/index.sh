#!/bin/sh
# index.sh - prints tests/README.md (./dev index): for each room of lib/ its files and what tests
# them, then the tests of no single room, each with what the first comment of its file says.
#
# A test belongs to a file of lib/ when it has its name (test_x.c, ops_x.c: x.c), or when that
# comment names it.
set -eu
export LC_ALL=C
cd "$(dirname "$0")/.."

rooms='base os shared wire pipe lock value queue process pool inspect net store command log server backend native redis manager'

cat <<'END'
# What is tested where

Written by `./dev index` from the first comment of each test.

| folder | what its tests are | |
|---|---|---|
| `unit/ROOM/test_X.c` | one file of `lib/ROOM`, in one process | `./dev test -L unit` |
| `proc/ROOM/` | several processes, deaths among them | `./dev test -L proc` |
| `fault/` | each system call and allocation fails once | `./dev test -L fault` |
| `env/` | odd hosts and machines, hostile peers | `./dev test -L env` |
| `cli/` | the tools, as a user runs them | `./dev test -L cli` |
| `kill/ops_X.c` | killed between any two instructions | `./dev prove X` |
| `kill/scribble_X.c` | shared memory in which others wrote nonsense | `./dev prove scribble` |
| `fuzz/` | any bytes at all | `./dev fuzz` |
| `api/` | what users rely on, and the shape of the source | `./dev test -L api` |
| `bench/` | beside a peer in the same run | `./dev bench` |

One test: `./dev test -R unit.lock.event`; one case in it: `CK_RUN_CASE=NAME` before that.
END

# shellcheck disable=SC2046 # no file here has a space in its name
awk -v rooms="$rooms" -v sources="$(find lib -name '*.[ch]' | sort | tr '\n' ' ')" '
	# What a comment says first: its first sentence, without the names in front of it.
	function description(text) {
		sub(/^lib\/[^:]*: /, "", text)
		sub(/^[a-z0-9_]+\.[ch]: /, "", text)
		sub(/^lib\/[a-z]*\/[a-z_]*\.[ch], /, "", text)
		if (match(text, /; |\. [A-Z]/))
			text = substr(text, 1, RSTART)
		sub(/[.:;]$/, "", text)
		gsub(/[][|*<]/, "\\\\&", text)
		return text
	}
	function end_of_file() {
		if (file == "")
			return
		sub(/^[a-z0-9_]+\.(c|sh)([^:]* -|( [A-Z]+)+:) /, "", text)
		if (text == "") {
			print file ": no comment at its beginning says what it tests" >"/dev/stderr"
			bad = 1
		}
		n_parts = split(file, parts, "/")
		stem = parts[n_parts]
		sub(/\.(c|sh)$/, "", stem)
		sub(/^(test|ops|fuzz|scribble)_/, "", stem)
		files[++n] = file
		kinds[n] = parts[2]
		rooms_of[n] = n_parts == 4 ? parts[3] : ""
		stems[n] = stem
		comments[n] = text
	}
	function names(i, source) {
		gsub(/\./, "[.]", source)
		return comments[i] ~ ("(^|[^a-z0-9_])" source "($|[^a-z0-9_])")
	}
	function link(words, i) { return "[" words "](" substr(files[i], length("tests//")) ")" }
	function append(list, item) { return list == "" ? item : list "; " item }
	function has_its_name(i, source) { return source == stems[i] ".c" }
	# A unit test of @room that looks at @source; another test, of whatever kind, that does.
	function is_unit(i, room, source) {
		return kinds[i] == "unit" && rooms_of[i] == room &&
			(has_its_name(i, source) || names(i, source))
	}
	function is_other(i, room, source) {
		if (kinds[i] == "proc" && rooms_of[i] == room && has_its_name(i, source))
			return 1
		# Those are of primitives: a file of the same name elsewhere is something else.
		if (kinds[i] == "kill" && has_its_name(i, source))
			return room ~ /^(pipe|lock|value|queue|pool)$/
		return kinds[i] !~ /^(unit|api)$/ && names(i, source)
	}
	function row(room, source, i, unit, also) {
		unit = also = ""
		for (i = 1; i <= n; i++) {
			if (is_unit(i, room, source)) {
				unit = append(unit, link(description(comments[i]), i))
				is_told[i] = 1
			} else if (is_other(i, room, source)) {
				also = append(also, link(kinds[i], i))
			}
		}
		if (unit == "" && also == "" && source ~ /c$/)
			others = others (others == "" ? "" : ", ") "`" source "`"
		if (unit == "" && also == "")
			return
		if (!n_rows++)
			print "\n| file | unit test | also |\n|---|---|---|"
		printf "| `%s` | %s | %s |\n", source, unit, also
	}
	function list(title, kind, room, i, n_listed) {
		n_listed = 0
		for (i = 1; i <= n; i++) {
			if (kinds[i] != kind || rooms_of[i] != room || is_told[i])
				continue
			if (!n_listed++)
				print "\n" title "\n"
			print "- " link(stems[i], i) ": " description(comments[i])
		}
	}
	function tell_room(room, i, parts) {
		print "\n## " room
		n_rows = 0
		others = ""
		for (i = 1; i <= n_sources; i++) {
			split(source_list[i], parts, "/")
			if (parts[2] == room)
				row(room, parts[3])
		}
		list("All of the room:", "unit", room)
		list("Between processes:", "proc", room)
		if (others != "")
			print "\nWithout one of their own: " others "."
	}
	FNR == 1 { end_of_file(); file = FILENAME; text = ""; is_over = 0 }
	is_over { next }
	/^#!/ || (text == "" && /^\/\*$/) { next }
	{
		line = $0
		if (line !~ /^(\/\* | \* |# )/ || line ~ /^# shellcheck/) {
			is_over = 1
			next
		}
		is_over = line ~ /\*\/$/
		sub(/^(\/\* | \* |# )/, "", line)
		sub(/ *\*\/$/, "", line)
		text = text (text == "" ? "" : " ") line
	}
	END {
		end_of_file()
		n_sources = split(sources, source_list, " ")
		n_rooms = split(rooms, room_list, " ")
		for (r = 1; r <= n_rooms; r++)
			tell_room(room_list[r])
		print "\n## Across rooms"
		list("Several processes:", "proc", "")
		list("System calls that fail:", "fault", "")
		list("Odd surroundings:", "env", "")
		list("The tools:", "cli", "")
		list("Killed:", "kill", "")
		list("Any bytes:", "fuzz", "")
		list("The interface:", "api", "")
		exit bad
	}' $(find tests -path 'tests/*/test_*.c' -o -path 'tests/cli/test_*.sh' \
	-o -name 'ops_*.c' -o -name 'fuzz_*.c' -o -path 'tests/api/*.sh' \
	-o -name 'scribble_*.c' ! -name 'scribble_trial.c' ! -name 'scribble_words.c' | sort)
