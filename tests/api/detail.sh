#!/bin/sh
# detail.sh - every -EINVAL says what it is about: ipk__invalid() and IPK__REQUIRE() give
# ipk_error_detail() its text, a bare one leaves it with that of an earlier error.
#
# Except in lib/os, whose numbers come from the kernel, and where a public call makes another
# error of it (auth.c: bytes that a peer sent). What a server refused: refusal.c.
set -eu
cd "$(dirname "$0")/../.."
export LC_ALL=C

rooms=$(for room in base shared wire pipe lock value queue process pool inspect net store \
	server backend native redis manager; do
	echo "lib/$room"
done)
# shellcheck disable=SC2086 # one word a room
found=$(grep -rnE '(return|[^=!]=|[?:]) -EINVAL\b' --include='*.[ch]' $rooms |
	grep -vE '^lib/net/auth\.c' || :)
if [ -n "$found" ]; then
	echo "$found"
	echo "say which option or argument: ipk__invalid(\"IPK_NOUN(.option): what it may be\")"
	exit 1
fi
# The pattern must be able to find something, or this checks nothing.
grep -qE '(return|[^=!]=|[?:]) -EINVAL\b' lib/net/auth.c
