"""A process that uses a Python lock library as it is told, line by line.

Arguments: the kind of lock, the path, "shared" perhaps. Commands: acquire, try,
release, break, "count FILE N", which adds 1 to the number in FILE N times, each time
under the lock, and "log FILE LOG", which does so for as long as its parent lives
and notes in LOG the numbers that it comes to.
"""

import errno
import fcntl
import os
import sys
import time


class Busy(Exception):
    pass


class PyFileLock:
    def __init__(self, cls, path):
        import filelock

        self.timeout = filelock.Timeout
        self.lock = getattr(filelock, cls)(path)

    def acquire(self):
        self.lock.acquire()

    def attempt(self):
        try:
            self.lock.acquire(timeout=0)
        except self.timeout:
            raise Busy

    def release(self):
        self.lock.release()


class Zc:
    def __init__(self, path, **template):
        self.path = path
        self.template = template

    def attempt(self):
        import zc.lockfile

        try:
            self.lock = zc.lockfile.LockFile(self.path, **self.template)
        except zc.lockfile.LockError:
            raise Busy

    def acquire(self):
        while True:
            try:
                return self.attempt()
            except Busy:
                time.sleep(0.001)

    def release(self):
        self.lock.close()


class Lockfile:
    """The locks of lockfile, by the names of their classes."""

    def __init__(self, cls, path):
        import importlib

        import lockfile

        self.lockfile = lockfile
        self.lock = getattr(importlib.import_module("lockfile." + cls.lower()), cls)(path)

    def acquire(self):
        while True:  # a PIDLockFile makes one attempt
            try:
                return self.lock.acquire()
            except self.lockfile.AlreadyLocked:
                time.sleep(0.001)
            except OSError as e:
                # A SymlinkLockFile that finds a link reads it next, and ends if that
                # has been removed or replaced meanwhile.
                if e.errno not in (errno.EINVAL, errno.ENOENT):
                    raise

    def attempt(self):
        try:
            self.lock.acquire(timeout=0)
        except self.lockfile.AlreadyLocked:
            raise Busy

    def release(self):
        try:
            self.lock.release()
        except (self.lockfile.NotMyLock, self.lockfile.NotLocked):
            raise Busy

    def break_lock(self):
        self.lock.break_lock()


class Lockf:
    """The record locks of a process, as dpkg and many others use them."""

    def __init__(self, path, shared):
        self.file = open(path, "a+")
        self.how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX

    def acquire(self):
        fcntl.lockf(self.file, self.how)

    def attempt(self):
        try:
            fcntl.lockf(self.file, self.how | fcntl.LOCK_NB)
        except OSError:
            raise Busy

    def release(self):
        fcntl.lockf(self.file, fcntl.LOCK_UN)


class Flufl:
    """flufl.lock, and what it tells.

    The kind goes on with a separator perhaps, and "eager" for a peer that pauses
    for an instant only and leaves no time for clocks to differ.
    """

    def __init__(self, how, path):
        import datetime
        import random

        import flufl.lock
        import flufl.lock._lockfile as implementation

        self.module = flufl.lock
        separator = flufl.lock.SEP
        for word in how:
            if word == "eager":
                random.random = lambda: 0.0
                implementation.CLOCK_SLOP = datetime.timedelta()
            else:
                separator = word
        self.lock = flufl.lock.Lock(path, lifetime=30, separator=separator)

    def acquire(self):
        self.lock.lock()

    def attempt(self):
        try:
            self.lock.lock(timeout=0)
        except self.module.TimeOutError:
            raise Busy

    def release(self):
        self.lock.unlock()

    def tell(self, command):
        try:
            if command[0] == "refresh":
                return self.lock.refresh(int(command[1]))
            if command[0] == "unlock":
                return self.lock.unlock()
            if command[0] == "expiration":
                return int(self.lock.expiration.timestamp())
            if command[0] == "details":
                return "%s %d %s" % self.lock.details
            return getattr(self.lock, command[0])
        except self.module.NotLockedError:
            return "not locked"


def make(kind, path, shared):
    if kind.startswith("flufl"):
        return Flufl(kind.split()[1:], path)
    if kind == "zc":
        return Zc(path, content_template="{pid};{hostname}")
    if kind == "zc default":
        return Zc(path)
    if kind.endswith("LockFile"):
        return Lockfile(kind, path)
    if kind == "lockf":
        return Lockf(path, shared)
    return PyFileLock(kind, path)


def log_counts(lock, counter, log):
    parent = os.getppid()
    print("ready", flush=True)
    while os.getppid() == parent:
        lock.acquire()
        with open(counter, "r+") as f, open(log, "a") as notes:
            n = int(f.read()) + 1
            f.seek(0)
            f.write("%10d\n" % n)  # as long as what was there
            f.flush()
            notes.write("%d\n" % n)
        lock.release()


def main():
    lock = make(sys.argv[1], sys.argv[2], "shared" in sys.argv[3:])
    for line in sys.stdin:
        command = line.split()
        try:
            if command[0] == "acquire":
                lock.acquire()
            elif command[0] == "try":
                lock.attempt()
            elif command[0] == "release":
                lock.release()
            elif command[0] == "break":
                lock.break_lock()
            elif command[0] == "count":
                for _ in range(int(command[2])):
                    lock.acquire()
                    with open(command[1], "r+") as f:
                        n = int(f.read())
                        f.seek(0)
                        f.write(str(n + 1))
                    lock.release()
            elif command[0] == "log":
                log_counts(lock, command[1], command[2])
            else:
                print(lock.tell(command), flush=True)
                continue
        except Busy:
            print("busy", flush=True)
        else:
            print("done", flush=True)


main()
