"""Where a frame's pixels were in the frame before: matches of luma patches, and what is fetched by them.

A recurrence reads its features of the frame before; where things have moved, those at the same place are of something
else. Here each pixel looks at the displacements of up to R pixels either way. A hard match takes the one whose patch of
luma differs least: no weights, nothing to train, one gather. A soft one weighs them all, as MANA's attention does: by how
little their patches differ and by a Gaussian for their distance, whose temperature and width are learned.
"""

from dataclasses import dataclass, fields

import torch
from torch import nn
from torch.nn import functional as F

from .layers import blocks

LUMA = (0.299, 0.587, 0.114)
PENALTY = 0.05  # levels of each pixel of a patch that a pixel of distance must gain
BITS = 10  # that number a displacement; a score shares an integer with them
PACKED = 1 << BITS
CHUNK = 200_000  # pixels that are searched at once: they stay in the cache
ASK = 4  # pixels along a side of a block whose soft matches share a window; 8 takes twice as long to train
OUTSIDE = -1e4  # logit of what is too far or outside the picture
REST = 10.0  # factor of the remaining difference, luma in 0..1, as the network sees it


@dataclass(frozen=True)
class Matching:
    """Settings of a match."""

    kind: str  # hard or soft
    radius: int = 4  # R, pixels of displacement either way
    patch: int = 7  # pixels along a side, odd; at most 11
    both: bool = False  # the recurrence also reads the same place
    rest: bool = False  # it also reads how much the match differs

    def __post_init__(self):
        if self.kind not in ("hard", "soft"):
            raise ValueError(f"A match is hard or soft, not {self.kind}.")
        if self.patch % 2 == 0 or not 1 <= self.patch <= 11 or (2 * self.radius + 1) ** 2 > PACKED:
            raise ValueError("A patch has an odd side of at most 11 pixels, a radius at most 15.")

    @staticmethod
    def of(values):
        """From a mapping with the names above; others are refused."""
        if unknown := set(values) - {field.name for field in fields(Matching)}:
            raise ValueError(f"Unknown settings of a match: {', '.join(sorted(unknown))}.")
        return Matching(**values)

    def module(self):
        return (HardMatch if self.kind == "hard" else SoftMatch)(self)

    def displacements(self):
        """[(y, x)] in pixels, the nearest first."""
        line = range(-self.radius, self.radius + 1)
        return sorted(((y, x) for y in line for x in line), key=lambda at: (at[0] ** 2 + at[1] ** 2, at))


def luma(frames):
    """[..., 3, h, w] in 0..1 -> [..., 1, h, w] in 0..1."""
    weights = torch.tensor(LUMA, device=frames.device)[:, None, None]
    return (frames.float() * weights).sum(-3, keepdim=True)


class HardMatch(nn.Module):
    """The displacement whose patch differs least, by integers: every machine finds the same.

    A score is the sum over a patch of absolute differences of luma in whole levels, plus a penalty for distance.
    """

    def __init__(self, settings):
        super().__init__()
        self.settings = s = settings
        self.places = s.displacements()
        self.penalties = [round(PENALTY * s.patch**2 * (y * y + x * x) ** 0.5) for y, x in self.places]
        self.register_buffer("moves", torch.tensor(self.places), persistent=False)
        self.register_buffer("costs", torch.tensor(self.penalties), persistent=False)

    @torch.no_grad()
    def find(self, now, before):
        """now, before [N, 1, h, w], luma in 0..1 -> index [N, h*w] of the pixels to fetch, difference [N, 1, h, w]."""
        n, _, h, w = now.shape
        margin = self.settings.radius + self.settings.patch // 2
        planes = [F.pad((x.float() * 255).round(), [margin] * 4, mode="replicate").short()[:, 0] for x in (now, before)]
        count = max(1, CHUNK // planes[0][0].numel())
        best = torch.cat([self.search(a, b) for a, b in zip(*(x.split(count) for x in planes))])
        best = best[:, self.settings.radius :, self.settings.radius :][:, :h, :w]
        which = (best & (PACKED - 1)).long()
        dy, dx = self.moves[which].unbind(-1)
        y = (torch.arange(h, device=now.device)[:, None] + dy).clamp(0, h - 1)
        x = (torch.arange(w, device=now.device) + dx).clamp(0, w - 1)
        left = ((best >> BITS) - self.costs[which]) / (255 * self.settings.patch**2)
        return (y * w + x).flatten(1), left[:, None]

    def find_all(self, luma):
        """luma [B, T, 1, h, w] -> for each frame but the first, what find gives."""
        index, left = self.find(luma[:, 1:].flatten(0, 1), luma[:, :-1].flatten(0, 1))
        return list(zip(*(x.unflatten(0, (len(luma), -1)).unbind(1) for x in (index, left))))

    def search(self, now, before):
        """now, before i16 [n, H, W], levels -> i32 [n, H, W]: least score * PACKED + displacement, by a patch's top left.

        All planes lie behind each other as one row, in which a displacement is an offset: long additions without gaps.
        What runs over a side lands in the margin.
        """
        s, width, radius = self.settings, now.shape[2], self.settings.radius
        reach = radius * (width + 1)
        a, b = now.flatten(), before.flatten()
        a = a[reach : len(a) - reach]
        best = None
        for number, (y, x) in enumerate(self.places):
            start = reach + y * width + x
            score = (a - b[start : start + len(a)]).abs_()
            score = run_of(run_of(score, s.patch, 1), s.patch, width).int()
            score.mul_(PACKED).add_(self.penalties[number] * PACKED + number)
            best = score if best is None else torch.minimum(best, score, out=best)
        whole = best.new_zeros(now.numel())
        whole[reach : reach + len(best)] = best
        return whole.view(now.shape)

    def fetch(self, feat, found):
        """feat [N, c, h, w] -> what lies where the pixels were, and how much luma differs there [N, 1, h, w]."""
        index, left = found
        n, c, h, w = feat.shape
        return feat.flatten(2).gather(2, index[:, None].expand(n, c, h * w)).view_as(feat), left * REST


def run_of(x, count, stride):
    """[L] -> [L - (count - 1) * stride]: sums of `count` elements that are `stride` apart, by doubling."""
    length, total, taken, power = len(x) - (count - 1) * stride, None, 0, 1
    while True:
        if count & power:
            part = x[taken * stride : taken * stride + length]
            total = part if total is None else total + part
            taken += power
        if 2 * power > count:
            return total
        x = x[: len(x) - power * stride] + x[power * stride :]  # sums of 2 * power
        power *= 2


class SoftMatch(nn.Module):
    """Weights of all displacements: softmax of -tau * squared difference of patches - distance^2 / (2 std^2).

    Computed for blocks of 4x4 pixels and the window around them, of which each pixel sees its own displacements.
    """

    def __init__(self, settings):
        super().__init__()
        self.settings = settings
        self.log_tau = nn.Parameter(torch.tensor(200.0).log())  # for luma in 0..1, summed over a patch
        self.log_std = nn.Parameter(torch.tensor(6.0).log())  # pixels
        radius = settings.radius
        line = (torch.arange(ASK + 2 * radius) - radius)[None] - torch.arange(ASK)[:, None]
        square = line[:, None, :, None].square() + line[None, :, None, :].square()
        far = (line.abs() > radius)[:, None, :, None] | (line.abs() > radius)[None, :, None, :]
        size = ASK**2, (ASK + 2 * radius) ** 2
        self.register_buffer("square", square.reshape(size).float(), persistent=False)  # [16, K]
        self.register_buffer("far", far.reshape(size).float() * OUTSIDE, persistent=False)

    def windows(self, x, fill=0.0):
        """[N, c, h, w] -> [N, S, K, c]"""
        return blocks(x, ASK + 2 * self.settings.radius, ASK, self.settings.radius, fill)

    def patches(self, plane):
        """[N, 1, h, w] -> [N, patch^2, h, w], the edge repeated."""
        side = self.settings.patch
        return F.unfold(F.pad(plane, [side // 2] * 4, mode="replicate"), side).unflatten(2, plane.shape[2:])

    def find(self, now, before):
        """now, before [N, 1, h, w], luma in 0..1 -> weights [N, S, 16, K] and both."""
        with torch.autocast(now.device.type, enabled=False):
            query = blocks(self.patches(now - 0.5), ASK, ASK, 0)
            key = self.windows(self.patches(before - 0.5))
            tau = self.log_tau.exp()
            beyond = self.windows(torch.zeros_like(before[:1]), OUTSIDE)[0].transpose(1, 2)  # [S, 1, K]
            bias = self.far - 0.5 * self.square * (-2 * self.log_std).exp()
            logits = (2 * tau * query) @ key.transpose(-1, -2)
            logits = logits - tau * key.square().sum(-1)[:, :, None] + beyond + bias
            return logits.softmax(-1), now, before

    def fetch(self, feat, found):
        """feat [N, c, h, w] -> what lies where the pixels were, and how much luma differs there [N, 1, h, w]."""
        weights, now, before = found
        h, w = feat.shape[2:]
        seen = torch.cat([feat, before.to(feat.dtype)], 1) if self.settings.rest else feat
        mixed = weights.to(feat.dtype) @ self.windows(seen)  # [N, S, 16, c]
        mixed = mixed.unflatten(2, (ASK, ASK)).unflatten(1, (h // ASK, w // ASK))
        mixed = mixed.permute(0, 5, 1, 3, 2, 4).reshape(len(feat), -1, h, w)
        if not self.settings.rest:
            return mixed, None
        return mixed[:, :-1], (now - mixed[:, -1:].float()).abs() * REST
