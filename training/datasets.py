"""Sets of sequences to measure on: clips, Vimeo90K-Motion, and screens that stand still or scroll."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np
from PIL import Image

from .codec import read_video

CLIPS = {".mkv", ".mp4", ".y4m", ".avi", ".mov", ".webm"}
PICTURES = {".png", ".webp", ".bmp"}  # of --stills
MOTION = 0.06  # part of Vimeo-90K's test clips that move most
SCREEN, SCROLL, SCREEN_FRAMES = (640, 480), 6, 12  # window of a screen, pixels it scrolls a frame, frames


@dataclass(frozen=True)
class Sequence:
    """Truth to measure against; read() gives u8 [frames, h, w, 3]."""

    name: str
    read: Callable[[], np.ndarray]


def clips(folder, most):
    """A folder of clips, or of folders of numbered PNG frames, as Vid4 and Parkour come; at most `most` frames each."""
    found = [path for path in sorted(Path(folder).iterdir()) if path.suffix in CLIPS or any(path.glob("*.png"))]
    if not found:
        raise SystemExit(f"{folder} holds neither clips ({' '.join(sorted(CLIPS))}) nor folders of PNG frames.")
    return [
        Sequence(path.stem, lambda path=path: frames(path, most) if path.is_dir() else clip(path, most))
        for path in found
    ]


def frames(folder, most):
    """The PNG files of a folder, in order of their names."""
    paths = sorted(Path(folder).glob("*.png"))[:most]
    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])


def clip(path, most):
    probe = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height", "-of", "json"]
    raw = subprocess.run([*probe, str(path)], check=True, capture_output=True).stdout
    stream = json.loads(raw)["streams"][0]
    return read_video(path, (stream["width"], stream["height"]), most=most)


def vimeo_motion(folder, chosen):
    """Vimeo90K-Motion: the 6 % of the septuplet test clips with the largest mean optical flow.

    `folder` is that of Vimeo-90K: `sequences/00001/0266/im1.png` to `im7.png`, and `sep_testlist.txt`. `chosen` is the
    JSON list of the clips and their flow, in pixels a frame; it is made, with OpenCV's DIS flow, where it is missing.
    """
    folder, chosen = Path(folder), Path(chosen)
    septuplets = folder / "sequences"
    if not chosen.exists():
        tests = (folder / "sep_testlist.txt").read_text().split()
        flows = sorted(((flow(frames(septuplets / name, 7)), name) for name in tests), reverse=True)
        most = [{"clip": name, "flow": round(value, 3)} for value, name in flows[: max(1, round(len(tests) * MOTION))]]
        chosen.write_text(json.dumps(most, indent=1) + "\n")
    names = [one["clip"] for one in json.loads(chosen.read_text())]
    if missing := [name for name in names if not (septuplets / name).is_dir()]:
        raise SystemExit(f"{chosen} names {missing[0]}, which is not in {septuplets}: delete it, and it is made anew.")
    return [Sequence(name, lambda name=name: frames(septuplets / name, 7)) for name in names]


def flow(pictures):
    """Mean length of the optical flow from each frame to the next, in pixels."""
    try:
        import cv2
    except ImportError:
        raise SystemExit("Choosing the clips that move most needs OpenCV: apt install python3-opencv.") from None
    greys = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pictures]
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    lengths = [np.linalg.norm(dis.calc(a, b, None), axis=-1).mean() for a, b in zip(greys, greys[1:])]
    return float(np.mean(lengths))


def screens(folder):
    """Two clips of each picture of a folder: the middle of it standing still, and scrolling down."""
    found = [path for path in sorted(Path(folder).iterdir()) if path.suffix in PICTURES]
    if not found:
        raise SystemExit(f"{folder} holds no pictures ({' '.join(sorted(PICTURES))}).")
    return [
        Sequence(f"{path.stem} {how}", lambda path=path, step=step: scrolled(path, step))
        for path in found
        for how, step in (("still", 0), ("scrolling", SCROLL))
    ]


def scrolled(path, step):
    picture = np.asarray(Image.open(path).convert("RGB"))
    travel = step * (SCREEN_FRAMES - 1)
    width, height = min(SCREEN[0], picture.shape[1]), min(SCREEN[1], picture.shape[0] - travel)
    x, y = (picture.shape[1] - width) // 2, (picture.shape[0] - height - travel) // 2
    corners = [y + i * step for i in range(SCREEN_FRAMES)]
    return np.stack([picture[top : top + height, x : x + width] for top in corners])
