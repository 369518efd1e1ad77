#!/bin/sh
# test_inspect_readonly.sh - by its system calls, ipc-inspect writes to no object, takes no lock in
# one, and maps none writable. Skipped (77) where tracing is not allowed.
set -eu
# shellcheck source=tests/cli/inspect_fixture.sh
. "$(dirname "$0")/inspect_fixture.sh"

if ! command -v strace >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "installing strace"
	apt-get install -y -q strace >/dev/null 2>&1 || true
fi
if ! strace -f -o /dev/null true 2>/dev/null; then
	echo "strace is not there, or may not trace: skipped"
	exit 77
fi
fixture_begin hold_objects
fixture_more hold_small

# A leak checker traces too, and only one can.
ASAN_OPTIONS=detect_leaks=0:${ASAN_OPTIONS:-}
export ASAN_OPTIONS
strace -f -y -s 200 -o "$tmp/ls" ipc-inspect ls >"$tmp/table"
strace -f -y -s 200 -o "$tmp/show" ipc-inspect show "$prefix-named" >/dev/null
strace -f -y -s 200 -o "$tmp/small" ipc-inspect show "$prefix-lock" >/dev/null
cat "$tmp/ls" "$tmp/show" "$tmp/small" >"$tmp/calls"
objects='memfd:ipk:|/dev/shm/(ipk|#)'

# never WHAT PATTERN...: no call matches all the patterns.
never() {
	what=$1
	shift
	cp "$tmp/calls" "$tmp/left"
	for pattern; do
		grep -E -e "$pattern" "$tmp/left" >"$tmp/next" || true
		mv "$tmp/next" "$tmp/left"
	done
	is "$what" "$(cat "$tmp/left")" ""
}

has "the table was printed" "$(cat "$tmp/table")" "$prefix-named"
has "with small objects" "$(cat "$tmp/table")" "$prefix-rlock"
has "objects were read" "$(cat "$tmp/calls")" "pread64\\([0-9]+<($objects|/memfd:ipk:)"
never "write calls on an object" \
	'[0-9]+ +(p?writev?2?|pwrite64|ftruncate|fallocate|sendfile|splice|copy_file_range|fchmod|fchown|ioctl|flock)\(' \
	"\\([0-9]+<[^>]*($objects)"
never "fcntl that changes an object" 'fcntl\(' "$objects" 'F_ADD_SEALS|F_SETLK|F_OFD_SETLK|F_SETLEASE'
never "objects opened to write" 'open(at)?\(' "$objects" 'O_RDWR|O_WRONLY|O_CREAT|O_TRUNC'
never "fds of others opened to write" 'open(at)?\(' '"/proc/[0-9]+/fd/' 'O_RDWR|O_WRONLY'
never "objects mapped" 'mmap\(' "$objects" 'PROT_WRITE'
never "shared memory mapped writable" 'mmap\(.*PROT_WRITE.*MAP_SHARED'
never "futexes between processes" 'futex\(' 'FUTEX_(WAIT|WAKE|LOCK_PI|WAIT_BITSET|REQUEUE|CMP_REQUEUE)[,|]'
never "names removed or made" ' (unlink|rename|link|symlink|mknod|mkdir)(at)?2?\(' '"(/dev/|[^"]*ipk)'
# Signal 0 only asks whether a process that has just left /proc is there.
never "others signalled, stopped or traced" \
	'\<(kill\([0-9]+, [^0]|tgkill\(|ptrace\(|process_vm_writev\(|pidfd_send_signal\()'
[ "$failures" = 0 ]
