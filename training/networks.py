"""The mana-live networks in PyTorch: the reference that the ONNX graphs, the tests and the goldens follow.

Shapes: B batch, T = 7 frames, C channels, D attention width, h x w low-resolution pixels (multiples of 8).
A streaming form of the network of Yu, Liu, Bo, Mei: Memory-Augmented Non-Local Attention for Video
Super-Resolution, CVPR 2022, arXiv 2108.11048: cross-frame attention is cut into blocks, so that each frame is
encoded once and its features, keys and values are kept for the seven outputs that use them.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

WINDOW = 7  # frames; the centre is frame 3
BLOCK = 8  # a block of 8x8 queries ...
HALO = 4  # ... sees the keys of the pixels up to 4 beyond each of its sides,
POOL = 2  # ... pooled 2x2: 8x8 = 64 keys
REACH = (BLOCK + 2 * HALO) // POOL  # 8 keys along a side


@dataclass(frozen=True)
class Settings:
    """What tells one mana-live network from another."""

    name: str
    scale: int
    channels: int  # C
    dim: int  # D, width of queries, keys and values
    encoder_blocks: int
    decoder_blocks: int
    memory: int  # N, entries of the memory bank

    @staticmethod
    def read(path):
        """Reads a checkpoint's JSON; refuses one whose attention is laid out differently from this file's."""
        raw = json.loads(Path(path).read_text())
        layout = (raw["frames"], raw["block"], raw["halo"], raw["pool"])
        if layout != (WINDOW, BLOCK, HALO, POOL):
            raise ValueError(f"{path}: frames, block, halo, pool {layout} are not {(WINDOW, BLOCK, HALO, POOL)}.")
        return Settings(
            raw["name"], raw["scale"], raw["channels"], raw["dim"],
            raw["encoderBlocks"], raw["decoderBlocks"], raw["memory"],
        )


def key_offsets():
    """Centre of each of the 8 key cells along one axis, in pixels from the block's first pixel: -3.5, -1.5 .. 10.5."""
    return torch.arange(REACH) * POOL - HALO + (POOL - 1) / 2


def squared_distances():
    """[64 queries, 64 keys]: squared pixels from each query of a block to each key cell's centre, row by row."""
    query, key = torch.arange(BLOCK).float(), key_offsets()
    line = (query[:, None] - key[None, :]) ** 2  # [8 queries, 8 keys] along one axis
    return (line[:, None, :, None] + line[None, :, None, :]).reshape(BLOCK**2, REACH**2)


def unit(x):
    """x [B, D, h, w] divided by its length over channels; zero stays zero."""
    return x / x.norm(dim=1, keepdim=True).clamp(min=1e-12)


class Residual(nn.Module):
    """x + b(relu(a(x))), two 3x3 convolutions of C channels."""

    def __init__(self, channels):
        super().__init__()
        self.a = nn.Conv2d(channels, channels, 3, padding=1)
        self.b = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return x + self.b(F.relu(self.a(x)))


class Attention(nn.Module):
    """Attention of the centre frame to its window, block by block, and to a learned memory bank."""

    def __init__(self, channels, dim, memory):
        super().__init__()
        self.q = nn.Conv2d(channels, dim, 1)
        self.k = nn.Conv2d(channels, dim, 1)
        self.v = nn.Conv2d(channels, dim, 1)
        self.wz = nn.Conv2d(WINDOW * dim, channels, 1)
        self.wm = nn.Conv2d(dim, channels, 1)
        self.tau = nn.Parameter(torch.full((WINDOW,), 10.0))  # temperature of the cosine, per neighbour
        self.std = nn.Parameter(torch.full((WINDOW,), 2.0))  # width of the Gaussian in pixels, per neighbour
        self.mb = nn.Parameter(torch.randn(dim, memory) * dim**-0.5)
        self.register_buffer("D", squared_distances())

    def keys_values(self, x):
        """x [B, C, h, w] -> key, value [B, D, h/2, w/2]."""
        return F.avg_pool2d(unit(self.k(x)), POOL), F.avg_pool2d(self.v(x), POOL)

    def forward(self, feat, keys, values):
        """feat [B, C, h, w], 7 keys and 7 values [B, D, h/2, w/2] -> [B, C, h, w]."""
        q = self.q(feat)
        b, d, h, w = q.shape
        query = F.unfold(unit(q), BLOCK, stride=BLOCK).view(b, d, BLOCK**2, -1)  # [B, D, 64, blocks]
        outside = windows(torch.ones_like(keys[0][:, :1])) == 0  # [B, 1, 64, blocks]
        attended = []
        for t in range(WINDOW):
            logits = self.tau[t] * torch.einsum("bdqn,bdkn->bnqk", query, windows(keys[t]))
            logits = logits - 0.5 * self.D / self.std[t] ** 2
            logits = logits.masked_fill(outside.permute(0, 3, 1, 2), -torch.inf)
            y = torch.einsum("bnqk,bdkn->bdqn", logits.softmax(-1), windows(values[t]))
            attended.append(F.fold(y.reshape(b, d * BLOCK**2, -1), (h, w), BLOCK, stride=BLOCK))
        recall = torch.einsum("bdhw,dn->bhwn", q, self.mb) * d**-0.5
        memory = torch.einsum("bhwn,dn->bdhw", recall.softmax(-1), self.mb)
        return self.wz(torch.cat(attended, 1)) + self.wm(memory)


def windows(plane):
    """plane [B, D, h/2, w/2] -> [B, D, 64, blocks]: the 8x8 pooled cells around each block, zero outside."""
    b, d = plane.shape[:2]
    cut = F.unfold(plane, REACH, padding=HALO // POOL, stride=BLOCK // POOL)
    return cut.view(b, d, REACH**2, -1)


class ManaLive(nn.Module):
    """encode() once per frame, fuse() once per output frame; forward() does a whole window."""

    def __init__(self, settings):
        super().__init__()
        c = settings.channels
        self.settings = settings
        self.first = nn.Conv2d(3, c, 3, padding=1)
        self.enc = nn.Sequential(*[Residual(c) for _ in range(settings.encoder_blocks)])
        self.attn = Attention(c, settings.dim, settings.memory)
        self.dec = nn.Sequential(*[Residual(c) for _ in range(settings.decoder_blocks)])
        self.up = nn.Conv2d(c, 3 * settings.scale**2, 3, padding=1)

    def encode(self, frame):
        """frame [B, 3, h, w] in 0..1 -> feat [B, C, h, w], key and value [B, D, h/2, w/2]."""
        feat = self.enc(F.leaky_relu(self.first(frame), 0.1))
        return (feat, *self.attn.keys_values(feat))

    def fuse(self, frame, feat, keys, values):
        """The centre's frame and feat, 7 keys and 7 values -> [B, 3, h*scale, w*scale], not clamped."""
        scale = self.settings.scale
        z = self.dec(feat + self.attn(feat, keys, values))
        base = F.interpolate(frame, scale_factor=scale, mode="bilinear", align_corners=False)
        return base + F.pixel_shuffle(self.up(z), scale)

    def forward(self, frames):
        """frames [B, 7, 3, h, w] in 0..1 -> [B, 3, h*scale, w*scale]."""
        encoded = [self.encode(frame) for frame in frames.unbind(1)]
        feats, keys, values = zip(*encoded)
        centre = WINDOW // 2
        return self.fuse(frames[:, centre], feats[centre], keys, values)


def load(weights, name):
    """The network `name` of a folder of checkpoints (<name>.pt and <name>.json), in evaluation mode."""
    folder = Path(weights)
    network = ManaLive(Settings.read(folder / f"{name}.json"))
    network.load_state_dict(torch.load(folder / f"{name}.pt", map_location="cpu"))
    return network.eval()
