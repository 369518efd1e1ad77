#!/bin/sh
# A manager's lists and dicts behave like Python's, also after a restart from the log: see
# python_same.py.
set -eu
command -v python3 >/dev/null || exit 77
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
PYTHONDONTWRITEBYTECODE=1 python3 "$here/python_same.py" "$folder" "$@"
