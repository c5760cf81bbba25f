"""The mana-live networks in PyTorch: the reference that the ONNX graphs, the tests and the goldens follow.

Shapes: B batch, T frames of a stream, O output frames, C channels, h x w low-resolution pixels (multiples of 8).
A streaming form of the network of Yu, Liu, Bo, Mei: Memory-Augmented Non-Local Attention for Video
Super-Resolution, CVPR 2022, arXiv 2108.11048: each frame is encoded once, and what the encoder makes of it is kept
for the seven outputs that use it. Cross-frame attention is cut into blocks; beside it the encoder is handed its own
features of the frame before (a recurrence), and the fusion sees small feature planes of the neighbours at the same
place. Which of these parts a network has is in its settings.
"""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from .attention import POOL, Attention, Grid
from .layers import Residual, silent
from .matching import Matching, luma

WINDOW = 7  # frames; the centre is frame 3
CENTRE = WINDOW // 2


@dataclass(frozen=True)
class Settings:
    """What tells one mana-live network from another."""

    name: str
    scale: int
    channels: int  # C
    encoder_blocks: int
    decoder_blocks: int
    recurrent: bool = False  # the encoder reads the features of the frame before
    match: Matching | None = None  # it reads them from where each pixel was
    feedback: bool = False  # it also reads the picture made of the frame before
    near: int = 0  # channels of the plane that each neighbour gives at the same place; 0: none
    near_frames: tuple = (0, 1, 2, 4, 5, 6)  # neighbours that give one
    dim: int = 0  # width of queries and keys; 0: no attention
    value_dim: int = 0  # width of values
    attend_frames: tuple = (0, 1, 2, 3, 4, 5, 6)  # frames that are attended to
    query_pool: int = 2  # pixels along a side that share a query: 1 or 2
    halo: int = 4  # pixels around a block whose keys it sees
    memory: int = 0  # N, entries of the memory bank; 0: none

    def __post_init__(self):
        if (self.match or self.feedback) and not self.recurrent:
            raise ValueError("Only a recurrent network can match, or read its last picture.")

    @property
    def grid(self):
        """How attention cuts pictures into blocks and windows."""
        return Grid(self.query_pool, self.halo)

    @staticmethod
    def of(values):
        """From a mapping with the names above; others are refused."""
        known = {field.name for field in fields(Settings)}
        if unknown := set(values) - known:
            raise ValueError(f"Unknown settings of a network: {', '.join(sorted(unknown))}.")
        if isinstance(values.get("match"), dict):
            values = values | {"match": Matching.of(values["match"])}
        return Settings(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


class ManaLive(nn.Module):
    """encode() once per frame, fuse() once per output frame; forward() does a stretch of a stream."""

    def __init__(self, settings):
        super().__init__()
        self.settings = s = settings
        c = s.channels
        self.first = nn.Conv2d(3, c, 3, padding=1)
        if s.recurrent:
            self.past = silent(nn.Conv2d(c, c, 3, padding=1))
        if s.match:
            self.match = s.match.module()
            if s.match.both:
                self.moved = silent(nn.Conv2d(c, c, 3, padding=1, bias=False))
            if s.match.rest:
                self.rest = silent(nn.Conv2d(1, c, 3, padding=1, bias=False))
        if s.feedback:
            self.told = silent(nn.Conv2d(3 * s.scale**2, c, 3, padding=1, bias=False))
        self.enc = nn.Sequential(*[Residual(c) for _ in range(s.encoder_blocks)])
        if s.near:
            self.near = nn.Conv2d(c, s.near, 1)
            self.wn = silent(nn.Conv2d(len(s.near_frames) * s.near, c, 3, padding=1))
        if s.dim:
            self.attn = Attention(s)
        self.dec = nn.Sequential(*[Residual(c) for _ in range(s.decoder_blocks)])
        self.up = nn.Conv2d(c, 3 * s.scale**2, 3, padding=1)

    def features(self, frames):
        """frames [B, T, 3, h, w] in 0..1, the first of a stream on -> [B, T, C, h, w]."""
        x = self.first(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        if not self.settings.recurrent:
            return self.enc(F.leaky_relu(x, 0.1).flatten(0, 1)).unflatten(0, frames.shape[:2])
        recurrence = Recurrence(self, frames)
        feats = [self.enc(F.leaky_relu(x[:, 0] + self.past.bias[:, None, None], 0.1))]
        for t in range(1, frames.shape[1]):
            feats.append(self.enc(F.leaky_relu(x[:, t] + recurrence.read(t, feats[-1]), 0.1)))
        return torch.stack(feats, 1)

    def alone(self, feat):
        """feat [B, C, h, w] -> detail [B, 3 scale^2, h, w] of its frame as if all neighbours were copies of it."""
        s = self.settings
        if s.near:
            feat = feat + self.wn(self.near(feat).repeat(1, len(s.near_frames), 1, 1))
        return self.up(self.dec(feat))

    def planes(self, feats):
        """feats [B, T, C, h, w] -> what the fusion reads of neighbours, by name, [B, T, ...]."""
        s, flat = self.settings, feats.flatten(0, 1)
        made = {}
        if s.near:
            made["near"] = self.near(flat)
        if s.dim:
            made["key"], made["value"] = self.attn.keys_values(flat)
        return {name: plane.unflatten(0, feats.shape[:2]) for name, plane in made.items()}

    def fuse(self, frames, feats, planes, index):
        """Output frames: frames [B, O, 3, h, w] and feats of the centres; planes of all T; index [O, 7] into T.

        -> [B, O, 3, h*scale, w*scale], not clamped; and the mixed values of the attention, if there is one.
        """
        s = self.settings
        z, mixed = feats, None
        if s.near:
            near = torch.cat([planes["near"][:, index[:, t]] for t in s.near_frames], 2)
            z = z + self.wn(near.flatten(0, 1)).unflatten(0, feats.shape[:2])
        if s.dim:
            y, mixed = self.attn(feats, planes["key"], planes["value"], index[:, list(s.attend_frames)])
            z = z + y
        detail = F.pixel_shuffle(self.up(self.dec(z.flatten(0, 1))), s.scale)
        base = F.interpolate(frames.flatten(0, 1), scale_factor=s.scale, mode="bilinear", align_corners=False)
        return (base + detail).unflatten(0, feats.shape[:2]), mixed

    def forward(self, frames, centres=(CENTRE,), lookahead=CENTRE):
        """frames [B, T, 3, h, w] in 0..1, a stream from its first frame -> [B, O, 3, h*scale, w*scale].

        Frames that are not there, and those more than `lookahead` after a centre, are copies of the nearest that is.
        """
        return self.stream(frames, torch.as_tensor(centres), lookahead)[0]

    def stream(self, frames, centres, lookahead, guided=False):
        """As forward; and, if `guided`, how far colours mixed by the attention's weights are from the centre's (L1).

        The second teaches queries and keys to correspond, long before the pictures profit from it.
        """
        s, feats = self.settings, self.features(frames)
        planes = self.planes(feats)
        guided = guided and s.dim
        if guided:
            colours = F.avg_pool2d(frames.flatten(0, 1), POOL).unflatten(0, frames.shape[:2])
            planes["value"] = torch.cat([planes["value"], colours.to(planes["value"].dtype)], 2)
        index = window(centres, frames.shape[1], lookahead)
        out, mixed = self.fuse(frames[:, centres], feats[:, centres], planes, index)
        if not guided:
            return out, 0.0
        wanted = F.avg_pool2d(frames[:, centres].flatten(0, 1), s.query_pool)
        wanted = s.grid.query_blocks(wanted).view(*mixed.shape[:4], 1, 3)
        return out, (mixed[..., s.value_dim :].float() - wanted).abs().mean()


class Recurrence:
    """What the encoder reads of the frame before, for frames [B, T, 3, h, w] of a stream in order."""

    def __init__(self, network, frames):
        self.network, self.settings = network, network.settings
        if self.settings.match:
            self.luma = luma(frames)
            # Without weights, all frames' matches are found at once; others need the memory of one at a time.
            self.found = network.match.find_all(self.luma) if hasattr(network.match, "find_all") else None
        if self.settings.feedback:
            s = self.settings.scale
            base = F.interpolate(frames.flatten(0, 1), scale_factor=s, mode="bilinear", align_corners=False)
            self.base = F.pixel_unshuffle(base, s).unflatten(0, frames.shape[:2])  # [B, T, 3 s^2, h, w]

    def read(self, t, feat):
        """feat [B, C, h, w] of frame t - 1 -> [B, C, h, w], what is added to the first convolution of frame t."""
        network, s = self.network, self.settings
        state = feat
        if s.feedback:
            detail = network.alone(feat)
            picture = (self.base[:, t - 1] + detail).clamp(0, 1)
            state = torch.cat([feat, picture.to(feat.dtype)], 1)
        if s.match:
            found = self.found[t - 1] if self.found else network.match.find(self.luma[:, t], self.luma[:, t - 1])
            state, left = network.match.fetch(state, found)
        there = state[:, : s.channels]
        if s.match and s.match.both:
            weights = torch.cat([network.past.weight, network.moved.weight], 1)
            read = F.conv2d(torch.cat([feat, there], 1), weights, network.past.bias, padding=1)
        else:
            read = network.past(there)
        if s.match and s.match.rest:
            read = read + network.rest(left)
        if s.feedback:
            # Against the frame's own enlargement: where the match is right, what is left is detail.
            read = read + network.told(state[:, s.channels :] - self.base[:, t])
        return read


def window(centres, count, lookahead):
    """[O, 7]: the frames that the outputs `centres` of a stream of `count` frames are fused from."""
    index = centres[:, None] + torch.arange(WINDOW) - CENTRE
    newest = (centres[:, None] + lookahead).clamp(max=count - 1)
    return torch.minimum(index, newest).clamp(min=0)


def save(path, network):
    """Writes <path>.pt, the weights, and <path>.json, the settings."""
    path = Path(path)
    torch.save(network.state_dict(), path.with_suffix(".pt"))
    path.with_suffix(".json").write_text(json.dumps(asdict(network.settings), indent=2) + "\n")


def load(runs, name):
    """The network that the run <runs>/<name> has trained, in evaluation mode."""
    path = Path(runs) / name / name
    network = ManaLive(Settings.of(json.loads(path.with_suffix(".json").read_text())))
    network.load_state_dict(torch.load(path.with_suffix(".pt"), map_location="cpu"))
    return network.eval()
