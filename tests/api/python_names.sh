#!/bin/sh
# python_names.sh TOP - each public name of Python's modules for processes, threads and queues stands
# in docs/guide/coming-from-python.md, in the section of its module: with its counterpart, or with
# the reason why there is none. Skipped (77) without python3, and where that is newer than the page
# and has names that it does not know yet.
set -eu
command -v python3 >/dev/null || exit 77
cd "$1"
python3 - docs/guide/coming-from-python.md <<'END'
import importlib
import re
import sys
import types

NEWEST = (3, 13)  # whose names the page was compared with
MODULES = """multiprocessing multiprocessing.process multiprocessing.context
    multiprocessing.connection multiprocessing.queues multiprocessing.synchronize
    multiprocessing.sharedctypes multiprocessing.shared_memory multiprocessing.pool
    multiprocessing.managers multiprocessing.dummy concurrent.futures concurrent.futures.thread
    concurrent.futures.process threading queue""".split()


def sections(path):
    """The words that stand between backquotes, for each heading."""
    found, words = {}, set()
    for line in open(path, encoding="utf-8"):
        if line.startswith("#"):
            words = found.setdefault(line.lstrip("#").strip(), set())
        for code in re.findall(r"`([^`]*)`", line):
            words.update(re.findall(r"\w+", code))
    return found


def public_names(module):
    """What it exports, and what it defines without exporting it; what its classes define."""
    names = set(getattr(module, "__all__", ()))
    for name in dir(module):
        if not name.startswith("_") and \
                getattr(getattr(module, name), "__module__", None) == module.__name__:
            names.add(name)
    for name in sorted(names):
        thing = getattr(module, name)
        if isinstance(thing, type) and thing.__module__.replace("._base", "") == module.__name__:
            names.update(n for n in vars(thing) if not n.startswith("_"))
    return sorted(names)


page, n_names, missing = sections(sys.argv[1]), 0, []
for name in MODULES:
    known = page.get(name, set())
    for public in public_names(importlib.import_module(name)):
        n_names += 1
        if public not in known:
            missing.append("%s.%s" % (name, public))
print("Python %d.%d: %d names" % (*sys.version_info[:2], n_names))
for name in missing:
    print("%s is not in %s" % (name, sys.argv[1]))
if n_names < 400:
    sys.exit("too few: were the modules found?")
if missing:
    sys.exit(77 if sys.version_info[:2] > NEWEST else 1)
END
