"""Measures exported models, and plain resampling beside them, on videos whose truth is known.

    python3 -m training.evaluate --models models --vid4 DIR [--vimeo DIR] [--parkour DIR] [--stills DIR]
    python3 -m training.evaluate --runs training/runs/mana-nano-x2 --vid4 DIR --pan 0 2 4 8

Protocol: the truth is cut to multiples of twice the scale; low resolution is PIL's BICUBIC, 8 bit, and with --codecs
also what H.264, VP8 and VP9 leave of it at live bitrates. Outputs are rounded to 8 bit. All frames but the first and
last three are measured, each in a stream that starts at the first frame; figures are means over frames, then over
sequences; metrics.py defines them. Models are the folders that the package loads: their ONNX files are run, not
PyTorch; --runs takes checkpoints as they are. --pan moves a window over the clips, so many pixels of the truth a frame
to the right and half as many down; windows have one size for all speeds named. Prints Markdown. Needs the ffmpeg
command for clips and codecs. Measure only on what no training has seen.
"""

import argparse
import json
import shutil
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image

from . import datasets
from .conditions import CLEAN, CONDITIONS, through
from .data import bicubic
from .exported import Exported
from .metrics import Meter, mean_figures
from .measure import panned
from .report import below_bicubic, metrics_entries, table
from .sheet import Sheet
from .trained import Trained

EDGE = 3  # frames at each end of a sequence that are not measured: the others have whole windows
EXCERPT = (13, 18)  # counting from zero
SCREENS = "Screens"
PAN_FRAMES = 20  # that a window has room for at the usual speeds
RESAMPLED = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "Lanczos": Image.Resampling.LANCZOS,
}


def main():
    given = arguments()
    models = find_models(given.models, given.model) if given.models else []
    models += [(run, Trained(run)) for run in given.runs]
    sheet = Sheet() if given.sheet else None
    rows = []
    for title, sequences in chosen_sets(given):
        for scale in sorted({model.scale for _, model in models}):
            fitting = [(label, model) for label, model in models if model.scale == scale]
            made = measure(title, sequences, scale, fitting, given, sheet)
            for condition in dict.fromkeys(row["input"] for row in made):
                print(table([row for row in made if row["input"] == condition]), flush=True)
            rows += made
    if given.json:
        Path(given.json).write_text(json.dumps(rows, indent=2) + "\n")
    if given.metrics:
        path = Path(given.metrics)
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(known | metrics_entries(rows, [label for label, _ in models]), indent=2) + "\n")
    if sheet:
        sheet.save(given.sheet)
    below = below_bicubic([row for row in rows if row["set"] == SCREENS])
    for line in below:
        print(line)
    return 1 if below else 0


def measure(title, sequences, scale, models, given, sheet):
    """One row for each input and method of a set: {"set", "scale", "input", "method", "lookahead", "frames",
    "sequences": {name: figures}, "mean": figures}; `frames` says which were measured.
    """
    figures = defaultdict(dict)  # (input, method, lookahead) -> {sequence: figures}
    for sequence in sequences:
        truth = cut(sequence.read()[: given.frames], 2 * scale)
        centres = EXCERPT if given.excerpt else range(EDGE, len(truth) - EDGE)
        if not centres or centres[-1] >= len(truth):
            raise SystemExit(f"{sequence.name} has only {len(truth)} frames; there is none to measure.")
        small = bicubic(truth, scale)
        for condition in CONDITIONS if given.codecs else [CLEAN]:
            print(f"... {title} x{scale} {sequence.name}, {condition}", file=sys.stderr, flush=True)
            meters = defaultdict(Meter)
            for method, lookahead, centre, picture in outputs(
                through(condition, small), truth.shape[1:3], centres, models, given.lookahead
            ):
                meters[method, lookahead].add(centre, truth[centre], picture)
                if sheet and condition == CLEAN and centre == centres[len(centres) // 2]:
                    sheet.add((title, scale, sequence.name, centre), method, lookahead, truth[centre], picture)
            for (method, lookahead), meter in meters.items():
                figures[condition, method, lookahead][sequence.name] = meter.figures()
    frames = f"all of the first {given.frames} frames but {EDGE} at each end"
    if given.excerpt:
        frames = f"frames {EXCERPT[0]} and {EXCERPT[1]} from zero"
    return [
        {"set": title, "scale": scale, "input": condition, "method": method, "lookahead": lookahead, "frames": frames,
         "sequences": found, "mean": mean_figures(list(found.values()))}
        for (condition, method, lookahead), found in figures.items()
    ]  # fmt: skip


def outputs(low, size, centres, models, lookaheads):
    """(method, lookahead or None, centre, u8 picture [*size, 3]) of all methods, each one's centres in order."""
    for method, filtering in RESAMPLED.items():
        for centre in centres:
            enlarged = Image.fromarray(low[centre]).resize((size[1], size[0]), filtering)
            yield method, None, centre, np.asarray(enlarged)
    for label, model in models:
        for centre, pictures in model.upscale(low, centres, lookaheads):
            for lookahead, picture in pictures.items():
                yield label, lookahead, centre, picture


def cut(frames, step):
    """Sides cut to multiples of `step`."""
    height, width = (side // step * step for side in frames.shape[1:3])
    return frames[:, :height, :width]


def find_models(folders, chosen):
    """[(label, model)] of folders that are models or hold some; labels are names, or paths where names are shared."""
    paths = [
        manifest.parent
        for folder in map(Path, folders)
        for manifest in (folder / "manifest.json", *sorted(folder.glob("*/manifest.json")))
        if manifest.exists()
    ]
    models = [(path, Exported(path)) for path in paths if not chosen or path.name in chosen]
    if not models:
        raise SystemExit(f"There is no model{' of that name' if chosen else ''} in {', '.join(folders)}.")
    names = [model.name for _, model in models]
    return [(model.name if names.count(model.name) == 1 else str(path), model) for path, model in models]


def chosen_sets(given):
    """(title, sequences) of each set on the command line."""
    sets = {}
    if given.vid4:
        sets["Vid4"] = datasets.clips(given.vid4, given.frames)
    if given.parkour:
        sets["Parkour"] = datasets.clips(given.parkour, given.frames)
    if given.vimeo:
        beside = Path(given.vimeo) / "vimeo90k-motion.json"
        sets["Vimeo90K-Motion"] = datasets.vimeo_motion(given.vimeo, given.vimeo_list or beside)
    if given.stills:
        sets[SCREENS] = datasets.screens(given.stills)
    for title, sequences in sets.items():
        chosen = [sequence for sequence in sequences if not given.only or sequence.name in given.only]
        if not chosen:
            raise SystemExit(f"--only must name some of {', '.join(sequence.name for sequence in sequences)}.")
        if not given.pan:
            yield title, chosen
        for pan in given.pan:
            yield f"{title}, pan {pan}", [under_pan(sequence, pan, given) for sequence in chosen]


def under_pan(sequence, pan, given):
    """A sequence seen by a window that moves `pan` pixels a frame, as large as the fastest of --pan allows."""
    most = max(given.pan)
    return datasets.Sequence(sequence.name, lambda: panned(sequence.read()[: given.frames], pan, most))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--models", nargs="+", help="folders of exported models, or of one")
    add("--runs", nargs="+", default=[], metavar="RUN", help="folders of runs, whose checkpoints are measured in PyTorch")
    add("--model", nargs="+", metavar="NAME", help="measure only these of them")
    add("--vid4", help="folder of clips, or of folders of PNG frames")
    add("--parkour", help="the same, for the Parkour videos of the MANA paper")
    add("--vimeo", help="Vimeo-90K septuplets: sequences/ and sep_testlist.txt; the clips that move most are measured")
    add("--vimeo-list", help="JSON list of those clips, made where missing; default: vimeo90k-motion.json beside them")
    add("--stills", help="folder of pictures of screens, measured still and scrolling; below bicubic is an error")
    add("--only", nargs="+", metavar="NAME", help="measure only these sequences")
    add("--lookahead", type=int, nargs="+", choices=range(4), default=[3], help="frames to see after each; default 3")
    add("--codecs", action="store_true", help="also through H.264, VP8 and VP9 at 0.06 and 0.12 bits a pixel")
    add("--excerpt", action="store_true", help=f"only frames {EXCERPT[0]} and {EXCERPT[1]} of each sequence")
    add("--pan", nargs="+", type=int, default=[], metavar="P", help="with a camera that pans P pixels a frame; one P or more")
    add("--frames", type=int, default=100, metavar="N", help="read at most N frames of each sequence; default 100")
    add("--json", metavar="FILE", help="also write every figure to a file")
    add("--metrics", metavar="FILE", help="write the models' entries of training/metrics.json, which export.py quotes")
    add("--sheet", metavar="FILE.png", help="also make a picture of crops: input, bicubic, models, truth")
    given = parser.parse_args()
    if not (given.vid4 or given.parkour or given.vimeo or given.stills):
        parser.error("name at least one set: --vid4, --parkour, --vimeo or --stills.")
    if not (given.models or given.runs):
        parser.error("name --models or --runs.")
    if given.pan:
        given.frames = min(given.frames, PAN_FRAMES)
    if given.pan and (given.vimeo or given.stills):
        parser.error("--pan is for the clips of --vid4 and --parkour: leave --vimeo and --stills out.")
    if given.excerpt and (given.vimeo or given.stills):
        parser.error("--excerpt needs longer sequences than those of --vimeo and --stills: leave it or these out.")
    if not shutil.which("ffmpeg"):
        parser.error("the ffmpeg command is missing: install FFmpeg.")
    return given


if __name__ == "__main__":
    sys.exit(main())
