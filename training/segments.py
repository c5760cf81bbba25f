"""Samples of training segments, as tensors."""

from pathlib import Path

import numpy as np
import torch

from . import packed
from .colour import subsampled
from .data import bicubic

NOISY = 0.03  # part of the clean samples that gets noise
SUBSAMPLED = 0.25  # part of the clean samples whose colour has been through 4:2:0, as cameras and decoders give it
SPEED = 16.0  # most pixels of the truth that a camera pans each frame
MARGIN = 2  # low-resolution pixels that the bicubic filter sees beyond a window
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

    def sample(self, rng, count, frames, patch, codec, still=0.0, pan=0.0):
        """`count` random cuts: low [count, frames, 3, patch, patch] and truth [count, frames, 3, patch*s, patch*s] in 0..1.

        A part `codec` of them has been through a codec; of the others, a few have a camera's noise. A part `still` of all
        comes to rest: from some frame on, all frames are that one. A part `pan` is seen by a camera that pans.
        """
        lows, truths = [], []
        for _ in range(count):
            number = int(rng.integers(len(self)))
            coded = rng.random() < codec
            variant = int(rng.integers(1, self.low.shape[1])) if coded else 0
            start = int(rng.integers(0, self.truth.shape[1] - frames + 1))
            low, truth = (clip[start : start + frames] for clip in (self.low[number, variant], self.truth[number]))
            s = self.scale
            if pan and rng.random() < pan:
                low, truth = panned(rng, low, truth, s, patch, coded)
            else:
                y, x = self.place(rng, truth[0], patch)
                low, truth = low[:, y : y + patch, x : x + patch], truth[:, y * s : (y + patch) * s, x * s : (x + patch) * s]
            if not coded and rng.random() < SUBSAMPLED:
                low = subsampled(low)
            low = low.astype(np.float32)
            truth = truth.astype(np.float32)
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


def panned(rng, low, truth, scale, patch, coded):
    """A clip seen by a window that moves steadily over it: low u8 [T, patch, patch, 3] and its truth.

    It moves by whole pixels of the truth, and low resolution is made anew, so that fractions of its pixels occur. What a
    codec has been through moves by whole pixels of low resolution, its artefacts with it.
    """
    size, (frames, side) = patch * scale, truth.shape[:2]
    grid = scale if coded else 1
    angle = rng.uniform(0, 2 * np.pi)
    way = np.array([np.sin(angle), np.cos(angle)]) * rng.uniform(0, SPEED) * (frames - 1)
    way *= min(1.0, (side - size) / max(np.abs(way).max(), 1e-6))
    firsts = rng.uniform(np.maximum(0, -way), side - size - np.maximum(0, way), (PLACES, 2))
    first = max(firsts, key=lambda at: detail(around(truth[frames // 2], (at + way / 2).astype(int), size)))
    path = first + way * np.linspace(0, 1, frames)[:, None]
    path = (np.round(path / grid) * grid).astype(int).clip(0, (side - size) // grid * grid)
    cut = np.stack([around(frame, at, size) for frame, at in zip(truth, path)])
    if coded:
        return np.stack([around(frame, at, patch) for frame, at in zip(low, path // scale)]), cut
    wide = np.stack([around(frame, at, size, MARGIN * scale) for frame, at in zip(truth, path)])
    return bicubic(wide, scale)[:, MARGIN:-MARGIN, MARGIN:-MARGIN], cut


def around(picture, at, size, margin=0):
    """The window of a picture [h, w, 3] whose top left is `at`, (y, x), and `margin` pixels around it, edges repeated."""
    (top, left), (height, width) = at, picture.shape[:2]
    if margin <= top <= height - size - margin and margin <= left <= width - size - margin:
        return picture[top - margin : top + size + margin, left - margin : left + size + margin]
    y, x = (np.clip(start + np.arange(-margin, size + margin), 0, side - 1) for start, side in zip(at, picture.shape))
    return picture[y[:, None], x]


def detail(picture):
    """Mean change from pixel to pixel of a picture u8 [h, w, 3], of green."""
    green = picture[..., 1].astype(np.int16)
    return np.abs(np.diff(green, axis=0)).mean() + np.abs(np.diff(green, axis=1)).mean()
