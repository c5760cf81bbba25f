"""Runs measured as they are, in PyTorch: what evaluation asks of an exported model, answered by a checkpoint."""

from pathlib import Path

import numpy as np
import torch

from .exported import levels
from .measure import as_grid, as_tensor
from .networks import load, window


class Trained:
    """The network of a run's folder, <folder>/<name of the folder>.pt and .json."""

    def __init__(self, folder):
        folder = Path(folder)
        self.network = load(folder.parent, folder.name)
        self.name, self.scale = folder.name, self.network.settings.scale

    @torch.no_grad()
    def upscale(self, frames, centres, lookaheads):
        """Outputs of a stream u8 [n, h, w, 3], its first frame first: yields (centre, {lookahead: u8 picture})."""
        height, width = (side * self.scale for side in frames.shape[1:3])
        stream = as_grid(as_tensor(frames[None]))
        feats = self.network.features(stream)
        planes = self.network.planes(feats)
        for centre in centres:
            pictures = {}
            for lookahead in lookaheads:
                index = window(torch.tensor([centre]), len(frames), lookahead)
                out = self.network.fuse(stream[:, [centre]], feats[:, [centre]], planes, index)[0][0, 0]
                pictures[lookahead] = levels(np.ascontiguousarray(out.permute(1, 2, 0)[:height, :width]))
            yield centre, pictures
