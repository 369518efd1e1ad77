#!/bin/sh
# test_manager_daemon.sh - ipc-manager as a daemon: its command line, redis-cli, signals, systemd.
set -eu
# shellcheck source=tests/cli/inspect_fixture.sh
. "$(dirname "$0")/inspect_fixture.sh"
daemon=

end_daemon() {
	[ -z "$daemon" ] || kill -KILL "$daemon" 2>/dev/null || true
	fixture_end
}
trap end_daemon EXIT

# begins ARGUMENT...: it runs as $daemon and listens at $address.
begins() {
	rm -f "$tmp/said"
	mkfifo "$tmp/said"
	ipc-manager "$@" >"$tmp/said" 2>"$tmp/warned" &
	daemon=$!
	read -r line <"$tmp/said" || { cat "$tmp/warned"; exit 1; }
	address=${line#ipc-manager: listening on }
}

# ends SIGNAL CODE
ends() {
	code=0
	kill -"$1" "$daemon"
	wait "$daemon" || code=$?
	daemon=
	is "exit code after SIG$1" "$code" "$2"
}

# --- the command line ---

exits 0 ipc-manager --help
has help "$out" '^usage: ipc-manager --listen unix:PATH\|tcp:HOST:PORT'
for option in listen log fsync key-file max-memory max-clients allow-uid allow-gid label; do
	has "help has --$option" "$out" "^  --$option "
done
exits 0 ipc-manager --version
has version "$out" '^ipc-manager [0-9]+\.[0-9]+\.[0-9]+$'

# wrong MESSAGE ARGUMENT...
wrong() {
	message=$1
	shift
	exits 2 ipc-manager "$@"
	is "message: $*" "$(echo "$err" | head -n 1)" "ipc-manager: $message"
	has "hint: $*" "$err" '^hint: '
}
wrong "missing option --listen"
wrong "unknown option '--lisen'" --lisen unix:x
wrong "unexpected argument 'x'" --listen unix:x x
wrong "unexpected argument 'x'" --listen=unix:x -- x
wrong "unknown option '-l'" -l unix:x
wrong "missing argument of '--log'" --listen unix:x --log
wrong "invalid --fsync 'never'" --listen unix:x --fsync never
wrong "invalid --fsync 'never'" --listen=unix:x --fsync=never
wrong "invalid --max-memory '1t'" --listen unix:x --max-memory 1t
wrong "invalid --max-memory '-1'" --listen unix:x --max-memory -1
wrong "invalid --max-memory '99999999999g'" --listen unix:x --max-memory 99999999999g
wrong "invalid --max-clients '0'" --listen unix:x --max-clients 0
wrong "invalid --allow-uid 'root'" --listen unix:x --allow-uid root

# cannot PATTERN ARGUMENT...
cannot() {
	pattern=$1
	shift
	exits 1 ipc-manager "$@"
	has "why: $*" "$err" "$pattern"
}
cannot 'EACCES' --listen tcp:0.0.0.0:0
cannot '^hint: .*--key-file' --listen tcp:0.0.0.0:0
cannot 'EINVAL' --listen nowhere
cannot 'ENOENT' --listen "unix:$tmp/no/such/folder"
printf short >"$tmp/key"
chmod 600 "$tmp/key"
cannot '^hint: .*16 to 4096 bytes' --listen tcp:127.0.0.1:0 --key-file "$tmp/key"
printf 'long enough, but for all' >"$tmp/key"
chmod 644 "$tmp/key"
cannot 'EACCES' --listen tcp:127.0.0.1:0 --key-file "$tmp/key"

# --- systemd is told ---

python3 - "$tmp" <<-'END' &
	import socket, sys
	s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	s.bind(sys.argv[1] + "/notify")
	open(sys.argv[1] + "/notify-is-there", "w").close()
	s.settimeout(60)
	with open(sys.argv[1] + "/notified", "w") as f:
	    for _ in range(2):
	        f.write(s.recv(100).decode())
END
listener=$!
while [ ! -e "$tmp/notify-is-there" ]; do
	kill -0 "$listener"
done
NOTIFY_SOCKET=$tmp/notify
export NOTIFY_SOCKET
begins --listen "unix:$tmp/s" --max-memory 2m --label demo
is address "$address" "unix:$tmp/s"
ends TERM 0
unset NOTIFY_SOCKET
wait "$listener"
is "what systemd heard" "$(cat "$tmp/notified")" "READY=1
STOPPING=1"
[ ! -e "$tmp/s" ] || { echo "the socket is still there"; failures=$((failures + 1)); }

# --- redis-cli ---

command -v redis-cli >/dev/null || exit 77
ask() {
	redis-cli -s "$tmp/s" "$@"
}
begins --listen "unix:$tmp/s" --log "$tmp/log" --max-memory 8m --max-clients 5
exits 1 ipc-manager --listen "unix:$tmp/s"
has "one is there" "$err" EADDRINUSE
is ping "$(ask PING)" PONG
is hset "$(ask HSET settings colour blue size 3)" 2
is hgetall "$(ask HGETALL settings | paste - - | sort)" "colour	blue
size	3"
is "config get" "$(ask CONFIG GET maxmemory)" "maxmemory
8388608"
is "config set" "$(ask CONFIG SET timeout 10 maxclients 7)" OK
is "config set nothing" "$(ask CONFIG SET timeout 20 maxclients many | cut -c 1-22)" \
	"ERR CONFIG SET failed "
is "all or nothing" "$(ask CONFIG GET timeout)" "timeout
10"
has "info" "$(ask INFO)" '^used_memory:[1-9]'
has "info log" "$(ask INFO persistence)" '^aof_enabled:1'
has "info commandstats" "$(ask INFO commandstats)" '^cmdstat_hset:calls=1,'
has "command docs" "$(ask COMMAND DOCS hset)" summary
has "command count" "$(ask COMMAND COUNT)" '^1[0-9][0-9]|^[2-9][0-9][0-9]'
is "command info" "$(ask COMMAND INFO get | head -n 2)" "get
2"
has "client list" "$(ask CLIENT LIST)" 'cmd=(CLIENT|client)'
is "too much" "$(head -c 9000000 /dev/zero | ask -x SET big | cut -c 1-26)" \
	"OOM command not allowed wh"
ends INT 0
begins --listen "unix:$tmp/s" --log "$tmp/log"
is "after a restart" "$(ask HGET settings colour)" blue
ends KILL 137
begins --listen "unix:$tmp/s" --log "$tmp/log"
is "after a kill" "$(ask HGET settings size)" 3
is shutdown "$(ask SHUTDOWN)" ""
wait "$daemon"
daemon=

# --- over TCP with a key ---

chmod 600 "$tmp/key"
begins --listen tcp:127.0.0.1:0 --key-file "$tmp/key"
port=${address##*:}
is "without the key" "$(redis-cli -p "$port" PING)" "NOAUTH Authentication required."
is "with it" "$(redis-cli -p "$port" -a 'long enough, but for all' --no-auth-warning PING)" PONG
ends TERM 0
[ "$failures" = 0 ]
