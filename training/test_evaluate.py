"""Checks what evaluation is made of: figures with known answers, and exported models against PyTorch.

    python3 -m training.test_evaluate [--models models] [--write]

--write makes test/fixtures/evaluate anew: a short pan as PNG frames, and its figures, which the TypeScript tests read.
"""

import argparse
import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from .data import bicubic
from .datasets import frames
from .export import manifest
from .exported import Exported, Spans
from .metrics import C1, C2, MOST_DB, TAPS, Meter, ssim
from .live_graph import encode_graph, fuse_graph
from .measure import panned
from .networks import ManaLive, Settings, save
from .trained import Trained

FIXTURE = Path(__file__).parent.parent / "test" / "fixtures" / "evaluate"
MODELS = Path(__file__).parent.parent / "models"
SIZE, COUNT = (64, 48), 8
LOOKAHEADS = (0, 3)
RESIZED = ((32, 24), (16, 12), (21, 17), (100, 75))  # sizes that the first frame is resized to
NETWORKS = (
    {},
    {"recurrent": True, "near": 4},
    {"dim": 8, "value_dim": 8, "memory": 64, "query_pool": 1},
    {"scale": 4, "recurrent": True, "near": 2, "near_frames": (1,), "dim": 8, "value_dim": 4, "attend_frames": (2, 3)},
)


def check_metrics():
    grey = np.full((40, 48, 3), 100, np.uint8)
    meter = Meter()
    for number, level in enumerate((110, 90, 110)):
        meter.add(number, grey, np.full_like(grey, level))
    figures = meter.figures()
    step = 10 * 219 / 255  # of Y, for 10 levels of grey
    close(figures["psnrY"], 20 * np.log10(255 / step))
    close(figures["psnrRgb"], 20 * np.log10(25.5))
    close(figures["flicker"], 2 * step)
    close(figures["ssimRgb"], np.mean([(200 * x + C1) / (100**2 + x * x + C1) for x in (110, 90, 110)]))
    # Flat pictures: only their means count.
    a, b, c = 16 + 10 * step, 16 + 11 * step, 16 + 9 * step
    close(figures["ssimY"], np.mean([(2 * a * x + C1) / (a * a + x * x + C1) for x in (b, c, b)]))

    meter = Meter()
    edge = grey.copy()
    edge[:8], edge[-8:], edge[:, :8], edge[:, -8:] = 255, 0, 255, 0
    meter.add(0, grey, edge)
    meter.add(2, grey, edge)
    best = {"psnrY": MOST_DB, "ssimY": 1.0, "psnrRgb": MOST_DB, "ssimRgb": 1.0}  # no flicker: the frames do not follow each other
    assert meter.figures() == best, "The border counts, or frames that do not follow each other flicker."

    rng = np.random.default_rng(1)
    x, y = rng.uniform(0, 255, (2, 11, 11))
    weights = np.outer(TAPS, TAPS).ravel()
    (xx, xy), (_, yy) = np.cov(x.ravel(), y.ravel(), aweights=weights, ddof=0)
    mx, my = np.average(x.ravel(), weights=weights), np.average(y.ravel(), weights=weights)
    close(ssim(x, y), (2 * mx * my + C1) * (2 * xy + C2) / ((mx**2 + my**2 + C1) * (xx + yy + C2)))


def pan_figures():
    """What is stored beside the fixture's frames."""
    truth = frames(FIXTURE / "pan", COUNT)
    resized = {}
    for size in RESIZED:
        picture = np.asarray(Image.fromarray(truth[0]).resize(size, Image.Resampling.BICUBIC))
        resized[f"{size[0]}x{size[1]}"] = hashlib.sha256(picture.tobytes()).hexdigest()
    figures = {}
    for scale in (2, 4):
        meter = Meter()
        for number in range(3, COUNT - 3):
            small = Image.fromarray(bicubic(truth[number : number + 1], scale)[0])
            meter.add(number, truth[number], np.asarray(small.resize(SIZE, Image.Resampling.BICUBIC)))
        figures[f"x{scale}"] = meter.figures()
    return {"resized": resized, "bicubic": figures, "network": network_figures(truth)}


def network_figures(truth):
    """{lookahead: figures} of a shipped model, by the ONNX files."""
    meters = {lookahead: Meter() for lookahead in LOOKAHEADS}
    centres = range(3, COUNT - 3)
    for centre, pictures in Exported(MODELS / "mana-nano-x2").upscale(bicubic(truth, 2), centres, LOOKAHEADS):
        for lookahead, picture in pictures.items():
            meters[lookahead].add(centre, truth[centre], picture)
    return {str(lookahead): meter.figures() for lookahead, meter in meters.items()}


def check_fixture():
    known, now = json.loads((FIXTURE / "figures.json").read_text()), pan_figures()
    assert known["resized"] == now["resized"], "Pillow resizes otherwise than when the fixture was made."
    for part in ("bicubic", "network"):
        for key, figures in known[part].items():
            for measure, value in figures.items():
                close(now[part][key][measure], value)


def write_fixture():
    photo = Image.open(FIXTURE.parent / "picture.jpg").convert("RGB")
    (FIXTURE / "pan").mkdir(parents=True, exist_ok=True)
    for i in range(COUNT):
        x, y = 300 + 3 * i, 240 + 2 * i
        photo.crop((x, y, x + SIZE[0], y + SIZE[1])).save(FIXTURE / "pan" / f"{i:03}.png", optimize=True)
    (FIXTURE / "figures.json").write_text(json.dumps(pan_figures(), indent=2) + "\n")


def check_golden(folder):
    """A model's answer to its golden window."""
    model = Exported(folder)
    golden = model.manifest["golden"]
    height, width, window = golden["height"], golden["width"], model.window
    data = (Path(folder) / golden["file"]).read_bytes()
    count = window * 3 * height * width
    seen = np.frombuffer(data, np.uint8, count).reshape(window, 3, height, width).transpose(0, 2, 3, 1)
    wanted = np.frombuffer(data, "<f4", offset=count).reshape(3, height * model.scale, width * model.scale)
    (out,) = model.stream(seen, [model.reach], [model.reach])
    return np.abs(out[model.reach].transpose(2, 0, 1) - wanted).max()


def check_stream(settings):
    """An exported network against PyTorch, for every frame of a short stream and every lookahead."""
    torch.manual_seed(1)
    settings = {"scale": 2} | settings
    network = ManaLive(Settings(name="test", channels=16, encoder_blocks=1, decoder_blocks=1, **settings)).eval()
    for parameter in network.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    with tempfile.TemporaryDirectory() as folder:
        encode, fuse = encode_graph(network), fuse_graph(network)
        for part, graph in (("encode", encode), ("fuse", fuse)):
            (Path(folder) / f"{part}.onnx").write_bytes(graph.SerializeToString())
        (Path(folder) / "manifest.json").write_text(json.dumps(manifest(network, encode, fuse, {})))
        model = Exported(folder)
    stream = np.random.default_rng(1).integers(0, 256, (10, 16, 24, 3), dtype=np.uint8)
    tensor = torch.from_numpy(stream).permute(0, 3, 1, 2)[None].float() / 255
    outs = list(model.stream(stream, range(len(stream)), range(4)))
    worst = 0.0
    for lookahead in range(4):
        with torch.no_grad():
            wanted = network(tensor, range(len(stream)), lookahead)[0].permute(0, 2, 3, 1).numpy()
        worst = max(worst, np.abs(np.stack([out[lookahead] for out in outs]) - wanted).max())
    assert worst < 1e-4, f"{settings}: the exported stream is {worst:.1e} away from PyTorch's."
    return worst


def check_trained(settings):
    """A run's checkpoint gives the pictures that its exported model gives, whatever the size."""
    torch.manual_seed(1)
    network = ManaLive(Settings(**dict(scale=2) | settings, name="test", channels=16, encoder_blocks=1, decoder_blocks=1))
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        (Path(folder) / "test").mkdir()
        save(Path(folder) / "test" / "test", network)
        trained = Trained(Path(folder) / "test")
    stream = np.random.default_rng(1).integers(0, 256, (6, 20, 28, 3), dtype=np.uint8)
    outs = dict(trained.upscale(stream, (2, 4), (0, 3)))
    padded = np.pad(stream, [(0, 0), (0, 4), (0, 4), (0, 0)], "edge")
    tensor = torch.from_numpy(padded).permute(0, 3, 1, 2)[None].float() / 255
    for lookahead in (0, 3):
        with torch.no_grad():
            wanted = network(tensor, (2, 4), lookahead)[0].permute(0, 2, 3, 1).clamp(0, 1).numpy() * 255
        got = np.stack([outs[centre][lookahead] for centre in (2, 4)])
        height, width = (side * trained.scale for side in stream.shape[1:3])
        assert got.shape == (2, height, width, 3) and np.abs(got - wanted[:, :height, :width]).max() < 0.51


def check_panned():
    """A window that pans over a still sees it move; at all speeds it has the size that the fastest leaves."""
    still = np.random.default_rng(1).integers(0, 256, (1, 200, 300, 3), dtype=np.uint8).repeat(8, 0)
    for pan in (0, 2, 5):
        clip = panned(still, pan, 5)
        assert clip.shape == (8, 160, 256, 3)
        for t in range(8):
            y, x = pan * t // 2, pan * t
            assert np.array_equal(clip[t], still[0, y : y + 160, x : x + 256])


def check_spans():
    """Tiles cover a side, and their weights sum to one everywhere."""
    for side in (1, 64, 65, 100, 112, 113, 400):
        spans = Spans(side, {"size": 64, "overlap": 16}, 64)
        total = np.zeros(spans.end * 4)
        for start in spans.starts:
            total[start * 4 : (start + 64) * 4] += spans.weight(start, 4)
        assert side <= spans.end < side + 64 and np.allclose(total, 1), f"A side of {side} is not covered evenly."
    assert Spans(101, None, 8).end == 104


def close(value, wanted):
    assert abs(value - wanted) < 1e-6, f"{value} should be {wanted}."


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="models", help="folder of exported models")
    parser.add_argument("--write", action="store_true", help="make the fixture anew")
    given = parser.parse_args()
    if given.write:
        write_fixture()
    check_metrics()
    check_fixture()
    check_spans()
    check_panned()
    for settings in NETWORKS:
        check_trained(settings)
        print(f"{settings}: max error {check_stream(settings):.1e}")
    for path in sorted(Path(given.models).glob("*/manifest.json")):
        error = check_golden(path.parent)
        assert error < 1e-3, f"{path.parent} is {error:.1e} away from its golden answer."
        print(f"{path.parent}: max error {error:.1e}")


if __name__ == "__main__":
    main()
