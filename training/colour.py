"""Between R'G'B' and 4:2:0 planes, exactly as the package computes it (src/frame/colour.ts): BT.601, limited range.

FFmpeg's own conversion is a level too dark and differs with its build; codecs are given and asked for planes.
"""

import numpy as np

RED, GREEN, BLUE = 0.299, 0.587, 0.114


def to_i420(frames):
    """u8 R'G'B' [n, h, w, 3] -> u8 [n, h * w * 3 / 2]: planes Y, Cb, Cr; a chroma sample is the mean of 2x2 pixels."""
    count, height, width, _ = frames.shape
    r, g, b = np.moveaxis(frames.astype(np.float32) / 255, -1, 0)
    luma = RED * r + GREEN * g + BLUE * b
    chroma = np.stack([(b - luma) / (2 * (1 - BLUE)), (r - luma) / (2 * (1 - RED))], 1)
    chroma = chroma.reshape(count, 2, height // 2, 2, width // 2, 2).mean((3, 5))
    planes = [(16 + 219 * luma).reshape(count, -1), (128 + 224 * chroma).reshape(count, -1)]
    return np.concatenate(planes, 1).round().clip(0, 255).astype(np.uint8)


def from_i420(planes, width, height):
    """u8 [n, width * height * 3 / 2] -> R'G'B' float [n, h, w, 3] in 0..1; chroma samples stand for 2x2 pixels."""
    area = width * height
    planes = planes.astype(np.float32)
    luma = (planes[:, :area].reshape(-1, height, width) - 16) / 219
    chroma = planes[:, area:].reshape(-1, 2, height // 2, width // 2).repeat(2, 2).repeat(2, 3)
    cb, cr = np.moveaxis((chroma - 128) / 224, 1, 0)
    r = luma + 2 * (1 - RED) * cr
    b = luma + 2 * (1 - BLUE) * cb
    g = luma - (2 * (1 - BLUE) * BLUE * cb + 2 * (1 - RED) * RED * cr) / GREEN
    return np.clip(np.stack([r, g, b], -1), 0, 1)


def subsampled(frames):
    """u8 frames [n, h, w, 3] after a way through 4:2:0. Sides must be even."""
    height, width = frames.shape[1:3]
    return (from_i420(to_i420(frames), width, height) * 255).round().astype(np.uint8)
