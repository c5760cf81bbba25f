"""Exports a checkpoint of the published network: <out>/{encode.onnx, fuse.onnx, golden.bin, manifest.json}.

    python3 -m training.export_mana --checkpoint checkpt.pt --out models/mana-x4 [--name mana-x4] [--half]
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional as F

from .cost import SIDE, cost
from .golden import golden_frames
from .mana import SCALE
from .mana_checkpoint import load
from .mana_graph import encode_graph, fuse_graph
from .networks import CENTRE, WINDOW

OVERLAP = 16  # low-resolution pixels that neighbouring tiles share, where their outputs are blended
TOLERANCE = 0.002  # of the golden tile, in 0..1


def manifest(network, name, encode, fuse, files, licence):
    """Everything the package reads about a network."""
    settings = network.settings
    inputs = {plane: {"plane": plane, "slot": CENTRE} for plane in ("frame", "feat", "query")}
    for plane in ("key", "value"):
        inputs |= {f"{plane}{slot}": {"plane": plane, "slot": slot} for slot in range(WINDOW)}
    planes = {"frame": 3, "feat": settings.channels} | dict.fromkeys(("query", "key", "value"), settings.dim)
    return {
        "format": 1,
        "name": name,
        "family": "mana",
        "scale": SCALE,
        "window": WINDOW,
        # Pixels of a tile depend on the whole tile, so that reach says nothing: tiles have one size, and overlap.
        "align": OVERLAP,
        "tile": {"size": settings.tile, "overlap": OVERLAP},
        "reach": {"encode": 0, "attend": 0, "decode": 0},
        "planes": {plane: {"channels": channels, "stride": 1} for plane, channels in planes.items()},
        "encode": {
            "file": "encode.onnx",
            "inputs": {"frame": {"plane": "frame", "age": 0}},
            "outputs": {plane: plane for plane in planes if plane != "frame"},
            **per_pixel(encode, settings.tile),
        },
        "fuse": {"file": "fuse.onnx", "inputs": inputs, "output": "out", **per_pixel(fuse, settings.tile)},
        "golden": {"file": "golden.bin", "width": settings.tile, "height": settings.tile, "tolerance": TOLERANCE},
        "settings": {
            "channels": settings.channels,
            "encoderBlocks": settings.encoder_blocks,
            "decoderBlocks": settings.decoder_blocks,
            "memory": settings.memory,
        },
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "files": {
            file: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for file, data in files.items()
        },
        "licence": licence,
        "metrics": [],
    }


def per_pixel(graph, tile):
    """cost() of a graph whose picture is one tile."""
    return {name: round(value * SIDE**2 / tile**2) for name, value in cost(graph).items()}


def golden_bytes(network):
    """Seven u8 frames [7, 3, s, s], then the network's output for them, float32 LE [3, 4s, 4s]."""
    tile = network.settings.tile
    small = torch.from_numpy(golden_frames()).float()
    frames = F.interpolate(small, size=(tile, tile), mode="bilinear", align_corners=False).round().byte()
    with torch.no_grad():
        out = network(frames.float()[None] / 255)[0]
    return frames.numpy().tobytes() + out.numpy().astype("<f4").tobytes()


def halves(model):
    """A copy that stores the weights which half precision holds exactly as halves.

    Each is followed by a Cast, which runtimes fold away when they load the file.
    """
    stored = type(model)()
    stored.CopyFrom(model)
    graph = stored.graph
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        short = values.astype(np.float16)
        if values.dtype == np.float32 and values.size >= 1024 and np.array_equal(short, values):
            name = weight.name
            weight.CopyFrom(numpy_helper.from_array(short, f"{name}.half"))
            graph.node.insert(0, helper.make_node("Cast", [weight.name], [name], name=name, to=TensorProto.FLOAT))
    return stored


def export(network, out, name, licence):
    """Writes one model's folder; its README.md, the model card, is written by people."""
    encode, fuse = encode_graph(network), fuse_graph(network)
    files = {
        "encode.onnx": halves(encode).SerializeToString(),
        "fuse.onnx": halves(fuse).SerializeToString(),
        "golden.bin": golden_bytes(network),
    }
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for file, data in files.items():
        (folder / file).write_bytes(data)
    description = manifest(network, name, encode, fuse, files, licence)
    (folder / "manifest.json").write_text(json.dumps(description, indent=2) + "\n")
    print(
        f"{name}: {description['parameters']:,} parameters, {sum(map(len, files.values())) / 2**20:.1f} MiB, "
        f"{description['encode']['macsPerPixel']:,} + {description['fuse']['macsPerPixel']:,} multiply-adds a pixel"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", required=True, help="a state dict as the authors' training code saves it")
    parser.add_argument("--out", required=True, help="the model's folder")
    parser.add_argument("--name", help="the model's name; default: that of the folder")
    parser.add_argument("--half", action="store_true", help="round the weights to half precision: half the download")
    parser.add_argument("--licence", default="unknown", help="of the weights, for the manifest")
    arguments = parser.parse_args()
    network = load(arguments.checkpoint)
    if arguments.half:
        network = network.half().float()
    export(network, arguments.out, arguments.name or Path(arguments.out).name, arguments.licence)


if __name__ == "__main__":
    main()
