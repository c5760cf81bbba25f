"""Reads the checkpoints that the authors' training code saves, and writes such a one with random weights.

    python3 -m training.mana_checkpoint --out random.pt [--channels 128 ...]

No weights were published. The random ones serve to try the export and to measure what the network costs.
"""

import argparse
import pickle
import re
from math import isqrt

import torch
from torch import nn

from .mana import Mana, ManaSettings, squared_distances

WRAPPERS = ("state_dict", "model")  # keys under which checkpoints keep the state dict among other things
PREFIX = "module."  # what DataParallel puts before every name
DISTANCES = "nonloc_spatial.D"  # saved with the weights, but always the same


def load(path):
    """The network of a checkpoint, in evaluation mode; its settings are read from the shapes of its weights.

    Raises ValueError where the file holds something else, with the names of what is missing or too much.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        told = f"{path} is not a file of tensors alone; save one with torch.save(model.state_dict(), ...)."
        raise ValueError(told) from error
    try:
        return from_state(checkpoint)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def from_state(checkpoint):
    """The network of a state dict, whether bare or wrapped, with or without `module.` before its names."""
    state = plain(checkpoint)
    distances = state.pop(DISTANCES, None)
    tile = ManaSettings.tile if distances is None else tile_of(distances)
    network = Mana(settings_of(state, tile))
    wanted = network.state_dict()
    problems = {
        "it lacks": sorted(set(wanted) - set(state)),
        "it has, but the network has not:": sorted(set(state) - set(wanted)),
        "of another shape than the rest implies:": [
            f"{name} {list(state[name].shape)}, not {list(wanted[name].shape)}"
            for name in sorted(set(wanted) & set(state))
            if state[name].shape != wanted[name].shape
        ],
    }
    if any(problems.values()):
        told = "; ".join(f"{what} {', '.join(names)}" for what, names in problems.items() if names)
        raise ValueError(f"This is not a checkpoint of the network: {told}.")
    network.load_state_dict(state)
    return network.eval()


def plain(checkpoint):
    """{name: tensor} of a checkpoint, unwrapped."""
    for key in WRAPPERS:
        if isinstance(checkpoint, dict) and isinstance(checkpoint.get(key), dict):
            checkpoint = checkpoint[key]
    if not isinstance(checkpoint, dict) or not all(isinstance(value, torch.Tensor) for value in checkpoint.values()):
        raise ValueError(f"There is no state dict in this checkpoint, bare or under {' or '.join(WRAPPERS)}.")
    return {name[len(PREFIX) :] if name.startswith(PREFIX) else name: value for name, value in checkpoint.items()}


def settings_of(state, tile):
    """The settings that the names and shapes of a state dict tell."""

    def count(part):
        numbers = [int(found[1]) for name in state if (found := re.match(rf"{part}\.(\d+)\.", name))]
        return max(numbers, default=-1) + 1

    if (first := state.get("conv_first.weight")) is None:
        raise ValueError(f"This is not a checkpoint of the network: it lacks conv_first.weight; it has {shown(state)}.")
    bank = state.get("nonloc_spatial.mb")
    return ManaSettings(
        channels=first.shape[0],
        encoder_blocks=count("encoder"),
        decoder_blocks=count("decoder"),
        memory=None if bank is None else bank.shape[-1],
        tile=tile,
    )


def shown(state, most=8):
    names = list(state)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def tile_of(distances):
    """The side of a tile, from its matrix of squared distances, which must be that and nothing learned."""
    tile = isqrt(isqrt(distances.numel()))
    if tile**4 == distances.numel():
        expected = squared_distances(tile)
        # A half holds whole numbers above 2048 to one part in 2048.
        if torch.allclose(distances.float().reshape(expected.shape), expected, rtol=1e-3, atol=0):
            return tile
    raise ValueError(f"{DISTANCES} {list(distances.shape)} does not hold the squared pixel distances of a square tile.")


def random_network(settings=ManaSettings(), seed=0):
    """A network whose every part shows in its output: training starts with the attention's projections at zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Mana(settings)
        attention = network.nonloc_spatial
        nn.init.uniform_(attention.norm.weight, 0.5, 1.5)
        nn.init.normal_(attention.norm.bias, std=0.3)
        nn.init.constant_(attention.std, 9.0)
        for name, layer in attention.named_children():
            if name.startswith("W_z"):
                nn.init.normal_(layer.weight, std=layer.in_channels**-0.5)
                nn.init.normal_(layer.bias, std=0.1)
    return network.eval()


def save(path, network):
    """Writes a checkpoint as the authors' code does: the bare state dict, with the distances."""
    torch.save({**network.state_dict(), DISTANCES: squared_distances(network.settings.tile)}, path)


def main():
    parser = argparse.ArgumentParser(description="Writes a checkpoint with random weights.")
    parser.add_argument("--out", required=True, help="the file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--channels", type=int, default=ManaSettings.channels)
    parser.add_argument("--encoder-blocks", type=int, default=ManaSettings.encoder_blocks)
    parser.add_argument("--decoder-blocks", type=int, default=ManaSettings.decoder_blocks)
    parser.add_argument("--memory", type=int, default=ManaSettings.memory, help="entries of the bank; 0: without it")
    given = vars(parser.parse_args())
    out, seed, memory = given.pop("out"), given.pop("seed"), given.pop("memory") or None
    network = random_network(ManaSettings(**given, memory=memory), seed)
    save(out, network)
    print(f"{out}: {sum(parameter.numel() for parameter in network.parameters()):,} parameters")


if __name__ == "__main__":
    main()
