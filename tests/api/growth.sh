#!/bin/sh
# growth.sh - no call ends the host by a signal: each function that makes a file longer asks
# ipk__os_may_*() before (SIGXFSZ), each send says MSG_NOSIGNAL (SIGPIPE).
set -eu
cd "$(dirname "$0")/../.."

awk '
	function complain(what) {
		printf "%s:%d: %s\n", FILENAME, begin, what
		bad = 1
	}
	/^{/ { body = ""; begin = FNR - 1 }
	{ body = body " " $0 }
	/^}/ {
		# Doorbells are no files; spawn.c writes in a child of its own.
		asks = body ~ /(ipk__os_may_|may_append)/
		gives_back = body ~ /FALLOC_FL_PUNCH_HOLE/
		if (body ~ /[^_a-z](ftruncate|fallocate|posix_fallocate|pwritev?|writev|sendfile|splice|copy_file_range)\(/) {
			n++
			if (!asks && !gives_back && FILENAME !~ /\/doorbell\.c$/)
				complain("grows a file and does not ask ipk__os_may_grow_to() before")
		}
		if (body ~ /[^_a-z]write\(/ && FILENAME !~ /\/(doorbell|spawn)\.c$/) {
			n++
			if (!asks)
				complain("writes and does not ask ipk__os_may_write_to() before")
		}
		if (body ~ /[^_a-z](send|sendto|sendmsg|sendmmsg)\(/) {
			n++
			if (body !~ /MSG_NOSIGNAL/)
				complain("sends without MSG_NOSIGNAL")
		}
		body = ""
	}
	END {
		printf "%d functions write\n", n
		exit bad || n < 5
	}' lib/os/*.c
