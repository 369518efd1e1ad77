#!/bin/sh
# Pools and futures behave like Python's: pool_python.py and pool_same.c run the same series of
# operations, with multiprocessing.Pool, ThreadPool and concurrent.futures, and with ipk, and print
# the same. Intended differences are not in the series:
#
#   a worker dies         Pool: its task's get() never returns; executor: all futures break, and the
#                         pool with them. ipk: that task fails, the worker is replaced.
#   initializer fails     Pool: starts workers for ever; executor: breaks at the first task.
#                         ipk: ipk_pool_create() fails.
#   cancel what runs      Python: cannot. ipk: its worker is stopped. So Python's prefetched tasks
#                         of a process executor, which it considers running, can be cancelled.
#   terminate             Pool: get() of an unfinished task never returns. ipk: it is cancelled.
#   map with failures     Pool.map: the first reported, and the rest of its chunk is not done.
#                         ipk: the first by index, as executors do, and all others are done.
#   imap                  Python reads the whole input ahead. ipk: as far as its window.
#   apply with a deadline Python has none.
set -eu
command -v python3 >/dev/null || exit 77
here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for kind in processes threads; do
	PYTHONDONTWRITEBYTECODE=1 python3 "$here/pool_python.py" $kind >"$tmp/python"
	pool_same $kind >"$tmp/ipk"
	diff "$tmp/python" "$tmp/ipk"
	[ "$(wc -l <"$tmp/ipk")" -ge 80 ]
done
