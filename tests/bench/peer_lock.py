"""peer_lock.py N: N times acquire and release of an uncontended multiprocessing.Lock; prints the
nanoseconds."""
import multiprocessing
import sys
import time


def work(n, acquire, release):
    for _ in range(n):
        acquire()
        release()


def main():
    n = int(sys.argv[1])
    lock = multiprocessing.get_context("fork").Lock()
    work(n // 16, lock.acquire, lock.release)
    begin = time.monotonic_ns()
    work(n, lock.acquire, lock.release)
    print(time.monotonic_ns() - begin)


main()
