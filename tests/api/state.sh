#!/bin/sh
# state.sh ARCHIVE... - the library neither changes nor depends on what belongs to the whole
# process: umask, locale, working directory, environment, signals, limits, its end.
#
# Which object calls what is looked up in the archives; those that may are in the table. A
# number with a point is printed by ipk__decimal() alone, since printf() asks the locale.
set -eu
cd "$(dirname "$0")/../.."
export LC_ALL=C

state='umask setlocale uselocale newlocale localeconv chdir fchdir chroot signal sigaction
	sigprocmask pthread_sigmask sigaltstack alarm setitimer getenv secure_getenv setenv unsetenv
	putenv clearenv setrlimit setrlimit64 prlimit prlimit64 setpriority nice exit abort quick_exit
	atexit tzset localtime localtime_r strftime srand rand setuid seteuid setgid setegid setsid
	setpgid system mallopt'
locale='strtod strtof strtold atof strtod_l strtof_l strtold_l strcasecmp strncasecmp strcoll
	strxfrm strerror strerror_r strsignal toupper tolower isalpha isalnum isspace isdigit isupper
	islower isprint ispunct isxdigit iscntrl isgraph __ctype_b_loc __ctype_tolower_loc
	__ctype_toupper_loc mbstowcs mbtowc wcstombs fnmatch regcomp'
# FILE SYMBOL: children begin with the host's signals; library threads block all; the variable
# by which an exec tells the child of its spawn is taken out again before main() begins; the
# bar's thread alone minds no SIGPIPE and no SIGXFSZ while it writes.
may='decimal.c newlocale  decimal.c strtod_l  decimal.c strtof_l  decimal.c strtold_l
	children.c sigaction  children.c pthread_sigmask  thread.c pthread_sigmask
	loop.c pthread_sigmask  terminal.c pthread_sigmask  spawn.c secure_getenv  spawn.c unsetenv  spawn.c atexit
	stream.c secure_getenv  proc.c setrlimit  proc.c setrlimit64'

# shellcheck disable=SC2016 # the $ are awk's
nm -A -u "$@" 2>/dev/null | awk -v state="$state" -v locale="$locale" -v may="$may" '
	BEGIN {
		n = split(state " " locale, word)
		for (i = 1; i <= n; i++)
			is_banned[word[i]] = 1
		n = split(may, word)
		for (i = 1; i < n; i += 2)
			is_allowed[word[i] " " word[i + 1]] = 1
	}
	NF > 1 && $(NF - 1) ~ /^[Uw]$/ {
		source = $1
		sub(/:$/, "", source)
		sub(/.*:/, "", source)
		sub(/\.o$/, "", source)
		symbol = $NF
		sub(/@.*/, "", symbol)
		n_symbols++
		if (!is_banned[symbol] || is_allowed[source " " symbol])
			next
		printf "%s calls %s(), which is the whole process'\''s or asks its locale\n",
			source, symbol
		bad = 1
	}
	END {
		printf "%d outside symbols\n", n_symbols
		exit bad || n_symbols == 0
	}'

# shellcheck disable=SC2016 # the $ are awk's
find lib -name '*.[ch]' | sort | xargs awk '
	FNR == 1 { text = "" }
	{
		text = text " " $0
		if ($0 !~ /[;{}][ \t]*$/)
			next
		if (text ~ /"[^"]*%[-+ #0]*[0-9*]*(\.[0-9*]*)?[lL]?[aefgAEFG][^"]*"/ &&
		    text ~ /printf|line *\(/ && text !~ /ipk__decimal *\(/) {
			printf "%s:%d: print it with ipk__decimal()\n", FILENAME, FNR
			bad = 1
		}
		text = ""
	}
	END { exit bad }'

# Tools print and read in the locale "C", since they ask for no other.
if grep -rnE '\<(setlocale|uselocale)[ ]*\(' tools; then
	echo "tools take over no locale: what they print is read by programs too"
	exit 1
fi
