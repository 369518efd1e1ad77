"""peer_value.py add SIDES N: each of SIDES processes adds 1 to one Value N times under its
lock; peer_value.py make COUNT N: N times COUNT Values. Prints the nanoseconds."""
import multiprocessing
import sys
import time

context = multiprocessing.get_context("fork")


def side(value, barrier, results, me, n):
    barrier.wait()
    begin = time.monotonic_ns()
    for _ in range(n):
        with value.get_lock():
            value.value += 1
    results[2 * me] = begin
    results[2 * me + 1] = time.monotonic_ns()


def add(n_sides, n):
    value = context.Value("q", 0)
    barrier = context.Barrier(n_sides)
    results = context.RawArray("q", 2 * n_sides)
    sides = [context.Process(target=side, args=(value, barrier, results, me, n))
             for me in range(n_sides)]
    for process in sides:
        process.start()
    for process in sides:
        process.join()
    if value.value != n_sides * n:
        sys.exit(1)
    return max(results[1::2]) - min(results[0::2])


def make(count, n):
    begin = time.monotonic_ns()
    for _ in range(n):
        values = [context.Value("q", 0) for _ in range(count)]
        del values
    return time.monotonic_ns() - begin


def main():
    what = {"add": add, "make": make}[sys.argv[1]]
    print(what(int(sys.argv[2]), int(sys.argv[3])))


main()
