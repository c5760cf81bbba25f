"""Training elsewhere, on a machine with a GPU that is there for minutes: a small data set, and one command.

    python3 -m training.pack --segments SEGMENTS --out PACK
    python3 -m training.pack run --pack PACK --minutes 8 --device cuda --out OUT

The first makes a data set of at most 55 MB that train.py reads as segments. The second goes on with the queue's next runs
and leaves them in OUT, a folder a run: copied to training/runs, they are gone on with here. Packed segments are fewer and
smaller, so that what is measured on them compares with nothing measured elsewhere.
"""

import argparse
import shutil
import sys
from pathlib import Path

from . import packed, queue
from .data import SCALES
from .loop import Stop

RUNS = Path("training/runs")


def make(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--segments", required=True, help="folder written by training.data")
    parser.add_argument("--out", required=True, help="folder of the pack")
    parser.add_argument("--megabytes", type=float, default=55, help="most that it may have")
    parser.add_argument("--side", type=int, default=192, help="pixels of the truth along a side of what is cut out")
    parser.add_argument("--frames", type=int, default=8, help="of a segment to train on; held-out ones have all")
    parser.add_argument("--held", type=int, default=10, help="held-out segments")
    parser.add_argument("--scales", type=int, nargs="+", default=SCALES)
    given = parser.parse_args(arguments)
    out = Path(given.out)
    out.mkdir(parents=True, exist_ok=True)
    chosen = packed.chosen(Path(given.segments), given.frames, given.held, given.scales)
    counts = packed.write(out / packed.NAME, chosen, given.side, given.megabytes * 1e6)
    size = (out / packed.NAME).stat().st_size
    print(f"{size / 1e6:.1f} MB:", ", ".join(f"{count} segments {split}" for split, count in counts.items()))


def run(arguments):
    parser = argparse.ArgumentParser(description="Goes on with the runs of a queue, on packed segments.")
    queue.add_arguments(parser)
    parser.add_argument("--pack", required=True, dest="segments", help="folder of the pack")
    parser.add_argument("--out", required=True, help="folder that gets a folder a run")
    given = parser.parse_args(arguments)
    entries = queue.read(given.queue, given.out)
    for entry in entries:
        here = RUNS / entry.name
        if here.exists() and not entry.folder.exists():
            shutil.copytree(here, entry.folder)
    queue.run(entries, given, Stop())


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(sys.argv[2:])
    else:
        make(sys.argv[1:])
