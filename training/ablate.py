"""Trains the variants of a network that an ablation compares, equally, and prints their figures.

    python3 -m training.ablate --config training/configs/ablation.yaml --segments SEGMENTS --run RUNS --vid4 VID4

Variants that have run are not run again.
"""

import argparse
import json
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import yaml

from .train import train

COLUMNS = ("held", "codec", "vid4")


def variants(config):
    """{name: configuration} of an ablation file: a base, and what each variant changes of its network or stage."""
    made = {}
    for name, changes in config["variants"].items():
        stage = config["stage"] | changes.pop("stage", {})
        made[name] = {
            "network": config["network"] | {"name": name} | changes,
            "stages": [stage],
            "seed": config.get("seed", 1),
            "start": config["start"],
        }
    return made


def one(job, segments, runs, vid4):
    name, config = job
    train(config, segments, Path(runs) / name, vid4)


def last_line(folder):
    log = folder / "log.jsonl"
    return json.loads(log.read_text().splitlines()[-1]) if log.exists() else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True)
    parser.add_argument("--segments", required=True, help="folder written by training.data")
    parser.add_argument("--run", required=True, help="folder that gets one folder a variant")
    parser.add_argument("--vid4", required=True)
    parser.add_argument("--only", nargs="*", help="names of variants")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    jobs = variants(yaml.safe_load(Path(given.config).read_text()))
    chosen = [(name, jobs[name]) for name in given.only or jobs]
    with get_context("spawn").Pool(given.processes, maxtasksperchild=1) as pool:
        work = partial(one, segments=given.segments, runs=given.run, vid4=given.vid4)
        for _ in pool.imap_unordered(work, chosen, chunksize=1):
            pass
    print("| variant | " + " | ".join(COLUMNS) + " | seconds |")
    for name in jobs:
        if line := last_line(Path(given.run) / name):
            print(f"| {name} | " + " | ".join(f"{line[c]:.2f}" for c in COLUMNS) + f" | {line['seconds']} |")


if __name__ == "__main__":
    main()
