"""A process that uses py-filelock as it is told, line by line.

Arguments: the class, the path. "acquire" answers "waiting", and then when it
has the lock. "release NS" does so after that time, without an answer, which
would get somebody else to run in that instant; "released" answers when it began
to. "batch N" and "nest N" answer how long N acquisitions take, free and nested.
All times are in nanoseconds of CLOCK_MONOTONIC.
"""

import sys
import time

import filelock


def main():
    lock = getattr(filelock, sys.argv[1])(sys.argv[2])

    def batch(n):
        start = time.monotonic_ns()
        for _ in range(n):
            lock.acquire()
            lock.release()
        return time.monotonic_ns() - start

    def acquire(_):
        print("waiting", flush=True)
        lock.acquire()
        return time.monotonic_ns()

    at = None

    def release(ns):
        nonlocal at
        time.sleep(ns / 1e9)
        at = time.monotonic_ns()
        lock.release()

    def released(_):
        return at

    def nest(n):
        with lock:
            return batch(n)

    commands = {f.__name__: f for f in (batch, acquire, release, released, nest)}
    for line in sys.stdin:
        word, number = line.split()
        answer = commands[word](int(number))
        if answer is not None:
            print(answer, flush=True)


main()
