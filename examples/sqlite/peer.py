"""A process that uses lockfile's SQLiteLockFile as it is told, line by line.

Arguments: the path, and the database unless it is the class's own. Commands: try,
release, break, "pause", after which the next look at the table is answered for
with "looked" and goes on with another line, and "count FILE N", which adds 1 to
the number in FILE N times, each time under the lock.
"""

import sys

import lockfile
from lockfile.sqlitelockfile import SQLiteLockFile

if len(sys.argv) > 2:
    SQLiteLockFile.testdb = sys.argv[2]


class Pausing(SQLiteLockFile):
    pause = False

    def is_locked(self):
        locked = super().is_locked()
        if self.pause:
            self.pause = False
            print("looked", flush=True)
            sys.stdin.readline()
        return locked


lock = Pausing(sys.argv[1])


def count(path, times):
    for _ in range(int(times)):
        lock.acquire()
        with open(path, "r+") as f:
            n = int(f.read() or 0)
            f.seek(0)
            f.write(str(n + 1))
        lock.release()


def obey(command, *args):
    if command == "try":
        lock.acquire(timeout=0)
    elif command == "release":
        lock.release()
    elif command == "break":
        lock.break_lock()
    elif command == "pause":
        lock.pause = True
    elif command == "count":
        count(*args)


print(lock.unique_name, flush=True)
for line in iter(sys.stdin.readline, ""):
    try:
        obey(*line.split())
        print("done", flush=True)
    except lockfile.Error as e:
        print(type(e).__name__, flush=True)
