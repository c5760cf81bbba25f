"""Writes the test model of a recurrent encoder: a few thousand random weights, the parts of mana-live that matter to
the engines, and PyTorch's answer to the golden window.

    python3 -m training.recurrent_fixture --out test/fixtures/recurrent-tiny
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import torch

from .cost import cost
from .golden import HEIGHT, WIDTH, golden_bytes
from .graph import Graph
from .layers import BLOCK
from .networks import CENTRE, WINDOW, ManaLive, Settings

# Neighbours give planes of some slots only, and there is no attention: what a manifest may leave out.
SETTINGS = Settings(
    name="recurrent-tiny", scale=2, channels=8, encoder_blocks=1, decoder_blocks=1, recurrent=True, near=4,
    near_frames=(0, 2, 4, 6),
)  # fmt: skip


def conv(g, state, name, x, label=None):
    return g.conv(x, name, state[f"{name}.weight"].numpy(), state[f"{name}.bias"].numpy(), label=label)


def residual(g, state, name, x, label):
    return g.op("Add", x, conv(g, state, f"{name}.b", g.op("Relu", conv(g, state, f"{name}.a", x))), label=label)


def encode_graph(state):
    """frame [B, 3, h, w], past [B, C, h, w] -> feat [B, C, h, w], near [B, E, h, w]."""
    g = Graph("encode")
    picture = ["batch", SETTINGS.channels, "height", "width"]
    frame, past = g.input("frame", ["batch", 3, "height", "width"]), g.input("past", picture)
    x = g.op("Add", conv(g, state, "first", frame), conv(g, state, "past", past, label="remembered"))
    x = g.op("LeakyRelu", x, alpha=0.1)
    conv(g, state, "near", residual(g, state, "enc.0", x, "feat"))
    g.output("feat", picture)
    g.output("near", ["batch", SETTINGS.near, "height", "width"])
    return g.model()


def fuse_graph(state):
    """The centre's frame and feat, near of some slots -> out [B, 3, h*scale, w*scale]."""
    scale = SETTINGS.scale
    g = Graph("fuse")
    frame = g.input("frame", ["batch", 3, "height", "width"])
    feat = g.input("feat", ["batch", SETTINGS.channels, "height", "width"])
    near = [g.input(f"near{t}", ["batch", SETTINGS.near, "height", "width"]) for t in SETTINGS.near_frames]
    z = g.op("Add", feat, conv(g, state, "wn", g.op("Concat", *near, axis=1)))
    z = residual(g, state, "dec.0", z, "decoded")
    detail = g.op("DepthToSpace", conv(g, state, "up", z), blocksize=scale, mode="CRD")
    scales = g.weight("scales", np.array([1, 1, scale, scale], np.float32))
    half_pixel = dict(mode="linear", coordinate_transformation_mode="half_pixel")
    g.op("Add", g.op("Resize", frame, "", scales, label="base", **half_pixel), detail, label="out")
    g.output("out", ["batch", 3, "height_out", "width_out"])
    return g.model()


def manifest(network, encode, fuse, files):
    centre = {name: {"plane": name, "slot": CENTRE} for name in ("frame", "feat")}
    return {
        "format": 1,
        "name": SETTINGS.name,
        "family": "mana-live",
        "scale": SETTINGS.scale,
        "window": WINDOW,
        "align": BLOCK,
        "reach": {"encode": 1 + 2 * SETTINGS.encoder_blocks, "attend": 1, "decode": 1 + 2 * SETTINGS.decoder_blocks},
        "planes": {
            "frame": {"channels": 3, "stride": 1},
            "feat": {"channels": SETTINGS.channels, "stride": 1},
            "near": {"channels": SETTINGS.near, "stride": 1},
        },
        "encode": {
            "file": "encode.onnx",
            "inputs": {"frame": {"plane": "frame", "age": 0}, "past": {"plane": "feat", "age": 1}},
            "outputs": {"feat": "feat", "near": "near"},
            **cost(encode),
        },
        "fuse": {
            "file": "fuse.onnx",
            "inputs": centre | {f"near{t}": {"plane": "near", "slot": t} for t in SETTINGS.near_frames},
            "output": "out",
            **cost(fuse),
        },
        "golden": {"file": "golden.bin", "width": WIDTH, "height": HEIGHT, "tolerance": 0.0001},
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "files": {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
        },
        "licence": "MIT",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="test/fixtures/recurrent-tiny", help="folder of the model")
    folder = Path(parser.parse_args().out)
    torch.manual_seed(1)
    network = ManaLive(SETTINGS).eval()
    encode, fuse = encode_graph(network.state_dict()), fuse_graph(network.state_dict())
    files = {
        "encode.onnx": encode.SerializeToString(),
        "fuse.onnx": fuse.SerializeToString(),
        "golden.bin": golden_bytes(network),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for file, data in files.items():
        (folder / file).write_bytes(data)
    (folder / "manifest.json").write_text(json.dumps(manifest(network, encode, fuse, files), indent=2) + "\n")


if __name__ == "__main__":
    main()
