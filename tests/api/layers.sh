#!/bin/sh
# layers.sh - who may include what. Everything it knows about the rooms is in the table.
#
# lib/<room>/ includes "ipk/x.h" and headers of its own room and of rooms with a smaller
# number, written "room/file.h"; only lib/os includes headers that are good for nothing but
# system calls (calls.sh sees what is really called). tools/ and examples/ know <ipk.h>,
# "ipk/x.h", the system's headers and their own folder. No two source files share a name,
# so that a name in a stack trace says which file it is, and no two types: a debugger shows
# one of them.
set -eu
cd "$(dirname "$0")/../.."
export LC_ALL=C

rooms='base 1 os 2 shared 3 wire 3 pipe 4 lock 5 value 6 queue 6 process 7 pool 8 inspect 9
	net 10 store 10 command 11 log 11 server 12 backend 13 native 14 redis 14 manager 15'
system_calls='dirent.h fcntl.h mqueue.h sched.h semaphore.h spawn.h sys/epoll.h sys/eventfd.h
	sys/file.h sys/ioctl.h sys/ipc.h sys/mman.h sys/prctl.h sys/resource.h
	sys/sem.h sys/shm.h sys/signalfd.h sys/socket.h sys/stat.h sys/syscall.h sys/time.h
	sys/timerfd.h sys/un.h sys/vfs.h sys/wait.h unistd.h'

duplicates=$(find include lib tools examples tests -name '*.[ch]' | sed 's/.*\///' | sort | uniq -d)
for name in $duplicates; do
	echo "more than one file is called $name:" "$(find . -name "$name" -not -path './build/*')"
done

# Files that no program includes together may each have one; they are in one library all the same.
twice=$(grep -rhoE '^(struct|union|enum) ipk_\w+ \{' include lib | awk '{ print $2 }' | sort | uniq -d)
for name in $twice; do
	echo "more than one type is called $name:" \
		"$(grep -rlE "^(struct|union|enum) $name \{" include lib | tr '\n' ' ')"
done

# shellcheck disable=SC2016 # the $ are awk's
find lib tools examples -name '*.[ch]' | sort | xargs awk \
	-v rooms="$rooms" -v system_calls="$system_calls" '
	BEGIN {
		n = split(rooms, word)
		for (i = 1; i < n; i += 2)
			rank[word[i]] = word[i + 1]
		n = split(system_calls, word)
		for (i = 1; i <= n; i++)
			banned[word[i]] = 1
	}
	function wrong(why)
	{
		printf "%s:%d: %s: %s\n", FILENAME, FNR, $0, why
		bad = 1
	}
	function exists(path,    line)
	{
		return (getline line <path) >= 0 && close(path) == 0
	}
	function check_public(file)
	{
		if (file == "ipk.h" ? !exists("include/ipk.h") : !exists("include/" file))
			wrong("there is no such public header")
	}
	function check_room(file,    to)
	{
		to = file
		sub(/\/.*/, "", to)
		if (!(to in rank))
			wrong("write it \"room/file.h\" or \"ipk/x.h\"")
		else if (!exists("lib/" file))
			wrong("there is no such file")
		else if (to != room && rank[to] >= rank[room])
			wrong("lib/" room " is not above lib/" to)
	}
	FNR == 1 {
		split(FILENAME, part, "/")
		top = part[1]
		room = part[2]
		folder = FILENAME
		sub(/[^\/]*$/, "", folder)
		if (top == "lib" && !(room in rank)) {
			printf "%s: lib/%s is no room of the table in layers.sh\n", FILENAME, room
			bad = 1
		}
	}
	/^[ \t]*#[ \t]*include/ {
		n_includes++
		file = $0
		sub(/^[^"<]*["<]/, "", file)
		sub(/[">].*/, "", file)
		quoted = $0 ~ /"/
		if (file ~ /^ipk\// || file == "ipk.h")
			check_public(file)
		else if (top == "lib" && quoted)
			check_room(file)
		else if (top == "lib" && room != "os" && (file in banned || file ~ /^(linux|asm)\//))
			wrong("only lib/os makes system calls")
		else if (top != "lib" && quoted && (file ~ /\// || !exists(folder file)))
			wrong("only <ipk.h>, \"ipk/x.h\", system headers and its own folder")
	}
	END {
		printf "%d includes\n", n_includes
		exit bad
	}'
[ -z "$duplicates$twice" ]
