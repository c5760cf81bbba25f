"""Model cards: what a person wants to know of a shipped model, written from its manifest, its configuration and its run."""

import json
from pathlib import Path

import yaml

from .train import DEFAULTS

HERE = Path(__file__).parent
SIZES = {"nano": "made for real time on a processor", "live": "made for real time on a GPU"}


def card(runs, manifest):
    """The text of models/<name>/README.md."""
    name, scale, s = manifest["name"], manifest["scale"], manifest["settings"]
    size = name.split("-")[1]
    config = yaml.safe_load((HERE / "configs" / f"{name}.yaml").read_text())
    log = [json.loads(line) for line in (Path(runs) / name / "log.jsonl").read_text().splitlines()]
    last = {line["stage"]: line for line in log}
    lines = [
        f"# {name}",
        "",
        f"The {size} x{scale} network of the `mana-live` family, {SIZES[size]}: {s['channels']} channels, {s['encoder_blocks']} encoder and "
        f"{s['decoder_blocks']} decoder blocks, {manifest['parameters']:,} parameters. {parts(s)}",
        "",
        "A streaming form of Yu, Liu, Bo, Mei: *Memory-Augmented Non-Local Attention for Video Super-Resolution*, CVPR 2022,",
        "[arXiv 2108.11048](https://arxiv.org/abs/2108.11048); its own weights, trained for this project. Licence: MIT.",
        "",
        f"Multiply-adds per low-resolution pixel: encode {manifest['encode']['macsPerPixel']:,}, fuse {manifest['fuse']['macsPerPixel']:,}. "
        f"Estimated peak of fuse's fp32 intermediates: {manifest['fuse']['peakBytesPerPixel']} bytes per low-resolution pixel.",
        "",
        "## Files",
        "| file | bytes |",
        "|---|---|",
        *[f"| `{file}` | {about['bytes']:,} |" for file, about in manifest["files"].items()],
        "",
        "`encode` runs once a frame, `fuse` once an output frame; sides are multiples of 8. `.fp16` files compute in half",
        "precision between fp32 inputs and outputs. `golden.bin`: the first seven frames of a stream, 24x16, u8 planar, then the",
        "expected output, float32 little-endian. `manifest.json`: everything the package reads about the network.",
        "",
        "## Quality",
        *quality(manifest["metrics"]),
        "",
        "Rankings change with the downscaler; what is measured here is PIL's bicubic.",
        "",
        "## Training",
        *[
            f"Stage {number}: {last[number]['step']:,} of {stage['steps']:,} steps of {stage['batch']} sequences and {stage['outputs']} outputs, "
            f"{stage['codec']:.0%} through a codec; {last[number]['seconds'] / 3600:.1f} hours on one core of a 2-core AMD EPYC machine."
            for number, stage in enumerate(DEFAULTS | stage for stage in config["stages"])
            if number in last
        ],
        f"Starts from `{config['start']}`.",
        "",
        "```sh",
        *[
            f"python3 -m training.train --config training/configs/{name}.yaml --segments SEGMENTS --run training/runs/{name} --stage {number}"
            for number in sorted(last)
        ],
        "```",
        "",
        "| data | source | licence |",
        "|---|---|---|",
        *[f"| {d['name']} | {d['source']} | {d['licence']} |" for d in manifest["trainingData"]],
        "",
        "## Limits",
        "- Trained for hours on a processor and a small set of lossy clips: not the state of the art.",
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


def quality(metrics):
    """A table a row a measurement."""
    if not metrics:
        return ["Not measured yet."]
    sequences = [key for key in metrics[0] if key not in ("set", "measure", "protocol", "value", "bicubicUp")]
    rows = [
        f"| {m['set']} | {m['measure']} | " + " | ".join(str(m.get(name, "")) for name in sequences)
        + f" | **{m['value']}** | {m['bicubicUp']} |"
        for m in metrics
    ]  # fmt: skip
    head = ["set", "measure", *sequences, "mean", "PIL bicubic up, mean"]
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *rows, "", f"{metrics[0]['protocol']}."]
