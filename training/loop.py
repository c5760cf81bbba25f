"""What the loop of a training stands on: a wish to stop, samples made ahead, the log, one process a run."""

import fcntl
import json
import os
import signal
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

TRIES = 10  # for a file that is held
AHEAD = 2  # samples a thread has ready or in work


class Stop:
    """Call it: whether the process was told to stop by SIGTERM or Ctrl-C, or, as a `child`, has lost its parent."""

    def __init__(self, child=False):
        self.told, self.parent = False, os.getppid() if child else None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.tell)

    def tell(self, *_):
        self.told = True

    def __call__(self):
        return self.told or (self.parent is not None and os.getppid() != self.parent)


class Samples:
    """What prepare(step) gives for each of `steps`, in order; made ahead by `threads` threads, or, if 0, when asked for."""

    def __init__(self, prepare, steps, threads):
        self.prepare, self.steps, self.threads = prepare, iter(steps), threads
        self.pool = ThreadPoolExecutor(threads) if threads else None
        self.ready = deque()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.pool:
            self.pool.shutdown(cancel_futures=True)

    def __next__(self):
        if not self.pool:
            return self.prepare(next(self.steps))
        while len(self.ready) < AHEAD * self.threads and (step := next(self.steps, None)) is not None:
            self.ready.append(self.pool.submit(self.prepare, step))
        return self.ready.popleft().result()


class LastLine:
    """A log of measurements, a line of JSON each; `at` is the (stage, step) of the last, None at first."""

    def __init__(self, path):
        self.path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.at = self.place(json.loads(lines[-1])) if lines else None

    @staticmethod
    def place(line):
        return line["stage"], line["step"]

    def write(self, line):
        text = json.dumps(line)
        with self.path.open("a") as file:
            file.write(text + "\n")
        print(text, flush=True)
        self.at = self.place(line)


@contextmanager
def alone(path):
    """Holds a file, made where it is missing, against other processes; refused where one of them holds it."""
    with path.open("a") as file:
        for _ in range(TRIES):  # one that only looks holds it for a moment
            if hold(file):
                break
            time.sleep(0.1)
        else:
            raise SystemExit(f"Another process is at work: it holds {path}.")
        yield


def is_held(path):
    """Whether a process holds the file."""
    if not path.exists():
        return False
    with path.open() as file:
        return not hold(file)


def hold(file):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
