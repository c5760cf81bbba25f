"""Writes the folders that the package loads: <out>/<name>/{encode.onnx, fuse.onnx, golden.bin, manifest.json}.

    python3 -m training.export --weights DIR --out models [--name mana-nano-x2 ...]

The metrics of a checkpoint that was measured with training.evaluate are read from training/metrics.json.
"""

import argparse
import hashlib
import json
from pathlib import Path

from .cost import cost
from .golden import HEIGHT, WIDTH, golden_bytes
from .live_graph import encode_graph, fuse_graph
from .networks import BLOCK, HALO, POOL, WINDOW, load

NAMES = ("mana-live-x2", "mana-nano-x2")
HERE = Path(__file__).parent


def manifest(network, encode, fuse, files):
    """Everything the package reads about a network."""
    settings = network.settings
    c, d, centre = settings.channels, settings.dim, WINDOW // 2
    inputs = {"frame": {"plane": "frame", "slot": centre}, "feat": {"plane": "feat", "slot": centre}}
    for plane in ("key", "value"):
        inputs |= {f"{plane}{slot}": {"plane": plane, "slot": slot} for slot in range(WINDOW)}
    return {
        "format": 1,
        "name": settings.name,
        "family": "mana-live",
        "scale": settings.scale,
        "window": WINDOW,
        "align": BLOCK,
        # 3x3 convolutions in a row: `first` and two a residual block; two a residual block and `up`.
        "reach": {
            "encode": 1 + 2 * settings.encoder_blocks,
            "attend": HALO,
            "decode": 2 * settings.decoder_blocks + 1,
        },
        "planes": {
            "frame": {"channels": 3, "stride": 1},
            "feat": {"channels": c, "stride": 1},
            "key": {"channels": d, "stride": POOL},
            "value": {"channels": d, "stride": POOL},
        },
        "encode": {
            "file": "encode.onnx",
            "inputs": {"frame": "frame"},
            "outputs": {"feat": "feat", "key": "key", "value": "value"},
            **cost(encode),
        },
        "fuse": {"file": "fuse.onnx", "inputs": inputs, "output": "out", **cost(fuse)},
        "golden": {"file": "golden.bin", "width": WIDTH, "height": HEIGHT, "tolerance": 0.002},
        "settings": {
            "channels": c,
            "dim": d,
            "encoderBlocks": settings.encoder_blocks,
            "decoderBlocks": settings.decoder_blocks,
            "memory": settings.memory,
            "block": BLOCK,
            "halo": HALO,
            "pool": POOL,
        },
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "files": {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
        },
        "licence": "MIT",
        "trainingData": json.loads((HERE / "data.json").read_text()),
        "metrics": json.loads((HERE / "metrics.json").read_text()).get(settings.name, []),
    }


def export(weights, out, name):
    """Writes one model's folder; its README.md, the model card, is written by people."""
    network = load(weights, name)
    encode, fuse = encode_graph(network), fuse_graph(network)
    files = {
        "encode.onnx": encode.SerializeToString(),
        "fuse.onnx": fuse.SerializeToString(),
        "golden.bin": golden_bytes(network),
    }
    folder = Path(out) / name
    folder.mkdir(parents=True, exist_ok=True)
    for file, data in files.items():
        (folder / file).write_bytes(data)
    description = manifest(network, encode, fuse, files)
    (folder / "manifest.json").write_text(json.dumps(description, indent=2) + "\n")
    nodes = f"{len(encode.graph.node)} + {len(fuse.graph.node)} nodes"
    print(f"{name}: {nodes}, fuse peak {description['fuse']['peakBytesPerPixel']} bytes a pixel")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", required=True, help="folder of <name>.pt and <name>.json")
    parser.add_argument("--out", default="models", help="folder that gets one folder a model")
    parser.add_argument("--name", nargs="+", default=NAMES, help="checkpoints to export")
    arguments = parser.parse_args()
    for name in arguments.name:
        export(arguments.weights, arguments.out, name)


if __name__ == "__main__":
    main()
