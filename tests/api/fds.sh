#!/bin/sh
# fds.sh - each fd that lib/os makes or receives goes through ipk__os_take_fd() and is
# close-on-exec from the start (calls.sh sees that nobody else makes any).
#
# A statement that calls a maker must call the door too, and ask for close-on-exec where that
# is not a matter of course. What opens null_path is meant to be 0, 1 or 2.
set -eu
cd "$(dirname "$0")/../.."
export LC_ALL=C

makers='open|openat|openat2|creat|memfd_create|shm_open|mq_open|socket|socketpair|accept|accept4'
makers="$makers|eventfd|epoll_create|epoll_create1|timerfd_create|signalfd|inotify_init"
makers="$makers|inotify_init1|fanotify_init|userfaultfd|pipe|pipe2|dup|dup2|dup3|opendir|fopen"
makers="$makers|popen|tmpfile|mkstemp|mkostemp|recvmsg|recvmmsg|fcntl|syscall|clone|clone3"

# shellcheck disable=SC2016 # the $ are awk's
awk -v makers="$makers" '
	function judge(    what)
	{
		if (!match(text, "(^|[^a-zA-Z0-9_])(" makers ")[ ]*\\("))
			return
		what = substr(text, RSTART, RLENGTH)
		sub(/^[^a-z]*/, "", what)
		sub(/ *\(.*/, "", what)
		if (what == "fcntl" && text !~ /F_DUPFD/)
			return
		if (what == "syscall" && text !~ /SYS_(pidfd_open|pidfd_getfd|memfd|open|dup|clone)/)
			return
		if (what ~ /^open/ && text ~ /null_path/)
			return
		n_makers++
		if (text !~ /CLOEXEC|shm_open|SYS_pidfd_open|SYS_dup3/ && what !~ /^dup[23]$/)
			wrong(what ": not close-on-exec")
		if (text !~ /ipk__os_take_fds?[ ]*\(/ && !++n_seen[FILENAME ":" what] > n_known[FILENAME ":" what])
			wrong(what ": its fd has to go through ipk__os_take_fd()")
	}
	function wrong(why)
	{
		printf "%s:%d: %s\n", FILENAME, FNR, why
		bad = 1
	}
	BEGIN {
		# Once each: the calls that give a pair, or several, or none, what makes the copies, and
		# those whose purpose is a number of stdio, or only to ask for one.
		n = split("socket.c:socketpair socket.c:recvmsg fd.c:fcntl fd.c:dup2 fd.c:dup2 fd.c:syscall doorbell.c:recvmmsg " \
			  "children.c:fcntl", word, " ")
		for (i = 1; i <= n; i++)
			n_known["lib/os/" word[i]]++
	}
	FNR == 1 { text = ""; in_comment = 0 }
	{
		line = $0
		gsub(/"([^"\\]|\\.)*"/, "\"\"", line)
		gsub(/\/\*[^*]*\*\//, "", line)
		if (in_comment) {
			if (line !~ /\*\//)
				next
			sub(/.*\*\//, "", line)
			in_comment = 0
		}
		if (line ~ /\/\*/) {
			sub(/\/\*.*/, "", line)
			in_comment = 1
		}
		text = text " " line
		if (line ~ /[;{}][ \t]*$/) {
			judge()
			text = ""
		}
	}
	END {
		printf "%d calls make fds\n", n_makers
		exit bad || n_makers < 20
	}' lib/os/*.c
