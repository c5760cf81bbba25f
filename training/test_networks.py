"""Checks the PyTorch networks against the outputs stored beside their checkpoints.

    python3 -m training.test_networks --weights DIR
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from .networks import load, squared_distances

TOLERANCE = 1e-5


def check(weights, name):
    """Largest difference from <name>.golden.npz; raises where it passes the tolerance."""
    network = load(weights, name)
    assert torch.allclose(network.attn.D, squared_distances()), f"{name}: the checkpoint's D has another layout."
    golden = np.load(Path(weights) / f"{name}.golden.npz")
    with torch.no_grad():
        out = network(torch.from_numpy(golden["input"]))
    error = np.abs(out.numpy() - golden["output"]).max()
    assert error < TOLERANCE, f"{name}: {error:.2e} away from its golden output."
    return error


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", required=True, help="folder of <name>.pt, <name>.json and <name>.golden.npz")
    weights = Path(parser.parse_args().weights)
    for golden in sorted(weights.glob("*.golden.npz")):
        name = golden.name.replace(".golden.npz", "")
        print(f"{name}: max error {check(weights, name):.1e}")


if __name__ == "__main__":
    main()
