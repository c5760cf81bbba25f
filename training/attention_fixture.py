"""Writes the test models with attention: a few thousand random weights each, and PyTorch's answer to the golden window.

    python3 -m training.attention_fixture --out test/fixtures

No exported model attends; these two show each part of what the engines must do where one does.
"""

import argparse
import hashlib
import json
from pathlib import Path

import onnx.utils
import torch

from .export import manifest
from .golden import golden_bytes
from .live_graph import encode_graph, fuse_graph
from .networks import ManaLive, Settings

SMALL = dict(scale=2, channels=16, encoder_blocks=1, decoder_blocks=1)
# A query for 2x2 pixels, all frames and a memory; and a query a pixel, some frames, neighbours' planes beside them,
# widths that are no multiples of four.
MODELS = [
    Settings("attention-tiny", **SMALL, dim=8, value_dim=8, query_pool=2, halo=4, memory=16),
    Settings(
        "attention-pixel-tiny", **SMALL, near=4, near_frames=(2, 4), dim=6, value_dim=10, attend_frames=(1, 3, 4, 6),
        query_pool=1, halo=8,
    ),
]  # fmt: skip

# Whose attention is cut out besides, to be measured alone.
ALONE = MODELS[0]


def random_network(settings):
    """A network that attends to something: nothing silent, frames told apart by their temperatures and widths."""
    torch.manual_seed(7)
    network = ManaLive(settings).eval()
    attention, frames = network.attn, len(settings.attend_frames)
    with torch.no_grad():
        for layer in (attention.wz, *([attention.wm] if settings.memory else [])):
            layer.weight.normal_(std=0.2)
            layer.bias.normal_(std=0.1)
        # Queries that answer to what is there more than to their bias.
        for layer in (attention.q, attention.k, attention.v):
            layer.weight.mul_(4)
        attention.tau.copy_(8 + torch.arange(frames))
        attention.std.copy_(1.4 + 0.25 * torch.arange(frames))
        if settings.memory:
            attention.mb.mul_(2)
        for block in [*network.enc, *network.dec]:
            block.b.weight.normal_(std=0.05)
        if settings.near:
            network.wn.weight.normal_(std=0.05)
    return network


def write(folder, settings):
    network = random_network(settings)
    encode, fuse = encode_graph(network), fuse_graph(network)
    files = {
        "encode.onnx": encode.SerializeToString(),
        "fuse.onnx": fuse.SerializeToString(),
        "golden.bin": golden_bytes(network),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for file, data in files.items():
        (folder / file).write_bytes(data)
    description = manifest(network, encode, fuse, files)
    for missing in ("half", "trainingData", "metrics"):
        del description[missing]
    (folder / "manifest.json").write_text(json.dumps(description, indent=2) + "\n")
    if settings is ALONE:
        inputs = [port.name for port in fuse.graph.input if port.name != "frame"]
        onnx.utils.extract_model(str(folder / "fuse.onnx"), str(folder / "attention.onnx"), inputs, ["z"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="test/fixtures", help="folder that gets a folder a model")
    out = Path(parser.parse_args().out)
    for settings in MODELS:
        write(out / settings.name, settings)


if __name__ == "__main__":
    main()
