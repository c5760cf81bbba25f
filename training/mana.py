"""The network as published, in PyTorch: the reference that its ONNX graphs, tests and goldens follow.

Yu, Liu, Bo, Mei: Memory-Augmented Non-Local Attention for Video Super-Resolution, CVPR 2022, arXiv 2108.11048; modules
are named as in the state dicts that the authors' training code (github.com/jiy173/MANA) saves, so that those load.

Shapes: B batch, C channels, d = C/2 width of queries, keys and values, N entries of the memory bank, s side of a tile.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from .networks import CENTRE, WINDOW

SCALE = 4
GROUPS = 32  # of the group normalisation
DETAIL = 64  # channels of the last layers, at the size of the output


@dataclass(frozen=True)
class ManaSettings:
    """What tells one such network from another; the defaults are the paper's and its code's."""

    channels: int = 128  # C, a multiple of 32
    encoder_blocks: int = 5
    decoder_blocks: int = 40
    memory: int | None = 256  # N; None: without the memory bank
    tile: int = 64  # s, a multiple of 8: the only size of picture that the network sees

    def __post_init__(self):
        if self.channels <= 0 or self.channels % GROUPS:
            raise ValueError(f"channels must be a multiple of {GROUPS}, not {self.channels}.")
        if self.tile <= 0 or self.tile % 8:
            raise ValueError(f"tile must be a multiple of 8, not {self.tile}.")
        if self.encoder_blocks < 1 or self.decoder_blocks < 1:
            raise ValueError("encoder_blocks and decoder_blocks must be at least 1.")
        if self.memory is not None and self.memory <= 0:
            raise ValueError(f"memory must be positive, or None for a network without it, not {self.memory}.")

    @property
    def dim(self):
        """d, the width of queries, keys, values and memory entries."""
        return self.channels // 2


def squared_distances(tile):
    """[s*s, s*s]: squared pixels between any two positions of a tile, both counted row by row."""
    line = torch.arange(tile, dtype=torch.float32)
    square = (line[:, None] - line[None, :]) ** 2
    return (square[:, None, :, None] + square[None, :, None, :]).reshape(tile**2, tile**2)


class Residual(nn.Module):
    """x + conv2(relu(conv1(x))), two 3x3 convolutions of C channels."""

    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return x + self.conv2(F.relu(self.conv1(x)))


class NonLocal(nn.Module):
    """Attention of the centre to every position of the seven frames, and to the memory bank."""

    def __init__(self, settings):
        super().__init__()
        c, d = settings.channels, settings.dim
        self.tile = settings.tile
        self.norm = nn.GroupNorm(GROUPS, c, eps=1e-6)
        self.theta, self.g, self.phi = (nn.Conv2d(c, d, 1) for _ in range(3))
        self.std = nn.Parameter(torch.full((1,), 4.0))  # width of the Gaussian, pixels
        self.W_z = zero(nn.Conv2d(WINDOW * d, c, 1))
        if settings.memory:
            self.mb = nn.Parameter(torch.randn(d, settings.memory))
            self.W_z1 = zero(nn.Conv2d(d, c, 1))

    def forward(self, feats):
        """feats [B, 7, C, s, s] of a window -> [B, C, s, s] for its centre."""
        centre = feats[:, CENTRE]
        near = torch.exp(-0.5 * squared_distances(self.tile).to(feats) / self.std**2)
        query = self.phi(self.norm(centre)).flatten(2).transpose(1, 2)  # [B, s*s, d]
        attended = []
        for feat in feats.unbind(1):
            feat = self.norm(feat)
            key, value = self.theta(feat).flatten(2), self.g(feat).flatten(2)  # [B, d, s*s]
            # The logits are not scaled, and the Gaussian comes after the softmax: the weights sum to less than one.
            attended.append((query @ key).softmax(-1).mul_(near) @ value.transpose(1, 2))
        out = centre + self.W_z(self.plane(torch.cat(attended, 2)))
        if hasattr(self, "mb"):
            out = out + self.W_z1(self.plane(self.recall(query)))
        return out

    def recall(self, query):
        """What the memory holds for queries [B, s*s, d] -> like query."""
        return (query @ self.mb * self.mb.shape[0] ** -0.5).softmax(-1) @ self.mb.t()

    def plane(self, x):
        """[B, s*s, c] -> [B, c, s, s]."""
        return x.transpose(1, 2).unflatten(2, (self.tile, self.tile))


def zero(conv):
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    return conv


class Mana(nn.Module):
    """Seven frames of one tile in, the centre four times as large out."""

    def __init__(self, settings=ManaSettings()):
        super().__init__()
        self.settings = settings
        c = settings.channels
        self.conv_first = nn.Conv2d(3, c, 3, padding=1)
        self.encoder = nn.Sequential(*[Residual(c) for _ in range(settings.encoder_blocks)])
        self.nonloc_spatial = NonLocal(settings)
        self.decoder = nn.Sequential(*[Residual(c) for _ in range(settings.decoder_blocks)])
        self.upconv1 = nn.Conv2d(c, 4 * c, 3, padding=1)
        self.upconv2 = nn.Conv2d(c, 4 * DETAIL, 3, padding=1)
        self.conv_hr = nn.Conv2d(DETAIL, DETAIL, 3, padding=1)
        self.conv_last = nn.Conv2d(DETAIL, 3, 3, padding=1)

    def encode(self, frames):
        """frames [n, 3, s, s] in 0..1 -> features [n, C, s, s]."""
        return self.encoder(F.leaky_relu(self.conv_first(frames), 0.1))

    def forward(self, frames):
        """frames [B, 7, 3, s, s] in 0..1 -> the centre, [B, 3, 4s, 4s], not clamped."""
        feats = self.encode(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        x = self.decoder(self.nonloc_spatial(feats))
        for upconv in (self.upconv1, self.upconv2):
            x = F.leaky_relu(F.pixel_shuffle(upconv(x), 2), 0.1)
        detail = self.conv_last(F.leaky_relu(self.conv_hr(x), 0.1))
        base = F.interpolate(frames[:, CENTRE], scale_factor=SCALE, mode="bilinear", align_corners=False)
        return base + detail
