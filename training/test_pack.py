"""Checks packs: what they hold, their size, and that a queue's runs go on from a pack and come back.

    python3 -m training.test_pack
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from . import packed, queue
from .data import FRAMES, VARIANTS, bicubic
from .segments import Segments
from .test_data import moving
from .test_queue import write_list

SIDE, CUT, SHORT = 192, 128, 8
SOURCES = ("a", "a", "b", "b", "c")


def write_segments(folder):
    """Segments of a moving photograph, whose coded variants are its complement, at both scales."""
    for split, sources in (("train", SOURCES), ("held", SOURCES[:2])):
        truth = np.stack([moving(FRAMES, (SIDE, SIDE), step=i + 1) for i in range(len(sources))])
        np.save(folder / f"{split}-hr.npy", truth)
        for scale in (2, 4):
            clean = np.stack([bicubic(clip, scale) for clip in truth])
            np.save(folder / f"{split}-x{scale}.npy", np.stack([clean, *[255 - clean] * (VARIANTS - 1)], 1))
        (folder / f"{split}.json").write_text(json.dumps([{"source": name} for name in sources]))


def make(folder, *options):
    command = [sys.executable, "-m", "training.pack", "--segments", folder, "--out", folder / "pack", "--held", "1"]
    sizes = ["--side", str(CUT), "--frames", str(SHORT)]
    return subprocess.run([*command, *sizes, *options], check=True, capture_output=True, text=True).stdout


def check_pack(folder):
    """Truth and coded pictures come back to the bit, cut where they lay; clean ones are made of the truth again."""
    said = make(folder)
    assert f"{len(SOURCES)} segments train" in said and "1 segments held" in said, said
    order = packed.in_turn([{"source": name} for name in SOURCES], seed=1)
    assert {SOURCES[i] for i in order[:3]} == {"a", "b", "c"} and sorted(order) == list(range(len(SOURCES)))
    for scale in (2, 4):
        whole, small = (Segments(path, "train", scale) for path in (folder, folder / "pack"))
        assert small.truth.shape == (len(SOURCES), SHORT, CUT, CUT, 3)
        assert small.low.shape == (len(SOURCES), VARIANTS, SHORT, CUT // scale, CUT // scale, 3)
        for place, number in enumerate(order):
            assert any(
                np.array_equal(small.truth[place], whole.truth[number, start : start + SHORT, y : y + CUT, x : x + CUT])
                for start in range(FRAMES - SHORT + 1)
                for y in range(0, SIDE - CUT + 1, packed.STEP)
                for x in range(0, SIDE - CUT + 1, packed.STEP)
            )
            assert np.array_equal(small.low[place, 0], bicubic(small.truth[place], scale))
        # The complement of clean pictures, cut where the truth was; at its edges the bicubic filter sees less.
        inside = np.s_[:, :, 4:-4, 4:-4]
        assert np.abs(255 - small.low[:, 1][inside] - small.low[:, 0][inside].astype(int)).max() <= 1
        assert Segments(folder / "pack", "held", scale).truth.shape[1] == FRAMES
    size = (folder / "pack" / packed.NAME).stat().st_size
    make(folder, "--megabytes", str(size / 2e6))
    assert 0 < (folder / "pack" / packed.NAME).stat().st_size <= size / 2 + 2000  # and the table of contents


def check_busiest():
    """The cut lies where something happens."""
    clip = np.zeros((6, 128, 128, 3), np.uint8)
    clip[::2, 70:90, 40:60] = 200
    y, x = packed.busiest(clip, 48)
    assert y <= 70 and y + 48 >= 90 and x <= 40 and x + 48 >= 60


def check_run(folder):
    """A run that was begun on the segments goes on from a pack, elsewhere, and then at home again."""
    make(folder)
    path = write_list(folder, [{"name": "any/tiny", "stages": [dict(steps=1000, batch=4, frames=6, patch=32)]}])
    home, away = folder / "home", folder / "away"
    common = ["--queue", path, "--workers", "1"]
    at_home = [sys.executable, "-m", "training.queue", *common, "--segments", folder, "--runs", home]
    subprocess.run([*at_home, "--minutes", "0.1"], check=True, capture_output=True)
    before = queue.read(path, home)[0].progress.saved[1]
    assert 0 < before < 1000, before
    shutil.copytree(home, away)
    command = [sys.executable, "-m", "training.pack", "run", *common, "--pack", folder / "pack", "--out", away]
    said = subprocess.run([*command, "--loaders", "2"], check=True, capture_output=True, text=True).stdout
    assert f"goes on from stage 1 of 1, step {before}" in said and "| any/tiny | done |" in said, said
    shutil.copytree(away, home, dirs_exist_ok=True)
    said = subprocess.run(at_home, check=True, capture_output=True, text=True).stdout
    assert "| any/tiny | done |" in said and "goes on" not in said, said


def main():
    torch.set_num_threads(1)
    check_busiest()
    print(check_busiest.__doc__)
    for check in (check_pack, check_run):
        with tempfile.TemporaryDirectory() as folder:
            write_segments(Path(folder))
            check(Path(folder))
        print(check.__doc__)


if __name__ == "__main__":
    main()
