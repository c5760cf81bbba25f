"""Checks the networks, their graphs and their half-precision forms against each other, on random weights of every shape.

    python3 -m training.test_networks [--runs training/runs --models models]

And that every exported model whose run is there is the network of its run.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from .data import bicubic
from .golden import HEIGHT, WIDTH, golden_frames
from .half import to_half
from .live_graph import encode_graph, fuse_graph, inputs
from .networks import WINDOW, ManaLive, Settings, load, window
from .run_onnx import OnnxModel
from .train import moved_blocks

TOLERANCE, HALF_TOLERANCE = 1e-5, 8e-3
MOVING, STILL, SETTLED = 12, 30, 12  # frames of the page at rest; after SETTLED of them tiles are kept
SMALL = dict(channels=8, encoder_blocks=1, decoder_blocks=1)
SHAPES = {
    "single frame": dict(scale=2),
    "x4": dict(scale=4, near=4),
    "recurrent": dict(scale=2, recurrent=True, near=4, near_frames=(4, 5, 6)),
    "attention": dict(scale=2, dim=8, value_dim=12, memory=16),
    "a query a pixel": dict(scale=2, dim=8, value_dim=8, query_pool=1),
    "no halo": dict(scale=2, dim=8, value_dim=8, halo=0),
    "wide halo, one neighbour": dict(scale=2, dim=8, value_dim=8, halo=8, attend_frames=(4,)),
    "everything": dict(scale=4, recurrent=True, near=4, dim=8, value_dim=8, memory=32),
}


def run_graphs(settings, encode, fuse, frames):
    """What the graphs make of a stream's first seven frames [7, 3, h, w]: [3, h*scale, w*scale]."""
    slots, past = [], torch.zeros(1, settings.channels, *frames.shape[2:])
    for frame in frames:
        given = {"frame": frame[None]} | ({"past": past} if settings.recurrent else {})
        planes = {"frame": frame[None]} | encode.run(given)
        past = planes["feat"]
        slots.append(planes)
    return fuse.run({name: slots[slot][plane] for name, (plane, slot) in inputs(settings).items()})["out"][0]


def check_shape(name, settings):
    torch.manual_seed(1)
    network = ManaLive(Settings(name, **SMALL, **settings)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
        frames = torch.from_numpy(golden_frames()).float() / 255
        expected = network(frames[None])[0, 0]
    worst = []
    for form in (lambda model: model, to_half):
        graphs = [OnnxModel(form(graph(network)).SerializeToString()) for graph in (encode_graph, fuse_graph)]
        worst.append(float((run_graphs(network.settings, *graphs, frames) - expected).abs().max()))
    print(f"{name}: fp32 {worst[0]:.1e}, fp16 {worst[1]:.1e}")
    assert worst[0] < TOLERANCE and worst[1] < HALF_TOLERANCE, name


def check_window():
    """Which frames outputs are fused from, at both ends of a stream and with a short lookahead."""
    rows = window(torch.tensor([0, 4, 8]), 9, 3).tolist()
    assert rows == [[0, 0, 0, 0, 1, 2, 3], [1, 2, 3, 4, 5, 6, 7], [5, 6, 7, 8, 8, 8, 8]], rows
    assert window(torch.tensor([4]), 9, 1).tolist() == [[1, 2, 3, 4, 5, 5, 5]]


def check_moved_blocks():
    """A network that starts from another, its encoder longer, goes on from the same pictures."""
    torch.manual_seed(3)
    short, long = (
        ManaLive(Settings("any", 2, 8, encoder_blocks=e, decoder_blocks=d, recurrent=e > 1)) for e, d in ((1, 3), (3, 1))
    )
    with torch.no_grad():
        for parameter in short.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
        long.load_state_dict(long.state_dict() | moved_blocks(short.state_dict(), 3))
        frames = torch.rand(1, 4, 3, 16, 16)
        assert torch.allclose(short(frames), long(frames), atol=1e-6)


def check_stream(runs, name):
    """Outputs in the middle of a stream do not depend on how much of it is computed at once."""
    network = load(runs, name)
    torch.manual_seed(2)
    frames = torch.rand(1, 10, 3, 16, 24)
    with torch.no_grad():
        both, one = network(frames, (4, 6)), network(frames[:, :8], (4,))
    assert torch.allclose(both[:, :1], one, atol=1e-6), name


def page_of_text(scale, back, step, colours):
    """A page of 160x96 times `scale`: random lines on the colour `back`, `step` rows apart, in random `colours`."""
    page = Image.new("RGB", (160 * scale, 96 * scale), back)
    draw, rng = ImageDraw.Draw(page), np.random.default_rng(5)
    for y in range(2, page.height, step):
        line = "".join(map(chr, rng.integers(33, 127, page.width // 6)))
        draw.text((3, y), line, fill=tuple(rng.integers(*colours, 3).tolist()))
    return np.asarray(page)


def check_rest(runs, name):
    """A page of text that scrolls and then stands still comes to rest: what the encoder remembers must not swing."""
    network = load(runs, name)
    scale = network.settings.scale
    moves = [-2 * step for step in range(MOVING, 0, -1)] + [0] * STILL
    for page in [(250, 250, 250), 12, (0, 120)], [(0, 0, 255), 11, (200, 256)]:
        low = bicubic(page_of_text(scale, *page)[None], scale)[0]
        frames = torch.from_numpy(np.stack([np.roll(low, move, 0) for move in moves])).permute(0, 3, 1, 2) / 255
        with torch.no_grad():
            out = network(frames[None], range(MOVING + SETTLED, len(moves)))[0].clamp(0, 1) * 255
        change = float((out[1:] - out[:-1]).abs().max())
        print(f"{name}: at rest, {change:.2f} levels from frame to frame")
        assert change < 0.5, name


def check_model(runs, models, name):
    """The files of an exported model against its checkpoint."""
    network, folder = load(runs, name), Path(models) / name
    described = json.loads((folder / "manifest.json").read_text())
    frames = torch.from_numpy(golden_frames()).float() / 255
    with torch.no_grad():
        expected = network(frames[None])[0, 0].numpy()
    golden = np.frombuffer((folder / "golden.bin").read_bytes()[WINDOW * 3 * HEIGHT * WIDTH :], "<f4")
    errors = {"golden": float(np.abs(golden.reshape(expected.shape) - expected).max())}
    forms = {"fp32": (described["encode"]["file"], described["fuse"]["file"])}
    if half := described.get("half"):
        forms["fp16"] = (half["encode"], half["fuse"])
    for form, files in forms.items():
        out = run_graphs(network.settings, *[OnnxModel(folder / file) for file in files], frames)
        errors[form] = float(np.abs(out.numpy() - expected).max())
    print(f"{name}:", ", ".join(f"{what} {error:.1e}" for what, error in errors.items()))
    assert errors["golden"] < TOLERANCE and errors["fp32"] < TOLERANCE, name
    assert errors.get("fp16", 0) < HALF_TOLERANCE, name


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", default="training/runs", help="folder of runs, named as their models")
    parser.add_argument("--models", default="models", help="folder of exported models")
    given = parser.parse_args()
    check_window()
    check_moved_blocks()
    for name, settings in SHAPES.items():
        check_shape(name, settings)
    models = [manifest.parent.name for manifest in sorted(Path(given.models).glob("*/manifest.json"))]
    trained = [name for name in models if (Path(given.runs) / name).is_dir()]
    assert trained, f"No model of {given.models} has its run in {given.runs}."
    for name in trained:
        check_stream(given.runs, name)
        check_rest(given.runs, name)
        check_model(given.runs, given.models, name)


if __name__ == "__main__":
    main()
