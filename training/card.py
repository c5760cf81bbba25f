"""Model cards: what a person wants to know of a shipped model, written from its manifest, its configuration and its run."""

import json
from itertools import groupby
from pathlib import Path

import yaml

from .report import DIGITS, TITLES
from .train import DEFAULTS

HERE = Path(__file__).parent
SIZES = {"nano": "made for real time on a processor", "live": "made for real time on a GPU"}


def card(runs, manifest):
    """The text of models/<name>/README.md."""
    name, scale, s = manifest["name"], manifest["scale"], manifest["settings"]
    size, encode, fuse = name.split("-")[1], manifest["encode"], manifest["fuse"]
    config = yaml.safe_load((HERE / "configs" / f"{name}.yaml").read_text())
    log = [json.loads(line) for line in (Path(runs) / name / "log.jsonl").read_text().splitlines()]
    last = {line["stage"]: line for line in log}
    lines = [
        f"# {name}",
        "",
        f"The {size} x{scale} network of the `mana-live` family, {SIZES[size]}: {s['channels']} channels, "
        f"{s['encoder_blocks']} encoder and {s['decoder_blocks']} decoder blocks, {manifest['parameters']:,} parameters. "
        f"{parts(s)}",
        "",
        "A streaming form of Yu, Liu, Bo, Mei: *Memory-Augmented Non-Local Attention for Video Super-Resolution*,",
        "CVPR 2022, [arXiv 2108.11048](https://arxiv.org/abs/2108.11048); its own weights, trained for this project.",
        "Licence: MIT.",
        "",
        f"Multiply-adds per low-resolution pixel: encode {encode['macsPerPixel']:,}, fuse {fuse['macsPerPixel']:,}. "
        f"Estimated peak of fuse's fp32 intermediates: {fuse['peakBytesPerPixel']} bytes per low-resolution pixel.",
        "",
        "## Files",
        "| file | bytes |",
        "|---|---|",
        *[f"| `{file}` | {about['bytes']:,} |" for file, about in manifest["files"].items()],
        "",
        "`encode` runs once a frame, `fuse` once an output frame; sides are multiples of 8. `.fp16` files compute in half",
        "precision between fp32 inputs and outputs. `golden.bin`: the first seven frames of a stream, 24x16, u8 planar, then",
        "the expected output, float32 little-endian. `manifest.json`: everything the package reads about the network.",
        "",
        "## Quality",
        *quality(manifest["metrics"]),
        "",
        "Rankings change with the downscaler; what is measured here is PIL's bicubic.",
        "",
        "## Training",
        *[
            f"Stage {number}: {last[number]['step']:,} of {stage['steps']:,} steps of {stage['batch']} sequences and "
            f"{stage['outputs']} outputs, {stage['codec']:.0%} through a codec; {last[number]['seconds'] / 60:.0f} minutes "
            "on one core of a 2-core AMD EPYC machine."
            for number, stage in enumerate(DEFAULTS | stage for stage in config["stages"])
            if number in last
        ],
        *start(config),
        "",
        "```sh",
        "python3 -m training.data --data DATA --out SEGMENTS",
        *[
            f"python3 -m training.train --config training/configs/{name}.yaml --segments SEGMENTS "
            f"--run training/runs/{name} --stage {number}"
            for number in sorted(last)
        ],
        "```",
        "",
        "| data | source | licence |",
        "|---|---|---|",
        *[f"| {d['name']} | {d['source']} | {d['licence']} |" for d in manifest["trainingData"]],
        "",
        "## Limits",
        "- Trained on a processor and a small set of lossy clips: not the state of the art.",
        "- On strongly compressed input its gain over bicubic is a few tenths of a decibel at most.",
        "",
    ]
    return "\n".join(lines)


def parts(s):
    """What the network sees of other frames, in words."""
    said = []
    if s["recurrent"]:
        said.append("The encoder reads its own features of the frame before.")
    if s["near"]:
        said.append(f"The fusion sees {s['near']} channels of {len(s['near_frames'])} neighbours at the same place.")
    if s["dim"]:
        memory = f", and a memory of {s['memory']} entries" if s["memory"] else ""
        said.append(f"It attends to {len(s['attend_frames'])} frames, width {s['dim']}{memory}.")
    return " ".join(said) or "It sees one frame."


def start(config):
    """Where the first weights come from; a configuration says more of it under `started`."""
    if "start" not in config:
        return []
    return [f"Starts from `{config['start']}`. {config.get('started', '')}".rstrip()]


def quality(metrics):
    """The entries of metrics.json: a table for each set, protocol and list of sequences, with a row a measurement."""
    if not metrics:
        return ["Not measured yet."]

    def together(m):
        return m["set"], m["protocol"], list(m["sequences"])

    lines = []
    for (title, protocol, sequences), group in groupby(sorted(metrics, key=together), together):
        head = ["input", "lookahead", "measure", *sequences, "mean", "PIL bicubic up, mean"]
        lines += ["", f"{title}: {protocol}.", "", row(head), "|" + "---|" * len(head)]
        for m in group:
            digits = next(DIGITS[measure] for measure, said in TITLES.items() if said == m["measure"])
            *each, mean, bicubic = (f"{x:.{digits}f}" for x in (*m["sequences"].values(), m["value"], m["bicubicUp"]))
            lines.append(row([m["input"], str(m["lookahead"]), m["measure"], *each, f"**{mean}**", bicubic]))
    return lines[1:]


def row(cells):
    return "| " + " | ".join(cells) + " |"
