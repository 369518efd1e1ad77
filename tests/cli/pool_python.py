"""A series of operations with multiprocessing.Pool, ThreadPool and concurrent.futures.
pool_same.c does the same with ipk, and both must print the same.

    pool_python.py processes|threads
"""
import concurrent.futures as cf
import multiprocessing
import os
import sys
import time
from multiprocessing.pool import ThreadPool

KIND = sys.argv[1]
FORK = multiprocessing.get_context("fork")
N_FLAGS = 8
flags = [FORK.Event() for _ in range(N_FLAGS)]
begun = FORK.Value("i", 0)
CLOSED = (ValueError, RuntimeError)


# --- tasks ---

def square(n):
    return n * n


def add(a, b):
    return a + b


def positive(n):
    if n < 0:
        raise ArithmeticError("negative: %d" % n)
    return n * n


def when_raised(n):
    with begun.get_lock():
        begun.value += 1
    flags[n].wait()
    return n * n


def worker_pid(_):
    return os.getpid()


# --- helpers ---

def pool(n, **more):
    return FORK.Pool(n, **more) if KIND == "processes" else ThreadPool(n)


def executor(n):
    if KIND == "processes":
        return cf.ProcessPoolExecutor(n, mp_context=FORK)
    return cf.ThreadPoolExecutor(n)


def fresh():
    for flag in flags:
        flag.clear()
    begun.value = 0


def wait_begun(n):
    while begun.value < n:
        time.sleep(0.001)


def say(name, *what):
    print(name + ":", *what)


def outcome(get):
    try:
        result = get()
    except ArithmeticError as e:
        return "failed(%s)" % e
    except (TimeoutError, multiprocessing.TimeoutError, cf.TimeoutError):
        return "timeout"
    except cf.CancelledError:
        return "cancelled"
    except StopIteration:
        return "end"
    except OSError:
        return "input error"
    except CLOSED:
        return "closed"
    if isinstance(result, list):
        return " ".join(map(str, result))
    return str(result)


def state(f):
    return "cancelled" if f.cancelled() else "done" if f.done() else \
        "running" if f.running() else "pending"


# --- Pool ---

def maps():
    with pool(2) as p:
        say("map", outcome(lambda: p.map(square, range(10))))
        for chunk in (1, 3, 100):
            say("map in chunks", outcome(lambda: p.map(square, range(10), chunk)))
        say("map of nothing", outcome(lambda: p.map(square, [])))
        say("map with a failure", outcome(lambda: p.map(positive, [1, 2, -3, 4], 1)))
        say("map with two in a chunk", outcome(lambda: p.map(positive, [1, -2, -3, 4], 4)))
        say("map after that", outcome(lambda: p.map(positive, [5])))
        later = p.map_async(when_raised, [1, 0])
        say("map_async", outcome(lambda: later.get(0.01)))
        flags[0].set()
        flags[1].set()
        say("map_async", outcome(later.get))
        say("map_async again", outcome(later.get))
        say("starmap", outcome(lambda: p.starmap(add, [(1, 2), (3, 4), (5, 6)])))
        say("starmap of nothing", outcome(lambda: p.starmap(add, [])))


def applies():
    fresh()
    with pool(2) as p:
        say("apply", outcome(lambda: p.apply(square, (7,))))
        say("apply with a failure", outcome(lambda: p.apply(positive, (-7,))))
        f = p.apply_async(when_raised, (2,))
        say("get with a deadline", outcome(lambda: f.get(0.01)))
        say("ready", f.ready())
        flags[2].set()
        say("get", outcome(f.get))
        say("ready", f.ready())
        say("successful", f.successful())
        bad = p.apply_async(positive, (-1,))
        bad.wait()
        say("successful", bad.successful())
        say("get twice", outcome(bad.get), outcome(bad.get))


def numbers(n, error_at=-1):
    for i in range(n):
        if i == error_at:
            raise OSError("no")
        yield i


def imaps():
    fresh()
    with pool(2) as p:
        say("imap", outcome(lambda: list(p.imap(square, numbers(10)))))
        say("imap in chunks", outcome(lambda: list(p.imap(square, numbers(10), 3))))
        say("imap_unordered", outcome(lambda: sorted(p.imap_unordered(square, numbers(10)))))
        say("imap of nothing", outcome(lambda: list(p.imap(square, numbers(0)))))
        it = p.imap(positive, [1, -2, 3])
        for _ in range(5):
            say("imap with a failure", outcome(lambda: next(it)))
        it = p.imap(square, numbers(9, 3))
        for _ in range(5):
            say("imap of a broken input", outcome(lambda: next(it)))
        it = p.imap(when_raised, [0, 1])
        flags[1].set()
        say("imap with a deadline", outcome(lambda: it.next(0.01)))
        flags[0].set()
        say("imap later", outcome(it.next), outcome(it.next), outcome(it.next))
        fresh()
        it = p.imap_unordered(when_raised, [0, 1])
        say("imap_unordered with a deadline", outcome(lambda: it.next(0.01)))
        flags[1].set()
        say("imap_unordered", outcome(it.next))
        flags[0].set()
        say("imap_unordered", outcome(it.next), outcome(it.next))


def join(p):
    try:
        p.join()
        return "joined"
    except ValueError:
        return "still running"


def ends():
    fresh()
    p = pool(2)
    f = p.apply_async(when_raised, (3,))
    say("join before close", join(p))
    p.close()
    p.close()
    say("apply after close", outcome(lambda: p.apply_async(square, (1,))))
    say("map after close", outcome(lambda: p.map(square, [1])))
    say("imap after close", outcome(lambda: p.imap(square, [1])))
    say("starmap after close", outcome(lambda: p.starmap(add, [(1, 2)])))
    flags[3].set()
    say("join after close", join(p), join(p))
    say("result after join", outcome(f.get))
    p = pool(2)
    p.terminate()
    say("apply after terminate", outcome(lambda: p.apply_async(square, (1,))))
    say("join after terminate", join(p))
    p.terminate()


def generations():
    if KIND != "processes":
        return
    with pool(1, maxtasksperchild=2) as p:
        pids = p.map(worker_pid, range(6), 1)
        say("tasks of each worker", *[pids.count(pid) for pid in dict.fromkeys(pids)])


# --- Executor ---

def submits():
    with executor(2) as e:
        say("executor map", outcome(lambda: list(e.map(square, range(10)))))
        say("executor map in chunks", outcome(lambda: list(e.map(square, range(10), chunksize=4))))
        say("executor map with failures", outcome(lambda: list(e.map(positive, [1, -2, -3]))))
        f = e.submit(square, 9)
        say("result", outcome(f.result))
        say("exception", f.exception())
        f = e.submit(positive, -9)
        say("exception", f.exception())
        say("result", outcome(f.result))
        fresh()
        f = e.submit(when_raised, 0)
        say("result with a deadline", outcome(lambda: f.result(0.01)))
        say("exception with a deadline", outcome(lambda: f.exception(0.01)))
        wait_begun(1)
        while state(f) == "pending":
            time.sleep(0.001)
        say("state", state(f))
        flags[0].set()
        say("result", outcome(f.result))
        say("state", state(f))


def waits():
    fresh()
    with executor(3) as e:
        def wait(futures, timeout, return_when):
            done, _ = cf.wait(futures, timeout, return_when)
            return [int(f in done) for f in futures]

        fs = [e.submit(when_raised, i) for i in range(3)]
        say("wait for all", *wait(fs, 0.01, cf.ALL_COMPLETED))
        flags[1].set()
        say("wait for the first", *wait(fs, None, cf.FIRST_COMPLETED))
        say("wait for an error", *wait(fs, 0.01, cf.FIRST_EXCEPTION))
        flags[0].set()
        flags[2].set()
        say("wait for an error", *wait(fs, None, cf.FIRST_EXCEPTION))
        say("wait twice for the same", *wait(fs + fs, None, cf.ALL_COMPLETED))
        say("wait for none", *wait([], None, cf.ALL_COMPLETED))
        fresh()
        fs = [e.submit(when_raised, 0), e.submit(when_raised, 1), e.submit(positive, -1)]
        say("wait for an error", *wait(fs, None, cf.FIRST_EXCEPTION))
        flags[0].set()
        flags[1].set()
        say("wait for all", *wait(fs, None, cf.ALL_COMPLETED))
        fresh()
        fs = [e.submit(when_raised, i) for i in range(3)]
        order, it = [], cf.as_completed(fs)
        for i in (2, 0, 1):
            flags[i].set()
            order.append(fs.index(next(it)))
        say("as completed", *order, outcome(lambda: next(it)))
        fresh()
        fs = [e.submit(when_raised, 0)]
        say("as completed with a deadline", outcome(lambda: next(cf.as_completed(fs, 0.01))))
        flags[0].set()


def cancels():
    fresh()
    called = []
    with executor(1) as e:
        fs = [e.submit(when_raised, i) for i in range(6)]
        wait_begun(1)
        for f in fs:
            f.add_done_callback(lambda f: called.append(state(f)))
        say("cancel", fs[5].cancel(), state(fs[5]), fs[5].cancel())
        say("result", outcome(fs[5].result))
        say("exception", outcome(fs[5].exception))
        for flag in flags:
            flag.set()
        say("others", *[outcome(f.result) for f in fs[:5]])
        say("cancel what is done", fs[0].cancel(), state(fs[0]))
        while len(called) < 6:
            time.sleep(0.001)
        say("callbacks", *sorted(called))
        fs[0].add_done_callback(lambda f: say("callback at once", state(f)))


def shutdowns():
    fresh()
    e = executor(1)
    fs = [e.submit(when_raised, i) for i in range(6)]
    wait_begun(1)
    e.shutdown(wait=False, cancel_futures=True)
    say("submit after shutdown", outcome(lambda: e.submit(square, 1)))
    say("map after shutdown", outcome(lambda: e.map(square, [1])))
    for flag in flags:
        flag.set()
    say("shutdown", outcome(fs[0].result), outcome(fs[5].result))
    e.shutdown()
    say("state", state(fs[0]), state(fs[5]))
    fresh()
    e = executor(1)
    fs = [e.submit(when_raised, i) for i in range(3)]
    e.shutdown(wait=False)
    for flag in flags:
        flag.set()
    say("shutdown that drains", *[outcome(f.result) for f in fs])
    e.shutdown()


maps()
applies()
imaps()
ends()
generations()
submits()
waits()
cancels()
shutdowns()
