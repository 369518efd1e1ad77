"""The same random operations on Python's own lists and dicts and on a manager's: replies and
contents are the same, also after a restart from the log, and in a redis-server that loads that
log.

    python_same.py FOLDER [SEED [STEPS]]
"""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from resp_client import Conn, Error  # noqa: E402

FOLDER = sys.argv[1]
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 30)
STEPS = int(sys.argv[3]) if len(sys.argv) > 3 else 4000
VALUES = [b"", b"a", b"b", b"aa", b"\x00\xff\r\n", b"10", b"9", b"-3", b"2.5", b"x" * 300]
LISTS = [b"l0", b"l1", b"l2"]
DICTS = [b"d0", b"d1"]


def wait_connect(path):
    end = time.monotonic() + 60
    while True:
        try:
            return Conn(path)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


class Server:
    def __init__(self, name, argv):
        self.path = os.path.join(FOLDER, name)
        self.process = subprocess.Popen(argv(self.path), stdout=subprocess.DEVNULL)
        self.conn = wait_connect(self.path)

    def stop(self):
        self.conn.close()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(15) == 0, "exit code"


def manager():
    return Server("s", lambda path: ["ipc-manager", "--listen", "unix:" + path, "--log",
                                     os.path.join(FOLDER, "log.aof")])


def arg(n):
    return "-" if n is None else n


class Same:
    def __init__(self, conn):
        self.conn = conn
        self.lists = {key: [] for key in LISTS}
        self.dicts = {key: {} for key in DICTS}
        self.ttl = set()
        self.trail = []

    def ask(self, *words):
        self.trail.append(words)
        return self.conn.call(*words)

    def same(self, got, want):
        if got != want:
            for words in self.trail[-8:]:
                print(words)
            print("seed", SEED, "got", got, "want", want)
            sys.exit(1)

    def fails(self, got, word):
        self.same(isinstance(got, Error) and str(got).split()[0], word)

    # --- lists

    def bound(self, length):
        return random.choice([None, random.randint(-length - 3, length + 3), 0, -1,
                              random.choice([-2**63, 2**63 - 1])])

    def slice(self, length):
        step = random.choice([None, 1, 1, 1, 2, 3, -1, -1, -2, -7, 2**63 - 1, -2**63])
        return slice(self.bound(length), self.bound(length), step)

    def index(self, length):
        return random.randint(-length - 2, length + 2)

    def some(self, most):
        return [random.choice(VALUES) for _ in range(random.randint(0, most))]

    def do_insert(self, key, items):
        at, value = self.index(len(items)), random.choice(VALUES)
        items.insert(at, value)
        self.same(self.ask("IPK.LINSERT", key, at, value), len(items))

    def do_pop(self, key, items):
        at = self.index(len(items))
        got = self.ask("IPK.LPOPAT", key, at)
        try:
            want = items.pop(at)
        except IndexError:
            want = None
        self.same(got, want)

    def do_slice(self, key, items):
        s = self.slice(len(items))
        self.same(self.ask("IPK.LSLICE", key, arg(s.start), arg(s.stop), arg(s.step)), items[s])

    def do_set_slice(self, key, items):
        s = self.slice(len(items))
        values = self.some(6)
        if random.random() < 0.4:
            values = [random.choice(VALUES) for _ in items[s]]
        got = self.ask("IPK.LSETSLICE", key, arg(s.start), arg(s.stop), arg(s.step), *values)
        try:
            items[s] = values
        except ValueError as error:
            self.same(str(got), "RANGE " + str(error))
            return
        self.same(got, len(items))

    def do_delete_slice(self, key, items):
        s = self.slice(len(items))
        before = len(items)
        del items[s]
        self.same(self.ask("IPK.LDELSLICE", key, arg(s.start), arg(s.stop), arg(s.step)),
                  before - len(items))

    def do_index(self, key, items):
        value, start, stop = random.choice(VALUES), self.bound(len(items)), self.bound(len(items))
        got = self.ask("IPK.LINDEXOF", key, value, arg(start), arg(stop))
        try:
            want = items.index(value, 0 if start is None else start,
                               sys.maxsize if stop is None else stop)
        except ValueError:
            want = None
        self.same(got, want)

    def do_count(self, key, items):
        value = random.choice(VALUES)
        self.same(self.ask("IPK.LCOUNT", key, value), items.count(value))

    def do_reverse(self, key, items):
        items.reverse()
        self.same(self.ask("IPK.LREVERSE", key), "OK")

    def do_sort(self, key, items):
        down = random.random() < 0.5
        how = random.choice(["BYTES", "NUMBER", "NUMBER"])
        got = self.ask("IPK.LSORT", key, how, "DESC" if down else "ASC")
        try:
            items.sort(key=None if how == "BYTES" else float, reverse=down)
        except ValueError:
            self.fails(got, "VALUE")
            return
        self.same(got, "OK")

    def do_numbers(self, key, items):
        items[:] = [random.choice([b"10", b"9", b"1e1", b"-3", b"2.5"]) for _ in range(7)]
        self.same(self.ask("IPK.LSETSLICE", key, "-", "-", "-", *items), 7)
        self.do_sort(key, items)

    def do_repeat(self, key, items):
        n = random.choice([-1, 0, 1, 1, 2, 3])
        if len(items) > 200:
            n = 0
        items *= n
        self.same(self.ask("IPK.LREPEAT", key, n), len(items))

    def do_add(self, key, items):
        at, by = self.index(len(items)), random.choice([1, -7, 2.5])
        got = self.ask("IPK.LINCRBY", key, at, by)
        try:
            number = float(items[at])
        except IndexError:
            self.fails(got, "RANGE")
            return
        except ValueError:
            self.fails(got, "VALUE")
            return
        want = number + by
        text = b"%d" % want if want == int(want) else repr(want).encode()
        self.same(got, text)
        items[at] = text

    def do_make(self, key, items):
        n = random.randint(0, 5)
        self.same(self.ask("IPK.LMAKE", key, n, b"m"), 0 if items else 1)
        if not items:
            items[:] = [b"m"] * n

    def do_push(self, key, items):
        values = self.some(8)
        if values:
            items.extend(values)
            self.same(self.ask("RPUSH", key, *values), len(items))

    # --- dicts

    def do_setdefault(self, key, fields):
        field, value = random.choice(VALUES), random.choice(VALUES)
        self.same(self.ask("IPK.HSETDEFAULT", key, field, value), fields.setdefault(field, value))

    def do_dict_pop(self, key, fields):
        field = random.choice(VALUES)
        self.same(self.ask("IPK.HPOP", key, field), fields.pop(field, None))

    def do_popitem(self, key, fields):
        got = self.ask("IPK.HPOPITEM", key)
        self.same(got is None, not fields)
        if got:
            self.same(got[1], fields.pop(got[0]))

    def do_cas(self, key, fields):
        field, value = random.choice(VALUES), random.choice(VALUES)
        expected = random.choice([None, random.choice(VALUES), fields.get(field)])
        sets = random.random() < 0.7
        words = ["ABSENT"] if expected is None else ["IS", expected]
        got = self.ask("IPK.HCAS", key, field, *words, *(["SET", value] if sets else ["DEL"]))
        hit = fields.get(field) == expected
        self.same(got, int(hit))
        if hit and sets:
            fields[field] = value
        elif hit:
            fields.pop(field, None)

    def do_update(self, key, fields):
        pairs = [(random.choice(VALUES), random.choice(VALUES)) for _ in range(3)]
        before = len(fields)
        fields.update(pairs)
        self.same(self.ask("IPK.HUPDATE", key, *[word for pair in pairs for word in pair]),
                  len(fields) - before)

    def do_scan(self, key, fields):
        cursor, found = b"0", {}
        while True:
            cursor, flat = self.ask("IPK.HSCAN", key, cursor, "COUNT", 3)
            found.update(zip(flat[::2], flat[1::2]))
            if cursor == b"0":
                break
        self.same(found, fields)

    # --- all

    def contents(self, conn):
        for key, items in self.lists.items():
            self.same(conn.call("LRANGE", key, 0, -1), items)
        for key, fields in self.dicts.items():
            flat = conn.call("HGETALL", key)
            self.same(dict(zip(flat[::2], flat[1::2])), fields)
        for key in LISTS:
            self.same(conn.call("PTTL", key) > 0, key in self.ttl)

    def step(self):
        if random.random() < 0.75:
            key = random.choice(LISTS)
            held = self.lists[key]
            random.choice(self.LIST_STEPS)(self, key, held)
            if not held:
                self.ttl.discard(key)
            elif random.random() < 0.02:
                self.same(self.ask("PEXPIRE", key, 10**9), 1)
                self.ttl.add(key)
            self.same(self.conn.call("LRANGE", key, 0, -1), held)
        else:
            key = random.choice(DICTS)
            random.choice(self.DICT_STEPS)(self, key, self.dicts[key])

    LIST_STEPS = [do_insert, do_insert, do_insert, do_pop, do_slice, do_slice, do_set_slice,
                  do_set_slice, do_set_slice, do_delete_slice, do_delete_slice, do_index,
                  do_count, do_reverse, do_sort, do_numbers, do_repeat, do_add, do_make, do_push,
                  do_push, do_push]
    DICT_STEPS = [do_setdefault, do_dict_pop, do_popitem, do_cas, do_update, do_scan]


def in_redis(same):
    folder = os.path.join(FOLDER, "redis")
    os.mkdir(folder)
    shutil.copy(os.path.join(FOLDER, "log.aof"), os.path.join(folder, "log.aof"))
    redis = Server("r", lambda path: [
        "redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "yes",
        "--dir", folder, "--appendfilename", "log.aof", "--logfile", os.path.join(folder, "out")])
    end = time.monotonic() + 60
    while isinstance(redis.conn.call("DBSIZE"), Error) and time.monotonic() < end:
        time.sleep(0.01)  # it loads
    same.contents(redis.conn)
    redis.stop()


def main():
    random.seed(SEED)
    server = manager()
    same = Same(server.conn)
    for _ in range(STEPS):
        same.step()
    same.contents(server.conn)
    server.stop()
    server = manager()
    same.contents(server.conn)
    server.stop()
    if shutil.which("redis-server"):
        in_redis(same)
    print(json.dumps({"seed": SEED, "steps": STEPS,
                      "items": [len(held) for held in same.lists.values()]}))


main()
