"""Attention of a frame to the frames of its window and to a memory, in blocks: a part of the mana-live networks."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from .layers import BLOCK, blocks, silent

POOL = 2  # keys and values are those of 2x2 pixels
EPSILON = 1e-4  # a number that half precision has


@dataclass(frozen=True)
class Grid:
    """Blocks of queries and their windows of keys."""

    query_pool: int  # pixels along a side that share a query
    halo: int  # pixels around a block whose keys it sees

    @property
    def queries(self):
        """Queries along a side of a block."""
        return BLOCK // self.query_pool

    @property
    def reach(self):
        """Keys along a side of a window."""
        return (BLOCK + 2 * self.halo) // POOL

    def offsets(self):
        """[queries*queries, reach*reach, 2]: pixels (y, x) from each query's centre to each key's, row by row."""
        query = torch.arange(self.queries) * self.query_pool + (self.query_pool - 1) / 2
        key = torch.arange(self.reach) * POOL + (POOL - 1) / 2 - self.halo
        line = key[None, :] - query[:, None]
        n, m = line.shape
        y, x = line[:, None, :, None].expand(n, n, m, m), line[None, :, None, :].expand(n, n, m, m)
        return torch.stack([y, x], -1).reshape(n * n, m * m, 2)

    def query_blocks(self, x):
        """[N, c, h/pool, w/pool] -> [N, S, queries^2, c]"""
        return blocks(x, self.queries, self.queries, 0)

    def key_blocks(self, x, fill=0.0):
        """[N, c, h/2, w/2] -> [N, S, reach^2, c], `fill` outside the picture."""
        return blocks(x, self.reach, BLOCK // POOL, self.halo // POOL, fill)

    def outside(self, like):
        """[S, 1, reach^2]: 0 for keys inside the picture, -1e4 for those outside; `like` is a plane [.., h/2, w/2]."""
        return self.key_blocks(torch.zeros_like(like[:1, :1]), -1e4)[0].transpose(1, 2)

    def plane(self, x, h, w):
        """[N, S, queries^2, c] -> [N, c, h/pool, w/pool]"""
        x = x.unflatten(2, (self.queries, self.queries)).unflatten(1, (h // BLOCK, w // BLOCK))
        return x.permute(0, 5, 1, 3, 2, 4).reshape(len(x), -1, h // self.query_pool, w // self.query_pool)


def unit(x):
    """x [..., D, h, w] divided by its length over channels, sqrt(|x|^2 + EPSILON): zero stays zero."""
    return x * (x.float().square().sum(-3, keepdim=True) + EPSILON).rsqrt().to(x.dtype)


def pooled(channels, out, pool=POOL):
    """A convolution that makes one vector of each pool x pool pixels."""
    return nn.Conv2d(channels, out, pool, stride=pool)


class Attention(nn.Module):
    """Attention of a frame to its window, block by block, and to a learned memory bank."""

    def __init__(self, settings):
        super().__init__()
        self.settings = s = settings
        area, frames = s.query_pool**2, len(s.attend_frames)
        self.q = pooled(s.channels, s.dim, s.query_pool)
        self.k = pooled(s.channels, s.dim)
        self.v = pooled(s.channels, s.value_dim)
        self.wz = nn.Linear(frames * s.value_dim, area * s.channels)
        nn.init.normal_(silent(self.wz).weight, std=0.02)
        self.tau = nn.Parameter(torch.full((frames,), 10.0))  # temperature of the cosine, per neighbour
        self.std = nn.Parameter(torch.full((frames,), 2.0))  # width of the Gaussian in pixels, per neighbour
        self.register_buffer("D", s.grid.offsets().square().sum(-1), persistent=False)
        if s.memory:
            self.mb = nn.Parameter(torch.randn(s.dim, s.memory) * s.dim**-0.5)
            self.wm = silent(nn.Linear(s.dim, area * s.channels))

    def keys_values(self, feat):
        """feat [N, C, h, w] -> key [N, D, h/2, w/2], value [N, V, h/2, w/2]."""
        return unit(self.k(feat)), self.v(feat)

    def forward(self, feat, keys, values, index):
        """feat [B, O, C, h, w]; keys, values [B, T, D, h/2, w/2]; index [O, frames]: which of T.

        -> what is added to feat, and the values as the neighbours' weights mix them [B, O, S, Q, frames, V].
        """
        s, grid, (b, o, c, h, w) = self.settings, self.settings.grid, feat.shape
        q = self.q(feat.flatten(0, 1))
        query = grid.query_blocks(unit(q)).unflatten(0, (b, o))  # [B, O, S, Q, D]
        key, value = (grid.key_blocks(x.flatten(0, 1)).unflatten(0, (b, -1)) for x in (keys, values))  # [B, T, S, K, D]
        outside = grid.outside(keys[:, 0])
        attended = []
        for t in range(len(s.attend_frames)):
            logits = (self.tau[t] * query) @ key[:, index[:, t]].transpose(-1, -2)
            logits = logits + (outside - 0.5 * self.D / self.std[t] ** 2)
            attended.append(logits.softmax(-1).to(value.dtype) @ value[:, index[:, t]])
        y = self.wz(torch.cat([x[..., : s.value_dim] for x in attended], -1))  # [B, O, S, Q, area * C]
        if s.memory:
            raw = grid.query_blocks(q).unflatten(0, (b, o))
            y = y + self.wm((raw @ self.mb * s.dim**-0.5).softmax(-1).to(raw.dtype) @ self.mb.t())
        y = F.pixel_shuffle(grid.plane(y.flatten(0, 1), h, w), s.query_pool)
        return y.unflatten(0, (b, o)), torch.stack(attended, -2)
