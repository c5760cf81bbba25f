"""Checks of the published network: its ONNX graphs against PyTorch, and the reading of checkpoints.

    python3 -m training.test_mana
"""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from .export_mana import export
from .mana import Mana, ManaSettings, squared_distances
from .mana_checkpoint import DISTANCES, from_state, load, random_network, save
from .mana_graph import encode_graph, fuse_graph
from .networks import CENTRE, WINDOW
from .run_onnx import OnnxModel

FIXTURE = Path(__file__).parent.parent / "test/fixtures/mana-paper"
FULL = 14_317_508  # trainable parameters of the paper's network, as its authors' code builds it
SMALL = ManaSettings(channels=32, encoder_blocks=1, decoder_blocks=2, memory=64, tile=16)
TOLERANCE = 1e-5
NOTICED = 10 * TOLERANCE


def streamed(encode, fuse, frames, inputs):
    """frames [7, 3, s, s], each encoded once -> out [1, 3, 4s, 4s]; inputs as in a manifest's `fuse`."""
    planes = [{"frame": frame[None], **encode.run({"frame": frame[None]})} for frame in frames]
    return fuse.run({name: planes[at["slot"]][at["plane"]] for name, at in inputs.items()})["out"]


def folder_error(folder):
    """Largest difference between an exported model's golden and what its ONNX files answer."""
    manifest = json.loads((folder / "manifest.json").read_text())
    golden, scale = manifest["golden"], manifest["scale"]
    shape = (WINDOW, 3, golden["height"], golden["width"])
    data = (folder / golden["file"]).read_bytes()
    frames = torch.from_numpy(np.frombuffer(data, np.uint8, np.prod(shape)).reshape(shape).copy()).float() / 255
    expected = np.frombuffer(data, "<f4", offset=np.prod(shape)).reshape(1, 3, shape[2] * scale, shape[3] * scale)
    models = [OnnxModel(folder / manifest[part]["file"]) for part in ("encode", "fuse")]
    return np.abs(streamed(*models, frames, manifest["fuse"]["inputs"]).numpy() - expected).max()


def inputs_of(fuse):
    """{input: {"plane", "slot"}}, as the names of FUSE's inputs tell."""
    return {
        name: {"plane": name.rstrip("0123456"), "slot": int(name[-1]) if name[-1].isdigit() else CENTRE}
        for name in fuse.inputs
    }


def error(network, seed=0):
    """Largest difference between PyTorch and the graphs, on noise."""
    tile = network.settings.tile
    frames = torch.rand(WINDOW, 3, tile, tile, generator=torch.Generator().manual_seed(seed))
    encode, fuse = (OnnxModel(graph(network).SerializeToString()) for graph in (encode_graph, fuse_graph))
    with torch.no_grad():
        expected = network(frames[None])
    return (streamed(encode, fuse, frames, inputs_of(fuse)) - expected).abs().max().item()


def test_settings():
    """Graphs equal PyTorch for banks of several sizes, for none, and for other depths."""
    for memory in (None, 16, 512):
        found = error(random_network(replace(SMALL, memory=memory)))
        assert found < TOLERANCE, f"memory {memory}: {found:.1e}"
    found = error(random_network(replace(SMALL, channels=64, encoder_blocks=2, decoder_blocks=1)))
    assert found < TOLERANCE, f"64 channels: {found:.1e}"


def test_parts_matter():
    """No part of the random networks could be left out without being noticed."""
    frames = torch.rand(1, WINDOW, 3, SMALL.tile, SMALL.tile, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        whole = random_network(SMALL)(frames)
        for name in Mana(SMALL).state_dict():
            network = random_network(SMALL)
            network.state_dict()[name].mul_(0.5)
            change = (network(frames) - whole).abs().max().item()
            # The softmax forgets what is the same for all keys.
            assert (change > NOTICED) == (name != "nonloc_spatial.theta.bias"), f"{name} halved: {change:.1e}"
        for slot in range(WINDOW):
            other = frames.clone()
            other[:, slot] = other[:, slot].flip(-1)
            change = (random_network(SMALL)(other) - whole).abs().max().item()
            assert change > NOTICED, f"frame {slot} turned: {change:.1e}"


def test_size():
    assert sum(parameter.numel() for parameter in Mana().parameters()) == FULL


def test_fixture():
    """The committed fixture is what its ONNX files answer."""
    found = folder_error(FIXTURE)
    assert found < TOLERANCE, f"{found:.1e}"


def test_export():
    """A checkpoint on disk becomes a folder that answers its golden, with and without half-precision weights."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        save(folder / "checkpt.pt", random_network(SMALL))
        network = load(folder / "checkpt.pt")
        assert network.settings == SMALL
        for name in ("full", "half"):
            export(network if name == "full" else network.half().float(), folder / name, name, "MIT")
            found = folder_error(folder / name)
            assert found < TOLERANCE, f"{name}: {found:.1e}"
        sizes = [(folder / name / "fuse.onnx").stat().st_size for name in ("full", "half")]
        assert sizes[1] < 0.7 * sizes[0], sizes


def test_loader():
    """State dicts load wrapped or bare, with or without prefix, D and half precision; others are refused by name."""
    network = random_network(SMALL)
    state = network.state_dict()
    prefixed = {f"module.{name}": value for name, value in state.items()}
    distances = squared_distances(SMALL.tile)
    for checkpoint in (
        {**state, DISTANCES: distances},
        {**state, DISTANCES: distances.half()[None]},
        {"state_dict": {**prefixed, f"module.{DISTANCES}": distances}, "epoch": 3},
        {"model": {**prefixed, f"module.{DISTANCES}": torch.nn.Parameter(distances, requires_grad=False)}},
    ):
        loaded = from_state(checkpoint)
        assert loaded.settings == SMALL
        assert all(torch.equal(value, state[name]) for name, value in loaded.state_dict().items())
    assert from_state(state).settings == replace(SMALL, tile=64)
    without = {name: value for name, value in state.items() if not name.endswith(("mb", "W_z1.weight", "W_z1.bias"))}
    assert from_state({**without, DISTANCES: distances}).settings == replace(SMALL, memory=None)

    lacking = {name: value for name, value in state.items() if name != "decoder.1.conv2.bias"}
    refused({**lacking, "extra.weight": distances}, "lacks decoder.1.conv2.bias", "extra.weight")
    refused({**state, "upconv1.weight": torch.zeros(4, 32, 3, 3)}, "upconv1.weight [4, 32, 3, 3], not [128, 32, 3, 3]")
    refused({**state, DISTANCES: distances + 1}, DISTANCES, "squared pixel distances")
    refused({"weights": distances, "bias": distances}, "lacks conv_first.weight", "weights, bias")
    refused({"optimizer": {}}, "no state dict", "state_dict or model")


def refused(checkpoint, *words):
    """Asserts that a checkpoint is refused with an error that holds the words."""
    try:
        from_state(checkpoint)
    except ValueError as problem:
        assert all(word in str(problem) for word in words), problem
    else:
        raise AssertionError(f"A checkpoint was not refused: {words}")


def main():
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print(f"{name[5:]}: ok")


if __name__ == "__main__":
    main()
