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

WINDOW = 7  # frames; the centre is frame 3
CENTRE = WINDOW // 2
BLOCK = 8  # a block of 8x8 pixels asks together
POOL = 2  # keys and values are those of 2x2 pixels
EPSILON = 1e-4  # a number that half precision has


@dataclass(frozen=True)
class Settings:
    """What tells one mana-live network from another."""

    name: str
    scale: int
    channels: int  # C
    encoder_blocks: int
    decoder_blocks: int
    recurrent: bool = False  # the encoder reads the features of the frame before
    near: int = 0  # channels of the plane that each neighbour gives at the same place; 0: none
    near_frames: tuple = (0, 1, 2, 4, 5, 6)  # neighbours that give one
    dim: int = 0  # width of queries and keys; 0: no attention
    value_dim: int = 0  # width of values
    attend_frames: tuple = (0, 1, 2, 3, 4, 5, 6)  # frames that are attended to
    query_pool: int = 2  # pixels along a side that share a query: 1 or 2
    halo: int = 4  # pixels around a block whose keys it sees
    memory: int = 0  # N, entries of the memory bank; 0: none

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
        return Settings(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


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


def blocks(x, side, stride, padding, fill=0.0):
    """x [N, c, h, w] -> [N, S, side*side, c]: the windows of all blocks, row by row, `fill` outside."""
    n, c = x.shape[:2]
    x = F.pad(x, [padding] * 4, value=fill)
    x = x.unfold(2, side, stride).unfold(3, side, stride)  # [N, c, I, J, side, side]
    return x.permute(0, 2, 3, 4, 5, 1).reshape(n, -1, side * side, c)


def unit(x):
    """x [..., D, h, w] divided by its length over channels, sqrt(|x|^2 + EPSILON): zero stays zero."""
    return x * (x.float().square().sum(-3, keepdim=True) + EPSILON).rsqrt().to(x.dtype)


class Residual(nn.Module):
    """x + b(relu(a(x))), two 3x3 convolutions of C channels."""

    def __init__(self, channels):
        super().__init__()
        self.a = nn.Conv2d(channels, channels, 3, padding=1)
        self.b = silent(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x):
        return x + self.b(F.relu(self.a(x)))


def silent(layer):
    """Starts a layer at zero: a network that grows by it goes on from where it was."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


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


class ManaLive(nn.Module):
    """encode() once per frame, fuse() once per output frame; forward() does a stretch of a stream."""

    def __init__(self, settings):
        super().__init__()
        self.settings = s = settings
        c = s.channels
        self.first = nn.Conv2d(3, c, 3, padding=1)
        if s.recurrent:
            self.past = silent(nn.Conv2d(c, c, 3, padding=1))
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
        feats = []
        for t in range(frames.shape[1]):
            now = x[:, t] + (self.past(feats[-1]) if feats else self.past.bias[:, None, None])
            feats.append(self.enc(F.leaky_relu(now, 0.1)))
        return torch.stack(feats, 1)

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
