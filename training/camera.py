"""Synthetic camera paths: video cut out of still pictures and rendered screens by a moving window."""

import numpy as np
from PIL import Image


def pan(picture, frames, side, rng, still=False):
    """A clip u8 [frames, side, side, 3] of a window that drifts, shakes, turns and zooms over a PIL picture.

    With `still` the window moves by whole pixels only and neither turns nor zooms, as a scrolled screen does.
    """
    width, height = picture.size
    # The window covers 1 to 2 picture pixels per pixel of the clip, so that the clip is sharp.
    most = min(width, height) / (side * 1.25)
    step = 1.0 if still else rng.uniform(1.0, max(1.0, min(2.0, most)))
    if still:
        scroll = [(0, rng.integers(0, 24)), (rng.integers(-6, 7), rng.integers(-6, 7)), (0, 0)][rng.integers(3)]
        speed, shake, turn, zoom = np.array(scroll, float), 0.0, 0.0, 0.0
    else:
        # Pixels of the clip per frame; small motion is the common case, and the one that alignment-free fusion can use.
        speed = rng.normal(0, 1, 2) * rng.choice([0.4, 1.5, 4.0])
        shake, turn, zoom = rng.choice([0, 0.3, 1.0]), rng.normal(0, 0.004), rng.normal(0, 0.004)
    margin = step * side / 2 * 1.3
    centre = np.array([rng.uniform(margin, max(margin + 1, side_ - margin)) for side_ in (width, height)])
    angle, scale = 0.0 if still else rng.normal(0, 0.1), step
    clip = np.empty((frames, side, side, 3), np.uint8)
    for i in range(frames):
        at = centre + (rng.normal(0, shake, 2) if shake else 0) * step
        at = np.round(at) if still else at
        cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
        half = side / 2
        affine = (cos, -sin, at[0] - half * cos + half * sin, sin, cos, at[1] - half * sin - half * cos)
        clip[i] = np.asarray(picture.transform((side, side), Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC))
        centre = centre + speed * step
        # Turn round at the picture's edge.
        for axis, length in enumerate((width, height)):
            if not margin <= centre[axis] <= max(margin, length - margin):
                speed[axis] = -speed[axis]
                centre[axis] = np.clip(centre[axis], margin, max(margin, length - margin))
        angle, scale = angle + turn, scale * (1 + zoom)
    return clip


def two_layers(back, front, rng):
    """A clip in front of another inside a wandering ellipse with a soft edge: something that covers and uncovers."""
    frames, side = back.shape[:2]
    y, x = np.mgrid[:side, :side]
    place, speed = rng.uniform(0.3, 0.7, 2) * side, rng.normal(0, 3, 2)
    radius = rng.uniform(0.12, 0.3, 2) * side
    clip = np.empty_like(back)
    for i in range(frames):
        distance = np.hypot((x - place[0]) / radius[0], (y - place[1]) / radius[1])
        mask = np.clip((1 - distance) * radius.min() / 1.5 + 0.5, 0, 1)[..., None]
        clip[i] = (front[i] * mask + back[i] * (1 - mask)).round()
        place = place + speed
    return clip
