"""The small golden window that every exported model carries, and that a client can check itself with."""

import numpy as np
import torch

from .networks import WINDOW

WIDTH, HEIGHT = 24, 16


def golden_frames():
    """u8 [7, 3, 16, 24]: smooth texture drifting, behind a bright bar and a disc that move the other way.

    Every channel differs, nothing repeats within a block, and edges cross the blocks: a wrong convolution,
    a wrong key or a swapped neighbour shows in the output.
    """
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    frames = np.empty((WINDOW, 3, HEIGHT, WIDTH))
    for t in range(WINDOW):
        step = t - WINDOW // 2
        u, v = x + 0.9 * step, y - 0.6 * step
        disc = (x - 16 + 1.1 * step) ** 2 + (y - 9) ** 2 < 12
        bar = np.abs(x - y - 3 - 1.4 * step) < 1.6
        for channel in range(3):
            tone = np.sin(0.55 * u + 0.31 * v + channel) + 0.6 * np.sin(0.21 * u * (1 + 0.2 * channel) - 0.83 * v)
            plane = 0.45 + 0.2 * tone
            plane[disc] = 0.15 + 0.3 * channel
            plane[bar] = 0.95 - 0.25 * channel
            frames[t, channel] = plane
    return np.round(np.clip(frames, 0, 1) * 255).astype(np.uint8)


def golden_bytes(network):
    """The frames above as u8, then the network's output for them, float32 LE [3, 16*scale, 24*scale]."""
    frames = golden_frames()
    with torch.no_grad():
        out = network(torch.from_numpy(frames).float()[None] / 255)[0]
    return frames.tobytes() + out.numpy().astype("<f4").tobytes()
