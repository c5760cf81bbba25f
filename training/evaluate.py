"""PSNR on Vid4, for the model cards: frames 13 and 18 (counting from zero) of each sequence.

    python3 -m training.evaluate --weights DIR --vid4 DIR [--out training/metrics.json]

Protocol: ground truth cropped to multiples of 8 times the scale; low resolution by PIL BICUBIC, 8 bit; PSNR on Y
(BT.601 luma, 16..235) with 8 pixels of border cut, output rounded to 8 bit; mean over the two frames, then over the
four sequences. Vid4 (calendar.mkv, city.mkv, foliage.mkv, walk.mkv) is for measuring only. Needs the ffmpeg command.
"""

import argparse
import json
import subprocess
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from .export import NAMES
from .networks import WINDOW, load

SEQUENCES = {"calendar": (720, 576), "city": (704, 576), "foliage": (720, 480), "walk": (720, 480)}
CENTRES = (13, 18)
PROTOCOL = "frames 13 and 18 from zero, PIL bicubic x2 down, 8 pixels of border cut; PyTorch on CPU, training.evaluate"
BORDER = 8
LUMA = np.array([65.481, 128.553, 24.966]) / 255  # Y of BT.601, limited range, from RGB in 0..255


def read(path, size):
    """All frames, u8 [frames, h, w, 3]."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, size[1], size[0], 3)


def psnr(truth, picture):
    """dB between two u8 pictures [h, w, 3]."""
    error = ((truth.astype(np.float64) - picture.astype(np.float64)) @ LUMA)[BORDER:-BORDER, BORDER:-BORDER]
    return 10 * np.log10(255**2 / np.mean(error**2))


def resized(picture, size):
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))


def upscale(network, window):
    """u8 window [7, h, w, 3] -> u8 picture."""
    frames = torch.from_numpy(window).permute(0, 3, 1, 2).float()[None] / 255
    with torch.no_grad():
        out = network(frames)[0].clamp(0, 1) * 255
    return out.round().byte().permute(1, 2, 0).numpy()


def evaluate(network, folder):
    """{sequence: (dB of the network, dB of PIL bicubic)}."""
    scale, reach = network.settings.scale, WINDOW // 2
    step = 8 * scale
    scores = {}
    for name, size in SEQUENCES.items():
        width, height = (side // step * step for side in size)
        truth = read(Path(folder) / f"{name}.mkv", size)[:, :height, :width]
        pairs = []
        for centre in CENTRES:
            window = truth[centre - reach : centre + reach + 1]
            small = np.stack([resized(frame, (width // scale, height // scale)) for frame in window])
            bicubic = resized(small[reach], (width, height))
            pairs.append((psnr(truth[centre], upscale(network, small)), psnr(truth[centre], bicubic)))
        scores[name] = np.mean(pairs, 0)
    return scores


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", required=True, help="folder of <name>.pt and <name>.json")
    parser.add_argument("--vid4", required=True, help="folder of the four Vid4 sequences")
    parser.add_argument("--out", help="JSON file that export reads its metrics from")
    arguments = parser.parse_args()
    metrics = {}
    for name in NAMES:
        scores = evaluate(load(arguments.weights, name), arguments.vid4)
        mean = np.mean(list(scores.values()), 0)
        table = {sequence: round(float(own), 2) for sequence, (own, _) in scores.items()}
        metrics[name] = [
            {
                "set": "Vid4",
                "measure": "PSNR Y, dB",
                "protocol": PROTOCOL,
                "value": round(float(mean[0]), 2),
                "bicubicUp": round(float(mean[1]), 2),
                **table,
            }
        ]
        print(name, metrics[name][0])
    if arguments.out:
        Path(arguments.out).write_text(json.dumps(metrics, indent=2) + "\n")


if __name__ == "__main__":
    main()
