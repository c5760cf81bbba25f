"""Quick measurements while a network trains: PSNR on Y of held-out segments, also under a pan, and of frames of Vid4."""

import numpy as np
import torch

from . import datasets
from .data import bicubic
from .layers import BLOCK
from .segments import Segments

BORDER = 8
LUMA = torch.tensor([65.481, 128.553, 24.966])  # Y of BT.601 in 16..235, from RGB in 0..1
CENTRES = (13, 18)
HELD = 20  # segments
PAN = 8  # pixels of the truth that a window moves over a held-out segment each frame


def psnr_y(truth, out):
    """dB between pictures [..., 3, h, w] in 0..1, of which `out` is rounded to 8 bits first."""
    error = truth - (out.clamp(0, 1) * 255).round() / 255
    error = (error * LUMA[:, None, None]).sum(-3)[..., BORDER:-BORDER, BORDER:-BORDER]
    return 10 * torch.log10(255**2 / error.square().mean((-1, -2)).clamp(min=1e-3))


class Measure:
    """Call it with a network: {"held": dB, "codec": dB, "pan": dB, "calendar": dB, ..., "vid4": dB}."""

    def __init__(self, segments, scale, vid4=None):
        held = Segments(segments, "held", scale)
        numbers = np.linspace(0, len(held) - 1, min(HELD, len(held))).astype(int)
        self.held = [
            (name, as_tensor(held.low[numbers, variant]), as_tensor(held.truth[numbers]))
            for name, variant in (("held", 0), ("codec", 1))
        ]
        pans = [panned(held.truth[number], PAN) for number in numbers]
        low = np.stack([bicubic(clip, scale) for clip in pans])
        self.held.append(("pan", as_tensor(low), as_tensor(np.stack(pans))))
        self.vid4 = {}
        for sequence in datasets.clips(vid4, CENTRES[-1] + 4) if vid4 else ():
            truth = sequence.read()
            height, width = (side // (2 * scale) * 2 * scale for side in truth.shape[1:3])
            truth = truth[:, :height, :width]
            low = as_tensor(bicubic(truth, scale)[None])
            self.vid4[sequence.name] = as_grid(low), as_tensor(truth[None, list(CENTRES)])

    @torch.no_grad()
    def __call__(self, network):
        scores, device = {}, next(network.parameters()).device
        for name, low, truth in self.held:
            centres = (2, 8)
            values = [
                psnr_y(t[list(centres)], network(x[None].to(device), centres)[0].cpu()).mean()
                for x, t in zip(low, truth)
            ]
            scores[name] = float(np.mean(values))
        for name, (low, truth) in self.vid4.items():
            height, width = truth.shape[-2:]
            scores[name] = float(psnr_y(truth, network(low.to(device), CENTRES)[..., :height, :width].cpu()).mean())
        if self.vid4:
            scores["vid4"] = float(np.mean([scores[name] for name in self.vid4]))
        return {name: round(value, 3) for name, value in scores.items()}


def panned(truth, pixels, most=None):
    """A window that moves over a clip u8 [n, h, w, 3] by `pixels` a frame to the right and by half as many down.

    -> u8 [n, h', w', 3]: as large as fits in at `most` pixels a frame (default: these), sides multiples of 32.
    """
    moves, most = [(pixels * t // 2, pixels * t) for t in range(len(truth))], most or pixels
    last = most * (len(truth) - 1)
    height, width = ((side - move) // 32 * 32 for side, move in zip(truth.shape[1:3], (last // 2, last)))
    if height < 1 or width < 1:
        raise SystemExit(f"Pictures of {truth.shape[2]}x{truth.shape[1]} have no room for a pan of {most} pixels a frame.")
    return np.stack([frame[y : y + height, x : x + width] for frame, (y, x) in zip(truth, moves)])


def as_grid(low):
    """[1, n, 3, h, w] with edges repeated to multiples of 8, as the package pads pictures."""
    height, width = (-side % BLOCK for side in low.shape[-2:])
    return torch.nn.functional.pad(low[0], (0, width, 0, height), "replicate")[None]


def as_tensor(frames):
    """u8 [..., h, w, 3] -> float [..., 3, h, w] in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(frames)).movedim(-1, -3).float() / 255
