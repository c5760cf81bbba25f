"""Checks what training and measuring see: codecs, colour, clips, camera paths, samples, sets; and what is reported of it.

    python3 -m training.test_data
"""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from . import datasets, segments
from .camera import pan
from .card import quality
from .codec import LIVE, Coding, encode, round_trip
from .colour import subsampled
from .data import FRAMES, SIDE, VARIANTS, bicubic, choose, seed_of
from .report import below_bicubic, metrics_entries
from .sheet import HEIGHT, WIDTH, ZOOM, Sheet

PICTURE = Path(__file__).parent.parent / "test" / "fixtures" / "picture.jpg"
GOOD = {"h264": 10, "vp8": 4, "vp9": 10}  # crf
EXACT = (73, 32, 226)  # a colour that 4:2:0 in 8 bits holds


def photo(size=(320, 192)):
    return np.asarray(Image.open(PICTURE).convert("RGB").resize(size, Image.Resampling.LANCZOS))


def moving(count, side, step=4):
    """A window that moves over the photograph [count, *side, 3]."""
    large = photo((960, 600))
    return np.stack([large[step * i : step * i + side[0], step * i : step * i + side[1]] for i in range(count)])


def shift(before, after):
    """The largest change of a channel's mean."""
    return np.abs(after.mean((0, 1, 2)) - before.mean((0, 1, 2))).max()


def check_colour():
    """Neither 4:2:0 nor a codec makes pictures darker or tints them."""
    picture = photo()[None]
    assert shift(picture, subsampled(picture)) < 0.05
    grey = np.arange(256, dtype=np.uint8).repeat(2 * 2 * 3).reshape(1, 32, 32, 3)
    error = subsampled(grey).astype(int) - grey
    assert np.abs(error).max() <= 1, "Grey is not grey after 4:2:0."
    flat = np.full((6, 192, 320, 3), EXACT, np.uint8)
    for codec, crf in GOOD.items():
        for clip in (picture.repeat(6, 0), flat):
            assert shift(clip, round_trip(clip, Coding(codec, crf=crf))) < 0.2, f"{codec} shifts colours."


def check_rate(folder):
    """A constant bitrate is kept on what is hard to encode."""
    clip = moving(60, (192, 320))
    clip = np.clip(clip + np.random.default_rng(1).normal(0, 4, clip.shape), 0, 255).astype(np.uint8)
    for codec in LIVE:
        coding, path = Coding(codec, bits=0.1), folder / f"{codec}.mkv"
        encode(clip, coding, path)
        rate = path.stat().st_size * 8 / (coding.bits * clip[..., 0].size)
        assert 1 / 1.5 < rate < 1.5, f"{codec} takes {rate:.2f} of the bits it is given."


def check_choose():
    """Places are inside the clip, differ, and lie on one side of a scene cut."""
    cut, clip = 30, moving(60, (SIDE + 32, SIDE + 64), 2)
    clip[cut:] = 255 - clip[cut:]
    for seed in range(5):
        places = choose(clip, 14, np.random.default_rng(seed))
        assert len(places) == len(set(places)) == 14
        for start, stride, y, x in places:
            last = start + (FRAMES - 1) * stride
            assert 0 <= start and last < len(clip) and 0 <= y <= 32 and 0 <= x <= 64, "A place is outside its clip."
            assert last < cut or start >= cut, "A place lies across a scene cut."


def check_rotation(folder):
    """Frames of a clip that is to be shown turned lie as they are coded."""
    clip, plain, turned = moving(3, (48, 64)), folder / "plain.mp4", folder / "turned.mp4"
    command = ["ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x48", "-i", "-"]
    command += ["-c:v", "libx264rgb", "-qp", "0", str(plain)]
    subprocess.run(command, check=True, input=clip.tobytes())
    command = ["ffmpeg", "-v", "error", "-i", str(plain), "-c", "copy", "-metadata:s:v", "rotate=90"]
    subprocess.run([*command, str(turned)], check=True, stdin=subprocess.DEVNULL)
    probe = ["ffprobe", "-v", "error", "-show_entries", "stream_side_data=rotation", "-of", "csv=p=0", str(turned)]
    rotation = subprocess.run(probe, check=True, capture_output=True, text=True).stdout.strip()
    assert rotation in ("90", "-90"), "The clip is not marked as turned."
    assert np.array_equal(datasets.clip(turned, 10), clip), "The clip is turned, or otherwise not as it is coded."


def check_seeds():
    """Every picture of a series has random choices of its own."""
    names = [f"kodak-{number:02}.webp" for number in range(1, 25)]
    assert len({seed_of(Path("any") / name) for name in names}) == len(names)
    assert seed_of(Path("any") / names[0]) == seed_of(Path("other") / names[0])


def check_pan():
    """Nothing outside a picture is ever seen: over a white one, all stays white."""
    # The second is a fifth of the first, window and all; over the third no window turns; over the fourth it only just does.
    for size, side, seeds in (((2400, 1350), 320, 2), ((480, 270), 64, 100), ((96, 80), 64, 40), ((93, 184), 32, 100)):
        white = Image.new("RGB", size, "white")
        for seed in range(seeds):
            clip = pan(white, 24, side, np.random.default_rng(seed), scrolled=seed % 4 == 3)
            assert clip.shape == (24, side, side, 3) and clip.min() == 255, f"{size}, {side}, seed {seed} shows an edge."


def check_samples(folder):
    """What is sampled: shapes and ranges, and low resolution that is the truth's, whichever way it is flipped."""
    scale, patch, count = 2, 24, 8
    rng = np.random.default_rng(1)
    truth = np.stack([moving(FRAMES, (96, 96), step) for step in (1, 5)])
    clean = np.stack([bicubic(clip, scale) for clip in truth])
    coded = rng.integers(0, 256, (VARIANTS - 1, *clean.shape), np.uint8)
    np.save(folder / "train-hr.npy", truth)
    np.save(folder / "train-x2.npy", np.stack([clean, *coded], 1))
    split = segments.Segments(folder, "train", scale)

    def error(codec):
        """Of low resolution against the truth's, in levels, without the edges, where the truth's surroundings count."""
        low, high = split.sample(rng, count, 5, patch, codec)
        assert low.shape == (count, 5, 3, patch, patch) and high.shape == (count, 5, 3, patch * scale, patch * scale)
        assert low.dtype == high.dtype == torch.float32 and 0 <= high.min() and high.max() <= 1
        levels = (high * 255).round().to(torch.uint8).permute(0, 1, 3, 4, 2).flatten(0, 1).numpy()
        wanted = bicubic(levels, scale).reshape(count, 5, patch, patch, 3)
        difference = (low * 255).permute(0, 1, 3, 4, 2).numpy() - wanted
        return np.abs(difference[:, :, 3:-3, 3:-3]).reshape(count, -1)

    usual = segments.NOISY, segments.SUBSAMPLED
    segments.NOISY = segments.SUBSAMPLED = 0.0
    assert error(codec=0.0).max() <= 2
    assert (error(codec=1.0).mean(1) > 10).all(), "A sample that is to have been through a codec has not."
    segments.NOISY = 1.0
    assert (0.3 < error(codec=0.0).mean(1)).all() and error(codec=0.0).max() < 20
    segments.NOISY, segments.SUBSAMPLED = usual


def check_camera():
    """A camera that pans over a still: each frame is its window, low resolution what the whole picture's would be."""
    still = photo((160, 160))
    truth = np.stack([still] * 6)
    for scale, coded in ((2, False), (4, False), (2, True), (4, True)):
        low = bicubic(truth, scale)
        patch, speeds = 16, []
        for seed in range(20):
            small, large = segments.panned(np.random.default_rng(seed), low, truth, scale, patch, coded)
            assert small.shape == (6, patch, patch, 3) and large.shape == (6, patch * scale, patch * scale, 3)
            path = [place(still, frame) for frame in large]
            speeds.append(np.abs(np.diff(path, axis=0)).max())
            for frame, (y, x) in zip(small, path):
                if coded:
                    assert y % scale == x % scale == 0
                    assert np.array_equal(frame, low[0, y // scale :, x // scale :][:patch, :patch])
                else:
                    # Shrunk with all that surrounds it; at the picture's own edges the filter sees less.
                    top, left = y % scale, x % scale
                    whole = bicubic(still[None, top : 160 - scale + top, left : 160 - scale + left], scale)[0]
                    wanted = whole[y // scale :, x // scale :][:patch, :patch]
                    inside = [slice(2 if at < 12 else 0, -2 if at + patch * scale > 148 else None) for at in (y, x)]
                    assert np.abs(frame[tuple(inside)].astype(int) - wanted[tuple(inside)]).max() <= 1
        assert max(speeds) > 8 and min(speeds) < 5


def place(picture, window):
    """y and x of a window in a picture."""
    size = window.shape[0]
    corners = np.lib.stride_tricks.sliding_window_view(picture[..., 0], (size, size))
    same = (corners[:, :, ::5, ::5] == window[::5, ::5, 0]).all((2, 3))
    (at,) = np.argwhere(same).tolist()
    assert np.array_equal(picture[at[0] : at[0] + size, at[1] : at[1] + size], window)
    return at


def check_vimeo(folder):
    """The 6 % of the clips that move most, kept in a list; a list of other clips is refused."""
    try:
        import cv2  # noqa: F401
    except ImportError:
        datasets.flow = lambda pictures: float(np.abs(np.diff(pictures.astype(int), axis=0)).mean())
    names = [f"{number // 10:05}/{number % 10:04}" for number in range(50)]
    fast = {names[7]: 3, names[20]: 4, names[41]: 2}
    small = photo((160, 100))
    for name in names:
        (folder / "sequences" / name).mkdir(parents=True)
        for i in range(7):
            x = fast.get(name, 0) * i
            Image.fromarray(small[20:68, x : x + 64]).save(folder / "sequences" / name / f"im{i + 1}.png")
    (folder / "sep_testlist.txt").write_text("\n".join(names) + "\n")
    chosen = folder / "motion.json"
    for _ in ("made", "read"):
        sequences = datasets.vimeo_motion(folder, chosen)
        assert [sequence.name for sequence in sequences] == sorted(fast, key=fast.get, reverse=True)
    assert np.array_equal(sequences[0].read()[1], small[20:68, 4:68])
    chosen.write_text(json.dumps([{"clip": names[0], "flow": 9.0}, {"clip": "00099/0001", "flow": 8.0}]))
    try:
        datasets.vimeo_motion(folder, chosen)
    except SystemExit as refusal:
        assert "00099/0001" in str(refusal)
    else:
        raise AssertionError("A list of clips that are not there is not refused.")


def check_screens(folder):
    """A screen stands still, and scrolls."""
    screen = photo((700, 600))
    Image.fromarray(screen).save(folder / "page.png")
    still, scrolling = (sequence.read() for sequence in datasets.screens(folder))
    assert still.shape == (datasets.SCREEN_FRAMES, 480, 640, 3) and (still == still[0]).all()
    assert scrolling.shape == still.shape
    assert np.array_equal(scrolling[:-1, datasets.SCROLL :], scrolling[1:, : -datasets.SCROLL])


def check_report():
    """What is below bicubic is said; a card has a table a set, the digits of each measure, and no empty columns."""

    def row(title, method, lookahead, figures):
        mean = {"psnrY": float(np.mean(list(figures.values()))), "ssimY": 0.922}
        sequences = {name: {"psnrY": value, "ssimY": 0.922} for name, value in figures.items()}
        about = {"set": title, "scale": 2, "input": "clean", "frames": "all frames"}
        return about | {"method": method, "lookahead": lookahead, "sequences": sequences, "mean": mean}

    rows = [
        row(title, method, lookahead, {name: value + gain for name, value in figures.items()})
        for title, figures in (("Clips", {"a": 30.0, "b": 31.0}), ("Screens", {f"s{i}": 20.0 for i in range(20)}))
        for method, lookahead, gain in (("bicubic", None, 0.0), ("net", 0, 0.5), ("net", 3, 0.7))
    ]
    assert below_bicubic(rows) == []
    rows[1]["sequences"]["b"]["psnrY"] = 30.75
    assert below_bicubic(rows) == ["Below bicubic: net, clean, b: 0.25 dB"]
    lines = quality(metrics_entries(rows, ["net"])["net"])
    assert "| clean | 0 | PSNR Y, dB | 30.50 | 30.75 | **31.00** | 30.50 |" in lines
    assert "| clean | 3 | SSIM Y | 0.9220 | 0.9220 | **0.9220** | 0.9220 |" in lines
    assert "| clean | 3 | PSNR Y, dB | **20.70** | 20.00 |" in lines
    assert sum(line.startswith("| input |") for line in lines) == 2


def check_sheet(folder):
    """A row a sequence; columns of input, bicubic, a model and the truth."""
    sheet, truth = Sheet(), photo()
    for method, lookahead in (("nearest", None), ("bilinear", None), ("bicubic", None), ("net", 3)):
        sheet.add(("Clips", 2, "a", 5), method, lookahead, truth, truth)
    sheet.save(folder / "sheet.png")
    assert list(sheet.rows["Clips", 2, "a", 5][1]) == ["input", "bicubic", "net, lookahead 3", "truth"]
    with Image.open(folder / "sheet.png") as written:
        assert written.format == "PNG" and written.width >= 4 * WIDTH * ZOOM and written.height >= HEIGHT * ZOOM


def main():
    torch.set_num_threads(1)
    for check in (check_colour, check_choose, check_seeds, check_pan, check_camera, check_report):
        check()
        print(check.__doc__)
    for check in (check_rate, check_rotation, check_samples, check_vimeo, check_screens, check_sheet):
        with tempfile.TemporaryDirectory() as folder:
            check(Path(folder))
        print(check.__doc__)


if __name__ == "__main__":
    main()
