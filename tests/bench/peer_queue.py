"""peer_queue.py PRODUCERS CONSUMERS CPU,CPU|any N: N items of 64 bytes through a
multiprocessing.Queue; prints the nanoseconds from the first start to the last end."""
import multiprocessing
import os
import sys
import time


def side(queue, barrier, results, me, cpu, is_producer, n):
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    item = bytes(64)
    barrier.wait()
    begin = time.monotonic_ns()
    if is_producer:
        for _ in range(n):
            queue.put(item)
    else:
        for _ in range(n):
            queue.get()
    results[2 * me] = begin
    results[2 * me + 1] = time.monotonic_ns()


def main():
    n_producers, n_consumers = int(sys.argv[1]), int(sys.argv[2])
    cpus = [None, None] if sys.argv[3] == "any" else [int(cpu) for cpu in sys.argv[3].split(",")]
    n = int(sys.argv[4])
    n_sides = n_producers + n_consumers
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    barrier = context.Barrier(n_sides)
    results = context.RawArray("q", 2 * n_sides)
    sides = []
    for me in range(n_sides):
        is_producer = me < n_producers
        share = n // (n_producers if is_producer else n_consumers)
        cpu = cpus[0] if is_producer else cpus[1]
        sides.append(context.Process(target=side,
                                     args=(queue, barrier, results, me, cpu, is_producer, share)))
    for process in sides:
        process.start()
    for process in sides:
        process.join()
    if any(process.exitcode for process in sides):
        sys.exit(1)
    print(max(results[1::2]) - min(results[0::2]))


main()
