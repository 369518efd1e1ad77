#!/bin/sh
# uncancelled.sh - no call of ipk is a cancellation point: each function that lib/os offers and
# that calls one of the C library's begins with IPK__UNCANCELLED() (lib/os/uncancelled.h).
#
# Functions of one file that only its own use count with those that call them; what runs in a
# new process alone need not mind.
set -eu
cd "$(dirname "$0")/../.."
export LC_ALL=C

points='open|openat|close|read|write|pread|pwrite|readv|writev|poll|ppoll|epoll_wait|recv|send'
points="$points|recvmsg|sendmsg|accept|accept4|connect|fsync|fdatasync|msync|waitpid|waitid"
points="$points|nanosleep|clock_nanosleep|mq_open|mq_send|mq_receive|mq_timedsend|shm_open"
points="$points|shm_unlink|opendir|readdir|closedir|fopen|fgets|fclose|fflush|getaddrinfo"
points="$points|pthread_join|fputs|posix_spawnp"

# shellcheck disable=SC2016 # the $ are awk's
awk -v points="(^|[^a-zA-Z0-9_>.])($points)\\\\(" '
	BEGIN {
		# In the child of a fork, in the thread that forks; or whose callers do; and what never comes back.
		split("ipk__os_fork ipk__os_fork_alone ipk__os_stdin_from_nowhere ipk__os_open_nowhere", n, " ")
		for (i in n)
			may[n[i]] = 1
	}
	/^[a-zA-Z_].*\(/ && !/;$/ {
		name = $0
		sub(/\(.*/, "", name)
		sub(/.*[ *]/, "", name)
		is_static = $0 ~ /(^| )static /
	}
	/^\{/ { is_in = 1; calls = ""; is_safe = 0; next }
	/^\}/ {
		if (is_in && calls != "" && !is_safe && !is_static && !(name in may)) {
			printf "%s: %s() calls %s: IPK__UNCANCELLED() is missing\n", FILENAME, name, calls
			bad = 1
		}
		n_safe += is_safe
		is_in = 0
		next
	}
	is_in {
		text = $0
		gsub(/"([^"\\]|\\.)*"/, "\"\"", text)
		gsub(/\/\*.*/, "", text)
		if (text ~ /^[ \t]*\*/)
			next
		if (text ~ /IPK__UNCANCELLED\(\)/)
			is_safe = 1
		if (match(text, points))
			calls = substr(text, RSTART, RLENGTH - 1)
	}
	END {
		printf "%d functions are not cancelled\n", n_safe
		exit bad || n_safe < 40
	}' lib/os/*.c
