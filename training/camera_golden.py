"""Writes the camera fixture: 8 real frames as I420, and what mana-nano-x2 makes of them.

    python3 -m training.camera_golden [--runs training/runs] --clip DIR/flutter-bee.mp4 --out test/fixtures/camera

frames.i420: 8 frames of 96x64, BT.601 limited range. golden.rgb: 8 frames of 192x128, interleaved u8.
The sequence is a loop, and the outputs are those of a stream that has gone through it for long: the window of frame c is
the frames (c-3 .. c+3) mod 8. Needs the ffmpeg command.
"""

import argparse
import subprocess
from pathlib import Path

import numpy as np
import torch

from .colour import from_i420
from .networks import load

WIDTH, HEIGHT, FRAMES = 96, 64, 8
LOOPS = 6  # until what is remembered of the start has faded
START = "2.0"  # seconds into the clip: the bee moves its wings and legs
# 640x426 of the 1280x720 picture, on the insect, shrunk 6.7 times.
CROP = "crop=640:426:320:180"
FILTER = f"{CROP},scale={WIDTH}:{HEIGHT}:flags=lanczos:out_color_matrix=bt601:out_range=tv"


def cut(clip):
    """The frames as one I420 string."""
    command = ["ffmpeg", "-v", "error", "-ss", START, "-i", clip, "-vf", FILTER, "-frames:v", str(FRAMES)]
    command += ["-vsync", "0", "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", default="training/runs", help="folder of the run mana-nano-x2")
    parser.add_argument("--clip", required=True, help="flutter-bee.mp4 (CC0, flutter/assets-for-api-docs)")
    parser.add_argument("--out", default="test/fixtures/camera")
    arguments = parser.parse_args()

    raw = cut(arguments.clip)
    size = WIDTH * HEIGHT * 3 // 2
    assert len(raw) == FRAMES * size, f"{arguments.clip}: {len(raw)} bytes are not {FRAMES} frames."
    planes = np.frombuffer(raw, np.uint8).reshape(FRAMES, size)
    frames = torch.from_numpy(from_i420(planes, WIDTH, HEIGHT)).movedim(-1, 1).contiguous()
    network = load(arguments.runs, "mana-nano-x2")
    stream = frames.repeat(LOOPS + 1, 1, 1, 1)[None]
    with torch.no_grad():
        outputs = network(stream, range((LOOPS - 1) * FRAMES, LOOPS * FRAMES))[0]
    rgb = (outputs.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1)

    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "frames.i420").write_bytes(raw)
    (out / "golden.rgb").write_bytes(rgb.contiguous().numpy().tobytes())


if __name__ == "__main__":
    main()
