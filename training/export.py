"""Writes the folders that the package loads: <out>/<name>/{encode.onnx, fuse.onnx, golden.bin, manifest.json}.

    python3 -m training.export --name mana-nano-x2 [...] [--runs training/runs] [--out models]

The metrics of a checkpoint that was measured with training.evaluate are read from training/metrics.json.
"""

import argparse
import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from .attention import POOL
from .card import card
from .cost import cost
from .golden import HEIGHT, WIDTH, golden_bytes
from .half import to_half
from .layers import BLOCK
from .live_graph import encode_graph, fuse_graph, inputs
from .networks import WINDOW, load

HALF_TOLERANCE = 0.008  # two levels of 255
NOT_TOLD = ("name", "scale", "match", "feedback")  # settings that stand elsewhere, and those that no graph has yet
HERE = Path(__file__).parent


def manifest(network, encode, fuse, files):
    """Everything the package reads about a network."""
    s = network.settings
    stored = {"feat": (s.channels, 1), "near": (s.near, 1), "key": (s.dim, POOL), "value": (s.value_dim, POOL)}
    stored = {name: spec for name, spec in stored.items() if spec[0]}
    past = {"past": {"plane": "feat", "age": 1}} if s.recurrent else {}
    return {
        "format": 1,
        "name": s.name,
        "family": "mana-live",
        "scale": s.scale,
        "window": WINDOW,
        "align": BLOCK,
        # 3x3 convolutions in a row: `first` (or `past`) and two a residual block; `wn`, two a residual block and `up`.
        "reach": {
            "encode": 1 + 2 * s.encoder_blocks,
            "attend": s.halo if s.dim else 0,
            "decode": 2 * s.decoder_blocks + 1 + (1 if s.near else 0),
        },
        "planes": {
            name: {"channels": channels, "stride": stride}
            for name, (channels, stride) in ({"frame": (3, 1)} | stored).items()
        },
        "encode": {
            "file": "encode.onnx",
            "inputs": {"frame": {"plane": "frame", "age": 0}} | past,
            "outputs": {name: name for name in stored},
            **cost(encode),
        },
        "fuse": {
            "file": "fuse.onnx",
            "inputs": {name: {"plane": plane, "slot": slot} for name, (plane, slot) in inputs(s).items()},
            "output": "out",
            **cost(fuse),
        },
        "half": {"encode": "encode.fp16.onnx", "fuse": "fuse.fp16.onnx", "tolerance": HALF_TOLERANCE},
        "golden": {"file": "golden.bin", "width": WIDTH, "height": HEIGHT, "tolerance": 0.002},
        "settings": {name: value for name, value in asdict(s).items() if name not in NOT_TOLD},
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "files": {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
        },
        "licence": "MIT",
        "trainingData": json.loads((HERE / "data.json").read_text()),
        "metrics": json.loads((HERE / "metrics.json").read_text()).get(s.name, []),
    }


def export(runs, out, name):
    """Writes one model's folder, its card included."""
    network = load(runs, name)
    encode, fuse = encode_graph(network), fuse_graph(network)
    files = {
        "encode.onnx": encode.SerializeToString(),
        "fuse.onnx": fuse.SerializeToString(),
        "encode.fp16.onnx": to_half(encode).SerializeToString(),
        "fuse.fp16.onnx": to_half(fuse).SerializeToString(),
        "golden.bin": golden_bytes(network),
    }
    folder = Path(out) / name
    folder.mkdir(parents=True, exist_ok=True)
    for file, data in files.items():
        (folder / file).write_bytes(data)
    description = manifest(network, encode, fuse, files)
    (folder / "manifest.json").write_text(json.dumps(description, indent=2) + "\n")
    (folder / "README.md").write_text(card(runs, description))
    nodes = f"{len(encode.graph.node)} + {len(fuse.graph.node)} nodes"
    print(f"{name}: {nodes}, fuse peak {description['fuse']['peakBytesPerPixel']} bytes a pixel")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", default="training/runs", help="folder of one run a model, as training.train writes it")
    parser.add_argument("--out", default="models", help="folder that gets one folder a model")
    parser.add_argument("--name", nargs="+", required=True, help="runs to export")
    arguments = parser.parse_args()
    for name in arguments.name:
        export(arguments.runs, arguments.out, name)


if __name__ == "__main__":
    main()
