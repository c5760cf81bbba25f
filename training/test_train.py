"""Checks that a run that was stopped goes on to the step as if it had not been, and only by the plan it was begun with.

    python3 -m training.test_train
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import yaml

from .data import FRAMES, VARIANTS, bicubic
from .loop import Samples, is_held
from .networks import ManaLive, Settings
from . import train
from .train import Run

SIDE, COUNT, STEPS = 128, 3, 4
NETWORK = dict(name="any", scale=2, channels=8, encoder_blocks=1, decoder_blocks=1)
STAGE = dict(steps=STEPS, batch=2, frames=4, patch=16, guide=0.3)


def write_segments(folder):
    """Segments of noise, as training.data writes them."""
    truth = np.random.default_rng(1).integers(0, 256, (COUNT, FRAMES, SIDE, SIDE, 3), np.uint8)
    low = np.stack([np.stack([bicubic(clip, 2)] * VARIANTS) for clip in truth])
    for split in ("train", "held"):
        np.save(folder / f"{split}-hr.npy", truth)
        np.save(folder / f"{split}-x2.npy", low)


def steps(run, count):
    for _ in range(count):
        run.train_step()
    return run


def check_resume(folder, network, start):
    """STEPS steps at once, and with a stop in the middle."""
    config = {"seed": 1, "network": NETWORK | network, "stages": [STAGE]}

    def begin():
        run = Run(config, 0, folder, folder, 1)
        run.start_from(start)
        return run

    whole = steps(begin(), STEPS)
    half = steps(begin(), STEPS // 2)
    half.save()
    again = Run(config, 0, folder, folder, 1)
    again.resume(torch.load(folder / "last.pt"))
    steps(again, STEPS // 2)
    check_equal(whole.state(), again.state())
    settings = json.loads((folder / "any.json").read_text())
    assert settings["channels"] == NETWORK["channels"]


def check_equal(one, two):
    """The weights and means of two checkpoints."""
    for kind in ("network", "ema"):
        for (name, value), other in zip(one[kind].items(), two[kind].values()):
            assert torch.equal(value, other), (kind, name)


def check_stages(folder):
    """Two stages by one command, or by a command each; the second neither without nor in the middle of the first."""
    config = {"seed": 1, "network": NETWORK, "stages": [STAGE, STAGE | {"rate": 5e-4, "outputs": 3}]}

    def run(name, **changes):
        train.train(config | changes, folder, folder / name)
        return torch.load(folder / name / "last.pt")

    whole = run("whole")
    assert whole["stage"] == 1 and whole["step"] == STEPS
    lines = [json.loads(line) for line in (folder / "whole" / "log.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["step"]) for line in lines] == [(0, STEPS), (1, STEPS)] and lines[0]["held"] > 0

    for stage in (0, 1):
        train.train(config, folder, folder / "each", stage=stage)
    check_equal(whole, torch.load(folder / "each" / "last.pt"))

    refused("not begun", lambda: train.train(config, folder, folder / "none", stage=1))
    middle = folder / "middle"
    middle.mkdir()
    steps(Run(config, 0, folder, middle, 1), STEPS // 2).save()
    refused(f"at step {STEPS // 2} of {STEPS}", lambda: train.train(config, folder, middle, stage=1))
    train.train(config, folder, middle)
    check_equal(whole, torch.load(middle / "last.pt"))


def check_stop(folder):
    """Stopped at any step, by the caller or by a signal, saved now and then: the run goes on as if it had not been."""
    config = {"seed": 1, "network": NETWORK, "stages": [STAGE]}
    assert train.train(config, folder, folder / "at once")
    whole = torch.load(folder / "at once" / "last.pt")
    lines = (folder / "at once" / "log.jsonl").read_text()
    assert train.train(config, folder, folder / "at once") and lines == (folder / "at once" / "log.jsonl").read_text()

    asked = iter([False, True] * STEPS)
    starts = 1
    while not train.train(config, folder, folder / "often", stop=lambda: next(asked)):
        starts += 1
    assert starts > 2
    check_equal(whole, torch.load(folder / "often" / "last.pt"))
    assert len((folder / "often" / "log.jsonl").read_text().splitlines()) == 1

    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config | {"stages": [STAGE | {"steps": 100_000}]}))
    run = folder / "told"
    command = [sys.executable, "-m", "training.train", "--config", path, "--segments", folder, "--run", run]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        while not is_held(run / "log.jsonl"):
            time.sleep(0.1)
        refused("Another process", lambda: train.train(config, folder, run))
        time.sleep(3)
        child.send_signal(signal.SIGTERM)
        said, _ = child.communicate(timeout=60)
    assert child.returncode == 0 and "Stopped and saved" in said, said
    assert 0 < torch.load(run / "last.pt")["step"] < 100_000


def check_loaders(folder):
    """Samples that threads make ahead are those that the step would have made, in its order."""
    run = Run({"seed": 1, "network": NETWORK, "stages": [STAGE]}, 0, folder, folder, 1)
    with Samples(run.prepare, range(6), 3) as ahead, Samples(run.prepare, range(6), 0) as now:
        for _ in range(6):
            for one, two in zip(next(ahead), next(now)):
                assert torch.equal(torch.as_tensor(one), torch.as_tensor(two))


def check_plan(folder):
    """A run goes on with the settings and the seed it was begun with, and from checkpoints that hold no plan."""
    config = {"seed": 1, "network": NETWORK, "stages": [STAGE]}
    state = steps(Run(config, 0, folder, folder, 1), 1).state()

    def resume(state, **changes):
        Run(config | changes, 0, folder, folder, 1).resume(state)

    resume(state)
    resume(state, stages=[STAGE | {"short": train.DEFAULTS["short"]}])  # said or by default
    refused("(seed)", lambda: resume(state, seed=2))
    refused("(stages)", lambda: resume(state, stages=[STAGE | {"rate": 1e-4}]))
    old = {name: value for name, value in state.items() if name != "plan"}
    resume(old)
    refused("(seed)", lambda: resume(old, seed=2))
    default, train.DEFAULTS["short"] = train.DEFAULTS["short"], 1.0
    refused("(stages)", lambda: resume(state))
    train.DEFAULTS["short"] = default


def refused(words, work):
    try:
        work()
    except SystemExit as refusal:
        assert words in str(refusal), refusal
    else:
        raise AssertionError(f"Not refused: {words}")


def main():
    torch.set_num_threads(1)
    torch.manual_seed(1)
    start = ManaLive(Settings(**NETWORK)).state_dict()
    for network in ({}, {"recurrent": True, "near": 4}, {"dim": 4, "value_dim": 4, "memory": 8}):
        with tempfile.TemporaryDirectory() as folder:
            write_segments(Path(folder))
            check_resume(Path(folder), network, start)
        print(f"resumed to the step: {network or 'single frame'}")
    with tempfile.TemporaryDirectory() as folder:
        write_segments(Path(folder))
        check_stages(Path(folder))
        check_plan(Path(folder))
        check_loaders(Path(folder))
        check_stop(Path(folder))
    print("stages follow each other, other plans are refused, signals stop a run to the step")


if __name__ == "__main__":
    main()
