"""Checks the queue of runs: order, stopping and going on, a run that fails, what is told of them.

    python3 -m training.test_queue
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import yaml

from . import queue
from .progress import Progress, table
from .test_train import NETWORK, refused, write_segments
from .train import DEFAULTS

STAGE = dict(steps=6, batch=2, frames=4, patch=16)
LONG = dict(steps=100_000, batch=2, frames=4, patch=16)


def write_list(folder, runs):
    """A configuration of a tiny network, and a list of runs of it."""
    (folder / "tiny.yaml").write_text(yaml.safe_dump({"seed": 1, "network": NETWORK, "stages": [STAGE]}))
    runs = [{"config": str(folder / "tiny.yaml")} | one for one in runs]
    (folder / "queue.yaml").write_text(yaml.safe_dump({"runs": runs}))
    return folder / "queue.yaml"


def check_list(folder):
    """What a list says replaces what the file says; order counts; a mistake is named."""
    path = write_list(folder, [
        {"name": "any/a", "order": 2},
        {"name": "b", "after": "any/a", "network": {"channels": 16}, "stages": [LONG], "seed": 5, "order": 1},
    ])  # fmt: skip
    b, a = queue.read(path, folder / "runs")
    assert (a.name, b.name) == ("any/a", "b") and b.after is a
    assert a.config["network"] == NETWORK | {"name": "a"} and a.config["stages"] == [STAGE]
    assert b.config["network"] == NETWORK | {"name": "b", "channels": 16} and b.config["seed"] == 5
    assert b.config["start"] == str(folder / "runs" / "any" / "a" / "a.pt") and b.config["stages"] == [LONG]
    assert (a.state(), b.state()) == ("ready", "waiting")
    for runs, words in (
        ([{"name": "a"}, {"name": "a"}], "Two runs"),
        ([{"name": "a", "after": "b"}, {"name": "b"}], "stand before"),
        ([{"name": "a", "steps": 5}], "Unknown keys of a run: steps"),
    ):
        refused(words, lambda runs=runs: queue.read(write_list(folder, runs), folder))


def check_work(folder):
    """One run fails and the others go on; a run waits for the one it comes after; a second call has nothing to do."""
    path = write_list(folder, [
        {"name": "wrong", "network": {"wings": 2}},
        {"name": "first", "enough": 50.0},
        {"name": "second", "after": "first"},
        {"name": "third", "after": "wrong"},
    ])  # fmt: skip
    command = [sys.executable, "-m", "training.queue", "--queue", path, "--segments", folder, "--runs", folder / "runs"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    entries = queue.read(path, folder / "runs")
    assert [entry.state() for entry in entries] == ["failed", "done", "done", "waiting"], said
    assert "wings" in (folder / "runs" / "wrong" / "failed.txt").read_text()
    assert said.index("first: done") < said.index("second: goes on"), said
    assert "starts from" in (folder / "runs" / "second" / "output.txt").read_text()
    again = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "goes on" not in again and "| wrong | failed |" in again, again
    assert "goes on" in subprocess.run([*command, "--retry"], check=True, capture_output=True, text=True).stdout
    picture = folder / "curves.png"
    subprocess.run([*command[:5], "--runs", folder / "runs", "--status", "--curves", picture], check=True)
    assert picture.read_bytes().startswith(b"\x89PNG")


def check_stop(folder):
    """Told to stop, or out of minutes, a queue stops its runs, saved; the next one goes on; two are one too many."""
    path = write_list(folder, [{"name": "a", "stages": [LONG]}, {"name": "b", "stages": [LONG]}])
    runs = folder / "runs"
    command = [sys.executable, "-m", "training.queue", "--queue", path, "--segments", folder, "--runs", runs]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        while not all((runs / name / "log.jsonl").exists() for name in "ab"):
            time.sleep(0.2)
        second = subprocess.run(command, capture_output=True, text=True)
        assert second.returncode and "Another process" in second.stderr, second
        time.sleep(4)
        child.send_signal(signal.SIGTERM)
        said, _ = child.communicate(timeout=60)
    assert child.returncode == 0, said
    entries = queue.read(path, runs)
    before = [entry.progress.saved[1] for entry in entries]
    assert min(before) > 0 and [entry.state() for entry in entries] == ["ready", "ready"], said
    began = time.monotonic()
    subprocess.run([*command, "--minutes", "0.15"], check=True, capture_output=True)
    assert time.monotonic() - began < 60
    after = [entry.progress.saved[1] for entry in entries]
    assert all(one < two < LONG["steps"] for one, two in zip(before, after)), (before, after)


def check_orphan(folder):
    """A run whose queue was killed stops by itself and is saved."""
    path = write_list(folder, [{"name": "a", "stages": [LONG]}])
    runs = folder / "runs"
    command = [sys.executable, "-m", "training.queue", "--queue", path, "--segments", folder, "--runs", runs]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
        (entry,) = queue.read(path, runs)
        while not entry.progress.running:
            time.sleep(0.2)
        time.sleep(4)
        child.kill()
    for _ in range(100):
        if not entry.progress.running:
            break
        time.sleep(0.2)
    assert entry.progress.saved[1] > 0 and entry.state() == "ready"


def check_table(folder):
    """A row says where a run is and whether its last fifth was enough."""
    (folder / "a").mkdir()
    lines = [{"stage": 0, "step": step, "seconds": 1, "held": 30 + step * 1e-5, "codec": 25.0} for step in (500, 800, 1000)]
    (folder / "a" / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))
    entry = queue.Entry("a", {"stages": [{"steps": 1000}]}, folder / "a", enough=0.01)
    assert entry.state() == "done" and "30.01 | 25.00" in table([entry])
    assert "held +0.002, codec +0.000: enough |" in table([entry])
    assert Progress(folder / "none", [{}]).steps == [DEFAULTS["steps"]]


def main():
    torch.set_num_threads(1)
    for check in (check_list, check_table, check_work, check_stop, check_orphan):
        with tempfile.TemporaryDirectory() as folder:
            write_segments(Path(folder))
            (Path(folder) / "held.json").write_text("[]")
            check(Path(folder))
        print(check.__doc__)


if __name__ == "__main__":
    main()
