"""Quick measurements while a network trains: PSNR on Y of held-out segments and of a few frames of Vid4."""

import numpy as np
import torch

from . import datasets
from .data import bicubic
from .networks import BLOCK
from .segments import Segments

BORDER = 8
LUMA = torch.tensor([65.481, 128.553, 24.966])  # Y of BT.601 in 16..235, from RGB in 0..1
CENTRES = (13, 18)
HELD = 20  # segments


def psnr_y(truth, out):
    """dB between pictures [..., 3, h, w] in 0..1, of which `out` is rounded to 8 bits first."""
    error = truth - (out.clamp(0, 1) * 255).round() / 255
    error = (error * LUMA[:, None, None]).sum(-3)[..., BORDER:-BORDER, BORDER:-BORDER]
    return 10 * torch.log10(255**2 / error.square().mean((-1, -2)).clamp(min=1e-3))


class Measure:
    """Call it with a network: {"held": dB, "codec": dB, "calendar": dB, ..., "vid4": dB}."""

    def __init__(self, segments, scale, vid4=None):
        held = Segments(segments, "held", scale)
        numbers = np.linspace(0, len(held) - 1, HELD).astype(int)
        self.held = [
            (name, as_tensor(held.low[numbers, variant]), as_tensor(held.truth[numbers]))
            for name, variant in (("held", 0), ("codec", 1))
        ]
        self.vid4 = {}
        for sequence in datasets.clips(vid4, CENTRES[-1] + 4) if vid4 else ():
            truth = sequence.read()
            height, width = (side // (2 * scale) * 2 * scale for side in truth.shape[1:3])
            truth = truth[:, :height, :width]
            low = as_tensor(bicubic(truth, scale)[None])
            self.vid4[sequence.name] = as_grid(low), as_tensor(truth[None, list(CENTRES)])

    @torch.no_grad()
    def __call__(self, network):
        scores = {}
        for name, low, truth in self.held:
            centres = (2, 8)
            values = [psnr_y(t[list(centres)], network(x[None], centres)[0]).mean() for x, t in zip(low, truth)]
            scores[name] = float(np.mean(values))
        for name, (low, truth) in self.vid4.items():
            height, width = truth.shape[-2:]
            scores[name] = float(psnr_y(truth, network(low, CENTRES)[..., :height, :width]).mean())
        if self.vid4:
            scores["vid4"] = float(np.mean([scores[name] for name in self.vid4]))
        return {name: round(value, 3) for name, value in scores.items()}


def as_grid(low):
    """[1, n, 3, h, w] with edges repeated to multiples of 8, as the package pads pictures."""
    height, width = (-side % BLOCK for side in low.shape[-2:])
    return torch.nn.functional.pad(low[0], (0, width, 0, height), "replicate")[None]


def as_tensor(frames):
    """u8 [..., h, w, 3] -> float [..., 3, h, w] in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(frames)).movedim(-1, -3).float() / 255
