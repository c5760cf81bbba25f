"""Exported models, run as the package runs them: each frame encoded once, each centre fused from its window."""

import json
from collections import deque
from pathlib import Path

import numpy as np
import torch

from .run_onnx import OnnxModel


class Exported:
    """A model's folder: manifest.json and the ONNX files that it names. Nothing else is known of the network."""

    def __init__(self, folder):
        folder = Path(folder)
        self.manifest = json.loads((folder / "manifest.json").read_text())
        self.name, self.scale, self.window = (self.manifest[key] for key in ("name", "scale", "window"))
        self.graphs = {part: OnnxModel(folder / self.manifest[part]["file"]) for part in ("encode", "fuse")}

    @property
    def reach(self):
        """Frames on each side of a centre."""
        return self.window // 2

    def upscale(self, frames, centres, lookaheads):
        """The outputs of a stream.

        frames: u8 [n, h, w, 3], from the stream's first on; centres: numbers of frames, rising; lookaheads: 0..reach.
        Yields (centre, {lookahead: u8 [h*scale, w*scale, 3]}). Sides may have any length: what a network needs beyond
        them repeats the edge.
        """
        height, width = frames.shape[1:3]
        tile = self.manifest.get("tile")
        rows, columns = (Spans(side, tile, self.manifest["align"]) for side in (height, width))
        frames = np.pad(frames, [(0, 0), (0, rows.end - height), (0, columns.end - width), (0, 0)], "edge")
        # A network with its own tiles is a stream in each; else there is one, the whole picture.
        places = [(y, x) for y in rows.starts for x in columns.starts]
        streams = [
            self.stream(frames[:, y : y + rows.length, x : x + columns.length], centres, lookaheads) for y, x in places
        ]
        scale = self.scale
        weights = [np.outer(rows.weight(y, scale), columns.weight(x, scale))[..., None] for y, x in places]
        for centre, outs in zip(centres, zip(*streams)):
            pictures = {}
            for lookahead in lookaheads:
                blended = np.zeros((rows.end * scale, columns.end * scale, 3))
                for (y, x), weight, out in zip(places, weights, outs):
                    part = blended[y * scale :, x * scale :]
                    part[: len(weight), : weight.shape[1]] += weight * out[lookahead]
                pictures[lookahead] = levels(blended[: height * scale, : width * scale])
            yield centre, pictures

    def stream(self, frames, centres, lookaheads):
        """frames u8 [n, h, w, 3], sides as the graphs take them -> {lookahead: float [h*scale, w*scale, 3]}."""
        ring = deque(maxlen=self.window)  # (number, planes by name)
        waiting = deque(centres)
        last = len(frames) - 1
        for number, frame in enumerate(frames):
            planes = {"frame": torch.from_numpy(frame.astype(np.float32) / 255).permute(2, 0, 1)[None]}
            ring.append((number, planes | self.encode(planes, ring[-1][1] if ring else None)))
            while waiting and number >= min(waiting[0] + self.reach, last):
                centre = waiting.popleft()
                yield {lookahead: self.fuse(dict(ring), centre, lookahead) for lookahead in lookaheads}
            if not waiting:
                return

    def encode(self, planes, past):
        """A frame's planes; `past` are those of the frame before, None at the start."""
        spec = self.manifest["encode"]
        height, width = planes["frame"].shape[-2:]
        feeds = {}
        for name, source in spec["inputs"].items():
            plane = self.manifest["planes"][source["plane"]]
            size = (1, plane["channels"], height // plane["stride"], width // plane["stride"])
            known = planes if source["age"] == 0 else past
            feeds[name] = torch.zeros(size) if known is None else known[source["plane"]]
        made = self.graphs["encode"].run(feeds)
        return {plane: made[output] for output, plane in spec["outputs"].items()}

    def fuse(self, known, centre, lookahead):
        """known: {number: planes}. A frame that is not known yet, or was before the start, is the nearest that is."""
        newest = min(centre + lookahead, max(known))
        numbers = [min(max(centre - self.reach + slot, 0), newest) for slot in range(self.window)]
        spec = self.manifest["fuse"]
        feeds = {name: known[numbers[source["slot"]]][source["plane"]] for name, source in spec["inputs"].items()}
        return self.graphs["fuse"].run(feeds)[spec["output"]][0].permute(1, 2, 0).numpy()


def levels(picture):
    """R'G'B' around 0..1 -> u8."""
    return (np.clip(picture, 0, 1) * 255).round().astype(np.uint8)


class Spans:
    """A side of a picture as the network sees it: one span to a multiple of `align`, or overlapping tiles."""

    def __init__(self, side, tile, align):
        self.length = tile["size"] if tile else -(-side // align) * align
        self.overlap = tile["overlap"] if tile else 0
        stride = self.length - self.overlap
        count = max(1, -(-(side - self.overlap) // stride))
        self.starts = [i * stride for i in range(count)]
        self.end = self.starts[-1] + self.length

    def weight(self, start, scale):
        """[length * scale]: how much each output pixel of the span counts; rises and falls where spans overlap."""
        ramp = (np.arange(self.overlap * scale) + 0.5) / (self.overlap * scale) if self.overlap else np.zeros(0)
        weight = np.ones(self.length * scale)
        if start > 0:
            weight[: len(ramp)] = ramp
        if start + self.length < self.end:
            weight[len(weight) - len(ramp) :] = 1 - ramp
        return weight
