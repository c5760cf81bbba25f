"""A small copy of the segments: cut to where most happens, as lossless WebP strips in one file, pack.zip.

`<split>/<number>/truth.webp` is the truth, its frames on top of each other; `<split>/<number>/x<s>-<variant>.webp` the low
resolution after a codec. Clean low resolution is not stored: it is made from the truth again.
"""

import io
import json
import zipfile

import numpy as np
from PIL import Image

from .data import FRAMES, SCALES, bicubic

NAME = "pack.zip"
STEP = 16  # pixels of the truth that cuts are aligned to


def write(path, chosen, side, most_bytes):
    """Writes a pack of segments until it has `most_bytes`; -> {split: count}.

    chosen yields (split, truth u8 [T, h, w, 3], {scale: u8 [VARIANTS, T, h/s, w/s, 3]}), best first; a cut of `side` pixels
    is taken of each.
    """
    counts = {}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        for split, truth, low in chosen:
            y, x = busiest(truth, side)
            made = {"truth": truth[:, y : y + side, x : x + side]}
            for scale, clips in low.items():
                top, left, size = y // scale, x // scale, side // scale
                for variant, clip in enumerate(clips[1:], 1):
                    made[f"x{scale}-{variant}"] = clip[:, top : top + size, left : left + size]
            strips = {name: strip(clip) for name, clip in made.items()}
            if file.fp.tell() + sum(map(len, strips.values())) > most_bytes:
                break
            number = counts.get(split, 0)
            for name, data in strips.items():
                file.writestr(f"{split}/{number}/{name}.webp", data)
            counts[split] = number + 1
        file.writestr("pack.json", json.dumps({"side": side, "counts": counts}))
    return counts


def read(path, split, scale):
    """The truth u8 [n, T, side, side, 3] and the low resolution u8 [n, VARIANTS, T, side/s, side/s, 3] of a pack."""
    truths, lows = [], []
    with zipfile.ZipFile(path) as file:
        about = json.loads(file.read("pack.json"))
        names = set(file.namelist())
        for number in range(about["counts"][split]):
            folder = f"{split}/{number}"
            truth = clip(file.read(f"{folder}/truth.webp"))
            coded = []
            while (name := f"{folder}/x{scale}-{len(coded) + 1}.webp") in names:
                coded.append(clip(file.read(name)))
            if not coded:
                raise SystemExit(f"{path} has nothing at x{scale}.")
            truths.append(truth)
            lows.append(np.stack([bicubic(truth, scale), *coded]))
    return np.stack(truths), np.stack(lows)


def busiest(truth, side):
    """y and x of the cut of a clip u8 [T, h, w, 3] with most detail, and most motion."""
    green = truth[..., 1].astype(np.int16)
    moving = np.abs(np.diff(green[::3], axis=0)).mean(0)
    middle = green[len(green) // 2]
    busy = moving + np.abs(np.diff(middle, axis=0, append=middle[-1:])) + np.abs(np.diff(middle, axis=1, append=middle[:, -1:]))
    total = np.pad(busy.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    ys, xs = (np.arange(0, length - side + 1, STEP) for length in busy.shape)
    sums = total[ys + side][:, xs + side] - total[ys][:, xs + side] - total[ys + side][:, xs] + total[ys][:, xs]
    best = np.unravel_index(sums.argmax(), sums.shape)
    return int(ys[best[0]]), int(xs[best[1]])


def strip(frames):
    """u8 [T, h, w, 3] -> a lossless WebP picture of all frames on top of each other."""
    made = io.BytesIO()
    Image.fromarray(frames.reshape(-1, *frames.shape[2:])).save(made, "WEBP", lossless=True, quality=60, method=4)
    return made.getvalue()


def clip(data):
    """A strip as u8 [T, h, w, 3]: its frames are square."""
    picture = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    return picture.reshape(-1, picture.shape[1], picture.shape[1], 3)


def chosen(folder, frames, held, scales=SCALES, seed=1):
    """(split, truth, {scale: low}) of segments to pack: `held` of the held-out ones, then one of each source in turn.

    Of those to train on, the `frames` in which most changes.
    """
    for split in ("held", "train"):
        truths = np.load(folder / f"{split}-hr.npy", mmap_mode="r")
        lows = {scale: np.load(folder / f"{split}-x{scale}.npy", mmap_mode="r") for scale in scales}
        if split == "held":
            numbers, length = np.linspace(0, len(truths) - 1, min(held, len(truths))).astype(int), FRAMES
        else:
            numbers, length = in_turn(json.loads((folder / f"{split}.json").read_text()), seed), frames
        for number in numbers:
            change = np.abs(np.diff(truths[number, :, ::4, ::4, 1].astype(np.int16), axis=0)).mean((1, 2))
            starts = range(FRAMES - length + 1)
            start = max(starts, key=lambda start: change[start : start + length - 1].sum())
            when = slice(start, start + length)
            yield split, truths[number, when], {scale: low[number][:, when] for scale, low in lows.items()}


def in_turn(notes, seed):
    """Numbers of segments, one of each source in turn, in random order."""
    sources = {}
    for number in np.random.default_rng(seed).permutation(len(notes)).tolist():
        sources.setdefault(notes[number]["source"], []).append(number)
    rounds = max(map(len, sources.values()))
    return [numbers[i] for i in range(rounds) for numbers in sources.values() if i < len(numbers)]
