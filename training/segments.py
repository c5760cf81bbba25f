"""Samples of training segments, as tensors."""

from pathlib import Path

import numpy as np
import torch

from . import packed
from .colour import subsampled

NOISY = 0.03  # part of the clean samples that gets noise
SUBSAMPLED = 0.25  # part of the clean samples whose colour has been through 4:2:0, as cameras and decoders give it
PLACES = 3  # in a frame of a segment, of which the one with most detail is taken


class Segments:
    """The segments of a split at one scale, mapped from the files of training.data or read from a pack."""

    def __init__(self, folder, split, scale):
        folder = Path(folder)
        self.scale = scale
        # truth [n, T, side, side, 3], low [n, VARIANTS, T, side/s, side/s, 3]
        if (folder / packed.NAME).exists():
            self.truth, self.low = packed.read(folder / packed.NAME, split, scale)
        else:
            self.truth, self.low = (np.load(folder / f"{split}-{kind}.npy", mmap_mode="r") for kind in ("hr", f"x{scale}"))

    def __len__(self):
        return len(self.truth)

    def sample(self, rng, count, frames, patch, codec, still=0.0):
        """`count` random cuts: low [count, frames, 3, patch, patch] and truth [count, frames, 3, patch*s, patch*s] in 0..1.

        A part `codec` of them has been through a codec; of the others, a few have a camera's noise. A part `still` of all
        comes to rest: from some frame on, all frames are that one.
        """
        lows, truths = [], []
        for _ in range(count):
            number = int(rng.integers(len(self)))
            coded = rng.random() < codec
            variant = int(rng.integers(1, self.low.shape[1])) if coded else 0
            start = int(rng.integers(0, self.truth.shape[1] - frames + 1))
            low, truth = (clip[start : start + frames] for clip in (self.low[number, variant], self.truth[number]))
            y, x = self.place(rng, truth[0], patch)
            low = low[:, y : y + patch, x : x + patch]
            if not coded and rng.random() < SUBSAMPLED:
                low = subsampled(low)
            low = low.astype(np.float32)
            s = self.scale
            truth = truth[:, y * s : (y + patch) * s, x * s : (x + patch) * s].astype(np.float32)
            if not coded and rng.random() < NOISY:
                low = low + rng.uniform(0.5, 2) * rng.normal(0, 1, low.shape).astype(np.float32)
            flips = [axis for axis in (1, 2) if rng.random() < 0.5]
            # Time runs backwards for half of the clean ones; a codec's does not.
            flips += [0] if not coded and rng.random() < 0.5 else []
            turned = rng.random() < 0.5
            rest = int(rng.integers(frames)) if still and rng.random() < still else frames
            for made, cut in ((lows, low), (truths, truth)):
                cut = np.flip(cut, flips) if flips else cut
                cut = cut[np.minimum(np.arange(frames), rest)] if rest < frames else cut
                made.append(cut.transpose(0, 3, 2, 1) if turned else cut.transpose(0, 3, 1, 2))
        return (torch.from_numpy(np.ascontiguousarray(np.stack(made))) / 255 for made in (lows, truths))

    def place(self, rng, truth, patch):
        """Low-resolution y and x of a cut of a frame: of PLACES random ones, that with most detail."""
        s = self.scale
        drawn = rng.integers(0, len(truth) // s - patch + 1, (PLACES, 2)).tolist()
        return max(drawn, key=lambda at: detail(truth[at[0] * s : (at[0] + patch) * s, at[1] * s : (at[1] + patch) * s]))


def detail(picture):
    """Mean change from pixel to pixel of a picture u8 [h, w, 3], of green."""
    green = picture[..., 1].astype(np.int16)
    return np.abs(np.diff(green, axis=0)).mean() + np.abs(np.diff(green, axis=1)).mean()
