"""peer_pickle.py N: N times pickle and unpickle [42, None, "hello"]; prints nanoseconds."""
import pickle
import sys
import time


def work(n, dumps=pickle.dumps, loads=pickle.loads):
    value = [42, None, "hello"]
    for _ in range(n):
        loads(dumps(value))


def main():
    n = int(sys.argv[1])
    work(n // 16)
    begin = time.monotonic_ns()
    work(n)
    print(time.monotonic_ns() - begin)


main()
