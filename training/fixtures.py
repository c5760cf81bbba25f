"""Writes the test fixtures that come from the checkpoints' own goldens, as raw float32 that any language reads.

    python3 -m training.fixtures --weights DIR --out test/fixtures/golden
"""

import argparse
import json
from pathlib import Path

import numpy as np

from .export import NAMES


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", required=True, help="folder of <name>.golden.npz")
    parser.add_argument("--out", default="test/fixtures/golden", help="folder that gets one folder a model")
    arguments = parser.parse_args()
    for name in NAMES:
        golden = np.load(Path(arguments.weights) / f"{name}.golden.npz")
        folder = Path(arguments.out) / name
        folder.mkdir(parents=True, exist_ok=True)
        index = {}
        for tensor in ("input", "output"):  # [1, 7, 3, h, w] and [1, 3, h*scale, w*scale], RGB in 0..1
            golden[tensor].astype("<f4").tofile(folder / f"{tensor}.f32")
            index[tensor] = {"file": f"{tensor}.f32", "type": "float32", "shape": golden[tensor].shape}
        (folder / "index.json").write_text(json.dumps(index, indent=2) + "\n")


if __name__ == "__main__":
    main()
