"""Synthetic camera paths: video cut out of still pictures and rendered screens by a moving window.

The clips are truth, so they must be as sharp as pixels can be: a window either moves by whole pixels of the picture,
and nothing is resampled, or is rendered at twice the size from a large picture and shrunk.
"""

import numpy as np
from PIL import Image


ZOOM = 1.15  # how much a window may grow
TURN = 0.25  # radians a window may be turned; its corners then reach 1.25 times as far


def pan(picture, frames, side, rng, scrolled=False):
    """A clip u8 [frames, side, side, 3] of a window that moves over a PIL picture.

    `scrolled` moves as screens do: not at all, steadily down, or steadily anywhere. Otherwise the window drifts and
    shakes as a camera in a hand; over a picture large enough for it, it turns and zooms too.
    """
    sizes = np.array(picture.size)
    most = sizes.min() / (side * 1.25)  # pixels of the picture per pixel of the clip
    free = not scrolled and most >= 2 * ZOOM
    step = rng.uniform(2.0, min(most / ZOOM, 3.0)) if free else 1.0
    furthest = step * ZOOM if free else 1.0
    if scrolled:
        speed = np.array([(0, rng.integers(0, 24)), rng.integers(-6, 7, 2), (0, 0)][rng.integers(3)], float)
    else:
        # Pixels of the clip per frame; small motion is the common case, and the one that alignment-free fusion can use.
        speed = rng.normal(0, 1, 2) * rng.choice([0.4, 1.5, 4.0])
    shake = 0.0 if scrolled else rng.choice([0, 0.3, 1.0])
    angle, turn, zoom = rng.normal(0, (0.1, 0.004, 0.004)) if free else (0.0, 0.0, 0.0)
    angle = np.clip(angle, -TURN, TURN)
    margin = furthest * side / 2 * (1.25 if free else 1.0)
    last = np.maximum(margin, sizes - margin)
    centre = rng.uniform(margin, last)
    clip = np.empty((frames, side, side, 3), np.uint8)
    for i in range(frames):
        at = np.clip(centre + rng.normal(0, 1, 2) * shake * step, margin, last)
        clip[i] = turned(picture, side, at, angle, step) if free else cut(picture, side, at)
        centre = centre + speed * step
        speed = np.where((centre < margin) | (centre > last), -speed, speed)  # turns round at the picture's edge
        centre = np.clip(centre, margin, last)
        angle, step = np.clip(angle + turn, -TURN, TURN), min(step * (1 + zoom), furthest)
    return clip


def cut(picture, side, at):
    """The pixels of a window around `at`, as they are."""
    left, top = np.round(at - side / 2).astype(int)
    return np.asarray(picture.crop((left, top, left + side, top + side)))


def turned(picture, side, at, angle, step):
    """A window around `at`, turned, `step` pixels of the picture for each of its own."""
    cos, sin = np.cos(angle) * step / 2, np.sin(angle) * step / 2
    affine = (cos, -sin, at[0] - side * (cos - sin), sin, cos, at[1] - side * (sin + cos))
    double = picture.transform((2 * side, 2 * side), Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC)
    return np.asarray(double.resize((side, side), Image.Resampling.LANCZOS))


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
