#!/bin/sh
# generate.sh DIR - all man pages into DIR/man1, DIR/man3 and DIR/man7: from the headers'
# comments (apidoc.awk) and the pages written by hand beside this script.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=$1

mkdir -p "$out/man1" "$out/man3" "$out/man7"
awk -f "$here/apidoc.awk" -v mode=man -v out="$out" "$here"/../../include/ipk/*.h
for page in "$here"/*.[1-8]; do
	section=${page##*.}
	mkdir -p "$out/man$section"
	cp "$page" "$out/man$section/"
done
