#!/bin/sh
# busy.sh COMMAND... - run it with one busy loop per processor beside it.
set -u
loops=
trap 'kill $loops' EXIT
trap 'exit 1' INT TERM
for _ in $(seq "$(nproc)"); do
	while :; do :; done &
	loops="$loops $!"
done
"$@"
