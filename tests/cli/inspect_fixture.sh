# inspect_fixture.sh - sourced by the test_inspect_*.sh: the objects that they inspect, and
# functions for what they expect. Nothing is left when the script ends, however it ends: the program
# that holds the objects ends with its standard input.
# shellcheck shell=sh disable=SC2034
export LC_ALL=C
prefix=t-cli-$$
tmp=$(mktemp -d)
failures=0

# fixture_begin PROGRAM: it runs as $holder, its objects are called $prefix-..., and $child is the
# pid of its process that waits.
fixture_begin() {
	mkfifo "$tmp/in" "$tmp/out"
	"$1" "$prefix" <"$tmp/in" >"$tmp/out" &
	holder=$!
	exec 3>"$tmp/in"
	read -r ready child <"$tmp/out"
	if [ "$ready" != ready ]; then
		echo "$1 did not start"
		exit 1
	fi
}

# fixture_more PROGRAM: it runs too, as $more, with as long an input.
fixture_more() {
	mkfifo "$tmp/more"
	"$1" "$prefix" <"$tmp/in" >"$tmp/more" 3>&- &
	more=$!
	read -r ready _ <"$tmp/more"
	if [ "$ready" != ready ]; then
		echo "$1 did not start"
		exit 1
	fi
}

fixture_end() {
	exec 3>&-
	[ -z "${holder:-}" ] || wait "$holder"
	[ -z "${more:-}" ] || wait "$more"
	rm -rf "$tmp"
}
trap fixture_end EXIT

# is WHAT GOT EXPECTED
is() {
	[ "$2" = "$3" ] && return
	printf '%s\n--- expected:\n%s\n--- got:\n%s\n' "$1" "$3" "$2"
	failures=$((failures + 1))
}

# has WHAT TEXT PATTERN: some line matches the extended regular expression.
has() {
	printf '%s\n' "$2" | grep -Eq -e "$3" && return
	printf '%s\n--- no line matches:\n%s\n--- in:\n%s\n' "$1" "$3" "$2"
	failures=$((failures + 1))
}

# exits CODE COMMAND...: its output is in $out, its errors in $err.
exits() {
	expected=$1
	shift
	code=0
	out=$("$@" 2>"$tmp/err") || code=$?
	err=$(cat "$tmp/err")
	is "exit code of: $*" "$code" "$expected"
}
