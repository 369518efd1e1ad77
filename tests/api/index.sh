#!/bin/sh
# index.sh - tests/README.md is what ./dev index writes, and every test says what it tests.
set -eu
cd "$(dirname "$0")/../.."

if ! sh tests/index.sh | diff tests/README.md -; then
	echo "tests/README.md is not what ./dev index writes"
	exit 1
fi
