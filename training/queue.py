"""Works through a list of training runs, one process a core at the lowest priority, and goes on where it was stopped.

    python3 -m training.queue --segments SEGMENTS --vid4 VID4 [--data DATA] [--workers 2] [--minutes N]
    python3 -m training.queue --status [--curves curves.png]

The list is training/queue.yaml. A run's folder is training/runs/NAME: what train.py writes, and the `config.yaml` it was
given. SIGTERM or Ctrl-C stops all runs, saved to the step; so does the end of --minutes. The same command goes on. A run
that fails leaves `failed.txt`, its last lines, and the others go on; --retry runs it again. Segments that are not there
are made first, from --data.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from . import packed
from .loop import Stop, alone
from .progress import FAILED, Progress, table

KEYS = {"name", "config", "network", "stages", "seed", "start", "after", "order", "enough"}
LAST_LINES = 20  # of a run that failed
PAUSE = 0.5  # seconds between looks at the runs


@dataclass
class Entry:
    """One run of the list: its configuration, its folder, and the run it comes after."""

    name: str
    config: dict
    folder: Path
    after: "Entry | None" = None
    enough: float = 0.0  # dB that the last fifth of its last stage should still bring; 0: nothing is said

    @property
    def progress(self):
        return Progress(self.folder, self.config["stages"])

    def state(self):
        """done, failed, running, waiting (for another run), or ready."""
        progress = self.progress
        if progress.done:
            return "done"
        if progress.failed:
            return "failed"
        if progress.running:
            return "running"
        return "waiting" if self.after and not self.after.progress.done else "ready"


def read(path, runs):
    """The entries of a list, in the order to run them in: by `order`, then as they stand."""
    entries = {}
    given = yaml.safe_load(Path(path).read_text())["runs"]
    for one in given:
        if unknown := set(one) - KEYS:
            raise SystemExit(f"Unknown keys of a run: {', '.join(sorted(unknown))}.")
        if one["name"] in entries:
            raise SystemExit(f"Two runs are named {one['name']}.")
        if "after" in one and one["after"] not in entries:
            raise SystemExit(f"{one['name']} comes after {one['after']}, which must stand before it.")
        after = entries.get(one.get("after"))
        folder = Path(runs) / one["name"]
        entries[one["name"]] = Entry(one["name"], merged(one, after), folder, after, one.get("enough", 0.0))
    orders = {one["name"]: one.get("order", 0) for one in given}
    return sorted(entries.values(), key=lambda entry: orders[entry.name])


def merged(one, after):
    """A run's configuration: its file's, with what the list says instead. After another run it starts from its weights."""
    config = yaml.safe_load(Path(one["config"]).read_text())
    config |= {key: one[key] for key in ("stages", "seed", "start") if key in one}
    config["network"] = config["network"] | {"name": Path(one["name"]).name} | one.get("network", {})
    if after and "start" not in one:
        config["start"] = str(after.folder / f"{after.config['network']['name']}.pt")
    return config


class Queue:
    """Keeps `workers` processes busy with the entries until none is left or `stop` says so."""

    def __init__(self, entries, options, workers=2):
        self.entries, self.options, self.workers = entries, options, workers
        self.children = {}  # name -> (entry, process)
        self.left = set()  # names of runs that were stopped from elsewhere: not started again by this queue

    def work(self, stop):
        try:
            while not stop():
                self.reap()
                self.start()
                if not self.children:
                    return
                time.sleep(PAUSE)
        finally:
            for _, child in self.children.values():
                child.terminate()
            for _, child in self.children.values():
                child.wait()
            self.reap()

    def start(self):
        for entry in self.entries:
            if len(self.children) >= self.workers:
                return
            if entry.name in self.left | set(self.children) or entry.state() != "ready":
                continue
            entry.folder.mkdir(parents=True, exist_ok=True)
            path = entry.folder / "config.yaml"
            path.write_text(yaml.safe_dump(entry.config, sort_keys=False, width=120))
            command = [sys.executable, "-m", "training.train", "--config", path, "--run", entry.folder, "--child"]
            with (entry.folder / "output.txt").open("a") as output:
                child = lowly([*command, *self.options], stdout=output, stderr=subprocess.STDOUT)
            self.children[entry.name] = entry, child
            print(f"{entry.name}: goes on from {entry.progress.place}", flush=True)

    def reap(self):
        for name, (entry, child) in list(self.children.items()):
            if child.poll() is None:
                continue
            del self.children[name]
            if child.returncode:
                output = (entry.folder / "output.txt").read_text().splitlines()[-LAST_LINES:]
                (entry.folder / FAILED).write_text("\n".join([f"exit status {child.returncode}", *output]) + "\n")
            elif not entry.progress.done:
                self.left.add(name)
            print(f"{name}: {entry.state()}, {entry.progress.place}", flush=True)


def yield_the_processor():
    """Gives this process the lowest priority, within its session and, where Linux shares the processor by session, among them."""
    os.nice(19)
    # Not everywhere, and users other than root may do it ten times a second.
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text("19")


def lowly(command, **options):
    """Starts a process at the lowest priority, with one thread, out of reach of the terminal's Ctrl-C."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    set_up = {"env": environment, "stdin": subprocess.DEVNULL, "start_new_session": True, "preexec_fn": yield_the_processor}
    return subprocess.Popen([str(part) for part in command], **set_up, **options)


def make_segments(segments, data, workers, stop):
    """Runs training.data where there are no segments. -> whether there are any now."""
    if any((Path(segments) / name).exists() for name in ("held.json", packed.NAME)):
        return True
    if not data:
        raise SystemExit(f"There are no segments in {segments}. Name --data, and they are made first.")
    make = [sys.executable, "-m", "training.data", "--data", data, "--out", segments, "--processes", workers]
    child = lowly(make)
    while child.poll() is None:
        if stop():
            os.killpg(child.pid, 15)  # with the processes of its pool
        time.sleep(PAUSE)
    if child.returncode and not stop():
        raise SystemExit("The segments could not be made.")
    return not child.returncode


def for_minutes(stop, minutes):
    """A stop that also comes when so many minutes are over; None: never."""
    end = time.monotonic() + 60 * minutes if minutes else float("inf")
    return lambda: stop() or time.monotonic() > end


def options(given):
    """What every run is told on its command line."""
    told = ["--segments", given.segments, "--device", given.device, "--loaders", given.loaders]
    return told + (["--vid4", given.vid4] if given.vid4 else [])


def add_arguments(parser):
    """The arguments of all commands that work through a list."""
    add = parser.add_argument
    add("--queue", default="training/queue.yaml", help="the list of runs")
    add("--minutes", type=float, help="stop after so many minutes")
    add("--workers", type=int, default=2, help="processes at once; one a core is fastest")
    add("--device", default="cpu", help="cpu or cuda")
    add("--loaders", type=int, default=0, help="threads of a run that prepare samples; for a GPU, 4 to 8")
    add("--vid4", help="folder of Vid4, to measure with while training")
    add("--retry", action="store_true", help="run again what has failed")


def run(entries, given, stop):
    """Works through a list that the command line `given` asks for."""
    if given.retry:
        for entry in entries:
            (entry.folder / FAILED).unlink(missing_ok=True)
    stop = for_minutes(stop, given.minutes)
    if make_segments(given.segments, getattr(given, "data", None), given.workers, stop):
        Queue(entries, options(given), given.workers).work(stop)
    print(table(entries))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--segments", help="folder written by training.data or training.pack")
    parser.add_argument("--data", help="folder with video/, stills/ and screens/, to make the segments from")
    parser.add_argument("--runs", default="training/runs", help="folder that holds a folder a run")
    parser.add_argument("--status", action="store_true", help="only show how far the runs are")
    parser.add_argument("--curves", metavar="FILE.png", help="with --status: also draw all runs; needs matplotlib")
    given = parser.parse_args()
    entries = read(given.queue, given.runs)
    if given.status:
        print(table(entries))
        if given.curves:
            from .curves import draw

            draw(entries, given.curves)
        return
    if not given.segments:
        parser.error("name --segments.")
    Path(given.runs).mkdir(parents=True, exist_ok=True)
    with alone(Path(given.runs) / "queue.lock"):
        run(entries, given, Stop())


if __name__ == "__main__":
    main()
