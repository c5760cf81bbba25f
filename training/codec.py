"""What codecs and cameras do to pictures: round trips through ffmpeg's encoders, set as live video sets them."""

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .colour import from_i420, to_i420

KEYFRAMES = ["-g", "300"]
# Encoder options of a real-time call: no lookahead, no B-frames, the fast end of the speed scale. The speeds are fixed:
# with a positive one VP8 chooses its own by the time that encoding takes, and no run is like another.
LIVE = {
    "h264": ["-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-profile:v", "high"],
    "vp8": ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "-8", "-lag-in-frames", "0"],
    "vp9": ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-lag-in-frames", "0", "-row-mt", "0"],
}
QUALITY = {"h264": (20, 35), "vp8": (8, 40), "vp9": (24, 46)}  # range of -crf that live pictures fall into


@dataclass(frozen=True)
class Coding:
    """One encoder setting: either `bits` per pixel and frame at a constant bitrate, or a constant quality `crf`."""

    codec: str
    bits: float = 0.0
    crf: int = 0

    def options(self, width, height, fps):
        """ffmpeg's output options."""
        live = [*LIVE[self.codec], *KEYFRAMES, "-threads", "1"]
        if not self.bits:
            return [*live, "-crf", str(self.crf), "-b:v", "0" if self.codec == "vp9" else "50M"]
        rate = max(4_000, round(self.bits * width * height * fps))
        # Half a second of buffer: what WebRTC's pacing leaves.
        return [*live, "-b:v", f"{rate}", "-minrate", f"{rate}", "-maxrate", f"{rate}", "-bufsize", f"{rate // 2}"]


def random_coding(rng):
    """A setting as calls have them: two of three at a constant bitrate of 0.04 to 0.25 bits a pixel."""
    codec = rng.choice(["h264", "vp8", "vp9"])
    if rng.random() < 2 / 3:
        return Coding(codec, bits=float(np.exp(rng.uniform(np.log(0.04), np.log(0.25)))))
    return Coding(codec, crf=int(rng.integers(*QUALITY[codec], endpoint=True)))


def encode(frames, coding, path, fps=30):
    """Writes u8 frames [n, h, w, 3], made 4:2:0 and encoded by `coding`, to a file. Sides must be even."""
    height, width = frames.shape[1:3]
    with tempfile.TemporaryDirectory() as folder:
        # Not raw planes: ffmpeg skips some at the start if they happen to spell an ID3 tag.
        source = Path(folder) / "source.y4m"
        header = f"YUV4MPEG2 W{width} H{height} F{fps}:1 Ip A1:1 C420mpeg2\n".encode()
        source.write_bytes(header + b"".join(b"FRAME\n" + frame.tobytes() for frame in to_i420(frames)))
        command = ["ffmpeg", "-v", "error", "-i", str(source), *coding.options(width, height, fps)]
        subprocess.run([*command, "-fps_mode", "passthrough", str(path)], check=True, stdin=subprocess.DEVNULL)


def round_trip(frames, coding, fps=30):
    """u8 frames [n, h, w, 3], encoded as 4:2:0 by `coding` and decoded again. Sides must be even."""
    count, height, width, _ = frames.shape
    with tempfile.TemporaryDirectory() as folder:
        coded = Path(folder) / "coded.mkv"
        encode(frames, coding, coded, fps)
        planes = raw(["-i", str(coded)], "yuv420p").reshape(-1, width * height * 3 // 2)
    if len(planes) != count:
        raise RuntimeError(f"{coding} gave back {len(planes)} frames of {count}.")
    return (from_i420(planes, width, height) * 255).round().astype(np.uint8)


def read_video(path, size, filters="", most=None):
    """Frames of a clip as u8 [n, h, w, 3], lying as they are coded; `size` is what they have after `filters`."""
    options = ["-noautorotate", "-i", str(path)]
    options += ["-vf", filters] if filters else []
    options += ["-frames:v", str(most)] if most else []
    return raw(options, "rgb24").reshape(-1, size[1], size[0], 3)


def raw(options, pixels):
    """What ffmpeg makes of an input, as bytes."""
    command = ["ffmpeg", "-v", "error", *options, "-fps_mode", "passthrough", "-pix_fmt", pixels, "-f", "rawvideo", "-"]
    data = subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True).stdout
    return np.frombuffer(data, np.uint8)


def camera(frames, rng):
    """A cheap camera: out of focus by up to 0.7 pixels, luminance noise of up to 5 levels and half as much colour noise,
    new in each frame.
    """
    frames = blurred(frames, rng.uniform(0, 0.7))
    noise = rng.normal(0, 1, (*frames.shape[:3], 1)) + 0.5 * rng.normal(0, 1, frames.shape)
    return np.clip(frames + rng.uniform(0.5, 5) * noise, 0, 255).round().astype(np.uint8)


def blurred(frames, sigma):
    """u8 frames [n, h, w, 3] -> float, after a Gaussian of `sigma` pixels, less than 1."""
    side = np.exp(-0.5 / max(sigma, 1e-3) ** 2)
    frames = frames.astype(np.float32)
    for axis in (1, 2):
        edges = [(1, 1) if axis == other else (0, 0) for other in range(4)]
        before, after = (np.take(np.pad(frames, edges, "edge"), range(i, i + frames.shape[axis]), axis) for i in (0, 2))
        frames = (frames + side * (before + after)) / (1 + 2 * side)
    return frames
