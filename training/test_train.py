"""Checks that a run that was stopped goes on to the step as if it had not been, from its first weights on.

    python3 -m training.test_train
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import torch

from .data import FRAMES, VARIANTS, bicubic
from .networks import ManaLive, Settings
from .train import Run

SIDE, COUNT, STEPS = 96, 3, 4
NETWORK = dict(name="any", scale=2, channels=8, encoder_blocks=1, decoder_blocks=1)
STAGE = dict(steps=STEPS, batch=2, frames=4, patch=16, guide=0.3)


def write_segments(folder):
    """Segments of noise, as training.data writes them."""
    truth = np.random.default_rng(1).integers(0, 256, (COUNT, FRAMES, SIDE, SIDE, 3), np.uint8)
    low = np.stack([np.stack([bicubic(clip, 2)] * VARIANTS) for clip in truth])
    np.save(folder / "train-hr.npy", truth)
    np.save(folder / "train-x2.npy", low)


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
    for kind in ("network", "ema"):
        for (name, one), two in zip(getattr(whole, kind).state_dict().items(), getattr(again, kind).state_dict().values()):
            assert torch.equal(one, two), (kind, name)
    settings = json.loads((folder / "any.json").read_text())
    assert settings["channels"] == NETWORK["channels"]


def main():
    torch.set_num_threads(1)
    torch.manual_seed(1)
    start = ManaLive(Settings(**NETWORK)).state_dict()
    for network in ({}, {"recurrent": True, "near": 4}, {"dim": 4, "value_dim": 4, "memory": 8}):
        with tempfile.TemporaryDirectory() as folder:
            write_segments(Path(folder))
            check_resume(Path(folder), network, start)
        print(f"resumed to the step: {network or 'single frame'}")


if __name__ == "__main__":
    main()
