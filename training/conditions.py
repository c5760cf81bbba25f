"""What the low-resolution input of a measurement has been through: nothing, or a codec at a live bitrate."""

from .codec import Coding, round_trip

CLEAN = "clean"
CODECS = {"h264": "H.264", "vp8": "VP8", "vp9": "VP9"}
BITS = (0.06, 0.12)  # a pixel and frame


class Reproducible(Coding):
    """The same bytes on every machine, however busy: no random numbers, one thread, a fixed speed."""

    def options(self, width, height, fps):
        # A positive speed lets libvpx choose VP8's from the time that encoding takes; a negative one is fixed.
        return [*super().options(width, height, fps), *(["-cpu-used", "-8"] if self.codec == "vp8" else [])]


CONDITIONS = {CLEAN: None} | {
    f"{title} {bits} bits/pixel": Reproducible(codec, bits=bits) for codec, title in CODECS.items() for bits in BITS
}


def through(condition, frames):
    """u8 frames [n, h, w, 3] as they are, or encoded and decoded. Sides must be even."""
    coding = CONDITIONS[condition]
    return round_trip(frames, coding) if coding else frames
