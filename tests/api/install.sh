#!/bin/sh
# install.sh - what ./dev install builds: each source of the libraries and the tools once and
# nothing else, where the framework of the tests is not installed.
set -eu
cd "$(dirname "$0")/../.."
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT

# A pkg-config that has never heard of check.
cat >"$build/pkg-config" <<END
#!/bin/sh
case " \$* " in *" check "*) exit 1 ;; esac
exec $(command -v pkg-config) "\$@"
END
chmod 755 "$build/pkg-config"

PKG_CONFIG=$build/pkg-config cmake --preset install -B "$build/build" --log-level=WARNING >/dev/null
ninja -C "$build/build" -t commands all >"$build/commands"
built=$(sed -n "s|.* -c $PWD/[a-z]*/\\(.*\\.c\\)\$|\\1|p" "$build/commands" | sort)
wanted=$(find lib tools -name '*.c' | sed 's/^[a-z]*\///' | sort)
if [ "$built" != "$wanted" ]; then
	echo "./dev install builds other sources than those of lib and tools:"
	printf '%s\n' "$built" >"$build/built"
	printf '%s\n' "$wanted" | diff - "$build/built" | grep '^[<>]' | head
	exit 1
fi
echo "$(echo "$built" | wc -l) objects"
