"""peer_pool.py WHAT N: N tiny tasks by two worker processes: map_one (chunksize 1), map_chunks
(Python's default), apply (one at a time), apply_async (all at once), and the same by
concurrent.futures: executor_one, executor_submit. Prints the elapsed nanoseconds."""
import concurrent.futures
import multiprocessing
import sys
import time

context = multiprocessing.get_context("fork")


def square(x):
    return x * x


def map_one(pool, n):
    return pool.map(square, range(n), chunksize=1)


def map_chunks(pool, n):
    return pool.map(square, range(n))


def apply(pool, n):
    return [pool.apply_async(square, (i,)).get() for i in range(n)]


def apply_async(pool, n):
    return [r.get() for r in [pool.apply_async(square, (i,)) for i in range(n)]]


def executor_one(pool, n):
    return [pool.submit(square, i).result() for i in range(n)]


def executor_submit(pool, n):
    return [f.result() for f in [pool.submit(square, i) for i in range(n)]]


def main():
    work, n = globals()[sys.argv[1]], int(sys.argv[2])
    if sys.argv[1].startswith("executor"):
        pool = concurrent.futures.ProcessPoolExecutor(2, mp_context=context)
    else:
        pool = context.Pool(2)
    with pool:
        work(pool, n // 16 + 1)
        begin = time.monotonic_ns()
        results = work(pool, n)
        took = time.monotonic_ns() - begin
    assert results == [i * i for i in range(n)]
    print(took)


main()
