"""peer_manager.py WHAT SIDES N: each of SIDES processes does N operations on objects of one
multiprocessing.Manager: dict_get, dict_set, dict_mixed (90 % get, 10 % set), list_get, lock.
Prints the nanoseconds from the first's start to the last's end."""
import multiprocessing
import random
import sys
import time

context = multiprocessing.get_context("fork")
KEYS = 1000


def key(i):
    return "key:%012d" % i


def dict_get(objects, n):
    for _ in range(n):
        objects["dict"][key(random.randrange(KEYS))]


def dict_set(objects, n):
    value = "0" * 64
    for _ in range(n):
        objects["dict"][key(random.randrange(KEYS))] = value


def dict_mixed(objects, n):
    value = "0" * 64
    for i in range(n):
        if i % 10 == 0:
            objects["dict"][key(random.randrange(KEYS))] = value
        else:
            objects["dict"][key(random.randrange(KEYS))]


def list_get(objects, n):
    for _ in range(n):
        objects["list"][random.randrange(KEYS)]


def lock(objects, n):
    for _ in range(n):
        objects["lock"].acquire()
        objects["lock"].release()


def side(work, objects, barrier, results, me, n):
    work(objects, n // 16 + 1)
    barrier.wait()
    results[2 * me] = time.monotonic_ns()
    work(objects, n)
    results[2 * me + 1] = time.monotonic_ns()


def main():
    work = globals()[sys.argv[1]]
    n_sides, n = int(sys.argv[2]), int(sys.argv[3])
    with context.Manager() as manager:
        objects = {"dict": manager.dict({key(i): "0" * 64 for i in range(KEYS)}),
                   "list": manager.list(["0" * 64] * KEYS), "lock": manager.Lock()}
        barrier = context.Barrier(n_sides)
        results = context.RawArray("q", 2 * n_sides)
        sides = [context.Process(target=side, args=(work, objects, barrier, results, me, n))
                 for me in range(n_sides)]
        for process in sides:
            process.start()
        for process in sides:
            process.join()
    print(max(results[1::2]) - min(results[0::2]))


main()
