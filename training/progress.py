"""How far runs are, read from their folders: the step, the last figures, and what the end of a stage still brought."""

import json
from functools import cached_property

import torch

from .loop import is_held
from .train import DEFAULTS

FAILED = "failed.txt"  # in the folder of a run that crashed: its last lines
FIGURES = ("held", "codec", "pan", "vid4", "loss")
DIGITS = {"loss": 5}


class Progress:
    """A run's folder, as it is now, against the stages that it should have run."""

    def __init__(self, folder, stages):
        self.folder = folder
        self.steps = [(DEFAULTS | stage)["steps"] for stage in stages]

    @cached_property
    def lines(self):
        """The measurements of its log, oldest first."""
        log = self.folder / "log.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    @cached_property
    def saved(self):
        """(stage, step, seconds that the stage has taken) of its checkpoint."""
        last = self.folder / "last.pt"
        if not last.exists():
            return 0, 0, 0.0
        state = torch.load(last, map_location="cpu")
        return state["stage"], state["step"], state["seconds"]

    @property
    def done(self):
        """Measured at the end of the last stage."""
        end = (len(self.steps) - 1, self.steps[-1])
        return bool(self.lines) and (self.lines[-1]["stage"], self.lines[-1]["step"]) >= end

    @property
    def failed(self):
        return (self.folder / FAILED).exists()

    @property
    def running(self):
        return is_held(self.folder / "log.jsonl")

    @property
    def place(self):
        stage, step, _ = self.saved
        return f"stage {stage + 1} of {len(self.steps)}, step {step} of {self.steps[min(stage, len(self.steps) - 1)]}"

    def at(self, line):
        """The step of a measurement, counted from the run's first stage on."""
        return sum(self.steps[: line["stage"]]) + line["step"]

    def last_fifth(self):
        """{"held": dB, "codec": dB}: what the last fifth of the last stage brought; {} before there are two measurements."""
        stage, steps = len(self.steps) - 1, self.steps[-1]
        late = [line for line in self.lines if line["stage"] == stage and line["step"] >= 0.8 * steps]
        if not self.done or len(late) < 2:
            return {}
        return {name: late[-1][name] - late[0][name] for name in ("held", "codec") if name in late[0]}


def table(entries):
    """The runs of a list as Markdown: one row each."""
    heading = ["run", "state", "at", "s/step", *FIGURES, "last fifth"]
    rows = [heading, ["---"] * len(heading), *map(row, entries)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def row(entry):
    progress = entry.progress
    _, step, seconds = progress.saved
    line = progress.lines[-1] if progress.lines else {}
    pace = f"{seconds / step:.3f}" if step else ""
    figures = [f"{line[name]:.{DIGITS.get(name, 2)}f}" if name in line else "" for name in FIGURES]
    gains = progress.last_fifth()
    said = ", ".join(f"{name} {gain:+.3f}" for name, gain in gains.items())
    if gains and entry.enough:
        said += ": enough" if max(gains.values()) < entry.enough else ": not enough"
    return [entry.name, entry.state(), progress.place if step else "", pace, *figures, said]
