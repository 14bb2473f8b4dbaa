"""What the order system has done: one line of JSON per call of a function, only ever appended.

The lock beside the file makes "have I done this already?" and "now it is done" one step, whichever process asks.
"""

import contextlib
import fcntl
import json
import os
import time


class Ledger:
    def __init__(self, path):
        self.path = path

    @contextlib.contextmanager
    def locked(self):
        """Holds all other writers off."""
        with open(f"{self.path}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def append(self, **entry):
        """Adds a line. One write with O_APPEND: lines of several processes never mix."""
        line = json.dumps({"time": round(time.time(), 3), **entry}) + "\n"
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)

    def entries(self, **wanted):
        """Every line whose fields have the `wanted` values, oldest first."""
        try:
            with open(self.path) as file:
                entries = [json.loads(line) for line in file]
        except FileNotFoundError:
            return []
        return [entry for entry in entries if all(entry.get(name) == value for name, value in wanted.items())]
