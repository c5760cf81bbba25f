"""Checks matches against known motion, and the networks that read by them against those that do not.

    python3 -m training.test_matching
"""

import numpy as np
import torch

from .live_graph import encode_graph
from .matching import Matching, luma, run_of
from .networks import ManaLive, Settings
from .test_train import refused

SMALL = dict(name="any", scale=2, channels=8, encoder_blocks=2, decoder_blocks=1, near=4, near_frames=(4, 5, 6))
KINDS = (
    Matching("hard"),
    Matching("hard", radius=5, patch=5),
    Matching("soft", patch=5),
    Matching("soft", radius=3, rest=True),
)
SIDE, EDGE = 48, 9


def sharp(match):
    """A match's module; a soft one with a temperature that leaves one displacement."""
    module = match.module()
    if match.kind == "soft":
        module.log_tau.data += 5
        module.log_std.data += 3
    return module


def check_shift(match):
    """A frame that is the one before, shifted, fetches exactly the shifted features, and nothing of luma remains."""
    torch.manual_seed(1)
    large, module = torch.rand(3, 3, 80, 80), sharp(match)
    feat = torch.rand(3, 8, SIDE, SIDE)
    inside = np.s_[:, :, EDGE:-EDGE, EDGE:-EDGE]
    r = match.radius
    for y, x in ((0, 0), (0, 1), (-2, 3), (r, r), (-r, r), (r, -1)):
        before, now = (large[:, :, 10 + a : 10 + a + SIDE, 10 + b : 10 + b + SIDE] for a, b in ((0, 0), (y, x)))
        got, left = module.fetch(feat, module.find(luma(now), luma(before)))
        assert torch.allclose(got[inside], feat.roll((-y, -x), (2, 3))[inside], atol=1e-6), (match, y, x)
        assert left is None or float(left[inside].abs().max()) < 1e-4


def check_hard():
    """The hard match is the least sum of differences and penalty, looked for pixel by pixel; equals go to the nearest."""
    match = Matching("hard", radius=2, patch=3)
    module, rng = match.module(), np.random.default_rng(2)
    now, before = torch.from_numpy(rng.integers(0, 40, (2, 2, 1, 8, 16))).float() / 255
    index, left = module.find(now, before)
    padded = [np.pad((x[:, 0] * 255).round().numpy().astype(int), [(0, 0), (3, 3), (3, 3)], "edge") for x in (now, before)]
    for n in range(2):
        for y in range(8):
            for x in range(16):
                scores = []
                for (dy, dx), penalty in zip(module.places, module.penalties):
                    a = padded[0][n, y + 2 : y + 5, x + 2 : x + 5]
                    b = padded[1][n, y + 2 + dy : y + 5 + dy, x + 2 + dx : x + 5 + dx]
                    scores.append((np.abs(a - b).sum() + penalty, penalty))
                best = min(range(len(scores)), key=lambda i: scores[i][0])
                dy, dx = module.places[best]
                wanted = min(max(y + dy, 0), 7) * 16 + min(max(x + dx, 0), 15)
                assert int(index[n, y * 16 + x]) == wanted
                assert abs(float(left[n, 0, y, x]) * 255 * 9 - (scores[best][0] - scores[best][1])) < 1e-3
    flat = torch.full((1, 1, 8, 8), 0.5)
    assert module.find(flat, flat)[0].tolist() == [list(range(64))]


def check_soft():
    """The soft match is a softmax over the displacements inside the picture, and nothing else has a weight."""
    match = Matching("soft", radius=2, patch=3)
    module = match.module()
    torch.manual_seed(3)
    now, before, feat = torch.rand(1, 1, 8, 8), torch.rand(1, 1, 8, 8), torch.rand(1, 4, 8, 8)
    got, _ = module.fetch(feat, module.find(now, before))
    a, b = (torch.nn.functional.pad(x, [1] * 4, mode="replicate")[0, 0] for x in (now, before))
    tau, std = module.log_tau.exp(), module.log_std.exp()
    for y, x in ((0, 0), (3, 4), (7, 2), (5, 7)):
        logits, values = [], []
        for dy, dx in match.displacements():
            v, u = y + dy, x + dx
            if 0 <= v < 8 and 0 <= u < 8:
                difference = (a[y : y + 3, x : x + 3] - b[v : v + 3, u : u + 3]).square().sum()
                logits.append(-tau * difference - (dy * dy + dx * dx) / (2 * std**2))
                values.append(feat[0, :, v, u])
        wanted = torch.stack(logits).softmax(0) @ torch.stack(values)
        assert torch.allclose(got[0, :, y, x], wanted, atol=1e-5), (got[0, :, y, x], wanted)


def network(seed=1, **settings):
    """A network with the seed's weights, wherever it has the parts of a plain one; the others as they start."""
    torch.manual_seed(seed)
    plain = ManaLive(Settings(**SMALL, recurrent=True))
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    made = ManaLive(Settings(**SMALL, recurrent=True, **settings))
    made.load_state_dict(made.state_dict() | plain.state_dict())
    return made


def check_start():
    """Beside the same place, with the difference, with the last picture: a network starts as it was without; and all learn."""
    frames = torch.rand(2, 5, 3, 16, 24)
    plain = network()(frames, (1, 4))
    for match in (None, *(Matching(kind, both=True, rest=rest) for kind in ("hard", "soft") for rest in (False, True))):
        for feedback in (False, True):
            made = network(match=match, feedback=feedback)
            out = made(frames, (1, 4))
            assert torch.allclose(out, plain, atol=1e-6), (match, feedback)
            for name in ("moved", "rest", "told"):
                if hasattr(made, name):
                    torch.nn.init.normal_(getattr(made, name).weight, std=0.05)
            made(frames, (1, 4)).square().sum().backward()
            assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in made.parameters()), (match, feedback)
    for kind in ("hard", "soft"):
        assert not torch.allclose(network(match=Matching(kind))(frames, (1, 4)), plain, atol=1e-4)


def check_still():
    """On a picture that stands still, a match alone is the plain recurrence."""
    frames = torch.rand(1, 1, 3, 24, 24).expand(1, 5, 3, 24, 24)
    assert torch.allclose(network(match=Matching("hard"))(frames, (4,)), network()(frames, (4,)), atol=1e-6)


def check_settings():
    """Settings survive a file; wrong ones, and what cannot be exported, are refused with words."""
    made = Settings.of({**SMALL, "recurrent": True, "match": {"kind": "hard", "both": True}})
    assert made.match == Matching("hard", both=True) and Settings.of(SMALL).match is None
    for values, words in (
        ({"match": {"kind": "hard"}}, "recurrent"),
        ({"recurrent": True, "match": {"kind": "warm"}}, "hard or soft"),
        ({"recurrent": True, "match": {"kind": "hard", "size": 3}}, "size"),
        ({"recurrent": True, "match": {"kind": "hard", "patch": 4}}, "odd"),
    ):
        try:
            Settings.of(SMALL | values)
        except ValueError as error:
            assert words in str(error), error
        else:
            raise AssertionError(values)
    refused("no ONNX graph", lambda: encode_graph(network(match=Matching("hard"))))


def main():
    torch.set_num_threads(1)
    x = torch.arange(40).square()
    for count in (1, 3, 5, 7, 9, 11):
        for stride in (1, 3):
            wanted = [sum(int(x[i + stride * j]) for j in range(count)) for i in range(40 - (count - 1) * stride)]
            assert run_of(x, count, stride).tolist() == wanted
    for match in KINDS:
        check_shift(match)
    print(check_shift.__doc__)
    for check in (check_hard, check_soft, check_start, check_still, check_settings):
        check()
        print(check.__doc__)


if __name__ == "__main__":
    main()
