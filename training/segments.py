"""Samples of training segments, as tensors."""

from pathlib import Path

import numpy as np
import torch

from .data import VARIANTS

NOISY = 0.05  # part of the clean samples that gets noise


class Segments:
    """The segments of a split at one scale, mapped from the files of training.data."""

    def __init__(self, folder, split, scale):
        folder = Path(folder)
        self.scale = scale
        self.truth = np.load(folder / f"{split}-hr.npy", mmap_mode="r")  # [n, T, side, side, 3]
        self.low = np.load(folder / f"{split}-x{scale}.npy", mmap_mode="r")  # [n, VARIANTS, T, side/s, side/s, 3]

    def __len__(self):
        return len(self.truth)

    def sample(self, rng, count, frames, patch, codec):
        """`count` random cuts: low [count, frames, 3, patch, patch] and truth [count, frames, 3, patch*s, patch*s] in 0..1.

        A part `codec` of them has been through a codec; of the others, a few have a camera's noise.
        """
        lows, truths = [], []
        for _ in range(count):
            number = int(rng.integers(len(self)))
            coded = rng.random() < codec
            variant = int(rng.integers(1, VARIANTS)) if coded else 0
            start = int(rng.integers(0, self.truth.shape[1] - frames + 1))
            low, truth = (clip[start : start + frames] for clip in (self.low[number, variant], self.truth[number]))
            y, x = (int(rng.integers(0, side - patch + 1)) for side in low.shape[1:3])
            low = low[:, y : y + patch, x : x + patch].astype(np.float32)
            s = self.scale
            truth = truth[:, y * s : (y + patch) * s, x * s : (x + patch) * s].astype(np.float32)
            if not coded and rng.random() < NOISY:
                low = low + rng.uniform(0.5, 3) * rng.normal(0, 1, low.shape).astype(np.float32)
            flips = [axis for axis in (1, 2) if rng.random() < 0.5]
            # Time runs backwards for half of the clean ones; a codec's does not.
            flips += [0] if not coded and rng.random() < 0.5 else []
            turned = rng.random() < 0.5
            for made, cut in ((lows, low), (truths, truth)):
                cut = np.flip(cut, flips) if flips else cut
                made.append(cut.transpose(0, 3, 2, 1) if turned else cut.transpose(0, 3, 1, 2))
        return (torch.from_numpy(np.ascontiguousarray(np.stack(made))) / 255 for made in (lows, truths))
