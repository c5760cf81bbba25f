"""What the low-resolution input of a measurement has been through: nothing, or a codec at a live bitrate."""

from .codec import Coding, round_trip

CLEAN = "clean"
CODECS = {"h264": "H.264", "vp8": "VP8", "vp9": "VP9"}
BITS = (0.06, 0.12)  # a pixel and frame


CONDITIONS = {CLEAN: None} | {
    f"{title} {bits} bits/pixel": Coding(codec, bits=bits) for codec, title in CODECS.items() for bits in BITS
}


def through(condition, frames):
    """u8 frames [n, h, w, 3] as they are, or encoded and decoded. Sides must be even."""
    coding = CONDITIONS[condition]
    return round_trip(frames, coding) if coding else frames
